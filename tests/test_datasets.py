"""Good files: each way of writing them gives the same table, and every row is accounted for."""

from __future__ import annotations

import copy
import hashlib
import pickle
import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit
from crmkit import schema
from crmkit.datasets import Dataset, load, sample
from crmkit.datasets.values import Reading, read_column
from crmkit.errors import ParameterError
from crmkit.texts import in_language

sys.path.insert(0, str(Path(__file__).parent))  # cdnow is also run as a script
import cdnow

OWN = {"order_id": "注文番号", "customer_id": "会員番号", "ordered_at": "注文日時", "net_amount": "購入金額"}
SHOP = """注文番号,会員番号,注文日時,購入金額,備考
1,山田,2024/4/1 10:05,"4,400",初めて
2,佐藤,2024/4/2 9:30,6600,"カット、
カラー"
3,山田,2024/5/1 10:05,0,
"""
EXPECTED = pd.DataFrame(
    {
        "order_id": ["1", "2", "3"],
        "customer_id": ["山田", "佐藤", "山田"],
        "ordered_at": np.array(["2024-04-01T10:05", "2024-04-02T09:30", "2024-05-01T10:05"], dtype="datetime64[us]"),
        "net_amount": [4400.0, 6600.0, 0.0],
    }
)


def written(folder: Path, text: str = SHOP, *, encoding: str = "utf-8", name: str = "shop.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("utf-8", "UTF-8,"), ("utf-8-sig", "UTF-8 (BOM)"), ("cp932", "cp932 (Shift_JIS)"), ("utf-16", "UTF-16")],
)
@pytest.mark.parametrize(("delimiter", "name"), [(",", "comma"), ("\t", "tab"), (";", "semicolon")])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_way_of_writing_gives_the_same_table(tmp_path, encoding, said, delimiter, name, ending):
    text = SHOP.replace("4,400", "4|400").replace(",", delimiter).replace("4|400", "4,400").replace("\n", ending)
    path = written(tmp_path, text, encoding=encoding)
    crm = load({"orders": path}, columns=OWN)
    pd.testing.assert_frame_equal(crm.orders, EXPECTED)
    report = crm.report()
    assert said in report.replace("UTF-8, ", "UTF-8,")
    assert name in report
    assert "3 rows read = 3 loaded + 0 set aside" in report
    assert "columns not used: 備考" in report
    assert len(crm.rejected["orders"]) == 0


def test_the_last_line_may_lack_its_end(tmp_path):
    assert len(load({"orders": written(tmp_path, SHOP.rstrip("\n"))}, columns=OWN).orders) == 3


def test_blank_lines_before_the_header_count_as_lines(tmp_path):
    with pytest.warns(crmkit.errors.RowsLeftOut):
        crm = load({"orders": written(tmp_path, "\n\n" + SHOP + "4,,2024/5/1,5,\n")}, columns=OWN)
    assert crm.rejected["orders"]["line"].to_list() == [8]


def test_headers_are_found_without_regard_to_what_is_not_seen(tmp_path):
    crm = load({"orders": written(tmp_path, "Order ID, Customer-ID ,ORDERED_AT\n1,A,2024-01-01\n2,B,2024-01-02\n")})
    assert list(crm.orders.columns) == ["order_id", "customer_id", "ordered_at"]
    assert "Customer-ID  → customer_id" in crm.report()


def test_the_original_is_not_touched(tmp_path):
    path = written(tmp_path)
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    load({"orders": path}, columns=OWN)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [item.name for item in tmp_path.iterdir()] == ["shop.csv"]


def test_types_follow_the_model(tmp_path):
    text = (
        "order_id,customer_id,ordered_at,channel,is_test,net_amount,refund_amount\n"
        "007,0012,2024-01-01,web,TRUE,5,\n008,0013,2024-01-02,,いいえ,6.5,1\n009,1.0,2024-01-03,store,,7,\n"
    )
    orders = load({"orders": written(tmp_path, text)}).orders
    types = {name: str(dtype) for name, dtype in orders.dtypes.items()}
    assert types == {
        "order_id": "str",
        "customer_id": "str",
        "ordered_at": "datetime64[us]",
        "channel": "str",
        "is_test": "boolean",
        "net_amount": "float64",
        "refund_amount": "float64",
    }
    assert orders["customer_id"].to_list() == ["0012", "0013", "1.0"]  # an id is kept letter by letter
    assert orders["is_test"].to_list() == [True, False, pd.NA]


