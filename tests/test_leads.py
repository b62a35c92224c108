"""Leads and funnels: a hand-worked table on every engine, the mixed cohort as a trap, and brute force on a shop."""

from __future__ import annotations

import math

import pandas as pd
import pytest

import crmkit
from crmkit.errors import MissingColumn, ParameterError, RowsLeftOut
from crmkit.metrics.management.leads import first_contact_time, funnel, lead_conversion_days, lead_conversion_rate

# created, first contact, mql, sql, converted, source
ROWS = [
    ("1", "2026-01-05 10:00", "2026-01-05 10:30", "2026-01-06", "2026-01-08", "2026-01-15", "ad"),
    ("2", "2026-01-10 23:50", "2026-01-11 00:20", "2026-01-12", None, "2026-02-09 23:59", "ad"),  # day 30: in time
    ("3", "2026-01-20", "2026-01-22", None, None, "2026-02-20", "sns"),  # day 31: too late
    ("4", "2026-01-25", None, None, None, None, "sns"),
    ("5", "2026-02-10", "2026-02-10 01:00", None, None, None, "ad"),  # too young on 03-10
    ("6", "2026-02-01", "2026-01-31", None, None, "2026-01-30", "ad"),  # converted before it came
]
COLUMNS = ("lead_id", "created_at", "first_contacted_at", "mql_at", "sql_at", "converted_at", "lead_source")
LEADS = pd.DataFrame(ROWS, columns=COLUMNS)
for _column in COLUMNS[1:6]:
    LEADS[_column] = pd.to_datetime(LEADS[_column], format="ISO8601").astype("datetime64[us]")


@pytest.fixture(scope="module")
def leads(engine):
    return engine(LEADS)


def test_conversion_is_about_the_leads_of_the_window(engine, leads):
    with pytest.warns(RowsLeftOut, match="could have happened"):
        rate = lead_conversion_rate(leads, horizon_days=30, as_of="2026-03-10")
    assert (rate.numerator, rate.denominator) == (2, 4)
    assert rate.excluded == {"out_of_order": 1}
    assert rate.besides == {"conversions_per_lead": pytest.approx(3 / 5), "not_watched": 1}
    with pytest.warns(RowsLeftOut):
        february = lead_conversion_rate(
            leads, horizon_days=10, start="2026-02-01", end="2026-03-01", as_of="2026-03-10"
        )
    assert (february.numerator, february.denominator) == (0, 1)
    assert february.besides["conversions_per_lead"] == 2.0  # of January's leads: the mixed cohorts
    table = engine.back(lead_conversion_rate(leads, horizon_days=30, as_of="2026-03-10", by="lead_source"))
    assert table["numerator"].to_list() == [2, 0]
    assert table["denominator"].to_list() == [2, 2]
    assert table["rows_left_out"].to_list() == [1, 0]


def test_times_of_leads(engine, leads):
    with pytest.warns(RowsLeftOut):
        days = lead_conversion_days(leads, end="2026-02-01")
    assert float(days) == pytest.approx(30 + 9 / 1440)  # of 9.58, 30.006 and 31 days
    assert days.besides["not_converted"] == 1
    assert days.unit == "days"
    with pytest.warns(RowsLeftOut):
        wait = first_contact_time(leads, start="2026-01-01", end="2026-01-20")
    assert (float(wait), wait.n) == (30.0, 2)  # over midnight too
    with pytest.warns(RowsLeftOut):
        mean = first_contact_time(leads, statistic="mean")
    assert float(mean) == pytest.approx((30 + 30 + 2880 + 60) / 4)
    assert mean.besides["not_contacted"] == 1


def test_the_funnel_counts_who_came_at_least_so_far(engine, leads):
    found = engine.back(funnel(leads, end="2026-02-01"))
    assert found["stage"].to_list() == ["created_at", "first_contacted_at", "mql_at", "sql_at", "converted_at"]
    assert found["n"].to_list() == [4, 3, 3, 3, 3]
    assert found["skipped"].to_list() == [0, 0, 1, 2, 0]
    assert found["share_of_first"].to_list() == [1, 0.75, 0.75, 0.75, 0.75]
    assert found["share_of_previous"].fillna(-1).to_list() == [-1, 0.75, 1, 1, 1]
    assert found.loc[1, ["previous_low", "previous_high"]].to_list() == pytest.approx([0.3006, 0.9544], abs=1e-4)


def test_conversion_agrees_with_brute_force_on_a_shop():
    table = crmkit.simulate("salon", customers=500, weeks=60, seed=2).leads
    end = pd.Timestamp("2024-12-01")
    rate = lead_conversion_rate(table, horizon_days=45, as_of=end)
    old = table[table["created_at"] < end - pd.Timedelta(days=45)]
    days = (old["converted_at"].dt.normalize() - old["created_at"].dt.normalize()).dt.days
    assert rate.denominator == len(old) > 400
    assert rate.numerator == (days <= 45).sum() > 20
    stages = funnel(table).set_index("stage")["n"]
    assert stages["converted_at"] == table["converted_at"].notna().sum()
    sends = crmkit.simulate("salon", customers=500, weeks=60, seed=2).campaign_sends.dropna(subset="sent_at")
    mails = funnel(sends, table="campaign_sends", stages=("sent_at", "delivered_at", "opened_at", "clicked_at"))
    assert mails["n"].is_monotonic_decreasing
    assert mails["n"].iloc[1] == sends["delivered_at"].notna().sum()


@pytest.mark.parametrize("rows", [0, 1])
def test_little_data(quick_engine, rows):
    table = quick_engine(LEADS.iloc[3 : 3 + rows])
    rate = lead_conversion_rate(table, horizon_days=30)
    assert math.isnan(float(rate))
    assert (rate.n, rate.besides["not_watched"]) == (0, rows)
    assert math.isnan(rate.besides["conversions_per_lead"]) == (rows == 0)
    assert math.isnan(float(lead_conversion_days(table)))
    assert quick_engine.back(funnel(table))["n"].to_list() == [rows, 0, 0, 0, 0]
    assert quick_engine.back(funnel(table))["share_of_previous"].isna().sum() == (5 if rows == 0 else 4)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(MissingColumn, match="converted_at"):
        lead_conversion_rate(LEADS.drop(columns="converted_at"))
    with pytest.raises(ParameterError, match="horizon_days"):
        lead_conversion_rate(LEADS, horizon_days=0)
    with pytest.raises(ParameterError, match="at least two stages"):
        funnel(LEADS, stages=["created_at"])
    with pytest.raises(ParameterError, match="'score' is no column of instants of 'leads'"):
        funnel(LEADS, stages=["created_at", "score"])
    with pytest.raises(ParameterError, match="table='lead'"):
        funnel(LEADS, table="lead")
    with pytest.raises(ParameterError, match="a table is needed|A table is needed"):
        lead_conversion_rate([1, 2])
    again = pd.concat([LEADS.head(5), LEADS.head(2)])
    with pytest.warns(RowsLeftOut, match="repeat the id"):
        assert lead_conversion_rate(again, horizon_days=30, as_of="2026-03-10").denominator == 4
