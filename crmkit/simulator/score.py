"""How far off an estimate is, where the truth is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crmkit.errors import ParameterError
from crmkit.texts import text

_VALUES = ("value", "true_value", "difference")


@dataclass(frozen=True, slots=True)
class Score:
    """An estimate beside the truth.

    Attributes:
        value, truth: The two figures.
        error: Value minus truth.
        relative_error: Error as a share of the truth; NaN where the truth is 0.
        low, high: The estimate's interval; NaN where it has none.
        covered: Whether the interval holds the truth; `None` where there is no interval, or nothing was estimated.
    """

    value: float
    truth: float
    error: float
    relative_error: float
    low: float
    high: float
    covered: bool | None

    def __str__(self) -> str:
        reason = {True: "covered", False: "not_covered", None: "no_interval"}[self.covered]
        if math.isnan(self.value):
            reason = "no_data"
        return text(
            f"score.{reason}", value=f"{self.value:.4g}", truth=f"{self.truth:.4g}", error=f"{self.error:+.4g}",
            low=f"{self.low:.4g}", high=f"{self.high:.4g}",
        )  # fmt: skip


def score(estimate: Any, truth: Any) -> Score:
    """Say how far off an estimate is, and whether its interval covers the truth.

    Args:
        estimate: An `Estimate`, a number, or a row of figures (`crm.truth.effects`, `Comparison.effects`): anything
            with `value`, `true_value` or `difference`, and with `low` and `high` if it has an interval.
        truth: The same kinds of thing; only its figure is looked at.

    Returns:
        A `Score`: the estimate and the truth, the error, also as a share of the truth, and whether the interval covers
        the truth (`None` without one).

    Raises:
        ParameterError: there is no figure in one of the two, or the truth is not known (NaN).

    Examples:
        >>> score({"value": 0.31, "low": 0.28, "high": 0.34}, 0.30).covered
        True
    """
    value, known = _figure(estimate, "estimate"), _figure(truth, "truth")
    if math.isnan(known):
        raise ParameterError("no_figure", parameter="truth", found=truth)
    low, high = (_part(estimate, name) for name in ("low", "high"))
    told = not (math.isnan(low) or math.isnan(high) or math.isnan(value))
    error = value - known
    covered = low <= known <= high if told else None
    return Score(
        value,
        known,
        error,
        error / abs(known) if known else math.nan,
        low,
        high,
        covered,
    )


def _figure(source: Any, parameter: str) -> float:
    if isinstance(source, int | float) and not isinstance(source, bool):
        return float(source)
    for name in _VALUES:
        found = _part(source, name, missing=None)
        if found is not None:
            return found
    try:
        return float(source)
    except (TypeError, ValueError):
        raise ParameterError("no_figure", parameter=parameter, found=type(source).__name__) from None


def _part(source: Any, name: str, missing: Any = math.nan) -> Any:
    """A named figure of an object or of a row; whichever has it."""
    if isinstance(source, Mapping) or hasattr(source, "index"):  # a dict, or a row of a pandas table
        return float(source[name]) if name in source else missing
    found = getattr(source, name, None)
    return float(found) if isinstance(found, int | float) else missing
