"""Lines beside their orders, lines below the number of their order, and what lines tell of products."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crmkit.answers import answerable
from crmkit.datasets import Dataset, load, recognize
from crmkit.errors import ParameterError, RowsLeftOut, UnreadableFile
from crmkit.metrics import metric
from crmkit.texts import LANGUAGES, Language, in_language
from tests.test_line_items import SUMS, problems, quiet, till
from tests.workbooks import book

FILL = "order_items.order_id.fill_down"
ORDERS = pd.DataFrame(
    {
        "注文番号": ["1", "2", "3"],
        "会員番号": ["A", "B", "A"],
        "注文日時": ["2024-04-01", "2024-04-02", "2024-04-03"],
        "合計金額": [2700, 4000, 600],
    }
)


def folder(place: Path, lines: pd.DataFrame, name: str = "order_lines.csv") -> Path:
    """Orders and their lines, each in a file of its own."""
    place.mkdir(exist_ok=True)
    ORDERS.to_csv(place / "orders.csv", index=False)
    lines.to_csv(place / name, index=False)
    return place


# --- lines beside the orders


@pytest.mark.parametrize("name", ["order_lines.csv", "注文明細.csv", "x.csv"])
def test_lines_that_repeat_the_order_stand_beside_it(tmp_path: Path, name: str) -> None:
    shop = folder(tmp_path / "shop", till(伝票番号=["1", "1", "2", "2", "2", "9"]), name)
    crm = quiet(shop)
    assert crm.orders["net_amount"].tolist() == [2700.0, 4000.0, 600.0]  # the orders' own, not the sum of the lines
    assert crm.order_items["order_id"].tolist() == ["1", "1", "2", "2", "2", "9"]
    assert crm.order_items["line_no"].tolist() == [1, 2, 1, 2, 3, 1]
    assert problems(crm) == {"orphan": 1}
    assert recognize(shop).by_table() == crm.mapping.by_table()


@pytest.mark.parametrize("table", ["line_items", "order_items"])
def test_it_can_be_said_which_file_is_which(tmp_path: Path, table: str) -> None:
    shop = folder(tmp_path / "shop", till())
    expected = quiet(shop).fingerprint()
    lines = shop / "order_lines.csv"
    assert quiet({"orders": shop / "orders.csv", table: lines}).fingerprint() == expected
    assert quiet(shop, tables={"orders": "orders", table: "order_lines"}).fingerprint() == expected
    assert quiet({"orders": ORDERS, table: till()}).fingerprint() == expected


def test_a_mapping_that_was_kept_loads_both_again(tmp_path: Path) -> None:
    crm = quiet(folder(tmp_path / "shop", till(部門=list("abcabc"), 商品コード=list("123123"))))
    kept = crm.mapping.save(tmp_path / "shop.toml")
    assert quiet(tmp_path / "shop", columns=kept).fingerprint() == crm.fingerprint()


def test_lines_with_the_number_of_their_order_only(tmp_path: Path) -> None:
    lines = till()[["伝票番号", "商品", "数量", "金額"]]
    crm = quiet(folder(tmp_path / "shop", lines))
    assert crm.order_items["unit_price"].tolist() == [1000.0, 800.0, 1000.0, 500.0, 800.0, 500.0]
    assert metric("association_lift")(crm.order_items, orders=crm.orders) is not None
    assert quiet(lines).order_items["product_id"].tolist() == lines["商品"].tolist()  # alone, too


def test_totals_repeated_on_lines_are_no_prices() -> None:
    orders = [str(order) for order in range(9) for _ in range(2)]
    lines = pd.DataFrame({"伝票番号": orders, "商品": ["x", "y"] * 9, "数量": 2})
    repeated = quiet(lines.assign(小計=[int(order) + 7 for order in orders]))
    assert "unit_price" not in repeated.order_items
    assert quiet(lines.assign(小計=range(18))).order_items["unit_price"].tolist() == [at / 2 for at in range(18)]


def test_returns_and_copies_among_lines_are_no_items() -> None:
    lines = till(数量=[1, -2, 1, 1, 3, 1])
    crm = quiet({"orders": ORDERS, "line_items": pd.concat([lines, lines.iloc[2:5]], ignore_index=True)})
    assert problems(crm) == {"below_zero": 1, "line_again": 3}
    assert len(crm.order_items) == 5


def test_lines_with_numbers_are_told_apart_by_them() -> None:
    lines = till(行番号=[1, 2, 1, 2, 2, 1])
    crm = quiet({"orders": ORDERS, "line_items": lines})
    assert problems(crm) == {"key_again": 1}
    crm = quiet({"orders": ORDERS, "line_items": lines.assign(部門=list("abcabc"), 商品コード=list("123123"))})
    assert problems(crm) == {"number_again": 1}


def test_lines_and_items_are_one_too_many() -> None:
    with pytest.raises(ParameterError) as caught:
        load({"line_items": till(), "order_items": till(), "orders": ORDERS})
    assert caught.value.reason == "two_sources"


def test_two_files_of_lines_are_still_one_too_many(tmp_path: Path) -> None:
    till().to_csv(tmp_path / "a.csv", index=False)
    till().to_csv(tmp_path / "b_.csv", index=False)
    with pytest.raises(ParameterError) as caught:
        load(tmp_path)
    assert caught.value.reason == "two_sources"


@pytest.mark.parametrize("sure", ["till.csv", "order_items.csv"])
def test_what_only_looks_like_items_is_left_alone_beside_them(tmp_path: Path, sure: str) -> None:
    """Parcels have an order, a name and a number of pieces, too."""
    (tmp_path / "shop").mkdir()
    lines = till(行番号=[1, 2, 1, 2, 3, 1]) if sure == "order_items.csv" else till()
    lines.to_csv(tmp_path / "shop" / sure, index=False)
    pd.DataFrame({"注文番号": ["1", "2"], "品名": ["箱", "袋"], "数量": [1, 1]}).to_csv(
        tmp_path / "shop" / "parcels.csv"
    )
    crm = quiet(tmp_path / "shop")
    assert crm.order_items["product_id"].tolist() == lines["商品"].tolist()
    assert crm.orders["net_amount"].tolist() == SUMS
    assert "parcels.csv" in crm.report()


# --- lines below the number of their order


def below(**changes: list[Any] | None) -> pd.DataFrame:
    """A till whose order stands on its first line only, as merged cells leave it."""
    lines = till(**changes).astype(object)
    lines.loc[lines["伝票番号"].duplicated(), ["伝票番号", "会員番号", "日時"]] = None
    return lines


def as_book(place: Path, lines: pd.DataFrame) -> Path:
    rows = [list(lines.columns), *lines.astype(object).where(lines.notna(), None).values.tolist()]
    return book(place / "till.xlsx", {"売上": rows})


@pytest.mark.parametrize("of", ["frame", "csv", "book"])
def test_lines_below_are_filled_down_when_asked(tmp_path: Path, of: str) -> None:
    below().to_csv(tmp_path / "till.csv", index=False)
    crm = quiet({"frame": below(), "csv": tmp_path / "till.csv", "book": as_book(tmp_path, below())}[of])
    assert problems(crm) == {"line_below": 3, "order_lacks_a_line": 2}
    assert crm.orders["net_amount"].tolist() == [1000.0, 1000.0, 500.0]  # not guessed
    assert crm.repairs[["repair", "rows"]].values.tolist() == [[FILL, 3]]
    mended = crm.repair(FILL)
    assert mended.orders["net_amount"].tolist() == SUMS
    assert mended.order_items["line_no"].tolist() == [1, 2, 1, 2, 3, 1]
    assert problems(mended) == {"filled_down": 3}
    assert mended.repaired[["repair", "rows"]].values.tolist() == [[FILL, 3]]
    assert mended.repairs.empty
    assert mended.undo().fingerprint() == crm.fingerprint()


@pytest.mark.parametrize("numbers", [None, [1, 2, 3] * 3])
def test_equal_lines_below_several_orders_are_no_copies(numbers: list[int] | None) -> None:
    """Without their orders' numbers such lines are the same, letter by letter."""
    first = [True, False, False] * 3
    lines = pd.DataFrame({"伝票番号": ["1", None, None, "2", None, None, "3", None, None], "商品": ["x", "y", "y"] * 3,
                          "会員番号": ["A" if one else None for one in first], "数量": 1, "単価": 100, "金額": 100,
                          "日時": ["2024-04-01" if one else None for one in first]})  # fmt: skip
    mended = quiet(lines if numbers is None else lines.assign(行番号=numbers)).repair(FILL)
    assert mended.orders["net_amount"].tolist() == [300.0] * 3
    assert len(mended.order_items) == 9


