"""Columns out of single cells, whose types may be mixed: one Arrow type where all fit it, else text without loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

_EXACT = 2**53  # whole numbers beyond are no longer exact as floats
_DAYS = {pa.date32(), pa.timestamp("us")}
_NUMBERS = {pa.int64(), pa.float64()}


def chunk_of(cells: Sequence[Any]) -> pa.Array:
    """Some cells of a column in the one type that holds them all; `None` is no value.

    Examples:
        >>> chunk_of([1, 2.5]).type, chunk_of([1001.0, "A12", None]).to_pylist()
        (DataType(double), ['1001', 'A12', None])
    """
    kinds = set(map(type, cells)) - {type(None)}
    kind = _TYPES.get(frozenset(kinds), pa.string())
    try:
        if datetime in kinds and any(getattr(cell, "tzinfo", None) for cell in cells):
            kind = pa.string()  # Arrow would drop the zone
        elif kinds == {date, datetime}:
            cells = [datetime(*c.timetuple()[:3]) if type(c) is date else c for c in cells]
        if kinds <= {str} or kind != pa.string():
            return pa.array(cells, kind if kinds else pa.null())
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError, OverflowError):
        pass  # a number that no float holds, half a letter
    return pa.array([None if cell is None else word(cell) for cell in cells], pa.string())


_TYPES: dict[frozenset[type], pa.DataType] = {
    frozenset({int}): pa.int64(),
    frozenset({float}): pa.float64(),
    frozenset({int, float}): pa.float64(),  # refused by Arrow where a whole number would not be exact
    frozenset({bool}): pa.bool_(),
    frozenset({date}): pa.date32(),
    frozenset({datetime}): pa.timestamp("us"),
    frozenset({date, datetime}): pa.timestamp("us"),
    frozenset({bytes}): pa.binary(),
}


def joined(chunks: Iterable[pa.Array]) -> pa.ChunkedArray:
    """The chunks of a column one after another, in one type.

    Examples:
        >>> joined([pa.array([1, 2]), pa.array(["A12"])]).to_pylist()
        ['1', '2', 'A12']
    """
    parts = list(chunks)
    types = {part.type for part in parts if not pa.types.is_null(part.type)}
    if len(types) > 1:
        parts = [part.dictionary_decode() if pa.types.is_dictionary(part.type) else part for part in parts]
        types = {part.type for part in parts if not pa.types.is_null(part.type)}
    if len(types) <= 1:
        kind = next(iter(types), pa.null())
        return pa.chunked_array([part.cast(kind) for part in parts], kind)
    wide = pa.timestamp("us") if types <= _DAYS else pa.float64() if types <= _NUMBERS else None
    if wide is not None:
        try:
            return pa.chunked_array([part.cast(wide) for part in parts])
        except pa.ArrowInvalid:  # a whole number that is not exact as a float
            pass
    return pa.chunked_array([_words(part) for part in parts])


def _words(part: pa.Array) -> pa.Array:
    if pa.types.is_string(part.type) or pa.types.is_large_string(part.type):
        return part.cast(pa.string())
    return pa.array([None if cell is None else word(cell) for cell in part.to_pylist()], pa.string())


def whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Floats that are all whole numbers as such: a spreadsheet knows no others."""
    if not pa.types.is_floating(column.type) or column.null_count == len(column):
        return column
    if pc.all(pc.and_(pc.equal(column, pc.floor(column)), pc.less(pc.abs(column), float(_EXACT)))).as_py():
        return column.cast(pa.int64())
    return column


def word(cell: Any) -> str:
    """A cell as text, so that nothing of it is lost.

    Examples:
        >>> word(1001.0), word(date(2024, 4, 1)), word(timedelta(hours=36))
        ('1001', '2024-04-01', '36:00:00')
    """
    return next((write(cell) for kind, write in _WRITERS if isinstance(cell, kind)), None) or _unicode(str(cell))


def _unicode(cell: str) -> str:
    return cell.encode("utf-8", "backslashreplace").decode()


def _number(cell: float) -> str:
    return str(int(cell)) if cell.is_integer() and abs(cell) < _EXACT else str(cell)


def _span(cell: timedelta) -> str:
    minutes, seconds = divmod(cell.total_seconds(), 60)
    return f"{int(minutes // 60)}:{int(minutes % 60):02}:{int(seconds):02}"


def _letters(cell: bytes) -> str:
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return "0x" + cell.hex()


_WRITERS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (str, _unicode),
    (bool, lambda cell: str(cell).lower()),
    (float, _number),
    (datetime, lambda cell: cell.isoformat(" ")),
    (date, date.isoformat),
    (timedelta, _span),
    (bytes, _letters),
)


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without the types that only some databases know: JSON as its text, UUID, times and spans as words."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        if isinstance(kind, pa.UuidType):
            return pa.chunked_array([pa.array(_uuids(column), pa.string())])
        return plain(pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type))
    if pa.types.is_dictionary(kind):
        return plain(column.cast(kind.value_type))
    if pa.types.is_time(kind) or pa.types.is_duration(kind) or pa.types.is_interval(kind):
        return pa.chunked_array([_words(chunk) for chunk in column.chunks], pa.string())
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    return column


def _uuids(column: pa.ChunkedArray) -> list[str | None]:
    cells = (cell for chunk in column.chunks for cell in chunk.storage.to_pylist())
    return [None if cell is None else str(UUID(bytes=cell)) for cell in cells]
