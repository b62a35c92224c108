"""What customers say of their own accord: reviews, posts and what reaches the feedback desk. Metric 23 and its frames.

Windows are half-open, `[start, end)`, and look at the moment at which the feedback came in. Feedback without a name
counts as feedback, but for nobody: what is told about customers is then a least figure, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames, schema
from crmkit.errors import ParameterError
from crmkit.estimate import Definition, Figures, Numbers, Sums, Window, means, shares
from crmkit.frames import Columns, Names
from crmkit.intervals import z
from crmkit.metrics.relationship.together import by_table, figure_of, same_ids
from crmkit.reduction import middle, one_of, summarise, time_window, whole_number, within
from crmkit.rows import AT, Rows, Units, open_orders, open_rows

When = Any
Sources = str | Sequence[str] | None
STARS = (1, 2, 3, 4, 5)
RECEIVED, RATING, SENTIMENT, STATUS = (nw.col(name) for name in ("received_at", "rating", "sentiment", "status"))
TOPIC_COLUMNS = ("count", "share", "low", "high", "n", "rows_left_out")


def rating_summary(
    feedback: Any,
    *,
    method: Literal["mean", "top2", "shrunk"] = "mean",
    sources: Sources = "review",
    prior_n: int = 5,
    prior_mean: float | None = None,
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Ratings from 1 to 5 stars: their mean, the share of 4 and 5, or a mean that few ratings cannot carry away.

    Who writes a review is mostly delighted or annoyed: no mean of reviews is the mean of the customers.

    Args:
        feedback: One row per piece of feedback: `received_at`, `rating` (empty = not rated), `source` unless `sources`
            is `None`; `feedback_id` tells rows that came twice.
        method: "mean" = the mean, with Student's interval; "top2" = 4–5 ÷ all ratings; "shrunk" = the mean as if
            `prior_n` more ratings had come that are spread like all of them: use it with `by` to rank what has few.
        sources: Where the feedback comes from, e.g. "review" or ["review", "sns"]; `None` = from everywhere.
        prior_n: How many ratings the prior is worth; for "shrunk".
        prior_mean: Its mean in stars; `None` = that of all ratings in the window.
        start, end: Window in which the feedback came in, `[start, end)`; `None` = open.
        by: Column to group by, e.g. "product_id".
        columns: Your own column names by the model's.

    Returns:
        An `Estimate` in stars (for "top2" 0–1), NaN without a rating, with the number of ratings of each kind in
        `besides`; with `by`, a table of the engine's own kind: the group, value, low, high, n, numerator, denominator,
        rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: an unknown method or source, a prior mean off the scale, or a start not before the end.

    Examples:
        >>> import pandas as pd
        >>> reviews = pd.DataFrame({
        ...     "feedback_id": ["1", "2", "3", "4"],
        ...     "received_at": pd.to_datetime(["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04"]),
        ...     "rating": [5.0, 4.0, 1.0, None],
        ... })
        >>> found = rating_summary(reviews, sources=None)
        >>> round(float(found), 3), found.n, found.besides["stars_1"], found.besides["unrated"]
        (3.333, 3, 1, 1)
        >>> round(float(rating_summary(reviews, sources=None, method="top2")), 3)
        0.667
        >>> round(float(rating_summary(reviews, sources=None, method="shrunk", prior_n=3, prior_mean=4)), 3)
        3.667

    References:
        The shrunk mean is that of a Dirichlet prior of `prior_n` ratings; its interval is the posterior's. Gelman et
        al. (2013), Bayesian Data Analysis, 3rd ed., section 3.4.
    """
    one_of("method", method, ("mean", "top2", "shrunk"))
    window, wanted = time_window(start, end), sources_of(sources)
    prior_n = whole_number("prior_n", prior_n)
    if prior_mean is not None and not 1 <= prior_mean <= 5:
        raise ParameterError("prior_off_scale", value=prior_mean)
    off_scale = {"off_scale": (RATING < 1) | (RATING > 5)}
    units = _heard(feedback, window, wanted, ["rating"], off_scale, by, columns)
    stars = {f"stars_{star}": (RATING >= star) & (RATING < star + 1) for star in STARS}
    score = RATING.cast(nw.Float64)
    part = units.sums(
        n=~RATING.is_null(), total=score, squares=score * score, top=RATING >= 4, unrated=RATING.is_null(), **stars
    )
    parameters: dict[str, Any] = {"sources": _words(wanted)}
    unit, figures = ("share", _top2) if method == "top2" else ("points", _mean)
    if method == "shrunk":
        prior = _prior(units, prior_mean)
        parameters |= {"prior_n": prior_n, "prior_mean": f"{prior[0]:.2f}"}

        def figures(sums: Sums) -> Figures:
            return _shrunk(sums, prior_n, *prior)

    definition = Definition(f"rating_summary.{method}", parameters)
    return summarise(part, figures, window, definition, by=by, unit=unit, besides=(*stars, "unrated"))


