"""Whom customers bring: how many invite, and how many of the invited come. Metric 24.

Windows are half-open, `[start, end)`. An invitation somebody registers for and never buys on is no conversion; one
without a known invitee brought nobody so far.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.estimate import Definition, Figures, Sums, Window, shares
from crmkit.frames import Columns, Frame, Names
from crmkit.intervals import t_quantile, wilson
from crmkit.metrics.relationship.together import by_table, figure_of, same_ids
from crmkit.reduction import needed, one_of, summarise, time_window, whole_number, within
from crmkit.rows import AT, Rows, Units, open_orders, open_rows

When = Any
INVITED, BOUGHT = nw.col("invited_at"), nw.col("first_order_at")


def referral_rate(
    referrals: Any,
    orders: Any,
    *,
    end: When,
    start: When = None,
    base: Literal["active", "new"] = "active",
    active_days: int = 365,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """How many of the active customers invite others, or how many of the new customers came by an invitation.

    Args:
        referrals: One row per invitation: `referrer_customer_id`, `invited_at`; `invitee_customer_id` for "new".
        orders: One row per order: `customer_id`, `ordered_at`; `status`, `is_test`, `net_amount`, `refund_amount` are
            heeded where present. Give the whole history: "new" means a first order ever.
        end: End of the window, not included.
        start: Its first instant; `None` = `active_days` before `end` for "active", from the beginning for "new".
        base: "active" = customers who invited somebody in the window ÷ customers with an order in the `active_days`
            before `end`, both counted among the latter; "new" = customers whose first order fell into the window and
            who had been invited by then ÷ all whose first order fell into it.
        active_days: How long an order keeps a customer active, in days.
        by: Column of the orders to group by; a customer's group is that of the first order.
        columns: Your own column names by table: `{"orders": {"customer_id": "会員番号"}}`.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN if nobody is in the base; with `by`, a table of the engine's
        own kind: the group, value, low, high, n, numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: an unknown base, or a start not before the end.

    Examples:
        >>> import pandas as pd
        >>> orders = pd.DataFrame({"customer_id": ["A", "B", "C"],
        ...                        "ordered_at": pd.to_datetime(["2026-01-05", "2026-01-09", "2026-03-08"])})
        >>> invited = pd.DataFrame({
        ...     "referral_id": ["1", "2"], "referrer_customer_id": ["A", "A"], "invitee_customer_id": ["C", None],
        ...     "invited_at": pd.to_datetime(["2026-03-01", "2026-03-02"]),
        ... })
        >>> round(float(referral_rate(invited, orders, end="2026-04-01")), 3)
        0.333
        >>> float(referral_rate(invited, orders, start="2026-03-01", end="2026-04-01", base="new"))
        1.0
    """
    one_of("base", base, ("active", "new"))
    window, own = time_window(start, needed("referral_rate", "end", end)), by_table(columns, "referrals", "orders")
    active_days = whole_number("active_days", active_days)
    if base == "active":
        window = _lately(window, active_days)
    links = open_referrals(referrals, ["invitee_customer_id"] if base == "new" else [], own["referrals"])
    customers = _customers(orders, window, own["orders"], by)
    if base == "active":
        inviting = _per_customer(links.units(within(INVITED, window)), "referrer_customer_id")
        below, above = _active(window, active_days), ~nw.col("invitations").is_null()
        apart: dict[str, nw.Expr] = {}
    else:
        inviting = _per_customer(links.units(INVITED < window.end), "invitee_customer_id")
        below = within(nw.col("first"), window)
        above = nw.col("earliest") <= nw.col("first")
        apart = {"invited_later": below & (nw.col("earliest") > nw.col("first"))}
    customers = _beside(customers, inviting)
    part = customers.sums(above=below & above, below=below, **apart)
    parameters = {"active_days": active_days} if base == "active" else {}
    return figure_of(
        part, [links.units().sums(_links=nw.lit(1.0))], lambda sums: shares(sums["above"], sums["below"]), window,
        Definition(f"referral_rate.{base}", parameters), by=by, besides=tuple(apart),
    )  # fmt: skip


def referral_conversion_rate(
    referrals: Any,
    *,
    horizon_days: int,
    start: When = None,
    end: When = None,
    as_of: When = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Of the invitations of the window, how many led to a first order in time.

    Later first orders do not count, so that old invitations have no more time than young ones. Only invitations that
    have been watched for the whole horizon are in the base: day `horizon_days` after the invitation lies before
    `as_of`. How many were not is in `besides`.

    Args:
        referrals: One row per invitation: `referrer_customer_id`, `invited_at`, `first_order_at` (empty = none so far);
            `status` is heeded where present: a purchase without its date cannot be judged.
        horizon_days: How many days the invitee has for the first order; the last day counts.
        start, end: Window in which the invitation was made; `None` = open.
        as_of: Up to when the data were collected, not included; default: the day after the last invitation or order.
        by: Column to group by, e.g. "channel".
        columns: Your own column names by the model's.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN if no invitation has been watched long enough; with `by`, a
        table as for `referral_rate`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `referral_rate`, or a horizon below one day.

    Examples:
        >>> import pandas as pd
        >>> invited = pd.DataFrame({
        ...     "referral_id": list("123"), "referrer_customer_id": ["A", "A", "B"],
        ...     "invited_at": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-03-20"]),
        ...     "first_order_at": pd.to_datetime(["2026-01-20", None, None]),
        ... })
        >>> rate = referral_conversion_rate(invited, horizon_days=30, as_of="2026-04-01")
        >>> float(rate), rate.besides["not_watched"]
        (0.5, 1)
    """
    window, horizon_days = time_window(start, end), whole_number("horizon_days", horizon_days)
    links = _dated(referrals, columns, by)
    until = _until(links, as_of)
    watched, came = _watched(until, horizon_days), _came(until, horizon_days)
    part = links.units(within(INVITED, window)).sums(
        purchased=watched & came, invitations=watched, not_watched=~watched
    )
    definition = Definition("referral_conversion_rate.horizon", _parameters(horizon_days, until))
    return summarise(
        part, lambda sums: shares(sums["purchased"], sums["invitations"]), window, definition, by=by,
        besides=("not_watched",),
    )  # fmt: skip


