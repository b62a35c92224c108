"""Whom customers bring: hand-worked invitations on every engine, the graph against brute force, and its traps."""

from __future__ import annotations

import warnings
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit
from crmkit.errors import AmbiguousFigure, MissingColumn, ParameterError, RowsLeftOut
from crmkit.intervals import ratio_of_sums, wilson
from crmkit.metrics.relationship.families import referral_graph
from crmkit.metrics.relationship.referrals import (
    invited_times_converted,
    k_factor,
    referral_conversion_rate,
    referral_rate,
)
from crmkit.plots.voice import plot_referral_graph
from crmkit.texts import in_language
from tests.joined import quietly, together

NAMES = ("referral_id", "referrer_customer_id", "invitee_customer_id", "invited_at", "first_order_at", "status")
INVITED = pd.DataFrame(
    [
        ("1", "A", "C", "2026-01-10", "2026-01-20", "purchased"),
        ("2", "A", None, "2026-01-12", None, "registered"),
        ("3", "B", "D", "2026-01-15", "2026-03-10", "purchased"),  # too late for 30 days
        ("4", "A", "E", "2026-03-20", "2026-03-25", "purchased"),  # not watched for 30 days
        ("5", "Z", None, "2026-01-11", None, "invited"),  # of nobody who ever bought
        ("6", "B", "F", "2026-02-01", None, "purchased"),  # a purchase without its day
        ("7", "B", "G", "2026-02-01", "2026-01-01", "purchased"),  # bought before being invited
        ("7", "B", "G", "2026-02-01", "2026-01-01", "purchased"),
        ("8", None, "H", "2026-02-02", None, "invited"),
    ],
    columns=NAMES,
).assign(**{name: lambda table, name=name: pd.to_datetime(table[name]) for name in NAMES[3:5]})
ORDERS = pd.DataFrame(
    [
        ("A", "2025-11-01", 1000.0, 0.0, "north"),
        ("B", "2026-01-02", 2000.0, 500.0, "south"),
        ("C", "2026-01-20", 300.0, 0.0, "north"),
        ("D", "2026-03-10", 40.0, 0.0, "south"),
        ("E", "2026-03-25", 7.0, 0.0, "south"),
        ("O", "2024-01-01", 9.0, 0.0, "south"),
    ],
    columns=("customer_id", "ordered_at", "net_amount", "refund_amount", "shop"),
).assign(ordered_at=lambda table: pd.to_datetime(table["ordered_at"]))
MARCH = {"start": "2026-01-01", "end": "2026-04-01"}


def test_rates(engine):
    invited, orders = together(engine, INVITED, ORDERS)
    # A and B of A, B, C, D, E; O has not been active for long, Z is no customer
    rate = quietly(referral_rate, invited, orders, **MARCH)
    assert (rate.numerator, rate.denominator) == (2, 5)
    assert rate.excluded == {"no_customer": 1, "same_key": 1}
    shops = engine.back(quietly(referral_rate, invited, orders, by="shop", **MARCH))
    assert shops[["shop", "numerator", "denominator"]].values.tolist() == [["north", 1, 2], ["south", 1, 3]]
    # of B, C, D and E, who began in the window, C, D and E had been invited
    new = quietly(referral_rate, invited, orders, base="new", **MARCH)
    assert (new.numerator, new.denominator, new.besides["invited_later"]) == (3, 4, 0)
    # in 30 days: 1 of 1, 2, 3 and 5; 6 and 7 cannot be judged, 4 not yet
    came = quietly(referral_conversion_rate, invited, horizon_days=30, as_of="2026-04-01")
    assert (came.numerator, came.denominator, came.besides["not_watched"]) == (1, 4, 1)
    assert came.excluded == {"no_customer": 1, "no_date": 1, "out_of_order": 1, "same_key": 1}
    assert (came.low, came.high) == pytest.approx(wilson(1, 4))
    assert quietly(referral_conversion_rate, invited, horizon_days=60).numerator == 2
    by = engine.back(quietly(referral_conversion_rate, invited, horizon_days=30, as_of="2026-04-01", by="status"))
    assert by[["status", "numerator", "denominator"]].values.tolist() == [
        ["invited", 0, 1], ["purchased", 1, 2], ["registered", 0, 1],
    ]  # fmt: skip
    # 4 invitations of 5 customers, of which 3 have been watched and 1 came
    k = quietly(k_factor, invited, orders, horizon_days=30, as_of="2026-04-01", **MARCH)
    assert (k.value, k.n) == (pytest.approx(4 / 5 * 1 / 3), 5)
    assert k.besides == {"invitations": 4, "watched": 3, "purchased": 1, "invitations_in_all": 5}
    assert 0 <= k.low < k.value < k.high
    shops = engine.back(quietly(k_factor, invited, orders, horizon_days=30, as_of="2026-04-01", by="shop", **MARCH))
    assert shops["value"].to_list() == pytest.approx([3 / 2 * 1 / 2, 0])
    assert shops["low"][1] == 0
    assert shops["high"][1] == pytest.approx(1 / 3 * wilson(0, 1)[1])


