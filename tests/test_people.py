"""People: parts that belong together, shares as planned, the same person from the same key, and nobody who exists."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import itertools
import re
import tomllib
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crmkit.errors import ParameterError
from crmkit.simulator.exact import customer_keys
from crmkit.simulator.people import COLUMNS, LOCALES, Who, check_locale, identities
from crmkit.texts import LANGUAGES, Language, in_language
from tools import pools

ON = dt.date(2026, 4, 1)
AGES = {"18-24": 1, "25-39": 3, "40-64": 4, "65-89": 2}
DECADES = [str(decade) for decade in pools.DECADES]


def who(**changes: Any) -> Who:
    """Both genders, all ages, all known."""
    return Who(**{"female_share": 0.6, "ages": AGES, "on": ON, "known": 1.0, **changes})


def people(n: int, *, locale: str = "ja_JP", seed: int = 7, **changes: Any) -> pa.Table:
    """The first `n` people of a seed."""
    numbers = np.arange(n)
    return pa.table(identities(customer_keys(seed, numbers), numbers, locale=locale, who=who(**changes)))


def rows(locale: str, kind: str) -> list[dict[str, str]]:
    """One file of the pools."""
    text = (pools.POOLS / f"{locale}_{kind}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@pytest.fixture(scope="module", params=LOCALES)
def crowd(request: pytest.FixtureRequest) -> tuple[str, list[dict[str, Any]]]:
    """A locale and 20,000 of its people, all known."""
    return request.param, people(20_000, locale=request.param).to_pylist()


# The pools


def test_the_pools_are_what_the_lists_give() -> None:
    stale = [name for name, text in pools.made().items() if (pools.POOLS / name).read_text(encoding="utf-8") != text]
    assert stale == [], "run python tools/pools.py; simulated people change"


def test_the_pools_are_rich_and_small() -> None:
    def genders(locale: str) -> list[int]:
        names = {(row["gender"], row["name"]) for row in rows(locale, "given")}
        return [sum(gender == one for gender, _ in names) for one in ("female", "male")]

    assert all(len(rows(locale, "family")) >= (250 if locale == "ja_JP" else 150) for locale in LOCALES)
    assert min(genders("ja_JP")) >= 150
    assert min(*genders("en_US"), *genders("en_GB")) >= 120
    cities = {locale: Counter(row["region"] for row in rows(locale, "places")) for locale in LOCALES}
    assert len(cities["ja_JP"]) == 47
    assert min(cities["ja_JP"].values()) >= 4
    assert cities["ja_JP"].total() >= 300
    assert cities["en_US"].total() >= 60
    assert cities["en_GB"].total() >= 30
    assert sum((pools.POOLS / name).stat().st_size for name in pools.made()) <= 200_000


@pytest.mark.parametrize("locale", LOCALES)
def test_nothing_is_in_a_pool_twice(locale: str) -> None:
    for kind, key in (
        ("family", ["name", "kana"]),
        ("given", ["gender", "name", "kana"]),
        ("places", ["region", "city"]),
    ):
        times = Counter(tuple(row[column] for column in key) for row in rows(locale, kind))
        assert [entry for entry, n in times.items() if n > 1] == []


def japanese_names() -> list[tuple[str, str, str]]:
    """Every name with its reading and its letters."""
    return [(row["name"], row["kana"], row["ascii"]) for kind in ("family", "given") for row in rows("ja_JP", kind)]


def hepburn(kana: str) -> str:
    """Katakana in letters, every vowel written; by the table of sounds, from the longest sign to the shortest."""
    table = dict(zip("アイウエオ", "aiueo", strict=True))
    for line, consonant in zip(
        ("カキクケコ", "サシスセソ", "タチツテト", "ナニヌネノ", "ハヒフヘホ", "マミムメモ", "ラリルレロ", "ガギグゲゴ",
         "ザジズゼゾ", "ダヂヅデド", "バビブベボ", "パピプペポ"), "kstnhmrgzdbp", strict=True,
    ):  # fmt: skip
        table |= {sign: consonant + vowel for sign, vowel in zip(line, "aiueo", strict=True)}
    table |= {"シ": "shi", "チ": "chi", "ツ": "tsu", "フ": "fu", "ジ": "ji", "ヂ": "ji", "ヅ": "zu"}
    table |= {"ヤ": "ya", "ユ": "yu", "ヨ": "yo", "ワ": "wa", "ン": "n"}
    for sign, small in itertools.product("キシチニヒミリギジビピ", "ャュョ"):
        stem = table[sign][:-1]
        table[sign + small] = stem + ("" if sign in "シチジ" else "y") + {"ャ": "a", "ュ": "u", "ョ": "o"}[small]
    letters, at = "", 0
    while at < len(kana):
        size = 2 if kana[at : at + 2] in table else 1
        letters += "ッ" if kana[at] == "ッ" else table[kana[at : at + size]]
        at += size
    return re.sub("ッ(.)", r"\1\1", letters).replace("cch", "tch")


def test_readings_are_katakana_and_letters_spell_the_readings() -> None:
    for name, kana, letters in japanese_names():
        assert re.fullmatch("[ァ-ヴー]+", kana), name
        assert re.fullmatch("[a-z]+", letters), name
        spelt = [""]
        for before, vowel in itertools.pairwise(" " + hepburn(kana)):
            long = (before, vowel) in {("o", "u"), ("o", "o"), ("u", "u")}  # may be written or not: Ono, Inoue
            spelt = [one + end for one in spelt for end in ([vowel, ""] if long else [vowel])]
        assert letters in spelt, (name, kana, letters, spelt)


ENDINGS = """
藤 トウ ドウ, 田 タ ダ, 川 カワ ガワ, 山 ヤマ, 本 モト, 村 ムラ, 野 ノ, 島 シマ ジマ, 木 キ ギ, 井 イ,
上 カミ ガミ ウエ, 口 グチ, 崎 サキ ザキ, 原 ハラ ワラ バラ, 沢 サワ ザワ, 谷 タニ ガイ, 橋 ハシ バシ, 林 バヤシ,
下 シタ, 池 イケ, 内 ウチ, 石 イシ, 森 モリ, 部 ベ トリ, 岡 オカ, 浦 ウラ, 尾 オ, 辺 ナベ, 西 ニシ, 塚 ツカ ヅカ,
松 マツ, 子 コ, 美 ミ, 夫 オ, 雄 オ, 男 オ, 郎 ロウ, 太 タ, 介 スケ, 輔 スケ, 也 ヤ, 樹 キ, 人 ト, 斗 ト, 香 カ,
奈 ナ, 菜 ナ, 花 カ, 恵 エ, 代 ヨ, 平 ヘイ ペイ, 彦 ヒコ, 之 ユキ, 明 アキ, 一 イチ カズ, 二 ジ, 志 シ, 翔 ト, 莉 リ,
衣 イ, 真 マ, 江 エ, 葉 ハ バ, 音 ネ ノン, 織 オリ, 枝 エ, 乃 ノ, 羽 ウ ハ, 月 ヅキ ツキ
"""


def test_readings_read_the_kanji_as_far_as_a_test_can_tell() -> None:
    endings = {kanji: tuple(kana.split()) for kanji, kana in re.findall(r"(\w) ([\w ]+)", ENDINGS)}
    whole = {"菊池", "田代", "丹羽"}  # these are read in a way of their own
    checked = 0
    for name, kana, _ in japanese_names():
        if re.fullmatch("[ぁ-ん]+", name):
            assert "".join(chr(ord(sign) + 0x60) for sign in name) == kana
            checked += 1
        elif len(name) > 1 and name[-1] in endings and name not in whole:
            assert kana.endswith(endings[name[-1]]), (name, kana)
            checked += 1
    assert checked > 500


# Beginnings of postal codes and of area codes, by prefecture
POSTAL = """
北海道 00 04 05 06 07 08 09, 青森県 03, 岩手県 02, 宮城県 98, 秋田県 01, 山形県 99, 福島県 96 97, 茨城県 30 31,
栃木県 32, 群馬県 37, 埼玉県 33 34 35 36, 千葉県 26 27 28 29, 東京都 10 11 12 13 14 15 16 17 18 19 20,
神奈川県 21 22 23 24 25, 新潟県 94 95, 富山県 93, 石川県 92, 福井県 91, 山梨県 40, 長野県 38 39, 岐阜県 50,
静岡県 41 42 43, 愛知県 44 45 46 47 48 49, 三重県 51, 滋賀県 52, 京都府 60 61 62, 大阪府 53 54 55 56 57 58 59,
兵庫県 65 66 67, 奈良県 63, 和歌山県 64, 鳥取県 68, 島根県 69, 岡山県 70 71, 広島県 72 73, 山口県 74 75, 徳島県 77,
香川県 76, 愛媛県 79, 高知県 78, 福岡県 80 81 82 83, 佐賀県 84, 長崎県 85, 熊本県 86, 大分県 87, 宮崎県 88,
鹿児島県 89, 沖縄県 90
"""
AREA = {
    "01": "北海道 青森県 岩手県 秋田県",
    "02": "宮城県 山形県 福島県 新潟県 長野県 茨城県 栃木県 群馬県",
    "03": "東京都",
    "04": "東京都 埼玉県 千葉県 神奈川県",
    "05": "山梨県 静岡県 愛知県 岐阜県 三重県",
    "06": "大阪府 兵庫県",
    "07": "大阪府 京都府 兵庫県 滋賀県 奈良県 和歌山県 富山県 石川県 福井県",
    "08": "鳥取県 島根県 岡山県 広島県 山口県 徳島県 香川県 愛媛県 高知県",
    "09": "福岡県 佐賀県 長崎県 熊本県 大分県 宮崎県 鹿児島県 沖縄県",
}
ZIP = """
Connecticut Maine Massachusetts New-Hampshire New-Jersey Rhode-Island Vermont|Delaware New-York Pennsylvania
|District-of-Columbia Maryland North-Carolina South-Carolina Virginia West-Virginia
|Alabama Florida Georgia Mississippi Tennessee|Indiana Kentucky Michigan Ohio
|Iowa Minnesota Montana North-Dakota South-Dakota Wisconsin|Illinois Kansas Missouri Nebraska
|Arkansas Louisiana Oklahoma Texas|Arizona Colorado Idaho Nevada New-Mexico Utah Wyoming
|Alaska California Hawaii Oregon Washington
"""


def test_japanese_cities_lie_where_their_postal_and_area_codes_say() -> None:
    postal = {prefecture: codes.split() for prefecture, codes in re.findall(r"(\w+) ([\d ]+)", POSTAL)}
    for row in rows("ja_JP", "places"):
        assert {code[:2] for code in row["postal"].split()} <= set(postal[row["region"]]), row
        suffix = "区市" if row["region"] == "東京都" else "市"
        assert row["city"][-1] in suffix, row
    for region, city, code in area_codes():
        assert region in AREA[code[:2]], city


def test_american_cities_lie_where_their_zip_codes_say() -> None:
    digit = {state.replace("-", " "): at for at, states in enumerate(ZIP.split("|")) for state in states.split()}
    assert len(digit) == 51
    for row in rows("en_US", "places"):
        assert row["postal"][0] == str(digit[row["region"]]), row


def test_people_live_in_one_place(crowd: tuple[str, list[dict[str, Any]]]) -> None:
    locale, everyone = crowd
    known = {(row["region"], row["city"]): row for row in rows(locale, "places")}
    for one in everyone:
        place = known[one["prefecture"], one["city"]]
        rest = {"ja_JP": r"-\d{4}", "en_US": r"\d\d", "en_GB": " [0-9][ABD-HJLNP-UW-Z]{2}"}[locale]
        assert re.fullmatch(f"({'|'.join(place['postal'].split())}){rest}", one["postal_code"]), one
        if not re.match("0[79]0-|07700", one["phone"]):
            assert one["phone"].startswith(re.split("[?#]", place["phone"])[0]), one
    assert len({(one["prefecture"], one["city"]) for one in everyone}) > 0.9 * len(known)


# Names


def test_names_fit_gender_and_decade_of_birth(crowd: tuple[str, list[dict[str, Any]]]) -> None:
    locale, everyone = crowd
    given: dict[tuple[str, str, str], list[int]] = {}
    for row in rows(locale, "given"):
        given[row["gender"], row["name"], row["kana"]] = [int(row[decade]) for decade in DECADES]
    families = {(row["name"], row["kana"]) for row in rows(locale, "family")}
    for one in everyone:
        parts, readings = one["name"].split(" "), (one["name_kana"] or " ").split(" ")
        first, last = (1, 0) if locale == "ja_JP" else (0, 1)
        assert (parts[last], readings[last]) in families
        decade = (one["birth_date"].year - 1930) // 10
        assert given[one["gender"], parts[first], readings[first]][decade] > 0, one
    assert {one["gender"] for one in everyone} == {"female", "male"}


def test_fashions_in_names_show() -> None:
    def names(ages: str) -> set[str]:
        return {name.split(" ")[1] for name in people(3000, ages={ages: 1}, female_share=1.0)["name"].to_pylist()}

    old, young = names("76-85"), names("6-12")
    assert {"和子", "幸子"} <= old
    assert {"陽葵", "結愛"} <= young
    assert not {"和子", "幸子"} & young
    assert not {"陽葵", "結愛"} & old


def test_only_japanese_names_have_readings() -> None:
    assert people(100)["name_kana"].null_count == 0
    assert people(100, locale="en_US")["name_kana"].null_count == 100


# Shares


def chi_square(seen: Counter[str], shares: dict[str, float]) -> float:
    """How many standard deviations the chi-square of the counts lies from what chance alone gives."""
    n, total = seen.total(), sum(shares.values())
    assert set(seen) <= set(shares)
    expected = {name: n * share / total for name, share in shares.items() if n * share / total >= 5}
    squares = sum((seen[name] - mean) ** 2 / mean for name, mean in expected.items())
    return float((squares - len(expected)) / (2 * len(expected)) ** 0.5)


@pytest.mark.parametrize("locale", LOCALES)
def test_frequencies_follow_the_weights(locale: str) -> None:
    everyone = people(100_000, locale=locale, seed=11, ages={"26-35": 1}, on=dt.date(2026, 1, 1), female_share=0.25)
    at = 0 if locale == "ja_JP" else 1
    parts = [name.split(" ") for name in everyone["name"].to_pylist()]
    families, places = rows(locale, "family"), rows(locale, "places")
    weights: Counter[str] = Counter()
    for row in families:
        weights[row["name"]] += int(row["weight"])
    assert abs(chi_square(Counter(part[at] for part in parts), dict(weights))) < 5
    lives = Counter(f"{one['prefecture']} {one['city']}" for one in everyone.select(["prefecture", "city"]).to_pylist())
    assert abs(chi_square(lives, {f"{row['region']} {row['city']}": int(row["weight"]) for row in places})) < 5
    women = Counter(everyone["gender"].to_pylist())
    assert abs(chi_square(women, {"female": 1, "male": 3})) < 5
    # born 1990-1999: one decade's names
    in_nineties = [date.year // 10 == 199 for date in everyone["birth_date"].to_pylist()]
    men = [gender == "male" for gender in everyone["gender"].to_pylist()]
    born = Counter(part[1 - at] for part, *kept in zip(parts, in_nineties, men, strict=True) if all(kept))
    given: Counter[str] = Counter()
    for row in rows(locale, "given"):
        given[row["name"]] += int(row["1990"]) if row["gender"] == "male" else 0
    assert abs(chi_square(born, dict(given))) < 5


def test_regions_narrow_where_people_live() -> None:
    everyone = people(2000, regions=("京都府", "大阪府"))
    seen = Counter(everyone["prefecture"].to_pylist())
    assert set(seen) == {"京都府", "大阪府"}
    assert abs(chi_square(seen, {"京都府": 2578, "大阪府": 8838})) < 5


def test_ages_lie_in_their_bands_also_around_leap_days() -> None:
    for on in (ON, dt.date(2024, 2, 29), dt.date(2025, 2, 28), dt.date(2025, 3, 1), dt.date(2000, 2, 29)):
        for band, (young, old) in {"20-20": (20, 20), "24-28": (24, 28), "0-0": (0, 0)}.items():
            born = people(3000, ages={band: 1}, on=on)["birth_date"].to_pylist()
            ages = {on.year - day.year - ((on.month, on.day) < (day.month, day.day)) for day in born}
            assert ages == set(range(young, old + 1)), (on, band)
            assert len(set(born)) > 350  # any day of the year
    bands = Counter(
        (ON - day).days // 365.25 // 10
        for day in people(20_000, ages={"20-29": 3, "60-69": 1})["birth_date"].to_pylist()
    )
    assert 0.74 < bands[2.0] / bands.total() < 0.76


def test_what_was_not_noted_is_null_each_by_itself() -> None:
    nobody = people(50, known=0.0)
    assert [name for name in COLUMNS if nobody[name].null_count == 0] == ["name", "name_kana"]
    assert sum(people(50)[name].null_count for name in COLUMNS) == 0
    some = people(50_000, known=0.9)
    for name in COLUMNS[2:]:
        assert 0.09 < some[name].null_count / 50_000 < 0.11
    both = pc.and_(pc.is_null(some["email"]), pc.is_null(some["phone"]))
    assert 0.008 < pc.sum(both).as_py() / 50_000 < 0.012
    assert pc.all(pc.equal(pc.is_null(some["city"]), pc.is_null(some["prefecture"]))).as_py()


def test_columns_and_types() -> None:
    names = pa.dictionary(pa.int32(), pa.string())
    types = {"prefecture": names, "city": names, "gender": names, "birth_date": pa.date32()}
    for locale in (*LOCALES, "fr_FR"):
        for n in (0, 5):
            everyone = people(n, locale=locale, known=0.5)
            assert everyone.column_names == list(COLUMNS)
            assert everyone.schema.types == [types.get(name, pa.string()) for name in COLUMNS]


# Nobody who exists


def test_mail_goes_nowhere_and_no_two_addresses_are_the_same(crowd: tuple[str, list[dict[str, Any]]]) -> None:
    _, everyone = crowd
    free = re.compile(r"[a-z]+([._][a-z]+)?\d+@(example\.(com|org|net)|[a-z]+\.example)")
    assert [one["email"] for one in everyone if not free.fullmatch(one["email"])] == []
    assert len({one["email"] for one in everyone}) == len(everyone)


def test_the_address_is_made_of_the_name(crowd: tuple[str, list[dict[str, Any]]]) -> None:
    locale, everyone = crowd
    letters: dict[str, set[str]] = {}
    for kind in ("family", "given"):
        for row in rows(locale, kind):
            letters.setdefault(row["name"] + row["kana"], set()).add(row["ascii"])
    for one in everyone[:2000]:
        parts, readings = one["name"].split(" "), (one["name_kana"] or " ").split(" ")
        spelt = set().union(*(letters[part + reading] for part, reading in zip(parts, readings, strict=True)))
        written = re.findall("[a-z]+", one["email"].split("@")[0])
        assert all(word in spelt or len(word) == 1 for word in written), one


# Area codes that a shorter one and the first digit of an exchange could be: 024 with 1… and 0241
LONGER_CODES = (
    "0191 0220 0240 0241 0250 0260 0261 0270 0280 0291 0460 0470 0480 0531 0550 0551 0561 0581 0721 0740 0761 0770 0771"
    " 0790 0791 0820 0880 0920 0930 0940 0980"
)


def area_codes() -> list[tuple[str, str, str]]:
    """Region, city and area code of each Japanese city in the lists."""
    regions = tomllib.loads((pools.LISTS / "ja_JP.toml").read_text(encoding="utf-8"))["places"]
    entries = [(head.split()[0], entry.split()) for head, line in regions.items() for entry in line.split(", ")]
    return [(region, city, code) for region, (city, _, code, *_) in entries]


def all_area_codes() -> set[str]:
    """Every area code by which a number might be read."""
    return {code for _, _, code in area_codes()} | set(LONGER_CODES.split()) | pools.SHORT_CODES


def test_no_japanese_number_can_be_anybodys() -> None:
    codes = all_area_codes()
    numbers = people(50_000)["phone"].to_pylist()
    mobile = [number for number in numbers if re.match("0[789]0-", number)]
    assert 0.8 < len(mobile) / len(numbers) < 0.95
    assert [number for number in mobile if not re.fullmatch(r"0[79]0-0\d{3}-\d{4}", number)] == []
    for number in set(numbers) - set(mobile):
        digits = number.replace("-", "")
        assert len(digits) == 10
        assert number.split("-")[0] in codes
        assert not digits.startswith(pools.SERVICES), number
        for size in (2, 3, 4, 5):  # by whichever area code it is read, the exchange begins with 0 or 1
            assert digits[:size] not in codes or digits[size] in "01", number


def test_every_template_stays_unassigned_not_just_the_numbers_that_were_drawn() -> None:
    codes = all_area_codes()
    cities = {(region, city): code for region, city, code in area_codes()}
    for row in rows("ja_JP", "places"):
        assert not row["phone"] or row["phone"].startswith(cities[row["region"], row["city"]] + "-"), row
        for digit in "01" if row["phone"] else "":
            begin = re.sub("[-#]", "", row["phone"].replace("?", digit))
            for size in (2, 3, 4):
                assert begin[:size] not in codes or begin[size : size + 1] in ("0", "1"), row
            assert not begin.startswith(pools.SERVICES), row


def test_american_numbers_are_those_of_fiction() -> None:
    numbers = people(5000, locale="en_US")["phone"].to_pylist()
    assert [number for number in numbers if not re.fullmatch(r"[2-9]\d\d-555-01\d\d", number)] == []


def test_british_numbers_are_those_of_drama() -> None:
    drama = re.compile(
        r"07700 900\d{3}|020 7946 0\d{3}|01(13|14|15|16|17|18|21|31|41|51|61) 496 0\d{3}|0191 498 0\d{3}"
        r"|029 2018 0\d{3}|028 9649 6\d{3}"
    )
    numbers = people(20_000, locale="en_GB")["phone"].to_pylist()
    assert [number for number in numbers if not drama.fullmatch(number)] == []
    assert len({number[:4] for number in numbers}) > 12


# The same person from the same key


@pytest.mark.parametrize("locale", [*LOCALES, "de_DE"])
def test_a_person_depends_on_nobody_else(locale: str) -> None:
    n, few = (1000, 100) if locale in LOCALES else (30, 10)
    whole = people(n, locale=locale, known=0.9).to_pylist()
    assert people(few, locale=locale, known=0.9).to_pylist() == whole[:few]
    order = np.random.default_rng(1).permutation(n)
    shuffled = identities(customer_keys(7, order), order, locale=locale, who=who(known=0.9))
    assert pa.table(shuffled).to_pylist() == [whole[at] for at in order]


PINNED = {
    "ja_JP": "398bb3e370306280",
    "en_US": "5f420a2beb103306",
    "en_GB": "f9b8be3a02a123ab",
}


@pytest.mark.parametrize("locale", LOCALES)
def test_a_world_keeps_its_people(locale: str) -> None:
    everyone = people(2000, locale=locale, known=0.95).to_pylist()
    found = hashlib.sha256(repr(everyone).encode()).hexdigest()[:16]
    assert found == PINNED[locale], "people of simulated worlds have changed: say so in CHANGELOG.md"


# Other countries


def test_other_locales_are_faker_s() -> None:
    french = people(40, locale="fr_FR").to_pylist()
    assert all(one["prefecture"] and one["city"] and re.fullmatch(r"\d{5}", one["postal_code"]) for one in french)
    assert {one["name_kana"] for one in french} == {one["phone"] for one in french} == {None}
    assert all(re.fullmatch(r"customer\d+@(example\.\w+|\w+\.example)", one["email"]) for one in french)
    assert len({one["email"] for one in french}) == 40
    assert people(5, locale="zh_TW")["prefecture"].null_count == 5  # Faker knows no regions of Taiwan
    assert (
        people(5, locale="bg_BG")["city"].null_count == 5
    )  # nor any city in Bulgaria, and American ones would be wrong
    assert all(" " not in name for name in people(5, locale="ko_KR")["name"].to_pylist())


@pytest.mark.parametrize("code", LANGUAGES)
def test_an_unknown_locale_is_met_with_the_nearest(code: Language) -> None:
    with in_language(code), pytest.raises(ParameterError) as caught:
        people(1, locale="fr-FR")
    with in_language(code):
        said = str(caught.value)
    assert "'fr-FR'" in said
    assert "fr_FR" in said
    assert ("Faker のロケール" in said) == (code == "ja")
    with in_language(code), pytest.raises(ParameterError) as caught:
        check_locale("klingon")
    with in_language(code):
        assert "klingon" in str(caught.value)
        assert "''" not in str(caught.value)
    with pytest.raises(ParameterError, match="am_ET"):  # Faker knows the name of the locale, but no names
        check_locale("am_ET")


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_region_that_is_not_there_is_met_with_the_nearest(code: Language) -> None:
    def said(**changes: Any) -> str:
        with pytest.raises(ParameterError) as caught:
            people(1, **changes)
        with in_language(code):
            return str(caught.value)

    assert "東京都" in said(regions=("東京",))
    assert "California" in said(locale="en_US", regions=("Californa",))
    assert "Narnia" in said(locale="en_GB", regions=("Narnia",))
    assert "fr_FR" in said(locale="fr_FR", regions=("Bretagne",))


@pytest.mark.parametrize(
    "ages", [{}, {"18": 1}, {"30-20": 1}, {"18-24": 0}, {"18-24": -1, "25-30": 2}, {"18-240": 1}, {"young": 1}]
)
def test_bands_that_cannot_be_read(ages: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match="Write bands of whole years"):
        who(ages=ages)


@pytest.mark.parametrize("changes", [{"female_share": 1.2}, {"known": -0.1}, {"known": float("nan")}])
def test_shares_lie_between_0_and_1(changes: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match=f"{next(iter(changes))} must lie between 0 and 1"):
        who(**changes)
