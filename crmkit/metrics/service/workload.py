"""How much there is to do, and whether it is done as promised. Metrics 49, 57 and 58."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.estimate import Definition, Figures, Sums, Window, counts, rates
from crmkit.frames import EPOCH, EPOCH_DAY, Names, columns_of
from crmkit.metrics.service.exposure import valid_orders
from crmkit.metrics.service.hours import Clock, minutes
from crmkit.metrics.service.tickets import (
    AT,
    KIND,
    TABLES,
    TO,
    Desk,
    Log,
    Mark,
    desk_of,
    fact_marks,
    filled,
    into_solved,
    open_desk,
    open_log,
    out_of_solved,
    reduced,
)
from crmkit.metrics.service.timing import Statistic, When, created_in, typical
from crmkit.reduction import STATISTICS, needed, one_of, summarise, time_window, within
from crmkit.rows import AT as ORDERED
from crmkit.rows import Units

CREATED = nw.col("created_at")


def ticket_volume(
    tickets: Any,
    *,
    start: When = None,
    end: When = None,
    kind: str | None = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """How many tickets were created in the window; what was merged into another one is the same matter.

    Args:
        tickets: One row per ticket: `ticket_id`, `created_at`; `status` and `merged_into_ticket_id` are heeded where
            present, `kind` if it is asked for.
        start, end: Window in which the ticket was created, `[start, end)`; `None` = open.
        kind: Only tickets of this kind, e.g. "question".
        by: Ticket column to group by.
        columns: Your own column names by the model's.

    Returns:
        An `Estimate` (tickets) with Garwood's interval for what comes by chance; with `by`, a table of the engine's
        own kind: the group, value, low, high, n, numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`.

    Examples:
        >>> import pandas as pd
        >>> made = pd.to_datetime(["2026-03-01", "2026-04-01"])
        >>> float(ticket_volume(pd.DataFrame({"ticket_id": ["1", "2"], "created_at": made}), end="2026-04-01"))
        1.0
    """
    window = time_window(start, end)
    desk = _without_log(tickets, kind, by, columns)
    wanted = desk.units().sums(tickets=created_in(window, kind), seen=~CREATED.is_null())
    definition = Definition("ticket_volume.created")
    return summarise(
        wanted, lambda sums: counts(sums["tickets"], sums["seen"]), window, definition, by=by, unit="count"
    )


def contact_rate(
    tickets: Any,
    orders: Any,
    *,
    start: When = None,
    end: When = None,
    kind: str | None = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Tickets created in the window per 100 orders of the window.

    Args:
        tickets, start, end, kind: As for `ticket_volume`.
        orders: One row per order: `customer_id`, `ordered_at`; those that are cancelled, tests or refunded in full do
            not count.
        by: Column to group by, in both tables.
        columns: Own names of ticket columns by the model's, or `{"tickets": {…}, "orders": {…}}`.

    Returns:
        An `Estimate` (tickets per 100 orders) with Garwood's interval of the tickets, NaN without orders; with `by`, a
        table as for `ticket_volume`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `ticket_volume`.

    Examples:
        >>> import crmkit
        >>> shop = crmkit.simulate("salon", customers=200, weeks=20, seed=7)
        >>> 0 < float(contact_rate(shop.tickets, shop.orders)) < 100
        True
    """
    window = time_window(start, end)
    desk = _without_log(tickets, kind, by, columns)
    sold = valid_orders(orders, by=by, columns=columns_of(columns, "orders", TABLES))
    parts = [
        desk.units(created_in(window, kind)).sums(tickets=~CREATED.is_null()),
        sold.units(within(ORDERED, window)).sums(orders=~ORDERED.is_null()),
    ]
    definition = Definition("contact_rate.orders")
    return summarise(
        parts, lambda sums: rates(sums["tickets"], sums["orders"], 100), window, definition, by=by, unit="per_100"
    )


def _without_log(tickets: Any, kind: str | None, by: str | None, columns: Names) -> Desk:
    """A desk of which only the ticket table is known."""
    must = () if kind is None else ("kind",)
    opened = open_desk(tickets, by=by, columns=columns, details=must, must=must)
    frame = opened.frame.with_columns(_known=nw.lit(0), _early=nw.lit(0))
    return desk_of(frame, opened, Log(frame, 0, (), (None, None)))


def backlog(
    tickets: Any,
    ticket_events: Any,
    *,
    as_of: When,
    kind: str | None = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Tickets open at an instant: created before it, and neither solved nor closed by then. A stock, not a flow.

    Merged tickets are in no backlog, also of an instant before they were merged: the matter is counted once, with the
    ticket they went up in, and the ticket table does not say when that was.

    Args:
        tickets, ticket_events: As for `first_reply_time`; the state is replayed from the log, not taken from `status`.
            Rows with faults are counted among moves, assignments and agents' public comments, not among bots' words.
        as_of: The instant; what happens then or later is not looked at.
        kind: Only tickets of this kind.
        by: Ticket column to group by.
        columns: As for `first_reply_time`.

    Returns:
        An `Estimate` (tickets) without an interval, since all are counted; n = tickets created before. In `besides`
        those `unassigned` (never given to anybody; one put back is not among them) and those `unanswered` by a person.
        With `by`, a table as for `ticket_volume`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `first_reply_time`.

    Examples:
        >>> import pandas as pd
        >>> made = pd.to_datetime(["2026-03-01", "2026-03-02"])
        >>> tickets = pd.DataFrame({"ticket_id": ["1", "2"], "created_at": made})
        >>> events = pd.DataFrame({
        ...     "event_id": ["E1"], "ticket_id": "1", "kind": "status_change", "is_public": False,
        ...     "occurred_at": pd.to_datetime(["2026-03-01 10:00"]),
        ...     "actor_type": ["agent"], "from_value": "open", "to_value": "solved",
        ... })
        >>> float(backlog(tickets, events, as_of="2026-03-03"))
        1.0
    """
    until = frames.instant(needed("backlog", "as_of", as_of), "as_of")
    units = _stock(tickets, ticket_events, until, kind, by, columns)
    is_open = ~nw.col("is_solved")
    wanted = units.sums(
        open=is_open,
        seen=~CREATED.is_null(),
        unassigned=is_open & nw.col("_unassigned"),
        unanswered=is_open & nw.col("first_reply_at").is_null(),
    )
    definition = Definition("backlog.stock", {"as_of": f"{until:%Y-%m-%d %H:%M}"})
    apart = ("unassigned", "unanswered")
    return summarise(wanted, _stock_figures, Window(None, until), definition, by=by, unit="count", besides=apart)


def _stock_figures(sums: Sums) -> Figures:
    """How many are there; NaN where there was never any."""
    nothing, seen = np.full(len(sums["seen"]), np.nan), sums["seen"].astype(np.int64)
    return Figures(sums["open"], nothing, nothing, seen, sums["open"], seen, "none").where(seen > 0)


def _stock(
    tickets: Any, ticket_events: Any, until: datetime, kind: str | None, by: str | None, columns: Names
) -> Units:
    """Tickets created before an instant, as they stood just before it."""
    must = () if kind is None else ("kind",)
    opened = open_desk(tickets, by=by, columns=columns, details=(*must, "assignee_id"), must=must)
    log = open_log(ticket_events, opened.kinds(("reply", "status_change", "assignment")), columns=columns)
    facts = ("first_reply_at", "is_solved")
    handed = KIND == "assignment"
    marks: dict[str, Mark] = {
        name: (met & (AT < until), made, how) for name, (met, made, how) in fact_marks(facts).items()
    }
    marks["_given"] = (handed & (AT < until) & ~TO.is_null(), nw.lit(1), "sum")
    marks["_ever_given"] = (handed, nw.lit(1), "sum")
    frame = filled(reduced(opened, log, marks), facts)
    # a ticket whose log knows of no assignment at all had its agent from the start
    always = ~nw.col("assignee_id").is_null() & (nw.col("_ever_given").fill_null(0) == 0)
    frame = frame.with_columns(_unassigned=(nw.col("_given").fill_null(0) == 0) & ~always)
    inside = CREATED < until
    if kind is not None:
        inside = inside & (nw.col("kind") == kind).fill_null(False)
    return desk_of(frame, opened, log).units(inside)


def backlog_age(
    tickets: Any,
    ticket_events: Any,
    *,
    as_of: When,
    statistic: Statistic = "median",
    kind: str | None = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """How many days the tickets open at an instant have been there.

    Args:
        tickets, ticket_events, as_of, kind, by, columns: As for `backlog`, faults of the log too: among bots' words
            they are not counted.
        statistic: "median", "p90" or "mean"; the other two are shown beside it.

    Returns:
        An `Estimate` in days on the calendar, with an interval by order statistics, NaN if nothing is open; n = open
        tickets. With `by`, a table as for `ticket_volume`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `backlog`.

    Examples:
        >>> import pandas as pd
        >>> tickets = pd.DataFrame({"ticket_id": ["1"], "created_at": pd.to_datetime(["2026-03-01"])})
        >>> events = pd.DataFrame({
        ...     "event_id": ["E1"], "ticket_id": "1", "kind": "comment", "is_public": True,
        ...     "occurred_at": pd.to_datetime(["2026-03-01 10:00"]),
        ...     "actor_type": ["agent"], "from_value": None, "to_value": None,
        ... })
        >>> float(backlog_age(tickets, events, as_of="2026-03-03"))
        2.0
    """
    one_of("statistic", statistic, STATISTICS)
    until = frames.instant(needed("backlog_age", "as_of", as_of), "as_of")
    units = _stock(tickets, ticket_events, until, kind, by, columns)
    aged = Clock(units.frame).read(
        units.frame.with_columns(_until=nw.lit(until)), {"_from": "created_at", "_to": "_until"}
    )
    aged = aged.filter(~nw.col("is_solved")).with_columns(minutes=minutes("_from", "_to") / 1440)
    definition = Definition("backlog_age.calendar", {"as_of": f"{until:%Y-%m-%d %H:%M}"})
    return typical(Units(units.source, aged), Window(None, until), definition, statistic, by, unit="days")


def backlog_by_day(
    tickets: Any, ticket_events: Any, *, start: When = None, end: When = None, columns: Names = None
) -> Any:
    """How the backlog came about: what came in, was solved and was reopened each day, and what was open at its end.

    Args:
        tickets, ticket_events, columns: As for `backlog`.
        start, end: Days to show, `[start, end)`; `None` = from the first ticket, to the day of the last event.

    Returns:
        A table of the engine's own kind, one row per day: `date`, `created`, `solved` (moves into solved or closed),
        `reopened` (moves out of them), `backlog` (open at the end of the day).

    Raises:
        MissingColumn, WrongType, ParameterError: as for `backlog`.

    Examples:
        >>> import pandas as pd
        >>> made = pd.to_datetime(["2026-03-01", "2026-03-02"])
        >>> tickets = pd.DataFrame({"ticket_id": ["1", "2"], "created_at": made})
        >>> events = pd.DataFrame({
        ...     "event_id": ["E1"], "ticket_id": "1", "kind": "status_change", "is_public": False,
        ...     "occurred_at": pd.to_datetime(["2026-03-02 10:00"]),
        ...     "actor_type": ["agent"], "from_value": "open", "to_value": "solved",
        ... })
        >>> backlog_by_day(tickets, events)["backlog"].to_list()
        [1, 1]
    """
    window = time_window(start, end)
    opened = open_desk(tickets, columns=columns, details=())
    log = open_log(ticket_events, opened.kinds(("status_change",)), columns=columns)
    units = desk_of(reduced(opened, log, {}), opened, log).units()
    units.tally(all=~CREATED.is_null())  # for its warnings
    born = units.frame.select("ticket_id", "created_at")
    moves = log.frame.join(born, on="ticket_id", how="inner").filter(AT >= CREATED)
    one = nw.lit(1)
    solved, reopened = (nw.when(met).then(one) for met in (into_solved(), out_of_solved()))
    moved = moves.select(day=frames.day_number(AT), solved=solved, reopened=reopened)
    came = born.select(day=frames.day_number(CREATED), created=one)
    flows = [
        frames.rows(came.group_by("day").agg(nw.col("created").sum())),
        frames.rows(moved.group_by("day").agg(nw.col("solved", "reopened").sum())),
    ]
    return frames.give_back(frames.same_kind(units.frame, frames.table(units.frame, _days(flows, window))))


def _days(flows: list[list[dict[str, Any]]], window: Window) -> dict[str, Any]:
    """What happened on each day of the window, and the running balance."""
    names = ("created", "solved", "reopened")
    days = [int(row["day"]) for rows in flows for row in rows]
    if not days:
        return {
            "date": np.array([], "datetime64[us]"),
            **{name: np.array([], np.int64) for name in (*names, "backlog")},
        }
    first, length = min(days), max(days) - min(days) + 1
    flow = {name: np.zeros(length, np.int64) for name in names}
    for row in (row for rows in flows for row in rows):
        place = int(row["day"]) - first
        for name in names:
            flow[name][place] += int(row.get(name) or 0)
    made = {**flow, "backlog": np.cumsum(flow["created"] - flow["solved"] + flow["reopened"])}
    dates = [EPOCH + timedelta(first - EPOCH_DAY + day) for day in range(length)]
    shown = [
        (window.start is None or date >= window.start) and (window.end is None or date < window.end) for date in dates
    ]
    kept = np.flatnonzero(shown)
    return {
        "date": np.array([dates[row] for row in kept], "datetime64[us]"),
        **{name: values[kept] for name, values in made.items()},
    }
