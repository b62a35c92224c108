"""Lesson 03: what the widget adds up quickly is what the metric says, and named mistakes are told apart."""

from __future__ import annotations

import math

import pandas as pd
import pytest

import crmkit
from crmkit.lessons import worth_of_a_relationship as lesson
from crmkit.lessons.books import KEEPING, WINNING, Books, discounts, spans
from crmkit.texts import in_language

ALL = [(winning, keeping) for winning in WINNING for keeping in KEEPING]


@pytest.fixture(scope="module")
def salon():
    return crmkit.sample("salon")


@pytest.fixture(scope="module", params=["salon", "shop", "subscription"])
def books(request):
    return Books(crmkit.simulate(request.param, customers=300, weeks=110, seed=3))


@pytest.mark.parametrize("months", [2, 12])
def test_what_is_added_up_quickly_is_what_the_metric_says(books, months):
    for choice in ALL:
        ratio = books.ratio(*choice, months, 365)
        assert books.grid(months, ratio.besides)[choice] == pytest.approx(float(ratio), rel=1e-9)
        won, kept = (sum(costs.values()) for costs in books.parts(*choice, months).values())
        assert won / ratio.besides["new"] == pytest.approx(ratio.numerator)
        assert kept / ratio.besides["retained"] == pytest.approx(ratio.denominator)


def test_as_booked_is_the_plain_metric(salon):
    books = Books(salon)
    plain = crmkit.acquisition_retention_cost_ratio(salon.costs, salon.orders, **books.spans.recent)
    assert float(books.ratio("booked", "booked", 12, 365)) == float(plain)


def test_everything_counts_every_yen_once(salon):
    books = Books(salon)
    day = salon.costs["incurred_date"]
    booked = salon.costs.loc[(day >= "2025-04-01") & (day < "2026-04-01"), "amount"].sum()
    inside = salon.orders["ordered_at"].between("2025-04-01", "2026-03-31 23:59:59")
    given = salon.orders.loc[inside, "discount_amount"].sum()
    parts = books.parts("everything", "everything", 12)
    assert sum(sum(costs.values()) for costs in parts.values()) == pytest.approx(booked + given)
    assert parts["acquisition"]["labour"] == parts["retention"]["labour"] > 0


def test_a_discount_on_the_first_visit_is_a_cost_of_winning():
    orders = pd.DataFrame(
        {
            "customer_id": ["A", "A", "B"],
            "ordered_at": pd.to_datetime(["2026-01-02 10:00", "2026-02-02 10:00", "2026-01-05 09:00"]),
            "discount_amount": [300.0, 200.0, 0.0],
        }
    )
    found = discounts(orders)
    assert found[["purpose", "amount"]].values.tolist() == [["acquisition", 300.0], ["retention", 200.0]]
    assert discounts(orders.drop(columns="discount_amount")).empty


def test_the_sentence_follows_the_controls(salon):
    with in_language("en"):
        explorer = lesson.five_times(salon)
        explorer.prediction.value = 5
        explorer.buttons["predict"].click()
        assert "1.4 times (95% interval 1.1 to 1.7)" in explorer.headline
        assert "You predicted 5 times; it is 1.4 times." in explorer.headline
        explorer.controls["months"].value = 3
        assert "8.9 times" in explorer.headline  # winning is paid once, keeping every month
        explorer.controls["keeping"].value = "everything"
        explorer.controls["active_days"].value = 365
        assert "over 3 months" in explorer.headline


def test_books_without_such_costs_are_said_to_have_no_ratio(salon):
    class Bare:
        orders = salon.orders
        costs = salon.costs[salon.costs["purpose"] == "service"]

    with in_language("en"):
        explorer = lesson.five_times(Bare())
        explorer.buttons["skip"].click()
    assert explorer.headline.startswith("No ratio")
    assert bytes(explorer.picture.value).startswith(b"\x89PNG")


def test_the_windows_follow_the_data(salon):
    when = spans(salon.orders)
    assert (when.recent, when.earlier) == (
        {"start": "2025-04-01", "end": "2026-04-01"},
        {"start": "2024-04-01", "end": "2025-04-01"},
    )
    assert (when.days, when.months) == (365, 12)
    short = spans(salon.orders[salon.orders["ordered_at"] < "2024-10-01"])  # nine months
    assert (short.earlier["start"], short.recent, short.months) == (
        "2024-02-01",
        {"start": "2024-06-01", "end": "2024-10-01"},
        4,
    )


@pytest.mark.parametrize("which", [0, 1, 2])
def test_every_named_mistake_is_recognised_as_itself(salon, which):
    lesson.start(salon)
    exercise = lesson.exercises(salon, spans(salon.orders))[which]
    assert lesson.check(exercise.key, exercise.answer()).verdict == "correct"
    for name, wrong in exercise.mistakes.items():
        said = lesson.check(exercise.key, wrong())
        assert (said.verdict, said.mistake) == ("mix_up", name)


def test_the_answers_against_plain_pandas(salon):
    orders, lines = salon.orders, salon.order_items
    done = orders[~orders["status"].isin(["cancelled", "refunded"]) & (orders["refund_amount"] < orders["net_amount"])]
    first = done.groupby("customer_id")["ordered_at"].min()
    new = ((first >= "2025-04-01") & (first < "2026-04-01")).sum()
    costs = salon.costs[salon.costs["purpose"] == "acquisition"]
    spent = costs.loc[
        (costs["incurred_date"] >= "2025-04-01") & (costs["incurred_date"] < "2026-04-01"), "amount"
    ].sum()
    answers = [one.answer() for one in lesson.exercises(salon, spans(orders))]
    assert answers[0] == pytest.approx(spent / new)
    cost = (lines["quantity"] * lines["unit_cost"]).groupby(lines["order_id"]).sum()
    profit = done["net_amount"] - done["refund_amount"] - done["order_id"].map(cost)
    ever = orders["customer_id"].map(orders.groupby("customer_id")["ordered_at"].min())[done.index]
    came = (ever >= "2024-04-01") & (ever < "2025-04-01")
    year = (done["ordered_at"] - ever) < pd.Timedelta(days=365)
    assert answers[1] == pytest.approx((profit[came & year].groupby(done["customer_id"]).sum()).mean())


def test_own_books_without_categories_still_have_a_cac(salon):
    class Plain:
        orders, order_items = salon.orders, salon.order_items
        costs = salon.costs.drop(columns="category")

    first = lesson.exercises(Plain, spans(salon.orders))[0]
    assert math.isnan(first.mistakes["ads"]())
    assert first.answer() > 0
