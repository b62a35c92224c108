"""The retention counts: the hand-worked table, on every engine, and the traps around it."""

from __future__ import annotations

import math
import warnings

import pandas as pd
import pytest

import crmkit
from crmkit.errors import AmbiguousFigure, MissingColumn, ParameterError, RowsLeftOut, WrongType

MARCH = {"start": "2026-03-01", "end": "2026-04-01"}
JANUARY = {"start": "2026-01-01", "end": "2026-02-01", "as_of": "2026-04-01"}
VISITS = {
    "A": ["2025-12-05", "2026-03-03"],
    "B": ["2025-12-20"],
    "C": ["2026-01-10", "2026-02-10", "2026-03-10"],
    "D": ["2026-01-15", "2026-02-01"],
    "E": ["2026-02-05", "2026-03-08"],
    "F": ["2026-02-20"],
    "G": ["2026-03-02", "2026-03-20"],
    "H": ["2026-03-05"],
    "I": ["2026-03-25"],
    "J": ["2026-01-05", "2026-03-30"],
}


def orders_of(visits: dict[str, list[str]]) -> pd.DataFrame:
    pairs = [(customer, day) for customer, days in visits.items() for day in days]
    frame = pd.DataFrame(pairs, columns=["customer_id", "ordered_at"])
    frame["ordered_at"] = pd.to_datetime(frame["ordered_at"], format="ISO8601").astype("datetime64[us]")
    return frame


@pytest.fixture(scope="session")
def ten(engine):
    return engine(orders_of(VISITS))


def test_ten_customers_give_many_repeat_rates(ten):
    assert float(crmkit.repeat_customers(ten, **MARCH)) == 5
    assert float(crmkit.repeat_rate(ten, **MARCH)) == 0.5
    assert float(crmkit.repeat_rate(ten, **MARCH, base="active", active_days=60)) == pytest.approx(5 / 9)
    assert float(crmkit.repeat_rate(ten, **MARCH, base="new")) == pytest.approx(5 / 3)
    assert float(crmkit.repeater_share(ten, **MARCH)) == pytest.approx(5 / 7)
    assert float(crmkit.repeater_share(ten, **MARCH, counted="inside")) == pytest.approx(1 / 7)


@pytest.mark.parametrize(("horizon", "above", "below", "waiting"), [(30, 1, 3, 0), (60, 2, 3, 0), (90, 0, 0, 3)])
def test_repurchase_needs_customers_watched_for_the_whole_horizon(ten, horizon, above, below, waiting):
    rate = crmkit.repurchase_rate(ten, horizon_days=horizon, **JANUARY)
    assert (rate.numerator, rate.denominator) == (above, below)
    assert rate.besides == {"not_watched": waiting}
    assert math.isnan(float(rate)) if below == 0 else float(rate) == pytest.approx(above / below)


def test_repurchase_from_the_second_purchase_on(ten):
    # second purchases: A 03-03, C 02-10, D 02-01, E 03-08, G 03-20, J 03-30; only C's and D's are 30 days old
    rate = crmkit.repurchase_rate(ten, horizon_days=30, nth=2, as_of="2026-04-01")
    assert (rate.numerator, rate.denominator) == (1, 2)  # C came on 03-10, 28 days later


def test_retention_is_about_the_same_people_at_both_ends(ten):
    with pytest.warns(AmbiguousFigure, match=r"120\.0%.*100\.0%.*came back \(1\)"):
        kept = crmkit.retention_rate(ten, **MARCH, active_days=60)
    assert (float(kept), kept.besides["textbook"], kept.n) == (1.0, 1.2, 5)
    assert float(crmkit.lapse_rate(ten, **MARCH, active_days=60)) == 0.0
    assert float(crmkit.reactivation_rate(ten, **MARCH, active_days=60)) == 0.5


def test_lapse_and_retention_add_up(ten):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AmbiguousFigure)
        kept = crmkit.retention_rate(ten, **MARCH, active_days=30)
        gone = crmkit.churn_rate(ten, **MARCH, basis="activity")
        stayed = crmkit.retention_rate(ten, **MARCH)
    assert float(kept) + float(crmkit.lapse_rate(ten, **MARCH, active_days=30)) == 1.0
    assert float(gone) + float(stayed) == 1.0


