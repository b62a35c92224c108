"""What is heavier than a count: RFM, BTYD summaries, fits, survival, baskets, service times, and how cost grows.

Each has a query written by hand on the same data in the same run, and the packages that people would take instead, in
environments of their own. As a program this file measures one metric on one file in a process of its own:

    python bench/heavy.py METRIC FILE
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
AS_OF = "2026-01-01"
UNTIL = "2025-12-31"
SEED = 20261122
Found = list[dict[str, Any]]
Say = Callable[[str], None]
# what is asked of the ratio crmkit / the other, by question and side
MOST = {
    ("rfm", "pandas by hand"): 1.2,
    ("btyd_summary", "pandas by hand"): 1.2,
    ("summary", "lifetimes"): 1 / 3,
    ("summary", "clvkit"): 1 / 3,
    ("summary", "pymc-marketing"): 1 / 3,
    ("bg_nbd", "lifetimes"): 1 / 5,
    ("bg_nbd", "clvkit"): 1 / 100,
    ("kaplan_meier", "lifelines"): 1.0,
    ("association_lift", "mlxtend"): 1 / 10,
    **{(name, "DuckDB by hand"): 2.0 for name in ("first_reply_time", "first_resolution_time", "full_resolution_time")},
}


def measure(rows: int, folder: Path, into: Found, say: Say, ask: Callable[[str, str, Path], dict[str, Any]]) -> None:
    """All of it at `rows` order rows (and what belongs to them); `ask` asks a peer a question about a file."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in (_summaries, _buying, _survival, _baskets, _service):
        part(rows, folder, into, say, ask)


def _timed(run: Callable[[], Any], times: int = 3) -> tuple[float, Any]:
    """Median seconds after one run to warm up, and the result."""
    found, seconds = run(), []
    for _ in range(times):
        gc.collect()
        begun = time.perf_counter()
        found = run()
        seconds.append(time.perf_counter() - begun)
    return median(seconds), found


def _add(
    into: Found, question: str, other: str, rows: int, ours: float, theirs: dict[str, Any], same: bool | None
) -> None:
    line = {
        "question": question,
        "other": other,
        "rows": rows,
        "crmkit_ms": ours * 1e3,
        "most": MOST.get((question, other)),
    }
    if "peer_ms" in theirs:
        line |= {"other_ms": theirs["peer_ms"], "ratio": ours * 1e3 / theirs["peer_ms"], "same": same}
    into.append(line | {"missing": theirs["missing"]} if "missing" in theirs else line)


# --- RFM and the summary of buy-till-you-die models


def _summaries(rows: int, folder: Path, into: Found, say: Say, ask: Any) -> None:
    import pandas as pd
    import tables

    import crmkit

    path = tables.files(rows, folder)[0]
    orders = pd.read_parquet(path, columns=["customer_id", "ordered_at", "status", "net_amount"])
    say(f"RFM, {rows:,} rows")
    ours, table = _timed(lambda: crmkit.rfm(orders, as_of=AS_OF))
    for name, by_hand in (("pandas", _rfm_pandas), ("polars", _rfm_polars), ("DuckDB", _rfm_duckdb)):
        seconds, sums = _timed(lambda by_hand=by_hand: by_hand(orders))
        same = np.allclose(sums, [len(table), float(table["frequency"].sum()), float(table["monetary"].sum())])
        _add(into, "rfm", f"{name} by hand", rows, ours, {"peer_ms": seconds * 1e3}, same)
    say(f"BTYD summary, {rows:,} rows")
    ours, summary = _timed(lambda: crmkit.btyd_summary(orders, until=UNTIL).table)
    seconds, sums = _timed(lambda: _summary_pandas(orders))
    same = np.allclose(sums, [len(summary), float(summary["frequency"].sum()), float(summary["recency"].sum())])
    _add(into, "btyd_summary", "pandas by hand", rows, ours, {"peer_ms": seconds * 1e3}, same)
    for peer in ("lifetimes", "clvkit", "pymc-marketing"):
        say(f"{peer}: summary, {rows:,} rows")
        found = ask(peer, "summary", path)
        same = "value" in found and np.isclose(found["value"], float(summary["frequency"].sum()))
        _add(into, "summary", peer, rows, ours, found, bool(same))


def _valid(orders: Any) -> Any:
    return orders.loc[(orders["status"] == "completed") & (orders["net_amount"] >= 0)]


