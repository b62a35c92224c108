"""Bad files: every message names the file, the column, the count, what was found and the mend, in both languages."""

from __future__ import annotations

import csv
import io
import re
import warnings
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmkit.datasets import Dataset, load
from crmkit.datasets.said import BINARY
from crmkit.errors import CrmkitError, EmptyTable, MissingColumn, ParameterError, RowsLeftOut, UnreadableFile, WrongType
from crmkit.texts import LANGUAGES, in_language

OWN = {"customer_id": "会員番号", "ordered_at": "注文日時", "net_amount": "購入金額"}
HEADER = "注文番号,会員番号,注文日時,購入金額"


def shop(folder: Path, *lines: str, header: str = HEADER, name: str = "shop.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return path


def good(first: int, count: int) -> list[str]:
    return [f"{n},K{n % 7},2024/4/{n % 28 + 1} 10:05,4400" for n in range(first, first + count)]


def load_orders(path: Path, *, columns=None, **how) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowsLeftOut)
        own = {"order_id": "注文番号", **OWN} if columns is None else columns
        crm = load({"orders": path}, columns=own, **how)
    for line in (crm.report(), crm._repr_html_()):
        assert line
    return crm


def says(error: BaseException, *parts: str) -> None:
    """The message holds all parts in either language, is not the same in both, and leaves no brace open."""
    told = {}
    for code in LANGUAGES:
        with in_language(code):
            told[code] = str(error)
            for part in map(str, parts):
                assert part in told[code], (code, part, told[code])
        assert not re.search(r"\{\w*\}|\{\{|\}\}", told[code])
    assert told["ja"] != told["en"]
    assert "。" in told["ja"]


def only_problem(crm: Dataset, kind: str, column: str, rows: int, found: str, action: str = "set_aside") -> None:
    """`problems` has this one, in both languages, with its mend."""
    matching = [p for p in crm.each_problem() if p.kind == kind]
    assert [(p.column, p.rows, p.action) for p in matching] == [(column, rows, action)]
    seen = {}
    for code in LANGUAGES:
        with in_language(code):
            frame = crm.problems
            row = frame[frame["problem"] == matching[0].what].iloc[0]
            assert list(frame.columns) == ["table", "column", "rows", "problem", "found", "action", "mend"]
            assert (row["table"], row["column"], row["rows"]) == ("orders", column, rows)
            assert found in row["found"]
            assert row["mend"]
            seen[code] = (row["problem"], row["action"], row["mend"])
            assert row["problem"] in crm.report()
    assert all(ja != en for ja, en in zip(seen["ja"], seen["en"], strict=True))


# --- files that are no table ----------------------------------------------------------------------------------------


def test_missing_file_names_the_nearest(tmp_path):
    shop(tmp_path, *good(1, 3), name="orders_2024.csv")
    with pytest.raises(UnreadableFile) as caught:
        load({"orders": tmp_path / "order_2024.csv"})
    says(caught.value, "order_2024.csv", str(tmp_path), "orders_2024.csv")


def test_a_folder_without_a_file_to_read(tmp_path):
    (tmp_path / "notes.md").write_text("x")
    with pytest.raises(EmptyTable) as caught:
        load({"orders": tmp_path})
    says(caught.value, str(tmp_path), "CSV")


@pytest.mark.parametrize("name", ["shop.json", "shop", "shop.docx"])
def test_kinds_of_files_that_are_not_known(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"x")
    with pytest.raises(UnreadableFile) as caught:
        load({"orders": path})
    says(caught.value, name, path.suffix or "-", "CSV", "Parquet")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"PK\x03\x04\x14\x00", "Excel (.xlsx)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "Excel (.xls)"),
        (b"PAR1\x15\x04", "Parquet"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"a,b\n\x00\x01,2\n", BINARY),
        (b"<!DOCTYPE html><html>login</html>", "HTML"),
        (b'{"orders": []}', "JSON"),
        (b"\xff\xfea", BINARY),
    ],
)
def test_what_a_csv_really_is(tmp_path, data, found):
    path = tmp_path / "shop.csv"
    path.write_bytes(data)
    with pytest.raises(UnreadableFile) as caught:
        load({"orders": path})
    says(caught.value, "shop.csv", found, "CSV UTF-8")


