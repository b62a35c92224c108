"""What customers say when asked: hand-worked tables on every engine, and the traps around them."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import crmkit
from crmkit.errors import MissingColumn, ParameterError, RowsLeftOut, WrongType
from crmkit.metrics.relationship.drivers import disconfirmation_gap, driver_analysis, fisher, standardised
from crmkit.metrics.relationship.satisfaction import ces, csat, nps, survey_mean, survey_response_rate
from crmkit.plots.voice_scores import plot_csat, plot_driver_analysis, plot_nps
from crmkit.texts import in_language

MARCH = pd.Timestamp("2026-03-01")
ASKED = pd.DataFrame(
    {
        "survey_id": ["1", "2", "3", "4", "4", "6"],
        "kind": ["csat", "csat", "nps", "csat", "csat", "csat"],
        "sent_at": pd.to_datetime(["2026-03-01", "2026-03-02", "2026-03-03", "2026-04-01", "2026-04-01", "2026-03-09"]),
        "responded_at": pd.to_datetime(["2026-04-05", None, "2026-03-04", None, None, "2026-03-01"]),
        "channel": ["email", "email", "sns", None, None, "email"],
    }
)
HUNDRED = {5: 30, 4: 20, 3: 25, 2: 10, 1: 15}


def answers(scores, **columns) -> pd.DataFrame:
    """Invitations of March 1st, answered with these scores (None = not) the day after."""
    scores = pd.Series(list(scores), dtype="float64")
    frame = pd.DataFrame({"survey_id": [f"{n:04}" for n in range(len(scores))], "score": scores})
    frame["sent_at"] = pd.Series([MARCH] * len(scores), dtype="datetime64[us]")
    frame["responded_at"] = frame["sent_at"].where(scores.isna(), MARCH + pd.Timedelta("1D")).where(scores.notna())
    return frame.assign(**columns)


def hundred(**columns) -> pd.DataFrame:
    scores = [score for score, times in HUNDRED.items() for _ in range(times)] + [None] * 60
    return answers(scores, **{"kind": "csat", "scale_min": 1.0, "scale_max": 5.0, **columns})


# How many answer


def test_response_rate_is_about_the_invitations_of_the_window(engine):
    with pytest.warns(RowsLeftOut):
        rate = survey_response_rate(engine(ASKED), kind="csat", end="2026-04-01")
    assert (rate.numerator, rate.denominator) == (1, 2)
    assert rate.excluded == {"same_key": 1, "out_of_order": 1}
    with pytest.warns(RowsLeftOut):
        april = survey_response_rate(engine(ASKED), start="2026-04-01", counted="created")
    assert (float(april), april.denominator, math.isnan(april.high)) == (1.0, 1, True)  # an answer of March's letter
    assert april.besides == {"sent_share": 0.0}


def test_response_rate_by_channel(engine):
    table = engine.back(survey_response_rate(engine(ASKED), by="channel")).sort_values("channel", na_position="last")
    assert table["numerator"].to_list() == [1, 1, 0]
    assert table["denominator"].to_list() == [2, 1, 1]
    assert table["rows_left_out"].to_list() == [1, 0, 0]


# CSAT


def test_a_hundred_answers_give_five_figures(engine):
    table = engine(hundred())
    found = {method: csat(table, method=method) for method in ("top2", "mean", "net", "zendesk", "index")}
    values = {method: round(float(figure), 10) for method, figure in found.items()}
    assert values == {"top2": 0.5, "mean": 3.4, "net": 25.0, "zendesk": round(2 / 3, 10), "index": 60.0}
    assert {method: figure.n for method, figure in found.items()} == dict.fromkeys(found, 100) | {"zendesk": 75}
    assert found["top2"].besides == {
        "answered": 100, "sent": 160, "score_1": 15, "score_2": 10, "score_3": 25, "score_4": 20, "score_5": 30,
    }  # fmt: skip
    spread = np.std(np.repeat(list(HUNDRED), list(HUNDRED.values())), ddof=1)
    assert found["mean"].high - 3.4 == pytest.approx(1.98422 * spread / 10, rel=1e-5)
    assert found["index"].low == pytest.approx(25 * (found["mean"].low - 1))
    assert found["net"].high - 25 == pytest.approx(196 * math.sqrt((0.75 - 0.0625) / 100), rel=1e-4)
    assert [figure.method for figure in found.values()] == ["wilson", "t", "variance", "wilson", "t"]


def test_csat_by_group_and_what_lies_off_the_scale(quick_engine):
    frame = answers([5, 4, 9, 2.5, 1, None, 5], kind="csat", channel=["email"] * 4 + ["sns"] * 3)
    frame.loc[6, "kind"] = "nps"
    with pytest.warns(RowsLeftOut, match="2 of 7 rows of 'survey_responses' hold a score off its scale"):
        figure = csat(quick_engine(frame))
    assert (figure.numerator, figure.denominator, figure.excluded) == (2, 3, {"off_scale": 2})
    table = quick_engine.back(csat(quick_engine(frame), by="channel")).sort_values("channel")
    assert table["value"].to_list() == [1.0, 0.0]
    assert table["rows_left_out"].to_list() == [2, 0]
    one, index = csat(quick_engine(frame.iloc[:1]), method="mean"), csat(quick_engine(frame.iloc[:1]), method="index")
    assert (float(one), one.n, math.isnan(one.low), float(index)) == (5.0, 1, True, 100.0)
    two = csat(quick_engine(answers([5, 3])), method="mean")
    assert (two.low, two.high) == (1, 5)  # held to the scale


def test_other_scales_are_refused_in_words_but_by_the_index():
    ten = answers([10, 5, 1], scale_min=1.0, scale_max=10.0)
    with pytest.raises(ParameterError, match="answers on 1–5; these are on 1–10.*method='index'"):
        csat(ten)
    assert float(csat(ten, method="index")) == pytest.approx((100 + 400 / 9 + 0) / 3)
    mixed = pd.concat([ten, hundred().drop(columns="kind").assign(survey_id=range(160))])
    with pytest.raises(ParameterError, match="1–5, 1–10"):
        csat(mixed)
    assert csat(mixed, method="index").n == 103
    with pytest.raises(ParameterError, match="0–10; these are on 1–10.*cannot be converted"):
        nps(ten)
    with pytest.raises(ParameterError, match="1–7; these are on 1–10"):
        ces(ten)
    with pytest.raises(ParameterError, match="different scales"):
        survey_mean(mixed.assign(kind="trust"), kind="trust")
    unanswered = answers([None], scale_min=1.0, scale_max=10.0)
    assert csat(unanswered).n == 0


def test_a_scale_upside_down_is_off_its_scale():
    with pytest.warns(RowsLeftOut, match="off its scale"):
        assert csat(answers([3, 4], scale_min=[5.0, 1.0], scale_max=[1.0, 5.0])).n == 1


# NPS


def test_nps_is_promoters_less_detractors(engine):
    scores = [10] * 30 + [9] * 10 + [8] * 20 + [7] * 15 + [6] * 5 + [0] * 20
    frame = answers([*scores, None, 6.5, 11], kind="nps", scope="relational", scale_min=0.0, scale_max=10.0)
    with pytest.warns(RowsLeftOut, match="2 of 103"):
        figure = nps(engine(frame))
    assert (float(figure), figure.n, figure.definition.id) == (15.0, 100, "nps.relational")
    p, d = 0.4, 0.25
    assert figure.high - 15 == pytest.approx(1.959964 * math.sqrt((p + d - (p - d) ** 2) / 100) * 100)
    assert figure.besides == {"promoters": 40, "passives": 35, "detractors": 25, "answered": 100, "sent": 101}


def test_scopes_are_never_pooled(engine):
    frame = answers([10, 9, 0, 8], kind="nps", scope=["relational", "relational", "transactional", None])
    table = engine(frame)
    with pytest.raises(ParameterError, match="relational 2, transactional 1.*never pooled"):
        nps(table)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = nps(table, scope="relational")
    assert (float(told), told.n, told.excluded) == (100.0, 2, {"no_scope": 1})
    assert math.isnan(told.low)  # two answers of one mind do not tell how minds vary
    groups = engine.back(nps(table, by="scope"))
    assert groups.set_index(groups["scope"].fillna("?"))["value"].to_dict() == {
        "relational": 100, "transactional": -100, "?": 0,
    }  # fmt: skip
    assert nps(engine(frame.drop(columns="scope"))).definition.id == "nps.any"
    assert nps(engine(frame[frame["scope"] == "transactional"])).definition.id == "nps.transactional"


@settings(max_examples=25)
@given(st.lists(st.integers(0, 10), min_size=1, max_size=60))
def test_nps_stays_in_its_bounds_and_turns_with_the_answers(scores):
    figure = nps(answers(scores))
    p, d = np.mean(np.array(scores) >= 9), np.mean(np.array(scores) <= 6)
    assert float(figure) == pytest.approx(100 * (p - d))
    assert -100 <= float(figure) <= 100
    assert math.isnan(figure.low) or -100 <= figure.low <= float(figure) <= figure.high <= 100
    assert math.isnan(figure.low) == (max(p, d, 1 - p - d) == 1 and max(p, d) in (0, 1))


@settings(max_examples=25)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=60))
def test_the_csat_figures_agree_with_each_other(scores):
    table, raw = answers(scores), np.array(scores)
    found = {method: csat(table, method=method) for method in ("top2", "mean", "net", "zendesk", "index")}
    assert float(found["top2"]) == pytest.approx(np.mean(raw >= 4))
    assert float(found["index"]) == pytest.approx(25 * (np.mean(raw) - 1))
    assert float(found["net"]) == pytest.approx(100 * (np.mean(raw >= 4) - np.mean(raw <= 2)))
    decided = raw[raw != 3]
    assert math.isnan(float(found["zendesk"])) == (not len(decided))
    assert not len(decided) or float(found["zendesk"]) == pytest.approx(np.mean(decided >= 4))


# CES and means


def test_effort_and_other_means(engine):
    frame = answers([7, 6, 5, 2, None], kind="ces", driver=["a", "a", "b", "b", "b"])
    figure = ces(engine(frame))
    assert (float(figure), figure.n, figure.besides) == (5.0, 4, {"easy": 3, "answered": 4, "sent": 5})
    assert float(ces(engine(frame), method="share")) == 0.75
    same = survey_mean(engine(frame), kind="ces")
    assert (float(same), same.low, same.definition.parameters["high"]) == (5.0, figure.low, "7")
    table = engine.back(survey_mean(engine(frame), kind="ces", by="driver")).sort_values("driver")
    assert table["value"].to_list() == [6.5, 3.5]


# Experience against expectation


def paired() -> pd.DataFrame:
    """A expects 3 and gives staff 5, price 2 (of which A expected 4); B expects 4, gives price 4 and 2."""
    rows = [
        ("A", "expectation", None, 3), ("A", "expectation", "price", 4), ("A", "driver", "staff", 5),
        ("A", "driver", "price", 2), ("B", "expectation", None, 4), ("B", "driver", "price", 4),
        ("B", "driver", "price", 2), ("C", "expectation", None, 5), ("D", "driver", "staff", 1),
        ("A", "csat", None, 4), ("B", "csat", None, 5),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["customer_id", "kind", "driver", "score"])
    whole = answers(frame.pop("score"))
    return pd.concat([whole, frame], axis="columns")


def test_the_gap_is_paired_by_customer_and_attribute(engine):
    table = engine(paired())
    gap = disconfirmation_gap(table)  # A: (5−3 + 2−4) / 2 = 0, B: 3 − 4 = −1
    assert (float(gap), gap.n, gap.besides) == (-0.5, 2, {"unpaired": 2})
    assert (gap.low, gap.high) == (-4, 4)  # Student's would reach 6.4 to either side: no two answers are so far apart
    groups = engine.back(disconfirmation_gap(table, by="driver")).sort_values("driver")
    assert groups[["driver", "value", "n"]].to_numpy().tolist() == [["price", -1.5, 2], ["staff", 2.0, 1]]
    assert float(disconfirmation_gap(table, perceived="csat")) == 1.0  # 4 − 3 and 5 − 4
    with pytest.warns(RowsLeftOut, match="name no customer"):
        assert disconfirmation_gap(engine(paired().assign(customer_id=[None, *paired()["customer_id"][1:]]))).n == 2


def test_the_gap_refuses_what_cannot_be_compared():
    with pytest.raises(ParameterError, match="different scales"):
        disconfirmation_gap(paired().assign(scale_min=0.0, scale_max=[5.0] * 5 + [10.0] * 6))
    with pytest.raises(ParameterError, match="by='channel'"):
        disconfirmation_gap(paired().assign(channel="web"), by="channel")
    assert disconfirmation_gap(paired().drop(columns="driver"), perceived="csat").n == 2
    with pytest.raises(MissingColumn, match="'driver'"):
        disconfirmation_gap(paired().drop(columns="driver"))


# Drivers


def rated(customers: int = 60, seed: int = 3) -> pd.DataFrame:
    """Everybody rates staff, price and booking; few rate parking; staff matters, booking does not."""
    draw = np.random.default_rng(seed)
    rows = []
    for who in range(customers):
        staff, price, booking = draw.integers(1, 6, 3)
        overall = int(np.clip(round(0.7 * staff + 0.3 * price + draw.normal(0, 0.5)), 1, 5))
        rows += [(who, "driver", "staff", staff), (who, "driver", "price", price), (who, "driver", "booking", booking)]
        rows += [(who, "csat", None, overall)] + ([(who, "driver", "parking", 3)] if who < 9 else [])
    frame = pd.DataFrame(rows, columns=["customer_id", "kind", "driver", "score"])
    whole = answers(frame.pop("score"))
    return pd.concat([whole, frame.assign(customer_id=[f"c{who}" for who in frame["customer_id"]])], axis="columns")


def wide(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.assign(what=frame["driver"].fillna("csat"))
    return frame.pivot_table(index="customer_id", columns="what", values="score")


def test_drivers_by_correlation(engine):
    frame = rated()
    with pytest.warns(RowsLeftOut, match=r"1 of 4 drivers \(parking\).*fewer than 10 customers"):
        table = engine.back(driver_analysis(engine(frame))).set_index("driver")
    assert table.index.to_list() == ["booking", "parking", "price", "staff"]
    known = wide(frame).drop(columns="parking")
    for driver in ("booking", "price", "staff"):
        r = known.corr().loc[driver, "csat"]
        assert table.loc[driver, "importance"] == pytest.approx(r)
        low, high = fisher(np.array([r]), np.array([60]))
        assert (table.loc[driver, "low"], table.loc[driver, "high"]) == (pytest.approx(low[0]), pytest.approx(high[0]))
        assert table.loc[driver, "gap"] == pytest.approx(5 - known[driver].mean())
        assert table.loc[driver, "priority"] == pytest.approx(r * (5 - known[driver].mean()))
    assert pd.isna(table.loc["parking", ["importance", "low", "priority"]]).all()
    assert (table.loc["parking", "pairs"], table.loc["parking", "n"], table.loc["parking", "gap"]) == (9, 9, 2.0)
    assert table["importance"].idxmax() == "staff"


def test_drivers_by_regression(engine):
    frame = rated()
    frame = frame[frame["driver"] != "parking"]
    table = engine.back(driver_analysis(engine(frame), method="regression")).set_index("driver")
    scores = wide(frame)
    z = (scores - scores.mean()) / scores.std(ddof=0)
    x, y = z[["booking", "price", "staff"]].to_numpy(), z["csat"].to_numpy()
    beta, rest, *_ = np.linalg.lstsq(x, y, rcond=None)
    assert table["importance"].to_numpy() == pytest.approx(beta)
    error = np.sqrt(rest[0] / (60 - 3 - 1) * np.diag(np.linalg.inv(x.T @ x)))
    assert (table["high"] - table["importance"]).to_numpy() == pytest.approx(2.003241 * error, rel=1e-5)
    assert set(table["pairs"]) == {60}


def test_a_regression_needs_ten_customers_for_each_driver():
    with pytest.warns(RowsLeftOut, match="needs 40 customers .* there are 9"):
        table = driver_analysis(rated(), method="regression")
    assert table["importance"].isna().all()
    assert table["gap"].notna().all()


def test_drivers_against_expectation():
    table = driver_analysis(paired(), gap="expected", least=1).set_index("driver")
    assert table["gap"].to_dict() == {"price": 1.5, "staff": -2.0}


def test_regression_says_nothing_of_twins_and_of_what_never_varies():
    twins = {"a": 10, "b": 10, "y": 10, "aa": 40, "ab": 40, "ay": 35, "bb": 40, "by": 35, "yy": 40}
    flat = {"a": 10, "b": 10, "y": 10, "aa": 20, "ab": 20, "ay": 20, "bb": 40, "by": 35, "yy": 40}
    for sums in (twins, flat):
        assert np.isnan(standardised(["a", "b", "y"], sums, 5)[0]).all()


def test_too_many_drivers_are_no_drivers():
    frame = answers([5] * 41, kind="driver", customer_id="A", driver=[str(n) for n in range(41)])
    with pytest.raises(ParameterError, match="41 different drivers"):
        driver_analysis(frame)


# Bad input, for all of them

ALL = {
    "csat": csat,
    "nps": nps,
    "ces": ces,
    "trust": lambda table, **more: survey_mean(table, kind="trust", **more),
}


@pytest.mark.parametrize("kind", ALL)
def test_no_answer_is_no_data_not_zero(quick_engine, kind):
    for frame in (answers([None, None], kind=kind), answers([3], kind="brand"), answers([3], kind=kind).iloc[:0]):
        figure = ALL[kind](quick_engine(frame.astype({"kind": "str"})), start="2026-01-01")
        assert math.isnan(float(figure))
        assert math.isnan(figure.low)
        assert (figure.n, figure.excluded) == (0, {})


@pytest.mark.parametrize("kind", ALL)
def test_faulty_rows_are_counted(kind):
    frame = answers([3, 3, 3, 3, float("inf"), None, 3], kind=kind)
    frame["kind"] = frame["kind"].astype(object).where(frame.index != 0)
    frame.loc[1, "sent_at"] = None
    frame.loc[2, "responded_at"] = pd.Timestamp("2026-01-01")
    frame.loc[3, "survey_id"] = "0006"
    frame.loc[5, "responded_at"] = MARCH + pd.Timedelta("2D")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure = ALL[kind](frame)
    assert figure.n == 1
    assert figure.excluded == {
        "same_key": 1, "no_kind": 1, "no_date": 1, "out_of_order": 1, "off_scale": 1, "score_missing": 1,
    }  # fmt: skip


def test_columns_that_are_missing_or_of_another_type():
    with pytest.raises(MissingColumn, match="'score'"):
        csat(answers([3]).drop(columns="score"))
    with pytest.raises(WrongType, match="'score'"):
        csat(answers([3]).assign(score="★★★"))
    own = answers([5, 1]).rename(columns={"score": "点数"})
    assert float(csat(own, columns={"score": "点数"})) == 0.5
    assert csat(answers([3, 4], kind=["csat", None]).assign(survey_id=[1, "x"])[:1]).n == 1


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize(
    ("metric", "arguments", "said"),
    [
        (csat, {"method": "best"}, "one of 'top2', 'mean', 'net', 'zendesk', 'index'"),
        (nps, {"scope": "both"}, "one of 'relational', 'transactional'"),
        (ces, {"method": "median"}, "one of 'mean', 'share'"),
        (survey_mean, {"kind": "smile"}, "one of 'csat'"),
        (survey_response_rate, {"counted": "all"}, "one of 'sent', 'created'"),
        (driver_analysis, {"outcome": "driver"}, "one of 'csat'"),
        (driver_analysis, {"least": 0}, "least must lie between"),
        (disconfirmation_gap, {"perceived": "nps"}, "one of 'driver'"),
        (csat, {"start": "2026-04-01", "end": "2026-03-01"}, "must come before"),
    ],
)
def test_senseless_arguments_are_refused_in_both_languages(metric, arguments, said, language):
    with in_language(language):
        with pytest.raises(ParameterError) as caught:
            metric(hundred(), **arguments)
        assert (
            said in str(caught.value) if language == "en" else any("ぁ" <= sign <= "ん" for sign in str(caught.value))
        )


# A simulated shop, beside plain pandas


@pytest.fixture(scope="module")
def asked():
    return crmkit.simulate("salon", customers=1_000, weeks=80, seed=5).survey_responses


def test_a_simulated_shop_agrees_with_plain_pandas(asked):
    half = asked[(asked["sent_at"] >= "2024-07-01") & (asked["sent_at"] < "2025-01-01")]
    window = {"start": "2024-07-01", "end": "2025-01-01"}
    score = {kind: half.loc[half["kind"] == kind, "score"].dropna() for kind in ("csat", "nps", "ces", "trust")}
    assert min(map(len, score.values())) > 5
    assert float(csat(asked, **window)) == (score["csat"] >= 4).mean()
    assert float(nps(asked, **window)) == pytest.approx(100 * ((score["nps"] >= 9).mean() - (score["nps"] <= 6).mean()))
    assert float(ces(asked, **window)) == pytest.approx(score["ces"].mean())
    assert float(survey_mean(asked, kind="trust", **window)) == pytest.approx(score["trust"].mean())
    rate = survey_response_rate(asked, kind="csat", **window)
    besides = csat(asked, **window).besides
    assert (besides["answered"], besides["sent"]) == (rate.numerator, rate.denominator)
    kinds = {
        kind: asked[asked["kind"] == kind].groupby("customer_id")["score"].mean() for kind in ("expectation", "csat")
    }
    gap = disconfirmation_gap(asked, perceived="csat")
    assert float(gap) == pytest.approx((kinds["csat"] - kinds["expectation"]).mean())
    differences = (kinds["csat"] - kinds["expectation"]).dropna()
    assert gap.n == len(differences)
    low, high = stats.t.interval(0.95, len(differences) - 1, differences.mean(), stats.sem(differences))
    assert (gap.low, gap.high) == (pytest.approx(low), pytest.approx(high))


# Pictures


@pytest.mark.parametrize("language", ["ja", "en"])
def test_scores_are_drawn_with_all_their_words(asked, language):
    from crmkit.plots.base import png, style

    with in_language(language):
        nothing = nps(asked, start="2040-01-01")
        pictures = [
            plot_nps({"a": nps(asked), "b": nothing}),
            plot_csat(csat(asked)),
            plot_csat(csat(asked, method="net")),
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RowsLeftOut)
            pictures.append(plot_driver_analysis(driver_analysis(asked, outcome="nps", least=8)))
        for axes in pictures:
            assert axes.get_xlabel()
            with style():
                assert png(axes.figure).startswith(b"\x89PNG")


def test_the_middle_of_the_passives_is_the_score():
    figure = nps(answers([10] * 5 + [7] * 3 + [0] * 2))
    axes = plot_nps(figure)
    passives = axes.patches[1]
    assert 2 * (passives.get_x() + passives.get_width() / 2) - 100 == pytest.approx(float(figure))
    with pytest.raises(ParameterError, match="how many gave which answer"):
        plot_csat(csat(answers([5]), method="index"))


def test_a_driver_table_of_any_engine_is_drawn(engine):
    with pytest.warns(RowsLeftOut):
        axes = plot_driver_analysis(driver_analysis(engine(rated())))
    assert sum("(n=60)" in word.get_text() for word in axes.texts) == 3
