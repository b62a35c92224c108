"""The course's front page and the glossary, as Markdown that JupyterLab shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import crmkit
from builder.derive import Edition
from builder.prose import escaped
from builder.source import THEMES, Lesson
from crmkit.texts import LANGUAGES, Language, Term, glossary, in_language, text

README_HEADINGS = ("no.", "lesson", "theme", "minutes")
STEPS = ("step_choose", "step_run", "step_predict", "step_solve")


def index(lessons: Sequence[Lesson]) -> str:
    """The front page: how to begin, and the table of lessons, both languages side by side."""
    blocks = [f"# {_both('title')}", *_each("about")]
    for code in LANGUAGES:
        with in_language(code):
            steps = [f"{number}. {text(f'course.{step}')}" for number, step in enumerate(STEPS, 1)]
            page = f"[{text('course.glossary_title')}]({code}/glossary.md)"
            blocks += [f"## {text('course.begin')}", "\n".join(steps), text("course.see_glossary", page=page)]
    blocks += [f"## {_both('lessons')}", "\n".join(_table(lessons))]
    blocks += [f"## {' / '.join(_each('for_trainers'))}", *_each("trainers_about"), "\n".join(_trainers(lessons))]
    return "\n\n".join(blocks) + "\n"


def _each(key: str) -> list[str]:
    """A text in every language."""
    texts = []
    for code in LANGUAGES:
        with in_language(code):
            texts.append(text(f"course.{key}"))
    return texts


def _both(key: str) -> str:
    return " / ".join(dict.fromkeys(_each(key)))


def _table(lessons: Sequence[Lesson]) -> Iterator[str]:
    headings = [_both("number"), *_each("language"), _both("theme_heading"), _both("minutes"), _both("solutions")]
    yield _row(headings)
    yield _row(["---"] * len(headings))
    for lesson in lessons:
        header = lesson.header
        titles = [f"[{header.title[code]}]({Edition(lesson, code, 'exercise').path})" for code in LANGUAGES]
        solutions = [
            f"[{name}]({Edition(lesson, code, 'solution').path})"
            for code, name in zip(LANGUAGES, _each("language"), strict=True)
        ]
        minutes = str(header.teach_minutes + header.exercise_minutes)
        yield _row([lesson.number, *titles, _both(f"theme.{header.theme}"), minutes, ", ".join(solutions)])


def _trainers(lessons: Sequence[Lesson]) -> Iterator[str]:
    """The notebooks with notes for the trainer, apart from what learners open."""
    headings = [_both("number"), *_each("language"), _both("minutes")]
    yield _row(headings)
    yield _row(["---"] * len(headings))
    for lesson in lessons:
        header = lesson.header
        titles = [f"[{header.title[code]}]({Edition(lesson, code, 'trainer').path})" for code in LANGUAGES]
        yield _row([lesson.number, *titles, f"{header.teach_minutes} + {header.exercise_minutes}"])


def readme(before: str, lessons: Sequence[Lesson]) -> str:
    """The project's README with its table of lessons brought up to date; as it was where it has none."""

    def links(lesson: Lesson) -> str:
        return ", ".join(f"[{code}](notebooks/{Edition(lesson, code, 'exercise').path})" for code in LANGUAGES)

    rows = [_row(README_HEADINGS), _row(["---"] * len(README_HEADINGS))]
    for lesson in lessons:
        header = lesson.header
        title = f"{header.title['en']} ({links(lesson)})"
        rows.append(_row([lesson.number, title, header.theme, f"{header.teach_minutes} + {header.exercise_minutes}"]))
    table = re.compile(rf"^{re.escape(rows[0])}\n(?:\|.*\n)*", re.MULTILINE)
    return table.sub(lambda _: "\n".join(rows) + "\n", before)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def glossary_page(language: Language, lessons: Sequence[Lesson]) -> str:
    """All concepts by theme; a heading's anchor is the concept's key, the same in both languages."""
    with in_language(language):
        blocks = [f"# {text('course.glossary_title')}", text("course.glossary_about", terms=len(glossary()))]
        for theme in THEMES:
            blocks.append(f"## {text(f'course.theme.{theme}')}")
            for term in glossary().values():
                if term.theme == theme:
                    blocks += _entry(term, language, [one for one in lessons if term.key in one.header.glossary])
    return "\n\n".join(blocks) + "\n"


def _entry(term: Term, language: Language, lessons: Sequence[Lesson]) -> Iterator[str]:
    """One concept: what it is called, what it means, how it is computed, and where the course uses it."""
    other, aliases = (term.en, term.aliases_ja) if language == "ja" else (term.ja, term.aliases_en)
    yield f'### <a id="{term.key}"></a>{escaped(term.label)}'
    yield escaped(text("course.between_terms").join([other, *aliases]))
    marks = {"claim": term.claim, "beyond_syllabus": not term.in_syllabus}
    for mark, holds in marks.items():
        if holds:
            yield f"**{text(f'course.{mark}')}**"
    yield escaped(term.definition)
    lines = [f"- {text('course.formula')} {escaped(term.formula)}"]
    for key, names in _by_readiness(term).items():
        if names:
            functions = text("course.between_terms").join(f"`{name}`" for name in names)
            lines.append(f"- {text(f'course.{key}')} {functions}")
    if lessons:
        links = [f"[{one.header.title[language]}]({one.slug}.ipynb)" for one in lessons]
        lines.append(f"- {text('course.term_lessons')} {text('course.between_terms').join(links)}")
    yield "\n".join(lines)


def _by_readiness(term: Term) -> dict[str, list[str]]:
    """The concept's metrics: those that crmkit has, and those still to come."""
    return {
        "metrics": [name for name in term.metrics if name in crmkit.__all__],
        "planned": [name for name in term.metrics if name not in crmkit.__all__],
    }
