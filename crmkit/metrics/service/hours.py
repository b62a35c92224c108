"""Time on the clock and time in opening hours, both as seconds that can be subtracted.

An instant becomes the number of seconds that have passed by then, on the clock or with the door open. Opening seconds
are looked up in a small table with one row per calendar day (how many seconds were open before it, and its opening
intervals), so a duration takes one join for each of its ends and never a loop over days.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.errors import ParameterError
from crmkit.frames import EPOCH, EPOCH_DAY, Frame, day_number
from crmkit.reduction import needed, one_of

DAY = 24 * 3600
HOURS = ("calendar", "business")
Interval = tuple[int, int]
Calendar = str | Mapping[Any, str] | None
"""Which calendar holds: the only one (`None`), one by its id, or several by the day from which each is in force."""


@dataclass(frozen=True, slots=True)
class Opening:
    """When a desk is open: weekly intervals in seconds of the day and closed days, by the day they come into force."""

    since: tuple[int, ...]  # days from 1970, ascending; the first holds for all days before it too
    weeks: tuple[tuple[tuple[Interval, ...], ...], ...]
    closed: tuple[frozenset[int], ...]

    def on(self, day: int) -> tuple[Interval, ...]:
        """The opening intervals of a day (days from 1970)."""
        plan = max(bisect_right(self.since, day) - 1, 0)
        return () if day in self.closed[plan] else self.weeks[plan][(day + 3) % 7]  # 1970 began on a Thursday

    def days(self, first: int, last: int) -> dict[str, Any]:
        """One row per day: its `_day`, the open seconds `_before` it, and start and length of its intervals."""
        plans = [self.on(day) for day in range(first, last + 1)]
        slots = max(len(week) for weeks in self.weeks for week in weeks)
        lengths = np.zeros((len(plans), max(slots, 1)), dtype=np.int64)
        starts = np.zeros_like(lengths)
        for row, plan in enumerate(plans):
            for slot, (opens, closes) in enumerate(plan):
                starts[row, slot], lengths[row, slot] = opens, closes - opens
        whole = lengths.sum(axis=1)
        found = {"_day": np.arange(first, last + 1), "_before": np.cumsum(whole) - whole}
        for slot in range(lengths.shape[1]):
            found |= {f"_opens{slot}": starts[:, slot], f"_length{slot}": lengths[:, slot]}
        return found


def business_minutes(
    table: Any,
    *,
    start: str,
    end: str,
    business_hours: Any,
    holidays: Any = None,
    calendar: Calendar = None,
    name: str = "business_minutes",
) -> Any:
    """The table with one more column: the minutes between two of its columns in which the desk was open.

    Args:
        table: Any table with two columns of instants.
        start, end: Names of these columns.
        business_hours: `calendar_id`, `weekday` (0 = Monday), `open_time`, `close_time` ("HH:MM", up to "24:00"); a day
            with a break has two rows, a closed day none.
        holidays: `calendar_id`, `date`; days on which the calendar of that id is closed.
        calendar: Its id, or ids by the day they come into force (`{"2026-01-01": "main", "2026-08-01": "summer"}`);
            not needed if there is only one.
        name: Name of the new column.

    Returns:
        The same kind of table; minutes, in whole seconds, negative where `end` comes before `start`, null where one of
        them is missing.

    Raises:
        MissingColumn, WrongType: naming the column.
        ParameterError: opening hours that make no sense, or an unknown calendar.

    Examples:
        >>> import pandas as pd
        >>> week = pd.DataFrame({
        ...     "calendar_id": "main", "weekday": range(5), "open_time": "09:00", "close_time": "18:00",
        ... })
        >>> waits = pd.DataFrame({
        ...     "asked": pd.to_datetime(["2026-03-06 17:30"]),
        ...     "told": pd.to_datetime(["2026-03-09 09:20"]),
        ... })
        >>> business_minutes(waits, start="asked", end="told", business_hours=week)["business_minutes"].to_list()
        [50.0]
    """
    opening = open_hours(business_hours, holidays, calendar)
    for column in (start, end):  # for its checks
        frames.open_table(table, "tickets", needs=("created_at",), columns={"created_at": column})
    whole: Any = frames.as_frame(table)
    kept = [column for column in whole.collect_schema() if column != name]
    whole = whole.with_columns(_from=_plain(whole, start), _to=_plain(whole, end))
    whole = whole.with_row_index("_row") if isinstance(whole, nw.DataFrame) else whole
    ends = {f"{one}{which}": getattr(nw.col(one), which)() for one in ("_from", "_to") for which in ("min", "max")}
    clock = Clock(whole, opening, tuple(frames.row(whole.select(**ends)).values()))
    timed = clock.read(whole, {"_from": "_from", "_to": "_to"}).with_columns(**{name: minutes("_from", "_to")})
    timed = timed.sort("_row") if isinstance(whole, nw.DataFrame) else timed  # joins may shuffle
    return frames.give_back(timed.select(*kept, name))


def japanese_holidays(start: Any, end: Any, *, calendar_id: str = "main") -> Any:
    """Japan's public holidays from `start` up to, not including, `end`, as the table `holidays` of the data model.

    Args:
        start, end: Days.
        calendar_id: The calendar of the opening hours for which these days are closed.

    Returns:
        A pandas table: `calendar_id`, `date`, `name_ja`, `name_en`; substitute holidays included.

    Raises:
        ParameterError: a day cannot be read, or `start` is not before `end`.

    Examples:
        >>> japanese_holidays("2026-05-01", "2026-06-01")["name_en"].to_list()
        ['Constitution Day', 'Greenery Day', "Children's Day", 'Substitute Holiday']
    """
    import holidays

    first, last = frames.instant(start, "start"), frames.instant(end, "end")
    if first >= last:
        raise ParameterError("start_after_end", start=first, end=last)
    years = range(first.year, last.year + 1)
    found = {code: holidays.country_holidays("JP", years=years, language=code) for code in ("ja", "en_US")}
    days = [day for day in sorted(found["ja"]) if first <= datetime(day.year, day.month, day.day) < last]
    columns = {
        "calendar_id": [calendar_id] * len(days),
        "date": [datetime(day.year, day.month, day.day) for day in days],
        "name_ja": [found["ja"][day] for day in days],
        "name_en": [found["en_US"][day] for day in days],
    }
    kinds = {name: nw.Datetime("us") if name == "date" else nw.String() for name in columns}
    return nw.from_dict(columns, schema=kinds, backend="pandas").to_native()


class Clock:
    """Reads instants as seconds: of the calendar, or of opening hours within a span of time."""

    def __init__(self, like: Frame, opening: Opening | None = None, span: Sequence[Any] = ()) -> None:
        self.days: Frame | None = None
        if opening is None:
            return
        bounds = [frames.instant(at, "at") for at in span if at is not None]
        bounds = bounds or [EPOCH]
        first, last = ((at.date() - EPOCH.date()).days for at in (min(bounds), max(bounds)))
        table = opening.days(first, last)
        self.slots = sum(name.startswith("_opens") for name in table)
        self.days = frames.same_kind(like, frames.table(like, table))
        self.looked_up = (*table, "_second")

    def read(self, frame: Frame, names: Mapping[str, str]) -> Frame:
        """The frame with a column of seconds for each column of instants, by the name the seconds get."""
        for new, name in names.items():
            frame = self._read(frame, new, nw.col(name))
        return frame

    def _read(self, frame: Frame, new: str, at: nw.Expr) -> Frame:
        second = _seconds(frame, at)
        if self.days is None:
            return frame.with_columns(**{new: second})
        frame = frame.with_columns(_second=second)
        frame = frame.with_columns(_day=nw.col("_second") // DAY)
        frame = frame.with_columns(_second=nw.col("_second") - nw.col("_day") * DAY)
        frame = frame.join(self.days, on="_day", how="left")
        passed = nw.col("_before")
        for slot in range(self.slots):
            inside = nw.col("_second") - nw.col(f"_opens{slot}")
            length = nw.col(f"_length{slot}")
            open_so_far = nw.when(inside < length).then(inside).otherwise(length)
            passed = passed + nw.when(inside > 0).then(open_so_far).otherwise(0)
        kept = [name for name in frame.collect_schema() if name not in self.looked_up and name != new]
        return frame.with_columns(**{new: passed}).select(*kept, new)


def _seconds(frame: Frame, at: nw.Expr) -> nw.Expr:
    """Whole seconds from 1970 on; null where there is no instant."""
    if not frame.implementation.is_pyspark():
        return (at - nw.lit(EPOCH)).dt.total_seconds()
    day, clock = day_number(at) - EPOCH_DAY, at.dt.hour().cast(nw.Int64) * 60 + at.dt.minute().cast(nw.Int64)
    return (day * 1440 + clock) * 60 + at.dt.second().cast(nw.Int64)


def minutes(start: str, end: str) -> nw.Expr:
    """The minutes between two columns of seconds."""
    return (nw.col(end) - nw.col(start)) / 60


def hours_wanted(hours: str, business_hours: Any, holidays: Any, metric: str) -> Opening | None:
    """The opening hours for `hours="business"`, none for "calendar"; `business_hours` may be an `Opening`.

    Raises:
        ParameterError: for another word, or if "business" comes without the hours.
    """
    one_of("hours", hours, HOURS)
    if hours == "calendar":
        return None
    if isinstance(business_hours, Opening):
        return business_hours
    return open_hours(needed(metric, "business_hours", business_hours), holidays)


def open_hours(business_hours: Any, holidays: Any = None, calendar: Calendar = None) -> Opening:
    """Read the tables of opening hours and closed days, once for several figures.

    Args:
        business_hours, holidays, calendar: As for `business_minutes`.

    Returns:
        What the metrics take as `business_hours=` too, e.g. where opening hours changed in between.

    Raises:
        MissingColumn, ParameterError: as for `business_minutes`.

    Examples:
        >>> import pandas as pd
        >>> every_day = {"weekday": range(7), "open_time": "10:00"}
        >>> plans = pd.concat([
        ...     pd.DataFrame({"calendar_id": "main", "close_time": "19:00", **every_day}),
        ...     pd.DataFrame({"calendar_id": "summer", "close_time": "21:00", **every_day}),
        ... ])
        >>> opening = open_hours(plans, calendar={"2026-01-01": "main", "2026-08-01": "summer"})
    """
    needs = ("calendar_id", "weekday", "open_time", "close_time")
    found = frames.rows(frames.open_table(business_hours, "business_hours", needs=needs))
    known = sorted({str(row["calendar_id"]) for row in found if row["calendar_id"] is not None})
    plans = _plans(calendar, known)
    free = []
    if holidays is not None:
        free = frames.rows(frames.open_table(holidays, "holidays", needs=("calendar_id", "date")))
    named = {str(row["calendar_id"]) for row in free}
    if named and not named & {name for _, name in plans}:
        raise ParameterError(
            "holidays_of_no_calendar", found=", ".join(sorted(named)), calendar=", ".join(name for _, name in plans)
        )
    closed = {name: _closed([row for row in free if str(row["calendar_id"]) == name]) for _, name in plans}
    weeks = {name: _week([row for row in found if str(row["calendar_id"]) == name]) for _, name in plans}
    return Opening(
        tuple(day for day, _ in plans),
        tuple(weeks[name] for _, name in plans),
        tuple(closed[name] for _, name in plans),
    )


def _plans(calendar: Calendar, known: Sequence[str]) -> list[tuple[int, str]]:
    """The calendars by the day from which they hold, in the order of time."""
    if calendar is None:
        if len(known) != 1:
            raise ParameterError("which_calendar", found=", ".join(known))
        calendar = known[0]
    if isinstance(calendar, str):
        calendar = {EPOCH: calendar}
    for name in calendar.values():
        one_of("calendar", name, known)
    since = {frames.instant(day, "calendar").date(): name for day, name in calendar.items()}
    if not since:
        raise ParameterError("which_calendar", found=", ".join(known))
    return [((day - EPOCH.date()).days, since[day]) for day in sorted(since)]


def _closed(rows: Sequence[Mapping[str, Any]]) -> frozenset[int]:
    days = (frames.instant(row["date"], "date").date() for row in rows if row["date"] is not None)
    return frozenset((day - EPOCH.date()).days for day in days)


def _week(rows: Sequence[Mapping[str, Any]]) -> tuple[tuple[Interval, ...], ...]:
    """The opening intervals of each weekday; what overlaps is one."""
    week: list[list[Interval]] = [[] for _ in range(7)]
    for row in rows:
        opens, closes = _second_of_day(row["open_time"]), _second_of_day(row["close_time"])
        weekday = row["weekday"]
        if weekday is None or weekday not in range(7) or opens >= closes:
            raise ParameterError(
                "opening_hours", weekday=weekday, open_time=row["open_time"], close_time=row["close_time"]
            )
        week[int(weekday)].append((opens, closes))
    return tuple(_joined(sorted(day)) for day in week)


def _joined(intervals: Sequence[Interval]) -> tuple[Interval, ...]:
    done: list[Interval] = []
    for opens, closes in intervals:
        if done and opens <= done[-1][1]:
            done[-1] = (done[-1][0], max(closes, done[-1][1]))
        else:
            done.append((opens, closes))
    return tuple(done)


def _second_of_day(said: Any) -> int:
    """ "9:00", "18:30:00" or "24:00" as a second of the day."""
    try:
        parts = [int(part) for part in str(said).split(":")]
    except ValueError:
        parts = []
    if len(parts) not in (2, 3) or not all(0 <= part < 60 for part in parts[1:]):
        raise ParameterError("time_of_day", value=said)
    second = (parts[0] * 60 + parts[1]) * 60 + (parts[2] if len(parts) == 3 else 0)
    if not 0 <= second <= DAY:
        raise ParameterError("time_of_day", value=said)
    return second


def _plain(frame: Frame, name: str) -> nw.Expr:
    """A column of days or instants as instants without a zone."""
    dtype = frame.collect_schema()[name]
    if isinstance(dtype, nw.Datetime):
        return nw.col(name).dt.replace_time_zone(None) if dtype.time_zone is not None else nw.col(name)
    return nw.col(name).cast(nw.Datetime("us"))
