"""The builder: what it refuses, what it makes of a lesson, and what `--check` sees."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "notebooks"))

from builder import course, derive, pages, prose, run, source, trainer  # noqa: E402
from builder.trouble import Refused  # noqa: E402

from crmkit.texts import glossary, messages  # noqa: E402

pytestmark = pytest.mark.notebooks
FILES = {
    "index.md",
    "lessons.json",
    *(
        f"{code}/{name}"
        for code in ("ja", "en")
        for name in ("glossary.md", "07_small.ipynb", "solutions/07_small.ipynb")
    ),
    "trainer/ja/07_small.ipynb",
    "trainer/en/07_small.ipynb",
}
LESSON = """\
# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   crmkit:
#     title: {ja: 小さなレッスン, en: A small lesson}
#     theme: retention
#     objectives: {ja: [割り算ができる], en: [divide]}
#     prerequisites: {ja: なし, en: nothing}
#     teach_minutes: 5
#     exercise_minutes: 10
#     cut_if_late: [trap]
#     tables: [orders]
#     glossary: [repeat_rate, churn]
# ---
# %% [markdown] lang="ja"
# ## 1. はじめに
# {{ term:repeat_rate }}は {{ rate:.1%}} でした。
# %% [markdown] lang="en" of="00000000"
# ## 1. To begin
# The {{ term:repeat_rate }} was {{ rate:.1%}} of {{ [10, 20][0:1][0] }}.
# %%
rate = 5 / 10
rate
# %%
from IPython.display import Image, display
import base64
display(Image(base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")))
# %% part="trap"
# how often?
answer_1 = ...
# solution
answer_1 = rate * 2
answer_1
# %% [markdown] lang="ja" tags=["solution"]
# {{ define:churn }}
# %% [markdown] lang="en" of="00000000" tags=["solution"]
# {{ define:churn }}
# %% tags=["solution"]
print("only in the solution")
# %% [markdown] lang="ja" part="trap" tags=["trainer"]
# 答えの{{ rate * 2 :.0f}}が出るまで待ちます。{{ term:churn }}
# %% [markdown] lang="en" of="00000000" part="trap" tags=["trainer"]
# Wait until {{ rate * 2 :.0f}} comes up. {{ term:churn }}
"""


def quiet(_: str) -> None:
    """The builder's progress is of no interest here."""


def write(folder: Path, content: str = LESSON, *, stamped: bool = True) -> Path:
    """A course of one lesson."""
    path = folder / "lessons" / "07_small.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    if stamped:
        source.stamp(path)
    return path


def all_files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "lessons")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def refusal(folder: Path) -> str:
    """Why the course is refused; nothing may have been written."""
    with pytest.raises(Refused) as refused:
        course.build(folder, say=quiet)
    assert not all_files(folder)
    return str(refused.value)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("once")
    write(folder)
    course.build(folder, say=quiet)
    return folder


@pytest.fixture
def built(once: Path, tmp_path: Path) -> Path:
    """A built course that a test may spoil."""
    return Path(shutil.copytree(once, tmp_path / "course"))


def test_one_lesson_gives_six_notebooks_three_pages_and_a_list(once: Path) -> None:
    assert set(all_files(once)) == FILES


def test_a_second_build_gives_the_same_bytes(once: Path, tmp_path: Path) -> None:
    write(tmp_path)
    course.build(tmp_path, say=quiet)
    assert all_files(tmp_path) == all_files(once)


@pytest.mark.parametrize("code", ["ja", "en"])
def test_the_exercise_has_the_placeholder_and_the_solution_only_the_answer(once: Path, code: str) -> None:
    exercise = nbformat.read(once / code / "07_small.ipynb", 4)
    solution = nbformat.read(once / code / "solutions" / "07_small.ipynb", 4)
    left, right = ({cell.id: cell.source for cell in one.cells} for one in (exercise, solution))
    assert left["07-005"] == "# how often?\nanswer_1 = ..."
    assert right["07-005"] == "# how often?\nanswer_1 = rate * 2\nanswer_1"
    assert set(right) - set(left) == {"07-006", "07-008"}
    assert not any("# solution" in text for text in [*left.values(), *right.values()])
    assert left["07-language"].endswith(f'import crmkit\n\ncrmkit.use_language("{code}")')
    assert next(cell.id for cell in exercise.cells if cell.cell_type == "code") == "07-language"
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in exercise.cells)
    assert "50.0%" in left["07-001"]
    assert "](glossary.md#repeat_rate)" in left["07-001"]
    assert "](../glossary.md#repeat_rate)" in right["07-001"]
    assert getattr(glossary()["churn"], f"definition_{code}")[:20] in right["07-006"]


