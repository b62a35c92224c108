"""A PostgreSQL database, read over ADBC, which hands rows over as Arrow; passwords never come out of here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

import pyarrow as pa

from crmkit.datasets.databases import Named, Pieces
from crmkit.errors import UnreadableFile

SCHEMES = ("postgresql://", "postgres://")
_SECRETS = ("password", "sslpassword", "passfile", "sslkey")
_ABOUT_NAMES = ("42", "25", "3F")  # classes of SQLSTATE whose messages quote names, not values
_TABLES = """
    SELECT n.nspname, c.relname, c.relkind IN ('v', 'm')
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
        AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    ORDER BY n.nspname <> 'public', n.nspname, c.relname
"""


class Postgres:
    """A database by its address."""

    def __init__(self, url: str) -> None:
        self._parts = _parts(url)
        self._url = _with_timeout(self._parts)

    @property
    def called(self) -> str:
        """The database's name, as messages show it."""
        query = dict(parse_qsl(self._parts.query))
        return unquote(self._parts.path.lstrip("/") or query.get("dbname") or self._parts.username or "-")

    @property
    def server(self) -> str:
        """Host and port, without user and password."""
        return self._parts.netloc.rpartition("@")[2] or dict(parse_qsl(self._parts.query)).get("host", "localhost")

    def tables(self) -> list[Named]:
        """Tables and views that may be read, those of the system left out."""
        with self._cursor() as cursor:
            cursor.execute(_TABLES)
            found = cursor.fetchall()
        return [Named("" if schema == "public" else schema, name, view) for schema, name, view in found]

    @contextmanager
    def run(self, sql: str, most: int | None) -> Iterator[Pieces]:
        """What a query gives, in pieces; `most` rows of it, if given."""
        with self._cursor() as cursor:
            cursor.execute(f"SELECT * FROM (\n{sql}\n) AS asked LIMIT 0")
            with cursor.fetch_record_batch() as nothing:
                schema = nothing.schema
            cursor.execute(f"SELECT {_as_text(schema)} FROM (\n{sql}\n) AS asked" + (f" LIMIT {most}" if most else ""))
            with cursor.fetch_record_batch() as reader:
                yield tuple(reader.schema.names), self._batches(reader)

    def _batches(self, reader: Any) -> Iterator[tuple[pa.Array, ...]]:
        for batch in reader:
            yield tuple(batch.columns)
        yield tuple(pa.array([], _storage(field.type)) for field in reader.schema)

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        try:
            from adbc_driver_manager import dbapi as adbc
            from adbc_driver_postgresql import dbapi
        except ImportError:
            raise UnreadableFile("no_driver", command='pip install "crmkit[postgres]"') from None
        try:
            connection = dbapi.connect(self._url)
        except adbc.Error as error:
            raise self._refused(error) from None
        try:
            with closing(connection), closing(connection.cursor()) as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                yield cursor
                with suppress(adbc.Error):
                    connection.rollback()
        except (adbc.Error, pa.ArrowException, OSError) as error:
            raise UnreadableFile("query", file=self.called, detail=self._said(error)) from None

    def _refused(self, error: Exception) -> UnreadableFile:
        said = str(error)
        if "password" in said or "authentication" in said or "no pg_hba.conf entry" in said:
            return UnreadableFile("no_entry", server=self.server)
        if re.search(r'database ".*" does not exist', said):
            return UnreadableFile("no_database", server=self.server, database=self.called)
        if "percent-encoded" in said or "connection option" in said or "URI" in said:
            return UnreadableFile("bad_url")
        return UnreadableFile("no_server", server=self.server, detail=self._without_secrets(_line(error)))

    def _said(self, error: Exception) -> str:
        """What the server says, in a line: without passwords, and without values that it quotes from the rows."""
        line = _line(error)
        if not str(getattr(error, "sqlstate", None) or "").startswith(_ABOUT_NAMES):
            line = re.sub(r'"[^"]*"', '"…"', line)
        return self._without_secrets(line)

    def _without_secrets(self, line: str) -> str:
        for secret in self._secrets():
            line = line.replace(secret, "***")
        return line

    def _secrets(self) -> list[str]:
        query = [value for name, value in parse_qsl(self._parts.query) if name in _SECRETS]
        given = [self._parts.password or "", unquote(self._parts.password or ""), *query]
        return sorted({secret for secret in given if secret}, key=len, reverse=True)

    def __repr__(self) -> str:
        return f"Postgres({self.server}/{self.called})"


def _line(error: Exception) -> str:
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return re.sub(r"^.*?(?:ERROR|FATAL|Failed to connect): +", "", line).rstrip(".")


def _parts(url: str) -> SplitResult:
    """The address taken apart; refused where a sign in the password would make it mean something else."""
    try:
        parts = urlsplit(url.strip())
        sane = parts.scheme in ("postgresql", "postgres") and url.count("@") <= 1 and not parts.fragment
        if not sane or ("@" in url) != ("@" in parts.netloc):
            raise ValueError
        if "," not in parts.netloc:
            _ = parts.port
        return parts
    except ValueError:
        raise UnreadableFile("bad_url") from None


def _with_timeout(parts: SplitResult) -> str:
    """So that a server behind a firewall is not waited for in vain."""
    given = dict(parse_qsl(parts.query))
    more = {"connect_timeout": "10", "application_name": "crmkit"}
    added = urlencode({name: value for name, value in more.items() if name not in given})
    return parts._replace(query="&".join(filter(None, [parts.query, added]))).geturl()


def _as_text(schema: pa.Schema) -> str:
    """The columns to ask for: those that Arrow would carry as bytes or as cents are turned into text by the server."""
    casts = {name: cast for name, cast in map(_cast, schema) if cast}
    if not casts or len(set(schema.names)) < len(schema.names):
        return "*"
    asked = {name: f"{_quoted(name)}::{cast} AS {_quoted(name)}" for name, cast in casts.items()}
    return ", ".join(asked.get(name, _quoted(name)) for name in schema.names)


def _cast(field: pa.Field) -> tuple[str, str]:
    known = (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode()
    if known == "money":
        return field.name, "numeric"
    opaque = isinstance(field.type, pa.BaseExtensionType) and pa.types.is_binary(field.type.storage_type)
    return field.name, "text" if opaque else ""


def _storage(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
