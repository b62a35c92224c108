"""Exercises that answer "not yet / close / correct", name a mix-up they recognize, and hint more concretely each time.

Answers are computed from the world at hand, never stored, so another seed or the learner's own data works too.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crmkit.texts import has_text, text

CLOSE = 0.05  # relative distance that counts as close: a rounding, or a slip in a few customers


@dataclass(frozen=True)
class Exercise:
    """One exercise of a lesson.

    Attributes:
        key: Lesson and number, "08.1"; texts are `exercise.08_1.question`, `.hint_1` … and `.mistake.<name>`.
        answer: Computes the right number.
        mistakes: What named mistakes would give, by name; `None` where a mistake cannot be told from the answer.
        tolerance: Distance from the answer that still counts as correct.
    """

    key: str
    answer: Callable[[], float]
    mistakes: Mapping[str, Callable[[], float]]
    tolerance: float = 0.00005

    def say(self, part: str) -> str:
        """One of the exercise's texts."""
        return text(self._key(part))

    def hint(self, attempt: int) -> str:
        """The hint for the nth try; the last one stays."""
        while attempt > 1 and not has_text(self._key(f"hint_{attempt}")):
            attempt -= 1
        return self.say(f"hint_{attempt}")

    def _key(self, part: str) -> str:
        return f"exercise.{self.key.replace('.', '_')}.{part}"


@dataclass(frozen=True)
class Verdict:
    """What `check` says: the verdict, the mistake recognised, and a hint."""

    verdict: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join((f"{SIGNS[self.verdict]} {text(f'verdict.{self.verdict}')}", *self.lines))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{html.escape(line)}</p>" for line in self.lines)
        heading = html.escape(f"{SIGNS[self.verdict]} {text(f'verdict.{self.verdict}')}")
        look = f"border-left:4px solid {COLOURS[self.verdict]};padding-left:1em"
        return f"<div role='status' style='{look}'><strong>{heading}</strong>{said}</div>"


SIGNS = {"correct": "✓", "close": "≈", "mix_up": "≠", "not_yet": "…", "empty": "…"}
COLOURS = {"correct": "#029e73", "close": "#de8f05", "mix_up": "#d55e00", "not_yet": "#0173b2", "empty": "#6e6e6e"}
_known: dict[str, Exercise] = {}
_tries: dict[str, int] = {}


def offer(*exercises: Exercise) -> None:
    """Make exercises known to `check`, with their hints starting anew."""
    for exercise in exercises:
        _known[exercise.key] = exercise
        _tries.pop(exercise.key, None)


def check(key: str, answer: Any) -> Verdict:
    """Look at an answer. Never raises: whatever is wrong is said.

    Args:
        key: Which exercise, e.g. "08.1".
        answer: A number or an `Estimate`.

    Returns:
        The verdict, which a notebook shows.

    Examples:
        >>> from crmkit.texts import use_language
        >>> use_language("en")
        >>> check("99.9", 1)
        … not yet
        There is no exercise 99.9 yet. Run the cells above first, and write the number in quotes, like "08.1".
        >>> use_language(None)
    """
    exercise = _known.get(key)
    if exercise is None:
        return Verdict("not_yet", (text("verdict.unknown", key=key),))
    try:
        return _judge(exercise, answer)
    except Exception as error:  # a learner's cell must live on
        return Verdict("not_yet", (text("verdict.failed", error=f"{type(error).__name__}: {error}"),))


def _judge(exercise: Exercise, answer: Any) -> Verdict:
    if answer is ... or answer is None:
        return Verdict("empty", (text("verdict.replace_dots"),))
    try:
        return _judge_number(exercise, float(answer))
    except (TypeError, ValueError):
        return Verdict("not_yet", (text("verdict.no_number", found=type(answer).__name__),))


def _judge_number(exercise: Exercise, given: float) -> Verdict:
    right = exercise.answer()
    if _same(given, right, exercise.tolerance):
        return Verdict("correct", (exercise.say("right"),))
    if _same(given / 100, right, exercise.tolerance) or _rounded(given / 100, right):
        return Verdict("close", (text("verdict.per_cent"),))
    for name, wrong in exercise.mistakes.items():
        value = wrong()
        if _same(given, value, exercise.tolerance) and not _same(value, right, exercise.tolerance):
            return Verdict("mix_up", (exercise.say(f"mistake.{name}"),))
    if _rounded(given, right):
        return Verdict("close", (text("verdict.rounded"),))
    _tries[exercise.key] = _tries.get(exercise.key, 0) + 1
    hint = exercise.hint(_tries[exercise.key])
    near = not math.isnan(given) and abs(given - right) <= CLOSE * abs(right)
    return Verdict("close" if near else "not_yet", (hint,))


def _rounded(given: float, right: float) -> bool:
    """Whether somebody copied the right number from the screen, where it stands with two or three decimals."""
    return any(_same(given, round(right, decimals), 1e-9) for decimals in (2, 3))


def _same(given: float, wanted: float, tolerance: float) -> bool:
    return (math.isnan(given) and math.isnan(wanted)) or abs(given - wanted) <= tolerance