def _rfm_pandas(orders: Any) -> list[float]:
    """What an analyst writes: days, one group-by, three quintiles."""
    import pandas as pd

    valid = _valid(orders)
    valid = valid[valid["ordered_at"] < AS_OF]
    days = valid["ordered_at"].dt.normalize()
    spent = valid.groupby("customer_id")["net_amount"].sum()
    visits = pd.DataFrame({"customer_id": valid["customer_id"], "day": days}).drop_duplicates()
    per = visits.groupby("customer_id")["day"].agg(["max", "size"])
    recency = (pd.Timestamp(AS_OF) - per["max"]).dt.days
    for values in (-recency, per["size"], spent):
        np.ceil(values.rank(method="max", pct=True) * 5)
    return [len(per), float(per["size"].sum()), float(spent.sum())]


def _rfm_polars(orders: Any) -> list[float]:
    """The same in Polars, the way there included."""
    import polars as pl

    frame = pl.from_pandas(orders).lazy().filter((pl.col("status") == "completed") & (pl.col("net_amount") >= 0))
    frame = frame.filter(pl.col("ordered_at") < pl.lit(AS_OF).str.to_datetime())
    day = pl.col("ordered_at").dt.date()
    per = frame.group_by("customer_id").agg(
        day.max().alias("last"), day.n_unique().alias("f"), pl.col("net_amount").sum()
    )
    ranks = (
        ((pl.col(name).rank("max") / pl.len()) * 5).ceil().alias(f"{name}_score")
        for name in ("last", "f", "net_amount")
    )
    done = per.with_columns(*ranks).collect()
    return [done.height, float(done["f"].sum()), float(done["net_amount"].sum())]


def _rfm_duckdb(orders: Any) -> list[float]:
    """The same in DuckDB, reading the pandas table where it lies."""
    import duckdb

    done = (
        duckdb.connect()
        .execute(
            """WITH per AS (SELECT customer_id, max(ordered_at::DATE) AS last, count(DISTINCT ordered_at::DATE) AS f,
        sum(net_amount) AS m FROM orders WHERE status = 'completed' AND net_amount >= 0 AND ordered_at < $1::TIMESTAMP
        GROUP BY customer_id) SELECT *, ceil(5 * cume_dist() OVER (ORDER BY last)), ceil(5 * cume_dist() OVER (ORDER BY f)),
        ceil(5 * cume_dist() OVER (ORDER BY m)) FROM per""",
            [AS_OF],
        )
        .df()
    )
    return [len(done), float(done["f"].sum()), float(done["m"].sum())]


def _summary_pandas(orders: Any) -> list[float]:
    valid = _valid(orders)
    valid = valid[valid["ordered_at"] < AS_OF]
    daily = (
        valid.assign(day=valid["ordered_at"].dt.normalize())
        .groupby(["customer_id", "day"], sort=False)["net_amount"]
        .sum()
    )
    daily = daily.reset_index()
    per = daily.groupby("customer_id")["day"].agg(["min", "max", "size"])
    first = daily["day"].to_numpy() == per["min"].reindex(daily["customer_id"]).to_numpy()
    daily.loc[~first].groupby("customer_id")["net_amount"].mean()
    recency = (per["max"] - per["min"]).dt.days / 7
    return [len(per), float((per["size"] - 1).sum()), float(recency.sum())]


# --- fits


def _buying(rows: int, folder: Path, into: Found, say: Say, ask: Any) -> None:
    import pandas as pd

    from crmkit import models

    customers = min(200_000, rows)
    path = folder / f"summary-{customers}.parquet"
    if not path.exists():
        pq.write_table(_histories(customers, np.random.default_rng(SEED)), path)
    table = pd.read_parquet(path)
    say(f"BG/NBD, {customers:,} customers")
    ours, fit = _timed(lambda: models.bg_nbd(models.Summary(table, unit="week")))
    for peer in ("lifetimes", "clvkit"):
        say(f"{peer}: BG/NBD, {customers:,} customers")
        found = ask(peer, "bg_nbd", path)
        same = "value" in found and bool(np.isclose(found["value"], fit.params["r"], rtol=0.01))
        _add(into, "bg_nbd", peer, customers, ours, found, same)


def _histories(customers: int, chance: np.random.Generator) -> pa.Table:
    """Customers of a BG/NBD world, watched from 26 to 78 weeks: r 0.5, alpha 5 weeks, a 1, b 2.5."""
    rate = chance.gamma(0.5, 1 / 5, customers)
    leaves = chance.beta(1.0, 2.5, customers)
    seen = chance.integers(26 * 7, 78 * 7, customers) / 7
    now, last, count, there = np.zeros(customers), np.zeros(customers), np.zeros(customers), np.ones(customers, bool)
    while there.any():
        there &= chance.random(customers) >= np.where(count > 0, leaves, 0)
        now = now + chance.exponential(1, customers) / np.maximum(rate, 1e-12)
        there &= now <= seen
        last, count = np.where(there, np.round(now * 7) / 7, last), count + there
    names = pa.array([f"C{number:09d}" for number in range(customers)])
    return pa.table({"customer_id": names, "frequency": count, "recency": last, "T": seen})


