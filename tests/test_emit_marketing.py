"""Mails, leads, the programme and the tables of the shop as a whole: true to the engine, the clock and each other."""

from __future__ import annotations

from datetime import date
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from crmkit import schema
from crmkit.simulator.calendar import holidays
from crmkit.simulator.emit import marketing, opinions, sales, service
from crmkit.simulator.emit.scene import Scene
from crmkit.simulator.emit.shop import campaigns, shop_tables
from crmkit.simulator.engine import NEVER, live
from crmkit.simulator.scenario import scenario, scenarios
from crmkit.simulator.shop import Shop, open_shop

ALL_ON = {
    "anniversary_gift": 1000,
    "member_discount": 0.05,
    "recovery_amount": 800,
    "points_rate": 0.02,
    "randomize": 1,
}
WORLDS = [*((name, ()) for name in scenarios()), *((name, tuple(ALL_ON.items())) for name in ("salon", "shop"))]
FUNNEL = ["created_at", "first_contacted_at", "mql_at", "sql_at"]


@cache
def shop(name: str = "salon", levers: tuple[tuple[str, float], ...] = (), weeks: int = 104) -> Shop:
    made = scenario(name)
    return open_shop(made, weeks=weeks, seed=7, levers=made.levers.changed(dict(levers)))


@cache
def lived(
    name: str = "salon", levers: tuple[tuple[str, float], ...] = (), first: int = 0, n: int = 600, weeks: int = 104
) -> Scene:
    return Scene(live(shop(name, levers, weeks), first, n))


def whole(scene: Scene, language: str = "ja") -> dict[str, pa.Table]:
    return shop_tables(scene.shop, marketing.totals(scene), language)


def frame(table: pa.Table) -> pd.DataFrame:
    """The table as a shop's owner gets it: plain words instead of dictionaries."""
    plain = [field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field for field in table.schema]
    return table.cast(pa.schema(plain)).to_pandas()


def end(scene: Scene) -> pd.Timestamp:
    return pd.Timestamp(scene.shop.clock.start) + pd.Timedelta(weeks=scene.shop.weeks)


def left_at(scene: Scene) -> pd.Series:
    """The end of each customer's last week; the end of the world for those who stay."""
    weeks = np.minimum(scene.crowd.left + 1, scene.shop.weeks)
    at = pd.Timestamp(scene.shop.clock.start) + pd.to_timedelta(weeks * 7, unit="D")
    return pd.Series(at, index=scene.customer_ids.to_pandas())


def by_customer(scene: Scene) -> pd.DataFrame:
    return frame(sales.customers(scene, "ja_JP")).set_index("customer_id")


def in_order(rows: pd.DataFrame, *columns: str) -> bool:
    """Whether instants that are there never run backwards from one column to the next."""
    latest = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us]")
    for column in columns:
        if (rows[column] < latest).any():
            return False
        latest = rows[column].fillna(latest)
    return True


worlds = pytest.mark.parametrize(("name", "levers"), WORLDS, ids=[f"{name}{'+' * bool(on)}" for name, on in WORLDS])


# --- what all tables must be


@worlds
def test_tables_are_of_the_model(name, levers):
    scene = lived(name, levers)
    found = {
        make.__name__: make(scene) for make in (marketing.campaign_sends, marketing.leads, marketing.loyalty_events)
    }
    for table_name, table in (found | whole(scene)).items():
        model = schema.TABLES[table_name]
        assert table.column_names == [column.name for column in model.columns]
        rows = frame(table)
        for column in model.columns:
            values = rows[column.name].dropna()
            assert column.nullable or len(values) == len(rows), column.name
            assert not column.allowed or set(values) <= set(column.allowed), column.name
            assert column.low is None or (values >= column.low).all(), column.name
            assert column.high is None or (values <= column.high).all(), column.name
        assert not rows.duplicated(list(model.key)).any(), table_name


def test_a_smaller_world_is_the_beginning_of_a_larger_one():
    less, more = lived("salon", tuple(ALL_ON.items()), n=300), lived("salon", tuple(ALL_ON.items()))
    for make in (marketing.campaign_sends, marketing.leads, marketing.loyalty_events):
        small, large = make(less), make(more)
        assert 0 < len(small) < len(large)
        pd.testing.assert_frame_equal(frame(small).astype(object), frame(large.slice(0, len(small))).astype(object))


