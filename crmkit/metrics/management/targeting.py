"""Whether a score finds those who respond: the few chosen by it against all. Metric 32b."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from crmkit import frames
from crmkit.errors import ParameterError
from crmkit.estimate import Definition, Estimate, Figures, Window
from crmkit.frames import Columns, Frame
from crmkit.intervals import wilson
from crmkit.metrics.management.own import there
from crmkit.reduction import whole_number
from crmkit.rows import Rows, open_rows

SCORE, RESPONDED = nw.col("score"), nw.col("responded")


def targeting_lift(
    leads: Any, *, share: float = 0.1, response: str = "converted_at", columns: Columns = None
) -> Estimate:
    """How many times more often those with the highest scores respond than all do.

    Rows with the same score are chosen together, so more than `share` may be chosen.

    Args:
        leads: One row per lead, or per customer who was scored: `score` (higher = more likely) and `response`. A score
            must come from before the response, or it proves nothing.
        share: How many of the rows are chosen by score, 0–1.
        response: Column that says who responded: a flag, a number other than 0, or filled at all.
        columns: Your own column names by the model's, e.g. `{"score": "rank"}`.

    Returns:
        An `Estimate`: 2.0 = twice as often. `numerator` are the responses among the chosen, `denominator` those to be
        expected of as many rows chosen by chance. The interval is Wilson's of the share of responses that was found,
        given how many there are in all; it is on the safe side where many respond. NaN without a response.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `share` does not lie between 0 and 1.

    Examples:
        >>> import pandas as pd
        >>> leads = pd.DataFrame({"score": [90, 80, 40, 30, 20], "bought": [True, False, True, False, False]})
        >>> float(targeting_lift(leads, share=0.2, response="bought"))
        2.5
    """
    if not isinstance(share, int | float) or not 0 < share <= 1:
        raise ParameterError("share_between", parameter="share", value=share)
    opened = _scored(leads, response, columns)
    counted = _counted(opened.rows(), np.array([share]))
    _, excluded, notes = opened.units().sums(rows=nw.lit(1.0)).whole()
    return _lifts(counted).estimate(
        Window(), Definition("targeting_lift", {"share": float(share)}), unit="times", excluded=excluded, notes=notes,
        besides={"in_top": int(counted["chosen"][0])},
    )  # fmt: skip


def cumulative_gains(leads: Any, *, parts: int = 10, response: str = "converted_at", columns: Columns = None) -> Any:
    """The share of all responses found among the highest scores, for one tenth of the rows, two tenths, and so on.

    Args:
        leads, response, columns: As for `targeting_lift`.
        parts: Into how many steps the rows are cut.

    Returns:
        A table of the engine's own kind, one row per step: `share` (of the rows chosen, more where scores are tied),
        `chosen` (rows), `responses` (among them), `gain` (share of all responses, 0–1), low, high (Wilson), `lift` and
        `n` (rows in all). Steps that ties make the same are one.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `targeting_lift`.

    Examples:
        >>> import pandas as pd
        >>> leads = pd.DataFrame({"score": [90, 80, 40, 30], "bought": [True, False, True, False]})
        >>> cumulative_gains(leads, parts=4, response="bought")["gain"].to_list()
        [0.5, 0.5, 1.0, 1.0]
    """
    parts = whole_number("parts", parts)
    opened = _scored(leads, response, columns)
    counted = _counted(opened.rows(), np.arange(1, parts + 1) / parts)
    opened.units().sums(rows=nw.lit(1.0)).whole()  # says what is left out
    kept = np.concatenate([np.diff(counted["chosen"]) > 0, [True]]) & (counted["n"] > 0)
    counted = {name: one[kept] for name, one in counted.items()}
    below = np.where(counted["all"] > 0, counted["all"], np.nan)
    low, high = wilson(counted["found"], below)
    columns_ = {
        "share": counted["chosen"] / counted["n"], "chosen": counted["chosen"].astype(np.int64),
        "responses": counted["found"].astype(np.int64), "gain": counted["found"] / below, "low": low, "high": high,
        "lift": _lifts(counted).value, "n": counted["n"].astype(np.int64),
    }  # fmt: skip
    return frames.give_back(frames.same_kind(opened.frame, frames.table(opened.frame, columns_)))


def _lifts(counted: dict[str, NDArray[np.float64]]) -> Figures:
    share = counted["chosen"] / np.where(counted["n"] > 0, counted["n"], np.nan)
    responses = np.where(counted["all"] > 0, counted["all"], np.nan)
    low, high = wilson(counted["found"], responses)
    value = counted["found"] / responses / share
    expected = share * responses
    n = counted["n"].astype(np.int64)
    return Figures(value, low / share, high / share, n, counted["found"].astype(np.int64), expected, "wilson")


def _scored(native: Any, response: str, columns: Columns) -> Rows:
    """`score`, and as `responded` whether there was a response."""
    if response == (columns or {}).get("score", "score"):
        raise ParameterError("no_scores", response=response, score=response)
    rules = {"no_score": SCORE.is_null()}
    key = there(native, ("lead_id",), columns)
    opened = open_rows(
        native, "leads", needs=("score", *key), must=("score",), rules=rules, key="lead_id" if key else None,
        by=response, columns=columns,
    )  # fmt: skip
    kind, said = opened.frame.collect_schema()["group"], nw.col("group")
    met = said.fill_null(False) if kind == nw.Boolean else ~said.is_null()
    if kind.is_numeric():
        met = (said != 0).fill_null(False) & ~said.is_null()
    return Rows(opened.frame.with_columns(responded=met), opened.reasons, opened.again, "leads")


def _counted(rows: Frame, shares: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Rows and responses in all, and of those whose score is at least the one at each share of the rows."""
    total = frames.row(rows.select(n=nw.len(), found=RESPONDED.cast(nw.Int64).sum()))
    n, responses = int(total["n"]), int(total["found"] or 0)
    whole = {"n": np.full(len(shares), float(n)), "all": np.full(len(shares), float(responses))}
    if not n:
        return {**whole, "chosen": np.zeros(len(shares)), "found": np.zeros(len(shares))}
    ranks = np.maximum(np.ceil(np.round(shares * n, 9)).astype(int), 1)
    cuts = _score_at(rows, n, ranks)
    sums: dict[str, nw.Expr] = {}
    for at, cut in enumerate(cuts):
        top = SCORE >= cut
        sums |= {f"chosen_{at}": top.cast(nw.Int64).sum(), f"found_{at}": (top & RESPONDED).cast(nw.Int64).sum()}
    got = frames.row(rows.select(**sums))
    counted = {name: np.array([float(got[f"{name}_{at}"]) for at in range(len(cuts))]) for name in ("chosen", "found")}
    return {**whole, **counted}


def _score_at(rows: Frame, n: int, ranks: NDArray[Any]) -> list[Any]:
    """The scores that stand at these ranks, the highest first; only they come to the client."""
    numbered = (
        rows.select("score", rank=nw.lit(0)).with_columns(rank=nw.col("rank").cum_count().over(order_by="score"))
        if not isinstance(rows, nw.DataFrame)
        else rows.select("score")
        .sort("score")
        .with_row_index("rank")
        .with_columns(rank=nw.col("rank").cast(nw.Int64) + 1)
    )
    wanted = [n + 1 - int(rank) for rank in ranks]
    found = frames.rows(numbered.filter(nw.col("rank").is_in(sorted(set(wanted)))))
    by_rank = {int(row["rank"]): row["score"] for row in found}
    return [by_rank[one] for one in wanted]
