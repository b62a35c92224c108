"""What became of each ticket, replayed from the event log: the ground that all figures of the desk stand on.

A ticket table tells how things are now, the log how they came about, so durations and reopenings are always read from
the log. Rules that hold everywhere: merged tickets do not exist; a bot's or system's comment and an internal note are
no reply; events of unknown tickets, from before their ticket, or met before are left out and counted, among the events
that the figure is read from; events of the same instant happened in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.errors import CrmkitWarning, RowsLeftOut
from crmkit.estimate import Estimate
from crmkit.frames import Frame, Names, columns_of
from crmkit.rows import Rows, Units, warn

When = Any
TABLES = ("tickets", "ticket_events", "orders", "sla_policies", "business_hours", "holidays")

SOLVED = ("solved", "closed")
DETAILS = ("customer_id", "kind", "category", "channel", "priority", "assignee_id", "team", "created_by",
           "follows_ticket_id")  # fmt: skip
REPLIES = ("first_reply_at", "public_agent_comments")
TALK = (*REPLIES, "first_public_at")
MOVES = ("first_solved_at", "last_solved_at", "is_solved", "times_solved", "reopens")
HANDS = ("assignments", "transfers")
FACTS = (*TALK, *MOVES, *HANDS)
EVENT_COLUMNS = ("event_id", "ticket_id", "occurred_at", "actor_type", "kind", "is_public", "from_value", "to_value")
Mark = tuple[nw.Expr, nw.Expr, str]
"""Of which events what is kept, and how those of a ticket are put together: "min", "max" or "sum"."""
AT, KIND, FROM, TO = nw.col("occurred_at"), nw.col("event_kind"), nw.col("from_value"), nw.col("to_value")
Lost = tuple[tuple[str, str, int, int], ...]
"""What was lost of a table: its name, the reason, how many rows, of how many."""


FLAGS = ("_merged", "_by_agent")
MERGING: dict[str, Mark] = {"_merging": ((KIND == "status_change") & (TO == "merged"), nw.lit(1), "sum")}
_PICK = {"min": nw.Expr.min, "max": nw.Expr.max, "sum": nw.Expr.sum}


@dataclass(frozen=True, slots=True)
class Desk(Rows):
    """Tickets and their log; knows what of both tables was left out."""

    lost: Lost = ()
    log_seen: int = 0
    inside: nw.Expr | None = None

    def units(self, within: nw.Expr | None = None) -> Units:
        """The tickets that count, were there before the data end, and lie `within`."""
        conditions = [one for one in (self.inside, within) if one is not None]
        return Units(self, self.rows(nw.all_horizontal(*conditions, ignore_nulls=False) if conditions else None))

    def left_out(self) -> Frame:
        """One row: what is left out of the tickets and of the log, by reason."""
        log = self.frame.select(_known=nw.col("_known").sum(), _early=nw.col("_early").sum())
        return Rows.left_out(self).join(log, how="cross")

    def tell(self, found: dict[str, Any]) -> tuple[dict[str, int], tuple[CrmkitWarning, ...]]:
        """The counts taken out of a fetched row, and the warnings given."""
        unknown = self.log_seen - int(found.pop("_known") or 0)
        early = int(found.pop("_early") or 0)
        excluded, notes = Rows.tell(self, found)
        log = (("unknown_ticket", unknown), ("out_of_order", early))
        for table, why, n, seen in (*self.lost, *(("ticket_events", why, n, self.log_seen) for why, n in log)):
            if n:
                excluded[why] = excluded.get(why, 0) + n
                notes = (*notes, RowsLeftOut(why, rows=f"{n:,}", seen=f"{seen:,}", table=table))
                warn(notes[-1])
        return excluded, notes


@dataclass(frozen=True, slots=True)
class Opened:
    """The ticket table, what was lost of it, and whether it says itself which tickets are merged."""

    frame: Frame
    lost: Lost
    span: tuple[Any, Any]
    tells_merged: bool

    def kinds(self, wanted: Collection[str]) -> tuple[str, ...]:
        """The kinds of events to read: where the table does not know of merging, the log does."""
        return tuple(dict.fromkeys((*wanted, *(() if self.tells_merged else ("status_change",)))))


@dataclass(frozen=True, slots=True)
class Log:
    """Events of some kinds that have an id and an instant; how many there are, and what of the table was left out."""

    frame: Frame
    seen: int
    lost: Lost
    span: tuple[Any, Any]


def open_tickets(
    tickets: Any,
    ticket_events: Any,
    *,
    by: str | None = None,
    columns: Names = None,
    as_of: When = None,
    facts: Collection[str] = FACTS,
    details: Collection[str] = DETAILS,
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
        details: Which of DETAILS are wanted; fewer are quicker.
        must: Ticket columns that this metric cannot do without.

    Returns:
        Units whose frame has `ticket_id` and `created_at`; of DETAILS what is wanted: `customer_id`, `kind`,
        `category`, `channel`, `priority`, `assignee_id`, `team`, `created_by`, `follows_ticket_id` (null where the
        table lacks the column); `group` if `by` is given; and of FACTS what is wanted:

        - `first_reply_at`: first public comment of an agent (on a ticket that an agent opened: after the opening one);
        - `first_public_at`: first public answer, a bot's or system's included;
        - `public_agent_comments`: how many public comments of agents, the opening one of an agent not counted;
        - `first_solved_at`, `last_solved_at`: first and last move into solved or closed from outside;
        - `is_solved`: whether it was solved or closed in the end (at `as_of`);
        - `times_solved`, `reopens`: moves into solved or closed from outside, and out of them;
        - `assignments`, `transfers`: assignment events, and those that took it from one hand to another.

        Instants are null where it did not happen, numbers 0. Each figure made of the units reads the log anew in a
        lazy engine; `with held(units.source) as desk:` and
        `desk.units(within)` read it once.
    """
    opened = open_desk(tickets, by=by, columns=columns, details=details, must=must)
    until = None if as_of is None else frames.instant(as_of, "as_of")
    log = open_log(ticket_events, opened.kinds(_kinds_of(facts)), columns=columns, until=until)
    frame = filled(reduced(opened, log, fact_marks(facts)), facts)
    kept = [name for name in frame.collect_schema() if not name.startswith("_") and name not in FACTS]
    frame = frame.select(*kept, *(name for name in FACTS if name in facts), "_merged", "_known", "_early")
    return desk_of(frame, opened, log, until).units()


