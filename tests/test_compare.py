"""Two worlds on the same chance: effects, who is saved, and what cannot be asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import crmkit
from crmkit.errors import ParameterError
from crmkit.simulator.compare import OUTCOMES, compare
from crmkit.simulator.levers import Levers
from crmkit.texts import in_language


def test_effects_are_the_means_of_paired_differences() -> None:
    moved = compare("salon", {"courtesy": 0.9}, customers=3_000)
    both, effects = moved.customers, moved.effects.set_index("outcome")
    assert list(effects.index) == list(OUTCOMES)
    for outcome in OUTCOMES:
        difference = both[f"{outcome}_with"].astype(float) - both[f"{outcome}_without"].astype(float)
        row = effects.loc[outcome]
        assert row["difference"] == pytest.approx(difference.mean())
        assert row["standard_error"] == pytest.approx(difference.std() / np.sqrt(3_000))
        assert row["changed"] - row["baseline"] == pytest.approx(row["difference"])
        assert row["low"] <= row["difference"] <= row["high"]
        assert row["customers"] == 3_000
    assert moved.saved == (both["stayed_with"] & ~both["stayed_without"]).sum()
    assert moved.lost == (~both["stayed_with"] & both["stayed_without"]).sum()
    assert moved.saved > 10 * moved.lost


def test_pairing_makes_the_error_small() -> None:
    same = compare("salon", {"first_reply_hours": 2}, customers=2_000).effects.set_index("outcome")
    apart = []
    for hours, seed in ((9, 1), (2, 2)):
        alone = compare("salon", {}, against={"first_reply_hours": hours}, customers=2_000, seed=seed)
        apart.append(alone.customers["net_amount_with"])
    unpaired = np.sqrt(sum(one.var() / len(one) for one in apart))
    assert same.loc["net_amount", "standard_error"] < unpaired / 4


def test_nothing_moved_is_no_effect_at_all() -> None:
    same = compare("salon", {"first_reply_hours": 9}, customers=500, weeks=30)
    assert same.moved == {}
    assert (same.effects["difference"] == 0).all()
    assert same.saved == same.lost == 0
    with in_language("en"):
        assert "nothing moved" in str(same)


def test_weeks_add_up_to_customers() -> None:
    moved = compare("shop", {"courtesy": 0.9}, customers=500)
    for suffix in ("without", "with"):
        assert moved.weekly[f"orders_{suffix}"].sum() == moved.customers[f"orders_{suffix}"].sum()
        assert moved.weekly[f"net_amount_{suffix}"].sum() == pytest.approx(
            moved.customers[f"net_amount_{suffix}"].sum()
        )
    assert moved.weekly["week_start"].iloc[0] == pd.Timestamp("2024-01-01")
    assert len(moved.weekly) == 104


def test_fates_agree_with_the_tables_of_the_same_world() -> None:
    moved = compare("salon", {"courtesy": 0.9}, customers=400)
    for levers, suffix in (({}, "without"), ({"courtesy": 0.9}, "with")):
        crm = crmkit.simulate("salon", customers=400, levers=levers)
        family = crm.orders["customer_id"].str.slice(0, 8) + "00"
        real = (crm.orders["status"] == "completed") & ~crm.orders["is_test"]
        count = crm.orders[real].groupby(family)["net_amount"].agg(["size", "sum"])
        fate = moved.customers.set_index("customer_id")
        expected = fate[fate[f"orders_{suffix}"] > 0]
        assert (count["size"] == expected[f"orders_{suffix}"]).all()
        assert (count["sum"] == expected[f"net_amount_{suffix}"]).all()
        truth = crm.truth.customers.set_index("customer_id")["died_at"]
        here = crm.customers.set_index("customer_id")["registered_at"].notna()
        stayed = truth.isna() & here
        assert (stayed.reindex(fate.index).astype(bool) == fate[f"stayed_{suffix}"]).all()


def test_one_customer_has_no_standard_error() -> None:
    effects = compare("salon", {"courtesy": 0.9}, customers=1, weeks=10).effects
    assert effects["standard_error"].isna().all()


def test_several_blocks_are_one_world() -> None:
    whole = compare("textbook", {"courtesy": 0.9}, customers=17_000, weeks=8)
    assert len(whole.customers) == 17_000
    first = compare("textbook", {"courtesy": 0.9}, customers=100, weeks=8)
    pd.testing.assert_frame_equal(first.customers, whole.customers.head(100))


@pytest.mark.parametrize("lang", ["ja", "en"])
@pytest.mark.parametrize(
    ("scenario", "changes", "told"),
    [
        ("saloon", {}, "salon"),
        ("zzz", {}, "textbook"),
        ("salon", {"first_reply_hour": 4}, "first_reply_hours"),
        ("salon", {"xyz": 4}, "courtesy"),
        ("salon", {"courtesy": 7}, "7"),
        ("salon", {"courtesy": float("nan")}, "nan"),
        ("salon", {"courtesy": "high"}, "high"),
        ("salon", {"courtesy": True}, "True"),
    ],
)
def test_what_is_not_there_is_refused_with_the_nearest(
    lang: str, scenario: str, changes: dict[str, float], told: str
) -> None:
    with in_language(lang), pytest.raises(ParameterError) as caught:  # type: ignore[arg-type]
        compare(scenario, changes)
    with in_language(lang):  # type: ignore[arg-type]
        assert told in str(caught.value)


def test_levers_say_what_they_are_in_both_languages() -> None:
    for lang in ("ja", "en"):
        with in_language(lang):  # type: ignore[arg-type]
            table = crmkit.levers("salon")
            assert set(table["lever"]) == set(Levers.__dataclass_fields__)
            assert table["moves"].str.len().min() > 10 - 4 * (lang == "ja")
            assert table["label"].is_unique
    assert ((table["low"] <= table["value"]) & (table["value"] <= table["high"])).all()


def test_a_score_says_how_far_off_and_whether_it_covers() -> None:
    effect = crmkit.compare("salon", {"courtesy": 0.9}, customers=500).effects.iloc[0]
    hit = crmkit.score({"value": 0.31, "low": 0.28, "high": 0.34}, 0.30)
    assert (hit.covered, round(hit.error, 10), round(hit.relative_error, 4)) == (True, 0.01, 0.0333)
    assert crmkit.score(effect, effect).error == 0
    assert crmkit.score(0.5, 0.0).covered is None
    assert np.isnan(crmkit.score(0.5, 0.0).relative_error)
    assert crmkit.score({"value": 0.1, "low": 0.2, "high": 0.3}, 0.15).covered is False
    orders = crmkit.sample("ten_customers").orders
    rate = crmkit.repeat_rate(orders, start="2026-03-01", end="2026-04-01")
    assert crmkit.score(rate, 0.45).covered
    nothing = crmkit.score(float("nan"), 0.3)
    assert nothing.covered is None
    for lang in ("ja", "en"):
        with in_language(lang):  # type: ignore[arg-type]
            assert len({str(one) for one in (hit, nothing, crmkit.score(0.5, 0.0))}) == 3
    for bad in ((object(), 1.0), (1.0, float("nan")), (1.0, "x")):
        with pytest.raises(ParameterError):
            crmkit.score(*bad)
