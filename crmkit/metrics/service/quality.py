"""How well it was done: reviews of how customers were answered, and defects of what they got. Metrics 65, 66."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.estimate import Definition, Estimate, Figures, Numbers, Sums, Window, ratios, shares
from crmkit.frames import Columns, Frame, Names, columns_of, period_start
from crmkit.metrics.service.exposure import delivered, marked
from crmkit.reduction import needed, one_of, summarise, time_window, within
from crmkit.rows import Rows, Units, once, open_rows

When = Any
CRITERIA = ("courtesy", "listening", "empathy", "sincerity", "apology", "solution", "explanation")
FULL = 2  # points that a criterion gives at most
ENOUGH_REVIEWS = 5  # of a reviewer, to be set beside the others
TABLES = ("order_items", "orders")
EVERY = ("1d", "1w", "1mo", "1q", "1y")
CHART_COLUMNS = ("period", "n", "numerator", "denominator", "value", "centre", "low_limit", "high_limit", "outside")


def qa_score(
    quality_reviews: Any,
    *,
    criterion: str | None = None,
    method: str = "points",
    cluster: str = "ticket_id",
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """How well tickets were handled in the eyes of reviewers: points given, of the points that could be given.

    What does not apply to a ticket is empty and counts neither way. Reviewers differ: the lowest and the highest score
    among those with five reviews or more are beside the figure.

    Args:
        quality_reviews: One row per review: `review_id`, `ticket_id`, `reviewed_at`, the criteria (0–2 points, empty =
            not applicable); `reviewer_id` is heeded where present.
        criterion: "courtesy", "listening", "empathy", "sincerity", "apology", "solution", "explanation" or
            "guideline_followed" (yes or no); `None` = all that are graded and that the table has.
        method: "points" = all points given ÷ all that could be given; "mean" = the mean of each review's share.
        cluster: What hangs together, for the interval: "ticket_id" or "reviewer_id" (wider, as there are few).
        start, end: Window in which the review took place, `[start, end)`; `None` = open.
        by: Column to group by, e.g. "reviewer_id".
        columns: Your own column names by the model's.

    Returns:
        An `Estimate` (0–1) with an interval by the delta method (of "guideline_followed" Wilson's), NaN without reviews
        to which the criterion applies; with `by`, a table of the engine's own kind: the group, value, low, high, n
        (tickets or reviewers; of "guideline_followed" reviews), numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: an unknown `criterion`, `method` or `cluster`, or `start` is not before `end`.

    Examples:
        >>> import pandas as pd
        >>> reviews = pd.DataFrame({
        ...     "review_id": ["1", "2", "3"],
        ...     "ticket_id": ["a", "b", "c"],
        ...     "reviewed_at": pd.to_datetime(["2026-03-01", "2026-03-02", "2026-03-03"]),
        ...     "courtesy": [2, 1, 0],
        ...     "apology": [2, None, None],
        ... })
        >>> float(qa_score(reviews, criterion="courtesy")), float(qa_score(reviews))
        (0.5, 0.625)
    """
    window = time_window(start, end)
    one_of("method", method, ("points", "mean"))
    one_of("cluster", cluster, ("ticket_id", "reviewer_id"))
    one_of("criterion", criterion or "courtesy", (*CRITERIA, "guideline_followed"))
    opened, graded = _open_reviews(quality_reviews, criterion, cluster, by, columns)
    wanted = opened.units(within(nw.col("reviewed_at"), window))
    wanted = replace(wanted, frame=_points(wanted.frame, graded, method))
    if criterion == "guideline_followed":
        definition = Definition("qa_score.guideline")
        sums = wanted.sums(above=nw.col("y"), below=nw.col("x"))
        made = summarise(sums, lambda total: shares(total["above"], total["below"]), window, definition, by=by)
    else:
        definition = Definition(f"qa_score.{method}", {"criteria": criterion or ", ".join(graded)})
        made = summarise(_clusters(wanted, cluster).sums(**CLUSTER_SUMS), _score, window, definition, by=by)
    return made if by is not None else _with_reviewers(made, wanted.frame)


def defect_rate(
    order_items: Any,
    *,
    orders: Any = None,
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Of the units that left the shop, how many were defective; a line's flag speaks for all its units.

    Args:
        order_items: One row per line: `order_id`, `line_no`, `product_id`, `is_defective` (empty = not known, left
            out); `quantity` is heeded where present, else a line is one unit.
        orders: One row per order, to leave out tests and what was not completed, and for the window: `order_id`,
            `ordered_at`; `status` and `is_test` are heeded where present. Refunded orders stay in.
        start, end: Window in which it was ordered, `[start, end)`; needs `orders`.
        by: Column of `order_items` to group by, e.g. "product_id".
        columns: Your own column names by the model's, of `order_items`, or of both: `{"orders": {…}}`.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, for the number of lines that say as much as these of different
        quantity; n counts lines; NaN without lines. With `by`, a table as for `qa_score`.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: a window without `orders`, or `start` is not before `end`.

    Examples:
        >>> import pandas as pd
        >>> items = pd.DataFrame({
        ...     "order_id": ["1", "1", "2"], "line_no": [1, 2, 1], "product_id": ["P1", "P2", "P1"],
        ...     "quantity": [1, 1, 2], "is_defective": [True, False, False],
        ... })
        >>> float(defect_rate(items))
        0.25
    """
    window = time_window(start, end)
    lines = open_lines(order_items, orders, window, ("is_defective",), by, columns)
    definition = Definition("defect_rate.units")
    return summarise(lines.sums(**LINE_SUMS), _weighted, window, definition, by=by)


def escape_rate(
    order_items: Any,
    *,
    orders: Any = None,
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Of the units that were inspected, how many were defective all the same: what the inspection let through.

    Args:
        order_items, orders, start, end, by, columns: As for `defect_rate`, with `was_inspected` (empty = no).

    Returns:
        An `Estimate` (0–1) as for `defect_rate`, NaN if nothing was inspected; `besides` counts the lines that were not
        inspected. With `by`, a table as for `qa_score`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `defect_rate`.

    Examples:
        >>> import pandas as pd
        >>> items = pd.DataFrame({
        ...     "order_id": ["1", "1", "2"], "line_no": [1, 2, 1], "product_id": ["P1", "P2", "P1"],
        ...     "was_inspected": [True, False, True], "is_defective": [True, True, False],
        ... })
        >>> float(escape_rate(items))
        0.5
    """
    window = time_window(start, end)
    lines = open_lines(order_items, orders, window, ("is_defective", "was_inspected"), by, columns)
    inspected = nw.col("was_inspected").fill_null(False)
    sums = {name: nw.when(inspected).then(value) for name, value in LINE_SUMS.items()}
    definition = Definition("escape_rate.units")
    return summarise(
        lines.sums(**sums, not_inspected=~inspected), _weighted, window, definition, by=by, besides=("not_inspected",)
    )


def defect_chart(
    order_items: Any,
    orders: Any,
    *,
    measure: str = "defect",
    every: str = "1mo",
    start: When = None,
    end: When = None,
    columns: Names = None,
) -> Any:
    """The p-chart of defects: each period's rate, and how far chance alone would take it from that of the whole.

    A point outside the limits is worth looking for a cause; one inside is not. The limits are three standard errors
    around the centre line, wider where there are few units.

    Args:
        order_items, orders, start, end, columns: As for `defect_rate`; `orders` are needed.
        measure: "defect" = `defect_rate`, "escape" = `escape_rate`.
        every: Length of a period: "1d", "1w" (from Monday), "1mo", "1q" or "1y" of the calendar.

    Returns:
        A table of the engine's own kind, one row per period with lines: period (its first day), n (lines), numerator
        (defective units), denominator (units), value, centre, low_limit, high_limit (0–1), outside.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: an unknown `measure` or `every`, or `start` is not before `end`.

    Examples:
        >>> import pandas as pd
        >>> items = pd.DataFrame({
        ...     "order_id": [str(n) for n in range(40)], "line_no": 1, "product_id": "P1",
        ...     "is_defective": [n >= 37 for n in range(40)],
        ... })
        >>> days = pd.to_datetime(["2026-02-01"] * 36 + ["2026-03-01"] * 4)
        >>> orders = pd.DataFrame({"order_id": items["order_id"], "customer_id": "a", "ordered_at": days})
        >>> chart = defect_chart(items, orders)
        >>> chart["value"].to_list(), chart["outside"].to_list()
        ([0.0, 0.75], [False, True])

    References:
        Shewhart (1931), Economic Control of Quality of Manufactured Product.
    """
    window = time_window(start, end)
    one_of("measure", measure, ("defect", "escape"))
    one_of("every", every, EVERY)
    flags = ("is_defective", "was_inspected") if measure == "escape" else ("is_defective",)
    lines = open_lines(order_items, orders, window, flags, None, columns)
    frame = lines.frame if measure == "defect" else lines.frame.filter(nw.col("was_inspected").fill_null(False))
    rows = frame.with_columns(period=period_start(nw.col("ordered_at"), every), **LINE_SUMS)
    small = frames.fetch(rows.group_by("period").agg(nw.col(*LINE_SUMS).sum())).sort("period")
    lines.source.tell(frames.row(lines.source.left_out()))
    made = _limits({name: small[name].to_numpy().astype(float) for name in LINE_SUMS})
    beside = frames.table(frame, made)
    done = small.select("period").with_columns(*(beside[name] for name in CHART_COLUMNS[1:]))
    return frames.give_back(frames.same_kind(frame, done))


def _limits(sums: Sums) -> dict[str, Any]:
    """Each period's rate, the centre line and the limits."""
    weighted = _weighted(sums)
    centre = sums["defective"].sum() / max(sums["units"].sum(), 1e-300) if len(sums["units"]) else np.nan
    reach = 3 * np.sqrt(centre * (1 - centre) / _effective(sums["units"], sums["squares"]))
    low, high = np.maximum(centre - reach, 0), np.minimum(centre + reach, 1)
    outside = (weighted.value < low) | (weighted.value > high)
    columns = (weighted.n, weighted.numerator, weighted.denominator, weighted.value, np.full(len(low), centre))
    return dict(zip(CHART_COLUMNS[1:], (*columns, low, high, outside), strict=True))


Y, X, UNITS = nw.col("y"), nw.col("x"), nw.col("units")
CLUSTER_SUMS = {"n": nw.lit(1.0), "above": Y, "below": X, "above2": Y * Y, "both": Y * X, "below2": X * X}
DEFECTIVE = nw.when(nw.col("is_defective")).then(UNITS).otherwise(0.0)
LINE_SUMS = {"lines": nw.lit(1.0), "units": UNITS, "defective": DEFECTIVE, "squares": UNITS * UNITS}


def _score(sums: Sums) -> Figures:
    return ratios(**sums).held(0, 1)


def _weighted(sums: Sums) -> Figures:
    """Defective units of all units; the interval is that of the number of equal lines that say as much."""
    units, defective = sums["units"], sums["defective"]
    effective = np.nan_to_num(_effective(units, sums["squares"]))
    made = shares(defective / np.where(units > 0, units, 1) * effective, effective)
    return replace(made, n=sums["lines"].astype(np.int64), numerator=defective, denominator=units)


def _effective(units: Numbers, squares: Numbers) -> Numbers:
    """How many lines of equal quantity say as much (Kish); NaN where there are none."""
    return units**2 / np.where(squares > 0, squares, np.nan)


def _open_reviews(
    reviews: Any, criterion: str | None, cluster: str, by: str | None, columns: Columns
) -> tuple[Rows, tuple[str, ...]]:
    """The reviews, and which criteria are asked for."""
    graded: tuple[str, ...] = CRITERIA if criterion is None else (criterion,)
    ids = ("review_id", "ticket_id", "reviewed_at", "reviewer_id")
    must = (*(() if criterion is None else graded), *(("reviewer_id",) if cluster == "reviewer_id" else ()))
    needs = (*ids, *graded)
    found = frames.open_table(reviews, "quality_reviews", needs=needs, must=must, columns=columns).collect_schema()
    graded = tuple(name for name in graded if name in found)
    if not graded:  # none of them: say so of the first
        must = CRITERIA[:1]
    points = [nw.col(name) for name in graded if name != "guideline_followed"]
    off = [((one < 0) | (one > FULL)).fill_null(False) for one in points]
    rules = {"no_date": nw.col("reviewed_at").is_null()}
    if off:
        rules["off_scale"] = nw.any_horizontal(*off, ignore_nulls=False)
    opened = open_rows(
        reviews, "quality_reviews", needs=needs, must=must, rules=rules, key="review_id", by=by, columns=columns
    )
    return opened, graded


def _points(frame: Frame, graded: Sequence[str], method: str) -> Frame:
    """Of each review: `y` points given, `x` points that could be given; by "mean" y is their share and x is 1."""
    given = [nw.col(name).cast(nw.Float64).fill_null(0.0) for name in graded]
    full = 1.0 if "guideline_followed" in graded else float(FULL)
    could = [nw.when(nw.col(name).is_null()).then(0.0).otherwise(full) for name in graded]
    frame = frame.with_columns(y=nw.sum_horizontal(*given), x=nw.sum_horizontal(*could)).filter(X > 0)
    return frame.with_columns(y=Y / X, x=nw.lit(1.0)) if method == "mean" else frame


def _clusters(wanted: Units, cluster: str) -> Units:
    """One row per ticket or reviewer (and group); a review of no known one stands alone."""
    alone = nw.concat_str(nw.lit("review "), nw.col("review_id").cast(nw.String))
    own = nw.when(nw.col(cluster).is_null()).then(alone).otherwise(nw.col(cluster).cast(nw.String))
    frame = wanted.frame.with_columns(_cluster=own)
    keys = [name for name in ("_cluster", "group") if name in frame.collect_schema()]
    return replace(wanted, frame=frame.group_by(*keys).agg(nw.col("y", "x").sum()))


def _with_reviewers(made: Estimate, frame: Frame) -> Estimate:
    """The lowest and the highest score among the reviewers with enough reviews, beside the figure."""
    if "reviewer_id" not in frame.collect_schema():
        return made
    known = frame.filter(~nw.col("reviewer_id").is_null()).with_columns(reviews=nw.lit(1))
    found = frames.rows(known.group_by("reviewer_id").agg(nw.col("y", "x", "reviews").sum()))
    scores = [float(one["y"] / one["x"]) for one in found if one["reviews"] >= ENOUGH_REVIEWS]
    besides: dict[str, float] = {"reviewers": len(found)}
    if len(scores) > 1:
        besides |= {"lowest_reviewer": min(scores), "highest_reviewer": max(scores)}
    return replace(made, besides=besides)


def open_lines(
    order_items: Any, orders: Any, window: Window, flags: Sequence[str], by: str | None, columns: Names
) -> Units:
    """The lines that count, with their `units` and, if orders are given, `ordered_at`."""
    needs = ("order_id", "line_no", "product_id", "quantity", *flags)
    items = open_rows(
        order_items, "order_items", needs=needs, must=flags, by=by, columns=columns_of(columns, "order_items", TABLES)
    )
    frame, again = once(items.frame.drop("counts"), "order_id", "line_no")
    quantity = nw.col("quantity").cast(nw.Float64) if "quantity" in frame.collect_schema() else nw.lit(1.0)
    frame = frame.with_columns(units=quantity)
    reasons = {
        "no_quantity": ~((UNITS > 0) & (UNITS < np.inf)).fill_null(False),
        "not_recorded": nw.col("is_defective").is_null(),
    }
    if orders is None:
        needed("defect_rate", "orders", True if window == Window() else None)
    else:
        frame = frame.join(delivered(orders, columns_of(columns, "orders", TABLES)), on="order_id", how="left")
        about = {"unknown_order": ~marked("_known"), "cancelled": marked("_cancelled"), "test": marked("_test")}
        reasons = {**about, **reasons}
        if window != Window():
            reasons["no_date"] = nw.col("ordered_at").is_null()
    reasons = {name: breaks.fill_null(False) for name, breaks in reasons.items()}
    broken = nw.any_horizontal(*reasons.values(), ignore_nulls=False)
    opened = Rows(frame.with_columns(counts=~broken), reasons, again, "order_items")
    return opened.units(None if window == Window() else within(nw.col("ordered_at"), window))
