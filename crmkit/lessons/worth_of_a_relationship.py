"""Lesson 03, the worth of a relationship: the widget "is it really five times?", three exercises and a quiz, the dates
they ask about, and the picture of when a customer has paid back what winning her cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache, partial
from itertools import cycle, pairwise
from typing import Any, cast

import pandas as pd

from crmkit.estimate import Estimate
from crmkit.lessons.books import KEEPING, WINNING, Books, Spans, spans
from crmkit.metrics.relationship.costs import cac, cac_payback_months, cost_mix
from crmkit.metrics.relationship.value import clv_historic, customer_profits
from crmkit.plots import new_figure, plot_cost_mix, style
from crmkit.plots.base import BLUE, GREEN, GREY, INK, ORANGE, RED, nothing, paper
from crmkit.texts import has_text, text
from crmkit.widgets.exercise import Exercise, Quiz, check, offer, quiz
from crmkit.widgets.explorer import Answer, Choice, Explorer, Number, Prediction
from crmkit.widgets.picture import show

__all__ = [
    "Spans",
    "check",
    "five_times",
    "plot_payback",
    "quiz",
    "say_deciles",
    "say_payback",
    "show",
    "start",
]

MARKS = {"messages": ("^", GREEN), "booked": ("o", BLUE), "everything": ("s", ORANGE)}
FEWEST_DAYS, MOST_DAYS, STEP, USUAL_DAYS = 60, 365, 5, 365
CLAIM = 5.0
LOOKS = ((BLUE, ""), (ORANGE, "///"), (GREEN, "..."), ("#cc78bc", "xx"), ("#ca9161", "\\\\\\"), ("#56b4e9", "++"))
LEAST, MOST = 0.08, 250  # of the axis, which is logarithmic
NEAR_THE_EDGE = 60  # where words would run out of the picture


def start(crm: Any) -> Spans:
    """Begin the exercises on these data: find their dates, and have the answers computed from them."""
    when = spans(crm.orders)
    offer(*exercises(crm, when), Quiz("03.4", right="b"))
    return when


def word(of: str) -> str:
    """One of the lesson's short words, in the language in use."""
    return text(f"lesson03.word.{of}")


def five_times(crm: Any) -> Explorer:
    """Is it really five times? Choose which costs count, how many months, and who is a regular."""
    books = Books(crm)

    def answer(winning: str, keeping: str, months: float, active_days: float) -> Answer:
        ratio = books.ratio(winning, keeping, int(months), int(active_days))
        people = {name: float(ratio.besides[name]) for name in ("new", "retained")}
        grid = books.grid(int(months), people)
        return Answer(
            ratio.value,
            _sentence(ratio, people, grid, int(months)),
            partial(_draw, books, ratio, people, grid, (winning, keeping), int(months)),
        )

    return Explorer(
        texts="lesson03",
        prediction=Prediction(0, 100, 0.1, text("lesson03.unit")),
        controls=[
            Choice("winning", tuple((word(f"winning_{one}"), one) for one in WINNING), "booked"),
            Choice("keeping", tuple((word(f"keeping_{one}"), one) for one in KEEPING), "booked"),
            Number("months", 1, max(2, books.spans.months), 1, books.spans.months),
            Number("active_days", FEWEST_DAYS, MOST_DAYS, STEP, USUAL_DAYS),
        ],
        answer=answer,
        before=partial(_before, books),
        panels={"ncols": 2, "width": 11, "height": 4.4},
    )


def _sentence(ratio: Estimate, people: Mapping[str, float], grid: Mapping[Any, float], months: int) -> str:
    if math.isnan(ratio.value):
        return text("lesson03.no_ratio", span=_span(months))
    known = [value for value in grid.values() if not math.isnan(value)]
    return text(
        "lesson03.result",
        value=_times(ratio.value), low=_times(ratio.low), high=_times(ratio.high), span=_span(months),
        won=f"{ratio.numerator:,.0f}", kept=f"{ratio.denominator:,.0f}",
        new=f"{people['new']:,.0f}", retained=f"{people['retained']:,.0f}",
        least=_times(min(known)), most=_times(max(known)),
    )  # fmt: skip


