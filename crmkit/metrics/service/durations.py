"""How long it takes until a ticket is solved, and who waits meanwhile. Metrics 52 and 53, and all times per ticket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.errors import ParameterError
from crmkit.estimate import Definition
from crmkit.frames import Frame, Names
from crmkit.metrics.service.hours import minutes
from crmkit.metrics.service.tickets import FROM, KIND, TO, Mark, held, into_solved, out_of_solved
from crmkit.metrics.service.timing import (
    Asked,
    Hours,
    Statistic,
    Timed,
    When,
    created_in,
    minutes_of,
    one_statistic,
)
from crmkit.reduction import STATISTICS, one_of, time_window
from crmkit.spread import spread

# who waits in which states, after dbt_zendesk
WAITS = {
    "requester_wait": ("new", "open", "on_hold"),
    "agent_wait": ("pending",),
    "agent_work": ("new", "open"),
    "on_hold": ("on_hold",),
}
DURATION_COLUMNS = ("duration", "value", "low", "high", "n", "total_minutes")


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
    asked = Asked(hours, business_hours, holidays, columns, by=by, kind=kind)
    opened = asked.open("first_resolution_time", tickets, ticket_events, "status_change")
    desk = opened.desk(("first_solved_at",))
    apart = {"unsolved": nw.col("first_solved_at").is_null()}
    definition = Definition(f"first_resolution_time.{hours}")
    return minutes_of(opened, desk, minutes("_created", "_first_solved_at"), definition, statistic, window, kind, apart)


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
    asked = Asked(hours, business_hours, holidays, columns, by=by, kind=kind, as_of=as_of)
    opened = asked.open("full_resolution_time", tickets, ticket_events, "status_change")
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
    return minutes_of(opened, desk, value, definition, statistic, window, kind, apart)


# each move into solved adds the seconds passed by then, each move out takes them off again
OPEN_SECONDS = nw.col("_came_at") - nw.col("_left_at").fill_null(0) - nw.col("_created")


def _open_marks() -> dict[str, Mark]:
    second = nw.col("_second_at")
    return {"_came_at": (into_solved(), second, "sum"), "_left_at": (out_of_solved(), second, "sum")}


def _with_log_clock(opened: Timed) -> Timed:
    """With the seconds of each event, `_second_at`."""
    log = opened.clock.read(opened.log.frame, {"_second_at": "occurred_at"})
    return replace(opened, log=replace(opened.log, frame=log))


def status_durations(
    tickets: Any,
    ticket_events: Any,
    *,
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
    """How long solved tickets spent in which states: who waited for whom.

    Args:
        tickets, ticket_events, hours, business_hours, holidays, statistic, start, end, kind, as_of, by, columns: As for
            `full_resolution_time`; time in solved or closed counts for nobody.

    Returns:
        A table of the engine's own kind, one row per duration (and group): the group, `duration` ("requester_wait" =
        new, open and on_hold; "agent_wait" = pending; "agent_work" = new and open; "on_hold"), `value`, `low`, `high`
        (the statistic in minutes per ticket and its interval), `n` (tickets solved at `as_of` whose log does not
        contradict itself), `total_minutes` and `hours` ("calendar" or "business").

    Raises:
        MissingColumn, WrongType, ParameterError: as for `first_reply_time`.

    Examples:
        >>> import pandas as pd
        >>> tickets = pd.DataFrame({"ticket_id": ["T1"], "created_at": pd.to_datetime(["2026-03-06 09:00"])})
        >>> events = pd.DataFrame({
        ...     "event_id": ["1", "2", "3"], "ticket_id": "T1", "kind": "status_change", "is_public": False,
        ...     "occurred_at": pd.to_datetime(["2026-03-06 10:00", "2026-03-06 12:00", "2026-03-06 12:30"]),
        ...     "actor_type": "agent", "from_value": ["new", "pending", "open"],
        ...     "to_value": ["pending", "open", "solved"],
        ... })
        >>> status_durations(tickets, events)[["duration", "value"]].to_dict("list")["value"]
        [90.0, 120.0, 90.0, 0.0]

    References:
        dbt_zendesk's requester_wait, agent_wait, agent_work and on_hold minutes.
    """
    one_of("statistic", statistic, STATISTICS)
    window = time_window(start, end)
    asked = Asked(hours, business_hours, holidays, columns, by=by, kind=kind, as_of=as_of)
    opened = asked.open("status_durations", tickets, ticket_events, "status_change")
    if by in DURATION_COLUMNS:
        raise ParameterError("name_taken", by=by, columns=", ".join(DURATION_COLUMNS))
    desk = _with_log_clock(opened).desk(("is_solved", "last_solved_at"), _state_marks())
    lasted = {name: nw.when(_sound()).then(_spent(name) / 60) for name in WAITS}
    kept = ["created_at", "_merged", "_known", "_early", "counts", *(["kind"] if kind is not None else [])]
    kept += ["group"] if by is not None else []
    with held(replace(desk, frame=desk.frame.with_columns(**lasted).select(*kept, *WAITS))) as whole:
        units = whole.units(created_in(window, kind))
        units.tally(all=~nw.col("created_at").is_null())  # for its warnings
        parts = {name: _statistics(units.frame, name, statistic, by) for name in WAITS}
    return _stacked(desk.frame, parts, hours, by)


def _state_marks() -> dict[str, Mark]:
    """What leaving and entering each group of states adds up to, in seconds and in numbers; and both of the whole."""
    second, one = nw.col("_second_at"), nw.lit(1)
    moved = KIND == "status_change"
    marks: dict[str, Mark] = {}
    for name, states in WAITS.items():
        left, came = (moved & at.is_in(list(states)).fill_null(False) for at in (FROM, TO))
        marks |= {f"_{name}_left": (left, second, "sum"), f"_{name}_came": (came, second, "sum")}
        marks |= {f"_{name}_exits": (left, one, "sum"), f"_{name}_entries": (came, one, "sum")}
    return marks


def _first_in(name: str) -> nw.Expr:
    """1 if the ticket was in these states when it was created: it left them once more than it came; else 0."""
    return nw.col(f"_{name}_exits").fill_null(0) - nw.col(f"_{name}_entries").fill_null(0)


def _spent(name: str) -> nw.Expr:
    """Seconds in a group of states: those passed at each exit less those passed at each entry."""
    left, came = nw.col(f"_{name}_left").fill_null(0), nw.col(f"_{name}_came").fill_null(0)
    return left - came - _first_in(name) * nw.col("_created")


def _sound() -> nw.Expr:
    """Solved, and each state entered as often as left, but for the first one: anything else is a log with holes."""
    first = [_first_in(name) for name in WAITS]
    within_one = [(one == 0) | (one == 1) for one in first]
    once = (nw.col("times_solved") == nw.col("reopens") + 1) & nw.all_horizontal(*within_one, ignore_nulls=False)
    return nw.col("is_solved") & once


def _statistics(frame: Frame, name: str, statistic: str, by: str | None) -> dict[str, Any]:
    """One statistic of a column, per group if wanted; without any row one figure without data."""
    found = spread(frame.filter(~nw.col(name).is_null()), name, "group" if by is not None else None)
    if not len(found["n"]) and by is None:
        nothing = np.array([np.nan])
        return {"value": nothing, "low": nothing, "high": nothing, "n": np.array([0]), "total_minutes": nothing}
    made = one_statistic(found, statistic)
    return {
        **({by: found["group"]} if by is not None else {}),
        "value": made.value,
        "low": made.low,
        "high": made.high,
        "n": found["n"],
        "total_minutes": found["total"],
    }


def _stacked(like: Frame, parts: Mapping[str, Mapping[str, Any]], hours: str, by: str | None) -> Any:
    """The durations one below the other, in the engine's own kind."""
    first = next(iter(parts.values()))
    columns: dict[str, Any] = {name: np.concatenate([part[name] for part in parts.values()]) for name in first}
    names = [name for name, part in parts.items() for _ in part["n"]]
    table = frames.table(like, {**columns, "duration": names, "hours": [hours] * len(names)})
    order = [*([by] if by is not None else []), *DURATION_COLUMNS, "hours"]
    return frames.give_back(frames.same_kind(like, table.select(*order)))


