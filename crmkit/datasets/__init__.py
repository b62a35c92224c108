"""Real input: a shop's own files into the data model, every row accounted for; and the small sets that come along."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from crmkit import schema
from crmkit.datasets.dataset import Dataset
from crmkit.datasets.files import open_file
from crmkit.datasets.problems import Reasons
from crmkit.datasets.tables import LoadedTable, load_table
from crmkit.datasets.values import Reading
from crmkit.errors import ParameterError, RowsLeftOut

__all__ = ["Dataset", "load", "sample"]

Paths = Mapping[str, str | os.PathLike[str]]
Names = Mapping[str, str | None] | Mapping[str, Mapping[str, str | None]]


def load(
    source: Paths, *, columns: Names | None = None, zone: str = "Asia/Tokyo", dayfirst: bool | None = None
) -> Dataset:
    """Load your own files into the data model, and say what is wrong with which rows and how to mend it.

    The files are only read. Every row is either loaded or set aside: a row is set aside when a key, a date that the
    table needs or an amount cannot be used, because a count or a sum would be wrong with it; any other value that
    cannot be used is emptied. Both are counted in `problems`. Dates are read as 2024-04-01 10:05, 2024/4/1,
    20240401 and 2024年4月1日; amounts also as ¥1,200 or 1200円.

    Args:
        source: Files by table: `{"orders": "shop.csv"}`. CSV, TSV (comma, tab or semicolon; UTF-8 or Shift_JIS,
            found by itself) or Parquet. The tables and their columns are those of `datasets/README.md`; `orders`
            needs `customer_id` and `ordered_at`, and `net_amount` for all that is about money.
        columns: Your own column names by the data model's: `{"customer_id": "会員番号"}`; for several tables also
            `{"orders": {"customer_id": "会員番号"}}`. Columns that are not named are found by the model's names;
            `None` leaves one out.
        zone: Time zone of the shop's clock; instants that carry a zone of their own are turned into it.
        dayfirst: Whether 03/04/2024 is the 3rd of April. Such dates are refused unless you say so.

    Returns:
        A `Dataset`: `crm.orders` and so on as pandas tables, `crm.problems`, `crm.rejected` and `crm.report()`.

    Raises:
        UnreadableFile: the file is not there, or not a table.
        EmptyTable: no row in it, or none that can be used.
        MissingColumn: a column that the table cannot do without, or that `columns` names, is not in the file.
        WrongType: a column cannot be read in more than half of the rows, or its dates can be read in two ways.
        ParameterError: an unknown table, column or zone.

    Warns:
        RowsLeftOut: rows were set aside; `crm.problems` says which and why.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> shop = Path(mkdtemp()) / "shop.csv"
        >>> lines = ["会員番号,注文日時,購入金額", 'A,2024/4/1 10:05,"4,400円"', "B,2024/4/2 9:30,6600"]
        >>> _ = shop.write_text("\\n".join(lines), encoding="utf-8")
        >>> own = {"customer_id": "会員番号", "ordered_at": "注文日時", "net_amount": "購入金額"}
        >>> crm = load({"orders": shop}, columns=own)
        >>> crm.orders
          order_id customer_id          ordered_at  net_amount
        0   line-2           A 2024-04-01 10:05:00      4400.0
        1   line-3           B 2024-04-02 09:30:00      6600.0
    """
    _check_source(source)
    names = _own_names(source, columns)
    try:
        now = datetime.now(ZoneInfo(zone)).replace(tzinfo=None)
    except (KeyError, ValueError, TypeError, OSError):
        raise ParameterError("unknown_zone", zone=zone) from None
    return _load(source, names, Reading(zone, now, dayfirst))


def sample(name: str) -> Dataset:
    """Load one of the small sets that come with crmkit.

    Args:
        name: "ten_customers" (the ten customers of the first lessons) or "salon" (a small hair salon, 2024-01 to
            2026-03). Both have the table `orders`; the salon's also has test orders, refunds and discounts.

    Returns:
        A `Dataset`.

    Raises:
        ParameterError: there is no set of that name.

    Examples:
        >>> crm = sample("ten_customers")
        >>> crm.orders[["customer_id", "ordered_at", "net_amount"]].head(2)
          customer_id          ordered_at  net_amount
        0           A 2025-12-05 11:00:00      5500.0
        1           B 2025-12-20 14:30:00      4400.0
    """
    known = sorted(path.parent.name for path in _shipped().glob("*/orders.csv"))
    if name not in known:
        raise ParameterError("unknown_sample", name=name, options=", ".join(known))
    # no moment of loading: a machine whose clock is slow must not refuse the rows
    return _load({"orders": _shipped() / name / "orders.csv"}, {}, Reading("Asia/Tokyo", None, None))


def _load(source: Paths, names: Mapping[str, Mapping[str, str | None]], how: Reading) -> Dataset:
    loaded = {
        table: load_table(open_file(Path(path)), schema.TABLES[table], names.get(table, {}), how)
        for table, path in source.items()
    }
    for item in loaded.values():
        _warn(item)
    return Dataset(loaded, zone=how.zone)


def _warn(item: LoadedTable) -> None:
    """Rows set aside are said aloud: who does not look at `problems` must know as well."""
    if len(item.aside):
        reasons = Reasons(tuple(problem for problem in item.problems if problem.action == "set_aside"))
        facts = {"file": item.source.name, "table": item.model.name, "rows": f"{len(item.aside):,}"}
        warnings.warn(
            RowsLeftOut("set_aside", seen=f"{item.source.rows_read:,}", reasons=reasons, **facts), stacklevel=4
        )


def _check_source(source: object) -> None:
    if not isinstance(source, Mapping) or not source:
        raise ParameterError("no_source", found=type(source).__name__)
    for table, path in source.items():
        if table not in schema.TABLES:
            near = next(iter(difflib.get_close_matches(str(table), schema.TABLES, n=1)), "-")
            raise ParameterError("unknown_table", table=table, nearest=near, options=", ".join(schema.TABLES))
        if not isinstance(path, str | os.PathLike):
            raise ParameterError("no_path", table=table, found=type(path).__name__)


def _own_names(source: Paths, columns: Names | None) -> dict[str, dict[str, str | None]]:
    """Own column names by table, from either way of giving them."""
    flat = {name: own for name, own in (columns or {}).items() if not isinstance(own, Mapping)}
    nested = {name: dict(own) for name, own in (columns or {}).items() if isinstance(own, Mapping)}
    for table in nested:
        if table not in source:
            raise ParameterError("columns_of_no_table", table=table, options=", ".join(source))
    for name in flat:
        if len(source) > 1 and not any(name in schema.TABLES[table] for table in source):
            raise ParameterError("unknown_model_column", table=", ".join(source), column=name, nearest="-")
    shared = {
        table: {name: own for name, own in flat.items() if len(source) == 1 or name in schema.TABLES[table]}
        for table in source
    }
    return {table: shared[table] | nested.get(table, {}) for table in source}


def _shipped() -> Path:
    """The folder of shipped sets: inside the installed package, else beside it in the repository."""
    package = Path(__file__).parents[1]
    inside = package / "_datasets"
    return inside if inside.is_dir() else package.parent / "datasets"
