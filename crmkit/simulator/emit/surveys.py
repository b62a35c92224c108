"""Survey answers: who is asked what, who answers, and what.

Who answers is not who was asked. The chance to answer is made of

- the mood: least in a neutral one, up to four times that for the delighted and the furious (a U);
- the tie: those who buy more, and are attached more, answer more;
- silence: the unhappy who have told nobody so far answer less than half as often as the unhappy who have;
- being there: who has left, or leaves before finding the time, does not answer.

Most customers are rather content, and the last two keep the unhappy away: answers look better than the truth.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from crmkit.schema import CHANNELS, TABLES
from crmkit.simulator.calendar import DAY, HOUR, WEEK
from crmkit.simulator.crowd import Column
from crmkit.simulator.emit import contacts
from crmkit.simulator.emit.scene import Scene, category, optional, table, waking
from crmkit.simulator.emit.timeline import timelines
from crmkit.simulator.engine import WAVE_WEEKS
from crmkit.simulator.exact import Floats, Ints, Words, pick, words
from crmkit.simulator.log import Arrays
from crmkit.simulator.voices import TOPICS, Voice, voice

ORDERS, TICKETS, WAVES, ANSWERING, SCORING, COMMENTING = 54, 55, 56, 57, 58, 59  # streams of draws
STYLE, WAVE = 1 << 31, 1 << 29  # addresses of events; a style of answering belongs to a customer, not to a week

KINDS, SCOPES = (TABLES["survey_responses"][name].allowed for name in ("kind", "scope"))
CSAT, NPS, CES, TRUST, EXPECTATION, BRAND, DRIVER = range(7)
BESIDE_NPS = (TRUST, EXPECTATION, BRAND, DRIVER)  # each goes to another fifth of the customers, in turn
SCALES = np.array([(1, 5), (0, 10), (1, 7), (1, 5), (1, 5), (1, 5), (1, 5)])
# where a feeling, about 0 to 1, goes over into the next point of the scale
EDGES = (
    (0.14, 0.29, 0.45, 0.67),
    (0.05, 0.12, 0.18, 0.24, 0.31, 0.44, 0.52, 0.64, 0.76, 0.87),
    (0.02, 0.17, 0.34, 0.51, 0.66, 0.82),
    (0.23, 0.39, 0.57, 0.76),
    (0.22, 0.36, 0.53, 0.75),
    (0.20, 0.37, 0.57, 0.78),
    (0.24, 0.40, 0.56, 0.76),
)
STYLES = 0.16  # some people always give high marks
SWAY = np.array([0.22, 0.34, 0.26, 0.30, 0.30, 0.30, 0.30])  # and a feeling that is a four today is a five tomorrow
AFTER_ORDER, AFTER_TICKET, IN_WAVE = 0.22, 0.24, 0.30  # chance to answer in a neutral-to-good mood
UNHAPPY, SILENCE = 0.45, 0.4
BESIDE_ANSWERED = 0.9  # of those who answer a letter, so many answer its second question, too

# how far the content with each topic depends on how content one is
DRIVERS = np.array([
    {"staff": 1.1, "quality": 1.3, "atmosphere": 0.6, "price": 0.4, "waiting": 0.8, "booking": 0.3, "aftercare": 0.7,
     "points": 0.15}[topic]
    for topic in TOPICS
])  # fmt: skip
TALKED_ABOUT = (24, 26, 13, 14, 9, 7, 5, 2)  # in the order of TOPICS
NEGATIVE, NEUTRAL, POSITIVE = range(3)


def survey_responses(scene: Scene, language: str) -> pa.Table:
    """One row for each invitation, customer by customer and by time; who does not answer has no `responded_at`.

    Args:
        scene: The lived block.
        language: Of the comments: "ja" or "en".

    Returns:
        The columns of the model's `survey_responses`; an invitation after a ticket names the ticket's order, too.

    Examples:
        >>> from crmkit.simulator.plan import plan
        >>> scene = plan("salon", customers=400, weeks=52, seed=7).scene()
        >>> asked = survey_responses(scene, "en").to_pandas()
        >>> bool((asked["score"].isna() == asked["responded_at"].isna()).all())
        True
    """
    found = answers(scene)
    if not found:
        return table("survey_responses", {"survey_id": pa.array([], pa.string())})
    kind, silent, scale = found["kind"], found["responded"] < 0, SCALES.astype(np.float64)
    order, ticket = found["order"], found["ticket"]
    return table("survey_responses", {
        "survey_id": contacts.ids_within(scene, "Q", found["who"]),
        "kind": category(kind, KINDS),
        "scope": category((order >= 0) | (ticket >= 0), SCOPES),
        "customer_id": scene.ids(found["who"]),
        "order_id": scene.order_ids.take(pa.array(order, mask=order < 0)),
        "ticket_id": timelines(scene).ticket_ids.take(pa.array(ticket, mask=ticket < 0)),
        "sent_at": scene.instants(found["sent"]),
        "responded_at": scene.instants(found["responded"], missing=silent),
        "score": optional(found["score"].astype(np.float64), silent),
        "scale_min": scale[kind, 0],
        "scale_max": scale[kind, 1],
        "driver": category(found["driver"], TOPICS),
        "channel": category(_asked_by(scene)[found["who"]], CHANNELS),
        "comment": _comments(scene, found, language),
    })  # fmt: skip


def answers(scene: Scene) -> Arrays:
    """The invitations and what came of them, as arrays; worked out once for each scene, empty if nobody was asked.

    `order` is a row of the scene's orders, `ticket` one of `timelines`; `responded` = -1: no answer; `topic` = -1: no
    comment, else `tone` says how it sounds. `mood` is the true satisfaction, `keys` are where each letter draws from.
    """
    kept = vars(scene)  # where `cached_property` keeps its values, too
    if "answers" not in kept:
        kept["answers"] = _answers(scene)
    found: Arrays = kept["answers"]
    return found


def _answers(scene: Scene) -> Arrays:
    if not scene.shop.scenario.contact.survey_share:
        return {}
    parts = [*_after_orders(scene), *_after_tickets(scene), *_twice_a_year(scene)]
    if not parts:
        return {}
    found = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
    rows = np.flatnonzero(found["sent"] < scene.shop.clock.end)
    rows = rows[contacts.by_time(found["who"][rows], found["sent"][rows])]
    found = {name: values[rows] for name, values in found.items()}
    found["responded"] = _responded(scene, found)
    return found | _said(scene, found)


# --- who is asked


def _letters(
    *, who: Ints, keys: Words, sent: Ints, mood: Floats, feeling: Floats, tie: Floats, **given: Column | float
) -> Arrays:
    """Invitations with all their columns. Two questions of one letter have the same keys, and are answered together."""
    plain = {"kind": CSAT, "order": -1, "ticket": -1, "driver": -1, "there": True, "chance": 0.0}
    found = {"who": who, "keys": keys, "sent": sent, "mood": np.clip(mood, 0, 1), "feeling": feeling, "tie": tie}
    return found | {name: np.broadcast_to(values, who.shape) for name, values in (plain | given).items()}


def _after_orders(scene: Scene) -> list[Arrays]:
    """How was it? Asked some hours later; the answer remembers the peak and the end more than all the rest."""
    rows = contacts.asked_orders(scene)
    if not len(rows):
        return []
    found, keys = scene.orders, contacts.order_keys(scene, rows)
    u = scene.draws(keys, ORDERS, 1)
    left = contacts.impressions(scene, rows)
    best, worst, end = left.max(axis=0), left.min(axis=0), left[3]
    peak = np.where(best + worst < 0, worst, np.where(best + worst > 0, best, end))
    who, mood = found["who"][rows], found["satisfaction"][rows]
    received = found["at"][rows] + int(scene.shop.scenario.contact.delivery_days * DAY)
    return [_letters(
        who=who, keys=keys, sent=waking(received + 2 * HOUR + (u[0] * 22 * HOUR).astype(np.int64)), mood=mood,
        feeling=0.52 * mood + 0.10 * found["went"][rows] + 0.055 * (peak + end), tie=scene.crowd.eager[who],
        order=rows, chance=AFTER_ORDER,
    )]  # fmt: skip


def _after_tickets(scene: Scene) -> list[Arrays]:
    """Were we of help, and was it easy? Asked when the matter is settled, or after a week in which it was not."""
    told, log = timelines(scene), scene.events("tickets")
    rows = np.flatnonzero(~told.is_merged)
    u = scene.draws(told.keys[rows], TICKETS, 1)
    some = np.flatnonzero(u[0] < 3 * scene.shop.scenario.contact.survey_share)
    if not len(some):
        return []
    rows = rows[some]
    settled, late = told.solved_at[rows], told.created[rows] + 7 * DAY
    sent = waking(np.where(settled >= 0, settled, late) + HOUR // 2 + (u[1][some] * 20 * HOUR).astype(np.int64))
    mood, hours, first, solved = (log[name][told.log[rows]] for name in ("satisfaction", "hours", "first", "solved"))
    slow = hours / (hours + 12)
    helped = 0.10 + 0.40 * mood + 0.10 * first + 0.26 * solved - 0.20 * slow
    easy = 0.20 + 0.22 * mood + 0.26 * first + 0.20 * solved - 0.36 * slow
    return [
        _letters(
            who=told.who[rows], keys=told.keys[rows], sent=sent, mood=mood, feeling=feeling,
            tie=scene.crowd.eager[told.who[rows]], kind=kind, ticket=rows,
            order=contacts.order_rows(scene, told.order[rows]), chance=AFTER_TICKET,
        )
        for kind, feeling in ((CSAT, helped), (CES, easy))
    ]  # fmt: skip


def _twice_a_year(scene: Scene) -> list[Arrays]:
    """Would you recommend us? Asked of all who bought in the last half year, in the week after they were chosen."""
    log = scene.events("waves")
    if not log:
        return []
    who, mood, loyalty = log["who"], log["satisfaction"], log["loyalty"]
    keys = scene.event_keys(who, WAVE + log["week"])
    u = scene.draws(keys, WAVES, 2)
    sent = (log["week"] + 1) * WEEK + DAY + 10 * HOUR + (u[0] * 3 * HOUR).astype(np.int64)
    turn = (scene.crowd.key[who] % np.uint64(5)).astype(np.int64) + log["week"] // WAVE_WEEKS
    driver = pick(u[1], [1.0] * _topics(scene))
    eager = scene.crowd.eager[who]
    price = (driver == TOPICS.index("price")) * (0.5 - scene.crowd.price_sensitivity[who])
    feelings = {
        NPS: 0.55 * mood + 0.45 * loyalty,
        TRUST: 0.40 * mood + 0.60 * loyalty,
        EXPECTATION: 0.30 + 0.15 * mood + 0.25 * eager + 0.3 * (u[2] - 0.5),
        BRAND: 0.25 * mood + 0.75 * loyalty,
        DRIVER: 0.55 + 0.60 * DRIVERS[driver] * (mood - 0.55) + 0.25 * (u[3] - 0.5) + 0.1 * price,
    }
    parts = []
    for kind in (NPS, *BESIDE_NPS):
        rows = np.flatnonzero((kind == NPS) | (turn % 5 == kind - TRUST))
        parts.append(_letters(
            who=who[rows], keys=keys[rows], sent=sent[rows], mood=mood[rows], feeling=feelings[kind][rows],
            tie=0.5 * (eager + loyalty)[rows], kind=kind, driver=driver[rows] if kind == DRIVER else -1,
            there=log["alive"][rows], chance=IN_WAVE,
        ))  # fmt: skip
    return parts


def _asked_by(scene: Scene) -> Ints:
    """Surveys are written: who prefers to be called or seen gets them by e-mail."""
    channel = contacts.preferred_channel(scene)
    return np.where((channel == contacts.PHONE) | (channel == contacts.STORE), contacts.EMAIL, channel)


# --- who answers, and what


def _responded(scene: Scene, found: Arrays) -> Ints:
    """When each invitation was answered; -1 = not, or not before the end."""
    u = scene.draws(found["keys"], ANSWERING, 1)
    told, who = timelines(scene), found["who"]
    first_told = np.full(len(scene.crowd), scene.shop.clock.end)
    np.minimum.at(first_told, told.who, told.created)
    swing = 2 * found["mood"] - 1
    silent = (found["mood"] < UNHAPPY) & (first_told[who] > found["sent"])
    chance = found["chance"] * (0.6 + 2 * swing * swing) * (0.6 + 0.8 * found["tie"]) * np.where(silent, SILENCE, 1.0)
    beside = (found["kind"] != NPS) & (found["kind"] != CSAT)
    at = waking(found["sent"] + 300 + (u[1] * u[1] * u[1] * u[1] * 6 * DAY).astype(np.int64))
    good = found["there"] & (u[0] < chance) & ~(beside & (u[2] >= BESIDE_ANSWERED))
    good &= (at < contacts.leaves_at(scene, who)) & (at < scene.shop.clock.end)
    return np.where(good, at, -1)


def _said(scene: Scene, found: Arrays) -> Arrays:
    """Score, topic and tone of each answer."""
    rows = np.flatnonzero(found["responded"] >= 0)
    who, kind = found["who"][rows], found["kind"][rows]
    style = scene.draws(scene.event_keys(np.arange(len(scene.crowd)), STYLE), SCORING, 1)
    keys = words(found["keys"][rows], kind + 1)  # two questions of one letter get answers of their own
    u = scene.draws(keys, SCORING, 1)
    felt = found["feeling"][rows] + STYLES * (style[0] + style[1] - 1)[who] + SWAY[kind] * (u[0] + u[1] + u[2] - 1.5)
    score = np.zeros(len(rows), dtype=np.int64)
    for number, edges in enumerate(EDGES):
        own = kind == number
        score[own] = SCALES[number, 0] + np.searchsorted(np.array(edges), felt[own], side="right")
    level = (score - SCALES[kind, 0]) / (SCALES[kind, 1] - SCALES[kind, 0])
    v = scene.draws(keys, COMMENTING, 1)
    # those at the ends of the scale add a sentence rather than those in the middle
    adds = (kind == CSAT) | (kind == NPS) | (kind == DRIVER)
    adds &= v[0] < 0.15 + 1.4 * (level - 0.5) * (level - 0.5)
    topic = topics(scene, found["order"][rows], v[1], v[2] < 0.7)
    ticket, driver = found["ticket"][rows], found["driver"][rows]
    served = ticket >= 0
    topic[served] = timelines(scene).topic[ticket[served]]
    topic = np.where(driver >= 0, driver, topic)
    said = {
        "score": score,
        "topic": np.where(adds, topic, -1),
        "tone": np.where(level < 0.45, NEGATIVE, np.where(level < 0.66, NEUTRAL, POSITIVE)),
    }
    out = {}
    for name, values in said.items():
        out[name] = np.full(len(found["who"]), -1)
        out[name][rows] = values
    return out


def topics(scene: Scene, order: Ints, u: Floats, blamed: Column) -> Ints:
    """What somebody talks about: the defect of the order, where there was one and it is `blamed`."""
    topic = pick(u, TALKED_ABOUT[: _topics(scene)])
    if scene.orders:
        topic[(order >= 0) & scene.orders["defect"][np.maximum(order, 0)] & blamed] = TOPICS.index("quality")
    return topic


def _topics(scene: Scene) -> int:
    """How many topics there are to talk of: points, the last, only where some are given."""
    levers = scene.shop.levers
    return len(TOPICS) - (not (levers.points_rate or levers.member_discount or levers.anniversary_gift))


def _comments(scene: Scene, found: Arrays, language: str) -> pa.Array:
    """The sentence of each answer, or none."""
    said = voice(scene.shop.scenario.story.voice, language)
    some = np.flatnonzero(found["topic"] >= 0)
    text = np.full(len(found["who"]), -1, dtype=np.int32)
    text[some] = comment(said, found, some)
    return said.sentences.take(pa.array(text, mask=text < 0))


def comment(said: Voice, found: Arrays, some: Ints) -> Column:
    """What is said in some of the answers, as places in the voice's sentences: the same wherever it is written down."""
    drawn = words(found["keys"][some], COMMENTING * 64 + 8 + found["kind"][some])
    return said.pick("survey_comment", drawn, topics=found["topic"][some], tones=found["tone"][some])
