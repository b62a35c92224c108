"""What customers say of their own accord: hand-worked tables on every engine, properties, and the traps around them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit
from crmkit.errors import MissingColumn, ParameterError, RowsLeftOut, WrongType
from crmkit.intervals import t_mean, wilson
from crmkit.metrics.relationship.voice import (
    close_loop_rate,
    feedback_action_rate,
    net_sentiment,
    net_shares,
    rating_summary,
    review_rate,
    topic_counts,
)
from crmkit.plots.voice import plot_rating_summary, plot_topic_counts
from crmkit.texts import in_language
from tests.joined import quietly, together


def days(*found: str | None) -> pd.Series:
    return pd.Series(pd.to_datetime([None if day is None else f"2026-03-{day}" for day in found]))


# 1–5 reviews with stars, 6 unrated, 7 a survey, 8 twice, 9 off the scale, 10 without a date
HEARD = pd.DataFrame(
    {
        "feedback_id": ["1", "2", "3", "4", "5", "6", "7", "8", "8", "9", "10"],
        "customer_id": ["A", "A", "B", None, "C", "B", "D", "E", "E", "A", "A"],
        "received_at": days("01", "02", "03", "04", "05", "06", "07", "08", "08", "09", None),
        "source": ["review"] * 5 + ["sns", "survey_comment", "desk", "desk", "review", "review"],
        "rating": [5.0, 4.0, 1.0, 5.0, 3.0, None, 1.0, None, None, 7.0, 5.0],
        "sentiment": [0.8, 0.6, -0.9, 0.7, 0.0, -0.2, 0.0, None, None, 0.1, 0.3],
        "topic": ["staff", "staff", "price", None, "staff", "price", "price", "booking", "booking", "staff", "staff"],
        "status": ["done", "triaged", "done", "declined", "new", "planned", "done", "new", "new", "odd", "new"],
        "actioned_at": days("11", None, "06", None, None, None, None, None, None, None, None),
        "replied_at": days("02", None, None, "03", None, None, "09", None, None, None, None),
    }
)
ORDERS = pd.DataFrame(
    {
        "customer_id": ["A", "B", "C", "D", "F", "A", None],
        "ordered_at": days("01", "01", "02", "03", "04", "09", "09"),
        "shop": ["north", "north", "south", "south", "south", "south", "south"],
        "status": ["completed"] * 4 + ["cancelled"] + ["completed"] * 2,
    }
)


def test_ratings(engine):
    table = engine(HEARD)
    with pytest.warns(RowsLeftOut):
        mean = rating_summary(table)
    assert mean.excluded == {"same_key": 1, "no_date": 1, "off_scale": 1}
    assert (mean.value, mean.n, mean.numerator) == (3.6, 5, 18)
    assert [mean.besides[f"stars_{star}"] for star in range(1, 6)] == [1, 0, 1, 1, 2]
    assert (mean.low, mean.high) == pytest.approx(t_mean(5, 18, 76))
    assert mean.unit == "points"
    top = quietly(rating_summary, table, method="top2")
    assert (top.numerator, top.denominator) == (3, 5)
    assert (top.low, top.high) == pytest.approx(wilson(3, 5))
    every = quietly(rating_summary, table, sources=["review", "sns", "survey_comment"])
    assert (every.n, every.besides["unrated"]) == (6, 1)
    # with 5 more ratings of mean 3.6: staff (5 + 4 + 3 + 18) ÷ 8, price (1 + 18) ÷ 6, no topic (5 + 18) ÷ 6
    shrunk = engine.back(quietly(rating_summary, table, method="shrunk", by="topic")).set_index("topic")["value"]
    assert shrunk["staff"] == pytest.approx(30 / 8)
    assert shrunk["price"] == pytest.approx(19 / 6)
    assert shrunk[shrunk.index.isna()].to_list() == pytest.approx([23 / 6])


def test_reviews_and_sentiment(engine):
    heard, orders = together(engine, HEARD, ORDERS)
    # buyers A, B, C, D: A, B and C reviewed; D answered a survey, F's order was cancelled
    rate = quietly(review_rate, heard, orders)
    assert (rate.numerator, rate.denominator, rate.besides["nameless"]) == (3, 4, 1)
    assert rate.excluded == {"no_customer": 1, "cancelled": 1, "no_date": 1, "same_key": 1}
    shops = engine.back(quietly(review_rate, heard, orders, by="shop"))
    assert shops[["shop", "numerator", "denominator"]].values.tolist() == [["north", 2, 2], ["south", 1, 2]]
    # reviews and posts: 1, 2, 4 and 9 positive, 3 and 6 negative, 5 neutral
    net = quietly(net_sentiment, heard)
    assert (net.value, net.n) == (pytest.approx(2 / 7), 7)
    assert net.besides == {"positive": 4, "negative": 2, "unjudged": 0}
    assert quietly(net_sentiment, heard, sources=None, neutral_within=0.25).besides == {
        "positive": 3, "negative": 1, "unjudged": 1,
    }  # fmt: skip


def test_what_became_of_the_feedback(engine):
    heard = engine(HEARD)
    done = quietly(feedback_action_rate, heard)
    assert (done.numerator, done.denominator) == (3, 6)  # 10 has no date, 9 a status of its own, 5 and 8 are new
    assert done.besides == {"declined": 1, "waiting": 2, "unread": 2}
    assert done.excluded["unknown_feedback_status"] == 1
    lead = quietly(feedback_action_rate, heard, figure="lead_days")
    assert (lead.value, lead.n, lead.besides["undated"]) == (6.5, 2, 1)  # 10 and 3 days
    sources = engine.back(quietly(feedback_action_rate, heard, figure="lead_days", by="source")).set_index("source")
    assert sources.loc["review", "value"] == 6.5
    assert np.isnan(sources.loc["sns", "value"])
    answered = quietly(close_loop_rate, heard)
    assert (answered.numerator, answered.denominator) == (2, 8)
    assert answered.excluded == {"same_key": 1, "no_date": 1, "out_of_order": 1}
    topics = engine.back(topic_counts(heard))
    assert topics["topic"].fillna("none").to_list() == ["staff", "price", "booking", "none"]
    assert topics["count"].to_list() == [4, 3, 1, 1]
    assert topics["n"].to_list() == [9] * 4
    assert topics["rows_left_out"].to_list() == [1, 0, 0, 0]
    assert topics["share"].to_list() == pytest.approx([4 / 9, 3 / 9, 1 / 9, 1 / 9])


@pytest.mark.parametrize(
    "figure",
    [
        rating_summary,
        lambda heard: rating_summary(heard, method="top2"),
        lambda heard: rating_summary(heard, method="shrunk"),
        net_sentiment,
        feedback_action_rate,
        lambda heard: feedback_action_rate(heard, figure="lead_days"),
        close_loop_rate,
        lambda heard: review_rate(heard, ORDERS.head(0)),
    ],
)
@pytest.mark.parametrize("rows", [HEARD.head(0), HEARD.assign(rating=np.nan, sentiment=np.nan).iloc[:0]])
def test_no_data_is_nan_and_not_nought(figure, rows):
    found = figure(rows)
    assert np.isnan(found.value)
    assert np.isnan(found.low)
    assert found.n == 0


def test_one_rating_has_no_interval_but_a_shrunk_one():
    alone = HEARD.head(1)
    assert np.isnan(rating_summary(alone).low)
    shrunk = rating_summary(alone, method="shrunk", prior_mean=3, prior_n=4)
    assert shrunk.value == pytest.approx(17 / 5)
    assert shrunk.low < shrunk.value < shrunk.high <= 5


def test_columns_of_nothing_and_of_other_types():
    nothing = HEARD.assign(rating=None, sentiment=np.nan)
    assert np.isnan(quietly(net_sentiment, nothing).value)
    assert quietly(net_sentiment, nothing).besides["unjudged"] == 7
    with pytest.raises(WrongType):
        rating_summary(HEARD.assign(rating=["five"] * len(HEARD)))
    with pytest.raises(MissingColumn, match="replied_at"):
        close_loop_rate(HEARD.drop(columns="replied_at"))
    with pytest.raises(MissingColumn, match="source"):
        rating_summary(HEARD.drop(columns="source"))
    infinite = quietly(rating_summary, HEARD.assign(rating=np.inf))
    assert (infinite.n, infinite.excluded["off_scale"]) == (0, 9)


def test_ids_of_two_types_still_meet():
    orders = ORDERS.assign(customer_id=[1, 2, 3, 4, 5, 1, 9], ordered_at=ORDERS["ordered_at"])
    heard = HEARD.assign(customer_id=HEARD["customer_id"].map({"A": "1", "B": "2", "C": "3", "D": "4", "E": "7"}))
    assert quietly(review_rate, heard, orders).numerator == 3
    nobody = HEARD.assign(customer_id=np.nan)
    assert quietly(review_rate, nobody, ORDERS).numerator == 0


def test_what_makes_no_sense_is_refused():
    for wrong in (
        {"method": "median"}, {"sources": "reviews"}, {"method": "shrunk", "prior_mean": 9},
        {"method": "shrunk", "prior_n": 0}, {"start": "2026-03-02", "end": "2026-03-01"},
    ):  # fmt: skip
        with pytest.raises(ParameterError):
            rating_summary(HEARD, **wrong)
    with pytest.raises(ParameterError, match="neutral_within"):
        net_sentiment(HEARD, neutral_within=2)
    with pytest.raises(MissingColumn, match="会員番号"):
        review_rate(HEARD, ORDERS, columns={"customer_id": "会員番号"})
    with pytest.raises(ParameterError, match="count"):
        topic_counts(HEARD.assign(count=1), by="count")


@settings(max_examples=25)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=60), st.floats(1, 5), st.integers(1, 50))
def test_the_shrunk_mean_lies_between_the_ratings_and_the_prior(stars, prior_mean, prior_n):
    rows = pd.DataFrame({"feedback_id": range(len(stars)), "received_at": days(*["01"] * len(stars)), "rating": stars})
    found = rating_summary(rows, method="shrunk", sources=None, prior_n=prior_n, prior_mean=prior_mean)
    ends = sorted([np.mean(stars), prior_mean])
    assert ends[0] - 1e-9 <= found.value <= ends[1] + 1e-9
    assert 1 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 5


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_net_sentiment_turns_round_with_its_sign(up, down, neither):
    one, other = (
        net_shares({"positive": np.array([a]), "negative": np.array([b]), "n": np.array([up + down + neither])})
        for a, b in ((float(up), float(down)), (float(down), float(up)))
    )
    if up + down + neither:
        assert (one.value[0], one.low[0], one.high[0]) == pytest.approx(
            (-other.value[0], -other.high[0], -other.low[0])
        )
        assert -1 <= one.low <= one.value <= one.high <= 1
        assert one.low < one.high  # even if all say the same
    else:
        assert np.isnan([one.value, one.low, one.high]).all()


def test_a_simulated_shop_agrees_with_pandas():
    shop = crmkit.simulate("salon", customers=600, weeks=78, seed=3)
    heard, orders = shop.feedback, shop.orders
    window = {"start": "2025-01-01", "end": "2025-05-01"}
    inside = heard[(heard["received_at"] >= "2025-01-01") & (heard["received_at"] < "2025-05-01")]
    reviews = inside[inside["source"] == "review"]
    assert rating_summary(heard, **window).value == pytest.approx(reviews["rating"].mean())
    means = rating_summary(heard, by="product_id", **window).set_index("product_id")["value"].dropna()
    expected = reviews.groupby("product_id")["rating"].mean()
    assert means.to_dict() == pytest.approx(expected.to_dict())
    valid = (orders["status"] == "completed") & ~orders["is_test"]
    valid &= ~((orders["refund_amount"] > 0) & (orders["refund_amount"] >= orders["net_amount"]))
    bought = orders[valid & (orders["ordered_at"] >= "2025-01-01") & (orders["ordered_at"] < "2025-05-01")]
    writers = set(inside.loc[inside["source"].isin(["review", "sns"]), "customer_id"].dropna())
    rate = review_rate(heard, orders, **window)
    buyers = set(bought["customer_id"].dropna())
    assert (rate.numerator, rate.denominator) == (len(buyers & writers), len(buyers))
    done = inside[inside["status"] == "done"]
    lead = (done["actioned_at"] - done["received_at"]).dt.total_seconds() / 86_400
    found = feedback_action_rate(heard, figure="lead_days", **window)
    assert found.value == pytest.approx(lead.median())
    counted = topic_counts(heard, by="need_code").dropna().set_index("need_code")["count"]
    assert counted.to_dict() == heard["need_code"].value_counts().to_dict()


@pytest.mark.parametrize("code", ["en", "ja"])
def test_pictures_show_what_was_counted(code):
    with in_language(code):
        stars = plot_rating_summary(quietly(rating_summary, HEARD))
        assert [bar.get_height() for bar in stars.patches] == [1, 0, 1, 1, 2]
        assert any("3.60" in label.get_text() for label in stars.texts)
        groups = plot_rating_summary(quietly(rating_summary, HEARD, by="topic", method="shrunk"))
        assert len(groups.get_yticklabels()) == 4  # booking was never rated
        pair = {"reviews": quietly(rating_summary, HEARD), "all": quietly(rating_summary, HEARD, sources=None)}
        assert [label.get_text() for label in plot_rating_summary(pair).get_yticklabels()] == ["reviews", "all"]
        topics = plot_topic_counts(topic_counts(HEARD))
        assert [bar.get_width() for bar in topics.patches] == [4, 3, 1, 1]
        empty = plot_topic_counts(topic_counts(HEARD.head(0)))
        assert not empty.patches
        assert plot_rating_summary(rating_summary(HEARD.head(0))).patches
