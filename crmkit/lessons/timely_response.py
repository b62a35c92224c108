"""Lesson 12, timely response: the widget "the same tickets, how many numbers?", three exercises and a quiz, and a help
desk that closes tickets instead of answering them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from crmkit.datasets import sample
from crmkit.estimate import Estimate
from crmkit.metrics.service.durations import ticket_times
from crmkit.metrics.service.promises import sla_attainment_rate
from crmkit.metrics.service.times import complaint_ack_time, first_reply_time
from crmkit.plots import plot_first_reply_time
from crmkit.plots.base import BLUE, GREY, INK, RED, paper
from crmkit.texts import text
from crmkit.widgets.exercise import Exercise, Quiz, check, offer, quiz
from crmkit.widgets.explorer import Answer, Choice, Explorer, Number, Prediction
from crmkit.widgets.picture import show

__all__ = ["Desk", "check", "close_unanswered", "quiz", "reply_times", "say_kept", "show", "start", "word"]

STATISTICS, CLOCKS, REPLIES = ("median", "p90", "mean"), ("calendar", "business"), ("person", "any")
COLUMNS = {"person": "first_reply_minutes", "any": "ack_minutes"}
MOST_HOURS = 48  # of the target
HOUR, DAY = 60, 1440
LENT = ("business_hours", "sla_policies")  # what a shop may not have written down
USUAL = {"kind": "question", "priority": "normal", "channel": "unknown"}  # where tickets do not say


@dataclass(frozen=True)
class Desk:
    """The tables of a help desk, ready to be passed on.

    Attributes:
        log: `tickets` and `ticket_events`, as the metrics take them: `crmkit.first_reply_time(**desk.log)`.
        opening: `business_hours` and `holidays`, for times in opening hours.
        sla_policies: What was promised.
        lent: Tables that the data do not have and that were taken from the sample salon.
    """

    log: dict[str, Any]
    opening: dict[str, Any]
    sla_policies: pd.DataFrame
    lent: tuple[str, ...] = ()

    def __str__(self) -> str:
        tickets, events = self.log.values()
        days = [f"{day:%Y-%m-%d}" for day in (tickets["created_at"].min(), tickets["created_at"].max())]
        counts = {"tickets": f"{len(tickets):,}", "events": f"{len(events):,}", "first": days[0], "last": days[1]}
        said = text("lesson12.desk", **counts)
        return said + (" " + text("lesson12.lent", tables=", ".join(self.lent)) if self.lent else "")

    __repr__ = __str__


def _desk(crm: Any) -> Desk:
    """The help desk of a data set; what is not loaded of `tickets` and their log is named by the data set itself."""
    tickets, events = crm.tickets, crm.ticket_events
    tickets = tickets.assign(**{name: usual for name, usual in USUAL.items() if name not in tickets})
    lent = tuple(name for name in LENT if _table(crm, name) is None)
    hours_of = sample("salon") if "business_hours" in lent else crm  # holidays belong to their calendar
    return Desk(
        {"tickets": tickets, "ticket_events": events},
        {name: _table(hours_of, name) for name in ("business_hours", "holidays")},
        _table(sample("salon") if "sla_policies" in lent else crm, "sla_policies"),
        lent,
    )


def _table(crm: Any, name: str) -> Any:
    found = getattr(crm, name, None)
    return found if found is not None and len(found) else None


def start(crm: Any) -> Desk:
    """Begin the lesson on these data: find the help desk's tables, have the exercises computed from them."""
    desk = _desk(crm)
    offer(*exercises(desk), Quiz("12.4", right="b"))
    return desk


