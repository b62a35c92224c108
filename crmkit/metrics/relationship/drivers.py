"""What satisfaction is made of: experience against expectation, and which driver to mend first. Metrics 21 and 22.

Both compare answers of the same customer: a customer who answered only one of two questions says nothing about how they
go together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames, intervals
from crmkit.errors import ParameterError, RowsLeftOut
from crmkit.estimate import Definition, Figures, Numbers, Sums, means
from crmkit.frames import Columns, Frame
from crmkit.metrics.relationship.answers import KINDS, SCORE, one_scale, open_answers
from crmkit.reduction import one_of, summarise, time_window, whole_number
from crmkit.rows import Rows, Units, warn

When = Any
KIND, DRIVER, WHO = nw.col("kind"), nw.col("driver"), nw.col("customer_id")
WHOLE = ""  # the driver of an answer that is about everything
PERCEIVED = ("driver", "csat", "trust", "brand")
MOST_DRIVERS = 40


def disconfirmation_gap(
    survey_responses: Any,
    *,
    perceived: Literal["driver", "csat", "trust", "brand"] = "driver",
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """How far experience beats (+) or misses (−) expectation: mean perceived − mean expected of the same customers.

    A customer's answers to one question are averaged, then the two questions are paired by customer and attribute. An
    expectation that names no attribute is one of the whole, and stands beside each attribute that has none of its own.
    Expectations asked for after the experience count too; they tend to be coloured by it.

    Args:
        survey_responses: One row per invitation: `survey_id`, `customer_id`, `kind`, `sent_at`, `score`, `driver` (the
            attribute); `responded_at`, `scale_min` and `scale_max` are heeded where present. Answers of kind
            "expectation" are what was expected.
        perceived: Kind of the answers that say what was perceived.
        start, end: Window in which the invitations were sent, `[start, end)`; `None` = open.
        by: The column `driver`, for a table of the attributes.
        columns: Your own column names by the model's.

    Returns:
        An `Estimate` in points of the common scale with Student's interval of the mean difference; n = customers who
        answered both, and `besides["unpaired"]` those who answered one. A customer's attributes are averaged first.
        With `by`, a table of the engine's own kind: the attribute, value, low, high, n, numerator, denominator,
        rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: the answers are on different scales, or `by` is another column.

    Examples:
        >>> import pandas as pd
        >>> answers = pd.DataFrame({
        ...     "survey_id": range(4), "customer_id": ["A", "A", "B", "B"], "sent_at": pd.Timestamp("2026-03-01"),
        ...     "kind": ["expectation", "driver"] * 2, "driver": [None, "price"] * 2, "score": [3, 4, 4, 4],
        ... })
        >>> float(disconfirmation_gap(answers))
        0.5

    References:
        Oliver (1980), A cognitive model of the antecedents and consequences of satisfaction decisions. Journal of
        Marketing Research 17(4), 460–469. Parasuraman, Zeithaml & Berry (1988), SERVQUAL. Journal of Retailing 64(1).
    """
    window = time_window(start, end)
    one_of("perceived", perceived, PERCEIVED)
    if by is not None:
        one_of("by", by, ((columns or {}).get("driver", "driver"),))
    keep = ("customer_id", "driver")
    asked = open_answers(survey_responses, "expectation", perceived, window=window, by=by, columns=columns, keep=keep)
    low, high = one_scale(asked, "expectation", perceived)
    answers = _answers(asked.frame)
    gaps = _pairs(answers, perceived)
    definition = Definition("disconfirmation_gap", {"perceived": perceived})

    def mean(sums: Sums) -> Figures:
        return means(sums["n"], sums["total"], sums["squares"]).held(low - high, high - low)

    if by is not None:
        named = nw.when(DRIVER != WHOLE).then(DRIVER)  # a group may be none, and Spark's types say so
        units = Units(_by_driver(asked.source), gaps.filter(DRIVER != WHOLE).with_columns(group=named))
        return summarise(_differences(units), mean, window, definition, by=by, unit="points")
    paired = gaps.group_by("customer_id").agg(nw.col("difference").mean())
    everyone = answers.select("customer_id").unique()
    units = Units(asked.source, everyone.join(paired, on="customer_id", how="left"))
    return summarise(_differences(units), mean, window, definition, unit="points", besides=("unpaired",))


def driver_analysis(
    survey_responses: Any,
    *,
    outcome: str = "csat",
    method: Literal["correlation", "regression"] = "correlation",
    gap: Literal["top", "expected"] = "top",
    least: int = 10,
    start: When = None,
    end: When = None,
    columns: Columns = None,
) -> Any:
    """Which driver to mend first: how much it goes with the outcome, times how far it falls short.

    Customers are the units: their answers to one question are averaged. It is about what goes together, not about what
    brings about what: a customer in a good mood gives high marks to everything.

    Args:
        survey_responses: As for `disconfirmation_gap`; answers of kind "driver" are about the driver they name.
        outcome: Kind of the answers to explain, e.g. "csat" or "nps".
        method: Importance of a driver: "correlation" with the outcome, each driver for itself; "regression" = its
            standardised coefficient with all drivers in one equation, from the customers who answered them all.
        gap: How far the driver falls short: "top" = top of the scale − mean; "expected" = expectation − mean perceived
            of the same customers.
        least: Fewest customers per driver; below, importance is empty, with a warning. For a regression so many times
            the number of drivers are needed.
        start, end, columns: As for `disconfirmation_gap`.

    Returns:
        The engine's own kind of table, one row per driver in alphabetical order: `driver`, `importance` (−1 to 1), its
        `low` and `high` (Fisher's z; Student's for a regression), `pairs` (customers it is made of), `performance`
        (mean score), `n` (answers), `gap` (points) and `priority` = importance × gap.

    Raises:
        MissingColumn, WrongType: as for `disconfirmation_gap`.
        ParameterError: an unknown outcome, method or gap; drivers on different scales; more than 40 drivers.

    Examples:
        >>> import pandas as pd
        >>> answers = pd.DataFrame({
        ...     "survey_id": range(24), "customer_id": [*range(12)] * 2, "sent_at": pd.Timestamp("2026-03-01"),
        ...     "kind": ["csat"] * 12 + ["driver"] * 12, "driver": [None] * 12 + ["waiting"] * 12,
        ...     "score": [1, 2, 3, 3, 4, 4, 4, 5, 5, 5, 5, 5, 1, 1, 2, 3, 3, 4, 3, 5, 4, 5, 4, 5],
        ... })
        >>> table = driver_analysis(answers)
        >>> table[["driver", "importance", "gap"]].round(2).to_dict("records")
        [{'driver': 'waiting', 'importance': 0.93, 'gap': 1.67}]

    References:
        Martilla & James (1977), Importance–performance analysis. Journal of Marketing 41(1), 77–79.
    """
    window = time_window(start, end)
    one_of("outcome", outcome, tuple(kind for kind in KINDS if kind != "driver"))
    one_of("method", method, ("correlation", "regression"))
    one_of("gap", gap, ("top", "expected"))
    least = whole_number("least", least)
    kinds = tuple(dict.fromkeys(("driver", outcome, *(["expectation"] if gap == "expected" else []))))
    asked = open_answers(survey_responses, *kinds, window=window, columns=columns, keep=("customer_id", "driver"))
    asked.source.tell(frames.row(asked.source.left_out()))
    answers = _answers(asked.frame)
    drivers = Units(asked.source, asked.frame.filter(_is("driver")))
    _, top = one_scale(drivers, "driver")
    found = _performance(drivers.frame, top)
    names = found["driver"]
    if gap == "expected":
        one_scale(Units(asked.source, asked.frame.filter(_is("driver") | _is("expectation"))), "driver", "expectation")
        found["gap"] = _expected_gaps(answers, names)
    scores = answers.filter(_is("driver")), answers.filter(_is(outcome))
    found |= (_correlations if method == "correlation" else _regression)(*scores, names, least)
    found["priority"] = found["importance"] * found["gap"]
    order = ("driver", "importance", "low", "high", "pairs", "performance", "n", "gap", "priority")
    small = frames.table(asked.frame, {name: found[name] for name in order})
    return frames.give_back(frames.same_kind(asked.frame, small))


# --- answers of the same customer


def _answers(frame: Frame) -> Frame:
    """Each customer's mean answer by kind and driver."""
    driver = nw.when(_is("driver") | _is("expectation")).then(DRIVER.cast(nw.String)).otherwise(nw.lit(WHOLE))
    answered = frame.filter(~SCORE.is_null()).with_columns(kind=KIND.cast(nw.String), driver=driver.fill_null(WHOLE))
    return answered.group_by("customer_id", "kind", "driver").agg(SCORE.mean())


