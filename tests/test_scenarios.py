"""Scenario files: those that come along are whole, and one's own is understood or refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

import crmkit
from crmkit.errors import ParameterError, UnreadableFile
from crmkit.simulator.scenario import scenario, scenarios
from crmkit.texts import in_language

SALON = (Path(crmkit.__file__).parent / "scenarios" / "salon.toml").read_text(encoding="utf-8")


def test_four_businesses_come_along() -> None:
    assert scenarios() == ["salon", "shop", "subscription", "textbook"]


@pytest.mark.parametrize("name", scenarios())
def test_a_scenario_has_a_story_in_both_languages_and_says_what_it_is_held_against(name: str) -> None:
    story = scenario(name).story
    assert len(story.text_ja) > 40
    assert len(story.text_en) > 80
    assert len(story.calibrated) > 40
    assert any("\u3040" < letter < "\u30ff" for letter in story.text_ja)
    assert story.text_en.isascii()


def test_adding_a_business_is_adding_a_file(tmp_path: Path) -> None:
    own = tmp_path / "barber.toml"
    own.write_text(SALON.replace("orders_per_week = 0.135", "orders_per_week = 0.25"), encoding="utf-8")
    crm = crmkit.simulate(str(own), customers=200, weeks=52)
    assert crm.facts["scenario"] == "barber"
    assert len(crm.orders) > len(crmkit.simulate("salon", customers=200, weeks=52).orders)
    assert crmkit.compare(str(own), {"courtesy": 0.9}, customers=200, weeks=52).saved >= 0


BROKEN = {
    "a key is missing": ("regularity = 0.8\n", "", "regularity"),
    "a key too many": ("regularity = 0.8\n", "regularity = 0.8\nregularly = 1\n", "regularly"),
    "text for a number": ("regularity = 0.8", 'regularity = "often"', "often"),
    "a negative number": ("variety = 0.25", "variety = -1", "-1"),
    "infinite": ("variety = 0.25", "variety = inf", "inf"),
    "not a whole number": ("rate_halves = 6", "rate_halves = 6.5", "6.5"),
    "not a Monday": ("start = 2024-01-01", "start = 2024-01-02", "start"),
    "six weekdays": ("weekdays = [0, 2, 2, 2, 3, 6, 5]", "weekdays = [0, 2, 2, 2, 3, 6]", "weekdays"),
    "hours past midnight": ("opens = 10", "opens = 20", "hours"),
    "a lever that is none": ("first_reply_hours = 9", "first_reply_hour = 9", "first_reply_hours"),
    "a lever out of range": ("first_reply_hours = 9", "first_reply_hours = 900", "900"),
    "a section is missing": ("[levers]\nfirst_reply_hours = 9\n", "", "levers"),
    "a word among numbers": ("months = [0.92", 'months = ["busy"', "busy"),
    "nobody comes": ("search = 34, sns = 20, ad = 12, walk_in = 26, event = 8", "search = 0", "acquisition"),
}


@pytest.mark.parametrize("lang", ["ja", "en"])
@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_refused_by_name(tmp_path: Path, what: str, lang: str) -> None:
    good, bad, told = BROKEN[what]
    assert good in SALON
    own = tmp_path / "mine.toml"
    own.write_text(SALON.replace(good, bad, 1), encoding="utf-8")
    with in_language(lang), pytest.raises(ParameterError) as caught:  # type: ignore[arg-type]
        scenario(str(own))
    with in_language(lang):  # type: ignore[arg-type]
        assert told in str(caught.value)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile):
        scenario(str(tmp_path / "nothing.toml"))
    for content in (b"[story", b"\xff\xfe\x00", b""):
        own = tmp_path / "broken.toml"
        own.write_bytes(content)
        with pytest.raises((UnreadableFile, ParameterError)):
            scenario(str(own))
