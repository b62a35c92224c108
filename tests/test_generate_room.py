"""Worlds that find no room, no right to write or no sense in what is asked: refused, with nothing lost."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from crmkit.errors import CannotWrite, ParameterError
from crmkit.simulator import generate as generating
from crmkit.simulator import parts, size
from crmkit.simulator.generate import Progress, generate
from crmkit.simulator.size import refuse_too_much, size_of, spell_bytes
from tests.small_world import SmallWorld, content

ROOT = Path(__file__).resolve().parents[1]
posix = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A place for an output, alone in its folder."""
    return tmp_path / "place" / "out"


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "orders.parquet")


def test_a_full_disk_keeps_what_is_finished(
    out: Path, undisturbed: dict[str, str], computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def fill_up(progress: Progress) -> None:
            if progress.finished == 8:
                patch.setattr(parts, "write_parquet", _full)

        with pytest.raises(CannotWrite, match="full") as caught:
            generate(SmallWorld(), out, workers=1, progress=fill_up)
    assert ".out.unfinished" in str(caught.value)
    assert "orders.parquet" in str(caught.value)
    assert not out.exists()
    assert content(generate(SmallWorld(), out, workers=1)) == undisturbed
    assert computed == [*range(8), *range(7, 20)]


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_a_disk_that_is_full_at_the_end_keeps_what_is_finished(
    out: Path, undisturbed: dict[str, str], computed: list[int], monkeypatch: pytest.MonkeyPatch, format: Any
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("crmkit.simulator.whole.write_whole", _full)
        with pytest.raises(CannotWrite, match="full"):
            generate(SmallWorld(), out, workers=1, format=format)
    assert not out.exists()
    assert content(generate(SmallWorld(), out, workers=1, format=format)) == undisturbed
    assert computed == list(range(20))


@posix
def test_a_limit_on_the_size_of_files_is_told_by_workers_and_database_too(out: Path) -> None:
    code = """
import resource, signal, sys
from pathlib import Path
from tests.small_world import SmallWorld
from crmkit.errors import CannotWrite
from crmkit.simulator.generate import generate
if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for format, workers, most in (("parquet", 2, 500), ("duckdb", 1, 50_000)):
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        try:
            generate(SmallWorld(), Path(sys.argv[1]) / format, format=format, workers=workers)
        except CannotWrite as error:
            print(error)
"""
    out.mkdir(parents=True)
    script = out.with_name("limited.py")
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CRMKIT_LANG": "en"}
    told = subprocess.run(
        [sys.executable, str(script), str(out)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.stdout.count(os.strerror(errno.EFBIG)) == 2, told
    assert not any(path for path in out.iterdir() if not path.name.startswith("."))


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite, match="file"):
        generate(SmallWorld(), tmp_path / "file" / "out", workers=1)


@posix
def test_a_folder_without_the_right_to_write_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    place = Path("/sys") if os.geteuid() == 0 else tmp_path  # the administrator may write almost everywhere
    with pytest.raises(CannotWrite, match=str(place)):
        generate(SmallWorld(), place / "out", workers=1)


def test_what_cannot_fit_is_refused_before_anything_is_done(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size, "shutil", SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=10_000)))
    with pytest.raises(CannotWrite, match=r"10\.0 kB is free"):
        generate(SmallWorld(), out, workers=1)
    assert not out.parent.exists()


def test_a_million_million_customers_are_refused_with_what_they_would_take(out: Path) -> None:
    with pytest.raises(CannotWrite) as caught:
        generate(SmallWorld(customers=10**12), out)
    assert re.search(r"1,000,000,000,000 customers.* [\d.]+ [TP]B of disk .* [\d.]+ PB of memory", str(caught.value))
    with pytest.raises(ParameterError, match="PB of memory"):
        refuse_too_much(10**12, 104, in_memory=True)
    refuse_too_much(2_000, 104, in_memory=True)


@pytest.mark.parametrize("number", [0, -5, True, 2.5, "many"])
@pytest.mark.parametrize("parameter", ["customers", "weeks"])
def test_numbers_that_make_no_sense_are_refused(parameter: str, number: Any) -> None:
    with pytest.raises(ParameterError, match=parameter):
        refuse_too_much(**{"customers": 10, "weeks": 10, parameter: number}, in_memory=False)


def test_more_than_a_century_is_refused() -> None:
    with pytest.raises(ParameterError, match="5200"):
        refuse_too_much(10, 5_201, in_memory=False)


def test_a_disk_that_will_not_hold_the_rest_is_noticed_on_the_way(
    out: Path, undisturbed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(generating, "free_disk", lambda _: 20_000)
        with pytest.raises(CannotWrite, match="1 of 20 blocks") as caught:
            generate(SmallWorld(), out, workers=1)
    assert "20.0 kB is free" in str(caught.value)
    assert content(generate(SmallWorld(), out, workers=1)) == undisturbed


def test_the_estimate_grows_with_customers_and_weeks() -> None:
    assert size_of(2, 10) == tuple(2 * one for one in size_of(1, 10))
    assert size_of(1, 10).disk < size_of(1, 20).disk
    assert spell_bytes(999.96e21) == "1.0 YB"
    assert spell_bytes(5e27) == "5,000.0 YB"


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, 1000])
def test_a_number_of_workers_that_makes_no_sense_is_refused(out: Path, workers: Any) -> None:
    with pytest.raises(ParameterError, match="workers"):
        generate(SmallWorld(), out, workers=workers)


def test_an_unknown_format_is_refused(out: Path) -> None:
    with pytest.raises(ParameterError, match="duckdb"):
        generate(SmallWorld(), out, format="excel")  # type: ignore[arg-type]
