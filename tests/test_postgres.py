"""A PostgreSQL database as a source, on a real server: what is read, what is refused, and what is never said."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import pyarrow as pa
import pytest

from crmkit.datasets.databases import offers_of_postgres
from crmkit.errors import EmptyTable, UnreadableFile
from crmkit.texts import in_language
from tests.postgres import PASSWORD, WRITTEN, Server, running

TABLES = """
CREATE TABLE orders (
    id int PRIMARY KEY, customer uuid, ordered_at timestamptz, paid numeric(12, 2), price money, note text,
    tags text[], more jsonb, day date, hours interval, host inet, picture bytea, ok boolean, "注 文""x" text
);
INSERT INTO orders VALUES
    (1, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2024-04-01 10:00+09', 4400.50, 12.50, '東京 😀', '{a,b}', '{"a": 1}',
     '2024-04-01', '1 day', '127.0.0.1', 'x', true, '値'),
    (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE customers (id text, email text);
INSERT INTO customers VALUES ('A', 'taro@example.com');
CREATE TABLE nothing (id int);
CREATE SCHEMA "Sales 2024";
CREATE TABLE "Sales 2024".orders (id int);
INSERT INTO "Sales 2024".orders SELECT generate_series(1, 120000);
CREATE VIEW spenders AS SELECT id, paid FROM orders WHERE paid > 0;
CREATE VIEW broken AS SELECT email::int AS number FROM customers;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as started:
        started.psql(TABLES)
        yield started


def test_all_tables_and_views_that_have_rows(server: Server) -> None:
    offers = offers_of_postgres(server.url())
    assert [offer.name for offer in offers] == [
        "crm [customers]", "crm [orders]", "crm [spenders]", "crm [Sales 2024.orders]",
    ]  # fmt: skip
    assert offers[3].stem == "orders"
    assert [note.reason for note in offers.notes] == ["table_fails", "empty_table"]
    assert "taro" not in str(offers.notes[0])  # what the server quotes from the rows


def test_every_type_comes_without_loss(server: Server) -> None:
    source = offers_of_postgres(server.url(), {"orders": "orders"})[0].read()
    first = {name: column[0] for name, column in zip(source.headers, source.columns, strict=True)}
    assert first["ordered_at"].type == pa.timestamp("us", tz="UTC")
    found = {name: str(value.as_py()) for name, value in first.items()}
    assert found == {
        "id": "1", "customer": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "ordered_at": "2024-04-01 01:00:00+00:00",
        "paid": "4400.50", "price": "12.50", "note": "東京 😀", "tags": "['a', 'b']", "more": '{"a": 1}',
        "day": "2024-04-01", "hours": found["hours"], "host": "127.0.0.1/32", "picture": "b'x'", "ok": "True",
        '注 文"x': "値",
    }  # fmt: skip
    assert [column[1].as_py() for column in source.columns[1:]] == [None] * 13
    assert source.lines.tolist() == [1, 2]


def test_only_the_first_rows_are_fetched_until_it_is_read(server: Server) -> None:
    offer = offers_of_postgres(server.url(), {"orders": "Sales 2024.orders"})[0]
    assert len(offer.head[0]) == 200
    assert offer.read().columns[0].to_pylist() == list(range(1, 120_001))


def test_a_query_is_a_table_too(server: Server) -> None:
    query = "SELECT id, sum(paid) AS paid FROM orders GROUP BY id ORDER BY id DESC; "
    offer = offers_of_postgres(server.url(), {"spent": query})[0]
    assert (offer.name, offer.stem, offer.headers) == ("crm [spent]", "spent", ("id", "paid"))
    assert offer.read().columns[0].to_pylist() == [2, 1]


WRITING = (
    "SELECT 1; DELETE FROM customers",
    "WITH gone AS (DELETE FROM customers RETURNING id) SELECT * FROM gone",
    "SELECT 1) AS a; COMMIT; DELETE FROM customers; SELECT * FROM (SELECT 1",
    "SELECT set_config('transaction_read_only', 'off', true)",
    "SELECT nextval('counter')",
)
COUNTED = "SELECT count(*) FROM customers; SELECT count(*) FROM pg_largeobject_metadata; TABLE counter"


@pytest.mark.parametrize("query", WRITING)
def test_nothing_can_be_written(server: Server, query: str) -> None:
    server.psql("CREATE SEQUENCE IF NOT EXISTS counter")
    before = server.psql(COUNTED)
    with pytest.raises(UnreadableFile, match="the query cannot be run"):
        offers_of_postgres(server.url(), {"orders": query})[0].read()
    assert server.psql(COUNTED) == before


def test_what_a_read_only_transaction_lets_through_is_taken_back(server: Server) -> None:
    with contextlib.suppress(UnreadableFile):  # newer servers refuse it
        offers_of_postgres(server.url(), {"orders": "SELECT lo_create(4711) AS made"})[0].read()
    assert server.psql("SELECT count(*) FROM pg_largeobject_metadata") == "0"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("order", "nearest name: orders"),
        ("zzz", "has no table 'zzz' (its tables: broken, customers, nothing, orders, spenders, Sales 2024.orders)"),
        ("SELECT nope FROM orders", 'column "nope" does not exist'),
        ("SELECT email::int FROM customers", 'invalid input syntax for type integer: "…"'),
    ],
)
def test_what_is_not_there_is_said_with_what_is(server: Server, wanted: str, said: str) -> None:
    with pytest.raises(UnreadableFile) as caught:
        offers_of_postgres(server.url(), {"orders": wanted})
    assert said in str(caught.value)


