"""The true effect of each lever: the same customers, the same chance, one lever moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pyarrow as pa

from crmkit.simulator.compare import Comparison, World, world_of
from crmkit.simulator.emit.scene import category, digits, table
from crmkit.simulator.engine import FAMILY
from crmkit.simulator.exact import Ints
from crmkit.simulator.levers import Levers
from crmkit.simulator.plan import BLOCK, Plan
from crmkit.simulator.progress import watched
from crmkit.texts import text


class TrueEffects:
    """The two tables of a plan, made together when one of them is first asked for."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._made: dict[str, pa.Table] = {}

    def effects(self) -> pa.Table:
        """The effect of each lever on each outcome."""
        return self._tables()["effects"]

    def outcomes(self) -> pa.Table:
        """Both fates of each customer under each lever."""
        return self._tables()["outcomes"]

    def _tables(self) -> dict[str, pa.Table]:
        if not self._made:
            self._made = true_effects(self._plan)
        return self._made


def true_effects(plan: Plan, *, bar: bool = True) -> dict[str, pa.Table]:
    """`effects` and `outcomes` of the model's truth, for the first block of customers of a plan.

    Each lever is moved to one other setting, named in `levers.Levers`. `effects` has a row for each lever and outcome:
    the mean difference for a customer, those they bring counted with them, and its standard error over customers.
    `outcomes` has both fates of every customer under each lever. `bar` shows how far it is.
    """
    first = replace(plan, customers=min(plan.customers, BLOCK))
    baseline = world_of(first)
    effects: list[dict[str, Any]] = []
    outcomes: list[pa.Table] = []
    moves = list(_moves(plan.levers))
    for name, before, after in watched(moves, text("compare.progress")) if bar else moves:
        changed = world_of(replace(first, levers=replace(plan.levers, **{name: after})))
        comparison = Comparison(first, {name: (before, after)}, baseline, changed)
        effects += _effects(name, before, after, comparison)
        outcomes.append(_outcomes(name, first.customers, baseline, changed))
    columns = {column: [row[column] for row in effects] for column in effects[0]}
    return {"effects": table("effects", {k: pa.array(v) for k, v in columns.items()}, truth=True),
            "outcomes": pa.concat_tables(outcomes).unify_dictionaries()}  # fmt: skip


def _moves(levers: Levers) -> Iterator[tuple[str, float, float]]:
    """Each lever's setting and the other one it is compared with; a lever that is there already stays out."""
    for one in fields(Levers):
        before, after = float(getattr(levers, one.name)), float(one.metadata["other"])
        if before != after:
            yield one.name, before, after


def _effects(name: str, before: float, after: float, comparison: Comparison) -> Iterator[dict[str, Any]]:
    for row in comparison.effects.to_dict("records"):
        yield {
            "effect_name": f"{name} {before:g} > {after:g}",
            "lever": name,
            "baseline": before,
            "changed": after,
            "outcome": row["outcome"],
            "unit": row["unit"],
            "true_value": row["difference"],
            "standard_error": row["standard_error"],
            "customers": row["customers"],
        }


def _outcomes(name: str, customers: int, baseline: World, changed: World) -> pa.Table:
    numbers: Ints = (np.arange(customers, dtype=np.int64) + 1) * FAMILY
    columns: dict[str, Any] = {
        "customer_id": digits("C", numbers, 9),
        "effect_name": category(np.zeros(customers), [name]),
    }
    for world, suffix in ((baseline, "without"), (changed, "with")):
        columns[f"orders_{suffix}"] = world.outcomes["orders"].astype(np.int64)
        columns[f"net_amount_{suffix}"] = world.outcomes["net_amount"]
        columns[f"stayed_{suffix}"] = world.outcomes["stayed"] > 0
    return table("outcomes", columns, truth=True)
