"""What customers say when asked: satisfaction, recommendation and effort. Metrics 17–20.

All figures but one are about the invitations sent in the window, whenever they were answered, so that the response
rate beside a score (`answered` of `sent`) is about the same people. An answer is a row with a score; what lies off the
row's own scale is left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import intervals
from crmkit.errors import ParameterError
from crmkit.estimate import Definition, Figures, Numbers, Sums, bare, means, shares
from crmkit.frames import Columns
from crmkit.metrics.relationship.answers import HIGH, KINDS, LOW, SCOPES, SCORE, hold_to_scale, one_scale, open_answers
from crmkit.reduction import one_of, summarise, time_window, within
from crmkit.rows import open_rows

When = Any
POINTS = (1, 2, 3, 4, 5)  # of CSAT


def survey_response_rate(
    survey_responses: Any,
    *,
    kind: str | None = None,
    counted: Literal["sent", "created"] = "sent",
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Of the invitations sent in the window, how many were answered, whenever that was.

    Args:
        survey_responses: One row per invitation: `survey_id`, `sent_at`, `responded_at` (empty = no answer); `kind` is
            looked at if you ask for one.
        kind: Kind of survey, e.g. "csat"; `None` = all of them.
        counted: "sent" = the answers to the invitations of the window; "created" = the answers that came in in the
            window, over the invitations of the window, as Chatwoot reports it. Misleading: the two are not about the
            same invitations, so it may pass 100 % and has no interval; `besides["sent_share"]` is the sound one.
        start, end: Window in which the invitation was sent, `[start, end)`; `None` = open.
        by: Column to group by.
        columns: Your own column names by the model's.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN if nothing was sent; with `by`, a table of the engine's own
        kind: the group, value, low, high, n, numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`, or an unknown `counted`.

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
    one_of("counted", counted, ("sent", "created"))
    sent, answered = nw.col("sent_at"), nw.col("responded_at")
    needs = ("survey_id", "sent_at", "responded_at", *(["kind"] if kind is not None else []))
    rules = {"no_date": sent.is_null(), "out_of_order": answered < sent}
    opened = open_rows(
        survey_responses, "survey_responses", needs=needs, must=needs[1:], rules=rules, key="survey_id", by=by,
        columns=columns,
    )  # fmt: skip
    asked = None if kind is None else (nw.col("kind").cast(nw.String) == kind).fill_null(False)
    inside = within(sent, window)
    wanted = opened.units(asked).sums(
        answered=inside & ~answered.is_null(), created=within(answered, window), sent=inside
    )
    definition = Definition(f"survey_response_rate.{counted}")
    if counted == "sent":
        return summarise(wanted, lambda sums: shares(sums["answered"], sums["sent"]), window, definition, by=by)
    made = summarise(
        wanted, lambda sums: bare(sums["created"], sums["sent"]), window, definition, by=by, besides=("answered",)
    )
    if by is not None or not made.n:
        return made
    return replace(made, besides={"sent_share": made.besides["answered"] / made.n})


def csat(
    survey_responses: Any,
    *,
    method: Literal["top2", "mean", "net", "zendesk", "index"] = "top2",
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Customer satisfaction of the answers to the question of kind "csat", by a method that has to be named.

    The same hundred answers give 50 %, 3.40, +25, 66.7 % or 60: two figures made by different methods say nothing about
    each other.

    Args:
        survey_responses: One row per invitation: `survey_id`, `sent_at`, `score` (empty = no answer); `kind`,
            `responded_at`, `scale_min` and `scale_max` are heeded where present (without `kind`, all rows are of this
            kind; without a scale, it is 1–5).
        method: "top2" = answers 4–5 of all; "mean" of the answers, 1–5; "net" = % of answers 4–5 less % of 1–2, −100 to
            100; "zendesk" = answers 4–5 of those that are 4–5 or 1–2, the neutral ones dropped; "index" = the mean's
            place on the scale, 0–100, the only one that takes any scale.
        start, end: Window in which the invitation was sent, `[start, end)`; `None` = open.
        by: Column to group by.
        columns: Your own column names by the model's.

    Returns:
        An `Estimate`: a share (0–1) with Wilson's interval, points or an index with Student's, or net points with the
        interval of a difference of two shares (none where all answers fall on one side: the answers then do not tell
        how much they vary). `besides` has the invitations `sent`, those `answered` and the answers by score. With
        `by`, a table: the group, value, low, high, n, numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: an unknown method, a start after the end, or a scale other than 1–5.

    Examples:
        >>> import pandas as pd
        >>> answers = pd.DataFrame({
        ...     "survey_id": range(100),
        ...     "sent_at": pd.Timestamp("2026-03-01"),
        ...     "score": [5] * 30 + [4] * 20 + [3] * 25 + [2] * 10 + [1] * 15,
        ... })
        >>> [round(float(csat(answers, method=m)), 3) for m in ("top2", "mean", "net", "zendesk", "index")]
        [0.5, 3.4, 25.0, 0.667, 60.0]
    """
    window = time_window(start, end)
    one_of("method", method, tuple(_CSAT))
    figures, unit = _CSAT[method]
    asked = open_answers(survey_responses, "csat", window=window, by=by, columns=columns, any_number=method == "index")
    wanted = {"place": (SCORE - LOW) / (HIGH - LOW)}
    besides: tuple[str, ...] = ("answered", "sent")
    wanted["place2"] = wanted["place"] * wanted["place"]
    if method != "index":
        hold_to_scale(asked, "csat")
        wanted = {f"score_{point}": SCORE == point for point in POINTS}
        besides = (*besides, *wanted)
    sums = asked.sums(**wanted, answered=~SCORE.is_null(), sent=nw.lit(1.0))
    return summarise(sums, figures, window, Definition(f"csat.{method}"), by=by, unit=unit, besides=besides)


