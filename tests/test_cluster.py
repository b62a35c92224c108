"""Metrics on a Spark with two executors, each a process of its own, as on a real cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import crmkit
from tests.calls import world


@pytest.mark.spark
def test_two_executors_find_what_pandas_finds(tmp_path):
    from tools.machine import need_java

    tables = world("repeat_rate")
    for name in ("orders", "tickets", "ticket_events"):
        tables[name].to_parquet(tmp_path / f"{name}.parquet")
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, str(root / "tests" / "on_cluster.py"), str(tmp_path)]
    environment = {**os.environ, "JAVA_HOME": str(need_java()), "PYTHONPATH": str(root)}
    how = {"env": environment, "cwd": tmp_path, "capture_output": True, "text": True, "timeout": 600}
    ran = subprocess.run(command, check=False, **how)
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = json.loads(ran.stdout.splitlines()[-1])
    rate = crmkit.repeat_rate(tables["orders"], start="2025-01-01", end="2026-01-01")
    reply = crmkit.first_reply_time(tables["tickets"], tables["ticket_events"])
    assert found["executors"] == 2
    assert found["repeat_rate"] == [rate.numerator, rate.denominator]
    assert found["first_reply_time"] == pytest.approx([reply.value, reply.n])
    assert found["rfm"] == len(crmkit.rfm(tables["orders"], as_of="2026-01-01"))
