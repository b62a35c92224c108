"""Excel and OpenDocument workbooks: one table per sheet, cells with their types, and where each row stands."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from crmkit.datasets.cells import chunk_of, joined, whole, word
from crmkit.datasets.source import HEAD, Offer, Offers, Source, SourceNote, must_be_there
from crmkit.datasets.workbook_parts import Marks, is_xml_book, look_over, try_elsewhere
from crmkit.errors import EmptyTable, UnreadableFile

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

BOOKS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SEALED = "EncryptedPackage".encode("utf-16-le")  # how Office wraps a workbook that has a password
_OTHERS = (
    (b"<!doctype", "HTML"), (b"<html", "HTML"), (b"<table", "HTML"), (b"<meta", "HTML"), (b"<?xml", "XML"),
    (b"%pdf", "PDF"), (b"par1", "Parquet"), (b"sqlite format 3", "SQLite"),
)  # fmt: skip
_TITLES = 50  # rows among which the header is looked for
_CHUNK = 20_000
_KEPT = 5_000_000  # cells; a larger sheet is opened again to read it, so that not all are in memory at once
Row = Sequence[Any]


def offers_of_book(path: Path, wanted: Mapping[str, str] | None = None) -> Offers:
    """Look into a workbook: each sheet that holds something, with its header and first rows.

    Args:
        path: An .xlsx, .xlsm, .xls, .xlsb or .ods file.
        wanted: Sheets to read, by the name to give them; hidden ones are read only when named here. Without it, all.

    Returns:
        An offer per sheet; the `notes` name the sheets that are hidden or empty.

    Raises:
        UnreadableFile: it is not there, broken, none, has a password, has no such sheet, or would fill the memory.
        EmptyTable: no sheet holds anything.
    """
    must_be_there(path)
    try:
        marks = _checked(path)
        book = _opened(path)
    except OSError as error:
        raise UnreadableFile("no_access", file=path, detail=error.strerror or error) from None
    offers = Offers()
    for stem, name in _sheets(path, book, wanted, offers.notes):
        sheet = _Sheet(path, name, stem, marks.get(name, Marks()))
        offer = sheet.offer(_sheet_of(path, book, name))
        if offer is None or (not len(offer.head[0]) and wanted is None):
            offers.notes.append(SourceNote("empty_sheet", file=path.name, sheet=name))
        else:
            offers.append(offer)
    if not offers:
        raise EmptyTable("no_sheet", file=path, sheets=", ".join(book.sheet_names))
    return offers


def _checked(path: Path) -> dict[str, Marks]:
    """Refuse what is no workbook or a trap; what the reader does not tell about the others."""
    with path.open("rb") as file:
        start = file.read(1 << 16)
    if start.startswith(_ZIP) and is_xml_book(path):
        return look_over(path)
    if start.startswith(_OLE):
        with path.open("rb") as file:
            if _SEALED in file.read(1 << 20) or _sealed_at_end(path):
                raise UnreadableFile("password", file=path)
    elif not start.startswith(_ZIP):
        if not start:
            raise EmptyTable("no_bytes", file=path)
        begun = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        text = "CSV" if b"\0" not in start else "?"
        raise UnreadableFile("not_book", file=path, found=next((k for m, k in _OTHERS if begun.startswith(m)), text))
    try_elsewhere(path)
    return {}


def _sealed_at_end(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - (1 << 20), 0))
        return _SEALED in file.read()


def _opened(path: Path) -> CalamineWorkbook:
    import python_calamine

    try:
        try:
            return python_calamine.CalamineWorkbook.from_path(path)
        except python_calamine.PasswordError:
            raise
        except python_calamine.CalamineError:  # an .xls that is called .xlsx, or the other way round
            return python_calamine.CalamineWorkbook.from_filelike(BytesIO(path.read_bytes()))
    except python_calamine.PasswordError:
        raise UnreadableFile("password", file=path) from None
    except (python_calamine.CalamineError, ValueError) as error:
        raise UnreadableFile("broken_book", file=path, detail=_first_line(error)) from None


def _sheet_of(path: Path, book: CalamineWorkbook, name: str) -> CalamineSheet:
    import python_calamine

    try:
        return book.get_sheet_by_name(name)
    except (python_calamine.CalamineError, ValueError) as error:
        raise UnreadableFile("broken_sheet", file=path, sheet=name, detail=_first_line(error)) from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _sheets(
    path: Path, book: CalamineWorkbook, wanted: Mapping[str, str] | None, notes: list[SourceNote]
) -> Iterator[tuple[str, str]]:
    """What each sheet to be read is to be called, and its name."""
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    if wanted is not None:
        for stem, name in wanted.items():
            if name not in book.sheet_names:
                near = next(iter(difflib.get_close_matches(name, book.sheet_names, n=1)), "")
                raise UnreadableFile(
                    "no_sheet", file=path, sheet=name, nearest=near, options=", ".join(book.sheet_names)
                )
            yield stem, name
        return
    for sheet in book.sheets_metadata:
        if sheet.typ != SheetTypeEnum.WorkSheet:
            continue
        if sheet.visible != SheetVisibleEnum.Visible:
            notes.append(SourceNote("hidden_sheet", file=path.name, sheet=sheet.name))
        else:
            yield sheet.name, sheet.name


@dataclass(frozen=True, slots=True)
class _Table:
    """Where the table lies in a sheet: its header's row (from 0), the first column, and the columns' names."""

    header: int
    left: int
    names: tuple[str, ...]
    titles: int
    unused: frozenset[int] = frozenset()
    """Columns without a name in which nothing stands."""

    @property
    def headers(self) -> tuple[str, ...]:
        return tuple(name for at, name in enumerate(self.names) if at not in self.unused)


@dataclass(frozen=True, slots=True)
class _Sheet:
    path: Path
    name: str
    stem: str
    marks: Marks

    @property
    def called(self) -> str:
        return f"{self.path.name} [{self.name}]"

    def offer(self, sheet: CalamineSheet) -> Offer | None:
        """The sheet's header and first rows; `None` if there is nothing in it."""
        table = self._table(sheet)
        if table is None:
            return None
        head = self._columns(table, islice(self._rows(sheet, table), HEAD))[0]
        kept = sheet if sheet.height * sheet.width <= _KEPT else None
        return Offer(self.called, self.stem, table.headers, head, partial(self._read, table, kept))

    def _table(self, sheet: CalamineSheet) -> _Table | None:
        left = (sheet.start or (0, 0))[1]
        top = list(islice(self._marked(sheet, left), (sheet.start or (0, 0))[0] + _TITLES + 20))
        merged = [tuple(area) for area in sheet.merged_cell_ranges or ()]
        at = header_of([row for _, row in top], [(b - left, t, r - left, e) for (t, b), (e, r) in merged])
        if at is None:
            return None
        names = [_name(cell) for cell in top[at][1]]
        if any(first == at - 1 and west < east for (first, west), (_, east) in merged):
            # a header of two rows: what has no name in the lower one has it in the upper one
            names = [name or _name(cell) for name, cell in zip(names, top[at - 1][1], strict=True)]
        table = _Table(at, left, tuple(names), sum(any(map(_filled, row)) for _, row in top[:at]))
        unused = {column for column, name in enumerate(names) if not name}
        for _, row in self._rows(sheet, table) if unused else ():
            unused -= {column for column in unused if _filled(row[column])}
        return replace(table, unused=frozenset(unused))

    def _marked(self, sheet: CalamineSheet, left: int) -> Iterator[tuple[int, Row]]:
        """Each row's number (from 0) and cells, with the errors that the reader leaves out."""
        if not self.marks.errors:
            return enumerate(sheet.iter_rows())
        wrong: dict[int, dict[int, str]] = {}
        for (row, column), said in self.marks.errors.items():
            wrong.setdefault(row, {})[column - left] = said
        return ((at, _with(cells, wrong[at]) if at in wrong else cells) for at, cells in enumerate(sheet.iter_rows()))

    def _rows(self, sheet: CalamineSheet, table: _Table) -> Iterator[tuple[int, Row]]:
        return islice(self._marked(sheet, table.left), table.header + 1, None)

    def _read(self, table: _Table, kept: CalamineSheet | None) -> Source:
        sheet = kept or _sheet_of(self.path, _opened(self.path), self.name)
        columns, lines, blank = self._columns(table, self._rows(sheet, table))
        if not len(lines):
            raise EmptyTable("no_rows", file=self.called, found=", ".join(table.headers))
        source = Source(self.called, table.headers, columns, lines, blank_lines=blank, title_lines=table.titles)
        return replace(source, notes=tuple(self._notes()))

    def _notes(self) -> Iterator[SourceNote]:
        if self.marks.uncounted:
            yield SourceNote("no_value", file=self.called, cells=self.marks.uncounted, first=self.marks.first)
        if self.marks.errors:
            row, column = min(self.marks.errors)
            said = self.marks.errors[row, column]
            yield SourceNote("errors", file=self.called, cells=len(self.marks.errors), found=said, row=row + 1)

    def _columns(
        self, table: _Table, rows: Iterator[tuple[int, Row]]
    ) -> tuple[tuple[pa.ChunkedArray, ...], np.ndarray, int]:
        """The columns, each row's number in the sheet, and how many rows were blank."""
        chunks: list[list[pa.Array]] = [[] for _ in table.names]
        lines: list[int] = []
        blank = 0
        while piece := list(islice(rows, _CHUNK)):
            full = [(number, row) for number, row in piece if any(map(_filled, row))]
            blank += len(piece) - len(full)
            lines += [number + 1 for number, _ in full]
            for parts, cells in zip(chunks, zip(*(row for _, row in full), strict=True), strict=False):
                parts.append(chunk_of([None if cell == "" else cell for cell in cells]))
        used = (parts for at, parts in enumerate(chunks) if at not in table.unused)
        return tuple(whole(joined(parts)) for parts in used), np.array(lines, dtype=np.int64), blank


