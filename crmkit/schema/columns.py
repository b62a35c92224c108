"""What a table and a column are, the words several tables share, and short ways to write the usual columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["id", "text", "category", "date", "instant", "amount", "integer", "number", "flag"]

EARLIEST_YEAR = 1900  # spreadsheets write a missing day as 1899 or 1900: no shop's order is that old
CHANNELS = ("store", "web", "app", "phone", "email", "chat", "sns", "postal")
ACQUISITION_CHANNELS = ("search", "sns", "ad", "walk_in", "referral", "event")
TIERS = ("none", "regular", "silver", "gold")
TICKET_KINDS = ("question", "request", "complaint", "return", "other")
PRIORITIES = ("low", "normal", "high", "urgent")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one table.

    `required` says that the table cannot be used without the column; `nullable` that a row may leave it empty.
    `low` and `high` are the least and greatest value that can be meant; `references` is `table.column`; `personal`
    marks what identifies a living person and so never appears in reports unless asked for; `ahead` marks a needed day
    that may well lie in the future, such as a holiday.
    """

    name: str
    kind: Kind
    unit: str | None = None
    required: bool = False
    nullable: bool = True
    allowed: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    references: str | None = None
    personal: bool = False
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns in order, its primary key and the theme of the course that looks after it."""

    name: str
    theme: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name}.{name}")

    def __contains__(self, name: object) -> bool:
        return any(column.name == name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns without which the table cannot be used."""
        return tuple(column.name for column in self.columns if column.required)


def key(name: str) -> Column:
    """The id of the table's own rows."""
    return Column(name, "id", required=True, nullable=False)


def link(name: str, target: str, *, required: bool = False) -> Column:
    """The id of a row of another table, or of another row of the same one."""
    return Column(name, "id", required=required, nullable=not required, references=target)


def at(name: str, *, required: bool = False, ahead: bool = False) -> Column:
    """An instant on the shop's clock."""
    return Column(name, "instant", unit="local time", required=required, nullable=not required, ahead=ahead)


def money(name: str, *, required: bool = False) -> Column:
    """An amount without tax, never negative."""
    return Column(name, "amount", unit="JPY", low=0, required=required, nullable=not required)


def one_of(name: str, *allowed: str, required: bool = False) -> Column:
    """One of a fixed set of words."""
    return Column(name, "category", allowed=allowed, required=required, nullable=not required)


def share(name: str) -> Column:
    """A number from 0 to 1."""
    return Column(name, "number", unit="0 to 1", low=0, high=1)


def grade(name: str, low: int, high: int) -> Column:
    """Whole points between two ends."""
    return Column(name, "integer", unit="points", low=low, high=high)
