"""Pictures of what customers say: recommendation, satisfaction, and what drives it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from crmkit.errors import ParameterError
from crmkit.estimate import Estimate
from crmkit.plots.base import BLUE, GREY, INK, ORANGE, PALE, new_figure, nothing, paper, style
from crmkit.texts import has_text, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT, BELOW = 0.46, 0.42  # of a bar, and how far under its middle the figure is marked
NPS_PARTS = (("promoters", BLUE, ""), ("passives", PALE, ""), ("detractors", ORANGE, "//"))
CSAT_PARTS = (("score_5", BLUE, ""), ("score_4", "#7db8dd", ""), ("score_3", PALE, ""), ("score_2", "#f2c879", "//"),
              ("score_1", ORANGE, "//"))  # fmt: skip


def plot_nps(result: Estimate | Mapping[str, Estimate], *, ax: Axes | None = None) -> Axes:
    """Promoters, passives and detractors as one bar, and the score with its interval.

    Read by the upper scale, the middle of the passives *is* the score: that is where it is marked.

    Args:
        result: A result of `nps`, or several by the label to show.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes; x in per cent of the answers, the upper scale in points.

    Examples:
        >>> import pandas as pd
        >>> from crmkit.metrics.relationship.satisfaction import nps
        >>> days = pd.Timestamp("2026-03-01")
        >>> answers = pd.DataFrame({"survey_id": range(4), "sent_at": days, "score": [10, 9, 7, 3]})
        >>> axes = plot_nps(nps(answers))
    """
    results = _by_label(result)
    with style():
        ax = ax if ax is not None else new_figure(8, 1.5 + 0.95 * len(results))[1]
        for place, estimate in enumerate(results.values()):
            _stack(ax, -place, estimate, NPS_PARTS)
            ends = (estimate.low, estimate.value, estimate.high)
            _mark(ax, -place, tuple(_share_at(end) for end in ends), _said(estimate))
        _finish(ax, results, NPS_PARTS)
        upper = ax.secondary_xaxis("top", functions=(_score_at, _share_at))
        upper.set_xlabel(text("plot.nps_scale"))
        upper.set_xticks([-100, -50, 0, 50, 100], ["−100", "−50", "0", "+50", "+100"])
        return ax


def plot_csat(result: Estimate | Mapping[str, Estimate], *, ax: Axes | None = None) -> Axes:
    """How many gave which answer, and the figure made of them with its interval.

    The top-2 share is marked where the answers 5 and 4 end; figures by other methods are written under the bar.

    Args:
        result: A result of `csat` by any method but "index", or several by the label to show.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes; x in per cent of the answers.

    Raises:
        ParameterError: the result does not know how many gave which answer.

    Examples:
        >>> import pandas as pd
        >>> from crmkit.metrics.relationship.satisfaction import csat
        >>> days = pd.Timestamp("2026-03-01")
        >>> answers = pd.DataFrame({"survey_id": range(4), "sent_at": days, "score": [5, 4, 3, 1]})
        >>> axes = plot_csat(csat(answers))
    """
    results = _by_label(result)
    with style():
        ax = ax if ax is not None else new_figure(8, 1.2 + 0.95 * len(results))[1]
        for place, estimate in enumerate(results.values()):
            _stack(ax, -place, estimate, CSAT_PARTS)
            on_the_bar = estimate.definition.id == "csat.top2"
            ends = (estimate.low, estimate.value, estimate.high) if on_the_bar else (math.nan,) * 3
            _mark(ax, -place, tuple(100 * end for end in ends), _said(estimate))
        _finish(ax, results, CSAT_PARTS)
        return ax


def plot_driver_analysis(table: Any, *, ax: Axes | None = None) -> Axes:
    """Importance against gap: what lies in the upper right matters much and falls short, so mend it first.

    Args:
        table: A result of `driver_analysis`.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes; x in points of the scale, y from −1 to 1 with intervals. Drivers without an importance are named
        under the title.

    Examples:
        >>> import pandas as pd
        >>> nan = float("nan")
        >>> table = pd.DataFrame({
        ...     "driver": ["price", "staff"], "importance": [0.2, 0.6], "low": nan, "high": nan, "pairs": [40, 50],
        ...     "gap": [1.5, 0.9],
        ... })
        >>> axes = plot_driver_analysis(table)
    """
    frame = nw.from_native(table)
    frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    rows = [{name: _known(value) for name, value in row.items()} for row in frame.iter_rows(named=True)]
    known = [row for row in rows if not math.isnan(row["importance"] + row["gap"])]
    with style():
        ax = ax if ax is not None else new_figure(8, 5.2)[1]
        if known:
            _divide(ax, known)
            for row, place in zip(known, _places(known), strict=True):
                _draw_driver(ax, row, place)
        else:
            nothing(ax)
        few = ", ".join(_driver(row["driver"]) for row in rows if row not in known)
        if few:
            ax.set_title(text("plot.drivers_too_few", drivers=few), loc="left", fontsize="medium", color=GREY)
        ax.set_xlabel(text("plot.driver_gap"))
        ax.set_ylabel(text("plot.driver_importance"))
        return ax


# --- bars of answers


def _score_at(share: Any) -> Any:
    """The score on the upper scale, over a place on the lower one."""
    return 2 * share - 100


def _share_at(score: Any) -> Any:
    return (score + 100) / 2


def _by_label(result: Estimate | Mapping[str, Estimate]) -> Mapping[str, Estimate]:
    return {result.label: result} if isinstance(result, Estimate) else result


def _stack(ax: Axes, place: float, estimate: Estimate, parts: tuple[tuple[str, str, str], ...]) -> None:
    """The answers as parts of one bar, each with its share where there is room for it."""
    if any(name not in estimate.besides for name, _, _ in parts):
        raise ParameterError("no_answers_by_score", label=estimate.label)
    answers = sum(estimate.besides[name] for name, _, _ in parts)
    if not answers:
        ax.annotate(text("estimate.no_data"), (1, place), va="center", color=GREY)
        return
    start = 0.0
    for name, colour, hatch in parts:
        share = 100 * estimate.besides[name] / answers
        ax.barh(place, share, HEIGHT, left=start, color=colour, hatch=hatch, edgecolor="white", linewidth=1.5)
        if share >= 5:
            middle = (start + share / 2, place)
            ax.annotate(f"{share:.0f}%", middle, ha="center", va="center", color=INK, bbox=paper(), fontsize="small")
        start += share


def _mark(ax: Axes, place: float, ends: tuple[float, ...], said: str) -> None:
    """The figure under its bar, with its interval; words alone where it is not on the bar's scale."""
    low, value, high = ends
    at = place - BELOW
    if not math.isnan(low):
        ax.plot([low, high], [at, at], color=INK, linewidth=2.5, alpha=0.6, solid_capstyle="butt")
    if not math.isnan(value):
        ax.plot([value, value], [at, place - HEIGHT / 2], color=INK, linewidth=1)
        ax.plot(value, at, "D", color=INK, markersize=6, zorder=3)
    right = not math.isnan(value) and value > 60
    edge = (low if right else high) if not math.isnan(low) else value
    ax.annotate(
        said, (0 if math.isnan(edge) else edge, at), (-8 if right else 8, 0), textcoords="offset points", va="center",
        ha="right" if right else "left", fontsize="small",
    )  # fmt: skip


