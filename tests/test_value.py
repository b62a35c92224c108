"""What customers are worth and cost: hand-worked tables on every engine, and the traps around them."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit
from crmkit import intervals
from crmkit.errors import MissingColumn, ParameterError, RowsLeftOut
from crmkit.estimate import Definition, Estimate, Window, share
from crmkit.metrics.relationship.costs import acquisition_retention_cost_ratio, cac, cac_payback_months, cost_mix
from crmkit.metrics.relationship.value import clv_formula, clv_historic, customer_profits
from crmkit.plots.costs import plot_cost_mix
from crmkit.texts import in_language

MARCH = {"start": "2026-03-01", "end": "2026-04-01"}


def days(*given) -> pd.Series:
    return pd.Series(pd.to_datetime(list(given))).astype("datetime64[us]")


def orders() -> pd.DataFrame:
    """A: 10,000 and 8,000 (1,000 back in May); B: 5,000; C: cancelled, then 3,000 without lines; D: all paid back."""
    return pd.DataFrame(
        {
            "order_id": ["1", "2", "3", "4", "5", "6"],
            "customer_id": ["A", "A", "B", "C", "C", "D"],
            "ordered_at": days("2026-01-10", "2026-03-05", "2026-03-07", "2026-03-08", "2026-03-09", "2026-03-10"),
            "status": ["completed", "completed", "completed", "cancelled", "completed", "completed"],
            "net_amount": [10_000.0, 8_000.0, 5_000.0, 9_000.0, 3_000.0, 2_000.0],
            "refund_amount": [0.0, 1_000.0, 0.0, 0.0, 0.0, 2_000.0],
            "refunded_at": days(None, "2026-05-01", None, None, None, "2026-03-11"),
            "shop": ["x", "y", "y", "y", "y", "y"],
        }
    )


def lines() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "order_id": ["1", "1", "2", "3", "4", "6", "99"],
            "line_no": [1, 2, 1, 1, 1, 1, 1],
            "quantity": [1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0],
            "unit_cost": [2_000.0, 500.0, 3_000.0, 2_500.0, 4_000.0, 700.0, 9.0],
        }
    )


def together(engine, *frames):
    """Tables of one engine; DuckDB joins only what belongs to one connection."""
    if engine.name != "duckdb":
        return tuple(engine(frame) for frame in frames)
    import duckdb

    connection = duckdb.connect()
    return tuple(connection.from_arrow(pa.Table.from_pandas(frame, preserve_index=False)) for frame in frames)


def quiet(metric, *tables, **arguments):
    """A result whose warnings are not the matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowsLeftOut)
        return metric(*tables, **arguments)


# Profit so far


def test_profit_so_far_is_what_is_left_after_costs_and_refunds(engine):
    sold, sent = together(engine, orders(), lines())
    figure = quiet(clv_historic, sold, sent)  # A: 10,000−3,000 + 8,000−1,000−3,000 = 11,000; B: 2,500
    assert (float(figure), figure.n, figure.numerator) == (6_750.0, 2, 13_500.0)
    assert figure.excluded == {"cancelled": 1, "refunded": 1, "no_cost": 1}
    assert figure.besides == {"sales_per_customer": 11_000.0}  # 17,000 and 5,000
    low, high = intervals.t_mean(2, 13_500, 11_000**2 + 2_500**2)
    assert (figure.low, figure.high) == (pytest.approx(float(low)), pytest.approx(float(high)))
    april = quiet(clv_historic, sold, sent, as_of="2026-04-01")  # the refund of May has not been paid yet
    assert (float(april), april.window.end.month) == (7_250.0, 4)
    january = quiet(clv_historic, sold, sent, as_of="2026-02-01")
    assert (float(january), january.n, math.isnan(january.low)) == (7_000.0, 1, True)
    groups = engine.back(quiet(clv_historic, sold, sent, by="shop")).set_index("shop")
    assert groups["value"].to_dict() == {"x": 11_000.0, "y": 2_500.0}  # A's group is that of the first order
    people = engine.back(quiet(customer_profits, sold, sent)).sort_values("customer_id")
    assert people.to_numpy().tolist() == [
        ["A", 2, 18_000.0, 1_000.0, 6_000.0, 11_000.0], ["B", 1, 5_000.0, 0.0, 2_500.0, 2_500.0],
    ]  # fmt: skip


