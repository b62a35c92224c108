"""Survival curves, the log-rank test and the shifted-beta-geometric model: published and hand-worked numbers."""

from __future__ import annotations

import math
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.errors import CannotFit, MissingColumn, ParameterError, RowsLeftOut
from crmkit.metrics.retention.repeat import repurchase_rate
from crmkit.metrics.retention.survival import median_lifetime, repurchase_curve, survival_curve, survival_rate
from crmkit.models.shifted_beta_geometric import shifted_beta_geometric
from crmkit.models.survival import kaplan_meier, log_rank
from tests.test_retention import VISITS, orders_of

# Weeks to relapse of 21 patients on 6-MP and 21 on placebo (Freireich et al. 1963), the classic table of the field
MP = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
SEEN = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
BOTH, BOTH_SEEN, ARM = MP + PLACEBO, SEEN + [1] * 21, ["mp"] * 21 + ["placebo"] * 21

# Survivors of 1,000 customers over seven years, from Fader & Hardie (2007)
HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491]
REGULAR = [1000, 631, 468, 382, 326, 289, 262, 241]


def test_kaplan_meier_by_hand_and_by_lifelines():
    """Recorded from lifelines 0.30.3 (pandas 2.3.3): KaplanMeierFitter().fit(MP, SEEN), .confidence_interval_,
    .median_survival_time_, restricted_mean_survival_time(…, t=20)."""
    curve = kaplan_meier(MP, SEEN)
    at = dict(zip(curve.time.tolist(), range(len(curve.time)), strict=True))
    for day, share, low, high in [
        (6, 18 / 21, 0.61971796, 0.95155175),
        (7, 18 / 21 * 16 / 17, 0.56314656, 0.92280902),
        (10, 18 / 21 * 16 / 17 * 14 / 15, 0.50319951, 0.88936184),
        (16, 0.62745098, 0.36751086, 0.80491219),
        (23, 0.44817927, 0.18805201, 0.68014263),
        (35, 0.44817927, 0.18805201, 0.68014263),
    ]:
        row = at[day]
        found = curve.survival[row], curve.low[row], curve.high[row]
        assert found == pytest.approx((share, low, high), abs=1e-7)
    # Greenwood at 6: S² × 3 / (21 × 18)
    assert curve.variance[at[6]] == pytest.approx((18 / 21) ** 2 * 3 / (21 * 18))
    assert (curve.at_risk[at[6]], curve.events[at[6]], curve.censored[at[6]]) == (21, 3, 1)
    assert curve.median()[:2] == (23.0, 13.0)
    assert math.isnan(curve.median().high)  # lifelines: inf, not reached
    assert kaplan_meier(PLACEBO, [1] * 21).median() == (8.0, 4.0, 11.0)
    assert curve.restricted_mean(20).value == pytest.approx(16.116526610644254)
    assert curve.restricted_mean().value == pytest.approx(23.287394957983185)
    assert curve.n == 21
    assert curve.at_risk_at([0, 6, 6.5, 35, 36]).tolist() == [21, 21, 17, 1, 0]
    assert curve.survival_at([0, 6.9, 35]).value == pytest.approx([1, 18 / 21, 0.44817927])
    assert math.isnan(curve.survival_at(36).value)


def test_restricted_mean_without_censoring_is_the_mean_of_what_is_cut_off_at_the_horizon():
    held = np.minimum(PLACEBO, 10)
    mean = kaplan_meier(PLACEBO, [1] * 21).restricted_mean(10)
    assert mean.value == pytest.approx(held.mean())
    # with nobody censored Greenwood's variance is that of the mean, with n in place of n − 1
    reach = 1.959964 * held.std() / math.sqrt(21)
    assert (mean.low, mean.high) == pytest.approx((held.mean() - reach, held.mean() + reach), abs=1e-5)


