"""Sales and their parts: hand-worked tables on every engine, brute force on a simulated shop, and bad input."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit
from crmkit.errors import AmbiguousFigure, MissingColumn, ParameterError, RowsLeftOut, WrongType
from crmkit.metrics.relationship.sales import average_order_value, net_sales, new_vs_repeat, purchase_frequency
from crmkit.texts import in_language

MARCH = {"start": "2026-03-01", "end": "2026-04-01"}


def at(*days: str | None) -> pd.Series:
    return pd.Series(pd.to_datetime(list(days), format="ISO8601").astype("datetime64[us]"))


ORDERS = pd.DataFrame(
    {
        "order_id": [f"O{n}" for n in range(8)],
        "customer_id": ["A", "A", "A", "B", "B", "C", None, "D"],
        "ordered_at": at(
            "2026-02-20", "2026-03-05 09:00", "2026-03-05 18:00", "2026-03-10", "2026-03-12", "2026-03-31 23:59",
            "2026-03-15", "2026-02-01",
        ),
        "channel": ["web", "web", "store", "web", "store", "store", "store", "web"],
        "status": ["completed"] * 7 + ["cancelled"],
        "net_amount": [1000.0, 2000.0, 3000.0, 4000.0, 500.0, 6000.0, 700.0, 9999.0],
        "refund_amount": [400.0, 0.0, 0.0, 4000.0, 0.0, 1000.0, 0.0, 0.0],
        "refunded_at": at("2026-03-03", None, None, "2026-04-02", None, "2026-04-01", None, None),
    }
)  # fmt: skip


def test_net_sales_by_the_day_of_the_refund_or_of_the_order(engine):
    table = engine(ORDERS)
    by_refund = net_sales(table, **MARCH)
    # 2000 + 3000 + 4000 + 500 + 6000 + 700, less the 400 paid back in March for February's order
    assert (float(by_refund), by_refund.n) == (15_800.0, 4)
    assert by_refund.besides["order_basis"] == 11_200.0  # less 4000 and 1000
    assert (by_refund.besides["buyers"], by_refund.besides["orders"]) == (4, 5)  # B's refunded order is none
    assert by_refund.besides["refunds"] == 400.0
    assert dict(by_refund.excluded) == {"cancelled": 1}
    assert by_refund.high - float(by_refund) == pytest.approx(
        1.959964 * math.sqrt(4600**2 + 4500**2 + 6000**2 + 700**2)
    )
    by_order = net_sales(table, **MARCH, refund_basis="order")
    assert (float(by_order), by_order.besides["refund_basis"]) == (11_200.0, 15_800.0)
    groups = engine.back(net_sales(table, **MARCH, by="channel")).set_index("channel")
    assert groups["value"].to_dict() == {"store": 10_200.0, "web": 5600.0}
    assert groups["n"].to_dict() == {"store": 4, "web": 2}
    # the closed month stays as it is; April only pays back
    april = net_sales(table, start="2026-04-01", end="2026-05-01")
    assert (float(april), april.n, april.besides["orders"]) == (-5000.0, 2, 0)


def test_average_order_value_is_per_order_and_says_what_it_is_per_customer(engine):
    table = engine(ORDERS)
    value = average_order_value(table, **MARCH)
    # 2000, 3000 (A), 500 (B; the other one was refunded in full), 5000 (C), 700 (nobody known)
    assert (value.numerator, value.denominator, value.n) == (11_200.0, 5, 4)
    assert (float(value), value.besides["sales_per_buyer"]) == (2240.0, 2800.0)
    assert dict(value.excluded) == {"cancelled": 1, "refunded": 1}
    residuals = np.array([5000 - 2 * 2240, 500 - 2240, 5000 - 2240, 700 - 2240])
    reach = 3.182446 * math.sqrt((residuals**2).sum() * 4 / 3) / 5
    assert value.high - float(value) == pytest.approx(reach, rel=1e-6)
    groups = engine.back(average_order_value(table, **MARCH, by="channel")).set_index("channel")
    assert groups["denominator"].to_dict() == {"store": 4, "web": 1}
    assert groups["numerator"].sum() == value.numerator


def test_purchase_frequency_counts_days(engine):
    named = ORDERS[ORDERS["customer_id"].notna()]
    table = engine(named)
    often = purchase_frequency(table, **MARCH)
    assert (often.numerator, often.denominator, float(often)) == (3, 3, 1.0)
    assert often.besides["orders_per_buyer"] == pytest.approx(4 / 3)
    groups = engine.back(purchase_frequency(table, **MARCH, by="channel")).set_index("channel")
    assert groups["denominator"].to_dict() == {"store": 2, "web": 1}  # B's order on the web does not count
    two = purchase_frequency(table)
    assert (two.numerator, two.denominator) == (4, 3)


def test_new_and_repeat_add_up_to_the_window(engine):
    named = ORDERS[ORDERS["customer_id"].notna()]
    table = engine.back(new_vs_repeat(engine(named), **MARCH)).set_index("kind")
    # A came in February: both of March are repeat; B's first order that counts is of the 12th; C is new
    assert table["orders"].to_dict() == {"new": 2, "repeat": 2}
    assert table["customers"].to_dict() == {"new": 2, "repeat": 1}
    assert table["net_sales"].to_dict() == {"new": 5500.0, "repeat": 5000.0}
    assert table["sales_share"].to_dict() == pytest.approx({"new": 5500 / 10_500, "repeat": 5000 / 10_500})
    assert (table["low"] <= table["sales_share"]).all()
    assert (table["high"] >= table["sales_share"]).all()


def test_who_has_both_in_the_window_counts_once_as_new(engine):
    frame = pd.DataFrame(
        {
            "customer_id": ["A", "A", "A"],
            "ordered_at": at("2026-03-01 09:00", "2026-03-01 20:00", "2026-03-09"),
            "net_amount": [10.0, 20.0, 30.0],
        }
    )
    table = engine.back(new_vs_repeat(engine(frame), **MARCH)).set_index("kind")
    assert table["orders"].to_dict() == {"new": 2, "repeat": 1}
    assert table["customers"].to_dict() == {"new": 1, "repeat": 0}
    assert table["net_sales"].to_dict() == {"new": 30.0, "repeat": 30.0}
    assert math.isnan(table.loc["new", "low"])  # of one customer no interval can be said


def test_ids_met_before_are_left_out_and_rows_without_an_id_stay(engine):
    frame = pd.concat([ORDERS.iloc[[0, 0, 1, 4]], ORDERS.iloc[[1, 2]].assign(order_id=None)], ignore_index=True)
    with pytest.warns(RowsLeftOut, match="1 of 6 rows of 'orders' repeat the id"):
        sales = net_sales(engine(frame), refund_basis="order")
    assert (float(sales), sales.excluded["same_key"]) == (600 + 2000 + 500 + 2000 + 3000, 1)
    with pytest.warns(RowsLeftOut):
        assert average_order_value(engine(frame)).denominator == 5


def test_refunds_without_a_date_or_before_their_order_are_said(engine):
    frame = ORDERS[ORDERS["customer_id"].notna()].copy()
    frame["refunded_at"] = at("2026-01-01", None, None, None, None, "2026-04-01", None)
    with pytest.warns(AmbiguousFigure, match="before their order: 1"):
        sales = net_sales(engine(frame), **MARCH)
    assert float(sales) == 15_500.0 - 4000.0  # B's on the day of the order; A's of February is not of March
    with pytest.warns(AmbiguousFigure):
        whole = net_sales(engine(frame.drop(columns="refunded_at")))
    assert [note.reason for note in whole.notes] == ["refund_undated"]
    assert float(whole) == whole.besides["order_basis"]


def test_amounts_that_are_none_are_counted_out(engine):
    frame = pd.DataFrame(
        {
            "customer_id": list("ABCDEF"),
            "ordered_at": at(*["2026-03-01"] * 6),
            "net_amount": [100.0, None, -5.0, float("inf"), 0.0, 50.0],
            "refund_amount": [None, 0.0, 0.0, 0.0, 0.0, float("inf")],
        }
    )
    with pytest.warns(RowsLeftOut) as told:
        sales = net_sales(engine(frame), refund_basis="order")
    assert {one.message.reason for one in told} == {"infinite", "amount_missing"}
    assert float(sales) == 100.0
    assert dict(sales.excluded) == {"infinite": 2, "negative": 1, "amount_missing": 1}
    with pytest.warns(RowsLeftOut):
        value = average_order_value(engine(frame.iloc[:5]))
    assert (value.numerator, value.denominator) == (100.0, 2)  # what was free is an order


def test_no_orders_are_no_data(quick_engine):
    table = quick_engine(ORDERS.dropna(subset="customer_id"))
    empty = quick_engine(ORDERS.iloc[:0].astype({"customer_id": "str"}))
    for orders, window in ((table, {"start": "2020-01-01", "end": "2020-02-01"}), (empty, {})):
        for metric in (net_sales, average_order_value, purchase_frequency):
            figure = metric(orders, **window)
            assert math.isnan(float(figure))
            assert math.isnan(figure.low)
            assert figure.n == 0
    rows = quick_engine.back(new_vs_repeat(empty))
    assert rows["orders"].to_list() == [0, 0]
    assert rows["sales_share"].isna().all()


def test_net_sales_without_a_customer_are_sales_and_elsewhere_said(engine):
    assert net_sales(engine(ORDERS.iloc[[6]])).besides["buyers"] == 1
    with pytest.warns(RowsLeftOut, match="1 of 8 rows name no customer"):
        purchase_frequency(engine(ORDERS))


@pytest.mark.parametrize("metric", [net_sales, average_order_value, new_vs_repeat])
def test_what_is_missing_or_of_the_wrong_type_is_named(metric):
    with pytest.raises(MissingColumn, match="no column 'net_amount'"):
        metric(ORDERS.drop(columns="net_amount"))
    with pytest.raises(WrongType, match="'net_amount' of 'orders' should hold numbers"):
        metric(ORDERS.assign(net_amount="1,000円"))
    with pytest.raises(ParameterError, match="must come before"):
        metric(ORDERS, start="2026-04-01", end="2026-03-01")
    with pytest.raises(ParameterError, match="this is a list"):
        metric([1, 2])


def test_an_unknown_basis_is_refused():
    with pytest.raises(ParameterError, match="'refund', 'order'"):
        net_sales(ORDERS, refund_basis="day")


def test_own_names_and_whole_yen():
    own = ORDERS.dropna(subset="customer_id").rename(columns={"net_amount": "金額", "order_id": "注文番号"})
    own["金額"] = own["金額"].astype("int64")
    columns = {"net_amount": "金額", "order_id": "注文番号"}
    assert float(net_sales(own, **MARCH, columns=columns)) == 15_100.0
    with pytest.warns(RowsLeftOut, match="repeat the id"):
        net_sales(pd.concat([own, own]), columns=columns)


@pytest.mark.parametrize("code", ["ja", "en"])
def test_figures_are_said_in_both_languages(code):
    with in_language(code):
        said = net_sales(ORDERS, **MARCH)._repr_html_() + average_order_value(ORDERS)._repr_html_()
    assert ("純売上" in said) == (code == "ja")
    assert "besides." not in said


DAYS = st.integers(0, 120)
ROW = st.tuples(st.sampled_from("ABCDE"), DAYS, st.integers(0, 50), st.integers(0, 60), st.integers(-5, 60))


@settings(max_examples=20)
@given(st.lists(ROW, min_size=1, max_size=30), DAYS, st.integers(1, 60))
def test_sales_are_customers_times_frequency_times_value_and_windows_add_up(rows, start, length):
    frame = pd.DataFrame(rows, columns=["customer_id", "day", "net_amount", "refund_amount", "later"])
    frame["ordered_at"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(frame["day"], unit="D")
    frame["refunded_at"] = frame["ordered_at"] + pd.to_timedelta(frame["later"].clip(lower=0), unit="D")
    begin, middle = (pd.Timestamp("2026-01-01") + pd.Timedelta(days=days) for days in (start, start + length))
    for basis in ("refund", "order"):
        whole = net_sales(frame, refund_basis=basis)
        parts = [
            net_sales(frame, refund_basis=basis, end=begin),
            net_sales(frame, refund_basis=basis, start=begin, end=middle),
            net_sales(frame, refund_basis=basis, start=middle),
        ]
        assert sum(float(part) for part in parts if part.n) == pytest.approx(float(whole))
        assert float(whole) == frame["net_amount"].sum() - frame["refund_amount"].sum()
        beside = whole.besides
        if beside["orders"]:
            per_buyer = beside["orders"] / beside["buyers"]
            assert beside["buyers"] * per_buyer * beside["sales_per_order"] == pytest.approx(float(whole))
    table = new_vs_repeat(frame, start=begin, end=middle).set_index("kind")
    value, often = (metric(frame, start=begin, end=middle) for metric in (average_order_value, purchase_frequency))
    assert table["orders"].sum() == value.denominator
    assert table["customers"].sum() == value.n == often.denominator
    assert table["net_sales"].sum() == pytest.approx(value.numerator)


def test_a_simulated_shop_by_brute_force():
    orders = crmkit.simulate("salon", customers=800, weeks=80, seed=3).orders
    window = {"start": "2025-01-01", "end": "2025-02-01"}
    sold = orders[(orders["status"] == "completed") & ~orders["is_test"]]
    inside = sold["ordered_at"].between("2025-01-01", "2025-01-31 23:59:59")
    back = sold["refunded_at"].between("2025-01-01", "2025-01-31 23:59:59")
    wanted = sold.loc[inside, "net_amount"].sum() - sold.loc[back, "refund_amount"].sum()
    assert float(net_sales(orders, **window)) == pytest.approx(wanted)
    valid = sold[~((sold["refund_amount"] > 0) & (sold["refund_amount"] >= sold["net_amount"]))]
    first = valid.groupby("customer_id")["ordered_at"].transform("min").dt.floor("D")
    valid = valid.assign(
        new=first == valid["ordered_at"].dt.floor("D"), money=valid["net_amount"] - valid["refund_amount"]
    )
    valid = valid[valid["ordered_at"].between("2025-01-01", "2025-01-31 23:59:59")]
    table = new_vs_repeat(orders, **window).set_index("kind")
    assert table["orders"].to_dict() == {"new": valid["new"].sum(), "repeat": (~valid["new"]).sum()}
    assert table.loc["new", "net_sales"] == pytest.approx(valid.loc[valid["new"], "money"].sum())
    assert float(average_order_value(orders, **window)) == pytest.approx(valid["money"].mean())
    days = valid.assign(day=valid["ordered_at"].dt.floor("D")).groupby("customer_id")["day"].nunique()
    assert float(purchase_frequency(orders, **window)) == pytest.approx(days.mean())
