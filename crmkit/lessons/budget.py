"""The budget game of lesson 15: what money buys, and what truly comes of it.

A budget is never estimated: the salon lives its year once more with what the money buys, for the same customers on the
same chance. Only newcomers won by advertising are reckoned, from the newcomers of that very year.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from crmkit.intervals import z
from crmkit.simulator.compare import Comparison, compare
from crmkit.simulator.crowd import gather
from crmkit.simulator.engine import FAMILY
from crmkit.texts import text

BUSINESS, CUSTOMERS, WEEKS, SEED = "salon", 8_000, 52, 7
BUDGET, STEP = 1_000_000, 250_000
LEVERS = ("advertisement", "inspection", "follow_up", "reply")
DEARER = 1.5  # each further step of advertising: people who are harder to win


@dataclass(frozen=True)
class Result:
    """What a budget came to, for the whole chain of salons in the year.

    Attributes:
        spent: Yen that could be spent; what is left when everybody is called already stays in the till.
        newcomers: Customers won by advertising.
        sales: Extra sales.
        profit: Extra profit after all costs, the budget among them, with `low` and `high` (95 %).
        effects: What became of a customer on average, by outcome, as `crmkit.compare` gives it.
    """

    spent: float
    newcomers: float
    sales: float
    profit: float
    low: float
    high: float
    effects: Any

    @property
    def back(self) -> float:
        """Of each 100 yen spent, how many came back."""
        return 100 * (self.profit + self.spent) / self.spent if self.spent else math.nan


def every_budget() -> Iterator[tuple[int, ...]]:
    """All that can be done with the money in steps, keeping some of it among them."""
    most = BUDGET // STEP
    return (one for one in itertools.product(range(most + 1), repeat=len(LEVERS)) if sum(one) <= most)


@cache
def year_as_it_was(seed: int) -> Comparison:
    """The year as it was, in both worlds."""
    return compare(BUSINESS, {}, customers=CUSTOMERS, weeks=WEEKS, seed=seed)


@cache
def _prices() -> dict[str, float]:
    """What things cost: from the salon's own books, but for a desk that answers sooner."""
    money = year_as_it_was(SEED).plan.scenario.money
    return {
        "advertisement": float(money.acquisition["ad"]),
        "inspection": float(money.inspection),
        "follow_up": float(money.follow_up),
        "reply": float(STEP),  # to halve the wait; an assumption, as nobody sells it by the piece
    }


