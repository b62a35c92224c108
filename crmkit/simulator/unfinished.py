"""The hidden folder in which an output grows until it is whole: one run at a time, and a killed one can go on.

Beside OUT, while it is being written:

    .OUT.lock                     held by the run, let go by the system when the run ends, however it ends
    .OUT.unfinished/plan.json     what is being made; written last, so that a folder without it holds nothing
                   /blocks-…/     one folder per block that is finished
                   /whole/        what will become OUT; it is gone once it has
                   /replaced/     the OUT that was there before, until the new one has taken its place
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from crmkit.errors import CannotWrite

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The places of one run.

    Attributes:
        out: Where the output is to appear.
        identity: What is being made, in what format and by which version: only the same may go on with it.
    """

    out: Path
    identity: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Everything that is not finished."""
        return beside(self.out, "unfinished")

    @property
    def blocks(self) -> Path:
        """The finished blocks; named by the run, so that a worker left over from another one finds nothing here."""
        return self.folder / f"blocks-{hashlib.sha256(_written(self.identity)).hexdigest()[:12]}"

    @property
    def whole(self) -> Path:
        """What will become the output."""
        return self.folder / "whole"

    @property
    def replaced(self) -> Path:
        """The output that was there before."""
        return self.folder / "replaced"

    @property
    def plan(self) -> Path:
        """The file that says what is being made."""
        return self.folder / "plan.json"

    @property
    def is_published(self) -> bool:
        """Whether an earlier run got as far as giving the output its name, and no further."""
        return self.plan.exists() and not self.whole.exists()

    def begin(self, *, overwrite: bool) -> bool:
        """Make ready, going on where an earlier run was cut short; False when there is nothing left to do.

        Raises:
            CannotWrite: the output is there already, or a run with other settings is not finished.
        """
        if self.is_published:
            done = self._is_same_run() and _facts(self.out) == self.identity["facts"]
            self.discard()
            if done:
                return False
        refuse_existing(self.out, overwrite=overwrite)
        if self.plan.exists() and not self._is_same_run():
            if not overwrite:
                raise CannotWrite("other_run", out=self.out, folder=self.folder, differences=self._differences())
            if self.replaced.exists() and not self.out.exists():
                self.replaced.rename(self.out)
        if not self._is_same_run():
            self.discard()
            self._lay_out()
        for half in self.blocks.glob(".half-*"):
            _remove(half, half.with_name(".discarded"))
        return True

    def publish(self) -> None:
        """Give the whole its name: the one moment at which the output appears."""
        if self.out.is_dir() and not any(self.out.iterdir()):
            self.out.rmdir()
        elif self.out.exists():
            self.out.rename(self.replaced)
        self.whole.rename(self.out)
        keep(self.out.parent)
        self.discard()

    def discard(self) -> None:
        """Throw the folder away, and what is left of one whose throwing away was cut short."""
        _remove(self.folder, beside(self.out, "discarded"))

    def _lay_out(self) -> None:
        self.blocks.mkdir(parents=True)
        self.whole.mkdir()
        write_whole(self.plan, _written(self.identity))

    def _is_same_run(self) -> bool:
        try:
            return self.plan.read_bytes() == _written(self.identity)
        except FileNotFoundError:
            return False

    def _differences(self) -> str:
        """What the unfinished run was told, against what this one is told: `seed: 7 → 8`."""
        try:
            before = dict(_leaves(json.loads(self.plan.read_bytes())))
        except ValueError:
            return "plan.json: ?"
        now = dict(_leaves(json.loads(_written(self.identity))))
        names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        return "; ".join(f"{name}: {before.get(name, '-')} → {now.get(name, '-')}" for name in names)


def beside(out: Path, what: str) -> Path:
    """The hidden neighbour of an output."""
    return out.with_name(f".{out.name}.{what}")


def refuse_existing(out: Path, *, overwrite: bool) -> None:
    """Stop before anything is lost that is there already; an empty folder is nothing to lose.

    Raises:
        CannotWrite: the output exists and may not, or must not, be replaced.
    """
    if not os.path.lexists(out) or (out.is_dir() and not any(out.iterdir())):
        return
    if not overwrite:
        raise CannotWrite("exists", out=out)
    if _facts(out) is None:
        raise CannotWrite("not_ours", out=out)


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Hold the only right to write this output.

    Raises:
        CannotWrite: another run holds it.
    """
    path = beside(out, "lock")
    with writing(out):
        file = _locked(path)
    if file is None:
        raise CannotWrite("running", out=out)
    with file:
        yield
        if os.name == "posix":  # elsewhere an open file cannot be removed; an empty file stays
            path.unlink(missing_ok=True)


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """What the system says when it cannot write, in words that say what to do.

    Raises:
        CannotWrite: the disk is full, or a place cannot be written.
    """
    try:
        yield
    except CannotWrite:
        raise
    except OSError as error:
        place = error.filename or out
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise CannotWrite("disk_full", file=place, detail=error.strerror or error) from error
        raise CannotWrite("failed", file=place, detail=error.strerror or error) from error


def _locked(path: Path) -> IO[bytes] | None:
    """The lock file, opened and locked; None when somebody else has it."""
    while True:
        file = path.open("ab")
        try:
            _lock(file)
        except OSError as error:
            file.close()
            if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                return None
            raise
        try:  # the holder before may have removed the file between the opening and the locking
            if os.name != "posix" or os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except FileNotFoundError:
            pass
        file.close()


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file so that it is there either whole or not at all."""
    half = path.with_name(f".half-{path.name}")
    with half.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
    keep(path.parent)


def keep(folder: Path) -> None:
    """Have the disk remember which files a folder holds (where the system can be told to)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove(folder: Path, away: Path) -> None:
    """Remove a folder under another name: nobody who is still at it, or goes on later, takes what is left for whole."""
    if away.exists():
        shutil.rmtree(away)
    with suppress(FileNotFoundError):
        folder.rename(away)
        shutil.rmtree(away)


def _facts(out: Path) -> Any:
    """What the manifest of an output says was made; None where there is no manifest of crmkit."""
    try:
        manifest = json.loads((out / MANIFEST).read_bytes())
        return manifest["facts"] if "tables" in manifest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _written(identity: Mapping[str, Any]) -> bytes:
    return (json.dumps(identity, indent=2, ensure_ascii=False, default=str) + "\n").encode()


def _leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from _leaves(value, f"{prefix}.{name}" if prefix else name)
    else:
        yield prefix, tree
