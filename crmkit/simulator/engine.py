"""The weeks of a shop: what customers feel and do, and what the shop does about it; plain array code, all customers of
a block at once.

One chain runs through it: a defect or a bad day → a complaint, or silence → the wait, the solution, the apology →
satisfaction → loyalty → the next order, leaving, recommending. Every number a customer draws comes from an address of
the customer's own (`exact`), named below by what it decides, so that a world with one lever moved is lived on the same
chance, and who is saved by it can be told by name.

Satisfaction and loyalty run from 0 to 1, 0.5 being neutral: there every factor below is 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crmkit.simulator.calendar import DAY, EVER, HOUR, WEEK
from crmkit.simulator.crowd import NEVER, Column, Crowd, gather
from crmkit.simulator.exact import Floats, Ints, draws, gamma, log, pick, poisson
from crmkit.simulator.log import Arrays, Log, sequence
from crmkit.simulator.scenario import Scenario
from crmkit.simulator.shop import Shop

# addresses of draws
WEEKS, SENDS, ORDERS, RECURRING = 1 << 24, 1 << 28, 1 << 32, 1 << 40
DRAWS_PER_ORDER = 64

FAMILY = 100  # numbers set aside for each customer and those who come through them
WAVE_WEEKS = 26  # between surveys of all customers
LISTED_WEEKS = 26  # so long after the last order the shop still writes
WINBACK_WEEKS = 16
BIRTH_WEEKS = 8  # who is brought comes in the next eight weeks of the count, so that places are made all at once
DEFECT_CAUGHT = 0.8  # share of defects that an inspection finds
SEND_KINDS = ("newsletter", "promotional_email", "winback")
TICKET_KINDS = ("question", "request", "complaint", "return")
QUESTION, REQUEST, COMPLAINT, RETURN = range(4)
TIER_AMOUNTS = (0, 60_000, 150_000)  # regular, silver, gold: spent in all
POINTS_TO_REDEEM = 300
POINTS_LAST_WEEKS = 52


@dataclass(frozen=True)
class Life:
    """A block of customers after all weeks, and everything that happened to them."""

    shop: Shop
    crowd: Crowd
    log: Log


def live(shop: Shop, first: int, customers: int, *, watch: bool = True) -> Life:
    """Live all weeks with the customers `first`, `first + 1`, … and those they bring.

    Args:
        shop: The shop.
        first: Which customer to begin with, from 0.
        customers: How many.
        watch: Whether to keep what only tables need (messages, programme, surveys), and not just what comparing needs.
    """
    numbers = (np.arange(first, first + customers, dtype=np.int64) + 1) * FAMILY
    weeks = _Weeks(shop, gather(shop, numbers), watch)
    for week in range(shop.weeks):
        weeks.one(week)
    return Life(shop, weeks.crowd, weeks.log)


class _Weeks:
    """One week after the other."""

    def __init__(self, shop: Shop, crowd: Crowd, watch: bool) -> None:
        self.shop, self.crowd, self.log, self.watch = shop, crowd, Log(), watch
        self.family = np.zeros(len(crowd), dtype=np.int64)  # how many each first customer has brought, by all steps
        self.root = np.arange(len(crowd))
        self.gross = np.array([one.price for one in shop.scenario.products], dtype=np.float64)
        self.extra = [one.extra for one in shop.scenario.products]
        self.upgrade = np.array([_upgrade(shop.scenario, product) for product in range(len(self.gross))])
        starts = crowd.start
        order = np.argsort(starts, kind="stable")
        self.arriving = np.split(order, np.searchsorted(starts[order], np.arange(1, shop.weeks)))
        self.size = len(crowd)
        self.coming: list[Ints] = []
        self.raised: list[tuple[Ints, ...]] = []
        self.waiting: list[tuple[Ints, ...]] = []  # what will be told when its time comes
        self.spoken = np.array([name in ("phone", "store") for name in shop.scenario.people.contact_channel])

    def one(self, week: int) -> None:
        """What happens in a week, in this order."""
        if week % BIRTH_WEEKS == 0 and self.coming:
            self.welcome()
        new = self.arriving[week]
        self.crowd.alive[new] = True
        u = draws(self.crowd.key, WEEKS + week * 4, 1)
        self.send(week)
        count = self.wish(week, u[0])
        count[new] = np.where(
            self.crowd.browser[new], 0, np.minimum(count[new] + 1, self.shop.scenario.buying.most_per_week)
        )
        self.order(week, count)
        self.serve(week)
        self.leave(week, u[1], new)
        self.recommend(week, u[2])
        self.settle(week)

    # --- what the shop sends

    def send(self, week: int) -> None:
        """Newsletters and campaigns with their hold-outs, and the mail to those who have not come for long."""
        crowd, levers, contact = self.crowd, self.shop.levers, self.shop.scenario.contact
        newsletter = _falls_on(week, levers.contact_every_weeks)
        campaign = _falls_on(week, levers.campaign_every_weeks)
        winback = levers.campaign_every_weeks > 0 and week % 4 == 1
        if not (newsletter or campaign or winback):
            return
        since = week - np.maximum(crowd.last_order, crowd.start)
        known = crowd.opt_in & (since > 0) & (since <= LISTED_WEEKS)
        # a campaign is aimed at likely buyers: its readers would buy more than others even if it did nothing
        likely = known if levers.randomize else known & (crowd.eager > 0.4)
        strength = contact.campaign_lift * (0.4 + 6 * levers.campaign_discount)
        if newsletter:
            self._send(week, 0, np.flatnonzero(known), contact.newsletter_lift, 0.0)
        if campaign:
            self._send(week, 1, np.flatnonzero(likely), strength, levers.control_share)
        if winback:
            dormant = known & (since >= WINBACK_WEEKS) & (since < WINBACK_WEEKS + 4)
            self._send(week, 2, np.flatnonzero(dormant), strength, levers.control_share)

    def _send(self, week: int, kind: int, who: Ints, lift: float, control: float) -> None:
        crowd = self.crowd
        u = draws(crowd.key[who], SENDS + week * 8 + kind * 2, 1)
        treated = u[0] >= control
        if kind == 1 and week in self.shop.forced_arms:
            treated = np.full(len(who), bool(self.shop.forced_arms[week]))
        personal = u[1] < self.shop.levers.personalized_share
        tired = u[2] < 0.0005 + 0.0008 * crowd.fatigue[who]
        if self.watch:
            self.log.add(
                "sends",
                who,
                week=week,
                kind=kind,
                treated=treated,
                personal=personal,
                leaves=tired & treated,
                alive=crowd.alive[who],
                satisfaction=crowd.satisfaction[who],
            )
        reached, personal, tired = who[treated], personal[treated], tired[treated]
        crowd.boost[reached] += (
            lift * (0.85 + 0.5 * personal) * (0.5 + crowd.price_sensitivity[reached] if kind else 1.0)
        )
        crowd.fatigue[reached] += 1
        crowd.cost[reached] += self.shop.scenario.money.message
        crowd.opt_in[reached[tired]] = False
        if kind:
            crowd.coupon[reached] = week * 4 + kind

    # --- what customers do

    def wish(self, week: int, u: Floats) -> Ints:
        """How many orders each would place this week."""
        crowd, buying, levers = self.crowd, self.shop.scenario.buying, self.shop.levers
        mean = crowd.rate * (0.5 + crowd.satisfaction) * (1 + crowd.boost)
        mean *= self.shop.clock.season[week] * (crowd.alive & ~crowd.browser)
        if buying.regularity:
            gap = np.minimum((week - crowd.last_order) * crowd.rate, 2.0)
            mean *= 1 - buying.regularity + buying.regularity * gap * gap
        if levers.member_discount:
            mean *= 1 + 2 * levers.member_discount * crowd.price_sensitivity * (crowd.member != NEVER)
        count = np.zeros(len(crowd), dtype=np.int64)
        some = np.flatnonzero(u >= 1 - mean)  # e^-x is at least 1 - x: the others certainly do not order
        count[some] = poisson(u[some], mean[some], buying.most_per_week)
        if buying.subscriber_share:
            subscriber = (crowd.due != NEVER) & crowd.alive
            count[subscriber] = crowd.due[subscriber] == week
        return count

    def order(self, week: int, count: Ints) -> None:
        """The orders of the week, customer by customer in the order of time."""
        who = np.flatnonzero(count)
        if not len(who):
            return
        at = self._times(week, who, count[who])
        for nth in range(len(at)):
            some = at[nth] < EVER
            if some.any():
                self._order(week, nth, who[some], at[nth, some])

    def _times(self, week: int, who: Ints, count: Ints) -> Ints:
        """When each orders for the first, second, … time this week, as rows; `EVER` where there is no such time."""
        at = np.full((int(count.max()), len(who)), EVER)
        for nth in range(len(at)):
            some = np.flatnonzero(count > nth)
            u = draws(self.crowd.key[who[some]], _order_address(week, nth) + 40, 1)
            at[nth, some] = self.shop.clock.moments(week, u[0], u[1])
        if len(at) > 1:
            new = self.crowd.start[who] == week
            at[1:][new & (at[1:] <= at[0])] = EVER  # nobody orders again before the first order
            at.sort(axis=0)
        return at

    def _order(self, week: int, nth: int, who: Ints, at: Ints) -> None:
        """One order each: what is bought, what is paid, how it went, and what follows."""
        crowd, buying = self.crowd, self.shop.scenario.buying
        here = crowd.alive[who]  # who left after an earlier order of this week does not order again
        who, at = who[here], at[here]
        address = _order_address(week, nth)
        u = draws(crowd.key[who], address, 6)
        cancelled = u[0] < buying.cancelled_share * (crowd.orders[who] > 0)
        basket = self._basket(who, address, u[1:6])
        paid = self._pay(week, who, basket, cancelled, u[6:9])
        went = self._experience(week, who, basket, cancelled, u[9:13])
        number = self.log.rows["orders"] + np.arange(len(who))
        self.log.add(
            "orders", who, week=week, nth=nth, at=at, cancelled=cancelled, first=crowd.orders[who] == 0,
            subscription=crowd.due[who] != NEVER, satisfaction=crowd.satisfaction[who], **basket, **paid, **went,
        )  # fmt: skip
        self._tell(week, who, address, number, at, cancelled, went, u[13:16])
        done = who[~cancelled]
        crowd.spent[done] += paid["net"][~cancelled]
        self._programme(week, done, number[~cancelled], paid["net"][~cancelled], u[16][~cancelled])
        crowd.orders[done] += 1
        crowd.last_order[done] = week
        crowd.coupon[done] = NEVER
        self._leave_after(week, done, u[17][~cancelled])

    def _basket(self, who: Ints, address: int, u: Floats) -> Arrays:
        """What is bought: the usual or something else, an extra, and what was offered and accepted."""
        crowd, buying, levers = self.crowd, self.shop.scenario.buying, self.shop.levers
        products = self.shop.scenario.products
        main = np.where(
            u[0] < buying.variety,
            pick(u[0] / max(buying.variety, 1e-9), [one.share for one in products]),
            crowd.usual[who],
        )
        has_extra = sum(self.extra) > 0
        extra = (
            np.where(u[1] < buying.extra_share, pick(u[1] / max(buying.extra_share, 1e-9), self.extra), -1)
            if has_extra
            else np.full(len(who), -1)
        )
        offered = u[2] < levers.offer_share
        upsell = offered & (u[3] < 0.5) & (self.upgrade[main] >= 0)
        accepted = offered & (u[4] < 0.25 * (0.5 + crowd.satisfaction[who]) * (1.5 - crowd.price_sensitivity[who]))
        main = np.where(upsell & accepted, self.upgrade[main], main)
        cross = offered & ~upsell & (extra < 0) & has_extra
        if has_extra:
            extra = np.where(cross & accepted, pick(u[3], self.extra), extra)
        price = self.gross[main] * crowd.spend[who]
        if buying.spend_within:
            price = price * gamma(crowd.key[who], address + 48, buying.spend_within) * (2 / buying.spend_within)
        offer = np.where(upsell, 2, np.where(cross, 1, 0))
        return {
            "main": main,
            "extra": extra,
            "price": np.maximum(np.floor(price + 0.5), 1.0),
            "offer": offer,
            "accepted": accepted & (offer > 0),
        }

    def _pay(self, week: int, who: Ints, basket: Arrays, cancelled: Column, u: Floats) -> Arrays:
        """Gross, discounts and points used, in whole yen."""
        crowd, levers = self.crowd, self.shop.levers
        extra = np.where(basket["extra"] >= 0, self.gross[basket["extra"]], 0.0)
        gross = basket["price"] + extra
        coupon = (week - crowd.coupon[who] // 4 <= 4) & (u[0] < 0.8) & ~cancelled
        share = np.where(coupon, levers.campaign_discount, 0.0)
        share = np.maximum(share, np.where(crowd.member[who] != NEVER, levers.member_discount, 0.0))
        discount = np.floor(gross * share)
        ready = (crowd.points[who] >= POINTS_TO_REDEEM) & (u[1] < 0.35) & ~cancelled
        used = np.where(ready, np.minimum(crowd.points[who], (gross - discount).astype(np.int64)), 0)
        crowd.points[who] -= used
        discount += used
        return {"gross": gross, "discount": discount, "net": gross - discount, "points_used": used,
                "coupon": np.where(coupon, crowd.coupon[who], NEVER)}  # fmt: skip

    def _experience(self, week: int, who: Ints, basket: Arrays, cancelled: Column, u: Floats) -> Arrays:
        """How it went: courtesy and chance, and whether something was wrong."""
        crowd, feeling, levers = self.crowd, self.shop.scenario.feeling, self.shop.levers
        went = 0.5 + 0.6 * (levers.courtesy - 0.6) + 0.7 * (u[0] - 0.5)
        inspected = u[1] < levers.inspection_share
        made = u[2] < np.minimum(levers.defect_rate * self.shop.defect_factor[week, basket["main"]], 0.9)
        defect = made & ~(inspected & (u[3] < DEFECT_CAUGHT)) & ~cancelled
        severity = np.where(defect, 1 + (u[3] * 7).astype(np.int64) % 3, 0)
        followed = (u[1] * 8 % 1 < levers.follow_up_share) & ~cancelled
        change = feeling.experience * (went - 0.5) - feeling.defect * (0.5 + severity / 4) * defect + 0.02 * followed
        crowd.satisfaction[who] += np.where(cancelled, 0.0, change)
        money = self.shop.scenario.money
        crowd.cost[who] += money.inspection * (inspected & ~cancelled) + money.follow_up * followed
        return {"went": went, "inspected": inspected, "defect": defect, "severity": severity, "followed": followed}

    def _tell(
        self, week: int, who: Ints, address: int, number: Ints, at: Ints, cancelled: Column, went: Arrays, u: Floats
    ) -> None:  # fmt: skip
        """Who speaks up about an order, and about what; the rest of the unhappy say nothing."""
        crowd, contact, levers = self.crowd, self.shop.scenario.contact, self.shop.levers
        bad_day = went["went"] < (0.22 if self.shop.scenario.feeling.experience else 0.0)
        unhappy = (went["defect"] | bad_day) & ~cancelled
        voiced = unhappy & (u[0] < (0.2 + 0.5 * levers.feedback_desk) * (0.6 + 0.2 * went["severity"]))
        crowd.silent[who] += unhappy & ~voiced
        asks = ~unhappy & (u[1] < contact.questions_per_order)
        complains = np.where(went["defect"] & (u[2] < 0.3), RETURN, COMPLAINT)
        kind = np.where(voiced, complains, np.where(u[2] < 0.3, REQUEST, QUESTION))
        severity = np.where(voiced, np.maximum(went["severity"], 1), 0)
        some = np.flatnonzero(voiced | asks)
        if not len(some):
            return
        # who has been here before asks before the next visit; all others speak when they have it, perhaps next week
        v = draws(crowd.key[who[some]], address + 30, 1)
        before = asks[some] & (crowd.last_order[who[some]] < week) & (crowd.start[who[some]] < week)
        order, room = at[some], np.maximum(at[some] - week * WEEK - HOUR, 0)
        early = np.minimum(HOUR + v[0] * 3 * DAY, v[1] * room)
        late = HOUR // 2 + contact.delivery_days * DAY + v[0] * v[0] * 2 * DAY
        opened = np.where(before, order - early, order + late).astype(np.int64) // 60 * 60
        about = np.where(before, -1, number[some])
        told = (who[some], np.full(len(some), address), about, opened, kind[some], severity[some])
        self.waiting.append(told)

    # --- how the shop answers

    def serve(self, week: int) -> None:
        """Tickets, of this week's orders and of old matters not solved: who had to wait, and how it went."""
        for part in self.waiting:
            due = part[3] < (week + 1) * WEEK
            self.raised.append(self._still_told(week, tuple(column[due] for column in part)))
        self.waiting = [tuple(column[part[3] >= (week + 1) * WEEK] for column in part) for part in self.waiting]
        self.waiting = [part for part in self.waiting if len(part[0])]
        back = np.flatnonzero((self.crowd.recurring == week) & self.crowd.alive)
        if len(back):
            n, address = len(back), RECURRING + week * DRAWS_PER_ORDER
            u = draws(self.crowd.key[back], address + 40, 1)
            opened = self.shop.clock.moments(week, u[0] * 0.7, u[1])
            self.raised.append(
                (back, np.full(n, address), np.full(n, -1), opened, np.full(n, COMPLAINT), np.full(n, 2))
            )
        # one matter after the other for a customer with several: the second is felt on top of the first
        for tickets in _one_each(self.raised):
            self._serve(week, *tickets)
        self.raised.clear()

    def _still_told(self, week: int, part: tuple[Ints, ...]) -> tuple[Ints, ...]:
        """Who has left in an earlier week says nothing any more."""
        here = self.crowd.left[part[0]] >= week
        self.crowd.silent[part[0][~here & (part[5] > 0)]] += 1
        return tuple(column[here] for column in part)

    def _serve(
        self, week: int, who: Ints, address: Ints, number: Ints, opened: Ints, kind: Ints, severity: Ints
    ) -> None:  # fmt: skip
        """The wait, the first answer, whether it settles the matter, and what that does to the customer."""
        crowd, feeling, levers = self.crowd, self.shop.scenario.feeling, self.shop.levers
        u = draws(crowd.key[who], address + 24, 3)
        priority = np.where(crowd.preferred[who], 1 - levers.fast_lane, 1.0)
        weights = list(self.shop.scenario.people.contact_channel.values())
        channel = np.where(u[6] < 0.7, crowd.contact[who], pick(u[7], weights))
        # mostly quick with a long tail; on the telephone and at the counter the answer comes at once
        wait = 0.15 + 0.85 * np.minimum(-log(1 - u[0]), 6.0)
        hours = levers.first_reply_hours * wait * priority * np.where(self.spoken[channel], 0.02, 1.0)
        chance = levers.first_contact_resolution + 0.2 * (levers.listening - 0.6) - 0.002 * hours - 0.06 * severity
        first = u[1] < chance
        solved = first | (u[2] < 0.6)
        sorry = (severity > 0) & (u[3] < levers.apology_share)
        paid = np.where((severity > 0) & solved, levers.recovery_amount, 0.0)
        change = np.where(solved, feeling.solved * np.where(first, 1.0, 0.4), -feeling.unsolved)
        change = change - feeling.wait * hours * (1 + 0.5 * severity) + 0.08 * sorry
        change = change + 0.12 * paid / (paid + 2000) + 0.1 * (levers.listening - 0.6)
        crowd.satisfaction[who] += change
        crowd.cost[who] += self.shop.scenario.money.ticket * np.where(first, 1.0, 2.0) + paid
        again = ~solved & (u[4] < 0.5)
        crowd.recurring[who[again]] = week + 2
        self.log.add(
            "tickets", who, week=week, order=number, address=address, opened=opened, kind=kind, severity=severity,
            channel=channel, hours=hours, first=first, solved=solved, apologised=sorry, compensation=paid,
            satisfaction=crowd.satisfaction[who], follows=address >= RECURRING,
        )  # fmt: skip

    def _programme(self, week: int, who: Ints, number: Ints, net: Floats, u: Floats) -> None:
        """Joining, earning points and rising: only where there is a programme."""
        crowd, levers = self.crowd, self.shop.levers
        if not (levers.points_rate or levers.member_discount or levers.anniversary_gift):
            return
        # drawn once, at the first order, when a lot decides: asked at each order, those who order often would join more
        asked = (crowd.orders[who] == 0) | (not levers.randomize)
        joins = (crowd.member[who] == NEVER) & (u < crowd.joins[who]) & asked
        crowd.member[who[joins]] = week
        member = crowd.member[who] != NEVER
        earned = np.where(member, (net * levers.points_rate).astype(np.int64), 0)
        crowd.points[who] += earned
        if self.watch:
            self.log.add("programme", who[joins], week=week, order=number[joins], kind=0, points=0, value=0.0, tier=0)
            earns = earned > 0
            self.log.add(
                "programme", who[earns], week=week, order=number[earns], kind=1, points=earned[earns], value=0.0, tier=0
            )
            spent = crowd.spent[who]
            for tier, amount in enumerate(TIER_AMOUNTS[1:], start=1):
                rises = member & (spent >= amount) & ((spent - net < amount) | joins)
                self.log.add(
                    "programme", who[rises], week=week, order=number[rises], kind=4, points=0, value=0.0, tier=tier
                )

    # --- staying and leaving

    def _leave_after(self, week: int, who: Ints, u: Floats) -> None:
        """Some come once only; after a repeat order some leave, more often the unhappy."""
        crowd = self.crowd
        first = crowd.orders[who] == 1
        leaves = np.where(
            first, crowd.once[who], u < crowd.leave_after[who] * 2 * (1 - np.clip(crowd.satisfaction[who], 0, 1))
        )
        gone = who[leaves & (crowd.due[who] == NEVER)]
        crowd.alive[gone] = False
        crowd.left[gone] = week

    def leave(self, week: int, u: Floats, new: Ints) -> None:
        """The quiet leaving of every week: unhappiness and lack of attachment drive it, membership holds."""
        crowd, levers = self.crowd, self.shop.levers
        hazard = (
            crowd.leaving * (1.8 - 1.6 * crowd.satisfaction) * (1.6 - 1.2 * crowd.loyalty) * (1 + 0.03 * crowd.fatigue)
        )
        held = 0.3 * min((levers.points_rate + levers.member_discount) / 0.03, 1.0)
        if held:
            hazard *= 1 - held * (crowd.member != NEVER)
        leaves = crowd.alive & (u < hazard)
        leaves[new] = False
        crowd.alive &= ~leaves
        crowd.left[leaves] = week

    def recommend(self, week: int, u: Floats) -> None:
        """Every other week the happy and attached bring others, who begin a life of their own some weeks later."""
        crowd, levers, contact = self.crowd, self.shop.levers, self.shop.scenario.contact
        if not contact.referrals_per_week or week % 2:
            return
        wish = np.maximum(crowd.satisfaction - 0.5, 0) * (0.5 + crowd.loyalty) * (1 + levers.referral_reward / 1500)
        who = np.flatnonzero(crowd.alive & (crowd.orders > 0) & (u < 2 * contact.referrals_per_week * wish))
        if not len(who):
            return
        v = draws(crowd.key[who], WEEKS + week * 4 + 2, 1)
        starts = (week // BIRTH_WEEKS + 1) * BIRTH_WEEKS + (v[1] * BIRTH_WEEKS).astype(np.int64)
        child = np.full(len(who), -1)
        comes = np.flatnonzero((v[0] < 0.35) & (starts < self.shop.weeks))
        # numbered inside the family in the order of weeks and of the parents: no other family changes them
        comes = comes[np.lexsort((crowd.number[who[comes]], self.root[who[comes]]))]
        root = self.root[who[comes]]
        place = self.family[root] + sequence(root)
        comes, root, place = comes[place < FAMILY], root[place < FAMILY], place[place < FAMILY]
        if len(comes):
            child[comes] = self.size + np.arange(len(comes))
            crowd.cost[who[comes]] += levers.referral_reward * 1.5  # half of the reward goes to who is brought
            self.size += len(comes)
            np.add.at(self.family, root, 1)
            self.coming.append(np.stack([who[comes], root, crowd.number[root] + place, starts[comes]]))
        self.log.add("referrals", who, week=week, child=child, tried=v[0] < 0.6)

    def welcome(self) -> None:
        """Those who were brought take their places before the first of them comes."""
        parent, root, number, starts = np.concatenate(self.coming, axis=1)
        generation = self.crowd.generation[parent] + 1
        more = gather(self.shop, number, parent=parent, generation=generation, start=starts)
        more.browser[:] = False
        at = len(self.crowd) + np.arange(len(more))
        for week in np.unique(starts):
            self.arriving[week] = np.concatenate([self.arriving[week], at[starts == week]])
        self.crowd = self.crowd.with_more(more)
        self.root = np.concatenate([self.root, root])
        self.coming.clear()

    def settle(self, week: int) -> None:
        """The end of the week: moods drift back, points expire, gifts are given, subscriptions are renewed."""
        crowd, levers = self.crowd, self.shop.levers
        crowd.satisfaction += 0.03 * (crowd.base_satisfaction - crowd.satisfaction)
        np.clip(crowd.satisfaction, 0, 1, out=crowd.satisfaction)
        crowd.loyalty += 0.03 * (crowd.satisfaction - crowd.loyalty) * crowd.alive
        crowd.boost *= 0.5
        crowd.fatigue *= 0.85
        if self.shop.scenario.buying.subscriber_share:
            due = (crowd.due == week) & (crowd.left >= week)
            crowd.due[due] += self.shop.scenario.buying.interval_weeks
        if week % 4 == 3:
            self._expire(week)
        if levers.anniversary_gift:
            self._gift(week)
        if self.watch and week % WAVE_WEEKS == WAVE_WEEKS - 4:
            who = np.flatnonzero((crowd.orders > 0) & (week - crowd.last_order <= LISTED_WEEKS))
            self.log.add(
                "waves",
                who,
                week=week,
                satisfaction=crowd.satisfaction[who],
                loyalty=crowd.loyalty[who],
                alive=crowd.alive[who],
            )

    def _expire(self, week: int) -> None:
        crowd = self.crowd
        who = np.flatnonzero((crowd.points > 0) & (week - crowd.last_order > POINTS_LAST_WEEKS))
        if self.watch:
            self.log.add("programme", who, week=week, order=-1, kind=3, points=-crowd.points[who], value=0.0, tier=0)
        crowd.points[who] = 0

    def _gift(self, week: int) -> None:
        crowd, gift = self.crowd, self.shop.levers.anniversary_gift
        since = week - crowd.member
        who = np.flatnonzero(
            (crowd.member != NEVER) & (since > 0) & (since % 52 == 0) & (week - crowd.last_order <= LISTED_WEEKS)
        )
        crowd.satisfaction[who] += 0.08 * gift / (gift + 1000)
        crowd.cost[who] += gift
        self.log.add("gifts", who, week=week, value=gift)


def _order_address(week: int, nth: int) -> int:
    return ORDERS + (week * 32 + nth) * DRAWS_PER_ORDER


def _falls_on(week: int, every: float) -> bool:
    """Whether something that happens every so many weeks, the first time at the end of them, happens now."""
    return every > 0 and week % max(int(every), 1) == max(int(every), 1) - 1


def _one_each(parts: list[tuple[Ints, ...]]) -> list[tuple[Ints, ...]]:
    """Rows of several parts, cut so that nobody is twice in one piece."""
    if len(parts) < 2:
        return [part for part in parts if len(part[0])]
    joined = tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(joined[0], kind="stable")
    nth = np.empty(len(order), dtype=np.int64)
    nth[order] = sequence(joined[0][order]) - 1
    return [tuple(column[nth == n] for column in joined) for n in range(int(nth.max(initial=-1)) + 1)]


def _upgrade(scenario: Scenario, product: int) -> int:
    """The next tier of the same category; -1 where there is none."""
    own = scenario.products[product]
    better = [n for n, one in enumerate(scenario.products) if one.category == own.category and one.tier == own.tier + 1]
    return better[0] if better else -1