@pytest.mark.parametrize(("order", "kept"), [("abab", 2), ("aabaab", 3), ("abcbcb", 6), ("ababb", 5), ("aabbab", 6)])
def test_only_an_order_all_of_whose_lines_come_again_was_exported_twice(order: str, kept: int) -> None:
    lines = pd.DataFrame({"伝票番号": "1", "会員番号": "A", "日時": "2024-04-01", "商品": list(order), "数量": 1,
                          "単価": 100})  # fmt: skip
    crm = quiet(lines, tables="line_items")
    assert len(crm.order_items) == kept
    assert crm.orders["net_amount"].tolist() == [100.0 * kept]
    assert problems(crm).get("line_again", 0) == len(order) - kept


@settings(max_examples=100, deadline=None)
@given(orders=st.lists(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(1, 3), st.integers(1, 9)), min_size=1,
                                max_size=4), min_size=1, max_size=6))  # fmt: skip
def test_filled_down_is_as_if_it_had_never_been_blank(orders: list[list[tuple[str, int, int]]]) -> None:
    rows = [
        (f"n{at}", "AB"[at % 2], f"2024-04-{at + 1:02}", *item) for at, items in enumerate(orders) for item in items
    ]
    whole = pd.DataFrame(rows, columns=["伝票番号", "会員番号", "日時", "商品", "数量", "単価"]).astype(object)
    blank = whole.copy()
    blank.loc[whole["伝票番号"].duplicated(), ["伝票番号", "会員番号", "日時"]] = None
    crm, expected = quiet(blank, tables="line_items"), quiet(whole, tables="line_items")
    # an order that was exported twice would have had its number twice
    assume("line_again" not in problems(expected))
    lost = len(rows) - len(orders)
    assert problems(crm).get("line_below", 0) == lost
    assert (crm.repair(FILL) if lost else crm).fingerprint() == expected.fingerprint()


