"""A whole shop in memory: every table, and the truth apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace

import pandas as pd
import pyarrow as pa

from crmkit import schema
from crmkit.datasets.crm import Crm
from crmkit.simulator import scenario as business
from crmkit.simulator.effects import TrueEffects
from crmkit.simulator.emit.scene import plain
from crmkit.simulator.levers import Levers
from crmkit.simulator.plan import Block, Plan, plan
from crmkit.simulator.progress import watched
from crmkit.simulator.size import refuse_too_much
from crmkit.texts import text


def simulate(
    scenario: str = "salon", *, customers: int = 2_000, weeks: int = 104, seed: int = 7, locale: str | None = None,
    levers: Mapping[str, float] | None = None,
) -> Crm:  # fmt: skip
    """Make a shop whose truth is known: all tables of the data model, from a causal world.

    The same arguments give the same world, bit for bit, on every machine; a world with fewer customers is the first
    part of the larger one.

    Args:
        scenario: A business by name ("salon", "shop", "subscription", "textbook"), or the path of a scenario file.
        customers: How many customers find the shop by themselves; those they bring come on top.
        weeks: How long.
        seed: Which chance.
        locale: Where names and addresses come from: "ja_JP", "en_US", "en_GB" or any other that Faker knows. Texts are
            Japanese for "ja…" and else English. The rest of the world stays the same.
        levers: Levers to set: `{"first_reply_hours": 4}`; the others are the scenario's.

    Returns:
        A `Crm`: `crm.orders`, `crm.tickets` and so on as pandas tables, `crm.to("polars")` and other engines,
        `crm.save(folder)`; `crm.truth.customers` (latent state, true time of leaving), `crm.truth.effects` and
        `crm.truth.outcomes` (the true effect of each lever; made when first asked for).

    Raises:
        ParameterError: an unknown scenario, lever or locale (the nearest is offered), a value out of its range, or
            more than fits into memory.
        UnreadableFile: the scenario file cannot be read.

    Examples:
        >>> crm = simulate("salon", customers=100, weeks=26)
        >>> crm.orders["customer_id"].isin(crm.customers["customer_id"]).all()
        np.True_
    """
    made = plan(scenario, customers=customers, weeks=weeks, seed=seed, locale=locale, levers=levers)
    refuse_too_much(customers, weeks, in_memory=True)
    blocks = []
    for number in watched(range(made.blocks), text("simulate.progress")):
        block = made.block(number)
        blocks.append(replace(block, tables=dict(block.tables)))  # made once, and what they were made of let go
    return world(made, blocks)


def world(made: Plan, blocks: list[Block]) -> Crm:
    """The blocks of a plan as one object."""
    totals = {name: sum((one.totals[name] for one in blocks[1:]), first) for name, first in blocks[0].totals.items()}
    tables = {name: _joined([one.tables[name] for one in blocks]) for name in blocks[0].tables}
    tables |= made.shop(totals)
    zone = made.scenario.calendar.zone
    latent = _joined([one.truth["customers"] for one in blocks])
    later = TrueEffects(made)
    truth = Crm({"customers": latent, "effects": later.effects, "outcomes": later.outcomes}, zone=zone)
    return Crm({name: tables[name] for name in schema.TABLES}, zone=zone, truth=truth, facts=made.facts)


def _joined(parts: list[pa.Table]) -> pa.Table:
    return pa.concat_tables([plain(part) for part in parts]) if len(parts) > 1 else parts[0]


def levers(scenario: str = "salon") -> pd.DataFrame:
    """The levers of a business: what its owner can decide.

    Args:
        scenario: One of those that `simulate` knows, e.g. "salon".

    Returns:
        One row for each lever: `lever` (the name to use), `label`, `value` (in this scenario), `low`, `high`, `unit`,
        and `moves`, what it is, in the language in use.

    Examples:
        >>> levers("salon").set_index("lever").loc["first_reply_hours", "value"]
        np.float64(9.0)
    """
    made = business.scenario(scenario).levers
    rows = [
        {
            "lever": one.name,
            "label": text(f"lever.{one.name}.label"),
            "value": float(getattr(made, one.name)),
            "low": float(one.metadata["low"]),
            "high": float(one.metadata["high"]),
            "unit": text(f"lever_unit.{UNIT_KEYS[one.metadata['unit']]}"),
            "moves": text(f"lever.{one.name}.moves"),
        }
        for one in fields(Levers)
    ]
    return pd.DataFrame(rows)


UNIT_KEYS = {
    "opening hours": "opening_hours", "share": "share", "score": "score", "JPY": "JPY", "days": "days",
    "weeks": "weeks", "0 or 1": "switch",
}  # fmt: skip
