"""Builds the whole course, or checks that what is committed is what would be built."""

from __future__ import annotations

import difflib
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat

from builder import pages, prose, source, trainer
from builder.derive import KINDS, Edition, notebook
from builder.listing import listing
from builder.prose import Placeholder
from builder.run import Failed, compute
from builder.source import Lesson
from builder.trouble import Refused, Trouble
from crmkit.texts import LANGUAGES, Language

Say = Callable[[str], object]
Answers = dict[Placeholder, tuple[bool, str]]
AT_ONCE = 2  # a kernel each
SHOWN_LINES = 12  # of a difference


def build(folder: Path, *, only: str | None = None, say: Say = print) -> None:
    """Write everything that follows from `folder/lessons`, and take away what follows from a lesson that is gone.

    Raises:
        Refused: something is wrong; then nothing is written.
    """
    lessons = _read(folder, only)
    content = _content(lessons, only, say) | _readme(folder, lessons)
    for path, new in content.items():
        there = folder / path
        there.parent.mkdir(parents=True, exist_ok=True)
        if not there.is_file() or there.read_text(encoding="utf-8") != new:
            there.write_text(new, encoding="utf-8", newline="\n")
            say(f"written: {path}")
    for path in _leftovers(folder, lessons):
        (folder / path).unlink()
        say(f"removed, its lesson is gone: {path}")


def check(folder: Path, *, only: str | None = None, saved: bool = False, say: Say = print) -> list[Trouble]:
    """Everything that is not as `build` would write it; changes nothing.

    Sources, text outputs and metadata are compared. Of pictures only that they are there: their bytes differ between
    machines. With `saved`, no lesson is run: its outputs and values are taken as they stand in its solution.
    """
    try:
        lessons = _read(folder, only)
        content = _content(lessons, only, say, folder if saved else None) | _readme(folder, lessons)
    except Refused as refused:
        return refused.troubles
    troubles = [Trouble(path, "the file", "is left over: its lesson is gone") for path in _leftovers(folder, lessons)]
    for path, new in content.items():
        there = folder / path
        if not there.is_file():
            troubles.append(Trouble(path, "the file", "is missing: run make notebooks"))
            continue
        troubles += differences(path, there.read_text(encoding="utf-8"), new)
    return troubles


def stamp(folder: Path, number: str) -> tuple[str, int]:
    """Note the current Japanese in the English cells of one lesson: (its slug, cells changed)."""
    found = [path for path in _sources(folder) if path.stem.startswith(f"{number}_")]
    if len(found) != 1:
        raise Refused([Trouble(number, "lessons", f"{len(found)} files are named {number}_….py")])
    try:
        return found[0].stem, source.stamp(found[0])
    except ValueError as error:
        raise Refused([Trouble(found[0].stem, "twins", str(error))]) from None


def _sources(folder: Path) -> list[Path]:
    return sorted((folder / "lessons").glob("*.py"))


def _read(folder: Path, only: str | None) -> list[Lesson]:
    """All lessons, in order. With `only`, the words of the others may be in disorder."""
    lessons, troubles = [], []
    for path in _sources(folder):
        lesson, wrong = source.read(path)
        if lesson is not None:
            lessons.append(lesson)
        if only is None or path.stem.startswith(f"{only}_") or lesson is None:
            troubles += wrong
    numbers = [lesson.number for lesson in lessons]
    troubles += [
        Trouble(lesson.slug, "the file", f"there is another lesson {lesson.number}")
        for lesson in lessons
        if numbers.count(lesson.number) > 1
    ]
    if only is not None and only not in numbers:
        troubles.append(Trouble(only, "lessons", f"there is no lesson {only}; there are {', '.join(numbers)}"))
    if troubles:
        raise Refused(troubles)
    return lessons


def _content(lessons: Sequence[Lesson], only: str | None, say: Say, saved: Path | None = None) -> dict[str, str]:
    """What every generated file holds, by its path below the course's folder; `saved` is where not to run is read."""
    work = [(lesson, code) for lesson in lessons if only in (None, lesson.number) for code in LANGUAGES]
    content: dict[str, str] = {}
    troubles: list[Trouble] = []
    with ThreadPoolExecutor(AT_ONCE) as workers:
        for made, wrong in workers.map(lambda one: _editions(one[0], one[1], say, saved), work):
            content |= made
            troubles += wrong
    if troubles:
        raise Refused(troubles)
    content["index.md"] = pages.index(lessons)
    content["lessons.json"] = listing(lessons)
    for code in LANGUAGES:
        content[f"{code}/glossary.md"] = pages.glossary_page(code, lessons)
    return content


def _readme(folder: Path, lessons: Sequence[Lesson]) -> dict[str, str]:
    """The README above the course's folder, where there is one."""
    path = folder.parent / "README.md"
    return {"../README.md": pages.readme(path.read_text(encoding="utf-8"), lessons)} if path.is_file() else {}


