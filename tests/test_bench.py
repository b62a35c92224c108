"""The bench runs; crmkit's figures are those of the queries written by hand: an oracle, on large tables."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "bench"))  # as its files find each other

import generators
import growth
import heavy
import peers
import simulator

ROOT = Path(__file__).resolve().parent.parent
ENGINES = ["pandas", "polars", "polars-lazy", "pyarrow", "duckdb"]


def test_every_figure_is_the_one_written_by_hand(tmp_path):
    command = [sys.executable, str(ROOT / "bench" / "run.py"), "--quick", "--parts", "metrics"]
    command += ["--engines", *ENGINES, "--out", str(tmp_path / "bench.json"), "--folder", str(tmp_path / "tables")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert "NOT THE SAME NUMBER" not in run.stdout
    assert all(run.stdout.count(f"\n  {engine} ") >= 14 for engine in ENGINES)


def test_heavy_figures_and_their_growth_are_measured_and_those_by_hand_agree(tmp_path, monkeypatch):
    found, grown = [], []
    monkeypatch.setattr(heavy, "TIMES", 1)
    monkeypatch.setattr(heavy, "AT_LEAST_SECONDS", 0.0)
    told = {"peer_ms": 1e9, "value": -1.0}
    answers = {"lifetimes": told, "clvkit": {"missing": "no such package"}}
    heavy.measure(5_000, tmp_path, found, lambda _: None, lambda peer, question, path: answers.get(peer, told))
    by_hand = [one for one in found if one["other"].endswith(" by hand")]
    assert {one["question"] for one in by_hand} == {
        "rfm", "btyd_summary", "kaplan_meier", "first_reply_time", "first_resolution_time", "full_resolution_time",
        "first_reply_time, business",
    }  # fmt: skip
    assert [one for one in by_hand if not one["same"]] == []
    assert not heavy.differs(found)
    assert heavy.differs([{**by_hand[0], "same": False}])

    monkeypatch.setattr(growth, "METRICS", {"repeat_rate": growth.METRICS["repeat_rate"]})
    growth.measure([5_000, 10_000], tmp_path, grown, lambda _: None)
    assert all(one["seconds"] > 0 and one["memory_mb"] > 20 for one in grown)

    lines = heavy.report([*found, {**by_hand[0], "ratio": 1.3}]) + growth.report([*grown, {**grown[0], "seconds": 60}])
    asked = [line for line in lines if line.endswith("another number than crmkit's")]
    assert {line.split(" / ")[1].split()[0] for line in asked} == {
        "lifetimes",
        "lifelines",
        "mlxtend",
        "pymc-marketing",
    }
    assert sum(line.endswith("not measured: no such package") for line in lines) == 2
    assert any(line.endswith("1.300  > 1.2") for line in lines)
    assert lines[-1].endswith(f"  > {growth.LINEAR}")


def test_the_simulator_is_measured_beside_a_wall_of_the_same_bytes(tmp_path):
    command = [sys.executable, str(ROOT / "bench" / "run.py"), "--quick", "--parts", "simulator"]
    command += ["--out", str(tmp_path / "bench.json"), "--folder", str(tmp_path / "worlds")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert "not measured" not in run.stdout
    found = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))["simulator"]
    (world,) = found["on_disk"]
    assert world["wall_rows"] == world["rows"] > 10_000
    assert world["wall_bytes"] == pytest.approx(world["bytes"], rel=0.02)
    assert world["ratio"] > 1
    whats = ["simulate, Arrow", "simulate, pandas", "compare, both worlds", "compare, step"]
    assert [one["what"] for one in found["in_memory"]] == whats
    assert not list((tmp_path / "worlds").iterdir())


def test_the_wall_writes_every_part_with_the_settings_of_the_world(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    world, copy = tmp_path / "world", tmp_path / "copy"
    world.mkdir()
    table = pa.table(
        {"id": ["A1", "A2", "A3"], "at": pa.array([5, 6, 9], pa.timestamp("us")), "word": ["x", "x", None]}
    )
    encoding = {"id": "DELTA_BYTE_ARRAY", "at": "DELTA_BINARY_PACKED"}
    pq.write_table(
        table, world / "orders-0.parquet", compression="zstd", use_dictionary=["word"], column_encoding=encoding
    )
    parts = [{"file": f"orders-{number}.parquet", "rows": rows} for number, rows in enumerate((3, 2))]
    (world / "manifest.json").write_text(json.dumps({"tables": {"orders": {"files": parts}}, "truth": {}}))

    simulator._lay_out(world, tmp_path / "block")
    assert [simulator._write_part((tmp_path / "block", copy, number)) for number in range(2)] == [3, 2]
    first, second = sorted(copy.iterdir())
    assert pq.read_table(second).to_pydict() == table.slice(0, 2).to_pydict()
    written, again = (pq.read_metadata(file).row_group(0) for file in (world / "orders-0.parquet", first))
    for at in range(3):
        assert again.column(at).encodings == written.column(at).encodings
        assert again.column(at).compression == written.column(at).compression == "ZSTD"


def test_a_peer_that_cannot_be_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(peers.ENVIRONMENTS, generators.ENVIRONMENT, ("not a package",))
    found = {"on_disk": [], "in_memory": [], "peers": []}
    simulator.measure_peers([], tmp_path, found["peers"], lambda _: None)
    lines = simulator.report(found)
    for peer in ("jafgen", "leadforge", "faker"):
        assert any(line.startswith(f"  {peer} ") and "not measured: " in line for line in lines)


def test_what_misses_its_target_is_marked():
    slow = {
        "customers": 1_000, "rows": 50_000, "bytes": 1e6, "seconds": 1.0, "cpu_seconds": 1.0, "memory_mb": 501.0,
        "others": 0.1, "ratio": 3.1, "cpu_ratio": 2.9, "wall_rows": 50_000, "wall_bytes": 1e6, "wall_seconds": 0.3,
        "wall_cpu_seconds": 0.3,
    }  # fmt: skip
    quick = {**slow, "customers": 2_000, "rows": 2_000_000, "memory_mb": 499.0, "ratio": 2.9}
    lived = [
        {"what": "compare, step", "customers": 10_000, "again": again, "target": 0.3, "others": None}
        for again in (0.31, 0.29)
    ]
    theirs = [
        {"peer": "p", "rows": 10, "seconds": 1.0, "cpu_seconds": 1.0, "ratio": ratio, "cpu_ratio": ratio}
        for ratio in (49, 51)
    ]
    marks = ("  < 1,000,000 rows/s  > 500 MB", "  > 3", "  > 0.3", "  < 50")
    lines = simulator.report({"on_disk": [slow, quick], "in_memory": lived, "peers": theirs})
    assert [sum(line.endswith(mark) for line in lines) for mark in marks] == [1, 1, 1, 1]


def test_memory_counts_a_process_and_those_it_started():
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("no /proc that tells")
    hold = "import time; held = bytearray(b'x' * {}); print('ready', flush=True); time.sleep(60)"
    child = hold.format(60_000_000)
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]).wait()"
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert 60 < simulator._memory_mb(process.pid) < 120
    finally:
        for one in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            subprocess.run(["kill", one], check=True)
        process.wait()
        process.stdout.close()
