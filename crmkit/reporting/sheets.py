"""The report as an Excel workbook: numbers as numbers, text from data as text and never as a formula or a link."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crmkit.reporting.page import figure_label
from crmkit.reporting.parts import Cell, Figures, Grid, Paper, Paragraph
from crmkit.scorecard import KeyFigure
from crmkit.texts import text

# A string cell is never computed, whatever it begins with; XlsxWriter must only not make something else of it.
SAFE = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
LONGEST = 32_767  # letters that Excel lets into a cell
WIDEST = 60  # letters a column is wide at most
_HEADS = ("theme", "figure", "value", "low", "high", "n", "unit", "meaning", "note")


def write_workbook(paper: Paper, path: Path) -> None:
    """One sheet for each table of the report, one for all key figures, and one that says what it is."""
    import xlsxwriter

    with xlsxwriter.Workbook(str(path), SAFE) as book:
        head = book.add_format({"bold": True, "bg_color": "#F4F7FA", "bottom": 1})
        sections = [
            (section.title, block.text)
            for section in paper.sections
            for block in section.blocks
            if isinstance(block, Paragraph)
        ]
        about: list[tuple[Cell, ...]] = [(paper.title, line) for line in paper.lines]
        add_sheet(book, text("report.sheet.about"), ("", ""), [*about, *sections], head)
        figures = [
            _figure(block.theme, one)
            for section in paper.sections
            for block in section.blocks
            if isinstance(block, Figures)
            for one in block.found
        ]
        add_sheet(book, text("report.sheet.figures"), [text(f"report.head.{name}") for name in _HEADS], figures, head)
        for section in paper.sections:
            for block in section.blocks:
                if isinstance(block, Grid):
                    add_sheet(book, text(f"report.sheet.{block.name}"), block.heads, block.rows, head)


def add_sheet(book: Any, name: str, heads: Sequence[str], rows: Sequence[Sequence[Cell]], style: Any) -> None:
    """A sheet with a header that stays while one scrolls."""
    sheet = book.add_worksheet(name)
    widths = [0] * len(heads)
    for place, cells in enumerate((heads, *rows)):
        for column, cell in enumerate(cells):
            write(sheet, place, column, cell, *([style] if place == 0 else []))
            widths[column] = max(widths[column], _width(cell))
    for column, width in enumerate(widths):
        sheet.set_column(column, column, min(width + 2, WIDEST))
    sheet.freeze_panes(1, 0)


def write(sheet: Any, row: int, column: int, cell: Cell, *style: Any) -> None:
    """One cell; nothing where there is no value."""
    if isinstance(cell, str):
        sheet.write_string(row, column, fitting(cell), *style)
    elif cell is not None and math.isfinite(cell):
        sheet.write_number(row, column, cell, *style)


def fitting(words: str) -> str:
    """Text that Excel can hold: not too long, and no half of a character."""
    whole = words.encode("utf-8", "replace").decode("utf-8")
    return whole if len(whole) <= LONGEST else whole[: LONGEST - 1] + "…"


def _width(cell: Cell) -> int:
    """Letters that a cell needs; Japanese ones need two."""
    return sum(2 if letter > "\u2e7f" else 1 for letter in str(cell)[:WIDEST]) if cell is not None else 0


def _figure(theme: str, one: KeyFigure) -> tuple[Cell, ...]:
    made = one.estimate
    name = text(f"answers.theme.{theme}")
    if made is None:
        return (name, figure_label(one), None, None, None, None, "", "", one.note)
    return (
        name, figure_label(one), made.value, made.low, made.high, made.n, made.unit, str(made.definition), one.note,
    )  # fmt: skip
