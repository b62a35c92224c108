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
    recognize,
    refuse_values,
)
from crmkit.datasets.loading import load
from crmkit.datasets.manifest import is_saved
from crmkit.datasets.mapping import ColumnMapping, Row
from crmkit.datasets.opening import DUCKDB, POSTGRES, Opened, offers_of, plain_name
from crmkit.datasets.source import Offer, SourceNote
from crmkit.datasets.values import Reading
from crmkit.errors import CrmkitError, CrmkitWarning, ParameterError
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

    @classmethod
    def of(cls, offer: Offer, how: Reading, table: str = "", thing: Any = None) -> Sheet:
        """A sheet as it is recognized, or as the table that it is said to be."""
        sheet = cls(offer, thing)
        try:
            refuse_values(offer)
            sheet.rows = ColumnMapping.of(Opened({}, (Proposal(offer, None),))).rows
            told = recognize(_told_apart(offer), how)
            sheet.export = told.export
            sheet.near = told.near
            sheet.take(table or ("" if told.table is None else told.table.name), how)
        except CrmkitError as error:
            sheet.refused = str(error)
        return sheet

    def take(self, table: str, how: Reading) -> None:
        """Take it for a table; "" for none. Columns are recognized anew."""
        self.table = table
        self.columns, self.by = [""] * len(self.offer.headers), ["asked"] * len(self.offer.headers)
        if table:
            export = self.export if self.export is not None and self.export.table == table else None
            for match in match_columns(self.offer, schema.TABLES[table], {}, how, export):
                self.columns[match.at], self.by[match.at] = match.column, match.by

    def put(self, at: int, column: str) -> int | None:
        """Say which column of the model one is; gives the place that it was at before, which is not used then."""
        before = self.columns.index(column) if column and column in self.columns else None
        if before is not None:
            self.columns[before] = ""
        self.columns[at], self.by[at] = column, "asked"
        return None if before == at else before

    def missing(self) -> list[str]:
        """The columns that the table cannot do without and that nothing is said to be."""
        if not self.table:
            return []
        model = schema.TABLES[self.table]
        needed = (one for one in model.columns if one.required and not made_from_line(model, one))
        return [one.name for one in needed if one.name not in self.columns]

    def unclear(self) -> list[int]:
        """The used columns that cannot be named: without a header, or with one that is there twice."""
        headers = self.offer.headers
        used = (at for at, column in enumerate(self.columns) if column)
        return [at for at in used if not headers[at].strip() or headers.count(headers[at]) > 1]

    def own(self, how: Reading) -> dict[str, str | None]:
        """Own names by the model's; `None` for what would be recognized and was left out."""
        told: dict[str, str | None] = {
            column: self.offer.headers[at] for at, column in enumerate(self.columns) if column
        }
        model = schema.TABLES[self.table]
        # a header that one column is denied may be taken for the next: until nothing more is recognized
        while more := {one.column for one in match_columns(self.offer, model, told, how, self.export)} - set(told):
            told |= dict.fromkeys(more)
        return {column.name: told[column.name] for column in model.columns if column.name in told}

    def label(self, at: int) -> str:
        """A column as it is called beside its drop-down: by its place too, since headers may be empty or come twice."""
        words = " ".join(self.offer.headers[at].split()) or text("columns.no_header")
        shown = on_one_line(words)
        return f"{at + 1}. {shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + '…'}"

    def samples(self, at: int) -> list[str]:
        """A few values; of what may name people only their form."""
        row, column = self.rows[at], self.columns[at]
        personal = row.personal or bool(column and schema.TABLES[self.table][column].personal)
        personal = personal or any(_OF_PEOPLE.fullmatch(value.strip()) for value in row.samples)
        return list(dict.fromkeys(masked(value) for value in row.samples)) if personal else list(row.samples)

    def proposal(self) -> Proposal:
        """What it is taken for now."""
        matches = (
            Match(column, at, self.offer.headers[at], self.by[at]) for at, column in enumerate(self.columns) if column
        )
        return Proposal(self.offer, schema.TABLES[self.table] if self.table else None, tuple(matches), self.export)


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
            known = name if name in schema.TABLES and len(offers) == 1 else ""
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
            if missing := sheet.missing():
                names = text("load.between").join(f"{column_label(sheet.table, name)} ({name})" for name in missing)
                said.append(text("columns.missing", sheet=sheet.offer.name, table=sheet.table, columns=names))
            for at in sheet.unclear():
                said.append(text("columns.unclear", sheet=sheet.offer.name, column=sheet.label(at)))
            if sheet.table in seen:
                first = seen[sheet.table].offer.name
                said.append(text("columns.twice", table=sheet.table, first=first, second=sheet.offer.name))
            seen.setdefault(sheet.table, sheet)
        return said

    def mapping(self) -> ColumnMapping:
        """Which column is which, as it is chosen now."""
        others = tuple(sheet.proposal() for sheet in self.sheets if not sheet.table)
        return ColumnMapping.of(Opened({sheet.table: sheet.proposal() for sheet in self.used}, others))

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
            names = {sheet.table: sheet.own(self.how) for sheet in self.used}
            found: Dataset = load(source, tables=tables, columns=names, **self._said())
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
        for sheet in self.used:
            own = sheet.own(self.how)
            lines += ["", f"[{sheet.table}]", *(f"{name} = {_toml(header)}" for name, header in own.items())]
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


def _told_apart(offer: Offer) -> Offer:
    """The same with a number behind headers that come again: which is meant is for the reader to say."""
    seen: dict[str, int] = {}
    headers = []
    for header in offer.headers:
        bare = " ".join(header.split()).casefold()
        seen[bare] = seen.get(bare, 0) + 1
        headers.append(header if seen[bare] == 1 else f"{header} ({seen[bare]})")
    return replace(offer, headers=tuple(headers))


def _toml(header: str | None) -> str:
    return "false" if header is None else json.dumps(header, ensure_ascii=False).replace("\x7f", "\\u007f")
