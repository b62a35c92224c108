"""Who complains, who keeps silent, and what becomes of both: by hand on every engine, and counted again on a shop."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crmkit
from crmkit.errors import MissingColumn, ParameterError, RowsLeftOut
from crmkit.intervals import poisson, wilson
from crmkit.metrics.service.complaints import complaint_rate, recovery_effect, silent_dissatisfaction_rate
from crmkit.plots.quality import plot_recovery_effect
from crmkit.texts import in_language
from tests.joined import together


def dated(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of instants as such."""
    for name in frame.columns[frame.columns.str.endswith("_at")]:
        frame[name] = pd.to_datetime(frame[name], format="ISO8601").astype("datetime64[us]")
    return frame


ORDERS = dated(
    pd.DataFrame(
        [
            ("o1", "c1", "2026-01-05 10:00", "completed", 0.0),  # nothing wrong; comes again with o2
            ("o2", "c1", "2026-01-20 10:00", "completed", 0.0),  # complained, solved in 2 hours; no one comes again
            (
                "o3",
                "c2",
                "2026-01-10 10:00",
                "completed",
                10.0,
            ),  # complained, solved in 3 days, refunded; comes again
            ("o4", "c2", "2026-02-01 10:00", "completed", 0.0),  # complained, open still; o5 is cancelled
            ("o5", "c2", "2026-02-10 10:00", "cancelled", 0.0),
            ("o6", "c3", "2026-01-15 10:00", "completed", 0.0),  # a defect, and silence; comes the same day only
            ("o7", "c3", "2026-01-15 18:00", "completed", 0.0),  # nothing wrong
            ("o8", "c4", "2026-03-20 10:00", "completed", 0.0),  # nothing wrong, not watched for 30 days
            ("o9", None, "2026-01-15 10:00", "completed", 0.0),  # nobody known: an order to complain about, no customer
        ],
        columns=["order_id", "customer_id", "ordered_at", "status", "refund_amount"],
    ).assign(net_amount=10.0)
)
TICKETS = dated(
    pd.DataFrame(
        [
            ("t1", "c1", "o2", "complaint", "2026-01-21 10:00", "solved"),
            ("t2", "c2", "o3", "return", "2026-01-11 10:00", "solved"),
            ("t3", "c2", "o3", "complaint", "2026-01-11 12:00", "solved"),  # the same order: the slower one decides
            ("t4", "c2", "o4", "complaint", "2026-02-02 10:00", "open"),
            ("t5", "c1", "o1", "question", "2026-01-06 10:00", "solved"),
            ("t6", "c1", "o2", "complaint", "2026-01-21 11:00", "merged"),
            ("t7", "c9", None, "complaint", "2026-02-20 10:00", "open"),
        ],
        columns=["ticket_id", "customer_id", "order_id", "kind", "created_at", "status"],
    )
)
LOG = dated(
    pd.DataFrame(
        [
            ("e1", "t1", "2026-01-21 12:00", "open", "solved"),
            ("e2", "t2", "2026-01-11 11:00", "open", "solved"),
            ("e3", "t3", "2026-01-14 12:00", "open", "solved"),
            ("e4", "t4", "2026-02-02 11:00", "open", "solved"),
            ("e5", "t4", "2026-02-03 11:00", "solved", "open"),
            ("e6", "t5", "2026-01-06 11:00", "open", "solved"),
        ],
        columns=["event_id", "ticket_id", "occurred_at", "from_value", "to_value"],
    ).assign(kind="status_change", actor_type="agent", is_public=False)
)
ITEMS = pd.DataFrame(
    {
        "order_id": ["o1", "o2", "o6", "o6", "o5"],
        "line_no": [1, 1, 1, 2, 1],
        "product_id": ["P1", "P1", "P1", "P2", "P2"],
        "is_defective": [False, True, True, True, True],
    }
)
ASKED = dated(
    pd.DataFrame(
        [
            ("s1", "c1", "o1", None, "2026-01-07", 5.0),
            ("s2", "c1", "o2", "t1", "2026-01-23", 4.0),
            ("s3", "c2", "o3", None, "2026-01-16", 2.0),  # its order has tickets
            ("s4", "c2", "o4", None, "2026-06-10", 1.0),  # its order too
            ("s5", "c3", "o6", None, "2026-01-17", 1.0),  # silent
            ("s6", "c9", None, None, "2026-02-10", 2.0),  # the customer wrote ten days later
            ("s7", "c9", None, None, "2026-05-10", 2.0),  # that was long ago: silent
            ("s8", "c8", None, "t9", "2026-02-10", 1.0),  # names a ticket
            ("s9", "c4", "o8", None, "2026-03-22", 3.0),
            ("s10", "c4", "o8", None, None, None),
        ],
        columns=["survey_id", "customer_id", "order_id", "ticket_id", "responded_at", "score"],
    ).assign(kind="csat", sent_at="2026-01-01", scale_min=1.0, scale_max=5.0)
)
ALL = ORDERS, TICKETS, LOG, ASKED, ITEMS
SPAN = {"horizon_days": 30, "as_of": "2026-04-01"}


