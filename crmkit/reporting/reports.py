"""`report`: from loaded tables to a page or a workbook in the shop's own figures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from crmkit import schema
from crmkit.answers import THEMES, Answers, answerable
from crmkit.errors import EmptyTable, ParameterError
from crmkit.estimate import Window
from crmkit.reduction import time_window
from crmkit.reporting.drafts import checked, file_draft
from crmkit.reporting.health import Period, health, label, period, window
from crmkit.reporting.page import figure_label, page
from crmkit.reporting.parts import Block, Failed, Figures, Grid, Paper, Paragraph, Section
from crmkit.reporting.pictures import Span, pictures, rows_by_month
from crmkit.scorecard import figures
from crmkit.texts import in_language, language, text

ENDINGS = (".html", ".xlsx")
Progress = Callable[[str, int, int], None]


def report(
    data: Any,
    out: str | os.PathLike[str],
    *,
    start: Any = None,
    end: Any = None,
    lang: Any = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write the report of a shop: the health of its data, the four themes in its own figures, and what more could be.

    The page is one file that needs nothing else and can be printed; the workbook has the same tables, numbers as
    numbers. Columns that are marked personal never appear. The file takes its name when it is whole: until then, what
    was there before stays.

    Args:
        data: What `load`, `simulate` or `sample` gave, or tables of any engine by their names in the data model.
        out: The file to write, ending in .html or .xlsx.
        start, end: The window of the figures, `[start, end)`; without them the last twelve full months of the data.
        lang: "ja" or "en"; without it, the language in use.
        overwrite: Replace a file that is there.
        progress: Called with the section in work, how many are done and how many there are.

    Returns:
        The path of the file.

    Raises:
        ParameterError: another ending, a file that is there already, a start that is not before the end, or no table.
        EmptyTable: no table has a row with a date.
        CannotWrite: no room, or no right to write there.

    Examples:
        >>> from tempfile import mkdtemp
        >>> import crmkit
        >>> shop = crmkit.sample("ten_customers")
        >>> report(shop, Path(mkdtemp()) / "report.html", lang="en").name
        'report.html'
    """
    place = may_write(out, overwrite=overwrite)
    tables = {name: table for name, table in _tables(data).items() if name in schema.TABLES}
    if not tables:
        raise ParameterError("needed", metric="report", parameter="data")
    with in_language(lang or language()):
        covered = period(tables)
        if covered is None:
            raise EmptyTable("report", found=", ".join(tables))
        span = _span(covered, start, end)
        with file_draft(place, overwrite=overwrite) as draft:
            paper = _paper(data, tables, covered, span, progress or _silent)
            _write(paper, draft, place.suffix.lower())
    return place


def may_write(out: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """The file that a report may be written to.

    Raises:
        ParameterError: as for `report`.
    """
    return checked(out, ENDINGS, overwrite=overwrite)


def _tables(data: Any) -> Mapping[str, Any]:
    found = getattr(data, "tables", data)
    if not isinstance(found, Mapping):
        raise ParameterError("no_table", found=type(data).__name__)
    return found


def _span(covered: Period, start: Any, end: Any) -> Span:
    """The window asked for, the data's own where nothing is."""
    first, last = window(covered)
    given = time_window(start if start is not None else None, end if end is not None else None)
    chosen_end = given.end or last
    chosen_start = given.start or (first if first < chosen_end else covered.first)
    time_window(chosen_start, chosen_end)
    return Span(chosen_start, chosen_end)


def _silent(section: str, done: int, of: int) -> None:
    """Nobody asked."""


def _paper(data: Any, tables: Mapping[str, Any], covered: Period, span: Span, progress: Progress) -> Paper:
    """The whole report, section by section."""
    answers = answerable(tables)
    steps: list[tuple[str, str, Callable[[], Iterator[Block]]]] = [
        ("health", text("report.section.health"), lambda: _health(data, tables, covered))
    ]
    for theme in THEMES:
        steps.append((theme, text(f"answers.theme.{theme}"), partial(_theme, theme, tables, span, answers)))
    steps.append(("more", text("report.section.more"), lambda: _more(answers)))
    sections = []
    for done, (name, title, make) in enumerate(steps):
        progress(title, done, len(steps))
        sections.append(Section(name, title, list(make())))
    progress("", len(steps), len(steps))
    failed = [block.title for section in sections for block in section.blocks if isinstance(block, Failed)]
    lines = [
        text("report.covers", table=label(covered.table), first=covered.first.date(), last=covered.last.date()),
        text("report.window", window=Window(span.start, span.end)),
        text("report.made", day=datetime.now().date()),
    ]
    if failed:
        lines.append(text("report.pictures_failed", count=len(failed), titles=text("report.comma").join(failed)))
    return Paper(text("report.title"), lines, sections)


def _health(data: Any, tables: Mapping[str, Any], covered: Period) -> Iterator[Block]:
    first, *others = health(data, tables)
    yield first
    yield rows_by_month(covered)
    yield from others


def _theme(theme: str, tables: Mapping[str, Any], span: Span, answers: Answers) -> Iterator[Block]:
    """The key figures of a theme, and its pictures."""
    can, of = answers.counts()[theme]
    yield Paragraph(text("report.theme_intro", can=can, of=of))
    found = figures(tables, theme=theme, start=span.start, end=span.end)
    missing = {answer.name: answer.missing for answer in answers}
    there = [one for one in found if not missing.get(one.metric)]
    absent = [figure_label(one) for one in found if missing.get(one.metric)]
    yield Figures(theme, text("report.figures"), there, absent)
    yield from pictures(theme, tables, span, answers)


def _more(answers: Answers) -> Iterator[Block]:
    """What the data could say with more columns."""
    yield Paragraph(text("report.more_intro"))
    lacking = [one for one in answers if not one.can]
    rows = [(one.label, text(f"answers.theme.{one.theme}"), one.name, one.missing) for one in lacking]
    heads = [text(f"answers.head.{head}") for head in ("label", "theme", "name", "missing")]
    if rows:
        yield Grid("more", text("report.more"), heads, rows)
    gains: dict[str, list[str]] = {}
    for one in answers:
        for column in one.better if one.can else ():
            gains.setdefault(column, []).append(one.label)
    if gains:
        ranked = sorted(gains.items(), key=lambda item: -len(item[1]))
        heads = [text(f"report.head.{head}") for head in ("column", "helps", "figures")]
        better = [(column, len(labels), ", ".join(dict.fromkeys(labels))) for column, labels in ranked]
        yield Grid("better", text("report.better"), heads, better)


def _write(paper: Paper, draft: Path, ending: str) -> None:
    if ending == ".xlsx":
        from crmkit.reporting.sheets import write_workbook

        write_workbook(paper, draft)
        return
    with draft.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        for piece in page(paper):
            file.write(piece)
