"""A world before it is made: which business, how many customers, how long; cut into blocks that know nothing of each
other, so that they can be made in any order and by several workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pyarrow as pa

from crmkit.errors import ParameterError
from crmkit.simulator import scenario as business
from crmkit.simulator.emit import contacts, marketing, opinions, sales, service, truth
from crmkit.simulator.emit import shop as house
from crmkit.simulator.emit.scene import Scene
from crmkit.simulator.engine import live
from crmkit.simulator.levers import Levers
from crmkit.simulator.people import check_locale
from crmkit.simulator.shop import Shop, open_shop
from crmkit.simulator.size import check_counts

FORMAT = 1  # counts up when the same seed would give another world
BLOCK = 8_192  # customers; small enough for several workers' memory, and no part of what a seed gives


class Made(Mapping[str, pa.Table]):
    """Tables that are made when they are asked for and not kept: one at a time is in memory, not all of a block's."""

    def __init__(self, makers: Mapping[str, Callable[[], pa.Table]]) -> None:
        self._makers = makers

    def __getitem__(self, name: str) -> pa.Table:
        return self._makers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


@dataclass(frozen=True)
class Block:
    """The tables of some customers and those they brought, and sums for the tables of the shop as a whole."""

    tables: Mapping[str, pa.Table]
    truth: dict[str, pa.Table]
    totals: dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Plan:
    """What to make. Two equal plans make equal worlds, bit for bit, on every machine."""

    scenario: business.Scenario
    levers: Levers
    customers: int
    weeks: int
    seed: int
    locale: str

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return -(-self.customers // BLOCK)

    @property
    def language(self) -> str:
        """The language that customers and staff write in."""
        return "ja" if self.locale.startswith("ja") else "en"

    @property
    def facts(self) -> dict[str, Any]:
        """What a manifest says of the world."""
        return {
            "scenario": self.scenario.name,
            "customers": self.customers,
            "weeks": self.weeks,
            "seed": self.seed,
            "locale": self.locale,
            "start": str(self.scenario.calendar.start),
            "zone": self.scenario.calendar.zone,
            "levers": {name: float(value) for name, value in asdict(self.levers).items()},
            "simulator": FORMAT,
        }

    @cached_property
    def opened(self) -> Shop:
        """The shop, ready to be lived in."""
        return open_shop(self.scenario, weeks=self.weeks, seed=self.seed, levers=self.levers)

    def span(self, number: int) -> tuple[int, int]:
        """The first customer of a block, and how many it has."""
        return number * BLOCK, min(BLOCK, self.customers - number * BLOCK)

    def scene(self, number: int = 0) -> Scene:
        """The customers of a block with all that happened to them."""
        return Scene(live(self.opened, *self.span(number)))

    def block(self, number: int) -> Block:
        """Make one block: a pure function of the plan and the number."""
        scene = self.scene(number)
        return Block(
            tables=Made({name: partial(make, scene, self) for name, make in _EMITTERS.items()}),
            truth={"customers": truth.customers(scene)},
            totals=marketing.totals(scene),
        )

    def shop(self, totals: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, pa.Table]:
        """The tables of the shop as a whole, from the sums of all blocks."""
        return house.shop_tables(self.opened, totals, self.language)

    def truth(self) -> dict[str, pa.Table]:
        """The truth about the shop as a whole: what each lever does to the first block of customers."""
        from crmkit.simulator.effects import true_effects  # which lives plans

        return true_effects(self, bar=False)


_EMITTERS: dict[str, Callable[[Scene, Plan], pa.Table]] = {
    "customers": lambda scene, plan: sales.customers(scene, plan.locale),
    "leads": lambda scene, _: marketing.leads(scene),
    "orders": lambda scene, _: sales.orders(scene),
    "order_items": lambda scene, _: sales.order_items(scene),
    "subscriptions": lambda scene, _: sales.subscriptions(scene),
    "interactions": lambda scene, plan: contacts.interactions(scene, plan.language),
    "campaign_sends": lambda scene, _: marketing.campaign_sends(scene),
    "loyalty_events": lambda scene, _: marketing.loyalty_events(scene),
    "survey_responses": lambda scene, plan: opinions.survey_responses(scene, plan.language),
    "feedback": lambda scene, plan: opinions.feedback(scene, plan.language),
    "referrals": lambda scene, _: opinions.referrals(scene),
    "tickets": lambda scene, plan: service.tickets(scene, plan.language),
    "ticket_events": lambda scene, plan: service.ticket_events(scene, plan.language),
    "quality_reviews": lambda scene, _: service.quality_reviews(scene),
}


def plan(
    scenario: str, *, customers: int, weeks: int, seed: int, locale: str | None = None,
    levers: Mapping[str, float] | None = None,
) -> Plan:  # fmt: skip
    """Check what is asked for and make a plan of it.

    Raises:
        ParameterError: an unknown scenario, lever or locale (the nearest is offered), a lever out of its range, or a
            number that makes no sense.
        UnreadableFile: the scenario file cannot be read.
    """
    made = business.scenario(scenario)
    check_counts(customers, weeks)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ParameterError("not_whole", parameter="seed", value=seed)
    moved = made.levers.changed(levers or {})
    chosen = locale or made.people.locale
    check_locale(chosen)
    return Plan(made, moved, customers, weeks, seed, chosen)
