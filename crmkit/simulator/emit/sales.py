"""Customers, products, orders, their lines and subscriptions."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from crmkit.simulator.calendar import DAY, HOUR, WEEK
from crmkit.simulator.crowd import NEVER, NOT_LEFT
from crmkit.simulator.emit.scene import Scene, category, constant, digits, optional, plain, table
from crmkit.simulator.emit.timeline import timelines
from crmkit.simulator.engine import FAMILY, RETURN, TIER_AMOUNTS
from crmkit.simulator.exact import Ints, pick
from crmkit.simulator.log import sequence
from crmkit.simulator.people import Who, identities

REGISTERING, ORDERING, SUBSCRIBING = 1, 2, 3  # streams of draws
SOURCES = {
    "ec": 2 * DAY,
    "pos": HOUR // 2,
    "call_center": DAY,
}  # so long before the first order people register, at most
TRIAL_EVERY_WEEKS = 13
REGULAR_DAYS = 900  # so long before the books begin regulars registered, at most
AMOUNTS = ("gross", "discount", "net", "refund")
TIERS = ("none", "regular", "silver", "gold")


def customers(scene: Scene, locale: str) -> pa.Table:
    """One row for each customer, identities among them."""
    crowd, people, n = scene.crowd, scene.shop.scenario.people, len(scene.crowd)
    place = np.arange(n)
    u = scene.draws(scene.event_keys(place, 0), REGISTERING, 2)
    who = Who(
        female_share=people.female_share, ages=people.ages, on=scene.shop.clock.start,
        regions=people.regions if locale == people.locale else (),
    )  # fmt: skip
    channels = [*people.acquisition, "referral"]
    channel = np.where(crowd.generation > 0, len(channels) - 1, pick(u[0], list(people.acquisition.values())))
    source = pick(u[1], list(people.source_system.values()))
    spent_tier = np.searchsorted(np.array(TIER_AMOUNTS), crowd.spent, side="right")
    joined, left_list = _joined(scene), opted_out(scene)
    return table("customers", {
        "customer_id": scene.customer_ids,
        "customer_type": constant("individual", n),
        **identities(crowd.key, crowd.number, locale=locale, who=who),
        "registered_at": scene.instants(registered(scene)),
        "acquisition_channel": category(channel, channels),
        "source_system": category(source, list(people.source_system)),
        "member_since": scene.instants(joined, missing=joined < 0),
        "member_tier": category(np.where(joined >= 0, spent_tier, 0), TIERS),
        "email_opt_in": pa.array(crowd.opt_in),
        "opted_out_at": scene.instants(left_list, missing=left_list < 0),
        "preferred_channel": category(crowd.contact, list(people.contact_channel)),
    })  # fmt: skip


def registered(scene: Scene) -> Ints:
    """When each customer registered: shortly before the first order; who never buys, at any time of the week; regulars,
    long before the books begin."""
    crowd, people = scene.crowd, scene.shop.scenario.people
    u = scene.draws(scene.event_keys(np.arange(len(crowd)), 0), REGISTERING, 2)
    at = scene.shop.clock.moments(crowd.start, u[4], u[5])
    orders = scene.orders
    if orders:
        first = np.flatnonzero(orders["seq"] == 1)
        longest = np.array([SOURCES.get(name, HOUR) for name in people.source_system])
        source = pick(u[1], list(people.source_system.values()))
        before = 60 + (u[2] * longest[source]).astype(np.int64)
        at[orders["who"][first]] = orders["at"][first] - before[orders["who"][first]]
    # before the first Monday the shop's books were not open, and a brought customer registers after the invitation
    at = np.maximum(at, np.where(crowd.generation > 0, crowd.start * WEEK, 0))
    return np.where(crowd.regular, -DAY - (u[2] * REGULAR_DAYS * DAY).astype(np.int64), at)


def _joined(scene: Scene) -> Ints:
    """The instant of joining the programme, which is that of an order; -1 = not joined."""
    at = np.full(len(scene.crowd), -1)
    events = scene.events("programme")
    if events:
        joins = events["kind"] == 0
        at[events["who"][joins]] = scene.orders["at"][scene.order_row[events["order"][joins]]]
    return at


def opted_out(scene: Scene) -> Ints:
    """When each left the mailing list: some hours after the message that was one too many; -1 = did not."""
    at = np.full(len(scene.crowd), -1)
    events = scene.events("sends")
    if events:
        leaves = events["leaves"]
        who = events["who"][leaves]
        u = scene.draws(scene.event_keys(who, 1), REGISTERING, 1)
        at[who] = events["week"][leaves] * WEEK + 8 * HOUR + (u[0] * 12 * HOUR).astype(np.int64)
    return at


def refunds(scene: Scene) -> tuple[np.ndarray, Ints]:
    """Refunded share of each order's net amount, and when; only what was refunded before the end."""
    orders, tickets = scene.orders, scene.events("tickets")
    share, at = np.zeros(len(orders["who"])), np.full(len(orders["who"]), -1)
    if not tickets:
        return share, at
    told = timelines(scene)
    log, when = told.log, told.first_solved_at
    keys = scene.event_keys(told.who, tickets["address"][log])
    u = scene.draws(keys, ORDERING, 1)
    settled = (when >= 0) & (told.order >= 0) & ~told.is_merged & tickets["solved"][log]
    whole = settled & (told.kind == RETURN)
    half = settled & ~whole & (told.severity == 3) & (u[0] < 0.5)
    some = np.flatnonzero(whole | half)
    row = scene.order_row[told.order[some]]
    share[row] = np.where(whole[some], 1.0, 0.5)
    at[row] = when[some]
    return share, at


