"""Mailings, hold-outs and scores: hand-worked tables on every engine, and the effect a simulated shop really had."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit
from crmkit.errors import AmbiguousFigure, MissingColumn, ParameterError, RowsLeftOut
from crmkit.metrics.management.campaigns import campaign_lift, campaign_roi
from crmkit.metrics.management.mailings import email_metrics
from crmkit.metrics.management.targeting import cumulative_gains, targeting_lift
from crmkit.simulator.engine import live
from crmkit.simulator.scenario import scenario
from crmkit.simulator.shop import open_shop
from tests.joined import together
from tests.test_engine import buyers

NO = None
# send, campaign, customer, arm, sent, delivered, bounced, opened, machine, clicked, unsubscribed
MAILS = [
    ("1", "P", "A", "treatment", "03-02 07:00", "03-02 07:01", NO, "03-02 08:00", False, "03-02 08:05", NO),
    ("2", "P", "B", "treatment", "03-02 07:00", "03-02 07:01", NO, "03-02 07:02", True, NO, NO),  # a machine
    ("3", "P", "C", "treatment", "03-02 07:00", "03-02 07:01", NO, NO, False, "03-03 09:00", "03-03 10:00"),
    ("4", "P", "D", "treatment", "03-02 07:00", NO, "03-02 07:01", NO, False, NO, NO),
    ("5", "P", "E", "control", NO, NO, NO, NO, False, NO, NO),
    ("6", "P", "F", "control", NO, NO, NO, NO, False, NO, NO),
    ("7", "Q", "A", "treatment", "03-30 07:00", "03-30 07:01", NO, "03-30 09:00", False, NO, NO),
    ("8", "P", "G", "treatment", "03-02 07:00", "03-02 06:00", NO, NO, False, NO, NO),  # there before it was sent
]
NAMES = (
    "send_id", "campaign_id", "customer_id", "arm", "sent_at", "delivered_at", "bounced_at", "opened_at",
    "is_machine_open", "clicked_at", "unsubscribed_at",
)  # fmt: skip
SENDS = pd.DataFrame(MAILS, columns=NAMES)
for _name in NAMES:
    if _name.endswith("_at"):
        SENDS[_name] = pd.to_datetime("2026-" + SENDS[_name], format="ISO8601").astype("datetime64[us]")
# order, customer, ordered, net, campaign
BOUGHT = [
    ("1", "A", "2026-03-02 07:30", 5000.0, "P"),
    ("2", "A", "2026-03-05", 3000.0, NO),
    ("3", "B", "2026-03-10", 4000.0, "P"),
    ("4", "D", "2026-03-20", 6000.0, NO),  # the mail bounced: still treated
    ("5", "E", "2026-03-08", 3000.0, NO),
    ("6", "F", "2026-03-01", 9000.0, NO),  # before it began
    ("7", "F", "2026-04-20", 9000.0, NO),  # after the horizon
    ("8", "A", "2026-05-10", 1000.0, NO),
]
ORDERS = pd.DataFrame(BOUGHT, columns=("order_id", "customer_id", "ordered_at", "net_amount", "campaign_id"))
ORDERS["ordered_at"] = pd.to_datetime(ORDERS["ordered_at"], format="ISO8601").astype("datetime64[us]")
ITEMS = pd.DataFrame(
    {"order_id": list("12345678"), "line_no": 1, "product_id": "x", "quantity": 2.0, "unit_cost": 500.0}
)
COSTS = pd.DataFrame(
    {"cost_id": ["1", "2", "3"], "incurred_date": ORDERS["ordered_at"].head(3), "campaign_id": ["P", "Q", None],
     "amount": [1000.0, 50.0, 7000.0]}
)  # fmt: skip


def test_mails_count_once_and_machines_do_not(engine):
    sends, orders = together(engine, SENDS, ORDERS)
    with pytest.warns(RowsLeftOut, match="could have happened"):
        found = email_metrics(sends, orders=orders)
    counted = {name: (rate.numerator, rate.denominator) for name, rate in found.items()}
    assert counted == {
        "delivery": (4, 5), "bounce": (1, 5), "open": (3, 4), "click": (2, 4), "click_to_open": (2, 3),
        "unsubscribe": (1, 4),
        # A within the week, B on the eighth day; A again after the second mail, but then too late
        "conversion": (1, 4),
    }  # fmt: skip
    assert found["open"].besides == {"machine_opened": 1}
    with pytest.warns(RowsLeftOut):
        machines = email_metrics(sends, orders=orders, within_days=8, exclude_machine=False)
    assert (machines["open"].numerator, machines["click_to_open"].denominator) == (4, 4)
    assert machines["conversion"].numerator == 2
    table = engine.back(email_metrics(sends, by="campaign_id")).set_index(["campaign_id", "metric"])
    assert table.loc[("P", "delivery"), ["numerator", "denominator", "rows_left_out"]].to_list() == [3, 4, 1]
    assert table.loc[("Q", "open"), "value"] == 1.0
    assert len(table) == 12


def test_the_hold_out_is_taken_off(engine):
    sends, orders, items, costs = together(engine, SENDS, ORDERS, ITEMS, COSTS)
    lift = campaign_lift(sends, orders=orders)
    # treated A, B, C, D, G: A, B and D ordered; held out E, F: E did; campaign Q has no hold-out
    assert lift.besides == {"treatment": 0.6, "control": 0.5, "held_out": 2, "not_watched": 0}
    assert float(lift) == pytest.approx(0.1)
    assert (lift.n, lift.denominator, lift.unit, lift.method) == (7, 5, "share_points", "mover")
    assert lift.numerator == pytest.approx(0.5)  # so many more than would have come anyway
    assert (lift.low, lift.high) == pytest.approx(
        (-0.4485, 0.5941), abs=1e-4
    )  # from Wilson's 0.2307 to 0.8824 and 0.0945 to 0.9055
    late = campaign_lift(sends, orders=orders, from_day=10, horizon_days=30)
    assert late.besides["treatment"] == 0.2
    assert late.definition.id == "campaign_lift.retained"
    young = campaign_lift(sends, orders=orders, as_of="2026-03-31")
    assert math.isnan(float(young))
    assert young.besides["not_watched"] == 8
    table = engine.back(campaign_lift(sends, orders=orders, by="campaign_id"))
    assert table["value"].fillna(-9).to_list() == pytest.approx([0.1, -9])
    assert table["denominator"].to_list() == [5, 0]
    money = {"orders": orders, "order_items": items, "costs": costs}
    roi = campaign_roi(sends, **money)
    # margins: A 4,000 and 2,000, B 3,000, D 5,000: 14,000 / 5; E 2,000 / 2; (1,800 * 5 - 1,000) / 1,000
    assert float(roi) == pytest.approx(8.0)
    assert roi.besides["attributed"] == pytest.approx(6.0)  # 4,000 + 3,000
    assert roi.low < 8.0 < roi.high
    attributed = campaign_roi(sends, **money, method="attributed")
    assert float(attributed) == pytest.approx((7000 - 1050) / 1050)


def test_whoever_cannot_be_compared_is_left_out_and_said_so():
    both = pd.concat([SENDS, SENDS.head(1).assign(send_id="9", arm="control", sent_at=pd.NaT)])
    with pytest.warns(RowsLeftOut, match="both arms"):
        lift = campaign_lift(both, orders=ORDERS)
    assert lift.excluded == {"both_arms": 1}
    assert lift.denominator == 4
    rolling = SENDS.assign(campaign_id="W")  # mails on 03-02 and 03-30, the hold-out without a date
    with pytest.warns(AmbiguousFigure, match="from when on"):
        lift = campaign_lift(rolling, orders=ORDERS)
    assert math.isnan(float(lift))
    assert lift.excluded == {"no_common_start": 7}
    dated = rolling.assign(sent_at=rolling["sent_at"].fillna(pd.Timestamp("2026-03-02 07:00")))
    assert campaign_lift(dated, orders=ORDERS).denominator == 5
    odd = SENDS.assign(arm=SENDS["arm"].replace("control", "holdout"))
    assert campaign_lift(odd, orders=ORDERS).excluded == {"no_arm": 2}
    without_items = {"orders": ORDERS, "order_items": ITEMS.head(7), "costs": COSTS}
    assert campaign_roi(SENDS, **without_items).excluded == {"no_items": 1}
    no_costs = {"orders": ORDERS, "order_items": ITEMS, "costs": COSTS.head(0)}
    assert math.isnan(float(campaign_roi(SENDS, **no_costs)))


def test_campaigns_are_compared_within_themselves():
    # a large campaign to good customers with few held out, a small one to poor customers with many: pooled, it would
    # look as if mail worked wonders, and it does nothing
    made = []
    for name, treated, held, share in (("good", 900, 100, 0.5), ("poor", 100, 900, 0.1)):
        for arm, n in (("treatment", treated), ("control", held)):
            made += [(name, f"{name}{arm}{i}", arm, i < share * n) for i in range(n)]
    frame = pd.DataFrame(made, columns=["campaign_id", "customer_id", "arm", "ordered"])
    frame["sent_at"] = pd.Timestamp("2026-01-05")
    orders = frame.loc[frame["ordered"], ["customer_id"]].assign(ordered_at=pd.Timestamp("2026-01-07"))
    lift = campaign_lift(frame, orders=orders, as_of="2026-03-01")
    assert float(lift) == pytest.approx(0.0)
    assert lift.besides["treatment"] == pytest.approx(0.46)
    pooled = frame.groupby("arm")["ordered"].mean()
    assert pooled["treatment"] - pooled["control"] > 0.3


def test_the_interval_covers_the_effect_that_a_campaign_really_had():
    """Each seed is a shop with one campaign; the truth is the same customers with the mail and without it."""
    made = scenario("salon")
    levers = made.levers.changed({"control_share": 0.5, "campaign_every_weeks": 12, "contact_every_weeks": 0})
    seeds, covered, effects, errors = 40, 0, [], []
    for seed in range(seeds):
        shop = open_shop(made, weeks=16, seed=seed, levers=levers)
        life = live(shop, 0, 800)
        lift, who = _lift_of_life(life, 11)
        mailed, kept = (buyers(live(replace(shop, forced_arms={11: arm}), 0, 800, watch=False), 11) for arm in (1, 0))
        truth = float(mailed[who].mean() - kept[who].mean())
        covered += lift.low <= truth <= lift.high
        effects.append(truth)
        errors.append(float(lift) - truth)
    assert np.mean(effects) > 0.02  # there is something to find
    assert abs(np.mean(errors)) < 3 * np.std(errors) / math.sqrt(seeds)  # and no bias in finding it
    assert covered / seeds >= 0.85


def _lift_of_life(life, week):
    """`campaign_lift` of one simulated campaign, and whom it was aimed at."""
    day = pd.Timestamp("2026-01-05")
    found = life.log.table("sends")
    here = (found["week"] == week) & (found["kind"] == 1)
    who, treated = found["who"][here], found["treated"][here]
    start = day + pd.Timedelta(weeks=week)
    sends = pd.DataFrame({"campaign_id": "P", "customer_id": who, "arm": np.where(treated, "treatment", "control")})
    sends["sent_at"] = pd.Series(start, index=sends.index).where(treated)
    log = life.log.table("orders")
    placed = day + pd.to_timedelta(log["at"], unit="s")
    status = np.where(log["cancelled"], "cancelled", "completed")
    orders = pd.DataFrame({"customer_id": log["who"], "ordered_at": placed, "status": status})
    return campaign_lift(sends, orders=orders, horizon_days=28, as_of=start + pd.Timedelta(days=29)), who


def test_mails_agree_with_brute_force_on_a_shop():
    crm = crmkit.simulate("salon", customers=400, weeks=52, seed=11)
    sends, orders = crm.campaign_sends, crm.orders
    found = email_metrics(sends, orders=orders, within_days=14)
    mails = sends[sends["arm"] == "treatment"]
    arrived = mails[mails["delivered_at"].notna()]
    assert found["delivery"].denominator == len(mails)
    human = arrived["opened_at"].notna() & ~arrived["is_machine_open"]
    assert found["open"].numerator == human.sum() > 100
    valid = orders[(orders["status"] == "completed") & ~orders["is_test"]]
    valid = valid[~((valid["refund_amount"] > 0) & (valid["refund_amount"] >= valid["net_amount"]))]
    end = valid["ordered_at"].max().normalize() + pd.Timedelta(days=1)
    watched = arrived[arrived["delivered_at"] < end - pd.Timedelta(days=14)]
    after = watched.merge(valid[["customer_id", "ordered_at"]], on="customer_id")
    gap = after["ordered_at"] - after["delivered_at"]
    hits = after[(gap >= pd.Timedelta(0)) & (gap < pd.Timedelta(days=14))]["send_id"].nunique()
    assert (found["conversion"].numerator, found["conversion"].denominator) == (hits, len(watched))


SCORED = pd.DataFrame(
    {"score": [90, 80, 70, 70, 50, 40, 30, 20, 10, None], "bought": [1, 0, 1, 1, 0, 0, 1, 0, 0, 1]}
).astype({"score": "float64"})


def test_scores_find_those_who_respond(engine):
    scored = engine(SCORED)
    lift = targeting_lift(scored, share=1 / 3, response="bought")
    # the third highest score is shared by two: four of nine are chosen, three of the four responses among them
    assert float(lift) == pytest.approx((3 / 4) / (4 / 9))
    assert lift.besides == {"in_top": 4}
    assert (lift.numerator, lift.denominator) == (3, pytest.approx(4 * 4 / 9))
    assert (lift.excluded, lift.unit) == ({"no_score": 1}, "times")
    table = engine.back(cumulative_gains(scored, parts=9, response="bought"))
    assert table["chosen"].to_list() == [1, 2, 4, 5, 6, 7, 8, 9]
    assert table["responses"].to_list() == [1, 1, 3, 3, 3, 4, 4, 4]
    assert table["gain"].iloc[-1] == table["lift"].iloc[-1] == 1.0


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=40), st.floats(0.01, 1))
def test_the_lift_is_what_counting_gives(rows, share):
    frame = pd.DataFrame(rows, columns=["score", "bought"])
    lift = targeting_lift(frame, share=share, response="bought")
    ranked = frame.sort_values("score", ascending=False)
    cut = ranked["score"].iloc[max(math.ceil(round(share * len(frame), 9)), 1) - 1]
    top = frame[frame["score"] >= cut]
    if not frame["bought"].any():
        assert math.isnan(float(lift))
        return
    assert float(lift) == pytest.approx(top["bought"].mean() / frame["bought"].mean())
    assert lift.low <= float(lift) + 1e-9
    assert lift.high >= float(lift) - 1e-9
    gains = cumulative_gains(frame, parts=4, response="bought")
    assert gains["gain"].is_monotonic_increasing
    assert gains["share"].is_monotonic_increasing


@pytest.mark.parametrize("rows", [0, 1])
def test_little_data(quick_engine, rows):
    sends, orders, items, costs, scored = together(
        quick_engine, SENDS.head(rows), ORDERS.head(0), ITEMS, COSTS, SCORED.head(rows)
    )
    found = email_metrics(sends, orders=orders)
    assert found["delivery"].denominator == rows
    assert math.isnan(float(found["delivery"])) == (rows == 0)
    lift = campaign_lift(sends, orders=orders)
    assert math.isnan(float(lift))
    assert (lift.n, lift.besides["held_out"]) == (0, 0)
    assert len(quick_engine.back(campaign_lift(sends, orders=orders, by="campaign_id"))) == rows
    assert math.isnan(float(campaign_roi(sends, orders=orders, order_items=items, costs=costs)))
    assert math.isnan(float(targeting_lift(scored, response="bought"))) == (rows == 0)
    assert len(quick_engine.back(cumulative_gains(scored, response="bought"))) == rows


def test_what_makes_no_sense_is_refused():
    with pytest.raises(MissingColumn, match="arm"):
        campaign_lift(SENDS.drop(columns="arm"), orders=ORDERS)
    with pytest.raises(ParameterError, match="from_day"):
        campaign_lift(SENDS, orders=ORDERS, from_day=30)
    with pytest.raises(ParameterError, match="horizon_days"):
        campaign_lift(SENDS, orders=ORDERS, horizon_days=0)
    with pytest.raises(ParameterError, match="name of a result column"):
        campaign_lift(SENDS.assign(control=1), orders=ORDERS, by="control")
    with pytest.raises(ParameterError, match="name of a result column"):
        email_metrics(SENDS.assign(metric=1), by="metric")
    with pytest.raises(ParameterError, match="method='gross'"):
        campaign_roi(SENDS, orders=ORDERS, order_items=ITEMS, costs=COSTS, method="gross")
    with pytest.raises(ParameterError, match="no column of the table"):
        campaign_lift(SENDS, orders=ORDERS, columns={"arms": "arm"})
    with pytest.raises(ParameterError, match="share must lie above 0"):
        targeting_lift(SCORED, share=0, response="bought")
    with pytest.raises(ParameterError, match="other than the score"):
        targeting_lift(SCORED, response="score")
    own = ORDERS.rename(columns={"customer_id": "会員", "ordered_at": "日時"})
    mine = SENDS.rename(columns={"customer_id": "会員"})
    assert float(
        campaign_lift(mine, orders=own, columns={"customer_id": "会員", "ordered_at": "日時"})
    ) == pytest.approx(0.1)
