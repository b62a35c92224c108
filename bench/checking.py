"""What is wrong with ten million orders, beside a query by hand for each rule; and a whole report of a million.

Each runs in a process of its own, in turns, so that each has its own peak of memory. As a program this file does one of
them once:

    python bench/checking.py WHO FILE
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import loading
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from alone import alone, peak_mb

ROWS, REPORTED = 10_000_000, 1_000_000
TIMES = 3
MOST = 2.0  # what is asked of the ratio crmkit / a query by hand for each rule
MOST_SECONDS = 60  # what is asked of a report of a million orders
Found = list[dict[str, Any]]

# every nth row has this wrong: no two of them meet in one row
WRONG = {
    "customer_id": (1000, 17, None),
    "ordered_at": (13_000, 11, None),
    "status": (3000, 5, "canceld"),
    "net_amount": (11_000, 9, float("inf")),
    "refund_amount": (7000, 7, -5.0),
}
AGAIN = (5000, 3)  # every nth order has the number of the one before
RULES = {
    "customer_id": "SELECT count(*) FROM orders WHERE customer_id IS NULL OR trim(customer_id) = ''",
    "ordered_at": "SELECT count(*) FROM orders WHERE ordered_at IS NULL OR year(ordered_at) NOT BETWEEN 1900 AND 2200",
    "status": "SELECT count(*) FROM orders WHERE status NOT IN ('completed', 'cancelled')",
    "channel": "SELECT count(*) FROM orders WHERE channel NOT IN ('store', 'web', 'app', 'phone')",
    "net_amount": "SELECT count(*) FROM orders WHERE NOT isfinite(net_amount)",
    "refund_amount": "SELECT count(*) FROM orders WHERE refund_amount < 0 OR NOT isfinite(refund_amount)",
    "order_id": "SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM orders GROUP BY order_id) WHERE n > 1",
}


def _crmkit(table: pa.Table) -> dict[str, int]:
    import crmkit

    told = crmkit.load({"orders": table}).problems
    aside = told[told["column"].isin(list(RULES)) & (told["action"] == "rows set aside")]
    return {name: int(rows) for name, rows in zip(aside["column"], aside["rows"], strict=True)}


def _duckdb(orders: pa.Table) -> dict[str, int]:
    import duckdb

    connection = duckdb.connect()
    connection.register("orders", orders)
    found = {name: connection.sql(rule).fetchall()[0][0] for name, rule in RULES.items()}
    return {name: int(rows) for name, rows in found.items() if rows}


WHO = {"crmkit": _crmkit, "a query per rule": _duckdb}


def measure(rows: int, reported: int, folder: Path, into: Found, say: Any) -> None:
    """Seconds and peak of memory of the checks, and of a report."""
    path = _spoilt(rows, folder)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in WHO}
    for turn in range(TIMES):
        for name in WHO:
            say(f"checking: {name}, {rows:,} orders, {turn + 1} of {TIMES}")
            runs[name].append(alone(__file__, name, str(path)))
    into += _compared(rows, runs)
    say(f"report of {reported:,} orders")
    into.append(
        {"who": "report", "rows": reported, **alone(__file__, "report", str(loading.files(reported, folder)[1]))}
    )


def _compared(rows: int, runs: dict[str, list[dict[str, Any]]]) -> Found:
    found: Found = []
    counts = [one.get("found") for measured in runs.values() for one in measured]
    for name, measured in runs.items():
        missing = next((one["missing"] for one in measured if "missing" in one), None)
        line = {"who": name, "rows": rows, "same": all(one == counts[0] for one in counts)}
        if missing is not None:
            found.append({**line, "missing": missing})
            continue
        line |= {key: median(one[key] for one in measured) for key in ("seconds", "memory_mb")}
        if found and "seconds" in found[0]:
            line["ratio"] = found[0]["seconds"] / line["seconds"]
        found.append(line)
    return found


def _spoilt(rows: int, folder: Path) -> Path:
    """Orders with known faults, as Parquet; made if they are missing."""
    path = folder / f"spoilt-{rows}.parquet"
    if path.exists():
        return path
    clean = pq.ParquetFile(loading.files(rows, folder)[1])
    half = path.with_suffix(".half")
    with pq.ParquetWriter(half, clean.schema_arrow) as writer:
        first = 0
        for batch in clean.iter_batches(1_000_000):
            writer.write_table(_with_faults(pa.Table.from_batches([batch]), first))
            first += batch.num_rows
    half.replace(path)
    return path


def _with_faults(table: pa.Table, first: int) -> pa.Table:
    row = np.arange(first, first + len(table))
    for name, (every, at, value) in WRONG.items():
        kind = table.schema.field(name).type
        spoilt = pc.if_else(pa.array(row % every == at), pa.scalar(value, kind), table.column(name))
        table = table.set_column(table.schema.get_field_index(name), name, spoilt)
    ids = table.column("order_id")
    before = pa.chunked_array([ids.slice(0, 1).combine_chunks(), ids.slice(0, len(ids) - 1).combine_chunks()])
    again = pc.if_else(pa.array(row % AGAIN[0] == AGAIN[1]), before.combine_chunks(), ids)
    return table.set_column(table.schema.get_field_index("order_id"), "order_id", again)


def _inside(who: str, path: str) -> None:
    """Check or report once in this process and print what it took; what is imported first is not counted."""
    import crmkit

    crmkit.load  # noqa: B018  its modules load when it is first asked for
    table = None if who == "report" else pq.read_table(path)
    found: Any = None
    gc.disable()
    begun = time.perf_counter()
    if table is None:
        with tempfile.TemporaryDirectory() as folder:
            crmkit.report(crmkit.load({"orders": path}), Path(folder, "report.html"))
    else:
        found = WHO[who](table)
    seconds = time.perf_counter() - begun
    print(json.dumps({"seconds": seconds, "memory_mb": peak_mb(), "found": found}))


def report(found: Found) -> list[str]:
    """What was found, as lines of a table."""
    if not found:
        return []
    lines = ["", f"checking a table in memory (median of {TIMES}), and a whole report from a file; a process for each"]
    lines.append(f"  {'':<24}{'orders':>12}{'seconds':>9}{'peak MB':>9}{'crmkit / it':>13}")
    for one in found:
        said = f"  {one['who']:<24}{one['rows']:>12,}"
        if "missing" in one:
            lines.append(f"{said}  not measured: {one['missing']}")
            continue
        said += f"{one['seconds']:>9.2f}{one['memory_mb']:>9.0f}"
        over = f"  > {MOST:g}" if one.get("ratio", 0) > MOST else ""
        late = f"  > {MOST_SECONDS} s" if one["who"] == "report" and one["seconds"] > MOST_SECONDS else ""
        other = "" if one.get("same", True) else "  OTHER ROWS FOUND"
        lines.append(said + (f"{one['ratio']:>13.2f}" if "ratio" in one else "") + over + late + other)
    return lines


def differs(found: Found) -> bool:
    """Whether the checks and the queries by hand found different rows."""
    return any(not one.get("same", True) for one in found)


if __name__ == "__main__":
    _inside(*sys.argv[1:])
