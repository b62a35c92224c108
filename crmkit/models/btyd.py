"""BG/NBD and MBG/NBD as plain functions on arrays: likelihood, chance of being there, orders to come.

A customer places orders at a rate that differs between customers by a gamma distribution (r, alpha), and after an
order leaves for good with a chance that differs by a beta distribution (a, b). Under BG/NBD one can leave after a
*repeat* order only, under MBG/NBD after the first one too; otherwise they are the same, and so are the formulas here if
b is read as b + `shift`. x is the number of repeat orders, tx the time of the last one and T the time watched, both
since the first order.

References:
    Fader, Hardie and Lee (2005), "Counting your customers" the easy way. Marketing Science 24, 275–284 (BG/NBD).
    Batislam, Denizel and Filiztekin (2007), Empirical validation and comparison of models for customer base analysis.
    International Journal of Research in Marketing 24, 201–209 (MBG/NBD).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from crmkit.models.fitting import Numbers

SHIFT = {"bg_nbd": 0, "mbg_nbd": 1}
NAMES = {"bg_nbd": "BG/NBD", "mbg_nbd": "MBG/NBD"}
# So near to a point where the formula is 0 ÷ 0 it is taken from both sides, so far away
TINY = 1e-12
NEAR, AROUND = 1e-5, 1e-4
MOST, QUANTILES = 100.0, 64


class Histories(NamedTuple):
    """Unique histories, and how many customers have each."""

    x: Numbers
    tx: Numbers
    T: Numbers
    people: Numbers


def log_likelihood(theta: Numbers, x: Numbers, tx: Numbers, T: Numbers, shift: int = 0) -> Numbers:
    """The log-likelihood of each history."""
    from scipy.special import gammaln

    r, alpha, a, b = np.exp(theta)
    c = b + shift
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    common = common + gammaln(a + b) - gammaln(b) + gammaln(c + x) - gammaln(a + c + x)
    there = -(r + x) * np.log(alpha + T)
    return np.asarray(common + np.logaddexp(there, there + _odds_gone(theta, x, tx, T, shift)))


def _odds_gone(theta: Numbers, x: Numbers, tx: Numbers, T: Numbers, shift: int) -> Numbers:
    """Log of P(gone) / P(there); −∞ for who cannot have left."""
    r, alpha, a, b = np.exp(theta)
    could = x + shift > 0
    after = np.where(could, b + shift + x - 1, 1.0)
    odds = np.log(a) - np.log(after) + (r + x) * np.log1p((T - tx) / (alpha + tx))
    return np.where(could, odds, -np.inf)


class MeanLoss:
    """−log-likelihood per customer and its slopes at log parameters, on a scale of time that suits the search."""

    def __init__(self, seen: Histories, shift: int) -> None:
        self.shift = shift
        self.scale = seen.T.max() / 10
        self.total = float(seen.people.sum())
        # times and numbers are few where histories are many: functions are taken once of each, and looked up
        self.n, of_n = np.unique(seen.x, return_inverse=True)
        self.tx, of_tx = np.unique(seen.tx / self.scale, return_inverse=True)
        self.T, of_T = np.unique(seen.T / self.scale, return_inverse=True)
        self.many = np.bincount(of_n, weights=seen.people)
        self.people = np.bincount(of_T, weights=seen.people)
        self.orders = np.bincount(of_T, weights=seen.people * seen.x)
        could = seen.x + shift > 0  # who cannot have left is the same as all others watched so long
        self.of_n, self.of_tx, self.of_T = of_n[could], of_tx[could], of_T[could]
        self.x, self.count = seen.x[could], seen.people[could]

    def __call__(self, theta: Numbers) -> tuple[float, Numbers]:
        value, slope = self._common(theta)
        leaving = _Leaving(self, theta)
        return -(value + leaving.value()) / self.total, -(slope + leaving.slope()) / self.total

    def curved(self, theta: Numbers) -> tuple[float, Numbers, Numbers]:
        """The same and the second derivatives."""
        value, slope = self._common(theta)
        leaving = _Leaving(self, theta)
        curve = self._common_curve(theta, slope) + leaving.curve()
        return -(value + leaving.value()) / self.total, -(slope + leaving.slope()) / self.total, -curve / self.total

    def _common(self, theta: Numbers) -> tuple[float, Numbers]:
        """The log-likelihood as if all were there, but for the mean over customers."""
        from scipy.special import gammaln, psi

        r, alpha, a, b = np.exp(theta)
        c, n, many, log_T = b + self.shift, self.n, self.many, np.log(alpha + self.T)
        common = gammaln(r + n) - gammaln(r) + r * theta[1]
        common = common + gammaln(a + b) - gammaln(b) + gammaln(c + n) - gammaln(a + c + n)
        left, right = psi(a + b) - psi(a + c + n), psi(c + n) - psi(b)
        of_r = many @ (psi(r + n) - psi(r) + theta[1]) - self.people @ log_T
        ordered = r * self.people + self.orders
        of_alpha = self.total * r - ordered @ (alpha / (alpha + self.T))
        slope = np.array([of_r * r, of_alpha, many @ left * a, many @ (left + right) * b])
        return float(many @ common - ordered @ log_T), slope

    def _common_curve(self, theta: Numbers, slope: Numbers) -> Numbers:
        """The second derivatives of the same, of which `slope` are the first."""
        from scipy.special import zeta

        r, alpha, a, b = np.exp(theta)
        c, n, many, part = b + self.shift, self.n, self.many, alpha / (alpha + self.T)
        left, right = zeta(2, a + b) - zeta(2, a + c + n), zeta(2, c + n) - zeta(2, b)
        curve = np.diag(slope * [1, 0, 1, 1])  # what a logarithm adds
        curve[0, 0] += r * r * (many @ (zeta(2, r + n) - zeta(2, r)))
        curve[0, 1] = curve[1, 0] = r * (self.total - self.people @ part)
        curve[1, 1] = -(r * self.people + self.orders) @ (part * (1 - part))
        curve[2, 2] += a * a * (many @ left)
        curve[2, 3] = curve[3, 2] = a * b * (many @ left)
        curve[3, 3] += b * b * (many @ (left + right))
        return curve


class _Leaving:
    """What the chance of having left adds: log(1 + odds) of each history, odds being P(gone) / P(there)."""

    def __init__(self, loss: MeanLoss, theta: Numbers) -> None:
        r, alpha, _, b = np.exp(theta)
        after = loss.n + (b + loss.shift - 1)
        with np.errstate(divide="ignore", invalid="ignore"):  # of n = 0 where nobody can have left: not looked up
            by_n, by_b = theta[2] - np.log(after), -b / after
        in_T, in_tx = alpha / (alpha + loss.T), alpha / (alpha + loss.tx)
        apart = np.log(alpha + loss.T)[loss.of_T] - np.log(alpha + loss.tx)[loss.of_tx]
        self.by_alpha = in_T[loss.of_T] - in_tx[loss.of_tx]  # how `apart` moves, and how that moves in its turn
        self.again = (in_T * (1 - in_T))[loss.of_T] - (in_tx * (1 - in_tx))[loss.of_tx]
        self.r, self.rx, self.count = r, r + loss.x, loss.count
        odds = by_n[loss.of_n] + self.rx * apart
        small = np.exp(-np.abs(odds))  # serves the chance and the logarithm
        self.added = np.maximum(odds, 0) + np.log1p(small)
        self.gone = np.where(odds >= 0, 1.0, small) / (1 + small)
        # how the log odds move with each log parameter
        self.moves = np.stack([r * apart, self.rx * self.by_alpha, np.ones_like(odds), by_b[loss.of_n]])

    def value(self) -> float:
        return _dot(self.count, self.added)

    def slope(self) -> Numbers:
        return np.asarray(np.einsum("ik,k->i", self.moves, self.count * self.gone))

    def curve(self) -> Numbers:
        """Second derivatives: of log(1 + odds) by the log odds, and of the log odds themselves."""
        gone, by_b = self.count * self.gone, self.moves[3]
        curve = np.einsum("ik,jk->ij", self.moves * (gone * (1 - self.gone)), self.moves)
        curve[0, 0] += _dot(gone, self.moves[0])
        curve[0, 1] += self.r * _dot(gone, self.by_alpha)
        curve[1, 0] = curve[0, 1]
        curve[1, 1] += _dot(gone, self.rx * self.again)
        curve[3, 3] += _dot(gone, by_b * (1 + by_b))
        return np.asarray(curve)


def _dot(one: Numbers, other: Numbers) -> float:
    """A sum of products; a matrix library would put several cores to work on it for nothing."""
    return float(np.einsum("k,k->", one, other))


def logit_alive(theta: Numbers, x: Numbers, tx: Numbers, T: Numbers, shift: int) -> Numbers:
    """Logit of the chance that a customer is still there."""
    return -_odds_gone(theta, x, tx, T, shift)


def log_alive(theta: Numbers, x: Numbers, tx: Numbers, T: Numbers, shift: int) -> Numbers:
    """Logarithm of the same."""
    return -np.logaddexp(0, _odds_gone(theta, x, tx, T, shift))


def orders_if_alive(theta: Numbers, x: Any, T: Any, horizon: Any, shift: int) -> Numbers:
    """Expected orders within `horizon` of customers who are still there.

    Written by Euler's transformation of the published 2F1, so that many orders neither overflow nor cancel.
    """
    from scipy.special import hyp2f1

    r, alpha, a, b = np.exp(theta)
    z = horizon / (alpha + T + horizon)

    def formula(a: Numbers | float) -> Numbers:
        total = a + b + shift - 1
        first = total - r if abs(total - r) > TINY else 0.0  # SciPy has no number where rounding alone leaves it off 0
        return np.asarray((total + x) / (a - 1) * -_expm1_product(a, z, hyp2f1(first, a - 1, total + x, z)))

    if max(r, a) > MOST:
        return _over_leaving(r, alpha, a, b + shift, x, T, horizon)
    # at a = 1, and at a + b = 1 for who never bought again, numerator and denominator vanish together: go around it
    if min(abs(a - 1), abs(a + b + shift - 1)) > NEAR:
        return formula(a)
    return (formula(a + AROUND) + formula(a - AROUND)) / 2


def _over_leaving(r: float, alpha: float, a: float, c: float, x: Any, T: Any, horizon: Any) -> Numbers:
    """The same as a mean over quantiles of the chance of leaving: where r or a is so great that 2F1 fails."""
    from scipy.special import betaincinv

    nodes, weights = np.polynomial.legendre.leggauss(QUANTILES)
    found = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(T), np.shape(horizon)))
    for share, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        p = np.maximum(betaincinv(a, c + x, share), 1e-300)
        found = found - weight * np.expm1(-(r + x) * np.log1p(p * horizon / (alpha + T))) / p
    return found


def _expm1_product(a: Numbers | float, z: Numbers, f: Numbers) -> Numbers:
    """(1 − z)^(a − 1) f − 1, exact where it is small."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return np.where(f > 0, np.expm1((a - 1) * np.log1p(-z) + np.log(f)), (1 - z) ** (a - 1) * f - 1)


