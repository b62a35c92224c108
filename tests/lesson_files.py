"""The lessons and their generated notebooks, for the tests that open them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
sys.path.insert(0, str(NOTEBOOKS))

from builder import source  # noqa: E402

from crmkit.texts import LANGUAGES, messages  # noqa: E402

LESSONS = [path.stem for path in sorted((NOTEBOOKS / "lessons").glob("*.py"))]
EXERCISES = [f"{code}/{slug}" for slug in LESSONS for code in LANGUAGES]
SOLUTIONS = [f"{code}/solutions/{slug}" for slug in LESSONS for code in LANGUAGES]
TRAINERS = [f"trainer/{code}/{slug}" for slug in LESSONS for code in LANGUAGES]


def read(name: str) -> Any:
    """A generated notebook, such as "ja/solutions/08_repeat_and_retention"."""
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4)


def lesson_of(name: str) -> source.Lesson:
    """The source of a generated notebook; what is wrong with it, the builder's check says."""
    found, troubles = source.read(NOTEBOOKS / "lessons" / f"{name.rpartition('/')[2]}.py")
    assert found is not None, troubles
    return found


def words_of(name: str) -> dict[str, str]:
    """All texts in a notebook's language."""
    return messages("ja" if "ja" in name.split("/") else "en")


def checks(notebook: Any) -> list[str]:
    """The cells in which an answer is checked."""
    return [cell.id for cell in notebook.cells if cell.cell_type == "code" and re.search(r"\bcheck\(", cell.source)]


def outputs(notebook: Any) -> dict[str, str]:
    """All text that a notebook shows, by cell."""
    shown = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            texts = [output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in cell.outputs]
            shown[cell.id] = "\n".join(texts)
    return shown
