"""One customer's story and the impressions along the way, on every engine."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import crmkit
from crmkit.errors import MissingColumn, ParameterError, RowsLeftOut
from crmkit.intervals import t_mean
from crmkit.metrics.relationship.journey import customer_timeline, impression_by_touchpoint, journey_map
from crmkit.plots.voice import plot_journey_map
from crmkit.texts import in_language
from tests.joined import quietly, together


def at(*found: str | None) -> pd.Series:
    return pd.Series(pd.to_datetime([None if one is None else f"2026-{one}" for one in found]))


MET = pd.DataFrame(
    {
        "interaction_id": ["1", "2", "3", "4", "5", "6", "7", "7", "8"],
        "customer_id": ["A", "A", "A", "B", "B", "A", "A", "A", None],
        "occurred_at": at("03-01", "03-01", "03-02", "03-03", "03-04", None, "03-05", "03-05", "02-01"),
        "stage": ["pre_purchase", "purchase", "purchase", "purchase", "use", "use", "own", "own", None],
        "touchpoint": ["website", "staff", "staff", "checkout", "aftercare", "aftercare", "staff", "staff", "staff"],
        "impression": [None, 2, -1, 1, 3, 2, 0, 0, 2],
        "channel": ["web"] + ["store"] * 8,
        "kind": ["web_view"] + ["visit"] * 8,
    }
)
TABLES = {
    "customers": pd.DataFrame(
        {"customer_id": ["A", "B"], "registered_at": at("01-01", "01-02"), "member_since": at(None, "01-03")}
    ),
    "orders": pd.DataFrame(
        {"order_id": ["o1", "o2"], "customer_id": ["A", "B"], "ordered_at": at("03-01", "03-03"),
         "net_amount": [4400.0, 1.0], "channel": ["web", "store"], "status": ["completed"] * 2}
    ),
    "campaign_sends": pd.DataFrame(
        {"send_id": ["s1", "s2"], "campaign_id": ["N1", "N1"], "customer_id": ["A", "A"], "sent_at": at("02-10", None),
         "opened_at": at("02-11", None)}
    ),
    "loyalty_events": pd.DataFrame(
        {"loyalty_event_id": ["l1"], "customer_id": ["A"], "occurred_at": at("03-01"), "kind": ["earn"], "points": [44],
         "expires_at": at("12-31")}
    ),
    "referrals": pd.DataFrame(
        {"referral_id": ["r1", "r2"], "referrer_customer_id": ["A", "B"], "invitee_customer_id": [None, "A"],
         "invited_at": at("03-07", "01-01"), "status": ["invited", "purchased"]}
    ),
    "tickets": pd.DataFrame({"ticket_id": ["t1", "t2"], "customer_id": ["A", "B"], "created_at": at("03-08", "03-08")}),
    "ticket_events": pd.DataFrame(
        {"event_id": ["e1", "e2"], "ticket_id": ["t1", "t2"], "occurred_at": at("03-09", "03-09"),
         "kind": ["comment"] * 2}
    ),
    "products": pd.DataFrame({"product_id": ["P1"]}),
}  # fmt: skip


def test_a_customers_story(engine):
    tables = dict(zip(TABLES, together(engine, *TABLES.values()), strict=True))
    told = engine.back(customer_timeline(tables, customer_id="A"))
    assert told[["table", "event", "row_id"]].values.tolist() == [
        ["customers", "registered_at", "A"],
        ["referrals", "invited_at", "r2"],
        ["campaign_sends", "sent_at", "s1"],
        ["campaign_sends", "opened_at", "s1"],
        ["loyalty_events", "occurred_at", "l1"],
        ["orders", "ordered_at", "o1"],
        ["referrals", "invited_at", "r1"],
        ["tickets", "created_at", "t1"],
        ["ticket_events", "occurred_at", "e1"],
    ]
    assert told["value"].dropna().to_list() == [44, 4400]
    assert told["kind"].to_list()[2:7] == ["N1", "N1", "earn", "completed", "invited"]
    march = engine.back(customer_timeline(tables, customer_id="A", start="2026-03-01", end="2026-03-08"))
    assert march["row_id"].to_list() == ["l1", "o1", "r1"]
    assert len(engine.back(customer_timeline(tables, customer_id="nobody"))) == 0


def test_impressions(engine):
    with pytest.warns(RowsLeftOut) as told:
        found = engine.back(journey_map(engine(MET)))
    assert {one.message.reason for one in told} == {"no_date", "off_scale", "same_key"}
    assert found[["stage", "touchpoint", "n", "contacts"]].fillna("-").values.tolist() == [
        ["pre_purchase", "website", 0, 1],
        ["purchase", "staff", 2, 2],
        ["purchase", "checkout", 1, 1],
        ["own", "staff", 1, 1],
        ["-", "staff", 1, 1],
    ]
    assert found["value"].to_list() == pytest.approx([np.nan, 0.5, 1, 0, 2], nan_ok=True)
    assert (found["low"][1], found["high"][1]) == pytest.approx(t_mean(2, 1, 5))
    assert found[["low", "high"]].drop(index=1).isna().all(axis=None)
    whole = engine.back(quietly(impression_by_touchpoint, engine(MET), start="2026-03-01"))
    assert whole[["touchpoint", "n"]].values.tolist() == [["website", 0], ["staff", 3], ["checkout", 1]]
    assert whole["value"][1] == pytest.approx(1 / 3)


def test_a_simulated_shop_agrees_with_pandas():
    shop = crmkit.simulate("salon", customers=300, weeks=52, seed=3)
    met = shop.interactions
    expected = met.groupby(["stage", "touchpoint"])["impression"].agg(["mean", "count", "size"])
    found = journey_map(met).set_index(["stage", "touchpoint"])
    assert found["n"].to_dict() == expected["count"].to_dict()
    assert found["contacts"].to_dict() == expected["size"].to_dict()
    known = expected["count"] > 0
    assert found["value"].dropna().to_dict() == pytest.approx(expected["mean"][known].astype(float).to_dict())
    who = met["customer_id"].value_counts().index[0]
    told = customer_timeline(shop, customer_id=who)
    assert told["at"].is_monotonic_increasing
    assert set(told.loc[told["table"] == "interactions", "row_id"]) == set(
        met.loc[met["customer_id"] == who, "interaction_id"]
    )
    assert (told["table"] == "orders").sum() == (shop.orders["ordered_at"][shop.orders["customer_id"] == who]).count()
    sends = shop.campaign_sends[shop.campaign_sends["customer_id"] == who]
    counted = told.loc[told["table"] == "campaign_sends", "event"].value_counts().to_dict()
    assert counted == {name: n for name, n in sends.filter(like="_at").count().items() if n}


def test_numbers_as_ids_and_own_names():
    orders = pd.DataFrame({"order_id": [1, 2], "会員番号": [7, 8], "ordered_at": at("03-01", "03-02")})
    told = customer_timeline({"orders": orders}, customer_id=7, columns={"orders": {"customer_id": "会員番号"}})
    assert told["row_id"].to_list() == ["1"]


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ParameterError, match="products"):
        customer_timeline({"products": TABLES["products"]}, customer_id="A")
    with pytest.raises(MissingColumn, match="ordered_at"):
        customer_timeline({"orders": TABLES["orders"].drop(columns="ordered_at")}, customer_id="A")
    with pytest.raises(MissingColumn, match="impression"):
        journey_map(MET.drop(columns="impression"))
    assert len(journey_map(MET.head(0))) == 0
    assert journey_map(MET.head(5).assign(impression=np.nan))["n"].sum() == 0


@pytest.mark.parametrize("code", ["en", "ja"])
def test_a_picture_of_the_journey(code):
    with in_language(code):
        axes = plot_journey_map(quietly(journey_map, MET))
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert len(labels) == 5
        assert ("before buying – website" if code == "en" else "購入前 – ウェブサイト") in labels
        assert sum("n = " in note.get_text() for note in axes.texts) == 4
        assert len(plot_journey_map(quietly(impression_by_touchpoint, MET)).get_yticklabels()) == 3
        empty = plot_journey_map(journey_map(MET.head(0)))
        assert [note.get_text() for note in empty.texts] == ["no data" if code == "en" else "データなし"]
