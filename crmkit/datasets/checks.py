"""What one value alone does not show: rows that contradict others, and columns too even to be true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmkit.datasets.problems import Problem
from crmkit.datasets.tables import LoadedTable
from crmkit.schema import ORDER

_ENOUGH = 20  # rows from which on evenness means something
_MOST = 0.9  # a share of rows with one and the same value that no shop has
_FEW, _ALIKE = 1000, 0.8
_MAY_BE_NOTHING = ("discount_amount", "refund_amount")  # rightly so on most rows

Loaded = Mapping[str, LoadedTable]


def checked(loaded: Loaded) -> Iterator[Problem]:
    """Everything that is odd across columns, rows and tables; the rows stay, since each may be right."""
    for name, item in loaded.items():
        yield from _orphans(name, item, loaded)
        yield from _backwards(name, item)
        yield from _copies(name, item)
        yield from _too_even(name, item)


def orphans(item: LoadedTable, loaded: Loaded) -> Iterator[tuple[str, str, pd.Series[Any], pd.Series[bool]]]:
    """Each column with rows that point nowhere: its name, the other table and its keys, and which rows these are."""
    for column in item.model.columns:
        target, _, key = (column.references or "").partition(".")
        if column.name in item.frame and target in loaded:
            keys = loaded[target].frame[key]
            lost = item.frame[column.name].notna() & ~_are_among(item.frame[column.name], keys)
            if lost.any():
                yield column.name, target, keys, lost


def in_other_writing(ids: pd.Series[Any], keys: pd.Series[Any]) -> dict[str, str]:
    """Ids that only their writing keeps from meeting a key: leading zeros, width, case or blanks. Clear cases only."""
    plain = keys.dropna().drop_duplicates()
    meant = pd.Series(plain.to_numpy(), index=_plain(plain))
    meant = meant[~meant.index.duplicated(keep=False)]
    lost = ids.dropna().drop_duplicates()
    lost = lost[~lost.isin(keys)]
    found = meant.reindex(pd.Index(_plain(lost)))
    return {own: key for own, key in zip(lost, found, strict=True) if isinstance(key, str)}


def backwards(frame: pd.DataFrame, first: str, then: str) -> pd.Series[bool]:
    """Rows where what comes later was earlier."""
    return (frame[then] < frame[first]).fillna(False).astype(bool)


def copies(item: LoadedTable) -> pd.Series[bool]:
    """Rows like an earlier one in every column, in a table whose rows have no id of their own."""
    if "key_from_line" not in item.derived:
        return pd.Series(False, index=item.frame.index)
    return item.frame.drop(columns=list(item.model.key)).duplicated()


def _are_among(ids: pd.Series[Any], keys: pd.Series[Any]) -> pd.Series[bool]:
    """`ids.isin(keys)`, in a tenth of the time: pandas makes an object of each key."""
    given, known = (pa.array(one, from_pandas=True).cast(pa.large_string()) for one in (ids, keys))
    return pd.Series(np.asarray(pc.is_in(given, value_set=known)), index=ids.index)


def _plain(ids: pd.Series[Any]) -> np.ndarray[Any, Any]:
    tidy = ids.astype("str").str.normalize("NFKC").str.casefold().str.replace(r"\s+", "", regex=True)
    return np.asarray(tidy.str.replace(r"^0+(?=.)", "", regex=True))


def _orphans(name: str, item: LoadedTable, loaded: Loaded) -> Iterator[Problem]:
    for column, target, keys, where in orphans(item, loaded):
        lost = item.frame.loc[where, column]
        other = in_other_writing(lost, keys)
        facts = {"target": target, "file": loaded[target].source.name, "rewritable": len(other)}
        kind = "orphan_by_writing" if other else "orphan"
        yield _problem(kind, item, name, column, len(lost), tuple(lost.unique()[:3]), facts)


def _backwards(name: str, item: LoadedTable) -> Iterator[Problem]:
    for first, then in ORDER.get(name, ()):
        if {first, then} <= set(item.frame.columns):
            rows = int(backwards(item.frame, first, then).sum())
            if rows:
                facts = {"first": item.used.get(first, first)}
                yield _problem("backwards", item, name, then, rows, (), facts)


def _copies(name: str, item: LoadedTable) -> Iterator[Problem]:
    rows = int(copies(item).sum())
    if rows:
        yield _problem("copies", item, name, item.model.key[0], rows, (), {})


def _too_even(name: str, item: LoadedTable) -> Iterator[Problem]:
    """One amount or one instant almost everywhere: a default that somebody's program put in."""
    for column in item.model.columns:
        if column.name not in item.frame or column.kind not in ("amount", "instant"):
            continue
        values = item.frame[column.name]
        if column.name in _MAY_BE_NOTHING:
            values = values[values != 0]
        if len(values) < _ENOUGH or not _looks_even(values):
            continue
        values = values.dropna()
        often = values.value_counts().iloc[:1]
        if len(values) >= _ENOUGH and often.iloc[0] >= _MOST * len(values):
            found = (str(often.index[0]),)
            yield _problem("too_even", item, name, column.name, int(often.iloc[0]), found, {"of": f"{len(values):,}"})


def _looks_even(values: pd.Series[Any]) -> bool:
    """Whether a few rows from all over the column are nearly all alike: to count millions takes longer than to read."""
    few = values.iloc[:: max(1, len(values) // _FEW)].dropna()
    return not len(few) or bool(few.value_counts().iloc[0] >= _ALIKE * len(few))


def _problem(
    kind: str,
    item: LoadedTable,
    table: str,
    column: str,
    rows: int,
    found: tuple[str, ...],
    facts: Mapping[str, object],
) -> Problem:
    shown = () if item.model[column].personal else found
    own = item.used.get(column, column)
    return Problem(kind, table, column, rows, shown, "kept", {"own": own, "file": item.source.name, **facts})
