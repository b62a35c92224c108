"""Headline figures: believable for the business, counted as they say, and nothing where there is nothing."""

from __future__ import annotations

import importlib.util
import math
import re
import string
import sys
import tomllib
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import crmkit
from crmkit.datasets.crm import Crm
from crmkit.errors import ParameterError
from crmkit.simulator.headlines import headlines
from crmkit.simulator.scenario import FIGURES, scenario, scenarios
from crmkit.texts import LANGUAGES, in_language, messages

ROOT = Path(__file__).resolve().parents[1]
SALON = (ROOT / "crmkit" / "scenarios" / "salon.toml").read_text(encoding="utf-8")


@cache
def shop(name: str, seed: int = 7, customers: int = 10_000) -> Crm:
    """A shop, made once."""
    return crmkit.simulate(name, customers=customers, seed=seed)


@cache
def figures(name: str, seed: int = 7, customers: int = 10_000) -> pd.DataFrame:
    """Its figures by name."""
    return headlines(shop(name, seed, customers)).set_index("figure")


# --- believable


@pytest.mark.parametrize("seed", [7, 11])
@pytest.mark.parametrize("name", scenarios())
def test_a_scenario_looks_like_its_business(name: str, seed: int) -> None:
    found = figures(name, seed)
    held = found[found["expected_low"].notna()]
    off = held[~held["value"].between(held["expected_low"], held["expected_high"])]
    assert off.empty, off[["value", "expected_low", "expected_high"]].to_string()


@pytest.mark.parametrize("name", scenarios())
def test_whatever_can_be_counted_is_held_against_something(name: str) -> None:
    found = figures(name)
    free = found.index[(found["n"] > 0) & found["expected_low"].isna()]
    # few contracts in a shop that does not live on them; and no formula says how often buyers of a year buy
    assert set(free) == {"shop": {"monthly_churn"}, "textbook": {"orders_a_year"}}.get(name, set())
    assert set(scenario(name).expected) <= set(found.index[found["n"] > 0])


@pytest.mark.parametrize("name", scenarios())
def test_a_range_says_why(name: str) -> None:
    written = (ROOT / "crmkit" / "scenarios" / f"{name}.toml").read_text(encoding="utf-8")
    before, table = written.split("\n[expected]\n")
    assert before.splitlines()[-1].startswith("# ")
    if name != "textbook":  # where the formulas say it, all at once
        assert "rules of thumb" in before[-250:]
        assert all("#" in line for line in table.split("\n\n")[0].splitlines())


# --- counted as they say


@pytest.mark.parametrize("name", scenarios())
def test_a_figure_lies_in_its_interval(name: str) -> None:
    found = figures(name)
    there = found[found["n"] > 0]
    assert there["value"].notna().all()
    spans = there[there["low"].notna()]
    assert ((spans["low"] <= spans["value"]) & (spans["value"] <= spans["high"])).all()
    assert set(there.index[there["low"].isna()]) == {"acquisition_cost"}
    shares = spans[spans["unit"] == "share"]
    assert shares["low"].between(0, 1).all()
    assert shares["high"].between(0, 1).all()
    assert (
        spans.loc[["second_order", "average_order"], "low"] < spans.loc[["second_order", "average_order"], "high"]
    ).all()


def test_an_interval_has_room_for_another_draw_of_customers() -> None:
    """Eight shops of the same kind: their figures spread as their intervals say."""
    names = ["second_order", "average_order", "tickets", "csat", "nps", "opens"]
    several = [figures("salon", seed, 1_500).loc[names] for seed in range(8)]
    spread = np.std([one["value"] for one in several], axis=0, ddof=1)
    error = np.mean([(one["high"] - one["low"]) / 3.92 for one in several], axis=0)
    assert (spread / error > 0.35).all(), spread / error
    assert (spread / error < 1.9).all(), spread / error


