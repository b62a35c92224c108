"""A table of orders from a file: `crmkit.load`, which checks and accounts for every row, beside readers that do not.

Each reads the file in a process of its own, in turns, so that each has its own peak of memory. As a program this file
reads one file once:

    python bench/loading.py READER FILE
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from alone import alone, peak_mb

ROWS = 10_000_000
TIMES = 3
MOST = 2.0  # what is asked of the ratio crmkit / the other
SEED = 20261123
_PIECE = 1_000_000
Found = list[dict[str, Any]]


def _crmkit(path: Path) -> Any:
    import crmkit

    return crmkit.load({"orders": path}).orders


def _duckdb(path: Path) -> Any:
    import duckdb

    read = duckdb.read_csv if path.suffix == ".csv" else duckdb.read_parquet
    return read(str(path)).to_arrow_table()


def _polars(path: Path) -> Any:
    import polars as pl

    return pl.read_csv(path, try_parse_dates=True) if path.suffix == ".csv" else pl.read_parquet(path)


def _pandas(path: Path) -> Any:
    import pandas as pd

    return pd.read_csv(path, parse_dates=["ordered_at"]) if path.suffix == ".csv" else pd.read_parquet(path)


READERS: dict[str, Callable[[Path], Any]] = {
    "crmkit": _crmkit,
    "duckdb": _duckdb,
    "polars": _polars,
    "pandas": _pandas,
}


def measure(rows: list[int], folder: Path, into: Found, say: Callable[[str], None]) -> None:
    """Seconds and peak of memory of each reader, on CSV and on Parquet."""
    for size in sorted(rows):
        say(f"loading: {size:,} orders as CSV and Parquet")
        for path in files(size, folder):
            runs: dict[str, list[dict[str, Any]]] = {name: [] for name in READERS}
            for turn in range(TIMES):
                for name in READERS:
                    say(f"loading: {name}, {path.suffix[1:]}, {size:,} rows, {turn + 1} of {TIMES}")
                    runs[name].append(alone(__file__, name, str(path)))
            into += _compared(path, size, runs)


def _compared(path: Path, rows: int, runs: dict[str, list[dict[str, Any]]]) -> Found:
    """The median run of each reader, and how crmkit's stands to it."""
    found: Found = []
    middle: dict[str, float] = {}
    for name, measured in runs.items():
        line: dict[str, Any] = {
            "reader": name,
            "kind": path.suffix[1:],
            "file_mb": path.stat().st_size / 2**20,
            "rows": rows,
        }
        missing = next((one["missing"] for one in measured if "missing" in one), None)
        if missing is not None:
            found.append({**line, "missing": missing})
            continue
        line |= {key: median(one[key] for one in measured) for key in ("seconds", "cpu_seconds", "memory_mb")}
        line["same"] = all(one["rows"] == rows for one in measured)
        middle[name] = line["seconds"]
        if name != "crmkit" and "crmkit" in middle:
            line["ratio"] = middle["crmkit"] / middle[name]
        found.append(line)
    return found


def files(rows: int, folder: Path) -> list[Path]:
    """The same orders as CSV and as Parquet, made if they are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"loading-{rows}{suffix}" for suffix in (".csv", ".parquet")]
    if all(path.exists() for path in paths):
        return paths
    halves = [path.with_suffix(path.suffix + ".half") for path in paths]
    rng = np.random.default_rng(SEED)
    schema = _orders(rng, 0, 0, rows).schema
    with pyarrow.csv.CSVWriter(halves[0], schema) as text, pq.ParquetWriter(halves[1], schema) as parquet:
        for first in range(0, rows, _PIECE):
            piece = _orders(rng, first, min(_PIECE, rows - first), rows)
            text.write_table(piece)
            parquet.write_table(piece)
    for half, path in zip(halves, paths, strict=True):
        half.replace(path)
    return paths


def _orders(rng: np.random.Generator, first: int, rows: int, of: int) -> pa.Table:
    ids = pa.array(np.arange(first, first + rows) + 1_000_001).cast(pa.string())
    people = pa.array(rng.integers(0, max(of // 8, 1), rows)).cast(pa.string())
    at = np.datetime64("2022-01-01", "s") + rng.integers(0, 4 * 365 * 86_400, rows)
    channels = pa.array(["store", "web", "app", "phone"]).take(pa.array(rng.integers(0, 4, rows)))
    return pa.table(
        {
            "order_id": ids,
            "customer_id": pa.compute.binary_join_element_wise("C", pa.compute.utf8_lpad(people, 7, "0"), ""),
            "ordered_at": pa.array(at),
            "status": pa.array(["completed", "cancelled"]).take(pa.array((rng.random(rows) < 0.04).astype(int))),
            "net_amount": 500.0 + 50 * rng.integers(0, 200, rows),
            "refund_amount": 500.0 * (rng.random(rows) < 0.03),
            "channel": channels,
        }
    )


def _inside(reader: str, path: str) -> None:
    """Read once in this process and print what it took; what is imported first is not counted."""
    for name in ("pandas", "crmkit") if reader == "crmkit" else (reader,):
        __import__(name)
    if reader == "crmkit":
        import crmkit

        crmkit.load  # noqa: B018  its modules load when it is first asked for
    gc.disable()
    begun, cpu = time.perf_counter(), sum(os.times()[:2])
    table = READERS[reader](Path(path))
    seconds, cpu = time.perf_counter() - begun, sum(os.times()[:2]) - cpu
    rows = len(table)
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "memory_mb": peak_mb(), "rows": rows}))


def report(found: Found) -> list[str]:
    """What was found, as lines of a table."""
    if not found:
        return []
    lines = ["", f"loading orders (median of {TIMES}, a process for each; crmkit checks every row)"]
    head = f"  {'':<18}{'rows':>12}{'file MB':>9}{'seconds':>9}{'CPU s':>8}{'peak MB':>9}{'crmkit / it':>13}"
    lines.append(head)
    for one in found:
        said = f"  {one['kind'] + ': ' + one['reader']:<18}{one['rows']:>12,}{one['file_mb']:>9.0f}"
        if "missing" in one:
            lines.append(f"{said}  not measured: {one['missing']}")
            continue
        said += f"{one['seconds']:>9.2f}{one['cpu_seconds']:>8.2f}{one['memory_mb']:>9.0f}"
        over = f"  > {MOST:g}" if one.get("ratio", 0) > MOST else ""
        other = "" if one["same"] else "  NOT ALL ROWS"
        lines.append(said + (f"{one['ratio']:>13.2f}{over}" if "ratio" in one else "") + other)
    return lines


def differs(found: Found) -> bool:
    """Whether a reader lost rows."""
    return any(not one.get("same", True) for one in found)


if __name__ == "__main__":
    _inside(*sys.argv[1:])
