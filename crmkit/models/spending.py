"""How much customers spend per order, on average and each: the gamma-gamma model. Metric 13."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames, intervals
from crmkit.errors import CannotFit, CrmkitWarning, DoubtfulFit, RowsLeftOut
from crmkit.estimate import Definition, Estimate, Window
from crmkit.models.fitting import FEWEST_AGAIN, LOG, Fitted, Maximum, Numbers, maximise, with_ends
from crmkit.models.summary import Summary, a_summary
from crmkit.rows import warn

X, Z = nw.col("frequency"), nw.col("monetary")
STARTS = ((4.0, 4.0, 1.0), (1.0, 2.0, 2.0))
CORRELATED = 0.3


def gamma_gamma(summary: Summary) -> SpendingModel:
    """Fit the gamma-gamma model: orders vary around each customer's own mean, and the means differ between customers.

    It rests on customers who came again and whose mean is above 0; others are counted and said. It supposes that how
    much a customer spends has nothing to do with how often: see `correlation`.

    Args:
        summary: Of `btyd_summary`, with `monetary`.

    Returns:
        A `SpendingModel` with the parameters p, q and v (v in the unit of the amounts).

    Raises:
        CannotFit: no amounts, too few customers who came again, or all spend the same.
        ParameterError: what is given is no `Summary`.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.simulate("textbook", customers=500, weeks=52, seed=1).orders
        >>> list(gamma_gamma(crmkit.models.btyd_summary(orders)).params)
        ['p', 'q', 'v']

    References:
        Fader and Hardie (2013), The gamma-gamma model of monetary value. brucehardie.com/notes/025.
    """
    frame = a_summary(summary)
    if "monetary" not in frame.opened(()):
        raise CannotFit("no_amounts")
    x, z, count, dropped = _spenders(summary)
    again = int(count.sum())
    if again < FEWEST_AGAIN:
        raise CannotFit("too_few_spenders", again=again, fewest=FEWEST_AGAIN)
    if z.max() - z.min() <= 1e-9 * z.max():
        raise CannotFit("same_spend", again=f"{again:,}", amount=f"{z[0]:,.2f}")
    return _fit(x, z, count, dropped, summary.unit)


def _spenders(summary: Summary) -> tuple[Numbers, Numbers, Numbers, int]:
    """Unique (frequency, mean amount) of who came again and spent something, their number, and how many had to go."""
    frame = summary.opened(("frequency", "monetary")).filter(X > 0)
    amount = Z.cast(nw.Float64).fill_nan(None)
    good = ((amount > 0) & (amount < np.inf)).fill_null(False)
    marked = frame.select(frequency=X, monetary=nw.when(good).then(amount)).with_columns(_one=nw.lit(1))
    small = frames.fetch(marked.group_by("frequency", "monetary").agg(nw.col("_one").sum()))
    count, z = small["_one"].to_numpy().astype(float), small["monetary"].to_numpy().astype(float)
    known = ~np.isnan(z)
    x = small["frequency"].to_numpy().astype(float)
    order = np.lexsort((z[known], x[known]))  # an engine's order is chance, and sums depend on it in the last digits
    return x[known][order], z[known][order], count[known][order], int(count[~known].sum())


def _fit(x: Numbers, z: Numbers, count: Numbers, dropped: int, unit: str) -> SpendingModel:
    again = int(count.sum())
    mean, correlation = float(count @ z) / again, _correlation(x, z, count)
    notes: list[CrmkitWarning] = []
    if dropped:
        seen = f"{again + dropped:,}"
        notes.append(RowsLeftOut("no_spend", rows=f"{dropped:,}", seen=seen, table="summary"))
    found = maximise(MeanLoss(x, z / mean, count), STARTS, again, "gamma-gamma")
    best = Maximum(found.theta + np.array([0, 0, np.log(mean)]), found.covariance, found.loss)
    values = np.exp(best.theta)
    if best.is_loose:
        notes.append(DoubtfulFit("spend_open", again=f"{again:,}"))
    if values[1] <= 1:
        notes.append(DoubtfulFit("heavy_tail", q=f"{values[1]:.3g}"))
    if abs(correlation) >= CORRELATED:
        notes.append(DoubtfulFit("correlated", correlation=f"{correlation:+.2f}"))
    for note in notes:
        warn(note)
    return SpendingModel(
        model="gamma_gamma",
        params=dict(zip(("p", "q", "v"), values.tolist(), strict=True)),
        covariance=best.covariance * np.outer(values, values),
        loglik=-found.loss * again - again * float(np.log(mean)),
        customers=again,
        repeaters=again,
        unit=unit,
        best=best,
        notes=tuple(notes),
        correlation=correlation,
        excluded={"no_spend": dropped} if dropped else {},
    )


def _correlation(x: Numbers, z: Numbers, count: Numbers) -> float:
    """Pearson's, over customers; NaN where one of the two does not vary."""
    both = np.cov(np.stack([x, z]), fweights=count.astype(np.int64))
    spread = np.sqrt(both[0, 0] * both[1, 1])
    return float(both[0, 1] / spread) if spread > 0 else np.nan


