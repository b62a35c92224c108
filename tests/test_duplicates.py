"""Second records: who they are, how they differ, and what of the person's history is booked on them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pytest

from crmkit.simulator.defects import Defects, spoil_tables
from crmkit.simulator.writing import plain, plain_phone
from tests.toy_shop import Row, Tables, shop

Spoilt = tuple[dict[str, pa.Table], pa.Table]


@pytest.fixture(scope="module")
def clean() -> dict[str, pa.Table]:
    return shop()


@pytest.fixture(scope="module")
def doubled(clean: Tables) -> Spoilt:
    return spoil_tables(clean, replace(Defects.none(), duplicate_share=0.3), 1)


def test_second_records_stand_at_the_end_and_differ_where_the_account_says(clean: Tables, doubled: Spoilt) -> None:
    spoilt, account = doubled
    first = {row["customer_id"]: row for row in clean["customers"].to_pylist()}
    said = {(row["row_id"], row["column"]) for row in account.to_pylist() if row["table"] == "customers"}
    seconds = spoilt["customers"].slice(clean["customers"].num_rows).to_pylist()
    assert 500 < len(seconds) < 700
    for row in seconds:
        one = first[row["customer_id"].removesuffix("D")]
        differing = {name for name in row if row[name] != one[name]}
        assert differing == {column for row_id, column in said if row_id == row["customer_id"]}
        assert differing >= {"customer_id", "source_system", "registered_at", "member_since", "member_tier"}
        assert row["registered_at"] > one["registered_at"]
        assert row["birth_date"] == one["birth_date"]
        assert plain(row["name"]) == plain(one["name"])
        assert row["phone"] is None or plain_phone(row["phone"]) == plain_phone(one["phone"])
    for column, least in (("name", 0.4), ("name_kana", 0.4), ("email", 0.4), ("phone", 0.4)):
        changed = sum(row[column] != first[row["customer_id"].removesuffix("D")][column] for row in seconds)
        assert least < changed / len(seconds) < 0.6


def test_no_two_people_share_an_address(doubled: Spoilt) -> None:
    owners: dict[str, set[str]] = {}
    for row in doubled[0]["customers"].to_pylist():
        if row["email"] is not None:
            owners.setdefault(row["email"], set()).add(row["customer_id"].removesuffix("D"))
    assert all(len(people) == 1 for people in owners.values())


def test_later_orders_are_booked_on_second_records(clean: Tables, doubled: Spoilt) -> None:
    spoilt, _ = doubled
    registered = {row["customer_id"]: row["registered_at"] for row in spoilt["customers"].to_pylist()}
    seconds = {name.removesuffix("D") for name in registered if name.endswith("D")}
    by_person: dict[str, list[Row]] = {}
    for row in spoilt["orders"].to_pylist():
        by_person.setdefault(row["customer_id"].removesuffix("D"), []).append(row)
    split = 0
    for person, rows in by_person.items():
        occasions = {row["subscription_id"] or row["order_id"] for row in rows}
        moved = [row["customer_id"].endswith("D") for row in rows]
        assert person in seconds or not any(moved)
        assert not moved[0]
        if person in seconds:
            assert any(moved) == (len(occasions) > 1)
            split += any(moved)
        assert all(row["ordered_at"] >= registered[row["customer_id"]] for row in rows)
    assert split > 300


INSTANTS = {
    "orders": "ordered_at", "tickets": "created_at", "survey_responses": "sent_at", "interactions": "occurred_at",
    "subscriptions": "started_at",
}  # fmt: skip


def test_rows_go_where_their_order_subscription_or_ticket_goes(doubled: Spoilt) -> None:
    spoilt, _ = doubled
    registered = {row["customer_id"]: row["registered_at"] for row in spoilt["customers"].to_pylist()}
    whose = {
        key: {row[key]: row["customer_id"] for row in spoilt[table].to_pylist()}
        for table, key in (("orders", "order_id"), ("subscriptions", "subscription_id"), ("tickets", "ticket_id"))
    }
    followed: Counter[tuple[str, str]] = Counter()
    for table, at in INSTANTS.items():
        for row in spoilt[table].to_pylist():
            for key, owners in whose.items():
                if row.get(key) is not None:
                    assert row["customer_id"] == owners[row[key]]
                    followed[table, key] += row["customer_id"].endswith("D")
            if row["customer_id"].endswith("D"):
                assert row[at] >= registered[row["customer_id"]]
    assert {pair for pair, count in followed.items() if count > 5} >= {
        ("survey_responses", "order_id"), ("tickets", "order_id"), ("interactions", "ticket_id"),
        ("orders", "subscription_id"),
    }  # fmt: skip


def test_second_records_lower_the_repeat_rate(clean: Tables, doubled: Spoilt) -> None:
    def repeat_rate(orders: pa.Table) -> float:
        counts = Counter(orders["customer_id"].to_pylist())
        return sum(count > 1 for count in counts.values()) / len(counts)

    assert repeat_rate(doubled[0]["orders"]) < repeat_rate(clean["orders"]) - 0.05


def test_an_id_that_is_taken_is_not_given_again() -> None:
    tables = {"customers": pa.table({"customer_id": ["a", "aD", "aDD"]})}
    spoilt, account = spoil_tables(tables, replace(Defects.none(), duplicate_share=1.0), 1)
    assert spoilt["customers"]["customer_id"].to_pylist() == ["a", "aD", "aDD", "aDDD"]
    assert account["original"].to_pylist() == ["aDD"]