def _survival(rows: int, folder: Path, into: Found, say: Say, ask: Any) -> None:
    from crmkit.models import kaplan_meier

    customers = min(1_000_000, rows)
    path = folder / f"lives-{customers}.parquet"
    chance = np.random.default_rng(SEED)
    if not path.exists():
        whole = np.ceil(chance.exponential(200, customers))
        seen = chance.integers(1, 700, customers)
        pq.write_table(pa.table({"days": np.minimum(whole, seen), "ended": whole <= seen}), path)
    lives = pq.read_table(path)
    days, ended = lives["days"].to_numpy(), lives["ended"].to_numpy()
    say(f"Kaplan–Meier, {customers:,} rows")
    ours, curve = _timed(lambda: kaplan_meier(days, ended))
    seconds, by_hand = _timed(lambda: _product_limit(days, ended))
    value = _survival_at(curve, 180)
    _add(
        into,
        "kaplan_meier",
        "NumPy by hand",
        customers,
        ours,
        {"peer_ms": seconds * 1e3},
        bool(np.isclose(by_hand, value)),
    )
    found = ask("lifelines", "kaplan_meier", path)
    same = "value" in found and bool(np.isclose(found["value"], value))
    _add(into, "kaplan_meier", "lifelines", customers, ours, found, same)


def _survival_at(curve: Any, day: int) -> float:
    return float(curve.survival[np.searchsorted(curve.time, day, side="right") - 1])


def _product_limit(days: Any, ended: Any) -> float:
    whole = days.astype(np.int64)
    died, seen = np.bincount(whole, weights=ended), np.bincount(whole)
    at_risk = len(days) - np.cumsum(seen) + seen
    return float(np.cumprod(1 - died / np.maximum(at_risk, 1))[180])


