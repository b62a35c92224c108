"""Interactions: what customers and the shop had to do with each other around each order and each ticket."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from crmkit.schema import CHANNELS, TABLES
from crmkit.simulator.calendar import DAY, HOUR, WEEK
from crmkit.simulator.crowd import Column
from crmkit.simulator.emit.sales import ORDERING, registered
from crmkit.simulator.emit.scene import Scene, category, digits, optional, table
from crmkit.simulator.emit.timeline import timelines
from crmkit.simulator.engine import QUESTION
from crmkit.simulator.exact import Floats, Ints, Words, pick, words
from crmkit.simulator.log import Arrays, sequence
from crmkit.simulator.scenario import Shares
from crmkit.simulator.voices import voice

ASKING, COMING, TOUCHING, NOTING = 50, 51, 52, 53  # streams of draws
KINDS, STAGES, TOUCHPOINTS, OUTCOMES = (
    TABLES["interactions"][name].allowed for name in ("kind", "stage", "touchpoint", "outcome")
)
STORE, WEB, APP, PHONE, EMAIL = (CHANNELS.index(name) for name in ("store", "web", "app", "phone", "email"))
IN_PERSON = ("atmosphere", "staff", "technique", "checkout")
REMOTE = ("website", "price", "checkout", "aftercare")
WHOLE_JOURNEYS = 0.25  # of the orders, at least, every touchpoint is on record; of the others one is
IMPRESSIONS_NOTED = 0.6  # of single touchpoints the impression is on record, too
NOTES_WRITTEN = 0.06  # of what staff had part in they wrote a note
SORTING = 1 << 33  # seconds: longer than any world
CONTACTS = 1 << 36  # addresses of contacts: their second and kind

# by touchpoint, in person and remote: minutes after the order, what the day and a defect do to the impression
_MINUTES = ((0, 8, 35, 65), (0, 1, 3, 3 * 24 * 60))
_SWAYED = ((1.3, 3.2, 3.0, 2.0), (1.3, 1.0, 2.0, 3.2))
_SPOILT = ((0.2, 0.5, 2.4, 0.7), (0.1, 0.3, 0.5, 2.4))
_UNSAID = -9


def interactions(scene: Scene, language: str) -> pa.Table:
    """One row for each contact, customer by customer and by time.

    What somebody looked at before registering is not on record: nobody knew who it was.

    Args:
        scene: The lived block.
        language: Of the notes: "ja" or "en".

    Returns:
        The columns of the model's `interactions`; `lead_id` is always null.

    Examples:
        >>> from crmkit.simulator.plan import plan
        >>> scene = plan("salon", customers=200, weeks=26, seed=7).scene()
        >>> visits = interactions(scene, "en")
        >>> visits["interaction_id"][0].as_py(), set(visits["direction"].to_pylist()) == {"inbound", "outbound"}
        ('I000000100001', True)
    """
    found = _by_time(scene, [*_around_orders(scene), *_around_tickets(scene)])
    if not found:
        return table("interactions", {"interaction_id": pa.array([], pa.string())})
    shop, who, impression = scene.shop.scenario, found["who"], found["impression"]
    told = timelines(scene)
    return table("interactions", {
        "interaction_id": ids_within(scene, "I", who),
        "customer_id": scene.ids(who),
        "occurred_at": scene.instants(found["at"]),
        "channel": category(found["channel"], CHANNELS),
        "direction": category(found["outbound"], ("inbound", "outbound")),
        "kind": category(found["kind"], KINDS),
        "stage": category(found["stage"], STAGES),
        "touchpoint": category(found["touchpoint"], TOUCHPOINTS),
        "product_id": category(found["product"], product_codes(scene)),
        "order_id": scene.order_ids.take(pa.array(found["order"], mask=found["order"] < 0)),
        "ticket_id": told.ticket_ids.take(pa.array(found["ticket"], mask=found["ticket"] < 0)),
        "staff_id": category(found["staff"], [f"S{one:02}" for one in range(1, shop.contact.staff + 1)]),
        "impression": optional(impression, impression == _UNSAID),
        "outcome": category(found["outcome"], OUTCOMES),
        "note": _notes(scene, found, language),
    })  # fmt: skip


# --- what other opinions are about, too


def asked_orders(scene: Scene) -> Ints:
    """Rows of the orders after which the customer is asked how it was."""
    chosen = _chosen(scene) < scene.shop.scenario.contact.survey_share
    return np.flatnonzero(chosen & ~scene.orders["cancelled"]) if scene.orders else np.zeros(0, dtype=np.int64)


def _chosen(scene: Scene) -> Floats:
    """One number for each order: the journeys on record are those of the customers who are asked, and more."""
    return scene.draws(order_keys(scene), ASKING, 1)[0]


def order_keys(scene: Scene, rows: Ints | None = None) -> Words:
    """The keys of orders as events: of all, or of some rows."""
    found = scene.orders
    who, week, nth = (found[name] if rows is None else found[name][rows] for name in ("who", "week", "nth"))
    return scene.event_keys(who, week * 32 + nth)


def order_rows(scene: Scene, numbers: Ints) -> Ints:
    """Rows of orders by the numbers the engine's log knows them by; -1 where negative."""
    return np.where(numbers >= 0, scene.order_row[np.maximum(numbers, 0)], -1) if scene.orders else numbers