def test_faulty_orders_and_lines_are_counted():
    sold = orders()
    sold.loc[len(sold)] = sold.loc[0]  # the same order twice
    sold["refund_amount"] = sold["refund_amount"].where(sold.index != 2, -5.0)
    sold["net_amount"] = sold["net_amount"].where(sold.index != 1)
    twice = pd.concat([lines(), lines().head(1)])
    figure = quiet(clv_historic, sold, twice)
    assert (float(figure), figure.n) == (7_000.0, 1)
    assert figure.excluded == {
        "cancelled": 1, "refunded": 1, "amount_missing": 1, "negative": 1, "no_cost": 1, "same_key": 1,
    }  # fmt: skip
    assert "1 of 8 rows of 'order_items' repeat" in str(figure.notes[-1])


@pytest.mark.parametrize("cost", [None, float("inf"), -1.0])
def test_a_line_without_a_plain_cost_makes_the_profit_unknown(cost):
    sent = lines()
    sent["unit_cost"] = sent["unit_cost"].where(sent.index != 1, cost)
    figure = quiet(clv_historic, orders(), sent)
    assert (float(figure), figure.n, figure.excluded["no_cost"]) == (3_250.0, 2, 2)  # A has order 2 left: 4,000


def test_profit_of_nobody_is_no_data(quick_engine):
    for sold in (orders().iloc[:0], orders().assign(customer_id="C", status="cancelled")):
        figure = quiet(clv_historic, *together(quick_engine, sold.astype({"order_id": "str"}), lines()))
        assert math.isnan(float(figure))
        assert figure.n == 0
    nothing = quiet(clv_historic, *together(quick_engine, orders(), lines().iloc[:0]))
    assert (nothing.n, nothing.excluded["no_cost"]) == (0, 4)


def test_ids_as_numbers_here_and_as_text_there_meet(engine):
    sold, sent = orders(), lines()
    sold["order_id"] = sold["order_id"].astype("int64")
    assert float(quiet(clv_historic, *together(engine, sold, sent))) == 6_750.0
    own = {"orders": {"net_amount": "売上"}, "order_items": {"unit_cost": "原価"}}
    sold, sent = sold.rename(columns=own["orders"] | {"net_amount": "売上"}), sent.rename(columns={"unit_cost": "原価"})
    assert float(quiet(clv_historic, *together(engine, sold, sent), columns=own)) == 6_750.0
    with pytest.raises(ParameterError, match="'customers'"):
        clv_historic(sold, sent, columns={"customers": {}})
    with pytest.raises(MissingColumn, match="'unit_cost' of 'order_items'|'order_items' has no column 'unit_cost'"):
        clv_historic(orders(), sent)


# Profit to come


def test_one_label_three_numbers():
    end = clv_formula(10_000, retention=0.8, discount=0.1)
    certain = clv_formula(10_000, retention=0.8, discount=0.1, first="certain")
    plain = clv_formula(10_000, retention=0.8, first="undiscounted")
    assert [round(float(one)) for one in (end, certain, plain)] == [26_667, 36_667, 50_000]
    assert float(certain) - float(end) == pytest.approx(10_000)  # the margin that is certain
    assert float(clv_formula(10_000, retention=0.8, discount=0.0, first="certain")) == pytest.approx(float(plain))
    assert float(clv_formula(10_000, retention=0.8, discount=0.1, cac=6_667)) == pytest.approx(20_000, abs=1)
    assert "26,667 yen" in str(end)
    assert (end.n, end.method) == (0, "none")


def test_the_interval_of_retention_is_carried():
    kept = share(80, 100, Window(), Definition("retention_rate.activity", {"active_days": 365}))
    figure = clv_formula(10_000, retention=kept, discount=0.1)
    ends = [10_000 * r / (1.1 - r) for r in (kept.low, kept.high)]
    assert (figure.low, figure.high) == (pytest.approx(ends[0]), pytest.approx(ends[1]))
    assert (figure.n, figure.method) == (100, "carried")
    margin = Estimate(10_000, 9_000, 11_000, 40, 1, 1, Window(), Definition("clv_historic"), unit="jpy", method="t")
    both = clv_formula(margin, retention=kept, discount=0.1)
    assert both.n == 40
    assert both.high - float(both) == pytest.approx(math.hypot(figure.high - float(figure), 0.1 * float(both)))
    everyone = share(10, 10, Window(), Definition("retention_rate.activity", {"active_days": 365}))
    assert clv_formula(100, retention=everyone, discount=0.1).high == pytest.approx(1_000)
    almost = share(9, 10, Window(), Definition("retention_rate.activity", {"active_days": 365}))
    assert clv_formula(100, retention=almost, first="undiscounted").high < math.inf
    nobody = share(0, 0, Window(), Definition("retention_rate.activity", {"active_days": 365}))
    empty = clv_formula(100, retention=nobody, discount=0.1)
    assert (math.isnan(float(empty)), math.isnan(empty.high), empty.n) == (True, True, 0)


