"""A person taken out of a customer database for good: the record, what was written about it, and its past values."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from crmkit.datasets.shop_file import ABOUT, quoted
from crmkit.datasets.shop_rows import ShopTable
from crmkit.schema import TABLES
from crmkit.texts import text

_MINE = 'SELECT "key" FROM forget_rows WHERE "table" = ?'


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What `forget` did.

    Attributes:
        change: Number of the journal's entry, which holds no values.
        stands_for: The id that the orders and so on of the person now have; it leads nowhere.
        records: Records of customers that are gone, those merged into the customer included.
        rows: Rows of other tables that now have the new id, by table.
        emptied: Values of personal columns that were emptied in those tables.
        past_values: Values before and after changes that were taken out of the journal.
    """

    change: int
    stands_for: str
    records: int
    rows: Mapping[str, int]
    emptied: int
    past_values: int

    def __str__(self) -> str:
        return text(
            "database.forgotten", records=self.records, rows=sum(self.rows.values()), emptied=self.emptied,
            past=self.past_values, id=self.stands_for, change=self.change,
        )  # fmt: skip

    def __repr__(self) -> str:
        return str(self)


class Forgetting:
    """The steps of one `forget`, inside a transaction."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, tables: Mapping[str, ShopTable], customer: str) -> None:
        self._connection = connection
        self._tables = tables
        self._ids = self._merged_into(customer)
        self.stands_for = f"forgotten-{secrets.token_hex(6)}"

    def run(self) -> tuple[int, dict[str, int], int, int]:
        """Do all but the journal's own entry.

        Returns:
            Records, rows by table, emptied values, past values.
        """
        self._connection.execute(
            'CREATE OR REPLACE TEMP TABLE forget_rows ("table" VARCHAR, "key" VARCHAR, now BOOLEAN)'
        )
        for one in self._ids:
            self._connection.execute("INSERT INTO forget_rows VALUES ('customers', ?, true)", [one])
        self._close(self._rows_now)
        self._close(self._rows_then)
        emptied = sum(self._empty(table) for table in self._tables.values())
        moved = {name: rows for name, table in self._tables.items() if (rows := self._move(table))}
        self._forget_truth()
        past = self._forget_past()
        records = self._forget_record()
        self._connection.execute("DROP TABLE forget_rows")
        self._connection.execute(f"UPDATE main.{ABOUT} SET value = 'true' WHERE name = 'rewrite'")
        return records, moved, emptied, past

    def _merged_into(self, customer: str) -> list[str]:
        """The ids of a customer: their own, and those of records that were merged into it."""
        sql = (
            'WITH RECURSIVE ids(id) AS (SELECT ?::VARCHAR UNION SELECT c."key" FROM ids'
            " JOIN journal.changes h ON h.subject = ids.id AND h.what = 'merge' AND NOT h.undone"
            " JOIN journal.cells c ON c.change = h.change AND c.act = 'remove' AND c.\"table\" = 'customers')"
            " SELECT DISTINCT id FROM ids ORDER BY id"
        )
        return [one for (one,) in self._connection.execute(sql, [customer]).fetchall()]

    # --- which rows

    def _close(self, step: Any) -> None:
        """Follow references until nothing more is found."""
        before = -1
        while before != (before := self._one("SELECT count(*) FROM forget_rows")):
            for table in self._tables.values():
                for column, of in table.columns.items():
                    target = (of.references or "").partition(".")[0]
                    if target in self._tables and table.key:
                        step(table, column, target)

    def _rows_now(self, table: ShopTable, column: str, target: str) -> None:
        """Rows that point to the person's rows, unless they say themselves that they are somebody else's."""
        owners = table.pointing_to("customers")
        own = "".join(f" AND t.{quoted(name)} IS NULL" for name in owners) if target != "customers" else ""
        self._connection.execute(
            f"INSERT INTO forget_rows SELECT DISTINCT '{table.name}', {table.key_sql()}, true FROM {table.sql} t"
            f" WHERE t.{quoted(column)} IN ({_MINE} AND now){own} AND {table.key_sql()} NOT IN ({_MINE})",
            [target, table.name],
        )

    def _rows_then(self, table: ShopTable, column: str, target: str) -> None:
        """Rows that by the journal pointed there once."""
        self._connection.execute(
            'INSERT INTO forget_rows SELECT DISTINCT m."table", m."key", false FROM journal.cells m'
            f' WHERE m."table" = ? AND m."column" = ? AND (m.before IN ({_MINE}) OR m.after IN ({_MINE}))'
            f' AND m."key" NOT IN ({_MINE})',
            [table.name, column, target, target, table.name],
        )

    # --- what becomes of them

    def _empty(self, table: ShopTable) -> int:
        """Empty what names a person, or could: columns that the model does not know."""
        if table.name == "customers" or not table.key:
            return 0
        model = TABLES[table.name]
        count = 0
        for name, column in table.columns.items():
            if column.personal or (name not in model and table.types[name] == "VARCHAR"):
                count += self._one(
                    f"UPDATE {table.sql} AS t SET {quoted(name)} = NULL"
                    f" WHERE t.{quoted(name)} IS NOT NULL AND {table.key_sql()} IN ({_MINE} AND now)",
                    [table.name],
                )
        return count

    def _move(self, table: ShopTable) -> int:
        """Give the rows the id that leads nowhere; also in tables that the model does not know."""
        count = 0
        for name, column in table.columns.items():
            if table.name != "customers" and (column.references == "customers.customer_id" or name == "customer_id"):
                count += self._one(
                    f"UPDATE {table.sql} AS t SET {quoted(name)} = ?"
                    f" WHERE CAST(t.{quoted(name)} AS VARCHAR) IN (SELECT unnest(?::VARCHAR[]))",
                    [self.stands_for, self._ids],
                )
        return count

    def _forget_truth(self) -> None:
        sql = "SELECT table_name, list(column_name) FROM duckdb_columns() WHERE schema_name = 'truth' GROUP BY ALL"
        mine = "(SELECT unnest(?::VARCHAR[]))"
        for name, columns in self._connection.execute(sql).fetchall():
            table = f"truth.{quoted(name)}"
            if {"table", "row_id"} <= set(columns):
                self._connection.execute(
                    f'DELETE FROM {table} t WHERE EXISTS (SELECT 1 FROM forget_rows f WHERE f."table" = t."table"'
                    ' AND f."key" = t.row_id)'
                )
            if "customer_id" in columns:
                self._connection.execute(f"DELETE FROM {table} WHERE customer_id IN {mine}", [self._ids])
            if "referred_by" in columns:
                self._connection.execute(
                    f"UPDATE {table} SET referred_by = ? WHERE referred_by IN {mine}", [self.stands_for, self._ids]
                )

    def _forget_past(self) -> int:
        """Take the values out of the journal, and the reasons of changes that were about the person alone."""
        is_mine = 'EXISTS (SELECT 1 FROM forget_rows f WHERE f."table" = c."table" AND f."key" = c."key")'
        self._connection.execute(
            "CREATE OR REPLACE TEMP TABLE forget_changes AS SELECT c.change AS change, "
            f"bool_and({is_mine}) AS wholly FROM journal.cells c GROUP BY c.change HAVING bool_or({is_mine})"
        )
        past = self._one(f"SELECT count(c.before) + count(c.after) FROM journal.cells c WHERE {is_mine}")
        self._connection.execute(f"DELETE FROM journal.cells AS c WHERE {is_mine}")
        # what remains of a change of many rows can still be undone, for the others
        self._connection.execute(
            "UPDATE journal.changes AS h SET forgotten = h.forgotten OR h.what <> 'change' OR f.wholly,"
            " why = CASE WHEN f.wholly THEN NULL ELSE h.why END FROM forget_changes f WHERE f.change = h.change"
        )
        self._connection.execute(
            "UPDATE journal.changes SET subject = ? WHERE subject IN (SELECT unnest(?::VARCHAR[]))",
            [self.stands_for, self._ids],
        )
        self._connection.execute("DROP TABLE forget_changes")
        return int(past)

    def _forget_record(self) -> int:
        """Remove the records; a bare one stands for them, so that no order is an orphan."""
        table = self._tables["customers"]
        count = self._one(f"DELETE FROM {table.sql} WHERE customer_id IN (SELECT unnest(?::VARCHAR[]))", [self._ids])
        row = {"customer_id": self.stands_for} | ({"email_opt_in": False} if "email_opt_in" in table.columns else {})
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        self._connection.execute(f"INSERT INTO {table.sql} ({names}) VALUES ({marks})", list(row.values()))
        return int(count)

    def _one(self, sql: str, values: list[Any] | None = None) -> Any:
        found = self._connection.execute(sql, values or []).fetchall()
        return found[0][0] if found else None
