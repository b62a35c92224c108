"""A figure that never travels alone: value, interval, n, numerator, denominator, window and definition.

`rate` is the narrow waist of every share in crmkit: the engine counts, this room does the maths, the same for a whole
table and for groups.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import NormalDist
from typing import Any

import narwhals.stable.v2 as nw

from crmkit.errors import CrmkitWarning
from crmkit.frames import Frame
from crmkit.texts import text

LEVEL = 0.95


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
class Estimate:
    """One figure with everything needed to answer "how was that computed?".

    Attributes:
        value: The figure; a share is 0–1. NaN where there is no data, never 0.
        low, high: The interval at `level`; NaN where the figure has none.
        n: How many customers (or rows) the figure is about.
        numerator, denominator: What was divided by what; NaN denominator for plain counts without a base.
        window: The time window.
        definition: Which formula, with which parameters.
        unit: "share" or "count".
        excluded: Rows left out, by reason.
        besides: Other figures on the same data, by name: what another formula gives (a share), or how many were set
            apart (a count).
        notes: Warnings that belong to the figure.
        level: Confidence level of the interval.

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
            numerator=shown_count(self.numerator),
            denominator=shown_count(self.denominator),
            window=self.window,
        )

    __repr__ = __str__

    @property
    def label(self) -> str:
        """The metric's name in the language in use."""
        return text(f"metric.{self.definition.id}")

    @property
    def is_ratio(self) -> bool:
        """Whether the denominator does not contain the numerator: a figure with a value and no interval."""
        return math.isnan(self.low) and not math.isnan(self.value)

    @property
    def interval(self) -> str:
        """The interval in words; says so where there is none."""
        if math.isnan(self.low):
            return text("estimate.no_interval")
        return text(
            "estimate.interval", low=self.shown(self.low), high=self.shown(self.high), level=f"{self.level:.0%}"
        )

    def shown(self, value: float) -> str:
        """A value in this figure's unit, as people write it."""
        if math.isnan(value):
            return text("estimate.no_data")
        return f"{value:.1%}" if self.unit == "share" else shown_count(value)

    def _repr_html_(self) -> str:
        lines = [
            (text("estimate.interval_label"), self.interval),
            (
                text("estimate.counted"),
                text(
                    "estimate.ratio" if self.is_ratio else "estimate.of",
                    numerator=shown_count(self.numerator),
                    denominator=shown_count(self.denominator),
                ),
            ),
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


def wilson(numerator: Any, denominator: Any, level: float = LEVEL) -> tuple[Any, Any]:
    """Wilson's score interval of a share, for numbers and for narwhals expressions alike.

    Args:
        numerator: Successes.
        denominator: Trials, more than zero.
        level: Confidence level.

    Returns:
        The low and the high end, 0–1 up to rounding.

    Examples:
        >>> low, high = wilson(5, 10)
        >>> round(low, 4), round(high, 4)
        (0.2366, 0.7634)

    References:
        Wilson (1927), Probable inference, the law of succession, and statistical inference. JASA 22, 209–212.
    """
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    centre = (numerator + z2 / 2) / (denominator + z2)
    spread = (z2 * (numerator * (denominator - numerator) / denominator + z2 / 4)) ** 0.5 / (denominator + z2)
    return centre - spread, centre + spread


def share(numerator: int, denominator: int, window: Window, definition: Definition, **more: Any) -> Estimate:
    """A share with its Wilson interval; NaN where the denominator is 0."""
    if denominator == 0:
        nan = math.nan
        return Estimate(nan, nan, nan, 0, numerator, denominator, window, definition, **more)
    low, high = wilson(numerator, denominator)
    value = numerator / denominator
    return Estimate(
        value,
        max(0.0, min(low, value)),
        min(1.0, max(high, value)),
        denominator,
        numerator,
        denominator,
        window,
        definition,
        **more,
    )


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
        **more,
    )


def ratio(numerator: int, denominator: int, window: Window, definition: Definition, **more: Any) -> Estimate:
    """One count over another that does not contain it: it may pass 100 %, so it has no interval."""
    value = numerator / denominator if denominator else math.nan
    return Estimate(value, math.nan, math.nan, denominator, numerator, denominator, window, definition, **more)


def wilson_columns(numerator: nw.Expr, denominator: nw.Expr) -> tuple[nw.Expr, nw.Expr]:
    """`wilson` for columns, held to 0–1 and to the share itself against rounding; null where a count is null or 0."""
    known = ~numerator.is_null() & (denominator > 0)
    base = nw.when(known).then(denominator)  # divide only then: engines disagree on 0/0
    low, high = wilson(numerator, base)
    value = numerator / base
    low, high = nw.max_horizontal(nw.min_horizontal(low, value), nw.lit(0.0)), nw.max_horizontal(high, value)
    return nw.when(known).then(low), nw.when(known).then(nw.min_horizontal(high, nw.lit(1.0)))


def share_columns(groups: Frame) -> Frame:
    """Shares with intervals from a table of `group`, `numerator`, `denominator`, `lost`; null where the base is 0."""
    above, below = nw.col("numerator"), nw.col("denominator")
    low, high = wilson_columns(above, below)
    return groups.select(
        "group",
        value=above / nw.when(below > 0).then(below),
        low=low,
        high=high,
        n=below.cast(nw.Int64),
        numerator=above.cast(nw.Int64),
        denominator=below.cast(nw.Int64),
        rows_left_out=nw.col("lost").cast(nw.Int64),
    )


def shown_count(value: float) -> str:
    """A count with thousands separators; a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:,.0f}"


def _day(at: datetime | None) -> str:
    assert at is not None
    return at.date().isoformat() if at.time() == datetime.min.time() else at.isoformat(" ", "minutes")
