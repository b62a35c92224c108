"""What customers are worth from now on: expected orders × expected spend × margin, discounted. Metric 13."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames, intervals
from crmkit.errors import CannotFit, ParameterError
from crmkit.estimate import Definition, Estimate, Window
from crmkit.frames import Frame
from crmkit.models import btyd
from crmkit.models.btyd import Histories
from crmkit.models.buying import BuyingModel, Pairs, span
from crmkit.models.fitting import Numbers, slopes
from crmkit.models.spending import SpendingModel
from crmkit.models.summary import HISTORY, Summary, UnitWord, a_summary

NODES = 20
SHOWN = ("p_alive", "expected_orders", "expected_spend", "clv", "low", "high")
CLV = nw.col("clv")


def clv_btyd(
    summary: Summary,
    buying: BuyingModel,
    spending: SpendingModel,
    *,
    horizon: float,
    discount: float = 0.0,
    margin: float = 1.0,
    per_customer: bool = True,
) -> Any:
    """What each customer is expected to bring within the next `horizon`, or all of them on average.

    An order at time t from now is worth margin × expected spend ÷ (1 + discount)^t. What was earned so far is not in
    it.

    Args:
        summary: Of `btyd_summary`, with `monetary`: the customers to look at.
        buying: A fitted `bg_nbd` or `mbg_nbd`.
        spending: A fitted `gamma_gamma`.
        horizon: Length of time from the end of the summary on, in its unit.
        discount: Rate per unit of time; 10 % a year is `1.1 ** (1 / 52.18) - 1` a week.
        margin: The share of the amounts that is left after the costs of what is sold (0–1).
        per_customer: Whether to give a table; otherwise the mean over the customers.

    Returns:
        A table of the engine's own kind, sorted by customer: `customer_id`, `p_alive` (0–1), `expected_orders` (not
        discounted), `expected_spend` (per order), `clv` (in the unit of the amounts), `low`, `high` (95 % interval of
        `clv` for what is uncertain about the parameters; one customer varies far more). Or the mean as an `Estimate`.

    Raises:
        ParameterError: a model and the summary differ in unit, or a number makes no sense.
        CannotFit: the spending model knows no mean of all (q at most 1), which customers without a repeat order need.

    Examples:
        >>> import crmkit
        >>> summary = crmkit.models.btyd_summary(crmkit.simulate("textbook", customers=500, weeks=52, seed=1).orders)
        >>> buying, spending = crmkit.models.mbg_nbd(summary), crmkit.models.gamma_gamma(summary)
        >>> worth = clv_btyd(summary, buying, spending, horizon=52, margin=0.5)
        >>> worth.columns.to_list()
        ['customer_id', 'p_alive', 'expected_orders', 'expected_spend', 'clv', 'low', 'high']

    References:
        Fader, Hardie and Lee (2005), RFM and CLV: using iso-value curves for customer base analysis. Journal of
        Marketing Research 42, 415–430. Fader and Hardie (2013), The gamma-gamma model of monetary value.
    """
    _sensible(summary, buying, spending, horizon, discount, margin)
    worth = _Worth(summary, buying, spending, horizon, float(np.log1p(discount)), margin)
    notes = buying.warn_of_one_timers(worth.seen)
    if per_customer:
        return frames.give_back(worth.customers().select("customer_id", *SHOWN).sort("customer_id"))
    said = {"model": btyd.NAMES[buying.model], "horizon": f"{horizon:g}", "unit": UnitWord(summary.unit)}
    said |= {"discount": f"{discount:.4g}", "margin": f"{margin:g}"}
    return worth.mean(Definition("clv_btyd", said), (*buying.notes, *spending.notes, *notes))


def _sensible(
    summary: Summary, buying: BuyingModel, spending: SpendingModel, horizon: float, discount: float, margin: float
) -> None:
    a_summary(summary, buying.unit)
    span(horizon)
    if not isinstance(buying, BuyingModel) or not isinstance(spending, SpendingModel):
        raise ParameterError("two_models", buying=type(buying).__name__, spending=type(spending).__name__)
    if not 0 <= discount < np.inf:
        raise ParameterError("discount", value=discount)
    if not 0 < margin <= 1:
        raise ParameterError("not_a_share", parameter="margin", value=margin)
    if spending.params["q"] <= 1:
        raise CannotFit("no_mean_spend", q=f"{spending.params['q']:.3g}")


class _Worth:
    """The parts of the value of each customer, put together in the engine."""

    def __init__(
        self,
        summary: Summary,
        buying: BuyingModel,
        spending: SpendingModel,
        horizon: float,
        force: float,
        margin: float,
    ) -> None:
        self.buying, self.spending, self.margin = buying, spending, margin
        self.frame: Frame = summary.opened(("customer_id", *HISTORY, "monetary"))
        small, seen = summary.histories()
        self.seen = seen
        best = buying.best
        log_orders = _log_discounted(buying, seen, horizon, force)
        middle, self.moves = log_orders(best.theta), slopes(log_orders, best.theta)
        plain = buying.log_orders(seen, horizon)(best.theta)
        variance = np.einsum("ik,ij,jk->k", self.moves, best.covariance, self.moves)
        alive = btyd.log_alive(best.theta, seen.x, seen.tx, seen.T, buying.shift)
        found = {"p_alive": np.exp(alive), "expected_orders": np.exp(plain), "_orders": np.exp(middle),
                 "_variance": variance}  # fmt: skip
        found |= {f"_move{i}": move for i, move in enumerate(self.moves)}
        made = frames.table(self.frame, found)
        self.beside = small.with_columns(*(made[name] for name in made.columns))

    def customers(self) -> Frame:
        """Each customer with the value, its interval and what it is made of."""
        spend, variance = self.spending.spend_columns()
        joined = self.frame.join(frames.same_kind(self.frame, self.beside), on=list(HISTORY), how="left")
        joined = joined.with_columns(expected_spend=spend, _spread=variance + nw.col("_variance"))
        joined = joined.with_columns(clv=nw.col("_orders") * nw.col("expected_spend") * self.margin)
        reach = nw.col("_spread") ** 0.5 * intervals.z()
        return joined.with_columns(low=CLV * (reach * -1.0).exp(), high=CLV * reach.exp())

    def mean(self, definition: Definition, notes: tuple[Any, ...]) -> Estimate:
        """The mean over the customers: its slopes are the customers' own, weighted with their values."""
        known = self.customers().filter(~CLV.is_null())
        of_buying = {f"_b{i}": CLV * nw.col(f"_move{i}") for i in range(len(self.moves))}
        of_spending = {f"_s{i}": CLV * move for i, move in enumerate(self.spending.log_slopes())}
        columns = {"total": CLV, "n": nw.lit(1.0), **of_buying, **of_spending}
        sums = known.select(**columns).select(nw.col(*columns).sum())
        everyone = self.frame.select(_all=nw.len())
        got = {name: float(value or 0) for name, value in frames.row(sums, everyone).items()}
        total, n, unknown = got["total"], got["n"], int(got["_all"] - got["n"])
        variance = 0.0
        for names, model in ((of_buying, self.buying), (of_spending, self.spending)):
            move = np.array([got[name] for name in names]) / (total or np.nan)
            variance += float(move @ model.best.covariance @ move)
        value = total / n if n else np.nan
        reach = float(np.exp(intervals.z() * np.sqrt(variance)))
        excluded = {"no_spend": unknown} if unknown else {}
        return Estimate(
            value, value / reach, value * reach, int(n), total, int(n), Window(), definition, "jpy", excluded=excluded,
            notes=notes, method="delta",
        )  # fmt: skip


def _log_discounted(model: BuyingModel, seen: Histories, horizon: float, force: float) -> Callable[[Numbers], Numbers]:
    """From log parameters to the logarithm of the expected orders of each history, an order at t weighing e^(−force t).

    Integration by parts leaves only the expected orders themselves, which are smooth, at Gauss's nodes.
    """
    pairs = Pairs(seen)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    times, parts = horizon * (nodes + 1) / 2, horizon * weights / 2

    def log(theta: Numbers) -> Numbers:
        def orders(t: float) -> Numbers:
            return btyd.orders_if_alive(theta, pairs.x, pairs.T, t, model.shift)

        found = orders(horizon) * np.exp(-force * horizon)
        if force:
            found = found + force * sum(w * np.exp(-force * t) * orders(t) for t, w in zip(times, parts, strict=True))
        return np.asarray(np.log(found))[pairs.place] + btyd.log_alive(theta, seen.x, seen.tx, seen.T, model.shift)

    return log
