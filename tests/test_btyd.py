"""Buy-till-you-die models: published numbers, hand-worked summaries on every engine, and data that cannot do."""

from __future__ import annotations

import importlib.util
import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crmkit import models
from crmkit.errors import CannotFit, DoubtfulFit, MissingColumn, ParameterError, RowsLeftOut, WrongType
from crmkit.models import btyd
from crmkit.models.summary import Summary
from crmkit.texts import in_language
from tests.cdnow import cdnow_frame

OWN = {"customer_id": "customer", "ordered_at": "date", "net_amount": "dollars"}
UNTIL = "1997-09-30"
PUBLISHED = {"r": 0.242595, "alpha": 4.413603, "a": 0.792923, "b": 2.425910}
ERRORS = {"r": 0.01256, "alpha": 0.37822, "a": 0.18573, "b": 0.70542}


@pytest.fixture(scope="module")
def sample():
    """The 2,357 customers of the papers, whose numbers are in a file beside the purchases of all."""
    package = importlib.util.find_spec("lifetimes")  # finds the folder, imports nothing
    assert package is not None
    assert package.origin is not None
    lines = (Path(package.origin).parent / "datasets" / "CDNOW_sample.txt").read_text().splitlines()
    chosen = {line.split()[0].zfill(5) for line in lines}
    whole = cdnow_frame()
    return whole[whole["customer"].isin(chosen)].reset_index(drop=True)


@pytest.fixture(scope="module")
def summary(sample):
    return models.btyd_summary(sample, until=UNTIL, columns=OWN)


@pytest.fixture(scope="module")
def buying(summary):
    return models.bg_nbd(summary)


@pytest.fixture(scope="module")
def spending(summary):
    return models.gamma_gamma(summary)


# --- published numbers


def test_bg_nbd_on_cdnow_comes_out_as_published(buying):
    assert buying.loglik == pytest.approx(-9582.4292, abs=5e-5)
    for name, value in PUBLISHED.items():
        assert buying.params[name] == pytest.approx(value, abs=2e-6 * max(1, value))
        assert buying.standard_errors[name] == pytest.approx(ERRORS[name], abs=6e-6)
    assert (buying.customers, buying.repeaters) == (2357, 946)


def test_gamma_gamma_on_cdnow_comes_out_as_published(summary, spending):
    assert spending.customers == 946
    assert [round(value, 4) for value in spending.params.values()] == pytest.approx([6.2496, 3.7442, 15.4435], abs=3e-4)
    assert spending.loglik == pytest.approx(-4055.9177, abs=5e-5)
    table = summary.table
    assert table.loc[table["frequency"] > 0, "monetary"].mean() == pytest.approx(35.078, abs=5e-4)
    again = table[table["frequency"] > 0]
    assert spending.correlation == pytest.approx(again["frequency"].corr(again["monetary"]))


def test_what_bg_nbd_says_comes_out_as_published():
    # Fader, Hardie and Lee use the parameters rounded to three digits
    theta = np.log([0.243, 4.414, 0.793, 2.426])
    x, tx, T = np.array([2.0]), np.array([30.43]), np.array([38.86])
    there = np.exp(btyd.log_alive(theta, x, tx, T, 0))
    assert float((there * btyd.orders_if_alive(theta, x, T, 39.0, 0))[0]) == pytest.approx(1.226, abs=5e-4)
    assert btyd.chance_of_orders(theta, 0, 39.0, 0)[0] == pytest.approx(0.57379, abs=5e-6)


def test_the_likelihood_of_nasty_histories_comes_out_as_published():
    theta = np.log([0.25, 4.0, 0.8, 2.5])
    found = btyd.log_likelihood(theta, np.array([0.0, 200.0]), np.array([0.0, 38.0]), np.array([40.0, 40.0]))
    assert found == pytest.approx([-0.59947, 100.7957], abs=6e-5)


