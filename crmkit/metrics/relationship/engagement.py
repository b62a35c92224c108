"""What customers do of their own accord, beyond paying. Metric 26.

An act counts if the customer began it: a visit, a click, a review, an invitation. Complaints are no engagement, and a
mail program that opens mails by itself is nobody's act.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.errors import ParameterError
from crmkit.estimate import Definition, Window, means, shares
from crmkit.frames import Columns, Frame, Names
from crmkit.metrics.relationship.together import (
    by_table,
    days_before,
    figure_of,
    rows_of,
    same_ids,
    stacked,
    tell,
)
from crmkit.reduction import whole_number, within
from crmkit.rows import AT, Rows, Units, open_orders

When = Any
Tables = Any
CONTACTS = ("visit", "web_view", "review_read", "reservation", "consult")
# the tables acts are read from: of each act its instant, and which rows are meant
ACTS = {
    "interactions": CONTACTS, "campaign_sends": ("click", "open"), "feedback": ("review",), "referrals": ("referral",),
}  # fmt: skip
ENGAGED = (*CONTACTS, "click", "review", "referral")
ID = nw.col("customer_id")


def engaged_customer_rate(
    tables: Tables,
    *,
    as_of: When = None,
    days: int = 90,
    active_days: int = 365,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Of the active customers, how many did something of their own accord lately.

    Acts are visits, page views, reading reviews, reservations and asking for advice (inbound `interactions`), clicks in
    mails, public reviews and posts, and inviting others. Inquiries do not count, since complaints are among them;
    neither do opened mails.

    Args:
        tables: `orders` (`customer_id`, `ordered_at`) and at least one of `interactions` (`occurred_at`, `direction`,
            `kind`), `campaign_sends` (`clicked_at`), `feedback` (`received_at`, `source`) and `referrals`
            (`referrer_customer_id`, `invited_at`), by name; or what has them as `.tables`.
        as_of: Up to when to look, not included; default: the day after the last order.
        days: An act in so many days before `as_of` counts.
        active_days: An order in so many days before `as_of` makes a customer active.
        by: Column of the orders to group by; a customer's group is that of the first order in the `active_days`.
        columns: Your own column names by table: `{"orders": {"customer_id": "会員番号"}}`.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN if nobody is active, with the number of those whose acts do not
        all belong to an order in `besides`; with `by`, a table of the engine's own kind: the group, value, low, high,
        n, numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: a table is missing, or days below one.

    Examples:
        >>> import pandas as pd
        >>> tables = {
        ...     "orders": pd.DataFrame({"customer_id": ["A", "B"], "ordered_at": pd.to_datetime(["2026-03-01"] * 2)}),
        ...     "referrals": pd.DataFrame({"referral_id": ["1"], "referrer_customer_id": ["A"],
        ...                                "invited_at": pd.to_datetime(["2026-03-20"])}),
        ... }
        >>> float(engaged_customer_rate(tables, as_of="2026-04-01"))
        0.5
    """
    days, active_days = whole_number("days", days), whole_number("active_days", active_days)
    scene = _Scene(tables, as_of, days, active_days, by, columns, ENGAGED)
    customers = scene.beside(scene.acts.group_by("customer_id").agg(nw.col("times").sum(), nw.col("apart").max()))
    part = customers.sums(engaged=nw.col("times") > 0, active=nw.lit(1.0), engaged_beyond_orders=nw.col("apart") > 0)
    parameters = {"days": days, "active_days": active_days, "tables": scene.read}
    return figure_of(
        part, scene.parts, lambda sums: shares(sums["engaged"], sums["active"]), scene.window,
        Definition("engaged_customer_rate.acts", parameters), by=by, besides=("engaged_beyond_orders",),
    )  # fmt: skip


