"""Pictures of metric results: a result in, Axes out, in the language in use, with the interval where there is one.

`style()` owns how every picture looks: seaborn's whitegrid, colours that colour-blind readers can tell apart, and a
font that has Japanese. Figures are made without pyplot, so nothing stays open and no notebook shows a picture twice.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from crmkit.texts import text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from crmkit.estimate import Estimate, Window

# Okabe & Ito's palette, as seaborn's "colorblind" orders it: told apart in all common forms of colour blindness
BLUE, ORANGE, GREEN, RED = "#0173b2", "#de8f05", "#029e73", "#d55e00"
INK, GREY, PALE = "#262626", "#6e6e6e", "#d9d9d9"


@contextmanager
def style() -> Iterator[None]:
    """Draw inside this block to get crmkit's look.

    Examples:
        >>> with style():
        ...     figure, axes = new_figure()
    """
    import matplotlib as mpl

    with mpl.rc_context(_look()):
        yield


@cache
def _look() -> dict[str, Any]:
    import matplotlib_fontja  # registers the Japanese font  # noqa: F401
    import seaborn as sns

    look = {**sns.plotting_context("notebook", font_scale=0.9), **sns.axes_style("whitegrid")}
    look |= {"font.family": "IPAexGothic", "axes.edgecolor": GREY, "axes.spines.top": False, "axes.spines.right": False}
    return look


def new_figure(width: float = 9, height: float = 4.2, layout: Any = "constrained", **panels: Any) -> tuple[Figure, Any]:
    """An empty figure in inches and its Axes (several with `ncols=` or `width_ratios=`), outside pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(**panels)


def png(figure: Figure, dpi: int = 100) -> bytes:
    """The figure as PNG, the same bytes for the same picture."""
    page = io.BytesIO()
    # a light compression: people wait for the picture, and it travels within the machine
    figure.savefig(page, format="png", dpi=dpi, metadata={"Software": None}, pil_kwargs={"compress_level": 2})
    return page.getvalue()


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
        ax = ax if ax is not None else new_figure(6, 0.6 + 0.5 * len(estimates))[1]
        places = {label: -place for place, label in enumerate(estimates)}
        for label, estimate in estimates.items():
            _draw_estimate(ax, places[label], estimate, BLUE if highlight in (None, label) else GREY)
        if prediction is not None:
            ax.axvline(100 * prediction, color=RED, linestyle="--", linewidth=2)
            ax.annotate(
                text("plot.your_prediction"), (100 * prediction, 0.95), color=RED, ha="center", bbox=_paper(1), zorder=4
            )
        ax.set_yticks(list(places.values()), [f"▶ {label}" if label == highlight else label for label in places])
        ax.set_ylim(-len(places) + 0.4, 1.3)
        ax.set_xlim(0, 1.2 * max((100 * _rightmost(figure) for figure in estimates.values()), default=100))
        ax.set_xlabel(text("plot.share_and_interval"))
        ax.grid(axis="y", visible=False)
        return ax


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
    ax.annotate(counted, at, (0, 8), textcoords="offset points", ha=side, color=colour, bbox=_paper(), zorder=2.5)


def _paper(alpha: float = 0.85) -> dict[str, Any]:
    """A white ground, so that lines do not run through words."""
    return {"facecolor": "white", "edgecolor": "none", "alpha": alpha, "pad": 1}


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
        ax.set_ylim(-len(customers) + 0.4, 0.6)
        if base or counted:
            told = [text(f"plot.role.{role}") for role in ("both", "base", "counted") if role in roles.values()]
            ax.set_title("   ".join(told), loc="left", fontsize="medium", color=GREY)
        _date_axis(ax)
        ax.grid(axis="y", visible=False)
        return ax


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


def _date_axis(ax: Axes) -> None:
    from matplotlib.dates import DateFormatter, MonthLocator

    ax.xaxis.set_major_locator(MonthLocator())
    ax.xaxis.set_major_formatter(DateFormatter("%Y-%m"))
    ax.set_xlabel(text("plot.month"))


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
