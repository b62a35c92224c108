"""What customers think and whom they tell: survey answers, reviews and other feedback, referrals.

Who answers is not who was asked. The chance to answer is made of

- the mood: lowest in a neutral one, up to three times that for the delighted and the furious (a U);
- the tie: those who buy more, and are attached more, answer more;
- silence: the unhappy who have told nobody so far answer less than half as often as the unhappy who have;
- being there: who has left, or leaves before finding the time, does not answer.

Because most customers are rather content, and the last two keep the unhappy away, answers look better than the truth.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from crmkit.schema import CHANNELS, TABLES
from crmkit.simulator.calendar import DAY, HOUR, WEEK
from crmkit.simulator.crowd import Column
from crmkit.simulator.emit.contacts import (
    asked_orders,
    by_time,
    ids_within,
    impressions,
    leaves_at,
    order_keys,
    preferred_channel,
)
from crmkit.simulator.emit.sales import registered
from crmkit.simulator.emit.scene import Scene, category, optional, table
from crmkit.simulator.emit.timeline import timelines
from crmkit.simulator.engine import QUESTION, REQUEST, WAVE_WEEKS
from crmkit.simulator.exact import Floats, Ints, Words, pick, words
from crmkit.simulator.log import Arrays
from crmkit.simulator.voices import TOPICS, Voice, voice

ORDER_ASKING, TICKET_ASKING, WAVE_ASKING, ANSWERING, COMMENTING = 54, 55, 56, 57, 58  # streams of draws
WRITING, REVIEWING, DESKING, NEEDING, TICKETING, HANDLING, SPEAKING, REFERRING = 59, 60, 61, 62, 63, 64, 65, 66
STYLES, WAVES, REFERRALS = 1 << 31, 1 << 29, 1 << 30  # addresses of events; one's style of answering is not of a week
KINDS, SCOPES = (TABLES["survey_responses"][name].allowed for name in ("kind", "scope"))
CSAT, NPS, CES, TRUST, EXPECTATION, BRAND, DRIVER = range(7)
BESIDE_NPS = (TRUST, EXPECTATION, BRAND, DRIVER)  # each goes to another fifth of the customers, and so in turn
SCALES = ((1, 5), (0, 10), (1, 7), (1, 5), (1, 5), (1, 5), (1, 5))
# where the feeling of a row, about 0 to 1, goes over into the next point of the scale
EDGES = (
    (0.14, 0.29, 0.45, 0.67),
    (0.05, 0.12, 0.18, 0.24, 0.31, 0.44, 0.52, 0.64, 0.76, 0.87),
    (0.02, 0.17, 0.34, 0.51, 0.66, 0.82),
    (0.23, 0.39, 0.57, 0.76),
    (0.22, 0.36, 0.53, 0.75),
    (0.20, 0.37, 0.57, 0.78),
    (0.24, 0.40, 0.56, 0.76),
)
# what customers care about, and how far their content depends on it
DRIVERS = {
    "staff": 1.1, "quality": 1.3, "atmosphere": 0.6, "price": 0.4, "waiting": 0.8, "booking": 0.3, "aftercare": 0.7, "points": 0.15,
}  # fmt: skip
TALKED_ABOUT = (24, 26, 13, 14, 9, 7, 5, 2)  # in the order of TOPICS
SWAY = (0.22, 0.34, 0.26, 0.30, 0.30, 0.30, 0.30)  # how much the same feeling differs from one day to the next
ANSWERS = (0.22, 0.24, 0.24)  # of those asked after an order, after a ticket, twice a year
UNHAPPY, SILENCE = 0.45, 0.4
PASSED_ON = 0.3  # of requests, complaints and returns
STARS = (0.27, 0.35, 0.45, 0.66)
NEGATIVE, NEUTRAL, POSITIVE = range(3)

SOURCES, STATUSES = (TABLES["feedback"][name].allowed for name in ("source", "status"))
REVIEW, SNS, COMMENT, DESK, TICKET, INTERVIEW = range(6)
NEW, TRIAGED, PLANNED, DONE, DECLINED = range(5)
_NONE = -9


# --- surveys


def survey_responses(scene: Scene, language: str) -> pa.Table:
    """One row for each invitation, customer by customer and by time; who does not answer has no `responded_at`."""
    found = answers(scene)
    if not found:
        return table("survey_responses", {"survey_id": pa.array([], pa.string())})
    kind, silent, scale = found["kind"], found["responded"] < 0, np.array(SCALES, dtype=np.float64)
    order, ticket = found["order"], found["ticket"]
    return table("survey_responses", {
        "survey_id": ids_within(scene, "Q", found["who"]),
        "kind": category(kind, KINDS),
        "scope": category(np.where((order < 0) & (ticket < 0), 0, 1), SCOPES),
        "customer_id": scene.ids(found["who"]),
        "order_id": scene.order_ids.take(pa.array(order, mask=order < 0)),
        "ticket_id": timelines(scene).ticket_ids.take(pa.array(ticket, mask=ticket < 0)),
        "sent_at": scene.instants(found["sent"]),
        "responded_at": scene.instants(found["responded"], missing=silent),
        "score": optional(found["score"].astype(np.float64), silent),
        "scale_min": scale[kind, 0],
        "scale_max": scale[kind, 1],
        "driver": category(found["driver"], TOPICS),
        "channel": category(found["channel"], CHANNELS),
        "comment": _comments(scene, found, language),
    })  # fmt: skip


def answers(scene: Scene) -> Arrays:
    """The invitations and what came of them, as arrays; worked out once for each scene, empty if nobody was asked.

    `order` is a row of the scene's orders, `ticket` one of `timelines`; `responded` = -1: no answer; `topic` = -1: no
    comment, else `tone` says how it sounds.
    """
    kept = vars(scene)  # where `cached_property` keeps its values, too
    if "answers" not in kept:
        kept["answers"] = _answers(scene)
    found: Arrays = kept["answers"]
    return found


def _answers(scene: Scene) -> Arrays:
    parts = [*_after_orders(scene), *_after_tickets(scene), *_twice_a_year(scene)]
    if not parts:
        return {}
    found = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
    rows = np.flatnonzero(found["sent"] < scene.shop.clock.end)
    rows = rows[by_time(found["who"][rows], found["sent"][rows])]
    found = {name: values[rows] for name, values in found.items()}
    found["channel"] = _asked_by(scene)[found["who"]]
    found["responded"] = _responded(scene, found)
    style = scene.draws(scene.event_keys(np.arange(len(scene.crowd)), STYLES), ANSWERING, 1)
    u = scene.draws(words(found["keys"], found["kind"] + 1), COMMENTING, 2)
    # some people always give high marks, and the same feeling makes a four today and a five tomorrow
    sway = np.array(SWAY)[found["kind"]]
    feeling = found["feeling"] + 0.16 * (style[0] + style[1] - 1)[found["who"]] + sway * (u[0] + u[1] + u[2] - 1.5)
    found["felt"] = feeling
    found["score"] = np.zeros(len(rows), dtype=np.int64)
    for kind, edges in enumerate(EDGES):
        own = found["kind"] == kind
        found["score"][own] = SCALES[kind][0] + np.searchsorted(np.array(edges), feeling[own], side="right")
    return found | _commented(scene, found, u[3:])


def _part(*, who: Ints, sent: Ints, kind: int, feeling: Floats, mood: Floats, tie: Floats, keys: Words, chance: float, order: Ints | int = -1,
          ticket: Ints | int = -1, driver: Ints | int = -1, there: Column | bool = True) -> Arrays:  # fmt: skip
    """Invitations of one kind. Two questions of one letter have the same `keys`: they are answered together, or not."""
    n = len(who)
    plain = {"kind": kind, "order": order, "ticket": ticket, "driver": driver, "there": there, "chance": chance}
    return {"who": who, "sent": sent, "feeling": feeling, "mood": np.clip(mood, 0, 1), "tie": tie, "keys": keys} | {
        name: values if isinstance(values, np.ndarray) else np.full(n, values) for name, values in plain.items()
    }


def _after_orders(scene: Scene) -> list[Arrays]:
    """How was it? Asked some hours later; the answer remembers the peak and the end more than all the rest."""
    rows = asked_orders(scene)
    if not len(rows):
        return []
    found, keys = scene.orders, order_keys(scene, rows)
    u = scene.draws(keys, ORDER_ASKING, 1)
    left = impressions(scene, rows)
    best, worst, end = left.max(axis=0), left.min(axis=0), left[3]
    peak = np.where(best + worst < 0, worst, np.where(best + worst > 0, best, end))
    mood = found["satisfaction"][rows]
    feeling = 0.52 * mood + 0.10 * found["went"][rows] + 0.055 * (peak + end)
    sent = found["at"][rows] + 2 * HOUR + (u[0] * 22 * HOUR).astype(np.int64)
    who = found["who"][rows]
    return [
        _part(
            who=who,
            sent=sent,
            kind=CSAT,
            feeling=feeling,
            mood=mood,
            tie=scene.crowd.eager[who],
            keys=keys,
            order=rows,
            chance=ANSWERS[0],
        )
    ]


def _after_tickets(scene: Scene) -> list[Arrays]:
    """Were we of help, and was it easy? Asked when the matter is settled, or after a week in which it was not."""
    told, log, share = timelines(scene), scene.events("tickets"), scene.shop.scenario.contact.survey_share
    rows = np.flatnonzero(~told.is_merged)
    if not len(rows) or not share:
        return []
    log, keys = {name: values[told.log[rows]] for name, values in log.items()}, told.keys[rows]
    u = scene.draws(keys, TICKET_ASKING, 1)
    settled = told.solved_at[rows] >= 0
    sent = np.where(settled, told.solved_at[rows] + HOUR // 2, told.created[rows] + 7 * DAY) + (
        u[0] * 20 * HOUR
    ).astype(np.int64)
    mood, slow = log["satisfaction"], log["hours"] / (log["hours"] + 12)
    helped = 0.40 * mood + 0.10 * log["first"] + 0.26 * log["solved"] - 0.20 * slow + 0.10
    easy = 0.22 * mood + 0.26 * log["first"] + 0.20 * log["solved"] - 0.36 * slow + 0.20
    order = np.full(len(rows), -1)
    if scene.orders:
        order = np.where(told.order[rows] >= 0, scene.order_row[np.maximum(told.order[rows], 0)], -1)
    asked = np.flatnonzero(u[1] < min(3 * share, 1.0))
    return [
        _part(
            who=log["who"][asked], sent=sent[asked], kind=kind, feeling=feeling[asked], mood=mood[asked], keys=keys[asked],
            tie=scene.crowd.eager[log["who"][asked]], order=order[asked], ticket=rows[asked], chance=ANSWERS[1],
        )
        for kind, feeling in ((CSAT, helped), (CES, easy))
    ]  # fmt: skip


def _twice_a_year(scene: Scene) -> list[Arrays]:
    """Would you recommend us? All are asked who bought in the last half year, in the week after the wave was drawn."""
    log = scene.events("waves")
    if not log:
        return []
    who, mood, loyalty = log["who"], log["satisfaction"], log["loyalty"]
    keys = scene.event_keys(who, WAVES + log["week"])
    u = scene.draws(keys, WAVE_ASKING, 2)
    sent = (log["week"] + 1) * WEEK + DAY + 10 * HOUR + (u[0] * 3 * HOUR).astype(np.int64)
    turn = (scene.crowd.key[who] % np.uint64(5)).astype(np.int64) + log["week"] // WAVE_WEEKS
    driver = (u[1] * len(DRIVERS)).astype(np.int64)
    weight = np.array([DRIVERS[name] for name in TOPICS])[driver]
    cheap = 0.1 * (0.5 - scene.crowd.price_sensitivity[who]) * (driver == TOPICS.index("price"))
    feelings = {
        NPS: 0.55 * mood + 0.45 * loyalty, TRUST: 0.4 * mood + 0.6 * loyalty, BRAND: 0.25 * mood + 0.75 * loyalty,
        EXPECTATION: 0.15 * mood + 0.25 * scene.crowd.eager[who] + 0.3 + 0.3 * (u[2] - 0.5),
        DRIVER: 0.55 + 0.6 * weight * (mood - 0.55) + 0.25 * (u[3] - 0.5) + cheap,
    }  # fmt: skip
    parts = []
    for kind in (NPS, *BESIDE_NPS):
        rows = np.flatnonzero((kind == NPS) | (turn % 5 == kind - TRUST))
        parts.append(_part(
            who=who[rows], sent=sent[rows], kind=kind, feeling=feelings[kind][rows], mood=mood[rows], keys=keys[rows],
            tie=(0.5 * (scene.crowd.eager[who] + loyalty))[rows], chance=ANSWERS[2], there=log["alive"][rows],
            driver=driver[rows] if kind == DRIVER else -1,
        ))  # fmt: skip
    return parts


def _asked_by(scene: Scene) -> Ints:
    """Surveys are written: who prefers to be called or seen gets them by e-mail."""
    channel = preferred_channel(scene)
    return np.where(
        np.isin(channel, [CHANNELS.index("phone"), CHANNELS.index("store")]), CHANNELS.index("email"), channel
    )


def _responded(scene: Scene, found: Arrays) -> Ints:
    """When each invitation was answered; -1 = not, or not before the end."""
    u = scene.draws(found["keys"], ANSWERING, 1)
    second = scene.draws(found["keys"], COMMENTING, 1)[0]
    told = timelines(scene)
    first_told = np.full(len(scene.crowd), scene.shop.clock.end)
    np.minimum.at(first_told, told.who, told.created)
    swing = 2 * found["mood"] - 1
    silent = (found["mood"] < UNHAPPY) & (first_told[found["who"]] > found["sent"])
    chance = found["chance"] * (0.6 + 2.0 * swing * swing) * (0.6 + 0.8 * found["tie"]) * np.where(silent, SILENCE, 1.0)
    beside = (found["kind"] != NPS) & (found["kind"] != CSAT)  # the second question of a letter
    at = found["sent"] + 300 + (u[1] * u[1] * u[1] * u[1] * 6 * DAY).astype(np.int64)
    good = (u[0] < chance) & found["there"] & ~(beside & (second > 0.9))
    good &= (at < leaves_at(scene, found["who"])) & (at < scene.shop.clock.end)
    return np.where(good, at, -1)


def _commented(scene: Scene, found: Arrays, u: Floats) -> Arrays:
    """Who adds a sentence: those at the ends of the scale rather than those in the middle."""
    scale = np.array(SCALES)[found["kind"]]
    level = (found["score"] - scale[:, 0]) / (scale[:, 1] - scale[:, 0])
    wordy = np.isin(found["kind"], (CSAT, NPS, DRIVER)) & (u[0] < 0.15 + 1.4 * (level - 0.5) * (level - 0.5))
    tone = np.where(level < 0.45, NEGATIVE, np.where(level < 0.66, NEUTRAL, POSITIVE))
    topic = _topic(scene, found["order"], u[1], u[2] < 0.7)
    ticket = np.flatnonzero(found["ticket"] >= 0)
    topic[ticket] = timelines(scene).topic[found["ticket"][ticket]]
    topic = np.where(found["driver"] >= 0, found["driver"], topic)
    return {"topic": np.where(wordy & (found["responded"] >= 0), topic, -1), "tone": tone}


def _topic(scene: Scene, order: Ints, u: Floats, blamed: Column) -> Ints:
    """What somebody talks about: mostly the defect, if there was one."""
    levers = scene.shop.levers
    programme = levers.points_rate or levers.member_discount or levers.anniversary_gift
    topic = pick(u, TALKED_ABOUT if programme else TALKED_ABOUT[:-1])
    if scene.orders:
        topic[(order >= 0) & scene.orders["defect"][np.maximum(order, 0)] & blamed] = TOPICS.index("quality")
    return topic


def _comments(scene: Scene, found: Arrays, language: str) -> pa.Array:
    """The sentence of each answer, or none."""
    said = voice(scene.shop.scenario.story.voice, language)
    some = np.flatnonzero(found["topic"] >= 0)
    text = np.full(len(found["who"]), -1, dtype=np.int32)
    text[some] = _comment(said, found, some)
    return said.sentences.take(pa.array(text, mask=text < 0))


def _comment(said: Voice, found: Arrays, some: Ints) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """What is said in some of the answers: the same wherever it is written down."""
    drawn = words(found["keys"][some], SPEAKING * 64 + found["kind"][some])
    return said.pick("survey_comment", drawn, topics=found["topic"][some], tones=found["tone"][some])


# --- feedback


def feedback(scene: Scene, language: str) -> pa.Table:
    """One row for each piece of feedback, customer by customer and by time, from whatever source; what the shop made of it."""
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
    rating, needs = found["rating"], said.needs
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
        "need_code": category(found["need"], needs),
        "product_id": category(found["product"], [f"P{one:03}" for one in range(1, len(scene.shop.scenario.products) + 1)]),
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
    """What an order moves people to write, where all can read it or to the shop: rather when it was very good or very bad."""
    found, per_order, desk = (
        scene.orders,
        scene.shop.scenario.contact.reviews_per_order,
        scene.shop.levers.feedback_desk,
    )
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
    rating = 1 + np.searchsorted(np.array(STARS), memory + 0.22 * (u[1] + u[2] - 1), side="right")
    tone = np.where(rating <= 2, NEGATIVE, np.where(rating == 3, NEUTRAL, POSITIVE))
    topic = _topic(scene, rows, u[3], u[4] < 0.75)
    drawn = words(keys, SPEAKING * 64 + 10)
    review, sns = (said.pick(kind, drawn, topics=topic, tones=tone) for kind in ("review", "sns"))
    return _rows(
        who=scene.orders["who"][rows], at=_soon(scene, rows, u[5], u[6], 10 * DAY), source=np.where(post, SNS, REVIEW),
        text=np.where(post, sns, review), tone=tone, topic=topic, keys=words(keys, REVIEW),
        product=scene.orders["main"][rows], rating=np.where(post, _NONE, rating), nameless=u[7] < np.where(post, 0.5, 0.3),
    )  # fmt: skip


def _to_the_desk(scene: Scene, said: Voice, rows: Ints, memory: Floats) -> Arrays:
    """Opinions that come to the feedback desk."""
    keys = order_keys(scene, rows)
    u = scene.draws(keys, DESKING, 2)
    felt = memory + 0.3 * (u[0] - 0.5)
    tone = np.where(felt < 0.44, NEGATIVE, np.where(felt < 0.60, NEUTRAL, POSITIVE))
    topic = _topic(scene, rows, u[1], u[2] < 0.75)
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
    wait = HOUR + (u * u * u * longest).astype(np.int64)
    return ordered + np.where(
        wait < room, wait, HOUR // 2 + (v * np.maximum(np.minimum(room, longest), 0)).astype(np.int64)
    )


def _from_tickets(scene: Scene, said: Voice) -> list[Arrays]:
    """What the service desk passes on: the opinion inside a request, a complaint or a return."""
    told = timelines(scene)
    rows = np.flatnonzero(~told.is_merged & (told.kind != QUESTION))
    if not len(rows) or not scene.shop.scenario.contact.reviews_per_order:
        return []
    rows = rows[scene.draws(told.keys[rows], TICKETING, 1)[0] < PASSED_ON]
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
    order = found["order"][rows]
    product = np.where(order >= 0, scene.orders["main"][np.maximum(order, 0)], -1) if scene.orders else -1
    return [_rows(
        who=found["who"][rows], at=found["responded"][rows], source=COMMENT, tone=found["tone"][rows], topic=found["topic"][rows],
        keys=words(found["keys"][rows], found["kind"][rows] + COMMENT * 16), text=_comment(said, found, rows), product=product,
        rating=np.where(found["kind"][rows] == CSAT, found["score"][rows], _NONE),
    )]  # fmt: skip


def _handled(scene: Scene, found: Arrays) -> Arrays:
    """How far each piece has come: read, planned, done or declined, and answered; with a good desk sooner and more often."""
    clock, desk, at = scene.shop.clock, scene.shop.levers.feedback_desk, found["at"]
    u = scene.draws(found["keys"], HANDLING, 3)
    bad, source, need = found["tone"] == NEGATIVE, found["source"], found["need"] >= 0
    read = clock.later(at, 2 * HOUR + (u[0] * (60 - 40 * desk) * HOUR).astype(np.int64))
    weighed = np.where(bad | need, 0.35 + 0.45 * desk, 0.06)  # what is praised needs no plan
    decided = read + (5 * DAY + u[1] * 25 * DAY).astype(np.int64)
    acted = clock.later(decided + (10 * DAY + u[2] * (110 - 70 * desk) * DAY).astype(np.int64), np.full(len(at), HOUR))
    status = np.where(read < clock.end, TRIAGED, NEW)
    ripe = (u[3] < weighed) & (decided < clock.end)
    declined = ripe & (u[4] < np.where(need, 0.35, 0.15))
    done = ripe & ~declined & (u[5] < 0.8) & (acted < clock.end)
    status = np.where(declined, DECLINED, np.where(done, DONE, np.where(ripe, PLANNED, status)))
    share = (
        np.array([0.10, 0.03, 0.05, 0.35, 0.50, 0.10])[source]
        + np.array([0.55, 0.25, 0.25, 0.6, 0.45, 0.2])[source] * desk
    )
    reply = clock.later(at, HOUR + (u[6] * u[6] * 45 * HOUR).astype(np.int64))
    replied = (u[7] < share * np.where(bad, 1.2, 1.0)) & (reply < clock.end)
    return {
        "status": status, "actioned": np.where(done, acted, -1), "replied": np.where(replied, reply, -1),
        "sentiment": np.clip(0.6 * (found["tone"] - 1) + np.where(found["tone"] == NEUTRAL, 0.3, 0.7) * (u[8] - 0.5), -1, 1),
    }  # fmt: skip


# --- referrals


def referrals(scene: Scene) -> pa.Table:
    """One row for each invitation, referrer by referrer and by time.

    Of those invited some do nothing, some register for the invitation and never come (no customer is known of them),
    and some become customers. Rewards are due at the first purchase: the referrer's, and half as much for the invitee.
    """
    log = scene.events("referrals")
    if not log or not scene.orders:
        return table("referrals", {"referral_id": pa.array([], pa.string())})
    clock, who, week = scene.shop.clock, log["who"], log["week"]
    first = np.full(len(scene.crowd), clock.end)
    begins = np.flatnonzero(scene.orders["seq"] == 1)
    first[scene.orders["who"][begins]] = scene.orders["at"][begins]
    u = scene.draws(scene.event_keys(who, REFERRALS + week), REFERRING, 2)
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
