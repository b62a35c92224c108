"""What a table holds as one short word: equal tables have equal words, however they are cut, coded or stored.

Each value becomes a word of 64 bits, and a column the sum of its words, each times a power of one odd number that tells
its place. So the word of a table follows from the words of its parts, without the parts: blocks can be hashed side by
side. It finds what got damaged or changed by accident; it is no seal against somebody who wants to deceive.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, reduce
from operator import add
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crmkit.errors import WrongType

Words = np.ndarray[Any, np.dtype[np.uint64]]
Pieces = Iterable[pa.Table | pa.RecordBatch]

_VERSION = 1
_FULL = (1 << 64) - 1
_BASE = 0xD1342543DE82EF95  # odd, so that it has an inverse; 5 modulo 8, so that its powers come back as late as can be
_INVERSE = pow(_BASE, -1, 1 << 64)
_NULL = 0x6E756C6C5F5F5F5F
_LENGTH = 0x9E3779B97F4A7C15
_TILE = 1 << 13  # values at once, and
_MOST_BYTES = 1 << 15  # bytes of text: small enough for a processor's cache


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What some rows hold. `a + b` is that of the rows of `a` followed by those of `b`; `str` gives the short word.

    Attributes:
        rows: How many rows.
        columns: Name, family of types and word of each column.
    """

    rows: int
    columns: tuple[tuple[str, str, int], ...]

    @classmethod
    def of(cls, piece: pa.Table | pa.RecordBatch) -> Fingerprint:
        """The fingerprint of a table or a part of one.

        Raises:
            WrongType: a column holds lists, records or the like.
        """
        columns = (
            (field.name, _family(field.name, field.type), _column(piece.column(at)))
            for at, field in enumerate(piece.schema)
        )
        return cls(piece.num_rows, tuple(columns))

    def __add__(self, after: Fingerprint) -> Fingerprint:
        if [column[:2] for column in self.columns] != [column[:2] for column in after.columns]:
            raise ValueError("parts of one table have the same columns")
        shift = pow(_BASE, after.rows, 1 << 64)
        pairs = zip(self.columns, after.columns, strict=True)
        columns = tuple((name, family, (ours * shift + theirs) & _FULL) for (name, family, ours), (*_, theirs) in pairs)
        return Fingerprint(self.rows + after.rows, columns)

    def __str__(self) -> str:
        told = json.dumps([_VERSION, self.rows, *self.columns], ensure_ascii=False)
        return hashlib.sha256(told.encode()).hexdigest()[:32]


def fingerprint(table: pa.Table | Pieces) -> str:
    """The content of a table as 32 hexadecimal digits.

    Two tables have the same fingerprint if they have the same columns in the same order and the same rows in the same
    order. It does not matter how the rows are cut into chunks, whether words are coded as dictionaries, how wide
    integers are, or whether a day is kept as a date or as its midnight.

    Args:
        table: A PyArrow table, or its parts in order (tables or record batches, also from a reader), at least one.

    Raises:
        WrongType: a column holds lists, records or the like.

    Examples:
        >>> plain = pa.table({"channel": ["web", "app", None]})
        >>> coded = pa.table({"channel": plain["channel"].dictionary_encode()})
        >>> fingerprint(plain) == fingerprint(coded) == fingerprint([coded.slice(0, 1), plain.slice(1)])
        True
        >>> fingerprint(plain) == fingerprint(plain.slice(0, 2))
        False
    """
    pieces = [table] if isinstance(table, pa.Table) else table
    return str(reduce(add, map(Fingerprint.of, pieces)))


