"""Pseudonyms: the same figures, no names, back with the key alone."""

from __future__ import annotations

import os
import stat

import pandas as pd
import pytest

import crmkit
from crmkit import schema
from crmkit.datasets.crm import Crm
from crmkit.datasets.privacy import new_key, pseudonymize, reveal
from crmkit.errors import CannotWrite, ParameterError, UnreadableFile
from crmkit.texts import LANGUAGES, in_language

KEY = bytes(range(32))


@pytest.fixture(scope="module")
def shop() -> Crm:
    return crmkit.simulate("salon", customers=150, weeks=40, seed=3)


@pytest.fixture(scope="module")
def hidden(shop) -> Crm:
    return pseudonymize(shop, key=KEY)


def test_figures_stay_as_they_are(shop, hidden):
    window = {"start": "2024-02-01", "end": "2024-09-01"}
    before, after = (float(crmkit.repeat_rate(crm.orders, **window)) for crm in (shop, hidden))
    assert before == after
    joined = [crm.orders.merge(crm.customers, on="customer_id")["net_amount"].sum() for crm in (shop, hidden)]
    assert joined[0] == joined[1] > 0
    for name in shop.tables:
        assert len(hidden.tables[name]) == len(shop.tables[name])


def test_nothing_that_names_a_person_is_left(shop, hidden):
    """No value of a personal column, and no id of a customer or member of staff, stands anywhere."""
    customers = shop.customers
    told = {value for name in ("name", "name_kana", "email", "phone") for value in customers[name].dropna()}
    told |= set(customers["customer_id"]) | set(shop.orders["staff_id"].dropna())
    for crm in (hidden, hidden.truth):
        for name in crm.tables:
            for column in crm.tables[name].select_dtypes(["str", "object"]):
                assert not told & set(crm.tables[name][column].dropna()), (name, column)
    for name, model in schema.TABLES.items():
        gone = {column.name for column in model.columns if column.personal} - {"birth_date", "postal_code"}
        assert not gone & set(hidden.tables[name].columns if name in hidden.tables else ())
    births = hidden.customers["birth_date"].dropna()
    assert births.dt.month.eq(1).all()
    assert births.dt.year.equals(shop.customers["birth_date"].dropna().dt.year)
    assert hidden.customers["postal_code"].dropna().str.fullmatch(r"\d{3}").all()


def test_only_the_key_turns_it_back(shop, hidden):
    ids = hidden.orders["customer_id"]
    assert reveal(ids, key=KEY) == shop.orders["customer_id"].tolist()
    assert reveal([None, float("nan")], key=KEY) == [None, None]
    for wrong in (bytes(32), KEY[::-1]):
        with pytest.raises(ParameterError, match="not made with this key"):
            reveal(ids.head(1), key=wrong)
    with pytest.raises(ParameterError):
        reveal(["C000001"], key=KEY)


def test_tokens_are_the_same_in_every_run_and_differ_with_the_key(shop, hidden):
    again = pseudonymize(shop, key=KEY)
    assert again.customers["customer_id"].equals(hidden.customers["customer_id"])
    other = pseudonymize(shop, key=bytes(32))
    assert not set(other.customers["customer_id"]) & set(hidden.customers["customer_id"])
    assert hidden.customers["customer_id"].str.match(r"^p[a-z2-7]+$").all()


def test_odd_ids_and_unknown_columns():
    frame = pd.DataFrame({"order_id": ["1", "2", "3"], "customer_id": ["", "=1+1", "鈴木"], "remark": "call Hana"})
    hidden = pseudonymize(Crm({"orders": frame}, zone="Asia/Tokyo"), key=KEY).orders
    assert list(hidden.columns) == ["order_id", "customer_id"]
    assert reveal(hidden["customer_id"], key=KEY) == ["", "=1+1", "鈴木"]


def test_keys(tmp_path):
    path = new_key(tmp_path / "shop.key")
    assert len(bytes.fromhex(path.read_text())) == 32
    assert os.name != "posix" or stat.S_IMODE(path.stat().st_mode) == 0o600
    assert new_key(tmp_path / "other.key").read_text() != path.read_text()
    crm = crmkit.sample("ten_customers")
    assert reveal(pseudonymize(crm, key=path).orders["customer_id"], key=path) == crm.orders["customer_id"].tolist()
    with pytest.raises(CannotWrite, match="never replaced"):
        new_key(path)
    (tmp_path / "word").write_text("secret")
    for wrong, kind in (
        (b"secret", ParameterError),
        (tmp_path / "word", ParameterError),
        (tmp_path / "no", UnreadableFile),
    ):
        with pytest.raises(kind) as caught:
            pseudonymize(crm, key=wrong)
        said = []
        for code in LANGUAGES:
            with in_language(code):
                said.append(str(caught.value))
        assert said[0] != said[1]
