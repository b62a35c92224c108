"""A folder that appears under its name only when it is whole.

The work is done in a hidden neighbour, which takes the name at the end:

    .NAME.lock          held while somebody writes NAME; the system lets go of it when the process ends, however it ends
    .NAME.unfinished/   the new content; with a plan.json in it, a run of `crmkit generate` that can be finished
    .NAME.replaced/     the old content, for the moment between its leaving the name and the new one's taking it
    .NAME.discarded/    what is being removed
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from crmkit.datasets.manifest import MANIFEST, is_saved, read_manifest
from crmkit.errors import CannotWrite, CrmkitError, ParameterError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_ACCESS = {errno.EACCES, errno.EPERM, errno.EROFS}
_CLUTTER = {".DS_Store", "Thumbs.db", "desktop.ini"}  # what systems leave in folders that people look at


@contextmanager
def draft(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """A folder to write to, which becomes `out` at the end of the block; nothing is left of it if the block fails.

    Raises:
        ParameterError: `out` exists, and may not or must not be replaced.
        CannotWrite: no room, no right to write, or somebody else is writing there.
    """
    with write_errors(out):
        refuse_existing(out, overwrite=overwrite)
        out.parent.mkdir(parents=True, exist_ok=True)
        with alone(out):
            put_back(out)
            refuse_existing(out, overwrite=overwrite)
            place = beside(out, "unfinished")
            if (place / "plan.json").exists():
                raise CannotWrite("unfinished", out=out, folder=place)
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            try:
                yield place
                _keep(place)
                publish(place, out)
            except BaseException:
                shutil.rmtree(place, ignore_errors=True)
                raise


def beside(out: Path, what: str) -> Path:
    """The hidden neighbour of a folder."""
    return out.with_name(f".{out.name}.{what}")


def refuse_existing(out: Path, *, overwrite: bool) -> None:
    """Stop before anything is lost that is there already; an empty folder is nothing to lose.

    Raises:
        ParameterError: `out` exists; or, with `overwrite`, is not a folder that crmkit saved, or holds more than that.
    """
    if not os.path.lexists(out) or (out.is_dir() and not any(out.iterdir())):
        return
    found = [item.name for item in out.iterdir()] if out.is_dir() else [out.name]
    if not is_saved(out):
        raise ParameterError("folder_not_ours", folder=out, found=_listed(found))
    if not overwrite:
        raise ParameterError("folder_exists", folder=out, found=_listed(found))
    if more := _not_ours(out):
        raise ParameterError("folder_has_more", folder=out, found=_listed(more))


def _not_ours(folder: Path) -> list[str]:
    """Files in a saved folder that its manifest does not speak of."""
    ours = {MANIFEST, *read_manifest(folder).files}
    paths = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    names = [path.relative_to(folder).as_posix() for path in paths if path.name not in _CLUTTER]
    return [name for name in names if name not in ours]


def _listed(names: list[str]) -> str:
    return ", ".join([*sorted(names)[:5], *(["…"] if len(names) > 5 else [])])


@contextmanager
def write_errors(out: Path) -> Iterator[None]:
    """Says what the system says about writing, in words that help.

    Raises:
        CannotWrite: in place of any `OSError` of the block.
    """
    try:
        yield
    except CrmkitError:
        raise
    except OSError as error:
        reason = "full" if error.errno in _FULL else "no_access" if error.errno in _NO_ACCESS else "failed"
        where = error.filename or out
        raise CannotWrite(reason, out=out, file=where, detail=error.strerror or error) from error


def publish(place: Path, out: Path) -> None:
    """Give a new folder its name: the one moment at which it appears."""
    old = beside(out, "replaced")
    if out.is_dir() and not any(out.iterdir()):
        out.rmdir()
    elif out.exists():
        _throw_away(out, old)
        out.rename(old)
    try:
        place.rename(out)
    except BaseException:
        put_back(out)
        raise
    keep_names(out.parent)
    _throw_away(out, old)


def _throw_away(out: Path, old: Path) -> None:
    """Remove an old folder under a name from which nobody would put back what is left of it."""
    away = beside(out, "discarded")
    shutil.rmtree(away, ignore_errors=True)
    if old.exists():
        old.rename(away)
        shutil.rmtree(away, ignore_errors=True)


def put_back(out: Path) -> None:
    """Give the old folder its name back where it was taken and nobody got it: a run was cut short just then."""
    old = beside(out, "replaced")
    if old.exists() and not out.exists():
        old.rename(out)


def _keep(folder: Path) -> None:
    """Have the disk hold everything in a folder, not only the system's memory."""
    for path in folder.rglob("*"):
        if path.is_dir():
            keep_names(path)
        else:
            with path.open("rb+") as file:
                os.fsync(file.fileno())
    keep_names(folder)


def keep_names(folder: Path) -> None:
    """Have the disk hold which files a folder has."""
    if os.name == "posix":  # elsewhere a folder cannot be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Hold the only right to write this folder.

    Raises:
        CannotWrite: somebody else holds it.
    """
    path = beside(out, "lock")
    file = _locked(path)
    if file is None:
        raise CannotWrite("running", out=out)
    with file:
        try:
            yield
        finally:
            if os.name == "posix":  # elsewhere an open file cannot be removed; an empty file stays
                path.unlink(missing_ok=True)


def _locked(path: Path) -> IO[bytes] | None:
    """The lock file, opened and locked; `None` when somebody else has it."""
    while True:
        file = path.open("ab")
        try:
            _lock(file)
            # the holder before may have removed the file between the opening and the locking
            if os.name != "posix" or os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except FileNotFoundError:
            pass
        except OSError as error:
            file.close()
            if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                return None
            raise
        file.close()


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
