"""How long customers wait for an answer: the first, the next one, or a word that it arrived. Metrics 50, 51 and 61.

Every duration is the difference of two instants of the log, on the calendar's clock or in opening hours, in minutes;
sub-seconds are cut off. What has not happened yet is set apart and counted, never taken as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.errors import ParameterError
from crmkit.estimate import Definition, Window
from crmkit.frames import Frame, Names
from crmkit.metrics.service.hours import minutes
from crmkit.metrics.service.tickets import AT, KIND, Desk, desk_of, into_solved, neighbour, once, plain_text, reduced
from crmkit.metrics.service.timing import (
    BY_AGENT,
    Asked,
    Hours,
    Statistic,
    Timed,
    When,
    created_in,
    minutes_of,
    typical,
)
from crmkit.reduction import STATISTICS, one_of, time_window
from crmkit.rows import Units


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
            `from_value`, `to_value`. Rows with faults are counted among those that the figure is read from: agents'
            public comments, not bots' words.
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
    asked = Asked(hours, business_hours, holidays, columns, by=by, kind=kind)
    opened = asked.open("first_reply_time", tickets, ticket_events, "reply")
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
    asked = Asked(hours, business_hours, holidays, columns, by=by, kind=kind)
    opened = asked.open("complaint_ack_time", tickets, ticket_events, "answer")
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
    return minutes_of(opened, desk, waited, Definition(f"{metric}.{opened.hours}"), statistic, window, kind, apart)


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
        Chatwoot and Zammad take the reopening comment as the new start in the same way; Zammad then keeps only the
        longest wait of a ticket, where here every run counts.
    """
    window = time_window(start, end)
    asked = Asked(hours, business_hours, holidays, columns, by=by, kind=kind)
    opened = asked.open("next_reply_time", tickets, ticket_events, "comment", "status_change")
    one_of("statistic", statistic, STATISTICS)
    desk = desk_of(reduced(opened.opened, opened.log, {}), opened.opened, opened.log)
    runs = opened.clock.read(_runs(opened.log.frame), {"_from": "occurred_at", "_to": "after_at"})
    inside = created_in(window, kind)
    inside = inside if agent_created else inside & ~BY_AGENT
    runs = runs if first else runs.filter(~nw.col("opening"))
    after = nw.col("after_what")
    apart = {"unanswered": (after != "answer") | after.is_null(), "solved_unanswered": after == "solved"}
    apart = {name: met.fill_null(False) for name, met in apart.items()}
    runs = runs.with_columns(minutes=nw.when(~apart["unanswered"]).then(minutes("_from", "_to")))
    definition = Definition(f"next_reply_time.{hours}")

    def figure(whole: Desk) -> Any:
        asked = runs.join(whole.units(inside).frame, on="ticket_id", how="inner").filter(AT >= nw.col("created_at"))
        return once(
            replace(whole, frame=asked),
            lambda kept: typical(Units(whole, kept.frame), window, definition, statistic, by, apart=apart),
        )

    return once(desk, figure)


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


def wait_band(
    survey_responses: Any,
    tickets: Any,
    ticket_events: Any,
    *,
    bands: Sequence[float] = (60, 240, 1440),
    hours: Hours = "calendar",
    business_hours: Any = None,
    holidays: Any = None,
    name: str = "wait_band",
    columns: Names = None,
) -> Any:
    """The answers to surveys with one more column: how long the customer had waited for the first reply to the ticket.

    Args:
        survey_responses: One row per invitation, with `ticket_id`.
        tickets, ticket_events, hours, business_hours, holidays: As for `first_reply_time`; faults of the log are
            counted as there.
        bands: Where one band ends and the next begins, in minutes, ascending; a wait of just that long is in the first.
        name: Name of the new column.
        columns: Own names of ticket columns, or `{"tickets": {…}, "ticket_events": {…}}`.

    Returns:
        The same kind of table; the bands are texts that sort by length, such as "0060-0240"; null where there is no
        ticket, no reply to it, or an agent opened it.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `first_reply_time`, or bands that do not ascend.

    Examples:
        >>> import pandas as pd
        >>> tickets = pd.DataFrame({"ticket_id": ["T1"], "created_at": pd.to_datetime(["2026-03-06 17:30"])})
        >>> events = pd.DataFrame({
        ...     "event_id": ["E1"], "ticket_id": "T1", "kind": "comment", "is_public": True,
        ...     "occurred_at": pd.to_datetime(["2026-03-06 19:00"]),
        ...     "actor_type": ["agent"], "from_value": None, "to_value": None,
        ... })
        >>> wait_band(pd.DataFrame({"survey_id": ["S1"], "ticket_id": ["T1"]}), tickets, events)["wait_band"].to_list()
        ['0060-0240']
    """
    ends = [float(end) for end in bands]
    if not ends or ends[0] <= 0 or any(low >= high for low, high in pairwise(ends)):
        raise ParameterError("bands", value=tuple(bands))
    asked = Asked(hours, business_hours, holidays, columns)
    opened = asked.open("wait_band", tickets, ticket_events, "reply")
    units = opened.desk(("first_reply_at",)).units(~BY_AGENT)
    wait = minutes("_created", "_first_reply_at")
    width = max(4, len(f"{ends[-1]:.0f}"))
    band = nw.lit(f"{ends[-1]:0{width}.0f}-")
    for low, high in zip(reversed([0.0, *ends[:-1]]), reversed(ends), strict=True):
        band = nw.when(wait <= high).then(nw.lit(f"{low:0{width}.0f}-{high:0{width}.0f}")).otherwise(band)
    waits = units.frame.filter(~wait.is_null()).select(_ticket="ticket_id", **{name: band})
    frames.open_table(survey_responses, "survey_responses", needs=("ticket_id",), must=("ticket_id",))  # for its checks
    whole: Any = frames.as_frame(survey_responses)
    kept = [column for column in whole.collect_schema() if column != name]
    eager = isinstance(whole, nw.DataFrame)
    whole = whole.select(*kept).with_row_index("_row") if eager else whole.select(*kept)
    whole = plain_text(whole.with_columns(_asked=nw.col("ticket_id")), "_asked")
    banded = whole.join(waits, left_on="_asked", right_on="_ticket", how="left")
    return frames.give_back((banded.sort("_row") if eager else banded).select(*kept, name))
