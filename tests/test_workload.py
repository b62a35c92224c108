"""How much there is to do and whether promises are kept: by hand on every engine, and slowly on a simulated shop."""

from __future__ import annotations

import math
from functools import cache

import pandas as pd
import pytest

import crmkit
from crmkit.errors import MissingColumn, ParameterError
from crmkit.metrics.service.durations import ticket_times
from crmkit.metrics.service.promises import sla_attainment_rate
from crmkit.metrics.service.workload import backlog, backlog_age, backlog_by_day, contact_rate, ticket_volume
from crmkit.plots.service import plot_backlog, plot_backlog_age, plot_first_reply_time, plot_sla_attainment_rate
from crmkit.texts import in_language
from tests.desk import WEEK, events, instants, tickets
from tests.joined import together

DESK = tickets(
    ("T1", "2026-03-02 09:00"), ("T2", "2026-03-02 10:00"), ("T3", "2026-03-03 09:00"), ("T4", "2026-03-06 17:30"),
    ("T5", "2026-03-09 09:00"), ("T6", "2026-03-09 10:00"), ("T7", "2026-03-09 10:00"), ("T8", "2026-03-02 12:00"),
    kind=["question"] * 6 + ["other", "question"], channel=["email"] * 4 + ["phone"] * 4,
    priority=["urgent", "normal", "normal", "normal", "normal", "low", "normal", "normal"],
    status=["solved", "open", "closed", "open", "open", "new", "new", "merged"],
    created_by=["customer"] * 5 + ["agent", "customer", "customer"],
    assignee_id=["A1", "A1", "A2", None, None, "A3", None, None],
)  # fmt: skip
LOG = events(
    ("T1", "2026-03-02 09:00", "customer", "says"),
    ("T1", "2026-03-02 09:10", "system", "to A1"),
    ("T1", "2026-03-02 09:20", "agent", "priority normal>high"),
    ("T1", "2026-03-02 09:30", "agent", "priority high>urgent"),
    ("T1", "2026-03-02 10:00", "agent", "says"),  # on the dot of the 60 minutes of a normal ticket
    ("T1", "2026-03-02 11:00", "agent", "new>solved"),
    ("T1", "2026-03-04 11:00", "customer", "solved>open"),
    ("T1", "2026-03-05 11:00", "agent", "open>solved"),
    ("T2", "2026-03-02 11:01", "agent", "says"),  # a minute late
    ("T3", "2026-03-03 09:30", "agent", "new>closed"),  # solved without a reply
    ("T4", "2026-03-09 09:20", "agent", "says"),  # 50 minutes of opening hours
    ("T5", "2026-03-09 09:50", "system", "to A9"),
    ("T5", "2026-03-09 09:55", "agent", "notes"),
)
PROMISES = pd.DataFrame(
    {
        "policy_id": ["1", "2", "3", "4", "5"],
        "ticket_kind": pd.Series(["question", "question", None, "question", "question"], dtype="str"),
        "priority": pd.Series(["normal", "urgent", "low", "normal", None], dtype="str"),
        "metric": ["first_reply", "first_reply", "first_reply", "resolution", "first_reply"],
        "target_minutes": [60.0, 5.0, 30.0, 1440.0, 1.0],
        "in_business_hours": [True, True, True, False, True],
        "valid_from": instants(["2026-01-01", "2026-01-01", "2026-01-01", "2026-01-01", "2026-01-01"]),
    }
)
ORDERS = pd.DataFrame(
    {
        "order_id": ["1", "2", "3", "4"], "customer_id": "C",
        "ordered_at": instants(["2026-03-02"] * 3 + ["2026-04-01"]),
        "channel": ["email", "email", "phone", "phone"], "status": ["completed", "completed", "completed", "cancelled"],
    }
)  # fmt: skip


