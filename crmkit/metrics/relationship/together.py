"""Figures that several tables tell about: columns by table, ids of one type, and what each table left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.estimate import Definition, Figures, Sums, Window
from crmkit.frames import Columns, Frame, Names, columns_of
from crmkit.reduction import summarise
from crmkit.rows import History, Part, Rows, day_after_last, open_rows


def by_table(columns: Names, *tables: str) -> dict[str, Columns]:
    """Own column names of each of the tables a metric takes."""
    return {name: columns_of(columns, name, tables) for name in tables}


def figure_of(
    part: Part,
    others: Sequence[Part],
    figures: Callable[[Sums], Figures],
    window: Window,
    definition: Definition,
    *,
    by: str | None,
    unit: str = "share",
    besides: Sequence[str] = (),
) -> Any:
    """A figure of one table whose rows others have added to: what these left out is told, too."""
    if by is None:
        return summarise([part, *others], figures, window, definition, unit=unit, besides=besides)
    for other in others:  # they have no groups; this only warns
        tell(other.units.source)
    return summarise(part, figures, window, definition, by=by, unit=unit)


def tell(rows: Rows) -> None:
    """Warn of the faults among the rows that a table left out."""
    rows.tell(frames.row(rows.left_out()))


def same_ids(left: Frame, right: Frame) -> tuple[Frame, Frame]:
    """Two tables whose `customer_id` is of one type, so that they can be joined; nowhere is it null."""
    kinds = [frame.collect_schema()["customer_id"] for frame in (left, right)]
    # PyArrow has two types of text and joins neither with the other
    if kinds[0] == kinds[1] != nw.Unknown and not (left.implementation.is_pyarrow() and kinds[0] == nw.String):
        return left, right
    return as_text(left, "customer_id"), as_text(right, "customer_id")


def as_text(frame: Frame, *ids: str) -> Frame:
    """The table with its ids as text; nowhere are they null, so that floats are whole numbers that once had gaps."""
    found = frame.collect_schema()
    whole = [name for name in ids if found[name].is_float()]
    frame = frame.with_columns(nw.col(*whole).cast(nw.Int64)) if whole else frame
    return frame.with_columns(nw.col(*ids).cast(nw.String))


def rows_of(
    native: Any, table: str, key: str, needs: tuple[str, ...], at: str | None, columns: Columns,
    rules: Mapping[str, nw.Expr] | None = None, by: str | None = None, must: tuple[str, ...] | None = None,
) -> Rows:  # fmt: skip
    """An opened table; where nothing tells when, rows without an instant are no fault."""
    rules = {"no_date": nw.lit(False) if at is None else nw.col(at).is_null(), **(rules or {})}
    return open_rows(
        native, table, needs=(key, *needs), must=needs if must is None else must, rules=rules, key=key, by=by,
        columns=columns,
    )  # fmt: skip


def days_before(history: History, as_of: Any, days: int) -> Window:
    """The days before `as_of`; all time if there is no order that could say when now is."""
    until = day_after_last(history) if as_of is None else frames.instant(as_of, "as_of")
    return Window() if until is None else Window(until - timedelta(days=days), until)


def stacked(parts: list[Frame]) -> Frame:
    """Tables of customers one below the other, their ids of one type."""
    first = parts[0]
    for part in parts[1:]:
        first, _ = same_ids(first, part)
    return frames.stacked([same_ids(first, part)[1] for part in parts])
