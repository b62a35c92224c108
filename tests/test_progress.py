"""The learner's record and the trainer's board: what is kept, what is not, and what damaged or foreign files do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

import crmkit
from crmkit import cli
from crmkit.errors import CannotWrite, ParameterError, UnreadableFile
from crmkit.learning import record
from crmkit.learning.record import Record, Try, note, own, read, written
from crmkit.learning.standing import standings, tasks
from crmkit.texts import in_language, text
from crmkit.widgets import exercise
from crmkit.widgets.exercise import Exercise, Quiz, check, offer, quiz

run = CliRunner().invoke


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A record of one's own, in an empty folder."""
    monkeypatch.setattr(record, "_session", {"on": True})
    for name in ("_known", "_tries", "_latest"):
        monkeypatch.setattr(exercise, name, {})
    path = tmp_path / "home" / "mine.json"
    monkeypatch.setenv(record.VARIABLE, str(path))
    monkeypatch.chdir(tmp_path)
    return path


def tried(key: str, verdict: str, mistake: str = "", at: str = "2026-05-12T09:30:00+00:00") -> Try:
    return Try(key, verdict, mistake, at, "ja", "0.1.0")


def a_file(path: Path, learner: str, name: str, *tries: Try) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(written(Record(learner * 16, name, tries)), encoding="utf-8")
    return path


def tasks_of_mine() -> None:
    offer(Exercise("08.1", lambda: 0.5, {"buyers": lambda: 0.25}), Exercise("08.2", lambda: 0.5, {}), Quiz("08.4", "b"))


# What is recorded


def test_tries_are_recorded_without_the_answers(kept):
    tasks_of_mine()
    for answer in (0.987654, 0.25, 0.5):
        check("08.1", answer)
    check("08.2", ...)
    box = quiz("08.4")
    box.choice.value = "a"
    box.button.click()
    found = own().tries
    assert [(one.key, one.verdict, one.mistake) for one in found] == [
        ("08.1", "not_yet", ""),
        ("08.1", "mix_up", "buyers"),
        ("08.1", "correct", ""),
        ("08.4", "mix_up", "a"),
    ]
    assert {one.language for one in found} == {"en"}
    assert {one.crmkit for one in found} == {crmkit.__version__}
    content = kept.read_text()
    assert "987654" not in content
    assert json.loads(content)["name"] == ""
    assert sorted(path.name for path in kept.parent.iterdir()) == ["mine.json"]


def test_the_same_answer_run_again_is_no_new_try(kept):
    tasks_of_mine()
    for answer in (0.9, 0.9, 0.5, 0.5):
        check("08.1", answer)
    assert [one.verdict for one in own().tries] == ["not_yet", "correct"]


@pytest.mark.parametrize("value", ["off", "OFF", "0", " no "])
def test_the_environment_turns_it_off(kept, monkeypatch, value):
    monkeypatch.setenv(record.VARIABLE, value)
    tasks_of_mine()
    check("08.1", 0.5)
    assert not kept.parent.exists()
    assert text("progress.off", variable=record.VARIABLE) in str(crmkit.progress())


def test_it_can_be_turned_off_for_one_notebook(kept):
    tasks_of_mine()
    assert text("progress.paused", place=kept) in crmkit.progress(record=False).said
    check("08.1", 0.9)
    assert not kept.exists()
    crmkit.progress(record=True)
    check("08.1", 0.5)
    assert len(own().tries) == 1


@pytest.mark.parametrize("folder", ["ja/solutions", "trainer/en"])
def test_notebooks_that_show_the_answers_record_nothing(kept, tmp_path, monkeypatch, folder):
    (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / folder)
    tasks_of_mine()
    check("08.1", 0.5)
    assert not kept.exists()


def test_without_a_variable_it_is_in_the_users_own_data_folder(monkeypatch, tmp_path):
    monkeypatch.delenv(record.VARIABLE)
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for platform in ("linux", "darwin", "win32"):
        monkeypatch.setattr(sys, "platform", platform)
        assert record.place().is_relative_to(tmp_path)
        assert record.place().name == "progress.json"


