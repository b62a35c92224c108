"""Four notebooks of one lesson: exercise and solution, in Japanese and in English."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import nbformat

from builder import prose
from builder.source import SOLUTION, Cell, Lesson
from crmkit.texts import Language, in_language, term, text

Kind = Literal["exercise", "solution"]
KINDS: tuple[Kind, ...] = ("exercise", "solution")
SWITCH = re.compile(r"^MY_FILE = None$", re.MULTILINE)
SWITCH_COLUMNS = re.compile(r"^MY_COLUMNS = \{.*?\}$", re.MULTILINE | re.DOTALL)
UNANSWERED = re.compile(r"^\w+(?:\s*:[^=\n]+)?\s*=\s*\.\.\.[ \t]*(?:#.*)?\n?", re.MULTILINE)
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


@dataclass(frozen=True)
class Edition:
    """One of the four notebooks of a lesson."""

    lesson: Lesson
    language: Language
    kind: Kind

    @property
    def path(self) -> str:
        """Where it goes, seen from `notebooks/`."""
        folder = self.language if self.kind == "exercise" else f"{self.language}/solutions"
        return f"{folder}/{self.lesson.slug}.ipynb"

    @property
    def glossary_page(self) -> str:
        return "glossary.md" if self.kind == "exercise" else "../glossary.md"

    @property
    def cells(self) -> tuple[Cell, ...]:
        keeps_all = self.kind == "solution"
        return tuple(cell for cell in self.lesson.cells if keeps_all or not cell.only_in_solution)


def notebook(edition: Edition, values: Mapping[prose.Placeholder, str]) -> Any:
    """The notebook without outputs. Cells get ids by lesson and position, so that diffs stay quiet."""
    number, language = edition.lesson.number, edition.language
    cells = [
        _cell("markdown", f"{number}-title", opening(edition)),
        _cell("code", f"{number}-language", language_code(language)),
    ]
    for cell in edition.cells:
        key = f"{number}-{cell.position + 1:03d}"
        metadata: dict[str, Any] = {"part": cell.part} if cell.part else {}
        if cell.tags:
            metadata["tags"] = list(cell.tags)
        if cell.is_code:
            cells.append(_cell("code", key, code(cell.code, edition.kind), metadata))
        else:
            words = prose.fill(cell.words[language], language, values, edition.glossary_page)
            cells.append(_cell("markdown", key, words, metadata))
    about = {"lesson": edition.lesson.slug, "language": language, "kind": edition.kind}
    whole = {"crmkit": about, "kernelspec": KERNEL, "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=whole)


def _cell(kind: str, key: str, source: str, metadata: Mapping[str, Any] | None = None) -> Any:
    make = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
    return make(source, id=key, metadata=dict(metadata or {}))


def code(source: str, kind: Kind) -> str:
    """A code cell as the learner gets it, or with the answer in place of the placeholder."""
    mark = SOLUTION.search(source)
    if mark is None:
        return source
    before, answer = source[: mark.start()], source[mark.end() :].lstrip("\n")
    if kind == "exercise":
        return before.rstrip()
    return (UNANSWERED.sub("", before) + answer).strip("\n")


def language_code(language: Language) -> str:
    """The first code cell."""
    with in_language(language):
        comment = text("course.language_comment")
    return f'# {comment}\nimport crmkit\n\ncrmkit.use_language("{language}")'


def opening(edition: Edition) -> str:
    """The first cell: title, theme, minutes, prerequisites, what the learner can do afterwards, and the terms."""
    header, language = edition.lesson.header, edition.language
    with in_language(language):
        title = header.title[language]
        if edition.kind == "solution":
            title = text("course.solution_title", title=title)
        line = text(
            "course.lesson_line",
            theme=text(f"course.theme.{header.theme}"),
            teach=header.teach_minutes,
            exercise=header.exercise_minutes,
            prerequisites=header.prerequisites[language],
        )
        can_do = "\n".join(f"- {sentence}" for sentence in header.objectives[language])
        blocks = [f"# {title}", line, text("course.objectives"), can_do]
        if header.glossary:
            links = [f"[{term(key).label}]({edition.glossary_page}#{key})" for key in header.glossary]
            blocks.append(text("course.lesson_terms", terms=text("course.between_terms").join(links)))
    return "\n\n".join(blocks)


def switched(original: Any, file: str, columns: Mapping[str, str]) -> Any:
    """The notebook as a reader would change it to run on a file of their own.

    Raises:
        ValueError: there is no one place to write the file and the columns into.
    """
    changed = copy.deepcopy(original)
    codes = [cell for cell in changed.cells if cell.cell_type == "code"]
    for line, news in ((SWITCH, f"MY_FILE = {file!r}"), (SWITCH_COLUMNS, f"MY_COLUMNS = {dict(columns)!r}")):
        places = [cell for cell in codes if line.search(cell.source)]
        if len(places) != 1:
            raise ValueError(f"{len(places)} cells have a line like {line.pattern}")
        places[0].source = line.sub(lambda _, news=news: news, places[0].source)
    return changed