def test_a_total_on_the_first_line_is_taken_once() -> None:
    mended = quiet(below(金額=None, 合計金額=[2600, None, 3900, None, None, 500])).repair(FILL)
    assert mended.orders["net_amount"].tolist() == SUMS


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_problem_says_how_to_mend_it(code: Language) -> None:
    with in_language(code):
        crm = quiet(below())
        mend = crm.problems.set_index("column").loc["order_id", "mend"]
        assert f"crm.repair('{FILL}')" in mend
        assert FILL in crm.repair(FILL).report()


def test_a_line_that_may_belong_elsewhere_stays_aside() -> None:
    other = below()
    other.loc[1, "会員番号"] = "C"  # somebody else's line without a number: an order of its own
    crm = quiet(other)
    assert problems(crm)["empty"] == 1
    mended = crm.repair(FILL)
    assert problems(mended) == {"empty": 1, "filled_down": 2}
    assert mended.orders["net_amount"].tolist() == [1000.0, 3900.0, 500.0]


def test_below_a_broken_line_nothing_is_filled_down(tmp_path: Path) -> None:
    path = tmp_path / "till.csv"
    path.write_text(
        "伝票番号,会員番号,日時,商品,数量,単価\n1,A,2024-04-01,x,1,10\n,,,y,1,10\n"
        "2,B,2024-04-02,x,1,10,too,much\n,,,z,1,10\n3,A,2024-04-03,x,1,10\n,,,y,1,10\n",
        encoding="utf-8",
    )
    mended = quiet(path).repair(FILL)
    assert problems(mended) == {"misfit": 1, "empty": 1, "filled_down": 2}
    assert mended.order_items["product_id"].tolist() == ["x", "y", "x", "y"]


