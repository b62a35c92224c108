"""One column of a file, understood as the data model means it; what cannot be understood is marked, never guessed.

Text is parsed once per distinct value, so that five million rows with a thousand days in them cost a thousand.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crmkit.datasets.moments import Moments, local, numbered_moments, parse_moments
from crmkit.datasets.numerals import Mask, parse_numbers, thousandths
from crmkit.schema import EARLIEST_YEAR, Column

FAULTS = (
    "", "empty", "unreadable", "too_old", "future", "ambiguous", "negative", "not_allowed", "out_of_range", "nested",
)  # fmt: skip
CODE = {fault: code for code, fault in enumerate(FAULTS)}

_EMPTY_WORDS = pa.array(
    ["", "null", "NULL", "Null", "none", "None", "NONE", "nan", "NaN", "NAN", "NaT", "n/a", "N/A", "#N/A", "<NA>"]
)
_EMPTY_LENGTH = 5  # letters of the longest of them
_EMPTY_STARTS = np.frombuffer(b"nN#<", dtype=np.uint8)
# Signs without width and marks of the direction of text: around an id they make two ids of one.
_UNSEEN = "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
_FLAGS = {
    **dict.fromkeys(("true", "1", "1.0", "t", "yes", "y", "on", "はい", "有", "あり", "有り", "済", "済み"), True),
    **dict.fromkeys(("false", "0", "0.0", "f", "no", "n", "off", "いいえ", "無", "なし", "無し", "未", "未済"), False),
    **dict.fromkeys("○◯〇◎●✓✔☑", True),
    **dict.fromkeys("×✕✖✗✘☐", False),
}
# A spreadsheet's day 0 and day 1 (1899-12-30 to 1900-01-01) stand for "no day".
_FIRST_DAY = np.datetime64(f"{EARLIEST_YEAR}-01-02", "us")
_SHARE = "0 to 1"
_EXACT = 2.0**53  # whole numbers beyond are no longer exact, and far beyond no whole numbers to a computer


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read: the data set's zone, the moment of loading in it, and whether 03/04/2024 is the 3rd of April.

    `words` are other people's words for those of a category, tidied; `decimal` is the sign in front of decimals, "." or
    ",", where it is known.
    """

    zone: str
    now: datetime | None
    dayfirst: bool | None
    words: Mapping[str, str] = field(default_factory=dict)
    decimal: str | None = None


_Counts = Callable[[], np.ndarray]


@dataclass(slots=True)
class Values:
    """A column after reading: its values, one fault code each (0 = none), and what was tidied up on the way."""

    values: Any
    faults: np.ndarray
    notes: dict[str, Mask] = field(default_factory=dict)

    def mark(self, fault: str, where: Mask) -> None:
        """Set a fault where there is none yet."""
        if where.any():  # nearly always not, and then there is no more to look at
            self.faults[where & (self.faults == 0)] = CODE[fault]


def read_column(column: pa.ChunkedArray, model: Column, how: Reading) -> Values:
    """Understand one column of a file as the model's `model.kind`."""
    kind = column.type
    if pa.types.is_dictionary(kind) and (model.kind in ("id", "text") or not pa.types.is_string(kind.value_type)):
        column = column.cast(kind.value_type)
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
        return pa.chunked_array([pa.array([_shown(value) for value in column], pa.string())])


def _shown(value: pa.Scalar) -> str:
    try:
        return str(value.as_py())
    except UnicodeDecodeError:  # text inside a list or a record, which Arrow does not check
        return "?"


def _no_faults(column: pa.ChunkedArray) -> np.ndarray:
    return np.zeros(len(column), dtype=np.uint8)


def _is_empty(words: Any) -> Any:
    return pc.or_(pc.is_null(words), pc.is_in(pc.utf8_trim_whitespace(words), _EMPTY_WORDS))  # is_in says no to a null


def _is_bare(column: pa.ChunkedArray) -> bool:
    """Whether no text can stand for "no value" or have spaces around it, told by first and last bytes alone.

    To look every text up among the words for "no value" takes as long as to read the file.
    """
    return all(_is_bare_chunk(chunk) for chunk in column.chunks if len(chunk) > chunk.null_count)


