"""Tables from one engine to another, in the data model's types."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmkit.errors import ParameterError, WrongType
from crmkit.schema import Kind, Table

ARROW: Mapping[Kind, pa.DataType] = {
    "id": pa.string(),
    "text": pa.string(),
    "category": pa.string(),
    "instant": pa.timestamp("us"),
    "date": pa.date32(),
    "amount": pa.float64(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "flag": pa.bool_(),
}
"""The Arrow type of each kind of column; what is not there is null."""

_KINDS: tuple[tuple[Callable[[pa.DataType], bool], Kind], ...] = (
    (pa.types.is_boolean, "flag"),
    (pa.types.is_integer, "integer"),
    (pa.types.is_floating, "number"),
    (pa.types.is_decimal, "number"),
    (pa.types.is_date, "date"),
    (pa.types.is_timestamp, "instant"),
    (pa.types.is_string, "text"),
    (pa.types.is_large_string, "text"),
    (pa.types.is_string_view, "text"),
    (pa.types.is_null, "text"),
)
_WITH_GAPS = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
_FIRST, _END = (int(np.datetime64(day, "us").astype(np.int64)) for day in ("0001-01-01", "10000-01-01"))


def kind_of(column: str, found: pa.DataType, model: Table | None) -> Kind:
    """The kind of a column: what the model says, or what its type looks like where the model does not know it.

    Raises:
        WrongType: it holds lists, records or the like.
    """
    if model is not None and column in model:
        return model[column].kind
    if pa.types.is_dictionary(found):
        found = found.value_type
    for belongs, kind in _KINDS:
        if belongs(found):
            return kind
    raise WrongType("nested", column=column, found=found)


def to_arrow(name: str, given: pa.Table | pd.DataFrame, model: Table | None) -> pa.Table:
    """A table as Arrow, each column in the type of its kind, dictionaries decoded, NaN as null.

    Raises:
        WrongType: a column cannot be had in its kind, or carries a time zone.
        ParameterError: two columns have the same name, or one has none.
    """
    names = list(given.columns) if isinstance(given, pd.DataFrame) else given.column_names
    folded = [column.casefold() if isinstance(column, str) else "" for column in names]
    if "" in folded or len(set(folded)) < len(folded):
        raise ParameterError("column_names", table=name, found=", ".join(map(str, names)))
    columns = {column: _column(name, column, given[column], model) for column in names}
    return pa.table(columns, schema=pa.schema([(column, values.type) for column, values in columns.items()]))


def _column(table: str, column: str, given: Any, model: Table | None) -> pa.ChunkedArray:
    found = given.type if isinstance(given, pa.ChunkedArray) else given.dtype
    try:
        values = given if isinstance(given, pa.ChunkedArray) else _from_pandas(given)
        kind = kind_of(column, values.type, model)
        if getattr(values.type, "tz", None) is not None:
            raise WrongType("zoned", table=table, column=column, zone=values.type.tz)
        # a clock finer than microseconds is cut off, as when a file is loaded
        values = values.cast(ARROW[kind], safe=kind not in ("instant", "date"))
        if kind in ("instant", "date"):
            _refuse_odd_years(table, column, values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        detail = str(error).splitlines()[0]
        raise WrongType("unfit", table=table, column=column, found=found, detail=detail) from None
    if kind in ("amount", "number") and pc.any(pc.is_nan(values)).as_py():
        values = pc.if_else(pc.is_nan(values), None, values)
    return values


def _refuse_odd_years(table: str, column: str, values: pa.ChunkedArray) -> None:
    """Not every engine and format has days outside the years 1 to 9999."""
    at = values.cast(pa.timestamp("us")).cast(pa.int64())
    for bound in pc.min_max(at).values():
        if bound.is_valid and not _FIRST <= bound.as_py() < _END:
            year = np.datetime64(bound.as_py(), "us").astype("datetime64[Y]")
            raise WrongType("years", table=table, column=column, found=year)


def _from_pandas(series: Any) -> pa.ChunkedArray:
    values = pa.array(series, from_pandas=True)
    return values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """A pandas table: str, datetime64[us], float64; int64 and bool, or Int64 and boolean where values are missing."""
    return pd.DataFrame({name: _series(table[name]) for name in table.column_names}, copy=False)


def _series(column: pa.ChunkedArray) -> pd.Series[Any]:
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("us"))
    with_gaps = _WITH_GAPS.get(column.type) if column.null_count else None
    # an explicit type for every column would cost text its own: pandas then makes objects of it
    series: pd.Series[Any] = column.to_pandas(types_mapper=None if with_gaps is None else lambda _: with_gaps)
    return series


def maker(engine: str) -> Callable[[pa.Table], Any]:
    """What turns an Arrow table into one of this engine.

    Raises:
        ParameterError: there is no such engine, or it is not installed.
    """
    if engine not in _MAKERS:
        raise ParameterError("unknown_variant", parameter="engine", value=engine, options=", ".join(_MAKERS))
    try:
        return _MAKERS[engine]()
    except ImportError:
        command = 'pip install "crmkit[spark]"' if engine == "pyspark" else f"pip install {engine.partition('_')[0]}"
        raise ParameterError("not_installed", engine=engine, command=command) from None


def _pandas() -> Callable[[pa.Table], Any]:
    return to_pandas


def _polars() -> Callable[[pa.Table], Any]:
    import polars as pl

    make: Callable[[pa.Table], Any] = pl.from_arrow
    return make


def _polars_lazy() -> Callable[[pa.Table], Any]:
    _polars()
    return _lazy


def _lazy(table: pa.Table) -> Any:
    import polars as pl

    return pl.from_arrow(table).lazy()


def _pyarrow() -> Callable[[pa.Table], Any]:
    return _as_it_is


def _as_it_is(table: pa.Table) -> pa.Table:
    return table


def _duckdb() -> Callable[[pa.Table], Any]:
    import duckdb

    make: Callable[[pa.Table], Any] = duckdb.from_arrow  # on the connection of `duckdb.sql`: tables can be joined there
    return make


def _pyspark() -> Callable[[pa.Table], Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PySpark's own, about pandas 3
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
        from pyspark.sql.pandas.types import from_arrow_schema

    try:
        session = SparkSession.builder.getOrCreate()  # the reader's own, where there is one
    except PySparkException as error:
        raise ParameterError("no_spark", detail=str(error).splitlines()[0]) from None

    def make(table: pa.Table) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # without a zone: else each session would show the shop's clock in a zone of its own
            return session.createDataFrame(table, schema=from_arrow_schema(table.schema, prefer_timestamp_ntz=True))

    return make


_MAKERS: Mapping[str, Callable[[], Callable[[pa.Table], Any]]] = {
    "pandas": _pandas,
    "polars": _polars,
    "polars_lazy": _polars_lazy,
    "pyarrow": _pyarrow,
    "duckdb": _duckdb,
    "pyspark": _pyspark,
}