def test_an_empty_table_that_was_asked_for(server: Server) -> None:
    with pytest.raises(EmptyTable, match="columns found: id"):
        offers_of_postgres(server.url(), {"orders": "nothing"})[0].read()
    with pytest.raises(EmptyTable, match="'postgres' holds no table"):
        offers_of_postgres(server.url(database="postgres"))


def refusals(server: Server) -> dict[str, tuple[str, str]]:
    """Addresses that cannot work, with why."""
    return {
        "wrong password": (server.url(password="topsecret1"), "no_entry"),
        "wrong user": (server.url(user="topsecret1"), "no_entry"),
        "no database": (server.url(database="nope"), "no_database"),
        "nobody there": ("postgresql://shop:topsecret1@127.0.0.1:1/crm", "no_server"),
        "no such host": ("postgresql://shop:topsecret1@nowhere.invalid/crm", "no_server"),
        "at sign": ("postgresql://shop:topsecret1@topsecret1@127.0.0.1/crm", "bad_url"),
        "slash": ("postgresql://shop:topsecret1/topsecret1@127.0.0.1/crm", "bad_url"),
        "question mark": ("postgresql://shop:1?topsecret1@127.0.0.1/crm", "bad_url"),
        "number sign": ("postgresql://shop:1#topsecret1@127.0.0.1/crm", "bad_url"),
        "per cent": ("postgresql://shop:topsecret1%zz@127.0.0.1/crm", "bad_url"),
        "port": ("postgresql://shop:topsecret1@127.0.0.1:topsecret1/crm", "bad_url"),
        "bracket": ("postgresql://shop:topsecret1@[topsecret1/crm", "bad_url"),
        "in the query": (f"postgresql://127.0.0.1:{server.port}/crm?user=shop&password=topsecret1", "no_entry"),
        "unknown option": ("postgresql://shop@127.0.0.1/crm?topsecret1=topsecret1", "bad_url"),
    }


CASES = (
    "wrong password", "wrong user", "no database", "nobody there", "no such host", "at sign", "slash", "question mark",
    "number sign", "per cent", "port", "bracket", "in the query", "unknown option",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_refusal_says_what_to_do_and_never_the_password(server: Server, case: str) -> None:
    url, reason = refusals(server)[case]
    with pytest.raises(UnreadableFile) as caught:
        offers_of_postgres(url)
    assert caught.value.reason == reason
    for code in ("en", "ja"):
        with in_language(code):  # type: ignore[arg-type]
            said = str(caught.value) + repr(caught.value) + repr(caught.value.values)
            assert "topsecret1" not in said
            assert PASSWORD not in said
            assert WRITTEN not in said
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_without_the_driver_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql", None)
    with pytest.raises(UnreadableFile, match=r'pip install "crmkit\[postgres\]"'):
        offers_of_postgres("postgresql://shop@127.0.0.1/crm")
