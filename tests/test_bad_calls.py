"""Bad input for every metric, through the one call of each: a figure without data, or an error that says what to do.

The tables of the simulated shop are spoiled in a dozen ways. Whatever comes back is never infinite, never a share or a
mean of nothing, and brings no warning but crmkit's own; rows that do not count are told.
"""

from __future__ import annotations

import math
import warnings
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import crmkit
from crmkit import frames, schema
from crmkit.errors import CrmkitError, CrmkitWarning, MissingColumn, ParameterError, WrongType
from crmkit.texts import LANGUAGES, in_language
from tests.calls import CALLS, world

CALCULATORS = {"clv_formula", "cac_payback_months", "japanese_holidays"}  # without tables
ECHOES = {"customer_timeline", "business_minutes", "wait_band"}  # show the table's own values
LISTS = {*ECHOES, "validate_tables", "field_completeness", "rate"}  # look at the rows as they are
WITHOUT_A_DAY = {
    "association_lift", "cumulative_gains", "defect_rate", "escape_rate", "pareto", "rate", "targeting_lift",
    "validate_tables",
}  # fmt: skip
# ids order the events of one instant, and the two of a pair; and the timeline is of one id
ORDERED_BY_IDS = {"next_reply_time", "association_lift", "customer_timeline"}
# saves much of the time by not looking for ids that come twice; `crmkit.load` takes them out
NOT_LOOKED_FOR = {"rfm", "segment_summary"}
TABLES = sorted(set(CALLS) - CALCULATORS)
ON_OTHER_ENGINES = ("repeat_rate", "net_sales", "csat", "churn_rate", "first_resolution_time", "campaign_roi", "rfm")

Table = pd.DataFrame


def _columns(name: str, table: Table, *kinds: str) -> list[schema.Column]:
    return [c for c in schema.TABLES[name].columns if c.name in table and (c.kind in kinds or not kinds)]


def _empty(_: str, table: Table) -> Table:
    return table.head(0)


def _one_row(_: str, table: Table) -> Table:
    return table.head(1)


def _nulls(name: str, table: Table, of: Callable[[schema.Column], bool], dtype: Any = None) -> Table:
    """The columns `of` which there is no value at all; in their own type, or in what a reader of files makes of it."""
    nullable = {"b": "boolean", "i": "Int64", "u": "Int64"}
    made = table.copy()
    for column in filter(of, _columns(name, table)):
        own = dtype or nullable.get(table[column.name].dtype.kind, table[column.name].dtype)
        made[column.name] = pd.Series([None] * len(table), index=table.index, dtype=own)
    return made


def _optional(name: str, table: Table) -> Table:
    return _nulls(name, table, lambda column: not column.required)


def _all(name: str, table: Table) -> Table:
    return _nulls(name, table, lambda _: True)


def _as_floats(name: str, table: Table) -> Table:
    return _nulls(name, table, lambda column: not column.required, float)


def _years_before(_: str, table: Table) -> Table:
    return table.assign(**{c: table[c] - pd.Timedelta(days=3653) for c in table if table[c].dtype.kind == "M"})


def _twice(_: str, table: Table) -> Table:
    return pd.concat([table, table], ignore_index=True)


def _mixed(name: str, table: Table) -> Table:
    """A third of the ids are numbers, the same in every table."""

    def plain(value: Any) -> Any:
        number = zlib.crc32(str(value).encode())
        return None if pd.isna(value) else number if number % 3 == 0 else value

    ids = {c.name: [plain(value) for value in table[c.name]] for c in _columns(name, table, "id")}
    return table.assign(**{column: pd.Series(new, index=table.index, dtype=object) for column, new in ids.items()})


def _infinite(name: str, table: Table) -> Table:
    """Amounts without end and below 0, not in the same rows of all columns."""
    made = table.copy()
    for place, column in enumerate(_columns(name, table, "amount", "number", "integer")):
        if table[column.name].dtype.kind not in "iuf" or column.name.startswith("scale_"):
            continue
        new = table[column.name].to_numpy(float, copy=True)
        start = place % 4
        new[start::7], new[start + 1 :: 14] = math.inf, -math.inf
        new[start + 2 :: 7] = -1 - np.abs(new[start + 2 :: 7])
        made[column.name] = new
    return made


