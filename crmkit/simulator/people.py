"""Who the customers are: names that fit gender and age, addresses in one piece, and no way to reach anybody.

The pools beside this file (made by `tools/pools.py`) hold names with their readings and weights for each decade of
birth, and cities with region, postal prefixes and telephone numbers, by population. A person is drawn at addresses of
chance that nothing else uses, so that an identity depends on the customer's key and number alone.

Nobody's e-mail: all addresses end in domains that RFC 2606 keeps free for examples.

Nobody's telephone:

- Japan, fixed lines: in the numbering plan the exchange that follows the area code never begins with 0 or 1, since a
  leading 0 dials another area and a leading 1 a service such as 110. Here the first two digits of an exchange are 0
  or 1, so that a number is nobody's also if read by a longer area code (024-01… as 0240-1…). Where the digits could be
  a number of a shorter code (047-01… as 04-701…, which are in use), people have mobile numbers only.
- Japan, mobile: the digit after 070 and 090 is never 0 (080-0 is a toll-free service, and so is not used).
- United States: 555-0100 to 555-0199 of each area code, kept free for fiction.
- United Kingdom: the ranges that Ofcom keeps free for drama, mobile 07700 900000 to 900999 among them.
"""

from __future__ import annotations

import csv
import datetime as dt
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import accumulate, product
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crmkit.errors import ParameterError
from crmkit.simulator.exact import Floats, Ints, Words, pick, three, words

LOCALES = ("ja_JP", "en_US", "en_GB")  # these have pools; other locales are left to Faker
COLUMNS = ("name", "name_kana", "email", "phone", "postal_code", "prefecture", "city", "birth_date", "gender")
FIRST_ADDRESS = 1_000_000  # of the draws made here; what happens to customers draws below
MOBILE = {"ja_JP": ("070-0###-####", "090-0###-####"), "en_US": (), "en_GB": ("07700 900###",)}
MOBILE_SHARE = 0.8
DOMAINS = ("example.com", "example.org", "example.net", "mail.example", "post.example", "inbox.example")
GENDERS = ("female", "male")
_REST_OF_POSTAL_CODE = {"ja_JP": "-####", "en_US": "##", "en_GB": " #AA"}
_SIGNS = {"#": "0123456789", "?": "01", "A": "ABDEFGHJLNPQRSTUWXYZ"}  # the letters that British postcodes end in
_GROUP = 1 << 32  # wider than the weights of any group of names


@dataclass(frozen=True, slots=True)
class Who:
    """What kind of people come.

    Args:
        female_share: Share of women, 0 to 1.
        ages: Bands of whole years with their weights, such as `{"18-24": 2, "25-34": 3}`; both ends belong to the band.
        regions: Prefectures, states or counties they live in, by population; none = the whole country.
        on: The day on which they are of these ages.
        known: Share of e-mail addresses, telephone numbers, postal codes, places, birth dates and genders that were
            noted, each by itself; the rest is null.

    Raises:
        ParameterError: a share outside 0 to 1, or bands that cannot be read.
    """

    female_share: float
    ages: Mapping[str, float]
    on: dt.date
    regions: tuple[str, ...] = ()
    known: float = 0.95

    def __post_init__(self) -> None:
        for parameter, value in (("female_share", self.female_share), ("known", self.known)):
            if not 0 <= value <= 1:
                raise ParameterError("not_a_share", parameter=parameter, value=value)
        bands = [re.fullmatch(r"(\d{1,3})-(\d{1,3})", band) for band in self.ages]
        readable = all(band and int(band[1]) <= int(band[2]) <= 120 for band in bands)
        if not readable or min(self.ages.values(), default=-1) < 0 or sum(self.ages.values()) <= 0:
            raise ParameterError("age_bands", ages=dict(self.ages))


def check_locale(locale: str) -> None:
    """Make sure that people of this locale can be drawn.

    Raises:
        ParameterError: neither the pools nor Faker have names for it; the nearest locale is offered.

    Examples:
        >>> check_locale("fr_FR")
        >>> check_locale("jp_JP")
        Traceback (most recent call last):
        crmkit.errors.ParameterError: There is no locale 'jp_JP' (nearest: 'ja_JP'). ...
    """
    if locale in LOCALES:
        return
    from faker.config import AVAILABLE_LOCALES

    if locale not in AVAILABLE_LOCALES or not _own(locale, "person"):
        offered = sorted({*LOCALES, *AVAILABLE_LOCALES} - {locale})
        lowered = {name.lower(): name for name in offered}
        close = difflib.get_close_matches(locale.replace("-", "_").lower(), lowered, n=1, cutoff=0.5)
        nearest = lowered[close[0]] if close else ""
        raise ParameterError("unknown_locale", locale=locale, nearest=nearest)