def _is(kind: str) -> nw.Expr:
    return (KIND.cast(nw.String) == kind).fill_null(False)


def _pairs(answers: Frame, perceived: str) -> Frame:
    """`difference` of perceived and expected by customer and driver."""
    expected = answers.filter(_is("expectation"))
    own = expected.select("customer_id", "driver", own=SCORE)
    whole = expected.filter(DRIVER == WHOLE).select("customer_id", whole=SCORE)
    felt = answers.filter(_is(perceived)).select("customer_id", "driver", "score")
    both = felt.join(own, on=["customer_id", "driver"], how="left").join(whole, on="customer_id", how="left")
    expectation = nw.when(nw.col("own").is_null()).then(nw.col("whole")).otherwise(nw.col("own"))
    both = both.with_columns(difference=SCORE - expectation)
    return both.filter(~nw.col("difference").is_null()).select("customer_id", "driver", "difference")


def _differences(units: Units) -> Any:
    difference = nw.col("difference")
    unpaired = difference.is_null()
    return units.sums(n=~unpaired, total=difference, squares=difference * difference, unpaired=unpaired)


def _by_driver(source: Rows) -> Rows:
    """The rows that belong to a driver, or should: an expectation of the whole makes no group of its own."""
    frame = source.frame.with_columns(group=nw.col("group").cast(nw.String))
    return replace(source, frame=frame.filter(~nw.col("group").is_null() | source.refused()))


