"""Selling more to those who buy: hand-worked tables on every engine, and pairs by brute force."""

from __future__ import annotations

import math
from itertools import combinations

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit
from crmkit.errors import MissingColumn, ParameterError, RowsLeftOut
from crmkit.metrics.management.offers import association_lift, cross_sell_rate, offer_acceptance_rate, upsell_rate
from tests.joined import together

BOUGHT = [
    ("1", "A", "2026-01-10", "store", "completed", ["cut"]),
    ("2", "A", "2026-03-02", "web", "completed", ["cut_plus", "wax"]),
    ("3", "B", "2026-01-20", "store", "completed", ["cut_plus", "wax"]),
    ("4", "B", "2026-03-03", "store", "completed", ["cut"]),  # lower, no rise
    ("5", "C", "2026-03-04", "web", "completed", ["cut_plus"]),  # nothing earlier
    ("6", "D", "2026-01-05", "web", "completed", ["wax"]),
    ("7", "D", "2026-03-05", "web", "cancelled", ["wax_pro", "cut"]),
    ("8", "E", "2026-03-06", "web", "completed", ["gone"]),  # a product nobody knows
]
ORDERS = pd.DataFrame(
    [row[:5] for row in BOUGHT], columns=["order_id", "customer_id", "ordered_at", "channel", "status"]
)
ORDERS["ordered_at"] = pd.to_datetime(ORDERS["ordered_at"]).astype("datetime64[us]")
ITEMS = pd.DataFrame(
    [(row[0], line, product) for row in BOUGHT for line, product in enumerate(row[5], 1)],
    columns=["order_id", "line_no", "product_id"],
)
PRODUCTS = pd.DataFrame(
    {
        "product_id": ["cut", "cut_plus", "wax", "wax_pro"],
        "category": ["cut", "cut", "retail", "retail"],
        "tier": [1, 2, 1, 2],
    }
)


def test_categories_and_tiers(engine):
    orders, items, products = together(engine, ORDERS, ITEMS, PRODUCTS)
    goods = {"order_items": items, "products": products}
    rate = cross_sell_rate(orders, **goods)
    assert (rate.numerator, rate.denominator) == (2, 5)  # A and B of A–E
    march = cross_sell_rate(orders, **goods, start="2026-03-01")
    assert (march.numerator, march.denominator) == (1, 4)  # A of A, B, C, E
    table = engine.back(cross_sell_rate(orders, **goods, by="channel"))
    assert table[["numerator", "denominator", "rows_left_out"]].to_numpy().tolist() == [[2, 2, 0], [0, 3, 1]]
    rise = upsell_rate(orders, **goods, start="2026-03-01")
    assert (rise.numerator, rise.denominator) == (1, 3)  # A of A, B, D
    assert rise.besides == {"bought_again": 2}
    table = engine.back(upsell_rate(orders, **goods, start="2026-03-01", by="channel"))
    assert table[["numerator", "denominator"]].to_numpy().tolist() == [[1, 2], [0, 1]]


def test_offers_without_an_answer_are_offers(engine):
    contacts = pd.DataFrame(
        {
            "interaction_id": ["1", "2", "3", "4", "5", "5", "6"],
            "occurred_at": pd.to_datetime(["2026-03-01"] * 6 + ["2026-04-01"]).astype("datetime64[us]"),
            "kind": ["offer", "offer", "offer", "visit", "offer", "offer", "offer"],
            "outcome": ["accepted", "declined", None, "accepted", "none", "none", "accepted"],
            "channel": ["web", "web", "store", "web", "store", "store", "web"],
        }
    )
    with pytest.warns(RowsLeftOut, match="repeat the id"):
        rate = offer_acceptance_rate(engine(contacts), end="2026-04-01")
    assert (rate.numerator, rate.denominator, rate.besides) == (1, 4, {"no_answer": 2})
    table = engine.back(offer_acceptance_rate(engine(contacts), by="channel"))
    assert table["value"].to_list() == pytest.approx([0, 2 / 3])


def test_pairs_in_baskets(engine):
    orders, items, products = together(engine, ORDERS, pd.concat([ITEMS, ITEMS.head(3)]), PRODUCTS)
    pairs = engine.back(association_lift(items))
    assert list(zip(pairs["item"], pairs["other_item"], strict=True)) == [("cut", "wax_pro"), ("cut_plus", "wax")]
    last = pairs.iloc[1]
    assert last[["n_item", "n_other", "n_both", "n"]].to_list() == [3, 3, 2, 8]
    assert last["lift"] == pytest.approx(2 * 8 / 9)
    assert last[["support", "confidence", "confidence_other"]].to_list() == pytest.approx([2 / 8, 2 / 3, 2 / 3])
    error = math.sqrt(1 / 2 - 2 / 3 + (2 * 16 / 9 - 1) / 8)
    assert last[["low", "high"]].to_list() == pytest.approx([16 / 9 * math.exp(s * 1.959964 * error) for s in (-1, 1)])
    valid = engine.back(association_lift(items, orders=orders, products=products))
    assert valid[["item", "other_item", "n_both", "n"]].to_numpy().tolist() == [["cut", "retail", 2, 6]]
    with pytest.warns(RowsLeftOut, match="lack an order number or a product"):
        holes = association_lift(engine(ITEMS.assign(product_id=["cut", None, *ITEMS["product_id"].iloc[2:]])))
    assert len(engine.back(holes)) == 2
    none = engine.back(association_lift(items, min_support=0.9))
    assert len(none) == 0
    assert list(none.columns) == list(pairs.columns)


