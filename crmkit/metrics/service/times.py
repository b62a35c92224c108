"""How long customers wait: for a reply, for the next one, for the solution. Metrics 50–53 and 61.

Every duration is the difference of two instants of the log, on the calendar's clock or in opening hours, in minutes;
sub-seconds are cut off. What has not happened yet is set apart and counted, never taken as 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.estimate import Definition, Figures, Window, means
from crmkit.frames import Frame
from crmkit.metrics.service.exposure import Names
from crmkit.metrics.service.hours import Clock, hours_wanted, minutes
from crmkit.metrics.service.tickets import (
    AT,
    KIND,
    Desk,
    Log,
    Mark,
    Opened,
    desk_of,
    fact_marks,
    filled,
    held,
    into_solved,
    neighbour,
    open_desk,
    open_log,
    out_of_solved,
    reduced,
)
from crmkit.reduction import STATISTICS, Units, middle, one_of, time_window, within
from crmkit.spread import spread

When = Any
Hours = Literal["calendar", "business"]
Statistic = Literal["median", "p90", "mean"]
BY_AGENT = (nw.col("created_by") == "agent").fill_null(False)
# who waits in which states, after dbt_zendesk
WAITS = {
    "requester_wait": ("new", "open", "on_hold"),
    "agent_wait": ("pending",),
    "agent_work": ("new", "open"),
    "on_hold": ("on_hold",),
}
DURATION_COLUMNS = ("duration", "value", "low", "high", "n", "total_minutes")


@dataclass(frozen=True, slots=True)
class Timed:
    """A desk whose tickets and events can be read on one clock; `by` and `window` as the metric was asked."""

    opened: Opened
    log: Log
    clock: Clock
    hours: str
    by: str | None
    until: Any

    def desk(self, facts: Sequence[str], marks: Mapping[str, Mark] | None = None) -> Desk:
        """The tickets with these facts, and seconds beside the instants among them: `_created`, `_<fact>`."""
        frame = filled(reduced(self.opened, self.log, {**fact_marks(facts), **(marks or {})}), facts)
        ends = {f"_{name}": name for name in facts if name.endswith("_at")}
        frame = self.clock.read(frame, {"_created": "created_at", **ends})
        return desk_of(frame, self.opened, self.log, self.until)


def timed(
    metric: str,
    tickets: Any,
    ticket_events: Any,
    kinds: Sequence[str],
    *,
    hours: str,
    business_hours: Any,
    holidays: Any,
    by: str | None,
    columns: Names,
    kind: str | None = None,
    as_of: When = None,
) -> Timed:
    """Open both tables and set the clock; `kinds` of events to read."""
    opening = hours_wanted(hours, business_hours, holidays, metric)
    details = ("created_by",) if kind is None else ("created_by", "kind")
    must = () if kind is None else ("kind",)
    opened = open_desk(tickets, by=by, columns=columns, details=details, must=must)
    until = None if as_of is None else frames.instant(as_of, "as_of")
    log = open_log(ticket_events, opened.kinds(kinds), columns=columns, until=until)
    clock = Clock(opened.frame, opening, (*opened.span, *log.span))
    return Timed(opened, log, clock, hours, by, until)


def first_reply_time(
    tickets: Any,
    ticket_events: Any,
    *,
    hours: Hours = "calendar",
    business_hours: Any = None,
    holidays: Any = None,
    statistic: Statistic = "median",
    start: When = None,
    end: When = None,
    kind: str | None = None,
    agent_created: bool = False,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Minutes from a ticket's creation to the first public comment of an agent: a person, not a bot.

    Args:
        tickets: One row per ticket: `ticket_id`, `created_at`; `created_by`, `status` and `merged_into_ticket_id` are
            heeded where present.
        ticket_events: One row per event: `event_id`, `ticket_id`, `occurred_at`, `actor_type`, `kind`, `is_public`,
            `from_value`, `to_value`.
        hours: "calendar" = all minutes, "business" = those in opening hours.
        business_hours, holidays: As for `business_minutes`; needed for `hours="business"`.
        statistic: "median", "p90" or "mean"; the other two are shown beside it.
        start, end: Window in which the ticket was created, `[start, end)`; `None` = open.
        kind: Only tickets of this kind, e.g. "complaint".
        agent_created: Whether tickets that an agent opened count too; their clock runs to the next public comment.
        by: Ticket column to group by.
        columns: Your own column names by the model's: of `tickets`, or `{"tickets": {…}, "ticket_events": {…}}`.

    Returns:
        An `Estimate` in minutes with an interval by order statistics (the mean's by Student's t), NaN if nothing was
        answered; unanswered tickets, and those left out because an agent opened them, in `besides`. With `by`, a table
        of the engine's own kind: the group, value, low, high, n, numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: an unknown word, business hours that are missing or make no sense, `start` not before `end`.

    Examples:
        >>> import pandas as pd
        >>> tickets = pd.DataFrame({"ticket_id": ["T1"], "created_at": pd.to_datetime(["2026-03-06 17:30"])})
        >>> events = pd.DataFrame({
        ...     "event_id": ["E1", "E2"], "ticket_id": "T1", "kind": "comment", "is_public": True,
        ...     "occurred_at": pd.to_datetime(["2026-03-06 17:31", "2026-03-09 09:20"]),
        ...     "actor_type": ["bot", "agent"], "from_value": None, "to_value": None,
        ... })
        >>> float(first_reply_time(tickets, events))
        3830.0

    References:
        Zendesk's "first reply time", as dbt_zendesk computes it.
    """
    window = time_window(start, end)
    opened = timed("first_reply_time", tickets, ticket_events, ("answer",), hours=hours, business_hours=business_hours,
                   holidays=holidays, by=by, columns=columns, kind=kind)  # fmt: skip
    return _reply(opened, "first_reply_time", "first_reply_at", statistic, window, kind, agent_created)


