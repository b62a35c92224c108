"""Contracts: continuation by delivery, recurring revenue and its movements, and the pictures of staying."""

from __future__ import annotations

import math
import warnings
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import crmkit
from crmkit.errors import MissingColumn, ParameterError, RowsLeftOut
from crmkit.metrics.retention.contracts import continuation_curve, continuation_rate
from crmkit.metrics.retention.recurring import mrr_movements, net_revenue_retention, recurring_revenue_share
from crmkit.metrics.retention.survival import repurchase_curve, survival_curve
from crmkit.plots.staying import (
    plot_continuation_rate,
    plot_mrr_movements,
    plot_repurchase_curve,
    plot_survival_curve,
)

MONTH = 30.4375


def days(*values: str | None) -> pd.Series:
    return pd.Series(pd.to_datetime(list(values), format="ISO8601")).astype("datetime64[us]")


def pair(engine: Any, *tables: pd.DataFrame) -> list[Any]:
    """Tables that can be joined: DuckDB's have to be of one connection."""
    if engine.name != "duckdb":
        return [engine(table) for table in tables]
    import duckdb

    connection = duckdb.connect()
    return [connection.from_arrow(pa.Table.from_pandas(table, preserve_index=False)) for table in tables]


CONTRACTS = pd.DataFrame(
    {
        "subscription_id": ["s", "t", "u", "v", "w"],
        "customer_id": ["A", "B", "C", "A", "D"],
        "started_at": days("2026-01-01", "2026-01-01", "2026-01-20", "2026-02-15", "2026-03-20"),
        "interval_days": [28.0] * 5,
        "plan": ["x", "x", "y", "y", "y"],
    }
)
SENT = pd.DataFrame(
    [
        ("s", "2026-01-01 10:00", "completed"), ("t", "2026-01-01 10:00", "completed"),
        ("u", "2026-01-20", "completed"),
        ("s", "2026-01-30 09:00", "completed"), ("s", "2026-01-30 15:00", "completed"),  # two parcels of one day
        ("t", "2026-01-29", "cancelled"),  # was not shipped
        ("u", "2026-02-18", "completed"), ("v", "2026-02-15", "completed"), ("w", "2026-03-20", "completed"),
        (None, "2026-02-20", "completed"),  # no delivery
    ],
    columns=["subscription_id", "ordered_at", "status"],
)  # fmt: skip
SENT["ordered_at"] = days(*SENT["ordered_at"])
SENT = SENT.assign(order_id=[str(n) for n in range(len(SENT))], customer_id="?")


def test_continuation_counts_the_contracts_whose_delivery_came_due(engine):
    contracts, orders = pair(engine, CONTRACTS, SENT)
    on = {"as_of": "2026-04-01"}
    second = continuation_rate(contracts, orders, nth=2, **on)
    # due with a week's grace: s, t (01-29), u (02-17), v (03-15); w's second is due on 04-17
    assert (second.numerator, second.denominator) == (2, 4)  # s and u; v was due and not sent
    assert second.besides == {"not_due": 1}
    assert second.excluded == {"cancelled": 1}
    # A took up a second contract: their third delivery is s, s, v
    third = continuation_rate(contracts, orders, nth=3, per="customer", **on)
    assert (third.numerator, third.denominator) == (1, 3)
    by_plan = engine.back(continuation_rate(contracts, orders, nth=2, by="plan", **on)).set_index("plan")
    assert by_plan["numerator"].to_dict() == {"x": 1, "y": 1}
    assert by_plan["denominator"].to_dict() == {"x": 2, "y": 2}
    curve = engine.back(continuation_curve(contracts, orders, most=4, **on))
    assert curve["nth"].to_list() == [1, 2, 3, 4]
    assert curve["numerator"].to_list() == [5, 2, 0, 0]
    assert curve["denominator"].to_list() == [5, 4, 3, 0]
    assert curve.loc[1, ["value", "low", "high"]].to_list() == pytest.approx([second.value, second.low, second.high])


def test_continuation_looks_at_contracts_begun_in_the_window_and_days_seen_to_their_end():
    january = continuation_rate(CONTRACTS, SENT, nth=2, start="2026-01-01", end="2026-01-10", as_of="2026-04-01")
    assert january.denominator == 2
    strict = continuation_rate(CONTRACTS, SENT, nth=2, grace_days=0, as_of="2026-01-29")
    assert strict.denominator == 0  # due on the 29th, which has not been seen to its end
    assert continuation_rate(CONTRACTS, SENT, nth=2, grace_days=0, as_of="2026-01-30").denominator == 2