def ticket_times(
    tickets: Any,
    ticket_events: Any,
    *,
    hours: Hours = "calendar",
    business_hours: Any = None,
    holidays: Any = None,
    as_of: When = None,
    columns: Names = None,
) -> Any:
    """All durations of each ticket, one row per ticket: to look into, or to draw.

    Args:
        tickets, ticket_events, hours, business_hours, holidays, as_of, columns: As for `full_resolution_time`.

    Returns:
        A table of the engine's own kind, of the tickets that are not merged: `ticket_id`, `created_at`, `created_by`,
        `hours` ("calendar" or "business": what the minutes are), `first_reply_minutes`, `ack_minutes` (to the first
        public answer, an automatic one included), `first_resolution_minutes`, `full_resolution_minutes`,
        `open_minutes` (without the time it was thought to be solved), `requester_wait_minutes`, `agent_wait_minutes`,
        `agent_work_minutes`, `on_hold_minutes`, `is_solved`, `reopens`. Minutes are null where it has not happened;
        from `full_resolution_minutes` on they are those of tickets solved at `as_of`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `first_reply_time`.

    Examples:
        >>> import pandas as pd
        >>> tickets = pd.DataFrame({"ticket_id": ["T1"], "created_at": pd.to_datetime(["2026-03-06 17:30"])})
        >>> events = pd.DataFrame({
        ...     "event_id": ["E1", "E2"], "ticket_id": "T1", "kind": "comment", "is_public": True,
        ...     "occurred_at": pd.to_datetime(["2026-03-06 17:31", "2026-03-09 09:20"]),
        ...     "actor_type": ["bot", "agent"], "from_value": None, "to_value": None,
        ... })
        >>> ticket_times(tickets, events)[["ack_minutes", "first_reply_minutes"]].values.tolist()
        [[1.0, 3830.0]]
    """
    asked = Asked(hours, business_hours, holidays, columns, as_of=as_of)
    opened = asked.open("ticket_times", tickets, ticket_events, "answer", "status_change", details=("created_by",))
    facts = ("first_reply_at", "first_public_at", "first_solved_at", "last_solved_at", "is_solved", "reopens")
    desk = _with_log_clock(opened).desk(facts, {**_open_marks(), **_state_marks()})
    units = desk.units()
    units.tally(all=~nw.col("created_at").is_null())  # for its warnings
    solved = nw.col("is_solved")
    made = {
        "first_reply_minutes": minutes("_created", "_first_reply_at"),
        "ack_minutes": minutes("_created", "_first_public_at"),
        "first_resolution_minutes": minutes("_created", "_first_solved_at"),
        "full_resolution_minutes": nw.when(solved).then(minutes("_created", "_last_solved_at")),
        "open_minutes": nw.when(_sound()).then(OPEN_SECONDS / 60),
        **{f"{name}_minutes": nw.when(_sound()).then(_spent(name) / 60) for name in WAITS},
    }
    made = {name: value.cast(nw.Float64) for name, value in made.items()}
    told = units.frame.with_columns(hours=nw.lit(hours), **made)
    told = told.select("ticket_id", "created_at", "created_by", "hours", *made, "is_solved", "reopens")
    return frames.give_back(told.sort("ticket_id"))
