"""Tables of the data model as one object: pandas by attribute, other engines on request, to a folder and back."""

from __future__ import annotations

import copy
import html
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa

from crmkit import schema
from crmkit.datasets.engines import kind_of, maker, to_arrow, to_pandas
from crmkit.datasets.formats import Place, Watch
from crmkit.datasets.manifest import FORMATS, TABLE_NAME, Format, SavedColumn
from crmkit.datasets.saved import Outgoing, StoredTable, save_tables
from crmkit.errors import ParameterError
from crmkit.texts import has_text, text

_NOTHING: Mapping[str, Any] = MappingProxyType({})

_FACTS = ("scenario", "seed", "customers", "weeks", "start", "locale", "levers", "defects", "version")
"""Facts in the order in which they are shown; others follow."""


class Crm:
    """Tables of the data model, one attribute each, with what is known about how they came about.

    `crm.orders` is a pandas table (text as `str`, instants and days as `datetime64[us]`, amounts as `float64`, whole
    numbers as `int64` and flags as `bool`, or `Int64` and `boolean` where values are missing). `crm.to("polars")` gives
    the same object with the tables of another engine, and `crm.save(folder)` writes all of it for `crmkit.load`.
    A table is read and converted when it is first asked for.

    Args:
        tables: PyArrow or pandas tables by name, or what makes one when it is first asked for. Columns that the data
            model knows get its types.
        zone: Time zone of the clock that all instants are read from; they carry none themselves.
        truth: What only a simulated shop can tell: the same kind of object, kept apart.
        facts: What is known about the whole, such as scenario and seed; anything that can be written as JSON.

    Attributes:
        zone: The time zone.
        facts: The facts.
        truth: The truth, or `None`.

    Raises:
        ParameterError: a table that is none, a name or a fact that cannot be kept, an unknown zone.

    Examples:
        >>> from tempfile import mkdtemp
        >>> orders = pd.DataFrame({"order_id": ["1", "2"], "customer_id": ["A", None], "net_amount": [4400.0, None]})
        >>> crm = Crm({"orders": orders}, zone="Asia/Tokyo", facts={"seed": 7})
        >>> crm.orders["net_amount"].sum()
        np.float64(4400.0)
        >>> type(crm.to("pyarrow").orders).__name__
        'Table'
        >>> folder = crm.save(mkdtemp())
        >>> sorted(path.name for path in folder.iterdir())
        ['manifest.json', 'orders.parquet']
        >>> from crmkit.datasets import load
        >>> load(folder).fingerprint() == crm.fingerprint()
        True
    """

    def __init__(
        self,
        tables: Mapping[str, pa.Table | pd.DataFrame | StoredTable | Callable[[], pa.Table]],
        *,
        zone: str,
        truth: Crm | None = None,
        facts: Mapping[str, object] = _NOTHING,
    ) -> None:
        for name, table in tables.items():
            if not isinstance(name, str) or not TABLE_NAME.fullmatch(name):
                raise ParameterError("table_name", table=name)
            if not isinstance(table, pa.Table | pd.DataFrame | StoredTable) and not callable(table):
                raise ParameterError("not_a_table", table=name, found=type(table).__name__)
        self._given = dict(tables)
        self._arrow: dict[str, pa.Table] = {}
        self._made: dict[str, Any] = {}
        self._make: Callable[[pa.Table], Any] = to_pandas
        self._is_truth = False
        self.zone = _checked_zone(zone)
        self.facts = _plain_facts(facts)
        self.truth = None if truth is None else truth._as_truth(self.zone, self.facts)

    @property
    def tables(self) -> Mapping[str, Any]:
        """The tables by name."""
        return _Tables(self)

    def arrow(self, name: str) -> pa.Table:
        """A table as PyArrow has it, whatever the engine.

        Args:
            name: Name of the table.

        Returns:
            A PyArrow table.

        Raises:
            ParameterError: there is no such table.
            WrongType: a column does not hold what the data model says.
            UnreadableFile: its file has been changed since it was saved.
        """
        if name not in self._given:
            raise ParameterError("table_not_there", table=name, found=", ".join(self._given))
        if name not in self._arrow:
            given = self._given[name]
            if isinstance(given, StoredTable):
                self._arrow[name] = given.read()
            else:
                made = given() if callable(given) else given
                self._arrow[name] = to_arrow(name, made, self._place(name).model)
        return self._arrow[name]

    def to(self, engine: str) -> Crm:
        """The same object with the tables of another engine.

        Args:
            engine: "pandas", "polars", "polars_lazy", "pyarrow", "duckdb" (relations on the connection of
                `duckdb.sql`) or "pyspark" (in the session that is running, else in a new one).

        Returns:
            A new `Crm`; tables are converted when they are first asked for.

        Raises:
            ParameterError: there is no such engine, or it is not installed.

        Examples:
            >>> crm = Crm({"orders": pa.table({"order_id": ["1"]})}, zone="Asia/Tokyo").to("duckdb")
            >>> crm.orders.aggregate("count(*)").fetchall()
            [(1,)]
        """
        twin = copy.copy(self)
        twin._made = {}
        twin._make = maker(engine)
        twin.truth = None if self.truth is None else self.truth.to(engine)
        return twin

    def save(self, folder: str | os.PathLike[str], format: Format | None = None, overwrite: bool = False) -> Path:
        """Write all tables, the truth and the facts to a place that `crmkit.load` reads back exactly as they are.

        The place is a folder, or one file where its name ends in ".duckdb": a database with keys, types and comments
        that `CustomerDatabase` and any SQL or BI tool opens. It appears under its name when it is whole; if anything
        goes wrong, nothing of it is left and what was there before stays.

        Args:
            folder: The folder or file to make; its parents are made too.
            format: For a folder: "parquet" (unless you say otherwise), "csv" (text that a spreadsheet would take for a
                formula gets an apostrophe in front, which `crmkit.load` takes away again) or "duckdb" (one database;
                the truth in the schema `truth`).
            overwrite: Replace what crmkit saved there; of a database, its journal goes too.

        Returns:
            The folder or file.

        Raises:
            ParameterError: unknown format; the place exists and `overwrite` is not given; it is not one that crmkit
                saved, or somebody else's files are in it.
            CannotWrite: the disk is full, the place cannot be written, or somebody else is writing there.
            UnreadableFile: the database that is to be replaced is open elsewhere.
        """
        if format not in (None, *FORMATS):
            raise ParameterError("unknown_variant", parameter="format", value=format, options=", ".join(FORMATS))
        out = Path(os.path.realpath(Path(folder).expanduser()))
        kept: dict[str, Any] = {"zone": self.zone, "facts": self.facts, "overwrite": overwrite}
        kept["has_truth"] = self.truth is not None
        if format in (None, "duckdb") and out.suffix.lower() in (".duckdb", ".ddb"):
            from crmkit.datasets.shop_file import save_database

            save_database(out, self._outgoing(), **kept)
            return out
        self._read_from(out)
        save_tables(out, self._outgoing(), format=format or "parquet", **kept)
        return out

    def fingerprint(self) -> dict[str, str]:
        """The content of each table as 32 hexadecimal digits, those of the truth under `truth/…`.

        Returns:
            Digits by table, equal for equal content, whatever the engine and the format it was saved in.
        """
        found = {}
        for table in self._outgoing():
            watch = Watch(table.columns)
            deque(watch(table.pieces()), maxlen=0)
            found[table.place.path] = str(watch.seen)
        return found

    def __getattr__(self, name: str) -> Any:
        given = self.__dict__.get("_given", {})  # not yet there while a copy is being made
        if name in given:
            return self._native(name)
        if name in schema.TABLES:
            raise AttributeError(text("load.not_loaded", table=name, found=", ".join(given)))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self._given]

    def __repr__(self) -> str:
        facts = [text("crm.fact_line", label=label, value=value) for label, value in self._facts_said()]
        tables = [
            text("crm.table_line", label=label, table=name, rows=rows) for name, label, rows in self._tables_said()
        ]
        return "\n".join([text("crm.title", zone=self.zone), *(f"  {line}" for line in [*facts, *tables])])

    def _repr_html_(self) -> str:
        facts = (text("crm.fact_line", label=label, value=value) for label, value in self._facts_said())
        lines = [text("crm.title", zone=self.zone), *facts]
        heads = "".join(f"<th>{html.escape(text(f'crm.head.{head}'))}</th>" for head in ("table", "about", "rows"))
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in self._tables_said()
        )
        return "".join(f"<div>{html.escape(line)}</div>" for line in lines) + f"<table><tr>{heads}</tr>{rows}</table>"

    def _facts_said(self) -> Iterator[tuple[str, str]]:
        """Each fact under its name in the language in use."""
        for name in sorted(self.facts, key=lambda name: _FACTS.index(name) if name in _FACTS else len(_FACTS)):
            if name == "zone":  # the title says it
                continue
            label, value = f"crm.fact.{name}", self.facts[name]
            said = ", ".join(f"{key}={each}" for key, each in value.items()) if isinstance(value, dict) else str(value)
            yield text(label) if has_text(label) else name, said if len(said) <= 200 else said[:199] + "…"

    def _tables_said(self) -> Iterator[tuple[str, str, str]]:
        """Name, label and rows of each table."""
        for name, given in self._given.items():
            label = f"truth_table.{name}" if self._is_truth else f"table.{name}"
            if callable(given):  # not made yet, and looking is no reason to
                said = f"{len(self._arrow[name]):,}" if name in self._arrow else "…"
            else:
                said = f"{given.rows if isinstance(given, StoredTable) else len(given):,}"
            yield name, text(label) if has_text(label) else name, said

    def _native(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._make(self.arrow(name))
        return self._made[name]

    def _place(self, name: str) -> Place:
        return Place(name, self._is_truth)

    def _as_truth(self, zone: str, facts: Mapping[str, Any]) -> Crm:
        """The same tables read as those of the truth, which has names in common with the shop's own."""
        twin = copy.copy(self)
        twin._arrow, twin._made, twin._is_truth = {}, {}, True
        twin.zone, twin.facts, twin.truth = zone, dict(facts), None
        return twin

    def _outgoing(self) -> Iterator[Outgoing]:
        """All tables and those of the truth, as they are saved."""
        for name, given in self._given.items():
            place = self._place(name)
            if isinstance(given, StoredTable) and name not in self._arrow:
                yield Outgoing(place, given.entry.columns, given.pieces)
                continue
            table = self.arrow(name)
            kinds = ((field.name, kind_of(field.name, field.type, place.model)) for field in table.schema)
            yield Outgoing(place, tuple(SavedColumn(*kind) for kind in kinds), partial(iter, [table]))
        if self.truth is not None:
            yield from self.truth._outgoing()

    def _read_from(self, folder: Path) -> None:
        """Read what is still to be read from a folder that is about to be replaced."""
        for name, given in self._given.items():
            if isinstance(given, StoredTable) and Path(os.path.realpath(given.folder)) == folder:
                self.arrow(name)
        if self.truth is not None:
            self.truth._read_from(folder)


class _Tables(Mapping[str, Any]):
    """The tables of a `Crm` by name, each made when it is first asked for."""

    def __init__(self, crm: Crm) -> None:
        self._crm = crm

    def __getitem__(self, name: str) -> Any:
        if name not in self._crm._given:
            raise KeyError(name)
        return self._crm._native(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._crm._given)

    def __len__(self) -> int:
        return len(self._crm._given)

    def __contains__(self, name: object) -> bool:
        return name in self._crm._given

    def __repr__(self) -> str:
        return repr(self._crm)


def _checked_zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, TypeError, OSError):
        raise ParameterError("unknown_zone", zone=zone) from None
    return zone


def _plain_facts(facts: Mapping[str, object]) -> dict[str, Any]:
    """Facts as JSON gives them back, so that they are the same before and after they were saved."""

    def plain(value: Any) -> object:
        if isinstance(value, Mapping):
            return dict(value)
        if isinstance(value, date):
            return value.isoformat()
        if hasattr(value, "item"):  # NumPy's numbers
            return value.item()
        raise TypeError(type(value).__name__)

    try:
        kept: dict[str, Any] = json.loads(json.dumps(dict(facts), default=plain, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ParameterError("fact", detail=error) from None
    return kept
