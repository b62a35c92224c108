"""Opening hours, holidays and working time, held against counting minute by minute."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from crmkit.simulator.calendar import DAY, EVER, HOUR, WEEK, Clock, clock, holidays
from crmkit.simulator.scenario import scenario

SALON = clock(scenario("salon"), 30)


def is_open(at: int, shop: Clock) -> bool:
    """By the salon's sign: closed on Mondays and over New Year, else 10:00 to 19:00."""
    day = shop.start + timedelta(days=at // DAY)
    closed = day.weekday() == 0 or f"{day:%m-%d}" in {"12-31", "01-01", "01-02", "01-03"}
    return not closed and 10 * HOUR <= at % DAY < 19 * HOUR


def test_working_time_is_the_open_time_counted_minute_by_minute() -> None:
    minutes = np.arange(0, 3 * WEEK, 60)
    counted = np.concatenate([[0], np.cumsum([60 * is_open(int(at), SALON) for at in minutes])])[:-1]
    assert (SALON.working(minutes) == counted).all()


def test_later_comes_after_just_so_much_working_time() -> None:
    at = np.arange(0, 3 * WEEK, 997)
    for seconds in (1, 60, 9 * HOUR, 9 * HOUR + 1, 100 * HOUR):
        answered = SALON.later(at, np.full(len(at), seconds))
        assert (SALON.working(answered) - SALON.working(at) == seconds).all()
        assert (answered > at).all()
    assert (SALON.instant(np.array([10**12])) == EVER).all()


def test_moments_fall_into_their_week_and_opening_hours() -> None:
    u = (np.arange(5_000) + 0.5) / 5_000
    for week in (1, 17):
        moments = SALON.moments(week, u, u[::-1])
        assert (moments // WEEK == week).all()
        assert all(is_open(int(at), SALON) for at in moments)
        assert (moments % 60 == 0).all()
    weeks = np.arange(5_000) % 30
    assert (SALON.moments(weeks, u, u) == [SALON.moments(int(w), u[[i]], u[[i]])[0] for i, w in enumerate(weeks)]).all()


def test_the_textbook_never_closes() -> None:
    shop = clock(scenario("textbook"), 4)
    at = np.arange(0, 4 * WEEK, 3_600)
    assert (shop.working(at) == at).all()
    assert (shop.season == 1).all()


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (date(2024, 1, 1), "New Year's Day"),
        (date(2024, 2, 12), "Substitute Holiday"),
        (date(2024, 3, 20), "Vernal Equinox Day"),
        (date(2025, 9, 23), "Autumnal Equinox Day"),
        (date(2026, 9, 22), "National Holiday"),
        (date(2019, 5, 1), "Emperor's Enthronement Day"),
    ],
)
def test_holidays_that_everybody_can_look_up(day: date, name: str) -> None:
    assert name in holidays()[day][1]


def test_there_are_sixteen_or_more_holidays_every_year() -> None:
    years = [day.year for day in holidays()]
    assert {years.count(year) >= 15 for year in range(2015, 2041)} == {True}
    assert all(ja and en for ja, en in holidays().values())
