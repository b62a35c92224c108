"""The weeks: what can and cannot happen, who depends on whom, and that planted numbers come out again."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import fields, replace
from functools import cache

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import gammaln

from crmkit.simulator.calendar import DAY, WEEK
from crmkit.simulator.crowd import NEVER, NOT_LEFT
from crmkit.simulator.engine import FAMILY, Life, live
from crmkit.simulator.levers import Levers
from crmkit.simulator.scenario import scenario, scenarios
from crmkit.simulator.shop import open_shop

WEEKS = 104
Logs = dict[str, dict[str, np.ndarray]]


@cache
def lived(name: str = "salon", customers: int = 2_000, seed: int = 7, weeks: int = WEEKS, **moved: float) -> Life:
    """A lived block; levers by name."""
    made = scenario(name)
    shop = open_shop(made, weeks=weeks, seed=seed, levers=made.levers.changed(moved))
    return live(shop, 0, customers)


def by_number(life: Life, name: str) -> dict[str, np.ndarray]:
    """A log sorted by customer number, with that number in it."""
    log = life.log.table(name)
    if not log:
        return {}
    number = life.crowd.number[log["who"]]
    order = np.argsort(number, kind="stable")
    return {"number": number[order]} | {
        key: values[order] for key, values in log.items() if key not in ("who", "order", "child")
    }


def digest(*lives: Life) -> str:
    """One hash of everything that happened, whatever the blocks."""
    whole = hashlib.sha256()
    for name in ("orders", "tickets", "sends", "programme", "waves", "referrals", "gifts"):
        parts = [part for part in (by_number(life, name) for life in lives) if part]
        for column in parts[0] if parts else ():
            whole.update(np.ascontiguousarray(np.concatenate([part[column] for part in parts])).tobytes())
    for one in ("satisfaction", "loyalty", "left", "points", "spent"):
        values = [getattr(life.crowd, one)[np.argsort(life.crowd.number)] for life in lives]
        whole.update(np.concatenate(values).tobytes())
    return whole.hexdigest()


# --- what can happen


@pytest.mark.parametrize("name", scenarios())
def test_nobody_acts_before_coming_or_after_leaving(name: str) -> None:
    life = lived(name)
    crowd = life.crowd
    for log in ("orders", "tickets"):
        events = life.log.table(log)
        if events:
            assert (events["week"] >= crowd.start[events["who"]]).all()
            assert (events["week"] <= crowd.left[events["who"]]).all()
    orders = life.log.table("orders")
    assert (orders["at"] // WEEK == orders["week"]).all()
    assert ((crowd.left == NOT_LEFT) | ~crowd.alive).all()
    assert (crowd.alive == ((crowd.left == NOT_LEFT) & (crowd.start < WEEKS))).all()
    assert (crowd.orders[crowd.browser] == 0).all()
    assert (np.bincount(orders["who"][~orders["cancelled"]], minlength=len(crowd)) == crowd.orders).all()


@pytest.mark.parametrize("name", scenarios())
def test_money_adds_up(name: str) -> None:
    orders = lived(name).log.table("orders")
    assert (orders["gross"] - orders["discount"] == orders["net"]).all()
    assert (orders["net"] >= 0).all()
    assert (orders["discount"] >= orders["points_used"]).all()
    assert (orders["net"] == np.floor(orders["net"])).all()


@pytest.mark.parametrize("name", scenarios())
def test_orders_of_a_week_are_in_the_order_of_time(name: str) -> None:
    life = lived(name)
    orders = life.log.table("orders")
    order = np.lexsort((orders["nth"], orders["week"], orders["who"]))
    who, at = orders["who"][order], orders["at"][order]
    assert (np.diff(at)[np.diff(who) == 0] >= 0).all()
    first = np.unique(who, return_index=True)[1]
    assert orders["first"][order][first].all()


def test_a_brought_customer_has_a_bringer_who_came_before() -> None:
    crowd = lived(customers=4_000, referral_reward=5_000).crowd
    brought = np.flatnonzero(crowd.generation > 0)
    parent = crowd.parent[brought]
    assert len(brought) > 100
    assert crowd.generation.max() >= 2
    assert (crowd.generation[brought] == crowd.generation[parent] + 1).all()
    assert (crowd.start[brought] > crowd.start[parent]).all()
    assert (crowd.number[brought] // FAMILY == crowd.number[parent] // FAMILY).all()
    assert len(np.unique(crowd.number)) == len(crowd)


def test_the_salon_is_closed_on_mondays_and_busy_on_saturdays() -> None:
    orders = lived().log.table("orders")
    days = np.bincount(orders["at"] // DAY % 7, minlength=7)
    assert days[0] < 0.05 * days[5]  # only when a Monday is a holiday; those are closed, too
    assert days[5] > days[6] > days[4] > days[2]
    hours = orders["at"] % DAY // 3600
    assert hours.min() >= 10
    assert hours.max() <= 18


def test_december_is_busy() -> None:
    orders = lived("shop", customers=8_000).log.table("orders")
    per_week = np.bincount(orders["week"], minlength=WEEKS)
    assert per_week[49:51].mean() > 1.3 * per_week[32:36].mean()


# --- who depends on whom


def test_a_smaller_world_is_a_part_of_the_larger_one() -> None:
    small, large = lived(customers=300), lived(customers=900)
    for name in ("orders", "tickets", "sends", "programme", "referrals", "waves"):
        few, many = by_number(small, name), by_number(large, name)
        inside = many["number"] < 301 * FAMILY
        assert all((few[column] == many[column][inside]).all() for column in few), name


def test_blocks_do_not_matter() -> None:
    shop = lived(customers=900).shop
    parts = [live(shop, 0, 250), live(shop, 250, 1), live(shop, 251, 649)]
    assert digest(*parts) == digest(lived(customers=900))


def test_watching_changes_nothing() -> None:
    life = lived()
    quiet = live(life.shop, 0, 2_000, watch=False)
    for name in ("orders", "tickets", "referrals"):
        a, b = life.log.table(name), quiet.log.table(name)
        assert all((a[column] == b[column]).all() for column in a)


FEATURES = ["", "X86_V4 AVX512_ICL AVX512_SPR", "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"]
SCRIPT = """
import json, sys, warnings
warnings.simplefilter("ignore")  # names of features that this processor does not have
from tests.test_engine import digest, lived
print(json.dumps([digest(lived(name, customers=400)) for name in ("salon", "shop", "subscription", "textbook")]))
"""


def test_the_processor_does_not_matter() -> None:
    found = set()
    for off in FEATURES:
        environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": off}
        asked = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
        )
        found.add(tuple(json.loads(asked.stdout.splitlines()[-1])))
    assert len(found) == 1


# --- levers

OTHER = {one.name: one.metadata["other"] for one in fields(Levers)}


def histories(life: Life) -> dict[str, dict[int, list[tuple[object, ...]]]]:
    """For each kind of event, what happened to each customer, as far as it can be compared between worlds."""
    wanted = {
        "orders": ("at", "main", "gross", "defect", "went"),
        "tickets": ("opened", "kind"),
        "sends": ("week", "kind"),
    }
    found: dict[str, dict[int, list[tuple[object, ...]]]] = {}
    for name, columns in wanted.items():
        log = by_number(life, name)
        rows: dict[int, list[tuple[object, ...]]] = {}
        for number, *values in zip(log["number"].tolist(), *(log[column].tolist() for column in columns), strict=True):
            rows.setdefault(number, []).append(tuple(values))
        found[name] = rows
    return found


UPSTREAM = {
    "wait": ("first order", "first ticket"), "solved": ("first order", "first ticket"),
    "satisfaction": ("first order",), "experience": ("arrival",), "defects": ("arrival",), "voice": ("first order",),
    "basket": ("arrival",), "messages": ("first order",), "discount": ("first order",),
    "loyalty": ("first order",), "referral": ("first order",), "assignment": ("first order",),
}  # fmt: skip


@pytest.mark.parametrize("lever", OTHER)
def test_a_lever_moves_what_it_should_and_nothing_upstream(lever: str) -> None:
    base, moved = (
        lived(customers=1_500, anniversary_gift=500),
        lived(customers=1_500, **{"anniversary_gift": 500, lever: OTHER[lever]}),
    )
    if lever == "anniversary_gift":
        moved = lived(customers=1_500, anniversary_gift=5_000)
    assert digest(base) != digest(moved), "the lever moves nothing"
    n = 1_500  # those who come by themselves
    for trait in (
        "number",
        "start",
        "rate",
        "leaving",
        "price_sensitivity",
        "usual",
        "once",
        "browser",
        "base_satisfaction",
    ):
        assert (getattr(base.crowd, trait)[:n] == getattr(moved.crowd, trait)[:n]).all(), trait
    before, after = histories(base), histories(moved)
    moves = next(one for one in fields(Levers) if one.name == lever).metadata["moves"]
    kept = set.intersection(*(set(UPSTREAM[group]) for group in moves if group != "cost"))
    for number in (base.crowd.number[:n]).tolist():
        a, b = before["orders"].get(number, []), after["orders"].get(number, [])
        assert bool(a) == bool(b)
        if not a:
            continue
        assert a[0][0] == b[0][0], "the first order comes before anything the shop can do"
        if kept & {"first order", "first visit", "first ticket"}:
            assert a[0] == b[0]
        if kept == {"first order", "first ticket"}:  # what happens before the first answer cannot know of it
            first, other = before["tickets"].get(number, []), after["tickets"].get(number, [])
            assert bool(first) == bool(other) or a != b
            if first and other and a[: len(a)] == b[: len(a)]:
                assert first[0] == other[0]


@pytest.mark.parametrize("name", ["salon", "shop"])
def test_a_lever_at_its_own_setting_changes_no_byte(name: str) -> None:
    own = scenario(name).levers
    for lever in OTHER:
        assert own.changed({lever: getattr(own, lever)}) == own
    same = {lever: getattr(own, lever) for lever in OTHER}
    assert digest(lived(name, customers=300)) == digest(lived(name, customers=300, **same))


GOOD = {  # settings that should keep more customers, against the scenario's own
    "first_reply_hours": (0.5, 60), "first_contact_resolution": (1, 0.2), "courtesy": (0.9, 0.3), "listening": (1, 0),
    "apology_share": (1, 0), "recovery_amount": (10_000, 0), "defect_rate": (0, 0.2), "inspection_share": (1, 0),
    "root_cause_days": (7, 700), "follow_up_share": (1, 0), "points_rate": (0.05, 0), "member_discount": (0.1, 0),
    "anniversary_gift": (5_000, 0),
}  # fmt: skip


@pytest.mark.parametrize("lever", GOOD)
def test_good_settings_keep_customers(lever: str) -> None:
    good, bad = (lived(customers=4_000, **{lever: value}).crowd.alive[:4_000] for value in GOOD[lever])
    difference = good.astype(float) - bad
    assert difference.mean() > 2 * difference.std() / np.sqrt(len(difference))


def test_other_levers_move_their_own_thing() -> None:
    def rows(log: str, **moved: float) -> int:
        return lived(customers=4_000, **moved).log.rows[log]

    assert rows("tickets", feedback_desk=1) > rows("tickets", feedback_desk=0)
    assert lived(feedback_desk=1).crowd.silent.sum() < lived(feedback_desk=0).crowd.silent.sum()
    assert rows("referrals", referral_reward=5_000) > rows("referrals", referral_reward=0)
    assert (
        rows("sends", contact_every_weeks=2)
        > rows("sends", contact_every_weeks=8)
        > rows("sends", contact_every_weeks=0)
    )
    sends = lived(control_share=0.5).log.table("sends")
    assert np.mean(~sends["treated"][sends["kind"] == 1]) == pytest.approx(0.5, abs=0.04)
    assert (
        lived(offer_share=1).log.table("orders")["accepted"].mean()
        > lived(offer_share=0.2).log.table("orders")["accepted"].mean()
    )
    assert lived(offer_share=0).log.table("orders")["accepted"].sum() == 0
    waits = [lived(fast_lane=value).log.table("tickets")["hours"].mean() for value in (0, 1)]
    assert waits[0] > waits[1]
    assert (
        lived(campaign_discount=0.5).log.table("orders")["discount"].sum()
        > lived().log.table("orders")["discount"].sum()
    )
    assert lived(points_rate=0, member_discount=0, anniversary_gift=0).log.rows["programme"] == 0


# --- traps stay wrong, twins put them right


def test_customers_with_a_ticket_stay_longer_though_tickets_do_harm() -> None:
    life = lived(customers=8_000)
    asked = np.zeros(len(life.crowd), dtype=bool)
    asked[life.log.table("tickets")["who"]] = True
    stayed = life.crowd.alive & ~life.crowd.browser
    assert stayed[asked].mean() > stayed[~asked].mean() + 0.05  # who stays long has time to raise one


def members_ahead(randomize: int) -> float:
    """How many more orders a week members would place than others, by nature and not by the programme."""
    crowd = lived(customers=8_000, randomize=randomize).crowd
    several = crowd.orders >= 3
    member = crowd.member != NEVER
    return float(crowd.rate[several & member].mean() / crowd.rate[several & ~member].mean())


def test_members_differ_before_they_join_unless_a_lot_decides() -> None:
    assert members_ahead(0) > 1.15
    assert abs(members_ahead(1) - 1) < 0.12


def test_readers_of_a_campaign_buy_more_than_others_before_it() -> None:
    for randomize, least, most in ((0, 0.05, 1.0), (1, -0.02, 0.02)):
        life = lived(customers=8_000, randomize=randomize)
        sends = life.log.table("sends")
        campaign = (sends["kind"] == 1) & (sends["week"] == 51)
        known = (sends["kind"] == 0) & (sends["week"] == 51)
        eager = life.crowd.eager[sends["who"][campaign]].mean() - life.crowd.eager[sends["who"][known]].mean()
        assert least < eager < most


# --- planted numbers come out again


def campaign_estimate(life: Life, week: int) -> tuple[float, float, float, np.ndarray]:
    """Difference of the share that orders within four weeks, by the hold-out; its interval; whom it was aimed at."""
    sends = life.log.table("sends")
    here = (sends["week"] == week) & (sends["kind"] == 1)
    who, treated = sends["who"][here], sends["treated"][here]
    ordered = buyers(life, week)[who]
    (a, n), (b, m) = ((ordered[side].sum(), side.sum()) for side in (treated, ~treated))
    p, q = a / n, b / m
    error = np.sqrt(p * (1 - p) / n + q * (1 - q) / m)
    return p - q, p - q - 1.96 * error, p - q + 1.96 * error, who


def buyers(life: Life, week: int) -> np.ndarray:
    """Who orders in the four weeks from `week` on."""
    orders = life.log.table("orders")
    found = np.zeros(len(life.crowd), dtype=bool)
    found[orders["who"][(orders["week"] >= week) & (orders["week"] < week + 4) & ~orders["cancelled"]]] = True
    return found


def test_the_hold_out_finds_the_true_effect_of_a_campaign() -> None:
    made = scenario("salon")
    levers = made.levers.changed({"control_share": 0.5, "campaign_every_weeks": 12, "contact_every_weeks": 0})
    covered, seeds, effects = 0, 200, []
    for seed in range(seeds):
        shop = open_shop(made, weeks=16, seed=seed, levers=levers)
        _, low, high, who = campaign_estimate(live(shop, 0, 1_500), 11)
        sent, kept = (buyers(live(replace(shop, forced_arms={11: arm}), 0, 1_500, watch=False), 11) for arm in (1, 0))
        truth = float(sent[who].mean() - kept[who].mean())
        effects.append(truth)
        covered += low <= truth <= high
    assert np.mean(effects) > 0.02  # there is something to find
    assert 0.91 <= covered / seeds <= 0.995


def bg_nbd(x: np.ndarray, recency: np.ndarray, age: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maximum likelihood of BG/NBD (Fader, Hardie and Lee 2005): logarithms of r, alpha, a, b and their errors."""

    def loss(theta: np.ndarray) -> float:
        r, alpha, a, b = np.exp(theta)
        common = (
            gammaln(r + x)
            - gammaln(r)
            + r * np.log(alpha)
            + gammaln(a + b)
            + gammaln(b + x)
            - gammaln(b)
            - gammaln(a + b + x)
        )
        alive = -(r + x) * np.log(alpha + age)
        gone = np.where(
            x > 0, np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + recency), -np.inf
        )
        return -float((common + np.logaddexp(alive, gone)).mean())

    found = minimize(
        loss, np.log([0.5, 4, 1, 2]), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-12, "maxiter": 4000}
    ).x
    step, curve = 1e-3, np.empty((4, 4))
    for i in range(4):
        for j in range(4):
            e, f = np.eye(4)[i] * step, np.eye(4)[j] * step
            curve[i, j] = (loss(found + e + f) - loss(found + e - f) - loss(found - e + f) + loss(found - e - f)) / (
                4 * step**2
            )
    return found, np.sqrt(np.diag(np.linalg.inv(curve)) / len(x))