def product_codes(scene: Scene) -> list[str]:
    """The ids of the products, in the order of the price list."""
    return [f"P{one:03}" for one in range(1, len(scene.shop.scenario.products) + 1)]


def meets_in_person(scene: Scene) -> bool:
    """Whether customers come to the shop: then an order is a visit."""
    return scene.shop.scenario.people.order_channel.get("store", 0) > 0


def impressions(scene: Scene, rows: Ints) -> Ints:
    """The impression that each of the four touchpoints of some orders left, -2 to 2, as rows.

    Good and bad days show at all touchpoints, at some more than at others; each has luck of its own, and a defect
    spoils the one where it is found.
    """
    found, place = scene.orders, 0 if meets_in_person(scene) else 1
    u = scene.draws(order_keys(scene, rows), TOUCHING, 3)
    day, mood = found["went"][rows] - 0.5, np.clip(found["satisfaction"][rows], 0, 1) - 0.5
    defect = found["defect"][rows] * (0.5 + found["severity"][rows] / 4)
    out = np.empty((4, len(rows)), dtype=np.int64)
    for n in range(4):
        luck = u[2 * n] + u[2 * n + 1] - 1
        felt = 0.45 + _SWAYED[place][n] * day + 1.4 * mood + 1.9 * luck - _SPOILT[place][n] * defect
        out[n] = np.clip(np.floor(felt + 0.5), -2, 2)
    return out


def leaves_at(scene: Scene, place: Ints) -> Ints:
    """The second from which on a customer does nothing any more."""
    return (scene.crowd.left[place] + 1) * WEEK


def preferred_channel(scene: Scene) -> Ints:
    """The channel on which each customer likes to be written to, as in the customers table; codes of CHANNELS."""
    codes = np.array([CHANNELS.index(name) for name in scene.shop.scenario.people.contact_channel])
    return codes[scene.crowd.contact]


def _channels(shares: Shares, u: Floats) -> Ints:
    return np.array([CHANNELS.index(name) for name in shares])[pick(u, list(shares.values()))]


def ids_within(scene: Scene, prefix: str, who: Ints) -> pa.Array:
    """Ids of rows that stand customer by customer: the customer's number, and the row's among the customer's.

    Three digits are for the row in a world of two years; a longer world has room for more, and all its ids are wider.
    """
    size = max(len(str(9 * scene.shop.weeks)), 3)
    nth = sequence(who)
    if len(nth) and nth.max() >= 10**size:
        raise OverflowError(f"{prefix}: more than {size} digits")
    return digits(prefix, scene.crowd.number[who] * 10**size + nth, 9 + size)


def by_time(who: Ints, at: Ints) -> Ints:
    """The order of rows by customer and time; what happens at once stays as it is."""
    return np.argsort(who * SORTING + at, kind="stable")


# --- orders


def _around_orders(scene: Scene) -> list[Arrays]:
    if not scene.orders:
        return []
    keys = order_keys(scene)
    u = scene.draws(keys, COMING, 6)
    v = scene.draws(keys, ORDERING, 1)
    shares = scene.shop.scenario.people.order_channel
    usual = np.array([CHANNELS.index(name) for name in shares])[scene.crowd.channel[scene.orders["who"]]]
    channel = np.where(v[0] < 0.85, usual, _channels(shares, v[1]))
    staff = (v[2] * scene.shop.scenario.contact.staff).astype(np.int64)
    return [
        *_before(scene, u[:6], channel), *_during(scene, u[6:8], channel, staff),
        *_offers(scene, u[8:10], channel, staff), *_after(scene, u[10:15], staff),
    ]  # fmt: skip


