"""What every kind of source comes down to: rows and columns as they stand there, with nothing understood yet."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from crmkit.errors import CrmkitWarning, UnreadableFile


class SourceNote(CrmkitWarning):
    """Something of a source that was not read, or is not what it seems: a hidden sheet, a formula without a value."""


class Offers(list["Offer"]):
    """What a workbook, database or folder offers; `notes` say what of it is left out, and why."""

    def __init__(self, offers: Iterable[Offer] = (), notes: Iterable[SourceNote] = ()) -> None:
        super().__init__(offers)
        self.notes = list(notes)


@dataclass(frozen=True, slots=True)
class Part:
    """One of several files that make up a source: its lines are numbered from `after` + 1 on."""

    name: str
    after: int


@dataclass(frozen=True, slots=True)
class Misfit:
    """A line with more or fewer fields than the header."""

    line: int
    fields: int
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """All rows of one file, sheet, table or frame.

    `name` is what people call it. `lines` says where each row stands: the line of a text file, the row of a sheet, else
    the row's number, the first being 1. `encoding` and `delimiter` are those of a text file; `title_lines` are lines
    above the header that are no part of the table. `notes` say what else is to be known, and `parts` are the files of a
    source that has several.
    """

    name: str
    headers: tuple[str, ...]
    columns: tuple[pa.ChunkedArray, ...]
    lines: np.ndarray
    encoding: str | None = None
    delimiter: str | None = None
    misfits: tuple[Misfit, ...] = ()
    blank_lines: int = 0
    title_lines: int = 0
    notes: tuple[SourceNote, ...] = ()
    parts: tuple[Part, ...] = ()

    def place(self, line: int) -> tuple[str, int]:
        """The file that a line is in, and the line's number there: with several files, `lines` runs on."""
        part = next((part for part in reversed(self.parts) if part.after < line), Part(self.name, 0))
        return part.name, line - part.after

    @property
    def rows_read(self) -> int:
        """Rows of the source, those with a wrong number of fields among them."""
        return len(self.lines) + len(self.misfits)


@dataclass(frozen=True, slots=True)
class Offer:
    """A file, sheet, table or frame that can be read: its headers and first rows are known, the rest is not yet read.

    `name` is what people call it ("shop.csv", "book.xlsx [注文]"), `stem` the part of it that may say what it holds
    ("shop", "注文"); `head` has up to `HEAD` rows, a column for each header. `stood` has, by their places, headers that
    were empty or came twice, as they stand in the source: in `headers` each has a name of its own.
    """

    name: str
    stem: str
    headers: tuple[str, ...]
    head: tuple[pa.ChunkedArray, ...]
    read: Callable[[], Source]
    stood: Mapping[int, str] = field(default_factory=dict)


def must_be_there(path: Path) -> None:
    """Refuse a file or folder that is not there, and what is neither: a pipe or a device may never end.

    Raises:
        UnreadableFile: naming the nearest name beside it.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UnreadableFile("no_file", file=path)
    if path.is_symlink() and not path.exists():
        raise UnreadableFile("dead_link", file=path)
    if not path.exists():
        names = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
        nearest = next(iter(difflib.get_close_matches(path.name, names, n=1)), "-")
        raise UnreadableFile("missing", file=path, folder=path.parent.resolve(), nearest=nearest)


def memory() -> int:
    """Bytes of memory that this computer has; 8 GB where it does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 8 << 30


HEAD = 200
"""Rows that are looked at to tell what a source holds."""