@pytest.mark.parametrize("code", ["ja", "en"])
def test_only_the_trainer_reads_the_notes_and_where_to_cut(once: Path, code: str) -> None:
    exercise, solution, trainers = (
        nbformat.read(once / folder / "07_small.ipynb", 4) for folder in (code, f"{code}/solutions", f"trainer/{code}")
    )
    words = messages(code)
    seen = {cell.id: cell for cell in trainers.cells}
    assert "07-009" not in {cell.id for cell in [*exercise.cells, *solution.cells]}
    assert seen["07-009"].source.startswith(f"> **{words['trainer.note']}**\n>\n> ")
    assert f"](../../{code}/glossary.md#churn)" in seen["07-009"].source
    assert "1" in seen["07-009"].source.splitlines()[-1], "numbers in notes are computed too"
    order = [cell.id for cell in trainers.cells]
    assert order[order.index("07-004") + 1 :] == ["07-005-cut", "07-005", "07-006", "07-008", "07-009", "07-009-on"]
    assert words["trainer.cut_begin"] in seen["07-005-cut"].source
    assert words["course.trainer_title"].format(title="").strip() in trainers.cells[0].source
    for cell in solution.cells:
        if cell.cell_type == "code":
            assert (seen[cell.id].source, seen[cell.id].outputs) == (cell.source, cell.outputs), "one run serves both"


def test_code_for_trainers_alone_is_refused(tmp_path: Path) -> None:
    write(tmp_path, LESSON.replace('tags=["solution"]\nprint', 'tags=["trainer"]\nprint'))
    assert "is code for trainers only" in refusal(tmp_path)


@pytest.mark.parametrize("code", ["ja", "en"])
def test_expected_wrong_answers_stand_with_their_numbers(code: str) -> None:
    cell = source.Cell(0, code='lesson.check("08.1", answer_1)')
    wanted = trainer.wanted([cell])
    values = dict(zip(wanted, ["0.25", "0.5", "nan", "1234567.0"], strict=True))
    said = trainer.tables(cell, code, values)
    words = messages(code)
    mistakes = [name for name in messages("en") if name.startswith("exercise.08_1.mistake.")]
    rows = [line.strip("> |").split(" | ") for line in said.splitlines() if line.startswith("> | ")][2:]
    assert [row[0] for row in rows] == ["0.25", "0.5", "–", "1,234,567"]
    assert rows[0][1] == words["trainer.right"]
    assert [row[1] for row in rows[1:]] == [prose.escaped(words[name]) for name in mistakes]
    assert words["exercise.08_1.hint_1"] in said
    assert said.index("> 1. ") < said.index("> 2. ") < said.index("> 3. ")
    assert trainer.tables(source.Cell(0, code="check"), code, values) == ""


@pytest.mark.parametrize("code", ["ja", "en"])
def test_a_quiz_says_the_right_choice_to_the_trainer(code: str) -> None:
    cell = source.Cell(0, code='lesson.quiz("08.4")')
    said = trainer.tables(cell, code, dict.fromkeys(trainer.wanted([cell]), "b"))
    words = messages(code)
    assert f"| ✓ {words['quiz.08_4.option.b']}" in said
    assert all(prose.escaped(words[f"quiz.08_4.says.{one}"]) in said for one in "abc")
    assert said.count("✓") == 1


def test_a_quiz_is_solved_in_all_editions_but_the_learners() -> None:
    asked = 'lesson.quiz("08.4")'
    assert [derive.code(asked, kind) for kind in derive.KINDS] == [asked, *['lesson.quiz("08.4", solved=True)'] * 2]


