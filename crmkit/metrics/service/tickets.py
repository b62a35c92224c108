"""What became of each ticket, replayed from the event log: the ground that all figures of the desk stand on.

A ticket table tells how things are now, the log how they came about, so durations and reopenings are always read from
the log. Rules that hold everywhere: merged tickets do not exist; a bot's or system's comment and an internal note are no
reply; events of unknown tickets, from before their ticket, or met before are left out and counted; events of the same
instant happened in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.errors import CrmkitWarning, RowsLeftOut
from crmkit.frames import Frame
from crmkit.reduction import Rows, Units, warn

When = Any
TicketColumns = Mapping[str, Any] | None
"""Own names of ticket columns by the model's, or of both tables: `{"tickets": {…}, "ticket_events": {…}}`."""

SOLVED = ("solved", "closed")
DETAILS = ("customer_id", "kind", "category", "channel", "priority", "assignee_id", "team", "created_by",
           "follows_ticket_id")  # fmt: skip
TALK = ("first_reply_at", "first_public_at", "public_agent_comments")
MOVES = ("first_solved_at", "last_solved_at", "is_solved", "times_solved", "reopens")
HANDS = ("assignments", "transfers")
FACTS = (*TALK, *MOVES, *HANDS)
EVENT_COLUMNS = ("event_id", "ticket_id", "occurred_at", "actor_type", "kind", "is_public", "from_value", "to_value")
AT, KIND, FROM, TO = nw.col("occurred_at"), nw.col("event_kind"), nw.col("from_value"), nw.col("to_value")
# rows of the log that are left out, and why; the counts get a name of their own beside those of the tickets
FAULTS = {"no_date": "_log_no_date", "unknown_ticket": "_log_unknown", "out_of_order": "_log_early"}


@dataclass(frozen=True, slots=True)
class Desk(Rows):
    """Tickets and their log; knows what of both tables was left out."""

    lost: tuple[tuple[str, str, int, int], ...] = ()  # table, reason, rows, rows seen
    log_seen: int = 0
    log_faults: Frame | None = None

    def left_out(self) -> Frame:
        """One row: what is left out of the tickets and of the log, by reason."""
        found = Rows.left_out(self)
        return found if self.log_faults is None else found.join(self.log_faults, how="cross")

    def tell(self, found: dict[str, Any]) -> tuple[dict[str, int], tuple[CrmkitWarning, ...]]:
        """The counts taken out of a fetched row, and the warnings given."""
        log = [("ticket_events", why, int(found.pop(name, 0) or 0), self.log_seen) for why, name in FAULTS.items()]
        excluded, notes = Rows.tell(self, found)
        for table, why, n, seen in (*self.lost, *log):
            if n:
                excluded[why] = excluded.get(why, 0) + n
                notes = (*notes, RowsLeftOut(why, rows=f"{n:,}", seen=f"{seen:,}", table=table))
                warn(notes[-1])
        return excluded, notes


@dataclass(frozen=True, slots=True)
class Log:
    """Events of known tickets with `created_at` and `created_by` beside them, and what of the table was left out."""

    frame: Frame
    lost: tuple[tuple[str, str, int, int], ...]
    seen: int
    faults: Frame


