"""Values as people and programs write them: what each means, what is said about it, and what is refused."""

from __future__ import annotations

import warnings
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit import schema
from crmkit.datasets import load
from crmkit.datasets.repeats import all_the_same, repeated
from crmkit.datasets.values import CODE, Reading, Values, read_column
from crmkit.errors import RowsLeftOut, WrongType
from crmkit.texts import LANGUAGES, in_language

AMOUNT = schema.TABLES["orders"]["net_amount"]
AT = schema.TABLES["orders"]["ordered_at"]
SHARE = schema.TABLES["campaigns"]["discount_rate"]
COUNT = schema.TABLES["order_items"]["line_no"]
FLAG = schema.TABLES["orders"]["is_test"]
HOW = Reading("Asia/Tokyo", None, None)


def read(cells: list[object], column=AMOUNT, how: Reading = HOW, kind: pa.DataType | None = None) -> Values:
    """A column as it is read, and the same with its values numbered: both must agree."""
    array = pa.array(cells, kind)
    values = read_column(pa.chunked_array([array]), column, how)
    if pa.types.is_string(array.type):
        half = len(array) // 2
        numbered = [part.dictionary_encode() for part in (array[:half], array[half:])]
        again = read_column(pa.chunked_array(numbered), column, how)
        assert again.faults.tolist() == values.faults.tolist()
        assert {name for name, where in again.notes.items() if where.any()} == noted(values)
    return values


def noted(values: Values) -> set[str]:
    return {name for name, where in values.notes.items() if where.any()}


def faults(values: Values) -> list[int]:
    return values.faults.tolist()


# --- numbers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1\u00a0234", 1234),
        ("1\u202f234\u202f567.5", 1234567.5),
        ("1\u2009234", 1234),
        ("1'234.50", 1234.5),
        ("1\u2019234", 1234),
        ("$1,234.50", 1234.5),
        ("US$ 12", 12),
        ("€12.5", 12.5),
        ("12.50 €", 12.5),
        ("4,400 JPY", 4400),
        ("JPY 4,400", 4400),
        ("-¥1,200", -1200),
        ("¥-1,200", -1200),
        ("￥１，２００円", 1200),
        ("1,234\u00a0円", 1234),
        ("1 234", None),
        ("1,23,456", None),
        ("12%", None),
        ("１２時", None),
    ],
)
def test_amounts_of_many_countries(text, number):
    values = read([text, "7.5", "8.25", "9.5"])
    assert values.values[1:].tolist() == [7.5, 8.25, 9.5]
    if number is None:
        assert faults(values)[0] == CODE["unreadable"]
    else:
        assert values.values[0] == number
        assert faults(values)[0] == (CODE["negative"] if number < 0 else 0)
        assert noted(values) >= {"rewritten"}
        assert values.notes["rewritten"].tolist() == [True, False, False, False]


def test_decimal_commas_are_seen_by_the_column():
    values = read(["1.234,56", "12,50", "7", "1\u00a0234,5 €", "-"])
    assert values.values[:4].tolist() == [1234.56, 12.5, 7, 1234.5]
    assert faults(values) == [0, 0, 0, 0, CODE["unreadable"]]
    assert values.notes["decimal_comma"].tolist() == [True, True, False, True, False]


@pytest.mark.parametrize(
    ("cells", "ambiguous"),
    [
        (["1.234", "5.678"], 2),
        (["1.234", "500", "12.000"], 2),
        (["12,50", "12.50"], 2),
        (["0,125", "7.5"], 2),
        (["1.234,56", "1,234.56", "5"], 2),
        (["1.234", "0.5"], 0),
        (["1.234", "2.50"], 0),
        (["0.125", "0.250"], 0),
        (["1,234", "5,678"], 0),
        (["1234.567"], 0),
        (["12,50", *["4400"] * 9], 0),
        (["12,50", *["4.5"] * 30], 0),
    ],
)
def test_amounts_that_can_be_read_in_two_ways(cells, ambiguous):
    assert faults(read(cells)).count(CODE["ambiguous"]) == ambiguous
    comma, point = (read(cells, how=Reading("Asia/Tokyo", None, None, decimal=sign)) for sign in ",.")
    assert CODE["ambiguous"] not in faults(comma) + faults(point)


