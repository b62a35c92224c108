"""From what the caller has — files, a folder, a workbook, a database, frames — to tables of the model by name."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from crmkit import schema
from crmkit.datasets.headings import Proposal, bare, named_by, propose, recognize, refuse_values
from crmkit.datasets.line_items import (
    LINE_ITEMS,
    THREE,
    TWO,
    are_lines,
    as_line_items,
    items_alone,
    line_items,
    parted,
)
from crmkit.datasets.line_products import without_products
from crmkit.datasets.naming import told_apart
from crmkit.datasets.said import SomeTables
from crmkit.datasets.source import Offer, Offers, SourceNote
from crmkit.datasets.values import Reading
from crmkit.errors import MissingColumn, ParameterError, UnreadableFile

BOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
SQLITE = (".sqlite", ".sqlite3", ".db", ".db3")
DUCKDB = (".duckdb", ".ddb")
POSTGRES = ("postgresql://", "postgres://")

OwnNames = Mapping[str, Mapping[str, str | None]]


@dataclass(frozen=True, slots=True)
class Opened:
    """Sources by table, as they are understood, and those that no table could be told of."""

    tables: Mapping[str, Proposal]
    others: tuple[Proposal, ...] = ()
    notes: tuple[SourceNote, ...] = ()


def open_source(
    source: Any, tables: str | Mapping[str, str] | None, own: OwnNames, how: Reading, encoding: str | None
) -> Opened:
    """Understand what is to be loaded; only headers and first rows are read.

    Raises:
        ParameterError: no source at all, an unknown table, two sources for one table.
        UnreadableFile: a source cannot be opened, or it cannot be told what it holds.
        MissingColumn: a column that a table cannot do without is not there.
    """
    if isinstance(source, Mapping):
        if tables is not None:
            raise ParameterError("tables_twice")
        source = two_in_one(source)
        found = {
            name: offers_of(thing, encoding=encoding, called=name)
            for name, thing in source.items()
            if check_table(name)
        }
        chosen = {name: _only(offers, name, source[name], how) for name, offers in found.items()}
        return _opened(chosen, own, how, [note for offers in found.values() for note in offers.notes])
    if isinstance(tables, Mapping):
        tables = two_in_one(tables)
        for table in tables:
            check_table(table)
        offers = offers_of(source, wanted=tables, encoding=encoding)
        return _opened(_parts(source, offers, tables), own, how, offers.notes)
    offers = offers_of(source, encoding=encoding)
    if tables is None and len(offers) == 1 and len(own) == 1 and "" not in own:
        tables = next(iter(own))  # the table whose columns are told
    if tables is None and len(offers) == 1 and set(TWO) <= set(own) <= set(THREE):
        tables = LINE_ITEMS
    if isinstance(tables, str):
        check_table(tables)
        return _opened({tables: _only(offers, tables, source, how)}, own, how, offers.notes)
    return _by_content(offers, own, how)


def _opened(chosen: Mapping[str, Offer], own: OwnNames, how: Reading, notes: Sequence[SourceNote]) -> Opened:
    if {LINE_ITEMS, TWO[1]} <= set(chosen):
        first, second = (chosen[name].name for name in (LINE_ITEMS, TWO[1]))
        raise ParameterError("two_sources", table=TWO[1], first=first, second=second)
    # lines beside the orders themselves are only their items
    told = {TWO[1] if name == LINE_ITEMS and TWO[0] in chosen else name: offer for name, offer in chosen.items()}
    found = {name: _propose(offer, name, own, how) for name, offer in told.items()}
    return _of({(TWO[0] if name == LINE_ITEMS else name): it for name, it in found.items()}, (), notes)


def _of(tables: Mapping[str, Proposal], others: Sequence[Proposal], notes: Sequence[SourceNote]) -> Opened:
    """What was opened; lines tell of products only where no table of them is."""
    alone = {name: without_products(it) if "products" in tables else it for name, it in tables.items()}
    return Opened(alone, tuple(others), tuple(notes))


def two_in_one(parts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Sources by table; orders and their items from one and the same source are its lines.

    Examples:
        >>> two_in_one({"orders": "till.csv", "order_items": "till.csv", "customers": "members.csv"})
        {'line_items': 'till.csv', 'customers': 'members.csv'}
    """
    orders, items = (parts.get(name) for name in TWO)
    paths = isinstance(orders, str | os.PathLike) and isinstance(items, str | os.PathLike)
    if orders is None or not (orders is items or (paths and str(orders) == str(items))):
        return parts
    return {LINE_ITEMS: orders} | {name: part for name, part in parts.items() if name not in TWO}


