"""Spoiling a whole shop: its tables, its truth and its facts; and what is asked for wrongly."""

from __future__ import annotations

import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crmkit.datasets import load
from crmkit.datasets.crm import Crm
from crmkit.datasets.manifest import FORMATS
from crmkit.errors import ParameterError
from crmkit.simulator.defects import Defects, spoil, spoil_tables
from crmkit.texts import in_language
from tests.toy_shop import Tables, decoded, same, shop

SHARES = list(asdict(Defects()))


@pytest.fixture(scope="module")
def clean() -> dict[str, pa.Table]:
    return shop(500)


def test_a_shop_is_spoilt_with_its_truth(clean: Tables) -> None:
    ids = clean["customers"]["customer_id"]
    people = pa.table(
        {"customer_id": ids, "person_id": pc.replace_substring(ids, "C", "P"), "loyalty": [0.5] * len(ids)}
    )
    effects = pa.table({"effect_name": ["any"], "outcome": ["orders"], "true_value": [1.0]})
    truth = Crm({"customers": people, "effects": effects}, zone="Asia/Tokyo")
    facts = {"scenario": "toy", "locale": "ja_JP"}
    crm = Crm(clean, zone="Asia/Tokyo", truth=truth, facts=facts)
    before = crm.fingerprint()
    spoilt = spoil(crm, seed=3, duplicate_share=0.2)
    tables, account = spoil_tables(clean, Defects(duplicate_share=0.2), 3, people=people)
    assert crm.fingerprint() == before
    assert same({name: spoilt.arrow(name) for name in tables}, {name: decoded(table) for name, table in tables.items()})
    assert spoilt.truth is not None
    assert spoilt.truth.arrow("defects").equals(account)
    assert spoilt.truth.arrow("effects").equals(truth.arrow("effects"))
    assert spoilt.zone == "Asia/Tokyo"
    assert spoilt.facts["scenario"] == "toy"
    assert spoilt.facts["defects"]["seed"] == 3
    assert Defects.of({name: spoilt.facts["defects"][name] for name in SHARES}) == Defects(duplicate_share=0.2)
    known = dict(
        zip(*(spoilt.truth.arrow("customers")[name].to_pylist() for name in people.column_names[:2]), strict=True)
    )
    assert set(known) == set(spoilt.arrow("customers")["customer_id"].to_pylist())
    assert all(person == record.removesuffix("D").replace("C", "P") for record, person in known.items())
    assert spoilt.truth.arrow("customers")["loyalty"].to_pylist() == [0.5] * len(known)
    with pytest.raises(ParameterError, match=f"already hold {account.num_rows} defects"):
        spoil(spoilt)


def test_a_shop_without_a_truth_gets_one(clean: Tables) -> None:
    spoilt = spoil(Crm(clean, zone="Asia/Tokyo"))
    assert spoilt.truth is not None
    assert list(spoilt.truth.tables) == ["defects"]
    nothing = spoil(Crm(clean, zone="Asia/Tokyo"), **asdict(Defects.none()))
    assert nothing.truth is not None
    assert len(nothing.truth.defects) == 0
    assert nothing.fingerprint().items() > Crm(clean, zone="Asia/Tokyo").fingerprint().items()
    again = spoil(nothing)  # nothing has been spoilt yet
    assert again.fingerprint() == spoilt.fingerprint()


def test_a_spoilt_shop_is_saved_and_loaded(clean: Tables, tmp_path: Path) -> None:
    spoilt = spoil(Crm(clean, zone="Asia/Tokyo"))
    for format in FORMATS:
        loaded = load(spoilt.save(tmp_path / format, format))
        assert isinstance(loaded, Crm)
        assert loaded.fingerprint() == spoilt.fingerprint()
        assert loaded.facts == spoilt.facts


# Bad input


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan"), float("inf"), "0.1", True, None])
def test_a_share_outside_0_to_1_is_refused(language: Any, value: Any) -> None:
    with pytest.raises(ParameterError) as found:
        spoil(Crm({}, zone="Asia/Tokyo"), late_share=value)
    with in_language(language):
        said = str(found.value)
    assert "late_share" in said
    assert repr(value) in said
    assert ("between 0 and 1" in said) == (language == "en")


@pytest.mark.parametrize(
    ("language", "said"), [("ja", "近いもの：「duplicate_share」"), ("en", "Nearest: 'duplicate_share'")]
)
def test_an_unknown_share_is_answered_with_the_nearest(language: Any, said: str) -> None:
    with pytest.raises(ParameterError) as found:
        spoil(Crm({}, zone="Asia/Tokyo"), duplicates_share=0.1)
    with in_language(language):
        assert said in str(found.value)
        assert "late_share" in str(found.value)
    with pytest.raises(ParameterError) as found:
        Defects.of({"zzz": 0.1})
    with in_language(language):
        assert "zzz" in str(found.value)
        assert "''" not in str(found.value)
        assert "「」" not in str(found.value)


@pytest.mark.parametrize("seed", [1.5, "1", None, True])
def test_a_seed_is_a_whole_number(clean: Tables, seed: Any) -> None:
    with pytest.raises(ParameterError, match="seed must be a whole number"):
        spoil_tables(clean, Defects(), seed)


def test_shares_of_any_number_type_will_do() -> None:
    assert Defects(late_share=np.float32(0.5)) == Defects(late_share=0.5)
    assert pickle.loads(pickle.dumps(Defects())) == Defects()