def open_tickets(
    tickets: Any,
    ticket_events: Any,
    *,
    by: str | None = None,
    columns: TicketColumns = None,
    as_of: When = None,
    facts: Collection[str] = FACTS,
    must: Collection[str] = (),
) -> Units:
    """One row per ticket that is not merged, with what the log says became of it.

    Args:
        tickets: One row per ticket: `ticket_id`, `created_at`; the other columns below are heeded where present.
        ticket_events: One row per event: EVENT_COLUMNS; only `from_value` may be missing, then the state before is
            that of the event before.
        by: Own ticket column to group by.
        columns: Own names by the model's: of `tickets`, or of both tables as `{"tickets": {…}, "ticket_events": {…}}`.
        as_of: The instant up to which (it not included) tickets and events are looked at; `None` = all of them.
        facts: Which of FACTS are wanted; fewer are quicker.
        must: Ticket columns that this metric cannot do without.

    Returns:
        Units whose frame has `ticket_id` and `created_at`; DETAILS: `customer_id`, `kind`, `category`, `channel`,
        `priority`, `assignee_id`, `team`, `created_by`, `follows_ticket_id` (all null where the table lacks the
        column); `group` if `by` is given; and of FACTS what is wanted:

        - `first_reply_at`: first public comment of an agent (on a ticket that an agent opened: after the opening one);
        - `first_public_at`: first public answer, a bot's or system's included;
        - `public_agent_comments`: how many public comments of agents, the opening one of an agent not counted;
        - `first_solved_at`, `last_solved_at`: first and last move to solved (to closed, if never solved);
        - `is_solved`: whether it was solved or closed in the end (at `as_of`);
        - `times_solved`, `reopens`: moves into solved or closed from outside, and out of them;
        - `assignments`, `transfers`: assignment events, and those that took it from one hand to another.

        Instants are null where it did not happen, numbers 0.
    """
    needs = ("ticket_id", "created_at", *DETAILS, "status", "merged_into_ticket_id")
    opened, lost = open_keyed(tickets, "tickets", "ticket_id", needs, ("created_at", *must), by, columns)
    opened = _with_details(opened)
    until = None if as_of is None else frames.instant(as_of, "as_of")
    log = open_log(opened, ticket_events, kinds_of(facts), columns=columns, until=until)
    frame = _filled(opened.join(_told(log.frame, facts), on="ticket_id", how="left"), facts)
    reasons = {"no_date": nw.col("created_at").is_null(), "merged": nw.col("_merged")}
    frame = frame.with_columns(counts=~(reasons["no_date"] | reasons["merged"]))
    desk = Desk(frame, reasons, None, "tickets", (*lost, *log.lost), log.seen, log.faults)
    return Units(desk, desk.rows(None if until is None else nw.col("created_at") < until).drop("_merged"))


def open_log(
    opened: Frame, ticket_events: Any, kinds: Collection[str], *, columns: TicketColumns = None, until: Any = None
) -> Log:
    """The events of these kinds, up to `until`, that belong to known tickets and do not lie before them."""
    must = ("actor_type", "kind", "is_public", "to_value")
    log, lost = open_keyed(ticket_events, "ticket_events", "event_id", EVENT_COLUMNS, must, None, columns, kinds)
    if until is not None:
        log = log.filter((AT < until) | AT.is_null())
    log = _with_states(log)
    born = opened.select("ticket_id", "created_at", "created_by", _known=nw.lit(True))
    log = log.join(born, on="ticket_id", how="left")
    flags = {
        "no_date": AT.is_null(),
        "unknown_ticket": nw.col("_known").is_null() & ~AT.is_null(),
        "out_of_order": (AT < nw.col("created_at")).fill_null(False),
    }
    faults = log.select(**{name: flags[why].cast(nw.Int64).sum() for why, name in FAULTS.items()})
    log = log.filter(~(flags["no_date"] | flags["unknown_ticket"] | flags["out_of_order"]))
    seen = int(frames.row(log.select(rows=nw.len()))["rows"])
    return Log(log.drop("_known"), lost, seen, faults)


def kinds_of(facts: Collection[str]) -> tuple[str, ...]:
    """The kinds of events that these facts are read from; merging is read from status changes."""
    kinds = {"comment": TALK, "assignment": HANDS}
    return ("status_change", *(kind for kind, names in kinds.items() if set(names) & set(facts)))