def test_no_customer_in_the_base_is_no_data_not_zero(ten):
    before = {"start": "2020-01-01", "end": "2020-02-01"}
    for rate in (
        crmkit.repeat_rate(ten, **before),
        crmkit.repeater_share(ten, **before),
        crmkit.retention_rate(ten, **before),
        crmkit.lapse_rate(ten, **before),
        crmkit.reactivation_rate(ten, **before),
        crmkit.repeat_customers(ten, **before),
        crmkit.repeat_rate(ten, **before, base="new"),
    ):
        assert math.isnan(float(rate))
        assert math.isnan(rate.low)
        assert rate.n == 0


def test_cohorts_leave_the_unobserved_empty(engine, ten):
    table = engine.back(crmkit.cohort_retention(ten, as_of="2026-04-01"))
    cells = table.set_index([table["cohort"].astype(str).str[:7], "age"])
    assert list(table.columns) == ["cohort", "age", "active", "size", "retention", "low", "high"]
    assert cells.loc[("2026-01", 1), "active"] == 2
    assert cells.loc[("2025-12", 1), "retention"] == 0.0  # seen, and nobody came
    assert pd.isna(cells.loc[("2026-01", 3), "retention"])  # April has not happened
    assert len(table) == 16


def test_unbounded_cohorts_count_those_still_to_come(engine, ten):
    table = engine.back(crmkit.cohort_retention(ten, as_of="2026-04-01", mode="unbounded"))
    december = table[table["cohort"].astype(str).str.startswith("2025-12")].sort_values("age")
    assert december["active"].to_list() == [2, 1, 1, 1]


@pytest.mark.parametrize("every", ["1d", "1w", "1mo", "1q", "1y"])
def test_cohort_periods_agree_with_pandas(engine, ten, every):
    table = engine.back(crmkit.cohort_retention(ten, every=every, as_of="2026-04-01"))
    frame = orders_of(VISITS)
    alias = {"1d": "D", "1w": "W-SUN", "1mo": "M", "1q": "Q", "1y": "Y"}[every]
    frame["period"] = frame["ordered_at"].dt.to_period(alias)
    frame["start"] = frame.groupby("customer_id")["period"].transform("min")
    frame["age"] = [p.ordinal - s.ordinal for p, s in zip(frame["period"], frame["start"], strict=True)]
    wanted = frame.groupby(["start", "age"])["customer_id"].nunique()
    got = table[table["active"] > 0].set_index(["cohort", "age"])["active"]
    for (start, age), active in wanted.items():
        if start.ordinal + age < pd.Timestamp("2026-04-01").to_period(alias).ordinal:
            assert got[(start.start_time, age)] == active
    assert len(got) == sum(s.ordinal + a < pd.Timestamp("2026-04-01").to_period(alias).ordinal for s, a in wanted.index)


def test_ages_can_be_spans_of_days_from_the_first_order(engine, ten):
    table = engine.back(crmkit.cohort_retention(ten, age_days=30, as_of="2026-04-01"))
    january = table[table["cohort"].astype(str).str.startswith("2026-01")].sort_values("age")
    # C on days 0, 31, 59; D on 0, 17; J on 0, 84: everyone was watched for 60 days, D (01-15) not for 90
    assert january["active"].fillna(-1).to_list()[:3] == [3, 1, -1]


CONTRACTS = pd.DataFrame(
    {
        "customer_id": ["a", "b", "c", "d", "e", "e", "f"],
        "started_at": pd.to_datetime(
            ["2025-01-01", "2025-01-01", "2025-01-01", "2026-03-05", "2025-01-01", "2026-03-20", "2026-03-02"]
        ).astype("datetime64[us]"),
        "ended_at": pd.to_datetime(
            [None, "2026-03-10", "2026-03-15", "2026-03-25", "2026-03-12", None, None], format="ISO8601"
        ).astype("datetime64[us]"),
        "is_involuntary": [False, False, True, False, False, False, False],
    }
)


def test_contracts_churn_and_stay(engine):
    contracts = engine(CONTRACTS)
    churn = crmkit.churn_rate(contracts, **MARCH)
    assert (churn.numerator, churn.denominator) == (2, 4)  # b and c of a, b, c, e; e came back in time
    assert churn.besides == {"new_and_gone": 1}  # d
    with pytest.warns(AmbiguousFigure, match=r"25\.0%.*50\.0%.*in between \(1\)"):
        kept = crmkit.retention_rate(contracts, **MARCH, basis="contract")
    assert float(kept) == 1 - float(churn)
    assert kept.besides["textbook"] == 0.25
    own = crmkit.churn_rate(contracts, **MARCH, include_involuntary=False)
    assert (own.numerator, own.denominator) == (1, 4)