def _with(cells: list[Any], wrong: Mapping[int, str]) -> Row:
    return [wrong.get(column, cell) for column, cell in enumerate(cells)]


def _filled(cell: Any) -> bool:
    return cell != "" and not (isinstance(cell, str) and cell.isspace())


def _name(cell: Any) -> str:
    """A header as one line of text."""
    return " ".join(word(cell).split())


def header_of(rows: Sequence[Row], merged: Sequence[tuple[int, int, int, int]] = ()) -> int | None:
    """The row that is the header: mostly filled, all words, and above the data.

    Args:
        rows: The sheet's first rows.
        merged: Cells that are one: left, top, right and bottom, from 0.

    Returns:
        Its index; without such a row the first that holds anything, and `None` if none does.

    Examples:
        >>> header_of([["売上一覧", "", ""], ["", "", ""], ["注文番号", "注文日", "金額"], [1, "2024-04-01", 500]])
        2
    """
    filled = [sum(map(_filled, row)) for row in rows]
    wide = {top for left, top, right, bottom in merged if right > left}
    for at, row in enumerate(rows[:_TITLES]):
        below = [count for count in filled[at + 1 :] if count][:20]
        if 5 * filled[at] < 3 * max([*sorted(below)[: len(below) // 2 + 1][-1:], 1]) or not _all_words(row):
            continue
        deeper = at in wide and at + 1 < len(rows) and filled[at + 1] > 1 and _all_words(rows[at + 1])
        return at + 1 if deeper else at
    return next((at for at, count in enumerate(filled) if count), None)


def _all_words(row: Row) -> bool:
    return all(isinstance(cell, str) for cell in row if _filled(cell))
