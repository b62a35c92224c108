"""One block of customers on the disk: a folder with a file for each table and a note of what is in them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from crmkit.simulator.unfinished import keep, write_whole, writing

Tables = Mapping[str, pa.Table]
Totals = Mapping[str, np.ndarray[Any, np.dtype[np.int64]]]
NOTE = "block.json"
TRUTH = "truth"


class Block(Protocol):
    """What a plan computes for one block of customers."""

    @property
    def tables(self) -> Tables: ...
    @property
    def truth(self) -> Tables: ...
    @property
    def totals(self) -> Totals: ...


class Blocks(Protocol):
    """What computes blocks."""

    def block(self, number: int, /) -> Block: ...


@dataclass(frozen=True, slots=True)
class Part:
    """What one file holds.

    Attributes:
        table: Name of the table; tables of the truth begin with `truth/`.
        rows: How many rows.
        bytes: How large the file is.
        content: The fingerprint's columns: from those of all parts follows that of the table.
    """

    table: str
    rows: int
    bytes: int
    content: tuple[tuple[str, str, int], ...]

    @property
    def fingerprint(self) -> Fingerprint:
        """What the rows hold."""
        return Fingerprint(self.rows, tuple((name, family, value) for name, family, value in self.content))


@dataclass(frozen=True, slots=True)
class Note:
    """What a finished block holds, as written beside it."""

    parts: tuple[Part, ...]
    totals: dict[str, Any]

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(part.rows for part in self.parts)

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(part.bytes for part in self.parts)


def write_block(plan: Blocks, folder: Path, ending: str, number: int) -> Note:
    """Compute a block and write it.

    Args:
        plan: What computes it.
        folder: Folder of the blocks.
        ending: "parquet" or "csv".
        number: Which block.
    """
    block = plan.block(number)
    totals = {name: total.tolist() for name, total in block.totals.items()}
    return write_parts(block.tables, block.truth, totals, folder / block_name(number), ending)


def write_parts(tables: Tables, truth: Tables, totals: Mapping[str, Any], folder: Path, ending: str) -> Note:
    """Write tables into a folder that is there under its name only when all of it is on the disk."""
    named = {**tables, **{f"{TRUTH}/{name}": table for name, table in truth.items()}}
    half = folder.with_name(f".half-{folder.name}-{os.getpid()}")
    with writing(folder.parent):
        (half / TRUTH).mkdir(parents=True)
        parts = tuple(write_part(name, table, half / f"{name}.{ending}") for name, table in named.items())
        note = Note(parts, dict(totals))
        write_whole(half / NOTE, json.dumps(asdict(note)).encode())
        keep(half / TRUTH)
        try:
            half.rename(folder)
        except OSError:
            if not folder.exists():
                raise
            shutil.rmtree(half)  # a worker left over from a killed run was quicker, with the same content
        keep(folder.parent)
    return note


def note_of(folder: Path) -> Note | None:
    """The note of a block, if it is finished."""
    try:
        found = json.loads((folder / NOTE).read_bytes())
    except FileNotFoundError:
        return None
    return Note(tuple(Part(**part) for part in found["parts"]), found["totals"])


def block_name(number: int) -> str:
    """The folder of a block."""
    return f"block-{number:05d}"