def test_a_csv_named_parquet(tmp_path):
    path = shop(tmp_path, *good(1, 3), name="shop.parquet")
    with pytest.raises(UnreadableFile) as caught:
        load({"orders": path})
    says(caught.value, "shop.parquet", "Parquet")


def test_an_encoding_that_is_not_known(tmp_path):
    path = tmp_path / "shop.csv"
    path.write_bytes(HEADER.encode("euc_jp") + b"\n1,\xff\xfe\xfd,2024-01-01,5\n")
    with pytest.raises(UnreadableFile) as caught:
        load({"orders": path})
    says(caught.value, "shop.csv", "UTF-8", "cp932")


def test_one_broken_character_does_not_turn_utf8_into_garbage(tmp_path):
    lines = "\n".join([HEADER, "1,山田花子,2024-01-01,5", "2,佐藤\xff,2024-01-02,5"])
    path = tmp_path / "shop.csv"
    path.write_bytes(lines.encode().replace("\xff".encode(), b"\xe3\x81"))
    with pytest.raises(UnreadableFile) as caught:
        load({"orders": path})
    says(caught.value, "shop.csv", "3", "UTF-8")


@pytest.mark.parametrize("data", [b"", b"\n\n", b"  \r\n", b"\xef\xbb\xbf"])
def test_empty_file(tmp_path, data):
    path = tmp_path / "shop.csv"
    path.write_bytes(data)
    with pytest.raises(EmptyTable) as caught:
        load({"orders": path})
    says(caught.value, "shop.csv")


@pytest.mark.parametrize("end", ["", "\n", "\r\n\r\n", "\n,,,\n"])
def test_header_only(tmp_path, end):
    path = tmp_path / "shop.csv"
    path.write_bytes((HEADER + end).encode())
    with pytest.raises(EmptyTable) as caught:
        load({"orders": path})
    says(caught.value, "shop.csv", "0", "購入金額")


def test_parquet_without_rows(tmp_path):
    pd.DataFrame({"customer_id": [], "ordered_at": []}).to_parquet(tmp_path / "shop.parquet")
    with pytest.raises(EmptyTable) as caught:
        load({"orders": tmp_path / "shop.parquet"})
    says(caught.value, "shop.parquet", "0", "ordered_at")


def test_a_quote_that_is_never_closed(tmp_path):
    path = shop(tmp_path, *good(1, 3), '4,"K4,2024/4/5,4400', *good(5, 30))
    with pytest.raises(UnreadableFile) as caught:
        load_orders(path)
    says(caught.value, "shop.csv", "5")


def test_most_lines_with_a_wrong_number_of_fields(tmp_path):
    path = shop(tmp_path, *[line + ",x" for line in good(1, 4)], *good(5, 3))
    with pytest.raises(UnreadableFile) as caught:
        load_orders(path)
    says(caught.value, "shop.csv", "4", "7", "5", "2")


# --- columns --------------------------------------------------------------------------------------------------------


def test_missing_column_names_the_nearest_header(tmp_path):
    header = HEADER.replace("注文日時", "注文した日時")  # nearly what is usual, and so not used unasked
    with pytest.raises(MissingColumn) as caught:
        load({"orders": shop(tmp_path, *good(1, 3), header=header)}, columns={"customer_id": "会員番号"})
    says(caught.value, "shop.csv", "ordered_at", "注文した日時", "orders", header.replace(",", ", "), "columns=")
    path = shop(tmp_path, *good(1, 3))
    with pytest.raises(MissingColumn) as caught:
        load({"orders": path}, columns={**OWN, "net_amount": "購入金額(税抜)"})
    says(caught.value, "shop.csv", "購入金額(税抜)", "net_amount", "購入金額")


def test_a_header_that_comes_twice(tmp_path):
    path = shop(tmp_path, "1,A,2024-01-01,5", header="会員番号,会員番号,注文日時,購入金額")
    with pytest.raises(UnreadableFile) as caught:
        load({"orders": path}, columns=OWN)
    says(caught.value, "shop.csv", "会員番号", "2")


