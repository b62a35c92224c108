"""What stands before a change of a customer database: rows that are named must be there, ids must lead somewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pandas as pd

from crmkit.datasets.shop_file import quoted
from crmkit.datasets.shop_rows import ShopTable, checked, key_row, near
from crmkit.errors import ColumnError, ParameterError
from crmkit.texts import text


@dataclass(frozen=True, slots=True)
class Change:
    """What a change did.

    Attributes:
        number: Its number in the journal; `None` where everything was so already and nothing was written.
        what: "correct", "change", "add", "remove", "merge" or "undo".
        rows: Rows that were touched, by table.
        filled: Of a merge: columns that were empty and were filled.
        conflicts: Of a merge: `column`, `kept`, `dropped`, where both records had something else.
    """

    number: int | None
    what: str
    rows: Mapping[str, int]
    filled: tuple[str, ...] = ()
    conflicts: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["column", "kept", "dropped"]))

    def __str__(self) -> str:
        if self.number is None:
            return text("database.nothing_changed")
        tables = ", ".join(f"{name} {rows:,}" for name, rows in self.rows.items())
        said = text("database.changed", change=self.number, what=text(f"database.what.{self.what}"), tables=tables)
        if len(self.conflicts):
            said += text("database.conflicts", columns=", ".join(self.conflicts["column"]))
        return said

    def __repr__(self) -> str:
        return str(self)


class Checks:
    """Looks into the rows of a database and refuses what would not fit."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, tables: Mapping[str, ShopTable], zone: str) -> None:
        self._connection = connection
        self._tables = tables
        self._zone = zone

    def checked(self, table: ShopTable, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values as they are written; a key is none of them."""
        if not values:
            raise ParameterError("nothing_to_change", table=table.name)
        plain = {name: checked(table, name, value, self._zone) for name, value in values.items()}
        for name in plain:
            if name in table.key:
                raise ParameterError("key_stays", table=table.name, column=name)
        return plain

    def condition(self, table: ShopTable, where: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """A condition in SQL, for the alias t, and its values."""
        parts, values = [], list[Any]()
        for name, wanted in where.items():
            several = wanted if isinstance(wanted, list | tuple | set) else [wanted]
            each = []
            for value in several:
                plain = checked(table, name, value, self._zone, strict=False)
                each.append(f"t.{quoted(name)} IS NOT DISTINCT FROM CAST(? AS {table.types[name]})")
                values.append(plain)
            parts.append(f"({' OR '.join(each) or 'false'})")
        return " AND ".join(parts), values

    def count(self, table: ShopTable, where: Mapping[str, Any]) -> int:
        """How many rows have these values."""
        condition, values = self.condition(table, where)
        sql = f"SELECT count(*) FROM {table.sql} t WHERE {condition}"
        return int(self._connection.execute(sql, values).fetchall()[0][0])

    def must_be_there(self, table: ShopTable, row: Mapping[str, Any]) -> None:
        """Refuse a key that no row has."""
        if not self.count(table, row):
            raise self.no_row(table.name, said(list(row.values())))

    def no_row(self, table: str, key: str) -> ParameterError:
        """The error for a key that no row has, with the nearest."""
        first = self._tables[table].key[0]
        sql = f"SELECT DISTINCT CAST({quoted(first)} AS VARCHAR) AS k FROM {self._tables[table].sql}"
        sql += " ORDER BY levenshtein(k, ?), k LIMIT 3"
        found = self._connection.execute(sql, [key]).fetchall() if len(key) < 100 else []
        nearest = ", ".join(one for (one,) in found if one is not None and near(key, [one]))
        return ParameterError(
            "no_customer" if table == "customers" else "no_row", table=table, key=key, nearest=nearest
        )

    def refuse_orphan(self, table: ShopTable, name: str, value: Any, *, row: Mapping[str, Any] | None = None) -> None:
        """Refuse an id that leads nowhere."""
        target, _, key = (table.columns[name].references or "").partition(".")
        if value is None or target not in self._tables or key not in self._tables[target].columns:
            return
        if target == table.name and row is not None and row.get(key) == value:
            return
        if not self.count(self._tables[target], {key: value}):
            nearest = self.no_row(target, str(value)).values["nearest"]
            raise ColumnError(
                "leads_nowhere", table=table.name, column=name, value=value, target=target, nearest=nearest
            )

    def record(self, table: ShopTable, customer: str) -> dict[str, Any]:
        """The one record of a customer, by column."""
        self.must_be_there(table, key_row(table, customer, self._zone))
        columns = ", ".join(f"t.{quoted(name)}" for name in table.columns)
        sql = f"SELECT {columns} FROM {table.sql} t WHERE t.customer_id = ?"
        (found, *more) = self._connection.execute(sql, [customer]).fetchall()
        if more:
            raise ParameterError("key_repeats", table=table.name, key=customer, rows=len(more) + 1)
        return dict(zip(table.columns, found, strict=True))

    def needed_by(self, table: str, key: str) -> dict[str, int]:
        """How many rows point to a row, by column."""
        return {
            f"{other.name}.{column}": count
            for other in self._tables.values()
            for column in other.pointing_to(table)
            if (count := self.count(other, {column: key}))
        }


def said(parts: Sequence[Any]) -> str:
    """The parts of a key in a message."""
    return ", ".join(map(str, parts))


def refusal(kept: Mapping[str, Any], gone: Mapping[str, Any]) -> dict[str, Any]:
    """A "no" of either record to being written to holds for both."""
    refused = {}
    if kept.get("email_opt_in") and gone.get("email_opt_in") is False:
        refused["email_opt_in"] = False
    return refused
