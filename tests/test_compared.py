"""Definitions beside each other, and groups compared: hand-worked tables, published numbers, other libraries."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import crmkit
from crmkit.compared import _holm, _two, _variants, definitions, proportion_ci
from crmkit.errors import ParameterError
from crmkit.estimate import means, shares
from crmkit.metrics import ROOM_OF, metric
from crmkit.texts import LANGUAGES, in_language, messages
from tests.test_retention import MARCH, VISITS, orders_of

ORDERS = orders_of(VISITS).assign(shop=lambda frame: np.where(frame["customer_id"] < "E", "x", "y"))


def cells(figures):
    """The groups of some figures, as a comparison sees them."""
    columns = {name: np.asarray(one, float) for name, one in figures.columns().items()}
    return [{name: one[row] for name, one in columns.items()} for row in range(len(figures.n))]


def test_many_numbers_of_the_ten_customers(engine):
    table = engine.back(crmkit.same_data_many_numbers("repeat_rate", engine(ORDERS), **MARCH, active_days=60))
    found = table.set_index("definition")["value"].round(3)
    assert found["repeat_rate.cumulative"] == 0.5
    assert found["repeat_rate.active"] == 0.556
    assert found["repeat_rate.new"] == 1.667
    assert found["repeater_share.ever"] == 0.714
    assert found["repeater_share.inside"] == 0.143
    assert found["repeat_customers"] == 5


def test_a_formula_that_cannot_be_had_says_why():
    table = crmkit.same_data_many_numbers("repeat_rate", ORDERS).set_index("definition")
    assert math.isnan(table.loc["repeat_rate.active", "value"])
    assert "end" in table.loc["repeat_rate.active", "note"]
    assert table.loc["repeat_rate.cumulative", "note"] == ""


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(ParameterError, match="repeat_rate"):
        crmkit.definitions("repeat_rat")
    with pytest.raises(ParameterError, match="repeat_rate"):
        crmkit.metric_by("repeat_rat", ORDERS, by="shop")
    with pytest.raises(ParameterError, match="stat"):
        crmkit.same_data_many_numbers("repeat_rate", ORDERS, stat="2026-03-01")
    with pytest.raises(ParameterError, match="repeat_customers"):
        crmkit.metric_by("repeat_customers", ORDERS, by="shop")


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_definition_has_its_source_and_the_other_way_round(code):
    with in_language(code):
        told = {key.removeprefix("definition.") for key in messages(code) if key.startswith("definition.")}
        have = {one.id for one in _variants()}
        assert told == have
        for one in definitions("repeat_rate"):
            assert one.label
            assert one.source
            assert one.used_by
            assert not re.search(r"\{\w*\}", one.sentence)
        assert "<td" in definitions("repeat_rate")._repr_html_()


def test_the_arguments_of_every_definition_are_known_to_its_metric():
    import inspect

    for name in ROOM_OF:
        for one in definitions(name):
            if one.metric in ROOM_OF:
                assert set(one.call) <= set(inspect.signature(metric(one.metric)).parameters), one.id


# Groups compared


def test_shares_of_newcombes_example():
    a, b = cells(shares(np.array([56.0, 48.0]), np.array([70.0, 80.0])))
    pair = _two(a, b, "wilson")
    assert (round(pair["low"], 4), round(pair["high"], 4)) == (0.0524, 0.3339)  # Newcombe 1998, table II, method 10
    wanted = stats.chi2_contingency([[56, 14], [48, 32]], correction=False)
    assert pair["p_value"] == pytest.approx(wanted.pvalue)
    assert pair["effect_size"] == pytest.approx(0.4421, abs=1e-4)  # 2·asin√0.8 − 2·asin√0.6


def test_few_are_compared_by_fishers_test():
    a, b = cells(shares(np.array([3.0, 1.0]), np.array([4.0, 4.0])))
    pair = _two(a, b, "wilson")
    assert pair["test"] == "Fisher"
    assert pair["p_value"] == pytest.approx(34 / 70)  # the tea taster


def test_means_are_compared_as_scipy_does():
    chance = np.random.default_rng(3)
    one, other = chance.normal(3, 1, 40), chance.normal(3.5, 2, 25)
    a, b = cells(means(*(np.array([f(part) for part in (one, other)], float) for f in (len, np.sum, lambda x: x @ x))))
    pair, wanted = _two(a, b, "t"), stats.ttest_ind(one, other, equal_var=False)
    assert pair["p_value"] == pytest.approx(wanted.pvalue)
    spread = math.sqrt((39 * one.var(ddof=1) + 24 * other.var(ddof=1)) / 63)
    assert pair["effect_size"] == pytest.approx((one.mean() - other.mean()) / spread)
    assert pair["low"] < one.mean() - other.mean() < pair["high"]


def test_holm_never_falls_and_never_passes_one():
    assert _holm([0.01, 0.04, 0.03, math.nan], "holm") == pytest.approx([0.03, 0.06, 0.06, math.nan], nan_ok=True)
    assert _holm([0.9, 0.8], "holm") == [1.0, 1.0]
    assert _holm([0.9, 0.8], "none") == [0.9, 0.8]
    found = sorted(_holm(list(np.linspace(0.001, 0.2, 9)), "holm"))
    assert all(a <= b for a, b in pairwise(found))


def test_groups_of_an_order_table_compared(engine):
    table = engine.back(crmkit.compare_groups("repeat_rate", engine(ORDERS), by="shop", **MARCH))
    assert len(table) == 1
    pair = table.iloc[0]
    assert (pair["group_a"], pair["group_b"], pair["n_a"], pair["n_b"]) == ("x", "y", 4, 6)
    assert pair["difference"] == pytest.approx(2 / 4 - 3 / 6)
    assert pair["p_value"] == pytest.approx(1.0)


def test_strata_take_away_what_only_the_mix_makes(engine):
    """Within either tier the shops are alike; over all, shop x looks better because it has more gold customers."""
    rows = []
    for shop, tier, people, back in (
        ("x", "gold", 80, 60),
        ("x", "none", 20, 5),
        ("y", "gold", 20, 15),
        ("y", "none", 80, 20),
    ):
        for person in range(people):
            days = ["2026-01-05", "2026-02-05"] if person < back else ["2026-01-05"]
            rows += [(f"{shop}{tier}{person}", day, shop, tier) for day in days]
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "shop", "tier"])
    orders["ordered_at"] = pd.to_datetime(orders["ordered_at"]).astype("datetime64[us]")
    crude = engine.back(crmkit.compare_groups("repeat_rate", engine(orders), by="shop")).iloc[0]
    fair = engine.back(crmkit.compare_groups("repeat_rate", engine(orders), by="shop", adjust="tier")).iloc[0]
    assert crude["difference"] == pytest.approx(0.3)
    assert crude["p_value"] < 0.001
    assert fair["difference"] == pytest.approx(0, abs=1e-12)
    assert (fair["strata"], fair["strata_alone"], fair["test"]) == (2, 0, "stratified z")
    assert fair["low"] < 0 < fair["high"]


def test_a_claim_gets_the_interval_its_number_of_answers_leaves():
    claim = proportion_ci(90, 100)
    assert (round(claim.low, 3), round(claim.high, 3)) == (0.826, 0.945)
    for wrong in ((11, 10), (-1, 10), (1.5, 10)):
        with pytest.raises(ParameterError):
            proportion_ci(*wrong)
