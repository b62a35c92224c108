"""What became of every row that was read: loaded, set aside and why, or taken out by a repair that was asked for."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import pandas as pd

from crmkit.datasets.problems import Problem
from crmkit.datasets.tables import LoadedTable
from crmkit.texts import text

FIRST = 3  # lines that are named of each reason


@dataclass(frozen=True, slots=True)
class Reason:
    """Why some rows were set aside: in words, how many, and the first lines of the source where they stand."""

    problem: Problem
    rows: int
    lines: tuple[int, ...]

    @property
    def what(self) -> str:
        """What is wrong with them, in the language in use."""
        return self.problem.what


@dataclass(frozen=True, slots=True)
class TableAccount:
    """The rows of one table: `read` = `loaded` + `aside` + `dropped` (by repairs that were asked for)."""

    table: str
    source: str
    read: int
    loaded: int
    aside: int
    dropped: int
    reasons: tuple[Reason, ...]


class Account(Sequence[TableAccount]):
    """The account of a whole data set, table by table; shown as a table, `frame()` gives it as pandas."""

    def __init__(self, tables: Sequence[TableAccount]) -> None:
        self._tables = tuple(tables)

    @classmethod
    def of(cls, loaded: Mapping[str, LoadedTable]) -> Account:
        """The account of tables as they were loaded."""
        return cls([_account(name, item) for name, item in loaded.items()])

    @overload
    def __getitem__(self, at: int) -> TableAccount: ...
    @overload
    def __getitem__(self, at: slice) -> Account: ...
    def __getitem__(self, at: int | slice) -> TableAccount | Account:
        return Account(self._tables[at]) if isinstance(at, slice) else self._tables[at]

    def __len__(self) -> int:
        return len(self._tables)

    @property
    def aside(self) -> int:
        """Rows set aside in all tables together."""
        return sum(one.aside for one in self)

    def frame(self) -> pd.DataFrame:
        """As a pandas table.

        Returns:
            One row per table: `table`, `source`, `read`, `loaded`, `aside`, `dropped`, and the `reasons` in words.
        """
        names = ["table", "source", "read", "loaded", "aside", "dropped", "reasons"]
        rows = [
            (one.table, one.source, one.read, one.loaded, one.aside, one.dropped, _said(one.reasons)) for one in self
        ]
        frame = pd.DataFrame(rows, columns=names)
        return frame.astype({name: "str" if name in ("table", "source", "reasons") else "int64" for name in names})

    def __repr__(self) -> str:
        return self.frame().to_string(index=False)

    def _repr_html_(self) -> str:
        frame = self.frame()
        frame = frame if frame["dropped"].any() else frame.drop(columns="dropped")
        heads = "".join(f"<th scope='col'>{html.escape(text(f'account.{name}'))}</th>" for name in frame)
        rows = "".join("<tr>" + "".join(_cells(row)) + "</tr>" for row in frame.itertuples(index=False))
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _account(name: str, item: LoadedTable) -> TableAccount:
    read, loaded, aside = item.source.rows_read, len(item.frame), len(item.aside)
    return TableAccount(name, item.source.name, read, loaded, aside, read - loaded - aside, tuple(_reasons(item)))


def _reasons(item: LoadedTable) -> Iterator[Reason]:
    if not len(item.aside):
        return
    lines = item.aside.iloc[:, 0].to_numpy()  # the line stands first, whatever the file's own columns are called
    for number in np.unique(item.reasons):
        there = lines[item.reasons == number]
        yield Reason(item.problems[number - 1], len(there), tuple(there[:FIRST].tolist()))


def _said(reasons: Sequence[Reason]) -> str:
    return text("load.between").join(text("load.reason", what=one.what, rows=f"{one.rows:,}") for one in reasons)


def _cells(row: Sequence[object]) -> Iterator[str]:
    for cell in row:
        said = f"{cell:,}" if isinstance(cell, int | np.integer) else str(cell)
        yield f"<td>{html.escape(said)}</td>"