def reply_times(crm: Any) -> Explorer:
    """The same tickets, how many numbers? Choose a statistic, a clock, what counts as a reply, and a target."""
    desk = _desk(crm)
    labels = {(c, s): text("lesson12.figure", statistic=word(s), clock=word(c)) for c in CLOCKS for s in STATISTICS}
    figures = {reply: _figures(desk, reply) for reply in REPLIES}  # computed once: a key must be answered at once
    waits = {clock: _waits(desk, clock) for clock in CLOCKS}
    drawn = {clock: _arrow(times) for clock, times in waits.items()}
    known = [figure.value for of_reply in figures.values() for figure in of_reply.values() if figure.n] or [math.nan]
    axis_end = max(1.3 * MOST_HOURS, 1.3 * max(known) / HOUR)

    def answer(statistic: str, clock: str, reply: str, target_hours: float) -> Answer:
        figure, minutes = figures[reply][clock, statistic], waits[clock][COLUMNS[reply]]
        kept = int((minutes <= target_hours * HOUR).sum())
        share = f"{kept / len(minutes):.1%}" if len(minutes) else text("estimate.no_data")
        facts = {"value": _long(figure.value), "low": _long(figure.low), "high": _long(figure.high), "n": figure.n}
        facts |= {"target": f"{target_hours:g}", "share": share, "kept": kept, "of": len(minutes)}
        label = text("lesson12.which", figure=labels[clock, statistic], reply=word(reply))
        sentence = text("lesson12.result", label=label, least=_long(min(known)), most=_long(max(known)), **facts)

        def draw(_: Any, axes: Any, predicted: float | None) -> None:
            plot_first_reply_time(drawn[clock], column=COLUMNS[reply], ax=axes[0])
            shown = {labels[key]: one for key, one in figures[reply].items()}
            _draw_figures(axes[1], shown, labels[clock, statistic], target_hours, predicted)
            axes[1].set_xlim(0, axis_end)

        return Answer(figure.value / HOUR, sentence, draw)

    return Explorer(
        texts="lesson12",
        prediction=Prediction(0, 72, 0.5, text("lesson12.unit")),
        controls=[
            Choice("statistic", tuple((word(one), one) for one in STATISTICS), "median"),
            Choice("clock", tuple((word(one), one) for one in CLOCKS), "calendar"),
            Choice("reply", tuple((word(one), one) for one in REPLIES), "person"),
            Number("target_hours", 1, MOST_HOURS, 1, 24),
        ],
        answer=answer,
        before=partial(_before, desk, waits),
        panels={"ncols": 2, "width": 11, "height": 4.4},
    )


def word(of: str) -> str:
    """One of the lesson's short words, in the language in use."""
    return text(f"lesson12.word.{of}")


def say_kept(kept: Mapping[str, Estimate]) -> str:
    """Rates by name, one line each."""
    return "\n".join(text("lesson12.kept", name=name, rate=str(rate)) for name, rate in kept.items())


def _long(minutes: float) -> str:
    """A wait as people say it."""
    if math.isnan(minutes):
        return text("estimate.no_data")
    if minutes < 1:
        return text("lesson12.under_a_minute")
    if minutes < 2 * HOUR:
        return text("lesson12.minutes", minutes=f"{minutes:.0f}")
    return text("lesson12.hours", hours=f"{minutes / HOUR:.1f}")


def _figures(desk: Desk, reply: str) -> dict[tuple[str, str], Estimate]:
    """Every statistic on every clock; `reply` "any" lets the automatic confirmation count."""
    log = {name: _arrow(table) for name, table in desk.log.items()}  # few rows: PyArrow answers three times as fast
    opening = {name: _arrow(table) for name, table in desk.opening.items()}
    metric: Callable[..., Estimate] = first_reply_time if reply == "person" else partial(complaint_ack_time, kind=None)
    hours: dict[str, dict[str, Any]] = {"calendar": {}, "business": {"hours": "business", **opening}}
    return {(clock, s): metric(**log, statistic=s, **hours[clock]) for clock in CLOCKS for s in STATISTICS}


def _arrow(table: Any) -> Any:
    return None if table is None else nw.from_native(table).to_arrow()


