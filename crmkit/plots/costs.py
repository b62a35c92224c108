"""Pictures of what the money goes into."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.plots.base import BLUE, INK, new_figure, nothing, style
from crmkit.texts import has_text, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_cost_mix(table: Any, *, ax: Axes | None = None) -> Axes:
    """The share of each purpose in all costs, the greatest first, with the yen and the rows behind it.

    Args:
        table: A result of `cost_mix`.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes; x in per cent of all costs. There is no interval: these are the books.

    Examples:
        >>> import pandas as pd
        >>> from crmkit.metrics.relationship.costs import cost_mix
        >>> costs = pd.DataFrame({
        ...     "cost_id": ["1", "2"], "incurred_date": pd.to_datetime(["2026-03-01"] * 2),
        ...     "purpose": ["acquisition", "retention"], "amount": [3_000.0, 1_000.0],
        ... })
        >>> axes = plot_cost_mix(cost_mix(costs))
    """
    frame = nw.from_native(table)
    frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    group = frame.columns[0]
    rows = sorted(
        (row for row in frame.iter_rows(named=True) if row["n"]), key=lambda row: row["numerator"], reverse=True
    )
    with style():
        ax = ax if ax is not None else new_figure(8, 1.2 + 0.5 * max(len(rows), 1))[1]
        for place, row in enumerate(rows):
            share = 100 * row["value"] if row["value"] is not None else math.nan
            ax.barh(-place, share, 0.62, color=BLUE)
            amount = text("unit.jpy", value=row["numerator"])
            said = text("plot.cost_bar", share=f"{share:.1f}", amount=amount, n=row["n"])
            ax.annotate(said, (share, -place), (5, 0), textcoords="offset points", va="center", color=INK)
        ax.set_yticks([-place for place in range(len(rows))], [_group(row[group]) for row in rows])
        ax.set_ylim(-max(len(rows), 1) + 0.4, 0.6)
        greatest = max((100 * (row["value"] or 0) for row in rows), default=100)
        ax.set_xlim(0, 1.65 * greatest or 1)  # room for the words; there is no share above 100 %
        ax.set_xticks([tick for tick in ax.get_xticks() if 0 <= tick <= min(100, 1.65 * greatest)])
        if not rows:
            nothing(ax)
        whole = text("unit.jpy", value=rows[0]["denominator"] if rows else 0)
        ax.set_xlabel(text("plot.share_of_costs", amount=whole))
        ax.grid(axis="y", visible=False)
        return ax


def _group(name: Any) -> str:
    """A purpose, category or channel in the reader's words, where crmkit knows it."""
    if frames.plain(name) is None:
        return text("plot.cost_group.none")
    key = f"plot.cost_group.{name}"
    return text(key) if has_text(key) else str(name)