@pytest.mark.parametrize(
    ("columns", "column", "sample"),
    [
        ({**OWN, "ordered_at": "会員番号"}, "会員番号", "'K1', 'K2'"),
        ({**OWN, "net_amount": "会員番号"}, "会員番号", "'K1', 'K2'"),
        ({**OWN, "is_test": "会員番号"}, "会員番号", "'K1', 'K2'"),
        ({**OWN, "status": "会員番号"}, "会員番号", "'K1', 'K2'"),
        ({**OWN, "ordered_at": "購入金額"}, "購入金額", "'4400'"),
    ],
)
def test_the_wrong_column(tmp_path, columns, column, sample):
    with pytest.raises(WrongType) as caught:
        load_orders(shop(tmp_path, *good(1, 6)), columns=columns)
    says(caught.value, "shop.csv", column, "6", sample, "columns=", "orders")


def test_half_unreadable_loads_and_more_than_half_does_not(tmp_path):
    half = shop(tmp_path, *good(1, 3), *["9,K1,soon,4400"] * 3)
    assert len(load_orders(half).orders) == 3
    with pytest.raises(WrongType) as caught:
        load_orders(shop(tmp_path, *good(1, 3), *["9,K1,soon,4400"] * 2, "8,K1,,1", "7,K2,2024/2/30,5"))
    says(caught.value, "shop.csv", "注文日時", "4", "7", "'soon'", "'2024/2/30'")


def test_a_needed_column_that_is_empty(tmp_path):
    with pytest.raises(WrongType) as caught:
        load_orders(shop(tmp_path, "1,,2024-01-01,5", "2, ,2024-01-02,5"))
    says(caught.value, "shop.csv", "会員番号", "2", "customer_id")


def test_dates_that_can_be_read_in_two_ways(tmp_path):
    path = shop(tmp_path, "1,A,03/04/2024,5", "2,B,2024-04-05,5", "3,B,25/12/2024 10:00,5")
    with pytest.raises(WrongType) as caught:
        load_orders(path)
    says(caught.value, "shop.csv", "注文日時", "2", "3", "'03/04/2024'", "dayfirst=True")
    at = load_orders(path, dayfirst=True).orders["ordered_at"]
    assert at.to_list() == [pd.Timestamp("2024-04-03"), pd.Timestamp("2024-04-05"), pd.Timestamp("2024-12-25 10:00")]
    month_first = load_orders(path, dayfirst=False)
    assert month_first.orders["ordered_at"].to_list() == [pd.Timestamp("2024-03-04"), pd.Timestamp("2024-04-05")]
    only_problem(month_first, "unreadable_date", "ordered_at", 1, "25/12/2024")


def test_lists_are_no_values(tmp_path):
    at = [datetime(2024, 1, 1), datetime(2024, 1, 2)]
    pq.write_table(pa.table({"customer_id": [["A"], ["B"]], "ordered_at": at}), tmp_path / "shop.parquet")
    with pytest.raises(WrongType) as caught:
        load({"orders": tmp_path / "shop.parquet"})
    says(caught.value, "shop.parquet", "customer_id", "2")


# --- rows -----------------------------------------------------------------------------------------------------------

TOMORROW = f"{datetime.now() + timedelta(days=2):%Y-%m-%d}"
BAD_ROWS = [
    ("no_customer", "customer_id", "91,,2024/4/1,4400", ""),
    ("no_customer", "customer_id", "91,\u3000,2024/4/1,4400", ""),
    ("no_customer", "customer_id", "91,NULL,2024/4/1,4400", "NULL"),
    ("empty", "ordered_at", "91,K1,,4400", ""),
    ("empty", "order_id", ",K1,2024/4/1,4400", ""),
    ("unreadable_date", "ordered_at", "91,K1,2024/2/30,4400", "2024/2/30"),
    ("unreadable_date", "ordered_at", "91,K1,45383,4400", "45383"),
    ("unreadable_date", "ordered_at", "91,K1,24/04/01,4400", "24/04/01"),
    ("unreadable_date", "ordered_at", "91,K1,2024-04-01 25:30,4400", "25:30"),
    ("too_old", "ordered_at", "91,K1,1899-12-30,4400", "1899-12-30"),
    ("too_old", "ordered_at", "91,K1,1900-01-00,4400", "1900-01-00"),
    ("too_old", "ordered_at", "91,K1,1900/1/1 0:00,4400", "1900/1/1"),
    ("too_old", "ordered_at", "91,K1,0000-00-00 00:00:00,4400", "0000-00-00"),
    ("future", "ordered_at", f"91,K1,{TOMORROW},4400", TOMORROW),
    ("future", "ordered_at", "91,K1,9999-12-31,4400", "9999-12-31"),
    ("unreadable_number", "net_amount", "91,K1,2024/4/1,free", "free"),
    ("unreadable_number", "net_amount", '91,K1,2024/4/1,"12,50"', "12,50"),
    ("unreadable_number", "net_amount", "91,K1,2024/4/1,1e999", "1e999"),
    ("negative", "net_amount", "91,K1,2024/4/1,-4400", "-4400"),
    ("negative", "net_amount", '91,K1,2024/4/1,"▲4,400"', "▲4,400"),
    ("negative", "net_amount", "91,K1,2024/4/1,(4400)", "(4400)"),
    ("same_again", "order_id", "1,K1,2024/4/2 10:05,4400", "1"),
    ("key_again", "order_id", "1,K1,2024/4/2 10:05,5500", "1"),
]


