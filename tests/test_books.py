"""Workbooks as sources: what is read of their cells, what is said, and what is refused."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from crmkit.datasets import load
from crmkit.datasets.books import header_of, offers_of_book
from crmkit.datasets.cells import chunk_of, joined
from crmkit.errors import CrmkitError, EmptyTable, UnreadableFile
from crmkit.texts import in_language
from tests.workbooks import as_dict, book, old_book, reasons

SEALED = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 1000 + "EncryptedPackage".encode("utf-16-le") + b"\0" * 1000


def test_cells_keep_their_types_and_rows_their_numbers(tmp_path: Path) -> None:
    rows = [
        ["注文番号", "会員ID", "注文日", "日時", "金額", "有効", "メモ 😀"],
        [1001, "A1", dt.date(2024, 4, 1), dt.datetime(2024, 4, 1, 10, 5), 4400.5, True, "=HYPERLINK(\"x\")"],
        [],
        [1002, 12, dt.date(2024, 4, 2), dt.datetime(2024, 4, 2, 0, 0, 1), 6600, False, None],
    ]  # fmt: skip
    offers = offers_of_book(book(tmp_path / "book.xlsx", {"注文": rows}))
    assert (offers[0].name, offers[0].stem) == ("book.xlsx [注文]", "注文")
    source = offers[0].read()
    assert as_dict(source) == {
        "注文番号": [1001, 1002], "会員ID": ["A1", "12"], "注文日": [dt.date(2024, 4, 1), dt.date(2024, 4, 2)],
        "日時": [dt.datetime(2024, 4, 1, 10, 5), dt.datetime(2024, 4, 2, 0, 0, 1)], "金額": [4400.5, 6600.0],
        "有効": [True, False], "メモ 😀": ['=HYPERLINK("x")', None],
    }  # fmt: skip
    assert source.lines.tolist() == [2, 4]
    assert (source.blank_lines, source.title_lines) == (1, 0)
    assert source.columns[0].type == pa.int64()


def test_titles_above_the_header_are_told_from_it(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    with xlsxwriter.Workbook(path) as made:
        sheet = made.add_worksheet("売上")
        sheet.merge_range("B2:E2", "売上一覧 2024年4月")
        sheet.merge_range("B4:B5", "会員番号")
        sheet.merge_range("C4:D4", "注文")
        sheet.write("E4", "備考")
        sheet.write_row("C5", ["注文日", "金額"])
        sheet.write_row("B6", ["A", "2024-04-01", 4400, "x"])
    source = offers_of_book(path)[0].read()
    assert source.headers == ("会員番号", "注文日", "金額", "備考")
    assert (source.lines.tolist(), source.title_lines) == ([6], 2)


@pytest.mark.parametrize(
    ("rows", "header"),
    [
        ([["id", "on", "paid"], [1, 2, 3]], 0),
        ([["report", "", ""], ["id", "on", "paid"], ["A", "2024", "3"]], 1),
        ([["from", "2024", "", ""], ["", "", "", ""], ["id", "on", "paid", "x"], ["A", "x", "3", ""]], 2),
        ([[2023, 2024], [1, 2]], 0),
        ([["id"], ["A"]], 0),
        ([["id", "", "paid"], ["A", "", ""], ["B", "x", 3]], 0),
        ([["", ""], ["", " "]], None),
        ([], None),
    ],
)
def test_the_header_is_the_first_row_of_words_as_wide_as_the_rows_below(rows: Any, header: int | None) -> None:
    assert header_of(rows) == header


def test_errors_and_formulas_without_a_value_are_counted(tmp_path: Path) -> None:
    rows = [["id", "paid", "rate"], ["A", ("=NA()", "#N/A"), ("=A1", "")], ["B", ("=1/0", "#DIV/0!"), ("=B1", 5)]]
    source = offers_of_book(book(tmp_path / "book.xlsx", {"s": rows}))[0].read()
    assert as_dict(source) == {"id": ["A", "B"], "paid": ["#N/A", "#DIV/0!"], "rate": [None, 5]}
    assert [(note.reason, note.values["cells"]) for note in source.notes] == [("no_value", 1), ("errors", 2)]
    assert "row 2: #N/A" in str(source.notes[1])


def test_each_sheet_is_a_table_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    rows = [["id"], ["A"]]
    sheets = {"orders": rows, "old": rows, "blank": [], "header only": [["id", "on"]]}
    path = book(tmp_path / "book.xlsx", sheets, hidden=("old",))
    offers = offers_of_book(path)
    assert [offer.stem for offer in offers] == ["orders"]
    assert reasons(offers) == ["hidden_sheet", "empty_sheet", "empty_sheet"]
    named = offers_of_book(path, {"customers": "old"})
    assert [(offer.stem, offer.name) for offer in named] == [("customers", "book.xlsx [old]")]
    with pytest.raises(EmptyTable, match="columns found: id, on"):
        offers_of_book(path, {"orders": "header only"})[0].read()
    with pytest.raises(UnreadableFile, match="nearest name: orders"):
        offers_of_book(path, {"orders": "Orders"})


def test_a_sheet_of_300_columns_and_one_of_a_single_cell(tmp_path: Path) -> None:
    wide = [[f"c{number}" for number in range(300)], list(range(300))]
    offers = offers_of_book(book(tmp_path / "book.xlsx", {"wide": wide, "cell": [["alone"]]}))
    assert [len(offer.headers) for offer in offers] == [300]
    assert offers[0].read().columns[299].to_pylist() == [299]
    assert reasons(offers) == ["empty_sheet"]


def test_long_sheets_are_read_in_pieces_whose_types_differ(tmp_path: Path) -> None:
    rows = [["id", "paid"], *([number, 1.5] for number in range(25_000)), ["last", None]]
    offer = offers_of_book(book(tmp_path / "book.xlsx", {"s": rows}))[0]
    assert len(offer.head[0]) == 200
    source = offer.read()
    assert source.columns[0].to_pylist()[-2:] == ["24999", "last"]
    assert source.columns[1].type == pa.float64()
    assert source.lines[-1] == 25_002


def far(path: Path) -> Path:
    return book(path, {"s": [["id"]]}) and _rewritten(path, b'<c r="A1"', b'<c r="A1"/><c r="XFD1048576"')


def _rewritten(path: Path, old: bytes, new: bytes, part: str = "xl/worksheets/sheet1.xml") -> Path:
    with zipfile.ZipFile(path) as before:
        content = {name: before.read(name) for name in before.namelist()}
    assert old in content[part]
    content[part] = content[part].replace(old, new)
    with zipfile.ZipFile(path, "w") as after:
        for name, data in content.items():
            after.writestr(name, data)
    return path


def bomb(path: Path) -> Path:
    """A workbook that says it unpacks to 5 GB."""
    book(path, {"s": [["id"], ["A"]]})
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = (5 << 30 & 0xFFFFFFFF).to_bytes(4, "little")
    data[at + 24 : at + 28] = b"\xfe\xff\xff\xff"
    second = data.rfind(b"PK\x01\x02", 0, at)
    data[second + 24 : second + 28] = b"\xfe\xff\xff\xff"
    path.write_bytes(data)
    return path


def lying(path: Path) -> Path:
    """A workbook whose sheet unpacks to more than it says."""
    book(path, {"s": [["id"], *([f"A{number}"] for number in range(500))]})
    data = bytearray(path.read_bytes())
    at = data.find(b"xl/worksheets/sheet1.xml", data.find(b"PK\x01\x02"))
    data[at - 46 + 24 : at - 46 + 28] = (100).to_bytes(4, "little")
    path.write_bytes(data)
    return path


def cut(path: Path) -> Path:
    book(path, {"s": [["id"], ["A"]]})
    path.write_bytes(path.read_bytes()[:-200])
    return path


def repeated(path: Path) -> Path:
    """An OpenDocument sheet whose one cell says it stands there seventeen thousand million times."""
    body = (
        '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
        ' xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"'
        ' xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>'
        '<table:table table:name="s"><table:table-row table:number-rows-repeated="1048576"><table:table-cell'
        ' office:value-type="string" table:number-columns-repeated="16384"><text:p>x</text:p></table:table-cell>'
        "</table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        made.writestr("content.xml", body)
        made.writestr("META-INF/manifest.xml", "<m/>")
    return path


def test_an_opendocument_sheet(tmp_path: Path) -> None:
    cells = (
        '<table:table-row><table:table-cell office:value-type="string"><text:p>会員</text:p></table:table-cell>'
        '<table:table-cell office:value-type="string"><text:p>日付</text:p></table:table-cell></table:table-row>'
        '<table:table-row><table:table-cell office:value-type="float" office:value="12"><text:p>12</text:p>'
        '</table:table-cell><table:table-cell office:value-type="date" office:date-value="2024-04-01"><text:p/>'
        "</table:table-cell></table:table-row>"
    )
    path = repeated(tmp_path / "b.ods")
    with zipfile.ZipFile(path) as made:
        body = made.read("content.xml").decode()
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        made.writestr("content.xml", re.sub("<table:table-row.*</table:table-row>", cells, body))
        made.writestr("META-INF/manifest.xml", "<m/>")
    found = as_dict(offers_of_book(path)[0].read())
    assert found["会員"] == [12]
    assert str(found["日付"][0]).startswith("2024-04-01")


def written(data: bytes) -> Callable[[Path], Path]:
    """A file with these bytes."""

    def write(path: Path) -> Path:
        path.write_bytes(data)
        return path

    return write


HOSTILE: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    "password": ("b.xlsx", written(SEALED), "password"),
    "password in an old name": ("b.xls", written(SEALED), "password"),
    "OLE that is nothing": ("b.xls", written(SEALED[:600]), "broken_book"),
    "CSV": ("b.xlsx", written(b"id,on\n1,2024-04-01\n"), "CSV"),
    "CSV in Shift_JIS": ("b.xls", written("番号,日付\n1,2\n".encode("cp932")), "CSV"),
    "HTML": ("b.xls", written(b"\r\n<html><table><tr><td>1"), "HTML"),
    "XML": ("b.xls", written(b'\xef\xbb\xbf<?xml version="1.0"?><Workbook/>'), "XML"),
    "PDF": ("b.xlsx", written(b"%PDF-1.4\0"), "PDF"),
    "noise": ("b.xlsb", written(b"\0\1\2\3" * 100), "not_book"),
    "no bytes": ("b.xlsx", written(b""), "no_bytes"),
    "cut off": ("b.xlsx", cut, "broken_book"),
    "only a ZIP's first bytes": ("b.xlsx", written(b"PK\x03\x04" + b"0" * 100), "broken_book"),
    "only a ZIP's first bytes, ods": ("b.ods", written(b"PK\x03\x04" + b"0" * 100), "broken_book"),
    "a value in the last cell": ("b.xlsx", far, "far_cell"),
    "unpacks to gigabytes": ("b.xlsx", bomb, "unpacks_huge"),
    "lies about its size": ("b.xlsx", lying, "broken_book"),
    "repeats a cell": ("b.ods", repeated, "broken_book"),
    "nothing in it": ("b.xlsx", lambda path: book(path, {"s": []}), "no_sheet"),
    "not there": ("b.xlsx", lambda path: path, "missing"),
    "a folder": ("b.xlsx", lambda path: path.mkdir() or path, "no_access"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_workbook_is_refused_in_words(tmp_path: Path, case: str) -> None:
    name, make, expected = HOSTILE[case]
    with pytest.raises((UnreadableFile, EmptyTable)) as caught:
        offers_of_book(make(tmp_path / name))
    assert expected in (caught.value.reason, caught.value.values.get("found"))
    with in_language("ja"):
        assert "b." in str(caught.value)


def test_a_workbook_of_the_old_format(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["注文番号", "会員番号", "注文日時", "購入金額"],
        ["1", "K1", dt.datetime(2024, 4, 1, 10, 5), 4400],
        ["2", "髙橋", dt.date(2024, 4, 2), 6600.5],
        ["3", "K1", dt.date(2024, 4, 3), None],
    ]
    path = old_book(
        tmp_path / "shop.xls", {"注文": rows, "会員": [["会員番号", "登録日"], ["K1", dt.date(2024, 1, 1)]]}
    )
    assert path.read_bytes()[:4] == b"\xd0\xcf\x11\xe0"  # no ZIP: not .xlsx under another name
    assert [offer.name for offer in offers_of_book(path)] == ["shop.xls [注文]", "shop.xls [会員]"]
    crm = load(path)
    assert crm.orders["ordered_at"].tolist() == [pd.Timestamp(f"2024-04-0{at}") for at in ("1 10:05", "2", "3")]
    assert crm.orders["customer_id"].tolist() == ["K1", "髙橋", "K1"]
    assert crm.orders["net_amount"].tolist()[:2] == [4400.0, 6600.5]
    assert crm.orders["net_amount"].isna().tolist() == [False, False, True]
    assert crm.customers["registered_at"].tolist() == [pd.Timestamp("2024-01-01")]


def test_an_xlsx_that_is_called_xls_is_read_all_the_same(tmp_path: Path) -> None:
    book(tmp_path / "b.xlsx", {"s": [["id"], ["A"]]}).rename(tmp_path / "b.xls")
    assert as_dict(offers_of_book(tmp_path / "b.xls")[0].read()) == {"id": ["A"]}
    far(tmp_path / "far.xlsx").rename(tmp_path / "far.xls")
    with pytest.raises(UnreadableFile, match="1,048,576 rows"):
        offers_of_book(tmp_path / "far.xls")


@given(data=st.binary(max_size=300), start=st.sampled_from([b"", b"PK\x03\x04", SEALED[:8]]))
def test_any_bytes_give_a_workbook_or_an_error_of_ours(tmp_path_factory: Any, data: bytes, start: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.xlsx"
    path.write_bytes(start + data)
    with pytest.raises(CrmkitError):
        offers_of_book(path)


# --- cells


MIXED = st.one_of(
    st.none(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(), st.booleans(), st.dates(),
    st.datetimes(), st.binary(max_size=5), st.timedeltas(max_value=dt.timedelta(days=900), min_value=dt.timedelta(0)),
)  # fmt: skip


@given(st.lists(st.lists(MIXED, max_size=5), max_size=4))
def test_no_cell_is_lost_whatever_stands_beside_it(chunks: list[list[Any]]) -> None:
    cells = [cell for chunk in chunks for cell in chunk]
    column = joined([chunk_of(chunk) for chunk in chunks])
    assert len(column) == len(cells)
    for before, after in zip(cells, column.to_pylist(), strict=True):
        assert (before is None) == (after is None)
        if isinstance(before, str | int) and not isinstance(before, bool):
            assert after == before or after == str(before).encode("utf-8", "backslashreplace").decode()


def test_a_zone_among_cells_stays_with_its_instant() -> None:
    japan = dt.timezone(dt.timedelta(hours=9))
    at = dt.datetime(2024, 4, 1, 10, tzinfo=japan)
    assert chunk_of([at, dt.datetime(2024, 4, 1)]).to_pylist() == ["2024-04-01 10:00:00+09:00", "2024-04-01 00:00:00"]
