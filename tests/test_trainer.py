"""The trainer's kit: plans that fit, copies that overwrite nothing, a doctor who sees what is wrong."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from crmkit.cli import app
from crmkit.errors import CannotWrite, ParameterError, UnreadableFile
from crmkit.texts import LANGUAGES, in_language, messages
from crmkit.training import doctor, lessons, round_trip
from crmkit.training.copies import fresh_copy
from crmkit.training.lessons import Cut, Lesson, chosen
from crmkit.training.timetable import timetable

ROOT = Path(__file__).resolve().parents[1]


def lesson(number: str, teach: int, exercise: int, *cuts: int) -> Lesson:
    """A lesson that can be shortened by these minutes."""
    titles = {"ja": f"レッスン{number}", "en": f"Lesson {number}"}
    stretches = tuple(Cut({"ja": f"所{at}", "en": f"place {at}"}, minutes) for at, minutes in enumerate(cuts))
    return Lesson(number, f"{number}_x", titles, teach, exercise, stretches)


def command(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


# Timetable


def test_a_plan_has_clock_times_and_breaks() -> None:
    plan = timetable(120, [lesson("01", 25, 20), lesson("02", 30, 10)], begin="13:00", pause=10)
    assert [(row.begin, row.end) for row in plan.rows] == [(780, 825), (825, 835), (835, 875)]
    assert (plan.needed, plan.spare, plan.fits) == (95, 25, True)
    lines = list(plan.lines())
    assert "13:00–13:45  01" in lines[3]
    assert "13:45–13:55  Break" in lines[4]
    assert any("25 minutes are left" in line for line in lines)


@pytest.mark.parametrize(
    ("minutes", "left_out", "spare"),
    [(90, [], 0), (88, ["place 1"], 1), (84, ["place 2"], 0), (82, ["place 1", "place 2"], 1), (70, ["all"], -8)],
)
def test_no_more_is_left_out_than_needed(minutes: int, left_out: list[str], spare: int) -> None:
    plan = timetable(minutes, [lesson("01", 70, 20, 3, 3, 6)], pause=0)
    said = [cut.heading for row in plan.rows for cut in row.left_out]
    assert plan.spare == spare
    assert plan.rows[-1].end == minutes - spare
    assert sum(cut.minutes for row in plan.rows for cut in row.left_out) == 90 - minutes + spare
    assert len(said) == (3 if left_out == ["all"] else len(left_out))
    assert plan.fits == (spare >= 0)
    words = "\n".join(plan.lines())
    assert ("8 minutes are missing" in words) == (spare == -8)
    assert ("In full this would take 90 minutes" in words) == bool(left_out)


def test_a_plan_over_midnight_and_with_wide_signs() -> None:
    assert "23:30–0:15" in "\n".join(timetable(60, [lesson("01", 25, 20)], begin="２３：３０").lines())


def test_without_lessons_as_many_as_fit() -> None:
    course = lessons.lessons()
    assert timetable(10_000).rows[-1].lesson is course[-1]
    first = course[0]
    assert [row.lesson for row in timetable(first.minutes).rows] == [first]
    with pytest.raises(ParameterError, match="No lesson fits into 5 minutes: the shortest takes"):
        timetable(5)


@pytest.mark.parametrize(
    ("given", "said"),
    [({"begin": "25:00"}, "no time"), ({"begin": "noon"}, "no time"), ({"pause": -1}, "cannot be planned")],
)
def test_a_plan_of_nonsense_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        timetable(90, [lesson("01", 20, 20)], **given)


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_command_plans_and_says_when_it_does_not_fit(code: str) -> None:
    fine = command("timetable", "--minutes", "120", "--lessons", "08", "16", "--begin", "13:00", "--lang", code)
    assert fine.exit_code == 0, fine.output
    assert fine.output.index("08 ") < fine.output.index("16 ")
    tight = command("timetable", "--minutes", "20", "--lessons", "08", "--markdown", "--lang", code)
    assert tight.exit_code == 1
    with in_language(code):
        known = messages(code)["timetable.too_long"].split("{")[0]
    assert known in tight.output
    table = [line for line in tight.output.splitlines() if line.startswith("|")]
    assert len(table) == 3
    assert {line.count("|") for line in table} == {5}
    unknown = command("timetable", "--lessons", "99", "--lang", code)
    assert unknown.exit_code == 1
    assert "99" in unknown.output
    assert "08" in unknown.output


# Copies


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("kind", ["exercise", "solution", "trainer"])
def test_a_copy_lies_on_nobodys_work(tmp_path: Path, code: str, kind: Any) -> None:
    (one,) = chosen(["08"])
    day = date(2026, 4, 1)
    with in_language(code):
        first = fresh_copy(one, tmp_path, kind=kind, today=day)
        first.write_text("my work", encoding="utf-8")
        page = tmp_path / f"glossary_{code}.md"
        page.write_text("my notes <a id", encoding="utf-8")
        others = [fresh_copy(one, tmp_path, kind=kind, today=day) for _ in range(2)]
    middle = "" if kind == "exercise" else f"_{kind}"
    stem = f"08_repeat_and_retention{middle}_2026-04-01"
    assert [path.name for path in (first, *others)] == [f"{stem}.ipynb", f"{stem}_2.ipynb", f"{stem}_3.ipynb"]
    assert first.read_text(encoding="utf-8") == "my work"
    assert page.read_text(encoding="utf-8").startswith("my notes")
    notebook = json.loads(others[0].read_text(encoding="utf-8"))
    assert notebook["metadata"]["crmkit"]["kind"] == kind
    assert notebook["metadata"]["crmkit"]["language"] == code


def test_the_links_of_a_copy_lead_to_the_glossary_beside_it(tmp_path: Path) -> None:
    assert command("get", "08", "16", "--to", str(tmp_path), "--trainer", "--solution", "--lang", "ja").exit_code == 0
    assert len(list(tmp_path.glob("*.ipynb"))) == 4
    page = (tmp_path / "glossary_ja.md").read_text(encoding="utf-8")
    assert ".ipynb" not in page
    for path in tmp_path.glob("*.ipynb"):
        links = re.findall(r"\]\((?!https?:)([^)#]+)#?([^)]*)\)", path.read_text(encoding="utf-8"))
        assert links
        assert {name for name, _ in links} == {"glossary_ja.md"}
        assert all(f'<a id="{anchor}"></a>' in page for _, anchor in links)


def test_what_cannot_be_copied_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite, match="Choose another folder"):
        fresh_copy(chosen(["8"])[0], tmp_path / "file")
    monkeypatch.setattr("crmkit.training.copies.notebooks", lambda: tmp_path)
    with pytest.raises(UnreadableFile, match=r"08_repeat_and_retention\.ipynb"):
        fresh_copy(chosen(["8"])[0], tmp_path)
    assert command("get", "7x").exit_code == 1


def test_lessons_are_asked_for_by_number_in_any_hand() -> None:
    assert [one.number for one in chosen(["１６", "8,16", "08_repeat_and_retention"])] == ["16", "08"]


def test_the_list_comes_from_an_installed_package_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "crmkit" / "_notebooks"
    inside.mkdir(parents=True)
    monkeypatch.setattr(lessons, "__file__", str(tmp_path / "crmkit" / "training" / "lessons.py"))
    assert lessons.notebooks() == inside
    with pytest.raises(UnreadableFile, match=r"lessons\.json"):
        lessons.lessons.__wrapped__()


# Doctor


def test_a_widget_answers_like_in_a_browser() -> None:
    assert 0 < round_trip.round_trip() < round_trip.ANSWER_SECONDS


def test_the_doctor_looks_at_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(round_trip, "round_trip", lambda: 0.123)
    done = command("doctor", "--json", "--lang", "en")
    found = {one["check"]: one for one in json.loads(done.output)}
    assert list(found) == list(doctor.CHECKS)
    assert {name for name, one in found.items() if not one["ok"]} <= {"browser"}, found
    assert found["widget"]["found"] == "answers after 123 ms"
    assert done.exit_code == 0
    for code in LANGUAGES:
        said = command("doctor", "--lang", code).output
        assert messages(code)["doctor.ready"] in said
        assert all(messages(code)[f"doctor.{name}.label"] in said for name in doctor.CHECKS)


def test_what_is_wrong_is_said_with_its_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = doctor.version
    monkeypatch.setattr(doctor, "version", lambda name: "0.1" if name == "pandas" else real(name))
    monkeypatch.setattr(doctor, "notebooks", lambda: tmp_path)
    monkeypatch.setattr(doctor, "DISK_GB", 1e9)
    monkeypatch.setattr("crmkit.datasets.loading._shipped", lambda: tmp_path)

    def silent() -> float:
        raise round_trip.NoAnswer("20 s")

    monkeypatch.setattr(round_trip, "round_trip", silent)
    done = command("doctor", "--json", "--lang", "en")
    found = {one["check"]: one for one in json.loads(done.output)}
    bad = {name for name, one in found.items() if not one["ok"]} - {"browser"}
    assert bad == {"packages", "lessons", "data", "widget", "disk"}
    assert "pandas 0.1" in found["packages"]["found"]
    assert all(found[name]["mend"] for name in bad)
    assert done.exit_code == 1
    plain = command("doctor", "--lang", "ja")
    assert plain.exit_code == 1
    assert plain.output.count("✗") == 5
    assert "直すところが5つあります" in plain.output


def test_versions_are_compared_with_the_lock_for_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    numpy = doctor.version("numpy")
    lines = [
        "numpy==0.0.1 ; python_full_version < '3' \\",
        "    --hash=sha256:00",
        f"numpy=={numpy} ; python_version > '3'",
    ]
    (tmp_path / "requirements.lock").write_text("\n".join([*lines, "pandas==0.1 \\", "not-there==1"]), encoding="utf-8")
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    assert doctor._apart_from_lock() == [f"pandas {doctor.version('pandas')} (==0.1)"]
    assert "pandas" in doctor._packages().found
    assert doctor._packages().ok


def test_a_changed_data_set_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(ROOT / "datasets" / "salon", tmp_path / "salon")
    monkeypatch.setattr("crmkit.datasets.loading._shipped", lambda: tmp_path)
    assert doctor._data().ok
    file = next(path for path in sorted((tmp_path / "salon").rglob("*")) if path.suffix in (".csv", ".parquet"))
    file.write_bytes(file.read_bytes()[:-7])
    finding = doctor._data()
    assert not finding.ok
    assert file.name in finding.found
    assert finding.mend


def test_missing_signs_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._font().ok
    monkeypatch.setattr(doctor, "JAPANESE", "\U0001fae0")  # an emoji that no text font has
    assert not doctor._font().ok


def test_a_check_that_breaks_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> doctor.Finding:
        raise OSError("gone")

    monkeypatch.setattr(doctor, "CHECKS", {"port": broken, "disk": doctor.CHECKS["disk"]})
    first, second = doctor.examine()
    assert (first.ok, first.found) == (False, "OSError: gone")
    assert second.check == "disk"


# Without a network


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """tools/environment.py, which notes its commands instead of running them."""
    spec = importlib.util.spec_from_file_location("environment_under_test", ROOT / "tools" / "environment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ran = []
    monkeypatch.setattr(module, "run", lambda *given: module.ran.append([str(one) for one in given]))
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(module, "UNFINISHED", tmp_path / "unfinished" / "mark")
    monkeypatch.setattr(module, "python", lambda: Path(sys.executable))
    return module


def test_a_wheelhouse_holds_what_is_locked_and_crmkit(
    environment: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stamp").write_text(environment.stamp("course"))
    assert environment.main("wheelhouse", tmp_path / "wheels") == 0
    download, wheel = environment.ran
    assert download[2:4] == ["pip", "download"]
    assert {"--require-hashes", "--only-binary", "requirements.lock", str(tmp_path / "wheels")} <= set(download)
    assert wheel[2:4] == ["pip", "wheel"]
    assert wheel[-1] == "."
    assert f"course {tmp_path / 'wheels'}" in capsys.readouterr().out


def test_from_a_wheelhouse_nobody_outside_is_asked(
    environment: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert environment.main("course", tmp_path) == 1
    assert "no packages" in capsys.readouterr().out
    (tmp_path / "x.whl").touch()
    assert environment.main("course", tmp_path) == 0
    packages, itself = (command for command in environment.ran if "install" in command)
    assert {"--no-index", "--find-links", str(tmp_path), "--require-hashes"} <= set(packages)
    assert {"--no-deps", "--no-build-isolation", "-e"} <= set(itself)
    assert (tmp_path / "stamp").read_text() == environment.stamp("course")
