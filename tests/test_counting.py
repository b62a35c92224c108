"""A share of the rows of any table, on every engine."""

from __future__ import annotations

import math

import pandas as pd
import pytest

import crmkit
from crmkit.errors import MissingColumn, ParameterError

ORDERS = pd.DataFrame(
    {
        "status": ["completed", "completed", "completed", "cancelled", None],
        "coupon_code": ["SPRING", None, "it's; DROP", "SPRING", "SPRING"],
        "shop": ["x", "x", "y", "y", None],
    }
)


def test_conditions_of_a_share(engine):
    orders = engine(ORDERS)
    used = crmkit.rate(orders, numerator={"coupon_code": ...}, denominator={"status": "completed"})
    assert (used.numerator, used.denominator) == (2, 3)
    assert used.low < 2 / 3 < used.high
    assert float(crmkit.rate(orders, numerator={"coupon_code": None})) == 0.2
    assert float(crmkit.rate(orders, numerator={"coupon_code": ["SPRING", "it's; DROP"], "shop": "x"})) == 0.2
    none = crmkit.rate(orders, numerator={"shop": "x"}, denominator={"status": "unheard of"})
    assert math.isnan(float(none))
    assert none.n == 0
    table = engine.back(crmkit.rate(orders, numerator={"status": "completed"}, by="shop"))
    table = table.sort_values("shop", na_position="last")
    assert table["numerator"].to_list() == [2, 1, 0]
    assert table["denominator"].to_list() == [2, 2, 1]


def test_a_share_of_nothing_that_can_be_named_is_refused():
    with pytest.raises(ParameterError, match="numerator"):
        crmkit.rate(ORDERS, numerator={})
    with pytest.raises(MissingColumn, match="coupon_code"):
        crmkit.rate(ORDERS, numerator={"coupon_cod": ...})
