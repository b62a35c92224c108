"""Pictures of quality: causes by weight, defects over time, reviews, recovery, and whether a problem stayed away."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from crmkit.estimate import Estimate
from crmkit.plots.base import BLUE, GREY, INK, ORANGE, RED, new_figure, nothing, paper, style
from crmkit.texts import has_text, text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

EXPERIENCES = ("no_problem", "solved_fast", "solved_slow", "unsolved", "silent")


def plot_pareto(table: Any, *, ax: Axes | None = None, most: int = 12) -> Axes:
    """Causes from the most frequent on as bars, and the share that they make up together as a line.

    Args:
        table: A result of `pareto`.
        ax: Where to draw; a new figure if not given. The line gets an axis of its own on the right.
        most: How many causes to show; the line says how much they make up.

    Returns:
        The Axes of the bars, with the intervals of the counts.

    Examples:
        >>> import pandas as pd
        >>> from crmkit.metrics.service.problems import pareto
        >>> tickets = pd.DataFrame({
        ...     "ticket_id": ["1", "2", "3"], "created_at": pd.to_datetime(["2026-03-01"] * 3),
        ...     "category": ["price", "quality", "quality"],
        ... })
        >>> axes = plot_pareto(pareto(tickets, cause="category"))
    """
    found = _fetched(table)
    n = int(found["n"].sum())
    shown = found.head(most)
    places = list(range(len(shown)))
    with style():
        ax = ax if ax is not None else new_figure(max(5, 1.6 + 0.85 * len(shown)), 4.4)[1]
        ax.bar(places, shown["n"], color=BLUE, width=0.72, zorder=2)
        ends = [(shown["n"] - shown["low"] * n).clip(lower=0), (shown["high"] * n - shown["n"]).clip(lower=0)]
        ax.errorbar(places, shown["n"], ends, fmt="none", ecolor=INK, elinewidth=1.2, capsize=3, zorder=3)
        for place, count in zip(places, shown["n"], strict=True):
            ax.annotate(f"{count:,}", (place, 0), (0, 4), textcoords="offset points", ha="center", color="white",
                        fontsize="small", zorder=4)  # fmt: skip
        ax.set_xticks(places, [_wrapped(_cause(name)) for name in shown[shown.columns[0]]])
        ax.set_ylabel(text("plot.pareto.cases"))
        ax.set_ylim(0, None if len(shown) else 1)
        ax.grid(axis="x", visible=False)
        if not n:
            nothing(ax)
        line = ax.twinx()
        share = 100 * shown["cumulative_share"]
        line.plot(places, share, color="white", linewidth=4, zorder=4)  # a rim, so that it stands out from the bars
        line.plot(places, share, "o-", color=ORANGE, markersize=6, markeredgecolor="white", linewidth=2, zorder=5)
        line.set_ylim(0, 105)
        line.set_ylabel(text("plot.pareto.share"))
        line.grid(visible=False)
        line.spines["right"].set_visible(True)
        told = (text("plot.pareto.bars", n=n), text("plot.pareto.line"))
        ax.set_title("   ".join(told), loc="left", fontsize="medium", color=GREY)
        return ax


def plot_defect_rate(chart: Any, *, ax: Axes | None = None) -> Axes:
    """The p-chart: the rate of each period, the rate of the whole, and how far chance alone would take it.

    Args:
        chart: A result of `defect_chart`.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes; y in per cent. What lies outside the limits is a red diamond.

    Examples:
        >>> import pandas as pd
        >>> from crmkit.metrics.service.quality import defect_chart
        >>> items = pd.DataFrame({
        ...     "order_id": ["1", "2"], "line_no": 1, "product_id": "P1", "is_defective": [True, False],
        ... })
        >>> orders = pd.DataFrame({
        ...     "order_id": ["1", "2"], "customer_id": "a", "ordered_at": pd.to_datetime(["2026-03-01", "2026-04-01"]),
        ... })
        >>> axes = plot_defect_rate(defect_chart(items, orders))
    """
    found = _fetched(chart)
    with style():
        from matplotlib.dates import AutoDateLocator, DateFormatter

        ax = ax if ax is not None else new_figure(9, 4.2)[1]
        at, outside = found["period"], found["outside"].astype(bool)
        for name in ("low_limit", "high_limit"):
            ax.step(at, 100 * found[name], where="mid", color=GREY, linestyle="--", linewidth=1.3, zorder=1)
        ax.plot(at, 100 * found["centre"], color=GREY, linewidth=1.3, zorder=1)
        ax.plot(at, 100 * found["value"], color=BLUE, linewidth=1.2, alpha=0.6, zorder=2)
        for points, shape, colour, size in ((found[~outside], "o", BLUE, 36), (found[outside], "D", RED, 62)):
            ax.scatter(points["period"], 100 * points["value"], marker=shape, color=colour, s=size, zorder=3)
        ax.xaxis.set_major_locator(AutoDateLocator(maxticks=10))
        ax.xaxis.set_major_formatter(DateFormatter("%Y-%m" if (at.dt.day == 1).all() else "%Y-%m-%d"))
        ax.set_ylim(0, None)
        ax.set_ylabel(text("plot.defects.rate"))
        sums = {"lines": int(found["n"].sum()), "defective": found["numerator"].sum()}
        ax.set_xlabel(text("plot.defects.period", **sums, units=found["denominator"].sum()))
        if found["value"].isna().all():
            nothing(ax)
        told = [text(f"plot.defects.{name}") for name in ("inside", "outside", "limits")]
        if len(found):
            told.append(text("plot.defects.centre", rate=float(found["centre"].iloc[0])))
        ax.set_title("   ".join(told), loc="left", fontsize="small", color=GREY)
        return ax


def plot_qa_score(result: Any, *, ax: Axes | None = None) -> Axes:
    """Scores side by side with their intervals: criteria, reviewers, or whatever the groups are.

    Args:
        result: An Estimate of `qa_score`, Estimates by criterion, or its table with `by`.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes; x in per cent of the points that could be given, the highest score on top.

    Examples:
        >>> import pandas as pd
        >>> from crmkit.metrics.service.quality import qa_score
        >>> reviews = pd.DataFrame({
        ...     "review_id": ["1", "2"], "ticket_id": ["a", "b"], "courtesy": [2, 1],
        ...     "reviewed_at": pd.to_datetime(["2026-03-01", "2026-03-02"]),
        ... })
        >>> axes = plot_qa_score({"courtesy": qa_score(reviews, criterion="courtesy")})
    """
    if isinstance(result, Estimate):
        result = {result.label: result}
    if isinstance(result, Mapping):
        found = [(_criterion(name), one.value, one.low, one.high, one.n) for name, one in result.items()]
    else:
        table = _fetched(result)
        numbers = (table[name] for name in ("value", "low", "high", "n"))
        found = list(zip((_cause(name) for name in table[table.columns[0]]), *numbers, strict=True))
    found.sort(key=lambda one: (math.isnan(one[1]), -one[1]))
    with style():
        ax = ax if ax is not None else new_figure(7.5, 1 + 0.5 * max(len(found), 1))[1]
        for place, (_, value, low, high, n) in enumerate(found):
            _interval(ax, -place, value, low, high, BLUE, "o")
            said = text("estimate.no_data") if math.isnan(value) else text("plot.qa.row", value=value, n=int(n))
            _beside(ax, -place, _right_end(value, high), said, BLUE)
        ax.set_yticks([-place for place in range(len(found))], [one[0] for one in found])
        ax.set_ylim(-max(len(found), 1) + 0.45, 0.75)
        if not found:
            nothing(ax)
        ax.set_xlim(0, 118)
        ax.set_xticks(range(0, 101, 20))
        ax.set_xlabel(text("plot.qa.axis"))
        ax.grid(axis="y", visible=False)
        return ax


def plot_recovery_effect(table: Any, *, ax: Axes | None = None) -> Axes:
    """Satisfaction and return side by side, for each way that an order can go.

    Args:
        table: A result of `recovery_effect`.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes: a dot for the satisfied, a diamond for those who ordered again, both in per cent with intervals.

    Examples:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"experience": ["no_problem"], "csat": [0.7], "csat_low": [0.6], "csat_high": [0.8]})
        >>> table = table.assign(csat_n=90, repurchase=0.5, repurchase_low=0.4, repurchase_high=0.6, repurchase_n=120)
        >>> axes = plot_recovery_effect(table)
    """
    found = {row["experience"]: row for row in _fetched(table).to_dict("records")}
    names = [name for name in EXPERIENCES if name in found]
    with style():
        ax = ax if ax is not None else new_figure(8.5, 1.2 + 0.85 * max(len(names), 1))[1]
        for place, name in enumerate(names):
            for outcome, shape, colour, up in (("csat", "o", BLUE, 0.19), ("repurchase", "D", RED, -0.19)):
                value, low, high, n = (float(found[name][f"{outcome}{end}"]) for end in ("", "_low", "_high", "_n"))
                _interval(ax, up - place, value, low, high, colour, shape)
                none = math.isnan(value)
                said = text("plot.recovery.none") if none else text("plot.recovery.label", value=value, n=int(n))
                _beside(ax, up - place, _right_end(value, high), said, colour)
        ax.set_yticks([-place for place in range(len(names))], [text(f"plot.recovery.{name}") for name in names])
        ax.set_ylim(-max(len(names), 1) + 0.4, 0.6)
        if not names:
            nothing(ax)
        ax.set_xlim(0, 125)
        ax.set_xticks(range(0, 101, 20))
        ax.set_xlabel(text("plot.recovery.axis"))
        told = (text("plot.recovery.csat"), text("plot.recovery.repurchase"))
        ax.set_title("   ".join(told), loc="left", fontsize="medium", color=GREY)
        ax.grid(axis="y", visible=False)
        return ax


def plot_recurrence_rate(result: Any, *, ax: Axes | None = None) -> Axes:
    """Whether problems stayed away: tickets after the action of those to be expected, on a log axis.

    Args:
        result: A result of `recurrence_rate` with `measure="ratio"`: an Estimate, Estimates by name, or the table with
            `by`, e.g. of problems.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes; an interval that runs out of the picture has an arrow at its end.

    Examples:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"problem_id": ["B1"], "value": [0.2], "low": [0.1], "high": [0.5]})
        >>> axes = plot_recurrence_rate(table.assign(numerator=4, denominator=20.0))
    """
    if isinstance(result, Estimate):
        result = {result.label: result}
    if isinstance(result, Mapping):
        ends = ("value", "low", "high", "numerator", "denominator")
        found = [(name, *(getattr(one, end) for end in ends)) for name, one in result.items()]
    else:
        table = _fetched(result)
        numbers = (table[name].astype(float) for name in ("value", "low", "high", "numerator", "denominator"))
        found = list(zip((_cause(name) for name in table[table.columns[0]]), *numbers, strict=True))
    least, most = _ratio_ends([one for _, *ends, _, _ in found for one in ends])
    with style():
        ax = ax if ax is not None else new_figure(8, 1.3 + 0.55 * max(len(found), 1))[1]
        ax.set_xscale("log")
        ax.set_xlim(least, most)
        ax.axvline(1, color=GREY, linestyle="--", linewidth=1.5, zorder=1)
        for place, (_, value, low, high, *_) in enumerate(found):
            _draw_ratio(ax, -place, value, low, high, (least, most))
        ax.set_yticks([-place for place in range(len(found))], [_problem(*one) for one in found])
        ax.set_ylim(-max(len(found), 1) + 0.45, 0.8)
        if not found:
            nothing(ax)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.set_xlabel(text("plot.recurrence.axis"))
        ax.set_title(text("plot.recurrence.same"), loc="left", fontsize="medium", color=GREY)
        ax.grid(axis="y", visible=False)
        return ax


def _ratio_ends(values: list[float]) -> tuple[float, float]:
    """Where the log axis begins and ends: powers of ten around all that is known and neither 0 nor without end."""
    known = [one for one in values if 0 < one < math.inf] + [1.0]
    return 10.0 ** max(math.floor(math.log10(min(known))), -3), 10.0 ** min(math.ceil(math.log10(max(known)) + 0.1), 3)


def _draw_ratio(ax: Axes, place: float, value: float, low: float, high: float, ends: tuple[float, float]) -> None:
    least, most = ends
    if math.isnan(value):
        ax.annotate(text("plot.recurrence.nothing"), (least, place), (6, 0), textcoords="offset points", color=GREY,
                    va="center", bbox=paper())  # fmt: skip
        return
    ax.plot([max(low, least), min(high, most)], [place, place], color=BLUE, linewidth=2.5, alpha=0.55, zorder=2)
    for beyond, at, shape in ((low < least, least, "<"), (high > most, most, ">")):
        if beyond:
            ax.plot(at, place, shape, color=BLUE, markersize=9, clip_on=False, zorder=3)
    said = f"{value:.2g} [{low:.2g}, {high:.2g}]" if value > 0 else text("plot.recurrence.gone")
    if value > 0:
        ax.plot(min(max(value, least), most), place, "o", color=BLUE, markersize=9, zorder=3)
    at = min(max(value, least * 1.05), most / 1.05)
    side = "left" if value <= 0 else "center"
    ax.annotate(said, (at, place), (0, 9), textcoords="offset points", ha=side, color=BLUE, bbox=paper(), zorder=2.5)


def _problem(name: str, value: float, low: float, high: float, after: float, expected: float) -> str:
    if math.isnan(value):
        return text("plot.recurrence.no_row", problem=name)
    return text("plot.recurrence.row", problem=name, after=after, expected=expected)


def _interval(ax: Axes, place: float, value: float, low: float, high: float, colour: str, shape: str) -> None:
    if math.isnan(value):
        return
    if not math.isnan(low):
        ax.plot([100 * low, 100 * high], [place, place], color=colour, linewidth=2.5, alpha=0.55, zorder=2)
    ax.plot(100 * value, place, shape, color=colour, markersize=8, clip_on=False, zorder=3)


def _right_end(value: float, high: float) -> float:
    """Where a share and its interval end, in per cent; at the left edge without data."""
    return 100 * max((one for one in (value, high) if not math.isnan(one)), default=0.0)


def _beside(ax: Axes, place: float, at: float, said: str, colour: str) -> None:
    """Words to the right of what is drawn."""
    ax.annotate(said, (at, place), (7, 0), textcoords="offset points", va="center", color=colour, fontsize="small",
                bbox=paper(), zorder=2.5)  # fmt: skip


def _fetched(table: Any) -> pd.DataFrame:
    frame = nw.from_native(table)
    return (frame.collect() if isinstance(frame, nw.LazyFrame) else frame).to_pandas()


def _cause(name: Any) -> str:
    """A cause as people write it; the words of the model in the language in use."""
    if name is None or (isinstance(name, float) and math.isnan(name)):
        return text("plot.pareto.unknown")
    key = f"plot.driver.{name}"
    return text(key) if has_text(key) else str(name)


def _criterion(name: str) -> str:
    key = f"plot.qa.criterion.{name}"
    return text(key) if has_text(key) else name


def _wrapped(name: str) -> str:
    """A long name in several lines; Japanese has no spaces to break at and wider signs."""
    wide = any(ord(sign) > 0x2E80 for sign in name)
    return "\n".join(textwrap.wrap(name, 6 if wide else 12)) or name