def _waits(desk: Desk, clock: str) -> pd.DataFrame:
    """One row per ticket that a customer opened, as `first_reply_time` counts them."""
    how: dict[str, Any] = {"hours": clock, **(desk.opening if clock == "business" else {})}
    times = ticket_times(**desk.log, **how)
    return pd.DataFrame(times[times["created_by"] != "agent"])


def _draw_figures(
    ax: Any, shown: Mapping[str, Estimate], chosen: str, target_hours: float, predicted: float | None
) -> None:
    """The figures one below the other, in hours, with their intervals; the target as a line through all of them."""
    for place, (label, figure) in enumerate(shown.items()):
        colour = BLUE if label == chosen else GREY
        if not math.isnan(figure.low):
            ends = [figure.low / HOUR, figure.high / HOUR]
            ax.plot(ends, [-place, -place], color=colour, linewidth=2.5, alpha=0.55)
        ax.plot(figure.value / HOUR, -place, "o", color=colour, markersize=9, clip_on=False, zorder=3)
        beside = {"xytext": (0, 8), "textcoords": "offset points", "bbox": paper(), "zorder": 2.5}
        at = 0 if math.isnan(figure.value) else figure.value / HOUR
        ax.annotate(_long(figure.value), (at, -place), color=colour, **beside)
    lines = [("lesson12.target_line", target_hours, INK, ":", 0.95)]
    if predicted is not None:
        lines.append(("plot.your_prediction", predicted, RED, "--", 0.6))
    for key, at, colour, dash, height in lines:
        ax.axvline(at, color=colour, linestyle=dash, linewidth=2)
        ax.annotate(text(key), (at, height), (4, 0), textcoords="offset points", color=colour, bbox=paper(1), zorder=4)
    ax.set_yticks([-place for place in range(len(shown))], [f"▶ {one}" if one == chosen else one for one in shown])
    ax.set_ylim(-len(shown) + 0.4, 1.4)
    ax.set_xlabel(text("lesson12.axis"))
    ax.grid(axis="y", visible=False)


def _before(desk: Desk, waits: Mapping[str, Any], _: Any, axes: Any) -> str:
    """One ticket's log, as an example of a wait over closing time."""
    both = waits["calendar"]["first_reply_minutes"], waits["business"]["first_reply_minutes"]
    apart = (both[0] - both[1]).where(both[0] < 3 * DAY).astype(float)
    for one in axes:
        one.set_axis_off()
    axes[1].annotate(text("lesson12.here"), (0.5, 0.5), xycoords="axes fraction", ha="center", color=GREY)
    if apart.notna().any():
        lines = _story(desk, waits["calendar"].loc[apart.idxmax(), "ticket_id"])
        told = "\n\n".join([text("lesson12.story"), *lines, text("lesson12.how_long")])
        axes[0].text(0.05, 0.5, told, va="center", fontsize="large")
    return text("lesson12.before", tickets=f"{len(both[0]):,}")


def _story(desk: Desk, ticket: str) -> list[str]:
    """What the customer saw of a ticket, up to the first reply of a person."""
    events = desk.log["ticket_events"]
    seen = events[(events["ticket_id"] == ticket) & (events["kind"] == "comment") & events["is_public"].eq(True)]
    lines = []
    for at, who in seen.sort_values("occurred_at")[["occurred_at", "actor_type"]].itertuples(index=False):
        day = text(f"lesson12.weekday.{at.weekday()}")
        lines.append(text("lesson12.line", day=f"{at:%m-%d}", weekday=day, time=f"{at:%H:%M}", who=word(who)))
        if who == "agent":
            break
    return lines


