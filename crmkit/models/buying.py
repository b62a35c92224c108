"""Who is still there and how often they will order: the models BG/NBD and MBG/NBD, fitted to a summary. Metric 13."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from crmkit import frames
from crmkit.errors import CannotFit, DoubtfulFit, ParameterError
from crmkit.estimate import Definition, Estimate, Window
from crmkit.models import btyd
from crmkit.models.btyd import NAMES, SHIFT, Histories, MeanLoss
from crmkit.models.fitting import FEWEST, FEWEST_AGAIN, LOG, LOGIT, Fitted, Maximum, Numbers, Shape, maximise, with_ends
from crmkit.models.summary import HISTORY, Summary, UnitWord, a_summary
from crmkit.reduction import whole_number
from crmkit.rows import warn

NOBODY = Histories(*[np.zeros(0)] * 4)
STARTS = ((0.5, 1.0, 1.0, 2.0), (2.0, 4.0, 0.3, 5.0))
# How far apart parameters may lie before they say "the same for everybody" or "never"
EXTREME = 1e3


def bg_nbd(summary: Summary) -> BuyingModel:
    """Fit the BG/NBD model: customers order at their own rate, and after each repeat order they may leave for good.

    Args:
        summary: Of `btyd_summary`; `frequency`, `recency` and `T` are looked at.

    Returns:
        A `BuyingModel` with the parameters r, alpha (in the summary's unit of time), a and b.

    Raises:
        CannotFit: the data do not tell the parameters: nobody came again, too few, all alike, nothing watched yet.
        ParameterError: what is given is no `Summary`.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.simulate("textbook", customers=500, weeks=52, seed=1).orders
        >>> model = bg_nbd(crmkit.models.btyd_summary(orders))
        >>> list(model.params)
        ['r', 'alpha', 'a', 'b']

    References:
        Fader, Hardie and Lee (2005), "Counting your customers" the easy way. Marketing Science 24, 275–284.
    """
    return _fit(summary, "bg_nbd")


def mbg_nbd(summary: Summary) -> BuyingModel:
    """Fit the MBG/NBD model: like BG/NBD, but customers may leave after their very first order too.

    Under BG/NBD whoever ordered once is there for certain, however long ago that was; under MBG/NBD not.

    Args:
        summary: As for `bg_nbd`.

    Returns:
        A `BuyingModel` with the parameters r, alpha (in the summary's unit of time), a and b.

    Raises:
        CannotFit, ParameterError: as for `bg_nbd`.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.simulate("textbook", customers=500, weeks=52, seed=1).orders
        >>> mbg_nbd(crmkit.models.btyd_summary(orders)).model
        'mbg_nbd'

    References:
        Batislam, Denizel and Filiztekin (2007), Empirical validation and comparison of models for customer base
        analysis. International Journal of Research in Marketing 24, 201–209.
    """
    return _fit(summary, "mbg_nbd")


@dataclass(frozen=True, repr=False)
class BuyingModel(Fitted):
    """A fitted BG/NBD or MBG/NBD model and what it says, with the attributes of `Fitted`.

    All intervals are at 95 % and say how far the *parameters* are uncertain: they are about a chance or an expected
    number, not about what one customer will do.

    Attributes:
        seen: The unique histories that it was fitted to, and how many customers had each.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.simulate("textbook", customers=500, weeks=52, seed=1).orders
        >>> summary = crmkit.models.btyd_summary(orders)
        >>> model = mbg_nbd(summary)
        >>> model.p_alive(summary).columns.to_list()
        ['customer_id', 'p_alive', 'low', 'high']
        >>> model.new_customer_orders(horizon=52).value > 0
        True
    """

    seen: Histories = NOBODY

    @property
    def shift(self) -> int:
        """0, or 1 where customers may leave after their first order."""
        return SHIFT[self.model]

    def p_alive(self, summary: Summary) -> Any:
        """The chance that each customer is still there at the end of the summary.

        Args:
            summary: Of the customers, in the unit that the model was fitted in.

        Returns:
            A table of the engine's own kind: `customer_id`, `p_alive`, `low`, `high`, sorted by customer.
        """

        def shaped(seen: Histories) -> Callable[[Numbers], Numbers]:
            self.warn_of_one_timers(seen)
            return lambda theta: btyd.logit_alive(theta, seen.x, seen.tx, seen.T, self.shift)

        return self._told(summary, "p_alive", shaped, LOGIT)

    def p_no_order(self, summary: Summary, *, horizon: float) -> Any:
        """The chance that each customer does not order within the next `horizon`: having left, or only waiting.

        Args:
            summary: As for `p_alive`.
            horizon: Length of time from the end of the summary on, in its unit.

        Returns:
            A table of the engine's own kind: `customer_id`, `p_no_order`, `low`, `high`, sorted by customer.
        """
        span(horizon)

        def shaped(seen: Histories) -> Callable[[Numbers], Numbers]:
            def logit(theta: Numbers) -> Numbers:
                there = np.exp(btyd.log_alive(theta, seen.x, seen.tx, seen.T, self.shift))
                orders = -there * np.expm1(btyd.log_no_order(theta, seen.x, seen.T, horizon))
                return np.asarray(np.log1p(-orders) - np.log(orders))

            return logit

        return self._told(summary, "p_no_order", shaped, LOGIT)

    def expected_orders(self, summary: Summary, *, horizon: float) -> Any:
        """How many orders to expect of each customer within the next `horizon`.

        Args:
            summary: As for `p_alive`.
            horizon: Length of time from the end of the summary on, in its unit.

        Returns:
            A table of the engine's own kind: `customer_id`, `expected_orders` (days with an order), `low`, `high`,
            sorted by customer.
        """
        span(horizon)
        return self._told(summary, "expected_orders", lambda seen: self.log_orders(seen, horizon), LOG)

    def log_orders(self, seen: Histories, horizon: float) -> Callable[[Numbers], Numbers]:
        """From log parameters to the logarithm of the expected orders of each history."""
        pairs = Pairs(seen)

        def log(theta: Numbers) -> Numbers:
            if_alive = btyd.orders_if_alive(theta, pairs.x, pairs.T, horizon, self.shift)
            return np.log(if_alive)[pairs.place] + btyd.log_alive(theta, seen.x, seen.tx, seen.T, self.shift)

        return log

    def new_customer_orders(self, *, horizon: float) -> Estimate:
        """How many repeat orders to expect of a new customer within `horizon` of the first order.

        Args:
            horizon: Length of time, in the unit that the model was fitted in.

        Returns:
            Number of orders, with its interval.
        """
        one = Histories(np.zeros(1), np.zeros(1), np.zeros(1), np.ones(1))
        found = with_ends(self.log_orders(one, span(horizon)), self.best, LOG)
        return self._estimate("expected_orders", found, "orders", horizon=f"{horizon:g}")

    def probability_of_orders(self, orders: int, *, horizon: float) -> Estimate:
        """The chance that a new customer places just so many repeat orders within `horizon` of the first.

        Args:
            orders: Number of repeat orders, from 0.
            horizon: Length of time, in the unit that the model was fitted in.

        Returns:
            A chance (0–1), with its interval.
        """
        number = whole_number("orders", orders) if orders != 0 else 0
        span(horizon)

        def logit(theta: Numbers) -> Numbers:
            return np.asarray(LOGIT.there(btyd.chance_of_orders(theta, number, horizon, self.shift)[-1:]))

        found = with_ends(logit, self.best, LOGIT)
        return self._estimate("probability_of_orders", found, "share", horizon=f"{horizon:g}", orders=number)

    def warn_of_one_timers(self, seen: Histories) -> tuple[DoubtfulFit, ...]:
        """Say how many customers are "there" for certain, only because they never came again."""
        once, everyone = seen.people[seen.x == 0].sum(), seen.people.sum()
        if self.shift or not once:
            return ()
        note = DoubtfulFit("one_timers", customers=f"{once:,.0f}", everyone=f"{everyone:,.0f}")
        warn(note)
        return (note,)

    def _told(
        self, summary: Summary, name: str, shaped: Callable[[Histories], Callable[[Numbers], Numbers]], shape: Shape
    ) -> Any:
        """A figure per customer: computed once for each history, and put beside the customers by the engine."""
        small, seen = a_summary(summary, self.unit).histories()
        found = dict(zip((name, "low", "high"), with_ends(shaped(seen), self.best, shape), strict=True))
        customers = summary.opened()
        made = frames.table(customers, found)
        beside = small.with_columns(*(made[column] for column in made.columns))
        joined = customers.join(frames.same_kind(customers, beside), on=list(HISTORY), how="left")
        return frames.give_back(joined.select("customer_id", *found).sort("customer_id"))

    def _estimate(self, name: str, found: tuple[Numbers, Numbers, Numbers], unit: str, **said: Any) -> Estimate:
        value, low, high = (float(one[0]) for one in found)
        definition = Definition(f"{name}.{self.model}", {**said, "unit": UnitWord(self.unit)})
        return Estimate(
            value, low, high, self.customers, np.nan, np.nan, Window(), definition, unit, notes=self.notes,
            method="delta",
        )  # fmt: skip


class Pairs:
    """The unique (x, T) among histories: what a customer who is there will do does not depend on the last order."""

    def __init__(self, seen: Histories) -> None:
        ages, age = np.unique(seen.T, return_inverse=True)
        codes, self.place = np.unique(seen.x * max(len(ages), 1) + age, return_inverse=True)
        self.x, row = np.divmod(codes, max(len(ages), 1))
        self.T = ages[row.astype(np.int64)] if len(ages) else ages


def span(horizon: float) -> float:
    """A length of time above 0.

    Raises:
        ParameterError: if it is not.
    """
    if not 0 < horizon < np.inf:
        raise ParameterError("no_span", parameter="horizon", value=horizon)
    return float(horizon)


def _fit(summary: Summary, model: str) -> BuyingModel:
    seen = a_summary(summary).histories()[1]
    customers, again = int(seen.people.sum()), int(seen.people[seen.x > 0].sum())
    _fittable(seen, customers, again)
    loss = MeanLoss(seen, SHIFT[model])
    found = maximise(loss, STARTS, customers, NAMES[model], curved=loss.curved)
    scale = np.log(loss.scale)
    best = Maximum(found.theta + np.array([0, scale, 0, 0]), found.covariance, found.loss)
    values = np.exp(best.theta)
    notes = (_doubt(model, found.theta, again, customers),) if best.is_loose else ()
    for note in notes:
        warn(note)
    return BuyingModel(
        model=model,
        params=dict(zip(("r", "alpha", "a", "b"), values.tolist(), strict=True)),
        covariance=best.covariance * np.outer(values, values),
        loglik=-found.loss * customers - float(seen.people @ seen.x) * scale,
        customers=customers,
        repeaters=again,
        unit=summary.unit,
        best=best,
        notes=notes,
        seen=seen,
    )


def _fittable(seen: Histories, customers: int, again: int) -> None:
    """Refuse data that cannot tell anything, and say which."""
    if not customers:
        raise CannotFit("nobody")
    if not seen.T.max():
        raise CannotFit("no_time", customers=f"{customers:,}")
    if not again:
        raise CannotFit("nobody_again", customers=f"{customers:,}")
    if len(seen.x) == 1:
        raise CannotFit("all_alike", customers=f"{customers:,}", frequency=f"{seen.x[0]:g}", T=f"{seen.T[0]:g}")
    if customers < FEWEST or again < FEWEST_AGAIN:
        raise CannotFit("too_few", customers=customers, again=again, fewest=FEWEST, fewest_again=FEWEST_AGAIN)


def _doubt(model: str, theta: Numbers, again: int, customers: int) -> DoubtfulFit:
    """What in the data leaves parameters open."""
    r, _, a, b = np.exp(theta)
    if r > EXTREME:
        reason = "rates_alike"
    elif b > EXTREME * a or (a < 1 / EXTREME):
        reason = "nobody_leaves"
    elif min(a, b) > EXTREME:
        reason = "leaving_alike"
    elif a > EXTREME * b:
        reason = "everybody_leaves"
    else:
        reason = "open_parameters"
    return DoubtfulFit(reason, model=NAMES[model], again=f"{again:,}", customers=f"{customers:,}")
