"""What customers and staff say: both languages alike in what they cover, enough variety, nothing odd left in it."""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from crmkit.simulator import exact
from crmkit.simulator.voices import SEVERITIES, TONES, TOPICS, Voice, voice

POOLS = Path(__file__).resolve().parents[1] / "crmkit" / "simulator" / "pools"
LANGUAGES = ("ja", "en")
BUSINESSES = ("salon", "shop", "subscription", "any")
OPINIONS = ("review", "sns", "survey_comment", "desk")
BY_CATEGORY = ("question", "request", "return")
PEOPLE = (
    "agent_solution", "agent_apology", "agent_ask", "agent_explain", "note", "customer_again", "customer_thanks",
    "customer_more", "escalation_note", "transfer_note", "merge_note",
)  # fmt: skip
JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
VOICES = list(product(BUSINESSES, LANGUAGES))


def pools(language: str) -> dict[str, Any]:
    """The file of one language, as it is written."""
    return tomllib.loads((POOLS / f"voices_{language}.toml").read_text(encoding="utf-8"))


def drawn(rows: int, seed: int = 7) -> exact.Words:
    """Words of chance."""
    return exact.words(exact.customer_keys(seed, np.arange(rows)), 0)


def groups(of: Voice) -> Iterator[tuple[tuple[str, str | None, str | None], list[str]]]:
    """Every group of a voice by kind, topic and tone."""
    names: list[tuple[str, str | None, str | None]] = []
    names += [(kind, topic, tone) for kind in OPINIONS for topic in TOPICS for tone in TONES]
    names += [("complaint", topic, severity) for topic in TOPICS for severity in SEVERITIES]
    names += [(kind, topic, None) for kind in BY_CATEGORY for topic in TOPICS]
    names += [("need", need, None) for need in of.needs]
    names += [("interaction_note", None, tone) for tone in TONES]
    names += [(kind, None, None) for kind in (*PEOPLE, "bot_receipt")]
    yield from ((name, of.group(*name)) for name in names)


# The files


def keys(table: Any, above: str = "") -> set[str]:
    """Every key of a nested table, joined with dots."""
    if not isinstance(table, dict):
        return {above}
    return {key for name, below in table.items() for key in keys(below, f"{above}.{name}")}


def test_both_languages_have_the_same_keys_in_the_same_order() -> None:
    assert keys(pools("ja")) == keys(pools("en"))
    for business in BUSINESSES:
        assert voice(business, "ja").needs == voice(business, "en").needs
        assert voice(business, "ja").kinds == voice(business, "en").kinds


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_files_can_be_read_in_one_sitting(language: str) -> None:
    assert len((POOLS / f"voices_{language}.toml").read_text(encoding="utf-8").splitlines()) < 700


# What is there


@pytest.mark.parametrize(("business", "language"), VOICES)
def test_there_is_variety(business: str, language: str) -> None:
    of = voice(business, language)
    for kind, tone in product(("review", "survey_comment"), TONES):
        assert len({said for topic in TOPICS for said in of.group(kind, topic, tone)}) >= 60
    for (kind, topic, tone), said in groups(of):
        least = {"bot_receipt": 2} | dict.fromkeys(PEOPLE, 24)
        assert len(said) >= least.get(kind, 12), (kind, topic, tone)
        assert len(set(said)) == len(said), (kind, topic, tone)


@pytest.mark.parametrize(("business", "language"), VOICES)
def test_what_is_said_differs_more_than_by_its_frame(business: str, language: str) -> None:
    """A survey comment opens with what it is about, so its first sentence tells how much there is to say."""
    of = voice(business, language)
    for topic, tone in product(TOPICS, TONES):
        first = {re.split(r"[。！？]|[.!?] ", said)[0] for said in of.group("survey_comment", topic, tone)}
        assert len(first) >= 8, (topic, tone)


@pytest.mark.parametrize(("business", "language"), VOICES)
def test_topics_and_tones_do_not_share_sentences(business: str, language: str) -> None:
    of = voice(business, language)
    owner: dict[tuple[str, str], tuple[str | None, str | None]] = {}
    for (kind, topic, tone), said in groups(of):
        for one in said:
            assert owner.setdefault((kind, one), (topic, tone)) == (topic, tone), one


@pytest.mark.parametrize(("business", "language"), VOICES)
def test_nothing_odd_is_left_in_a_sentence(business: str, language: str) -> None:
    said = voice(business, language).sentences.to_pylist()
    for one in said:
        assert one == one.strip()
        assert not re.search(r"[{}|<>_\\\n]|  ", one), one
        assert one[0] not in "=+-@", one
        assert not re.search(r"@|https?:|www\.|\d{3,}", one), one
    if language == "en":
        assert not [one for one in said if JAPANESE.search(one) or re.search("[、。，．！？（）「」]", one)]
        assert not [one for one in said if not re.match(r'["A-Z0-9]', one) or not re.search(r'[.!?:"]$', one)]
        assert not [one for one in said if re.search(r"\.\.(?!\.)|[.!?:] ?[,.;]|\b(\w+) \1\b| [,.!?]|\.[A-Z]", one)]
    else:
        assert not [one for one in said if not JAPANESE.search(one)]
        assert not [one for one in said if re.search(r"[!?,;:()~'\"｡､｢｣･ﾞﾟ\uff66-\uff9d０-９Ａ-Ｚａ-ｚ ]|(?<!\d)\.", one)]
        assert not [one for one in said if re.search(r"[。、！？][。、]|、[！？]|[^。！？…：」]$", one)]
        assert not [one for one in said if re.search("ちがう|まちがい|(?<!た)だれ", one)]


