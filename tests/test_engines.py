"""Every metric on every engine: the same figures as on pandas, and only small aggregates leave a lazy engine."""

from __future__ import annotations

import math
import warnings
from functools import cache
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import crmkit
from crmkit.metrics import ROOM_OF
from tests.calls import CALLS, world

NO_TABLE = {"cac_payback_months", "clv_formula", "japanese_holidays"}  # take numbers and days, not tables
# Rows that may leave a lazy engine, of 438 customers and 2,254 orders; where it is more than some dozens, say why.
MOST_ROWS = {
    **dict.fromkeys(("median_lifetime", "repurchase_curve", "survival_curve", "survival_rate"), 300),  # one per day
    "backlog_by_day": 600,  # one per day, twice
    "referral_graph": 400,  # the lines between customers, twice a round
    "clv_btyd": 1_200,  # unlike histories (how often, how lately, how long)
    **dict.fromkeys(("duplicate_rate", "explain_match", "match_customers"), 1_800),  # engines cannot normalise text
    "match_precision_recall": 3_600,
}
FIGURES = ("value", "low", "high", "n", "numerator", "denominator")


def quietly(name: str, tables: Any) -> Any:
    """The call's result; what it warns of is tried elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CALLS[name](tables)


@cache
def on_pandas(name: str) -> Any:
    """What the others are compared with, computed once."""
    return quietly(name, world(name))


@pytest.fixture(scope="session")
def loaded(quick_engine):
    """The worlds of the calls in one engine, converted once."""
    made: dict[int, Any] = {}

    def load(name: str) -> Any:
        tables = world(name)
        if id(tables) not in made:
            made[id(tables)] = {each: quick_engine(frame) for each, frame in tables.items()}
        return made[id(tables)]

    return load


def comparable(table: pd.DataFrame) -> pd.DataFrame:
    """A result in an order and in types that do not depend on the engine."""
    plain = table.copy()
    for column in plain:
        if pd.api.types.is_datetime64_any_dtype(plain[column]):
            plain[column] = plain[column].astype("datetime64[us]").astype(str)
        elif pd.api.types.is_numeric_dtype(plain[column]) or pd.api.types.is_bool_dtype(plain[column]):
            plain[column] = plain[column].astype("Float64").astype(float)
        else:
            values = [None if pd.isna(value) else value for value in plain[column]]
            numeric = values and all(value is None or isinstance(value, int | float | bool) for value in values)
            plain[column] = [math.nan if v is None else float(v) for v in values] if numeric else list(map(str, values))
    order = [column for column in plain if plain[column].dtype != float] or list(plain)
    rest = [column for column in plain if column not in order]
    return plain.round(9).sort_values([*order, *rest]).reset_index(drop=True)


def test_every_metric_has_a_call():
    assert set(CALLS) == set(ROOM_OF)


@pytest.mark.parametrize("name", sorted(set(CALLS) - NO_TABLE))
def test_a_metric_gives_the_same_on_every_engine(quick_engine, loaded, name):
    wanted, got = on_pandas(name), quietly(name, loaded(name))
    if isinstance(wanted, crmkit.Estimate):
        for figure in FIGURES:
            assert getattr(got, figure) == pytest.approx(getattr(wanted, figure), nan_ok=True, rel=1e-9), figure
        assert dict(got.excluded) == dict(wanted.excluded)
        assert dict(got.besides) == pytest.approx(dict(wanted.besides), nan_ok=True, rel=1e-9)
    elif isinstance(wanted, dict):
        assert {key: float(one) for key, one in got.items()} == pytest.approx(
            {key: float(one) for key, one in wanted.items()}, nan_ok=True
        )
    else:
        one, other = comparable(quick_engine.back(got)), comparable(wanted)
        pd.testing.assert_frame_equal(one, other, check_dtype=False, rtol=1e-9)
        assert len(other)


# Only small aggregates leave the engine


@pytest.mark.parametrize("name", sorted(CALLS))
def test_only_small_aggregates_leave_a_lazy_engine(name, monkeypatch):
    connection = duckdb.connect()
    tables = world(name)
    lazy = {each: connection.from_arrow(pa.Table.from_pandas(frame)) for each, frame in tables.items()}
    crossed: list[int] = []
    leave = duckdb.DuckDBPyRelation.to_arrow_table

    def counted(relation: Any, *how: Any, **more: Any) -> Any:
        found = leave(relation, *how, **more)
        crossed.append(len(found))
        return found

    monkeypatch.setattr(duckdb.DuckDBPyRelation, "to_arrow_table", counted)
    for other_way_out in ("df", "fetchnumpy", "pl", "to_df"):
        monkeypatch.setattr(duckdb.DuckDBPyRelation, other_way_out, _never)
    quietly(name, lazy)
    assert sum(crossed) <= MOST_ROWS.get(name, 150), crossed


def _never(*_: Any, **__: Any) -> Any:
    raise AssertionError("a whole relation was brought to the client")


# Larger than memory


def test_a_metric_on_more_than_memory_holds_finishes_through_duckdb(tmp_path):
    """3M orders of 1M customers in 100 MB: the tables of customers that group-bys make have to go to the disk."""
    path, rows, customers = tmp_path / "orders.parquet", 3_000_000, 1_000_000
    limits = {"memory_limit": "100MB", "threads": 2, "temp_directory": str(tmp_path / "spill")}
    connection = duckdb.connect(config=limits)
    connection.execute(
        f"""COPY (SELECT 'C' || lpad((hash(i) % {customers})::VARCHAR, 12, '0') AS customer_id,
        TIMESTAMP '2024-01-01' + to_minutes((hash(i + 1) % 1000000)::BIGINT) AS ordered_at,
        (hash(i + 2) % 9000)::DOUBLE AS net_amount FROM range({rows}) t(i)) TO '{path}' (FORMAT parquet)"""
    ).fetchall()
    orders = connection.read_parquet(str(path))
    rate = crmkit.repeat_rate(orders, start="2025-01-01", end="2025-07-01")
    ((base, above),) = connection.execute(
        f"""SELECT count(*), count(*) FILTER (last >= '2025-01-01' AND last::DATE > first::DATE) FROM
        (SELECT min(ordered_at) AS first, max(ordered_at) AS last FROM '{path}' WHERE ordered_at < '2025-07-01'
        GROUP BY customer_id)"""
    ).fetchall()
    assert (rate.denominator, rate.numerator) == (base, above)
    assert base > 0.9 * customers
    crmkit.rfm(orders, as_of="2026-01-01").to_parquet(str(tmp_path / "rfm.parquet"))
    ((scored,),) = connection.execute(f"SELECT count(*) FROM '{tmp_path / 'rfm.parquet'}'").fetchall()
    ((known,),) = connection.execute(f"SELECT count(DISTINCT customer_id) FROM '{path}'").fetchall()
    assert scored == known
    ((memory,),) = connection.execute("SELECT sum(memory_usage_bytes) FROM duckdb_memory()").fetchall()
    assert memory < 100 * 2**20


def test_all_numbers_are_finite_or_absent():
    """A figure is a number or "no data", never infinite."""
    for name in sorted(CALLS):
        made = on_pandas(name)
        if isinstance(made, crmkit.Estimate):
            assert not np.isinf([made.value, made.low, made.high]).any(), name