def test_the_log_rank_test_by_lifelines_and_by_strata():
    """Recorded from lifelines 0.30.3: logrank_test(MP, PLACEBO, SEEN, …); multivariate_logrank_test(BOTH, i % 3)."""
    two = log_rank(BOTH, BOTH_SEEN, groups=ARM)
    assert (two.chi2, two.p, two.freedom) == pytest.approx((16.792940989216547, 4.168809109334511e-05, 1), rel=1e-9)
    assert two.observed.tolist() == [9, 21]
    assert two.expected.sum() == pytest.approx(30)
    thirds = [i % 3 for i in range(42)]
    three = log_rank(BOTH, BOTH_SEEN, groups=thirds)
    assert (three.chi2, three.p, three.freedom) == pytest.approx((0.7163805891691822, 0.6989400578427428, 2), rel=1e-9)
    halves = [i % 2 for i in range(42)]
    whole = log_rank(BOTH, BOTH_SEEN, groups=ARM, strata=halves)
    apart = [
        log_rank(*(np.array(one)[np.array(halves) == half] for one in (BOTH, BOTH_SEEN)),
                 groups=np.array(ARM)[np.array(halves) == half])
        for half in (0, 1)
    ]  # fmt: skip
    assert whole.expected == pytest.approx(sum(one.expected for one in apart))
    # (Σ(O − E))² ÷ ΣV, with V of each stratum got back from its own statistic
    gaps = [one.observed[0] - one.expected[0] for one in apart]
    variance = sum(gap**2 / one.chi2 for gap, one in zip(gaps, apart, strict=True))
    assert whole.chi2 == pytest.approx(sum(gaps) ** 2 / variance)


def test_counted_rows_are_as_good_as_single_ones():
    counted = pd.DataFrame({"d": BOTH, "e": BOTH_SEEN, "g": ARM}).value_counts().reset_index()
    many = log_rank(counted["d"], counted["e"], groups=counted["g"], counts=counted["count"])
    assert many.chi2 == pytest.approx(log_rank(BOTH, BOTH_SEEN, groups=ARM).chi2)
    whole, single = kaplan_meier(counted["d"], counted["e"], counted["count"]), kaplan_meier(BOTH, BOTH_SEEN)
    assert whole.survival == pytest.approx(single.survival)
    parts = kaplan_meier(np.array(BOTH) / 8, BOTH_SEEN)  # not whole: another way through
    assert parts.survival == pytest.approx(single.survival)
    assert parts.time * 8 == pytest.approx(single.time)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60))
def test_without_censoring_the_curve_is_the_share_that_lasted_longer(durations):
    curve = kaplan_meier(durations, [True] * len(durations))
    for day in (0, 7, max(durations)):
        assert float(curve.survival_at(day).value) == pytest.approx(np.mean(np.array(durations) > day), abs=1e-12)
    mean = curve.restricted_mean()
    assert mean.value == pytest.approx(np.mean(durations))


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=2, max_size=80))
def test_curves_fall_and_their_intervals_hold_them(rows):
    curve = kaplan_meier([day for day, _ in rows], [over for _, over in rows])
    assert (np.diff(curve.survival) <= 1e-12).all()
    known = ~np.isnan(curve.low)
    assert (curve.low[known] <= curve.survival[known] + 1e-12).all()
    assert (curve.survival[known] <= curve.high[known] + 1e-12).all()
    assert (curve.events.sum() + curve.censored.sum()) == len(rows) == curve.n


def test_a_million_rows_are_quick():
    draw = np.random.default_rng(1)
    days, over = draw.integers(0, 700, 1_000_000), draw.random(1_000_000) < 0.6
    kaplan_meier(days[:10], over[:10])
    began = time.perf_counter()
    kaplan_meier(days, over)
    assert time.perf_counter() - began < 0.5  # about 0.02 s alone on the machine; lifelines takes 0.27 s


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (([1, -1], [True, True]), "not_durations"),
        (([1, math.nan], [True, True]), "not_durations"),
        (([1, 2], [True]), "unequal_lengths"),
        (([1, 2], [True, False], [1]), "unequal_lengths"),
        (([1, 2], [True, False], [1, math.inf]), "not_durations"),
        (([1, 2],), "no_table"),
    ],
)
def test_what_is_no_duration_is_refused(arguments, reason):
    with pytest.raises(ParameterError) as caught:
        kaplan_meier(*arguments)
    assert caught.value.reason == reason
    assert str(caught.value)


def test_empty_and_senseless_comparisons():
    empty = kaplan_meier([], [])
    assert empty.n == 0
    assert math.isnan(empty.median().value)
    assert math.isnan(empty.restricted_mean().value)
    with pytest.raises(ParameterError, match="at least two groups"):
        log_rank([1, 2], [True, True], groups=["a", "a"])
    with pytest.raises(MissingColumn, match="'events'"):
        kaplan_meier(pd.DataFrame({"time": [1]}))
    nobody = log_rank([1, 2], [False, False], groups=["a", "b"])
    assert (math.isnan(nobody.p), nobody.freedom) == (True, 0)


# The shifted-beta-geometric model


