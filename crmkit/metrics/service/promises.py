"""Whether the desk keeps its promises about time. Metric 57."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.estimate import Definition, shares
from crmkit.frames import Frame, Names, columns_of
from crmkit.metrics.service.hours import Clock, hours_wanted, minutes
from crmkit.metrics.service.tickets import (
    FROM,
    KIND,
    TABLES,
    Desk,
    Log,
    desk_of,
    fact_marks,
    filled,
    neighbour,
    once,
    open_desk,
    open_log,
    plain_text,
    reduced,
)
from crmkit.metrics.service.timing import BY_AGENT, When, created_in
from crmkit.reduction import one_of, summarise, time_window
from crmkit.schema.columns import PRIORITIES, TICKET_KINDS

PROMISES = ("first_reply", "resolution")
ALWAYS, NEVER = datetime(1, 1, 1), datetime(9999, 12, 31)
CREATED = nw.col("created_at")


def sla_attainment_rate(
    tickets: Any,
    ticket_events: Any,
    sla_policies: Any,
    *,
    promise: Literal["first_reply", "resolution"] = "first_reply",
    business_hours: Any = None,
    holidays: Any = None,
    start: When = None,
    end: When = None,
    as_of: When = None,
    kind: str | None = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Of the promises about time that have been decided, how many were kept.

    A promise is kept if it took no longer than its target. It was made when the ticket was created, for the priority
    of that moment, whatever the ticket was raised to later: that is what the customer could count on, and raising or
    lowering a ticket afterwards must not mend the figure.

    Args:
        tickets: As for `first_reply_time`, with `kind` and `priority`.
        ticket_events: As for `first_reply_time`.
        sla_policies: One row per promise: `metric`, `target_minutes`; `ticket_kind`, `priority` (empty = any),
            `in_business_hours` and `valid_from` are heeded where present; of several the latest before the ticket.
        promise: "first_reply" (a person's; tickets that an agent opened have none) or "resolution" (the last one).
        business_hours, holidays: As for `business_minutes`; needed if a promise is in business hours.
        start, end: Window in which the ticket was created.
        as_of: When one looks: what comes then or later is not looked at; `None` = just after the last event.
        kind, by, columns: As for `first_reply_time`; own names of policies go by `{"sla_policies": {…}}`.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN if nothing is decided. In `besides`: `running` (open, and the
        target not yet passed; in neither number), `overdue` (open, the target passed; broken), `without_target`, and
        for replies `met_unreplied` (solved in time without a reply, which counts as kept). With `by`, a table of the
        engine's own kind: the group, value, low, high, n, numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `first_reply_time`.

    Examples:
        >>> import crmkit
        >>> shop = crmkit.simulate("salon", customers=200, weeks=20, seed=7)
        >>> kept = sla_attainment_rate(
        ...     shop.tickets, shop.ticket_events, shop.sla_policies,
        ...     business_hours=shop.business_hours, holidays=shop.holidays,
        ... )
        >>> 0.5 < float(kept) <= 1
        True

    References:
        dbt_zendesk, which counts a reply promise as met by solving, too.
    """
    window = time_window(start, end)
    one_of("promise", promise, PROMISES)
    policies = _policies(sla_policies, promise, columns)
    opened = open_desk(tickets, by=by, columns=columns, details=("kind", "priority"), must=("kind", "priority"))
    kinds = ("answer", "status_change", "priority_change")
    until = None if as_of is None else frames.instant(as_of, "as_of")
    log = open_log(ticket_events, opened.kinds(kinds), columns=columns, until=until)
    facts = ("first_reply_at", "first_solved_at", "last_solved_at", "is_solved")
    opened = replace(opened, frame=_first_priority(opened.frame, log))
    frame = filled(reduced(opened, log, fact_marks(facts)), facts)
    now = until or max(
        (frames.instant(at, "as_of") for at in (*opened.span, *log.span) if at is not None), default=NEVER
    )
    opening = hours_wanted("business", business_hours, holidays, "sla_attainment_rate") if policies.in_hours else None
    frame = _judged(frame, promise, policies, now, opening, (*opened.span, *log.span, now))
    flags = ("kept", "broken", "running", "overdue", "without_target", "met_unreplied")
    names = ["created_at", "kind", *(["group"] if by is not None else []), "_merged", "_by_agent", "_known", "_early"]
    desk = desk_of(frame.select(*names, *flags), opened, log, until)
    asked = created_in(window, kind)
    asked = asked & ~BY_AGENT if promise == "first_reply" else asked
    definition = Definition(f"sla_attainment_rate.{promise}", {"as_of": f"{now:%Y-%m-%d %H:%M}"})
    apart = ("running", "overdue", "without_target", *(("met_unreplied",) if promise == "first_reply" else ()))

    def figure(kept: Desk) -> Any:
        wanted = kept.units(asked).sums(
            decided=nw.col("kept") | nw.col("broken"), **{name: nw.col(name) for name in flags}
        )
        return summarise(
            wanted, lambda sums: shares(sums["kept"], sums["decided"]), window, definition, by=by, besides=apart
        )

    return once(desk, figure)


