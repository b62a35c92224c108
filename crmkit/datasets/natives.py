"""Tables that are at hand already: pandas, Polars, PyArrow, DuckDB and Spark, as sources like any file."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pyarrow as pa

from crmkit.datasets.cells import chunk_of, joined, plain, word
from crmkit.datasets.source import HEAD, Offer, Source
from crmkit.errors import EmptyTable, ParameterError

Columns = tuple[pa.ChunkedArray, ...]
_ODD = (nw.Object, nw.Int128, nw.UInt128)  # Polars hands the first over as addresses, and Arrow has not the others
_NOTHING = {type(None), type(pd.NA), type(pd.NaT)}


def offer_of_frame(frame: Any, name: str) -> Offer:
    """Look into a table that is at hand; it is never changed.

    Args:
        frame: pandas, Polars (lazy too), PyArrow, a DuckDB relation or Spark. A named index of pandas is a column too.
        name: What to call it.

    Raises:
        ParameterError: it is no such table.

    Examples:
        >>> offer = offer_of_frame(pd.DataFrame({"会員番号": ["A", 12]}), "frame")
        >>> offer.headers, offer.read().columns[0].to_pylist()
        (('会員番号',), ['A', '12'])
    """
    if isinstance(frame, pd.Series):
        frame = frame.to_frame()
    if isinstance(frame, pd.DataFrame):
        headers, head = _from_pandas(frame.head(HEAD))
    else:
        headers, head = _from_others(frame, name, HEAD)
    return Offer(name, name, headers, head, partial(_read, frame, name))


def _read(frame: Any, name: str) -> Source:
    found = _from_pandas(frame) if isinstance(frame, pd.DataFrame) else _from_others(frame, name, None)
    headers, columns = found
    rows = len(columns[0]) if columns else 0
    if not rows:
        raise EmptyTable("no_rows", file=name, found=", ".join(headers))
    return Source(name, headers, columns, np.arange(1, rows + 1))


def _from_pandas(frame: pd.DataFrame) -> tuple[tuple[str, ...], Columns]:
    levels = enumerate(frame.index.names)
    index = [(level, frame.index.get_level_values(at)) for at, level in levels if level is not None]
    given = [*index, *((label, frame.iloc[:, at]) for at, label in enumerate(frame.columns))]
    return tuple(_header(label) for label, _ in given), tuple(_column(values) for _, values in given)


def _header(label: Any) -> str:
    """The name of a column; pandas also has numbers, days and several names on top of each other."""
    if isinstance(label, tuple):
        return " ".join(filter(None, map(_header, label)))
    return "" if label is None or label == "" else word(label)


def _column(values: Any) -> pa.ChunkedArray:
    if isinstance(values.dtype, pd.PeriodDtype | pd.IntervalDtype):
        values = values.astype("string")
    # Arrow would make days of days and instants, and text of text and bytes
    if values.dtype == object and len(set(map(type, values)) - _NOTHING) > 1:
        return _from_cells(values)
    try:
        column = pa.array(values, from_pandas=True)
        return plain(column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column]))
    except (
        pa.ArrowNotImplementedError,
        ArithmeticError,
        TypeError,
        ValueError,
    ):  # Arrow's own are kinds of the last two
        return _from_cells(values)


def _from_cells(values: Iterable[Any]) -> pa.ChunkedArray:
    """Cells of several types, or of one that Arrow does not know."""
    cells = list(values)
    try:
        gone = pd.isna(pd.Series(cells, dtype=object)).to_numpy()
    except ArithmeticError:  # a decimal NaN that refuses even to be looked at
        cells = [None if isinstance(cell, Decimal) and cell.is_nan() else cell for cell in cells]
        gone = pd.isna(pd.Series(cells, dtype=object)).to_numpy()
    return joined([chunk_of([None if empty else cell for cell, empty in zip(cells, gone, strict=True)])])


def _from_others(frame: Any, name: str, most: int | None) -> tuple[tuple[str, ...], Columns]:
    if isinstance(frame, pa.Table | pa.RecordBatch):  # as it is: other engines refuse a name that comes twice
        table = pa.table(frame) if isinstance(frame, pa.RecordBatch) else frame
        table = table if most is None else table.slice(0, most)
    else:
        table = _to_arrow(frame, name, most)
    return tuple(table.column_names), tuple(plain(column) for column in table.columns)


def _to_arrow(frame: Any, name: str, most: int | None) -> pa.Table:
    try:
        opened = nw.from_native(frame)
    except TypeError:
        raise ParameterError("not_a_frame", name=name, found=type(frame).__name__) from None
    try:
        return _collected(opened if most is None else opened.head(most))
    except Exception as error:  # a query of the caller's that only now is run, by whatever engine
        detail = next(iter(str(error).splitlines()), type(error).__name__)
        raise ParameterError("frame_fails", name=name, detail=detail) from error


def _collected(opened: Any) -> pa.Table:
    if isinstance(opened, nw.LazyFrame):
        table: pa.Table = opened.collect(backend="pyarrow").to_arrow()
        return table
    odd = [column for column, kind in opened.schema.items() if kind in _ODD]
    if not odd:
        return opened.to_arrow()
    rest = opened.drop(*odd).to_arrow()
    cells = {column: _from_cells(opened[column].to_list()) for column in odd}
    return pa.table({column: cells.get(column) or rest[column] for column in opened.columns})
