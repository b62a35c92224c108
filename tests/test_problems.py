"""Causes, and whether they stayed away: hand-worked tables on every engine, a simulated shop, and the traps."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import crmkit
from crmkit.errors import MissingColumn, ParameterError, RowsLeftOut
from crmkit.intervals import rate_ratio
from crmkit.metrics.service.problems import days_to_root_cause, pareto, recurrence_rate, root_cause_rate
from crmkit.plots.quality import plot_pareto, plot_recurrence_rate
from crmkit.texts import in_language
from tests.joined import together

PROBLEMS = pd.DataFrame(
    {
        "problem_id": ["B1", "B2", "B3", "B4", "B5"],
        "product_id": ["P1", "P1", "P2", "P2", "P2"],
        "opened_at": pd.to_datetime(["2026-01-02", "2026-01-02", "2026-01-05", "2026-02-01", "2026-02-02"]),
        "root_cause": ["old manual", "bad batch", "", None, "no date"],
        "root_cause_found_at": pd.to_datetime(["2026-01-05 12:00", "2026-01-10", None, None, None], format="ISO8601"),
        "corrective_action_at": pd.to_datetime(["2026-01-11 09:00", "2026-01-12", None, None, None], format="ISO8601"),
    }
)
DAYS = pd.date_range("2026-01-01 09:00", periods=30, freq="D")  # one order a day at nine
ORDERS = pd.DataFrame({"order_id": [f"o{n}" for n in range(30)], "customer_id": "c", "ordered_at": DAYS})
TICKETS = pd.DataFrame(
    [
        ("1", "B1", "quality", "2026-01-01"),  # made somebody open the problem: not before the action, but before it
        ("2", "B1", "quality", "2026-01-02"),
        ("3", "B1", "price", "2026-01-11 08:59"),
        ("4", "B1", "quality", "2026-01-11 09:00"),
        ("5", "B2", "quality", "2026-01-03"),
        ("6", "B2", "price", "2026-01-04"),
        ("7", "B3", None, "2026-01-20"),
        ("8", None, "price", "2026-01-20"),
        ("9", "B1", "quality", "2026-01-20"),  # merged
    ],
    columns=["ticket_id", "problem_id", "category", "created_at"],
)
TICKETS["created_at"] = pd.to_datetime(TICKETS["created_at"], format="ISO8601")
TICKETS["status"] = ["closed"] * 8 + ["merged"]
for table in (PROBLEMS, ORDERS, TICKETS):
    for name in table.select_dtypes("datetime").columns:
        table[name] = table[name].astype("datetime64[us]")


@pytest.fixture(scope="module")
def salon():
    return crmkit.simulate("salon", customers=1500, weeks=104, seed=7)


def counted(figure):
    return figure.numerator, figure.denominator


def test_causes_are_found(engine):
    problems = engine(PROBLEMS)
    found = root_cause_rate(problems)
    assert counted(found) == (3, 5)  # an empty word is no cause, a cause without a date is one
    assert found.besides == {"median_days": 6}  # 3.5 and 8 days: 5.75
    groups = engine.back(root_cause_rate(problems, by="product_id")).set_index("product_id")
    assert groups["value"].to_dict() == {"P1": 1, "P2": pytest.approx(1 / 3)}
    assert counted(root_cause_rate(problems, start="2026-02-01")) == (1, 2)
    assert "median_days" not in root_cause_rate(problems, start="2026-02-01").besides


def test_days_to_the_cause():
    days = days_to_root_cause(PROBLEMS)
    assert (days.value, days.n, days.unit) == (5.75, 2, "days")
    assert days.besides["not_found"] == 3
    assert days_to_root_cause(PROBLEMS, statistic="mean").value == 5.75
    assert days_to_root_cause(PROBLEMS, statistic="p90").value == pytest.approx(7.55)
    groups = days_to_root_cause(PROBLEMS, by="product_id").set_index("product_id")
    assert groups["value"]["P1"] == 5.75
    assert np.isnan(groups["value"]["P2"])
    assert math.isnan(days_to_root_cause(PROBLEMS.iloc[2:]).value)


def test_the_frequent_causes_come_first(engine):
    table = engine.back(pareto(engine(TICKETS), cause="category"))
    names = [name if isinstance(name, str) else None for name in table["category"]]
    assert names == ["quality", "price", None]  # what is not known comes last
    assert table["n"].to_list() == [4, 3, 1]
    assert table["cumulative_share"].to_list() == pytest.approx([0.5, 0.875, 1])
    assert table["low"][0] == pytest.approx(0.2152, abs=1e-4)
    known = engine.back(pareto(engine(TICKETS), cause="category", known_only=True))
    assert known["share"].to_list() == pytest.approx([4 / 7, 3 / 7])
    causes = engine.back(
        pareto(engine(PROBLEMS), cause="product_id", table="problems", at="opened_at", end="2026-02-01")
    )
    assert causes[["product_id", "n"]].to_numpy().tolist() == [["P1", 2], ["P2", 1]]


def test_pareto_refuses_what_makes_no_sense():
    with pytest.raises(ParameterError, match="at="):
        pareto(TICKETS, cause="category", start="2026-01-01")
    with pytest.raises(ParameterError, match="'tickets'"):
        pareto(TICKETS, cause="category", table="complaints")
    with pytest.raises(ParameterError, match="result column"):
        pareto(TICKETS.rename(columns={"category": "share"}), cause="share")
    with pytest.raises(MissingColumn, match="categori"):
        pareto(TICKETS, cause="categori")
    assert len(pareto(TICKETS.iloc[:0], cause="category")) == 0
    nothing = pareto(TICKETS.assign(category=None), cause="category")
    assert nothing["n"].to_list() == [8]
    assert len(pareto(TICKETS.assign(category=None), cause="category", known_only=True)) == 0


def test_recurrence_by_hand(engine):
    tables = together(engine, PROBLEMS, TICKETS, ORDERS)
    until = {"as_of": "2026-01-31"}
    table = engine.back(recurrence_rate(*tables, by="problem_id", **until)).set_index("problem_id")
    # B1: 2 tickets and 9 orders before (nine o'clock of the 2nd to the 10th), 1 ticket and 20 orders after
    assert table.loc["B1", "value"] == pytest.approx((1 / 20) / (2 / 9))
    low, high = rate_ratio(1, 20, 2, 9)
    assert table.loc["B1", ["low", "high"]].to_list() == pytest.approx([float(low), float(high)])
    # B2: 2 tickets and 10 orders before, none and 19 orders after
    assert table.loc["B2", "value"] == 0
    assert table.loc["B2", "high"] == pytest.approx(float(rate_ratio(0, 19, 2, 10)[1]))
    assert table.loc[["B3", "B4", "B5"], "value"].isna().all()  # no action
    assert table["n"].to_list() == [3, 2, 0, 0, 0]
    whole = recurrence_rate(*tables, **until)
    assert counted(whole) == (1, pytest.approx(2 * 20 / 9 + 2 * 19 / 10))
    assert whole.besides == {"tickets_before": 4, "no_action": 3, "not_compared": 0}
    assert whole.excluded == {"merged": 1}
    assert whole.low < whole.value < whole.high
    rate = recurrence_rate(*tables, measure="rate", **until)
    assert (counted(rate), rate.unit) == ((1, 39), "per_1000")
    assert rate.value == pytest.approx(1000 / 39)
    # the eleventh and the twelfth are skipped: two orders of the 20 and 19 are gone, and the ticket
    later = recurrence_rate(*tables, skip_days=2, **until)
    assert counted(later) == (0, pytest.approx(2 * 18 / 9 + 2 * 17 / 10))
    short = engine.back(recurrence_rate(*tables, before_days=1, by="problem_id", **until)).set_index("problem_id")
    assert short.loc["B1", "denominator"] == pytest.approx(1 * 20 / 1)  # the ticket of 8:59, the order of the 10th


def test_recurrence_without_anything_to_compare():
    args = {"as_of": "2026-01-31"}
    assert math.isnan(recurrence_rate(PROBLEMS, TICKETS, ORDERS.iloc[:5], **args).value)
    gone = recurrence_rate(PROBLEMS, TICKETS, ORDERS.iloc[:5], **args)
    assert gone.besides["not_compared"] == 2
    for empty in (
        recurrence_rate(PROBLEMS.iloc[:0], TICKETS, ORDERS),
        recurrence_rate(PROBLEMS, TICKETS.iloc[:0], ORDERS),
        recurrence_rate(PROBLEMS, TICKETS, ORDERS.iloc[:0]),
        recurrence_rate(PROBLEMS.iloc[2:], TICKETS, ORDERS),
    ):
        assert math.isnan(empty.value)
    quiet = recurrence_rate(PROBLEMS, TICKETS.iloc[:0], ORDERS, measure="rate")
    assert (quiet.value, quiet.low) == (0.0, 0.0)  # nobody complained of 39 orders: that is known
    with pytest.raises(ParameterError, match="measure"):
        recurrence_rate(PROBLEMS, TICKETS, ORDERS, measure="share")
    with pytest.raises(ParameterError, match="whole number|between"):
        recurrence_rate(PROBLEMS, TICKETS, ORDERS, before_days=0)
    with pytest.raises(MissingColumn, match="corrective_action_at"):
        recurrence_rate(PROBLEMS.drop(columns="corrective_action_at"), TICKETS, ORDERS)


def test_bad_rows_are_said():
    problems = pd.concat([PROBLEMS, PROBLEMS.iloc[[0]]])
    problems.loc[2, "opened_at"] = pd.NaT
    problems.loc[1, "root_cause_found_at"] = pd.Timestamp("2025-12-01")
    with pytest.warns(RowsLeftOut) as caught:
        found = root_cause_rate(problems)
    assert found.excluded == {"no_date": 1, "out_of_order": 1, "same_key": 1}
    assert len(caught) == 3
    assert found.denominator == 3
    orders = pd.concat([ORDERS, ORDERS.iloc[[20]]])
    with pytest.warns(RowsLeftOut, match="'orders'"):
        again = recurrence_rate(PROBLEMS, TICKETS, orders, measure="rate", as_of="2026-01-31")
    assert again.denominator == 39


def test_many_problems_are_compared_in_several_queries():
    """More instants than are asked for at once: the same figures as one by one."""
    chance = np.random.default_rng(3)
    days = chance.integers(1, 400, (2, 90)).cumsum(axis=0)
    opened, acted = (pd.Timestamp("2026-01-01") + pd.to_timedelta(one, unit="D") for one in days)
    problems = pd.DataFrame({"problem_id": [f"B{n}" for n in range(90)], "opened_at": opened})
    problems["corrective_action_at"] = acted
    sold = pd.DataFrame({"order_id": range(4000), "customer_id": 1})
    sold["ordered_at"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(chance.integers(0, 900, 4000), unit="D")
    tickets = pd.DataFrame({"ticket_id": range(3000), "problem_id": [f"B{n}" for n in chance.integers(0, 90, 3000)]})
    tickets["created_at"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(chance.integers(0, 900, 3000), unit="D")
    until = pd.Timestamp("2028-06-01")
    table = recurrence_rate(problems, tickets, sold, as_of=until, by="problem_id").set_index("problem_id")
    checked = 0
    for problem in problems.itertuples():
        its = tickets.loc[tickets["problem_id"] == problem.problem_id, "created_at"]
        opened, acted, bought = problem.opened_at, problem.corrective_action_at, sold["ordered_at"]
        before, after = its.between(opened, acted, "left").sum(), its.between(acted, until, "left").sum()
        orders_before = bought.between(opened, acted, "left").sum()
        orders_after = bought.between(acted, until, "left").sum()
        if before and orders_before and orders_after:
            wanted = after / (before * orders_after / orders_before)
            assert table.loc[problem.problem_id, "value"] == pytest.approx(wanted)
            checked += 1
    assert checked > 40


def test_the_simulated_problems_are_mended(salon):
    table = recurrence_rate(salon.problems, salon.tickets, salon.orders, by="problem_id")
    assert len(table) == 2
    assert (table["high"] < 1).all()  # recurrence falls after the action, for each of them
    whole = recurrence_rate(salon.problems, salon.tickets, salon.orders)
    assert whole.high < 0.5
    assert root_cause_rate(salon.problems).value == 1
    named = pareto(salon.tickets, cause="problem_id", known_only=True)
    wanted = salon.tickets[salon.tickets["status"] != "merged"]["problem_id"].value_counts()
    assert named.set_index("problem_id")["n"].to_dict() == wanted.to_dict()


@pytest.mark.parametrize("language", ["ja", "en"])
def test_pictures(language, salon):
    with in_language(language):
        bars = plot_pareto(pareto(TICKETS, cause="category"))
        assert [bar.get_height() for bar in bars.patches] == [4, 3, 1]
        assert bars.get_ylabel()
        assert len(plot_pareto(pareto(salon.tickets, cause="category"), most=3).patches) == 3
        plot_pareto(pareto(TICKETS.iloc[:0], cause="category")).figure.canvas.draw()
        ratio = recurrence_rate(PROBLEMS, TICKETS, ORDERS, by="problem_id", as_of="2026-01-31")
        axes = plot_recurrence_rate(ratio)
        assert axes.get_xscale() == "log"
        words = [word.get_text() for word in axes.get_yticklabels()]
        assert len(words) == 5
        assert "B1" in words[0]
        said = [word.get_text() for word in axes.texts]
        assert said[0].startswith("0.22 [")
        assert said[1].startswith("0")  # none at all: no dot on a log axis, but words and an arrow
        assert len(set(said[2:])) == 1
        whole = recurrence_rate(PROBLEMS, TICKETS, ORDERS)
        for one in (bars, axes, plot_recurrence_rate(whole), plot_recurrence_rate({"a": whole})):
            one.figure.canvas.draw()
