"""The desk: what is said and done about a ticket from its opening to its closing, in working time.

Only the first reply's wait, whether it settles the matter, and whether it is settled at all come from the engine. The
steps told here agree with that and move nothing in the world.
"""

from __future__ import annotations

import numpy as np

from crmkit.schema import CHANNELS
from crmkit.simulator.calendar import DAY, HOUR, WEEK
from crmkit.simulator.crowd import Column
from crmkit.simulator.emit.scene import Scene
from crmkit.simulator.engine import COMPLAINT, REQUEST, RETURN
from crmkit.simulator.exact import Floats, Ints
from crmkit.simulator.log import Arrays

DESK = 11  # stream of draws

STATUSES = ("new", "open", "pending", "on_hold", "solved", "closed", "merged")
NEW, OPEN, PENDING, ON_HOLD, SOLVED, CLOSED, MERGED = range(7)
ACTORS = ("customer", "agent", "bot", "system")
CUSTOMER, AGENT, BOT, SYSTEM = range(4)
STEPS = ("comment", "status_change", "assignment", "priority_change", "escalation")
COMMENT, STATUS_CHANGE, ASSIGNMENT, PRIORITY_CHANGE, ESCALATION = range(5)
LOW, NORMAL, HIGH, URGENT = range(4)
TEAMS = ("front_desk", "customer_care", "specialist")
FRONT_DESK, CUSTOMER_CARE, SPECIALIST = range(3)
# what is said: the first four are the kinds of tickets, so that an opening comment is of its ticket's kind
SAYINGS = (
    "question", "request", "complaint", "return", "agent_solution", "agent_apology", "agent_ask", "agent_explain",
    "bot_receipt", "note", "customer_again", "customer_thanks", "customer_more", "escalation_note", "transfer_note",
    "merge_note",
)  # fmt: skip
SOLUTION, APOLOGY, ASK, EXPLAIN, RECEIPT, NOTE, AGAIN, THANKS, MORE = range(4, 13)
ESCALATION_NOTE, TRANSFER_NOTE, MERGE_NOTE = range(13, 16)

CLOSES_AFTER = 5  # days: a solved ticket is locked in the night after them
UNANSWERED_DAYS = 7  # so long the desk waits for an answer to its question
IN_PERSON = np.isin(CHANNELS, ("phone", "store"))
ANSWERED_BY_BOT = np.isin(CHANNELS, ("email", "chat", "sns", "web", "app"))

# ways of a ticket
SETTLED, ROUND, REOPENED, HELD, DISMISSED, RETURNED, STUCK, DUPLICATE = range(8)

_CHANCES = (
    "receipt", "taken_up", "agent", "triage", "noted", "note_at", "says", "thanks", "thanks_after", "answers",
    "more_after", "asks_twice", "next_wait", "transferred", "next_agent", "hold_for", "again_after", "twice_again",
    "again_twice_after", "third_wait", "escalated", "escalated_at", "asked", "on_hold", "chases", "chases_after",
    "given_up", "given_up_after", "merged_after", "last_wait",
)  # fmt: skip


def awake(scene: Scene, at: Ints) -> Ints:
    """Nobody writes in the small hours: 1:00 to 7:00 becomes the morning before the shop opens, so no wait changes."""
    opens = scene.shop.scenario.calendar.opens
    if opens <= 7:
        return at
    inside = at % DAY
    morning = at - inside + 7 * HOUR + (inside - HOUR) * (opens - 7) // 6
    return np.where((inside >= HOUR) & (inside < 7 * HOUR), morning, at)