def test_totals_at_the_end_are_no_lines_of_the_last_order() -> None:
    total = pd.DataFrame({"商品": ["合計"], "金額": [7000]})
    single = till().iloc[[0, 2, 5]]
    crm = quiet(pd.concat([single, total], ignore_index=True).astype(object))
    assert set(crm.tables) == {"orders"}
    assert problems(crm)["total_line"] == 1
    both = quiet(pd.concat([below(), total], ignore_index=True)).repair(FILL)
    assert both.orders["net_amount"].tolist() == SUMS


def test_after_another_repair_it_is_not_offered_since_it_would_undo_that() -> None:
    people = pd.DataFrame({"会員番号": ["00A", "B"], "氏名": ["x", "y"], "電話番号": ["1", "2"]})
    crm = quiet({"line_items": below(), "customers": people})
    assert set(crm.repairs["repair"]) == {FILL, "orders.customer_id.same_writing", "orders.customer_id.drop_orphans"}
    assert FILL not in set(crm.repair("orders.customer_id.same_writing").repairs["repair"])
    both = crm.repair(FILL, "orders.customer_id.same_writing")
    assert both.orders["customer_id"].tolist() == ["00A", "B", "00A"]


def test_a_file_that_changed_in_between_is_said(tmp_path: Path) -> None:
    below().to_csv(tmp_path / "till.csv", index=False)
    crm = quiet(tmp_path / "till.csv")
    below().iloc[:3].to_csv(tmp_path / "till.csv", index=False)
    with pytest.raises(UnreadableFile) as caught:
        crm.repair(FILL)
    assert caught.value.reason == "changed_since"


# --- products


def with_products(**more: list[Any]) -> pd.DataFrame:
    return till(
        商品コード=["s", "r", "s", "k", "r", "k"], 部門=["髪", "髪", "髪", "道具", "髪", "道具"], **more
    ).rename(columns={"商品": "商品名"})


def test_lines_tell_of_products() -> None:
    crm = quiet(with_products())
    assert crm.products["product_id"].tolist() == ["s", "r", "k"]
    assert crm.products["name_ja"].tolist() == ["シャンプー", "リンス", "櫛"]
    assert crm.products["category"].tolist() == ["髪", "髪", "道具"]
    assert answerable(crm).can("cross_sell_rate")
    assert not answerable(quiet(till())).can("cross_sell_rate")
    rate = metric("cross_sell_rate")(crm.orders, order_items=crm.order_items, products=crm.products)
    assert rate is not None


def test_products_of_lines_beside_orders_too() -> None:
    crm = quiet({"orders": ORDERS, "line_items": with_products()})
    assert crm.products["product_id"].tolist() == ["s", "r", "k"]
    assert crm.account.frame()["loaded"].tolist() == [3, 6, 3]


@pytest.mark.parametrize("code", LANGUAGES)
def test_lines_that_contradict_each_other_are_counted(code: Language) -> None:
    lines = with_products().assign(部門=["髪", None, "体", "道具", "髪", "家"])
    with in_language(code):
        crm = quiet(lines)
        assert crm.products["category"].tolist() == ["髪", "髪", "道具"]
        assert problems(crm) == {"other_of_product": 2}
        assert "'s', 'k'" in crm.problems["found"].iloc[0]
        assert "{" not in crm.report().replace("{'", "")


def test_a_table_of_products_goes_before(tmp_path: Path) -> None:
    goods = pd.DataFrame({"商品コード": ["s", "r", "k"], "商品名": ["a", "b", "c"], "定価": [1, 2, 3]})
    with_products().to_csv(tmp_path / "till.csv", index=False)
    goods.to_csv(tmp_path / "商品マスタ.csv", index=False)
    crm = quiet(tmp_path)
    assert crm.products["name_ja"].tolist() == ["a", "b", "c"]
    assert "部門" in crm.report()


def test_without_anything_but_an_id_there_are_no_products() -> None:
    assert "products" not in quiet(till()).tables


def test_products_can_be_told_and_left_out(tmp_path: Path) -> None:
    lines = with_products().rename(columns={"部門": "棚"})
    crm = quiet(lines, tables="line_items", columns={"products": {"category": "棚", "name_ja": None, "name_en": None}})
    assert list(crm.products.columns) == ["product_id", "category"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowsLeftOut)
        again: Dataset = load(lines, columns=crm.mapping.save(tmp_path / "x.toml"))
    assert again.fingerprint() == crm.fingerprint()
