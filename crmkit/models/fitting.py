"""What every fitted model has in common: the search for the best parameters, how sure they are, and how they are told.

Parameters are positive and looked for by their logarithms. Whatever is computed from them gets its interval by the
delta method: how the figure moves with each parameter, times how far the parameters are uncertain together.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crmkit import intervals
from crmkit.errors import CannotFit, CrmkitWarning
from crmkit.texts import text

Numbers = NDArray[np.float64]
Loss = Callable[[Numbers], tuple[float, Numbers]]
"""From log parameters to the mean loss per customer, and its slopes."""
Curved = Callable[[Numbers], tuple[float, Numbers, Numbers]]
"""The same, and its second derivatives."""

FEWEST, FEWEST_AGAIN = 10, 5
# How far from 1 a parameter can lie in units of the data, as a logarithm: beyond it no data tell it from infinity or 0.
FARTHEST = 12.0
# A log parameter with a greater standard error than this is not known, not even roughly.
LOOSE = 10.0
STEP = 1e-4
# A step of Newton's so small changes no printed digit of the curvature; a slope so great is no maximum.
SMALL_STEP, FLAT = 1e-6, 1e-4
MOST_STEPS, ROUNDING = 30, 1e-13
# Where all log parameters are known as well as this, a second maximum as likely has not been met.
PLAIN_ERROR = 0.2


@dataclass(frozen=True, slots=True)
class Maximum:
    """The best log parameters, the covariance of these (NaN where the data do not tell), and the mean loss there."""

    theta: Numbers
    covariance: Numbers
    loss: float

    @property
    def is_loose(self) -> bool:
        """Whether the data leave a parameter, or several together, all but open."""
        return bool(np.isnan(self.covariance).any())


def maximise(
    loss: Loss, starts: Sequence[Sequence[float]], customers: float, model: str, *, curved: Curved | None = None
) -> Maximum:
    """Find the parameters under which the data are likeliest, and from the curvature there how sure they are.

    Args:
        loss: The mean loss and its slopes at log parameters.
        starts: Parameters to begin with; the later ones are tried where the earlier lead nowhere.
        customers: How many the mean is over.
        model: Its name, for the error.
        curved: The loss with its second derivatives, where there are formulas for them: a quicker way up. Unless it
            leads to a plain maximum the search by slopes is asked too, and the likelier of what they find is taken.

    Raises:
        CannotFit: the search ends nowhere.
    """
    best = None if curved is None else _newton(curved, np.log(np.asarray(starts[0], float)), customers)
    if best is not None and np.diag(best.covariance).max() < PLAIN_ERROR**2:
        return best
    for start in starts:
        found = _climb(loss, np.log(np.asarray(start, float)), customers)
        if found is not None and (best is None or found.loss < best.loss - 1e-9):
            best = found
        if best is not None and not best.is_loose:
            break
    if best is None:
        raise CannotFit("no_maximum", model=model)
    return best


def _climb(loss: Loss, start: Numbers, customers: float) -> Maximum | None:
    from scipy.optimize import minimize

    bounds = [(-FARTHEST, FARTHEST)] * len(start)
    options = {"maxiter": 500, "ftol": 1e-13, "gtol": 1e-6}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    theta = np.asarray(found.x, float)
    for _ in range(4):  # Newton's steps reach the last digits, which a search by slopes alone does not
        value, slope = loss(theta)
        if not np.isfinite(value):
            return None
        curve = curvature(loss, theta)
        free = slope * (np.abs(theta) < FARTHEST - 1e-6)  # at a bound the slope may point outwards
        if np.linalg.eigvalsh(curve)[0] <= 0 or not np.array_equal(free, slope):
            break
        step = np.linalg.solve(curve, slope)
        if np.abs(step).max() > 1 or loss(theta - step)[0] > value:
            break
        theta = theta - step
        if np.abs(step).max() < SMALL_STEP:  # so near that the curvature is the same
            break
    if np.abs(free).max() > FLAT:
        return None
    return Maximum(theta, _covariance(curve * customers), float(value))


def _newton(curved: Curved, theta: Numbers, customers: float) -> Maximum | None:
    """Newton's steps, turned downhill where the curvature points up and shortened where they lead too far."""
    value, slope, curve = curved(theta)
    reach = 1.0
    for _ in range(MOST_STEPS if np.isfinite(value) else 0):
        bent, axes = np.linalg.eigh(curve)
        step = axes @ (axes.T @ slope / np.maximum(np.abs(bent), SMALL_STEP))
        far = np.abs(step).max()
        step = step * min(1.0, reach / far) if far else step
        if np.abs(theta - step).max() >= FARTHEST:
            return None
        there = curved(theta - step)
        if not there[0] <= value + ROUNDING * abs(value):
            reach = min(reach, far) / 4
            continue
        theta, reach = theta - step, reach * 2
        value, slope, curve = there
        if far < SMALL_STEP and bent[0] > 0:
            covariance = _covariance(curve * customers)
            return None if np.isnan(covariance).any() else Maximum(theta, covariance, value)
    return None