def test_the_solution_keeps_text_and_picture_and_nothing_of_the_machine(once: Path) -> None:
    solution = nbformat.read(once / "en" / "solutions" / "07_small.ipynb", 4)
    outputs = {cell.id: cell.outputs for cell in solution.cells if cell.cell_type == "code"}
    assert outputs["07-003"][0].data == {"text/plain": "0.5"}
    assert set(outputs["07-004"][0].data) == {"image/png", "text/plain"}
    assert outputs["07-008"][0].text == "only in the solution\n"
    counts = [cell.execution_count for cell in solution.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1)), "as in a fresh kernel; nbval asks for them"
    assert solution.metadata.language_info == {"name": "python"}
    assert not {"widgets", "title"} & set(solution.metadata)


def test_the_opening_says_what_the_front_matter_says(once: Path) -> None:
    opening = nbformat.read(once / "ja" / "07_small.ipynb", 4).cells[0].source
    for part in ("# 小さなレッスン", "顧客維持", "5分", "10分", "- 割り算ができる", "[顧客離反](glossary.md#churn)"):
        assert part in opening


def test_the_index_links_every_notebook_and_glossary(once: Path) -> None:
    page = (once / "index.md").read_text(encoding="utf-8")
    assert all(f"]({name})" in page for name in FILES - {"index.md", "lessons.json"})


@pytest.mark.parametrize("code", ["ja", "en"])
def test_the_glossary_has_an_anchor_for_every_term(once: Path, code: str) -> None:
    page = (once / code / "glossary.md").read_text(encoding="utf-8")
    assert all(page.count(f'### <a id="{key}"></a>') == 1 for key in glossary())
    assert page.count("\n### ") == len(glossary()) == 118
    assert page.count(messages(code)["course.claim"]) == sum(term.claim for term in glossary().values())
    assert page.count(messages(code)["course.beyond_syllabus"]) == sum(not t.in_syllabus for t in glossary().values())


# What is refused


def test_a_changed_japanese_makes_its_english_stale(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("でした", "です"), encoding="utf-8")
    assert "07_small, cell 2" in refusal(tmp_path)
    assert [trouble.place[:6] for trouble in course.check(tmp_path, say=quiet)] == ["cell 2"]
    assert course.stamp(tmp_path, "07") == ("07_small", 1)
    assert course.stamp(tmp_path, "07") == ("07_small", 0)
    assert source.read(path)[1] == []


