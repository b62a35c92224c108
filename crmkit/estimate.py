"""A figure that never travels alone: value, interval, n, numerator, denominator, window and definition.

`rate` is the narrow waist of every share in crmkit: the engine counts, this room does the maths, the same for a whole
table and for groups.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from crmkit import intervals
from crmkit.errors import CrmkitWarning
from crmkit.intervals import LEVEL
from crmkit.texts import text

SMALL, SMALL_SIDE = 30, 5
Numbers = NDArray[np.float64]
Sums = Mapping[str, Numbers]


@dataclass(frozen=True, slots=True)
class Window:
    """The half-open time window `[start, end)` that a figure looks at; `None` is unbounded."""

    start: datetime | None = None
    end: datetime | None = None

    def __str__(self) -> str:
        if self.start is None and self.end is None:
            return text("window.all")
        if self.start is None:
            return text("window.until", end=_day(self.end))
        if self.end is None:
            return text("window.since", start=_day(self.start))
        return text("window.between", start=_day(self.start), end=_day(self.end))


@dataclass(frozen=True, slots=True)
class Definition:
    """Which formula a figure follows: an id such as "repeat_rate.cumulative", and the parameters it was used with."""

    id: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """The metric's name: the function that made the figure."""
        return self.id.split(".")[0]

    def __str__(self) -> str:
        return text(f"definition.{self.id}", **self.parameters)


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of several groups, or of one: each an array with one entry per group. `method` names the interval's."""

    value: Numbers
    low: Numbers
    high: Numbers
    n: Any
    numerator: Any
    denominator: Any
    method: str

    def where(self, known: Any) -> Figures:
        """NaN as value and ends where the figure is not `known`."""
        value, low, high = (np.where(known, one, np.nan) for one in (self.value, self.low, self.high))
        return replace(self, value=value, low=low, high=high)

    def held(self, least: float, most: float) -> Figures:
        """The interval held to what the figure can be."""
        return replace(self, low=np.clip(self.low, least, None), high=np.clip(self.high, None, most))

    def times(self, factor: float) -> Figures:
        """The same figures in another unit."""
        return replace(self, value=self.value * factor, low=self.low * factor, high=self.high * factor)

    def take(self, rows: Any) -> Figures:
        """The figures at these places; −1 is a group without data."""
        none = rows < 0
        values = (self.value, self.low, self.high, self.n, self.numerator, self.denominator)
        filler = (np.nan, np.nan, np.nan, 0, np.nan, 0)
        taken = (
            np.where(none, empty, one[rows] if len(one) else empty) for one, empty in zip(values, filler, strict=True)
        )
        value, low, high, n, above, below = taken
        return Figures(value, low, high, n, above, below, self.method)

    def first(self) -> Figures:
        """The only group; without data if there is none."""
        return self.take(np.array([0 if len(self.n) else -1]))

    def columns(self) -> dict[str, Any]:
        """The columns of a table of groups."""
        names = ("value", "low", "high", "n", "numerator", "denominator")
        return {name: getattr(self, name) for name in names}

    def estimate(self, window: Window, definition: Definition, **more: Any) -> Estimate:
        """The only group as an `Estimate`."""
        plain = {name: one[0].item() for name, one in self.columns().items()}
        return Estimate(**plain, window=window, definition=definition, method=self.method, **more)