def _baskets(rows: int, folder: Path, into: Found, say: Say, ask: Any) -> None:
    import pandas as pd

    import crmkit

    baskets = min(200_000, rows // 5)
    path = folder / f"baskets-{baskets}.parquet"
    if not path.exists():
        chance = np.random.default_rng(SEED)
        weights = 1 / np.arange(1, 501)
        basket = np.repeat(np.arange(baskets), 1 + chance.poisson(4, baskets))
        product = chance.choice(500, len(basket), p=weights / weights.sum())
        pq.write_table(
            pa.table({"order_id": basket, "line_no": np.arange(len(basket)) + 1, "product_id": product}), path
        )
    items = pd.read_parquet(path)
    say(f"pairs in {baskets:,} baskets")
    ours, table = _timed(lambda: crmkit.association_lift(items, min_support=0.001))
    found = ask("mlxtend", "association_lift", path)
    same = "value" in found and bool(np.isclose(found["value"], float(table["n_both"].sum()) / baskets, rtol=1e-6))
    _add(into, "association_lift", "mlxtend", baskets, ours, found, same)


# --- service times


def _service(rows: int, folder: Path, into: Found, say: Say, ask: Any) -> None:
    import duckdb

    import crmkit

    tickets = min(1_000_000, rows // 5)
    connection = duckdb.connect()
    say(f"service times, {tickets:,} tickets")
    connection.execute(TICKETS.format(tickets=tickets))
    connection.execute(EVENTS)
    desk = connection.table("tickets"), connection.table("ticket_events")
    for name, column in (
        ("first_reply_time", "replied"),
        ("first_resolution_time", "first_solved"),
        ("full_resolution_time", "last_solved"),
    ):
        ours, made = _timed(lambda name=name: getattr(crmkit, name)(*desk))
        query = BY_HAND.format(column=column)
        seconds, row = _timed(lambda query=query: connection.execute(query).fetchone())
        same = bool(np.isclose(row[0], made.value) and np.isclose(row[1], made.besides["p90"]))
        _add(into, name, "DuckDB by hand", tickets, ours, {"peer_ms": seconds * 1e3}, same)


TICKETS = """CREATE TABLE tickets AS SELECT 'T' || lpad(i::VARCHAR, 9, '0') AS ticket_id, 'C' || (hash(i) % 300000)::VARCHAR
AS customer_id, TIMESTAMP '2024-01-01' + to_minutes((hash(i + 7) % 1000000)::BIGINT) AS created_at, 'customer' AS created_by,
'question' AS kind, 'solved' AS status, 'normal' AS priority, 'A1' AS assignee_id, 'x' AS category FROM range({tickets}) t(i)"""
EVENTS = """CREATE TABLE ticket_events AS
WITH base AS (SELECT ticket_id, created_at, (hash(ticket_id) % 3000)::BIGINT AS wait FROM tickets)
SELECT ticket_id || '-' || nth::VARCHAR AS event_id, ticket_id, created_at + to_minutes(CASE nth WHEN 0 THEN 0 WHEN 1 THEN 1
  ELSE wait + nth * 7 END) AS occurred_at, kind, actor, actor AS actor_type, actor AS actor_id, public AS is_public, a AS from_value,
  b AS to_value FROM base, (VALUES (0, 'comment', 'customer', true, NULL, NULL), (1, 'comment', 'bot', true, NULL, NULL),
  (2, 'comment', 'agent', false, NULL, NULL), (3, 'comment', 'agent', true, NULL, NULL),
  (4, 'status_change', 'agent', NULL, 'open', 'solved')) e(nth, kind, actor, public, a, b)"""
BY_HAND = """WITH facts AS (SELECT t.ticket_id, any_value(t.created_at) AS created_at,
min(e.occurred_at) FILTER (e.kind = 'comment' AND e.actor_type = 'agent' AND e.is_public) AS replied,
min(e.occurred_at) FILTER (e.kind = 'status_change' AND e.to_value IN ('solved', 'closed')) AS first_solved,
max(e.occurred_at) FILTER (e.kind = 'status_change' AND e.to_value IN ('solved', 'closed')) AS last_solved
FROM tickets t LEFT JOIN ticket_events e ON e.ticket_id = t.ticket_id AND e.occurred_at >= t.created_at
WHERE t.status <> 'merged' GROUP BY t.ticket_id)
SELECT quantile_cont(minutes, 0.5), quantile_cont(minutes, 0.9), avg(minutes), count(minutes) FROM
(SELECT epoch({column} - created_at) / 60 AS minutes FROM facts)"""


# --- how cost grows


GROWING: dict[str, Callable[[Any], Any]] = {
    "repeat_rate": lambda orders: _face().repeat_rate(orders),
    "rfm": lambda orders: _face().rfm(orders, as_of=AS_OF).count("*").fetchone(),
    "btyd_summary": lambda orders: _face().btyd_summary(orders, until=UNTIL).table.count("*").fetchone(),
    "cohort_retention": lambda orders: _face().cohort_retention(orders, as_of=AS_OF).fetchall(),
}


def _face() -> Any:
    import crmkit

    return crmkit


def measure_growth(sizes: list[int], folder: Path, into: Found, say: Say) -> None:
    """Seconds and memory of some metrics on Parquet through DuckDB, each in a process of its own."""
    import subprocess

    import tables

    for rows in sorted(sizes):
        path = tables.files(rows, folder)[0]
        for metric in GROWING:
            say(f"{metric}: {rows:,} rows on the disk")
            command = [sys.executable, __file__, metric, str(path)]
            ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=1800)
            found = json.loads(ran.stdout.splitlines()[-1]) if not ran.returncode else {"missing": ran.stderr[-200:]}
            into.append({"metric": metric, "rows": rows, **found})


def _inside(metric: str, path: str) -> None:
    import warnings

    import duckdb

    warnings.simplefilter("ignore")
    orders = duckdb.connect(config={"threads": 2}).read_parquet(path)
    begun = time.perf_counter()
    GROWING[metric](orders)
    seconds = time.perf_counter() - begun
    print(json.dumps({"seconds": seconds, "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


# --- what was found


def report(found: Found, growth: Found) -> list[str]:
    """What was found, as lines of tables."""
    lines: list[str] = []
    if found:
        head = f"  {'':<40}{'rows':>10}{'other ms':>11}{'crmkit ms':>11}{'ratio':>8}"
        lines += ["", "heavier figures (pandas input, service times in DuckDB)", head]
    for one in found:
        name = f"{one['question']} / {one['other']}"
        if "missing" in one:
            lines.append(f"  {name:<40}{one['rows']:>10,}  not measured: {one['missing']}")
            continue
        over = f"  > {one['most']:.2g}" if one["most"] is not None and one["ratio"] > one["most"] else ""
        over += "" if one["same"] else "  another number than crmkit's"
        lines.append(
            f"  {name:<40}{one['rows']:>10,}{one['other_ms']:>11.1f}{one['crmkit_ms']:>11.1f}{one['ratio']:>8.3f}{over}"
        )
    if growth:
        lines += [
            "",
            "growth (Parquet through DuckDB)",
            f"  {'':<24}{'rows':>12}{'seconds':>9}{'s per M':>9}{'peak MB':>9}",
        ]
    for one in growth:
        if "missing" in one:
            lines.append(f"  {one['metric']:<24}{one['rows']:>12,}  not measured: {one['missing']}")
            continue
        each = one["seconds"] / one["rows"] * 1e6
        lines.append(
            f"  {one['metric']:<24}{one['rows']:>12,}{one['seconds']:>9.2f}{each:>9.3f}{one['memory_mb']:>9.0f}"
        )
    return lines


if __name__ == "__main__":
    _inside(*sys.argv[1:])