def k_factor(
    referrals: Any,
    orders: Any,
    *,
    horizon_days: int,
    end: When,
    start: When = None,
    as_of: When = None,
    active_days: int = 365,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """How many new customers each active customer brings: invitations per customer × conversion per invitation.

    Above 1 a shop would grow by itself. The conversion is that of the invitations watched for the whole horizon.

    Args:
        referrals: As for `referral_conversion_rate`.
        orders: As for `referral_rate`.
        horizon_days: How many days the invitee has for the first order.
        end: End of the window, not included.
        start: Its first instant; `None` = `active_days` before `end`.
        as_of: As for `referral_conversion_rate`.
        active_days: How long an order keeps a customer active; only their invitations count.
        by: Column of the orders to group by.
        columns: Your own column names by table.

    Returns:
        An `Estimate` in new customers per customer. Its interval is that of the delta method over customers, whose
        invitations and successes may go together; where nobody came, it reaches up to the invitations per customer
        times the high end of the conversion. NaN if no invitation could be watched. With `by`, a table as for
        `referral_rate`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `referral_conversion_rate`.

    Examples:
        >>> import pandas as pd
        >>> orders = pd.DataFrame({"customer_id": ["A", "B"], "ordered_at": pd.to_datetime(["2026-01-05"] * 2)})
        >>> invited = pd.DataFrame({
        ...     "referral_id": list("123"), "referrer_customer_id": ["A", "A", "A"],
        ...     "invited_at": pd.to_datetime(["2026-01-10", "2026-01-12", "2026-01-15"]),
        ...     "first_order_at": pd.to_datetime(["2026-01-20", None, None]),
        ... })
        >>> k = k_factor(invited, orders, horizon_days=30, end="2026-02-01", as_of="2026-04-01")
        >>> float(k), k.besides["invitations"], k.besides["purchased"]
        (0.5, 3, 1)
    """
    own = by_table(columns, "referrals", "orders")
    active_days, horizon_days = whole_number("active_days", active_days), whole_number("horizon_days", horizon_days)
    window = _lately(time_window(start, needed("k_factor", "end", end)), active_days)
    links = _dated(referrals, own["referrals"], None)
    until = _until(links, as_of)
    watched = _watched(until, horizon_days)
    made = links.units(within(INVITED, window))
    flags = made.frame.with_columns(watched=watched, purchased=watched & _came(until, horizon_days))
    customers = _customers(orders, window, own["orders"], by)
    customers = _beside(customers, _per_customer(Units(links, flags), "referrer_customer_id"))
    active = _active(window, active_days)
    i, w, p = (nw.when(active).then(nw.col(name)) for name in ("invitations", "watched", "purchased"))
    part = customers.sums(
        customers=active, invitations=i, watched=w, purchased=p, ii=i * i, ww=w * w, pp=p * p, ip=i * p, iw=i * w,
        pw=p * w,
    )  # fmt: skip
    parameters = {**_parameters(horizon_days, until), "active_days": active_days}
    return figure_of(
        part, [made.sums(invitations_in_all=nw.lit(1.0))], invited_times_converted, window,
        Definition("k_factor.horizon", parameters), by=by, unit="times",
        besides=("invitations", "watched", "purchased", "invitations_in_all"),
    )  # fmt: skip


def invited_times_converted(sums: Sums) -> Figures:
    """(invitations ÷ customers) × (purchased ÷ watched), with the delta method over customers."""
    n, i, w, p = (
        np.where(sums[name] > 0, sums[name], np.nan) for name in ("customers", "invitations", "watched", "purchased")
    )
    per_customer = sums["invitations"] / n
    value = np.where(sums["invitations"] > 0, per_customer * sums["purchased"] / w, np.nan)
    # each customer moves log k by i/I + p/P − w/W − 1/N
    moved = (
        sums["ii"] / i**2 + sums["pp"] / p**2 + sums["ww"] / w**2 - 1 / n
        + 2 * (sums["ip"] / (i * p) - sums["iw"] / (i * w) - sums["pw"] / (p * w))
    )  # fmt: skip
    with np.errstate(invalid="ignore"):
        reach = value * t_quantile(n - 1) * np.sqrt(np.maximum(moved, 0) * n / (n - 1))
    nobody = (sums["purchased"] == 0) & (sums["watched"] > 0)
    most = per_customer * wilson(sums["purchased"], sums["watched"])[1]
    low, high = np.where(nobody, 0.0, value - reach), np.where(nobody, most, value + reach)
    number = sums["customers"]
    return Figures(value, low, high, number.astype(np.int64), value * number, number, "delta").held(0, np.inf)


# --- invitations beside the customers who made them


def open_referrals(
    referrals: Any, more: list[str], columns: Columns, by: str | None = None, rules: dict[str, nw.Expr] | None = None
) -> Rows:
    """Invitations with who made them and when; `more` are further columns to have."""
    needs = ("referral_id", "referrer_customer_id", "invited_at", *more)
    given = {"no_customer": nw.col("referrer_customer_id").is_null(), "no_date": INVITED.is_null(), **(rules or {})}
    return open_rows(
        referrals, "referrals", needs=needs, must=needs[1:], rules=given, key="referral_id", by=by, columns=columns
    )


def _dated(referrals: Any, columns: Columns, by: str | None) -> Rows:
    """Invitations of which it can be told whether and when they led to an order."""
    needs = ("referral_id", "referrer_customer_id", "invited_at", "first_order_at", "status")
    frame = frames.open_table(referrals, "referrals", needs=needs[3:], must=["first_order_at"], columns=columns)
    undated = INVITED.is_null()
    if "status" in frame.collect_schema():
        undated = undated | ((nw.col("status") == "purchased") & BOUGHT.is_null()).fill_null(False)
    rules = {
        "no_customer": nw.col("referrer_customer_id").is_null(),
        "no_date": undated,
        "out_of_order": BOUGHT < INVITED,
    }
    return open_rows(
        referrals, "referrals", needs=needs, must=needs[1:4], rules=rules, key="referral_id", by=by, columns=columns
    )


def _until(links: Rows, as_of: When) -> datetime:
    """The end of the data: as given, or the day after the last invitation or first order."""
    if as_of is not None:
        return frames.instant(as_of, "as_of")
    found = frames.row(links.rows().select(invited=INVITED.max(), bought=BOUGHT.max()))
    last = [frames.instant(at, "as_of") for at in found.values() if at is not None]
    if not last:
        return datetime.max  # there are no rows to ask it of
    return datetime(*max(last).timetuple()[:3]) + timedelta(days=1)


def _watched(until: datetime, horizon_days: int) -> nw.Expr:
    """Whether the last day of the horizon has been seen to its end."""
    return INVITED < datetime(*until.timetuple()[:3]) - timedelta(days=horizon_days)


def _came(until: datetime, horizon_days: int) -> nw.Expr:
    last = INVITED.dt.truncate("1d").dt.offset_by(f"{horizon_days}d")
    return (~BOUGHT.is_null() & (BOUGHT < until) & (BOUGHT.dt.truncate("1d") <= last)).fill_null(False)


def _parameters(horizon_days: int, until: datetime) -> dict[str, Any]:
    return {"horizon_days": horizon_days, "as_of": f"{until:%Y-%m-%d}"}


def _lately(window: Window, active_days: int) -> Window:
    assert window.end is not None
    return window if window.start is not None else replace(window, start=window.end - timedelta(days=active_days))


def _customers(orders: Any, window: Window, columns: Columns, by: str | None) -> Units:
    """First and last order before the window's end of each customer."""
    moments: Any = {"first": (AT, "min"), "last": (AT, "max")}
    return open_orders(orders, columns=columns, by=by).per_customer(moments, within=AT < window.end)


def _active(window: Window, active_days: int) -> nw.Expr:
    assert window.end is not None
    return nw.col("last") >= window.end - timedelta(days=active_days)


def _per_customer(made: Units, whose: str) -> Frame:
    """Number and earliest of the invitations of each referrer, or invitee, and how many had each flag."""
    flags = [name for name in ("watched", "purchased") if name in made.frame.collect_schema()]
    rows = made.frame.filter(~nw.col(whose).is_null()).with_columns(nw.col(*flags).cast(nw.Int64) if flags else [])
    sums = [nw.col(*flags).sum()] if flags else []
    found = rows.group_by(whose).agg(*sums, invitations=nw.len(), earliest=INVITED.min())
    numbers = [nw.col(name).cast(nw.Float64) for name in ("invitations", *flags)]
    return found.rename({whose: "customer_id"}).with_columns(*numbers)


def _beside(customers: Units, inviting: Frame) -> Units:
    known, inviting = same_ids(customers.frame, inviting)
    return Units(customers.source, known.join(inviting, on="customer_id", how="left"))
