"""The pictures of the scenarios: six small panels each, drawn from a few counted numbers and nothing else.

`business` and `textbook_shop` count, `draw` draws; what is counted is rounded, so that the same shop gives the same
numbers on every machine and a picture is stale exactly when its numbers are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import textbook
from textbook import Planted

from crmkit.datasets.crm import Crm
from crmkit.intervals import wilson
from crmkit.metrics.retention.cohorts import cohort_retention
from crmkit.plots.base import BLUE, GREY, INK, ORANGE, new_figure
from crmkit.simulator.headlines import WARM_UP, Z
from crmkit.simulator.scenario import Scenario

Data = dict[str, Any]
Words = Mapping[str, str]
PLANTED = Planted(r=0.5, alpha=5, a=1, b=2.5, p=6, q=4, mean=4_000)  # as [story] of the textbook says
BAND, EXPECTED, SEASON = "#a9d3ee", "#dcdcdc", "#fbe3c3"
PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}
MONTH = 365.25 / 12
CHURNING = 0.5  # share of subscribers from which a business lives on contracts


# --- counting


def business(crm: Crm, made: Scenario, figures: pd.DataFrame) -> Data:
    """What the panels of a business show."""
    begin, end, orders = _span(crm)
    known = figures.set_index("figure")
    lives_on_contracts = made.buying.subscriber_share > CHURNING
    surveys = crm.survey_responses
    csat = surveys[surveys["kind"] == "csat"]
    answers = csat["score"].dropna()
    return _rounded({
        "kind": "contracts" if lives_on_contracts else "orders",
        "begin": str(begin.date()),
        "busy": [month for month, factor in enumerate(made.calendar.months, start=1) if factor >= 1.1],
        "weekly": _weekly(orders, begin, end),
        "second": _second(orders, begin, end, 360),
        "amounts": _shares(orders["net_amount"] / 1000, np.linspace(0, _round_up(orders["net_amount"] / 1000), 29)),
        "reply": _shares(_waited(crm), np.arange(0, 97, 4)),
        "csat": [float((answers == mark).mean()) for mark in range(1, 6)] if len(answers) else [],
        "csat_sent": len(csat),
        "csat_rate": float(csat["score"].notna().mean()) if len(csat) else math.nan,
        "last": _contracts(crm, begin, end) if lives_on_contracts else _cohorts(orders, begin, end),
        "figures": {
            name: [row[column] for column in ("value", "low", "high", "expected_low", "expected_high")]
            for name, row in known.iterrows()
        },
    })  # fmt: skip


def textbook_shop(crm: Crm) -> Data:
    """What the panels of the textbook shop show: counted, and said by the formulas."""
    begin, end, orders = _span(crm)
    each = orders.groupby("customer_id").agg(
        first=("ordered_at", "min"), last=("ordered_at", "max"), count=("order_id", "size"), net=("net_amount", "mean")
    )
    week = pd.Timedelta(weeks=1)
    again = (each["count"] - 1).to_numpy(np.float64)
    watched, recency = ((side / week).to_numpy() for side in (end - each["first"], each["last"] - each["first"]))
    weekly, arrived = (_weekly(one, begin, end) for one in (orders, orders.drop_duplicates("customer_id")))
    most = 10
    spread = textbook.repeats(most - 1, watched, PLANTED)
    second = _second(orders, begin, end, 360)
    amounts = _shares(orders["net_amount"] / 1000, np.linspace(0, 14, 29))
    middle = (np.array(amounts["edges"][1:]) + amounts["edges"][:-1]) / 2 * 1000
    density = textbook.amount_density(middle, PLANTED) * (middle[1] - middle[0])
    logs = [textbook.fit_bg_nbd(again, recency, watched)]
    logs.append(textbook.fit_gamma_gamma(each["count"].to_numpy(np.float64), each["net"].to_numpy()))
    found, error = (np.concatenate(side) for side in zip(*logs, strict=True))
    off = found - np.log(np.array(PLANTED))
    return _rounded({
        "kind": "textbook",
        "begin": str(begin.date()),
        "weekly": weekly,
        "weekly_formula": _expected_orders(np.array(arrived)),
        "second": second,
        "second_formula": textbook.order_again(np.array(second["days"]) / 7, PLANTED),
        "amounts": amounts,
        "amounts_formula": density,
        "repeats": [*(float((again == n).mean()) for n in range(most)), float((again >= most).mean())],
        "repeats_formula": [*spread, 1 - spread.sum()],
        # an optimiser stops a little elsewhere on another processor: no more digits than can be seen
        "recovered": {
            name: list(np.round(np.exp(off[n] + np.array([0, -Z, Z]) * error[n]), 3))
            for n, name in enumerate(Planted._fields)
        },
        "independent": [_average(each["net"][_between(each["count"], low, high)] / 1000) for low, high in GROUPS],
    })  # fmt: skip


GROUPS = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 9), (10, 10_000))


def _between(values: pd.Series, low: int, high: int) -> pd.Series:
    return (values >= low) & (values <= high)


def _average(values: pd.Series) -> list[float]:
    half = Z * values.std() / math.sqrt(len(values))
    return [values.mean(), values.mean() - half, values.mean() + half]


def _span(crm: Crm) -> tuple[pd.Timestamp, pd.Timestamp, pd.DataFrame]:
    """The first day, the day after the last, and the completed orders in the order of time."""
    begin = pd.Timestamp(crm.facts["start"])
    orders = crm.orders[(crm.orders["status"] == "completed") & ~crm.orders["is_test"]].sort_values("ordered_at")
    return begin, begin + pd.Timedelta(weeks=crm.facts["weeks"]), orders


def _weekly(orders: pd.DataFrame, begin: pd.Timestamp, end: pd.Timestamp) -> list[int]:
    week = (orders["ordered_at"] - begin) // pd.Timedelta(weeks=1)
    return list(np.bincount(week, minlength=(end - begin) // pd.Timedelta(weeks=1)))


def _expected_orders(arrived: np.ndarray[Any, Any]) -> list[float]:
    """Orders a week by the formula, from how many came for the first time in each."""
    age = np.arange(len(arrived), dtype=np.float64)
    after = textbook.expected_repeats(age + 0.5, PLANTED)
    new = np.diff(after, prepend=0.0)  # repeat orders in the week of that age, from the middle of the first week on
    return list(arrived + np.convolve(arrived, new)[: len(arrived)])


def _second(orders: pd.DataFrame, begin: pd.Timestamp, end: pd.Timestamp, days: int) -> Data:
    """Share of newcomers with an order on a later day, by days since the first: Kaplan-Meier."""
    day = orders["ordered_at"].dt.normalize()
    firsts = day.groupby(orders["customer_id"]).min()
    first = orders["customer_id"].map(firsts)
    later = day[day > first].groupby(orders["customer_id"][day > first]).min()
    newcomers = firsts[firsts >= begin + WARM_UP]
    next_day = later.reindex(newcomers.index)
    waited = (next_day.fillna(end) - newcomers).dt.days.to_numpy()
    grid = np.arange(0, days + 1, 5)
    left = _survival(waited, next_day.notna().to_numpy(), grid)
    return {"days": grid, "share": 1 - left[0], "low": 1 - left[2], "high": 1 - left[1]}


def _contracts(crm: Crm, begin: pd.Timestamp, end: pd.Timestamp) -> Data:
    """Share of contracts without a notice, by months since the first delivery: Kaplan-Meier."""
    contracts = crm.subscriptions[crm.subscriptions["started_at"] >= begin + WARM_UP]
    gone = contracts["cancelled_at"].fillna(contracts["ended_at"])
    lasted = ((gone.fillna(end) - contracts["started_at"]) / pd.Timedelta(days=MONTH)).to_numpy()
    grid = np.arange(0, 18.1, 0.25)
    share, low, high = _survival(lasted, gone.notna().to_numpy(), grid)
    return {"months": grid, "share": share, "low": low, "high": high}


def _survival(waited: np.ndarray[Any, Any], happened: np.ndarray[Any, Any], grid: np.ndarray[Any, Any]) -> Any:
    """Kaplan-Meier at the points of a grid, with Greenwood's interval: three rows."""
    times, place = np.unique(waited, return_inverse=True)
    events = np.bincount(place, weights=happened, minlength=len(times))
    at_risk = len(waited) - np.searchsorted(np.sort(waited), times)
    left = np.cumprod(1 - events / at_risk)
    error = left * np.sqrt(np.cumsum(events / (at_risk * np.maximum(at_risk - events, 1))))
    last = np.searchsorted(times, grid, side="right") - 1
    share = np.where(last >= 0, left[last], 1.0)
    half = np.where(last >= 0, Z * error[last], 0.0)
    return np.stack([share, np.maximum(share - half, 0), np.minimum(share + half, 1)])