def offers_of(
    source: Any, *, wanted: Mapping[str, str] | None = None, encoding: str | None = None, called: str = ""
) -> Offers:
    """Everything that can be read from a source, nothing of it read whole; a frame is `called` so.

    Each column has a name of its own: see `naming`.
    """
    offers = _offers_of(source, wanted, encoding, called)
    return Offers(map(told_apart, offers), offers.notes)


def _offers_of(source: Any, wanted: Mapping[str, str] | None, encoding: str | None, called: str) -> Offers:
    if isinstance(source, list | tuple):
        every = [_offers_of(item, None, encoding, "") for item in source]
        return Offers(chain.from_iterable(every), chain.from_iterable(offers.notes for offers in every))
    if isinstance(source, str) and source.startswith(POSTGRES):
        from crmkit.datasets.databases import offers_of_postgres

        return offers_of_postgres(source, wanted)
    if isinstance(source, str | os.PathLike):
        return _offers_of_path(Path(source).expanduser(), wanted, encoding)
    from crmkit.datasets.natives import offer_of_frame

    return Offers([offer_of_frame(source, called or type(source).__name__)])


def _offers_of_path(path: Path, wanted: Mapping[str, str] | None, encoding: str | None) -> Offers:
    suffix = path.suffix.lower()
    if path.is_dir():
        from crmkit.datasets.folders import offers_of_folder

        return offers_of_folder(path, encoding=encoding)
    if suffix in BOOKS:
        from crmkit.datasets.books import offers_of_book

        return offers_of_book(path, wanted)
    if suffix in SQLITE + DUCKDB:
        from crmkit.datasets import databases

        opener = databases.offers_of_sqlite if suffix in SQLITE else databases.offers_of_duckdb
        return opener(path, wanted)
    from crmkit.datasets.files import offer_file

    return Offers([offer_file(path, encoding=encoding)])


def _only(offers: Sequence[Offer], table: str, thing: Any, how: Reading) -> Offer:
    """The one source that a table is to be read from: a workbook may have sheets beside it."""
    if len(offers) == 1:
        return offers[0]
    fitting = [offer for offer in offers if _fits(offer, table, how)]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(offer.name for offer in offers) or "-"
    raise ParameterError("which_part", table=table, source=plain_name(thing), found=names)


def _fits(offer: Offer, table: str, how: Reading) -> bool:
    if table == LINE_ITEMS:
        return line_items(offer, {}, how) is not None
    found = recognize(offer, how).table
    return found is not None and found.name == table


def _parts(source: Any, offers: Sequence[Offer], tables: Mapping[str, str]) -> dict[str, Offer]:
    """Sheets, files or tables of a source by the names that the caller gives; a database also takes queries."""
    found = {}
    for table, part in tables.items():
        same = [offer for offer in offers if part in (offer.stem, offer.name)]
        same = same or [offer for offer in offers if table == offer.stem]  # a query goes by its table's name
        same = same or [offer for offer in offers if bare(offer.stem) == bare(part)]
        if len(same) != 1:
            stems = [offer.stem for offer in offers]
            nearest = next(iter(difflib.get_close_matches(part, stems, n=1)), "")
            raise ParameterError(
                "no_such_part", table=table, part=part, source=plain_name(source), nearest=nearest,
                found=", ".join(stems),
            )  # fmt: skip
        found[table] = same[0]
    return found


def _propose(offer: Offer, table: str, own: OwnNames, how: Reading) -> Proposal:
    if table == LINE_ITEMS:
        return as_line_items(offer, own, how)
    items = items_alone(offer, own, how, asked=True) if table == TWO[1] else None
    return items or propose(offer, schema.TABLES[table], own.get(table, {}), how)


def _by_content(offers: Offers, own: OwnNames, how: Reading) -> Opened:
    """Each source goes to the table that its name and columns tell."""
    flat = own.get("", {})
    own = {table: columns for table, columns in own.items() if table}
    if flat and len(offers) > 1:
        raise ParameterError("columns_need_table", found=", ".join(offer.name for offer in offers))
    tables: dict[str, Proposal] = {}
    others: list[Proposal] = []
    several = len(offers) > 1
    every = [understood(offer, flat, own, how, among_others=several) for offer in offers]
    every = _items_once(_orders_and_their_lines(every, own, how))
    for offer, told in zip(offers, every, strict=True):
        if told.table is None:
            others.append(told)
            continue
        name = told.table.name
        if name in tables:
            raise ParameterError("two_sources", table=name, first=tables[name].offer.name, second=offer.name)
        tables[name] = _propose(offer, name, own, how) if name in own and not told.lines else told
    parts = {part for it in tables.values() if it.lines for part in THREE}
    for name in own:
        if name not in parts.union(tables):
            raise ParameterError("columns_of_no_table", table=name, options=", ".join(tables) or "-")
    if not tables:
        _refuse(others)
    return _of(tables, others, offers.notes)