def test_the_published_customer_has_an_interval(summary, buying, spending):
    row = summary.table.query("frequency == 2 and recency > 30.42 and recency < 30.44 and T > 38.85")
    table = buying.expected_orders(summary, horizon=39).merge(row, on="customer_id")
    assert table["expected_orders"].to_list() == pytest.approx([1.226] * len(row), abs=5e-4)
    assert ((table["low"] < 1.226) & (table["high"] > 1.226)).all()
    assert float(buying.probability_of_orders(0, horizon=39)) == pytest.approx(0.5743, abs=1e-4)
    assert float(spending.mean_spend()) == pytest.approx(6.2496 * 15.4435 / 2.7442, rel=1e-3)
    own = spending.expected_spend(summary).set_index("customer_id")["expected_spend"]
    p, q, v = spending.params.values()
    for got in summary.table.head(20).itertuples():
        z = 0 if got.frequency == 0 else got.monetary
        assert own[got.customer_id] == pytest.approx(p * (v + got.frequency * z) / (p * got.frequency + q - 1))


# --- the summary


def by_hand(sample: pd.DataFrame) -> pd.DataFrame:
    """The same summary in plain pandas."""
    seen = sample[sample["date"] <= UNTIL]
    days = seen.groupby(["customer", "date"])["dollars"].sum().reset_index()
    first = days.groupby("customer")["date"].transform("min")
    days["again"] = days["dollars"].where(days["date"] > first)
    each = days.groupby("customer").agg(
        first=("date", "min"), last=("date", "max"), n=("date", "size"), monetary=("again", "mean")
    )
    return pd.DataFrame(
        {
            "frequency": each["n"] - 1,
            "recency": (each["last"] - each["first"]).dt.days / 7,
            "T": (pd.Timestamp(UNTIL) - each["first"]).dt.days / 7,
            "monetary": each["monetary"],
        }
    ).reset_index(names="customer_id")


def test_the_summary_is_that_of_plain_pandas(sample, summary):
    pd.testing.assert_frame_equal(summary.table, by_hand(sample))
    assert summary.excluded == {"later": (sample["date"] > UNTIL).sum()}
    assert (summary.unit, summary.until.isoformat()) == ("week", UNTIL)


ORDERS = pd.DataFrame(
    {
        "customer_id": ["A", "A", "A", "A", "A", "B", "C", "C", None, "D", "E"],
        "ordered_at": pd.to_datetime(
            ["2026-01-01 10:00", "2026-01-01 18:00", "2026-01-08 09:00", "2026-01-15 23:59", "2026-02-01", "2026-01-15",
             "2026-01-02", "2026-01-04", "2026-01-05", "2026-01-03", None], format="ISO8601",
        ),
        "status": ["completed"] * 9 + ["cancelled", "completed"],
        "net_amount": [100.0, 50.0, 200.0, None, 900.0, 10.0, 40.0, 60.0, 1.0, 1.0, 1.0],
        "refund_amount": [None, 0.0, 20.0, None, None, None, None, 10.0, None, None, None],
    }
)  # fmt: skip


def test_a_summary_by_hand_on_every_engine(engine):
    with pytest.warns(RowsLeftOut):
        summary = models.btyd_summary(engine(ORDERS), until="2026-01-15 12:00", unit="day")
    table = engine.back(summary.table)
    assert table["customer_id"].to_list() == ["A", "B", "C"]
    assert table["frequency"].to_list() == [2, 0, 1]
    assert table["recency"].to_list() == [14, 0, 2]
    assert table["T"].to_list() == [14, 0, 13]
    assert table["monetary"].fillna(-1).to_list() == [180, -1, 50]  # A's third order has no amount: one of two days
    assert summary.excluded == {"later": 1, "no_amount": 1, "no_customer": 1, "no_date": 1, "cancelled": 1}
    plain = engine(ORDERS[["customer_id", "ordered_at"]].dropna())
    bare = models.btyd_summary(plain, unit="week")
    assert bare.until.isoformat() == "2026-02-01"
    assert engine.back(bare.table)["frequency"].to_list() == [3, 0, 1, 0]
    with pytest.raises(CannotFit, match="net_amount"):
        models.gamma_gamma(bare)