def test_an_end_beyond_the_limit_is_infinite():
    loose = Estimate(0.9, 0.7, 1.2, 9, 9, 10, Window(), Definition("retention_rate.activity", {}), method="wilson")
    figure = clv_formula(100, retention=loose, discount=0.1)
    assert (figure.high, figure.low) == (math.inf, pytest.approx(70 / 0.4))


@settings(max_examples=60)
@given(st.floats(0, 0.99), st.floats(0.001, 0.5), st.floats(1, 1e6))
def test_the_formula_is_the_sum_it_stands_for(r, d, m):
    periods = np.arange(1, 4_000)
    discounted = m * np.sum((r / (1 + d)) ** periods)
    assert float(clv_formula(m, retention=r, discount=d)) == pytest.approx(discounted, rel=1e-6, abs=1e-9)
    assert float(clv_formula(m, retention=r, discount=d, first="certain")) == pytest.approx(m + discounted, rel=1e-6)


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: clv_formula(1, retention=1.1, discount=0.1), "less than 1 + discount (1.1)"),
        (lambda: clv_formula(1, retention=1.0, first="undiscounted"), "less than 1 + discount (1)"),
        (lambda: clv_formula(1, retention=-0.1, discount=0.1), "at least 0"),
        (lambda: clv_formula(1, retention=0.8), "needs discount="),
        (lambda: clv_formula(1, retention=0.8, discount=-0.1), "discount must be a number from 0"),
        (lambda: clv_formula(1, retention=0.8, discount=0.1, first="undiscounted"), "takes no discount"),
        (lambda: clv_formula(1, retention=0.8, discount=0.1, first="never"), "one of 'end', 'certain', 'undiscounted'"),
        (lambda: cac_payback_months(1, monthly_margin_amount=0), "never pays back"),
        (lambda: cac(costs(), visits(), kind="organic"), "one of 'blended', 'paid', 'referral'"),
        (lambda: cac(costs(), visits(), kind="paid"), "needs customers="),
        (lambda: cac(costs(), visits(), **MARCH, lag_days=-1), "lag_days must lie between"),
        (lambda: acquisition_retention_cost_ratio(costs(), visits(), **MARCH, labour_share=2), "between 0 and 1"),
        (lambda: cost_mix(costs(), start="2026-03-01", end="2026-03-01"), "must come before"),
    ],
)
def test_senseless_arguments_are_refused_in_both_languages(call, said, language):
    with in_language(language):
        with pytest.raises(ParameterError) as caught:
            call()
        assert (
            said in str(caught.value) if language == "en" else any("ぁ" <= sign <= "ん" for sign in str(caught.value))
        )


# What it costs to win and to keep


def costs() -> pd.DataFrame:
    rows = [
        ("1", "2026-03-01", "acquisition", "ad", "search", 6_000.0),
        ("2", "2026-03-02", "acquisition", "reward", None, 900.0),
        ("3", "2026-03-03", "acquisition", "promotion", "event", 1_100.0),
        ("4", "2026-03-31", "acquisition", "labour", None, 2_000.0),
        ("5", "2026-02-15", "acquisition", "ad", "sns", 3_000.0),
        ("6", "2026-03-09", "retention", "tool", None, 1_000.0),
        ("7", "2026-03-09", "retention", "labour", None, 500.0),
        ("8", "2026-03-09", "service", "labour", None, 4_000.0),
        ("9", "2026-03-09", None, "tool", None, 50.0),
    ]
    frame = pd.DataFrame(rows, columns=["cost_id", "incurred_date", "purpose", "category", "channel", "amount"])
    return frame.assign(incurred_date=days(*frame["incurred_date"]))


def visits() -> pd.DataFrame:
    """A and B are there before and after, C only before; D, E, F and G are new in March."""
    visited = {"A": ["2026-01-10", "2026-03-03"], "B": ["2026-02-20"], "C": ["2025-01-01"], "D": ["2026-03-05"],
               "E": ["2026-03-09", "2026-03-20"], "F": ["2026-03-25"], "G": ["2026-03-31"]}  # fmt: skip
    pairs = [(who, day) for who, list_of_days in visited.items() for day in list_of_days]
    frame = pd.DataFrame(pairs, columns=["customer_id", "ordered_at"])
    return frame.assign(ordered_at=days(*frame["ordered_at"]))


