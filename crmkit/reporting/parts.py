"""What a report is made of, whatever it is written as: sections of paragraphs, tables, figures and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from crmkit.scorecard import KeyFigure

Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Some sentences."""

    text: str


@dataclass(frozen=True, slots=True)
class Failed(Paragraph):
    """What stands in place of a picture that could not be drawn because something broke."""

    title: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: the first cell of a row says what the row is about. `name` is that of its sheet in a workbook."""

    name: str
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Figures:
    """The key figures of a theme, and the names of those that the columns are missing for."""

    theme: str
    caption: str
    found: Sequence[KeyFigure]
    absent: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with what it shows, in words that can stand for it; `width` in CSS pixels."""

    title: str
    caption: str
    png: bytes
    width: int


Block = Paragraph | Grid | Figures | Picture


@dataclass(slots=True)
class Section:
    """A chapter: `id` is where a link inside the page leads."""

    id: str
    title: str
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Paper:
    """The whole report; `footer` where it is another than the report's."""

    title: str
    lines: Sequence[str]
    sections: Sequence[Section]
    footer: str = ""