def test_rows_come_customer_by_customer_and_by_time():
    scene = lived("salon", tuple(ALL_ON.items()))
    sends = frame(marketing.campaign_sends(scene))
    loyalty = frame(marketing.loyalty_events(scene))
    for rows, at in ((loyalty, "occurred_at"), (sends[sends.arm == "treatment"], "sent_at")):
        assert rows.customer_id.is_monotonic_increasing
        assert rows.groupby("customer_id")[at].is_monotonic_increasing.all()
    leads = frame(marketing.leads(scene))
    assert leads.lead_id.is_monotonic_increasing
    assert leads.groupby(leads.lead_id.str[:-2]).created_at.is_monotonic_increasing.all()


# --- mails


@worlds
def test_what_happens_to_a_mail_happens_in_turn(name, levers):
    scene = lived(name, levers)
    rows = frame(marketing.campaign_sends(scene))
    if name == "textbook":
        assert rows.empty
        return
    control = rows[rows.arm == "control"]
    assert len(control)
    later = ["delivered_at", "bounced_at", "opened_at", "clicked_at", "unsubscribed_at"]
    assert control[["sent_at", *later]].isna().all(axis=None)
    assert not control.is_machine_open.any()
    sent = rows[rows.arm == "treatment"]
    assert sent.sent_at.notna().all()
    assert (sent.sent_at.dt.day_of_week == 0).all()
    assert (sent.delivered_at.isna() == sent.bounced_at.notna()).all()
    assert in_order(sent, "sent_at", "delivered_at", "opened_at", "clicked_at", "unsubscribed_at")
    assert in_order(sent, "sent_at", "bounced_at")
    assert sent[sent.bounced_at.notna()][["opened_at", "clicked_at", "unsubscribed_at"]].isna().all(axis=None)
    clicked = sent[sent.clicked_at.notna()]
    assert clicked.opened_at.notna().all()
    assert not clicked.is_machine_open.any()
    machine = sent[sent.is_machine_open]
    assert (machine.opened_at - machine.delivered_at < pd.Timedelta(seconds=30)).all()
    for column in later:
        assert (rows[column].dropna() < end(scene)).all()


@worlds
def test_only_those_who_want_mails_get_them_and_only_the_living_read_them(name, levers):
    scene = lived(name, levers)
    rows = frame(marketing.campaign_sends(scene))
    people = by_customer(scene)
    asked = people.loc[rows.customer_id].reset_index(drop=True)
    week = marketing_week(scene, rows)
    assert (asked.email_opt_in | (asked.opted_out_at >= week)).all()
    assert (asked.registered_at <= week).all()
    human = rows[rows.opened_at.notna() & ~rows.is_machine_open]
    for column in ("opened_at", "clicked_at"):
        assert (human[column].fillna(human.sent_at) < left_at(scene).loc[human.customer_id].to_numpy()).all()


def marketing_week(scene: Scene, rows: pd.DataFrame) -> pd.Series:
    """The Monday of each row, which the control rows do not say."""
    found = scene.events("sends")
    week = found["week"] if found else np.zeros(len(rows), dtype=np.int64)
    return pd.Series(pd.Timestamp(scene.shop.clock.start) + pd.to_timedelta(week * 7, unit="D"))


@worlds
def test_who_leaves_the_list_does_so_once_when_the_customers_table_says(name, levers):
    scene = lived(name, levers)
    rows = frame(marketing.campaign_sends(scene))
    gone = rows.dropna(subset="unsubscribed_at").set_index("customer_id").unsubscribed_at
    said = by_customer(scene).opted_out_at.dropna()
    assert gone.index.is_unique
    pd.testing.assert_series_equal(gone.sort_index(), said.sort_index(), check_names=False)


@pytest.mark.parametrize("name", ["salon", "shop"])
def test_who_came_with_a_coupon_had_opened_the_mail(name):
    scene = lived(name)
    rows = frame(marketing.campaign_sends(scene))
    orders = frame(sales.orders(scene)).dropna(subset="campaign_id")
    assert len(orders) > 50
    key = ["customer_id", "campaign_id"]
    mails = rows[~rows.campaign_id.eq("W000")]
    joined = orders[orders.campaign_id != "W000"].merge(mails, on=key, how="left", validate="one_to_one")
    assert (joined.arm == "treatment").all()
    assert (joined.opened_at <= joined.ordered_at).all()


