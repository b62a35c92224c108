"""A help desk in DuckDB, and the times of its tickets as an analyst asks for them in SQL."""

from __future__ import annotations

from typing import Any

WEEK = {"weekday": range(5), "open_time": "09:00", "close_time": "18:00"}
CLOSED = ("2024-01-01", "2024-05-03", "2024-12-31", "2025-01-01", "2025-05-05", "2025-12-31")

TICKETS = """
CREATE TABLE tickets AS
SELECT
    'T' || lpad(i::VARCHAR, 9, '0') AS ticket_id,
    'C' || (hash(i) % 300000)::VARCHAR AS customer_id,
    TIMESTAMP '2024-01-01' + to_minutes((hash(i + 7) % 1000000)::BIGINT) AS created_at,
    'customer' AS created_by, 'question' AS kind, 'solved' AS status, 'normal' AS priority,
    'A1' AS assignee_id, 'x' AS category
FROM range({tickets}) t(i)
"""
EVENTS = """
CREATE TABLE ticket_events AS
WITH base AS (SELECT ticket_id, created_at, (hash(ticket_id) % 3000)::BIGINT AS wait FROM tickets)
SELECT
    ticket_id || '-' || nth::VARCHAR AS event_id,
    ticket_id,
    created_at + to_minutes(CASE nth WHEN 0 THEN 0 WHEN 1 THEN 1 ELSE wait + nth * 7 END) AS occurred_at,
    kind, actor AS actor_type, actor AS actor_id, public AS is_public, a AS from_value, b AS to_value
FROM base, (VALUES
    (0, 'comment', 'customer', true, NULL, NULL),
    (1, 'comment', 'bot', true, NULL, NULL),
    (2, 'comment', 'agent', false, NULL, NULL),
    (3, 'comment', 'agent', true, NULL, NULL),
    (4, 'status_change', 'agent', NULL, 'open', 'solved'),
    (5, 'status_change', 'customer', NULL, 'solved', 'open'),
    (6, 'status_change', 'agent', NULL, 'open', 'solved')
) e(nth, kind, actor, public, a, b)
WHERE nth < 5 OR hash(ticket_id || 'again') % 10 = 0
"""
FACTS = """
WITH facts AS (
    SELECT
        t.ticket_id,
        any_value(t.created_at) AS created_at,
        {fact} AS done_at
    FROM tickets t
    LEFT JOIN ticket_events e ON e.ticket_id = t.ticket_id AND e.occurred_at >= t.created_at AND {looked_at}
    WHERE t.status <> 'merged'
    GROUP BY t.ticket_id
)
"""
REPLY = "e.kind = 'comment' AND e.actor_type = 'agent' AND e.is_public"
SOLVED = """e.kind = 'status_change' AND e.to_value IN ('solved', 'closed')
        AND coalesce(e.from_value NOT IN ('solved', 'closed'), true)"""
STATISTICS = "quantile_cont(minutes, 0.5), quantile_cont(minutes, 0.9), avg(minutes), count(minutes)"
CALENDAR = """
SELECT {statistics} FROM (SELECT epoch(done_at - created_at) / 60 AS minutes FROM facts)
"""
BUSINESS = """
, days AS (
    SELECT
        day::DATE AS day,
        CASE WHEN isodow(day) <= 5 AND day::DATE NOT IN ({closed}) THEN 540 ELSE 0 END AS open
    FROM range(TIMESTAMP '2024-01-01', TIMESTAMP '2026-07-01', INTERVAL 1 DAY) t(day)
), calendar AS (
    SELECT day, open, sum(open) OVER (ORDER BY day) - open AS before FROM days
), timed AS (
    SELECT
        b.before + least(greatest(epoch(done_at - b.day::TIMESTAMP) / 60 - 540, 0), b.open)
        - a.before - least(greatest(epoch(created_at - a.day::TIMESTAMP) / 60 - 540, 0), a.open) AS minutes
    FROM facts
    LEFT JOIN calendar a ON a.day = created_at::DATE
    LEFT JOIN calendar b ON b.day = done_at::DATE
)
SELECT {statistics} FROM timed
"""
ASKED = {
    "first_reply_time": (f"min(e.occurred_at) FILTER ({REPLY})", REPLY),
    "first_resolution_time": (f"min(e.occurred_at) FILTER ({SOLVED})", SOLVED),
    "full_resolution_time": (f"max(e.occurred_at) FILTER ({SOLVED})", SOLVED),
}


def desk(tickets: int) -> Any:
    """A connection that holds so many tickets and five to seven events of each."""
    import duckdb

    connection = duckdb.connect()
    for made in (TICKETS.format(tickets=tickets), EVENTS):
        connection.execute(made).fetchall()
    return connection


def by_hand(metric: str, *, business: bool = False) -> str:
    """The query for median, 90th percentile, mean and number of a metric's minutes."""
    fact, looked_at = ASKED[metric]
    closed = ", ".join(f"DATE '{day}'" for day in CLOSED)
    facts = FACTS.format(fact=fact, looked_at=looked_at)
    return facts + (BUSINESS if business else CALENDAR).format(statistics=STATISTICS, closed=closed)


def opening() -> dict[str, Any]:
    """The same hours as crmkit takes them."""
    import pandas as pd

    week = pd.DataFrame({"calendar_id": "main", **WEEK})
    return {
        "hours": "business",
        "business_hours": week,
        "holidays": pd.DataFrame({"calendar_id": "main", "date": pd.to_datetime(list(CLOSED))}),
    }
