"""The loyalty programme, and staying in touch: hand-worked tables on every engine, and the traps around them."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest

import crmkit
from crmkit import intervals
from crmkit.errors import MissingColumn, ParameterError, RowsLeftOut
from crmkit.metrics.retention.contact import contact_coverage, follow_up_coverage
from crmkit.metrics.retention.loyalty import (
    member_retention_gap,
    points_liability,
    program_participation_rate,
    redemption_rate,
)
from tests.test_contracts import days, pair

CUSTOMERS = pd.DataFrame(
    {
        "customer_id": list("ABCDEE"),
        "registered_at": days("2025-01-01", "2025-01-01", "2026-01-01", "2026-05-01", None, None),
        "member_since": days("2025-06-01", None, "2026-02-01", "2026-05-01", "2026-03-05", "2026-03-05"),
        "email_opt_in": [True, True, True, True, False, False],
        "opted_out_at": days(None, "2026-02-01", "2026-06-01", None, None, None),
        "region": ["east", "east", "west", "west", "west", "west"],
    }
)
EVENTS = pd.DataFrame(
    [
        ("01", "A", "2026-01-05", "earn", 100), ("02", "A", "2026-01-20", "redeem", 60),
        ("03", "A", "2026-02-03", "earn", 200), ("04", "A", "2026-02-10", "redeem", 90),
        ("05", "A", "2026-03-01", "expire", 30),
        ("06", "B", "2026-01-07", "earn", 50), ("07", "B", "2026-03-02", "redeem", 80),  # more than there was
        ("08", "C", "2026-02-08", "earn", 400), ("09", "C", "2026-01-01", "join", None),
        ("09", "C", "2026-01-01", "join", None), ("10", "C", "2026-03-09", "earn", None),
    ],
    columns=["loyalty_event_id", "customer_id", "occurred_at", "kind", "points"],
)  # fmt: skip
EVENTS["occurred_at"] = days(*EVENTS["occurred_at"])
EVENTS["scheme"] = ["x" if who == "A" else "y" for who in EVENTS["customer_id"]]


def quiet(metric, *tables, **arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowsLeftOut)
        return metric(*tables, **arguments)


def test_members_and_active_members(engine):
    customers, events = pair(engine, CUSTOMERS, EVENTS)
    with pytest.warns(RowsLeftOut, match="repeat the id"):
        now = program_participation_rate(customers)
    assert (now.numerator, now.denominator) == (4, 5)
    march = quiet(program_participation_rate, customers, as_of="2026-03-01")
    assert (march.numerator, march.denominator) == (2, 4)  # D registers in May; E's day is not known; A and C
    active = quiet(program_participation_rate, customers, events, as_of="2026-03-05", active_days=20)
    # A's points lapsed on 03-01: no sign of life since 02-10; C last earned on 02-08; B is no member
    assert (active.numerator, active.denominator) == (0, 4)
    earlier = quiet(program_participation_rate, customers, events, as_of="2026-03-05", active_days=25)
    assert earlier.numerator == 2
    groups = engine.back(quiet(program_participation_rate, customers, by="region")).set_index("region")
    assert groups["numerator"].to_dict() == {"east": 1, "west": 3}
    with pytest.raises(ParameterError, match="as_of"):
        quiet(program_participation_rate, customers, events, active_days=20)


def test_the_oldest_points_are_used_first(engine):
    events = engine(EVENTS)
    january = quiet(redemption_rate, events, end="2026-02-01")
    # A's 100: 60 in January, 40 of the 90 in February; B's 50, though more were redeemed
    assert (january.numerator, january.denominator, january.n) == pytest.approx((150, 150, 2))
    february = quiet(redemption_rate, events, start="2026-02-01", end="2026-03-01")
    # A's 200: 50 of the 90, then 30 lapse; C's 400 are all there
    assert (february.numerator, february.denominator) == pytest.approx((50, 600))
    assert february.besides == pytest.approx({"breakage": 30 / 600, "still_open": 520 / 600})
    y, x = np.array([50, 0]), np.array([200, 400])
    ends = intervals.ratio_of_sums(2, y.sum(), x.sum(), (y**2).sum(), (x * y).sum(), (x**2).sum())
    assert (february.low, february.high) == pytest.approx((max(ends[0], 0), min(ends[1], 1)))
    then = quiet(redemption_rate, events, end="2026-02-01", as_of="2026-02-01")
    assert then.numerator == pytest.approx(60)
    groups = engine.back(quiet(redemption_rate, events, by="scheme")).set_index("scheme")
    assert groups["numerator"].to_dict() == pytest.approx({"x": 150, "y": 50})
    assert groups["denominator"].to_dict() == pytest.approx({"x": 300, "y": 450})
    nothing = quiet(redemption_rate, events, start="2030-01-01")
    assert math.isnan(float(nothing))
    assert nothing.n == 0


def test_what_the_points_still_cost(engine):
    events = engine(EVENTS)
    figure = quiet(points_liability, events, yen_per_point=0.5)
    # out: A 300 − 150 − 30 = 120, C 400; settled: 230 redeemed, 30 lapsed
    assert figure.value == pytest.approx(520 * 0.5 * 230 / 260)
    assert figure.besides == {"outstanding": 520, "overdrawn": 1, "if_all_redeemed": 260.0}
    assert figure.low <= figure.value <= figure.high <= 260
    given = quiet(points_liability, events, yen_per_point=2, expected_redemption=0.8)
    assert given.value == pytest.approx(520 * 2 * 0.8)
    assert math.isnan(given.low)
    early = quiet(points_liability, events, as_of="2026-01-10")
    assert math.isnan(float(early))  # 150 points are out, and none has been settled
    assert early.besides["outstanding"] == 150
    assert figure.excluded == {"same_key": 1, "no_points": 1}


def test_points_of_bad_tables():
    spoilt = EVENTS.drop(index=9).reset_index(drop=True)
    spoilt.loc[0, "points"] = -100
    spoilt.loc[1, "occurred_at"] = pd.NaT
    spoilt.loc[2, "customer_id"] = None
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        figure = points_liability(spoilt, expected_redemption=1)
    assert figure.excluded == {"no_customer": 1, "no_date": 1, "no_points": 1, "negative": 1}
    assert {"no_customer", "no_date"} <= {one.message.reason for one in told}
    for wrong in ({"expected_redemption": 1.5}, {"yen_per_point": -1}, {"yen_per_point": math.nan}):
        with pytest.raises(ParameterError):
            points_liability(EVENTS, **wrong)
    with pytest.raises(MissingColumn, match="points"):
        redemption_rate(EVENTS.drop(columns="points"))
    empty = EVENTS.iloc[:0].astype({"points": "float64"})
    for figure in (redemption_rate(empty), points_liability(empty)):
        assert math.isnan(float(figure)) or float(figure) == 0
        assert figure.n == 0
        assert "<table>" in figure._repr_html_()


def test_redemption_of_a_simulated_shop_is_brute_force():
    events = crmkit.simulate("shop", customers=800, weeks=104, seed=7).loyalty_events
    moves = events[events["kind"].isin(["earn", "redeem", "expire"])].sort_values(["occurred_at", "loyalty_event_id"])
    start, end = pd.Timestamp("2024-06-01"), pd.Timestamp("2025-01-01")
    earned = redeemed = lapsed = out = 0
    for _, rows in moves.groupby("customer_id"):
        line = [day for day, kind, n in rows[["occurred_at", "kind", "points"]].itertuples(index=False)
                if kind == "earn" for _ in range(int(n))]  # fmt: skip
        place = 0
        for kind, n in rows.loc[rows["kind"] != "earn", ["kind", "points"]].itertuples(index=False):
            mine = sum(start <= day < end for day in line[place : place + int(n)])
            redeemed, lapsed = redeemed + mine * (kind == "redeem"), lapsed + mine * (kind == "expire")
            place += int(n)
        earned += sum(start <= day < end for day in line)
        out += max(len(line) - place, 0)
    assert earned > 1000
    rate = redemption_rate(events, start=start, end=end)
    assert (rate.numerator, rate.denominator) == pytest.approx((redeemed, earned))
    assert rate.besides["breakage"] == pytest.approx(lapsed / earned)
    assert points_liability(events).besides["outstanding"] == out


def test_the_lead_of_members_is_no_effect(engine):
    orders = pd.DataFrame(
        [("A", "2026-01-10"), ("A", "2026-03-10"), ("B", "2026-01-12"), ("C", "2026-02-20"), ("D", "2026-02-20"),
         ("D", "2026-03-20"), ("E", "2026-02-01"), ("F", "2026-02-01"), ("F", "2026-03-30"), ("G", "2025-01-01")],
        columns=["customer_id", "ordered_at"],
    )  # fmt: skip
    orders["ordered_at"] = days(*orders["ordered_at"])
    customers, table = pair(engine, CUSTOMERS, orders)
    gap = quiet(member_retention_gap, customers, table, start="2026-03-01", end="2026-04-01", active_days=45)
    # there: C (member) stays; D, F stay, E goes and B and A have not been there for 45 days
    assert (gap.numerator, gap.denominator) == (1, 1)
    assert gap.value == pytest.approx(1 - 2 / 3)
    assert gap.besides == pytest.approx({"members_rate": 1.0, "others_rate": 2 / 3, "other_customers": 3})
    low, high = intervals.difference(1, *intervals.wilson(1, 1), 2 / 3, *intervals.wilson(2, 3))
    assert (gap.low, gap.high) == pytest.approx((low, high))
    assert "no effect" in str(gap.definition)
    assert "not effect" in gap.label
    assert [note.reason for note in gap.notes] == ["members_choose"]
    nobody = quiet(member_retention_gap, customers, table, start="2020-03-01", end="2020-04-01")
    assert math.isnan(float(nobody))


BOUGHT = pd.DataFrame(
    {
        "order_id": ["1", "2", "3", "4", "5", "5", "6"],
        "customer_id": ["A", "A", "B", "C", "C", "C", "D"],
        "ordered_at": days("2026-01-10", "2026-01-12", "2026-01-12 20:00", "2026-01-15", "2026-02-20", "2026-02-20",
                           "2026-01-20"),
        "status": ["completed"] * 6 + ["cancelled"],
        "shop": ["x", "x", "y", "y", "y", "y", "y"],
    }
)  # fmt: skip
CONTACTS = pd.DataFrame(
    [
        ("1", "A", "2026-01-24 23:00", "outbound", "follow_up"),  # the last day in time
        ("2", "A", "2026-01-27", "outbound", "follow_up"),  # a day late
        ("3", "B", "2026-01-12 10:00", "outbound", "follow_up"),  # before the order
        ("3", "B", "2026-01-13", "inbound", "follow_up"),
        ("4", "C", "2026-01-16", "outbound", "thank_you"),
        ("4", "C", None, "outbound", "follow_up"),
        (None, "C", "2026-01-20", "outbound", "follow_up"),
    ],
    columns=["order_id", "customer_id", "occurred_at", "direction", "kind"],
)
CONTACTS["occurred_at"] = days(*CONTACTS["occurred_at"])
CONTACTS["interaction_id"] = [str(n) for n in range(len(CONTACTS))]


def test_orders_are_followed_up_in_time(engine):
    orders, contacts = pair(engine, BOUGHT, CONTACTS)
    with pytest.warns(RowsLeftOut) as told:
        named = follow_up_coverage(orders, contacts, as_of="2026-03-01")
    assert {one.message.reason for one in told} == {"no_date", "same_key"}
    assert (named.numerator, named.denominator) == (1, 4)
    assert named.besides == {"not_watched": 1}  # order 5
    assert named.excluded == {"cancelled": 1, "same_key": 1}
    anyone = quiet(follow_up_coverage, orders, contacts, match="customer", as_of="2026-03-01")
    # A's first contact is in time for both orders, C's contact names no order
    assert (anyone.numerator, anyone.denominator) == (3, 4)
    early = quiet(follow_up_coverage, orders, contacts, as_of="2026-01-20", within_days=3)
    assert (early.numerator, early.denominator) == (0, 4)
    groups = engine.back(quiet(follow_up_coverage, orders, contacts, as_of="2026-03-01", by="shop")).set_index("shop")
    assert groups["numerator"].to_dict() == {"x": 1, "y": 0}
    assert groups["denominator"].to_dict() == {"x": 2, "y": 2}


def test_follow_up_of_bad_tables():
    bare = BOUGHT.assign(order_id=[None, None, "3", "4", "5", "7", "6"])
    rate = quiet(follow_up_coverage, bare, CONTACTS, as_of="2026-03-01")
    assert rate.denominator == 4  # orders without a number stay, one by one
    none = quiet(follow_up_coverage, BOUGHT.iloc[:0], CONTACTS.iloc[:0])
    assert (math.isnan(float(none)), none.n) == (True, 0)
    with pytest.raises(MissingColumn, match="'direction'"):
        follow_up_coverage(BOUGHT, CONTACTS.drop(columns="direction"))
    for wrong in ({"match": "phone"}, {"within_days": 0}):
        with pytest.raises(ParameterError):
            follow_up_coverage(BOUGHT, CONTACTS, **wrong)
    own = {"orders": {"ordered_at": "注文日"}, "interactions": {"kind": "種別"}}
    tables = BOUGHT.rename(columns={"ordered_at": "注文日"}), CONTACTS.rename(columns={"kind": "種別"})
    assert quiet(follow_up_coverage, *tables, as_of="2026-03-01", columns=own).numerator == 1


SENDS = pd.DataFrame(
    {
        "send_id": list("1234"),
        "campaign_id": ["n"] * 4,
        "customer_id": ["B", "C", "C", "D"],
        "delivered_at": days("2026-02-15", "2025-01-01", None, "2026-02-20"),
    }
)


def test_customers_who_agreed_are_kept_in_touch(engine):
    customers, contacts, sends = pair(engine, CUSTOMERS, CONTACTS, SENDS)
    both = quiet(contact_coverage, customers, contacts, sends, as_of="2026-03-01", within_days=60)
    # agreed: A and C (opts out in June); B opted out, D registers later, E never agreed; both were contacted
    assert (both.numerator, both.denominator) == (2, 2)
    short = quiet(contact_coverage, customers, contacts, sends, as_of="2026-03-01", within_days=35)
    assert (short.numerator, short.denominator) == (1, 2)  # A on 01-27
    before = quiet(contact_coverage, customers, campaign_sends=sends, as_of="2026-02-20", within_days=90)
    assert (before.numerator, before.denominator) == (0, 2)
    early = quiet(contact_coverage, customers, contacts, as_of="2026-01-25", within_days=90)
    assert (early.numerator, early.denominator) == (3, 3)  # B had not opted out yet
    groups = engine.back(
        quiet(contact_coverage, customers, contacts, as_of="2026-01-25", by="region", within_days=90)
    ).set_index("region")
    assert groups["denominator"].to_dict() == {"east": 2, "west": 1}


def test_contact_coverage_of_bad_tables():
    with pytest.raises(ParameterError):
        quiet(contact_coverage, CUSTOMERS, as_of="2026-03-01")
    with pytest.raises(MissingColumn, match="email_opt_in"):
        contact_coverage(CUSTOMERS.drop(columns="email_opt_in"), CONTACTS, as_of="2026-03-01")
    none = quiet(contact_coverage, CUSTOMERS.assign(email_opt_in=False), CONTACTS, as_of="2026-03-01")
    assert (math.isnan(float(none)), none.n) == (True, 0)
    bare = quiet(contact_coverage, CUSTOMERS[["customer_id", "email_opt_in"]], CONTACTS, as_of="2026-03-01")
    assert bare.denominator == 4


def test_a_simulated_shop_follows_up_as_brute_force_says():
    shop = crmkit.simulate("subscription", customers=300, weeks=40, seed=3)
    orders, contacts = shop.orders, shop.interactions
    until = pd.Timestamp("2024-09-30")
    good = orders[(orders["status"] == "completed") & ~orders["is_test"] & ~(
        (orders["refund_amount"] > 0) & (orders["refund_amount"] >= orders["net_amount"]))]  # fmt: skip
    good = good[good["ordered_at"] < until - pd.Timedelta(days=14)]
    ours = contacts[(contacts["direction"] == "outbound") & (contacts["kind"] == "follow_up")]
    both = good.merge(ours, on="order_id")
    gap = both["occurred_at"].dt.normalize() - both["ordered_at"].dt.normalize()
    met = both[(both["occurred_at"] >= both["ordered_at"]) & (gap.dt.days <= 14)]["order_id"].nunique()
    rate = follow_up_coverage(orders, contacts, as_of=until)
    assert (rate.numerator, rate.denominator) == (met, len(good))
    agreed = shop.customers[shop.customers["email_opt_in"] & (shop.customers["registered_at"] < until)
                            & ~(shop.customers["opted_out_at"] < until)]  # fmt: skip
    since = until - pd.Timedelta(days=30)
    lately = contacts[(contacts["direction"] == "outbound") & contacts["occurred_at"].between(since, until, "left")]
    sent = shop.campaign_sends[shop.campaign_sends["delivered_at"].between(since, until, "left")]
    reached = set(lately["customer_id"]) | set(sent["customer_id"])
    found = contact_coverage(shop.customers, contacts, shop.campaign_sends, as_of=until, within_days=30)
    assert (found.numerator, found.denominator) == (agreed["customer_id"].isin(reached).sum(), len(agreed))
