"""The customer database: saved as one file, looked into, changed and taken back, each change whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmkit.datasets.crm import Crm
from crmkit.datasets.customer_database import CustomerDatabase
from crmkit.datasets.hashes import fingerprint
from crmkit.datasets.journal import Journal
from crmkit.datasets.shop_file import load_database
from crmkit.errors import CannotWrite, ColumnError, CrmkitError, ParameterError, UnreadableFile, WrongType
from crmkit.schema import TABLES
from crmkit.texts import LANGUAGES, Language, in_language
from tests.toy_shop import shop

PEOPLE = {
    "customer_id": ["C1", "C2", "C3", "C4"],
    "name": ["髙橋 花子", "高橋花子", "Sato Ken", "佐藤 健"],
    "name_kana": ["タカハシ ハナコ", None, None, "さとう けん"],
    "email": ["hana@example.com", "Hana.T@example.com", "ken@example.com", None],
    "phone": ["090-1234-5678", None, "+81 3-1234-5678", "０３（９８７６）５４３２"],
    "city": ["大阪", "大阪", None, "神戸市"],
    "birth_date": [date(1990, 1, 2), None, None, None],
    "registered_at": [datetime(2024, 1, 1, 9), datetime(2024, 3, 1), None, None],
    "email_opt_in": [True, False, True, None],
    "opted_out_at": pa.array([None, datetime(2025, 1, 1), None, None], pa.timestamp("us")),
}
ORDERS = {
    "order_id": ["O1", "O2", "O3"],
    "customer_id": ["C1", "C2", "C2"],
    "ordered_at": [datetime(2024, 4, 1, 10, 5), datetime(2024, 5, 1), datetime(2024, 6, 1)],
    "status": ["completed", "completed", "cancelled"],
    "net_amount": [4400.0, 0.1 + 0.2, None],
}
ITEMS = {"order_id": ["O1", "O1", "O2"], "line_no": [1, 2, 1], "product_id": ["P1"] * 3, "quantity": [1.0, 2.0, 1.0]}
TICKETS = {
    "ticket_id": ["T1", "T2"], "customer_id": ["C2", None], "created_at": [datetime(2024, 5, 2)] * 2,
    "order_id": pa.array([None, "O1"], pa.string()), "status": ["open", "open"],
}  # fmt: skip
EVENTS = {
    "event_id": ["E1", "E2"], "ticket_id": ["T1", "T2"], "occurred_at": [datetime(2024, 5, 3)] * 2,
    "body": ["タカハシの秘密", "<b>ほかの人</b>"],
}  # fmt: skip
TOLD = {"customers": PEOPLE, "orders": ORDERS, "order_items": ITEMS, "tickets": TICKETS, "ticket_events": EVENTS}


def small() -> Crm:
    tables = {name: pa.table(columns) for name, columns in TOLD.items()}
    truth = Crm({"customers": pa.table({"customer_id": ["C1"], "person_id": ["秘密P1"]})}, zone="Asia/Tokyo")
    return Crm(tables, zone="Asia/Tokyo", facts={"seed": 7, "locale": "日本"}, truth=truth)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return small().save(tmp_path / "shop.duckdb")


@pytest.fixture
def db(path: Path) -> Iterator[CustomerDatabase]:
    with CustomerDatabase(path, who="hana") as opened:
        yield opened


def state(db: CustomerDatabase) -> dict[str, str]:
    """The content of each table, whatever the order of its rows."""
    crm = db.crm()
    found = {}
    for name in crm.tables:
        table = crm.arrow(name)
        keys = [(column, "ascending") for column in TABLES[name].key]
        found[name] = fingerprint(table.sort_by(keys))
    return found


# The file


def test_one_file_comes_back_exactly(tmp_path: Path) -> None:
    crm = small()
    path = crm.save(tmp_path / "new" / "shop.duckdb")
    assert sorted(item.name for item in path.parent.iterdir()) == ["shop.duckdb"]
    again = load_database(path)
    assert again.fingerprint() == crm.fingerprint()
    assert (again.zone, again.facts) == (crm.zone, crm.facts)
    assert again.truth is not None
    assert again.orders.dtypes.astype(str).to_dict() == crm.orders.dtypes.astype(str).to_dict()
    assert load_database(again.save(path, overwrite=True)).fingerprint() == crm.fingerprint()


def test_a_whole_shop_comes_back_exactly(tmp_path: Path) -> None:
    crm = Crm(shop(300), zone="Asia/Tokyo")
    assert load_database(crm.save(tmp_path / "shop.duckdb")).fingerprint() == crm.fingerprint()


@pytest.mark.parametrize(("code", "said"), [("ja", "顧客"), ("en", "customers")])
def test_other_tools_find_keys_types_and_comments(tmp_path: Path, code: Language, said: str) -> None:
    with in_language(code):
        path = small().save(tmp_path / "shop.duckdb")
    with closing(duckdb.connect(path, read_only=True)) as plain:
        comments = dict(
            plain.execute("SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'main'").fetchall()
        )
        assert comments["customers"] == said
        columns = plain.execute(
            "SELECT column_name, data_type, is_nullable, comment FROM duckdb_columns()"
            " WHERE table_name = 'orders' AND schema_name = 'main'"
        ).fetchall()
        assert ("order_id", "VARCHAR", False) == columns[0][:3]
        assert ("ordered_at", "TIMESTAMP", False) == columns[2][:3]
        assert all(column[3] for column in columns)
        keys = plain.execute(
            "SELECT constraint_column_names FROM duckdb_constraints()"
            " WHERE table_name = 'order_items' AND constraint_type = 'PRIMARY KEY'"
        ).fetchall()
        assert keys == [(["order_id", "line_no"],)]
        about = dict(plain.execute("SELECT name, value FROM crmkit_about").fetchall())
        assert about["zone"] == "Asia/Tokyo"
        assert json.loads(about["facts"])["seed"] == 7


def test_what_is_there_is_replaced_only_when_asked(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="overwrite=True"):
        small().save(path)
    other = tmp_path / "notes.duckdb"
    other.write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(ParameterError, match="notes.duckdb"):
            small().save(other, overwrite=overwrite)
    assert other.read_text() == "mine"
    with closing(duckdb.connect(tmp_path / "bi.duckdb")) as plain:
        plain.execute("CREATE TABLE t (a INTEGER)")
    with pytest.raises(ParameterError):
        small().save(tmp_path / "bi.duckdb", overwrite=True)
    with pytest.raises(ParameterError):
        small().save(path, "xlsx")  # type: ignore[arg-type]
    folder = small().save(tmp_path / "folder.duckdb", "csv")  # a format that is given makes a folder, as ever
    assert (folder / "manifest.json").is_file()


def test_a_save_that_fails_leaves_what_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("crmkit.datasets.database.Database.pairs", full)
    with pytest.raises(CannotWrite):
        small().save(path, overwrite=True)
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_database_that_is_changed_after_it_was_loaded_is_not_mixed(path: Path) -> None:
    crm = load_database(path)
    assert len(crm.orders) == 3
    with CustomerDatabase(path, who="hana") as db:
        with pytest.raises(UnreadableFile, match="db.crm"):
            load_database(path)
        db.correct("customers", "C1", city="大阪市")
    with pytest.raises(UnreadableFile, match="crmkit.load"):
        _ = crm.customers
    assert load_database(path).customers["city"][0] == "大阪市"


# Opening


def test_other_files_are_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="shop.duckdb"):
        CustomerDatabase(tmp_path / "shpo.duckdb")
    other = tmp_path / "bi.duckdb"
    with closing(duckdb.connect(other)) as plain:
        plain.execute("CREATE TABLE sales (a INTEGER)")
    with pytest.raises(UnreadableFile, match="sales"):
        CustomerDatabase(other)
    (tmp_path / "text.duckdb").write_text("no database" * 1000)
    with pytest.raises(UnreadableFile):
        CustomerDatabase(tmp_path / "text.duckdb")
    with closing(duckdb.connect(path)) as plain:
        plain.execute("UPDATE crmkit_about SET value = '99' WHERE name = 'layout'")
    with pytest.raises(UnreadableFile) as error:
        CustomerDatabase(path)
    assert error.value.reason == "newer"
    with pytest.raises(UnreadableFile, match="99|newer"):  # nor is it replaced
        small().save(path, overwrite=True)
    orders = Crm({"orders": pa.table(ORDERS)}, zone="Asia/Tokyo").save(tmp_path / "orders.duckdb")
    with pytest.raises(ParameterError, match="customers"):
        CustomerDatabase(orders)
    with pytest.raises(ParameterError, match="who"):
        CustomerDatabase(orders, who=" ")


def test_two_processes_cannot_both_have_it(path: Path) -> None:
    program = "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        for use in (lambda: CustomerDatabase(path), lambda: small().save(path, overwrite=True)):
            with pytest.raises(UnreadableFile, match=str(other.pid)) as error:
                use()
            assert error.value.reason == "database_locked"
        other.communicate("")
    CustomerDatabase(path).close()


def test_opening_again_closes_the_earlier(path: Path) -> None:
    first = CustomerDatabase(path, who="a")
    with CustomerDatabase(path, who="b") as second:
        assert second.correct("customers", "C1", city="京都").number == 1
        with pytest.raises(ParameterError, match="closed"), in_language("en"):
            first.find("C1")
    for use in (second.journal, second.crm, second.undo, lambda: second.correct("customers", "C1", city="x")):
        with pytest.raises(ParameterError) as error:
            use()
        assert error.value.reason == "database_closed"
    second.close()


# Looking


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("C1", ["C1"]), ("c1", ["C1"]), ("Ｃ１", ["C1"]),
        ("高橋", ["C1", "C2"]), ("髙橋　花子", ["C1", "C2"]), ("花子 高橋", ["C1", "C2"]),
        ("たかはし", ["C1"]), ("ﾀｶﾊｼ", ["C1"]), ("サトウケン", ["C4"]), ("SATO", ["C3"]), ("ken sato", ["C3"]),
        ("HANA.T@EXAMPLE.COM", ["C2"]), ("hana@", ["C1"]), ("example.com ken", ["C3"]),
        ("09012345678", ["C1"]), ("090 1234", ["C1"]), ("+81-90-1234-5678", ["C1"]), ("03-1234-5678", ["C3"]),
        ("０３ー９８７６ー５４３２", ["C4"]), ("5432", ["C4"]),
        ("zzzz", []), ("' OR 1=1 --", []), ("・・", []), ("%", []),
    ],
)  # fmt: skip
def test_customers_are_found_however_it_is_written(db: CustomerDatabase, words: str, ids: list[str]) -> None:
    found = db.find(words)
    assert found["customer_id"].tolist() == ids
    assert list(found.columns) == ["match", *PEOPLE]


def test_the_likeliest_comes_first_and_a_slip_is_forgiven(db: CustomerDatabase) -> None:
    db.add("customers", {"customer_id": "C99", "name": "花"})
    assert db.find("花")["customer_id"].tolist()[0] == "C99"
    assert db.find("C")["customer_id"].tolist()[-1] == "C99"
    assert len(db.find("C", limit=2)) == 2
    slip = db.find("Sato Kem")
    assert slip[["match", "customer_id"]].values.tolist() == [["similar", "C3"]]
    for words, limit in (("", 5), ("  ", 5), ("a", 0), ("a", True)):
        with pytest.raises(ParameterError):
            db.find(words, limit=limit)


def test_what_is_found_follows_every_change(db: CustomerDatabase) -> None:
    assert db.find("Suzuki").empty
    db.correct("customers", "C3", name="Suzuki")
    assert db.find("suzuki")["customer_id"].tolist() == ["C3"]
    db.undo()
    assert db.find("suzuki").empty
    db.merge(keep="C1", away="C2")
    assert db.find("高橋")["customer_id"].tolist() == ["C1"]


def test_the_single_view_shows_everything_escaped(db: CustomerDatabase) -> None:
    view = db.customer("C2")
    assert {name: len(frame) for name, frame in view.items()} == {
        "orders": 2, "order_items": 1, "tickets": 1, "ticket_events": 1,
    }  # fmt: skip
    assert view.record["name"] == "高橋花子"
    assert view.orders["order_id"].tolist() == ["O2", "O3"]
    db.correct("customers", "C2", name="<script>alert(1)</script>")
    db.correct("ticket_events", "E1", body="<img src=x>")
    shown = db.customer("C2")._repr_html_()
    assert "<script>" not in shown
    assert "<img" not in shown
    assert "&lt;script&gt;" in shown
    with pytest.raises(ParameterError, match="C1"):
        db.customer("C11")
    with pytest.raises(AttributeError):
        _ = view.nothing


def test_only_who_agreed_may_be_written_to(db: CustomerDatabase) -> None:
    assert db.contactable()["customer_id"].tolist() == ["C1", "C3"]
    db.correct("customers", "C1", opted_out_at="2024-05-01T00:00")
    assert db.contactable()["customer_id"].tolist() == ["C3"]
    db.correct("customers", "C3", email=None)
    assert db.contactable().empty
    with pytest.raises(ParameterError, match="email"):
        db.contactable("phone")


def test_who_unsubscribed_is_not_written_to(tmp_path: Path) -> None:
    sends = {"send_id": ["S1"], "campaign_id": ["K1"], "customer_id": ["C1"], "unsubscribed_at": [datetime(2025, 1, 1)]}
    crm = Crm({"customers": pa.table(PEOPLE), "campaign_sends": pa.table(sends)}, zone="Asia/Tokyo")
    with CustomerDatabase(crm.save(tmp_path / "shop.duckdb")) as db:
        assert db.contactable()["customer_id"].tolist() == ["C3"]


def test_questions_take_values_and_cannot_write(db: CustomerDatabase, tmp_path: Path) -> None:
    before = state(db)
    assert db.ask("SELECT customer_id FROM customers WHERE city = ?", ["大阪"])["customer_id"].tolist() == ["C1", "C2"]
    assert db.ask("FROM orders WHERE order_id = $o", {"o": "O1"})["net_amount"].tolist() == [4400.0]
    assert db.ask("SELECT ? AS a", ["'; DROP TABLE orders; --"])["a"].tolist() == ["'; DROP TABLE orders; --"]
    assert state(db) == before
    (tmp_path / "secret.csv").write_text("a\n1\n")
    for sql in (
        "DELETE FROM orders", "UPDATE customers SET city = 'x'", "DROP TABLE orders", "SELECT 1; DELETE FROM orders",
        "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone", f"COPY orders TO '{tmp_path / 'out.csv'}'",
        f"ATTACH '{tmp_path / 'x.duckdb'}'", "INSTALL httpfs", "LOAD httpfs", "PRAGMA database_list",
        "SET memory_limit = '9GB'", "SET enable_external_access = true", "CREATE TABLE t (a INTEGER)", "BEGIN", "",
        f"SELECT * FROM read_csv('{tmp_path / 'secret.csv'}')", f"SELECT * FROM '{tmp_path / 'secret.csv'}'",
        "SELECT * FROM connection", "SELECT * FROM nowhere", "SELECT", "EXPLAIN ANALYZE DELETE FROM orders",
        "SELECT * FROM customers WHERE city = ?", "CALL force_checkpoint()",
    ):  # fmt: skip
        with pytest.raises(ParameterError) as error:
            db.ask(sql)
        assert error.value.reason in ("only_select", "ask_failed"), sql
    assert state(db) == before
    assert sorted(item.suffix for item in tmp_path.iterdir()) == [".csv", ".duckdb", ".wal"]
    assert db.correct("customers", "C1", city="x").rows == {"customers": 1}  # and work goes on


# Changing


def test_a_correction_is_journalled(db: CustomerDatabase) -> None:
    done = db.correct("customers", "C1", email="a@example.com", city=None, name="髙橋 花子", why="phoned")
    assert (done.number, done.what, done.rows) == (1, "correct", {"customers": 1})
    journal = db.journal()
    assert journal[["change", "who", "what", "table", "key", "column", "before", "after", "why", "undone"]].astype(
        object
    ).where(
        journal[["change", "who", "what", "table", "key", "column", "before", "after", "why", "undone"]].notna(), None
    ).values.tolist() == [
        [1, "hana", "correct", "customers", "C1", "email", "hana@example.com", "a@example.com", "phoned", False],
        [1, "hana", "correct", "customers", "C1", "city", "大阪", None, "phoned", False],
    ]
    again = db.correct("customers", "C1", email="a@example.com")
    assert (again.number, again.rows) == (None, {})
    assert len(db.journal()) == 2


@pytest.mark.parametrize(
    ("table", "key", "values", "kind", "reason"),
    [
        ("customers", "C1", {"mail": "x"}, ColumnError, "not_in_database"),
        ("customers", "C1", {}, ParameterError, "nothing_to_change"),
        ("customers", "C1", {"customer_id": "C9"}, ParameterError, "key_stays"),
        ("customers", "C9", {"city": "x"}, ParameterError, "no_customer"),
        ("orders", "O9", {"status": "completed"}, ParameterError, "no_row"),
        ("order_items", "O1", {"quantity": 1}, ParameterError, "key_parts"),
        ("order_items", ("O1", "1"), {"quantity": 1}, WrongType, "value_kind"),
        ("nothing", "C1", {"city": "x"}, ParameterError, "table_not_there"),
        ("customers", "C1", {"city": 5}, WrongType, "value_kind"),
        ("customers", "C1", {"city": "\ud800"}, WrongType, "value_kind"),
        ("customers", "C1", {"email_opt_in": 1}, WrongType, "value_kind"),
        ("customers", "C1", {"birth_date": "1990-13-01"}, WrongType, "value_kind"),
        ("customers", "C1", {"birth_date": datetime(1990, 1, 1, 5)}, WrongType, "value_kind"),
        ("customers", "C1", {"birth_date": "1890-01-01"}, ColumnError, "value_low"),
        ("customers", "C1", {"registered_at": date(2024, 1, 1)}, WrongType, "value_kind"),
        ("orders", "O1", {"status": "done"}, ColumnError, "value_allowed"),
        ("orders", "O1", {"status": ""}, WrongType, "value_kind"),
        ("orders", "O1", {"net_amount": -1}, ColumnError, "value_low"),
        ("orders", "O1", {"net_amount": "4400"}, WrongType, "value_kind"),
        ("orders", "O1", {"net_amount": float("inf")}, WrongType, "value_kind"),
        ("orders", "O1", {"net_amount": True}, WrongType, "value_kind"),
        ("orders", "O1", {"ordered_at": None}, ColumnError, "value_needed"),
        ("orders", "O1", {"customer_id": "C5"}, ColumnError, "leads_nowhere"),
    ],
)
@pytest.mark.parametrize("code", LANGUAGES)
def test_what_does_not_fit_is_refused_and_said(
    db: CustomerDatabase, table: str, key: Any, values: dict[str, Any], kind: type, reason: str, code: Language
) -> None:
    before = state(db)
    with in_language(code), pytest.raises(kind) as error:
        db.correct(table, key, **values)
    with in_language(code):
        said = str(error.value)
    assert error.value.reason == reason
    assert "{" not in said
    if "birth_date" in values:
        assert "18" not in said
        assert "13" not in said
    assert state(db) == before
    assert db.journal().empty


def test_values_of_other_libraries_are_taken(db: CustomerDatabase) -> None:
    db.correct("orders", "O1", net_amount=np.float32(2.5), ordered_at=pd.Timestamp("2024-04-01T01:00Z"))
    db.correct("order_items", ("O1", np.int64(2)), quantity=np.int64(3))
    db.correct("customers", "C1", email_opt_in=np.bool_(False), birth_date=pd.Timestamp("1991-02-03"), city=pd.NA)
    crm = db.crm()
    assert crm.orders["ordered_at"][0] == pd.Timestamp("2024-04-01 10:00")  # the shop's clock
    assert crm.orders["net_amount"][0] == 2.5
    assert crm.order_items["quantity"].tolist() == [1.0, 3.0, 1.0]
    assert crm.customers.loc[0, "birth_date"] == pd.Timestamp("1991-02-03")
    assert not crm.customers.loc[0, "email_opt_in"]


def test_many_rows_change_together_and_are_counted(db: CustomerDatabase) -> None:
    done = db.change("customers", {"city": "大阪市"}, where={"city": "大阪"}, why="official name")
    assert done.rows == {"customers": 2}
    assert db.change("customers", {"city": "?"}, where={"city": ["大阪市", None], "email_opt_in": True}).rows == {
        "customers": 2
    }
    assert db.change("customers", {"city": "x"}, where={"city": "nowhere"}).number is None
    assert db.change("customers", {"city": "x"}, where={"city": []}).number is None
    with pytest.raises(ParameterError, match="where"):
        db.change("customers", {"city": "x"}, where={})
    with pytest.raises(ColumnError):
        db.change("customers", {"city": "x"}, where={"town": "x"})
    with pytest.raises(ParameterError, match="C9"):
        db.customer("C9")
    assert db.undo().rows == {"customers": 2}


def test_rows_are_added_and_removed(db: CustomerDatabase) -> None:
    order = {"order_id": "O4", "customer_id": "C3", "ordered_at": "2024-07-01 09:00", "net_amount": 100}
    assert db.add("orders", order).rows == {"orders": 1}
    with pytest.raises(ParameterError, match="O4"):
        db.add("orders", order)
    with pytest.raises(ColumnError, match="ordered_at"):
        db.add("orders", {"order_id": "O5", "customer_id": "C3"})
    with pytest.raises(ColumnError, match="C7"):
        db.add("orders", {**order, "order_id": "O5", "customer_id": "C7"})
    with pytest.raises(ParameterError, match="order_items.order_id 2"):
        db.remove("orders", "O1")
    with pytest.raises(ParameterError, match="orders.customer_id 1"):
        db.remove("customers", "C3")
    assert db.remove("order_items", ("O1", 2)).rows == {"order_items": 1}
    assert db.remove("orders", "O4").rows == {"orders": 1}
    assert db.remove("customers", "C3").rows == {"customers": 1}
    with pytest.raises(ParameterError):
        db.remove("customers", "C3")


def test_a_merge_takes_everything_along(db: CustomerDatabase) -> None:
    before = state(db)
    done = db.merge(keep="C1", away="C2", why="the same person")
    assert done.rows == {"customers": 2, "orders": 2, "tickets": 1}
    assert set(done.filled) == {"opted_out_at", "email_opt_in"}
    assert done.conflicts["column"].tolist() == ["name", "email", "registered_at"]
    assert "hana@" not in repr(done)
    view = db.customer("C1")
    assert len(view.orders) == 3
    assert not view.record["email_opt_in"]  # a refusal of either is one of both
    with pytest.raises(ParameterError):
        db.customer("C2")
    for keep, away in (("C1", "C1"), ("C1", "C2"), ("C9", "C1")):
        with pytest.raises(ParameterError):
            db.merge(keep=keep, away=away)
    db.undo()
    assert state(db) == before


# Taking back


def test_undo_redo_and_what_stands_in_the_way(db: CustomerDatabase) -> None:
    before = state(db)
    db.correct("customers", "C1", city="A")
    db.correct("customers", "C1", city="B")
    db.correct("customers", "C1", phone=None)
    after = state(db)
    with pytest.raises(ParameterError, match="2") as error:
        db.undo(1)
    assert error.value.reason == "undo_later"
    assert error.value.values["later"] == 2
    assert db.undo(2).number == 4
    assert db.undo(1).number == 5
    for again in (1, 2):
        with pytest.raises(ParameterError, match="4|5") as error:
            db.undo(again)
        assert error.value.reason == "undone_already"
    with pytest.raises(ParameterError) as error:  # the redo of 2 would find another city than it left
        db.undo(4)
    assert error.value.reason == "undo_moved"
    assert db.undo(5).number == 6
    assert db.undo(4).number == 7
    assert state(db) == after
    for _ in range(3):
        db.undo()
    assert state(db) == before
    with pytest.raises(ParameterError) as error:
        db.undo()
    assert error.value.reason == "nothing_to_undo"
    for change in (0, 99, "1", True):
        with pytest.raises(ParameterError) as error:
            db.undo(change)  # type: ignore[arg-type]
        assert error.value.reason == "no_change"


def test_an_undo_makes_no_orphans(db: CustomerDatabase) -> None:
    db.add("customers", {"customer_id": "C9"})
    db.add("orders", {"order_id": "O9", "customer_id": "C9", "ordered_at": "2024-01-01 00:00"})
    with pytest.raises(ParameterError) as error:
        db.undo(1)
    assert (error.value.reason, error.value.values["later"]) == ("undo_later", 2)
    db.undo(2)
    db.undo(1)
    with pytest.raises(ParameterError) as error:  # the order again, without its customer
        db.undo(3)
    assert (error.value.reason, error.value.values["later"]) == ("undo_later", 4)
    db.undo(4)
    db.undo(3)
    assert len(db.customer("C9").orders) == 1


def test_changes_by_other_tools_are_noticed(db: CustomerDatabase, path: Path) -> None:
    db.correct("customers", "C1", city="A")
    db.close()
    with closing(duckdb.connect(path)) as plain:
        plain.execute("UPDATE customers SET city = 'B' WHERE customer_id = 'C1'")
    with CustomerDatabase(path) as again, pytest.raises(ParameterError) as error:
        again.undo()
    assert error.value.reason == "undo_moved"


def test_rows_that_cannot_be_told_apart_are_not_touched(tmp_path: Path) -> None:
    orders = pa.table({**ORDERS, "order_id": ["O1", "O1", "O2"]})
    crm = Crm(
        {"customers": pa.table(PEOPLE), "orders": orders, "visits": pa.table({"customer_id": ["C2"]})}, zone="UTC"
    )
    with CustomerDatabase(crm.save(tmp_path / "shop.duckdb")) as db:
        before = {name: fingerprint(db.crm().arrow(name)) for name in ("customers", "orders", "visits")}
        for use, reason in (
            (lambda: db.correct("orders", "O1", net_amount=1), "key_repeats"),
            (lambda: db.remove("orders", "O1"), "key_repeats"),
            (lambda: db.merge(keep="C1", away="C2"), "database_no_key"),
            (lambda: db.add("visits", {"customer_id": "C1"}), "database_no_key"),
        ):
            with pytest.raises(ParameterError) as error:
                use()
            assert error.value.reason == reason
        assert {name: fingerprint(db.crm().arrow(name)) for name in before} == before
        assert db.journal().empty


# Whole or not at all


@pytest.mark.parametrize("step", ["note", "_set", "_remove", "_add"])
def test_an_error_between_change_and_journal_undoes_both(
    db: CustomerDatabase, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(db)
    real = getattr(Journal, step)

    def broken(*args: Any, **named: Any) -> None:
        real(*args, **named)
        raise duckdb.IOException("no space left")

    monkeypatch.setattr(Journal, step, broken)
    use = (
        (lambda: db.add("customers", {"customer_id": "C9"}))
        if step == "_add"
        else lambda: db.merge(keep="C1", away="C2")
    )
    with pytest.raises(UnreadableFile, match="no space"):
        use()
    monkeypatch.undo()
    assert state(db) == before
    assert db.journal().empty
    assert use().number == 1


WORKER = """
import sys
from crmkit.datasets.customer_database import CustomerDatabase
db = CustomerDatabase(sys.argv[1], who="worker")
print("begin", flush=True)
for _ in range(10_000):
    db.merge(keep="C1", away="C2")
    db.change("customers", {"city": "x"}, where={"customer_id": ["C1", "C3"]})
    db.undo(); db.undo()
