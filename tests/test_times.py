"""How long customers wait: one ticket in many numbers, on every engine, and a simulated shop counted slowly."""

from __future__ import annotations

import math
import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest

import crmkit
from crmkit.errors import MissingColumn, ParameterError, RowsLeftOut
from crmkit.metrics.service.durations import (
    first_resolution_time,
    full_resolution_time,
    status_durations,
    ticket_times,
)
from crmkit.metrics.service.hours import business_minutes
from crmkit.metrics.service.times import complaint_ack_time, first_reply_time, next_reply_time, wait_band
from tests.desk import WEEK, events, tickets
from tests.joined import together

# Friday evening to Tuesday: metrics.md calls it "one data set, many numbers"
TICKET = tickets(("T1", "2026-03-06 17:30"), kind="complaint", channel="email")
STEPS = events(
    ("T1", "2026-03-06 17:30", "customer", "says"),
    ("T1", "2026-03-06 17:31", "bot", "says"),
    ("T1", "2026-03-06 17:50", "agent", "notes"),
    ("T1", "2026-03-09 09:20", "agent", "says"),
    ("T1", "2026-03-09 11:00", "agent", "new>solved"),
    ("T1", "2026-03-10 09:30", "customer", "solved>open"),
    ("T1", "2026-03-10 10:30", "agent", "open>solved"),
)
MINUTES = {"calendar": [1, 3830, 3930, 5340, 3990], "business": [1, 50, 150, 660, 210]}

DESK = tickets(
    ("T1", "2026-03-02 09:00"), ("T2", "2026-03-02 10:00"), ("T3", "2026-03-03 09:00"), ("T4", "2026-03-03 09:00"),
    ("T5", "2026-03-09 09:00"),
    created_by=["customer", "customer", "customer", "agent", "customer"],
    channel=["email", "email", "phone", "phone", None],
)  # fmt: skip
LOG = events(
    ("T1", "2026-03-02 09:00", "customer", "says"),
    ("T1", "2026-03-02 09:30", "customer", "says"),
    ("T1", "2026-03-02 10:00", "agent", "says"),
    ("T1", "2026-03-02 11:00", "customer", "says"),
    ("T1", "2026-03-02 11:30", "agent", "new>solved"),  # solved without a word
    ("T1", "2026-03-02 15:00", "customer", "says"),  # reopens: the wait begins here
    ("T1", "2026-03-02 15:00", "customer", "solved>open"),
    ("T1", "2026-03-02 15:20", "agent", "says"),
    ("T1", "2026-03-02 16:00", "agent", "open>pending"),
    ("T1", "2026-03-02 17:00", "customer", "pending>open"),
    ("T1", "2026-03-02 18:00", "agent", "open>solved"),
    ("T2", "2026-03-02 10:00", "customer", "says"),
    ("T2", "2026-03-02 10:03", "system", "says"),
    ("T3", "2026-03-03 09:00", "customer", "says"),
    ("T3", "2026-03-03 09:10", "agent", "says"),
    ("T3", "2026-03-03 09:20", "agent", "new>on_hold"),
    ("T3", "2026-03-03 10:20", "agent", "on_hold>closed"),
    ("T4", "2026-03-03 09:00", "agent", "says"),
    ("T4", "2026-03-03 09:40", "agent", "says"),
    ("T5", "2026-03-09 09:00", "customer", "says"),
    ("T5", "2026-03-09 09:05", "agent", "says"),
)


@pytest.mark.parametrize("hours", ["calendar", "business"])
def test_one_ticket_many_numbers(engine, hours):
    both = together(engine, TICKET, STEPS)
    clock = {"hours": hours, "business_hours": engine(WEEK)}
    found = [
        complaint_ack_time(*both, **clock),
        first_reply_time(*both, **clock),
        first_resolution_time(*both, **clock),
        full_resolution_time(*both, **clock),
        full_resolution_time(*both, open_only=True, **clock),
    ]
    assert [float(one) for one in found] == MINUTES[hours]
    assert {one.definition.id.split(".")[1].split("_")[0] for one in found} == {hours}
    (row,) = engine.back(ticket_times(*both, **clock)).to_dict("records")
    names = ("ack", "first_reply", "first_resolution", "full_resolution", "open")
    assert [row[f"{name}_minutes"] for name in names] == MINUTES[hours]
    assert row["hours"] == hours
    assert (row["is_solved"], row["reopens"]) == (True, 1)


