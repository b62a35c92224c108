"""How long contracts last if customers differ: the shifted-beta-geometric model.

Each customer leaves at the end of a period with a probability of their own, which stays the same; over the customers it
follows a beta distribution. So the retention rate rises from period to period although nobody becomes more loyal: those
who leave easily have left. A projection with one constant rate misses that, and falls short.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmkit import intervals
from crmkit.errors import CannotFit, ParameterError
from crmkit.models.fitting import LOG, LOGIT, Maximum, Shape, maximise, with_ends
from crmkit.models.survival import Band, life_table

Numbers = NDArray[np.float64]
STARTS = ((1.0, 2.0), (0.5, 4.0), (5.0, 20.0))
# A gain in likelihood below this over one rate for all is none: the data do not show that customers differ.
LEAST_GAIN = 1e-3


@dataclass(frozen=True, slots=True)
class ShiftedBetaGeometric:
    """The fitted model.

    Attributes:
        alpha, beta: Parameters of the beta distribution of the probability to leave in a period.
        covariance: Of alpha and beta, from the curvature of the likelihood; NaN where it is too flat.
        loglik: Log-likelihood at the maximum.
        customers: How many the model was fitted to.
        best: The maximum itself, on the scale of the logarithms.
    """

    alpha: float
    beta: float
    covariance: Numbers
    loglik: float
    customers: int
    best: Maximum

    @property
    def standard_errors(self) -> tuple[float, float]:
        """Of alpha and beta."""
        first, second = np.sqrt(np.diag(self.covariance)).tolist()
        return first, second

    @property
    def intervals(self) -> tuple[Band, Band]:
        """Alpha and beta with their 95 % intervals, which never reach below 0."""
        reach = np.exp(intervals.z() * np.sqrt(np.diag(self.best.covariance)))
        pairs = zip((self.alpha, self.beta), reach.tolist(), strict=True)
        first, second = (Band(value, value / factor, value * factor) for value, factor in pairs)
        return first, second

    @property
    def mean_churn(self) -> Band:
        """The share that leaves in the first period, α / (α + β); later it is less."""
        return self._single(lambda theta: theta[0] - theta[1], LOGIT)

    def survival(self, periods: ArrayLike) -> Band:
        """Share still there after so many periods, 0–1, with 95 % intervals of the curve (not of what will be seen).

        Args:
            periods: Whole numbers from 0 on, beyond the data as well.
        """
        times = _periods(periods, 0)

        def shaped(theta: Numbers) -> Numbers:
            log_share = _log_survival(np.exp(theta), times.ravel())
            with np.errstate(divide="ignore"):
                return np.asarray(log_share - np.log(-np.expm1(log_share)))

        return self._band(shaped, LOGIT, times)

    def retention(self, periods: ArrayLike) -> Band:
        """Share of those there at the start of a period (1 = the first) who are there at its end; it rises.

        Args:
            periods: Whole numbers from 1 on.
        """
        times = _periods(periods, 1)
        return self._band(lambda theta: np.log(np.exp(theta[1]) + times.ravel() - 1) - theta[0], LOGIT, times)

    def expected_lifetime(self, discount_rate: float, *, periods_stayed: int | None = None) -> Band:
        """Discounted number of payments to expect, with its 95 % interval.

        Times the margin per period it is the value of a customer. With a rate of 0 it is the mean number of payments,
        which is infinite (and without an interval) if alpha is 1 or less: some customers never seem to leave.

        Args:
            discount_rate: Per period (not per year), 0 or more.
            periods_stayed: `None` = a new customer, the first payment, made at once, included (DEL); a number n = a
                customer who has paid n times and may renew now, the payment of that renewal included if made (DERL).

        References:
            Fader & Hardie (2010), Customer-base valuation in a contractual setting: the perils of ignoring
            heterogeneity. Marketing Science 29, 85–93.
        """
        if not (0 <= discount_rate < math.inf):
            raise ParameterError("at_least_zero", parameter="discount_rate", value=discount_rate)
        stayed = 0 if periods_stayed is None else int(_periods(periods_stayed, 1))

        def shaped(theta: Numbers) -> float:
            return _log_payments(np.exp(theta), discount_rate, stayed)

        if math.isinf(shaped(self.best.theta)):
            return Band(math.inf, math.nan, math.nan)
        return self._single(shaped, LOG)

    def _single(self, shaped: Callable[[Numbers], float], shape: Shape) -> Band:
        found = with_ends(lambda theta: np.array([shaped(theta)]), self.best, shape)
        return Band(*(float(one[0]) for one in found))

    def _band(self, shaped: Callable[[Numbers], Numbers], shape: Shape, times: Numbers) -> Band:
        return Band(*(one.reshape(times.shape)[()] for one in with_ends(shaped, self.best, shape)))


def shifted_beta_geometric(survivors: Any, *, period_days: float = 1) -> ShiftedBetaGeometric:
    """Fit the model to a cohort's survivors, or to customers watched for different lengths of time.

    Args:
        survivors: How many customers were still there after 0, 1, 2, … periods, in numbers (not shares: with ten
            customers the same shares say less than with a thousand); or a table of any engine with the columns `time`,
            `events` and `censored`, such as `survival_curve` gives.
        period_days: Length of a period in the unit of the table's `time`: 28 for contracts paid every four weeks and a
            curve in days. Whoever is last seen in the middle of a period was watched up to its beginning.

    Returns:
        A `ShiftedBetaGeometric`: alpha and beta with their covariance, and what follows from them: retention, survival.

    Raises:
        ParameterError: survivors that rise, or are no numbers from 0 on.
        CannotFit: the data cannot tell alpha and beta, and why: nobody left, everybody left at once, only one period
            was watched, or customers do not differ.

    Examples:
        >>> model = shifted_beta_geometric([1000, 869, 743, 653, 593, 551, 517, 491])
        >>> round(model.alpha, 3), round(model.beta, 3)
        (0.668, 3.806)
        >>> [round(float(share), 3) for share in model.retention([1, 2, 7]).value]
        [0.851, 0.878, 0.936]

    References:
        Fader & Hardie (2007), How to project customer retention. Journal of Interactive Marketing 21, 76–90.
    """
    lost, seen = _by_period(survivors, period_days)
    _refuse(lost, seen)
    customers = float(lost.sum() + seen.sum())
    best = maximise(lambda theta: _loss(theta, lost, seen), STARTS, customers, "shifted_beta_geometric")
    loglik, one_rate = -best.loss * customers, _one_rate(lost, seen)
    if loglik - one_rate[1] < LEAST_GAIN:
        raise CannotFit("no_spread", churn=f"{one_rate[0]:.1%}")
    alpha, beta = np.exp(best.theta)
    scale = np.diag([alpha, beta])  # the log parameters' covariance is the inverse Hessian of the log-likelihood
    covariance = scale @ best.covariance @ scale
    return ShiftedBetaGeometric(float(alpha), float(beta), covariance, loglik, int(customers), best)


def _by_period(survivors: Any, period_days: float) -> tuple[Numbers, Numbers]:
    """How many left in period 1, 2, … (place 0 stays empty), and how many were last seen after 0, 1, 2, … periods."""
    if not (0 < period_days < math.inf):
        raise ParameterError("at_least_zero", parameter="period_days", value=period_days)
    if isinstance(survivors, list | tuple | np.ndarray):
        there = np.asarray(survivors, dtype=np.float64)
        if there.ndim != 1 or not (there >= 0).all() or not np.isfinite(there).all() or (np.diff(there) > 0).any():
            raise ParameterError("survivors_rise", found=", ".join(f"{one:g}" for one in there.ravel()[:10]))
        lost = np.append(0.0, -np.diff(there))[: len(there)]
        seen = np.zeros(len(there))
        seen[-1:] = there[-1:]
        return lost, seen
    time, events, censored = life_table(survivors)
    ended = np.maximum(np.ceil(time / period_days), 1).astype(np.int64)
    watched = np.floor(time / period_days).astype(np.int64)
    size = int(max(ended.max(initial=0), watched.max(initial=0))) + 1
    return np.bincount(ended, events, size).astype(float), np.bincount(watched, censored, size).astype(float)


def _refuse(lost: Numbers, seen: Numbers) -> None:
    """Say what makes these data tell no alpha and beta.

    Raises:
        CannotFit: naming it.
    """
    left, stayed = lost.sum(), seen[1:].sum()  # who was not watched for a whole period says nothing
    if left + stayed == 0:
        raise CannotFit("nobody_watched")
    if left == 0:
        raise CannotFit("nobody_left", customers=f"{stayed:,.0f}", periods=f"{np.flatnonzero(seen)[-1]:,}")
    later = lost[2:].sum()
    if later == 0 and stayed == 0:
        raise CannotFit("all_left_at_once", customers=f"{left:,.0f}")
    if later == 0 and seen[2:].sum() == 0:
        raise CannotFit("one_period")
    if later == 0:
        raise CannotFit("two_kinds", left=f"{left:,.0f}", stayed=f"{stayed:,.0f}")


def _loss(theta: Numbers, lost: Numbers, seen: Numbers) -> tuple[float, Numbers]:
    """Minus the mean log-likelihood, and its slopes at log parameters."""
    from scipy.special import betaln, digamma

    a, b = np.exp(theta)
    k = np.arange(len(lost), dtype=np.float64)
    before = np.maximum(k - 1, 0)
    n = lost.sum() + seen.sum()
    value = lost @ betaln(a + 1, b + before) + seen @ betaln(a, b + k) - n * betaln(a, b)
    both = (lost + seen) @ digamma(a + b + k)  # leaving in k and staying after k come to the same sum
    start = digamma(a + b)
    by_a = lost.sum() * digamma(a + 1) + seen.sum() * digamma(a) - both - n * (digamma(a) - start)
    by_b = lost @ digamma(b + before) + seen @ digamma(b + k) - both - n * (digamma(b) - start)
    return float(-value / n), -np.array([a * by_a, b * by_b]) / n


def _one_rate(lost: Numbers, seen: Numbers) -> tuple[float, float]:
    """The share leaving per period if it is the same for all, and its log-likelihood."""
    from scipy.special import xlog1py, xlogy

    k = np.arange(len(lost))
    left, stayed = lost.sum(), lost @ np.maximum(k - 1, 0) + seen @ k
    rate = left / (left + stayed)
    return float(rate), float(xlogy(left, rate) + xlog1py(stayed, -rate))


def _log_survival(parameters: Numbers, periods: Any) -> Any:
    from scipy.special import betaln

    a, b = parameters
    return betaln(a, b + periods) - betaln(a, b)


def _log_payments(parameters: Numbers, discount_rate: float, stayed: int) -> float:
    """Log of the discounted number of payments to come; `stayed` = 0: of a new customer."""
    from scipy.special import hyp2f1

    a, b = parameters
    if discount_rate == 0 and a <= 1:
        return math.inf
    payments = hyp2f1(1, b + stayed, a + b + stayed, 1 / (1 + discount_rate))
    renewing = (b + stayed - 1) / (a + b + stayed - 1) if stayed else 1.0
    return float(np.log(renewing * payments))


def _periods(periods: Any, least: int) -> Any:
    """Whole numbers of periods.

    Raises:
        ParameterError: if some are not, or too small.
    """
    times = np.asarray(periods, dtype=np.float64)
    if not ((times >= least) & (times == np.floor(times)) & np.isfinite(times)).all():
        raise ParameterError("not_periods", least=least)
    return cast("Any", times)
