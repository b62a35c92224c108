"""Tickets, everything that was said and done about them, and what reviewers thought of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from crmkit.schema import CHANNELS, PRIORITIES
from crmkit.simulator.calendar import HOUR
from crmkit.simulator.crowd import Column
from crmkit.simulator.emit.desk import (
    ACTORS,
    AGENT,
    ASSIGNMENT,
    BOT,
    CUSTOMER,
    ESCALATION,
    PRIORITY_CHANGE,
    SAYINGS,
    STATUS_CHANGE,
    STATUSES,
    STEPS,
    TEAMS,
)
from crmkit.simulator.emit.scene import Scene, category, digits, optional, table
from crmkit.simulator.emit.timeline import TOPICS, Timelines, id_room, timelines
from crmkit.simulator.engine import TICKET_KINDS
from crmkit.simulator.exact import Floats, Ints, words
from crmkit.simulator.log import Arrays, sequence
from crmkit.simulator.voices import voice

REVIEWING, SPEAKING, SPEAKING_TWICE = 13, 28, 29  # streams of draws
REVIEWED_SHARE = 0.13
STRICTNESS = (0.0, 0.1, -0.07)  # of each reviewer


def tickets(scene: Scene, language: str) -> pa.Table:
    """One row for each ticket, customer by customer and by time; `status`, assignee and such as they are at the end.

    The words of a ticket are in its events; `language` is theirs and changes nothing here.
    """
    told = timelines(scene)
    complains = told.severity > 0
    return table("tickets", {
        "ticket_id": told.ticket_ids,
        "customer_id": scene.ids(told.who),
        "created_at": scene.instants(told.created),
        "created_by": category(told.by_agent, ("customer", "agent")),
        "channel": category(told.channel, CHANNELS),
        "kind": category(told.kind, TICKET_KINDS),
        "category": category(told.topic, TOPICS),
        "priority": category(told.priority, PRIORITIES),
        "severity": optional(told.severity, ~complains),
        "product_id": category(told.product, [f"P{one:03}" for one in range(1, len(scene.shop.scenario.products) + 1)]),
        "order_id": scene.order_ids_of(told.order),
        "assignee_id": category(told.assignee, agents(scene)),
        "team": category(told.team, TEAMS),
        "status": category(told.status, STATUSES),
        "problem_id": category(told.problem, [f"B{one:02}" for one in range(1, len(scene.shop.problems) + 1)]),
        "merged_into_ticket_id": _ids(told, told.repeats),
        "follows_ticket_id": _ids(told, told.follows),
    })  # fmt: skip


def agents(scene: Scene) -> list[str]:
    """A01, A02, …: those who answer."""
    return [f"A{one:02}" for one in range(1, scene.shop.scenario.contact.staff + 1)]


def _ids(told: Timelines, row: Ints) -> pa.Array:
    return told.ticket_ids.take(pa.array(row, mask=row < 0))


def ticket_events(scene: Scene, language: str) -> pa.Table:
    """One row for each step of each ticket, ticket by ticket and by time; the first is the opening comment."""
    told = timelines(scene)
    step = told.step
    ticket, public = step["ticket"], step["public"]
    nth = sequence(ticket)
    old, new, names = _values(scene, step)
    return table("ticket_events", {
        "event_id": digits("E", told.ticket_numbers[ticket] * 100 + nth, 11 + id_room(scene)),
        "ticket_id": told.ticket_ids.take(pa.array(ticket)),
        "occurred_at": scene.instants(step["at"]),
        "actor_type": category(step["actor"], ACTORS),
        "actor_id": _actors(scene, told, step),
        "kind": category(step["kind"], STEPS),
        "is_public": public,
        "from_value": category(old, names),
        "to_value": category(new, names),
        "channel": category(np.where(public, told.channel[ticket], -1), CHANNELS),
        "body": _bodies(scene, told, nth, language),
    })  # fmt: skip


def _values(scene: Scene, step: Arrays) -> tuple[Column, Column, list[str]]:
    """What a step changed, from and to, as codes of one list of words."""
    groups = {
        STATUS_CHANGE: STATUSES,
        PRIORITY_CHANGE: PRIORITIES,
        ESCALATION: (*TEAMS, "manager"),
        ASSIGNMENT: agents(scene),
    }
    begins = np.zeros(len(STEPS), dtype=np.int64)
    names: list[str] = []
    for kind, group in groups.items():
        begins[kind] = len(names)
        names.extend(group)
    begin = begins[step["kind"]]
    old, new = (np.where(step[side] >= 0, begin + step[side], -1) for side in ("old", "new"))
    return old, new, names


def _actors(scene: Scene, told: Timelines, step: Arrays) -> pa.Array:
    """Who it was: a customer, an agent, the robot; the system is nobody."""
    staff = agents(scene)
    everybody = pa.concat_arrays([pa.array([*staff, "BOT"], pa.string()), scene.customer_ids])
    actor = step["actor"]
    place = np.where(actor == AGENT, step["agent"], np.where(actor == BOT, len(staff), -1))
    place = np.where(actor == CUSTOMER, len(staff) + 1 + told.who[step["ticket"]], place)
    return everybody.take(pa.array(place, mask=place < 0))


def _bodies(scene: Scene, told: Timelines, nth: Ints, language: str) -> pa.Array:
    """What was said, in the voices of the business."""
    step, speech = told.step, voice(scene.shop.scenario.story.voice, language)
    ticket, saying = step["ticket"], step["saying"]
    stream = np.where(told.repeats >= 0, SPEAKING_TWICE, SPEAKING)  # a duplicate has the key of the ticket it repeats
    spoken = words(told.keys[ticket], stream[ticket] * 64 + nth)
    place = np.full(len(ticket), -1, dtype=np.int32)
    for code, name in enumerate(SAYINGS):
        some = np.flatnonzero(saying == code)
        about = {"topics": told.topic[ticket[some]]} if code < len(TICKET_KINDS) else {}
        if name == "complaint":
            about["tones"] = told.severity[ticket[some]] - 1
        place[some] = speech.pick(name, spoken[some], **about)
    return speech.sentences.take(pa.array(place, mask=place < 0))


def quality_reviews(scene: Scene) -> pa.Table:
    """One row for each reviewed ticket, some days after it was answered, customer by customer and by time.

    Grades of one ticket hang together; they rise with the shop's courtesy and listening, with an apology where one was
    due, and with a solution. `apology` is null where there was nothing to be sorry for.
    """
    told, levers = timelines(scene), scene.shop.levers
    if not len(told):
        return table("quality_reviews", {"review_id": pa.array([], pa.string())})
    u = scene.draws(told.keys, REVIEWING, 4)
    over = np.maximum(told.first_solved_at, told.first_reply)
    at = scene.shop.clock.later(over, ((8 + 40 * u[1]) * HOUR).astype(np.int64))
    good = (u[0] < REVIEWED_SHARE) & (told.first_reply >= 0) & ~told.is_merged & (at < scene.shop.clock.end)
    some = np.flatnonzero(good)
    some = some[np.lexsort((at[some], told.who[some]))]
    log = {name: values[told.log[some]] for name, values in scene.events("tickets").items()}
    sorry, first = log["apologised"], log["first"]
    reviewer = (u[2][some] * len(STRICTNESS)).astype(np.int64)
    mood = 0.5 * (u[3][some] - 0.5) - np.array(STRICTNESS)[reviewer]
    courtesy, listening = levers.courtesy, levers.listening
    quality = {
        "courtesy": 0.25 + 0.6 * courtesy,
        "listening": 0.25 + 0.6 * listening,
        "empathy": 0.2 + 0.55 * listening + 0.2 * sorry,
        "sincerity": 0.25 + 0.2 * courtesy + 0.25 * listening + 0.2 * sorry,
        "solution": 0.3 + 0.15 * log["solved"] + 0.35 * first,
        "explanation": 0.3 + 0.4 * listening + 0.15 * first,
    }
    grades = {name: _grade(level + mood, u[4 + n][some]) for n, (name, level) in enumerate(quality.items())}
    apology = np.where(sorry, 1 + (0.5 + mood > 1 - u[10][some]), 0)
    followed = 0.3 + 0.3 * courtesy + 0.2 * listening + mood + 0.5 * (u[11][some] - 0.5) > 0.42
    return table("quality_reviews", {
        "review_id": digits("Q", told.ticket_numbers[some], 9 + id_room(scene)),
        "ticket_id": told.ticket_ids.take(pa.array(some)),
        "reviewed_at": scene.instants(at[some]),
        "reviewer_id": category(reviewer, [f"R{one:02}" for one in range(1, len(STRICTNESS) + 1)]),
        **grades,
        "apology": optional(apology, told.severity[some] == 0),
        "guideline_followed": followed,
    })  # fmt: skip


def _grade(level: Floats, u: Floats) -> Ints:
    """0, 1 or 2 points."""
    x = level + 0.5 * (u - 0.5)
    return (x > 0.36).astype(np.int64) + (x > 0.64)