def test_bg_nbd_recovers_what_was_planted_in_the_textbook() -> None:
    planted = np.log([0.5, 5, 1, 2.5])
    distance = []
    for seed in range(4):
        life = lived("textbook", customers=8_000, seed=seed, weeks=78)
        orders, n = life.log.table("orders"), len(life.crowd)
        assert life.log.rows["tickets"] == life.log.rows["sends"] == life.log.rows["referrals"] == 0
        first, last = np.full(n, 1 << 60), np.zeros(n, dtype=np.int64)
        np.minimum.at(first, orders["who"], orders["at"])
        np.maximum.at(last, orders["who"], orders["at"])
        found, error = bg_nbd(
            np.bincount(orders["who"], minlength=n) - 1, (last - first) / WEEK, (78 * WEEK - first) / WEEK
        )
        distance.append((found - planted) / error)
    assert np.abs(distance).max() < 3.5
    assert np.abs(np.mean(distance, axis=0)).max() < 2  # in no direction always


def test_amounts_of_the_textbook_are_gamma_gamma() -> None:
    life = lived("textbook", customers=16_000, weeks=78)
    orders = life.log.table("orders")
    p, q, mean = 6.0, 4.0, 4_000.0
    count = np.bincount(orders["who"], minlength=len(life.crowd))
    average = np.bincount(orders["who"], weights=orders["net"], minlength=len(life.crowd)) / count
    assert average.mean() == pytest.approx(mean, rel=0.03)
    ratio = orders["net"] / (mean * life.crowd.spend[orders["who"]])  # within a customer: gamma with shape p
    assert ratio.mean() == pytest.approx(1, abs=0.01)
    assert ratio.var() == pytest.approx(1 / p, rel=0.05)
    inverse = 1 / life.crowd.spend  # between customers: gamma with shape q
    assert inverse.var() / inverse.mean() ** 2 == pytest.approx(1 / q, rel=0.05)
    assert abs(np.corrcoef(count, life.crowd.spend)[0, 1]) < 0.03