def open_keyed(
    native: Any,
    table: str,
    key: str,
    needs: Sequence[str],
    must: Sequence[str],
    by: str | None,
    columns: TicketColumns,
    kinds: Collection[str] = (),
) -> tuple[Frame, tuple[tuple[str, str, int, int], ...]]:
    """A table whose `key` no two rows share, and how many rows were lost on the way; of events only some `kinds`."""
    frame = frames.open_table(native, table, needs=needs, must=must, columns=own_names(columns, table), extra=by)
    if kinds:
        frame = frame.rename({"kind": "event_kind"}).filter(KIND.is_in(list(kinds)))
    known = nw.col(key).count()
    # nulls are a value of their own to n_unique
    found = frames.row(frame.select(seen=nw.len(), known=known, ids=nw.col(key).n_unique()))
    seen, none = int(found["seen"]), int(found["seen"] - found["known"])
    again = int(found["known"] - found["ids"] + (none > 0))
    frame = frame.filter(~nw.col(key).is_null()) if none else frame
    # looking for repeated rows is slow: only where there are some
    frame = frame.unique(subset=[key], keep="any") if again else frame
    return frame, ((table, "no_id", none, seen), (table, "same_key", again, seen))


def own_names(columns: TicketColumns, table: str) -> Mapping[str, str]:
    """The part of `columns` that speaks of this table; names without a table are of `tickets`."""
    given = dict(columns or {})
    nested = {name: value for name, value in given.items() if isinstance(value, Mapping)}
    plain: dict[str, str] = {name: value for name, value in given.items() if name not in nested}
    return {**(plain if table == "tickets" else {}), **nested.get(table, {})}


def previous(frame: Frame, names: Sequence[str], per: str = "ticket_id") -> Frame:
    """Each event with `before_<name>` of the event before it in its ticket, null for the first."""
    made = {f"before_{name}": name for name in names}
    order = ["occurred_at", "event_id"]
    if isinstance(frame, nw.LazyFrame):
        return frame.with_columns(
            **{new: nw.col(name).shift(1).over(per, order_by=order) for new, name in made.items()}
        )
    # PyArrow cannot shift within groups; over all sorted rows everyone can
    frame = frame.sort(per, *order)
    same = (nw.col(per) == nw.col(per).shift(1)).fill_null(False)
    return frame.with_columns(**{new: nw.when(same).then(nw.col(name).shift(1)) for new, name in made.items()})


def _with_details(opened: Frame) -> Frame:
    """All DETAILS, null where the table has no such column, and whether the ticket table calls a ticket merged."""
    found = opened.collect_schema()
    merged = nw.lit(False)
    if "status" in found:
        merged = merged | (nw.col("status") == "merged").fill_null(False)
    if "merged_into_ticket_id" in found:
        merged = merged | ~nw.col("merged_into_ticket_id").is_null()
    missing = {name: nw.lit(None, nw.String) for name in DETAILS if name not in found}
    kept = ["ticket_id", "created_at", *DETAILS, *(["group"] if "group" in found else [])]
    return opened.with_columns(_merged=merged, **missing).select(*kept, "_merged")


def _with_states(log: Frame) -> Frame:
    """`from_value` filled where it is missing: with what the event before of that kind left."""
    if "from_value" not in log.collect_schema():
        log = log.with_columns(from_value=nw.lit(None, nw.String))
    bare = FROM.is_null()
    moved, handed = KIND == "status_change", KIND == "assignment"
    found = frames.row(
        log.select(
            moves=(moved & bare).cast(nw.Int64).sum(),
            hands=(handed & bare).cast(nw.Int64).sum(),
            # a first assignment rightly has nobody before it: one per ticket is no gap
            first=nw.when(handed & bare).then(nw.col("ticket_id")).n_unique(),
        )
    )
    if not found["moves"] and (found["hands"] or 0) < (found["first"] or 0):
        return log
    log = log.with_columns(_line=nw.concat_str(nw.col("ticket_id"), KIND, separator="\n"))
    log = previous(log, ("to_value",), per="_line")
    start = nw.when(moved).then(nw.lit("new"))
    filled = nw.coalesce(FROM, nw.col("before_to_value"), start)
    return log.with_columns(from_value=filled).drop("_line", "before_to_value")


def _told(log: Frame, facts: Collection[str]) -> Frame:
    """One row per ticket in the log: the wanted facts, from one pass over it."""
    marks = {name: when for name, when in _marks().items() if _needed_for(name, facts)}
    rows = log.select("ticket_id", **{name: nw.when(met).then(made) for name, (met, made, _) in marks.items()})
    pick = {"min": nw.Expr.min, "max": nw.Expr.max, "sum": nw.Expr.sum}
    found = rows.group_by("ticket_id").agg(**{name: pick[how](nw.col(name)) for name, (_, _, how) in marks.items()})
    return found


