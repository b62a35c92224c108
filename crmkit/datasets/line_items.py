"""Exports with a line for each item of an order, which are two tables in one: how they are told from plain orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crmkit.datasets.groups import NOBODY, Groups, numbered
from crmkit.datasets.headings import (
    By,
    Export,
    Lines,
    Match,
    Proposal,
    each_once,
    export_of,
    header_among,
    match_columns,
    raise_missing,
)
from crmkit.datasets.line_products import product_columns
from crmkit.datasets.numerals import Mask
from crmkit.datasets.source import Offer
from crmkit.datasets.tables import TOTAL
from crmkit.datasets.values import CODE, Reading, Values, read_column
from crmkit.schema import TABLES, Table

LINE_ITEMS = "line_items"
"""What `tables=` calls such an export: `load("till.csv", tables="line_items")`."""
TWO = ("orders", "order_items")
THREE = (*TWO, "products")
WHOSE = ("order_id", "customer_id", "ordered_at")
"""What says whose a line is: often only the first line of an order has it."""

_ORDERS, _ITEMS = (TABLES[name] for name in TWO)
_LOOKED_AT = 200_000  # rows that show whether the lines of an order agree; whether ids repeat, all rows may have to
_MOST = 0.5  # more orders than this with two customers: the number is not that of an order

Own = Mapping[str, Mapping[str, str | None]]
Columns = Sequence[pa.ChunkedArray]


def expanded(named: Sequence[str]) -> list[str]:
    """Names of tables, those that such an export holds in its place; items may always tell of products."""
    every = [name for one in named for name in (TWO if one == LINE_ITEMS else (one,))]
    return list(dict.fromkeys(every + ["products"] * (TWO[1] in every)))


def parted(own: Mapping[str, str | None]) -> dict[str, dict[str, str | None]]:
    """Own names without a table, for the one table or the other; what both have is for both."""
    return {name: {column: said for column, said in own.items() if column in TABLES[name]} for name in THREE}


def as_line_items(offer: Offer, own: Own, how: Reading) -> Proposal:
    """A source that is said to have a line for each item.

    Raises:
        MissingColumn: it has no order id, customer, time or product.
        ParameterError, UnreadableFile: as for any table.
    """
    found = line_items(offer, own, how, asked=True)
    assert found is not None
    assert found.lines is not None
    return replace(found, lines=replace(found.lines, sure=True))


def line_items(offer: Offer, own: Own, how: Reading, *, asked: bool = False) -> Proposal | None:
    """A source whose headers are those of orders and of their items; `None` if they are not, and nobody `asked`.

    Raises:
        ParameterError: `own` names a column that the table does not have.
        MissingColumn: a column that `own` names is not there; or one that is needed, where it was asked for.
    """
    export, orders = _orders(offer, own, how)
    if not _all_there(offer, _ORDERS, WHOSE, orders, asked):
        return None
    items = _items(offer, own.get("order_items", {}), how, export, orders)
    if not _all_there(offer, _ITEMS, ("product_id",), items, asked):
        return None
    if not (asked or {"quantity", "unit_price", "line_no"} & set(items) or (export and export.items)):
        return None
    amount = _amount(offer, orders, items, own.get("orders", {}))
    sure = "line_no" in items or bool(export and export.items)
    found = each_once(offer, _in_order(_ORDERS, orders))
    lines = _lines(offer, items, amount, sure, found, own, how)
    return Proposal(offer, _ORDERS, found, export, lines=replace(lines, usual=_usual(offer, how, export, found)))


def as_far_as_told(offer: Offer, own: Own, how: Reading) -> Proposal:
    """What would be taken for orders with a line for each item, whatever is missing: for somebody who says the rest.

    Raises:
        ParameterError, MissingColumn: as for any table that `own` names columns of.
    """
    open_to = replace(offer, stood={})  # of columns with one name, too, somebody says which is which
    export, orders = _orders(open_to, own, how)
    items = _items(open_to, own.get("order_items", {}), how, export, orders)
    amount = _amount(open_to, orders, items, own.get("orders", {}))
    lines = _lines(open_to, items, amount, True, tuple(orders.values()), own, how)
    return Proposal(offer, _ORDERS, _in_order(_ORDERS, orders), export, lines=lines)


def _orders(offer: Offer, own: Own, how: Reading) -> tuple[Export | None, dict[str, Match]]:
    export = export_of(offer)
    export = export if export is not None and export.table == _ORDERS.name else None
    found = match_columns(offer, _ORDERS, own.get("orders", {}), how, export)
    return export, {match.column: match for match in found}


def _usual(offer: Offer, how: Reading, export: Export | None, found: tuple[Match, ...]) -> dict[str, By]:
    """What the headers themselves say of columns that were asked for: what is kept must not load otherwise."""
    asked = {match.column: match.at for match in found if match.by == "asked"}
    if not asked:
        return {}
    told = match_columns(replace(offer, stood={}), _ORDERS, {}, how, export)
    usual = {match.column: match.by for match in told if asked.get(match.column) == match.at}
    is_vague = any(at == asked.get("net_amount") for at in header_among(offer, "amount"))
    vague: dict[str, By] = {"net_amount": "vague"} if is_vague else {}
    return vague | usual


def items_alone(offer: Offer, own: Own, how: Reading, *, asked: bool = False) -> Proposal | None:
    """A source with the lines of orders that another one holds; `None` if it is none, and nobody `asked`.

    Raises:
        ParameterError: `own` names a column that the table does not have.
        MissingColumn: a column that `own` names is not there; or one that is needed, where it was asked for.
    """
    export = export_of(offer)
    items = _items(offer, own.get("order_items", {}), how, export, {})
    if not _all_there(offer, _ITEMS, ("order_id", "product_id"), items, asked):
        return None
    if not (asked or {"quantity", "unit_price", "line_no"} & set(items)):
        return None
    used = {match.at for match in items.values()}
    amount = next((at for at in header_among(offer, "amount") if at not in used), None)
    lines = _lines(offer, items, None if "unit_price" in items else amount, True, (), own, how)
    if "line_no" in items and not lines.products:
        return Proposal(offer, _ITEMS, lines.items, left_out=lines.left_out["order_items"])
    return Proposal(offer, _ITEMS, lines.items, lines=lines)


def _lines(
    offer: Offer, items: Mapping[str, Match], amount: int | None, sure: bool, orders: tuple[Match, ...],
    own: Own, how: Reading,
) -> Lines:  # fmt: skip
    found = each_once(offer, _in_order(_ITEMS, items))
    taken = {match.at for match in (*orders, *found)} | ({amount} if amount is not None else set())
    product = items.get("product_id")
    products = product_columns(offer, own.get("products", {}), how, product, taken) if product is not None else ()
    left_out = {name: tuple(column for column, header in own.get(name, {}).items() if header is None) for name in THREE}
    return Lines(found, amount, sure, each_once(offer, products), left_out)


def _all_there(offer: Offer, table: Table, needed: Sequence[str], found: Mapping[str, Match], asked: bool) -> bool:
    missing = next((name for name in needed if name not in found), None)
    if missing is not None and asked:
        raise_missing(offer, table, missing, missing)
    return missing is None


def _items(
    offer: Offer, own: Mapping[str, str | None], how: Reading, export: Export | None, orders: Mapping[str, Match]
) -> dict[str, Match]:
    """The columns of the items; the order's id is where the order has it, if both are in one source."""
    known = replace(export, table=_ITEMS.name, columns=export.items) if export and export.items else None
    items = {match.column: match for match in match_columns(offer, _ITEMS, own, how, known)}
    if "order_id" in orders:
        items["order_id"] = replace(orders["order_id"])
    taken = {match.at for name, match in orders.items() if name not in ("discount_amount", "net_amount")}
    items = {name: match for name, match in items.items() if name == "order_id" or match.at not in taken}
    if "product_id" not in own and ("product_id" not in items or _has_gaps(offer, items["product_id"].at)):
        free = taken | {match.at for match in items.values()}
        named = next((at for at in header_among(offer, "product") if at not in free), None)
        if named is not None:  # a shop without codes knows its products by their names
            items["product_id"] = Match("product_id", named, offer.headers[named], "alias")
    return items