def test_contracts_need_an_end_and_a_reason_where_it_is_asked_for(engine):
    with pytest.raises(MissingColumn, match="no column 'ended_at'"):
        crmkit.churn_rate(engine(CONTRACTS.drop(columns="ended_at")), **MARCH)
    without = engine(CONTRACTS.drop(columns="is_involuntary"))
    assert float(crmkit.churn_rate(without, **MARCH)) == 0.5
    with pytest.raises(MissingColumn, match="no column 'is_involuntary'"):
        crmkit.churn_rate(without, **MARCH, include_involuntary=False)


def test_groups_follow_the_first_order_and_add_up(quick_engine):
    frame = orders_of(VISITS)
    frame["channel"] = ["web" if customer in "ACE" else "store" for customer in frame["customer_id"]]
    frame.loc[1, "channel"] = "app"  # A's second order: A stays with the web
    frame.loc[frame["customer_id"] == "H", "channel"] = None
    table = quick_engine.back(crmkit.repeat_rate(quick_engine(frame), **MARCH, by="channel"))
    assert list(table.columns) == ["channel", "value", "low", "high", "n", "numerator", "denominator", "rows_left_out"]
    found = table.set_index(table["channel"].fillna("?"))
    assert found["numerator"].to_dict() == {"app": 0, "store": 2, "web": 3, "?": 0}
    assert found["denominator"].to_dict() == {"app": 0, "store": 6, "web": 3, "?": 1}
    assert pd.isna(found.loc["app", "value"])  # nobody's first order: no data, not 0
    assert found.loc["store", "low"] == pytest.approx(0.0968, abs=1e-4)


@pytest.mark.parametrize(
    "by", ["repeater_share", "repurchase_rate", "retention_rate", "lapse_rate", "reactivation_rate"]
)
def test_groups_of_every_rate_sum_to_the_whole(quick_engine, by):
    frame = orders_of(VISITS)
    frame["channel"] = ["web" if customer in "ACEGI" else "store" for customer in frame["customer_id"]]
    table = quick_engine(frame)
    arguments = {"horizon_days": 30, "as_of": "2026-04-01"} if by == "repurchase_rate" else MARCH
    metric = getattr(crmkit, by)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AmbiguousFigure)
        whole = metric(table, **arguments)
    groups = quick_engine.back(metric(table, **arguments, by="channel"))
    assert groups["numerator"].sum() == whole.numerator
    assert groups["denominator"].sum() == whole.denominator


def test_two_orders_on_one_day_make_nobody_a_repeater(engine):
    twice = engine(orders_of({"X": ["2026-03-05 10:00", "2026-03-05 18:00"], "Y": ["2026-03-05 10:00"]}))
    assert float(crmkit.repeat_rate(twice, **MARCH)) == 0.0
    assert float(crmkit.repeater_share(twice, **MARCH, counted="inside")) == 0.0


def test_orders_that_do_not_count_are_counted(engine):
    frame = orders_of({"A": ["2026-01-05", "2026-03-05", "2026-03-06", "2026-03-07", "2026-03-08", "2026-03-09"]})
    frame["status"] = ["completed", "cancelled", "completed", "completed", "completed", None]
    frame["is_test"] = [False, False, True, False, False, False]
    frame["net_amount"] = [5000.0, 5000.0, 5000.0, 5000.0, -100.0, 0.0]
    frame["refund_amount"] = [0.0, 0.0, 0.0, 5000.0, 0.0, 0.0]
    rate = crmkit.repeat_customers(engine(frame), **MARCH)
    assert dict(rate.excluded) == {"cancelled": 1, "test": 1, "refunded": 1, "negative": 1}
    assert float(rate) == 1  # the free order of the 9th, its status unknown, is a visit