def test_mails_are_read_about_as_often_as_mails_are():
    scene = lived(n=3000)
    rows = frame(marketing.campaign_sends(scene))
    sent = rows[rows.arm == "treatment"]
    delivered = sent.delivered_at.notna().sum()
    assert 0.015 < sent.bounced_at.notna().mean() < 0.04
    assert 0.25 < (sent.opened_at.notna() & ~sent.is_machine_open).sum() / delivered < 0.4
    assert 0.02 < sent.clicked_at.notna().sum() / delivered < 0.05
    assert 0.1 < sent.is_machine_open.sum() / delivered < 0.2
    assert 0 < sent.unsubscribed_at.notna().sum() / delivered < 0.006
    alive = scene.events("sends")["alive"][(rows.arm == "treatment").to_numpy()]
    assert sent.bounced_at.notna()[~alive].mean() > 2 * sent.bounced_at.notna()[alive].mean()


@worlds
def test_every_campaign_named_anywhere_is_a_campaign(name, levers):
    scene = lived(name, levers)
    known = frame(whole(scene)["campaigns"]).set_index("campaign_id")
    sends = frame(marketing.campaign_sends(scene))
    orders = frame(sales.orders(scene))
    costs = frame(whole(scene)["costs"])
    for rows in (sends, orders, costs):
        assert set(rows.campaign_id.dropna()) <= set(known.index)
    for campaign, mails in sends.groupby("campaign_id"):
        assert (mails.sent_at.dropna() >= known.started_at[campaign]).all()
        if not known.is_automated[campaign]:
            assert (mails.sent_at.dropna() == known.started_at[campaign]).all()
    used = orders.dropna(subset="campaign_id")
    window = known.loc[used.campaign_id]
    assert (used.ordered_at.to_numpy() >= window.started_at.to_numpy()).all()
    assert (used.ordered_at.to_numpy() < window.ended_at.fillna(end(scene)).to_numpy()).all()


# --- leads


@worlds
def test_leads_go_down_the_funnel_in_turn(name, levers):
    scene = lived(name, levers)
    rows = frame(marketing.leads(scene))
    if name == "textbook":
        assert rows.empty
        return
    assert in_order(rows, *FUNNEL, "converted_at")
    assert in_order(rows, *FUNNEL, "disqualified_at")
    assert (rows.created_at >= pd.Timestamp(scene.shop.clock.start)).all()
    for column in (*FUNNEL, "converted_at", "disqualified_at"):
        assert (rows[column].dropna() < end(scene)).all()
    for earlier, later in pairwise(FUNNEL):
        assert (rows[earlier].notna() | rows[later].isna()).all()
    reached = rows[FUNNEL].notna().sum(axis=1)
    status = np.array(["", "new", "contacted", "mql", "sql"])[reached]
    expected = np.where(
        rows.converted_at.notna(), "converted", np.where(rows.disqualified_at.notna(), "disqualified", status)
    )
    assert (rows.status == expected).all()
    assert (rows.converted_at.isna() == rows.customer_id.isna()).all()
    assert (rows.lost_reason.notna() == rows.disqualified_at.notna()).all()
    assert (rows.owner_id.notna() == rows.first_contacted_at.notna()).all()
    worked = (
        rows.loc[rows.converted_at.isna(), ["first_contacted_at", "mql_at", "sql_at", "disqualified_at"]]
        .stack()
        .dropna()
    )
    opens, hours = scene.shop.scenario.calendar.opens, len(scene.shop.scenario.calendar.hours)
    inside = (worked.dt.hour >= opens) & (worked <= worked.dt.normalize() + pd.Timedelta(hours=opens + hours))
    assert inside.all()


def test_a_lead_that_was_won_is_the_customer_it_became():
    scene = lived(n=3000)
    rows = frame(marketing.leads(scene))
    won = rows[rows.status == "converted"]
    people = by_customer(scene).loc[won.customer_id]
    first = frame(sales.orders(scene)).groupby("customer_id").ordered_at.min()
    assert (won.lead_source.to_numpy() == people.acquisition_channel.to_numpy()).all()
    assert (won.created_at.to_numpy() < people.registered_at.to_numpy()).all()
    assert (won.converted_at.to_numpy() == first.loc[won.customer_id].to_numpy()).all()
    assert won.customer_id.is_unique
    assert set(won.lead_source) == {"search", "sns", "ad", "event"}
    lost = rows[rows.status != "converted"]
    assert won.score.mean() > lost.score.mean() + 15
    assert won.score.min() < lost.score.max()
    assert len(lost) / len(scene.crowd) == pytest.approx(scene.shop.scenario.contact.leads_per_customer, abs=0.03)


