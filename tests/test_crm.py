"""The object that carries tables: types, engines, fingerprints, what it shows, and what it refuses."""

from __future__ import annotations

import copy
import pickle
import sys
import warnings
from datetime import date, datetime
from functools import lru_cache

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import repeat_rate
from crmkit.datasets import Crm, fingerprint, load, sample
from crmkit.datasets.hashes import Fingerprint
from crmkit.errors import ParameterError, WrongType
from crmkit.texts import LANGUAGES, in_language
from tests.test_saved import FACTS, same, says, shop

ENGINES = ["pandas", "polars", "polars_lazy", "pyarrow", "duckdb", pytest.param("pyspark", marks=pytest.mark.spark)]


def test_pandas_has_the_types_that_load_gives(tmp_path):
    crm = load(shop().save(tmp_path / "shop"))
    types = {f"{name}.{column}": str(kind) for name in crm.tables for column, kind in crm.tables[name].dtypes.items()}
    assert types["customers.name"] == types["customers.member_tier"] == "str"
    assert types["customers.birth_date"] == types["customers.registered_at"] == "datetime64[us]"
    assert (types["customers.email_opt_in"], types["orders.is_test"]) == ("boolean", "bool")
    assert (types["interactions.impression"], types["order_items.line_no"]) == ("Int64", "int64")
    assert types["order_items.quantity"] == types["orders.net_amount"] == "float64"
    assert str(crm.truth.customers["died_at"].dtype) == "datetime64[us]"
    crm.orders.loc[0, "net_amount"] = 5.0  # what a lesson may do to a table
    assert crm.orders["net_amount"][0] == 5.0
    assert crm.orders is crm.tables["orders"]


# --- engines --------------------------------------------------------------------------------------------------------


@pytest.fixture(params=ENGINES)
def engine(request) -> str:
    """Each engine; Spark with the session of the whole run."""
    if request.param == "pyspark":
        request.getfixturevalue("spark")
    return request.param


KINDS = {
    "pandas": "pandas.DataFrame", "polars": "polars.dataframe.frame.DataFrame", "pyarrow": "pyarrow.lib.Table",
    "polars_lazy": "polars.lazyframe.frame.LazyFrame", "duckdb": "DuckDBPyRelation", "pyspark": "DataFrame",
}  # fmt: skip


def test_every_engine_has_the_same_tables(engine):
    crm = shop().to(engine)
    assert f"{type(crm.orders).__module__}.{type(crm.orders).__qualname__}".endswith(KINDS[engine])
    assert type(crm.truth.customers) is type(crm.orders)
    assert (crm.facts, crm.zone, crm.fingerprint()) == (FACTS, "Asia/Tokyo", shop().fingerprint())
    for place, tables in (("", crm), ("truth/", crm.truth)):
        for name in tables.tables:
            frame = nw.from_native(tables.tables[name])
            arrow = (frame.collect() if isinstance(frame, nw.LazyFrame) else frame).to_arrow()
            assert fingerprint(arrow) == crm.fingerprint()[place + name], name
    same(crm.to("pandas"), shop())


def test_metrics_take_the_tables_of_every_engine(engine):
    crm = sample("ten_customers")
    window = {"start": "2026-03-01", "end": "2026-04-01"}
    assert float(repeat_rate(crm.to(engine).orders, **window)) == float(repeat_rate(crm.orders, **window))


def test_relations_of_one_shop_can_be_joined():
    crm = shop().to("duckdb")
    joined = crm.customers.set_alias("c").join(crm.truth.customers.set_alias("t"), "c.customer_id = t.customer_id")
    assert joined.select("t.person_id").fetchall() == [("P0",)]


def test_an_engine_that_is_none():
    with pytest.raises(ParameterError) as caught:
        shop().to("excel")
    says(caught.value, "excel", "pandas, polars, polars_lazy, pyarrow, duckdb, pyspark")


@pytest.mark.parametrize(
    ("engine", "package", "command"),
    [
        ("polars", "polars", "pip install polars"),
        ("polars_lazy", "polars", "pip install polars"),
        ("duckdb", "duckdb", "pip install duckdb"),
        ("pyspark", "pyspark.sql", 'pip install "crmkit[spark]"'),
    ],
)
def test_an_engine_that_is_not_installed(monkeypatch, engine, package, command):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ParameterError) as caught:
        shop().to(engine)
    says(caught.value, engine, command)