def test_rows_without_customer_or_date_are_said(quick_engine):
    frame = orders_of(VISITS)
    frame.loc[0, "customer_id"] = None
    frame.loc[1, "ordered_at"] = pd.NaT
    frame["channel"] = "web"
    table = quick_engine(frame)
    with pytest.warns(RowsLeftOut) as caught:
        rate = crmkit.repeat_rate(table, **MARCH)
    assert sorted(str(warning.message) for warning in caught) == [
        "1 of 17 rows have no date and were left out.",
        "1 of 17 rows name no customer and were left out.",
    ]
    assert (rate.excluded["no_customer"], rate.excluded["no_date"]) == (1, 1)
    groups = quick_engine.back(crmkit.repeat_rate(table, **MARCH, by="channel"))
    assert groups["rows_left_out"].to_list() == [2]
    with pytest.warns(RowsLeftOut):
        crmkit.cohort_retention(table)


def test_an_empty_table_is_no_data(engine):
    empty = engine(orders_of(VISITS).iloc[:0].astype({"customer_id": "str"}))
    assert math.isnan(float(crmkit.repeat_rate(empty, **MARCH)))
    assert math.isnan(float(crmkit.repurchase_rate(empty, horizon_days=30)))
    assert len(engine.back(crmkit.cohort_retention(empty))) == 0


def test_own_column_names_and_days_without_time(engine):
    frame = orders_of(VISITS).rename(columns={"customer_id": "会員番号", "ordered_at": "注文日"})
    frame["注文日"] = frame["注文日"].dt.date
    table = engine(frame)
    columns = {"customer_id": "会員番号", "ordered_at": "注文日"}
    if engine.name != "pandas":  # pandas has no type for days: they come as objects, and that is said
        assert float(crmkit.repeat_rate(table, **MARCH, columns=columns)) == 0.5
    else:
        with pytest.raises(WrongType, match="注文日"):
            crmkit.repeat_rate(table, **MARCH, columns=columns)


def test_a_missing_column_names_the_nearest(engine):
    table = engine(orders_of(VISITS).rename(columns={"customer_id": "customerid"}))
    with pytest.raises(MissingColumn, match="'orders' has no column 'customer_id'. Nearest: 'customerid'"):
        crmkit.repeat_rate(table, **MARCH)
    with pytest.raises(MissingColumn, match="'chanel'"):
        crmkit.repeat_rate(engine(orders_of(VISITS)), **MARCH, by="chanel")


def test_text_where_dates_are_due(engine):
    table = engine(orders_of(VISITS).assign(ordered_at="2026/03/01"))
    with pytest.raises(WrongType, match="'ordered_at' of 'orders' should hold dates.*2026/03/01"):
        crmkit.repeat_rate(table, **MARCH)


def test_text_where_numbers_are_due(engine):
    table = engine(orders_of(VISITS).assign(net_amount="5,000円"))
    with pytest.raises(WrongType, match="'net_amount' of 'orders' should hold numbers.*5,000円"):
        crmkit.repeat_rate(table, **MARCH)


@pytest.mark.parametrize(
    ("metric", "arguments", "said"),
    [
        ("repeat_rate", {"start": "2026-04-01", "end": "2026-03-01"}, "must come before"),
        ("repeat_rate", {"start": "2026-03-01", "end": "2026-03-01"}, "must come before"),
        ("repeat_rate", {"start": "March"}, "'March' is not a date"),
        ("repeat_rate", {"start": 20260301}, "is not a date"),
        ("repeat_rate", {"base": "all"}, "one of 'cumulative', 'active', 'new'"),
        ("repeat_rate", {"base": "active"}, "repeat_rate needs end="),
        ("repeat_rate", {**MARCH, "base": "new", "by": "customer_id"}, "cannot be grouped"),
        (
            "repeat_rate",
            {**MARCH, "base": "active", "active_days": 0},
            "active_days must lie between 1 and 36500; it is 0",
        ),
        ("repeater_share", {"counted": "twice"}, "one of 'ever', 'inside'"),
        ("repurchase_rate", {"horizon_days": 0}, "horizon_days must lie between"),
        ("repurchase_rate", {"horizon_days": 30, "nth": 0}, "nth must lie between"),
        ("retention_rate", {**MARCH, "basis": "feeling"}, "one of 'activity', 'contract'"),
        ("churn_rate", {**MARCH, "basis": "activity", "include_involuntary": False}, "basis='contract' only"),
        ("cohort_retention", {"every": "1month"}, "one of '1d', '1w', '1mo', '1q', '1y'"),
        ("cohort_retention", {"mode": "rolling"}, "one of 'classic', 'unbounded'"),
        ("cohort_retention", {"age_days": 0}, "age_days must lie between"),
        ("repeat_rate", {"columns": {"customerid": "x"}}, "nearest: 'customer_id'"),
    ],
)
@pytest.mark.parametrize("language", ["ja", "en"])
def test_senseless_arguments_are_refused_in_both_languages(metric, arguments, said, language):
    frame = orders_of(VISITS)
    crmkit.use_language(language)
    with pytest.raises(ParameterError) as caught:
        getattr(crmkit, metric)(frame, **arguments)
    message = str(caught.value)
    assert said in message if language == "en" else any("ぁ" <= sign <= "ん" for sign in message)


