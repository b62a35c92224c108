"""The list of the lessons that `crmkit timetable` and `crmkit get` read: front matter as data."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from builder import prose
from builder.source import Cell, Lesson
from crmkit.texts import LANGUAGES, Language

LINE_OF_CODE = 40  # as long to go through as so many characters of Japanese prose
HEADING = re.compile(r"^#+\s+(.+)$", re.MULTILINE)


def listing(lessons: Sequence[Lesson]) -> str:
    """The file `lessons.json`."""
    return json.dumps([_entry(lesson) for lesson in lessons], ensure_ascii=False, indent=1) + "\n"


def _entry(lesson: Lesson) -> dict[str, Any]:
    header = lesson.header
    return {
        "number": lesson.number,
        "slug": lesson.slug,
        "title": header.title,
        "theme": header.theme,
        "teach_minutes": header.teach_minutes,
        "exercise_minutes": header.exercise_minutes,
        "cut_if_late": [_cut(lesson, part) for part in header.cut_if_late],
        "tables": list(header.tables),
    }


def _cut(lesson: Lesson, part: str) -> dict[str, Any]:
    """A part that may be left out, the heading it stands under, and its share of the teaching minutes by length."""
    lengths = _lengths(lesson)
    taught = sum(length for name, length in lengths.items() if name != "exercise")
    minutes = max(1, round(lesson.header.teach_minutes * lengths[part] / taught))
    return {"part": part, "heading": {code: _heading(lesson, part, code) for code in LANGUAGES}, "minutes": minutes}


def parts(cells: Sequence[Cell]) -> list[str]:
    """The part that each cell belongs to; code without one of its own belongs to the prose before it."""
    now, found = "", []
    for cell in cells:
        now = cell.part or now
        found.append(now)
    return found


def _lengths(lesson: Lesson) -> dict[str, int]:
    """How much there is to go through, by part, in characters of Japanese."""
    lengths: dict[str, int] = {}
    for cell, part in zip(lesson.cells, parts(lesson.cells), strict=True):
        if not cell.only_for_trainer:
            length = LINE_OF_CODE * len(cell.code.splitlines()) if cell.is_code else len(cell.words["ja"])
            lengths[part] = lengths.get(part, 0) + length
    return lengths


def _heading(lesson: Lesson, part: str, code: Language) -> str:
    """The first heading in the part, else the last one before it."""
    last = lesson.header.title[code]
    for cell, here in zip(lesson.cells, parts(lesson.cells), strict=True):
        found = None if cell.is_code or cell.only_for_trainer else HEADING.search(cell.words[code])
        last = found[1].strip() if found else last
        if here == part:
            break
    return prose.PLACEHOLDER.sub("…", last)