def test_replies(engine):
    both = together(engine, DESK, LOG)
    reply = first_reply_time(*both, end="2026-03-09")
    assert (float(reply), reply.n) == (35, 2)
    assert reply.besides == {"p90": 55, "mean": 35, "unanswered": 1, "agent_created": 1}
    assert float(first_reply_time(*both, end="2026-03-09", agent_created=True)) == 40
    table = engine.back(first_reply_time(*both, by="channel", statistic="mean", columns={}))
    table = table.sort_values("channel", na_position="last")
    assert table["value"].to_list() == [60, 10, 5]
    assert table["n"].to_list() == [1, 1, 1]
    assert float(complaint_ack_time(*both, kind=None, end="2026-03-09")) == 10
    runs = next_reply_time(*both, statistic="mean")
    # 60, 20 and 5 minutes, 10 of T3; unanswered: T1 before it was solved, and T2
    assert (float(runs), runs.n) == ((60 + 20 + 10 + 5) / 4, 4)
    assert (runs.besides["unanswered"], runs.besides["solved_unanswered"]) == (2, 1)
    later = next_reply_time(*both, first=False)
    assert (float(later), later.n) == (20, 1)


def test_resolutions_and_states(engine):
    both = together(engine, DESK, LOG)
    first = first_resolution_time(*both)
    assert (float(first), first.n, first.besides["unsolved"]) == ((150 + 80) / 2, 2, 3)
    assert float(full_resolution_time(*both)) == (540 + 80) / 2
    assert float(full_resolution_time(*both, open_only=True)) == (150 + 180 + 80) / 2
    early = full_resolution_time(*both, as_of="2026-03-02 16:00")
    assert (early.n, early.besides["unsolved"]) == (0, 2)
    assert math.isnan(early)
    states = engine.back(status_durations(*both, statistic="mean")).set_index("duration")
    spent = {"requester_wait": 150 + 120 + 80, "agent_wait": 60, "agent_work": 150 + 120 + 20, "on_hold": 60}
    assert states["total_minutes"].to_dict() == spent
    assert states["value"].to_dict() == {name: total / 2 for name, total in spent.items()}
    grouped = engine.back(status_durations(*both, by="channel")).sort_values(["channel", "duration"])
    assert grouped["value"].to_list() == [60, 270, 0, 270, 0, 20, 60, 80]
    assert grouped["hours"].unique().tolist() == ["calendar"]


def test_a_log_with_holes_is_set_apart():
    holes = LOG[~LOG["event_id"].isin(["E006"])]  # the reopening is missing: solved twice
    figure = full_resolution_time(DESK, holes, open_only=True)
    assert figure.besides["contradictory"] == 1
    assert float(figure) == 80
    assert status_durations(DESK, holes)["n"].to_list() == [1, 1, 1, 1]
    assert ticket_times(DESK, holes).set_index("ticket_id").loc["T1", ["open_minutes"]].isna().all()


def test_no_data_is_nan(quick_engine):
    for desk, log in ((DESK, LOG.iloc[:0]), (DESK.iloc[:0], LOG.iloc[:0])):
        both = together(quick_engine, desk, log)
        for metric in (first_reply_time, next_reply_time, first_resolution_time, full_resolution_time):
            figure = metric(*both)
            assert math.isnan(figure), metric
            assert figure.n == 0
        states = quick_engine.back(status_durations(*both))
        assert states["value"].isna().all()
        assert (states["n"] == 0).all()
        assert len(quick_engine.back(ticket_times(*both))) == len(desk)


def test_what_cannot_be(engine):
    both = together(engine, DESK, LOG)
    with pytest.raises(ParameterError, match="business_hours"):
        first_reply_time(*both, hours="business")
    with pytest.raises(ParameterError, match="statistic"):
        next_reply_time(*both, statistic="mode")
    with pytest.raises(ParameterError, match="hours"):
        ticket_times(*both, hours="office")
    with pytest.raises(MissingColumn, match="kind"):
        complaint_ack_time(*both)
    with pytest.raises(ParameterError, match="start"):
        full_resolution_time(*both, start="2026-03-02", end="2026-03-02")
    with pytest.raises(ParameterError, match="bands"):
        wait_band(both[0], *both, bands=(60, 30))
    with pytest.raises(ParameterError, match="duration"):
        status_durations(*together(engine, DESK.assign(duration=1), LOG), by="duration")


def test_events_out_of_order_are_counted_out_and_said():
    early = LOG.assign(occurred_at=LOG["occurred_at"].mask(LOG["event_id"] == "E014", pd.Timestamp("2026-03-01")))
    with pytest.warns(RowsLeftOut, match="before they could have happened"):
        figure = first_reply_time(DESK, early)
    assert figure.excluded == {"out_of_order": 1}
    assert figure.n == 2


def test_bands_of_waiting(engine):
    answers = pd.DataFrame({"survey_id": range(4), "ticket_id": ["T1", "T3", "T2", None], "score": [1, 5, 3, 4]})
    asked, *both = together(engine, answers, DESK, LOG)
    found = engine.back(wait_band(asked, *both, bands=(10, 59))).sort_values("survey_id")
    assert list(found.columns) == ["survey_id", "ticket_id", "score", "wait_band"]
    assert found["wait_band"].dropna().to_list() == ["0059-", "0000-0010"]
    assert found["wait_band"].isna().to_list() == [False, False, True, True]


