"""How tickets end: at the first touch, for good, after many hands, and at what cost. Metrics 55, 56, 59 and 67."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.estimate import Definition, Figures, Sums, bare, means, shares
from crmkit.frames import Frame, Names, columns_of, day_number
from crmkit.metrics.service.exposure import MERGE_SIGNS, above_zero, hours_between, is_merged, marked
from crmkit.metrics.service.tickets import AT, KIND, Desk, into_solved, once, open_log, open_tickets, out_of_solved
from crmkit.reduction import one_of, summarise, time_window, whole_number, within
from crmkit.rows import Units, open_rows

When = Any
CREATED, SOLVED_AT = nw.col("created_at"), nw.col("first_solved_at")
ZAMMAD_MINUTES = 15
DESK = ("tickets", "ticket_events")


def one_touch_resolution_rate(
    tickets: Any,
    ticket_events: Any,
    *,
    start: When = None,
    end: When = None,
    as_of: When = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Of the tickets that are solved, how many took exactly one public comment of an agent.

    It says how little was said, not whether it was enough: read it beside `reopen_rate`.

    Args:
        tickets: One row per ticket: `ticket_id`, `created_at`; `created_by` and `status` are heeded where present.
        ticket_events: The log: `event_id`, `ticket_id`, `occurred_at`, `actor_type`, `kind`, `is_public`,
            `from_value`, `to_value`. The opening comment of a ticket that an agent opened is not counted. Rows with
            faults are counted among moves and agents' public comments, not among bots' words.
        start, end: Window in which the ticket was created, `[start, end)`; `None` = open.
        as_of: The instant up to which (it not included) the log is read; `None` = all of it.
        by: Column of `tickets` to group by.
        columns: Your own column names by the model's: of `tickets`, or of both: `{"ticket_events": {…}}`.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN if nothing is solved; `besides` counts the solved tickets
        without a public comment. With `by`, a table of the engine's own kind: the group, value, low, high, n,
        numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`.

    Examples:
        >>> import pandas as pd
        >>> tickets = pd.DataFrame({"ticket_id": ["t", "u"], "created_at": pd.Timestamp("2026-03-02 10:00")})
        >>> log = pd.DataFrame({
        ...     "event_id": list("abcd"), "ticket_id": list("ttuu"), "occurred_at": pd.Timestamp("2026-03-02 11:00"),
        ...     "actor_type": "agent", "kind": ["comment", "status_change"] * 2, "is_public": [True, False] * 2,
        ...     "from_value": [None, "new"] * 2, "to_value": [None, "solved", None, "pending"],
        ... })
        >>> float(one_touch_resolution_rate(tickets, log))
        1.0

    References:
        dbt_zendesk, zendesk__ticket_metrics: is_one_touch_resolution.
    """
    window = time_window(start, end)
    asked = _open(tickets, ticket_events, by, columns, as_of, ("is_solved", "public_agent_comments"))
    solved, touches = nw.col("is_solved"), nw.col("public_agent_comments")
    wanted = Units(asked.source, asked.frame.filter(within(CREATED, window)))
    definition = Definition("one_touch_resolution_rate.public")
    sums = wanted.sums(above=solved & (touches == 1), below=solved, without_reply=solved & (touches == 0))
    return summarise(sums, _share, window, definition, by=by, besides=("without_reply",))