def _cohorts(orders: pd.DataFrame, begin: pd.Timestamp, end: pd.Timestamp) -> Data:
    """Share of newcomers with an order in the nth month after that of the first, all cohorts together and each."""
    cells = cohort_retention(orders, as_of=end)
    cells = cells[(cells["cohort"] >= begin + WARM_UP) & cells["age"].between(1, 12) & cells["active"].notna()]
    sums = cells.groupby("age")[["active", "size"]].sum().astype("float64")
    low, high = wilson(sums["active"], sums["size"])
    each = cells.groupby("cohort")["retention"].agg(list)
    share = sums["active"] / sums["size"]
    return {"months": sums.index, "share": share, "low": low, "high": high, "each": [list(one) for one in each]}


def _waited(crm: Crm) -> pd.Series:
    """Hours until the first public word of a human; tickets without one (yet) are left out."""
    events, tickets = crm.ticket_events, crm.tickets[crm.tickets["status"] != "merged"]
    if not len(tickets):
        return pd.Series(dtype="float64")
    said = (events["kind"] == "comment") & (events["actor_type"] == "agent") & events["is_public"]
    first = tickets["ticket_id"].map(events[said].groupby("ticket_id")["occurred_at"].min())
    return ((first - tickets["created_at"]) / pd.Timedelta(hours=1)).dropna()