class MeanLoss:
    """−log-likelihood per customer, and its slopes at the logarithms of p, q and v."""

    def __init__(self, x: Numbers, z: Numbers, count: Numbers) -> None:
        self.x, self.z, self.count, self.total = x, z, count, count.sum()
        self.logs = np.log(z) + np.log(x)

    def __call__(self, theta: Numbers) -> tuple[float, Numbers]:
        from scipy.special import gammaln, psi

        p, q, v = np.exp(theta)
        px, sold = p * self.x, v + self.x * self.z
        log_sold = np.log(sold)
        each = gammaln(px + q) - gammaln(px) - gammaln(q) + q * np.log(v) + px * self.logs - np.log(self.z)
        value = self.count @ (each - (px + q) * log_sold)
        of_p = self.count @ (self.x * (psi(px + q) - psi(px) + self.logs - log_sold))
        of_q = self.count @ (psi(px + q) - psi(q) + np.log(v) - log_sold)
        of_v = self.count @ (q / v - (px + q) / sold)
        return -float(value) / self.total, -np.array([of_p * p, of_q * q, of_v * v]) / self.total


@dataclass(frozen=True, repr=False)
class SpendingModel(Fitted):
    """A fitted gamma-gamma model and what it says, with the attributes of `Fitted`.

    Attributes:
        correlation: Between number of repeat orders and mean amount; the model supposes 0.
        excluded: Customers who came again but could not be used, by reason.

    Examples:
        >>> import crmkit
        >>> summary = crmkit.models.btyd_summary(crmkit.simulate("textbook", customers=500, weeks=52, seed=1).orders)
        >>> gamma_gamma(summary).expected_spend(summary).columns.to_list()
        ['customer_id', 'expected_spend', 'low', 'high']
    """

    correlation: float = np.nan
    excluded: Any = None

    def mean_spend(self) -> Estimate:
        """What an order is worth on average over all customers, those still unknown included.

        Returns:
            An amount per day with orders, with its interval; NaN if q is at most 1.
        """

        def log(theta: Numbers) -> Numbers:
            p, q, v = np.exp(theta)
            return np.array([np.log(p * v / (q - 1)) if q > 1 else np.nan])

        value, low, high = (float(one[0]) for one in with_ends(log, self.best, LOG))
        return Estimate(
            value, low, high, self.customers, np.nan, np.nan, Window(), Definition("mean_spend.gamma_gamma"), "jpy",
            excluded=self.excluded, notes=self.notes, method="delta",
        )  # fmt: skip

    def expected_spend(self, summary: Summary) -> Any:
        """What the next order of each customer is worth, as far as one can tell from those so far.

        It lies between the customer's own mean and that of all: the more orders, the nearer to the own one.

        Args:
            summary: Of the customers, with `monetary`.

        Returns:
            A table of the engine's own kind: `customer_id`, `expected_spend`, `low`, `high`, sorted by customer; null
            for who came again without a mean amount above 0.
        """
        customers = a_summary(summary).opened(("customer_id", "frequency", "monetary"))
        spend, variance = self.spend_columns()
        reach = variance**0.5 * intervals.z()
        told = customers.select(
            "customer_id",
            expected_spend=spend,
            low=spend * (reach * -1.0).exp(),
            high=spend * reach.exp(),
        )
        return frames.give_back(told.sort("customer_id"))

    def spend_columns(self) -> tuple[nw.Expr, nw.Expr]:
        """Expected spend of a customer, and the variance of its logarithm, as columns that the engine computes."""
        p, q, _ = self.params.values()
        moves = self.log_slopes()
        terms = [moves[i] * moves[j] * c for (i, j), c in np.ndenumerate(self._known_covariance()) if c]
        variance = terms[0] if terms else nw.lit(None, nw.Float64)
        for term in terms[1:]:
            variance = variance + term
        x, sold = self._x(), self._sold()
        known = (X == 0) | (Z > 0) if q > 1 else Z > 0
        return nw.when(known.fill_null(False)).then(p * sold / (p * x + (q - 1))), variance

    def log_slopes(self) -> list[nw.Expr]:
        """How the logarithm of the expected spend moves with each log parameter."""
        p, q, v = self.params.values()
        spread = p * self._x() + (q - 1)
        return [(q - 1) / spread, -q / spread, v / self._sold()]

    def _known_covariance(self) -> Numbers:
        return np.zeros((3, 3)) if self.best.is_loose else self.best.covariance

    def _x(self) -> nw.Expr:
        return X.cast(nw.Float64)

    def _sold(self) -> nw.Expr:
        return nw.when(X > 0).then(X * Z.cast(nw.Float64)).otherwise(0.0) + self.params["v"]