"""


@pytest.mark.parametrize("after", [0.0, 0.03, 0.11, 0.23])
def test_a_killed_process_leaves_whole_changes(path: Path, after: float) -> None:
    with CustomerDatabase(path) as db:
        before = state(db)
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "begin\n"
        time.sleep(0.3 + after)
        os.kill(worker.pid, signal.SIGKILL)
    with CustomerDatabase(path) as db:
        journal = db.journal()
        assert len(journal) > 0
        assert journal["change"].nunique() == journal["change"].max()
        while not journal[~journal["undone"] & journal["undoes"].isna()].empty:
            db.undo()
            journal = db.journal()
        assert state(db) == before


# Forgetting


def test_a_person_is_forgotten_everywhere(db: CustomerDatabase, path: Path) -> None:
    others = state(db)
    db.correct("customers", "C2", email="secret.mail@example.com", why="髙橋さんから電話")
    db.change("customers", {"city": "大阪市"}, where={"city": ["大阪", "神戸市"]}, why="official")
    db.merge(keep="C1", away="C2", why="同じ人")
    with pytest.raises(ParameterError):
        db.forget("C1", why="")
    with pytest.raises(ParameterError):
        db.forget("C2", why="gone by the merge")
    done = db.forget("C1", why="asked for")
    assert done.records == 1
    assert done.rows == {"orders": 3, "tickets": 1}
    assert done.emptied == 2  # T1's text by its customer, T2's by the order
    assert done.past_values > 10
    crm = db.crm()
    assert set(crm.orders["customer_id"]) == {done.stands_for}
    assert crm.orders["net_amount"].sum() == pytest.approx(4400.3)
    assert crm.ticket_events["body"].isna().all()
    assert crm.customers["customer_id"].tolist()[-1] == done.stands_for
    assert crm.truth is not None
    assert crm.truth.customers.empty
    assert (
        fingerprint(crm.arrow("order_items").sort_by([("order_id", "ascending"), ("line_no", "ascending")]))
        == others["order_items"]
    )
    journal = db.journal()
    assert journal.loc[journal["what"] == "change", "key"].tolist() == ["C4"]  # the others' values can still go back
    for change in (1, 3, 4):
        with pytest.raises(ParameterError) as error:
            db.undo(change)
        assert error.value.reason == "change_forgotten"
    assert db.undo().rows == {"customers": 1}
    assert db.find("高橋").empty
    db.close()
    content = b"".join(item.read_bytes() for item in path.parent.iterdir())
    for word in ("花子", "hana@example.com", "secret.mail", "秘密", "90-1234", "髙橋さん", "タカハシ"):
        assert word.encode() not in content, word
    assert sorted(item.name for item in path.parent.iterdir()) == ["shop.duckdb"]
    with closing(duckdb.connect(path, read_only=True)) as plain:  # what the file was, it still is
        assert (
            plain.execute("SELECT count(*) FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'").fetchall()[
                0
            ][0]
            >= 6
        )
        assert plain.execute("SELECT count(comment) FROM duckdb_tables()").fetchall()[0][0] >= 5


def test_a_forgetting_that_was_cut_short_is_finished_at_the_next_opening(
    db: CustomerDatabase, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("crmkit.datasets.customer_database.write_anew", cut)
    with pytest.raises(KeyboardInterrupt):
        db.forget("C1", why="asked for")
    monkeypatch.undo()
    assert "髙橋".encode() in path.read_bytes()
    CustomerDatabase(path).close()
    assert "髙橋".encode() not in path.read_bytes()


# Any sequence, and all the way back

IDS = st.sampled_from(["C1", "C2", "C3", "C4", "C5", "C6"])
ORDER_IDS = st.sampled_from(["O1", "O2", "O3", "O4"])
WORDS = st.one_of(st.none(), st.text(max_size=4), st.sampled_from(["大阪", "'; --", '"', "\x00", "NULL"]))
AMOUNTS = st.one_of(st.none(), st.floats(0, 1e308), st.integers(0, 10**6))
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))
STEPS = st.one_of(
    st.tuples(st.just("correct"), st.just("customers"), IDS, st.fixed_dictionaries({"city": WORDS, "name": WORDS})),
    st.tuples(st.just("correct"), st.just("orders"), ORDER_IDS, st.fixed_dictionaries({"net_amount": AMOUNTS})),
    st.tuples(st.just("correct"), st.just("orders"), ORDER_IDS, st.fixed_dictionaries({"customer_id": IDS})),
    st.tuples(st.just("correct"), st.just("orders"), ORDER_IDS, st.fixed_dictionaries({"ordered_at": MOMENTS})),
    st.tuples(st.just("change"), st.just("customers"), WORDS, st.fixed_dictionaries({"city": WORDS})),
    st.tuples(st.just("add"), st.just("customers"), IDS, st.fixed_dictionaries({"city": WORDS})),
    st.tuples(
        st.just("add"), st.just("orders"), ORDER_IDS, st.fixed_dictionaries({"customer_id": IDS, "ordered_at": MOMENTS})
    ),
    st.tuples(st.just("remove"), st.sampled_from(["orders", "customers"]), st.one_of(IDS, ORDER_IDS), st.just({})),
    st.tuples(st.just("merge"), IDS, IDS, st.just({})),
    st.tuples(st.just("undo"), st.just(""), st.integers(1, 12), st.just({})),
)  # fmt: skip


def do(db: CustomerDatabase, step: tuple[str, str, Any, dict[str, Any]]) -> None:
    what, table, key, values = step
    if what == "correct":
        db.correct(table, key, **values)
    elif what == "change":
        db.change(table, values, where={"city": key})
    elif what == "add":
        db.add(table, {TABLES[table].key[0]: key, **values})
    elif what == "remove":
        db.remove(table, key)
    elif what == "merge":
        db.merge(keep=table, away=key)
    else:
        db.undo(key)


@given(steps=st.lists(STEPS, max_size=10))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_sequence_can_be_taken_back_whole(steps: list[tuple[str, str, Any, dict[str, Any]]]) -> None:
    path = ORIGINAL.with_name("tried.duckdb")
    path.write_bytes(ORIGINAL.read_bytes())
    with CustomerDatabase(path, who="h") as db:
        before = state(db)
        for step in steps:
            entries = len(db.journal())
            try:
                do(db, step)
            except CrmkitError:
                assert len(db.journal()) == entries
        orphans = "SELECT count(*) AS n FROM orders WHERE customer_id NOT IN (SELECT customer_id FROM customers)"
        assert db.ask(orphans)["n"].tolist() == [0]
        done = db.journal()
        while not done[~done["undone"] & done["undoes"].isna()].empty:
            last = db.undo()
            assert last.number is not None
            done = db.journal()
        assert state(db) == before


ORIGINAL = small().save(Path(mkdtemp(prefix="crmkit-test-")) / "shop.duckdb")