def open_desk(
    tickets: Any,
    *,
    by: str | None = None,
    columns: Names = None,
    details: Collection[str] = DETAILS,
    must: Collection[str] = (),
) -> Opened:
    """The ticket table with the wanted details, and whether a ticket is `_merged` and was opened `_by_agent`."""
    names = dict.fromkeys(("ticket_id", "created_at", *details, "created_by", "status", "merged_into_ticket_id"))
    opened, lost, found_at = _open_keyed(
        tickets, "tickets", "ticket_id", tuple(names), ("created_at", *must), by, columns
    )
    found = opened.collect_schema()
    signs = [(nw.col("status") == "merged").fill_null(False)] if "status" in found else []
    signs += [~nw.col("merged_into_ticket_id").is_null()] if "merged_into_ticket_id" in found else []
    by_agent = (nw.col("created_by") == "agent").fill_null(False) if "created_by" in found else nw.lit(False)
    merged = nw.any_horizontal(*signs, ignore_nulls=False) if signs else nw.lit(False)
    kept = ["ticket_id", "created_at", *details]
    missing = {name: nw.lit(None, nw.String) for name in kept if name not in found}
    kept += ["group"] if by is not None else []
    opened = opened.with_columns(_merged=merged, _by_agent=by_agent, **missing).select(*kept, *FLAGS)
    return Opened(opened, lost, (found_at["first"], found_at["last"]), bool(signs))


def open_log(ticket_events: Any, kinds: Collection[str], *, columns: Names = None, until: Any = None) -> Log:
    """The events of these kinds up to `until`, `from_value` filled in where it is missing."""
    must = ("actor_type", "kind", "is_public", "to_value")
    log, lost, found = _open_keyed(
        ticket_events, "ticket_events", "event_id", EVENT_COLUMNS, must, None, columns, kinds
    )
    seen = lost[0][-1] - sum(n for _, _, n, _ in lost)
    if until is not None:
        log = log.filter(AT < until)
        seen = int(frames.row(log.select(rows=nw.len()))["rows"])
    log = _with_states(log, kinds) if found.get("bare") != 0 or "assignment" in kinds else log
    return Log(_told_apart(log, kinds), seen, lost, (found["first"], found["last"]))