def a_new_session():
    exercise._greeted.clear()
    tasks_of_mine()


def test_resuming_says_what_was_solved(kept, capsys):
    a_new_session()
    assert capsys.readouterr().out == ""
    note("08.1", "correct")
    a_new_session()
    day = own().tries[0].at[:10]
    assert capsys.readouterr().out == text("progress.resume_open", solved=1, of=3, day=day, open="08.2, 08.4") + "\n"
    tasks_of_mine()
    assert capsys.readouterr().out == ""  # once a session: a lesson begins anew on own data
    note("08.2", "correct")
    note("08.4", "correct")
    a_new_session()
    assert capsys.readouterr().out == text("progress.resume_all", solved=3, of=3, day=day) + "\n"
    crmkit.progress(record=False)
    a_new_session()
    assert capsys.readouterr().out == ""


# Trouble with the file


@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xfe\x00", b"[1]", b"[" * 100_000, b'{"format": "crmkit-progress"}', b""]
)
def test_a_damaged_record_is_kept_aside_and_said(kept, content):
    kept.parent.mkdir()
    kept.write_bytes(content)
    tasks_of_mine()
    said = check("08.1", 0.5)
    (aside,) = kept.parent.glob("mine.damaged-*.json")
    assert said.verdict == "correct"
    assert said.lines[-1] == text("progress.damaged", aside=aside)
    assert aside.read_bytes() == content
    assert [one.key for one in own().tries] == ["08.1"]
    assert len(check("08.1", 0.9).lines) == 1  # said once


def test_the_record_of_a_newer_crmkit_stays_as_it_is(kept):
    kept.parent.mkdir()
    content = json.dumps({"format": record.FORMAT, "version": record.VERSION + 1, "more": "x"})
    kept.write_text(content)
    tasks_of_mine()
    assert "newer" in check("08.1", 0.9).lines[-1]
    assert "newer" in str(crmkit.progress())
    assert kept.read_text() == content
    assert len(check("08.1", 0.5).lines) == 1


def test_a_place_that_cannot_be_written_does_not_stop_the_learner(kept, monkeypatch):
    monkeypatch.setenv(record.VARIABLE, "/dev/null/mine.json")
    tasks_of_mine()
    said = check("08.1", 0.5)
    assert said.verdict == "correct"
    assert "could not be recorded" in said.lines[-1]


def test_a_lock_that_is_never_let_go_is_said(kept, monkeypatch):
    from crmkit.datasets.drafts import alone

    monkeypatch.setattr(record, "PATIENCE", 0.1)
    kept.parent.mkdir()
    with alone(kept):
        assert "another run" in note("08.1", "correct")


WRITER = (
    "import sys; from crmkit.learning.record import note\nfor n in range(15): assert not note(sys.argv[1], 'not_yet')"
)


def test_notebooks_that_write_at_the_same_time_lose_nothing(kept):
    def start(key: str) -> int:
        return subprocess.run([sys.executable, "-c", WRITER, key], env=dict(os.environ), check=False).returncode

    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(start, ("08.1", "08.2", "08.3"))) == {0}
    assert {key: one.tries for key, one in standings(own().tries).items()} == dict.fromkeys(
        ("08.1", "08.2", "08.3"), 15
    )


def test_the_oldest_tries_give_way(kept, monkeypatch):
    monkeypatch.setattr(record, "MOST_TRIES", 3)
    for key in ("08.1", "08.2", "08.3", "08.4"):
        note(key, "correct")
    assert [one.key for one in own().tries] == ["08.2", "08.3", "08.4"]


GOOD = {
    "key": "08.1",
    "verdict": "correct",
    "mistake": "",
    "at": "2026-05-12T09:30:00+00:00",
    "language": "ja",
    "crmkit": "1",
}
BAD_TRIES = [
    {"key": "<b>"}, {"key": "8.1"}, {"key": 8.1}, {"verdict": "great"}, {"mistake": "<script>"}, {"mistake": None},
    {"at": "yesterday"}, {"at": "2026-05-12"}, {"language": "xx"}, {"crmkit": "x" * 1000}, {"key": ["08.1"]},
]  # fmt: skip


