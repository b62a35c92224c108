"""The report as one HTML page that needs nothing else: no address in it, no script, everything from data escaped."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Sequence
from html import escape
from itertools import count
from pathlib import Path

from crmkit.answers import label_of
from crmkit.reporting.parts import Cell, Figures, Grid, Paper, Paragraph, Picture, Section
from crmkit.scorecard import KeyFigure
from crmkit.texts import language, text

STYLE = Path(__file__).with_name("page.css")
# even if something got through: the page may show its own pictures and style, and do nothing else
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

NOTHING = "<td class='number'>–</td>"


def page(paper: Paper) -> Iterator[str]:
    """The page, piece by piece."""
    yield f"<!DOCTYPE html>\n<html lang='{language()}'>\n<head>\n<meta charset='utf-8'>\n"
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
    yield "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
    yield f"<title>{escape(paper.title)}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n"
    yield f"<body>\n<header>\n<h1>{escape(paper.title)}</h1>\n"
    yield from (f"<p>{escape(line)}</p>\n" for line in paper.lines)
    yield f"</header>\n<nav aria-label='{escape(text('report.contents'), quote=True)}'>\n<ol>\n"
    yield from (f"<li><a href='#{one.id}'>{escape(one.title)}</a></li>\n" for one in paper.sections)
    yield "</ol>\n</nav>\n<main>\n"
    yield from body(paper)
    yield f"</main>\n<footer><p>{escape(paper.footer or text('report.footer'))}</p></footer>\n</body>\n</html>\n"


def body(paper: Paper) -> Iterator[str]:
    """The chapters alone, for a page that there is already."""
    numbers = count(1)
    for section in paper.sections:
        yield from _section(section, numbers)


def _section(section: Section, numbers: Iterator[int]) -> Iterator[str]:
    yield f"<section id='{section.id}' aria-labelledby='{section.id}-title'>\n"
    yield f"<h2 id='{section.id}-title'>{escape(section.title)}</h2>\n"
    for block in section.blocks:
        if isinstance(block, Paragraph):
            yield f"<p>{escape(block.text)}</p>\n"
        elif isinstance(block, Picture):
            yield from _picture(block, next(numbers))
        elif isinstance(block, Figures):
            yield from _figures(block)
        else:
            yield from _grid(block)
    yield "</section>\n"


def _picture(picture: Picture, number: int) -> Iterator[str]:
    yield f"<figure>\n<h3>{escape(text('report.picture_title', number=number, title=picture.title))}</h3>\n"
    coded = base64.b64encode(picture.png).decode("ascii")
    alt = escape(f"{picture.title}: {picture.caption}", quote=True)
    yield f"<img width='{picture.width}' alt=\"{alt}\" src='data:image/png;base64,{coded}'>\n"
    yield f"<figcaption>{escape(picture.caption)}</figcaption>\n</figure>\n"


def _grid(grid: Grid) -> Iterator[str]:
    numeric = [_numeric([row[place] for row in grid.rows]) for place in range(len(grid.heads))]
    yield f"<h3>{escape(grid.caption)}</h3>\n<div class='wide'><table>\n<thead><tr>"
    yield from (
        f"<th scope='col'{_kind(is_number)}>{escape(head)}</th>"
        for head, is_number in zip(grid.heads, numeric, strict=True)
    )
    yield "</tr></thead>\n<tbody>\n"
    for row in grid.rows:
        first, *others = zip(row, numeric, strict=True)
        yield f"<tr><th scope='row'>{escape(shown(first[0]))}</th>"
        yield from (f"<td{_kind(is_number)}>{escape(shown(cell))}</td>" for cell, is_number in others)
        yield "</tr>\n"
    yield "</tbody>\n</table></div>\n"


def _figures(figures: Figures) -> Iterator[str]:
    heads = "".join(
        f"<th scope='col'{_kind(head in ('value', 'interval', 'n'))}>{escape(text(f'report.head.{head}'))}</th>"
        for head in ("figure", "value", "interval", "n", "meaning")
    )
    yield f"<h3>{escape(figures.caption)}</h3>\n<div class='wide'><table class='figures'>\n"
    yield f"<thead><tr>{heads}</tr></thead>\n<tbody>\n"
    for one in figures.found:
        yield _figure(one)
    yield "</tbody>\n</table></div>\n"
    if figures.absent:
        said = text("report.absent", figures=text("report.comma").join(figures.absent))
        yield f"<p>{escape(said)}</p>\n"


def _figure(one: KeyFigure) -> str:
    label, made = figure_label(one), one.estimate
    if made is None or math.isnan(made.value):
        why = one.note or text("estimate.no_data")
        return f"<tr class='none'><th scope='row'>{escape(label)}</th>{3 * NOTHING}<td>{escape(why)}</td></tr>\n"
    note = f"<br><small>{escape(one.note)}</small>" if one.note else ""
    return (
        f"<tr><th scope='row'>{escape(label)}</th><td class='number value'>{escape(made.shown(made.value))}</td>"
        f"<td class='number'>{escape(interval(one))}</td><td class='number'>{made.n:,}</td>"
        f"<td>{escape(str(made.definition))}{note}</td></tr>\n"
    )


def figure_label(one: KeyFigure) -> str:
    """What a figure is called, whether it could be made or not."""
    return label_of(one.metric) if one.estimate is None else one.estimate.label


def interval(one: KeyFigure) -> str:
    """The ends of a figure's interval; a dash where it has none."""
    made = one.estimate
    if made is None or (math.isnan(made.low) and math.isnan(made.high)):
        return "–"
    return text("report.interval", low=made.shown(made.low), high=made.shown(made.high))


def shown(cell: Cell) -> str:
    """A cell as people read it."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return "–"
    if isinstance(cell, str):
        return cell
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:,.2f}"


def _numeric(cells: Sequence[Cell]) -> bool:
    return any(isinstance(cell, int | float) for cell in cells)


def _kind(is_number: bool) -> str:
    return " class='number'" if is_number else ""