def engagement_score(
    tables: Tables,
    *,
    weights: Mapping[str, float],
    as_of: When = None,
    days: int = 90,
    active_days: int = 365,
    by: str | None = None,
    per_customer: bool = False,
    columns: Names = None,
) -> Any:
    """Points for what active customers did of their own accord; what an act is worth is yours to say.

    No weights are right for all, so there are none by default: with other weights, other customers come out on top.

    Args:
        tables, as_of, days, active_days, by, columns: As for `engaged_customer_rate`.
        weights: Points for one act of each kind: "visit", "web_view", "review_read", "reservation", "consult", "click",
            "open" (not by a machine; needs `opened_at`, `is_machine_open`), "review", "referral".
        per_customer: Give one row per active customer instead of the mean.

    Returns:
        An `Estimate` of the mean points per active customer with Student's interval, NaN if nobody is active; with
        `by`, a table as for `engaged_customer_rate`; with `per_customer`, a table of the engine's own kind:
        customer_id, the number of acts of each kind that has a weight, and score.

    Raises:
        MissingColumn, WrongType: as for `engaged_customer_rate`.
        ParameterError: no weights, one that is no number, or of an act that is not known or whose table is missing.

    Examples:
        >>> import pandas as pd
        >>> tables = {
        ...     "orders": pd.DataFrame({"customer_id": ["A", "B"], "ordered_at": pd.to_datetime(["2026-03-01"] * 2)}),
        ...     "referrals": pd.DataFrame({"referral_id": ["1"], "referrer_customer_id": ["A"],
        ...                                "invited_at": pd.to_datetime(["2026-03-20"])}),
        ... }
        >>> float(engagement_score(tables, weights={"referral": 10}, as_of="2026-04-01"))
        5.0
    """
    days, active_days = whole_number("days", days), whole_number("active_days", active_days)
    weights = _checked(weights, tables)
    scene = _Scene(tables, as_of, days, active_days, by, columns, tuple(weights))
    counts = {act: nw.when(nw.col("act") == act).then(nw.col("times")).otherwise(0) for act in weights}
    counted = scene.acts.with_columns(**counts).group_by("customer_id").agg(nw.col(*weights).sum())
    customers = scene.beside(counted)
    number = {act: nw.col(act).fill_null(0).cast(nw.Int64) for act in weights}
    score = sum((number[act].cast(nw.Float64) * weight for act, weight in weights.items()), nw.lit(0.0))
    if per_customer:
        for rows in (customers.source, *(part.units.source for part in scene.parts)):
            tell(rows)
        table = customers.frame.select("customer_id", **number).with_columns(score=score)
        return frames.give_back(table.sort("customer_id"))
    said = ", ".join(f"{act}={weight:g}" for act, weight in weights.items())
    definition = Definition("engagement_score.weighted", {"days": days, "active_days": active_days, "weights": said})
    part = customers.sums(n=nw.lit(1.0), total=score, squares=score * score)
    return figure_of(
        part, scene.parts, lambda sums: means(sums["n"], sums["total"], sums["squares"]), scene.window, definition,
        by=by, unit="points",
    )  # fmt: skip


# --- acts


class _Scene:
    """The active customers, and what they did lately."""

    def __init__(
        self, tables: Tables, as_of: When, days: int, active_days: int, by: str | None, columns: Names,
        wanted: tuple[str, ...],
    ) -> None:  # fmt: skip
        given = cast("Mapping[str, Any]", getattr(tables, "tables", tables))
        own = by_table(columns, "orders", *ACTS)
        if "orders" not in given or not any(name in given for name in ACTS):
            raise ParameterError("no_act_tables", found=", ".join(map(str, given)), tables=", ".join(ACTS))
        history = open_orders(given["orders"], columns=own["orders"], by=by)
        self.window = days_before(history, as_of, active_days)
        self.customers = history.per_customer({"first": (AT, "min")}, within=within(AT, self.window))
        until = self.window.end
        lately = Window() if until is None else Window(until - timedelta(days=days), until)
        asked = {name: tuple(act for act in acts if act in wanted) for name, acts in ACTS.items() if name in given}
        found = [_acts(given[name], name, acts, lately, own[name]) for name, acts in asked.items() if acts]
        self.read = ", ".join(name for name, acts in asked.items() if acts)
        self.parts = [rows.units().sums(_acts=nw.lit(1.0)) for rows, _ in found]
        self.acts = stacked([act for _, parts in found for act in parts])

    def beside(self, counted: Frame) -> Units:
        """The active customers with what was counted of each."""
        customers, counted = same_ids(self.customers.frame, counted)
        return Units(self.customers.source, customers.join(counted, on="customer_id", how="left"))


