"""Lines of orders as items: which of them are copies, which number and price each has. No line is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from crmkit.datasets.groups import Groups, numbered
from crmkit.datasets.headings import Proposal, words_of
from crmkit.datasets.line_products import products_of
from crmkit.datasets.numerals import Mask
from crmkit.datasets.source import Source
from crmkit.datasets.tables import LoadedTable, Work
from crmkit.datasets.values import CODE, Reading, Values
from crmkit.schema import TABLES, Column, Table

OF_LINE = "line_amount"
"""A line's own amount, for which the model has no name: it is quantity x price, less discounts."""

Level = Literal["order", "line"]

_ITEMS = TABLES["order_items"]
_LINE = Table("order_items", _ITEMS.theme, _ITEMS.key, (*_ITEMS.columns, Column(OF_LINE, "amount", unit="JPY")))
_SAME = 0.95  # so many orders repeat one amount: it is theirs, and the rest are slips
_NEAR = 0.12  # what tax makes of quantity x price
_FITTING = 0.75  # of two lines with one total, at most one can be near to it
_FEW = 3  # orders that are too few to tell by, where the header says little


def load_items(source: Source, proposal: Proposal, how: Reading) -> dict[str, LoadedTable]:
    """Turn lines of orders that another source holds into `order_items`, and into `products` where they tell of them.

    Args:
        source: What was read.
        proposal: Which column is which.
        how: As for any table.

    Raises:
        WrongType: a column cannot be read in more than half of the rows, or its dates can be read in two ways.
        EmptyTable: no line can be used.
    """
    assert proposal.lines is not None
    at = {match.column: match.at for match in proposal.lines.items}
    if proposal.lines.amount is not None:
        at[OF_LINE] = proposal.lines.amount
    work = OrderLines(source, _LINE, at, how)
    work.by = {OF_LINE: "vague"}
    work.read()
    work.set_totals_aside()
    work.set_returns_aside()
    work.set_faults_aside()
    work.groups = Groups(numbered(work.values["order_id"].values))
    work.set_copies_aside()
    work.price_by_amount()
    work.number_lines()
    work.note_the_rest()
    return work.finished(proposal, {"order_items": work.items()})


