"""The customer base and its segments: hand-worked tables on every engine, brute force, and bad input."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit
from crmkit import frames
from crmkit.errors import AmbiguousFigure, MissingColumn, ParameterError, RowsLeftOut
from crmkit.metrics.relationship.customers import (
    active_customers,
    customer_base_movements,
    customer_states,
    day_of,
    new_customers,
    purchase_interval_days,
    tenure_days,
)
from crmkit.metrics.relationship.segments import decile_table, rfm, segment_summary
from crmkit.plots import png, style
from crmkit.plots.relationship import plot_customer_base_movements, plot_decile_table, plot_rfm
from crmkit.texts import in_language

MARCH = {"start": "2026-03-01", "end": "2026-04-01"}
AS_OF = {"as_of": "2026-04-01"}


def ten_customers() -> pd.DataFrame:
    return crmkit.sample("ten_customers").orders[["customer_id", "ordered_at"]]


@pytest.fixture(scope="module")
def ten(engine):
    return engine(ten_customers())


def beside(orders: Any, frame: pd.DataFrame) -> Any:
    """A second table in the engine, and the connection, of `orders`."""
    small: Any = nw.from_native(pa.Table.from_pandas(frame, preserve_index=False), eager_only=True)
    like: Any = nw.from_native(orders)
    if isinstance(like, nw.LazyFrame) and not like.implementation.is_polars():
        return nw.to_native(frames.same_kind(like, small))
    return nw.to_native(nw.from_arrow(small, backend=like.implementation)) if isinstance(like, nw.DataFrame) else (
        nw.to_native(nw.from_arrow(small, backend="polars").lazy())
    )  # fmt: skip


# counts and movements


def test_the_ten_customers(ten):
    new = new_customers(ten, **MARCH)
    assert (float(new), new.n) == (3.0, 10)  # G, H, I
    assert (new.low, new.high) == pytest.approx((0.6187, 8.7673), abs=1e-4)  # Garwood's
    active = active_customers(ten, **AS_OF, active_days=60)
    assert (float(active), active.denominator) == (9.0, 10)  # all but B
    assert (active.low, active.high) == pytest.approx((5.9585, 9.8213), abs=1e-4)
    assert float(active_customers(ten)) == 10.0  # up to the day after the last order
    tenure = tenure_days(ten, **AS_OF)
    # 117 102 81 76 55 40 30 27 7 86
    assert (float(tenure), tenure.besides["mean"]) == (65.5, 62.1)
    interval = purchase_interval_days(ten, **AS_OF, statistic="p90")
    # A 88, C 31 28, D 17, E 31, G 18, J 84
    assert (interval.n, interval.besides["median"]) == (7, 31.0)
    assert float(interval) == pytest.approx(84 + 0.4 * 4)


def test_movements_of_the_ten_customers_and_their_states(engine, ten):
    march = engine.back(customer_base_movements(ten, **MARCH, active_days=60)).iloc[0]
    assert march.to_list()[2:] == [5, 3, 1, 0, 0, 9]
    months = engine.back(
        customer_base_movements(ten, start="2025-12-01", end="2026-04-01", active_days=30, every="1mo")
    )
    assert months["opening"].to_list() == [0, 2, 3, 4]
    assert months["new"].to_list() == [2, 3, 2, 3]
    assert months["reactivated"].to_list() == [0, 0, 0, 2]  # A and J
    assert months["lapsed"].to_list() == [0, 2, 1, 2]  # A B, J, D F
    assert months["closing"].to_list() == [2, 3, 4, 7]
    short = engine.back(customer_base_movements(ten, start="2025-12-01", end="2026-01-01", active_days=15))
    assert short.iloc[0, 2:].to_list() == [0, 2, 0, 0, 1, 1]  # A's order was too long ago
    states = engine.back(customer_states(ten, **AS_OF, start="2026-03-01", active_days=60))
    assert dict(zip(states["state"], states["customers"], strict=True)) == {
        "new": 3, "active": 5, "reactivated": 1, "lapsed": 0, "dormant": 1,
    }  # fmt: skip
    assert states["share"].sum() == pytest.approx(1)
    assert (states["n"] == 10).all()


def test_groups_follow_the_first_order(quick_engine):
    frame = ten_customers()
    frame["shop"] = np.where(frame["customer_id"].isin(list("ACEGI")), "x", "y")
    frame.loc[frame["customer_id"] == "H", "shop"] = None
    table = quick_engine(frame)
    new = quick_engine.back(new_customers(table, **MARCH, by="shop"))
    assert dict(zip(new["shop"].fillna("?"), new["value"], strict=True)) == {"x": 2.0, "y": 0.0, "?": 1.0}
    active = quick_engine.back(active_customers(table, **AS_OF, active_days=60, by="shop"))
    assert active["numerator"].sum() == 9
    tenure = quick_engine.back(tenure_days(table, **AS_OF, by="shop"))
    assert tenure["n"].sum() == 10
    gaps = quick_engine.back(purchase_interval_days(table, **AS_OF, by="shop")).set_index("shop")
    assert gaps.loc["x", "n"] == 5
    assert gaps.loc["x", "value"] == 31.0


def test_a_table_cut_to_the_window_is_said():
    frame = ten_customers()
    march = frame[frame["ordered_at"] >= "2026-03-01"]
    with pytest.warns(AmbiguousFigure, match="all 7 buyers count as new"):
        new = new_customers(march, **MARCH)
    assert (float(new), [note.reason for note in new.notes]) == (7.0, ["no_earlier_orders"])


def test_no_orders_are_no_data(quick_engine, ten):
    empty = quick_engine(ten_customers().iloc[:0].astype({"customer_id": "str"}))
    for figure in (
        new_customers(ten, start="2020-01-01", end="2020-02-01"),
        new_customers(empty),
        active_customers(empty),
        tenure_days(empty),
        purchase_interval_days(empty),
        active_customers(ten, as_of="2020-01-01"),
    ):
        assert math.isnan(float(figure))
        assert math.isnan(figure.low)
        assert figure.n == 0
    assert float(active_customers(ten, as_of="2036-01-01")) == 0.0
    assert quick_engine.back(customer_base_movements(empty, **MARCH)).iloc[0, 2:].to_list() == [0] * 6
    states = quick_engine.back(customer_states(empty))
    assert states["share"].isna().all()
    money = quick_engine(ten_customers().assign(net_amount=1.0).iloc[:0].astype({"customer_id": "str"}))
    assert len(quick_engine.back(rfm(money))) == 0
    assert quick_engine.back(decile_table(money))["sales"].isna().all()
    assert len(quick_engine.back(segment_summary(money, by="cpm"))) == 0


def test_bad_rows_are_said_once(quick_engine):
    frame = ten_customers().assign(net_amount=100.0)
    frame.loc[0, "customer_id"] = None
    frame.loc[1, "ordered_at"] = pd.NaT
    table = quick_engine(frame)
    for call in (
        lambda: new_customers(table, end="2026-04-01"),
        lambda: customer_base_movements(table, **MARCH, every="1w"),
        lambda: customer_states(table, **AS_OF),
        lambda: rfm(table, **AS_OF),
        lambda: decile_table(table),
        lambda: segment_summary(table, by="cpm"),
    ):
        with pytest.warns(RowsLeftOut) as caught:
            call()
        assert sorted(one.message.reason for one in caught) == ["no_customer", "no_date"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda o: active_customers(o, active_days=0), "between 1 and"),
        (lambda o: tenure_days(o, statistic="p99"), "'median', 'p90', 'mean'"),
        (lambda o: purchase_interval_days(o, as_of="April"), "is not a date"),
        (lambda o: customer_base_movements(o, start="2026-04-01", end="2026-03-01"), "must come before"),
        (lambda o: customer_base_movements(o, start=None, end="2026-03-01"), "needs start"),
        (lambda o: customer_base_movements(o, **MARCH, every="1d"), "'1w', '1mo', '1q', '1y'"),
        (lambda o: customer_states(o, as_of="2026-03-01", start="2026-04-01"), "must come before"),
        (lambda o: rfm(o, as_of="2026-03-01", start="2026-04-01"), "must come before"),
        (lambda o: segment_summary(o, by="region"), "give it as the second argument"),
        (lambda o: segment_summary(o, by="cpm", cpm={"days": 1}), "'lapsed_days'"),
        (lambda o: segment_summary(o, by="chanel"), "no column 'chanel'"),
        (lambda o: rfm(o.drop(columns="net_amount")), "no column 'net_amount'"),
        (lambda o: segment_summary(o, o[["customer_id"]], by="age_band"), "no column 'birth_date'"),
    ],
)
@pytest.mark.parametrize("code", ["en", "ja"])
def test_senseless_arguments_are_refused(call, said, code):
    with in_language(code):
        with pytest.raises((ParameterError, MissingColumn)) as caught:
            call(ten_customers().assign(net_amount=1.0))
        message = str(caught.value)
    assert said in message if code == "en" else any("ぁ" <= sign <= "ん" for sign in message)


def test_days_are_numbered_as_the_engines_number_them():
    days = pd.DataFrame({"at": pd.to_datetime(["1900-03-01", "2000-02-29", "2026-12-31"])})
    numbers = nw.from_native(days, eager_only=True).select(day=frames.day_number(nw.col("at")))["day"].to_list()
    assert numbers == [day_of(at.to_pydatetime()) for at in days["at"]]


VISIT = st.tuples(st.sampled_from("ABCDEFG"), st.integers(0, 400))


@settings(max_examples=25)
@given(
    st.lists(VISIT, max_size=40), st.integers(0, 300), st.integers(1, 150), st.integers(1, 90),
    st.sampled_from([None, "1w", "1mo", "1q", "1y"]),
)  # fmt: skip
def test_movements_always_reconcile(visits, begin, length, active_days, every):
    zero = pd.Timestamp("2025-01-01")
    frame = pd.DataFrame(visits, columns=["customer_id", "day"])
    frame["customer_id"] = frame["customer_id"].astype("str")
    frame["ordered_at"] = (zero + pd.to_timedelta(frame["day"].astype("int64"), unit="D")).astype("datetime64[us]")
    start, end = (zero + pd.Timedelta(days=day) for day in (begin, begin + length))
    table = customer_base_movements(frame, start=start, end=end, active_days=active_days, every=every)
    flows = table["new"] + table["reactivated"] - table["lapsed"] - table["new_and_gone"]
    assert (table["opening"] + flows == table["closing"]).all()
    assert table["closing"].to_list()[:-1] == table["opening"].to_list()[1:]
    assert (table["start"].iloc[0], table["end"].iloc[-1]) == (start, end)
    first = frame.groupby("customer_id")["ordered_at"].min()
    assert table["new"].sum() == ((first >= start) & (first < end)).sum()
    active = frame[(frame["ordered_at"] < end) & (frame["ordered_at"] >= end - pd.Timedelta(days=active_days))]
    assert table["closing"].iloc[-1] == active["customer_id"].nunique()
    states = customer_states(frame, as_of=end, start=start, active_days=active_days).set_index("state")["customers"]
    assert states.sum() == (first < end).sum()
    assert states[["new", "active", "reactivated"]].sum() == table["closing"].iloc[-1]


# RFM and deciles


def spends(amounts: list[float], days: list[str] | None = None) -> pd.DataFrame:
    at = pd.to_datetime(days or ["2026-03-01"] * len(amounts)).astype("datetime64[us]")
    ids = [f"C{number:03}" for number in range(len(amounts))]
    return pd.DataFrame({"customer_id": ids, "ordered_at": at, "net_amount": [float(one) for one in amounts]})


def test_rfm_by_hand(engine):
    days = [f"2026-03-{day:02}" for day in range(1, 11)]
    frame = spends([10, 20, 30, 40, 50, 60, 70, 80, 90, 100], days)
    again = frame.iloc[[0, 0]].assign(ordered_at=pd.to_datetime(["2026-03-01 23:00", "2026-03-02 00:00"]))
    frame = pd.concat([frame, again.assign(refund_amount=4.0)], ignore_index=True)
    table = engine.back(rfm(engine(frame), as_of="2026-03-31"))
    assert list(table.columns) == ["customer_id", "recency_days", "frequency", "monetary", "r", "f", "m"]
    assert table["customer_id"].is_monotonic_increasing
    assert table["recency_days"].to_list() == [29, 29, 28, 27, 26, 25, 24, 23, 22, 21]
    assert table["frequency"].to_list() == [2, *[1] * 9]  # two orders of the first day are one
    assert table["monetary"].to_list() == [22, 20, *range(30, 101, 10)]
    assert table["r"].to_list() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert table["f"].to_list() == [5, *[1] * 9]  # those tied score the same
    assert table["m"].to_list() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    late = engine.back(rfm(engine(frame), as_of="2026-03-31", start="2026-03-09"))
    assert len(late) == 2


def test_deciles_by_hand(engine):
    table = engine.back(decile_table(engine(spends(range(1, 21)))))
    assert table["decile"].to_list() == list(range(1, 11))
    assert table["customers"].to_list() == [2] * 10
    assert table["sales"].to_list() == [39, 35, 31, 27, 23, 19, 15, 11, 7, 3]
    assert table["least"].to_list() == list(range(19, 0, -2))
    assert table["share"].to_list() == pytest.approx([sales / 210 for sales in table["sales"]])
    assert table["cumulative_share"].iloc[-1] == pytest.approx(1)
    assert table["tied"].sum() == 0
    tied = engine.back(decile_table(engine(spends([9, 5, 5, 5, 5, 5, 5, 5, 5, 1]))))
    assert tied["sales"].to_list() == [9, 5, 5, 5, 5, 5, 5, 5, 5, 1]
    assert tied["tied"].to_list() == [0, 8, 8, 8, 8, 8, 8, 8, 0, 0]
    few = engine.back(decile_table(engine(spends([8, 2]))))
    assert few["customers"].to_list() == [0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    assert few["cumulative_share"].to_list() == pytest.approx([0, 0, 0, 0, 0.8, 0.8, 0.8, 0.8, 0.8, 1])
    assert few["sales"].isna().sum() == 8
    free = engine.back(decile_table(engine(spends([0] * 10))))
    assert free["sales"].to_list() == [0] * 10
    assert free["share"].isna().all()


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60))
@settings(max_examples=25)
def test_scores_and_deciles_follow_the_order_of_customers(amounts):
    frame = spends(amounts)
    scored = rfm(frame, as_of="2026-04-01")
    # by the definition: one point more for each fifth of the customers that lies below
    ranks = scored["monetary"].rank(method="min")
    n = len(amounts)
    wanted = [1 + sum(rank > -(-k * n // 5) for k in range(1, 5)) for rank in ranks]
    assert scored["m"].to_list() == wanted
    assert scored.groupby("monetary")["m"].nunique().max() == 1
    table = decile_table(frame)
    ranked = sorted(amounts, reverse=True)
    ends = [k * n // 10 for k in range(11)]
    groups = [ranked[begin:end] for begin, end in pairwise(ends)]
    assert table["customers"].to_list() == [len(group) for group in groups]
    assert table["sales"].fillna(0).to_list() == pytest.approx([sum(group) for group in groups])
    assert [None if pd.isna(one) else one for one in table["least"]] == [min(group, default=None) for group in groups]


def test_large_tables_score_as_pandas_does(quick_engine):
    draw = np.random.default_rng(5)
    rows = 20_000 if quick_engine.name == "pyspark" else 200_000
    frame = pd.DataFrame(
        {"customer_id": draw.integers(0, rows // 8, rows), "net_amount": draw.gamma(2, 900, rows).round()}
    )
    days = np.datetime64("2025-01-01") + draw.integers(0, 400, rows).astype("timedelta64[D]")
    frame["ordered_at"] = days.astype("datetime64[us]")
    table = quick_engine.back(rfm(quick_engine(frame), as_of="2026-04-01"))
    by_hand = frame.groupby("customer_id").agg(
        last=("ordered_at", "max"), frequency=("ordered_at", "nunique"), monetary=("net_amount", "sum")
    )
    assert table["frequency"].to_list() == by_hand["frequency"].to_list()
    assert table["monetary"].to_list() == pytest.approx(by_hand["monetary"].to_list())
    n, steps = len(by_hand), np.arange(1, 5)
    cuts = np.sort(by_hand["monetary"])[-(-steps * n // 5) - 1]
    assert table["m"].to_list() == (1 + (by_hand["monetary"].to_numpy()[:, None] > cuts).sum(axis=1)).tolist()
    recency = (pd.Timestamp("2026-04-01") - by_hand["last"]).dt.days
    cuts = np.sort(recency)[::-1][-(-steps * n // 5) - 1]
    assert table["r"].to_list() == (1 + (recency.to_numpy()[:, None] < cuts).sum(axis=1)).tolist()
    deciles = quick_engine.back(decile_table(quick_engine(frame)))
    ranked = by_hand["monetary"].sort_values(ascending=False)
    ends = [k * n // 10 for k in range(11)]
    wanted = [ranked.iloc[begin:end].sum() for begin, end in pairwise(ends)]
    assert deciles["sales"].to_list() == pytest.approx(wanted)


# segments


PEOPLE = pd.DataFrame(
    {
        "customer_id": ["C000", "C001", "C002", "C003", "C004", "C004", "C999"],
        "birth_date": pd.to_datetime(
            ["2006-04-01", "2006-04-02", "1950-01-01", None, "1880-01-01", "1880-01-01", "1990-01-01"]
        ).astype("datetime64[us]"),
        "prefecture": ["東京都", "大阪", "北海道", "Ohio", None, None, "沖縄県"],
        "gender": ["f", "m", "f", "m", None, None, "f"],
    }
)


def test_segments_of_people(engine):
    frame = pd.concat([spends([10, 20, 30, 40, 50, 60]), spends([10]).assign(ordered_at=pd.Timestamp("2026-03-09"))])
    orders = engine(frame)
    people = beside(orders, PEOPLE)
    with pytest.warns(RowsLeftOut) as caught:
        table = engine.back(segment_summary(orders, people, by="age_band", **AS_OF))
    assert {one.message.reason for one in caught} >= {"same_key"}
    found = table.set_index(table["age_band"].fillna("?"))
    # 20 on the day itself, 19 a day before; nobody is 146; C003 has no birthday, C005 is not in the table
    assert found["customers"].to_dict() == {"0-19": 1, "20-29": 1, "70+": 1, "?": 3}
    assert found["sales"].to_dict() == {"0-19": 20, "20-29": 20, "70+": 30, "?": 150}
    assert found["repeat_rate"].to_dict() == {"0-19": 0, "20-29": 1, "70+": 0, "?": 0}
    assert found["sales_share"].sum() == pytest.approx(1)
    assert found.loc["?", "share"] == 0.5
    assert found.loc["?", "low"] == pytest.approx(0.1876, abs=1e-4)
    with pytest.warns(RowsLeftOut):
        table = engine.back(segment_summary(orders, people, by="region", **AS_OF))
    regions = dict(zip(table["region"].fillna("?"), table["customers"], strict=True))
    assert regions == {"Ohio": 1, "hokkaido": 1, "kanto": 1, "kinki": 1, "?": 2}
    with pytest.warns(RowsLeftOut):
        table = engine.back(segment_summary(orders, people, by="gender", **AS_OF))
    assert table["customers"].to_list() == [2, 2, 2]


def test_segments_of_orders(engine):
    first = {"customer_id": "C000", "net_amount": 10.0}
    days = {
        "first": ["2026-03-01"],
        "toddler": ["2026-01-01", "2026-03-01"],
        "steady": ["2025-11-01", "2026-03-01"],
        "trend": ["2025-11-01", "2026-03-01 09:00", "2026-03-01 12:00"],
        "best": ["2025-01-01", "2026-03-01"],
        "old": ["2024-01-01", "2024-12-01"],
    }
    rows = [{**first, "customer_id": who, "ordered_at": day} for who, when in days.items() for day in when]
    frame = pd.DataFrame(rows)
    frame["ordered_at"] = pd.to_datetime(frame["ordered_at"], format="ISO8601").astype("datetime64[us]")
    frame.loc[frame["customer_id"].isin(["trend", "best", "old"]), "net_amount"] = 40_000.0
    frame["channel"] = ["web", *["store"] * (len(frame) - 1)]
    orders = engine(frame)
    table = engine.back(segment_summary(orders, by="cpm", **AS_OF))
    assert table["cpm"].to_list() == [
        "first_active", "toddler_active", "steady_active", "trend_active", "best_active", "best_lapsed",
    ]  # fmt: skip
    assert table["repeat_rate"].to_list() == [0, 1, 1, 1, 1, 1]
    assert table["sales"].to_list() == [10, 20, 20, 120_000, 80_000, 80_000]
    table = engine.back(segment_summary(orders, by="cpm", **AS_OF, cpm={"lapsed_days": 10, "high_amount": 1}))
    assert table["cpm"].to_list() == ["first_lapsed", "toddler_lapsed", "trend_lapsed", "best_lapsed"]
    table = engine.back(segment_summary(orders, by="channel", **AS_OF)).set_index("channel")
    assert table["customers"].to_dict() == {"store": 5, "web": 1}
    scored = engine.back(rfm(orders, **AS_OF))
    table = engine.back(segment_summary(orders, by="rfm_segment", **AS_OF)).set_index("rfm_segment")
    assert table["customers"].sum() == 6
    assert table["customers"].get("best", 0) == ((scored["r"] >= 4) & (scored["f"] >= 4)).sum()
    assert table["customers"].get("asleep", 0) == ((scored["r"] <= 2) & (scored["f"] <= 3)).sum()


def test_a_simulated_shop_by_brute_force():
    shop = crmkit.simulate("salon", customers=600, weeks=80, seed=5)
    orders, people = shop.orders, shop.customers
    ok = orders[(orders["status"] == "completed") & ~orders["is_test"]]
    ok = ok[~((ok["refund_amount"] > 0) & (ok["refund_amount"] >= ok["net_amount"]))]
    until = pd.Timestamp("2025-06-01")
    ok = ok[ok["ordered_at"] < until].assign(money=ok["net_amount"] - ok["refund_amount"])
    ok["day"] = ok["ordered_at"].dt.floor("D")
    each = ok.groupby("customer_id").agg(first=("day", "min"), days=("day", "nunique"), money=("money", "sum"))
    each = each.join(people.set_index("customer_id"))
    table = segment_summary(orders, people, by="gender", as_of=until)
    for segment, part in each.groupby(each["gender"].fillna("?")):
        row = table[table["gender"].fillna("?") == segment].iloc[0]
        assert row["customers"] == len(part)
        assert row["sales"] == pytest.approx(part["money"].sum())
        assert row["repeat_rate"] == pytest.approx((part["days"] > 1).mean())
    tenure = tenure_days(orders, as_of=until, statistic="mean")
    assert float(tenure) == pytest.approx((until - each["first"]).dt.days.mean())
    days = ok[["customer_id", "day"]].drop_duplicates().sort_values(["customer_id", "day"])
    gaps = days.groupby("customer_id")["day"].diff().dt.days.dropna()
    interval = purchase_interval_days(orders, as_of=until)
    assert (float(interval), interval.n) == (gaps.median(), len(gaps))
    assert float(new_customers(orders, start="2025-05-01", end=until)) == (each["first"] >= "2025-05-01").sum()


# pictures


@pytest.mark.parametrize("code", ["ja", "en"])
def test_pictures_have_all_their_glyphs_and_figures(code):
    orders = crmkit.simulate("salon", customers=150, weeks=60, seed=7).orders
    with in_language(code):
        axes = [
            plot_rfm(rfm(orders)),
            plot_decile_table(decile_table(orders)),
            plot_customer_base_movements(
                customer_base_movements(orders, start="2024-06-01", end="2025-01-01", active_days=60, every="1mo")
            ),
            plot_decile_table(decile_table(orders, end="2020-01-01")),
            plot_rfm(rfm(orders, as_of="2020-01-01")),
        ]
        for one in axes:
            with style():
                assert png(one.figure).startswith(b"\x89PNG")
            assert one.get_ylabel()


def test_the_waterfall_ends_where_the_table_does():
    orders = ten_customers()
    months = customer_base_movements(orders, start="2025-12-01", end="2026-04-01", active_days=30, every="1mo")
    axes = plot_customer_base_movements(months)
    words = [word.get_text() for word in axes.texts]
    assert (words[0], words[1], words[-1]) == ("0", "+10", "7")


def test_pictures_of_every_engine(quick_engine):
    orders = quick_engine(spends(range(1, 31)))
    assert len(plot_rfm(rfm(orders, as_of="2026-04-01")).texts) == 1  # one day, one order each: all are in one cell
    assert len(plot_decile_table(decile_table(orders)).texts) == 19
    moved = customer_base_movements(orders, **MARCH, active_days=5)
    assert [one.get_text() for one in plot_customer_base_movements(moved).texts][1] == "+30"
