"""Which writings are one person and which are not, by hand; what must not change a matching; families stay apart."""

from __future__ import annotations

import math
import random
import time

import narwhals.stable.v2 as nw
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit
from crmkit.errors import ParameterError
from crmkit.metrics.management import likeness, writing
from crmkit.metrics.management.matching import explain_match, match_customers, match_precision_recall

FIELDS = ("name", "name_kana", "email", "phone", "birth_date", "postal_code", "prefecture", "city")


def record(**said):
    """A record that says what is given, and nothing else."""
    return {one: said.get(one) for one in FIELDS}


def table(*records):
    frame = pd.DataFrame([{"customer_id": str(at), **one} for at, one in enumerate(records, 1)])
    born = pd.to_datetime(frame["birth_date"]).astype("datetime64[us]")
    return frame.astype({one: "str" for one in FIELDS if one != "birth_date"}).assign(birth_date=born)


def one_person(*records, **how):
    return match_customers(table(*records), **how)["records"].max() == len(records)


MAIL, PHONE, BORN = {"email": "h@a.example"}, {"phone": "090-1234-5678"}, {"birth_date": "1990-04-01"}
HOME = {"postal_code": "150-0041", "prefecture": "東京都", "city": "渋谷区"}
HOUSE = {"phone": "03-1234-5678", **HOME}

