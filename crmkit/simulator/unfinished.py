"""What a run that is not finished leaves behind, so that the same command can go on with it.

Inside the hidden folder in which every output grows (`crmkit.datasets.drafts`):

    .OUT.unfinished/plan.json     what is being made; written last, so that a folder without it holds nothing
                   /pieces-…/     a folder for each block of customers that is finished, and what goes with them
                   /whole/        what will become OUT; it is gone once it has
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crmkit.datasets.drafts import beside, keep_names, publish, put_back, refuse_existing, write_errors
from crmkit.datasets.manifest import read_manifest
from crmkit.errors import CannotWrite, CrmkitError


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
    def pieces(self) -> Path:
        """The finished pieces; named by the run, so that a worker left over from another one finds nothing here."""
        return self.folder / f"pieces-{hashlib.sha256(_written(self.identity)).hexdigest()[:12]}"

    @property
    def whole(self) -> Path:
        """What will become the output."""
        return self.folder / "whole"

    @property
    def plan(self) -> Path:
        """The file that says what is being made."""
        return self.folder / "plan.json"

    def begin(self, *, overwrite: bool) -> bool:
        """Make ready, going on where an earlier run was cut short; False when there is nothing left to do.

        Raises:
            ParameterError: the output is there already.
            CannotWrite: a run with other settings is not finished.
        """
        put_back(self.out)
        if self.plan.exists() and not self.whole.exists():  # cut short after the output had got its name
            is_done = self._is_same_run() and self._is_out()
            self.discard()
            if is_done:
                _remove(beside(self.out, "replaced"), beside(self.out, "discarded"))
                return False
        refuse_existing(self.out, overwrite=overwrite)
        if not self._is_same_run():
            if self.plan.exists() and not overwrite:
                raise CannotWrite("other_run", out=self.out, folder=self.folder, differences=self._differences())
            self.discard()
            self._lay_out()
        for half in self.pieces.glob(".half-*"):
            _remove(half, half.with_name(".discarded"))
        return True

    def publish(self) -> None:
        """Give the whole its name: the one moment at which the output appears."""
        publish(self.whole, self.out)
        self.discard()

    def discard(self) -> None:
        """Throw the folder away."""
        _remove(self.folder, beside(self.out, "discarded"))

    def sweep(self) -> None:
        """Remove what is left of a folder whose throwing away was cut short: the last thing a run does."""
        shutil.rmtree(beside(self.out, "discarded"), ignore_errors=True)

    def _lay_out(self) -> None:
        self.pieces.mkdir(parents=True)
        self.whole.mkdir()
        write_whole(self.plan, _written(self.identity))

    def _is_same_run(self) -> bool:
        try:
            return self.plan.read_bytes() == _written(self.identity)
        except FileNotFoundError:
            return False

    def _is_out(self) -> bool:
        try:
            return bool(read_manifest(self.out).facts == self.identity["facts"])
        except CrmkitError:
            return False

    def _differences(self) -> str:
        """What the unfinished run was told, against what this one is told: `seed: 7 → 8`."""
        try:
            before = dict(_leaves(json.loads(self.plan.read_bytes())))
        except ValueError:
            return "plan.json: ?"
        now = dict(_leaves(self.identity))
        names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        return "; ".join(f"{name}: {before.get(name, '-')} → {now.get(name, '-')}" for name in names)


@contextmanager
def writing(out: Path, folder: Path) -> Iterator[None]:
    """Says what the system says about writing, in words that help.

    Args:
        out: The output.
        folder: Where that is kept which is finished.

    Raises:
        CannotWrite: in place of any `OSError` of the block.
    """
    with write_errors(out):
        try:
            yield
        except OSError as error:
            if isinstance(error, CrmkitError) or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            detail = error.strerror or error
            raise CannotWrite("disk_full", file=error.filename or out, detail=detail, folder=folder) from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file so that it is there either whole or not at all."""
    half = path.with_name(f".half-{path.name}")
    half.write_bytes(content)
    keep_file(half)
    half.replace(path)
    keep_names(path.parent)


def keep_file(path: Path) -> None:
    """Have the disk hold a file, not only the system's memory."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _remove(folder: Path, away: Path) -> None:
    """Remove a folder under another name: nobody who is still at it, or goes on later, takes what is left for whole."""
    if away.exists():
        shutil.rmtree(away)
    with suppress(FileNotFoundError):
        folder.rename(away)
        shutil.rmtree(away)


def _written(identity: Mapping[str, Any]) -> bytes:
    return (json.dumps(identity, indent=1, ensure_ascii=False) + "\n").encode()


def _leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for name, value in tree.items():
            yield from _leaves(value, f"{prefix}.{name}" if prefix else name)
    else:
        yield prefix.removeprefix("facts."), tree