def test_a_zoned_column_is_refused_with_the_mend():
    frame = orders_of(VISITS)
    frame["ordered_at"] = frame["ordered_at"].dt.tz_localize("UTC")
    with pytest.raises(WrongType, match="time zone UTC.*tz_localize"):
        crmkit.repeat_rate(frame, **MARCH)


def test_what_is_no_table_is_refused():
    with pytest.raises(ParameterError, match="this is a list"):
        crmkit.repeat_rate([1, 2, 3], **MARCH)


# types, ties and edges of days that random tables beside brute force brought up


def test_ids_of_mixed_objects_stay_apart():
    big = 2**62  # beyond what a float can tell apart
    frame = orders_of({"A": ["2026-01-01", "2026-01-03"], "B": ["2026-01-02"], "C": ["2026-01-04"]})
    frame["customer_id"] = pd.Series([big + 1, big + 1, big + 2, None], dtype=object)
    with pytest.warns(RowsLeftOut, match="1 of 4 rows name no customer"):
        rate = crmkit.repurchase_rate(frame, horizon_days=5, as_of="2026-03-01")
    assert (rate.numerator, rate.denominator) == (1, 2)


def test_a_group_is_that_of_the_first_order_of_the_day(quick_engine):
    frame = orders_of({"A": ["2026-01-10 18:00", "2026-01-10 09:00", "2026-01-20"]})
    frame["shop"] = ["a", "z", "a"]
    for table in (
        crmkit.repeat_rate(quick_engine(frame), by="shop"),
        crmkit.repurchase_rate(quick_engine(frame), horizon_days=30, as_of="2026-04-01", by="shop"),
    ):
        groups = quick_engine.back(table).set_index("shop")["denominator"]
        assert groups.to_dict() == {"a": 0, "z": 1}


def test_a_window_may_start_within_a_day(engine):
    table = engine(orders_of({"A": ["2026-01-10 12:00", "2026-01-20"]}))
    inside = {"horizon_days": 30, "as_of": "2026-04-01"}
    assert crmkit.repurchase_rate(table, **inside, start="2026-01-10 10:00").denominator == 1
    assert crmkit.repurchase_rate(table, **inside, end="2026-01-10 10:00").denominator == 0


def test_a_day_half_seen_is_not_watched(engine):
    table = engine(orders_of({"A": ["2026-01-01"]}))
    assert crmkit.repurchase_rate(table, horizon_days=10, as_of="2026-01-11 00:01").denominator == 0
    assert crmkit.repurchase_rate(table, horizon_days=10, as_of="2026-01-12").denominator == 1


def test_a_refund_that_is_no_number_is_no_refund(engine):
    frame = orders_of({"A": ["2026-01-01", "2026-01-02"]}).assign(net_amount=10.0, refund_amount=float("nan"))
    assert dict(crmkit.repeat_rate(engine(frame)).excluded) == {}


def test_a_status_of_ones_own_is_said(engine):
    frame = orders_of({"A": ["2026-01-01", "2026-01-02"]}).assign(status=["paid", "completed"])
    with pytest.warns(RowsLeftOut, match="1 of 2 rows have a status other than 'completed'"):
        assert crmkit.repeat_rate(engine(frame)).excluded == {"unknown_status": 1}


def test_the_data_end_with_the_last_order_of_anyone(engine):
    frame = orders_of({"A": ["2026-01-05"], "B": ["2026-03-31"]})
    frame.loc[1, "customer_id"] = None
    with pytest.warns(RowsLeftOut):
        assert crmkit.repurchase_rate(engine(frame), horizon_days=30).denominator == 1
    with pytest.warns(RowsLeftOut):
        table = engine.back(crmkit.cohort_retention(engine(frame)))
    assert table["active"].to_list() == [1, 0, 0]


