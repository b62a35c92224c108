"""What it costs to win and to keep customers. Metrics 14–16, and what the money goes into.

Costs come from the books: they are taken as they are, and what varies by chance is how many customers came of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames, intervals
from crmkit.errors import ParameterError
from crmkit.estimate import Definition, Estimate, Figures, Numbers, Window
from crmkit.frames import Columns, Frame, Names, columns_of
from crmkit.metrics.relationship.value import Number, joined, of_figures
from crmkit.reduction import one_of, summarise, time_window, whole_number, within
from crmkit.rows import AT, Moments, Rows, Units, open_orders, open_rows

When = str | datetime
PURPOSE, CATEGORY, CHANNEL = (nw.col(name) for name in ("purpose", "category", "channel"))
AMOUNT, BOOKED = nw.col("amount"), nw.col("incurred_date")


def cac(
    costs: Any,
    orders: Any,
    *,
    kind: Literal["blended", "paid", "referral"] = "blended",
    customers: Any = None,
    start: When | None = None,
    end: When | None = None,
    lag_days: int = 0,
    columns: Names = None,
) -> Estimate:
    """Customer acquisition cost: what was spent on winning customers, per new customer. The CPA of one action is less.

    Args:
        costs: One row per cost: `cost_id`, `incurred_date`, `purpose`, `amount`; `category` and `channel` for the kinds
            other than "blended".
        orders: One row per order, the whole history: `customer_id`, `ordered_at`; `status`, `is_test`, `net_amount` and
            `refund_amount` are heeded where present. New is whose first order ever fell into the window.
        kind: "blended" = all acquisition costs over all new customers, those who came by themselves too; "paid" = the
            cost of category "ad" over the new customers of the channels it was spent on; "referral" = the acquisition
            costs that are rewards or booked under the channel "referral" (rewards for loyalty are booked under
            retention and stay out), over the new customers who were referred.
        customers: One row per customer: `customer_id`, `acquisition_channel`; needed for "paid" and "referral".
        start, end: Window of the new customers, `[start, end)`; `None` = open.
        lag_days: How many days before the customers the money was spent: the costs are those of the window moved back.
        columns: Your own column names by the model's: of `costs`, or by table `{"costs": {…}, "orders": {…}}`.

    Returns:
        An `Estimate` in yen per new customer; NaN if there is none, or if no such cost was booked. The interval takes
        the cost as it is and the new customers as a Poisson count (Garwood's exact ends). `besides` counts the new
        customers whose channel is not known.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: an unknown kind, no `customers` where they are needed, a start after the end.

    Examples:
        >>> import pandas as pd
        >>> costs = pd.DataFrame({
        ...     "cost_id": ["1"], "incurred_date": pd.to_datetime(["2026-03-01"]),
        ...     "purpose": ["acquisition"], "amount": [9_000.0],
        ... })
        >>> orders = pd.DataFrame({
        ...     "customer_id": ["A", "B"], "ordered_at": pd.to_datetime(["2026-03-05", "2026-03-09"])
        ... })
        >>> float(cac(costs, orders, start="2026-03-01", end="2026-04-01"))
        4500.0
    """
    window = time_window(start, end)
    one_of("kind", kind, ("blended", "paid", "referral"))
    tables = ("costs", "orders", "customers")
    more = () if kind == "blended" else ("category", "channel")
    booked = _open_costs(costs, columns_of(columns, "costs", tables), more=("purpose", *more))
    spent = booked.units(within(BOOKED, _earlier(window, lag_days)) & _spent_on(kind))
    newcomers = _newcomers(orders, window, columns_of(columns, "orders", tables))
    parameters: dict[str, Any] = {"lag_days": lag_days}
    besides: tuple[str, ...] = ()
    wanted, parts = {"new": nw.lit(1.0)}, [spent.sums(cost=AMOUNT, costs=nw.lit(1.0))]
    if kind != "blended":
        if customers is None:
            raise ParameterError("needs_customers", kind=kind)
        channels = ["referral"] if kind == "referral" else _channels(spent.frame)
        known = _open_customers(customers, columns_of(columns, "customers", tables))
        newcomers = Units(newcomers.source, joined(newcomers.frame, known.rows(), "customer_id"))
        parts.append(known.units().sums(known=nw.lit(1.0)))  # for what is left out of them
        came = nw.col("acquisition_channel").cast(nw.String)
        wanted = {"new": came.is_in(channels).fill_null(False), "unknown_channel": came.is_null()}
        parameters["channels"], besides = ", ".join(channels) or "–", ("unknown_channel",)
    parts.append(newcomers.sums(**wanted))
    definition = Definition(f"cac.{kind}", parameters)
    return _estimate(summarise(parts, _per_new, window, definition, unit="jpy", besides=besides))


def cac_payback_months(cac: Number, *, monthly_margin_amount: Number) -> Estimate:
    """How many months of contribution margin pay back what winning a customer cost.

    Args:
        cac: Cost of one new customer in yen: a number, or the `Estimate` of `cac`.
        monthly_margin_amount: Contribution margin of one new customer in one month, in yen: a number or an `Estimate`.

    Returns:
        An `Estimate` in months. Its interval carries those of the figures that went in; the upper end is infinite where
        the margin's interval reaches 0.

    Raises:
        ParameterError: a margin that is not above 0 pays nothing back.

    Examples:
        >>> float(cac_payback_months(9_000, monthly_margin_amount=1_500))
        6.0
    """
    if float(monthly_margin_amount) <= 0:
        raise ParameterError("no_margin", margin=f"{float(monthly_margin_amount):,.0f}")

    def months(cost: float, margin: float) -> float:
        return cost / margin if margin > 0 else np.inf  # not above 0: only an end of its interval

    return of_figures(months, (cac, monthly_margin_amount), Definition("cac_payback_months"), unit="months")


def acquisition_retention_cost_ratio(
    costs: Any,
    orders: Any,
    *,
    start: When,
    end: When,
    active_days: int = 365,
    labour_share: float | None = None,
    columns: Names = None,
) -> Estimate:
    """How many times the cost of keeping a customer winning one costs: the "1 : 5 rule", measured instead of believed.

    (acquisition cost ÷ new customers) ÷ (retention cost ÷ retained customers), all of the same window. Retained are the
    same people at both ends, as in `retention_rate`. Much hangs on where the salaries are booked: `besides` has the
    ratio with all labour under acquisition, half and half, and all under retention.

    Args:
        costs: One row per cost: `cost_id`, `incurred_date`, `purpose`, `category`, `amount`.
        orders: As for `cac`.
        start, end: The window, `[start, end)`.
        active_days: How long an order keeps a customer active, in days.
        labour_share: Which share (0–1) of the labour booked under acquisition and retention was for acquisition; `None`
            = as it is booked. Labour booked under service is left alone.
        columns: As for `cac`.

    Returns:
        An `Estimate` (5 = winning costs five times as much); NaN without new or retained customers, or where nothing
        was spent on either. The interval takes the costs as they are and both numbers of customers as Poisson counts.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `cac`; a `labour_share` outside 0–1.

    Examples:
        >>> import crmkit
        >>> shop = crmkit.simulate("salon", customers=400, weeks=80, seed=7)
        >>> ratio = acquisition_retention_cost_ratio(shop.costs, shop.orders, start="2025-01-01", end="2025-07-01")
        >>> ratio.besides["labour_all_acquisition"] >= ratio.besides["labour_all_retention"]
        True
    """
    window = time_window(start, end)
    days = whole_number("active_days", active_days)
    if labour_share is not None and not 0 <= labour_share <= 1:
        raise ParameterError("not_a_share", parameter="labour_share", value=labour_share)
    booked = _open_costs(costs, columns_of(columns, "costs", ("costs", "orders")), more=("purpose", "category"))
    labour = (CATEGORY == "labour").fill_null(False)
    spent = booked.units(within(BOOKED, window)).sums(**{
        f"{purpose}_{kind}": nw.when((PURPOSE == purpose) & of_kind).then(AMOUNT)
        for purpose in ("acquisition", "retention")
        for kind, of_kind in (("labour", labour), ("other", ~labour))
    })  # fmt: skip
    people = _both_ends(orders, window, days, columns_of(columns, "orders", ("costs", "orders")))
    shares = {"labour_all_acquisition": 1.0, "labour_half": 0.5, "labour_all_retention": 0.0}
    found: dict[str, float] = {}

    def figures(sums: Mapping[str, Numbers]) -> Figures:
        found.update({name: float(_cost_ratio(sums, share).value[0]) for name, share in shares.items()})
        return _cost_ratio(sums, labour_share)

    definition = Definition("acquisition_retention_cost_ratio.booked", {"active_days": days})
    if labour_share is not None:
        parameters = {"active_days": days, "labour_share": f"{labour_share:.0%}"}
        definition = Definition("acquisition_retention_cost_ratio.shared", parameters)
    made = summarise([spent, people], figures, window, definition, unit="times", besides=("new", "retained"))
    return replace(_estimate(made), besides={**made.besides, **found})


def cost_mix(
    costs: Any,
    *,
    by: str = "purpose",
    start: When | None = None,
    end: When | None = None,
    columns: Columns = None,
) -> Any:
    """What the money goes into: the share of each purpose (or category, or channel) in all costs of the window.

    Args:
        costs: One row per cost: `cost_id`, `incurred_date`, `amount`, and the column `by`.
        by: Column to group by; costs without a value are a group of their own, so that the shares add up to 1.
        start, end: Window in which the cost was incurred, `[start, end)`; `None` = open.
        columns: Your own column names by the model's.

    Returns:
        The engine's own kind of table, sorted by the group: the group, value (share, 0–1), low and high (empty: these
        are the books, no sample), n (rows), numerator (yen of the group), denominator (yen of all), rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`.

    Examples:
        >>> import crmkit
        >>> mix = cost_mix(crmkit.simulate("salon", customers=400, weeks=26, seed=7).costs)
        >>> mix["purpose"].to_list(), round(float(mix["value"].sum()), 6)
        (['acquisition', 'retention', 'service'], 1.0)
    """
    window = time_window(start, end)
    spent = _open_costs(costs, columns, by=by).units(within(BOOKED, window)).sums(cost=AMOUNT, rows=nw.lit(1.0))
    return summarise(spent, _mix, window, Definition("cost_mix"), by=by)


# --- which rows are looked at


def _open_costs(costs: Any, columns: Columns, *, more: Sequence[str] = (), by: str | None = None) -> Rows:
    """Costs with a day and a plain amount; `more` are columns to have, of which the purpose has to be filled."""
    needs = ("cost_id", "incurred_date", "amount", *more)
    amount = AMOUNT.cast(nw.Float64)
    rules = {
        "no_date": BOOKED.is_null(),
        "cost_amount_missing": amount.is_null(),
        "infinite": ~amount.is_finite(),
        "negative": amount < 0,
    }
    if "purpose" in more:
        rules["no_purpose"] = PURPOSE.is_null()
    opened = open_rows(costs, "costs", needs=needs, must=more, rules=rules, key="cost_id", by=by, columns=columns)
    words = {name: nw.col(name).cast(nw.String) for name in more}
    return replace(opened, frame=opened.frame.with_columns(amount=amount, **words))


def _spent_on(kind: str) -> nw.Expr:
    """Which costs a kind of CAC counts."""
    asked = PURPOSE == "acquisition"
    if kind == "paid":
        asked = asked & (CATEGORY == "ad")
    elif kind == "referral":
        asked = asked & ((CATEGORY == "reward").fill_null(False) | (CHANNEL == "referral").fill_null(False))
    return asked.fill_null(False)


def _earlier(window: Window, lag_days: int) -> Window:
    """The window in which the money was spent."""
    if lag_days:
        lag = timedelta(days=whole_number("lag_days", lag_days))
        return Window(*(None if at is None else at - lag for at in (window.start, window.end)))
    return window


def _channels(spent: Frame) -> list[str]:
    """The channels that money was spent on: a handful of words."""
    found = frames.fetch(spent.filter(~CHANNEL.is_null()).select("channel").unique())
    return sorted(found["channel"].to_list())


def _newcomers(orders: Any, window: Window, columns: Columns) -> Units:
    """One row for each customer whose first order that counts fell into the window."""
    everyone = open_orders(orders, columns=columns).per_customer({"first": (AT, "min")})
    return Units(everyone.source, everyone.frame.filter(within(nw.col("first"), window)))


def _open_customers(customers: Any, columns: Columns) -> Rows:
    """The channel that each customer came by."""
    needs = ("customer_id", "acquisition_channel")
    rules = {"no_customer": nw.col("customer_id").is_null()}
    return open_rows(customers, "customers", needs=needs, must=needs, rules=rules, key="customer_id", columns=columns)


def _both_ends(orders: Any, window: Window, active_days: int, columns: Columns) -> Any:
    """How many customers were new in the window, and how many were active at its start and at its end."""
    assert window.start is not None
    assert window.end is not None
    span = timedelta(days=active_days)
    moments: Moments = {
        "first": (AT, "min"),
        "before": (nw.when(AT < window.start).then(AT), "max"),
        "last": (AT, "max"),
    }
    units = open_orders(orders, columns=columns).per_customer(moments, within=AT < window.end)
    stayed = (nw.col("before") >= window.start - span) & (nw.col("last") >= window.end - span)
    return units.sums(new=within(nw.col("first"), window), retained=stayed)


# --- from sums to figures


def _per_new(sums: Mapping[str, Numbers]) -> Figures:
    """Cost per new customer; the customers are a Poisson count. NaN where no cost was booked: it is not known then."""
    cost, new = np.where(sums["costs"] > 0, sums["cost"], np.nan), sums["new"]
    few, many = intervals.poisson(new)
    known = np.where(new > 0, new, np.nan)
    low, high = cost / many, cost / np.where(new > 0, few, np.nan)
    return Figures(cost / known, low, high, new.astype(np.int64), sums["cost"], new, "poisson").where(new > 0)


def _cost_ratio(sums: Mapping[str, Numbers], labour_share: float | None) -> Figures:
    """The ratio of the two unit costs, with the labour of both as booked or split."""
    won, kept = sums["acquisition_labour"], sums["retention_labour"]
    if labour_share is not None:
        won, kept = (won + kept) * labour_share, (won + kept) * (1 - labour_share)
    won, kept = (
        np.where(cost > 0, cost, np.nan) for cost in (won + sums["acquisition_other"], kept + sums["retention_other"])
    )
    new, retained = (np.where(sums[name] > 0, sums[name], np.nan) for name in ("new", "retained"))
    low, high = intervals.rate_ratio(retained, kept, new, won)
    n = (sums["new"] + sums["retained"]).astype(np.int64)
    return Figures(won / new / (kept / retained), low, high, n, won / new, kept / retained, "ratio")


def _mix(sums: Mapping[str, Numbers]) -> Figures:
    whole = np.full(len(sums["cost"]), sums["cost"].sum())
    nan = np.full(len(whole), np.nan)
    share = sums["cost"] / np.where(whole > 0, whole, np.nan)
    return Figures(share, nan, nan, sums["rows"].astype(np.int64), sums["cost"], whole, "none")


def _estimate(made: Any) -> Estimate:
    assert isinstance(made, Estimate)
    return made
