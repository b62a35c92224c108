"""Columns that have no name, or the name of another: told apart, asked for, kept, and never guessed."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.datasets import Dataset, load, recognize
from crmkit.datasets.naming import places, told_apart
from crmkit.datasets.natives import offer_of_frame
from crmkit.datasets.opening import offers_of
from crmkit.errors import MissingColumn, RowsLeftOut, UnreadableFile
from crmkit.texts import LANGUAGES, Language, in_language
from tests.workbooks import book

HEADERS = ["会員番号", "", "日付", "金額", "金額", "日付", ""]
ROWS = [["A", "x", "2024-04-01", "1", "2", "2024-04-03", ""], ["B", "y", "2024-04-02", "3", "4", "2024-04-05", ""]]
SAID = {"ordered_at": "日付 (2)", "net_amount": "金額 (1)"}


def as_csv(folder: Path) -> Any:
    pd.DataFrame(ROWS, columns=HEADERS).to_csv(folder / "shop.csv", index=False)
    return folder / "shop.csv"


def as_book(folder: Path) -> Any:
    return book(folder / "shop.xlsx", {"売上": [HEADERS, *ROWS]})


def as_frame(_: Path) -> Any:
    return pd.DataFrame(ROWS, columns=HEADERS)


@pytest.mark.parametrize("make", [as_csv, as_book, as_frame])
def test_each_column_can_be_asked_for(make: Any, tmp_path: Path) -> None:
    crm = load(make(tmp_path), columns={**SAID, "coupon_code": "column 2"})
    assert crm.orders["ordered_at"].dt.day.tolist() == [3, 5]
    assert crm.orders["net_amount"].tolist() == [1.0, 3.0]
    assert crm.orders["coupon_code"].tolist() == ["x", "y"]


@pytest.mark.parametrize("code", LANGUAGES)
def test_which_is_meant_is_never_guessed(tmp_path: Path, code: Language) -> None:
    with in_language(code):
        for columns in (None, {"ordered_at": "日付 (1)"}, {**SAID, "net_amount": "金額"}):
            with pytest.raises(UnreadableFile) as caught:
                load(as_csv(tmp_path), columns=columns)
            assert caught.value.reason == "header_twice"
        assert "columns={'net_amount': '金額 (1)'}" in str(caught.value)  # the mend, ready to be used
        assert "'金額 (1)', '金額 (2)'" in str(caught.value)
        with pytest.raises(MissingColumn, match=r"日付 \(2\)"):
            load(as_csv(tmp_path), columns={**SAID, "ordered_at": "日付 (3)"})


def test_none_of_them_may_be_meant(tmp_path: Path) -> None:
    crm = load(as_csv(tmp_path), columns={**SAID, "net_amount": None})
    assert "net_amount" not in crm.orders


@pytest.mark.parametrize("code", LANGUAGES)
def test_it_says_what_they_are_called(tmp_path: Path, code: Language) -> None:
    unnamed = {"ja": ("2列目", "7列目"), "en": ("column 2", "column 7")}[code]
    with in_language(code):
        crm = load(as_csv(tmp_path), columns=SAID)
        own = crm.mapping.frame()["own"].tolist()
        assert own == ["会員番号", unnamed[0], "日付 (1)", "金額 (1)", "金額 (2)", "日付 (2)", unnamed[1]]
        said = next(line for line in crm.report().splitlines() if "columns=" in line)
        assert all(name in said for name in (*own[1:6],))
        assert unnamed[1] not in said  # nothing stands in it: a spreadsheet's edge


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_was_kept_in_one_language_is_read_in_the_other(tmp_path: Path, code: Language) -> None:
    source = as_csv(tmp_path)
    with in_language(code):
        kept = recognize(source, columns={**SAID, "coupon_code": "column 2"}).save(tmp_path / "shop.toml")
    for other in LANGUAGES:
        with in_language(other):
            assert load(source, columns=kept).orders["coupon_code"].tolist() == ["x", "y"]


@pytest.mark.parametrize("code", LANGUAGES)
def test_rows_set_aside_have_the_same_names(tmp_path: Path, code: Language) -> None:
    """In the file of rows to mend other columns stand in front: places alone would name the wrong ones."""
    (tmp_path / "shop.csv").write_text(",".join(HEADERS) + "\nA,x,?,1,2,いつか,\nB,y,?,3,4,2024-04-05,\n", "utf-8")
    with in_language(code):
        with pytest.warns(RowsLeftOut):
            crm = load(tmp_path / "shop.csv", columns={**SAID, "coupon_code": "column 2"})
        (place,) = crm.save_rejected(tmp_path / "mend")
    place.write_text(place.read_text("utf-8-sig").replace("いつか", "2024-04-09"), "utf-8")
    for other in LANGUAGES:
        with in_language(other):
            again = load(place, columns={**SAID, "coupon_code": "column 2"})
            assert again.orders["coupon_code"].tolist() == ["x"]
            assert again.orders["net_amount"].tolist() == [1.0]


def test_headers_that_differ_in_case_only_keep_their_own_names_too() -> None:
    frame = pd.DataFrame({"customer_id": ["A"], "Date": ["2024-04-01"], "date ": ["2024-04-02"]})
    offer = told_apart(offer_of_frame(frame, "shop"))
    assert offer.headers == ("customer_id", "Date (1)", "date (2)")
    assert [places(offer, name) for name in ("Date", "date ", "date (2)", "DATE", "other", "")] == [
        [1], [2], [2], [1, 2], [], [],
    ]  # fmt: skip
    assert load(frame, tables="orders", columns={"ordered_at": "date "}).orders["ordered_at"].dt.day.tolist() == [2]


def test_names_that_the_file_uses_itself_are_left_to_it() -> None:
    headers = ["日付", "日付", "日付 (2)", "", "column 4", "\u200b"]
    with in_language("en"):
        offer = told_apart(offer_of_frame(pd.DataFrame([list("abcdef")], columns=headers), "shop"))
    assert len(set(offer.headers)) == len(headers)
    assert places(offer, "日付 (2)") == [2]
    assert places(offer, "column 4") == [4]


def test_a_first_row_of_values_is_no_header_whatever_comes_twice(tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_text("A1,2024-04-01,1000,1000,1000\nA2,2024-04-02,5,6,7\n", "utf-8")
    with pytest.raises(UnreadableFile) as caught:
        load(tmp_path / "bare.csv", tables="orders", columns={"customer_id": "column 1", "ordered_at": "column 2"})
    assert caught.value.reason == "no_header"


def test_files_of_a_folder_are_one_table_all_the_same(tmp_path: Path) -> None:
    for month in ("04", "05"):
        (tmp_path / f"orders_2024-{month}.csv").write_text(
            f"会員番号,注文日,メモ,メモ\nA,2024-{month}-01,x,y\n", "utf-8"
        )
    crm: Dataset = load(tmp_path, columns={"orders": {"coupon_code": "メモ (2)"}})
    assert crm.orders["coupon_code"].tolist() == ["y", "y"]


def test_a_source_without_such_headers_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text("会員番号,注文日\nA,2024-04-01\n", "utf-8")
    (offer,) = offers_of(tmp_path / "shop.csv")
    assert not offer.stood
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "columns=" not in load(tmp_path / "shop.csv").report()


@settings(max_examples=300, deadline=None)
@given(headers=st.lists(st.sampled_from(["", " ", "a", "A", "a (1)", "a (2)", "column 1", "1列目", "２列目", "\u200b"]),
                        min_size=1, max_size=9))  # fmt: skip
def test_every_column_has_a_name_of_its_own_that_finds_it(headers: list[str]) -> None:
    offer = offer_of_frame(pd.DataFrame([range(len(headers))], columns=headers), "shop")
    for code in LANGUAGES:
        with in_language(code):
            named = told_apart(offer)
            assert all(name.strip() for name in named.headers)
            assert [places(named, name) for name in named.headers] == [[at] for at in range(len(headers))]
