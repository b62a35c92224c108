"""The formulas behind the textbook shop: what the planted parameters say should be counted, and fitting them again.

References:
    Fader, Hardie and Lee (2005), "Counting your customers" the easy way. Marketing Science 24, 275–284 (BG/NBD).
    Fader and Hardie (2013), The gamma-gamma model of monetary value. brucehardie.com/notes/025 (gamma-gamma).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, gammaln, hyp2f1

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


class Planted(NamedTuple):
    """The parameters of both models; alpha in weeks, the mean order in yen."""

    r: float
    alpha: float
    a: float
    b: float
    p: float
    q: float
    mean: float


def order_again(weeks: Floats, it: Planted) -> Floats:
    """Chance of a second order within so many weeks: nobody leaves before it."""
    return 1 - (it.alpha / (it.alpha + weeks)) ** it.r


def expected_repeats(weeks: Floats, it: Planted) -> Floats:
    """Expected number of repeat orders within so many weeks of the first one."""
    a = it.a + 1e-6 * (it.a == 1)  # the formula divides by a - 1; beside it nothing jumps
    z = weeks / (it.alpha + weeks)
    never = (it.alpha / (it.alpha + weeks)) ** it.r * hyp2f1(it.r, it.b, a + it.b - 1, z)
    return np.asarray((a + it.b - 1) / (a - 1) * (1 - never))


def repeats(most: int, weeks: Floats, it: Planted) -> Floats:
    """Chance of 0, 1, … `most` repeat orders, averaged over customers watched for so many weeks."""
    x = np.arange(most + 1)[:, None]
    z = weeks / (it.alpha + weeks)
    rate = np.exp(gammaln(it.r + x) - gammaln(it.r) - gammaln(x + 1)) * (it.alpha / (it.alpha + weeks)) ** it.r * z**x
    still = np.exp(betaln(it.a, it.b + x) - betaln(it.a, it.b)) * rate
    before = np.vstack([np.zeros((1, len(weeks))), np.cumsum(rate, axis=0)[:-1]])
    gone = np.exp(betaln(it.a + 1, it.b + np.maximum(x, 1) - 1) - betaln(it.a, it.b)) * (1 - before) * (x > 0)
    return np.asarray((still + gone).mean(axis=1))


def amount_density(amount: Floats, it: Planted) -> Floats:
    """Density of the amount of one order, in yen."""
    scale = it.mean * (it.q - 1) / it.p
    log = it.q * np.log(scale) + (it.p - 1) * np.log(amount) - (it.p + it.q) * np.log(amount + scale)
    return np.exp(log - betaln(it.p, it.q))


def fit_bg_nbd(again: Floats, recency: Floats, age: Floats) -> tuple[Floats, Floats]:
    """r, alpha, a and b by maximum likelihood, from repeat orders, weeks until the last one and weeks watched.

    Returns:
        Logarithms of the parameters, and their standard errors.
    """

    def loss(theta: Floats) -> float:
        r, alpha, a, b = np.exp(theta)
        common = gammaln(r + again) - gammaln(r) + r * np.log(alpha)
        common = common + gammaln(a + b) + gammaln(b + again) - gammaln(b) - gammaln(a + b + again)
        alive = -(r + again) * np.log(alpha + age)
        left = np.log(a) - np.log(b + np.maximum(again, 1) - 1) - (r + again) * np.log(alpha + recency)
        return -float((common + np.logaddexp(alive, np.where(again > 0, left, -np.inf))).mean())

    return _fitted(loss, np.log([0.6, 6.0, 1.2, 3.0]), len(again))


def fit_gamma_gamma(count: Floats, average: Floats) -> tuple[Floats, Floats]:
    """p, q and the mean by maximum likelihood, from each customer's orders and average order.

    Returns:
        Logarithms of the parameters, and their standard errors.
    """

    def loss(theta: Floats) -> float:
        p, q_less_1, mean = np.exp(theta)
        q = 1 + q_less_1
        scale = mean * q_less_1 / p
        log = gammaln(p * count + q) - gammaln(p * count) - gammaln(q) + q * np.log(scale)
        log = log + (p * count - 1) * np.log(average) + p * count * np.log(count)
        return -float((log - (p * count + q) * np.log(scale + count * average)).mean())

    found, error = _fitted(loss, np.log([5.0, 2.0, 5_000.0]), len(count))
    q_less_1 = np.exp(found[1])
    q = 1 + q_less_1
    return np.array([found[0], np.log(q), found[2]]), error * np.array([1.0, q_less_1 / q, 1.0])


def _fitted(loss: Callable[[Floats], float], start: Floats, n: int) -> tuple[Floats, Floats]:
    """Where the loss (a mean over n) is least, and standard errors from its curvature there."""
    options = {"xatol": 1e-7, "fatol": 1e-13, "maxiter": 8000}
    found = minimize(loss, start, method="Nelder-Mead", options=options).x
    step, size = 1e-3, len(found)
    steps = np.eye(size) * step
    curve = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            ends = (s * loss(found + e * steps[i] + f * steps[j]) for s, e, f in _CORNERS)
            curve[i, j] = sum(ends) / (4 * step**2)
    return found, np.sqrt(np.diag(np.linalg.inv(curve)) / n)


_CORNERS = ((1, 1, 1), (-1, 1, -1), (-1, -1, 1), (1, -1, -1))
