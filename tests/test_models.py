"""Buy-till-you-die models against independent computation: integrals, simulation, planted parameters, and speed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import betaln
from scipy.stats import beta, gamma, poisson

import crmkit
from crmkit import frames, models
from crmkit.errors import CannotFit, DoubtfulFit
from crmkit.models import btyd, spending
from crmkit.models.buying import STARTS
from crmkit.models.fitting import curvature, maximise, slopes
from crmkit.models.summary import Summary
from crmkit.plots import png, style
from crmkit.plots.models import plot_clv_btyd, plot_expected_orders, plot_p_alive
from crmkit.texts import in_language

PLANTED = {"r": 0.5, "alpha": 5.0, "a": 1.0, "b": 2.5}


def lived(seed: int, n: int, shift: int, weeks: float = 78.0) -> Summary:
    """Customers who live as the models say, one event after the other, at exact times."""
    chance = np.random.default_rng(seed)
    rate = chance.gamma(PLANTED["r"], 1 / PLANTED["alpha"], n)
    leave = chance.beta(PLANTED["a"], PLANTED["b"], n)
    T = weeks - chance.uniform(0, weeks / 2, n)
    here = chance.uniform(size=n) > leave if shift else np.ones(n, dtype=bool)
    at, x, tx = np.zeros(n), np.zeros(n), np.zeros(n)
    while here.any():
        at = at + chance.exponential(size=n) / np.maximum(rate, 1e-300)
        here &= at < T
        x, tx = x + here, np.where(here, at, tx)
        here &= chance.uniform(size=n) > leave
    frame = pd.DataFrame({"customer_id": np.arange(n), "frequency": x.astype(int), "recency": tx, "T": T})
    return Summary(frame, "week")


# --- formulas against integrals over rate and chance of leaving


def by_integral(theta, x, tx, T, t, shift):
    """P(alive), expected orders and likelihood from the definition of the model: no closed form but the densities."""
    r, alpha, a, b = np.exp(theta)
    step = 0.05
    log_rate, logit = np.arange(-45, 8, step)[:, None], np.arange(-45, 45, step)[None, :]
    rate, p, stay = np.exp(log_rate), 1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(logit))
    # smooth and gone at both ends: the trapezoidal rule is exact to many digits
    weight = gamma(r, scale=1 / alpha).pdf(rate) * rate * beta(a, b).pdf(p) * p * stay * step**2
    there = weight * stay ** (x + shift) * rate**x * np.exp(-rate * T)  # all purchases, and no leaving after any
    left = x + shift > 0
    gone = weight * p * stay ** max(x + shift - 1, 0) * rate**x * np.exp(-rate * tx) if left else np.zeros(1)
    to_come = there * -np.expm1(-rate * p * t) / p
    whole = there.sum() + gone.sum()
    return there.sum() / whole, to_come.sum() / whole, np.log(whole)


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize(("x", "tx", "T"), [(0, 0.0, 9.0), (2, 6.0, 9.0), (4, 9.0, 9.0), (3, 0.5, 12.0)])
def test_formulas_are_the_integrals(shift, x, tx, T):
    theta = np.log([1.3, 4.0, 1.6, 2.4])
    alive, orders, likelihood = by_integral(theta, x, tx, T, 8.0, shift)
    args = (np.array([float(x)]), np.array([tx]), np.array([T]))
    got = np.exp(btyd.log_alive(theta, *args, shift))[0]
    assert got == pytest.approx(alive, rel=1e-6)
    assert got * btyd.orders_if_alive(theta, args[0], args[2], 8.0, shift)[0] == pytest.approx(orders, rel=1e-6)
    # the published likelihood leaves nothing out either
    assert btyd.log_likelihood(theta, *args, shift)[0] == pytest.approx(likelihood, rel=1e-6)


NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)


def expected_by_quadrature(theta, x, T, t, shift):
    """Expected orders of who is still there: the mean of (1 − (1 + pt / (α + T))^−(r + x)) / p over the logit of p."""
    r, alpha, a, b = np.exp(theta)
    c = b + shift + x
    centre = np.log(a / c)
    edges = np.arange(centre - 50 / min(a, 1) - 50, centre + 50 / min(c, 1) + 50, 0.5)
    u = (edges[:-1, None] + 0.25 * (1 + NODES)).ravel()
    weight = np.tile(WEIGHTS / 4, len(edges) - 1)
    log_p, log_q = -np.logaddexp(0, -u), -np.logaddexp(0, u)
    p = np.exp(log_p)
    late = -np.expm1(-(r + x) * np.log1p(p * t / (alpha + T))) / np.maximum(p, 1e-300)
    late = np.where(p > 1e-290, late, (r + x) * t / (alpha + T))
    return float(weight @ (np.exp(a * log_p + c * log_q - betaln(a, c)) * late))


positive = st.floats(np.log(0.02), np.log(40))


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(positive, positive, positive, positive),
    st.sampled_from([0, 1, 2, 5, 30, 200, 2000]),
    st.floats(0, 200),
    st.floats(-3, 7),
    st.sampled_from([0, 1]),
)
def test_expected_orders_are_right_everywhere(theta, x, T, log_t, shift):
    theta, t = np.array(theta), np.exp(log_t)
    got = float(btyd.orders_if_alive(theta, float(x), T, t, shift))
    assert got == pytest.approx(expected_by_quadrature(theta, x, T, t, shift), rel=2e-6)


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("a", [1.0, 1 + 9e-6, 1 - 1.1e-5, 0.6, 0.6 + 5e-6, 250.0])
def test_expected_orders_where_the_formula_divides_by_nothing(a, shift):
    for r, x in ((0.5, 0), (0.5, 3), (900.0, 3)):  # b = 0.4: also a + b = 1
        theta = np.log([r, 4.0, a, 0.4])
        got = float(btyd.orders_if_alive(theta, float(x), 20.0, 30.0, shift))
        assert got == pytest.approx(expected_by_quadrature(theta, x, 20.0, 30.0, shift), rel=2e-5)


@pytest.mark.parametrize("shift", [0, 1])
def test_chances_of_orders_are_those_of_simulated_customers(shift):
    n, weeks = 200_000, 30.0
    chance = np.random.default_rng(5)
    rate, leave = chance.gamma(0.8, 1 / 4.0, n), chance.beta(0.9, 2.0, n)
    stays = chance.geometric(np.maximum(leave, 1e-12)) - shift  # so many repeat orders, then gone
    x = np.minimum(chance.poisson(rate * weeks), np.maximum(stays, 0))
    theta = np.log([0.8, 4.0, 0.9, 2.0])
    wanted = btyd.chance_of_orders(theta, 6, weeks, shift)
    seen = np.bincount(np.minimum(x, 7), minlength=8)[:7] / n
    assert np.abs(seen - wanted).max() < 4 * np.sqrt(0.25 / n)
    expected = np.exp(btyd.log_alive(theta, *np.zeros((3, 1)), shift)) * btyd.orders_if_alive(
        theta, 0.0, 0.0, weeks, shift
    )
    assert abs(x.mean() - expected[0]) < 4 * x.std() / np.sqrt(n)
    assert btyd.chance_of_orders(theta, 2_000, weeks, shift).sum() == pytest.approx(1, abs=1e-9)


# --- slopes against differences


@pytest.mark.parametrize("shift", [0, 1])
def test_slopes_of_the_likelihood_are_its_differences(shift):
    seen = lived(1, 500, shift).histories()[1]
    loss = btyd.MeanLoss(seen, shift)
    for theta in (np.log([0.5, 1.0, 1.0, 2.0]), np.log([3.0, 0.2, 0.1, 7.0]), np.array([-4.0, 3.0, 5.0, -3.0])):
        value, slope = loss(theta)
        assert slope == pytest.approx(slopes(lambda at: np.array([loss(at)[0]]), theta)[:, 0], rel=1e-5, abs=1e-7)
        scaled = theta + np.array([0, np.log(loss.scale), 0, 0])
        each = btyd.log_likelihood(scaled, seen.x, seen.tx, seen.T, shift)
        assert -value * 500 - seen.x.sum() * np.log(loss.scale) == pytest.approx(seen.people @ each)
        again, same, curve = loss.curved(theta)
        assert again == value
        assert same == pytest.approx(slope)
        assert curve == pytest.approx(curvature(loss, theta), rel=1e-5, abs=1e-7)


def test_slopes_of_the_spending_likelihood_are_its_differences():
    chance = np.random.default_rng(2)
    loss = spending.MeanLoss(chance.integers(1, 9, 300).astype(float), chance.gamma(3, 1, 300), np.ones(300))
    for theta in (np.log([6.0, 4.0, 0.5]), np.log([0.3, 1.1, 9.0])):
        slope = loss(theta)[1]
        assert slope == pytest.approx(slopes(lambda at: np.array([loss(at)[0]]), theta)[:, 0], rel=1e-5, abs=1e-7)


# --- planted parameters


def test_what_was_planted_in_the_textbook_comes_out():
    """Four parameters of BG/NBD and two of gamma-gamma, of six shops: near, and mostly inside their intervals."""
    inside, off = [], []
    for seed in range(6):
        orders = crmkit.simulate("textbook", customers=4_000, weeks=78, seed=seed).orders
        summary = models.btyd_summary(orders)
        buying, spent = models.bg_nbd(summary), models.gamma_gamma(summary)
        planted = {**PLANTED, "p": 6.0, "q": 4.0}
        for model in (buying, spent):
            for name, (low, high) in model.intervals.items():
                if name in planted:
                    inside.append(low <= planted[name] <= high)
                    off.append(np.log(model.params[name] / planted[name]))
        assert float(spent.mean_spend()) == pytest.approx(4_000, rel=0.04)
    assert np.mean(inside) >= 0.8  # of 36, 34 are expected; under 29 would be one in two thousand
    assert np.abs(np.mean(np.reshape(off, (6, 6)), axis=0)).max() < 0.15  # in no direction always


def test_mbg_nbd_finds_what_was_planted_and_its_intervals_hold():
    found = [models.mbg_nbd(lived(seed, 3_000, 1)) for seed in range(24)]
    inside = [low <= PLANTED[name] <= high for model in found for name, (low, high) in model.intervals.items()]
    assert 0.88 <= np.mean(inside) <= 1  # of 96
    away = [
        np.log(model.params[name] / value) / np.sqrt(model.best.covariance[i, i])
        for model in found
        for i, (name, value) in enumerate(PLANTED.items())
    ]
    distance = np.reshape(away, (24, 4))
    assert np.abs(distance.mean(axis=0)).max() < 3.5 / np.sqrt(24)
    assert np.all((distance.std(axis=0) > 0.6) & (distance.std(axis=0) < 1.5))


def test_intervals_of_predictions_hold_the_truth():
    truth = np.log(list(PLANTED.values()))
    asked = pd.DataFrame({"customer_id": list("ABCD"), "frequency": [2, 2, 5, 1], "recency": [30.0, 10.0, 40.0, 5.0],
                          "T": [50.0, 50.0, 60.0, 60.0]})  # fmt: skip
    some = Summary(asked, "week")
    x, tx, T = some.histories()[1][:3]
    alive = np.exp(btyd.log_alive(truth, x, tx, T, 0))
    true = {"p_alive": alive, "expected_orders": alive * btyd.orders_if_alive(truth, x, T, 26.0, 0)}
    new, inside, fits = btyd.orders_if_alive(truth, 0.0, 0.0, 26.0, 0), {**dict.fromkeys(true, 0), "new": 0}, 50
    for seed in range(fits):
        model = models.bg_nbd(lived(100 + seed, 1_500, 0))
        told = {"p_alive": model.p_alive(some), "expected_orders": model.expected_orders(some, horizon=26)}
        for name, table in told.items():
            inside[name] += np.mean((table["low"] <= true[name]) & (true[name] <= table["high"]))
        one = model.new_customer_orders(horizon=26)
        inside["new"] += one.low <= new <= one.high
    for name, held in inside.items():
        assert 0.87 <= held / fits <= 1, name  # 95 in 100 are expected


# --- values


def test_the_value_is_the_integral_of_discounted_orders_times_spend():
    world = crmkit.simulate("textbook", customers=1_500, weeks=60, seed=3)
    summary = models.btyd_summary(world.orders)
    buying, spent = models.mbg_nbd(summary), models.gamma_gamma(summary)
    rate, margin = 0.01, 0.4
    got = models.clv_btyd(summary, buying, spent, horizon=52, discount=rate, margin=margin)
    theta = buying.best.theta
    for i in (0, 5, 11):
        row, look = summary.table.iloc[i], got.iloc[i]
        x, T = float(row["frequency"]), row["T"]

        def orders_by(t, x=x, T=T):
            return float(btyd.orders_if_alive(theta, x, T, t, 1))

        def flow(t, orders_by=orders_by):
            return (orders_by(t + 1e-4) - orders_by(t - 1e-4)) / 2e-4 * (1 + rate) ** -t

        discounted = quad(flow, 1e-3, 52, epsrel=1e-7)[0] + flow(1e-3) * 1e-3
        assert look["clv"] == pytest.approx(look["p_alive"] * discounted * look["expected_spend"] * margin, rel=1e-4)
    plain = models.clv_btyd(summary, buying, spent, horizon=52, margin=margin)
    assert (plain["clv"] > got["clv"]).all()
    product = plain["expected_orders"] * plain["expected_spend"] * margin
    assert plain["clv"].to_numpy() == pytest.approx(product.to_numpy())


def test_the_interval_of_the_mean_value_is_that_of_drawn_parameters():
    world = crmkit.simulate("textbook", customers=1_500, weeks=60, seed=3)
    summary = models.btyd_summary(world.orders)
    buying, spent = models.mbg_nbd(summary), models.gamma_gamma(summary)
    mean = models.clv_btyd(summary, buying, spent, horizon=52, per_customer=False)
    chance = np.random.default_rng(0)
    one = chance.multivariate_normal(buying.best.theta, buying.best.covariance, 400)
    other = np.exp(chance.multivariate_normal(spent.best.theta, spent.best.covariance, 400))
    t = summary.table
    x, tx, T = (t[name].to_numpy(float) for name in ("frequency", "recency", "T"))
    sold = x * t["monetary"].fillna(0).to_numpy()
    values = [
        np.mean(np.exp(btyd.log_alive(theta, x, tx, T, 1)) * btyd.orders_if_alive(theta, x, T, 52.0, 1)
                * p * (v + sold) / (p * x + q - 1))
        for theta, (p, q, v) in zip(one, other, strict=True)
    ]  # fmt: skip
    assert np.quantile(values, [0.025, 0.5, 0.975]) == pytest.approx([mean.low, mean.value, mean.high], rel=0.02)
    assert mean.high - mean.low == pytest.approx(np.diff(np.quantile(values, [0.025, 0.975]))[0], rel=0.2)


def test_a_model_foretells_simulated_customers():
    """Expected orders of who lived by the model, beside what they did later."""
    orders = crmkit.simulate("textbook", customers=6_000, weeks=104, seed=11).orders
    summary = models.btyd_summary(orders, until="2024-12-29")
    table = models.calibration(summary, models.bg_nbd(summary), orders, horizon=52, most=5)
    error = np.hypot(table["high"] - table["observed"], table["expected_high"] - table["expected"]) / 1.96
    assert (np.abs(table["observed"] - table["expected"]) < 3.5 * error).all()
    assert table["n"].sum() == len(summary.table)


# --- pictures


@pytest.fixture(scope="module")
def salon():
    """Models and what they say of a shop that does not live by them."""
    orders = crmkit.simulate("salon", customers=600, weeks=104, seed=7).orders
    summary = models.btyd_summary(orders, until="2025-06-29")
    buying, spent = models.mbg_nbd(summary), models.gamma_gamma(summary)
    table = models.calibration(summary, buying, orders, horizon=26, most=5)
    return buying, table, models.clv_btyd(summary, buying, spent, horizon=52)


@pytest.mark.parametrize("language", ["ja", "en"])
def test_pictures_have_all_their_glyphs(salon, language):
    buying, table, worth = salon
    with in_language(language), style():
        for axes in (plot_p_alive(buying), plot_expected_orders(table), plot_clv_btyd(worth)):
            assert png(axes.figure).startswith(b"\x89PNG")
            assert axes.get_xlabel()
            assert axes.get_ylabel()


def test_pictures_take_results_of_any_engine(salon, engine):
    _, table, worth = salon
    axes = plot_clv_btyd(engine(worth))
    tops = [bar.get_height() for bar in axes.patches]
    assert len(tops) == 10
    assert tops == sorted(tops, reverse=True)
    assert np.dot(tops, [len(worth) / 10] * 10) == pytest.approx(worth["clv"].sum(), rel=0.02)
    assert tops[0] == pytest.approx(worth["clv"].nlargest(-(-len(worth) // 10)).mean(), rel=0.02)
    labels = [tick.get_text() for tick in plot_expected_orders(engine(table)).get_xticklabels()]
    assert labels[0] == f"0\nn={table['n'].iloc[0]:,}"
    assert labels[-1].startswith("5+")


def test_no_value_is_said_in_the_picture(salon):
    axes = plot_clv_btyd(salon[2].head(0))
    assert [word.get_text() for word in axes.texts] == ["no customers"]


# --- size


def test_two_hundred_thousand_customers_are_fitted():
    summary = lived(1, 200_000, 0)
    table = summary.table.assign(recency=lambda t: np.floor(t["recency"] * 7) / 7, T=lambda t: np.floor(t["T"] * 7) / 7)
    summary = Summary(table.assign(recency=table[["recency", "T"]].min(axis=1)), "week")
    model = models.bg_nbd(summary)
    assert model.intervals["r"][0] < model.params["r"] < model.intervals["r"][1]


def test_only_unique_histories_leave_the_engine(monkeypatch):
    rows = []
    fetch = frames.fetch
    monkeypatch.setattr(frames, "fetch", lambda frame: rows.append(len(got := fetch(frame))) or got)
    times = {"recency": [0.0, 3.0, 5.0] * 2_000, "T": [9.0, 8.0, 7.0, 9.0, 9.0, 9.0] * 1_000}
    frame = pl.DataFrame({"customer_id": range(6_000), "frequency": [0, 1, 2] * 2_000, **times})
    summary = Summary(frame.lazy(), "week")
    with pytest.warns(DoubtfulFit, match="same rate"):  # three kinds of customers are no gamma distribution
        model = models.mbg_nbd(summary)
    assert isinstance(model.expected_orders(summary, horizon=3), pl.LazyFrame)
    assert max(rows) == 5


def test_the_search_says_when_it_ends_nowhere():
    with pytest.raises(CannotFit, match="leads nowhere"):
        maximise(lambda theta: (np.nan, np.ones(2)), [(1.0, 1.0)], 10, "x")
    with pytest.raises(CannotFit, match="leads nowhere"):  # the slope is not that of the loss
        maximise(lambda theta: (float(theta @ theta), 1 - theta), [(1.0, 1.0)], 10, "x")


@pytest.mark.parametrize("shift", [0, 1])
def test_both_ways_up_lead_to_the_same_place(shift):
    loss = btyd.MeanLoss(lived(3, 4_000, shift).histories()[1], shift)
    slow = maximise(loss, STARTS, 4_000, "x")
    asked = []
    quick = maximise(loss, STARTS, 4_000, "x", curved=lambda theta: asked.append(theta) or loss.curved(theta))
    assert quick.theta == pytest.approx(slow.theta, abs=1e-6)
    assert quick.covariance == pytest.approx(slow.covariance, rel=1e-4)
    assert quick.loss == pytest.approx(slow.loss, rel=1e-12)
    assert len(asked) < 15


def bowl(centre, least, steep=1.0):
    """A loss with its slope and curvature, about one parameter."""
    return lambda theta: (
        float(least + steep * (theta[0] - centre) ** 2 / 2), steep * (theta - centre), np.full((1, 1), steep)
    )  # fmt: skip


def test_a_vague_maximum_is_held_against_the_search_by_slopes():
    def found(curved, customers):
        lower = bowl(-1.0, 0.0)
        return maximise(lambda theta: lower(theta)[:2], [(1.0,)], customers, "x", curved=curved).theta[0]

    assert found(bowl(1.0, 0.5), 1_000) == pytest.approx(1)  # known to 0.03: nobody else is asked
    assert found(bowl(1.0, 0.5), 10) == pytest.approx(-1)  # known to 0.3 only, and the other one is likelier
    assert found(bowl(1.0, -0.5), 10) == pytest.approx(1)
    assert found(bowl(50.0, -0.5), 1_000) == pytest.approx(-1)  # leaves the range in which parameters can lie
    assert found(bowl(0.0, 0.0, steep=-1.0), 1_000) == pytest.approx(-1)  # a hilltop
    assert found(lambda theta: (np.nan, theta, np.eye(1)), 1_000) == pytest.approx(-1)


def test_poisson_is_what_the_models_rest_on():
    """With a rate that all share and nobody leaving, the chances of orders are Poisson's."""
    theta = np.log([1e6, 1e7, 1e-9, 1e3])
    assert btyd.chance_of_orders(theta, 4, 20.0, 0) == pytest.approx(poisson(2.0).pmf(range(5)), rel=1e-4)