def counted() -> Crm:
    """A shop small enough to count by hand."""
    day = pd.Timestamp("2025-01-01")
    at = [day + pd.Timedelta(days=days) for days in (60, 100, 61, 62, 300, 63)]
    orders = pd.DataFrame({
        "order_id": list("123456"), "customer_id": ["A", "A", "B", "C", "C", "D"], "ordered_at": at,
        "status": ["completed"] * 5 + ["cancelled"], "is_test": False,
        "net_amount": [1000.0, 2000.0, 3000.0, 4000.0, 5000.0, 9000.0],
    })  # fmt: skip
    items = pd.DataFrame({
        "order_id": list("123456"), "line_no": 1, "quantity": 1.0, "unit_price": orders["net_amount"],
        "unit_cost": 600.0, "discount_amount": 0.0, "is_defective": [True] + [False] * 5,
    })  # fmt: skip
    tickets = pd.DataFrame({
        "ticket_id": ["t", "u", "v"], "customer_id": ["A", "B", "B"], "kind": ["complaint", "question", "question"],
        "status": ["closed", "open", "merged"], "created_at": [at[0], at[2], at[2]],
    })  # fmt: skip
    events = pd.DataFrame({
        "event_id": list("abc"), "ticket_id": ["t", "t", "t"], "kind": "comment",
        "actor_type": ["agent", "bot", "agent"], "is_public": [False, True, True],
        "occurred_at": [at[0] + pd.Timedelta(hours=hours) for hours in (1, 2, 6)],
    })  # fmt: skip
    surveys = pd.DataFrame({
        "survey_id": list("abcdef"), "customer_id": list("AABBCC"), "kind": ["csat"] * 3 + ["nps"] * 3,
        "responded_at": [at[0], at[0], None, at[0], at[0], at[0]], "sent_at": at[0],
        "score": [4.0, 3.0, None, 10.0, 6.0, 2.0], "scale_max": [5.0] * 3 + [10.0] * 3,
    })  # fmt: skip
    sends = pd.DataFrame({
        "send_id": list("abcd"), "customer_id": list("ABCC"), "is_machine_open": [False, False, True, False],
        "delivered_at": [at[0], at[0], at[0], None], "opened_at": [at[0], None, at[0], None],
        "unsubscribed_at": [None, at[0], None, None],
    })  # fmt: skip
    customers = pd.DataFrame({
        "customer_id": list("ABCD"), "member_since": [day, None, None, day],
        "acquisition_channel": ["referral", "ad", "ad", "ad"],
    })  # fmt: skip
    contracts = pd.DataFrame({
        "customer_id": ["A", "B"], "started_at": [day, day], "cancelled_at": [pd.Timestamp("2025-04-10"), pd.NaT],
        "ended_at": [pd.Timestamp("2025-05-10"), pd.NaT],
    })  # fmt: skip
    costs = pd.DataFrame({
        "cost_id": ["1", "2", "3"], "purpose": ["acquisition", "acquisition", "service"],
        "amount": [600.0, 8000.0, 70.0], "incurred_date": [at[0].normalize(), day, at[0].normalize()],
    })  # fmt: skip
    feedback = pd.DataFrame({
        "feedback_id": list("abc"), "customer_id": ["A", None, "B"], "source": ["review", "review", "desk"],
        "rating": pd.array([5, 2, 1], dtype="Int64"),
    })  # fmt: skip
    referrals = pd.DataFrame({"referral_id": ["1"], "referrer_customer_id": ["B"], "invitee_customer_id": ["A"]})
    tables = {
        "orders": orders, "order_items": items, "tickets": tickets, "ticket_events": events,
        "survey_responses": surveys, "campaign_sends": sends, "customers": customers, "subscriptions": contracts,
        "costs": costs, "feedback": feedback, "referrals": referrals,
    }  # fmt: skip
    return Crm(tables, zone="Asia/Tokyo", facts={"start": "2025-01-01", "weeks": 56})


BY_HAND = {
    "second_order": 1 / 3,  # A in time, C too late, B never
    "orders_a_year": 5 / 3,
    "average_order": 3_000,
    "gross_margin": 12_000 / 15_000,
    "cancelled": 1 / 6,
    "defects": 1 / 5,
    "complaints": 200,
    "tickets": 40,  # the merged one is not counted
    "first_reply": math.inf,  # of two tickets one is still waiting
    "csat": 1 / 2,
    "nps": -100 / 3,
    "responses": 5 / 6,
    "reviews": 3.5,
    "opens": 1 / 2,  # the mail that a program opened counts neither way
    "unsubscribes": 1 / 3,
    "members": 1 / 3,  # D has bought nothing
    "referred": 1 / 3,
    "acquisition_cost": 200,
    "monthly_churn": 1 / 21,  # two contracts in March and April, one in the nine months after it
}


def test_figures_can_be_counted_by_hand() -> None:
    found = headlines(counted()).set_index("figure")
    assert list(found.index) == list(BY_HAND)
    values = found["value"].drop("monthly_churn").to_dict()
    assert values == pytest.approx({name: value for name, value in BY_HAND.items() if name != "monthly_churn"})
    assert found["expected_low"].isna().all()
    months = found.loc["monthly_churn"]
    assert months["value"] * months["n"] == pytest.approx(1)


# --- nothing where there is nothing


@pytest.mark.parametrize("name", scenarios())
def test_no_data_is_no_zero(name: str) -> None:
    found = figures(name)
    empty = found[found["n"] == 0]
    assert empty[["value", "low", "high"]].isna().all(axis=None)
    expected = {
        "salon": {"monthly_churn"},
        "shop": set(),
        "subscription": {"members"},
        "textbook": set(FIGURES)
        - {
            "second_order",
            "orders_a_year",
            "average_order",
            "gross_margin",
            "cancelled",
            "defects",
            "acquisition_cost",
        },
    }
    assert set(empty.index) == expected[name]


