"""The customer base: who is new, who is active, who comes and goes, and how long they have been there. Metrics 1–4.

A customer is who has an order that counts; registering makes nobody a customer. "Active" always names its days: an
order in the `active_days` before, a definition and no fact, so look at `purchase_interval_days` before you choose.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.errors import AmbiguousFigure
from crmkit.estimate import Definition, Figures, Sums, Window, counts, shares
from crmkit.frames import Columns, Frame
from crmkit.metrics.relationship.sales import with_home
from crmkit.reduction import middle, needed, one_of, summarise, time_window, whole_number, within
from crmkit.rows import AT, History, Units, day_after_last, open_orders, warn

When = str | datetime
Statistic = Literal["median", "p90", "mean"]
FIRST, LAST, BEFORE = nw.col("first"), nw.col("last"), nw.col("before")
DAYS_BEFORE = 305  # `frames.day_number` counts from 0000-03-01, `toordinal` from 0001-01-01
MONTHS = {"1mo": 1, "1q": 3, "1y": 12}
MOVEMENTS = ("opening", "new", "reactivated", "lapsed", "new_and_gone", "closing")
STATES = ("new", "active", "reactivated", "lapsed", "dormant")


def new_customers(
    orders: Any,
    *,
    start: When | None = None,
    end: When | None = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """How many customers placed their first order ever in the window.

    Args:
        orders: One row per order: `customer_id`, `ordered_at`; `status`, `is_test`, `net_amount`, `refund_amount` are
            heeded where present. Give the whole history: in a table that was cut to the window everybody looks new.
        start: First instant of the window; `None` = from the beginning.
        end: End of the window, not included; `None` = to the end of the data.
        by: Column to group by; a customer's group is that of the first order.
        columns: Your own column names by the model's.

    Returns:
        An `Estimate` in customers with the exact Poisson interval; n = everyone who had ordered before `end`, NaN if
        nobody had. With `by`, a table of the engine's own kind: the group, value, low, high, n, numerator, denominator,
        rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`.

    Warns:
        AmbiguousFigure: if nobody had ordered before `start`: the history probably does not reach back that far.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.sample("ten_customers").orders
        >>> float(new_customers(orders, start="2026-03-01", end="2026-04-01"))
        3.0
    """
    window = time_window(start, end)
    before_end = None if window.end is None else AT < window.end
    customers = open_orders(orders, columns=columns, by=by).per_customer({"first": (AT, "min")}, within=before_end)
    wanted = customers.sums(new=within(FIRST, window), known=nw.lit(1.0))
    made = summarise(wanted, lambda sums: counts(sums["new"], sums["known"]), window, Definition("new_customers"),
                     by=by, unit="count")  # fmt: skip
    if by is None and window.start is not None and made.numerator == made.n > 0:
        note = AmbiguousFigure("no_earlier_orders", start=f"{window.start:%Y-%m-%d}", new=f"{made.n:,}")
        warn(note)
        made = replace(made, notes=(*made.notes, note))
    return made


def active_customers(
    orders: Any,
    *,
    as_of: When | None = None,
    active_days: int = 365,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """How many customers have ordered in the `active_days` days before `as_of`.

    The figure follows the days: the 90th percentile of `purchase_interval_days` is a choice that suits the business.

    Args:
        orders, by, columns: As for `new_customers`.
        as_of: Up to when orders are looked at, not included; default: the day after the last order.
        active_days: How long an order keeps a customer active, in days.

    Returns:
        An `Estimate` in customers; `denominator` is everyone who has ever ordered, the interval Wilson's of the share
        times that number. With `by`, a table as for `new_customers`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `new_customers`.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.sample("ten_customers").orders
        >>> [float(active_customers(orders, as_of="2026-04-01", active_days=days)) for days in (30, 60, 365)]
        [7.0, 9.0, 10.0]
    """
    active_days = whole_number("active_days", active_days)
    history = open_orders(orders, columns=columns, by=by)
    until = _until(history, as_of)
    since = _back(until, active_days)
    customers = history.per_customer({"first": (AT, "min"), "last": (AT, "max")}, within=AT < until)
    definition = Definition("active_customers", {"active_days": active_days, "as_of": f"{until:%Y-%m-%d}"})
    wanted = customers.sums(active=LAST >= since, known=nw.lit(1.0))
    return summarise(wanted, _of_the_known, Window(None, until), definition, by=by, unit="count")


def purchase_interval_days(
    orders: Any,
    *,
    as_of: When | None = None,
    statistic: Statistic = "median",
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Days from one purchase of a customer to the next; orders of one day are one purchase.

    Only intervals that have ended are seen, so the long ones are under-represented: for the time until the *next*
    purchase, with those who are still to come, see the repurchase curve.

    Args:
        orders, as_of, columns: As for `active_customers`.
        statistic: "median", "p90" (by then nine in ten who came back had come back) or "mean".
        by: Column to group by; a customer's group is that of the first order.

    Returns:
        An `Estimate` in days, the other statistics in `besides`; n = intervals, of which a customer may have several,
        so the interval is somewhat too narrow. With `by`, a table as for `new_customers`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `new_customers`, or an unknown `statistic`.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.sample("ten_customers").orders
        >>> float(purchase_interval_days(orders))
        31.0
    """
    history = open_orders(orders, columns=columns, by=by)
    until = _until(history, as_of)
    rows = history.rows(AT < until).select("customer_id", day=frames.day_number(AT))
    gaps = Units(history, with_home(history, _gaps(rows), until))
    definition = Definition(f"purchase_interval_days.{statistic}", {"as_of": f"{until:%Y-%m-%d}"})
    return middle(gaps, nw.col("gap"), Window(None, until), definition, statistic=statistic, by=by, unit="days")


def tenure_days(
    orders: Any,
    *,
    as_of: When | None = None,
    statistic: Statistic = "median",
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Days since the customers' first order, of all who have ever ordered, asleep or not.

    Args:
        orders, as_of, by, columns: As for `active_customers`.
        statistic: "median", "p90" or "mean".

    Returns:
        An `Estimate` in days with an interval from order statistics (Student's t for the mean), the other statistics
        in `besides`; NaN if nobody has ordered. With `by`, a table as for `new_customers`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `new_customers`, or an unknown `statistic`.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.sample("ten_customers").orders
        >>> float(tenure_days(orders, as_of="2026-04-01"))
        65.5
    """
    history = open_orders(orders, columns=columns, by=by)
    until = _until(history, as_of)
    customers = history.per_customer({"first": (AT, "min")}, within=AT < until)
    definition = Definition(f"tenure_days.{statistic}", {"as_of": f"{until:%Y-%m-%d}"})
    tenure = day_of(until) - frames.day_number(FIRST)
    return middle(customers, tenure, Window(None, until), definition, statistic=statistic, by=by, unit="days")


def customer_base_movements(
    orders: Any,
    *,
    start: When,
    end: When,
    active_days: int = 365,
    every: Literal["1w", "1mo", "1q", "1y"] | None = None,
    columns: Columns = None,
) -> Any:
    """The active customers at the start, who came and who went, and those at the end: a balance that adds up.

    opening + new + reactivated − lapsed − new_and_gone = closing, always, and a period opens with what the one before
    it closed with. `new` is the figure of `new_customers`; `new_and_gone` are those of them who were no longer active
    at the end, which takes a window longer than `active_days`. `reactivated` had ordered before the start, were not
    active then and are at the end; `lapsed` were active at the start and are not at the end.

    Args:
        orders, columns: As for `new_customers`.
        start, end: The window, `[start, end)`.
        active_days: How long an order keeps a customer active, in days.
        every: Calendar periods to split the window into; `None` = the window is one period.

    Returns:
        A table of the engine's own kind, one row per period: start, end, opening, new, reactivated, lapsed,
        new_and_gone, closing (customers). They are what the books say, without intervals.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `new_customers`, or an unknown `every`.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.sample("ten_customers").orders
        >>> march = customer_base_movements(orders, start="2026-03-01", end="2026-04-01", active_days=60)
        >>> march.iloc[0, 2:].to_list()
        [5, 3, 1, 0, 0, 9]
    """
    window = time_window(
        needed("customer_base_movements", "start", start), needed("customer_base_movements", "end", end)
    )
    active_days = whole_number("active_days", active_days)
    if every is not None:
        one_of("every", every, ("1w", *MONTHS))
    history = open_orders(orders, columns=columns)
    history.tell(frames.row(history.left_out()))
    periods = _periods(window, every)
    found = [_movements(history, *period, active_days) for period in periods]
    columns_made: dict[str, Any] = {
        "start": [begin for begin, _ in periods],
        "end": [stop for _, stop in periods],
        **{name: [one[name] for one in found] for name in MOVEMENTS},
    }
    return frames.give_back(frames.same_kind(history.frame, frames.table(history.frame, columns_made)))


def customer_states(
    orders: Any,
    *,
    as_of: When | None = None,
    start: When | None = None,
    active_days: int = 365,
    columns: Columns = None,
) -> Any:
    """Every customer in one of five states at `as_of`, by what has changed since `start`.

    new: first order since `start`, active. active: active then and now. reactivated: a customer before, asleep at
    `start`, active now. lapsed: active at `start`, asleep now. dormant: asleep at both, or come and gone in between.

    Args:
        orders, as_of, active_days, columns: As for `active_customers`.
        start: Since when changes are looked at; default: `active_days` before `as_of`.

    Returns:
        A table of the engine's own kind, one row per state in the order above: state, customers, share (of all
        customers), low, high (Wilson), n (all customers).

    Raises:
        MissingColumn, WrongType, ParameterError: as for `new_customers`.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.sample("ten_customers").orders
        >>> states = customer_states(orders, as_of="2026-04-01", start="2026-03-01", active_days=60)
        >>> dict(zip(states["state"], states["customers"]))
        {'new': 3, 'active': 5, 'reactivated': 1, 'lapsed': 0, 'dormant': 1}
    """
    active_days = whole_number("active_days", active_days)
    history = open_orders(orders, columns=columns)
    until = _until(history, as_of)
    begin = _back(until, active_days) if start is None else frames.instant(start, "start")
    time_window(begin, until)
    history.tell(frames.row(history.left_out()))
    found = _movements(history, begin, until, active_days)
    numbers = {
        "new": found["new"] - found["new_and_gone"],
        "active": found["opening"] - found["lapsed"],
        "reactivated": found["reactivated"],
        "lapsed": found["lapsed"],
    }
    numbers["dormant"] = found["known"] - sum(numbers.values())
    above, below = np.array([numbers[name] for name in STATES], float), np.full(len(STATES), float(found["known"]))
    made = shares(above, below)
    columns_made = {"state": list(STATES), "customers": above.astype(np.int64), "share": made.value}
    columns_made |= {"low": made.low, "high": made.high, "n": made.n}
    return frames.give_back(frames.same_kind(history.frame, frames.table(history.frame, columns_made)))


def _movements(history: History, start: datetime, end: datetime, active_days: int) -> dict[str, int]:
    """The numbers of one period, and `known`: everyone who had ordered before its end."""
    before = nw.when(AT < start).then(AT)
    moments = {"first": (AT, "min"), "before": (before, "max"), "last": (AT, "max")}
    customers = history.per_customer(moments, within=AT < end).frame  # type: ignore[arg-type]
    there = (BEFORE >= _back(start, active_days)).fill_null(False)
    at_end, new = LAST >= _back(end, active_days), FIRST >= start
    states = {
        "opening": there,
        "new": new,
        "reactivated": at_end & ~there & ~new,
        "lapsed": there & ~at_end,
        "new_and_gone": new & ~at_end,
        "closing": at_end,
        "known": ~FIRST.is_null(),
    }
    got = frames.row(customers.select(**{name: met.cast(nw.Int64).sum() for name, met in states.items()}))
    return {name: int(n or 0) for name, n in got.items()}


def _periods(window: Window, every: str | None) -> list[tuple[datetime, datetime]]:
    """The window cut where a calendar period begins."""
    assert window.start is not None
    assert window.end is not None
    edges = [window.start]
    while every is not None and (following := _next_period(edges[-1], every)) < window.end:
        edges.append(following)
    return list(zip(edges, [*edges[1:], window.end], strict=True))


def _next_period(at: datetime, every: str) -> datetime:
    if every == "1w":
        return datetime(at.year, at.month, at.day) + timedelta(days=7 - at.weekday())
    months = MONTHS[every]
    number = (at.year * 12 + at.month - 1) // months * months + months
    return datetime(number // 12, number % 12 + 1, 1)


def _gaps(rows: Frame) -> Frame:
    """Each customer's days between purchases that follow each other, as `gap`."""
    day, customer = nw.col("day"), nw.col("customer_id")
    if isinstance(rows, nw.DataFrame):  # a shift down the sorted table: quicker than one per customer
        rows = rows.sort("customer_id", "day")
        rows = rows.with_columns(_day=day.shift(1), _same=(customer == customer.shift(1)).fill_null(False))
        rows = rows.filter(nw.col("_same"))
    else:
        rows = rows.with_columns(_day=day.shift(1).over("customer_id", order_by="day"))
    found = rows.select("customer_id", gap=day - nw.col("_day"))
    return found.filter((nw.col("gap") > 0).fill_null(False))


def _of_the_known(sums: Sums) -> Figures:
    """How many of the known customers, with Wilson's interval of the share times their number."""
    base, known = shares(sums["active"], sums["known"]), sums["known"]
    return replace(
        base, value=np.where(known > 0, sums["active"], np.nan), low=base.low * known, high=base.high * known
    )


def _until(history: History, as_of: When | None) -> datetime:
    """Up to when orders are looked at; without any order it does not matter."""
    return frames.instant(as_of, "as_of") if as_of is not None else day_after_last(history) or datetime(9999, 1, 1)


def _back(at: datetime, days: int) -> datetime:
    """So many days before an instant, not before the calendar begins."""
    return at - timedelta(days=days) if at.toordinal() > days + 1 else datetime.min


def day_of(at: datetime) -> int:
    """`frames.day_number` of one instant."""
    return at.toordinal() + DAYS_BEFORE
