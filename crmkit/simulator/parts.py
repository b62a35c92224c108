"""One piece of a world on the disk: a folder with a file for each table, and a note of what is in them."""

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

from crmkit.datasets.drafts import keep_names
from crmkit.datasets.engines import ARROW, kind_of
from crmkit.datasets.formats import Place, write_csv_rows, write_parquet
from crmkit.datasets.hashes import Fingerprint
from crmkit.datasets.manifest import SavedColumn
from crmkit.simulator.unfinished import Unfinished, keep_file, write_whole, writing

Tables = Mapping[str, pa.Table]
Totals = Mapping[str, np.ndarray[Any, Any]]
_NOTE = "note.json"


class Block(Protocol):
    """What a plan computes for one block of customers."""

    @property
    def tables(self) -> Tables: ...
    @property
    def truth(self) -> Tables: ...
    @property
    def totals(self) -> Totals: ...


class Maker(Protocol):
    """What computes the pieces of a world, in any order and in any process: it can be pickled."""

    @property
    def blocks(self) -> int: ...
    def block(self, number: int, /) -> Block: ...
    def truth(self) -> Tables: ...


@dataclass(frozen=True, slots=True)
class Part:
    """What one file of a piece holds: a part of the table in `place`."""

    place: Place
    columns: tuple[SavedColumn, ...]
    content: Fingerprint
    bytes: int

    @classmethod
    def of(cls, told: dict[str, Any]) -> Part:
        """The part from what was written of it."""
        words = tuple((name, family, word) for name, family, word in told["content"]["columns"])
        columns = tuple(SavedColumn(**column) for column in told["columns"])
        return cls(Place(**told["place"]), columns, Fingerprint(told["content"]["rows"], words), told["bytes"])

    def file(self, ending: str) -> str:
        """Its name in the folder of its piece."""
        return f"{self.place.path}.{ending}"


@dataclass(frozen=True, slots=True)
class Note:
    """What a finished piece holds, as written beside it."""

    parts: tuple[Part, ...]
    totals: Mapping[str, Any]

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(part.content.rows for part in self.parts)

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(part.bytes for part in self.parts)


def write_piece(plan: Maker, work: Unfinished, ending: str, number: int) -> Note:
    """Compute a piece of a world and write it.

    Args:
        plan: What computes it.
        work: Where it belongs.
        ending: "parquet" or "csv".
        number: Which block; or, after the last one, the truth about the shop as a whole.

    Raises:
        CannotWrite: it cannot be written.
    """
    folder = piece_folder(work, number)
    if number == plan.blocks:
        truth = plan.truth()
        with writing(work.out, work.folder):
            return write_parts({}, truth, {}, folder, ending)
    block = plan.block(number)
    with writing(work.out, work.folder):
        return write_parts(block.tables, block.truth, block.totals, folder, ending)


def write_parts(tables: Tables, truth: Tables, totals: Totals, folder: Path, ending: str) -> Note:
    """Write tables into a folder that is there under its name only when all of it is on the disk.

    Each table is asked for when it is written, so that a mapping that makes them then has one at a time in memory.
    """
    half = folder.with_name(f".half-{folder.name}-{os.getpid()}")
    half.mkdir()  # without its parents: a worker left over from a run that was thrown away shall not bring them back
    (half / "truth").mkdir()
    parts = tuple(_write_part(Place(name), tables[name], half, ending) for name in tables)
    parts += tuple(_write_part(Place(name, is_truth=True), truth[name], half, ending) for name in truth)
    note = Note(parts, {name: total.tolist() for name, total in totals.items()})
    keep_names(half / "truth")
    write_whole(half / _NOTE, json.dumps(asdict(note)).encode())
    try:
        half.rename(folder)
    except OSError:
        if not folder.exists():
            raise
        shutil.rmtree(half)  # a worker left over from a killed run was quicker, with the same content
    keep_names(folder.parent)
    return note


def note_of(folder: Path) -> Note | None:
    """The note of a piece, if it is finished."""
    return read_note(folder) if folder.exists() else None


def read_note(folder: Path) -> Note:
    """The note of a finished piece."""
    told = json.loads((folder / _NOTE).read_bytes())
    return Note(tuple(map(Part.of, told["parts"])), told["totals"])


def piece_folder(work: Unfinished, number: int) -> Path:
    """Where a piece is once it is finished."""
    return work.pieces / f"piece-{number:05d}"


def _write_part(place: Place, table: pa.Table, folder: Path, ending: str) -> Part:
    model = place.model
    columns = tuple(SavedColumn(field.name, kind_of(field.name, field.type, model)) for field in table.schema)
    table = pa.table({column.name: _typed(table[column.name], ARROW[column.kind]) for column in columns})
    path = folder / f"{place.path}.{ending}"
    if ending == "csv":
        with path.open("xb") as file:
            write_csv_rows(file, table)
    else:
        write_parquet(path, [table], place, columns)
    keep_file(path)
    return Part(place, columns, Fingerprint.of(table), path.stat().st_size)


def _typed(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """A column in the type of its kind; few words that come often may stay written as a dictionary."""
    if pa.types.is_dictionary(column.type) and column.type.value_type == wanted:
        return column
    return column.cast(wanted)
