"""What complaints and defects are set against: the orders that count; and own column names for several tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.errors import ParameterError
from crmkit.estimate import Estimate
from crmkit.frames import Columns
from crmkit.reduction import History, Rows, day_after_last, open_orders, open_rows

Names = Mapping[str, Any] | None
"""Own column names of the first table by the model's, or of several: `{"tickets": {…}, "orders": {…}}`."""


def columns_of(columns: Names, table: str, tables: Sequence[str]) -> Columns:
    """Own names of one of the `tables` that a metric takes; names that go by no table are the first one's.

    Raises:
        ParameterError: names are given for a table that the metric does not take.
    """
    if columns is None:
        return None
    if not any(isinstance(value, Mapping) for value in columns.values()):
        return columns if table == tables[0] else None
    for name in columns:
        if name not in tables:
            raise ParameterError("columns_of_no_table", table=name, options=", ".join(tables))
    return columns.get(table)


def valid_orders(orders: Any, *, by: str | None = None, columns: Columns = None) -> Rows:
    """Orders that count, whoever bought: rows with `order_id`, `customer_id` and `at`, no id twice.

    An order of nobody known is left out where customers are counted; here it could have led to a complaint like any.
    """
    history = open_orders(orders, columns=columns, by=by, keep=("order_id",))
    reasons = {name: breaks for name, breaks in history.reasons.items() if name != "no_customer"}
    frame, again = _once(history.frame, "order_id")
    return Rows(frame, reasons, again, "orders")


def delivered_orders(orders: Any, *, columns: Columns = None) -> Rows:
    """Orders that left the shop: completed and no test. Who got a defective thing often gets the money back, so what
    was refunded stays in."""
    status = nw.col("status")
    needs = ("order_id", "ordered_at", "status", "is_test")
    present = open_rows(orders, "orders", needs=needs, columns=columns, key="order_id")
    found = present.frame.collect_schema()
    reasons = {"no_date": nw.col("ordered_at").is_null()}
    if "status" in found:
        reasons["cancelled"] = (status != "completed") & ~status.is_null()
    if "is_test" in found:
        reasons["test"] = nw.col("is_test").fill_null(False)
    broken = nw.any_horizontal(*(breaks.fill_null(False) for breaks in reasons.values()), ignore_nulls=False)
    return Rows(present.frame.with_columns(counts=~broken), reasons, present.again, "orders")


def _once(frame: Any, key: str) -> tuple[Any, Any]:
    """Each key once, and one row with how many rows that takes away."""
    again = frame.select(again=nw.len() - nw.col(key).n_unique())
    return frame.unique(subset=[key], keep="any"), again


def is_merged(found: Collection[str]) -> nw.Expr:
    """Whether a ticket went up in another one, as far as the columns at hand tell."""
    signs = []
    if "status" in found:
        signs.append((nw.col("status") == "merged").fill_null(False))
    if "merged_into_ticket_id" in found:
        signs.append(~nw.col("merged_into_ticket_id").is_null())
    return nw.any_horizontal(*signs, ignore_nulls=False) if signs else nw.lit(False)


def last_day(sold: Rows) -> datetime | None:
    """When the data end if nobody says so: the day after the last order that counts."""
    return day_after_last(cast("History", sold))  # it looks at what all opened tables have


def also_told(made: Any, *others: Rows) -> Any:
    """A figure that also says what was left out of further tables; of a table of groups only the warnings are given."""
    excluded, notes = (dict(made.excluded), list(made.notes)) if isinstance(made, Estimate) else ({}, [])
    for other in others:
        lost, told = other.tell(frames.row(other.left_out()))
        excluded |= {why: excluded.get(why, 0) + n for why, n in lost.items()}
        notes += told
    return replace(made, excluded=excluded, notes=tuple(notes)) if isinstance(made, Estimate) else made
