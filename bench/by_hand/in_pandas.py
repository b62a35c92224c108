"""The figures in pandas."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from by_hand.contract import ACTIVE, BOUGHT_FROM, BOUGHT_TO, END, HORIZON, START, WATCHED, YEAR, Share, cells, groups


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
            return groups(found.to_dict("records"))
        return cells(((month, age), n) for (month, age), n in found.stack().items())


def _months(at: Any) -> Any:
    """Months of a pandas column, numbered from January of the year 0."""
    return at.to_numpy().astype("datetime64[M]").astype("int64") + 1970 * 12 + 1