@dataclass(frozen=True, slots=True)
class Estimate:
    """One figure with everything needed to answer "how was that computed?".

    Attributes:
        value: The figure; a share is 0–1. NaN where there is no data, never 0.
        low, high: The interval at `level`; NaN where the figure has none.
        n: How many customers (or rows) the figure is about.
        numerator, denominator: What was divided by what; NaN denominator for plain counts without a base.
        window: The time window.
        definition: Which formula, with which parameters.
        unit: "share" (0–1), or one of the units that `texts` knows under `unit.`: "count", "jpy", "days", "minutes", …
        excluded: Rows left out, by reason.
        besides: Other figures on the same data, by name: what another formula gives (a share), or how many were set
            apart (a count).
        notes: Warnings that belong to the figure.
        level: Confidence level of the interval.
        method: How the interval was made: "wilson", "poisson", "t", "delta", "order", "sum", … or "none".

    Examples:
        >>> half = Estimate(0.5, 0.24, 0.76, 10, 5, 10, Window(), Definition("repeat_rate.cumulative"))
        >>> float(half)
        0.5
    """

    value: float
    low: float
    high: float
    n: int
    numerator: float
    denominator: float
    window: Window
    definition: Definition
    unit: str = "share"
    excluded: Mapping[str, int] = field(default_factory=dict)
    besides: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[CrmkitWarning, ...] = ()
    level: float = LEVEL
    method: str = "none"

    def __float__(self) -> float:
        return float(self.value)

    def __format__(self, spec: str) -> str:
        return format(float(self), spec) if spec else str(self)

    def __str__(self) -> str:
        return text(
            "estimate.line",
            label=self.label,
            value=self.shown(self.value),
            interval=self.interval,
            counted=self.counted,
            window=self.window,
        )

    __repr__ = __str__

    @property
    def label(self) -> str:
        """The metric's name in the language in use."""
        return text(f"metric.{self.definition.id}")

    @property
    def counted(self) -> str:
        """What was divided by what; how many were looked at where nothing was divided."""
        if math.isnan(self.numerator) or math.isnan(self.denominator):
            return text("estimate.n", n=self.n)
        share = self.unit != "times" and self.method in ("wilson", "none") and not self.is_ratio
        key = "estimate.of" if share else "estimate.ratio"
        return text(key, numerator=shown_count(self.numerator), denominator=shown_count(self.denominator))

    @property
    def is_small(self) -> bool:
        """Whether little stands behind the figure: fewer than 30, or fewer than 5 on one side of a share."""
        few = self.n < SMALL
        if self.unit == "share" and self.method == "wilson":
            few = few or min(self.numerator, self.denominator - self.numerator) < SMALL_SIDE
        return 0 < self.n and few

    @property
    def is_ratio(self) -> bool:
        """Whether the denominator does not contain the numerator: a figure with a value and no interval."""
        return self.method == "none" and not math.isnan(self.value)

    @property
    def interval(self) -> str:
        """The interval in words; says so where there is none."""
        if math.isnan(self.low) and math.isnan(self.high):
            return text("estimate.no_interval")
        return text(
            "estimate.interval", low=self.shown(self.low), high=self.shown(self.high), level=f"{self.level:.0%}"
        )

    def shown(self, value: float) -> str:
        """A value in this figure's unit, as people write it.

        Args:
            value: The figure itself, an end of its interval, or another of the same unit.

        Returns:
            The text, in the language in use.
        """
        if math.isnan(value):
            return text("estimate.no_data")
        return text(f"unit.{self.unit}", value=value)

    def _repr_html_(self) -> str:
        how = "" if math.isnan(self.low) and math.isnan(self.high) else text(f"interval.{self.method}")
        lines = [
            (text("estimate.interval_label"), f"{self.interval} {how}".strip()),
            (text("estimate.counted"), self.counted),
            (text("estimate.window"), str(self.window)),
            (text("estimate.definition"), f"{self.definition} [{self.definition.id}]"),
        ]
        if any(self.excluded.values()):
            lines.append(
                (
                    text("estimate.excluded"),
                    "; ".join(f"{text(f'excluded.{why}')}: {n:,}" for why, n in self.excluded.items() if n),
                )
            )
        lines += [
            (text(f"besides.{name}"), shown_count(value) if isinstance(value, int) else self.shown(value))
            for name, value in self.besides.items()
        ]
        lines += [(text("estimate.note"), str(note)) for note in self.notes]
        if self.is_small:
            lines.append((text("estimate.note"), text("estimate.small", n=self.n)))
        body = "".join(
            f"<tr><th scope='row' style='text-align:left;font-weight:normal'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
            for name, value in lines
        )
        return (
            f"<div><strong>{html.escape(self.label)}: "
            f"<span style='font-size:1.4em'>{html.escape(self.shown(self.value))}</span></strong>"
            f"<table>{body}</table></div>"
        )


def share(numerator: int, denominator: int, window: Window, definition: Definition, **more: Any) -> Estimate:
    """A share with its Wilson interval; NaN where the denominator is 0."""
    made = shares(np.array([float(numerator)]), np.array([float(denominator)]))
    return made.estimate(window, definition, **more)


