"""What is wrong with which rows: kept as facts, said in the language of whoever looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from crmkit.texts import text

Action = Literal["set_aside", "emptied", "changed", "kept"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with some rows of one column; `kind` names its words in `texts/`."""

    kind: str
    table: str
    column: str
    rows: int
    found: tuple[str, ...]
    action: Action
    values: Mapping[str, object]

    @property
    def what(self) -> str:
        """What is wrong."""
        return text(f"problem.{self.kind}.what", **self.values)

    @property
    def mend(self) -> str:
        """What to do about it."""
        return text(f"problem.{self.kind}.mend", **self.values)

    @property
    def examples(self) -> str:
        """What was found in the file, quoted."""
        return ", ".join(repr(item) for item in self.found)


@dataclass(frozen=True, slots=True)
class Reasons:
    """Several problems as one line of a message, put into words when the message is shown."""

    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        return text("load.between").join(
            text("load.reason", what=item.what, rows=f"{item.rows:,}") + (f" [{item.examples}]" if item.found else "")
            for item in self.problems
        )


def problems_frame(problems: Sequence[Problem]) -> pd.DataFrame:
    """Problems as a table, in the language in use."""
    columns = {
        "table": [item.table for item in problems],
        "column": [item.column for item in problems],
        "rows": [item.rows for item in problems],
        "problem": [item.what for item in problems],
        "found": [item.examples for item in problems],
        "action": [text(f"action.{item.action}") for item in problems],
        "mend": [item.mend for item in problems],
    }
    frame = pd.DataFrame(columns)
    return frame.astype({name: "int64" if name == "rows" else "str" for name in columns})
