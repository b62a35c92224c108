"""Saved folders: everything comes back as it was, a folder is whole or not there, and what was changed is noticed."""

from __future__ import annotations

import csv
import errno
import fcntl
import io
import itertools
import json
import os
import re
import resource
import subprocess
import sys
import time
from datetime import date, datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import crmkit.datasets
import crmkit.datasets.database
import crmkit.datasets.drafts
import crmkit.datasets.saved
from crmkit import schema
from crmkit.datasets import Crm, load, sample
from crmkit.datasets.engines import ARROW, kind_of
from crmkit.datasets.formats import Place, arrow_schema, read_pieces, write_csv, write_parquet
from crmkit.datasets.hashes import Fingerprint
from crmkit.datasets.manifest import FORMATS, SavedColumn, SavedTable
from crmkit.errors import CannotWrite, ParameterError, UnreadableFile
from crmkit.texts import LANGUAGES, in_language

AWKWARD = [
    "山田 花子", "", None, "a,b", 'she said "no"', "one\ntwo", "one\r\ntwo", "\r", "=1+1", "+81", "-5", "@x", "\tx",
    "'quoted'", "''", "'=1", "＝SUM(A1)", " space ", "NULL", "nan", "true", "2024-01-01", "\ufeff", "\0", "😀", '"',
    ",", "x" * 70_000, "\\", "null",
]  # fmt: skip
RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
FACTS = {"scenario": "salon", "seed": 7, "customers": 2, "levers": {"first_reply_hours": 4.0}, "version": "1", "a": [1]}


def shop() -> Crm:
    """Tables with every kind of column, awkward texts and missing values; one table has no row."""
    n = len(AWKWARD)
    at = [datetime(2024, 4, 1, 10, 5), None, datetime(1999, 12, 31, 23, 59, 59, 123456)] * n
    customers = pa.table(
        {
            "customer_id": [f"C{i}" for i in range(n)],
            "name": AWKWARD,
            "email": AWKWARD[::-1],
            "birth_date": pa.array([date(1990, 2, 28), None, date(1901, 1, 1)] * n)[:n],
            "member_tier": pa.array((["gold", None, "none"] * n)[:n]).dictionary_encode(),
            "email_opt_in": ([True, None, False] * n)[:n],
            "registered_at": pa.array(at[:n], pa.timestamp("us")),
        }
    )
    orders = pd.DataFrame(
        {
            "order_id": ["1", "2", "3"],
            "customer_id": ["C1", None, "C2"],
            "ordered_at": pd.to_datetime(
                ["2024-04-01 10:05", "2024-04-02", "2024-05-01 00:00:00.000001"], format="ISO8601"
            ),
            "is_test": [False, False, True],
            "net_amount": [4400.0, np.nan, 0.1 + 0.2],
            "refund_amount": [-0.0, 1e300, 5e-324],
        }
    )
    items = pa.table({"order_id": ["1", "1"], "line_no": [1, 2], "product_id": ["P", "P"], "quantity": [1.0, None]})
    impressions = pa.table({"interaction_id": ["1", "2"], "occurred_at": at[:1] * 2, "impression": [-2, None]})
    truth = pd.DataFrame({"customer_id": ["C0"], "person_id": ["P0"], "died_at": [pd.NaT], "generation": [2**60]})
    tables = {
        "customers": customers, "orders": orders, "order_items": items, "interactions": impressions,
        "tickets": arrow_schema([SavedColumn("ticket_id", "id"), SavedColumn("created_at", "instant")]).empty_table(),
    }  # fmt: skip
    return Crm(tables, zone="Asia/Tokyo", facts=FACTS, truth=Crm({"customers": truth}, zone="Asia/Tokyo"))


def same(a: Crm, b: Crm) -> None:
    """Equal in every table, type, null, fact and word of it."""
    assert list(a.tables) == list(b.tables)
    for name in a.tables:
        assert a.arrow(name).equals(b.arrow(name)), name
        pd.testing.assert_frame_equal(a.to("pandas").tables[name], b.to("pandas").tables[name], check_exact=True)
    assert (a.zone, a.facts, a.fingerprint()) == (b.zone, b.facts, b.fingerprint())
    assert (a.truth is None) == (b.truth is None)
    if a.truth is not None:
        same(a.truth, b.truth)