def _before(scene: Scene, u: Floats, channel: Ints) -> list[Arrays]:
    """Looking, reading what others say, booking; those who order on a screen are seen more often."""
    found = scene.orders
    screen = (channel == WEB) | (channel == APP)
    decides = ~_by_itself(scene)
    books = decides & (u[0] < np.where(screen, 0.45, 0.2)) & meets_in_person(scene)
    booked = found["at"] - 2 * HOUR - (u[1] * u[1] * 13 * DAY).astype(np.int64)
    decided = np.where(books, booked, found["at"])
    reads = np.flatnonzero(decides & (u[2] < np.where(found["first"], 0.3, 0.03)))
    read = decided - 600 - (u[3] * u[3] * 2 * DAY).astype(np.int64)
    looks = np.flatnonzero(decides & (u[4] < np.where(screen, 0.4, 0.15)))
    looked = decided - 180 - (u[5] * u[5] * u[5] * 4 * DAY).astype(np.int64)
    books, on_screen = np.flatnonzero(books), np.where(screen, channel, WEB)
    return [
        _part(scene, reads, read, "review_read", "pre_purchase", "reviews", WEB),
        _part(scene, looks, looked, "web_view", "pre_purchase", "website", on_screen, product=found["main"]),
        _part(scene, books, booked, "reservation", "pre_purchase", "reservation", channel, product=found["main"]),
    ]


def _by_itself(scene: Scene) -> Column:
    """Orders that nobody had to decide on: deliveries of a contract after the first."""
    return scene.orders["subscription"] & (scene.orders["seq"] > 1)


def _during(scene: Scene, u: Floats, channel: Ints, staff: Ints) -> list[Arrays]:
    """The touchpoints of the order itself: all of them, or the one that came up."""
    found, person = scene.orders, meets_in_person(scene)
    done = np.flatnonzero(~found["cancelled"])
    left = impressions(scene, done)
    whole = _chosen(scene)[done] < max(scene.shop.scenario.contact.survey_share, WHOLE_JOURNEYS)
    single, noted = (u[0][done] * 4).astype(np.int64), whole | (u[1][done] < IMPRESSIONS_NOTED)
    by_itself, parts = _by_itself(scene)[done], []
    for n, name in enumerate(IN_PERSON if person else REMOTE):
        delivered = name == "aftercare"
        # of a delivery that came by itself there is the delivery, and nothing else
        some = np.flatnonzero(np.where(by_itself, delivered, whole | (single == n)))
        rows = done[some]
        at = found["at"][rows] + _MINUTES[0 if person else 1][n] * 60
        # who leaves the shop for good at the end of the week has paid before
        at = np.minimum(at, leaves_at(scene, found["who"][rows]) - 60)
        parts.append(_events(
            who=found["who"][rows], order=rows, at=at,
            kind=KINDS.index("visit" if person else "status_update" if delivered else "web_view"),
            stage=STAGES.index("use" if delivered else "purchase"), touchpoint=TOUCHPOINTS.index(name),
            channel=STORE if person else EMAIL if delivered else np.where(channel[rows] == APP, APP, WEB),
            outbound=int(delivered), staff=staff[rows] if person else -1,
            impression=np.where(noted[some], left[n][some], _UNSAID),
        ))  # fmt: skip
    return parts


def _offers(scene: Scene, u: Floats, channel: Ints, staff: Ints) -> list[Arrays]:
    """What was offered along with the order: something better, or something more."""
    found, products = scene.orders, scene.shop.scenario.products
    rows = np.flatnonzero((found["offer"] > 0) & ~found["cancelled"])
    better = np.array([_upgrade(scene, product) for product in range(len(products))])
    extras = [one.extra for one in products]
    more = pick(u[0][rows], extras) if sum(extras) else np.full(len(rows), -1)
    upsell, accepted = found["offer"][rows] == 2, found["accepted"][rows]
    taken = np.where(upsell, found["main"][rows], found["extra"][rows])
    at = found["at"][rows] + 300 + (u[1][rows] * 1200).astype(np.int64)
    person = meets_in_person(scene)
    return [_events(
        who=found["who"][rows], order=rows, at=np.minimum(at, leaves_at(scene, found["who"][rows]) - 60),
        kind=KINDS.index("offer"), stage=STAGES.index("purchase"),
        touchpoint=TOUCHPOINTS.index("staff" if person else "website"),
        channel=STORE if person else np.where(channel[rows] == APP, APP, WEB), outbound=1,
        staff=staff[rows] if person else -1, outcome=np.where(accepted, 0, 1),
        product=np.where(accepted, taken, np.where(upsell, better[found["main"][rows]], more)),
    )]  # fmt: skip


def _upgrade(scene: Scene, product: int) -> int:
    """The next tier of the same category; -1 where there is none."""
    products = scene.shop.scenario.products
    own = products[product]
    return next((n for n, one in enumerate(products) if (one.category, one.tier) == (own.category, own.tier + 1)), -1)


