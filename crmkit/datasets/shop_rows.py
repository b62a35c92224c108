"""The tables of a customer database as its rows are found, and every value held against the data model."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd

from crmkit import schema
from crmkit.datasets.shop_file import ABOUT, quoted
from crmkit.errors import ColumnError, ParameterError, WrongType
from crmkit.schema import EARLIEST_YEAR, Column, Table
from crmkit.texts import text

_KINDS = {"TIMESTAMP": "instant", "DATE": "date", "DOUBLE": "number", "BIGINT": "integer", "BOOLEAN": "flag"}
Key = Any
"""The value of a table's key column, or one value per column where there are several."""


@dataclass(frozen=True, slots=True)
class ShopTable:
    """One table: its columns as the model has them, their SQL types, and the key ("" in no table of the model)."""

    name: str
    columns: Mapping[str, Column]
    types: Mapping[str, str]
    key: tuple[str, ...]
    is_unique: bool

    @property
    def sql(self) -> str:
        """Its name in SQL."""
        return f"main.{quoted(self.name)}"

    def key_sql(self, of: str = "t") -> str:
        """The key of a row as one text."""
        parts = [f"CAST({of}.{quoted(name)} AS VARCHAR)" for name in self.key]
        return parts[0] if len(parts) == 1 else f"CAST(to_json([{', '.join(parts)}]) AS VARCHAR)"

    def column(self, name: str) -> Column:
        """A column by name.

        Raises:
            ColumnError: naming the nearest.
        """
        if name not in self.columns:
            raise ColumnError(
                "not_in_database", table=self.name, column=name, nearest=near(name, self.columns),
                found=", ".join(self.columns),
            )  # fmt: skip
        return self.columns[name]

    def pointing_to(self, table: str) -> list[str]:
        """Its columns that hold ids of a table."""
        return [name for name, column in self.columns.items() if (column.references or "").split(".")[0] == table]


def near(name: object, options: Any) -> str:
    """The option that looks most like a name, or ""."""
    return next(iter(difflib.get_close_matches(str(name), list(options), n=1)), "")


def tables_of(connection: duckdb.DuckDBPyConnection) -> dict[str, ShopTable]:
    """All tables of a database's schema main."""
    listed = connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns()"
        " WHERE schema_name = 'main' AND NOT internal AND database_name = current_database()"
        " ORDER BY table_oid, column_index"
    ).fetchall()
    keyed = connection.execute(
        "SELECT table_name FROM duckdb_constraints() WHERE schema_name = 'main' AND constraint_type = 'PRIMARY KEY'"
    ).fetchall()
    types: dict[str, dict[str, str]] = {}
    for table, column, type_ in listed:
        types.setdefault(table, {})[column] = type_
    return {name: _table(name, found, (name,) in keyed) for name, found in types.items() if name != ABOUT}


def _table(name: str, types: Mapping[str, str], is_unique: bool) -> ShopTable:
    model = schema.TABLES.get(name)
    key = model.key if model is not None and set(model.key) <= set(types) else ()
    columns = {column: _column(column, found, model) for column, found in types.items()}
    return ShopTable(name, columns, types, key, is_unique)


def _column(name: str, found: str, model: Table | None) -> Column:
    if model is not None and name in model:
        return model[name]
    kind: Any = _KINDS.get(found, "text")
    return Column(name, kind)


# --- values


def checked(table: ShopTable, name: str, value: Any, zone: str, *, strict: bool = True) -> Any:
    """A value as the column takes it; instants with a zone are turned to the shop's clock.

    Args:
        table: The table.
        name: The column.
        value: What is to be written, or looked for.
        zone: The shop's zone.
        strict: Also hold it against allowed words, range and whether it may be empty: not for what is looked for.

    Raises:
        ColumnError: there is no such column; the value is out of range, not among the allowed words, or missing.
        WrongType: it is of another kind.
    """
    column = table.column(name)
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        if strict and not column.nullable:
            raise ColumnError("value_needed", table=table.name, column=name)
        return None
    try:
        plain = _plain(column, value, zone)
    except (ValueError, TypeError, OverflowError):
        plain = None
    if plain is None:
        wanted = text(f"database.kind.{column.kind}")
        raise WrongType("value_kind", table=table.name, column=name, wanted=wanted, found=_shown(column, value))
    if strict:
        _check_bounds(table, column, plain)
    return plain


def _plain(column: Column, value: Any, zone: str) -> Any:
    """The value in the type of its kind, or `None`."""
    if column.kind in ("id", "text", "category"):
        fits = isinstance(value, str) and (value or column.kind == "text")
        return value.encode().decode() if fits else None  # half of a pair of surrogates is no text
    if column.kind in ("instant", "date"):
        return _moment(column, value, zone)
    is_flag = isinstance(value, bool) or type(value).__name__ == "bool"  # Python's, NumPy's
    if column.kind == "flag" or is_flag:
        return bool(value) if column.kind == "flag" and is_flag else None
    return _number(column, value)


def _number(column: Column, value: Any) -> Any:
    if column.kind == "integer":
        whole = int(value) if isinstance(value, numbers.Integral) else None
        return whole if whole is not None and -(2**63) <= whole < 2**63 else None
    fits = isinstance(value, numbers.Real) and math.isfinite(value)
    return float(value) if fits else None


def _moment(column: Column, value: Any, zone: str) -> Any:
    if column.kind == "date":
        if isinstance(value, str):
            return date.fromisoformat(value)
        if isinstance(value, datetime):
            return value.date() if value.time() == datetime.min.time() and value.tzinfo is None else None
        return value if isinstance(value, date) else None
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return None
    if isinstance(value, pd.Timestamp):
        value = value.floor("us").to_pydatetime()
    return value if value.tzinfo is None else value.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def _check_bounds(table: ShopTable, column: Column, value: Any) -> None:
    facts = {"table": table.name, "column": column.name, "found": _shown(column, value)}
    if column.allowed and value not in column.allowed:
        raise ColumnError(
            "value_allowed", **facts, nearest=near(value, column.allowed), allowed=", ".join(column.allowed)
        )
    low = EARLIEST_YEAR if column.kind in ("instant", "date") else column.low
    compared = value.year if column.kind in ("instant", "date") else value
    if low is not None and compared < low:
        raise ColumnError("value_low", **facts, low=f"{low:g}")
    if column.high is not None and compared > column.high:
        raise ColumnError("value_high", **facts, high=f"{column.high:g}")


def _shown(column: Column, value: Any) -> str:
    """A value in a message: what identifies a person is not repeated there."""
    return type(value).__name__ if column.personal else repr(value)[:80]


def key_row(table: ShopTable, key: Key, zone: str) -> dict[str, Any]:
    """A key as one value per column of it.

    Raises:
        ParameterError: the table has no key, or the key has another number of parts.
        WrongType: a part is of another kind.
    """
    if not table.key:
        raise ParameterError("database_no_key", table=table.name)
    parts = list(key) if isinstance(key, tuple | list) else [key]
    if len(parts) != len(table.key):
        raise ParameterError("key_parts", table=table.name, columns=", ".join(table.key), found=len(parts))
    return {name: checked(table, name, part, zone) for name, part in zip(table.key, parts, strict=True)}