@dataclass(slots=True)
class OrderLines(Work):
    """Lines in the making; `groups` are the orders they belong to, `by` says by what each column was told."""

    by: dict[str, str] = field(default_factory=dict)
    groups: Groups = field(default_factory=lambda: Groups(np.zeros(0, dtype=np.int32)))
    said: dict[str, list[tuple[str, dict[str, object]]]] = field(default_factory=dict)

    @property
    def live(self) -> Mask:
        """The lines that are still in."""
        return np.asarray(self.reason == 0)

    def words(self, column: str) -> Mapping[str, str]:
        """Other systems' words for those of a column, of whichever table it is."""
        return words_of("order_items" if column in _ITEMS else "orders", column)

    def set_faults_aside(self) -> None:
        """Take out lines that cannot be used; numbers of lines that are no numbers are made anew."""
        numbers = self.values.get("line_no")
        if numbers is not None and numbers.faults.any():
            self.forget("line_no")
        Work.set_faults_aside(self)

    def set_returns_aside(self) -> None:
        """Take out what was given back: it is no item, and must not stay as one without a quantity."""
        if "quantity" in self.values:
            self.set_aside("below_zero", "quantity", self.values["quantity"].faults == CODE["out_of_range"])

    def forget(self, name: str) -> None:
        """Do as if a column were not there."""
        del self.values[name], self.at[name]

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
        whole = self._whole(rows)
        same = whole.groupby(list(whole.columns), sort=False, dropna=False).ngroup().to_numpy()
        alike = Groups(same.astype(np.int32))
        everywhere = np.ones(len(rows), dtype=bool)
        goes_on = (same[1:] == same[:-1]) & (rows[1:] == rows[:-1] + 1)
        runs = np.cumsum(np.concatenate([[False], ~goes_on]))
        again = alike.ranks(everywhere) > 1
        elsewhere = again & (runs != runs[alike.first(everywhere)[alike.of]])
        far = np.zeros(len(self.reason), dtype=bool)
        far[rows[elsewhere]] = True
        far &= self._twice(rows, alike, elsewhere)[self.groups.of]
        self.set_aside("line_again", "order_id", far)
        equal = np.zeros(len(self.reason), dtype=bool)
        equal[rows[again]] = True
        self.note("equal_lines", "product_id", equal & ~far, "kept")

    def _twice(self, rows: np.ndarray, alike: Groups, elsewhere: Mask) -> Mask:
        """Which orders were exported more than once: each of their lines comes again elsewhere, all equally often."""
        times = np.zeros(len(self.reason), dtype=np.int64)
        copies, kept = alike.sizes(elsewhere), np.maximum(alike.sizes(~elsewhere), 1)
        times[rows] = np.where(copies % kept == 0, copies // kept, 0)[alike.of]
        odd = (times == 0) | self.groups.other(times, self.live)
        return np.asarray(self.groups.sizes(self.live & odd) == 0)

    def _alike(self) -> np.ndarray:
        """Lines of which there may be an equal one: those with the same product in the same order."""
        products = numbered(self.values["product_id"].values)
        rows = np.flatnonzero(self.live)
        pairs = self.groups.of[rows].astype(np.int64) * (int(products.max(initial=0)) + 2) + products[rows] + 1
        ordered = np.sort(pairs)
        again = ordered[1:][ordered[1:] == ordered[:-1]]
        return rows[np.isin(pairs, again)] if len(again) else rows[:0]

    def _whole(self, rows: np.ndarray) -> pd.DataFrame:
        """Lines as they stand in the file, each with its order, whose number may stand on another line."""
        return self._original(rows).assign(order=self.groups.of[rows])

    def _set_numbers_aside(self) -> None:
        """Where lines have numbers of their own, these tell copies from items."""
        live = np.flatnonzero(self.live)
        numbers = pd.DataFrame({"order": self.groups.of[live], "line": self.values["line_no"].values[live]}, index=live)
        shared = numbers.duplicated(keep=False)
        if not shared.any():
            return
        rows = live[shared.to_numpy()]
        copies, others = (np.zeros(len(self.reason), dtype=bool) for _ in range(2))
        copies[rows[self._whole(rows).duplicated().to_numpy()]] = True
        others[live[numbers.duplicated().to_numpy()]] = True
        own = " + ".join(self.source.headers[self.at[name]] for name in ("order_id", "line_no"))
        self.set_aside("same_again", "order_id", copies, own=own)
        self.set_aside("number_again", "order_id", others, own=own)

    # --- amounts

    def level_of(self, name: str) -> Level:
        """Whether an amount is that of the order, repeated on its lines, or that of each line."""
        values = self.values[name].values
        full = self.live & ~np.isnan(values)
        filled = self.groups.sizes(full)
        told = (self.groups.sizes(self.live) > 1) & (filled > 0)
        if told.any() and (filled[told] == 1).all():  # on the first line only
            return "order"
        told &= (filled > 1) & (self.groups.sizes(full & (values != 0)) > 0)
        same = told & (self.groups.sizes(self.groups.other(values, full)) == 0)
        too_few = self.by.get(name) == "vague" and told.sum() < _FEW
        if too_few or not told.any() or same.sum() < _SAME * told.sum():
            return "line"
        may_be_of_line = name in ("net_amount", "gross_amount", OF_LINE)
        return "line" if may_be_of_line and self._fits(values, told[self.groups.of] & full) else "order"

    def _fits(self, values: np.ndarray, where: Mask) -> bool:
        """Whether amounts are near to quantity x price: then each is that of its line."""
        product = self.quantity_by_price()
        if product is None:
            return False
        where = where & ~np.isnan(product)
        near = np.abs(values[where] - product[where]) <= _NEAR * np.abs(values[where]) + 0.5
        return bool(where.any() and near.mean() >= _FITTING)

    def quantity_by_price(self) -> np.ndarray | None:
        """What each line comes to by its quantity and price, where both are there."""
        if not {"quantity", "unit_price"} <= set(self.values):
            return None
        price = np.where(self.values["unit_price"].faults == 0, self.values["unit_price"].values, np.nan)
        return np.asarray(self.values["quantity"].values * price)

    def discounts(self) -> Any:
        """What was taken off each line."""
        return np.nan_to_num(self.values["discount_amount"].values) if "discount_amount" in self.values else 0.0

    def price(self, line: np.ndarray | None, by: str) -> None:
        """The price of one, where only the amount of the line is there, in the column `by`."""
        if "unit_price" in self.values or "quantity" not in self.values or line is None:
            return
        quantity = self.values["quantity"].values
        with np.errstate(divide="ignore", invalid="ignore"):
            price = (line + self.discounts()) / quantity
        price = np.where(np.isfinite(price) & (price >= 0), price, np.nan)
        self.values["unit_price"] = Values(price, np.where(np.isnan(price), CODE["empty"], 0).astype(np.uint8))
        self.tell("order_items", "price", by)

    def price_by_amount(self) -> None:
        """The same from a column that is taken for the amounts of the lines, unless it repeats that of the order."""
        if OF_LINE not in self.values:
            return
        amounts = self.values[OF_LINE].values
        self.set_aside("below_zero", OF_LINE, np.nan_to_num(amounts) < 0)
        if self.level_of(OF_LINE) == "line":
            self.price(amounts, OF_LINE)

    # --- the table

    def number_lines(self) -> None:
        """Number the items of each order, where the file does not."""
        if "line_no" in self.values:
            return
        ranks = self.groups.ranks(self.live).astype(np.float64)
        self.values["line_no"] = Values(ranks, np.zeros(len(ranks), dtype=np.uint8))
        self.said.setdefault("order_items", []).append(("numbered", {}))

    def tell(self, table: str, key: str, name: str, **more: object) -> None:
        """Keep for the account how something was made of the column `name`."""
        own = self.source.headers[self.at[name]] if name in self.at else name
        self.said.setdefault(table, []).append((key, {"own": own, "column": name, **more}))

    def items(self) -> LoadedTable:
        """A row for each line that is an item."""
        self.model = _ITEMS
        self.values = {name: values for name, values in self.values.items() if name in _ITEMS}
        self.at = {name: at for name, at in self.at.items() if name in _ITEMS}
        items = self.finish()
        items.source = replace(items.source, columns=())
        items.told = self.said.get("order_items", [])
        return items

    def finished(self, proposal: Proposal, tables: dict[str, LoadedTable]) -> dict[str, LoadedTable]:
        """The tables, with the products that the lines tell of, each knowing which columns the others took."""
        assert proposal.lines is not None
        ids = self.values["product_id"].values
        products = products_of(self.source, proposal.lines.products, self.how, ids, self.live)
        tables |= {} if products is None else {"products": products}
        told = {"orders": proposal.matches, "order_items": proposal.lines.items, "products": proposal.lines.products}
        computed = {str(facts["own"]) for key, facts in tables["order_items"].told if key == "price"}
        for name, table in tables.items():
            table.by = {match.column: match.by for match in told[name] if match.column in table.used}
            others = (other.used.values() for other in tables.values() if other is not table)
            table.beside = frozenset(own for used in others for own in used) | computed
        return tables