def says(error: BaseException, *parts: str) -> None:
    """The message holds all parts in both languages, and leaves no brace open."""
    for code in LANGUAGES:
        with in_language(code):
            for part in parts:
                assert part in str(error), (code, part, str(error))
            assert not re.search(r"\{\w*\}|\{\{|\}\}", str(error))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def edit(folder: Path, change) -> None:
    """Change the manifest."""
    path = folder / "manifest.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    change(told)
    path.write_text(json.dumps(told), encoding="utf-8")


# --- there and back -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_everything_comes_back(tmp_path, format):
    crm = shop()
    folder = crm.save(tmp_path / "shop", format)
    assert folder == tmp_path / "shop"
    again = load(folder)
    same(again, crm)
    assert type(again) is Crm
    assert again.orders["net_amount"].to_list() == [4400.0, pytest.approx(float("nan"), nan_ok=True), 0.1 + 0.2]
    assert again.customers["name"].isna().sum() == 1
    assert load(str(folder), verify=True).facts == FACTS
    assert sorted(item.name for item in tmp_path.iterdir()) == ["shop"]
    # and from one format to the next, without the first object
    for other in FORMATS:
        same(load(load(folder).save(tmp_path / f"{format}-{other}", other)), crm)


@pytest.mark.parametrize("format", FORMATS)
def test_every_table_of_the_model_comes_back(tmp_path, format):
    some = {
        "id": ["1", "2", None], "text": ["あ", "=b", None], "category": ["x", "y", None], "flag": [True, False, None],
        "instant": [datetime(2024, 1, 1, 9), datetime(2024, 1, 1, 9, 0, 0, 1), None], "amount": [1.5, 0.0, None],
        "date": [date(2024, 1, 1), date(2025, 1, 1), None], "number": [1e-7, -3.0, None], "integer": [-1, 2**62, None],
    }  # fmt: skip

    def made(models) -> Crm:
        tables = {
            name: pa.table({column.name: pa.array(some[column.kind], ARROW[column.kind]) for column in model.columns})
            for name, model in models.items()
        }
        return Crm(tables, zone="Europe/Berlin")

    crm = Crm(made(schema.TABLES)._given, zone="Europe/Berlin", truth=made(schema.TRUTH))
    again = load(crm.save(tmp_path / "all", format))
    same(again, crm)
    for name, model in schema.TRUTH.items():
        kinds = [kind_of(field.name, field.type, model) for field in again.truth.arrow(name).schema]
        assert kinds == [column.kind for column in model.columns]


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_a_table_may_come_in_parts(tmp_path, format):
    crm = shop()
    folder = crm.save(tmp_path / "shop", format)
    table, place = crm.arrow("customers"), Place("customers")
    columns = tuple(SavedColumn(field.name, kind_of(field.name, field.type, place.model)) for field in table.schema)
    (folder / "customers").mkdir()
    parts = {}
    for number, piece in enumerate([table.slice(0, 7), table.slice(7, 0), table.slice(7)]):
        name = place.file(format, number)
        (write_csv if format == "csv" else write_parquet)(folder / name, [piece], place, columns)
        parts[name] = Fingerprint.of(piece)
    (folder / place.file(format)).unlink()
    entry = SavedTable.of(parts, columns)
    assert entry.hash == crm.fingerprint()["customers"]
    assert next(iter(parts)) == f"customers/part-00000.{format}"
    listed = [{"file": file.file, "rows": file.rows, "hash": file.hash} for file in entry.files]
    edit(folder, lambda told: told["tables"]["customers"].update(files=listed))
    same(load(folder), crm)
    edit(folder, lambda told: told["tables"]["customers"].update(files=listed[::-1]))
    with pytest.raises(UnreadableFile, match=r"manifest\.json.*customers"):
        _ = load(folder).customers


def test_tables_are_read_when_they_are_asked_for(tmp_path):
    folder = shop().save(tmp_path / "shop")
    crm = load(folder)
    (folder / "orders.parquet").unlink()
    assert len(crm.customers) == len(AWKWARD)
    with pytest.raises(UnreadableFile, match=r"orders\.parquet"):
        _ = crm.orders


