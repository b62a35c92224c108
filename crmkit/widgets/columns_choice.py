"""What `choose_columns` shows and changes: per sheet its table and the column of the model that each column is."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crmkit import schema
from crmkit.datasets.dataset import Dataset
from crmkit.datasets.headings import (
    By,
    Export,
    Match,
    Proposal,
    is_personal,
    made_from_line,
    match_columns,
    refuse_values,
)
from crmkit.datasets.line_items import LINE_ITEMS, THREE, WHOSE, are_lines, as_far_as_told
from crmkit.datasets.line_products import OF_PRODUCT, without_products
from crmkit.datasets.loading import load, made, told_of_head
from crmkit.datasets.manifest import is_saved
from crmkit.datasets.mapping import ColumnMapping, Row
from crmkit.datasets.naming import twins
from crmkit.datasets.opening import DUCKDB, POSTGRES, Opened, offers_of, plain_name, understood
from crmkit.datasets.source import Offer, SourceNote
from crmkit.datasets.values import Reading
from crmkit.errors import CrmkitError, CrmkitWarning, ParameterError
from crmkit.schema import Column
from crmkit.texts import text

_LONGEST = 40  # letters of a header that are shown
# A telephone number, a postal code, an address, a name in two parts: shown as *** whatever the header says.
_OF_PEOPLE = re.compile(
    r"[+0０〇(（][\d０-９ ()（）+‐ー−-]{8,}|〒?[\d０-９]{3}[-‐ー−][\d０-９]{4}"
    r"|.*[都道府県].*[市区町村郡].*|[一-龥々]{1,4}[ 　][一-龥々ぁ-んァ-ヶ]{1,5}"
    r"|[ァ-ヶー]{2,}[ 　][ァ-ヶー]{2,}|[A-Z][a-z]+ [A-Z][a-z]+|.*@.*"
)


@dataclass(slots=True)
class Sheet:
    """One file, sheet or table of the source, and what it is taken for; `refused` says why it cannot be loaded.

    `columns` and `by` have an entry for each header: the column of the model it is ("" = not used), and what told it.
    Taken for orders with a line for each item, its columns are those of several tables: "orders.ordered_at".
    """

    offer: Offer
    thing: Any = None
    table: str = ""
    near: tuple[str, ...] = ()
    columns: list[str] = field(default_factory=list)
    by: list[By] = field(default_factory=list)
    export: Export | None = None
    refused: str = ""
    rows: tuple[Row, ...] = ()
    twins: dict[str, list[int]] = field(default_factory=dict)  # columns of one name, by what one of them would be

    @classmethod
    def of(cls, offer: Offer, how: Reading, table: str = "", thing: Any = None) -> Sheet:
        """A sheet as it is recognized, or as the table that it is said to be."""
        sheet = cls(offer, thing)
        try:
            refuse_values(offer)
            sheet.rows = ColumnMapping.of(Opened({}, (Proposal(offer, None),))).rows
            told = understood(replace(offer, stood={}), {}, {}, how)
            sheet.export = told.export
            sheet.near = told.near
            found = "" if told.table is None else told.table.name
            if found == "orders" and told.lines is not None and are_lines(told, offer.head):
                found = LINE_ITEMS
            sheet.take(table or found, how)
        except CrmkitError as error:
            sheet.refused = str(error)
        return sheet

    @property
    def is_split(self) -> bool:
        """Whether it is orders with a line for each item, of which several tables are made."""
        return self.table == LINE_ITEMS

    def options(self) -> Iterator[tuple[str, Column]]:
        """Every column of the model that one here may be, with its table."""
        if not self.is_split:
            yield from ((self.table, column) for column in schema.TABLES[self.table].columns)
            return
        for name in THREE:
            here = (column for column in schema.TABLES[name].columns if name != "products" or column.name in OF_PRODUCT)
            yield from ((name, column) for column in here if (name, column.name) != ("order_items", "order_id"))

    def called(self, table: str, column: str) -> str:
        """A column of the model as it is called in `columns`."""
        return f"{table}.{column}" if self.is_split else column

    def meant(self, at: int) -> tuple[str, str]:
        """The table and the column of the model that a column is; "" where it is not used."""
        table, _, column = self.columns[at].rpartition(".")
        return table or self.table, column

    def take(self, table: str, how: Reading) -> None:
        """Take it for a table; "" for none. Columns are recognized anew, but none of several with one name."""
        self.table, self.twins = table, {}
        self.columns, self.by = [""] * len(self.offer.headers), ["asked"] * len(self.offer.headers)
        for name, match in self._found({}, how) if table else ():
            same = twins(self.offer, match.at)
            if same:
                self.twins[self.called(name, match.column)] = same
            elif not self.columns[match.at]:
                self.columns[match.at], self.by[match.at] = self.called(name, match.column), match.by

    def _found(self, own: Mapping[str, Mapping[str, str | None]], how: Reading) -> list[tuple[str, Match]]:
        """The columns that are recognized, each with its table."""
        if not self.is_split:
            export = self.export if self.export is not None and self.export.table == self.table else None
            model = schema.TABLES[self.table]
            found = match_columns(self.offer, model, own.get(self.table, {}), how, export)
            return [(self.table, match) for match in found]
        told = as_far_as_told(self.offer, own, how)
        assert told.lines is not None
        of_orders = [("orders", match) for match in told.matches]
        items = [("order_items", match) for match in told.lines.items if match.column != "order_id"]
        return [*of_orders, *items, *(("products", match) for match in told.lines.products[1:])]

    def put(self, at: int, column: str) -> int | None:
        """Say which column of the model one is; gives the place that it was at before, which is not used then."""
        before = self.columns.index(column) if column and column in self.columns else None
        if before is not None:
            self.columns[before] = ""
        self.columns[at], self.by[at] = column, "asked"
        return None if before == at else before

    def missing(self, *, alone: bool = False) -> list[tuple[str, str]]:
        """The columns, with their tables, that cannot be done without and that nothing is said to be.

        `alone`: the orders themselves are in another sheet.
        """
        if not self.table:
            return []
        if self.is_split:
            needed = [("orders", name) for name in (WHOSE[:1] if alone else WHOSE)] + [("order_items", "product_id")]
        else:
            model = schema.TABLES[self.table]
            needed = [
                (self.table, one.name) for one in model.columns if one.required and not made_from_line(model, one)
            ]
        return [(table, name) for table, name in needed if self.called(table, name) not in self.columns]

    def unsaid(self) -> list[tuple[str, list[int]]]:
        """What one of several columns of one name would be, and where these are: until one of them is chosen."""
        return [
            (column, same)
            for column, same in self.twins.items()
            if column not in self.columns and not any(self.columns[at] for at in same)
        ]

    def own(self, how: Reading, *, alone: bool = False) -> dict[str, dict[str, str | None]]:
        """Own names by table and column; `None` for what would be recognized and was left out."""
        told: dict[str, dict[str, str | None]] = {name: {} for name in (THREE if self.is_split else (self.table,))}
        for at in (at for at, column in enumerate(self.columns) if column):
            table, column = self.meant(at)
            told[table][column] = self.offer.headers[at]
        if self.is_split and "order_id" in told["orders"]:
            told["order_items"]["order_id"] = told["orders"]["order_id"]
        # a header that one column is denied may be taken for the next: until nothing more is recognized
        while more := [(name, it) for name, it in self._found(told, how) if it.column not in told[name]]:
            for name, it in more:
                # the discount of an order may be that of its lines as well: the rows will tell
                shared = self.is_split and self.columns[it.at] == f"orders.{it.column}"
                told[name][it.column] = it.own if shared else None
        named = {
            name: {one.name: told[name][one.name] for one in schema.TABLES[name].columns if one.name in told[name]}
            for name in told
            if not (alone and self.is_split and name == "orders")
        }
        return {name: columns for name, columns in named.items() if columns or name != "products"}

    def label(self, at: int) -> str:
        """A column as it is called beside its drop-down: by its place too, since headers may be empty or come twice."""
        unnamed = not self.offer.stood.get(at, "x").strip()
        words = text("columns.no_header") if unnamed else " ".join(self.offer.headers[at].split())
        shown = on_one_line(words)
        return f"{at + 1}. {shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + '…'}"

    def samples(self, at: int) -> list[str]:
        """A few values; of what may name people only their form."""
        row, (table, column) = self.rows[at], self.meant(at)
        personal = row.personal or bool(column and schema.TABLES[table][column].personal)
        personal = personal or any(_OF_PEOPLE.fullmatch(value.strip()) for value in row.samples)
        return list(dict.fromkeys(masked(value) for value in row.samples)) if personal else list(row.samples)

    def proposal(self, how: Reading, *, alone: bool = False) -> Proposal:
        """What it is taken for now."""
        if not self.is_split:
            matches = tuple(
                Match(column, at, self.offer.headers[at], self.by[at])
                for at, column in enumerate(self.columns)
                if column
            )
            return Proposal(self.offer, schema.TABLES[self.table] if self.table else None, matches, self.export)
        told = as_far_as_told(self.offer, self.own(how), how)
        assert told.lines is not None
        items, products = ([self._as_said(it) for it in some] for some in (told.lines.items, told.lines.products))
        lines = replace(told.lines, items=tuple(items), products=tuple(products))
        if alone:
            return Proposal(self.offer, schema.TABLES["order_items"], lines.items, lines=lines)
        return replace(told, matches=tuple(self._as_said(it) for it in told.matches), lines=lines)

    def _as_said(self, match: Match) -> Match:
        return replace(match, by=self.by[match.at])


class Choice:
    """All sheets of a source, how they are taken, and how `load` is told so."""

    def __init__(self, source: Any, options: Mapping[str, Any]) -> None:
        self.source, self.options = source, dict(options)
        self.how = Reading("UTC", None, None)  # for looking at the first rows, which need no zone
        self.notes: list[SourceNote] = []
        self.sheets = list(self._sheets())
        if not self.sheets:
            raise ParameterError("nothing_to_load")

    def _sheets(self) -> Iterator[Sheet]:
        encoding = self.options.get("encoding")
        if not isinstance(self.source, Mapping):
            offers = offers_of(self.source, encoding=encoding)
            self.notes += offers.notes
            yield from (Sheet.of(offer, self.how) for offer in offers)
            return
        for name, thing in self.source.items():
            offers = offers_of(thing, encoding=encoding, called=str(name))
            self.notes += offers.notes
            known = name if name in (*schema.TABLES, LINE_ITEMS) and len(offers) == 1 else ""
            yield from (Sheet.of(offer, self.how, known, thing) for offer in offers)

    @property
    def used(self) -> list[Sheet]:
        """The sheets that are to be loaded."""
        return [sheet for sheet in self.sheets if sheet.table]

    def complaints(self) -> list[str]:
        """What stands in the way of loading, as sentences."""
        said = [text("columns.nothing")] if not self.used else []
        seen: dict[str, Sheet] = {}
        for sheet in self.used:
            if missing := sheet.missing(alone=self.has_orders):
                names = text("load.between").join(f"{column_label(table, name)} ({name})" for table, name in missing)
                said.append(text("columns.missing", sheet=sheet.offer.name, table=sheet.table, columns=names))
            kind = "order_items" if sheet.is_split else sheet.table  # lines may stand beside the orders themselves
            if kind in seen:
                first = seen[kind].offer.name
                said.append(text("columns.twice", table=kind, first=first, second=sheet.offer.name))
            seen.setdefault(kind, sheet)
        return said

    @property
    def has_orders(self) -> bool:
        """Whether a sheet has the orders themselves: then lines of orders are only their items."""
        return any(sheet.table == "orders" for sheet in self.sheets)

    def own(self) -> dict[str, dict[str, str | None]]:
        """Own names by table and column, of all sheets that are to be loaded."""
        return {name: own for one in self.used for name, own in one.own(self.how, alone=self.has_orders).items()}

    def mapping(self) -> ColumnMapping:
        """Which column is which, as it is chosen now."""
        others = tuple(sheet.proposal(self.how) for sheet in self.sheets if not sheet.table)
        found = [sheet.proposal(self.how, alone=self.has_orders) for sheet in self.used]
        tables = {one.table.name: one for one in found if one.table is not None}
        has_products = any(sheet.table == "products" for sheet in self.used)
        tables = {name: without_products(one) if has_products else one for name, one in tables.items()}
        both = next((sheet for sheet in self.used if sheet.is_split), None)
        told = made(self.told_of(both)) if both is not None and not self.has_orders else None
        return ColumnMapping.of(Opened(tables, others), told)

    def told_of(self, sheet: Sheet) -> list[tuple[str, dict[str, object]]]:
        """How the first rows say that orders are made of their lines; nothing as long as something is missing."""
        if sheet.missing() or self.has_orders:
            return []
        how = replace(self.how, dayfirst=self.options.get("dayfirst"), decimal=self.options.get("decimal"))
        return told_of_head(sheet.proposal(self.how), how)

    def load(self) -> Dataset:
        """Load with this choice.

        Raises:
            CrmkitError: as for `load`, and where something is still to be chosen.
        """
        said = self.complaints()
        if said:
            raise ParameterError("not_chosen", why=" ".join(said))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CrmkitWarning)  # rows set aside are in the account beside the button
            source, tables = self._named()
            found: Dataset = load(source, tables=tables, columns=self.own(), **self._said())
        return found

    def _named(self) -> tuple[Any, Any]:
        """The source and its `tables`, as `load` takes them."""
        if isinstance(self.source, Mapping):
            return {sheet.table: sheet.thing for sheet in self.used}, None
        if len(self.sheets) == 1:
            return self.source, self.used[0].table
        stems = [sheet.offer.stem for sheet in self.sheets]
        parts = {
            sheet.table: sheet.offer.stem if stems.count(sheet.offer.stem) == 1 else sheet.offer.name
            for sheet in self.used
        }
        return self.source, parts

    def _said(self) -> dict[str, Any]:
        return {name: value for name, value in self.options.items() if value is not None}

    def toml(self) -> str:
        """The choice as `load` takes it for `columns`, and the call for it; no value of any row is in it."""
        lines = [f"# {line}" for line in text("mapping.comment").splitlines()]
        for table, own in self.own().items():
            lines += ["", f"[{table}]", *(f"{name} = {_toml(header)}" for name, header in own.items())]
        return "\n".join([*lines, ""])

    def code(self, place: Path | str) -> str:
        """The line that loads the same way next time."""
        named, tables = self._named()
        is_path = isinstance(named, str | os.PathLike) and not str(named).startswith(POSTGRES)
        parts = [repr(str(named)) if is_path else "source"]  # an address may have a password in it
        told = {"tables": tables, "columns": str(place), **self._said()}
        parts += [f"{name}={value!r}" for name, value in told.items() if value is not None]
        return f"crmkit.load({', '.join(parts)})"


def column_label(table: str, column: str) -> str:
    """What the data dictionary calls a column, without the explanation behind it."""
    return re.split(r"[(（:：;,、]", text(f"column.{table}.{column}"))[0].strip()


def masked(value: str) -> str:
    """The form of a value: every letter and digit as a star."""
    return "".join("*" if letter.isalnum() else letter for letter in value)


def without_values(error: CrmkitError) -> str:
    """A message without what it quotes from a column that may name people."""
    column = error.values.get("column")
    if "sample" in error.values and isinstance(column, str) and is_personal(column):
        return str(type(error)(error.reason, **{**error.values, "sample": "***"}))
    return str(error)


def is_saved_source(source: Any) -> bool:
    """Whether crmkit saved it and so knows its columns."""
    if not isinstance(source, str | os.PathLike) or "://" in str(source):
        return False
    path = Path(source).expanduser()
    if path.is_file() and path.suffix.lower() in DUCKDB:
        from crmkit.datasets.shop_file import is_database

        return is_database(path)
    return path.is_dir() and is_saved(path)


def called(source: Any) -> str:
    """What the source is called: the name of a file, the tables of several."""
    if isinstance(source, str | os.PathLike):
        return on_one_line(plain_name(source) if "://" in str(source) else Path(source).name)
    return on_one_line(", ".join(map(str, source)) if isinstance(source, dict) else type(source).__name__)


def file_name(stem: str) -> str:
    """What of a name is safe in the name of a file."""
    return "".join(letter for letter in stem if letter.isalnum() or letter in "-_ ").strip()


def on_one_line(words: str) -> str:
    """Words from data without what moves the cursor or breaks a line."""
    return "".join(letter if letter.isprintable() else " " for letter in words)


def _toml(header: str | None) -> str:
    return "false" if header is None else json.dumps(header, ensure_ascii=False).replace("\x7f", "\\u007f")
