"""Who complains, who keeps silent, and what becomes of both. Metrics 60 and 62."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.estimate import Definition, Figures, Sums, Window, rates, shares
from crmkit.frames import Columns, Frame, Names, columns_of, day_number
from crmkit.metrics.relationship.answers import HIGH, LOW, SCORE, open_answers
from crmkit.metrics.service.exposure import (
    MERGE_SIGNS,
    above_zero,
    also_told,
    delivered,
    hours_between,
    is_merged,
    last_day,
    marked,
    valid_orders,
)
from crmkit.metrics.service.quality import open_lines
from crmkit.metrics.service.tickets import open_tickets
from crmkit.reduction import one_of, summarise, time_window, whole_number, within
from crmkit.rows import AT, Rows, Units, open_rows

When = Any
COMPLAINTS = ("complaint", "return")
EXPERIENCES = ("no_problem", "solved_fast", "solved_slow", "unsolved", "silent")
RECOVERY_TABLES = ("orders", "tickets", "ticket_events", "survey_responses", "order_items")
DAYS_BEFORE = 305  # `frames.day_number` counts from 0000-03-01, Python from 0001-01-01
CREATED = nw.col("created_at")


def complaint_rate(
    tickets: Any,
    orders: Any,
    *,
    start: When = None,
    end: When = None,
    kinds: Sequence[str] = ("complaint",),
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Complaints opened in the window, per 1,000 orders made in it.

    Some complain in the window about an order from before it, so it may even pass 1,000; over months that evens out.

    Args:
        tickets: One row per ticket: `ticket_id`, `created_at`, `kind`; merged ones are left out.
        orders: One row per order: `order_id`, `customer_id`, `ordered_at`; `status`, `is_test`, `net_amount`,
            `refund_amount` are heeded where present. Orders of nobody known count: they can be complained about.
        start, end: Window of both, `[start, end)`; `None` = open.
        kinds: Which kinds of tickets are complaints, e.g. ("complaint", "return").
        by: Column of both tables to group by.
        columns: Your own column names by the model's, of `tickets`, or of both: `{"orders": {…}}`.

    Returns:
        An `Estimate` per 1,000 orders with the exact Poisson interval; n counts orders; NaN without orders. With `by`,
        a table of the engine's own kind: the group, value, low, high, n, numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`.

    Examples:
        >>> import pandas as pd
        >>> day = pd.Timestamp("2026-03-01")
        >>> tickets = pd.DataFrame({"ticket_id": ["1", "2"], "created_at": day, "kind": ["complaint", "question"]})
        >>> orders = pd.DataFrame({"order_id": list("abcd"), "customer_id": list("wxyz"), "ordered_at": day})
        >>> float(complaint_rate(tickets, orders))
        250.0
    """
    window = time_window(start, end)
    opened = _open_tickets(tickets, ("kind",), by, columns_of(columns, "tickets", ("tickets", "orders")))
    sold = valid_orders(orders, by=by, columns=columns_of(columns, "orders", ("tickets", "orders")))
    complaints = opened.units(within(CREATED, window) & nw.col("kind").is_in(list(kinds)).fill_null(False))
    parts = [complaints.sums(complaints=nw.lit(1.0)), sold.units(within(AT, window)).sums(orders=nw.lit(1.0))]
    definition = Definition("complaint_rate.orders", {"kinds": ", ".join(kinds)})
    return summarise(parts, _per_1000, window, definition, by=by, unit="per_1000")