@pytest.mark.parametrize(("kind", "column", "line", "found"), BAD_ROWS)
def test_bad_rows_are_set_aside(tmp_path, kind, column, line, found):
    path = shop(tmp_path, *good(1, 5), line, *good(6, 5))
    before = path.read_bytes()
    with pytest.warns(RowsLeftOut) as told:
        crm = load({"orders": path}, columns={"order_id": "注文番号", **OWN})
    says(told[0].message, "shop.csv", "11", "1", "orders", found)
    assert told[0].filename == __file__
    assert len(crm.orders) == 10
    only_problem(crm, kind, column, 1, found)
    (row,) = crm.rejected["orders"].to_dict("records")
    assert row["line"] == 7
    assert [row[name] for name in HEADER.split(",")] == next(csv.reader([line]))
    reasons = set()
    for code in LANGUAGES:
        with in_language(code):
            reasons.add(crm.rejected["orders"]["reason"][0])
    assert len(reasons) == 2
    assert path.read_bytes() == before


def test_lines_that_do_not_fit_are_set_aside_whole(tmp_path):
    crm = load_orders(shop(tmp_path, *good(1, 2), "3,K3", "", *good(4, 2), "6,K6,2024/4/2,4,400", "   "))
    only_problem(crm, "misfit", "", 2, "'2', '5'")
    aside = crm.rejected["orders"]
    assert aside["line"].to_list() == [4, 8]
    assert aside["whole_line"].to_list() == ["3,K3", "6,K6,2024/4/2,4,400"]
    assert len(crm.orders) == 4
    assert "2" in crm.report().splitlines()[-3]  # two blank lines


def test_a_line_with_two_faults_is_counted_once(tmp_path):
    crm = load_orders(shop(tmp_path, *good(1, 5), "91,,never,-5", "92,K1,never,-5"))
    assert crm.problems["rows"].to_list() == [1, 1]
    assert crm.problems["rows"].sum() == len(crm.rejected["orders"]) == 2


def test_no_usable_row_at_all(tmp_path):
    with pytest.raises(EmptyTable) as caught:
        load_orders(shop(tmp_path, "1,A,2024-01-01,-5", "2,,2024-01-02,5"))
    says(caught.value, "shop.csv", "2", "orders", "購入金額", "-5")


def test_the_file_may_use_our_column_names(tmp_path):
    path = shop(tmp_path, "K1,2024-01-01,x,y,", ",2024-01-02,x,y,", header="customer_id,ordered_at,line,reason,")
    aside = load_orders(path, columns={}).rejected["orders"]
    assert list(aside.columns) == ["_line", "_reason", "customer_id", "ordered_at", "line", "reason", "column 5"]


# --- values that are emptied, kept or changed -----------------------------------------------------------------------


