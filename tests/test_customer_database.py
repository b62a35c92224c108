"""The customer database: looked into and changed, each change whole and journalled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from crmkit.datasets.crm import Crm
from crmkit.datasets.customer_database import CustomerDatabase
from crmkit.errors import ColumnError, ParameterError, WrongType
from crmkit.texts import LANGUAGES, Language, in_language
from tests.small_shop import PEOPLE, small, state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return small().save(tmp_path / "shop.duckdb")


@pytest.fixture
def db(path: Path) -> Iterator[CustomerDatabase]:
    with CustomerDatabase(path, who="hana") as opened:
        yield opened


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
