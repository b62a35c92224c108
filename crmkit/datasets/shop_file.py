"""All tables of a shop as one DuckDB file, which any SQL or BI tool opens, and back to exactly the same tables.

schema main      the tables, with keys, types and comments; `crmkit_about` tells zone, facts and who wrote it
schema truth     what only a simulated shop can tell, where there is some
schema journal   made by `CustomerDatabase`: what was changed since
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from crmkit.datasets.crm import Crm
from crmkit.datasets.database import Database
from crmkit.datasets.drafts import alone, beside, keep_names, write_errors
from crmkit.datasets.saved import Outgoing
from crmkit.datasets.source import must_be_there
from crmkit.errors import CrmkitError, ParameterError, UnreadableFile

ABOUT = "crmkit_about"
LAYOUT = 1
"""Counts up when an older crmkit could not work with what is written."""

_SHUT = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}
"""No SQL that comes to such a connection can reach a file, the network or a variable of Python."""


@dataclass(frozen=True, slots=True)
class About:
    """What `crmkit_about` says."""

    zone: str
    facts: Mapping[str, Any]
    has_truth: bool
    rewrite: bool
    """What was forgotten may still be in unused blocks of the file: it has to be written anew."""


# --- writing


def save_database(
    out: Path, tables: Iterable[Outgoing], *, zone: str, facts: Mapping[str, Any], has_truth: bool, overwrite: bool
) -> None:
    """Write tables to one file that appears when it is whole.

    Raises:
        ParameterError: the file exists, and may not or must not be replaced.
        CannotWrite: no room, no right to write, or somebody else is writing there.
        UnreadableFile: the file that is to be replaced is open elsewhere.
    """
    with _replacing(out, overwrite=overwrite) as place, Database(place, with_truth=has_truth) as database:
        for table in tables:
            database.write(table.pieces(), table.place, table.columns)
            database.comment(table.place, table.columns)
        told = {"crmkit": version("crmkit"), "layout": str(LAYOUT), "zone": zone}
        told |= {"facts": json.dumps(facts, ensure_ascii=False), "truth": json.dumps(has_truth), "rewrite": "false"}
        database.pairs(ABOUT, told)


@contextmanager
def _replacing(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """A file to write to, which takes the place of `out` in one step; nothing is left of it if the block fails."""
    with write_errors(out):
        _refuse_existing(out, overwrite=overwrite)
        out.parent.mkdir(parents=True, exist_ok=True)
        with alone(out):
            _refuse_existing(out, overwrite=overwrite)
            with _unfinished(out) as place:
                yield place
                if out.exists():
                    with closing(connect(out)):  # nobody has it open, and its log is worked in: the new one has none
                        pass
                put_in_place(place, out)


@contextmanager
def _unfinished(out: Path) -> Iterator[Path]:
    place = beside(out, "unfinished")
    _discard(place)
    try:
        yield place
    finally:
        _discard(place)


def _discard(place: Path) -> None:
    for path in (place, _log(place)):
        path.unlink(missing_ok=True)


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def put_in_place(place: Path, out: Path) -> None:
    """Give a finished file its name: the one moment at which the old one goes."""
    with place.open("rb+") as file:
        os.fsync(file.fileno())
    place.replace(out)
    keep_names(out.parent)


def _refuse_existing(out: Path, *, overwrite: bool) -> None:
    if not os.path.lexists(out):
        return
    if not is_database(out):
        raise ParameterError("database_not_ours", file=out)
    if not overwrite:
        raise ParameterError("database_exists", file=out)


def write_anew(path: Path) -> None:
    """Write a database to a new file without its unused blocks, and put it in the old one's place.

    Raises:
        CannotWrite: no room, or no right to write.
    """
    with write_errors(path), _unfinished(path) as place, _engine_errors(path):
        with closing(duckdb.connect()) as connection:
            for file, name, how in ((path, "old", " (READ_ONLY)"), (place, "new", "")):
                connection.execute(f"ATTACH {_literal(str(file))} AS {name}{how}")
            connection.execute("COPY FROM DATABASE old TO new")
            connection.execute(f"UPDATE new.main.{ABOUT} SET value = 'false' WHERE name = 'rewrite'")
            connection.execute("DETACH new")  # its log is worked in
        put_in_place(place, path)


# --- opening


def connect(path: Path, *, read_only: bool = False, memory: str = "1GB") -> duckdb.DuckDBPyConnection:
    """Open a database that crmkit saved.

    Raises:
        UnreadableFile: it is not there, damaged, open elsewhere, none of crmkit's or a newer crmkit's.
    """
    must_be_there(path)
    with _engine_errors(path):
        connection = duckdb.connect(path, read_only=read_only, config={**_SHUT, "memory_limit": memory})
    try:
        connection.execute("SET lock_configuration = true")
        about_of(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def about_of(connection: duckdb.DuckDBPyConnection, path: Path) -> About:
    """What a database tells about itself.

    Raises:
        UnreadableFile: it is none of crmkit's, or a newer crmkit wrote it.
    """
    found = connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'").fetchall()
    if (ABOUT,) not in found:
        raise UnreadableFile("no_crm_database", file=path, found=", ".join(sorted(name for (name,) in found)) or "-")
    try:
        told = dict(connection.execute(f"SELECT name, value FROM main.{ABOUT}").fetchall())
        if int(told["layout"]) > LAYOUT:
            raise UnreadableFile("newer", file=path, found=told["crmkit"], known=version("crmkit"))
        truth, rewrite = (bool(json.loads(told[name])) for name in ("truth", "rewrite"))
        return About(told["zone"], json.loads(told["facts"]), truth, rewrite)
    except CrmkitError:
        raise
    except (KeyError, ValueError, TypeError, duckdb.Error):
        raise UnreadableFile("no_crm_database", file=path, found=ABOUT) from None


def is_database(path: Path) -> bool:
    """Whether crmkit saved this file; one that is open elsewhere raises, as it cannot be told."""
    try:
        with closing(connect(path, read_only=True)):
            return True
    except UnreadableFile as error:
        if error.reason in ("database_locked", "database_open_here", "newer"):
            raise
        return False


@contextmanager
def _engine_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except CrmkitError:
        raise
    except duckdb.ConnectionException:
        raise UnreadableFile("database_open_here", file=path) from None
    except duckdb.Error as error:
        said = next(iter(str(error).splitlines()), "")
        if "set lock" in said:
            holder = re.search(r"\(PID \d+\)", said)
            raise UnreadableFile("database_locked", file=path, detail=holder[0] if holder else "") from None
        raise UnreadableFile("not_duckdb", file=path, detail=said) from None


# --- reading


def load_database(path: Path) -> Crm:
    """A file that `Crm.save` wrote, with all changes that `CustomerDatabase` made since; rows are read when asked for.

    Raises:
        UnreadableFile: as for `connect`; when rows are asked for: it was changed after it was loaded.
    """
    with closing(connect(path, read_only=True)) as connection:
        about = about_of(connection, path)
        names = tables_in(connection)
        seen = _state(connection)

    def read(schema: str, name: str) -> pa.Table:
        with closing(connect(path, read_only=True)) as connection:
            if _state(connection) != seen:
                raise UnreadableFile("database_changed", file=path)
            return read_table(connection, schema, name)

    return put_together(about, names, read)


def put_together(about: About, names: Mapping[str, list[str]], read: Any) -> Crm:
    """The `Crm` of a database, given what reads one of its tables."""
    tables, truth = ({name: partial(read, schema, name) for name in names[schema]} for schema in ("main", "truth"))
    apart = Crm(truth, zone=about.zone) if about.has_truth else None
    return Crm(tables, zone=about.zone, truth=apart, facts=about.facts)


def tables_in(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Names of the tables of the schemas main and truth, in the order in which they were made."""
    sql = "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT temporary ORDER BY table_oid"
    found = connection.execute(sql).fetchall()
    return {
        schema: [name for place, name in found if place == schema and name != ABOUT] for schema in ("main", "truth")
    }


def read_table(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> pa.Table:
    """All rows of a table."""
    return connection.sql(f"SELECT * FROM {schema}.{quoted(name)}").to_arrow_table()


def _state(connection: duckdb.DuckDBPyConnection) -> tuple[Any, Any]:
    """What differs between two states of a file: the last change of the journal and the rows of the tables."""
    sql = (
        "SELECT list((schema_name, table_name, estimated_size) ORDER BY ALL)"
        " FROM duckdb_tables() WHERE schema_name <> 'journal'"
    )
    state = connection.execute(sql).fetchall()
    there = connection.execute("SELECT 1 FROM duckdb_tables() WHERE schema_name = 'journal'").fetchall()
    last = connection.execute("SELECT max(change) FROM journal.changes").fetchall() if there else None
    return state, last


def quoted(name: str) -> str:
    """A name as SQL writes it, whatever signs are in it."""
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
