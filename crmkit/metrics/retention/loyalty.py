"""The loyalty programme: who takes part, what becomes of the points, and what they still cost. Metric 47."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames, intervals
from crmkit.errors import AmbiguousFigure, ParameterError
from crmkit.estimate import Definition, Estimate, Figures, Sums, ratios, shares
from crmkit.frames import Columns, Frame, Names, columns_of
from crmkit.reduction import needed, summarise, time_window, whole_number, within
from crmkit.rows import AT, History, Rows, Units, open_orders, open_rows

When = str | datetime
POINTS = nw.col("points")
MEMBERS = ("customers", "orders")


def program_participation_rate(
    customers: Any,
    loyalty_events: Any = None,
    *,
    as_of: When | None = None,
    active_days: int | None = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Of the customers on record, how many are members of the programme, or take an active part in it.

    Args:
        customers: `customer_id`, `member_since`; `registered_at` is heeded where present.
        loyalty_events: `customer_id`, `occurred_at`; needed for `active_days`.
        as_of: The instant; who registered or joined later is not counted. `None` = the end of the data.
        active_days: `None` = members; a number = members with an event in so many days before `as_of`, which is needed
            then. Points that lapse are no sign of life.
        by: Column of `customers` to group by.
        columns: Your own column names by the model's, for `customers`; for both tables
            `{"customers": {…}, "loyalty_events": {…}}`.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN without customers; with `by`, a table of the engine's own kind:
        the group, value, low, high, n, numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `active_days` without `as_of`, or below 1.

    Examples:
        >>> import pandas as pd
        >>> customers = pd.DataFrame({
        ...     "customer_id": ["A", "B"], "member_since": pd.to_datetime(["2026-01-10", None]),
        ... })
        >>> float(program_participation_rate(customers))
        0.5
    """
    names = ("customers", "loyalty_events")
    window = time_window(None, as_of)
    opened = _members(customers, window.end, by, columns_of(columns, names[0], names))
    people, above = opened.rows(nw.col("known")), nw.col("member")
    definition = Definition("program_participation_rate.member")
    if active_days is not None:
        end = frames.instant(needed("program_participation_rate", "as_of", as_of), "as_of")
        days = whole_number("active_days", active_days)
        events = _events(loyalty_events, columns_of(columns, names[1], names))
        lately = (AT < end) & (AT >= end - timedelta(days=days)) & (nw.col("kind") != "expire")
        active = events.rows(lately).select(of="customer_id").unique().with_columns(active=nw.lit(True))
        people = people.join(active, left_on="customer_id", right_on="of", how="left")
        above = above & ~nw.col("active").is_null()
        definition = Definition("program_participation_rate.active", {"active_days": days})
    wanted = Units(opened, people).sums(above=above, below=nw.lit(1.0))
    return summarise(wanted, _share, window, definition, by=by)