def test_the_model_gives_the_published_estimates():
    for survivors, alpha, beta, later in ((HIGH_END, 0.6681, 3.8061, 0.378), (REGULAR, 0.7041, 1.182, 0.170)):
        model = shifted_beta_geometric(survivors)
        assert (round(model.alpha, 4), round(model.beta, 4 if beta > 2 else 3)) == (alpha, beta)
        assert float(model.survival(12).value) == pytest.approx(later, abs=5e-4)
    assert shifted_beta_geometric(HIGH_END).loglik == pytest.approx(-1611.158, abs=1e-3)


def test_standard_errors_are_those_of_the_likelihood_by_brute_force():
    from scipy.special import betaln

    lost, last = -np.diff(HIGH_END), HIGH_END[-1]

    def loglik(a, b):
        t = np.arange(1, 8)
        left = betaln(a + 1, b + t - 1) - betaln(a, b)
        return lost @ left + last * (betaln(a, b + 7) - betaln(a, b))

    model = shifted_beta_geometric(HIGH_END)
    a, b, h = model.alpha, model.beta, 1e-3
    assert model.loglik == pytest.approx(loglik(a, b))
    second = np.array([
        [loglik(a + h, b) - 2 * loglik(a, b) + loglik(a - h, b), 0],
        [0, loglik(a, b + h) - 2 * loglik(a, b) + loglik(a, b - h)],
    ])  # fmt: skip
    cross = (loglik(a + h, b + h) - loglik(a + h, b - h) - loglik(a - h, b + h) + loglik(a - h, b - h)) / 4
    second[0, 1] = second[1, 0] = cross
    errors = np.sqrt(np.diag(np.linalg.inv(-second / h**2)))
    assert model.standard_errors == pytest.approx(errors, rel=1e-3)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    draw = np.random.default_rng(3)
    a, b = 0.9, 2.1
    t = np.arange(0, 13)
    from scipy.special import betaln

    truth = np.exp(betaln(a, b + 12) - betaln(a, b))
    within = []
    for _ in range(40):
        leaving = draw.beta(a, b, 1500)
        life = draw.geometric(np.maximum(leaving, 1e-9))
        model = shifted_beta_geometric([int((life > period).sum()) for period in t[:7]])
        curve = model.survival(12)
        within.append(curve.low <= truth <= curve.high)
    assert 0.85 <= np.mean(within) <= 1.0


def test_expected_lifetimes_are_the_sums_they_stand_for():
    model = shifted_beta_geometric(HIGH_END)
    t = np.arange(6000)
    there = model.survival(t).value
    assert model.expected_lifetime(0.1).value == pytest.approx((there / 1.1**t).sum())
    third = (there[3:] / there[2] / 1.1 ** (t[3:] - 3)).sum()
    residual = model.expected_lifetime(0.1, periods_stayed=3)
    assert residual.value == pytest.approx(third)
    assert residual.low < residual.value < residual.high
    assert math.isinf(model.expected_lifetime(0).value)  # alpha < 1: some seem never to leave
    quick = shifted_beta_geometric([1000, 800, 660, 560, 480, 415, 365])
    assert quick.alpha > 1
    assert quick.expected_lifetime(0).value == pytest.approx((quick.alpha + quick.beta - 1) / (quick.alpha - 1))


@settings(max_examples=25)
@given(st.integers(2, 30), st.floats(0.3, 8), st.floats(0.3, 20))
def test_retention_rises_and_never_leaves_what_shares_can_be(periods, alpha, beta):
    from scipy.special import betaln

    t = np.arange(0, periods + 2)
    survivors = 100_000 * np.exp(betaln(alpha, beta + t) - betaln(alpha, beta))
    model = shifted_beta_geometric(survivors)
    assert (model.alpha, model.beta) == pytest.approx((alpha, beta), rel=0.02)
    rates = model.retention(np.arange(1, 20)).value
    assert (np.diff(rates) > 0).all()
    assert model.mean_churn.value + rates[0] == pytest.approx(1)
    curve = model.survival(np.arange(0, 20))
    assert curve.value[1:] / curve.value[:-1] == pytest.approx(rates)
    assert ((curve.low >= 0) & (curve.low <= curve.value) & (curve.value <= curve.high) & (curve.high <= 1)).all()


