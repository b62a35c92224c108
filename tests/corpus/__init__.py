"""Sources that nobody tidied: broken, hostile or merely odd, made in code, each with what must be said about it."""

from __future__ import annotations

from tests.corpus import databases, folders, frames, lines, text, values, workbooks
from tests.corpus.case import Case, Loads, Outcome, Refuses, loaded, tried

__all__ = ["CASES", "Case", "Loads", "Outcome", "Refuses", "loaded", "tried"]

CASES: tuple[Case, ...] = (
    *text.CASES,
    *values.CASES,
    *workbooks.CASES,
    *databases.CASES,
    *folders.CASES,
    *frames.CASES,
    *lines.CASES,
)
