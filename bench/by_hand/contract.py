"""What every engine is asked: when, what for, and in which shape the answer can be compared.

An order counts when it is completed and not negative; two orders of one calendar day are one purchase. A share comes
back as `(numerator, denominator)`, groups and cohorts as a small table of the engine, which `plain` turns into
something comparable outside the time that is measured. `retention_rate` and `churn_rate` stop at the share; their
namesakes with `_textbook` and `_besides` also find what crmkit reports beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

START, END = datetime(2025, 9, 1), datetime(2025, 12, 1)  # the data run from 2024-01-01 to 2026-01-01
ACTIVE, YEAR = timedelta(days=90), timedelta(days=365)
BOUGHT_FROM, BOUGHT_TO = datetime(2025, 3, 1), datetime(2025, 10, 1)  # window of the purchase that starts the clock
HORIZON = timedelta(days=90)
WATCHED = END - HORIZON  # a purchase before this day has been watched for the whole horizon

Share = tuple[int, int]


class ByHand(Protocol):
    """One engine's queries."""

    def repeat_customers(self, orders: Any, /) -> Share: ...
    def repeat_rate_cumulative(self, orders: Any, /) -> Share: ...
    def repeat_rate_active(self, orders: Any, /) -> Share: ...
    def repeat_rate_by_channel(self, orders: Any, /) -> Any: ...
    def repeater_share(self, orders: Any, /) -> Share: ...
    def repurchase_rate(self, orders: Any, /) -> Share: ...
    def retention_rate(self, orders: Any, /) -> Share: ...
    def retention_rate_textbook(self, orders: Any, /) -> tuple[int, int, float]: ...
    def lapse_rate(self, orders: Any, /) -> Share: ...
    def reactivation_rate(self, orders: Any, /) -> Share: ...
    def churn_rate(self, contracts: Any, /) -> Share: ...
    def churn_rate_besides(self, contracts: Any, /) -> tuple[int, int, float]: ...
    def cohort_retention_classic(self, orders: Any, /) -> Any: ...
    def cohort_retention_unbounded(self, orders: Any, /) -> Any: ...
    def plain(self, found: Any, /) -> Any: ...


def groups(rows: Any) -> dict[str, Share]:
    names = ("group", "numerator", "denominator")
    fields = [[row[name] for name in names] if isinstance(row, Mapping) else list(row) for row in rows]
    return {group: (int(above), int(below)) for group, above, below in fields}


def cells(items: Any) -> dict[tuple[int, int], int]:
    """Cells of a cohort table by (month number, age in months); empty ones are left away."""
    return {(int(month), int(age)): int(n) for (month, age), n in items if n > 0}  # also not NaN


def cells_of_dates(rows: Any) -> dict[tuple[int, int], int]:
    def number(at: Any) -> int:
        return at.year * 12 + at.month

    return cells(((number(cohort), number(month) - number(cohort)), n) for cohort, month, n in rows)
