"""Tables in and out: a shop's own files with every row accounted for, saved folders, and the sets that come along."""

from __future__ import annotations

import difflib
import os
import warnings
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import overload
from zoneinfo import ZoneInfo

from crmkit import schema
from crmkit.datasets.crm import Crm
from crmkit.datasets.dataset import Dataset
from crmkit.datasets.files import PARQUET_FILES, TEXT_FILES, open_file
from crmkit.datasets.hashes import fingerprint
from crmkit.datasets.manifest import MANIFEST, is_saved
from crmkit.datasets.problems import Reasons
from crmkit.datasets.saved import open_saved
from crmkit.datasets.tables import LoadedTable, load_table
from crmkit.datasets.values import Reading
from crmkit.errors import ParameterError, RowsLeftOut

__all__ = ["Crm", "Dataset", "fingerprint", "load", "sample"]

Paths = Mapping[str, str | os.PathLike[str]]
Names = Mapping[str, str | None] | Mapping[str, Mapping[str, str | None]]


_ZONE = "Asia/Tokyo"


@overload
def load(
    source: Paths, *, columns: Names | None = ..., zone: str = ..., dayfirst: bool | None = ..., verify: bool = ...
) -> Dataset: ...
@overload
def load(source: str | os.PathLike[str], *, verify: bool = ...) -> Crm: ...
def load(
    source: Paths | str | os.PathLike[str],
    *,
    columns: Names | None = None,
    zone: str = _ZONE,
    dayfirst: bool | None = None,
    verify: bool = False,
) -> Crm:
    """Load your own files into the data model, or a folder that crmkit saved.

    Your own files: `load({"orders": "shop.csv"})` says what is wrong with which rows and how to mend it. The files are
    only read. Every row is either loaded or set aside: a row is set aside when a key, a date that the
    table needs or an amount cannot be used, because a count or a sum would be wrong with it; any other value that
    cannot be used is emptied. Both are counted in `problems`. Dates are read as 2024-04-01 10:05, 2024/4/1,
    20240401 and 2024年4月1日; amounts also as ¥1,200 or 1200円.

    A saved folder: `load("shop")` gives back exactly what `crm.save("shop")` or `crmkit generate` wrote, in any format.
    That all files are there and have their rows is checked at once; a table is read when it is first asked for, and its
    content is then compared with the fingerprint in the manifest, so that nothing changed or damaged is used unseen.

    Args:
        source: Files by table: `{"orders": "shop.csv"}`, or the path of a saved folder. Files may be CSV, TSV (comma,
            tab or semicolon; UTF-8 or Shift_JIS, found by itself) or Parquet. The tables and their columns are those
            of `datasets/README.md`; `orders` needs `customer_id` and `ordered_at`, and `net_amount` for all that is
            about money.
        columns: Your own column names by the data model's: `{"customer_id": "会員番号"}`; for several tables also
            `{"orders": {"customer_id": "会員番号"}}`. Columns that are not named are found by the model's names;
            `None` leaves one out.
        zone: Time zone of the shop's clock; instants that carry a zone of their own are turned into it.
        dayfirst: Whether 03/04/2024 is the 3rd of April. Such dates are refused unless you say so.
        verify: Read all tables of a saved folder once and compare them now, instead of each when it is asked for.

    Returns:
        A `Dataset`: `crm.orders` and so on as pandas tables, `crm.problems`, `crm.rejected` and `crm.report()`; for a
        saved folder a `Crm` with the facts, the zone and the truth that were saved.

    Raises:
        UnreadableFile: the file is not there, or not a table; the folder is not there, not finished, not one that
            crmkit saved, or has been changed.
        EmptyTable: no row in it, or none that can be used.
        MissingColumn: a column that the table cannot do without, or that `columns` names, is not in the file.
        WrongType: a column cannot be read in more than half of the rows, or its dates can be read in two ways.
        ParameterError: an unknown table, column or zone; or one is given for a saved folder, which has its own.

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
    if isinstance(source, str | os.PathLike) and not _is_one_file(Path(source)):
        given = {"columns": columns, "dayfirst": dayfirst, "zone": None if zone == _ZONE else zone}
        for parameter, value in given.items():
            if value is not None:
                raise ParameterError("only_for_files", parameter=parameter)
        return _load_saved(Path(source).expanduser(), verify=verify)
    _check_source(source)
    assert isinstance(source, Mapping)
    names = _own_names(source, columns)
    try:
        now = datetime.now(ZoneInfo(zone)).replace(tzinfo=None)
    except (KeyError, ValueError, TypeError, OSError):
        raise ParameterError("unknown_zone", zone=zone) from None
    return _load(source, names, Reading(zone, now, dayfirst))


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
    return _load({"orders": _shipped() / name / "orders.csv"}, {}, Reading("Asia/Tokyo", None, None))


def _is_one_file(path: Path) -> bool:
    return path.is_file() or (path.suffix.lower() in TEXT_FILES + PARQUET_FILES and not path.is_dir())


def _load_saved(folder: Path, *, verify: bool) -> Crm:
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
