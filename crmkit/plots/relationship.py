"""Pictures of the customer base: the RFM map, the deciles of spending, and who came and went."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.plots.base import BLUE, GREEN, GREY, INK, ORANGE, new_figure, nothing, paper, style
from crmkit.texts import text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SCORES = 5
CROWDED = 0.75  # share of the darkest colour beyond which dark words are hard to read
FLOWS = {"new": 1, "reactivated": 1, "lapsed": -1, "new_and_gone": -1}


def plot_rfm(table: Any, *, ax: Axes | None = None) -> Axes:
    """The RFM map: how many customers have which scores for recency and frequency, and what they spent on average.

    Args:
        table: A result of `rfm`; the engine counts, however many customers there are.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes: r from left to right, f from bottom to top; a cell without customers stays blank.

    Examples:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"r": [5, 5, 1], "f": [5, 5, 1], "monetary": [9000.0, 7000.0, 500.0]})
        >>> axes = plot_rfm(table)
    """
    frame: Any = nw.from_native(table)
    cells = frames.rows(frame.group_by("r", "f").agg(nw.len().alias("n"), nw.col("monetary").mean().alias("spent")))
    most = max((cell["n"] for cell in cells), default=1)
    grid = [[math.nan] * SCORES for _ in range(SCORES)]
    for cell in cells:
        grid[cell["f"] - 1][cell["r"] - 1] = cell["n"]
    with style():
        import seaborn as sns

        ax = ax if ax is not None else new_figure(7.5, 5.2)[1]
        colours = sns.light_palette(BLUE, as_cmap=True)
        scores = [str(score) for score in range(1, SCORES + 1)]
        bar = {"label": text("plot.rfm.colour")}
        sns.heatmap(grid, ax=ax, cmap=colours, vmin=0, vmax=most, linewidths=0.8, cbar_kws=bar,
                    xticklabels=scores, yticklabels=scores)  # fmt: skip
        ax.invert_yaxis()
        for cell in cells:
            said = text("plot.rfm.cell", customers=f"{cell['n']:,}", amount=f"{cell['spent']:,.0f}")
            colour = "white" if cell["n"] > CROWDED * most else INK
            ax.text(cell["r"] - 0.5, cell["f"] - 0.5, said, ha="center", va="center", color=colour, fontsize="small")
        ax.set_xlabel(text("plot.rfm.recency"))
        ax.set_ylabel(text("plot.rfm.frequency"))
        if not cells:
            nothing(ax)
        title = text("plot.rfm.title", customers=f"{sum(cell['n'] for cell in cells):,}")
        ax.set_title(title, loc="left", fontsize="medium", color=GREY)
        ax.tick_params(axis="y", rotation=0)
        ax.grid(visible=False)
        return ax


def plot_decile_table(table: Any, *, ax: Axes | None = None) -> Axes:
    """Each tenth of the customers' share of sales as a bar, and that of all the better ones with it as a line.

    Args:
        table: A result of `decile_table`.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes; y in per cent.

    Examples:
        >>> import pandas as pd
        >>> from crmkit.metrics.relationship.segments import decile_table
        >>> orders = pd.DataFrame({
        ...     "customer_id": [f"C{n}" for n in range(10)],
        ...     "ordered_at": pd.to_datetime(["2026-03-01"] * 10),
        ...     "net_amount": [1000.0 * (n + 1) for n in range(10)],
        ... })
        >>> axes = plot_decile_table(decile_table(orders))
    """
    frame: Any = nw.from_native(table)
    rows = sorted(frames.rows(frame), key=lambda row: row["decile"])
    places = [row["decile"] for row in rows]
    shares, upto = ([100 * _number(row[name]) for row in rows] for name in ("share", "cumulative_share"))
    with style():
        ax = ax if ax is not None else new_figure(8, 4.4)[1]
        ax.bar(places, shares, color=BLUE, width=0.75)
        ax.plot(places, upto, "o-", color=ORANGE, linewidth=2, zorder=3)
        if all(math.isnan(value) for value in upto):
            nothing(ax)
        for place, share, total in zip(places, shares, upto, strict=True):
            if not math.isnan(share):
                above = 9 if place == 1 else 3  # over the line's first dot, which sits on the bar
                ax.annotate(f"{share:.1f}", (place, share), (0, above), textcoords="offset points", ha="center",
                            color=INK, fontsize="small", bbox=paper() if place == 1 else None, zorder=4)  # fmt: skip
            if not math.isnan(total) and place > 1:  # the first is the bar itself
                ax.annotate(f"{total:.0f}", (place, total), (0, 8), textcoords="offset points", ha="center",
                            color=INK, fontsize="small", bbox=paper(), zorder=2.5)  # fmt: skip
        ticks = [text("plot.decile.tick", decile=row["decile"], customers=f"{row['customers']:,}") for row in rows]
        ax.set_xticks(places, ticks, fontsize="small")
        ax.set_ylim(0, 112)
        ax.set_xlabel(text("plot.decile.group"))
        ax.set_ylabel(text("plot.decile.share"))
        told = f"{text('plot.decile.bar')}   {text('plot.decile.line')}"
        ax.set_title(told, loc="left", fontsize="medium", color=GREY)
        ax.grid(axis="x", visible=False)
        return ax


def plot_customer_base_movements(table: Any, *, ax: Axes | None = None) -> Axes:
    """From the active customers at the start to those at the end, step by step; several periods are added up.

    Args:
        table: A result of `customer_base_movements`.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes; y in customers. What comes is hatched upwards and signed +, what goes downwards and signed −.

    Examples:
        >>> import crmkit
        >>> from crmkit.metrics.relationship.customers import customer_base_movements
        >>> orders = crmkit.sample("ten_customers").orders
        >>> march = customer_base_movements(orders, start="2026-03-01", end="2026-04-01", active_days=60)
        >>> axes = plot_customer_base_movements(march)
    """
    frame: Any = nw.from_native(table)
    rows = sorted(frames.rows(frame), key=lambda row: row["start"])
    flows = {name: sign * sum(row[name] for row in rows) for name, sign in FLOWS.items()}
    if not flows["new_and_gone"]:  # most windows are shorter than a customer stays active
        del flows["new_and_gone"]
    level = rows[0]["opening"] if rows else 0
    with style():
        ax = ax if ax is not None else new_figure(7.5, 4.2)[1]
        if not rows:
            return nothing(ax)
        _ends(ax, 0, level)
        for place, (name, change) in enumerate(flows.items(), start=1):
            colour, hatch = (GREEN, "//") if FLOWS[name] > 0 else (ORANGE, "\\\\")
            ax.bar(place, change, bottom=level, color=colour, hatch=hatch, edgecolor="white", width=0.62)
            ax.plot([place - 1 + 0.31, place + 0.31], [level, level], color=GREY, linewidth=1, zorder=1)
            sign = "+" if FLOWS[name] > 0 else "−"
            _say(ax, place, max(level, level + change), f"{sign}{abs(change):,}")
            level += change
        last = len(flows) + 1
        ax.plot([last - 1 - 0.31, last + 0.31], [level, level], color=GREY, linewidth=1, zorder=1)
        _ends(ax, last, rows[-1]["closing"])
        labels = [
            text("plot.movements.opening", date=f"{rows[0]['start']:%Y-%m-%d}"),
            *(text(f"plot.movements.{name}") for name in flows),
            text("plot.movements.closing", date=f"{rows[-1]['end']:%Y-%m-%d}"),
        ]
        ax.set_xticks(range(last + 1), labels)
        ax.set_ylim(0, 1.12 * max(rows[0]["opening"] + sum(max(change, 0) for change in flows.values()), 1))
        ax.yaxis.set_major_formatter("{x:,.0f}")
        ax.set_ylabel(text("plot.movements.customers"))
        ax.grid(axis="x", visible=False)
        return ax


def _ends(ax: Axes, place: int, customers: int) -> None:
    ax.bar(place, customers, color=BLUE, width=0.62)
    _say(ax, place, customers, f"{customers:,}")


def _say(ax: Axes, place: float, height: float, said: str) -> None:
    ax.annotate(said, (place, height), (0, 4), textcoords="offset points", ha="center", color=INK)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
