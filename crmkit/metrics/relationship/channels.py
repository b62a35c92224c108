"""Through which channels customers come, and who begins to speak. Metric 27 and the share of two-way contacts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.errors import MissingColumn
from crmkit.estimate import Definition, Figures, Sums, ratios, shares
from crmkit.frames import Frame, Names
from crmkit.intervals import wilson
from crmkit.metrics.relationship.together import (
    as_text,
    by_table,
    days_before,
    figure_of,
    rows_of,
    same_ids,
    stacked,
)
from crmkit.reduction import time_window, whole_number, within
from crmkit.rows import AT, History, Part, Units, open_orders

When = Any
ONLINE, OFFLINE = ("web", "app", "email", "chat", "sns"), ("store", "phone", "postal")
ID = nw.col("customer_id")


def omnichannel_customer_rate(
    orders: Any,
    *,
    interactions: Any = None,
    identity: Any = None,
    as_of: When = None,
    active_days: int = 365,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Of the active customers, how many use both kinds of channels: online and offline.

    Online are web, app, email, chat and sns; offline are store, phone and postal. Somebody who is on record twice, once
    from the shop and once from the web, seems to be two people with one kind of channel each: say who is who in
    `identity`.

    Args:
        orders: One row per order: `customer_id`, `ordered_at`, `channel`; `status`, `is_test`, `net_amount`,
            `refund_amount` are heeded where present.
        interactions: Contacts to look at, too: `customer_id`, `occurred_at`, `channel`, `direction`; only inbound ones
            count, since a mail sent to somebody is no use of a channel.
        identity: Which person each record belongs to: a dict, or a table with `customer_id` and `person_id`; records
            that are not in it are people of their own.
        as_of: Up to when to look, not included; default: the day after the last order.
        active_days: Orders and contacts in so many days before `as_of` are looked at; an order makes a customer active.
        by: Column of the orders to group by; a customer's group is that of the first order looked at.
        columns: Your own column names by table: `{"orders": {"customer_id": "会員番号"}}`.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN if nobody is active. With `identity` it is about people, and
        `besides` has what it was about records, before they were put together. With `by`, a table as for
        `engaged_customer_rate`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `engaged_customer_rate`.

    Examples:
        >>> import pandas as pd
        >>> orders = pd.DataFrame({"customer_id": ["A1", "A2", "B"], "channel": ["web", "store", "store"],
        ...                        "ordered_at": pd.to_datetime(["2026-03-01"] * 3)})
        >>> float(omnichannel_customer_rate(orders))
        0.0
        >>> merged = omnichannel_customer_rate(orders, identity={"A2": "A1"})
        >>> float(merged), merged.n, merged.besides["before_merge"]
        (0.5, 2, 0.0)
    """
    own, active_days = by_table(columns, "orders", "interactions"), whole_number("active_days", active_days)
    history = open_orders(orders, must=("channel",), columns=own["orders"], by=by)
    window = days_before(history, as_of, active_days)
    used = [_families(history.rows(within(AT, window)), active=1)]
    others: list[Part] = []
    if interactions is not None:
        needs = ("customer_id", "occurred_at", "channel", "direction")
        contacts = rows_of(interactions, "interactions", "interaction_id", needs, "occurred_at", own["interactions"])
        inbound = within(nw.col("occurred_at"), window) & (nw.col("direction") == "inbound") & ~ID.is_null()
        used += [_families(contacts.rows(inbound.fill_null(False)), active=0)]
        others = [contacts.units().sums(_contacts=nw.lit(1.0))]
    records = stacked(used)
    homes = None if by is None else history.per_customer({"first": (AT, "min")}, within=within(AT, window)).frame
    people = records if identity is None else _as_people(records, identity)
    if homes is not None and identity is not None:
        homes = frames.least(_as_people(homes, identity), "customer_id", "first")
    customers = _customers_of(history, people, homes)
    active, both = nw.col("active") > 0, (nw.col("online") > 0) & (nw.col("offline") > 0)
    part = customers.sums(both=active & both, active=active)
    definition = Definition("omnichannel_customer_rate.families", {"active_days": active_days})
    found = figure_of(part, others, lambda sums: shares(sums["both"], sums["active"]), window, definition, by=by)
    if identity is None or by is not None:
        return found
    before = _customers_of(history, records, None).frame.filter(active)
    got = frames.row(before.select(n=nw.len(), both=both.cast(nw.Int64).sum()))
    share = got["both"] / got["n"] if got["n"] else math.nan
    return replace(found, besides={"before_merge": share, "records_before": int(got["n"])})