def nps(
    survey_responses: Any,
    *,
    scope: Literal["relational", "transactional"] | None = None,
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Net Promoter Score: % of answers 9–10 less % of answers 0–6, from −100 to 100. It is no percentage.

    Args:
        survey_responses: As for `csat`, answers of kind "nps" on 0–10; `scope` is heeded where present.
        scope: "relational" (asked now and then) or "transactional" (asked after an order or a ticket): the two are
            never pooled, so it has to be said where the table has both, unless `by` is the scope itself. Answers that
            name no scope are counted with the one that is named; with a `scope`, they are left out.
        start, end, by, columns: As for `csat`.

    Returns:
        An `Estimate` in points with the interval 1.96·√((p+d−(p−d)²)/n)·100, held to ±100; without one where all
        answers are of one class. `besides` has promoters, passives, detractors, `answered` and `sent`. With `by`, a
        table as for `csat`.

    Raises:
        MissingColumn, WrongType: as for `csat`.
        ParameterError: both scopes in one figure, or a scale other than 0–10.

    Examples:
        >>> import pandas as pd
        >>> answers = pd.DataFrame({
        ...     "survey_id": range(4), "sent_at": pd.Timestamp("2026-03-01"), "score": [10, 9, 7, 3]
        ... })
        >>> float(nps(answers))
        25.0

    References:
        Reichheld (2003), The one number you need to grow. Harvard Business Review 81(12), 46–54.
    """
    window = time_window(start, end)
    if scope is not None:
        one_of("scope", scope, SCOPES)
    asked = open_answers(survey_responses, "nps", window=window, by=by, columns=columns, scope=scope)
    found = hold_to_scale(asked, "nps")
    both = [name for name in SCOPES if found.get(name)]
    if len(both) > 1 and by != (columns or {}).get("scope", "scope"):
        raise ParameterError("both_scopes", counts=", ".join(f"{name} {found[name]:,}" for name in both))
    wanted = {"promoters": SCORE >= 9, "passives": (SCORE >= 7) & (SCORE <= 8), "detractors": SCORE <= 6}
    sums = asked.sums(**wanted, answered=~SCORE.is_null(), sent=nw.lit(1.0))
    definition = Definition(f"nps.{scope or (both[0] if len(both) == 1 else 'any')}")
    besides = (*wanted, "answered", "sent")
    return summarise(sums, _net_promoters, window, definition, by=by, unit="score", besides=besides)


def ces(
    survey_responses: Any,
    *,
    method: Literal["mean", "share"] = "mean",
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Customer effort score: how far customers agree, 1–7, that the shop made it easy. Higher is easier.

    Args:
        survey_responses: As for `csat`, answers of kind "ces" on 1–7.
        method: "mean" of the answers, or the "share" of answers 5–7.
        start, end, by, columns: As for `csat`.

    Returns:
        An `Estimate`: points with Student's interval, or a share (0–1) with Wilson's; `besides` has the answers 5–7
        (`easy`), `answered` and `sent`. With `by`, a table as for `csat`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `csat`; the scale has to be 1–7. A score of the older question
            "how much effort did you need?", where higher is harder, has to be turned round first.

    Examples:
        >>> import pandas as pd
        >>> answers = pd.DataFrame({
        ...     "survey_id": range(4), "sent_at": pd.Timestamp("2026-03-01"), "score": [7, 6, 4, 1]
        ... })
        >>> float(ces(answers)), float(ces(answers, method="share"))
        (4.5, 0.5)

    References:
        Dixon, Freeman & Toman (2010), Stop trying to delight your customers. Harvard Business Review 88(7/8), 116–122.
    """
    window = time_window(start, end)
    one_of("method", method, ("mean", "share"))
    asked = open_answers(survey_responses, "ces", window=window, by=by, columns=columns)
    hold_to_scale(asked, "ces")
    answered = ~SCORE.is_null()
    sums = asked.sums(easy=SCORE >= 5, total=SCORE, squares=SCORE * SCORE, answered=answered, sent=nw.lit(1.0))
    figures, unit = (partial(_mean, low=1, high=7), "points") if method == "mean" else (_easy, "share")
    definition, besides = Definition(f"ces.{method}"), ("easy", "answered", "sent")
    return summarise(sums, figures, window, definition, by=by, unit=unit, besides=besides)


def survey_mean(
    survey_responses: Any,
    *,
    kind: str,
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """The mean answer to one kind of question, on the scale it was asked on: trust, brand, expectation, a driver.

    Args:
        survey_responses: As for `csat`.
        kind: Kind of survey, as in the data model: "csat", "nps", "ces", "trust", "expectation", "brand", "driver". The
            mean of the NPS question is not the NPS.
        start, end, by, columns: As for `csat`; `by="driver"` gives the mean of each driver.

    Returns:
        An `Estimate` in points with Student's interval; the definition names the scale. With `by`, a table as for
        `csat`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `csat`; an unknown kind, or answers on different scales.

    Examples:
        >>> import pandas as pd
        >>> answers = pd.DataFrame({
        ...     "survey_id": range(3), "kind": "trust", "sent_at": pd.Timestamp("2026-03-01"), "score": [5, 4, 3]
        ... })
        >>> float(survey_mean(answers, kind="trust"))
        4.0
    """
    window = time_window(start, end)
    one_of("kind", kind, KINDS)
    asked = open_answers(survey_responses, kind, window=window, by=by, columns=columns, any_number=True)
    low, high = one_scale(asked, kind)
    sums = asked.sums(total=SCORE, squares=SCORE * SCORE, answered=~SCORE.is_null(), sent=nw.lit(1.0))
    definition = Definition("survey_mean", {"kind": kind, "low": f"{low:g}", "high": f"{high:g}"})
    figures = partial(_mean, low=low, high=high)
    return summarise(sums, figures, window, definition, by=by, unit="points", besides=("answered", "sent"))


# --- from sums to figures


def balance(above: Numbers, below: Numbers, n: Numbers) -> Figures:
    """100 × (share above − share below) with the interval of a difference of two shares of the same answers.

    There is none where all answers are on one side: a width of 0 would claim to know what a few answers cannot tell.
    """
    known = np.where(n > 0, n, np.nan)
    p, d = above / known, below / known
    variance = p + d - (p - d) ** 2
    reach = intervals.z() * np.sqrt(np.where(variance > 1e-12, variance, np.nan) / known)
    value, n_whole = 100 * (above - below) / known, n.astype(np.int64)
    made = Figures(value, value - 100 * reach, value + 100 * reach, n_whole, above - below, n, "variance")
    return made.held(-100, 100)


def _net_promoters(sums: Sums) -> Figures:
    return balance(sums["promoters"], sums["detractors"], sums["answered"])


def _mean(sums: Sums, low: float, high: float) -> Figures:
    return means(sums["answered"], sums["total"], sums["squares"]).held(low, high)


def _easy(sums: Sums) -> Figures:
    return shares(sums["easy"], sums["answered"])


def _satisfied(sums: Sums) -> Numbers:
    return np.asarray(sums["score_4"] + sums["score_5"])


def _dissatisfied(sums: Sums) -> Numbers:
    return np.asarray(sums["score_1"] + sums["score_2"])


def _mean_of_points(sums: Sums) -> Figures:
    total, squares = (np.sum([point**power * sums[f"score_{point}"] for point in POINTS], axis=0) for power in (1, 2))
    return means(sums["answered"], total, squares).held(1, 5)


_CSAT: Mapping[str, tuple[Callable[[Sums], Figures], str]] = {
    "top2": (lambda sums: shares(_satisfied(sums), sums["answered"]), "share"),
    "mean": (_mean_of_points, "points"),
    "net": (lambda sums: balance(_satisfied(sums), _dissatisfied(sums), sums["answered"]), "score"),
    "zendesk": (lambda sums: shares(_satisfied(sums), _satisfied(sums) + _dissatisfied(sums)), "share"),
    "index": (lambda sums: means(sums["answered"], sums["place"], sums["place2"]).held(0, 1).times(100), "index"),
}
