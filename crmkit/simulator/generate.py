"""A world of any size onto the disk: a block of customers at a time, whole or not at all, and resumed if cut short."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from crmkit.datasets.drafts import alone, refuse_existing
from crmkit.datasets.manifest import FORMATS, Format
from crmkit.errors import CannotWrite, ParameterError
from crmkit.simulator.parts import Maker, Note, note_of, piece_folder, write_piece
from crmkit.simulator.size import free_disk, refuse_too_much, spell_bytes
from crmkit.simulator.unfinished import Unfinished, writing
from crmkit.simulator.whole import Shop, ending_of, make_whole
from crmkit.simulator.workers import side_by_side

_MOST_PROCESSES = 4
# Bytes of the whole and of what it is made from, on the disk together, for each byte of a finished part.
_SPACE = {"parquet": 1.0, "csv": 1.5, "duckdb": 9.0}


class Plan(Maker, Shop, Protocol):
    """A world before it is made."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Attributes:
        pieces: How many pieces there are: blocks of customers, and the truth about the shop as a whole.
        finished: How many of them are on the disk.
        resumed: How many of those an earlier run had left there.
        customers: How many customers there are to be.
        lived: How many of them the finished blocks hold.
        rows: How many rows of all tables are on the disk.
        table: The table that is being put together, once all pieces are there.
    """

    pieces: int
    finished: int
    resumed: int
    customers: int
    lived: int
    rows: int
    table: str = ""


def generate(
    plan: Plan,
    out: str | os.PathLike[str],
    *,
    format: Format = "parquet",
    workers: int | None = None,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Write a simulated world to a folder, however large it is.

    It is computed and written a block of customers at a time, so that memory does not grow with their number. The
    folder appears under its name when it is whole; until then the work is in the hidden folder `.<name>.unfinished`
    beside it. When a run is cut short, the same call goes on where it was. The content is the same for any number of
    processes, any format, and however often it was cut short.

    Args:
        plan: What is to be computed.
        out: The folder to write; `crmkit.load` reads it.
        format: "parquet" (a file for each table, or a folder of parts if there are several blocks), "csv" (a file for
            each table) or "duckdb" (one database).
        workers: How many processes compute at once; without it as many as there are processors, at most 4. 1 works
            in this process.
        overwrite: Replace a folder that crmkit wrote, or an unfinished run with other settings.
        progress: Called after each block and for each table that is put together.

    Returns:
        The folder.

    Raises:
        CannotWrite: the folder is being written by another run, was begun with other settings, or cannot be written;
            the disk is too small or full. Nothing is lost that was finished.
        ParameterError: the folder exists, or holds what crmkit did not write; unknown format; no number of processes
            that makes sense.
        ProcessDied: a process that computed was ended from outside.
    """
    if format not in FORMATS:
        raise ParameterError("unknown_variant", parameter="format", value=format, options=", ".join(FORMATS))
    processes = _processes(workers)
    place = Path(os.path.realpath(out))
    work = Unfinished(place, _identity(plan, format))
    work.sweep()
    if not work.plan.exists():
        refuse_existing(place, overwrite=overwrite)
        refuse_too_much(plan.facts["customers"], plan.facts["weeks"], in_memory=False, folder=place.parent)
    with writing(place, work.folder):
        place.parent.mkdir(parents=True, exist_ok=True)
        with alone(place):
            if work.begin(overwrite=overwrite):
                run = _Run(plan, work, format, progress or (lambda _: None))
                run.compute(processes)
                run.put_together()
                work.publish()
    return place


class _Run:
    """One run, and how far it has come."""

    def __init__(self, plan: Plan, work: Unfinished, format: Format, tell: Callable[[Progress], None]) -> None:
        self.plan, self.work, self.format, self.tell = plan, work, format, tell
        self.resumed = self.finished = self.blocks = self.rows = self.bytes = 0

    def compute(self, processes: int) -> None:
        """Have all pieces on the disk, those that were there already and those that are computed now."""
        numbers = [self.plan.blocks, *range(self.plan.blocks)]  # the truth first: it takes longest
        missing = []
        for number in numbers:
            note = note_of(piece_folder(self.work, number))
            if note is None:
                missing.append(number)
            else:
                self._count(number, note)
        self.resumed = self.finished
        self._tell()
        job = partial(write_piece, self.plan, self.work, ending_of(self.format))
        # for a single block, other processes would take longer to start than they would save
        with closing(side_by_side(job, missing, processes if self.plan.blocks > 1 else 1)) as answers:
            for number, note in answers:
                self._count(number, note)
                self._tell()
                self._check_room()

    def put_together(self) -> None:
        """Make the whole of the pieces and of what concerns the shop as a whole."""
        folders = [piece_folder(self.work, number) for number in range(self.plan.blocks + 1)]
        make_whole(self.plan, self.work, folders, self.format, self._tell)

    def _count(self, number: int, note: Note) -> None:
        self.finished += 1
        self.rows += note.rows
        if number < self.plan.blocks:
            self.blocks += 1
            self.bytes += note.bytes

    def _check_room(self) -> None:
        """Go on only if the rest fits too, going by the blocks so far."""
        if not self.blocks:
            return
        needed = _SPACE[self.format] * self.bytes * self.plan.blocks / self.blocks - self.bytes
        free = free_disk(self.work.folder)
        if needed > free:
            raise CannotWrite(
                "no_room",
                out=self.work.out, folder=self.work.folder, finished=self.blocks, blocks=self.plan.blocks,
                needed=spell_bytes(needed), free=spell_bytes(free),
            )  # fmt: skip

    def _tell(self, table: str = "") -> None:
        customers, blocks = self.plan.facts["customers"], self.plan.blocks
        lived = customers * self.blocks // blocks
        self.tell(Progress(blocks + 1, self.finished, self.resumed, customers, lived, self.rows, table))


def _processes(workers: object) -> int:
    if workers is None:
        allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return min(_MOST_PROCESSES, allowed or 1)
    if isinstance(workers, bool) or not isinstance(workers, int):
        raise ParameterError("not_whole", parameter="workers", value=workers)
    if not 1 <= workers <= 256:
        raise ParameterError("not_positive", parameter="workers", value=workers, most=256)
    return workers


def _identity(plan: Plan, format: str) -> dict[str, Any]:
    """What only the same run may go on with; `plan` tells a scenario file that was changed in between."""
    content = hashlib.sha256(repr(plan).encode()).hexdigest()[:12]
    told = {"facts": dict(plan.facts), "format": format, "plan": content, "crmkit": version("crmkit")}
    identity: dict[str, Any] = json.loads(json.dumps(told, default=str))
    return identity
