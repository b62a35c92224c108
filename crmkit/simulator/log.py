"""What happened, column by column, as it happens."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from crmkit.simulator.crowd import Column
from crmkit.simulator.exact import Ints

Arrays = dict[str, Column]


class Log:
    """What happened, column by column."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[str, list[Column]]] = defaultdict(lambda: defaultdict(list))
        self.rows: dict[str, int] = defaultdict(int)

    def add(self, table: str, who: Ints, **columns: Column | int | float) -> None:
        """Add one event for each of `who`."""
        if len(who):
            parts = self._parts[table]
            parts["who"].append(who)
            for name, values in columns.items():
                parts[name].append(values if isinstance(values, np.ndarray) else np.full(len(who), values))
            self.rows[table] += len(who)

    def table(self, name: str) -> Arrays:
        """All events of a kind; no columns if there was none."""
        return {column: np.concatenate(parts) for column, parts in self._parts[name].items()}


def sequence(groups: Ints) -> Ints:
    """1, 2, 3, … within runs of equal numbers."""
    n = len(groups)
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    begins = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
    return np.arange(n) - np.repeat(begins, np.diff(np.append(begins, n))) + 1
