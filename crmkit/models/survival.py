"""How long until something ends: Kaplan–Meier's curve and the log-rank test, on counts.

Both see only how many were watched for how long and how many of them had their end, which an engine can count for any
number of customers; who is still there is censored, neither left out nor taken for an end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmkit import frames
from crmkit.errors import MissingColumn, ParameterError
from crmkit.intervals import LEVEL, z

Numbers = NDArray[np.float64]
COUNTED = ("time", "events", "censored")
DENSE = 1_000_000  # up to here whole-numbered durations are counted in a list rather than sorted


class Band(NamedTuple):
    """A figure, or an array of them, with the ends of its interval; NaN where there is none."""

    value: Any
    low: Any
    high: Any


@dataclass(frozen=True, slots=True)
class KaplanMeier:
    """A survival curve at the times at which something happened, and at 0.

    Attributes:
        time: In the unit of the durations.
        at_risk: Watched and still there just before that time.
        events, censored: Had their end at that time; were last seen then. An end comes before a censoring.
        survival: Share still there after that time, 0–1.
        low, high: Its log-log interval; NaN where nobody has left yet (beyond time 0) and where nobody is left.
        variance: Greenwood's variance of `survival`.
        level: Confidence level.
    """

    time: Numbers
    at_risk: Numbers
    events: Numbers
    censored: Numbers
    survival: Numbers
    low: Numbers
    high: Numbers
    variance: Numbers
    level: float = LEVEL

    @property
    def n(self) -> int:
        """How many were watched."""
        return int(self.at_risk[0]) if len(self.time) else 0

    def survival_at(self, times: ArrayLike) -> Band:
        """The curve between its steps; NaN beyond the last time at which anybody was watched (unless nobody is left).

        Args:
            times: In the unit of the durations.
        """
        asked = np.asarray(times, dtype=np.float64)
        if not len(self.time):
            nothing = np.full(asked.shape, np.nan)
            return Band(nothing, nothing, nothing)
        place = np.maximum(np.searchsorted(self.time, asked, side="right") - 1, 0)
        seen = (asked >= 0) & ((asked <= self.time[-1]) | (self.survival[-1] == 0))
        return Band(*(np.where(seen, one[place], np.nan) for one in (self.survival, self.low, self.high)))

    def at_risk_at(self, times: ArrayLike) -> NDArray[np.int64]:
        """How many were watched and still there just before each time."""
        place = np.searchsorted(self.time, np.asarray(times, dtype=np.float64), side="left")
        return np.append(self.at_risk, 0.0)[place].astype(np.int64)

    def quantile(self, share: float = 0.5) -> Band:
        """The first time by which `share` have had their end, with Brookmeyer and Crowley's interval.

        Returns:
            Value, low and high; NaN for what the curve has not reached.

        References:
            Brookmeyer & Crowley (1982), A confidence interval for the median survival time. Biometrics 38, 29–41.
        """
        if not 0 < share < 1:
            raise ParameterError("not_a_share", parameter="share", value=share)
        # 1 - 1/3 three times is not quite 0; a curve that touches the level has reached it
        wanted = 1 - share + 1e-12
        with np.errstate(invalid="ignore"):
            ends = (self.survival, self.low, np.where(self.survival == 0, 0.0, self.high))
            return Band(*(_first(self.time, one <= wanted) for one in ends))

    def median(self) -> Band:
        """The time by which half have had their end."""
        return self.quantile(0.5)

    def restricted_mean(self, horizon: float | None = None) -> Band:
        """Mean time up to `horizon`, the area under the curve, with a normal interval from Greenwood's variances.

        Args:
            horizon: In the unit of the durations; default: the last time. NaN comes back where the curve ends before.

        References:
            Klein & Moeschberger (2003), Survival Analysis, 2nd ed., section 4.5.
        """
        end = float(self.time[-1]) if horizon is None and len(self.time) else float(horizon or math.nan)
        if math.isnan(float(self.survival_at(end).value)):
            return Band(math.nan, math.nan, math.nan)
        starts = self.time[self.time < end]
        if not len(starts):
            return Band(0.0, math.nan, math.nan)
        areas = np.diff(np.append(starts, end)) * self.survival[: len(starts)]
        area, after = float(areas.sum()), np.append(np.cumsum(areas[::-1])[::-1], 0.0)[: len(starts)]
        events, at_risk = self.events[: len(starts)], self.at_risk[: len(starts)]
        left = at_risk - events
        spread = math.sqrt(float(np.sum(after**2 * _over(events, at_risk * left))))
        reach = z(self.level) * spread
        return Band(area, max(area - reach, 0.0), min(area + reach, end))


def kaplan_meier(
    durations: Any, ended: ArrayLike | None = None, counts: ArrayLike | None = None, *, level: float = LEVEL
) -> KaplanMeier:
    """The share still there after each length of time, from those who left and those last seen while still there.

    Args:
        durations: How long each was watched, in any unit, not below 0; or a table of any engine with the columns
            `time`, `events` and `censored`, such as `survival_curve` gives (then nothing else is needed).
        ended: Whether the end was seen (True) or only the watching stopped (False).
        counts: How many have that duration; default 1 each.
        level: Confidence level of the interval.

    Returns:
        The curve; without any rows it is empty.

    Raises:
        ParameterError: lists of different lengths, or durations or counts that are no numbers or below 0.
        MissingColumn: the table lacks one of its three columns.

    Examples:
        >>> curve = kaplan_meier([1, 2, 2, 3, 4], [True, True, False, True, False])
        >>> [round(float(share), 3) for share in curve.survival]
        [1.0, 0.8, 0.6, 0.3, 0.3]
        >>> curve.median().value
        3.0

    References:
        Kaplan & Meier (1958), Nonparametric estimation from incomplete observations. JASA 53, 457–481.
        Kalbfleisch & Prentice (2002), The Statistical Analysis of Failure Time Data, section 1.4 (the interval).
    """
    time, events, censored = life_table(durations, ended, counts)
    gone = events + censored
    at_risk: Numbers = np.cumsum(gone[::-1])[::-1].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        survival: Numbers = np.cumprod(np.where(at_risk > 0, 1 - events / at_risk, 1.0)).astype(np.float64)
        greenwood = np.cumsum(events / (at_risk * (at_risk - events)))
        inside = (survival > 0) & (survival < 1)
        reach = z(level) * np.sqrt(greenwood) / np.abs(np.log(survival))
        low, high = (np.where(inside, survival ** np.exp(sign * reach), np.nan) for sign in (1, -1))
        variance = np.where(survival > 0, survival**2 * greenwood, np.nan)
    start = (time == 0) & (survival == 1)  # everybody is there at first: that is no guess
    low, high = np.where(start, 1.0, low), np.where(start, 1.0, high)
    return KaplanMeier(time, at_risk, events, censored, survival, low, high, variance, level)


def life_table(
    durations: Any, ended: ArrayLike | None = None, counts: ArrayLike | None = None
) -> tuple[Numbers, Numbers, Numbers]:
    """Times in order, from 0 on, with how many ended and how many were last seen at each.

    Args:
        durations, ended, counts: As for `kaplan_meier`.

    Examples:
        >>> time, events, censored = life_table([3, 1, 3], [True, False, False])
        >>> time.tolist(), events.tolist(), censored.tolist()
        ([0.0, 1.0, 3.0], [0.0, 0.0, 1.0], [0.0, 1.0, 1.0])
    """
    if ended is None:
        columns = _columns(durations, COUNTED)
        times, events, censored = (_sound(columns[name]) for name in COUNTED)
        return _summed(times, events, censored)
    watched, over = _sound(durations), np.asarray(ended, dtype=bool)
    many = None if counts is None else _sound(counts)
    if len(watched) != len(over) or (many is not None and len(many) != len(watched)):
        raise ParameterError("unequal_lengths", found=", ".join(str(len(one)) for one in (watched, over)))
    return _summed(watched, None if many is None else many[over], None if many is None else many[~over], over)


def _summed(
    times: Any, events: Numbers | None, censored: Numbers | None, over: NDArray[np.bool_] | None = None
) -> tuple[Numbers, Numbers, Numbers]:
    """Counts per time; with `over`, `events` and `censored` belong to those rows and to the others."""
    if not len(times):
        return np.array([]), np.array([]), np.array([])
    top = times.max()
    if top <= DENSE and _whole(times):
        found, place, size = np.arange(int(top) + 1, dtype=np.float64), times.astype(np.intp, copy=False), int(top) + 1
    else:
        found, place = np.unique(np.append(times, 0.0), return_inverse=True)
        place, size = place[:-1], len(found)
    ends, stops = (place, place) if over is None else (place[over], place[~over])
    gone = np.bincount(ends, weights=events, minlength=size).astype(np.float64)
    lost = np.bincount(stops, weights=censored, minlength=size).astype(np.float64)
    kept = (gone + lost > 0) | (found == 0)
    return found[kept], gone[kept], lost[kept]


def _whole(times: Any) -> bool:
    return times.dtype.kind in "iu" or bool((times == np.floor(times)).all())


def _sound(values: Any) -> Any:
    """Numbers from 0 on; whole ones stay whole, which is quicker.

    Raises:
        ParameterError: saying how many are not.
    """
    numbers = np.asarray(values)
    if numbers.dtype.kind not in "iu":
        numbers = numbers.astype(np.float64)
    if len(numbers) and not (numbers.min() >= 0 and numbers.max() < np.inf):  # NaN fails both
        wrong = np.count_nonzero(~((numbers >= 0) & (numbers < np.inf)))
        raise ParameterError("not_durations", rows=f"{wrong:,}", seen=f"{len(numbers):,}")
    return numbers


def _columns(table: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Columns of a small table of any engine, on the client."""
    try:
        frame = nw.from_native(table)
    except TypeError:
        raise ParameterError("no_table", found=type(table).__name__) from None
    found = frame.collect_schema().names()
    for name in names:
        if name not in found:
            raise MissingColumn("table", table="survival_curve", column=name, nearest="", found=", ".join(found))
    small = frames.fetch(frame.select(*names))
    return {name: small[name].to_numpy() for name in names}