def _span(months: int) -> str:
    return text("lesson03.span.one" if months == 1 else "lesson03.span.more", months=months)


def _times(value: float) -> str:
    return f"{value:.2g}" if value < 1 else f"{value:.1f}"


def _before(books: Books, _: Any, axes: Any) -> str:
    mix = cost_mix(books.costs, **books.spans.recent)
    plot_cost_mix(mix, ax=axes[0])
    axes[1].set_axis_off()
    axes[1].annotate(text("lesson03.here"), (0.5, 0.5), xycoords="axes fraction", ha="center", color=GREY)
    return text("lesson03.before", span=_span(books.spans.months), amount=f"{mix['numerator'].sum():,.0f}")


def _draw(
    books: Books,
    ratio: Estimate,
    people: Mapping[str, float],
    grid: Mapping[tuple[str, str], float],
    chosen: tuple[str, str],
    months: int,
    _: Any,
    axes: Any,
    predicted: float | None,
) -> None:
    looks = dict(zip(books.categories, cycle(LOOKS), strict=False))  # the same for every choice
    _draw_heads(axes[0], books.parts(*chosen, months), people, looks, months)
    _draw_grid(axes[1], ratio, grid, chosen, predicted)


def _draw_heads(
    ax: Any,
    parts: Mapping[str, Mapping[str, float]],
    people: Mapping[str, float],
    looks: Mapping[str, tuple[str, str]],
    months: int,
) -> None:
    """The cost per newcomer and per kept regular, each made of its categories."""
    heads = {"acquisition": people["new"], "retention": people["retained"]}
    highest = 0.0
    for place, (side, head) in enumerate(heads.items()):
        below = 0.0
        for category, amount in sorted(parts[side].items(), key=lambda part: -part[1]):
            colour, hatch = looks[category]
            each = amount / head if head else 0.0
            ax.bar(place, each, 0.55, bottom=below, color=colour, hatch=hatch, edgecolor="white")
            below += each
        ax.annotate(text("unit.jpy", value=below), (place, below), (0, 4), textcoords="offset points", ha="center",
                    color=INK)  # fmt: skip
        highest = max(highest, below)
    for category in sorted({name for costs in parts.values() for name in costs}):
        colour, hatch = looks[category]
        ax.bar(0, 0, 0.55, color=colour, hatch=hatch, edgecolor="white", label=_category(category))
    ax.set_ylim(0, 1.6 * highest or 1)
    ax.set_xlim(-0.6, 1.6)
    ax.set_xticks([0, 1], [text(f"lesson03.head.{side}", span=_span(months)) for side in heads])
    ax.set_ylabel(text("lesson03.axis.yen"))
    ax.yaxis.set_major_formatter(lambda amount, _: f"{amount:,.0f}")
    if any(parts.values()):
        ax.legend(loc="upper center", ncols=3, fontsize="small", frameon=False)
    ax.grid(axis="x", visible=False)


def _category(name: str) -> str:
    key = f"plot.cost_group.{name}"
    return text(key) if has_text(key) else word("discount") if name == "discount" else name


