"""Orders with a line for each item, as tills and shops export them: what repeats, what contradicts, what is no item."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from tests.corpus.case import Case, Loads, put

HEAD = ("伝票番号", "会員番号", "氏名", "日時", "商品", "数量", "金額")
USUAL = (
    ("1", "A", "秘密花子", "2024-04-01 10:05", "x", "1", "1000"),
    ("1", "A", "秘密花子", "2024-04-01 10:05", "y", "2", "600"),
    ("2", "B", "秘密花子", "2024-04-02 11:00", "x", "1", "1000"),
    ("2", "B", "秘密花子", "2024-04-02 11:00", "z", "1", "300"),
)


def lines(*rows: Sequence[str]) -> str:
    """Quoted, as tills write it."""
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([HEAD, *rows])
    return out.getvalue()


def amounts(*expected: float):
    return lambda crm: crm.orders["net_amount"].to_list() == list(expected)


def filled_down(crm):
    return crm.repair("order_items.order_id.fill_down").orders["net_amount"].to_list()


def beside_orders(folder: Path) -> Path:
    put("注文番号,会員番号,注文日,合計金額\n1,A,2024-04-01,1700\n2,B,2024-04-02,1400\n", "orders.csv")(folder)
    put(lines(*USUAL, ("3", "A", "秘密花子", "2024-04-03 09:00", "x", "1", "1000")), "注文明細.csv")(folder)
    return folder


CASES = (
    Case(
        "line_items",
        "one line for each item, the order repeated on each",
        "1行が1明細で、注文の情報が各行に繰り返されている",
        put(lines(*USUAL)),
        Loads({"orders": (2, 0), "order_items": (4, 0)}, see=amounts(1600, 1300)),
    ),
    Case(
        "line_items_two_customers",
        "two customers in one order",
        "一つの注文に二人の顧客がいる",
        put(lines(*USUAL, ("2", "C", "秘密花子", "2024-04-02 11:00", "y", "1", "300"))),
        Loads(
            {"orders": (2, 0), "order_items": (4, 1)},
            {"other_customer": 1, "order_lacks_a_line": 1},
            see=amounts(1600, 1300),
        ),
    ),
    Case(
        "line_items_joined",
        "two exports of line items whose periods overlap",
        "期間の重なる明細の書き出しを二つつないだ",
        put(lines(*USUAL, *USUAL[2:], ("3", "A", "秘密花子", "2024-04-03 09:00", "x", "1", "1000"))),
        Loads({"orders": (3, 0), "order_items": (5, 2)}, {"line_again": 2}, see=amounts(1600, 1300, 1000)),
    ),
    Case(
        "line_items_scanned_twice",
        "the same item scanned twice, and a discount as a line of its own",
        "同じ商品が2回読み取られ、値引きが1行になっている",
        put(lines(*USUAL[:1], *USUAL, ("2", "B", "秘密花子", "2024-04-02 11:00", "値引", "1", "-100"))),
        Loads(
            {"orders": (2, 0), "order_items": (5, 1)},
            {"equal_lines": 1, "line_below_zero": 1},
            see=amounts(2600, 1200),
        ),
    ),
    Case(
        "line_items_below",
        "the order's number, customer and day on its first line only, as merged cells leave it",
        "注文番号・顧客・日付が最初の行にだけある（セルの結合）",
        put(lines(USUAL[0], ("", "", "", "", *USUAL[1][4:]), USUAL[2], ("", "", "", "", *USUAL[3][4:]))),
        Loads(
            {"orders": (2, 0), "order_items": (2, 2)},
            {"line_below": 2, "order_lacks_a_line": 2},
            see=lambda crm: filled_down(crm) == [1600, 1300],
        ),
    ),
    Case(
        "line_items_beside_orders",
        "the orders in one file, their lines in another, which repeats the order on each and has one order more",
        "注文と明細が別のファイルで、明細にも注文の情報が繰り返され、注文にない番号もある",
        beside_orders,
        Loads({"orders": (2, 0), "order_items": (5, 0)}, {"orphan": 1}, see=amounts(1700, 1400)),
    ),
    Case(
        "line_items_of_products",
        "lines that put one product into two categories",
        "明細によって、同じ商品の分類が違う",
        put(
            '"伝票番号",会員番号,日時,商品コード,商品名,部門,数量,金額\n'
            "1,A,2024-04-01,x,櫛,髪,1,1000\n1,A,2024-04-01,y,布,家,1,600\n2,B,2024-04-02,x,櫛,家,1,1000\n"
        ),
        Loads(
            {"orders": (2, 0), "order_items": (3, 0), "products": (2, 0)},
            {"other_of_product": 1},
            see=lambda crm: crm.products["category"].tolist() == ["髪", "家"],
        ),
    ),
)
