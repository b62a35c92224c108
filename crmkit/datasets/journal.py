"""What was changed in a customer database, by whom and why: written in the same transaction as the change itself.

`journal.changes` has a row per change, `journal.cells` one per value that it touched, before and after, as text. A
change is applied from its cells alone, and so is its reversal: what the journal says is what happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd

from crmkit.datasets.engines import to_pandas
from crmkit.datasets.shop_file import quoted
from crmkit.datasets.shop_rows import ShopTable
from crmkit.errors import ParameterError, UnreadableFile

_MAKE = """
    CREATE SCHEMA IF NOT EXISTS journal;
    CREATE TABLE IF NOT EXISTS journal.changes (
        change BIGINT PRIMARY KEY, changed_at TIMESTAMP NOT NULL, who VARCHAR NOT NULL, what VARCHAR NOT NULL,
        why VARCHAR, subject VARCHAR, undoes BIGINT, undone BOOLEAN NOT NULL, forgotten BOOLEAN NOT NULL
    );
    CREATE TABLE IF NOT EXISTS journal.cells (
        change BIGINT NOT NULL, act VARCHAR NOT NULL, "table" VARCHAR NOT NULL, "key" VARCHAR, "column" VARCHAR,
        before VARCHAR, after VARCHAR
    );
    CREATE TEMP TABLE IF NOT EXISTS touched (
        act VARCHAR, "table" VARCHAR, "key" VARCHAR, "column" VARCHAR, before VARCHAR, after VARCHAR
    );
