"""What a competent user would write without crmkit: the same figures and definitions, in each engine's own way.

One class per engine, one method per metric. An order counts when it is completed and not negative; two orders of one
calendar day are one purchase. A share comes back as `(numerator, denominator)`, groups and cohorts as a small table of
the engine, which `plain` turns into something comparable outside the time that is measured. `retention_rate` and
`churn_rate` stop at the share; their namesakes with `_textbook` and `_besides` also find what crmkit reports beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

START, END = datetime(2025, 9, 1), datetime(2025, 12, 1)  # the data run from 2024-01-01 to 2026-01-01
ACTIVE, YEAR = timedelta(days=90), timedelta(days=365)
BOUGHT_FROM, BOUGHT_TO = datetime(2025, 3, 1), datetime(2025, 10, 1)  # window of the purchase that starts the clock
HORIZON = timedelta(days=90)
WATCHED = END - HORIZON  # a purchase before this day has been watched for the whole horizon

Share = tuple[int, int]


class Pandas:
    """pandas: masks and one `groupby` (on text `isin` is slow). `key` is the customer column: text or integer."""

    def __init__(self, key: str = "customer_id") -> None:
        self.key = key

    def _valid(self, orders: Any, *columns: str, until: datetime = END) -> Any:
        counts = (orders["status"] == "completed") & (orders["net_amount"] >= 0) & (orders["ordered_at"] < until)
        return orders.loc[counts, [self.key, "ordered_at", *columns]]

    def _spans(self, orders: Any) -> Any:
        by_customer = self._valid(orders).groupby(self.key, sort=False)["ordered_at"]
        return by_customer.agg(first="min", last="max")

    def _repeated(self, spans: Any) -> Any:
        return (spans["last"] >= START) & (spans["last"].dt.normalize() > spans["first"].dt.normalize())

    def repeat_customers(self, orders: Any) -> Share:
        spans = self._spans(orders)
        return int(self._repeated(spans).sum()), len(spans)

    repeat_rate_cumulative = repeat_customers

    def repeat_rate_active(self, orders: Any) -> Share:
        spans = self._spans(orders)
        active = spans["last"] >= END - YEAR
        return int((self._repeated(spans) & active).sum()), int(active.sum())

    def repeat_rate_by_channel(self, orders: Any) -> Any:
        valid = self._valid(orders, "channel")
        spans = valid.groupby(self.key, sort=False)["ordered_at"].agg(first="min", last="max", home="idxmin")
        group = valid["channel"].loc[spans["home"]].to_numpy()
        return (
            self._repeated(spans)
            .groupby(group)
            .agg(numerator="sum", denominator="size")
            .rename_axis("group")
            .reset_index()
        )

    def repeater_share(self, orders: Any) -> Share:
        spans = self._spans(orders)
        return int(self._repeated(spans).sum()), int((spans["last"] >= START).sum())

    def repurchase_rate(self, orders: Any) -> Share:
        valid = self._valid(orders)
        day = valid["ordered_at"].dt.normalize()
        first = day.groupby(valid[self.key], sort=False).transform("min")
        base = (first >= BOUGHT_FROM) & (first < min(BOUGHT_TO, WATCHED))
        again = base & (day > first) & (day <= first + HORIZON)
        return valid.loc[again, self.key].nunique(), valid.loc[base, self.key].nunique()

    def _both_ends(self, valid: Any, **more: Any) -> Any:
        at = valid["ordered_at"]
        states = valid[[self.key]].assign(
            there=(at >= START - ACTIVE) & (at < START), at_end=at >= END - ACTIVE, **more
        )
        return states.groupby(self.key, sort=False)

    def retention_rate(self, orders: Any) -> Share:
        valid = self._valid(orders)
        customers = self._both_ends(valid[valid["ordered_at"] >= START - ACTIVE]).max()
        return int((customers["there"] & customers["at_end"]).sum()), int(customers["there"].sum())

    def retention_rate_textbook(self, orders: Any) -> tuple[int, int, float]:
        valid = self._valid(orders)
        grouped = self._both_ends(valid, first=valid["ordered_at"])
        customers = grouped.agg({"there": "max", "at_end": "max", "first": "min"})
        there = int(customers["there"].sum())
        new = int((customers["first"] >= START).sum())
        stayed = int((customers["there"] & customers["at_end"]).sum())
        return stayed, there, (int(customers["at_end"].sum()) - new) / there

    def lapse_rate(self, orders: Any) -> Share:
        stayed, there = self.retention_rate(orders)
        return there - stayed, there

    def reactivation_rate(self, orders: Any) -> Share:
        valid = self._valid(orders)
        at = valid["ordered_at"]
        states = valid[[self.key]].assign(before=at.where(at < START), back=at >= START)
        customers = states.groupby(self.key, sort=False).max()
        asleep = customers[customers["before"] < START - ACTIVE]
        return int(asleep["back"].sum()), len(asleep)

    def churn_rate(self, contracts: Any) -> Share:
        def in_force(at: datetime) -> Any:
            return (contracts["started_at"] < at) & (contracts["ended_at"].isna() | (contracts["ended_at"] >= at))

        states = contracts[[self.key]].assign(there=in_force(START), at_end=in_force(END))
        customers = states[states["there"] | states["at_end"]].groupby(self.key, sort=False).max()
        return int((customers["there"] & ~customers["at_end"]).sum()), int(customers["there"].sum())

    def churn_rate_besides(self, contracts: Any) -> tuple[int, int, float]:
        def in_force(at: datetime) -> Any:
            return (contracts["started_at"] < at) & (contracts["ended_at"].isna() | (contracts["ended_at"] >= at))

        states = contracts[[self.key, "started_at"]].assign(there=in_force(START), at_end=in_force(END))
        grouped = states.groupby(self.key, sort=False)
        customers = grouped.agg({"there": "max", "at_end": "max", "started_at": "min"})
        gone = ~customers["at_end"]
        new = (customers["started_at"] >= START) & (customers["started_at"] < END)
        return int((customers["there"] & gone).sum()), int(customers["there"].sum()), int((new & gone).sum())

    def cohort_retention_classic(self, orders: Any) -> Any:
        valid = self._valid(orders)
        visits = valid[[self.key]].assign(month=_months(valid["ordered_at"])).drop_duplicates()
        visits["cohort"] = visits.groupby(self.key, sort=False)["month"].transform("min")
        visits["age"] = visits["month"] - visits["cohort"]
        return visits.groupby(["cohort", "age"]).size().unstack()

    def cohort_retention_unbounded(self, orders: Any) -> Any:
        spans = self._spans(orders)
        cohort, last = _months(spans["first"]), _months(spans["last"])
        leavers = spans.groupby([cohort, last - cohort]).size().rename_axis(["cohort", "age"]).unstack(fill_value=0)
        return leavers.iloc[:, ::-1].cumsum(axis=1)

    def plain(self, found: Any) -> Any:
        """A result as plain Python, for comparison."""
        if isinstance(found, tuple):
            return found
        if "group" in found.columns:
            return _groups(found.to_dict("records"))
        return _cells(((month, age), n) for (month, age), n in found.stack().items())


class Polars:
    """Polars, eager and lazy: one chain of expressions; what is lazy is collected at its end."""

    def _valid(self, orders: Any, until: datetime = END) -> Any:
        import polars as pl

        counts = (pl.col("status") == "completed") & (pl.col("net_amount") >= 0) & (pl.col("ordered_at") < until)
        return orders.filter(counts)

    def _spans(self, orders: Any, *more: Any) -> Any:
        import polars as pl

        at = pl.col("ordered_at")
        return self._valid(orders).group_by("customer_id").agg(at.min().alias("first"), at.max().alias("last"), *more)

    def _repeated(self) -> Any:
        import polars as pl

        return (pl.col("last") >= START) & (pl.col("last").dt.date() > pl.col("first").dt.date())

    def repeat_customers(self, orders: Any) -> Share:
        import polars as pl

        return self._row(self._spans(orders).select(self._repeated().sum().alias("above"), pl.len()))

    repeat_rate_cumulative = repeat_customers

    def repeat_rate_active(self, orders: Any) -> Share:
        import polars as pl

        active = pl.col("last") >= END - YEAR
        return self._row(self._spans(orders).select((self._repeated() & active).sum().alias("above"), active.sum()))

    def repeat_rate_by_channel(self, orders: Any) -> Any:
        import polars as pl

        homes = self._spans(orders, pl.col("channel").min_by("ordered_at").alias("group"))
        shares = homes.group_by("group").agg(self._repeated().sum().alias("numerator"), pl.len().alias("denominator"))
        return shares.sort("group").lazy().collect()

    def repeater_share(self, orders: Any) -> Share:
        import polars as pl

        return self._row(
            self._spans(orders).select(self._repeated().sum().alias("above"), (pl.col("last") >= START).sum())
        )

    def repurchase_rate(self, orders: Any) -> Share:
        import polars as pl

        days = self._valid(orders).select("customer_id", day=pl.col("ordered_at").dt.truncate("1d"))
        first = days.group_by("customer_id").agg(first=pl.col("day").min())
        base = first.filter(pl.col("first") >= BOUGHT_FROM, pl.col("first") < min(BOUGHT_TO, WATCHED))
        again = (pl.col("day") > pl.col("first")) & (pl.col("day") <= pl.col("first") + HORIZON)
        seen = days.join(base, on="customer_id").group_by("customer_id").agg(again=again.any())
        return self._row(seen.select(pl.col("again").sum(), pl.len()))

    def _both_ends(self, orders: Any) -> Any:
        import polars as pl

        at = pl.col("ordered_at")
        recent = self._valid(orders).filter(at >= START - ACTIVE)
        return recent.group_by("customer_id").agg(
            there=(at < START).any(), at_end=(at >= END - ACTIVE).any(), bought=(at >= START).any()
        )

    def retention_rate(self, orders: Any) -> Share:
        import polars as pl

        there, at_end = pl.col("there"), pl.col("at_end")
        return self._row(self._both_ends(orders).select((there & at_end).sum().alias("above"), there.sum()))

    def retention_rate_textbook(self, orders: Any) -> tuple[int, int, float]:
        import polars as pl

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
        import polars as pl

        there, at_end = pl.col("there"), pl.col("at_end")
        return self._row(self._both_ends(orders).select((there & ~at_end).sum().alias("above"), there.sum()))

    def reactivation_rate(self, orders: Any) -> Share:
        import polars as pl

        at = pl.col("ordered_at")
        customers = (
            self._valid(orders)
            .group_by("customer_id")
            .agg(before=at.filter(at < START).max(), back=(at >= START).any())
            .filter(pl.col("before") < START - ACTIVE)
        )
        return self._row(customers.select(pl.col("back").sum(), pl.len()))

    def churn_rate(self, contracts: Any) -> Share:
        import polars as pl

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
        import polars as pl

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
        import polars as pl

        month = pl.col("ordered_at").dt.truncate("1mo")
        visits = self._valid(orders).select("customer_id", month=month).unique()
        cohorts = visits.with_columns(cohort=pl.col("month").min().over("customer_id"))
        return cohorts.group_by("cohort", "month").len().sort("cohort", "month").lazy().collect()

    def cohort_retention_unbounded(self, orders: Any) -> Any:
        import polars as pl

        spans = self._spans(orders).select(pl.col("first", "last").dt.truncate("1mo"))
        leavers = spans.group_by(cohort="first", month="last").len().sort("cohort", "month")
        return leavers.with_columns(len=pl.col("len").cum_sum(reverse=True).over("cohort")).lazy().collect()

    def plain(self, found: Any) -> Any:
        """A result as plain Python, for comparison."""
        if isinstance(found, tuple):
            return found
        if "group" in found.columns:
            return _groups(found.to_dicts())
        return _cells_of_dates(found.iter_rows())

    def _row(self, frame: Any) -> Any:
        return frame.lazy().collect().row(0)


class Arrow:
    """PyArrow: compute expressions and `group_by(...).aggregate(...)`."""

    def _valid(self, orders: Any, *columns: str, until: datetime = END, since: datetime | None = None) -> Any:
        import pyarrow.compute as pc

        counts = (pc.field("status") == "completed") & (pc.field("net_amount") >= 0) & (pc.field("ordered_at") < until)
        if since is not None:
            counts = counts & (pc.field("ordered_at") >= since)
        needed = orders.select(["customer_id", "ordered_at", "status", "net_amount", *columns])
        return needed.filter(counts).select(["customer_id", "ordered_at", *columns])

    def _spans(self, orders: Any) -> Any:
        return self._valid(orders).group_by("customer_id").aggregate([("ordered_at", "min"), ("ordered_at", "max")])

    def _repeated(self, spans: Any) -> Any:
        import pyarrow.compute as pc

        first, last = (pc.floor_temporal(spans[f"ordered_at_{which}"], unit="day") for which in ("min", "max"))
        return pc.and_(pc.greater_equal(spans["ordered_at_max"], START), pc.greater(last, first))

    def repeat_customers(self, orders: Any) -> Share:
        spans = self._spans(orders)
        return _true(self._repeated(spans)), spans.num_rows

    repeat_rate_cumulative = repeat_customers

    def repeat_rate_active(self, orders: Any) -> Share:
        import pyarrow.compute as pc

        spans = self._spans(orders)
        active = pc.greater_equal(spans["ordered_at_max"], END - YEAR)
        return _true(pc.and_(self._repeated(spans), active)), _true(active)

    def repeat_rate_by_channel(self, orders: Any) -> Any:
        import pyarrow as pa

        valid = self._valid(orders, "channel").sort_by("ordered_at")
        spans = valid.group_by("customer_id", use_threads=False).aggregate(
            [("ordered_at", "min"), ("ordered_at", "max"), ("channel", "first")]
        )
        flags = pa.table({"group": spans["channel_first"], "repeated": self._repeated(spans).cast(pa.int64())})
        return flags.group_by("group").aggregate([("repeated", "sum"), ("repeated", "count")]).sort_by("group")

    def repeater_share(self, orders: Any) -> Share:
        import pyarrow.compute as pc

        spans = self._spans(orders)
        return _true(self._repeated(spans)), _true(pc.greater_equal(spans["ordered_at_max"], START))

    def repurchase_rate(self, orders: Any) -> Share:
        import pyarrow.compute as pc

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
        import pyarrow.compute as pc

        there, at_end = self._there(orders, START), self._there(orders, END)
        return _true(pc.is_in(there, at_end)), len(there)

    def retention_rate_textbook(self, orders: Any) -> tuple[int, int, float]:
        import pyarrow.compute as pc

        stayed, there = self.retention_rate(orders)
        first = self._valid(orders).group_by("customer_id").aggregate([("ordered_at", "min")])["ordered_at_min"]
        return stayed, there, (len(self._there(orders, END)) - _true(pc.greater_equal(first, START))) / there

    def lapse_rate(self, orders: Any) -> Share:
        stayed, there = self.retention_rate(orders)
        return there - stayed, there

    def reactivation_rate(self, orders: Any) -> Share:
        import pyarrow.compute as pc

        before = self._valid(orders, until=START).group_by("customer_id").aggregate([("ordered_at", "max")])
        asleep = before.filter(pc.field("ordered_at_max") < START - ACTIVE)["customer_id"]
        return _true(pc.is_in(asleep, self._valid(orders, since=START)["customer_id"].unique())), len(asleep)

    def churn_rate(self, contracts: Any) -> Share:
        import pyarrow.compute as pc

        there = self._in_force(contracts, START)
        return len(there) - _true(pc.is_in(there, self._in_force(contracts, END))), len(there)

    def _in_force(self, contracts: Any, at: datetime) -> Any:
        import pyarrow.compute as pc

        ended = pc.field("ended_at")
        running = contracts.filter((pc.field("started_at") < at) & (ended.is_null() | (ended >= at)))
        return running["customer_id"].unique()

    def churn_rate_besides(self, contracts: Any) -> tuple[int, int, float]:
        import pyarrow.compute as pc

        gone, there = self.churn_rate(contracts)
        first = contracts.group_by("customer_id").aggregate([("started_at", "min")])
        new = first.filter((pc.field("started_at_min") >= START) & (pc.field("started_at_min") < END))["customer_id"]
        return gone, there, len(new) - _true(pc.is_in(new, self._in_force(contracts, END)))

    def cohort_retention_classic(self, orders: Any) -> Any:
        import pyarrow.compute as pc

        valid = self._valid(orders)
        visits = valid.set_column(1, "month", pc.floor_temporal(valid["ordered_at"], unit="month"))
        visits = visits.group_by(["customer_id", "month"]).aggregate([])
        cohorts = visits.group_by("customer_id").aggregate([("month", "min")])
        cells = visits.join(cohorts, "customer_id").group_by(["month_min", "month"]).aggregate([([], "count_all")])
        return cells.sort_by([("month_min", "ascending"), ("month", "ascending")])

    def cohort_retention_unbounded(self, orders: Any) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

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
            return _groups({"group": group, "numerator": above, "denominator": n} for group, above, n in rows)
        return _cells_of_dates(rows)


VALID = f"status = 'completed' AND net_amount >= 0 AND ordered_at < TIMESTAMP '{END}'"
REPEATED = f"last >= TIMESTAMP '{START}' AND last::DATE > first::DATE"
SPANS = (
    f"(SELECT customer_id, min(ordered_at) AS first, max(ordered_at) AS last FROM orders WHERE {VALID} GROUP BY ALL)"
)


class DuckDB:
    """DuckDB: one SQL query per figure on the tables `orders` and `contracts`."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def _ask(self, query: str) -> Any:
        return self.connection.execute(query).fetchall()[0]  # fetchone leaves the result open

    def repeat_customers(self, _: Any) -> Share:
        return self._ask(f"SELECT count(*) FILTER ({REPEATED}), count(*) FROM {SPANS}")

    repeat_rate_cumulative = repeat_customers

    def repeat_rate_active(self, _: Any) -> Share:
        return self._ask(
            f"SELECT count(*) FILTER ({REPEATED}), count(*) FROM {SPANS} WHERE last >= TIMESTAMP '{END - YEAR}'"
        )

    def repeat_rate_by_channel(self, _: Any) -> Any:
        return self.connection.execute(
            f"""
            SELECT "group", count(*) FILTER ({REPEATED}) AS numerator, count(*) AS denominator
            FROM (
                SELECT customer_id, min(ordered_at) AS first, max(ordered_at) AS last,
                       arg_min(channel, ordered_at) AS "group"
                FROM orders WHERE {VALID} GROUP BY customer_id
            ) GROUP BY ALL ORDER BY ALL
            """
        ).fetchall()

    def repeater_share(self, _: Any) -> Share:
        return self._ask(
            f"SELECT count(*) FILTER ({REPEATED}), count(*) FROM {SPANS} WHERE last >= TIMESTAMP '{START}'"
        )

    def repurchase_rate(self, _: Any) -> Share:
        return self._ask(
            f"""
            WITH days AS (SELECT customer_id, ordered_at::DATE AS day FROM orders WHERE {VALID}),
            base AS (
                SELECT customer_id, min(day) AS first FROM days GROUP BY ALL
                HAVING first >= DATE '{BOUGHT_FROM:%Y-%m-%d}' AND first < DATE '{min(BOUGHT_TO, WATCHED):%Y-%m-%d}'
            )
            SELECT count(*) FILTER (again), count(*) FROM (
                SELECT customer_id, bool_or(day > first AND day <= first + {HORIZON.days}) AS again
                FROM days JOIN base USING (customer_id) GROUP BY ALL
            )
            """
        )

    def _both_ends(self, what: str) -> Share:
        return self._ask(
            f"""
            SELECT count(*) FILTER ({what}), count(*) FILTER (there) FROM (
                SELECT customer_id, bool_or(ordered_at < TIMESTAMP '{START}') AS there,
                       bool_or(ordered_at >= TIMESTAMP '{END - ACTIVE}') AS at_end
                FROM orders WHERE {VALID} AND ordered_at >= TIMESTAMP '{START - ACTIVE}' GROUP BY customer_id
            )
            """
        )

    def retention_rate(self, _: Any) -> Share:
        return self._both_ends("there AND at_end")

    def retention_rate_textbook(self, _: Any) -> tuple[int, int, float]:
        stayed, there, at_end, new = self._ask(
            f"""
            SELECT count(*) FILTER (there AND at_end), count(*) FILTER (there), count(*) FILTER (at_end),
                   count(*) FILTER (first >= TIMESTAMP '{START}')
            FROM (
                SELECT customer_id, min(ordered_at) AS first,
                       bool_or(ordered_at >= TIMESTAMP '{START - ACTIVE}' AND ordered_at < TIMESTAMP '{START}')
                           AS there,
                       bool_or(ordered_at >= TIMESTAMP '{END - ACTIVE}') AS at_end
                FROM orders WHERE {VALID} GROUP BY customer_id
            )
            """
        )
        return stayed, there, (at_end - new) / there

    def lapse_rate(self, _: Any) -> Share:
        return self._both_ends("there AND NOT at_end")

    def reactivation_rate(self, _: Any) -> Share:
        return self._ask(
            f"""
            SELECT count(*) FILTER (back), count(*) FROM (
                SELECT customer_id, max(ordered_at) FILTER (ordered_at < TIMESTAMP '{START}') AS before,
                       bool_or(ordered_at >= TIMESTAMP '{START}') AS back
                FROM orders WHERE {VALID} GROUP BY customer_id
            ) WHERE before < TIMESTAMP '{START - ACTIVE}'
            """
        )

    def churn_rate(self, _: Any) -> Share:
        def in_force(at: datetime) -> str:
            return f"(started_at < TIMESTAMP '{at}' AND (ended_at IS NULL OR ended_at >= TIMESTAMP '{at}'))"

        return self._ask(
            f"""
            SELECT count(*) FILTER (there AND NOT at_end), count(*) FILTER (there) FROM (
                SELECT customer_id, bool_or({in_force(START)}) AS there, bool_or({in_force(END)}) AS at_end
                FROM contracts WHERE {in_force(START)} OR {in_force(END)} GROUP BY customer_id
            )
            """
        )

    def churn_rate_besides(self, _: Any) -> tuple[int, int, float]:
        def in_force(at: datetime) -> str:
            return f"(started_at < TIMESTAMP '{at}' AND (ended_at IS NULL OR ended_at >= TIMESTAMP '{at}'))"

        return self._ask(
            f"""
            SELECT count(*) FILTER (there AND NOT at_end), count(*) FILTER (there),
                   count(*) FILTER (first >= TIMESTAMP '{START}' AND first < TIMESTAMP '{END}' AND NOT at_end)
            FROM (
                SELECT customer_id, bool_or({in_force(START)}) AS there, bool_or({in_force(END)}) AS at_end,
                       min(started_at) AS first
                FROM contracts GROUP BY customer_id
            )
            """
        )

    def cohort_retention_classic(self, _: Any) -> Any:
        return self.connection.execute(
            f"""
            WITH visits AS (
                SELECT DISTINCT customer_id, date_trunc('month', ordered_at) AS month FROM orders WHERE {VALID}
            ), cohorts AS (SELECT customer_id, min(month) AS cohort FROM visits GROUP BY customer_id)
            SELECT cohort, month, count(*) FROM visits JOIN cohorts USING (customer_id) GROUP BY ALL ORDER BY ALL
            """
        ).fetchall()

    def cohort_retention_unbounded(self, _: Any) -> Any:
        return self.connection.execute(
            f"""
            WITH leavers AS (
                SELECT date_trunc('month', first) AS cohort, date_trunc('month', last) AS month, count(*) AS n
                FROM {SPANS} GROUP BY ALL
            )
            SELECT cohort, month, sum(n) OVER (PARTITION BY cohort ORDER BY month DESC) FROM leavers ORDER BY ALL
            """
        ).fetchall()

    def plain(self, found: Any) -> Any:
        """A result as plain Python, for comparison."""
        if isinstance(found, tuple):
            return found
        if isinstance(found[0][0], str):
            return _groups({"group": group, "numerator": above, "denominator": n} for group, above, n in found)
        return _cells_of_dates(found)