@pytest.mark.parametrize(
    ("survivors", "reason"),
    [
        ([100, 100, 100], "nobody_left"),
        ([100, 0, 0], "all_left_at_once"),
        ([100, 0], "all_left_at_once"),
        ([100, 60], "one_period"),
        ([100, 60, 60, 60], "two_kinds"),
        ([100, 90, 78, 60, 30], "no_spread"),
        ([0, 0], "nobody_watched"),
        ([100], "nobody_watched"),
        ([], "nobody_watched"),
    ],
)
@pytest.mark.parametrize("language", ["ja", "en"])
def test_data_that_tell_no_parameters_are_refused_in_words(survivors, reason, language):
    from crmkit.texts import use_language

    use_language(language)
    with pytest.raises(CannotFit) as caught:
        shifted_beta_geometric(survivors)
    assert caught.value.reason == reason
    message = str(caught.value)
    assert len(message) > 40
    assert "{" not in message


def test_survivors_have_to_be_survivors():
    for wrong in ([100, 110], [100, -1], [[100, 90]], [100, math.nan]):
        with pytest.raises(ParameterError, match="never rise"):
            shifted_beta_geometric(wrong)
    model = shifted_beta_geometric(HIGH_END)
    for call in (lambda: model.survival(1.5), lambda: model.retention(0), lambda: model.expected_lifetime(-0.1)):
        with pytest.raises(ParameterError):
            call()
    with pytest.raises(ParameterError, match="period_days"):
        shifted_beta_geometric(HIGH_END, period_days=0)


# The curves of tables


CONTRACTS = pd.DataFrame(
    {
        "subscription_id": list("stuvwx"),
        "customer_id": ["A", "B", "C", "C", "D", "E"],
        "started_at": pd.to_datetime(
            ["2026-01-01", "2026-01-01", "2026-01-11", "2026-02-01", "2026-01-05", None], format="ISO8601"
        ).astype("datetime64[us]"),
        "ended_at": pd.to_datetime(
            ["2026-01-11", None, "2026-01-21", "2026-03-10", "2026-01-01", None], format="ISO8601"
        ).astype("datetime64[us]"),
        "is_involuntary": [False, False, True, False, False, False],
        "plan": ["x", "x", "y", "y", "y", "x"],
    }
)


def test_contracts_are_watched_until_the_data_end(engine):
    frame = engine(CONTRACTS)
    with pytest.warns(RowsLeftOut) as told:
        table = engine.back(survival_curve(frame, as_of="2026-03-01"))
    assert {one.message.reason for one in told} == {"no_date", "impossible_dates"}
    assert list(table.columns) == ["time", "at_risk", "events", "censored", "survival", "low", "high"]
    # A 10 days, C's first 10 days; C's second had not ended by then (27 days to 02-28), B 58 days
    assert table[["time", "at_risk", "events", "censored"]].to_numpy().tolist() == [
        [0, 4, 0, 0], [10, 4, 2, 0], [27, 2, 0, 1], [58, 1, 0, 1],
    ]  # fmt: skip
    assert table["survival"].to_list() == [1, 0.5, 0.5, 0.5]
    low, high = (
        kaplan_meier([10, 10, 27, 58], [1, 1, 0, 0]).low[1],
        kaplan_meier([10, 10, 27, 58], [1, 1, 0, 0]).high[1],
    )
    assert (table["low"].iloc[1], table["high"].iloc[1]) == pytest.approx((low, high))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowsLeftOut)
        own = engine.back(survival_curve(frame, as_of="2026-03-01", include_involuntary=False))
        groups = engine.back(survival_curve(frame, as_of="2026-03-01", by="plan"))
        late = survival_curve(frame, as_of="2026-03-01", start="2026-01-11")
    assert own["events"].sum() == 1  # C's card failed: last seen on day 10
    assert groups.groupby("plan")["at_risk"].max().to_dict() == {"x": 2, "y": 2}
    assert list(groups["plan"].unique()) == ["x", "y"]
    assert engine.back(late)["at_risk"].max() == 2


