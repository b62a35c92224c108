"""How alike two records are: for each kind of evidence a grade, for each grade a weight, and their sum.

A weight is the logarithm (to base 2) of how much more often the grade is met with two records of one person than with
two records of strangers: +10 is a thousand times (Fellegi and Sunter 1969). The weights are fixed, so that a pair means
the same in any table and no record changes what is found about two others:

- strangers: of two Japanese full names one pair in 30,000 is the same (15), of birth dates one day in 60 years (14.4),
  of postal codes one in some thousands of those a shop has (12); an address or number is hardly ever hit by chance, but
  typed, inherited and lent (19, 18).
- one person: keeps name and birth date for life, while addresses and numbers change: unlike ones say little.
- the household is what makes evidence hang together: all but given name and birth date agree there. So these two, when
  they differ, outweigh all the rest together, and where somebody lives counts only beside a name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from crmkit.metrics.management.writing import is_reading, sound

Record = Mapping[str, Any]
EVIDENCE = ("name", "email", "phone", "birth_date", "address")
AGREE, NEAR, PART, DIFFER, UNKNOWN = "agree", "near", "part", "differ", "unknown"
WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "name": {AGREE: 15.0, NEAR: 6.0, PART: 1.0, DIFFER: -60.0, UNKNOWN: 0.0},
    "email": {AGREE: 19.0, NEAR: 8.0, DIFFER: -0.5, UNKNOWN: 0.0},
    "phone": {AGREE: 18.0, NEAR: 6.0, DIFFER: -2.0, UNKNOWN: 0.0},
    "birth_date": {AGREE: 14.4, NEAR: 5.0, DIFFER: -60.0, UNKNOWN: 0.0},
    "address": {AGREE: 12.0, NEAR: 5.0, DIFFER: -2.0, UNKNOWN: 0.0},
}
THRESHOLD = 26.0

# Kana that are taken for each other: with and without voicing marks, and of the same shape.
_ALIKE = (
    "カガ", "キギ", "クグワ", "ケゲ", "コゴユ", "サザ", "シジツズ", "スズヌ", "セゼ", "ソゾンリ", "タダ",
    "チジテ", "テデ", "トド", "ハバパ", "ヒビピ", "フブプ", "ヘベペ", "ホボポ", "ルレ",
)  # fmt: skip
_LATIN_ALIKE = ("iy", "ck", "sz", "vw", "lr", "ou", "0o", "1l")
_LEAST_LOCAL = 5  # shorter parts before the @ are had by many


def weight(evidence: str, grade: str, name: str = AGREE) -> float:
    """The weight of a grade; that of an address depends on the grade of the names."""
    return 0.0 if evidence == "address" and name not in (AGREE, NEAR) else WEIGHTS[evidence][grade]


@lru_cache(maxsize=200_000)
def names(who: str, other: str) -> str:
    """The grade of two names, each as "parts in kanji or letters/parts of the reading".

    Examples:
        >>> names("高橋 遥/タカハシ ハルカ", "高橋遥/"), names("高橋 遥/", "遥 高橋/"), names("高橋 遥/", "高橋 渚/")
        ('agree', 'near', 'differ')
        >>> names("高橋 遥/タカハシ ハルカ", "高橋 春香/タカハシ ハルカ"), names("高橋 遥/", "鈴木 遥/")
        ('near', 'part')
    """
    (name, reading), (name_2, reading_2) = (tuple(one.split("/")) for one in (who, other))
    grades = [_one_writing(*pair) for pair in ((name, name_2), (reading, reading_2)) if all(pair)]
    if not grades:
        return UNKNOWN
    written, read = grades[0], grades[-1]
    if written == AGREE:
        return AGREE  # one writing is often read in two ways, and the reading guessed
    if len(grades) == 1:
        return written
    if read == AGREE:
        return NEAR if written == DIFFER else written if written != UNKNOWN else AGREE
    # unlike in both writings: a slip in the reading would not change the kanji as well
    return PART if PART in grades else UNKNOWN if UNKNOWN in grades else NEAR if written == NEAR else DIFFER


def _one_writing(one: str, other: str) -> str:
    """The grade of two names in the same writing."""
    ours, theirs = one.split(), other.split()
    whole, whole_2 = sound("".join(ours)), sound("".join(theirs))
    if whole == whole_2:
        return AGREE
    if any(
        len(parts) == 2 and sound("".join(parts[::-1])) == there for parts, there in ((ours, whole_2), (theirs, whole))
    ):
        return NEAR
    if _short(ours, theirs) or _short(theirs, ours):
        return UNKNOWN
    if len(ours) == len(theirs) == 2:
        return _by_parts(ours, theirs)
    return NEAR if is_reading(whole) and _kana_slip(whole, whole_2) else DIFFER


def _by_parts(ours: list[str], theirs: list[str]) -> str:
    latin = ours[0].isascii()
    (given, family), (given_2, family_2) = ((one if latin else one[::-1]) for one in (ours, theirs))
    if sound(given) == sound(given_2):
        return NEAR if _one_edit(family, family_2) and len(family) > 2 else PART
    if sound(family) != sound(family_2):
        return DIFFER
    slip = _latin_slip(given, given_2) if latin else _kana_slip(sound(given), sound(given_2))
    return NEAR if slip else DIFFER


def _short(few: list[str], many: list[str]) -> bool:
    """A family name alone, or a letter for the given name: says too little."""
    if len(few) == 1:
        whole = "".join(many)
        return few[0] in many or (len(few[0]) < len(whole) and len(many) == 1 and whole.startswith(few[0]))
    if len(few) != len(many):
        return set(few) < set(many)
    pairs = list(zip(few, many, strict=True))
    return any(len(a) == 1 < len(b) and a.isascii() for a, b in pairs) and all(b.startswith(a) for a, b in pairs)


def _kana_slip(one: str, other: str) -> bool:
    """One sign was taken for another; a sign more or less is another name (ユキ, ユウキ)."""
    if len(one) != len(other) or len(one) < 3:
        return False
    unlike = [{a, b} for a, b in zip(one, other, strict=True) if a != b]
    return len(unlike) == 1 and any(unlike[0] <= set(group) for group in _ALIKE)


def _latin_slip(one: str, other: str) -> bool:
    """Jon and John, Stephen and Stehpen; not Eric and Erica, nor Maria and Marie."""
    if min(len(one), len(other)) < 3 or one[-1] != other[-1] or not _one_edit(one, other):
        return False
    unlike = {frozenset((a, b)) for a, b in zip(one, other, strict=False) if a != b}
    substituted = len(one) == len(other) and sorted(one) != sorted(other)
    return not substituted or any(next(iter(unlike)) == frozenset(group) for group in _LATIN_ALIKE)


def _one_edit(one: str, other: str) -> bool:
    """Whether a sign more, less or other, or two neighbours changed over, make one of the other."""
    one, other = sorted((one, other), key=len)
    at = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) < len(other):
        return one[at:] == other[at + 1 :]
    turned = one[at + 1 : at + 2] + one[at : at + 1] + one[at + 2 :]
    return one[at + 1 :] == other[at + 1 :] or turned == other[at:]


def emails(one: str, other: str) -> str:
    """The grade of two e-mail addresses: near are those of one owner by their looks, and slips that touch no digit.

    Examples:
        >>> emails("haruka.t@example.com", "haruka.t@example.org"), emails("haruka@a.example", "m-haruka@a.example")
        ('near', 'near')
        >>> emails("haruka@example.com", "haurka@example.com"), emails("haruka1@a.example", "haruka2@a.example")
        ('near', 'differ')
    """
    if one == other:
        return AGREE
    (local, domain), (local_2, domain_2) = ((text.rpartition("@")[0], text.rpartition("@")[2]) for text in (one, other))
    short, long = sorted((local, local_2), key=len)
    if len(short) < _LEAST_LOCAL or re.findall(r"\d+", local) != re.findall(r"\d+", local_2):
        return DIFFER
    if local == local_2:
        return NEAR
    apart = re.split(rf"(?:^|[-_.+]){re.escape(short)}(?:$|[-_.+])", long)
    owner = domain == domain_2 and (len(apart) == 2 or _one_edit(local, local_2))
    return NEAR if owner else DIFFER


def phones(one: str, other: str) -> str:
    """The grade of two telephone numbers: near are those with one digit other or two changed over.

    Examples:
        >>> phones("0312345678", "0312354678"), phones("0312345678", "0387654321")
        ('near', 'differ')
    """
    return AGREE if one == other else NEAR if len(one) == len(other) and _one_edit(one, other) else DIFFER


def days(one: int, other: int) -> str:
    """The grade of two days, each as 19840102: near are day and month changed over, and one digit or two of one part.

    Examples:
        >>> days(19840102, 19840201), days(19850312, 19580312), days(19840102, 19840103), days(19840102, 19910715)
        ('near', 'near', 'near', 'differ')
    """
    if one == other:
        return AGREE
    (y, m, d), (y_2, m_2, d_2) = (
        tuple(map(int, (str(day)[:-4], str(day)[-4:-2], str(day)[-2:]))) for day in (one, other)
    )
    if (y, m, d) == (y_2, d_2, m_2):
        return NEAR
    unlike = [f"{a:04}|{b:04}".split("|") for a, b in ((y, y_2), (m, m_2), (d, d_2)) if a != b]
    return NEAR if len(unlike) == 1 and _one_edit(*unlike[0]) else DIFFER


def grades(pair: Record) -> dict[str, str]:
    """The grade of each kind of evidence."""
    found = {"name": names(*sorted((pair["who"], pair["who_2"])))}
    compared: Mapping[str, tuple[str, Callable[..., str]]] = {
        "email": ("email", emails), "phone": ("phone", phones), "birth_date": ("day", days)
    }  # fmt: skip
    for one, (column, grade) in compared.items():
        said, other = pair[column], pair[f"{column}_2"]
        found[one] = grade(said, other) if said and other else UNKNOWN
    return {**found, "address": pair["address"]}


def weighed(pair: Record) -> dict[str, Any]:
    """The grades, their weights and the sum."""
    found = grades(pair)
    weights = {one: weight(one, grade, found["name"]) for one, grade in found.items()}
    beside = {f"{one}_weight": weight for one, weight in weights.items()}
    return {**found, **beside, "weight": round(sum(weights.values()), 6)}