def desk_of(frame: Frame, opened: Opened, log: Log, until: Any = None) -> Desk:
    """The desk of a reduced frame: a ticket counts that has a date and is not merged."""
    reasons = {"no_date": nw.col("created_at").is_null(), "merged": nw.col("_merged")}
    frame = frame.with_columns(counts=~(reasons["no_date"] | reasons["merged"]))
    inside = None if until is None else nw.col("created_at") < until
    return Desk(frame, reasons, None, "tickets", (*opened.lost, *log.lost), log.seen, inside)


def reduced(opened: Opened, log: Log, marks: Mapping[str, Mark]) -> Frame:
    """The tickets, each with its marks: of the events that meet a condition the least, greatest or sum of something.

    Beside them `_merged`, and how many events of the ticket are `_known`, and `_early` among these: from before it.
    """
    marks = {**marks, **({} if opened.tells_merged else MERGING)}
    early = (AT < nw.col("created_at")).fill_null(False)
    kept: dict[str, nw.Expr] = {name: nw.when(met & ~early).then(made) for name, (met, made, _) in marks.items()}
    told = {name: _PICK[how](nw.col(name)) for name, (_, _, how) in marks.items()}
    told |= {"_known": nw.col("_known").count(), "_early": nw.col("_early").sum()}
    kept |= {"_known": AT, "_early": (early & ~AT.is_null()).cast(nw.Int64)}
    tickets = opened.frame
    if isinstance(tickets, nw.LazyFrame):  # one join is enough, and its rows are never all there at once
        details = [name for name in tickets.collect_schema() if name != "ticket_id"]
        rows = tickets.join(log.frame, on="ticket_id", how="left").select("ticket_id", *details, **kept)
        frame = rows.group_by("ticket_id").agg(nw.col(*details).min(), **told)
    else:
        born = tickets.select("ticket_id", "created_at", "_by_agent")
        rows = log.frame.join(born, on="ticket_id", how="inner").select("ticket_id", **kept)
        frame = tickets.join(rows.group_by("ticket_id").agg(**told), on="ticket_id", how="left")
    if not opened.tells_merged:
        frame = frame.with_columns(_merged=nw.col("_merging").fill_null(0) > 0)
    done: Frame = frame
    return done


@contextmanager
def held(desk: Desk) -> Iterator[Desk]:
    """The same desk, computed once and kept by its engine while the block runs: a figure asks several times.

    A table made of it should not leave the block: DuckDB keeps all rows as long as it lives; `once` sees to that.
    """
    frame = desk.frame
    native = frame.to_native()
    if frame.implementation.is_duckdb():
        # no temporary table: after each change of the catalogue DuckDB looks through every query made before
        yield replace(desk, frame=frames.as_frame(native.materialize()))
    elif frame.implementation.is_pyspark():
        kept = native.cache()
        try:
            yield replace(desk, frame=frames.as_frame(kept))
        finally:
            kept.unpersist()
    else:
        yield replace(desk, frame=frames.as_frame(native.collect().lazy())) if isinstance(frame, nw.LazyFrame) else desk


def once(desk: Desk, figure: Callable[[Desk], Any]) -> Any:
    """What `figure` makes of a desk that is read once: an `Estimate`, or a small table of the engine's own kind."""
    with held(desk) as kept:
        made = figure(kept)
        if not desk.frame.implementation.is_duckdb() or isinstance(made, Estimate):
            return made
        small = frames.fetch(frames.as_frame(made))
    return frames.give_back(frames.same_kind(desk.frame, small))


def _kinds_of(facts: Collection[str]) -> tuple[str, ...]:
    """The kinds of events that these facts are read from."""
    kinds = {"reply": REPLIES, "answer": ("first_public_at",), "status_change": MOVES, "assignment": HANDS}
    return tuple(kind for kind, names in kinds.items() if set(names) & set(facts))


