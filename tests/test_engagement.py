"""Acts of one's own, channels and who speaks: hand-worked tables on every engine, and a shop by brute force."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import crmkit
from crmkit.errors import MissingColumn, ParameterError
from crmkit.intervals import ratio_of_sums, t_mean, wilson
from crmkit.metrics.relationship.channels import omnichannel_customer_rate, two_way_share
from crmkit.metrics.relationship.engagement import engaged_customer_rate, engagement_score
from tests.joined import quietly, together


def at(*found: str | None) -> pd.Series:
    return pd.Series(pd.to_datetime([None if one is None else f"2026-{one}" for one in found]))


TABLES = {
    "orders": pd.DataFrame(
        {"customer_id": ["A", "B", "C", "D", "E"], "ordered_at": at("03-01", "03-02", "03-03", "02-01", "03-05"),
         "channel": ["web", "store", "store", "web", "store"], "shop": ["n", "n", "s", "s", "s"],
         "status": ["completed"] * 4 + ["cancelled"]}
    ),
    "interactions": pd.DataFrame(
        {"interaction_id": list("12345678"), "customer_id": ["A", "B", "B", "C", "E", None, "D", "A"],
         "occurred_at": at("03-01", "03-10", "03-11", "03-11", "03-05", "03-12", "01-01", None),
         "direction": ["inbound", "outbound", "inbound", "inbound", "inbound", "inbound", "inbound", "odd"],
         "kind": ["visit", "follow_up", "inquiry", "consult", "visit", "visit", "visit", "visit"],
         "channel": ["store", "email", "phone", "store", "web", "web", "store", "store"],
         "order_id": ["o1", "o2", None, None, "o5", None, None, None]}
    ),
    "campaign_sends": pd.DataFrame(
        {"send_id": list("123"), "customer_id": ["B", "D", "A"], "delivered_at": at("03-01", "03-01", "03-01"),
         "clicked_at": at(None, "03-02", None), "opened_at": at("03-01", "03-02", "03-01"),
         "is_machine_open": [True, False, False]}
    ),
    "feedback": pd.DataFrame(
        {"feedback_id": ["1", "2"], "customer_id": ["B", "A"], "received_at": at("03-05", "03-05"),
         "source": ["ticket", "review"]}
    ),
    "referrals": pd.DataFrame(
        {"referral_id": ["1", "2"], "referrer_customer_id": ["A", "A"], "invited_at": at("03-06", "03-07")}
    ),
}  # fmt: skip
NOW = {"as_of": "2026-03-20"}


def scene(engine):
    return dict(zip(TABLES, together(engine, *TABLES.values()), strict=True))


def test_engagement(engine):
    tables = scene(engine)
    # A: visit, review, invitations; C: consult; D: click; B only asked and was written to, its mail opened itself
    rate = quietly(engaged_customer_rate, tables, days=30, **NOW)
    assert (rate.numerator, rate.denominator, rate.besides["engaged_beyond_orders"]) == (3, 4, 3)
    assert rate.excluded == {"cancelled": 1, "no_date": 1}
    shops = engine.back(quietly(engaged_customer_rate, tables, days=30, by="shop", **NOW))
    assert shops[["shop", "numerator", "denominator"]].values.tolist() == [["n", 1, 2], ["s", 2, 2]]
    weights = {"visit": 1, "review": 5, "referral": 10, "click": 2, "open": 0.5}
    score = quietly(engagement_score, tables, weights=weights, days=30, **NOW)
    # A 1 + 5 + 20 + 0.5, B 0, C 0, D 2 + 0.5
    assert score.value == pytest.approx(29 / 4)
    assert (score.low, score.high) == pytest.approx(t_mean(4, 29, 26.5**2 + 2.5**2))
    each = engine.back(quietly(engagement_score, tables, weights=weights, days=30, per_customer=True, **NOW))
    assert each.values.tolist() == [
        ["A", 1, 1, 2, 0, 1, 26.5], ["B", 0, 0, 0, 0, 0, 0], ["C", 0, 0, 0, 0, 0, 0], ["D", 0, 0, 0, 1, 1, 2.5],
    ]  # fmt: skip


def test_channels(engine):
    tables = scene(engine)
    # A online and, by a visit, offline; B and C offline; D online
    whole = quietly(
        omnichannel_customer_rate, tables["orders"], interactions=tables["interactions"], active_days=60, **NOW
    )
    assert (whole.numerator, whole.denominator) == (1, 4)
    orders = quietly(omnichannel_customer_rate, tables["orders"], **NOW)
    assert (orders.numerator, orders.denominator) == (0, 4)
    who = {"C": "p1", "D": "p1", "E": "p2"}
    merged = quietly(omnichannel_customer_rate, tables["orders"], identity=who, **NOW)
    assert (merged.numerator, merged.denominator) == (1, 3)
    assert merged.besides == {"before_merge": 0.0, "records_before": 4}
    shops = engine.back(quietly(omnichannel_customer_rate, tables["orders"], identity=who, by="shop", **NOW))
    assert shops[["shop", "numerator", "denominator"]].values.tolist() == [["n", 0, 2], ["s", 1, 1]]
    # of A, B, C, E, D and somebody unknown; the row without a date is of no kind either
    share = quietly(two_way_share, tables["interactions"])
    assert (share.numerator, share.denominator, share.n) == (6, 7, 6)
    assert share.excluded == {"no_date": 1}
    assert (share.low, share.high) == pytest.approx(np.clip(ratio_of_sums(6, 6, 7, 6, 7, 9), 0, 1))
    mails = quietly(two_way_share, tables["interactions"], campaign_sends=tables["campaign_sends"], start="2026-03-01")
    assert (mails.numerator, mails.denominator, mails.n) == (5, 9, 6)
    kinds = engine.back(quietly(two_way_share, tables["interactions"], by="channel")).set_index("channel")
    assert kinds["value"].to_dict() == {"email": 0, "phone": 1, "store": 1, "web": 1}
    assert kinds.loc["web", "low"] == pytest.approx(wilson(2, 2)[0])  # all one way is no certainty


def test_a_table_says_who_is_who():
    orders = TABLES["orders"].assign(customer_id=[1, 2, 3, 4, 5])
    who = pd.DataFrame({"customer_id": [3.0, 4.0, np.nan], "person_id": ["p", "p", "q"]})
    assert quietly(omnichannel_customer_rate, orders, identity=who, **NOW).numerator == 1
    with pytest.raises(MissingColumn, match="person_id"):
        omnichannel_customer_rate(orders, identity=who[["customer_id"]], **NOW)


def test_a_simulated_shop_agrees_with_brute_force():
    shop = crmkit.simulate("shop", customers=500, weeks=60, seed=11)
    orders, met = shop.orders, shop.interactions
    now, year = pd.Timestamp("2025-02-01"), pd.Timestamp("2024-02-02")
    valid = (orders["status"] == "completed") & ~orders["is_test"]
    valid &= ~((orders["refund_amount"] > 0) & (orders["refund_amount"] >= orders["net_amount"]))
    recent = orders[valid & (orders["ordered_at"] >= year) & (orders["ordered_at"] < now)]
    active = set(recent["customer_id"].dropna())
    since = now - pd.Timedelta(days=90)

    def lately(table, column, kept, whose="customer_id"):
        return list(table.loc[kept & (table[column] >= since) & (table[column] < now), whose].dropna())

    kinds = ["visit", "web_view", "review_read", "reservation", "consult"]
    acts = lately(met, "occurred_at", (met["direction"] == "inbound") & met["kind"].isin(kinds))
    clicks = lately(shop.campaign_sends, "clicked_at", True)
    reviews = lately(shop.feedback, "received_at", shop.feedback["source"].isin(["review", "sns"]))
    invited = lately(shop.referrals, "invited_at", True, "referrer_customer_id")
    settings = {"as_of": now, "active_days": 365}
    rate = engaged_customer_rate(shop, **settings)
    assert (rate.numerator, rate.denominator) == (len(active & {*acts, *clicks, *reviews, *invited}), len(active))
    score = engagement_score(shop, weights={"click": 2, "referral": 7}, **settings)
    points = 2 * sum(who in active for who in clicks) + 7 * sum(who in active for who in invited)
    assert points > 0
    assert score.value == pytest.approx(points / len(active))
    online = recent["channel"].isin(["web", "app"])
    both = set(recent.loc[online, "customer_id"]) & set(recent.loc[~online, "customer_id"])
    found = omnichannel_customer_rate(orders, identity=shop.truth.customers, **settings)
    assert found.besides["records_before"] == len(active)
    assert found.besides["before_merge"] == pytest.approx(len(both) / len(active))
    person = shop.truth.customers.set_index("customer_id")["person_id"]
    assert found.n == recent["customer_id"].map(person).nunique()
    inbound = met["direction"] == "inbound"
    assert two_way_share(met).value == pytest.approx(inbound.mean())


def test_no_data_is_nan_and_not_nought():
    empty = {name: table.head(0) for name, table in TABLES.items()}
    for found in (
        engaged_customer_rate(empty), engagement_score(empty, weights={"click": 1}),
        omnichannel_customer_rate(empty["orders"]), two_way_share(empty["interactions"]),
        omnichannel_customer_rate(empty["orders"], identity={"A": "B"}),
        quietly(engaged_customer_rate, TABLES, as_of="2020-01-01"),
    ):  # fmt: skip
        assert np.isnan(found.value)
        assert found.n == 0
    nobody = {**TABLES, "campaign_sends": TABLES["campaign_sends"].assign(customer_id=np.nan)}
    assert quietly(engagement_score, nobody, weights={"click": 1}, **NOW).value == 0


def test_what_makes_no_sense_is_refused():
    for weights, said in (
        ({}, "empty"), ({"clicks": 1}, "nearest: 'click'"), ({"visit": np.inf}, "finite"), ({"visit": "1"}, "finite"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=said):
            engagement_score(TABLES, weights=weights)
    orders_only = {"orders": TABLES["orders"]}
    with pytest.raises(ParameterError, match="campaign_sends"):
        engaged_customer_rate(orders_only)
    with pytest.raises(ParameterError, match="feedback"):
        engagement_score({**orders_only, "referrals": TABLES["referrals"]}, weights={"review": 1})
    with pytest.raises(ParameterError, match="days"):
        engaged_customer_rate(TABLES, days=0)
    with pytest.raises(MissingColumn, match="channel"):
        omnichannel_customer_rate(TABLES["orders"].drop(columns="channel"))
    with pytest.raises(MissingColumn, match="direction"):
        two_way_share(TABLES["interactions"].drop(columns="direction"))