def identities(keys: Words, numbers: Ints, *, locale: str = "ja_JP", who: Who) -> dict[str, pa.Array]:
    """Name and address of each customer.

    Args:
        keys: The customers' keys.
        numbers: The customers' numbers, from which e-mail addresses are unique.
        locale: "ja_JP", "en_US", "en_GB" (from the pools), or any locale of Faker such as "fr_FR". Those take about
            fifty times as long and change with Faker's version; their region, city and postal code do not belong
            together, they have no telephone, what Faker does not know of a country is null, and `who.regions` must
            be empty.
        who: What kind of people come.

    Returns:
        Arrays by column, each as long as `keys`: `name` (always there), `name_kana` (full-width katakana, always there
        in Japan, null elsewhere), `email`, `phone`, `postal_code`, `prefecture` (in Japan; elsewhere the state, in
        England the county), `city`, `birth_date` (date32), `gender` ("female", "male"). `prefecture`, `city` and
        `gender` are dictionary arrays. Telephone numbers of the English locales are few, so people share them.

    Raises:
        ParameterError: an unknown locale or region; the nearest is offered.

    Examples:
        >>> from crmkit.simulator.exact import customer_keys
        >>> who = Who(female_share=0.7, ages={"20-39": 1}, on=dt.date(2026, 4, 1), regions=("東京都",), known=1.0)
        >>> numbers = np.arange(2)
        >>> people = identities(customer_keys(7, numbers), numbers, who=who)
        >>> for row in pa.table(people).select(["name", "name_kana", "email", "phone", "city"]).to_pylist():
        ...     print(*row.values())
        林 美咲 ハヤシ ミサキ m.hayashi0@post.example 070-0104-7001 港区
        山崎 龍之介 ヤマザキ リュウノスケ yamazaki.ryunosuke1@example.net 090-0190-3637 大田区
    """
    check_locale(locale)
    u = _Draws(*(draw for n in range(7) for draw in three(words(keys, FIRST_ADDRESS + n))))
    female = u.gender < who.female_share
    born = _born(u.band, u.day, who)
    if locale in LOCALES:
        found = _from_pool(u, numbers, locale, who, female, born)
    elif who.regions:
        raise ParameterError("no_regions", locale=locale)
    else:
        found = _from_faker(keys, numbers, locale, female)
    found["birth_date"] = pa.array(born.astype(np.int32)).cast(pa.date32())
    found["gender"] = _category(np.where(female, 0, 1), pa.array(GENDERS))
    noted = {
        "email": u.email_known, "phone": u.phone_known, "postal_code": u.postal_known, "prefecture": u.place_known,
        "city": u.place_known, "birth_date": u.birth_known, "gender": u.gender_known,
    }  # fmt: skip
    return {
        column: _where(noted[column] < who.known, found[column]) if column in noted else found[column]
        for column in COLUMNS
    }


class _Draws(NamedTuple):
    """What chance says of each person, all in [0, 1); the order is the order of addresses, so new ones go last."""

    gender: Floats
    family: Floats
    given: Floats
    band: Floats
    day: Floats
    place: Floats
    postal: Floats
    postal_rest: Floats
    phone_kind: Floats
    phone_middle: Floats
    phone_tail: Floats
    phone_mobile: Floats
    email_known: Floats
    phone_known: Floats
    postal_known: Floats
    place_known: Floats
    birth_known: Floats
    gender_known: Floats
    email_style: Floats
    email_domain: Floats
    spare: Floats