def first_contact_resolution_rate(
    tickets: Any,
    ticket_events: Any,
    *,
    method: str = "no_repeat",
    repeat_days: int = 7,
    start: When = None,
    end: When = None,
    as_of: When = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Of the tickets that were solved, how many were over with it: not reopened, and nothing new about the same matter.

    Not to be taken for the share solved at the first *level* (without handing over).

    Args:
        tickets, ticket_events, start, end, by, columns: As for `one_touch_resolution_rate`; `customer_id` and
            `category` tell whether a new ticket is about the same matter.
        method: "no_repeat" = no reopening and no new ticket of the same customer and category within `repeat_days` days
            after the first solution, among tickets solved as long ago. A reopening counts whenever it came, for the
            matter was not over; a ticket of no known customer cannot come again, and tickets without a category are
            of one. "zammad" = solved within 15 minutes, among all tickets solved (Zammad's first solution).
        repeat_days: How many days a matter has to stay quiet.
        as_of: Up to when the data were collected, not included; default: just after the last event.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN without solved tickets; `besides` of "no_repeat": how many were
        reopened, came again, or were solved too short ago to tell. With `by`, a table as for
        `one_touch_resolution_rate`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `one_touch_resolution_rate`, or an unknown `method`.

    Examples:
        >>> import pandas as pd
        >>> tickets = pd.DataFrame({
        ...     "ticket_id": ["t", "u"], "customer_id": "c", "category": "price",
        ...     "created_at": pd.to_datetime(["2026-03-02 10:00", "2026-03-05 10:00"]),
        ... })
        >>> log = pd.DataFrame({
        ...     "event_id": list("ab"), "ticket_id": ["t", "u"], "actor_type": "agent", "kind": "status_change",
        ...     "occurred_at": pd.to_datetime(["2026-03-02 11:00", "2026-03-05 11:00"]), "is_public": False,
        ...     "from_value": "new", "to_value": "solved",
        ... })
        >>> float(first_contact_resolution_rate(tickets, log, as_of="2026-04-01"))
        0.5

    References:
        MetricNet, First contact resolution. Zammad, app/models/report.rb (first solution).
    """
    window = time_window(start, end)
    one_of("method", method, ("no_repeat", "zammad"))
    days = whole_number("repeat_days", repeat_days)
    if method == "zammad":
        asked = _open(tickets, ticket_events, by, columns, as_of, ("first_solved_at",))
        solved = ~SOLVED_AT.is_null()
        quick = hours_between(CREATED, nw.coalesce(SOLVED_AT, CREATED)) * 60 <= ZAMMAD_MINUTES
        wanted = Units(asked.source, asked.frame.filter(within(CREATED, window)))
        definition = Definition("first_contact_resolution_rate.zammad", {"minutes": ZAMMAD_MINUTES})
        return summarise(wanted.sums(above=solved & quick, below=solved), _share, window, definition, by=by)
    until = frames.instant(as_of, "as_of") if as_of is not None else _after_last(ticket_events, columns)
    details = ("customer_id", "category")
    opened = _open(tickets, ticket_events, by, columns, as_of, ("first_solved_at", "reopens"), details)
    watched = SOLVED_AT < until - timedelta(days=days)
    reopened, again = nw.col("reopens") > 0, marked("_again")
    apart = {"reopened": watched & reopened, "came_again": watched & again, "too_young": ~watched}
    definition = Definition("first_contact_resolution_rate.no_repeat", {"repeat_days": days})

    def figure(desk: Desk) -> Any:
        frame = _with_repeats(desk.units().frame, days).filter(within(CREATED, window) & ~SOLVED_AT.is_null())
        sums = Units(desk, frame).sums(above=watched & ~reopened & ~again, below=watched, **apart)
        return summarise(sums, _share, window, definition, by=by, besides=tuple(apart))

    return once(cast("Desk", opened.source), figure)  # its tickets are looked at twice


def reopen_rate(
    tickets: Any,
    ticket_events: Any,
    *,
    thanks_hours: float | None = None,
    start: When = None,
    end: When = None,
    as_of: When = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Of the tickets that were ever solved, how many were opened again, whether they are open still or not.

    Args:
        tickets, ticket_events, start, end, as_of, by, columns: As for `one_touch_resolution_rate`.
        thanks_hours: A reopening that is solved again within so many hours, without a public comment of an agent in
            between, was but a late thank-you and does not count; `None` = every reopening counts. Faults among bots'
            words are not counted here either.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN if nothing was ever solved; `besides`: the tickets that are open
        still, the reopenings in all, and the share by dbt_zendesk's count (solved more than once), which misses those
        that are open still. With `by`, a table as for `one_touch_resolution_rate`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `one_touch_resolution_rate`, or hours that are not above 0.

    Examples:
        >>> import pandas as pd
        >>> tickets = pd.DataFrame({"ticket_id": ["t", "u"], "created_at": pd.Timestamp("2026-03-02 10:00")})
        >>> log = pd.DataFrame({
        ...     "event_id": list("abc"), "ticket_id": list("tut"), "actor_type": "agent", "kind": "status_change",
        ...     "occurred_at": pd.to_datetime(["2026-03-02 11:00", "2026-03-02 11:00", "2026-03-03 09:00"]),
        ...     "is_public": False, "from_value": ["new", "new", "solved"], "to_value": ["solved", "solved", "open"],
        ... })
        >>> rate = reopen_rate(tickets, log)
        >>> float(rate), rate.besides["dbt_zendesk"]
        (0.5, 0.0)

    References:
        dbt_zendesk, int_zendesk__ticket_historical_status: count_reopens. Zammad, its history of states.
    """
    window = time_window(start, end)
    if thanks_hours is not None:
        thanks_hours = above_zero("thanks_hours", thanks_hours)
    facts = ("is_solved", "times_solved", "reopens")
    asked = _open(tickets, ticket_events, by, columns, as_of, facts)
    frame = asked.frame.filter(within(CREATED, window) & (nw.col("times_solved") > 0))
    reopens = nw.col("reopens")
    if thanks_hours is not None:
        thanks = _thanks(ticket_events, columns, as_of, thanks_hours)
        frame = frame.join(thanks, on="ticket_id", how="left")
        reopens = reopens - nw.col("_thanks").fill_null(0)
    sums = Units(asked.source, frame).sums(
        above=reopens > 0,
        below=nw.lit(1.0),
        reopenings=reopens,
        open_still=(reopens > 0) & ~nw.col("is_solved"),
        twice=nw.col("times_solved") > 1,
    )
    variant = "all" if thanks_hours is None else "no_thanks"
    definition = Definition(f"reopen_rate.{variant}", {} if thanks_hours is None else {"thanks_hours": thanks_hours})
    made = summarise(sums, _share, window, definition, by=by, besides=("reopenings", "open_still", "twice"))
    if by is not None:
        return made
    besides = dict(made.besides)
    twice = besides.pop("twice")
    return replace(made, besides={**besides, "dbt_zendesk": twice / made.n if made.n else np.nan})


def transfers_per_ticket(
    tickets: Any,
    ticket_events: Any,
    *,
    counted: str = "assignments",
    start: When = None,
    end: When = None,
    as_of: When = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """How often a ticket went from one hand to another, on average.

    Args:
        tickets, ticket_events, start, end, as_of, by, columns: As for `one_touch_resolution_rate`.
        counted: "assignments" = changes of the assignment from somebody (or a team) to somebody else, after the first;
            a ticket put back and taken up later is no such change, since nobody handed it to anybody. "commenters" =
            different agents who commented, publicly or not (dbt_zendesk's ticket handoffs: 1 = nobody handed over);
            needs `actor_id` in the log.

    Returns:
        An `Estimate` in times per ticket with Student's interval, NaN without tickets; `besides` counts the tickets
        that were handed over at all. With `by`, a table as for `one_touch_resolution_rate`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `one_touch_resolution_rate`, or an unknown `counted`.

    Examples:
        >>> import pandas as pd
        >>> tickets = pd.DataFrame({"ticket_id": ["t", "u"], "created_at": pd.Timestamp("2026-03-02 10:00")})
        >>> log = pd.DataFrame({
        ...     "event_id": list("ab"), "ticket_id": ["t", "t"], "actor_type": "system", "kind": "assignment",
        ...     "occurred_at": pd.to_datetime(["2026-03-02 10:01", "2026-03-02 10:30"]), "is_public": False,
        ...     "from_value": [None, "A1"], "to_value": ["A1", "A2"],
        ... })
        >>> float(transfers_per_ticket(tickets, log))
        0.5

    References:
        dbt_zendesk, zendesk__ticket_metrics: count_ticket_handoffs.
    """
    window = time_window(start, end)
    one_of("counted", counted, ("assignments", "commenters"))
    asked = _open(tickets, ticket_events, by, columns, as_of, ("transfers",))
    frame, moves = asked.frame.filter(within(CREATED, window)), nw.col("transfers")
    if counted == "commenters":
        frame = frame.join(_commenters(ticket_events, columns, as_of), on="ticket_id", how="left")
        moves = nw.col("_commenters").fill_null(0)
    handed = moves > (1 if counted == "commenters" else 0)
    sums = Units(asked.source, frame).sums(n=nw.lit(1.0), total=moves, squares=moves * moves, handed_over=handed)
    definition = Definition(f"transfers_per_ticket.{counted}")
    return summarise(sums, _mean, window, definition, by=by, unit="times", besides=("handed_over",))


def cost_per_contact(
    costs: Any,
    tickets: Any,
    *,
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """What the service cost in the window, per ticket created in it.

    Wages are paid whether the telephone rings or not, so a quiet month is a dear one: compare like with like.

    Args:
        costs: One row per booking: `cost_id`, `incurred_date`, `purpose`, `amount`; those of purpose "service" count.
        tickets: One row per ticket: `ticket_id`, `created_at`; merged ones are left out.
        start, end: Window of both, `[start, end)`; `None` = open.
        by: Column of both tables to group by, e.g. "channel".
        columns: Your own column names by the model's, of `costs`, or of both: `{"tickets": {…}}`.

    Returns:
        An `Estimate` in yen per ticket, without an interval (the books are no sample); NaN without tickets or without
        bookings. With `by`, a table as for `one_touch_resolution_rate`.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`.

    Examples:
        >>> import pandas as pd
        >>> day = pd.Timestamp("2026-03-01")
        >>> costs = pd.DataFrame({"cost_id": ["1"], "incurred_date": [day], "purpose": "service", "amount": [9000.0]})
        >>> tickets = pd.DataFrame({"ticket_id": ["1", "2"], "created_at": day})
        >>> float(cost_per_contact(costs, tickets))
        4500.0

    References:
        MetricNet, Cost per contact: operating expense ÷ inbound contacts.
    """
    window = time_window(start, end)
    amount, day = nw.col("amount").cast(nw.Float64), nw.col("incurred_date")
    rules = {
        "no_date": day.is_null(),
        "no_purpose": nw.col("purpose").is_null(),
        "cost_amount_missing": amount.is_null(),
        "infinite": ~amount.is_finite() & ~amount.is_null(),
        "negative": amount < 0,
    }
    booked = open_rows(
        costs,
        "costs",
        needs=("cost_id", "incurred_date", "purpose", "amount"),
        must=("purpose",),
        rules=rules,
        key="cost_id",
        by=by,
        columns=columns_of(columns, "costs", ("costs", "tickets")),
    )
    names = columns_of(columns, "tickets", ("costs", "tickets"))
    needs = ("ticket_id", "created_at", *MERGE_SIGNS)
    found = frames.open_table(tickets, "tickets", needs=needs, columns=names).collect_schema()
    rules = {"no_date": CREATED.is_null(), "merged": is_merged(found)}
    opened = open_rows(tickets, "tickets", needs=needs, rules=rules, key="ticket_id", by=by, columns=names)
    service = booked.units(within(day, window) & (nw.col("purpose") == "service").fill_null(False))
    parts = [
        service.sums(spent=amount, bookings=nw.lit(1.0)),
        opened.units(within(CREATED, window)).sums(contacts=nw.lit(1.0)),
    ]
    return summarise(parts, _cost, window, Definition("cost_per_contact.tickets"), by=by, unit="jpy")


def _open(
    tickets: Any,
    ticket_events: Any,
    by: str | None,
    columns: Names,
    as_of: When,
    facts: Sequence[str],
    details: Sequence[str] = (),
) -> Units:
    return open_tickets(
        tickets, ticket_events, by=by, columns=columns, as_of=as_of, facts=facts, details=details, must=details
    )


def _share(sums: Sums) -> Figures:
    return shares(sums["above"], sums["below"])


def _mean(sums: Sums) -> Figures:
    return means(sums["n"], sums["total"], sums["squares"]).held(0, np.inf)


def _cost(sums: Sums) -> Figures:
    return bare(sums["spent"], sums["contacts"]).where(sums["bookings"] > 0)


def _log(ticket_events: Any, columns: Names, as_of: When, must: Sequence[str]) -> Frame:
    """The raw log up to `as_of`."""
    frame = frames.open_table(
        ticket_events,
        "ticket_events",
        needs=("ticket_id", "occurred_at", *must),
        must=must,
        columns=columns_of(columns, "ticket_events", DESK),
    )
    return frame if as_of is None else frame.filter(nw.col("occurred_at") < frames.instant(as_of, "as_of"))


def _after_last(ticket_events: Any, columns: Names) -> datetime:
    """When the log ends."""
    last = frames.row(_log(ticket_events, columns, None, ()).select(last=nw.col("occurred_at").max()))["last"]
    return datetime.max if last is None else frames.instant(last, "as_of") + timedelta(microseconds=1)


def _with_repeats(frame: Frame, days: int) -> Frame:
    """Each ticket, and whether its customer came `_again` about the same, within `days` days after the solution.

    The two are sought only in the same and the next stretch of so many days: an id that many people share would
    otherwise be set beside itself over and over.
    """
    same = {"_category": nw.col("category").fill_null("")}
    solved = frame.filter(~SOLVED_AT.is_null() & ~nw.col("customer_id").is_null())
    solved = solved.select("ticket_id", "customer_id", **same, solved=SOLVED_AT, _stretch=day_number(SOLVED_AT) // days)
    following = solved.with_columns(_stretch=nw.col("_stretch") + 1)
    created = frame.select("customer_id", **same, created=CREATED, _stretch=day_number(CREATED) // days)
    both: Frame = nw.concat([solved, following], how="vertical")
    pairs = both.join(created, on=["customer_id", "_category", "_stretch"], how="inner")
    solution, opening = nw.col("solved"), nw.col("created")
    again = pairs.filter((opening > solution) & (hours_between(solution, opening) <= 24 * days))
    again = again.select("ticket_id", _again=nw.lit(1)).unique(subset=["ticket_id"], keep="any")
    return frame.join(again, on="ticket_id", how="left")


def _thanks(ticket_events: Any, columns: Names, as_of: When, hours: float) -> Frame:
    """How many reopenings of each ticket were solved again soon, without another word of an agent: `_thanks`."""
    until = None if as_of is None else frames.instant(as_of, "as_of")
    log = open_log(ticket_events, ("status_change", "reply"), columns=columns, until=until).frame
    reopened = log.filter(out_of_solved()).select("event_id", "ticket_id", reopened=AT)
    solved = log.filter(into_solved()).select("ticket_id", solved=AT)
    pairs = reopened.join(solved, on="ticket_id", how="inner").filter(nw.col("solved") >= nw.col("reopened"))
    pairs = pairs.group_by("event_id", "ticket_id", "reopened").agg(nw.col("solved").min())
    pairs = pairs.filter(hours_between(nw.col("reopened"), nw.col("solved")) <= hours)
    said = log.filter((KIND == "comment") & nw.col("is_public") & (nw.col("actor_type") == "agent"))
    answered = pairs.join(said.select("ticket_id", said=AT), on="ticket_id", how="inner")
    answered = answered.filter((nw.col("said") >= nw.col("reopened")) & (nw.col("said") <= nw.col("solved")))
    quiet = pairs.join(answered.select("event_id"), on="event_id", how="anti")
    return quiet.group_by("ticket_id").agg(_thanks=nw.len())


def _commenters(ticket_events: Any, columns: Names, as_of: When) -> Frame:
    """How many different agents wrote about each ticket."""
    log = _log(ticket_events, columns, as_of, ("actor_id", "actor_type", "kind"))
    actor = nw.col("actor_id")
    wrote = log.filter((nw.col("kind") == "comment") & (nw.col("actor_type") == "agent") & ~actor.is_null())
    once = wrote.select("ticket_id", "actor_id").unique(subset=["ticket_id", "actor_id"], keep="any")
    return once.group_by("ticket_id").agg(_commenters=nw.len())