# what the first says, what the second says, whether they are one person, why
PAIRS = [
    ({"name": "高橋 遥", **MAIL}, {"name": "髙橋　遥", **MAIL}, True, "old form of a kanji, full-width blank"),
    ({"name": "山崎 渚", **MAIL}, {"name": "山﨑渚", **MAIL}, True, "old form, no blank"),
    ({"name": "斎藤 光", **MAIL}, {"name": "齊藤 光", **MAIL}, True, "one of four forms"),
    ({"name": "渡辺 光", **PHONE}, {"name": "渡邉 光", **PHONE}, True, "one of three forms"),
    ({"name": "浜田 國男", **PHONE}, {"name": "濵田 国男", **PHONE}, True, "two old forms"),
    ({"name": "廣澤 眞", **PHONE}, {"name": "広沢 真", **PHONE}, True, "three old forms"),
    ({"name": "中嶋 櫻", **PHONE}, {"name": "中島 桜", **PHONE}, True, "two more"),
    ({"name_kana": "ﾀｶﾊｼ ﾊﾙｶ", **MAIL}, {"name_kana": "たかはし　はるか", **MAIL}, True, "half width, hiragana"),
    ({"name_kana": "オオタ ショウ", **MAIL}, {"name_kana": "オータ シヨウ", **MAIL}, True, "long vowel, small kana"),
    (
        {"name": "高橋 遥", "name_kana": "タカハシ ハルカ", **MAIL},
        {"name": "たかはし はるか", **MAIL},
        True,
        "kana as name",
    ),
    (
        {"name": "高橋 遥", **MAIL},
        {"name": "遥 高橋", **MAIL, **PHONE},
        False,
        "turned round and one address: too little",
    ),
    ({"name": "高橋 遥", **MAIL, **HOME}, {"name": "遥 高橋", **MAIL, **HOME}, True, "turned round, and the home"),
    ({"name": "高橋 遥 様", **MAIL}, {"name": "高橋 遥", **MAIL}, True, "a title"),
    ({"name": "株式会社山田商店", **MAIL}, {"name": "㈱山田商店", **MAIL}, True, "company form in one sign"),
    ({"name": "(株)山田商店", **PHONE}, {"name": "山田商店 株式会社", **PHONE}, True, "company form before and after"),
    ({"name": "Yamada Co., Ltd.", **PHONE}, {"name": "YAMADA", **PHONE}, True, "company form in English"),
    ({"name": "Mary O'Brien", **MAIL}, {"name": "OBRIEN, MARY", **MAIL, **BORN}, False, "turned round: too little"),
    ({"name": "Mary O'Brien", **MAIL, **BORN}, {"name": "OBRIEN, MARY", **MAIL, **BORN}, True, "with the birth date"),
    ({"name": "José García", **MAIL}, {"name": "jose garcia", **MAIL}, True, "accents"),
    ({"name": "John Hill", **MAIL, **BORN}, {"name": "Jon Hill", **MAIL, **BORN}, True, "a letter less"),
    ({"name": "高橋 遥", "phone": "090-1234-5678"}, {"name": "高橋 遥", "phone": "+81 90 1234 5678"}, True, "+81"),
    (
        {"name": "高橋 遥", "phone": "+81-(0)90-1234-5678"},
        {"name": "高橋 遥", "phone": "０９０１２３４５６７８"},
        True,
        "(0)",
    ),
    ({"name": "高橋 遥", "phone": "03-1234-5678 内線9"}, {"name": "高橋 遥", "phone": "0312345678"}, True, "extension"),
    ({"name": "高橋 遥", "phone": "9012345678"}, {"name": "高橋 遥", "phone": "09012345678"}, True, "the 0 eaten"),
    (
        {"name": "高橋 遥", "email": "Haru@Gmail.com"},
        {"name": "高橋 遥", "email": "ha.ru+x＠gmail.com"},
        True,
        "tags, dots",
    ),
    (
        {"name": "高橋 遥", "email": "h+x@own.example"},
        {"name": "高橋 遥", "email": "h@own.example"},
        False,
        "unknown mailer",
    ),
    ({"name": "高橋 遥", **BORN}, {"name": "高橋 遥", **BORN}, True, "name and birth date, nothing against it"),
    (
        {"name": "田中 愛", **BORN, **MAIL, **PHONE, "postal_code": "064-6113"},
        {"name": "田中 愛", **BORN, "email": "t@b.example", "phone": "052-004-2033", "postal_code": "458-4321"},
        False,
        "namesakes born on one day: all else differs",
    ),
    (
        {"name": "高橋 遥", "postal_code": "〒150-0041"},
        {"name": "高橋 遥", "postal_code": "１５０００４１"},
        True,
        "〒",
    ),
    (
        {"name": "高橋 遥", "city": "東京都渋谷区神南１丁目２番３号"},
        {"name": "高橋 遥", "prefecture": "東京都", "city": "渋谷区神南1-2-3"},
        True,
        "丁目, the prefecture in the city",
    ),
    (
        {"name": "高橋 遥", "city": "渋谷区神南1-2-3"},
        {"name": "高橋 遥", "city": "渋谷区神南1-2-4"},
        False,
        "next door",
    ),
    (
        {"name": "高橋 遥", **MAIL, **BORN},
        {"name": "高橋 遥", **MAIL, "birth_date": "1990-01-04"},
        True,
        "day and month",
    ),
    ({"name": "高橋 遥", **MAIL, **BORN}, {"name": "高橋 遥", **MAIL, "birth_date": "1909-04-01"}, True, "year turned"),
    (
        {"name": "佐藤 健", **MAIL, **BORN},
        {"name": "佐藤 健", **MAIL, "birth_date": "1961-08-20"},
        False,
        "father and son",
    ),
    ({"name": "高橋 遥", **MAIL, **BORN}, {"name": "鈴木 遥", **MAIL, **BORN}, True, "another family name: married"),
    ({"name": "高橋 遥", **MAIL}, {"name": "高橋 渚", **MAIL}, False, "one address, two people"),
    ({"name": "高橋 遥", **HOUSE, **BORN}, {"name": "高橋 渚", **HOUSE, **BORN}, False, "twins"),
    (
        {"name_kana": "タカハシ ユキ", **HOUSE, **BORN},
        {"name_kana": "タカハシ ユウキ", **HOUSE, **BORN},
        False,
        "twins, alike",
    ),
    ({"name": "Eric Hill", **HOUSE, **BORN}, {"name": "Erica Hill", **HOUSE, **BORN}, False, "twins, a letter more"),
    ({"name": "Maria Hill", **HOUSE, **BORN}, {"name": "Marie Hill", **HOUSE, **BORN}, False, "twins, another letter"),
    (
        {"name": "高橋 遥", "email": "info@a.example"},
        {"name": "高橋 遥", "email": "INFO@a.example"},
        False,
        "an office's",
    ),
    ({"name": "高橋 遥", "phone": "000-0000-0000"}, {"name": "高橋 遥", "phone": "000-0000-0000"}, False, "no number"),
    ({"name": "テスト", **MAIL, **PHONE}, {"name": "高橋 遥", **MAIL, **PHONE}, True, "no name, two addresses"),
    (MAIL, MAIL, False, "an e-mail address alone"),
    (HOUSE, HOUSE, False, "the same house, no names"),
    ({"name": "高橋", **HOUSE}, {"name": "高橋 遥", **HOUSE}, False, "a family name alone, the same house"),
    ({"name": "高橋 遥", **HOME}, {"name": "高橋 遥", "city": "渋谷区"}, False, "namesakes in a city"),
    ({"name": "高橋 遥"}, {"name": "高橋 遥"}, False, "namesakes"),
    ({}, {}, False, "nothing said"),
]


