"""Reviews and defects: hand-worked tables on every engine, a simulated shop counted again, and the traps."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import crmkit
from crmkit.errors import MissingColumn, ParameterError, RowsLeftOut
from crmkit.intervals import ratio_of_sums, wilson
from crmkit.metrics.service.quality import CRITERIA, defect_chart, defect_rate, escape_rate, qa_score
from crmkit.plots.quality import plot_defect_rate, plot_qa_score
from crmkit.texts import in_language
from tests.joined import together

REVIEWS = pd.DataFrame(
    {
        "review_id": ["1", "2", "3", "4"],
        "ticket_id": ["a", "a", "b", "c"],
        "reviewer_id": ["R1", "R2", "R1", "R2"],
        "team": ["x", "x", "x", "y"],
        "reviewed_at": pd.to_datetime(["2026-03-01", "2026-03-02", "2026-03-03", "2026-04-01"]).astype(
            "datetime64[us]"
        ),
        "courtesy": pd.array([2, 1, 0, 2], dtype="Int64"),
        "apology": pd.array([2, None, None, None], dtype="Int64"),
        "guideline_followed": pd.array([True, False, None, True], dtype="boolean"),
    }
)
REVIEWS["reviewed_at"] = REVIEWS["reviewed_at"].astype("datetime64[us]")
ITEMS = pd.DataFrame(
    [
        ("o1", 1, "P1", 1.0, True, True),
        ("o1", 2, "P2", 3.0, True, False),
        ("o2", 1, "P1", 2.0, False, True),
        ("o3", 1, "P1", 4.0, True, False),
        ("o4", 1, "P1", 1.0, True, True),  # cancelled: never left the shop
        ("o5", 1, "P1", 1.0, True, True),  # a test
        ("o6", 1, "P2", 1.0, False, False),  # refunded: it was delivered all the same
    ],
    columns=["order_id", "line_no", "product_id", "quantity", "was_inspected", "is_defective"],
)
ORDERS = pd.DataFrame(
    {
        "order_id": ["o1", "o2", "o3", "o4", "o5", "o6"],
        "customer_id": ["c", "c", None, "c", "c", "d"],
        "ordered_at": pd.to_datetime(
            ["2026-02-01", "2026-02-28 23:59", "2026-03-01"] + ["2026-03-02"] * 3, format="ISO8601"
        ),
        "status": ["completed", "completed", "completed", "cancelled", "completed", "completed"],
        "is_test": [False, False, False, False, True, False],
        "net_amount": 10.0,
        "refund_amount": [0.0, 0.0, 0.0, 0.0, 0.0, 10.0],
    }
)
ORDERS["ordered_at"] = pd.to_datetime(ORDERS["ordered_at"], format="ISO8601").astype("datetime64[us]")


@pytest.fixture(scope="module")
def salon():
    return crmkit.simulate("salon", customers=1500, weeks=104, seed=7)


def counted(figure):
    return figure.numerator, figure.denominator


def test_scores_by_hand(engine):
    reviews = engine(REVIEWS)
    courtesy = qa_score(reviews, criterion="courtesy")
    assert (counted(courtesy), courtesy.n) == ((5, 8), 3)  # four reviews of three tickets
    low, high = ratio_of_sums(3, 5, 8, 3**2 + 0 + 2**2, 3 * 4 + 0 + 2 * 2, 4**2 + 2**2 + 2**2)
    assert (courtesy.low, courtesy.high) == (max(float(low), 0), min(float(high), 1))
    assert counted(qa_score(reviews, criterion="apology")) == (2, 2)
    assert counted(qa_score(reviews)) == (7, 10)  # what does not apply counts neither way
    mean = qa_score(reviews, method="mean")
    assert counted(mean) == (pytest.approx(1 + 0.5 + 0 + 1), 4)
    guideline = qa_score(reviews, criterion="guideline_followed")
    assert (counted(guideline), guideline.method) == ((2, 3), "wilson")
    wide = qa_score(reviews, criterion="courtesy", cluster="reviewer_id")
    assert (counted(wide), wide.n) == ((5, 8), 2)
    teams = engine.back(qa_score(reviews, criterion="courtesy", by="team")).set_index("team")
    assert teams["value"].to_dict() == {"x": 0.5, "y": 1.0}
    assert teams["n"].to_dict() == {"x": 2, "y": 1}
    assert pd.isna(teams.loc["y", "low"])  # of one ticket nothing can be said
    march = qa_score(reviews, criterion="courtesy", end="2026-04-01")
    assert counted(march) == (3, 6)
    assert march.besides == {"reviewers": 2}


def test_reviewers_are_shown_when_they_reviewed_enough(salon):
    whole = qa_score(salon.quality_reviews)
    grades = salon.quality_reviews[list(CRITERIA)].astype(float)
    given, could = grades.sum(axis=1), 2 * grades.notna().sum(axis=1)
    assert counted(whole) == (given.sum(), could.sum())
    per = pd.DataFrame({"y": given, "x": could}).groupby(salon.quality_reviews["reviewer_id"]).sum()
    scores = per["y"] / per["x"]
    assert whole.besides["reviewers"] == 3
    assert whole.besides["lowest_reviewer"] == pytest.approx(scores.min())
    assert whole.besides["highest_reviewer"] == pytest.approx(scores.max())
    assert qa_score(salon.quality_reviews, method="mean").value == pytest.approx((given / could).mean())
    table = qa_score(salon.quality_reviews, by="reviewer_id").set_index("reviewer_id")
    assert table["value"].to_dict() == pytest.approx(scores.to_dict())
    narrow, wide = whole, qa_score(salon.quality_reviews, cluster="reviewer_id")
    assert wide.high - wide.low > narrow.high - narrow.low
    assert whole._repr_html_()


def test_reviews_off_the_scale_and_none_at_all():
    bad = REVIEWS.assign(
        courtesy=[2.0, 3.0, -1.0, math.inf], reviewed_at=REVIEWS["reviewed_at"].where(REVIEWS.index > 0)
    )
    with pytest.warns(RowsLeftOut, match="off its scale|no date"):
        score = qa_score(bad, criterion="courtesy")
    assert score.excluded == {"no_date": 1, "off_scale": 3}
    assert math.isnan(score.value)
    none = REVIEWS.assign(courtesy=pd.array([None] * 4, dtype="Int64"))
    assert (math.isnan(qa_score(none, criterion="courtesy").value), qa_score(none, criterion="courtesy").n) == (True, 0)
    assert math.isnan(qa_score(REVIEWS.iloc[:0]).value)
    assert qa_score(REVIEWS.assign(ticket_id=None)).n == 4  # of no known ticket: each stands alone
    assert qa_score(REVIEWS.drop(columns="reviewer_id")).besides == {}
    with pytest.warns(RowsLeftOut, match="repeat the id"):
        assert counted(qa_score(pd.concat([REVIEWS, REVIEWS]), criterion="courtesy")) == (5, 8)


def test_reviews_refuse_what_makes_no_sense():
    for wrong in ({"criterion": "speed"}, {"method": "median"}, {"cluster": "team"}, {"start": "x"}):
        with pytest.raises(ParameterError):
            qa_score(REVIEWS, **wrong)
    with pytest.raises(MissingColumn, match="'empathy'"):
        qa_score(REVIEWS, criterion="empathy")
    with pytest.raises(MissingColumn, match="'courtesy'"):
        qa_score(REVIEWS[["review_id", "ticket_id", "reviewed_at"]])


def test_defects_by_hand(engine):
    items, orders = together(engine, ITEMS, ORDERS)
    rate = defect_rate(items, orders=orders)
    assert (counted(rate), rate.n) == ((3, 11), 5)
    assert rate.excluded == {"cancelled": 1, "test": 1}
    effective = 11**2 / (1 + 9 + 4 + 16 + 1)
    assert rate.low == pytest.approx(float(wilson(3 / 11 * effective, effective)[0]))
    assert counted(defect_rate(items)) == (5, 13)
    assert counted(defect_rate(items, orders=orders, end="2026-03-01")) == (3, 6)
    escape = escape_rate(items, orders=orders)
    assert (counted(escape), escape.n) == ((1, 8), 3)
    assert escape.besides == {"not_inspected": 2}
    table = engine.back(defect_rate(items, orders=orders, by="product_id")).set_index("product_id")
    assert table["value"].to_dict() == {"P1": pytest.approx(3 / 7), "P2": 0}
    assert table["high"]["P2"] > 0.3  # none of four is not never
    chart = engine.back(defect_chart(items, orders))
    assert pd.to_datetime(chart["period"]).dt.strftime("%Y-%m-%d").to_list() == ["2026-02-01", "2026-03-01"]
    assert chart["numerator"].to_list() == [3, 0]
    assert chart["denominator"].to_list() == [6, 5]
    assert chart["centre"].to_list() == pytest.approx([3 / 11] * 2)
    reach = 3 * math.sqrt(3 / 11 * 8 / 11 / (6**2 / 14))
    assert chart["high_limit"][0] == pytest.approx(min(3 / 11 + reach, 1))
    assert not chart["outside"].any()
    weeks = engine.back(defect_chart(items, orders, every="1w", measure="escape"))
    assert pd.to_datetime(weeks["period"]).dt.strftime("%Y-%m-%d").to_list() == ["2026-01-26", "2026-02-23"]


def test_of_lines_of_one_unit_it_is_wilsons_interval():
    single = ITEMS.assign(quantity=1.0)
    rate = defect_rate(single)
    assert (rate.low, rate.high) == pytest.approx(tuple(float(end) for end in wilson(4, 7)))
    assert counted(defect_rate(ITEMS.drop(columns="quantity"))) == (4, 7)


def test_lines_that_cannot_be_used_are_said():
    items = pd.concat([ITEMS, ITEMS.iloc[[0]]], ignore_index=True).astype({"is_defective": "boolean"})
    items.loc[1, "quantity"], items.loc[2, "quantity"], items.loc[3, "quantity"] = np.nan, -1.0, np.inf
    items.loc[6, "is_defective"] = pd.NA
    items.loc[4, "order_id"] = "nobody"
    with pytest.warns(RowsLeftOut):
        rate = defect_rate(items, orders=ORDERS)
    assert counted(rate) == (1, 1)
    assert rate.excluded == {"unknown_order": 1, "test": 1, "no_quantity": 3, "not_recorded": 1, "same_key": 1}
    assert math.isnan(defect_rate(ITEMS.iloc[:0], orders=ORDERS).value)
    assert math.isnan(escape_rate(ITEMS.assign(was_inspected=False)).value)
    assert len(defect_chart(ITEMS.iloc[:0], ORDERS)) == 0
    with pytest.raises(ParameterError, match="orders="):
        defect_rate(ITEMS, start="2026-03-01")
    with pytest.raises(MissingColumn, match="'is_defective'"):
        defect_rate(ITEMS.drop(columns="is_defective"))
    with pytest.raises(ParameterError, match="'1mo'"):
        defect_chart(ITEMS, ORDERS, every="1month")
    with pytest.raises(ParameterError, match="'defect'"):
        defect_chart(ITEMS, ORDERS, measure="all")


def test_a_simulated_shop_counted_again(salon):
    left = salon.orders[(salon.orders["status"] == "completed") & ~salon.orders["is_test"]]
    lines = salon.order_items.merge(left[["order_id", "ordered_at"]], on="order_id")
    bad = (lines["quantity"] * lines["is_defective"]).sum()
    assert counted(defect_rate(salon.order_items, orders=salon.orders)) == (bad, lines["quantity"].sum())
    seen = lines[lines["was_inspected"]]
    wanted = (seen["quantity"] * seen["is_defective"]).sum(), seen["quantity"].sum()
    assert counted(escape_rate(salon.order_items, orders=salon.orders)) == wanted
    for every, alias in (("1d", "D"), ("1w", "W-SUN"), ("1mo", "M"), ("1q", "Q"), ("1y", "Y")):
        chart = defect_chart(salon.order_items, salon.orders, every=every)
        per = (lines["quantity"] * lines["is_defective"]).groupby(lines["ordered_at"].dt.to_period(alias)).sum()
        assert chart["numerator"].to_list() == per.to_list()
        assert chart["period"].to_list() == [period.start_time for period in per.index]
    # the shop's problems raise the defects of their products, and the chart of months sees it
    monthly = defect_chart(salon.order_items, salon.orders)
    outside = monthly[monthly["outside"]]["period"]
    opened, acted = salon.problems["opened_at"].min(), salon.problems["corrective_action_at"].max()
    assert len(outside)
    assert outside.between(opened - pd.Timedelta(days=31), acted).all()


@pytest.mark.parametrize("language", ["ja", "en"])
def test_pictures(language, salon):
    with in_language(language):
        chart = defect_chart(salon.order_items, salon.orders)
        axes = plot_defect_rate(chart)
        inside, outside = (len(dots.get_offsets()) for dots in axes.collections)
        assert (inside, outside) == ((~chart["outside"]).sum(), chart["outside"].sum())
        weekly = plot_defect_rate(defect_chart(salon.order_items, salon.orders, every="1w", measure="escape"))
        scores = {name: qa_score(salon.quality_reviews, criterion=name) for name in ("courtesy", "apology")}
        rows = plot_qa_score(scores)
        assert len(rows.get_yticklabels()) == 2
        reviewers = plot_qa_score(qa_score(REVIEWS, by="reviewer_id"))
        nothing = plot_qa_score(qa_score(REVIEWS.iloc[:0]))
        assert len(nothing.texts) == 1
        empty = plot_defect_rate(defect_chart(ITEMS.iloc[:0], ORDERS))
        for one in (axes, weekly, rows, reviewers, nothing, empty):
            assert one.get_xlabel()
            one.figure.canvas.draw()