def silent_dissatisfaction_rate(
    cases: Any,
    tickets: Any,
    *,
    basis: str = "answers",
    orders: Any = None,
    start: When = None,
    end: When = None,
    within_days: int = 30,
    kinds: Sequence[str] | None = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Of those with a reason to complain, how many said nothing: no ticket tells of it.

    Args:
        cases: With `basis="answers"` a survey table: `survey_id`, `kind`, `customer_id`, `responded_at`, `score`; the
            scale (else 1–5), `order_id` and `ticket_id` are heeded where present. With `basis="defects"` order lines:
            `order_id`, `line_no`, `product_id`, `is_defective`.
        tickets: One row per ticket: `ticket_id`, `created_at`; `customer_id` and `order_id` are heeded where present.
        basis: "answers" = satisfaction answers in the lowest quarter of the scale (1 and 2 of 1–5); silent if the
            answer names no ticket, its order has none, and the customer opened none within `within_days` before or
            after it. "defects" = defective lines; silent if the order has no ticket.
        orders: For `basis="defects"`: as for `defect_rate`, needed with a window.
        start, end: Window of the order, or in which the survey was sent, `[start, end)`; `None` = open.
        within_days: How near to the answer a ticket of the customer speaks of it, in whole days.
        kinds: Kinds of tickets that count as having spoken, e.g. ("complaint", "return"); `None` = all. An answer that
            names a ticket itself has one of whatever kind.
        by: Column of `cases` to group by.
        columns: Your own column names by the model's, of `cases`, or by table: `{"tickets": {…}}`.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN if nobody was dissatisfied; with `by`, a table as for
        `complaint_rate`.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: an unknown `basis`, a window without `orders`, or days that are no whole number.

    Examples:
        >>> import pandas as pd
        >>> answers = pd.DataFrame({
        ...     "survey_id": ["1", "2", "3"], "kind": "csat", "customer_id": ["a", "b", "c"], "score": [1, 2, 5],
        ...     "sent_at": pd.Timestamp("2026-03-01"), "responded_at": pd.Timestamp("2026-03-02"),
        ... })
        >>> tickets = pd.DataFrame({"ticket_id": ["9"], "customer_id": "a", "created_at": pd.Timestamp("2026-02-20")})
        >>> float(silent_dissatisfaction_rate(answers, tickets))
        0.5

    References:
        Goodman (1999), Basic facts on customer complaint behavior and the impact of service on the bottom line.
        Competitive Advantage 8, 1–5.
    """
    window = time_window(start, end)
    one_of("basis", basis, ("answers", "defects"))
    first = "survey_responses" if basis == "answers" else "order_items"
    names = {table: columns_of(columns, table, (first, "tickets", "orders")) for table in (first, "tickets", "orders")}
    spoken = _open_tickets(tickets, () if kinds is None else ("kind",), None, names["tickets"])
    said = spoken.rows(None if kinds is None else nw.col("kind").is_in(list(kinds)).fill_null(False))
    if basis == "answers":
        days = whole_number("within_days", within_days)
        unhappy = _unhappy(cases, window, by, names[first])
        frame = _voiced(unhappy.frame, said, days)
        definition = Definition("silent_dissatisfaction_rate.answers", {"within_days": days})
    else:
        lines = open_lines(cases, orders, window, ("is_defective",), by, _given(names, "order_items", "orders"))
        unhappy = Units(lines.source, lines.frame.filter(nw.col("is_defective")))
        frame = _beside_orders(unhappy.frame, said).with_columns(spoke=marked("_of_order"))
        definition = Definition("silent_dissatisfaction_rate.defects")
    sums = Units(unhappy.source, frame).sums(silent=~nw.col("spoke"), unhappy=nw.lit(1.0))
    made = summarise(sums, lambda total: shares(total["silent"], total["unhappy"]), window, definition, by=by)
    return also_told(made, spoken)


def recovery_effect(
    orders: Any,
    tickets: Any,
    ticket_events: Any,
    survey_responses: Any,
    *,
    order_items: Any = None,
    fast_hours: float = 24,
    horizon_days: int = 90,
    start: When = None,
    end: When = None,
    as_of: When = None,
    columns: Names = None,
) -> Any:
    """Satisfaction and return of customers by what became of their order: well, a complaint solved or not, or silence.

    An association, not an effect: who complains, and whose complaint is solved soon, differs from the others. Look at
    both outcomes; in the literature a good recovery lifts satisfaction, and repurchase hardly.

    Args:
        orders: One row per order: `order_id`, `customer_id`, `ordered_at`; `status`, `is_test`, `net_amount`,
            `refund_amount` are heeded where present. The order itself may have been refunded, the next one may not.
        tickets: One row per ticket: `ticket_id`, `created_at`, `kind`, `order_id`; complaints are of kind "complaint"
            or "return". Of several about one order the slowest decides.
        ticket_events: The log of the tickets, as for `reopen_rate`.
        survey_responses: As for `csat`, with `order_id`: all satisfaction answers about the order.
        order_items: Order lines with `is_defective`; without them nobody is known to have kept silent.
        fast_hours: Up to how many hours from opening to the last solution are fast.
        horizon_days: How many days after the order the next one counts; only orders watched as long are looked at.
        start, end: Window of the order, `[start, end)`; `None` = open.
        as_of: Up to when the data were collected, not included; default: the day after the last order.
        columns: Your own column names by the model's, of `orders`, or of each table: `{"tickets": {…}}`.

    Returns:
        A table of the engine's own kind with five rows, experience = "no_problem", "solved_fast", "solved_slow",
        "unsolved", "silent": orders; csat_n (answers), satisfied (4 or 5 of 5), csat (0–1) and its Wilson interval
        csat_low, csat_high; repurchase_n (orders watched), repurchased, repurchase, repurchase_low, repurchase_high.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `fast_hours` or `horizon_days` below what makes sense, or `start` is not before `end`.

    Examples:
        >>> import pandas as pd
        >>> day = pd.Timestamp("2026-01-01 10:00")
        >>> orders = pd.DataFrame({
        ...     "order_id": ["1", "2"], "customer_id": "a", "ordered_at": [day, day + pd.Timedelta(days=30)],
        ... })
        >>> tickets = pd.DataFrame({"ticket_id": ["t"], "created_at": [day], "kind": "complaint", "order_id": ["1"]})
        >>> log = pd.DataFrame({
        ...     "event_id": ["e"], "ticket_id": ["t"], "occurred_at": [day + pd.Timedelta(hours=3)],
        ...     "actor_type": ["agent"], "kind": ["status_change"], "is_public": [False],
        ...     "from_value": ["open"], "to_value": ["solved"],
        ... })
        >>> asked = pd.DataFrame({
        ...     "survey_id": ["s"], "kind": "csat", "order_id": ["1"], "sent_at": [day], "responded_at": [day],
        ...     "score": [5],
        ... })
        >>> table = recovery_effect(orders, tickets, log, asked, as_of="2026-06-01")
        >>> table[["experience", "csat", "repurchase"]].values.tolist()[:2]
        [['no_problem', nan, 0.0], ['solved_fast', 1.0, 1.0]]

    References:
        McCollough & Bharadwaj (1992), The recovery paradox. de Matos, Henrique & Rossi (2007), Service recovery
        paradox: a meta-analysis. Journal of Service Research 10, 60–77.
    """
    window = time_window(start, end)
    horizon_days = whole_number("horizon_days", horizon_days)
    fast_hours = above_zero("fast_hours", fast_hours)
    names = {table: columns_of(columns, table, RECOVERY_TABLES) for table in RECOVERY_TABLES}
    sold = valid_orders(orders, columns=names["orders"])
    until = frames.instant(as_of, "as_of") if as_of is not None else last_day(sold) or datetime.max
    bought = delivered(orders, names["orders"]).filter(
        within(nw.col("ordered_at"), window)
        & (nw.col("ordered_at") < until)
        & ~nw.col("customer_id").is_null()
        & ~marked("_cancelled")
        & ~marked("_test")
    )
    bought = bought.select("order_id", "customer_id", day=day_number(nw.col("ordered_at")))
    desk, told = _complaints(tickets, ticket_events, until, names)
    asked, answers = _answers_of_orders(survey_responses, names["survey_responses"])
    frame = bought.join(told, on="order_id", how="left").join(answers, on="order_id", how="left")
    others: list[Rows] = [sold, desk, asked]
    if order_items is None:
        frame = frame.with_columns(_defect=nw.lit(0))
    else:
        lines = open_lines(order_items, None, Window(), ("is_defective",), None, _given(names, "order_items"))
        others.append(lines.source)
        faulty = lines.frame.filter(nw.col("is_defective")).select("order_id", _defect=nw.lit(1))
        frame = frame.join(faulty.unique(subset=["order_id"], keep="any"), on="order_id", how="left")
    frame = frame.join(_come_again(bought, sold, until, horizon_days), on=["customer_id", "day"], how="left")
    watched = (nw.col("day") + horizon_days < _day_number(until)).fill_null(False)
    made = _experiences(frame.with_columns(_watched=watched), fast_hours)
    also_told(None, *others)
    return frames.give_back(frames.same_kind(frame, made))


def _given(names: Mapping[str, Columns], *tables: str) -> Names:
    """Own names of some of the tables, for what opens these."""
    return {table: names[table] or {} for table in tables}


def _open_tickets(tickets: Any, must: Sequence[str], by: str | None, columns: Columns) -> Rows:
    """Tickets that have a date and are not merged."""
    needs = ("ticket_id", "created_at", "customer_id", "order_id", *MERGE_SIGNS, *must)
    found = frames.open_table(tickets, "tickets", needs=needs, must=must, columns=columns).collect_schema()
    rules = {"no_date": CREATED.is_null(), "merged": is_merged(found)}
    return open_rows(tickets, "tickets", needs=needs, must=must, rules=rules, key="ticket_id", by=by, columns=columns)


def _per_1000(sums: Sums) -> Figures:
    return rates(sums["complaints"], sums["orders"], per=1000).where(sums["orders"] > 0)


def _unhappy(survey_responses: Any, window: Window, by: str | None, columns: Columns) -> Units:
    """Satisfaction answers in the lowest quarter of their scale, with the day `day` and what they are about."""
    asked = open_answers(survey_responses, "csat", window=window, by=by, columns=columns, keep=("customer_id",))
    about = frames.open_table(
        survey_responses, "survey_responses", needs=("survey_id", "order_id", "ticket_id"), columns=columns
    )
    found = about.collect_schema()
    missing = {name: nw.lit(None, nw.String) for name in ("order_id", "ticket_id") if name not in found}
    about = (about.with_columns(**missing) if missing else about).unique(subset=["survey_id"], keep="any")
    at = nw.col("sent_at")
    if "responded_at" in asked.frame.collect_schema():
        at = nw.coalesce(nw.col("responded_at"), at)
    low = SCORE <= LOW + (HIGH - LOW) / 4
    unhappy = asked.frame.filter(low.fill_null(False)).with_columns(day=day_number(at))
    return Units(asked.source, unhappy.join(about, on="survey_id", how="left"))


def _voiced(unhappy: Frame, said: Frame, days: int) -> Frame:
    """Each answer, and whether its customer `spoke`."""
    tickets = said.with_columns(opened=day_number(CREATED))
    if "customer_id" in said.collect_schema():
        near = unhappy.select("survey_id", "customer_id", "day").join(
            tickets.filter(~nw.col("customer_id").is_null()).select("customer_id", "opened"),
            on="customer_id",
            how="inner",
        )
        near = near.filter((nw.col("opened") - nw.col("day")).abs() <= days).select("survey_id", _near=nw.lit(1))
        frame = unhappy.join(near.unique(subset=["survey_id"], keep="any"), on="survey_id", how="left")
    else:
        frame = unhappy.with_columns(_near=nw.lit(0))
    signs = [marked("_near"), ~nw.col("ticket_id").is_null(), marked("_of_order")]
    return _beside_orders(frame, said).with_columns(spoke=nw.any_horizontal(*signs, ignore_nulls=False))


def _beside_orders(frame: Frame, said: Frame) -> Frame:
    """Each row, and whether a ticket is about its order: `_of_order`."""
    if "order_id" not in said.collect_schema():
        return frame.with_columns(_of_order=nw.lit(0))
    orders = said.filter(~nw.col("order_id").is_null()).select("order_id", _of_order=nw.lit(1))
    return frame.join(orders.unique(subset=["order_id"], keep="any"), on="order_id", how="left")


def _complaints(tickets: Any, ticket_events: Any, until: datetime, names: Mapping[str, Columns]) -> tuple[Rows, Frame]:
    """The orders complained about: whether all is `solved`, and how many `hours` the slowest took."""
    desk = open_tickets(
        tickets,
        ticket_events,
        columns=_given(names, "tickets", "ticket_events"),
        as_of=until,
        facts=("last_solved_at", "is_solved"),
        details=("kind", "order_id"),
        must=("kind", "order_id"),
    )
    meant = nw.col("kind").is_in(list(COMPLAINTS)).fill_null(False) & ~nw.col("order_id").is_null()
    hours = hours_between(CREATED, nw.coalesce(nw.col("last_solved_at"), CREATED))
    told = desk.frame.filter(meant).select("order_id", solved=nw.col("is_solved").cast(nw.Int64), hours=hours)
    return desk.source, told.group_by("order_id").agg(nw.col("solved").min(), nw.col("hours").max())


def _answers_of_orders(survey_responses: Any, columns: Columns) -> tuple[Rows, Frame]:
    """How many satisfaction answers there are about each order, and how many are in the highest quarter."""
    asked = open_answers(survey_responses, "csat", window=Window(), columns=columns, keep=("order_id",))
    high = SCORE >= HIGH - (HIGH - LOW) / 4
    answers = asked.frame.filter(~SCORE.is_null()).select("order_id", answers=nw.lit(1), satisfied=high.cast(nw.Int64))
    return asked.source, answers.group_by("order_id").agg(nw.col("answers", "satisfied").sum())


def _come_again(bought: Frame, sold: Rows, until: datetime, horizon_days: int) -> Frame:
    """The days of `bought` after which the customer came `_again` in time, with an order that counts."""
    later = sold.rows(AT < until).filter(~nw.col("customer_id").is_null())
    later = later.select("customer_id", next=day_number(AT)).unique(subset=["customer_id", "next"], keep="any")
    days = bought.select("customer_id", "day").unique(subset=["customer_id", "day"], keep="any")
    pairs = days.join(later, on="customer_id", how="inner")
    gap = nw.col("next") - nw.col("day")
    again = pairs.filter((gap > 0) & (gap <= horizon_days)).select("customer_id", "day", _again=nw.lit(1))
    return again.unique(subset=["customer_id", "day"], keep="any")


def _experiences(frame: Frame, fast_hours: float) -> nw.DataFrame[Any]:
    """Orders, answers and returns by what became of the order, with their shares; every kind has its row."""
    solved, watched = nw.col("solved"), nw.col("_watched")
    told = nw.when(solved.is_null() & marked("_defect")).then(4).otherwise(0)
    told = nw.when(solved == 1).then(nw.when(nw.col("hours") <= fast_hours).then(1).otherwise(2)).otherwise(told)
    told = nw.when(solved == 0).then(3).otherwise(told)
    again = nw.when(watched).then(nw.col("_again").fill_null(0)).otherwise(0)
    rows = frame.select(
        "answers", "satisfied", told=told, orders=nw.lit(1), watched=watched.cast(nw.Int64), again=again
    )
    counted = ("orders", "answers", "satisfied", "watched", "again")
    found = {row["told"]: row for row in frames.rows(rows.group_by("told").agg(nw.col(*counted).sum()))}
    sums = {
        name: np.array([(found.get(place) or {}).get(name) or 0 for place in range(len(EXPERIENCES))], float)
        for name in counted
    }
    csat, back = shares(sums["satisfied"], sums["answers"]), shares(sums["again"], sums["watched"])
    columns = {"experience": np.array(EXPERIENCES, object), "orders": sums["orders"].astype(np.int64)}
    columns |= {"csat_n": csat.n, "satisfied": csat.numerator, "csat": csat.value}
    columns |= {"csat_low": csat.low, "csat_high": csat.high, "repurchase_n": back.n, "repurchased": back.numerator}
    columns |= {"repurchase": back.value, "repurchase_low": back.low, "repurchase_high": back.high}
    return frames.table(frame, columns)


def _day_number(at: datetime) -> int:
    """`frames.day_number` of one instant."""
    return at.toordinal() + DAYS_BEFORE