def log_no_order(theta: Numbers, x: Numbers, T: Numbers, horizon: float) -> Numbers:
    """Log of the chance that who is still there does not order within `horizon`: nobody leaves in between."""
    r, alpha, _, _ = np.exp(theta)
    return np.asarray(-(r + x) * np.log1p(horizon / (alpha + T)))


def chance_of_orders(theta: Numbers, most: int, horizon: float, shift: int) -> Numbers:
    """The chances that a new customer places 0, 1, … `most` repeat orders within `horizon`."""
    from scipy.special import betaln, gammaln

    r, alpha, a, b = np.exp(theta)
    n = np.arange(most + 1.0)
    log = gammaln(r + n) - gammaln(r) - gammaln(n + 1) + r * np.log(alpha / (alpha + horizon))
    rate = np.exp(log + np.where(n > 0, n, 0) * np.log(horizon / (alpha + horizon)))
    before = np.concatenate([[0.0], np.cumsum(rate)[:-1]])
    c = b + shift
    there = np.exp(betaln(a, c + n) - betaln(a, b)) * rate
    could = n + shift > 0
    gone = np.exp(betaln(a + 1, np.where(could, c + n - 1, 1)) - betaln(a, b)) * (1 - before)
    return np.asarray(there + np.where(could, gone, 0))
