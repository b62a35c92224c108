"""The pictures of a report: per theme those that the data can feed, drawn from aggregates."""

from __future__ import annotations

import math
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from crmkit import frames, metrics, plots
from crmkit.answers import Answers
from crmkit.errors import CrmkitError
from crmkit.plots.base import BLUE, GREY
from crmkit.reporting.health import Period, label
from crmkit.reporting.parts import Block, Failed, Paragraph, Picture
from crmkit.texts import text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 4  # pictures of a theme
SHARP = 160  # dots per inch: enough for paper
_CSS = 96  # pixels per inch of a page
_MANY_MONTHS = 36
Tables = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """The window of the report."""

    start: datetime
    end: datetime

    @property
    def both(self) -> dict[str, datetime]:
        """As metrics take it."""
        return {"start": self.start, "end": self.end}


@dataclass(frozen=True, slots=True)
class Drawing:
    """One picture: the metric whose needs it has, how its table is made, and how that is drawn."""

    name: str
    metric: str
    make: Callable[[Tables, Span], Any]
    draw: Callable[[Any], Axes]


def _of(name: str, *tables: str, window: str = "both", plot: str = "", **more: Any) -> Drawing:
    """The picture of a metric that takes tables and the window, or what of the window it takes."""

    def make(given: Tables, span: Span) -> Any:
        when = {"both": span.both, "as_of": {"as_of": span.end}, "end": {"end": span.end}, "none": {}}[window]
        return metrics.metric(name)(*(given[table] for table in tables), **when, **more)

    def draw(result: Any) -> Axes:
        axes: Axes = getattr(plots, plot or f"plot_{name}")(result)
        return axes

    return Drawing(plot.removeprefix("plot_") or name, name, make, draw)


def _sales(given: Tables, span: Span) -> dict[datetime, float]:
    """Net sales of each month of the window."""
    orders = frames.as_frame(given["orders"])
    month = frames.period_start(nw.col("ordered_at"), "1mo").cast(nw.Datetime("us"))
    months = _months(span)
    made = {}
    for start, end in zip(months, [*months[1:], span.end], strict=True):
        part = orders.filter((month >= start) & (month < end)) if len(months) > 1 else orders
        made[start] = float(
            metrics.metric("net_sales")(frames.give_back(part), start=start, end=end, refund_basis="order")
        )
    return made


def _months(span: Span) -> list[datetime]:
    found, at = [], span.start
    while at < span.end:
        found.append(at)
        at = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1, day=1)
    return found


def _tickets(given: Tables, span: Span) -> dict[datetime, float]:
    """Tickets opened in each month of the window."""
    at = nw.col("created_at")
    frame = frames.as_frame(given["tickets"]).filter((at >= span.start) & (at < span.end))
    months = frame.select(month=frames.period_start(at, "1mo")).group_by("month").agg(n=nw.len())
    found = {frames.instant(row["month"], "month"): float(row["n"]) for row in frames.rows(months)}
    return {month: found.get(month.replace(day=1), 0.0) for month in _months(span)}


def _campaigns(given: Tables, span: Span) -> Any:
    return metrics.metric("campaign_lift")(
        given["campaign_sends"], orders=given["orders"], as_of=span.end, by="campaign_id"
    )


def _basket(given: Tables, span: Span) -> Any:
    return metrics.metric("association_lift")(given["order_items"], orders=given.get("orders"))


def _nps(given: Tables, span: Span) -> Any:
    return {text("metric.nps.any"): metrics.metric("nps")(given["survey_responses"], **span.both)}


def _bars(axis: str) -> Callable[[Mapping[datetime, float]], Axes]:
    return lambda months: month_bars(months, text(axis))


