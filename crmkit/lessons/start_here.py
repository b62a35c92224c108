"""Lesson 00, start here: the widget "change one lever: what happens to sales?", the chain of the course in one picture,
its map, and what the first two exercises and a quiz are about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmkit.intervals import ratio_of_sums
from crmkit.lessons.dates import dates
from crmkit.metrics.relationship.sales import net_sales
from crmkit.plots.base import BLUE, GREEN, GREY, INK, ORANGE, RED, new_figure, paper, style
from crmkit.simulator.compare import Comparison, compare
from crmkit.simulator.progress import watched
from crmkit.simulator.world import levers
from crmkit.texts import text
from crmkit.widgets.exercise import Exercise, Quiz, check, offer, quiz
from crmkit.widgets.explorer import Answer, Choice, Explorer, Prediction
from crmkit.widgets.picture import Picture, show

if TYPE_CHECKING:
    from crmkit.training.lessons import Lesson

__all__ = ["chain", "check", "course", "customers_counted", "one_lever", "quiz", "start", "went_ahead"]

LEVERS = {  # one of each theme; two steps of less effort than today, two of more
    "campaign_discount": (0.0, 0.05, 0.2, 0.4),
    "first_reply_hours": (36.0, 18.0, 4.0, 1.0),
    "contact_every_weeks": (0.0, 8.0, 2.0, 1.0),
    "courtesy": (0.3, 0.45, 0.75, 0.9),
}
STARTS_WITH = "campaign_discount"  # which the prediction is about
SIZES = ("much_less", "less", "today", "more", "much_more")
LOOKS = ("net_amount", "orders")
MOST = 50  # per cent, of a prediction
WEEKS_IN_A_POINT = 4
LESSONS = tuple(f"{number:02d}" for number in range(17))
BOXES = {  # where each stands, and its colour
    "contact": (0.12, 0.8, ORANGE),
    "satisfied": (0.41, 0.8, BLUE),
    "again": (0.67, 0.8, GREEN),
    "sales": (0.91, 0.8, INK),
    "records": (0.12, 0.17, RED),
    "tells": (0.67, 0.17, BLUE),
}
ARROWS = (
    ("contact", "satisfied"), ("satisfied", "again"), ("again", "sales"), ("contact", "records"),
    ("records", "contact"), ("satisfied", "tells"), ("tells", "sales"),
)  # fmt: skip


@dataclass(frozen=True)
class Change:
    """What moving a lever does to one outcome: totals in both worlds, the change as a share, and month by month."""

    without: float
    changed: float
    share: float
    low: float
    high: float
    months: pd.DataFrame


def one_lever() -> Explorer:
    """Change one lever: what happens to sales? The same simulated salon, with and without the change."""
    changes = _changes()

    def answer(lever: str, size: str, look: str) -> Answer:
        change = changes[lever, size, look]
        facts = {"look": text(f"lesson00.look.{look}"), "without": _total(change.without, look)}
        if size == "today":
            return Answer(0.0, text("lesson00.unchanged", **facts), lambda *on: _draw(lever, size, look, *on))
        facts |= {"lever": text(f"lesson00.lever.{lever}"), "setting": _setting(lever, size)}
        facts |= {"today": _setting(lever, "today"), "changed": _total(change.changed, look)}
        facts |= {"share": f"{change.share:+.1%}", "low": f"{change.low:+.1%}", "high": f"{change.high:+.1%}"}
        sentence = text("lesson00.result", **facts)
        if change.low <= 0 <= change.high:
            sentence += " " + text("lesson00.unsure")
        return Answer(100 * change.share, sentence, lambda *on: _draw(lever, size, look, *on))

    return Explorer(
        texts="lesson00",
        prediction=Prediction(-MOST, MOST, 1, "%", start=0),
        controls=[
            Choice("lever", tuple((text(f"lesson00.lever.{one}"), one) for one in LEVERS), STARTS_WITH),
            Choice("size", tuple((text(f"lesson00.size.{one}"), one) for one in SIZES), "much_more"),
            Choice("look", tuple((text(f"lesson00.look.{one}"), one) for one in LOOKS), "net_amount"),
        ],
        answer=answer,
        before=_before,
        panels={"ncols": 2, "width": 11, "height": 4.2, "gridspec_kw": {"wspace": 0.14}},
    )


@cache
def _changes() -> Mapping[tuple[str, str, str], Change]:
    """Every answer the widget can give: each world is lived once, so that a key is answered at once."""
    return {
        (lever, size, look): _change(worlds, look)
        for lever, size in watched(list(product(LEVERS, SIZES)), text("compare.progress"))
        for worlds in [compare("salon", {lever: _value(lever, size)})]
        for look in LOOKS
    }


def _change(worlds: Comparison, look: str) -> Change:
    """The change of an outcome's total, with the interval of a ratio over customers."""
    base, after = (world.outcomes[look] for world in (worlds.baseline, worlds.changed))
    more = after - base
    sums = (more.sum(), base.sum(), (more**2).sum(), (more * base).sum(), (base**2).sum())
    low, high = ratio_of_sums(len(base), *sums)
    weekly, point = worlds.weekly, np.arange(len(worlds.weekly)) // WEEKS_IN_A_POINT
    months = pd.DataFrame(
        {
            "at": weekly["week_start"].groupby(point).first(),
            "without": weekly[f"{look}_without"].groupby(point).sum(),
            "changed": weekly[f"{look}_with"].groupby(point).sum(),
        }
    )
    return Change(float(sums[1]), float(after.sum()), float(sums[0] / sums[1]), float(low), float(high), months)


