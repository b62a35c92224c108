"""How tickets end: a hand-worked log on every engine, counting again by hand on a simulated desk, and the traps."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit
from crmkit.errors import MissingColumn, ParameterError, RowsLeftOut
from crmkit.metrics.service.resolution import (
    cost_per_contact,
    first_contact_resolution_rate,
    one_touch_resolution_rate,
    reopen_rate,
    transfers_per_ticket,
)
from tests.joined import together

APRIL = "2026-04-01"
TICKETS = pd.DataFrame(
    [  # t1 solved at one touch, but the customer is back with t2; t8 comes after more than seven days
        ("t1", "c1", "price", "email", "2026-03-02 10:00", "closed"),
        ("t2", "c1", "price", "email", "2026-03-05 10:00", "solved"),
        ("t3", "c2", "quality", "chat", "2026-03-03 10:00", "open"),  # reopened, and open still
        ("t4", "c3", "price", "chat", "2026-03-06 10:00", "solved"),  # reopened by a thank-you
        ("t5", "c4", "quality", "chat", "2026-03-25 10:00", "solved"),  # without a word, and a week has not passed
        ("t6", "c5", "price", "email", "2026-03-07 10:00", "open"),
        ("t7", "c1", "price", "email", "2026-03-02 10:30", "merged"),
        ("t8", "c1", "price", "email", "2026-03-16 11:30", "solved"),
    ],
    columns=["ticket_id", "customer_id", "category", "channel", "created_at", "status"],
)
TICKETS["created_at"] = pd.to_datetime(TICKETS["created_at"]).astype("datetime64[us]")


def log_of(steps: list[tuple[str, str, str]]) -> pd.DataFrame:
    """A log of short words: "A1 says", "A1 notes", "customer says", "new > open", "A1 to A2", "bot says"."""
    rows = []
    for number, (ticket, at, step) in enumerate(steps):
        one, verb, *other = step.split()
        row = {
            "event_id": f"e{number:03}",
            "ticket_id": ticket,
            "occurred_at": at,
            "actor_id": None,
            "is_public": False,
        }
        row |= {"from_value": None, "to_value": None, "actor_type": "system"}
        if verb in ("says", "notes"):
            actor = one if one in ("customer", "bot") else "agent"
            row |= {"kind": "comment", "is_public": verb == "says", "actor_type": actor, "actor_id": one}
        elif verb == ">":
            row |= {"kind": "status_change", "from_value": one, "to_value": other[0]}
        else:
            row |= {"kind": "assignment", "from_value": None if one == "nobody" else one, "to_value": other[0]}
        rows.append(row)
    frame = pd.DataFrame(rows)
    frame["occurred_at"] = pd.to_datetime(frame["occurred_at"], format="ISO8601").astype("datetime64[us]")
    return frame


LOG = log_of(
    [
        ("t1", "2026-03-02 10:00", "customer says"),
        ("t1", "2026-03-02 10:01", "bot says"),
        ("t1", "2026-03-02 10:05", "nobody to A1"),
        ("t1", "2026-03-02 10:30", "A3 notes"),
        ("t1", "2026-03-02 11:00", "A1 says"),
        ("t1", "2026-03-02 11:00", "new > solved"),
        ("t1", "2026-03-07 03:00", "solved > closed"),
        ("t2", "2026-03-05 10:01", "nobody to A1"),
        ("t2", "2026-03-05 10:02", "A1 says"),
        ("t2", "2026-03-05 10:03", "A1 to A2"),
        ("t2", "2026-03-05 10:08", "A2 says"),
        ("t2", "2026-03-05 10:09", "A2 to A1"),
        ("t2", "2026-03-05 10:12", "new > solved"),
        ("t3", "2026-03-03 11:00", "A1 says"),
        ("t3", "2026-03-03 12:00", "new > solved"),
        ("t3", "2026-03-04 09:00", "solved > open"),
        ("t4", "2026-03-06 11:00", "A1 says"),
        ("t4", "2026-03-06 12:00", "open > solved"),
        ("t4", "2026-03-06 13:00", "customer says"),
        ("t4", "2026-03-06 13:00", "solved > open"),
        ("t4", "2026-03-06 13:30", "open > solved"),
        ("t5", "2026-03-25 10:30", "A2 notes"),
        ("t5", "2026-03-25 11:00", "new > solved"),
        ("t6", "2026-03-07 11:00", "A2 says"),
        ("t7", "2026-03-02 10:40", "A1 says"),
        ("t7", "2026-03-02 10:45", "new > merged"),
        ("t8", "2026-03-16 11:50", "A1 says"),
        ("t8", "2026-03-16 12:00", "new > solved"),
    ]
)


@pytest.fixture(scope="module")
def desk():
    crm = crmkit.simulate("salon", customers=700, weeks=60, seed=5)
    return crm.tickets, crm.ticket_events, crm.costs


def counted(figure):
    return figure.numerator, figure.denominator


def test_the_hand_worked_log(engine):
    both = together(engine, TICKETS, LOG)
    touch = one_touch_resolution_rate(*both)
    assert counted(touch) == (3, 5)  # t1, t4, t8 of these and t2, t5; t3 is open again
    assert touch.besides == {"without_reply": 1}
    assert touch.excluded == {"merged": 1}
    first = first_contact_resolution_rate(*both, as_of=APRIL)
    assert counted(first) == (2, 5)  # t2 and t8
    assert first.besides == {"reopened": 2, "came_again": 1, "too_young": 1}
    assert counted(first_contact_resolution_rate(*both, method="zammad")) == (1, 6)  # t2
    again = reopen_rate(*both)
    assert counted(again) == (2, 6)
    assert again.besides == {"reopenings": 2, "open_still": 1, "dbt_zendesk": pytest.approx(1 / 6)}
    assert counted(reopen_rate(*both, thanks_hours=2)) == (1, 6)
    assert counted(reopen_rate(*both, thanks_hours=0.4)) == (2, 6)  # half an hour is not so soon
    assert counted(transfers_per_ticket(*both)) == (2, 7)
    commenters = transfers_per_ticket(*both, counted="commenters")
    assert counted(commenters) == (9, 7)  # two each on t1 (A1, A3's note) and t2, one each on the other five
    groups = engine.back(one_touch_resolution_rate(*both, by="channel")).set_index("channel")
    assert groups["numerator"].to_dict() == {"chat": 1, "email": 2}
    assert groups["denominator"].to_dict() == {"chat": 2, "email": 3}
    repeats = engine.back(first_contact_resolution_rate(*both, as_of=APRIL, by="channel")).set_index("channel")
    assert repeats["denominator"].to_dict() == {"chat": 2, "email": 3}
    hands = engine.back(transfers_per_ticket(*both, by="channel")).set_index("channel")
    assert hands["value"].to_dict() == {"chat": 0, "email": 0.5}


def test_windows_and_the_day_the_data_end():
    march = {"start": "2026-03-05", "end": "2026-03-17"}
    assert counted(one_touch_resolution_rate(TICKETS, LOG, **march)) == (2, 3)
    # the repeat lies in the window, what it repeats does not: it is looked for all the same
    early = first_contact_resolution_rate(TICKETS, LOG, end="2026-03-03", as_of=APRIL)
    assert counted(early) == (0, 1)
    # just before the reopening it was not reopened yet
    assert counted(reopen_rate(TICKETS, LOG, as_of="2026-03-04 09:00")) == (0, 2)
    assert counted(reopen_rate(TICKETS, LOG, as_of="2026-03-04 09:01")) == (1, 2)
    alone = first_contact_resolution_rate(TICKETS, LOG, as_of=APRIL, repeat_days=2)
    assert counted(alone) == (4, 6)
    assert alone.besides["came_again"] == 0


def test_the_repeat_days_end_at_the_minute():
    tickets = pd.DataFrame({"ticket_id": ["a", "b"], "customer_id": "c", "category": "x"})
    tickets["created_at"] = pd.to_datetime(["2026-03-02 10:00", "2026-03-09 11:00"])
    log = log_of([("a", "2026-03-02 11:00", "new > solved")])
    assert first_contact_resolution_rate(tickets, log, as_of=APRIL).numerator == 0
    tickets.loc[1, "created_at"] += pd.Timedelta(minutes=1)
    assert first_contact_resolution_rate(tickets, log, as_of=APRIL).numerator == 1
    # without a category on both sides the customer decides; an unknown customer comes never again
    tickets["created_at"] -= pd.Timedelta(days=1)
    assert first_contact_resolution_rate(tickets.assign(category=None), log, as_of=APRIL).numerator == 0
    assert first_contact_resolution_rate(tickets.assign(category=["x", "y"]), log, as_of=APRIL).numerator == 1
    assert first_contact_resolution_rate(tickets.assign(customer_id=None), log, as_of=APRIL).numerator == 1


def test_no_data_is_nan_and_bad_rows_are_said():
    none = TICKETS.iloc[:0], LOG.iloc[:0]
    for figure in (
        one_touch_resolution_rate(*none),
        first_contact_resolution_rate(*none),
        first_contact_resolution_rate(*none, method="zammad"),
        reopen_rate(*none),
        reopen_rate(*none, thanks_hours=1),
        transfers_per_ticket(*none),
        one_touch_resolution_rate(TICKETS, LOG, start="2030-01-01"),
        transfers_per_ticket(TICKETS, LOG, counted="commenters", start="2030-01-01"),
    ):
        assert math.isnan(figure.value)
        assert figure.n == 0
    assert math.isnan(reopen_rate(*none).besides["dbt_zendesk"])
    twice = pd.concat([LOG, LOG.iloc[[14]]])
    with pytest.warns(RowsLeftOut, match="repeat the id"):
        assert counted(reopen_rate(TICKETS, twice)) == (2, 6)
    one = reopen_rate(TICKETS.iloc[[2]], LOG[LOG["ticket_id"] == "t3"])
    assert (one.value, one.n) == (1.0, 1)
    assert transfers_per_ticket(TICKETS, LOG).low >= 0


@pytest.mark.parametrize("language", ["ja", "en"])
def test_what_makes_no_sense_is_refused(language):
    crmkit.use_language(language)
    for metric, wrong in (
        (first_contact_resolution_rate, {"method": "fast"}),
        (first_contact_resolution_rate, {"repeat_days": 0}),
        (reopen_rate, {"thanks_hours": 0}),
        (reopen_rate, {"thanks_hours": "24"}),
        (reopen_rate, {"thanks_hours": math.nan}),
        (transfers_per_ticket, {"counted": "teams"}),
        (one_touch_resolution_rate, {"start": "2026-03-02", "end": "2026-03-01"}),
    ):
        with pytest.raises(ParameterError) as caught:
            metric(TICKETS, LOG, **wrong)
        assert str(caught.value)
    with pytest.raises(MissingColumn):
        transfers_per_ticket(TICKETS, LOG.drop(columns="actor_id"), counted="commenters")


def test_the_columns_may_have_names_of_ones_own(quick_engine):
    tickets = TICKETS.rename(columns={"ticket_id": "番号", "created_at": "受付"})
    log = LOG.rename(columns={"ticket_id": "番号", "actor_id": "担当"})
    names = {"tickets": {"ticket_id": "番号", "created_at": "受付"}}
    names["ticket_events"] = {"ticket_id": "番号", "actor_id": "担当"}
    both = together(quick_engine, tickets, log)
    assert counted(transfers_per_ticket(*both, counted="commenters", columns=names)) == (9, 7)
    assert counted(reopen_rate(*both, thanks_hours=2, columns=names)) == (1, 6)
    assert counted(first_contact_resolution_rate(*both, as_of=APRIL, columns=names)) == (2, 5)


def replay(tickets: pd.DataFrame, log: pd.DataFrame) -> list[dict]:
    """Every ticket told again, event by event."""
    told = []
    events = dict(list(log.sort_values(["occurred_at", "event_id"]).groupby("ticket_id")))
    for ticket in tickets[tickets["status"] != "merged"].itertuples():
        solved_at, solves, leaves, touches, hands, agents, state = None, 0, 0, 0, 0, set(), False
        for event in events[ticket.ticket_id].itertuples():
            if event.kind == "comment" and event.actor_type == "agent":
                agents.add(event.actor_id)
                touches += event.is_public
            if event.kind == "assignment" and isinstance(event.from_value, str):
                hands += 1
            if event.kind == "status_change":
                now = event.to_value in ("solved", "closed")
                if now and not state:
                    solves, solved_at = solves + 1, solved_at or event.occurred_at
                leaves += state and not now
                state = now
        told.append({"ticket": ticket, "solved_at": solved_at, "solves": solves, "leaves": leaves, "state": state,
                     "touches": touches, "hands": hands, "agents": len(agents)})  # fmt: skip
    return told


def test_a_simulated_desk_told_again(desk):
    tickets, log, costs = desk
    told = replay(tickets, log)
    solved = [one for one in told if one["state"]]
    by_agents = {one["ticket"].ticket_id for one in told if one["ticket"].created_by == "agent"}
    mine = [one["ticket"].ticket_id not in by_agents for one in solved]
    touch = one_touch_resolution_rate(tickets[~tickets["ticket_id"].isin(by_agents)],
                                      log[~log["ticket_id"].isin(by_agents)])  # fmt: skip
    assert counted(touch) == (sum(one["touches"] == 1 for one, me in zip(solved, mine, strict=True) if me), sum(mine))
    ever = [one for one in told if one["solves"]]
    again = reopen_rate(tickets, log)
    assert counted(again) == (sum(one["leaves"] > 0 for one in ever), len(ever))
    assert again.besides["reopenings"] == sum(one["leaves"] for one in ever) > 5
    assert again.besides["dbt_zendesk"] == sum(one["solves"] > 1 for one in ever) / len(ever) < again.value
    assert counted(transfers_per_ticket(tickets, log)) == (sum(one["hands"] for one in told), len(told))
    wrote = transfers_per_ticket(tickets, log, counted="commenters")
    assert counted(wrote) == (sum(one["agents"] for one in told), len(told))
    end = log["occurred_at"].max()
    watched = [one for one in ever if one["solved_at"] <= end - pd.Timedelta(days=7)]
    week = pd.Timedelta(days=7)
    back = [
        any(one["ticket"].customer_id == other["ticket"].customer_id
            and one["ticket"].category == other["ticket"].category
            and one["solved_at"] < other["ticket"].created_at <= one["solved_at"] + week for other in told)
        for one in watched
    ]  # fmt: skip
    good = [not again and not one["leaves"] for one, again in zip(watched, back, strict=True)]
    assert counted(first_contact_resolution_rate(tickets, log)) == (sum(good), len(watched))
    spent = costs.loc[costs["purpose"] == "service", "amount"].sum()
    assert cost_per_contact(costs, tickets).value == pytest.approx(spent / len(told))


@settings(max_examples=30)
@given(moves=st.lists(st.lists(st.sampled_from(["open", "pending", "solved", "closed"]), max_size=8), min_size=1,
                      max_size=6))  # fmt: skip
def test_reopenings_are_moves_out_of_solved(moves):
    steps, reopenings, reopened, ever = [], 0, 0, 0
    for number, states in enumerate(moves):
        was, left, came = "new", 0, 0
        for minute, state in enumerate(states):
            steps.append((f"t{number}", f"2026-03-02 10:{minute:02}", f"{was} > {state}"))
            inside, now = (one in ("solved", "closed") for one in (was, state))
            left, came, was = left + (inside and not now), came + (now and not inside), state
        reopenings, reopened, ever = reopenings + left, reopened + (left > 0), ever + (came > 0)
    if not steps:
        return
    tickets = pd.DataFrame({"ticket_id": [f"t{number}" for number in range(len(moves))]})
    tickets["created_at"] = pd.Timestamp("2026-03-02 10:00")
    rate = reopen_rate(tickets, log_of(steps))
    assert counted(rate) == (reopened, ever)
    assert rate.besides["reopenings"] == reopenings


COSTS = pd.DataFrame(
    {
        "cost_id": ["1", "2", "3", "4", "5", "6", "7"],
        "incurred_date": pd.to_datetime(["2026-03-01", "2026-03-31", "2026-04-01", "2026-03-05"] + ["2026-03-06"] * 3),
        "purpose": ["service", "service", "service", "retention", None, "service", "service"],
        "channel": ["email", "chat", "email", "email", "email", "chat", "chat"],
        "amount": [4000.0, 2000.0, 900.0, 700.0, 50.0, np.inf, -10.0],
    }
)


def test_cost_per_contact(engine):
    march = {"start": "2026-03-01", "end": "2026-04-01"}
    with pytest.warns(RowsLeftOut):  # of the infinite amount and the missing purpose
        cost = cost_per_contact(*together(engine, COSTS, TICKETS), **march)
    assert (cost.value, counted(cost)) == (pytest.approx(6000 / 7), (6000, 7))
    assert cost.excluded == {"no_purpose": 1, "infinite": 1, "negative": 1, "merged": 1}
    assert math.isnan(cost.low)
    clean = COSTS.iloc[:4]
    table = engine.back(cost_per_contact(*together(engine, clean, TICKETS), **march, by="channel")).set_index("channel")
    assert table["value"].to_dict() == {"chat": pytest.approx(2000 / 3), "email": 1000}


def test_cost_without_bookings_or_tickets_is_no_data():
    nothing = cost_per_contact(COSTS.iloc[[3]], TICKETS)
    assert math.isnan(nothing.value)
    assert math.isnan(cost_per_contact(COSTS.iloc[:2], TICKETS.iloc[:0]).value)
    with pytest.raises(ParameterError, match="orders"):
        cost_per_contact(COSTS.iloc[:2], TICKETS, columns={"orders": {"order_id": "x"}})
