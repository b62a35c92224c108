"""The drop-downs that say which column is which: what is shown, what is chosen, what is loaded, and what is kept."""

from __future__ import annotations

import html
import itertools
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import ipywidgets
import pandas as pd
import pytest

import crmkit
from crmkit.errors import ParameterError
from crmkit.texts import LANGUAGES, Language, in_language, text
from crmkit.widgets.columns import PAGE, ColumnChooser, choose_columns

TILL = ["番号,だれ,氏名,連絡先,来店日,お会計,ポイント"]
TILL += [f"{n},A{n % 5},山田 太郎{n},090-1234-56{n:02d},2024/{n % 12 + 1}/5,{1000 + n}円,{n}" for n in range(1, 31)]
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def till(tmp_path: Path) -> Path:
    path = tmp_path / "till.csv"
    path.write_text("\n".join(TILL), encoding="utf-8")
    return path


@pytest.fixture
def chooser(till: Path) -> ColumnChooser:
    made = choose_columns(till)
    made.table.value = "orders"
    return made


def leaves(widget: Any) -> Any:
    for child in getattr(widget, "children", ()):
        yield child
        yield from leaves(child)


def shown(chooser: ColumnChooser) -> str:
    """All HTML of the widget."""
    return "\n".join(part.value for part in leaves(chooser) if isinstance(part, ipywidgets.HTML))


def place_of(chooser: ColumnChooser, header: str) -> int:
    return next(at for at, box in chooser.columns.items() if box.description.endswith(f". {header}"))


def test_what_is_recognized_is_chosen_beforehand_and_said_by_what(chooser: ColumnChooser) -> None:
    assert chooser.columns[place_of(chooser, "来店日")].value == "ordered_at"
    assert chooser.columns[place_of(chooser, "お会計")].value == "net_amount"
    assert chooser.columns[place_of(chooser, "だれ")].value == ""
    assert text("mapping.by.alias") in shown(chooser)


def test_a_missing_column_is_named_until_it_is_chosen(chooser: ColumnChooser) -> None:
    assert "customer_id" in chooser.said
    assert text("columns.ready") not in chooser.said
    chooser.columns[place_of(chooser, "だれ")].value = "customer_id"
    assert chooser.said == text("columns.ready")
    chooser.columns[place_of(chooser, "だれ")].value = ""
    assert "customer_id" in chooser.said


@pytest.mark.parametrize("code", LANGUAGES)
def test_load_gives_the_data_set_and_its_account(till: Path, code: Language) -> None:
    with till.open("a", encoding="utf-8") as file:
        file.write("\n31,A1,山田 太郎,090-1234-5678,いつか,1000円,1")
    with in_language(code):
        chooser = choose_columns(till)
        chooser.table.value = "orders"
        with pytest.raises(ParameterError):
            _ = chooser.crm
        chooser.columns[place_of(chooser, "だれ")].value = "customer_id"
        chooser.buttons["load"].click()
        assert (len(chooser.crm.orders), chooser.crm.account.aside) == (30, 1)
        assert chooser.said == text("columns.loaded", read="31", loaded="30", aside="1")
        assert chooser.crm.account[0].reasons[0].what in html.unescape(shown(chooser))
        assert "いつか" not in shown(chooser)
        assert chooser.mapping.by_table() == chooser.crm.mapping.by_table()


def test_a_choice_after_loading_takes_the_data_set_back(chooser: ColumnChooser) -> None:
    chooser.columns[place_of(chooser, "だれ")].value = "customer_id"
    chooser.load()
    chooser.columns[place_of(chooser, "ポイント")].value = "net_amount"
    assert chooser.columns[place_of(chooser, "お会計")].value == ""
    assert text("columns.moved", column="net_amount", place=chooser.columns[5].description) in chooser.said
    with pytest.raises(ParameterError, match="load|読み込"):
        _ = chooser.crm
    assert chooser.load().orders["net_amount"].max() == 30


