"""How fast crmkit is: beside the same figures written by hand, beside its peers, at import and in the browser.

    make bench
    python bench/run.py --rows 1000000 --engines polars duckdb
    python bench/run.py --quick

crmkit and the query by hand run in turns on the same table; what is reported is the ratio of their medians, which a
busy machine disturbs far less than the milliseconds. A figure that is not the same on both sides is no figure: the run
goes on without it and fails at its end.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import by_hand
import checking
import course
import growth
import heavy
import loading
import peers
import simulator
import tables

import crmkit

ROOT = tables.ROOT
PAIRS = {200_000: 3, 1_000_000: 5}  # and 3 of larger tables
AT_LEAST_SECONDS, AT_MOST_PAIRS = 1.0, 25  # quick figures are measured more often
TARGETS = {"pandas": 1.2}
TARGET = 1.3
IMPORT_TARGET = 0.3
WINDOW: dict[str, Any] = {"start": by_hand.START, "end": by_hand.END}
RECENT: dict[str, Any] = {**WINDOW, "active_days": by_hand.ACTIVE.days}
CLOCK: dict[str, Any] = {"start": by_hand.BOUGHT_FROM, "end": by_hand.BOUGHT_TO, "as_of": by_hand.END}

Call = Callable[[tables.Tables], Any]
METRICS: dict[str, Call] = {
    "repeat_customers": lambda t: crmkit.repeat_customers(t.orders, **WINDOW, columns=t.columns),
    "repeat_rate_cumulative": lambda t: crmkit.repeat_rate(t.orders, **WINDOW, columns=t.columns),
    "repeat_rate_active": lambda t: crmkit.repeat_rate(t.orders, **WINDOW, base="active", columns=t.columns),
    "repeat_rate_by_channel": lambda t: crmkit.repeat_rate(t.orders, **WINDOW, by="channel", columns=t.columns),
    "repeater_share": lambda t: crmkit.repeater_share(t.orders, **WINDOW, columns=t.columns),
    "repurchase_rate": lambda t: crmkit.repurchase_rate(
        t.orders, horizon_days=by_hand.HORIZON.days, **CLOCK, columns=t.columns
    ),
    "retention_rate": lambda t: crmkit.retention_rate(t.orders, **RECENT, columns=t.columns),
    "retention_rate_textbook": lambda t: crmkit.retention_rate(t.orders, **RECENT, columns=t.columns),
    "lapse_rate": lambda t: crmkit.lapse_rate(t.orders, **RECENT, columns=t.columns),
    "reactivation_rate": lambda t: crmkit.reactivation_rate(t.orders, **RECENT, columns=t.columns),
    "churn_rate": lambda t: crmkit.churn_rate(t.contracts, **WINDOW, columns=t.columns),
    "churn_rate_besides": lambda t: crmkit.churn_rate(t.contracts, **WINDOW, columns=t.columns),
    "cohort_retention_classic": lambda t: crmkit.cohort_retention(t.orders, as_of=by_hand.END, columns=t.columns),
    "cohort_retention_unbounded": lambda t: crmkit.cohort_retention(
        t.orders, mode="unbounded", as_of=by_hand.END, columns=t.columns
    ),
}


class Different(RuntimeError):
    """crmkit and the query by hand do not give the same figure."""


def main() -> int:
    """Measure what was asked for, say it and write it down; 1 if a number differs, 0 also where a target is missed."""
    options = _options()
    found: dict[str, Any] = {"machine": _machine(), "metrics": [], "import": {}, "peers": [], "heavy": [], "growth": []}
    found |= {
        "course": [],
        "loading": [],
        "checking": [],
        "simulator": {"on_disk": [], "in_memory": [], "peers": []},
    }
    warnings.simplefilter("ignore")  # crmkit's notes about the data, PySpark's about pandas
    try:
        if "metrics" in options.parts:
            _measure_metrics(options, found["metrics"])
        if "import" in options.parts:
            found["import"] = _measure_import()
        if "peers" in options.parts:
            found["peers"] = _measure_peers(min(options.rows), options.folder)
        if "heavy" in options.parts:
            ask = None if options.without_peers else _asked
            heavy.measure(max(options.rows), options.folder, found["heavy"], _say, ask)
        if "growth" in options.parts:
            growth.measure(options.growth, options.folder, found["growth"], _say)
        if "loading" in options.parts:
            loading.measure(options.loading, options.folder, found["loading"], _say)
        if "checking" in options.parts:
            checking.measure(options.checking, options.reported, options.folder, found["checking"], _say)
        if "course" in options.parts:
            course.measure(found["course"], _say)
        if {"simulator", "generators"} & set(options.parts):
            _measure_simulator(options, found["simulator"])
    except KeyboardInterrupt:
        print("\nstopped; what was measured so far:", flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(_report(found), flush=True)
    print(f"\nwritten to {options.out}")
    differs = heavy.differs(found["heavy"]) or loading.differs(found["loading"]) or checking.differs(found["checking"])
    return int(differs or any("different" in one for one in found["metrics"]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 5_000_000], help="sizes of the order table")
    parser.add_argument("--engines", nargs="+", choices=tables.ENGINES, help="default: all, Spark up to 1M rows only")
    parser.add_argument("--metrics", nargs="+", choices=list(METRICS), default=list(METRICS), metavar="METRIC")
    parser.add_argument(
        "--customers", type=int, nargs="+", default=[100_000, 1_000_000], help="sizes of the worlds on disk"
    )
    parser.add_argument(
        "--growth", type=int, nargs="+", default=[1_000_000, 5_000_000, 20_000_000], help="rows on the disk"
    )
    parser.add_argument(
        "--loading", type=int, nargs="+", default=[loading.ROWS], help="orders in the files that are loaded"
    )
    parser.add_argument("--checking", type=int, default=checking.ROWS, help="orders in memory that are checked")
    parser.add_argument("--reported", type=int, default=checking.REPORTED, help="orders in the file of the report")
    parser.add_argument("--in-memory", type=int, nargs="+", default=[2_000, 10_000], help="sizes of those in memory")
    parser.add_argument("--quick", action="store_true", help="small tables and worlds: to see that all of this runs")
    parts = (
        "metrics",
        "import",
        "peers",
        "heavy",
        "growth",
        "loading",
        "checking",
        "course",
        "simulator",
        "generators",
    )
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts, help="default: all of them")
    parser.add_argument("--without-peers", action="store_true", help="heavier figures beside queries by hand only")
    parser.add_argument("--out", type=Path, default=ROOT / ".build" / "bench.json")
    parser.add_argument("--folder", type=Path, default=ROOT / ".build" / "bench", help="where the tables are kept")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.customers, options.in_memory = [200_000], [300], [300]
        options.growth, options.loading = [200_000, 400_000], [200_000]
        options.checking = options.reported = 200_000
    return options


def _measure_metrics(options: argparse.Namespace, into: list[dict[str, Any]]) -> None:
    for rows in sorted(options.rows):
        _say(f"tables of {rows:,} rows")
        paths = tables.files(rows, options.folder)
        for engine in options.engines or tables.ENGINES:
            if engine == "pyspark" and rows > 1_000_000 and not options.engines:
                continue
            _say(f"{engine}, {rows:,} rows: loading")
            loaded = tables.load(engine, *paths)
            for metric in options.metrics:
                try:
                    result = _pair(metric, loaded, *((1, 0.0) if options.quick else (PAIRS.get(rows, 3),)))
                except Different as error:  # the end of this figure, not of the others
                    result = {"different": str(error)}
                into.append({"metric": metric, "engine": engine, "rows": rows, **result})
                _say(f"{engine}, {rows:,} rows: {metric} {result.get('different') or format(result['ratio'], '.2f')}")
            del loaded
            gc.collect()


def _pair(metric: str, loaded: tables.Tables, pairs: int, at_least: float = AT_LEAST_SECONDS) -> dict[str, Any]:
    """Both sides once to warm up and to compare, then in turns."""
    query = getattr(loaded.by_hand, metric)

    def ours() -> Any:
        result = METRICS[metric](loaded)
        return result if isinstance(result, crmkit.Estimate) else loaded.fetch(result)

    def hand() -> Any:
        return query(loaded.contracts if metric.startswith("churn_rate") else loaded.orders)

    _same(metric, METRICS[metric](loaded), loaded.by_hand.plain(hand()))
    ours()
    times: dict[str, list[float]] = {"hand": [], "crmkit": []}
    begun = time.perf_counter()
    while len(times["hand"]) < pairs or (time.perf_counter() - begun < at_least and len(times["hand"]) < AT_MOST_PAIRS):
        times["hand"].append(_timed(hand))
        times["crmkit"].append(_timed(ours))
    middle = {side: median(measured) for side, measured in times.items()}
    return {
        "hand_ms": middle["hand"] * 1e3,
        "crmkit_ms": middle["crmkit"] * 1e3,
        "ratio": middle["crmkit"] / middle["hand"],
        "pairs": len(times["hand"]),
    }


def _timed(run: Callable[[], Any]) -> float:
    gc.collect()
    gc.disable()
    begun = time.perf_counter()
    try:
        run()
        return time.perf_counter() - begun
    finally:
        gc.enable()


def _same(metric: str, ours: Any, hand: Any) -> None:
    """Fail unless both sides found the same."""
    if isinstance(ours, crmkit.Estimate):
        same = (ours.numerator, ours.denominator) == tuple(hand[:2])
        if len(hand) > 2:
            same = same and math.isclose(next(iter(ours.besides.values())), hand[2])
        shown: Any = (ours.numerator, ours.denominator, dict(ours.besides))
    else:
        rows = _rows(ours)
        if "age" in rows[0]:
            shown = {
                (row["cohort"].year * 12 + row["cohort"].month, row["age"]): int(row["active"])
                for row in rows
                if row["active"] is not None and row["active"] > 0  # also not NaN
            }
            # the unbounded queries by hand have no cell where nobody was seen for the last time
            same = all(shown.get(cell) == n for cell, n in hand.items()) if "unbounded" in metric else shown == hand
        else:
            shown = {row["channel"]: (row["numerator"], row["denominator"]) for row in rows}
            same = shown == hand
    if not same:
        raise Different(f"{metric}: crmkit found {shown}, the query by hand {hand}")


def _rows(table: Any) -> list[dict[str, Any]]:
    import narwhals as nw

    frame = nw.from_native(table)
    return list((frame.collect() if isinstance(frame, nw.LazyFrame) else frame).iter_rows(named=True))


def _measure_import(times: int = 7) -> dict[str, float]:
    """Seconds in fresh processes with bytecode compiled: Python alone, `import crmkit`, and up to the first metric."""
    import compileall

    compileall.compile_dir(str(Path(crmkit.__file__).parent), quiet=2)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begun, ended = "import time; t = time.perf_counter()", "print(time.perf_counter() - t)"
    found: dict[str, float] = {}
    lines = {
        "python": "pass",
        "import": "import crmkit",
        "first_metric": "import crmkit; crmkit.repeat_rate",
        "first_metric_with_pandas": "import pandas, crmkit; crmkit.repeat_rate",
    }
    for name, line in lines.items():
        _say(f"import: {line}")
        walls, inside = [], []
        for _ in range(times + 1):
            at = time.perf_counter()
            command = [sys.executable, "-c", f"{begun}; {line}; {ended}"]
            ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=ROOT)
            walls.append(time.perf_counter() - at)
            inside.append(float(ran.stdout))
        found[f"{name}_process"], found[name] = median(walls[1:]), median(inside[1:])
    return found


def _measure_peers(rows: int, folder: Path) -> list[dict[str, Any]]:
    """Each peer in an environment of its own, crmkit on pandas here, on the same orders."""
    orders = tables.files(rows, folder)[0]
    _say(f"crmkit on pandas, {rows:,} rows, for the peers")
    import pandas as pd

    frame = pd.read_parquet(orders)
    ours = {
        "repeat_rate": lambda: float(crmkit.repeat_rate(frame)),
        "cohorts": lambda: _cohort_total(crmkit.cohort_retention(frame)),
    }
    found = []
    for question, ask in ours.items():
        value = ask()
        seconds = median(_timed(ask) for _ in range(5))
        for peer in peers.PEERS:
            if question in peer.questions:
                _say(f"{peer.package}: {question}, {rows:,} rows")
                theirs = peers.ask(peer, question, orders, ROOT)
                found.append(
                    {"peer": peer.package, "question": question, "rows": rows, "crmkit_ms": seconds * 1e3, **theirs}
                )
                if "value" in theirs:
                    found[-1]["ratio"] = seconds * 1e3 / theirs["peer_ms"]
                    found[-1]["same"] = math.isclose(theirs["value"], value, rel_tol=1e-9)
    return found


def _asked(package: str, question: str, path: Path) -> dict[str, Any]:
    """A peer's answer to a question about a file."""
    peer = next(one for one in peers.PEERS if one.package == package)
    return peers.ask(peer, question, path, ROOT)