def review_rate(
    feedback: Any,
    orders: Any,
    *,
    sources: Sources = ("review", "sns"),
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Of the buyers of the window, how many told the world about it in the window.

    Reviews without a name belong to nobody known, so the true share is higher: how many there are is in `besides`.

    Args:
        feedback: One row per piece of feedback: `received_at`, `customer_id`, `source` unless `sources` is `None`.
        orders: One row per order: `customer_id`, `ordered_at`; `status`, `is_test`, `net_amount`, `refund_amount` are
            heeded where present.
        sources: What counts as a review; `None` = all feedback.
        start, end: Window of both, `[start, end)`; `None` = open.
        by: Column of the orders to group by; a customer belongs to the group of the first order in the window.
        columns: Your own column names by table: `{"orders": {"customer_id": "会員番号"}}`.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN without buyers; with `by`, a table as for `rating_summary`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `rating_summary`.

    Examples:
        >>> import pandas as pd
        >>> orders = pd.DataFrame({"customer_id": ["A", "B"], "ordered_at": pd.to_datetime(["2026-03-01"] * 2)})
        >>> reviews = pd.DataFrame({
        ...     "feedback_id": ["1", "2"], "customer_id": ["A", None], "source": ["review", "sns"],
        ...     "received_at": pd.to_datetime(["2026-03-05", "2026-03-06"]),
        ... })
        >>> rate = review_rate(reviews, orders)
        >>> float(rate), rate.besides["nameless"]
        (0.5, 1)
    """
    window, wanted, own = time_window(start, end), sources_of(sources), by_table(columns, "feedback", "orders")
    said = _heard(feedback, window, wanted, ["customer_id"], {}, None, own["feedback"])
    known = ~nw.col("customer_id").is_null()
    writers = said.frame.filter(known).group_by("customer_id").agg(reviews=nw.len())
    bought = open_orders(orders, columns=own["orders"], by=by)
    buyers = bought.per_customer({"first": (AT, "min")}, within=within(AT, window))
    known_buyers, writers = same_ids(buyers.frame, writers)
    buyers = Units(bought, known_buyers.join(writers, on="customer_id", how="left"))
    part = buyers.sums(reviewers=~nw.col("reviews").is_null(), buyers=nw.lit(1.0))
    definition = Definition("review_rate.buyers", {"sources": _words(wanted)})
    return figure_of(
        part, [said.sums(nameless=~known)], lambda sums: shares(sums["reviewers"], sums["buyers"]), window, definition,
        by=by, besides=("nameless",),
    )  # fmt: skip


def net_sentiment(
    feedback: Any,
    *,
    sources: Sources = ("review", "sns"),
    neutral_within: float = 0.05,
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Positive minus negative voices, as a share of all of them; neutral ones count below the line only.

    Args:
        feedback: One row per piece of feedback: `received_at`, `sentiment` (−1 to 1, empty = not judged), `source`
            unless `sources` is `None`.
        sources: Where the feedback comes from; `None` = from everywhere.
        neutral_within: A sentiment this near to 0 is neutral.
        start, end, by, columns: As for `rating_summary`.

    Returns:
        An `Estimate` from −1 (all negative) to 1 (all positive), NaN where nothing has been judged, with the numbers of
        each kind in `besides`; with `by`, a table as for `rating_summary`.

    Raises:
        MissingColumn, WrongType: as for `rating_summary`.
        ParameterError: as for `rating_summary`, or `neutral_within` is not within 0–1.

    Examples:
        >>> import pandas as pd
        >>> posts = pd.DataFrame({
        ...     "feedback_id": list("1234"), "source": ["sns"] * 4,
        ...     "received_at": pd.to_datetime(["2026-03-01"] * 4), "sentiment": [0.8, 0.6, 0.0, -0.4],
        ... })
        >>> float(net_sentiment(posts))
        0.25

    References:
        The interval is that of a difference of two shares of the same answers, with half an answer more on each side
        and one in between: Agresti & Min (2005), Simple improved confidence intervals for comparing matched
        proportions. Statistics in Medicine 24, 729–740. The neutral zone of ±0.05 is VADER's: Hutto & Gilbert (2014).
    """
    window, wanted = time_window(start, end), sources_of(sources)
    if not 0 <= neutral_within <= 1:
        raise ParameterError("not_a_share", parameter="neutral_within", value=neutral_within)
    off_scale = {"off_scale": (SENTIMENT < -1) | (SENTIMENT > 1)}
    units = _heard(feedback, window, wanted, ["sentiment"], off_scale, by, columns)
    part = units.sums(
        n=~SENTIMENT.is_null(), positive=SENTIMENT > neutral_within, negative=SENTIMENT < -neutral_within,
        unjudged=SENTIMENT.is_null(),
    )  # fmt: skip
    parameters = {"sources": _words(wanted), "neutral_within": neutral_within}
    besides = ("positive", "negative", "unjudged")
    return summarise(part, net_shares, window, Definition("net_sentiment.all", parameters), by=by, besides=besides)


def topic_counts(
    feedback: Any,
    *,
    by: str = "topic",
    sources: Sources = None,
    start: When = None,
    end: When = None,
    columns: Columns = None,
) -> Any:
    """How often customers speak of what: pieces of feedback by topic, the most frequent first.

    Args:
        feedback: One row per piece of feedback: `received_at`, the column `by`, `source` unless `sources` is
            `None`.
        by: What to count by: "topic", "need_code", "status", "product_id", …
        sources, start, end, columns: As for `rating_summary`; `columns` does not rename `by`.

    Returns:
        A table of the engine's own kind, one row per topic: `by`, count, share (of all pieces, 0–1) with its interval
        (Wilson) in low and high, n (all pieces) and rows_left_out. What has no topic is a row of its own.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `rating_summary`.

    Examples:
        >>> import pandas as pd
        >>> told = pd.DataFrame({
        ...     "feedback_id": list("123"), "received_at": pd.to_datetime(["2026-03-01"] * 3),
        ...     "topic": ["price", "staff", "staff"],
        ... })
        >>> topic_counts(told)[["topic", "count"]].to_dict("list")
        {'topic': ['staff', 'price'], 'count': [2, 1]}
    """
    if by in TOPIC_COLUMNS:
        raise ParameterError("name_taken", by=by, columns=", ".join(TOPIC_COLUMNS))
    units = _heard(feedback, time_window(start, end), sources_of(sources), [], {}, by, columns)
    small = (
        units.sums(count=nw.lit(1.0))
        .grouped(["count"])
        .sort("count", "group", descending=[True, False], nulls_last=True)
    )
    counted, lost = (small[name].to_numpy().astype(np.int64) for name in ("count", "lost"))
    everything = np.full(len(counted), counted.sum())
    found = shares(counted.astype(float), everything.astype(float))
    beside = frames.table(units.frame, {
        "count": counted, "share": found.value, "low": found.low, "high": found.high, "n": everything,
        "rows_left_out": lost,
    })  # fmt: skip
    done = small.select("group").rename({"group": by}).with_columns(*(beside[name] for name in TOPIC_COLUMNS))
    return frames.give_back(frames.same_kind(units.frame, done))


def feedback_action_rate(
    feedback: Any,
    *,
    figure: Literal["share", "lead_days"] = "share",
    sources: Sources = None,
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """What became of the feedback that was looked at: how much of it was done, or how long that took.

    Feedback of late has had no time to be done: end the window where the slowest work should be over.

    Args:
        feedback: One row per piece of feedback: `received_at`, `status`; `actioned_at` for "lead_days".
        figure: "share" = done ÷ looked at (triaged, planned, done or declined); "lead_days" = the median of the days
            from receipt to action of what was done.
        sources, start, end, by, columns: As for `rating_summary`.

    Returns:
        An `Estimate` (0–1 with Wilson's interval, or days with order statistics), NaN where nothing was looked at or
        done; with `by`, a table as for `rating_summary`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `rating_summary`.

    Examples:
        >>> import pandas as pd
        >>> told = pd.DataFrame({
        ...     "feedback_id": list("123"), "status": ["done", "triaged", "new"],
        ...     "received_at": pd.to_datetime(["2026-03-01"] * 3),
        ...     "actioned_at": pd.to_datetime(["2026-03-11", None, None]),
        ... })
        >>> float(feedback_action_rate(told)), float(feedback_action_rate(told, figure="lead_days"))
        (0.5, 10.0)
    """
    one_of("figure", figure, ("share", "lead_days"))
    window, wanted = time_window(start, end), sources_of(sources)
    acted, words = nw.col("actioned_at"), schema.TABLES["feedback"]["status"].allowed
    rules = {"unknown_feedback_status": STATUS.is_null() | ~STATUS.is_in(words)}
    needs = ["status"]
    if figure == "lead_days":
        rules, needs = {**rules, "out_of_order": acted < RECEIVED}, ["status", "actioned_at"]
    units = _heard(feedback, window, wanted, needs, rules, by, columns)
    done, waiting = STATUS == "done", STATUS.is_in(["triaged", "planned"])
    if figure == "share":
        part = units.sums(
            done=done, looked_at=STATUS != "new", declined=STATUS == "declined", waiting=waiting, unread=STATUS == "new"
        )
        return summarise(
            part, lambda sums: shares(sums["done"], sums["looked_at"]), window, Definition("feedback_action_rate.done"),
            by=by, besides=("declined", "waiting", "unread"),
        )  # fmt: skip
    dated = done & ~acted.is_null()
    ended = nw.when(dated).then(acted).otherwise(RECEIVED)  # pandas cannot take a missing instant apart
    days = nw.when(dated).then(_instant_days(ended) - _instant_days(RECEIVED))
    definition = Definition("feedback_action_rate.lead_days")
    return middle(units, days, window, definition, by=by, unit="days", undated=done & acted.is_null())


def close_loop_rate(
    feedback: Any,
    *,
    sources: Sources = None,
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Of the feedback that came in, how much was answered.

    Args:
        feedback: One row per piece of feedback: `received_at`, `replied_at` (empty = no answer yet).
        sources, start, end, by, columns: As for `rating_summary`.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN if nothing came in; with `by`, a table as for `rating_summary`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `rating_summary`.

    Examples:
        >>> import pandas as pd
        >>> told = pd.DataFrame({
        ...     "feedback_id": ["1", "2"], "received_at": pd.to_datetime(["2026-03-01"] * 2),
        ...     "replied_at": pd.to_datetime(["2026-03-02", None]),
        ... })
        >>> float(close_loop_rate(told))
        0.5
    """
    window, replied = time_window(start, end), nw.col("replied_at")
    rules = {"out_of_order": replied < RECEIVED}
    units = _heard(feedback, window, sources_of(sources), ["replied_at"], rules, by, columns)
    part = units.sums(replied=~replied.is_null(), received=nw.lit(1.0))
    definition = Definition("close_loop_rate.replied")
    return summarise(part, lambda sums: shares(sums["replied"], sums["received"]), window, definition, by=by)


def sources_of(sources: Sources) -> tuple[str, ...] | None:
    """The sources asked for.

    Raises:
        ParameterError: one of them is not in the data model.
    """
    if sources is None:
        return None
    wanted = (sources,) if isinstance(sources, str) else tuple(sources)
    for source in wanted:
        one_of("sources", source, schema.TABLES["feedback"]["source"].allowed)
    return wanted


def net_shares(sums: Sums) -> Figures:
    """(positive − negative) ÷ n, with the interval of Agresti & Min, which has a width even if all say the same."""
    up, down, n = sums["positive"], sums["negative"], sums["n"]
    known = np.where(n > 0, n, np.nan)
    value, more = (up - down) / known, known + 2
    centre = (up - down) / more
    reach = z() * np.sqrt((up + down + 1) / more - centre**2) / np.sqrt(more)
    low, high = np.minimum(centre - reach, value), np.maximum(centre + reach, value)
    return Figures(value, low, high, n.astype(np.int64), up - down, n, "variance").held(-1, 1)


def _heard(
    feedback: Any,
    window: Window,
    sources: tuple[str, ...] | None,
    needs: Sequence[str],
    rules: Mapping[str, nw.Expr],
    by: str | None,
    columns: Columns,
) -> Units:
    """The pieces of feedback of the window and of the sources."""
    needs = [*needs, *([] if sources is None else ["source"])]
    opened: Rows = open_rows(
        feedback, "feedback", needs=("feedback_id", "received_at", *needs), must=needs,
        rules={"no_date": RECEIVED.is_null(), **rules}, key="feedback_id", by=by, columns=columns,
    )  # fmt: skip
    inside = within(RECEIVED, window)
    return opened.units(inside if sources is None else inside & nw.col("source").is_in(sources).fill_null(False))


def _words(sources: tuple[str, ...] | None) -> str:
    return ", ".join(schema.TABLES["feedback"]["source"].allowed if sources is None else sources)


def _mean(sums: Sums) -> Figures:
    return means(sums["n"], sums["total"], sums["squares"])


def _top2(sums: Sums) -> Figures:
    return shares(sums["top"], sums["n"])


def _prior(units: Units, prior_mean: float | None) -> tuple[float, float]:
    """Mean and mean square of the ratings that are added: as spread out as all are, as far as the scale goes."""
    score = RATING.cast(nw.Float64)
    rated = units.frame.filter(~RATING.is_null()).select(score=score, square=score * score)
    found = frames.row(rated.select(n=nw.len(), total=nw.col("score").sum(), squares=nw.col("square").sum()))
    n = found["n"] or np.nan
    mean = (found["total"] or 0.0) / n
    variance = max((found["squares"] or 0.0) / n - mean**2, 0.0)
    centre = mean if prior_mean is None else float(prior_mean)
    return centre, min(variance, (centre - 1) * (5 - centre)) + centre**2


def _shrunk(sums: Sums, prior_n: int, mean: float, square: float) -> Figures:
    n = sums["n"]
    weight: Numbers = n + prior_n
    total = sums["total"] + prior_n * mean
    value = total / weight
    variance = np.maximum((sums["squares"] + prior_n * square) / weight - value**2, 0) / (weight + 1)
    reach = z() * np.sqrt(variance)
    made = Figures(value, value - reach, value + reach, n.astype(np.int64), total, weight, "dirichlet")
    return made.held(1, 5).where(n > 0)


def _instant_days(at: nw.Expr) -> nw.Expr:
    """An instant in days, with its part of the day."""
    minutes = at.dt.hour().cast(nw.Float64) * 60 + at.dt.minute().cast(nw.Float64)
    return frames.day_number(at).cast(nw.Float64) + (minutes + at.dt.second().cast(nw.Float64) / 60) / 1440
