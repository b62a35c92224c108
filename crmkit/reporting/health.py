"""The first chapter: what was read, what became of every row, what is wrong and how to mend it, and the months."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import narwhals.stable.v2 as nw

from crmkit import frames, schema
from crmkit.datasets.account import TableAccount
from crmkit.datasets.dataset import Dataset
from crmkit.metrics.management.data import validate_tables
from crmkit.reporting.parts import Block, Cell, Grid, Paragraph
from crmkit.texts import text

# what the loader calls that the rules of the model count as well: told once, with its mend
_SAME_AS = {
    "orphan": "orphan",
    "orphan_by_writing": "orphan",
    "backwards": "out_of_order",
    "amounts_disagree": "amounts_disagree",
}
FIRST = ("orders", "tickets", "subscriptions", "survey_responses", "interactions", "leads", "feedback")


@dataclass(frozen=True, slots=True)
class Period:
    """What a table says about time: its first and last instant and its rows by month."""

    table: str
    column: str
    first: datetime
    last: datetime
    months: Mapping[datetime, int]


def period(tables: Mapping[str, Any]) -> Period | None:
    """The time that the data cover, by the first table that has any: orders where there are some."""
    for name in (*FIRST, *(name for name in schema.TABLES if name not in FIRST)):
        column = _instant(name)
        if name in tables and column is not None:
            found = _period(tables[name], name, column)
            if found is not None:
                return found
    return None


def _instant(table: str) -> str | None:
    """The instant that a row of a table is about."""
    columns = (one.name for one in schema.TABLES[table].columns if one.kind in ("instant", "date"))
    required = (
        name for name in columns if schema.TABLES[table][name].required and not schema.TABLES[table][name].ahead
    )
    return next(required, None)


def _period(native: Any, table: str, column: str) -> Period | None:
    frame = frames.as_frame(native)
    if column not in frame.collect_schema():
        return None
    at = nw.col(column)
    known = frame.select(at).filter(~at.is_null())
    ends = frames.row(known.select(first=at.min(), last=at.max()))
    if ends["first"] is None:
        return None
    by_month = known.select(month=frames.period_start(at, "1mo")).group_by("month").agg(n=nw.len())
    counted = {frames.instant(row["month"], "month"): int(row["n"]) for row in frames.rows(by_month)}
    first, last = (frames.instant(ends[end], end) for end in ("first", "last"))
    return Period(table, column, first, last, dict(sorted(counted.items())))


def window(found: Period) -> tuple[datetime, datetime]:
    """The last twelve full months of the data; fewer where there are fewer, and all of it if no month is full."""
    tomorrow = datetime(found.last.year, found.last.month, found.last.day) + timedelta(days=1)
    end = tomorrow.replace(day=1)
    start = max(end.replace(year=end.year - 1), found.first.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
    if start >= end:
        return datetime(found.first.year, found.first.month, found.first.day), tomorrow
    return start, end


def health(data: Any, tables: Mapping[str, Any]) -> Iterator[Block]:
    """What was read and what is wrong with it; months and pictures come after."""
    yield Paragraph(text("report.health.intro"))
    yield _account(data, tables)
    yield from _problems(data)
    yield from _checks(data, tables)
    yield from _mapping(data)


def _account(data: Any, tables: Mapping[str, Any]) -> Grid:
    """Rows read, loaded, set aside and dropped by repairs, by table; what was not read from files has its rows."""
    told = {one.table: one for one in account_of(data)}
    rows: list[tuple[Cell, ...]] = []
    for name in tables:
        one, length = told.get(name), _length(tables[name])
        counts = (length, length, 0, 0) if one is None else (one.read, one.loaded, one.aside, one.dropped)
        rows.append((label(name), name if one is None else one.source, *counts))
    heads = [text(f"report.head.{head}") for head in ("table", "source", "read", "loaded", "aside", "dropped")]
    if not any(row[-1] for row in rows):  # few have anything repaired before the report
        rows, heads = [row[:-1] for row in rows], heads[:-1]
    return Grid("account", text("report.health.account"), heads, rows)


def account_of(data: Any) -> Sequence[TableAccount]:
    """What became of the rows that were read; nothing of data that were not read from files."""
    return data.account if isinstance(data, Dataset) else ()


def _length(native: Any) -> int:
    return int(frames.row(frames.as_frame(native).select(n=nw.len()))["n"])


def label(table: str) -> str:
    """A table in the reader's words."""
    return text(f"table.{table}") if table in schema.TABLES else table


def _problems(data: Any) -> Iterator[Block]:
    """What the loader found; values are not shown, since a person's name may stand in any column of a broken row."""
    if not isinstance(data, Dataset):
        return
    found: Any = data.problems
    if not len(found):
        yield Paragraph(text("report.health.no_problems"))
        return
    lines = _first_lines(data)
    rows = [
        (
            label(row.table),
            row.column,
            row.problem,
            int(row.rows),
            row.action,
            lines.get((row.table, row.column, row.problem), ""),
            row.mend,
        )
        for row in found.itertuples(index=False)
    ]
    heads = [text(f"report.head.{head}") for head in ("table", "column", "problem", "rows", "action", "lines", "mend")]
    yield Grid("problems", text("report.health.problems"), heads, rows)


def _first_lines(data: Any) -> dict[tuple[str, str, str], str]:
    """The first lines of the source that were set aside for each problem."""
    return {
        (one.table, reason.problem.column, reason.what): ", ".join(
            [*map(str, reason.lines), *(["…"] if reason.rows > len(reason.lines) else [])]
        )
        for one in data.account
        for reason in one.reasons
    }


def _checks(data: Any, tables: Mapping[str, Any]) -> Iterator[Block]:
    """Rows that break the model's rules, or disagree with another table; what the loader found stands above."""
    known = {name: table for name, table in tables.items() if name in schema.TABLES}
    if not known:
        return
    problems = data.each_problem() if isinstance(data, Dataset) else ()
    said = {(one.table, one.column, _SAME_AS[one.kind]) for one in problems if one.kind in _SAME_AS}
    found = frames.rows(frames.as_frame(validate_tables(known)))
    rows = [
        (
            label(row["table"]),
            row["column"] or "",
            text(f"report.check.{row['check']}"),
            int(row["rows"]),
            int(row["of"]),
        )
        for row in found
        if (row["table"], row["column"], row["check"]) not in said
    ]
    if not found:
        yield Paragraph(text("report.health.no_checks"))
    if not rows:
        return
    heads = [text(f"report.head.{head}") for head in ("table", "column", "problem", "rows", "of")]
    yield Grid("checks", text("report.health.checks"), heads, rows)


def _mapping(data: Any) -> Iterator[Block]:
    """How columns were understood, without any value of them."""
    if not isinstance(data, Dataset):
        return
    rows = [
        (row.own, row.source, label(row.table) if row.table else "", row.column, row.told_by)
        for row in data.mapping.rows
    ]
    heads = [text(f"report.head.{head}") for head in ("own", "source", "table", "column", "told_by")]
    yield Grid("columns", text("report.health.columns"), heads, rows)
