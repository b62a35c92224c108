"""A lesson's source: jupytext percent format, Japanese and English side by side, code shared."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jupytext

from builder import prose
from builder.trouble import Trouble
from crmkit.texts import LANGUAGES, Language, glossary

THEMES = ("relationship", "management", "retention", "service")
LESSON_FILE = re.compile(r"(?P<number>\d\d)_[a-z0-9_]+")
ENGLISH_CELL = re.compile(r'^# %% \[markdown\](?=.*\blang="en").*$', re.MULTILINE)
STAMP = re.compile(r'\s+of="[^"]*"')
SOLUTION = re.compile(r"^# solution[ \t]*$", re.MULTILINE)
KNOWN_METADATA = {"lang", "of", "part", "tags", "typed", "lines_to_next_cell"}


@dataclass(frozen=True)
class Header:
    """A lesson's front matter."""

    title: dict[Language, str]
    theme: str  # one of THEMES, or "all"
    objectives: dict[Language, list[str]]
    prerequisites: dict[Language, str]
    teach_minutes: int
    exercise_minutes: int
    cut_if_late: tuple[str, ...]
    tables: tuple[str, ...]
    glossary: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One cell of a lesson: prose in both languages, or code."""

    position: int  # of the Japanese twin, or of the code, among all cells of the source
    words: dict[Language, str] = field(default_factory=dict)
    code: str = ""
    part: str = ""
    tags: tuple[str, ...] = ()

    @property
    def is_code(self) -> bool:
        return not self.words

    @property
    def only_in_solution(self) -> bool:
        return "solution" in self.tags

    @property
    def only_for_trainer(self) -> bool:
        return "trainer" in self.tags


@dataclass(frozen=True)
class Lesson:
    """One lesson as it stands in its source file."""

    slug: str
    header: Header
    cells: tuple[Cell, ...]

    @property
    def number(self) -> str:
        return self.slug[:2]


def fingerprint(japanese: str) -> str:
    """What an English cell notes of its twin, so that a change of the Japanese is seen."""
    return hashlib.sha1(japanese.encode()).hexdigest()[:8]


def read(path: Path) -> tuple[Lesson | None, list[Trouble]]:
    """Read one lesson and everything that is wrong with it; `None` where no notebook can be made of it."""
    slug = path.stem
    if not LESSON_FILE.fullmatch(slug):
        return None, [Trouble(slug, "the file", "is not named like 08_repeat_and_retention.py")]
    try:
        notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    except Exception as error:  # YAML or percent format: whatever jupytext says is for the writer
        return None, [Trouble(slug, "front matter", " ".join(str(error).split()))]
    header, troubles = _header(slug, notebook.metadata.get("crmkit"))
    cells = list(_cells(slug, notebook.cells, troubles))
    parts = {cell.part for cell in cells}
    troubles += [
        Trouble(slug, "front matter", f"cut_if_late names '{part}', but no cell has part=\"{part}\"")
        for part in (header.cut_if_late if header else ())
        if part not in parts
    ]
    return (Lesson(slug, header, tuple(cells)) if header else None), troubles


def _header(slug: str, found: Any) -> tuple[Header | None, list[Trouble]]:
    """The front matter, checked field by field."""

    def wrong(what: str) -> Trouble:
        return Trouble(slug, "front matter", what)

    if not isinstance(found, dict):
        return None, [wrong("has no `crmkit:` under `jupyter:`")]
    wanted: dict[str, Any] = {
        "title": _both(str),
        "theme": lambda value: value in (*THEMES, "all"),
        "objectives": _both(list),
        "prerequisites": _both(str),
        "teach_minutes": lambda value: isinstance(value, int),
        "exercise_minutes": lambda value: isinstance(value, int),
        "cut_if_late": _strings,
        "tables": _strings,
        "glossary": _strings,
    }
    troubles = [wrong(f"has no `{name}`") for name in wanted if name not in found]
    troubles += [wrong(f"`{name}` is not known") for name in found if name not in wanted]
    troubles += [
        wrong(f"`{name}: {found[name]}` is not usable")
        for name, fits in wanted.items()
        if name in found and not fits(found[name])
    ]
    if troubles:
        return None, troubles
    if len({len(found["objectives"][code]) for code in LANGUAGES}) > 1:
        troubles.append(wrong("`objectives` has not the same number of sentences in both languages"))
    troubles += [wrong(f"glossary: '{key}' is no term") for key in found["glossary"] if key not in glossary()]
    lists = {name: tuple(found[name]) for name in ("cut_if_late", "tables", "glossary")}
    return Header(**{**found, **lists}), troubles


def _both(kind: type) -> Any:
    def fits(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and set(value) == set(LANGUAGES)
            and all(isinstance(one, kind) and one and (kind is str or _strings(one)) for one in value.values())
        )

    return fits


def _strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _cells(slug: str, found: list[Any], troubles: list[Trouble]) -> Iterator[Cell]:
    """The cells in order; a Japanese cell is joined with the English one right behind it."""
    at = 0
    while at < len(found):
        cell, metadata = found[at], found[at].metadata
        here = _place(at, cell.source)
        tags = tuple(metadata.get("tags", ()))
        unknown = sorted(set(metadata) - KNOWN_METADATA)
        if unknown:
            troubles.append(Trouble(slug, here, f"has metadata that means nothing here: {', '.join(unknown)}"))
        if cell.cell_type == "code":
            troubles += _code_troubles(slug, here, cell.source, tags)
            yield Cell(at, code=cell.source, part=metadata.get("part", ""), tags=tags)
        elif cell.cell_type != "markdown" or metadata.get("lang") not in LANGUAGES:
            troubles.append(Trouble(slug, here, 'is neither code nor prose with lang="ja" or lang="en"'))
        elif metadata["lang"] == "en":
            troubles.append(Trouble(slug, here, "is English without the Japanese right before it"))
        else:
            twin = found[at + 1] if at + 1 < len(found) else None
            if twin is None or twin.metadata.get("lang") != "en":
                troubles.append(Trouble(slug, here, "has no English twin right behind it"))
            else:
                troubles += _twin_troubles(slug, at, cell, twin)
                words: dict[Language, str] = {"ja": cell.source, "en": twin.source}
                yield Cell(at, words, part=metadata.get("part", ""), tags=tags)
                at += 1
        at += 1


def _code_troubles(slug: str, here: str, code: str, tags: tuple[str, ...]) -> Iterator[Trouble]:
    marks = list(SOLUTION.finditer(code))
    if "trainer" in tags:
        yield Trouble(slug, here, "is code for trainers only: their edition keeps the solution's run, so make it prose")
    if len(marks) > 1:
        yield Trouble(slug, here, "has more than one line `# solution`")
    if marks and "solution" in tags:
        yield Trouble(slug, here, "is tagged solution and has a line `# solution` too: one of the two")
    if marks and not code[: marks[0].start()].strip():
        yield Trouble(slug, here, 'has nothing before `# solution`: tag it instead, tags=["solution"]')


def _twin_troubles(slug: str, at: int, japanese: Any, english: Any) -> Iterator[Trouble]:
    """What is wrong with one pair of prose cells."""
    there = _place(at + 1, english.source)
    wanted, noted = fingerprint(japanese.source), english.metadata.get("of")
    if noted != wanted:
        yield Trouble(
            slug,
            there,
            f"was translated from another text (of={noted}, now {wanted}): read both, then --stamp {slug[:2]}",
        )
    if japanese.metadata.get("tags", []) != english.metadata.get("tags", []):
        yield Trouble(slug, there, "has other tags than its Japanese twin")
    if english.metadata.get("part") not in (None, japanese.metadata.get("part")):
        yield Trouble(slug, there, "is in another part than its Japanese twin")
    for where, cell, code in ((at, japanese, "ja"), (at + 1, english, "en")):
        here = _place(where, cell.source)
        for what in prose.troubles(cell.source, code, typed=str(cell.metadata.get("typed", "")).strip()):
            yield Trouble(slug, here, what)


def _place(at: int, source: str) -> str:
    words = " ".join(source.split())
    return f"cell {at + 1} ({words[:40]}{'…' if len(words) > 40 else ''})"


def stamp(path: Path) -> int:
    """Note in every English cell the Japanese it translates, as it is now; says how many cells changed."""
    content = path.read_text(encoding="utf-8")
    cells = jupytext.reads(content, fmt="py:percent").cells
    wanted = []
    for before, cell in zip([None, *cells], cells, strict=False):
        if cell.metadata.get("lang") == "en":
            if before is None or before.metadata.get("lang") != "ja":
                raise ValueError(f"{path.name}: an English cell has no Japanese right before it: {cell.source[:40]}")
            wanted.append(fingerprint(before.source))
    lines = ENGLISH_CELL.findall(content)
    if len(lines) != len(wanted):
        raise ValueError(f'{path.name}: {len(wanted)} English cells, but {len(lines)} header lines with lang="en"')
    news = iter(wanted)
    after = ENGLISH_CELL.sub(lambda line: _with_stamp(line[0], next(news)), content)
    path.write_text(after, encoding="utf-8", newline="\n")
    return sum(old != new for old, new in zip(content.splitlines(), after.splitlines(), strict=True))


def _with_stamp(line: str, mark: str) -> str:
    return STAMP.sub("", line).replace('lang="en"', f'lang="en" of="{mark}"')
