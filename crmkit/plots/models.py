"""Pictures of buy-till-you-die models: who is still there, whether the model foretells, what customers are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.models import btyd
from crmkit.plots.base import BLUE, GREY, INK, ORANGE, PALE, new_figure, nothing, paper, style
from crmkit.texts import text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmkit.models.buying import BuyingModel

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
POINTS = 160
TENTHS = 10


def plot_p_alive(
    model: BuyingModel, *, ax: Axes | None = None, T: float | None = None, most: int | None = None
) -> Axes:
    """A map of the chance of being still there, by number of repeat orders and age at the last one.

    Args:
        model: A fitted `bg_nbd` or `mbg_nbd`.
        ax: Where to draw; a new figure if not given.
        T: For customers who were watched so long; the longest time in the data if not given.
        most: Greatest number of repeat orders; that of the customer who leads 99 in 100 if not given.

    Returns:
        The Axes: repeat orders (from 1) to the right, time of the last order upwards, lines of equal chance with their
        values; the chance of who ordered once only is in the title.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.simulate("textbook", customers=500, weeks=52, seed=1).orders
        >>> axes = plot_p_alive(crmkit.models.mbg_nbd(crmkit.models.btyd_summary(orders)))
    """
    seen = model.seen
    T = float(seen.T.max()) if T is None else T
    most = _most(seen) if most is None else most
    x, tx = np.meshgrid(np.linspace(1, most, POINTS), np.linspace(0, T, POINTS))
    chance = np.exp(btyd.log_alive(model.best.theta, x, tx, np.full(x.shape, T), model.shift))
    once = float(np.exp(btyd.log_alive(model.best.theta, np.zeros(1), np.zeros(1), np.full(1, T), model.shift))[0])
    unit = text(f"fit.unit.{model.unit}")
    with style():
        import seaborn as sns

        ax = ax if ax is not None else new_figure(7.5, 4.8)[1]
        colours = sns.light_palette(BLUE, as_cmap=True)
        area = ax.pcolormesh(x, tx, chance, cmap=colours, vmin=0, vmax=1, shading="gouraud", rasterized=True)
        lines = ax.contour(x, tx, chance, levels=LEVELS, colors=INK, linewidths=1)
        words = ax.clabel(lines, fmt=lambda level: f"{level:.0%}", fontsize=10, colors=INK)
        for word in words:
            word.set_bbox(paper(0.8))
        assert ax.figure is not None
        ax.figure.colorbar(area, ax=ax, label=text("plot.p_alive"), format=lambda share, _: f"{share:.0%}")
        ax.set_xlabel(text("plot.repeat_orders_so_far"))
        ax.set_ylabel(text("plot.last_order_age", unit=unit))
        said = {"unit": unit, "T": f"{T:,.0f}", "once": f"{once:.0%}", "n": f"{model.customers:,}"}
        ax.set_title(text("plot.p_alive_after", **said), loc="left", fontsize="medium", color=GREY)
        ax.grid(visible=False)
        return ax


def _most(seen: btyd.Histories) -> int:
    """The number of repeat orders that all but one in a hundred customers stay within, at least 5."""
    order = np.argsort(seen.x)
    below = np.cumsum(seen.people[order]) >= 0.99 * seen.people.sum()
    return max(5, int(seen.x[order][np.argmax(below)]))


def plot_expected_orders(table: Any, *, ax: Axes | None = None) -> Axes:
    """Whether the model foretells: expected and observed orders after the summary, by repeat orders before.

    Args:
        table: A result of `crmkit.models.calibration`, of any engine.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes: groups of customers to the right, orders per customer upwards, both with 95 % intervals.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.simulate("textbook", customers=500, weeks=78, seed=1).orders
        >>> summary = crmkit.models.btyd_summary(orders, until="2024-12-29")
        >>> table = crmkit.models.calibration(summary, crmkit.models.bg_nbd(summary), orders, horizon=26)
        >>> axes = plot_expected_orders(table)
    """
    rows = frames.rows(nw.from_native(table))
    rows = sorted(rows, key=lambda row: row["frequency"])
    with style():
        ax = ax if ax is not None else new_figure(8, 4.2)[1]
        places = np.arange(len(rows))
        for names, aside, colour, shape, said in (
            (("expected", "expected_low", "expected_high"), -0.09, BLUE, "o", "plot.expected_and_interval"),
            (("observed", "low", "high"), 0.09, ORANGE, "D", "plot.observed_and_interval"),
        ):
            value, low, high = (np.array([_number(row[name]) for row in rows]) for name in names)
            ends = [np.nan_to_num(value - low), np.nan_to_num(high - value)]
            ax.errorbar(places + aside, value, yerr=ends, fmt=shape, color=colour, capsize=4, label=text(said))
        if not any(np.isfinite(_number(row["observed"])) for row in rows):
            nothing(ax)
        last = len(rows) - 1
        ax.set_xticks(places, [_group(row, at == last) for at, row in enumerate(rows)])
        ax.set_xlabel(text("plot.repeat_orders_so_far"))
        ax.set_ylabel(text("plot.orders_per_customer"))
        ax.set_ylim(bottom=0)
        ax.legend(loc="upper left", frameon=True)
        ax.grid(axis="x", visible=False)
        return ax


def _group(row: dict[str, Any], last: bool) -> str:
    number = f"{row['frequency']:,}"
    name = text("plot.and_more", frequency=number) if last and row["frequency"] else number
    counted = text("plot.customers_of_group", n=f"{row['n']:,}")
    return f"{name}\n{counted}"


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)


def plot_clv_btyd(table: Any, *, ax: Axes | None = None) -> Axes:
    """How unequally customers are worth something: the mean of each tenth of them, and its part of the whole.

    Args:
        table: A result of `clv_btyd`, of any engine.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes: tenths from the most to the least valuable, the mean value per customer upwards. An interval is the
        mean of its customers' own: it says how uncertain the parameters are, not how customers vary.

    Examples:
        >>> import crmkit
        >>> summary = crmkit.models.btyd_summary(crmkit.simulate("textbook", customers=500, weeks=52, seed=1).orders)
        >>> buying, spending = crmkit.models.mbg_nbd(summary), crmkit.models.gamma_gamma(summary)
        >>> axes = plot_clv_btyd(crmkit.models.clv_btyd(summary, buying, spending, horizon=52))
    """
    tenths = _tenths(nw.from_native(table))
    with style():
        ax = ax if ax is not None else new_figure(8.5, 4.4)[1]
        if not len(tenths["n"]):
            ax.annotate(text("plot.no_customers"), (0.5, 0.5), xycoords="axes fraction", ha="center", color=GREY)
            return ax
        value, places = tenths["clv"], tenths["tenth"] + 1
        ends = [np.nan_to_num(value - tenths["low"]), np.nan_to_num(tenths["high"] - value)]
        ax.bar(places, value, color=BLUE, width=0.72, edgecolor="white", zorder=2)
        ax.errorbar(places, value, yerr=ends, fmt="none", ecolor=INK, capsize=4, zorder=3,
                    label=text("plot.clv_mean_and_interval"))  # fmt: skip
        whole = (value * tenths["n"]).sum()
        for place, top, total in zip(places, value + ends[1], value * tenths["n"], strict=True):
            share = f"{total / whole:.0%}" if whole else "–"
            ax.annotate(share, (place, top), (0, 5), textcoords="offset points", ha="center", color=INK, bbox=paper())
        n = int(tenths["n"].sum())
        said = text("plot.clv_customers", n=f"{n:,}", each=f"{int(tenths['n'].max()):,}")
        ax.set_title(said, loc="left", fontsize="medium", color=GREY)
        ax.set_xticks(places)
        ax.set_xlabel(text("plot.clv_decile"))
        ax.set_ylabel(text("plot.clv_mean"))
        ax.yaxis.set_major_formatter(lambda amount, _: f"{amount:,.0f}")
        ax.margins(y=0.12)
        ax.legend(loc="upper right", frameon=True)
        ax.grid(axis="x", visible=False)
        ax.grid(axis="y", color=PALE)
        return ax


def _tenths(frame: Any) -> dict[str, Any]:
    """The mean value and ends of each tenth, from the greatest value down; ten rows leave the engine."""
    columns = ("clv", "low", "high")
    known = frame.filter(~nw.col("clv").is_null()).select("customer_id", *columns)
    if isinstance(known, nw.DataFrame):
        known = known.sort("clv", "customer_id", descending=[True, False]).with_row_index("_rank")
    else:
        order = known.with_columns(_down=nw.col("clv") * -1.0, _all=nw.lit(1))
        rank = nw.col("_all").cum_sum().over("_all", order_by=["_down", "customer_id"])
        known = order.with_columns(_rank=rank - 1)
    n = int(frames.row(known.select(n=nw.len()))["n"])
    tenth = (nw.col("_rank").cast(nw.Int64) * TENTHS) // max(n, 1)
    marked = known.select(*columns, tenth=tenth, n=nw.lit(1.0))
    sums = frames.fetch(marked.group_by("tenth").agg(nw.col("n", *columns).sum())).sort("tenth")
    found = {name: sums[name].to_numpy().astype(float) for name in sums.columns}
    return {**found, **{name: found[name] / found["n"] for name in columns}, "tenth": found["tenth"].astype(int)}
