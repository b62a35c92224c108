"""The drop-downs for lines of orders: which columns go to which table, how amounts are made, and what is asked."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import ipywidgets
import pytest

import crmkit
from crmkit.texts import LANGUAGES, Language, in_language, text
from crmkit.widgets.columns import ColumnChooser, choose_columns
from tests.test_line_items import SUMS, till
from tests.test_lines_and_orders import folder, with_products


def hints(chooser: ColumnChooser) -> str:
    return html.unescape(chooser._hints.value)


def of(chooser: ColumnChooser, header: str) -> ipywidgets.Dropdown:
    return next(box for box in chooser.columns.values() if box.description.endswith(f". {header}"))


def reloaded(chooser: ColumnChooser, place: Path) -> Any:
    """What the line loads that the widget gives for next time."""
    assert chooser.choice is not None
    return eval(chooser.choice.code(chooser.save(place / "kept.toml")))


@pytest.mark.parametrize("code", LANGUAGES)
def test_lines_are_shown_taken_apart(tmp_path: Path, code: Language) -> None:
    with_products().to_csv(tmp_path / "till.csv", index=False)
    with in_language(code):
        chooser = choose_columns(tmp_path / "till.csv")
        assert chooser.table.value == "line_items"
        assert of(chooser, "伝票番号").value == "orders.order_id"
        assert of(chooser, "商品コード").value == "order_items.product_id"
        assert of(chooser, "部門").value == "products.category"
        for table, column in (("orders", "金額 → net_amount"), ("order_items", "数量 → quantity"),
                              ("products", "部門 → category")):  # fmt: skip
            line = next(line for line in hints(chooser).split("<p>") if line.startswith(text(f"table.{table}")))
            assert column in line
        assert text("columns.split.sum", column="net_amount", own="金額") in hints(chooser)
        assert text("table.order_items") in of(chooser, "数量").label
        crm = chooser.load()
        assert crm.orders["net_amount"].tolist() == SUMS
        assert chooser.mapping.by_table() == crm.mapping.by_table()
        made = text("line_items.made.sum")
        assert [made in row for row in chooser.mapping.frame()["told_by"]].count(True) == 1
        assert crm.fingerprint() == crmkit.load(tmp_path / "till.csv").fingerprint()
        assert text("columns.split.sum", column="net_amount", own="金額") in chooser._repr_mimebundle_()["text/plain"]


def test_a_total_that_is_repeated_is_shown_as_one(tmp_path: Path) -> None:
    till(合計金額=[2600, 2600, 3900, 3900, 3900, 500]).to_csv(tmp_path / "till.csv", index=False)
    chooser = choose_columns(tmp_path / "till.csv")
    assert text("columns.split.total", column="net_amount", own="合計金額") in hints(chooser)
    of(chooser, "金額").value = "orders.net_amount"
    assert text("columns.split.sum", column="net_amount", own="金額") in hints(chooser)
    assert of(chooser, "合計金額").value == ""
    of(chooser, "金額").value = ""
    assert text("columns.split.product", column="net_amount") in hints(chooser)
    assert chooser.load().orders["net_amount"].tolist() == SUMS


def test_odd_headers_are_said_and_kept(tmp_path: Path) -> None:
    odd = till().rename(columns={"伝票番号": "No", "会員番号": "誰", "日時": "いつ", "商品": "何"})
    odd.to_csv(tmp_path / "till.csv", index=False)
    chooser = choose_columns(tmp_path / "till.csv")
    chooser.table.value = "line_items"
    assert all(name in chooser.said for name in ("order_id", "customer_id", "ordered_at", "product_id"))
    of(chooser, "No").value = "orders.order_id"
    of(chooser, "誰").value = "orders.customer_id"
    of(chooser, "いつ").value = "orders.ordered_at"
    assert "product_id" in chooser.said
    of(chooser, "何").value = "order_items.product_id"
    assert chooser.said == text("columns.ready")
    crm = chooser.load()
    assert crm.orders["net_amount"].tolist() == SUMS
    assert reloaded(chooser, tmp_path).fingerprint() == crm.fingerprint()


def test_what_is_left_out_stays_out(tmp_path: Path) -> None:
    with_products(割引額=[100, 0, 0, 0, 0, 0]).to_csv(tmp_path / "till.csv", index=False)
    chooser = choose_columns(tmp_path / "till.csv")
    whole = chooser.load()
    assert whole.fingerprint() == crmkit.load(tmp_path / "till.csv").fingerprint()
    of(chooser, "割引額").value = ""
    of(chooser, "部門").value = ""
    of(chooser, "商品名").value = ""
    crm = chooser.load()
    assert "discount_amount" not in {*crm.orders, *crm.order_items}
    assert "products" not in crm.tables
    assert reloaded(chooser, tmp_path).fingerprint() == crm.fingerprint()


def test_lines_that_are_said_to_be_plain_orders_are_not_taken_apart(tmp_path: Path) -> None:
    till().to_csv(tmp_path / "till.csv", index=False)
    chooser = choose_columns(tmp_path / "till.csv")
    chooser.table.value = "orders"
    assert set(chooser.load().tables) == {"orders"}


def test_lines_beside_their_orders(tmp_path: Path) -> None:
    shop = folder(tmp_path / "shop", with_products())
    chooser = choose_columns(shop)
    assert chooser.choice is not None
    assert sorted(sheet.table for sheet in chooser.choice.sheets) == ["line_items", "orders"]
    assert text("columns.split.beside") in hints(chooser)
    crm = chooser.load()
    assert crm.fingerprint() == crmkit.load(shop).fingerprint()
    assert chooser.mapping.by_table() == crm.mapping.by_table()
    assert reloaded(chooser, tmp_path).fingerprint() == crm.fingerprint()
    for _, at in chooser.sheet.options:
        chooser.sheet.value = at
        chooser.table.value = "line_items"
    assert text("columns.twice", table="order_items", first="", second="").split("‘")[0] in chooser.said
    chooser.table.value = "order_items"
    assert "order_items" in chooser.said


@pytest.mark.parametrize("code", LANGUAGES)
def test_columns_of_one_name_are_asked_for(tmp_path: Path, code: Language) -> None:
    (tmp_path / "shop.csv").write_text("会員番号,日付,日付,\nA,2024-04-01,2024-04-03,x\n", encoding="utf-8")
    with in_language(code):
        chooser = choose_columns(tmp_path / "shop.csv")
        chooser.table.value = "orders"
        assert [box.value for box in chooser.columns.values()] == ["customer_id", "", "", ""]
        asked = text(
            "columns.which", columns=text("load.between").join(["2. 日付 (1)", "3. 日付 (2)"]), column="ordered_at"
        )
        assert asked in chooser.said
        chooser.columns[2].value = "ordered_at"
        chooser.columns[3].value = "coupon_code"
        assert chooser.said == text("columns.ready")
        crm = chooser.load()
        assert crm.orders["ordered_at"].dt.day.tolist() == [3]
        assert crm.orders["coupon_code"].tolist() == ["x"]
        assert reloaded(chooser, tmp_path).fingerprint() == crm.fingerprint()


def test_of_lines_with_columns_of_one_name_each_is_said(tmp_path: Path) -> None:
    lines = till(割引額=[100, 0, 0, 0, 0, 0]).assign(x=[0, 0, 50, 50, 50, 0]).rename(columns={"x": "割引額"})
    lines.to_csv(tmp_path / "till.csv", index=False)
    chooser = choose_columns(tmp_path / "till.csv")
    chooser.table.value = "line_items"
    of(chooser, "割引額 (1)").value = "order_items.discount_amount"
    of(chooser, "割引額 (2)").value = "orders.discount_amount"
    crm = chooser.load()
    assert crm.order_items["discount_amount"].tolist() == [100, 0, 0, 0, 0, 0]
    assert crm.orders["discount_amount"].tolist() == [0, 50, 0]
    assert reloaded(chooser, tmp_path).fingerprint() == crm.fingerprint()