def orders(scene: Scene) -> pa.Table:
    """One row for each order, customer by customer."""
    found = scene.orders
    if not found:
        return table("orders", {"order_id": pa.array([], pa.string())})
    people = scene.shop.scenario.people
    n = len(found["who"])
    keys = scene.event_keys(found["who"], found["week"] * 32 + found["nth"])
    u = scene.draws(keys, ORDERING, 2)
    own = scene.crowd.channel[found["who"]]
    channel = np.where(u[0] < 0.85, own, pick(u[1], list(people.order_channel.values())))
    share, refunded = refunds(scene)
    refund = np.floor(found["net"] * share)
    coupon = found["coupon"] != NEVER
    campaign, names = campaign_codes(found["coupon"])
    subscription = digits("S", scene.crowd.number[found["who"]], 9).take(
        pa.array(np.arange(n), mask=~found["subscription"])
    )
    staff = (u[2] * scene.shop.scenario.contact.staff).astype(np.int64)
    made = table("orders", {
        "order_id": scene.order_ids,
        "customer_id": scene.ids(found["who"]),
        "ordered_at": scene.instants(found["at"]),
        "channel": category(channel, list(people.order_channel)),
        "status": category(found["cancelled"], ("completed", "cancelled")),
        "is_test": np.zeros(n, dtype=bool),
        "gross_amount": found["gross"],
        "discount_amount": found["discount"],
        "net_amount": found["net"],
        "refund_amount": refund,
        "refunded_at": scene.instants(refunded, missing=refund == 0),
        "coupon_code": category(np.where(coupon, campaign, -1), [f"THANKS-{name}" for name in names]),
        "campaign_id": category(np.where(coupon, campaign, -1), names),
        "subscription_id": subscription,
        "staff_id": category(staff, [f"S{one:02}" for one in range(1, scene.shop.scenario.contact.staff + 1)]),
    })  # fmt: skip
    return _with_trials(scene, made)


def _with_trials(scene: Scene, made: pa.Table) -> pa.Table:
    """Once a quarter the till is tried out before opening, under the first customer's name: no real order."""
    people = scene.shop.scenario.people
    if "pos" not in people.source_system or scene.crowd.number[0] != FAMILY:
        return made
    quarters = [week for week in range(scene.shop.weeks) if week % TRIAL_EVERY_WEEKS == 1]
    at = np.array(quarters) * WEEK + 2 * DAY + scene.shop.scenario.calendar.opens * HOUR - HOUR // 2
    at = at[at > registered(scene)[0]]
    n, known = len(at), int((scene.orders["who"] == 0).sum())
    first_place = np.zeros(n, dtype=np.int64)
    most = scene.shop.scenario.buying.most_per_week * scene.shop.weeks  # no order of the customer's has a higher number
    trials = table("orders", {
        "order_id": scene.numbered("O", first_place, most + np.arange(n) + 1),
        "customer_id": scene.ids(first_place),
        "ordered_at": scene.instants(at),
        "channel": constant("store", n),
        "status": constant("completed", n),
        "is_test": np.ones(n, dtype=bool),
        **{f"{name}_amount": np.full(n, 100.0 if name in ("gross", "net") else 0.0) for name in AMOUNTS},
        "staff_id": constant("S01", n),
    })  # fmt: skip
    first = pa.concat_tables([plain(made.slice(0, known)), plain(trials)]).sort_by("ordered_at")
    return pa.concat_tables([first, plain(made.slice(known))])


