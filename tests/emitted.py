"""The tables a lived salon gives, for the tests of what is told of it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa

from crmkit.simulator.calendar import WEEK
from crmkit.simulator.emit import contacts, opinions, sales
from crmkit.simulator.emit.scene import Scene
from crmkit.simulator.engine import live
from crmkit.simulator.scenario import Scenario, scenario
from crmkit.simulator.shop import open_shop

TABLES = ("survey_responses", "feedback", "referrals", "interactions")
AT = {
    "survey_responses": "sent_at",
    "feedback": "received_at",
    "referrals": "invited_at",
    "interactions": "occurred_at",
}
ID = {
    "survey_responses": "survey_id",
    "feedback": "feedback_id",
    "referrals": "referral_id",
    "interactions": "interaction_id",
}
SIZE = 4_000


def lived(business: Scenario, customers: int, *, weeks: int = 104, seed: int = 7, **levers: float) -> Scene:
    return Scene(
        live(open_shop(business, weeks=weeks, seed=seed, levers=business.levers.changed(levers)), 0, customers)
    )


@cache
def world(customers: int = SIZE, **levers: float) -> Scene:
    return lived(scenario("salon"), customers, **levers)


def arrow(scene: Scene, name: str, language: str = "ja") -> pa.Table:
    if name == "interactions":
        return contacts.interactions(scene, language)
    return getattr(opinions, name)(scene, *([] if name == "referrals" else [language]))


@cache
def told(name: str, **levers: float) -> pd.DataFrame:
    return plain(arrow(world(**levers), name))


def plain(table: pa.Table) -> pd.DataFrame:
    """A table of pandas, words as words."""
    found = table.to_pandas()
    return found.astype({name: "str" for name in found if isinstance(found[name].dtype, pd.CategoricalDtype)})


def customers() -> pd.DataFrame:
    """Who each is, as the engine knows it: when they registered, and from when on they do nothing any more."""
    scene = world()
    start = np.datetime64(scene.shop.clock.start, "us")
    until = np.minimum((scene.crowd.left + 1) * WEEK, scene.shop.clock.end)
    return pd.DataFrame({
        "since": start + sales.registered(scene).astype("timedelta64[s]"),
        "until": start + until.astype("timedelta64[s]"),
    }, index=scene.customer_ids.to_pylist())  # fmt: skip


def orders() -> pd.DataFrame:
    return plain(sales.orders(world())).set_index("order_id")


def end() -> np.datetime64:
    return np.datetime64(world().shop.clock.start, "us") + np.timedelta64(world().shop.clock.end, "s")
