"""Exercises and quizzes, as a lesson's notebook calls them.

`check` answers "not yet / close / correct", names a mix-up it recognises, and hints more concretely each time.
Answers are computed from the world at hand, never stored, so another seed or the learner's own data works too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from crmkit.learning.progress import resume
from crmkit.learning.record import note
from crmkit.texts import has_text, text
from crmkit.widgets.quiz import Quiz, QuizBox
from crmkit.widgets.verdict import Verdict

__all__ = ["Exercise", "Quiz", "Verdict", "check", "offer", "quiz"]

CLOSE = 0.05  # relative distance that counts as close: a rounding, or a slip in a few customers
LARGEST_RATE = 2  # an answer above it is a count or an amount, of which nobody takes a per cent


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


_known: dict[str, Exercise | Quiz] = {}
_tries: dict[str, int] = {}
_greeted: set[str] = set()  # of these it was said in this session what had been solved before
_latest: dict[str, tuple[str, str]] = {}


def offer(*exercises: Exercise | Quiz) -> None:
    """Make exercises and quizzes known to `check` and `quiz`, with their hints starting anew; say what was solved."""
    for exercise in exercises:
        _known[exercise.key] = exercise
        _tries.pop(exercise.key, None)
    new = {exercise.key for exercise in exercises} - _greeted
    _greeted.update(new)
    before = resume([exercise.key for exercise in exercises]) if new else ""
    if before:
        print(before)


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
    asked = _offered(key)
    if asked is None:
        return Verdict("not_yet", (text("verdict.unknown", key=key),))
    try:
        said = asked.judge(answer) if isinstance(asked, Quiz) else _judge(asked, answer)
    except Exception as error:  # a learner's cell must live on
        return Verdict("not_yet", (text("verdict.failed", error=f"{type(error).__name__}: {error}"),))
    return _recorded(key, answer, said)


def _offered(key: Any) -> Exercise | Quiz | None:
    return _known.get(key) if isinstance(key, str) else None


def _recorded(key: str, answer: Any, said: Verdict) -> Verdict:
    """The verdict, noted in the learner's record; an answer that is only checked again, as by "Run All", is no try."""
    this = (repr(answer), said.verdict)
    if said.verdict == "empty" or _latest.get(key) == this:
        return said
    _latest[key] = this
    trouble = note(key, said.verdict, said.mistake)
    return replace(said, lines=(*said.lines, trouble)) if trouble else said


def quiz(key: str, *, solved: bool = False) -> QuizBox | Verdict:
    """Show a quiz: its question, answers to choose from, and what is to be said to the one chosen. Never raises.

    Args:
        key: Which quiz, e.g. "08.4".
        solved: Show the right answer at once, as the notebooks with the solutions do.

    Returns:
        A widget that a notebook shows; a sentence where no such quiz has been offered.

    Examples:
        >>> from crmkit.texts import use_language
        >>> use_language("en")
        >>> quiz("99.9")
        … not yet
        There is no exercise 99.9 yet. Run the cells above first, and write the number in quotes, like "08.1".
        >>> use_language(None)
    """
    asked = _offered(key)
    if not isinstance(asked, Quiz):
        return Verdict("not_yet", (text("verdict.unknown", key=key),))
    return QuizBox(asked, lambda chosen: check(key, chosen), solved=solved)


def _judge(exercise: Exercise, answer: Any) -> Verdict:
    if answer is ... or answer is None:
        return Verdict("empty", (text("verdict.replace_dots"),))
    if callable(answer):
        return Verdict("not_yet", (text("verdict.no_brackets"),))
    if getattr(answer, "size", 0) == 1 and hasattr(answer, "item"):  # a selection of one row of a table
        answer = answer.item()
    try:
        return _judge_number(exercise, float(answer))
    except (TypeError, ValueError):
        return Verdict("not_yet", (text("verdict.no_number", found=type(answer).__name__),))


def _judge_number(exercise: Exercise, given: float) -> Verdict:
    right = exercise.answer()
    if _same(given, right, exercise.tolerance):
        return Verdict("correct", (exercise.say("right"),))
    per_cent = abs(right) <= LARGEST_RATE and given != 0
    if per_cent and (_same(given / 100, right, exercise.tolerance) or _rounded(given / 100, right)):
        return Verdict("close", (text("verdict.per_cent"),))
    for name, wrong in exercise.mistakes.items():
        value = wrong()
        if _same(given, value, exercise.tolerance) and not _same(value, right, exercise.tolerance):
            return Verdict("mix_up", (exercise.say(f"mistake.{name}"),), mistake=name)
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
