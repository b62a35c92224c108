"""Exports with a line for each item: told from plain orders, taken apart, every line and every yen accounted for."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmkit.answers import answerable
from crmkit.datasets import Dataset, load, recognize
from crmkit.errors import MissingColumn, ParameterError, RowsLeftOut
from crmkit.metrics import metric
from crmkit.texts import LANGUAGES, in_language

TILL = {
    "伝票番号": ["1", "1", "2", "2", "2", "3"],
    "会員番号": ["A", "A", "B", "B", "B", "A"],
    "日時": ["2024-04-01 10:00"] * 2 + ["2024-04-02 11:00"] * 3 + ["2024-04-03 12:00"],
    "商品": ["シャンプー", "リンス", "シャンプー", "櫛", "リンス", "櫛"],
    "数量": [1, 2, 1, 1, 3, 1],
    "単価": [1000, 800, 1000, 500, 800, 500],
    "金額": [1000, 1600, 1000, 500, 2400, 500],
}
SUMS = [2600.0, 3900.0, 500.0]


def till(**changes: list[Any] | None) -> pd.DataFrame:
    cells = {name: cell for name, cell in {**TILL, **changes}.items() if cell is not None}
    return pd.DataFrame(cells)


def quiet(source: Any, **how: Any) -> Dataset:
    """Load, whatever is set aside, and see that no line is lost."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowsLeftOut)
        crm = load(source, **how)
    for item in crm._loaded.values():
        assert item.source.rows_read == len(item.frame) + len(item.aside)
    return crm


def problems(crm: Dataset) -> dict[str, int]:
    return {problem.kind: problem.rows for problem in crm.each_problem()}


def told(crm: Dataset) -> list[tuple[str, str]]:
    said = [(key, facts.get("column", "")) for item in crm._loaded.values() for key, facts in item.told]
    return [(key, str(column)) for key, column in said if key in ("total", "sum", "product", "net", "price")]


# --- told, on every kind of source


def as_sqlite(folder: Path) -> Path:
    with sqlite3.connect(folder / "shop.sqlite") as file:
        till().to_sql("売上明細", file, index=False)
    file.close()
    return folder / "shop.sqlite"


def as_duckdb(folder: Path) -> Path:
    frame = till()
    with duckdb.connect(folder / "shop.duckdb") as file:
        file.register("frame", frame)
        file.execute('CREATE TABLE "売上" AS SELECT * FROM frame')
    return folder / "shop.duckdb"


