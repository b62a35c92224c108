"""Tables out to a folder and back, each one checked against what was written."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from crmkit.datasets.drafts import beside, draft
from crmkit.datasets.files import PARQUET_FILES, TEXT_FILES
from crmkit.datasets.formats import Place, Watch, arrow_schema, count_rows, read_pieces, write_csv, write_parquet
from crmkit.datasets.hashes import Fingerprint
from crmkit.datasets.manifest import (
    DATABASE,
    MANIFEST,
    Format,
    Manifest,
    SavedColumn,
    SavedFile,
    SavedTable,
    place_of,
    read_manifest,
)
from crmkit.errors import UnreadableFile
from crmkit.schema import TABLES


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A table to be saved: where it belongs, its columns, and what gives its rows in pieces."""

    place: Place
    columns: tuple[SavedColumn, ...]
    pieces: Callable[[], Iterable[pa.Table]]


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table of a saved folder, read when it is asked for."""

    folder: Path
    format: Format
    place: Place
    entry: SavedTable

    @property
    def rows(self) -> int:
        """How many rows it has, by the manifest."""
        return self.entry.rows

    def pieces(self) -> Iterator[pa.Table]:
        """All rows, a piece at a time; at the end of each file they are compared with what was written.

        Raises:
            UnreadableFile: a file is missing, damaged or changed.
        """
        whole = Watch(self.entry.columns).seen
        for file in self.entry.files:
            path = place_of(self.folder, file.file)
            part = Watch(self.entry.columns)
            yield from part(read_pieces(self.format, path, self.place, self.entry.columns))
            _refuse_other_rows(path, file.rows, part.seen.rows)
            self._refuse_other_content(path, file.hash, part.seen)
            whole += part.seen
        self._refuse_other_content(self.folder / MANIFEST, self.entry.hash, whole)

    def read(self) -> pa.Table:
        """All rows.

        Raises:
            UnreadableFile: a file is missing, damaged or changed.
        """
        return pa.concat_tables([arrow_schema(self.entry.columns).empty_table(), *self.pieces()])

    def _refuse_other_content(self, path: Path, expected: str, found: Fingerprint) -> None:
        if expected != str(found):
            raise UnreadableFile("content_differs", file=path, table=self.place.path, expected=expected, found=found)


def _refuse_other_rows(path: Path, expected: int, found: int) -> None:
    if expected != found:
        raise UnreadableFile("rows_differ", file=path, expected=f"{expected:,}", found=f"{found:,}")


def save_tables(
    out: Path,
    tables: Iterable[Outgoing],
    *,
    format: Format,
    zone: str,
    facts: Mapping[str, Any],
    has_truth: bool,
    overwrite: bool,
) -> None:
    """Write tables to a folder that appears when it is whole.

    Raises:
        ParameterError: the folder exists, and may not or must not be replaced.
        CannotWrite: no room, no right to write, or somebody else is writing there.
    """
    with draft(out, overwrite=overwrite) as folder:
        entries: dict[bool, dict[str, SavedTable]] = {False: {}, True: {}}
        with _writing(format, folder) as write:
            for table in tables:
                watch = Watch(table.columns)
                write(watch(table.pieces()), table.place, table.columns)
                entry = SavedTable.of({table.place.file(format): watch.seen}, table.columns)
                entries[table.place.is_truth][table.place.name] = entry
        manifest = Manifest(format, zone, facts, entries[False], entries[True] if has_truth else None)
        (folder / MANIFEST).write_bytes(manifest.text().encode())


Write = Callable[[Iterable[pa.Table], Place, Sequence[SavedColumn]], None]


@contextmanager
def _writing(format: Format, folder: Path) -> Iterator[Write]:
    """What writes a table into the folder."""
    if format == "duckdb":
        from crmkit.datasets.database import Database

        with Database(folder / DATABASE) as database:
            yield database.write
        return
    write_file = write_parquet if format == "parquet" else write_csv

    def write(pieces: Iterable[pa.Table], place: Place, columns: Sequence[SavedColumn]) -> None:
        path = folder / place.file(format)
        path.parent.mkdir(exist_ok=True)
        write_file(path, pieces, place, columns)

    yield write


def open_saved(folder: Path) -> tuple[Manifest, dict[Place, StoredTable]]:
    """What a saved folder holds; the rows are read when they are asked for.

    Raises:
        UnreadableFile: the folder is not there, not finished or not one that crmkit saved, a file of it is missing or
            has other rows than were written, or a newer crmkit wrote it.
    """
    _refuse_no_folder(folder)
    manifest = read_manifest(folder)
    places = {Place(name): entry for name, entry in manifest.tables.items()}
    places |= {Place(name, is_truth=True): entry for name, entry in (manifest.truth or {}).items()}
    stored = {place: StoredTable(folder, manifest.format, place, entry) for place, entry in places.items()}
    _refuse_changed(folder, manifest.format, stored.values())
    return manifest, stored


def _refuse_changed(folder: Path, format: Format, tables: Iterable[StoredTable]) -> None:
    """Stop at what can be told without reading the rows: files that are missing, or say they have other rows."""
    inside: dict[str, list[tuple[Place, SavedFile]]] = {}
    for table in tables:
        for file in table.entry.files:
            inside.setdefault(file.file, []).append((table.place, file))
    for name, parts in inside.items():
        path = place_of(folder, name)
        if not path.is_file():
            place, file = parts[0]
            raise UnreadableFile("part_missing", file=name, folder=folder, table=place.path, rows=f"{file.rows:,}")
        counts = count_rows(format, path, [place for place, _ in parts])
        for (_, file), found in zip(parts, counts or (), strict=counts is not None):
            _refuse_other_rows(path, file.rows, found)


def _refuse_no_folder(folder: Path) -> None:
    name = re.fullmatch(r"\.(.+)\.unfinished", folder.name)
    if name is not None:
        raise UnreadableFile("unfinished", folder=folder.with_name(name[1]), unfinished=folder)
    if not folder.exists():
        if beside(folder, "unfinished").exists():
            raise UnreadableFile("unfinished", folder=folder, unfinished=beside(folder, "unfinished"))
        if beside(folder, "replaced").exists():
            raise UnreadableFile("replaced", folder=folder, old=beside(folder, "replaced"))
        raise UnreadableFile("no_folder", folder=folder, place=folder.parent.resolve(), nearest=_like(folder))
    if not (folder / MANIFEST).is_file():
        raise UnreadableFile("no_manifest", folder=folder, found=_listed(folder), example=_plain_files(folder))


def _like(folder: Path) -> str:
    """A folder of the same place whose name looks like the one that is missing."""
    around = folder.parent.iterdir() if folder.parent.is_dir() else ()
    names = [item.name for item in around if item.is_dir() and not item.name.startswith(".")]
    return next(iter(difflib.get_close_matches(folder.name, names, n=1)), "")


def _listed(folder: Path) -> str:
    names = sorted(item.name for item in folder.iterdir())
    return ", ".join(names[:8] + ["…"] * (len(names) > 8)) or "-"


def _plain_files(folder: Path) -> str:
    """How to load the files of a folder that crmkit did not write: those named like tables, else the first one."""
    files = sorted(item for item in folder.iterdir() if item.suffix.lower() in TEXT_FILES + PARQUET_FILES)
    named = {item.stem: str(item) for item in files if item.stem in TABLES}
    return repr(named or {"orders": str(files[0] if files else folder / "orders.csv")})