def test_a_loaded_folder_may_be_saved_over_itself(tmp_path):
    folder = shop().save(tmp_path / "shop")
    crm = load(folder)
    crm.save(folder, "csv", overwrite=True)
    same(crm, shop())
    same(load(folder), shop())
    assert not list(tmp_path.glob(".*"))


def test_what_was_loaded_from_own_files_can_be_saved(tmp_path):
    crm = sample("ten_customers")
    again = load(crm.save(tmp_path / "ten"))
    pd.testing.assert_frame_equal(again.orders, crm.orders)
    assert again.fingerprint() == crm.fingerprint()
    assert crm.to("polars").report() == crm.report()


def test_a_shipped_set_may_be_a_saved_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(crmkit.datasets.loading, "_shipped", lambda: tmp_path)
    shop().save(tmp_path / "bakery", "csv")
    same(sample("bakery"), shop())
    with pytest.raises(ParameterError, match="bakery"):
        sample("salon")


# --- CSV ------------------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.text(alphabet="'=+-@\t\r\n\",あ ＝\0a", max_size=5), st.text(max_size=8)),
            st.one_of(st.none(), st.floats(allow_nan=False)),
            st.one_of(st.none(), st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))),
            st.one_of(st.none(), st.text(max_size=3)),
        ),
        max_size=8,
    ),
    st.integers(1, 4),
)
def test_any_cell_survives_csv(tmp_path, rows, width):
    kinds = ("text", "number", "instant", "id")[:width]
    columns = tuple(SavedColumn(name, kind) for name, kind in zip(("=a", 'b"', "c,\n", "'d"), kinds, strict=False))
    types = arrow_schema(columns)
    table = pa.table([[row[at] for row in rows] for at in range(width)], schema=types)
    path = tmp_path / "table.csv"
    path.unlink(missing_ok=True)
    write_csv(path, [table.slice(0, 2), table.slice(2)], Place("orders"), columns)
    found = pa.concat_tables([types.empty_table(), *read_pieces("csv", path, Place("orders"), columns)])
    assert found.equals(table)
    content = path.read_bytes().decode()
    read = [cells or [""] for cells in csv.reader(io.StringIO(content, newline=""))]  # anybody's reader sees the same
    assert [len(cells) for cells in read] == [width] * (1 + len(rows))
    said = [row[0] or "" for row in rows]
    assert [cells[0] for cells in read[1:]] == ["'" + one if one.startswith((*RISKY, "'")) else one for one in said]
    assert not any(cells[0].startswith(RISKY) for cells in read)
    assert content.endswith("\r\n")


def test_csv_is_safe_to_open_in_a_spreadsheet(tmp_path):
    folder = shop().save(tmp_path / "shop", "csv")
    for path in folder.rglob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for name, cell in row.items():
                    if name not in ("refund_amount", "impression"):  # numbers may be negative
                        assert not cell.startswith(RISKY), (path, name, cell)
    assert b"2024-04-01 10:05:00" in (folder / "customers.csv").read_bytes()
    lines = (folder / "orders.csv").read_bytes().split(b"\r\n")
    assert lines[0] == b"order_id,customer_id,ordered_at,is_test,net_amount,refund_amount"
    assert lines[2] == b"2,,2024-04-02 00:00:00.000000,false,,1e+300"


# --- Parquet and DuckDB ---------------------------------------------------------------------------------------------