# --- amounts and dates ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4400", 4400),
        (" 4400 ", 4400),
        ("4,400", 4400),
        ("1,234,567.5", 1234567.5),
        ("¥4,400", 4400),
        ("¥4,400-", None),
        ("\\4,400", 4400),
        ("4,400円", 4400),
        ("\uff14\uff0c\uff14\uff10\uff10\u5186", 4400),  # full width
        ("\uffe5\uff14\uff14\uff10\uff10", 4400),
        ("\u30004400\u3000", 4400),
        ("+5", 5),
        ("1.5e3", 1500),
        (".5", 0.5),
        ("0", 0),
        ("44,00", None),
        ("4 400", None),
        ("4400 yen", None),
        ("0x10", None),
        ("inf", None),
        ("1_000", None),
    ],
)
def test_amounts_as_people_write_them(text, number):
    column = pa.chunked_array([[text, "7", ""]])
    values = read_column(column, schema.TABLES["orders"]["net_amount"], Reading("Asia/Tokyo", None, None))
    assert values.values[1] == 7
    assert values.faults[2] == 1
    assert values.faults[0] == (0 if number is not None else 2)
    assert number is None or values.values[0] == number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-04-01", "2024-04-01"),
        ("2024-04-01 10:05", "2024-04-01T10:05"),
        ("2024-04-01T10:05:06.123456", "2024-04-01T10:05:06.123456"),
        ("2024-04-01T10:05:06.123456789", "2024-04-01T10:05:06.123456"),
        ("2024/4/1 9:05", "2024-04-01T09:05"),
        ("2024.4.1", "2024-04-01"),
        ("2024/4/1(月) 9:05", "2024-04-01T09:05"),
        ("20240401", "2024-04-01"),
        ("20240401 10:05", "2024-04-01T10:05"),
        ("2024年4月1日", "2024-04-01"),
        ("2024年4月1日 10時5分", "2024-04-01T10:05"),
        ("2024年04月01日10時05分06秒", "2024-04-01T10:05:06"),
        ("\uff12\uff10\uff12\uff14\uff0f\uff10\uff14\uff0f\uff10\uff11", "2024-04-01"),  # full width
        ("2024/4/1\uff08\u6708\uff09 9:05", "2024-04-01T09:05"),
        ("2024-02-29", "2024-02-29"),
        ("2024-04-01T01:05:00Z", "2024-04-01T10:05"),
        ("2024-04-01 01:05+00:00", "2024-04-01T10:05"),
        ("2024-03-31T21:05:00-0400", "2024-04-01T10:05"),
        ("2023-02-29", None),
        ("2024-13-01", None),
        ("2024-04-01 24:00", None),
        ("2024-04-01 10:60", None),
        ("2024-04", None),
        ("2024", None),
        ("令和6年4月1日", "2024-04-01"),
        ("April 1, 2024", "2024-04-01"),
        ("2024-04-01 10:05 JST", None),
    ],
)
def test_dates_as_people_write_them(text, expected):
    for others in (["2024-01-01"], ["2024年1月1日", ""]):  # alone the plain forms take a quicker way
        column = pa.chunked_array([[text, *others]])
        values = read_column(column, schema.TABLES["orders"]["ordered_at"], Reading("Asia/Tokyo", None, None))
        assert values.values[1] == np.datetime64("2024-01-01")
        if expected is None:
            assert np.isnat(values.values[0])
            assert values.faults[0] == 2
        else:
            assert values.values[0] == np.datetime64(expected)
            assert values.faults[0] == 0


@settings(max_examples=200, deadline=None)
@given(
    parts=st.lists(
        st.tuples(
            st.integers(1901, 2100), st.integers(0, 13), st.integers(0, 32), st.integers(0, 25), st.integers(0, 61)
        ),
        min_size=1,
        max_size=20,
    ),
    form=st.sampled_from(["{}-{:02}-{:02} {:02}:{:02}", "{}/{}/{} {}:{:02}", "{}年{}月{}日{}時{}分"]),
)
def test_only_dates_that_exist_are_read(parts, form):
    column = pa.chunked_array([[form.format(*part) for part in parts]])
    values = read_column(column, schema.TABLES["orders"]["ordered_at"], Reading("Asia/Tokyo", None, None))
    for part, at in zip(parts, values.values, strict=True):
        try:
            assert at == np.datetime64(datetime(*part))
        except ValueError:
            assert np.isnat(at)


