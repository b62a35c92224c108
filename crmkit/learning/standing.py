"""How somebody stands with an exercise, from the tries recorded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crmkit.learning.record import Try
from crmkit.texts import has_text, messages, text

STUCK_TRIES = 3  # the hints have three steps: whoever has seen them all and goes on trying needs a person
SIGNS = {"correct": "✓", "close": "≈", "mix_up": "≠", "not_yet": "…"}
_TASK = re.compile(r"(?:exercise\.(\d\d)_(\d+)\.right|quiz\.(\d\d)_(\d+)\.question)")


@dataclass(frozen=True, slots=True)
class Standing:
    """One learner and one exercise.

    Attributes:
        key: Which exercise.
        tries: Tries up to the first correct one; all of them while there is none.
        verdict: "correct" once it was, else what was said last.
        last: When the last of these tries was.
        mistakes: Named mistakes that were made, each once.
    """

    key: str
    tries: int
    verdict: str
    last: str
    mistakes: tuple[str, ...]

    @property
    def solved(self) -> bool:
        return self.verdict == "correct"

    @property
    def stuck(self) -> bool:
        return not self.solved and self.tries >= STUCK_TRIES

    def __str__(self) -> str:
        return f"{SIGNS[self.verdict]} {self.tries}{' !' if self.stuck else ''}"


def standings(tries: Iterable[Try]) -> dict[str, Standing]:
    """How a learner stands, by exercise."""
    by_key: dict[str, list[Try]] = {}
    for one in sorted(tries, key=lambda one: one.at):
        by_key.setdefault(one.key, []).append(one)
    return {key: _standing(key, by_key[key]) for key in in_order(by_key)}


def _standing(key: str, tries: Sequence[Try]) -> Standing:
    first = next((place for place, one in enumerate(tries) if one.verdict == "correct"), len(tries) - 1)
    counted = tries[: first + 1]
    mistakes = tuple(dict.fromkeys(one.mistake for one in tries if one.mistake))
    return Standing(key, len(counted), counted[-1].verdict, counted[-1].at, mistakes)


def in_order(keys: Iterable[str]) -> list[str]:
    """Exercises by lesson and number."""
    return sorted(keys, key=lambda key: tuple(map(int, key.split("."))))


def tasks() -> dict[str, list[str]]:
    """All exercises and quizzes of the course, by lesson: those that there are texts for."""
    found = filter(None, map(_TASK.fullmatch, messages("en")))
    keys = in_order(".".join(part for part in match.groups() if part) for match in found)
    return {lesson: [key for key in keys if key.startswith(f"{lesson}.")] for lesson in sorted({k[:2] for k in keys})}


def misconception(key: str, name: str) -> str:
    """What a mistake is, in words; its name where this crmkit has no words for it."""
    task = key.replace(".", "_")
    if has_text(f"quiz.{task}.option.{name}"):
        return text("board.chose", letter=name, option=text(f"quiz.{task}.option.{name}"))
    return text(f"exercise.{task}.mistake.{name}") if has_text(f"exercise.{task}.mistake.{name}") else name
