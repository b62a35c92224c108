"""What customers say and whom they tell: surveys, feedback, referrals; and what holds for all that is told of them."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from crmkit import schema
from crmkit.simulator.calendar import WEEK
from crmkit.simulator.emit import contacts, sales, surveys
from crmkit.simulator.emit.timeline import timelines
from crmkit.simulator.scenario import scenario
from crmkit.simulator.voices import TOPICS, voice
from tests.emitted import AT, ID, TABLES, arrow, customers, end, lived, orders, plain, told, world


def asked() -> pd.DataFrame:
    """The invitations with what only the engine knows."""
    found, scene = told("survey_responses").copy(), world()
    known = surveys.answers(scene)
    desk = timelines(scene)
    first_told = np.full(len(scene.crowd), scene.shop.clock.end)
    np.minimum.at(first_told, desk.who, desk.created)
    found["mood"], found["there"] = known["mood"], known["there"]
    found["has_told"] = first_told[known["who"]] <= known["sent"]
    found["answered"] = found["responded_at"].notna()
    return found


# --- every table


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_as_the_model_says(name):
    found, model = told(name), schema.TABLES[name]
    assert list(found) == [column.name for column in model.columns]
    assert found[ID[name]].is_unique
    assert found[ID[name]].str.fullmatch(r"[QFRI]\d{12}").all()
    for column in model.columns:
        values = found[column.name].dropna()
        assert column.nullable or len(values) == len(found), column.name
        if column.allowed:
            assert set(values) <= set(column.allowed), column.name
        if column.low is not None:
            assert values.min() >= column.low, column.name
        if column.high is not None:
            assert values.max() <= column.high, column.name


@pytest.mark.parametrize("name", TABLES)
def test_nothing_has_happened_after_the_end(name):
    for column, values in told(name).items():
        if column.endswith("_at"):
            assert (values.dropna() < end()).all(), column


@pytest.mark.parametrize("name", TABLES)
def test_rows_stand_by_customer_and_time(name):
    found = told(name)
    customer = found[ID[name]].str[1:10]
    assert customer.is_monotonic_increasing
    assert (found.groupby(customer)[AT[name]].diff().dropna() >= pd.Timedelta(0)).all()


@pytest.mark.parametrize("name", TABLES)
def test_a_smaller_world_is_a_prefix(name):
    small, large = plain(arrow(world(300), name)), plain(arrow(world(600), name))
    assert 0 < len(small) < len(large)
    pd.testing.assert_frame_equal(small, large.head(len(small)))


@pytest.mark.parametrize("name", TABLES)
def test_levers_left_alone_change_no_row(name):
    levers = scenario("salon").levers
    again = lived(
        scenario("salon"), 300, first_reply_hours=levers.first_reply_hours, feedback_desk=levers.feedback_desk
    )
    assert arrow(again, name).equals(arrow(world(300), name))


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("weeks", [1, 5])
def test_a_world_that_has_hardly_begun_has_tables(name, weeks):
    found = arrow(lived(scenario("salon"), 3, weeks=weeks), name)
    assert found.schema.names == [column.name for column in schema.TABLES[name].columns]


@pytest.mark.parametrize("name", ["survey_responses", "feedback", "referrals"])
def test_where_nobody_is_asked_nobody_answers(name):
    assert arrow(lived(scenario("textbook"), 300), name).num_rows == 0


def test_ids_have_room_in_a_long_life():
    scene = lived(scenario("salon"), 20, weeks=400)
    ids = arrow(scene, "interactions")["interaction_id"].to_pandas()
    assert ids.is_unique
    assert set(ids.str.len()) == {14}


def test_english_customers_write_english():
    for name, column in {"survey_responses": "comment", "feedback": "text", "interactions": "note"}.items():
        said = arrow(world(300), name, "en")[column].to_pandas().dropna()
        assert len(said)
        assert said.str.isascii().mean() > 0.9  # dashes and quotation marks are not


def test_speed(capsys):
    scene = world()
    for name in TABLES:
        arrow(scene, name)
        vars(scene).pop("answers", None)
        begin = time.perf_counter()
        rows = arrow(scene, name).num_rows
        took = time.perf_counter() - begin
        with capsys.disabled():
            print(f"\n{name}: {rows:,} rows, {rows / took / 1e6:.2f}M rows/s", end="")


# --- surveys


def test_invitations_are_about_what_has_happened():
    found, who = told("survey_responses"), customers().loc
    assert (found["sent_at"] > who[found["customer_id"], "since"].to_numpy()).all()
    after = found.dropna(subset="order_id")
    about = orders().loc[after["order_id"]]
    assert (about["customer_id"].to_numpy() == after["customer_id"].to_numpy()).all()
    assert (about["status"] == "completed").mean() > 0.99  # a ticket can be about an order that was cancelled
    assert (after["sent_at"] > about["ordered_at"].to_numpy()).all()
    desk = timelines(world())
    tickets = pd.DataFrame({
        "customer_id": np.array(world().customer_ids)[desk.who], "created": desk.created, "solved": desk.solved_at,
    }, index=desk.ticket_ids.to_pylist())  # fmt: skip
    after = found.dropna(subset="ticket_id")
    about = tickets.loc[after["ticket_id"]]
    assert (about["customer_id"].to_numpy() == after["customer_id"].to_numpy()).all()
    sent = (after["sent_at"].to_numpy() - np.datetime64(world().shop.clock.start, "us")) / np.timedelta64(1, "s")
    assert (sent > np.where(about["solved"] >= 0, about["solved"], about["created"] + WEEK)).all()


def test_who_has_left_does_not_answer():
    found = asked()
    assert not found.loc[~found["there"], "answered"].any()
    assert (~found["there"]).mean() > 0.05
    answer = found[found["answered"]]
    assert (answer["responded_at"] > answer["sent_at"]).all()
    assert (answer["responded_at"] <= customers().loc[answer["customer_id"], "until"].to_numpy()).all()


def test_an_answer_is_a_point_of_its_scale_and_scales_are_used_in_full():
    found = told("survey_responses")
    assert (found["score"].isna() == found["responded_at"].isna()).all()
    assert found.loc[found["score"].isna(), "comment"].isna().all()
    scales = {"nps": (0, 10), "ces": (1, 7)}
    for kind, rows in found.groupby("kind"):
        low, high = scales.get(kind, (1, 5))
        assert (rows["scale_min"] == low).all()
        assert (rows["scale_max"] == high).all()
        assert set(rows["score"].dropna()) == set(range(low, high + 1)), kind


def test_the_content_give_higher_scores():
    found = asked().dropna(subset="score")
    for kind, rows in found.groupby("kind"):
        means = rows.groupby(pd.qcut(rows["mood"], 3, labels=False))["score"].mean()
        assert means[0] < means[2], kind
        assert kind == "expectation" or means.is_monotonic_increasing, kind


def test_headline_figures_are_those_of_a_good_salon():
    found = asked()
    rates = found.groupby([found["order_id"].notna(), found["ticket_id"].notna()])["answered"].mean()
    assert rates.between(0.10, 0.35).all(), rates
    csat = found.loc[found["kind"] == "csat", "score"].dropna()
    assert 0.60 < (csat >= 4).mean() < 0.75
    nps = found.loc[found["kind"] == "nps", "score"].dropna()
    assert -20 < net_promoters(nps) < 30
    assert nps.between(5, 7).mean() > 0.35
    assert net_promoters(nps[found["mood"] < 0.5]) < net_promoters(nps[found["mood"] > 0.7]) - 50


def net_promoters(scores: pd.Series) -> float:
    return 100 * ((scores >= 9).mean() - (scores <= 6).mean())


def test_answers_look_better_than_the_truth():
    found = asked()
    for about in ("order_id", None):
        rows = found[found["kind"].eq("csat") & found["ticket_id"].isna()] if about else found[found["kind"] == "nps"]
        error = rows["mood"].std() / rows["answered"].sum() ** 0.5
        assert rows.loc[rows["answered"], "mood"].mean() > rows["mood"].mean() + 4 * error


def test_the_middle_is_silent_and_so_are_the_unhappy_who_have_told_nobody():
    found = asked()
    found = found[found["there"]]
    rate = (
        found[found["has_told"]]
        .groupby(pd.cut(found["mood"], [-1, 0.25, 0.4, 0.6, 0.75, 2], labels=False))["answered"]
        .mean()
    )
    assert rate[0] > 1.3 * rate[2] < rate[4]
    unhappy = found[found["mood"] < surveys.UNHAPPY]
    rate = unhappy.groupby("has_told")["answered"].mean()
    assert rate[False] < 0.6 * rate[True]


def test_a_letter_with_two_questions_is_answered_at_once():
    found = told("survey_responses")
    waves = found[found["scope"] == "relational"]
    letters = waves.groupby(["customer_id", "sent_at"])
    assert letters["kind"].apply(lambda kinds: "nps" in set(kinds)).all()
    assert letters.size().max() == 2
    assert (letters["responded_at"].nunique() <= 1).all()
    beside = waves[waves["kind"] != "nps"]
    shares = beside["kind"].value_counts() / waves["kind"].eq("nps").sum()
    assert shares.between(0.17, 0.23).all()
    assert beside.groupby(["customer_id", "kind"]).size().max() == 1  # in turn, in a world of two years
    assert (found["driver"].notna() == found["kind"].eq("driver")).all()
    assert set(found["driver"].dropna()) == set(TOPICS)


def test_memory_keeps_the_peak_and_the_end():
    scene, found = world(), asked()
    known = surveys.answers(scene)
    rows = np.flatnonzero((known["kind"] == surveys.CSAT) & (known["ticket"] < 0) & found["answered"].to_numpy())
    left = contacts.impressions(scene, known["order"][rows])
    best, worst, last = left.max(axis=0), left.min(axis=0), left[3]
    peak_end = (np.where(best + worst < 0, worst, best) + last) / 2
    score = known["score"][rows]
    assert np.corrcoef(score, peak_end)[0, 1] > np.corrcoef(score, left.mean(axis=0))[0, 1] > 0.5


# --- feedback


def test_feedback_comes_from_customers_while_they_are():
    found = told("feedback")
    named = found.dropna(subset="customer_id")
    who = customers().loc[named["customer_id"]]
    assert (named["received_at"] > who["since"].to_numpy()).all()
    assert (named["received_at"] <= who["until"].to_numpy()).all()
    nameless = found[found["customer_id"].isna()]
    assert set(nameless["source"]) == {"review", "sns"}
    assert nameless["is_public"].all()
    assert (found["is_public"] == found["source"].isin(["review", "sns"])).all()


def test_the_shop_reads_before_it_acts_or_replies():
    found = told("feedback")
    replied = found.dropna(subset="replied_at")
    assert (replied["replied_at"] > replied["received_at"]).all()
    assert ((found["actioned_at"] > found["received_at"]) == found["status"].eq("done")).all()
    assert set(found["status"]) == {"new", "triaged", "planned", "done", "declined"}


def test_reviews_are_written_at_the_ends():
    stars = told("feedback").query("source == 'review'")["rating"].value_counts(normalize=True).sort_index()
    assert 3.5 < (stars * stars.index).sum() < 4.4
    assert stars[5] > stars[4] > stars[3]  # a J
    assert stars[1] > 0.6 * stars[2]
    orders_with_review = told("feedback")["source"].isin(["review", "sns"]).sum() / len(orders())
    assert orders_with_review == pytest.approx(scenario("salon").contact.reviews_per_order, rel=0.3)


def test_words_topic_and_sentiment_agree():
    found, said = told("feedback"), voice("salon", "ja")
    tones = {"negative": (-1, -0.2), "neutral": (-0.2, 0.2), "positive": (0.2, 1)}
    for source, kind in (("review", "review"), ("sns", "sns"), ("desk", "desk"), ("ticket", "desk")):
        rows = found[(found["source"] == source) & found["need_code"].isna()]
        for row in rows.head(60).itertuples():
            tone = next(name for name, (low, high) in tones.items() if low <= row.sentiment <= high)
            assert row.text in said.group(kind, row.topic, tone)
    needs = found.dropna(subset="need_code")
    assert set(needs["need_code"]) <= set(said.needs)
    assert needs["topic"].isna().all()
    assert all(row.text in said.group("need", row.need_code) for row in needs.head(60).itertuples())
    rated = found[found["source"] == "review"]
    assert (
        np.sign(rated["sentiment"])[rated["rating"] != 3] == np.sign(rated["rating"] - 3)[rated["rating"] != 3]
    ).all()


def test_comments_stand_in_both_tables():
    comments = told("survey_responses").dropna(subset="comment")
    heard = told("feedback").query("source == 'survey_comment'")
    one = comments[["customer_id", "responded_at", "comment"]].to_records(index=False).tolist()
    other = heard[["customer_id", "received_at", "text"]].to_records(index=False).tolist()
    assert len(one) > 100
    assert sorted(one) == sorted(other)


# --- referrals


def test_who_is_brought_was_invited_by_a_customer():
    found, who, scene = told("referrals"), customers(), world()
    referrer = who.loc[found["referrer_customer_id"]]
    assert (found["invited_at"] > referrer["since"].to_numpy()).all()
    assert (found["invited_at"] <= referrer["until"].to_numpy()).all()
    came = found.dropna(subset="invitee_customer_id")
    assert came["invitee_customer_id"].is_unique
    brought = np.flatnonzero(scene.crowd.parent >= 0)
    assert set(came["invitee_customer_id"]) == set(np.array(scene.customer_ids)[brought])
    parent = dict(
        zip(
            np.array(scene.customer_ids)[brought],
            np.array(scene.customer_ids)[scene.crowd.parent[brought]],
            strict=True,
        )
    )
    assert (came["invitee_customer_id"].map(parent) == came["referrer_customer_id"]).all()
    first = orders().groupby("customer_id")["ordered_at"].min()
    assert (came["registered_at"].to_numpy() == who.loc[came["invitee_customer_id"], "since"].to_numpy()).all()
    assert (came["first_order_at"].to_numpy() == first.loc[came["invitee_customer_id"]].to_numpy()).all()
    assert (came["invited_at"] < came["registered_at"]).all()
    assert (came["registered_at"] < came["first_order_at"]).all()


def test_how_far_an_invitation_has_come():
    found = told("referrals")
    stage = np.where(
        found["first_order_at"].notna(), "purchased", np.where(found["registered_at"].notna(), "registered", "invited")
    )
    assert (stage == found["status"]).all()
    assert set(stage) == {"invited", "registered", "purchased"}
    bought = found["status"] == "purchased"
    assert (found.loc[bought, "referrer_reward_amount"] == 500).all()
    assert (found.loc[bought, "invitee_reward_amount"] == 250).all()
    assert found.loc[~bought, ["referrer_reward_amount", "invitee_reward_amount"]].isna().all(axis=None)
    free = plain(arrow(world(1_000, referral_reward=0), "referrals"))
    assert (free["referrer_reward_amount"].dropna() == 0).all()


# --- levers


def test_a_better_desk_hears_more_and_replies_more():
    few, many = told("feedback"), plain(arrow(world(feedback_desk=0.9), "feedback"))
    assert (many["source"] == "desk").sum() > 1.5 * (few["source"] == "desk").sum()
    assert many["replied_at"].notna().mean() > few["replied_at"].notna().mean() + 0.2
    none = plain(arrow(world(1_000, feedback_desk=0), "feedback"))
    assert none.loc[none["source"] == "desk", "need_code"].notna().all()


@pytest.mark.parametrize("name", ["survey_responses", "interactions", "feedback"])
def test_the_wait_for_a_reply_touches_only_those_who_wait(name):
    fast, slow = world(1_000), world(1_000, first_reply_hours=48)
    waits = {one for scene in (fast, slow) for one in np.array(scene.customer_ids)[timelines(scene).who]}
    # those who were brought have come through others, who may have waited
    own = set(np.array(fast.customer_ids)[fast.crowd.generation == 0])
    one, other = (plain(arrow(scene, name)) for scene in (fast, slow))
    prefix = {"survey_responses": "Q", "interactions": "I", "feedback": "F"}[name]
    calm = {prefix + customer[1:] for customer in own - waits}
    one, other = (found[found[ID[name]].str[:10].isin(calm)].reset_index(drop=True) for found in (one, other))
    assert len(one) > 100
    pd.testing.assert_frame_equal(one, other)


def test_slow_replies_cost_satisfaction_and_ease():
    fast, slow = told("survey_responses"), plain(arrow(world(first_reply_hours=60), "survey_responses"))
    for kind in ("csat", "ces"):
        before, after = (one[one["ticket_id"].notna() & (one["kind"] == kind)]["score"].mean() for one in (fast, slow))
        assert after < before - 0.3, kind


# --- other businesses


@pytest.mark.parametrize("business", ["shop", "subscription"])
def test_other_businesses_keep_the_rules_of_time(business):
    scene = lived(scenario(business), 1_500)
    start = np.datetime64(scene.shop.clock.start, "us")
    ids = scene.customer_ids.to_pylist()
    since = pd.Series(start + sales.registered(scene).astype("timedelta64[s]"), index=ids)
    until = np.minimum((scene.crowd.left + 1) * WEEK, scene.shop.clock.end)
    until = pd.Series(start + until.astype("timedelta64[s]"), index=ids)
    acts = {
        "survey_responses": "responded_at",
        "feedback": "received_at",
        "referrals": "invited_at",
        "interactions": "occurred_at",
    }
    for name, column in acts.items():
        found = plain(arrow(scene, name))
        if name == "interactions":
            found = found[found["direction"] == "inbound"]
        who = "referrer_customer_id" if name == "referrals" else "customer_id"
        found = found.dropna(subset=[who, column])
        assert len(found) > 10
        assert (found[column].to_numpy() >= since[found[who]].to_numpy()).all(), name
        assert (found[column].to_numpy() < until[found[who]].to_numpy()).all(), name
