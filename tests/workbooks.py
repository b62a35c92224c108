"""Workbooks made for a test, and sources looked at."""

from __future__ import annotations

import datetime as dt
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
