"""Medians and 90th percentiles by group agree with pandas on every engine, and their intervals are sound."""

from __future__ import annotations

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest

from crmkit.spread import spread

CHANCE = np.random.default_rng(1)
WAITS = pd.DataFrame({"wait": CHANCE.exponential(size=500).round(2), "team": CHANCE.choice(["a", "b", None], 500)})
WAITS.loc[499, "team"] = "alone"


def test_quantiles_agree_with_pandas(engine):
    opened = nw.from_native(engine(WAITS))
    whole = spread(opened, "wait")
    assert whole["median"] == pytest.approx([WAITS["wait"].median()])
    assert whole["p90"] == pytest.approx([WAITS["wait"].quantile(0.9)])
    found = spread(opened, "wait", "team")
    teams = [None if pd.isna(team) else team for team in found["group"]]
    assert set(teams) == {"a", "b", "alone", None}
    for row, team in enumerate(teams):
        waits = WAITS["wait"][WAITS["team"].isna() if team is None else WAITS["team"] == team]
        assert found["n"][row] == len(waits)
        assert found["total"][row] == pytest.approx(waits.sum())
        assert found["squares"][row] == pytest.approx((waits**2).sum())
        assert found["median"][row] == pytest.approx(waits.median())
        assert found["p90"][row] == pytest.approx(waits.quantile(0.9))
        if team == "alone":  # one value says nothing about the next
            assert np.isnan(found["median_low"][row])
            assert np.isnan(found["p90_high"][row])
        else:
            assert found["median_low"][row] < found["median"][row] < found["median_high"][row]
            assert found["p90_low"][row] < found["p90"][row] < found["p90_high"][row]


def test_nothing_to_look_at_gives_no_groups(engine):
    found = spread(nw.from_native(engine(WAITS)).filter(nw.col("wait") < 0), "wait", "team")
    assert all(len(column) == 0 for column in found.values())


def test_the_interval_of_a_quantile_covers_it_as_often_as_it_says():
    chance, met = np.random.default_rng(7), {"median": 0, "p90": 0}
    for _ in range(400):
        found = spread(nw.from_native(pd.DataFrame({"wait": chance.exponential(size=80)})), "wait")
        for name, share in (("median", 0.5), ("p90", 0.9)):
            met[name] += bool(found[f"{name}_low"][0] <= -np.log(1 - share) <= found[f"{name}_high"][0])
    assert all(0.93 <= n / 400 <= 0.99 for n in met.values()), met
