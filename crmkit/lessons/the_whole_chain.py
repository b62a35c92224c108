"""Lesson 15, the whole chain: the widget "spend 1,000,000 yen", three exercises and a quiz; the game is in `budget`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import pandas as pd

from crmkit import frames
from crmkit.lessons.budget import (
    BUDGET,
    CUSTOMERS,
    LEVERS,
    SEED,
    STEP,
    Result,
    bought,
    budgets,
    every_budget,
    newcomers,
    overlap,
    prices,
    spend,
    year_as_it_was,
)  # fmt: skip
from crmkit.lessons.dates import Dates, dates, day_after_last
from crmkit.metrics.service.resolution import first_contact_resolution_rate
from crmkit.metrics.service.times import first_reply_time
from crmkit.plots.base import BLUE, GREEN, GREY, INK, ORANGE, RED, new_figure, paper, style
from crmkit.simulator.progress import watched
from crmkit.texts import text
from crmkit.widgets.exercise import Exercise, Quiz, check, offer, quiz
from crmkit.widgets.explorer import Answer, Explorer, Number, Prediction
from crmkit.widgets.picture import Picture, show

__all__ = [
    "Result", "again", "bought", "budgets", "chain", "check", "million_yen", "newcomers", "overlap", "prices",
    "quiz", "show", "spend", "start",
]  # fmt: skip

CHAIN = ("silent", "tickets", "satisfaction", "stayed", "brought", "orders")  # in the order in which they come about
PLACES = {
    "visit": (1.0, 3.4), "told": (3.6, 4.1), "silent": (3.6, 2.7), "answer": (6.4, 4.1), "calls": (9.0, 4.1),
    "satisfaction": (9.0, 2.7), "again": (8.2, 0.5), "stay": (5.4, 0.5), "recommend": (2.4, 0.5),
}  # fmt: skip
ARROWS = (
    ("visit", "told"), ("visit", "silent"), ("told", "answer"), ("answer", "satisfaction"), ("silent", "satisfaction"),
    ("calls", "satisfaction"),
    ("satisfaction", "again"), ("satisfaction", "stay"), ("satisfaction", "recommend"),
)  # fmt: skip


def million_yen() -> Explorer:
    """Which levers are worth the money? Divide a budget over four, and see what truly happens."""
    known = _every_result()
    order = sorted(known, key=lambda steps: known[steps].profit, reverse=True)
    equal = (1,) * len(LEVERS)

    def answer(**yen: float) -> Answer:
        steps = tuple(round(yen[name] / STEP) for name in LEVERS)
        if steps not in known:
            over = text("lesson15.over", too_much=f"{STEP * sum(steps) - BUDGET:,}")
            return Answer(math.nan, over, lambda _, axes, __: _draw_over(axes, _board(known, order[0], None)))
        result = known[steps]
        facts = {"rank": order.index(steps) + 1, "of": len(order), "best": _yen(known[order[0]].profit)}
        facts |= {"equal": _yen(known[equal].profit), "back": "–" if math.isnan(result.back) else f"{result.back:.0f}"}
        sentence = text("lesson15.result", **_said(result), **facts)

        def draw(_: Any, axes: Any, predicted: float | None) -> None:
            _draw_chain(axes[0], result.effects)
            line = None if predicted is None else (predicted / 100 - 1) * known[equal].spent
            _draw_board(axes[1], _board(known, order[0], steps), line)

        return Answer(result.back, sentence, draw)

    return Explorer(
        texts="lesson15",
        prediction=Prediction(0, 400, 5, text("lesson15.unit")),
        controls=[Number(name, 0, BUDGET, STEP, STEP) for name in LEVERS],
        answer=answer,
        before=_before,
        panels={"ncols": 2, "width": 11, "height": 4.2},
    )


@cache
def _every_result() -> Mapping[tuple[int, ...], Result]:
    """What each budget comes to: all are lived once, so that a key is answered at once."""
    all_budgets = watched(list(every_budget()), text("compare.progress"))
    return {steps: spend(*(STEP * one for one in steps)) for steps in all_budgets}


def _yen(amount: float) -> str:
    return text("lesson15.yen", amount=f"{round(amount, -3) + 0.0:+,.0f}")


def _said(result: Result) -> dict[str, str]:
    amounts = {name: _yen(getattr(result, name)) for name in ("sales", "profit", "low", "high")}
    return amounts | {"spent": f"{result.spent:,.0f}"}


def _before(_: Any, axes: Any) -> str:
    """The price list; the board is still empty."""
    for one in axes:
        one.set_axis_off()
    table = prices()
    lines = [f"{row.lever}\n    {row.first_step}" for row in table.itertuples()]
    axes[0].text(0, 0.5, "\n\n".join([text("lesson15.list"), *lines]), va="center", fontsize="large")
    axes[1].annotate(text("lesson15.here"), (0.5, 0.5), xycoords="axes fraction", ha="center", color=GREY)
    return text("lesson15.before", customers=f"{CUSTOMERS:,}")


def _draw_chain(ax: Any, effects: Any) -> None:
    """What was set off, link by link, as per cent of what it was."""
    for place, name in enumerate(CHAIN):
        row = effects.loc[name]
        value, low, high = (100 * row[one] / row["baseline"] for one in ("difference", "low", "high"))
        ax.plot([low, high], [-place, -place], color=BLUE, linewidth=2.5, alpha=0.55)
        ax.plot(value, -place, "o", color=BLUE, markersize=8)
        _write(ax, value, -place, f"{value:+.1f}%")
    ax.axvline(0, color=INK, linewidth=1)
    ax.set_yticks([-place for place in range(len(CHAIN))], [text(f"lesson15.link.{name}") for name in CHAIN])
    ax.set_ylim(-len(CHAIN) + 0.4, 0.8)
    ax.set_xlim(-22, 22)
    ax.set_xlabel(text("lesson15.chain_axis"))
    ax.grid(axis="y", visible=False)


def _draw_over(axes: Any, shown: Mapping[str, tuple[Result, str]]) -> None:
    """More than there is: nothing was set off."""
    axes[0].set_axis_off()
    axes[0].annotate(text("lesson15.over_here"), (0.5, 0.5), xycoords="axes fraction", ha="center", color=RED)
    _draw_board(axes[1], shown)


def _write(ax: Any, x: float, y: float, said: str) -> None:
    """A number above its point, with a true minus sign as on the axis."""
    said = said.replace("-", "−")
    ax.annotate(said, (x, y), (0, 8), textcoords="offset points", ha="center", bbox=paper())


def _board(known: Mapping[Any, Result], best: Any, chosen: Any) -> dict[str, tuple[Result, str]]:
    """The budget chosen between the best, the equal split, and all on one lever."""
    most = BUDGET // STEP
    shown = {text("lesson15.row.best"): (known[best], GREEN)}
    if chosen is not None:
        shown[text("lesson15.row.you")] = known[chosen], BLUE
    shown[text("lesson15.row.equal")] = known[(1,) * len(LEVERS)], ORANGE
    for place, name in enumerate(LEVERS):
        only = tuple(most if one == place else 0 for one in range(len(LEVERS)))
        shown[text("lesson15.row.only", lever=text(f"lesson15.short.{name}"))] = known[only], GREY
    return shown


def _draw_board(ax: Any, shown: Mapping[str, tuple[Result, str]], predicted: float | None = None) -> None:
    """Extra profit, one line each, with its interval, in thousand yen."""
    for place, (result, colour) in enumerate(shown.values()):
        ax.plot([result.low / 1000, result.high / 1000], [-place, -place], color=colour, linewidth=2.5, alpha=0.55)
        ax.plot(result.profit / 1000, -place, "o", color=colour, markersize=8)
        _write(ax, result.profit / 1000, -place, f"{result.profit / 1000:+,.0f}")
    ax.axvline(0, color=INK, linewidth=1)
    if predicted is not None:
        ax.axvline(predicted / 1000, color=RED, linestyle="--", linewidth=2)
        at, beside = (predicted / 1000, 0.03), {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
        ax.annotate(text("plot.your_prediction"), at, (4, 0), color=RED, bbox=paper(1), zorder=4, **beside)
    you = text("lesson15.row.you")
    ax.set_yticks([-place for place in range(len(shown))], [f"▶ {one}" if one == you else one for one in shown])
    ax.set_ylim(-7 + 0.4, 1)
    ax.set_xlim(-800, 1600)
    ax.set_xlabel(text("lesson15.board_axis"))
    ax.grid(axis="y", visible=False)


def chain(town: Any) -> Picture:
    """The chain with what was measured at each link: above, the flow in these simulated data; below, what satisfaction
    does, from the game's year with and without more calls.

    Args:
        town: A simulated salon, with its truth: nobody else knows who stayed silent.

    Returns:
        The picture.

    Raises:
        AttributeError: a table is missing, which it names.

    Examples:
        >>> import crmkit
        >>> "silent" in chain(crmkit.simulate("salon", customers=500, weeks=52)).tooltip
        True
    """
    flow = _flow(town)
    strength = _strength()
    with style():
        figure, ax = new_figure(10, 4.6)
        ax.set_axis_off()
        ax.set_xlim(0, 10)
        ax.set_ylim(0, 4.6)
        boxes = {}
        for name, at in PLACES.items():
            said = text(f"lesson15.box.{name}", **flow, **strength)
            ground = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": BLUE, "linewidth": 1.5}
            boxes[name] = ax.text(*at, said, ha="center", va="center", bbox=ground)
        figure.draw_without_rendering()  # an arrow ends at the edge of a box, which is known only now
        for a, b in ARROWS:
            ends = {"patchA": boxes[a].get_bbox_patch(), "patchB": boxes[b].get_bbox_patch(), "shrinkB": 4}
            look = {"arrowstyle": "-|>", "color": GREY, "linewidth": 1.8, "mutation_scale": 16, **ends}
            ax.annotate("", PLACES[b], PLACES[a], arrowprops=look)
        ax.text(0.2, 4.45, text("lesson15.flow"), va="center", color=INK)
        ax.text(0.2, 1.55, text("lesson15.called"), va="center", color=INK)
        picture = Picture()
        picture.show(figure, text("lesson15.chain", **flow, **strength))
    return picture


def _flow(town: Any) -> dict[str, str]:
    """How many bad visits there were, who spoke up, and how that was answered."""
    first = town.tickets[town.tickets["follows_ticket_id"].isna()]
    told = first[first["kind"].isin(["complaint", "return"])]
    events = town.ticket_events[town.ticket_events["ticket_id"].isin(told["ticket_id"])]
    silent = int(town.truth.customers["silent_dissatisfactions"].sum())
    bad, visits = len(told) + silent, int((town.orders["status"] != "cancelled").sum())
    wait = first_reply_time(told, events)
    solved = first_contact_resolution_rate(told, events)
    return {
        "bad": f"{bad / visits:.1%}", "told": f"{len(told) / bad:.0%}", "silent": f"{silent / bad:.0%}",
        "hours": f"{float(wait) / 60:.1f}", "solved": f"{float(solved):.0%}",
    }  # fmt: skip


def _strength() -> dict[str, str]:
    """What more calls do, which touch nothing but satisfaction: so much more of each, with the error."""
    effects = spend(follow_up=BUDGET).effects
    calls = year_as_it_was(SEED).plan.levers.follow_up_share, bought(follow_up=BUDGET)["follow_up_share"]
    told = {name: f"{share:.0%}" for name, share in zip(("few", "many"), calls, strict=True)}
    for name in ("satisfaction", "orders", "stayed", "brought"):
        row = effects.loc[name]
        half = (row["high"] - row["low"]) / 2
        told[name] = f"{row['difference'] / row['baseline']:+.1%} ± {half / row['baseline']:.1%}"
    return told


def again(survey_responses: Any, orders: Any, *, days: int = 90) -> pd.DataFrame:
    """Each answer about satisfaction, and whether its customer ordered again after it.

    Args:
        survey_responses: Those of kind "csat" with a score are looked at.
        orders: Orders; cancelled ones do not count.
        days: How long to watch.

    Returns:
        One row per answer: `customer_id`, `answered_at`, `satisfied` (the upper quarter of the scale),
        `orders_before`, `again` (ordered within so many days), `observed` (whether the data reach that far).

    Raises:
        MissingColumn, WrongType: naming the table, the column and the nearest name found.

    Examples:
        >>> import crmkit
        >>> salon = crmkit.sample("salon")
        >>> bool(again(salon.survey_responses, salon.orders)["again"].mean() > 0.5)
        True
    """
    known = ("customer_id", "kind", "score", "sent_at")
    frames.open_table(survey_responses, "survey_responses", needs=known, must=known)
    frames.open_table(orders, "orders", needs=("customer_id", "ordered_at"))
    asked = survey_responses[survey_responses["kind"].eq("csat") & survey_responses["score"].notna()]
    at = asked["sent_at"]
    if "responded_at" in asked:
        at = asked["responded_at"].fillna(at)
    low, high = (asked.get(name, usual) for name, usual in (("scale_min", 1), ("scale_max", 5)))
    answers = pd.DataFrame(
        {
            "customer_id": asked["customer_id"].astype(object),
            "answered_at": at,
            "satisfied": ((asked["score"] - low) / (high - low)).ge(0.75).astype(bool),
        }
    )
    answers = answers.dropna(subset=["customer_id", "answered_at"]).sort_values("answered_at")
    bought_at = orders[orders["status"].ne("cancelled")] if "status" in orders else orders
    bought_at = bought_at[["customer_id", "ordered_at"]].astype({"customer_id": object}).dropna()
    bought_at = bought_at.sort_values("ordered_at")
    bought_at["orders_before"] = bought_at.groupby("customer_id").cumcount() + 1
    merged = partial(pd.merge_asof, answers, left_on="answered_at", right_on="ordered_at", by="customer_id")
    last = merged(bought_at)
    nearest = merged(bought_at, direction="forward", allow_exact_matches=False)
    watched = pd.Timedelta(days=days)
    answers["orders_before"] = last["orders_before"].fillna(0).astype(int).to_numpy()
    answers["again"] = (nearest["ordered_at"] - nearest["answered_at"]).le(watched).fillna(False).to_numpy(dtype=bool)
    answers["observed"] = (
        (answers["answered_at"] + watched).le(day_after_last(bought_at["ordered_at"])).to_numpy(dtype=bool)
    )
    return answers.reset_index(drop=True)


def start(crm: Any) -> Dates:
    """Begin the lesson on these data: find its months, offer the exercises about the game and about these tables."""
    found = dates(crm.orders)
    offer(*exercises(crm), Quiz("15.4", right="b"))
    return found


def exercises(crm: Any) -> tuple[Exercise, ...]:
    """The lesson's exercises, with what the usual mistakes would give."""
    return _desk(), _together(), _satisfied(crm)


