"""Retention: who comes back, who stays, who leaves. Metrics 34–42.

Windows are half-open, `[start, end)`. A customer's orders on one calendar day are one purchase: two parcels of one day
make nobody a repeat customer. Shares are 0–1 with a Wilson interval, NaN where nobody is in the base. With `by=` the
result is a table of the engine's own kind instead, one row per group; a customer's group is that of the first order.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.errors import AmbiguousFigure, ParameterError
from crmkit.estimate import Definition, Estimate, Figures, Sums, Window, count, ratio, share, shares
from crmkit.frames import Columns
from crmkit.reduction import needed, one_of, summarise, time_window, whole_number, within
from crmkit.rows import AT, History, Moments, Tally, Units, day_after_last, open_orders, open_subscriptions, warn

When = str | datetime
FIRST, LAST = nw.col("first"), nw.col("last")


def repeat_customers(
    orders: Any, *, start: When | None = None, end: When | None = None, columns: Columns = None
) -> Estimate:
    """How many customers came back: an order in the window on a later day than their first order ever.

    Args:
        orders: One row per order: `customer_id`, `ordered_at`; `status`, `is_test`, `net_amount`, `refund_amount` are
            heeded where present. Give the whole history, not only the window: "first" means first ever.
        start: First instant of the window; `None` = from the beginning.
        end: End of the window, not included; `None` = to the end of the data.
        columns: Your own column names by the model's, e.g. `{"customer_id": "会員番号"}`.

    Returns:
        Units; `denominator` is everyone whose first order came before `end`.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`.

    Examples:
        >>> import pandas as pd
        >>> orders = pd.DataFrame({
        ...     "customer_id": ["A", "A", "B"],
        ...     "ordered_at": pd.to_datetime(["2026-01-10", "2026-03-05", "2026-03-07"]),
        ... })
        >>> float(repeat_customers(orders, start="2026-03-01", end="2026-04-01"))
        1.0
    """
    window = time_window(start, end)
    tally = _visits(orders, window, columns).tally(repeaters=_repeated(window), base=_known())
    return count(tally["repeaters"], tally["base"], window, Definition("repeat_customers"), **tally.about_rows)


def repeat_rate(
    orders: Any,
    *,
    start: When | None = None,
    end: When | None = None,
    base: Literal["cumulative", "active", "new"] = "cumulative",
    active_days: int = 365,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Repeat customers of the window, divided by a base that has to be named.

    Args:
        orders, start, end, columns: As for `repeat_customers`.
        base: "cumulative" = everyone whose first order came before `end` (falls as the base grows); "active" =
            customers with an order in the `active_days` days before `end`, counted above and below the line; "new" =
            customers whose first order fell into the window, a formula met in the wild that is no share (it may pass
            100 %, so it has no interval).
        active_days: How long an order keeps a customer active, in days; used by `base="active"`, which needs `end`.
        by: Column to group by; not with `base="new"`.

    Returns:
        An `Estimate` (0–1); with `by`, a table: the group, value, low, high, n, numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `repeat_customers`, or an unknown `base`.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.sample("ten_customers").orders
        >>> float(repeat_rate(orders, start="2026-03-01", end="2026-04-01"))
        0.5
        >>> round(float(repeat_rate(orders, start="2026-03-01", end="2026-04-01", base="new")), 3)
        1.667
    """
    window = time_window(start, end)
    one_of("base", base, ("cumulative", "active", "new"))
    active_days = whole_number("active_days", active_days)
    if base == "active":
        below = LAST >= needed("repeat_rate", "end", window.end) - timedelta(days=active_days)
    else:
        below = _known() if base == "cumulative" else _new(window)
    definition = Definition(f"repeat_rate.{base}", {"active_days": active_days} if base == "active" else {})
    customers = _visits(orders, window, columns, by)
    if base == "new":
        if by is not None:
            raise ParameterError("no_groups", metric="repeat_rate(base='new')")
        tally = customers.tally(repeaters=_repeated(window), base=below)
        return ratio(tally["repeaters"], tally["base"], window, definition, **tally.about_rows)
    return _share(customers, _repeated(window), below, window, definition, by)


def repeater_share(
    orders: Any,
    *,
    start: When | None = None,
    end: When | None = None,
    counted: Literal["ever", "inside"] = "ever",
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Repeat customers among the buyers of the window. It rises when no new customers come: never read it alone.

    Args:
        orders, start, end, columns: As for `repeat_customers`.
        counted: "ever" = an earlier order at any time makes a repeater; "inside" = two days with orders in
            the window itself.
        by: Column to group by.

    Returns:
        An `Estimate` (0–1); with `by`, a table as for `repeat_rate`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `repeat_customers`.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.sample("ten_customers").orders
        >>> round(float(repeater_share(orders, start="2026-03-01", end="2026-04-01")), 3)
        0.714
        >>> round(float(repeater_share(orders, start="2026-03-01", end="2026-04-01", counted="inside")), 3)
        0.143
    """
    window = time_window(start, end)
    one_of("counted", counted, ("ever", "inside"))
    inside = _day(LAST) > _day(nw.col("first_inside"))
    above = _repeated(window) if counted == "ever" else inside
    customers = _visits(orders, window, columns, by, inside=counted == "inside")
    return _share(customers, above, _bought(window), window, Definition(f"repeater_share.{counted}"), by)


def repurchase_rate(
    orders: Any,
    *,
    horizon_days: int,
    nth: int = 1,
    start: When | None = None,
    end: When | None = None,
    as_of: When | None = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Of the customers whose nth purchase fell into the window, how many made the next one in time (F2: nth=1).

    Only customers who have been watched for the whole horizon are in the base: day `horizon_days` after the purchase
    lies before `as_of`. Who was not is counted in `besides`.

    Args:
        orders, columns: As for `repeat_customers`.
        horizon_days: How many days the customer has for the next purchase; the last day counts.
        nth: Which purchase starts the clock.
        start, end: Window in which the nth purchase fell.
        as_of: Up to when the data were collected, not included; default: the day after the last order.
        by: Column to group by.

    Returns:
        An `Estimate` (0–1), NaN if nobody has been watched long enough; with `by`, a table as for `repeat_rate`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `repeat_customers`, or a horizon below one day.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.sample("ten_customers").orders
        >>> january = {"start": "2026-01-01", "end": "2026-02-01", "as_of": "2026-04-01"}
        >>> [round(float(repurchase_rate(orders, horizon_days=h, **january)), 3) for h in (30, 60, 90)]
        [0.333, 0.667, nan]
    """
    window = time_window(start, end)
    horizon_days, nth = whole_number("horizon_days", horizon_days), whole_number("nth", nth)
    history = open_orders(orders, columns=columns, by=by)
    until = frames.instant(as_of, "as_of") if as_of is not None else day_after_last(history) or datetime.max
    reached = within(nw.col("nth"), window)
    # the last day of the horizon has been seen to its end
    watched = nw.col("nth") < datetime(until.year, until.month, until.day) - timedelta(days=horizon_days)
    again = nw.col("next") <= _day(nw.col("nth")).dt.offset_by(f"{horizon_days}d")
    customers = nth_and_next(history, nth, until, reached)
    parameters = {"nth": nth, "horizon_days": horizon_days, "as_of": f"{until:%Y-%m-%d}"}
    definition = Definition("repurchase_rate.nth", parameters)
    return _share(customers, again, reached & watched, window, definition, by, not_watched=reached & ~watched)


def retention_rate(
    history: Any,
    *,
    start: When,
    end: When,
    basis: Literal["activity", "contract"] = "activity",
    active_days: int = 365,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Of the customers there at the start, how many are still there at the end: the same people at both ends.

    The textbook formula (E−N)/S gives the same only if nobody who was away comes back; where it differs, it is in
    `besides["textbook"]` and a warning names both numbers.

    Args:
        history: An order table for `basis="activity"`, a subscription table (`customer_id`, `started_at`, `ended_at`)
            for `basis="contract"`.
        start, end: The two instants; each customer's state is taken just before them.
        basis: What "there" means: an order in the `active_days` days before, or a contract in force.
        active_days: Days; used by `basis="activity"`.
        by: Column to group by.
        columns: Your own column names by the model's.

    Returns:
        An `Estimate` (0–1); with `by`, a table as for `repeat_rate`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `repeat_customers`, or an unknown `basis`.

    Examples:
        >>> import crmkit, warnings
        >>> orders = crmkit.sample("ten_customers").orders
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     kept = retention_rate(orders, start="2026-03-01", end="2026-04-01", active_days=60)
        >>> float(kept), kept.besides["textbook"]
        (1.0, 1.2)
    """
    both = _both_ends(history, start, end, basis, active_days, by, columns)
    definition = Definition(f"retention_rate.{basis}", both.parameters)
    if by is not None:
        return _share(both.customers, both.stayed, both.there, both.window, definition, by)
    tally = both.customers.tally(
        stayed=both.stayed, there=both.there, at_end=both.at_end, new=both.new, new_and_gone=both.new_and_gone
    )
    about = dict(tally.about_rows)
    if tally["there"]:
        about["besides"], notes = _textbook(tally)
        about["notes"] = (*tally.notes, *notes)
    return share(tally["stayed"], tally["there"], both.window, definition, **about)


def _textbook(tally: Tally) -> tuple[dict[str, float], tuple[AmbiguousFigure, ...]]:
    """(E−N)/S, and a warning where it differs from counting the same people at both ends."""
    textbook = (tally["at_end"] - tally["new"]) / tally["there"]
    value = tally["stayed"] / tally["there"]
    if textbook == value:
        return {"textbook": textbook}, ()
    gone = tally["new_and_gone"]
    back = tally["at_end"] - tally["new"] - tally["stayed"] + gone
    note = AmbiguousFigure(
        "textbook", textbook=f"{textbook:.1%}", value=f"{value:.1%}", back=f"{back:,}", gone=f"{gone:,}"
    )
    warn(note)
    return {"textbook": textbook}, (note,)


def churn_rate(
    history: Any,
    *,
    start: When,
    end: When,
    basis: Literal["contract", "activity"] = "contract",
    include_involuntary: bool = True,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Of the customers there at the start, how many are gone at the end; 1 − `retention_rate` on the same basis.

    Whoever cancelled in the window and was under contract again before its end is not gone, or the two would not add up
    to 1. Who came and went inside the window is in neither number, but counted in `besides["new_and_gone"]`.

    Args:
        history, start, end, basis, by, columns: As for `retention_rate`; activity means an order in the 365 days before
            (for another span use `lapse_rate`).
        include_involuntary: Whether customers whose contract ended against their will (`is_involuntary`, e.g. a failed
            payment) count as churn; they stay in the denominator either way. Of several contracts that ended in
            the window one such ending is enough.

    Returns:
        An `Estimate` (0–1); with `by`, a table as for `repeat_rate`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `retention_rate`.

    Examples:
        >>> import pandas as pd
        >>> contracts = pd.DataFrame({
        ...     "customer_id": ["A", "B"],
        ...     "started_at": pd.to_datetime(["2025-01-01", "2025-02-01"]),
        ...     "ended_at": pd.to_datetime(["2026-03-10", None]),
        ... })
        >>> float(churn_rate(contracts, start="2026-03-01", end="2026-04-01"))
        0.5
    """
    if basis == "activity" and not include_involuntary:
        raise ParameterError("contract_only", parameter="include_involuntary")
    both = _both_ends(history, start, end, basis, 365, by, columns, needs_reason=not include_involuntary, whole=False)
    gone = both.there & ~both.at_end
    name = f"churn_rate.{basis}"
    if not include_involuntary:
        gone, name = gone & ~nw.col("involuntary").fill_null(False), f"{name}_voluntary"
    apart = {"new_and_gone": both.new_and_gone} if basis == "contract" else {}
    return _share(both.customers, gone, both.there, both.window, Definition(name, both.parameters), by, **apart)


def lapse_rate(
    orders: Any, *, start: When, end: When, active_days: int = 365, by: str | None = None, columns: Columns = None
) -> Any:
    """Of the customers active at the start, how many are asleep at the end: no order in the `active_days` before it.

    Args:
        orders, start, end, active_days, by, columns: As for `retention_rate` on the activity basis.

    Returns:
        An `Estimate` (0–1), 1 − `retention_rate`; with `by`, a table as for `repeat_rate`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `retention_rate`.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.sample("ten_customers").orders
        >>> float(lapse_rate(orders, start="2026-03-01", end="2026-04-01", active_days=30))
        0.5
    """
    both = _both_ends(orders, start, end, "activity", active_days, by, columns, whole=False)
    definition = Definition("lapse_rate.activity", both.parameters)
    return _share(both.customers, both.there & ~both.at_end, both.there, both.window, definition, by)


def reactivation_rate(
    orders: Any, *, start: When, end: When, active_days: int = 365, by: str | None = None, columns: Columns = None
) -> Any:
    """Of the customers asleep at the start (ordered before, but not lately), how many ordered in the window.

    Args:
        orders, start, end, active_days, by, columns: As for `lapse_rate`.

    Returns:
        An `Estimate` (0–1), NaN if nobody was asleep; with `by`, a table as for `repeat_rate`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `retention_rate`.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.sample("ten_customers").orders
        >>> float(reactivation_rate(orders, start="2026-03-01", end="2026-04-01", active_days=60))
        0.5
    """
    both = _both_ends(orders, start, end, "activity", active_days, by, columns)
    asleep = (nw.col("first") < both.window.start) & ~both.there
    definition = Definition("reactivation_rate.activity", both.parameters)
    return _share(both.customers, _bought(both.window), asleep, both.window, definition, by)


def _share(
    customers: Units,
    above: nw.Expr,
    below: nw.Expr,
    window: Window,
    definition: Definition,
    by: str | None,
    **apart: nw.Expr,
) -> Any:
    """A share as an `Estimate`, or per group as a table; `apart` are further groups of customers to count."""
    wanted = customers.sums(above=above & below, below=below, **apart)
    return summarise(wanted, share_of_sums, window, definition, by=by, besides=tuple(apart))


def share_of_sums(sums: Sums) -> Figures:
    """The share of the sums `above` and `below`."""
    return shares(sums["above"], sums["below"])


def _visits(orders: Any, window: Window, columns: Columns, by: str | None = None, *, inside: bool = False) -> Units:
    """First and last order before the window's end of each customer, and the first one `inside` it if wanted."""
    moments: Moments = {"first": (AT, "min"), "last": (AT, "max")}
    if inside:
        moments = {**moments, "first_inside": (nw.when(within(AT, window)).then(AT), "min")}
    before_end = None if window.end is None else AT < window.end
    return open_orders(orders, columns=columns, by=by).per_customer(moments, within=before_end)


class _BothEnds:
    """Each customer's state just before the start and just before the end of a window."""

    def __init__(
        self, customers: Units, window: Window, parameters: Mapping[str, Any], there: nw.Expr, at_end: nw.Expr
    ) -> None:
        self.customers = customers
        self.window = window
        self.parameters = parameters
        self.there = there
        self.at_end = at_end
        self.stayed = there & at_end
        self.new = _new(window)
        self.new_and_gone = self.new & ~at_end


def _both_ends(
    table: Any,
    start: When,
    end: When,
    basis: str,
    active_days: int,
    by: str | None,
    columns: Columns,
    needs_reason: bool = False,
    whole: bool = True,
) -> _BothEnds:
    """`whole`: whether the first order ever is asked for; otherwise only the orders that decide are looked at."""
    window = time_window(start, end)
    one_of("basis", basis, ("activity", "contract"))
    active_days = whole_number("active_days", active_days)
    assert window.start is not None
    assert window.end is not None
    if basis == "contract":
        return _contracts_at_both_ends(
            open_subscriptions(table, columns=columns, by=by, needs_reason=needs_reason), window
        )
    span = timedelta(days=active_days)
    before = nw.when(AT < window.start).then(AT)
    moments: Moments = {"before": (before, "max"), "last": (AT, "max")}
    seen = AT < window.end
    if whole or by is not None:
        moments = {"first": (AT, "min"), **moments}
    else:  # older orders change nothing
        seen = seen & (AT >= window.start - span)
    customers = open_orders(table, columns=columns, by=by).per_customer(moments, within=seen)
    there, at_end = nw.col("before") >= window.start - span, LAST >= window.end - span
    return _BothEnds(customers, window, {"active_days": active_days}, there, at_end)


def _contracts_at_both_ends(contracts: History, window: Window) -> _BothEnds:
    ended = nw.col("ended_at")

    def in_force(at: datetime) -> nw.Expr:  # just before `at`: a contract that ends on the dot was still there
        return ((AT < at) & (ended.is_null() | (ended >= at))).fill_null(False)

    customers = contracts.per_customer(
        {
            "first": (AT, "min"),
            "there": (in_force(_bound(window.start)), "max"),
            "at_end": (in_force(_bound(window.end)), "max"),
            "involuntary": ((within(ended, window) & nw.col("is_involuntary")).fill_null(False), "max"),
        }
    )
    return _BothEnds(customers, window, {}, nw.col("there"), nw.col("at_end"))


def nth_and_next(history: History, nth: int, until: datetime, reached: nw.Expr) -> Units:
    """When the nth purchase of those who `reached` it was (the first order of its day), and the day of the next one."""
    day = nw.col("day")
    rest = history.rows(AT < until).select("customer_id", "at", day=_day(AT))
    for _ in range(nth - 1):  # drop each customer's earliest remaining day
        rest = frames.beside(rest, "customer_id", least=day.min()).filter(day > nw.col("least")).drop("least")
    rest = frames.beside(rest, "customer_id", nth=AT.min()).filter(reached)
    rest = rest.with_columns(next=nw.when(day > _day(nw.col("nth"))).then(day))
    customers = rest.group_by("customer_id").agg(nw.col("nth", "next").min())
    if "group" in history.frame.collect_schema():
        homes = history.per_customer({"first": (AT, "min")}, within=AT < until).frame
        customers = customers.join(homes, on="customer_id", how="inner")
    return Units(history, customers)


def _bound(at: datetime | None) -> datetime:
    assert at is not None
    return at


def _day(at: nw.Expr) -> nw.Expr:
    return at.dt.truncate("1d")


def _known() -> nw.Expr:
    """Bought at least once before the window's end."""
    return ~FIRST.is_null()


def _new(window: Window) -> nw.Expr:
    return within(FIRST, window)


def _bought(window: Window) -> nw.Expr:
    """Bought inside the window: the last order before its end is not before its start."""
    return within(LAST, window)


def _repeated(window: Window) -> nw.Expr:
    return _bought(window) & (_day(LAST) > _day(FIRST))