def _first(time: Numbers, reached: NDArray[np.bool_]) -> float:
    return float(time[int(reached.argmax())]) if reached.any() else math.nan


def _over(above: Numbers, below: Numbers) -> Numbers:
    """A quotient whose 0 / 0, and nothing else, is 0: whoever leaves last leaves nothing to vary."""
    return np.where(below > 0, above / np.where(below > 0, below, 1), 0.0)


@dataclass(frozen=True, slots=True)
class LogRank:
    """The log-rank test of equal curves.

    Attributes:
        chi2: The statistic.
        freedom: Its degrees of freedom.
        p: How often curves of equal groups would differ at least so much.
        groups: Names of the groups, in order.
        observed, expected: Ends in each group, seen and expected if all curves were one.
    """

    chi2: float
    freedom: int
    p: float
    groups: tuple[Any, ...]
    observed: Numbers
    expected: Numbers


def log_rank(
    durations: Any,
    ended: ArrayLike | None = None,
    *,
    groups: Any,
    counts: ArrayLike | None = None,
    strata: Any = None,
) -> LogRank:
    """Whether groups differ in how long they stay, over the whole curve.

    Args:
        durations, ended, counts: As for `kaplan_meier`; or a table, such as `survival_curve(by=…)` gives.
        groups: Each row's group; for a table, the name of the column.
        strata: Each row's stratum: groups are compared inside each and the differences added up; for a table, the name
            of the column.

    Returns:
        A `LogRank`: `chi2`, its degrees of `freedom`, `p`, and for each group how many endings were observed and how
        many were to be expected if the groups did not differ.

    Raises:
        ParameterError: fewer than two groups, or lists of different lengths.

    Examples:
        >>> test = log_rank([1, 2, 3, 4, 5, 6], [True] * 6, groups=["a", "a", "a", "b", "b", "b"])
        >>> round(test.chi2, 3), test.freedom, round(test.p, 3)
        (5.052, 1, 0.025)

    References:
        Mantel (1966), Evaluation of survival data and two new rank order statistics. Cancer Chemotherapy Reports 50,
        163–170. Klein & Moeschberger (2003), Survival Analysis, 2nd ed., sections 7.3 and 7.5.
    """
    from scipy.special import chdtrc

    time, events, censored, group, stratum = _rows_to_compare(durations, ended, counts, groups, strata)
    names, place = np.unique(group, return_inverse=True)
    if len(names) < 2:
        raise ParameterError("one_group", found=", ".join(map(str, names)))
    observed, expected = np.zeros(len(names)), np.zeros(len(names))
    variance = np.zeros((len(names), len(names)))
    for one in np.unique(stratum):
        these = stratum == one
        seen, due, spread = _compared(time[these], events[these], censored[these], place[these], len(names))
        observed, expected, variance = observed + seen, expected + due, variance + spread
    apart = observed - expected
    freedom = int(np.linalg.matrix_rank(variance)) if variance.any() else 0
    chi2 = float(apart @ np.linalg.pinv(variance) @ apart) if freedom else math.nan
    p = float(chdtrc(freedom, chi2)) if freedom else math.nan
    return LogRank(chi2, freedom, p, tuple(names.tolist()), observed, expected)