def test_a_stamp_changes_nothing_but_the_stamps(tmp_path: Path) -> None:
    path = write(tmp_path)
    after = path.read_text(encoding="utf-8")
    assert [len(line) for line in after.splitlines()] == [len(line) for line in LESSON.splitlines()]
    assert after.replace(source.fingerprint("{{ define:churn }}"), "00000000") != after
    assert source.STAMP.sub("", after) == source.STAMP.sub("", LESSON)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('# %% [markdown] lang="en" of="00000000"\n# ## 1. To begin', "# %%\n# ##", "has no English twin"),
        ('# %% [markdown] lang="ja"\n# ## 1', "# %%\n# ## 1", "is English without the Japanese"),
        ('# %% [markdown] lang="ja"\n# ## 1', "# %% [markdown]\n# ## 1", 'lang="ja" or lang="en"'),
        ('of="00000000" tags=["solution"]', 'of="00000000"', "has other tags"),
        ("of {{ [10, 20][0:1][0] }}", "of 10 customers", "has typed results (10 customers)"),
        ("{{ term:repeat_rate }}は", "{{ term:repeat_rat }}は", "'repeat_rat', which the glossary does not have"),
        ("{{ rate:.1%}} でした", "{{ rate of }} でした", "no Python expression: {{ rate of }}"),
        ("answer_1 = ...\n# solution", "# solution\n# solution", "more than one line `# solution`"),
        ('tags=["solution"]\nprint', 'tag="solution"\nprint', "means nothing here: tag"),
        ("theme: retention", "theme: sales", "`theme: sales` is not usable"),
        ("teach_minutes: 5", "teach_minuts: 5", "has no `teach_minutes`"),
        ("[repeat_rate, churn]", "[repeat_rate, chrun]", "'chrun' is no term"),
        ("cut_if_late: [trap]", "cut_if_late: [trip]", 'no cell has part="trip"'),
        ("{ja: [割り算ができる]", "{ja: [割り算ができる, 足し算ができる]", "not the same number of sentences"),
        ("{ja: なし, en: nothing}", "{ja: なし: en}", "expected ',' or '}'"),
    ],
)
def test_a_lesson_in_disorder_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert LESSON.count(old) == 1
    path = write(tmp_path, LESSON.replace(old, new), stamped=False)
    troubles = "\n".join(map(str, source.read(path)[1]))
    assert said in troubles
    assert said in refusal(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "rate:.1%}} of",
            "rat:.1%}} of",
            "07_small, en, cell 1: {{ rat }} gives \"NameError: name 'rat' is not defined\"",
        ),
        ("rate:.1%}} of", "float('nan') :.1%}} of", "{{ float('nan') }} gives 'nan%'"),
        ("rate = 5 / 10", "rate = 5 / 0", "raises ZeroDivisionError: division by zero"),
        ("rate = 5 / 10", "rate = 5 / 10\nimport warnings; warnings.warn('oh')", "writes to stderr"),
        ("rate = 5 / 10", "rate = 5 / 10\nprint(object())", "shows an object's address"),
        ("rate = 5 / 10", "rate = 5 / 10\nimport sys; print(sys.prefix)", "shows a path of this machine"),
        (
            "rate = 5 / 10",
            "rate = 5 / 10\nimport ipywidgets\nbox = ipywidgets.Output()\ndisplay(box)\nwith box:\n    1 / 0",
            "holds an error: ZeroDivisionError",
        ),
        (
            "rate = 5 / 10",
            "rate = 5 / 10\nimport ipywidgets\nfrom crmkit.texts import text\n"
            "ipywidgets.HTML(text('explorer.failed', error='KeyError: 1'))",
            "shows a failure",
        ),
    ],
    ids=["unknown", "nan", "raises", "warns", "address", "path", "output-widget", "explorer"],
)
def test_a_run_that_goes_wrong_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert LESSON.count(old) == 1
    write(tmp_path, LESSON.replace(old, new))
    assert said.replace("holds an error: ZeroDivisionError", "holds an error: ZeroDivisionError") in refusal(tmp_path)


def test_a_cell_without_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "CELL_SECONDS", 2)
    write(tmp_path, LESSON.replace("rate = 5 / 10", "while True:\n    pass"))
    assert "takes longer than 2 s" in refusal(tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        "50%",
        "50 %",
        "５０％",
        "7 人が",
        "１２件",
        "3 回",
        "1,200円",
        "10 customers",
        "40 yen",
        "3 points",
        "0.5",
        "1.25",
        "¥300",
        "12 people",
    ],
)
def test_a_typed_result_is_seen(words: str) -> None:
    assert any("typed results" in what for what in prose.troubles(f"答えは {words} です", "ja"))
    assert not list(prose.troubles(f"答えは {words} です", "ja", typed="a guess of the manager"))


@pytest.mark.parametrize(
    "words",
    [
        "`50%` と `0.5`",
        "```\nrate = 0.5  # 50%\n```",
        "{{ rate:.1%}} と {{ n }} 人",
        "## 1.2 はじめに",
        "## 練習 8.2",
        "2 回目の購入、一人ひとり、1人あたり",
        "1. 一つめ\n2. 二つめ",
        "2026年4月1日から 90 日",
        "[表](https://example.org/v1.2/50%25)",
        "page 3, step 2, 2026-04-01",
    ],
)
def test_what_is_no_typed_result(words: str) -> None:
    assert not list(prose.troubles(words, "ja"))


@pytest.mark.parametrize(("language", "most", "word"), [("ja", 250, "あ"), ("en", 120, "word ")])
def test_prose_has_a_length(language: str, most: int, word: str) -> None:
    extras = "`x` " if language == "ja" else ""
    assert not list(prose.troubles(word * (most - len(extras.strip("` "))) + "{{ define:churn }}", language))
    assert "is too long" in "".join(prose.troubles(word * (most + 1), language))


def test_placeholders_are_taken_apart() -> None:
    found = prose.placeholders(
        "{{ a }} {{ b:.1%}} {{ c[1:2] :,.0f }} {{d['x:y']}} {{ term:churn }} {{ when:%Y-%m-%d }}"
    )
    assert found == [("a", ""), ("b", ".1%"), ("c[1:2]", ",.0f"), ("d['x:y']", ""), ("when", "%Y-%m-%d")]