def _is_bare_chunk(chunk: pa.StringArray) -> bool:
    _, offsets, data = chunk.buffers()
    at = np.frombuffer(offsets, dtype=np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    begin, end = at[:-1], at[1:]
    if chunk.null_count:
        there = np.asarray(chunk.is_valid())
        begin, end = begin[there], end[there]
    length = end - begin
    if data is None or not length.all():
        return False
    letters = np.frombuffer(data, dtype=np.uint8)
    first, last = letters[begin], letters[end - 1]
    # a space of another script begins and ends with bytes beyond ASCII
    if ((first <= 32) | (last <= 32) | (first >= 127) | (last >= 127)).any():
        return False
    return not ((length <= _EMPTY_LENGTH) & np.isin(first, _EMPTY_STARTS)).any()


def _texts(column: pa.ChunkedArray, model: Column, how: Reading) -> Values:
    """Names, ids and free text: kept letter by letter, but for spaces around an id."""
    # whole numbers beside empty cells become floats: 1001.0
    if model.kind == "id" and pa.types.is_floating(column.type) and pc.all(pc.equal(column, pc.floor(column))).as_py():
        column = column.cast(pa.int64())
    column = column.cast(pa.string())
    if _is_bare(column):
        values = Values(column, _no_faults(column))
        if column.null_count:
            values.mark("empty", np.asarray(column.is_null()))
        return values
    unseen: dict[str, Mask] = {}
    if model.kind == "id":
        trimmed = pc.utf8_trim_whitespace(column)
        column = pc.utf8_trim_whitespace(pc.utf8_trim(trimmed, characters=_UNSEEN))
        unseen["unseen"] = np.asarray(pc.fill_null(pc.not_equal(column, trimmed), False).to_numpy())
    empty = _is_empty(column)
    values = Values(pc.if_else(empty, pa.scalar(None, pa.string()), column), _no_faults(column), unseen)
    values.mark("empty", np.asarray(empty.to_numpy()))
    return values


def _by_word(column: pa.ChunkedArray, parse: Callable[[Any, _Counts], Values], meant: tuple[str, ...] = ()) -> Values:
    """Parse each distinct text once and spread the result over the rows; words `meant` are never taken for empty.

    How many rows have each text is counted only if `parse` asks for it.
    """
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    dictionary, at = _coded(column)
    words = pc.utf8_trim_whitespace(pa.concat_arrays([dictionary, pa.array([""])]))  # the last one is "no value"
    parsed = parse(words, lambda: np.bincount(at, minlength=len(words)))
    empty = np.asarray(pc.and_not(_is_empty(words), pc.is_in(words, pa.array(meant, pa.string()))))
    parsed.faults[empty] = CODE["empty"]
    faults = parsed.faults[at] if parsed.faults.any() else _no_faults(column)
    notes = {name: mask[at] for name, mask in parsed.notes.items() if mask.any()}
    return Values(_spread(parsed.values, at), faults, notes)


def _spread(values: Any, at: np.ndarray) -> Any:
    """The value of each row; texts stay numbers of texts, which are written out once it is known which rows stay."""
    if isinstance(values, np.ndarray):
        return values[at]
    if not pa.types.is_string(values.type):
        return values.take(pa.array(at))
    gone = np.asarray(values.is_null())
    return pa.DictionaryArray.from_arrays(pa.array(at, mask=gone[at] if gone.any() else None), values)


def _coded(column: pa.ChunkedArray) -> tuple[pa.StringArray, np.ndarray]:
    """The distinct texts of a column, and for each row the number of its text; that after the last is "no value"."""
    chunks = column.unify_dictionaries().chunks
    # each chunk has what came before it and some more
    dictionary = max((chunk.dictionary for chunk in chunks), key=len, default=pa.array([], pa.string()))
    numbers = [pc.fill_null(chunk.indices, len(dictionary)).to_numpy(zero_copy_only=False) for chunk in chunks]
    return dictionary, np.concatenate([np.zeros(0, dtype=np.int32), *numbers])


def _categories(column: pa.ChunkedArray, model: Column, how: Reading) -> Values:
    def parse(words: Any, rows: _Counts) -> Values:
        tidy = pc.utf8_lower(pc.utf8_normalize(words, form="NFKC"))
        tidy = pc.replace_substring_regex(tidy, r"[ -]+", "_")
        if how.words:
            tidy = pa.array([how.words.get(word, word) for word in tidy.to_pylist()], pa.string())
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

    def parse(words: Any, rows: _Counts) -> Values:
        found = [_FLAGS.get(unicodedata.normalize("NFKC", word).lower()) for word in words.to_pylist()]
        values = Values(pa.array(found, pa.bool_()), np.zeros(len(words), dtype=np.uint8))
        values.mark("unreadable", np.array([value is None for value in found]))
        return values

    return _by_word(column, parse)


def _numbers(column: pa.ChunkedArray, model: Column, how: Reading) -> Values:
    def parse(words: Any, rows: _Counts) -> Values:
        is_money, is_share = model.kind == "amount", model.unit == _SHARE
        found = parse_numbers(words, rows(), decimal=how.decimal, is_money=is_money, is_share=is_share)
        values = Values(found.values, np.zeros(len(words), dtype=np.uint8), found.notes)
        values.mark("ambiguous", found.ambiguous)
        return values

    values = _typed_numbers(column, model, how) or _by_word(column, parse)
    number = values.values
    values.mark("unreadable", ~np.isfinite(number))
    if model.kind == "integer":
        values.mark("unreadable", (number != np.floor(number)) | (np.abs(number) > _EXACT))
    with np.errstate(invalid="ignore"):
        outside = (number < (-np.inf if model.low is None else model.low)) | (
            number > (np.inf if model.high is None else model.high)
        )
    values.mark("negative" if model.kind == "amount" else "out_of_range", outside)
    return values


def _typed_numbers(column: pa.ChunkedArray, model: Column, how: Reading) -> Values | None:
    """A column of numbers, or of text that holds nothing but plain numbers; `None` if it needs a closer look."""
    kind = column.type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not numeric and (not pa.types.is_string(kind) or how.decimal == ","):
        return None
    try:
        number = np.asarray(column.cast(pa.float64()).to_numpy())
    except pa.ArrowInvalid:
        return None
    if not numeric and not np.isfinite(number).all():  # the words "nan" and "inf", or no value
        return None
    if not numeric and how.decimal is None and model.kind == "amount" and thousandths(column):
        return None
    values = Values(number, _no_faults(column))
    values.mark("empty", np.asarray(column.is_null().to_numpy()) | np.isnan(number))
    return values


def _instants(column: pa.ChunkedArray, model: Column, how: Reading) -> Values:
    values = _typed_instants(column, how) or _instants_of_words(column, how)
    if model.kind == "date":
        values.values = values.values.astype("datetime64[D]").astype("datetime64[us]")
    values.mark("unreadable", np.isnat(values.values))
    values.mark("too_old", values.values < _FIRST_DAY)
    # a contract may well end next year, and a holiday lie there, but no order was placed then
    if how.now is not None and model.required and not model.ahead:
        values.mark("future", values.values > np.datetime64(how.now, "us"))
    return values


def _of_moments(found: Moments) -> Values:
    values = Values(found.values, np.zeros(len(found.values), dtype=np.uint8), found.notes)
    values.mark("too_old", found.too_old)
    values.mark("ambiguous", found.ambiguous)
    return values


def _typed_instants(column: pa.ChunkedArray, how: Reading) -> Values | None:
    """A column of instants or days, or of text in plain ISO form; `None` if it needs a closer look."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _numbered_instants(column, how)
    zone = getattr(kind, "tz", None)
    if not (pa.types.is_temporal(kind) or pa.types.is_string(kind)) or pa.types.is_time(kind):
        return None
    try:
        at = np.asarray(column.cast(pa.timestamp("us", tz=zone), safe=False).to_numpy()).astype("datetime64[us]")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    values = Values(at, _no_faults(column))
    values.mark("empty", np.isnat(at))
    if zone is not None:
        values.values = local(at, how.zone)
        values.notes["zoned"] = ~np.isnat(at)
    return values


def _numbered_instants(column: pa.ChunkedArray, how: Reading) -> Values | None:
    """Numbers that count days or seconds; figures such as 20240401 are read as text, whole ones without a point."""
    number = np.asarray(column.cast(pa.float64()).to_numpy())
    found = numbered_moments(number, how.zone)
    if found is not None:
        values = _of_moments(found)
        values.mark("empty", ~np.isfinite(number))
        return values
    if pa.types.is_integer(column.type) or not (np.isnan(number) | (number == np.floor(number))).all():
        return None
    try:
        return _instants_of_words(column.cast(pa.int64()), how)
    except pa.ArrowInvalid:
        return None


def _instants_of_words(column: pa.ChunkedArray, how: Reading) -> Values:
    return _by_word(
        column, lambda words, rows: _of_moments(parse_moments(words, rows(), how.zone, dayfirst=how.dayfirst))
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