def test_zones_are_turned_into_the_shops_clock_and_said(tmp_path):
    text = "customer_id,ordered_at\nA,2024-06-30T15:30:00Z\nB,2024-07-01 00:30\nC,2024-01-31T16:00:00+01:00\n"
    crm = load({"orders": written(tmp_path, text)})
    assert crm.orders["ordered_at"].astype(str).to_list() == [
        "2024-07-01 00:30:00",
        "2024-07-01 00:30:00",
        "2024-02-01 00:00:00",
    ]
    assert crm.problems[["column", "rows", "found"]].to_numpy().tolist() == [
        ["ordered_at", 2, "'2024-06-30T15:30:00Z', '2024-01-31T16:00:00+01:00'"]
    ]
    berlin = load({"orders": written(tmp_path, text)}, zone="Europe/Berlin")
    assert berlin.orders["ordered_at"][0] == pd.Timestamp("2024-06-30 17:30")  # summer time
    assert berlin.zone == "Europe/Berlin"


# --- Parquet --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "at",
    [
        pa.array([datetime(2024, 1, 1, 10), datetime(2024, 1, 2, 11), None], pa.timestamp("ns")),
        pa.array([datetime(2024, 1, 1, 10), datetime(2024, 1, 2, 11), None], pa.timestamp("s")),
        pa.array([datetime(2024, 1, 1, 1), datetime(2024, 1, 2, 2), None], pa.timestamp("us", tz="UTC")),
        pa.array(["2024-01-01 10:00", "2024-01-02 11:00", None], pa.large_string()),
        pa.array(["2024-01-01 10:00", "2024-01-02 11:00", None]).dictionary_encode(),
    ],
)
@pytest.mark.parametrize(
    "ids",
    [
        pa.array(["1", "2", "3"]),
        pa.array([1, 2, 3]),
        pa.array([1.0, 2.0, 3.0]),
        pa.array(["1", "2", "3"]).dictionary_encode(),
    ],
)
def test_parquet_of_any_type(tmp_path, at, ids):
    amounts = pa.array([Decimal("5.5"), Decimal("6.5"), Decimal("7.5")])
    path = tmp_path / "shop.parquet"
    pq.write_table(pa.table({"customer_id": ids, "ordered_at": at, "net_amount": amounts}), path)
    with pytest.warns(crmkit.errors.RowsLeftOut):
        crm = load({"orders": path})
    assert crm.orders["ordered_at"].to_list() == [pd.Timestamp("2024-01-01 10:00"), pd.Timestamp("2024-01-02 11:00")]
    assert crm.orders["customer_id"].to_list() == ["1", "2"]
    assert crm.orders["net_amount"].to_list() == [5.5, 6.5]
    assert crm.rejected["orders"]["line"].to_list() == [3]
    assert "encoding" not in crm.report()


