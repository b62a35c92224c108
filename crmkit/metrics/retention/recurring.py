"""What contracts bring in month by month, what stays of it, and how much of the sales recurs. Metrics 45, 46.

Monthly recurring revenue (MRR) is what a contract in force would bring in per month of 30.4375 days: `unit_amount` ×
30.4375 ÷ `interval_days`. A contract is in force at an instant if it began before it and had not ended before it. A
paused contract counts until it ends: the data model does not say when it paused.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.estimate import Definition, Figures, Sums, Window, ratios
from crmkit.frames import Columns, Frame
from crmkit.reduction import one_of, summarise, time_window, within
from crmkit.rows import AT, History, Part, Units, open_orders, open_rows

When = str | datetime
MONTH_DAYS = 30.4375
NEVER_ENDS = 1_000_000  # number of a month that is later than all
MOVEMENTS = {"new": 1, "expansion": 1, "contraction": -1, "churned": -1, "reactivation": 1}
MOVED = (*MOVEMENTS, "customers")


def mrr_movements(subscriptions: Any, *, start: When | None = None, end: When, columns: Columns = None) -> Any:
    """Monthly recurring revenue month by month: what it was, what came and went, and what it is.

    Each customer's MRR at the end of a month is set beside that at its beginning, all contracts together. Who comes and
    goes inside a month is in no movement.

    Args:
        subscriptions: `subscription_id`, `customer_id`, `started_at`, `ended_at`, `interval_days` (days), `unit_amount`
            (yen). Contracts without a price or an interval are left out, counted in a warning.
        start, end: Calendar months that lie wholly in `[start, end)`; without `start`, from the first contract on.
        columns: Your own column names by the model's.

    Returns:
        A table of the engine's own kind, one row per month, in yen per month: `month` (its first day), `opening`,
        `new` (customers whose first contract began in it), `expansion` and `contraction` (customers at both ends who
        pay more, or less), `churned` (customers gone), `reactivation` (customers back, after however short a gap that
        holds the beginning of a month), `closing`, and `customers` at the end. What goes is positive too:
        opening + new + expansion − contraction − churned + reactivation = closing.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`.

    Examples:
        >>> import pandas as pd
        >>> contracts = pd.DataFrame({
        ...     "subscription_id": ["s", "t"], "customer_id": ["A", "B"],
        ...     "interval_days": [30.4375, 30.4375], "unit_amount": [1000.0, 500.0],
        ...     "started_at": pd.to_datetime(["2026-01-10", "2026-01-15"]),
        ...     "ended_at": pd.to_datetime([None, "2026-02-20"]),
        ... })
        >>> table = mrr_movements(contracts, end="2026-03-01")
        >>> table[["opening", "new", "churned", "closing"]].to_numpy().tolist()
        [[0.0, 1500.0, 0.0, 1500.0], [1500.0, 0.0, 500.0, 1000.0]]
    """
    window = time_window(start, end)
    assert window.end is not None
    history = _priced(subscriptions, None, columns)
    history.tell(frames.row(history.left_out()))
    months = {one["month"]: one for one in frames.rows(_changes(history, window.end))}
    # what happened before the window makes its opening
    first = window.start if window.start is not None else _month_start(min(months, default=0) - 1)
    bounds = _month_bounds(Window(first, window.end)) if months or window.start is not None else [window.end]
    steps = {name: np.array([months.get(_month_number(at), {}).get(name, 0.0) for at in bounds[1:]]) for name in MOVED}
    earlier = [one for month, one in months.items() if month <= _month_number(bounds[0])]
    net = sum((sign * steps[name] for name, sign in MOVEMENTS.items()), np.zeros(len(bounds) - 1))
    before = sum(sign * one[name] for one in earlier for name, sign in MOVEMENTS.items())
    closing = before + np.cumsum(net)
    there = sum(one["customers"] for one in earlier) + np.cumsum(steps.pop("customers"))
    days = np.array([month.isoformat() for month in bounds[:-1]], dtype="datetime64[us]")
    amounts = {"opening": np.append(before, closing)[:-1] if len(net) else net, **steps, "closing": closing}
    # a millionth of a yen is rounding: what is gone is to be 0
    amounts = {name: np.round(values, 6) + 0.0 for name, values in amounts.items()}
    made = frames.table(history.frame, {"month": days, **amounts, "customers": there.astype(np.int64)})
    return frames.give_back(frames.same_kind(history.frame, made))


def net_revenue_retention(
    subscriptions: Any,
    *,
    start: When,
    end: When,
    kind: Literal["net", "gross"] = "net",
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """What the contract customers of the start pay at the end, of every yen they paid at the start.

    Args:
        subscriptions, columns: As for `mrr_movements`.
        start, end: The two instants; MRR is taken just before them. New customers are in neither number.
        kind: "net" = (start + expansion − contraction − churned) ÷ start, which may pass 100 %; "gross" = without the
            expansion, at most 100 %.
        by: Column to group by; a customer's group is that of the first contract.

    Returns:
        An `Estimate` (1 = as much as at the start) with the delta method's interval over customers, NaN if nobody paid
        at the start; with `by`, a table as for `continuation_rate`.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`, or an unknown `kind`.

    Examples:
        >>> import pandas as pd
        >>> contracts = pd.DataFrame({
        ...     "subscription_id": ["s", "t", "u"], "customer_id": ["A", "B", "B"],
        ...     "interval_days": [28.0] * 3, "unit_amount": [1000.0, 1000.0, 600.0],
        ...     "started_at": pd.to_datetime(["2025-01-10", "2025-01-15", "2026-02-01"]),
        ...     "ended_at": pd.to_datetime(["2026-01-20", None, None]),
        ... })
        >>> round(float(net_revenue_retention(contracts, start="2026-01-01", end="2027-01-01")), 6)
        0.8
        >>> round(float(net_revenue_retention(contracts, start="2026-01-01", end="2027-01-01", kind="gross")), 6)
        0.5
    """
    window = time_window(start, end)
    one_of("kind", kind, ("net", "gross"))
    assert window.start is not None
    assert window.end is not None
    history = _priced(subscriptions, by, columns)
    customers = _paid_at(history, [window.start, window.end], AT < window.end)
    x, y = nw.col("b0"), nw.col("b1")
    y = nw.when(x > 0).then(y if kind == "net" else nw.when(y > x).then(x).otherwise(y)).otherwise(0.0)
    definition = Definition(f"net_revenue_retention.{kind}")
    return summarise(_ratio_sums(customers, y, x, x > 0), _ratio, window, definition, by=by)


def recurring_revenue_share(
    orders: Any,
    *,
    basis: Literal["either", "repeat", "subscription"] = "either",
    start: When | None = None,
    end: When | None = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """How much of the net sales of the window comes by itself: from customers who bought before, or under contract.

    Args:
        orders: One row per order: `customer_id`, `ordered_at`, `net_amount`; `refund_amount` (taken off the order it
            belongs to), `subscription_id`, `status`, `is_test` are heeded where present. Give the whole history:
            whether an order is a customer's first is judged by all of it.
        basis: "repeat" = orders on a later day than the customer's first; "subscription" = orders under a contract;
            "either" = one of the two.
        start, end: Window `[start, end)` of the orders; `None` = open.
        by: Column to group by; a customer's group is that of the first order.
        columns: Your own column names by the model's.

    Returns:
        An `Estimate` (0–1; numerator and denominator in yen) with the delta method's interval over customers, NaN if
        nothing was sold; with `by`, a table as for `continuation_rate`. `besides["monthly_cv"]` is how far the net
        sales of the whole calendar months of the window vary, their standard deviation ÷ their mean.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`, or an unknown `basis`.

    Examples:
        >>> import pandas as pd
        >>> orders = pd.DataFrame({
        ...     "customer_id": ["A", "A", "B"], "net_amount": [100.0, 300.0, 200.0],
        ...     "ordered_at": pd.to_datetime(["2026-01-10", "2026-03-05", "2026-03-07"]),
        ... })
        >>> float(recurring_revenue_share(orders))
        0.5
    """
    window = time_window(start, end)
    one_of("basis", basis, ("either", "repeat", "subscription"))
    keep, must = ("refund_amount",), ("net_amount", *(["subscription_id"] if basis == "subscription" else []))
    history = open_orders(orders, columns=columns, by=by, keep=(*keep, "subscription_id"), must=must, amounts=True)
    bare = nw.col("net_amount").is_null()
    frame = history.frame.with_columns(counts=nw.col("counts") & ~bare)
    history = replace(history, frame=frame, reasons={**history.reasons, "no_amount": bare})
    sales = _sales(history, basis, window)
    wanted = _ratio_sums(sales, nw.col("y"), nw.col("x"), nw.col("orders") > 0)
    definition = Definition(f"recurring_revenue_share.{basis}")
    figure = summarise(wanted, _ratio, window, definition, by=by)
    if by is not None:
        return figure
    return replace(figure, besides={"monthly_cv": _monthly_cv(history, window)})


def _priced(subscriptions: Any, by: str | None, columns: Columns) -> History:
    """Contracts with their `mrr`."""
    needs = ("subscription_id", "customer_id", "started_at", "ended_at", "interval_days", "unit_amount")
    amount, interval = nw.col("unit_amount").cast(nw.Float64), nw.col("interval_days").cast(nw.Float64)
    start, ended = nw.col("started_at"), nw.col("ended_at")
    rules = {
        "no_customer": nw.col("customer_id").is_null(),
        "no_date": start.is_null(),
        "impossible_dates": ended < start,
        "no_price": amount.is_null() | interval.is_null() | (interval <= 0),
        "negative": amount < 0,
        "infinite": ~amount.is_finite() | ~interval.is_finite(),
    }
    opened = open_rows(
        subscriptions, "subscriptions", needs=needs, must=needs[1:], rules=rules, key="subscription_id", by=by,
        columns=columns,
    )  # fmt: skip
    frame = opened.frame.with_columns(at=start, mrr=amount * MONTH_DAYS / interval)
    kept = ("customer_id", "at", "group", "ended_at", "mrr")
    return History(frame, opened.reasons, opened.again, opened.table, kept)


def _paid_at(history: History, instants: list[datetime], seen: nw.Expr) -> Units:
    """One row per customer: the `first` contract, and the MRR just before each instant (`b0`, `b1`, …)."""
    ended, rows = nw.col("ended_at"), history.rows(seen)

    def paid(at: datetime) -> nw.Expr:
        in_force = (AT < at) & (ended.is_null() | (ended >= at))
        return nw.when(in_force).then(nw.col("mrr")).otherwise(0.0)

    names = [f"b{place}" for place in range(len(instants))]
    rows = rows.with_columns(**{name: paid(at) for name, at in zip(names, instants, strict=True)})
    customers = rows.group_by("customer_id").agg(nw.col(*names).sum(), first=AT.min())
    return Units(history, _at_home(customers, history, seen))


def _at_home(customers: Frame, history: History, seen: nw.Expr | None) -> Frame:
    """Each customer with the group of the first row, if there are groups."""
    if "group" not in history.frame.collect_schema():
        return customers
    homes = history.per_customer({"home": (AT, "min")}, within=seen).frame.select("customer_id", "group")
    return customers.join(homes, on="customer_id", how="inner")


def _changes(history: History, end: datetime) -> Frame:
    """What moved in each month, by the number of the month after: at its beginning it shows.

    A contract is in force at the beginnings of the months from the one after its start to the one it ends in. Whose MRR
    changes when is small; only there are a customer's contracts added up.
    """
    ended, month = nw.col("ended_at"), nw.col("month")
    rows = history.rows(AT < end)
    last = (
        nw.when(ended.is_null())
        .then(nw.lit(NEVER_ENDS))
        .otherwise(_months(nw.when(ended.is_null()).then(AT).otherwise(ended)))
    )
    contracts = rows.select("customer_id", "mrr", begin=_months(AT) + 1, last=last.cast(nw.Int64))
    points = [contracts.select("customer_id", month=edge) for edge in (nw.col("begin"), nw.col("last") + 1)]
    points = [one.filter(month <= _month_number(end)) for one in points]
    changes = nw.concat(points, how="vertical").unique().rename({"customer_id": "who"})
    pairs = changes.join(contracts, left_on="who", right_on="customer_id", how="inner")
    paid = {
        name: nw.when((nw.col("begin") <= at) & (at <= nw.col("last"))).then(nw.col("mrr")).otherwise(0.0)
        for name, at in (("before", month - 1), ("after", month))
    }
    grouped = pairs.with_columns(**paid).group_by("who", "month")
    moved = grouped.agg(nw.col("before", "after").sum(), first=nw.col("begin").min())
    before, after, is_new = nw.col("before"), nw.col("after"), nw.col("first") == month
    came, stayed = (before == 0) & (after > 0), (before > 0) & (after > 0)
    amounts = {
        "new": nw.when(came & is_new).then(after),
        "expansion": nw.when(stayed & (after > before)).then(after - before),
        "contraction": nw.when(stayed & (after < before)).then(before - after),
        "churned": nw.when((before > 0) & (after == 0)).then(before),
        "reactivation": nw.when(came & ~is_new).then(after),
        "customers": (after > 0).cast(nw.Float64) - (before > 0).cast(nw.Float64),
    }
    moved = moved.with_columns(**{name: value.fill_null(0.0) for name, value in amounts.items()})
    return moved.group_by("month").agg(nw.col(*MOVED).sum())


def _months(at: nw.Expr) -> nw.Expr:
    """Months since the year 0."""
    return at.dt.year().cast(nw.Int64) * 12 + at.dt.month().cast(nw.Int64) - 1


def _month_number(at: datetime) -> int:
    """`_months` of one instant."""
    return at.year * 12 + at.month - 1


def _month_start(number: int) -> datetime:
    return datetime(max(number // 12, 1), number % 12 + 1, 1)


def _month_bounds(window: Window) -> list[datetime]:
    """First instants of the months that lie wholly in the window, and of the one after."""
    assert window.start is not None
    assert window.end is not None
    month = datetime(window.start.year, window.start.month, 1)
    if month < window.start:
        month = _next_month(month)
    bounds = [month]
    while _next_month(bounds[-1]) <= window.end:
        bounds.append(_next_month(bounds[-1]))
    return bounds


def _next_month(month: datetime) -> datetime:
    return (month + timedelta(days=31)).replace(day=1)


def _ratio_sums(units: Units, y: nw.Expr, x: nw.Expr, there: nw.Expr, **more: nw.Expr) -> Part:
    """What the delta method needs of Σy / Σx over the units that are `there`."""
    made = Units(units.source, units.frame.filter(there).with_columns(_y=y, _x=x))
    above, below = nw.col("_y"), nw.col("_x")
    return made.sums(
        n=nw.lit(1.0), y=above, x=below, yy=above * above, xy=above * below, xx=below * below, **more
    )  # fmt: skip


def _ratio(sums: Sums) -> Figures:
    return ratios(*(sums[name] for name in ("n", "y", "x", "yy", "xy", "xx")))


def _net(found: Any) -> nw.Expr:
    """What an order brought in after its refund."""
    net = nw.col("net_amount").cast(nw.Float64)
    return net - nw.col("refund_amount").cast(nw.Float64).fill_null(0.0) if "refund_amount" in found else net


def _sales(history: History, basis: str, window: Window) -> Units:
    """One row per customer with orders before the window's end: net sales in it (`x`), and those that recur (`y`)."""
    seen = None if window.end is None else AT < window.end
    rows = frames.beside(history.rows(seen), "customer_id", first=AT.min())
    found = rows.collect_schema()
    recurs = AT.dt.truncate("1d") > nw.col("first").dt.truncate("1d") if basis != "subscription" else nw.lit(False)
    if basis != "repeat" and "subscription_id" in found:
        recurs = recurs | ~nw.col("subscription_id").is_null()
    inside = rows.filter(within(AT, window)).with_columns(_net=_net(found))
    inside = inside.with_columns(_again=nw.when(recurs).then(nw.col("_net")).otherwise(0.0))
    customers = inside.group_by("customer_id").agg(x=nw.col("_net").sum(), y=nw.col("_again").sum(), orders=nw.len())
    return Units(history, _at_home(customers, history, seen))


def _monthly_cv(history: History, window: Window) -> float:
    """Standard deviation ÷ mean of the net sales of whole calendar months; NaN for fewer than two."""
    rows = history.rows(within(AT, window))
    rows = rows.with_columns(_net=_net(rows.collect_schema()), month=_months(AT))
    got = frames.rows(rows.group_by("month").agg(nw.col("_net").sum(), first=AT.min(), last=AT.max()))
    if not got:
        return math.nan
    first = window.start or min(one["first"] for one in got)
    last = window.end or max(one["last"] for one in got) + timedelta(days=1)
    bounds = _month_bounds(Window(frames.instant(first, "start"), frames.instant(last, "end")))
    sums = {one["month"]: one["_net"] for one in got}
    values = np.array([sums.get(_month_number(month), 0.0) for month in bounds[:-1]])
    if len(values) < 2 or values.mean() == 0:
        return math.nan
    return float(values.std(ddof=1) / values.mean())