def test_what_is_known_of_channels_is_what_the_customers_table_says():
    scene = lived("shop")
    names = np.array([*scene.shop.scenario.people.acquisition, "referral"])
    assert (names[marketing._channel(scene)] == by_customer(scene).acquisition_channel.to_numpy()).all()


# --- the programme


@worlds
def test_nobody_ever_owes_points(name, levers):
    scene = lived(name, levers)
    rows = frame(marketing.loyalty_events(scene))
    if not scene.shop.levers.points_rate:
        assert not set(rows.kind) & {"earn", "redeem", "expire"}
        return
    way = rows.kind.map({"earn": 1, "redeem": -1, "expire": -1}).fillna(0)
    balance = (rows.points.fillna(0) * way).groupby(rows.customer_id).cumsum()
    assert (balance >= 0).all()
    assert {"join", "earn", "redeem", "expire"} <= set(rows.kind)
    last = balance.groupby(rows.customer_id).last().reindex(scene.customer_ids.to_pandas(), fill_value=0)
    assert (last.to_numpy() == scene.crowd.points).all()


@worlds
def test_the_programme_fits_customers_and_orders(name, levers):
    scene = lived(name, levers)
    rows = frame(marketing.loyalty_events(scene))
    people, orders = by_customer(scene), frame(sales.orders(scene)).set_index("order_id")
    joins = rows[rows.kind == "join"].set_index("customer_id").occurred_at
    pd.testing.assert_series_equal(joins, people.member_since.dropna(), check_names=False)
    assert (rows.occurred_at >= people.member_since.loc[rows.customer_id].to_numpy()).all()
    assert (rows.occurred_at < end(scene)).all()
    at = orders.loc[rows.order_id.dropna()]
    assert (rows.occurred_at[rows.order_id.notna()].to_numpy() == at.ordered_at.to_numpy()).all()
    assert (rows.customer_id[rows.order_id.notna()].to_numpy() == at.customer_id.to_numpy()).all()
    tier = rows.dropna(subset="to_tier").groupby("customer_id").to_tier.last()
    assert (tier == people.member_tier.loc[tier.index]).all()
    assert (people.member_tier.drop(tier.index) == "none").all()
    assert (rows.points.notna() == rows.kind.isin(["earn", "redeem", "expire"])).all()
    assert (rows.benefit.notna() == rows.value_amount.notna()).all()
    assert (rows.expires_at.notna() == (rows.kind == "earn")).all()


def test_points_lapse_when_they_were_said_to_unless_another_order_came():
    rows = frame(marketing.loyalty_events(lived(n=3000)))
    lapsed = rows[rows.kind == "expire"]
    assert len(lapsed) > 20
    earned = rows[rows.kind == "earn"]
    at_most = pd.merge_asof(
        lapsed.sort_values("occurred_at"),
        earned.sort_values("occurred_at"),
        on="occurred_at",
        by="customer_id",
        suffixes=("", "_earned"),
    )
    assert (at_most.occurred_at >= at_most.expires_at_earned).all()
    assert (at_most.occurred_at == at_most.expires_at_earned).mean() > 0.8
    assert (earned.expires_at - earned.occurred_at >= pd.Timedelta(weeks=52)).all()
    assert (earned.expires_at - earned.occurred_at <= pd.Timedelta(weeks=58)).all()


def test_discounts_of_orders_are_coupons_points_and_membership():
    scene = lived("salon", tuple(ALL_ON.items()))
    rows = frame(marketing.loyalty_events(scene))
    taken = rows[rows.kind.isin(["redeem", "benefit"])].pivot_table(
        index="order_id", columns="benefit", values="value_amount", aggfunc="sum"
    )
    orders = frame(sales.orders(scene)).set_index("order_id")
    plain = orders[orders.coupon_code.isna() & (orders.status == "completed")]
    explained = taken.sum(axis=1).reindex(plain.index, fill_value=0.0)
    assert (explained == plain.discount_amount).all()
    assert (explained > 0).any()
    with_coupon = orders[orders.coupon_code.notna()].index
    assert taken.member_discount.reindex(with_coupon).isna().all()


# --- levers