def _cohort_total(table: Any) -> float:
    """One number that tells two cohort tables apart: customers by cohort and month, summed over all cells."""
    return float(table["active"].sum())


def _measure_simulator(options: argparse.Namespace, into: dict[str, list[Any]]) -> None:
    """Worlds on disk and in memory; the other makers of data are held against the worlds on disk."""
    sizes = options.customers if "simulator" in options.parts else [min(options.customers)]
    simulator.measure_on_disk(sizes, options.folder, into["on_disk"], _say)
    if "simulator" in options.parts:
        simulator.measure_in_memory(options.in_memory, into["in_memory"], _say)
    if "generators" in options.parts:
        simulator.measure_peers(into["on_disk"], ROOT, into["peers"], _say)


def _machine() -> dict[str, Any]:
    packages = ("crmkit", "narwhals", "pandas", "polars", "pyarrow", "duckdb", "pyspark")
    return {
        "at": time.strftime("%Y-%m-%d %H:%M"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        **{name: version(name) for name in packages},
    }


def target(engine: str) -> float:
    """How many times as long as the query by hand crmkit may take."""
    return TARGETS.get(engine.split("-", maxsplit=1)[0], TARGET)


def _report(found: dict[str, Any]) -> str:
    lines = [""]
    results = [one for one in found["metrics"] if "ratio" in one]
    for metric in dict.fromkeys(one["metric"] for one in found["metrics"]):
        lines += ["", metric, f"  {'engine':<15}{'rows':>10}{'by hand ms':>12}{'crmkit ms':>12}{'ratio':>8}"]
        for one in (result for result in found["metrics"] if result["metric"] == metric):
            if "different" in one:
                lines.append(f"  {one['engine']:<15}{one['rows']:>10,}  NOT THE SAME NUMBER: {one['different'][:200]}")
                continue
            over = "  > " + str(target(one["engine"])) if one["ratio"] > target(one["engine"]) else ""
            lines.append(
                f"  {one['engine']:<15}{one['rows']:>10,}{one['hand_ms']:>12.1f}{one['crmkit_ms']:>12.1f}"
                f"{one['ratio']:>8.2f}{over}"
            )
    if results:
        lines += ["", "over target", f"  {'engine':<15}{'rows':>10}{'target':>8}{'over':>10}{'median':>8}{'worst':>8}"]
        for engine, rows in dict.fromkeys((one["engine"], one["rows"]) for one in results):
            ratios = [one["ratio"] for one in results if (one["engine"], one["rows"]) == (engine, rows)]
            over = sum(ratio > target(engine) for ratio in ratios)
            lines.append(
                f"  {engine:<15}{rows:>10,}{target(engine):>8}{f'{over} of {len(ratios)}':>10}"
                f"{median(ratios):>8.2f}{max(ratios):>8.2f}"
            )
        over = sum(one["ratio"] > target(one["engine"]) for one in results)
        lines.append(f"  over target in all: {over} of {len(results)} ({over / len(results):.0%})")
    if found["import"]:
        lines += ["", "import, seconds (median, fresh process)", f"  {'':<28}{'import':>8}{'process':>10}"]
        for name in ("python", "import", "first_metric", "first_metric_with_pandas"):
            over = f"  > {IMPORT_TARGET}" if name == "import" and found["import"][name] > IMPORT_TARGET else ""
            lines.append(f"  {name:<28}{found['import'][name]:>8.3f}{found['import'][f'{name}_process']:>10.3f}{over}")
    if found["peers"]:
        lines += ["", "peers (pandas input)", f"  {'':<42}{'rows':>10}{'peer ms':>10}{'crmkit ms':>11}{'ratio':>8}"]
        for one in found["peers"]:
            name = f"{one['peer']}: {one['question']}"
            if "missing" in one:
                lines.append(f"  {name:<42}{one['rows']:>10,}  not measured: {one['missing']}")
            else:
                same = "" if one["same"] else "  another number than crmkit's"
                lines.append(
                    f"  {name:<42}{one['rows']:>10,}{one['peer_ms']:>10.0f}{one['crmkit_ms']:>11.0f}"
                    f"{one['ratio']:>8.2f}{same}"
                )
    lines += heavy.report(found["heavy"]) + growth.report(found["growth"])
    lines += loading.report(found["loading"]) + checking.report(found["checking"])
    lines += course.report(found["course"])
    lines += simulator.report(found["simulator"])
    return "\n".join(lines)


def _say(what: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
