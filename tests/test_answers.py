"""What data can answer: what the file says of each figure is what trying it shows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest

import crmkit
from crmkit.answers import FILE, _needs, answerable
from crmkit.errors import CrmkitError
from crmkit.metrics import ROOM_OF
from crmkit.texts import LANGUAGES, Language, in_language
from tests.calls import CALLS, world

ORDERS_ONLY = ("repeat_rate", "net_sales", "cohort_retention", "new_customers", "average_order_value", "decile_table")


def cut(tables: Mapping[str, Any], columns: list[str]) -> dict[str, pd.DataFrame]:
    """Only these columns of these tables."""
    kept: dict[str, list[str]] = {}
    for one in columns:
        table, _, column = one.partition(".")
        kept.setdefault(table, []).append(column)
    return {table: tables[table][names] for table, names in kept.items()}


def test_every_metric_has_its_entry() -> None:
    assert set(_needs()) >= set(ROOM_OF) - {"rate"}
    assert {"bg_nbd", "gamma_gamma", "lesson_08_repeat_and_retention"} <= set(_needs())
    assert FILE.stat().st_size < 100_000


@pytest.mark.parametrize("name", ORDERS_ONLY)
def test_what_is_needed_is_enough_and_none_of_it_can_be_spared(name: str) -> None:
    needs = list(_needs()[name].needs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = cut(world(name), needs)
        CALLS[name](whole)
        assert answerable(whole).can(name)
        for one in needs:
            less = cut(world(name), [column for column in needs if column != one])
            assert not answerable(less).can(name)
            with pytest.raises((CrmkitError, KeyError)):
                CALLS[name](less)


def test_what_is_missing_is_named_to_the_column() -> None:
    orders = crmkit.sample("ten_customers").orders
    with in_language("en"):
        found = answerable({"orders": orders.drop(columns="net_amount")})
        assert "orders (orders): the column net_amount" in found["net_sales"].missing
        assert found.can("repeat_rate")


def test_a_column_that_is_there_and_empty_counts_as_missing_and_is_said_to_be_empty() -> None:
    orders = crmkit.sample("ten_customers").orders.assign(net_amount=float("nan"))
    with in_language("en"):
        assert "net_amount is there but empty" in answerable({"orders": orders})["net_sales"].missing
        assert "has no rows" in answerable({"orders": orders.head(0)})["repeat_rate"].missing


def test_contracts_that_all_run_on_are_no_fault_of_the_data() -> None:
    contracts = world("churn_rate")["subscriptions"]
    contracts = contracts.assign(ended_at=pd.Series(pd.NaT, index=contracts.index, dtype="datetime64[us]"))
    assert answerable({"subscriptions": contracts}).can("churn_rate")


@pytest.mark.parametrize("code", LANGUAGES)
def test_it_speaks_the_language_in_use(code: Language) -> None:
    with in_language(code):
        found = answerable(crmkit.sample("ten_customers"))
        frame, page = found.frame(), found._repr_html_()
    assert list(frame.columns) == ["theme", "kind", "name", "label", "can", "missing", "better"]
    assert set(frame["kind"]) == {"metric", "model", "lesson"}
    assert ("表「問い合わせ」" in page) == (code == "ja")
    assert frame.loc[~frame["can"], "missing"].str.len().min() > 0
    assert not frame["label"].str.startswith("metric.").any()


def test_other_engines_give_the_same_answer() -> None:
    tables = {"orders": crmkit.sample("ten_customers").orders}
    other = {"orders": crmkit.sample("ten_customers").to("duckdb").orders}
    assert answerable(tables).frame().equals(answerable(other).frame())
