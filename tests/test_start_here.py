"""Lesson 00: the widget says what `crmkit.compare` says, and its ways of counting customers are told apart."""

from __future__ import annotations

import pandas as pd
import pytest

import crmkit
from crmkit.lessons import start_here as lesson
from crmkit.plots import new_figure
from crmkit.texts import in_language
from crmkit.training.lessons import lessons


@pytest.mark.parametrize("lever", lesson.LEVERS)
def test_more_effort_leads_away_from_today_in_one_direction(lever):
    settings = [lesson._value(lever, size) for size in lesson.SIZES]
    today = crmkit.levers("salon").set_index("lever").loc[lever, "value"]
    assert settings[lesson.SIZES.index("today")] == today
    if lever == "contact_every_weeks":  # no newsletter at all is less than a rare one
        assert settings[0] == 0
        settings = settings[1:]
    assert settings in (sorted(settings), sorted(settings, reverse=True))
    assert len(set(settings)) == len(settings)


@pytest.mark.parametrize("look", lesson.LOOKS)
def test_the_widget_says_what_compare_says(look):
    change = lesson._changes()["campaign_discount", "much_more", look]
    worlds = crmkit.compare("salon", {"campaign_discount": 0.4})
    effect = worlds.effects.set_index("outcome").loc[look]
    assert change.share == pytest.approx(effect["difference"] / effect["baseline"])
    assert change.without == pytest.approx(worlds.weekly[f"{look}_without"].sum())
    assert change.months["changed"].sum() == pytest.approx(change.changed)
    # the baseline's own spread hardly moves the interval of so small a change
    assert [change.low, change.high] == pytest.approx(
        [effect["low"] / effect["baseline"], effect["high"] / effect["baseline"]], rel=0.1
    )


@pytest.mark.parametrize(("lever", "look", "drawn"), [
    (lesson.STARTS_WITH, "net_amount", True), (lesson.STARTS_WITH, "orders", False), ("courtesy", "net_amount", False),
])  # fmt: skip
def test_a_prediction_is_drawn_beside_what_it_was_about_alone(lever, look, drawn):
    shown = []
    for predicted in (None, 33.0):
        figure, axes = new_figure(ncols=2)
        lesson._draw(lever, "much_more", look, figure, axes, predicted)
        shown.append(len(axes[1].lines) + len(axes[1].collections))
    assert (shown[1] > shown[0]) == drawn


def test_nothing_changed_is_said_to_be_no_change():
    with in_language("en"):
        explorer = lesson.one_lever()
        assert explorer.prediction.value == 0
        explorer.prediction.value = 10
        explorer.buttons["predict"].click()
        assert "That is -1.9% (95% interval -2.4% to -1.4%). You predicted 10%" in explorer.headline
        explorer.controls["size"].value = "today"
        assert explorer.headline.startswith("Everything as it is today.")
        explorer.controls["lever"].value = "contact_every_weeks"
        explorer.controls["size"].value = "less"
        assert "The interval contains zero" in explorer.headline


def test_what_went_ahead_is_told_by_the_columns_there_are():
    orders = pd.DataFrame(
        {
            "customer_id": ["A", "B", "C", "D"],
            "status": ["completed", "cancelled", None, "completed"],
            "is_test": [False, False, False, True],
        }
    )
    assert lesson.went_ahead(orders)["customer_id"].to_list() == ["A", "C"]
    assert len(lesson.went_ahead(orders[["customer_id"]])) == 4


def test_customers_are_counted_in_ways_that_differ():
    with in_language("en"):
        counted = lesson.customers_counted(crmkit.sample("salon"))["customers"]
        assert counted.is_unique
        assert counted["on the list of customers"] >= counted["have ever bought"]
        assert counted["have ever bought"] > counted["have bought in the last 12 months"]
        alone = lesson.customers_counted(crmkit.load(crmkit.sample("salon").orders))
    assert len(alone) == 3  # no list, no truth: what orders tell


def test_only_who_has_bought_can_have_stayed():
    salon = crmkit.sample("salon")
    never = ~salon.truth.customers["customer_id"].isin(lesson.went_ahead(salon.orders)["customer_id"])
    assert (never & salon.truth.customers["died_at"].isna()).any()  # so that leaving them out makes a difference
    with in_language("en"):
        counted = lesson.customers_counted(salon)["customers"]
    assert counted.iloc[-1] == (~never & salon.truth.customers["died_at"].isna()).sum()


def test_courtesy_moves_sales_most_as_the_lesson_tells_the_manager():
    shares = {lever: abs(lesson._changes()[lever, "much_more", "net_amount"].share) for lever in lesson.LEVERS}
    assert max(shares, key=shares.__getitem__) == "courtesy"


def test_the_map_says_which_lessons_are_there():
    with in_language("en"):
        found = lesson.course(lessons())["Notebook"]
    assert set(found.index[found != "still to come"]) == {one.number for one in lessons()}
    minutes = next(one.minutes for one in lessons() if one.number == "08")
    assert found["08"] == f"Repeat and retention ({minutes} min)"