def test_the_sign_of_decimals_can_be_said():
    comma, point = (Reading("Asia/Tokyo", None, None, decimal=sign) for sign in ",.")
    assert read(["1.234", "5,5"], how=comma).values.tolist() == [1234, 5.5]
    assert read(["1.234"], how=comma).values.tolist() == [1234]
    assert read(["1.234"], how=point).values.tolist() == [1.234]
    assert read(["1,234"], how=comma).values.tolist() == [1.234]
    assert faults(read(["12,50", "3,25"], how=point)) == [CODE["unreadable"]] * 2


def test_ambiguous_amounts_are_refused_with_both_readings(tmp_path):
    path = tmp_path / "shop.csv"
    path.write_text("customer_id;ordered_at;net_amount\nA;2024-01-01;1.234\nB;2024-01-02;5.678\n", encoding="utf-8")
    with pytest.raises(WrongType) as caught:
        load({"orders": path})
    for code in LANGUAGES:
        with in_language(code):
            assert all(part in str(caught.value) for part in ("shop.csv", "net_amount", "2", "'1.234'", "decimal=','"))


def test_percentages_are_shares_only_where_a_share_is_due():
    values = read(["12%", "0.5", "１００％", "120%"], SHARE)
    assert values.values[:3].tolist() == [0.12, 0.5, 1.0]
    assert faults(values) == [0, 0, 0, CODE["out_of_range"]]
    assert values.notes["percent"].tolist() == [True, False, True, True]
    assert faults(read(["12%", "3"], COUNT)) == [CODE["unreadable"], 0]


def test_several_currencies_are_said():
    values = read(["¥1,200", "￥300", "$5", "100"])
    assert values.notes["several_currencies"].tolist() == [False, False, True, False]
    assert "several_currencies" not in noted(read(["$5", "$6", "7"]))


@settings(max_examples=300, deadline=None)
@given(
    numbers=st.lists(st.decimals(0, 10**9, places=2, allow_nan=False), min_size=3, max_size=30),
    style=st.sampled_from([(",", "."), (".", ","), ("\u00a0", ","), ("'", "."), ("", "."), ("", ",")]),
)
def test_numbers_are_read_back_in_any_style(numbers, style):
    group, decimal = style
    cells = [f"{number:,.2f}".replace(",", "G").replace(".", decimal).replace("G", group) for number in numbers]
    assert read(cells).values.tolist() == [float(number) for number in numbers]


