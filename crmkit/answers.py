"""What can my data answer? Each metric, model and lesson, and for those that cannot be had, what is missing.

What each of them needs stands in `answers.toml`, which `docs/answers.py` finds out by trying.
"""

from __future__ import annotations

import html
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.texts import language, text

FILE = Path(__file__).with_name("answers.toml")
THEMES = ("relationship", "management", "retention", "service")
EVERY_THEME = (*THEMES, "all")  # a lesson may be about all of them
KINDS = ("metric", "model", "lesson")
_GLANCE = 100  # rows; a column that is filled at all is nearly always so among the first


@dataclass(frozen=True, slots=True)
class Need:
    """What a figure asks of the data: columns as `table.column`, or whole tables; see `docs/answers.py`."""

    kind: str
    theme: str
    label: str = ""
    title_ja: str = ""
    title_en: str = ""
    needs: tuple[str, ...] = ()
    some_of: tuple[str, ...] = ()
    how_many: int = 0
    may_be_empty: tuple[str, ...] = ()
    better: tuple[str, ...] = ()
    plot: str = ""


@dataclass(frozen=True, slots=True)
class Lack:
    """One table or column that is missing: not there at all, or there and empty."""

    reason: str
    table: str
    columns: tuple[str, ...] = ()
    number: int = 0

    def __str__(self) -> str:
        table = text(f"table.{self.table}") if self.table else ""
        return text(
            f"answers.lack.{self.reason}",
            table=self.table, label=table, columns=", ".join(self.columns), n=self.number,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether one metric, model or lesson can be had, and what is missing; words follow the language in use.

    Attributes:
        name: Name of the metric or model, as in `crmkit.<name>` or `crmkit.models.<name>`.
        kind: "metric", "model" or "lesson".
        theme: The theme it belongs to.
        can: Whether the data can feed it.
        lacks: What is missing, if it cannot be had.
        better: Columns and tables that are missing and would make it better.
        plot: The picture of it, a name of `crmkit.plots`, or "".
    """

    name: str
    kind: str
    theme: str
    can: bool
    lacks: tuple[Lack, ...]
    better: tuple[str, ...]
    plot: str
    need: Need

    @property
    def label(self) -> str:
        """What it is called."""
        if self.kind == "lesson":
            return self.need.title_ja if language() == "ja" else self.need.title_en
        return text(self.need.label)

    @property
    def missing(self) -> str:
        """What is missing, in words; "" where nothing is."""
        return text("answers.between").join(str(lack) for lack in self.lacks)


class Answers(Sequence[Answer]):
    """All answers; shown as a table in a notebook. `frame()` gives them as pandas."""

    def __init__(self, found: Sequence[Answer]) -> None:
        self._found = tuple(found)

    def __getitem__(self, place: Any) -> Any:
        """An answer by its place or its name; a slice gives a tuple of them."""
        if isinstance(place, str):
            return next(one for one in self._found if one.name == place)
        return self._found[place]

    def __len__(self) -> int:
        return len(self._found)

    def can(self, name: str) -> bool:
        """Whether a metric or model can be had.

        Args:
            name: Its name.

        Returns:
            True if it can; False too for a name that is not known.
        """
        return any(one.can for one in self._found if one.name == name)

    def counts(self) -> dict[str, tuple[int, int]]:
        """How many of the metrics and models of each theme can be had.

        Returns:
            By theme, how many can be had and how many there are.
        """
        figures = [one for one in self._found if one.kind != "lesson"]
        return {
            theme: (sum(one.can for one in figures if one.theme == theme), sum(one.theme == theme for one in figures))
            for theme in THEMES
        }

    def frame(self) -> Any:
        """As a pandas table: `theme`, `kind`, `name`, `label`, `can`, `missing` and `better`.

        Returns:
            One row for each metric, model and lesson, in the language in use.
        """
        columns = {
            "theme": [one.theme for one in self._found],
            "kind": [one.kind for one in self._found],
            "name": [one.name for one in self._found],
            "label": [one.label for one in self._found],
            "can": [one.can for one in self._found],
            "missing": [one.missing for one in self._found],
            "better": [", ".join(one.better) for one in self._found],
        }
        return nw.from_dict(columns, backend="pandas").to_native()

    def __repr__(self) -> str:
        return str(self.frame().to_string(index=False))

    def _repr_html_(self) -> str:
        heads = "".join(
            f"<th scope='col' style='text-align:left'>{html.escape(text(f'answers.head.{head}'))}</th>"
            for head in ("theme", "label", "name", "can", "missing", "better")
        )
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(map(_row, self._found))}</tbody></table>"


def answerable(data: Any) -> Answers:
    """What the data can answer: each metric, model and lesson, and what is missing for those that cannot be had.

    A column that is there and empty in all rows counts as missing, and so does a table without rows.

    Args:
        data: What `load`, `simulate` or `sample` gave, or tables of any engine by their names in the data model.

    Returns:
        An `Answers`, in the order of the themes: `.can("nps")`, `["nps"].missing`, `.frame()`, `.counts()`.

    Examples:
        >>> import crmkit
        >>> found = answerable(crmkit.sample("ten_customers"))
        >>> found.can("repeat_rate"), found.can("first_reply_time")
        (True, False)
        >>> from crmkit.texts import in_language
        >>> with in_language("en"):
        ...     found["ticket_volume"].missing
        'the table tickets (tickets), with ticket_id, created_at'
    """
    there = _There(getattr(data, "tables", data))
    answers = [_answer(name, need, there) for name, need in _needs().items()]
    return Answers(sorted(answers, key=lambda one: (EVERY_THEME.index(one.theme), KINDS.index(one.kind))))


class _There:
    """Which columns of which tables hold anything; looked at when first asked for."""

    def __init__(self, tables: Mapping[str, Any]) -> None:
        self._tables = tables
        self._frames: dict[str, Any] = {}
        self._rows: dict[str, bool] = {}
        self._filled: dict[tuple[str, str], bool] = {}

    def table(self, name: str) -> bool:
        return name in self._tables

    def rows(self, name: str) -> bool:
        """Whether the table has a row."""
        if name not in self._rows:
            self._rows[name] = bool(frames.row(self._frame(name).head(1).select(n=nw.len()))["n"])
        return self._rows[name]

    def column(self, table: str, column: str) -> bool:
        return self.table(table) and column in self._names(table)

    def filled(self, table: str, column: str) -> bool:
        """Whether a column is there and holds a value."""
        if not self.column(table, column):
            return False
        if (table, column) not in self._filled:
            frame, one = self._frame(table), nw.col(column)
            first = frames.row(frame.head(_GLANCE).select(n=one.count()))["n"]
            self._filled[table, column] = bool(first or frames.row(frame.select(n=one.count()))["n"])
        return self._filled[table, column]

    def _frame(self, name: str) -> Any:
        if name not in self._frames:
            self._frames[name] = frames.as_frame(self._tables[name])
        return self._frames[name]

    def _names(self, name: str) -> Any:
        return self._frame(name).collect_schema()


def label_of(name: str) -> str:
    """What a metric or model is called, in the language in use; its name where nothing is known of it."""
    need = _needs().get(name)
    return text(need.label) if need is not None else name


@cache
def _needs() -> dict[str, Need]:
    read: dict[str, dict[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {name: Need(**{key: _fixed(value) for key, value in entry.items()}) for name, entry in read.items()}


def _fixed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _answer(name: str, need: Need, there: _There) -> Answer:
    lacks = (*_lacks(need, there), *_too_few(need, there))
    better = tuple(one for one in need.better if not _has(one, there))
    return Answer(name, need.kind, need.theme, not lacks, lacks, better, need.plot, need)


def _lacks(need: Need, there: _There) -> Iterator[Lack]:
    """What is missing of what cannot be done without, table by table."""
    by_table: dict[str, list[str]] = {}
    for one in need.needs:
        table, _, column = one.partition(".")
        by_table.setdefault(table, []).append(column)
    for table, columns in by_table.items():
        if not there.table(table):
            yield Lack("no_table", table, tuple(columns))
            continue
        absent = tuple(column for column in columns if not there.column(table, column))
        if absent:
            yield Lack("no_column", table, absent)
        if not there.rows(table):
            yield Lack("no_rows", table)
            continue
        empty = (
            column
            for column in columns
            if column not in absent and f"{table}.{column}" not in need.may_be_empty and not there.filled(table, column)
        )
        if hollow := tuple(empty):
            yield Lack("empty", table, hollow)


def _too_few(need: Need, there: _There) -> Iterator[Lack]:
    """Too few of those columns or tables of which some are enough."""
    if need.how_many and sum(_has(one, there) for one in need.some_of) < need.how_many:
        yield Lack("some_of", "", need.some_of, need.how_many)


def _has(one: str, there: _There) -> bool:
    """Whether a column, or a table, is there and not empty."""
    table, _, column = one.partition(".")
    if not there.table(table) or not there.rows(table):
        return False
    return there.filled(table, column) if column else True


def _row(one: Answer) -> str:
    can = text("answers.yes" if one.can else "answers.no")
    cells = (
        text(f"answers.theme.{one.theme}"), one.label, one.name, can, one.missing, ", ".join(one.better),
    )  # fmt: skip
    return "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
