"""A lived block made ready for tables: customers in the order of their numbers, events by customer and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from crmkit import schema
from crmkit.datasets.engines import ARROW
from crmkit.simulator.calendar import DAY, HOUR
from crmkit.simulator.crowd import Column, Crowd
from crmkit.simulator.engine import Life
from crmkit.simulator.exact import Floats, Ints, Words, draws, words
from crmkit.simulator.log import Arrays, sequence
from crmkit.simulator.shop import Shop

EVENTS = 1 << 44  # addresses above this one are of events, below of the engine
_FOUR_DIGITS = np.frombuffer(b"".join(b"%04d" % n for n in range(10_000)), dtype="<u4")


@dataclass(frozen=True)
class Scene:
    """What the emitters look at. A customer is named by `place`, the row in the block's customers table.

    `events(name)` gives a log of the engine with `who` as places, customer by customer and in the order of time.
    """

    life: Life

    @property
    def shop(self) -> Shop:
        """The shop that was lived in."""
        return self.life.shop

    @cached_property
    def _order(self) -> Ints:
        return np.argsort(self.life.crowd.number, kind="stable")

    @cached_property
    def place_of(self) -> Ints:
        """The place of each customer by their number in the engine's crowd, which is in the order of birth."""
        place = np.empty(len(self._order), dtype=np.int64)
        place[self._order] = np.arange(len(self._order))
        return place

    @cached_property
    def crowd(self) -> Crowd:
        """The customers by number; `parent` is a place here, too."""
        crowd = self.life.crowd
        sorted_ = {one.name: getattr(crowd, one.name)[self._order] for one in fields(Crowd)}
        sorted_["parent"] = np.where(sorted_["parent"] >= 0, self.place_of[sorted_["parent"]], -1)
        return Crowd(**sorted_)

    @cached_property
    def customer_ids(self) -> pa.Array:
        """One id for each place."""
        return digits("C", self.crowd.number, 9)

    def ids(self, place: Ints) -> pa.Array:
        """Customer ids of places; null where the place is negative."""
        return self.customer_ids.take(pa.array(place, mask=place < 0))

    def events(self, name: str) -> Arrays:
        """A log by customer; within a customer as it was written, which is by week. Empty: no columns."""
        found = self.life.log.table(name)
        if not found:
            return {}
        place = self.place_of[found["who"]]
        # sorting 16-bit numbers takes a tenth of the time; a block has fewer customers than that
        order = np.argsort(place.astype(np.uint16) if len(self.place_of) < 1 << 16 else place, kind="stable")
        return {column: place[order] if column == "who" else values[order] for column, values in found.items()}

    @cached_property
    def orders(self) -> Arrays:
        """The orders by customer and time, with `seq` = 1, 2, … within each customer."""
        found = self.events("orders")
        if found:
            found["seq"] = sequence(found["who"])
        return found

    @cached_property
    def order_row(self) -> Ints:
        """Where an order of the engine's log (by its number there) stands in `orders`."""
        who = self.life.log.table("orders").get("who", np.zeros(0, dtype=np.int64))
        order = np.argsort(self.place_of[who], kind="stable")
        row = np.empty(len(order), dtype=np.int64)
        row[order] = np.arange(len(order))
        return row

    @cached_property
    def order_ids(self) -> pa.Array:
        """One id for each row of `orders`."""
        found = self.orders
        if not found:
            return pa.array([], pa.string())
        return self.numbered("O", found["who"], found["seq"])

    def numbered(self, prefix: str, place: Ints, seq: Ints) -> pa.Array:
        """Ids from the customer's number and a number within the customer, with room for the most that can be."""
        width = max(len(str((self.shop.scenario.buying.most_per_week + 1) * self.shop.weeks)), 3)
        return digits(prefix, self.crowd.number[place] * 10**width + seq, 9 + width)

    def order_ids_of(self, log_numbers: Ints) -> pa.Array:
        """Order ids by the numbers the log knows them by; null where negative."""
        row = (
            self.order_row[np.maximum(log_numbers, 0)] if len(self.order_row) else np.zeros(len(log_numbers), np.int64)
        )
        return self.order_ids.take(pa.array(row, mask=log_numbers < 0))

    def event_keys(self, place: Ints, address: int | Ints) -> Words:
        """A key of its own for each event: everything that is told of it is drawn from there."""
        at = np.asarray(address) + EVENTS
        return words(self.crowd.key[place], np.broadcast_to(at, place.shape).astype(np.int64))

    def draws(self, keys: Words, stream: int, count: int) -> Floats:
        """`3 * count` uniform numbers as rows; streams of different tables lie 64 apart."""
        return draws(keys, stream * 64, count)

    def instants(self, seconds: Ints, *, missing: Column | None = None) -> pa.Array:
        """Seconds since the start as instants; null where `missing` says so."""
        start = np.datetime64(self.shop.clock.start, "us")
        return pa.array(start + (seconds * 1_000_000).astype("timedelta64[us]"), pa.timestamp("us"), mask=missing)