def test_nothing_that_names_a_person_is_in_it(chooser: ColumnChooser) -> None:
    chooser.columns[place_of(chooser, "だれ")].value = "customer_id"
    chooser.load()
    everything = shown(chooser) + str(chooser._repr_mimebundle_())
    everything += "".join(str(part.get_state()) for part in leaves(chooser))
    assert "山田" not in everything
    assert "1234" not in everything
    assert "***-****-****" in everything
    assert "2024/2/5" in everything  # while what names nobody is shown
    assert "2024/2/5" not in str(chooser._repr_mimebundle_())


def test_a_wrong_column_is_a_sentence_without_names(chooser: ColumnChooser) -> None:
    chooser.columns[place_of(chooser, "だれ")].value = "customer_id"
    chooser.columns[place_of(chooser, "氏名")].value = "ordered_at"
    chooser.buttons["load"].click()
    assert "氏名" in chooser.said
    assert "山田" not in chooser.said
    assert "Traceback" not in chooser.said


def test_a_saved_choice_loads_the_same_and_replaces_nothing(
    chooser: ColumnChooser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chooser.columns[place_of(chooser, "だれ")].value = "customer_id"
    chooser.columns[place_of(chooser, "ポイント")].value = "discount_amount"
    chooser.columns[place_of(chooser, "お会計")].value = ""
    chooser.name.value = "shop"
    chooser.buttons["save"].click()
    written = (tmp_path / "shop.toml").read_text(encoding="utf-8")
    assert "net_amount = false" in written  # else お会計 would be it again
    line = chooser.said[chooser.said.index("crmkit.load(") :]
    again = eval(line)
    assert again.fingerprint() == chooser.load().fingerprint()
    chooser.buttons["save"].click()
    assert chooser.said == text("error.ParameterError.mapping_exists", out=Path("shop.toml"))
    chooser.name.value = "  "
    chooser.buttons["save"].click()
    assert chooser.said == text("error.ParameterError.no_name")
    for bad in ("\0", "till.csv/shop"):
        chooser.name.value = bad
        chooser.buttons["save"].click()
        assert "crmkit.load(" not in chooser.said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.toml", "till.csv"]
    assert (tmp_path / "shop.toml").read_text(encoding="utf-8") == written


def test_every_control_has_a_name_and_nothing_is_an_output(chooser: ColumnChooser) -> None:
    parts = list(leaves(chooser))
    controls = [part for part in parts if isinstance(part, ipywidgets.Dropdown | ipywidgets.Text | ipywidgets.Button)]
    assert len(controls) >= 14
    assert all(control.description.strip() for control in controls)
    assert not [part for part in parts if isinstance(part, ipywidgets.Output)]


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_table_and_every_column_can_be_chosen(till: Path, code: Language) -> None:
    with in_language(code):
        chooser = choose_columns(till)
        for _, table in chooser.table.options:
            chooser.table.value = table
            for box in list(chooser.columns.values())[:2]:
                for _, column in box.options:
                    box.value = column
            assert chooser.said
            assert text("columns.failed", error="").split("(")[0].split("（")[0] not in chooser.said
            assert chooser.choice is not None
            assert [chooser.choice.sheets[0].columns[at] for at in chooser.columns] == [
                box.value for box in chooser.columns.values()
            ]


def test_hostile_headers_stay_words(tmp_path: Path) -> None:
    headers = ["会員番号", SCRIPT, "", "来店日", "お会計", "お会計", "=1+1", "a\tb", "$x$", "名" * 300]
    path = tmp_path / "<b>shop.csv"
    rows = [[f"A{n}", f"<img src=x onerror=alert({n})>", "x", "2024-04-01", "1", "2", *"abcd"] for n in range(3)]
    pd.DataFrame(rows, columns=headers).to_csv(path, index=False)
    chooser = choose_columns(path)
    chooser.table.value = "orders"
    assert not [box for box in chooser.columns.values() if box.description_allow_html]
    assert "<script" not in shown(chooser)
    assert "<img" not in shown(chooser)
    assert "<b>" not in shown(chooser)
    assert "&lt;img" in shown(chooser)
    assert len({box.description for box in chooser.columns.values()}) == len(headers)
    assert all(len(box.description) < 60 for box in chooser.columns.values())
    both = [chooser.columns[at].description for at in (4, 5)]
    assert all(one in chooser.said for one in both)  # お会計 is there twice: it is asked for, not guessed
    chooser.columns[5].value = "net_amount"
    chooser.columns[2].value = "coupon_code"  # a column without a name has its place
    assert chooser.said == text("columns.ready")
    assert chooser.load().orders[["net_amount", "coupon_code"]].values.tolist() == [[2.0, "x"]] * 3


def test_many_columns_come_in_parts_and_can_be_looked_for(tmp_path: Path) -> None:
    headers = [f"項目{n}" for n in range(130)] + ["会員番号", "来店日"]
    path = tmp_path / "wide.csv"
    pd.DataFrame([["x"] * 130 + ["A", "2024-04-01"]], columns=headers).to_csv(path, index=False)
    chooser = choose_columns(path)
    chooser.table.value = "orders"
    assert len(chooser.columns) == PAGE
    assert [value for _, value in chooser.part.options] == list(range(0, 132, PAGE))
    chooser.part.value = 120
    assert [box.value for box in chooser.columns.values()][-2:] == ["customer_id", "ordered_at"]
    chooser.filter.value = "来店"
    assert [box.value for box in chooser.columns.values()] == ["ordered_at"]
    chooser.filter.value = "nothing of the kind"
    assert chooser.columns == {}
    chooser.filter.value = ""
    assert len(chooser.load().orders) == 1
    assert chooser.filter.layout.display is None


def book(folder: Path) -> Path:
    with pd.ExcelWriter(folder / "book.xlsx", engine="xlsxwriter") as writer:
        orders = pd.DataFrame({"誰": ["A", "B"], "来店日": ["2024-04-01", "2024-04-02"], "お会計": [1, 2]})
        orders.to_excel(writer, sheet_name="四月", index=False)
        pd.DataFrame({"会員番号": ["A", "B"], "登録日": ["2024-01-01"] * 2}).to_excel(
            writer, sheet_name="会員", index=False
        )
        pd.DataFrame({"メモ": ["x"]}).to_excel(writer, sheet_name="メモ", index=False)
    return folder / "book.xlsx"


def folder(place: Path) -> Path:
    for name, frame in pd.read_excel(book(place), sheet_name=None, dtype=str, engine="calamine").items():
        frame.to_csv(place / f"{name}.csv", index=False)
    (place / "book.xlsx").unlink()
    return place


def database(place: Path) -> Path:
    with sqlite3.connect(place / "shop.db") as base:
        for name, frame in pd.read_excel(book(place), sheet_name=None, dtype=str, engine="calamine").items():
            frame.to_sql(name, base, index=False)
    base.close()
    return place / "shop.db"


@pytest.mark.parametrize("make", [book, folder, database])
def test_several_sheets_each_have_their_table(make: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    source = make(tmp_path / "in")
    chooser = choose_columns(source)
    assert len(chooser.sheet.options) == 3
    for label, at in chooser.sheet.options:
        chooser.sheet.value = at
        if "四月" in label:
            chooser.table.value = "orders"
            chooser.columns[place_of(chooser, "誰")].value = "customer_id"
        elif "会員" in label:
            assert chooser.table.value == "customers"
    crm = chooser.load()
    assert {name: len(table) for name, table in crm.tables.items()} == {"orders": 2, "customers": 2}
    place = chooser.save(tmp_path / "kept.toml")
    assert chooser.choice is not None
    again = eval(chooser.choice.code(place))
    assert again.fingerprint() == crm.fingerprint()
    for _, at in chooser.sheet.options:
        chooser.sheet.value = at
        chooser.table.value = "costs"
    assert text("columns.twice", table="costs", first="", second="").split("“")[0][:4] in chooser.said
    chooser.buttons["load"].click()
    assert "costs" in chooser.said


def test_tables_at_hand_keep_the_names_they_are_given() -> None:
    visits = pd.DataFrame({"who": ["A"], "来店日": ["2024-04-01"], "お会計": [1]})
    chooser = choose_columns({"orders": visits, "customers": pd.DataFrame({"会員番号": ["A"]})})
    assert chooser.table.value == "orders"
    chooser.columns[0].value = "customer_id"
    assert sorted(chooser.load().tables) == ["customers", "orders"]


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_cannot_be_opened_is_a_sentence(tmp_path: Path, code: Language) -> None:
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    (tmp_path / "empty.csv").write_bytes(b"")
    saved = crmkit.sample("ten_customers").save(tmp_path / "saved")
    with in_language(code):
        for source in (tmp_path / "none.csv", tmp_path / "picture.csv", tmp_path / "empty.csv", saved, None, 3, {}, []):
            chooser = choose_columns(source)
            assert chooser.said
            assert chooser.said in html.unescape(chooser._status.value)
            with pytest.raises(ParameterError):
                chooser.load()
            assert "text/plain" in chooser._repr_mimebundle_()


def test_a_file_without_headers_is_refused_and_shows_no_row(tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_text("A1,2024-04-01,1000,090-1234-5678\nA2,2024-04-02,1000,090-1234-9999\n")
    chooser = choose_columns(tmp_path / "bare.csv")
    assert chooser.table.disabled
    assert "090" not in shown(chooser) + str(chooser._repr_mimebundle_())
    assert chooser.columns == {}


def test_what_breaks_is_a_sentence(chooser: ColumnChooser, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("山田")

    monkeypatch.setattr("crmkit.widgets.columns_choice.load", broken)
    chooser.columns[place_of(chooser, "だれ")].value = "customer_id"
    chooser.buttons["load"].click()
    assert chooser.said == text("columns.failed", error="RuntimeError")
    assert not chooser.buttons["load"].disabled


def test_dates_that_can_be_read_in_two_ways_are_chosen_in_it(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text("会員番号,注文日時,購入金額\nA,03/04/2024,100\nB,05/06/2024,200\n", encoding="utf-8")
    chooser = choose_columns(path)
    chooser.buttons["load"].click()
    assert "注文日時" in chooser.said
    assert chooser.days.value == "tell"
    chooser.days.value = "day"
    chooser.buttons["load"].click()
    assert chooser.crm.orders["ordered_at"].dt.month.tolist() == [4, 6]


def test_a_saved_notebook_keeps_which_column_is_which(chooser: ColumnChooser) -> None:
    said = chooser._repr_mimebundle_()["text/plain"]
    assert "来店日 → ordered_at" in said
    chooser.columns[place_of(chooser, "だれ")].value = "customer_id"
    chooser.load()
    assert "だれ → customer_id" in chooser._repr_mimebundle_()["text/plain"]
    assert text("load.rows", read="30", loaded="30", aside="0") in chooser._repr_mimebundle_()["text/plain"]


def test_the_face_loads_no_widget_library() -> None:
    code = "import sys, crmkit; assert not {'ipywidgets', 'pandas'} & set(sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_no_place_is_lost_when_columns_are_put_about(chooser: ColumnChooser) -> None:
    for at, (_, column) in itertools.product(chooser.columns, chooser.columns[0].options):
        chooser.columns[at].value = column
        assert chooser.choice is not None
        used = [one for one in chooser.choice.sheets[0].columns if one]
        assert len(used) == len(set(used))