def test_the_graph(engine):
    lines = [
        ("A", "B", 1), ("A", "C", 2), ("B", "D", 3), ("E", "D", 2), ("D", "F", 4), ("G", "G", 1), ("A", None, 1),
        ("X", "Y", 1), ("Y", "Z", 2), ("Z", "X", 3), ("Z", "W", 4), ("P", "Q", 5), ("Q", "P", 5),
    ]  # fmt: skip
    invited = made(lines)
    bought = ORDERS.assign(customer_id=["F", "B", "D", "W", "F", "A"])
    table, orders = together(engine, invited, bought)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        graph = engine.back(referral_graph(table, orders=orders))
    assert {(type(one.message), one.message.reason) for one in told} == {
        (RowsLeftOut, "self_referral"), (RowsLeftOut, "circular"), (AmbiguousFigure, "several_referrers"),
    }  # fmt: skip
    said = {one.message.reason: one.message.values["rows"] for one in told}
    assert said == {"self_referral": "1", "circular": "3", "several_referrers": "1"}
    graph = graph.fillna({"referrer_customer_id": "-"})
    # D belongs to E, who was quicker; of X, Y, Z the line back to X is cut, and both between P and Q
    assert graph.drop(columns="descendants_net_amount").values.tolist() == [
        ["A", "-", "A", 0, 2, 2],
        ["B", "A", "A", 1, 0, 0],
        ["C", "A", "A", 1, 0, 0],
        ["D", "E", "E", 1, 1, 1],
        ["E", "-", "E", 0, 1, 2],
        ["F", "D", "E", 2, 0, 0],
        ["W", "Z", "X", 3, 0, 0],
        ["X", "-", "X", 0, 1, 3],
        ["Y", "X", "X", 1, 1, 2],
        ["Z", "Y", "X", 2, 1, 1],
    ]
    amounts = dict(zip(graph["customer_id"], graph["descendants_net_amount"], strict=True))
    assert (amounts["A"], amounts["D"], amounts["E"], amounts["X"]) == (1500, 1007, 1307, 40)


def test_a_long_chain_takes_few_rounds(quick_engine):
    chain = made([(f"c{n:03}", f"c{n + 1:03}", n) for n in range(70)])
    graph = quick_engine.back(referral_graph(quick_engine(chain)))
    assert graph["depth"].to_list() == list(range(71))
    assert graph["descendants"].to_list() == list(range(70, -1, -1))
    assert set(graph["family"]) == {"c000"}
    assert graph["descendants_net_amount"].isna().all()


def made(lines):
    """Invitations from who, whom and the day."""
    return pd.DataFrame(
        {
            "referral_id": [str(n) for n in range(len(lines))],
            "referrer_customer_id": [line[0] for line in lines],
            "invitee_customer_id": pd.Series([line[1] for line in lines], dtype="str"),
            "invited_at": pd.to_datetime("2026-01-01") + pd.to_timedelta([line[2] for line in lines], unit="D"),
        }
    )


def brute(lines):
    """Depth, children and descendants of each customer, found one customer at a time."""
    first = {}
    for referrer, invitee, day in lines:
        if referrer != invitee:
            first[invitee] = min(first.get(invitee, (day, referrer)), (day, referrer))
    for start in list(first):  # walk up; who comes home again is on a circle
        ring, at = [start], first[start][1] if start in first else None
        while at in first and at not in ring:
            ring.append(at)
            at = first[at][1]
        if at == start:
            last = max(first[one][0] for one in ring)
            for one in ring:
                if first[one][0] == last:
                    del first[one]
    ups = {who: referrer for who, (_, referrer) in first.items()}
    depth, below, children = {}, defaultdict(int), defaultdict(int)
    for who in {*ups, *ups.values()}:
        steps, at = 0, who
        while at in ups:
            at, steps = ups[at], steps + 1
            below[at] += 1
        depth[who] = steps
    for referrer in ups.values():
        children[referrer] += 1
    return {who: (depth[who], children[who], below[who]) for who in depth}


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 5)), max_size=25))
def test_any_graph_agrees_with_brute_force(lines):
    named = [(f"c{one}", f"c{other}", day) for one, other, day in lines]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = referral_graph(made(named))
    found = {row.customer_id: (row.depth, row.children, row.descendants) for row in graph.itertuples()}
    assert found == brute(named)
    assert graph.loc[graph["depth"] > 0, "referrer_customer_id"].notna().all()
    assert graph["children"].sum() == (graph["depth"] > 0).sum()