def people() -> pd.DataFrame:
    came = {"A": "ad", "B": None, "C": "sns", "D": "search", "E": "search", "F": "referral", "G": None}
    return pd.DataFrame({"customer_id": list(came), "acquisition_channel": list(came.values())})


def test_cac_by_kind(engine):
    spent, bought, known = together(engine, costs(), visits(), people())
    blended = quiet(cac, spent, bought, **MARCH)
    assert (float(blended), blended.numerator, blended.n) == (2_500.0, 10_000, 4)
    few, many = intervals.poisson(4)
    assert (blended.low, blended.high) == (pytest.approx(10_000 / many), pytest.approx(10_000 / few))
    assert blended.excluded == {"no_purpose": 1}
    paid = quiet(cac, spent, bought, kind="paid", customers=known, **MARCH)
    assert (float(paid), paid.besides, paid.definition.parameters["channels"]) == (
        3_000.0, {"unknown_channel": 1}, "search",
    )  # fmt: skip
    referral = quiet(cac, spent, bought, kind="referral", customers=known, **MARCH)
    assert float(referral) == 900.0
    late = quiet(cac, spent, bought, **MARCH, lag_days=28)  # Feb 1st to Mar 4th
    assert float(late) == (6_000 + 900 + 1_100 + 3_000) / 4
    before = quiet(cac, spent, bought, start="2026-02-01", end="2026-02-10")
    assert (math.isnan(float(before)), math.isnan(before.low), before.n) == (True, True, 0)
    unbooked = quiet(cac, spent, bought, end="2026-02-01")
    assert (math.isnan(float(unbooked)), unbooked.n) == (True, 2)  # no cost is in the books: it is not known to be 0


def test_faults_of_costs_and_customers_are_counted():
    spent, known = costs(), pd.concat([people(), people().tail(1)])
    spent["amount"] = [float("inf"), -900.0, None, *spent["amount"][3:]]
    spent.loc[3, "incurred_date"] = None
    spent.loc[5, "cost_id"] = "7"
    figure = quiet(cac, spent, visits(), kind="referral", customers=known, **MARCH)
    assert any("'customers' repeat the id" in str(note) for note in figure.notes)
    assert math.isnan(float(figure))  # none of the rewards is left
    assert {
        name: figure.excluded[name] for name in ("infinite", "negative", "cost_amount_missing", "no_date")
    } == dict.fromkeys(("infinite", "negative", "cost_amount_missing", "no_date"), 1)
    assert figure.excluded["same_key"] == 2


def test_payback_carries_the_interval():
    cost = quiet(cac, costs(), visits(), **MARCH)
    months = cac_payback_months(cost, monthly_margin_amount=500)
    assert float(months) == 5.0
    assert (months.low, months.high) == (pytest.approx(cost.low / 500), pytest.approx(cost.high / 500))
    assert months.unit == "months"
    margin = Estimate(500, -20, 900, 30, 1, 1, Window(), Definition("clv_historic"), unit="jpy", method="t")
    assert cac_payback_months(2_500, monthly_margin_amount=margin).high == math.inf
    unknown = Estimate(math.nan, math.nan, math.nan, 0, 0, 0, Window(), Definition("cac.blended", {"lag_days": 0}))
    assert math.isnan(float(cac_payback_months(unknown, monthly_margin_amount=500)))


def test_winning_against_keeping(engine):
    spent, bought = engine(costs()), engine(visits())
    ratio = quiet(acquisition_retention_cost_ratio, spent, bought, **MARCH)
    assert float(ratio) == pytest.approx((10_000 / 4) / (1_500 / 2))
    assert ratio.besides == {
        "new": 4, "retained": 2, "labour_all_acquisition": pytest.approx((10_500 / 4) / (1_000 / 2)),
        "labour_half": pytest.approx((9_250 / 4) / (2_250 / 2)),
        "labour_all_retention": pytest.approx((8_000 / 4) / (3_500 / 2)),
    }  # fmt: skip
    low, high = intervals.rate_ratio(2, 1_500, 4, 10_000)
    assert (ratio.low, ratio.high) == (pytest.approx(float(low)), pytest.approx(float(high)))
    half = quiet(acquisition_retention_cost_ratio, spent, bought, **MARCH, labour_share=0.5)
    assert float(half) == pytest.approx(ratio.besides["labour_half"])
    short = quiet(acquisition_retention_cost_ratio, spent, bought, **MARCH, active_days=10)
    assert (math.isnan(float(short)), short.besides["retained"]) == (True, 0)