def curvature(loss: Loss, theta: Numbers) -> Numbers:
    """The second derivatives, from the slopes on both sides."""
    steps = np.eye(len(theta)) * STEP
    rows = [(loss(theta + step)[1] - loss(theta - step)[1]) / (2 * STEP) for step in steps]
    return np.asarray((np.array(rows) + np.array(rows).T) / 2)


def _covariance(information: Numbers) -> Numbers:
    if np.linalg.eigvalsh(information)[0] <= LOOSE**-2:
        return np.full(information.shape, np.nan)
    return np.asarray(np.linalg.inv(information))


class Shape(NamedTuple):
    """A scale on which a figure's errors are about normal: to it and back."""

    there: Callable[[Any], Any]
    back: Callable[[Any], Any]


def _logit(share: Any) -> Any:
    return np.log(share) - np.log1p(-share)


def _unlogit(value: Any) -> Any:
    return 1 / (1 + np.exp(-value))


LOG, LOGIT, PLAIN = Shape(np.log, np.exp), Shape(_logit, _unlogit), Shape(np.asarray, np.asarray)


def slopes(figure: Callable[[Numbers], Numbers], theta: Numbers) -> Numbers:
    """How figures move with each log parameter; one row per parameter."""
    steps = np.eye(len(theta)) * STEP
    return np.array([(figure(theta + step) - figure(theta - step)) / (2 * STEP) for step in steps])


def with_ends(shaped: Callable[[Numbers], Numbers], best: Maximum, shape: Shape) -> tuple[Numbers, Numbers, Numbers]:
    """Figures and both ends of their intervals, by the delta method on the scale on which `shaped` gives them.

    A figure that is certain whatever the parameters are (an infinite logit) is its own interval.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        middle = shaped(best.theta)
        moves = slopes(shaped, best.theta)
        reach = intervals.z() * np.sqrt(np.einsum("ik,ij,jk->k", moves, best.covariance, moves))
        reach = np.where(np.isinf(middle), 0.0, reach)
        return shape.back(middle), shape.back(middle - reach), shape.back(middle + reach)


@dataclass(frozen=True, repr=False)
class Fitted:
    """A model fitted to customers.

    Attributes:
        model: "bg_nbd", "mbg_nbd" or "gamma_gamma".
        params: The parameters by name; those that have a unit are in that of the summary (`unit`) or of its amounts.
        covariance: Of the parameters in that order; NaN throughout where the data do not tell them apart.
        loglik: Log-likelihood at the maximum.
        customers: How many the model was fitted to.
        repeaters: How many of these bought again.
        unit: Unit of time.
        notes: Warnings that were given.
        best: The maximum itself, on the scale of the logarithms.
    """

    model: str
    params: Mapping[str, float]
    covariance: Numbers
    loglik: float
    customers: int
    repeaters: int
    unit: str
    best: Maximum
    notes: tuple[CrmkitWarning, ...] = ()

    @property
    def standard_errors(self) -> dict[str, float]:
        """Standard errors of `params`."""
        return dict(zip(self.params, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % intervals of `params`: symmetric on the scale of the logarithm, so never below 0."""
        reach = intervals.z() * np.sqrt(np.diag(self.best.covariance))
        pairs = zip(self.params.items(), reach.tolist(), strict=True)
        return {name: (value * np.exp(-far).item(), value * np.exp(far).item()) for (name, value), far in pairs}

    def _headline(self) -> str:
        return text(
            f"fit.{self.model}",
            customers=f"{self.customers:,}",
            repeaters=f"{self.repeaters:,}",
            unit=text(f"fit.unit.{self.unit}"),
            loglik=f"{self.loglik:,.2f}",
        )

    def _lines(self) -> list[tuple[str, str, str, str]]:
        ends = self.intervals
        return [
            (name, f"{value:.4g}", *("–" if np.isnan(end) else f"{end:.4g}" for end in ends[name]))  # type: ignore[misc]
            for name, value in self.params.items()
        ]

    def __repr__(self) -> str:
        lines = [text("fit.line", name=n, value=v, low=low, high=high) for n, v, low, high in self._lines()]
        return "\n".join([self._headline(), *lines, *(str(note) for note in self.notes)])

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>{html.escape(text(f'fit.{name}'))}</th>" for name in ("parameter", "value", "interval"))
        rows = "".join(
            f"<tr><th scope='row'>{html.escape(n)}</th><td>{v}</td><td>{low} – {high}</td></tr>"
            for n, v, low, high in self._lines()
        )
        notes = "".join(f"<p>{html.escape(str(note))}</p>" for note in self.notes)
        return (
            f"<div><strong>{html.escape(self._headline())}</strong><table><tr>{heads}</tr>{rows}</table>{notes}</div>"
        )
