"""Tables for other programs, written so that nothing in them is computed when a spreadsheet opens them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.errors import ParameterError
from crmkit.reporting.drafts import checked, file_draft
from crmkit.reporting.sheets import SAFE, fitting
from crmkit.texts import text

ENDINGS = (".csv", ".xlsx")
MOST_ROWS = 1_048_575  # of a sheet, below its header
_RISKY = tuple(
    "=+-@\t\r\n＝＋－＠'"
)  # what a spreadsheet takes for the beginning of a formula, or for its mark of text
_SHEET_NAME = 31


def export(data: Any, out: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a table, or all tables of a shop, as CSV or Excel that is safe to open.

    Text that a spreadsheet would take for a formula, such as `=HYPERLINK(…)`, gets an apostrophe in front in CSV
    (`crmkit.load` takes it away again); in Excel it is text in any case. Numbers stay numbers, negative ones too. All
    columns are written: leave out what is personal before you pass a file on.

    Args:
        data: A table of any engine; or what `load` and `simulate` give, or tables by name: one sheet each.
        out: The file to write, ending in .csv (one table only; UTF-8 with a mark, so that Excel knows it) or .xlsx.
        overwrite: Replace a file that is there.

    Returns:
        The path of the file.

    Raises:
        ParameterError: another ending, a file that is there already, several tables for one CSV, more rows than a
            sheet can hold, or no table.
        CannotWrite: no room, or no right to write there.

    Examples:
        >>> import pandas as pd
        >>> from tempfile import mkdtemp
        >>> table = pd.DataFrame({"name": ["=1+1", "A"], "change": [-5, 3]})
        >>> place = export(table, Path(mkdtemp()) / "table.csv")
        >>> place.read_text(encoding="utf-8-sig").splitlines()
        ['name,change', "'=1+1,-5", 'A,3']
    """
    place = checked(out, ENDINGS, overwrite=overwrite)
    tables = _tables(data)
    if place.suffix.lower() == ".csv" and len(tables) > 1:
        raise ParameterError("export_one", tables=", ".join(tables))
    opened = {name: frames.fetch(frames.as_frame(table)) for name, table in tables.items()}
    for name, table in opened.items():
        if place.suffix.lower() == ".xlsx" and len(table) > MOST_ROWS:
            raise ParameterError("export_rows", table=name, rows=len(table), most=MOST_ROWS)
    with file_draft(place, overwrite=overwrite) as draft:
        if place.suffix.lower() == ".csv":
            _write_csv(next(iter(opened.values())), draft)
        else:
            _write_workbook(opened, draft)
    return place


def defused(words: str) -> str:
    """Text with an apostrophe in front where a spreadsheet would take it for a formula."""
    return f"'{words}" if words.startswith(_RISKY) else words


def _tables(data: Any) -> Mapping[str, Any]:
    found = getattr(data, "tables", data)
    if isinstance(found, Mapping):
        if not found:
            raise ParameterError("needed", metric="export", parameter="data")
        return found
    return {text("report.sheet.table"): data}


def _write_csv(table: nw.DataFrame[Any], draft: Path) -> None:
    """RFC 4180; the apostrophes are set in the engine, so that millions of rows take no longer than they must."""
    safe = table.with_columns(
        nw.when(nw.col(name).str.contains("^[=+\\-@\t\r\n＝＋－＠']"))
        .then(nw.concat_str(nw.lit("'"), nw.col(name)))
        .otherwise(nw.col(name))
        .alias(name)
        for name, kind in table.schema.items()
        if kind == nw.String
    )
    others = [name for name, kind in safe.schema.items() if kind in (nw.Object, nw.Categorical, nw.Enum)]
    safe = safe.with_columns(
        nw.new_series(
            name,
            [None if _none(value) else defused(str(value)) for value in table[name].to_list()],
            nw.String,
            backend=table.implementation,
        )
        for name in others
    )
    safe = safe.rename({name: defused(name) for name in safe.columns})
    with draft.open("wb") as file:
        file.write("\ufeff".encode())
        file.write(safe.write_csv().encode("utf-8", "replace"))


def _write_workbook(tables: Mapping[str, nw.DataFrame[Any]], draft: Path) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(str(draft), {**SAFE, "constant_memory": True}) as book:
        head = book.add_format({"bold": True, "bg_color": "#F4F7FA", "bottom": 1})
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        used: set[str] = set()
        for name, table in tables.items():
            sheet = book.add_worksheet(_sheet_name(name, used))
            sheet.freeze_panes(1, 0)
            for column, title in enumerate(table.columns):
                sheet.write_string(0, column, fitting(title), head)
            for row, values in enumerate(table.iter_rows(), start=1):
                _write_row(sheet, row, values, moment, day)


def _sheet_name(name: str, used: set[str]) -> str:
    """A name that Excel takes: without its signs for references, short, and of one sheet only."""
    plain = re.sub(r"[\[\]:*?/\\]", "_", name).strip("'") or "_"
    made, number = plain[:_SHEET_NAME], 1
    while made.casefold() in used:
        number += 1
        made = f"{plain[: _SHEET_NAME - 4]} {number}"
    used.add(made.casefold())
    return made


def _write_row(sheet: Any, row: int, values: Iterable[Any], moment: Any, day: Any) -> None:
    for column, raw in enumerate(values):
        value = raw.item() if hasattr(raw, "item") else raw
        if _none(value):
            continue
        if isinstance(value, bool):
            sheet.write_boolean(row, column, value)
        elif isinstance(value, int | float):
            _write_number(sheet, row, column, value)
        elif isinstance(value, datetime) and value.year >= 1900 and value.tzinfo is None:
            sheet.write_datetime(row, column, value, moment)
        elif isinstance(value, date) and not isinstance(value, datetime) and value.year >= 1900:
            sheet.write_datetime(row, column, datetime.combine(value, time()), day)
        else:
            sheet.write_string(row, column, fitting(str(value)))


def _write_number(sheet: Any, row: int, column: int, value: int | float) -> None:
    """A number; one that Excel cannot hold in full is text, so that no digit is lost."""
    if abs(value) == float("inf") or (isinstance(value, int) and abs(value) >= 10**15):
        sheet.write_string(row, column, str(value))
    else:
        sheet.write_number(row, column, value)


def _none(value: Any) -> bool:
    return value is None or frames.plain(value) is None