def two_way_share(
    interactions: Any,
    *,
    campaign_sends: Any = None,
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Of all contacts, how many the customers began: a shop that only talks has a share near 0.

    Args:
        interactions: One row per contact: `occurred_at`, `direction` (inbound or outbound); `customer_id` or `lead_id`
            where present say which contacts belong together.
        campaign_sends: Mails to count as outbound contacts, too: `delivered_at`, `customer_id`.
        start, end: Window, `[start, end)`; `None` = open.
        by: Column to group by, e.g. "channel"; all tables given have it.
        columns: Your own column names by table: `{"interactions": {…}}`.

    Returns:
        An `Estimate` (0–1), inbound ÷ (inbound + outbound), NaN without contacts; n is the number of customers. Since
        the contacts of one customer are alike, the interval is that of the delta method over customers (Wilson's over
        customers where all contacts go one way). With `by`, a table as for `engaged_customer_rate`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `engaged_customer_rate`.

    Examples:
        >>> import pandas as pd
        >>> contacts = pd.DataFrame({
        ...     "interaction_id": list("1234"), "customer_id": ["A", "A", "B", "B"],
        ...     "occurred_at": pd.to_datetime(["2026-03-01"] * 4),
        ...     "direction": ["inbound", "outbound", "outbound", "outbound"],
        ... })
        >>> float(two_way_share(contacts))
        0.25
    """
    own, window = by_table(columns, "interactions", "campaign_sends"), time_window(start, end)
    direction, moment = nw.col("direction"), nw.col("occurred_at")
    unknown = {"unknown_direction": direction.is_null() | ~direction.is_in(["inbound", "outbound"])}
    needs = ("customer_id", "lead_id", "occurred_at", "direction")
    contacts = rows_of(
        interactions,
        "interactions",
        "interaction_id",
        needs,
        "occurred_at",
        own["interactions"],
        unknown,
        by,
        must=needs[2:],
    )
    said = contacts.rows(within(moment, window)).with_columns(inbound=(direction == "inbound").cast(nw.Float64))
    parts, sources = [_of_whom(said, "interaction_id", by)], [contacts]
    if campaign_sends is not None:
        sends = rows_of(
            campaign_sends, "campaign_sends", "send_id", ("delivered_at", "customer_id", "lead_id"), None,
            own["campaign_sends"], by=by, must=("delivered_at",),
        )  # fmt: skip
        mails = sends.rows(within(nw.col("delivered_at"), window)).with_columns(inbound=nw.lit(0.0))
        parts, sources = [*parts, _of_whom(mails, "send_id", by)], [contacts, sends]
    keys = ["who"] if by is None else ["who", "group"]
    whole = frames.stacked(parts).group_by(*keys).agg(y=nw.col("inbound").sum(), x=nw.len())
    y, x = nw.col("y"), nw.col("x").cast(nw.Float64)
    part = Units(contacts, whole).sums(n=nw.lit(1.0), y=y, x=x, yy=y * y, xy=x * y, xx=x * x)
    others = [source.units().sums(_seen=nw.lit(1.0)) for source in sources[1:]]
    return figure_of(part, others, _two_way, window, Definition("two_way_share.contacts"), by=by)


def _two_way(sums: Sums) -> Figures:
    made = ratios(sums["n"], sums["y"], sums["x"], sums["yy"], sums["xy"], sums["xx"])
    one_way = (sums["y"] == 0) | (sums["y"] == sums["x"])  # the delta method would give it no width
    low, high = wilson(np.where(sums["y"] > 0, sums["n"], 0.0), sums["n"])
    return replace(made, low=np.where(one_way, low, made.low), high=np.where(one_way, high, made.high)).held(0, 1)


def _of_whom(rows: Frame, key: str, by: str | None) -> Frame:
    """Contacts with whom they belong to: a customer, a lead, or nobody else if neither is known."""
    found = rows.collect_schema()
    names = [name for name in ("customer_id", "lead_id", key) if name in found]
    who = nw.coalesce(*(nw.concat_str(nw.lit(f"{name}:"), nw.col(name).cast(nw.String)) for name in names))
    return rows.select(*([] if by is None else ["group"]), "inbound", who=who)


def _families(rows: Frame, *, active: int) -> Frame:
    """Which families of channels each row's customer used."""
    channel = nw.col("channel")
    online, offline = (channel.is_in(list(one)).fill_null(False).cast(nw.Int64) for one in (ONLINE, OFFLINE))
    return (
        rows.select("customer_id", online=online, offline=offline)
        .with_columns(active=nw.lit(active, nw.Int64))
        .group_by("customer_id")
        .agg(nw.col("online", "offline", "active").max())
    )


def _as_people(records: Frame, identity: Any) -> Frame:
    """The rows of records under the id of the person they belong to."""
    if isinstance(identity, Mapping):
        ids = {"customer_id": list(identity), "person_id": list(identity.values())}
        known = frames.same_kind(records, frames.table(records, ids))
    else:
        known = frames.as_frame(identity)
        found = known.collect_schema()
        for name in ("customer_id", "person_id"):
            if name not in found:
                near = frames.nearest(name, list(found))
                raise MissingColumn("table", table="identity", column=name, nearest=near, found=", ".join(found))
    known = known.select("customer_id", "person_id").filter(~ID.is_null() & ~nw.col("person_id").is_null())
    known = as_text(known, "customer_id", "person_id").group_by("customer_id").agg(nw.col("person_id").min())
    both = as_text(records, "customer_id").join(known, on="customer_id", how="left")
    return both.with_columns(customer_id=nw.coalesce("person_id", "customer_id")).drop("person_id")


def _customers_of(history: History, records: Frame, homes: Frame | None) -> Units:
    """One row per id with the families it used; of those with a home, with its group."""
    customers = records.group_by("customer_id").agg(nw.col("online", "offline", "active").max())
    if homes is None:
        return Units(history, customers)
    group = homes.group_by("customer_id").agg(nw.col("group").min())
    customers, group = same_ids(customers, group)
    return Units(history, customers.join(group, on="customer_id", how="inner"))