# What --check sees


def spoil(change: Callable[[dict], object]) -> Callable[[str], str]:
    def spoiled(content: str) -> str:
        notebook = json.loads(content)
        change(notebook)
        return json.dumps(notebook)

    return spoiled


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (spoil(lambda nb: nb["cells"][2]["source"].append("by hand")), "cell 07-001"),
        (
            spoil(lambda nb: nb["cells"][3]["outputs"][0]["data"].update({"text/plain": ["0.6"]})),
            "cell 07-003, outputs",
        ),
        (spoil(lambda nb: nb["cells"][4]["outputs"][0]["data"].pop("image/png")), "cell 07-004, outputs"),
        (spoil(lambda nb: nb["cells"][4]["metadata"].update(tags=["x"])), "cell 07-004, metadata"),
        (spoil(lambda nb: nb["metadata"].update(kernelspec={})), "metadata"),
        (spoil(lambda nb: nb["cells"].pop()), "cell 07-008"),
        (spoil(lambda nb: nb["cells"].reverse()), "the cells"),
        (lambda content: content[:100], "the file"),
    ],
    ids=["source", "text", "picture", "cell metadata", "metadata", "cell gone", "order", "broken"],
)
def test_a_difference_is_seen(once: Path, change: Callable[[str], str], place: str) -> None:
    content = (once / "en" / "solutions" / "07_small.ipynb").read_text(encoding="utf-8")
    assert place in {trouble.place for trouble in course.differences("x.ipynb", change(content), content)}


def test_other_bytes_of_a_picture_are_no_difference(once: Path) -> None:
    content = (once / "en" / "solutions" / "07_small.ipynb").read_text(encoding="utf-8")
    other = spoil(lambda nb: nb["cells"][4]["outputs"][0]["data"].update({"image/png": "AAAA"}))(content)
    assert other != content
    assert course.differences("x.ipynb", other, content) == []


def test_check_lists_everything_and_changes_nothing(built: Path) -> None:
    assert course.check(built, say=quiet) == []
    edited = built / "ja" / "07_small.ipynb"
    edited.write_text(edited.read_text(encoding="utf-8").replace("50.0%", "60.0%"), encoding="utf-8")
    (built / "index.md").write_text("# mine", encoding="utf-8")
    (built / "en" / "glossary.md").unlink()
    shutil.copy(edited, built / "ja" / "06_gone.ipynb")
    (built / "ja" / "my_own.ipynb").write_text('{"cells": [], "metadata": {}}', encoding="utf-8")
    before = all_files(built)
    found = {trouble.lesson: trouble for trouble in course.check(built, say=quiet)}
    assert set(found) == {"ja/07_small.ipynb", "index.md", "en/glossary.md", "ja/06_gone.ipynb"}
    assert "60.0%" in found["ja/07_small.ipynb"].what
    assert "50.0%" in found["ja/07_small.ipynb"].what
    assert all_files(built) == before

    course.build(built, say=quiet)
    assert course.check(built, say=quiet) == []
    assert not (built / "ja" / "06_gone.ipynb").exists()
    assert (built / "ja" / "my_own.ipynb").exists()


def test_check_without_running_takes_outputs_as_saved(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "compute", lambda *_: pytest.fail("it was run"))
    assert course.check(built, saved=True, say=quiet) == []
    lesson = built / "lessons" / "07_small.py"
    lesson.write_text(lesson.read_text(encoding="utf-8").replace("To begin", "To start"), encoding="utf-8")
    found = course.check(built, saved=True, say=quiet)
    changed = {one.lesson for one in found if "To start" in one.what and one.lesson.endswith(".ipynb")}
    assert changed == {f"{room}/07_small.ipynb" for room in ("en", "en/solutions", "trainer/en")}
    assert not [one for one in found if one.lesson.startswith(("ja", "trainer/ja"))]
    solution = built / "en" / "solutions" / "07_small.ipynb"
    notebook = json.loads(solution.read_text(encoding="utf-8"))
    notebook["metadata"]["crmkit"]["values"].pop()
    solution.write_text(json.dumps(notebook), encoding="utf-8")
    (trouble,) = course.check(built, saved=True, say=quiet)
    assert (trouble.lesson, trouble.place[:2]) == ("07_small", "en")
    assert "run make notebooks" in trouble.what
    solution.unlink()
    (trouble,) = course.check(built, saved=True, say=quiet)
    assert "run make notebooks" in trouble.what


