"""The one door for tables: any engine in, columns checked, the same kind of table out.

Metrics never see an engine. They open a table here, write order-free narwhals expressions that *reduce* it, and fetch
only the small result.
"""

from __future__ import annotations

import difflib
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import schema
from crmkit.errors import MissingColumn, ParameterError, WrongType

if TYPE_CHECKING:
    from crmkit.schema import Kind

Frame: TypeAlias = nw.LazyFrame[Any]
"""An opened table, lazy or not; to the type checker all are lazy, since metrics use only what both kinds have."""
Columns = Mapping[str, str] | None
"""Own column names by the data model's: `{"customer_id": "会員ID"}`."""
Names = Mapping[str, Any] | None
"""`Columns` of one table or, by table, of several: `{"orders": {"customer_id": "会員ID"}}`."""

EPOCH = datetime(1970, 1, 1)
EPOCH_DAY = 719_468  # its `day_number`
DAY_MS = 86_400_000
DAYS_BEFORE, DAYS = 2**27, 2**28  # room for every day that a timestamp in microseconds can hold
_DATES = (nw.Datetime, nw.Date)
_TIMES = ("instant", "date")
_NUMBERS = ("amount", "number", "integer")
_CHECKED = (*_TIMES, *_NUMBERS, "flag")
_PLAIN: Mapping[str, Any] = {
    **dict.fromkeys(_TIMES, nw.Datetime("us")),
    **dict.fromkeys(_NUMBERS, nw.Float64()),
    **dict.fromkeys(("id", "text", "category"), nw.String()),
    "flag": nw.Boolean(),
}


def columns_of(columns: Names, table: str, tables: Sequence[str]) -> Columns:
    """Own names of one of the `tables` that a metric takes.

    Args:
        columns: By table (`{"orders": {"customer_id": "会員番号"}}`), or flat: then for every table with that column.
        table: The one that is asked about.
        tables: All that the metric takes.

    Raises:
        ParameterError: a table that the metric does not take, or a column that none of them has.
    """
    if columns is None:
        return None
    if any(isinstance(own, Mapping) for own in columns.values()):
        for name in columns:
            if name not in tables:
                raise ParameterError("columns_of_no_table", table=name, options=", ".join(tables))
        return cast("Columns", columns.get(table))
    for name in columns:
        if not any(name in schema.TABLES[each] for each in tables):
            every = [column for each in tables for column in _names(schema.TABLES[each])]
            raise ParameterError(
                "unknown_model_column", table=", ".join(tables), column=name, nearest=nearest(name, every)
            )
    return {name: own for name, own in columns.items() if name in schema.TABLES[table]}


def open_table(
    native: Any,
    table: str,
    *,
    needs: Sequence[str],
    must: Sequence[str] = (),
    columns: Columns = None,
    extra: str | None = None,
) -> Frame:
    """Check a table and give the needed columns under the data model's names.

    Args:
        native: pandas, Polars (eager or lazy), PyArrow, DuckDB or PySpark table.
        table: Name of the table in the data model; its types are what is checked.
        needs: Columns to have; a needed column that the model does not require may be absent.
        must: Those of `needs` without which this metric cannot be had, whatever the model says.
        columns: Own column names by the model's.
        extra: One more column to keep, under its own name (for `by=`).

    Raises:
        MissingColumn: naming the table, the column and the nearest name found.
        WrongType: a column holds text where dates or numbers are due, or instants with a zone.
        ParameterError: `native` is no table, or `columns` names a column that the model does not have.
    """
    frame = as_frame(native)
    model = schema.TABLES[table]
    own = dict(columns or {})
    found = frame.collect_schema()
    for name in own:
        if name not in model:
            raise ParameterError("unknown_model_column", table=table, column=name, nearest=nearest(name, _names(model)))
    picked = []
    for name in needs:
        source = own.get(name, name)
        if source in found:
            picked.append(_checked(frame, table, name, source, found[source], model[name].kind))
        elif name in model.required or name in own or name in must:
            raise _missing(table, source, found)
    if extra is not None:
        if extra not in found:
            raise _missing(table, extra, found)
        picked.append(_read(frame, extra, found[extra]).alias("group"))
    if not picked:
        raise _missing(table, own.get(needs[0], needs[0]), found)
    return frame.select(*picked)


def _missing(table: str, column: str, found: Iterable[str]) -> MissingColumn:
    names = list(found)
    return MissingColumn("table", table=table, column=column, nearest=nearest(column, names), found=", ".join(names))


