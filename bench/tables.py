"""The tables that are measured: written once, loaded into each engine."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from by_hand import ByHand

ROOT = Path(__file__).resolve().parent.parent
ENGINES = ("pandas", "pandas-integer", "polars", "polars-lazy", "pyarrow", "duckdb", "pyspark")
TO_THE_INSTANT = "us"
BEGIN, STOP = np.datetime64("2024-01-01", TO_THE_INSTANT), np.datetime64("2026-01-01", TO_THE_INSTANT)
YEAR = 365 * 86_400 * 1_000_000


@dataclass(frozen=True)
class Tables:
    """One engine's tables, its hand-written queries and how crmkit is called on it."""

    orders: Any
    contracts: Any
    by_hand: ByHand
    fetch: Any
    """Brings a result table of crmkit to the client, as a user who wants to see it would."""
    columns: dict[str, str] | None = None


def files(rows: int, folder: Path) -> tuple[Path, Path]:
    """The Parquet files of orders and contracts with so many rows each, made if they are missing."""
    return orders(rows, folder), _written("contracts", _contracts, rows, folder)


def orders(rows: int, folder: Path) -> Path:
    """The Parquet file of so many orders, made if it is missing."""
    return _written("orders", _orders, rows, folder)


def _written(name: str, make: Callable[[int, np.random.Generator], pa.Table], rows: int, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{rows}.parquet"
    if not path.exists():
        half = path.with_suffix(".half")
        pq.write_table(make(rows, np.random.default_rng(20261121)), half, row_group_size=250_000)
        half.replace(path)
    return path


def load(engine: str, orders: Path, contracts: Path) -> Tables:
    """The tables in one engine; `pandas-integer` is pandas with whole numbers for customers instead of text."""
    drop = "customer_id" if engine == "pandas-integer" else "customer_number"
    both = [pq.read_table(path).drop_columns([drop]) for path in (orders, contracts)]
    if engine.startswith("pandas"):
        from by_hand.in_pandas import Pandas

        key = "customer_number" if engine == "pandas-integer" else "customer_id"
        columns = {"customer_id": key} if key != "customer_id" else None
        return Tables(*(table.to_pandas() for table in both), Pandas(key), _as_it_is, columns)
    if engine == "polars":
        import polars as pl
        from by_hand.in_polars import Polars

        return Tables(*(pl.from_arrow(table) for table in both), Polars(), _as_it_is)
    if engine == "polars-lazy":
        import polars as pl
        from by_hand.in_polars import Polars

        return Tables(*(pl.from_arrow(table).lazy() for table in both), Polars(), lambda frame: frame.collect())
    if engine == "pyarrow":
        from by_hand.in_arrow import Arrow

        return Tables(*both, Arrow(), _as_it_is)
    if engine == "duckdb":
        import duckdb
        from by_hand.in_duckdb import DuckDB

        connection = duckdb.connect()
        for name, path in (("orders", orders), ("contracts", contracts)):
            connection.execute(f"CREATE TABLE {name} AS SELECT * EXCLUDE {drop} FROM read_parquet('{path}')")
        relations = connection.table("orders"), connection.table("contracts")
        return Tables(*relations, DuckDB(connection), lambda relation: relation.fetchall())
    from by_hand.in_spark import Spark

    session = spark()
    cached = [session.read.parquet(str(path)).drop(drop).cache() for path in (orders, contracts)]
    for frame in cached:
        frame.count()
    return Tables(*cached, Spark(), lambda frame: frame.collect())


def spark() -> Any:
    """A local Spark on two threads, bound to this machine's loopback."""
    sys.path.insert(0, str(ROOT / "tools"))
    from machine import need_java

    os.environ["JAVA_HOME"] = str(need_java())
    from pyspark.sql import SparkSession

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PySpark's own, about pandas 3
        session = (
            SparkSession.builder.master("local[2]")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.memory", "4g")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.warehouse.dir", ".build/spark-warehouse")
            .getOrCreate()
        )
    session.sparkContext.setLogLevel("ERROR")
    return session


def _as_it_is(frame: Any) -> Any:
    return frame


def _orders(rows: int, rng: np.random.Generator) -> pa.Table:
    """Two years of orders in the order they came in: customers join all along, some leave soon, few buy very often."""
    customers = rows // 10
    joined = rng.random(customers)
    stays = np.minimum(rng.exponential(0.5, customers), 1 - joined)
    weight = rng.gamma(0.8, 1.0, customers)
    who = rng.choice(customers, rows, p=weight / weight.sum())
    at = ((joined[who] + stays[who] * rng.random(rows)) * (STOP - BEGIN).astype("int64")).astype("int64")
    order = np.argsort(at)
    who, at = who[order], at[order]
    net = rng.gamma(2.0, 2_500.0, rows).round()
    net[rng.random(rows) < 0.003] *= -1  # corrections
    return pa.table(
        {
            "order_id": np.arange(rows),
            **_customer(who),
            "ordered_at": BEGIN + at.astype(f"timedelta64[{TO_THE_INSTANT}]"),
            "channel": rng.choice(["web", "store", "app", "phone", "market"], rows, p=[0.4, 0.3, 0.15, 0.1, 0.05]),
            "status": rng.choice(["completed", "cancelled"], rows, p=[0.97, 0.03]),
            "net_amount": net,
        }
    )


def _contracts(rows: int, rng: np.random.Generator) -> pa.Table:
    """Contracts of half as many customers; two in five still run."""
    who = rng.integers(0, rows // 2, rows)
    started = np.sort((rng.random(rows) * (STOP - BEGIN).astype("int64")).astype("int64"))
    lasted = rng.exponential(0.7 * YEAR, rows).astype("int64")
    ended = BEGIN + (started + lasted).astype(f"timedelta64[{TO_THE_INSTANT}]")
    return pa.table(
        {
            "subscription_id": np.arange(rows),
            **_customer(who),
            "started_at": BEGIN + started.astype(f"timedelta64[{TO_THE_INSTANT}]"),
            "ended_at": np.where(ended < STOP, ended, np.datetime64("NaT")),
            "is_involuntary": (rng.random(rows) < 0.1) & (ended < STOP),
        }
    )


def _customer(who: np.ndarray) -> dict[str, Any]:
    return {"customer_id": np.char.mod("C%07d", who), "customer_number": who}
