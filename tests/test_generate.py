"""Worlds on their way to the disk: the same whatever the circumstances, whole or not there at all, and never lost."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crmkit.datasets.manifest import read_manifest
from crmkit.errors import CannotWrite, CrmkitError, ParameterError, ProcessDied
from crmkit.simulator.generate import Progress, generate
from tests.small_world import SmallWorld, content, neighbours

ROOT = Path(__file__).resolve().parents[1]
FORMATS = ("parquet", "csv", "duckdb")
KILLS = 18
posix = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A place for an output, alone in its folder."""
    return tmp_path / "place" / "out"


def start(out: Path, *, format: str = "parquet", workers: int = 1, slowness: float = 0.02) -> subprocess.Popen[str]:
    """A run as a process (and group of processes) of its own."""
    command = [sys.executable, "-m", "tests.small_world", str(out), format, str(workers), str(slowness)]
    return subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Its exit code, output and errors."""
    told, errors = process.communicate(timeout=60)
    return process.returncode, told, errors


def stop_after(blocks: int) -> Callable[[Progress], None]:
    """Something that cuts a run short once so many blocks are there, and the truth about the shop."""

    def tell(progress: Progress) -> None:
        if progress.finished >= blocks + 1:
            raise KeyboardInterrupt

    return tell


def cut_short(out: Path, blocks: int = 7, **told: Any) -> None:
    """Leave an unfinished run behind."""
    with pytest.raises(KeyboardInterrupt):
        generate(SmallWorld(), out, workers=1, progress=stop_after(blocks), **told)
    assert not out.exists()


# The same world


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("workers", [1, 3])
def test_neither_workers_nor_format_change_the_content(
    out: Path, undisturbed: dict[str, str], format: Any, workers: int
) -> None:
    assert content(generate(SmallWorld(), out, format=format, workers=workers)) == undisturbed
    assert neighbours(out) == []


def test_the_files_are_the_same_to_the_last_byte(out: Path) -> None:
    for format in ("parquet", "csv"):
        one, three = (generate(SmallWorld(), out / f"{format}{n}", format=format, workers=n) for n in (1, 3))
        files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
        assert files == sorted(path.relative_to(three) for path in three.rglob("*") if path.is_file())
        assert all((one / file).read_bytes() == (three / file).read_bytes() for file in files)


@pytest.mark.parametrize("size", [1, 37, 200, 1000])
def test_the_cut_into_blocks_does_not_change_the_content(out: Path, undisturbed: dict[str, str], size: int) -> None:
    assert content(generate(SmallWorld(size=size), out, workers=1)) == undisturbed


def test_one_block_makes_one_file_per_table_and_more_make_a_folder_of_parts(out: Path) -> None:
    one = generate(SmallWorld(size=200), out / "one")
    assert {path.name for path in one.iterdir()} == {
        "customers.parquet", "orders.parquet", "tickets.parquet", "products.parquet", "truth", "manifest.json"
    }  # fmt: skip
    more = generate(SmallWorld(size=70), out / "more", workers=1)
    assert sorted(path.name for path in (more / "orders").iterdir()) == [f"part-0000{n}.parquet" for n in range(3)]
    assert (more / "products.parquet").is_file()
    assert (more / "truth" / "customers" / "part-00002.parquet").is_file()


def test_the_manifest_tells_what_was_made(out: Path) -> None:
    manifest = read_manifest(generate(SmallWorld(), out, workers=1))
    assert manifest.facts == SmallWorld().facts
    assert manifest.zone == "Asia/Tokyo"
    assert list(manifest.tables) == ["customers", "products", "orders", "tickets"]
    assert manifest.tables["customers"].rows == 200
    assert len(manifest.tables["orders"].files) == 20


def test_a_csv_has_one_header_and_a_cell_that_is_no_formula(out: Path) -> None:
    text = (generate(SmallWorld(), out, format="csv", workers=1) / "orders.csv").read_text(encoding="utf-8")
    assert text.count("order_id") == 1
    assert "'=1+1" in text
    assert ",=1+1" not in text


# Cut short


@pytest.mark.parametrize("format", FORMATS)
def test_a_run_goes_on_where_it_was_cut_short(
    out: Path, undisturbed: dict[str, str], computed: list[int], format: Any
) -> None:
    cut_short(out, format=format)
    assert computed == list(range(7))
    heard: list[Progress] = []
    generate(SmallWorld(), out, format=format, workers=1, progress=heard.append)
    assert computed == list(range(20))
    assert content(out) == undisturbed
    assert neighbours(out) == []
    assert (heard[0].finished, heard[0].resumed, heard[0].customers, heard[0].lived) == (8, 8, 200, 70)
    assert [one.table for one in heard if one.table] == [
        "customers",
        "products",
        "orders",
        "tickets",
        "truth/customers",
        "truth/effects",
    ]
    assert heard[-1].finished == heard[-1].pieces == 21
    assert heard[-1].rows == 200 + 500 + 6 + 200 + 1


def test_a_block_that_is_half_written_is_thrown_away(out: Path, undisturbed: dict[str, str]) -> None:
    cut_short(out)
    blocks = next(out.with_name(".out.unfinished").glob("pieces-*"))
    half = blocks / ".half-piece-00009-1"
    shutil.copytree(blocks / "piece-00002", half)
    generate(SmallWorld(), out, workers=1)
    assert content(out) == undisturbed


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"seed": 8}, "seed: 7 → 8"),
        ({"customers": 190}, "customers: 200 → 190"),
        ({"changes": {"courtesy": 1.0}}, "levers.courtesy: - → 1.0"),
    ],
)
def test_another_run_does_not_go_on_with_it(
    out: Path, undisturbed: dict[str, str], changed: dict[str, Any], named: str
) -> None:
    cut_short(out)
    with pytest.raises(CannotWrite, match=r"--overwrite") as caught:
        generate(SmallWorld(**changed), out, workers=1)
    assert named in str(caught.value)
    assert ".out.unfinished" in str(caught.value)
    assert not out.exists()
    assert content(generate(SmallWorld(), out, workers=1)) == undisturbed  # nothing was lost


def test_another_format_does_not_go_on_with_it_and_overwrite_starts_anew(
    out: Path, undisturbed: dict[str, str]
) -> None:
    cut_short(out)
    with pytest.raises(CannotWrite, match="format: parquet → csv"):
        generate(SmallWorld(), out, format="csv", workers=1)
    made = generate(SmallWorld(), out, format="csv", workers=1, overwrite=True)
    assert content(made) == undisturbed
    assert neighbours(out) == []


@posix
@pytest.mark.parametrize(("format", "stride"), [("parquet", 2), ("csv", 3), ("duckdb", 7)])
def test_a_run_can_be_killed_before_any_change_on_the_disk(out: Path, format: str, stride: int) -> None:
    out.parent.mkdir()
    command = [sys.executable, "-m", "tests.small_world", "every-step", str(out), format, str(stride)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, told.stderr
    assert int(told.stdout) > 80


@posix
def test_killed_at_random_moments_it_is_whole_or_not_there(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    moments = random.Random(20260401)
    killed = 0
    for n in range(KILLS):
        format, workers = FORMATS[n % 3], 1 + n // 3 % 2
        out = tmp_path / f"{format}{workers}" / "out"
        process = start(out, format=format, workers=workers)
        assert process.stdout is not None
        process.stdout.readline()  # it has begun
        time.sleep(moments.uniform(0, 0.5 if workers == 1 else 1.2))
        os.killpg(process.pid, signal.SIGKILL)
        finish(process)
        if out.exists():
            assert content(out) == undisturbed
            shutil.rmtree(out.parent)
        else:
            killed += 1
    assert killed >= KILLS // 2  # the others had just finished
    for format in FORMATS:
        for workers in (1, 2):
            out = tmp_path / f"{format}{workers}" / "out"
            assert content(generate(SmallWorld(slowness=0.02), out, format=format, workers=1)) == undisturbed  # type: ignore[arg-type]
            assert neighbours(out) == []


@posix
def test_workers_leave_with_a_parent_that_was_killed(out: Path) -> None:
    process = start(out, workers=2, slowness=0.2)
    assert process.stdout is not None
    while process.stdout.readline().split()[:1] != ["2"]:
        pass
    process.kill()
    finish(process)
    latest = time.monotonic() + 10
    while time.monotonic() < latest:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("workers are still there")


@posix
def test_a_worker_that_is_killed_is_an_error_and_no_hang(
    out: Path, tmp_path: Path, undisturbed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deadly").touch()
    monkeypatch.setenv("SMALL_WORLD_DEADLY", str(tmp_path / "deadly"))
    with pytest.raises(ProcessDied, match="SIGKILL"):
        generate(SmallWorld(), out, workers=2)
    assert not out.exists()
    assert content(generate(SmallWorld(), out, workers=2)) == undisturbed


@posix
@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_stops_it_and_nothing_is_lost(out: Path, undisturbed: dict[str, str], workers: int) -> None:
    process = start(out, workers=workers, slowness=0.1)
    assert process.stdout is not None
    while process.stdout.readline().split()[:1] != ["3"]:
        pass
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, _, errors = finish(process)
    assert errors.splitlines().count("KeyboardInterrupt") == 1  # in the one process that was started, in no worker
    assert not out.exists()
    assert content(generate(SmallWorld(slowness=0.1), out, workers=2)) == undisturbed


# What is there already


def test_an_output_that_is_there_is_not_replaced_without_being_told(out: Path, undisturbed: dict[str, str]) -> None:
    generate(SmallWorld(), out, workers=1)
    with pytest.raises(ParameterError, match="overwrite"):
        generate(SmallWorld(seed=8), out, workers=1)
    assert content(out) == undisturbed
    assert neighbours(out) == []
    assert content(generate(SmallWorld(seed=8), out, workers=1, overwrite=True)) != undisturbed
    assert neighbours(out) == []


def test_an_output_stays_until_the_one_that_replaces_it_is_whole(out: Path, undisturbed: dict[str, str]) -> None:
    generate(SmallWorld(), out, workers=1)
    with pytest.raises(KeyboardInterrupt):
        generate(SmallWorld(seed=8), out, workers=1, overwrite=True, progress=stop_after(20))
    assert content(out) == undisturbed


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_crmkit_did_not_write_is_never_replaced(out: Path, overwrite: bool) -> None:
    out.mkdir(parents=True)
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(CrmkitError):
        generate(SmallWorld(), out, workers=1, overwrite=overwrite)
    assert (out / "thesis.txt").read_text() == "years of work"
    shutil.rmtree(out)
    out.write_text("a file")
    with pytest.raises(CrmkitError):
        generate(SmallWorld(), out, workers=1, overwrite=overwrite)
    assert out.read_text() == "a file"
    assert neighbours(out) == []


def test_an_empty_folder_is_nothing_to_lose(out: Path, undisturbed: dict[str, str]) -> None:
    out.mkdir(parents=True)
    assert content(generate(SmallWorld(), out, workers=1)) == undisturbed


@posix
def test_two_runs_do_not_write_the_same_output_at_once(out: Path, undisturbed: dict[str, str]) -> None:
    process = start(out, slowness=0.05)
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(CannotWrite, match="another run"):
        generate(SmallWorld(slowness=0.05), out, workers=1)
    os.killpg(process.pid, signal.SIGKILL)
    finish(process)
    # the system has taken the lock off
    assert content(generate(SmallWorld(slowness=0.05), out, workers=1)) == undisturbed
    assert neighbours(out) == []