# --- importance and performance


def _performance(rows: Frame, top: float) -> dict[str, Any]:
    """The drivers in alphabetical order with the mean and the number of their answers.

    Raises:
        ParameterError: there are so many that the column is surely no driver.
    """
    answered = rows.filter(~SCORE.is_null()).with_columns(driver=DRIVER.cast(nw.String))
    small = frames.fetch(answered.group_by("driver").agg(n=nw.len(), total=SCORE.sum())).sort("driver")
    if len(small) > MOST_DRIVERS:
        raise ParameterError("many_drivers", found=f"{len(small):,}", most=MOST_DRIVERS)
    n = small["n"].to_numpy().astype(np.int64)
    mean = small["total"].to_numpy().astype(float) / np.maximum(n, 1)
    names = np.array([*small["driver"].to_list(), None], object)[:-1]
    return {"driver": names, "n": n, "performance": mean, "gap": top - mean}


def _expected_gaps(answers: Frame, names: Any) -> Numbers:
    """Mean of expected − perceived by driver; NaN where nobody answered both."""
    pairs = _pairs(answers, "driver").group_by("driver").agg(nw.col("difference").mean())
    found = {row["driver"]: row["difference"] for row in frames.rows(pairs)}
    return np.array([-found.get(name, np.nan) for name in names], float)


def _correlations(drivers: Frame, outcome: Frame, names: Any, least: int) -> dict[str, Any]:
    """Each driver's correlation with the outcome, over the customers who answered both."""
    x, y = nw.col("score"), nw.col("outcome")
    pairs = drivers.join(outcome.select("customer_id", outcome=SCORE), on="customer_id", how="inner")
    pairs = pairs.with_columns(xx=x * x, xy=x * y, yy=y * y)
    sums = pairs.group_by("driver").agg(pairs=nw.len(), **{name: nw.col(name).sum() for name in MOMENTS})
    found = {row["driver"]: row for row in frames.rows(sums)}
    n = np.array([found.get(name, {}).get("pairs", 0) for name in names], dtype=np.int64)
    total = {key: np.array([found.get(name, {}).get(key, 0.0) for name in names], float) for key in MOMENTS}
    known = np.where(n > 1, n, np.nan)
    spread_x, spread_y = (total[f"{one}{one}"] / known - (total[name] / known) ** 2
                          for one, name in (("x", "score"), ("y", "outcome")))  # fmt: skip
    scale = np.where((spread_x > 1e-9) & (spread_y > 1e-9), spread_x * spread_y, np.nan)
    r = np.clip((total["xy"] / known - total["score"] * total["outcome"] / known**2) / np.sqrt(scale), -1, 1)
    r = np.where(n >= least, r, np.nan)
    _tell_few([str(name) for name, few in zip(names, n < least, strict=True) if few], len(names), least)
    return {"importance": r, "pairs": n} | dict(zip(("low", "high"), fisher(r, n), strict=True))