@cache
def shop():
    return crmkit.simulate("salon", customers=1500, weeks=104, seed=7)


def counted_slowly() -> pd.DataFrame:
    """Each ticket's first public reply of an agent, by hand."""
    made = shop()
    log = made.ticket_events
    said = log[(log["kind"] == "comment") & log["is_public"] & (log["actor_type"] == "agent")]
    first = said.groupby("ticket_id")["occurred_at"].min()
    found = made.tickets[(made.tickets["status"] != "merged") & (made.tickets["created_by"] != "agent")]
    return found.assign(reply_at=found["ticket_id"].map(first))


@pytest.mark.parametrize("statistic", ["median", "p90", "mean"])
def test_a_simulated_shop_counted_slowly(quick_engine, statistic):
    made, slow = shop(), counted_slowly()
    waits = (slow["reply_at"] - slow["created_at"]).dt.total_seconds().dropna() / 60
    expected = {"median": waits.median(), "p90": waits.quantile(0.9), "mean": waits.mean()}[statistic]
    both = together(quick_engine, made.tickets, made.ticket_events)
    figure = first_reply_time(*both, statistic=statistic)
    assert (float(figure), figure.n) == (pytest.approx(expected), len(waits))
    assert figure.besides["unanswered"] == slow["reply_at"].isna().sum()
    by_kind = quick_engine.back(first_reply_time(*both, statistic=statistic, by="kind")).sort_values("kind")
    how = {"median": "median", "p90": lambda one: one.quantile(0.9), "mean": "mean"}[statistic]
    slow_by_kind = waits.groupby(slow["kind"]).agg(how)
    np.testing.assert_allclose(by_kind["value"], slow_by_kind[by_kind["kind"]])


def test_waits_in_opening_hours_are_the_simulators():
    """What the simulator decided a customer waits is what the metric finds in opening hours."""
    from tests.test_emit_service import frames, scene_of

    found, log, told = frames()
    decided = pd.DataFrame(scene_of().events("tickets")).loc[told.log, "hours"].to_numpy() * 60
    made = shop()
    times = ticket_times(
        found, log, hours="business", business_hours=made.business_hours, holidays=made.holidays
    ).set_index("ticket_id")["first_reply_minutes"]
    both = pd.DataFrame({"decided": decided}, index=found["ticket_id"]).join(times.dropna(), how="inner")
    assert len(both) > 500
    np.testing.assert_allclose(both["first_reply_minutes"], both["decided"], atol=1.01)


def test_parts_make_the_whole_on_a_simulated_shop():
    made = shop()
    clock = {"business_hours": made.business_hours, "holidays": made.holidays}
    for hours in ("calendar", "business"):
        times = ticket_times(made.tickets, made.ticket_events, hours=hours, **clock)
        solved = times[times["is_solved"]]
        assert len(solved) > 500
        assert solved["open_minutes"].notna().all()
        whole = solved["requester_wait_minutes"] + solved["agent_wait_minutes"]
        np.testing.assert_allclose(whole, solved["open_minutes"])
        apart = solved["agent_work_minutes"] + solved["on_hold_minutes"]
        np.testing.assert_allclose(apart, solved["requester_wait_minutes"])
        assert (solved["open_minutes"] <= solved["full_resolution_minutes"]).all()
        assert (solved["first_resolution_minutes"] <= solved["full_resolution_minutes"]).all()
        steady = solved[solved["reopens"] == 0]
        assert (steady["open_minutes"] == steady["full_resolution_minutes"]).all()
    # the day table in a join and the public function agree
    slow = counted_slowly()
    again = business_minutes(slow, start="created_at", end="reply_at", **clock)
    waits = again.set_index("ticket_id")["business_minutes"].dropna()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure = first_reply_time(made.tickets, made.ticket_events, hours="business", **clock)
    assert float(figure) == pytest.approx(waits.median())


def test_tables_of_one_connection_do_not_depend_on_what_was_kept():
    """What a figure keeps while it is made is gone afterwards; its table is not."""
    import duckdb
    import pyarrow as pa

    connection = duckdb.connect()
    both = [connection.from_arrow(pa.Table.from_pandas(frame, preserve_index=False)) for frame in (DESK, LOG)]
    made = [
        metric(*both, by="channel")
        for metric in (first_reply_time, next_reply_time, first_resolution_time, status_durations)
    ]
    assert connection.sql("SELECT * FROM duckdb_tables()").fetchall() == []
    for table in made:
        assert table.filter("n > 0").aggregate("count(*)").fetchall()[0][0] >= 2
