"""What the shop sends and gives: mails with their hold-out, leads, the loyalty programme; and sums for its costs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from crmkit.simulator.calendar import DAY, HOUR, WEEK
from crmkit.simulator.crowd import NEVER, Column
from crmkit.simulator.emit import sales
from crmkit.simulator.emit.scene import Scene, category, constant, digits, optional, table
from crmkit.simulator.engine import POINTS_LAST_WEEKS, SENDS
from crmkit.simulator.exact import Floats, Ints, pick
from crmkit.simulator.log import Arrays, sequence
from crmkit.simulator.shop import Shop

SENDING, READING, FINDING, NURTURING = 30, 31, 32, 33  # streams of draws
LEADS = 1 << 31  # addresses of leads: those that come to nothing are counted from here on
WON = LEADS + (1 << 20)  # the lead that became the customer
MOST_LEADS = 90  # of one customer's numbers

MACHINE_SHARE = 0.15  # customers whose mail program opens everything by itself
BOUNCE, BOUNCE_GONE = 0.015, 0.06
OPENS, OPENS_HAPPY = 0.3, 0.3  # how likely a person opens a mail, and how much more a perfectly happy one
CLICKS, CLICKS_HAPPY = 0.06, 0.07
WON_SHARE = 0.5  # of the customers who came by a channel where leads are kept
NO_LEADS = ("walk_in", "referral")  # who comes through the door, or is brought, is a customer at once
JUNK = {"sns": 1.4, "ad": 1.6}  # so much more often than others these bring leads that come to nothing
LOST_REASONS = ("price", "timing", "chose_competitor", "no_reply", "not_a_fit")
LOYALTY = ("join", "earn", "redeem", "expire", "tier_change", "benefit")
BENEFITS = ("points", "member_discount", "anniversary_gift", "thank_you")
STAGES = ("new", "contacted", "mql", "sql", "converted", "disqualified")


def posted(shop: Shop, week: Ints) -> Ints:
    """When the mails of a week go out: Monday at 7, or earlier where the doors open earlier, so that what a mail does
    comes after it."""
    return week * WEEK + min(7, max(shop.scenario.calendar.opens - 1, 0)) * HOUR


# --- mails


def campaign_sends(scene: Scene) -> pa.Table:
    """One row for each mail sent, and one for each customer whom a campaign left out by chance.

    Opening follows satisfaction, and only machines open what is sent to those who are gone. All that happens to a mail
    happens in its week; who came with its coupon has opened it before.
    """
    found = scene.events("sends")
    if not found:
        return table("campaign_sends", {"send_id": pa.array([], pa.string())})
    who, n = found["who"], len(found["who"])
    sent = posted(scene.shop, found["week"])
    at = _answers(scene, found, sent)
    campaign, names = _campaigns(found["week"] * 4 + found["kind"])
    return table("campaign_sends", {
        "send_id": digits("M", scene.crowd.number[who] * 10_000 + sequence(who), 13),
        "campaign_id": category(campaign, names),
        "customer_id": scene.ids(who),
        "lead_id": constant(None, n),
        "arm": category(found["treated"], ("control", "treatment")),
        "is_personalized": found["personal"],
        "sent_at": scene.instants(sent, missing=~found["treated"]),
        **{name: scene.instants(when, missing=when < 0) for name, when in at.items() if name != "machine"},
        "is_machine_open": at["machine"],
    })  # fmt: skip


def _answers(scene: Scene, found: Arrays, sent: Ints) -> Arrays:
    """What became of each mail, and when; -1 = it did not happen."""
    who, alive, mood = found["who"], found["alive"], found["satisfaction"]
    u = scene.draws(scene.event_keys(who, found["week"] * 8 + found["kind"] * 2 + SENDS), SENDING, 2)
    left, used = _unsubscribed(scene, found), _used(scene, found)
    arrives = sent + 2 + (u[1] * 50).astype(np.int64)
    leaves, used_it = left >= 0, used > arrives + 60
    bounced = found["treated"] & (u[0] < np.where(alive, BOUNCE, BOUNCE_GONE)) & ~leaves & (used < 0)
    arrived = found["treated"] & ~bounced
    machine = arrived & _read_by_machine(scene)[who]
    interest = (OPENS + OPENS_HAPPY * mood) * np.where(found["personal"], 1.15, 1.0)
    interest *= np.array([1.0, 0.6, 0.7])[found["kind"]]  # offers are read by those who want them, and few others
    human = arrived & alive & ~machine & ((u[2] < interest) | leaves | used_it)
    # the last moment of interest: the coupon is used, or the list left, or the week is over
    latest = np.where(used_it, np.minimum(used, (found["week"] + 1) * WEEK - 1), (found["week"] + 1) * WEEK - 1)
    latest = np.where(leaves, np.minimum(latest, left), latest)
    delay = u[3] * u[3] * u[3] * u[3]
    opened = arrives + 20 + ((latest - arrives - 40) * delay).astype(np.int64)
    opened = np.where(leaves, np.maximum(latest - 20 - (u[3] * 300).astype(np.int64), arrives + 1), opened)
    clicked = human & (u[4] < (CLICKS + CLICKS_HAPPY * mood) * np.where(used_it, 2.0, 1.0))
    click = opened + np.minimum(3 + (u[5] * u[5] * 600).astype(np.int64), latest - opened)
    return {
        "delivered_at": np.where(arrived, arrives, -1),
        "bounced_at": np.where(bounced, arrives, -1),
        "opened_at": np.where(human, opened, np.where(machine, arrives + 1 + (u[3] * 8).astype(np.int64), -1)),
        "clicked_at": np.where(clicked, click, -1),
        "unsubscribed_at": left,
        "machine": machine,
    }


def _unsubscribed(scene: Scene, found: Arrays) -> Ints:
    """When a mail made its reader leave the list; -1 = it did not. Of two in one week the first one did."""
    at = np.full(len(found["who"]), -1)
    row = np.flatnonzero(found["leaves"])
    who, first = np.unique(found["who"][row], return_index=True)
    at[row[first]] = sales.opted_out(scene)[who]
    return at


def _used(scene: Scene, found: Arrays) -> Ints:
    """When the order came in which a mail's coupon was used; -1 = it was not."""
    at = np.full(len(found["who"]), -1)
    orders = scene.orders
    if not orders:
        return at
    some = np.flatnonzero(orders["coupon"] != NEVER)
    codes = scene.shop.weeks * 4
    sent = found["who"] * codes + found["week"] * 4 + found["kind"]  # rises from row to row
    at[np.searchsorted(sent, orders["who"][some] * codes + orders["coupon"][some])] = orders["at"][some]
    return at