def test_everything_on_every_engine(engine, summary, buying, spending):
    few = summary.table.head(60)
    want = Summary(few, "week")
    got = Summary(engine(few), "week")
    mbg = models.mbg_nbd(want)
    assert models.mbg_nbd(got).params == pytest.approx(mbg.params)
    for asked in ("p_alive", "p_no_order", "expected_orders"):
        more = {} if asked == "p_alive" else {"horizon": 13}
        table = engine.back(getattr(mbg, asked)(got, **more))
        pd.testing.assert_frame_equal(table, getattr(mbg, asked)(want, **more), check_dtype=False)
    pd.testing.assert_frame_equal(
        engine.back(spending.expected_spend(got)), spending.expected_spend(want), check_dtype=False
    )
    assert models.gamma_gamma(got).params == pytest.approx(models.gamma_gamma(want).params)
    both = {"horizon": 39, "discount": 0.002, "margin": 0.5}
    with pytest.warns(DoubtfulFit, match="ordered once only"):
        worth = models.clv_btyd(got, buying, spending, **both)
    with pytest.warns(DoubtfulFit, match="ordered once only"):
        mean = models.clv_btyd(got, buying, spending, **both, per_customer=False)
    table = engine.back(worth)
    assert table["customer_id"].is_monotonic_increasing
    assert mean.value == pytest.approx(table["clv"].mean())
    assert mean.low < mean.value < mean.high
    assert (mean.n, mean.denominator) == (60, 60)


def test_the_holdout_on_every_engine(engine, sample, summary, buying):
    orders = engine(sample.rename(columns={own: name for name, own in OWN.items()}))
    before = models.btyd_summary(orders, until=UNTIL)
    table = engine.back(models.calibration(before, buying, orders, horizon=39, most=3))
    assert table["n"].to_list() == [1411, 439, 214, 293]
    later = sample[(sample["date"] > UNTIL)].drop_duplicates(["customer", "date"]).groupby("customer").size()
    counted = summary.table.assign(y=summary.table["customer_id"].map(later).fillna(0))
    want = counted.groupby(counted["frequency"].clip(upper=3))["y"].mean()
    assert table["observed"].to_list() == pytest.approx(want.to_list())
    orders_of = buying.expected_orders(summary, horizon=39)["expected_orders"]
    want = orders_of.groupby(summary.table["frequency"].clip(upper=3)).mean()
    assert table["expected"].to_list() == pytest.approx(want.to_list())
    assert (table["expected_low"] < table["expected"]).all()
    assert (table["high"] > table["observed"]).all()


# --- what cannot be, and what is doubtful


def own(*rows: tuple[float, float, float], unit: str = "week", times: int = 1) -> Summary:
    frame = pd.DataFrame(list(rows) * times, columns=["frequency", "recency", "T"], dtype=float)
    return Summary(frame.assign(customer_id=[f"{i:04d}" for i in range(len(frame))]), unit)


VARIED = [(0, 0.0, 30.0), (1, 3.0, 30.0), (2, 9.0, 20.0), (0, 0.0, 11.0), (5, 28.0, 29.0), (1, 9.0, 12.0)]


@pytest.mark.parametrize("fit", [models.bg_nbd, models.mbg_nbd])
@pytest.mark.parametrize(
    ("rows", "times", "reason"),
    [
        ([], 1, "nobody"),
        ([(0, 0.0, 0.0)], 50, "no_time"),
        ([(0, 0.0, 10.0), (0, 0.0, 12.0)], 50, "nobody_again"),
        ([(3, 8.0, 10.0)], 50, "all_alike"),
        (VARIED, 1, "too_few"),
        ([*VARIED, (1, 9.0, 8.0)], 9, "impossible_history"),
        ([*VARIED, (-1, 0.0, 8.0)], 9, "impossible_history"),
        ([*VARIED, (1.5, 2.0, 8.0)], 9, "impossible_history"),
        ([*VARIED, (1, math.nan, 8.0)], 9, "impossible_history"),
        ([*VARIED, (1, 2.0, math.inf)], 9, "impossible_history"),
    ],
)
def test_data_that_tell_nothing_are_refused_with_words(fit, rows, times, reason):
    with pytest.raises(CannotFit) as refused:
        fit(own(*rows, times=times))
    assert refused.value.reason == reason
    for code in ("ja", "en"):
        with in_language(code):
            assert len(str(refused.value)) > 40