@dataclass(frozen=True, slots=True)
class Policies:
    """The promises of one sort, each for one kind and priority and from one instant to another."""

    rows: Sequence[Mapping[str, Any]]
    in_hours: bool

    def table(self, like: Frame) -> Frame:
        """In the engine of another table."""
        names = ("_kind", "_priority", "_valid_from", "_valid_to", "_target", "_in_hours")
        return frames.same_kind(like, frames.table(like, {name: [row[name] for row in self.rows] for name in names}))


def _policies(sla_policies: Any, promise: str, columns: Names) -> Policies:
    """Read the promises; an empty kind or priority stands for all that have no row of their own."""
    needs = ("ticket_kind", "priority", "metric", "target_minutes", "in_business_hours", "valid_from")
    names = columns_of(columns, "sla_policies", TABLES)
    found = frames.rows(frames.open_table(sla_policies, "sla_policies", needs=needs, columns=names))
    versions: dict[tuple[str, str], dict[datetime, tuple[int, Mapping[str, Any]]]] = {}
    for row in found:
        if row["metric"] != promise or row["target_minutes"] is None:
            continue
        named = (row.get("ticket_kind"), row.get("priority"))
        since = row.get("valid_from")
        since = ALWAYS if since is None else frames.instant(since, "valid_from")
        exact = sum(name is not None for name in named)
        for kind in TICKET_KINDS if named[0] is None else (named[0],):
            for priority in PRIORITIES if named[1] is None else (named[1],):
                held_by = versions.setdefault((kind, priority), {})
                if since not in held_by or held_by[since][0] < exact:
                    held_by[since] = (exact, row)
    rows: list[dict[str, Any]] = []
    for (kind, priority), known in versions.items():
        starts = sorted(known)
        for since, to in zip(starts, [*starts[1:], NEVER], strict=True):
            _, policy = known[since]
            rows.append(
                {
                    "_kind": kind,
                    "_priority": priority,
                    "_valid_from": since,
                    "_valid_to": to,
                    "_target": float(policy["target_minutes"]),
                    "_in_hours": bool(policy.get("in_business_hours")),
                }
            )
    # engines cannot tell the types of a table without rows; nothing was created when this promise holds
    none = {"_kind": "", "_priority": "", "_valid_from": NEVER, "_valid_to": NEVER, "_target": 0.0, "_in_hours": False}
    return Policies(rows or [none], any(row["_in_hours"] for row in rows))


def _first_priority(tickets: Frame, log: Log) -> Frame:
    """The tickets with the priority they were created with: what the first change of it changed from."""
    changes = log.frame.filter(KIND == "priority_change").select("ticket_id", "event_id", "occurred_at", "from_value")
    first = neighbour(changes, {"_before": "event_id"}, 1).filter(nw.col("_before").is_null())
    first = first.select("ticket_id", _first=FROM)
    joined = tickets.join(first, on="ticket_id", how="left")
    return joined.with_columns(priority=nw.coalesce(nw.col("_first"), nw.col("priority"))).drop("_first")


def _judged(frame: Frame, promise: str, policies: Policies, now: datetime, opening: Any, span: Sequence[Any]) -> Frame:
    """Each ticket with its promise, and what became of it."""
    solved = nw.col("is_solved")
    replied = nw.col("first_reply_at")
    if promise == "first_reply":
        done, unreplied = nw.coalesce(replied, nw.col("first_solved_at")), replied.is_null()
    else:
        done, unreplied = nw.when(solved).then(nw.col("last_solved_at")), nw.lit(False)
    terms = plain_text(policies.table(frame), "_kind", "_priority")
    frame = frame.with_columns(_done=done, _end=nw.coalesce(done, nw.lit(now)))
    asked = plain_text(frame.select("ticket_id", "created_at", "kind", "priority"), "kind", "priority")
    promised = asked.join(terms, left_on=["kind", "priority"], right_on=["_kind", "_priority"], how="inner")
    promised = promised.filter((CREATED >= nw.col("_valid_from")) & (CREATED < nw.col("_valid_to")))
    frame = frame.join(promised.select("ticket_id", "_target", "_in_hours"), on="ticket_id", how="left")
    frame = Clock(frame).read(frame, {"_from": "created_at", "_to": "_end"})
    elapsed = minutes("_from", "_to")
    if opening is not None:
        frame = Clock(frame, opening, span).read(frame, {"_opened": "created_at", "_ended": "_end"})
        elapsed = nw.when(nw.col("_in_hours").fill_null(False)).then(minutes("_opened", "_ended")).otherwise(elapsed)
    target = nw.col("_target")
    late, is_done = (elapsed > target).fill_null(False), ~nw.col("_done").is_null()
    promised_at_all = ~target.is_null()
    kept = promised_at_all & is_done & ~late
    return frame.with_columns(
        kept=kept,
        broken=promised_at_all & late,
        running=promised_at_all & ~is_done & ~late,
        overdue=promised_at_all & ~is_done & late,
        without_target=~promised_at_all,
        met_unreplied=kept & unreplied,
    )
