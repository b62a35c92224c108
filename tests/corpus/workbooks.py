"""Excel workbooks: several tables in one, titles, errors, formulas, hidden sheets, and files that are none."""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xlsxwriter

from tests.corpus.case import NAME, Case, EmptyTable, Loads, ParameterError, Refuses, UnreadableFile, put, sheet

HEADERS = ["注文番号", "会員番号", "氏名", "注文日", "購入金額"]
DAYS = [dt.datetime(2024, 4, day, 10, 5) for day in range(1, 9)]


def rows(count: int = 3) -> list[list[Any]]:
    """A header and orders."""
    return [HEADERS, *([1001 + at, f"K{at}", NAME, DAYS[at], 1100 * (at + 1)] for at in range(count))]


def book(
    *fill: tuple[str, Callable[[Any, Any], None]], name: str = "shop.xlsx", **options: Any
) -> Callable[[Path], Path]:
    """A workbook whose sheets are filled by functions."""

    def make(folder: Path) -> Path:
        with xlsxwriter.Workbook(folder / name, options) as made:
            for title, function in fill:
                function(made.add_worksheet(title), made)
        return folder / name

    return make


def write(table: list[list[Any]], top: int = 0, left: int = 0) -> Callable[[Any, Any], None]:
    """Put rows into a sheet."""

    def fill(target: Any, made: Any) -> None:
        day = made.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        for row, cells in enumerate(table):
            for column, cell in enumerate(cells):
                place = (top + row, left + column)
                if isinstance(cell, dt.datetime):
                    target.write_datetime(*place, cell, day)
                elif isinstance(cell, tuple):
                    target.write_formula(*place, cell[0], None, cell[1])
                elif cell is not None:
                    target.write(*place, cell)

    return fill


def merged(target: Any, made: Any) -> None:
    """A header of two rows with merged cells."""
    target.merge_range("A1:E1", "売上一覧")
    target.merge_range("A3:A4", "注文番号")
    target.merge_range("B3:C3", "顧客")
    target.merge_range("D3:E3", "注文")
    target.write_row("B4", ["会員番号", "氏名", "注文日", "購入金額"])
    write(rows()[1:], 4)(target, made)


def hidden(target: Any, made: Any) -> None:
    """A sheet that is not shown."""
    write(rows())(target, made)
    target.hide()


def side_by_side(target: Any, made: Any) -> None:
    """A second table to the right of the first."""
    write(rows())(target, made)
    write([["月", "目標"], ["4月", 100]], 0, 7)(target, made)


