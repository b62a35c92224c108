"""The log replayed: what became of each ticket, what is left out, and that it agrees with the simulator's own story."""

from __future__ import annotations

from functools import cache

import narwhals.stable.v2 as nw
import pandas as pd
import pytest

import crmkit
from crmkit import frames
from crmkit.errors import MissingColumn, RowsLeftOut
from crmkit.metrics.service.tickets import FACTS, held, open_tickets
from tests.desk import events, instants, tickets
from tests.joined import together

DESK = tickets(
    ("T1", "2026-03-06 17:30"), ("T2", "2026-03-06 09:00"), ("T3", "2026-03-06 10:00"), ("T4", "2026-03-06 11:00"),
    ("T5", "2026-03-07 11:00"), ("T6", None),
    created_by=["customer", "agent", "customer", "customer", None, "customer"],
    status=["solved", "open", "open", "merged", "new", "new"], assignee_id=["A1", "A2", None, None, None, None],
)  # fmt: skip
LOG = events(
    ("T1", "2026-03-06 17:30", "customer", "says"),
    ("T1", "2026-03-06 17:31", "bot", "says"),
    ("T1", "2026-03-06 17:50", "agent", "notes"),
    ("T1", "2026-03-09 09:20", "agent", "says"),
    ("T1", "2026-03-09 11:00", "agent", "open>solved"),
    ("T1", "2026-03-10 09:30", "customer", "solved>open"),
    ("T1", "2026-03-10 10:30", "agent", "open>solved"),
    ("T1", "2026-03-17 03:00", "system", "solved>closed"),
    ("T2", "2026-03-06 09:00", "agent", "says"),  # opens the ticket: no reply
    ("T2", "2026-03-06 09:10", "system", "to A1"),
    ("T2", "2026-03-06 09:20", "agent", "A1>A2"),
    ("T2", "2026-03-06 09:30", "agent", "says"),
    ("T2", "2026-03-06 09:30", "agent", "new>solved"),
    ("T2", "2026-03-06 09:30", "customer", "solved>open"),  # at the same instant: the id decides
    ("T3", "2026-03-06 09:59", "agent", "says"),  # before the ticket
    ("T3", "2026-03-06 12:00", "agent", "new>closed"),
    ("T4", "2026-03-06 12:00", "agent", "says"),
    ("T9", "2026-03-06 12:00", "agent", "says"),  # of no ticket
).pipe(lambda log: log.assign(kind=log["kind"].mask(log["to_value"] == "A2", "assignment")))


def replay(engine, table, log, **more):
    """The tickets that `open_tickets` gives, as pandas, by id."""
    units = open_tickets(*together(engine, table, log), **more)
    found = frames.fetch(units.frame).to_arrow().to_pandas().set_index("ticket_id").sort_index()
    return found, units


def test_what_became_of_each_ticket(engine):
    log = pd.concat([LOG, LOG[LOG["event_id"] == "E003"]])
    found, units = replay(engine, DESK, log, by="status")
    assert found.index.to_list() == ["T1", "T2", "T3", "T5"]
    assert found["group"].to_list() == ["solved", "open", "open", "new"]
    first = found.loc["T1"]
    ends = ["first_reply_at", "first_public_at", "first_solved_at", "last_solved_at"]
    expected = ["2026-03-09 09:20", "2026-03-06 17:31", "2026-03-09 11:00", "2026-03-10 10:30"]
    assert first[ends].to_list() == list(map(pd.Timestamp, expected))
    assert found["is_solved"].to_list() == [True, False, True, False]
    numbers = ["public_agent_comments", "times_solved", "reopens", "assignments", "transfers"]
    assert found[numbers].to_numpy().tolist() == [[1, 2, 1, 0, 0], [1, 1, 1, 2, 1], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]]
    assert str(found.loc["T2", "first_reply_at"]) == "2026-03-06 09:30:00"
    assert found["first_reply_at"].isna().to_list() == [False, False, True, True]
    assert found["customer_id"].isna().all()  # the table has no such column
    with pytest.warns(RowsLeftOut) as told:
        tally = units.tally(seen=~nw.col("ticket_id").is_null())
    assert tally["seen"] == 4
    assert tally.excluded == {"merged": 1, "no_date": 1, "same_key": 1, "unknown_ticket": 1, "out_of_order": 1}
    assert "1 of 16 rows of 'ticket_events' lie before" in " ".join(str(note.message) for note in told)
    with held(units.source) as kept:
        assert len(frames.rows(kept.units().frame)) == 4


def test_missing_states_are_those_of_the_event_before(engine):
    blind = LOG.assign(from_value=None).astype({"from_value": "str"})
    told, _ = replay(engine, DESK, LOG)
    found, _ = replay(engine, DESK, blind)
    pd.testing.assert_frame_equal(found[[*FACTS]], told[[*FACTS]])
    found, _ = replay(engine, DESK, LOG.drop(columns="from_value"), facts=("reopens", "transfers"))
    assert found[["reopens", "transfers"]].sum().to_list() == [2, 1]


