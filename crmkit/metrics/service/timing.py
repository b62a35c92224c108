"""Tickets and log on one clock, and the statistics of the minutes between their instants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.estimate import Definition, Figures, Window, means
from crmkit.frames import Names
from crmkit.metrics.service.hours import Clock, hours_wanted
from crmkit.metrics.service.tickets import (
    Desk,
    Log,
    Mark,
    Opened,
    desk_of,
    fact_marks,
    filled,
    once,
    open_desk,
    open_log,
    reduced,
)
from crmkit.reduction import STATISTICS, middle, one_of, within
from crmkit.rows import Units

When = Any
Hours = Literal["calendar", "business"]
Statistic = Literal["median", "p90", "mean"]
BY_AGENT = nw.col("_by_agent")


@dataclass(frozen=True, slots=True)
class Timed:
    """A desk whose tickets and events can be read on one clock; `by` and `window` as the metric was asked."""

    opened: Opened
    log: Log
    clock: Clock
    hours: str
    by: str | None
    until: Any

    def desk(self, facts: Sequence[str], marks: Mapping[str, Mark] | None = None) -> Desk:
        """The tickets with these facts, and seconds beside the instants among them: `_created`, `_<fact>`."""
        frame = filled(reduced(self.opened, self.log, {**fact_marks(facts), **(marks or {})}), facts)
        ends = {f"_{name}": name for name in facts if name.endswith("_at")}
        frame = self.clock.read(frame, {"_created": "created_at", **ends})
        return desk_of(frame, self.opened, self.log, self.until)


@dataclass(frozen=True, slots=True)
class Asked:
    """What every time of the desk can be asked with, as the metrics document it."""

    hours: str
    business_hours: Any
    holidays: Any
    columns: Names
    by: str | None = None
    kind: str | None = None
    as_of: When = None

    def open(self, metric: str, tickets: Any, ticket_events: Any, *kinds: str, details: Sequence[str] = ()) -> Timed:
        """Open both tables and set the clock; `kinds` of events to read, `details` of the tickets to keep."""
        opening = hours_wanted(self.hours, self.business_hours, self.holidays, metric)
        must: tuple[str, ...] = () if self.kind is None else ("kind",)
        opened = open_desk(tickets, by=self.by, columns=self.columns, details=(*details, *must), must=must)
        until = None if self.as_of is None else frames.instant(self.as_of, "as_of")
        log = open_log(ticket_events, opened.kinds(kinds), columns=self.columns, until=until)
        clock = Clock(opened.frame, opening, (*opened.span, *log.span))
        return Timed(opened, log, clock, self.hours, self.by, until)


def minutes_of(
    opened: Timed,
    desk: Desk,
    value: nw.Expr,
    definition: Definition,
    statistic: str,
    window: Window,
    kind: str | None,
    apart: Mapping[str, nw.Expr],
) -> Any:
    """A statistic of the minutes of the tickets created in the window; the log is read once."""
    one_of("statistic", statistic, STATISTICS)
    inside = created_in(window, kind)
    flags = {name: met.cast(nw.Int64) for name, met in apart.items()}
    kept = ["created_at", "_merged", "_known", "_early", "counts", *(["group"] if opened.by is not None else [])]
    kept += ["kind"] if kind is not None else []
    lean = replace(desk, frame=desk.frame.with_columns(minutes=value, **flags).select(*kept, "minutes", *apart))
    seen = {name: nw.col(name) > 0 for name in apart}
    return once(lean, lambda kept: typical(kept.units(inside), window, definition, statistic, opened.by, apart=seen))


def created_in(window: Window, kind: str | None) -> nw.Expr:
    """Whether a ticket was created in the window, and is of the kind if one is asked for."""
    inside = within(nw.col("created_at"), window)
    return inside if kind is None else inside & (nw.col("kind") == kind).fill_null(False)


def typical(
    units: Units,
    window: Window,
    definition: Definition,
    statistic: str,
    by: str | None,
    *,
    unit: str = "minutes",
    apart: Mapping[str, nw.Expr] | None = None,
) -> Any:
    """A statistic of the column `minutes`, with the other two beside it; what is set `apart` is counted."""
    conditions: dict[str, Any] = dict(apart or {})
    return middle(units, nw.col("minutes"), window, definition, statistic=statistic, by=by, unit=unit, **conditions)


def one_statistic(found: Mapping[str, Any], statistic: str) -> Figures:
    """One statistic of what `spread` found, for each of its groups."""
    n = found["n"]
    if statistic == "mean":
        return means(n, found["total"], found["squares"])
    ends = found[f"{statistic}_low"], found[f"{statistic}_high"]
    return Figures(found[statistic], *ends, n, np.full(len(n), np.nan), n, "order")
