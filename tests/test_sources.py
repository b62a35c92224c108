"""Databases, folders and frames as sources: what is read, what is said, and what is refused."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import gzip
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crmkit.datasets.databases import offers_of_duckdb, offers_of_sqlite
from crmkit.datasets.folders import offers_of_folder
from crmkit.datasets.natives import offer_of_frame
from crmkit.datasets.parts import pattern_of, stem_of
from crmkit.datasets.source import Offer
from crmkit.errors import EmptyTable, ParameterError, UnreadableFile
from tests.workbooks import as_dict, book, reasons

# --- SQLite and DuckDB


@pytest.fixture
def lite(tmp_path: Path) -> Path:
    path = tmp_path / "shop #1?.db"
    with contextlib.closing(sqlite3.connect(path)) as base:
        base.executescript("""
            CREATE TABLE "注 文""; DROP" (id, paid, picture);
            INSERT INTO "注 文""; DROP" VALUES (1, 4400, x'00ff'), ('A2', 12.5, NULL), (NULL, NULL, NULL);
            CREATE TABLE blank (id);
            CREATE TABLE old (name); INSERT INTO old VALUES (CAST(x'938c8b9e' AS TEXT)), (CAST(x'e7' AS TEXT));
            CREATE VIEW broken AS SELECT no_such_function(id) FROM old;
            CREATE VIEW seen AS SELECT name FROM old;
        """)
    return path


def test_sqlite_gives_tables_and_views(lite: Path) -> None:
    offers = offers_of_sqlite(lite)
    assert [offer.stem for offer in offers] == ["old", "seen", '注 文"; DROP']
    assert reasons(offers) == ["empty_table", "table_fails"]
    assert as_dict(offers[2].read()) == {
        "id": ["1", "A2", None], "paid": [4400.0, 12.5, None], "picture": [b"\x00\xff", None, None],
    }  # fmt: skip
    assert offers[0].read().columns[0].to_pylist() == ["東京", "\\xe7"]


def test_sqlite_reads_what_was_asked_for(lite: Path) -> None:
    query = "WITH a AS (SELECT 2 AS b) SELECT b, b + 1 FROM a;"
    offers = offers_of_sqlite(lite, {"orders": query, "customers": "old"})
    assert [offer.name for offer in offers] == ["shop #1?.db [orders]", "shop #1?.db [customers]"]
    assert as_dict(offers[0].read()) == {"b": [2], "b + 1": [3]}
    with pytest.raises(EmptyTable):
        offers_of_sqlite(lite, {"orders": "blank"})[0].read()


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("odl", "nearest name: old"),
        ("SELECT 1; DELETE FROM old", "one statement"),
        ("WITH a AS (SELECT 1) DELETE FROM old", "readonly database"),
        ("SELECT nope FROM old", "no such column: nope"),
    ],
)
def test_sqlite_refuses_the_rest_and_is_not_changed(lite: Path, wanted: str, said: str) -> None:
    before = lite.read_bytes()
    with pytest.raises(UnreadableFile, match=said):
        offers_of_sqlite(lite, {"orders": wanted})
    assert lite.read_bytes() == before
    assert os.listdir(lite.parent) == [lite.name]


def test_a_write_ahead_log_is_read_with_the_database(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with contextlib.closing(sqlite3.connect(path)) as base:
        base.executescript("PRAGMA journal_mode = WAL; CREATE TABLE a (id); INSERT INTO a VALUES (1)")
        assert offers_of_sqlite(path)[0].read().columns[0].to_pylist() == [1]  # still in the log
    assert os.listdir(tmp_path) == ["shop.db"]
    assert offers_of_sqlite(path)[0].read().columns[0].to_pylist() == [1]
    assert os.listdir(tmp_path) == ["shop.db"]  # SQLite would leave two files beside it


@pytest.fixture
def duck(tmp_path: Path) -> Path:
    path = tmp_path / "shop.duckdb"
    secret = tmp_path / "secret.csv"
    secret.write_text("word\nhidden\n", encoding="utf-8")
    with duckdb.connect(path) as base:
        base.execute("""
            CREATE TYPE size AS ENUM ('S', 'M');
            CREATE TABLE orders (id INT, u UUID, d DECIMAL(10, 2), z TIMESTAMPTZ, e size, l INT[], t TIME, j JSON);
            INSERT INTO orders VALUES (1, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 1.25, '2024-04-01 10:00+09', 'S', [1],
                '10:00', '{}'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
            CREATE TABLE nothing (id INT);
            CREATE SCHEMA sales; CREATE TABLE sales."a ""b" AS SELECT range AS id FROM range(120000);
            CREATE TABLE words AS SELECT 'taro@example.com' AS email;
            CREATE VIEW numbers AS SELECT email::INT AS n FROM words;
        """)
        base.execute(f"CREATE VIEW spy AS SELECT * FROM read_csv('{secret}')")
    return path


def test_duckdb_gives_tables_and_views_but_no_other_file(duck: Path) -> None:
    offers = offers_of_duckdb(duck)
    assert [offer.name for offer in offers] == [
        "shop.duckdb [orders]", "shop.duckdb [words]", 'shop.duckdb [sales.a "b]',
    ]  # fmt: skip
    assert sorted(reasons(offers)) == ["empty_table", "table_fails", "table_fails"]
    assert not any("taro" in str(note) or "hidden" in str(note) for note in offers.notes)
    found = as_dict(offers[0].read())
    assert found.pop("z")[0] == dt.datetime(2024, 4, 1, 1, tzinfo=dt.UTC)
    assert {name: values[0] for name, values in found.items()} == {
        "id": 1, "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "d": decimal.Decimal("1.25"), "e": "S", "l": [1],
        "t": "10:00:00", "j": "{}",
    }  # fmt: skip
    assert len(offers[2].head[0]) == 200
    assert offers[2].read().rows_read == 120_000


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("orderz", "nearest name: orders"),
        ("spy", "file system operations are disabled"),
        ("SELECT * FROM 'secret.csv'", "file system operations are disabled"),
        ("SELECT 1; SELECT 2", "query cannot be run"),
        ("SELECT 1; DROP TABLE orders", "query cannot be run"),
        ("SELECT nope FROM orders", "nope"),
    ],
)
def test_duckdb_refuses_the_rest(duck: Path, wanted: str, said: str) -> None:
    before = duck.read_bytes()
    with pytest.raises(UnreadableFile, match=said):
        offers_of_duckdb(duck, {"orders": wanted})
    assert duck.read_bytes() == before


@pytest.mark.parametrize("opened", [offers_of_sqlite, offers_of_duckdb])
@pytest.mark.parametrize(
    "data", [b"hello" * 100, b"\0" * 8 + b"DUCK" + b"\0" * 9000, b"SQLite format 3\0" + b"\1" * 900]
)
def test_what_is_no_database_is_refused(tmp_path: Path, opened: Any, data: bytes) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(data)
    with pytest.raises(UnreadableFile) as caught:
        opened(path)
    assert caught.value.reason in ("not_sqlite", "not_duckdb")
    with pytest.raises(UnreadableFile, match="nearest name there: x.db"):
        opened(tmp_path / "xx.db")


# --- folders


def test_a_folder_gives_each_table_once(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    (folder / "tickets").mkdir(parents=True)
    for month in ("10", "2", "1"):
        (folder / f"orders_2024-{month}.csv").write_text(f"id,on\n{month},x\n\nlast,y\n", encoding="utf-8")
        pq.write_table(pa.table({"id": [int(month)]}), folder / "tickets" / f"part-{month}.parquet")
    (folder / "customers.tsv").write_text("id\tname\nA\t東京\n", encoding="utf-8")
    book(folder / "book.xlsx", {"costs": [["id"], ["A"]], "leads": [["id"], ["A"]]})
    for skipped in ("~$book.xlsx", ".DS_Store", "Thumbs.db", "_SUCCESS"):
        (folder / skipped).write_bytes(b"x")
    (folder / "readme.pdf").write_bytes(b"%PDF")
    (folder / "bad.parquet").write_bytes(b"x")
    offers = offers_of_folder(folder)
    found = {offer.stem: offer for offer in offers}
    assert sorted(found) == ["costs", "customers", "leads", "orders", "tickets"]
    assert sorted(reasons(offers)) == ["not_read", "other_files"]
    assert found["orders"].name == "orders_*.csv (3 files)"
    assert found["tickets"].name == "tickets/ (3 files)"
    source = found["orders"].read()
    assert source.columns[0].to_pylist() == ["1", "last", "2", "last", "10", "last"]
    assert source.lines.tolist() == [2, 4, 6, 8, 10, 12]
    assert [source.place(line) for line in (2, 4, 6, 12)] == [
        ("orders_2024-1.csv", 2), ("orders_2024-1.csv", 4), ("orders_2024-2.csv", 2), ("orders_2024-10.csv", 4),
    ]  # fmt: skip
    assert source.blank_lines == 3
    assert found["tickets"].read().columns[0].to_pylist() == [1, 2, 10]


def test_pieces_may_have_their_columns_in_another_order_and_type(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1], "paid": [5]}), tmp_path / "o-1.parquet")
    pq.write_table(pa.table({"paid": [5.5], "id": ["A"]}), tmp_path / "o-2.parquet")
    assert as_dict(offers_of_folder(tmp_path)[0].read()) == {"id": ["1", "A"], "paid": [5.0, 5.5]}


def test_pieces_with_other_columns_stay_apart(tmp_path: Path) -> None:
    for year, header in (("2023", "id,on"), ("2024", "id,at")):
        (tmp_path / f"o_{year}.csv").write_text(f"{header}\n1,2\n", encoding="utf-8")
    offers = offers_of_folder(tmp_path)
    assert ([offer.stem for offer in offers], reasons(offers)) == (["o_2023", "o_2024"], ["headers_differ"])


def test_misfits_of_a_later_piece_say_where_they_are(tmp_path: Path) -> None:
    for number, rows in ((1, "A,1\nB,2\n"), (2, "C,3\nD,4\nE,5,6\n")):
        (tmp_path / f"o{number}.csv").write_text(f"id,paid\n{rows}", encoding="utf-8")
    source = offers_of_folder(tmp_path)[0].read()
    assert source.rows_read == 5
    assert [source.place(misfit.line) for misfit in source.misfits] == [("o2.csv", 4)]


def test_a_broken_piece_is_never_left_out(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1]}), tmp_path / "o-1.parquet")
    (tmp_path / "o-2.parquet").write_bytes(b"x")
    with pytest.raises(UnreadableFile, match="o-2.parquet"):
        offers_of_folder(tmp_path)


def test_folders_called_by_a_value_become_a_column(tmp_path: Path) -> None:
    for year, month, row in ((2023, 12, 1), (2024, 1, 2), (2024, "__HIVE_DEFAULT_PARTITION__", 3)):
        place = tmp_path / "orders" / f"year={year}" / f"month={month}"
        place.mkdir(parents=True)
        pq.write_table(pa.table({"id": [row]}), place / "part.parquet")
    by_name = offers_of_folder(tmp_path)
    itself = offers_of_folder(tmp_path / "orders")
    assert [offer.stem for offer in (*by_name, *itself)] == ["orders", "orders"]
    for offer in (*by_name, *itself):
        assert as_dict(offer.read()) == {
            "id": [1, 2, 3], "year": ["2023", "2024", "2024"], "month": ["12", "1", None],
        }  # fmt: skip


def test_links_lead_nowhere_outside(tmp_path: Path) -> None:
    outside = tmp_path / "secret.csv"
    outside.write_text("id\n1\n", encoding="utf-8")
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "orders.csv").write_text("id\n1\n", encoding="utf-8")
    (folder / "again.csv").symlink_to(folder / "orders.csv")
    (folder / "secret.csv").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "gone.csv").symlink_to(folder / "nowhere.csv")
    offers = offers_of_folder(folder)
    assert [offer.stem for offer in offers] == ["again", "orders"]
    assert [note.values["name"] for note in offers.notes if note.reason == "link_outside"] == ["loop", "secret.csv"]


def test_a_folder_with_deleted_rows_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "orders" / "_delta_log").mkdir(parents=True)
    with pytest.raises(UnreadableFile, match="Delta Lake"):
        offers_of_folder(tmp_path)


def test_a_folder_without_tables(tmp_path: Path) -> None:
    with pytest.raises(EmptyTable, match="no file to read"):
        offers_of_folder(tmp_path)
    deep = tmp_path / "deep"
    deep.mkdir()
    (deep / "a.csv").write_text("id\n1\n", encoding="utf-8")
    (deep / "b.csv.gz").write_bytes(gzip.compress(b"on\n1\n"))
    (tmp_path / "c.csv").write_text("id\n1\n", encoding="utf-8")
    offers = offers_of_folder(tmp_path)
    assert ([offer.stem for offer in offers], reasons(offers)) == (["c"], ["deep_folder"])


@pytest.mark.parametrize(
    ("name", "pattern", "stem"),
    [
        ("orders_2024-01", "orders_*", "orders"),
        ("注文_2024年1月", "注文_*月", "注文"),
        ("part-00000-1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed-c000.snappy", "part-*.snappy", "folder"),
        ("2024-01-31", "*", "folder"),
        ("orders (1)", "orders (*)", "orders"),
        ("customers", "customers", "customers"),
    ],
)
def test_names_with_numbers(name: str, pattern: str, stem: str) -> None:
    assert pattern_of(name) == pattern
    assert stem_of(pattern, "folder") == stem


# --- frames


FRAME = pd.DataFrame({"会員": ["A", "B"], "paid": [4400.0, None], "at": pd.to_datetime(["2024-04-01", "2024-04-02"])})
ODD = pd.DataFrame(
    {
        "mixed": [1, "A2", None],
        "days": [dt.date(2024, 4, 1), dt.datetime(2024, 4, 2, 3), None],
        "bytes": [b"a", "b", 3],
        "kind": pd.Categorical(["S", None, "M"]),
        "month": pd.period_range("2024-04", periods=3, freq="M"),
        "span": pd.to_timedelta([36, 1, 2], unit="h"),
        "zoned": pd.date_range("2024-04-01", periods=3, tz="Asia/Tokyo"),
        "whole": pd.array([1, None, 3], dtype="Int64"),
        "half": ["\ud800", "x", 5],
    },
    index=pd.Index(["x", "y", "z"], name="key"),
)


def engines() -> dict[str, Any]:
    """The same table in each engine."""
    table = pa.Table.from_pandas(FRAME, preserve_index=False)
    return {
        "pandas": FRAME, "polars": pl.from_arrow(table), "lazy": pl.from_arrow(table).lazy(), "pyarrow": table,  # type: ignore[union-attr]
        "duckdb": duckdb.connect().from_arrow(table),
    }  # fmt: skip


@pytest.mark.parametrize("engine", engines())
def test_a_table_at_hand_is_a_source(engine: str) -> None:
    offer = offer_of_frame(engines()[engine], "mine")
    _check(offer)


def _check(offer: Offer) -> None:
    assert (offer.name, offer.stem, offer.headers) == ("mine", "mine", ("会員", "paid", "at"))
    source = offer.read()
    assert [column.to_pylist() for column in source.columns] == [
        ["A", "B"], [4400.0, None], [dt.datetime(2024, 4, 1), dt.datetime(2024, 4, 2)],
    ]  # fmt: skip
    assert source.lines.tolist() == [1, 2]


@pytest.mark.spark
def test_a_spark_table_is_a_source(spark: Any) -> None:
    rows = [("A", 4400.0, dt.datetime(2024, 4, 1)), ("B", None, dt.datetime(2024, 4, 2))]
    _check(offer_of_frame(spark.createDataFrame(rows, "`会員` string, paid double, at timestamp_ntz"), "mine"))


def test_odd_types_of_pandas_lose_nothing() -> None:
    before = ODD.copy(deep=True)
    found = as_dict(offer_of_frame(ODD, "mine").read())
    zoned = found.pop("zoned")
    assert zoned[0] == pd.Timestamp("2024-04-01", tz="Asia/Tokyo")
    assert found == {
        "key": ["x", "y", "z"],
        "mixed": ["1", "A2", None],
        "days": [dt.datetime(2024, 4, 1), dt.datetime(2024, 4, 2, 3), None],
        "bytes": ["a", "b", "3"],
        "kind": ["S", None, "M"],
        "month": ["2024-04", "2024-05", "2024-06"],
        "span": ["36:00:00", "1:00:00", "2:00:00"],
        "whole": [1, None, 3],
        "half": ["\\ud800", "x", "5"],
    }
    pd.testing.assert_frame_equal(ODD, before)


@pytest.mark.parametrize(
    ("frame", "headers"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ("a", "a")),
        (pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("c", "")])), ("a b", "c")),
        (pd.DataFrame([[1]], columns=[2024]), ("2024",)),
        (pa.table([[1], [2]], names=["a", "a"]), ("a", "a")),
        (pd.Series([1], name="a"), ("a",)),
        (pl.DataFrame({"o": pl.Series([{1}], dtype=pl.Object), "a": [1]}), ("o", "a")),
        (pl.DataFrame({"i": pl.Series([2**90], dtype=pl.Int128)}), ("i",)),
    ],
)
def test_odd_headers_and_columns(frame: Any, headers: tuple[str, ...]) -> None:
    source = offer_of_frame(frame, "mine").read()
    assert source.headers == headers
    assert source.rows_read == 1


@pytest.mark.parametrize("thing", [42, {"a": [1]}, [1, 2], object(), "text"])
def test_what_is_no_table_is_refused(thing: Any) -> None:
    with pytest.raises(ParameterError, match=re.escape(type(thing).__name__)):
        offer_of_frame(thing, "mine")


@pytest.mark.parametrize("frame", [pd.DataFrame(), pd.DataFrame({"a": []}), pl.DataFrame({"a": []})])
def test_a_table_without_rows_is_refused(frame: Any) -> None:
    with pytest.raises(EmptyTable, match="mine"):
        offer_of_frame(frame, "mine").read()