def test_values_of_optional_columns_are_emptied(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(
        "order_id,customer_id,ordered_at,channel,refunded_at,net_amount\n"
        "1,A,2024-01-01,Store,2024-01-05,5\n"
        "2,B,2024-01-02,市場,someday,5\n"
        "3,C,2024-01-03,web,1900-01-00,\n"
        "4,C,2024-01-03,web,,5\n",
        encoding="utf-8",
    )
    crm = load_orders(path, columns={})
    assert crm.orders["channel"].to_list()[:1] + crm.orders["channel"].to_list()[2:] == ["store", "web", "web"]
    assert crm.orders["channel"].isna().to_list() == [False, True, False, False]
    assert crm.orders["refunded_at"].isna().to_list() == [False, True, True, True]
    only_problem(crm, "not_allowed", "channel", 1, "市場", "emptied")
    only_problem(crm, "unreadable_date", "refunded_at", 1, "someday", "emptied")
    only_problem(crm, "too_old", "refunded_at", 1, "1900-01-00", "emptied")
    only_problem(crm, "no_amount", "net_amount", 1, "", "kept")
    only_problem(crm, "rewritten", "channel", 1, "Store", "changed")
    assert len(crm.rejected["orders"]) == 0


def test_an_unknown_status_does_not_pass_for_completed(tmp_path):
    header = "order_id,customer_id,ordered_at,status"
    lines = ["1,A,2024-01-01,completed", "2,B,2024-01-02,審査中", "3,C,2024-01-03,cancelled", "4,C,2024-01-04,"]
    crm = load_orders(shop(tmp_path, *lines, header=header), columns={})
    only_problem(crm, "not_allowed", "status", 1, "審査中")
    assert crm.orders["order_id"].to_list() == ["1", "3", "4"]
    without = load_orders(shop(tmp_path, *lines, header=header), columns={"status": None})
    assert "status" not in without.orders
    assert "status" in without.report()


def test_numbers_outside_their_range_are_emptied(tmp_path):
    path = tmp_path / "interactions.csv"
    path.write_text("interaction_id,occurred_at,impression\n1,2024-01-01,2\n2,2024-01-02,5\n", encoding="utf-8")
    crm = load({"interactions": path})
    assert crm.interactions["impression"].to_list() == [2, pd.NA]
    (problem,) = crm.each_problem()
    assert (problem.kind, problem.rows, problem.action) == ("out_of_range", 1, "emptied")
    assert "-2" in problem.what


def test_one_customer_only(tmp_path):
    crm = load_orders(shop(tmp_path, *["1,A,2024-01-01,5", "2,A,2024-01-02,5"]))
    only_problem(crm, "one_customer", "customer_id", 2, "A", "kept")
    assert len(crm.orders) == 2


def test_amounts_that_disagree(tmp_path):
    header = "order_id,customer_id,ordered_at,gross_amount,discount_amount,net_amount"
    lines = ["1,A,2024-01-01,500,50,450", "2,B,2024-01-02,500,50,495", "3,B,2024-01-02,500,,500"]
    only_problem(
        load_orders(shop(tmp_path, *lines, header=header), columns={}),
        "amounts_disagree",
        "net_amount",
        1,
        "495",
        "kept",
    )


def test_what_identifies_a_person_is_not_shown(tmp_path):
    path = tmp_path / "customers.csv"
    path.write_text("customer_id,birth_date\nA,1980-01-02\nB,secret\nC,1990-02-03\n", encoding="utf-8")
    crm = load({"customers": path})
    assert crm.problems["rows"].to_list() == [1]
    assert "secret" not in crm.report() + crm._repr_html_() + crm.problems.to_string()


def test_rows_that_point_nowhere(tmp_path):
    orders = shop(tmp_path, "1,A,2024-01-01,5", "2,B,2024-01-02,5", "3,0B,2024-01-03,5")
    (tmp_path / "people.csv").write_text("customer_id\nA\nB\n", encoding="utf-8")
    crm = load({"orders": orders, "customers": tmp_path / "people.csv"}, columns={"orders": OWN})
    only_problem(crm, "orphan_by_writing", "customer_id", 1, "0B", "kept")


# --- arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (({"orers": "x.csv"},), ("orers", "orders")),
        ((None,), ("NoneType", "orders")),
        (({},), ("dict", "orders")),
        (({"orders": 3},), ("orders", "int")),
    ],
)
def test_sources_that_are_none(arguments, parts):
    with pytest.raises(ParameterError) as caught:
        load(*arguments)
    says(caught.value, *parts)


def test_columns_of_a_table_without_a_file(tmp_path):
    with pytest.raises(ParameterError) as caught:
        load({"orders": shop(tmp_path, *good(1, 3))}, columns={"tickets": {"ticket_id": "番号"}})
    says(caught.value, "tickets", "orders")