def _shares(values: pd.Series, edges: np.ndarray[Any, Any]) -> Data:
    """A histogram; what lies beyond the last edge is left out of sight and not of the shares."""
    counts = np.histogram(values, edges)[0]
    return {"edges": edges, "share": counts / max(len(values), 1)}


def _round_up(values: pd.Series) -> float:
    """A round number that few values pass."""
    return float(math.ceil(values.quantile(0.995) / 2) * 2) if len(values) else 1.0


def _rounded(data: Data) -> Data:
    """The same as plain numbers of six digits: sums of floats may differ in the last ones between machines."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: plain(one) for name, one in value.items()}
        if isinstance(value, str | int) or value is None:
            return value
        if isinstance(value, np.integer):
            return int(value)
        if isinstance(value, float | np.floating):
            return float(f"{value:.6g}") if math.isfinite(value) else None
        return [plain(one) for one in value]

    found: Data = json.loads(json.dumps(plain(data), allow_nan=False))
    return found


# --- drawing


def draw(data: Data, words: Words, units: Words) -> Any:
    """All panels as one figure, in the language of the words; call it inside `crmkit.plots.style`."""
    figure, axes = new_figure(12.5, 6.9, nrows=2, ncols=3)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1, wspace=0.03, hspace=0.05)
    panels = axes.reshape(-1)
    if data["kind"] == "textbook":
        caption = words["caption_textbook"]
        _draw_textbook(panels, data, words)
    else:
        caption = words["caption"]
        _draw_business(panels, data, words, units)
    figure.supxlabel(caption, fontsize=9.5, color=GREY, x=0.01, ha="left")
    return figure


def _draw_business(panels: Any, data: Data, words: Words, units: Words) -> None:
    figures = data["figures"]
    _draw_weekly(panels[0], data, words)
    _say(panels[0], words["busy"], right=False, color=GREY)
    _draw_second(panels[1], data, words)
    value, _, _, low, high = figures["second_order"]
    if low is not None:
        panels[1].add_patch(_range((86, 100 * low), 8, 100 * (high - low)))
    said = words["second_value"].format(value=_written(value, "share", units))
    _point(panels[1], 90, 100 * value, said)
    _draw_histogram(panels[2], data["amounts"], words["amounts"], words["amount_axis"], words["amount_share"])
    average = figures["average_order"]
    said = words["amount_value"].format(value=_written(average[0], "JPY", units))
    _mark(panels[2], [None if one is None else one / 1000 for one in average], said)
    _draw_histogram(panels[3], data["reply"], words["reply"], words["reply_axis"], words["reply_share"])
    panels[3].set_xticks(range(0, 97, 24))
    panels[3].yaxis.get_major_locator().set_params(integer=True)
    said = words["reply_value"].format(value=_written(figures["first_reply"][0], "hours", units))
    _mark(panels[3], figures["first_reply"], said)
    _draw_opinions(panels[4], data, words, units)
    if data["kind"] == "contracts":
        _draw_contracts(panels[5], data["last"], words)
        _say(panels[5], words["contracts_value"].format(value=_written(figures["monthly_churn"][0], "share", units)))
    else:
        _draw_cohorts(panels[5], data["last"], words)


def _draw_textbook(panels: Any, data: Data, words: Words) -> None:
    _draw_weekly(panels[0], data, words)
    weeks = _weeks(data)
    panels[0].plot(weeks, data["weekly_formula"], color=ORANGE, linewidth=2)
    _draw_second(panels[1], data, words)
    panels[1].plot(
        data["second"]["days"], _per_cent(data["second_formula"]), color=ORANGE, linewidth=1.8, linestyle="--"
    )
    _draw_histogram(panels[2], data["amounts"], words["amounts"], words["amount_axis"], words["amount_share"])
    edges = np.array(data["amounts"]["edges"])
    panels[2].plot((edges[1:] + edges[:-1]) / 2, _per_cent(data["amounts_formula"]), color=ORANGE, linewidth=2)
    places = np.arange(len(data["repeats"]))
    panels[3].bar(places, _per_cent(data["repeats"]), color=BLUE, alpha=0.75, width=0.75)
    panels[3].plot(places, _per_cent(data["repeats_formula"]), "o", color=ORANGE, markersize=7)
    last = len(places) - 1
    panels[3].set_xticks(places, [*map(str, places[:-1]), words["more"].format(n=last)])
    _named(panels[3], words["repeats"], words["repeats_axis"], words["customers_share"])
    panels[3].grid(axis="x", visible=False)
    _draw_recovered(panels[4], data["recovered"], words)
    _draw_independent(panels[5], data["independent"], words)


def _weeks(data: Data) -> Any:
    return pd.Timestamp(data["begin"]) + pd.to_timedelta(np.arange(len(data["weekly"])) * 7, unit="D")


def _draw_weekly(ax: Any, data: Data, words: Words) -> None:
    from matplotlib.dates import DateFormatter, MonthLocator

    weeks = _weeks(data)
    for month in pd.period_range(weeks[0], weeks[-1], freq="M"):
        if month.month in data.get("busy", ()):
            ax.axvspan(month.start_time, min((month + 1).start_time, weeks[-1]), color=SEASON, linewidth=0, zorder=0)
    ax.plot(weeks, data["weekly"], color=BLUE, linewidth=1.6)
    ax.set_ylim(0, 1.15 * max(data["weekly"]))
    ax.set_xlim(weeks[0], weeks[-1])
    ax.xaxis.set_major_locator(MonthLocator((1, 7)))
    ax.xaxis.set_major_formatter(DateFormatter("%Y-%m"))
    _named(ax, words["orders"], words["week"], words["orders_axis"])


def _draw_second(ax: Any, data: Data, words: Words) -> None:
    curve = data["second"]
    ax.fill_between(curve["days"], _per_cent(curve["low"]), _per_cent(curve["high"]), color=BAND, linewidth=0)
    ax.plot(curve["days"], _per_cent(curve["share"]), color=BLUE, linewidth=2)
    ax.set_xlim(0, curve["days"][-1])
    ax.set_ylim(0, min(100, 125 * max(curve["high"])))
    ax.set_xticks(range(0, curve["days"][-1] + 1, 90))
    _named(ax, words["second"], words["days"], words["second_axis"])


def _draw_histogram(ax: Any, data: Data, title: str, across: str, up: str) -> None:
    edges, share = np.array(data["edges"]), _per_cent(data["share"])
    ax.bar(
        edges[:-1], share, width=np.diff(edges), align="edge", color=BLUE, alpha=0.75, edgecolor="white", linewidth=0.5
    )
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(0, max(1.22 * max(share), 1e-9))
    _named(ax, title, across, up)
    ax.grid(axis="x", visible=False)


def _draw_opinions(ax: Any, data: Data, words: Words, units: Words) -> None:
    """The answers of satisfied and other customers, and beside them how many would recommend the shop."""
    place = ax.get_subplotspec().subgridspec(1, 2, width_ratios=[2.8, 1])
    left, right = (ax.figure.add_subplot(one) for one in place)
    ax.remove()
    share = _per_cent(data["csat"] or [0] * 5)
    left.bar(range(1, 6), share, color=BLUE, alpha=0.75, width=0.75)
    left.set_xticks(range(1, 6))
    left.set_ylim(0, max(1.42 * max(share), 1e-9))
    rate = _written(data["csat_rate"], "share", units)
    said = words["csat_value"].format(rate=rate, sent=f"{data['csat_sent']:,}")
    _say(left, said, right=False)
    _named(left, words["csat"], words["csat_axis"], words["csat_share"])
    left.grid(axis="x", visible=False)
    value, low, high, expected_low, expected_high = data["figures"]["nps"]
    if expected_low is not None:
        right.add_patch(_range((-0.5, expected_low), 1, expected_high - expected_low))
    if value is not None:
        right.bar([0], [value], color=BLUE, alpha=0.75, width=0.5)
        right.errorbar([0], [value], yerr=[[value - low], [high - value]], color=INK, capsize=5, linewidth=1.6)
        _say(right, f"{value:+.0f}".replace("-", "−"), at=0.5, ha="center")
    right.axhline(0, color=GREY, linewidth=1)
    right.set_ylim(-50, 50)
    right.set_xlim(-0.7, 0.7)
    right.set_xticks([])
    _named(right, words["nps"], "", "")


def _draw_contracts(ax: Any, curve: Data, words: Words) -> None:
    ax.fill_between(curve["months"], _per_cent(curve["low"]), _per_cent(curve["high"]), color=BAND, linewidth=0)
    ax.plot(curve["months"], _per_cent(curve["share"]), color=BLUE, linewidth=2)
    ax.set_xlim(0, curve["months"][-1])
    ax.set_ylim(0, 104)
    ax.set_xticks(range(0, 19, 3))
    _named(ax, words["contracts"], words["contract_months"], words["contracts_axis"])


def _draw_cohorts(ax: Any, curve: Data, words: Words) -> None:
    for cohort in curve["each"]:
        ax.plot(range(1, len(cohort) + 1), _per_cent(cohort), color=GREY, linewidth=0.7, alpha=0.35)
    ax.fill_between(curve["months"], _per_cent(curve["low"]), _per_cent(curve["high"]), color=BAND, linewidth=0)
    ax.plot(curve["months"], _per_cent(curve["share"]), "o-", color=BLUE, linewidth=2, markersize=5)
    ax.set_ylim(0, 125 * max(max(cohort) for cohort in curve["each"]))
    ax.set_xlim(0.7, curve["months"][-1] + 0.3)
    ax.set_xticks(curve["months"])
    _say(ax, words["retention_thin"], color=GREY)
    _named(ax, words["retention"], words["months"], words["retention_axis"])


SIGNS = {"alpha": "α", "mean": "μ"}


def _draw_recovered(ax: Any, found: Data, words: Words) -> None:
    for place, (value, low, high) in enumerate(found.values()):
        ax.plot([low, high], [-place, -place], color=BLUE, alpha=0.55, linewidth=3)
        ax.plot([value], [-place], "o", color=BLUE, markersize=8)
    ax.axvline(1, color=ORANGE, linewidth=2, zorder=1)
    ax.set_yticks([-place for place in range(len(found))], [SIGNS.get(name, name) for name in found])
    ax.set_ylim(-len(found) + 0.4, 1.3)
    widest = max(abs(end - 1) for ends in found.values() for end in ends) * 1.15
    ax.set_xlim(1 - widest, 1 + widest)
    _say(ax, words["recovered_value"], color=GREY)
    _named(ax, words["recovered"], words["recovered_axis"], "")
    ax.grid(axis="y", visible=False)


def _draw_independent(ax: Any, groups: list[list[float]], words: Words) -> None:
    names = [str(low) if low == high else f"{low}–{high}" for low, high in GROUPS[:-1]]
    names.append(words["more"].format(n=GROUPS[-1][0]))
    for place, (value, low, high) in enumerate(groups):
        ax.plot([place, place], [low, high], color=BLUE, alpha=0.55, linewidth=3)
        ax.plot([place], [value], "o", color=BLUE, markersize=8)
    ax.axhline(PLANTED.mean / 1000, color=ORANGE, linewidth=2, zorder=1)
    ax.set_xticks(range(len(groups)), names)
    ax.set_ylim(0, 1.5 * PLANTED.mean / 1000)
    _named(ax, words["independent"], words["independent_axis"], words["independent_mean"])
    ax.grid(axis="x", visible=False)


def _named(ax: Any, title: str, across: str, up: str) -> None:
    ax.set_title(title, loc="left", fontsize=11.5, color=INK)
    ax.set_xlabel(across, fontsize=9.5)
    ax.set_ylabel(up, fontsize=9.5)
    ax.tick_params(labelsize=9.5)


def _mark(ax: Any, ends: list[float | None], said: str) -> None:
    """A figure as a line across the panel, with where it should lie behind it."""
    value, _, _, low, high = ends
    if low is not None and high is not None:
        ax.axvspan(low, high, color=EXPECTED, linewidth=0, zorder=0)
    if value is not None:
        ax.axvline(value, color=ORANGE, linewidth=2)
        ax.annotate(
            said, (value, 0.955), (6, 0), xycoords=("data", "axes fraction"), textcoords="offset points", va="top",
            color=INK, bbox=PAPER, zorder=4,
        )  # fmt: skip


def _point(ax: Any, x: float, y: float, said: str) -> None:
    ax.plot([x], [y], "o", color=ORANGE, markersize=8, zorder=4)
    ax.annotate(said, (x, y), (10, -7), textcoords="offset points", va="top", color=INK, bbox=PAPER)


def _say(ax: Any, said: str, *, right: bool = True, at: float | None = None, ha: str = "", color: str = INK) -> None:
    """Words in an upper corner of a panel, on paper, so that no line runs through them."""
    x = at if at is not None else 0.97 if right else 0.04
    ax.text(
        x, 0.955, said, transform=ax.transAxes, va="top", ha=ha or ("right" if right else "left"), color=color,
        fontsize=9.5 if color == GREY else None, bbox=PAPER, linespacing=1.3,
    )  # fmt: skip


def _range(corner: tuple[float, float], width: float, height: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, width, height, color=EXPECTED, linewidth=0, zorder=0)


def _per_cent(shares: Any) -> Any:
    return 100 * np.array(shares, dtype=np.float64)


def _written(value: float | None, unit: str, units: Words) -> str:
    """A figure as people write it."""
    if value is None:
        return "–"
    value = 100 * value if unit == "share" else value
    return units[unit].format(value=f"{value:,.{int(unit == 'share' and value < 10)}f}")