@pytest.mark.parametrize("kind", ["category", "string[pyarrow]", "Int64", "object"])
@pytest.mark.parametrize("metric", ["repeat_rate", "repurchase_rate"])
def test_pandas_own_types_of_ids_and_groups(kind, metric):
    frame = orders_of(VISITS)
    codes = frame["customer_id"].map(ord)
    frame["customer_id"] = codes.astype(kind) if kind in ("Int64", "object") else frame["customer_id"].astype(kind)
    frame["shop"] = pd.Series(["x" if code % 2 else "y" for code in codes]).astype("category")
    arguments = {"horizon_days": 30, "as_of": "2026-04-01"} if metric == "repurchase_rate" else MARCH
    groups = getattr(crmkit, metric)(frame, **arguments, by="shop")
    whole = getattr(crmkit, metric)(frame, **arguments)
    assert groups["denominator"].sum() == whole.denominator > 0
    assert groups["numerator"].sum() == whole.numerator


def test_tables_backed_by_arrow():
    frame = orders_of(VISITS).convert_dtypes(dtype_backend="pyarrow")
    assert float(crmkit.repeat_rate(frame, **MARCH)) == 0.5
    assert len(crmkit.cohort_retention(frame, every="1w", as_of="2026-04-01")) > 0
    assert crmkit.repurchase_rate(frame, horizon_days=30, **JANUARY).numerator == 1


def test_an_interval_never_leaves_its_value_out(engine):
    frame = orders_of({f"{n:02}": ["2026-01-01", "2026-03-02"] for n in range(9)}).assign(shop="x")
    row = engine.back(crmkit.repeat_rate(engine(frame), **MARCH, by="shop")).iloc[0]
    assert (row["value"], row["high"]) == (1.0, 1.0)


@pytest.mark.parametrize(
    "arguments",
    [{"horizon_days": 90.0}, {"horizon_days": "90"}, {"horizon_days": 10**6}, {"horizon_days": 9, "nth": 1.0}],
)
def test_days_and_counts_are_whole_numbers(arguments):
    with pytest.raises(ParameterError, match=r"whole number|between 1 and 36500"):
        crmkit.repurchase_rate(orders_of(VISITS), **arguments)


def test_large_tables_give_the_same_numbers(engine):
    """Some engines work a large table in pieces and out of order; narwhals' `over` loses its rows there on PyArrow."""
    import numpy as np

    draw = np.random.default_rng(11)
    rows = 30_000 if engine.name == "pyspark" else 300_000  # Spark is slow in small, and has no such pieces here
    days = draw.integers(0, 450, rows)
    frame = pd.DataFrame(
        {"customer_id": draw.integers(0, 40_000, rows).astype(str), "shop": draw.choice(["a", "b"], rows)}
    )
    frame["ordered_at"] = (np.datetime64("2025-01-01") + days.astype("timedelta64[D]")).astype("datetime64[us]")
    visits = frame.drop_duplicates(["customer_id", "ordered_at"]).sort_values(["customer_id", "ordered_at"])
    first = visits.groupby("customer_id")["ordered_at"].transform("min")
    gap = (
        (visits["ordered_at"] - first).where(visits["ordered_at"] > first).dt.days.groupby(visits["customer_id"]).min()
    )
    watched = visits.groupby("customer_id")["ordered_at"].min() < pd.Timestamp("2026-01-01")
    table = engine(frame)
    rate = crmkit.repurchase_rate(table, horizon_days=60, as_of="2026-03-02")
    assert (rate.numerator, rate.denominator) == ((gap[watched] <= 60).sum(), watched.sum())
    age = visits["ordered_at"].dt.to_period("M").astype("int64") - first.dt.to_period("M").astype("int64")
    wanted = visits.groupby([first.dt.to_period("M").dt.start_time, age])["customer_id"].nunique()
    got = engine.back(crmkit.cohort_retention(table, as_of="2026-03-27")).dropna(subset="active")
    got = got.set_index([pd.to_datetime(got["cohort"]), "age"])["active"]
    assert all(got[key] == active for key, active in wanted.items() if key in got.index)
    assert len(got) > 100
    groups = engine.back(crmkit.repeat_rate(table, by="shop"))
    assert groups["denominator"].sum() == frame["customer_id"].nunique()
