"""`crmkit generate`, and the simulator's own plans on their way to the disk and back."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from crmkit import cli
from crmkit.datasets import load
from crmkit.simulator.generate import generate
from crmkit.simulator.plan import BLOCK
from crmkit.simulator.plan import plan as make_plan
from tests.small_world import SmallWorld, content

ROOT = Path(__file__).resolve().parents[1]
FORMATS = ("parquet", "csv", "duckdb")
posix = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A place for an output, alone in its folder."""
    return tmp_path / "place" / "out"


# The simulator's own plans


def test_a_simulated_shop_comes_back_as_it_was_made(out: Path) -> None:
    plan = make_plan("salon", customers=150, weeks=8, seed=3)
    block = plan.block(0)
    for format in FORMATS:
        crm = load(generate(plan, out / format, format=format, workers=1), verify=True)
        assert crm.facts == plan.facts
        assert crm.zone == "Asia/Tokyo"
        assert len(crm.orders) == block.tables["orders"].num_rows > 0
        assert crm.truth is not None
        assert list(crm.truth.customers["customer_id"]) == block.truth["customers"]["customer_id"].to_pylist()


def test_a_simulated_shop_of_several_blocks_does_not_depend_on_the_workers(out: Path) -> None:
    plan = make_plan("textbook", customers=BLOCK + 50, weeks=3, seed=3)
    one, two = (load(generate(plan, out / str(n), workers=n)) for n in (1, 2))
    assert one.fingerprint() == two.fingerprint()
    smaller = load(generate(make_plan("textbook", customers=100, weeks=3, seed=3), out / "smaller"))
    assert one.orders.head(len(smaller.orders)).equals(smaller.orders)


def test_the_command_simulates(out: Path) -> None:
    told = run("salon", out, "--customers", 60, "--weeks", 5, "--seed", 1, "--set", "first_reply_hours=4")
    assert told.exit_code == 0, told.output
    assert load(out).facts["levers"]["first_reply_hours"] == 4.0
    assert "saloon" in run("saloon", out).stderr
    assert "first_reply_hours" in run("salon", out, "--set", "first_reply_hour=4").stderr


# The command


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The command makes the small world, whatever it is asked for; gives what it was asked for."""
    asked: dict[str, Any] = {}

    def plan(scenario: str, **told: Any) -> SmallWorld:
        asked.update(scenario=scenario, **told)
        return SmallWorld(seed=told["seed"])

    monkeypatch.setitem(sys.modules, "crmkit.simulator.plan", SimpleNamespace(plan=plan))  # type: ignore[arg-type]
    return asked


def run(*words: object) -> Any:
    """What the command says and does."""
    return CliRunner().invoke(cli.app, ["generate", *map(str, words), "--lang", "en"])


def test_the_command_writes_what_it_is_asked_for(out: Path, small: dict[str, Any], undisturbed: dict[str, str]) -> None:
    told = run(
        "salon", out, "--customers", 50, "--weeks", 10, "--seed", 7, "--format", "csv", "--workers", 1,
        "--locale", "en_US", "--set", "first_reply_hours=4", "--set", "courtesy=0.8",
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    assert str(out) in told.stdout
    assert content(out) == undisturbed
    assert small == {
        "scenario": "salon", "customers": 50, "weeks": 10, "seed": 7, "locale": "en_US",
        "levers": {"first_reply_hours": 4.0, "courtesy": 0.8},
    }  # fmt: skip


def test_without_a_terminal_the_command_says_a_line_for_every_tenth(out: Path, small: dict[str, Any]) -> None:
    lines = run("salon", out, "--workers", 1).stderr.splitlines()
    assert lines[0].strip() == "0 %  Beginning: 21 pieces to compute"
    assert [int(line.split("%")[0]) // 10 for line in lines] == [0, *range(1, 11)]
    assert re.search(r"100 of 200 customers, \d+ rows \([\d,]+/s, \d+:\d\d left\)", lines[5])


def test_on_a_terminal_the_command_shows_a_bar(
    out: Path, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    told = run("salon", out, "--workers", 1)
    assert told.exit_code == 0
    assert "100%" in told.stderr
    assert "━" in told.stderr


def test_the_command_says_errors_in_the_language_asked_for(out: Path, small: dict[str, Any]) -> None:
    out.mkdir(parents=True)
    (out / "thesis.txt").touch()
    told = CliRunner().invoke(cli.app, ["generate", "salon", str(out), "--lang", "ja"])
    assert told.exit_code == 1
    assert "置き換えずに" in told.stderr
    assert "Traceback" not in told.output


def test_a_lever_without_a_value_is_named(out: Path, small: dict[str, Any]) -> None:
    told = run("salon", out, "--set", "courtesy")
    assert told.exit_code == 1
    assert "--set courtesy" in told.stderr
    assert cli._levers(["courtesy=high"]) == {"courtesy": "high"}  # the levers say what is wrong with it


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_the_command_stops_with_a_message_and_goes_on_when_given_again(
    out: Path, undisturbed: dict[str, str], name: str
) -> None:
    code = f"""
import sys
from types import SimpleNamespace
from tests.small_world import SmallWorld
sys.modules["crmkit.simulator.plan"] = SimpleNamespace(plan=lambda *_, **__: SmallWorld(slowness=0.05))
from crmkit.cli import app
app(["generate", "salon", {str(out)!r}, "--workers", "2", "--lang", "en"])
"""
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, text=True, stderr=subprocess.PIPE)
    assert process.stderr is not None
    while "customers" not in process.stderr.readline():  # something is done
        pass
    os.killpg(process.pid, getattr(signal, name))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "same command again" in said
    assert "Traceback" not in said
    assert not out.exists()
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "pieces are there already" in told.stderr
    assert content(out) == undisturbed