def test_a_column_that_the_model_does_not_have(tmp_path):
    path = shop(tmp_path, *good(1, 3))
    with pytest.raises(ParameterError) as caught:
        load({"orders": path}, columns={"costumer_id": "会員番号"})
    says(caught.value, "costumer_id", "customer_id", "orders")
    with pytest.raises(ParameterError) as caught:
        load({"orders": path, "customers": path}, columns={"costumer_id": "会員番号"})
    says(caught.value, "costumer_id", "orders, customers")


def test_a_zone_that_does_not_exist(tmp_path):
    with pytest.raises(ParameterError) as caught:
        load({"orders": shop(tmp_path, *good(1, 3))}, zone="Tokyo/Asia")
    says(caught.value, "Tokyo/Asia", "Asia/Tokyo")


# --- anything at all ------------------------------------------------------------------------------------------------

CELL = st.one_of(
    st.sampled_from(["", " ", "A", "B", "2024-01-05", "2024/1/6 10:00", "19970101", "1200", "¥1,200", "-5", "nan"]),
    st.sampled_from(["1900-01-00", "2024-02-30", "9999-12-31", "2024-01-05T10:00:00+09:00", "completed", "web", "inf"]),
    st.text(alphabet='aあ1 ,;\t"\n\r-/:.¥年月日', max_size=12),
    st.text(max_size=6),
)
ROW = st.tuples(CELL, st.sampled_from("ABC"), st.one_of(st.just("2024-01-05"), CELL), st.one_of(st.just("5"), CELL))


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.one_of(ROW, st.lists(CELL, max_size=6)), max_size=12),
    delimiter=st.sampled_from(",;\t"),
    ending=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp932"]),
)
def test_any_file_loads_in_full_or_is_refused(tmp_path, rows, delimiter, ending, encoding):
    out = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if any("\r" in cell for row in rows for cell in row) else csv.QUOTE_MINIMAL
    writer = csv.writer(out, delimiter=delimiter, lineterminator=ending, quoting=quoting)
    writer.writerows([("注文番号", "会員番号", "注文日時", "購入金額"), *rows])
    path = tmp_path / "shop.csv"
    path.write_bytes(out.getvalue().encode(encoding, errors="replace"))
    try:
        crm = load_orders(path)
    except CrmkitError as error:
        refused = error
    else:
        refused = None
    if refused is not None:
        for code in LANGUAGES:
            with in_language(code):
                assert "shop.csv" in str(refused)
        return
    # a line of nothing is a blank line, and so is one of spaces if it has too many or too few of them
    blank = [
        row for row in rows if (re.fullmatch(rf'[\s"{delimiter}]*', "".join(row)) if len(row) != 4 else not any(row))
    ]
    rejected = crm.rejected["orders"]
    assert len(crm.orders) + len(rejected) == len(rows) - len(blank)
    assert crm.problems["rows"][crm.problems["action"] == "rows set aside"].sum() == len(rejected)
    assert crm.orders["customer_id"].notna().all()
    assert crm.orders["ordered_at"].notna().all()
    assert (crm.orders["net_amount"].dropna() >= 0).all()
    assert crm.orders["order_id"].is_unique


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(notes=st.lists(st.text(alphabet='aあ,"\n\r 1', max_size=8), min_size=1, max_size=12), data=st.data())
def test_line_numbers_hold_with_line_breaks_inside_values(tmp_path, notes, data):
    bad = [data.draw(st.booleans()) for _ in notes]
    lines, number, expected = [], 2, []
    for note, is_bad in zip(notes, bad, strict=True):
        lines.append(f'{"" if is_bad else "K"},2024-01-05,"{note.replace(chr(34), chr(34) * 2)}"\n')
        expected += [number] if is_bad else []
        number += 1 + len((note + "|").splitlines()) - 1
    path = tmp_path / "shop.csv"
    path.write_bytes(("customer_id,ordered_at,memo\n" + "".join(lines)).encode())
    if all(bad):
        with pytest.raises((EmptyTable, WrongType)):
            load_orders(path, columns={})
        return
    rejected = load_orders(path, columns={}).rejected["orders"]
    assert rejected["line"].to_list() == expected
    assert rejected["memo"].to_list() == [note for note, is_bad in zip(notes, bad, strict=True) if is_bad]
