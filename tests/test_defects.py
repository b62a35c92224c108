"""Spoiling: each kind of defect does what it says to as many rows as it says, and the account undoes all of it."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit import schema
from crmkit.errors import ParameterError
from crmkit.simulator.defects import Defects, spoil_tables
from crmkit.simulator.export import text_words
from crmkit.simulator.writing import KANJI, plain, plain_phone
from crmkit.texts import in_language

Tables = Mapping[str, pa.Table]
Row = dict[str, Any]
KINDS = {one.name.removesuffix("_share"): one.name for one in fields(Defects)}
# The cells that each kind may touch; a second record and a moved or repeated row are told apart from a cell.
TOUCHED = {
    "duplicate": {"orders.customer_id", "subscriptions.customer_id", "tickets.customer_id"}
    | {"survey_responses.customer_id", "interactions.customer_id"},
    "name_variant": {"customers.name", "customers.name_kana"},
    "kanji_variant": {"customers.name"},
    "kana_in_name": {"customers.name"},
    "width": {"customers.name", "customers.name_kana", "customers.email", "customers.postal_code"},
    "phone_format": {"customers.phone"},
    "channel_spelling": {"orders.channel", "tickets.channel"},
    "unit": {"orders.net_amount"},
    "impossible_date": {"orders.ordered_at", "orders.refunded_at", "customers.birth_date"},
    "orphan": {"orders.customer_id"},
    "missing": {f"customers.{name}" for name in ("email", "phone", "birth_date", "gender", "prefecture")},
    "missing_old": {"customers.birth_date"},
    "missing_unhappy": {"survey_responses.score"},
    "late": set(),
    "repeated_row": set(),
}
FAMILY = [("高橋", "タカハシ"), ("山田", "ヤマダ"), ("渡辺", "ワタナベ"), ("斎藤", "サイトウ"), ("小川", "オガワ")]
GIVEN = [("遥", "ハルカ"), ("健", "ケン"), ("真一", "シンイチ"), ("香", "カオリ")]


# A toy shop, its rows by customer and then by time, as the simulator gives them


def shop(size: int = 2_000) -> dict[str, pa.Table]:
    rng = np.random.default_rng(3)
    customers, orders = _customers(rng, size), _orders(rng, size)
    tables = {"customers": customers, "orders": orders, "subscriptions": _subscriptions(orders)}
    tables["tickets"] = _of_orders(rng, orders, "ticket_id", 0.2, created_at=2)
    tables["survey_responses"] = _surveys(rng, orders)
    tables["interactions"] = _of_orders(rng, orders, "interaction_id", 0.3, occurred_at=-1)
    links = {"order_id": pa.nulls(tables["tickets"].num_rows, pa.string()), "ticket_id": tables["tickets"]["ticket_id"]}
    about_tickets = pa.table(
        {**_common(tables["tickets"], "T"), **links, "occurred_at": tables["tickets"]["created_at"]}
    )
    tables["interactions"] = pa.concat_tables(
        [tables["interactions"].append_column("ticket_id", pa.nulls(tables["interactions"].num_rows, pa.string())),
         about_tickets.select(["interaction_id", "customer_id", "order_id", "occurred_at", "ticket_id"])]
    )  # fmt: skip
    return tables


def _customers(rng: np.random.Generator, size: int) -> pa.Table:
    family, given = rng.integers(0, len(FAMILY), size), rng.integers(0, len(GIVEN), size)
    born = np.datetime64("1935-01-01") + rng.integers(0, 27_000, size)
    return pa.table(
        {
            "customer_id": _ids("C", size),
            "name": [f"{FAMILY[f][0]} {GIVEN[g][0]}" for f, g in zip(family, given, strict=True)],
            "name_kana": [f"{FAMILY[f][1]} {GIVEN[g][1]}" for f, g in zip(family, given, strict=True)],
            "email": [f"someone.{n}@example.jp" for n in range(size)],
            "phone": [f"03-0000-{n % 10_000:04}" for n in range(size)],
            "postal_code": [f"{n % 1_000:03}-{n % 9_999:04}" for n in range(size)],
            "prefecture": pa.array(rng.choice(["東京都", "大阪府", "北海道"], size)).dictionary_encode(),
            "birth_date": pa.array(np.where(rng.random(size) < 0.1, np.datetime64("NaT"), born)),
            "gender": rng.choice(["female", "male"], size),
            "registered_at": pa.array(_start(size).astype("datetime64[us]")),
            "source_system": rng.choice(["ec", "pos", "call_center"], size),
            "member_since": pa.array(_start(size).astype("datetime64[us]")),
            "member_tier": rng.choice(["regular", "gold"], size),
        }
    )


def _start(size: int) -> np.ndarray[Any, Any]:
    return np.datetime64("2024-01-01T10:00:00") + np.arange(size) % 300 * np.timedelta64(1, "D")


def _orders(rng: np.random.Generator, size: int) -> pa.Table:
    count = rng.integers(0, 8, size)
    whose = np.repeat(np.arange(size), count)
    number = np.arange(len(whose)) - np.repeat(np.cumsum(count) - count, count)
    rows = len(whose)
    at = (_start(size)[whose] + number * np.timedelta64(30, "D") + rng.integers(1, 86_400, rows)).astype(
        "datetime64[us]"
    )
    net = rng.integers(1, 90, rows) * 110.0
    refunded = rng.random(rows) < 0.1
    bound = (whose % 5 == 0) & (number >= 1)  # of every fifth customer the second and third are one subscription, …
    contract = [f"S{w:07}-{n // 3}" if b else None for w, n, b in zip(whose, number, bound, strict=True)]
    return pa.table(
        {
            "order_id": _ids("O", rows),
            "customer_id": pa.array([f"C{n:07}" for n in whose]),
            "ordered_at": pa.array(at),
            "channel": pa.array(rng.choice(["web", "store", "app", "phone"], rows)).dictionary_encode(),
            "gross_amount": net + 100,
            "discount_amount": np.full(rows, 100.0),
            "net_amount": net,
            "refunded_at": pa.array(np.where(refunded, at + np.timedelta64(5, "D"), np.datetime64("NaT"))),
            "subscription_id": pa.array(contract, pa.string()),
        }
    )


def _subscriptions(orders: pa.Table) -> pa.Table:
    first = orders.filter(orders["subscription_id"].is_valid()).group_by(["subscription_id", "customer_id"])
    return first.aggregate([("ordered_at", "min")]).rename_columns(["subscription_id", "customer_id", "started_at"])


def _of_orders(rng: np.random.Generator, orders: pa.Table, key: str, share: float, **days: int) -> pa.Table:
    """Rows that belong to some of the orders, some days after or before."""
    some = orders.filter(pa.array(rng.random(orders.num_rows) < share))
    ((name, later),) = days.items()
    found = {
        key: _ids(key[0].upper(), some.num_rows),
        "customer_id": some["customer_id"],
        "order_id": some["order_id"],
        name: pc.add(some["ordered_at"], pa.scalar(timedelta(days=later))),
    }
    if key == "ticket_id":
        found["channel"] = pa.array(rng.choice(["email", "phone", "chat"], some.num_rows))
    return pa.table(found)


def _common(tickets: pa.Table, start: str) -> dict[str, Any]:
    return {"interaction_id": _ids(f"I{start}", tickets.num_rows), "customer_id": tickets["customer_id"]}


def _surveys(rng: np.random.Generator, orders: pa.Table) -> pa.Table:
    table = _of_orders(rng, orders, "survey_id", 0.3, sent_at=3)
    score = rng.integers(1, 6, table.num_rows).astype(float)
    answered = np.where(rng.random(table.num_rows) < 0.5, np.nan, score)
    extra = {"score": pa.array(answered, from_pandas=True), "scale_min": 1.0, "scale_max": 5.0}
    for name, values in extra.items():
        column = values if isinstance(values, pa.Array) else pa.array(np.full(table.num_rows, values))
        table = table.append_column(name, column)
    return table


def _ids(letter: str, size: int) -> pa.Array:
    return pa.array([f"{letter}{n:07}" for n in range(size)], pa.string())


def smaller(tables: Tables, size: int) -> dict[str, pa.Table]:
    """The same world with the first customers only."""
    ids = _ids("C", size)
    return {name: table.filter(pc.is_in(table["customer_id"], ids)) for name, table in tables.items()}


@pytest.fixture(scope="module")
def clean() -> dict[str, pa.Table]:
    return shop()


@pytest.fixture(scope="module")
def large() -> dict[str, pa.Table]:
    return shop(20_000)


# What the tests go by


def only(kind: str, share: float) -> Defects:
    return replace(Defects.none(), **{KINDS[kind]: share})


def everything(share: float) -> Defects:
    return Defects(**dict.fromkeys(KINDS.values(), share))


def steps(account: pa.Table, kind: str) -> set[tuple[str, str, str]]:
    rows = account.filter(pc.equal(account["kind"], kind)).to_pylist()
    return {(row["table"], row["row_id"], row["column"]) for row in rows}


def undone(spoilt: Tables, account: pa.Table) -> dict[str, pa.Table]:
    """The clean tables again, from the spoilt ones and the account alone; written apart from what spoils."""
    rows = {name: table.to_pylist() for name, table in spoilt.items()}
    taken = account.to_pylist()
    repeated = [step for step in taken if step["kind"] == "repeated_row"]
    if repeated:
        assert [row["order_id"] for row in rows["orders"][-len(repeated) :]] == [step["row_id"] for step in repeated]
        del rows["orders"][-len(repeated) :]
    _put_back([step for step in taken if step["kind"] == "late"], rows["orders"])
    keys = {name: schema.TABLES[name].key[0] for name in rows}
    found = {(name, row[keys[name]]): row for name, table in rows.items() for row in table}
    for step in reversed(taken):
        if step["kind"] in ("late", "repeated_row"):
            continue
        if step["kind"] == "duplicate" and step["table"] == "customers":
            found[step["table"], step["row_id"]]["is_second"] = True
            continue
        row, kind = found[step["table"], step["row_id"]], spoilt[step["table"]].schema.field(step["column"]).type
        assert row[step["column"]] == _read(step["spoilt"], kind)
        row[step["column"]] = _read(step["original"], kind)
    rows["customers"] = [row for row in rows["customers"] if not row.get("is_second")]
    return {name: pa.Table.from_pylist(rows[name], spoilt[name].schema) for name in rows}


def _put_back(late: list[Row], orders: list[Row]) -> None:
    moved = {int(step["original"]): orders[int(step["spoilt"])] for step in late}
    assert [row["order_id"] for row in moved.values()] == [step["row_id"] for step in late]
    in_time = iter(orders[: len(orders) - len(late)])
    orders[:] = [moved[place] if place in moved else next(in_time) for place in range(len(orders))]


def _read(said: str | None, kind: pa.DataType) -> Any:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.array([said], pa.string()).cast(kind)[0].as_py()


def same(one: Tables, two: Tables) -> bool:
    assert set(one) == set(two)
    return all(_decoded(one[name]).equals(_decoded(two[name])) for name in one)


def _decoded(table: pa.Table) -> pa.Table:
    kinds = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in table.schema]
    return table.cast(pa.schema(zip(table.column_names, kinds, strict=True)))


# The account


def test_the_account_undoes_everything(clean: Tables) -> None:
    spoilt, account = spoil_tables(clean, Defects(), 1)
    assert account.num_rows > 500
    assert not same(spoilt, clean)
    assert same(undone(spoilt, account), clean)


@settings(max_examples=15)
@given(st.data(), st.integers(-(2**70), 2**70), st.sampled_from(["ja_JP", "en_US"]))
def test_the_account_undoes_any_mixture(data: st.DataObject, seed: int, locale: str) -> None:
    shares = {name: data.draw(st.sampled_from([0.0, 0.01, 0.3, 1.0]), name) for name in KINDS.values()}
    tables = smaller(SMALL, data.draw(st.integers(0, 60)))
    spoilt, account = spoil_tables(tables, Defects(**shares), seed, locale=locale)
    assert same(undone(spoilt, account), tables)
    assert {row["kind"] for row in account.to_pylist()} <= {kind for kind, name in KINDS.items() if shares[name]}


SMALL = shop(60)


def test_the_account_has_the_columns_of_the_model_and_one_row_per_step(clean: Tables) -> None:
    _, account = spoil_tables(clean, everything(0.2), 1)
    assert account.schema == pa.schema([(column.name, pa.string()) for column in schema.TRUTH["defects"].columns])
    keys = list(zip(*(account[name].to_pylist() for name in schema.TRUTH["defects"].key), strict=True))
    assert len(set(keys)) == len(keys)
    assert not any(account[name].null_count for name in ("table", "row_id", "column", "kind", "person_id"))
    assert set(account["kind"].to_pylist()) == set(KINDS)
    changed = pc.not_equal(pc.fill_null(account["original"], "∅"), pc.fill_null(account["spoilt"], "∅"))
    assert set(account.filter(pc.invert(changed))["kind"].to_pylist()) == {"repeated_row"}


def test_the_account_names_the_true_person(clean: Tables) -> None:
    ids = clean["customers"]["customer_id"]
    people = pa.table({"customer_id": ids, "person_id": pc.replace_substring(ids, "C", "P")})
    _, account = spoil_tables(clean, everything(0.2), 1, people=people)
    buyers = dict(zip(clean["orders"]["order_id"].to_pylist(), clean["orders"]["customer_id"].to_pylist(), strict=True))
    for row in account.to_pylist():
        if row["table"] == "orders":
            assert row["person_id"] == buyers[row["row_id"]].replace("C", "P")
        elif row["table"] == "customers":
            assert row["person_id"] == row["row_id"].removesuffix("D").replace("C", "P")


# Nothing, everything, the same again


def test_without_defects_the_tables_come_back_untouched(clean: Tables) -> None:
    spoilt, account = spoil_tables(clean, Defects.none(), 1)
    assert all(spoilt[name] is clean[name] for name in clean)
    assert account.num_rows == 0


def test_the_clean_tables_are_left_alone() -> None:
    tables, before = shop(60), shop(60)
    spoil_tables(tables, everything(1.0), 1)
    assert all(tables[name].equals(before[name]) for name in before)


def test_columns_keep_their_types(clean: Tables) -> None:
    spoilt, _ = spoil_tables(clean, everything(0.5), 1)
    for name, table in spoilt.items():
        assert table.schema == clean[name].schema
        table.validate(full=True)


def test_the_same_seed_gives_the_same_and_another_seed_something_else(clean: Tables) -> None:
    spoilt, account = spoil_tables(clean, Defects(), 1)
    again, account_again = spoil_tables(clean, Defects(), 1)
    other, _ = spoil_tables(clean, Defects(), 2)
    assert same(spoilt, again)
    assert account.equals(account_again)
    assert not same(spoilt, other)


def test_chunks_dictionaries_and_empty_tables_make_no_difference(clean: Tables) -> None:
    cut = {
        name: pa.concat_tables([table.slice(0, 7), table.slice(7, 0), table.slice(7)]) for name, table in clean.items()
    }
    spoilt, account = spoil_tables(clean, everything(0.1), 1)
    decoded = {name: _decoded(table) for name, table in cut.items()}
    encoded = {name: _encoded(table) for name, table in cut.items()}
    for tables in (cut, decoded, encoded):
        also, account_also = spoil_tables(tables, everything(0.1), 1)
        assert same(also, spoilt)
        assert account_also.equals(account)
    empty, nothing = spoil_tables({name: table.slice(0, 0) for name, table in clean.items()}, everything(1.0), 1)
    assert all(table.num_rows == 0 for table in empty.values())
    assert nothing.num_rows == 0


def _encoded(table: pa.Table) -> pa.Table:
    """Every text as a dictionary, another one in each chunk."""
    columns = [
        pa.chunked_array([chunk.dictionary_encode() for chunk in column.chunks])
        if column.type == pa.string()
        else column
        for column in table.columns
    ]
    return pa.table(dict(zip(table.column_names, columns, strict=True)))


def test_tables_and_columns_that_are_not_there_are_passed_over(clean: Tables) -> None:
    for name in clean:
        for column in clean[name].column_names:
            tables = {**clean, name: clean[name].drop_columns([column])}
            spoilt, account = spoil_tables(smaller_any(tables), everything(0.5), 1)
            assert column not in spoilt[name].column_names
            assert account.num_rows
        without = {other: table for other, table in clean.items() if other != name}
        assert name not in spoil_tables(smaller_any(without), everything(0.5), 1)[0]
    assert spoil_tables({}, Defects(), 1)[1].num_rows == 0


def smaller_any(tables: Tables) -> dict[str, pa.Table]:
    return {name: table.slice(0, 200) for name, table in tables.items()}


# Each draw has an address


def test_a_smaller_world_is_spoilt_as_inside_the_larger_one(clean: Tables) -> None:
    defects = replace(everything(0.1), late_share=0.0, repeated_row_share=0.0)
    part = smaller(clean, 700)
    spoilt, account = spoil_tables(clean, defects, 1)
    small, small_account = spoil_tables(part, defects, 1)
    for name in small:
        rows = part[name].num_rows
        if name != "interactions":  # here put together from two sources, one after the other
            assert same({name: small[name].slice(0, rows)}, {name: spoilt[name].slice(0, rows)})
    seconds = small["customers"].slice(700)
    assert seconds.num_rows > 30
    assert same({"customers": seconds}, {"customers": spoilt["customers"].slice(2_000, seconds.num_rows)})
    inside = {tuple(row.values()) for row in account.to_pylist()}
    assert {tuple(row.values()) for row in small_account.to_pylist()} <= inside


@pytest.mark.parametrize("kind", ["late", "repeated_row"])
def test_late_and_repeated_rows_of_a_smaller_world_are_those_of_the_larger_one(clean: Tables, kind: str) -> None:
    (spoilt, account), (small, small_account) = (
        spoil_tables(tables, only(kind, 0.1), 1) for tables in (clean, smaller(clean, 700))
    )
    ids, small_ids = (table["orders"]["order_id"].to_pylist() for table in (spoilt, small))
    moved, small_moved = (one["row_id"].to_pylist() for one in (account, small_account))
    assert small_moved == moved[: len(small_moved)]
    body = len(small_ids) - len(small_moved)
    assert small_ids[:body] == ids[:body]
    assert small_ids[body:] == small_moved


@pytest.mark.parametrize("kind", KINDS)
def test_a_larger_share_spoils_the_same_rows_and_more(clean: Tables, kind: str) -> None:
    accounts = [spoil_tables(clean, only(kind, share), 1)[1] for share in (0.0, 0.02, 0.1, 0.5, 1.0)]
    found = [{tuple(row.values())[:-1] for row in _placeless(account)} for account in accounts]
    for fewer, more in pairwise(found):
        assert fewer < more


def _placeless(account: pa.Table) -> Iterator[Row]:
    """Where a late row stands at last depends on how many are late."""
    for row in account.to_pylist():
        yield {**row, "spoilt": None} if row["kind"] == "late" else row


@pytest.mark.parametrize("kind", KINDS)
def test_turning_up_one_share_leaves_the_rows_of_the_others_alone(clean: Tables, kind: str) -> None:
    usual = replace(Defects(), missing_share=0.0, duplicate_share=0.0, kana_in_name_share=0.0)
    _, before = spoil_tables(clean, replace(usual, **{KINDS[kind]: 0.0}), 1)
    _, after = spoil_tables(clean, replace(usual, **{KINDS[kind]: 0.5}), 1)
    first_records = after.filter(pc.invert(pc.ends_with(after["row_id"], "D")))
    for other in set(KINDS) - {kind}:
        lost, won = (
            steps(one, other) - steps(two, other) for one, two in ((before, first_records), (first_records, before))
        )
        if kind == "missing":  # what is empty cannot be emptied once more
            assert other == "missing_old" or not lost
        else:
            assert not lost
        assert not won


# What each kind does


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_moves_what_it_says_and_nothing_else(clean: Tables, kind: str) -> None:
    spoilt, account = spoil_tables(clean, only(kind, 0.1), 1)
    assert set(account["kind"].to_pylist()) == {kind}
    cells = {f"{row['table']}.{row['column']}" for row in account.to_pylist() if not whole_row(row)}
    assert cells == TOUCHED[kind]
    assert differing(clean, spoilt) == {
        (row["table"], row["row_id"], row["column"]) for row in account.to_pylist() if not whole_row(row)
    }
    sizes = {name: spoilt[name].num_rows - clean[name].num_rows for name in clean}
    added = {"duplicate": "customers", "repeated_row": "orders"}.get(kind)
    assert {name for name, more in sizes.items() if more} == ({added} if added else set())
    if kind != "late":
        for name in clean:
            key = schema.TABLES[name].key[0]
            assert spoilt[name][key].slice(0, clean[name].num_rows).equals(clean[name][key])


def whole_row(step: Row) -> bool:
    second = step["kind"] == "duplicate" and step["table"] == "customers"
    return second or step["kind"] in ("late", "repeated_row")


def differing(clean: Tables, spoilt: Tables) -> set[tuple[str, str, str]]:
    found = set()
    for name, table in clean.items():
        key = schema.TABLES[name].key[0]
        now = {row[key]: row for row in spoilt[name].to_pylist()}
        for row in table.to_pylist():
            found |= {(name, row[key], column) for column in row if row[column] != now[row[key]][column]}
    return found


ELIGIBLE = {  # rows that a kind can fall on, by hand; None = all
    "name_variant": ("customers", "name", None),
    "kanji_variant": ("customers", "name", lambda row: bool(set(row["name"]) & set("".join(KANJI)))),
    "kana_in_name": ("customers", "name", None),
    "width": ("customers", "email", None),
    "phone_format": ("customers", "phone", None),
    "channel_spelling": ("orders", "channel", None),
    "unit": ("orders", "net_amount", None),
    "impossible_date": ("customers", "birth_date", lambda row: row["birth_date"] is not None),
    "orphan": ("orders", "customer_id", None),
    "missing": ("customers", "gender", None),
    "late": ("orders", "order_id", None),
    "repeated_row": ("orders", "order_id", None),
    "duplicate": ("customers", "customer_id", None),
}


@pytest.mark.parametrize("share", [0.01, 0.3])
@pytest.mark.parametrize("kind", ELIGIBLE)
def test_as_many_rows_are_spoilt_as_the_share_says(large: Tables, kind: str, share: float) -> None:
    table, column, eligible = ELIGIBLE[kind]
    _, account = spoil_tables({name: large[name] for name in ("customers", "orders")}, only(kind, share), 5)
    rows = sum(1 for row in large[table].to_pylist() if eligible is None or eligible(row))
    found = sum(1 for step in steps(account, kind) if step[0] == table and step[2] == column)
    assert rows > 5_000
    assert abs(found - rows * share) < 4 * sqrt(rows * share * (1 - share))


def test_birth_dates_are_missing_among_the_old(large: Tables) -> None:
    _, account = spoil_tables(large, only("missing_old", 0.4), 5)
    emptied = {row_id for _, row_id, _ in steps(account, "missing_old")}
    people: Counter[int] = Counter()
    missing: Counter[int] = Counter()
    expected: Counter[int] = Counter()
    for row in large["customers"].to_pylist():
        if row["birth_date"] is None:
            assert row["customer_id"] not in emptied
            continue
        age = (row["registered_at"] - datetime.combine(row["birth_date"], datetime.min.time())).days / 365.25
        decade = int(age // 10)
        people[decade] += 1
        missing[decade] += row["customer_id"] in emptied
        expected[decade] += 0.4 * min(max((age - 20) / 60, 0), 1)
    assert missing[1] == 0
    for decade in people:
        assert abs(missing[decade] - expected[decade]) <= 4 * sqrt(expected[decade]) + 1
    assert missing[8] / people[8] > 3 * missing[3] / people[3]


def test_scores_are_missing_among_the_unhappy(large: Tables) -> None:
    _, account = spoil_tables(large, only("missing_unhappy", 0.4), 5)
    lost = Counter(float(row["original"]) for row in account.to_pylist())
    given = Counter(score for score in large["survey_responses"]["score"].to_pylist() if score is not None)
    assert 5.0 not in lost
    for score, count in given.items():
        chance = 0.4 * (5 - score) / 4
        assert abs(lost[score] - count * chance) <= 4 * sqrt(count * chance)


def test_every_writing_of_a_name_is_another_one_of_the_same_name(clean: Tables) -> None:
    changed = 0
    for kind in ("name_variant", "kanji_variant", "width"):
        _, account = spoil_tables(clean, only(kind, 1.0), 1)
        for row in account.to_pylist():
            if row["column"] in ("name", "name_kana"):
                assert row["spoilt"] != row["original"]
                assert plain(row["spoilt"]) == plain(row["original"])
                changed += 1
    assert changed > 5_000
    names = clean["customers"].select(["customer_id", "name", "name_kana"]).to_pylist()
    reading = {row["customer_id"]: row["name_kana"] for row in names}
    _, account = spoil_tables(clean, only("kana_in_name", 1.0), 1)
    assert all(row["spoilt"] == reading[row["row_id"]] for row in account.to_pylist())


def test_names_in_latin_letters_are_written_otherwise_too() -> None:
    tables = {"customers": pa.table({"customer_id": _ids("C", 100), "name": ["Mary Hill"] * 100})}
    spoilt, _ = spoil_tables(tables, everything(1.0), 1, locale="en_US")
    assert set(spoilt["customers"]["name"].to_pylist()[:100]) == {"MaryHill", "Mary Hill ", "MARY HILL", "mary hill"}


def test_every_writing_of_a_phone_number_is_the_same_number(clean: Tables) -> None:
    _, account = spoil_tables(clean, only("phone_format", 1.0), 1)
    assert account.num_rows == clean["customers"].num_rows
    assert all(plain_phone(row["spoilt"]) == plain_phone(row["original"]) for row in account.to_pylist())
    assert {row["spoilt"][0] for row in account.to_pylist()} == {"0", "+", "０"}


def test_channels_are_spelt_as_in_the_shop(clean: Tables) -> None:
    for locale, word in (("ja_JP", "ウェブ"), ("en_GB", "Online")):
        spoilt, _ = spoil_tables(clean, only("channel_spelling", 1.0), 1, locale=locale)
        words = set(spoilt["orders"]["channel"].to_pylist())
        assert {"Web", "WEB ", word} <= words
        assert not words & {"web", "store", "app", "phone"}


def test_amounts_are_in_thousands_or_with_tax(clean: Tables) -> None:
    _, account = spoil_tables(clean, only("unit", 1.0), 1)
    pairs = [(float(row["original"]), float(row["spoilt"])) for row in account.to_pylist()]
    assert {round(spoilt / original, 4) for original, spoilt in pairs} == {0.001, 1.1}
    assert all(spoilt == original * 0.001 or spoilt == original * 11 // 10 for original, spoilt in pairs)


def test_impossible_dates_are_impossible(clean: Tables) -> None:
    spoilt, _ = spoil_tables(clean, only("impossible_date", 1.0), 1)
    kinds: Counter[str] = Counter()
    for row in spoilt["orders"].to_pylist():
        early = row["ordered_at"] == datetime(1900, 1, 1)
        late = row["ordered_at"] == datetime(2099, 12, 31)
        backwards = row["refunded_at"] is not None and row["refunded_at"] < row["ordered_at"]
        assert early or late or backwards
        kinds.update([name for name, found in (("early", early), ("late", late), ("back", backwards)) if found])
    assert min(kinds.values()) > 100
    born = [row for row in spoilt["customers"].to_pylist() if row["birth_date"] is not None]
    assert all(row["birth_date"] > row["registered_at"].date() for row in born)
    assert all(isinstance(row["birth_date"], date) for row in born)


def test_orphans_point_to_nobody(clean: Tables) -> None:
    spoilt, account = spoil_tables(clean, only("orphan", 0.1), 1)
    known = set(clean["customers"]["customer_id"].to_pylist())
    lost = [row for row in spoilt["orders"].to_pylist() if row["customer_id"] not in known]
    assert {row["order_id"] for row in lost} == {row_id for _, row_id, _ in steps(account, "orphan")}


def test_late_rows_stand_at_the_end_out_of_the_order_of_time(clean: Tables) -> None:
    spoilt, account = spoil_tables(clean, only("late", 0.1), 1)
    ids = spoilt["orders"]["order_id"].to_pylist()
    assert sorted(ids) == clean["orders"]["order_id"].to_pylist()
    assert ids[-account.num_rows :] == account["row_id"].to_pylist()
    assert ids[: -account.num_rows] == sorted(ids[: -account.num_rows])


def test_repeated_rows_are_the_same_in_every_column(clean: Tables) -> None:
    spoilt, account = spoil_tables(clean, replace(everything(0.2), duplicate_share=0.0), 1)
    orders = spoilt["orders"].to_pylist()
    times = Counter(row["order_id"] for row in orders)
    twice = {order for order, count in times.items() if count == 2}
    assert set(times.values()) == {1, 2}
    assert twice == {row_id for _, row_id, _ in steps(account, "repeated_row")}
    assert len({tuple(row.values()) for row in orders}) == len(times)


# Second records


@pytest.fixture(scope="module")
def doubled(clean: Tables) -> tuple[dict[str, pa.Table], pa.Table]:
    return spoil_tables(clean, only("duplicate", 0.3), 1)


def test_second_records_stand_at_the_end_and_differ_where_the_account_says(
    clean: Tables, doubled: tuple[dict[str, pa.Table], pa.Table]
) -> None:
    spoilt, account = doubled
    first = {row["customer_id"]: row for row in clean["customers"].to_pylist()}
    said = steps(account, "duplicate")
    seconds = spoilt["customers"].slice(clean["customers"].num_rows).to_pylist()
    assert 500 < len(seconds) < 700
    for row in seconds:
        one = first[row["customer_id"].removesuffix("D")]
        differing = {name for name in row if row[name] != one[name]}
        assert differing == {column for _, row_id, column in said if row_id == row["customer_id"]}
        assert differing >= {"customer_id", "source_system", "registered_at", "member_since", "member_tier"}
        assert row["registered_at"] > one["registered_at"]
        assert row["birth_date"] == one["birth_date"]
        assert plain(row["name"]) == plain(one["name"])
        assert row["phone"] is None or plain_phone(row["phone"]) == plain_phone(one["phone"])
    for column, least in (("name", 0.4), ("name_kana", 0.4), ("email", 0.4), ("phone", 0.4)):
        changed = sum(row[column] != first[row["customer_id"].removesuffix("D")][column] for row in seconds)
        assert least < changed / len(seconds) < 0.6


def test_no_two_people_share_an_address(doubled: tuple[dict[str, pa.Table], pa.Table]) -> None:
    owners: dict[str, set[str]] = {}
    for row in doubled[0]["customers"].to_pylist():
        if row["email"] is not None:
            owners.setdefault(row["email"], set()).add(row["customer_id"].removesuffix("D"))
    assert all(len(people) == 1 for people in owners.values())


def test_later_orders_are_booked_on_second_records(
    clean: Tables, doubled: tuple[dict[str, pa.Table], pa.Table]
) -> None:
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


def test_rows_go_where_their_order_subscription_or_ticket_goes(doubled: tuple[dict[str, pa.Table], pa.Table]) -> None:
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


def test_second_records_lower_the_repeat_rate(clean: Tables, doubled: tuple[dict[str, pa.Table], pa.Table]) -> None:
    def repeat_rate(orders: pa.Table) -> float:
        counts = Counter(orders["customer_id"].to_pylist())
        return sum(count > 1 for count in counts.values()) / len(counts)

    assert repeat_rate(doubled[0]["orders"]) < repeat_rate(clean["orders"]) - 0.05


def test_an_id_that_is_taken_is_not_given_again() -> None:
    tables = {"customers": pa.table({"customer_id": ["a", "aD", "aDD"]})}
    spoilt, account = spoil_tables(tables, only("duplicate", 1.0), 1)
    assert spoilt["customers"]["customer_id"].to_pylist() == ["a", "aD", "aDD", "aDDD"]
    assert account["original"].to_pylist() == ["aDD"]


# Chance


def test_words_of_texts_are_those_of_their_bytes() -> None:
    texts = ["", "a", "b", "ab", "ba", "a\0", "12345678", "123456789", "123456780", "会員1", "会員２", "x" * 100]
    drawn = text_words(pa.array(texts))
    assert len(set(drawn.tolist())) == len(texts)
    # written down once: the same on every machine and for good
    assert [f"{word:016x}" for word in drawn[[1, 6, 9]].tolist()] == EXPECTED_WORDS
    padded = pa.array(["other", *texts, None]).slice(1)
    assert text_words(padded).tolist() == [*drawn.tolist(), drawn[0]]
    assert text_words(pa.array([], pa.string())).tolist() == []


EXPECTED_WORDS: list[str] = []


def test_neighbouring_ids_and_kinds_draw_apart(large: Tables) -> None:
    spoilt = [
        {row_id for _, row_id, column in steps(spoil_tables(large, only(kind, 0.5), 1)[1], kind) if column == name}
        for kind, name in (("missing", "email"), ("missing", "gender"), ("phone_format", "phone"), ("width", "email"))
    ]
    for number, one in enumerate(spoilt):
        for other in spoilt[:number]:
            assert abs(len(one & other) - 5_000) < 4 * sqrt(20_000 * 3 / 16)
        following = {f"C{int(name[1:]) + 1:07}" for name in one}
        assert abs(len(one & following) - 5_000) < 4 * sqrt(20_000 * 3 / 16)


# Bad input


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan"), float("inf"), "0.1", True, None])
def test_a_share_outside_0_to_1_is_refused(language: Any, value: Any) -> None:
    with in_language(language), pytest.raises(ParameterError) as found:
        Defects.of({"late_share": value})
    with in_language(language):
        said = str(found.value)
    assert "late_share" in said
    assert repr(value) in said
    assert ("between 0 and 1" in said) == (language == "en")


@pytest.mark.parametrize(
    ("language", "said"), [("ja", "近いもの：「duplicate_share」"), ("en", "Nearest: 'duplicate_share'")]
)
def test_an_unknown_share_is_answered_with_the_nearest(language: Any, said: str) -> None:
    with pytest.raises(ParameterError) as found:
        Defects.of({"duplicates_share": 0.1})
    with in_language(language):
        assert said in str(found.value)
        assert "late_share" in str(found.value)
    with pytest.raises(ParameterError) as found:
        Defects.of({"zzz": 0.1})
    with in_language(language):
        assert "zzz" in str(found.value)
        assert "''" not in str(found.value)
        assert "「」" not in str(found.value)


@pytest.mark.parametrize("seed", [1.5, "1", None, True])
def test_a_seed_is_a_whole_number(clean: Tables, seed: Any) -> None:
    with pytest.raises(ParameterError, match="seed must be a whole number"):
        spoil_tables(clean, Defects(), seed)


def test_shares_of_any_number_type_will_do() -> None:
    assert Defects(late_share=np.float32(0.5)) == Defects(late_share=0.5)
    assert pickle.loads(pickle.dumps(Defects())) == Defects()