def _after(scene: Scene, u: Floats, staff: Ints) -> list[Arrays]:
    """A word of thanks, and the question how it is going; the shop does not know who has left it."""
    found, clock = scene.orders, scene.shop.clock
    followed = np.flatnonzero(found["followed"])
    written = preferred_channel(scene)[found["who"]]
    written = np.where(written == STORE, PHONE, written)
    thanked = followed[u[0][followed] < 0.6]
    at, asked = np.zeros(len(staff), dtype=np.int64), np.zeros(len(staff), dtype=np.int64)
    at[thanked] = clock.later(found["at"][thanked] + 3 * HOUR, (u[1][thanked] * 8 * HOUR).astype(np.int64))
    asked[followed] = clock.later(found["at"][followed] + 2 * DAY, (u[2][followed] * 30 * HOUR).astype(np.int64))
    answered = np.where(u[3] < 0.3, np.clip(np.floor(2.6 * found["satisfaction"] + u[4] - 0.9), -1, 2), _UNSAID)
    answered = np.where(asked < leaves_at(scene, found["who"]), answered, _UNSAID).astype(np.int64)
    return [
        _part(scene, thanked, at, "thank_you", "post_purchase", "aftercare", written, outbound=1, staff=staff),
        _part(
            scene,
            followed,
            asked,
            "follow_up",
            "use",
            "aftercare",
            written,
            outbound=1,
            staff=staff,
            impression=answered,
        ),
    ]


# --- tickets


def _around_tickets(scene: Scene) -> list[Arrays]:
    """What the customer asked, and what the desk let the customer know."""
    told = timelines(scene)
    own = np.flatnonzero(~told.is_merged)
    solved = own[told.solved_at[own] >= 0]
    seen = (told.kind[own] == QUESTION) & (told.channel[own] == STORE)
    return [
        _of_tickets(scene, own, told.created, np.where(seen, KINDS.index("consult"), KINDS.index("inquiry"))),
        _of_tickets(scene, solved, told.solved_at, KINDS.index("status_update"), outbound=1),
    ]


def _of_tickets(scene: Scene, rows: Ints, at: Ints, kind: Ints | int, *, outbound: int = 0) -> Arrays:
    """Contacts that belong to some tickets."""
    told = timelines(scene)
    return _events(
        who=told.who[rows], order=order_rows(scene, told.order[rows]), at=at[rows], kind=kind, outbound=outbound,
        stage=STAGES.index("use"), touchpoint=TOUCHPOINTS.index("aftercare"), channel=told.channel[rows], ticket=rows,
        product=told.product[rows],
    )  # fmt: skip


# --- rows

_PLAIN = {
    "order": -1, "kind": -1, "stage": -1, "touchpoint": -1, "channel": -1, "outbound": 0, "product": -1, "staff": -1,
    "impression": _UNSAID, "outcome": -1, "ticket": -1,
}  # fmt: skip


def _part(
    scene: Scene, rows: Ints, at: Ints, kind: str, stage: str, touchpoint: str, channel: Ints | int, **more: Ints | int
) -> Arrays:
    """Contacts that belong to some orders; arrays have a value for every order."""
    given = {"channel": channel, **more}
    return _events(
        who=scene.orders["who"][rows], order=rows, at=at[rows], kind=KINDS.index(kind), stage=STAGES.index(stage),
        touchpoint=TOUCHPOINTS.index(touchpoint),
        **{name: values[rows] if isinstance(values, np.ndarray) else values for name, values in given.items()},
    )  # fmt: skip


def _events(*, who: Ints, at: Ints, **given: Ints | int) -> Arrays:
    """Contacts with all their columns; what is not given is plain."""
    return {"who": who, "at": at} | {
        name: np.broadcast_to(np.asarray(values, dtype=np.int32), who.shape)
        for name, values in (_PLAIN | given).items()
    }


def _by_time(scene: Scene, parts: list[Arrays]) -> Arrays:
    """All contacts in order, without those that nobody could know of, or that have not happened yet."""
    found = {name: np.concatenate([one[name] for one in parts]) for name in ("who", "at", *_PLAIN)}
    who, at = found["who"], found["at"]
    known = (at >= registered(scene)[who]) & (at < scene.shop.clock.end)
    mine = (found["outbound"] == 1) | (at < leaves_at(scene, who))
    rows = np.flatnonzero(known & mine)
    rows = rows[by_time(who[rows], at[rows])]
    return {name: values[rows] for name, values in found.items()}


def _notes(scene: Scene, found: Arrays, language: str) -> pa.Array:
    """What staff wrote down, in the tone of the impression."""
    # what happens to one order at one touchpoint is told apart by its kind
    keys = scene.event_keys(found["who"], CONTACTS + found["at"] * 16 + found["kind"])
    written = np.flatnonzero((found["staff"] >= 0) & (scene.draws(keys, NOTING, 1)[0] < NOTES_WRITTEN))
    impression = found["impression"][written]
    tone = np.where(impression == _UNSAID, 1, 1 + np.sign(impression))
    said = voice(scene.shop.scenario.story.voice, language)
    text = np.full(len(keys), -1, dtype=np.int32)
    text[written] = said.pick("interaction_note", words(keys[written], NOTING * 64 + 1), tones=tone)
    return said.sentences.take(pa.array(text, mask=text < 0))
