"""The generated notebooks as people meet them: saved results hold, links lead somewhere, nothing is left over.

nbval is strict on the solutions: every text output is computed again and compared, and with it the sentence that each
widget stores beside its picture, and, in one more cell, what stands in the prose. nbval 0.11 leaves out `image/png`
(unless started with `--nbdime`) and the widget's view id by itself, so nothing has to be excluded here: the bytes of a
picture differ from machine to machine, and that one is drawn at all `test_other_shops.py` sees. nbclient, which
the other tests use, passes notebooks whose widgets hold an error; `builder.run` looks for those and fails.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from lesson_files import EXERCISES, LESSONS, NOTEBOOKS, SOLUTIONS, TRAINERS, checks, lesson_of, outputs, read, words_of

from builder import course, run, source  # isort: skip
from crmkit.texts import LANGUAGES, glossary

pytestmark = pytest.mark.notebooks
LINK = re.compile(r"\]\((?!https?:)(?P<file>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")
NBVAL = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout", "120", "-p", "no:cacheprovider"]


def nbval(folder: Path) -> subprocess.CompletedProcess[str]:
    """Strict nbval on all notebooks of a folder, in a pytest of its own that knows nothing of this one's settings."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTEST_ADDOPTS", "CRMKIT_LANG")}
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", *NBVAL, "--rootdir", str(folder), "-c", str(folder / "pytest.ini"), "."]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=600, check=False
    )


def with_values(notebook: Any) -> Any:
    """With one more cell that works out what stands in the prose, and what that gave when the notebook was built."""
    saved = course.saved_values(notebook)
    asking = run.question(list(saved))
    said = "\n" + json.dumps([list(one) for one in saved.values()]) + "\n"
    asking.outputs = [nbformat.v4.new_output("stream", name="stdout", text=said)]
    asking.execution_count = 1 + sum(cell.cell_type == "code" for cell in notebook.cells)
    notebook.cells.append(asking)
    return notebook


def counted(said: str, word: str) -> int:
    return sum(map(int, re.findall(rf"(\d+) {word}", said.splitlines()[-1])))


def test_there_are_lessons() -> None:
    assert LESSONS


def test_the_saved_results_hold(tmp_path: Path) -> None:
    cells = 0
    for name in SOLUTIONS:
        notebook = with_values(read(name))
        nbformat.write(notebook, tmp_path / f"{name.replace('/', '-')}.ipynb")
        cells += sum(cell.cell_type == "code" for cell in notebook.cells)
    done = nbval(tmp_path)
    assert done.returncode == 0, done.stdout[-6000:]
    assert counted(done.stdout, "passed") == cells


def test_a_changed_headline_of_a_widget_and_a_changed_number_in_the_prose_would_be_seen(tmp_path: Path) -> None:
    notebook = read(SOLUTIONS[0])
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
    first = next(output for output in outputs if "image/png" in output.data)
    first.data["text/plain"] = re.sub(r"\d", "9", first.data["text/plain"], count=1)
    values = [json.loads(one) for one in notebook.metadata.crmkit["values"]]
    number = next(one for one in values if re.search(r"\d", one[3]))
    number[3] += "0"
    notebook.metadata.crmkit["values"] = [json.dumps(one) for one in values]
    nbformat.write(with_values(notebook), tmp_path / "changed.ipynb")
    done = nbval(tmp_path)
    assert done.returncode == 1
    assert counted(done.stdout, "failed") == 2
    assert "text/plain" in done.stdout
    assert number[3] in done.stdout


@pytest.mark.parametrize("name", SOLUTIONS)
def test_the_saved_solution_shows_pictures_text_and_correct_answers(name: str) -> None:
    notebook = read(name)
    data = [output["data"] for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
    assert any("image/png" in one for one in data)
    assert all(one["text/plain"].strip() for one in data if "image/png" in one)
    assert not any(run.WIDGET_VIEW in one for one in data)
    said = outputs(notebook)
    assert checks(notebook)
    assert all(words_of(name)["verdict.correct"] in said[key] for key in checks(notebook))


@pytest.mark.parametrize("name", TRAINERS)
def test_the_trainers_edition_shows_what_the_solution_shows(name: str) -> None:
    """It comes from the same run, so nbval need not run it again."""
    solution = read(f"{name.split('/')[1]}/solutions/{name.rpartition('/')[2]}")
    trainers = read(name)
    ran = [(cell.id, cell.source, cell.outputs) for cell in trainers.cells if cell.cell_type == "code"]
    assert ran == [(cell.id, cell.source, cell.outputs) for cell in solution.cells if cell.cell_type == "code"]
    ids = {cell.id for cell in trainers.cells}
    assert {f"{key}-expected" for key in checks(trainers)} <= ids
    assert any(key.endswith("-cut") for key in ids) == bool(lesson_of(name).header.cut_if_late)


# What the lessons promise


@pytest.fixture(scope="module", params=LESSONS)
def lesson(request: pytest.FixtureRequest) -> source.Lesson:
    return lesson_of(request.param)


def test_every_term_of_a_lesson_exists(lesson: source.Lesson) -> None:
    assert set(lesson.header.glossary) <= set(glossary())
    assert len(set(lesson.header.glossary)) == len(lesson.header.glossary)


def pages() -> Iterator[Path]:
    yield NOTEBOOKS / "index.md"
    for code in LANGUAGES:
        yield NOTEBOOKS / code / "glossary.md"
    for name in [*EXERCISES, *SOLUTIONS, *TRAINERS]:
        yield NOTEBOOKS / f"{name}.ipynb"


@pytest.mark.parametrize("page", list(pages()), ids=lambda page: page.relative_to(NOTEBOOKS).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    if page.suffix == ".ipynb":
        content = "\n".join(cell.source for cell in nbformat.read(page, 4).cells if cell.cell_type == "markdown")
    else:
        content = page.read_text(encoding="utf-8")
    for found in LINK.finditer(content):
        target = page.parent / found["file"] if found["file"] else page
        assert target.is_file(), found[0]
        if found["anchor"]:
            assert f'<a id="{found["anchor"]}"></a>' in target.read_text(encoding="utf-8"), found[0]


def test_there_is_nothing_left_over() -> None:
    lessons = [found for slug in LESSONS if (found := source.read(NOTEBOOKS / "lessons" / f"{slug}.py")[0])]
    assert not list(course._leftovers(NOTEBOOKS, lessons))