def _has_gaps(offer: Offer, at: int) -> bool:
    values = read_column(offer.head[at], _ITEMS["product_id"], Reading("UTC", None, None))
    return bool(values.faults.any())


def _amount(
    offer: Offer, orders: dict[str, Match], items: Mapping[str, Match], own: Mapping[str, str | None]
) -> int | None:
    """See to the amounts: a price is no amount of an order, and a line's own amount may be all there is of one."""
    asked = "net_amount" in own
    if asked and own["net_amount"] is None:
        return None  # whoever leaves the amounts out does not mean another column
    used = {match.at for match in items.values()}
    if not asked and "net_amount" in orders and orders["net_amount"].at in used:
        del orders["net_amount"]  # "price" may be either
    kept = {match.at for name, match in orders.items() if name != "gross_amount"}
    amount = next((at for at in header_among(offer, "amount") if at not in used | kept), None)
    gross = orders.get("gross_amount")
    if amount is None:
        return None
    each_once(offer, (Match("net_amount", amount, offer.headers[amount], "vague"),))
    if not asked and "net_amount" not in orders and not (gross and gross.at == amount and "discount_amount" in orders):
        orders["net_amount"] = Match("net_amount", amount, offer.headers[amount], "vague")
        if gross and gross.at == amount:
            del orders["gross_amount"]
        return None
    return None if gross and gross.at == amount else amount


