"""The command `crmkit`, as far as it can be seen without a browser; test_browser.py sees the rest."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crmkit import cli

run = CliRunner().invoke


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A folder that holds a course."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "index.md").write_text("# crmkit\n")
    return tmp_path


def test_it_tells_its_version() -> None:
    assert run(cli.app, ["--version"]).output.strip() == version("crmkit")


def test_a_folder_without_a_course_is_named_with_what_to_do(tmp_path: Path) -> None:
    told = run(cli.app, ["lab", "--root", str(tmp_path), "--lang", "en"])
    assert told.exit_code == 1
    assert str(tmp_path) in told.output
    assert "--root" in told.output


def test_the_course_is_found_from_a_folder_inside_it(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = course / "notebooks"
    monkeypatch.chdir(inside)
    assert cli._course(None) == course


def test_a_port_in_use_is_named_in_the_language_asked_for(course: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        told = run(cli.app, ["lab", "--no-browser", "--root", str(course), "--port", str(port), "--lang", "ja"])
    assert told.exit_code == 1
    assert f"ポート{port}" in told.output


def test_a_server_that_does_not_start_says_why(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(course / "notebooks" / "index.md" / "no folder"))
    told = run(cli.app, ["lab", "--no-browser", "--root", str(course), "--lang", "en"])
    assert told.exit_code == 1
    assert "index.md" in told.output.split("log say why:")[1]


def test_the_server_listens_here_only_and_asks_nobody_outside(course: Path) -> None:
    command = cli._command(course, 8888)
    assert "--ServerApp.ip=127.0.0.1" in command
    assert "--LabApp.news_url=None" in command
    assert not any("token" in part.lower() for part in command)


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_settings_of_each_language_are_shipped(language: str) -> None:
    settings = json.loads((cli.PACKAGE / "lab_settings" / language / "overrides.json").read_text())
    assert settings["@jupyterlab/apputils-extension:notification"]["checkForUpdates"] is False


def test_it_starts_without_loading_anything_heavy() -> None:
    heavy = ["pandas", "numpy", "matplotlib", "jupyterlab", "ipywidgets", "narwhals"]
    code = f"import sys, crmkit.cli; print([name for name in {heavy} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == "[]"