def _backwards(name: str, table: Table) -> Table:
    """What follows lies before what it follows."""
    instants = [c.name for c in _columns(name, table, "instant", "date") if table[c.name].dtype.kind == "M"]
    if name == "ticket_events":
        return table.assign(**{c: table[c] - pd.Timedelta(days=400) for c in instants})
    first, later = instants[:1], instants[1:]
    return table.assign(**{c: table[first[0]].where(table[c].notna()) - pd.Timedelta(days=3) for c in later})


def _misplaced(name: str, table: Table) -> Table:
    """Backwards in time, and scores off their scale."""
    made = _backwards(name, table)
    for column in _columns(name, table, "integer", "number"):
        if column.name in ("score", "rating", "sentiment_score") and table[column.name].dtype.kind in "iuf":
            new = table[column.name].to_numpy(float, copy=True)
            new[::3], new[1::3] = 11, -1
            made[column.name] = new
    return made


def _zoned(_: str, table: Table) -> Table:
    return table.assign(**{c: table[c].dt.tz_localize("Asia/Tokyo") for c in table if table[c].dtype.kind == "M"})


KINDS = {
    "empty": _empty, "one_row": _one_row, "optional": _optional, "all": _all, "as_floats": _as_floats,
    "years_before": _years_before, "twice": _twice, "mixed": _mixed, "infinite": _infinite, "misplaced": _misplaced,
}  # fmt: skip
SPOILED: dict[tuple[int, str], Mapping[str, Table]] = {}


def spoiled(name: str, kind: str) -> Mapping[str, Table]:
    """The metric's world in that state, made once."""
    tables = world(name)
    place = (id(tables), kind)
    if place not in SPOILED:
        spoil = {**KINDS, "zoned": _zoned}[kind]
        SPOILED[place] = {each: spoil(each, table) for each, table in tables.items()}
    return SPOILED[place]