def _in_order(table: Table, found: Mapping[str, Match]) -> tuple[Match, ...]:
    return tuple(found[column.name] for column in table.columns if column.name in found)


def are_lines(proposal: Proposal, columns: Columns) -> bool:
    """Whether rows are lines of orders: ids come again with other products, and the customer is nearly always one."""
    assert proposal.lines is not None
    if proposal.lines.sure:
        return True
    few = [column.slice(0, _LOOKED_AT) for column in columns]
    if len(columns[0]) > _LOOKED_AT and _are_lines(proposal, few):
        return True
    return _are_lines(proposal, columns)


def below_another(empty: Mapping[str, Mask], live: Mask) -> tuple[Mask, np.ndarray]:
    """The lines that say nothing of their order but stand below one that does, and for each line which that is.

    Args:
        empty: Where the columns of `WHOSE` and the product are empty.
        live: The lines that are looked at.

    Examples:
        >>> first = np.array([False, True, True, False])
        >>> empty = {**dict.fromkeys(WHOSE, first), "product_id": np.zeros(4, dtype=bool)}
        >>> below, owner = below_another(empty, np.ones(4, dtype=bool))
        >>> below.tolist(), owner.tolist()
        ([False, True, True, False], [0, 0, 0, 3])
    """
    alone = np.logical_and.reduce([empty[name] for name in WHOSE])
    owner = np.maximum.accumulate(np.where(live & ~alone, np.arange(len(live)), NOBODY))
    below = alone & live & ~empty["product_id"] & (owner != NOBODY)
    return below & ~empty["order_id"][owner], owner


def _are_lines(proposal: Proposal, columns: Columns) -> bool:
    assert proposal.lines is not None
    at = {match.column: match.at for match in (*proposal.matches, *proposal.lines.items)}

    def read(name: str) -> Values:
        return read_column(columns[at[name]], (_ORDERS if name in _ORDERS else _ITEMS)[name], _PLAIN)

    def numbers(name: str) -> np.ndarray:
        return numbered(read(name).values)

    ids = read("order_id")
    orders = Groups(numbered(ids.values))
    there = orders.of != NOBODY
    again = orders.sizes(there) > 1
    if not again.any():
        return bool(ids.faults.any()) and _stand_below({name: read(name) for name in (*WHOSE, "product_id")})
    products = numbers("product_id")
    if not orders.other(products, there).any():
        return False
    people = numbers("customer_id")
    two = orders.other(people, there & (people != NOBODY))
    return len(np.unique(orders.of[two])) <= _MOST * int(again.sum())


def _stand_below(values: Mapping[str, Values]) -> bool:
    """Whether there are lines that go on below the number of their order; a line with a total is none."""
    words = pc.fill_null(pc.cast(values["product_id"].values, pa.string()), "")
    is_total = np.asarray(pc.match_substring_regex(pc.utf8_normalize(words, form="NFKC"), TOTAL))
    return bool(below_another({name: one.faults == CODE["empty"] for name, one in values.items()}, ~is_total)[0].any())


_PLAIN = Reading("UTC", None, None)
