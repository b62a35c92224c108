"""From units to figures: what a metric asks of the big table is sums and a few order statistics.

`summarise` and `middle` make figures of them, for the whole table or for groups alike; the other functions read the
parameters that metrics have in common.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.errors import CrmkitWarning, ParameterError
from crmkit.estimate import Definition, Figures, Sums, Window, means
from crmkit.frames import Frame
from crmkit.rows import Part, Units
from crmkit.spread import spread

MOST_DAYS = 36_500
RESULT_COLUMNS = ("value", "low", "high", "n", "numerator", "denominator", "rows_left_out")
STATISTICS = ("median", "p90", "mean")


def summarise(
    parts: Part | Sequence[Part],
    figures: Callable[[Sums], Figures],
    window: Window,
    definition: Definition,
    *,
    by: str | None = None,
    unit: str = "share",
    besides: Sequence[str] = (),
) -> Any:
    """An `Estimate` of sums, or with `by` a table of the engine's own kind with one row per group.

    Args:
        parts: The sums, of one table or of several; with `by` every table has the group.
        figures: From the sums by name, each an array with one number per group, to the figures.
        window, definition, unit: Go into the `Estimate`.
        by: Name of the group column in the result: `by`, then RESULT_COLUMNS.
        besides: Names of sums to show as counts beside the figure.
    """
    parts = [parts] if isinstance(parts, Part) else list(parts)
    if by is not None:
        return _per_group(parts, figures, by)
    sums: dict[str, float] = {}
    excluded: dict[str, int] = {}
    notes: list[CrmkitWarning] = []
    for part in parts:
        found, lost, told = part.whole()
        sums |= found
        excluded |= {why: excluded.get(why, 0) + n for why, n in lost.items()}
        notes += told
    made = figures({name: np.array([value]) for name, value in sums.items()})
    apart = {name: int(sums[name]) for name in besides}
    return made.estimate(window, definition, unit=unit, excluded=excluded, notes=tuple(notes), besides=apart)


def _per_group(parts: Sequence[Part], figures: Callable[[Sums], Figures], by: str) -> Any:
    if by in RESULT_COLUMNS:
        raise ParameterError("name_taken", by=by, columns=", ".join(RESULT_COLUMNS))
    names = [name for part in parts for name in part.wanted]
    stacked = nw.concat([part.grouped(names) for part in parts], how="vertical")
    small = stacked.group_by("group").agg(nw.col(*names, "lost").sum()).sort("group")
    made = figures({name: small[name].to_numpy().astype(float) for name in names})
    return _given(parts[0].units.frame, small, made, by)


def _given(like: Frame, small: nw.DataFrame[Any], made: Figures, by: str) -> Any:
    """The groups with their figures beside them, in the engine's own kind."""
    columns = {**made.columns(), "rows_left_out": small["lost"].to_numpy().astype(np.int64)}
    beside = frames.table(like, columns)
    done = small.select("group").rename({"group": by}).with_columns(*(beside[name] for name in RESULT_COLUMNS))
    return frames.give_back(frames.same_kind(like, done))


def middle(
    units: Units,
    value: nw.Expr,
    window: Window,
    definition: Definition,
    *,
    statistic: str = "median",
    by: str | None = None,
    unit: str = "minutes",
    **apart: nw.Expr,
) -> Any:
    """The median, p90 or mean of a number per unit, with the other two beside it; by group as `summarise` gives it.

    Args:
        units: Their `value` is looked at where there is one; null is not counted, so set it apart.
        value: The number of each unit.
        window, definition, unit, by: As for `summarise`.
        statistic: "median", "p90" or "mean".
        apart: Conditions whose units are counted beside the figure.
    """
    one_of("statistic", statistic, STATISTICS)
    known = units.frame.with_columns(_value=value).filter(~nw.col("_value").is_null())
    if by is not None:
        return _middle_per_group(units, known, statistic, by)
    found = spread(known, "_value")
    counted, excluded, notes = units.sums(_none=nw.lit(0.0), **apart).whole()
    others = {name: float(_middles(found, name).first().value[0]) for name in STATISTICS if name != statistic}
    besides = {**others, **{name: int(counted[name]) for name in apart}}
    figure = _middles(found, statistic).first()
    return figure.estimate(window, definition, unit=unit, excluded=excluded, notes=notes, besides=besides)


def _middle_per_group(units: Units, known: Frame, statistic: str, by: str) -> Any:
    if by in RESULT_COLUMNS:
        raise ParameterError("name_taken", by=by, columns=", ".join(RESULT_COLUMNS))
    found = spread(known, "_value", "group")
    small = units.sums(_none=nw.lit(0.0)).grouped(["_none"]).sort("group")
    place = {frames.plain(group): row for row, group in enumerate(found["group"])}
    rows = np.array([place.get(frames.plain(group), -1) for group in small["group"].to_list()], dtype=np.int64)
    return _given(units.frame, small, _middles(found, statistic).take(rows), by)


def _middles(found: Mapping[str, Any], statistic: str) -> Figures:
    """One statistic of what `spread` found; no rows at all are one figure without data."""
    n, total = found["n"], found["total"]
    if statistic == "mean":
        return means(n, total, found["squares"])
    ends = found[f"{statistic}_low"], found[f"{statistic}_high"]
    return Figures(found[statistic], *ends, n, np.full(len(n), np.nan), n, "order")


def one_of(parameter: str, value: str, options: Sequence[str]) -> None:
    """A parameter that is one of a few words.

    Raises:
        ParameterError: naming the words.
    """
    if value not in options:
        raise ParameterError("unknown_variant", parameter=parameter, value=value, options=", ".join(map(repr, options)))


def time_window(start: Any, end: Any) -> Window:
    """The window `[start, end)` of two parameters that can be read as instants or are `None`.

    Raises:
        ParameterError: if one cannot be read, or the start is not before the end.
    """
    window = Window(
        None if start is None else frames.instant(start, "start"), None if end is None else frames.instant(end, "end")
    )
    if window.start is not None and window.end is not None and window.start >= window.end:
        raise ParameterError("start_after_end", start=window.start, end=window.end)
    return window


def within(at: nw.Expr, window: Window) -> nw.Expr:
    """Whether an instant is known and lies in the window."""
    inside = ~at.is_null()
    if window.start is not None:
        inside = inside & (at >= window.start)
    return inside if window.end is None else inside & (at < window.end)


def needed(metric: str, parameter: str, value: Any) -> Any:
    """A parameter that this metric cannot do without.

    Raises:
        ParameterError: naming metric and parameter if it is `None`.
    """
    if value is None:
        raise ParameterError("needed", metric=metric, parameter=parameter)
    return value


def whole_number(parameter: str, value: int) -> int:
    """A parameter that counts days or purchases.

    Raises:
        ParameterError: if it is no whole number from 1 to 36,500 (a hundred years of days).
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise ParameterError("not_whole", parameter=parameter, value=value) from None
    if not 1 <= number <= MOST_DAYS:
        raise ParameterError("not_positive", parameter=parameter, value=value, most=MOST_DAYS)
    return number
