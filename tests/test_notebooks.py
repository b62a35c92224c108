"""The generated notebooks as people meet them: saved results hold, "Run All" never dies, and one's own data go in.

nbval is strict on the solutions: every text output is computed again and compared, and with it the sentence that each
widget stores beside its picture. nbval 0.11 leaves out `image/png` (unless started with `--nbdime`) and the widget's
view id by itself, so nothing has to be excluded here: the bytes of a picture differ from machine to machine, and that
one was drawn at all is compared by `build.py --check`. nbclient, which the other tests use, passes notebooks whose
widgets hold an error; `builder.run` looks for those and fails.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cdnow
import nbformat
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
sys.path.insert(0, str(NOTEBOOKS))

from builder import course, derive, run, source  # noqa: E402

from crmkit.texts import LANGUAGES, glossary, messages  # noqa: E402

pytestmark = pytest.mark.notebooks
LESSONS = [path.stem for path in sorted((NOTEBOOKS / "lessons").glob("*.py"))]
EXERCISES = [f"{code}/{slug}" for slug in LESSONS for code in LANGUAGES]
SOLUTIONS = [f"{code}/solutions/{slug}" for slug in LESSONS for code in LANGUAGES]
LINK = re.compile(r"\]\((?!https?:)(?P<file>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")
NBVAL = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout", "120", "-p", "no:cacheprovider"]


def read(name: str) -> Any:
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4)


def nbval(folder: Path) -> subprocess.CompletedProcess[str]:
    """Strict nbval on all notebooks of a folder, in a pytest of its own that knows nothing of this one's settings."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTEST_ADDOPTS", "CRMKIT_LANG")}
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", *NBVAL, "--rootdir", str(folder), "-c", str(folder / "pytest.ini"), "."]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=600, check=False
    )


def counted(said: str, word: str) -> int:
    return sum(map(int, re.findall(rf"(\d+) {word}", said.splitlines()[-1])))


def outputs(notebook: Any) -> dict[str, str]:
    """All text that a notebook shows, by cell."""
    shown = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            texts = [output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in cell.outputs]
            shown[cell.id] = "\n".join(texts)
    return shown


def test_there_are_lessons() -> None:
    assert LESSONS


def test_the_saved_results_hold(tmp_path: Path) -> None:
    cells = 0
    for name in SOLUTIONS:
        shutil.copy(NOTEBOOKS / f"{name}.ipynb", tmp_path / f"{name.replace('/', '-')}.ipynb")
        cells += sum(cell.cell_type == "code" for cell in read(name).cells)
    done = nbval(tmp_path)
    assert done.returncode == 0, done.stdout[-6000:]
    assert counted(done.stdout, "passed") == cells


def test_a_changed_headline_of_a_widget_would_be_seen(tmp_path: Path) -> None:
    notebook = read(SOLUTIONS[0])
    pictures = [
        (at, output)
        for at, cell in enumerate(notebook.cells)
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]
    at, first = pictures[0]
    first.data["text/plain"] = re.sub(r"\d", "9", first.data["text/plain"], count=1)
    notebook.cells = notebook.cells[: at + 1]
    nbformat.write(notebook, tmp_path / "changed.ipynb")
    done = nbval(tmp_path)
    assert done.returncode == 1
    assert counted(done.stdout, "failed") == 1
    assert "text/plain" in done.stdout