@settings(max_examples=40)
@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=5), max_size=12))
def test_matrix_join_and_counting_agree(baskets):
    rows = [(f"{at:03}", item) for at, basket in enumerate(baskets) for item in basket]
    items = pd.DataFrame(rows, columns=["order_id", "product_id"]).astype("str")
    full = [set(basket) for basket in baskets if basket]
    wanted = {}
    for one, other in combinations("abcd", 2):
        both = sum({one, other} <= basket for basket in full)
        if both >= max(0.1 * len(full), 1):
            singles = [sum(name in basket for basket in full) for name in (one, other)]
            wanted[one, other] = both * len(full) / (singles[0] * singles[1])
    table = pa.table({name: pa.array(items[name].to_list(), pa.string()) for name in items})
    for found in (
        association_lift(items, min_support=0.1),
        association_lift(duckdb.connect().from_arrow(table), min_support=0.1).df(),
    ):
        lifts = {(row.item, row.other_item): row.lift for row in found.itertuples()}
        assert lifts == pytest.approx(wanted)


def test_the_interval_of_a_lift_covers_it():
    chance, covered, draws = np.random.default_rng(4), 0, 150
    truth = 0.2 / (0.4 * 0.3)  # of 0.2 with both, 0.2 with the one only, 0.1 with the other only
    for _ in range(draws):
        kinds = chance.choice(4, 300, p=[0.2, 0.2, 0.1, 0.5])
        rows = [(at, item) for at, kind in enumerate(kinds) for item in ("ab", "a", "b", "c")[kind]]
        found = association_lift(pd.DataFrame(rows, columns=["order_id", "product_id"]))
        pair = found[(found["item"] == "a") & (found["other_item"] == "b")].iloc[0]
        covered += pair["low"] <= truth <= pair["high"]
    assert 0.9 <= covered / draws <= 0.99


def test_rates_agree_with_brute_force_on_a_shop():
    crm = crmkit.simulate("shop", customers=500, weeks=52, seed=9)
    orders, items, products = crm.orders, crm.order_items, crm.products
    valid = orders[(orders["status"] == "completed") & ~orders["is_test"]]
    valid = valid[~((valid["refund_amount"] > 0) & (valid["refund_amount"] >= valid["net_amount"]))]
    bought = valid.merge(items, on="order_id").merge(products, on="product_id")
    rate = cross_sell_rate(orders, order_items=items, products=products)
    assert rate.numerator == (bought.groupby("customer_id")["category"].nunique() >= 2).sum() > 20
    assert rate.denominator == valid["customer_id"].nunique()
    cut = pd.Timestamp("2024-07-01")
    before = bought[bought["ordered_at"] < cut].groupby(["customer_id", "category"])["tier"].max()
    inside = bought[bought["ordered_at"] >= cut].groupby(["customer_id", "category"])["tier"].max()
    rose = (inside.reindex(before.index) > before).groupby("customer_id").any()
    rise = upsell_rate(orders, order_items=items, products=products, start=cut)
    assert (rise.numerator, rise.denominator) == (rose.sum(), len(rose))


@pytest.mark.parametrize("rows", [0, 1])
def test_little_data(quick_engine, rows):
    orders, items, products = together(quick_engine, ORDERS.head(rows), ITEMS.head(rows), PRODUCTS)
    goods = {"order_items": items, "products": products}
    assert cross_sell_rate(orders, **goods).denominator == rows
    assert math.isnan(float(upsell_rate(orders, **goods, start="2026-01-01")))
    assert len(quick_engine.back(association_lift(items))) == 0
    contacts = pd.DataFrame({"occurred_at": ORDERS["ordered_at"], "kind": "visit", "outcome": None}).head(rows)
    contacts["outcome"] = contacts["outcome"].astype("str")
    assert math.isnan(float(offer_acceptance_rate(quick_engine(contacts))))


def test_what_makes_no_sense_is_refused():
    goods = {"order_items": ITEMS, "products": PRODUCTS}
    with pytest.raises(MissingColumn, match="tier"):
        upsell_rate(ORDERS, order_items=ITEMS, products=PRODUCTS.drop(columns="tier"), start="2026-03-01")
    with pytest.raises(ParameterError, match="upsell_rate needs start"):
        upsell_rate(ORDERS, **goods, start=None)
    with pytest.raises(ParameterError, match="min_support must lie above 0"):
        association_lift(ITEMS, min_support=0)
    with pytest.raises(ParameterError, match="no column of the table"):
        cross_sell_rate(ORDERS, **goods, columns={"kategorie": "category"})
    own = {"order_items": ITEMS, "products": PRODUCTS.rename(columns={"category": "分類"})}
    assert cross_sell_rate(ORDERS, **own, columns={"category": "分類"}).numerator == 2
