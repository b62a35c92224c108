"""The same customers in two worlds: what moving a lever does, to everybody and to each one by name."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from crmkit.intervals import LEVEL
from crmkit.simulator.crowd import Column
from crmkit.simulator.emit.scene import digits
from crmkit.simulator.engine import FAMILY, Life, live
from crmkit.simulator.plan import Plan, plan
from crmkit.simulator.progress import watched
from crmkit.texts import text

OUTCOMES = ("stayed", "orders", "net_amount", "profit", "cost", "satisfaction", "tickets", "brought", "silent")
UNITS = {"stayed": "share", "net_amount": "JPY", "profit": "JPY", "cost": "JPY", "satisfaction": "score"}

LIVED_AT_ONCE = 16_384  # customers; nothing of them is written, so they may be more than a block
REMEMBERED = 4
_remembered: dict[Any, tuple[Any, World]] = {}  # holds the scenario too, so that its id stays its own


@dataclass(frozen=True)
class World:
    """What became of each customer who came by themselves, those they brought counted with them."""

    outcomes: dict[str, Column]
    weekly_orders: Column
    weekly_net: Column


@dataclass(frozen=True)
class Comparison:
    """Two worlds, customer by customer.

    Attributes:
        plan: The world before.
        moved: The levers that differ: before and after.
        baseline, changed: The worlds.
    """

    plan: Plan
    moved: Mapping[str, tuple[float, float]]
    baseline: World
    changed: World

    @property
    def saved(self) -> int:
        """Customers who are there at the end only in the changed world."""
        return int((self.changed.outcomes["stayed"] > self.baseline.outcomes["stayed"]).sum())

    @property
    def lost(self) -> int:
        """Customers who are there at the end only in the world as it was."""
        return int((self.changed.outcomes["stayed"] < self.baseline.outcomes["stayed"]).sum())

    @cached_property
    def effects(self) -> pd.DataFrame:
        """What the change does to a customer on average.

        Columns: `outcome`, `unit`, `baseline`, `changed` (means), `difference`, `standard_error`, `low`, `high` (95 %),
        `customers`. Both worlds are lived on the same chance, so the standard error is that of paired differences.
        """
        rows = [self._effect(name) for name in OUTCOMES]
        return pd.DataFrame(rows)

    def _effect(self, name: str) -> dict[str, Any]:
        before, after = self.baseline.outcomes[name], self.changed.outcomes[name]
        difference, n = after - before, len(before)
        mean = float(difference.mean())
        # one customer has no spread: the error is not known, and not zero
        error = float(difference.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
        half = NormalDist().inv_cdf((1 + LEVEL) / 2) * error
        return {
            "outcome": name, "unit": UNITS.get(name, "count"), "baseline": float(before.mean()),
            "changed": float(after.mean()), "difference": mean, "standard_error": error,
            "low": mean - half, "high": mean + half, "customers": n,
        }  # fmt: skip

    @cached_property
    def customers(self) -> pd.DataFrame:
        """Both fates of every customer: `customer_id`, and each outcome `_without` and `_with` the change."""
        numbers = (np.arange(self.plan.customers, dtype=np.int64) + 1) * FAMILY
        columns: dict[str, Any] = {"customer_id": digits("C", numbers, 9).to_pandas()}
        for name in OUTCOMES:
            for world, suffix in ((self.baseline, "without"), (self.changed, "with")):
                values = world.outcomes[name]
                columns[f"{name}_{suffix}"] = values > 0 if name == "stayed" else values
        return pd.DataFrame(columns)

    @cached_property
    def weekly(self) -> pd.DataFrame:
        """Orders and sales by week in both worlds: `week_start`, `orders_without`, `orders_with`, `net_amount_…`."""
        start = pd.Timestamp(self.plan.scenario.calendar.start)
        return pd.DataFrame({
            "week_start": start + pd.to_timedelta(np.arange(self.plan.weeks) * 7, unit="D"),
            "orders_without": self.baseline.weekly_orders, "orders_with": self.changed.weekly_orders,
            "net_amount_without": self.baseline.weekly_net, "net_amount_with": self.changed.weekly_net,
        })  # fmt: skip

    def __str__(self) -> str:
        stayed = self._effect("stayed")
        moved = ", ".join(f"{name} {before:g} → {after:g}" for name, (before, after) in self.moved.items())
        return text(
            "compare.line", moved=moved or text("compare.nothing"), customers=f"{self.plan.customers:,}",
            difference=f"{100 * stayed['difference']:+.2f}", error=f"{100 * stayed['standard_error']:.2f}",
            saved=f"{self.saved:,}", lost=f"{self.lost:,}",
        )  # fmt: skip

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(str(self))}</p>" + self.effects.to_html(index=False, float_format="{:.4g}".format)


def compare(
    scenario: str, changes: Mapping[str, float], *, against: Mapping[str, float] | None = None,
    customers: int = 2_000, weeks: int = 104, seed: int = 7,
) -> Comparison:  # fmt: skip
    """Live the same shop twice on the same chance, with some levers moved the second time.

    Args:
        scenario: A business by name, or the path of a scenario file.
        changes: The levers to move: `{"first_reply_hours": 4}`.
        against: Levers that differ from the scenario's own in both worlds.
        customers: How many customers find the shop by themselves; those they bring come on top.
        weeks: How long.
        seed: Which chance.

    Returns:
        A `Comparison`: `.effects` with standard errors, `.saved` and `.lost` customers, `.customers` (both fates of
        each), `.weekly`.

    Raises:
        ParameterError: an unknown scenario or lever (the nearest is offered), or a value out of its range.

    Examples:
        >>> quicker = compare("salon", {"first_reply_hours": 1}, customers=1_000, weeks=52)
        >>> bool(quicker.effects.set_index("outcome")["difference"]["stayed"] > 0)
        True
    """
    before = plan(scenario, customers=customers, weeks=weeks, seed=seed, levers=against)
    after = plan(scenario, customers=customers, weeks=weeks, seed=seed, levers={**(against or {}), **changes})
    moved = {
        name: (getattr(before.levers, name), getattr(after.levers, name))
        for name in changes
        if getattr(before.levers, name) != getattr(after.levers, name)
    }
    return Comparison(before, moved, world_of(before), world_of(after))


def world_of(plan: Plan) -> World:
    """Live a plan and keep what became of each customer; the last worlds are remembered, as a slider asks again."""
    key = (plan.scenario.name, id(plan.scenario), plan.levers, plan.customers, plan.weeks, plan.seed)
    if key not in _remembered:
        parts = []
        for first in watched(range(0, plan.customers, LIVED_AT_ONCE), text("compare.progress")):
            n = min(LIVED_AT_ONCE, plan.customers - first)
            parts.append(_outcomes(live(plan.opened, first, n, watch=False), n))
        while len(_remembered) >= REMEMBERED:
            _remembered.pop(next(iter(_remembered)), None)
        _remembered[key] = plan.scenario, _together(parts)
    _remembered[key] = _remembered.pop(key)  # the one asked for last is the last to be forgotten
    return _remembered[key][1]


def _outcomes(life: Life, n: int) -> World:
    """Sums over each family: a customer, and all who came through them."""
    crowd, scenario = life.crowd, life.shop.scenario
    family = (crowd.number - int(crowd.number[0])) // FAMILY

    def total(values: Any) -> Column:
        return np.bincount(family, weights=values, minlength=n)

    orders, tickets = life.log.table("orders"), life.log.table("tickets")
    weeks = life.shop.weeks
    if not orders:
        orders = {"who": np.zeros(0, np.int64), "week": np.zeros(0, np.int64), "cancelled": np.zeros(0, bool)}
    paid = ~orders["cancelled"]
    who, week = orders["who"][paid], orders["week"][paid]
    net = orders["net"][paid] if "net" in orders else np.zeros(0)
    margin = net - _product_cost(scenario, orders, paid)
    earned = np.bincount(family[who], weights=margin, minlength=n)
    cost = total(crowd.cost)
    raised = family[tickets["who"]] if tickets else np.zeros(0, np.int64)
    outcomes: dict[str, Column] = {
        "stayed": crowd.alive[:n].astype(np.float64),
        "orders": np.bincount(family[who], minlength=n).astype(np.float64),
        "net_amount": np.bincount(family[who], weights=net, minlength=n),
        "profit": earned - cost,
        "cost": cost,
        "satisfaction": crowd.satisfaction[:n].copy(),
        "tickets": np.bincount(raised, minlength=n).astype(np.float64),
        "brought": total(np.ones(len(crowd))) - 1,
        "silent": total(crowd.silent),
    }
    return World(
        outcomes, np.bincount(week, minlength=weeks)[:weeks], np.bincount(week, weights=net, minlength=weeks)[:weeks]
    )


def _product_cost(scenario: Any, orders: Mapping[str, Any], paid: Any) -> Column:
    if "main" not in orders:
        return np.zeros(0)
    cost = np.array([one.cost for one in scenario.products], dtype=np.float64)
    price = np.array([one.price for one in scenario.products], dtype=np.float64)
    main, extra = orders["main"][paid], orders["extra"][paid]
    return cost[main] * (orders["price"][paid] / price[main]) + np.where(extra >= 0, cost[extra], 0.0)


def _together(parts: list[World]) -> World:
    return World(
        {name: np.concatenate([one.outcomes[name] for one in parts]) for name in OUTCOMES},
        sum((one.weekly_orders for one in parts[1:]), parts[0].weekly_orders),
        sum((one.weekly_net for one in parts[1:]), parts[0].weekly_net),
    )