def fetch(frame: Frame) -> nw.DataFrame[Any]:
    """Bring a small result to the client: the one place where rows leave a lazy engine."""
    return cast("nw.DataFrame[Any]", frame) if _in_memory(frame) else frame.collect()


def rows(frame: Frame) -> list[dict[str, Any]]:
    """Fetch a small result to the client, as plain Python rows."""
    return [{name: plain(value) for name, value in row.items()} for row in fetch(frame).iter_rows(named=True)]


def row(*parts: Frame) -> dict[str, Any]:
    """Fetch one-row results to the client side by side, in one query where the engine works lazily."""
    if not all(_in_memory(part) for part in parts):
        whole, *others = parts
        for part in others:
            whole = whole.join(part, how="cross")
        parts = (whole,)
    found: dict[str, Any] = {}
    for part in parts:
        (only,) = rows(part)
        found |= only
    return found


def plain(value: Any) -> Any:
    """pandas has three words of its own for "none"."""
    return None if str(value) in ("NaT", "<NA>") or (isinstance(value, float) and math.isnan(value)) else value


def give_back(frame: Frame) -> Any:
    """The table in its own engine's kind, its rows numbered from 0 where the engine numbers rows."""
    return nw.maybe_reset_index(frame).to_native() if _in_memory(frame) else frame.to_native()


def same_kind(like: Frame, small: nw.DataFrame[Any]) -> Frame:
    """A table made of what was fetched, in the engine of `like` (and its connection), to go on with or to give back."""
    if _in_memory(like):
        return cast("Frame", small)
    if like.implementation.is_duckdb():
        made = small.to_arrow()  # noqa: F841  the query finds it by its name
        return as_frame(like.to_native().query("_crmkit_source", "SELECT * FROM made"))
    if like.implementation.is_pyspark():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PySpark's own, about pandas 3
            return as_frame(like.to_native().sparkSession.createDataFrame(small.to_arrow()))
    return small.lazy()


def table(like: Frame, columns: Mapping[str, Any]) -> nw.DataFrame[Any]:
    """A small table on the client of the kind that `fetch(like)` gives; NaN in it means "none"."""
    backend: Any = like.implementation
    if backend.is_duckdb() or backend.is_pyspark():
        backend = nw.Implementation.PYARROW
    made = nw.from_dict({name: _plain_column(values) for name, values in columns.items()}, backend=backend)
    return made.with_columns(nw.col(name).fill_nan(None) for name, kind in made.schema.items() if kind.is_float())


def _plain_column(values: Any) -> Any:
    return values.tolist() if isinstance(values, np.ndarray) and values.dtype == object else values


def beside(frame: Frame, per: str, **found: nw.Expr) -> Frame:
    """Each row with aggregates of all rows of the same `per` beside it."""
    # narwhals' `over` puts values into the wrong rows of large PyArrow tables; in DuckDB a join is quicker
    if frame.implementation.is_pyarrow() or frame.implementation.is_duckdb():
        return frame.join(frame.group_by(per).agg(**found), on=per, how="inner")
    return frame.with_columns(**{name: value.over(per) for name, value in found.items()})