def test_a_shop_without_customers_or_time_has_no_figures() -> None:
    few = headlines(crmkit.simulate("salon", customers=1, weeks=1)).set_index("figure")
    assert few.loc[["second_order", "orders_a_year", "acquisition_cost", "monthly_churn"], "value"].isna().all()
    assert (few["value"].isna() == (few["n"] == 0)).all()


# --- words and expectations


def test_every_figure_has_its_words() -> None:
    for code in LANGUAGES:
        words = {key.removeprefix("headline.") for key in messages(code) if key.startswith("headline.")}
        assert words == set(FIGURES)
    with in_language("ja"):
        assert headlines(shop("textbook", customers=300)).set_index("figure").loc["nps", "label"] == "NPS"


def test_a_file_of_ones_own_says_what_to_expect(tmp_path: Path) -> None:
    own = tmp_path / "barber.toml"
    own.write_text(SALON.replace("average_order = [6000, 8500]", "average_order = [1, 2.5]"), encoding="utf-8")
    crm = crmkit.simulate(str(own), customers=100, weeks=30)
    assert headlines(crm)["expected_low"].isna().all()
    found = headlines(crm, str(own)).set_index("figure")
    assert found.loc["average_order", ["expected_low", "expected_high"]].tolist() == [1, 2.5]
    nothing = SALON[: SALON.index("[expected]")] + SALON[SALON.index("[levers]") :]
    own.write_text(nothing, encoding="utf-8")
    assert scenario(str(own)).expected == {}


@pytest.mark.parametrize("lang", ["ja", "en"])
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("average_order = [8500, 6000]", "[8500, 6000]"),
        ("average_order = [6000]", "[6000]"),
        ("average_order = 6000", "average_order"),
        ('average_order = ["low", "high"]', "low"),
        ("average_order = [true, true]", "average_order"),
        ("average_order = [nan, 3]", "nan"),
        ("average_orders = [6000, 8500]", "average_orders"),
    ],
)
def test_an_expectation_that_makes_no_sense_is_refused_by_name(
    tmp_path: Path, wrong: str, told: str, lang: str
) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(SALON.replace("average_order = [6000, 8500]", wrong), encoding="utf-8")
    with in_language(lang), pytest.raises(ParameterError) as caught:  # type: ignore[arg-type]
        scenario(str(own))
    with in_language(lang):  # type: ignore[arg-type]
        assert told in str(caught.value)
        assert "expected" in str(caught.value)


# --- the page


@cache
def docs() -> ModuleType:
    """docs/build.py as a module."""
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / "docs"))
    return module


def test_the_page_says_the_same_in_both_languages() -> None:
    words = tomllib.loads((ROOT / "docs" / "texts.toml").read_text(encoding="utf-8"))
    assert set(words) == set(LANGUAGES)
    placeholders: dict[str, dict[str, set[str]]] = {code: {} for code in words}
    for code, sections in words.items():
        for section, said in sections.items():
            for key, template in said.items():
                fields = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
                placeholders[code][f"{section}.{key}"] = fields
    differ = {key for key, fields in placeholders["ja"].items() if placeholders["en"].get(key) != fields}
    assert set(placeholders["ja"]) == set(placeholders["en"])
    assert differ == {"page.held"}  # what a scenario was held against is said in English only: Japanese links to it
    assert set(words["en"]["unit"]) == set(FIGURES.values())
    source = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("build.py", "pictures.py"))
    keys = {key for section in ("page", "picture") for key in words["en"][section]}
    quoted = {key for key in keys if re.search(rf"""["']{key}["']""", source) or key.startswith(("head_", "add_"))}
    assert keys - quoted == set()


@pytest.mark.parametrize("name", ["salon", "subscription", "textbook"])
def test_a_picture_is_small_and_made_of_its_numbers_alone(name: str) -> None:
    build = docs()
    crm = shop(name, customers=300)
    made = scenario(name)
    if name == "textbook":
        data = build.pictures.textbook_shop(crm)
    else:
        data = build.pictures.business(crm, made, headlines(crm))
    first = {code: build.drawn(data, code) for code in LANGUAGES}
    assert first["ja"] != first["en"]
    assert all(len(one) < 120_000 for one in first.values())
    assert build.drawn(data, "ja") == first["ja"]


def test_the_pictures_on_the_page_are_there() -> None:
    build = docs()
    for name in scenarios():
        for code in LANGUAGES:
            file = ROOT / "docs" / "images" / build.picture(name, code)
            assert 10_000 < file.stat().st_size <= 120 * 1024
            assert f"images/{file.name}" in (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
