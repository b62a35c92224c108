"""Whether tables can be trusted, and which records are one person: by hand, and against what was spoilt on purpose."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit
from crmkit.errors import MissingColumn, ParameterError, RowsLeftOut
from crmkit.metrics.management.data import consent_rate, field_completeness, validate_tables
from crmkit.metrics.management.matching import duplicate_rate, match_customers, match_precision_recall
from tests.joined import together

PEOPLE = pd.DataFrame(
    {
        "customer_id": ["1", "2", "3", "4", "5"],
        "name": ["高橋 遥", "髙橋　遥", "佐藤 健", None, "佐藤 健"],
        "name_kana": ["タカハシ ハルカ", "ﾀｶﾊｼ はるか", "サトウ ケン", None, "サトウ ケン"],
        "email": ["haruka@example.com", "ＨＡＲＵＫＡ＠example.com", "ken@example.com", "KEN@example.com ", " "],
        "phone": ["090-0000-1234", None, "03-0000-1111", "+81-3-0000-1111", "０３（００００）１１１１"],
        "birth_date": pd.to_datetime(["1990-04-01", None, "1980-01-02", None, "1955-07-07"]).astype("datetime64[us]"),
        "gender": ["female", "", None, "male", "male"],
        "member_tier": ["gold", "VIP", "none", "none", None],
        "registered_at": pd.to_datetime(["2025-01-01", "1900-01-01", "2025-01-01", None, "2025-01-01"]).astype(
            "datetime64[us]"
        ),
        "email_opt_in": [True, True, True, False, False],
        "opted_out_at": pd.to_datetime([None, None, "2026-02-01", None, None]).astype("datetime64[us]"),
        "source_system": ["ec", "pos", "ec", "ec", "pos"],
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def people(engine):
    return engine(PEOPLE)


def test_completeness_tells_empty_from_invalid(engine, people):
    found = engine.back(field_completeness(people)).set_index("column")
    assert list(found.columns) == ["value", "low", "high", "n", "numerator", "denominator", "empty", "invalid"]
    counted = found[["numerator", "empty", "invalid"]].apply(tuple, axis=1)
    assert counted["customer_id"] == (5, 0, 0)
    assert counted["gender"] == (3, 2, 0)  # "" is no gender
    assert counted["member_tier"] == (3, 1, 1)  # VIP is no tier of the model
    assert counted["registered_at"] == (3, 1, 1)  # what a spreadsheet makes of an empty day
    assert (found["n"] == 5).all()
    assert (found.loc["gender", ["value", "low", "high"]].to_list()) == pytest.approx([0.6, 0.2307, 0.8824], abs=1e-4)


def test_consent_is_asked_of_those_who_can_be_reached(engine, people):
    rate = consent_rate(people)
    assert (rate.numerator, rate.denominator, rate.besides) == (2, 4, {"not_contactable": 1})  # 3 has left the list
    assert consent_rate(people, as_of="2026-02-01").numerator == 3  # not yet
    table = engine.back(consent_rate(people, by="source_system"))
    assert table["numerator"].to_list() == [1, 1]
    assert table["denominator"].to_list() == [3, 1]


def test_findings_are_counted_by_table_column_and_check(engine):
    orders = pd.DataFrame(
        {
            "order_id": ["1", "2", "2", None],
            "customer_id": ["1", "9", "2", "3"],
            "ordered_at": pd.to_datetime(["2026-01-05"] * 4).astype("datetime64[us]"),
            "refunded_at": pd.to_datetime(["2026-01-04", None, "2026-01-05", None]).astype("datetime64[us]"),
            "channel": ["web", "Web", "web", None],
            "gross_amount": [1000.0, 1000.0, 500.0, np.nan],
            "discount_amount": [100.0, 0.0, 0.0, 0.0],
            "net_amount": [900.0, 999.0, -500.0, 5.0],
        }
    )
    customers, bought = together(engine, PEOPLE, orders)
    found = engine.back(validate_tables({"customers": customers, "orders": bought}))
    assert list(found.columns) == ["table", "column", "check", "rows", "of"]
    assert {tuple(row) for row in found.itertuples(index=False)} == {
        ("customers", "registered_at", "out_of_range", 1, 4),
        ("customers", "member_tier", "not_allowed", 1, 4),
        ("orders", "order_id", "key_empty", 1, 4),
        ("orders", "order_id", "key_again", 1, 3),
        ("orders", "channel", "not_allowed", 1, 3),
        ("orders", "net_amount", "out_of_range", 1, 4),
        ("orders", "net_amount", "amounts_disagree", 2, 3),
        ("orders", "refunded_at", "out_of_order", 1, 2),
        ("orders", "customer_id", "orphan", 1, 4),
    }


def test_a_clean_shop_has_no_findings_and_a_spoilt_one_those_that_were_put_in():
    clean = crmkit.simulate("salon", customers=250, weeks=30, seed=3)
    assert not len(validate_tables(clean))
    every = validate_tables(clean, every=True)
    assert (every["rows"] == 0).all()
    assert {"key_again", "orphan", "out_of_order", "amounts_disagree", "not_allowed"} <= set(every["check"])
    spoilt = crmkit.spoil(clean, seed=1)
    found = validate_tables(spoilt).set_index(["table", "column", "check"])["rows"]
    planted = spoilt.truth.defects.groupby(["table", "column", "kind"], observed=True).size()
    assert found["orders", "customer_id", "orphan"] == planted["orders", "customer_id", "orphan"]
    assert found["orders", "order_id", "key_again"] == planted["orders", "order_id", "repeated_row"]
    more = found["orders", "channel", "not_allowed"] - planted["orders", "channel", "channel_spelling"]
    assert 0 <= more <= planted["orders", "order_id", "repeated_row"]  # a row that is there twice counts twice


def test_columns_that_cannot_be_used_are_findings_too():
    orders = pd.DataFrame({"order_id": ["1"], "customer_id": ["A"], "net_amount": ["12"]})
    found = validate_tables({"orders": orders})
    assert found.to_numpy().tolist() == [
        ["orders", "ordered_at", "missing_column", 1, 1],
        ["orders", "net_amount", "wrong_type", 1, 1],
    ]
    with pytest.raises(ParameterError, match="no table of the data model"):
        validate_tables({"sheet1": orders})
    with pytest.raises(ParameterError, match="no table of the data model"):
        validate_tables(orders)
    with pytest.raises(ParameterError, match="table='shops'"):
        field_completeness(orders, table="shops")


def test_records_are_one_person_whatever_the_writing(engine, people):
    found = engine.back(match_customers(people))
    # 1 and 2: reading and e-mail; 3 and 4: e-mail and telephone, 4 without a name; 5 was born on another day
    assert found["person_id"].to_list() == ["1", "1", "3", "3", "5"]
    assert found["records"].to_list() == [2, 2, 2, 2, 1]
    if engine.name == "pyspark":  # it plans the same joins once more for each
        return
    pairs = engine.back(match_customers(people, agree=2, result="pairs"))
    assert pairs.to_dict("list") == {
        "customer_id": ["1", "3"],
        "other_customer_id": ["2", "4"],
        "name": [True, False],
        "email": [True, True],
        "phone": [False, True],
        "birth_date": [False, False],
    }
    assert len(engine.back(match_customers(people, agree=3, result="pairs"))) == 0


def test_precision_and_recall_count_pairs(engine):
    matched = pd.DataFrame({"customer_id": list("abcdefx"), "person_id": [1, 1, 1, 2, 2, 3, 4]})
    known = pd.DataFrame({"customer_id": list("abcdefy"), "person_id": [1, 1, 2, 2, 2, 3, 9]})
    found, truth = together(engine, matched, known)
    quality = match_precision_recall(found, truth)
    assert [(one.numerator, one.denominator) for one in quality.values()] == [(2, 4), (2, 4)]  # ab, de of abc, de
    assert quality["precision"].excluded == {"no_truth": 1}
    rate = duplicate_rate(found)
    assert (rate.numerator, rate.denominator, rate.besides) == (3, 7, {"persons": 4})


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=14))
def test_pairs_from_group_sizes_are_the_pairs_themselves(who):
    found = pd.DataFrame({"customer_id": range(len(who)), "person_id": [one for one, _ in who]})
    truth = pd.DataFrame({"customer_id": range(len(who)), "person_id": [other for _, other in who]})
    pairs = list(combinations(who, 2))
    right = sum(a[0] == b[0] and a[1] == b[1] for a, b in pairs)
    quality = match_precision_recall(found, truth)
    assert (quality["precision"].numerator, quality["recall"].numerator) == (right, right)
    assert quality["precision"].denominator == sum(a[0] == b[0] for a, b in pairs)
    assert quality["recall"].denominator == sum(a[1] == b[1] for a, b in pairs)
    assert 0 <= float(duplicate_rate(found)) < 1


def test_the_matching_finds_most_planted_duplicates_and_joins_no_two_people():
    spoilt = crmkit.spoil(crmkit.simulate("salon", customers=800, weeks=52, seed=5), seed=2, duplicate_share=0.1)
    matched = match_customers(spoilt.customers)
    quality = match_precision_recall(matched, spoilt.truth.customers)
    assert float(quality["precision"]) == 1.0
    assert quality["precision"].low < 1.0
    assert float(quality["recall"]) > 0.8
    assert matched["customer_id"].is_monotonic_increasing
    sizes = matched.groupby("person_id")["customer_id"].agg(["size", "min"])
    assert (sizes["min"] == sizes.index).all()
    assert (matched["records"] == matched["person_id"].map(sizes["size"])).all()


def test_a_number_that_many_share_is_no_evidence():
    many = pd.DataFrame({"customer_id": [f"{n:03}" for n in range(30)], "name": "山田 花子", "phone": "03-1234-5678"})
    assert match_customers(many)["records"].max() == 1
    assert match_customers(many.head(20))["records"].max() == 20


@pytest.mark.parametrize("kind", ["empty", "one", "nulls"])
def test_little_data(quick_engine, kind):
    frame = {"empty": PEOPLE.head(0), "one": PEOPLE.head(1), "nulls": PEOPLE.assign(email=None, name=None)}[kind]
    if kind == "nulls":
        frame = frame.astype({"email": "str", "name": "str"}).mask(frame.isna() | (frame == "None"))
    table = quick_engine(frame)
    found = quick_engine.back(field_completeness(table))
    assert (found["n"] == len(frame)).all()
    assert found["value"].isna().all() == (kind == "empty")
    rate = consent_rate(table)
    assert math.isnan(float(rate)) == (kind != "one")
    assert len(quick_engine.back(match_customers(table))) == len(frame)
    assert len(quick_engine.back(validate_tables({"customers": table}, every=True))) > 5
    mapping = quick_engine(frame[["customer_id"]].assign(person_id=frame["customer_id"]))
    assert math.isnan(float(duplicate_rate(mapping))) == (kind == "empty")
    assert all(math.isnan(float(one)) for one in match_precision_recall(mapping, mapping).values())


def test_bad_records_are_counted():
    for reason, more in (("same_key", PEOPLE.head(1)), ("no_customer", PEOPLE.tail(1).assign(customer_id=None))):
        with pytest.warns(RowsLeftOut) as told:
            rate = consent_rate(pd.concat([PEOPLE, more]))
        assert rate.excluded == {reason: 1}
        assert rate.denominator == 4
        assert [note.message.reason for note in told] == [reason]
    with pytest.raises(MissingColumn, match="email_opt_in"):
        consent_rate(PEOPLE.drop(columns="email_opt_in"))
    with pytest.raises(ParameterError, match="at least two of name, email"):
        match_customers(PEOPLE[["customer_id", "name", "name_kana"]])
    with pytest.raises(ParameterError, match="agree must be 2, 3 or 4"):
        match_customers(PEOPLE, agree=1)
    with pytest.raises(MissingColumn, match="person_id"):
        duplicate_rate(PEOPLE)
    own = PEOPLE.rename(columns={"email": "メール", "email_opt_in": "同意"})
    assert float(consent_rate(own, columns={"email": "メール", "email_opt_in": "同意"})) == 0.5
