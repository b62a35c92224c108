"""Folders that are not what was saved: damaged, edited, tampered with or somebody else's; and what is not replaced."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crmkit.datasets import load
from crmkit.errors import CannotWrite, ParameterError, UnreadableFile
from tests.test_saved import edit, files, same, says, shop


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def swapped(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.set_column(5, "refund_amount", pa.array([1.0, 2.0, 3.0])), path, store_schema=False)


def other_database(statement: str):
    def change(path: Path) -> None:
        with duckdb.connect(path) as connection:
            connection.execute(statement)

    return change


TAMPERED = [
    ("parquet", "orders.parquet", Path.unlink, ("orders.parquet", "orders", "3")),
    ("parquet", "orders.parquet", cut, ("orders.parquet",)),
    ("parquet", "orders.parquet", swapped, ("orders.parquet", "orders")),
    ("parquet", "orders.parquet", lambda path: pq.write_table(pa.table({"a": [1, 2, 3]}), path), ("order_id", "int64")),
    ("parquet", "orders.parquet", lambda path: pq.write_table(pq.read_table(path).slice(1), path), ("3", "2")),
    ("csv", "orders.csv", lambda path: path.write_bytes(path.read_bytes() + b"4,,,,,\r\n"), ("orders.csv", "3", "4")),
    ("csv", "orders.csv", lambda path: path.write_bytes(path.read_bytes().replace(b"4400", b"4500")), ("orders.csv",)),
    ("csv", "orders.csv", lambda path: path.write_bytes(path.read_bytes().replace(b"-04-", b"/4/")), ("orders.csv",)),
    ("csv", "orders.csv", lambda path: path.write_bytes(path.read_bytes().replace(b"order_id", b"id")), ("order_id",)),
    ("csv", "orders.csv", lambda path: path.write_bytes(path.read_bytes()[:-30] + b"\xff\r\n"), ("orders.csv",)),
    ("csv", "orders.csv", lambda path: path.write_bytes(b""), ("orders.csv",)),
    ("duckdb", "crm.duckdb", Path.unlink, ("crm.duckdb",)),
    ("duckdb", "crm.duckdb", lambda path: path.write_bytes(b"x" * 9000), ("crm.duckdb",)),
    ("duckdb", "crm.duckdb", other_database("UPDATE main.orders SET net_amount = 1"), ("crm.duckdb", "orders")),
    ("duckdb", "crm.duckdb", other_database("DELETE FROM main.orders WHERE order_id = '2'"), ("3", "2")),
    ("duckdb", "crm.duckdb", other_database("DROP TABLE main.orders"), ("crm.duckdb", "orders")),
    ("duckdb", "crm.duckdb", other_database("ALTER TABLE main.orders DROP net_amount"), ("net_amount",)),
    (
        "duckdb", "crm.duckdb",
        other_database("DROP TABLE main.orders; CREATE VIEW main.orders AS SELECT * FROM main.customers"), ("orders",),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("format", "name", "change", "parts"), TAMPERED)
def test_what_was_changed_is_noticed(tmp_path, format, name, change, parts):
    folder = shop().save(tmp_path / "shop", format)
    change(folder / name)
    with pytest.raises(UnreadableFile) as caught:
        _ = load(folder).orders
    says(caught.value, *parts)
    with pytest.raises(UnreadableFile):
        load(folder, verify=True)


@pytest.mark.parametrize(
    "name", ["../orders.parquet", "/etc/passwd", "truth/../../orders.parquet", "..", "", "C:\\x", "a\0b", "link"]
)
def test_no_file_outside_the_folder_is_read(tmp_path, name):
    folder = shop().save(tmp_path / "shop")
    (folder / "orders.parquet").rename(tmp_path / "orders.parquet")
    (folder / "link").symlink_to(tmp_path / "orders.parquet")
    edit(folder, lambda told: told["tables"]["orders"]["files"][0].update(file=name))
    with pytest.raises(UnreadableFile) as caught:
        load(folder)
    says(caught.value, "manifest.json", repr(name))


MANIFESTS = [
    ("bad_manifest", lambda told: told.pop("layout"), ()),
    ("bad_manifest", lambda told: told.update(format="xlsx"), ("xlsx",)),
    ("bad_manifest", lambda told: told.update(zone="Mars/Base"), ("Mars/Base",)),
    ("bad_manifest", lambda told: told.update(facts=[]), ("facts",)),
    ("bad_manifest", lambda told: told["tables"].update({"../x": {}}), ("../x",)),
    ("bad_manifest", lambda told: told["tables"]["orders"].update(files=[]), ("orders",)),
    ("bad_manifest", lambda told: told["tables"]["orders"].update(files=3), ()),
    ("bad_manifest", lambda told: told["tables"]["orders"]["columns"][0].update(kind="blob"), ("blob",)),
    ("newer", lambda told: told.update(layout=99, crmkit="9.9"), ("9.9",)),
]


@pytest.mark.parametrize(("reason", "change", "parts"), MANIFESTS)
def test_a_manifest_that_cannot_be_followed(tmp_path, reason, change, parts):
    folder = shop().save(tmp_path / "shop")
    edit(folder, change)
    with pytest.raises(UnreadableFile) as caught:
        load(folder)
    says(caught.value, "manifest.json", *parts)
    assert caught.value.reason == reason


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'"x"', b"[" * 100_000])
def test_a_manifest_that_is_none(tmp_path, content):
    folder = shop().save(tmp_path / "shop")
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(UnreadableFile) as caught:
        load(folder)
    says(caught.value, "manifest.json")


def test_folders_that_are_none(tmp_path):
    shop().save(tmp_path / "salon_2024")
    with pytest.raises(UnreadableFile) as caught:
        load(tmp_path / "salon_2042")
    says(caught.value, "salon_2042", str(tmp_path), "salon_2024")
    with pytest.raises(UnreadableFile) as caught:
        load(tmp_path / "zzz")
    says(caught.value, "zzz", str(tmp_path))
    assert caught.value.values["nearest"] == ""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "orders.csv").write_text("order_id,customer_id,ordered_at\n1,A,2024-01-01\n2,B,2024-01-01\n")
    assert len(load(tmp_path / "mine").orders) == 2, "a folder of one's own files needs no manifest"


@pytest.mark.parametrize("given", [{"columns": {"order_id": "番号"}}, {"dayfirst": True}, {"zone": "Europe/Berlin"}])
def test_a_saved_folder_needs_no_explanation(tmp_path, given):
    folder = shop().save(tmp_path / "shop")
    with pytest.raises(ParameterError) as caught:
        load(folder, **given)
    says(caught.value, f"{next(iter(given))}=")


def test_nothing_is_replaced_without_being_told(tmp_path):
    folder = shop().save(tmp_path / "a" / "b" / "shop", "csv")
    before = files(tmp_path)
    with pytest.raises(ParameterError) as caught:
        shop().save(folder)
    says(caught.value, str(folder), "customers.csv", "overwrite=True")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text('{"name": "a web app"}')
    for path, found in ((tmp_path / "notes.txt", "notes.txt"), (tmp_path / "other", "manifest.json"), (tmp_path, "a")):
        for overwrite in (True, False):
            with pytest.raises(ParameterError) as caught:
                shop().save(path, overwrite=overwrite)
            says(caught.value, str(path), found)
            assert caught.value.reason == "folder_not_ours"
    (folder / "truth" / "my work.txt").write_text("mine")
    with pytest.raises(ParameterError) as caught:
        shop().save(folder, overwrite=True)
    says(caught.value, str(folder), "truth/my work.txt")
    (folder / "truth" / "my work.txt").unlink()
    (folder / ".DS_Store").write_text("")
    assert {f"a/b/shop/{name}" for name in files(folder)} - {"a/b/shop/.DS_Store"} == set(before)
    shop().save(folder, overwrite=True)
    (tmp_path / "empty").mkdir()
    same(load(shop().save(tmp_path / "empty")), shop())
    with pytest.raises(CannotWrite, match=r"notes\.txt"):
        shop().save(tmp_path / "notes.txt" / "shop")
