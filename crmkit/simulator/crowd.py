"""The customers of a block: traits that stay, a state that moves; one array each, one place for each customer."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from crmkit.simulator.exact import Floats, Ints, Words, beta, customer_keys, draws, gamma, pick
from crmkit.simulator.shop import Shop

Column = np.ndarray[Any, Any]

TRAITS = 0  # the first address of the draws that make a customer
REGULARS_WEEKS = 26  # so long it takes at most until those who were customers before have been seen once
NEVER = -(1 << 20)  # a week before all weeks
NOT_LEFT = 1 << 20


@dataclass
class Crowd:
    """The customers of a block: traits that stay, and a state that moves. One array each, one place each customer."""

    number: Ints  # (base + 1) * 100 + who in the family
    parent: Ints  # place of who brought them; -1 = came by themselves
    generation: Ints
    start: Ints  # week of the first order (or of registering, for those who never buy)
    regular: Column  # was a customer before the books begin
    key: Words
    rate: Floats  # orders a week
    eager: Floats  # 0-1: how the rate compares; what VIPs and members are chosen by
    leaving: Floats  # weekly hazard in a neutral mood
    leave_after: Floats  # chance to leave after a repeat order
    once: Column  # comes only once
    browser: Column  # never buys
    price_sensitivity: Floats
    spend: Floats  # factor on the price list
    usual: Ints  # product
    channel: Ints  # where most orders are placed
    contact: Ints  # how most questions are asked
    base_satisfaction: Floats
    preferred: Column  # is served first
    joins: Floats  # chance to join the programme, at an order
    opt_in: Column
    satisfaction: Floats
    loyalty: Floats
    boost: Floats  # of the order rate, from what the shop sent
    fatigue: Floats  # messages lately
    alive: Column
    left: Ints  # week of leaving
    last_order: Ints
    orders: Ints
    spent: Floats
    cost: Floats  # what the shop spent on this customer, products apart
    member: Ints  # week of joining; NEVER = no member
    points: Ints
    coupon: Ints  # week * 4 + kind of the campaign whose coupon is at hand
    due: Ints  # week of the next delivery; NEVER = no subscriber
    recurring: Ints  # week in which an unsolved matter comes up again
    silent: Ints  # bad experiences never told

    def __len__(self) -> int:
        return len(self.number)

    def with_more(self, others: Crowd) -> Crowd:
        """These and others behind them."""
        return Crowd(
            **{one.name: np.concatenate([getattr(self, one.name), getattr(others, one.name)]) for one in fields(self)}
        )


def gather(
    shop: Shop, numbers: Ints, *, parent: Ints | None = None, generation: Ints | None = None, start: Ints | None = None
) -> Crowd:
    """Customers as they are before anything happens to them."""
    buying, people, feeling = shop.scenario.buying, shop.scenario.people, shop.scenario.feeling
    key, n = customer_keys(shop.seed, numbers), len(numbers)
    u = draws(key, TRAITS, 6)
    rate = gamma(key, TRAITS + 10, buying.rate_halves) * (buying.orders_per_week * 2 / buying.rate_halves)
    eager = rate / (rate + buying.orders_per_week)
    low, high = feeling.satisfaction
    satisfaction = low + (high - low) * u[0]
    halves_a, halves_b = buying.leave_after_order
    coin = bool(shop.levers.randomize)
    regular = (u[1] < people.regulars_share) & (start is None)
    if start is None:
        # regulars come when their usual gap is over, the others at any time
        opening = np.where(regular, np.minimum(1 / rate, REGULARS_WEEKS), shop.weeks)
        start = np.minimum((u[2] * opening).astype(np.int64), shop.weeks - 1)
    browser = (u[6] < people.browsers_share) & ~regular
    subscribes = (u[3] < buying.subscriber_share) & ~browser
    shares = [one.share for one in shop.scenario.products]
    on_contract = [one.share * one.subscribable for one in shop.scenario.products]
    return Crowd(
        number=numbers,
        parent=np.full(n, -1) if parent is None else parent,
        generation=np.zeros(n, dtype=np.int64) if generation is None else generation,
        start=start,
        regular=regular,
        key=key,
        rate=rate,
        eager=eager,
        leaving=buying.leaving_per_week * (0.5 + u[4]),
        leave_after=beta(key, TRAITS + 40, halves_a, halves_b) if halves_a else np.zeros(n),
        once=(u[5] < buying.once_only_share) & ~subscribes & ~regular,
        browser=browser,
        price_sensitivity=u[7],
        spend=_spend_factor(key, buying.spend_between),
        usual=np.where(subscribes, pick(u[8], on_contract), pick(u[8], shares)),
        channel=pick(u[9], list(people.order_channel.values())),
        contact=pick(u[12], list(people.contact_channel.values())),
        base_satisfaction=satisfaction,
        # who is served first and who joins is chosen by how much they buy: the confounding, whose cure is a coin
        preferred=(u[10] < 0.3) if coin else (0.5 * u[10] + eager > 0.85),
        joins=np.full(n, 0.4) if coin else 0.4 * eager * eager * 2,
        opt_in=u[11] < shop.scenario.contact.opt_in_share,
        satisfaction=satisfaction.copy(),
        loyalty=np.full(n, 0.3),
        boost=np.zeros(n),
        fatigue=np.zeros(n),
        alive=np.zeros(n, dtype=bool),
        left=np.full(n, NOT_LEFT),
        last_order=np.full(n, NEVER),
        orders=np.zeros(n, dtype=np.int64),
        spent=np.zeros(n),
        cost=np.zeros(n),
        member=np.full(n, NEVER),
        points=np.zeros(n, dtype=np.int64),
        coupon=np.full(n, NEVER),
        due=np.where(subscribes, start, NEVER),
        recurring=np.full(n, NEVER),
        silent=np.zeros(n, dtype=np.int64),
    )


def _spend_factor(key: Words, halves: int) -> Floats:
    """An inverse gamma factor with mean 1: the customers' side of gamma-gamma spending."""
    if halves <= 2:
        return np.ones(len(key))
    return (halves / 2 - 1) / np.maximum(gamma(key, TRAITS + 60, halves), 1e-9)
