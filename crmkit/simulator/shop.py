"""A shop ready to be lived in: a scenario with its levers set, its calendar, and the causes of defects to come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from crmkit.simulator.calendar import Clock, clock
from crmkit.simulator.exact import Floats, customer_keys, draws, pick
from crmkit.simulator.levers import Levers
from crmkit.simulator.scenario import Scenario

PROBLEM_EVERY_WEEKS = 36
PROBLEM_FACTOR = 4.0  # so much likelier is a defect while its cause is not mended
MENDED_FACTOR = 0.5


@dataclass(frozen=True)
class Problem:
    """A cause of defects: which product, and the weeks in which it begins and is mended."""

    product: int
    starts: int
    mended: int


@dataclass(frozen=True)
class Shop:
    """A scenario with its levers set, ready to be lived: what is the same for all customers."""

    scenario: Scenario
    levers: Levers
    seed: int
    weeks: int
    clock: Clock
    problems: tuple[Problem, ...]
    defect_factor: Floats  # (weeks, products)
    forced_arms: Mapping[int, int]  # campaign week -> arm, to see both sides of a campaign


def open_shop(
    scenario: Scenario, *, weeks: int, seed: int, levers: Levers, arms: Mapping[int, int] | None = None
) -> Shop:
    """Set a shop up for so many weeks."""
    problems = tuple(_problems(scenario, weeks, seed, levers))
    factor = np.ones((weeks, len(scenario.products)))
    for one in problems:
        factor[one.starts : one.mended, one.product] *= PROBLEM_FACTOR
        factor[one.mended :, one.product] *= MENDED_FACTOR
    return Shop(scenario, levers, seed, weeks, clock(scenario, weeks), problems, factor, arms or {})


def _problems(scenario: Scenario, weeks: int, seed: int, levers: Levers) -> list[Problem]:
    """When something goes wrong for a reason does not depend on any lever; how long it lasts does."""
    shares = [one.share for one in scenario.products]
    found = []
    for n in range(weeks // PROBLEM_EVERY_WEEKS):
        u = draws(customer_keys(seed, np.array([0])), n, 1)[:, 0]
        starts = int(n * PROBLEM_EVERY_WEEKS + 4 + u[0] * (PROBLEM_EVERY_WEEKS - 8))
        mended = min(starts + max(int(levers.root_cause_days / 7), 1), weeks)
        found.append(Problem(int(pick(u[1:2], shares)[0]), starts, mended))
    return found if levers.defect_rate > 0 else []
