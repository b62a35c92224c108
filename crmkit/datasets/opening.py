"""From what the caller has — files, a folder, a workbook, a database, frames — to tables of the model by name."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from crmkit import schema
from crmkit.datasets.headings import Proposal, bare, propose, recognize, refuse_values
from crmkit.datasets.line_items import LINE_ITEMS, TWO, are_lines, as_line_items, line_items, parted
from crmkit.datasets.said import SomeTables
from crmkit.datasets.source import Offer, Offers, SourceNote
from crmkit.datasets.values import Reading
from crmkit.errors import ParameterError, UnreadableFile

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
    if tables is None and len(offers) == 1 and set(own) == set(TWO):
        tables = LINE_ITEMS
    if isinstance(tables, str):
        check_table(tables)
        return _opened({tables: _only(offers, tables, source, how)}, own, how, offers.notes)
    return _by_content(offers, own, how)


def _opened(chosen: Mapping[str, Offer], own: OwnNames, how: Reading, notes: Sequence[SourceNote]) -> Opened:
    if LINE_ITEMS in chosen:
        for name in TWO:
            if name in chosen:
                raise ParameterError("two_sources", table=name, first=chosen[LINE_ITEMS].name, second=chosen[name].name)
    found = {name: _propose(offer, name, own, how) for name, offer in chosen.items()}
    return Opened({("orders" if it.lines else name): it for name, it in found.items()}, notes=tuple(notes))


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
    """Everything that can be read from a source, nothing of it read whole; a frame is `called` so."""
    if isinstance(source, list | tuple):
        every = [offers_of(item, encoding=encoding) for item in source]
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
    return propose(offer, schema.TABLES[table], own.get(table, {}), how)


def _by_content(offers: Offers, own: OwnNames, how: Reading) -> Opened:
    """Each source goes to the table that its name and columns tell."""
    flat = own.get("", {})
    own = {table: columns for table, columns in own.items() if table}
    if flat and len(offers) > 1:
        raise ParameterError("columns_need_table", found=", ".join(offer.name for offer in offers))
    tables: dict[str, Proposal] = {}
    others: list[Proposal] = []
    for offer in offers:
        told = _told(offer, flat, own, how)
        if told.table is None:
            others.append(told)
            continue
        name = told.table.name
        if name in tables:
            raise ParameterError("two_sources", table=name, first=tables[name].offer.name, second=offer.name)
        tables[name] = _propose(offer, name, own, how) if name in own and not told.lines else told
    for name in own:
        if name not in tables and not (name == TWO[1] and TWO[0] in tables and tables[TWO[0]].lines):
            raise ParameterError("columns_of_no_table", table=name, options=", ".join(tables) or "-")
    if not tables:
        _refuse(others)
    return Opened(tables, tuple(others), tuple(offers.notes))


def _told(offer: Offer, flat: Mapping[str, str | None], own: OwnNames, how: Reading) -> Proposal:
    """What a source is: one table, or orders with a line for each item, where its headers are those of both."""
    told = recognize(offer, how, flat)
    near = {told.table.name} if told.table is not None else set(told.near)
    if len(set(own) & set(TWO)) == 1 or not all(any(name in schema.TABLES[table] for table in TWO) for name in flat):
        return told
    both = line_items(offer, parted(flat) if flat else own, how)
    if both is None or both.lines is None:
        return told
    # where the rows of the whole must tell, the headers alone have to make it a table of orders
    return both if (both.lines.sure and near & {*TWO, ""}) or are_lines(both, offer.head) or "orders" in near else told


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
