"""`load`: a shop's own data, a saved folder, and the sets that come along."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from crmkit import schema
from crmkit.datasets.crm import Crm
from crmkit.datasets.dataset import Dataset
from crmkit.datasets.headings import Proposal
from crmkit.datasets.line_items import are_lines, expanded
from crmkit.datasets.lines import load_items
from crmkit.datasets.manifest import MANIFEST, is_saved
from crmkit.datasets.mapping import ColumnMapping, read_mapping
from crmkit.datasets.opening import DUCKDB, POSTGRES, Opened, open_source
from crmkit.datasets.problems import Reasons
from crmkit.datasets.saved import open_saved
from crmkit.datasets.source import Source
from crmkit.datasets.splitting import again, load_lines
from crmkit.datasets.tables import LoadedTable, load_table
from crmkit.datasets.values import Reading
from crmkit.errors import CrmkitError, ParameterError, RowsLeftOut

Names = Mapping[str, str | None] | Mapping[str, Mapping[str, str | None]] | str | os.PathLike[str]

_ZONE = "Asia/Tokyo"


def load(
    source: Any,
    *,
    tables: str | Mapping[str, str] | None = None,
    columns: Names | None = None,
    zone: str = _ZONE,
    dayfirst: bool | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    verify: bool = False,
) -> Any:
    """Load your own data into the data model, or a folder that crmkit saved.

    `crm = load("export.csv")` is enough where the headers are the usual ones: which table it is and which column is
    which are told by their names in Japanese and English (`crm.mapping` shows it, `recognize` before anything is
    loaded). `crm.problems` says what is wrong with which rows and how to mend it. What is loaded is only read, never
    changed. Every row is either loaded or set aside: a row is set aside when a key, a date that the table needs or an
    amount cannot be used, because a count or a sum would be wrong with it; any other value that cannot be used is
    emptied. Both are counted in `problems`.

    A saved folder: `load("shop")` gives back exactly what `crm.save("shop")` or `crmkit generate` wrote, in any format.
    That all files are there and have their rows is checked at once; a table is read when it is first asked for, and its
    content is then compared with the fingerprint in the manifest, so that nothing changed or damaged is used unseen.

    Args:
        source: What to load. A file (CSV or TSV, also packed with gzip; Parquet), an Excel workbook, a SQLite or DuckDB
            file, a folder of files, the address of a PostgreSQL database (`postgresql://user@host/shop`), a table that
            is at hand (pandas, Polars, PyArrow, DuckDB, Spark), a list of these, or these by table:
            `{"orders": "shop.csv", "customers": frame}`. Or the path of a saved folder.
        tables: Which table a single source is ("orders"), or which sheet, file, table or SELECT is which table:
            `{"orders": "注文一覧"}`. Without it, names and headers tell. "line_items" are orders with a line for each
            item, which become `orders` and `order_items` (beside a source of `orders`, `order_items` alone) and, where
            they tell of them, `products`; usual headers tell them too, "orders" says that they are not.
        columns: Your own column names by the data model's: `{"customer_id": "会員番号"}`; for several tables also
            `{"orders": {"customer_id": "会員番号"}}`; or the file that `crm.mapping.save("shop.toml")` wrote. Columns
            that are not named are found by their usual names; `None` leaves one out. Of several columns with the same
            name the second is "日付 (2)", and the fourth column, if it has no name, is "column 4".
        zone: Time zone of the shop's clock; instants that carry a zone of their own are turned into it.
        dayfirst: Whether 03/04/2024 is the 3rd of April. Such dates are refused unless you say so.
        decimal: "," or ".": the sign before the decimals of numbers that can be read in two ways, such as 1.234.
        encoding: The encoding of text files, where the one that is found by itself is wrong.
        verify: Read all tables of a saved folder once and compare them now, instead of each when it is asked for.

    Returns:
        A `Dataset`: `crm.orders` and so on as pandas tables, `crm.mapping`, `crm.problems`, `crm.rejected` and
        `crm.report()`; for a saved folder a `Crm` with the facts, the zone and the truth that were saved.

    Raises:
        UnreadableFile: the source is not there, not a table, or it cannot be told which; the saved folder is not
            finished or has been changed.
        EmptyTable: no row in it, or none that can be used.
        MissingColumn: a column that the table cannot do without, or that `columns` names, is not there.
        WrongType: a column cannot be read in more than half of the rows, or its dates can be read in two ways.
        ParameterError: an unknown table, column, sheet or zone; two sources for one table; or something is said about
            a saved folder, which knows it itself.

    Warns:
        RowsLeftOut: rows were set aside; `crm.problems` says which and why.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> shop = Path(mkdtemp()) / "shop.csv"
        >>> lines = ["会員番号,注文日時,購入金額", 'A,2024/4/1 10:05,"4,400円"', "B,2024/4/2 9:30,6600"]
        >>> _ = shop.write_text("\\n".join(lines), encoding="utf-8")
        >>> crm = load(shop)
        >>> crm.orders
          order_id customer_id          ordered_at  net_amount
        0   line-2           A 2024-04-01 10:05:00      4400.0
        1   line-3           B 2024-04-02 09:30:00      6600.0
    """
    if _is_saved_place(source):
        asked = {"tables": tables, "columns": columns, "dayfirst": dayfirst, "decimal": decimal, "encoding": encoding}
        for parameter, value in {**asked, "zone": None if zone == _ZONE else zone}.items():
            if value is not None:
                raise ParameterError("only_for_files", parameter=parameter)
        return _load_saved(Path(source).expanduser(), verify=verify)
    _check_source(source)
    how = _reading(zone, dayfirst, decimal)
    return _load(open_source(source, tables, _own_names(source, tables, columns), how, encoding), how)


def recognize(
    source: Any,
    *,
    tables: str | Mapping[str, str] | None = None,
    columns: Names | None = None,
    encoding: str | None = None,
) -> ColumnMapping:
    """Show which table a source would be loaded as, and which of its columns as which, before anything is loaded.

    Args:
        source, tables, columns, encoding: As for `load`.

    Returns:
        A `ColumnMapping`: shown as a table; `.save("shop.toml")` writes it, to be corrected and given to `load`.

    Raises:
        UnreadableFile, MissingColumn, ParameterError: as for `load`.

    Examples:
        >>> import pandas as pd
        >>> export = pd.DataFrame({"会員番号": ["A"], "来店日": ["2024-04-01"], "お会計": [4400]})
        >>> recognize(export).frame()[["table", "column", "own"]].values.tolist()
        [['orders', 'customer_id', '会員番号'], ['orders', 'ordered_at', '来店日'], ['orders', 'net_amount', 'お会計']]
    """
    _check_source(source)
    own = _own_names(source, tables, columns)
    how = Reading(_ZONE, None, None)
    opened = open_source(source, tables, own, how, encoding)
    both = opened.tables.get("orders")
    if both is None or both.lines is None:
        return ColumnMapping.of(opened)
    if "order_items" in opened.tables or not are_lines(both, both.offer.head):
        return ColumnMapping.of(replace(opened, tables={**opened.tables, "orders": replace(both, lines=None)}))
    return ColumnMapping.of(opened, made(told_of_head(both, how)))


def sample(name: str) -> Crm:
    """Load one of the small sets that come with crmkit.

    Args:
        name: "ten_customers" (the ten customers of the first lessons) or "salon" (a small hair salon, 2024-01 to
            2026-03). Both have the table `orders`; the salon's also has test orders, refunds and discounts.

    Returns:
        A `Crm`: `crm.orders` and so on as pandas tables.

    Raises:
        ParameterError: there is no set of that name.

    Examples:
        >>> crm = sample("ten_customers")
        >>> crm.orders[["customer_id", "ordered_at", "net_amount"]].head(2)
          customer_id          ordered_at  net_amount
        0           A 2025-12-05 11:00:00      5500.0
        1           B 2025-12-20 14:30:00      4400.0
    """
    known = sorted({path.parent.name for file in ("orders.csv", MANIFEST) for path in _shipped().glob(f"*/{file}")})
    if name not in known:
        raise ParameterError("unknown_sample", name=name, options=", ".join(known))
    if is_saved(_shipped() / name):
        return _load_saved(_shipped() / name, verify=False)
    # no moment of loading: a machine whose clock is slow must not refuse the rows
    how = Reading(_ZONE, None, None)
    return _load(open_source({"orders": _shipped() / name / "orders.csv"}, None, {}, how, None), how)


def _load_saved(folder: Path, *, verify: bool) -> Crm:
    if folder.is_file():
        from crmkit.datasets.shop_file import load_database

        return load_database(folder)
    manifest, stored = open_saved(folder)
    if verify:
        for table in stored.values():
            deque(table.pieces(), maxlen=0)
    tables, truth = (
        {place.name: table for place, table in stored.items() if place.is_truth == is_truth}
        for is_truth in (False, True)
    )
    apart = None if manifest.truth is None else Crm(truth, zone=manifest.zone)
    return Crm(tables, zone=manifest.zone, truth=apart, facts=manifest.facts)


def _is_saved_place(source: Any) -> bool:
    """A folder or database that crmkit saved, or what can only be meant as one: not there, and without an ending."""
    if not isinstance(source, str | os.PathLike) or str(source).startswith(POSTGRES):
        return False
    path = Path(source).expanduser()
    if path.suffix.lower() in DUCKDB and path.is_file():
        from crmkit.datasets.shop_file import is_database

        return is_database(path)
    # a folder with a manifest was saved by crmkit, even where the manifest is damaged: its files are not read unchecked
    return (path / MANIFEST).is_file() or path.suffix == ".unfinished" or not (path.exists() or path.suffix)


def _load(opened: Opened, how: Reading) -> Dataset:
    loaded: dict[str, LoadedTable] = {}
    tables = dict(opened.tables)
    for name, proposal in opened.tables.items():
        source = proposal.offer.read()
        if proposal.lines is not None and name == "order_items":
            loaded |= load_items(source, proposal, how)
        elif proposal.lines is not None and "order_items" not in opened.tables and are_lines(proposal, source.columns):
            loaded |= load_lines(source, proposal, how)
            loaded["order_items"].again = again(proposal, how, loaded)
        else:
            tables[name] = replace(proposal, lines=None)
            loaded[name] = _load_one(source, proposal, how)
    for item in loaded.values():
        _warn(item)
    mapping = ColumnMapping.of(replace(opened, tables=tables), _made_of(loaded))
    return Dataset(loaded, zone=how.zone, mapping=mapping, notes=opened.notes)


def _load_one(source: Source, proposal: Proposal, how: Reading) -> LoadedTable:
    assert proposal.table is not None
    once = proposal.export is not None and proposal.export.once is not None
    return load_table(source, proposal.table, proposal.matches, how, once=once)


def _made_of(loaded: Mapping[str, LoadedTable]) -> dict[str, str]:
    """How amounts of orders were made of their lines, by column: "total" or "sum"; nothing of plain orders."""
    return made(loaded["orders"].told if "orders" in loaded else [])


def made(told: Sequence[tuple[str, Mapping[str, object]]]) -> dict[str, str]:
    """The same from what is told of the orders."""
    return {str(facts["column"]): key for key, facts in told if key in ("total", "sum")}


def told_of_head(proposal: Proposal, how: Reading) -> list[tuple[str, dict[str, object]]]:
    """How orders would be made of their lines, by the first rows alone; nothing where they cannot be read."""
    offer = proposal.offer
    head = Source(offer.name, offer.headers, offer.head, np.arange(1, len(offer.head[0]) + 1))
    try:
        return load_lines(head, proposal, how)["orders"].told
    except CrmkitError:  # whoever loads it will be told
        return []


def _warn(item: LoadedTable) -> None:
    """Rows set aside are said aloud: who does not look at `problems` must know as well."""
    if len(item.aside):
        reasons = Reasons(tuple(problem for problem in item.problems if problem.action == "set_aside"))
        facts = {"file": item.source.name, "table": item.model.name, "rows": f"{len(item.aside):,}"}
        warnings.warn(
            RowsLeftOut("set_aside", seen=f"{item.source.rows_read:,}", reasons=reasons, **facts), stacklevel=4
        )


def _reading(zone: str, dayfirst: bool | None, decimal: str | None) -> Reading:
    if decimal not in (None, ",", "."):
        raise ParameterError("unknown_variant", parameter="decimal", value=decimal, options="',', '.'")
    try:
        now = datetime.now(ZoneInfo(zone)).replace(tzinfo=None)
    except (KeyError, ValueError, TypeError, OSError):
        raise ParameterError("unknown_zone", zone=zone) from None
    return Reading(zone, now, dayfirst, decimal=decimal)


def _check_source(source: object) -> None:
    """Refuse what nothing can be loaded from."""
    empty = isinstance(source, Mapping | list | tuple) and not source
    if source is None or empty or isinstance(source, bool | int | float | bytes):
        raise ParameterError("no_source", found=type(source).__name__)


def _own_names(
    source: Any, tables: str | Mapping[str, str] | None, columns: Names | None
) -> dict[str, dict[str, str | None]]:
    """Own column names by table, from any way of giving them; under "" those of a table that is yet to be told."""
    _check_names(tables, columns)
    if isinstance(columns, str | os.PathLike):
        columns = read_mapping(Path(columns).expanduser())
    flat = {name: own for name, own in (columns or {}).items() if not isinstance(own, Mapping)}
    nested = {name: dict(own) for name, own in (columns or {}).items() if isinstance(own, Mapping)}
    named = list(source) if isinstance(source, Mapping) else [tables] if isinstance(tables, str) else list(tables or ())
    named = expanded(named)
    if not named:
        return nested | ({"": flat} if flat else {})
    for table in nested:
        if table not in named:
            raise ParameterError("columns_of_no_table", table=table, options=", ".join(named))
    known = [schema.TABLES[table] for table in named if table in schema.TABLES]
    for name in flat:
        if len(named) > 1 and not any(name in table for table in known):
            raise ParameterError("unknown_model_column", table=", ".join(named), column=name, nearest="-")
    shared = {
        table.name: {name: own for name, own in flat.items() if len(named) == 1 or name in table} for table in known
    }
    return {name: {**shared.get(name, {}), **nested.get(name, {})} for name in named}


def _check_names(tables: object, columns: object) -> None:
    """Refuse what names nothing where names of tables, columns and headers are due."""
    _check_each("tables", tables, str)
    if isinstance(columns, os.PathLike):
        return
    _check_each("columns", columns, str | Mapping | None)
    for inner in columns.values() if isinstance(columns, Mapping) else ():
        if isinstance(inner, Mapping):
            _check_each("columns", inner, str | None)


def _check_each(parameter: str, given: object, kind: Any) -> None:
    if given is None or isinstance(given, str):
        return
    if not isinstance(given, Mapping):
        raise ParameterError("no_names", parameter=parameter, found=type(given).__name__)
    for name, own in given.items():
        if not (isinstance(name, str) and isinstance(own, kind)):
            raise ParameterError("no_names", parameter=parameter, found=f"{name!r}: {own!r}")


def _shipped() -> Path:
    """The folder of shipped sets: inside the installed package, else beside it in the repository."""
    package = Path(__file__).parents[1]
    inside = package / "_datasets"
    return inside if inside.is_dir() else package.parent / "datasets"