def _open_keyed(
    native: Any,
    table: str,
    key: str,
    needs: Sequence[str],
    must: Sequence[str],
    by: str | None,
    columns: Names,
    kinds: Collection[str] = (),
) -> tuple[Frame, Lost, dict[str, Any]]:
    """A table whose `key` no two rows share, how many rows were lost on the way, and what was found.

    That is its `first` and `last` instant and, of a log, how many moves are `bare`: do not say from which state.
    """
    frame = frames.open_table(
        native, table, needs=needs, must=must, columns=columns_of(columns, table, TABLES), extra=by
    )
    frame = plain_text(frame, "ticket_id")
    at = nw.col("created_at")
    if table == "ticket_events":
        frame, at = frame.rename({"kind": "event_kind"}).filter(_looked_at(frame, kinds)), AT
    none = nw.col(key).is_null() | nw.col("ticket_id").is_null()
    # a ticket without a date is known all the same
    undated = at.is_null() & ~none if table == "ticket_events" else nw.col(key).is_null() & ~none
    wanted = {"seen": nw.len(), "ids": nw.col(key).n_unique(), "first": at.min(), "last": at.max()}
    wanted |= {"no_id": none.cast(nw.Int64).sum(), "no_date": undated.cast(nw.Int64).sum()}
    if "from_value" in frame.collect_schema():
        wanted["bare"] = ((KIND == "status_change") & FROM.is_null()).cast(nw.Int64).sum()
    found = frames.row(frame.select(**wanted))
    seen, nameless, undated_rows = (int(found[name] or 0) for name in ("seen", "no_id", "no_date"))
    if nameless + undated_rows:
        frame = frame.filter(~(none | undated))
        found |= frames.row(frame.select(ids=nw.col(key).n_unique()))
    again = seen - nameless - undated_rows - int(found["ids"] or 0)
    # looking for repeated rows is slow: only where there are some
    frame = frame.unique(subset=[key], keep="any") if again else frame
    lost = (("no_id", nameless), ("no_date", undated_rows), ("same_key", again))
    return frame, tuple((table, why, n, seen) for why, n in lost), found


def plain_text(frame: Frame, *names: str) -> Frame:
    """Text columns to join on: PyArrow does not join its two kinds of text."""
    found = frame.collect_schema()
    names = tuple(name for name in names if found[name] == nw.String)
    if not frame.implementation.is_pyarrow() or not names:
        return frame
    return frame.with_columns(nw.col(*names).cast(nw.String))


def _looked_at(frame: Frame, kinds: Collection[str]) -> nw.Expr:
    """Events of some kinds; "reply" are the public comments of agents, "answer" those of all but customers."""
    plain = [kind for kind in kinds if kind not in ("reply", "answer")]
    public, actor = nw.col("is_public"), nw.col("actor_type")
    # an engine that plans ahead drops "none" itself, and reads less where the condition is bare
    lazy = isinstance(frame, nw.LazyFrame)
    said = (KIND == "comment") & (public if lazy else public.fill_null(False))
    wanted = [_one_of(KIND, plain)] if plain else []
    if "answer" in kinds:
        wanted.append(said & (actor != "customer"))
    elif "reply" in kinds:
        wanted.append(said & (actor == "agent"))
    if not wanted:
        return nw.lit(False)
    either = wanted[0] if len(wanted) == 1 else nw.any_horizontal(*wanted, ignore_nulls=False)
    return either if lazy else either.fill_null(False)


def neighbour(frame: Frame, names: Mapping[str, str], step: int) -> Frame:
    """Each event with columns of the one `step` before it in its ticket (after it, if negative); null at the ends.

    Args:
        frame: Events of one kind or several: `ticket_id` (or `_line`, to go by that), `occurred_at`, `event_id`.
        names: The new columns, and which column of the neighbour they hold.
        step: 1 = the event before, -1 = the one after.
    """
    per = "_line" if "_line" in frame.collect_schema() else "ticket_id"
    order = ["occurred_at", "event_id"]
    if isinstance(frame, nw.LazyFrame):
        return frame.with_columns(
            **{new: nw.col(name).shift(step).over(per, order_by=order) for new, name in names.items()}
        )
    # PyArrow cannot shift within groups; over all sorted rows everyone can
    frame = frame.sort(per, *order)
    same = (nw.col(per) == nw.col(per).shift(step)).fill_null(False)
    return frame.with_columns(**{new: nw.when(same).then(nw.col(name).shift(step)) for new, name in names.items()})