@pytest.mark.parametrize("wrong", BAD_TRIES)
def test_a_try_that_crmkit_would_not_write_is_refused(tmp_path, wrong):
    whole = {"format": record.FORMAT, "version": 1, "learner": "a" * 16, "name": "", "tries": [GOOD]}
    path = tmp_path / "x.json"
    path.write_text(json.dumps(whole))
    assert len(read(path).tries) == 1
    path.write_text(json.dumps({**whole, "tries": [GOOD, {**GOOD, **wrong}]}))
    with pytest.raises(UnreadableFile, match="damaged"):
        read(path)


# progress


def test_progress_shows_every_lesson_in_both_languages(kept):
    note("08.1", "mix_up", "buyers")
    note("08.1", "correct")
    for code, lesson in (("en", "Lesson 08"), ("ja", "レッスン08")):
        with in_language(code):
            shown = crmkit.progress()
            assert f"{lesson}  ■" in str(shown)
            assert "08.1 ✓ 2" in str(shown)
            assert lesson in shown._repr_html_()
            assert shown.by_lesson()["08"] == (1, tasks()["08"])


def test_an_export_has_the_name_and_the_record_has_not(kept, tmp_path):
    note("08.1", "correct")
    out = tmp_path / "mine-for-you.json"
    crmkit.progress(export=out, name="  田中\n<b>さくら\u202e ")
    assert read(out).name == "田中 <b>さくら"
    assert read(out).tries == own().tries
    assert own().name == ""
    with pytest.raises(ParameterError, match="there already"):
        crmkit.progress(export=out)
    crmkit.progress(export=out, overwrite=True)
    assert read(out).name == ""


def test_forgetting_deletes_the_record(kept):
    note("08.1", "correct")
    assert text("progress.forgotten") in crmkit.progress(forget=True).said
    assert not kept.exists()
    assert text("progress.nothing_to_forget") in crmkit.progress(forget=True).said


def test_the_command_shows_and_exports(kept, tmp_path):
    empty = run(cli.app, ["progress", "--export", str(tmp_path / "a.json"), "--lang", "en"])
    assert (empty.exit_code, "nothing to export" in empty.output) == (1, True)
    note("08.1", "correct")
    told = run(cli.app, ["progress", "--export", str(tmp_path / "a.json"), "--name", "Ann", "--lang", "ja"])
    assert told.exit_code == 0, told.output
    assert "レッスン08" in told.output
    assert read(tmp_path / "a.json").name == "Ann"
    assert run(cli.app, ["progress", "--export", str(tmp_path / "a.txt")]).exit_code == 1


# board


@pytest.fixture
def room(tmp_path):
    """Three learners, one of them twice, one without a name and stuck."""
    room = tmp_path / "room"
    early = [tried("08.1", "mix_up", "buyers")]
    late = [*early, tried("08.1", "correct", at="2026-05-12T10:00:00+00:00")]
    a_file(room / "ann.json", "a", "<b>Ann</b>", *early)
    a_file(room / "again" / "ann.json", "a", "<b>Ann</b>", *late)
    a_file(room / "ben.json", "b", "Ben", tried("08.1", "mix_up", "buyers"), tried("08.4", "correct"))
    a_file(room / "c.json", "c", "", *[tried("08.2", "not_yet", at=f"2026-05-12T1{n}:00:00+00:00") for n in range(4)])
    return room


def test_the_board_has_each_learner_once(room):
    made = crmkit.board(room)
    assert [one.name for one in made.learners] == ["<b>Ann</b>", "Ben", "no name, cccccc"]
    assert (made.files, made.bad) == (4, ())
    assert made.learners[0].by_key["08.1"].tries == 2
    assert made.learners[0].by_key["08.1"].solved
    assert [(name, one.key, one.tries) for name, one in made.stuck()] == [("no name, cccccc", "08.2", 4)]
    assert made.misconceptions() == [("08.1", "buyers", 2, 2)]


