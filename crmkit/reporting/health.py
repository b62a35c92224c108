"""The first chapter: what was read, what became of every row, what is wrong and how to mend it, and the months."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import narwhals.stable.v2 as nw

from crmkit import frames, schema
from crmkit.metrics.management.data import validate_tables
from crmkit.reporting.parts import Block, Grid, Paragraph
from crmkit.texts import text

FIRST = ("orders", "tickets", "subscriptions", "survey_responses", "interactions", "leads", "feedback")
_LINES = 3  # line numbers that are named of each problem


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
    yield from _checks(tables)
    yield from _mapping(data)


def _account(data: Any, tables: Mapping[str, Any]) -> Grid:
    """Rows read, loaded and set aside, by table."""
    rejected = getattr(data, "rejected", {})
    sources = {row.table: row.source for row in data.mapping.rows if row.table} if hasattr(data, "mapping") else {}
    rows = []
    for name in tables:
        loaded, aside = _length(tables[name]), len(rejected.get(name, ()))
        rows.append((label(name), sources.get(name, name), loaded + aside, loaded, aside))
    heads = [text(f"report.head.{head}") for head in ("table", "source", "read", "loaded", "aside")]
    return Grid("account", text("report.health.account"), heads, rows)


def _length(native: Any) -> int:
    return int(frames.row(frames.as_frame(native).select(n=nw.len()))["n"])


def label(table: str) -> str:
    """A table in the reader's words."""
    return text(f"table.{table}") if table in schema.TABLES else table


def _problems(data: Any) -> Iterator[Block]:
    """What the loader found; values are not shown, since a person's name may stand in any column of a broken row."""
    if not hasattr(data, "problems") or not hasattr(data, "rejected"):
        return
    found = data.problems
    if not len(found):
        yield Paragraph(text("report.health.no_problems"))
        return
    rows = [
        (
            label(row.table),
            row.column,
            row.problem,
            int(row.rows),
            row.action,
            _lines(data, row.table, row.problem),
            row.mend,
        )
        for row in found.itertuples(index=False)
    ]
    heads = [text(f"report.head.{head}") for head in ("table", "column", "problem", "rows", "action", "lines", "mend")]
    yield Grid("problems", text("report.health.problems"), heads, rows)


def _lines(data: Any, table: str, problem: str) -> str:
    """The first lines of the source that were set aside for a problem."""
    aside = data.rejected.get(table)
    if aside is None or "reason" not in aside:
        return ""
    lines = aside.loc[aside["reason"] == problem, "line"]
    told = [str(line) for line in lines.head(_LINES)]
    return ", ".join([*told, *(["…"] if len(lines) > _LINES else [])])


def _checks(tables: Mapping[str, Any]) -> Iterator[Block]:
    """Rows that break the model's rules, or disagree with another table."""
    known = {name: table for name, table in tables.items() if name in schema.TABLES}
    if not known:
        return
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
    ]
    if not rows:
        yield Paragraph(text("report.health.no_checks"))
        return
    heads = [text(f"report.head.{head}") for head in ("table", "column", "problem", "rows", "of")]
    yield Grid("checks", text("report.health.checks"), heads, rows)


def _mapping(data: Any) -> Iterator[Block]:
    """How columns were understood, without any value of them."""
    if not hasattr(data, "mapping"):
        return
    rows = [
        (row.own, row.source, label(row.table) if row.table else "", row.column, text(f"mapping.by.{row.by}"))
        for row in data.mapping.rows
    ]
    heads = [text(f"report.head.{head}") for head in ("own", "source", "table", "column", "told_by")]
    yield Grid("columns", text("report.health.columns"), heads, rows)
