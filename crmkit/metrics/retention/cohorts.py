"""Cohort retention: metric 42, customers by the period of their first order and what became of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.errors import ParameterError
from crmkit.estimate import wilson_columns
from crmkit.frames import Columns, Frame
from crmkit.reduction import whole_number
from crmkit.rows import AT, History, day_after_last, open_orders

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
    cells = _cells(history, every, until, age_days, mode)
    ages = frames.numbers(history.frame, _number_of_ages(first, until, every, age_days))
    if mode == "unbounded":
        table = _later(cells, ages)
    else:
        begin = period_number(first or until, every)
        periods = frames.numbers(history.frame, _number_of_ages(first, until, every, None))
        table = _inside(cells, ages.join(periods.select(start=nw.col("age").cast(nw.Int64) + begin), how="cross"))
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
    got = frames.row(history.rows().select(first=AT.min()), history.left_out())
    history.tell(got)
    return frames.instant(got["first"], "first") if got["first"] is not None else None


def _cells(history: History, every: str, until: datetime, age_days: int | None, mode: str) -> Frame:
    """Customers by cohort and age of an order (unbounded: of the last order): small, and read off the orders once.

    Columns: `start` (number of the cohort's period), `age`, `customers`, and of their orders there (unbounded: their
    first ones) the `earliest` and the `newest`.
    """
    rows = history.rows(AT < until).select("customer_id", "at")
    if mode == "unbounded":
        ends = rows.group_by("customer_id").agg(AT.min(), AT.max().alias("last"))
        visits = ends.select("at", start=_period(AT, every), age=_age(nw.col("last"), AT, every, age_days))
    elif age_days is not None:
        first = nw.col("first")
        rows = frames.beside(rows, "customer_id", first=AT.min())
        rows = rows.with_columns(start=_period(first, every), age=_age(AT, first, every, age_days))
        visits = rows.group_by("customer_id", "start", "age").agg(AT.min())
    else:  # reduce to customer × period first: the rest sees a much smaller table
        key = _period(AT, every) if every == "1w" else AT.dt.truncate(every)
        periods = rows.with_columns(key=key).group_by("customer_id", "key").agg(AT.min())
        periods = periods.select("customer_id", "at", period=_period(AT, every))
        visits = frames.beside(periods, "customer_id", start=nw.col("period").min())
        visits = visits.select("at", "start", age=nw.col("period") - nw.col("start"))
    return visits.group_by("start", "age").agg(nw.len().alias("customers"), earliest=AT.min(), newest=AT.max())


def _age(at: nw.Expr, first: nw.Expr, every: str, age_days: int | None) -> nw.Expr:
    if age_days is None:
        return _period(at, every) - _period(first, every)
    return (frames.day_number(at) - frames.day_number(first)) // age_days


def _inside(cells: Frame, grid: Frame) -> Frame:
    """Classic: who ordered at that age, for every `start` and `age` of the grid that has a cohort."""
    cells = cells.rename({"start": "cell_start", "age": "cell_age"})
    table = grid.join(cells, left_on=["start", "age"], right_on=["cell_start", "cell_age"], how="left")
    first = {name: nw.when(nw.col("age") == 0).then(nw.col(name)) for name in ("customers", "earliest", "newest")}
    table = table.select("start", "age", nw.col("customers").alias("active"), **first)
    of = {f"of_{name}": nw.col(name).max() for name in first}
    table = frames.beside(table, "start", **of).filter(~nw.col("of_customers").is_null())
    return table.select("start", "age", "active", size="of_customers", earliest="of_earliest", newest="of_newest")


def _later(cells: Frame, ages: Frame) -> Frame:
    """Unbounded: who ordered at that age or later."""
    later = nw.when(nw.col("last") >= nw.col("age")).then(nw.col("customers"))
    table = cells.rename({"age": "last"}).join(ages, how="cross").with_columns(active=later)
    return table.group_by("start", "age").agg(
        nw.col("active").sum(),
        nw.col("customers").sum().alias("size"),
        nw.col("earliest").min(),
        nw.col("newest").max(),
    )


def _shares(table: Frame, every: str, until: datetime, age_days: int | None) -> Frame:
    """The finished columns; a cell is empty where its period was not observed in full."""
    if age_days is None:
        observed = nw.col("start") + nw.col("age") < period_number(until, every)
    else:  # everyone in the cohort has been seen through the whole span
        observed = frames.day_number(nw.col("newest")) + (nw.col("age") + 1) * age_days <= _days(until)
    active = nw.when(observed).then(nw.col("active").fill_null(0).cast(nw.Int64))
    low, high = wilson_columns(nw.col("active"), nw.col("size"))
    size = nw.col("size").cast(nw.Int64)
    return table.select("age", size=size, cohort=frames.period_start(nw.col("earliest"), every), active=active).select(
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


DAYS_BEFORE = 305  # `frames.day_number` counts from 0000-03-01: 0001-01-01, day 1 of `toordinal`, is its day 306
MONDAY = 2  # 0000-03-01 was a Wednesday: two days after its week's Monday


def _days(at: datetime) -> int:
    """`frames.day_number` of one instant."""
    return at.toordinal() + DAYS_BEFORE


def _number_of_ages(first: datetime | None, until: datetime, every: str, age_days: int | None) -> int:
    if first is None or until <= first:
        return 1
    last = until - timedelta(microseconds=1)
    if age_days is not None:
        return (_days(last) - _days(first)) // age_days + 1
    return period_number(last, every) - period_number(first, every) + 1
