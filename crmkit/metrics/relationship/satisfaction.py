"""What customers say when asked: satisfaction, recommendation and effort. Metrics 17–20."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw

from crmkit.estimate import Definition, shares
from crmkit.frames import Columns
from crmkit.reduction import open_rows, summarise, time_window, within

When = Any


def survey_response_rate(
    survey_responses: Any,
    *,
    kind: str | None = None,
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Of the invitations sent in the window, how many were answered, whenever that was.

    Args:
        survey_responses: One row per invitation: `sent_at`, `responded_at` (empty = no answer); `kind` and `survey_id`
            are heeded where present.
        kind: Kind of survey, e.g. "csat"; `None` = all of them.
        start, end: Window in which the invitation was sent, `[start, end)`; `None` = open.
        by: Column to group by.
        columns: Your own column names by the model's.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN if nothing was sent; with `by`, a table of the engine's own
        kind: the group, value, low, high, n, numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`.

    Examples:
        >>> import pandas as pd
        >>> asked = pd.DataFrame({
        ...     "survey_id": ["1", "2"],
        ...     "sent_at": pd.to_datetime(["2026-03-01", "2026-03-02"]),
        ...     "responded_at": pd.to_datetime(["2026-03-05", None]),
        ... })
        >>> float(survey_response_rate(asked))
        0.5
    """
    window = time_window(start, end)
    sent, answered = nw.col("sent_at"), nw.col("responded_at")
    needs = ("survey_id", "sent_at", "responded_at", *(["kind"] if kind is not None else []))
    rules = {"no_date": sent.is_null(), "out_of_order": answered < sent}
    opened = open_rows(
        survey_responses, "survey_responses", needs=needs, must=needs[1:], rules=rules, key="survey_id", by=by,
        columns=columns,
    )  # fmt: skip
    asked = within(sent, window) if kind is None else within(sent, window) & (nw.col("kind") == kind)
    wanted = opened.units(asked).sums(answered=~answered.is_null(), sent=nw.lit(1.0))
    definition = Definition("survey_response_rate.sent")
    return summarise(wanted, lambda sums: shares(sums["answered"], sums["sent"]), window, definition, by=by)