def test_the_command_says_what_is_wrong_and_ends_with_1(built: Path) -> None:
    (built / "lessons" / "07_small.py").write_text(LESSON, encoding="utf-8")

    def command(*options: str) -> subprocess.CompletedProcess[str]:
        full = [sys.executable, str(ROOT / "notebooks" / "build.py"), "--folder", str(built), *options]
        return subprocess.run(full, capture_output=True, encoding="utf-8", timeout=120, check=False)

    stale = command("--check")
    assert stale.returncode == 1
    assert stale.stderr.count("--stamp 07") == 3
    assert "check: 3 to mend" in stale.stdout
    assert command("--stamp", "07").stdout == "07_small: 3 English cells stamped anew\n"
    assert "there is no lesson 99; there are 07" in command("--only", "99").stderr
    alone = command("--saved")
    assert (alone.returncode, "--saved goes with --check" in alone.stderr) == (2, True)
    fine = command("--check", "--only", "07")
    assert (fine.returncode, fine.stderr) == (0, "")
    assert "check: all well" in fine.stdout


# Small parts


def test_a_readers_own_file_goes_into_the_switch() -> None:
    cell = nbformat.v4.new_code_cell(
        'MY_FILE = None\nMY_COLUMNS = {\n    "customer_id": "customer_id",\n}\nprint(MY_FILE)'
    )
    notebook = nbformat.v4.new_notebook(cells=[cell])
    before = copy.deepcopy(notebook)
    changed = derive.switched(notebook, r"C:\my files\shop.csv", {"customer_id": "会員番号"})
    names: dict[str, object] = {}
    exec(changed.cells[0].source.replace("print(MY_FILE)", ""), names)
    assert names["MY_FILE"] == r"C:\my files\shop.csv"
    assert names["MY_COLUMNS"] == {"customer_id": "会員番号"}
    assert notebook == before
    left = derive.switched(notebook, "folder").cells[0].source
    assert left == before.cells[0].source.replace("MY_FILE = None", "MY_FILE = 'folder'"), "columns are not asked for"
    with pytest.raises(ValueError, match="0 cells"):
        derive.switched(nbformat.v4.new_notebook(cells=[]), "x.csv", {})


def test_words_of_the_glossary_are_not_taken_for_marks() -> None:
    assert prose.escaped("a*b_c <d> [e]") == r"a\*b\_c \<d\> \[e\]"


def test_a_widget_is_stored_as_picture_and_sentence() -> None:
    data = {run.WIDGET_VIEW: {"model_id": "1"}, "image/png": "AAAA", "text/plain": "so"}
    cell = nbformat.v4.new_code_cell("x", outputs=[nbformat.v4.new_output("execute_result", data, execution_count=3)])
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {}})
    run._tidy(notebook)
    assert set(cell.outputs[0].data) == {"image/png", "text/plain"}
    assert cell.outputs[0].execution_count == cell.execution_count == 1
    assert notebook.metadata == {}


def test_the_readme_lists_the_lessons(tmp_path: Path) -> None:
    write(tmp_path / "notebooks")
    table = "| no. | lesson | theme | minutes |\n| --- | --- | --- | --- |\n"
    (tmp_path / "README.md").write_text(f"# x\n\n{table}| 99 | old | | |\n\nthe end\n", encoding="utf-8")
    assert "../README.md" in {trouble.lesson for trouble in course.check(tmp_path / "notebooks", say=quiet)}
    course.build(tmp_path / "notebooks", say=quiet)
    links = "[ja](notebooks/ja/07_small.ipynb), [en](notebooks/en/07_small.ipynb)"
    row = f"| 07 | A small lesson ({links}) | retention | 5 + 10 |"
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == f"# x\n\n{table}{row}\n\nthe end\n"
    assert course.check(tmp_path / "notebooks", say=quiet) == []
    assert pages.readme("no table here", []) == "no table here"


def test_an_empty_course_has_a_front_page() -> None:
    assert pages.index([]).startswith("# ")