def test_merging_is_read_from_the_log_where_the_table_does_not_tell(engine):
    log = pd.concat([LOG, events(("T5", "2026-03-08", "agent", "new>merged")).assign(event_id="M")])
    found, _ = replay(engine, DESK.drop(columns="status"), log, facts=("first_reply_at",), details=())
    assert found.index.to_list() == ["T1", "T2", "T3", "T4"]


def test_only_what_was_there_by_then(engine):
    found, _ = replay(engine, DESK, LOG, as_of="2026-03-10")
    assert found.loc["T1", ["times_solved", "reopens", "is_solved"]].to_list() == [1, 0, True]
    found, _ = replay(engine, DESK, LOG, as_of="2026-03-07")
    assert found.index.to_list() == ["T1", "T2", "T3"]
    assert not found.loc["T1", "is_solved"]


def test_rows_without_ids_or_instants_and_repeated_tickets(engine):
    table = pd.concat([DESK, DESK.iloc[:1], DESK.iloc[:2].assign(ticket_id=None)]).astype({"ticket_id": "str"})
    more = LOG.iloc[[1, 1, 1, 3]].assign(event_id=["X1", None, "X3", "X4"], ticket_id=["T1", "T1", None, "T1"])
    more = more.assign(occurred_at=instants([None, None, "2026-03-06", "2026-03-06 17:40"]).to_numpy())
    log = pd.concat([LOG, more.astype({"event_id": "str", "ticket_id": "str"})])
    found, units = replay(engine, table, log)
    assert found.index.to_list() == ["T1", "T2", "T3", "T5"]
    assert str(found.loc["T1", "first_reply_at"]) == "2026-03-06 17:40:00"
    with pytest.warns(RowsLeftOut):
        excluded = units.tally(seen=~nw.col("ticket_id").is_null()).excluded
    # two tickets and two events have no id, a ticket and an event no instant, a ticket is there twice
    assert excluded["no_id"] == 4
    assert excluded["no_date"] == 2
    assert excluded["same_key"] == 1


def test_empty_tables_and_missing_columns(quick_engine):
    found, units = replay(quick_engine, DESK.iloc[:0], LOG.iloc[:0])
    assert len(found) == 0
    assert units.tally(seen=~nw.col("ticket_id").is_null()).excluded == {}
    found, _ = replay(quick_engine, DESK, LOG.iloc[:0])
    assert not found["is_solved"].any()
    assert (found["reopens"] == 0).all()
    with pytest.raises(MissingColumn, match="is_public"):
        open_tickets(quick_engine(DESK), quick_engine(LOG.drop(columns="is_public")))
    own = {"tickets": {"ticket_id": "番号"}, "ticket_events": {"ticket_id": "番号"}}
    found, _ = replay(
        quick_engine, DESK.rename(columns={"ticket_id": "番号"}), LOG.rename(columns={"ticket_id": "番号"}), columns=own
    )
    assert len(found) == 4


@cache
def shop():
    return crmkit.simulate("shop", customers=1200, weeks=60, seed=3)


def test_agrees_with_the_story_told_slowly(quick_engine):
    """Each ticket's events walked through in order, on a simulated shop."""
    made = shop()
    found, _ = replay(quick_engine, made.tickets, made.ticket_events)
    assert len(found) == (made.tickets["status"] != "merged").sum()
    steps = dict(list(made.ticket_events.groupby("ticket_id")))
    created = made.tickets.set_index("ticket_id")
    for ticket, row in found.iterrows():
        told = slowly(steps.get(ticket, made.ticket_events.iloc[:0]), created.loc[ticket])
        for name, value in told.items():
            assert row[name] == value or (pd.isna(row[name]) and pd.isna(value)), (ticket, name)
    assert (found["is_solved"] == created.loc[found.index, "status"].isin(["solved", "closed"])).all()


def slowly(rows: pd.DataFrame, ticket: pd.Series) -> dict[str, object]:
    told = dict.fromkeys(("first_reply_at", "first_public_at", "first_solved_at", "last_solved_at"), pd.NaT)
    told |= {"public_agent_comments": 0, "times_solved": 0, "reopens": 0, "assignments": 0, "transfers": 0}
    state, owner = "new", None
    for event in rows.sort_values(["occurred_at", "event_id"]).itertuples():
        if event.kind == "comment" and event.is_public and event.actor_type != "customer":
            if event.actor_type == "agent":
                if ticket["created_by"] == "agent" and event.occurred_at == ticket["created_at"]:
                    continue
                told["public_agent_comments"] += 1
                if told["public_agent_comments"] == 1:
                    told["first_reply_at"] = event.occurred_at
            if pd.isna(told["first_public_at"]):
                told["first_public_at"] = event.occurred_at
        elif event.kind == "status_change":
            before, after = (one in ("solved", "closed") for one in (state, event.to_value))
            told["reopens"] += before and not after
            if after and not before:
                told["times_solved"] += 1
                told["last_solved_at"] = event.occurred_at
                if told["times_solved"] == 1:
                    told["first_solved_at"] = event.occurred_at
            state = event.to_value
        elif event.kind == "assignment":
            told["assignments"] += 1
            told["transfers"] += owner is not None and owner != event.to_value
            owner = event.to_value
    return told
