"""Every table of the model can be loaded from a file, and what is peculiar to some of them."""

from __future__ import annotations

import pandas as pd
import pytest

from crmkit import load, schema
from crmkit.errors import RowsLeftOut
from crmkit.texts import in_language

ROWS = 3


def cell(column: schema.Column, row: int) -> str:
    """A value the column may hold, another one in every row where there are so many."""
    low = int(column.low or 0)
    if column.kind == "integer":
        return str(low + row if column.high is None or low + row <= column.high else low)
    plain = {
        "id": f"X{row}",
        "text": f"0{row}:00",
        "date": f"2024-01-0{row + 1}",
        "instant": f"2024-01-0{row + 1} 10:00",
        "amount": "0" if column.name == "discount_amount" else "100",  # so that net = gross - discount
        "number": str(column.high or low),
        "flag": "true",
    }
    return plain[column.kind] if column.kind != "category" else column.allowed[row % len(column.allowed)]


def written(folder, table, text):
    """A file of one table."""
    path = folder / f"{table}.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_all_tables_load_together(tmp_path):
    paths = {}
    for table in schema.TABLES.values():
        lines = [[cell(column, row) for column in table.columns] for row in range(ROWS)]
        text = "\n".join(",".join(line) for line in [[column.name for column in table.columns], *lines])
        paths[table.name] = written(tmp_path, table.name, text + "\n")
    crm = load(paths)
    assert crm.problems.empty
    for table in schema.TABLES.values():
        frame = crm.tables[table.name]
        assert list(frame.columns) == [column.name for column in table.columns]
        assert frame.notna().all(axis=None)
        assert len(frame) == ROWS
        for column in table.columns:
            if column.kind in ("date", "instant"):
                assert frame[column.name].dtype == "datetime64[us]"
            if column.kind == "category":
                assert set(frame[column.name]) <= set(column.allowed)


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ("campaigns", "campaign_id,started_at\nA,2099-01-01\n"),
        ("holidays", "calendar_id,date\nshop,2099-01-01\n"),
    ],
)
def test_what_is_planned_may_lie_ahead(tmp_path, table, text):
    assert len(load({table: written(tmp_path, table, text)}).tables[table]) == 1


def test_what_has_been_paid_cannot_lie_ahead(tmp_path):
    text = "incurred_date,amount\n2024-01-01,1000\n2099-01-01,1000\n"
    with pytest.warns(RowsLeftOut):
        crm = load({"costs": written(tmp_path, "costs", text)})
    assert crm.costs["cost_id"].to_list() == ["line-2"]


def test_an_unknown_arm_is_neither_treatment_nor_control(tmp_path):
    text = "send_id,campaign_id,arm,sent_at\n1,A,treatment,2024-01-01\n2,A,control,\n3,A,B,\n"
    with pytest.warns(RowsLeftOut):
        crm = load({"campaign_sends": written(tmp_path, "campaign_sends", text)})
    assert crm.campaign_sends["send_id"].to_list() == ["1", "2"]
    assert pd.isna(crm.campaign_sends["sent_at"][1])


def test_none_is_a_word_where_the_model_has_it(tmp_path):
    text = "customer_id,member_tier,prefecture\n1,none,none\n2,gold,NaN\n3,,東京都\n"
    customers = load({"customers": written(tmp_path, "customers", text)}).customers
    assert customers["member_tier"].isna().to_list() == [False, False, True]
    assert customers["member_tier"][0] == "none"
    assert customers["prefecture"].isna().to_list() == [True, True, False]


def test_a_key_of_several_columns_is_named_whole(tmp_path):
    text = "calendar_id,日付\nshop,2024-01-01\nshop,2024-01-02\nshop,2024-01-02\n"
    with in_language("en"), pytest.warns(RowsLeftOut, match=r"calendar_id \+ 日付"):
        crm = load({"holidays": written(tmp_path, "holidays", text)}, columns={"date": "日付"})
    assert len(crm.holidays) == 2


def test_a_day_may_open_twice(tmp_path):
    text = "calendar_id,weekday,open_time,close_time\nshop,1,09:00,12:00\nshop,1,13:00,18:00\n"
    hours = load({"business_hours": written(tmp_path, "business_hours", text)}).business_hours
    assert hours["open_time"].to_list() == ["09:00", "13:00"]


def test_one_converted_lead_is_no_wrong_column(tmp_path):
    text = "lead_id,created_at,customer_id\n1,2024-01-01,C1\n2,2024-01-02,\n"
    assert load({"leads": written(tmp_path, "leads", text)}).problems.empty


def test_a_negative_cost_is_not_called_a_refund(tmp_path):
    text = "incurred_date,amount\n2024-01-01,1000\n2024-01-02,-5\n"
    with pytest.warns(RowsLeftOut):
        crm = load({"costs": written(tmp_path, "costs", text)})
    with in_language("en"):
        assert crm.problems["mend"].str.contains("refund").to_list() == [False]