def test_what_the_money_goes_into(engine):
    spent = engine(costs())
    table = engine.back(cost_mix(spent, **MARCH)).set_index("purpose")
    assert table["numerator"].to_dict() == {
        "acquisition": 10_000, "retention": 1_500, "service": 4_000, **{table.index[table.index.isna()][0]: 50},
    }  # fmt: skip
    assert table["value"].sum() == pytest.approx(1)
    assert (set(table["denominator"]), table["n"].sum(), table["low"].notna().sum()) == ({15_550}, 8, 0)
    channels = engine.back(cost_mix(spent, by="channel"))
    assert channels["numerator"].sum() == 18_550
    plot_cost_mix(cost_mix(spent, by="channel"))
    nothing = engine.back(cost_mix(spent, start="2030-01-01"))
    assert nothing["value"].isna().all()


# A simulated shop, beside plain pandas


@pytest.fixture(scope="module")
def shop():
    return crmkit.simulate("shop", customers=1_000, weeks=80, seed=5)


def test_a_simulated_shop_agrees_with_plain_pandas(shop):
    good = shop.orders[(shop.orders["status"] == "completed") & ~shop.orders["is_test"]]
    good = good[(good["refund_amount"] < good["net_amount"]) | (good["refund_amount"] == 0)]
    cost = (shop.order_items["quantity"] * shop.order_items["unit_cost"]).groupby(shop.order_items["order_id"]).sum()
    profit = good["net_amount"] - good["refund_amount"] - good["order_id"].map(cost)
    wanted = profit[good["order_id"].isin(cost.index)].groupby(good["customer_id"]).sum()
    figure = quiet(clv_historic, shop.orders, shop.order_items)
    assert (float(figure), figure.n) == (pytest.approx(wanted.mean()), len(wanted))
    half = {"start": "2024-07-01", "end": "2025-01-01"}
    first = good.groupby("customer_id")["ordered_at"].min()
    new = first[(first >= half["start"]) & (first < half["end"])].index
    booked = shop.costs[(shop.costs["incurred_date"] >= half["start"]) & (shop.costs["incurred_date"] < half["end"])]
    won = booked[booked["purpose"] == "acquisition"]
    assert float(cac(shop.costs, shop.orders, **half)) == pytest.approx(won["amount"].sum() / len(new))
    came = shop.customers.set_index("customer_id")["acquisition_channel"].reindex(new)
    ads = won[won["category"] == "ad"]
    paid = cac(shop.costs, shop.orders, kind="paid", customers=shop.customers, **half)
    assert float(paid) == pytest.approx(ads["amount"].sum() / came.isin(ads["channel"]).sum())
    before = good[good["ordered_at"] < half["end"]]
    start, end = (pd.Timestamp(half[name]) for name in ("start", "end"))
    year = pd.Timedelta("365D")
    at_start = set(before.loc[before["ordered_at"].between(start - year, start, inclusive="left"), "customer_id"])
    at_end = set(before.loc[before["ordered_at"] >= end - year, "customer_id"])
    kept = booked.loc[booked["purpose"] == "retention", "amount"].sum() / len(at_start & at_end)
    ratio = acquisition_retention_cost_ratio(shop.costs, shop.orders, **half)
    assert float(ratio) == pytest.approx(won["amount"].sum() / len(new) / kept)
    mix = cost_mix(shop.costs).set_index("purpose")["value"]
    assert mix.to_dict() == pytest.approx(
        (shop.costs.groupby("purpose")["amount"].sum() / shop.costs["amount"].sum()).to_dict()
    )


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_mix_is_drawn_with_all_its_words(shop, language):
    from crmkit.plots.base import png, style

    with in_language(language):
        for by in ("purpose", "category", "channel"):
            axes = plot_cost_mix(cost_mix(shop.costs, by=by))
            with style():
                assert png(axes.figure).startswith(b"\x89PNG")
        names = [label.get_text() for label in plot_cost_mix(cost_mix(shop.costs)).get_yticklabels()]
    assert sorted(names) == (["対応", "獲得", "維持"] if language == "ja" else ["acquisition", "retention", "service"])
