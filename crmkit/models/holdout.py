"""Whether a buying model foretells: expected beside observed orders in the time after the summary. Metric 13."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.errors import DoubtfulFit, ParameterError
from crmkit.estimate import means
from crmkit.frames import Columns
from crmkit.intervals import z
from crmkit.models.buying import BuyingModel, span
from crmkit.models.fitting import slopes
from crmkit.models.summary import UNITS, Summary, a_summary
from crmkit.reduction import whole_number
from crmkit.rows import AT, day_after_last, open_orders, warn


def calibration(
    summary: Summary,
    model: BuyingModel,
    orders: Any,
    *,
    horizon: float,
    most: int = 7,
    columns: Columns = None,
) -> Any:
    """Expected and observed orders in the time after the summary, by how often customers had come again before.

    Args:
        summary: Of `btyd_summary`: what the model was fitted to, up to some day.
        model: A fitted `bg_nbd` or `mbg_nbd`.
        orders: The whole history of the same customers, with the `horizon` after that day.
        horizon: Length of time after the summary's last day, in its unit.
        most: Customers with so many repeat orders or more are one group.
        columns: Your own column names by the model's.

    Returns:
        A table of the engine's own kind, one row per group: `frequency` (repeat orders before; the last row: that many
        or more), `n` (customers), `expected`, `expected_low`, `expected_high` (mean orders per customer and their
        interval for the uncertain parameters), `observed`, `low`, `high` (the mean that was seen, with Student's
        interval).

    Raises:
        ParameterError: the summary has another unit than the model, or no last day.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.simulate("textbook", customers=500, weeks=78, seed=1).orders
        >>> summary = crmkit.models.btyd_summary(orders, until="2024-12-29")
        >>> table = calibration(summary, crmkit.models.bg_nbd(summary), orders, horizon=26, most=3)
        >>> table["frequency"].to_list()
        [0, 1, 2, 3]
    """
    a_summary(summary, model.unit)
    most = whole_number("most", most)
    days = span(horizon) * UNITS[summary.unit]
    if summary.until is None:
        raise ParameterError("no_until")
    start = datetime(summary.until.year, summary.until.month, summary.until.day) + timedelta(days=1)
    end = start + timedelta(days=int(days))
    history = open_orders(orders, columns=columns)
    _watched(day_after_last(history), end, UNITS[summary.unit])
    visits = history.rows((start <= AT) & (end > AT)).select("customer_id", day=AT.dt.truncate("1d"))
    later = visits.unique(["customer_id", "day"]).group_by("customer_id").agg(orders=nw.len())
    base = summary.opened(("customer_id", "frequency"))
    held = nw.when(nw.col("frequency") > most).then(most).otherwise(nw.col("frequency")).cast(nw.Int64)
    both = base.with_columns(frequency=held).join(later, on="customer_id", how="left")
    seen = both.select("frequency", n=nw.lit(1.0), y=nw.col("orders").cast(nw.Float64).fill_null(0.0))
    sums = seen.with_columns(yy=nw.col("y") * nw.col("y")).group_by("frequency").agg(nw.col("n", "y", "yy").sum())
    small = frames.fetch(sums).sort("frequency")
    return _table(base, small, summary, model, horizon, most)


def _watched(stop: datetime | None, end: datetime, unit: float) -> None:
    """Warn where the orders end before the horizon does: what is not there yet was not seen."""
    if stop is None or stop + timedelta(days=max(unit, 1)) < end:
        last = "–" if stop is None else (stop - timedelta(days=1)).date().isoformat()
        warn(DoubtfulFit("short_holdout", last=last, end=(end - timedelta(days=1)).date().isoformat()))


def _table(like: Any, small: nw.DataFrame[Any], summary: Summary, model: BuyingModel, horizon: float, most: int) -> Any:
    _, seen = summary.histories()
    groups = small["frequency"].to_numpy().astype(np.int64)
    n, y, yy = (small[name].to_numpy().astype(float) for name in ("n", "y", "yy"))
    member = np.minimum(seen.x, most)[None, :] == groups[:, None]
    weights = member * seen.people / n[:, None]
    log_orders = model.log_orders(seen, horizon)
    best, expected = model.best, weights @ np.exp(log_orders(model.best.theta))
    moves = slopes(lambda theta: np.log(weights @ np.exp(log_orders(theta))), best.theta)
    reach = np.exp(z() * np.sqrt(np.einsum("ik,ij,jk->k", moves, best.covariance, moves)))
    figures = means(n, y, yy)
    made = frames.table(like, {
        "frequency": groups, "n": n.astype(np.int64), "expected": expected, "expected_low": expected / reach,
        "expected_high": expected * reach, "observed": figures.value, "low": np.maximum(figures.low, 0),
        "high": figures.high,
    })  # fmt: skip
    return frames.give_back(frames.same_kind(like, made))