@pytest.mark.parametrize("name", SOLUTIONS)
def test_the_saved_solution_shows_pictures_text_and_correct_answers(name: str) -> None:
    notebook = read(name)
    data = [output["data"] for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
    assert any("image/png" in one for one in data)
    assert all(one["text/plain"].strip() for one in data if "image/png" in one)
    assert not any(run.WIDGET_VIEW in one for one in data)
    words = messages("ja" if name.startswith("ja/") else "en")
    said = outputs(notebook)
    checks = [cell.id for cell in notebook.cells if re.search(r"\bcheck\(", cell.source) and cell.cell_type == "code"]
    assert checks
    assert all(words["verdict.correct"] in said[key] for key in checks)


@pytest.mark.parametrize("name", EXERCISES)
def test_run_all_never_dies(name: str) -> None:
    notebook = read(name)
    run.run(notebook)
    words = messages("ja" if name.startswith("ja/") else "en")
    said = outputs(notebook)
    checks = [cell.id for cell in notebook.cells if re.search(r"\bcheck\(", cell.source) and cell.cell_type == "code"]
    assert all(words["verdict.empty"] in said[key] for key in checks)


# With the reader's own data


@pytest.fixture(scope="module")
def purchases() -> pd.DataFrame:
    return cdnow.cdnow_frame()


@pytest.mark.parametrize("name", SOLUTIONS)
def test_a_lesson_runs_on_another_shops_data(name: str) -> None:
    """Every lesson: nothing fails, the file is read in full, and the figures after the switch are new ones."""
    saved = read(name)
    changed = derive.switched(saved, str(cdnow.cdnow_csv()), cdnow.OWN_NAMES)
    run.run(changed, may_warn=True)
    before, after = outputs(saved), outputs(changed)
    keys = [cell.id for cell in changed.cells if cell.cell_type == "code"]
    switch = next(cell.id for cell in changed.cells if "MY_FILE = " in cell.source)
    behind = keys[keys.index(switch) :]
    assert f"{cdnow.ORDERS:,}" in after[switch]
    assert "orders.csv" in after[switch]
    showing = [key for key in behind if before[key].strip()]
    words = messages("ja" if name.startswith("ja/") else "en")
    same = [key for key in showing if after[key] == before[key] and words["verdict.correct"] not in after[key]]
    assert not same, f"still the course's own data: {same}"
    checks = [cell.id for cell in changed.cells if re.search(r"\bcheck\(", cell.source) and cell.cell_type == "code"]
    assert all(words["verdict.correct"] in after[key] for key in checks), "answers must be computed, not stored"


def test_the_figures_are_made_of_cdnow(purchases: pd.DataFrame) -> None:
    """Lesson 08 on CDNOW against plain pandas."""
    changed = derive.switched(read("en/solutions/08_repeat_and_retention"), str(cdnow.cdnow_csv()), cdnow.OWN_NAMES)
    asked = [("with_newcomers.denominator", ""), ("with_newcomers.numerator", ""), ("answer_2.denominator", "")]
    asked += [
        ("when.month['start']", ""),
        ("when.as_of", ""),
        ("when.newcomers['start']", ""),
        ("when.newcomers['end']", ""),
    ]
    answers = run.compute(changed, asked, may_warn=True)
    assert all(fine for fine, _ in answers.values()), answers
    buyers, repeaters, followed, month, as_of, since, until = (said for _, said in answers.values())
    assert (month, as_of) == ("1998-06-01", "1998-07-01")
    first = purchases.groupby("customer")["date"].min()
    june = purchases.loc[purchases["date"] >= month, "customer"].unique()
    assert int(float(buyers)) == len(june)
    last = purchases.groupby("customer")["date"].max()
    assert int(float(repeaters)) == int((last[june] > first[june]).sum())
    assert int(float(followed)) == int(((first >= since) & (first < until)).sum())


# What the lessons promise


@pytest.fixture(scope="module", params=LESSONS)
def lesson(request: pytest.FixtureRequest) -> source.Lesson:
    found, troubles = source.read(NOTEBOOKS / "lessons" / f"{request.param}.py")
    assert not troubles
    assert found is not None
    return found


def test_every_term_of_a_lesson_exists(lesson: source.Lesson) -> None:
    assert set(lesson.header.glossary) <= set(glossary())
    assert len(set(lesson.header.glossary)) == len(lesson.header.glossary)


def pages() -> Iterator[Path]:
    yield NOTEBOOKS / "index.md"
    for code in LANGUAGES:
        yield NOTEBOOKS / code / "glossary.md"
    for name in [*EXERCISES, *SOLUTIONS]:
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