def _editions(lesson: Lesson, language: Language, say: Say, saved: Path | None) -> tuple[dict[str, str], list[Trouble]]:
    """All editions of a lesson in one language, from a single run, or from what the last one left."""
    begin = time.monotonic()
    solution = Edition(lesson, language, "solution")
    asked = [
        (one, cell) for cell in lesson.cells if not cell.is_code for one in prose.placeholders(cell.words[language])
    ]
    wanted = list(dict.fromkeys([*(one for one, _ in asked), *trainer.wanted(lesson.cells)]))
    try:
        ran, answers = _last_run(saved / solution.path, wanted) if saved else _run(solution, wanted)
    except Failed as failed:
        return {}, [Trouble(lesson.slug, f"{language}, {place}", what) for place, what in failed.wrong]
    troubles = [
        Trouble(lesson.slug, f"{language}, cell {cell.position + 1}", f"{{{{ {one[0]} }}}} gives {answers[one][1]!r}")
        for one, cell in asked
        if not _usable(*answers[one])
    ]
    if troubles:
        return {}, troubles
    values = {one: said for one, (fine, said) in answers.items() if fine}
    made = {}
    for kind in KINDS:
        edition = Edition(lesson, language, kind)
        pages_of = notebook(edition, values)
        if kind == "solution":
            lines = [json.dumps([*one, *answers[one]], ensure_ascii=False) for one in wanted]  # one line each in a diff
            pages_of.metadata.crmkit["values"] = lines
        if kind != "exercise":
            for cell in pages_of.cells:
                if cell.cell_type == "code" and cell.id in ran:
                    cell.outputs, cell.execution_count = ran[cell.id].outputs, ran[cell.id].execution_count
        nbformat.validate(pages_of)
        made[edition.path] = nbformat.writes(pages_of) + "\n"
    say(f"{lesson.slug} {language}: {len(ran)} cells, {time.monotonic() - begin:.1f} s")
    return made, []


def _run(solution: Edition, wanted: Sequence[Placeholder]) -> tuple[dict[str, Any], Answers]:
    """Run a solution: its cells by id, and what the placeholders come to."""
    trial = notebook(solution, dict.fromkeys(wanted, ""))
    answers = compute(trial, wanted)
    return {cell.id: cell for cell in trial.cells}, answers


def _last_run(path: Path, wanted: Sequence[Placeholder]) -> tuple[dict[str, Any], Answers]:
    """The same as the last run left it; `saved_values` puts the values to a test."""
    try:
        there = nbformat.read(path, 4)
        answers = saved_values(there)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, nbformat.ValidationError) as error:
        raise Failed([("the solution", f"cannot be read, run make notebooks: {error}")]) from None
    never = [one for one in wanted if one not in answers]
    if never:
        raise Failed([(f"{{{{ {one[0]} }}}}", "was never worked out: run make notebooks") for one in never])
    return {cell.id: cell for cell in there.cells}, {one: answers[one] for one in wanted}


def saved_values(solution: Any) -> Answers:
    """What the placeholders came to when this notebook was built."""
    told = map(json.loads, solution.metadata["crmkit"]["values"])
    return {(expression, spec): (fine, said) for expression, spec, fine, said in told}


def _usable(fine: bool, said: str) -> bool:
    """Whether a value can stand in a sentence: it exists, is one line, and is no missing number."""
    return fine and said.strip() != "" and "\n" not in said and not re.fullmatch(r"[+-]?(nan|inf)%?|None|NaT", said)


def _leftovers(folder: Path, lessons: Iterable[Lesson]) -> Iterator[str]:
    """Generated notebooks without a lesson; a learner's own notebooks are none of these."""
    expected = {Edition(lesson, code, kind).path for lesson in lessons for code in LANGUAGES for kind in KINDS}
    for room in (*LANGUAGES, "trainer"):
        for path in sorted((folder / room).rglob("*.ipynb")):
            name = path.relative_to(folder).as_posix()
            if name not in expected and ".ipynb_checkpoints" not in name and _is_generated(path):
                yield name


def _is_generated(path: Path) -> bool:
    try:
        return "lesson" in json.loads(path.read_text(encoding="utf-8"))["metadata"]["crmkit"]
    except (ValueError, KeyError, TypeError):
        return False


def differences(path: str, old: str, new: str) -> list[Trouble]:
    """Where a file is not what would be built."""
    if not path.endswith(".ipynb"):
        return [] if old == new else [_differs(path, "the text", old, new)]
    try:
        before, after = json.loads(old), json.loads(new)
        parts = _by_part(before), _by_part(after)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return [Trouble(path, "the file", f"is no notebook: {error}")]
    troubles = [
        _differs(path, part, parts[0].get(part, ""), parts[1].get(part, ""))
        for part in dict.fromkeys([*parts[1], *parts[0]])
        if parts[0].get(part) != parts[1].get(part)
    ]
    if not troubles and [cell["id"] for cell in before["cells"]] != [cell["id"] for cell in after["cells"]]:
        troubles.append(Trouble(path, "the cells", "stand in another order: run make notebooks"))
    return troubles


def _by_part(found: Mapping[str, Any]) -> dict[str, str]:
    """A notebook cut into comparable pieces of text, pictures replaced by a word."""
    parts = {"metadata": _text({key: value for key, value in found.items() if key != "cells"})}
    for cell in found["cells"]:
        about = {key: value for key, value in cell.items() if key not in ("source", "outputs")}
        parts[f"cell {cell['id']}"] = "".join(cell["source"]) + "\n"
        parts[f"cell {cell['id']}, metadata"] = _text(about)
        parts[f"cell {cell['id']}, outputs"] = _text([_without_picture(output) for output in cell.get("outputs", ())])
    return parts


def _without_picture(output: Mapping[str, Any]) -> dict[str, Any]:
    data = {
        mime: "a picture" if mime.startswith("image/") and value else value
        for mime, value in output.get("data", {}).items()
    }
    return {**output, "data": data}


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)


def _differs(path: str, part: str, old: str, new: str) -> Trouble:
    lines = [
        line
        for line in difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0)
        if not line.startswith(("---", "+++", "@@"))
    ]
    shown = "".join(f"\n    {line[:160]}" for line in lines[:SHOWN_LINES])
    more = f"\n    … {len(lines) - SHOWN_LINES} lines more" if len(lines) > SHOWN_LINES else ""
    return Trouble(path, part, f"differs from what would be built (run make notebooks):{shown}{more}")