def _acts(native: Any, table: str, acts: tuple[str, ...], window: Window, columns: Columns) -> tuple[Rows, list[Frame]]:
    """An opened table, and by customer and kind how often something was done, and whether apart from orders."""
    if table == "campaign_sends":
        moments = {act: f"{act}ed_at" for act in acts}
        flags = ("is_machine_open",) if "open" in acts else ()
        rows = rows_of(native, table, "send_id", ("customer_id", *moments.values(), *flags), None, columns)
        human = {"open": ~nw.col("is_machine_open").fill_null(False)}
        return rows, [_done(rows, "customer_id", at, window, human.get(act), act) for act, at in moments.items()]
    if table == "referrals":
        rows = rows_of(native, table, "referral_id", ("referrer_customer_id", "invited_at"), "invited_at", columns)
        return rows, [_done(rows, "referrer_customer_id", "invited_at", window, None, "referral")]
    if table == "feedback":
        rows = rows_of(native, table, "feedback_id", ("customer_id", "received_at", "source"), "received_at", columns)
        public = nw.col("source").is_in(["review", "sns"])
        return rows, [_done(rows, "customer_id", "received_at", window, public, "review")]
    must = ("customer_id", "occurred_at", "direction", "kind")
    rows = rows_of(native, table, "interaction_id", (*must, "order_id"), "occurred_at", columns, must=must)
    meant = (nw.col("direction") == "inbound") & nw.col("kind").is_in(acts)
    return rows, [_done(rows, "customer_id", "occurred_at", window, meant, nw.col("kind"))]


def _done(rows: Rows, whose: str, at: str, window: Window, meant: nw.Expr | None, act: str | nw.Expr) -> Frame:
    inside = within(nw.col(at), window) & ~nw.col(whose).is_null()
    kept = rows.rows(inside if meant is None else inside & meant.fill_null(False))
    apart = nw.col("order_id").is_null() if "order_id" in kept.collect_schema() else nw.lit(True)
    act = nw.lit(act) if isinstance(act, str) else act
    named = kept.select(customer_id=nw.col(whose), act=act.cast(nw.String), apart=apart.cast(nw.Int64))
    return (
        named.group_by("customer_id", "act")
        .agg(times=nw.len(), apart=nw.col("apart").max())
        .select("customer_id", "act", times=nw.col("times").cast(nw.Int64), apart=nw.col("apart").cast(nw.Int64))
    )


def _checked(weights: Mapping[str, float], tables: Tables) -> dict[str, float]:
    """The weights, each a number and of an act whose table is there."""
    given = cast("Mapping[str, Any]", getattr(tables, "tables", tables))
    known = [act for acts in ACTS.values() for act in acts]
    if not weights:
        raise ParameterError("no_weights", options=", ".join(map(repr, known)))
    for act, weight in weights.items():
        if act not in known:
            options, nearest = ", ".join(map(repr, known)), frames.nearest(str(act), known)
            raise ParameterError("unknown_act", act=act, nearest=nearest, options=options)
        table = next(name for name, acts in ACTS.items() if act in acts)
        if table not in given:
            raise ParameterError("act_without_table", act=act, table=table)
        if not isinstance(weight, int | float | np.number) or not math.isfinite(weight):
            raise ParameterError("bad_weight", act=act, weight=weight)
    return {act: float(weight) for act, weight in weights.items()}
