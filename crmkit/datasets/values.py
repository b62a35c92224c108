"""One column of a file, understood as the data model means it; what cannot be understood is marked, never guessed.

Text is parsed once per distinct value, so that five million rows with a thousand days in them cost a thousand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmkit.schema import EARLIEST_YEAR, Column

Mask = np.ndarray[Any, np.dtype[np.bool_]]

FAULTS = (
    "", "empty", "unreadable", "too_old", "future", "ambiguous", "negative", "not_allowed", "out_of_range", "nested",
)  # fmt: skip
CODE = {fault: code for code, fault in enumerate(FAULTS)}

_EMPTY_WORDS = pa.array(
    ["", "null", "NULL", "Null", "none", "None", "NONE", "nan", "NaN", "NAN", "NaT", "n/a", "N/A", "#N/A", "<NA>"]
)
_FLAGS = {
    **dict.fromkeys(("true", "1", "1.0", "t", "yes", "y", "はい", "有", "あり"), True),
    **dict.fromkeys(("false", "0", "0.0", "f", "no", "n", "いいえ", "無", "なし"), False),
}
# A spreadsheet's day 0 and day 1 (1899-12-30 to 1900-01-01) stand for "no day".
_FIRST_DAY = np.datetime64(f"{EARLIEST_YEAR}-01-02", "us")

_CLOCK = r"(?P<H>\d{1,2})(?:[:時](?P<M>\d{1,2})(?:[:分](?P<S>\d{2})(?:\.(?P<f>\d{1,9}))?秒?|分)?|時)"
_ZONE = r" *(?P<z>Z|[+-]\d{2}:?\d{2})"
_WEEKDAY = r"(?: *\([月火水木金土日]\))?"
_TIME = rf"{_WEEKDAY}(?:[ T]+{_CLOCK}(?:{_ZONE})?)?$"
_FORMATS = (
    rf"^(?P<y>\d{{4}})[-/.](?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}}){_TIME}",  # 2024-04-01T10:05:00+09:00, 2024/4/1 10:05
    rf"^(?P<y>\d{{4}})(?P<m>\d{{2}})(?P<d>\d{{2}}){_TIME}",  # 19970101
    rf"^(?P<y>\d{{4}})年 *(?P<m>\d{{1,2}})月 *(?P<d>\d{{1,2}})日{_TIME.replace('+', '*', 1)}",  # 2024年4月1日10時05分
)
_TURNED = r"^\d{1,2}[-/.]\d{1,2}[-/.]\d{4}(?:\D|$)"  # 03/04/2024: 3 April or 4 March
_DAY_FIRST = rf"^(?P<d>\d{{1,2}})[-/.](?P<m>\d{{1,2}})[-/.](?P<y>\d{{4}}){_TIME}"
_MONTH_FIRST = rf"^(?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}})[-/.](?P<y>\d{{4}}){_TIME}"


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read: the data set's zone, the moment of loading in it, and whether 03/04/2024 is the 3rd of April."""

    zone: str
    now: datetime | None
    dayfirst: bool | None


@dataclass(slots=True)
class Values:
    """A column after reading: its values, one fault code each (0 = none), and what was tidied up on the way."""

    values: Any
    faults: np.ndarray
    notes: dict[str, Mask] = field(default_factory=dict)

    def mark(self, fault: str, where: Mask) -> None:
        """Set a fault where there is none yet."""
        self.faults[where & (self.faults == 0)] = CODE[fault]


def read_column(column: pa.ChunkedArray, model: Column, how: Reading) -> Values:
    """Understand one column of a file as the model's `model.kind`."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):  # pandas and Polars write these
        column = column.cast(pa.string())
    try:
        return _READERS[model.kind](column, model, how)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):  # lists, structs, bytes: no cell of a table
        return Values(pa.nulls(len(column), pa.string()), np.full(len(column), CODE["nested"], dtype=np.uint8))


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as text, as far as it can be had."""
    try:
        return column.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return pa.chunked_array([pa.array([str(value) for value in column.to_pylist()], pa.string())])


def _no_faults(column: pa.ChunkedArray) -> np.ndarray:
    return np.zeros(len(column), dtype=np.uint8)


def _numpy(array: Any, *, fill: Any) -> np.ndarray:
    return np.asarray(pc.fill_null(array, fill).to_numpy(zero_copy_only=False))


def _is_empty(words: Any) -> Any:
    return pc.fill_null(pc.is_in(pc.utf8_trim_whitespace(words), _EMPTY_WORDS), True)


def _texts(column: pa.ChunkedArray, model: Column, how: Reading) -> Values:
    """Names, ids and free text: kept letter by letter, but for spaces around an id."""
    if model.kind == "id":
        # whole numbers beside empty cells become floats: 1001.0
        if pa.types.is_floating(column.type) and pc.all(pc.equal(column, pc.floor(column))).as_py():
            column = column.cast(pa.int64())
        column = pc.utf8_trim_whitespace(column.cast(pa.string()))
    column = column.cast(pa.string())
    empty = _is_empty(column)
    values = Values(pc.if_else(empty, pa.scalar(None, pa.string()), column), _no_faults(column))
    values.mark("empty", np.asarray(empty.to_numpy()))
    return values


