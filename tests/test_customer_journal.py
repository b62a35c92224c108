"""What was done to a customer database is taken back, whole or not at all, and a person can be forgotten."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmkit.datasets.crm import Crm
from crmkit.datasets.customer_database import CustomerDatabase
from crmkit.datasets.hashes import fingerprint
from crmkit.datasets.journal import Journal
from crmkit.errors import CrmkitError, ParameterError, UnreadableFile
from crmkit.schema import TABLES
from tests.small_shop import ORDERS, PEOPLE, small, state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return small().save(tmp_path / "shop.duckdb")


@pytest.fixture
def db(path: Path) -> Iterator[CustomerDatabase]:
    with CustomerDatabase(path, who="hana") as opened:
        yield opened


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
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