def test_volume_and_contacts(engine):
    desk, orders = together(engine, DESK, ORDERS)
    volume = ticket_volume(desk, end="2026-03-09")
    assert (float(volume), volume.n, volume.excluded) == (4, 7, {"merged": 1})
    assert volume.low < 4 < volume.high
    assert float(ticket_volume(desk, kind="other")) == 1
    rate = contact_rate(desk, orders, start="2026-03-01", end="2026-03-10")
    assert (float(rate), rate.numerator, rate.denominator) == (pytest.approx(700 / 3), 7, 3)
    table = engine.back(contact_rate(desk, orders, by="channel")).sort_values("channel")
    assert table["value"].to_list() == [200, 300]
    assert math.isnan(contact_rate(desk, orders, start="2027-01-01"))
    empty = ticket_volume(engine(DESK.iloc[:0]))
    assert (math.isnan(empty), empty.n) == (True, 0)


def test_promises_of_first_replies(engine):
    both = together(engine, DESK, LOG)
    rate = sla_attainment_rate(*both, PROMISES, business_hours=WEEK)
    # kept: T1 as created (normal), T3 solved, T4; T2 is late, T5 runs until the last event (09:55), T7 has no promise
    assert (rate.numerator, rate.denominator) == (3, 4)
    assert rate.besides == {"running": 1, "overdue": 0, "without_target": 1, "met_unreplied": 1}
    later = sla_attainment_rate(*both, PROMISES, business_hours=WEEK, as_of="2026-03-09 10:01")
    assert (later.numerator, later.denominator, later.besides["overdue"]) == (3, 5, 1)
    table = engine.back(sla_attainment_rate(*both, PROMISES, business_hours=WEEK, by="channel")).sort_values("channel")
    assert table["numerator"].to_list() == [3, 0]
    assert table["denominator"].to_list() == [4, 0]
    assert table["value"].isna().to_list() == [False, True]


def test_promises_of_solutions(engine):
    both = together(engine, DESK, LOG)
    rate = sla_attainment_rate(*both, PROMISES, promise="resolution", as_of="2026-03-09 10:00")
    # T3 is in time; T1 was reopened and took three days, T2 and T4 are open for more than a day
    assert (rate.numerator, rate.denominator) == (1, 4)
    assert rate.besides == {"running": 1, "overdue": 2, "without_target": 0}
    nothing = sla_attainment_rate(*both, PROMISES.iloc[:0])
    assert (math.isnan(nothing), nothing.besides["without_target"]) == (True, 6)
    with pytest.raises(ParameterError, match="business_hours"):
        sla_attainment_rate(*both, PROMISES)
    with pytest.raises(ParameterError, match="promise"):
        sla_attainment_rate(*both, PROMISES, promise="next_reply")
    with pytest.raises(MissingColumn, match="priority"):
        sla_attainment_rate(*together(engine, DESK.drop(columns="priority"), LOG), PROMISES)


def test_the_promise_in_force_when_the_ticket_came():
    stricter = PROMISES.iloc[[0]].assign(policy_id="9", target_minutes=10.0, valid_from=pd.Timestamp("2026-03-03"))
    both = pd.concat([PROMISES, stricter])
    rate = sla_attainment_rate(DESK, LOG, both, business_hours=WEEK, as_of="2026-03-10")
    # T1 and T2 under the old promise; T3 took 30 minutes, T4 50, T5 has no reply
    assert (rate.numerator, rate.denominator) == (1, 5)


def test_backlog_is_a_stock(engine):
    both = together(engine, DESK, LOG)
    for at, value, unassigned, unanswered in (
        ("2026-03-02", math.nan, 0, 0),
        ("2026-03-02 11:00", 2, 0, 1),  # what happens at that instant is not seen
        ("2026-03-03", 1, 0, 0),
        ("2026-03-04 12:00", 2, 0, 0),
        ("2026-03-10", 5, 2, 3),
    ):
        figure = backlog(*both, as_of=at)
        assert float(figure) == value or math.isnan(value) == math.isnan(figure)
        assert figure.besides == {"unassigned": unassigned, "unanswered": unanswered}, at
    table = engine.back(backlog(*both, as_of="2026-03-10", by="channel")).sort_values("channel")
    assert table["value"].to_list() == [2, 3]
    with pytest.raises(ParameterError, match="as_of"):
        backlog(*both, as_of=None)


