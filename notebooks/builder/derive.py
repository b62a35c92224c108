"""Six notebooks of one lesson: for the learner, with the solutions, and for the trainer, in both languages."""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import nbformat

from builder import prose, trainer
from builder.source import SOLUTION, Cell, Header, Lesson
from crmkit.texts import Language, in_language, term, text

Kind = Literal["exercise", "solution", "trainer"]
KINDS: tuple[Kind, ...] = ("exercise", "solution", "trainer")
FOLDERS: dict[Kind, str] = {"exercise": "{}", "solution": "{}/solutions", "trainer": "trainer/{}"}
GLOSSARIES: dict[Kind, str] = {"exercise": "", "solution": "../", "trainer": "../../{}/"}
QUIZ = re.compile(r"""^((?:\w+\.)?quiz\(["']\d\d\.\d+["'])\)[ \t]*$""", re.MULTILINE)
SWITCH = re.compile(r"^MY_FILE = None$", re.MULTILINE)
SWITCH_COLUMNS = re.compile(r"^MY_COLUMNS = \{.*?\}$", re.MULTILINE | re.DOTALL)
UNANSWERED = re.compile(r"^\w+(?:\s*:[^=\n]+)?\s*=\s*\.\.\.[ \t]*(?:#.*)?\n?", re.MULTILINE)
_ONE_LANGUAGE = threading.Lock()  # the language in use is one for the whole process, and lessons are built side by side
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


@dataclass(frozen=True)
class Edition:
    """One of the six notebooks of a lesson."""

    lesson: Lesson
    language: Language
    kind: Kind

    @property
    def path(self) -> str:
        """Where it goes, seen from `notebooks/`."""
        return f"{FOLDERS[self.kind].format(self.language)}/{self.lesson.slug}.ipynb"

    @property
    def glossary_page(self) -> str:
        return f"{GLOSSARIES[self.kind].format(self.language)}glossary.md"

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of the source that stand in it."""
        hidden = {"exercise": {"solution", "trainer"}, "solution": {"trainer"}, "trainer": set()}[self.kind]
        return tuple(cell for cell in self.lesson.cells if not hidden & set(cell.tags))


def notebook(edition: Edition, values: Mapping[prose.Placeholder, str]) -> Any:
    """The notebook without outputs. Cells get ids by lesson and position, so that diffs stay quiet."""
    with _ONE_LANGUAGE:
        return _notebook(edition, values)


def _notebook(edition: Edition, values: Mapping[prose.Placeholder, str]) -> Any:
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
            cells.append(_cell("markdown", key, _noted(words, language) if cell.only_for_trainer else words, metadata))
    if edition.kind == "trainer":
        cells = [*cells[:2], *_with_notes(edition, cells[2:], values)]
    about = {"lesson": edition.lesson.slug, "language": language, "kind": edition.kind}
    whole = {"crmkit": about, "kernelspec": KERNEL, "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=whole)


def _noted(words: str, language: Language) -> str:
    with in_language(language):
        return trainer.note(words, text("trainer.note"))


def _with_notes(edition: Edition, made: Iterable[Any], values: Mapping[prose.Placeholder, str]) -> Iterator[Any]:
    """The cells, and among them what is generated for the trainer: where to cut, and the expected wrong answers."""
    begins, ends = trainer.cuts(edition.cells, edition.lesson.header)
    with in_language(edition.language):
        cut = {"begin": text("trainer.cut_begin"), "end": text("trainer.cut_end")}
    for cell, ready in zip(edition.cells, made, strict=True):
        if cell.position in begins:
            yield _cell("markdown", f"{ready.id}-cut", f"✂ **{cut['begin']}**", {"tags": ["trainer"]})
        yield ready
        table = trainer.tables(cell, edition.language, values)
        if table:
            yield _cell("markdown", f"{ready.id}-expected", table, {"tags": ["trainer"]})
        if cell.position in ends:
            yield _cell("markdown", f"{ready.id}-on", f"✂ **{cut['end']}**", {"tags": ["trainer"]})


def _cell(kind: str, key: str, source: str, metadata: Mapping[str, Any] | None = None) -> Any:
    make = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
    return make(source, id=key, metadata=dict(metadata or {}))


def code(source: str, kind: Kind) -> str:
    """A code cell as the learner gets it, or with the answer in place of the placeholder."""
    mark = SOLUTION.search(source)
    if mark is None:
        return source if kind == "exercise" else QUIZ.sub(r"\1, solved=True)", source)
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
        if edition.kind != "exercise":
            title = text(f"course.{edition.kind}_title", title=title)
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
        if edition.kind == "trainer":
            blocks.append(trainer.note(_about_edition(header), text("trainer.note")))
    return "\n\n".join(blocks)


def _about_edition(header: Header) -> str:
    """What a trainer should know of the lesson before it begins."""
    between = text("course.between_terms")
    minutes = header.teach_minutes + header.exercise_minutes
    lines = [text("trainer.about"), text("trainer.minutes", minutes=minutes)]
    if header.tables:
        lines.append(text("trainer.tables", tables=between.join(f"`{name}`" for name in header.tables)))
    return "\n\n".join(lines)


def switched(original: Any, file: str, columns: Mapping[str, str] | None = None) -> Any:
    """The notebook as a reader would change it to run on a file or a folder of their own.

    Args:
        original: The notebook.
        file: What goes into `MY_FILE`.
        columns: What goes into `MY_COLUMNS`; without it, that line (where there is one) stays as it is.

    Raises:
        ValueError: there is no one place to write the file or the columns into.
    """
    changed = copy.deepcopy(original)
    codes = [cell for cell in changed.cells if cell.cell_type == "code"]
    news = {SWITCH: f"MY_FILE = {file!r}"}
    if columns is not None:
        news[SWITCH_COLUMNS] = f"MY_COLUMNS = {dict(columns)!r}"
    for line, new in news.items():
        places = [cell for cell in codes if line.search(cell.source)]
        if len(places) != 1:
            raise ValueError(f"{len(places)} cells have a line like {line.pattern}")
        places[0].source = line.sub(lambda _, new=new: new, places[0].source)
    return changed
