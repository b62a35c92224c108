"""How far a figure would vary: intervals as plain functions of counts and sums, for one figure or an array of them.

All of them see only what the engine has reduced: numbers of successes, sums, sums of squares, ranks. NaN comes back
where nothing can be said, never a width of 0 for want of data.
"""

from __future__ import annotations

from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
Ends = tuple[NDArray[np.float64], NDArray[np.float64]]


def z(level: float = LEVEL) -> float:
    """The normal quantile that a two-sided interval at `level` reaches to."""
    return NormalDist().inv_cdf((1 + level) / 2)


def wilson(numerator: ArrayLike, denominator: ArrayLike, level: float = LEVEL) -> Ends:
    """Wilson's score interval of a share; never outside 0–1, and sound for few observations.

    Args:
        numerator: Successes.
        denominator: Trials; NaN comes back where there are none.
        level: Confidence level.

    Returns:
        The low and the high end, 0–1.

    Examples:
        >>> low, high = wilson(5, 10)
        >>> round(float(low), 4), round(float(high), 4)
        (0.2366, 0.7634)

    References:
        Wilson (1927), Probable inference, the law of succession, and statistical inference. JASA 22, 209–212.
    """
    above, below = _arrays(numerator, denominator)
    below = np.where(below > 0, below, np.nan)
    z2 = z(level) ** 2
    centre = (above + z2 / 2) / (below + z2)
    spread = np.sqrt(z2 * (above * (below - above) / below + z2 / 4)) / (below + z2)
    value = above / below
    return np.clip(np.minimum(centre - spread, value), 0, None), np.clip(np.maximum(centre + spread, value), None, 1)


def poisson(events: ArrayLike, level: float = LEVEL) -> Ends:
    """The exact interval of a count of independent events (Garwood).

    Examples:
        >>> low, high = poisson(10)
        >>> round(float(low), 3), round(float(high), 3)
        (4.795, 18.39)

    References:
        Garwood (1936), Fiducial limits for the Poisson distribution. Biometrika 28, 437–442.
    """
    from scipy.special import gammaincinv

    (number,) = _arrays(events)
    tail = (1 - level) / 2
    low = np.where(number > 0, gammaincinv(np.where(number > 0, number, 1), tail), 0.0)
    return np.where(np.isnan(number), np.nan, low), gammaincinv(number + 1, 1 - tail)


def t_mean(n: ArrayLike, total: ArrayLike, squares: ArrayLike, level: float = LEVEL) -> Ends:
    """Student's interval of a mean, from the number, the sum and the sum of squares; NaN for fewer than two.

    Examples:
        >>> low, high = t_mean(4, 10, 30)  # 1, 2, 3, 4
        >>> round(float(low), 3), round(float(high), 3)
        (0.446, 4.554)
    """
    number, summed, squared = _arrays(n, total, squares)
    number = np.where(number > 1, number, np.nan)
    mean = summed / number
    variance = np.maximum(squared - summed * mean, 0) / (number - 1)
    reach = t_quantile(number - 1, level) * np.sqrt(variance / number)
    return mean - reach, mean + reach


