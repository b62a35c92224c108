"""Workbooks made for a test, and sources looked at."""

from __future__ import annotations

import datetime as dt
import struct
from pathlib import Path
from typing import Any

import xlsxwriter

from crmkit.datasets.source import Source


def book(path: Path, sheets: dict[str, list[list[Any]]], *, hidden: tuple[str, ...] = ()) -> Path:
    """A workbook with these rows; `None` is an empty cell."""
    with xlsxwriter.Workbook(path) as made:
        day, clock = (made.add_format({"num_format": form}) for form in ("yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"))
        for name, rows in sheets.items():
            sheet = made.add_worksheet(name)
            if name in hidden:
                sheet.hide()
            for row, cells in enumerate(rows):
                for column, cell in enumerate(cells):
                    if isinstance(cell, dt.datetime):
                        sheet.write_datetime(row, column, cell, clock)
                    elif isinstance(cell, dt.date):
                        sheet.write_datetime(row, column, cell, day)
                    elif isinstance(cell, tuple):  # a formula and its value
                        sheet.write_formula(row, column, cell[0], None, cell[1])
                    elif isinstance(cell, str):
                        sheet.write_string(row, column, cell)
                    elif cell is not None:
                        sheet.write(row, column, cell)
    return path


def as_dict(source: Source) -> dict[str, list[Any]]:
    """The columns of a source by their headers."""
    return {name: column.to_pylist() for name, column in zip(source.headers, source.columns, strict=True)}


def reasons(offers: Any) -> list[str]:
    """What was said about the offers."""
    return [note.reason for note in offers.notes]


# --- the old format, by hand: the one library that writes it has not been kept since 2017

_END, _FREE, _FAT, _NOBODY = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD, 0xFFFFFFFF
_DAY, _CLOCK = 1, 2  # styles: built-in formats 14 and 22


def old_book(path: Path, sheets: dict[str, list[list[Any]]]) -> Path:
    """A workbook of Excel 97-2003 (BIFF8) with these rows; `None` is an empty cell."""
    bodies = [_biff(0x10, _cells(rows)) for rows in sheets.values()]
    styles = b"".join(_record(0xE0, struct.pack("<HH16x", 0, form)) for form in (0, 14, 22))
    names = [_unicode(name, "B") for name in sheets]
    place = len(_biff(0x05, styles + b"".join(_record(0x85, bytes(6) + name) for name in names)))
    bounds = b""
    for name, body in zip(names, bodies, strict=True):
        bounds += _record(0x85, struct.pack("<IBB", place, 0, 0) + name)
        place += len(body)
    path.write_bytes(_compound(_biff(0x05, styles + bounds) + b"".join(bodies)))
    return path


def _cells(rows: list[list[Any]]) -> bytes:
    made = _record(0x200, struct.pack("<IIHHH", 0, len(rows), 0, max(map(len, rows)), 0))
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            if isinstance(cell, str):
                made += _record(0x204, struct.pack("<HHH", row, column, 0) + _unicode(cell, "H"))
            elif isinstance(cell, dt.date):
                days = (cell - type(cell)(1899, 12, 30)) / dt.timedelta(days=1)
                style = _CLOCK if isinstance(cell, dt.datetime) else _DAY
                made += _record(0x203, struct.pack("<HHHd", row, column, style, days))
            elif cell is not None:
                made += _record(0x203, struct.pack("<HHHd", row, column, 0, cell))
    return made


def _biff(kind: int, body: bytes) -> bytes:
    return _record(0x809, struct.pack("<HHHHII", 0x600, kind, 0, 1997, 0, 0)) + body + _record(0x0A, b"")


def _record(kind: int, body: bytes) -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def _unicode(words: str, length: str) -> bytes:
    return struct.pack(f"<{length}B", len(words), 1) + words.encode("utf-16-le")


def _compound(stream: bytes) -> bytes:
    """One stream in a compound file: its sector 0 says which sector comes after which, 1 is the directory."""
    stream = stream.ljust(4096, b"\0")  # shorter ones would belong into sectors of their own kind
    stream += b"\0" * (-len(stream) % 512)
    sectors = len(stream) // 512
    chain = [_FAT, _END, *range(3, sectors + 2), _END]
    fat = struct.pack("<128I", *chain, *[_FREE] * (128 - len(chain)))
    root = _entry("Root Entry", 5, 1, _END, 0)
    directory = (root + _entry("Workbook", 2, _NOBODY, 2, len(stream))).ljust(512, b"\0")
    header = struct.pack("<8s16xHHHHH6xIIIIIIIII", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6,
                         0, 1, 1, 0, 4096, _END, 0, _END, 0)  # fmt: skip
    return header + struct.pack("<109I", 0, *[_FREE] * 108) + fat + directory + stream


def _entry(name: str, kind: int, child: int, first: int, size: int) -> bytes:
    words = (name + "\0").encode("utf-16-le")
    return struct.pack("<64sHBBIII16xI16xIQ", words, len(words), kind, 1, _NOBODY, _NOBODY, child, 0, first, size)