"""
_SAME_ROW = 'm."table" = c."table" AND m."key" = c."key"'
_NEXT = "SELECT coalesce(max(change), 0) + 1 FROM journal.changes"


class Journal:
    """Changes and their reversals, on one connection.

    A change is first collected (`set_values`, `add_row`, `remove_row`), then written (`write`), all inside
    `transaction`.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, tables: dict[str, ShopTable], zone: str) -> None:
        self._connection = connection
        self._tables = tables
        self._zone = zone
        with self.transaction():
            connection.execute(_MAKE)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing.

        Raises:
            UnreadableFile: DuckDB could not write; nothing was changed.
        """
        self._connection.execute("BEGIN")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            with suppress(duckdb.Error):  # it may be rolled back already
                self._connection.execute("ROLLBACK")
            if isinstance(error, duckdb.Error):
                raise UnreadableFile("change_failed", detail=_first(error)) from None
            raise

    # --- collecting

    def clear(self) -> None:
        """Start a new collection."""
        self._connection.execute("DELETE FROM touched")

    def set_values(self, table: ShopTable, column: str, value: Any, where: str, values: list[Any]) -> None:
        """Collect a value for all rows of a condition that do not have it yet."""
        name, type_ = f"t.{quoted(column)}", table.types[column]
        new = f"CAST(? AS {type_})"
        self._connection.execute(
            f"INSERT INTO touched SELECT 'set', ?, {table.key_sql()}, ?,"
            f" CAST({name} AS VARCHAR), CAST({new} AS VARCHAR)"
            f" FROM {table.sql} t WHERE ({where}) AND {name} IS DISTINCT FROM {new}",
            [table.name, column, value, *values, value],
        )

    def key_of(self, table: ShopTable, row: Mapping[str, Any]) -> str:
        """The key of a row as one text, as the journal has it."""
        of_key = {name: row[name] for name in table.key}
        sql = f"SELECT {table.key_sql()} FROM (SELECT {_row_sql(table, of_key)}) t"
        return str(self._one(sql, list(of_key.values())))

    def add_row(self, table: ShopTable, row: Mapping[str, Any]) -> None:
        """Collect a new row."""
        key = self.key_of(table, row)
        for column, value in row.items():
            if value is not None:
                after = f"CAST(CAST(? AS {table.types[column]}) AS VARCHAR)"
                self._connection.execute(
                    f"INSERT INTO touched SELECT 'add', ?, ?, ?, NULL, {after}", [table.name, key, column, value]
                )

    def remove_row(self, table: ShopTable, key: str) -> None:
        """Collect the removal of a row."""
        for column in table.columns:
            self._connection.execute(
                f"INSERT INTO touched SELECT 'remove', ?, ?, ?, CAST(t.{quoted(column)} AS VARCHAR), NULL"
                f" FROM {table.sql} t WHERE {table.key_sql()} = ? AND t.{quoted(column)} IS NOT NULL",
                [table.name, key, column, key],
            )

    def collected(self) -> dict[str, int]:
        """How many rows of each table the collection touches."""
        sql = 'SELECT "table", count(DISTINCT "key") FROM touched GROUP BY ALL ORDER BY ALL'
        return dict(self._connection.execute(sql).fetchall())

    # --- writing

    def write(
        self, who: str, what: str, why: str | None, *, undoes: int | None = None, subject: str | None = None
    ) -> int:
        """Apply what was collected and say so in the journal.

        Args:
            who, what, why: What the journal says of it.
            undoes: The change that this one takes back.
            subject: The customer that others were merged into.

        Returns:
            The number of the change.

        Raises:
            ParameterError: a key that is touched belongs to several rows.
        """
        self._refuse_repeated_keys()
        for act, apply in (("add", self._add), ("set", self._set), ("remove", self._remove)):
            for table in self._touched_tables(act):
                apply(self._tables[table])
        number = self.note(who, what, why, undoes=undoes, subject=subject)
        self._connection.execute("INSERT INTO journal.cells SELECT ?, * FROM touched", [number])
        return number

    def note(
        self, who: str, what: str, why: str | None, *, undoes: int | None = None, subject: str | None = None
    ) -> int:
        """A row of `journal.changes`."""
        number = int(self._one(_NEXT))
        now = datetime.now(ZoneInfo(self._zone)).replace(tzinfo=None)
        self._connection.execute(
            "INSERT INTO journal.changes VALUES (?, ?, ?, ?, ?, ?, ?, false, ?)",
            [number, now, who, what, why, subject, undoes, what == "forget"],
        )
        return number

    def _touched_tables(self, act: str) -> list[str]:
        sql = 'SELECT DISTINCT "table" FROM touched WHERE act = ? ORDER BY 1'
        return [name for (name,) in self._connection.execute(sql, [act]).fetchall()]

    def _add(self, table: ShopTable) -> None:
        sql = (
            'SELECT "key", list("column"), list(after) FROM touched WHERE act = \'add\' AND "table" = ? GROUP BY "key"'
        )
        for _, columns, values in self._connection.execute(sql, [table.name]).fetchall():
            row = dict(zip(columns, values, strict=True))
            names = ", ".join(map(quoted, row))
            self._connection.execute(
                f"INSERT INTO {table.sql} ({names}) SELECT {_row_sql(table, row)}", list(row.values())
            )

    def _set(self, table: ShopTable) -> None:
        sql = 'SELECT DISTINCT "column" FROM touched WHERE act = \'set\' AND "table" = ?'
        for (column,) in self._connection.execute(sql, [table.name]).fetchall():
            self._connection.execute(
                f"UPDATE {table.sql} AS t SET {quoted(column)} = CAST(c.after AS {table.types[column]}) FROM touched c"
                f' WHERE c.act = \'set\' AND c."table" = ? AND c."column" = ? AND {table.key_sql()} = c."key"',
                [table.name, column],
            )

    def _remove(self, table: ShopTable) -> None:
        self._connection.execute(
            f"DELETE FROM {table.sql} AS t WHERE {table.key_sql()} IN"
            ' (SELECT c."key" FROM touched c WHERE c.act = \'remove\' AND c."table" = ?)',
            [table.name],
        )

    def _refuse_repeated_keys(self) -> None:
        for name in self.collected():
            table = self._tables[name]
            if table.is_unique:
                continue
            found = self._connection.execute(
                f"SELECT {table.key_sql()} AS k, count(*) FROM {table.sql} t"
                ' WHERE k IN (SELECT c."key" FROM touched c WHERE c."table" = ?)'
                " GROUP BY k HAVING count(*) > 1 ORDER BY k LIMIT 1",
                [name],
            ).fetchall()
            for key, rows in found:
                raise ParameterError("key_repeats", table=name, key=key, rows=rows)

    # --- undoing

    def undo(self, change: int | None, who: str, why: str | None) -> tuple[int, int]:
        """Take a change back, exactly; inside `transaction`.

        Args:
            change: Its number; without one, the last that is neither undone nor itself an undoing.
            who: Who undoes it.
            why: The reason.

        Returns:
            The number of the change that was undone, and that of the undoing.

        Raises:
            ParameterError: there is no such change, it is undone already, was forgotten, or a later change touched the
                same values.
        """
        number = self._to_undo(change)
        self.clear()
        self._connection.execute(
            "INSERT INTO touched SELECT CASE act WHEN 'add' THEN 'remove' WHEN 'remove' THEN 'add' ELSE act END,"
            ' "table", "key", "column", after, before FROM journal.cells WHERE change = ?',
            [number],
        )
        self._refuse_later(number)
        self._refuse_other_state(number)
        made = self.write(who, "undo", why, undoes=number)
        self._refuse_new_orphans(number, made)
        self._turn(number)
        return number, made

    def _to_undo(self, change: int | None) -> int:
        if change is None:
            change = self._one(
                "SELECT max(change) FROM journal.changes WHERE undoes IS NULL AND NOT undone AND NOT forgotten"
            )
            if change is None:
                raise ParameterError("nothing_to_undo")
        sql = "SELECT undone, forgotten FROM journal.changes WHERE change = ?"
        found = self._connection.execute(sql, [change]).fetchall() if type(change) is int else []
        if not found:
            raise ParameterError("no_change", change=change, last=int(self._one(_NEXT)) - 1)
        undone, forgotten = found[0]
        if forgotten:
            raise ParameterError("change_forgotten", change=change)
        if undone:
            by = self._one("SELECT max(change) FROM journal.changes WHERE undoes = ?", [change])
            raise ParameterError("undone_already", change=change, by=by)
        return int(change)

    def _refuse_later(self, number: int) -> None:
        """Changes that stand and touched the same cells or rows later have to go first."""
        later = self._one(
            f"SELECT max(m.change) FROM journal.cells m JOIN touched c ON {_SAME_ROW}"
            " AND (m.\"column\" = c.\"column\" OR m.act <> 'set' OR c.act <> 'set')"
            " JOIN journal.changes h ON h.change = m.change"
            " WHERE m.change > ? AND h.undoes IS NULL AND NOT h.undone",
            [number],
        )
        if later is not None:
            self._refuse(number, later)

    def _refuse(self, number: int, later: int) -> None:
        sql = "SELECT who, changed_at FROM journal.changes WHERE change = ?"
        (who, at) = self._connection.execute(sql, [later]).fetchall()[0]
        raise ParameterError("undo_later", change=number, later=later, who=who, at=f"{at:%Y-%m-%d %H:%M}")

    def _refuse_other_state(self, number: int) -> None:
        """The values must be those that the change left, whoever changed them since and however."""
        for name in self.collected():
            table = self._tables[name]
            wrong = self._one(
                f'SELECT count(*) FROM touched c JOIN {table.sql} t ON {table.key_sql()} = c."key"'
                " WHERE c.act = 'add' AND c.\"table\" = ?",
                [name],
            )
            sql = 'SELECT DISTINCT "column" FROM touched WHERE act <> \'add\' AND "table" = ?'
            for (column,) in self._connection.execute(sql, [name]).fetchall():
                wrong += self._one(
                    f'SELECT count(*) FROM touched c LEFT JOIN {table.sql} t ON {table.key_sql()} = c."key"'
                    f' WHERE c.act <> \'add\' AND c."table" = ? AND c."column" = ?'
                    f" AND (t.{quoted(table.key[0])} IS NULL OR CAST(t.{quoted(column)} AS VARCHAR)"
                    " IS DISTINCT FROM c.before)",
                    [name, column],
                )
            if wrong:
                raise ParameterError("undo_moved", change=number, table=name, rows=wrong)

    def _refuse_new_orphans(self, number: int, made: int) -> None:
        """No id may lead nowhere that led somewhere before: its row may have gone later, or rows come to need one."""
        for name in self.collected():
            for column, of in self._tables[name].columns.items():
                target, _, key = (of.references or "").partition(".")
                if target in self._tables and key in self._tables[target].key:
                    self._refuse_if_gone(number, made, name, column, target)
        for name in self._touched_tables("remove"):
            for other in self._tables.values():
                for column in other.pointing_to(name):
                    self._refuse_if_needed(number, made, name, other, column)

    def _refuse_if_gone(self, number: int, made: int, name: str, column: str, target: str) -> None:
        away = self._tables[target]
        later = self._one(
            'SELECT max(m.change) FROM touched c JOIN journal.cells m ON m."table" = ? AND m."key" = c.after'
            ' WHERE c."table" = ? AND c."column" = ? AND c.after IS NOT NULL AND m.change > ? AND m.change < ?'
            f" AND m.act = 'remove' AND NOT EXISTS (SELECT 1 FROM {away.sql} t WHERE {away.key_sql()} = c.after)",
            [target, name, column, number, made],
        )
        if later is not None:
            self._refuse(number, later)

    def _refuse_if_needed(self, number: int, made: int, name: str, other: ShopTable, column: str) -> None:
        """A row that points there now, and did not when the change was made."""
        if not other.key:
            return
        later = self._one(
            'SELECT max(first.change) FROM (SELECT DISTINCT "key" FROM touched'
            " WHERE act = 'remove' AND \"table\" = ?) c"
            f' JOIN {other.sql} t ON CAST(t.{quoted(column)} AS VARCHAR) = c."key"'
            ' JOIN (SELECT "key", min(change) AS change, arg_min(before, change) AS before FROM journal.cells'
            ' WHERE "table" = ? AND "column" = ? AND change > ? AND change < ? GROUP BY "key") first'
            f' ON first."key" = {other.key_sql()} WHERE first.before IS DISTINCT FROM c."key"',
            [name, other.name, column, number, made],
        )
        if later is not None:
            self._refuse(number, later)

    def _turn(self, number: int | None) -> None:
        """Mark a change as undone; what it had undone stands again, and so on back."""
        undone = True
        while number is not None:
            self._connection.execute("UPDATE journal.changes SET undone = ? WHERE change = ?", [undone, number])
            number = self._one("SELECT undoes FROM journal.changes WHERE change = ?", [number])
            undone = not undone

    # --- looking

    def frame(self) -> pd.DataFrame:
        """One row per value that was touched, the latest change first."""
        sql = (
            'SELECT h.change, h.changed_at, h.who, h.what, c.act, c."table", c."key", c."column", c.before, c.after,'
            " h.why, h.undoes, h.undone FROM journal.changes h LEFT JOIN journal.cells c ON c.change = h.change"
            ' ORDER BY h.change DESC, c."table", c."key", c.rowid'
        )
        return to_pandas(self._connection.sql(sql).to_arrow_table())

    def _one(self, sql: str, values: list[Any] | None = None) -> Any:
        found = self._connection.execute(sql, values or []).fetchall()
        return found[0][0] if found else None


def _row_sql(table: ShopTable, row: Mapping[str, Any]) -> str:
    return ", ".join(f"CAST(? AS {table.types[column]}) AS {quoted(column)}" for column in row)


def _first(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
