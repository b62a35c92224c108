"""From many rows to one row per customer: the only step of a metric that touches the big table.

An order counts when it is completed, no test, not refunded in full and not negative; of these rules the ones whose
columns the table has are applied. What does not count is counted.
"""

from __future__ import annotations

import operator
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import narwhals.stable.v2 as nw

from crmkit import frames, schema
from crmkit.errors import CrmkitWarning, ParameterError, RowsLeftOut
from crmkit.estimate import share_columns
from crmkit.frames import Columns, Frame

AT = nw.col("at")
MOST_DAYS = 36_500
KEPT = ("customer_id", "at", "group", "ended_at", "is_involuntary")  # what the metrics look at, of these what there is
RESULT_COLUMNS = ("value", "low", "high", "n", "numerator", "denominator", "rows_left_out")
# reasons that are a fault of the data, not a rule of the metric
DEFECTS = ("no_customer", "no_date", "impossible_dates", "unknown_status")

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
    """An opened table with `customer_id`, `at`, whether the row `counts`, and what the reasons against it look at."""

    frame: Frame
    reasons: Mapping[str, nw.Expr]

    def rows(self, within: nw.Expr | None = None) -> Frame:
        """The rows of known customers that count and lie `within`."""
        names = [name for name in KEPT if name in self.frame.collect_schema()]
        counts = nw.col("counts") & ~nw.col("customer_id").is_null()
        counts = counts if within is None else counts & within
        return self.frame.select(*names, counts=counts).filter(nw.col("counts")).select(*names)

    def per_customer(self, moments: Moments, *, within: nw.Expr | None = None) -> Customers:
        """Reduce `rows(within)` to one row per customer; the one of the moment `first` decides the group."""
        rows = self.rows(within)
        masked = {name: value for name, (value, _) in moments.items() if value is not AT}  # AT itself needs no copy
        rows = rows.with_columns(**masked) if masked else rows
        kept = {name: nw.col(name) if name in masked else AT for name in moments}
        customers = rows.group_by("customer_id").agg(
            **{name: kept[name].min() if how == "min" else kept[name].max() for name, (_, how) in moments.items()}
        )
        if "group" not in self.frame.collect_schema():
            return Customers(self, customers)
        # A customer belongs to the group of the first row that counts; of several at that instant, to the least.
        homes = frames.least(rows.select("customer_id", "group", "at"), "customer_id", "at")
        homes = homes.group_by("customer_id").agg(nw.col("group").min())
        return Customers(self, customers.join(homes, on="customer_id", how="inner"))

    def left_out(self) -> Frame:
        """One row: how many rows do not count, by reason; a row with two reasons counts under the first."""
        flags = self.frame.filter(~nw.col("counts") | nw.col("customer_id").is_null()).select(**self.reasons)
        apart, before = {}, nw.lit(False)
        for name in self.reasons:
            apart[name] = (nw.col(name) & ~before).cast(nw.Int64).sum()
            before = before | nw.col(name)
        return flags.select(**apart)

    def tell(self, found: dict[str, Any]) -> tuple[dict[str, int], tuple[CrmkitWarning, ...]]:
        """The counts of `left_out`, taken out of a fetched row, and the warnings given of the faults among them."""
        excluded = {name: int(found.pop(name) or 0) for name in self.reasons}
        excluded = {name: n for name, n in excluded.items() if n}
        faults = [name for name in excluded if name in DEFECTS]
        seen = frames.row(self.frame.select(rows=nw.len()))["rows"] if faults else 0
        notes = tuple(RowsLeftOut(why, rows=f"{excluded[why]:,}", seen=f"{seen:,}") for why in faults)
        for note in notes:
            warn(note)
        return excluded, notes