def test_k_is_the_product_of_its_parts_and_its_interval_the_ratios():
    shop = crmkit.simulate("salon", customers=800, weeks=78, seed=5)
    window = {"start": "2024-03-01", "end": "2025-03-01"}
    k = k_factor(shop.referrals, shop.orders, horizon_days=90, **window)
    counted = k.besides
    assert k.value == pytest.approx(counted["invitations"] / k.n * counted["purchased"] / counted["watched"])
    inside = shop.referrals[shop.referrals["invited_at"].between("2024-03-01", "2025-02-28 23:59:59")]
    horizon = (inside["first_order_at"].dt.normalize() - inside["invited_at"].dt.normalize()).dt.days <= 90
    rate = referral_conversion_rate(shop.referrals, horizon_days=90, **window)
    assert (rate.numerator, rate.denominator) == (horizon.sum(), len(inside))
    # where all have been watched, k is new customers per customer, and its interval that ratio's
    chance = np.random.default_rng(2)
    invited = chance.poisson(0.8, 300)
    came = chance.binomial(invited, 0.3)
    sums = {
        "customers": 300, "invitations": invited.sum(), "watched": invited.sum(), "purchased": came.sum(),
        "ii": (invited**2).sum(), "ww": (invited**2).sum(), "iw": (invited**2).sum(), "pp": (came**2).sum(),
        "ip": (invited * came).sum(), "pw": (invited * came).sum(),
    }  # fmt: skip
    found = invited_times_converted({name: np.array([float(value)]) for name, value in sums.items()})
    low, high = ratio_of_sums(300, came.sum(), 300, (came**2).sum(), came.sum(), 300)
    assert (found.low[0], found.high[0]) == pytest.approx((max(low, 0), high))


def test_no_data_is_nan_and_not_nought():
    none = INVITED.head(0)
    assert np.isnan(referral_conversion_rate(none, horizon_days=30).value)
    assert np.isnan(k_factor(none, ORDERS, horizon_days=30, **MARCH).value)
    assert referral_rate(none, ORDERS, **MARCH).value == 0
    assert np.isnan(quietly(referral_rate, INVITED, ORDERS.head(0), **MARCH).value)
    assert np.isnan(quietly(k_factor, INVITED, ORDERS.head(0), horizon_days=30, **MARCH).value)
    for nobody in (none, INVITED.assign(invitee_customer_id=None), INVITED.assign(invitee_customer_id=np.nan)):
        assert len(quietly(referral_graph, nobody)) == 0
    unknown = referral_conversion_rate(INVITED.head(1), horizon_days=400)
    assert np.isnan(unknown.value)
    assert unknown.besides["not_watched"] == 1


def test_ids_of_two_types_still_meet():
    codes = {"A": "1", "B": "2", "C": "3", "D": "4", "E": "5", "Z": "26"}
    invited = INVITED.head(5).assign(
        referrer_customer_id=lambda table: table["referrer_customer_id"].map(codes),
        invitee_customer_id=lambda table: table["invitee_customer_id"].map(codes).astype(float),
    )
    orders = ORDERS.assign(customer_id=[1, 2, 3, 4, 5, 15])
    assert referral_rate(invited, orders, **MARCH).numerator == 2
    assert referral_rate(invited, orders, base="new", **MARCH).numerator == 3
    graph = referral_graph(invited, orders=orders).set_index("customer_id")
    assert graph.loc["1", "descendants_net_amount"] == 307


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ParameterError, match="base"):
        referral_rate(INVITED, ORDERS, base="all", **MARCH)
    with pytest.raises(ParameterError, match="end"):
        referral_rate(INVITED, ORDERS, end=None)
    with pytest.raises(ParameterError, match="horizon_days"):
        referral_conversion_rate(INVITED, horizon_days=0)
    with pytest.raises(MissingColumn, match="first_order_at"):
        referral_conversion_rate(INVITED.drop(columns="first_order_at"), horizon_days=30)
    with pytest.raises(ParameterError, match="speaks of the table"):
        k_factor(INVITED, ORDERS, horizon_days=30, columns={"referral": {}}, **MARCH)


@pytest.mark.parametrize("code", ["en", "ja"])
def test_a_picture_of_families(code):
    lines = [("A", "B", 1), ("A", "C", 2), ("B", "D", 3), ("K", "L", 1), ("M", "N", 1)]
    with in_language(code):
        axes = plot_referral_graph(referral_graph(made(lines)), families=2)
        said = " ".join(label.get_text() for label in axes.texts)
        assert all(who in said for who in "ABCDKL")
        assert "M" not in said
        dots = np.concatenate([dots.get_offsets() for dots in axes.collections if len(dots.get_offsets()) > 1])
        assert sorted(dots[:, 0].astype(int).tolist()) == [0, 0, 1, 1, 1, 2]
        assert len({tuple(dot) for dot in dots.tolist()}) == 6  # nobody stands on somebody else
        assert plot_referral_graph(referral_graph(made(lines[:0]))).texts
        deep = made([(f"c{n:04}", f"c{n + 1:04}", n) for n in range(1500)])
        assert plot_referral_graph(referral_graph(deep), most=50).texts
