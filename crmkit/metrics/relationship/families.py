"""Who brought whom: the referral graph, with all that grew out of each customer. Metric 25.

A customer is brought by one other at most, so the lines form trees, called families here; lines that close a circle
cannot be true and are cut.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.errors import AmbiguousFigure, RowsLeftOut
from crmkit.frames import Columns, Frame, Names
from crmkit.metrics.relationship.referrals import INVITED, open_referrals
from crmkit.metrics.relationship.together import as_text, by_table, tell
from crmkit.rows import Rows, open_orders, warn

UP, ID = nw.col("up"), nw.col("customer_id")


def referral_graph(referrals: Any, *, orders: Any = None, columns: Names = None) -> Any:
    """Who brought whom: one row per customer who brought or was brought, with all that grew out of it.

    Args:
        referrals: One row per invitation: `referrer_customer_id`, `invitee_customer_id` (empty = nobody known came of
            it, so no line is drawn), `invited_at`.
        orders: Order table to add up what descendants bought; `None` = without.
        columns: Your own column names by table: `{"referrals": {…}, "orders": {…}}`.

    Returns:
        A table of the engine's own kind: customer_id (ids are text here), referrer_customer_id (null = nobody known),
        family (the customer at its root), depth (0 = the root), children, descendants (children, their children and so
        on), and descendants_net_amount (JPY, net of refunds, all time; null without `orders`). Somebody invited by
        several belongs to the first; who "invites" himself, or closes a circle (its latest invitation), is left out.
        All of that is said in warnings.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.

    Examples:
        >>> import pandas as pd
        >>> invited = pd.DataFrame({
        ...     "referral_id": list("123"), "referrer_customer_id": ["A", "A", "B"],
        ...     "invitee_customer_id": ["B", "C", "D"],
        ...     "invited_at": pd.to_datetime(["2026-01-10", "2026-01-12", "2026-02-15"]),
        ... })
        >>> referral_graph(invited)[["customer_id", "depth", "children", "descendants"]].values.tolist()
        [['A', 0, 2, 3], ['B', 1, 1, 1], ['C', 1, 0, 0], ['D', 2, 0, 0]]

    References:
        The depths and sums are found by pointer jumping: Wyllie (1979), The complexity of parallel computations. Steps
        grow with the logarithm of the greatest depth.
    """
    own = by_table(columns, "referrals", "orders")
    links = open_referrals(referrals, ["invitee_customer_id"], own["referrals"])
    tell(links)
    edges = _first_invitations(links)
    spent = None if orders is None else _net_sales(orders, own["orders"])
    nodes = _hold(_nodes(edges, spent))
    count = frames.row(edges.select(n=nw.len()))["n"]
    found, circle = _jump(nodes, count)
    if circle is not None:
        cut = _hold(edges.join(_last_of_each_circle(edges, circle), on="customer_id", how="anti"))
        rows = count - frames.row(cut.select(n=nw.len()))["n"]
        warn(RowsLeftOut("circular", rows=f"{rows:,}", seen=f"{count:,}", table="referrals"))
        edges = cut
        found, _ = _jump(_hold(_nodes(edges, spent)), count)
    brood = edges.group_by("up").agg(children=nw.len()).rename({"up": "customer_id"})
    whole = found.join(edges.select("customer_id", referrer_customer_id=UP), on="customer_id", how="left")
    whole = whole.join(brood, on="customer_id", how="left")
    amount = nw.col("worth") - nw.col("own") if spent is not None else nw.lit(None, nw.Float64)
    done = whole.select(
        "customer_id", "referrer_customer_id", "family", "depth",
        children=nw.col("children").fill_null(0).cast(nw.Int64), descendants=nw.col("size") - 1,
        descendants_net_amount=amount,
    )  # fmt: skip
    return frames.give_back(done.sort("customer_id"))


def _first_invitations(links: Rows) -> Frame:
    """One row per customer who was brought: by whom (`up`) and when; of several invitations the first."""
    brought = links.rows(~nw.col("invitee_customer_id").is_null())
    named = brought.select("invited_at", customer_id=nw.col("invitee_customer_id"), up=nw.col("referrer_customer_id"))
    invitees = as_text(named, "customer_id", "up")
    tally = frames.row(invitees.select(all=nw.len(), selves=(ID == UP).cast(nw.Int64).sum()))
    if tally["selves"]:
        warn(RowsLeftOut("self_referral", rows=f"{tally['selves']:,}", seen=f"{tally['all']:,}", table="referrals"))
        invitees = invitees.filter(ID != UP)
    first = frames.least(invitees, "customer_id", "invited_at")
    edges = _hold(first.group_by("customer_id").agg(UP.min(), INVITED.min()))
    several = frames.row(
        invitees.unique(subset=["customer_id", "up"], keep="any").select(pairs=nw.len()), edges.select(edges=nw.len())
    )
    if several["pairs"] > several["edges"]:
        warn(AmbiguousFigure("several_referrers", rows=f"{several['pairs'] - several['edges']:,}"))
    return edges


def _net_sales(orders: Any, columns: Columns) -> Frame:
    """What each customer has paid so far, net of refunds."""
    history = open_orders(orders, keep=("refund_amount",), must=("net_amount",), columns=columns, amounts=True)
    tell(history)
    rows = history.rows()
    paid = nw.col("net_amount").cast(nw.Float64).fill_null(0.0)
    if "refund_amount" in rows.collect_schema():
        paid = paid - nw.col("refund_amount").cast(nw.Float64).fill_null(0.0)
    return as_text(rows.with_columns(own=paid).group_by("customer_id").agg(nw.col("own").sum()), "customer_id")


def _nodes(edges: Frame, spent: Frame | None) -> Frame:
    """Everybody who brought or was brought, each the root of a family of one."""
    ends = nw.concat([edges.select("customer_id"), edges.select(customer_id=UP)], how="vertical")
    nodes = ends.unique(subset=["customer_id"], keep="any").join(
        edges.select("customer_id", "up"), on="customer_id", how="left"
    )
    own = nw.lit(0.0)
    if spent is not None:
        nodes, own = nodes.join(spent, on="customer_id", how="left"), nw.col("own").fill_null(0.0)
    return nodes.select(
        "customer_id", "up", family=ID, depth=nw.lit(0, nw.Int64), size=nw.lit(1, nw.Int64), own=own, worth=own
    )


def _jump(nodes: Frame, edges: int) -> tuple[Frame, Frame | None]:
    """Let each customer look twice as far up in each round, until all see their root, or circles are all there is.

    Before a round that follows `step` lines, `up` is the one `step` lines above, and depth, family, size and worth are
    right within less than `step` lines.

    Returns:
        The customers with their figures; and, if there are circles, the customers of whom these consist.
    """
    step = 1
    while frames.row(nodes.select(open=(~UP.is_null()).cast(nw.Int64).sum()))["open"]:
        if step > edges:  # more lines up than there are: whoever is met there is on a circle
            return nodes, nodes.filter(~UP.is_null()).select(customer_id=UP).unique(subset=["customer_id"], keep="any")
        above = nodes.select(up=ID, next=UP, higher=nw.col("depth"), root=nw.col("family"))
        below = nodes.filter(~UP.is_null()).group_by("up").agg(more=nw.col("size").sum(), gain=nw.col("worth").sum())
        both = nodes.join(above, on="up", how="left").join(
            below.rename({"up": "customer_id"}), on="customer_id", how="left"
        )
        climbs = ~UP.is_null()
        nodes = _hold(both.select(
            "customer_id", up=nw.col("next"),
            family=nw.when(climbs).then(nw.col("root")).otherwise(nw.col("family")),
            depth=nw.when(climbs).then(nw.col("higher") + step).otherwise(nw.col("depth")).cast(nw.Int64),
            size=(nw.col("size") + nw.col("more").fill_null(0)).cast(nw.Int64),
            own=nw.col("own"), worth=nw.col("worth") + nw.col("gain").fill_null(0.0),
        ))  # fmt: skip
        step *= 2
    return nodes, None


def _last_of_each_circle(edges: Frame, circle: Frame) -> Frame:
    """Who was brought by the latest invitation of a circle: with that line cut, it is none any more."""
    ring = _hold(edges.join(circle, on="customer_id", how="inner").with_columns(latest=INVITED))
    size, step = frames.row(ring.select(n=nw.len()))["n"], 1
    while step < size:
        above = ring.select(up=ID, next=UP, later=nw.col("latest"))
        both = ring.join(above, on="up", how="inner")
        later = nw.when(nw.col("later") > nw.col("latest")).then(nw.col("later")).otherwise(nw.col("latest"))
        ring = _hold(both.select("customer_id", "invited_at", up=nw.col("next"), latest=later))
        step *= 2
    return ring.filter(INVITED == nw.col("latest")).select("customer_id")


def _hold(frame: Frame) -> Frame:
    """The same table computed once, in its engine: what refers to itself in each round would double each time."""
    if isinstance(frame, nw.DataFrame):
        return frame
    if frame.implementation.is_pyspark():
        return frames.as_frame(frame.to_native().localCheckpoint())
    return frames.same_kind(frame, frames.fetch(frame))
