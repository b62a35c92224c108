"""From the finished pieces to the output: can be cut short at any moment, and done again from where it was."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from crmkit import schema
from crmkit.datasets.drafts import keep_names
from crmkit.datasets.formats import Place, read_pieces, write_csv_header
from crmkit.datasets.hashes import Fingerprint
from crmkit.datasets.manifest import DATABASE, MANIFEST, Format, Manifest, SavedTable
from crmkit.simulator.parts import Note, Part, Tables, Totals, note_of, read_note, write_parts
from crmkit.simulator.unfinished import Unfinished, keep_file, write_whole

Sources = list[tuple[Path, Part]]
Entries = dict[Place, SavedTable]
_PIECE = 1 << 20


class Shop(Protocol):
    """What knows the tables of the shop as a whole, once the totals of all customers are known."""

    @property
    def facts(self) -> Mapping[str, Any]: ...
    def shop(self, totals: Totals, /) -> Tables: ...


def make_whole(
    plan: Shop, work: Unfinished, folders: Iterable[Path], format: Format, tell: Callable[[str], None]
) -> None:
    """Put the pieces and the tables of the shop as a whole together, with the manifest as the last file.

    Args:
        plan: What gives the tables of the shop as a whole.
        work: Where the output grows.
        folders: The finished pieces, in order.
        format: How it is to be written.
        tell: Called with the name of each table before it is put together.
    """
    ending = ending_of(format)
    tables: dict[Place, Sources] = {}
    for folder, note in _notes(plan, work, folders, ending):
        for part in note.parts:
            tables.setdefault(part.place, []).append((folder / part.file(ending), part))
    tables = {place: tables[place] for place in sorted(tables, key=_order)}
    join = {"parquet": _join_parquet, "csv": _join_csv, "duckdb": _join_duckdb}[format]
    entries = join(work, tables, tell)
    for folder in {(work.whole / file.file).parent for entry in entries.values() for file in entry.files}:
        keep_names(folder)
    _write_manifest(work, entries, format)


def ending_of(format: Format) -> str:
    """In what kind of file the parts are written."""
    return "csv" if format == "csv" else "parquet"


def _notes(plan: Shop, work: Unfinished, folders: Iterable[Path], ending: str) -> list[tuple[Path, Note]]:
    """What is in each folder: those of the pieces, and that of the shop as a whole, which is written here."""
    found = [(folder, read_note(folder)) for folder in folders]
    folder = work.pieces / "shop"
    shop = note_of(folder)
    if shop is None:
        shop = write_parts(plan.shop(_summed([note for _, note in found])), {}, {}, folder, ending)
    return [*found, (folder, shop)]


def _summed(notes: list[Note]) -> Totals:
    totals: dict[str, np.ndarray[Any, Any]] = {}
    for note in notes:
        for name, told in note.totals.items():
            total = np.array(told, dtype=np.int64)
            totals[name] = totals[name] + total if name in totals else total
    return totals


def _order(place: Place) -> tuple[bool, int, str]:
    """The order of the data model; what it does not know comes last."""
    known = list(schema.TRUTH if place.is_truth else schema.TABLES)
    return place.is_truth, known.index(place.name) if place.name in known else len(known), place.name


def _join_parquet(work: Unfinished, tables: Mapping[Place, Sources], tell: Callable[[str], None]) -> Entries:
    """Every part becomes a file of the output as it is."""
    entries = {}
    for place, sources in tables.items():
        tell(place.path)
        files = {}
        for number, (source, part) in enumerate(sources):
            name = place.file("parquet", number if len(sources) > 1 else None)
            target = work.whole / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.exists():
                source.rename(target)
            files[name] = part.content
        entries[place] = SavedTable.of(files, sources[0][1].columns)
    return entries


def _join_csv(work: Unfinished, tables: Mapping[Place, Sources], tell: Callable[[str], None]) -> Entries:
    """One file for each table; its parts are removed when it is whole, so that they are not all there twice."""
    for place, sources in tables.items():
        tell(place.path)
        target = work.whole / place.file("csv")
        if not target.exists():
            half = work.folder / "half.csv"
            with half.open("wb") as file:
                write_csv_header(file, sources[0][1].columns)
                for source, _ in sources:
                    with source.open("rb") as rows:
                        shutil.copyfileobj(rows, file, _PIECE)
            keep_file(half)
            target.parent.mkdir(exist_ok=True)
            half.rename(target)
        for source, _ in sources:
            source.unlink(missing_ok=True)
    return _in_one_file(tables, "csv")


def _join_duckdb(work: Unfinished, tables: Mapping[Place, Sources], tell: Callable[[str], None]) -> Entries:
    """One database, made anew where it was not finished."""
    from crmkit.datasets.database import Database

    target = work.whole / DATABASE
    if not target.exists():
        folder = work.folder / "database"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        with Database(folder / DATABASE) as database:
            for place, sources in tables.items():
                tell(place.path)
                database.write(_pieces(sources), place, sources[0][1].columns)
        log = folder / f"{DATABASE}.wal"
        if log.exists():  # DuckDB says nothing when its last rows do not fit onto the disk: it leaves them in here
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(log))
        keep_file(folder / DATABASE)
        (folder / DATABASE).rename(target)
    return _in_one_file(tables, "duckdb")


def _pieces(sources: Sources) -> Iterator[pa.Table]:
    for source, part in sources:
        yield from read_pieces("parquet", source, part.place, part.columns)


def _in_one_file(tables: Mapping[Place, Sources], format: Format) -> Entries:
    """The entries of tables that are in one file each, or all in one."""
    return {
        place: SavedTable.of({place.file(format): _content(sources)}, sources[0][1].columns)
        for place, sources in tables.items()
    }


def _content(sources: Sources) -> Fingerprint:
    return reduce(add, (part.content for _, part in sources))


def _write_manifest(work: Unfinished, entries: Entries, format: Format) -> None:
    tables, truth = (
        {place.name: entry for place, entry in entries.items() if place.is_truth == is_truth}
        for is_truth in (False, True)
    )
    facts = work.identity["facts"]
    manifest = Manifest(format, facts["zone"], facts, tables, truth)
    write_whole(work.whole / MANIFEST, manifest.text().encode())