def complaint_ack_time(
    tickets: Any,
    ticket_events: Any,
    *,
    hours: Hours = "calendar",
    business_hours: Any = None,
    holidays: Any = None,
    statistic: Statistic = "median",
    start: When = None,
    end: When = None,
    kind: str | None = "complaint",
    agent_created: bool = False,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Minutes until a complaint is known to have arrived: to the first public response, an automatic one included.

    Args:
        tickets, ticket_events, hours, business_hours, holidays, statistic, start, end, agent_created, by, columns: As
            for `first_reply_time`.
        kind: Kind of ticket; `None` = all of them.

    Returns:
        As `first_reply_time`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `first_reply_time`.

    Examples:
        >>> import pandas as pd
        >>> tickets = pd.DataFrame({
        ...     "ticket_id": ["T1"], "created_at": pd.to_datetime(["2026-03-06 17:30"]), "kind": "complaint",
        ... })
        >>> events = pd.DataFrame({
        ...     "event_id": ["E1", "E2"], "ticket_id": "T1", "kind": "comment", "is_public": True,
        ...     "occurred_at": pd.to_datetime(["2026-03-06 17:31", "2026-03-09 09:20"]),
        ...     "actor_type": ["bot", "agent"], "from_value": None, "to_value": None,
        ... })
        >>> float(complaint_ack_time(tickets, events))
        1.0

    References:
        JIS Q 10002:2015 has receipt (7.2), acknowledgement (7.4) and response (7.7) as steps of their own.
    """
    window = time_window(start, end)
    opened = timed("complaint_ack_time", tickets, ticket_events, ("answer",), hours=hours,
                   business_hours=business_hours, holidays=holidays, by=by, columns=columns, kind=kind)  # fmt: skip
    return _reply(opened, "complaint_ack_time", "first_public_at", statistic, window, kind, agent_created)


def _reply(
    opened: Timed, metric: str, fact: str, statistic: str, window: Window, kind: str | None, agent_created: bool
) -> Any:
    """From creation to an answer, of those who asked themselves."""
    desk = opened.desk((fact,))
    wanted = nw.lit(True) if agent_created else ~BY_AGENT
    waited = nw.when(wanted).then(minutes("_created", f"_{fact}"))
    apart = {"unanswered": wanted & nw.col(f"_{fact}").is_null()}
    apart |= {} if agent_created else {"agent_created": BY_AGENT}
    return _figure(opened, desk, waited, Definition(f"{metric}.{opened.hours}"), statistic, window, kind, apart)


def _figure(
    opened: Timed,
    desk: Desk,
    value: nw.Expr,
    definition: Definition,
    statistic: str,
    window: Window,
    kind: str | None,
    apart: Mapping[str, nw.Expr],
) -> Any:
    """A statistic of the minutes of the tickets created in the window; the log is read once."""
    one_of("statistic", statistic, STATISTICS)
    inside = within(nw.col("created_at"), window)
    inside = inside if kind is None else inside & (nw.col("kind") == kind).fill_null(False)
    flags = {name: met.cast(nw.Int64) for name, met in apart.items()}
    kept = ["created_at", "_merged", "_known", "_early", "counts", *(["group"] if opened.by is not None else [])]
    kept += ["kind"] if kind is not None else []
    lean = replace(desk, frame=desk.frame.with_columns(minutes=value, **flags).select(*kept, "minutes", *apart))
    with held(lean) as kept_desk:
        seen = {name: nw.col(name) > 0 for name in apart}
        return typical(kept_desk.units(inside), window, definition, statistic, opened.by, **seen)


def typical(
    units: Units, window: Window, definition: Definition, statistic: str, by: str | None, **apart: nw.Expr
) -> Any:
    """A statistic of the column `minutes`, with the other two beside it; what is set `apart` is counted."""
    if by is not None:
        return middle(units, nw.col("minutes"), window, definition, statistic=statistic, by=by)
    found = spread(units.frame.filter(~nw.col("minutes").is_null()), "minutes")
    counted, excluded, notes = units.sums(_none=nw.lit(0.0), **apart).whole()
    made = {name: _one(found, name) for name in STATISTICS}
    besides: dict[str, float] = {name: figures.value[0].item() for name, figures in made.items() if name != statistic}
    besides |= {name: int(counted[name]) for name in apart}
    return made[statistic].estimate(window, definition, unit="minutes", excluded=excluded, notes=notes, besides=besides)


def _one(found: Mapping[str, Any], statistic: str) -> Figures:
    """One statistic of what `spread` found in the whole table; no row at all is a figure without data."""
    n = found["n"]
    if statistic == "mean":
        return means(n, found["total"], found["squares"]).first()
    ends = found[f"{statistic}_low"], found[f"{statistic}_high"]
    return Figures(found[statistic], *ends, n, np.full(len(n), np.nan), n, "order").first()


def next_reply_time(
    tickets: Any,
    ticket_events: Any,
    *,
    hours: Hours = "calendar",
    business_hours: Any = None,
    holidays: Any = None,
    statistic: Statistic = "median",
    start: When = None,
    end: When = None,
    kind: str | None = None,
    first: bool = True,
    agent_created: bool = False,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Minutes that customers wait for an answer each time they write: from the first comment of a run to the answer.

    Comments of the customer with no agent's public comment between them are one run. A run ends with the answer, or
    unanswered when the ticket is solved; what the customer writes after that begins a new run.

    Args:
        tickets, ticket_events, hours, business_hours, holidays, statistic, kind, agent_created, by, columns: As for
            `first_reply_time`.
        start, end: Window in which the ticket was created.
        first: Whether the opening run of each ticket counts too; without it these are waits for later replies only.

    Returns:
        As `first_reply_time`, n = runs; in `besides` the runs that are `unanswered`, and of these those
        `solved_unanswered`: closed without a word.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `first_reply_time`.

    Examples:
        >>> import pandas as pd
        >>> tickets = pd.DataFrame({"ticket_id": ["T1"], "created_at": pd.to_datetime(["2026-03-06 09:00"])})
        >>> events = pd.DataFrame({
        ...     "event_id": ["E1", "E2", "E3"], "ticket_id": "T1", "kind": "comment", "is_public": True,
        ...     "occurred_at": pd.to_datetime(["2026-03-06 09:00", "2026-03-06 09:30", "2026-03-06 10:00"]),
        ...     "actor_type": ["customer", "customer", "agent"], "from_value": None, "to_value": None,
        ... })
        >>> float(next_reply_time(tickets, events))
        60.0

    References:
        Chatwoot and Zammad take the reopening comment as the new start in the same way.
    """
    window = time_window(start, end)
    opened = timed("next_reply_time", tickets, ticket_events, ("comment", "status_change"), hours=hours,
                   business_hours=business_hours, holidays=holidays, by=by, columns=columns, kind=kind)  # fmt: skip
    one_of("statistic", statistic, STATISTICS)
    desk = desk_of(reduced(opened.opened, opened.log, {}), opened.opened, opened.log)
    runs = opened.clock.read(_runs(opened.log.frame), {"_from": "occurred_at", "_to": "after_at"})
    inside = within(nw.col("created_at"), window)
    inside = inside if kind is None else inside & (nw.col("kind") == kind).fill_null(False)
    inside = inside if agent_created else inside & ~BY_AGENT
    with held(desk) as whole:
        units = whole.units(inside)
        runs = runs.join(units.frame, on="ticket_id", how="inner").filter(AT >= nw.col("created_at"))
        runs = runs if first else runs.filter(~nw.col("opening"))
        answered = (nw.col("after_what") == "answer").fill_null(False)
        runs = runs.with_columns(minutes=nw.when(answered).then(minutes("_from", "_to")))
        solved = (nw.col("after_what") == "solved").fill_null(False)
        with held(replace(whole, frame=runs)) as kept:
            units = Units(whole, kept.frame)
            definition = Definition(f"next_reply_time.{hours}")
            return typical(units, window, definition, statistic, by, unanswered=~answered, solved_unanswered=solved)


def _runs(log: Frame) -> Frame:
    """One row per run of customer comments: when it began, and what came `after` it and when; null = nothing yet."""
    said = (KIND == "comment") & nw.col("is_public").fill_null(False)
    actor = nw.col("actor_type")
    solved = nw.when(into_solved()).then(nw.lit("solved"))
    answer = nw.when(said & (actor == "agent")).then(nw.lit("answer")).otherwise(solved)
    what = nw.when(said & (actor == "customer")).then(nw.lit("question")).otherwise(answer)
    steps = log.with_columns(what=what).filter(~nw.col("what").is_null())
    steps = neighbour(steps.select("ticket_id", "event_id", "occurred_at", "what"), {"before": "what"}, 1)
    asked, again = nw.col("what") == "question", (nw.col("before") == "question").fill_null(False)
    steps = steps.filter(~(asked & again))
    steps = neighbour(steps, {"after_what": "what", "after_at": "occurred_at"}, -1).filter(asked)
    return steps.select("ticket_id", "occurred_at", "after_what", "after_at", opening=nw.col("before").is_null())


def first_resolution_time(
    tickets: Any,
    ticket_events: Any,
    *,
    hours: Hours = "calendar",
    business_hours: Any = None,
    holidays: Any = None,
    statistic: Statistic = "median",
    start: When = None,
    end: When = None,
    kind: str | None = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Minutes from a ticket's creation to its first solution, whether that held or not.

    Args:
        tickets, ticket_events, hours, business_hours, holidays, statistic, start, end, kind, by, columns: As for
            `first_reply_time`; solved means moved to solved, or to closed without that.

    Returns:
        As `first_reply_time`; in `besides` the tickets never solved (`unsolved`).

    Raises:
        MissingColumn, WrongType, ParameterError: as for `first_reply_time`.

    Examples:
        >>> import pandas as pd
        >>> tickets = pd.DataFrame({"ticket_id": ["T1"], "created_at": pd.to_datetime(["2026-03-06 17:30"])})
        >>> events = pd.DataFrame({
        ...     "event_id": ["E1"], "ticket_id": "T1", "kind": "status_change", "is_public": False,
        ...     "occurred_at": pd.to_datetime(["2026-03-09 11:00"]),
        ...     "actor_type": ["agent"], "from_value": "open", "to_value": "solved",
        ... })
        >>> float(first_resolution_time(tickets, events))
        3930.0

    References:
        dbt_zendesk, "first resolution".
    """
    window = time_window(start, end)
    opened = timed("first_resolution_time", tickets, ticket_events, ("status_change",), hours=hours,
                   business_hours=business_hours, holidays=holidays, by=by, columns=columns, kind=kind)  # fmt: skip
    desk = opened.desk(("first_solved_at",))
    apart = {"unsolved": nw.col("first_solved_at").is_null()}
    definition = Definition(f"first_resolution_time.{hours}")
    return _figure(opened, desk, minutes("_created", "_first_solved_at"), definition, statistic, window, kind, apart)


def full_resolution_time(
    tickets: Any,
    ticket_events: Any,
    *,
    open_only: bool = False,
    hours: Hours = "calendar",
    business_hours: Any = None,
    holidays: Any = None,
    statistic: Statistic = "median",
    start: When = None,
    end: When = None,
    as_of: When = None,
    kind: str | None = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Minutes from a ticket's creation to its last solution; of the tickets that are solved in the end.

    Args:
        tickets, ticket_events, hours, business_hours, holidays, statistic, start, end, kind, by, columns: As for
            `first_resolution_time`.
        open_only: Leave out the time in which a reopened ticket was thought to be solved.
        as_of: When a ticket has to be solved: what comes then or later is not looked at; `None` = the end of the log.

    Returns:
        As `first_reply_time`; in `besides` the tickets not solved at `as_of` (`unsolved`), and with `open_only` those
        whose log contradicts itself (`contradictory`).

    Raises:
        MissingColumn, WrongType, ParameterError: as for `first_reply_time`.

    Examples:
        >>> import pandas as pd
        >>> tickets = pd.DataFrame({"ticket_id": ["T1"], "created_at": pd.to_datetime(["2026-03-06 09:00"])})
        >>> events = pd.DataFrame({
        ...     "event_id": ["1", "2", "3"], "ticket_id": "T1", "kind": "status_change", "is_public": False,
        ...     "occurred_at": pd.to_datetime(["2026-03-06 10:00", "2026-03-06 12:00", "2026-03-06 12:30"]),
        ...     "actor_type": "agent", "from_value": ["open", "solved", "open"],
        ...     "to_value": ["solved", "open", "solved"],
        ... })
        >>> float(full_resolution_time(tickets, events)), float(full_resolution_time(tickets, events, open_only=True))
        (210.0, 90.0)

    References:
        dbt_zendesk, "full resolution" and, without the gaps, "solve time".
    """
    window = time_window(start, end)
    opened = timed("full_resolution_time", tickets, ticket_events, ("status_change",), hours=hours, as_of=as_of,
                   business_hours=business_hours, holidays=holidays, by=by, columns=columns, kind=kind)  # fmt: skip
    apart = {"unsolved": ~nw.col("is_solved")}
    if open_only:
        desk = _with_log_clock(opened).desk(("is_solved", "last_solved_at"), _open_marks())
        sound = nw.col("times_solved") == nw.col("reopens") + 1
        lasted, apart["contradictory"] = OPEN_SECONDS / 60, nw.col("is_solved") & ~sound
        value = nw.when(nw.col("is_solved") & sound).then(lasted)
    else:
        desk = opened.desk(("is_solved", "last_solved_at"))
        value = nw.when(nw.col("is_solved")).then(minutes("_created", "_last_solved_at"))
    definition = Definition(f"full_resolution_time.{hours}{'_open' if open_only else ''}")
    return _figure(opened, desk, value, definition, statistic, window, kind, apart)


# each move into solved adds the seconds passed by then, each move out takes them off again
OPEN_SECONDS = nw.col("_came_at") - nw.col("_left_at").fill_null(0) - nw.col("_created")


def _open_marks() -> dict[str, Mark]:
    second = nw.col("_second_at")
    return {"_came_at": (into_solved(), second, "sum"), "_left_at": (out_of_solved(), second, "sum")}


def _with_log_clock(opened: Timed) -> Timed:
    """With the seconds of each event, `_second_at`."""
    log = opened.clock.read(opened.log.frame, {"_second_at": "occurred_at"})
    return replace(opened, log=replace(opened.log, frame=log))
