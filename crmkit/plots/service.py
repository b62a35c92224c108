"""Pictures of the help desk: how long customers wait, how much is open, and which promises are kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.estimate import Estimate
from crmkit.plots.base import BLUE, GREY, INK, ORANGE, RED, new_figure, nothing, paper, style
from crmkit.spread import spread
from crmkit.texts import has_text, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = tuple[str, float, float, float, str]
BARS = 40
HOUR, DAY = 60, 1440


def plot_sla_attainment_rate(result: Any, *, ax: Axes | None = None, most: int = 20) -> Axes:
    """Shares of promises kept, one line each, with their intervals and counts.

    Args:
        result: What `sla_attainment_rate` gives: an `Estimate`, several by label, or a table by group.
        ax: Where to draw; a new figure if not given.
        most: How many lines at most, those about most tickets first.

    Returns:
        The Axes; x in per cent.

    Examples:
        >>> from crmkit.estimate import Definition, Window, share
        >>> axes = plot_sla_attainment_rate(share(90, 100, Window(), Definition("sla_attainment_rate.resolution")))
    """
    rows = [
        (label, 100 * value, 100 * low, 100 * high, text("plot.desk.kept", share=value, kept=above, decided=n))
        for label, value, low, high, above, n in _lines(result, most)
    ]
    axes = _dots(rows, ax, text("plot.desk.kept_axis"))
    axes.set_xlim(0, 100)
    return axes


def plot_backlog_age(result: Any, *, ax: Axes | None = None, most: int = 20) -> Axes:
    """How old open tickets are, one line each, with the interval.

    Args:
        result: What `backlog_age` gives: an `Estimate`, several by label, or a table by group.
        ax: Where to draw; a new figure if not given.
        most: How many lines at most, those about most tickets first.

    Returns:
        The Axes; x in days.

    Examples:
        >>> from crmkit.estimate import Definition, Estimate, Window
        >>> definition = Definition("backlog_age.calendar", {"as_of": "2026-03-01"})
        >>> axes = plot_backlog_age(Estimate(3.0, 1.0, 7.0, 40, 40, 40, Window(), definition, "days", method="order"))
    """
    rows = [
        (label, value, low, high, text("plot.desk.days", days=value, n=n))
        for label, value, low, high, _, n in _lines(result, most)
    ]
    axes = _dots(rows, ax, text("plot.desk.days_axis"))
    ends = [end for row in rows for end in row[1:4] if not math.isnan(end)]
    axes.set_xlim(0, 1.1 * max(ends, default=1))
    return axes


def plot_first_reply_time(times: Any, *, column: str = "first_reply_minutes", ax: Axes | None = None) -> Axes:
    """How waits are distributed: how many tickets waited how long, with the median and the 90th percentile.

    Args:
        times: What `ticket_times` gives, of any engine; only the heights of the bars are fetched.
        column: Which of its minutes.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes; x in minutes, hours or days, as long as the waits are. The longest tenth of the tickets may run out
        of the picture; the last bar holds all of it.

    Examples:
        >>> import pandas as pd
        >>> axes = plot_first_reply_time(pd.DataFrame({"first_reply_minutes": [5.0, 50.0, 90.0], "hours": "calendar"}))
    """
    frame: Any = frames.as_frame(times)
    known = frame.filter(~nw.col(column).is_null()).select(minutes=nw.col(column).cast(nw.Float64))
    with style():
        ax = ax if ax is not None else new_figure(8, 4)[1]
        found = spread(known, "minutes")
        hours = "calendar"
        if "hours" in frame.collect_schema():
            said = frames.rows(frame.select("hours").head(1))
            hours = str(said[0]["hours"]) if said else hours
        if not len(found["n"]):
            return nothing(ax)
        median, p90, n = float(found["median"][0]), float(found["p90"][0]), int(found["n"][0])
        unit, scale = _unit(p90)
        width = max(1.5 * p90, 1.0) / BARS
        _bars(ax, known, width, scale)
        top = ax.get_ylim()[1] * 1.2
        ax.set_ylim(0, top)
        _mark(ax, median / scale, top, text(f"plot.desk.median_{unit}", value=median / scale), BLUE, "-")
        _mark(ax, p90 / scale, top, text(f"plot.desk.p90_{unit}", value=p90 / scale), RED, "--")
        name = f"plot.desk.column.{column}"
        ax.set_xlabel(
            text(
                f"plot.desk.wait_{unit}",
                what=text(name) if has_text(name) else column,
                hours=text(f"plot.desk.hours_{hours}"),
            )
        )
        ax.set_ylabel(text("plot.desk.tickets"))
        ax.set_title(text("plot.desk.n", n=n), loc="right", fontsize="small", color=GREY)
        ax.grid(axis="x", visible=False)
        return ax


def plot_backlog(days: Any, *, ax: Axes | None = None) -> Axes:
    """How many tickets were open at the end of each day.

    Args:
        days: What `backlog_by_day` gives, of any engine.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes; x in days, y in tickets. Beside the name of the axis, how many came and were solved in all.

    Examples:
        >>> import pandas as pd
        >>> days = {"date": pd.date_range("2026-03-01", periods=3), "backlog": [1, 3, 2]}
        >>> axes = plot_backlog(pd.DataFrame({**days, "created": [1, 2, 0], "solved": [0, 0, 1], "reopened": 0}))
    """
    rows = sorted(frames.rows(frames.as_frame(days)), key=lambda row: row["date"])
    with style():
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
        from matplotlib.ticker import MaxNLocator

        ax = ax if ax is not None else new_figure(9, 3.6)[1]
        at, stock = [row["date"] for row in rows], [int(row["backlog"]) for row in rows]
        ax.fill_between(at, stock, step="post", color=BLUE, alpha=0.15, linewidth=0)
        ax.step(at, stock, where="post", color=BLUE, linewidth=1.6)
        ax.set_ylim(0, 1.25 * max(stock, default=1) + 1)
        if rows:
            peak = max(range(len(rows)), key=lambda place: stock[place])
            for place, side in ((peak, "center"), (len(rows) - 1, "left")):
                ax.plot(at[place], stock[place], "o", color=INK, markersize=4, zorder=3)
                ax.annotate(
                    f"{stock[place]:,}", (at[place], stock[place]), (0, 7) if side == "center" else (6, 0),
                    textcoords="offset points", ha=side, va="bottom" if side == "center" else "center", bbox=paper(),
                )  # fmt: skip
        flows = {name: sum(int(row[name]) for row in rows) for name in ("created", "solved", "reopened")}
        ax.set_title(text("plot.desk.flows", **flows), loc="right", fontsize="small", color=GREY)
        locator = AutoDateLocator(maxticks=10)
        ax.xaxis.set_major_locator(locator)
        formats = ["%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M", "%S"]
        months = ConciseDateFormatter(locator, formats=formats, zero_formats=["", *formats[:-1]], show_offset=False)
        ax.xaxis.set_major_formatter(months)
        ax.yaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True))
        ax.set_xlabel(text("plot.desk.day"))
        ax.set_ylabel(text("plot.desk.open_tickets"))
        ax.grid(axis="x", visible=False)
        return ax if rows else nothing(ax)


def _lines(result: Any, most: int) -> list[tuple[str, float, float, float, float, int]]:
    """Label, value, low, high, numerator and n of each figure; of many, those with the largest n."""
    if isinstance(result, Estimate):
        result = {result.label: result}
    if isinstance(result, Mapping):
        return [(name, one.value, one.low, one.high, one.numerator, one.n) for name, one in result.items()]
    frame: Any = frames.as_frame(result)
    group = frame.collect_schema().names()[0]
    rows = sorted(frames.rows(frame), key=lambda row: (-row["n"], str(row[group])))[:most]
    lines = []
    for row in rows:
        value, low, high, above = (
            math.nan if row[name] is None else float(row[name]) for name in ("value", "low", "high", "numerator")
        )
        lines.append((_named(row[group]), value, low, high, above, int(row["n"])))
    return lines


def _named(group: Any) -> str:
    if frames.plain(group) is None:
        return text("plot.desk.none")
    key = f"plot.desk.group.{group}"
    return text(key) if has_text(key) else str(group)


def _dots(rows: list[Row], ax: Axes | None, axis: str) -> Axes:
    """A dot with its interval and its numbers in words on each line."""
    with style():
        ax = ax if ax is not None else new_figure(7, 0.9 + 0.5 * max(len(rows), 1))[1]
        for place, (_, value, low, high, said) in enumerate(rows):
            beside: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center", "annotation_clip": False}
            if math.isnan(value):
                ax.annotate(text("estimate.no_data"), (1.02, -place), color=GREY, fontsize="small", **beside)
                continue
            if not math.isnan(low) or not math.isnan(high):
                ends = [value if math.isnan(end) else end for end in (low, high)]
                ax.plot(ends, [-place, -place], color=BLUE, linewidth=2.5, alpha=0.55)
            ax.plot(value, -place, "o", color=BLUE, markersize=8, clip_on=False, zorder=3)
            ax.annotate(said, (1.02, -place), color=INK, fontsize="small", **beside)
        ax.set_yticks([-place for place in range(len(rows))], [row[0] for row in rows])
        ax.set_ylim(-max(len(rows), 1) + 0.4, 0.6)
        ax.set_xlabel(axis)
        ax.grid(axis="y", visible=False)
        return ax if rows else nothing(ax)


def _unit(minutes: float) -> tuple[str, float]:
    """The unit in which so long a wait is said, and its minutes."""
    if minutes < 3 * HOUR:
        return "minutes", 1.0
    return ("hours", float(HOUR)) if minutes < 5 * DAY else ("days", float(DAY))


def _bars(ax: Axes, known: Any, width: float, scale: float) -> None:
    """The histogram, counted in the engine; what lies beyond the last bar is in it."""
    place = (nw.col("minutes") / width).floor().cast(nw.Int64)
    place = nw.when(place < BARS).then(place).otherwise(BARS - 1)
    rows = frames.rows(known.select(place=place).group_by("place").agg(n=nw.len()))
    counted = {int(row["place"]): int(row["n"]) for row in rows}
    heights = [counted.get(bar, 0) for bar in range(BARS)]
    edges = [bar * width / scale for bar in range(BARS + 1)]
    # one shape for all bars but the last: forty of their own take longer to draw than everything else
    ax.stairs(heights[:-1], edges[:-1], fill=True, color="#a9c4d6", linewidth=0)
    ax.vlines(edges[1:-1], 0, heights[:-1], color="white", linewidth=0.5)
    ax.stairs(heights[-1:], edges[-2:], fill=True, color=ORANGE, linewidth=0)
    ax.set_xlim(0, BARS * width / scale)
    beyond = heights[-1]
    if beyond:
        at = ((BARS - 0.5) * width / scale, beyond)
        ax.annotate(text("plot.desk.and_longer"), at, (0, 4), textcoords="offset points", ha="right", fontsize="small")


def _mark(ax: Axes, at: float, top: float, said: str, colour: str, dash: str) -> None:
    ax.axvline(at, color=colour, linestyle=dash, linewidth=1.8)
    ax.annotate(said, (at, top), (4, -4), textcoords="offset points", va="top", color=colour, bbox=paper(), zorder=4)
