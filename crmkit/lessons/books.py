"""The books of a shop as lesson 03 looks at them: which months, which costs count, and what they come to per head."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import narwhals.stable.v2 as nw
import pandas as pd

from crmkit.estimate import Estimate
from crmkit.lessons.dates import dates
from crmkit.metrics.relationship.costs import acquisition_retention_cost_ratio

WINNING, KEEPING = ("ads", "booked", "everything"), ("messages", "booked", "everything")
MOST_MONTHS = 12
ORDER_COLUMNS = ("customer_id", "ordered_at", "status", "is_test", "net_amount", "refund_amount")
HALF = 0.5  # of the staff time that counts, where some of it is said to be for newcomers


# --- which months are looked at


@dataclass(frozen=True)
class Spans:
    """The windows of the lesson, found in the data: each is `{"start": …, "end": …}` for a metric.

    Attributes:
        recent: The last twelve full months; half of the months there are, where there are fewer than 24.
        earlier: As many months before: who first came then can be followed for `days` days, each of them.
        days: From the end of `earlier` to the end of `recent`.
        months: How many months each of the two has.
    """

    recent: dict[str, Any]
    earlier: dict[str, Any]
    days: int
    months: int


def spans(orders: pd.DataFrame) -> Spans:
    """Find the lesson's windows in an order table."""
    end = pd.Timestamp(dates(orders).month["end"]).to_period("M")
    months = max(1, min(MOST_MONTHS, (end - orders["ordered_at"].min().to_period("M")).n // 2))
    first, second, last = (str((end - back).start_time.date()) for back in (2 * months, months, 0))
    days = (pd.Timestamp(last) - pd.Timestamp(second)).days
    return Spans({"start": second, "end": last}, {"start": first, "end": second}, days, months)


# --- which costs count


def discounts(orders: pd.DataFrame) -> pd.DataFrame:
    """Discounts as rows of the cost table: for winning on a customer's first order, for keeping on every other.

    Args:
        orders: The order table; without a column `discount_amount` there are none.

    Returns:
        `cost_id`, `incurred_date`, `purpose`, `category`, `amount`.

    Examples:
        >>> import crmkit
        >>> sorted(set(discounts(crmkit.sample("salon").orders)["purpose"]))
        ['retention']
    """
    amount = orders["discount_amount"] if "discount_amount" in orders else pd.Series(0.0, orders.index)
    first = orders["ordered_at"] == orders.groupby("customer_id")["ordered_at"].transform("min")
    given = orders[amount.fillna(0) > 0]
    return pd.DataFrame(
        {
            "cost_id": "discount-" + given.index.astype(str),
            "incurred_date": given["ordered_at"].dt.normalize(),
            "purpose": first[given.index].map({True: "acquisition", False: "retention"}),
            "category": "discount",
            "amount": amount[given.index].astype(float),
        }
    )


def by_class(costs: pd.DataFrame, orders: pd.DataFrame) -> pd.DataFrame:
    """All costs that somebody may count, each with the first of the three choices that counts it (`rank` 0, 1, 2).

    Winning: 0 = advertising, 1 = what else is booked as acquisition, 2 = discounts on first orders. Keeping: 0 =
    messages and calls, 1 = what else is booked as retention (tools), 2 = discounts for regulars and the service desk,
    whose purpose is "retention" here.
    """
    columns = ["cost_id", "incurred_date", "purpose", "category", "amount"]
    booked = costs[costs["purpose"].isin(["acquisition", "retention", "service"])][columns]
    winning = booked["purpose"] == "acquisition"
    extra = (winning & (booked["category"] != "ad")) | (
        (booked["purpose"] == "retention") & (booked["category"] == "tool")
    )
    rank = extra.astype(int).mask(booked["purpose"] == "service", 2)
    booked = booked.assign(rank=rank, purpose=booked["purpose"].where(winning, "retention"))
    more = discounts(orders)
    return pd.concat([booked, more.assign(rank=2)], ignore_index=True) if len(more) else booked


class Books:
    """Costs and orders of a shop, prepared so that a key is answered at once."""

    def __init__(self, crm: Any) -> None:
        self.spans = spans(crm.orders)
        self.costs: pd.DataFrame = crm.costs
        self.ranked = by_class(crm.costs, crm.orders)
        # on a few rows PyArrow answers three times as fast as pandas
        known = [name for name in ORDER_COLUMNS if name in crm.orders]
        self.orders = nw.from_native(crm.orders[known]).to_arrow()
        self.categories = sorted(self.ranked["category"].dropna().unique())
        self.counted = cache(self._counted)
        self.ratio = cache(self._ratio)
        self.spent = cache(self._spent)

    def window(self, months: int) -> dict[str, Any]:
        """The last so many full months."""
        end = pd.Timestamp(self.spans.recent["end"])
        return {"start": str((end - pd.DateOffset(months=months)).date()), "end": str(end.date())}

    def _counted(self, winning: str, keeping: str) -> Any:
        """The cost table with only those rows that count."""
        rank, won = self.ranked["rank"], self.ranked["purpose"] == "acquisition"
        most = won.map({True: WINNING.index(winning), False: KEEPING.index(keeping)})
        return nw.from_native(self.ranked[rank <= most].drop(columns="rank")).to_arrow()

    def _ratio(self, winning: str, keeping: str, months: int, active_days: int) -> Estimate:
        return acquisition_retention_cost_ratio(
            self.counted(winning, keeping),
            self.orders,
            **self.window(months),
            active_days=active_days,
            labour_share=HALF if winning == "everything" else None,
        )

    def _spent(self, months: int) -> dict[tuple[str, int, str], float]:
        """Yen by purpose, rank and category."""
        window, day = self.window(months), self.ranked["incurred_date"]
        inside = self.ranked[(day >= window["start"]) & (day < window["end"])]
        sums = inside.groupby(["purpose", "rank", "category"])["amount"].sum()
        return {cast("tuple[str, int, str]", key): float(value) for key, value in sums.items()}

    def parts(self, winning: str, keeping: str, months: int) -> dict[str, dict[str, float]]:
        """What counts as the cost of winning and of keeping, in yen by category."""
        most = {"acquisition": WINNING.index(winning), "retention": KEEPING.index(keeping)}
        found: dict[str, dict[str, float]] = {purpose: {} for purpose in most}
        for (purpose, rank, category), amount in self.spent(months).items():
            if rank <= most[purpose]:
                found[purpose][category] = found[purpose].get(category, 0.0) + amount
        if winning == "everything":
            labour = sum(costs.pop("labour", 0.0) for costs in found.values())
            shares = {"acquisition": HALF * labour, "retention": (1 - HALF) * labour}
            found = {side: {**costs, **({"labour": shares[side]} if labour else {})} for side, costs in found.items()}
        return found

    def grid(self, months: int, people: Mapping[str, float]) -> dict[tuple[str, str], float]:
        """The ratio of every choice, for so many new and retained customers."""
        found = {}
        for winning in WINNING:
            for keeping in KEEPING:
                won, kept = (sum(costs.values()) for costs in self.parts(winning, keeping, months).values())
                known = won > 0 and kept > 0 and people["new"] > 0 and people["retained"] > 0
                found[winning, keeping] = won / people["new"] / (kept / people["retained"]) if known else math.nan
        return found