@pytest.mark.parametrize(("one", "other", "same", "why"), PAIRS, ids=[each[-1] for each in PAIRS])
def test_writings_that_are_one_person_and_those_that_are_not(one, other, same, why):
    assert one_person(record(**one), record(**other)) == same
    assert one_person(record(**other), record(**one)) == same
    people = table(record(**one), record(**other))
    told = explain_match(people, "1", "2")
    assert told["evidence"].to_list() == [*likeness.EVIDENCE, "sum"]
    assert told["weight"].iloc[:-1].sum() == pytest.approx(told["weight"].iloc[-1])
    assert (told["grade"].iloc[-1] == "match") == same
    mirrored = explain_match(people, "2", "1")
    assert mirrored["grade"].to_list() == told["grade"].to_list()
    assert mirrored["weight"].to_list() == told["weight"].to_list()


def test_pairs_show_their_evidence_on_every_engine(engine):
    people = table(
        record(name="高橋 遥", **MAIL, **BORN, **HOME),
        record(
            name="髙橋遥", email="H@A.example", birth_date="1990-01-04", postal_code="１５００041", city="東京都渋谷区"
        ),
        record(name="高橋 渚", **MAIL, **HOME),
    )
    frame = engine(people)
    pairs = engine.back(match_customers(frame, result="pairs"))
    assert pairs.to_dict("records") == [
        {
            "customer_id": "1", "other_customer_id": "2",
            "name": "agree", "name_weight": 15.0, "email": "agree", "email_weight": 19.0,
            "phone": "unknown", "phone_weight": 0.0, "birth_date": "near", "birth_date_weight": 5.0,
            "address": "agree", "address_weight": 12.0, "weight": 51.0,
        }
    ]  # fmt: skip
    told = engine.back(explain_match(frame, "1", "2", personal=True)).set_index("evidence")
    assert told.loc["name", ["value", "other_value"]].to_list() == ["高橋 遥", "高橋遥"]
    assert told.loc["birth_date", ["value", "other_value"]].to_list() == ["1990-04-01", "1990-01-04"]
    assert told.loc["address", ["value", "other_value"]].to_list() == ["1500041 東京 渋谷区", "1500041 渋谷区"]
    assert told.loc["sum", "grade"] == "match"
    if engine.name == "pyspark":
        return
    assert len(engine.back(match_customers(frame, threshold=51.5, result="pairs"))) == 0
    hidden = engine.back(explain_match(frame, "1", "2"))
    assert set(hidden["value"].dropna()) == set(hidden["other_value"].dropna()) == {"***"}
    assert hidden.isna()[["value", "other_value"]].sum().to_list() == [2, 2]  # no telephone; the sum


