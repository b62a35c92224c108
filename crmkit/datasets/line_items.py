"""Exports with a line for each item of an order, which are two tables in one: how they are told from plain orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from crmkit.datasets.groups import NOBODY, Groups, numbered
from crmkit.datasets.headings import (
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
from crmkit.datasets.source import Offer
from crmkit.datasets.values import Reading, read_column
from crmkit.schema import TABLES, Table

LINE_ITEMS = "line_items"
"""What `tables=` calls such an export: `load("till.csv", tables="line_items")`."""
TWO = ("orders", "order_items")

_ORDERS, _ITEMS = (TABLES[name] for name in TWO)
_LOOKED_AT = 200_000  # rows that show whether the lines of an order agree; whether ids repeat, all rows may have to
_MOST = 0.5  # more orders than this with two customers: the number is not that of an order

Own = Mapping[str, Mapping[str, str | None]]
Columns = Sequence[pa.ChunkedArray]


def expanded(named: Sequence[str]) -> list[str]:
    """Names of tables, those of the two that such an export holds in its place."""
    return [name for one in named for name in (TWO if one == LINE_ITEMS else (one,))]


def parted(own: Mapping[str, str | None]) -> dict[str, dict[str, str | None]]:
    """Own names without a table, for the one table or the other; what both have is for both."""
    tables = {table.name: table for table in (_ORDERS, _ITEMS)}
    return {name: {column: said for column, said in own.items() if column in table} for name, table in tables.items()}


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
    export = export_of(offer)
    export = export if export is not None and export.table == _ORDERS.name else None
    orders = {match.column: match for match in match_columns(offer, _ORDERS, own.get("orders", {}), how, export)}
    if not _all_there(offer, _ORDERS, ("order_id", "customer_id", "ordered_at"), orders, asked):
        return None
    items = _items(offer, own.get("order_items", {}), how, export, orders)
    if not _all_there(offer, _ITEMS, ("product_id",), items, asked):
        return None
    if not (asked or {"quantity", "unit_price", "line_no"} & set(items) or (export and export.items)):
        return None
    amount = _amount(offer, orders, items, "net_amount" in own.get("orders", {}))
    sure = "line_no" in items or bool(export and export.items)
    lines = Lines(each_once(offer, _in_order(_ITEMS, items)), amount, sure)
    return Proposal(offer, _ORDERS, each_once(offer, _in_order(_ORDERS, orders)), export, lines=lines)


def _all_there(offer: Offer, table: Table, needed: Sequence[str], found: Mapping[str, Match], asked: bool) -> bool:
    missing = next((name for name in needed if name not in found), None)
    if missing is not None and asked:
        raise_missing(offer, table, missing, missing)
    return missing is None


def _items(
    offer: Offer, own: Mapping[str, str | None], how: Reading, export: Export | None, orders: Mapping[str, Match]
) -> dict[str, Match]:
    """The columns of the items; the order's id is where the order has it."""
    known = replace(export, table=_ITEMS.name, columns=export.items) if export and export.items else None
    items = {match.column: match for match in match_columns(offer, _ITEMS, own, how, known)}
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


def _amount(offer: Offer, orders: dict[str, Match], items: Mapping[str, Match], asked: bool) -> int | None:
    """See to the amounts: a price is no amount of an order, and a line's own amount may be all there is of one."""
    used = {match.at for match in items.values()}
    if not asked and "net_amount" in orders and orders["net_amount"].at in used:
        del orders["net_amount"]  # "price" may be either
    kept = {match.at for name, match in orders.items() if name != "gross_amount"}
    amount = next((at for at in header_among(offer, "amount") if at not in used | kept), None)
    gross = orders.get("gross_amount")
    if amount is None or asked:
        return None
    if "net_amount" not in orders and not (gross and gross.at == amount and "discount_amount" in orders):
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


def _are_lines(proposal: Proposal, columns: Columns) -> bool:
    assert proposal.lines is not None
    at = {match.column: match.at for match in (*proposal.matches, *proposal.lines.items)}

    def numbers(name: str) -> np.ndarray:
        return numbered(read_column(columns[at[name]], (_ORDERS if name in _ORDERS else _ITEMS)[name], _PLAIN).values)

    orders = Groups(numbers("order_id"))
    there = orders.of != NOBODY
    again = orders.sizes(there) > 1
    if not again.any():
        return False
    products = numbers("product_id")
    if not orders.other(products, there).any():
        return False
    people = numbers("customer_id")
    two = orders.other(people, there & (people != NOBODY))
    return len(np.unique(orders.of[two])) <= _MOST * int(again.sum())


_PLAIN = Reading("UTC", None, None)
