"""Figures side by side, with their intervals and counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from crmkit.plots.base import BLUE, GREY, RED, new_figure, nothing, paper, style
from crmkit.texts import text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmkit.estimate import Estimate


def plot_estimates(
    estimates: Mapping[str, Estimate],
    *,
    ax: Axes | None = None,
    highlight: str | None = None,
    prediction: float | None = None,
) -> Axes:
    """Shares side by side, one line each, with their intervals and counts.

    Args:
        estimates: Figures by the label to show.
        ax: Where to draw; a new figure if not given.
        highlight: Label to bring out.
        prediction: A share to mark with a dashed line.

    Returns:
        The Axes; x in per cent.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.sample("ten_customers").orders
        >>> axes = plot_estimates({"of all": crmkit.repeat_rate(orders), "of buyers": crmkit.repeater_share(orders)})
    """
    with style():
        ax = ax if ax is not None else new_figure(6, 0.6 + 0.5 * max(len(estimates), 1))[1]
        places = {label: -place for place, label in enumerate(estimates)}
        for label, estimate in estimates.items():
            _draw_estimate(ax, places[label], estimate, BLUE if highlight in (None, label) else GREY)
        if prediction is not None:
            ax.axvline(100 * prediction, color=RED, linestyle="--", linewidth=2)
            ax.annotate(
                text("plot.your_prediction"), (100 * prediction, 0.95), color=RED, ha="center", bbox=paper(1), zorder=4
            )
        ax.set_yticks(list(places.values()), [f"▶ {label}" if label == highlight else label for label in places])
        ax.set_ylim(-max(len(places), 1) + 0.4, 1.3)
        ax.set_xlim(0, 1.2 * max((100 * _rightmost(figure) for figure in estimates.values()), default=100))
        ax.set_xlabel(text("plot.share_and_interval"))
        ax.grid(axis="y", visible=False)
        return ax if estimates else nothing(ax)


def _rightmost(estimate: Estimate) -> float:
    """The right end of what is drawn for an estimate."""
    return max([end for end in (estimate.value, estimate.high) if not math.isnan(end)], default=1.0)


def _draw_estimate(ax: Axes, place: float, estimate: Estimate, colour: str) -> None:
    if math.isnan(estimate.value):
        ax.annotate(text("estimate.no_data"), (1, place), va="center", color=colour)
        return
    if not math.isnan(estimate.low):
        ax.plot([100 * estimate.low, 100 * estimate.high], [place, place], color=colour, linewidth=2.5, alpha=0.55)
    ax.plot(100 * estimate.value, place, "o", color=colour, markersize=9, clip_on=False, zorder=3)
    counted = f"{estimate.value:.1%} ({estimate.numerator:,.0f}/{estimate.denominator:,.0f})"
    side = "center" if estimate.value > 0.2 else "left"  # near the axis a centred label would run over it
    at = (100 * estimate.value, place)
    ax.annotate(counted, at, (0, 8), textcoords="offset points", ha=side, color=colour, bbox=paper(), zorder=2.5)
