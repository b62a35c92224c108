"""The key figures of a theme in one table: what can be had from the tables at hand, and why not the rest."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crmkit import frames, metrics
from crmkit.errors import CrmkitError, ParameterError
from crmkit.estimate import Estimate
from crmkit.reduction import one_of, time_window
from crmkit.texts import text

Ask = tuple[str, tuple[str, ...], dict[str, Any]]
ORDERS, DESK = ("orders",), ("tickets", "ticket_events")
ASKED: dict[str, tuple[Ask, ...]] = {
    "relationship": (
        ("active_customers", ORDERS, {}),
        ("new_customers", ORDERS, {}),
        ("net_sales", ORDERS, {}),
        ("average_order_value", ORDERS, {}),
        ("purchase_frequency", ORDERS, {}),
        ("csat", ("survey_responses",), {}),
        ("nps", ("survey_responses",), {"scope": "relational"}),
        ("survey_response_rate", ("survey_responses",), {}),
        ("rating_summary", ("feedback",), {}),
        ("review_rate", ("feedback", "orders"), {}),
        ("referral_rate", ("referrals", "orders"), {}),
        ("cac", ("costs", "orders"), {}),
    ),
    "management": (
        ("consent_rate", ("customers",), {}),
        ("lead_conversion_rate", ("leads",), {}),
        ("first_contact_time", ("leads",), {}),
        ("contact_coverage", ("customers", "interactions", "campaign_sends"), {}),
        ("offer_acceptance_rate", ("interactions",), {}),
    ),
    "retention": (
        ("repeat_rate", ORDERS, {}),
        ("repeater_share", ORDERS, {}),
        ("repurchase_rate", ORDERS, {"horizon_days": 90}),
        ("retention_rate", ORDERS, {}),
        ("reactivation_rate", ORDERS, {}),
        ("recurring_revenue_share", ORDERS, {}),
        ("churn_rate", ("subscriptions",), {}),
        ("net_revenue_retention", ("subscriptions",), {}),
        ("program_participation_rate", ("customers", "loyalty_events"), {}),
    ),
    "service": (
        ("ticket_volume", ("tickets",), {}),
        ("contact_rate", ("tickets", "orders"), {}),
        ("first_reply_time", DESK, {}),
        ("full_resolution_time", DESK, {}),
        ("first_contact_resolution_rate", DESK, {}),
        ("reopen_rate", DESK, {}),
        ("backlog", DESK, {}),
        ("complaint_rate", ("tickets", "orders"), {}),
        ("qa_score", ("quality_reviews",), {}),
        ("cost_per_contact", ("costs", "tickets"), {}),
        ("csat", ("survey_responses",), {}),
    ),
}
NUMBERS = ("value", "low", "high", "n")


def kpi_summary(tables: Mapping[str, Any], *, theme: str, start: Any, end: Any) -> Any:
    """The key figures of one theme over a window, each with its interval.

    Args:
        tables: The tables by their names in the data model, e.g. `crm.tables`, in any engine.
        theme: "relationship", "management", "retention" or "service".
        start, end: The window `[start, end)`; figures about one moment are taken at its end.

    Returns:
        A table of the engine's own kind, one row per figure: `metric`, `label`, `value`, `low`, `high`, `n`, `unit`,
        and in `note` why there is no number, or what there is to know.

    Raises:
        ParameterError: an unknown theme, a start that is not before the end, or no table at all.

    Examples:
        >>> import crmkit
        >>> tables = {"orders": crmkit.sample("ten_customers").orders}
        >>> table = kpi_summary(tables, theme="retention", start="2026-03-01", end="2026-04-01")
        >>> dict(zip(table["metric"], table["value"]))["repeat_rate"]
        0.5
    """
    found = figures(tables, theme=theme, start=start, end=end)
    rows = [_row(figure) for figure in found]
    first = frames.as_frame(next(iter(tables.values())))
    names = ("metric", "label", *NUMBERS, "unit", "note")
    columns = {name: np.array([row[name] for row in rows], float if name in NUMBERS else object) for name in names}
    return frames.give_back(frames.same_kind(first, frames.table(first, columns)))


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One figure of a theme: the estimate, or in `why_not` why there is none."""

    metric: str
    estimate: Estimate | None
    why_not: str = ""

    @property
    def note(self) -> str:
        """Why there is no number, or what there is to know about it."""
        if self.estimate is None:
            return self.why_not
        made = self.estimate
        notes = [*(str(told) for told in made.notes), *([text("estimate.small", n=made.n)] if made.is_small else [])]
        return " ".join(notes)


def figures(tables: Mapping[str, Any], *, theme: str, start: Any, end: Any) -> list[KeyFigure]:
    """The key figures of one theme as `kpi_summary` shows them, each with all that is known about it.

    Raises:
        ParameterError: as for `kpi_summary`.
    """
    one_of("theme", theme, tuple(ASKED))
    window = time_window(start, end)
    if not tables:
        raise ParameterError("needed", metric="kpi_summary", parameter="tables")
    given = {"start": window.start, "end": window.end, "as_of": window.end}
    return [_figure(ask, tables, given) for ask in ASKED[theme]]


def _figure(ask: Ask, tables: Mapping[str, Any], window: Mapping[str, Any]) -> KeyFigure:
    """One figure, or why there is none."""
    name, needs, fixed = ask
    missing = [table for table in needs if table not in tables]
    if missing:
        return KeyFigure(name, None, text("scorecard.no_table", tables=", ".join(missing)))
    make = metrics.metric(name)
    known = inspect.signature(make).parameters
    given = {parameter: value for parameter, value in window.items() if parameter in known}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said in the note
            return KeyFigure(name, make(*(tables[table] for table in needs), **given, **fixed))
    except CrmkitError as error:
        return KeyFigure(name, None, str(error))


def _row(figure: KeyFigure) -> dict[str, Any]:
    """The row of one figure."""
    row = {"metric": figure.metric, "label": figure.metric, **dict.fromkeys(NUMBERS, math.nan), "n": 0, "unit": ""}
    made = figure.estimate
    if made is not None:
        row |= {key: getattr(made, key) for key in NUMBERS} | {"label": made.label, "unit": made.unit}
    return row | {"note": figure.note}