def told(name: str, tables: Mapping[str, Any]) -> Any:
    """What the call gives, or the error it refuses with; a warning that is not crmkit's own fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", CrmkitWarning)
        try:
            return CALLS[name](tables)
        except CrmkitError as error:
            said = set()
            for code in LANGUAGES:
                with in_language(code):
                    said.add(str(error))
            assert len(said) == len(LANGUAGES)
            return error


def sound(made: Any, *, echo: bool = False) -> None:
    """A figure of something, or of nothing and then without a value; nothing infinite; can be shown in any language."""
    if isinstance(made, crmkit.Estimate):
        assert not np.isinf([made.value, made.low, made.high, *map(float, made.besides.values())]).any(), made
        assert made.n > 0 or math.isnan(made.value), made
        for code in LANGUAGES:
            with in_language(code):
                assert str(made)
                assert made._repr_html_()
    elif isinstance(made, dict):
        for one in made.values():
            sound(one)
    elif isinstance(made, float | int):
        assert not math.isinf(made)
    elif isinstance(made, pd.DataFrame):
        numbers = made.select_dtypes("number").astype(float)
        assert echo or not np.isinf(numbers.to_numpy()).any(), made
        if {"n", "value"} <= set(made):
            assert made.loc[made["n"] == 0, "value"].isna().all(), made
    else:
        assert isinstance(made, CrmkitError), made


@cache
def answer(name: str, kind: str) -> Any:
    """What the metric gives of its spoiled world."""
    return told(name, spoiled(name, kind))


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_of_spoiled_tables_is_sound(name, kind):
    if name == "validate_tables" and kind not in ("empty", "as_floats", "mixed"):
        return  # slow, and made for such tables: they are tried where it is
    made = answer(name, kind)
    sound(made, echo=name in ECHOES)
    if isinstance(made, crmkit.Estimate):
        if kind == "empty":
            assert (made.n, math.isnan(made.value)) == (0, True)
        if kind == "all" and name != "rate":
            assert made.n == 0
    if kind in ("twice", "mixed", "optional") and name != "clv_btyd":
        assert not isinstance(made, WrongType)


@cache
def whole(name: str) -> Any:
    """The metric on the tables as they are."""
    return told(name, world(name))


def numbers(made: Any) -> dict[str, float]:
    """The numbers of a result, whatever it is."""
    if isinstance(made, crmkit.Estimate):
        return {"value": made.value, "n": made.n, "low": made.low, "high": made.high}
    if isinstance(made, pd.DataFrame):
        columns = made.select_dtypes(["number", "bool"]).drop(columns=["rows_left_out"], errors="ignore")
        return {"rows": len(made), **columns.astype(float).sum().to_dict()}
    return {str(key): float(value) for key, value in made.items()}


@pytest.mark.parametrize("kind", ["twice", "mixed"])
@pytest.mark.parametrize("name", TABLES)
def test_repeated_rows_and_ids_of_two_types_change_no_figure(name, kind):
    if name == "validate_tables" or name in (LISTS | NOT_LOOKED_FOR if kind == "twice" else ORDERED_BY_IDS):
        return
    wanted, got = numbers(whole(name)), numbers(answer(name, kind))
    assert got == pytest.approx(wanted, nan_ok=True, rel=1e-9)


@pytest.mark.parametrize("name", TABLES)
def test_instants_with_a_zone_are_refused_with_the_columns_name(name):
    made = told(name, spoiled(name, "zoned"))
    if name in WITHOUT_A_DAY:
        assert not isinstance(made, CrmkitError)
        return
    assert isinstance(made, WrongType)
    column, table = str(made.values["column"]), str(made.values["table"])
    assert column in schema.TABLES[table]
    for code in LANGUAGES:
        with in_language(code):
            assert column in str(made)
            assert table in str(made)
            assert "Asia/Tokyo" in str(made)


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("net_sales", "infinite", "infinite"), ("net_sales", "twice", "same_key"), ("net_sales", "all", "no_date"),
        ("cac", "infinite", "negative"), ("campaign_roi", "infinite", "infinite"),
        ("campaign_roi", "twice", "same_key"),
        ("csat", "misplaced", "off_scale"), ("nps", "misplaced", "off_scale"), ("ces", "misplaced", "off_scale"),
        ("net_revenue_retention", "infinite", "infinite"), ("redemption_rate", "infinite", "no_points"),
        ("defect_rate", "infinite", "no_quantity"), ("churn_rate", "misplaced", "impossible_dates"),
        ("survival_rate", "misplaced", "impossible_dates"), ("survival_rate", "twice", "same_key"),
        ("first_resolution_time", "misplaced", "out_of_order"), ("lead_conversion_days", "misplaced", "out_of_order"),
        ("repeat_rate", "all", "no_customer"), ("first_resolution_time", "all", "no_id"),
    ],
)  # fmt: skip
def test_rows_that_do_not_count_are_told_with_their_reason(name, kind, reason):
    made = answer(name, kind)
    assert made.excluded.get(reason, 0) > 0, dict(made.excluded)


def test_a_recommendation_scale_from_1_is_refused_in_words():
    answers = world("nps")["survey_responses"]
    answers = answers.assign(scale_min=answers["scale_min"].where(answers["kind"] != "nps", 1))
    made = told("nps", {"survey_responses": answers})
    assert isinstance(made, ParameterError)
    assert made.reason == "nps_scale"
    assert "0" in str(made)
    assert "10" in str(made)


# Other engines


def _duckdb() -> Callable[[pa.Table], Any]:
    connection = duckdb.connect()
    return connection.from_arrow


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
@pytest.mark.parametrize("kind", ["empty", "one_row", "optional", "all", "twice", "infinite"])
@pytest.mark.parametrize("name", ON_OTHER_ENGINES)
def test_spoiled_tables_give_the_same_on_other_engines(name, kind, engine):
    make = _duckdb() if engine == "duckdb" else pl.from_arrow
    tables = {each: make(pa.Table.from_pandas(table)) for each, table in spoiled(name, kind).items()}
    wanted, got = answer(name, kind), told(name, tables)
    if isinstance(wanted, crmkit.Estimate):
        sound(got)
        assert numbers(got) == pytest.approx(numbers(wanted), nan_ok=True, rel=1e-9)
        assert dict(got.excluded) == dict(wanted.excluded)
    else:
        table = nw.from_native(got)
        assert len(frames.fetch(table)) == len(wanted)


@pytest.mark.parametrize("name", ["clv_historic", "two_way_share", "customer_timeline", "member_retention_gap"])
def test_tables_of_two_duckdb_connections_are_refused_in_words(name):
    tables = {each: _duckdb()(pa.Table.from_pandas(table)) for each, table in world(name).items()}
    if name == "two_way_share":
        with pytest.raises(ParameterError) as caught:
            crmkit.two_way_share(tables["interactions"], campaign_sends=tables["campaign_sends"])
        error: Any = caught.value
    else:
        error = told(name, tables)
    assert isinstance(error, ParameterError)
    assert error.reason == "two_connections"
    assert "duckdb.connect()" in str(error)


# The door


def contracts(**columns: Any) -> Table:
    days = pd.to_datetime(["2025-01-01", "2025-02-01", "2025-03-01"])
    plain = {"subscription_id": list("123"), "customer_id": list("abc"), "started_at": days, "ended_at": [None] * 3}
    return pd.DataFrame({**plain, **columns})


def test_flags_with_gaps_are_read_as_flags():
    """pandas keeps true, false and nothing as objects."""
    table = contracts(is_involuntary=[True, None, False])
    assert table["is_involuntary"].dtype == object
    opened = frames.open_table(table, "subscriptions", needs=("customer_id", "is_involuntary"))
    assert frames.rows(opened.select("is_involuntary")) == [{"is_involuntary": flag} for flag in (True, None, False)]
    with pytest.raises(WrongType, match="is_involuntary"):
        frames.open_table(table.assign(is_involuntary=[True, "no", None]), "subscriptions", needs=("is_involuntary",))


KINDS_OF_TABLE = [lambda t: t, pl.from_pandas, pa.Table.from_pandas, lambda t: pl.from_pandas(t).lazy()]


@pytest.mark.parametrize("make", KINDS_OF_TABLE)
def test_a_column_without_any_value_has_the_models_type(make):
    opened = frames.open_table(make(contracts()), "subscriptions", needs=("ended_at",))
    assert opened.collect_schema()["ended_at"] == nw.Datetime("us")
    assert frames.rows(opened) == [{"ended_at": None}] * 3
    rate = crmkit.churn_rate(make(contracts()), start="2025-04-01", end="2025-05-01")
    assert (rate.n, rate.value) == (3, 0)


@pytest.mark.parametrize("make", [lambda t: t, pl.from_pandas, lambda t: pl.from_pandas(t).lazy()])
def test_a_table_with_none_of_the_columns_is_refused(make):
    with pytest.raises(MissingColumn, match="ended_at"):
        frames.open_table(make(pd.DataFrame({"ending": [1]})), "subscriptions", needs=("ended_at", "is_involuntary"))


def test_pyarrow_joins_texts_of_both_sizes():
    large = pa.table({"customer_id": pa.array(["a", "b"], pa.large_string()), "gender": ["x", "y"]})
    small = pa.table({"customer_id": pa.array(["a", "b"], pa.string()), "order_id": ["1", "2"]})
    one = frames.open_table(large, "customers", needs=("customer_id",))
    other = frames.open_table(
        small.append_column("ordered_at", pa.array([0, 1], pa.timestamp("us"))), "orders", needs=("customer_id",)
    )
    assert len(frames.fetch(one.join(other, on="customer_id", how="inner"))) == 2


def test_the_day_of_no_instant_is_none():
    at = pd.DataFrame({"at": pd.to_datetime(["2000-03-01", None])})
    for table in (at, pl.from_pandas(at), pa.Table.from_pandas(at)):
        days = frames.rows(frames.as_frame(table).select(day=frames.day_number(nw.col("at"))))
        assert days == [{"day": 730_485}, {"day": None}]