def test_one_unit_is_not_taken_for_another(sample, buying):
    in_days = models.btyd_summary(sample, until=UNTIL, unit="day", columns=OWN)
    with pytest.raises(ParameterError, match="in weeks.*in days"):
        buying.p_alive(in_days)
    again = models.bg_nbd(in_days)
    assert again.params["alpha"] == pytest.approx(7 * buying.params["alpha"], rel=1e-5)
    there = [model.expected_orders(s, horizon=h)["expected_orders"] for model, s, h in
             ((again, in_days, 273), (buying, models.btyd_summary(sample, until=UNTIL, columns=OWN), 39))]  # fmt: skip
    assert there[0].to_numpy() == pytest.approx(there[1].to_numpy(), rel=1e-5)
    month = models.btyd_summary(sample, until=UNTIL, unit="month", columns=OWN).table
    assert month["T"].to_numpy() * 365.25 / 12 == pytest.approx(in_days.table["T"].to_numpy())


def test_senseless_questions_are_refused(summary, buying, spending):
    for wrong in (0, -1, math.inf, math.nan):
        with pytest.raises(ParameterError, match="length of time above 0"):
            buying.expected_orders(summary, horizon=wrong)
    with pytest.raises(ParameterError, match="A summary is needed"):
        models.bg_nbd(summary.table)
    with pytest.raises(ParameterError, match="unit='year'"):
        Summary(summary.table, "year")
    with pytest.raises(MissingColumn, match="no column 'T'"):
        models.bg_nbd(Summary(summary.table.drop(columns="T"), "week"))
    with pytest.raises(WrongType, match="should hold numbers"):
        models.bg_nbd(Summary(summary.table.assign(T="long"), "week"))
    with pytest.raises(ParameterError, match="margin"):
        models.clv_btyd(summary, buying, spending, horizon=39, margin=1.5)
    with pytest.raises(ParameterError, match="discount"):
        models.clv_btyd(summary, buying, spending, horizon=39, discount=-0.1)
    with pytest.raises(ParameterError, match="gamma_gamma"):
        models.clv_btyd(summary, buying, buying, horizon=39)
    with pytest.raises(ParameterError, match="last day"):
        models.calibration(Summary(summary.table, "week"), buying, cdnow_frame(), horizon=39, columns=OWN)


def test_a_holdout_that_ends_too_early_is_said(sample, summary, buying):
    with pytest.warns(DoubtfulFit, match="1998-06-30"):
        models.calibration(summary, buying, sample, horizon=60, columns=OWN)


def test_one_time_buyers_are_there_for_certain_and_that_is_said_once(summary, buying):
    with pytest.warns(DoubtfulFit, match="1,411 of 2,357.*mbg_nbd") as said:
        table = buying.p_alive(summary)
    assert len(said) == 1
    once = summary.table["frequency"] == 0
    assert (table.loc[once, ["p_alive", "low", "high"]] == 1).all(axis=None)
    assert (table.loc[~once, "p_alive"] < 1).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other = models.mbg_nbd(summary).p_alive(summary)
    assert (other["p_alive"] < 1).all()


def drawn(seed: int = 1, n: int = 2_000, r: float = 0.5, alpha: float = 5.0, a: float = 1.0, b: float = 2.5,
          weeks: float = 52.0, shift: int = 0) -> Summary:  # fmt: skip
    """Customers who live as the models say, one event after the other."""
    chance = np.random.default_rng(seed)
    rate, leave = chance.gamma(r, 1 / alpha, n), chance.beta(a, b, n)
    T = weeks - chance.uniform(0, weeks / 3, n)
    here = chance.uniform(size=n) > leave if shift else np.ones(n, dtype=bool)
    at, x, tx = np.zeros(n), np.zeros(n), np.zeros(n)
    while here.any():
        at = at + chance.exponential(size=n) / np.maximum(rate, 1e-300)
        here &= at < T
        x, tx = x + here, np.where(here, at, tx)
        here &= chance.uniform(size=n) > leave
    frame = pd.DataFrame({"customer_id": np.arange(n), "frequency": x.astype(int), "recency": tx, "T": T})
    return Summary(frame, "week")