def test_parquet_days_and_flags(tmp_path):
    path = tmp_path / "shop.parquet"
    days = [date(2024, 1, 1), date(2024, 1, 2)]
    pq.write_table(pa.table({"customer_id": ["A", "B"], "ordered_at": days, "is_test": [True, None]}), path)
    orders = load({"orders": path}).orders
    assert orders["ordered_at"].to_list() == [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-02")]
    assert orders["is_test"].to_list() == [True, pd.NA]


# --- several tables, derived columns, the account -------------------------------------------------------------------


def test_several_tables_with_shared_and_own_names(tmp_path):
    orders = written(tmp_path, "会員番号,日時\nA,2024-01-01\nB,2024-01-02\n", name="o.csv")
    people = written(tmp_path, "会員番号,生年月日\nA,1990/1/1\nB,1991/2/2\n", name="c.csv")
    both = {"orders": orders, "customers": people}
    nested = load(
        both,
        columns={"orders": {"customer_id": "会員番号", "ordered_at": "日時"}, "customers": {"customer_id": "会員番号"}},
    )
    flat = load(both, columns={"customer_id": "会員番号", "ordered_at": "日時", "birth_date": "生年月日"})
    pd.testing.assert_frame_equal(nested.orders, flat.orders)
    assert list(nested.tables) == ["orders", "customers"]
    assert flat.customers["birth_date"].to_list() == [pd.Timestamp("1990-01-01"), pd.Timestamp("1991-02-02")]
    assert nested.customers["birth_date"].equals(flat.customers["birth_date"])  # told by its usual name
    assert {"orders", "customers", "problems", "report"} <= set(dir(flat))


def test_a_table_that_was_not_loaded_is_said(tmp_path):
    crm = load({"orders": written(tmp_path)}, columns=OWN)
    for code, word in (("ja", "読み込まれていません"), ("en", "was not loaded")):
        with in_language(code), pytest.raises(AttributeError, match=word):
            _ = crm.customers
    with pytest.raises(AttributeError, match="ordres"):
        _ = crm.ordres


def test_net_amount_is_derived_and_said(tmp_path):
    text = "customer_id,ordered_at,gross_amount,discount_amount\nA,2024-01-01,500,50\nB,2024-01-02,600,\n"
    crm = load({"orders": written(tmp_path, text)})
    assert crm.orders["net_amount"].to_list() == [450.0, 600.0]
    assert crm.orders["order_id"].to_list() == ["line-2", "line-3"]
    for code, said in (
        ("ja", ("net_amount を計算しました", "行番号から")),
        ("en", ("net_amount was computed", "line numbers")),
    ):
        with in_language(code):
            assert all(word in crm.report() for word in said)


def test_tables_with_a_key_of_two_columns(tmp_path):
    text = "order_id,line_no,product_id\n1,1,P\n1,2,Q\n1,2,Q\n1,2,R\n2,1,P\n"
    with pytest.warns(crmkit.errors.RowsLeftOut):
        crm = load({"order_items": written(tmp_path, text)})
    assert crm.order_items.to_numpy().tolist() == [["1", 1, "P"], ["1", 2, "Q"], ["2", 1, "P"]]
    assert crm.rejected["order_items"]["line"].to_list() == [4, 5]
    assert crm.problems["rows"].to_list() == [1, 1]


def test_text_of_strangers_is_escaped(tmp_path):
    evil = "<script>alert(1)</script>"
    text = f"customer_id,ordered_at,{evil}\nA,2024-01-01,x\nB,{evil},x\nC,2024-01-03,x\n"
    with pytest.warns(crmkit.errors.RowsLeftOut):
        crm = load({"orders": written(tmp_path, text)})
    page = crm._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert evil in crm.report()


def test_the_account_follows_the_language(tmp_path):
    crm = load({"orders": written(tmp_path)}, columns=OWN)
    with in_language("ja"):
        assert "読んだ3行 = 取り込んだ3行 + 除外した0行" in crm.report()
        assert "文字コードはUTF-8、区切り文字はカンマ" in crm.report()
        assert repr(crm) == crm.report()
        assert "表記を整えて" in crm.problems["problem"][0]
        assert "表記を整えて" in crm._repr_html_()
    assert "3 rows read" in repr(crm)


def test_a_dataset_can_be_copied_and_sent(tmp_path):
    crm = load({"orders": written(tmp_path)}, columns=OWN)
    for twin in (copy.copy(crm), copy.deepcopy(crm), pickle.loads(pickle.dumps(crm))):
        pd.testing.assert_frame_equal(twin.orders, crm.orders)
        assert twin.report() == crm.report()


@pytest.mark.parametrize("now", [None, datetime(2024, 4, 15)])
def test_the_moment_of_loading_decides_what_is_future(now):
    column = pa.chunked_array([["2024-04-14", "2024-04-16"]])
    values = read_column(column, schema.TABLES["orders"]["ordered_at"], Reading("Asia/Tokyo", now, None))
    assert values.faults.tolist() == [0, 0 if now is None else 4]


# --- shipped sets ---------------------------------------------------------------------------------------------------


def test_ten_customers_are_those_of_the_lessons():
    orders = sample("ten_customers").orders
    days = orders.assign(day=orders["ordered_at"].dt.strftime("%m-%d")).groupby("customer_id")["day"].apply(list)
    assert days.to_dict() == {
        "A": ["12-05", "03-03"],
        "B": ["12-20"],
        "C": ["01-10", "02-10", "03-10"],
        "D": ["01-15", "02-01"],
        "E": ["02-05", "03-08"],
        "F": ["02-20"],
        "G": ["03-02", "03-20"],
        "H": ["03-05"],
        "I": ["03-25"],
        "J": ["01-05", "03-30"],
    }
    assert orders["order_id"].is_unique
    assert orders["net_amount"].between(1000, 30000).all()


def test_the_salon_is_a_salon():
    crm = sample("salon")
    assert crm.facts["scenario"] == "salon"
    orders = crm.orders
    assert 2500 <= len(orders) <= 3500
    assert 480 <= orders["customer_id"].nunique() <= 560
    visits = orders[(orders["status"] == "completed") & ~orders["is_test"]]
    days = visits["ordered_at"].dt.day_of_week.value_counts()
    assert 0 not in days.index  # closed on Mondays
    assert days[[5, 6]].min() > 1.5 * days[[1, 2, 3]].max()
    assert visits["ordered_at"].dt.hour.between(10, 18).all()
    per_customer = visits["customer_id"].value_counts()
    assert 0.2 < (per_customer == 1).mean() < 0.4
    gaps = visits.sort_values("ordered_at").groupby("customer_id")["ordered_at"].diff().dt.days
    assert 35 <= gaps.median() <= 56
    new = visits.groupby("customer_id")["ordered_at"].min().dt.to_period("M").value_counts()
    assert len(new) == 27
    assert new.min() >= 5
    assert (orders["net_amount"] == orders["gross_amount"] - orders["discount_amount"]).all()
    assert (orders["refund_amount"] <= orders["net_amount"]).all()
    assert orders["is_test"].sum() == 7  # a quarter each since the first customer came
    assert 0.02 < (orders["status"] == "cancelled").mean() < 0.06
    assert 5 < (orders["refund_amount"] > 0).sum() < 100
    assert set(orders["channel"]) == {"store", "web", "app", "phone"}


def test_an_unknown_sample_is_said():
    with pytest.raises(ParameterError, match="ten_customers"):
        sample("bakery")


# --- CDNOW: real purchases ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["csv", "parquet"])
def cd(request: pytest.FixtureRequest) -> Dataset:
    path = cdnow.cdnow_csv() if request.param == "csv" else cdnow.cdnow_parquet()
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    crm = load({"orders": path}, columns=cdnow.OWN_NAMES)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    return crm


def test_cdnow_loses_nothing(cd):
    plain = cdnow.cdnow_frame()
    assert len(cd.orders) == len(plain) == 69_659
    assert len(cd.rejected["orders"]) == 0
    assert [(one.kind, one.rows) for one in cd.each_problem()] == [("copies", 255)]  # bought or exported twice
    assert cd.orders["order_id"].is_unique
    assert cd.orders["customer_id"].to_list() == plain["customer"].to_list()
    assert cd.orders["ordered_at"].to_list() == plain["date"].to_list()
    assert cd.orders["net_amount"].to_list() == plain["dollars"].to_list()
    assert "columns not used: units" in cd.report()


def test_cdnow_counts_agree_with_plain_pandas(cd):
    plain = cdnow.cdnow_frame()
    assert cd.orders["customer_id"].nunique() == plain["customer"].nunique() == 23_570
    copies = int(plain.duplicated().sum())
    assert copies == int(cd.orders.drop(columns="order_id").duplicated().sum()) + _same_but_units(plain)
    assert copies > 0  # two equal purchases on a day: legitimate, since the file has no order numbers
    free = int((plain["dollars"] == 0).sum())
    assert free == int((cd.orders["net_amount"] == 0).sum()) > 0
    days = plain.groupby("customer")["date"].nunique()
    repeat = int((days >= 2).sum())
    assert int((cd.orders.groupby("customer_id")["ordered_at"].nunique() >= 2).sum()) == repeat
    end = plain["date"].max() + timedelta(days=1)
    figure = crmkit.repeat_rate(cd.orders, start=plain["date"].min().isoformat(), end=end.isoformat())
    assert (figure.numerator, figure.denominator) == (repeat, 23_570)


def _same_but_units(plain: pd.DataFrame) -> int:
    """Rows that are copies only as long as the units are not looked at."""
    return int(plain.duplicated().sum() - plain.duplicated(["customer", "date", "dollars"]).sum())
