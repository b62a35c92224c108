"""From many rows to one row per customer: the only step of a metric that touches the big table.

An order counts when it is completed, no test, not refunded in full and not negative; of these rules the ones whose
columns the table has are applied. What does not count is counted.
"""

from __future__ import annotations

import operator
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import narwhals.stable.v2 as nw

from crmkit import frames, schema
from crmkit.errors import CrmkitWarning, ParameterError, RowsLeftOut
from crmkit.estimate import share_columns
from crmkit.frames import Columns, Frame

AT = nw.col("at")
MOST_DAYS = 36_500
RESULT_COLUMNS = ("value", "low", "high", "n", "numerator", "denominator", "rows_left_out")
DEFECTS = (
    "no_customer",
    "no_date",
    "impossible_dates",
    "unknown_status",
)  # reasons that are a fault of the data, not a rule of the metric

Moments = Mapping[str, tuple[nw.Expr, Literal["min", "max"]]]
"""What to keep of each customer: an expression per row, and whether its least or its greatest value is wanted."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Customers counted by condition, the rows left out by reason, and the warnings given about them."""

    counts: Mapping[str, int]
    excluded: Mapping[str, int]
    notes: tuple[CrmkitWarning, ...]

    def __getitem__(self, name: str) -> int:
        return self.counts[name]

    @property
    def about_rows(self) -> dict[str, Any]:
        """`excluded` and `notes`, as an `Estimate` takes them."""
        return {"excluded": self.excluded, "notes": self.notes}


@dataclass(frozen=True, slots=True)
class History:
    """An opened table with `customer_id` and `at`, which is null where the row does not count."""

    frame: Frame
    reasons: Mapping[str, nw.Expr] = field(default_factory=dict)

    def per_customer(self, moments: Moments, *, born: str = "first") -> Customers:
        """Reduce to one row per customer; `born` names the moment whose row decides a customer's group."""
        masked = self.frame.with_columns(**{name: value for name, (value, _) in moments.items()})
        keys = [name for name in ("customer_id", "group") if name in self.frame.collect_schema()]
        parts = masked.group_by(*keys).agg(
            *_least_or_greatest(moments), nw.len().alias("rows"), AT.count().alias("counted")
        )
        if "group" not in keys:
            return Customers(self, parts, parts)
        whole = parts.group_by("customer_id").agg(
            *_least_or_greatest({name: (nw.col(name), how) for name, (_, how) in moments.items()})
        )
        # A customer belongs to the group of the first row that counts; of several at that instant, to the least.
        home = parts.select("customer_id", "group", nw.col(born).alias("_born"))
        home = whole.join(home, left_on=["customer_id", born], right_on=["customer_id", "_born"], how="inner")
        home = home.group_by("customer_id").agg(nw.col("group").min())
        return Customers(self, parts, whole.join(home, on="customer_id", how="inner"))

    def left_out(self) -> dict[str, int]:
        """How many rows do not count, by reason; a row with two reasons counts under the first."""
        apart, before = {}, nw.lit(False)
        for name, applies in self.reasons.items():
            apart[name] = (applies & ~before).cast(nw.Int64).sum()
            before = before | applies
        return {name: int(n) for name, n in frames.row(self.frame.select(**apart)).items() if n}


@dataclass(frozen=True, slots=True)
class Customers:
    """One row per customer, made of `history` in one pass; shares are counted among them."""

    history: History
    parts: Frame
    frame: Frame

    def tally(self, **conditions: nw.Expr) -> Tally:
        """Count the customers that meet each condition. One fetch; a second one says why rows were left out."""
        known = ~nw.col("customer_id").is_null()
        got = frames.row(
            self.frame.select(
                **{name: (met & known).fill_null(False).cast(nw.Int64).sum() for name, met in conditions.items()},
                _rows=nw.col("rows").sum(),
                _counted=nw.when(known).then(nw.col("counted")).otherwise(0).sum(),
            )
        )
        seen, counted = int(got.pop("_rows") or 0), int(got.pop("_counted") or 0)
        excluded = self.history.left_out() if counted < seen else {}
        return Tally({name: int(n or 0) for name, n in got.items()}, excluded, tell(excluded, seen))

    def by_group(self, name: str, *, numerator: nw.Expr, denominator: nw.Expr) -> Any:
        """The share per group as the engine's own table: `name`, then RESULT_COLUMNS."""
        if name in RESULT_COLUMNS:
            raise ParameterError("name_taken", by=name, columns=", ".join(RESULT_COLUMNS))
        known = ~nw.col("customer_id").is_null()
        flags = self.frame.filter(known).with_columns(
            numerator=(numerator & denominator).fill_null(False).cast(nw.Int64),
            denominator=denominator.fill_null(False).cast(nw.Int64),
        )
        lost = self.parts.select(
            "group",
            numerator=nw.lit(0, dtype=nw.Int64),
            denominator=nw.lit(0, dtype=nw.Int64),
            lost=(nw.col("rows") - nw.when(known).then(nw.col("counted")).otherwise(0)).cast(nw.Int64),
        )
        counted = flags.select("group", "numerator", "denominator", lost=nw.lit(0, dtype=nw.Int64))
        # stacked and summed, not joined: a join would lose the group of those whose group is unknown
        both = (
            nw.concat([counted, lost], how="vertical")
            .group_by("group")
            .agg(nw.col("numerator", "denominator", "lost").sum())
        )
        return frames.give_back(share_columns(both).rename({"group": name}).sort(name))


