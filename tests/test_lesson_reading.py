"""How the lessons read: their length, that their terms are explained, and that a thing keeps one name."""

from __future__ import annotations

import re

import pytest
from lesson_files import LESSONS, NOTEBOOKS, ROOT, lesson_of

from builder import pages, source  # isort: skip
from crmkit.texts import LANGUAGES, Language, glossary

pytestmark = pytest.mark.notebooks
ABOUT = re.compile(r"\{\{\s*(?:term|Term|define)\s*:\s*(\w+)\s*\}\}")
CODE = re.compile(r"```.*?```|`[^`]*`|\{\{.*?\}\}", re.DOTALL)


@pytest.fixture(scope="module", params=LESSONS)
def lesson(request: pytest.FixtureRequest) -> source.Lesson:
    return lesson_of(request.param)


def prose(lesson: source.Lesson, code: Language) -> list[str]:
    """The cells that a learner reads."""
    return [cell.words[code] for cell in lesson.cells if not cell.is_code and not cell.only_for_trainer]


def names(words: str, code: Language) -> str:
    """Words in which a term may be looked for: no code; small letters."""
    plain = CODE.sub(" ", words)
    return plain if code == "ja" else f" {re.sub(r'[^a-z0-9]+', ' ', plain.casefold())} "


def has(words: str, name: str, code: Language) -> bool:
    """Whether a term's name is there as a word; an English one also in the plural."""
    if code == "ja":
        return name in words
    small = re.sub(r"[^a-z0-9]+", " ", name.casefold())
    return f" {small} " in words or f" {small}s " in words


def test_a_lesson_takes_half_an_hour_to_fifty_minutes(lesson: source.Lesson) -> None:
    assert 30 <= lesson.header.teach_minutes + lesson.header.exercise_minutes <= 50
    assert lesson.header.exercise_minutes >= 10


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_terms_of_a_lesson_are_explained_in_it(lesson: source.Lesson, code: Language) -> None:
    """Linked or defined where they are used, not only listed at the top; and a linked term is listed."""
    found = {key for cell in prose(lesson, code) for key in ABOUT.findall(cell)}
    assert not set(lesson.header.glossary) - found, "only listed at the top"


def _without_longer(words: str, name: str, code: Language) -> str:
    """Without the glossary's longer names that hold this one: 再購入 is no word of its own in 再購入率."""
    for term in glossary().values():
        for longer in (term.ja, *term.aliases_ja) if code == "ja" else (term.en, *term.aliases_en):
            if name.casefold() in longer.casefold() and len(longer) > len(name):
                small = longer if code == "ja" else re.sub(r"[^a-z0-9]+", " ", longer.casefold())
                words = words.replace(small, " … ")
    return words


def unexplained(lesson: source.Lesson, code: Language) -> dict[str, list[str]]:
    """Other names of the lesson's own terms that are used without being put beside the term once.

    Only the terms that the lesson teaches are looked at, and of their other names only those that are not everyday
    words for something else: a name counts when it is no part of the term's label and the label no part of it.
    """
    cells = prose(lesson, code)
    wrong: dict[str, list[str]] = {}
    for key in lesson.header.glossary:
        term = glossary()[key]
        label, others = (term.ja, term.aliases_ja) if code == "ja" else (term.en, term.aliases_en)
        with_term = [cell for cell in cells if key in ABOUT.findall(cell) or has(names(cell, code), label, code)]
        for other in others:
            if other.casefold() in label.casefold() or label.casefold() in other.casefold():
                continue
            used = any(has(_without_longer(names(cell, code), other, code), other, code) for cell in cells)
            if used and not any(has(names(cell, code), other, code) for cell in with_term):
                wrong.setdefault(key, []).append(other)
    return wrong


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_thing_keeps_its_name(lesson: source.Lesson, code: Language) -> None:
    assert not unexplained(lesson, code)


@pytest.mark.parametrize("code", LANGUAGES)
def test_another_name_for_a_term_is_seen(code: Language) -> None:
    """The check sees what it is for: the other name alone, and not where it stands beside the term."""
    term = next(one for one in glossary().values() if one.key == "repurchase_rate")
    other = (term.aliases_ja if code == "ja" else term.aliases_en)[0]
    header = lesson_of("08_repeat_and_retention").header
    alone = source.Cell(0, {"ja": f"{other}は低い。", "en": f"The {other} is low."})
    beside = source.Cell(
        2, {"ja": f"{{{{ term:{term.key} }}}}（{other}）", "en": f"The {{{{ term:{term.key} }}}}, or {other}."}
    )
    assert unexplained(source.Lesson("08_x", header, (alone,)), code) == {term.key: [other]}
    assert not unexplained(source.Lesson("08_x", header, (alone, beside)), code)


def test_readme_and_index_list_every_lesson() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    index = (NOTEBOOKS / "index.md").read_text(encoding="utf-8")
    lessons = [lesson_of(slug) for slug in LESSONS]
    assert pages.readme(readme, lessons) == readme, "run make notebooks"
    assert pages.index(lessons) == index, "run make notebooks"
    assert all(f"notebooks/en/{slug}.ipynb" in readme for slug in LESSONS)
