"""Tables and columns told by their names: headers of real systems, what must not be mixed up, what is unclear."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest

from crmkit import schema
from crmkit.datasets import headings, load, recognize
from crmkit.datasets.mapping import read_mapping
from crmkit.errors import MissingColumn, ParameterError, RowsLeftOut, UnreadableFile
from crmkit.texts import LANGUAGES, in_language

DAY, AT = "2024-04-01", "2024-04-01 10:05"
EXPORTS = {
    # a salon's own list, in Japanese
    "cash_register": (
        {"会員番号": "A", "来店日": DAY, "お買い上げ金額（税抜）": "4,400円", "担当スタッフ": "佐藤", "伝票番号": "1"},
        "orders",
        {"customer_id": "会員番号", "ordered_at": "来店日", "net_amount": "お買い上げ金額（税抜）",
         "order_id": "伝票番号",
         "staff_id": "担当スタッフ"},
    ),
    "members": (
        {"顧客コード": "1", "氏名": "x", "フリガナ": "x", "電話番号": "03", "〒": "100-0001", "都道府県": "東京都",
         "生年月日": "1990-01-01", "登録日": DAY, "メルマガ希望": "○"},
        "customers",
        {"customer_id": "顧客コード", "name": "氏名", "name_kana": "フリガナ", "phone": "電話番号", "postal_code": "〒",
         "prefecture": "都道府県", "birth_date": "生年月日", "registered_at": "登録日", "email_opt_in": "メルマガ希望"},
    ),
    "inquiries": (
        {"問い合わせ番号": "1", "お問い合わせ日時": AT, "お客様番号": "A", "種別": "苦情",
         "対応状況": "対応中", "優先度": "高"},
        "tickets",
        {"ticket_id": "問い合わせ番号", "created_at": "お問い合わせ日時", "customer_id": "お客様番号", "kind": "種別",
         "status": "対応状況", "priority": "優先度"},
    ),
    "shopify": (
        {"Name": "#1", "Email": "a@example.com", "Financial Status": "paid", "Paid at": AT, "Subtotal": "10.00",
         "Shipping": "5", "Taxes": "1", "Total": "16.00", "Discount Code": "", "Discount Amount": "0",
         "Created at": AT, "Lineitem quantity": "1", "Lineitem name": "x", "Refunded Amount": "0"},
        "orders",
        {"order_id": "Name", "customer_id": "Email", "ordered_at": "Created at", "status": "Financial Status",
         "net_amount": "Subtotal", "discount_amount": "Discount Amount", "refund_amount": "Refunded Amount",
         "coupon_code": "Discount Code"},
    ),
    "woocommerce": (
        {"Order Number": "1", "Order Status": "completed", "Order Date": AT, "Customer User ID": "7",
         "Order Total Amount": "12", "Order Subtotal Amount": "10", "Order Refund Amount": "0"},
        "orders",
        {"order_id": "Order Number", "status": "Order Status", "ordered_at": "Order Date",
         "customer_id": "Customer User ID", "net_amount": "Order Subtotal Amount",
         "refund_amount": "Order Refund Amount"},
    ),
    "zendesk": (
        {"Id": "1", "Requester": "x", "Requester id": "9", "Subject": "x", "Status": "Open", "Priority": "High",
         "Type": "Question", "Via": "Mail", "Assignee": "y", "Group": "z", "Created at": AT, "Updated at": AT},
        "tickets",
        {"ticket_id": "Id", "customer_id": "Requester id", "created_at": "Created at", "status": "Status",
         "priority": "Priority", "kind": "Type", "channel": "Via", "assignee_id": "Assignee", "team": "Group"},
    ),
    "hubspot": (
        {"Record ID": "1", "First Name": "x", "Last Name": "y", "Email": "a@example.com", "Phone Number": "1",
         "Lifecycle Stage": "customer", "Create Date": AT, "City": "x"},
        "customers",
        {"customer_id": "Record ID", "email": "Email", "phone": "Phone Number", "registered_at": "Create Date",
         "city": "City"},
    ),
    "three_columns": (
        {"customer": "A", "date": DAY, "amount": "5"},
        "orders",
        {"customer_id": "customer", "ordered_at": "date", "net_amount": "amount"},
    ),
    "nps": (
        {"回答ID": "1", "配信日": DAY, "回答日時": AT, "推奨度": "9", "顧客番号": "A", "自由記述": "x"},
        "survey_responses",
        {"survey_id": "回答ID", "sent_at": "配信日", "responded_at": "回答日時", "score": "推奨度",
         "customer_id": "顧客番号", "comment": "自由記述"},
    ),
}  # fmt: skip


def table(cells: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame({name: [value] for name, value in cells.items()})


@pytest.mark.parametrize("name", EXPORTS)
def test_usual_exports_are_recognised(name):
    cells, expected, columns = EXPORTS[name]
    found = recognize(table(cells)).by_table()
    assert list(found) == ([expected, "order_items"] if name == "shopify" else [expected])
    assert found[expected] == columns


@pytest.mark.parametrize("name", schema.TABLES)
def test_the_models_own_names_are_recognised(name):
    model = schema.TABLES[name]
    value = {"instant": AT, "date": DAY, "amount": "1", "number": "1", "integer": "1", "flag": "true"}
    cells = {column.name: value.get(column.kind, "x") for column in model.columns}
    assert recognize(table(cells)).by_table() == {name: {column: column for column in cells}}


@pytest.mark.parametrize("name", schema.TABLES)
@pytest.mark.parametrize("code", LANGUAGES)
def test_the_dictionarys_names_are_recognised(name, code):
    """Who labels the columns as `datasets/README.md` does is understood, the table being told."""
    with in_language(code):
        labels = {column.name: label(name, column.name) for column in schema.TABLES[name].columns}
    value = {"instant": AT, "date": DAY, "amount": "1", "number": "1", "integer": "1", "flag": "true"}
    cells = {labels[column.name]: value.get(column.kind, "x") for column in schema.TABLES[name].columns}
    found = recognize({name: table(cells)}).by_table()[name]
    wrong = {column: own for column, own in found.items() if labels[column] != own}
    assert not wrong
    assert len(found) >= 0.8 * len(cells)


def label(name: str, column: str) -> str:
    from crmkit.texts import text

    return text(f"column.{name}.{column}")


@pytest.mark.parametrize(
    ("header", "other"),
    [("ＣＵＳＴＯＭＥＲ＿ＩＤ", "customer_id"), ("Customer ID", "customer_id"), ("customer-id", "customer_id"),
     ("会員No.", "会員no"), ("購入金額（税込）", "購入金額"), ("購入 金額", "購入金額"), ("【必須】氏名", "氏名")],
)  # fmt: skip
def test_headers_differ_in_nothing_that_people_mind(header, other):
    assert headings.bare(header) == headings.bare(other)


def test_every_name_in_the_list_belongs_to_the_model():
    book = headings._book()
    for name, told in book["tables"].items():
        columns = [*told, *told.get("vague", {})]
        assert {column for column in columns if column not in ("names", "vague")} <= {
            c.name for c in schema.TABLES[name].columns
        }
    for export in headings._exports():
        assert set(export.columns) <= {column.name for column in schema.TABLES[export.table].columns}
        assert set(schema.TABLES[export.table].required) <= set(export.columns)
    for (name, column), words in headings._words().items():
        models = (
            [schema.TABLES[name]] if name != "*" else [model for model in schema.TABLES.values() if column in model]
        )
        for model in models:
            known = set(model[column].allowed)
            assert set(words.values()) & known
            assert not set(words) & known, "a word of the model must keep its meaning"
            assert name == "*" or set(words.values()) <= known


def test_a_likely_name_has_to_hold_what_it_should():
    """A column of remarks called 売上 is no amount, and a note called 登録日 no date."""
    found = recognize(table({"会員番号": "A", "来店日": DAY, "売上": "良い"})).by_table()["orders"]
    assert "net_amount" not in found
    assert (
        recognize(table({"会員番号": "A", "来店日": DAY, "売上": "4400"})).by_table()["orders"]["net_amount"] == "売上"
    )


def test_own_names_go_before_usual_ones():
    cells = {"会員番号": "A", "来店日": DAY, "売上": "1", "純売上": "2"}
    crm = load(table(cells), columns={"net_amount": "純売上"})
    assert crm.orders["net_amount"].tolist() == [2.0]
    assert load(table(cells), columns={"net_amount": None}).orders.columns.tolist() == [
        "order_id",
        "customer_id",
        "ordered_at",
    ]


def test_what_is_unclear_is_said_and_not_guessed():
    with pytest.raises(UnreadableFile, match="cannot be told which table") as caught:
        load(table({"a": "1", "b": "2"}))
    assert "(a, b)" in str(caught.value)
    with in_language("ja"):
        assert "決められません" in str(caught.value)
    with pytest.raises(MissingColumn, match="ordered_at"):
        load({"orders": table({"会員番号": "A", "購入金額": "1"})})
    with pytest.raises(ParameterError, match="look like the table 'orders'"):
        load([table({"会員番号": "A", "来店日": DAY}), table({"会員番号": "B", "来店日": DAY})])


def test_a_mapping_is_kept_and_corrected(tmp_path):
    cells = {"会員番号": "A", "来店日": DAY, "レジ計": "4400", "氏名": "佐藤 花"}
    shown = recognize(table(cells))
    assert shown.frame()["samples"].tolist() == ["A", DAY, "4400", "(personal: not shown)"]
    assert "佐藤 花" in shown.frame(personal=True)["samples"].tolist()
    assert "佐藤" not in shown._repr_html_()
    path = shown.save(tmp_path / "shop.toml")
    assert "佐藤" not in path.read_text(encoding="utf-8")
    assert read_mapping(path) == {"orders": {"customer_id": "会員番号", "ordered_at": "来店日"}}
    path.write_text(path.read_text(encoding="utf-8") + 'net_amount = "レジ計"\n', encoding="utf-8")
    assert load(table(cells), columns=path).orders["net_amount"].tolist() == [4400.0]
    path.write_text("[orders]\ncustomer_id = 3\n", encoding="utf-8")
    with pytest.raises(UnreadableFile, match="customer_id = 3"):
        load(table(cells), columns=path)


def test_markup_in_headers_stays_text():
    shown = recognize(table({"会員番号": "A", "来店日": DAY, "<script>x</script>": "<b>"}))
    assert "<script>" not in shown._repr_html_()


def test_words_of_other_systems_become_those_of_the_model():
    cells = pd.DataFrame({"会員番号": ["A", "B"], "来店日": [DAY, DAY], "ステータス": ["完了", "キャンセル"]})
    assert load(cells).orders["status"].tolist() == ["completed", "cancelled"]


def test_an_order_over_several_lines_counts_once():
    cells, *_ = EXPORTS["shopify"]
    lines = pd.DataFrame([cells, {**cells, "Financial Status": "", "Subtotal": "", "Lineitem name": "y"}])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowsLeftOut)
        crm = load(lines, tables="orders")
    assert crm.orders["net_amount"].tolist() == [10.0]
    assert [(problem.kind, problem.rows) for problem in crm.each_problem()][:1] == [("further_line", 1)]


def test_a_column_left_out_by_hand_stays_out_when_the_mapping_is_kept(tmp_path):
    visits = pd.DataFrame({"会員番号": ["A", "B"], "来店日": ["2024-04-01", "2024-04-02"], "お会計": [4400, 500]})
    kept = load({"orders": visits}, columns={"net_amount": None}).mapping.save(tmp_path / "shop.toml")
    assert "net_amount = false" in kept.read_text(encoding="utf-8")
    assert "net_amount" not in load(visits, columns=kept).orders


def test_an_event_log_is_no_table_of_customers():
    """The shape of what web analytics export: few customers in many rows, and no word of ours for the event."""
    log = pd.DataFrame(
        {
            "user_id": [f"user_{n % 4}" for n in range(40)],
            "session_id": [f"s{n // 3}" for n in range(40)],
            "event": ["home", "cart"] * 20,
            "timestamp": pd.date_range("2026-01-01", periods=40, freq="h").astype(str),
            "acquisition_channel": ["ads"] * 40,
        }
    )
    with pytest.raises(UnreadableFile, match="interactions"):
        load(log)
    crm = load(log, tables="interactions")
    assert len(crm.interactions) == 40
    few = log.drop_duplicates("user_id").drop(columns=["session_id", "event", "timestamp"])
    assert list(load(few).tables) == ["customers"]
