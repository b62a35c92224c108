"""Tables in hand: odd indexes, names that come twice, mixed cells, categories, zones, and no rows."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa

from tests.corpus.case import NAME, Case, EmptyTable, Loads, ParameterError, Refuses, UnreadableFile, WrongType

USUAL = ("customer_id", "ordered_at", "net_amount")


def frame(**columns: Any) -> pd.DataFrame:
    """Three orders in pandas, some of the columns otherwise."""
    usual = {
        "customer_id": ["A", "B", "A"],
        "ordered_at": ["2024-04-01", "2024-04-02", "2024-04-03"],
        "net_amount": [1.0, 2.0, 3.0],
        "name": [NAME] * 3,
    }
    return pd.DataFrame(usual | columns)


def given(make: Callable[[], Any]) -> Callable[[Path], Any]:
    """A frame is made without a folder."""
    return lambda folder: make()


def twice() -> pd.DataFrame:
    """A column that comes twice."""
    made = frame()
    made.insert(3, "net_amount", [4.0, 5.0, 6.0], allow_duplicates=True)
    return made


class _Odd:
    def __str__(self) -> str:
        return "K9"


THREE = Loads({"orders": (3, 0)})

CASES = (
    Case(
        "frame_levels",
        "an index of two levels that holds the keys, as groupby makes it",
        "groupby の結果のように、キーが2段のインデックスにある",
        given(lambda: frame().set_index(["customer_id", "ordered_at"])),
        THREE,
    ),
    Case(
        "frame_headers_of_levels",
        "column names of two levels",
        "列名が2段になっている",
        given(lambda: pd.concat({"orders": frame()}, axis=1)),
        Refuses(UnreadableFile, "no_table_told", ("orders customer_id",)),
    ),
    Case(
        "frame_name_twice",
        "two columns of the same name",
        "同じ名前の列が2つある",
        given(twice),
        Refuses(UnreadableFile, "header_twice", ("net_amount",)),
    ),
    Case(
        "frame_mixed_cells",
        "numbers, words, days and objects in one column",
        "1つの列に数値・言葉・日付・オブジェクトが混ざっている",
        given(
            lambda: frame(
                customer_id=[1001.0, dt.date(2024, 4, 1), _Odd()], net_amount=["1,200", decimal.Decimal("3.5"), 7]
            )
        ),
        Loads(
            {"orders": (3, 0)}, {"rewritten": 1}, see=lambda crm: crm.orders["net_amount"].to_list() == [1200, 3.5, 7]
        ),
    ),
    Case(
        "frame_categories",
        "categories for ids, states and amounts",
        "ID・状態・金額がカテゴリ型",
        given(
            lambda: frame(status=["completed", "cancelled", "completed"], net_amount=["1", "2", "3"]).astype("category")
        ),
        THREE,
    ),
    Case(
        "frame_nullable",
        "nullable whole numbers and flags with gaps",
        "欠損を含む整数型・真偽型",
        given(
            lambda: frame(customer_id=pd.array([1, None, 2], "Int64"), is_test=pd.array([True, None, False], "boolean"))
        ),
        Loads({"orders": (2, 1)}, {"no_customer": 1}),
    ),
    Case(
        "frame_floats_for_ids",
        "ids that became floats beside gaps",
        "欠損のせいで小数になった ID",
        given(lambda: frame(customer_id=[1001.0, float("nan"), 1002.0])),
        Loads(
            {"orders": (2, 1)},
            {"no_customer": 1},
            see=lambda crm: crm.orders["customer_id"].to_list() == ["1001", "1002"],
        ),
    ),
    Case(
        "frame_zoned",
        "instants with a zone of their own",
        "時間帯付きの日時",
        given(lambda: frame(ordered_at=pd.to_datetime(["2024-04-01", "2024-04-02", "2024-04-03"], utc=True))),
        Loads({"orders": (3, 0)}, {"zoned": 3}, see=lambda crm: crm.orders["ordered_at"].dt.hour.eq(9).all()),
    ),
    Case(
        "frame_infinite",
        "infinite amounts",
        "無限大の金額",
        given(lambda: frame(net_amount=[float("inf"), 1.0, 2.0])),
        Loads({"orders": (2, 1)}, {"unreadable_number": 1}),
    ),
    Case(
        "frame_far_times",
        "days that nanoseconds cannot hold",
        "ナノ秒では表せない日付",
        given(lambda: frame(ordered_at=[dt.datetime(1, 1, 1), dt.datetime(2024, 4, 1), dt.datetime(2024, 4, 2)])),
        Loads({"orders": (2, 1)}, {"too_old": 1}),
    ),
    Case(
        "frame_no_rows",
        "columns without a row",
        "列だけで行がない",
        given(lambda: frame().iloc[:0]),
        Refuses(EmptyTable, "no_rows", ("customer_id",)),
    ),
    Case(
        "frame_no_columns",
        "no column at all",
        "列が1つもない",
        given(pd.DataFrame),
        Refuses(UnreadableFile, "no_table_told"),
    ),
    Case(
        "frame_numbers_for_names",
        "numbers for column names",
        "列名が数字",
        given(lambda: pd.DataFrame([["A", "2024-04-01"]])),
        Refuses(UnreadableFile, "no_header", ("2",)),
    ),
    Case(
        "frame_half_letters",
        "halves of letters (surrogates), which no file can hold",
        "文字の片割れ（サロゲート）が入っている",
        given(lambda: frame(customer_id=pd.Series(["A\ud800", "B", "C"], dtype=object))),
        THREE,
    ),
    Case(
        "frame_nan_that_refuses",
        "a decimal NaN that cannot even be compared, beside words",
        "比べることもできない NaN（小数型）が、言葉と混ざっている",
        given(lambda: frame(net_amount=[decimal.Decimal("sNaN"), "1", 2])),
        Loads({"orders": (3, 0)}, {"no_amount": 1}),
    ),
    Case(
        "frame_infinite_decimals",
        "an infinite decimal",
        "無限大の小数",
        given(lambda: frame(net_amount=[decimal.Decimal("Infinity"), decimal.Decimal(1), decimal.Decimal(2)])),
        Loads({"orders": (2, 1)}, {"unreadable_number": 1}),
    ),
    Case(
        "frame_half_letter_header",
        "half a letter for a column name",
        "列名が文字の片割れ",
        given(
            lambda: frame(name=[1, 2, 3]).set_axis(pd.Index([*frame().columns[:-1], "\ud800"], dtype=object), axis=1)
        ),
        THREE,
    ),
    Case(
        "frame_nested",
        "lists where amounts are due",
        "金額の列にリストが入っている",
        given(lambda: pl.DataFrame({"customer_id": ["A"], "ordered_at": ["2024-04-01"], "net_amount": [[1, 2]]})),
        Refuses(WrongType, "file_nested", ("net_amount",)),
    ),
    Case(
        "frame_lazy",
        "a Polars query whose column is gone",
        "列がなくなった Polars のクエリ",
        given(
            lambda: (
                pl.DataFrame({"customer_id": ["A"], "ordered_at": ["2024-04-01"]}).lazy().select("customer_id", "gone")
            )
        ),
        Refuses(ParameterError, "frame_fails"),
    ),
    Case(
        "frame_decimals",
        "exact decimals with thirty figures",
        "30桁の正確な小数",
        given(
            lambda: pa.table(
                {
                    "customer_id": ["A", "B"],
                    "ordered_at": pa.array([dt.date(2024, 4, 1)] * 2),
                    "net_amount": pa.array(
                        [decimal.Decimal("123456789012345678901234567890.5"), decimal.Decimal("1")],
                        pa.decimal128(38, 1),
                    ),
                }
            )
        ),
        Loads({"orders": (2, 0)}),
    ),
    Case(
        "not_a_frame",
        "a list of numbers instead of a table",
        "表ではなく数のリスト",
        given(lambda: [1, 2, 3]),
        Refuses(ParameterError, "not_a_frame", ("int",)),
    ),
)
