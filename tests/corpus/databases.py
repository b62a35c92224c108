"""SQLite and DuckDB files: empty, damaged, with views that fail or reach out, and with odd columns."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb

from tests.corpus.case import NAME, Case, EmptyTable, Loads, ParameterError, Refuses, UnreadableFile, WrongType, put

ORDERS = f"""
    CREATE TABLE orders (order_id, customer_id, ordered_at, net_amount, name);
    INSERT INTO orders VALUES (1, 'A', '2024-04-01 10:05', 4400, '{NAME}');
    INSERT INTO orders VALUES (2, 'B', '2024-04-02 10:05', 6600, '{NAME}');
"""
TYPED = ORDERS.replace(
    "order_id, customer_id, ordered_at, net_amount, name",
    "order_id INTEGER, customer_id TEXT, ordered_at TIMESTAMP, net_amount DOUBLE, name TEXT",
)
TWO = Loads({"orders": (2, 0)})


def sqlite(script: str, name: str = "shop.sqlite") -> Callable[[Path], Path]:
    """An SQLite file made by a script."""

    def make(folder: Path) -> Path:
        with closing(sqlite3.connect(folder / name)) as base:
            base.executescript(script)
        return folder / name

    return make


def logged(folder: Path) -> Path:
    """A database whose last orders are still in the write-ahead log, as after a crash."""
    with closing(sqlite3.connect(folder / "live.sqlite")) as base:
        base.executescript("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;" + ORDERS)
        for name in ("live.sqlite", "live.sqlite-wal"):
            (folder / name.replace("live", "shop")).write_bytes((folder / name).read_bytes())
    for rest in folder.glob("live.*"):
        rest.unlink()
    return folder / "shop.sqlite"


def ducks(script: str, name: str = "shop.duckdb") -> Callable[[Path], Path]:
    """A DuckDB file made by a script."""

    def make(folder: Path) -> Path:
        with closing(duckdb.connect(folder / name)) as base:
            base.execute(script)
        return folder / name

    return make


def damaged(maker: Callable[[Path], Path], start: int, end: int) -> Callable[[Path], Path]:
    """A file with a part of it overwritten."""

    def make(folder: Path) -> Path:
        path = maker(folder)
        data = bytearray(path.read_bytes())
        data[start:end] = b"\xa5" * len(data[start:end])
        path.write_bytes(bytes(data))
        return path

    return make


CASES = (
    Case(
        "sqlite_no_tables",
        "an SQLite file without a table",
        "表が1つもない SQLite",
        sqlite("PRAGMA user_version = 1"),
        Refuses(EmptyTable, "no_table", ("shop.sqlite",)),
    ),
    Case(
        "sqlite_no_rows",
        "an SQLite file whose tables are all empty",
        "どの表にも行がない SQLite",
        sqlite("CREATE TABLE orders (customer_id, ordered_at)"),
        Refuses(EmptyTable, "no_table", ("shop.sqlite",)),
    ),
    Case(
        "sqlite_corrupt",
        "an SQLite file whose pages were overwritten",
        "ページが壊れた SQLite",
        damaged(sqlite(ORDERS), 100, 8192),
        Refuses(UnreadableFile, "not_sqlite", ("shop.sqlite",)),
    ),
    Case(
        "sqlite_none",
        "text in a file called .sqlite",
        "拡張子は .sqlite だが、中身は文字",
        put("customer_id,ordered_at\n" * 100, "shop.sqlite"),
        Refuses(UnreadableFile, "not_sqlite", ("shop.sqlite",)),
    ),
    Case(
        "sqlite_log",
        "orders that are still in the write-ahead log",
        "最新の注文がまだ WAL（先行書き込みログ）にある",
        logged,
        TWO,
    ),
    Case(
        "sqlite_view_fails",
        "a view on a table that is gone",
        "元の表がなくなったビューがある",
        sqlite(ORDERS + "CREATE VIEW lost AS SELECT * FROM gone"),
        Loads({"orders": (2, 0)}, notes=("table_fails",)),
    ),
    Case(
        "sqlite_blobs",
        "pictures in a column, and text in Shift_JIS",
        "画像の列や Shift_JIS の文字がある",
        sqlite(
            ORDERS
            + "ALTER TABLE orders ADD picture; "
            + "UPDATE orders SET picture = x'89504e47', name = CAST(x'8e529363' AS TEXT)"
        ),
        TWO,
    ),
    Case(
        "sqlite_blob_amounts",
        "pictures where amounts are due",
        "金額の列に画像が入っている",
        sqlite(ORDERS + "UPDATE orders SET net_amount = x'89504e47'"),
        Refuses(WrongType, "file_nested", ("shop.sqlite", "net_amount")),
    ),
    Case(
        "sqlite_mixed_types",
        "numbers and words in one column",
        "1つの列に数値と言葉が混ざっている",
        sqlite(
            ORDERS
            + "INSERT INTO orders VALUES (3, 7, '2024-04-03', 'free', NULL), "
            + "('four', 8, 45386, 12.5, NULL), (5, 7, '2024-04-05', 9, NULL)"
        ),
        Loads({"orders": (3, 2)}, {"unreadable_number": 1, "unreadable_date": 1}),
    ),
    Case(
        "sqlite_names",
        "table names with quotes, spaces and SQL in them",
        "表の名前に引用符・空白・SQL が入っている",
        sqlite(
            ORDERS
            + 'CREATE TABLE "x""; DROP TABLE orders; --" (a); INSERT INTO "x""; DROP TABLE orders; --" VALUES (1)'
        ),
        TWO,
    ),
    Case(
        "sqlite_is_duckdb",
        "a DuckDB file called .db",
        "拡張子は .db だが、中身は DuckDB",
        ducks(TYPED, "shop.db"),
        TWO,
    ),
    Case(
        "duckdb_corrupt",
        "a DuckDB file whose header was overwritten",
        "先頭が壊れた DuckDB",
        damaged(ducks(TYPED), 0, 20_000),
        Refuses(UnreadableFile, "not_duckdb", ("shop.duckdb",)),
    ),
    Case(
        "duckdb_hole",
        "a DuckDB file with a hole where its version stands",
        "版の番号の部分が壊れた DuckDB",
        damaged(ducks(TYPED), 12, 20),
        Refuses(UnreadableFile, "not_duckdb", ("shop.duckdb",)),
    ),
    Case(
        "duckdb_reaches_out",
        "a view that reads /etc/passwd",
        "/etc/passwd を読むビューがある",
        ducks(
            TYPED
            + "CREATE VIEW customers AS SELECT * FROM "
            + "read_csv('/etc/passwd', header = false, columns = {'customer_id': 'TEXT'}, delim = '|')"
        ),
        Loads({"orders": (2, 0)}, notes=("table_fails",)),
    ),
    Case(
        "duckdb_two_schemas",
        "the same table in two schemas",
        "2つのスキーマに同じ表がある",
        ducks(TYPED + "CREATE SCHEMA old; CREATE TABLE old.orders AS SELECT * FROM orders"),
        Refuses(ParameterError, "two_sources", ("orders", "old.orders")),
    ),
    Case(
        "duckdb_nested",
        "lists and structures in a column",
        "入れ子の値の列がある",
        ducks(
            TYPED
            + "ALTER TABLE orders ADD items STRUCT(sku TEXT, n INT)[]; UPDATE orders SET items = [{'sku': 'x', 'n': 1}]"
        ),
        TWO,
    ),
    Case(
        "duckdb_far_times",
        "infinite and far-away instants",
        "無限大や、はるか昔の日時",
        ducks(
            TYPED
            + "INSERT INTO orders VALUES (3, 'C', 'infinity', 1, ''), "
            + "(4, 'C', '-infinity', 1, ''), (5, 'D', '290000-01-01', 1, '')"
        ),
        Loads({"orders": (2, 3)}, {"future": 2, "too_old": 1}),
    ),
)