def tell(excluded: Mapping[str, int], seen: int) -> tuple[CrmkitWarning, ...]:
    """Warn of the rows that could not be used through a fault of the data."""
    notes = tuple(RowsLeftOut(why, rows=f"{n:,}", seen=f"{seen:,}") for why, n in excluded.items() if why in DEFECTS)
    for note in notes:
        warn(note)
    return notes


def warn(note: CrmkitWarning) -> None:
    """Give a warning that points at the caller's line, not at crmkit's."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("crmkit."):
        level, frame = level + 1, frame.f_back
    warnings.warn(note, stacklevel=level)


def open_orders(orders: Any, *, columns: Columns = None, by: str | None = None) -> History:
    """Open an order table: `customer_id`, `at` (null where the order does not count), `group` if `by` is given."""
    needs = ("customer_id", "ordered_at", "status", "is_test", "net_amount", "refund_amount")
    frame = frames.open_table(orders, "orders", needs=needs, columns=columns, extra=by)
    frame = frame.rename({"ordered_at": "at"})
    rules = _order_rules(set(frame.collect_schema()))
    reasons = {"no_customer": nw.col("customer_id").is_null(), "no_date": nw.col("dated").is_null(), **rules}
    breaks = [~broken for broken in rules.values()]
    valid = nw.when(nw.all_horizontal(*breaks, ignore_nulls=True)).then(AT) if breaks else AT
    counts = frame.with_columns(dated=AT, at=valid)
    return History(counts, reasons)


def _order_rules(found: set[str]) -> dict[str, nw.Expr]:
    """What makes an order not count, for the columns at hand; an empty cell breaks no rule."""
    status, net, refund = nw.col("status"), nw.col("net_amount"), nw.col("refund_amount")
    words = schema.TABLES["orders"]["status"].allowed
    rules = {
        "unknown_status": ({"status"}, ~status.is_in(words) & ~status.is_null()),
        "cancelled": ({"status"}, (status != "completed") & ~status.is_null()),
        "test": ({"is_test"}, nw.col("is_test")),
        # a free order (net 0, nothing refunded) counts: it is a visit
        "refunded": ({"net_amount", "refund_amount"}, (refund > 0) & (refund >= net)),
        "negative": ({"net_amount"}, net < 0),
    }
    return {name: breaks.fill_null(False) for name, (wants, breaks) in rules.items() if wants <= found}


def open_subscriptions(
    subscriptions: Any, *, columns: Columns = None, by: str | None = None, needs_reason: bool = False
) -> History:
    """Open a contract table: `customer_id`, `at` (the start, null where unusable), `ended_at`, `is_involuntary`."""
    needs = ("customer_id", "started_at", "ended_at", "is_involuntary")
    needed = (
        ("ended_at", "is_involuntary") if needs_reason else ("ended_at",)
    )  # no metric can do without, the model can
    columns = {**{name: name for name in needed}, **(columns or {})}
    frame = frames.open_table(subscriptions, "subscriptions", needs=needs, columns=columns, extra=by)
    if "is_involuntary" not in frame.collect_schema():
        frame = frame.with_columns(is_involuntary=nw.lit(False))
    frame = frame.with_columns(at=nw.col("started_at"), dated=nw.col("started_at"))
    backwards = (nw.col("ended_at") < nw.col("dated")).fill_null(False)
    reasons = {
        "no_customer": nw.col("customer_id").is_null(),
        "no_date": nw.col("dated").is_null(),
        "impossible_dates": backwards,
    }
    return History(frame.with_columns(at=nw.when(~backwards).then(AT)), reasons)


def day_after_last(history: History) -> datetime | None:
    """When the data end if nobody says so: the day after the last order that counts; `None` if there is none."""
    last = frames.row(history.frame.select(last=AT.max()))["last"]
    if last is None:
        return None
    last = frames.instant(last, "as_of")
    return datetime(last.year, last.month, last.day) + timedelta(days=1)


def whole_number(parameter: str, value: int) -> int:
    """A parameter that counts days or purchases.

    Raises:
        ParameterError: if it is no whole number from 1 to 36,500 (a hundred years of days).
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise ParameterError("not_whole", parameter=parameter, value=value) from None
    if not 1 <= number <= MOST_DAYS:
        raise ParameterError("not_positive", parameter=parameter, value=value, most=MOST_DAYS)
    return number


def _least_or_greatest(moments: Moments) -> list[nw.Expr]:
    return [nw.col(name).min() if how == "min" else nw.col(name).max() for name, (_, how) in moments.items()]
