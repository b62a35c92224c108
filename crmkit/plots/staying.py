"""Pictures of staying: how long and how soon, continuation by delivery, and what moves the recurring revenue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit.models.survival import kaplan_meier
from crmkit.plots.base import BLUE, GREEN, GREY, INK, ORANGE, RED, new_figure, nothing, paper, style
from crmkit.texts import text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from crmkit.estimate import Estimate

KNOWN = ("time", "at_risk", "events", "censored", "survival", "repurchased", "low", "high")
COLOURS, DASHES = (BLUE, ORANGE, GREEN, RED), ("-", "--", "-.", ":")
# above the line in order from it, then below it: colour and hatching, which says the same without colour
MOVEMENTS = {
    "new": (1, BLUE, ""),
    "expansion": (1, GREEN, "//"),
    "reactivation": (1, "#8fc7e8", ".."),
    "contraction": (-1, ORANGE, "\\\\"),
    "churned": (-1, RED, "xx"),
}
MOST_MONTHS, LEVEL_MONTHS = 24, 8
LINE = 13  # points between two lines under the picture


def plot_survival_curve(table: Any, *, ax: Axes | None = None, days: int | None = None) -> Axes:
    """The share still there after each number of days, with its interval and, below, how many are still watched.

    Args:
        table: A result of `survival_curve`, with groups or without.
        ax: Where to draw; a new figure if not given.
        days: How far to draw; default: to the last time.

    Returns:
        The Axes; y in per cent.

    Examples:
        >>> import crmkit
        >>> shop = crmkit.simulate("subscription", customers=200, weeks=52, seed=7)
        >>> from crmkit.metrics.retention.survival import survival_curve
        >>> axes = plot_survival_curve(survival_curve(shop.subscriptions, as_of="2024-12-30"))
    """
    ax = _curves(table, "survival", ax, days)
    ax.set_xlabel(text("plot.staying.contract_days"))
    return ax


def plot_repurchase_curve(table: Any, *, ax: Axes | None = None, days: int | None = None) -> Axes:
    """The share that has bought again after each number of days, as `plot_survival_curve` draws it.

    Args:
        table: A result of `repurchase_curve`, with groups or without.
        ax, days: As for `plot_survival_curve`.

    Returns:
        The Axes; y in per cent.

    Examples:
        >>> import crmkit
        >>> from crmkit.metrics.retention.survival import repurchase_curve
        >>> axes = plot_repurchase_curve(repurchase_curve(crmkit.sample("ten_customers").orders))
    """
    ax = _curves(table, "repurchased", ax, days)
    ax.set_xlabel(text("plot.staying.order_days"))
    return ax


def plot_continuation_rate(result: Any, *, ax: Axes | None = None) -> Axes:
    """The share that got each delivery, of those for whom it came due.

    Args:
        result: A result of `continuation_curve`, or results of `continuation_rate` by the number of the delivery.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes; y in per cent.

    Examples:
        >>> import crmkit
        >>> from crmkit.metrics.retention.contracts import continuation_curve
        >>> shop = crmkit.simulate("subscription", customers=200, weeks=52, seed=7)
        >>> axes = plot_continuation_rate(continuation_curve(shop.subscriptions, shop.orders, most=6))
    """
    frame = _rates(result) if isinstance(result, Mapping) else _pandas(result)
    with style():
        ax = ax if ax is not None else new_figure(8, 4.2)[1]
        numbers = frame["nth"].to_numpy()
        value, low, high = (100 * frame[name].to_numpy(dtype=float) for name in ("value", "low", "high"))
        ax.plot(numbers, value, "-o", color=BLUE, zorder=3)
        ax.vlines(numbers, low, high, color=BLUE, alpha=0.5, linewidth=2.5)
        for place, rate, n in zip(numbers, value, frame["n"], strict=True):
            if np.isfinite(rate):
                ax.annotate(f"{rate:.0f}", (place, rate), (0, 9), textcoords="offset points", ha="center", color=BLUE,
                            bbox=paper(), zorder=4)  # fmt: skip
            ax.annotate(f"n={n:,.0f}", (place, 0), (0, 4), xycoords=("data", "axes fraction"), color=GREY, ha="center",
                        textcoords="offset points", fontsize="small", bbox=paper(), annotation_clip=False)  # fmt: skip
        if not np.isfinite(value).any():
            nothing(ax)
        ax.set_xticks(numbers)
        ax.set_ylim(0, 112)
        ax.set_yticks(range(0, 101, 20))
        ax.set_xlabel(text("plot.staying.nth"))
        ax.set_ylabel(text("plot.staying.continued"))
        ax.set_title(text("plot.staying.bar"), loc="left", fontsize="medium", color=GREY)
        ax.grid(axis="x", visible=False)
        return ax


def plot_mrr_movements(table: Any, *, ax: Axes | None = None, newest: int = MOST_MONTHS) -> Axes:
    """What came to the monthly recurring revenue and what went, month by month, and the change that is left.

    Args:
        table: A result of `mrr_movements`.
        ax: Where to draw; a new figure if not given.
        newest: How many of the latest months to show.

    Returns:
        The Axes; y in yen per month.

    Examples:
        >>> import crmkit
        >>> from crmkit.metrics.retention.recurring import mrr_movements
        >>> shop = crmkit.simulate("subscription", customers=200, weeks=52, seed=7)
        >>> axes = plot_mrr_movements(mrr_movements(shop.subscriptions, end="2024-12-01"))
    """
    from matplotlib.ticker import StrMethodFormatter

    frame = _pandas(table).sort_values("month").tail(newest)
    with style():
        ax = ax if ax is not None else new_figure(9, 4.6)[1]
        if frame.empty:
            return nothing(ax)
        places = np.arange(len(frame))
        for name, (sign, colour, hatch) in MOVEMENTS.items():
            if not frame[name].any():
                continue
            before = [other for other in MOVEMENTS if MOVEMENTS[other][0] == sign]
            bottom = sum((frame[other] for other in before[: before.index(name)]), start=0 * frame["opening"])
            ax.bar(places, sign * frame[name], bottom=sign * bottom, color=colour, hatch=hatch, edgecolor="white",
                   linewidth=0.5, width=0.75, label=text(f"plot.movement.{name}"))  # fmt: skip
        change = (frame["closing"] - frame["opening"]).to_numpy()
        ax.plot(
            places, change, "D", color=INK, markeredgecolor="white", markersize=7, label=text("plot.staying.change")
        )
        ax.axhline(0, color=GREY, linewidth=1)
        ax.margins(y=0.08)
        months = [at.strftime("%Y-%m") for at in frame["month"]]
        ax.set_xticks(
            places, months, rotation=60 if len(months) > 8 else 0, ha="right" if len(months) > 8 else "center"
        )
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        ax.set_ylabel(text("plot.staying.yen"))
        first, last = frame.iloc[0], frame.iloc[-1]
        told = text("plot.staying.from_to", opening=f"{first['opening']:,.0f}", closing=f"{last['closing']:,.0f}",
                    start=months[0], end=months[-1], customers=f"{last['customers']:,}")  # fmt: skip
        ax.set_title(told, loc="left", fontsize="medium", color=GREY)
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        ax.grid(axis="x", visible=False)
        return ax


def _curves(table: Any, share: str, ax: Axes | None, days: int | None) -> Axes:
    frame = _pandas(table)
    apart = [name for name in frame.columns if name not in KNOWN]
    groups = list(dict.fromkeys(frame[apart[0]].fillna("–"))) if apart else [None]
    with style():
        ax = ax if ax is not None else new_figure(8, 4.2 + 0.2 * len(groups))[1]
        if frame.empty:
            return nothing(ax)
        end = float(days if days is not None else max(frame["time"].max(), 1))
        left = []
        for place, group in enumerate(groups):
            rows = frame if group is None else frame[frame[apart[0]].fillna("–") == group]
            colour, dash = COLOURS[place % 4], DASHES[(place + place // 4) % 4]
            left.append((text("plot.staying.all") if group is None else str(group), colour, rows))
            _draw_curve(ax, rows, share, end, colour, dash, left[-1][0])
        ax.set_xlim(0, end)
        ax.set_ylim(0, 102)
        ax.axhline(50, color=GREY, linewidth=1, linestyle=(0, (1, 3)))
        ax.set_ylabel(text(f"plot.staying.{share}"))
        ax.set_title(text("plot.staying.band"), loc="left", fontsize="medium", color=GREY)
        ax.legend(loc="best", frameon=True, framealpha=0.9)
        _at_risk(ax, left, end, "at_risk" if share == "survival" else "waiting")
        return ax


def _draw_curve(ax: Axes, rows: pd.DataFrame, share: str, end: float, colour: str, dash: str, name: str) -> None:
    """A step curve on to the end of what was watched, and its band."""
    curve = kaplan_meier(rows)
    median = curve.median().value
    middle = text("plot.staying.median", days=median) if np.isfinite(median) else text("plot.staying.median_open")
    rows = rows[rows["time"] <= end]
    time = rows["time"].to_numpy(dtype=float)
    value, low, high = (100 * rows[one].to_numpy(dtype=float) for one in (share, "low", "high"))
    label = text("plot.staying.group", group=name, n=curve.n, median=middle)
    ax.step(time, value, where="post", color=colour, linestyle=dash, linewidth=2, label=label)
    ax.fill_between(time, low, high, step="post", color=colour, alpha=0.18, linewidth=0)


def _at_risk(ax: Axes, left: list[tuple[str, str, Any]], end: float, key: str) -> None:
    """Under the axis, for each group, how many are still watched and there at the ticks."""
    ticks = [tick for tick in ax.get_xticks() if 0 <= tick <= end]
    ax.set_xticks(ticks)
    place = -46
    under: dict[str, Any] = {
        "xycoords": ("data", "axes fraction"),
        "textcoords": "offset points",
        "annotation_clip": False,
    }
    side: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
    ax.annotate(text(f"plot.staying.{key}"), (0, 0), (0, place), ha="left", va="center", color=GREY, fontsize="small",
                **side)  # fmt: skip
    for name, colour, rows in left:
        place -= LINE
        if len(left) > 1:
            ax.annotate(name, (0, 0), (-22, place), ha="right", va="center", color=colour, fontsize="small", **side)
        numbers = kaplan_meier(rows).at_risk_at(ticks)
        for tick, number in zip(ticks, numbers, strict=True):
            ax.annotate(f"{number:,}", (tick, 0), (0, place), ha="center", va="center", color=colour, fontsize="small",
                        **under)  # fmt: skip


def _rates(result: Mapping[int, Estimate]) -> pd.DataFrame:
    import pandas as pd

    rows = [(nth, one.value, one.low, one.high, one.n) for nth, one in sorted(result.items())]
    return pd.DataFrame(rows, columns=["nth", "value", "low", "high", "n"])


def _pandas(table: Any) -> pd.DataFrame:
    """A small result of any engine, in its own order of time."""
    frame = nw.from_native(table)
    frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    return frame.to_pandas()