def _with_states(log: Frame, kinds: Collection[str]) -> Frame:
    """`from_value` filled where it is missing: with what the event before of that kind left."""
    if "from_value" not in log.collect_schema():
        log = log.with_columns(from_value=nw.lit(None, nw.String))
    if not {"status_change", "assignment"} & set(kinds):
        return log
    bare = FROM.is_null()
    moved, handed = KIND == "status_change", KIND == "assignment"
    wanted = {"moves": (moved & bare).cast(nw.Int64).sum()}
    if "assignment" in kinds:  # a first assignment rightly has nobody before it: one per ticket is no gap
        wanted |= {"hands": (handed & bare).cast(nw.Int64).sum()}
        wanted |= {"first": nw.when(handed & bare).then(nw.col("ticket_id")).n_unique()}
    found = frames.row(log.select(**wanted))
    if not found["moves"] and (found.get("hands") or 0) < (found.get("first") or 1):
        return log
    log = log.with_columns(_line=nw.concat_str(nw.col("ticket_id"), KIND, separator="\n"))
    log = neighbour(log, {"before_to_value": "to_value"}, 1)
    start = nw.when(moved).then(nw.lit("new"))
    return log.with_columns(from_value=nw.coalesce(FROM, nw.col("before_to_value"), start)).drop(
        "_line", "before_to_value"
    )


def _marks() -> dict[str, Mark]:
    """What of an event is kept under which condition, and how the events of a ticket are summed up."""
    one = nw.lit(1)
    # the opening comment of a ticket that an agent wrote is no reply
    reply = nw.col("_replied") & ((AT > nw.col("created_at")) | ~nw.col("_by_agent"))
    handed = KIND == "assignment"
    came, left = into_solved(), out_of_solved()
    return {
        "first_reply_at": (reply, AT, "min"),
        "first_public_at": (reply | nw.col("_noticed"), AT, "min"),
        "public_agent_comments": (reply, one, "sum"),
        "first_solved_at": (came, AT, "min"),
        "last_solved_at": (came, AT, "max"),
        "_last_left": (left, AT, "max"),
        "times_solved": (came, one, "sum"),
        "reopens": (left, one, "sum"),
        "assignments": (handed, one, "sum"),
        "transfers": (handed & ~FROM.is_null() & ~TO.is_null() & (FROM != TO), one, "sum"),
    }


def _one_of(column: nw.Expr, words: Sequence[str]) -> nw.Expr:
    """Whether it is one of a few words; `is_in` looks through a list for each row in DuckDB."""
    met = column == words[0]
    for word in words[1:]:
        met = met | (column == word)
    return met


def _told_apart(log: Frame, kinds: Collection[str]) -> Frame:
    """The events with what they are, so that a join need not carry the words that tell."""
    made: dict[str, nw.Expr] = {}
    if {"reply", "answer", "comment"} & set(kinds):
        said = (KIND == "comment") & nw.col("is_public").fill_null(False)
        actor = nw.col("actor_type")
        made |= {"_replied": said & (actor == "agent"), "_noticed": said & actor.is_in(["bot", "system"])}
    if "status_change" in kinds:
        moved = KIND == "status_change"
        was, is_now = (_one_of(at, SOLVED).fill_null(False) for at in (FROM, TO))
        made |= {"_came": moved & is_now & ~was, "_left": moved & was & ~(is_now | TO.is_null())}
    return log.with_columns(**{name: met.fill_null(False) for name, met in made.items()}) if made else log


def into_solved() -> nw.Expr:
    """A move from outside into solved or closed, in a log of status changes."""
    return nw.col("_came")


def out_of_solved() -> nw.Expr:
    """A move out of solved or closed, in a log of status changes: the ticket is open again."""
    return nw.col("_left")


_IS_SOLVED_NEEDS = ("last_solved_at", "_last_left", "times_solved", "reopens")


def fact_marks(facts: Collection[str]) -> dict[str, Mark]:
    """The marks that these facts are made of."""
    wanted = {*facts, *(_IS_SOLVED_NEEDS if "is_solved" in facts else ())}
    return {name: mark for name, mark in _marks().items() if name in wanted}


def filled(frame: Frame, facts: Collection[str]) -> Frame:
    """The facts by their names."""
    found = frame.collect_schema()
    made: dict[str, nw.Expr] = {}
    for name in ("public_agent_comments", "times_solved", "reopens", "assignments", "transfers"):
        if name in found:
            made[name] = nw.col(name).fill_null(0).cast(nw.Int64)
    if "is_solved" in facts:
        made["is_solved"] = _is_solved()
    done: Frame = frame.with_columns(**made) if made else frame
    return done


def _is_solved() -> nw.Expr:
    """Solved last and not left since; where both happened in one instant, whether it came in once more than it left."""
    came, left = nw.col("last_solved_at"), nw.col("_last_left")
    balance = nw.col("times_solved").fill_null(0) > nw.col("reopens").fill_null(0)
    decided = left.is_null() | ((came > left) | ((came == left) & balance)).fill_null(False)
    return ~came.is_null() & decided