# --- dates


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("令和6年4月1日", "2024-04-01"),
        ("令和元年5月1日", "2019-05-01"),
        ("平成31年4月30日", "2019-04-30"),
        ("平成元年1月8日", "1989-01-08"),
        ("昭和64年1月7日", "1989-01-07"),
        ("昭和元年12月25日", "1926-12-25"),
        ("大正15年12月24日", "1926-12-24"),
        ("大正元年7月30日", "1912-07-30"),
        ("明治45年7月29日", "1912-07-29"),
        ("R6.4.1", "2024-04-01"),
        ("R06/04/01 10:05", "2024-04-01T10:05"),
        ("H31.4.30", "2019-04-30"),
        ("S63-12-31", "1988-12-31"),
        ("R元.5.1", "2019-05-01"),
        ("令和6/4/1", "2024-04-01"),
        ("㋿6年4月1日", "2024-04-01"),
        ("令和６年４月１日（月）午後３時５分", "2024-04-01T15:05"),
        ("令和元年4月30日", None),
        ("平成31年5月1日", None),
        ("平成元年1月7日", None),
        ("昭和64年1月8日", None),
        ("昭和元年12月24日", None),
        ("R1.4.30", None),
        ("令和6年2月30日", None),
        ("令和0年4月1日", None),
        ("X6.4.1", None),
    ],
)
def test_japanese_eras(text, expected):
    values = read([text, "2024-01-01"], AT)
    if expected is None:
        assert faults(values) == [CODE["unreadable"], 0]
        assert noted(values) == set()
    else:
        assert values.values[0] == np.datetime64(expected)
        assert faults(values) == [0, 0]
        assert values.notes["era_date"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 Apr 2024", "2024-04-01"),
        ("01-APR-2024", "2024-04-01"),
        ("1st April 2024", "2024-04-01"),
        ("Apr 1, 2024", "2024-04-01"),
        ("april 01 2024", "2024-04-01"),
        ("Sept. 30, 2024 9:05 pm", "2024-09-30T21:05"),
        ("Mon, 01 Apr 2024 10:05:00 +0900", "2024-04-01T10:05"),
        ("Mon, 01 Apr 2024 01:05:00 Z", "2024-04-01T10:05"),
        ("Apr 1, 2024, 12:00 AM", "2024-04-01T00:00"),
        ("2024-04-01 12:00 PM", "2024-04-01T12:00"),
        ("2024/4/1 午前0:30", "2024-04-01T00:30"),
        ("2024/4/1 午後1時", "2024-04-01T13:00"),
        ("2024年4月1日午後13:05", "2024-04-01T13:05"),
        ("20240401100500", "2024-04-01T10:05"),
        ("2024/4/1(月曜日) 9:05", "2024-04-01T09:05"),
        ("31 Apr 2024", None),
        ("Foo 1, 2024", None),
        ("2024-04-01 13:05 AM", None),
        ("2024-04-01 午前10:05 PM", None),
        ("Apr 2024", None),
    ],
)
def test_months_in_words_and_clocks_of_twelve_hours(text, expected):
    values = read([text, "2024-01-01"], AT)
    assert faults(values) == [0 if expected else CODE["unreadable"], 0]
    assert expected is None or values.values[0] == np.datetime64(expected)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["45383", "45383.420138888888", "45384.5", ""], pa.string()),
        ([45383.0, 45383.420138888888, 45384.5, None], pa.float64()),
        ([Decimal("45383"), Decimal("45383.420138888888"), Decimal("45384.5"), None], pa.decimal128(20, 12)),
    ],
)
def test_days_of_a_spreadsheet(cells, kind):
    values = read(cells, AT, kind=kind)
    expected = ["2024-04-01", "2024-04-01T10:05", "2024-04-02T12:00"]
    assert values.values[:3].tolist() == [np.datetime64(at, "us").item() for at in expected]
    assert faults(values) == [0, 0, 0, CODE["empty"]]
    assert values.notes["serial_date"].tolist() == [True, True, True, False]


def test_a_single_number_among_dates_is_no_date():
    values = read(["45383", "2024-04-01", "2024-04-02"], AT)
    assert faults(values) == [CODE["unreadable"], 0, 0]


@pytest.mark.parametrize("each", [1, 1_000, 1_000_000])
@pytest.mark.parametrize("kind", [pa.string(), pa.int64(), pa.float64()])
def test_seconds_since_1970(each, kind):
    seconds = [1711933500, 1711933501, 946652400]
    values = read([str(n * each) if kind == pa.string() else n * each for n in seconds], AT, kind=kind)
    expected = ["2024-04-01T10:05:00", "2024-04-01T10:05:01", "2000-01-01T00:00:00"]
    assert values.values.tolist() == [np.datetime64(at, "us").item() for at in expected]
    assert values.notes["unix_time"].all()


@pytest.mark.parametrize("kind", [pa.int64(), pa.int32(), pa.float64()])
def test_days_as_numbers_of_eight_figures(kind):
    values = read([20240401, 20240402, None], AT, kind=kind)
    assert values.values[:2].tolist() == [datetime(2024, 4, 1), datetime(2024, 4, 2)]
    assert faults(values) == [0, 0, CODE["empty"]]


@pytest.mark.parametrize("cells", [[4400.0, 5500.0], [1.5, 2.5], [float("nan"), 7.0], [float("inf"), 45383.0, 1.0]])
def test_other_numbers_are_no_dates(cells):
    values = read(cells, AT, kind=pa.float64())
    assert np.isnat(values.values).all()
    assert (values.faults > 0).all()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.datetimes(datetime(1960, 1, 1), datetime(2060, 1, 1)), min_size=1, max_size=20))
def test_serials_are_read_back_to_the_second(moments):
    whole = [moment.replace(microsecond=0) for moment in moments]
    serials = [(moment - datetime(1899, 12, 30)) / timedelta(days=1) for moment in whole]
    assert read([repr(serial) for serial in serials], AT).values.tolist() == whole
    assert read(serials, AT, kind=pa.float64()).values.tolist() == whole


