"""The figures in PyArrow."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from by_hand.contract import (
    ACTIVE,
    BOUGHT_FROM,
    BOUGHT_TO,
    END,
    HORIZON,
    START,
    WATCHED,
    YEAR,
    Share,
    cells_of_dates,
    groups,
)


class Arrow:
    """PyArrow: compute expressions and `group_by(...).aggregate(...)`."""

    def _valid(self, orders: Any, *columns: str, until: datetime = END, since: datetime | None = None) -> Any:
        counts = (pc.field("status") == "completed") & (pc.field("net_amount") >= 0) & (pc.field("ordered_at") < until)
        if since is not None:
            counts = counts & (pc.field("ordered_at") >= since)
        needed = orders.select(["customer_id", "ordered_at", "status", "net_amount", *columns])
        return needed.filter(counts).select(["customer_id", "ordered_at", *columns])

    def _spans(self, orders: Any) -> Any:
        return self._valid(orders).group_by("customer_id").aggregate([("ordered_at", "min"), ("ordered_at", "max")])

    def _repeated(self, spans: Any) -> Any:
        first, last = (pc.floor_temporal(spans[f"ordered_at_{which}"], unit="day") for which in ("min", "max"))
        return pc.and_(pc.greater_equal(spans["ordered_at_max"], START), pc.greater(last, first))

    def repeat_customers(self, orders: Any) -> Share:
        spans = self._spans(orders)
        return _true(self._repeated(spans)), spans.num_rows

    repeat_rate_cumulative = repeat_customers

    def repeat_rate_active(self, orders: Any) -> Share:
        spans = self._spans(orders)
        active = pc.greater_equal(spans["ordered_at_max"], END - YEAR)
        return _true(pc.and_(self._repeated(spans), active)), _true(active)

    def repeat_rate_by_channel(self, orders: Any) -> Any:
        valid = self._valid(orders, "channel").sort_by("ordered_at")
        spans = valid.group_by("customer_id", use_threads=False).aggregate(
            [("ordered_at", "min"), ("ordered_at", "max"), ("channel", "first")]
        )
        flags = pa.table({"group": spans["channel_first"], "repeated": self._repeated(spans).cast(pa.int64())})
        return flags.group_by("group").aggregate([("repeated", "sum"), ("repeated", "count")]).sort_by("group")

    def repeater_share(self, orders: Any) -> Share:
        spans = self._spans(orders)
        return _true(self._repeated(spans)), _true(pc.greater_equal(spans["ordered_at_max"], START))

    def repurchase_rate(self, orders: Any) -> Share:
        valid = self._valid(orders)
        days = valid.set_column(1, "day", pc.floor_temporal(valid["ordered_at"], unit="day"))
        first = days.group_by("customer_id").aggregate([("day", "min")])
        base = first.filter((pc.field("day_min") >= BOUGHT_FROM) & (pc.field("day_min") < min(BOUGHT_TO, WATCHED)))
        seen = days.join(base, "customer_id", join_type="inner")
        waited = pc.subtract(seen["day"], seen["day_min"])
        again = pc.and_(pc.greater(waited, timedelta(0)), pc.less_equal(waited, HORIZON))
        return pc.count_distinct(seen["customer_id"].filter(again)).as_py(), base.num_rows

    def _there(self, orders: Any, at: datetime) -> Any:
        return self._valid(orders, since=at - ACTIVE, until=at)["customer_id"].unique()

    def retention_rate(self, orders: Any) -> Share:
        there, at_end = self._there(orders, START), self._there(orders, END)
        return _true(pc.is_in(there, at_end)), len(there)

    def retention_rate_textbook(self, orders: Any) -> tuple[int, int, float]:
        stayed, there = self.retention_rate(orders)
        first = self._valid(orders).group_by("customer_id").aggregate([("ordered_at", "min")])["ordered_at_min"]
        return stayed, there, (len(self._there(orders, END)) - _true(pc.greater_equal(first, START))) / there

    def lapse_rate(self, orders: Any) -> Share:
        stayed, there = self.retention_rate(orders)
        return there - stayed, there

    def reactivation_rate(self, orders: Any) -> Share:
        before = self._valid(orders, until=START).group_by("customer_id").aggregate([("ordered_at", "max")])
        asleep = before.filter(pc.field("ordered_at_max") < START - ACTIVE)["customer_id"]
        return _true(pc.is_in(asleep, self._valid(orders, since=START)["customer_id"].unique())), len(asleep)

    def churn_rate(self, contracts: Any) -> Share:
        there = self._in_force(contracts, START)
        return len(there) - _true(pc.is_in(there, self._in_force(contracts, END))), len(there)

    def _in_force(self, contracts: Any, at: datetime) -> Any:
        ended = pc.field("ended_at")
        running = contracts.filter((pc.field("started_at") < at) & (ended.is_null() | (ended >= at)))
        return running["customer_id"].unique()

    def churn_rate_besides(self, contracts: Any) -> tuple[int, int, float]:
        gone, there = self.churn_rate(contracts)
        first = contracts.group_by("customer_id").aggregate([("started_at", "min")])
        new = first.filter((pc.field("started_at_min") >= START) & (pc.field("started_at_min") < END))["customer_id"]
        return gone, there, len(new) - _true(pc.is_in(new, self._in_force(contracts, END)))

    def cohort_retention_classic(self, orders: Any) -> Any:
        valid = self._valid(orders)
        visits = valid.set_column(1, "month", pc.floor_temporal(valid["ordered_at"], unit="month"))
        visits = visits.group_by(["customer_id", "month"]).aggregate([])
        cohorts = visits.group_by("customer_id").aggregate([("month", "min")])
        cells = visits.join(cohorts, "customer_id").group_by(["month_min", "month"]).aggregate([([], "count_all")])
        return cells.sort_by([("month_min", "ascending"), ("month", "ascending")])

    def cohort_retention_unbounded(self, orders: Any) -> Any:
        spans = self._spans(orders)
        first, last = (pc.floor_temporal(spans[f"ordered_at_{which}"], unit="month") for which in ("min", "max"))
        leavers = pa.table({"cohort": first, "month": last}).group_by(["cohort", "month"])
        small = leavers.aggregate([([], "count_all")]).sort_by([("cohort", "ascending"), ("month", "descending")])
        still: dict[Any, int] = {}
        rows = []
        for cohort, month, left in zip(*(column.to_pylist() for column in small.columns), strict=True):
            still[cohort] = still.get(cohort, 0) + left
            rows.append((cohort, month, still[cohort]))
        return pa.table(list(zip(*rows, strict=True)), names=["cohort", "month", "active"])

    def plain(self, found: Any) -> Any:
        """A result as plain Python, for comparison."""
        if isinstance(found, tuple):
            return found
        rows = zip(*(column.to_pylist() for column in found.columns), strict=True)
        if "group" in found.column_names:
            return groups({"group": group, "numerator": above, "denominator": n} for group, above, n in rows)
        return cells_of_dates(rows)


def _true(flags: Any) -> int:
    return pc.sum(flags).as_py() or 0
