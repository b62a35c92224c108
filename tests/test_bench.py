"""The bench runs, and crmkit's figures are those of the queries written by hand: an oracle, on large tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENGINES = ["pandas", "polars", "polars-lazy", "pyarrow", "duckdb"]


def test_every_figure_is_the_one_written_by_hand(tmp_path):
    command = [sys.executable, str(ROOT / "bench" / "run.py"), "--quick", "--parts", "metrics"]
    command += ["--engines", *ENGINES, "--out", str(tmp_path / "bench.json"), "--folder", str(tmp_path / "tables")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert "NOT THE SAME NUMBER" not in run.stdout
    assert all(run.stdout.count(f"\n  {engine} ") >= 14 for engine in ENGINES)