def test_backlog_age_and_history(engine):
    both = together(engine, DESK, LOG)
    age = backlog_age(*both, as_of="2026-03-10 10:00", kind="question")
    assert age.unit == "days"
    # 8 days, 3 and 16.5 hours, 1 and an hour, 1
    assert (float(age), age.n) == (pytest.approx((1 + 1 / 24 + 3 + 16.5 / 24) / 2), 4)
    assert math.isnan(backlog_age(*both, as_of="2026-03-02"))
    days = engine.back(backlog_by_day(*both, start="2026-03-02", end="2026-03-08"))
    assert days["backlog"].to_list() == [1, 1, 2, 1, 2, 2]
    assert days[["created", "solved", "reopened"]].sum().to_list() == [4, 3, 1]
    assert len(engine.back(backlog_by_day(*together(engine, DESK.iloc[:0], LOG.iloc[:0])))) == 0


@cache
def shop():
    return crmkit.simulate("salon", customers=1500, weeks=104, seed=7)


def test_a_simulated_shop_counted_slowly():
    made = shop()
    desk = made.tickets[made.tickets["status"] != "merged"]
    log = made.ticket_events[made.ticket_events["kind"] == "status_change"].sort_values(["occurred_at", "event_id"])
    for at in instants(["2024-06-01", "2025-01-15 12:00", "2025-12-01"]):
        state = log[log["occurred_at"] < at].groupby("ticket_id")["to_value"].last()
        there = desk[desk["created_at"] < at]
        slow = ~there["ticket_id"].map(state).isin(["solved", "closed"])
        assert backlog(made.tickets, made.ticket_events, as_of=at).value == slow.sum()
        ages = (at - there.loc[slow, "created_at"]).dt.total_seconds() / 86_400
        assert float(backlog_age(made.tickets, made.ticket_events, as_of=at)) == pytest.approx(ages.median(), abs=1e-4)
    days = backlog_by_day(made.tickets, made.ticket_events).set_index("date")["backlog"]
    for day in pd.to_datetime(["2024-06-01", "2025-01-15", "2025-12-01"]):
        before = day - pd.Timedelta(days=1)
        assert days.asof(before) == backlog(made.tickets, made.ticket_events, as_of=day).value


def test_promises_on_a_simulated_shop():
    made = shop()
    rates = [
        sla_attainment_rate(
            made.tickets, made.ticket_events, made.sla_policies, promise=promise, business_hours=made.business_hours,
            holidays=made.holidays,
        )
        for promise in ("first_reply", "resolution")
    ]  # fmt: skip
    asked = made.tickets[(made.tickets["status"] != "merged") & (made.tickets["created_by"] == "customer")]
    assert rates[0].denominator + rates[0].besides["running"] == len(asked)
    assert all(0.5 < float(rate) < 1 for rate in rates)


def test_pictures_show_the_figures(quick_engine):
    both = together(quick_engine, DESK, LOG)
    promises = plot_sla_attainment_rate(sla_attainment_rate(*both, PROMISES, business_hours=WEEK, by="channel"))
    assert [label.get_text() for label in promises.get_yticklabels()] == ["email", "phone"]
    assert [note.get_text() for note in promises.texts] == ["75.0% (3 of 4)", "no data"]
    age = plot_backlog_age(backlog_age(*both, as_of="2026-03-10 10:00"))
    assert [note.get_text() for note in age.texts] == ["1.0 days (n = 5)"]
    waits = plot_first_reply_time(ticket_times(*both))
    assert waits.get_title(loc="right") == "n = 3"
    assert sum(bars.get_data().values.sum() for bars in waits.patches) == 3
    assert waits.get_xlabel() == "wait for the first reply, hours on the calendar"
    empty = plot_first_reply_time(ticket_times(*together(quick_engine, DESK, LOG.iloc[:0])))
    assert [note.get_text() for note in empty.texts] == ["no data"]
    history = plot_backlog(backlog_by_day(*both))
    (line,) = (line for line in history.lines if line.get_drawstyle() == "steps-post")
    assert list(line.get_ydata())[-1] == 5
    with in_language("ja"):
        assert "問い合わせ件数" in plot_backlog(backlog_by_day(*both)).get_ylabel()