def t_quantile(freedom: ArrayLike, level: float = LEVEL) -> NDArray[np.float64]:
    """The quantile of Student's t that a two-sided interval at `level` reaches to."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(np.asarray(freedom, float), (1 + level) / 2))


def ratio_of_sums(
    n: ArrayLike, above: ArrayLike, below: ArrayLike, above2: ArrayLike, both: ArrayLike, below2: ArrayLike,
    level: float = LEVEL,
) -> Ends:  # fmt: skip
    """The interval of Σy / Σx over independent units (customers), by linearisation (the delta method).

    Args:
        n: Number of units.
        above, below: Σy and Σx.
        above2, both, below2: Σy², Σxy and Σx².
        level: Confidence level.

    Examples:
        >>> low, high = ratio_of_sums(3, 6, 3, 14, 6, 3)  # y = 1, 2, 3 and x = 1: the mean of y
        >>> round(float(low), 3), round(float(high), 3)
        (-0.484, 4.484)

    References:
        Cochran (1977), Sampling Techniques, 3rd ed., section 6.4.
    """
    number, y, x, yy, xy, xx = _arrays(n, above, below, above2, both, below2)
    number, x = np.where(number > 1, number, np.nan), np.where(x != 0, x, np.nan)
    ratio = y / x
    residual = np.maximum(yy - 2 * ratio * xy + ratio**2 * xx, 0)
    reach = t_quantile(number - 1, level) * np.sqrt(residual * number / (number - 1)) / np.abs(x)
    return ratio - reach, ratio + reach


def sum_of_parts(total: ArrayLike, squares: ArrayLike, level: float = LEVEL) -> Ends:
    """The interval of a sum over units that come by chance (a compound Poisson sum): its variance is Σx²."""
    summed, squared = _arrays(total, squares)
    reach = z(level) * np.sqrt(squared)
    return summed - reach, summed + reach


def difference(one: ArrayLike, one_low: ArrayLike, one_high: ArrayLike,
               other: ArrayLike, other_low: ArrayLike, other_high: ArrayLike) -> Ends:  # fmt: skip
    """The interval of `one` − `other` from the intervals of two independent figures (MOVER; of shares: Newcombe's).

    Examples:
        >>> a, b = wilson(56, 70), wilson(48, 80)
        >>> low, high = difference(56 / 70, *a, 48 / 80, *b)
        >>> round(float(low), 4), round(float(high), 4)
        (0.0524, 0.3339)

    References:
        Newcombe (1998), Interval estimation for the difference between independent proportions, method 10. Statistics
        in Medicine 17, 873–890. Zou & Donner (2008), Construction of confidence limits about effect measures. Ibid. 27.
    """
    first, low1, high1, second, low2, high2 = _arrays(one, one_low, one_high, other, other_low, other_high)
    apart = first - second
    low = apart - np.sqrt((first - low1) ** 2 + (high2 - second) ** 2)
    return low, apart + np.sqrt((high1 - first) ** 2 + (second - low2) ** 2)


def rate_ratio(events: ArrayLike, exposure: ArrayLike, other_events: ArrayLike, other_exposure: ArrayLike,
               level: float = LEVEL) -> Ends:  # fmt: skip
    """The exact interval of the ratio of two Poisson rates, given the number of events in all (Clopper–Pearson)."""
    from scipy.special import betaincinv

    one, time, other, other_time = _arrays(events, exposure, other_events, other_exposure)
    tail = (1 - level) / 2
    low = np.where(one > 0, betaincinv(np.where(one > 0, one, 1), other + 1, tail), 0.0)
    high = np.where(other > 0, betaincinv(one + 1, np.where(other > 0, other, 1), 1 - tail), 1.0)
    scale = other_time / np.where(time > 0, time, np.nan)
    with np.errstate(divide="ignore"):
        return low / (1 - low) * scale, high / (1 - high) * scale


def quantile_ranks(n: ArrayLike, share: float, level: float = LEVEL) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which order statistics (1 = the least) enclose a quantile, whatever the distribution; 0 where none does.

    Examples:
        >>> low, high = quantile_ranks(20, 0.5)
        >>> int(low), int(high)
        (6, 15)

    References:
        Hahn & Meeker (1991), Statistical Intervals, section 5.2.
    """
    number = np.atleast_1d(np.asarray(n, dtype=np.int64))
    pairs = [_ranks(int(one), share, level) for one in number]
    low, high = np.array([pair[0] for pair in pairs], np.int64), np.array([pair[1] for pair in pairs], np.int64)
    return (low, high) if np.ndim(n) else (low[0], high[0])


@cache
def _ranks(n: int, share: float, level: float) -> tuple[int, int]:
    from scipy.special import bdtr

    if n < 1:
        return 0, 0
    tail = (1 - level) / 2
    reach = 40 + int(8 * np.sqrt(n * share * (1 - share)))
    around = np.arange(max(0, int(n * share) - reach), min(n, int(n * share) + reach) + 1)
    below = bdtr(around, n, share)  # P(at most so many observations lie below the quantile)
    low = around[below <= tail]
    high = around[below >= 1 - tail]
    least, most = (int(low.max()) + 1 if low.size else 0), (int(high.min()) + 1 if high.size else 0)
    return least, most if most <= n else 0


def _arrays(*values: ArrayLike) -> tuple[NDArray[np.float64], ...]:
    return tuple(np.asarray(value, dtype=np.float64) for value in values)
