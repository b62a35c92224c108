"""What can go wrong, said so that the reader can mend it: where, what was found, and what to do.

The words live in `texts/` under `error.<ClassName>.<reason>` and are read when the message is shown, so the same error
speaks the language of whoever reads it.
"""

from __future__ import annotations

import re
import traceback

from crmkit.texts import has_text, text


class _Spoken(Exception):
    """A message kept as key and values; the words are looked up when it is shown."""

    def __init__(self, reason: str, /, **values: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.values = values

    def __str__(self) -> str:
        name = type(self).__name__
        key = f"error.{name}.{self.reason}_alone"  # said where nothing looks like the name that was asked for
        if self.values.get("nearest") != "" or not has_text(key):
            key = f"error.{name}.{self.reason}"
        return text(key, **self.values)

    def __reduce__(self) -> tuple[object, ...]:  # so that errors travel between processes
        return _rebuild, (type(self), self.reason, self.values)


def _rebuild(kind: type[_Spoken], reason: str, values: dict[str, object]) -> _Spoken:
    return kind(reason, **values)


class CrmkitError(_Spoken):
    """Base of every error crmkit raises on purpose."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows (IPython asks for it): the line of the cell, and the sentence; the rest is ours."""
        steps = traceback.extract_tb(self.__traceback__)
        cells = [step for step in steps if re.search(r"ipykernel|^<ipython-input", step.filename) and step.line]
        line = [f"----> {cells[-1].lineno} {cells[-1].line}", ""] if cells else []
        return [*line, f"{type(self).__name__}: {self}"]


class ColumnError(CrmkitError, ValueError):
    """A column is missing, or holds something other than the data model asks for."""


class MissingColumn(ColumnError, KeyError):
    """A table lacks a column it cannot do without."""

    __str__ = _Spoken.__str__  # KeyError would show the repr


class WrongType(ColumnError, TypeError):
    """A column holds text where dates or numbers are due, or the like."""


class ParameterError(CrmkitError, ValueError):
    """An argument makes no sense: a start after the end, an unknown variant, a horizon of zero days."""


class EmptyTable(CrmkitError, ValueError):
    """A table or file holds no row at all."""


class UnreadableFile(CrmkitError, ValueError):
    """A file cannot be read as what it is said to be."""


class CannotWrite(CrmkitError, OSError):
    """A file or folder cannot be written: no room, no right to, or somebody else is at it."""


class ProcessDied(CrmkitError, RuntimeError):
    """A process that computed a part of the work was ended from outside."""


class CannotFit(CrmkitError, ValueError):
    """A model cannot be fitted to these data: why, and what to do."""


class CrmkitWarning(_Spoken, UserWarning):
    """Base of every warning crmkit gives on purpose."""


class RowsLeftOut(CrmkitWarning):
    """Rows could not be used: how many, and why."""


class AmbiguousFigure(CrmkitWarning):
    """Another definition in common use gives another number on the same data."""


class DoubtfulFit(CrmkitWarning):
    """A fitted model, or what it says, is to be read with care: why, and what to do."""
