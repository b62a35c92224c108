"""Tickets and what became of them: they agree with what the engine decided, with the clock and with each other."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crmkit.schema import TABLES
from crmkit.simulator.calendar import DAY, HOUR, WEEK
from crmkit.simulator.crowd import NOT_LEFT
from crmkit.simulator.emit.sales import registered
from crmkit.simulator.emit.scene import Scene
from crmkit.simulator.emit.service import quality_reviews, ticket_events, tickets
from crmkit.simulator.emit.timeline import Timelines, timelines
from crmkit.simulator.engine import live
from crmkit.simulator.scenario import scenario
from crmkit.simulator.shop import open_shop
from crmkit.simulator.voices import voice

GRADES = ["courtesy", "listening", "empathy", "sincerity", "solution", "explanation"]
CUSTOMERS, WEEKS = 3_000, 104


@cache
def scene_of(name: str = "salon", customers: int = CUSTOMERS, weeks: int = WEEKS, **changes: float) -> Scene:
    """A lived block; the same one at the second call."""
    made = scenario(name)
    return Scene(live(open_shop(made, weeks=weeks, seed=7, levers=made.levers.changed(changes)), 0, customers))


@cache
def frames(scene: Scene | None = None, **changes: float) -> tuple[pd.DataFrame, pd.DataFrame, Timelines]:
    """Tickets and events of a world, as pandas tables, and its timelines."""
    scene = scene_of(**changes)
    return plain(tickets(scene, "en")), plain(ticket_events(scene, "en")), timelines(scene)


def plain(table: pa.Table) -> pd.DataFrame:
    """As pandas, words as words."""
    found = table.to_pandas()
    return found.astype({name: "str" for name in found if isinstance(found[name].dtype, pd.CategoricalDtype)})


@pytest.fixture(scope="module")
def scene() -> Scene:
    return scene_of()


@pytest.fixture(scope="module")
def told() -> Timelines:
    return frames()[2]


@pytest.fixture(scope="module")
def desk() -> pd.DataFrame:
    """Tickets, with what the engine decided, and with what the tables say about the first reply."""
    found, events, told = frames()
    answers = events[(events["actor_type"] == "agent") & (events["kind"] == "comment") & events["is_public"]]
    log = pd.DataFrame(scene_of().events("tickets")).loc[told.log].reset_index(drop=True)
    found = found.assign(**{f"log_{name}": log[name] for name in log})
    return found.assign(
        row=np.arange(len(found)),
        reply_at=found["ticket_id"].map(answers.groupby("ticket_id")["occurred_at"].min()),
        answers=found["ticket_id"].map(answers.groupby("ticket_id").size()).fillna(0),
    )


@pytest.fixture(scope="module")
def events() -> pd.DataFrame:
    found, steps, _ = frames()
    return steps.merge(
        found[["ticket_id", "customer_id", "created_at"]].rename(columns={"channel": "on"}), on="ticket_id"
    )


def seconds(scene: Scene, at: pd.Series) -> np.ndarray:
    """Instants as seconds on the scene's clock."""
    return ((at - pd.Timestamp(scene.shop.clock.start)) // pd.Timedelta("1s")).to_numpy()


def status_changes(events: pd.DataFrame) -> pd.DataFrame:
    return events[events["kind"] == "status_change"]


@pytest.mark.parametrize("name", ["salon", "shop", "subscription", "textbook"])
@pytest.mark.parametrize("language", ["ja", "en"])
def test_tables_are_as_the_model_says(name: str, language: str) -> None:
    scene = scene_of(name, 400, 60)
    made = {
        "tickets": tickets(scene, language),
        "ticket_events": ticket_events(scene, language),
        "quality_reviews": quality_reviews(scene),
    }
    for table_name, table in made.items():
        model = TABLES[table_name]
        assert table.column_names == [column.name for column in model.columns]
        (key,) = model.key
        assert pc.count_distinct(table[key]).as_py() == len(table)
        for column in model.columns:
            values = table[column.name].combine_chunks()
            if column.allowed:
                assert set(pc.unique(values).to_pylist()) <= {None, *column.allowed}, column.name
            if column.low is not None:
                assert (pc.min(values).as_py() or 0) >= column.low or values.null_count == len(values)
                assert (pc.max(values).as_py() or 0) <= column.high
            assert column.nullable or values.null_count == 0, column.name
            if column.references and column.references.split(".")[0] in made:
                known = made[column.references.split(".")[0]][column.references.split(".")[1]]
                assert set(values.to_pylist()) <= {None, *known.to_pylist()}, column.name
    if name != "textbook":
        assert all(len(table) for table in made.values())


def test_a_shop_without_tickets_has_empty_tables() -> None:
    scene = scene_of("salon", 1, 1)
    assert [len(tickets(scene, "ja")), len(ticket_events(scene, "ja")), len(quality_reviews(scene))] == [0, 0, 0]


def test_the_wait_in_the_data_is_the_engines_in_working_time(scene: Scene, desk: pd.DataFrame) -> None:
    replied = desk[desk["reply_at"].notna()]
    clock = scene.shop.clock
    waited = clock.working(seconds(scene, replied["reply_at"])) - clock.working(seconds(scene, replied["created_at"]))
    np.testing.assert_allclose(waited, replied["log_hours"] * HOUR, atol=60)
    # all the others are duplicates, or their reply is still to come
    open_ = desk[desk["reply_at"].isna() & desk["merged_into_ticket_id"].isna()]
    due = clock.later(seconds(scene, open_["created_at"]), (open_["log_hours"] * HOUR).astype(int).to_numpy())
    assert (due[~open_["ticket_id"].isin(unmerged_duplicates(desk))] >= clock.end).all()


def unmerged_duplicates(desk: pd.DataFrame) -> list[str]:
    """Second tickets of a matter that nobody has seen yet."""
    twice = desk[desk["merged_into_ticket_id"].isna() & desk.duplicated(["log_who", "log_address"])]
    assert set(twice["status"]) <= {"new"}
    return twice["ticket_id"].tolist()


def test_neither_robots_nor_notes_are_replies(events: pd.DataFrame, desk: pd.DataFrame, told: Timelines) -> None:
    scene = scene_of()
    replied = desk["reply_at"].notna().to_numpy()
    assert (told.first_reply[replied] == seconds(scene, desk["reply_at"][replied])).all()
    assert (told.first_reply[~replied] == -1).all()
    bots = events[events["actor_type"] == "bot"]
    assert set(bots["kind"]) == {"comment"}
    assert bots["is_public"].all()
    assert ((bots["occurred_at"] - bots["created_at"]) <= pd.Timedelta("1min")).all()
    assert set(bots["channel"]) == {"email", "chat", "sns"}
    assert (~events.loc[events["kind"] != "comment", "is_public"]).all()
    notes = events[(events["kind"] == "comment") & ~events["is_public"]]
    assert set(notes["actor_type"]) == {"agent"}
    before = notes.merge(desk[["ticket_id", "reply_at"]], on="ticket_id")
    assert (before["occurred_at"] < before["reply_at"]).mean() > 0.5  # a careless metric takes these for the reply


def test_events_are_told_in_order(events: pd.DataFrame) -> None:
    assert events["event_id"].is_monotonic_increasing
    same = events["ticket_id"] == events["ticket_id"].shift()
    assert (events["occurred_at"] >= events["occurred_at"].shift())[same].all()
    first = events[~same]
    assert (first["kind"] == "comment").all()
    assert (first["actor_type"] == "customer").all()
    assert first["is_public"].all()
    assert (first["occurred_at"] == first["created_at"]).all()
    assert (first["actor_id"] == first["customer_id"]).all()
    assert (events["event_id"].str[1:12] == events["ticket_id"].str[1:]).all()
    assert (events["body"].notna() == (events["kind"] == "comment")).all()


def test_the_status_is_the_last_one_of_the_log(events: pd.DataFrame, desk: pd.DataFrame, told: Timelines) -> None:
    changes = status_changes(events)
    last = desk["ticket_id"].map(changes.groupby("ticket_id")["to_value"].last()).fillna("new")
    assert (last == desk["status"]).all()
    before = changes.groupby("ticket_id")["to_value"].shift().fillna("new")
    assert (changes["from_value"] == before).all()
    assert (changes["from_value"] != changes["to_value"]).all()
    assert (~changes["from_value"].isin(["closed", "merged"])).all()  # locked is locked
    back = changes[(changes["from_value"] == "solved") & (changes["to_value"] == "open")].groupby("ticket_id").size()
    assert (desk["ticket_id"].map(back).fillna(0) == told.reopened).all()
    solved = changes[changes["to_value"] == "solved"].groupby("ticket_id")["occurred_at"]
    once = desk["ticket_id"].isin(solved.first().index)
    assert (told.first_solved_at[once] == seconds(scene_of(), desk["ticket_id"].map(solved.first())[once])).all()
    assert (told.first_solved_at[~once] == -1).all()
    last = changes[changes["to_value"].isin(["open", "solved"])].groupby("ticket_id").last()
    over = desk["ticket_id"].map(last["to_value"]) == "solved"
    assert (told.solved_at[over] == seconds(scene_of(), desk["ticket_id"].map(last["occurred_at"])[over])).all()
    assert (told.solved_at[~over] == -1).all()
    assert ((told.closed_at >= 0) == (desk["status"] == "closed")).all()


@pytest.mark.parametrize(("kind", "column"), [("priority_change", "priority"), ("assignment", "assignee_id")])
def test_priority_and_assignee_are_the_last_of_the_log(
    events: pd.DataFrame, desk: pd.DataFrame, kind: str, column: str
) -> None:
    changes = events[events["kind"] == kind]
    last = desk["ticket_id"].map(changes.groupby("ticket_id")["to_value"].last())
    assert (last == desk[column])[last.notna()].all()
    assert column == "priority" or desk.loc[last.isna(), column].isna().all()
    chained = changes.groupby("ticket_id")["to_value"].shift()
    assert (chained == changes["from_value"])[chained.notna()].all()
    assert (changes["from_value"] != changes["to_value"]).all()


def test_agents_are_known_before_they_act(events: pd.DataFrame) -> None:
    assigned = events["to_value"].where(events["kind"] == "assignment").groupby(events["ticket_id"]).ffill()
    previous = assigned.groupby(events["ticket_id"]).shift()
    acts = (events["actor_type"] == "agent") & (events["kind"] != "assignment")
    assert (events["actor_id"] == previous)[acts].all()
    handed = events[(events["kind"] == "assignment") & events["from_value"].notna()]
    assert 0.01 < len(handed) / events["ticket_id"].nunique() < 0.15


def test_nothing_happens_after_the_end_or_out_of_a_customers_time(
    scene: Scene, events: pd.DataFrame, told: Timelines
) -> None:
    at = seconds(scene, events["occurred_at"])
    assert (at < scene.shop.clock.end).all()
    who = told.who[told.step["ticket"]]
    theirs = (events["actor_type"] == "customer").to_numpy()
    assert (at[theirs] < (scene.crowd.left[who[theirs]] + 1) * WEEK).all()
    assert (at >= registered(scene)[who]).all()
    gone = scene.crowd.left[who] != NOT_LEFT
    assert (at[gone & ~theirs] > (scene.crowd.left[who[gone & ~theirs]] + 1) * WEEK).any()  # the shop goes on


def test_what_is_settled_at_once_is_over_with_the_first_reply(desk: pd.DataFrame, events: pd.DataFrame) -> None:
    settled = desk[desk["log_first"] & desk["reply_at"].notna()]
    assert (settled["answers"] == 1).all()
    solved = status_changes(events)
    solved = solved[solved["to_value"] == "solved"]
    assert (solved[solved["ticket_id"].isin(settled["ticket_id"])].groupby("ticket_id").size() == 1).all()
    first = settled["ticket_id"].map(solved.groupby("ticket_id")["occurred_at"].first())
    assert (first == settled["reply_at"]).all()


def test_what_was_not_solved_stays_open_unless_the_customer_gave_up(desk: pd.DataFrame, told: Timelines) -> None:
    scene = scene_of()
    answered = desk["reply_at"].notna() & desk["merged_into_ticket_id"].isna()
    unsolved = desk[answered & ~desk["log_solved"]]
    over = told.solved_at[unsolved["row"]] >= 0
    again = unsolved["ticket_id"].isin(desk["follows_ticket_id"])  # it is told anew in another ticket
    left = scene.crowd.left[unsolved["log_who"]] != NOT_LEFT
    recent = unsolved["created_at"] > unsolved["created_at"].max() - pd.Timedelta(weeks=6)
    assert not (over & ~again & ~left & ~recent).any()
    assert (over & again).any()
    old = answered & (desk["created_at"] < desk["created_at"].max() - pd.Timedelta(weeks=30)) & desk["log_solved"]
    assert (told.solved_at[desk[old]["row"]] >= 0).all()


def test_shares_are_believable(desk: pd.DataFrame, told: Timelines, events: pd.DataFrame) -> None:
    own = ~told.is_merged
    assert 0.05 < (told.reopened[own] > 0).mean() < 0.2
    assert not (told.reopened[desk["log_first"]] > 0).any()
    backlog = desk["status"].isin(["new", "open", "pending", "on_hold"])
    assert 0.01 < backlog.mean() < 0.12
    assert 0.005 < told.is_merged.mean() < 0.08
    escalated = events[events["kind"] == "escalation"]["ticket_id"]
    severe = desk[(desk["severity"] == 3) & desk["reply_at"].notna()]
    assert severe["ticket_id"].isin(escalated).all()
    assert (severe["priority"] == "urgent").all()
    assert desk.groupby(desk["created_at"].dt.hour).size().reindex(range(1, 7)).isna().all()  # people sleep
    assert (
        desk["channel"].value_counts(normalize=True).reindex(["email", "phone", "chat", "sns", "store"]) > 0.03
    ).all()
    logged = desk[desk["created_by"] == "agent"]
    assert set(logged["channel"]) == {"phone"}
    assert 0.02 < len(logged) / len(desk) < 0.2
    assert 5 < len(events) / len(desk) < 12


def test_calls_and_visits_come_when_the_shop_is_open(scene: Scene, desk: pd.DataFrame) -> None:
    at = seconds(scene, desk.loc[desk["channel"].isin(["phone", "store"]), "created_at"])
    clock = scene.shop.clock
    assert len(at) > 200
    assert (clock.working(at + 1) > clock.working(at - 1)).all()
    assert (clock.working(at + 1) > clock.working(at // DAY * DAY)).all()


def test_apologies_are_made_exactly_where_the_engine_made_one(desk: pd.DataFrame, events: pd.DataFrame) -> None:
    sorry = set(voice("salon", "en").group("agent_apology"))
    said = events[events["body"].isin(sorry)]
    assert (said["is_public"] & (said["actor_type"] == "agent")).all()
    answered = desk[desk["reply_at"].notna()]
    assert set(said["ticket_id"]) == set(answered.loc[answered["log_apologised"], "ticket_id"])
    assert not said["ticket_id"].duplicated().any()


def test_duplicates_are_merged_into_what_they_repeat(desk: pd.DataFrame, events: pd.DataFrame) -> None:
    merged = desk[desk["status"] == "merged"]
    assert (merged["merged_into_ticket_id"].notna()).all()
    assert desk.loc[desk["status"] != "merged", "merged_into_ticket_id"].isna().all()
    both = merged.merge(desk, left_on="merged_into_ticket_id", right_on="ticket_id", suffixes=("", "_of"))
    for column in ("customer_id", "kind", "category", "severity", "order_id"):
        assert both[column].equals(both[f"{column}_of"].rename(column)), column
    assert (both["channel"] != both["channel_of"]).all()
    apart = both["created_at"] - both["created_at_of"]
    assert (apart > pd.Timedelta(0)).all()
    assert (apart < pd.Timedelta("15h")).all()
    assert (merged["answers"] == 0).all()
    notes = events[events["ticket_id"].isin(merged["ticket_id"]) & (events["actor_type"] == "agent")]
    assert set(notes[notes["kind"] == "comment"]["body"]) <= set(voice("salon", "en").group("merge_note"))


def test_what_comes_up_again_follows_the_unsolved_ticket(scene: Scene, desk: pd.DataFrame) -> None:
    again = desk[desk["follows_ticket_id"].notna()]
    assert len(again) == scene.events("tickets")["follows"].sum()
    both = again.merge(desk, left_on="follows_ticket_id", right_on="ticket_id", suffixes=("", "_of"))
    assert (both["customer_id"] == both["customer_id_of"]).all()
    assert (both["created_at"] > both["created_at_of"]).all()
    assert not both["log_solved_of"].any()
    assert (both["category"] == both["category_of"]).all()
    assert both["order_id"].equals(both["order_id_of"])


def test_problems_have_the_complaints_of_their_product(scene: Scene, desk: pd.DataFrame) -> None:
    assert len(scene.shop.problems) == 2
    orders = scene.orders
    with_order = desk[desk["log_order"] >= 0]
    row = scene.order_row[with_order["log_order"]]
    with_order = with_order.assign(week=orders["week"][row], main=orders["main"][row], defect=orders["defect"][row])
    assert (with_order["product_id"] == [f"P{one + 1:03}" for one in with_order["main"]]).all()
    for number, problem in enumerate(scene.shop.problems, start=1):
        of_it = with_order[with_order["problem_id"] == f"B{number:02}"]
        assert len(of_it) > 5
        assert (of_it["main"] == problem.product).all()
        assert (of_it["week"] >= problem.starts).all()
        assert of_it["defect"].all()
        assert set(of_it["category"]) == {"quality"}
        assert set(of_it["kind"]) <= {"complaint", "return"}
        weeks = problem.mended - problem.starts
        mended = (of_it["week"] >= problem.mended) & (of_it["week"] < problem.mended + weeks)
        assert mended.sum() < (of_it["week"] < problem.mended).sum() / 2  # mending helps
    assert not with_order[with_order["defect"] & (with_order["kind"] == "complaint")]["category"].ne("quality").any()


def test_severity_is_of_complaints_and_returns_only(desk: pd.DataFrame) -> None:
    assert (desk["severity"].notna() == desk["kind"].isin(["complaint", "return"])).all()


def test_a_smaller_world_is_a_prefix(scene: Scene) -> None:
    small = scene_of(customers=500)
    ids = small.customer_ids
    for make in (lambda one: tickets(one, "ja"), lambda one: ticket_events(one, "ja"), quality_reviews):
        wanted, found = (make(one) for one in (small, scene))
        mine = pc.is_in(found[found.column_names[1]], value_set=owners(small, ids))
        assert found.slice(0, pc.sum(mine).as_py()).to_pylist() == wanted.to_pylist()


def owners(small: Scene, ids: pa.Array) -> pa.Array:
    """What names a row's owner: customers, or their tickets."""
    return pa.concat_arrays([ids, timelines(small).ticket_ids])


def test_the_same_world_is_told_the_same_way() -> None:
    one, two = Scene(scene_of().life), scene_of()
    assert ticket_events(one, "ja").equals(ticket_events(two, "ja"))
    assert tickets(one, "ja").equals(tickets(one, "en"))
    assert timelines(one) is timelines(one)


def test_faster_replies_shorten_every_wait_and_move_nothing_before_them() -> None:
    waits = {}
    for hours in (12.0, 2.0):
        found, _, told = frames(first_reply_hours=hours)
        scene = scene_of(first_reply_hours=hours)
        clock = scene.shop.clock
        mine = (told.first_reply >= 0) & (scene.crowd.generation[told.who] == 0)
        waited = clock.working(told.first_reply) - clock.working(told.created)
        made = found.assign(wait=waited)[mine]
        waits[hours] = made[made["ticket_id"].str.endswith("01")].set_index("ticket_id")
    slow, fast = waits[12.0], waits[2.0]
    both = slow.index.intersection(fast.index)
    assert len(both) > 600
    slow, fast = slow.loc[both], fast.loc[both]
    for column in ("created_at", "channel", "kind", "category", "severity", "order_id", "created_by"):
        assert slow[column].equals(fast[column]), column
    assert (fast["wait"] < slow["wait"]).all()
    assert np.median(slow["wait"] / fast["wait"]) == pytest.approx(6, rel=0.01)


def test_reviews_are_a_sample_of_the_answered(scene: Scene, desk: pd.DataFrame) -> None:
    reviews = plain(quality_reviews(scene)).merge(desk, on="ticket_id")
    answered = desk[desk["reply_at"].notna()]
    assert 0.10 < len(reviews) / len(answered) < 0.15
    assert reviews["reply_at"].notna().all()
    assert (reviews["reviewed_at"] > reviews["reply_at"]).all()
    assert (reviews["apology"].notna() == (reviews["severity"] > 0)).all()
    assert (reviews.loc[reviews["log_apologised"], "apology"] >= 1).all()
    due = reviews[(reviews["severity"] > 0) & ~reviews["log_apologised"]]
    assert (due["apology"] == 0).all()
    grades = reviews[GRADES]
    assert grades.notna().all(axis=None)
    assert grades.corr().to_numpy()[np.triu_indices(len(GRADES), 1)].min() > 0.1
    assert reviews.groupby("log_first")["solution"].mean().diff().iloc[-1] > 0.3
    by_reviewer = reviews.groupby("reviewer_id")["courtesy"].mean()
    assert by_reviewer.idxmin() == "R02"
    assert 0.5 < reviews["guideline_followed"].mean() < 0.95


@pytest.mark.parametrize(
    ("lever", "grade"), [("courtesy", "courtesy"), ("listening", "listening"), ("listening", "empathy")]
)
def test_grades_rise_with_the_levers(lever: str, grade: str) -> None:
    low, high = (
        quality_reviews(scene_of(**{lever: value})).to_pandas()[grade].mean() for value in (0.2, 0.9)
    )  # fmt: skip
    assert high > low + 0.3


def test_without_a_programme_nobody_asks_about_points() -> None:
    scene = scene_of(points_rate=0.0)
    assert "points" not in set(tickets(scene, "en")["category"].to_pylist())
    assert "points" in set(tickets(scene_of(), "en")["category"].to_pylist())


@pytest.mark.parametrize(("weeks", "most"), [(199, (91, 99)), (400, (120, 200))])
def test_long_and_loud_worlds_keep_their_ids_apart(weeks: int, most: tuple[int, int]) -> None:
    made = scenario("shop")
    levers = made.levers.changed({"defect_rate": 0.5, "feedback_desk": 1, "inspection_share": 0})
    stay = {"once_only_share": 0, "leave_after_order": (0, 0), "leaving_per_week": 0}
    often = replace(made, buying=replace(made.buying, orders_per_week=3.0, most_per_week=7, **stay))
    scene = Scene(live(open_shop(often, weeks=weeks, seed=3, levers=levers), 0, 30))
    told = timelines(scene)
    assert most[0] <= np.bincount(told.who).max() <= most[1]
    assert len(set(told.ticket_ids.to_pylist())) == len(told)
    assert (told.ticket_numbers // 10 ** (len(str(weeks // 2))) == scene.crowd.number[told.who]).all()
    assert len(set(ticket_events(scene, "en")["event_id"].to_pylist())) == len(told.step["at"])
    at, ticket = told.step["at"], told.step["ticket"]
    assert (np.diff(at)[np.diff(ticket) == 0] >= 0).all()


def test_how_fast(scene: Scene) -> None:
    fresh = Scene(scene.life)
    _ = fresh.orders, fresh.order_row, fresh.order_ids, fresh.customer_ids
    begins = time.perf_counter()
    rows = len(tickets(fresh, "ja")) + len(ticket_events(fresh, "ja")) + len(quality_reviews(fresh))
    taken = time.perf_counter() - begins
    print(f"service: {rows:,} rows, {rows / taken:,.0f} rows/s, {rows / len(timelines(fresh)):.1f} rows a ticket")


@pytest.mark.parametrize(
    "changes",
    [
        {"first_reply_hours": 0.25, "fast_lane": 1},
        {"first_reply_hours": 120},
        {"first_contact_resolution": 0, "listening": 0, "defect_rate": 0.5},
        {"first_contact_resolution": 1, "listening": 1, "apology_share": 1},
    ],
)
def test_the_ends_of_the_levers_are_told_in_order_too(changes: dict[str, float]) -> None:
    scene = scene_of(customers=800, weeks=60, **changes)
    told, clock = timelines(scene), scene.shop.clock
    ticket, at = told.step["ticket"], told.step["at"]
    assert (np.diff(at)[np.diff(ticket) == 0] >= 0).all()
    replied = told.first_reply >= 0
    waited = clock.working(told.first_reply) - clock.working(told.created)
    hours = scene.events("tickets")["hours"][told.log]
    np.testing.assert_allclose(waited[replied], hours[replied] * HOUR, atol=60)
    assert (told.first_reply[replied] > told.created[replied]).all()
    assert len(ticket_events(scene, "en")) == len(at)