def _read_by_machine(scene: Scene) -> Column:
    """Whether each customer's mail program opens everything by itself, to hide what is really read."""
    u = scene.draws(scene.event_keys(np.arange(len(scene.crowd)), 0), READING, 1)
    return np.asarray(u[0] < MACHINE_SHARE)


def _campaigns(codes: Ints) -> tuple[Ints, list[str]]:
    """Campaigns (week * 4 + kind) as places in a list of their ids, without sorting them."""
    there = np.flatnonzero(np.bincount(codes))
    names = [sales.campaign_id(int(code) // 4, int(code) % 4) for code in there]
    known = sorted(set(names))  # the win-back mail has one id for all weeks
    place = np.zeros(int(there[-1]) + 1, dtype=np.int64)
    place[there] = [known.index(name) for name in names]
    return place[codes], known


# --- leads


def leads(scene: Scene) -> pa.Table:
    """One row for each who showed interest: some became the customer they are numbered by, the others nobody.

    Those who become customers are found 1 to 45 days before they register, never before the first Monday, and are
    converted by their first order. The staff works on leads in opening hours. A shop that keeps no leads has none.
    """
    clock, contact, goods = scene.shop.clock, scene.shop.scenario.contact, scene.shop.scenario.products
    sources = {name: share for name, share in scene.shop.scenario.people.acquisition.items() if name not in NO_LEADS}
    if not contact.leads_per_customer or not sum(sources.values()):
        return table("leads", {"lead_id": pa.array([], pa.string())})
    own = _source(scene, list(sources))
    who, created, address, converted = _found(scene, own >= 0)
    won = converted >= 0
    u = scene.draws(scene.event_keys(who, address), NURTURING, 4)
    junk = [share * JUNK.get(name, 1.0) for name, share in sources.items()]
    depth = np.where(won, 3, pick(u[1], (8, 42, 30, 20)))
    at = _stages(scene, created, converted, u[3:7])
    reached = (at[:3] < clock.end) & (depth > np.arange(3)[:, None])
    lost = ~won & (depth > 0) & (u[2] < 0.8) & (at[3] < clock.end)
    price = np.array([one.price for one in goods], dtype=np.float64)
    wanted = np.where(won, scene.crowd.usual[who], pick(u[8], [one.share for one in goods]))
    staff = (u[9] * contact.staff).astype(np.int64)
    return table("leads", {
        "lead_id": digits("L", scene.crowd.number[who] * 100 + sequence(who), 11),
        "created_at": scene.instants(created),
        "lead_source": category(np.where(won, own[who], pick(u[0], junk)), list(sources)),
        "owner_id": category(np.where(reached[0], staff, -1), [f"S{one:02}" for one in range(1, contact.staff + 1)]),
        "score": np.where(won, 38 + u[7] * 62, 5 + depth * 9 + u[7] * 45).astype(np.int64),
        "status": category(np.where(won, 4, np.where(lost, 5, reached.sum(axis=0))), STAGES),
        "first_contacted_at": scene.instants(at[0], missing=~reached[0]),
        "mql_at": scene.instants(at[1], missing=~reached[1]),
        "sql_at": scene.instants(at[2], missing=~reached[2]),
        "converted_at": scene.instants(converted, missing=~won),
        "disqualified_at": scene.instants(at[3], missing=~lost),
        "lost_reason": category(np.where(lost, pick(u[10], (25, 20, 20, 25, 10)), -1), LOST_REASONS),
        "expected_amount": optional(price[wanted], ~reached[0]),
        "customer_id": scene.ids(np.where(won, who, -1)),
    })  # fmt: skip


def _found(scene: Scene, kept: Column) -> tuple[Ints, Ints, Ints, Ints]:
    """Whose number, when found, at which address to draw, and when converted (-1 = never); by customer and time.

    `kept` says by customer whether leads are kept where they came from.
    """
    clock, orders, every = scene.shop.clock, scene.orders, np.arange(len(scene.crowd))
    mean = min(scene.shop.scenario.contact.leads_per_customer, MOST_LEADS)
    parts = []
    for nth in range(int(mean) + 1):
        u = scene.draws(scene.event_keys(every, LEADS + nth), FINDING, 1)
        who = np.flatnonzero(u[0] < mean - nth)
        week = (u[1][who] * clock.weeks).astype(np.int64)
        # what is left of a number after its week is as good as a fresh one
        created = clock.moments(week, u[1][who] * clock.weeks - week, u[2][who])
        parts.append((who, created, np.full(len(who), LEADS + nth), np.full(len(who), -1)))
    if orders:
        u = scene.draws(scene.event_keys(every, WON), FINDING, 1)
        created = (sales.registered(scene) - DAY - (u[1] * u[1] * 44 * DAY).astype(np.int64)) // 60 * 60
        # who was near to buying before the first Monday left no lead in these books
        known = (u[0] < WON_SHARE) & kept & (created >= 0)
        first = np.flatnonzero((orders["seq"] == 1) & known[orders["who"]])
        who = orders["who"][first]
        parts.append((who, created[who], np.full(len(who), WON), orders["at"][first]))
    who, created, address, converted = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(((who << 34) + created) * 128 + np.minimum(address - LEADS, 127))
    return who[order], created[order], address[order], converted[order]


def _stages(scene: Scene, created: Ints, converted: Ints, u: Floats) -> Ints:
    """When leads are contacted, qualified by marketing and by sales, and given up, if it comes to that: four rows."""
    clock, won = scene.shop.clock, converted >= 0
    begin = clock.working(created)
    # those who convert do so by their first order, and the steps lie between; the others are at the mercy of the staff
    between = np.floor(u * np.array([[0.2], [0.4], [0.39], [0.0]]) * (clock.working(converted) - begin))
    hours = 0.5 + u * u * np.array([[24.0], [60.0], [80.0], [90.0]])
    steps = np.where(won, between, hours * HOUR).astype(np.int64)
    at = np.maximum(clock.instant((begin + np.cumsum(steps, axis=0)).reshape(-1)).reshape(steps.shape), created)
    return np.where(won, np.minimum(at, converted), at)


def _channels(shop: Shop) -> list[str]:
    """The acquisition channels of a shop; the last one is for those who were brought."""
    return [*shop.scenario.people.acquisition, "referral"]


def _channel(scene: Scene) -> Ints:
    """The acquisition channel of each customer as a place in `_channels`; the same draw as in the customers table."""
    u = scene.draws(scene.event_keys(np.arange(len(scene.crowd)), 0), sales.REGISTERING, 1)
    drawn = pick(u[0], list(scene.shop.scenario.people.acquisition.values()))
    return np.where(scene.crowd.generation > 0, len(_channels(scene.shop)) - 1, drawn)


def _source(scene: Scene, sources: list[str]) -> Ints:
    """The acquisition channel of each customer as a place in `sources`; -1 = none of them."""
    codes = np.array([sources.index(name) if name in sources else -1 for name in _channels(scene.shop)])
    return codes[_channel(scene)]


# --- the programme

REDEEM, JOIN, EARN, DISCOUNT, SILVER, GOLD, EXPIRE, GIFT = range(8)  # at one instant they come in this order
KIND = np.array([2, 0, 1, 5, 4, 4, 3, 5])  # as places in LOYALTY
BENEFIT = np.array([0, -1, 0, 1, -1, -1, 0, 2])  # in BENEFITS
TIER = np.array([-1, 1, -1, -1, 2, 3, -1, -1])  # in sales.TIERS


def loyalty_events(scene: Scene) -> pa.Table:
    """One row for each step in the programme, in the order of time within each customer.

    Points and amounts are never negative, `kind` says which way they go; one point is worth one yen. Points live for
    52 weeks after the last order and lapse at the end of the four weeks in which these are over: `expires_at` is that
    moment if no other order follows; a later one puts it off.
    """
    parts = [*_programme(scene), *_discounts(scene), *_gifts(scene)] if scene.orders else []
    if not parts:
        return table("loyalty_events", {"loyalty_event_id": pa.array([], pa.string())})
    who, at, row, step, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    seq = np.where(row >= 0, scene.orders["seq"][row], 0)
    order = np.argsort((((who << 25) + at // 60) * 1024 + seq) * 8 + step)
    who, at, row, step, value = who[order], at[order], row[order], step[order], value[order]
    moves = BENEFIT[step] == 0
    return table("loyalty_events", {
        "loyalty_event_id": digits("Y", scene.crowd.number[who] * 10_000 + sequence(who), 13),
        "customer_id": scene.ids(who),
        "occurred_at": scene.instants(at),
        "kind": category(KIND[step], LOYALTY),
        "benefit": category(BENEFIT[step], BENEFITS),
        "points": optional(value.astype(np.int64), ~moves),
        "value_amount": optional(value, BENEFIT[step] < 0),
        "order_id": scene.order_ids.take(pa.array(row, mask=row < 0)),
        "expires_at": scene.instants(_lapse(at), missing=step != EARN),
        "to_tier": category(TIER[step], sales.TIERS),
    })  # fmt: skip


def _lapse(at: Ints) -> Ints:
    """When points lapse if the last order was at this instant."""
    return ((at // WEEK + POINTS_LAST_WEEKS + 1) // 4 + 1) * 4 * WEEK - 60


Steps = tuple[Ints, Ints, Ints, Ints, Floats]  # whose, when, at which row of the orders (-1 = none), what, how much


def _steps(who: Ints, at: Ints, row: Ints | int, step: Ints | int, value: Column) -> Steps:
    return who, at, np.broadcast_to(row, who.shape), np.broadcast_to(step, who.shape), value.astype(np.float64)


def _programme(scene: Scene) -> list[Steps]:
    """Joining, earning, rising and paying with points, at orders; and lapsing, at the end of a week."""
    found, orders = scene.events("programme"), scene.orders
    if not found:
        return []
    bought = found["order"] >= 0
    row = scene.order_row[found["order"][bought]]
    # the log counts 0 = join, 1 = earn, 4 = a higher tier
    step = np.array([JOIN, EARN, 0, 0, SILVER - 1])[found["kind"][bought]] + found["tier"][bought]
    paid = np.flatnonzero(orders["points_used"])
    return [
        _steps(orders["who"][row], orders["at"][row], row, step, found["points"][bought]),
        _steps(orders["who"][paid], orders["at"][paid], paid, REDEEM, orders["points_used"][paid]),
        _steps(found["who"][~bought], (found["week"][~bought] + 1) * WEEK - 60, -1, EXPIRE, -found["points"][~bought]),
    ]


def _discounts(scene: Scene) -> list[Steps]:
    """What members paid less for being members; where a coupon gives more, it is the coupon that counts."""
    levers, found, orders = scene.shop.levers, scene.events("programme"), scene.orders
    if not levers.member_discount or not found:
        return []
    joins = found["kind"] == 0
    since = np.full(len(scene.crowd), len(orders["who"]))
    since[found["who"][joins]] = scene.order_row[found["order"][joins]]
    amount = orders["discount"] - orders["points_used"]
    by_coupon = (orders["coupon"] != NEVER) & (levers.campaign_discount > levers.member_discount)
    member = np.arange(len(amount)) > since[orders["who"]]
    row = np.flatnonzero(member & ~orders["cancelled"] & ~by_coupon & (amount > 0))
    return [_steps(orders["who"][row], orders["at"][row], row, DISCOUNT, amount[row])]


def _gifts(scene: Scene) -> list[Steps]:
    """What was given for another year of membership, on a Monday morning."""
    found = scene.events("gifts")
    return [_steps(found["who"], found["week"] * WEEK + 9 * HOUR, -1, GIFT, found["value"])] if found else []


# --- sums over customers


def totals(scene: Scene) -> dict[str, Ints]:
    """What `shop_tables` needs of all customers: whole numbers, so that sums do not depend on how customers are cut.

    Returns:
        By week, from the first on: `new_customers` (first orders, those of regulars apart; a column for each
        acquisition channel, the last one for those who were brought), `messages` (mails sent; columns newsletter,
        promotion, win-back), `inspected` and `followed_up` (orders), `handled` (tickets, those twice that took more
        than one contact), `brought` (customers), and in yen `gifts` and `compensation`.

    Examples:
        >>> from crmkit.simulator.plan import plan
        >>> scene = plan("salon", customers=200, weeks=26, seed=7).scene()
        >>> found = totals(scene)
        >>> found["messages"].shape, bool(found["messages"].sum() == scene.events("sends")["treated"].sum())
        ((26, 3), True)
    """
    orders, log, weeks = scene.orders, scene.life.log, scene.shop.weeks
    sends, tickets, gifts = log.table("sends"), log.table("tickets"), log.table("gifts")
    channels = len(_channels(scene.shop))
    contacts = {**tickets, "contacts": 2 - tickets["first"]} if tickets else {}
    made = {**orders, "inspected": orders["inspected"] & ~orders["cancelled"]} if orders else {}
    new, brought = _new(scene)
    return {
        "new_customers": _sums(new, weeks, split="channel", into=channels),
        "messages": _sums(sends, weeks, "treated", split="kind", into=3),
        "inspected": _sums(made, weeks, "inspected"),
        "followed_up": _sums(orders, weeks, "followed"),
        "handled": _sums(contacts, weeks, "contacts"),
        "brought": _sums(brought, weeks),
        "gifts": _sums(gifts, weeks, "value"),
        "compensation": _sums(tickets, weeks, "compensation"),
    }


def _new(scene: Scene) -> tuple[Arrays, Arrays]:
    """The first orders, with their customers' channel; and of those the ones of customers who were brought."""
    orders = scene.orders
    if not orders:
        return {}, {}
    first = (orders["seq"] == 1) & ~scene.crowd.regular[orders["who"]]
    who, week = orders["who"][first], orders["week"][first]
    return {"week": week, "channel": _channel(scene)[who]}, {"week": week[scene.crowd.generation[who] > 0]}


def _sums(found: Arrays, weeks: int, column: str = "", *, split: str = "", into: int = 1) -> Ints:
    """How many events, or how much of a column in whole units, in each week; by a second column if there is one."""
    shape = (weeks, into) if split else (weeks,)
    if not found:
        return np.zeros(shape, dtype=np.int64)
    cell = found["week"] * into + found[split] if split else found["week"]
    amount = np.floor(found[column] + 0.5) if column else None
    # whole numbers below 2^53 add up exactly as floats, in any order
    return np.bincount(cell, amount, minlength=weeks * into).astype(np.int64).reshape(shape)
