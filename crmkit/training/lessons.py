"""What lessons there are, and where their notebooks lie; the builder writes it down from their front matter."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unicodedata import normalize

from crmkit.errors import ParameterError, UnreadableFile
from crmkit.texts import Language, language

LIST = "lessons.json"


@dataclass(frozen=True, eq=False)  # there is one of each
class Cut:
    """A stretch of a lesson that may be left out: where it stands, and about how many minutes it takes."""

    headings: Mapping[Language, str]
    minutes: int

    @property
    def heading(self) -> str:
        """The heading it stands under."""
        return self.headings[language()]


@dataclass(frozen=True, eq=False)  # there is one of each
class Lesson:
    """A lesson as a trainer plans with it."""

    number: str
    slug: str
    titles: Mapping[Language, str]
    teach_minutes: int
    exercise_minutes: int
    cuts: tuple[Cut, ...]

    @property
    def title(self) -> str:
        """Its title in the language in use."""
        return self.titles[language()]

    @property
    def minutes(self) -> int:
        """All of it, exercises too."""
        return self.teach_minutes + self.exercise_minutes


def notebooks() -> Path:
    """The folder of the notebooks: inside the installed package, else beside it in the repository."""
    package = Path(__file__).parents[1]
    inside = package / "_notebooks"
    return inside if inside.is_dir() else package.parent / "notebooks"


@cache
def lessons() -> tuple[Lesson, ...]:
    """All lessons, in the course's order.

    Raises:
        UnreadableFile: the list of the lessons is not there.
    """
    path = notebooks() / LIST
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise UnreadableFile("no_lessons", file=path) from None
    return tuple(
        Lesson(
            one["number"],
            one["slug"],
            one["title"],
            one["teach_minutes"],
            one["exercise_minutes"],
            tuple(Cut(cut["heading"], cut["minutes"]) for cut in one["cut_if_late"]),
        )
        for one in found
    )


def chosen(numbers: Sequence[str]) -> tuple[Lesson, ...]:
    """The lessons with these numbers, in this order.

    Args:
        numbers: Such as "08", "8" or "08_repeat_and_retention"; one text may hold several, with commas between.

    Raises:
        ParameterError: there is no such lesson; those that there are, are named.

    Examples:
        >>> [lesson.slug for lesson in chosen(["16, 8"])]
        ['16_your_own_data', '08_repeat_and_retention']
    """
    by_number = {lesson.number: lesson for lesson in lessons()}
    asked = [one for text in numbers for one in normalize("NFKC", text).replace(",", " ").split()]
    picked = []
    for one in asked:
        number = one.split("_")[0].zfill(2)
        if number not in by_number:
            raise ParameterError("unknown_lesson", lesson=one, lessons=", ".join(by_number))
        picked.append(by_number[number])
    return tuple(dict.fromkeys(picked))