def test_continuation_of_a_simulated_shop_is_brute_force():
    shop = crmkit.simulate("subscription", customers=300, weeks=60, seed=5)
    until = pd.Timestamp("2025-02-24")
    begun = shop.subscriptions.set_index("subscription_id")["started_at"].dt.normalize()
    shipped = shop.orders.dropna(subset=["subscription_id"])
    shipped = shipped[(shipped["status"] == "completed") & (shipped["ordered_at"] < until)]
    count = shipped.groupby("subscription_id")["ordered_at"].apply(lambda at: at.dt.normalize().nunique())
    curve = continuation_curve(shop.subscriptions, shop.orders, as_of=until, most=8).set_index("nth")
    for nth in (1, 2, 5, 8):
        due = begun[begun + pd.Timedelta(days=28 * (nth - 1) + 7) < until].index
        got = int((count.reindex(due).fillna(0) >= nth).sum())
        assert curve.loc[nth, ["numerator", "denominator"]].to_list() == [got, len(due)]
        one = continuation_rate(shop.subscriptions, shop.orders, nth=nth, as_of=until)
        assert (one.numerator, one.denominator) == (got, len(due))
    assert (curve["value"].diff().dropna() < 0.02).all()


def test_continuation_of_bad_tables():
    spoilt = pd.concat([CONTRACTS, CONTRACTS.iloc[:1]], ignore_index=True)
    spoilt.loc[1, "interval_days"] = math.nan
    spoilt.loc[2, "customer_id"] = None
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        rate = continuation_rate(spoilt, SENT, nth=2, as_of="2026-04-01")
    assert rate.excluded == {"same_key": 1, "no_price": 1, "no_customer": 1, "cancelled": 1}
    assert {"same_key", "no_customer"} <= {one.message.reason for one in told}
    assert rate.denominator == 2
    odd = SENT.assign(status="sent")
    with pytest.warns(RowsLeftOut, match="status other than"):
        assert continuation_rate(CONTRACTS, odd, nth=1, as_of="2026-04-01").numerator == 0
    nothing = continuation_rate(CONTRACTS.iloc[:0], SENT.iloc[:0], nth=1)
    assert math.isnan(float(nothing))
    assert nothing.n == 0
    with pytest.raises(MissingColumn, match="subscription_id"):
        continuation_rate(CONTRACTS, SENT.drop(columns="subscription_id"), nth=1)
    for wrong in ({"nth": 0}, {"nth": 1, "per": "box"}, {"nth": 1, "grace_days": -1}):
        with pytest.raises(ParameterError):
            continuation_rate(CONTRACTS, SENT, **wrong)
    own = {"subscriptions": {"started_at": "開始日"}, "orders": {"ordered_at": "注文日"}}
    renamed = CONTRACTS.rename(columns={"started_at": "開始日"}), SENT.rename(columns={"ordered_at": "注文日"})
    assert continuation_rate(*renamed, nth=2, as_of="2026-04-01", columns=own).numerator == 2


PAID = pd.DataFrame(
    {
        "subscription_id": list("abcdefgh"),
        "customer_id": ["A", "B", "B", "C", "C", "D", "E", "F"],
        "started_at": days("2026-01-05", "2026-01-10", "2026-02-10", "2026-01-01", "2026-03-15", "2026-02-03",
                           "2026-02-01", "2026-01-15"),
        "ended_at": days(None, "2026-03-05", None, "2026-02-20", None, "2026-02-25", None, None),
        "interval_days": [MONTH] * 8,
        "unit_amount": [1000.0, 2000.0, 500.0, 3000.0, 4000.0, 700.0, 800.0, 0.0],
        "plan": ["x", "x", "y", "x", "x", "y", "y", "y"],
    }
)  # fmt: skip


def test_movements_of_recurring_revenue_by_hand(engine):
    table = engine.back(mrr_movements(engine(PAID), end="2026-04-10"))
    assert [str(month)[:10] for month in table["month"]] == ["2026-01-01", "2026-02-01", "2026-03-01"]
    want = {
        "opening": [0, 6000, 4300], "new": [6000, 800, 0], "expansion": [0, 500, 0], "contraction": [0, 0, 2000],
        "churned": [0, 3000, 0], "reactivation": [0, 0, 4000], "closing": [6000, 4300, 6300], "customers": [3, 3, 4],
    }  # fmt: skip
    for name, values in want.items():
        assert table[name].to_list() == pytest.approx(values), name
    assert list(table.columns) == ["month", *want]
    later = engine.back(mrr_movements(engine(PAID), start="2026-02-15", end="2026-04-01"))
    assert later["opening"].to_list() == pytest.approx([4300])


contract = st.tuples(
    st.integers(0, 6), st.integers(0, 500), st.none() | st.integers(0, 400), st.sampled_from([7, 14, 28, 30.4375]),
    st.integers(1, 9000),
)  # fmt: skip