def _from_pool(u: _Draws, numbers: Ints, locale: str, who: Who, female: Any, born: Ints) -> dict[str, pa.Array]:
    """Name, e-mail, telephone and place from the pools of a locale."""
    pool = _pool(locale)
    family = pick(u.family, pool.family_weights)
    given = pool.pick_given(u.given, female, born)
    among, weights = _places(locale, who.regions)
    place = among[pick(u.place, weights)]
    return {
        "name": pool.name(family, given),
        "name_kana": pool.kana(family, given),
        "email": pool.email(family, given, numbers, u),
        "phone": pool.phone(place, u),
        "postal_code": pool.postal_code(place, u),
        "prefecture": _category(pool.region_of[place], pool.regions),
        "city": _category(pool.city_of[place], pool.cities),
    }


def _born(u_band: Floats, u_day: Floats, who: Who) -> Ints:
    """Days since 1970 on which people were born: any day that puts their age into the band that was drawn."""
    bands = [tuple(map(int, band.split("-"))) for band in who.ages]
    first = np.array([_birthday(who.on, old + 1) + 1 for _, old in bands])
    last = np.array([_birthday(who.on, young) for young, _ in bands])
    band = pick(u_band, list(who.ages.values()))
    return first[band] + _whole(u_day * (last - first + 1)[band])


def _birthday(on: dt.date, age: int) -> int:
    """The last day (since 1970) on which somebody of this age can have been born."""
    day = on.replace(day=28) if (on.month, on.day) == (2, 29) else on
    year = on.year - age
    if day != on and year % 4 == 0 and (year % 100 or year % 400 == 0):
        day = on  # that year, too, had a 29th of February
    return (day.replace(year=year) - dt.date(1970, 1, 1)).days


def _category(codes: Ints, values: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), values)


def _where(known: Any, values: pa.Array) -> pa.Array:
    """The values that are known, and null."""
    if known.all():
        return values
    if pa.types.is_dictionary(values.type):  # Arrow would build the dictionary anew
        return pa.DictionaryArray.from_arrays(_where(known, values.indices), values.dictionary)
    return pc.if_else(pa.array(known), values, pa.scalar(None, values.type))


# The pools