def _marks() -> dict[str, tuple[nw.Expr, nw.Expr, str]]:
    """What of an event is kept under which condition, and how the events of a ticket are summed up."""
    said = (KIND == "comment") & nw.col("is_public").fill_null(False)
    actor, one = nw.col("actor_type"), nw.lit(1)
    agent = said & (actor == "agent")
    # the opening comment of a ticket that an agent wrote is no reply
    reply = agent & ((AT > nw.col("created_at")) | ~(nw.col("created_by") == "agent").fill_null(False))
    moved, handed = KIND == "status_change", KIND == "assignment"
    was, now = FROM.is_in(list(SOLVED)).fill_null(False), TO.is_in(list(SOLVED)).fill_null(False)
    return {
        "_merging": (moved & (TO == "merged"), one, "sum"),
        "first_reply_at": (reply, AT, "min"),
        "first_public_at": (reply | (said & actor.is_in(["bot", "system"])), AT, "min"),
        "public_agent_comments": (reply, one, "sum"),
        "_first_solved": (moved & (TO == "solved"), AT, "min"),
        "_last_solved": (moved & (TO == "solved"), AT, "max"),
        "_first_closed": (moved & (TO == "closed"), AT, "min"),
        "_last_closed": (moved & (TO == "closed"), AT, "max"),
        "_last_open": (moved & ~now, AT, "max"),
        "times_solved": (moved & now & ~was, one, "sum"),
        "reopens": (moved & was & ~now, one, "sum"),
        "assignments": (handed, one, "sum"),
        "transfers": (handed & ~FROM.is_null() & ~TO.is_null() & (FROM != TO), one, "sum"),
    }


_NEEDS = {
    "_first_solved": {"first_solved_at"},
    "_first_closed": {"first_solved_at"},
    "_last_solved": {"last_solved_at", "is_solved"},
    "_last_closed": {"last_solved_at", "is_solved"},
    "_last_open": {"is_solved"},
    "times_solved": {"times_solved", "is_solved"},
    "reopens": {"reopens", "is_solved"},
}


def _needed_for(name: str, facts: Collection[str]) -> bool:
    return name == "_merging" or bool(_NEEDS.get(name, {name}) & set(facts))


def _filled(frame: Frame, facts: Collection[str]) -> Frame:
    """The facts by their names, and whether the ticket is merged."""
    made: dict[str, nw.Expr] = {"_merged": nw.col("_merged") | (nw.col("_merging").fill_null(0) > 0)}
    for name in ("public_agent_comments", "times_solved", "reopens", "assignments", "transfers"):
        if _needed_for(name, facts):
            made[name] = nw.col(name).fill_null(0).cast(nw.Int64)
    if "first_solved_at" in facts:
        made["first_solved_at"] = nw.coalesce(nw.col("_first_solved"), nw.col("_first_closed"))
    if "last_solved_at" in facts:
        made["last_solved_at"] = nw.coalesce(nw.col("_last_solved"), nw.col("_last_closed"))
    if "is_solved" in facts:
        made["is_solved"] = _is_solved()
    found = [name for name in frame.collect_schema() if not name.startswith("_") and name not in (*FACTS, "_merged")]
    return frame.with_columns(**made).select(*found, *(name for name in FACTS if name in facts), "_merged")


def _is_solved() -> nw.Expr:
    """Solved last and not left since; where both happened in one instant, whether it came in once more than it left."""
    last = nw.max_horizontal(nw.col("_last_solved"), nw.col("_last_closed"))
    left = nw.col("_last_open")
    balance = nw.col("times_solved").fill_null(0) > nw.col("reopens").fill_null(0)
    decided = nw.when(left.is_null()).then(nw.lit(True)).otherwise((last > left) | ((last == left) & balance))
    return (~last.is_null()) & decided.fill_null(False)
