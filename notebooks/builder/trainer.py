"""What only the trainer's edition has: notes that stand out, where to cut, and what learners will answer wrongly.

The wrong answers are gathered from the texts that `check` and `quiz` say, and their numbers from the lesson's own run:
nothing is written twice.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from builder.listing import parts
from builder.prose import Placeholder, escaped
from builder.source import Cell, Header
from crmkit.texts import Language, in_language, messages, text

ASKED = re.compile(r"""\b(?P<kind>check|quiz)\(\s*["'](?P<key>\d\d\.\d+)["']""")
KNOWN = "crmkit.widgets.exercise._known[{key!r}]"  # the exercise as the lesson's run has offered it
LARGEST_RATE = 10  # a number below it is shown with decimals, above it as amounts and counts are


def questions(cell: Cell) -> list[tuple[str, str]]:
    """The exercises and quizzes of a code cell: ("check" or "quiz", "08.1")."""
    return [(found["kind"], found["key"]) for found in ASKED.finditer(cell.code)] if cell.is_code else []


def wanted(cells: Iterable[Cell]) -> list[Placeholder]:
    """What the lesson's run has to compute for the tables of wrong answers."""
    return [
        one
        for cell in cells
        for kind, key in questions(cell)
        for one in (
            [_right(key), *(_mistake(key, name) for name in _names(key, "mistake"))]
            if kind == "check"
            else [_chosen(key)]
        )
    ]


def tables(cell: Cell, language: Language, values: Mapping[Placeholder, str]) -> str:
    """After a check or a quiz: what will be answered, what the learner is then told, and the hints; "" elsewhere."""
    with in_language(language):
        parts = [
            block
            for kind, key in questions(cell)
            for block in (_exercise(key, language, values) if kind == "check" else _quiz(key, language, values))
        ]
        return note("\n\n".join(parts), text("trainer.expected")) if parts else ""


def note(words: str, heading: str) -> str:
    """Words for the trainer, set off from what learners read."""
    return "\n".join(f"> {line}".rstrip() for line in [f"**{heading}**", "", *words.splitlines()])


def cuts(cells: Sequence[Cell], header: Header) -> tuple[set[int], set[int]]:
    """Before which cells, and after which, a stretch begins and ends that may be left out: their positions."""
    framed = ["", *parts(cells), ""]
    begins = {
        cell.position
        for cell, (before, part) in zip(cells, pairwise(framed), strict=False)
        if part in header.cut_if_late and part != before
    }
    ends = {
        cell.position
        for cell, (part, after) in zip(cells, pairwise(framed[1:]), strict=False)
        if part in header.cut_if_late and part != after
    }
    return begins, ends


def _names(key: str, section: str) -> list[str]:
    """The names in a section of an exercise's or quiz's texts, in the order they are written."""
    prefixes = tuple(f"{kind}.{key.replace('.', '_')}.{section}." for kind in ("exercise", "quiz"))
    return [name.rpartition(".")[2] for name in messages("en") if name.startswith(prefixes)]


def _right(key: str) -> Placeholder:
    return f"float({KNOWN.format(key=key)}.answer())", ""


def _mistake(key: str, name: str) -> Placeholder:
    return f"float({KNOWN.format(key=key)}.mistakes[{name!r}]())", ""


def _chosen(key: str) -> Placeholder:
    return f"{KNOWN.format(key=key)}.right", ""


def _exercise(key: str, language: Language, values: Mapping[Placeholder, str]) -> Iterator[str]:
    """The answers that `check` knows for mistakes, with their values here, and the ladder of hints."""
    words, base = messages(language), f"exercise.{key.replace('.', '_')}"
    rows = [(shown(values.get(_right(key), "")), text("trainer.right"))]
    rows += [
        (shown(values.get(_mistake(key, name), "")), words[f"{base}.mistake.{name}"])
        for name in _names(key, "mistake")
        if f"{base}.mistake.{name}" in words
    ]
    yield _table((text("trainer.answered"), text("trainer.told")), rows)
    hints = [said for name, said in words.items() if re.fullmatch(rf"{re.escape(base)}\.hint_\d", name)]
    yield text("trainer.hints")
    yield "\n".join(f"{number}. {_plain(hint)}" for number, hint in enumerate(hints, 1))


def _quiz(key: str, language: Language, values: Mapping[Placeholder, str]) -> Iterator[str]:
    """Each answer of a quiz with what its chooser is told."""
    words, base = messages(language), f"quiz.{key.replace('.', '_')}"
    right = values.get(_chosen(key), "")
    rows = [
        (f"{'✓ ' if name == right else ''}{words[f'{base}.option.{name}']}", words[f"{base}.says.{name}"])
        for name in _names(key, "option")
    ]
    yield _table((text("trainer.chosen"), text("trainer.told")), rows)


def shown(said: str) -> str:
    """A computed answer as a trainer compares it with a learner's screen; "–" where the data give none."""
    try:
        value = float(said)
    except ValueError:
        return "–"
    if math.isnan(value):
        return "–"
    return f"{value:.4f}".rstrip("0").rstrip(".") if abs(value) < LARGEST_RATE else f"{value:,.0f}"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *([_plain(one) for one in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(words: str) -> str:
    """Words in a cell of a table: code stays code, nothing else is taken for a mark."""
    pieces = re.split(r"(`[^`]+`)", " ".join(words.split()))
    return "".join(one.replace("|", r"\|") if one.startswith("`") else escaped(one) for one in pieces)
