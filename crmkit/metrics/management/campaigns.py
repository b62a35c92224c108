"""What a campaign changed: those it was meant for against those a lot left out. Metric 32a.

Customers who order after a mail would partly have ordered without it. The hold-out (`arm` = "control") shows how many.
Whoever was drawn for the campaign counts as treated, also where the mail never arrived (intention to treat): those whom
mail does not reach are another kind of customer. Campaigns are compared within themselves and then put together, each
with the weight of its treated customers; a campaign without a hold-out cannot be judged and is left aside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.errors import CrmkitWarning, ParameterError
from crmkit.estimate import Definition, Estimate, Figures, Numbers, Window
from crmkit.frames import Columns, Frame
from crmkit.intervals import sum_of_parts, t_mean, wilson
from crmkit.metrics.management.holdout import (
    ARMS,
    CAMPAIGN,
    Lift,
    Strata,
    Trial,
    difference,
    orders_after,
    strata_of,
    trial_of,
)
from crmkit.metrics.management.own import all_known, named, there
from crmkit.reduction import RESULT_COLUMNS, one_of, whole_number
from crmkit.rows import History, once, open_orders, open_rows

When = Any
About = tuple[Mapping[str, int], tuple[CrmkitWarning, ...]]
"""Rows left out by reason, and the warnings given of them."""


def campaign_lift(
    campaign_sends: Any,
    *,
    orders: Any,
    horizon_days: int = 30,
    from_day: int = 0,
    as_of: When = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """How much larger the share of customers who order is among those the campaign was meant for than in the hold-out.

    Both arms are watched from the same moment: the campaign's first mail, or a row's own `sent_at` where the hold-out
    has one too. Several rows of a customer in one campaign are one; whoever was drawn to be written to counts so, also
    where the mail never arrived. A campaign without a hold-out is left aside.

    Args:
        campaign_sends: One row per customer and campaign: `customer_id`, `arm`, `sent_at` (may be empty in the
            hold-out); `campaign_id` and `send_id`.
        orders: The order table.
        horizon_days: For how many times 24 hours after the start orders are looked for.
        from_day: From which day after the start on; 0 = from the start. `from_day=60, horizon_days=90` asks who still
            orders in the third month.
        as_of: Up to when the data were collected, not included; default: the day after the last order. Campaigns that
            have not been watched for the whole horizon are not looked at.
        by: Column of `campaign_sends` to group by, such as `campaign_id` or `is_personalized`.
        columns: Your own column names by the model's, for both tables.

    Returns:
        An `Estimate` (difference of two shares, −1 to 1) with the interval of Newcombe and MOVER; `denominator` are the
        treated customers, `numerator` how many more of them ordered than would have otherwise. `besides`: the shares
        `treatment` and `control` (as if it had the treated customers' mix of campaigns), the number `held_out`, and
        `not_watched`. A hold-out drawn anew for each campaign makes the interval right; with the same people every time
        it is too short. With `by`, a table of the engine's own kind: the group, value, low, high, n, numerator,
        denominator, rows_left_out, treatment, control.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: a horizon below one day, or `from_day` not before it.

    Examples:
        >>> import pandas as pd
        >>> day = pd.Timestamp("2026-03-02 07:00")
        >>> sends = pd.DataFrame({
        ...     "send_id": list("123456"), "campaign_id": ["P"] * 6, "customer_id": list("ABCDEF"),
        ...     "arm": ["treatment"] * 3 + ["control"] * 3, "sent_at": [day] * 3 + [pd.NaT] * 3,
        ... })
        >>> orders = pd.DataFrame({
        ...     "customer_id": ["A", "B", "D", "F"],
        ...     "ordered_at": pd.to_datetime(["2026-03-05", "2026-03-09", "2026-03-10", "2026-05-01"]),
        ... })
        >>> lift = campaign_lift(sends, orders=orders)
        >>> round(float(lift), 3), lift.besides["control"]
        (0.333, 0.3333333333333333)

    References:
        Newcombe (1998), Interval estimation for the difference between independent proportions. Statistics in Medicine
        17, 873–890. Zou & Donner (2008), Construction of confidence limits about effect measures. Ibid. 27, 1693–1702.
    """
    horizon_days = whole_number("horizon_days", horizon_days)
    if not isinstance(from_day, int) or not 0 <= from_day < horizon_days:
        raise ParameterError("from_day", value=from_day, horizon_days=horizon_days)
    all_known(columns, "campaign_sends", "orders")
    history = open_orders(orders, columns=named(columns, "orders"))
    trial = trial_of(campaign_sends, history, horizon_days, as_of, by, columns)
    ordered = orders_after(trial.units, history.rows(), from_day, horizon_days)
    ordered = ordered.select("campaign_id", "customer_id", y=nw.lit(1.0)).unique(subset=["campaign_id", "customer_id"])
    strata = strata_of(trial.units, ordered)
    lift = difference(strata, wilson(strata.total[0], strata.n[0]), wilson(strata.total[1], strata.n[1]))
    parameters = {"horizon_days": horizon_days, "as_of": f"{trial.until:%Y-%m-%d}"}
    if from_day:
        definition = Definition("campaign_lift.retained", {"from_day": from_day, **parameters})
    else:
        definition = Definition("campaign_lift.ordered", parameters)
    if by is not None:
        return _lift_by_group(trial, strata, lift, by)
    return lift.figures.first().estimate(
        Window(), definition, unit="share_points", excluded=trial.excluded, notes=trial.notes,
        besides=_besides(lift, trial),
    )  # fmt: skip


def campaign_roi(
    campaign_sends: Any,
    *,
    orders: Any,
    order_items: Any,
    costs: Any,
    horizon_days: int = 30,
    method: Literal["incremental", "attributed"] = "incremental",
    as_of: When = None,
    columns: Columns = None,
) -> Estimate:
    """Margin that campaigns brought, less their cost, per unit of cost.

    "incremental": margin per customer of those the campaign was meant for, less that of its hold-out, times the treated
    customers. "attributed": the margin of all orders that carry the campaign's id, whether or not the customer would
    have come anyway: always more, and no effect; it is shown beside the other.

    Args:
        campaign_sends, horizon_days, as_of: As for `campaign_lift`.
        orders: The order table, with `order_id` and `net_amount`; `refund_amount` is heeded where present. "attributed"
            needs `campaign_id`.
        order_items: `order_id`, `quantity` and `unit_cost`: an order's margin is its net amount, less what was
            refunded, less what its goods cost. Orders without items are left out and counted.
        costs: `campaign_id` and `amount`. A discount has lowered the net amount already; do not book it here again.
        method: "incremental" or "attributed".
        columns: Your own column names by the model's, for all tables.

    Returns:
        An `Estimate` (1.5 = 150%: each yen spent came back and brought 1.5 more). The interval is that of the
        difference of means (MOVER on Student's intervals), or for "attributed" of a compound Poisson sum; costs count
        as known. NaN without costs or, for "incremental", without a hold-out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: an unknown method, a horizon below one day.

    Examples:
        >>> import pandas as pd
        >>> day = pd.Timestamp("2026-03-02")
        >>> sends = pd.DataFrame({
        ...     "send_id": list("1234"), "campaign_id": ["P"] * 4, "customer_id": list("ABCD"),
        ...     "arm": ["treatment"] * 2 + ["control"] * 2, "sent_at": [day] * 4,
        ... })
        >>> orders = pd.DataFrame({
        ...     "order_id": ["1", "2"], "customer_id": ["A", "C"], "ordered_at": [day] * 2,
        ...     "net_amount": [5000.0, 3000.0],
        ... })
        >>> items = pd.DataFrame({
        ...     "order_id": ["1", "2"], "line_no": 1, "product_id": "x", "quantity": 1.0, "unit_cost": 1000.0,
        ... })
        >>> costs = pd.DataFrame({"cost_id": ["1"], "incurred_date": [day], "campaign_id": ["P"], "amount": [800.0]})
        >>> float(campaign_roi(sends, orders=orders, order_items=items, costs=costs, as_of="2026-04-02"))
        1.5

    References:
        Farris, Bendle, Pfeifer & Reibstein (2010), Marketing Metrics, 2nd ed., chapter 10.
    """
    one_of("method", method, ("incremental", "attributed"))
    horizon_days = whole_number("horizon_days", horizon_days)
    all_known(columns, "campaign_sends", "orders", "order_items", "costs")
    has_id = bool(there(orders, ("campaign_id",), named(columns, "orders")))
    keep = ("refund_amount", *(("campaign_id",) if has_id else ()))
    must = ("order_id", "net_amount", *(("campaign_id",) if method == "attributed" else ()))
    history = open_orders(orders, columns=named(columns, "orders"), keep=keep, must=must, amounts=True)
    margins = _margins(history, order_items, columns)
    spent, about_costs = _spent(costs, columns)
    if method == "attributed":
        campaigns = _campaigns(campaign_sends, columns)
        excluded, notes = history.tell(frames.row(history.left_out()))
        figures = _returned(_attributed(margins, campaigns), _cost(spent, campaigns), "sum")
        about = _besides_items(excluded, about_costs, history, margins)
        notes = (*notes, *about_costs[1])
        return figures.estimate(Window(), Definition("campaign_roi.attributed"), excluded=about, notes=notes)
    trial = trial_of(campaign_sends, history, horizon_days, as_of, None, columns)
    after = orders_after(trial.units, margins, 0, horizon_days)
    strata = strata_of(trial.units, after.group_by("campaign_id", "customer_id").agg(y=nw.col("margin").sum()))
    lift = difference(strata, *(t_mean(strata.n[arm], strata.total[arm], strata.squares[arm]) for arm in (0, 1)))
    judged = [name for name, fit in zip(strata.campaigns, lift.judged, strict=True) if fit]
    cost = _cost(spent, judged)
    apart: dict[str, float] = {"held_out": int(lift.held_out[0]), "not_watched": trial.not_watched}
    if has_id:
        apart = {"attributed": float(_returned(_attributed(margins, judged), cost, "sum").value[0]), **apart}
    return _returned(lift.whole(), cost, "mover").estimate(
        Window(), Definition("campaign_roi.incremental", {"horizon_days": horizon_days}),
        excluded=_besides_items(trial.excluded, about_costs, history, margins),
        notes=(*trial.notes, *about_costs[1]), besides=apart,
    )  # fmt: skip


def _besides(lift: Lift, trial: Trial) -> dict[str, float]:
    shown: dict[str, float] = {"treatment": float(lift.treatment[0]), "control": float(lift.control[0])}
    return {**shown, "held_out": int(lift.held_out[0]), "not_watched": trial.not_watched}


def _lift_by_group(trial: Trial, strata: Strata, lift: Lift, by: str) -> Any:
    """The groups of all rows that were given, with their lift beside them."""
    taken = (*RESULT_COLUMNS, *ARMS)
    if by in taken:
        raise ParameterError("name_taken", by=by, columns=", ".join(taken))
    small = trial.opened.units().sums(_none=nw.lit(0.0)).grouped(["_none"]).sort("group")
    place = {name: at for at, name in enumerate(lift.names)} if strata.groups else {}
    rows = np.array([place.get(frames.plain(one), -1) for one in small["group"].to_list()], dtype=np.int64)
    shares = {
        name: np.where(rows < 0, np.nan, one[rows])
        for name, one in zip(ARMS, (lift.treatment, lift.control), strict=True)
    }
    columns = {
        **lift.figures.take(rows).columns(),
        "rows_left_out": small["lost"].to_numpy().astype(np.int64),
        **shares,
    }
    beside = frames.table(trial.units, columns)
    done = small.select("group").rename({"group": by}).with_columns(*(beside[name] for name in columns))
    return frames.give_back(frames.same_kind(trial.units, done))


# --- money


def _margins(history: History, order_items: Any, columns: Columns) -> Frame:
    """Each order that counts and has items, with its `margin`."""
    needs, own = ("order_id", "quantity", "unit_cost"), named(columns, "order_items")
    line = there(order_items, ("line_no",), own)
    items = frames.open_table(order_items, "order_items", needs=(*needs, *line), must=needs, columns=own)
    items = once(items, "order_id", *line)[0] if line else items
    quantity, each = nw.col("quantity").cast(nw.Float64), nw.col("unit_cost").cast(nw.Float64)
    sound = ((quantity >= 0) & (each >= 0) & (quantity * each).is_finite()).fill_null(False)
    items = items.with_columns(_cost=nw.when(sound).then(quantity * each).otherwise(0.0), _bad=(~sound).cast(nw.Int64))
    goods = items.group_by("order_id").agg(nw.col("_cost", "_bad").sum()).filter(nw.col("_bad") == 0)
    orders = history.rows().join(goods, on="order_id", how="inner")
    kept = nw.col("net_amount").cast(nw.Float64)
    if "refund_amount" in orders.collect_schema():
        kept = kept - nw.col("refund_amount").cast(nw.Float64).fill_null(0.0)
    orders = orders.with_columns(margin=kept - nw.col("_cost"))
    has_id = "campaign_id" in orders.collect_schema()
    return orders.select("customer_id", "at", "margin", *(["campaign_id"] if has_id else [])).filter(
        ~nw.col("margin").is_null()
    )


def _besides_items(excluded: Mapping[str, int], costs: About, history: History, margins: Frame) -> dict[str, int]:
    """The rows left out, and the orders whose margin nobody can tell."""
    excluded = {why: excluded.get(why, 0) + costs[0].get(why, 0) for why in (*excluded, *costs[0])}
    got = frames.row(history.rows().select(all=nw.len()), margins.select(known=nw.len()))
    missing = int(got["all"]) - int(got["known"])
    return {**excluded, **({"no_items": missing} if missing else {})}


def _campaigns(native: Any, columns: Columns) -> list[Any]:
    """The campaigns that were sent to anybody."""
    must = ("campaign_id", "arm")
    frame = frames.open_table(native, "campaign_sends", needs=must, must=must, columns=named(columns, "campaign_sends"))
    sent = frame.filter(nw.col("arm") == "treatment", ~CAMPAIGN.is_null())
    return frames.fetch(sent.select("campaign_id").unique(subset=["campaign_id"]))["campaign_id"].to_list()


def _cost(spent: Mapping[Any, float], campaigns: list[Any]) -> float:
    return sum(spent.get(name, 0.0) for name in campaigns)


def _spent(costs: Any, columns: Columns) -> tuple[dict[Any, float], About]:
    """What each campaign cost, and the rows that nothing can be made of."""
    must, own, amount = ("campaign_id", "amount"), named(columns, "costs"), nw.col("amount").cast(nw.Float64)
    key = there(costs, ("cost_id",), own)
    rules = {"infinite": ~amount.is_finite() & ~amount.is_null(), "negative": amount < 0}
    opened = open_rows(
        costs, "costs", needs=(*must, *key), must=must, rules=rules, key=key[0] if key else None, columns=own
    )
    frame = opened.rows(~CAMPAIGN.is_null()).with_columns(amount=amount)
    found = frames.rows(frame.group_by("campaign_id").agg(amount=nw.col("amount").sum()))
    return {row["campaign_id"]: row["amount"] or 0.0 for row in found}, opened.tell(frames.row(opened.left_out()))


def _attributed(margins: Frame, campaigns: list[Any]) -> tuple[Numbers, Numbers, Numbers, Any]:
    """The margin of the orders that carry these campaigns' ids."""
    mine = CAMPAIGN.is_in(campaigns) if campaigns else nw.col("margin").is_null()
    chosen = margins.filter(mine).with_columns(_square=nw.col("margin") * nw.col("margin"))
    got = frames.row(chosen.select(n=nw.len(), total=nw.col("margin").sum(), squares=nw.col("_square").sum()))
    total, squares = (np.array([got[name] or 0.0]) for name in ("total", "squares"))
    return total, *sum_of_parts(total, squares), np.array([int(got["n"])])


def _returned(margin: tuple[Numbers, Numbers, Numbers, Any], cost: float, method: str) -> Figures:
    """(margin − cost) ÷ cost."""
    value, low, high, n = margin
    spent = np.array([cost if cost > 0 else np.nan])
    returned, least, most = ((one - spent) / spent for one in (value, low, high))
    return Figures(returned, least, most, n, value - spent, spent, method)