def test_a_household_stays_apart_and_a_record_between_two_people_goes_with_the_nearer():
    mother = record(name="高橋 恵", **HOUSE, **MAIL, birth_date="1985-02-03")
    twins = [record(name=f"高橋 {given}", **HOUSE, **MAIL, birth_date="2012-04-01") for given in ("遥", "渚")]
    nameless = record(**HOUSE, **MAIL)
    assert match_customers(table(mother, *twins))["records"].to_list() == [1, 1, 1]
    assert match_customers(table(mother, *twins, nameless))["records"].to_list() == [1, 1, 1, 1]  # whose is it?
    dated = record(**HOUSE, **MAIL, birth_date="1985-02-03")
    assert match_customers(table(mother, *twins, dated))["person_id"].to_list() == ["1", "2", "3", "1"]
    staff = [record(name=f"社員 {at}", email="team@firm.example", phone="03-9999-1111") for at in range(15)]
    assert match_customers(table(*staff))["records"].max() == 1


def test_what_many_share_is_no_evidence_in_any_pair():
    clerk = [record(name=f"客 {chr(0x4E00 + at)}", email="desk@shop.example", phone="03-5555-1234") for at in range(21)]
    two = [record(phone="03-5555-1234", email="desk@shop.example"), record(phone="03-5555-1234", email="x@a.example")]
    assert match_customers(table(*clerk, *two))["records"].max() == 1


NAMES = ("高橋 遥", "髙橋遥", "高橋 渚", "タカハシ ハルカ", "遥 高橋", "鈴木 遥", "Jon Hill", "John Hill", "", None)
WHOLE = st.builds(
    record,
    name=st.sampled_from(NAMES),
    name_kana=st.sampled_from(("タカハシ ハルカ", "タカハシ ハルガ", "たかはしはるか", None)),
    email=st.sampled_from(("haruka@a.example", "Haruka@a.example", "m-haruka@a.example", "x@b.example", "@", None)),
    phone=st.sampled_from(("090-1234-5678", "+81 90 1234 5678", "090-1234-5687", "0", None)),
    birth_date=st.sampled_from(("1990-04-01", "1990-01-04", "1961-08-20", None)),
    postal_code=st.sampled_from(("150-0041", "1500041", "", None)),
    city=st.sampled_from(("渋谷区", "東京都渋谷区", "渋谷区神南1-2-3", None)),
)


def found(people):
    pairs = match_customers(people, result="pairs")
    return {frozenset(pair): weight for *pair, weight in pairs[["customer_id", "other_customer_id", "weight"]].values}


@settings(max_examples=8)
@given(st.lists(WHOLE, min_size=2, max_size=7), st.randoms(use_true_random=False))
def test_neither_order_nor_ids_nor_strangers_change_a_pair(records, chance: random.Random):
    people = table(*records)
    pairs = found(people)
    shuffled = people.sample(frac=1, random_state=chance.randrange(1_000)).reset_index(drop=True)
    assert found(shuffled) == pairs
    new = [f"{letter}{at}" for at, letter in enumerate(chance.sample("abcdefghijk", len(people)))]
    renamed = dict(zip(people["customer_id"], new, strict=True))
    assert found(people.assign(customer_id=new)) == {
        frozenset(renamed[one] for one in pair): weight for pair, weight in pairs.items()
    }
    stranger = record(name="Ida Unrelated", email="ida@else.example", phone="011-222-3333", birth_date="1944-12-24")
    assert found(table(*records, stranger)) == pairs
    persons = match_customers(people)
    ids = dict(zip(persons["customer_id"], persons["person_id"], strict=True))
    assert all(ids[one] == ids[other] for one, other in map(tuple, pairs))
    assert persons["records"].to_list() == persons["person_id"].map(persons["person_id"].value_counts()).to_list()


