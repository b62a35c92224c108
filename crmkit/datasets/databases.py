"""Tables, views and queries of somebody's database: SQLite, DuckDB and PostgreSQL, only ever read.

Each kind of database is a small class that lists its tables and runs a query in pieces; the rest is common to them.
"""

from __future__ import annotations

import difflib
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from crmkit.datasets.cells import chunk_of, joined, plain
from crmkit.datasets.source import HEAD, Offer, Offers, Source, SourceNote, memory, must_be_there
from crmkit.errors import CrmkitError, EmptyTable, UnreadableFile

_CHUNK = 50_000
_QUERY = re.compile(r"\s*(select|with)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Named:
    """A table or view: its schema, or "" for the one that need not be named."""

    schema: str
    name: str
    is_view: bool

    @property
    def full(self) -> str:
        """As people write it: orders, sales.orders."""
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def sql(self) -> str:
        """As SQL writes it, whatever signs are in it."""
        return ".".join(f'"{part.replace(chr(34), chr(34) * 2)}"' for part in (self.schema, self.name) if part)


Pieces = tuple[tuple[str, ...], Iterator[tuple[pa.Array, ...]]]


class Base(Protocol):
    """A database to read: what it is called, what it holds, and what a query gives, in pieces."""

    @property
    def called(self) -> str: ...

    def tables(self) -> list[Named]: ...

    def run(self, sql: str, most: int | None) -> Any: ...


def offers_of(base: Base, wanted: Mapping[str, str] | None) -> Offers:
    """Look into a database.

    Args:
        base: The database.
        wanted: What to read, by the name to give it: a table, a view, or a query that starts with SELECT or WITH.
            Without it, all tables and views.

    Raises:
        UnreadableFile: it cannot be opened, or has no such table; a query fails.
        EmptyTable: nothing in it has rows.
    """
    tables = base.tables()
    if wanted is not None:
        return Offers(_offer(base, stem, _sql_of(base, text, tables)) for stem, text in wanted.items())
    offers = Offers()
    failed: CrmkitError | None = None
    for table in tables:
        try:
            offer = _offer(base, table.full, f"SELECT * FROM {table.sql}", stem=table.name)
        except CrmkitError as error:
            if error.reason != "query":
                raise
            failed = error
            detail = error.values["detail"]
            offers.notes.append(SourceNote("table_fails", file=base.called, table=table.full, detail=detail))
            continue
        if offer.head and len(offer.head[0]):
            offers.append(offer)
        else:
            offers.notes.append(SourceNote("empty_table", file=base.called, table=table.full))
    if not offers:
        raise failed or EmptyTable("no_table", file=base.called)
    return offers


def _sql_of(base: Base, text: str, tables: list[Named]) -> str:
    if _QUERY.match(text):
        return text.rstrip().rstrip(";")
    known = {table.full: table for table in tables} | {table.sql: table for table in tables}
    if text not in known:
        every = [table.full for table in tables]
        near = next(iter(difflib.get_close_matches(text, every, n=1)), "")
        raise UnreadableFile(
            "no_table_here", file=base.called, table=text, nearest=near, options=", ".join(every) or "-"
        )
    return f"SELECT * FROM {known[text].sql}"


def _offer(base: Base, name: str, sql: str, stem: str | None = None) -> Offer:
    called = f"{base.called} [{name}]"
    with base.run(sql, HEAD) as (headers, pieces):
        head = _columns(called, len(headers), pieces)
    return Offer(called, stem or name, headers, head, partial(_read, base, called, sql))


def _read(base: Base, called: str, sql: str) -> Source:
    with base.run(sql, None) as (headers, pieces):
        columns = _columns(called, len(headers), pieces)
    rows = len(columns[0]) if columns else 0
    if not rows:
        raise EmptyTable("no_rows", file=called, found=", ".join(headers))
    return Source(called, headers, columns, np.arange(1, rows + 1))


def _columns(called: str, width: int, pieces: Iterator[tuple[pa.Array, ...]]) -> tuple[pa.ChunkedArray, ...]:
    chunks: list[list[pa.Array]] = [[] for _ in range(width)]
    rows = size = 0
    for piece in pieces:
        rows, size = rows + len(piece[0]) if piece else 0, size + sum(part.nbytes for part in piece)
        if 2 * size > memory():  # a view of one line may go on for ever
            raise UnreadableFile("too_large", file=called, rows=rows)
        for parts, part in zip(chunks, piece, strict=True):
            parts.extend(plain(pa.chunked_array([part])).chunks)
    return tuple(joined(parts) for parts in chunks)


def _arrow(reader: Any) -> Iterator[tuple[pa.Array, ...]]:
    for batch in reader:
        if batch.num_rows:
            yield tuple(batch.columns)
    # the types of a table without rows
    yield tuple(pa.array([], field.type) for field in reader.schema)


def _of_file(path: Path, wanted: Mapping[str, str] | None, kind: type[_Sqlite | _DuckDB]) -> Offers:
    """Open a file as what it is: both kinds are called .db at times."""
    must_be_there(path)
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise UnreadableFile("no_access", file=path, detail=error.strerror or error) from None
    if start.startswith(b"SQLite format 3"):
        kind = _Sqlite
    elif start[8:12] == b"DUCK":
        kind = _DuckDB
    return offers_of(kind(path), wanted)


# --- SQLite


def offers_of_sqlite(path: Path, wanted: Mapping[str, str] | None = None) -> Offers:
    """Look into an SQLite file, which is only read; see `offers_of`.

    Examples:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp()) / "shop.db"
        >>> with closing(sqlite3.connect(path)) as base:
        ...     _ = base.executescript("CREATE TABLE orders (id, paid); INSERT INTO orders VALUES (1, 4400)")
        >>> [offer.name for offer in offers_of_sqlite(path)]
        ['shop.db [orders]']
        >>> offers_of_sqlite(path, {"orders": "SELECT paid FROM orders"})[0].headers
        ('paid',)
    """
    return _of_file(path, wanted, _Sqlite)


@dataclass(frozen=True, slots=True)
class _Sqlite:
    path: Path

    @property
    def called(self) -> str:
        return self.path.name

    def tables(self) -> list[Named]:
        with self._open() as base:
            listed = base.execute("PRAGMA main.table_list").fetchall()
        return [
            Named("", name, kind == "view")
            for _, name, kind, *_ in sorted(listed, key=lambda row: row[1])
            if kind in ("table", "view", "virtual") and not name.lower().startswith("sqlite_")
        ]

    @contextmanager
    def run(self, sql: str, most: int | None) -> Iterator[Pieces]:
        with self._open() as base:
            cursor = base.execute(sql)
            headers = tuple(str(column[0]) for column in cursor.description or ())
            yield headers, self._pieces(cursor, most)

    def _pieces(self, cursor: sqlite3.Cursor, most: int | None) -> Iterator[tuple[pa.Array, ...]]:
        while rows := cursor.fetchmany(most or _CHUNK):
            yield tuple(chunk_of(cells) for cells in zip(*rows, strict=True))
            if most:
                return

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            mode, alone = self._mode()
            with closing(sqlite3.connect(f"file:{quote(str(self.path.resolve()))}?{mode}", uri=True)) as base:
                base.text_factory = _text
                if alone:
                    base.execute("PRAGMA locking_mode = EXCLUSIVE")  # the log's index stays in memory
                base.execute("PRAGMA query_only = ON")
                base.execute("PRAGMA trusted_schema = OFF")  # views of somebody else's making
                yield base
        except OSError as error:
            raise UnreadableFile("no_access", file=self.path, detail=error.strerror or error) from None
        except (sqlite3.Error, sqlite3.Warning) as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            broken = code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT)
            busy = code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN)
            reason = "not_sqlite" if broken else "no_access" if busy else "query"
            raise UnreadableFile(reason, file=self.path.name, detail=_said(error)) from None

    def _mode(self) -> tuple[str, bool]:
        """Read only; and without the files that SQLite lays beside a database with a write-ahead log nobody uses."""
        with self.path.open("rb") as file:
            logged = 2 in file.read(20)[18:20]
        if not logged:
            return "mode=ro", False
        if not Path(f"{self.path}-wal").exists():
            return "immutable=1", False
        # whoever uses the log has its index beside it; without one nobody does, and no lock is needed
        alone = os.name == "posix" and not Path(f"{self.path}-shm").exists()
        return "mode=ro&vfs=unix-none" if alone else "mode=ro", alone


