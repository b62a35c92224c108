"""Cohort retention: metric 42, customers by the period of their first order and what became of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.errors import ParameterError
from crmkit.estimate import wilson_columns
from crmkit.frames import Columns, Frame
from crmkit.metrics.reduction import AT, History, day_after_last, open_orders, tell, whole_number

EVERY = ("1d", "1w", "1mo", "1q", "1y")


def cohort_retention(
    orders: Any,
    *,
    every: Literal["1d", "1w", "1mo", "1q", "1y"] = "1mo",
    mode: Literal["classic", "unbounded"] = "classic",
    age_days: int | None = None,
    as_of: str | datetime | None = None,
    columns: Columns = None,
) -> Any:
    """Share of each starting cohort that orders again in later periods.

    A customer's cohort is the period of the first order seen in `orders`; age 0 is that period itself.

    Args:
        orders: One row per order: `customer_id`, `ordered_at`; `status`, `is_test`, `net_amount`, `refund_amount` are
            heeded where present. Rows without a customer or a date are counted in a warning.
        every: Length of the cohort's period: day, week (from Monday), month, quarter or year of the calendar.
        mode: "classic" = ordered *in* the period of that age; "unbounded" = ordered in it *or later*. The unbounded
            share always sinks at the recent end, where "later" has not happened yet.
        age_days: `None` = ages are calendar periods; a number = ages are spans of so many days from the customer's own
            first order, so that a customer of the 31st has as long a first month as one of the 1st.
        as_of: Up to when the data were collected, not included; default: the day after the last order.
        columns: Your own column names by the model's.

    Returns:
        The same kind of table, one row per cohort and age: `cohort` (first day of the period), `age` (0, 1, …),
        `active` (customers), `size` (customers), `retention` (0–1), `low` and `high` (Wilson, 95 %). Active and the
        share are null where the period has not been observed in full; where nobody ordered they are 0.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: an unknown `every` or `mode`, or `age_days` below 1.

    Examples:
        >>> import crmkit
        >>> table = cohort_retention(crmkit.sample("ten_customers").orders, as_of="2026-04-01")
        >>> january = table[table["cohort"].astype(str).str.startswith("2026-01")]
        >>> january["retention"].round(2).to_list()
        [1.0, 0.67, 0.67, nan]
    """
    _check(every, mode, age_days)
    history = open_orders(orders, columns=columns)
    first = _first_order(history)
    until = frames.instant(as_of, "as_of") if as_of is not None else day_after_last(history) or datetime.max
    visits = _visits(history, every, until, age_days)
    sizes = (
        visits.filter(nw.col("age") == 0)
        .group_by("start")
        .agg(nw.len().alias("size"), nw.col("at").min().alias("earliest"), nw.col("at").max().alias("newest"))
    )
    ages = frames.numbers(history.frame, _number_of_ages(first, until, every, age_days))
    grid = sizes.join(ages, how="cross")
    cells = _cells(visits, grid, mode).rename({"start": "cell_start", "age": "cell_age"})
    table = grid.join(cells, left_on=["start", "age"], right_on=["cell_start", "cell_age"], how="left")
    return frames.give_back(_shares(table, every, until, age_days).sort("cohort", "age"))


def _check(every: str, mode: str, age_days: int | None) -> None:
    for parameter, value, options in (("every", every, EVERY), ("mode", mode, ("classic", "unbounded"))):
        if value not in options:
            raise ParameterError(
                "unknown_variant", parameter=parameter, value=value, options=", ".join(map(repr, options))
            )
    if age_days is not None:
        whole_number("age_days", age_days)


def _first_order(history: History) -> datetime | None:
    """The first order of a known customer; warns of rows that could not be used."""
    usable = nw.when(~nw.col("customer_id").is_null()).then(AT)
    got = frames.row(history.frame.select(first=usable.min(), rows=nw.len(), counted=usable.count()))
    if got["counted"] < got["rows"]:
        tell(history.left_out(), got["rows"])
    return frames.instant(got["first"], "first") if got["counted"] else None


def _visits(history: History, every: str, until: datetime, age_days: int | None) -> Frame:
    """One row per customer and age with an order: `customer_id`, `start` (number of the first period), `age`, `at`."""
    rows = history.frame.filter(~nw.col("customer_id").is_null(), AT < until).select("customer_id", "at")
    if age_days is None:  # reduce to customer × period first: the rest sees a much smaller table
        periods = rows.with_columns(period=_period(AT, every)).group_by("customer_id", "period").agg(AT.min())
        visits = periods.with_columns(start=nw.col("period").min().over("customer_id"))
        return visits.select("customer_id", "at", "start", age=nw.col("period") - nw.col("start"))
    rows = rows.with_columns(first=AT.min().over("customer_id"))
    age = (frames.day_number(AT) - frames.day_number(nw.col("first"))) // age_days
    visits = rows.with_columns(start=_period(nw.col("first"), every), age=age)
    return visits.group_by("customer_id", "start", "age").agg(AT.min())


def _cells(visits: Frame, grid: Frame, mode: str) -> Frame:
    """How many customers of each cohort (`start`) are counted at each `age`."""
    if mode == "classic":
        return visits.group_by("start", "age").agg(nw.len().alias("active"))
    last = visits.group_by("customer_id", "start").agg(nw.col("age").max().alias("last"))
    last = last.group_by("start", "last").agg(nw.len().alias("leavers"))
    reached = grid.select("start", "age").join(last, on="start", how="inner").filter(nw.col("last") >= nw.col("age"))
    return reached.group_by("start", "age").agg(nw.col("leavers").sum().alias("active"))


def _shares(table: Frame, every: str, until: datetime, age_days: int | None) -> Frame:
    """The finished columns; a cell is empty where its period was not observed in full."""
    if age_days is None:
        observed = nw.col("start") + nw.col("age") < period_number(until, every)
    else:  # everyone in the cohort has been seen through the whole span
        observed = frames.day_number(nw.col("newest")) + (nw.col("age") + 1) * age_days <= _days(until)
    active = nw.when(observed).then(nw.col("active").fill_null(0).cast(nw.Int64))
    low, high = wilson_columns(nw.col("active"), nw.col("size"))
    return table.select("age", "size", cohort=_label(nw.col("earliest"), every), active=active).select(
        "cohort",
        "age",
        "active",
        "size",
        retention=nw.col("active") / nw.col("size"),
        low=low,
        high=high,
    )


def _period(at: nw.Expr, every: str) -> nw.Expr:
    """Number of the calendar period that an instant lies in, as consecutive integers."""
    if every in ("1d", "1w"):
        days = frames.day_number(at)
        return days if every == "1d" else (days + MONDAY) // 7
    year, month = at.dt.year().cast(nw.Int64), at.dt.month().cast(nw.Int64)
    if every == "1y":
        return year
    return year * 12 + month if every == "1mo" else year * 4 + (month - 1) // 3


def period_number(at: datetime, every: str) -> int:
    """`_period` of one instant."""
    if every in ("1d", "1w"):
        return _days(at) if every == "1d" else (_days(at) + MONDAY) // 7
    if every == "1y":
        return at.year
    return at.year * 12 + at.month if every == "1mo" else at.year * 4 + (at.month - 1) // 3


DAY_ZERO = 307  # `frames.day_number` starts on 0000-03-01; date.toordinal calls 0001-01-01 day 1, which is day 306
MONDAY = 2  # 0000-03-01 was a Wednesday: two days after its week's Monday


def _days(at: datetime) -> int:
    """`frames.day_number` of one instant."""
    return at.toordinal() + DAY_ZERO - 2


def _label(at: nw.Expr, every: str) -> nw.Expr:
    """First day of the period that an instant lies in."""
    if every != "1w":
        return at.dt.truncate(every).dt.replace_time_zone(None)  # Spark's truncation brings the session's zone back
    day, label = at.dt.truncate("1d"), at.dt.truncate("1d")
    for weekday in range(2, 8):  # engines cannot shift by a column: one branch a weekday
        label = nw.when(day.dt.weekday() == weekday).then(day.dt.offset_by(f"-{weekday - 1}d")).otherwise(label)
    return label.dt.replace_time_zone(None)


def _number_of_ages(first: datetime | None, until: datetime, every: str, age_days: int | None) -> int:
    if first is None or until <= first:
        return 1
    last = until - timedelta(microseconds=1)
    if age_days is not None:
        return (_days(last) - _days(first)) // age_days + 1
    return period_number(last, every) - period_number(first, every) + 1