@pytest.fixture(scope="module")
def salon():
    return crmkit.simulate("salon", customers=1500, weeks=104, seed=7)


def counted(figure):
    return figure.numerator, figure.denominator


def test_complaints_by_hand(engine):
    tickets, orders = together(engine, TICKETS, ORDERS)
    rate = complaint_rate(tickets, orders)
    # o3 was refunded in full, o5 cancelled; o9 is of nobody known and counts
    assert (counted(rate), rate.unit, rate.method) == ((4, 7), "per_1000", "poisson")
    assert rate.value == pytest.approx(4000 / 7)
    assert rate.high == pytest.approx(1000 / 7 * float(poisson(4)[1]))
    assert rate.excluded == {"merged": 1, "cancelled": 1, "refunded": 1}
    assert counted(complaint_rate(tickets, orders, kinds=("complaint", "return"))) == (5, 7)
    january = {"start": "2026-01-01", "end": "2026-02-01"}
    assert counted(complaint_rate(tickets, orders, **january)) == (2, 5)
    shops = together(engine, TICKETS.assign(shop="x"), ORDERS.assign(shop=["x"] * 6 + ["y"] * 3))
    table = engine.back(complaint_rate(*shops, by="shop")).set_index("shop")
    assert table["numerator"].to_dict() == {"x": 4, "y": 0}
    assert table["denominator"].to_dict() == {"x": 4, "y": 3}
    assert table["rows_left_out"].to_dict() == {"x": 3, "y": 0}


def test_silence_by_hand(engine):
    asked, tickets, items, orders = together(engine, ASKED, TICKETS, ITEMS, ORDERS)
    answers = silent_dissatisfaction_rate(asked, tickets)
    assert counted(answers) == (2, 6)
    assert answers.low == pytest.approx(float(wilson(2, 6)[0]))
    assert counted(silent_dissatisfaction_rate(asked, tickets, within_days=9)) == (3, 6)
    assert counted(silent_dissatisfaction_rate(asked, tickets, within_days=79)) == (1, 6)
    assert counted(silent_dissatisfaction_rate(asked, tickets, kinds=["return"])) == (4, 6)
    defects = silent_dissatisfaction_rate(items, tickets, basis="defects", orders=orders)
    assert counted(defects) == (2, 3)
    assert defects.excluded == {"cancelled": 1, "merged": 1}
    assert counted(silent_dissatisfaction_rate(items, tickets, basis="defects")) == (3, 4)
    late = silent_dissatisfaction_rate(items, tickets, basis="defects", orders=orders, start="2026-01-16")
    assert counted(late) == (0, 1)
    table = silent_dissatisfaction_rate(items, tickets, basis="defects", orders=orders, by="product_id")
    assert engine.back(table).set_index("product_id")["numerator"].to_dict() == {"P1": 1, "P2": 1}


def test_recovery_by_hand(engine):
    orders, tickets, log, asked, items = together(engine, *ALL)
    made = recovery_effect(orders, tickets, log, asked, order_items=items, **SPAN)
    table = engine.back(made)
    assert table["experience"].to_list() == ["no_problem", "solved_fast", "solved_slow", "unsolved", "silent"]
    # o1, o7, o8 | o2 | o3 | o4 | o6
    assert table["orders"].to_list() == [3, 1, 1, 1, 1]
    assert table["csat_n"].to_list() == [2, 1, 1, 1, 1]
    assert table["satisfied"].to_list() == [1, 1, 0, 0, 0]
    assert table["repurchase_n"].to_list() == [2, 1, 1, 1, 1]
    assert table["repurchased"].to_list() == [1, 0, 1, 0, 0]
    assert table["csat_low"][0] == pytest.approx(float(wilson(1, 2)[0]))
    slower = engine.back(recovery_effect(orders, tickets, log, asked, fast_hours=72, **SPAN))
    assert slower["orders"].to_list() == [4, 2, 0, 1, 0]  # without the lines nobody is known to have kept silent
    assert pd.isna(slower["csat"][2])
    # before t4 was reopened it looked solved
    then = engine.back(recovery_effect(orders, tickets, log, asked, horizon_days=1, as_of="2026-02-03 10:00"))
    assert then["orders"].to_list()[1:4] == [2, 1, 0]


