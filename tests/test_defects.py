"""Spoiling: each kind of defect does what it says to as many rows as it says, and the account undoes all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import date, datetime
from itertools import pairwise
from math import sqrt

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit import schema
from crmkit.simulator.defects import Defects, spoil_tables
from crmkit.simulator.export import text_words
from crmkit.simulator.writing import KANJI
from tests.toy_shop import Row, Tables, decoded, same, shop, smaller, undone, with_holes

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
    tables = smaller(SMALL, data.draw(st.integers(0, 60), "customers"))
    tables = with_holes(tables) if data.draw(st.booleans(), "holes") else tables
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
    unwrapped = {name: decoded(table) for name, table in cut.items()}
    encoded = {name: _encoded(table) for name, table in cut.items()}
    for tables in (cut, unwrapped, encoded):
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
    before, after = (first_records(spoil_tables(clean, Defects.of({KINDS[kind]: share}), 1)[1]) for share in (0, 0.5))
    for other in set(KINDS) - {kind}:
        assert steps(after, other) <= steps(before, other)
        lost = steps(before, other) - steps(after, other)
        assert not lost or (kind, other) == ("missing", "missing_old")  # what is empty cannot be emptied once more


def first_records(account: pa.Table) -> pa.Table:
    """The account without what happened to second records, which draw by ids of their own."""
    return account.filter(pc.invert(pc.ends_with(account["row_id"], "D")))


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


# Chance


def test_words_of_texts_are_those_of_their_bytes() -> None:
    texts = ["", "a", "b", "ab", "ba", "a\0", "12345678", "123456789", "123456780", "会員1", "会員２", "x" * 100]
    drawn = text_words(pa.array(texts))
    assert drawn.tolist() == [word_of(text) for text in texts]
    assert len(set(drawn.tolist())) == len(texts)
    padded = pa.array(["other", *texts, None]).slice(1)
    assert text_words(padded).tolist() == [*drawn.tolist(), drawn[0]]
    assert text_words(pa.array([], pa.string())).tolist() == []


def word_of(text: str) -> int:
    """The same in whole numbers of any length, one text at a time."""

    def scrambled(z: int) -> int:
        full = (1 << 64) - 1
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & full
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & full
        return z ^ (z >> 31)

    found = scrambled(len(text.encode()))
    for at in range(0, len(text.encode()), 8):
        found = scrambled(found ^ int.from_bytes(text.encode()[at : at + 8], "little"))
    return found


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
