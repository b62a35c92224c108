"""Tables that we did not make, loaded by their path alone, and compared with plain pandas on the same files.

The data come inside the wheel of `lifetimes` (MIT licence), a development dependency that is never imported: the
purchases of CDNOW, a record shop, 1997-01 to 1998-06 (Fader and Hardie), and a small list of transactions. Its files of
counts and donations are no rows of ours, and must be refused, not guessed at.
"""

from __future__ import annotations

import gzip
import importlib.util
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from crmkit.datasets import load
from crmkit.errors import UnreadableFile
from tests.cdnow import CUSTOMERS, ORDERS, cdnow_csv, cdnow_frame, cdnow_parquet
from tests.corpus import loaded


def shipped(package: str) -> Path:
    """The folder of data in an installed package, which is not imported."""
    found = importlib.util.find_spec(package)
    assert found is not None, f"the package {package} is missing: python tools/environment.py dev"
    assert found.origin is not None
    return Path(found.origin).parent / "datasets"


@pytest.fixture(scope="module")
def original() -> pd.DataFrame:
    """The purchases as plain pandas reads them."""
    return cdnow_frame()


def same(crm, original: pd.DataFrame) -> None:
    """All purchases are there, each with its customer, day and amount."""
    assert (len(crm.orders), crm.orders["customer_id"].nunique()) == (ORDERS, CUSTOMERS)
    assert crm.orders["customer_id"].astype(str).to_list() == original["customer"].to_list()
    assert crm.orders["ordered_at"].to_list() == original["date"].to_list()
    assert crm.orders["net_amount"].to_list() == pytest.approx(original["dollars"].to_list())


def test_cdnow_by_its_path_alone(original):
    outcome = loaded(cdnow_csv())
    assert outcome.crm is not None, outcome.error
    same(outcome.crm, original)
    assert "columns not used: units" in outcome.crm.report()


@pytest.mark.parametrize("form", ["csv", "parquet", "gz", "sqlite", "frame", "folder", "cp932"])
def test_cdnow_in_every_form(original, form, tmp_path):
    source = cdnow_csv()
    if form == "parquet":
        source = cdnow_parquet()
    elif form == "gz":
        source = tmp_path / "orders.csv.gz"
        source.write_bytes(gzip.compress(cdnow_csv().read_bytes(), 1))
    elif form == "sqlite":
        source = tmp_path / "shop.sqlite"
        with closing(sqlite3.connect(source)) as base:
            original.to_sql("orders", base, index=False)
    elif form == "frame":
        source = original
    elif form == "folder":
        shutil.copy(cdnow_csv(), tmp_path / "orders.csv")
        source = tmp_path
    elif form == "cp932":
        source = tmp_path / "orders.csv"
        text = cdnow_csv().read_text(encoding="ascii").replace("customer,date", "顧客番号,購入日")
        source.write_bytes(text.encode("cp932"))
    same(load(source), original)


def test_transactions_whose_columns_are_called_id_and_date():
    path = shipped("lifetimes") / "example_transactions.csv"
    plain = pd.read_csv(path, dtype=str)
    with pytest.raises(UnreadableFile, match="cannot be told which table"):
        load(path)
    crm = load({"orders": path}, columns={"customer_id": "id", "ordered_at": "date"})
    assert crm.orders["customer_id"].to_list() == plain["id"].to_list()
    assert crm.orders["ordered_at"].to_list() == pd.to_datetime(plain["date"]).to_list()


@pytest.mark.parametrize(
    "name", ["cdnow_customers_summary.csv", "cdnow_customers_summary_with_transactions.csv", "donations.csv"]
)
def test_counts_are_no_rows_of_ours_and_are_refused(name):
    with pytest.raises(UnreadableFile, match=name):
        load(shipped("lifetimes") / name)


def test_the_original_text_with_columns_of_spaces_is_refused_and_told():
    with pytest.raises(UnreadableFile, match="CDNOW_master.txt"):
        load(shipped("lifetimes") / "CDNOW_master.txt")


def test_a_whole_folder_of_foreign_files_says_what_each_is(tmp_path):
    for path in shipped("lifetimes").glob("*.csv"):
        shutil.copy(path, tmp_path)
    shutil.copy(cdnow_csv(), tmp_path / "orders.csv")
    outcome = loaded(tmp_path)
    assert outcome.crm is not None, outcome.error
    assert len(outcome.crm.orders) == ORDERS
    assert all(name in outcome.crm.report() for name in ("donations.csv", "cdnow_customers_summary.csv"))