def waking(at: Ints) -> Ints:
    """Instants moved out of the night, later within their day; what came first still comes first."""
    inside = at % DAY
    return at - inside + 13 * HOUR // 2 + inside * 35 // 48


def digits(prefix: str, numbers: Ints, width: int) -> pa.Array:
    """Ids such as C000000100: a prefix and a number with leading zeros, written four digits at a time."""
    head = np.frombuffer(prefix.encode("ascii"), dtype=np.uint8)
    left, n, fours = numbers.astype(np.int64), len(numbers), -(-width // 4)
    if n and int(left.max()) >= 10**width:
        raise OverflowError(f"{prefix}: more than {width} digits")
    written = np.empty((n, fours), dtype=_FOUR_DIGITS.dtype)
    for place in range(fours - 1, 0, -1):
        rest = left // 10_000
        written[:, place] = _FOUR_DIGITS[left - rest * 10_000]
        left = rest
    written[:, 0] = _FOUR_DIGITS[left]
    size = len(head) + width
    table = np.empty((n, size), dtype=np.uint8)
    table[:, : len(head)] = head
    table[:, len(head) :] = written.view(np.uint8)[:, fours * 4 - width :]
    offsets = np.arange(0, (n + 1) * size, size, dtype=np.int32)
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(table))


def category(codes: Column, names: Sequence[str]) -> pa.DictionaryArray:
    """Words by their codes; null where the code is negative."""
    codes = codes.astype(np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(list(names), pa.string()))


def constant(value: str | None, n: int) -> pa.Array:
    """The same word, or nothing, in every row."""
    return category(np.full(n, -1 if value is None else 0), [value or ""])


def optional(values: Column, missing: Column, kind: pa.DataType | None = None) -> pa.Array:
    """Numbers, null where `missing` says so."""
    return pa.array(values, kind, mask=missing)


def table(name: str, columns: dict[str, Any], *, truth: bool = False) -> pa.Table:
    """A table of the model: every column in the model's order and type; one that is not given is null throughout."""
    model = (schema.TRUTH if truth else schema.TABLES)[name]
    rows = len(next(iter(columns.values())))
    unknown = set(columns) - {column.name for column in model.columns}
    if unknown:
        raise KeyError(f"{name}: {sorted(unknown)}")
    arrays, kinds = [], []
    for column in model.columns:
        kind = ARROW[column.kind]
        values = columns.get(column.name)
        if values is None:
            values = constant(None, rows) if kind == pa.string() else pa.nulls(rows, kind)
        elif isinstance(values, np.ndarray):
            values = pa.array(values)
        if not pa.types.is_dictionary(values.type) and values.type != kind:
            values = values.cast(kind)
        arrays.append(values)
        kinds.append(pa.field(column.name, values.type))
    return pa.Table.from_arrays(arrays, schema=pa.schema(kinds))


def plain(found: pa.Table) -> pa.Table:
    """The table with its words written out: dictionaries of two tables need not be the same."""
    texts = [
        column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column for column in found.itercolumns()
    ]
    return pa.table(texts, names=found.column_names)
