"""How cost grows with the table: seconds and memory of metrics on Parquet files read through DuckDB.

As a program this file measures one metric on one file, so that each has a process, and a peak of memory, of its own:

    python bench/growth.py METRIC FILE
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alone import alone, peak_mb

AS_OF, UNTIL = "2026-01-01", "2025-12-31"
MEMORY_LIMIT, THREADS = "4GB", 2
LINEAR = 1.25  # how many times the seconds per row of the smallest table a larger one may take
METRICS: dict[str, Callable[[Any], Any]] = {
    "repeat_rate": lambda orders: _face().repeat_rate(orders),
    "rfm": lambda orders: _face().rfm(orders, as_of=AS_OF).aggregate("count(*), sum(r + f + m)").fetchall(),
    "btyd_summary": lambda orders: (
        _face().btyd_summary(orders, until=UNTIL).table.aggregate("count(*), sum(monetary)").fetchall()
    ),
    "cohort_retention": lambda orders: _face().cohort_retention(orders, as_of=AS_OF).fetchall(),
}


def _face() -> Any:
    import crmkit

    return crmkit


def measure(sizes: list[int], folder: Path, into: list[dict[str, Any]], say: Callable[[str], None]) -> None:
    """Seconds and memory of each metric at each size, the smallest first."""
    import tables

    for rows in sorted(sizes):
        say(f"{rows:,} orders on the disk")
        path = tables.orders(rows, folder)
        for metric in METRICS:
            say(f"{metric}: {rows:,} rows on the disk")
            into.append({"metric": metric, "rows": rows, **alone(__file__, metric, str(path))})


def _inside(metric: str, path: str) -> None:
    """Measure one metric in this process and print what was found; what does not fit into memory goes to the disk."""
    import warnings

    import duckdb

    warnings.simplefilter("ignore")
    _face().repeat_rate  # noqa: B018  the metrics' modules load when first asked for
    with tempfile.TemporaryDirectory(dir=Path(path).parent) as spilled:
        settings = {"threads": THREADS, "memory_limit": MEMORY_LIMIT, "temp_directory": spilled}
        orders = duckdb.connect(config=settings).read_parquet(path)
        begun = time.perf_counter()
        METRICS[metric](orders)
        seconds = time.perf_counter() - begun
    print(json.dumps({"seconds": seconds, "memory_mb": peak_mb()}))


def report(found: list[dict[str, Any]]) -> list[str]:
    """What was found, as lines of a table; seconds per row beside those of the smallest table that was measured."""
    if not found:
        return []
    lines = ["", f"growth (Parquet through DuckDB, {THREADS} threads, {MEMORY_LIMIT}; a process for each)"]
    lines.append(f"  {'':<20}{'rows':>12}{'seconds':>9}{'s per M':>9}{'to least':>10}{'peak MB':>9}")
    least: dict[str, float] = {}
    for one in found:
        head = f"  {one['metric']:<20}{one['rows']:>12,}"
        if "missing" in one:
            lines.append(f"{head}  not measured: {one['missing']}")
            continue
        each = one["seconds"] / one["rows"] * 1e6
        grown = each / least.setdefault(one["metric"], each)
        over = f"  > {LINEAR}" if grown > LINEAR else ""
        lines.append(f"{head}{one['seconds']:>9.2f}{each:>9.3f}{grown:>10.2f}{one['memory_mb']:>9.0f}{over}")
    return lines


if __name__ == "__main__":
    _inside(*sys.argv[1:])