def test_no_newsletters_without_a_cadence():
    scene = lived("salon", (("contact_every_weeks", 0.0),))
    rows = frame(marketing.campaign_sends(scene))
    assert set(rows.campaign_id.str[0]) == {"P", "W"}
    assert "newsletter" not in set(frame(campaigns(scene.shop)).kind)
    none = lived("salon", (("contact_every_weeks", 0.0), ("campaign_every_weeks", 0.0)))
    assert marketing.campaign_sends(none).num_rows == 0
    assert campaigns(none.shop).num_rows == 0


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_so_many_are_left_out_of_a_campaign(share):
    rows = frame(marketing.campaign_sends(lived("salon", (("control_share", share),), n=2000)))
    newsletter = rows.campaign_id.str.startswith("N")
    assert (rows.arm[newsletter] == "treatment").all()
    assert (rows.arm[~newsletter] == "control").mean() == pytest.approx(share, abs=0.03)


def test_gifts_are_given_when_there_are_gifts():
    kinds = frame(marketing.loyalty_events(lived())).benefit
    assert not set(kinds) & {"anniversary_gift", "member_discount"}
    scene = lived("salon", (("anniversary_gift", 700.0),))
    gifts = frame(marketing.loyalty_events(scene)).query("benefit == 'anniversary_gift'")
    assert len(gifts)
    assert (gifts.value_amount == 700).all()
    costs = frame(whole(scene)["costs"]).query("campaign_id == 'A000'")
    assert costs.amount.sum() == gifts.value_amount.sum()


def test_no_programme_no_events():
    scene = lived("salon", (("points_rate", 0.0),))
    assert marketing.loyalty_events(scene).num_rows == 0


# --- sums and costs


@worlds
def test_sums_do_not_depend_on_how_customers_are_cut(name, levers):
    one = marketing.totals(lived(name, levers))
    parts = [marketing.totals(lived(name, levers, first=first, n=n)) for first, n in ((0, 250), (250, 100), (350, 250))]
    for key, total in one.items():
        assert total.dtype == np.int64
        assert len(total) == 104
        assert (total == sum(part[key] for part in parts)).all(), key
    assert one["new_customers"].sum() > 0


@worlds
def test_costs_are_what_the_engine_spent_on_customers_and_what_winning_them_took(name, levers):
    scene = lived(name, levers)
    costs = frame(whole(scene)["costs"])
    assert (costs.amount > 0).all()
    money, people = scene.shop.scenario.money, by_customer(scene)
    new = people[
        people.registered_at >= pd.Timestamp(scene.shop.clock.start)
    ]  # regulars were won before the books begin
    bought = new[new.index.isin(frame(sales.orders(scene)).customer_id)]
    won = costs[(costs.purpose == "acquisition") & (costs.category != "reward")].groupby("channel").amount.sum()
    expected = (bought.acquisition_channel.value_counts() * pd.Series(money.acquisition)).dropna()
    pd.testing.assert_series_equal(won, expected[expected > 0].sort_index(), check_names=False, check_dtype=False)
    tools = costs[costs.category == "tool"].amount.sum()
    assert tools == money.tools_per_week * 104
    assert costs.amount.sum() - won.sum() - tools == pytest.approx(scene.crowd.cost.sum(), abs=1)


def test_costs_fit_the_tables_they_are_of():
    scene = lived("salon", tuple(ALL_ON.items()))
    costs = frame(whole(scene)["costs"])
    money = scene.shop.scenario.money
    sends = frame(marketing.campaign_sends(scene))
    mails = sends[sends.arm == "treatment"].groupby("campaign_id", observed=True).size() * money.message
    booked = costs[costs.channel == "email"].groupby("campaign_id").amount.sum()
    pd.testing.assert_series_equal(booked, mails.astype(float), check_names=False, check_index_type=False)
    rewards = frame(opinions.referrals(scene))
    paid = rewards.referrer_reward_amount.sum() + rewards.invitee_reward_amount.sum()
    assert costs[costs.channel == "referral"].amount.sum() == paid
    assert (pd.to_datetime(costs.incurred_date).dt.day_of_week == 0).all()


# --- problems, promises and opening hours


def test_a_problem_is_mended_from_the_week_on_in_which_defects_become_rarer():
    levers = (("root_cause_days", 60.0), ("defect_rate", 0.2), ("inspection_share", 0.0))
    scene = lived("salon", levers, n=2000)
    rows = frame(whole(scene)["problems"])
    assert len(rows) == len(scene.shop.problems) == 2
    steps = ["opened_at", "root_cause_found_at", "corrective_action_at", "explained_at", "closed_at"]
    assert in_order(rows, *steps)
    assert rows[steps].notna().all(axis=None)
    orders = scene.orders
    at = pd.Timestamp(scene.shop.clock.start) + pd.to_timedelta(orders["at"], unit="s")
    for row, one in zip(rows.itertuples(), scene.shop.problems, strict=True):
        mine = (orders["main"] == one.product) & ~orders["cancelled"]
        bad = orders["defect"][mine & (at >= row.opened_at) & (at < row.corrective_action_at)].mean()
        good = orders["defect"][mine & (at >= row.corrective_action_at)].mean()
        assert bad > 3 * good
    tickets = frame(service.tickets(scene, "ja"))
    assert set(tickets.problem_id.dropna()) <= set(rows.problem_id)