@settings(max_examples=100)
@given(st.text(max_size=20), st.text(max_size=20))
def test_grades_are_symmetric_and_one_writing_is_final(one, other):
    assert writing.plain(f"{one} 太郎") == writing.plain(f"{one}　太郎 ")
    assert writing.plain_phone(writing.plain_phone(one)) == writing.plain_phone(one)
    whos = ["/".join((" ".join(writing.name_parts(each)), "")) for each in (one, other)]
    assert likeness.names(*whos) == likeness.names(*whos[::-1])
    mails = [f"{each}@a.example" for each in (one, other)]
    assert likeness.emails(*mails) == likeness.emails(*mails[::-1])
    assert likeness.phones(one, other) == likeness.phones(other, one)


@settings(max_examples=100)
@given(st.dates(min_value=pd.Timestamp("1900-01-02").date()), st.dates(min_value=pd.Timestamp("1900-01-02").date()))
def test_grades_of_days(one, other):
    days = [int(f"{each:%Y%m%d}") for each in (one, other)]
    assert likeness.days(*days) == likeness.days(*days[::-1])
    assert (likeness.days(*days) == "agree") == (one == other)


def test_every_kanji_stands_in_one_group_only():
    signs = [sign for group in writing.KANJI for sign in group]
    assert len(signs) == len(set(signs))
    assert len(writing.PREFECTURES) == 47
    for group in writing.KANJI:
        assert len({writing.plain(sign) for sign in group}) == 1, group


@pytest.mark.parametrize(("scenario", "seed"), [("salon", 3), ("shop", 1), ("shop", 4)])
def test_the_matching_finds_the_planted_duplicates(scenario, seed):
    shop = crmkit.simulate(scenario, customers=2_500, weeks=13, seed=seed)
    spoilt = crmkit.spoil(shop, seed=seed, duplicate_share=0.1)
    persons = [match_customers(spoilt.customers, agree=agree) for agree in (None, 2)]
    weighed, counted = (match_precision_recall(one, spoilt.truth.customers) for one in persons)
    assert weighed["precision"].denominator > 100
    assert float(weighed["precision"]) >= 0.99
    assert float(weighed["recall"]) >= 0.98
    assert weighed["recall"].numerator > counted["recall"].numerator


def test_little_and_bad_data(quick_engine):
    people = table(record(name="高橋 遥", **MAIL), record(name="高橋 遥", **MAIL))
    for frame in (people.head(0), people.head(1), people.assign(name=None, email=None).astype({"name": "str"})):
        empty = quick_engine.back(match_customers(quick_engine(frame), result="pairs"))
        assert len(empty) == 0
        assert list(empty.columns)[:4] == ["customer_id", "other_customer_id", "name", "name_weight"]
    for threshold in (0, -1, math.nan, math.inf, True, "26"):
        with pytest.raises(ParameterError, match="threshold"):
            match_customers(people, threshold=threshold)
    with pytest.raises(ParameterError, match="no customer record '9'"):
        explain_match(people, "1", "9")
    numbered = people.assign(customer_id=[1, 2])
    assert explain_match(quick_engine(numbered), 1, 2) is not None
    postal = people.assign(email=None, postal_code=[600_001.0, 600_001.0])  # 060-0001, through a spreadsheet
    assert len(match_customers(postal[["customer_id", "name", "postal_code", "birth_date"]], result="pairs")) == 1


def test_a_hundred_thousand_records_in_reasonable_time():
    few = crmkit.spoil(crmkit.simulate("salon", customers=5_000, weeks=4, seed=2), seed=2).customers
    parts = [
        few.assign(
            customer_id=few["customer_id"] + f"-{at}",
            name=few["name"].str.strip() + chr(0x5000 + at),
            name_kana=None,
            email=few["email"].str.replace("@", f"{at}@", regex=False),
            phone=few["phone"].str.replace(r"\d{4}$", f"{at:04}", regex=True),
            birth_date=few["birth_date"] + pd.Timedelta(days=at),
        )
        for at in range(20)
    ]
    began = time.perf_counter()
    persons = match_customers(pd.concat(parts, ignore_index=True))
    assert time.perf_counter() - began < 60  # some 5 s on a machine that has nothing else to do
    assert len(persons) == 20 * len(few)
    assert nw.from_native(persons)["records"].max() < 10
