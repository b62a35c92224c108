"""What a case of the corpus is: how its source is made, what is wrong with it, and what must be said."""

from __future__ import annotations

import csv
import io
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crmkit.datasets import Dataset, load
from crmkit.errors import (
    CrmkitError,
    CrmkitWarning,
    EmptyTable,
    MissingColumn,
    ParameterError,
    UnreadableFile,
    WrongType,
)

__all__ = [
    "Case",
    "EmptyTable",
    "Loads",
    "MissingColumn",
    "Outcome",
    "ParameterError",
    "Refuses",
    "UnreadableFile",
    "WrongType",
    "put",
    "sheet",
    "tried",
]

# Whoever bears these must never be named in a message.
NAME, EMAIL, PHONE = "秘密花子", "himitsu.hanako@example.com", "090-0000-1234"
PERSONAL = (NAME, "秘密", EMAIL, "himitsu", PHONE)


@dataclass(frozen=True)
class Loads:
    """It loads: rows loaded and set aside by table, and the rows of each kind of problem, no other kind occurring.

    `notes` are the kinds of notes about the source; `see` looks at the values.
    """

    rows: Mapping[str, tuple[int, int]]
    problems: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    see: Callable[[Dataset], bool] = lambda crm: True


@dataclass(frozen=True)
class Refuses:
    """It is refused: by which error, for which reason, with what in the message."""

    error: type[CrmkitError]
    reason: str
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """A source that nobody tidied. `make` puts it into an empty folder and gives back what `load` is given."""

    name: str
    wrong: str
    wrong_ja: str
    make: Callable[[Path], Any]
    must: Loads | Refuses
    how: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What came of it: a data set or an error, and all that was warned of."""

    crm: Dataset | None
    error: CrmkitError | None
    warned: tuple[Warning, ...]

    def said(self) -> str:
        """All that a reader of the outcome gets to see, in the language in use."""
        return "\n".join(self._said())

    def shown(self) -> str:
        """What a notebook shows of it, as HTML."""
        return "" if self.crm is None else self.crm._repr_html_() + self.crm.mapping._repr_html_()

    def _said(self) -> Iterator[str]:
        yield from (str(warning) for warning in self.warned)
        if self.crm is None:
            yield str(self.error)
            return
        yield self.crm.report()
        yield self.crm._repr_html_()
        yield from (f"{row.problem} {row.found} {row.mend}" for row in self.crm.problems.itertuples())
        yield self.crm.mapping._repr_html_()


def tried(case: Case, folder: Path) -> Outcome:
    """Load a case that was made in this folder."""
    return loaded(case.make(folder), **case.how)


def loaded(source: Any, **how: Any) -> Outcome:
    """Load, and catch whatever crmkit says on purpose; anything else goes through."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            crm, error = load(source, **how), None
        except CrmkitError as caught:
            crm, error = None, caught
    strange = [warning for warning in warned if not issubclass(warning.category, CrmkitWarning)]
    assert not strange, [str(warning.message) for warning in strange]
    return Outcome(crm, error, tuple(warning.message for warning in warned if isinstance(warning.message, Warning)))


def put(data: bytes | str, name: str = "shop.csv") -> Callable[[Path], Path]:
    """A file with this content."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return make


USUAL: Mapping[str, Sequence[str]] = {
    "注文番号": [str(1001 + at) for at in range(20)],
    "会員番号": [f"K{at % 3}" for at in range(20)],
    "氏名": [NAME] * 20,
    "注文日時": [f"2024-04-{at + 1:02} 10:05" for at in range(20)],
    "購入金額": [str(1100 * (at + 1)) for at in range(20)],
}


def sheet(rows: int = 4, *, delimiter: str = ",", end: str = "\n", **columns: Sequence[Any] | None) -> str:
    """Orders as CSV: the usual columns, some of them written otherwise or left out, and more behind them."""
    given = {name: cells for name, cells in columns.items() if cells is not None}
    rows = max([rows, *map(len, given.values())]) if given else rows
    names = [
        name for name in [*USUAL, *(name for name in given if name not in USUAL)] if columns.get(name, "") is not None
    ]
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    writer.writerow(names)
    for at in range(rows):
        cells = [(given.get(name) or ())[at : at + 1] or USUAL.get(name, [""] * 20)[at : at + 1] for name in names]
        writer.writerow([cell[0] for cell in cells])
    return out.getvalue()


def link(path: Path, to: str | Path) -> Path:
    """A symbolic link."""
    os.symlink(to, path)
    return path
