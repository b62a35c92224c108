"""The figures in Polars."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl

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


class Polars:
    """Polars, eager and lazy: one chain of expressions; what is lazy is collected at its end."""

    def _valid(self, orders: Any, until: datetime = END) -> Any:
        counts = (pl.col("status") == "completed") & (pl.col("net_amount") >= 0) & (pl.col("ordered_at") < until)
        return orders.filter(counts)

    def _spans(self, orders: Any, *more: Any) -> Any:
        at = pl.col("ordered_at")
        return self._valid(orders).group_by("customer_id").agg(at.min().alias("first"), at.max().alias("last"), *more)

    def _repeated(self) -> Any:
        return (pl.col("last") >= START) & (pl.col("last").dt.date() > pl.col("first").dt.date())

    def repeat_customers(self, orders: Any) -> Share:
        return self._row(self._spans(orders).select(self._repeated().sum().alias("above"), pl.len()))

    repeat_rate_cumulative = repeat_customers

    def repeat_rate_active(self, orders: Any) -> Share:
        active = pl.col("last") >= END - YEAR
        return self._row(self._spans(orders).select((self._repeated() & active).sum().alias("above"), active.sum()))

    def repeat_rate_by_channel(self, orders: Any) -> Any:
        homes = self._spans(orders, pl.col("channel").min_by("ordered_at").alias("group"))
        shares = homes.group_by("group").agg(self._repeated().sum().alias("numerator"), pl.len().alias("denominator"))
        return shares.sort("group").lazy().collect()

    def repeater_share(self, orders: Any) -> Share:
        return self._row(
            self._spans(orders).select(self._repeated().sum().alias("above"), (pl.col("last") >= START).sum())
        )

    def repurchase_rate(self, orders: Any) -> Share:
        days = self._valid(orders).select("customer_id", day=pl.col("ordered_at").dt.truncate("1d"))
        first = days.group_by("customer_id").agg(first=pl.col("day").min())
        base = first.filter(pl.col("first") >= BOUGHT_FROM, pl.col("first") < min(BOUGHT_TO, WATCHED))
        again = (pl.col("day") > pl.col("first")) & (pl.col("day") <= pl.col("first") + HORIZON)
        seen = days.join(base, on="customer_id").group_by("customer_id").agg(again=again.any())
        return self._row(seen.select(pl.col("again").sum(), pl.len()))

    def _both_ends(self, orders: Any) -> Any:
        at = pl.col("ordered_at")
        recent = self._valid(orders).filter(at >= START - ACTIVE)
        return recent.group_by("customer_id").agg(
            there=(at < START).any(), at_end=(at >= END - ACTIVE).any(), bought=(at >= START).any()
        )

    def retention_rate(self, orders: Any) -> Share:
        there, at_end = pl.col("there"), pl.col("at_end")
        return self._row(self._both_ends(orders).select((there & at_end).sum().alias("above"), there.sum()))

    def retention_rate_textbook(self, orders: Any) -> tuple[int, int, float]:
        at = pl.col("ordered_at")
        customers = (
            self._valid(orders)
            .group_by("customer_id")
            .agg(
                there=at.is_between(START - ACTIVE, START, closed="left").any(),
                at_end=(at >= END - ACTIVE).any(),
                new=at.min() >= START,
            )
        )
        there, at_end = pl.col("there"), pl.col("at_end")
        stayed, base, still, new = self._row(
            customers.select((there & at_end).sum().alias("stayed"), there.sum(), at_end.sum(), pl.col("new").sum())
        )
        return stayed, base, (still - new) / base

    def lapse_rate(self, orders: Any) -> Share:
        there, at_end = pl.col("there"), pl.col("at_end")
        return self._row(self._both_ends(orders).select((there & ~at_end).sum().alias("above"), there.sum()))

    def reactivation_rate(self, orders: Any) -> Share:
        at = pl.col("ordered_at")
        customers = (
            self._valid(orders)
            .group_by("customer_id")
            .agg(before=at.filter(at < START).max(), back=(at >= START).any())
            .filter(pl.col("before") < START - ACTIVE)
        )
        return self._row(customers.select(pl.col("back").sum(), pl.len()))

    def churn_rate(self, contracts: Any) -> Share:
        def in_force(at: datetime) -> Any:
            return (pl.col("started_at") < at) & (pl.col("ended_at").is_null() | (pl.col("ended_at") >= at))

        there, at_end = pl.col("there"), pl.col("at_end")
        customers = (
            contracts.filter(in_force(START) | in_force(END))
            .group_by("customer_id")
            .agg(there=in_force(START).any(), at_end=in_force(END).any())
        )
        return self._row(customers.select((there & ~at_end).sum().alias("above"), there.sum()))

    def churn_rate_besides(self, contracts: Any) -> tuple[int, int, float]:
        def in_force(at: datetime) -> Any:
            return (pl.col("started_at") < at) & (pl.col("ended_at").is_null() | (pl.col("ended_at") >= at))

        there, gone = pl.col("there"), ~pl.col("at_end")
        customers = contracts.group_by("customer_id").agg(
            there=in_force(START).any(), at_end=in_force(END).any(), first=pl.col("started_at").min()
        )
        new = pl.col("first").is_between(START, END, closed="left")
        return self._row(
            customers.select((there & gone).sum().alias("above"), there.sum(), (new & gone).sum().alias("besides"))
        )

    def cohort_retention_classic(self, orders: Any) -> Any:
        month = pl.col("ordered_at").dt.truncate("1mo")
        visits = self._valid(orders).select("customer_id", month=month).unique()
        cohorts = visits.with_columns(cohort=pl.col("month").min().over("customer_id"))
        return cohorts.group_by("cohort", "month").len().sort("cohort", "month").lazy().collect()

    def cohort_retention_unbounded(self, orders: Any) -> Any:
        spans = self._spans(orders).select(pl.col("first", "last").dt.truncate("1mo"))
        leavers = spans.group_by(cohort="first", month="last").len().sort("cohort", "month")
        return leavers.with_columns(len=pl.col("len").cum_sum(reverse=True).over("cohort")).lazy().collect()

    def plain(self, found: Any) -> Any:
        """A result as plain Python, for comparison."""
        if isinstance(found, tuple):
            return found
        if "group" in found.columns:
            return groups(found.to_dicts())
        return cells_of_dates(found.iter_rows())

    def _row(self, frame: Any) -> Any:
        return frame.lazy().collect().row(0)
