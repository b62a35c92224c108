"""Survey answers as the metrics look at them: of one kind, sent in the window, each on its own scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import narwhals.stable.v2 as nw

from crmkit import frames, schema
from crmkit.errors import ParameterError
from crmkit.estimate import Window
from crmkit.frames import Columns
from crmkit.reduction import within
from crmkit.rows import Units, open_rows

KINDS = schema.TABLES["survey_responses"]["kind"].allowed
SCOPES = schema.TABLES["survey_responses"]["scope"].allowed
SCALES = {"csat": (1, 5), "nps": (0, 10), "ces": (1, 7), "trust": (1, 5), "expectation": (1, 5), "brand": (1, 5),
          "driver": (1, 5)}  # fmt: skip
SCORE, LOW, HIGH = nw.col("score"), nw.col("scale_low"), nw.col("scale_high")
ENDS = ("low", "most_low", "least_high", "high")


def open_answers(
    survey_responses: Any,
    *kinds: str,
    window: Window,
    by: str | None = None,
    columns: Columns = None,
    scope: str | None = None,
    keep: Sequence[str] = (),
    any_number: bool = False,
) -> Units:
    """Invitations of some kinds, sent in the window: `score` (null = no answer), `scale_low` and `scale_high`.

    Args:
        survey_responses, by, columns: As for `csat`.
        kinds: Kinds to look at; a table without `kind` holds nothing but the one asked for.
        window: When the invitation was sent.
        scope: Scope to look at; an answer that names none is left out then.
        keep: "customer_id" and "driver", where they are needed: an answer of nobody, or one of kind "driver" that names
            none, is left out.
        any_number: Whether an answer may lie between two points of its scale.
    """
    wanted = ("survey_id", "sent_at", "kind", "scope", "responded_at", "score", "scale_min", "scale_max", *keep)
    must = ("score", *(("kind",) if len(kinds) > 1 else ()), *(("scope",) if scope else ()))
    must = (*must, *(name for name in keep if name != "driver" or "driver" in kinds))
    opening: dict[str, Any] = {"needs": wanted, "must": must, "columns": columns}
    found = frames.open_table(survey_responses, "survey_responses", **opening).collect_schema()
    kind, asked = nw.col("kind").cast(nw.String), nw.lit(True)
    rules: dict[str, nw.Expr] = {}
    if "kind" in found:
        asked, rules["no_kind"] = kind.is_in(list(kinds)).fill_null(False), nw.col("kind").is_null()
    low, high = (_scale_end(name, place, kinds, found) for place, name in enumerate(("scale_min", "scale_max")))
    faults = _faults(found, low, high, scope, any_number)
    if "customer_id" in keep:
        faults["no_customer"] = nw.col("customer_id").is_null()
    if "driver" in keep and "driver" in kinds:
        faults["no_driver"] = (kind == "driver") & nw.col("driver").is_null()
    rules |= {name: asked & breaks.fill_null(False) for name, breaks in faults.items()}
    rows = open_rows(survey_responses, "survey_responses", **opening, rules=rules, key="survey_id", by=by)
    rows = replace(rows, frame=rows.frame.with_columns(scale_low=low, scale_high=high, score=_real("score")))
    if "driver" in keep and "driver" not in found:
        rows = replace(rows, frame=rows.frame.with_columns(driver=nw.lit(None, nw.String)))
    asked = asked & within(nw.col("sent_at"), window)
    return rows.units(asked if scope is None else asked & (nw.col("scope").cast(nw.String) == scope).fill_null(False))


def _faults(
    found: Mapping[str, Any], low: nw.Expr, high: nw.Expr, scope: str | None, any_number: bool
) -> dict[str, nw.Expr]:
    """What makes an invitation not count, for the columns at hand."""
    score, sent = _real("score"), nw.col("sent_at")
    given = ~score.is_null()  # pandas holds NaN to be unlike itself
    off = given & ((score < low) | (score > high) | (high <= low))
    faults = {"no_date": sent.is_null()}
    if "responded_at" in found:
        faults["out_of_order"] = nw.col("responded_at") < sent
        faults["score_missing"] = ~nw.col("responded_at").is_null() & score.is_null()
    if scope is not None:
        faults["no_scope"] = nw.col("scope").is_null()
    return faults | {"off_scale": off if any_number else off | (given & (score != score.round(0)))}


def _scale_end(name: str, place: int, kinds: Sequence[str], found: Mapping[str, Any]) -> nw.Expr:
    """One end of each row's scale: its own, or where it names none, that of the kind."""
    end: nw.Expr = nw.lit(float(SCALES[kinds[0]][place]))
    for kind in kinds[1:]:
        this = (nw.col("kind").cast(nw.String) == kind).fill_null(False)
        end = nw.when(this).then(nw.lit(float(SCALES[kind][place]))).otherwise(end)
    return end if name not in found else nw.when(nw.col(name).is_null()).then(end).otherwise(_real(name))


def _real(name: str) -> nw.Expr:
    return nw.col(name).cast(nw.Float64)


def one_scale(asked: Units, *kinds: str) -> tuple[float, float]:
    """The scale of all answers; that of the first kind where there are none.

    Raises:
        ParameterError: they are on different scales.
    """
    found = _scales(asked)
    if found["most_low"] is None:
        return SCALES[kinds[0]]
    if found["low"] != found["most_low"] or found["least_high"] != found["high"]:
        raise ParameterError("mixed_scales", kinds=", ".join(kinds), **_ends(found))
    return found["low"], found["high"]


def hold_to_scale(asked: Units, kind: Literal["csat", "nps", "ces"]) -> dict[str, Any]:
    """What was found of the scales and scopes of the answers.

    Raises:
        ParameterError: an answer is on another scale than the metric is about.
    """
    found = _scales(asked)
    low, high = SCALES[kind]
    if found["low"] is not None and tuple(found[name] for name in ENDS) != (low, low, high, high):
        raise ParameterError(f"{kind}_scale", **_ends(found))
    return found


def _scales(asked: Units) -> dict[str, Any]:
    """The least and the greatest end of the scales of the answers, and how many answers name each scope: one fetch."""
    frame = asked.frame.filter(~SCORE.is_null())
    wanted = {"low": LOW.min(), "most_low": LOW.max(), "least_high": HIGH.min(), "high": HIGH.max()}
    if "scope" in frame.collect_schema():
        names = nw.col("scope").cast(nw.String)
        wanted |= {name: (names == name).fill_null(False).cast(nw.Int64).sum() for name in SCOPES}
    found = frames.row(frame.select(**wanted))
    return found | {name: int(found.get(name) or 0) for name in SCOPES}


def _ends(found: Mapping[str, Any]) -> dict[str, str]:
    """The scales that were found, for a message."""
    low, most_low, least_high, high = (found[name] for name in ENDS)
    one = f"{low:g}–{least_high:g}"
    return {"found": one if (low, least_high) == (most_low, high) else f"{one}, {most_low:g}–{high:g}"}
