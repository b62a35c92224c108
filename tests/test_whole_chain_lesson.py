"""Lesson 15: the budget game against the simulator's own worlds, and who came back after an answer."""

from __future__ import annotations

import pandas as pd
import pytest

import crmkit
from crmkit.errors import MissingColumn
from crmkit.lessons import budget
from crmkit.lessons import the_whole_chain as lesson


def test_a_budget_is_the_simulators_own_world() -> None:
    yen = {"inspection": 500_000, "reply": 250_000}
    worlds = crmkit.compare("salon", budget.bought(**yen), customers=budget.CUSTOMERS, weeks=budget.WEEKS)
    effects, result = worlds.effects.set_index("outcome"), budget.spend(**yen)
    assert result.profit == pytest.approx(8_000 * effects.loc["profit", "difference"] - 250_000)
    assert result.sales == pytest.approx(8_000 * effects.loc["net_amount", "difference"])
    assert result.low < result.profit < result.high
    assert result.spent == pytest.approx(750_000)


def test_nothing_spent_changes_nothing() -> None:
    nothing = budget.spend()
    assert (nothing.profit, nothing.sales, nothing.spent, nothing.low, nothing.high) == (0, 0, 0, 0, 0)
    assert nothing.back != nothing.back  # of nothing, nothing can be said


def test_what_cannot_be_bought_is_not_paid() -> None:
    """Everything inspected: the rest of the money stays in the till."""
    assert budget.bought(inspection=1_000_000)["inspection_share"] == 1
    assert budget.spend(inspection=1_000_000).spent < 1_000_000


def test_advertising_gets_dearer() -> None:
    price = float(budget.prices()["price"].iloc[0])
    assert budget.newcomers(0) == 0
    assert budget.newcomers(250_000) == pytest.approx(250_000 / price)
    assert budget.newcomers(600_000) == pytest.approx(250_000 / price * (1 + 1 / 1.5) + 100_000 / price / 1.5**2)


def test_levers_together_and_apart() -> None:
    parts = {"inspection": 500_000, "follow_up": 250_000, "reply": 250_000}
    apart = sum(budget.spend(**{name: yen}).profit for name, yen in parts.items())
    found = budget.overlap(**parts)
    assert found["value"] == pytest.approx(budget.spend(**parts).profit - apart)
    assert found["low"] < found["value"] < found["high"]


def test_all_budgets_are_there_once_and_none_is_too_large() -> None:
    yen = lesson.budgets()[list(budget.LEVERS)]
    assert len(yen.drop_duplicates()) == len(yen) == 70
    assert yen.sum(axis=1).max() == budget.BUDGET
    assert lesson.budgets()["extra_profit"].is_monotonic_decreasing


def days(*numbers: int) -> pd.Series:
    return pd.Timestamp("2026-01-01") + pd.to_timedelta(pd.Series(numbers), unit="D")


def test_who_came_back() -> None:
    orders = pd.DataFrame(
        {
            "customer_id": ["A", "A", "B", "B", "C", "C"],
            "ordered_at": days(0, 50, 5, 200, 10, 20),
            "status": ["completed"] * 5 + ["cancelled"],
        }
    )
    answers = pd.DataFrame(
        {
            "survey_id": [*"123456"],
            "customer_id": ["A", "B", "C", "A", "A", "B"],
            "kind": ["csat"] * 4 + ["nps", "csat"],
            "sent_at": days(1, 6, 11, 150, 1, 6),
            "score": [4, 3, 5, 2, 9, None],
        }
    )
    found = lesson.again(answers, orders)
    columns = ["customer_id", "satisfied", "orders_before", "again", "observed"]
    assert found[columns].to_numpy().tolist() == [
        ["A", True, 1, True, True],
        ["B", False, 1, False, True],
        ["C", True, 1, False, True],
        ["A", False, 2, False, False],
    ]


def test_a_missing_column_is_named() -> None:
    answers = pd.DataFrame({"survey_id": [1], "customer_id": ["A"], "kind": ["csat"], "sent_at": days(1)})
    orders = pd.DataFrame({"order_id": [1], "customer_id": ["A"], "ordered_at": days(0)})
    with pytest.raises(MissingColumn, match="score"):
        lesson.again(answers, orders)


def test_too_much_money_is_said_and_not_computed() -> None:
    game = lesson.million_yen()
    game._skip()
    right = game.headline
    game.controls["reply"].value = 1_000_000
    assert "750,000" in game.headline
    game.controls["reply"].value = 250_000
    assert game.headline == right
