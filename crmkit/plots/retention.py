"""Pictures of coming back and staying: each customer's orders, and the cohorts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from crmkit.plots.base import BLUE, GREY, INK, ORANGE, PALE, month_axis, new_figure, nothing, style
from crmkit.texts import text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmkit.estimate import Window


def plot_order_history(
    orders: Any,
    *,
    ax: Axes | None = None,
    window: Window | None = None,
    base: Sequence[str] = (),
    counted: Sequence[str] = (),
) -> Axes:
    """Each customer a line, each order a dot: who is in the base and who is counted for it.

    Args:
        orders: A small order table: `customer_id`, `ordered_at`; one line per customer, in order of the id.
        ax: Where to draw; a new figure if not given.
        window: Time window to shade.
        base: Customers below the line of the fraction: a ring, or a full dot if they are above it too.
        counted: Customers above the line of the fraction: a triangle if they are not below it.

    Returns:
        The Axes.

    Examples:
        >>> import crmkit
        >>> axes = plot_order_history(crmkit.sample("ten_customers").orders, base=["A", "B"], counted=["A"])
    """
    table = nw.from_native(orders).select("customer_id", "ordered_at").to_dict(as_series=False)
    customers = sorted(set(table["customer_id"]))
    with style():
        ax = ax if ax is not None else new_figure(6, 0.8 + 0.3 * len(customers))[1]
        if window is not None and window.start is not None and window.end is not None:
            ends: Any = (window.start, window.end)  # Matplotlib takes datetimes; its types say floats
            ax.axvspan(*ends, color=ORANGE, alpha=0.18, linewidth=0)
        roles = {customer: _role(customer, base, counted) for customer in customers}
        visits = [(customers.index(who), at, roles[who]) for who, at in zip(*table.values(), strict=True)]
        _draw_visits(ax, visits)
        names = [f"{customer} {ROLES[role][3]}" for customer, role in roles.items()]
        ax.set_yticks([-place for place in range(len(customers))], names)
        ax.set_ylim(-max(len(customers), 1) + 0.4, 0.6)
        if base or counted:
            told = [text(f"plot.role.{role}") for role in ("both", "base", "counted") if role in roles.values()]
            ax.set_title("   ".join(told), loc="left", fontsize="medium", color=GREY)
        if customers:
            month_axis(ax)
        ax.grid(axis="y", visible=False)
        return ax if customers else nothing(ax)


def _draw_visits(ax: Axes, visits: list[tuple[int, Any, str]]) -> None:
    """All dots of a role at once, and a line from each customer's first to the last: few artists, quickly drawn."""
    for role in {role for _, _, role in visits}:
        shape, face, edge, _ = ROLES[role]
        days: list[Any] = [at for _, at, other in visits if other == role]
        rows = [-place for place, _, other in visits if other == role]
        ax.scatter(days, rows, s=64, marker=shape, c=face, edgecolors=edge, linewidths=1.8, zorder=2)
    spans: dict[int, list[Any]] = {}
    for place, at, _ in visits:
        spans.setdefault(-place, []).append(at)
    firsts, lasts = [min(days) for days in spans.values()], [max(days) for days in spans.values()]
    ax.hlines(list(spans), firsts, lasts, color=PALE, linewidth=1.5, zorder=1)


# marker, face, edge, and the sign beside the name, which says the same to those who see no colour
ROLES = {
    "both": ("o", BLUE, BLUE, "●"),
    "base": ("o", "white", BLUE, "○"),
    "counted": ("^", BLUE, BLUE, "▲"),
    "neither": ("o", PALE, PALE, "  "),
    "asked": ("o", GREY, GREY, ""),
}


def _role(customer: str, base: Sequence[str], counted: Sequence[str]) -> str:
    if not base and not counted:
        return "asked"  # nobody is counted yet
    if customer in base:
        return "both" if customer in counted else "base"
    return "counted" if customer in counted else "neither"


def plot_cohort_retention(table: Any, *, ax: Axes | None = None, newest: int = 12, oldest: int = 12) -> Axes:
    """The cohort table as a heatmap; what has not been observed in full stays blank.

    Args:
        table: A result of `cohort_retention`.
        ax: Where to draw; a new figure if not given.
        newest: How many of the latest cohorts to show.
        oldest: Greatest age to show.

    Returns:
        The Axes: one row per cohort with its size, one column per age, in per cent.

    Examples:
        >>> import crmkit
        >>> axes = plot_cohort_retention(crmkit.cohort_retention(crmkit.sample("ten_customers").orders))
    """
    frame = nw.from_native(table)
    frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    cells = frame.filter(nw.col("age") <= oldest).to_pandas()
    cells = cells[cells["cohort"].isin(sorted(cells["cohort"].unique())[-newest:])]
    pattern = "%Y-%m" if (cells["cohort"].dt.day == 1).all() else "%Y-%m-%d"
    cells["row"] = [
        text("plot.cohort_row", cohort=at.strftime(pattern), size=size)
        for at, size in zip(cells["cohort"], cells["size"], strict=True)
    ]
    grid = (
        cells.pivot(index="row", columns="age", values="retention").astype(float).dropna(axis="columns", how="all")
        * 100
    )
    with style():
        import seaborn as sns

        ax = ax if ax is not None else new_figure(9, 1.2 + 0.3 * len(grid))[1]
        if grid.isna().all(axis=None):
            return nothing(ax)
        # age 0 is 100 % by definition: in the colours of the rest it would drown them
        first, later = grid.copy(), grid.copy()
        first.loc[:, first.columns != 0] = math.nan
        later.loc[:, later.columns == 0] = math.nan
        sns.heatmap(first, ax=ax, cmap=[PALE], annot=True, fmt=".0f", linewidths=0.5, cbar=False)
        if later.notna().any(axis=None):
            # light enough for dark figures on every cell
            colours = {"cmap": sns.light_palette("#5aa9d6", as_cmap=True), "vmin": 0, "annot_kws": {"color": INK}}
            bar = {"cbar_kws": {"label": text("plot.share")}}
            sns.heatmap(later, ax=ax, annot=True, fmt=".0f", linewidths=0.5, **colours, **bar)
        ax.set_xlabel(text("plot.age"))
        ax.set_ylabel(text("plot.cohort"), labelpad=10)
        ax.grid(visible=False)
        return ax
