"""The panel on a customer database: what it shows, what it changes, what it keeps to itself; both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ipywidgets
import pandas as pd
import pytest

from crmkit.datasets.crm import Crm
from crmkit.datasets.customer_database import CustomerDatabase
from crmkit.texts import LANGUAGES, in_language, text
from crmkit.widgets.data_table import HIDDEN, as_html
from crmkit.widgets.database_panel import TASKS, DatabasePanel, database_panel

EVIL = "<img src=x onerror=alert(1)>"
PEOPLE = pd.DataFrame(
    {
        "customer_id": ["C1", "C2", "C3", EVIL],
        "name": ["髙橋 花子", "高橋花子", EVIL, "佐藤 健"],
        "name_kana": ["タカハシ ハナコ", None, None, "さとう けん"],
        "email": ["hana@example.com", "ＨＡＮＡ＠example.com", None, "ken@example.com"],
        "phone": ["090-1234-5678", None, None, None],
        "city": ["大阪", None, EVIL, "神戸市"],
        "birth_date": pd.to_datetime(["1990-01-02", None, None, None]),
        "registered_at": pd.to_datetime(["2024-01-01 09:00", "2024-03-01 10:00", None, None]),
        "email_opt_in": pd.array([True, False, True, None], "boolean"),
    }
)
ORDERS = pd.DataFrame(
    {
        "order_id": ["O1", "O2"],
        "customer_id": ["C1", "C2"],
        "ordered_at": pd.to_datetime(["2024-04-01 10:05", "2024-05-01 11:00"]),
        "net_amount": [4400.0, 1100.0],
    }
)
PERSONAL_VALUES = ("hana@example.com", "090-1234-5678", "09012345678", "1990-01-02")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[CustomerDatabase]:
    path = Crm({"customers": PEOPLE, "orders": ORDERS}, zone="Asia/Tokyo").save(tmp_path / "shop.duckdb")
    with CustomerDatabase(path, who="hana") as opened:
        yield opened


@pytest.fixture(params=LANGUAGES)
def panel(db: CustomerDatabase, request: pytest.FixtureRequest) -> Iterator[DatabasePanel]:
    with in_language(request.param):
        yield database_panel(db)


def leaves(widget: Any) -> Iterator[Any]:
    for child in getattr(widget, "children", ()):
        yield child
        yield from leaves(child)


def press(panel: DatabasePanel, name: str, **fields: Any) -> str:
    for field, value in fields.items():
        panel.fields[field].value = value
    panel.buttons[name].click()
    return panel.said


def shown(panel: DatabasePanel) -> str:
    return " ".join(child.value for child in leaves(panel) if isinstance(child, ipywidgets.HTML))


def choose(panel: DatabasePanel, words: str) -> None:
    press(panel, "search", words=words)


def test_a_search_chooses_the_likeliest(panel: DatabasePanel) -> None:
    choose(panel, "ﾀｶﾊｼ")
    assert panel.chosen == "C1"
    assert panel.said == text("panel.found", rows=1)
    assert "髙橋 花子" in shown(panel)
    choose(panel, "高橋")
    assert [one for _, one in panel.fields["customer"].options] == ["C1", "C2"]
    choose(panel, "高橋花江")
    assert panel.said in (text("panel.found_alike", rows=2), text("panel.found_alike", rows=1))
    choose(panel, "zzzzqq")
    assert (panel.said, panel.chosen) == (text("panel.found_none", words="zzzzqq"), "")


def test_typing_and_enter_search_too(panel: DatabasePanel) -> None:
    panel.fields["words"].value = "ken@"
    assert panel.said == text("panel.found", rows=1)
    assert not panel.fields["words"].continuous_update


def test_what_identifies_a_person_is_hidden_until_asked_for(panel: DatabasePanel) -> None:
    choose(panel, "髙橋")
    press(panel, "look")
    assert HIDDEN in shown(panel)
    assert not [value for value in PERSONAL_VALUES if value in shown(panel)]
    panel.fields["personal"].value = True
    assert all(value in shown(panel) for value in ("hana@example.com", "1990-01-02"))
    panel.fields["personal"].value = False
    assert not [value for value in PERSONAL_VALUES if value in shown(panel)]


def test_a_field_is_corrected_with_a_reason_and_taken_back(panel: DatabasePanel) -> None:
    choose(panel, "髙橋")
    panel.fields["task"].value = "correct"
    said = press(panel, "correct", field="city", value="神戸", why="moved")
    assert "1" in said
    assert panel.db.customer("C1").record["city"] == "神戸"
    assert panel.db.journal()["why"].iloc[0] == "moved"
    assert panel.fields["why"].value == ""
    press(panel, "undo_last")
    assert panel.db.customer("C1").record["city"] == "大阪"


@pytest.mark.parametrize(
    ("field", "typed", "stored"),
    [
        ("city", "", None),
        ("email_opt_in", "no", False),
        ("birth_date", "1991-02-03", pd.Timestamp("1991-02-03")),
        ("registered_at", "2024-02-01 10:00", pd.Timestamp("2024-02-01 10:00")),
    ],
)
def test_values_are_read_as_their_column_takes_them(panel: DatabasePanel, field: str, typed: str, stored: Any) -> None:
    choose(panel, "髙橋")
    said = text("panel.no") if typed == "no" else typed
    press(panel, "correct", field=field, value=said)
    found = panel.db.customer("C1").record[field]
    assert (found is None) if stored is None else (found == stored), panel.said


@pytest.mark.parametrize(("field", "typed"), [("birth_date", "yesterday"), ("email_opt_in", "perhaps")])
def test_what_a_column_does_not_take_is_a_sentence(panel: DatabasePanel, field: str, typed: str) -> None:
    choose(panel, "髙橋")
    before = panel.db.customer("C1").record
    said = press(panel, "correct", field=field, value=typed)
    assert field in said
    assert panel.db.customer("C1").record == before
    assert text("panel.failed", error="").split("(")[0].split("（")[0] not in said


def test_the_value_now_is_told_before_it_is_changed(panel: DatabasePanel) -> None:
    choose(panel, "髙橋")
    panel.fields["task"].value = "correct"
    panel.fields["field"].value = "city"
    assert "大阪" in shown(panel)
    panel.fields["field"].value = "email"
    assert text("panel.now", value=HIDDEN) in shown(panel)
    panel.fields["personal"].value = True
    assert "hana@example.com" in shown(panel)
    panel.fields["field"].value = "email_opt_in"
    assert tuple(panel.fields["value"].options) == (text("panel.yes"), text("panel.no"))


def test_two_records_are_explained_merged_and_parted_again(panel: DatabasePanel) -> None:
    panel.fields["task"].value = "merge"
    said = press(panel, "pairs")
    assert said == text("panel.pairs", pairs=1, shown=1)
    assert panel.fields["pair"].value == ("C1", "C2")
    assert text("panel.grade.match") in shown(panel)
    assert not [value for value in PERSONAL_VALUES if value in shown(panel)]
    panel.fields["personal"].value = True
    assert "hana@example.com" in shown(panel)
    assert panel.fields["keep"].options == ("C1", "C2")
    assert panel.fields["keep"].value == "C1"
    press(panel, "merge", keep="C2", why="one person")
    assert "C1" not in set(panel.db.crm().customers["customer_id"])
    assert panel.db.customer("C2").record["city"] == "大阪"
    assert text("column.customers.city") in panel.said
    assert panel.fields["pair"].value == ""
    assert panel.chosen == "C2"
    assert len(panel.db.customer("C2").orders) == 2
    press(panel, "undo_last")
    assert set(panel.db.crm().customers["customer_id"]) == {"C1", "C2", "C3", EVIL}


def test_merging_without_a_pair_asks_for_one(panel: DatabasePanel) -> None:
    panel.fields["task"].value = "merge"
    assert press(panel, "merge") == text("panel.no_pair_yet")
    assert not len(panel.db.journal())


def test_a_question_in_sql_is_answered_and_can_change_nothing(panel: DatabasePanel) -> None:
    panel.fields["task"].value = "ask"
    assert press(panel, "ask") == text("panel.answered", rows=1, shown=1)
    assert ">4<" in shown(panel)
    press(panel, "ask", sql="SELECT name, phone, city FROM customers")
    assert "090" not in shown(panel)
    assert "髙橋" not in shown(panel)
    assert "大阪" in shown(panel)
    for wrong in ("DELETE FROM customers", "SELECT * FROM nowhere", "SELEKT", ""):
        said = press(panel, "ask", sql=wrong)
        assert said != text("panel.answered", rows=1, shown=1)
        assert "Traceback" not in said
    assert len(panel.db.crm().customers) == 4


def test_the_journal_names_changes_without_the_values_of_persons(panel: DatabasePanel) -> None:
    panel.fields["task"].value = "journal"
    assert panel.said == text("panel.journal_empty")
    choose(panel, "髙橋")
    press(panel, "correct", field="phone", value="080-0000-1111", why=EVIL)
    press(panel, "journal")
    assert "customers.phone" in shown(panel)
    assert "080-0000-1111" not in shown(panel)
    assert "090-1234-5678" not in shown(panel)
    assert panel.fields["change"].value == 1
    press(panel, "undo")
    assert panel.db.customer("C1").record["phone"] == "090-1234-5678"
    press(panel, "undo", change=2)  # taking the undoing back does it again
    assert panel.db.customer("C1").record["phone"] == "080-0000-1111"


def test_a_person_who_was_forgotten_stands_in_the_journal_without_a_way_back(panel: DatabasePanel) -> None:
    panel.db.forget("C1", why="asked for it")
    panel.fields["task"].value = "journal"
    assert text("panel.forgotten") in shown(panel)
    assert panel.fields["change"].value == ""


def test_nothing_of_the_data_or_of_what_was_typed_becomes_html(panel: DatabasePanel) -> None:
    choose(panel, EVIL)
    for task in TASKS:
        panel.fields["task"].value = task
        panel.fields["personal"].value = True
        if task == "correct":
            press(panel, "correct", field="city", value=EVIL + "!", why=EVIL)
        elif task != "merge":
            press(panel, task, **({"sql": f"SELECT '{EVIL}' AS \"{EVIL}\""} if task == "ask" else {}))
        assert "&lt;img" in shown(panel) or task == "merge"
        assert "<img" not in shown(panel)
    press(panel, "ask", sql=EVIL)
    assert "<img" not in shown(panel)


def test_a_closed_database_is_said_in_every_task(panel: DatabasePanel) -> None:
    choose(panel, "髙橋")
    panel.db.close()
    for button in panel.buttons:
        panel.fields["change"].options = [("1", 1)]
        panel._say("")
        panel.buttons[button].click()
        assert panel.said, button
    assert "db.close()" in panel.said


def test_an_unexpected_error_is_a_sentence_too(panel: DatabasePanel, monkeypatch: pytest.MonkeyPatch) -> None:
    def boom() -> None:
        raise RuntimeError("<b>boom</b>")

    monkeypatch.setattr(panel.db, "undo", boom)
    assert press(panel, "undo_last") == text("panel.failed", error="RuntimeError: <b>boom</b>")
    assert "<b>boom" not in shown(panel)


def test_every_part_can_be_named_and_reached_by_keyboard(panel: DatabasePanel) -> None:
    seen = set()
    for task in TASKS:
        panel.fields["task"].value = task
        for part in leaves(panel):
            if isinstance(part, ipywidgets.HTML | ipywidgets.Box):
                continue
            seen.add(part)
            assert part.description.strip()
            assert part.tabbable is not False
            native = (ipywidgets.Text, ipywidgets.Textarea, ipywidgets.Dropdown, ipywidgets.Checkbox, ipywidgets.Button)
            assert isinstance(part, native), type(part)
    assert seen == {*panel.fields.values(), *panel.buttons.values()}
    assert "role='status'" in panel._status.value
    assert not [part for part in leaves(panel) if isinstance(part, ipywidgets.Output)]


def test_a_saved_notebook_keeps_a_sentence_without_persons(panel: DatabasePanel) -> None:
    choose(panel, "髙橋")
    panel.fields["personal"].value = True
    press(panel, "look")
    bundle = panel._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    saved = re.sub(r"'model_id': '\w+'", "", str(bundle))
    assert text("panel.title", file="shop.duckdb", customers=4) in saved
    assert not [value for value in (*PERSONAL_VALUES, "髙橋", EVIL) if value in saved]


def test_it_works_on_a_whole_shop(tmp_path: Path) -> None:
    from crmkit.lessons.customer_database import SURE, salon

    with CustomerDatabase(salon().save(tmp_path / "shop.duckdb"), who="hana") as db:
        panel = database_panel(db, threshold=SURE)
        panel.fields["task"].value = "merge"
        press(panel, "pairs")
        assert len(panel.fields["pair"].options) == 47
        press(panel, "merge")
        assert len(panel.fields["pair"].options) == 46
        assert len(db.crm().customers) == len(salon().customers) - 1
        assert panel.fields["keep"].value == panel.fields["pair"].value[0]  # ready for the next one
        press(panel, "undo_last")
        assert len(db.crm().customers) == len(salon().customers)


def test_a_table_hides_and_escapes() -> None:
    table = pd.DataFrame({"name": [EVIL, None], "n": [1.5, float("nan")], "flag": [True, False]})
    with in_language("en"):
        said = as_html(table, EVIL, {"name"})
    assert said.count(HIDDEN) == 1  # nothing is hidden where nothing is
    assert "<img" not in said
    assert ">1.5<" in said
    assert ">yes<" in said
    assert "nan" not in said
