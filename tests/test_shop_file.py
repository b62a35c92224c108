"""A shop saved as one database: it comes back exactly, other tools read it, and nothing else is opened."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from crmkit.datasets.crm import Crm
from crmkit.datasets.customer_database import CustomerDatabase
from crmkit.datasets.shop_file import load_database
from crmkit.errors import CannotWrite, ParameterError, UnreadableFile
from crmkit.texts import Language, in_language
from tests.small_shop import ORDERS, small
from tests.toy_shop import shop


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return small().save(tmp_path / "shop.duckdb")


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