def test_spark_without_a_java(monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PySpark's own, about pandas 3
        from pyspark.errors import PySparkRuntimeError
        from pyspark.sql import SparkSession

    class Builder:
        def getOrCreate(self):
            raise PySparkRuntimeError("Java gateway process exited")

    monkeypatch.setattr(SparkSession, "builder", Builder())
    with pytest.raises(ParameterError) as caught:
        shop().to("pyspark")
    says(caught.value, "Java gateway process exited", "17", "21", "JAVA_HOME")


# --- fingerprints ---------------------------------------------------------------------------------------------------

_BASE, _STEP, _NULL, _FULL = 0xD1342543DE82EF95, 0x9E3779B97F4A7C15, 0x6E756C6C5F5F5F5F, (1 << 64) - 1


@lru_cache(typed=True)
def word(value: object) -> int:
    """The word of one value, as slowly and plainly as can be: fingerprints of saved folders must never change."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return _NULL
    if isinstance(value, str):
        content = value.encode()
        bits = sum(byte * pow(_BASE, at, 1 << 64) for at, byte in enumerate(content)) + len(content) * _STEP
    elif isinstance(value, float):
        bits = int(np.float64(value + 0.0).view(np.uint64))
    elif isinstance(value, date):
        bits = int(np.datetime64(value, "us").astype(np.int64))
    else:
        bits = int(value)
    z = (bits + _STEP) & _FULL
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & _FULL
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & _FULL
    return z ^ z >> 31


def column_word(values: list) -> int:
    total = 0
    for value in values:
        total = (total * _BASE + word(value)) & _FULL
    return total


VALUES = {
    pa.string(): st.one_of(st.text(max_size=20), st.sampled_from(["same", "long", "é" * 9_000, "x" * 40_000])),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(allow_nan=True),
    pa.bool_(): st.booleans(),
    pa.timestamp("us"): st.datetimes(),
    pa.date32(): st.dates(),
}


@given(data=st.data(), kind=st.sampled_from(list(VALUES)))
def test_a_fingerprint_is_what_it_is_said_to_be(data, kind):
    values = data.draw(st.lists(st.one_of(st.none(), VALUES[kind]), max_size=40))
    times = data.draw(st.sampled_from([1, 1, 1, 700]))  # more than one tile
    column = pa.chunked_array([pa.array([None, *values * times], kind).slice(1)])
    (found,) = Fingerprint.of(pa.table({"a": column})).columns
    assert found[2] == column_word(values * times)


def test_fingerprints_stay_as_they_are():
    table = pa.table({"id": ["A", "山", None], "at": [datetime(2024, 4, 1, 10, 5), None, None], "n": [1.5, -0.0, None]})
    assert fingerprint(table) == "c2196a56c97b89f6d8e262a6002cc8a0"


def test_a_fingerprint_does_not_depend_on_how_a_table_is_kept():
    crm = shop()
    for name in crm.tables:
        table = crm.arrow(name)
        word = crm.fingerprint()[name]
        pieces = [table.slice(0, 1), table.slice(1, 0), table.slice(1)]
        assert fingerprint(table) == fingerprint(pieces) == fingerprint(pa.concat_tables(pieces)) == word
        assert fingerprint(table.to_batches(max_chunksize=1) or [table]) == word
        assert str(sum(map(Fingerprint.of, pieces[1:]), start=Fingerprint.of(pieces[0]))) == word
        assert fingerprint(pl.from_arrow(table).to_arrow()) == word
        assert Crm({name: table.to_pandas(date_as_object=False)}, zone="Asia/Tokyo").fingerprint()[name] == word
        texts = [i for i, field in enumerate(table.schema) if field.type == pa.string()]
        for i in texts:
            for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
                assert fingerprint(table.set_column(i, table.column_names[i], table[i].cast(kind))) == word


def test_a_fingerprint_tells_what_differs():
    plain = {"a": ["x", "y", None], "b": [1, 2, None]}
    others = [
        {"a": ["y", "x", None], "b": [1, 2, None]}, {"a": ["x", "y", ""], "b": [1, 2, None]},
        {"a": ["x", "y", None], "b": [1, 2, 0]}, {"a": ["xy", "", None], "b": [1, 2, None]},
        {"b": [1, 2, None], "a": ["x", "y", None]}, {"a": ["x", "y", None], "c": [1, 2, None]},
        {"a": ["x", "y", None], "b": [1.0, 2.0, None]}, {"a": ["x", "y"], "b": [1, 2]}, {"a": ["x", "y", None]},
        {"a": ["x", None, "y"], "b": [1, 2, None]}, {"a": ["x\0", "y", None], "b": [1, 2, None]},
    ]  # fmt: skip
    words = [fingerprint(pa.table(columns)) for columns in (plain, *others)]
    assert len(set(words)) == len(words)


def test_parts_of_different_tables_do_not_add_up():
    with pytest.raises(ValueError, match="same columns"):
        Fingerprint.of(pa.table({"a": ["x"]})) + Fingerprint.of(pa.table({"a": [1]}))


# --- what it shows --------------------------------------------------------------------------------------------------


def test_it_shows_tables_and_facts_but_never_the_truth():
    crm = Crm({**shop()._given}, zone="Asia/Tokyo", facts={**FACTS, "scenario": "<b>salon</b>"}, truth=shop().truth)
    for code, words in (
        ("ja", ("顧客（customers）：30行", "シード：7")),
        ("en", ("customers (customers): 30", "seed: 7")),
    ):
        with in_language(code):
            for word in (*words, "Asia/Tokyo", "first_reply_hours=4.0"):
                assert word in repr(crm)
            page = crm._repr_html_()
            assert "&lt;b&gt;salon" in page
            assert "<b>" not in page
            assert "<td>30</td>" in page
            for shown in (repr(crm), page):
                assert "P0" not in shown
                assert "person" not in shown
    assert "customers as they really are (customers): 1" in repr(crm.truth)
    assert repr(crm.tables) == repr(crm)


def test_it_can_be_copied_and_sent():
    crm = shop()
    assert len(crm.orders) == 3
    for twin in (copy.copy(crm), copy.deepcopy(crm), pickle.loads(pickle.dumps(crm))):
        same(twin, crm)
    assert {"orders", "truth", "save"} <= set(dir(crm))


def test_facts_are_as_they_will_be_loaded():
    facts = {"seed": np.int64(7), "start": date(2024, 4, 1), "levers": {"a": np.float64(0.5)}, "pair": (1, 2), 3: None}
    crm = Crm({}, zone="Asia/Tokyo", facts=facts)
    assert crm.facts == {"seed": 7, "start": "2024-04-01", "levers": {"a": 0.5}, "pair": [1, 2], "3": None}


# --- what it refuses ------------------------------------------------------------------------------------------------


def test_tables_that_are_not_there():
    crm = shop()
    for code in LANGUAGES:
        with in_language(code), pytest.raises(AttributeError, match="campaigns.*order_items"):
            _ = crm.campaigns
    with pytest.raises(AttributeError, match="ordres"):
        _ = crm.ordres
    with pytest.raises(KeyError):
        _ = crm.tables["ordres"]
    with pytest.raises(ParameterError) as caught:
        crm.arrow("ordres")
    says(caught.value, "ordres", "orders")
    assert "ordres" not in crm.tables
    assert len(crm.tables) == 5


GOOD = pa.table({"order_id": ["1"]})


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"tables": {"../x": GOOD}}, ("../x",)),
        ({"tables": {"Orders": GOOD}}, ("Orders",)),
        ({"tables": {3: GOOD}}, ("3",)),
        ({"tables": {"orders": pl.DataFrame({"a": [1]})}}, ("orders", "DataFrame", ".to_arrow()")),
        ({"tables": {"orders": GOOD}, "zone": "Mars"}, ("Mars",)),
        ({"tables": {"orders": GOOD}, "facts": {"a": object()}}, ("object",)),
        ({"tables": {"orders": GOOD}, "facts": {"a": float("nan")}}, ()),
    ],
)
def test_what_cannot_be_kept(given, parts):
    with pytest.raises(ParameterError) as caught:
        Crm(**{"zone": "Asia/Tokyo", **given})
    says(caught.value, *parts)


AT = pd.Series(pd.to_datetime(["2024-01-01"]))


@pytest.mark.parametrize(
    ("table", "kind", "parts"),
    [
        (pa.table({"order_id": [["1"]]}), WrongType, ("order_id",)),
        (pa.table({"more": [["1"]]}), WrongType, ("more", "list")),
        (pd.DataFrame({"net_amount": ["much"]}), WrongType, ("net_amount", "orders")),
        (pd.DataFrame({"more": [1, "x"]}), WrongType, ("more", "orders")),
        (pd.DataFrame({"ordered_at": AT.dt.tz_localize("Asia/Tokyo")}), WrongType, ("ordered_at", "Asia/Tokyo")),
        (pa.table({"ordered_at": pa.array([10**18], pa.timestamp("us"))}), WrongType, ("ordered_at", "33658")),
        (pd.DataFrame([[1, 2]], columns=["a", "A"]), ParameterError, ("orders", "a, A")),
        (pd.DataFrame([[1, 2]], columns=["a", ""]), ParameterError, ("orders",)),
        (pd.DataFrame([[1]], columns=[7]), ParameterError, ("orders", "7")),
    ],
)
def test_columns_that_are_none(table, kind, parts, tmp_path):
    crm = Crm({"orders": table}, zone="Asia/Tokyo")
    for use in (lambda: crm.orders, lambda: crm.save(tmp_path / "shop")):
        with pytest.raises(kind) as caught:
            use()
        says(caught.value, *parts)
    assert list(tmp_path.iterdir()) == []


def test_types_that_can_be_had_are_made():
    given = pd.DataFrame(
        {
            "order_id": pd.Categorical(["1", "2"]),
            "ordered_at": pd.to_datetime(["2024-01-01 00:00:00.123456789", None]).astype("datetime64[ns]"),
            "net_amount": [5, 6],
            "is_test": [None, True],
        }
    )
    orders = Crm({"orders": given}, zone="Asia/Tokyo").orders
    assert [str(kind) for kind in orders.dtypes] == ["str", "datetime64[us]", "float64", "boolean"]
    assert orders["ordered_at"][0] == pd.Timestamp("2024-01-01 00:00:00.123456")
    days = pd.DataFrame({"calendar_id": ["a"], "date": [pd.Timestamp("2024-01-01")]})
    assert Crm({"holidays": days}, zone="Asia/Tokyo").arrow("holidays")["date"].type == pa.date32()


def test_an_unknown_format():
    with pytest.raises(ParameterError) as caught:
        shop().save("x", "xlsx")
    says(caught.value, "xlsx", "parquet, csv, duckdb")