def _text(data: bytes) -> str:
    """SQLite does not check that text is UTF-8; old Japanese programs put Shift_JIS there."""
    for encoding in ("utf-8", "cp932"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("utf-8", "backslashreplace")


# --- DuckDB


def offers_of_duckdb(path: Path, wanted: Mapping[str, str] | None = None) -> Offers:
    """Look into a DuckDB file, which is only read; see `offers_of`. Its views cannot reach other files."""
    return _of_file(path, wanted, _DuckDB)


_SHUT = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "lock_configuration": "true",
}


@dataclass(frozen=True, slots=True)
class _DuckDB:
    path: Path

    @property
    def called(self) -> str:
        return self.path.name

    def tables(self) -> list[Named]:
        sql = """
            SELECT schema_name, table_name, false FROM duckdb_tables()
            WHERE NOT internal AND database_name = current_database()
            UNION ALL SELECT schema_name, view_name, true FROM duckdb_views()
            WHERE NOT internal AND database_name = current_database() ORDER BY ALL
        """
        with self._open() as base:
            found = base.sql(sql).fetchall()
        return [Named("" if schema == "main" else schema, name, view) for schema, name, view in found]

    @contextmanager
    def run(self, sql: str, most: int | None) -> Iterator[Pieces]:
        with self._open() as base:
            parsed = base.extract_statements(sql)
            if len(parsed) != 1 or parsed[0].type.name != "SELECT":
                raise UnreadableFile("query", file=self.called, detail=" ".join(sql.split())[:80])
            found = base.sql(sql)
            reader = (found.limit(most) if most else found).to_arrow_reader(_CHUNK)
            yield tuple(reader.schema.names), _arrow(reader)

    @contextmanager
    def _open(self) -> Iterator[Any]:
        import duckdb

        try:
            base = duckdb.connect(self.path, read_only=True, config=_SHUT)
        except (duckdb.ConnectionException, duckdb.PermissionException) as error:
            raise UnreadableFile("no_access", file=self.path, detail=_said(error)) from None
        except duckdb.Error as error:
            reason = "no_access" if "set lock" in str(error) else "not_duckdb"
            raise UnreadableFile(reason, file=self.path, detail=_said(error)) from None
        try:
            with closing(base):
                yield base
        except duckdb.Error as error:
            values = isinstance(error, duckdb.DataError | duckdb.InvalidInputException)
            raise UnreadableFile("query", file=self.called, detail=_said(error, values=values)) from None


def _said(error: Exception, *, values: bool = False) -> str:
    """The first line of what a database says, without values that it may quote from the rows."""
    line = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
    return re.sub(r"""'[^']*'|"[^"]*\"""", "'…'", line) if values else line


# --- PostgreSQL


def offers_of_postgres(url: str, wanted: Mapping[str, str] | None = None) -> Offers:
    """Look into a PostgreSQL database, in transactions that can only read; see `offers_of`.

    Args:
        url: postgresql://user:password@host:5432/database. The password is never shown.
        wanted: As in `offers_of`.

    Raises:
        UnreadableFile: the driver is not installed, the address is none, the server cannot be reached or refuses.
        EmptyTable: nothing in it has rows.
    """
    from crmkit.datasets.postgres import Postgres

    return offers_of(Postgres(url), wanted)