@dataclass(frozen=True, slots=True)
class _Pool:
    """What the files of one locale say, ready for drawing whole blocks."""

    family: pa.Array
    family_kana: pa.Array
    family_weights: list[float]
    given: pa.Array
    given_kana: pa.Array
    given_edges: Ints  # running sums of the weights of the names, one group for each gender and decade of birth
    given_first: Ints  # where the names of each group begin
    given_total: Ints  # the sum of each group's weights
    first_decade: int
    mail_left: (
        pa.Array
    )  # "given." for each given name, then "given_", "given", each "family.", "g." for each given name
    mail_right: pa.Array  # each family name, each given name, nothing
    regions: pa.Array
    region_of: Ints  # by place
    cities: pa.Array
    city_of: Ints
    people: list[float]
    postal: pa.Array
    postal_first: Ints  # where the beginnings of each place's postal codes begin, and how many there are
    postal_count: Ints
    postal_rest: pa.Array
    phone_head: pa.Array  # by place, then the mobile ones
    phone_first: Ints  # where the middles that may follow begin, and how many there are; none = no fixed lines
    phone_count: Ints
    phone_middle: pa.Array
    phone_tail: pa.Array

    def pick_given(self, u: Floats, female: Any, born: Ints) -> Ints:
        """A given name of the person's gender and decade of birth."""
        year = born.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
        decades = len(self.given_total) // 2
        group = np.clip((year - self.first_decade) // 10, 0, decades - 1) + np.where(female, 0, decades)
        at = group * _GROUP + _whole(u * self.given_total[group])
        found: Ints = np.searchsorted(self.given_edges, at, side="right") - self.given_first[group]
        return found

    def name(self, family: Ints, given: Ints) -> pa.Array:
        """The whole name, in the order of the country."""
        parts = _take(self.family, family), _take(self.given, given)
        return _join(*(parts if self.family_kana.null_count == 0 else parts[::-1]), by=" ")

    def kana(self, family: Ints, given: Ints) -> pa.Array:
        """How the name is read; null where names have no readings."""
        if self.family_kana.null_count:
            return pa.nulls(len(family), pa.string())
        return _join(_take(self.family_kana, family), _take(self.given_kana, given), by=" ")

    def email(self, family: Ints, given: Ints, numbers: Ints, u: _Draws) -> pa.Array:
        """Addresses in several styles; the number at the end of the name makes each one unique."""
        names, families = len(self.given), len(self.family)
        style = _whole(u.email_style * 5)
        initial = given + 3 * names + families
        left = np.choose(style, [given, given + names, given + 2 * names, family + 3 * names, initial])
        right = np.choose(style, [family, family, np.full_like(given, families + names), given + families, family])
        domain = _take(pa.array([f"@{domain}" for domain in DOMAINS]), _whole(u.email_domain * len(DOMAINS)))
        return _join(
            _take(self.mail_left, left), _take(self.mail_right, right), pa.array(numbers).cast(pa.string()), domain
        )

    def phone(self, place: Ints, u: _Draws) -> pa.Array:
        """Numbers that cannot be assigned: mobile, or of the city."""
        places = len(self.people)
        mobiles = len(self.phone_head) - places
        mobile = (u.phone_kind < MOBILE_SHARE) | (self.phone_count[place] == 0)
        kind = np.where(mobile, places + _whole(u.phone_mobile * mobiles), place) if mobiles else place
        middle = self.phone_first[kind] + _whole(u.phone_middle * self.phone_count[kind])
        tail = _take(self.phone_tail, _whole(u.phone_tail * len(self.phone_tail)))
        return _join(_take(self.phone_head, kind), _take(self.phone_middle, middle), tail)

    def postal_code(self, place: Ints, u: _Draws) -> pa.Array:
        """A postal code whose beginning is the city's; the rest is arbitrary."""
        first = self.postal_first[place] + _whole(u.postal * self.postal_count[place])
        rest = _take(self.postal_rest, _whole(u.postal_rest * len(self.postal_rest)))
        return _join(_take(self.postal, first), rest)


def _whole(numbers: Floats) -> Ints:
    return numbers.astype(np.int64)


def _take(values: pa.Array, at: Ints) -> pa.Array:
    return values.take(pa.array(at))


def _join(*parts: pa.Array, by: str = "") -> pa.Array:
    return pc.binary_join_element_wise(*parts, by)


@cache
def _pool(locale: str) -> _Pool:
    families, given, places = (_rows(f"{locale}_{kind}.csv") for kind in ("family", "given", "places"))
    decades = [head for head in given[0] if head.isdigit()]
    return _Pool(
        family=_column(families, "name"),
        family_kana=_column(families, "kana"),
        family_weights=[float(row["weight"]) for row in families],
        given=_column(given, "name"),
        given_kana=_column(given, "kana"),
        **_groups(given, decades),
        first_decade=int(decades[0]),
        mail_left=pa.array(
            [row["ascii"] + sign for sign in (".", "_", "") for row in given]
            + [row["ascii"] + "." for row in families]
            + [row["ascii"][0] + "." for row in given]
        ),
        mail_right=pa.array([row["ascii"] for row in (*families, *given)] + [""]),
        **_addresses(places, locale),
        **_telephones(places, locale),
    )


def _groups(given: list[dict[str, str]], decades: list[str]) -> dict[str, Any]:
    """The given names of each gender and decade of birth, as running sums."""
    groups = [(gender, decade) for gender in GENDERS for decade in decades]
    weights = np.array([[int(row[decade]) * (row["gender"] == gender) for row in given] for gender, decade in groups])
    sums = np.cumsum(weights, axis=1)
    begin = np.arange(len(groups))
    return {
        "given_edges": (sums + begin[:, None] * _GROUP).ravel(),
        "given_first": begin * len(given),
        "given_total": sums[:, -1],
    }


def _addresses(places: list[dict[str, str]], locale: str) -> dict[str, Any]:
    """Regions, cities and postal codes."""
    regions = list(dict.fromkeys(row["region"] for row in places))
    cities = list(dict.fromkeys(row["city"] for row in places))  # two prefectures have a Fuchū
    postal = [row["postal"].split() for row in places]
    counts = np.array([len(codes) for codes in postal])
    return {
        "regions": pa.array(regions),
        "region_of": np.array([regions.index(row["region"]) for row in places]),
        "cities": pa.array(cities),
        "city_of": np.array([cities.index(row["city"]) for row in places]),
        "people": [float(row["weight"]) for row in places],
        "postal": pa.array([code for codes in postal for code in codes]),
        "postal_first": np.cumsum(counts) - counts,
        "postal_count": counts,
        "postal_rest": pa.array(_all(_REST_OF_POSTAL_CODE[locale])),
    }


def _telephones(places: list[dict[str, str]], locale: str) -> dict[str, Any]:
    """Templates such as 03-0?##-#### taken apart: what is fixed, what fills the middle, the last four digits."""
    templates = [*(row["phone"] for row in places), *MOBILE[locale]]
    parts = [re.fullmatch(r"([^?#]*)([?#]*)(.*)", template) for template in templates]
    heads, middles, tails = zip(*(part.groups() for part in parts if part), strict=True)
    kinds = {middle: _all(middle) if middle else [] for middle in dict.fromkeys(middles)}
    starts = dict(zip(kinds, accumulate(map(len, kinds.values()), initial=0), strict=False))
    return {
        "phone_head": pa.array(heads),
        "phone_first": np.array([starts[middle] for middle in middles]),
        "phone_count": np.array([len(kinds[middle]) for middle in middles]),
        "phone_middle": pa.array([one for kind in kinds.values() for one in kind]),
        "phone_tail": pa.array(_all(max(tails))),
    }


def _all(pattern: str) -> list[str]:
    """Everything a pattern can become, in order."""
    return ["".join(signs) for signs in product(*(_SIGNS.get(sign, sign) for sign in pattern))]


@cache
def _places(locale: str, regions: tuple[str, ...]) -> tuple[Ints, list[float]]:
    """The places of some regions, or of all, and how many people live there."""
    pool = _pool(locale)
    names = pool.regions.to_pylist()
    for region in regions:
        if region not in names:
            nearest = next(iter(difflib.get_close_matches(region, names, n=1)), "")
            raise ParameterError("unknown_region", region=region, locale=locale, nearest=nearest, example=names[0])
    wanted = {names.index(region) for region in regions or names}
    among = np.array([place for place, region in enumerate(pool.region_of.tolist()) if region in wanted])
    return among, [pool.people[place] for place in among.tolist()]


def _rows(name: str) -> list[dict[str, str]]:
    text = files(__package__).joinpath("pools", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _column(rows: list[dict[str, str]], name: str) -> pa.Array:
    return pa.array([row[name] or None for row in rows], pa.string())


# Other countries


@cache
def _faker(locale: str) -> Any:
    from faker import Faker

    return Faker(locale)


def _own(locale: str, kind: str) -> bool:
    """Whether Faker has data of its own for a locale, and does not fall back on American ones."""
    providers = _faker(locale).factories[0].get_providers()
    return any(one.__provider__ == f"faker.providers.{kind}" and one.__lang__[:2] == locale[:2] for one in providers)


def _from_faker(keys: Words, numbers: Ints, locale: str, female: Any) -> dict[str, pa.Array]:
    """Names and places from Faker, one person after the other, each seeded with the customer's key."""
    fake = _faker(locale)
    has_places = _own(locale, "address")
    rows = []
    for key, number, woman in zip(keys.tolist(), numbers.tolist(), female.tolist(), strict=True):
        fake.seed_instance(key)
        given, family = fake.first_name_female() if woman else fake.first_name_male(), fake.last_name()
        place = [_ask(fake, "postcode"), _ask(fake, "administrative_unit", "region"), _ask(fake, "city")]
        email = f"customer{number}@{DOMAINS[key % len(DOMAINS)]}"
        rows.append((_whole_name(locale, given, family), email, *(place if has_places else [None] * 3)))
    columns = ("name", "email", "postal_code", "prefecture", "city")
    found = {column: pa.array([row[at] for row in rows], pa.string()) for at, column in enumerate(columns)}
    places = {column: found[column].dictionary_encode() for column in ("prefecture", "city")}
    # no telephone: what Faker makes up may be somebody's, and not every country keeps numbers free
    return found | places | dict.fromkeys(("name_kana", "phone"), pa.nulls(len(rows), pa.string()))


def _whole_name(locale: str, given: str, family: str) -> str:
    """The name in the order of the country; in Chinese and Korean without a space."""
    if locale[:2] in ("zh", "ko"):
        return family + given
    return f"{family} {given}" if locale[:2] == "hu" else f"{given} {family}"


def _ask(fake: Any, *methods: str) -> str | None:
    """What the first of the methods says that this locale has."""
    return next((str(getattr(fake, method)()) for method in methods if hasattr(fake, method)), None)
