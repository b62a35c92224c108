"""The months that a lesson asks about, found in whatever data it runs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Dates:
    """The windows that the lesson looks at, found in the data: each is `{"start": …, "end": …}` for a metric.

    Attributes:
        month: The last full month.
        half_year: The six months up to its end.
        newcomers: Six months of first orders, so recent that not everyone has been watched for 90 days.
        cohort: First day of the first month since then that has newcomers who can be followed for two more months.
        as_of: The day after the last order.
    """

    month: dict[str, Any]
    half_year: dict[str, Any]
    newcomers: dict[str, Any]
    cohort: str
    as_of: str


def day_after_last(happened: pd.Series[Any]) -> pd.Timestamp:
    """The midnight after the last of these instants; what lies in the future is a slip of somebody's keyboard."""
    past = happened[happened <= pd.Timestamp.now()]
    last = (past if len(past) else happened).max()
    return pd.Timestamp(last).normalize() + pd.Timedelta(days=1)


def dates(orders: pd.DataFrame) -> Dates:
    """Find the lesson's windows in an order table."""
    as_of = day_after_last(orders["ordered_at"])
    # a month counts as over if no more than its last three days are missing: shops close on some days
    end = (as_of + pd.Timedelta(days=3)).to_period("M")
    firsts = orders.groupby("customer_id")["ordered_at"].min().dt.to_period("M")
    newest = min(end - 2, firsts.max() + 1)
    followed = sorted(month for month in set(firsts) if newest - 6 <= month < end - 2) or [firsts.min()]
    span: dict[str, dict[str, Any]] = {
        name: {"start": str(first.start_time.date()), "end": str(last.start_time.date())}
        for name, first, last in (
            ("month", end - 1, end),
            ("half_year", end - 6, end),
            ("newcomers", newest - 6, newest),
        )
    }
    return Dates(**span, cohort=str(followed[0].start_time.date()), as_of=str(as_of.date()))
