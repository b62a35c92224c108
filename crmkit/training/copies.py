"""Fresh copies of lessons for learners, that never lie on top of anybody's work."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Literal

from crmkit.errors import CannotWrite, UnreadableFile
from crmkit.texts import Language, language
from crmkit.training.lessons import Lesson, notebooks

Kind = Literal["exercise", "solution", "trainer"]
FOLDERS: dict[Kind, str] = {"exercise": "{}", "solution": "{}/solutions", "trainer": "trainer/{}"}
GLOSSARY = re.compile(r"\]\([./a-z]*glossary\.md(?=[#)])")


def fresh_copy(lesson: Lesson, to: Path, *, kind: Kind = "exercise", today: date | None = None) -> Path:
    """Copy a lesson's notebook under a name with the date, and the glossary beside it.

    What is in the folder stays as it is: if the name is taken, a number is added to it.

    Args:
        lesson: Which lesson; in the language in use.
        to: The folder; it is made if it is not there.
        kind: The learner's notebook, the one with the solutions, or the trainer's.
        today: The date in the name; without it, today's.

    Returns:
        The new file.

    Raises:
        UnreadableFile: the lesson's notebook is not there.
        CannotWrite: nothing can be written there.

    Examples:
        >>> from tempfile import mkdtemp
        >>> from crmkit.training.lessons import chosen
        >>> folder, (lesson,) = Path(mkdtemp()), chosen(["8"])
        >>> [fresh_copy(lesson, folder, today=date(2026, 4, 1)).name for _ in range(2)]
        ['08_repeat_and_retention_2026-04-01.ipynb', '08_repeat_and_retention_2026-04-01_2.ipynb']
    """
    code = language()
    original = notebooks() / FOLDERS[kind].format(code) / f"{lesson.slug}.ipynb"
    try:
        content = _linked(original.read_text(encoding="utf-8"), f"glossary_{code}.md")
    except OSError:
        raise UnreadableFile("no_notebook", file=original) from None
    try:
        to.mkdir(parents=True, exist_ok=True)
        _glossary_beside(to, code)
        return _written_anew(to, _names(lesson, kind, today or date.today()), content)
    except OSError as error:
        raise CannotWrite("no_copy", folder=to, why=error.strerror or error) from None


def _names(lesson: Lesson, kind: Kind, today: date) -> Iterator[str]:
    """Names to try, one after the other."""
    first = f"{lesson.slug}{'' if kind == 'exercise' else f'_{kind}'}_{today.isoformat()}"
    yield f"{first}.ipynb"
    number = 2
    while True:
        yield f"{first}_{number}.ipynb"
        number += 1


def _written_anew(folder: Path, names: Iterator[str], content: str) -> Path:
    """Write under the first name that is free: the system itself refuses to open an existing file so."""
    for name in names:
        try:
            with (folder / name).open("x", encoding="utf-8", newline="\n") as file:
                file.write(content)
        except FileExistsError:
            continue
        return folder / name
    raise AssertionError("the names have no end")


def _linked(content: str, glossary: str) -> str:
    """The notebook with its links to the glossary leading to the copy beside it."""
    notebook = json.loads(content)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = [GLOSSARY.sub(f"]({glossary}", line) for line in cell["source"]]
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def _glossary_beside(folder: Path, code: Language) -> None:
    """The glossary, unless one is there already; in a folder of its own it leads to no lesson."""
    words = (notebooks() / code / "glossary.md").read_text(encoding="utf-8")
    try:
        with (folder / f"glossary_{code}.md").open("x", encoding="utf-8", newline="\n") as file:
            file.write(re.sub(r"\[([^\]]*)\]\([^)]*\.ipynb\)", r"\1", words))
    except FileExistsError:
        pass