def test_what_has_not_happened_yet_is_not_told():
    scene = lived("salon", (("root_cause_days", 3650.0),))
    rows = frame(whole(scene, "en")["problems"])
    assert rows[["corrective_action", "corrective_action_at", "explained_at", "closed_at"]].isna().all(axis=None)
    assert whole(lived("salon", (("defect_rate", 0.0),)))["problems"].num_rows == 0
    assert whole(lived(weeks=20))["problems"].num_rows == 0
    plan = frame(whole(lived(weeks=20))["campaigns"])
    assert (plan.ended_at.dropna() < end(lived(weeks=20))).all()
    assert plan.ended_at.isna().any()


def test_causes_are_told_in_the_staffs_language():
    scene = lived()
    japanese, english = (frame(whole(scene, language)["problems"]) for language in ("ja", "en"))
    assert japanese.root_cause.dropna().str.contains("[ぁ-ん]").all()
    assert english.root_cause.dropna().str.isascii().all()
    pd.testing.assert_frame_equal(
        japanese.drop(columns=["root_cause", "corrective_action"]),
        english.drop(columns=["root_cause", "corrective_action"]),
    )


@pytest.mark.parametrize("name", scenarios())
def test_opening_hours_are_those_of_the_clock(name):
    tables = whole(lived(name))
    plan = scenario(name).calendar
    hours = frame(tables["business_hours"])
    assert hours.weekday.tolist() == [day for day, busy in enumerate(plan.weekdays) if busy]
    days = frame(tables["holidays"])
    closed = set(days[days.calendar_id == "main"].date)
    assert closed == {date(year, int(day[:2]), int(day[3:])) for year in (2024, 2025) for day in plan.closed_days}
    public = set(days[days.calendar_id == "public"].date)
    assert public == {day for day in holidays() if day.year in (2024, 2025)}
    # working time counted from the two tables is the clock's
    clock = shop(name).clock
    minutes = (int(hours.close_time[0][:2]) - int(hours.open_time[0][:2])) * 60
    opened = [
        day
        for day in pd.date_range(plan.start, periods=7 * 104)
        if day.weekday() in set(hours.weekday) and day.date() not in closed
    ]
    assert int(clock.working(np.array([clock.end]))[0]) == len(opened) * minutes * 60


def test_promises_tighten_with_priority():
    rows = frame(whole(lived())["sla_policies"])
    assert len(rows) == len(schema.TICKET_KINDS) * len(schema.PRIORITIES) * 2
    wide = rows.pivot_table(index=["ticket_kind", "metric"], columns="priority", values="target_minutes")
    assert (wide[list(schema.PRIORITIES)].diff(axis=1).iloc[:, 1:] < 0).all(axis=None)
    by_metric = rows.pivot_table(index=["ticket_kind", "priority"], columns="metric", values="target_minutes")
    assert (by_metric.resolution > by_metric.first_reply).all()


def test_products_are_the_scenarios():
    rows = frame(whole(lived("subscription"))["products"])
    assert rows.is_subscribable.tolist() == [True, True, True, False, False]
    bought = frame(sales.subscriptions(lived("subscription"))).product_id
    assert set(bought) <= set(rows.product_id[rows.is_subscribable])
    assert (rows.launched_at < pd.Timestamp(scenario("subscription").calendar.start)).all()
    assert not frame(whole(lived())["products"]).is_subscribable.any()
    assert rows.name_ja.tolist() == [one.name_ja for one in scenario("subscription").products]


def test_coupons_are_of_mails_that_were_sent():
    for name in ("salon", "shop"):
        scene = lived(name)
        found, orders = scene.events("sends"), scene.orders
        sent = set(
            zip(
                found["who"].tolist(),
                (found["week"] * 4 + found["kind"]).tolist(),
                found["treated"].tolist(),
                strict=True,
            )
        )
        some = orders["coupon"] != NEVER
        used = zip(orders["who"][some].tolist(), orders["coupon"][some].tolist(), strict=True)
        assert all((who, coupon, True) in sent for who, coupon in used)