def campaign_codes(coupons: Ints) -> tuple[Ints, list[str]]:
    """Coupons (week * 4 + kind) as codes of campaign ids; -1 for none."""
    found, codes = np.unique(np.where(coupons == NEVER, -1, coupons), return_inverse=True)
    every = [campaign_id(int(one) // 4, int(one) % 4) for one in found]
    names = sorted(set(every))  # the win-back mail is one campaign, whatever the week
    place = np.array([names.index(one) for one in every], dtype=np.int64)
    return np.where(coupons == NEVER, -1, place[codes]), names


def campaign_id(week: int, kind: int) -> str:
    """N004 = newsletter of week 4, P012 = promotion of week 12, W000 = the standing win-back mail."""
    return "W000" if kind == 2 else f"{'NP'[kind % 2]}{max(week, 0):03}"


def order_items(scene: Scene) -> pa.Table:
    """The lines of the orders: the main product, and what was added."""
    found = scene.orders
    if not found:
        return table("order_items", {"order_id": pa.array([], pa.string())})
    goods = scene.shop.scenario.products
    list_price = np.array([one.price for one in goods], dtype=np.float64)
    cost = np.array([one.cost for one in goods], dtype=np.float64)
    two = found["extra"] >= 0
    row = np.repeat(np.arange(len(two)), 1 + two)
    second = sequence(row) == 2
    product = np.where(second, found["extra"][row], found["main"][row])
    price = np.where(second, list_price[product], found["price"][row])
    gross, discount = found["gross"][row], found["discount"][row]
    first_part = np.floor(discount * (found["price"][row] / gross))
    names = ("none", "cross_sell", "upsell")
    offer = np.where(found["accepted"][row] & (second == (found["offer"][row] == 1)), found["offer"][row], 0)
    return table("order_items", {
        "order_id": scene.order_ids.take(pa.array(row)),
        "line_no": second + 1,
        "product_id": category(product, [f"P{one:03}" for one in range(1, len(goods) + 1)]),
        "quantity": np.ones(len(row)),
        "unit_price": price,
        "unit_cost": np.floor(cost[product] * (price / list_price[product]) + 0.5),
        "discount_amount": np.where(second, discount - first_part, np.where(two[row], first_part, discount)),
        "offer_type": category(offer, names),
        "was_inspected": found["inspected"][row],
        "is_defective": found["defect"][row] & ~second,
    })  # fmt: skip


def subscriptions(scene: Scene) -> pa.Table:
    """One row for each contract: begun with the first delivery, ended when the customer left."""
    crowd, buying = scene.crowd, scene.shop.scenario.buying
    found = scene.orders
    begins = np.full(len(crowd), -1)
    price = np.zeros(len(crowd))
    product = np.zeros(len(crowd), dtype=np.int64)
    if found:
        first = np.flatnonzero((found["seq"] == 1) & found["subscription"])
        begins[found["who"][first]] = found["at"][first]
        price[found["who"][first]], product[found["who"][first]] = found["price"][first], found["main"][first]
    who = np.flatnonzero(begins >= 0)
    u = scene.draws(scene.event_keys(who, 2), SUBSCRIBING, 1)
    ended = crowd.left[who] != NOT_LEFT
    last = np.maximum(crowd.left[who] * WEEK, _last_order(scene)[who] + 60)
    cancelled = last + (u[0] * ((crowd.left[who] + 1) * WEEK - 1 - last)).astype(np.int64)
    involuntary = ended & (u[1] < 0.2)
    paid_until = np.maximum(crowd.due[who], crowd.left[who] + 1) * WEEK
    over = ended & (paid_until < scene.shop.clock.end)
    reasons = ("too_expensive", "not_needed", "too_much_stock", "dissatisfied", "moved")
    reason = np.where(crowd.satisfaction[who] < 0.4, 3, pick(u[2], (30, 30, 25, 0, 15)))
    return table("subscriptions", {
        "subscription_id": digits("S", crowd.number[who], 9),
        "customer_id": scene.ids(who),
        "product_id": category(product[who], [f"P{one:03}" for one in range(1, len(scene.shop.scenario.products) + 1)]),
        "started_at": scene.instants(begins[who]),
        "interval_days": np.full(len(who), buying.interval_weeks * 7.0),
        "unit_amount": price[who],
        "status": category(np.where(ended, 1, 0), ("active", "cancelled")),
        "cancelled_at": scene.instants(cancelled, missing=~ended | involuntary),
        "ended_at": scene.instants(np.where(involuntary, cancelled, paid_until), missing=~(over | involuntary)),
        "cancel_reason": category(np.where(ended & ~involuntary, reason, -1), reasons),
        "is_involuntary": optional(involuntary, ~ended),
    })  # fmt: skip


def _last_order(scene: Scene) -> Ints:
    """The instant of each customer's last order; -1 = none."""
    at = np.full(len(scene.crowd), -1)
    if scene.orders:
        np.maximum.at(at, scene.orders["who"], scene.orders["at"])
    return at