def _desk() -> Exercise:
    """What half the wait earns after its cost."""

    def effect(name: str, column: str = "difference") -> float:
        return float(spend(reply=STEP).effects.loc[name, column])

    return Exercise(
        "15.1",
        lambda: CUSTOMERS * effect("profit") - STEP,
        {
            "sales": lambda: CUSTOMERS * effect("net_amount"),
            "sales_less_cost": lambda: CUSTOMERS * effect("net_amount") - STEP,
            "sales_less_costs": lambda: CUSTOMERS * (effect("net_amount") - effect("cost")) - STEP,
            "cost_twice": lambda: CUSTOMERS * (effect("profit") - effect("cost")) - STEP,
            "gross": lambda: CUSTOMERS * effect("profit"),
            "whole_year": lambda: CUSTOMERS * effect("profit", "changed") - STEP,
            "one_customer": lambda: effect("profit"),
            "one_customer_less_cost": lambda: effect("profit") - STEP,
        },
        tolerance=1,
    )


def _together() -> Exercise:
    """What three levers earn at once, which is not the sum of what each earns alone."""
    parts = {"inspection": 2 * STEP, "follow_up": STEP, "reply": STEP}

    def together() -> float:
        return spend(**parts).profit

    def added() -> float:
        return sum(spend(**{name: yen}).profit for name, yen in parts.items())

    return Exercise(
        "15.2",
        together,
        {
            "added": added,
            "difference": lambda: added() - together(),
            "twice_paid": lambda: together() - sum(parts.values()),
            "sales": lambda: spend(**parts).sales,
        },
        tolerance=1,
    )


def _satisfied(crm: Any) -> Exercise:
    """How many more of the satisfied order again."""

    def shares(*, observed: bool = True) -> dict[bool, float]:
        table = again(crm.survey_responses, crm.orders)
        table = table[table["observed"]] if observed else table
        return {one: float(table.loc[table["satisfied"].eq(one), "again"].mean()) for one in (True, False)}

    def apart(found: Mapping[bool, float]) -> float:
        return found[True] - found[False]

    return Exercise(
        "15.3",
        lambda: apart(shares()),
        {
            "unobserved": lambda: apart(shares(observed=False)),
            "reversed": lambda: -apart(shares()),
            "satisfied_only": lambda: shares()[True],
            "relative": lambda: shares()[True] / shares()[False] - 1 if shares()[False] else math.nan,
        },
    )