MOMENTS = ("score", "outcome", "xx", "xy", "yy")


def fisher(r: Numbers, n: Any) -> intervals.Ends:
    """The interval of a correlation by Fisher's z; NaN below four pairs, and none for a perfect one.

    Examples:
        >>> low, high = fisher(np.array([0.5]), np.array([28]))
        >>> round(float(low[0]), 3), round(float(high[0]), 3)
        (0.156, 0.736)

    References:
        Fisher (1921), On the probable error of a coefficient of correlation. Metron 1, 3–32.
    """
    inside = np.where(np.abs(r) < 1 - 1e-12, r, np.nan)
    reach = intervals.z() / np.sqrt(np.where(n > 3, n - 3, np.nan))
    return np.tanh(np.arctanh(inside) - reach), np.tanh(np.arctanh(inside) + reach)


def _regression(drivers: Frame, outcome: Frame, names: Any, least: int) -> dict[str, Any]:
    """Standardised coefficients, from sums of products over the customers who answered everything."""
    wide = outcome.select("customer_id", _y=SCORE)
    for place, name in enumerate(names):
        own = drivers.filter(DRIVER == name).select("customer_id", SCORE.alias(f"_x{place}"))
        wide = wide.join(own, on="customer_id", how="inner")
    columns = [*(f"_x{place}" for place in range(len(names))), "_y"]
    wide = wide.with_columns(**{
        f"{one}{other}": nw.col(one) * nw.col(other)
        for place, one in enumerate(columns)
        for other in columns[place:]
    })  # fmt: skip
    rows = wide.drop("customer_id")
    sums = frames.row(rows.select(nw.all().sum()), rows.select(_n=nw.len()))
    n, count = int(sums["_n"] or 0), len(names)
    empty = np.full(count, np.nan)
    if n < least * max(count, 1):
        _tell_few([str(name) for name in names], count, least, pairs=n)
        return {"importance": empty, "low": empty, "high": empty, "pairs": np.full(count, n)}
    beta, reach = standardised(columns, sums, n)
    return {"importance": beta, "low": beta - reach, "high": beta + reach, "pairs": np.full(count, n)}


def standardised(columns: list[str], sums: Mapping[str, Any], n: int) -> tuple[Numbers, Numbers]:
    """Standardised coefficients of the last column on the others, and the reach of their intervals.

    Made of sums and sums of products. NaN where a column does not vary, or two say the same. The interval takes the
    standard deviations as known.
    """
    mean = np.array([sums[name] / n for name in columns], float)
    product = np.empty((len(columns), len(columns)))
    for i, one in enumerate(columns):
        for j, other in enumerate(columns[i:], i):
            product[i, j] = product[j, i] = sums[f"{one}{other}"] / n - mean[i] * mean[j]
    spread = np.sqrt(np.maximum(np.diag(product), 0))
    count = len(columns) - 1
    empty = np.full(count, np.nan)
    if (spread < 1e-6).any():
        return empty, empty
    related = product / np.outer(spread, spread)
    among, with_outcome = related[:-1, :-1], related[:-1, -1]
    if np.linalg.cond(among) > 1e8:
        return empty, empty
    inverse = np.linalg.inv(among)
    beta = inverse @ with_outcome
    freedom = n - count - 1
    rest = max(1 - float(with_outcome @ beta), 0) / max(freedom, 1)
    reach = intervals.t_quantile(freedom) * np.sqrt(rest * np.diag(inverse)) if freedom > 0 else empty
    return beta, np.asarray(reach, float)


def _tell_few(names: list[str], of: int, least: int, pairs: int | None = None) -> None:
    """Warn of drivers with too few customers to say what they mean."""
    if pairs is not None:
        warn(RowsLeftOut("few_complete", pairs=f"{pairs:,}", drivers=of, wanted=f"{least * max(of, 1):,}", least=least))
    elif names:
        warn(RowsLeftOut("few_pairs", rows=len(names), seen=of, drivers=", ".join(names), least=least))