def close_unanswered(log: Mapping[str, Any], *, after_minutes: float = HOUR) -> dict[str, Any]:
    """The same log, had the desk closed each ticket that had no person's reply after so many minutes.

    Args:
        log: `tickets` and `ticket_events`.
        after_minutes: How long a ticket may wait before it is closed.

    Returns:
        The log of that desk: what came later in these tickets did not happen.

    Examples:
        >>> import crmkit
        >>> salon = crmkit.sample("salon")
        >>> closed = close_unanswered({"tickets": salon.tickets, "ticket_events": salon.ticket_events})
        >>> crmkit.first_reply_time(**closed).besides["unanswered"] > 100
        True
    """
    times = ticket_times(**log)
    waiting = times.loc[~times["first_reply_minutes"].le(after_minutes).fillna(False).astype(bool)]
    deadline = waiting.set_index("ticket_id")["created_at"] + pd.Timedelta(minutes=after_minutes)
    events = log["ticket_events"]
    ends = events["ticket_id"].map(deadline)
    kept = events[ends.isna() | (events["occurred_at"] < ends)]
    moves = kept[kept["kind"] == "status_change"].sort_values("occurred_at").groupby("ticket_id")["to_value"].last()
    closing = pd.DataFrame(
        {
            "event_id": "closed-" + deadline.index.astype(str),
            "ticket_id": deadline.index,
            "occurred_at": deadline.to_numpy(),
            "actor_type": "system",
            "kind": "status_change",
            "is_public": False,
            "from_value": deadline.index.map(moves).fillna("new"),
            "to_value": "solved",
        }
    )
    columns = list(closing.columns)
    return {**log, "ticket_events": pd.concat([kept[columns], closing], ignore_index=True)}


def exercises(desk: Desk) -> tuple[Exercise, ...]:
    """The lesson's exercises on this desk, with what the usual mistakes would give."""
    hours: dict[str, Any] = {"hours": "business", **desk.opening}
    asked: dict[str, Any] = {**desk.log, "statistic": "p90", "kind": "question"}
    closed = partial(close_unanswered, desk.log)
    return (
        Exercise(
            "12.1",
            lambda: float(first_reply_time(**asked, **hours)),
            {
                "median": lambda: float(first_reply_time(**{**asked, "statistic": "median"}, **hours)),
                "mean": lambda: float(first_reply_time(**{**asked, "statistic": "mean"}, **hours)),
                "calendar": lambda: float(first_reply_time(**asked)),
                "bots": lambda: float(complaint_ack_time(**asked, **hours)),
                "all_kinds": lambda: float(first_reply_time(**{**asked, "kind": None}, **hours)),
                "hours": lambda: float(first_reply_time(**asked, **hours)) / HOUR,
            },
            tolerance=0.5,  # as the figure stands on the screen, in whole minutes
        ),
        Exercise(
            "12.2",
            lambda: _kept(desk, desk.log),
            {
                "calendar": lambda: _kept(desk, desk.log, sla_policies=_on_the_calendar(desk.sla_policies)),
                "resolution": lambda: _kept(desk, desk.log, promise="resolution"),
                "one_target": lambda: _within(desk.log, "first_reply_minutes"),
                "questions": lambda: _kept(desk, desk.log, kind="question"),
            },
        ),
        Exercise(
            "12.3",
            lambda: _within(closed(), "first_reply_minutes"),
            {
                "survivors": lambda: _within(closed(), "first_reply_minutes", dropped=True),
                "minutes": lambda: _within(closed(), "first_reply_minutes", most=24),
                "late": lambda: 1 - _within(closed(), "first_reply_minutes"),
                "before": lambda: _within(desk.log, "first_reply_minutes"),
            },
        ),
    )


def _kept(desk: Desk, log: Mapping[str, Any], **how: Any) -> float:
    return float(sla_attainment_rate(**{**log, "sla_policies": desk.sla_policies, **desk.opening, **how}))


def _on_the_calendar(policies: pd.DataFrame) -> pd.DataFrame:
    return policies.assign(in_business_hours=False)


def _within(log: Mapping[str, Any], column: str, *, dropped: bool = False, most: float = DAY) -> float:
    """Share of the customers' tickets answered within `most` minutes on the calendar; `dropped` forgets the others."""
    times = ticket_times(**log)
    minutes = times.loc[times["created_by"] != "agent", column].astype(float)
    return float((minutes.dropna() if dropped else minutes).le(most).mean())