class Desk:
    """The tickets side by side, told step by step; `now` is where the story of each has come to.

    `some` are always rows of tickets. What lies after the end of the world is not written down and changes no state.
    """

    def __init__(self, scene: Scene, rows: Arrays) -> None:
        n = len(rows["who"])
        self.scene, self.rows, self.clock = scene, rows, scene.shop.clock
        self.u = dict(zip(_CHANCES, scene.draws(rows["key"], DESK, len(_CHANCES) // 3), strict=True))
        self.way, self.now = rows["way"], rows["created"].copy()
        self.gone = (scene.crowd.left[rows["who"]] + 1) * WEEK
        self.reply_at = self.clock.later(rows["created"], rows["wait"])
        self.complains = (rows["kind"] == COMPLAINT) | (rows["kind"] == RETURN)
        plain = np.where(rows["kind"] == REQUEST, LOW, NORMAL)
        plain = np.where(self.complains & (rows["severity"] >= 2), HIGH, plain)
        self.priority = np.minimum(plain + scene.crowd.preferred[rows["who"]], URGENT)
        self.status = np.full(n, NEW)
        self.agent, self.team = np.full(n, -1), np.full(n, -1)
        self.first_reply, self.first_solved, self.solved, self.closed = (np.full(n, -1) for _ in range(4))
        self.reopened = np.zeros(n, dtype=np.int64)
        self._parts: list[tuple[Ints, ...]] = []

    def steps(self) -> Arrays:
        """All that was written down, ticket by ticket."""
        names = ("ticket", "at", "kind", "actor", "agent", "public", "old", "new", "saying")
        columns = [np.concatenate(part) for part in zip(*self._parts, strict=True)]
        ticket = columns[0]
        order = np.argsort(ticket.astype(np.uint16) if len(self.now) < 1 << 16 else ticket, kind="stable")
        return {name: values[order] for name, values in zip(names, columns, strict=True)}

    # what can be done to a ticket

    def write(self, some: Ints, kind: int, actor: int, *, old: Ints | int = -1, new: Ints | int = -1,
              saying: Ints | int = -1, public: bool = False) -> Ints:  # fmt: skip
        """Write a step down; gives the tickets for which it is not after the end. `old` and such are whole columns."""
        some = some[self.now[some] < self.clock.end]
        agent = self.agent if actor == AGENT else -1
        columns = (kind, actor, agent, public, old, new, saying)
        parts = [one[some] if isinstance(one, np.ndarray) else np.full(len(some), one) for one in columns]
        self._parts.append((some, self.now[some], *parts))
        return some

    def say(self, some: Ints, actor: int, saying: Ints | int, *, public: bool = True) -> None:
        """A comment."""
        some = self.write(some, COMMENT, actor, saying=saying, public=public)
        if public and actor == AGENT:
            first = some[self.first_reply[some] < 0]
            self.first_reply[first] = self.now[first]

    def move(self, some: Ints, status: int, actor: int) -> None:
        """Another status."""
        some = self.write(some, STATUS_CHANGE, actor, old=self.status, new=status)
        if status == OPEN:
            self.reopened[some] += self.status[some] == SOLVED
            self.solved[some] = -1
        if status == SOLVED:
            first = some[self.first_solved[some] < 0]
            self.first_solved[first] = self.now[first]
            self.solved[some] = self.now[some]
        if status == CLOSED:
            self.closed[some] = self.now[some]
        self.status[some] = status

    def assign(self, some: Ints, team: Ints, u: Floats, actor: int) -> Ints:
        """Somebody (else) of a team takes over; gives the tickets for which there is somebody else."""
        staff = self.scene.shop.scenario.contact.staff
        begin = np.minimum(np.array([0, staff // 2, staff * 3 // 4]), staff - 1)
        size = np.maximum(np.array([begin[1], begin[2] - begin[1], staff - begin[2]]), 1)
        place = (u * size[team]).astype(np.int64)
        agent = begin[team] + place
        agent = np.where(agent == self.agent, begin[team] + (place + 1) % size[team], agent)
        some = some[agent[some] != self.agent[some]]
        if actor == AGENT:
            self.say(some, AGENT, TRANSFER_NOTE, public=False)
        happened = self.write(some, ASSIGNMENT, actor, old=self.agent, new=agent)
        self.agent[happened], self.team[happened] = agent[happened], team[happened]
        return some

    def raise_priority(self, some: Ints, priority: int) -> None:
        """A higher priority, for those that have a lower one."""
        some = self.write(some[self.priority[some] < priority], PRIORITY_CHANGE, AGENT, old=self.priority, new=priority)
        self.priority[some] = priority

    def escalate(self, some: Ints) -> None:
        """To whoever may decide."""
        self.say(some, AGENT, ESCALATION_NOTE, public=False)
        self.write(some, ESCALATION, AGENT, old=self.team, new=len(TEAMS))
        self.raise_priority(some, URGENT)

    def work(self, some: Ints, seconds: Column) -> None:
        """Working time goes by; a whole column is given."""
        self.now[some] = self.clock.later(self.now[some], seconds[some].astype(np.int64))

    def answer(self, some: Ints, u: Floats, saying: int) -> None:
        """A further reply: its wait goes with the first one's."""
        self.work(some, self.rows["wait"] * (0.4 + 1.2 * u) + 60)
        self.say(some, AGENT, saying)

    def hear(self, some: Ints, hours: Column, saying: int) -> Ints:
        """The customer is heard of after so many hours; gives those who are, for nobody is who is no longer one."""
        at = awake(self.scene, self.now[some] + (hours[some] * HOUR).astype(np.int64))
        at = np.where(IN_PERSON[self.rows["channel"][some]], self.clock.later(at, 60 + at % HOUR), at)
        here = at < self.gone[some]
        some = some[here]
        self.now[some] = at[here]
        self.say(some, CUSTOMER, saying)
        return some

    # the story

    def on(self, *ways: int) -> Ints:
        """The tickets that go one of these ways."""
        return np.flatnonzero(np.isin(self.way, ways))

    def open(self) -> None:
        """The opening comment, and within a minute a receipt where nobody reads at once."""
        rows = self.rows
        self.say(np.arange(len(self.now)), CUSTOMER, rows["kind"])
        receipt = ANSWERED_BY_BOT[rows["channel"]] & ((self.reply_at > self.now + 60) | (self.way == DUPLICATE))
        some = np.flatnonzero(receipt)
        self.now[some] += 4 + (self.u["receipt"][some] * 50).astype(np.int64)
        self.say(some, BOT, RECEIPT)

    def merge(self) -> None:
        """Somebody sees that a ticket says what another one says."""
        some = self.on(DUPLICATE)
        self.work(some, 600 + self.u["merged_after"] * 2 * HOUR)
        self.assign(some, np.full(len(self.now), FRONT_DESK), self.u["agent"], SYSTEM)
        self.say(some, AGENT, MERGE_NOTE, public=False)
        self.move(some, MERGED, AGENT)

    def take_up(self) -> None:
        """Before the first reply: who does it, how urgent it is, and what colleagues should know."""
        some = np.flatnonzero(self.way != DUPLICATE)
        self._before_reply(some, 0.05 + 0.4 * self.u["taken_up"])
        team = np.where(self.complains & (self.u["triage"] < 0.7), CUSTOMER_CARE, FRONT_DESK)
        self.assign(some, team, self.u["agent"], SYSTEM)
        self.move(some, OPEN, SYSTEM)
        self.raise_priority(some[self.u["triage"][some] > 0.95], HIGH)
        self.escalate(some[self.rows["severity"][some] == 3])
        noted = some[self.u["noted"][some] < 0.3]
        self._before_reply(noted, 0.5 + 0.45 * self.u["note_at"])
        self.say(noted, AGENT, NOTE, public=False)

    def _before_reply(self, some: Ints, share: Floats) -> None:
        """So much of the wait goes by."""
        at = self.clock.later(self.rows["created"][some], (self.rows["wait"][some] * share[some]).astype(np.int64))
        self.now[some] = np.minimum(np.maximum(self.now[some], at), self.reply_at[some])

    def reply_first(self) -> None:
        """The first answer, when the engine says; some matters are over with it, or seem to be."""
        some = np.flatnonzero(self.way != DUPLICATE)
        self.now[some] = self.reply_at[some]
        over = np.isin(self.way, (SETTLED, REOPENED, DISMISSED, RETURNED))
        explains = self.complains & (self.u["says"] < 0.35)  # where it came from, and what is done about it
        saying = np.where(over, np.where(explains, EXPLAIN, SOLUTION), ASK)
        self.say(some, AGENT, np.where(self.rows["apologised"], APOLOGY, saying))
        self.move(np.flatnonzero(over), SOLVED, AGENT)
        settled = self.on(SETTLED)
        self.hear(settled[self.u["thanks"][settled] < 0.35], 0.3 + 50 * self.u["thanks_after"], THANKS)

    def ask_back(self) -> None:
        """The desk needs to know more, and then finds a solution, has to wait for others, or finds none."""
        more = self._wait_for_answer(self.on(ROUND, HELD, STUCK))
        way = self.way[more]
        self._find_out(more[way == ROUND])
        self._hold(more[way == HELD])
        self._get_stuck(more[way == STUCK])

    def _wait_for_answer(self, some: Ints) -> Ints:
        """Who answers; where nobody does, the system takes it as solved in the end."""
        self.move(some, PENDING, AGENT)
        answers = (self.u["answers"][some] < 0.92) | (self.way[some] == STUCK)
        more = self.hear(some[answers], 0.5 + 40 * self.u["more_after"], MORE)
        self.move(more, OPEN, CUSTOMER)
        silent = np.setdiff1d(some, more, assume_unique=True)
        self.now[silent] += UNANSWERED_DAYS * DAY
        self.move(silent, SOLVED, SYSTEM)
        return more

    def _find_out(self, some: Ints) -> None:
        twice = self.u["asks_twice"][some] < 0.25
        asked = some[twice]
        self.answer(asked, self.u["third_wait"], ASK)
        some = np.union1d(some[~twice], self._wait_for_answer(asked))
        self._hand_over(some[self.u["transferred"][some] < 0.25])
        self.answer(some, self.u["next_wait"], SOLUTION)
        self.move(some, SOLVED, AGENT)

    def _hand_over(self, some: Ints) -> None:
        self.work(some, self.rows["wait"] * 0.2 + 60)
        self.assign(some, np.full(len(self.now), SPECIALIST), self.u["next_agent"], AGENT)

    def _hold(self, some: Ints) -> None:
        """Something has to be found out elsewhere first."""
        self.work(some, self.rows["wait"] * 0.3 + 60)
        self.move(some, ON_HOLD, AGENT)
        self.work(some, (3 + 30 * self.u["hold_for"]) * HOUR)
        self.move(some, OPEN, AGENT)
        self.work(some, 600 + 3000 * self.u["next_wait"])
        self.say(some, AGENT, np.where(self.complains, EXPLAIN, SOLUTION))
        self.move(some, SOLVED, AGENT)

    def _get_stuck(self, some: Ints) -> None:
        """No solution is found, and the customer asks what has become of it."""
        held = some[self.u["on_hold"][some] < 0.6]
        self.work(held, self.rows["wait"] * 0.3 + 60)
        self.move(held, ON_HOLD, AGENT)
        chasing = self.hear(some[self.u["chases"][some] < 0.6], (3 + 9 * self.u["chases_after"]) * 24, AGAIN)
        self.move(chasing[self.status[chasing] == ON_HOLD], OPEN, CUSTOMER)
        self._leave_open(some)

    def come_back(self) -> None:
        """It was not over for the customer: reopened, and then settled, or not."""
        some = self.hear(self.on(REOPENED, RETURNED), 2 + 66 * self.u["again_after"], AGAIN)
        self.move(some, OPEN, CUSTOMER)
        returned = self.way[some] == RETURNED
        some, unsolved = some[~returned], some[returned]
        self._hand_over(some[self.u["transferred"][some] < 0.3])
        self.answer(some, self.u["next_wait"], SOLUTION)
        self.move(some, SOLVED, AGENT)
        some = self.hear(some[self.u["twice_again"][some] < 0.15], 2 + 66 * self.u["again_twice_after"], AGAIN)
        self.move(some, OPEN, CUSTOMER)
        self.answer(some, self.u["third_wait"], SOLUTION)
        self.move(some, SOLVED, AGENT)
        self._leave_open(unsolved)

    def _leave_open(self, some: Ints) -> None:
        """What stays in the backlog: escalated or not, asked about again or not, in the end given up or not."""
        escalated = some[self.u["escalated"][some] < 0.7]
        self.work(escalated, self.rows["wait"] * (0.2 + self.u["escalated_at"]) + 60)
        self.escalate(escalated)
        asked = some[self.u["asked"][some] < 0.6]
        self.answer(asked, self.u["last_wait"], ASK)
        self.move(asked, PENDING, AGENT)
        more = self.hear(asked, 0.5 + 40 * self.u["more_after"], MORE)
        self.move(more, OPEN, CUSTOMER)
        waiting = more[self.u["on_hold"][more] < 0.4]
        self.work(waiting, self.rows["wait"] * 0.3 + 60)
        self.move(waiting, ON_HOLD, AGENT)
        given_up = some[self.u["given_up"][some] < 0.5]
        self.now[given_up] += ((8 + 12 * self.u["given_up_after"][given_up]) * WEEK).astype(np.int64)
        self._at_night(given_up)
        self.move(given_up, CLOSED, SYSTEM)

    def close(self) -> None:
        """Solved tickets are locked some nights later."""
        some = np.flatnonzero(self.status == SOLVED)
        self.now[some] = np.maximum(self.now[some], self.solved[some] + CLOSES_AFTER * DAY)
        self._at_night(some)
        self.move(some, CLOSED, SYSTEM)

    def _at_night(self, some: Ints) -> None:
        self.now[some] = (self.now[some] // DAY + 1) * DAY + 3 * HOUR