def _draw_grid(
    ax: Any, ratio: Estimate, grid: Mapping[tuple[str, str], float], chosen: tuple[str, str], predicted: float | None
) -> None:
    """The ratio of every choice on one axis, with the rule's five and the prediction as lines."""
    ax.set_xscale("log")
    ax.set_xlim(LEAST, MOST)
    for keeping, (mark, colour) in MARKS.items():
        places = [-row for row, winning in enumerate(WINNING) if not math.isnan(grid[winning, keeping])]
        at = [_inside(grid[WINNING[-place], keeping]) for place in places]
        ax.plot(at, places, mark, color=colour, markersize=8, alpha=0.75, label=word(f"against_{keeping}"))
    row = -WINNING.index(chosen[0])
    if math.isnan(ratio.value):
        nothing(ax)
    else:
        ax.plot([_inside(ratio.low), _inside(ratio.high)], [row, row], color=INK, linewidth=2.5)
        ax.plot(_inside(ratio.value), row, MARKS[chosen[1]][0], color=INK, markersize=12, zorder=4)
        said = text("lesson03.times", value=_times(ratio.value))
        ax.annotate(said, (_inside(ratio.value), row), (0, 11), textcoords="offset points", zorder=5,
                    ha="right" if ratio.value > NEAR_THE_EDGE else "center", color=INK, bbox=paper())  # fmt: skip
    lines = [(text("lesson03.rule"), CLAIM, GREY, ":", 0.62)]
    if predicted is not None:
        lines.append((text("plot.your_prediction"), _inside(predicted), RED, "--", 0.95))
    for label, at_line, colour, dash, height in lines:
        ax.axvline(at_line, color=colour, linestyle=dash, linewidth=2)
        ax.annotate(label, (at_line, height), (4, 0), textcoords="offset points", color=colour, bbox=paper(1), zorder=6)
    ax.set_yticks([-row for row in range(len(WINNING))], [word(f"row_{winning}") for winning in WINNING])
    ax.set_ylim(-len(WINNING) - 0.35, 1.3)
    ax.set_ylabel(text("lesson03.control.winning"))
    ax.set_xticks([0.1, 0.5, 1, 5, 10, 50, 100], ["0.1", "0.5", "1", "5", "10", "50", "100"])
    ax.minorticks_off()
    ax.set_xlabel(text("lesson03.axis.ratio"))
    ax.legend(loc="lower center", ncols=3, fontsize="small", handletextpad=0.1, columnspacing=1,
              title=text("lesson03.control.keeping"), title_fontsize="small")  # fmt: skip
    ax.grid(axis="y", visible=False)


def _inside(value: float) -> float:
    """Where a value is drawn on the axis of ratios: at its edge, if it lies beyond."""
    return min(max(value, LEAST), MOST) if not math.isnan(value) else math.nan


# --- when is it paid back?


def plot_payback(curve: Mapping[int, Estimate], cost: Estimate, *, ax: Any = None) -> Any:
    """Gross profit per newcomer by days since the first visit, against what winning the newcomer cost.

    Args:
        curve: `clv_historic` by the number of days that were looked at.
        cost: `cac` of the same newcomers.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes; x in days, y in yen, with 95% intervals.
    """
    with style():
        ax = ax if ax is not None else new_figure(8.5, 4.2)[1]
        days, figures = list(curve), list(curve.values())
        ax.plot(days, [float(one) for one in figures], "o-", color=BLUE, label=text("lesson03.profit_line"))
        ax.fill_between(days, [one.low for one in figures], [one.high for one in figures], color=BLUE, alpha=0.2)
        ax.axhline(float(cost), color=RED, linestyle="--", linewidth=2, label=text("lesson03.cost_line"))
        if not math.isnan(cost.low):
            ax.axhspan(cost.low, cost.high, color=RED, alpha=0.15)
        highest = max([float(cost), *(float(one) for one in figures)], default=1)
        ax.set_ylim(0, 1.25 * highest if highest > 0 else 1)
        ax.set_xlim(left=0)
        ax.set_xlabel(text("lesson03.axis.days"))
        ax.set_ylabel(text("lesson03.axis.profit"))
        ax.yaxis.set_major_formatter(lambda amount, _: f"{amount:,.0f}")
        ax.legend(loc="upper left")
        return ax


def say_payback(curve: Mapping[int, Estimate], cost: Estimate) -> str:
    """What that picture shows, in a sentence."""
    first, last = min(curve), max(curve)
    return text(
        "lesson03.payback",
        first=first, last=last, early=f"{float(curve[first]):,.0f}", late=f"{float(curve[last]):,.0f}",
        cost=f"{float(cost):,.0f}", n=f"{curve[last].n:,}",
    )  # fmt: skip


def say_deciles(table: pd.DataFrame) -> str:
    """What the picture of the tenths shows, in a sentence."""
    share = table.set_index("decile")["cumulative_share"]
    return text("lesson03.deciles", top=f"{share[1]:.0%}", three=f"{share[3]:.0%}", half=f"{share[5]:.0%}")


# --- exercises