def test_businesses_speak_of_their_own_things() -> None:
    for language in LANGUAGES:
        for topic in TOPICS:
            said = [set(voice(business, language).group("review", topic, "negative")) for business in BUSINESSES]
            assert all(one - other for one, other in product(said, said) if one is not other), topic


@pytest.mark.parametrize(("business", "language"), VOICES)
def test_needs_are_codes(business: str, language: str) -> None:
    needs = voice(business, language).needs
    assert len(needs) >= 8
    assert len(set(needs)) == len(needs)
    assert all(re.fullmatch("[a-z][a-z_]+", need) for need in needs)


def test_every_other_business_speaks_in_general() -> None:
    assert voice("textbook", "en").sentences.equals(voice("any", "en").sentences)


# How it is said


@pytest.mark.parametrize(("business", "language"), VOICES)
def test_every_sentence_of_a_group_is_said_and_no_other(business: str, language: str) -> None:
    of = voice(business, language)
    for (kind, topic, tone), said in groups(of):
        words = drawn(len(said) * 14)
        codes = {}
        if topic is not None:
            names = of.needs if kind == "need" else of.topics
            codes["topics"] = np.full(len(words), names.index(topic))
        if tone is not None:
            codes["tones"] = np.full(len(words), (SEVERITIES if kind == "complaint" else TONES).index(tone))
        heard = of.say(kind, words, **codes)
        assert heard.type == pa.dictionary(pa.int32(), pa.string())
        assert heard.null_count == 0
        assert set(pa.compute.unique(heard.dictionary.take(heard.indices)).to_pylist()) == set(said)


@pytest.mark.parametrize(("business", "language"), VOICES)
def test_a_row_depends_on_nothing_but_itself(business: str, language: str) -> None:
    of = voice(business, language)
    words, topics, tones = drawn(5000), np.arange(5000) % 8, np.arange(5000) % 3
    whole = of.say("review", words, topics=topics, tones=tones).to_pylist()
    part = of.say("review", words[:1000], topics=topics[:1000], tones=tones[:1000]).to_pylist()
    assert part == whole[:1000]
    order = np.argsort(words)
    mixed = of.say("review", words[order], topics=topics[order], tones=tones[order]).to_pylist()
    assert mixed == [whole[place] for place in order]
    for place in range(0, 5000, 50):
        assert whole[place] in of.group("review", TOPICS[topics[place]], TONES[tones[place]])


def test_all_sentences_of_a_group_are_equally_likely() -> None:
    of = voice("salon", "ja")
    rows = 200_000
    heard = of.pick("review", drawn(rows), topics=np.full(rows, 4), tones=np.zeros(rows, np.int8))
    counts = np.unique(heard, return_counts=True)[1]
    expected = rows / len(of.group("review", "waiting", "negative"))
    chi_square = float((((counts - expected) ** 2) / expected).sum())
    assert abs(chi_square - (len(counts) - 1)) < 5 * np.sqrt(2 * len(counts))


def test_places_of_several_kinds_fit_into_one_column() -> None:
    of, words = voice("shop", "en"), drawn(6)
    places = np.concatenate([of.pick("customer_thanks", words[:3]), of.pick("bot_receipt", words[3:])])
    said = of.sentences.take(pa.array(places)).to_pylist()
    assert said == of.say("customer_thanks", words[:3]).to_pylist() + of.say("bot_receipt", words[3:]).to_pylist()


def test_no_rows_are_no_trouble() -> None:
    nothing = np.zeros(0, np.int64)
    assert len(voice("salon", "ja").say("review", drawn(0), topics=nothing, tones=nothing)) == 0
    assert len(voice("salon", "ja").say("note", drawn(0))) == 0


def test_what_makes_no_sense_is_refused() -> None:
    of, words, codes = voice("salon", "en"), drawn(2), np.zeros(2, np.int64)
    with pytest.raises(KeyError, match="'revue'"):
        of.say("revue", words)
    with pytest.raises(TypeError, match="'review'.*topics.*tones"):
        of.say("review", words, topics=codes)
    with pytest.raises(TypeError, match="'note'"):
        of.say("note", words, tones=codes)
    for wrong in (-1, 8):
        with pytest.raises(ValueError, match="invalid entry"):
            of.say("question", words, topics=codes + wrong)
    with pytest.raises(ValueError, match="'ja' / 'en'"):
        voice("salon", "fr")


def test_a_million_rows_are_said_at_once() -> None:
    """At least 3M rows a second on an idle machine; ten times less here, where others may be at work."""
    of, rows = voice("salon", "ja"), 1_000_000
    words, topics, tones = drawn(rows), np.arange(rows) % 8, np.arange(rows) % 3
    took = []
    for _ in range(3):
        start = time.perf_counter()
        of.say("review", words, topics=topics, tones=tones)
        took.append(time.perf_counter() - start)
    assert rows / min(took) > 300_000
