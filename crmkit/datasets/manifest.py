"""What a saved folder holds: `manifest.json`, written last and read first.

manifest.json                  facts, zone, and for each table its files, rows, hash and columns
orders.parquet                 or orders/part-00000.parquet …, or the same as .csv
truth/customers.parquet        what only a simulated shop can tell
crm.duckdb                     or all tables in one database: schemas main and truth
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from crmkit.datasets.hashes import Fingerprint
from crmkit.errors import UnreadableFile
from crmkit.schema import Kind

Format = Literal["parquet", "csv", "duckdb"]
FORMATS: tuple[Format, ...] = get_args(Format)
MANIFEST = "manifest.json"
DATABASE = "crm.duckdb"
LAYOUT = 1
"""Counts up when an older crmkit could not read what is written."""

TABLE_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class SavedFile:
    """One file: its name inside the folder (with `/`), how many rows of the table it holds, and their fingerprint."""

    file: str
    rows: int
    hash: str


@dataclass(frozen=True, slots=True)
class SavedColumn:
    """One column and its kind."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class SavedTable:
    """One table: its files in order, its rows and fingerprint as a whole, and its columns."""

    files: tuple[SavedFile, ...]
    rows: int
    hash: str
    columns: tuple[SavedColumn, ...]

    @classmethod
    def of(cls, files: Mapping[str, Fingerprint], columns: tuple[SavedColumn, ...]) -> SavedTable:
        """The entry of a table from the fingerprints of its files, in order."""
        first, *others = files.values()
        whole = sum(others, start=first)
        entries = tuple(SavedFile(file, part.rows, str(part)) for file, part in files.items())
        return cls(entries, whole.rows, str(whole), columns)


Tables = Mapping[str, SavedTable]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a saved folder holds; `truth` is `None` where there is none."""

    format: Format
    zone: str
    facts: Mapping[str, Any]
    tables: Tables
    truth: Tables | None

    def text(self) -> str:
        """The manifest as it is written."""
        told = {"crmkit": version("crmkit"), "layout": LAYOUT, **asdict(self)}
        return json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @property
    def files(self) -> set[str]:
        """Names of all files it speaks of."""
        tables = [*self.tables.values(), *(self.truth or {}).values()]
        return {file.file for table in tables for file in table.files}


def is_saved(folder: Path) -> bool:
    """Whether crmkit wrote this folder."""
    try:
        told = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return _is_ours(told)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder.

    Raises:
        UnreadableFile: it cannot be read, is none of crmkit's, or was written by a newer version.
    """
    path = folder / MANIFEST
    try:
        told = json.loads(path.read_bytes())
    except OSError as error:
        raise UnreadableFile("no_access", file=path, detail=error.strerror or error) from None
    except (ValueError, RecursionError) as error:
        raise UnreadableFile("bad_manifest", file=path, detail=error) from None
    if not _is_ours(told):
        raise UnreadableFile("bad_manifest", file=path, detail="crmkit, layout, tables?")
    if told["layout"] > LAYOUT:
        raise UnreadableFile("newer", file=path, found=told["crmkit"], known=version("crmkit"))
    try:
        return _understood(told)
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise UnreadableFile("bad_manifest", file=path, detail=f"{type(error).__name__}: {error}") from None


def _is_ours(told: object) -> bool:
    return (
        isinstance(told, dict)
        and isinstance(told.get("crmkit"), str)
        and isinstance(told.get("layout"), int)
        and isinstance(told.get("tables"), dict)
    )


def _understood(told: dict[str, Any]) -> Manifest:
    if told["format"] not in FORMATS:
        raise ValueError(f"format {told['format']!r}")
    if not isinstance(told["facts"], dict):
        raise TypeError("facts")
    ZoneInfo(told["zone"])
    truth = told["truth"]
    return Manifest(
        told["format"], told["zone"], told["facts"], _tables(told["tables"]), None if truth is None else _tables(truth)
    )


def _tables(told: dict[str, Any]) -> dict[str, SavedTable]:
    tables = {}
    for name, table in told.items():
        if not TABLE_NAME.fullmatch(name):
            raise ValueError(f"table {name!r}")
        files = tuple(SavedFile(_text(item["file"]), int(item["rows"]), _text(item["hash"])) for item in table["files"])
        columns = tuple(SavedColumn(_text(item["name"]), _kind(item["kind"])) for item in table["columns"])
        if not files:
            raise ValueError(f"{name}: files")
        tables[name] = SavedTable(files, int(table["rows"]), _text(table["hash"]), columns)
    return tables


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(repr(value))
    return value


def _kind(value: object) -> Kind:
    for kind in get_args(Kind):
        if value == kind:
            found: Kind = kind
            return found
    raise ValueError(f"kind {value!r}")


def place_of(folder: Path, file: str) -> Path:
    """Where a file of the manifest is: inside the folder, whatever the manifest says.

    Raises:
        UnreadableFile: the name, or a link, leads out of the folder.
    """
    parts = PurePosixPath(file).parts
    path = folder.joinpath(*parts)
    try:
        outside = not path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle, a name no system takes
        outside = True
    if outside or not parts or {"..", "/", "//"} & set(parts) or set(file) & set('\\:"\0'):
        raise UnreadableFile("unsafe_name", file=folder / MANIFEST, found=repr(file))
    return path