@cache
def _today() -> dict[str, float]:
    table = levers("salon")
    return dict(zip(table["lever"], table["value"], strict=True))


def _value(lever: str, size: str) -> float:
    least, less, more, most = LEVERS[lever]
    return dict(zip(SIZES, (least, less, _today()[lever], more, most), strict=True))[size]


def _setting(lever: str, size: str) -> str:
    """Where a lever stands, in words: "40%", "1 hour"."""
    value, often = _value(lever, size), {0.0: "none", 1.0: "each_week"}
    key = often.get(value, lever) if lever == "contact_every_weeks" else lever
    return text(f"lesson00.setting.{key}", per_cent=f"{value:.0%}", value=f"{value:g}")


def _total(value: float, look: str) -> str:
    rounded = round(value, -4 if look == "net_amount" else 0)  # to 10,000 yen
    return text(f"lesson00.total.{look}", number=f"{rounded:,.0f}")


def _before(_: Any, axes: Any) -> str:
    """The salon as it is, without any change."""
    change = _changes()["courtesy", "today", "net_amount"]
    _draw_months(axes[0], change.months, "net_amount", changed=False)
    axes[1].set_axis_off()
    axes[1].annotate(text("lesson00.here"), (0.5, 0.5), xycoords="axes fraction", ha="center", color=GREY)
    return text("lesson00.before", without=_total(change.without, "net_amount"))


def _draw(lever: str, size: str, look: str, _: Any, axes: Any, predicted: float | None) -> None:
    _draw_months(axes[0], _changes()[lever, size, look].months, look, changed=size != "today")
    asked = (lever, look) == (STARTS_WITH, "net_amount")  # the prediction says nothing about another lever
    _draw_sizes(axes[1], lever, size, look, predicted if asked else None)


def _draw_months(ax: Any, months: pd.DataFrame, look: str, *, changed: bool) -> None:
    """Both worlds through two years: the one that every shop sees, and the one beside it."""
    scale = 1e4 if look == "net_amount" else 1
    lines = [("without", GREY, "--", 2.0)] + ([("changed", BLUE, "-", 1.6)] if changed else [])
    for name, colour, dash, width in lines:
        label = text(f"lesson00.line.{name}")
        ax.plot(months.index, months[name] / scale, color=colour, linestyle=dash, linewidth=width, label=label)
    named = months["at"].iloc[::6]
    ax.set_xticks(named.index, named.dt.strftime("%Y-%m"))
    ax.set_xlabel(text("plot.month"))
    ax.set_ylim(0, 1.25 * months[["without", "changed"]].to_numpy().max() / scale)
    ax.set_ylabel(text(f"lesson00.axis.{look}"))
    ax.legend(loc="upper left", frameon=False)


