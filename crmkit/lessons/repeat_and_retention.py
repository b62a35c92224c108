"""Lesson 08, repeat and retention: the widget "same ten customers, how many numbers?", three exercises, and the dates
that the lesson asks about in whatever data it runs on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from datetime import timedelta
from functools import cache, partial
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from crmkit.errors import AmbiguousFigure
from crmkit.estimate import Estimate, Window
from crmkit.frames import instant
from crmkit.lessons.dates import Dates, dates
from crmkit.metrics.retention.cohorts import cohort_retention
from crmkit.metrics.retention.repeat import repeat_rate, repeater_share, repurchase_rate, retention_rate
from crmkit.plots import plot_estimates, plot_order_history
from crmkit.plots.base import GREY
from crmkit.texts import text
from crmkit.widgets.exercise import Exercise, Quiz, check, offer, quiz
from crmkit.widgets.explorer import Answer, Choice, Explorer, Number, Prediction
from crmkit.widgets.picture import show

__all__ = ["check", "dates", "many_numbers", "quiz", "say_cohorts", "show", "start"]

FORMULAS = ("cumulative", "ever", "inside", "new", "repurchase", "retention")
WITH_DAYS = ("repurchase", "retention")
FIRSTS = ("2025-12-01", "2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01")  # of four months, and what follows them
AS_OF = FIRSTS[-1]
AXIS_END = 185  # per cent; the largest of the figures is 167


def start(crm: Any) -> Dates:
    """Begin the lesson on these data: find its dates, and have the exercises computed from their orders."""
    when = dates(crm.orders)
    offer(*exercises(crm.orders, when), Quiz("08.4", right="b"))
    return when


def figure(orders: Any, formula: str, start: str, end: str, days: int, **by: Any) -> Any:
    """One of the six figures that people call the repeat or retention rate; `days` is activity span and horizon."""
    month: dict[str, Any] = {"start": start, "end": end}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AmbiguousFigure)
        match formula:
            case "cumulative":
                return repeat_rate(orders, **month, **by)
            case "ever" | "inside":
                return repeater_share(orders, **month, **by, counted=formula)
            case "new":
                return repeat_rate(orders, **month, **by, base="cumulative" if by else "new")
            case "repurchase":
                return repurchase_rate(orders, horizon_days=days, **month, **by, as_of=AS_OF)
            case _:
                return retention_rate(orders, **month, **by, active_days=days)


def members(orders: Any, formula: str, start: str, end: str, days: int) -> tuple[list[str], list[str]]:
    """Who is below and who is above the line of a formula: the same metric, one customer a group."""
    rows = nw.from_native(figure(orders, formula, start, end, days, by="customer_id")).rows(named=True)
    above = [row["customer_id"] for row in rows if row["numerator"]]
    below = [row["customer_id"] for row in rows if row["denominator"]]
    if formula == "new":  # a ratio of two groups of people, not a share of one
        below = newcomers(orders, start, end)
    return below, above


def newcomers(orders: Any, start: str, end: str) -> list[str]:
    """Customers whose first order ever fell into the month."""
    first = nw.from_native(orders).group_by("customer_id").agg(nw.col("ordered_at").min())
    since, until = instant(start, "start"), instant(end, "end")
    fresh = first.filter(nw.col("ordered_at") >= since, nw.col("ordered_at") < until)
    return [str(who) for who in fresh["customer_id"]]


def many_numbers(orders: pd.DataFrame) -> Explorer:
    """Same ten customers, how many numbers? Choose a formula, a month and a number of days; see who is counted."""
    ten = nw.from_native(orders).to_arrow()  # on a few rows PyArrow answers three times as fast as pandas
    computed, counted = cache(partial(figure, ten)), cache(partial(members, ten))
    labels = {formula: text(f"lesson08.formula.{formula}") for formula in FORMULAS}

    def answer(formula: str, month: float, days: float) -> Answer:
        start, end = FIRSTS[int(month) - 1], FIRSTS[int(month)]
        # a figure that does not look at the days is computed once for all of them
        spans = {name: int(days) if name in WITH_DAYS else 0 for name in FORMULAS}
        figures = {name: computed(name, start, end, span) for name, span in spans.items()}
        below, above = counted(formula, start, end, spans[formula])

        def draw(_: Any, axes: Any, predicted: float | None) -> None:
            _draw_visits(axes[0], orders, start, end, base=below, counted=above)
            shown = {labels[name]: one for name, one in figures.items()}
            share = None if predicted is None else predicted / 100
            plot_estimates(shown, ax=axes[1], highlight=labels[formula], prediction=share)
            axes[1].set_xlim(0, AXIS_END)

        return Answer(100 * float(figures[formula]), _sentence(labels[formula], start[:7], figures, formula), draw)

    return Explorer(
        texts="lesson08",
        prediction=Prediction(0, AXIS_END, 1, "%"),
        controls=[
            Choice("formula", tuple((label, formula) for formula, label in labels.items()), "cumulative"),
            Number("month", 1, len(FIRSTS) - 1, 1, len(FIRSTS) - 1),
            Number("days", 15, 120, 15, 60),
        ],
        answer=answer,
        before=partial(_before, orders),
        panels={"ncols": 2, "width": 10, "height": 4.4},
    )


def _draw_visits(ax: Any, orders: pd.DataFrame, start: str, end: str, **roles: Any) -> None:
    """Everybody's visits with the month shaded, on an axis that is the same for every month."""
    plot_order_history(orders, ax=ax, window=Window(instant(start, "start"), instant(end, "end")), **roles)
    margin = timedelta(days=4)
    ax.set_xlim(instant(FIRSTS[0], "start") - margin, instant(FIRSTS[-1], "end") + margin)