def broken(folder: Path) -> Path:
    """A workbook whose sheet ends in the middle."""
    path = book(("注文", write(rows())))(folder)
    with zipfile.ZipFile(path) as whole:
        parts = {item: whole.read(item) for item in whole.namelist()}
    with zipfile.ZipFile(path, "w") as again:
        for item, data in parts.items():
            again.writestr(item, data[: len(data) // 2] if "sheet1" in item else data)
    return path


def with_cell(rows_: list[list[Any]], at: int, column: int, *cells: Any) -> list[list[Any]]:
    """Rows with some cells of one column changed."""
    for down, cell in enumerate(cells):
        rows_[at + down][column] = cell
    return rows_


def zipped(folder: Path) -> Path:
    """An archive with names that lead out of any folder."""
    with zipfile.ZipFile(folder / "shop.xlsx", "w") as archive:
        archive.writestr("../../outside.csv", "x")
        archive.writestr("/etc/crmkit.csv", "x")
    return folder / "shop.xlsx"


THREE = Loads({"orders": (3, 0)})

CASES = (
    Case(
        "book_merged_headers",
        "a title, and a header of two rows with merged cells",
        "題名の下に、セルを結合した2段の見出しがある",
        book(("注文", merged)),
        Loads({"orders": (3, 0)}),
    ),
    Case(
        "book_two_tables_below",
        "a second table below the first in one sheet",
        "1枚のシートの下の方に、別の表がある",
        book(("注文", write([*rows(), [], ["月", "目標"], ["4月", 100], ["5月", 200]]))),
        Loads({"orders": (3, 3)}, {"empty": 3}),
    ),
    Case(
        "book_two_tables_beside",
        "a second table beside the first in one sheet",
        "1枚のシートの横に、別の表がある",
        book(("注文", side_by_side)),
        THREE,
    ),
    Case(
        "book_hidden_sheet",
        "a hidden sheet with the same orders",
        "同じ注文が入った非表示シートがある",
        book(("注文", write(rows())), ("注文 旧", hidden)),
        Loads({"orders": (3, 0)}, notes=("hidden_sheet",)),
    ),
    Case(
        "book_two_sheets",
        "two visible sheets that are the same table with different columns",
        "同じ表のシートが2枚見えていて、列が違う",
        book(("本店", write(rows())), ("支店", write([[*row, "x"] for row in rows()]))),
        Refuses(ParameterError, "two_sources", ("本店", "支店")),
    ),
    Case(
        "book_errors",
        "cells that hold #N/A and #DIV/0!",
        "#N/A や #DIV/0! のセルがある",
        book(("注文", write(with_cell(rows(4), 2, 4, ("=NA()", "#N/A"), ("=1/0", "#DIV/0!"))))),
        Loads({"orders": (3, 1)}, {"unreadable_number": 1, "no_amount": 1}, ("errors",)),
    ),
    Case(
        "book_uncounted",
        "formulas that come without a computed value",
        "計算結果が保存されていない数式",
        book(("注文", write(with_cell(rows(), 2, 4, ("=1+1", ""))))),
        Loads({"orders": (3, 0)}, {"no_amount": 1}, ("no_value",)),
    ),
    Case(
        "book_days_as_text",
        "dates as text in some cells and as dates in others",
        "日付のセルと文字列のセルが混ざっている",
        book(("注文", write(with_cell(rows(), 2, 3, "2024年4月9日", "令和6年4月10日")))),
        Loads({"orders": (3, 0)}, {"era_date": 1}),
    ),
    Case(
        "book_of_1904",
        "a workbook that counts its days from 1904",
        "1904年から日数を数えるブック",
        book(("注文", write(rows())), date_1904=True),
        Loads({"orders": (3, 0)}, see=lambda crm: str(crm.orders["ordered_at"].iloc[0]) == "2024-04-01 10:05:00"),
    ),
    Case(
        "book_mixed_ids",
        "ids that are numbers in some cells and text in others",
        "数値の ID と文字列の ID が混ざっている",
        book(("注文", write(with_cell(rows(), 1, 1, 1001, "1001", "A-7")))),
        Loads({"orders": (3, 0)}, see=lambda crm: crm.orders["customer_id"].to_list() == ["1001", "1001", "A-7"]),
    ),
    Case(
        "book_far_cell",
        "a forgotten value in the last cell of the sheet",
        "シートの右下の端に、消し忘れた値がある",
        book(("注文", write([["x"]], 1_048_575, 16_383))),
        Refuses(UnreadableFile, "far_cell", ("shop.xlsx",)),
    ),
    Case(
        "book_empty",
        "sheets without a single value",
        "値が1つもないシートだけ",
        book(("Sheet1", write([])), ("Sheet2", write([]))),
        Refuses(EmptyTable, "no_sheet", ("shop.xlsx", "Sheet1")),
    ),
    Case(
        "book_header_only",
        "a header without rows",
        "見出しだけのシート",
        book(("注文", write([HEADERS]))),
        Refuses(EmptyTable, "no_sheet", ("shop.xlsx", "注文")),
    ),
    Case(
        "book_broken",
        "a workbook whose sheet ends in the middle",
        "シートのデータが途中で切れている",
        broken,
        Refuses(UnreadableFile, "broken_sheet", ("shop.xlsx", "注文")),
    ),
    Case(
        "book_password",
        "a workbook with a password",
        "パスワードが付いたブック",
        put(
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000) + "EncryptedPackage".encode("utf-16-le") + bytes(1000),
            "shop.xlsx",
        ),
        Refuses(UnreadableFile, "password", ("shop.xlsx",)),
    ),
    Case(
        "book_is_csv",
        "CSV in a file called .xlsx",
        "拡張子は .xlsx だが、中身は CSV",
        put(sheet(), "shop.xlsx"),
        Refuses(UnreadableFile, "not_book", ("shop.xlsx", "CSV")),
    ),
    Case(
        "book_is_page",
        "the HTML that some systems export as .xls",
        "拡張子は .xls だが、中身は HTML",
        put("<html><table><tr><td>1</td></tr></table></html>", "shop.xls"),
        Refuses(UnreadableFile, "not_book", ("shop.xls", "HTML")),
    ),
    Case(
        "book_zip",
        "a ZIP archive that holds something else",
        "中身がブックではない ZIP",
        zipped,
        Refuses(UnreadableFile, "broken_book", ("shop.xlsx",)),
    ),
)
