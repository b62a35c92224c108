"""When a shop is open and busy: weeks into days and hours, and time on the clock into working time and back."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from itertools import accumulate
from typing import Any

import numpy as np

from crmkit.simulator import scenario as business
from crmkit.simulator.exact import Floats, Ints

HOUR = 3600
DAY = 24 * HOUR
WEEK = 7 * DAY
EVER = 1 << 40  # seconds; later than anything


@dataclass(frozen=True)
class Clock:
    """A shop's time. Instants are whole seconds since the first Monday, 0:00, local wall time.

    Attributes:
        start: The first Monday.
        weeks: Weeks until the end of the world.
        season: How busy each week is; 1 = an ordinary one.
    """

    start: date
    weeks: int
    season: Floats
    _days: Floats  # (weeks, 7): share of a week's business up to and with each day
    _hours: Floats  # share of a day's business up to and with each hour
    _opens: int
    _open_seconds: Ints  # working seconds before each day

    @property
    def end(self) -> int:
        """The second in which the world ends."""
        return self.weeks * WEEK

    def moments(self, week: Ints | int, day_u: Floats, time_u: Floats) -> Ints:
        """Instants inside a week, as busy as the shop is; whole minutes."""
        row = self._days[week] if isinstance(week, int) else self._days[np.asarray(week)]
        day = (day_u[:, None] >= row[..., :-1]).sum(axis=1)
        hour = np.searchsorted(self._hours[:-1], time_u, side="right")
        before = np.where(hour > 0, self._hours[hour - 1], 0.0)
        inside = (time_u - before) / (self._hours[hour] - before)
        minute = np.minimum((inside * 60).astype(np.int64), 59)
        return np.asarray(week) * WEEK + day * DAY + (self._opens + hour) * HOUR + minute * 60

    def working(self, at: Ints) -> Ints:
        """Working seconds from the start until an instant."""
        day = np.clip(at // DAY, 0, len(self._open_seconds) - 2)
        length = self._open_seconds[day + 1] - self._open_seconds[day]
        return self._open_seconds[day] + np.clip(at - day * DAY - self._opens * HOUR, 0, length)

    def instant(self, working: Ints) -> Ints:
        """The first instant by which so many working seconds have passed; `EVER` beyond the calendar."""
        day = np.searchsorted(self._open_seconds, working, side="left") - 1
        day = np.maximum(day, 0)
        inside = working - self._open_seconds[np.minimum(day, len(self._open_seconds) - 2)]
        late = day >= len(self._open_seconds) - 1
        return np.where(late, EVER, day * DAY + self._opens * HOUR + inside)

    def later(self, at: Ints, working_seconds: Ints) -> Ints:
        """The instant that is so much working time after `at`; what waits outside opening hours waits for the door."""
        return self.instant(self.working(at) + np.maximum(working_seconds, 1))


def clock(made: business.Scenario, weeks: int) -> Clock:
    """The clock of a scenario over so many weeks."""
    plan = made.calendar
    days = (weeks + 60) * 7  # replies go on after the last week
    busy = np.array([_busy(plan, plan.start + timedelta(day)) for day in range(days)])
    usual = 0.0
    for weight in plan.weekdays:
        usual += weight
    table = busy.reshape(-1, 7)
    summed = np.array([list(accumulate(row)) for row in table.tolist()])
    season = summed[:, -1] / usual
    total = np.where(summed[:, -1:] > 0, summed[:, -1:], 1.0)
    hours = np.array(list(accumulate(plan.hours)))
    seconds = np.where(busy > 0, len(plan.hours) * HOUR, 0).astype(np.int64)
    return Clock(
        start=plan.start, weeks=weeks, season=season, _days=summed / total, _hours=hours / hours[-1], _opens=plan.opens,
        _open_seconds=np.concatenate([[0], np.cumsum(seconds)]).astype(np.int64),
    )  # fmt: skip


def _busy(plan: business.Calendar, day: date) -> float:
    if f"{day:%m-%d}" in plan.closed_days:
        return 0.0
    # on a holiday people have time: a quiet weekday becomes a busy one
    factor = plan.holidays if day in holidays() and day.weekday() < 5 else 1.0
    return plan.weekdays[day.weekday()] * plan.months[day.month - 1] * factor


@cache
def holidays() -> dict[date, tuple[str, str]]:
    """Japanese public holidays, 2015 to 2040, with their names; kept here, so that no update changes a world."""
    text = (files("crmkit.simulator") / "pools" / "holidays.csv").read_text(encoding="utf-8")
    rows: Any = csv.DictReader(text.splitlines())
    return {date.fromisoformat(row["date"]): (row["name_ja"], row["name_en"]) for row in rows}
