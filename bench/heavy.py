"""What is heavier than a count: RFM, BTYD summaries, fits, survival, baskets and service times.

Each is held against a query written by hand on the same data in the same run, where people write one, and against the
packages that they would take instead, which run in environments of their own.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import helpdesk
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tables

AS_OF, UNTIL = "2026-01-01", "2025-12-31"
SEED = 20261122
TIMES = 3
AT_LEAST_SECONDS, AT_MOST_TIMES = 1.0, 15  # what is quick is measured more often
Found = list[dict[str, Any]]
Ask = Callable[[str, str, Path], dict[str, Any]] | None
"""Asks a peer a question about a file; `None` = no peer is asked."""
# what is asked of the ratio crmkit / the other, by question and side
MOST = {
    ("rfm", "pandas by hand"): 1.2,
    ("btyd_summary", "pandas by hand"): 1.2,
    ("btyd_summary", "lifetimes"): 1 / 3,
    ("btyd_summary", "clvkit"): 1 / 3,
    ("btyd_summary", "pymc-marketing"): 1 / 3,
    ("bg_nbd", "lifetimes"): 1 / 5,
    ("bg_nbd", "clvkit"): 1 / 100,
    ("kaplan_meier", "lifelines"): 1.0,
    ("association_lift", "mlxtend"): 1 / 10,
    **{(name, "DuckDB by hand"): 2.0 for name in (*helpdesk.ASKED, "first_reply_time, business")},
}


@dataclass(frozen=True, slots=True)
class Bench:
    """Where tables are kept, where what was found goes, who is told and who is asked."""

    rows: int
    folder: Path
    into: Found
    say: Callable[[str], None]
    ask: Ask

    def compare(
        self, question: str, rows: int, ours: Callable[[], Any], hands: dict[str, Callable[[], Any]], sums: Any = float
    ) -> tuple[float, Any]:
        """crmkit and the queries by hand in turns: their medians are noted; seconds and result of crmkit.

        `sums` makes of crmkit's result the numbers that a query by hand gives.
        """
        self.say(f"{question}, {rows:,} rows")
        seconds, results = _in_turns({"crmkit": ours, **hands})
        for name in hands:
            same = bool(np.allclose(results[name], sums(results["crmkit"])))
            self._note(question, name, rows, seconds["crmkit"], {"peer_ms": seconds[name] * 1e3}, same)
        return seconds["crmkit"], results["crmkit"]

    def peer(
        self, question: str, peer: str, rows: int, path: Path, ours: float, value: float, *, close: float = 1e-6
    ) -> None:
        """A peer's answer about a file, beside crmkit's seconds and value."""
        if self.ask is None:
            return
        self.say(f"{peer}: {question}, {rows:,} rows")
        found = self.ask(peer, question.replace("btyd_", ""), path)
        same = "value" in found and bool(np.isclose(found["value"], value, rtol=close))
        self._note(question, peer, rows, ours, found, same)

    def _note(self, question: str, other: str, rows: int, seconds: float, theirs: dict[str, Any], same: bool) -> None:
        line = {"question": question, "other": other, "rows": rows, "crmkit_ms": seconds * 1e3}
        if "missing" in theirs:
            self.into.append({**line, "missing": theirs["missing"]})
            return
        ratio = seconds * 1e3 / theirs["peer_ms"]
        self.into.append({**line, "other_ms": theirs["peer_ms"], "ratio": ratio, "same": same})


def measure(rows: int, folder: Path, into: Found, say: Callable[[str], None], ask: Ask = None) -> None:
    """All of it at `rows` order rows (and what belongs to them)."""
    folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(rows, folder, into, say, ask)
    for part in (_summaries, _buying, _survival, _baskets, _service):
        part(bench)
        gc.collect()


def _in_turns(runs: dict[str, Callable[[], Any]]) -> tuple[dict[str, float], dict[str, Any]]:
    """Each once to warm up, which gives its result, then in turns: their median seconds."""
    results = {name: run() for name, run in runs.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    begun = time.perf_counter()
    done = 0
    while done < TIMES or (time.perf_counter() - begun < AT_LEAST_SECONDS and done < AT_MOST_TIMES):
        for name, run in runs.items():
            gc.collect()
            at = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - at)
        done += 1
    return {name: median(one) for name, one in times.items()}, results


# --- RFM and the summary of buy-till-you-die models


def _summaries(bench: Bench) -> None:
    import pandas as pd

    import crmkit

    path = tables.orders(bench.rows, bench.folder)
    orders = pd.read_parquet(path, columns=["customer_id", "ordered_at", "status", "net_amount"])
    hands = {"pandas": _rfm_pandas, "Polars": _rfm_polars, "DuckDB": _rfm_duckdb}
    bench.compare(
        "rfm",
        bench.rows,
        lambda: crmkit.rfm(orders, as_of=AS_OF),
        {f"{name} by hand": lambda hand=hand: hand(orders) for name, hand in hands.items()},
        lambda table: [len(table), *table[["frequency", "monetary", "r", "f", "m"]].sum()],
    )
    days = {"frequency": 1, "recency": 7, "T": 7, "monetary": 1}
    seconds, summary = bench.compare(
        "btyd_summary",
        bench.rows,
        lambda: crmkit.btyd_summary(orders, until=UNTIL).table,
        {"pandas by hand": lambda: _summary_pandas(orders)},
        lambda table: [len(table), *table[["frequency", "recency", "T", "monetary"]].sum()],
    )
    value = float(sum(summary[name].sum() * each for name, each in days.items()))
    for peer in ("lifetimes", "clvkit", "pymc-marketing"):
        bench.peer("btyd_summary", peer, bench.rows, path, seconds, value)


def _valid(orders: Any) -> Any:
    return orders.loc[(orders["status"] == "completed") & (orders["net_amount"] >= 0) & (orders["ordered_at"] < AS_OF)]


def _rfm_pandas(orders: Any) -> list[float]:
    """What an analyst writes: days, one group-by, three quintiles."""
    import pandas as pd

    valid = _valid(orders)
    grouped = valid.assign(day=valid["ordered_at"].dt.normalize()).groupby("customer_id")
    per = grouped.agg(last=("day", "max"), frequency=("day", "nunique"), monetary=("net_amount", "sum"))
    per["recency"] = (pd.Timestamp(AS_OF) - per["last"]).dt.days
    for score, values in (("r", -per["recency"]), ("f", per["frequency"]), ("m", per["monetary"])):
        per[score] = (values.rank(method="min") - 1) * 5 // len(per) + 1
    return [len(per), *per[["frequency", "monetary", "r", "f", "m"]].sum()]


def _rfm_polars(orders: Any) -> list[float]:
    """The same in Polars, the way there included."""
    import polars as pl

    frame = pl.from_pandas(orders).lazy().filter((pl.col("status") == "completed") & (pl.col("net_amount") >= 0))
    frame = frame.filter(pl.col("ordered_at") < pl.lit(AS_OF).str.to_datetime())
    day = pl.col("ordered_at").dt.date()
    per = frame.group_by("customer_id").agg(
        last=day.max(), frequency=day.n_unique(), monetary=pl.col("net_amount").sum()
    )
    ranked = {"r": "last", "f": "frequency", "m": "monetary"}
    scores = {
        score: (pl.col(name).rank("min").cast(pl.Int64) - 1) * 5 // pl.len() + 1 for score, name in ranked.items()
    }
    done = per.with_columns(**scores).sort("customer_id").collect()
    return [done.height, *done.select("frequency", "monetary", "r", "f", "m").sum().row(0)]


RFM = """
WITH per AS (
    SELECT
        customer_id,
        max(ordered_at::DATE) AS last,
        count(DISTINCT ordered_at::DATE) AS frequency,
        sum(net_amount) AS monetary
    FROM orders
    WHERE status = 'completed' AND net_amount >= 0 AND ordered_at < $1::TIMESTAMP
    GROUP BY customer_id
)
SELECT
    *,
    (rank() OVER (ORDER BY last) - 1) * 5 // count(*) OVER () + 1 AS r,
    (rank() OVER (ORDER BY frequency) - 1) * 5 // count(*) OVER () + 1 AS f,
    (rank() OVER (ORDER BY monetary) - 1) * 5 // count(*) OVER () + 1 AS m
