"""Which column of a source is which of the model: to look at, to correct, to keep for the next export."""

from __future__ import annotations

import html
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from crmkit.datasets.headings import Lines, Proposal, is_personal
from crmkit.datasets.opening import Opened
from crmkit.datasets.values import as_text
from crmkit.errors import CannotWrite, UnreadableFile
from crmkit.schema import TABLES
from crmkit.texts import text

_SAMPLES = 3
_LETTERS = 24  # of a sample; more is no help to recognize it


@dataclass(frozen=True, slots=True)
class Row:
    """One column of a source: its table and column in the model ("" = not used), by what that was told, and samples."""

    source: str
    table: str
    column: str
    own: str
    by: str
    personal: bool
    samples: tuple[str, ...]
    made: str = ""  # how the rows of orders are made of it, where the source has a line for each item

    @property
    def told_by(self) -> str:
        """By what it was told, in the language in use."""
        by = text(f"mapping.by.{self.by}")
        return text("line_items.by", by=by, made=text(f"line_items.made.{self.made}")) if self.made else by


class ColumnMapping:
    """Which column of a source is which of the model, in the order of the source.

    Shown as a table in a notebook. `frame()` gives it as pandas, `save` keeps it as a TOML file that can be corrected
    with any editor and given to `load` as `columns`.
    """

    def __init__(self, rows: tuple[Row, ...], left_out: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self.rows = rows
        self.left_out = left_out or {}

    @classmethod
    def of(cls, opened: Opened, made: Mapping[str, str] | None = None) -> ColumnMapping:
        """The mapping of what was opened, its unused columns and sources among it.

        `made` says, by its column of orders, how an amount comes from the lines of an order: "total" or "sum".
        """
        proposals = [*opened.tables.items(), *(("", proposal) for proposal in opened.others)]
        rows = [row for table, proposal in proposals for row in _rows(table, proposal)]
        rows = [replace(row, made=(made or {}).get(row.column, "")) if row.table == "orders" else row for row in rows]
        left_out = {table: one.left_out for table, one in opened.tables.items() if one.left_out}
        for one in opened.tables.values():
            left_out |= {table: names for table, names in (one.lines.left_out if one.lines else {}).items() if names}
        return cls(tuple(rows), left_out)

    def by_table(self) -> dict[str, dict[str, str | None]]:
        """As `load` takes it for `columns`."""
        found: dict[str, dict[str, str | None]] = {}
        for row in self.rows:
            if row.column:
                found.setdefault(row.table, {})[row.column] = row.own
        for table, columns in self.left_out.items():
            found.setdefault(table, {}).update(dict.fromkeys(columns))
        return found

    def frame(self, *, personal: bool = False) -> pd.DataFrame:
        """As a pandas table.

        Args:
            personal: Show samples of columns that identify people, too.

        Returns:
            One row per column of each source: `source`, `table`, `column` ("" where it is not used), `own` (its header
            there), `told_by` and `samples`, in the language in use.
        """
        hidden = text("mapping.hidden")
        rows = [
            (
                row.source, row.table, row.column, row.own, row.told_by,
                hidden if row.personal and row.samples and not personal else " / ".join(row.samples),
            )
            for row in self.rows
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["source", "table", "column", "own", "told_by", "samples"]).astype("str")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as TOML, for `load(…, columns=path)`; no sample goes into it.

        Args:
            path: The file to write; one that is there is replaced.

        Returns:
            The path.

        Raises:
            CannotWrite: no room, no right to write.

        Examples:
            >>> from tempfile import mkdtemp
            >>> from crmkit.datasets import load, recognize
            >>> visits = pd.DataFrame({"会員番号": ["A"], "来店日": ["2024-04-01"], "お会計": [4400]})
            >>> place = recognize(visits).save(Path(mkdtemp()) / "shop.toml")
            >>> place.read_text(encoding="utf-8").splitlines()[-2:]
            ['ordered_at = "来店日"', 'net_amount = "お会計"']
        """
        place = Path(path).expanduser()
        draft = place.with_name(f".{place.name}.unfinished")
        try:
            draft.write_text(self._toml(), encoding="utf-8")
            os.replace(draft, place)
        except OSError as error:
            raise CannotWrite("failed", out=place, file=place, detail=error.strerror or error) from None
        return place

    def _toml(self) -> str:
        lines = [f"# {line}" for line in text("mapping.comment").splitlines()]
        for table, columns in self.by_table().items():
            lines += ["", f"[{table}]"]
            lines += [f"{name} = {json.dumps(own or False, ensure_ascii=False)}" for name, own in columns.items()]
            unused = [row.own for row in self.rows if row.table == table and not row.column]
            lines += [f"# {text('mapping.unused', columns=_one_line(', '.join(unused)))}"] if unused else []
        return "\n".join([*lines, ""])

    def __repr__(self) -> str:
        return self.frame().to_string(index=False)

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>{html.escape(text(f'mapping.head.{name}'))}</th>" for name in self.frame().columns)
        cells = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row) + "</tr>"
            for row in self.frame().itertuples(index=False)
        )
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{cells}</tbody></table>"


def read_mapping(path: Path) -> dict[str, dict[str, str | None]]:
    """What `ColumnMapping.save` wrote, or somebody by hand; `false` leaves a column out.

    Raises:
        UnreadableFile: it is not there, no TOML, or holds something else.
    """
    try:
        told: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnreadableFile("missing", file=path, folder=path.parent.resolve(), nearest="-") from None
    except (OSError, ValueError) as error:
        raise UnreadableFile("mapping", file=path, detail=str(error).splitlines()[0]) from None
    if not all(isinstance(columns, Mapping) for columns in told.values()):
        raise UnreadableFile("mapping", file=path, detail=text("mapping.no_table"))
    made: dict[str, dict[str, str | None]] = {}
    for table, columns in told.items():
        for name, own in columns.items():
            if not isinstance(own, str) and own is not False:
                raise UnreadableFile("mapping", file=path, detail=f"{table}.{name} = {own!r}")
            made.setdefault(table, {})[name] = own or None
    return made


def _rows(table: str, proposal: Proposal) -> Iterator[Row]:
    if proposal.lines is not None:
        yield from _rows_of_lines(table, proposal, proposal.lines)
        return
    told = {match.at: match for match in proposal.matches}
    for at, header in enumerate(proposal.offer.headers):
        match = told.get(at)
        column = match.column if match and table else ""
        samples = tuple(_samples(proposal, at))
        marked = bool(column and proposal.table is not None and proposal.table[column].personal)
        personal = marked or is_personal(header) or any("@" in value for value in samples)
        by = match.by if match and table else "unused" if table else "unknown"
        yield Row(proposal.offer.name, table, column, header, by, personal, samples)


def _rows_of_lines(table: str, proposal: Proposal, lines: Lines) -> Iterator[Row]:
    """The columns of orders, of their items, and of products; those of none stand once, with the items."""
    told = {"orders": proposal.matches if table == "orders" else (), "order_items": lines.items}
    told["products"] = lines.products
    taken = {match.at for matches in told.values() for match in matches}
    for name, matches in told.items():
        rows = _rows(name, replace(proposal, lines=None, table=TABLES[name], matches=matches)) if matches else ()
        for at, row in enumerate(rows):
            if row.column or (name == "order_items" and at not in taken):
                yield row


def _samples(proposal: Proposal, at: int) -> list[str]:
    """The first different values, shortened."""
    words = dict.fromkeys(word for word in as_text(proposal.offer.head[at]).to_pylist() if word and word.strip())
    return [_one_line(word if len(word) <= _LETTERS else word[: _LETTERS - 1] + "…") for word in list(words)[:_SAMPLES]]


def _one_line(words: str) -> str:
    return " ".join(words.split())