def _before(orders: pd.DataFrame, _: Any, axes: Any) -> str:
    """The visits, with nobody counted yet."""
    _draw_visits(axes[0], orders, *FIRSTS[-2:])
    axes[1].set_axis_off()
    axes[1].annotate(text("lesson08.here"), (0.5, 0.5), xycoords="axes fraction", ha="center", color=GREY)
    return text("lesson08.before", customers=orders["customer_id"].nunique(), orders=len(orders))


def _sentence(label: str, month: str, figures: Mapping[str, Estimate], formula: str) -> str:
    figure = figures[formula]
    known = [float(one) for one in figures.values() if one.n]
    ends = {"lowest": f"{min(known):.1%}", "highest": f"{max(known):.1%}"} if known else {}
    spread = text("lesson08.spread", **ends) if len(set(known)) > 1 else ""
    counts = {"above": f"{figure.numerator:,.0f}", "below": f"{figure.denominator:,.0f}", "interval": figure.interval}
    if not figure.n:
        kind = "nobody_yet" if figure.besides.get("not_watched") else "nobody"
    else:
        kind = "ratio" if figure.is_ratio else "result"
    said = text(f"lesson08.{kind}", label=label, month=month, value=figure.shown(figure.value), **counts)
    return f"{said} {spread}".strip()


def exercises(orders: pd.DataFrame, when: Dates) -> tuple[Exercise, ...]:
    """The lesson's exercises on these orders, with what the usual mistakes would give."""
    later = str((pd.Timestamp(when.as_of) + timedelta(days=365)).date())  # as if everyone had been watched
    return (
        Exercise(
            "08.1",
            lambda: float(repeat_rate(orders, **when.month, base="active", active_days=180)),
            {
                "buyers": lambda: float(repeater_share(orders, **when.month)),
                "cumulative": lambda: float(repeat_rate(orders, **when.month)),
                "year": lambda: float(repeat_rate(orders, **when.month, base="active")),
            },
        ),
        Exercise(
            "08.2",
            lambda: float(repurchase_rate(orders, horizon_days=90, **when.newcomers, as_of=when.as_of)),
            {
                "unwatched": lambda: float(repurchase_rate(orders, horizon_days=90, **when.newcomers, as_of=later)),
                "sixty": lambda: float(repurchase_rate(orders, horizon_days=60, **when.newcomers, as_of=when.as_of)),
                "everyone": lambda: float(repurchase_rate(orders, horizon_days=90, as_of=when.as_of)),
            },
        ),
        Exercise(
            "08.3",
            lambda: _cell(orders, when, 2),
            {
                "one_early": lambda: _cell(orders, when, 1),
                "one_late": lambda: _cell(orders, when, 3),
                "unbounded": lambda: _cell(orders, when, 2, mode="unbounded"),
                "all_cohorts": lambda: _mean_of_ratios(orders, when),
            },
        ),
    )


def _cell(orders: pd.DataFrame, when: Dates, age: int, **how: Any) -> float:
    table = cohort_retention(orders, as_of=when.as_of, **how)
    cell = table.loc[(table["cohort"] == when.cohort) & (table["age"] == age), "retention"]
    return float(cell.squeeze()) if len(cell) else math.nan  # the learner's own data may be too short


def _mean_of_ratios(orders: pd.DataFrame, when: Dates) -> float:
    table = cohort_retention(orders, as_of=when.as_of)
    return float(table.loc[table["age"] == 2, "retention"].mean())


def say_cohorts(table: pd.DataFrame) -> str:
    """What the cohort picture shows, in a sentence: over all cohorts, how many came in the month after the first."""
    seen = table[(table["age"] == 1) & table["retention"].notna()]
    active, size = int(seen["active"].sum()), int(seen["size"].sum())
    if not size:
        return text("lesson08.cohorts_empty")
    return text(
        "lesson08.cohorts", cohorts=len(seen), active=f"{active:,}", size=f"{size:,}", share=f"{active / size:.0%}"
    )