def _said(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return ""
    value, interval = (said.replace("-", "−") for said in (estimate.shown(estimate.value), estimate.interval))
    return text("plot.score_said", value=value, interval=interval, n=estimate.n)


def _finish(ax: Axes, results: Mapping[str, Estimate], parts: tuple[tuple[str, str, str], ...]) -> None:
    from matplotlib.patches import Patch
    from matplotlib.transforms import offset_copy

    names = [text(f"plot.answers.{name}") for name, _, _ in parts]
    patches = [Patch(facecolor=colour, hatch=hatch, edgecolor="white") for _, colour, hatch in parts]
    under = offset_copy(ax.transAxes, ax.get_figure(root=True), y=-36, units="points")  # under the words of the axis
    ax.legend(
        patches, names, loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=under, ncols=len(parts),
        frameon=False, fontsize="small",
    )  # fmt: skip
    ax.set_yticks([-place for place in range(len(results))], list(results))
    ax.set_ylim(-max(len(results), 1) + 0.3, 0.4)
    if not results:
        nothing(ax)
    ax.set_xlim(0, 100)
    ax.set_xlabel(text("plot.share_of_answers"))
    ax.grid(axis="y", visible=False)


# --- drivers


def _draw_driver(ax: Axes, row: Mapping[str, Any], place: tuple[int, int]) -> None:
    gap, importance = row["gap"], row["importance"]
    if not math.isnan(row["low"] + row["high"]):
        ax.plot([gap, gap], [row["low"], row["high"]], color=BLUE, linewidth=1.6, alpha=0.4)
    ax.plot(gap, importance, "o", color=BLUE, markersize=9, zorder=3)
    said = text("plot.driver_point", driver=_driver(row["driver"]), n=int(row["pairs"]))
    side, up = place
    ax.annotate(
        said, (gap, importance), (9 * side, 12 * up), textcoords="offset points", va="center",
        ha="left" if side > 0 else "right", bbox=paper(), zorder=2.5,
    )  # fmt: skip


def _places(rows: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """On which side of its point each name stands, so that none covers another: (1 = right, −1 = left; up or down)."""
    wide = max(row["gap"] for row in rows) - min(row["gap"] for row in rows) or 1
    ends = [end for row in rows for end in (row["low"], row["high"], row["importance"]) if not math.isnan(end)]
    tall = max(ends) - min(ends) or 1
    points = [(row["gap"] / wide, row["importance"] / tall) for row in rows]
    taken, chosen = list(points), []
    for x, y in points:
        options = [(side, up) for up in (0, 1, -1, 2, -2) for side in (1, -1)]
        middles = {(side, up): (x + 0.15 * side, y + 0.035 * up) for side, up in options}
        free = [
            option
            for option, (left, top) in middles.items()
            if all(abs(left - u) > 0.16 or abs(top - v) > 0.04 for u, v in taken if (u, v) != (x, y))
        ]
        chosen.append(free[0] if free else options[0])
        taken.append(middles[chosen[-1]])
    return chosen


def _divide(ax: Axes, rows: list[dict[str, Any]]) -> None:
    """Lines at the means, and words in the corner to look at first."""
    gap, importance = (sum(row[name] for row in rows) / len(rows) for name in ("gap", "importance"))
    ax.axvline(gap, color=GREY, linestyle="--", linewidth=1)
    ax.axhline(importance, color=GREY, linestyle="--", linewidth=1)
    ax.margins(x=0.22)
    ax.annotate(
        text("plot.mend_first"), (0.99, 0.985), xycoords="axes fraction", ha="right", va="top", color=ORANGE,
        fontsize="large", bbox=paper(),
    )  # fmt: skip


def _driver(name: str) -> str:
    """A driver in the reader's words, where crmkit knows it."""
    key = f"plot.driver.{name}"
    return text(key) if has_text(key) else str(name)


def _known(value: Any) -> Any:
    return math.nan if value is None else value
