"""A file that appears under its name only when it is whole; until then, what was there before stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crmkit.datasets.drafts import alone, beside, keep_names, write_errors
from crmkit.errors import ParameterError


def checked(out: str | os.PathLike[str], endings: tuple[str, ...], *, overwrite: bool) -> Path:
    """The file to write, if it may be written.

    Raises:
        ParameterError: another ending; a folder of that name; a file of that name, and `overwrite` is not given.
    """
    path = Path(out).expanduser()
    if path.suffix.lower() not in endings:
        raise ParameterError("report_ending", out=path.name, options=", ".join(endings))
    if path.is_dir():
        raise ParameterError("report_folder", out=path)
    if os.path.lexists(path) and not overwrite:
        raise ParameterError("report_exists", out=path)
    return Path(os.path.realpath(path))


@contextmanager
def file_draft(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """A file to write to, which becomes `out` at the end of the block; nothing is left of it if the block fails.

    Raises:
        ParameterError: in the meantime somebody else has written `out`, and `overwrite` is not given.
        CannotWrite: no room, no right to write, or somebody else is writing there.
    """
    with write_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with alone(out):
            place = beside(out, "unfinished")
            try:
                yield place
                with place.open("rb+") as file:
                    os.fsync(file.fileno())
                if os.path.lexists(out) and not overwrite:
                    raise ParameterError("report_exists", out=out)
                os.replace(place, out)
                keep_names(out.parent)
            finally:
                place.unlink(missing_ok=True)
