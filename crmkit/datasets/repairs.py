"""Mends that crmkit can do itself: none of them unasked, each counted, and each taken back as easily."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from crmkit.datasets import checks
from crmkit.datasets.tables import LoadedTable
from crmkit.errors import ParameterError
from crmkit.schema import ORDER
from crmkit.texts import text

Loaded = Mapping[str, LoadedTable]
Act = Callable[[], tuple[Loaded, pd.DataFrame]]  # the tables that it changed, and the rows it took out
NOTHING = pd.DataFrame()
OF_LINES = ("orders", "order_items", "products")  # tables that may come from one and the same lines


@dataclass(frozen=True, slots=True)
class Repair:
    """One mend that can be done now: `name` is what `crm.repair` takes, `rows` how many it touches."""

    name: str
    kind: str
    table: str
    column: str
    rows: int
    act: Act

    @property
    def what(self) -> str:
        """What it does."""
        return text(f"repair.{self.kind}", column=self.column)


@dataclass(frozen=True, slots=True)
class Done:
    """A mend that was done, with the rows it took out as they were."""

    name: str
    what: str
    rows: int
    removed: pd.DataFrame


def possible(loaded: Loaded) -> Iterator[Repair]:
    """The mends that would change something."""
    for table, item in loaded.items():
        yield from _of_ids(table, item, loaded)
        for first, then in ORDER.get(table, ()):
            if {first, then} <= set(item.frame.columns):
                where = checks.backwards(item.frame, first, then)
                yield from _one("empty_earlier", table, then, where, _emptied(item, then, where))
        where = checks.copies(item)
        yield from _one("drop_copies", table, item.model.key[0], where, _without(item, where))
        yield from _filled_down(table, item)


def repaired(loaded: Loaded, name: str) -> tuple[dict[str, LoadedTable], Done]:
    """The tables after one mend; those given stay as they are.

    Raises:
        ParameterError: there is no such mend, or nothing to mend by it; what there is is named.
    """
    found = {repair.name: repair for repair in possible(loaded)}
    if name not in found:
        raise ParameterError("no_repair", name=name, found=", ".join(found) or "-")
    repair = found[name]
    changed, removed = repair.act()
    after = {**loaded, **changed}
    if changed.keys() & set(OF_LINES):  # reading the lines anew would undo it unseen: from here on that is not offered
        after = {name: replace(item, again=None) for name, item in after.items()}
    return after, Done(name, repair.what, repair.rows, removed)


def _filled_down(table: str, item: LoadedTable) -> Iterator[Repair]:
    """Lines that stand below the number of their order: their source is read again, since sums change with them."""
    again = item.again
    if again is not None:
        rows = sum(problem.rows for problem in item.problems if problem.kind == "line_below")
        yield Repair(f"{table}.order_id.fill_down", "fill_down", table, "order_id", rows, lambda: (again(), NOTHING))


def _of_ids(table: str, item: LoadedTable, loaded: Loaded) -> Iterator[Repair]:
    for column, _, keys, lost in checks.orphans(item, loaded):
        other = checks.in_other_writing(item.frame.loc[lost, column], keys)
        where = item.frame[column].isin(list(other))
        yield from _one("same_writing", table, column, where, _rewritten(item, column, other))
        yield from _one("drop_orphans", table, column, lost, _without(item, lost))


def _one(kind: str, table: str, column: str, where: pd.Series[bool], act: Act) -> Iterator[Repair]:
    rows = int(where.sum())
    if rows:
        yield Repair(f"{table}.{column}.{kind}", kind, table, column, rows, act)


def _without(item: LoadedTable, where: pd.Series[bool]) -> Act:
    return lambda: (_with(item, item.frame[~where].reset_index(drop=True)), item.frame[where].reset_index(drop=True))


def _emptied(item: LoadedTable, column: str, where: pd.Series[bool]) -> Act:
    return lambda: (_with(item, item.frame.assign(**{column: item.frame[column].mask(where)})), NOTHING)


def _rewritten(item: LoadedTable, column: str, other: Mapping[str, str]) -> Act:
    def act() -> tuple[Loaded, pd.DataFrame]:
        ids: pd.Series[Any] = item.frame[column]
        return _with(item, item.frame.assign(**{column: ids.map(other).fillna(ids)})), NOTHING

    return act


def _with(item: LoadedTable, frame: pd.DataFrame) -> Loaded:
    return {item.model.name: replace(item, frame=frame)}
