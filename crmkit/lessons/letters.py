"""The shop of lesson 06 and its truth: what every customer would have done with a letter, and without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from crmkit.datasets.crm import Crm
from crmkit.metrics.relationship.segments import rfm
from crmkit.simulator.emit.scene import digits
from crmkit.simulator.engine import Life, live
from crmkit.simulator.plan import Plan, plan

# a shop that draws lots before each mailing: half of those it may write to get nothing, whoever they are
LEVERS = {"randomize": 1, "campaign_discount": 0.2, "control_share": 0.5}
ON_PAPER = 1.5  # a letter is taken to work so many times as strongly as the scenario's e-mail: an assumption, and said
CUSTOMERS, WEEKS, LETTER, SEED = 7_000, 71, 62, 7  # LETTER: the week of the last mailing
TABLES = ("customers", "orders", "order_items", "campaign_sends", "feedback")
DAYS = 56  # that are watched after a mailing; its coupons run out before
RULES = ("rfm", "often", "recent", "young", "random", "quiet")
OFTEN, QUIET_DAYS, YOUNG = 3, 35, 40
Z = 1.96


@cache
def _plan() -> Plan:
    made = plan("shop", customers=CUSTOMERS, weeks=WEEKS, seed=SEED, levers=LEVERS)
    contact = replace(made.scenario.contact, campaign_lift=ON_PAPER * made.scenario.contact.campaign_lift)
    return replace(made, scenario=replace(made.scenario, contact=contact))


@cache
def shop() -> Crm:
    """A simulated mail-order shop, always alike: mailings with a hold-out of one half, the last one eight weeks ago."""
    made = _plan()
    tables = made.block(0).tables  # each is made when it is asked for
    return Crm({name: tables[name] for name in TABLES}, zone=made.scenario.calendar.zone, facts=made.facts)


@cache
def fates() -> pd.DataFrame:
    """Everybody whom the last mailing could have gone to, with both fates: written to, and not.

    Columns: `customer_id`, `orders_with` and `orders_without` (of the eight weeks), `coupons` (yen, if written to),
    `recency_days`, `frequency`, `r`, `f`, `m` on the day of the letter, `age`.
    """
    shop_, day, opened = shop(), letter_day(), _plan().opened
    with_, without = (live(replace(opened, forced_arms={LETTER: arm}), 0, CUSTOMERS, watch=False) for arm in (1, 0))
    last = shop_.campaign_sends["campaign_id"] == f"P{LETTER:03}"
    place = dict(zip(digits("C", with_.crowd.number, 9).to_pylist(), range(len(with_.crowd)), strict=True))
    found = shop_.campaign_sends.loc[last, ["customer_id"]].reset_index(drop=True)
    who = found["customer_id"].map(place).to_numpy()
    found["coupons"] = _after(with_, coupons=True)[who]
    found["orders_with"], found["orders_without"] = _after(with_)[who], _after(without)[who]
    born = shop_.customers.set_index("customer_id")["birth_date"]
    found["age"] = (day - found["customer_id"].map(born)).dt.days / 365.25
    scored: pd.DataFrame = found.merge(rfm(shop_.orders, as_of=day), on="customer_id")  # no order, no scores
    return scored


def letter_day() -> pd.Timestamp:
    return pd.Timestamp(_plan().scenario.calendar.start) + pd.Timedelta(weeks=LETTER)


def _after(life: Life, *, coupons: bool = False) -> Any:
    """By customer, the orders of the eight weeks, or the yen their coupons took off."""
    orders = life.log.table("orders")
    kept = (orders["week"] >= LETTER) & (orders["week"] < LETTER + DAYS // 7) & ~orders["cancelled"]
    used = kept & (orders["coupon"] == LETTER * 4 + 1)
    off = np.floor(orders["gross"] * LEVERS["campaign_discount"])
    return np.bincount(orders["who"], weights=used * off if coupons else kept, minlength=len(life.crowd))


@cache
def listed() -> int:
    """How many came in the half year before the letter, whether or not they agreed to be written to."""
    orders, day = shop().orders, letter_day()
    since = orders["ordered_at"].between(day - pd.Timedelta(weeks=26), day) & (orders["status"] == "completed")
    return int(orders.loc[since, "customer_id"].nunique())


@dataclass(frozen=True)
class Sums:
    """What the first 1, 2, 3 … customers of a rule come to: running sums over the customers in the rule's order.

    Whoever ties is taken in part, so that a rule's result does not hang on the chance among equals.
    """

    n: Any
    sums: Mapping[str, Any]

    def upto(self, letters: float) -> dict[str, float]:
        """The sums over so many letters; there are no more than customers."""
        return {name: float(np.interp(letters, self.n, one)) for name, one in self.sums.items()}


@cache
def _running() -> dict[str, Sums]:
    people = fates()
    extra, coupons = people["orders_with"] - people["orders_without"], people["coupons"]
    summed = pd.DataFrame({"without": people["orders_without"], "extra": extra, "coupons": coupons, "n": 1.0,
                           "xx": extra**2, "xc": extra * coupons, "cc": coupons**2})  # fmt: skip
    found = {}
    for rule in RULES:
        steps = summed.groupby(-_score(people, rule)).sum().cumsum()  # the highest score comes first
        steps = pd.concat([pd.DataFrame(0.0, index=[-np.inf], columns=steps.columns), steps])
        found[rule] = Sums(steps["n"].to_numpy(), {str(name): one.to_numpy() for name, one in steps.items()})
    return found


def _score(people: pd.DataFrame, rule: str) -> pd.Series[float]:
    """By what a rule chooses: the highest are written to first."""
    match rule:
        case "rfm":
            score = people["r"] + people["f"] + people["m"]
        case "often":
            score = people["frequency"]
        case "recent":
            score = -people["recency_days"]
        case "young":
            score = people["age"] < YOUNG
        case "quiet":
            score = people["frequency"].where(people["recency_days"] >= QUIET_DAYS, 0)
        case _:
            score = people["r"] * 0
    return score.astype(float)


@dataclass(frozen=True)
class Outcome:
    """What a rule's letters come to. `extra_error` and `profit_error` are half the width of a 95 % interval."""

    without: float
    extra: float
    coupons: float
    profit: float
    extra_error: float
    profit_error: float


def outcome(rule: str, letters: float, stamp_yen: float, margin_yen: float) -> Outcome:
    """The truth about so many letters to those whom the rule names first.

    Examples:
        >>> best, quiet = outcome("rfm", 500, 85, 2400), outcome("quiet", 500, 85, 2400)
        >>> best.without > 2 * quiet.without, best.profit < quiet.profit
        (True, True)
    """
    got = _running()[rule].upto(letters)
    extra, coupons = got["extra"], got["coupons"]
    squares = margin_yen**2 * got["xx"] - 2 * margin_yen * got["xc"] + got["cc"]
    earned = margin_yen * extra - coupons
    return Outcome(
        got["without"], extra, coupons, earned - letters * stamp_yen, Z * (got["xx"] - extra**2 / letters) ** 0.5,
        Z * (squares - earned**2 / letters) ** 0.5,
    )  # fmt: skip
