"""Every retention metric on real purchases, beside plain pandas on the original file, without crmkit."""

from __future__ import annotations

import math

import pandas as pd
import pytest

import crmkit
from crmkit.errors import AmbiguousFigure
from tests.cdnow import CUSTOMERS, ORDERS, OWN_NAMES, cdnow_csv, cdnow_frame

SPRING = {"start": "1998-01-01", "end": "1998-07-01"}
START, END = pd.Timestamp(SPRING["start"]), pd.Timestamp(SPRING["end"])
HALF = pd.Timedelta(days=180)


@pytest.fixture(scope="module")
def orders():
    return crmkit.load({"orders": cdnow_csv()}, columns=OWN_NAMES).orders


@pytest.fixture(scope="module")
def visits():
    """One row per customer and day: what plain pandas makes of the file, without crmkit."""
    days = cdnow_frame().drop_duplicates(["customer", "date"]).sort_values(["customer", "date"])
    days["seq"] = days.groupby("customer").cumcount() + 1
    days["first"] = days.groupby("customer")["date"].transform("min")
    days["next"] = days.groupby("customer")["date"].shift(-1)
    return days


def customers(rows: pd.DataFrame) -> set[str]:
    return set(rows["customer"])


def between(visits: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    return visits[(visits["date"] >= start) & (visits["date"] < end)]


def test_customers_orders_and_repeaters_agree(orders, visits):
    assert (len(orders), orders["customer_id"].nunique()) == (ORDERS, CUSTOMERS)
    whole = crmkit.repeat_customers(orders)
    assert (whole.numerator, whole.denominator) == (len(customers(visits[visits["seq"] >= 2])), CUSTOMERS)
    spring = crmkit.repeat_customers(orders, **SPRING)
    again = visits[visits["seq"] >= 2]
    assert spring.numerator == len(customers(between(again, START, END)))


def test_repeat_rates_and_shares_agree(orders, visits):
    repeaters = customers(between(visits[visits["seq"] >= 2], START, END))
    buyers = customers(between(visits, START, END))
    active = customers(between(visits, END - HALF, END))
    assert float(crmkit.repeat_rate(orders, **SPRING)) == len(repeaters) / CUSTOMERS
    rate = crmkit.repeat_rate(orders, **SPRING, base="active", active_days=180)
    assert (rate.numerator, rate.denominator) == (len(repeaters & active), len(active))
    assert float(crmkit.repeater_share(orders, **SPRING)) == len(repeaters) / len(buyers)
    inside = between(visits, START, END).groupby("customer").size()
    assert crmkit.repeater_share(orders, **SPRING, counted="inside").numerator == (inside >= 2).sum()
    assert math.isnan(float(crmkit.repeat_rate(orders, **SPRING, base="new")))  # nobody joined after March 1997


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_repurchase_rates_agree(orders, visits, nth):
    rate = crmkit.repurchase_rate(orders, horizon_days=90, nth=nth, as_of="1998-07-01")
    reached = visits[(visits["seq"] == nth) & (visits["date"] + pd.Timedelta(days=90) < END)]
    in_time = (reached["next"] - reached["date"]).dt.days <= 90
    assert (rate.numerator, rate.denominator) == (in_time.sum(), len(reached))


def test_retention_lapse_and_return_agree(orders, visits):
    there = customers(between(visits, START - HALF, START))
    at_end = customers(between(visits, END - HALF, END))
    asleep = customers(visits[visits["first"] < START]) - there
    back = asleep & customers(between(visits, START, END))
    with pytest.warns(AmbiguousFigure):
        kept = crmkit.retention_rate(orders, **SPRING, active_days=180)
    assert (kept.numerator, kept.denominator) == (len(there & at_end), len(there))
    assert kept.besides["textbook"] == len(at_end) / len(there)  # N = 0
    lapsed = crmkit.lapse_rate(orders, **SPRING, active_days=180)
    assert (lapsed.numerator, lapsed.denominator) == (len(there - at_end), len(there))
    returned = crmkit.reactivation_rate(orders, **SPRING, active_days=180)
    assert (returned.numerator, returned.denominator) == (len(back), len(asleep))


def test_churn_is_one_minus_retention(orders):
    kept = crmkit.retention_rate(orders, **SPRING)
    gone = crmkit.churn_rate(orders, **SPRING, basis="activity")
    assert kept.numerator + gone.numerator == kept.denominator == gone.denominator


@pytest.mark.parametrize("mode", ["classic", "unbounded"])
def test_cohorts_agree(orders, visits, mode):
    table = crmkit.cohort_retention(orders, mode=mode, as_of="1998-07-01")
    frame = visits.assign(start=visits["first"].dt.to_period("M"), period=visits["date"].dt.to_period("M"))
    frame["age"] = frame["period"].astype("int64") - frame["start"].astype("int64")
    if mode == "classic":
        wanted = frame.groupby(["start", "age"])["customer"].nunique()
    else:
        wanted_cells = frame[["start", "age"]].itertuples(index=False, name=None)
        last = frame.groupby(["start", "customer"])["age"].max().reset_index()
        wanted = pd.Series({(s, a): ((last["start"] == s) & (last["age"] >= a)).sum() for s, a in set(wanted_cells)})
    got = table.dropna(subset="active").set_index(["cohort", "age"])["active"]
    assert len(got) == len(wanted) == 18 + 17 + 16
    for (start, age), active in wanted.items():
        assert got[(start.start_time, age)] == active


def test_groups_agree(orders, visits):
    table = orders.assign(joined=orders.groupby("customer_id")["ordered_at"].transform("min").dt.strftime("%Y-%m"))
    groups = crmkit.repurchase_rate(table, horizon_days=90, as_of="1998-07-01", by="joined").set_index("joined")
    firsts = visits[visits["seq"] == 1]
    in_time = (firsts["next"] - firsts["date"]).dt.days <= 90
    wanted = in_time.groupby(firsts["date"].dt.strftime("%Y-%m")).agg(["sum", "size"])
    assert groups["numerator"].to_dict() == wanted["sum"].to_dict()
    assert groups["denominator"].to_dict() == wanted["size"].to_dict()
