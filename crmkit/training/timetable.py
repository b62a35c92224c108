"""A plan for a session: which lesson when, whether it fits, and what to leave out if it does not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width, normalize

from crmkit.errors import ParameterError
from crmkit.texts import text
from crmkit.training.lessons import Cut, Lesson, lessons

PAUSE = 10
DAY = 24 * 60


@dataclass(frozen=True)
class Row:
    """One line of the plan; `lesson` is `None` for a break."""

    begin: int
    end: int
    lesson: Lesson | None = None
    left_out: tuple[Cut, ...] = ()


@dataclass(frozen=True)
class Timetable:
    """A planned session.

    Attributes:
        minutes: How long the session is.
        rows: Lessons and breaks; times in minutes of the day.
        needed: Minutes without leaving anything out.
        spare: Minutes left over at the end; negative if it does not fit whatever is left out.
    """

    minutes: int
    rows: tuple[Row, ...]
    needed: int
    spare: int

    @property
    def fits(self) -> bool:
        """Whether the session is long enough, with what is left out."""
        return self.spare >= 0

    def lines(self, *, markdown: bool = False) -> Iterator[str]:
        """The plan in the language in use, for a terminal or as Markdown."""
        title = text("timetable.title", minutes=self.minutes)
        yield f"# {title}" if markdown else title
        yield ""
        yield from _aligned([self._headings(), *map(self._cells, self.rows)], markdown=markdown)
        yield ""
        yield from (f"- {note}" if markdown else note for note in self._notes())

    def _headings(self) -> list[str]:
        return [text(f"timetable.{name}") for name in ("time", "lesson", "minutes", "left_out")]

    def _cells(self, row: Row) -> list[str]:
        time = f"{_clock(row.begin)}–{_clock(row.end)}"
        if row.lesson is None:
            return [time, text("timetable.pause"), str(row.end - row.begin), ""]
        shares = f"{row.lesson.teach_minutes} + {row.lesson.exercise_minutes}"
        less = sum(cut.minutes for cut in row.left_out)
        out = text("timetable.between").join(cut.heading for cut in row.left_out)
        return [time, f"{row.lesson.number} {row.lesson.title}", f"{shares} − {less}" if less else shares, out]

    def _notes(self) -> Iterator[str]:
        if any(row.left_out for row in self.rows):
            key = "timetable.cut" if self.fits else "timetable.cut_all"
            yield text(key, needed=self.needed, minutes=self.minutes)
        if not self.fits:
            yield text("timetable.too_long", apart=-self.spare)
        elif self.spare:
            yield text("timetable.spare", spare=self.spare)


def timetable(minutes: int, chosen: Sequence[Lesson] = (), *, begin: str = "0:00", pause: int = PAUSE) -> Timetable:
    """Plan a session.

    Args:
        minutes: How long it is.
        chosen: The lessons; without them, as many of the course as fit, from its beginning.
        begin: The time at which it begins, such as "13:00".
        pause: Minutes between two lessons.

    Returns:
        The plan. What is left out is what the lessons' writers said may be, and no more than needed.

    Raises:
        ParameterError: `begin` is no time, a number is negative, or no lesson is short enough.

    Examples:
        >>> from crmkit.training.lessons import chosen
        >>> plan = timetable(90, chosen(["08", "16"]), begin="13:00")
        >>> plan.needed, plan.fits, plan.spare >= 0
        (97, True, True)
        >>> plan.rows[1].lesson is None  # a break
        True
    """
    start = _minute(begin)
    if minutes < 1 or pause < 0:
        raise ParameterError("session_minutes", minutes=minutes, pause=pause)
    picked = tuple(chosen) or _as_many_as_fit(minutes, pause)
    needed = sum(lesson.minutes for lesson in picked) + pause * (len(picked) - 1)
    out = _left_out(picked, needed - minutes)
    saved = sum(cut.minutes for cuts in out.values() for cut in cuts)
    rows = tuple(_rows(picked, out, start, pause))
    return Timetable(minutes, rows, needed, minutes - needed + saved)


def _as_many_as_fit(minutes: int, pause: int) -> tuple[Lesson, ...]:
    """Lessons from the first one on, as long as they fit with the breaks between them, if need be shortened."""
    picked: list[Lesson] = []
    left = minutes
    for lesson in lessons():
        left -= _shortest(lesson) + (pause if picked else 0)
        if left < 0:
            break
        picked.append(lesson)
    if not picked:
        raise ParameterError("session_too_short", minutes=minutes, shortest=min(map(_shortest, lessons())))
    return tuple(picked)


def _shortest(lesson: Lesson) -> int:
    return lesson.minutes - sum(cut.minutes for cut in lesson.cuts)


def _left_out(picked: Sequence[Lesson], over: int) -> dict[Lesson, tuple[Cut, ...]]:
    """What to leave out to save so many minutes: as little as is enough, and few stretches rather than many."""
    ways: dict[int, tuple[Cut, ...]] = {0: ()}  # the fewest stretches for each number of minutes saved
    for one in (cut for lesson in picked for cut in lesson.cuts):
        for saved, taken in list(ways.items()):
            longer = saved + one.minutes
            if longer not in ways or len(taken) + 1 < len(ways[longer]):
                ways[longer] = (*taken, one)
    best = min((saved for saved in ways if saved >= over), default=max(ways))
    return {lesson: tuple(cut for cut in lesson.cuts if cut in ways[best]) for lesson in picked}


def _rows(picked: Sequence[Lesson], out: dict[Lesson, tuple[Cut, ...]], start: int, pause: int) -> Iterator[Row]:
    now = start
    for lesson in picked:
        if now > start and pause:
            yield Row(now, now + pause)
            now += pause
        length = lesson.minutes - sum(cut.minutes for cut in out[lesson])
        yield Row(now, now + length, lesson, out[lesson])
        now += length


def _minute(clock: str) -> int:
    """The minute of the day of "13:00"."""
    found = re.fullmatch(r"\s*(\d{1,2}):([0-5]\d)\s*", normalize("NFKC", clock))
    if not found or int(found[1]) > 23:
        raise ParameterError("no_time", found=clock)
    return int(found[1]) * 60 + int(found[2])


def _clock(minute: int) -> str:
    hour, rest = divmod(minute % DAY, 60)
    return f"{hour}:{rest:02d}"


def _aligned(rows: Sequence[Sequence[str]], *, markdown: bool) -> Iterator[str]:
    """Rows with columns of one width; a Japanese letter is two wide."""
    if markdown:
        rows = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        cells = [cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        yield f"| {' | '.join(cells)} |" if markdown else "  ".join(cells).rstrip()
        if number == 0 and markdown:
            yield f"| {' | '.join('-' * width for width in widths)} |"


def _width(words: str) -> int:
    return sum(2 if east_asian_width(sign) in "WF" else 1 for sign in words)