def redemption_rate(
    loyalty_events: Any,
    *,
    start: When | None = None,
    end: When | None = None,
    as_of: When | None = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Of the points earned in the window, how many have been redeemed by `as_of`.

    Points are used and lapse in the order in which they were earned, the oldest first. So the rate is about one cohort
    of points, and does not move when the programme grows, as redeemed ÷ earned of the same month would.

    Args:
        loyalty_events: `loyalty_event_id`, `customer_id`, `occurred_at`, `kind` ("earn", "redeem", "expire" are looked
            at), `points`. Give the whole history, not only the window.
        start, end: Window `[start, end)` in which the points were earned; `None` = open.
        as_of: Up to when redemptions count, not included; `None` = the end of the data.
        by: Column to group by; a customer's group is that of the first event.
        columns: Your own column names by the model's.

    Returns:
        An `Estimate` (0–1; numerator and denominator in points) with the delta method's interval over customers, NaN if
        no points were earned; with `by`, a table as for `program_participation_rate`. `besides` has the share that has
        lapsed (`breakage`) and the share that is still open.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`.

    Examples:
        >>> import pandas as pd
        >>> events = pd.DataFrame({
        ...     "loyalty_event_id": ["1", "2", "3"], "customer_id": ["A", "A", "A"],
        ...     "kind": ["earn", "earn", "redeem"], "points": [100, 100, 150],
        ...     "occurred_at": pd.to_datetime(["2026-01-10", "2026-02-10", "2026-03-10"]),
        ... })
        >>> float(redemption_rate(events, end="2026-02-01")), float(redemption_rate(events, start="2026-02-01"))
        (1.0, 0.5)
    """
    window, until = time_window(start, end), time_window(None, as_of)
    history = _moves(loyalty_events, by, columns)
    customers = _used(history, window, until)
    y, lapsed, x = nw.col("redeemed"), nw.col("lapsed"), nw.col("earned")
    there = Units(history, customers.filter(x > 0))
    wanted = there.sums(n=nw.lit(1.0), y=y, x=x, yy=y * y, xy=y * x, xx=x * x, lapsed=lapsed)
    definition = Definition("redemption_rate.earn_cohort")
    if by is not None:
        return summarise(wanted, _ratio, window, definition, by=by)
    figure: Estimate = summarise(wanted, _ratio, window, definition, besides=("lapsed",))
    gone = figure.besides["lapsed"] / figure.denominator if figure.denominator else np.nan
    return replace(figure, besides={"breakage": float(gone), "still_open": float(1 - gone - figure.value)})


def points_liability(
    loyalty_events: Any,
    *,
    as_of: When | None = None,
    yen_per_point: float = 1.0,
    expected_redemption: float | None = None,
    columns: Columns = None,
) -> Estimate:
    """What the points that are still out will cost: outstanding points × value × the share expected to be redeemed.

    Args:
        loyalty_events: As for `redemption_rate`. Points that have lapsed must be booked as "expire".
        as_of: The instant, not included; `None` = the end of the data.
        yen_per_point: What a redeemed point costs, in yen.
        expected_redemption: Share of the outstanding points that will be redeemed, 0–1; `None` = as of those settled
            so far, redeemed ÷ (redeemed + lapsed). In a young programme that is too high: points lapse late.
        columns: Your own column names by the model's.

    Returns:
        An `Estimate` in yen; the interval (delta method over customers) is that of the expected share, and is missing
        if you give the share. NaN if nothing has been settled to learn the share from. `besides`: the points
        outstanding, what they would cost if all were redeemed, and customers who used more points than they had.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: a share outside 0–1, or a value below 0.

    Examples:
        >>> import pandas as pd
        >>> events = pd.DataFrame({
        ...     "loyalty_event_id": ["1", "2", "3"], "customer_id": ["A", "A", "A"],
        ...     "kind": ["earn", "redeem", "expire"], "points": [1000, 300, 100],
        ...     "occurred_at": pd.to_datetime(["2026-01-10", "2026-02-10", "2026-03-10"]),
        ... })
        >>> float(points_liability(events))
        450.0
    """
    _check_values(yen_per_point, expected_redemption)
    window = time_window(None, as_of)
    history = _moves(loyalty_events, None, columns)
    rows = history.rows(None if window.end is None else AT < window.end)
    rows = rows.with_columns(
        **{kind: nw.when(nw.col("kind") == kind).then(POINTS).otherwise(0.0) for kind in ("earn", "redeem", "expire")}
    )
    customers = rows.group_by("customer_id").agg(nw.col("earn", "redeem", "expire").sum())
    y = nw.col("redeem")
    x, left = y + nw.col("expire"), nw.col("earn") - y - nw.col("expire")
    wanted = Units(history, customers).sums(
        n=x > 0,
        y=y,
        x=x,
        yy=y * y,
        xy=y * x,
        xx=x * x,
        outstanding=nw.when(left > 0).then(left),
        overdrawn=left < 0,
        moved=nw.lit(1.0),
    )

    def liability(sums: Sums) -> Figures:
        return _liability(sums, yen_per_point, expected_redemption)

    kind = "expected" if expected_redemption is None else "given"
    parameters = {"yen": f"{yen_per_point:g}"}
    if expected_redemption is not None:
        parameters["share"] = f"{expected_redemption:.1%}"
    definition = Definition(f"points_liability.{kind}", parameters)
    figure: Estimate = summarise(
        wanted, liability, window, definition, unit="jpy", besides=("outstanding", "overdrawn")
    )
    full = float(figure.besides["outstanding"] * yen_per_point)
    return replace(figure, besides={**figure.besides, "if_all_redeemed": full})


def member_retention_gap(
    customers: Any,
    orders: Any,
    *,
    start: When,
    end: When,
    active_days: int = 365,
    columns: Names = None,
) -> Estimate:
    """How much more often members of the programme stay than other customers: an association, not an effect.

    Who joins is who likes the shop anyway, so the difference says nothing about what the programme brings. For that,
    keep some members out of a benefit by lot, and compare (`campaign_lift`).

    Args:
        customers: `customer_id`, `member_since`; a member is who had joined before `start`.
        orders: As for `retention_rate` on the activity basis.
        start, end: The two instants; each customer's state is taken just before them.
        active_days: How long an order keeps a customer active, in days.
        columns: Your own column names by the model's, for `customers`; for both tables
            `{"customers": {…}, "orders": {…}}`.

    Returns:
        An `Estimate`: the members' retention rate − the others' (−1 to 1), with Newcombe's interval; NaN if one of the
        two groups is empty. Numerator and denominator are the members'; `besides` has both rates and the number of
        others.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `retention_rate`.

    Examples:
        >>> import pandas as pd
        >>> customers = pd.DataFrame({
        ...     "customer_id": ["A", "B"], "member_since": pd.to_datetime(["2026-01-10", None]),
        ... })
        >>> orders = pd.DataFrame({
        ...     "customer_id": ["A", "B", "A"],
        ...     "ordered_at": pd.to_datetime(["2026-01-10", "2026-01-12", "2026-03-10"]),
        ... })
        >>> gap = member_retention_gap(customers, orders, start="2026-03-01", end="2026-04-01", active_days=60)
        >>> float(gap), gap.notes[0].reason
        (1.0, 'members_choose')
    """
    window, span = time_window(start, end), whole_number("active_days", active_days)
    assert window.start is not None
    assert window.end is not None
    opened = _members(customers, window.start, None, columns_of(columns, "customers", MEMBERS))
    history = open_orders(orders, columns=columns_of(columns, "orders", MEMBERS))
    before = nw.when(AT < window.start).then(AT)
    states = history.per_customer({"before": (before, "max"), "last": (AT, "max")}, within=AT < window.end)
    there = (nw.col("before") >= window.start - timedelta(days=span)).fill_null(False)
    stayed = there & (nw.col("last") >= window.end - timedelta(days=span))
    joined = opened.rows(nw.col("member")).select(of="customer_id").with_columns(joined=nw.lit(True))
    people = states.frame.join(joined, left_on="customer_id", right_on="of", how="left")
    member = ~nw.col("joined").is_null()
    wanted = Units(history, people).sums(
        above=stayed & member, below=there & member, others_stayed=stayed & ~member, others=there & ~member
    )
    definition = Definition("member_retention_gap.association", {"active_days": span})
    figure: Estimate = summarise(wanted, _gap, window, definition, besides=("others_stayed", "others"))
    other = figure.besides["others_stayed"] / figure.besides["others"] if figure.besides["others"] else np.nan
    members = figure.numerator / figure.denominator if figure.denominator else np.nan
    besides = {
        "members_rate": float(members),
        "others_rate": float(other),
        "other_customers": int(figure.besides["others"]),
    }
    return replace(figure, besides=besides, notes=(*figure.notes, AmbiguousFigure("members_choose")))


def _share(sums: Sums) -> Figures:
    return shares(sums["above"], sums["below"])


def _ratio(sums: Sums) -> Figures:
    made = ratios(*(sums[name] for name in ("n", "y", "x", "yy", "xy", "xx")))
    return made.held(0, 1)


def _gap(sums: Sums) -> Figures:
    """Two shares of different people, and the interval of their difference."""
    one, other = shares(sums["above"], sums["below"]), shares(sums["others_stayed"], sums["others"])
    low, high = intervals.difference(one.value, one.low, one.high, other.value, other.low, other.high)
    n = one.n + other.n
    return Figures(one.value - other.value, low, high, n, one.numerator, one.denominator, "mover")


def _liability(sums: Sums, yen_per_point: float, expected: float | None) -> Figures:
    learnt = _ratio(sums)
    if expected is not None:
        value, nan = np.full(len(learnt.n), expected), np.full(len(learnt.n), np.nan)
        learnt = replace(learnt, value=value, low=nan, high=nan, method="none")
    out = sums["outstanding"] * yen_per_point
    # with nothing outstanding nothing is owed, whatever the share
    ends = (np.where(out == 0, 0.0, end * out) for end in (learnt.value, learnt.low, learnt.high))
    value, low, high = (np.where(sums["moved"] > 0, end, np.nan) for end in ends)
    n = sums["n"].astype(np.int64)
    return Figures(value, low, high, n, value, np.full(len(out), np.nan), learnt.method)


def _check_values(yen_per_point: float, expected: float | None) -> None:
    if not 0 <= yen_per_point < np.inf:
        raise ParameterError("at_least_zero", parameter="yen_per_point", value=yen_per_point)
    if expected is not None and not 0 <= expected <= 1:
        raise ParameterError("not_a_share", parameter="expected_redemption", value=expected)


def _members(customers: Any, at: datetime | None, by: str | None, columns: Columns) -> Rows:
    """Customers: whether they were on record at that time, and whether they were members."""
    needs = ("customer_id", "member_since", "registered_at")
    opened = open_rows(
        customers, "customers", needs=needs, must=needs[:2], rules={"no_customer": nw.col("customer_id").is_null()},
        key="customer_id", by=by, columns=columns,
    )  # fmt: skip
    since, known = nw.col("member_since"), nw.lit(True)
    member = ~since.is_null()
    if at is not None:
        member = member & (since < at)
        if "registered_at" in opened.frame.collect_schema():
            known = ~(nw.col("registered_at") >= at).fill_null(False)
    frame = opened.frame.with_columns(known=known, member=member.fill_null(False))
    return Rows(frame, opened.reasons, opened.again, opened.table)


def _events(loyalty_events: Any, columns: Columns, by: str | None = None, points: bool = False) -> History:
    """Steps in the programme; with `points` those that move points, checked."""
    needs = ("loyalty_event_id", "customer_id", "occurred_at", "kind", *(["points"] if points else []))
    rules = {"no_customer": nw.col("customer_id").is_null(), "no_date": nw.col("occurred_at").is_null()}
    if points:
        moves = nw.col("kind").is_in(["earn", "redeem", "expire"])
        rules |= {
            "no_points": (POINTS.is_null() | ~POINTS.cast(nw.Float64).is_finite()) & moves,
            "negative": (POINTS < 0) & moves,
        }
    opened = open_rows(
        loyalty_events, "loyalty_events", needs=needs, must=needs, rules=rules, key="loyalty_event_id", by=by,
        columns=columns,
    )  # fmt: skip
    frame = opened.frame.with_columns(at=nw.col("occurred_at"))
    kept = ("loyalty_event_id", "customer_id", "at", "group", "kind", "points")
    return History(frame, opened.reasons, opened.again, opened.table, kept)


def _moves(loyalty_events: Any, by: str | None, columns: Columns) -> History:
    """Points earned, redeemed and lapsed, as numbers."""
    events = _events(loyalty_events, columns, by, points=True)
    moving = nw.col("kind").is_in(["earn", "redeem", "expire"]).fill_null(False)
    return replace(events, frame=events.frame.with_columns(POINTS.cast(nw.Float64)).filter(moving))


def _used(history: History, window: Any, until: Any) -> Frame:
    """Per customer: points `earned` in the window, and of these `redeemed` and `lapsed`, the oldest first.

    The points of a customer are a line in the order they were earned; each use takes the next stretch of it.
    """
    seen = None if until.end is None else AT < until.end
    rows = history.rows(seen)
    earns = nw.col("kind") == "earn"
    early = nw.lit(False) if window.start is None else AT < window.start
    stretch = rows.with_columns(
        past=nw.when(earns & early).then(POINTS).otherwise(0.0),
        own=nw.when(earns & within(AT, window)).then(POINTS).otherwise(0.0),
    )
    stretch = stretch.group_by("customer_id").agg(nw.col("past").sum(), earned=nw.col("own").sum())
    uses = rows.filter(~earns).select("loyalty_event_id", "customer_id", "at", "kind", "points")
    # no engine but some can add up along an order: each use meets the earlier ones of its customer
    earlier = uses.select(of="customer_id", key="loyalty_event_id", then="at", before="points")
    pairs = uses.join(earlier, left_on="customer_id", right_on="of", how="inner")
    first = (nw.col("then") < AT) | ((nw.col("then") == AT) & (nw.col("key") < nw.col("loyalty_event_id")))
    pairs = pairs.with_columns(before=nw.when(first).then(nw.col("before")).otherwise(0.0))
    found = pairs.group_by("loyalty_event_id", "customer_id", "kind", "points").agg(nw.col("before").sum())
    found = found.join(stretch.rename({"customer_id": "of"}), left_on="customer_id", right_on="of", how="inner")
    # the use takes [before, before + points); the window's points are [past, past + earned)
    begin = nw.max_horizontal(nw.col("before"), nw.col("past"))
    stop = nw.min_horizontal(nw.col("before") + POINTS, nw.col("past") + nw.col("earned"))
    taken = nw.when(stop > begin).then(stop - begin).otherwise(0.0)
    found = found.with_columns(
        redeemed=nw.when(nw.col("kind") == "redeem").then(taken).otherwise(0.0),
        lapsed=nw.when(nw.col("kind") == "expire").then(taken).otherwise(0.0),
    )
    found = found.group_by("customer_id").agg(nw.col("redeemed", "lapsed").sum()).rename({"customer_id": "of"})
    people = stretch.join(found, left_on="customer_id", right_on="of", how="left")
    people = people.with_columns(nw.col("redeemed", "lapsed").fill_null(0.0))
    if "group" not in history.frame.collect_schema():
        return people
    homes = history.per_customer({"home": (AT, "min")}, within=seen).frame.select(
        nw.col("customer_id").alias("of"), "group"
    )
    return people.join(homes, left_on="customer_id", right_on="of", how="inner")
