"""Which tickets there are, and what became of each: the engine's one line told in full, for all tables that need it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from crmkit.schema import CHANNELS
from crmkit.simulator import voices
from crmkit.simulator.calendar import HOUR, WEEK
from crmkit.simulator.crowd import Column
from crmkit.simulator.emit.desk import (
    DISMISSED,
    DUPLICATE,
    HELD,
    IN_PERSON,
    MERGED,
    REOPENED,
    RETURNED,
    ROUND,
    SETTLED,
    STUCK,
    Desk,
    awake,
)
from crmkit.simulator.emit.scene import Scene, digits
from crmkit.simulator.engine import COMPLAINT, QUESTION, REQUEST, RETURN
from crmkit.simulator.exact import Floats, Ints, Words, pick
from crmkit.simulator.log import Arrays, sequence

OPENING, TWICE = 10, 12  # streams of draws

TOPICS = voices.TOPICS
EMAIL, PHONE = CHANNELS.index("email"), CHANNELS.index("phone")
_ASKED_ABOUT = {  # weights of TOPICS, by kind of ticket; a defect is about quality
    QUESTION: (5, 5, 0, 20, 5, 30, 25, 10),
    REQUEST: (15, 0, 10, 10, 10, 35, 15, 5),
    COMPLAINT: (38, 0, 14, 20, 28, 0, 0, 0),
}


@dataclass(frozen=True)
class Timelines:
    """All tickets of a block, customer by customer and by time; instants in seconds, -1 = not (or not yet, at the end).

    Attributes:
        who: Place of the customer.
        log: Row of `scene.events("tickets")`; a duplicate has that of the ticket it repeats.
        created: When the ticket was opened.
        first_reply: First public comment of a human agent.
        first_solved_at: First move to solved.
        solved_at: Last move to solved, of tickets that have not been open since: what counts as solved at the end.
        closed_at: When it was locked.
        reopened: How often it went from solved back to open.
        status: Code of `STATUSES`, at the end.
        is_merged: Was a duplicate and has been merged by the end: not to be counted.
        kind, severity: As in the engine's log.
        topic: Code of `TOPICS`.
        priority: Code of `PRIORITIES`, at the end.
        channel: Code of `CHANNELS`.
        by_agent: An agent wrote the ticket down (a telephone call).
        assignee, team: At the end; -1 = nobody yet. Agents count from 0.
        order: Number of the order in the engine's log, product: of its main line; -1 = none.
        problem: Number of the problem behind it, from 0; -1 = none.
        follows: Row of the ticket whose matter comes up again, `repeats`: of the ticket it was merged into; -1 = none.
        keys: Where what is told of a ticket is drawn from; a duplicate has the key of the ticket it repeats.
        ticket_numbers, ticket_ids: Its name.
        step: The steps at the desk, ticket by ticket and by time: `ticket` (row), `at`, `kind` (`STEPS`), `actor`
            (`ACTORS`), `agent` (-1 = no agent), `public`, `old` and `new` (codes in the words of the kind of step),
            `saying` (`SAYINGS`; -1 = nothing said).
    """

    who: Ints
    log: Ints
    created: Ints
    first_reply: Ints
    first_solved_at: Ints
    solved_at: Ints
    closed_at: Ints
    reopened: Ints
    status: Ints
    is_merged: Column
    kind: Ints
    severity: Ints
    topic: Ints
    priority: Ints
    channel: Ints
    by_agent: Column
    assignee: Ints
    team: Ints
    order: Ints
    product: Ints
    problem: Ints
    follows: Ints
    repeats: Ints
    keys: Words
    ticket_numbers: Ints
    ticket_ids: pa.Array
    step: Arrays

    def __len__(self) -> int:
        return len(self.who)


def timelines(scene: Scene) -> Timelines:
    """The tickets of a scene and what became of them; worked out once for each scene.

    Examples:
        >>> from crmkit.simulator.plan import plan
        >>> scene = plan("salon", customers=200, weeks=26, seed=7).scene()
        >>> told = timelines(scene)
        >>> bool((told.first_reply[told.first_reply >= 0] > told.created[told.first_reply >= 0]).all())
        True
    """
    kept = vars(scene)  # where `cached_property` keeps its values, too
    if "timelines" not in kept:
        kept["timelines"] = _tell(scene)
    found: Timelines = kept["timelines"]
    return found


def _tell(scene: Scene) -> Timelines:
    rows = _rows(scene)
    desk = Desk(scene, rows)
    desk.open()
    desk.merge()
    desk.take_up()
    desk.reply_first()
    desk.ask_back()
    desk.come_back()
    desk.close()
    merged = desk.status == MERGED
    named = ("who", "log", "created", "kind", "severity", "topic", "channel", "by_agent", "order", "product", "problem")
    room = id_room(scene)
    number = scene.crowd.number[rows["who"]] * 10**room + sequence(rows["who"])
    return Timelines(
        **{name: rows[name] for name in (*named, "follows")},
        first_reply=desk.first_reply, first_solved_at=desk.first_solved, solved_at=desk.solved, closed_at=desk.closed,
        reopened=desk.reopened, status=desk.status, is_merged=merged, priority=desk.priority, assignee=desk.agent,
        team=desk.team, repeats=np.where(merged, rows["repeats"], -1), keys=rows["key"], ticket_numbers=number,
        ticket_ids=digits("T", number, 9 + room), step=desk.steps(),
    )  # fmt: skip


def id_room(scene: Scene) -> int:
    """Digits in an id for a customer's tickets: two in a world of two years, more in one of many.

    That is enough for a ticket every other week, all life long; of anybody louder the last tickets are not on record.
    """
    return max(2, len(str(scene.shop.weeks // 2)))


# --- which tickets there are


def _rows(scene: Scene) -> Arrays:
    """The tickets: those of the engine, and the second ones of customers who would not wait."""
    log = scene.events("tickets")
    if not log:
        none = np.zeros(0, dtype=np.int64)
        log = dict.fromkeys(("who", "week", "order", "address", "opened", "kind", "severity", "channel"), none)
        log |= {"hours": np.zeros(0), **dict.fromkeys(("first", "solved", "apologised", "follows"), none.astype(bool))}
    kept = np.flatnonzero(sequence(log["who"]) <= 9 * 10 ** (id_room(scene) - 1))
    log = {name: values[kept] for name, values in log.items()}
    keys = scene.event_keys(log["who"], log["address"])
    u = scene.draws(keys, OPENING, 4)
    rows = {
        "log": kept, "key": keys, "who": log["who"], "kind": log["kind"], "severity": log["severity"],
        "repeats": np.full(len(keys), -1), "wait": (log["hours"] * HOUR).astype(np.int64),
        "apologised": log["apologised"],
    }  # fmt: skip
    rows["follows"], rows["order"] = _followed(log)
    rows |= _about(scene, rows, u[0])
    rows |= _opening(scene, log, rows["who"], u)
    rows["way"] = _ways(log, rows["follows"], u[9])
    return _by_time(_with_duplicates(scene, rows))


def _followed(log: Arrays) -> tuple[Ints, Ints]:
    """For a matter that comes up again the ticket it was last told in (two weeks before, unsolved), and its order."""
    follows = np.full(len(log["who"]), -1)
    unsolved = np.flatnonzero(~log["solved"])
    again = np.flatnonzero(log["follows"])
    if len(again):
        told = log["who"] * (1 << 20) + log["week"]
        earlier = np.searchsorted(told[unsolved], told[again] - 2, side="right") - 1
        row = unsolved[np.maximum(earlier, 0)]
        good = (earlier >= 0) & (told[row] == told[again] - 2)
        follows[again[good]] = row[good]
    return follows, _as_before(log["order"], follows)


def _as_before(values: Ints, follows: Ints) -> Ints:
    """What comes up again is about the same as before; a matter can come up several times."""
    chained = np.flatnonzero(follows >= 0)
    while True:
        same = values[follows[chained]]
        if (values[chained] == same).all():
            return values
        values = values.copy()
        values[chained] = same


def _about(scene: Scene, rows: Arrays, u: Floats) -> Arrays:
    """What each ticket is about: topic, product, and the problem behind it."""
    shop, orders = scene.shop, scene.orders
    some = np.flatnonzero(rows["order"] >= 0)
    row = scene.order_row[rows["order"][some]] if len(some) else some
    product, week = np.full(len(u), -1), np.full(len(u), -1)
    defect = np.zeros(len(u), dtype=bool)
    if len(some):
        product[some], week[some], defect[some] = orders["main"][row], orders["week"][row], orders["defect"][row]
    complains = (rows["kind"] == COMPLAINT) | (rows["kind"] == RETURN)
    topic: Ints = np.zeros(len(u), dtype=np.int64)
    for kind, weights in _ASKED_ABOUT.items():
        these = rows["kind"] == kind
        topic[these] = pick(u[these], weights)
    topic[complains & defect] = TOPICS.index("quality")
    topic = _as_before(topic, rows["follows"])
    levers = shop.levers
    if not (levers.points_rate or levers.member_discount or levers.anniversary_gift):
        topic[topic == TOPICS.index("points")] = TOPICS.index("booking")
    problem = np.full(len(u), -1)
    for number, one in enumerate(shop.problems):  # what comes after it was mended is its recurrence
        problem[complains & defect & (product == one.product) & (week >= one.starts)] = number
    return {"topic": topic, "product": product, "problem": problem}


def _opening(scene: Scene, log: Arrays, who: Ints, u: Floats) -> Arrays:
    """When and how each ticket was opened. Calls and visits wait for the door; what would have to wait for another week
    is written instead."""
    clock, people = scene.shop.clock, scene.shop.scenario.people
    codes = np.array([CHANNELS.index(name) for name in people.contact_channel])
    channel = codes[log["channel"]]
    last = (log["week"] + 1) * WEEK - 60
    created = awake(scene, log["opened"])
    closed = clock.working(created + 1) == clock.working(created)
    visit = np.flatnonzero(IN_PERSON[channel] & closed)
    at = clock.later(created[visit], 60 + (u[4][visit] * u[4][visit] * 3 * HOUR).astype(np.int64))
    inside = at <= last[visit]
    created[visit[inside]] = at[inside]
    channel[visit[~inside]] = EMAIL
    return {"created": created, "channel": channel, "by_agent": (channel == PHONE) & (u[5] < 0.35)}


def _ways(log: Arrays, follows: Ints, u: Floats) -> Ints:
    """Which way each ticket goes: what the engine decided, and what it left open."""
    comes_again = np.zeros(len(u), dtype=bool)
    comes_again[follows[follows >= 0]] = True
    in_the_end = np.array([ROUND, REOPENED, HELD])[pick(u, (42, 40, 18))]
    # a matter that comes up in a new ticket was closed in the old one; the others are still open
    never = np.where(comes_again, DISMISSED, np.where(u < 0.45, RETURNED, STUCK))
    return np.where(log["first"], SETTLED, np.where(log["solved"], in_the_end, never))


def _with_duplicates(scene: Scene, rows: Arrays) -> Arrays:
    """Some who have had no answer yet write a second time, elsewhere."""
    u = scene.draws(rows["key"], TWICE, 1)
    at = awake(scene, rows["created"] + HOUR // 2 + (u[1] * 7 * HOUR).astype(np.int64) // 60 * 60)
    reply = scene.shop.clock.later(rows["created"], rows["wait"])
    until = np.minimum((scene.crowd.left[rows["who"]] + 1) * WEEK, scene.shop.clock.end)
    some = np.flatnonzero((u[0] < 0.035) & (at < np.minimum(reply, until)))
    some = some[sequence(rows["who"][some]) < 10 ** (id_room(scene) - 1)]
    second = {name: values[some] for name, values in rows.items()}
    channel = np.array([CHANNELS.index(name) for name in ("email", "chat", "sns")])
    choice = (u[2][some] * 2).astype(np.int64)
    second["channel"] = np.where(second["channel"] == channel[choice], channel[2], channel[choice])
    second |= {
        "created": at[some], "repeats": some, "follows": np.full(len(some), -1), "way": np.full(len(some), DUPLICATE),
        "by_agent": np.zeros(len(some), dtype=bool),
    }  # fmt: skip
    return {name: np.concatenate([values, second[name]]) for name, values in rows.items()}


def _by_time(rows: Arrays) -> Arrays:
    """Customer by customer, by time; rows that point to rows go on doing so."""
    order = np.lexsort((rows["created"], rows["who"]))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    rows = {name: values[order] for name, values in rows.items()}
    for name in ("follows", "repeats"):
        some = rows[name] >= 0
        rows[name][some] = place[rows[name][some]]
    return rows