def _by_word(column: pa.ChunkedArray, parse: Callable[[Any], Values], meant: tuple[str, ...] = ()) -> Values:
    """Parse each distinct text once and spread the result over the rows; words `meant` are never taken for empty."""
    column = column.cast(pa.string()).combine_chunks()
    coded = (column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column).dictionary_encode()
    at = _numpy(coded.indices, fill=len(coded.dictionary))
    words = pc.utf8_trim_whitespace(pa.concat_arrays([coded.dictionary, pa.array([""])]))  # the last one is "no value"
    parsed = parse(words)
    empty = pc.and_not(_is_empty(words), pc.is_in(words, pa.array(meant, pa.string())))
    parsed.faults[np.asarray(empty)] = CODE["empty"]
    values = parsed.values[at] if isinstance(parsed.values, np.ndarray) else parsed.values.take(pa.array(at))
    return Values(values, parsed.faults[at], {name: mask[at] for name, mask in parsed.notes.items()})


def _categories(column: pa.ChunkedArray, model: Column, how: Reading) -> Values:
    def parse(words: Any) -> Values:
        tidy = pc.utf8_lower(pc.utf8_normalize(words, form="NFKC"))
        tidy = pc.replace_substring_regex(tidy, r"[ -]+", "_")
        allowed = pc.is_in(tidy, pa.array(model.allowed))
        values = Values(pc.if_else(allowed, tidy, None), np.zeros(len(words), dtype=np.uint8))
        values.mark("not_allowed", ~np.asarray(allowed))
        values.notes["rewritten"] = np.asarray(pc.and_(allowed, pc.not_equal(tidy, words)))
        return values

    return _by_word(column, parse, model.allowed)  # the model's own "none", such as no offer, is a value


def _flags(column: pa.ChunkedArray, model: Column, how: Reading) -> Values:
    if pa.types.is_boolean(column.type):
        values = Values(column, _no_faults(column))
        values.mark("empty", np.asarray(column.is_null().to_numpy()))
        return values

    def parse(words: Any) -> Values:
        found = [_FLAGS.get(word.lower()) for word in words.to_pylist()]
        values = Values(pa.array(found, pa.bool_()), np.zeros(len(words), dtype=np.uint8))
        values.mark("unreadable", np.array([value is None for value in found]))
        return values

    return _by_word(column, parse)


def _numbers(column: pa.ChunkedArray, model: Column, how: Reading) -> Values:
    values = _typed_numbers(column) or _by_word(column, _parse_numbers)
    number = values.values
    values.mark("unreadable", ~np.isfinite(number))
    if model.kind == "integer":
        values.mark("unreadable", number != np.floor(number))
    with np.errstate(invalid="ignore"):
        outside = (number < (-np.inf if model.low is None else model.low)) | (
            number > (np.inf if model.high is None else model.high)
        )
    values.mark("negative" if model.kind == "amount" else "out_of_range", outside)
    return values


def _typed_numbers(column: pa.ChunkedArray) -> Values | None:
    """A column of numbers, or of text that holds nothing but plain numbers; `None` if it needs a closer look."""
    kind = column.type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not numeric and not pa.types.is_string(kind):
        return None
    try:
        number = np.asarray(column.cast(pa.float64()).to_numpy())
    except pa.ArrowInvalid:
        return None
    if not numeric and not np.isfinite(number).all():  # the words "nan" and "inf", or no value
        return None
    values = Values(number, _no_faults(column))
    values.mark("empty", np.asarray(column.is_null().to_numpy()) | np.isnan(number))
    return values


