"""Tables on their way through the spoiling, each row with chances of its own, and the account of what was changed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crmkit import schema
from crmkit.simulator.exact import Floats, Ints, Words, scramble, uniform, words

_ACCOUNT = pa.schema([(column.name, pa.string()) for column in schema.TRUTH["defects"].columns])
_FULL = (1 << 64) - 1


class Export:
    """Tables that are being spoilt.

    Every change goes through `change`, `append` or `arrange`, and all that is changed is noted with its row's id and
    the person it is about. `settle` keeps the tables as they are then: what later steps go by is read from there, so
    that no step hangs on what another one spoilt.

    Attributes:
        tables: The tables as they are now.
        japanese: Whether the shop is a Japanese one.
    """

    def __init__(self, tables: Mapping[str, pa.Table], seed: int, *, japanese: bool) -> None:
        self.tables = dict(tables)
        self.japanese = japanese
        self._seed = seed
        self._settled = self.tables
        self._keys: dict[str, Words] = {}
        self._owners = {
            name: strings(table["customer_id"]) for name, table in tables.items() if "customer_id" in table.column_names
        }
        self._notes: list[pa.Table] = []

    def settle(self) -> None:
        """From here on, what is eligible is decided on the tables as they are now."""
        self._settled = dict(self.tables)

    def has(self, table: str, *columns: str) -> bool:
        """Whether the table and all of the columns are there."""
        return table in self.tables and set(columns) <= set(self.tables[table].column_names)

    def type(self, table: str, column: str) -> Any:
        """The Arrow type of a column's values."""
        kind = self.tables[table].schema.field(column).type
        return kind.value_type if pa.types.is_dictionary(kind) else kind

    def settled(self, table: str, column: str) -> pa.Array:
        """A column as it was when the tables were settled."""
        return _whole(decoded(self._settled[table][column]))

    def numbers(self, table: str, column: str) -> Floats:
        """A column of numbers as it was when the tables were settled; NaN where it is empty."""
        return np.asarray(self.settled(table, column).cast(pa.float64()).to_numpy(zero_copy_only=False))

    def instants(self, table: str, column: str) -> np.ndarray[Any, np.dtype[np.datetime64]]:
        """A column of instants or days as it was when the tables were settled; NaT where it is empty."""
        return np.asarray(self.settled(table, column).cast(pa.timestamp("us")).to_numpy(zero_copy_only=False))

    def cells(self, table: str, column: str, rows: Ints) -> pa.Array:
        """The values of some rows as they are now."""
        return _whole(decoded(self.tables[table][column]).take(pa.array(rows)))

    def chance(self, table: str, label: str, rows: Ints | None = None) -> Floats:
        """A number in [0, 1) for each row (or some), drawn by the row's id and by what is drawn."""
        if table not in self._keys:
            self._keys[table] = row_keys(self.tables[table], schema.TABLES[table].key, self._seed)
        keys = self._keys[table] if rows is None else self._keys[table][rows]
        return uniform(words(keys, _address(f"{table}.{label}")))

    def hit(self, table: str, label: str, share: float | np.ndarray[Any, Any]) -> Ints:
        """The rows that a share falls on; those of a smaller share are among those of a larger one."""
        if not np.any(share):
            return np.empty(0, dtype=np.int64)
        return np.flatnonzero(self.chance(table, label) < share)

    def change(self, table: str, column: str, kind: str, rows: Ints, spoilt: pa.Array) -> None:
        """Put other values into some rows of a column and note what was there; values that stay the same do not count.

        Args:
            rows: Row numbers, ascending.
            spoilt: One value for each of them.
        """
        before = self.cells(table, column, rows)
        spoilt = spoilt.cast(before.type)
        differs = ~_same(before, spoilt)
        rows, before, spoilt = rows[differs], before.filter(pa.array(differs)), spoilt.filter(pa.array(differs))
        if not len(rows):
            return
        old = self.tables[table]
        mask = np.zeros(old.num_rows, dtype=bool)
        mask[rows] = True
        new = pc.replace_with_mask(_whole(decoded(old[column])), pa.array(mask), spoilt)
        at, field = old.schema.get_field_index(column), old.schema.field(column)
        self.tables[table] = old.set_column(at, field, new.cast(field.type))
        self.note(table, column, kind, rows, before, spoilt)

    def append(self, table: str, more: pa.Table, owners: pa.Array) -> Ints:
        """Add rows at the end of a table; gives their row numbers."""
        size = self.tables[table].num_rows
        self.tables[table] = pa.concat_tables([self.tables[table], more]).unify_dictionaries()
        self._owners[table] = pa.concat_arrays([self._owners[table], owners])
        self._keys.pop(table, None)
        return np.arange(size, size + more.num_rows)

    def arrange(self, table: str, rows: Ints) -> None:
        """The table's rows in another order, or more than once."""
        self.tables[table] = self.tables[table].take(pa.array(rows))
        if table in self._owners:
            self._owners[table] = self._owners[table].take(pa.array(rows))
        self._keys.pop(table, None)

    def note(self, table: str, column: str, kind: str, rows: Ints, original: pa.Array, spoilt: pa.Array) -> None:
        """Enter into the account what was in some cells and what is there now."""
        count = len(rows)
        key = (self.cells(table, name, rows).cast(pa.string()) for name in schema.TABLES[table].key)
        owners = self._owners[table].take(pa.array(rows)) if table in self._owners else pa.nulls(count, pa.string())
        row_id = reduce(lambda one, two: pc.binary_join_element_wise(one, two, "/"), key)
        said = (pa.array([word] * count, pa.string()) for word in (table, column, kind))
        named, where, what = said
        values = (original.cast(pa.string()), spoilt.cast(pa.string()))
        self._notes.append(pa.Table.from_arrays([named, row_id, where, what, *values, owners], schema=_ACCOUNT))

    def account(self, people: pa.Table | None) -> pa.Table:
        """All that was noted, in the order in which it was done, with the persons that `people` names."""
        notes = pa.concat_tables([_ACCOUNT.empty_table(), *self._notes]).combine_chunks()
        if people is None:
            return notes
        at = pc.index_in(notes["person_id"], strings(people["customer_id"]))
        known = strings(people["person_id"]).take(_whole(at))
        return notes.set_column(6, _ACCOUNT.field(6), pc.coalesce(_whole(known), _whole(notes["person_id"])))


def decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without the dictionary it may be written with."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def strings(column: pa.ChunkedArray) -> pa.Array:
    """A column of text in one piece."""
    return _whole(decoded(column).cast(pa.string()))


def row_keys(table: pa.Table, key: tuple[str, ...], seed: int) -> Words:
    """A key of chance for each row, from the values of its key columns and the seed: the same wherever it stands."""
    drawn = np.zeros(table.num_rows, dtype=np.uint64)
    for name in key:
        drawn = scramble(drawn ^ text_words(strings(table[name])))
    return words(drawn, seed)


def text_words(texts: pa.Array) -> Words:
    """One word of 64 bits for each text, from its bytes and its length; empty texts and nulls share theirs.

    Eight bytes at a time are mixed in by SplitMix64's last step, least significant byte first on every machine.

    Examples:
        >>> one, two, other = text_words(pa.array(["C0000001", "C0000001", "C0000002"]))
        >>> bool(one == two), bool(one == other)
        (True, False)
    """
    size = len(texts)
    texts = pc.fill_null(texts, "")
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[texts.offset : texts.offset + size + 1].astype(np.int64)
    starts, lengths = ends[:-1], np.diff(ends)
    raw = np.frombuffer(data, dtype=np.uint8) if data is not None else np.empty(0, dtype=np.uint8)
    raw = np.concatenate([raw, np.zeros(8, dtype=np.uint8)])  # so that the last eight bytes can be read
    drawn = scramble(lengths.astype(np.uint64))
    for done in range(0, int(lengths.max(initial=0)), 8):
        rows = np.flatnonzero(lengths > done)
        left = np.minimum(lengths[rows] - done, 8)
        eight = raw[(starts[rows] + done)[:, None] + np.arange(8)]
        eight[np.arange(8) >= left[:, None]] = 0
        drawn[rows] = scramble(drawn[rows] ^ eight.view("<u8").ravel())
    return drawn


def _address(label: str) -> int:
    """A draw's address from its name (FNV-1a), so that a new kind of defect leaves the draws of the others alone."""
    found = 0xCBF29CE484222325
    for byte in label.encode():
        found = ((found ^ byte) * 0x100000001B3) & _FULL
    return found


def _same(one: pa.Array, two: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    equal = pc.or_(pc.fill_null(pc.equal(one, two), False), pc.and_(one.is_null(), two.is_null()))
    return np.asarray(equal)


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