def prices() -> pd.DataFrame:
    """What each lever costs and what a step of the budget buys.

    Returns:
        A table: `lever`, `price` (yen), `of` what, `first_step` (what the first 250,000 yen buy), `source`.

    Examples:
        >>> prices()["price"].tolist()
        [6800.0, 40.0, 90.0, 250000.0]
    """
    rows = [
        {
            "lever": text(f"lesson15.short.{name}"), "price": _prices()[name], "of": text(f"lesson15.of.{name}"),
            "first_step": _first_step(name), "source": text(f"lesson15.source.{name}"),
        }
        for name in LEVERS
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _first_step(name: str) -> str:
    if name == "advertisement":
        return text("lesson15.buys.advertisement", newcomers=f"{newcomers(STEP):.0f}")
    lever = {"inspection": "inspection_share", "follow_up": "follow_up_share", "reply": "first_reply_hours"}[name]
    before, after = getattr(year_as_it_was(SEED).plan.levers, lever), bought(**{name: STEP})[lever]
    said = (f"{before:g}", f"{after:g}") if name == "reply" else (f"{before:.0%}", f"{after:.0%}")
    return text(f"lesson15.buys.{name}", before=said[0], after=said[1])


def newcomers(yen: float) -> float:
    """Customers won by so much advertising: the first step at the price in the books, each further one dearer."""
    price, found = _prices()["advertisement"], 0.0
    while yen > 0:
        found += min(yen, STEP) / price
        yen, price = yen - STEP, price * DEARER
    return found


def bought(inspection: float = 0, follow_up: float = 0, reply: float = 0, *, seed: int = SEED) -> dict[str, float]:
    """The levers' settings that money buys, for `crmkit.compare`.

    Args:
        inspection, follow_up, reply: Yen for each.
        seed: Which chance the year is lived on.

    Returns:
        Levers by name; at most everything is inspected, everybody called.

    Examples:
        >>> bought(reply=500_000)["first_reply_hours"]
        2.25
    """
    year, price = year_as_it_was(seed), _prices()
    before, visits = year.plan.levers, float(year.baseline.outcomes["orders"].sum())
    return {
        "inspection_share": min(1.0, before.inspection_share + inspection / (price["inspection"] * visits)),
        "follow_up_share": min(1.0, before.follow_up_share + follow_up / (price["follow_up"] * visits)),
        "first_reply_hours": before.first_reply_hours / 2 ** (reply / price["reply"]),
    }


def spend(
    advertisement: float = 0, inspection: float = 0, follow_up: float = 0, reply: float = 0, *, seed: int = SEED
) -> Result:
    """What truly comes of a budget: the year is lived with it.

    Args:
        advertisement, inspection, follow_up, reply: Yen for each lever.
        seed: Which chance; another one is another year with other customers.

    Returns:
        A `Result`.

    Examples:
        >>> spend(reply=250_000).profit > 0
        True
    """
    settings = bought(inspection, follow_up, reply, seed=seed)
    effects, new, _ = _lived(tuple(settings.values()), seed)
    year, price = year_as_it_was(seed), _prices()
    visits = year.baseline.outcomes["orders"].sum()
    spent = advertisement + reply
    for name, lever in (("inspection", "inspection_share"), ("follow_up", "follow_up_share")):
        spent += (settings[lever] - getattr(year.plan.levers, lever)) * price[name] * visits
    won = newcomers(advertisement)
    # inspection and calls are in the simulation's own costs; advertising and the desk are not
    profit = float(CUSTOMERS * effects.loc["profit", "difference"] + won * new["profit"] - advertisement - reply)
    error = math.hypot(
        CUSTOMERS * effects.loc["profit", "standard_error"],
        new["spread"] * math.sqrt(won * (1 + won / new["customers"])),
    )
    sales = float(CUSTOMERS * effects.loc["net_amount", "difference"] + won * new["net_amount"])
    return Result(spent, won, sales, profit, profit - z() * error, profit + z() * error, effects)


@cache
def _lived(settings: tuple[float, ...], seed: int) -> tuple[Any, dict[str, float], Any]:
    """The effects of some settings, what a newcomer was worth in that year, and each customer's profit."""
    levers = dict(zip(("inspection_share", "follow_up_share", "first_reply_hours"), settings, strict=True))
    worlds = compare(BUSINESS, levers, customers=CUSTOMERS, weeks=WEEKS, seed=seed)
    new = _is_newcomer(seed)
    told = {name: float(worlds.changed.outcomes[name][new].mean()) for name in ("profit", "net_amount")}
    told |= {"spread": float(worlds.changed.outcomes["profit"][new].std(ddof=1)), "customers": int(new.sum())}
    return worlds.effects.set_index("outcome"), told, worlds.changed.outcomes["profit"]


@cache
def _is_newcomer(seed: int) -> np.ndarray[Any, Any]:
    """Who came upon the salon in the course of this year, at any time of it; the others are its regulars."""
    numbers = (np.arange(CUSTOMERS, dtype=np.int64) + 1) * FAMILY
    return ~gather(year_as_it_was(seed).plan.opened, numbers).regular


def budgets() -> pd.DataFrame:
    """Every budget in steps of 250,000 yen and what truly came of it, the most profitable first.

    Returns:
        A table: yen for each lever, `spent`, `extra_sales`, `extra_profit` with `low` and `high` (95 %), `newcomers`,
        and among those who were customers anyway `stayed` (more of them there at the end) and `silent` (fewer bad
        visits of which nobody was told).

    Examples:
        >>> len(budgets())
        70
    """
    rows = []
    for steps in every_budget():
        result = spend(*(STEP * one for one in steps))
        kept = CUSTOMERS * result.effects["difference"]
        rows.append(
            {name: STEP * one for name, one in zip(LEVERS, steps, strict=True)}
            | {"spent": round(result.spent), "extra_sales": round(result.sales), "extra_profit": round(result.profit)}
            | {"low": round(result.low), "high": round(result.high), "newcomers": round(result.newcomers)}
            | {"stayed": round(kept["stayed"]), "silent": -round(kept["silent"])}
        )
    return pd.DataFrame(rows).sort_values("extra_profit", ascending=False, ignore_index=True)


def overlap(**yen: float) -> dict[str, float]:
    """By how much levers earn more together than each alone, added up; below zero, they get in each other's way.

    Args:
        yen: For each of `inspection`, `follow_up` and `reply`.

    Returns:
        `value` in yen of profit, and its interval (95 %), `low` and `high`.

    Examples:
        >>> overlap(reply=250_000)["value"]
        0.0
    """

    def lived(**parts: Any) -> Any:
        return _lived(tuple(bought(**parts).values()), SEED)[2]

    before = lived()
    more = lived(**yen) - before - sum(lived(**{name: one}) - before for name, one in yen.items())
    value, half = float(more.sum()), z() * float(more.std(ddof=1)) * math.sqrt(CUSTOMERS)
    return {"value": value, "low": value - half, "high": value + half}