class Spark:
    """PySpark: the DataFrame API, one `collect` at the end."""

    def _valid(self, orders: Any) -> Any:
        from pyspark.sql import functions as F

        counts = (F.col("status") == "completed") & (F.col("net_amount") >= 0) & (F.col("ordered_at") < F.lit(END))
        return orders.where(counts)

    def _spans(self, orders: Any, *more: Any) -> Any:
        from pyspark.sql import functions as F

        ends = F.min("ordered_at").alias("first"), F.max("ordered_at").alias("last")
        return self._valid(orders).groupBy("customer_id").agg(*ends, *more)

    def _repeated(self) -> Any:
        from pyspark.sql import functions as F

        return (F.col("last") >= F.lit(START)) & (F.to_date("last") > F.to_date("first"))

    def _share(self, customers: Any, above: Any, below: Any) -> Share:
        from pyspark.sql import functions as F

        return tuple(customers.agg(F.count_if(above), F.count_if(below)).collect()[0])

    def repeat_customers(self, orders: Any) -> Share:
        from pyspark.sql import functions as F

        return self._share(self._spans(orders), self._repeated(), F.lit(True))

    repeat_rate_cumulative = repeat_customers

    def repeat_rate_active(self, orders: Any) -> Share:
        from pyspark.sql import functions as F

        active = F.col("last") >= F.lit(END - YEAR)
        return self._share(self._spans(orders), self._repeated() & active, active)

    def repeat_rate_by_channel(self, orders: Any) -> Any:
        from pyspark.sql import functions as F

        homes = self._spans(orders, F.min_by("channel", "ordered_at").alias("group"))
        shares = homes.groupBy("group").agg(
            F.count_if(self._repeated()).alias("numerator"), F.count("*").alias("denominator")
        )
        return shares.orderBy("group").collect()

    def repeater_share(self, orders: Any) -> Share:
        from pyspark.sql import functions as F

        return self._share(self._spans(orders), self._repeated(), F.col("last") >= F.lit(START))

    def repurchase_rate(self, orders: Any) -> Share:
        from pyspark.sql import functions as F

        days = self._valid(orders).select("customer_id", F.to_date("ordered_at").alias("day"))
        first = days.groupBy("customer_id").agg(F.min("day").alias("first"))
        reached = (F.col("first") >= F.lit(BOUGHT_FROM)) & (F.col("first") < F.lit(min(BOUGHT_TO, WATCHED)))
        seen = days.join(first.where(reached), "customer_id")
        again = (F.col("day") > F.col("first")) & (F.col("day") <= F.date_add("first", HORIZON.days))
        return self._share(
            seen.groupBy("customer_id").agg(F.bool_or(again).alias("again")), F.col("again"), F.lit(True)
        )

    def _both_ends(self, orders: Any) -> Any:
        from pyspark.sql import functions as F

        at = F.col("ordered_at")
        recent = self._valid(orders).where(at >= F.lit(START - ACTIVE))
        return recent.groupBy("customer_id").agg(
            F.bool_or(at < F.lit(START)).alias("there"), F.bool_or(at >= F.lit(END - ACTIVE)).alias("at_end")
        )

    def retention_rate(self, orders: Any) -> Share:
        from pyspark.sql import functions as F

        return self._share(self._both_ends(orders), F.col("there") & F.col("at_end"), F.col("there"))

    def retention_rate_textbook(self, orders: Any) -> tuple[int, int, float]:
        from pyspark.sql import functions as F

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
        from pyspark.sql import functions as F

        return self._share(self._both_ends(orders), F.col("there") & ~F.col("at_end"), F.col("there"))

    def reactivation_rate(self, orders: Any) -> Share:
        from pyspark.sql import functions as F

        at = F.col("ordered_at")
        customers = (
            self._valid(orders)
            .groupBy("customer_id")
            .agg(F.max(F.when(at < F.lit(START), at)).alias("before"), F.bool_or(at >= F.lit(START)).alias("back"))
            .where(F.col("before") < F.lit(START - ACTIVE))
        )
        return self._share(customers, F.col("back"), F.lit(True))

    def churn_rate(self, contracts: Any) -> Share:
        from pyspark.sql import functions as F

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
        from pyspark.sql import functions as F

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
        from pyspark.sql import functions as F
        from pyspark.sql.window import Window

        visits = self._valid(orders).select("customer_id", F.trunc("ordered_at", "month").alias("month")).distinct()
        cohort = F.min("month").over(Window.partitionBy("customer_id")).alias("cohort")
        return visits.select(cohort, "month").groupBy("cohort", "month").count().orderBy("cohort", "month").collect()

    def cohort_retention_unbounded(self, orders: Any) -> Any:
        from pyspark.sql import functions as F
        from pyspark.sql.window import Window

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
            return _groups(row.asDict() for row in found)
        return _cells_of_dates(tuple(row) for row in found)


def _months(at: Any) -> Any:
    """Months of a pandas column, numbered from January of the year 0."""
    return at.to_numpy().astype("datetime64[M]").astype("int64") + 1970 * 12 + 1


def _true(flags: Any) -> int:
    import pyarrow.compute as pc

    return pc.sum(flags).as_py() or 0


def _groups(rows: Any) -> dict[str, Share]:
    names = ("group", "numerator", "denominator")
    fields = [[row[name] for name in names] if isinstance(row, Mapping) else list(row) for row in rows]
    return {group: (int(above), int(below)) for group, above, below in fields}


def _cells(items: Any) -> dict[tuple[int, int], int]:
    """Cells of a cohort table by (month number, age in months); empty ones are left away."""
    return {(int(month), int(age)): int(n) for (month, age), n in items if n > 0}  # also not NaN


def _cells_of_dates(rows: Any) -> dict[tuple[int, int], int]:
    def number(at: Any) -> int:
        return at.year * 12 + at.month

    return _cells(((number(cohort), number(month) - number(cohort)), n) for cohort, month, n in rows)