def test_ten_customers_come_back_as_worked_out_by_hand(engine):
    """Days to the second purchase: D 17, G 18, C 31, E 31, J 84, A 88; seen without one: I 6, H 26, F 39, B 101."""
    orders = engine(orders_of(VISITS))
    table = engine.back(repurchase_curve(orders, as_of="2026-04-01")).set_index("time")
    assert table["at_risk"].to_dict() == {0: 10, 6: 10, 17: 9, 18: 8, 26: 7, 31: 6, 39: 4, 84: 3, 88: 2, 101: 1}
    assert table["repurchased"].loc[[17, 18, 31, 84, 88, 101]].to_list() == pytest.approx(
        [1 / 9, 2 / 9, 1 - 7 / 9 * 4 / 6, 1 - 7 / 9 * 4 / 6 * 2 / 3, *[1 - 7 / 9 * 4 / 6 * 2 / 3 / 2] * 2]
    )
    assert table["low"].loc[31] < table["repurchased"].loc[31] < table["high"].loc[31]
    assert float(median_lifetime(orders, basis="next_order", as_of="2026-04-01")) == 84
    rate = survival_rate(orders, days=31, basis="next_order", as_of="2026-04-01")
    assert (float(rate), rate.n, rate.method) == (pytest.approx(7 / 9 * 4 / 6), 10, "log_log")
    assert rate.besides == {"still_watched": 6}
    second = engine.back(repurchase_curve(orders, nth=2, as_of="2026-04-01"))
    # second purchases: D 58 days watched, C 28 days to the third, E 23, A 28, G 11, J 1
    assert second["events"].sum() == 1
    assert second["at_risk"].max() == 6
    nothing = engine.back(repurchase_curve(orders, start="2030-01-01"))
    assert len(nothing) == 0


def test_where_all_are_watched_the_curve_is_the_repurchase_rate():
    draw = np.random.default_rng(5)
    visits = [("2025-01-01", draw.integers(0, 600, draw.integers(1, 6))) for _ in range(300)]
    rows = [(str(who), pd.Timestamp(day) + pd.Timedelta(days=int(age)))
            for who, (day, ages) in enumerate(visits) for age in ages]  # fmt: skip
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at"])
    early = {"end": "2025-09-01", "as_of": "2026-09-01"}
    rate = repurchase_rate(orders, horizon_days=90, **early)
    assert rate.besides["not_watched"] == 0
    curve = repurchase_curve(orders, **early)
    assert curve.loc[curve["time"] <= 90, "repurchased"].iloc[-1] == pytest.approx(float(rate))
    kept = survival_rate(orders, days=90, basis="next_order", **early)
    assert float(kept) + float(rate) == pytest.approx(1)


def test_a_curve_of_a_simulated_shop_is_brute_force_and_feeds_the_models():
    import crmkit

    contracts = crmkit.simulate("subscription", customers=1500, weeks=104, seed=7).subscriptions
    until = pd.Timestamp("2025-12-29")
    ended = contracts["ended_at"].where(contracts["ended_at"] < until)
    stop = ended.fillna(until - pd.Timedelta(days=1)).dt.normalize()
    days = (stop - contracts["started_at"].dt.normalize()).dt.days
    table = survival_curve(contracts, as_of=until)
    want = kaplan_meier(days, ended.notna())
    assert table["survival"].to_numpy() == pytest.approx(want.survival)
    again = kaplan_meier(table)
    assert again.survival == pytest.approx(want.survival)
    assert again.median() == want.median()
    model = shifted_beta_geometric(table, period_days=28)
    assert 0.05 < model.mean_churn.value < 0.2
    groups = survival_curve(contracts, as_of=until, by="product_id")
    test = log_rank(groups, groups="product_id")
    assert test.observed.sum() == ended.notna().sum()
    assert test.p == pytest.approx(log_rank(days, ended.notna(), groups=contracts["product_id"]).p)


def test_curves_without_data_or_sense():
    frame = CONTRACTS.iloc[:4]
    with pytest.raises(ParameterError, match="as_of"):
        survival_curve(frame)
    with pytest.raises(ParameterError, match="'contract', 'next_order'"):
        survival_curve(frame, basis="life", as_of="2026-03-01")
    with pytest.raises(ParameterError, match="contract"):
        survival_curve(orders_of(VISITS), basis="next_order", include_involuntary=False)
    with pytest.raises(ParameterError, match="result column"):
        survival_curve(frame.rename(columns={"plan": "time"}), as_of="2026-03-01", by="time")
    empty = survival_curve(frame.iloc[:0], as_of="2026-03-01")
    assert list(empty.columns)[:2] == ["time", "at_risk"]
    assert len(empty) == 0
    assert "plan" in survival_curve(frame.iloc[:0], as_of="2026-03-01", by="plan").columns
    for figure in (
        survival_rate(frame.iloc[:0], days=5, as_of="2026-03-01"),
        median_lifetime(frame.iloc[:0], as_of="2026-03-01"),
        survival_rate(frame, days=5000, as_of="2026-03-01"),
    ):
        assert math.isnan(float(figure))
        assert "<table>" in figure._repr_html_()
    one = median_lifetime(frame.iloc[:1], as_of="2026-03-01")
    assert (float(one), one.n) == (10, 1)
