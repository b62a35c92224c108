"""Lines of orders, taken apart: a row for each order, and a row for each of its items. No line is lost between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmkit.datasets.groups import NOBODY, Groups, numbered
from crmkit.datasets.headings import Lines, Match, Proposal
from crmkit.datasets.line_items import WHOSE, below_another
from crmkit.datasets.lines import OF_LINE, Level, OrderLines
from crmkit.datasets.numerals import Mask
from crmkit.datasets.problems import Problem
from crmkit.datasets.source import Source
from crmkit.datasets.tables import LoadedTable, Work, as_pandas
from crmkit.datasets.values import CODE, Reading
from crmkit.errors import UnreadableFile
from crmkit.schema import TABLES, Column, Table

Again = Callable[[], dict[str, LoadedTable]]

_ORDERS, _ITEMS = TABLES["orders"], TABLES["order_items"]
_OF_ORDER = "order_discount_amount"  # on a line, where the line may have a discount of its own
_SIGNED = ("net_amount", "gross_amount", "quantity", "unit_price", OF_LINE)  # below zero: a return or a discount
_BY_ORDER = tuple(column for column in _ORDERS.columns if column.name not in ("order_id", "discount_amount"))
_LINE = Table(
    "order_items",
    _ITEMS.theme,
    _ITEMS.key,
    tuple(
        replace(column, low=None) if column.name in _SIGNED else column
        for column in (
            *_ITEMS.columns,
            *_BY_ORDER,
            Column(_OF_ORDER, "amount", unit="JPY", low=0),
            Column(OF_LINE, "amount", unit="JPY"),
        )
    ),
)
_AMOUNTS = ("net_amount", "gross_amount", "refund_amount", _OF_ORDER)


def load_lines(source: Source, proposal: Proposal, how: Reading, *, fill_down: bool = False) -> dict[str, LoadedTable]:
    """Turn a source with a line for each item into `orders` and `order_items`, and `products` where they tell of them.

    Args:
        source: What was read.
        proposal: Which column is which of either table.
        how: As for any table.
        fill_down: Lines without an order's number, customer and day belong to the order above.

    Raises:
        WrongType: a column cannot be read in more than half of the rows, or its dates can be read in two ways.
        EmptyTable: no line can be used.
    """
    assert proposal.lines is not None
    work = _Lines(source, _LINE, _places(proposal.matches, proposal.lines), how)
    work.by = {match.column: proposal.lines.usual.get(match.column, match.by) for match in proposal.matches}
    work.read()
    work.set_totals_aside()
    work.see_to_lines_below(fill_down=fill_down)
    work.set_faults_aside()
    work.make_one_of_each_order()
    work.set_copies_aside()
    work.add_up()
    work.number_lines()
    work.note_the_rest()
    return work.finished(proposal, {"orders": work.orders(), "order_items": work.items()})


def again(proposal: Proposal, how: Reading, loaded: Mapping[str, LoadedTable]) -> Again | None:
    """What loads the same source with the numbers of orders filled down, where lines stand below their order."""
    if not any(problem.kind == "line_below" for problem in loaded["order_items"].problems):
        return None
    return partial(_filled_down, proposal, how, loaded["order_items"].source.rows_read)


def _filled_down(proposal: Proposal, how: Reading, rows: int) -> dict[str, LoadedTable]:
    source = proposal.offer.read()
    if source.rows_read != rows:
        raise UnreadableFile("changed_since", file=source.name, rows=rows, now=source.rows_read)
    return load_lines(source, proposal, how, fill_down=True)


def _places(orders: tuple[Match, ...], lines: Lines) -> dict[str, int]:
    at = {match.column: match.at for match in lines.items}
    for match in orders:
        name = _OF_ORDER if match.column == "discount_amount" else match.column
        if not (name == _OF_ORDER and at.get("discount_amount") == match.at):  # one column: its rows will tell whose
            at[name] = match.at
    return at | ({OF_LINE: lines.amount} if lines.amount is not None else {})


@dataclass(slots=True)
class _Lines(OrderLines):
    """The lines in the making. `counted` are those that are no item, and yet belong to the amount of their order."""

    counted: Mask = field(default_factory=lambda: np.zeros(0, dtype=bool))
    above: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # orders of lines without a number
    level: dict[str, Level] = field(default_factory=dict)
    made: dict[str, np.ndarray] = field(default_factory=dict)  # amounts by order
    found: list[Problem] = field(default_factory=list)  # what there is to say of orders

    def _refuse_scraps(self, column: Column, faults: np.ndarray) -> None:
        """What the first line of an order says need not stand on the others."""
        Work._refuse_scraps(self, replace(column, required=column.name == "order_id"), faults)

    def _faults(self) -> Iterator[tuple[Column, str, Mask]]:
        """What is only empty may stand on another line of the order."""
        for column, fault, where in Work._faults(self):
            if not (column.required and fault == "empty" and column.name != "order_id"):
                yield column, fault, where

    # --- one number, one customer, one day

    def see_to_lines_below(self, *, fill_down: bool) -> None:
        """Lines whose order's number, customer and day stand on a line above: take them out, unless it was asked for.

        Nothing else is guessed from where a line stands, and this may be wrong, too: a line may have lost its number.
        """
        ids = self.values["order_id"]
        if not ids.faults.any():
            return
        below, owner = below_another({name: self._empty(name) for name in (*WHOSE, "product_id")}, self.live)
        # where a broken line stands between, it may have been the one with the number
        broken = np.searchsorted([it.line for it in self.source.misfits], self.source.lines)
        below &= broken == broken[owner]
        if not below.any():
            return
        if not fill_down:
            self.above = owner[below]
            self.set_aside("line_below", "order_id", below)
            return
        rows = np.where(below, owner, np.arange(len(owner)))
        ids.values = ids.values.take(pa.array(rows))
        ids.faults = ids.faults[rows]
        self.note("filled_down", "order_id", below, "changed")

    def _empty(self, name: str) -> Mask:
        return np.asarray(self.values[name].faults == CODE["empty"])

    def make_one_of_each_order(self) -> None:
        """Give every line the customer of its order; take out those that name another customer or day."""
        self.groups = Groups(numbered(self.values["order_id"].values))
        people = numbered(self.values["customer_id"].values)
        self._set_strays_aside("customer_id", people, people != NOBODY, "other_customer", "no_customer")
        at = self.values["ordered_at"].values
        self._set_strays_aside("ordered_at", at.astype("datetime64[D]"), ~np.isnat(at), "other_day", "empty")
        later = self.groups.other(at, self.live & ~np.isnat(at))
        self._say("other_times", "ordered_at", later)
        for name in ("status", "is_test"):
            if name in self.values:
                numbers = numbered(pc.cast(self.values[name].values, pa.string()))
                self._say("other_words", name, self.groups.other(numbers, self.live & (numbers != NOBODY)))

    def _set_strays_aside(self, column: str, said: np.ndarray, full: Mask, kind: str, nothing: str) -> None:
        self.set_aside(kind, column, self.groups.other(said, self.live & full))
        known = self.groups.sizes(self.live & full) > 0
        if not known.all():
            self.set_aside(nothing, column, ~known[self.groups.of])

    def _say(self, kind: str, column: str, where: Mask, **values: object) -> None:
        """Something of some orders: counted by order."""
        if where.any():
            self._say_of(kind, column, np.unique(self.groups.of[where]), where, **values)

    def _say_of(self, kind: str, column: str, orders: np.ndarray, where: Mask | None = None, **values: object) -> None:
        if len(orders):
            shown = self.examples(column, where) if where is not None and column in self.at else ()
            told = "discount_amount" if column == _OF_ORDER else column
            made = replace(self._problem(kind, column, len(orders), shown, "kept", values), table="orders")
            self.found.append(replace(made, column=told))

    # --- amounts

    def add_up(self) -> None:
        """The amounts of the orders: what is repeated on their lines, or what the lines add up to."""
        if "discount_amount" in self.by and _OF_ORDER not in self.values and self._level("discount_amount") == "order":
            self.values[_OF_ORDER], self.at[_OF_ORDER] = self.values["discount_amount"], self.at["discount_amount"]
            self.forget("discount_amount")
            self.level[_OF_ORDER] = "order"
        for name in _AMOUNTS:
            if name in self.values and name not in self.level:
                self.level[name] = self._level(name)
        line = self._line_amounts()
        below = self._below_zero(line)
        no_product = self.live & np.asarray(pc.is_null(self.values["product_id"].values))
        counted = self.live.copy()
        self._sum_by_order(line, counted)
        negative = np.nan_to_num(self.made.get("net_amount", np.zeros(self.groups.count))) < 0
        if negative.any():
            self.set_aside("negative_order", "net_amount", negative[self.groups.of])
        counted &= ~negative[self.groups.of]
        self.set_aside("line_below_zero", self._signed(), below)
        self.set_aside("line_without_product", "product_id", no_product)
        self.counted = counted
        self.price(line, self._signed())
        self._say_what_is_missing(line, counted)

    def _level(self, name: str) -> Level:
        """Whether an amount is that of the order; orders whose lines repeat different ones are said."""
        if self.by.get("discount_amount" if name == _OF_ORDER else name) == "export":
            return "order"
        level = self.level_of(name)
        if level == "order":
            values = self.values[name].values
            self._say("other_totals", name, self.groups.other(values, self.live & ~np.isnan(values)))
        return level

    def _line_amounts(self) -> np.ndarray | None:
        """What each line comes to, as far as the file says it."""
        if self.level.get("net_amount") == "line":
            return np.asarray(self.values["net_amount"].values)
        if OF_LINE in self.values:
            return np.asarray(self.values[OF_LINE].values)
        if self.level.get("gross_amount") == "line":
            return np.asarray(self.values["gross_amount"].values - self.discounts())
        product = self.quantity_by_price()
        return None if product is None else product - self.discounts()

    def _signed(self) -> str:
        """The column that says that a line is below zero."""
        at = "net_amount" if self.level.get("net_amount") == "line" else OF_LINE
        return at if at in self.at else "quantity" if "quantity" in self.at else "product_id"

    def _below_zero(self, line: np.ndarray | None) -> Mask:
        below = np.zeros(len(self.reason), dtype=bool) if line is None else np.asarray(np.nan_to_num(line) < 0)
        for name in ("quantity", "unit_price"):
            if name in self.values:
                below |= np.nan_to_num(self.values[name].values) < 0
        return below

    def _sum_by_order(self, line: np.ndarray | None, live: Mask) -> None:
        for name in _AMOUNTS:
            if name in self.values:
                self.made[name] = self._of_orders(name, live)
        if "discount_amount" in self.values and _OF_ORDER not in self.values:
            self.made[_OF_ORDER] = self._sum("discount_amount", self.values["discount_amount"].values, live)
        if "net_amount" not in self.made:
            self._net_from_the_rest(line, live)

    def _of_orders(self, name: str, live: Mask) -> np.ndarray:
        values = self.values[name].values
        if self.level[name] == "line":
            return self._sum(name, values, live)
        first = self.groups.first(live & ~np.isnan(values))
        self.tell("orders", "total", name)
        return np.where(first == NOBODY, np.nan, values[first])

    def _sum(self, name: str, values: np.ndarray, live: Mask) -> np.ndarray:
        self.tell("orders", "sum", name)
        return self.groups.sums(values, live & ~np.isnan(values))

    def _net_from_the_rest(self, line: np.ndarray | None, live: Mask) -> None:
        if {"gross_amount", _OF_ORDER} <= set(self.made):
            self.made["net_amount"] = self.made["gross_amount"] - np.nan_to_num(self.made[_OF_ORDER])
            self.tell("orders", "net", "net_amount")
        elif line is not None:
            self.made["net_amount"] = self.groups.sums(line, live & ~np.isnan(line))
            own = self.source.headers[self.at[OF_LINE]] if OF_LINE in self.at else None
            self.tell("orders", "sum" if own else "product", OF_LINE if own else "quantity", column="net_amount")

    def _say_what_is_missing(self, line: np.ndarray | None, counted: Mask) -> None:
        """Orders whose sum lacks a line that could not be used, or a line that has no amount."""
        if line is None or self.level.get("net_amount") == "order":
            return
        lost = ~counted & (self.groups.of != NOBODY) & ~self._is_copy()
        lost |= counted & np.isnan(line)
        kept = self.groups.sizes(counted) > 0
        lost[self.above] = True
        short = np.unique(self.groups.of[lost & (self.groups.of != NOBODY)])
        self._say_of("order_lacks_a_line", "net_amount", short[kept[short]])

    def _is_copy(self) -> Mask:
        """Lines that were set aside as copies: the order is whole without them."""
        copies = [number for number, it in enumerate(self.problems, 1) if it.kind in ("line_again", "same_again")]
        return np.isin(self.reason, copies)

    # --- the tables

    def note_the_rest(self) -> None:
        """Count what was emptied or changed: of items by line, of orders by order."""
        of_order = {column.name for column in _BY_ORDER} | {_OF_ORDER}
        for column, fault, where in self._faults():
            if fault != "empty" and column.name not in of_order:
                self.note(self._kind(column, fault), column.name, where, "emptied")
            elif fault != "empty":
                self._note_of_orders(self._kind(column, fault), column.name, where, "emptied")
        for name, values in self.values.items():
            for note, where in values.notes.items():
                add = self._note_of_orders if name in of_order or name == "order_id" else self.note
                add(note, name, where, "changed", zone=self.how.zone)
        if "net_amount" in self.made:
            lacking = np.isnan(self.made["net_amount"]) & (self.groups.sizes(self.counted) > 0)
            self._say_of("no_amount", "net_amount", np.flatnonzero(lacking))

    def _note_of_orders(self, kind: str, column: str, where: Mask, action: Any, **values: object) -> None:
        before = len(self.found)
        self._say(kind, column, where & self.counted, **values)
        self.found[before:] = [replace(problem, action=action) for problem in self.found[before:]]

    def orders(self) -> LoadedTable:
        """A row for each order, in the order of their first lines."""
        kept = np.flatnonzero(self.groups.sizes(self.counted) > 0)
        first = self.groups.first(self.counted)[kept]
        by_line = np.argsort(first, kind="stable")
        kept, first = kept[by_line], first[by_line]
        made: dict[str, pd.Series[Any]] = {"order_id": self._taken("order_id", first)}
        for column in _ORDERS.columns[1:]:
            name = _OF_ORDER if column.name == "discount_amount" else column.name
            if name in self.made:
                made[column.name] = pd.Series(self.made[name][kept])
            elif name in self.values:
                made[column.name] = self._taken(name, self.groups.first(self.counted & self._full(name))[kept])
        used = {name: self.source.headers[self.at[at]] for name, at in self._names(made)}
        lines = self.source.lines[first]
        source = Source(self.source.name, self.source.headers, (), lines, parts=self.source.parts)
        orders = LoadedTable(_ORDERS, source, used, frame=pd.DataFrame(made, copy=False), problems=self.found)
        orders.aside = pd.DataFrame({"line": np.zeros(0, dtype=np.int64)} | {name: [] for name in used.values()})
        rows: dict[str, object] = {"lines": f"{self.source.rows_read:,}", "orders": f"{len(kept):,}"}
        orders.told = [("orders", rows), *self.said.get("orders", [])]
        return orders

    def _names(self, made: dict[str, Any]) -> Iterator[tuple[str, str]]:
        for name in made:
            places = (_OF_ORDER, "discount_amount") if name == "discount_amount" else (name,)
            places = (*places, OF_LINE) if name == "net_amount" else places
            at = next((place for place in places if place in self.at), None)
            if at is not None:
                yield name, at

    def _full(self, name: str) -> Mask:
        values = self.values[name]
        empty = np.asarray(pc.is_null(values.values)) if not isinstance(values.values, np.ndarray) else False
        return np.asarray((values.faults == 0) & ~np.asarray(empty))

    def _taken(self, name: str, rows: np.ndarray) -> pd.Series[Any]:
        values, column, nothing = self.values[name].values, _ORDERS[name], rows == NOBODY
        return as_pandas(values, column, np.where(nothing, 0, rows), nothing if nothing.any() else None)

    def tell(self, table: str, key: str, name: str, **more: object) -> None:
        """Keep for the account how something was made; people know the order's discount by its usual name."""
        named: dict[str, object] = {"column": "discount_amount"} if name == _OF_ORDER else {}
        OrderLines.tell(self, table, key, name, **(named | more))
