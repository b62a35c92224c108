"""Opening hours: minutes by hand on every engine, and what must hold for any calendar."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.errors import MissingColumn, ParameterError, WrongType
from crmkit.metrics.service.hours import business_minutes, japanese_holidays, open_hours
from crmkit.simulator.calendar import holidays as known_holidays
from tests.desk import WEEK, instants

DAY_AND_NIGHT = pd.DataFrame({"calendar_id": "main", "weekday": range(7), "open_time": "00:00", "close_time": "24:00"})
# a lunch break, an evening until midnight, and a closed weekend
SPLIT = pd.DataFrame(
    {
        "calendar_id": "main",
        "weekday": [0, 0, 1, 2, 3, 4],
        "open_time": ["9:00", "13:00", "09:00", "18:30:30", "00:00", "22:00"],
        "close_time": ["12:00", "18:00", "18:00", "24:00", "24:00", "24:00"],
    }
)
CLOSED = pd.DataFrame({"calendar_id": ["main", "other"], "date": instants(["2026-03-03", "2026-03-05"])})
BEGIN = datetime(2026, 2, 23)
at = st.integers(0, 40 * 24 * 3600).map(lambda second: BEGIN + timedelta(seconds=second))


def between(start, end, hours=SPLIT, **more):
    table = pd.DataFrame({"a": instants([start]), "b": instants([end])})
    (minutes,) = business_minutes(table, start="a", end="b", business_hours=hours, **more)["business_minutes"]
    return minutes


def slowly(start: datetime, end: datetime) -> float:
    """Open minutes by walking over the intervals of each day."""
    total = 0.0
    day = datetime(start.year, start.month, start.day)
    while day <= end:
        if day != datetime(2026, 3, 3):
            for _, row in SPLIT[SPLIT["weekday"] == day.weekday()].iterrows():
                opens, closes = (
                    day + timedelta(seconds=sum(int(part) * unit for part, unit in zip(said.split(":"), (3600, 60, 1))))  # noqa: B905
                    for said in (row["open_time"], row["close_time"])
                )
                total += max((min(end, closes) - max(start, opens)).total_seconds(), 0) / 60
        day += timedelta(days=1)
    return total


def test_minutes_by_hand(engine):
    waits = [
        ("2026-03-06 17:30", "2026-03-09 09:20"),
        ("2026-03-06 17:30", "2026-03-10 10:30"),
        ("2026-03-06 18:00", "2026-03-09 09:00"),
        (None, "2026-03-09"),
        ("2026-03-09 12:00", "2026-03-09 11:00"),
        ("1969-12-26 17:00", "1969-12-29 10:30"),
    ]
    asked, told = (instants([wait[end] for wait in waits]) for end in (0, 1))
    table = pd.DataFrame({"row": range(6), "asked": asked, "told": told})
    found = engine.back(business_minutes(engine(table), start="asked", end="told", business_hours=WEEK))
    assert list(found.columns) == ["row", "asked", "told", "business_minutes"]
    minutes = found.sort_values("row")["business_minutes"]
    assert minutes.dropna().to_list() == [50, 660, 0, -60, 150]
    assert minutes.isna().to_list() == [False, False, False, True, False, False]


@settings(max_examples=40)
@given(at, at)
def test_open_all_the_time_is_the_clock(start, end):
    assert between(start, end, DAY_AND_NIGHT) == pytest.approx((end - start).total_seconds() / 60)


@settings(max_examples=40)
@given(st.tuples(at, at, at).map(sorted))
def test_parts_add_up(moments):
    start, middle, end = moments
    parts = between(start, middle, holidays=CLOSED) + between(middle, end, holidays=CLOSED)
    assert parts == pytest.approx(between(start, end, holidays=CLOSED))


@settings(max_examples=40)
@given(st.tuples(at, at).map(sorted))
def test_never_negative_never_more_than_the_clock_and_as_if_counted(moments):
    start, end = moments
    found = between(start, end, holidays=CLOSED)
    assert 0 <= found <= (end - start).total_seconds() / 60
    assert found == pytest.approx(slowly(start, end))


@settings(max_examples=40)
@given(st.integers(0, 24 * 3600), st.integers(0, 24 * 3600))
def test_nothing_inside_a_holiday(one, other):
    day = datetime(2026, 3, 3)
    start, end = (day + timedelta(seconds=second) for second in sorted((one, other)))
    assert between(start, end, DAY_AND_NIGHT, holidays=CLOSED) == 0


def test_holidays_are_those_of_the_calendar():
    week = ("2026-03-02", "2026-03-07")
    assert between(*week, WEEK) == 5 * 540
    assert between(*week, WEEK, holidays=CLOSED) == 4 * 540
    with pytest.raises(ParameterError, match="no day would be closed"):
        between(*week, WEEK, holidays=CLOSED[CLOSED["calendar_id"] == "other"])
    assert between(*week, WEEK, holidays=CLOSED.iloc[:0]) == 5 * 540


def test_schedules_follow_one_another():
    summer = WEEK.assign(calendar_id="summer", close_time="20:00")
    both = pd.concat([WEEK, summer])
    plan = {"2026-01-01": "main", "2026-03-04": "summer"}
    assert between("2026-03-02", "2026-03-07", both, calendar=plan) == 2 * 540 + 3 * 660
    assert between("2025-06-02", "2025-06-03", both, calendar=plan) == 540  # before the first of them, the first holds
    assert between("2026-03-02", "2026-03-03", both, calendar="summer") == 660
    for wrong in (None, "autumn", {}):
        with pytest.raises(ParameterError):
            between("2026-03-02", "2026-03-03", both, calendar=wrong)


def test_overlapping_intervals_count_once():
    twice = pd.concat([WEEK, WEEK.assign(open_time="08:30", close_time="12:00")])
    assert between("2026-03-02", "2026-03-03", twice) == 570


@pytest.mark.parametrize(
    ("column", "value"), [("open_time", "25:00"), ("open_time", "nine"), ("close_time", "08:00"), ("weekday", 7)]
)
def test_hours_that_make_no_sense(column, value):
    with pytest.raises(ParameterError):
        open_hours(WEEK.assign(**{column: value}))


def test_dates_empty_tables_and_wrong_columns(engine):
    days = pd.DataFrame({"a": [date(2026, 3, 2)], "b": [date(2026, 3, 3)]})
    if engine.name == "pandas":  # it has no type for days
        days = days.astype("datetime64[us]")
    found = engine.back(business_minutes(engine(days), start="a", end="b", business_hours=WEEK))
    assert found["business_minutes"].to_list() == [540]
    none = pd.DataFrame({"a": instants([]), "b": instants([])})
    assert len(engine.back(business_minutes(engine(none), start="a", end="b", business_hours=WEEK))) == 0
    with pytest.raises(MissingColumn, match="nowhere"):
        business_minutes(engine(days), start="a", end="nowhere", business_hours=WEEK)
    with pytest.raises(WrongType):
        business_minutes(engine(pd.DataFrame({"a": ["x"], "b": ["y"]})), start="a", end="b", business_hours=WEEK)


def test_japanese_holidays_are_those_of_the_laboratory():
    found = japanese_holidays("2024-01-01", "2027-01-01")
    assert list(found.columns) == ["calendar_id", "date", "name_ja", "name_en"]
    known = {day for day in known_holidays() if 2024 <= day.year <= 2026}
    assert {day.date() for day in found["date"]} == known
    assert between("2026-05-04", "2026-05-09", WEEK, holidays=found) == 2 * 540  # Golden Week: Thursday and Friday
    assert len(japanese_holidays("2026-06-01", "2026-06-02")) == 0
    with pytest.raises(ParameterError):
        japanese_holidays("2026-06-02", "2026-06-01")