def test_the_same_table_makes_the_same_parquet_file(tmp_path):
    rows = 300_000
    numbers = np.arange(rows)
    table = pa.table(
        {
            "order_id": [f"O{i:07}" for i in numbers],
            "customer_id": [f"C{i // 9}" for i in numbers],
            "ordered_at": pa.array(numbers * 60_000_000, pa.timestamp("us")),
            "channel": pa.array(["web", "app", None] * (rows // 3)),
            "net_amount": numbers % 7 * 1100.0,
        }
    )
    columns = tuple(SavedColumn(f.name, kind_of(f.name, f.type, schema.TABLES["orders"])) for f in table.schema)
    cuts = [0, 1, 1, 131_072, 131_073, 250_000, rows]
    pieces = [table.slice(a, b - a) for a, b in itertools.pairwise(cuts)]
    write_parquet(tmp_path / "whole.parquet", [table], Place("orders"), columns)
    write_parquet(tmp_path / "cut.parquet", pieces, Place("orders"), columns)
    assert (tmp_path / "whole.parquet").read_bytes() == (tmp_path / "cut.parquet").read_bytes()
    file = pq.ParquetFile(tmp_path / "whole.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [131_072, 131_072, 37_856]
    stored = {
        file.metadata.row_group(0).column(i).path_in_schema: file.metadata.row_group(0).column(i) for i in range(5)
    }
    assert {column.compression for column in stored.values()} == {"ZSTD"}
    assert "DELTA_BYTE_ARRAY" in stored["order_id"].encodings
    assert "DELTA_BINARY_PACKED" in stored["ordered_at"].encodings
    coded = [piece.set_column(3, "channel", piece["channel"].dictionary_encode()) for piece in pieces]
    write_parquet(tmp_path / "coded.parquet", coded, Place("orders"), columns)
    assert pq.read_table(tmp_path / "coded.parquet").equals(table)


def test_the_database_has_types_and_rules(tmp_path):
    folder = shop().save(tmp_path / "shop", "duckdb")
    assert sorted(item.name for item in folder.iterdir()) == ["crm.duckdb", "manifest.json"]
    with duckdb.connect(folder / "crm.duckdb", read_only=True) as connection:
        types = dict(connection.sql("SELECT column_name, column_type FROM (DESCRIBE main.customers)").fetchall())
        assert types["birth_date"] == "DATE"
        assert (types["registered_at"], types["email_opt_in"], types["name"]) == ("TIMESTAMP", "BOOLEAN", "VARCHAR")
        keys = connection.sql(
            "SELECT table_name, constraint_column_names FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'"
        ).fetchall()
        assert dict(keys)["order_items"] == ["order_id", "line_no"]
        assert connection.sql("SELECT person_id FROM truth.customers").fetchall() == [("P0",)]
        with pytest.raises(duckdb.Error):
            connection.execute("INSERT INTO main.orders SELECT * FROM main.orders")


def test_spoilt_rows_are_kept_at_the_cost_of_a_rule(tmp_path):
    twice = pa.table({"customer_id": ["A", "A", None], "name": ["x", "y", "z"]})
    crm = Crm({"customers": twice, "orders": pa.table({"order_id": ["1"]})}, zone="Asia/Tokyo")
    folder = crm.save(tmp_path / "shop", "duckdb")
    same(load(folder), crm)
    with duckdb.connect(folder / "crm.duckdb", read_only=True) as connection:
        rules = connection.sql("SELECT DISTINCT table_name FROM duckdb_constraints()").fetchall()
    assert rules == [("orders",)]


# --- whole or not there ---------------------------------------------------------------------------------------------


def failing(monkeypatch, error: BaseException) -> None:
    """The third table that is written cannot be."""
    calls = iter(range(100))

    class Failing(crmkit.datasets.saved.Watch):
        def __call__(self, pieces):
            if next(calls) == 2:
                raise error
            yield from super().__call__(pieces)

    monkeypatch.setattr(crmkit.datasets.saved, "Watch", Failing)


FAULTS = [
    (lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), CannotWrite, "full"),
    (lambda: OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), CannotWrite, "full"),
    (lambda: PermissionError(errno.EACCES, os.strerror(errno.EACCES)), CannotWrite, "no_access"),
    (lambda: OSError(errno.EIO, os.strerror(errno.EIO)), CannotWrite, "failed"),
    (lambda: UnreadableFile("rows_differ", file="x", expected="1", found="2"), UnreadableFile, "rows_differ"),
    (KeyboardInterrupt, KeyboardInterrupt, None),
]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("fault", "kind", "reason"), FAULTS)
def test_a_save_that_fails_leaves_what_was_there(tmp_path, monkeypatch, format, fault, kind, reason):
    old = Crm({"orders": pa.table({"order_id": ["old"]})}, zone="Asia/Tokyo")
    folder = old.save(tmp_path / "shop", "csv")
    before = files(tmp_path)
    for name, overwrite in (("shop", True), ("new", False)):
        failing(monkeypatch, fault())
        with pytest.raises(kind) as caught:
            shop().save(tmp_path / name, format, overwrite=overwrite)
        assert reason is None or caught.value.reason == reason
        if kind is CannotWrite:
            says(caught.value, str(tmp_path / name), fault().strerror)
        assert files(tmp_path) == before
        monkeypatch.undo()
    same(load(shop().save(folder, format, overwrite=True)), shop())