def per_day(rows: Frame, who: str, day: str, **found: nw.Expr) -> tuple[Frame, Callable[[Frame], Frame]]:
    """One row for each `who` and `day` (a midnight) with aggregates, and what puts the values of `who` back in the end.

    pandas reads a column's texts anew each time it groups by them, and groups by one number twice as fast as by two
    columns: there `who` becomes a number until it is put back. Elsewhere nothing needs to be put back.
    """
    if not rows.implementation.is_pandas():
        return rows.group_by(who, day).agg(**found), lambda table: table
    numbers, values = rows.to_native()[who].factorize(use_na_sentinel=False)
    days = nw.col(day).dt.timestamp("ms") // DAY_MS + DAYS_BEFORE
    keyed = as_frame(rows.to_native().assign(**{who: numbers})).with_columns((nw.col(who) * DAYS + days).alias("_key"))
    table = keyed.group_by("_key").agg(**found).to_native()
    key = table["_key"].to_numpy()
    at = ((key % DAYS - DAYS_BEFORE) * DAY_MS).astype("datetime64[ms]")
    pairs = as_frame(table.drop(columns="_key").assign(**{who: key // DAYS, day: at}))

    def put_back(small: Frame) -> Frame:
        native = small.to_native()
        return as_frame(native.assign(**{who: values.take(native[who].to_numpy())}))

    return pairs, put_back


def least(frame: Frame, per: str, value: str) -> Frame:
    """The rows in which `value` is the least of its `per`; ties stay."""
    if frame.implementation.is_pandas_like():  # its join on two columns is slow
        return frame.filter(nw.col(value) == nw.col(value).min().over(per))
    smallest = frame.group_by(per).agg(nw.col(value).min().alias("_least"))
    return frame.join(smallest, left_on=[per, value], right_on=[per, "_least"], how="inner")


def numbers(frame: Frame, stop: int) -> Frame:
    """A table of the same kind with one column, `age` = 0, 1, … `stop - 1`; engines cannot make rows from nothing."""
    if _in_memory(frame):
        return cast("Frame", nw.from_dict({"age": list(range(stop))}, backend=frame.implementation))
    native = frame.to_native()
    if frame.implementation.is_duckdb():
        return as_frame(native.limit(1).project(f"unnest(range({int(stop)})) AS age"))
    if frame.implementation.is_pyspark():
        return as_frame(native.sparkSession.range(stop).withColumnRenamed("id", "age"))
    return nw.from_dict({"age": list(range(stop))}, backend=frame.implementation).lazy()


def instant(value: str | date | datetime | Any, parameter: str) -> datetime:
    """Read a parameter that is a point in time: "2026-03-01", a date or a datetime, in local wall time.

    Raises:
        ParameterError: if it cannot be read, or carries a zone.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ParameterError("not_a_date", parameter=parameter, value=value) from None
    if isinstance(value, datetime):  # also pandas.Timestamp
        if value.tzinfo is not None:
            raise ParameterError("zoned", parameter=parameter, value=value)
        return datetime(*value.timetuple()[:6], value.microsecond)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    raise ParameterError("not_a_date", parameter=parameter, value=value)


def day_number(at: nw.Expr) -> nw.Expr:
    """Days since 0000-03-01 of the civil calendar, in integers; works where an engine has no durations."""
    # pandas cannot make integers of parts of no instant: its day is taken away at the end
    year, month, day = (part.fill_null(1).cast(nw.Int64) for part in (at.dt.year(), at.dt.month(), at.dt.day()))
    turned = month + 9
    shifted = turned - turned // 12 * 12  # March is month 0, so that the leap day comes last; not every engine has %
    year = year - nw.when(month <= 2).then(1).otherwise(0)
    days = 365 * year + year // 4 - year // 100 + year // 400
    return nw.when(~at.is_null()).then(days + (153 * shifted + 2) // 5 + day - 1)


def days_since_1970(frame: Frame, name: str) -> nw.Expr:
    """Days from EPOCH to the instants of a column, in integers; `(at - EPOCH).days` is the same of one instant."""
    at = nw.col(name)
    if _in_memory(frame):  # quicker; not every lazy engine has it
        return at.dt.timestamp("ms") // DAY_MS
    return day_number(at) - EPOCH_DAY


def period_start(at: nw.Expr, every: str) -> nw.Expr:
    """First day of the calendar period that an instant lies in; weeks begin on Monday."""
    if every != "1w":
        return at.dt.truncate(every).dt.replace_time_zone(None)  # Spark's truncation brings the session's zone back
    day, monday = at.dt.truncate("1d"), at.dt.truncate("1d")
    for past in range(1, 7):  # engines cannot shift by a column: one branch a weekday
        weekday = [0, 7] if past == 6 else [past + 1]  # Spark calls Sunday 0
        monday = nw.when(day.dt.weekday().is_in(weekday)).then(day.dt.offset_by(f"-{past}d")).otherwise(monday)
    return monday.dt.replace_time_zone(None)


def _in_memory(frame: Frame) -> bool:
    return isinstance(frame, nw.DataFrame)


def as_frame(native: Any) -> Frame:
    """A native table of any engine, opened without a look at its columns.

    Raises:
        ParameterError: if it is no table.
    """
    try:
        frame = cast("Frame", nw.from_native(native))
    except TypeError:
        raise ParameterError("no_table", found=type(native).__name__) from None
    return _OfOneConnection.of(frame) if frame.implementation.is_duckdb() else frame


class _OfOneConnection(nw.LazyFrame[Any]):
    """A DuckDB table, and what is made of it: can be joined with tables of its own connection only."""

    @classmethod
    def of(cls, frame: Frame) -> _OfOneConnection:
        """The same table; narwhals itself makes frames of a kind in this way, and joins only like with like."""
        return frame if isinstance(frame, cls) else cls(frame._compliant_frame, level="lazy")

    def join(self, other: Frame, *args: Any, **how: Any) -> Any:
        """As in narwhals; DuckDB's own word about two connections does not say what to do."""
        with _one_connection():
            return super().join(self.of(other), *args, **how)


def stacked(parts: Sequence[Frame]) -> Frame:
    """Tables with the same columns, one below the other."""
    with _one_connection():
        return nw.concat(list(parts), how="vertical")


@contextmanager
def _one_connection() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # DuckDB's own kinds are known only where DuckDB is installed
        if "different connections" not in str(error):
            raise
        raise ParameterError("two_connections") from error


def _checked(frame: Frame, table: str, name: str, source: str, dtype: Any, kind: Kind) -> nw.Expr | nw.Series[Any]:
    """The column under its model name, after a look at its type."""
    column = _read(frame, source, dtype)
    if not _fits(dtype, kind):
        if _is_empty(frame, source, dtype):
            return nw.when(~column.is_null()).then(nw.lit(None, _PLAIN[kind])).alias(name)
        flags = _flags_with_gaps(frame, source) if kind == "flag" and dtype == nw.Object else None
        if flags is not None:
            return flags.alias(name)
        if kind in _CHECKED and not (kind in _NUMBERS and dtype == nw.Unknown):
            wanted = "number" if kind in _NUMBERS else kind
            raise WrongType(wanted, table=table, column=source, found=dtype, sample=_sample(frame, source))
    if isinstance(dtype, nw.Datetime) and dtype.time_zone is not None and kind in _TIMES:
        if not frame.implementation.is_pyspark():  # Spark's plain timestamp always has the session's zone
            raise WrongType("zoned", table=table, column=source, found=dtype, zone=dtype.time_zone)
        column = column.dt.replace_time_zone(None)
    if isinstance(dtype, nw.Date) and kind in _TIMES:
        column = column.cast(nw.Datetime("us"))
    return column.alias(name)


def _fits(dtype: Any, kind: Kind) -> bool:
    if kind in _TIMES:
        return isinstance(dtype, _DATES)
    if kind in _NUMBERS:
        return bool(dtype.is_numeric())
    if kind == "flag":
        return bool(dtype == nw.Boolean)
    return not (dtype.is_float() or dtype == nw.Unknown)


def _is_empty(frame: Frame, source: str, dtype: Any) -> bool:
    """Whether a column has no value at all: its type is then a guess of the engine's, or of the file's reader."""
    column = nw.col(source).fill_nan(None) if dtype.is_float() else nw.col(source)
    return bool(row(frame.select(n=column.count()))["n"] == 0)


def _flags_with_gaps(frame: Frame, source: str) -> nw.Series[Any] | None:
    """A pandas column of true, false and nothing, which pandas keeps as objects."""
    import pandas as pd

    column = frame.to_native()[source]
    if pd.api.types.infer_dtype(column, skipna=True) != "boolean":
        return None
    return cast("nw.Series[Any]", nw.from_native(column.astype("boolean"), series_only=True))


def _read(frame: Frame, source: str, dtype: Any) -> nw.Expr:
    """A column of one plain type: grouping turns mixed objects into numbers, and categories have no least one."""
    column = nw.col(source)
    if isinstance(dtype, nw.Object | nw.Categorical | nw.Enum):
        return column.cast(nw.String)
    if dtype == nw.String:
        # PyArrow joins no string with its large ones, and of pandas' objects narwhals looks at the first few only
        mixed = frame.implementation.is_pandas() and frame.to_native()[source].dtype == object
        return column.cast(nw.String) if mixed or frame.implementation.is_pyarrow() else column
    return column.fill_nan(None) if dtype.is_float() else column


def _sample(frame: Frame, column: str) -> str:
    found = [str(item[column]) for item in rows(frame.select(column).head(3))]
    return ", ".join(repr(value) for value in found)


def _names(model: schema.Table) -> list[str]:
    return [column.name for column in model.columns]


def nearest(name: str, candidates: list[str]) -> str:
    """The candidate that looks most like `name`; "" where none does."""
    lowered = {candidate.lower(): candidate for candidate in candidates}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    return lowered[close[0]] if close else ""