def test_no_data_and_bad_rows():
    assert math.isnan(complaint_rate(TICKETS, ORDERS.iloc[:0]).value)
    quiet = complaint_rate(TICKETS.iloc[:0], ORDERS)
    assert (quiet.value, quiet.low, quiet.n) == (0.0, 0.0, 7)
    assert math.isnan(silent_dissatisfaction_rate(ASKED[ASKED["score"] > 2], TICKETS).value)
    assert silent_dissatisfaction_rate(ASKED, TICKETS.iloc[:0]).numerator == 5
    assert silent_dissatisfaction_rate(ASKED, TICKETS[["ticket_id", "created_at"]]).numerator == 5
    twice = pd.concat([TICKETS, TICKETS]).assign(created_at=lambda frame: frame["created_at"])
    twice.iloc[6, twice.columns.get_loc("created_at")] = pd.NaT
    twice = twice.iloc[:10]
    with pytest.warns(RowsLeftOut):
        rate = complaint_rate(twice, ORDERS)
    assert rate.excluded["same_key"] == 3
    assert rate.excluded["no_date"] == 1
    repeated = pd.concat([ORDERS, ORDERS.iloc[[0]]])
    with pytest.warns(RowsLeftOut, match="'orders'"):
        assert complaint_rate(TICKETS, repeated).denominator == 7
    nameless = ASKED.assign(customer_id=ASKED["customer_id"].where(ASKED.index > 4))
    with pytest.warns(RowsLeftOut, match="no customer"):
        assert counted(silent_dissatisfaction_rate(nameless, TICKETS)) == (1, 3)
    empty = recovery_effect(*(table.iloc[:0] for table in ALL[:4]))
    assert empty["orders"].to_list() == [0] * 5
    assert empty["csat"].isna().all()
    assert recovery_effect(*(table.iloc[:1] for table in ALL[:4]), **SPAN)["orders"].sum() == 1


@pytest.mark.parametrize("language", ["ja", "en"])
def test_what_makes_no_sense_is_refused(language):
    crmkit.use_language(language)
    for call in (
        lambda: silent_dissatisfaction_rate(ASKED, TICKETS, basis="feelings"),
        lambda: silent_dissatisfaction_rate(ASKED, TICKETS, within_days=0),
        lambda: silent_dissatisfaction_rate(ITEMS, TICKETS, basis="defects", start="2026-01-01"),
        lambda: recovery_effect(*ALL[:4], fast_hours=-1),
        lambda: recovery_effect(*ALL[:4], fast_hours=True),
        lambda: recovery_effect(*ALL[:4], horizon_days=0),
        lambda: complaint_rate(TICKETS, ORDERS, columns={"survey_responses": {"score": "x"}}),
    ):
        with pytest.raises(ParameterError) as caught:
            call()
        assert str(caught.value)
    with pytest.raises(MissingColumn, match="kind"):
        complaint_rate(TICKETS.drop(columns="kind"), ORDERS)
    with pytest.raises(MissingColumn, match="order_id"):
        recovery_effect(ORDERS, TICKETS.drop(columns="order_id"), LOG, ASKED)


def test_the_columns_may_have_names_of_ones_own():
    orders = ORDERS.rename(columns={"order_id": "注文", "ordered_at": "注文日"})
    tickets = TICKETS.rename(columns={"kind": "種類"})
    names = {"orders": {"order_id": "注文", "ordered_at": "注文日"}, "tickets": {"kind": "種類"}}
    assert counted(complaint_rate(tickets, orders, columns=names)) == (4, 7)
    made = recovery_effect(orders, tickets, LOG, ASKED, order_items=ITEMS, columns=names, **SPAN)
    assert made["repurchased"].to_list() == [1, 0, 1, 0, 0]
    lines = ITEMS.rename(columns={"is_defective": "不良"})
    names = {"order_items": {"is_defective": "不良"}, "orders": names["orders"]}
    defects = silent_dissatisfaction_rate(lines, TICKETS, basis="defects", orders=orders, columns=names)
    assert counted(defects) == (2, 3)


@settings(max_examples=25)
@given(split=st.datetimes(pd.Timestamp("2024-02-01"), pd.Timestamp("2025-11-30")))
def test_complaints_add_up_over_a_split_of_the_window(salon, split):
    tables = salon.tickets, salon.orders
    whole = complaint_rate(*tables)
    before, after = complaint_rate(*tables, end=split), complaint_rate(*tables, start=split)
    assert before.numerator + after.numerator == whole.numerator > 5
    assert before.denominator + after.denominator == whole.denominator