@pytest.mark.parametrize("format", FORMATS)
def test_a_disk_that_is_really_full(tmp_path, format):
    """A limit on the size of files stands for the disk."""
    rng = np.random.default_rng(1)
    big = Crm({"orders": pd.DataFrame({"net_amount": rng.random(200_000)})}, zone="Asia/Tokyo")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        with pytest.raises(CannotWrite) as caught:
            big.save(tmp_path / "shop", format)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.reason == "full"
    says(caught.value, str(tmp_path / "shop"))
    assert files(tmp_path) == {}
    same(load(big.save(tmp_path / "shop", format)), big)


def test_a_name_that_cannot_be_taken_is_given_back(tmp_path, monkeypatch):
    folder = shop().save(tmp_path / "shop", "csv")
    before = files(tmp_path)
    rename = Path.rename

    def stubborn(self, target):
        if self.name == ".shop.unfinished":
            raise OSError(errno.EIO, "no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stubborn)
    with pytest.raises(CannotWrite):
        shop().save(folder, overwrite=True)
    assert files(tmp_path) == before


KILLED = """
import sys
import time
sys.path[:0] = sys.argv[2:]
from tests.test_saved import shop
crm = shop()
while True:
    for format in ("csv", "parquet"):
        crm.save(sys.argv[1], format, overwrite=True)
        print(flush=True)
"""


def test_a_killed_save_never_leaves_half_a_folder(tmp_path):
    folder = tmp_path / "shop"
    root = str(Path(__file__).resolve().parents[1])
    for wait in (0, 3, 7, 13, 21):
        with subprocess.Popen([sys.executable, "-c", KILLED, str(folder), root], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(wait / 1000)
            process.kill()
        if not folder.exists():  # between two names: the old one is there
            with pytest.raises(UnreadableFile, match=r"\.shop\.replaced|\.shop\.unfinished"):
                load(folder)
        else:
            same(load(folder, verify=True), shop())
    same(load(shop().save(folder, overwrite=True)), shop())
    assert sorted(item.name for item in tmp_path.iterdir()) == ["shop"]


def test_what_a_cut_replacement_left_is_found_again(tmp_path):
    folder = shop().save(tmp_path / "shop")
    folder.rename(tmp_path / ".shop.replaced")
    with pytest.raises(UnreadableFile) as caught:
        load(folder)
    says(caught.value, str(folder), ".shop.replaced")
    with pytest.raises(ParameterError, match="overwrite=True"):  # it has its name again
        shop().save(folder)
    same(load(folder), shop())


def test_one_at_a_time(tmp_path):
    with (tmp_path / ".shop.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CannotWrite) as caught:
            shop().save(tmp_path / "shop")
    says(caught.value, str(tmp_path / "shop"))
    assert caught.value.reason == "running"
    shop().save(tmp_path / "shop")
    assert [item.name for item in tmp_path.iterdir()] == ["shop"]


def test_an_unfinished_run_is_not_thrown_away(tmp_path):
    work = tmp_path / ".shop.unfinished"
    work.mkdir()
    (work / "plan.json").write_text("{}")
    with pytest.raises(CannotWrite) as caught:
        shop().save(tmp_path / "shop")
    says(caught.value, str(tmp_path / "shop"), str(work), "crmkit generate")
    assert (work / "plan.json").exists()
    for path in (tmp_path / "shop", work):
        with pytest.raises(UnreadableFile) as unread:
            load(path)
        says(unread.value, str(tmp_path / "shop"), str(work), "crmkit generate")
    (work / "plan.json").rename(work / "orders.parquet")  # what a killed save leaves
    same(load(shop().save(tmp_path / "shop")), shop())
