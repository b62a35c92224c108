"""What nobody in a real shop can know: the traits that drive each customer, and when they really left."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from crmkit.simulator.calendar import WEEK
from crmkit.simulator.crowd import NOT_LEFT
from crmkit.simulator.emit.scene import Scene, category, table


def customers(scene: Scene) -> pa.Table:
    """One row for each customer: latent state and true time of leaving."""
    crowd, scenario = scene.crowd, scene.shop.scenario
    shares = np.array([one.share for one in scenario.products])
    prices = np.array([one.price for one in scenario.products], dtype=np.float64)
    mean_price = (prices * shares).sum() / shares.sum()
    variety = scenario.buying.variety
    usual = prices[crowd.usual] * (1 - variety) + mean_price * variety
    hazard = crowd.leaving * (1.8 - 1.6 * crowd.satisfaction) * (1.6 - 1.2 * crowd.loyalty)
    left = crowd.left != NOT_LEFT
    channels = scenario.people.order_channel
    return table("customers", {
        "customer_id": scene.customer_ids,
        "person_id": scene.customer_ids,
        "referred_by": scene.ids(crowd.parent),
        "generation": crowd.generation,
        "purchase_rate": np.where(crowd.browser, 0.0, crowd.rate),
        "spend_mean": usual * crowd.spend,
        "satisfaction": crowd.satisfaction,
        "loyalty": crowd.loyalty,
        "churn_hazard": hazard,
        "price_sensitivity": crowd.price_sensitivity,
        "preferred_channel": category(crowd.channel, list(channels)),
        "died_at": scene.instants(np.minimum(crowd.left + 1, scene.shop.weeks) * WEEK, missing=~left),
        "silent_dissatisfactions": crowd.silent,
    }, truth=True)  # fmt: skip