def _firsts(orders: pd.DataFrame) -> pd.Series[Any]:
    first: pd.Series[Any] = orders.groupby("customer_id")["ordered_at"].transform("min")
    return first


def _newcomers(orders: pd.DataFrame, window: Mapping[str, Any], days: int) -> pd.DataFrame:
    """The orders of those who first came in the window, in their first so many days."""
    first = _firsts(orders)
    came = (first >= window["start"]) & (first < window["end"])
    kept: pd.DataFrame = orders[came & ((orders["ordered_at"] - first).dt.days < days)]
    return kept


def exercises(crm: Any, when: Spans) -> tuple[Exercise, ...]:
    """The lesson's exercises on these data, with what the usual mistakes would give."""
    orders, items, costs = crm.orders, crm.order_items, crm.costs

    @cache
    def newcomers(window: str = "earlier") -> pd.DataFrame:
        return _newcomers(orders, getattr(when, window), when.days)

    @cache
    def profits() -> pd.DataFrame:
        return pd.DataFrame(customer_profits(newcomers(), items))

    def worth(window: str = "earlier") -> Estimate:
        return cast("Estimate", clv_historic(newcomers(window), items))

    def back(cost: float, profit: float) -> float:
        return float(cac_payback_months(cost, monthly_margin_amount=profit / when.months))

    def price(window: str = "earlier") -> Estimate:
        return cac(costs, orders, **getattr(when, window))

    def returned() -> float:
        found = profits()
        return float(found.loc[found["orders"] > 1, "profit_amount"].mean())

    return (
        Exercise(
            "03.1",
            lambda: float(price("recent")),
            {
                "whole": lambda: float(cac(costs.assign(purpose="acquisition"), orders, **when.recent)),
                "ads": lambda: float(cac(_ads(costs), orders, **when.recent)),
                "buyers": lambda: _per_buyer(costs, orders, when),
                "mean_of_ratios": lambda: _mean_of_months(costs, orders, when),
                "all_time": lambda: float(cac(costs, orders)),
                "other_year": lambda: float(price("earlier")),
            },
            tolerance=0.5,
        ),
        Exercise(
            "03.2",
            lambda: float(worth()),
            {
                "sales": lambda: float(worth().besides["sales_per_customer"]),
                "survivors": returned,
                "all_time": lambda: float(clv_historic(orders, items)),
                "unobserved": lambda: float(worth("recent")),
                "median": lambda: float(profits()["profit_amount"].median()),
                "per_order": lambda: float(profits()["profit_amount"].sum() / profits()["orders"].sum()),
            },
            tolerance=0.5,
        ),
        Exercise(
            "03.3",
            lambda: back(float(price()), float(worth())),
            {
                "sales": lambda: back(float(price()), float(worth().besides["sales_per_customer"])),
                "other_year": lambda: back(float(price("recent")), float(worth())),
                "not_monthly": lambda: float(price()) / float(worth()),
                "upside_down": lambda: float(worth()) / float(price()),
                "survivors": lambda: back(float(price()), returned()),
            },
            tolerance=0.005,
        ),
    )


def _ads(costs: pd.DataFrame) -> pd.DataFrame:
    """What advertising cost; nothing where the learner's own books have no categories."""
    return costs[costs["category"] == "ad"] if "category" in costs else costs.head(0)


def _per_buyer(costs: pd.DataFrame, orders: pd.DataFrame, when: Spans) -> float:
    """The acquisition costs over everyone who bought."""
    found, at = cac(costs, orders, **when.recent), orders["ordered_at"]
    bought = orders[(at >= when.recent["start"]) & (at < when.recent["end"])]["customer_id"].nunique()
    return found.numerator / bought if bought else math.nan


def _mean_of_months(costs: pd.DataFrame, orders: pd.DataFrame, when: Spans) -> float:
    """The plain mean of the months' own costs per newcomer."""
    edges = [str(day.date()) for day in pd.date_range(when.recent["start"], when.recent["end"], freq="MS")]
    months = [float(cac(costs, orders, start=one, end=two)) for one, two in pairwise(edges)]
    return float(pd.Series(months).mean())
