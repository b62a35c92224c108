"""Lines of orders, taken apart: a row for each order, and a row for each of its items. No line is lost between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmkit.datasets.groups import NOBODY, Groups, numbered
from crmkit.datasets.headings import Lines, Match, Proposal, words_of
from crmkit.datasets.numerals import Mask
from crmkit.datasets.problems import Problem
from crmkit.datasets.source import Source
from crmkit.datasets.tables import LoadedTable, Work, as_pandas
from crmkit.datasets.values import CODE, Reading, Values
from crmkit.schema import TABLES, Column, Table

_ORDERS, _ITEMS = TABLES["orders"], TABLES["order_items"]
_OF_ORDER, _OF_LINE = "order_discount_amount", "line_amount"  # amounts that the model has no other name for
_SIGNED = (
    "net_amount",
    "gross_amount",
    "quantity",
    "unit_price",
    _OF_LINE,
)  # a line of a return or a discount is below zero
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
            Column(_OF_LINE, "amount", unit="JPY"),
        )
    ),
)
_AMOUNTS = ("net_amount", "gross_amount", "refund_amount", _OF_ORDER)
_SAME = 0.95  # so many orders repeat one amount: it is theirs, and the rest are slips
_NEAR = 0.12  # what tax makes of quantity x price
_FITTING = 0.75  # of two lines with one total, at most one can be near to it
_FEW = 3  # orders that are too few to tell by, where the header says little

Level = Literal["order", "line"]


def load_lines(source: Source, proposal: Proposal, how: Reading) -> tuple[LoadedTable, LoadedTable]:
    """Turn a source with a line for each item into the tables `orders` and `order_items`.

    Args:
        source: What was read.
        proposal: Which column is which of either table.
        how: As for any table.

    Raises:
        WrongType: a column cannot be read in more than half of the rows, or its dates can be read in two ways.
        EmptyTable: no line can be used.
    """
    assert proposal.lines is not None
    work = _Lines(source, _LINE, _places(proposal.matches, proposal.lines), how)
    work.by = {match.column: match.by for match in proposal.matches}
    work.read()
    work.set_totals_aside()
    work.set_faults_aside()
    work.make_one_of_each_order()
    work.set_copies_aside()
    work.add_up()
    work.number_lines()
    work.note_the_rest()
    orders = work.orders()
    items = work.items()
    for table, matches in ((orders, proposal.matches), (items, proposal.lines.items)):
        table.by = {match.column: match.by for match in matches if match.column in table.used}
    orders.beside, items.beside = frozenset(items.used.values()), frozenset(orders.used.values())
    return orders, items


def _places(orders: tuple[Match, ...], lines: Lines) -> dict[str, int]:
    at = {match.column: match.at for match in lines.items}
    for match in orders:
        name = _OF_ORDER if match.column == "discount_amount" else match.column
        if not (name == _OF_ORDER and at.get("discount_amount") == match.at):  # one column: its rows will tell whose
            at[name] = match.at
    return at | ({_OF_LINE: lines.amount} if lines.amount is not None else {})


@dataclass(slots=True)
class _Lines(Work):
    """The lines in the making. `counted` are those that are no item, and yet belong to the amount of their order."""

    by: dict[str, str] = field(default_factory=dict)
    groups: Groups = field(default_factory=lambda: Groups(np.zeros(0, dtype=np.int32)))
    counted: Mask = field(default_factory=lambda: np.zeros(0, dtype=bool))
    level: dict[str, Level] = field(default_factory=dict)
    made: dict[str, np.ndarray] = field(default_factory=dict)  # amounts by order
    found: list[Problem] = field(default_factory=list)  # what there is to say of orders
    said: dict[str, list[tuple[str, dict[str, object]]]] = field(default_factory=dict)

    def _refuse_scraps(self, column: Column, faults: np.ndarray) -> None:
        """What the first line of an order says need not stand on the others."""
        Work._refuse_scraps(self, replace(column, required=column.name == "order_id"), faults)

    def words(self, column: str) -> Mapping[str, str]:
        """Other systems' words for those of a column, of whichever table it is."""
        return words_of("order_items" if column in _ITEMS else "orders", column)

    def set_faults_aside(self) -> None:
        """Take out lines that cannot be used; what is only empty may stand on another line of the order."""
        numbers = self.values.get("line_no")
        if numbers is not None and numbers.faults.any():
            self._forget("line_no")
        Work.set_faults_aside(self)

    def _faults(self) -> Iterator[tuple[Column, str, Mask]]:
        for column, fault, where in Work._faults(self):
            if not (column.required and fault == "empty" and column.name != "order_id"):
                yield column, fault, where

    def _forget(self, name: str) -> None:
        del self.values[name], self.at[name]

    # --- one customer, one day

    @property
    def live(self) -> Mask:
        """The lines that are still in."""
        return np.asarray(self.reason == 0)

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

    # --- the same line twice

    def set_copies_aside(self) -> None:
        """Take out orders that stand in the file twice, and a line's number that comes again; keep what was bought
        twice.

        A till writes a line for each time that a product is scanned: equal lines next to each other are two items. An
        order all of whose lines come again elsewhere in the file was exported twice.
        """
        if "line_no" in self.values:
            self._set_numbers_aside()
            return
        rows = self._alike()
        if not len(rows):
            return
        whole = self._original(rows)
        same = whole.groupby(list(whole.columns), sort=False, dropna=False).ngroup().to_numpy()
        alike = Groups(same.astype(np.int32))
        everywhere = np.ones(len(rows), dtype=bool)
        goes_on = (same[1:] == same[:-1]) & (rows[1:] == rows[:-1] + 1)
        runs = np.cumsum(np.concatenate([[False], ~goes_on]))
        again = alike.ranks(everywhere) > 1
        elsewhere = again & (runs != runs[alike.first(everywhere)[alike.of]])
        far = np.zeros(len(self.reason), dtype=bool)
        far[rows[elsewhere]] = True
        copies, lines = self.groups.sizes(far), self.groups.sizes(self.live)
        twice = (copies > 0) & (copies % np.maximum(lines - copies, 1) == 0)
        far &= twice[self.groups.of]
        self.set_aside("line_again", "order_id", far)
        equal = np.zeros(len(self.reason), dtype=bool)
        equal[rows[again]] = True
        self.note("equal_lines", "product_id", equal & ~far, "kept")

    def _alike(self) -> np.ndarray:
        """Lines of which there may be an equal one: those with the same product in the same order."""
        products = numbered(self.values["product_id"].values)
        rows = np.flatnonzero(self.live)
        pairs = self.groups.of[rows].astype(np.int64) * (int(products.max(initial=0)) + 2) + products[rows] + 1
        ordered = np.sort(pairs)
        again = ordered[1:][ordered[1:] == ordered[:-1]]
        return rows[np.isin(pairs, again)] if len(again) else rows[:0]

    def _set_numbers_aside(self) -> None:
        """Where lines have numbers of their own, these tell copies from items."""
        live = np.flatnonzero(self.live)
        numbers = pd.DataFrame({"order": self.groups.of[live], "line": self.values["line_no"].values[live]}, index=live)
        shared = numbers.duplicated(keep=False)
        if not shared.any():
            return
        rows = live[shared.to_numpy()]
        copies, others = (np.zeros(len(self.reason), dtype=bool) for _ in range(2))
        copies[rows[self._original(rows).duplicated().to_numpy()]] = True
        others[live[numbers.duplicated().to_numpy()]] = True
        own = " + ".join(self.source.headers[self.at[name]] for name in ("order_id", "line_no"))
        self.set_aside("same_again", "order_id", copies, own=own)
        self.set_aside("number_again", "order_id", others, own=own)

    # --- amounts

    def add_up(self) -> None:
        """The amounts of the orders: what is repeated on their lines, or what the lines add up to."""
        if "discount_amount" in self.by and _OF_ORDER not in self.values and self._levels("discount_amount") == "order":
            self.values[_OF_ORDER], self.at[_OF_ORDER] = self.values["discount_amount"], self.at["discount_amount"]
            self._forget("discount_amount")
            self.level[_OF_ORDER] = "order"
        for name in _AMOUNTS:
            if name in self.values and name not in self.level:
                self.level[name] = self._levels(name)
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
        self._price(line)
        self._say_what_is_missing(line, counted)

    def _levels(self, name: str) -> Level:
        """Whether an amount is that of the order, repeated on its lines, or that of each line."""
        if self.by.get("discount_amount" if name == _OF_ORDER else name) == "export":
            return "order"
        values = self.values[name].values
        full = self.live & ~np.isnan(values)
        filled = self.groups.sizes(full)
        told = (self.groups.sizes(self.live) > 1) & (filled > 0)
        if told.any() and (filled[told] == 1).all():  # on the first line only
            return "order"
        told &= (filled > 1) & (self.groups.sizes(full & (values != 0)) > 0)
        other = self.groups.other(values, full)
        same = told & (self.groups.sizes(other) == 0)
        too_few = self.by.get(name) == "vague" and told.sum() < _FEW
        if too_few or not told.any() or same.sum() < _SAME * told.sum():
            return "line"
        if name in ("net_amount", "gross_amount") and self._fits(values, told[self.groups.of] & full):
            return "line"
        self._say("other_totals", name, other)
        return "order"

    def _fits(self, values: np.ndarray, where: Mask) -> bool:
        """Whether amounts are near to quantity x price: then each is that of its line."""
        product = self._quantity_by_price()
        if product is None:
            return False
        where = where & ~np.isnan(product)
        near = np.abs(values[where] - product[where]) <= _NEAR * np.abs(values[where]) + 0.5
        return bool(where.any() and near.mean() >= _FITTING)

    def _quantity_by_price(self) -> np.ndarray | None:
        if not {"quantity", "unit_price"} <= set(self.values):
            return None
        price = np.where(self.values["unit_price"].faults == 0, self.values["unit_price"].values, np.nan)
        return np.asarray(self.values["quantity"].values * price)

    def _line_amounts(self) -> np.ndarray | None:
        """What each line comes to, as far as the file says it."""
        if self.level.get("net_amount") == "line":
            return np.asarray(self.values["net_amount"].values)
        if _OF_LINE in self.values:
            return np.asarray(self.values[_OF_LINE].values)
        if self.level.get("gross_amount") == "line":
            return np.asarray(self.values["gross_amount"].values - self._discounts())
        product = self._quantity_by_price()
        return None if product is None else product - self._discounts()

    def _discounts(self) -> Any:
        return np.nan_to_num(self.values["discount_amount"].values) if "discount_amount" in self.values else 0.0

    def _signed(self) -> str:
        """The column that says that a line is below zero."""
        at = "net_amount" if self.level.get("net_amount") == "line" else _OF_LINE
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
        self._tell("orders", "total", name)
        return np.where(first == NOBODY, np.nan, values[first])

    def _sum(self, name: str, values: np.ndarray, live: Mask) -> np.ndarray:
        self._tell("orders", "sum", name)
        return self.groups.sums(values, live & ~np.isnan(values))

    def _net_from_the_rest(self, line: np.ndarray | None, live: Mask) -> None:
        if {"gross_amount", _OF_ORDER} <= set(self.made):
            self.made["net_amount"] = self.made["gross_amount"] - np.nan_to_num(self.made[_OF_ORDER])
            self._tell("orders", "net", "net_amount")
        elif line is not None:
            self.made["net_amount"] = self.groups.sums(line, live & ~np.isnan(line))
            own = self.source.headers[self.at[_OF_LINE]] if _OF_LINE in self.at else None
            self._tell("orders", "sum" if own else "product", _OF_LINE if own else "quantity", column="net_amount")

    def _tell(self, table: str, key: str, name: str, **more: object) -> None:
        own = self.source.headers[self.at[name]] if name in self.at else name
        column = "discount_amount" if name == _OF_ORDER else name
        self.said.setdefault(table, []).append((key, {"own": own, "column": column, **more}))

    def _price(self, line: np.ndarray | None) -> None:
        """The price of one, where only the amount of the line is there."""
        if "unit_price" in self.values or "quantity" not in self.values or line is None:
            return
        quantity = self.values["quantity"].values
        with np.errstate(divide="ignore", invalid="ignore"):
            price = (line + self._discounts()) / quantity
        price = np.where(np.isfinite(price) & (price >= 0), price, np.nan)
        self.values["unit_price"] = Values(price, np.where(np.isnan(price), CODE["empty"], 0).astype(np.uint8))
        self._tell("order_items", "price", self._signed())

    def _say_what_is_missing(self, line: np.ndarray | None, counted: Mask) -> None:
        """Orders whose sum lacks a line that could not be used, or a line that has no amount."""
        if line is None or self.level.get("net_amount") == "order":
            return
        lost = ~counted & (self.groups.of != NOBODY) & ~self._is_copy()
        lost |= counted & np.isnan(line)
        kept = self.groups.sizes(counted) > 0
        short = np.unique(self.groups.of[lost])
        self._say_of("order_lacks_a_line", "net_amount", short[kept[short]])

    def _is_copy(self) -> Mask:
        """Lines that were set aside as copies: the order is whole without them."""
        copies = [number for number, it in enumerate(self.problems, 1) if it.kind in ("line_again", "same_again")]
        return np.isin(self.reason, copies)

    # --- the tables

    def number_lines(self) -> None:
        """Number the items of each order, where the file does not."""
        if "line_no" in self.values:
            return
        ranks = self.groups.ranks(self.live).astype(np.float64)
        self.values["line_no"] = Values(ranks, np.zeros(len(ranks), dtype=np.uint8))
        self.said.setdefault("order_items", []).append(("numbered", {}))

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
            places = (*places, _OF_LINE) if name == "net_amount" else places
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

    def items(self) -> LoadedTable:
        """A row for each line that is an item."""
        self.model = _ITEMS
        self.values = {name: values for name, values in self.values.items() if name in _ITEMS}
        self.at = {name: at for name, at in self.at.items() if name in _ITEMS}
        items = self.finish()
        items.source = replace(items.source, columns=())
        items.told = self.said.get("order_items", [])
        return items
