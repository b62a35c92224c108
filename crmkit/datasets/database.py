"""A saved folder as one DuckDB database: real types, and the data model's rules as far as the rows keep them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import duckdb
import pyarrow as pa

from crmkit.datasets.formats import ROW_GROUP, Place
from crmkit.datasets.manifest import SavedColumn
from crmkit.errors import UnreadableFile
from crmkit.schema import Kind
from crmkit.texts import has_text, text

_SQL: Mapping[Kind, str] = {
    "id": "VARCHAR",
    "text": "VARCHAR",
    "category": "VARCHAR",
    "instant": "TIMESTAMP",
    "date": "DATE",
    "amount": "DOUBLE",
    "number": "DOUBLE",
    "integer": "BIGINT",
    "flag": "BOOLEAN",
}


_MEMORY = "300MB"  # DuckDB would take most of the machine's
_MOST_KEYS = 1_000_000  # rows; an index of more costs hundreds of megabytes, in memory and in the file


class Database:
    """A DuckDB file to write tables to. Use it in a `with`; at the end the file is whole."""

    def __init__(self, path: Path, *, with_truth: bool = True) -> None:
        self._connection = duckdb.connect(path, config={"memory_limit": _MEMORY})
        self._with_truth = with_truth

    def __enter__(self) -> Database:
        if self._with_truth:
            with _write_errors():
                self._connection.execute("CREATE SCHEMA IF NOT EXISTS truth")
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        with closing(self._connection), _write_errors():
            if not failed:
                self._connection.execute("CHECKPOINT")  # closing does it too, but is silent about a full disk

    def write(self, pieces: Iterable[pa.Table], place: Place, columns: Sequence[SavedColumn]) -> None:
        """Write pieces of one table."""
        types = ", ".join(f"{_quoted(column.name)} {_SQL[column.kind]}" for column in columns)
        with _write_errors():
            # no transaction around it: that would hold the whole table in memory, and an unfinished file is thrown away
            self._connection.execute(f"CREATE TABLE {_named(place)} ({types})")
            rows = 0
            for piece in pieces:
                self._connection.register("_piece", piece)
                self._connection.execute(f"INSERT INTO {_named(place)} SELECT * FROM _piece")
                self._connection.unregister("_piece")
                rows += len(piece)
            for rule in _rules(place, columns, with_key=rows <= _MOST_KEYS):
                # rows may be spoilt on purpose: the table then goes without the rule it breaks
                with suppress(duckdb.ConstraintException):
                    self._connection.execute(f"ALTER TABLE {_named(place)} {rule}")

    def comment(self, place: Place, columns: Sequence[SavedColumn]) -> None:
        """Say of a table and its columns what the data dictionary says, in the language in use."""
        table = f"truth_{place.name}" if place.is_truth else place.name
        label = f"truth_table.{place.name}" if place.is_truth else f"table.{place.name}"
        with _write_errors():
            if has_text(label):
                self._connection.execute(f"COMMENT ON TABLE {_named(place)} IS {_literal(text(label))}")
            for column in columns:
                about = f"column.{table}.{column.name}"
                if has_text(about):
                    where = f"{_named(place)}.{_quoted(column.name)}"
                    self._connection.execute(f"COMMENT ON COLUMN {where} IS {_literal(text(about))}")

    def pairs(self, table: str, told: Mapping[str, str]) -> None:
        """Write a small table of names and values."""
        with _write_errors():
            self._connection.execute(f"CREATE TABLE main.{_quoted(table)} (name VARCHAR PRIMARY KEY, value VARCHAR)")
            self._connection.executemany(f"INSERT INTO main.{_quoted(table)} VALUES (?, ?)", list(told.items()))


@contextmanager
def _write_errors() -> Iterator[None]:
    """DuckDB tells of a full disk in words only: turned into what the system would have said."""
    try:
        yield
    except duckdb.Error as error:
        said = str(error).splitlines()[0]
        known = (code for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES) if os.strerror(code) in said)
        raise OSError(next(known, errno.EIO), said) from error


def _rules(place: Place, columns: Sequence[SavedColumn], *, with_key: bool) -> Iterator[str]:
    """What the data model asks of a table: columns that are never empty, and the key."""
    names = [column.name for column in columns]
    if place.model is None:
        return
    for column in place.model.columns:
        if not column.nullable and column.name in names:
            yield f"ALTER {_quoted(column.name)} SET NOT NULL"
    if with_key and set(place.model.key) <= set(names):
        yield f"ADD PRIMARY KEY ({', '.join(map(_quoted, place.model.key))})"


def _named(place: Place) -> str:
    return f"{'truth' if place.is_truth else 'main'}.{_quoted(place.name)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def read_duckdb(path: Path, place: Place) -> Iterator[pa.Table]:
    """One table of a database, in pieces."""
    with _opened(path, [place]) as connection:
        for batch in connection.sql(f"SELECT * FROM {_named(place)}").to_arrow_reader(ROW_GROUP):
            yield pa.table(batch)


def count_duckdb(path: Path, places: Sequence[Place]) -> list[int]:
    """How many rows each of some tables of a database has."""
    with _opened(path, places) as connection:
        counts = (connection.sql(f"SELECT count(*) FROM {_named(place)}").fetchall() for place in places)
        return [int(found[0][0]) for found in counts]


@contextmanager
def _opened(path: Path, places: Sequence[Place]) -> Iterator[duckdb.DuckDBPyConnection]:
    try:
        with closing(duckdb.connect(path, read_only=True)) as connection:
            # tables, not views: a view of somebody else's making could read any file of this computer
            tables = connection.sql("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
            for place in places:
                if ("truth" if place.is_truth else "main", place.name) not in tables:
                    raise UnreadableFile("no_such_table", file=path, table=_named(place))
            yield connection
    except (duckdb.ConnectionException, duckdb.PermissionException) as error:  # open elsewhere in this process
        raise UnreadableFile("no_access", file=path, detail=str(error).splitlines()[0]) from None
    except duckdb.Error as error:
        raise UnreadableFile("not_as_written", file=path, detail=str(error).splitlines()[0]) from None