FROM per
ORDER BY customer_id
"""


def _rfm_duckdb(orders: Any) -> list[float]:
    """The same in DuckDB, which reads the pandas table where it lies (`orders` in the query) and gives one back."""
    import duckdb

    done = duckdb.connect().execute(RFM, [AS_OF]).df()
    return [len(done), *done[["frequency", "monetary", "r", "f", "m"]].sum()]


def _summary_pandas(orders: Any) -> list[float]:
    """What an analyst writes: amounts by day, first and last day, mean amount of the days after the first."""
    import pandas as pd

    valid = _valid(orders)
    days = valid.assign(day=valid["ordered_at"].dt.normalize())
    daily = days.groupby(["customer_id", "day"], sort=False)["net_amount"].sum().reset_index()
    per = daily.groupby("customer_id")["day"].agg(["min", "max", "size"])
    again = daily["day"] > daily.groupby("customer_id")["day"].transform("min")
    monetary = daily[again].groupby("customer_id")["net_amount"].mean().reindex(per.index)
    frequency, recency = per["size"] - 1, (per["max"] - per["min"]).dt.days / 7
    age = (pd.Timestamp(UNTIL) - per["min"]).dt.days / 7
    return [len(per), frequency.sum(), recency.sum(), age.sum(), monetary.sum()]


# --- fits


def _buying(bench: Bench) -> None:
    import pandas as pd

    from crmkit import models

    customers = min(200_000, bench.rows)
    path = bench.folder / f"summary-{customers}.parquet"
    if not path.exists():
        pq.write_table(_histories(customers, np.random.default_rng(SEED)), path)
    table = pd.read_parquet(path)
    seconds, fit = bench.compare("bg_nbd", customers, lambda: models.bg_nbd(models.Summary(table, unit="week")), {})
    for peer in ("lifetimes", "clvkit"):
        bench.peer("bg_nbd", peer, customers, path, seconds, float(fit.params["r"]), close=0.01)


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


def _survival(bench: Bench) -> None:
    from crmkit.models import kaplan_meier

    customers = min(1_000_000, bench.rows)
    path = bench.folder / f"lives-{customers}.parquet"
    chance = np.random.default_rng(SEED)
    if not path.exists():
        whole = np.ceil(chance.exponential(200, customers))
        seen = chance.integers(1, 700, customers)
        pq.write_table(pa.table({"days": np.minimum(whole, seen), "ended": whole <= seen}), path)
    lives = pq.read_table(path)
    days, ended = lives["days"].to_numpy(), lives["ended"].to_numpy()
    seconds, curve = bench.compare(
        "kaplan_meier",
        customers,
        lambda: kaplan_meier(days, ended),
        {"NumPy by hand": lambda: _product_limit(days, ended)},
        lambda curve: _survival_at(curve, 180),
    )
    bench.peer("kaplan_meier", "lifelines", customers, path, seconds, _survival_at(curve, 180))


def _survival_at(curve: Any, day: int) -> float:
    return float(curve.survival[np.searchsorted(curve.time, day, side="right") - 1])


def _product_limit(days: Any, ended: Any) -> float:
    """The curve alone, of whole days, without an interval."""
    whole = days.astype(np.int64)
    died, seen = np.bincount(whole, weights=ended), np.bincount(whole)
    at_risk = len(days) - np.cumsum(seen) + seen
    return float(np.cumprod(1 - died / np.maximum(at_risk, 1))[180])


def _baskets(bench: Bench) -> None:
    import pandas as pd

    import crmkit

    baskets = min(200_000, bench.rows // 5)
    path = bench.folder / f"baskets-{baskets}.parquet"
    if not path.exists():
        chance = np.random.default_rng(SEED)
        weights = 1 / np.arange(1, 501)
        basket = np.repeat(np.arange(baskets), 1 + chance.poisson(4, baskets))
        product = chance.choice(500, len(basket), p=weights / weights.sum())
        lines = np.arange(len(basket)) + 1
        pq.write_table(pa.table({"order_id": basket, "line_no": lines, "product_id": product}), path)
    items = pd.read_parquet(path)
    seconds, pairs = bench.compare(
        "association_lift", baskets, lambda: crmkit.association_lift(items, min_support=0.001), {}
    )
    bench.peer("association_lift", "mlxtend", baskets, path, seconds, float(pairs["lift"].sum()))


# --- service times


def _service(bench: Bench) -> None:
    import crmkit

    tickets = min(1_000_000, bench.rows // 5)
    bench.say(f"a desk of {tickets:,} tickets")
    connection = helpdesk.desk(tickets)
    log = connection.table("tickets"), connection.table("ticket_events")
    asked: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in helpdesk.ASKED]
    for name, hours in (*asked, ("first_reply_time", helpdesk.opening())):
        query = helpdesk.by_hand(name, business=bool(hours))
        bench.compare(
            name + (", business" if hours else ""),
            tickets,
            lambda name=name, hours=hours: getattr(crmkit, name)(*log, **hours),
            {"DuckDB by hand": lambda query=query: connection.execute(query).fetchall()[0]},
            lambda made: [made.value, made.besides["p90"], made.besides["mean"], made.n],
        )
    connection.close()


# --- what was found


def differs(found: Found) -> bool:
    """Whether a query by hand gave another number than crmkit."""
    return any(not one["same"] for one in found if one["other"].endswith(" by hand") and "same" in one)


def report(found: Found) -> list[str]:
    """What was found, as lines of a table."""
    if not found:
        return []
    head = f"  {'':<44}{'rows':>10}{'other ms':>11}{'crmkit ms':>11}{'ratio':>8}"
    lines = ["", "heavier figures (pandas input, service times in DuckDB)", head]
    for one in found:
        name = f"{one['question']} / {one['other']}"
        if "missing" in one:
            lines.append(f"  {name:<44}{one['rows']:>10,}  not measured: {one['missing']}")
            continue
        most = MOST.get((one["question"], one["other"]))
        over = f"  > {most:.2g}" if most is not None and one["ratio"] > most else ""
        over += "" if one["same"] else "  another number than crmkit's"
        lines.append(
            f"  {name:<44}{one['rows']:>10,}{one['other_ms']:>11.1f}{one['crmkit_ms']:>11.1f}{one['ratio']:>8.3f}{over}"
        )
    return lines