def count(numerator: int, denominator: int, window: Window, definition: Definition, **more: Any) -> Estimate:
    """How many of `denominator`; the interval is the share's, times the denominator. NaN where there is no base."""
    base = share(numerator, denominator, window, definition)
    value = float(numerator) if denominator else math.nan
    return Estimate(
        value,
        base.low * denominator,
        base.high * denominator,
        denominator,
        numerator,
        denominator,
        window,
        definition,
        unit="count",
        method="wilson",
        **more,
    )


def ratio(numerator: int, denominator: int, window: Window, definition: Definition, **more: Any) -> Estimate:
    """One count over another that does not contain it: it may pass 100 %, so it has no interval."""
    value = numerator / denominator if denominator else math.nan
    return Estimate(value, math.nan, math.nan, denominator, numerator, denominator, window, definition, **more)


def wilson_columns(numerator: nw.Expr, denominator: nw.Expr) -> tuple[nw.Expr, nw.Expr]:
    """`intervals.wilson` inside the engine, for tables that may be long; null where a count is null or 0."""
    known = ~numerator.is_null() & (denominator > 0)
    base = nw.when(known).then(denominator)  # divide only then: engines disagree on 0/0
    z2 = intervals.z() ** 2
    centre, value = (numerator + z2 / 2) / (base + z2), numerator / base
    spread = (z2 * (numerator * (base - numerator) / base + z2 / 4)) ** 0.5 / (base + z2)
    low = nw.max_horizontal(nw.min_horizontal(centre - spread, value), nw.lit(0.0))
    high = nw.min_horizontal(nw.max_horizontal(centre + spread, value), nw.lit(1.0))
    return nw.when(known).then(low), nw.when(known).then(high)


def shares(above: Numbers, below: Numbers) -> Figures:
    """Successes of trials, with Wilson's interval."""
    low, high = intervals.wilson(above, below)
    n = below.astype(np.int64)
    return Figures(_over(above, below), low, high, n, above.astype(np.int64), n, "wilson")


def counts(number: Numbers, seen: Numbers) -> Figures:
    """How many came by chance, with Garwood's interval; NaN where nothing was `seen` that could have been counted."""
    low, high = intervals.poisson(number)
    n = seen.astype(np.int64)
    return Figures(number, low, high, n, number.astype(np.int64), np.full(len(n), np.nan), "poisson").where(n > 0)


def rates(events: Numbers, exposure: Numbers, per: float = 1) -> Figures:
    """Events per `per` units of exposure, with Garwood's interval of the events; it may pass 1."""
    low, high = intervals.poisson(events)
    scale = per * _over(np.ones(len(exposure)), exposure)
    n = exposure.astype(np.int64)
    return Figures(events * scale, low * scale, high * scale, n, events.astype(np.int64), exposure, "poisson")


def means(n: Numbers, total: Numbers, squares: Numbers) -> Figures:
    """A mean with Student's interval, from the number, the sum and the sum of squares."""
    low, high = intervals.t_mean(n, total, squares)
    return Figures(_over(total, n), low, high, n.astype(np.int64), total, n, "t")


def totals(n: Numbers, total: Numbers, squares: Numbers) -> Figures:
    """A sum over units that come by chance; NaN where there are none."""
    low, high = intervals.sum_of_parts(total, squares)
    return Figures(total, low, high, n.astype(np.int64), total, np.full(len(n), np.nan), "sum").where(n > 0)


def ratios(n: Numbers, above: Numbers, below: Numbers, above2: Numbers, both: Numbers, below2: Numbers) -> Figures:
    """Σy / Σx over `n` units with the delta method's interval, from Σy, Σx, Σy², Σxy and Σx²."""
    low, high = intervals.ratio_of_sums(n, above, below, above2, both, below2)
    return Figures(_over(above, below), low, high, n.astype(np.int64), above, below, "delta")


def bare(above: Numbers, below: Numbers) -> Figures:
    """One number over another that does not contain it, of which no interval can be said."""
    nan = np.full(len(above), np.nan)
    return Figures(_over(above, below), nan, nan, below.astype(np.int64), above, below, "none")


def _over(above: Numbers, below: Numbers) -> Numbers:
    return above / np.where(below != 0, below, np.nan)


def shown_count(value: float) -> str:
    """A count with thousands separators; a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:,.0f}"


def _day(at: datetime | None) -> str:
    assert at is not None
    return at.date().isoformat() if at.time() == datetime.min.time() else at.isoformat(" ", "minutes")