def test_every_rewrite_is_counted_and_said(tmp_path):
    path = tmp_path / "shop.csv"
    lines = ["customer_id,ordered_at,net_amount,is_test"]
    lines += ["A,R6.4.1,￥100,○", 'B,令和6年4月2日,"1,200円",×', "A,2024-04-03,5.5,未"]
    path.write_text("\n".join(lines), encoding="cp932")
    crm = load({"orders": path})
    told = {(one.kind, one.column): (one.rows, one.action) for one in crm.each_problem()}
    assert told == {("era_date", "ordered_at"): (2, "changed"), ("rewritten", "net_amount"): (2, "changed")}
    assert crm.orders["is_test"].to_list() == [True, False, False]
    with in_language("ja"):
        assert any("和暦" in said for said in crm.problems["problem"])


def test_serials_are_said(tmp_path):
    table = pa.table({"customer_id": ["A", "B"], "ordered_at": [45383.5, 45384.0], "net_amount": [1, 2]})
    pq.write_table(table, tmp_path / "shop.parquet")
    crm = load({"orders": tmp_path / "shop.parquet"})
    assert [(one.kind, one.rows, one.action) for one in crm.each_problem()] == [("serial_date", 2, "changed")]
    for code in LANGUAGES:
        with in_language(code):
            assert "2024-04-01" in crm.problems["problem"][0]


# --- flags


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["○", "×"], [True, False]),
        (["〇", "✕"], [True, False]),
        (["TRUE", "FALSE"], [True, False]),
        (["Ｙ", "Ｎ"], [True, False]),
        (["済", "未"], [True, False]),
        (["on", "OFF"], [True, False]),
        (["あり", "なし"], [True, False]),
        (["☑", "☐"], [True, False]),
    ],
)
def test_flags(words, expected):
    assert read(words, FLAG).values.to_pylist() == expected
    assert faults(read([*words, "たぶん"], FLAG)) == [0, 0, CODE["unreadable"]]


# --- ids


@pytest.mark.parametrize("spaces", ["", " ", "\t", "\u3000", "\u00a0"])
def test_spaces_around_ids_and_words_for_nothing(spaces):
    ids = schema.TABLES["orders"]["customer_id"]
    values = read([f"{spaces}A1{spaces}", "N0001", "nan", f"{spaces}NULL", "#N/A", "顧客", ""], ids)
    assert values.values.to_pylist() == ["A1", "N0001", None, None, None, "顧客", None]
    plain = read(["C1", "C2", "none-such", "nobody"], ids)
    assert plain.values.to_pylist() == ["C1", "C2", "none-such", "nobody"]
    assert not plain.faults.any()


def test_a_slice_of_ids_is_read_as_it_stands():
    whole = pa.array(["", "NULL", "A", "B", " "])
    values = read_column(pa.chunked_array([whole[2:4]]), schema.TABLES["orders"]["customer_id"], HOW)
    assert values.values.to_pylist() == ["A", "B"]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(["1", "01", "001", "A", "B"]),
            st.integers(-(2**63), 2**63 - 1).map(str),
            st.text(max_size=3),
        )
    )
)
def test_repeated_ids_are_never_missed(ids):
    ids = [one for one in ids if not any("\ud800" <= letter <= "\udfff" for letter in one)]
    for array in (pa.array(ids, pa.string()), pa.chunked_array([pa.array(ids, pa.string())])):
        assert list(repeated(array)) == [at for at, one in enumerate(ids) if one is not None and ids.count(one) > 1]
        assert all_the_same(array) == (len(set(ids)) <= 1)


def test_repeated_ids_among_many(tmp_path):
    path = Path(tmp_path) / "shop.csv"
    rows = [f"{n % 120_000},K{n % 7},2024-01-01" for n in range(120_001)]
    path.write_text("\n".join(["order_id,customer_id,ordered_at", *rows]), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowsLeftOut)
        crm = load({"orders": path})
    assert len(crm.orders) == 120_000
    assert crm.rejected["orders"]["line"].to_list() == [120_002]