@settings(max_examples=12, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # a shrink would take minutes
@given(st.lists(contract, min_size=1, max_size=25))
def test_movements_reconcile_with_what_is_in_force(rows):
    first = pd.Timestamp("2025-01-01")
    frame = pd.DataFrame(
        {
            "subscription_id": [str(n) for n in range(len(rows))],
            "customer_id": [str(who) for who, *_ in rows],
            "started_at": [first + timedelta(days=day) for _, day, *_ in rows],
            "ended_at": days(*[None if life is None else str(first + timedelta(days=day + life))
                               for _, day, life, *_ in rows]),
            "interval_days": [float(interval) for *_, interval, _ in rows],
            "unit_amount": [float(amount) for *_, amount in rows],
        }
    )  # fmt: skip
    table = mrr_movements(frame, end="2026-07-01")
    made = table["opening"] + table["new"] + table["expansion"] - table["contraction"] - table["churned"]
    assert (made + table["reactivation"]).to_numpy() == pytest.approx(table["closing"].to_numpy(), abs=1e-4)
    assert table["opening"].to_numpy()[1:] == pytest.approx(table["closing"].to_numpy()[:-1], abs=1e-9)
    assert (table.drop(columns="month") >= 0).all(axis=None)
    for month, closing, customers in zip(table["month"], table["closing"], table["customers"], strict=True):
        at = month + pd.offsets.MonthBegin(1)
        there = frame[(frame["started_at"] < at) & (frame["ended_at"].isna() | (frame["ended_at"] >= at))]
        assert closing == pytest.approx((there["unit_amount"] * MONTH / there["interval_days"]).sum(), abs=1e-4)
        assert customers == there["customer_id"].nunique()
    # the retention of a window is what the movements of its only month say
    for _, row in table[table["opening"] > 0].head(3).iterrows():
        kept = net_revenue_retention(frame, start=row["month"], end=row["month"] + pd.offsets.MonthBegin(1))
        told = (row["opening"] + row["expansion"] - row["contraction"] - row["churned"]) / row["opening"]
        assert float(kept) == pytest.approx(told)


def test_net_and_gross_revenue_retention_by_hand(engine):
    contracts = engine(PAID)
    window = {"start": "2026-02-01", "end": "2026-04-01"}
    net = net_revenue_retention(contracts, **window)
    # A 1000 → 1000, B 2000 → 500, C 3000 → 4000; D and E were not there, F pays nothing
    assert (float(net), net.numerator, net.denominator, net.n) == pytest.approx((5500 / 6000, 5500, 6000, 3))
    y, x = np.array([1000, 500, 4000]), np.array([1000, 2000, 3000])
    residual = y - net.value * x
    reach = 4.302653 * math.sqrt((residual**2).sum() * 3 / 2) / 6000  # t with 2 degrees of freedom
    assert (net.low, net.high) == pytest.approx((net.value - reach, net.value + reach), rel=1e-5)
    gross = net_revenue_retention(contracts, kind="gross", **window)
    assert float(gross) == pytest.approx(4500 / 6000)
    groups = engine.back(net_revenue_retention(contracts, by="plan", **window)).set_index("plan")
    assert groups["numerator"].loc["x"] == pytest.approx(5500)
    assert groups["n"].to_dict() == {"x": 3, "y": 0}
    nobody = net_revenue_retention(contracts, start="2020-01-01", end="2020-02-01")
    assert (math.isnan(float(nobody)), nobody.n) == (True, 0)


def test_revenue_of_bad_tables():
    spoilt = PAID.copy()
    spoilt.loc[0, "unit_amount"] = -5
    spoilt.loc[1, "unit_amount"] = math.inf
    spoilt.loc[2, "interval_days"] = 0
    spoilt.loc[3, "ended_at"] = pd.Timestamp("2025-01-01")
    spoilt.loc[4, "customer_id"] = None
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        kept = net_revenue_retention(spoilt, start="2026-03-01", end="2026-04-01")
    assert kept.excluded == {"no_customer": 1, "impossible_dates": 1, "no_price": 1, "negative": 1, "infinite": 1}
    assert {"no_customer", "impossible_dates", "infinite"} <= {one.message.reason for one in told}
    assert kept.denominator == pytest.approx(800)  # E alone; D has left, F pays nothing
    empty = mrr_movements(PAID.iloc[:0], end="2026-04-01")
    assert len(empty) == 0
    assert len(mrr_movements(PAID, start="2026-01-02", end="2026-01-31")) == 0
    with pytest.raises(MissingColumn, match="interval_days"):
        mrr_movements(PAID.drop(columns="interval_days"), end="2026-04-01")
    with pytest.raises(ParameterError, match="'net', 'gross'"):
        net_revenue_retention(PAID, start="2026-03-01", end="2026-04-01", kind="grand")
    assert len(mrr_movements(PAID, end="2030-01-01")) == 48  # more months than one query takes


SOLD = pd.DataFrame(
    {
        "order_id": list("123456789"),
        "customer_id": ["A", "A", "A", "B", "B", "C", "D", "D", None],
        "ordered_at": days("2026-01-10 09:00", "2026-01-10 18:00", "2026-03-05", "2025-12-01", "2026-03-07",
                           "2026-02-01", "2026-02-03", "2026-02-20", "2026-02-20"),
        "net_amount": [100.0, 50.0, 300.0, 999.0, 200.0, 400.0, 150.0, math.nan, 70.0],
        "refund_amount": [0.0, 0.0, 100.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        "subscription_id": [None, None, None, None, None, "s", "t", "t", None],
        "shop": ["x", "x", "x", "y", "y", "y", "y", "y", "y"],
    }
)  # fmt: skip


def test_recurring_share_of_sales_by_hand(engine):
    orders = engine(SOLD)
    window = {"start": "2026-01-01", "end": "2026-04-01"}
    with pytest.warns(RowsLeftOut):
        both = recurring_revenue_share(orders, **window)
    # A: 150 on the first day, 200 later; B: 200 again; C 400 and D 150 under contract
    assert (both.numerator, both.denominator, both.n) == pytest.approx((950, 1100, 4))
    assert both.excluded == {"no_customer": 1, "no_amount": 1}
    monthly = np.array([150, 550, 400])
    assert both.besides["monthly_cv"] == pytest.approx(monthly.std(ddof=1) / monthly.mean())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowsLeftOut)
        assert recurring_revenue_share(orders, basis="repeat", **window).numerator == pytest.approx(400)
        assert recurring_revenue_share(orders, basis="subscription", **window).numerator == pytest.approx(550)
        groups = engine.back(recurring_revenue_share(orders, by="shop", **window)).set_index("shop")
        assert groups["numerator"].to_dict() == pytest.approx({"x": 200, "y": 750})
        nothing = recurring_revenue_share(orders, start="2030-01-01")
    assert math.isnan(float(nothing))
    assert math.isnan(nothing.besides["monthly_cv"])


def test_recurring_share_needs_amounts():
    with pytest.raises(MissingColumn, match="net_amount"):
        recurring_revenue_share(SOLD.drop(columns="net_amount"))
    with pytest.raises(MissingColumn, match="subscription_id"):
        recurring_revenue_share(SOLD.drop(columns="subscription_id"), basis="subscription")
    bare = SOLD.drop(columns=["subscription_id", "refund_amount"]).iloc[:7]
    assert recurring_revenue_share(bare, start="2026-01-01").numerator == pytest.approx(500)


# Pictures


@pytest.fixture(scope="module")
def shop():
    return crmkit.simulate("subscription", customers=300, weeks=60, seed=5)


@pytest.mark.parametrize("language", ["ja", "en"])
def test_pictures_say_what_they_show(shop, language):
    crmkit.use_language(language)
    on = {"as_of": "2025-02-24"}
    one = plot_survival_curve(survival_curve(shop.subscriptions, **on))
    three = plot_survival_curve(survival_curve(shop.subscriptions, by="product_id", **on), days=300)
    again = plot_repurchase_curve(repurchase_curve(shop.orders))
    curve = continuation_curve(shop.subscriptions, shop.orders, most=4, **on)
    steps = plot_continuation_rate(curve)
    single = {n: continuation_rate(shop.subscriptions, shop.orders, nth=n, **on) for n in (1, 2)}
    money = mrr_movements(shop.subscriptions, end="2025-02-01")
    bars = plot_mrr_movements(money)
    for ax in (one, three, again, steps, plot_continuation_rate(single), bars):
        ax.figure.canvas.draw()  # warns of a letter without a shape
        assert ax.get_ylabel()
        assert ax.get_title(loc="left")
    said = [note.get_text() for note in one.texts]
    assert f"{len(shop.subscriptions):,}" in said
    assert len(three.get_legend().get_texts()) == 3
    assert len({line.get_linestyle() for line in three.lines[:3]}) == 3  # told apart without colour
    assert three.get_xlim() == (0, 300)
    assert [f"n={n:,}" for n in curve["n"]] == [note.get_text() for note in steps.texts if "n=" in note.get_text()]
    heights = [patch.get_height() for box in bars.containers for patch in box if hasattr(patch, "get_height")]
    assert sum(heights) == pytest.approx(money["closing"].iloc[-1] - money["opening"].iloc[0])


def test_pictures_of_nothing():
    nothing = survival_curve(CONTRACTS.assign(ended_at=days(*[None] * 5)).iloc[:0], as_of="2026-01-01")
    for ax in (plot_survival_curve(nothing), plot_mrr_movements(mrr_movements(PAID.iloc[:0], end="2026-04-01"))):
        ax.figure.canvas.draw()
        assert ax.texts[0].get_text() == "no data"