def _family(column: str, kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    for family, belongs in _FAMILIES:
        if belongs(kind):
            return family
    raise WrongType("nested", column=column, found=kind)


def _is_text(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


_FAMILIES = (
    ("text", _is_text),
    ("flag", pa.types.is_boolean),
    ("integer", pa.types.is_integer),
    ("number", pa.types.is_floating),
    ("time", pa.types.is_timestamp),
    ("time", pa.types.is_date),
    ("nothing", pa.types.is_null),
)


def _column(column: pa.ChunkedArray | pa.Array) -> int:
    value = 0
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        for words in _tiles(_words(chunk)):
            value = (
                value * pow(_BASE, len(words), 1 << 64) + int(words @ _powers(_BASE)[len(words) - 1 :: -1])
            ) & _FULL
    return value


def _tiles(words: Words) -> Iterator[Words]:
    for start in range(0, len(words), _TILE):
        yield words[start : start + _TILE]


def _words(values: pa.Array) -> Words:
    """One word for each value."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        known = np.append(_words(values.dictionary), np.uint64(_NULL))
        return np.asarray(known[values.indices.cast(pa.int64()).fill_null(len(known) - 1).to_numpy()])
    if pa.types.is_null(kind):
        return np.full(len(values), _NULL, np.uint64)
    words = _text(values.cast(pa.string())) if _is_text(kind) else _scrambled(_bits(values))
    gone = values.is_null(nan_is_null=True)
    if pc.any(gone).as_py():
        words[gone.to_numpy(zero_copy_only=False)] = _NULL
    return words


def _bits(values: pa.Array) -> Words:
    """Values of a fixed width as they stand in memory: instants and days as microseconds, -0.0 as 0.0."""
    kind = values.type
    if pa.types.is_floating(kind):
        numbers = values.cast(pa.float64()).fill_null(0.0).to_numpy() + 0.0
        return np.asarray(numbers.view(np.uint64))
    if pa.types.is_temporal(kind):
        values = values.cast(pa.timestamp("us", tz=getattr(kind, "tz", None)), safe=False)
    return np.asarray(values.cast(pa.int64(), safe=False).fill_null(0).to_numpy().view(np.uint64))


def _scrambled(words: Words) -> Words:
    """SplitMix64's last step: every bit of the result depends on every bit of a word."""
    result = np.empty_like(words)
    for start in range(0, len(words), _TILE):
        z = words[start : start + _TILE] + np.uint64(_LENGTH)
        z ^= z >> np.uint64(30)
        z *= np.uint64(0xBF58476D1CE4E5B9)
        z ^= z >> np.uint64(27)
        z *= np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        result[start : start + _TILE] = z
    return result


def _text(values: pa.StringArray) -> Words:
    """Words of texts: the sum of the bytes, each times a power that tells its place in the text, and the length."""
    if not len(values):
        return np.empty(0, np.uint64)
    _, offsets, content = values.buffers()
    bounds = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1].astype(np.int64)
    data = np.frombuffer(content, np.uint8)[bounds[0] : bounds[-1]] if content else np.empty(0, np.uint8)
    bounds -= bounds[0]
    lengths = np.diff(bounds)
    width = int(lengths[0])
    if width <= _MOST_BYTES and (lengths == width).all():
        sums = _sums_of_equal_length(data, width, len(values))
    else:
        sums = _sums(data, bounds)
    return _scrambled(sums + lengths.astype(np.uint64) * np.uint64(_LENGTH))


def _sums_of_equal_length(data: np.ndarray, width: int, count: int) -> Words:
    """Most ids are equally long: then texts are rows of a matrix, which is three times as fast."""
    sums = np.zeros(count, np.uint64)
    if width:
        texts, step = data.reshape(count, width), _MOST_BYTES // width
        for start in range(0, count, step):
            sums[start : start + step] = texts[start : start + step].astype(np.uint64) @ _powers(_BASE)[:width]
    return sums


def _sums(data: np.ndarray, bounds: np.ndarray) -> Words:
    sums = np.empty(len(bounds) - 1, np.uint64)
    first = 0
    while first < len(sums):
        last = int(np.searchsorted(bounds, bounds[first] + _MOST_BYTES, "right")) - 1
        if last == first:
            sums[first] = _sum_of_long(data[bounds[first] : bounds[first + 1]])
            first += 1
            continue
        starts = bounds[first : last + 1] - bounds[first]
        running = np.zeros(starts[-1] + 1, np.uint64)
        np.cumsum(data[bounds[first] : bounds[last]] * _powers(_BASE)[: starts[-1]], out=running[1:])
        at = running[starts]
        # what is counted from the start of the tile is taken back to the start of each text
        sums[first:last] = (at[1:] - at[:-1]) * _powers(_INVERSE)[starts[:-1]]
        first = last
    return sums


def _sum_of_long(text: np.ndarray) -> int:
    """The sum of one text that alone is more than a tile."""
    total = 0
    for start in range(0, len(text), _MOST_BYTES):
        part = text[start : start + _MOST_BYTES].astype(np.uint64)
        total += int(part @ _powers(_BASE)[: len(part)]) * pow(_BASE, start, 1 << 64)
    return total & _FULL


@cache
def _powers(base: int) -> Words:
    """The powers 0, 1, 2 … of a number, modulo 2^64."""
    powers = np.full(_MOST_BYTES + 1, base, np.uint64)
    powers[0] = 1
    np.multiply.accumulate(powers, out=powers)
    powers.flags.writeable = False
    return powers
