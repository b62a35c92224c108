"""Days and instants as people and programs write them: in figures, words, Japanese eras, and as counts of days."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmkit.schema import EARLIEST_YEAR

Mask = np.ndarray[Any, np.dtype[np.bool_]]

# Each era from its first day; the next one ends it. Japan counts by the Gregorian calendar since Meiji 6.
_ERAS = {
    "明治": (1867, "1873-01-01", "1912-07-30"),
    "大正": (1911, "1912-07-30", "1926-12-25"),
    "昭和": (1925, "1926-12-25", "1989-01-08"),
    "平成": (1988, "1989-01-08", "2019-05-01"),
    "令和": (2018, "2019-05-01", "9999-12-31"),
}  # fmt: skip
_ERA_OF = {**{name: name for name in _ERAS}, **dict(zip("MTSHR", _ERAS, strict=True))}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_CLOCK = (
    r"(?P<p>午前|午後)? *(?P<H>\d{1,2})(?:[:時](?P<M>\d{1,2})(?:[:分](?P<S>\d{2})(?:\.(?P<f>\d{1,9}))?秒?|分)?|時)"
    r"(?: ?(?P<q>[aApP])\.?[mM]\.?)?"
)
_ZONE = r" *(?P<z>Z|[+-]\d{2}:?\d{2})"
_WEEKDAY = r"(?: *\([月火水木金土日](?:曜日?)?\))?"
_TIME = rf"{_WEEKDAY}(?:[ T]+{_CLOCK}(?:{_ZONE})?)?$"
_JAPANESE_TIME = _TIME.replace("[ T]+", "[ T]*", 1)
_ERA_NAME = "(?P<e>明治|大正|昭和|平成|令和|[MTSHR])"
_DAY_NAME = r"^(?i:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[,.]? +)?"
_MONTH_NAME = (
    r"(?i:(?P<b>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?))\.?"
)
_FORMATS = (
    rf"^(?P<y>\d{{4}})[-/.](?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}}){_TIME}",  # 2024-04-01T10:05:00+09:00, 2024/4/1 10:05
    rf"^(?P<y>\d{{4}})(?P<m>\d{{2}})(?P<d>\d{{2}}){_TIME}",  # 19970101
    rf"^(?P<y>\d{{4}})年 *(?P<m>\d{{1,2}})月 *(?P<d>\d{{1,2}})日{_JAPANESE_TIME}",  # 2024年4月1日10時05分
    rf"^{_ERA_NAME} *(?P<y>\d{{1,2}}|元)年 *(?P<m>\d{{1,2}})月 *(?P<d>\d{{1,2}})日{_JAPANESE_TIME}",  # 令和6年4月1日
    rf"^{_ERA_NAME}\.? *(?P<y>\d{{1,2}}|元)[-/.](?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}}){_TIME}",  # R6.4.1
    rf"{_DAY_NAME}(?P<d>\d{{1,2}})(?:st|nd|rd|th)?[ -]*{_MONTH_NAME}[ ,-]*(?P<y>\d{{4}}),?{_TIME}",  # 1 Apr 2024
    rf"{_DAY_NAME}{_MONTH_NAME} *(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:, *| +)(?P<y>\d{{4}}),?{_TIME}",  # Apr 1, 2024
    r"^(?P<y>(?:19|20)\d{2})(?P<m>\d{2})(?P<d>\d{2})(?P<H>\d{2})(?P<M>\d{2})(?P<S>\d{2})$",  # 20240401100500
)
_TURNED = r"^\d{1,2}[-/.]\d{1,2}[-/.]\d{4}(?:\D|$)"  # 03/04/2024: 3 April or 4 March
_DAY_FIRST = rf"^(?P<d>\d{{1,2}})[-/.](?P<m>\d{{1,2}})[-/.](?P<y>\d{{4}}),?{_TIME}"
_MONTH_FIRST = rf"^(?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}})[-/.](?P<y>\d{{4}}),?{_TIME}"

_SPREADSHEET_DAY_0 = np.datetime64("1899-12-30", "us")
# What numbers in a column of dates count, from where to where, and how many microseconds one is.
_COUNTS = (
    ("serial_date", 20_000, 60_000, 86_400_000_000),  # days of a spreadsheet, 1954 to 2064
    ("unix_time", 3e8, 4.2e9, 1_000_000),  # seconds since 1970, 1979 to 2103
    ("unix_time", 3e11, 4.2e12, 1_000),
    ("unix_time", 3e14, 4.2e15, 1),
)


@dataclass(slots=True)
class Moments:
    """What texts or numbers mean as instants (NaT = nothing), which lie before any shop, and how they were written."""

    values: np.ndarray
    too_old: Mask
    ambiguous: Mask
    notes: dict[str, Mask] = field(default_factory=dict)


def parse_moments(words: Any, rows: np.ndarray, zone: str, *, dayfirst: bool | None) -> Moments:
    """Instants of distinct texts: a fixed list of forms, each tried on what the ones before have left.

    Args:
        words: Distinct texts without spaces around them.
        rows: How many rows have each: numbers are taken for counts of days only where most rows are such.
        zone: The shop's clock.
        dayfirst: Whether 03/04/2024 is the 3rd of April; `None` = nobody knows.
    """
    tidy = pc.utf8_normalize(words, form="NFKC")
    found = _none(len(words), "zoned", "era_date")
    turned = () if dayfirst is None else (_DAY_FIRST,) if dayfirst else (_MONTH_FIRST,)
    left = np.arange(len(words))
    for form in (*_FORMATS, *turned):
        if not len(left):
            break
        parts = pc.extract_regex(tidy.take(pa.array(left)), form)
        fits = np.asarray(parts.is_valid())
        at, left = left[fits], left[~fits]
        _assemble(parts.filter(pa.array(fits)), zone, found, at)
    if len(left) and dayfirst is None:
        found.ambiguous = np.asarray(pc.match_substring_regex(tidy, _TURNED))
    _count(found, tidy, left, rows, zone)
    return found


def numbered_moments(number: np.ndarray, zone: str) -> Moments | None:
    """A column of numbers where dates are due, if most of them count days, or seconds since 1970; else `None`."""
    filled = int(np.isfinite(number).sum())
    for note, low, high, each in _COUNTS:
        inside = (number >= low) & (number < high)
        if 2 * inside.sum() > filled:
            found = _none(len(number), note)
            found.values[inside] = _counted(number[inside], note, each, zone)
            found.notes[note] = inside
            return found
    return None


def local(at: np.ndarray, zone: str) -> np.ndarray:
    """Instants of Greenwich as the clocks of `zone` show them."""
    return np.asarray(
        pd.DatetimeIndex(at).tz_localize("UTC").tz_convert(zone).tz_localize(None), dtype="datetime64[us]"
    )


def _none(rows: int, *notes: str) -> Moments:
    no = np.zeros(rows, dtype=bool)
    values = np.full(rows, "NaT", dtype="datetime64[us]")
    return Moments(values, no.copy(), no.copy(), {note: no.copy() for note in notes})


def _count(found: Moments, tidy: Any, left: np.ndarray, rows: np.ndarray, zone: str) -> None:
    """Texts of mere figures that no form has explained, if most rows are such."""
    some = tidy.take(pa.array(left))
    figures = np.asarray(pc.match_substring_regex(some, r"^\d{5,16}(?:\.\d+)?$"))
    at = left[figures]
    if 2 * rows[at].sum() <= rows[np.asarray(pc.not_equal(tidy, ""))].sum():
        return
    number = np.asarray(some.filter(pa.array(figures)).cast(pa.float64()).to_numpy(zero_copy_only=False))
    for note, low, high, each in _COUNTS:
        inside = (number >= low) & (number < high)
        if 2 * rows[at[inside]].sum() > rows[at].sum():
            found.values[at[inside]] = _counted(number[inside], note, each, zone)
            found.notes[note] = np.zeros(len(found.values), dtype=bool)
            found.notes[note][at[inside]] = True


def _counted(number: np.ndarray, note: str, each: int, zone: str) -> np.ndarray:
    micro = np.rint(number * each / 1000).astype(np.int64) * 1000 if each > 1 else number.astype(np.int64)
    if note == "serial_date":  # of the spreadsheet's own clock, which is the shop's
        return np.asarray(_SPREADSHEET_DAY_0 + micro.astype("timedelta64[us]"))
    return local(micro.astype("datetime64[us]"), zone)


def _assemble(parts: Any, zone: str, found: Moments, at: np.ndarray) -> None:
    """Instants from matched parts, put in their places.

    The parts are checked here: Arrow's own strptime turns 30 February into 1 March.
    """
    day, hour, minute, second = (_part(parts, name) for name in "dHMS")
    month = _part(parts, "m") if _has(parts, "m") else _month(parts)
    year, is_era, first, last = _year(parts)
    sane = (month >= 1) & (month <= 12) & (day >= 1) & (minute < 60) & (second < 60)
    hour, on_clock = _hour(parts, hour)
    months = (np.maximum(year, 1) * 12 + np.clip(month, 1, 12) - 1 - 1970 * 12).astype("datetime64[M]")
    sane &= on_clock & (day <= ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64))
    seconds = ((day - 1) * 24 + hour) * 3600 + minute * 60 + second
    values = months.astype("datetime64[us]") + (seconds * 1_000_000 + _micro(parts)).astype("timedelta64[us]")
    values[~sane | (values < first) | (values >= last)] = np.datetime64("NaT")
    zoned = _zones(parts, values, zone)
    found.values[at] = values
    found.too_old[at] = (year < EARLIEST_YEAR) | ((year == EARLIEST_YEAR) & (month <= 1) & (day <= 1))
    found.notes["zoned"][at] = zoned & ~np.isnat(values)
    found.notes["era_date"][at] = is_era & ~np.isnat(values)


def _year(parts: Any) -> tuple[np.ndarray, Mask, np.ndarray, np.ndarray]:
    """The year of our calendar, whether an era was named, and from when to when it lasted."""
    rows = len(parts)
    first, last = (np.full(rows, day, dtype="datetime64[us]") for day in ("0001-01-01", "9999-12-31T23:59:59.999999"))
    if not _has(parts, "e"):
        return _part(parts, "y"), np.zeros(rows, dtype=bool), first, last
    year = _figures(pc.replace_substring(parts.field("y"), "元", "1"))
    for at, name in enumerate(parts.field("e").to_pylist()):
        before, begins, ends = _ERAS[_ERA_OF[name]]
        year[at], first[at], last[at] = year[at] + before, np.datetime64(begins), np.datetime64(ends)
    return year, np.ones(rows, dtype=bool), first, last


def _month(parts: Any) -> np.ndarray:
    names = pc.utf8_slice_codeunits(pc.utf8_lower(parts.field("b")), 0, 3)
    return _numpy(pc.index_in(names, pa.array(_MONTHS)), fill=-1).astype(np.int64) + 1


def _hour(parts: Any, hour: np.ndarray) -> tuple[np.ndarray, Mask]:
    """The hour of the day, after 午前 / 午後 or before AM / PM, and whether a clock can show it."""
    if not _has(parts, "p"):
        return hour, hour < 24
    half = pc.utf8_lower(pc.if_else(pc.equal(parts.field("p"), ""), parts.field("q"), parts.field("p")))
    morning, evening = (_numpy(pc.is_in(half, pa.array(words)), fill=False) for words in (["午前", "a"], ["午後", "p"]))
    halved = morning | evening
    shown = np.where(halved, hour % 12 + 12 * evening, hour)
    both = _numpy(pc.and_(pc.not_equal(parts.field("p"), ""), pc.not_equal(parts.field("q"), "")), fill=False)
    # 午後13:05 is a slip of the pen that cannot mean anything else
    return shown, np.where(halved, (hour <= 12) | (evening & (hour < 24)), hour < 24) & ~both


def _micro(parts: Any) -> np.ndarray:
    if not _has(parts, "f"):
        return np.zeros(len(parts), dtype=np.int64)
    return _figures(pc.utf8_slice_codeunits(pc.utf8_rpad(parts.field("f"), 6, "0"), 0, 6))


def _zones(parts: Any, values: np.ndarray, zone: str) -> Mask:
    """Turn instants that came with a zone into the shop's clock; say which did."""
    if not _has(parts, "z"):
        return np.zeros(len(values), dtype=bool)
    said = parts.field("z")
    zoned = _numpy(pc.not_equal(said, ""), fill=False)
    if zoned.any():
        shift = [_offset(text) for text in said.filter(pa.array(zoned)).to_pylist()]
        values[zoned] = local(values[zoned] - np.array(shift, dtype="timedelta64[m]"), zone)
    return zoned


def _offset(zone: str) -> int:
    """Minutes east of Greenwich: Z, +0900 or +09:00."""
    if zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return minutes if zone[0] == "+" else -minutes


def _has(parts: Any, name: str) -> bool:
    return int(parts.type.get_field_index(name)) >= 0


def _part(parts: Any, name: str) -> np.ndarray:
    return _figures(parts.field(name)) if _has(parts, name) else np.zeros(len(parts), dtype=np.int64)


def _figures(text: Any) -> np.ndarray:
    return _numpy(pc.if_else(pc.equal(text, ""), "0", text).cast(pa.int64()), fill=0)


def _numpy(array: Any, *, fill: Any) -> np.ndarray:
    return np.array(pc.fill_null(array, fill).to_numpy(zero_copy_only=False))