def _draw_sizes(ax: Any, lever: str, chosen: str, look: str, predicted: float | None) -> None:
    """The lever's five sizes one below the other: the change against today, with its interval."""
    for place, size in enumerate(SIZES):
        change, colour = _changes()[lever, size, look], BLUE if size == chosen else GREY
        # a thin mark on a broad bar: small changes keep a visible interval beside large ones
        ax.plot([100 * change.low, 100 * change.high], [-place, -place], color=colour, linewidth=7, alpha=0.45)
        ax.plot(100 * change.share, -place, "|", color=colour, markersize=15, markeredgewidth=2.5, zorder=3)
        said = text("lesson00.line.today") if size == "today" else f"{change.share:+.1%}"
        beside = {"xytext": (0, 9), "textcoords": "offset points", "bbox": paper(), "zorder": 2.5}
        ax.annotate(said, (100 * change.share, -place), color=colour, ha="center", **beside)
    ax.axvline(0, color=INK, linewidth=1)
    if predicted is not None:
        ax.axvline(predicted, color=RED, linestyle="--", linewidth=2)
        ax.annotate(text("plot.your_prediction"), (predicted, 0.85), color=RED, ha="center", bbox=paper(1), zorder=4)
    names = [_setting(lever, size) for size in SIZES]
    marks = [f"▶ {name}" if size == chosen else name for name, size in zip(names, SIZES, strict=True)]
    ax.set_yticks([-place for place in range(len(SIZES))], marks)
    ax.set_ylim(-len(SIZES) + 0.4, 1.4)
    reach = 1.15 * max(_reach(), abs(predicted or 0))
    ax.set_xlim(-reach, reach)
    ax.set_xlabel(text("lesson00.axis.change", look=text(f"lesson00.look.{look}")))
    ax.grid(axis="y", visible=False)


@cache
def _reach() -> float:
    """How far the changes of all levers go, in per cent: one axis for all, so that levers can be compared."""
    return 100 * max(max(abs(change.low), abs(change.high)) for change in _changes().values())


def chain() -> Picture:
    """The chain that the whole course follows, and which lessons look at which link of it."""
    with style():
        _, ax = new_figure(11, 3.8)
        ax.set_axis_off()
        ax.set_xlim(0, 1)
        ax.set_ylim(0, 1)
        ends = {name: _draw_box(ax, name) for name in BOXES}
        for one, other in ARROWS:
            _draw_arrow(ax, ends[one], ends[other], bend=0.25 if {one, other} == {"contact", "records"} else 0)
    return show(ax, text("lesson00.chain"))


def _draw_box(ax: Any, name: str) -> Any:
    x, y, colour = BOXES[name]
    frame = {"boxstyle": "round,pad=0.6", "facecolor": "white", "edgecolor": colour, "linewidth": 2.5}
    beside = {"ha": "center", "va": "center", "color": INK, "bbox": frame, "zorder": 3, "linespacing": 1.4}
    return ax.annotate(text(f"lesson00.box.{name}"), (x, y), fontsize="large", **beside)


def _draw_arrow(ax: Any, one: Any, other: Any, *, bend: float) -> None:
    look = {"arrowstyle": "-|>,head_width=0.35,head_length=0.6", "color": GREY, "linewidth": 2}
    look |= {"patchA": one.get_bbox_patch(), "patchB": other.get_bbox_patch()}
    look |= {"connectionstyle": f"arc3,rad={bend}", "shrinkA": 2, "shrinkB": 2}
    ax.annotate("", other.xy, one.xy, arrowprops=look)


def course(there: Iterable[Lesson]) -> pd.DataFrame:
    """The map of the course: which lesson answers which question, by theme, and whether it is there yet.

    Args:
        there: The lessons that can be opened, as `crmkit.training.lessons.lessons()` lists them.

    Returns:
        One row per lesson, in words of the language in use; one that is still to be written says so.

    Examples:
        >>> from crmkit.texts import in_language
        >>> with in_language("en"):
        ...     course([])["Notebook"].unique().tolist()
        ['still to come']
    """
    heads = [text(f"lesson00.head.{one}") for one in ("lesson", "theme", "asks", "notebook")]
    found = {one.number: text("lesson00.found", title=one.title, minutes=one.minutes) for one in there}
    rows = [
        (
            number,
            text(f"lesson00.theme.{number}"),
            text(f"lesson00.asks.{number}"),
            found.get(number, text("lesson00.to_come")),
        )
        for number in LESSONS
    ]
    return pd.DataFrame(rows, columns=heads).set_index(heads[0])


