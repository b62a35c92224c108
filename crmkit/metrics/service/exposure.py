"""What complaints and defects are set against: the orders that count; and own column names for several tables."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.errors import ParameterError
from crmkit.estimate import Estimate
from crmkit.frames import Columns, Frame, day_number
from crmkit.rows import History, Rows, day_after_last, once, open_orders

"""Own column names of the first table by the model's, or of several: `{"tickets": {…}, "orders": {…}}`."""
MERGE_SIGNS = ("status", "merged_into_ticket_id")
MOST_HOURS = 876_000  # a hundred years


def valid_orders(orders: Any, *, by: str | None = None, columns: Columns = None) -> Rows:
    """Orders that count, whoever bought: rows with `order_id`, `customer_id` and `at`, no id twice.

    An order of nobody known is left out where customers are counted; here it could have led to a complaint like any.
    """
    history = open_orders(orders, columns=columns, by=by, keep=("order_id",))
    reasons = {name: breaks for name, breaks in history.reasons.items() if name != "no_customer"}
    frame, again = once(history.frame, "order_id")
    return Rows(frame, reasons, again, "orders")


def delivered(orders: Any, columns: Columns = None) -> Frame:
    """Each order once, whether it was `_cancelled` or a `_test`, and that it is `_known`.

    Who got a defective thing often gets the money back, so it does not matter here whether it was refunded.
    """
    needs = ("order_id", "customer_id", "ordered_at", "status", "is_test")
    frame = frames.open_table(orders, "orders", needs=needs, columns=columns)
    found = frame.collect_schema()
    status = nw.col("status")
    cancelled = (status != "completed") & ~status.is_null() if "status" in found else nw.lit(False)
    test = nw.col("is_test").fill_null(False) if "is_test" in found else nw.lit(False)
    each = frame.unique(subset=["order_id"], keep="any")
    flags = {"_cancelled": cancelled.fill_null(False).cast(nw.Int64), "_test": test.cast(nw.Int64), "_known": nw.lit(1)}
    return each.select("order_id", "customer_id", "ordered_at", **flags)


def marked(name: str) -> nw.Expr:
    """Whether a mark that a left join may have brought is there: 1, not a flag, for pandas makes objects of flags."""
    return nw.col(name).fill_null(0) > 0


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


def hours_between(one: nw.Expr, other: nw.Expr) -> nw.Expr:
    """Hours from one instant to another, neither of them null, with their parts."""
    return (day_number(other) - day_number(one)) * 24 + (_seconds(other) - _seconds(one)) / 3600


def _seconds(at: nw.Expr) -> nw.Expr:
    """Seconds since midnight."""
    hours, minutes, seconds = (part.cast(nw.Float64) for part in (at.dt.hour(), at.dt.minute(), at.dt.second()))
    return hours * 3600 + minutes * 60 + seconds


def above_zero(parameter: str, value: float) -> float:
    """A number of hours that need not be whole.

    Raises:
        ParameterError: if it is none, not above 0, or more than a hundred years.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST_HOURS:
        raise ParameterError("hours_above_zero", parameter=parameter, value=value, most=MOST_HOURS)
    return float(value)