def test_a_simulated_shop_counted_again(salon):
    orders, tickets = salon.orders, salon.tickets[salon.tickets["status"] != "merged"]
    gone = (orders["refund_amount"] > 0) & (orders["refund_amount"] >= orders["net_amount"])
    valid = orders[(orders["status"] == "completed") & ~orders["is_test"] & ~gone]
    assert counted(complaint_rate(salon.tickets, orders)) == ((tickets["kind"] == "complaint").sum(), len(valid))
    bad = salon.survey_responses.query("kind == 'csat' and score <= 2")
    silent = 0
    for answer in bad.itertuples():
        its = tickets[tickets["customer_id"] == answer.customer_id]["created_at"].dt.normalize()
        near = ((its - answer.responded_at.normalize()).dt.days.abs() <= 30).any()
        about = isinstance(answer.order_id, str) and (tickets["order_id"] == answer.order_id).any()
        silent += not (near or about or isinstance(answer.ticket_id, str))
    assert counted(silent_dissatisfaction_rate(salon.survey_responses, salon.tickets)) == (silent, len(bad))
    lines = salon.order_items[salon.order_items["is_defective"]]
    left = orders[(orders["status"] == "completed") & ~orders["is_test"]]
    lines = lines[lines["order_id"].isin(left["order_id"])]
    quiet = (~lines["order_id"].isin(tickets["order_id"])).sum()
    defects = silent_dissatisfaction_rate(salon.order_items, salon.tickets, basis="defects", orders=orders)
    assert counted(defects) == (quiet, len(lines))


def test_recovery_in_a_simulated_shop(salon):
    orders, tickets = salon.orders, salon.tickets[salon.tickets["status"] != "merged"]
    left = orders[(orders["status"] == "completed") & ~orders["is_test"]]
    told = tickets[tickets["kind"].isin(["complaint", "return"]) & tickets["order_id"].notna()].copy()
    last = {}
    for event in salon.ticket_events.sort_values(["occurred_at", "event_id"]).itertuples():
        if event.kind == "status_change":
            state, at = last.get(event.ticket_id, (False, None))
            now = event.to_value in ("solved", "closed")
            last[event.ticket_id] = (now, event.occurred_at if now and not state else at)
    told["solved"] = [last[ticket][0] for ticket in told["ticket_id"]]
    told["hours"] = [(last[one][1] - at) / pd.Timedelta(hours=1) if last[one][1] is not None else 0
                     for one, at in zip(told["ticket_id"], told["created_at"], strict=True)]  # fmt: skip
    worst = told.groupby("order_id").agg(solved=("solved", "min"), hours=("hours", "max"))
    frame = left.merge(worst, left_on="order_id", right_index=True, how="left")
    broken = set(salon.order_items.loc[salon.order_items["is_defective"], "order_id"])
    kinds = []
    for row in frame.itertuples():
        if row.solved is True or row.solved == 1:
            kinds.append("solved_fast" if row.hours <= 24 else "solved_slow")
        elif row.solved == 0:
            kinds.append("unsolved")
        else:
            kinds.append("silent" if row.order_id in broken else "no_problem")
    frame["experience"] = kinds
    made = recovery_effect(orders, salon.tickets, salon.ticket_events, salon.survey_responses,
                           order_items=salon.order_items).set_index("experience")  # fmt: skip
    assert made["orders"].to_dict() == frame["experience"].value_counts().to_dict()
    answers = salon.survey_responses.query("kind == 'csat' and score == score").merge(frame, on="order_id")
    assert made["csat_n"].to_dict() == answers["experience"].value_counts().reindex(made.index, fill_value=0).to_dict()
    good = answers[answers["score"] >= 4]["experience"].value_counts().reindex(made.index, fill_value=0)
    assert made["satisfied"].to_dict() == good.to_dict()
    gone = (orders["refund_amount"] > 0) & (orders["refund_amount"] >= orders["net_amount"])
    valid = orders[(orders["status"] == "completed") & ~orders["is_test"] & ~gone]
    days = {who: set(some.dt.normalize()) for who, some in valid.groupby("customer_id")["ordered_at"]}
    end = valid["ordered_at"].max().normalize() + pd.Timedelta(days=1)
    frame["day"] = frame["ordered_at"].dt.normalize()
    seen = frame[frame["day"] < end - pd.Timedelta(days=90)]
    assert made["repurchase_n"].to_dict() == seen["experience"].value_counts().to_dict()
    again = [
        any(pd.Timedelta(0) < other - row.day <= pd.Timedelta(days=90) for other in days.get(row.customer_id, ()))
        for row in seen.itertuples()
    ]
    wanted = seen[again]["experience"].value_counts().reindex(made.index, fill_value=0)
    assert made["repurchased"].to_dict() == wanted.to_dict()
    assert made.loc["solved_fast", "csat"] > made.loc["solved_slow", "csat"]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_pictures(language):
    with in_language(language):
        axes = plot_recovery_effect(recovery_effect(*ALL[:4], **SPAN))
        assert len(axes.get_yticklabels()) == 5
        assert len(axes.texts) == 10  # both outcomes, or that there are no data
        assert axes.get_xlabel()
        axes.figure.canvas.draw()