@dataclass(frozen=True, slots=True)
class Customers:
    """One row per customer, made of `history` in one pass; shares are counted among them."""

    history: History
    frame: Frame

    def tally(self, **conditions: nw.Expr) -> Tally:
        """Count the customers that meet each condition, and the rows left out: one fetch."""
        counts = {name: met.fill_null(False).cast(nw.Int64).sum() for name, met in conditions.items()}
        got = frames.row(self.frame.select(**counts), self.history.left_out())
        excluded, notes = self.history.tell(got)
        return Tally({name: int(n or 0) for name, n in got.items()}, excluded, notes)

    def by_group(self, name: str, *, numerator: nw.Expr, denominator: nw.Expr) -> Any:
        """The share per group as the engine's own table: `name`, then RESULT_COLUMNS."""
        if name in RESULT_COLUMNS:
            raise ParameterError("name_taken", by=name, columns=", ".join(RESULT_COLUMNS))
        flags = self.frame.with_columns(
            numerator=(numerator & denominator).fill_null(False).cast(nw.Int64),
            denominator=denominator.fill_null(False).cast(nw.Int64),
        )
        lost = self.history.frame.select(
            "group",
            numerator=nw.lit(0, dtype=nw.Int64),
            denominator=nw.lit(0, dtype=nw.Int64),
            lost=(~nw.col("counts") | nw.col("customer_id").is_null()).cast(nw.Int64),
        )
        lost = lost.group_by("group").agg(nw.col("numerator", "denominator", "lost").sum())
        lost = lost.select("group", nw.col("numerator", "denominator", "lost").cast(nw.Int64))
        counted = flags.select("group", "numerator", "denominator", lost=nw.lit(0, dtype=nw.Int64))
        # stacked and summed, not joined: a join would lose the group of those whose group is unknown
        both = (
            nw.concat([counted, lost], how="vertical")
            .group_by("group")
            .agg(nw.col("numerator", "denominator", "lost").sum())
        )
        return frames.give_back(share_columns(both).rename({"group": name}).sort(name))


def warn(note: CrmkitWarning) -> None:
    """Give a warning that points at the caller's line, not at crmkit's."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("crmkit."):
        level, frame = level + 1, frame.f_back
    warnings.warn(note, stacklevel=level)


def open_orders(orders: Any, *, columns: Columns = None, by: str | None = None) -> History:
    """Open an order table: `customer_id`, `at`, whether the order `counts`, and `group` if `by` is given."""
    needs = ("customer_id", "ordered_at", "status", "is_test", "net_amount", "refund_amount")
    frame = frames.open_table(orders, "orders", needs=needs, columns=columns, extra=by)
    frame = frame.rename({"ordered_at": "at"})
    return _history(frame, _order_rules(set(frame.collect_schema())))


def _history(frame: Frame, rules: Mapping[str, nw.Expr]) -> History:
    """Mark the rows that have a date and break no rule."""
    reasons = {"no_customer": nw.col("customer_id").is_null(), "no_date": AT.is_null(), **rules}
    decisive = [breaks for name, breaks in reasons.items() if name not in ("no_customer", "unknown_status")]
    return History(frame.with_columns(counts=~nw.any_horizontal(*decisive, ignore_nulls=False)), reasons)


def _order_rules(found: set[str]) -> dict[str, nw.Expr]:
    """What makes an order not count, for the columns at hand; an empty cell breaks no rule."""
    status, net, refund = nw.col("status"), nw.col("net_amount"), nw.col("refund_amount")
    words = schema.TABLES["orders"]["status"].allowed
    rules = {
        # an unknown status is not "completed" either: it only tells why
        "unknown_status": ({"status"}, ~status.is_in(words) & ~status.is_null()),
        "cancelled": ({"status"}, (status != "completed") & ~status.is_null()),
        "test": ({"is_test"}, nw.col("is_test") & ~nw.col("is_test").is_null()),
        # a free order (net 0, nothing refunded) counts: it is a visit
        "refunded": (
            {"net_amount", "refund_amount"},
            (refund > 0) & (refund >= net) & ~refund.is_null() & ~net.is_null(),
        ),
        "negative": ({"net_amount"}, (net < 0) & ~net.is_null()),
    }
    return {name: breaks for name, (wants, breaks) in rules.items() if wants <= found}


def open_subscriptions(
    subscriptions: Any, *, columns: Columns = None, by: str | None = None, needs_reason: bool = False
) -> History:
    """Open a contract table: `customer_id`, `at` (the start), `ended_at`, `is_involuntary`, whether it `counts`."""
    needs = ("customer_id", "started_at", "ended_at", "is_involuntary")
    # what the model can do without, but no metric
    needed = ("ended_at", "is_involuntary") if needs_reason else ("ended_at",)
    columns = {**{name: name for name in needed}, **(columns or {})}
    frame = frames.open_table(subscriptions, "subscriptions", needs=needs, columns=columns, extra=by)
    if "is_involuntary" not in frame.collect_schema():
        frame = frame.with_columns(is_involuntary=nw.lit(False))
    frame = frame.rename({"started_at": "at"})
    backwards = nw.col("ended_at") < AT
    return _history(frame, {"impossible_dates": backwards & ~nw.col("ended_at").is_null() & ~AT.is_null()})


def day_after_last(history: History) -> datetime | None:
    """When the data end if nobody says so: the day after the last order that counts; `None` if there is none."""
    last = frames.row(history.frame.filter(nw.col("counts")).select(last=AT.max()))["last"]
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