DRAWINGS: dict[str, tuple[Drawing, ...]] = {
    "relationship": (
        Drawing("sales_by_month", "net_sales", _sales, _bars("report.axis.sales")),
        _of("rfm", "orders", window="as_of"),
        _of("decile_table", "orders"),
        _of("customer_base_movements", "orders"),
        Drawing("nps", "nps", _nps, plots.plot_nps),
        _of("rating_summary", "feedback"),
        _of("topic_counts", "feedback"),
    ),
    "management": (
        _of("field_completeness", "customers", window="none"),
        Drawing("campaign_lift", "campaign_lift", _campaigns, plots.plot_campaign_lift),
        _of("funnel", "leads"),
        Drawing("association_lift", "association_lift", _basket, plots.plot_association_lift),
    ),
    "retention": (
        _of("cohort_retention", "orders", window="as_of"),
        _of("repurchase_curve", "orders", window="as_of"),
        _of("survival_curve", "subscriptions", window="as_of"),
        _of("mrr_movements", "subscriptions"),
    ),
    "service": (
        Drawing("tickets_by_month", "ticket_volume", _tickets, _bars("report.axis.tickets")),
        _of("ticket_times", "tickets", "ticket_events", window="as_of", plot="plot_first_reply_time"),
        _of("pareto", "tickets", window="none", cause="category"),
        _of("backlog_by_day", "tickets", "ticket_events", plot="plot_backlog"),
    ),
}


def pictures(theme: str, tables: Tables, span: Span, answers: Answers) -> Iterator[Block]:
    """The first pictures of a theme that the data can feed, and why one that should be there is not."""
    left = MOST
    for one in DRAWINGS[theme]:
        if not left:
            return
        if not answers.can(one.metric):
            continue
        title, caption = (text(f"report.picture.{one.name}.{what}") for what in ("title", "caption"))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of rows left out: the figures beside it say so
                result = one.make(tables, span)
            made = picture(partial(one.draw, result), title, caption)
        except CrmkitError as error:
            yield Paragraph(text("report.no_picture", title=title, why=error))
            continue
        except Exception as error:  # one picture less is no reason to have no report
            yield _failed(title, error)
            continue
        left -= 1
        yield made


def _failed(title: str, error: Exception) -> Failed:
    """A picture that a library refused to draw. Its own words stay out: they may quote a value, and so a person."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}:{last.lineno}"
    return Failed(text("report.picture_failed", title=title, error=type(error).__name__, place=place), title)


def picture(draw: Callable[[], Axes], title: str, caption: str) -> Picture:
    """What is drawn, as PNG; words from data are shown as they are and never read as formulas."""
    import matplotlib as mpl

    with warnings.catch_warnings(), mpl.rc_context({"text.parse_math": False}), plots.style():
        warnings.simplefilter("ignore")  # a sign that no font has is an empty box, and no reason to have no report
        figure: Any = draw().figure
        return Picture(title, caption, plots.png(figure, dpi=SHARP), round(figure.get_figwidth() * _CSS))


def rows_by_month(found: Period) -> Block:
    """How many rows of the main table each month has: gaps and broken exports show here."""
    months = found.months
    title = text("report.picture.rows_by_month.title", table=label(found.table))
    caption = text(
        "report.picture.rows_by_month.caption", most=f"{max(months.values()):,}", least=f"{min(months.values()):,}"
    )
    try:
        return picture(lambda: month_bars(months, text("report.axis.rows")), title, caption)
    except Exception as error:  # as with any other picture
        return _failed(title, error)


def month_bars(months: Mapping[datetime, float], axis: str) -> Axes:
    """A bar for each month."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    with plots.style():
        _, ax = plots.new_figure(9, 3.4)
        first = min(months)
        places = [(month.year - first.year) * 12 + month.month - first.month for month in months]
        heights = [0.0 if math.isnan(height) else height for height in months.values()]
        ax.bar(places, heights, color=BLUE, width=0.8)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        last = max(places, default=0)
        ticks = range(0, last + 1, max(1, -(-last // 12)))
        named = [(first.year + (first.month - 1 + tick) // 12, (first.month - 1 + tick) % 12 + 1) for tick in ticks]
        ax.set_xticks(list(ticks), [f"{year}-{month:02d}" for year, month in named], color=GREY, fontsize="small")
        ax.set_ylabel(axis)
        ax.set_xlabel(text("plot.month"))
        ax.grid(visible=False, axis="x")
        axes: Axes = ax
        return axes
