"""Lesson 06: the truth about the letters, consent, and the exercises with their mistakes."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from crmkit.lessons import letters as truth
from crmkit.lessons import segments_and_targets as lesson
from crmkit.texts import in_language, text
from crmkit.widgets import exercise


@pytest.fixture(scope="module")
def shop():
    return lesson.shop()


@pytest.fixture(scope="module")
def found(shop):
    return lesson._letters(shop)


def test_nobody_without_consent_has_a_letter(shop):
    day = truth.letter_day()
    people = shop.customers.set_index("customer_id")
    written = people.loc[truth.fates()["customer_id"]]
    assert (written["email_opt_in"] | (written["opted_out_at"] > day)).all()
    assert truth.listed() > len(written)


def test_both_fates_agree_with_what_came_of_the_lot(shop):
    """Who got the letter did what the fates say of the letter, and who was left out what they say without it."""
    sends = shop.campaign_sends
    last = sends[sends["campaign_id"] == f"P{truth.LETTER:03}"].set_index("customer_id")["arm"]
    people = truth.fates().assign(arm=lambda rows: rows["customer_id"].map(last))
    day, orders = truth.letter_day(), shop.orders[shop.orders["status"] == "completed"]
    inside = orders[(orders["ordered_at"] >= day) & (orders["ordered_at"] < day + pd.Timedelta(days=truth.DAYS))]
    real = people["customer_id"].map(inside.groupby("customer_id").size()).fillna(0)
    drawn = people["arm"] == "treatment"
    assert real[drawn].equals(people.loc[drawn, "orders_with"])
    assert real[~drawn].equals(people.loc[~drawn, "orders_without"])


def test_a_rule_that_takes_everybody_is_no_rule():
    everybody = [truth.outcome(rule, len(truth.fates()), 85, 2_400) for rule in truth.RULES]
    assert len({round(one.extra, 6) for one in everybody}) == 1
    people = truth.fates()
    assert everybody[0].extra == pytest.approx((people["orders_with"] - people["orders_without"]).sum())


def test_those_who_respond_most_leave_the_least():
    best, quiet, chance = (truth.outcome(rule, 500, 85, 2_400) for rule in ("rfm", "quiet", "random"))
    assert best.without + best.extra > 1.8 * (quiet.without + quiet.extra)
    assert best.profit < chance.profit < quiet.profit
    assert best.profit == pytest.approx(2_400 * best.extra - best.coupons - 500 * 85)


@pytest.mark.parametrize(("other", "letters"), [("random", 500), ("quiet", 1_000)])
def test_with_a_high_margin_the_best_customers_win(other, letters):
    """As the lesson says: over chance already with 500 letters, over the quiet ones only with more."""
    low, high = (
        truth.outcome("rfm", letters, 85, margin).profit - truth.outcome(other, letters, 85, margin).profit
        for margin in (2_400, 4_000)
    )
    assert low < 0 < high


def test_the_widget_says_the_truth():
    with in_language("en"):
        explorer = lesson.whom_to_write()
        explorer.buttons["skip"].click()
        one = truth.outcome("rfm", 500, 85, 2_400)
        assert f"caused {one.extra:.0f} (± {one.extra_error:.0f})" in explorer.headline


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_mistake_is_recognised(shop, found, language):
    with in_language(language):
        lesson.start(shop)
        for task in lesson.exercises(found):
            right = task.answer()
            assert exercise.check(task.key, right).verdict == "correct"
            for name, wrong in task.mistakes.items():
                said = exercise.check(task.key, wrong())
                assert (said.verdict, said.lines[0]) == ("mix_up", task.say(f"mistake.{name}")), (task.key, name)


def test_a_shop_without_mailings_and_consent_is_lent_and_told(shop):
    own = SimpleNamespace(orders=shop.orders.head(500))
    with in_language("en"):
        found = lesson._letters(own)
        assert found.lent == ("campaign_sends", "feedback")
        assert not found.customers["email_opt_in"].any()
        assert text("lesson06.nobody_asked") in str(found)
        assert {one.key: one.answer() for one in lesson.exercises(found)}["06.2"] == 0


def test_the_best_month_of_birth_does_not_stay_so_good(found):
    earlier, later = (table.set_index("birth_month")["value"] for table in lesson.birth_months(found))
    assert later[earlier.idxmax()] < earlier.max()


def test_ordered_is_what_campaign_lift_counts(found):
    from crmkit.metrics.management.campaigns import campaign_lift

    for arm in ("treatment", "control"):
        rows = lesson.ordered(found.tests, found.test_orders)
        counted = campaign_lift(found.tests, orders=found.test_orders, horizon_days=lesson.DAYS, by="campaign_id")
        shares = rows[rows["arm"] == arm].groupby("campaign_id", observed=True)["ordered"].mean()
        assert shares.to_numpy() == pytest.approx(counted[arm].to_numpy(), abs=0.005)