def _rows_to_compare(durations: Any, ended: Any, counts: Any, groups: Any, strata: Any) -> tuple[Any, ...]:
    """Time, events, censored, group and stratum of each row, whichever way they were given."""
    if ended is None:
        wanted = (*COUNTED, groups, *([strata] if strata is not None else []))
        columns = _columns(durations, wanted)
        time, events, censored = (_sound(columns[name]) for name in COUNTED)
        group, stratum = columns[groups], columns.get(strata)
    else:
        time, over = _sound(durations), np.asarray(ended, dtype=bool)
        many = np.ones(len(time)) if counts is None else _sound(counts)
        group, stratum = groups, strata
        if len({len(time), len(over), len(many), len(group), len(time if strata is None else strata)}) > 1:
            raise ParameterError("unequal_lengths", found=f"{len(time)}, {len(over)}, {len(group)}")
        events, censored = np.where(over, many, 0.0), np.where(over, 0.0, many)
    if stratum is None:
        stratum = np.zeros(len(time))
    return time, events, censored, *(_labels(one) for one in (group, stratum))


def _labels(values: Any) -> NDArray[Any]:
    """What can be sorted: "none" among names is a name."""
    labels = np.asarray(values)
    return np.array([str(one) for one in labels]) if labels.dtype.kind == "O" else labels


def _compared(
    time: Numbers, events: Numbers, censored: Numbers, place: NDArray[np.intp], size: int
) -> tuple[Numbers, Numbers, Numbers]:
    """Seen and expected ends of each group, and the covariance of their differences."""
    times, row = np.unique(time, return_inverse=True)
    shape = (len(times), size)
    cell = row * size + place
    died = np.bincount(cell, weights=events, minlength=shape[0] * size).reshape(shape)
    gone = died + np.bincount(cell, weights=censored, minlength=shape[0] * size).reshape(shape)
    at_risk = np.cumsum(gone[::-1], axis=0)[::-1]
    deaths, everyone = died.sum(axis=1), at_risk.sum(axis=1)
    shares = at_risk / everyone[:, None]
    weight = _over(deaths * (everyone - deaths), everyone - 1)
    variance = np.diag(weight @ shares) - (shares * weight[:, None]).T @ shares
    return died.sum(axis=0), deaths @ shares, variance
