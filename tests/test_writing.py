"""Names, telephone numbers and channels written otherwise: always another writing, always of the same thing."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pyarrow as pa
import pytest

from crmkit.simulator.defects import Defects, spoil_tables
from crmkit.simulator.writing import KANJI, other_kana, other_kanji, other_width, plain, plain_phone
from tests.toy_shop import Tables, ids_of, shop


@pytest.fixture(scope="module")
def clean() -> dict[str, pa.Table]:
    return shop()


def only(kind: str) -> Defects:
    return replace(Defects.none(), **{f"{kind}_share": 1.0})


def test_every_kanji_belongs_to_one_group() -> None:
    signs = "".join(KANJI)
    assert len(set(signs)) == len(signs)
    assert unicodedata.normalize("NFKC", signs) == signs
    for group in KANJI:
        for sign in group:
            found = {other_kanji(sign, u / 10) for u in range(10)}
            assert found == set(group) - {sign}
            assert {plain(one) for one in found} == {group[0]}


def test_kana_of_every_width_and_kind_are_the_same_reading() -> None:
    kana = "".join(chr(code) for code in range(0x30A1, 0x30F7)) + "ー・"
    narrow = other_width(kana)
    assert unicodedata.normalize("NFKC", narrow) == kana
    assert set(narrow) & set(kana) == set("ヮヰヱヵヶ")  # these have no half-width form
    assert plain(narrow) == plain(kana) == plain(other_kana(kana, 0.0)) == plain(other_kana(narrow, 0.0))
    assert other_width(other_width("A-1 b")) == "A-1 b"


def test_every_writing_of_a_name_is_another_one_of_the_same_name(clean: Tables) -> None:
    changed = 0
    for kind in ("name_variant", "kanji_variant", "width"):
        _, account = spoil_tables(clean, only(kind), 1)
        for row in account.to_pylist():
            if row["column"] in ("name", "name_kana"):
                assert row["spoilt"] != row["original"]
                assert plain(row["spoilt"]) == plain(row["original"])
                changed += 1
    assert changed > 5_000
    names = clean["customers"].select(["customer_id", "name", "name_kana"]).to_pylist()
    reading = {row["customer_id"]: row["name_kana"] for row in names}
    _, account = spoil_tables(clean, only("kana_in_name"), 1)
    assert all(row["spoilt"] == reading[row["row_id"]] for row in account.to_pylist())


def test_names_in_latin_letters_are_written_otherwise_too() -> None:
    tables = {"customers": pa.table({"customer_id": ids_of("C", 100), "name": ["Mary Hill"] * 100})}
    spoilt, _ = spoil_tables(tables, only("name_variant"), 1, locale="en_US")
    assert set(spoilt["customers"]["name"].to_pylist()[:100]) == {"MaryHill", "Mary Hill ", "MARY HILL", "mary hill"}


def test_every_writing_of_a_phone_number_is_the_same_number(clean: Tables) -> None:
    _, account = spoil_tables(clean, only("phone_format"), 1)
    assert account.num_rows == clean["customers"].num_rows
    assert all(plain_phone(row["spoilt"]) == plain_phone(row["original"]) for row in account.to_pylist())
    assert {row["spoilt"][0] for row in account.to_pylist()} == {"0", "+", "０"}


def test_channels_are_spelt_as_in_the_shop(clean: Tables) -> None:
    for locale, word in (("ja_JP", "ウェブ"), ("en_GB", "Online")):
        spoilt, _ = spoil_tables(clean, only("channel_spelling"), 1, locale=locale)
        words = set(spoilt["orders"]["channel"].to_pylist())
        assert {"Web", "WEB ", word} <= words
        assert not words & {"web", "store", "app", "phone"}