def written(name: str, write: Callable[[Path], Any]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        write(folder / name)
        return folder / name

    return make


SOURCES: dict[str, Callable[[Path], Any]] = {
    "csv": written("till.csv", lambda path: till().to_csv(path, index=False)),
    "csv_cp932": written("till.csv", lambda path: till().to_csv(path, index=False, encoding="cp932")),
    "called_items": written("注文明細.csv", lambda path: till().to_csv(path, index=False)),
    "parquet": written("till.parquet", lambda path: till().to_parquet(path)),
    "excel": written("till.xlsx", lambda path: till().to_excel(path, index=False)),
    "sqlite": as_sqlite,
    "duckdb": as_duckdb,
    "pandas": lambda _: till(),
    "polars": lambda _: pl.from_pandas(till()),
    "polars_lazy": lambda _: pl.from_pandas(till()).lazy(),
    "arrow": lambda _: pa.Table.from_pandas(till()),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_of_source_is_taken_apart(kind: str, tmp_path: Path) -> None:
    source = SOURCES[kind](tmp_path)
    crm = quiet(source)
    assert crm.orders["order_id"].tolist() == ["1", "2", "3"]
    assert crm.orders["customer_id"].tolist() == ["A", "B", "A"]
    assert crm.orders["net_amount"].tolist() == SUMS
    assert crm.order_items["line_no"].tolist() == [1, 2, 1, 2, 3, 1]
    assert crm.order_items["product_id"].tolist() == TILL["商品"]
    assert crm.order_items["unit_price"].tolist() == TILL["単価"]
    assert problems(crm) == {}
    assert recognize(source).by_table() == crm.mapping.by_table()


def test_a_file_of_items_beside_customers(tmp_path: Path) -> None:
    till().to_csv(tmp_path / "till.csv", index=False)
    pd.DataFrame({"会員番号": ["A", "B"], "氏名": ["x", "y"], "電話番号": ["1", "2"]}).to_csv(
        tmp_path / "会員.csv", index=False
    )
    assert set(quiet(tmp_path).tables) == {"customers", "orders", "order_items"}


HEADERS = {
    "english": ["Order ID", "Customer ID", "Order Date", "Product", "Quantity", "Unit Price", "Line Total"],
    "uci": ["InvoiceNo", "CustomerID", "InvoiceDate", "StockCode", "Quantity", "UnitPrice", None],
    "japanese": ["注文番号", "顧客ID", "注文日時", "商品コード", "個数", "販売単価", "小計"],
    "salon": ["会計番号", "お客様番号", "来店日", "メニュー", "数量", "単価", "お会計"],
    "woocommerce_rows": [
        "order_number",
        "customer_id",
        "date",
        "item_name",
        "item_quantity",
        "item_price",
        "item_total",
    ],
}


@pytest.mark.parametrize("name", HEADERS)
def test_usual_headers(name: str) -> None:
    pairs = zip(TILL.items(), HEADERS[name], strict=True)
    crm = quiet(pd.DataFrame({header: cells for (_, cells), header in pairs if header}))
    assert crm.orders["net_amount"].tolist() == SUMS
    assert crm.order_items["quantity"].tolist() == TILL["数量"]


def test_shopify_with_an_order_on_its_first_line_only() -> None:
    lines = pd.DataFrame(
        {
            "Name": ["#1", "#1", "#2"],
            "Email": ["a@example.com", "a@example.com", "b@example.com"],
            "Financial Status": ["paid", "", "refunded"],
            "Subtotal": ["25.00", "", "5.00"],
            "Discount Amount": ["5.00", "", "0.00"],
            "Created at": ["2024-04-01 10:05", "2024-04-01 10:05", "2024-04-02 10:05"],
            "Lineitem quantity": ["2", "1", "1"],
            "Lineitem name": ["x", "y", "x"],
            "Lineitem price": ["10.00", "10.00", "5.00"],
            "Lineitem sku": ["", "Y", "X"],
            "Lineitem discount": ["0.00", "1.00", "0.00"],
        }
    )
    crm = quiet(lines)
    assert crm.orders["net_amount"].tolist() == [25.0, 5.0]
    assert crm.orders["discount_amount"].tolist() == [5.0, 0.0]
    assert crm.orders["status"].tolist() == ["completed", "cancelled"]
    assert crm.order_items["product_id"].tolist() == ["x", "y", "x"]
    assert crm.order_items["discount_amount"].tolist() == [0.0, 1.0, 0.0]
    assert ("total", "net_amount") in told(crm)


def test_woocommerce_items() -> None:
    lines = pd.DataFrame(
        {
            "Order Number": ["1", "1"],
            "Order Status": ["Completed", "Completed"],
            "Order Date": ["2024-04-01 10:05"] * 2,
            "Email (Billing)": ["a@example.com"] * 2,
            "Order Subtotal Amount": ["20", "20"],
            "Order Total Amount": ["25", "25"],
            "SKU": ["X", "Y"],
            "Item #": ["1", "2"],
            "Item Name": ["x", "y"],
            "Quantity (- Refund)": ["1", "1"],
            "Item Cost": ["10", "10"],
        }
    )
    crm = quiet(lines)
    assert crm.orders["net_amount"].tolist() == [20.0]
    assert crm.order_items[["line_no", "product_id", "unit_price"]].values.tolist() == [[1, "X", 10.0], [2, "Y", 10.0]]


# --- amounts


def test_a_total_that_lines_repeat_is_taken_once() -> None:
    totals = [2600, 2600, 3900, 3900, 3900, 500]
    crm = quiet(till(金額=None, 合計金額=totals))
    assert crm.orders["net_amount"].tolist() == SUMS
    assert told(crm) == [("total", "net_amount")]
    both = quiet(till(合計金額=[3000, 3000, 4000, 4000, 4000, 500]))
    assert both.orders["net_amount"].tolist() == [3000.0, 4000.0, 500.0]
    with in_language("en"):
        assert "taken once" in both.report()
        assert "repeat" in recognize(till(合計金額=totals)).frame().to_string()


def test_equal_prices_are_no_total() -> None:
    crm = quiet(till(数量=[1] * 6, 単価=[500] * 6, 金額=[500] * 6))
    assert crm.orders["net_amount"].tolist() == [1000.0, 1500.0, 500.0]
    assert told(crm) == [("sum", "net_amount")]


def test_a_vague_amount_that_is_equal_in_two_orders_is_summed() -> None:
    crm = quiet(till(単価=None, 金額=[100, 100, 200, 200, 200, 300]))
    assert crm.orders["net_amount"].tolist() == [200.0, 600.0, 300.0]
    assert crm.order_items["unit_price"].tolist() == pytest.approx([100, 50, 200, 200, 200 / 3, 300])
    kept = crm.mapping.by_table()  # what was told once tells no more than that
    again = quiet(till(単価=None, 金額=[100, 100, 200, 200, 200, 300]), columns=kept)
    assert again.fingerprint() == crm.fingerprint()


def test_without_any_amount_it_is_quantity_times_price() -> None:
    crm = quiet(till(金額=None, 割引額=[100, 0, 0, 0, 0, 0]))
    assert crm.orders["net_amount"].tolist() == [2500.0, 3900.0, 500.0]
    assert crm.orders["discount_amount"].tolist() == [100.0, 0.0, 0.0]
    assert ("product", "net_amount") in told(crm)


def test_a_total_that_slips_in_one_of_many_orders_is_said() -> None:
    ids = [str(order) for order in range(40) for _ in range(2)]
    totals = [str(100 + int(order)) for order in ids]
    totals[1] = "7"
    frame = pd.DataFrame({"注文番号": ids, "会員番号": "A", "注文日": "2024-04-01", "商品": ["x", "y"] * 40,
                          "数量": "1", "合計金額": totals})  # fmt: skip
    crm = quiet(frame)
    assert crm.orders["net_amount"].tolist() == [100.0 + order for order in range(40)]
    assert problems(crm)["other_totals"] == 1


def test_discounts_and_returns_are_no_items_but_count() -> None:
    crm = quiet(till(商品=["シャンプー", "値引", "シャンプー", "櫛", None, "櫛"], 数量=[1, 1, 1, 1, 1, 1],
                     単価=[1000, -100, 1000, 500, 800, 500], 金額=[1000, -100, 1000, 500, 800, 500]))  # fmt: skip
    assert crm.orders["net_amount"].tolist() == [900.0, 2300.0, 500.0]
    assert crm.order_items["product_id"].tolist() == ["シャンプー", "シャンプー", "櫛", "櫛"]
    assert problems(crm) == {"line_below_zero": 1, "line_without_product": 1}


def test_an_order_below_zero_is_set_aside_with_its_lines() -> None:
    crm = quiet(till(単価=None, 金額=[-1000, 100, 1000, 500, 2400, 500]))
    assert crm.orders["order_id"].tolist() == ["2", "3"]
    assert crm.order_items["order_id"].unique().tolist() == ["2", "3"]
    assert problems(crm) == {"negative_order": 2}


# --- what contradicts, and what comes twice


def test_two_customers_in_an_order() -> None:
    crm = quiet(till(会員番号=["A", "A", "B", "C", "B", "A"]))
    assert crm.orders["customer_id"].tolist() == ["A", "B", "A"]
    assert crm.orders["net_amount"].tolist() == [2600.0, 3400.0, 500.0]
    assert problems(crm) == {"other_customer": 1, "order_lacks_a_line": 1}
    assert crm.rejected["order_items"]["line"].tolist() == [4]


def test_two_days_in_an_order_and_two_times() -> None:
    times = ["2024-04-01 10:00", "2024-04-01 10:01", "2024-04-02 11:00", "2024-04-09 11:00", "2024-04-02 11:00",
             "2024-04-03 12:00"]  # fmt: skip
    crm = quiet(till(日時=times))
    assert problems(crm) == {"other_day": 1, "other_times": 1, "order_lacks_a_line": 1}
    assert crm.orders["ordered_at"].tolist() == [pd.Timestamp(times[at]) for at in (0, 2, 5)]


def test_the_customer_may_stand_on_one_line_only() -> None:
    crm = quiet(till(会員番号=[None, "A", "B", None, None, None]))
    assert crm.orders["customer_id"].tolist() == ["A", "B"]
    assert problems(crm) == {"no_customer": 1}


def test_numbers_that_start_again_are_no_orders_with_lines() -> None:
    crm = quiet(till(伝票番号=["1", "2", "1", "2", "3", "3"], 会員番号=list("ABCDEF")))
    assert set(crm.tables) == {"orders"}
    assert problems(crm) == {"key_again": 3}


def test_a_product_scanned_twice_is_two_items() -> None:
    twice = pd.concat([till().iloc[:1], till()], ignore_index=True)
    crm = quiet(twice)
    assert crm.orders["net_amount"].tolist() == [3600.0, 3900.0, 500.0]
    assert len(crm.order_items) == 7
    assert problems(crm) == {"equal_lines": 1}


def test_an_order_exported_twice_is_loaded_once() -> None:
    crm = quiet(pd.concat([till(), till().iloc[2:5]], ignore_index=True))
    assert crm.orders["net_amount"].tolist() == SUMS
    assert problems(crm) == {"line_again": 3}
    assert crm.rejected["order_items"]["line"].tolist() == [7, 8, 9]


def test_lines_with_numbers_tell_copies_themselves() -> None:
    numbered = till(行番号=[1, 2, 1, 2, 3, 1])
    again = pd.concat([numbered, numbered.iloc[:1], numbered.iloc[1:2].assign(商品="櫛")], ignore_index=True)
    crm = quiet(again)
    assert crm.order_items["line_no"].tolist() == [1, 2, 1, 2, 3, 1]
    assert problems(crm) == {"same_again": 1, "number_again": 1, "order_lacks_a_line": 1}


# --- said otherwise


def test_it_can_be_said_that_they_are_no_lines() -> None:
    for how in ({"tables": "orders"}, {"columns": {"orders": {"net_amount": "金額"}}}):
        crm = quiet(till(), **how)
        assert set(crm.tables) == {"orders"}
        assert problems(crm) == {"key_again": 3}
    assert set(quiet({"orders": till()}).tables) == {"orders"}


def test_it_can_be_said_that_they_are(tmp_path: Path) -> None:
    odd = till().rename(columns={"伝票番号": "No", "会員番号": "誰", "日時": "いつ", "商品": "何"})
    names = {"order_id": "No", "customer_id": "誰", "ordered_at": "いつ", "product_id": "何"}
    crm = quiet(odd, columns=names)
    assert crm.orders["net_amount"].tolist() == SUMS
    for said in (quiet(odd, tables="line_items", columns=names), quiet({"line_items": odd}, columns=names),
                 quiet({"orders": odd, "order_items": odd}, columns=names),
                 quiet(odd, columns=crm.mapping.save(tmp_path / "shop.toml"))):  # fmt: skip
        pd.testing.assert_frame_equal(said.orders, crm.orders)
        pd.testing.assert_frame_equal(said.order_items, crm.order_items)


def test_one_line_for_each_order_may_be_lines_too() -> None:
    single = till().iloc[[0, 2, 5]]
    assert set(quiet(single).tables) == {"orders"}
    assert len(quiet(single, tables="line_items").order_items) == 3


def test_what_is_missing_is_named() -> None:
    with pytest.raises(MissingColumn) as caught:
        load(till(商品=None), tables="line_items")
    for code in LANGUAGES:
        with in_language(code):
            assert "product_id" in str(caught.value)


def test_two_sources_for_the_items() -> None:
    with pytest.raises(ParameterError) as caught:
        load({"line_items": till(), "order_items": till()})
    assert caught.value.reason == "two_sources"


# --- what can be done with it


def test_it_answers_what_is_bought_together() -> None:
    crm = quiet(till())
    lift = metric("association_lift")(crm.order_items, orders=crm.orders)
    assert len(lift)
    assert all(answerable(crm).can(name) for name in ("association_lift", "repeat_rate"))
    assert not answerable(quiet(till(), tables="orders")).can("association_lift")


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_account_says_how_it_was_made(code: str) -> None:
    with in_language(code):
        crm = quiet(till(会員番号=["A", "A", "B", "C", "B", "A"]))
        said = crm.report() + crm._repr_html_() + crm.mapping._repr_html_() + crm.problems.to_string()
    assert ("1明細の6行" if code == "ja" else "6 lines") in said
    assert "{" not in said


# --- the property

LINES = st.lists(
    st.tuples(st.integers(1, 5), st.sampled_from("xyz"), st.integers(1, 3), st.integers(0, 9),
              st.sampled_from("AAAAB")),
    min_size=1, max_size=25,
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lines=LINES, shuffled=st.booleans())
def test_counts_and_sums_hold(lines: list[tuple[int, str, int, int, str]], shuffled: bool) -> None:
    """Every line is loaded or set aside, and each order's amount is what its loaded lines come to."""
    lines = lines if shuffled else sorted(lines, key=lambda line: line[0])
    frame = pd.DataFrame(lines, columns=["注文番号", "商品", "数量", "単価", "会員番号"])
    frame["注文日時"], frame["金額"] = "2024-04-01 10:00", frame["数量"] * frame["単価"] * 10
    frame["単価"] *= 10
    crm = quiet(frame, tables="line_items")
    items = crm.order_items
    assert len(items) + len(crm.rejected["order_items"]) == len(frame)
    assert set(items["order_id"]) == set(crm.orders["order_id"])
    assert crm.orders["order_id"].is_unique
    assert not items.duplicated(["order_id", "line_no"]).any()
    level = [key for key, column in told(crm) if column == "net_amount"]
    assert level == ["sum"]
    sums = (items["quantity"] * items["unit_price"]).groupby(items["order_id"]).sum()
    assert crm.orders.set_index("order_id")["net_amount"].to_dict() == sums.to_dict()
    assert set(problems(crm)) <= {"other_customer", "order_lacks_a_line", "line_again", "equal_lines", "one_customer",
                                  "too_even"}  # fmt: skip
