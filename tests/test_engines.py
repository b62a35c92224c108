"""Every metric on every engine: the same figures as on pandas, and only small aggregates leave a lazy engine."""

from __future__ import annotations

import math
import warnings
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import crmkit
from crmkit import frames
from crmkit.metrics import ROOM_OF
from tests.calls import CALLS, world

FIGURES = ("value", "low", "high", "n", "numerator", "denominator")


def quietly(name: str, tables: Any) -> Any:
    """The call's result; what it warns of is tried elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CALLS[name](tables)


@pytest.fixture(scope="session")
def loaded(engine):
    """The worlds of the calls in one engine, converted once."""
    made: dict[int, Any] = {}

    def load(name: str) -> Any:
        tables = world(name)
        if id(tables) not in made:
            made[id(tables)] = {each: engine(frame) for each, frame in tables.items()}
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


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_metric_gives_the_same_on_every_engine(engine, loaded, name):
    wanted, got = quietly(name, world(name)), quietly(name, loaded(name))
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
        one, other = comparable(engine.back(got)), comparable(wanted)
        pd.testing.assert_frame_equal(one, other, check_dtype=False, rtol=1e-9)
        assert len(other)


# Only small aggregates leave the engine


@pytest.mark.parametrize("name", sorted(CALLS))
def test_only_small_aggregates_leave_a_lazy_engine(name, monkeypatch):
    connection = duckdb.connect()
    tables = world(name)
    lazy = {each: connection.from_arrow(pa.Table.from_pandas(frame)) for each, frame in tables.items()}
    crossed: list[int] = []
    fetch = frames.fetch

    def counted(frame: Any) -> Any:
        found = fetch(frame)
        crossed.append(len(found))
        return found

    monkeypatch.setattr(frames, "fetch", counted)
    monkeypatch.setattr(duckdb.DuckDBPyRelation, "df", _never)
    quietly(name, lazy)
    assert sum(crossed) <= MOST_ROWS.get(name, 250), crossed


def _never(*_: Any, **__: Any) -> Any:
    raise AssertionError("a whole relation was brought to the client")


MOST_ROWS: dict[str, int] = {}


# Larger than memory


def test_a_metric_on_more_than_memory_holds_finishes_through_duckdb(tmp_path):
    """40M order rows take more than the 256 MB that DuckDB is given; half of a hash table has to go to the disk."""
    path, rows = tmp_path / "orders.parquet", 12_000_000
    connection = duckdb.connect(config={"memory_limit": "256MB", "threads": 2, "temp_directory": str(tmp_path / "spill")})
    connection.execute(
        f"""COPY (SELECT 'C' || lpad((hash(i) % 3000000)::VARCHAR, 9, '0') AS customer_id,
        TIMESTAMP '2024-01-01' + to_minutes((hash(i + 1) % 1000000)::BIGINT) AS ordered_at,
        (hash(i + 2) % 9000)::DOUBLE AS net_amount FROM range({rows}) t(i)) TO '{path}' (FORMAT parquet)"""
    )
    orders = connection.read_parquet(str(path))
    rate = crmkit.repeat_rate(orders, start="2025-01-01", end="2025-07-01")
    base, above = connection.execute(
        f"""SELECT count(*), count(*) FILTER (last >= '2025-01-01' AND last::DATE > first::DATE) FROM
        (SELECT min(ordered_at) AS first, max(ordered_at) AS last FROM '{path}' WHERE ordered_at < '2025-07-01'
        GROUP BY customer_id)"""
    ).fetchone() or (0, 0)
    assert (rate.denominator, rate.numerator) == (base, above)
    assert base > 2_500_000
    scored = crmkit.rfm(orders, as_of="2026-01-01")
    scored.to_parquet(str(tmp_path / "rfm.parquet"))
    assert connection.read_parquet(str(tmp_path / "rfm.parquet")).count("*").fetchone() == (
        connection.execute(f"SELECT count(DISTINCT customer_id) FROM '{path}'").fetchone()
    )


def test_all_numbers_are_finite_or_absent():
    """A figure is a number or "no data", never infinite."""
    for name in sorted(CALLS):
        made = quietly(name, world(name))
        if isinstance(made, crmkit.Estimate):
            assert not np.isinf([made.value, made.low, made.high]).any(), name
