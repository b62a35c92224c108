"""What customers and the shop have to do with each other around orders and tickets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from crmkit.simulator.emit import contacts
from crmkit.simulator.emit.timeline import timelines
from crmkit.simulator.scenario import scenario
from crmkit.simulator.voices import voice
from tests.emitted import arrow, customers, end, lived, orders, plain, told, world


def test_contacts_lie_within_a_customers_life():
    found, who = told("interactions"), customers()
    life = who.loc[found["customer_id"]]
    assert (found["occurred_at"] >= life["since"].to_numpy()).all()
    inbound = found["direction"] == "inbound"
    assert (found["occurred_at"] < life["until"].to_numpy())[inbound].all()


def test_contacts_lie_around_their_order():
    found = told("interactions")
    own = found[found["ticket_id"].isna()]
    about = orders().loc[own["order_id"]]
    assert (about["customer_id"].to_numpy() == own["customer_id"].to_numpy()).all()
    wait = pd.Series(own["occurred_at"].to_numpy() - about["ordered_at"].to_numpy(), index=own.index)
    before = own["stage"] == "pre_purchase"
    assert (wait[before] < pd.Timedelta(0)).all()
    assert (wait[before] > pd.Timedelta(days=-20)).all()
    assert wait[own["stage"] == "purchase"].between(pd.Timedelta(0), pd.Timedelta(hours=2)).all()
    assert (wait[own["kind"].isin(["follow_up", "thank_you"])] > pd.Timedelta(0)).all()
    staffed = own["staff_id"].notna()
    assert (own["staff_id"].to_numpy() == about["staff_id"].to_numpy())[staffed].all()
    assert staffed[own["kind"] == "visit"].all()
    per_order = len(found) / len(orders())
    assert 2 < per_order < 3.2


def test_contacts_about_tickets_are_those_of_the_desk():
    found, desk = told("interactions").dropna(subset="ticket_id"), timelines(world())
    start = np.datetime64(world().shop.clock.start, "us")
    place = pd.Series(np.arange(len(desk)), index=desk.ticket_ids.to_pylist())[found["ticket_id"]].to_numpy()
    at = np.where(found["direction"] == "inbound", desk.created[place], desk.solved_at[place])
    assert (found["occurred_at"].to_numpy() == start + at.astype("timedelta64[s]")).all()
    assert (found["customer_id"].to_numpy() == np.array(world().customer_ids)[desk.who[place]]).all()


def test_offers_are_those_of_the_orders():
    found = told("interactions").query("kind == 'offer'")
    scene = world()
    offered = (scene.orders["offer"] > 0) & ~scene.orders["cancelled"]
    late = found["occurred_at"].max() + pd.Timedelta(hours=2) > end()
    assert len(found) == offered.sum() or (late and len(found) == pytest.approx(offered.sum(), rel=0.001))
    assert (found["outcome"] == "accepted").sum() == pytest.approx((offered & scene.orders["accepted"]).sum(), abs=3)
    assert found["product_id"].notna().all()
    assert told("interactions").query("kind != 'offer'")["outcome"].isna().all()


def test_impressions_follow_the_day_and_the_defect():
    scene = world()
    found = scene.orders
    rows = np.flatnonzero(~found["cancelled"])
    left = contacts.impressions(scene, rows)
    assert set(np.unique(left)) == {-2, -1, 0, 1, 2}
    day, defect = found["went"][rows], found["defect"][rows]
    for touchpoint in left:
        assert touchpoint[day > 0.7].mean() > touchpoint[day < 0.3].mean() + 0.4
    technique = contacts.IN_PERSON.index("technique")
    spoilt = left[:, ~defect].mean(axis=1) - left[:, defect].mean(axis=1)
    assert spoilt.argmax() == technique
    assert (left.max(axis=0) > left.min(axis=0)).mean() > 0.8  # a journey has its best and worst moments
    whole = told("interactions").query("kind == 'visit'").groupby("order_id").size()
    assert set(whole) == {1, 4}


def test_notes_have_the_tone_of_the_impression():
    found, said = told("interactions").dropna(subset="note"), voice("salon", "ja")
    assert found["staff_id"].notna().all()
    tone = np.where(found["impression"] < 0, "negative", np.where(found["impression"] > 0, "positive", "neutral"))
    assert all(note in said.group("interaction_note", None, one) for note, one in zip(found["note"], tone, strict=True))


def test_a_shop_without_a_door_has_no_visits():
    salon = scenario("salon")
    people = replace(salon.people, order_channel={"web": 70, "app": 30})
    found = plain(arrow(lived(replace(salon, people=people), 500), "interactions"))
    assert not set(found["kind"]) & {"visit", "reservation"}
    assert not (found["channel"].eq("store") & found["ticket_id"].isna()).any()
    journey = found[found["impression"].notna() & found["kind"].isin(["web_view", "status_update"])]
    assert set(journey["touchpoint"]) == set(contacts.REMOTE)


def test_a_delivery_needs_no_visit_to_the_website():
    scene = lived(scenario("subscription"), 300)
    found = plain(arrow(scene, "interactions"))
    later = scene.orders["subscription"] & (scene.orders["seq"] > 1)
    own = found[found["order_id"].isin(np.array(scene.order_ids)[later]) & found["ticket_id"].isna()]
    assert len(own) > 100
    assert set(own["kind"]) <= {"status_update", "offer", "follow_up", "thank_you"}


def test_courtesy_makes_better_impressions():
    plain_shop, kind_shop = told("interactions"), plain(arrow(world(courtesy=0.9), "interactions"))
    visits = [one[one["kind"] == "visit"]["impression"].mean() for one in (plain_shop, kind_shop)]
    assert visits[1] > visits[0] + 0.2


def test_without_offers_and_follow_up_there_are_none():
    found = plain(arrow(world(500, offer_share=0, follow_up_share=0), "interactions"))
    assert not set(found["kind"]) & {"offer", "follow_up", "thank_you"}