@pytest.mark.parametrize(
    ("reason", "world"),
    [
        ("nobody_leaves", {"a": 1e-9, "b": 5.0}),
        ("everybody_leaves", {"a": 1e9, "b": 1.0}),
        ("rates_alike", {"r": 1e6, "alpha": 1e7, "n": 300, "seed": 3}),
    ],
)
def test_parameters_that_run_away_are_said_and_what_is_expected_stays(reason, world):
    summary = drawn(**world)
    with pytest.warns(DoubtfulFit) as said:
        model = models.bg_nbd(summary)
    assert [note.message.reason for note in said] == [reason]
    assert reason in [note.reason for note in model.notes]
    assert np.isnan(list(model.standard_errors.values())).all()
    table = model.expected_orders(summary, horizon=10)
    assert table["expected_orders"].notna().all()
    assert table["low"].isna().all()
    assert math.isnan(model.new_customer_orders(horizon=10).low)


def spenders(monetary: list[float], times: int = 1) -> Summary:
    frame = pd.DataFrame({"monetary": monetary * times}).assign(frequency=lambda t: 1 + t.index % 3, recency=5.0, T=9.0)
    return Summary(frame.assign(customer_id=frame.index.astype(str)), "week")


def test_spend_that_cannot_be_modelled():
    with pytest.raises(CannotFit, match="too_few|at least 5"):
        models.gamma_gamma(spenders([10.0, 20.0, 0.0, -5.0, math.nan]))
    with pytest.raises(CannotFit, match="spend the same"):
        models.gamma_gamma(spenders([10.0], times=20))
    chance = np.random.default_rng(0)
    with pytest.warns(RowsLeftOut, match="4 of 204"):
        model = models.gamma_gamma(spenders([*chance.gamma(3, 5, 200), 0.0, -5.0, math.nan, math.inf]))
    assert (model.customers, model.excluded) == (200, {"no_spend": 4})
    heavy = np.exp(3 * chance.normal(size=400))
    with pytest.warns(DoubtfulFit, match="at most 1"):
        model = models.gamma_gamma(spenders(heavy.tolist()))
    assert math.isnan(float(model.mean_spend()))
    with pytest.raises(CannotFit, match="no mean over all"):
        models.clv_btyd(spenders([10.0], times=9), models.bg_nbd(drawn()), model, horizon=10)


def test_spend_that_goes_with_frequency_is_said():
    summary = spenders(np.random.default_rng(0).gamma(3, 5, 300).tolist())
    table = summary.table.assign(monetary=lambda t: t["monetary"] * t["frequency"] ** 2)
    with pytest.warns(DoubtfulFit, match="correlation"):
        models.gamma_gamma(Summary(table, "week"))


def test_no_orders_at_all():
    none = pd.DataFrame({"customer_id": pd.Series([], dtype=str), "ordered_at": pd.to_datetime([]), "net_amount": []})
    summary = models.btyd_summary(none)
    assert len(summary.table) == 0
    with pytest.raises(CannotFit, match="nobody to fit"):
        models.bg_nbd(summary)


# --- words


@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_model_is_told_in_words(language, buying, spending, summary):
    with in_language(language):
        for said in (repr(buying), buying._repr_html_(), repr(spending), repr(summary)):
            assert "fit." not in said
        assert "2,357" in repr(buying)
        assert "alpha = 4.414" in repr(buying)
        for figure in (buying.new_customer_orders(horizon=39), spending.mean_spend()):
            assert figure.label in str(figure)
            assert "metric." not in figure._repr_html_()


def test_every_model_is_found_where_it_should_be():
    for name in models.__all__:
        assert callable(getattr(models, name)), name