def _orders_and_their_lines(told: list[Proposal], own: OwnNames, how: Reading) -> list[Proposal]:
    """Where one source has the orders and another their lines, with the order repeated on each: its items alone."""
    names = [one.table.name if one.table is not None else "" for one in told]
    both = [at for at, one in enumerate(told) if names[at] == TWO[0] and one.lines is not None and _is_of_lines(one)]
    if names.count(TWO[0]) != 2 or len(both) != 1 or TWO[1] in names:
        return told
    items = items_alone(told[both[0]].offer, own, how)
    if items is None:
        return told
    plain = [replace(one, lines=None) if name == TWO[0] else one for one, name in zip(told, names, strict=True)]
    return [items if at == both[0] else one for at, one in enumerate(plain)]


def _items_once(told: list[Proposal]) -> list[Proposal]:
    """Items are taken where they surely are; what only looks like them beside that, such as parcels, is left alone."""
    items = [one for one in told if one.table is not None and one.table.name == TWO[1]]
    doubtful = [one for one in items if not (one.matches[1:2] and one.matches[1].column == "line_no")]
    doubtful = [one for one in doubtful if named_by(one.offer.stem) != {TWO[1]}]
    both = any(one.table is not None and one.table.name == TWO[0] and one.lines and _is_of_lines(one) for one in told)
    if not (both or len(items) > len(doubtful)):
        return told
    return [Proposal(one.offer, None) if one in doubtful else one for one in told]


def _is_of_lines(proposal: Proposal) -> bool:
    return named_by(proposal.offer.stem) == {TWO[1]} or are_lines(proposal, proposal.offer.head)


def understood(
    offer: Offer, flat: Mapping[str, str | None], own: OwnNames, how: Reading, *, among_others: bool = False
) -> Proposal:
    """What a source is: one table, or orders with a line for each item, where its headers are those of both.

    Raises:
        UnreadableFile, MissingColumn, ParameterError: as for `recognize` and `line_items`.
    """
    told = recognize(offer, how, flat)
    near = {told.table.name} if told.table is not None else set(told.near)
    own = parted(flat) if flat else own
    if len(set(own) & set(TWO)) != 1 and all(any(name in schema.TABLES[table] for table in THREE) for name in flat):
        both = _both(offer, own, how, among_others=among_others)
        # where the rows of the whole must tell, the headers alone have to make it a table of orders
        if both is not None and both.lines is not None:
            sure = both.lines.sure and near & set(TWO)
            if sure or are_lines(both, offer.head) or "orders" in near:
                return both
    if near <= {TWO[1]} and all(any(name in schema.TABLES[table] for table in THREE[1:]) for name in flat):
        # lines without a number of their own, or of products that are known by their names only
        return items_alone(offer, own, how, asked=bool(near)) or told
    return told


def _both(offer: Offer, own: OwnNames, how: Reading, *, among_others: bool) -> Proposal | None:
    """Orders and their items in one; of several sources, the names that are told may be those of another one."""
    if not among_others:
        return line_items(offer, own, how)
    for names in (own, {name: told for name, told in own.items() if name != TWO[0]}, {}):
        with suppress(MissingColumn):
            return line_items(offer, names, how)
    return None


def _refuse(others: Sequence[Proposal]) -> None:
    """Nothing could be told: say of the first what it looks like, and what is missing there."""
    if not others:
        raise ParameterError("nothing_to_load")
    first = others[0]
    refuse_values(first.offer)
    headers = ", ".join(first.offer.headers)
    if first.near:
        raise UnreadableFile("which_table", file=first.offer.name, near=", ".join(first.near), found=headers)
    raise UnreadableFile("no_table_told", file=first.offer.name, found=headers, options=SomeTables())


def check_table(table: object) -> bool:
    """Refuse a table that the model does not have; true otherwise.

    Raises:
        ParameterError: naming the nearest first.
    """
    if table not in schema.TABLES and table != LINE_ITEMS:
        raise ParameterError("unknown_table", table=table, options=SomeTables(str(table)))
    return True


def plain_name(source: Any) -> str:
    """What a source is called in messages: no password of a database, no content of a frame."""
    if isinstance(source, str) and source.startswith(POSTGRES):
        from crmkit.datasets.postgres import Postgres

        return Postgres(source).called
    return str(source) if isinstance(source, str | os.PathLike) else type(source).__name__
