"""The account of a shop's data for a terminal or a log: tables with lines on a terminal, plain columns elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

from crmkit.answers import THEMES, answerable
from crmkit.datasets.dataset import Dataset
from crmkit.reporting.health import account_of, health
from crmkit.reporting.page import shown
from crmkit.reporting.parts import Cell, Grid, Paragraph
from crmkit.texts import text

_PATIENCE = 2.0  # seconds without a word
_SENTENCE = 40  # letters from which on a cell is a sentence


def account(data: Any, say: Callable[[str], None]) -> int:
    """Print how data were understood, what is wrong, and what they can answer.

    Returns:
        How many faults there are: 0 where every row was loaded and nothing is wrong.
    """
    tables = dict(data.tables)
    aside = sum(one.aside for one in account_of(data))
    faults = 0
    for block in list(health(data, tables))[1:]:
        if isinstance(block, Grid):
            print_grid(block, say)
            faults += sum(not _is_harmless(block, row) for row in block.rows)
        elif isinstance(block, Paragraph):
            say(block.text)
    answers = answerable(tables)
    counts = answers.counts()
    rows = [(text(f"answers.theme.{theme}"), *counts[theme]) for theme in THEMES]
    heads = (text("answers.head.theme"), text("check.can"), text("check.of"))
    print_grid(Grid("answers", text("check.answers"), heads, rows), say)
    say(text("check.faults", aside=f"{aside:,}", faults=f"{faults:,}") if aside or faults else text("check.fine"))
    return faults + aside


def keep_rejected(data: Any, folder: Path, say: Callable[[str], None]) -> None:
    """Write the rows that were set aside to a folder, and say where they are and whom they may name."""
    places = data.save_rejected(folder) if isinstance(data, Dataset) else []
    if not places:
        say(text("check.nothing_rejected", folder=folder))
        return
    say(text("check.rejected", rows=f"{data.account.aside:,}", files=", ".join(map(str, places))))


def _is_harmless(grid: Grid, row: Sequence[Cell]) -> bool:
    """Whether a row of a table is no fault: a value that was understood all the same needs no mending."""
    return grid.name not in ("problems", "checks") or (grid.name == "problems" and text("action.changed") in row)


@contextmanager
def waiting(words: str) -> Iterator[None]:
    """Say what takes so long: at once on a terminal, after two seconds elsewhere."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    if console.is_terminal:
        with console.status(Text(words)):
            yield
        return
    timer = Timer(_PATIENCE, lambda: print(words, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def print_grid(grid: Grid, say: Callable[[str], None], *, boxed: bool = True) -> None:
    """Print a table: with lines where there is a terminal and `boxed` is not false, else as plain columns."""
    from rich.console import Console

    cells = [[one_line(shown(cell)) for cell in row] for row in grid.rows]
    if boxed and Console().is_terminal:
        _boxed(grid, cells)
        return
    say(f"\n{grid.caption}")
    say("\t".join(grid.heads))
    for row in cells:
        say("\t".join(row))


def _boxed(grid: Grid, cells: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if _too_wide(grid, cells, Console().width):
        _one_below_the_other(grid, cells)
        return
    table = Table(title=Text(grid.caption), title_justify="left")
    for place, head in enumerate(grid.heads):
        numeric = any(isinstance(row[place], int | float) for row in grid.rows)
        table.add_column(Text(head), justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))  # never markup: a name may have brackets in it
    Console().print(table)


def _too_wide(grid: Grid, cells: Sequence[Sequence[str]], width: int) -> bool:
    """Whether sentences would have to be squeezed into columns of a few letters."""
    from rich.cells import cell_len

    columns = [[grid.heads[at], *(row[at] for row in cells)] for at in range(len(grid.heads))]
    widest = [max(map(cell_len, column)) for column in columns]
    return sum(widest) + 3 * len(widest) + 1 > width and max(widest) > _SENTENCE


def _one_below_the_other(grid: Grid, cells: Sequence[Sequence[str]]) -> None:
    """A block for each row, its cells under each other, so that sentences have the whole width."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    console.print(Text(f"\n{grid.caption}"))
    for row in cells:
        block = Table.grid(padding=(0, 2, 0, 0))
        block.add_column(style="dim", no_wrap=True)
        block.add_column(overflow="fold")
        for head, cell in zip(grid.heads, row, strict=True):
            if cell:
                block.add_row(Text(f"  {head}"), Text(cell))
        console.print(block)
        console.print()


def one_line(words: str) -> str:
    """Text from data without what moves the cursor or breaks a line."""
    return "".join(letter if letter.isprintable() else " " for letter in words)
