"""The figures in PySpark."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pyspark.sql import functions as F
from pyspark.sql.window import Window

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


class Spark:
    """PySpark: the DataFrame API, one `collect` at the end."""

    def _valid(self, orders: Any) -> Any:
        counts = (F.col("status") == "completed") & (F.col("net_amount") >= 0) & (F.col("ordered_at") < F.lit(END))
        return orders.where(counts)

    def _spans(self, orders: Any, *more: Any) -> Any:
        ends = F.min("ordered_at").alias("first"), F.max("ordered_at").alias("last")
        return self._valid(orders).groupBy("customer_id").agg(*ends, *more)

    def _repeated(self) -> Any:
        return (F.col("last") >= F.lit(START)) & (F.to_date("last") > F.to_date("first"))

    def _share(self, customers: Any, above: Any, below: Any) -> Share:
        return tuple(customers.agg(F.count_if(above), F.count_if(below)).collect()[0])

    def repeat_customers(self, orders: Any) -> Share:
        return self._share(self._spans(orders), self._repeated(), F.lit(True))

    repeat_rate_cumulative = repeat_customers

    def repeat_rate_active(self, orders: Any) -> Share:
        active = F.col("last") >= F.lit(END - YEAR)
        return self._share(self._spans(orders), self._repeated() & active, active)

    def repeat_rate_by_channel(self, orders: Any) -> Any:
        homes = self._spans(orders, F.min_by("channel", "ordered_at").alias("group"))
        shares = homes.groupBy("group").agg(
            F.count_if(self._repeated()).alias("numerator"), F.count("*").alias("denominator")
        )
        return shares.orderBy("group").collect()

    def repeater_share(self, orders: Any) -> Share:
        return self._share(self._spans(orders), self._repeated(), F.col("last") >= F.lit(START))

    def repurchase_rate(self, orders: Any) -> Share:
        days = self._valid(orders).select("customer_id", F.to_date("ordered_at").alias("day"))
        first = days.groupBy("customer_id").agg(F.min("day").alias("first"))
        reached = (F.col("first") >= F.lit(BOUGHT_FROM)) & (F.col("first") < F.lit(min(BOUGHT_TO, WATCHED)))
        seen = days.join(first.where(reached), "customer_id")
        again = (F.col("day") > F.col("first")) & (F.col("day") <= F.date_add("first", HORIZON.days))
        return self._share(
            seen.groupBy("customer_id").agg(F.bool_or(again).alias("again")), F.col("again"), F.lit(True)
        )

    def _both_ends(self, orders: Any) -> Any:
        at = F.col("ordered_at")
        recent = self._valid(orders).where(at >= F.lit(START - ACTIVE))
        return recent.groupBy("customer_id").agg(
            F.bool_or(at < F.lit(START)).alias("there"), F.bool_or(at >= F.lit(END - ACTIVE)).alias("at_end")
        )

    def retention_rate(self, orders: Any) -> Share:
        return self._share(self._both_ends(orders), F.col("there") & F.col("at_end"), F.col("there"))

    def retention_rate_textbook(self, orders: Any) -> tuple[int, int, float]:
        at = F.col("ordered_at")
        customers = (
            self._valid(orders)
            .groupBy("customer_id")
            .agg(
                F.bool_or((at >= F.lit(START - ACTIVE)) & (at < F.lit(START))).alias("there"),
                F.bool_or(at >= F.lit(END - ACTIVE)).alias("at_end"),
                F.min(at).alias("first"),
            )
        )
        there, at_end, new = F.col("there"), F.col("at_end"), F.col("first") >= F.lit(START)
        counts = (F.count_if(flag) for flag in (there & at_end, there, at_end, new))
        stayed, base, still, fresh = customers.agg(*counts).collect()[0]
        return stayed, base, (still - fresh) / base

    def lapse_rate(self, orders: Any) -> Share:
        return self._share(self._both_ends(orders), F.col("there") & ~F.col("at_end"), F.col("there"))

    def reactivation_rate(self, orders: Any) -> Share:
        at = F.col("ordered_at")
        customers = (
            self._valid(orders)
            .groupBy("customer_id")
            .agg(F.max(F.when(at < F.lit(START), at)).alias("before"), F.bool_or(at >= F.lit(START)).alias("back"))
            .where(F.col("before") < F.lit(START - ACTIVE))
        )
        return self._share(customers, F.col("back"), F.lit(True))

    def churn_rate(self, contracts: Any) -> Share:
        def in_force(at: datetime) -> Any:
            ended = F.col("ended_at")
            return (F.col("started_at") < F.lit(at)) & (ended.isNull() | (ended >= F.lit(at)))

        customers = (
            contracts.where(in_force(START) | in_force(END))
            .groupBy("customer_id")
            .agg(F.bool_or(in_force(START)).alias("there"), F.bool_or(in_force(END)).alias("at_end"))
        )
        return self._share(customers, F.col("there") & ~F.col("at_end"), F.col("there"))

    def churn_rate_besides(self, contracts: Any) -> tuple[int, int, float]:
        def in_force(at: datetime) -> Any:
            ended = F.col("ended_at")
            return (F.col("started_at") < F.lit(at)) & (ended.isNull() | (ended >= F.lit(at)))

        there, gone, first = F.col("there"), ~F.col("at_end"), F.col("first")
        customers = contracts.groupBy("customer_id").agg(
            F.bool_or(in_force(START)).alias("there"),
            F.bool_or(in_force(END)).alias("at_end"),
            F.min("started_at").alias("first"),
        )
        new = (first >= F.lit(START)) & (first < F.lit(END))
        return tuple(customers.agg(*(F.count_if(flag) for flag in (there & gone, there, new & gone))).collect()[0])

    def cohort_retention_classic(self, orders: Any) -> Any:
        visits = self._valid(orders).select("customer_id", F.trunc("ordered_at", "month").alias("month")).distinct()
        cohort = F.min("month").over(Window.partitionBy("customer_id")).alias("cohort")
        return visits.select(cohort, "month").groupBy("cohort", "month").count().orderBy("cohort", "month").collect()

    def cohort_retention_unbounded(self, orders: Any) -> Any:
        months = F.trunc("first", "month").alias("cohort"), F.trunc("last", "month").alias("month")
        leavers = self._spans(orders).groupBy(*months).count()
        later = Window.partitionBy("cohort").orderBy(F.desc("month"))
        cells = leavers.select("cohort", "month", F.sum("count").over(later).alias("active"))
        return cells.orderBy("cohort", "month").collect()

    def plain(self, found: Any) -> Any:
        """A result as plain Python, for comparison."""
        if isinstance(found, tuple):
            return found
        if "group" in found[0].__fields__:
            return groups(row.asDict() for row in found)
        return cells_of_dates(tuple(row) for row in found)