def went_ahead(orders: pd.DataFrame) -> pd.DataFrame:
    """The orders that became a sale: none that were cancelled, none that somebody typed in to test the till.

    Args:
        orders: One row per order; `status` and `is_test` are heeded where the table has them.

    Returns:
        The rows that are left.

    Examples:
        >>> orders = pd.DataFrame({"customer_id": ["A", "B"], "status": ["completed", "cancelled"]})
        >>> went_ahead(orders)["customer_id"].to_list()
        ['A']
    """
    sold = pd.Series(True, index=orders.index)
    if "status" in orders:
        sold &= orders["status"].isna() | orders["status"].eq("completed").fillna(False).astype(bool)
    if "is_test" in orders:
        sold &= ~orders["is_test"].fillna(False).astype(bool)
    return orders[sold]


def customers_counted(crm: Any) -> pd.DataFrame:
    """How many customers a shop has, counted in several honest ways.

    Args:
        crm: A data set; the list of customers and the truth are heeded where there are any.

    Returns:
        One row per way of counting, in words of the language in use, with the number of customers.

    Examples:
        >>> import crmkit
        >>> customers_counted(crmkit.sample("ten_customers")).shape
        (3, 1)
    """
    sold, when = went_ahead(crm.orders), dates(crm.orders)
    year_ago = pd.Timestamp(when.as_of) - pd.DateOffset(years=1)
    in_month = sold["ordered_at"].between(when.month["start"], when.month["end"], inclusive="left")
    counts = {"listed": _listed(crm)}
    counts |= {"ever": sold["customer_id"].nunique()}
    counts |= {"year": sold.loc[sold["ordered_at"] >= year_ago, "customer_id"].nunique()}
    counts |= {"month": sold.loc[in_month, "customer_id"].nunique()}
    truth = getattr(crm, "truth", None)
    if truth is not None:
        stayed = truth.customers.loc[truth.customers["died_at"].isna(), "customer_id"]
        counts["there"] = int(stayed.isin(sold["customer_id"]).sum())  # some on the list have never bought anything
    rows = {text(f"lesson00.counted.{one}"): number for one, number in counts.items() if number is not None}
    return pd.DataFrame({text("lesson00.head.customers"): rows})


def _listed(crm: Any) -> int | None:
    customers = getattr(crm, "customers", None)
    return None if customers is None or not len(customers) else len(customers)


def start(crm: Any) -> pd.DataFrame:
    """Begin the exercises on these data; gives the orders."""
    orders: pd.DataFrame = crm.orders
    offer(*exercises(crm), Quiz("00.3", right="b"))
    return orders


def exercises(crm: Any) -> tuple[Exercise, ...]:
    """The lesson's exercises on these data, with what the usual mistakes would give."""
    orders, listed = crm.orders, _listed(crm)
    sold = went_ahead(orders)
    return (
        Exercise(
            "00.1",
            lambda: float(net_sales(orders)),
            {
                "everything": lambda: _sum(orders, "net_amount"),
                "gross": lambda: _sum(sold, "gross_amount"),
                "refunds": lambda: _sum(sold, "net_amount"),
                "tests": lambda: _sum(went_ahead(orders.drop(columns="is_test", errors="ignore")), "net_amount"),
                "rows": lambda: float(len(orders)),
            },
            tolerance=0.5,
        ),
        Exercise(
            "00.2",
            lambda: float(sold["customer_id"].nunique()),
            {
                "orders": lambda: float(len(sold)),
                "all_orders": lambda: float(len(orders)),
                "listed": lambda: float("nan" if listed is None else listed),
                "twice": lambda: float((sold["customer_id"].value_counts() > 1).sum()),
            },
        ),
    )


def _sum(orders: pd.DataFrame, column: str) -> float:
    return float(orders[column].sum()) if column in orders else float("nan")