def test_people_of_the_same_name_stay_two(tmp_path):
    a_file(tmp_path / "1.json", "a", "佐藤", tried("08.1", "correct"))
    a_file(tmp_path / "2.json", "b", "佐藤", tried("08.1", "correct"))
    assert [one.name for one in crmkit.board(tmp_path).learners] == ["佐藤 (aaaaaa)", "佐藤 (bbbbbb)"]


def test_an_exercise_this_crmkit_does_not_know_is_shown_all_the_same(tmp_path):
    a_file(tmp_path / "1.json", "a", "Ann", tried("77.1", "mix_up", "new_mistake"))
    assert "77.1\tnew_mistake\t1 of 1\t100%" in repr(crmkit.board(tmp_path))


@pytest.mark.parametrize("code", ["en", "ja"])
def test_the_page_is_whole_and_escaped(room, tmp_path, code):
    out = tmp_path / "board.html"
    told = run(cli.app, ["board", str(room), "--out", str(out), "--lang", code])
    assert told.exit_code == 0, told.output
    page = out.read_text(encoding="utf-8")
    assert f"<html lang='{code}'>" in page
    assert "<b>Ann" not in page
    assert "&lt;b&gt;Ann" in page
    assert "✓ 2" in page
    assert "… 4 !" in page
    assert not re.search(r"https?://|<script", page)
    with in_language(code):
        assert "34%" in page  # the low end of 2 of 2
        assert text("board.section.stuck") in page
        assert text("exercise.08_1.mistake.buyers") in told.output
        assert "<b>Ann" not in crmkit.board(room)._repr_html_()
    again = run(cli.app, ["board", str(room), "--out", str(out), "--lang", code])
    assert again.exit_code == 1


def test_bad_files_are_counted_and_said(room, tmp_path):
    secret = a_file(tmp_path / "secret.json", "d", "Dora", tried("08.1", "correct"))
    (room / "link.json").symlink_to(secret)
    os.mkfifo(room / "pipe.json")
    (room / "folder.json").mkdir()
    (room / "damaged.json").write_text('{"format": ')
    (room / "foreign.json").write_text('{"cells": []}')
    (room / "huge.json").write_bytes(b" " * (record.MOST_BYTES + 1))
    (room / "deep.json").write_text("[" * 200_000)
    (room / "newer.json").write_text(json.dumps({"format": record.FORMAT, "version": 99}))
    (room / "latin.json").write_bytes(b'{"format": "\xe9"}')
    (room / ".hidden.json").write_text("{}")
    made = crmkit.board(room)
    assert len(made.learners) == 3
    reasons = dict(made.bad)
    words = {
        "link": "is a link", "pipe": "no ordinary file", "folder": "no ordinary file", "damaged": "damaged",
        "foreign": "not a progress file", "huge": "4.0 MB", "deep": "damaged", "newer": "newer", "latin": "damaged",
    }  # fmt: skip
    assert {name: words[name] in reasons[f"{name}.json"] for name in words} == dict.fromkeys(words, True)
    assert len(reasons) == len(words)
    assert "Dora" not in repr(made)
    assert text("board.bad", count=len(words)) in repr(made)


def test_a_folder_without_files_is_said(tmp_path):
    with pytest.raises(ParameterError, match="0 .json files"):
        crmkit.board(tmp_path)
    with pytest.raises(UnreadableFile, match="no folder"):
        crmkit.board(tmp_path / "nowhere")
    with pytest.raises(ParameterError, match=".html"):
        crmkit.board(tmp_path, out=tmp_path / "board.pdf")
    assert run(cli.app, ["board", str(tmp_path)]).exit_code == 1


def test_an_older_export_and_bom_and_more_fields_are_read(tmp_path):
    whole = {
        "format": record.FORMAT,
        "version": 1,
        "learner": "a" * 16,
        "name": "Ann",
        "tries": [{**GOOD, "x": 1}],
        "y": 2,
    }
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(whole).encode())
    assert crmkit.board(tmp_path).learners[0].solved == 1


def test_a_failed_write_is_an_error_of_ours(kept, tmp_path):
    note("08.1", "correct")
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite):
        crmkit.progress(export=tmp_path / "file" / "a.json")