def _parse_numbers(words: Any) -> Values:
    """Numbers as people write them: 1,200 / ¥1,200 / 1200円 / 1200 / ▲1,200 / (1,200)."""
    tidy = pc.utf8_normalize(words, form="NFKC")
    tidy = pc.replace_substring_regex(tidy, r"^\((.*)\)$", r"-\1")
    tidy = pc.replace_substring_regex(tidy, "^[▲△−‐]", "-")
    tidy = pc.replace_substring_regex(tidy, r"^([-+]?) *[¥\\] *(-?)", r"\1\2")  # Shift_JIS writes ¥ as a backslash
    tidy = pc.replace_substring_regex(tidy, r" *円$", "")
    grouped = pc.match_substring_regex(tidy, r"^[-+]?\d{1,3}(,\d{3})+(\.\d+)?$")
    tidy = pc.if_else(grouped, pc.replace_substring(tidy, ",", ""), tidy)
    good = pc.match_substring_regex(tidy, r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?$")
    number = np.asarray(pc.if_else(good, tidy, None).cast(pa.float64()).to_numpy(zero_copy_only=False))
    rewritten = np.asarray(pc.and_(good, pc.not_equal(tidy, words)))
    return Values(number, np.zeros(len(words), dtype=np.uint8), {"rewritten": rewritten})


def _instants(column: pa.ChunkedArray, model: Column, how: Reading) -> Values:
    values = _typed_instants(column, how) or _by_word(column, lambda words: _parse_instants(words, how))
    if model.kind == "date":
        values.values = values.values.astype("datetime64[D]").astype("datetime64[us]")
    values.mark("unreadable", np.isnat(values.values))
    values.mark("too_old", values.values < _FIRST_DAY)
    # a contract may well end next year, and a holiday lie there, but no order was placed then
    if how.now is not None and model.required and not model.ahead:
        values.mark("future", values.values > np.datetime64(how.now, "us"))
    return values


def _typed_instants(column: pa.ChunkedArray, how: Reading) -> Values | None:
    """A column of instants or days, or of text in plain ISO form; `None` if it needs a closer look."""
    zone = getattr(column.type, "tz", None)
    if not (pa.types.is_temporal(column.type) or pa.types.is_string(column.type)) or pa.types.is_time(column.type):
        return None
    try:
        at = np.asarray(column.cast(pa.timestamp("us", tz=zone), safe=False).to_numpy()).astype("datetime64[us]")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    values = Values(at, _no_faults(column))
    values.mark("empty", np.isnat(at))
    if zone is not None:
        values.values = _local(at, how.zone)
        values.notes["zoned"] = ~np.isnat(at)
    return values


def _parse_instants(words: Any, how: Reading) -> Values:
    """Dates as people write them: a fixed list of forms, each tried on what the ones before have left."""
    tidy = pc.utf8_normalize(words, form="NFKC")
    values = Values(np.full(len(words), "NaT", dtype="datetime64[us]"), np.zeros(len(words), dtype=np.uint8))
    values.notes["zoned"] = np.zeros(len(words), dtype=bool)
    turned = () if how.dayfirst is None else (_DAY_FIRST,) if how.dayfirst else (_MONTH_FIRST,)
    left = np.arange(len(words))
    for form in (*_FORMATS, *turned):
        parts = pc.extract_regex(tidy.take(pa.array(left)), form)
        fits = np.asarray(parts.is_valid())
        at, old, zoned = _assembled(parts.filter(pa.array(fits)), how)
        rows, left = left[fits], left[~fits]
        values.values[rows] = at
        values.faults[rows[old]] = CODE["too_old"]
        values.notes["zoned"][rows] = zoned & ~np.isnat(at)
    if how.dayfirst is None:
        values.mark("ambiguous", np.asarray(pc.match_substring_regex(tidy, _TURNED)))
    return values


def _assembled(parts: Any, how: Reading) -> tuple[np.ndarray, Mask, Mask]:
    """Instants from matched parts, whether each is a spreadsheet's "no day", and whether it came with a zone.

    The parts are checked here: Arrow's own strptime turns 30 February into 1 March.
    """
    year, month, day, hour, minute, second = (_part(parts, name) for name in "ymdHMS")
    fraction = pc.utf8_rpad(parts.field("f"), 6, "0")
    micro = _numpy(
        pc.if_else(pc.equal(fraction, ""), "0", pc.utf8_slice_codeunits(fraction, 0, 6)).cast(pa.int64()), fill=0
    )
    sane = (month >= 1) & (month <= 12) & (day >= 1) & (hour < 24) & (minute < 60) & (second < 60)
    months = (np.maximum(year, 1) * 12 + np.clip(month, 1, 12) - 1 - 1970 * 12).astype("datetime64[M]")
    sane &= day <= ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    seconds = ((day - 1) * 24 + hour) * 3600 + minute * 60 + second
    at = months.astype("datetime64[us]") + (seconds * 1_000_000 + micro).astype("timedelta64[us]")
    at[~sane] = np.datetime64("NaT")
    zone = parts.field("z")
    zoned = _numpy(pc.not_equal(zone, ""), fill=False)
    if zoned.any():
        shift = [_offset(text) for text in zone.filter(pa.array(zoned)).to_pylist()]
        at[zoned] = _local(at[zoned] - np.array(shift, dtype="timedelta64[m]"), how.zone)
    old = (year < EARLIEST_YEAR) | ((year == EARLIEST_YEAR) & (month <= 1) & (day <= 1))
    return at, old, zoned


def _part(parts: Any, name: str) -> np.ndarray:
    text = parts.field(name)
    return _numpy(pc.if_else(pc.equal(text, ""), "0", text).cast(pa.int64()), fill=0)


def _offset(zone: str) -> int:
    """Minutes east of Greenwich: Z, +0900 or +09:00."""
    if zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return minutes if zone[0] == "+" else -minutes


def _local(at: np.ndarray, zone: str) -> np.ndarray:
    """Instants of Greenwich as the clocks of `zone` show them."""
    return np.asarray(
        pd.DatetimeIndex(at).tz_localize("UTC").tz_convert(zone).tz_localize(None), dtype="datetime64[us]"
    )


_READERS: dict[str, Callable[[pa.ChunkedArray, Column, Reading], Values]] = {
    "id": _texts,
    "text": _texts,
    "category": _categories,
    "flag": _flags,
    "amount": _numbers,
    "number": _numbers,
    "integer": _numbers,
    "instant": _instants,
    "date": _instants,
}
