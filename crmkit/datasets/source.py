"""What every kind of source comes down to: rows and columns as they stand there, with nothing understood yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa


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
    the row's number, the first being 1. `encoding` and `delimiter` are those of a text file.
    """

    name: str
    headers: tuple[str, ...]
    columns: tuple[pa.ChunkedArray, ...]
    lines: np.ndarray
    encoding: str | None = None
    delimiter: str | None = None
    misfits: tuple[Misfit, ...] = ()
    blank_lines: int = 0

    @property
    def rows_read(self) -> int:
        """Rows of the source, those with a wrong number of fields among them."""
        return len(self.lines) + len(self.misfits)


@dataclass(frozen=True, slots=True)
class Offer:
    """A file, sheet, table or frame that can be read: its headers and first rows are known, the rest is not yet read.

    `name` is what people call it ("shop.csv", "book.xlsx [注文]"), `stem` the part of it that may say what it holds
    ("shop", "注文"); `head` has up to `HEAD` rows, a column for each header.
    """

    name: str
    stem: str
    headers: tuple[str, ...]
    head: tuple[pa.ChunkedArray, ...]
    read: Callable[[], Source]


HEAD = 200
"""Rows that are looked at to tell what a source holds."""
