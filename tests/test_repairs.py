"""What rows say against each other, and mends that are asked for, counted and taken back."""

from __future__ import annotations

import pandas as pd
import pytest

from crmkit.datasets import Dataset, load
from crmkit.errors import ParameterError
from crmkit.texts import LANGUAGES, in_language

ORDERS = pd.DataFrame(
    {
        "order_id": ["1", "2", "3", "4", "5"],
        "customer_id": ["7", "００8", "009", "x", None],
        "ordered_at": pd.to_datetime(["2026-04-01"] * 5),
        "refunded_at": pd.to_datetime(["2026-03-01", None, "2026-04-02", None, None]),
        "net_amount": [1.0, 2, 3, 4, 5],
    }
)
CUSTOMERS = pd.DataFrame({"customer_id": ["007", "008", "009"]})


@pytest.fixture
def shop() -> Dataset:
    with pytest.warns(UserWarning, match="1 of 5 rows"):
        return load({"orders": ORDERS, "customers": CUSTOMERS})


def found(crm: Dataset) -> dict[str, int]:
    return {f"{one.column}.{one.kind}": one.rows for one in crm._across}


def test_contradictions_are_counted_and_rows_stay(shop):
    assert found(shop) == {"customer_id.orphan_by_writing": 3, "refunded_at.backwards": 1}
    assert len(shop.orders) == 4
    for code in LANGUAGES:
        with in_language(code):
            assert all(said in shop.report() for said in shop.problems["problem"])


def test_ids_are_written_alike_and_nothing_else_changes(shop):
    fixed = shop.repair("orders.customer_id.same_writing")
    assert fixed.orders["customer_id"].tolist() == ["007", "008", "009", "x"]
    rest = [name for name in shop.orders if name != "customer_id"]
    pd.testing.assert_frame_equal(fixed.orders[rest], shop.orders[rest])
    assert found(fixed) == {"customer_id.orphan": 1, "refunded_at.backwards": 1}
    assert shop.orders["customer_id"].tolist() == ["7", "００8", "009", "x"], "the one before stays as it is"
    assert fixed.to("polars").orders["customer_id"].to_list()[0] == "007"


def test_repairs_one_after_another_and_back(shop):
    names = ("orders.customer_id.same_writing", "orders.customer_id.drop_orphans", "orders.refunded_at.empty_earlier")
    fixed = shop.repair(*names)
    assert fixed.repaired[["repair", "rows"]].to_numpy().tolist() == [[names[0], 2], [names[1], 1], [names[2], 1]]
    assert fixed.orders["refunded_at"].isna().tolist() == [True, True, False]
    assert len(fixed.repairs) == 0
    assert not found(fixed)
    assert fixed._done[1].removed["customer_id"].tolist() == ["x"], "what was taken out is kept"
    assert all(name in fixed.report() for name in names)
    back = fixed.undo().undo().undo()
    assert back.fingerprint() == shop.fingerprint()
    with pytest.raises(ParameterError, match="nothing to undo"):
        back.undo()


def test_ids_are_left_alone_where_two_could_be_meant():
    keys = pd.DataFrame({"customer_id": ["07", "007"]})
    orders = ORDERS.iloc[:1]
    crm = load({"orders": orders, "customers": keys})
    assert crm.repairs["repair"].tolist()[0] == "orders.customer_id.drop_orphans"
    with pytest.raises(ParameterError, match="drop_orphans"):
        crm.repair("orders.customer_id.same_writing")


def test_copies_need_rows_without_an_id():
    lines = pd.DataFrame({"customer_id": ["A", "A", "B"], "ordered_at": "2026-04-01", "net_amount": [5.0, 5, 5]})
    crm = load(lines)
    assert found(crm) == {"order_id.copies": 1}
    assert crm.repair("orders.order_id.drop_copies").orders["customer_id"].tolist() == ["A", "B"]
    assert "copies" not in {one.kind for one in load(lines.assign(order_id=["1", "2", "3"]))._across}


def test_a_default_is_no_measurement():
    rows = pd.DataFrame(
        {
            "order_id": [str(n) for n in range(40)],
            "customer_id": [str(n % 7) for n in range(40)],
            "ordered_at": pd.date_range("2026-01-01", periods=40),
            "net_amount": [9999.0] * 38 + [1.0, 2.0],
            "refund_amount": 0.0,
        }
    )
    assert found(load(rows)) == {"net_amount.too_even": 38}
    assert found(load(rows.assign(net_amount=range(1, 41)))) == {}
