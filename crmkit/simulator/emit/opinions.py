"""What customers think and whom they tell: survey answers (from `surveys`), reviews and other feedback, referrals."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from crmkit.schema import TABLES
from crmkit.simulator.calendar import DAY, HOUR, WEEK
from crmkit.simulator.crowd import Column
from crmkit.simulator.emit.contacts import by_time, ids_within, leaves_at, order_keys, product_codes
from crmkit.simulator.emit.sales import registered
from crmkit.simulator.emit.scene import Scene, category, optional, table, waking
from crmkit.simulator.emit.surveys import CSAT, NEGATIVE, NEUTRAL, POSITIVE, answers, comment, survey_responses, topics
from crmkit.simulator.emit.timeline import timelines
from crmkit.simulator.engine import QUESTION, REQUEST
from crmkit.simulator.exact import Floats, Ints, Words, pick, words
from crmkit.simulator.log import Arrays
from crmkit.simulator.voices import TOPICS, Voice, voice

__all__ = ["feedback", "referrals", "survey_responses"]

WRITING, REVIEWING, DESKING, NEEDING, PASSING, HANDLING, SPEAKING, REFERRING = range(60, 68)  # streams of draws
REFERRAL = 1 << 30  # address of events

SOURCES, STATUSES = (TABLES["feedback"][name].allowed for name in ("source", "status"))
REVIEW, SNS, COMMENT, DESK, TICKET, INTERVIEW = range(6)
NEW, TRIAGED, PLANNED, DONE, DECLINED = range(5)
STARS = (0.27, 0.35, 0.45, 0.66)  # where a memory, 0 to 1, is worth one star more
PASSED_ON = 0.3  # of requests, complaints and returns the service desk passes on the opinion in them
REPLIES = np.array([(0.10, 0.55), (0.03, 0.25), (0.05, 0.25), (0.35, 0.60), (0.50, 0.45), (0.10, 0.20)])  # + x desk
_NONE = -9


# --- feedback


def feedback(scene: Scene, language: str) -> pa.Table:
    """One row for each piece of feedback, customer by customer and by time, and what the shop made of it.

    A public review or post may be without a name: its `customer_id` is null. Comments of surveys stand here, too, at
    the moment of the answer; wishes have a `need_code` and no topic.

    Args:
        scene: The lived block.
        language: Of the texts: "ja" or "en".

    Returns:
        The columns of the model's `feedback`.

    Examples:
        >>> from crmkit.simulator.plan import plan
        >>> scene = plan("salon", customers=200, weeks=26, seed=7).scene()
        >>> heard = feedback(scene, "en").to_pandas()
        >>> bool((heard["rating"].notna() <= heard["source"].isin(["review", "survey_comment"])).all())
        True
    """
    said = voice(scene.shop.scenario.story.voice, language)
    parts = [*_after_buying(scene, said), *_from_tickets(scene, said), *_from_surveys(scene, said)]
    parts = [one for one in parts if len(one["who"])]
    if not parts:
        return table("feedback", {"feedback_id": pa.array([], pa.string())})
    found = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
    rows = np.flatnonzero((found["at"] < scene.shop.clock.end) & (found["at"] < leaves_at(scene, found["who"])))
    rows = rows[by_time(found["who"][rows], found["at"][rows])]
    found = {name: values[rows] for name, values in found.items()}
    handled = _handled(scene, found)
    rating = found["rating"]
    return table("feedback", {
        "feedback_id": ids_within(scene, "F", found["who"]),
        "customer_id": scene.ids(np.where(found["nameless"], -1, found["who"])),
        "received_at": scene.instants(found["at"]),
        "source": category(found["source"], SOURCES),
        "is_public": np.isin(found["source"], (REVIEW, SNS)),
        "rating": optional(rating, rating == _NONE),
        "text": said.sentences.take(pa.array(found["text"])),
        "topic": category(np.where(found["need"] >= 0, -1, found["topic"]), TOPICS),
        "sentiment": handled["sentiment"],
        "need_code": category(found["need"], said.needs),
        "product_id": category(found["product"], product_codes(scene)),
        "status": category(handled["status"], STATUSES),
        "actioned_at": scene.instants(handled["actioned"], missing=handled["actioned"] < 0),
        "replied_at": scene.instants(handled["replied"], missing=handled["replied"] < 0),
    })  # fmt: skip


def _rows(
    *, who: Ints, at: Ints, source: Ints | int, text: Column, tone: Ints | int, keys: Words, **given: Column | int
) -> Arrays:
    """Pieces of feedback with all their columns."""
    plain = {"source": source, "tone": tone, "topic": -1, "rating": _NONE, "need": -1, "product": -1, "nameless": False}
    return {"who": who, "at": at, "text": text, "keys": keys} | {
        name: values if isinstance(values, np.ndarray) else np.full(len(who), values)
        for name, values in (plain | given).items()
    }


def _after_buying(scene: Scene, said: Voice) -> list[Arrays]:
    """What an order moves people to write, to all or to the shop: rather when it was very good or very bad."""
    found, per_order = scene.orders, scene.shop.scenario.contact.reviews_per_order
    desk = scene.shop.levers.feedback_desk
    if not found or not per_order:
        return []
    u = scene.draws(order_keys(scene), WRITING, 1)
    # how the order is remembered, 0 to 1: the day itself, on top of what one thinks of the shop
    memory = 0.6 * np.clip(found["satisfaction"], 0, 1) + 0.4 * np.clip((found["went"] - 0.15) / 0.7, 0, 1)
    swing, done = 2 * memory - 1, ~found["cancelled"]
    public = np.flatnonzero(done & (u[0] < per_order * (0.35 + 5 * swing * swing)))
    # a desk that is easy to find hears more
    writes = np.flatnonzero(done & (u[1] < per_order * 2 * desk * (0.3 + 4 * swing * swing)))
    wishes = np.flatnonzero(done & (u[2] < per_order * 0.6 * (0.3 + desk)))
    return [
        _public(scene, said, public, memory[public]), _to_the_desk(scene, said, writes, memory[writes]),
        _needs(scene, said, wishes),
    ]  # fmt: skip


def _public(scene: Scene, said: Voice, rows: Ints, memory: Floats) -> Arrays:
    """Reviews and posts; some have no name."""
    keys = order_keys(scene, rows)
    u = scene.draws(keys, REVIEWING, 3)
    post = u[0] < 0.3
    nameless = u[7] < np.where(post, 0.5, 0.3)
    rating = 1 + np.searchsorted(np.array(STARS), memory + 0.22 * (u[1] + u[2] - 1), side="right")
    tone = np.where(rating <= 2, NEGATIVE, np.where(rating == 3, NEUTRAL, POSITIVE))
    topic = topics(scene, rows, u[3], u[4] < 0.75)
    drawn = words(keys, SPEAKING * 64 + 10)
    review, sns = (said.pick(kind, drawn, topics=topic, tones=tone) for kind in ("review", "sns"))
    return _rows(
        who=scene.orders["who"][rows], at=_soon(scene, rows, u[5], u[6], 10 * DAY), source=np.where(post, SNS, REVIEW),
        text=np.where(post, sns, review), tone=tone, topic=topic, keys=words(keys, REVIEW),
        product=scene.orders["main"][rows], rating=np.where(post, _NONE, rating), nameless=nameless,
    )  # fmt: skip


def _to_the_desk(scene: Scene, said: Voice, rows: Ints, memory: Floats) -> Arrays:
    """Opinions that come to the feedback desk."""
    keys = order_keys(scene, rows)
    u = scene.draws(keys, DESKING, 2)
    felt = memory + 0.3 * (u[0] - 0.5)
    tone = np.where(felt < 0.44, NEGATIVE, np.where(felt < 0.60, NEUTRAL, POSITIVE))
    topic = topics(scene, rows, u[1], u[2] < 0.75)
    return _rows(
        who=scene.orders["who"][rows], at=_soon(scene, rows, u[3], u[4], 6 * DAY), source=DESK, tone=tone, topic=topic,
        text=said.pick("desk", words(keys, SPEAKING * 64 + 11), topics=topic, tones=tone), keys=words(keys, DESK),
        product=scene.orders["main"][rows],
    )  # fmt: skip


def _needs(scene: Scene, said: Voice, rows: Ints) -> Arrays:
    """What customers wish for, written to the desk or told in an interview: a few wishes are common, most are rare."""
    keys = order_keys(scene, rows)
    u = scene.draws(keys, NEEDING, 2)
    need = pick(u[0], [1 / (2 + n) for n in range(len(said.needs))])
    return _rows(
        who=scene.orders["who"][rows], at=_soon(scene, rows, u[1], u[2], 12 * DAY), tone=NEUTRAL, need=need,
        source=np.where(u[3] < 0.65, DESK, INTERVIEW), keys=words(keys, INTERVIEW),
        text=said.pick("need", words(keys, SPEAKING * 64 + 12), topics=need),
    )  # fmt: skip


def _soon(scene: Scene, rows: Ints, u: Floats, v: Floats, longest: int) -> Ints:
    """Some time after an order; those who will leave at the end of the week have their say before."""
    ordered = scene.orders["at"][rows]
    room = leaves_at(scene, scene.orders["who"][rows]) - ordered - HOUR
    wait = HOUR + int(scene.shop.scenario.contact.delivery_days * DAY) + (u * u * u * longest).astype(np.int64)
    short = HOUR // 2 + (v * np.maximum(np.minimum(room, longest), 0)).astype(np.int64)
    return waking(ordered + np.where(wait < room, wait, short))


def _from_tickets(scene: Scene, said: Voice) -> list[Arrays]:
    """What the service desk passes on: the opinion inside a request, a complaint or a return."""
    told = timelines(scene)
    rows = np.flatnonzero(~told.is_merged & (told.kind != QUESTION))
    if not len(rows) or not scene.shop.scenario.contact.reviews_per_order:
        return []
    rows = rows[scene.draws(told.keys[rows], PASSING, 1)[0] < PASSED_ON]
    keys = told.keys[rows]
    tone = np.where(told.kind[rows] == REQUEST, NEUTRAL, NEGATIVE)
    topic = told.topic[rows]
    return [_rows(
        who=told.who[rows], at=told.created[rows], source=TICKET, tone=tone, topic=topic, keys=words(keys, TICKET),
        text=said.pick("desk", words(keys, SPEAKING * 64 + 13), topics=topic, tones=tone), product=told.product[rows],
    )]  # fmt: skip


def _from_surveys(scene: Scene, said: Voice) -> list[Arrays]:
    """The comments of the surveys, at the moment of the answer."""
    found = answers(scene)
    if not found:
        return []
    rows = np.flatnonzero(found["topic"] >= 0)
    kind, order = found["kind"][rows], found["order"][rows]
    product = np.where(order >= 0, scene.orders["main"][np.maximum(order, 0)], -1) if scene.orders else -1
    return [_rows(
        who=found["who"][rows], at=found["responded"][rows], source=COMMENT, tone=found["tone"][rows],
        topic=found["topic"][rows], keys=words(found["keys"][rows], COMMENT * 16 + kind), product=product,
        text=comment(said, found, rows), rating=np.where(kind == CSAT, found["score"][rows], _NONE),
    )]  # fmt: skip


# --- what became of it


def _handled(scene: Scene, found: Arrays) -> Arrays:
    """How far each piece has come, and whether it was answered; with a good desk both come sooner and more often."""
    clock, desk, at = scene.shop.clock, scene.shop.levers.feedback_desk, found["at"]
    u = scene.draws(found["keys"], HANDLING, 3)
    bad, need = found["tone"] == NEGATIVE, found["need"] >= 0
    read = clock.later(at, 2 * HOUR + (u[0] * (60 - 40 * desk) * HOUR).astype(np.int64))
    decided = read + (5 * DAY + u[1] * 25 * DAY).astype(np.int64)
    acted = clock.later(decided + (10 * DAY + u[2] * (110 - 70 * desk) * DAY).astype(np.int64), np.full(len(at), HOUR))
    weighed = np.where(bad | need, 0.35 + 0.45 * desk, 0.06)  # praise needs no plan
    ripe = (u[3] < weighed) & (decided < clock.end)
    declined = ripe & (u[4] < np.where(need, 0.35, 0.15))
    done = ripe & ~declined & (u[5] < 0.8) & (acted < clock.end)
    waiting = np.where(read < clock.end, TRIAGED, NEW)
    share = REPLIES[found["source"], 0] + REPLIES[found["source"], 1] * desk
    reply = clock.later(at, HOUR + (u[6] * u[6] * 45 * HOUR).astype(np.int64))
    replied = (u[7] < share * np.where(bad, 1.2, 1.0)) & (reply < clock.end)
    wide = np.where(found["tone"] == NEUTRAL, 0.3, 0.7)
    return {
        "status": np.where(declined, DECLINED, np.where(done, DONE, np.where(ripe, PLANNED, waiting))),
        "actioned": np.where(done, acted, -1),
        "replied": np.where(replied, reply, -1),
        "sentiment": np.clip(0.6 * (found["tone"] - 1) + wide * (u[8] - 0.5), -1, 1),
    }


# --- referrals


def referrals(scene: Scene) -> pa.Table:
    """One row for each invitation, referrer by referrer and by time.

    Of those invited some do nothing, some register for the invitation and never come (no customer is known of them),
    and some become customers. Rewards are due at the first purchase: the referrer's, and half as much for the invitee.

    Args:
        scene: The lived block.

    Returns:
        The columns of the model's `referrals`; `campaign_id` is always null, as inviting is always possible.

    Examples:
        >>> from crmkit.simulator.plan import plan
        >>> scene = plan("salon", customers=400, weeks=52, seed=7).scene()
        >>> sorted(set(referrals(scene)["status"].to_pylist()))
        ['invited', 'purchased', 'registered']
    """
    log = scene.events("referrals")
    if not log or not scene.orders:
        return table("referrals", {"referral_id": pa.array([], pa.string())})
    clock, who, week = scene.shop.clock, log["who"], log["week"]
    first = np.full(len(scene.crowd), clock.end)
    begins = np.flatnonzero(scene.orders["seq"] == 1)
    first[scene.orders["who"][begins]] = scene.orders["at"][begins]
    u = scene.draws(scene.event_keys(who, REFERRAL + week), REFERRING, 2)
    at = clock.moments(week, u[0], u[1])
    # who has been a customer since this week only recommends after the first order
    since = np.minimum(first[who] + HOUR // 4, (week + 1) * WEEK - 60)
    at = np.where(at < since, since + (u[2] * ((week + 1) * WEEK - since)).astype(np.int64), at)
    order = by_time(who, at)
    who, at, u, log = who[order], at[order], u[:, order], {name: values[order] for name, values in log.items()}
    child = np.where(log["child"] >= 0, scene.place_of[np.maximum(log["child"], 0)], -1)
    begun = registered(scene)[child]
    came = (child >= 0) & (begun < clock.end)
    bought = came & (first[child] < clock.end)
    signed = at + 2 * HOUR + (u[3] * u[3] * 12 * DAY).astype(np.int64)
    registers = np.where(came, begun, signed)
    known = came | ((child < 0) & log["tried"] & (signed < clock.end))
    reward = scene.shop.levers.referral_reward
    return table("referrals", {
        "referral_id": ids_within(scene, "R", who),
        "referrer_customer_id": scene.ids(who),
        "invited_at": scene.instants(at),
        "channel": category(pick(u[4], (30, 20, 15, 35)), ("sns", "chat", "email", "store")),
        "invitee_customer_id": scene.ids(np.where(came, child, -1)),
        "registered_at": scene.instants(registers, missing=~known),
        "first_order_at": scene.instants(first[child], missing=~bought),
        "status": category(np.where(bought, 2, np.where(known, 1, 0)), ("invited", "registered", "purchased")),
        "referrer_reward_amount": optional(np.full(len(who), reward), ~bought),
        "invitee_reward_amount": optional(np.full(len(who), np.floor(reward / 2)), ~bought),
    })  # fmt: skip
