"""The figures in SQL, asked of DuckDB."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from by_hand.contract import (
    ACTIVE,
    BOUGHT_FROM,
    BOUGHT_TO,
    END,
    HORIZON,
    START,
    WATCHED,
    YEAR,
    Share,
    cells_of_dates,
    groups,
)

VALID = f"status = 'completed' AND net_amount >= 0 AND ordered_at < TIMESTAMP '{END}'"
REPEATED = f"last >= TIMESTAMP '{START}' AND last::DATE > first::DATE"
SPANS = (
    f"(SELECT customer_id, min(ordered_at) AS first, max(ordered_at) AS last FROM orders WHERE {VALID} GROUP BY ALL)"
)


class DuckDB:
    """DuckDB: one SQL query per figure on the tables `orders` and `contracts`."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def _ask(self, query: str) -> Any:
        return self.connection.execute(query).fetchall()[0]  # fetchone leaves the result open

    def repeat_customers(self, _: Any) -> Share:
        return self._ask(f"SELECT count(*) FILTER ({REPEATED}), count(*) FROM {SPANS}")

    repeat_rate_cumulative = repeat_customers

    def repeat_rate_active(self, _: Any) -> Share:
        return self._ask(
            f"SELECT count(*) FILTER ({REPEATED}), count(*) FROM {SPANS} WHERE last >= TIMESTAMP '{END - YEAR}'"
        )

    def repeat_rate_by_channel(self, _: Any) -> Any:
        return self.connection.execute(
            f"""
            SELECT "group", count(*) FILTER ({REPEATED}) AS numerator, count(*) AS denominator
            FROM (
                SELECT customer_id, min(ordered_at) AS first, max(ordered_at) AS last,
                       arg_min(channel, ordered_at) AS "group"
                FROM orders WHERE {VALID} GROUP BY customer_id
            ) GROUP BY ALL ORDER BY ALL
            """
        ).fetchall()

    def repeater_share(self, _: Any) -> Share:
        return self._ask(
            f"SELECT count(*) FILTER ({REPEATED}), count(*) FROM {SPANS} WHERE last >= TIMESTAMP '{START}'"
        )

    def repurchase_rate(self, _: Any) -> Share:
        return self._ask(
            f"""
            WITH days AS (SELECT customer_id, ordered_at::DATE AS day FROM orders WHERE {VALID}),
            base AS (
                SELECT customer_id, min(day) AS first FROM days GROUP BY ALL
                HAVING first >= DATE '{BOUGHT_FROM:%Y-%m-%d}' AND first < DATE '{min(BOUGHT_TO, WATCHED):%Y-%m-%d}'
            )
            SELECT count(*) FILTER (again), count(*) FROM (
                SELECT customer_id, bool_or(day > first AND day <= first + {HORIZON.days}) AS again
                FROM days JOIN base USING (customer_id) GROUP BY ALL
            )
            """
        )

    def _both_ends(self, what: str) -> Share:
        return self._ask(
            f"""
            SELECT count(*) FILTER ({what}), count(*) FILTER (there) FROM (
                SELECT customer_id, bool_or(ordered_at < TIMESTAMP '{START}') AS there,
                       bool_or(ordered_at >= TIMESTAMP '{END - ACTIVE}') AS at_end
                FROM orders WHERE {VALID} AND ordered_at >= TIMESTAMP '{START - ACTIVE}' GROUP BY customer_id
            )
            """
        )

    def retention_rate(self, _: Any) -> Share:
        return self._both_ends("there AND at_end")

    def retention_rate_textbook(self, _: Any) -> tuple[int, int, float]:
        stayed, there, at_end, new = self._ask(
            f"""
            SELECT count(*) FILTER (there AND at_end), count(*) FILTER (there), count(*) FILTER (at_end),
                   count(*) FILTER (first >= TIMESTAMP '{START}')
            FROM (
                SELECT customer_id, min(ordered_at) AS first,
                       bool_or(ordered_at >= TIMESTAMP '{START - ACTIVE}' AND ordered_at < TIMESTAMP '{START}')
                           AS there,
                       bool_or(ordered_at >= TIMESTAMP '{END - ACTIVE}') AS at_end
                FROM orders WHERE {VALID} GROUP BY customer_id
            )
            """
        )
        return stayed, there, (at_end - new) / there

    def lapse_rate(self, _: Any) -> Share:
        return self._both_ends("there AND NOT at_end")

    def reactivation_rate(self, _: Any) -> Share:
        return self._ask(
            f"""
            SELECT count(*) FILTER (back), count(*) FROM (
                SELECT customer_id, max(ordered_at) FILTER (ordered_at < TIMESTAMP '{START}') AS before,
                       bool_or(ordered_at >= TIMESTAMP '{START}') AS back
                FROM orders WHERE {VALID} GROUP BY customer_id
            ) WHERE before < TIMESTAMP '{START - ACTIVE}'
            """
        )

    def churn_rate(self, _: Any) -> Share:
        def in_force(at: datetime) -> str:
            return f"(started_at < TIMESTAMP '{at}' AND (ended_at IS NULL OR ended_at >= TIMESTAMP '{at}'))"

        return self._ask(
            f"""
            SELECT count(*) FILTER (there AND NOT at_end), count(*) FILTER (there) FROM (
                SELECT customer_id, bool_or({in_force(START)}) AS there, bool_or({in_force(END)}) AS at_end
                FROM contracts WHERE {in_force(START)} OR {in_force(END)} GROUP BY customer_id
            )
            """
        )

    def churn_rate_besides(self, _: Any) -> tuple[int, int, float]:
        def in_force(at: datetime) -> str:
            return f"(started_at < TIMESTAMP '{at}' AND (ended_at IS NULL OR ended_at >= TIMESTAMP '{at}'))"

        return self._ask(
            f"""
            SELECT count(*) FILTER (there AND NOT at_end), count(*) FILTER (there),
                   count(*) FILTER (first >= TIMESTAMP '{START}' AND first < TIMESTAMP '{END}' AND NOT at_end)
            FROM (
                SELECT customer_id, bool_or({in_force(START)}) AS there, bool_or({in_force(END)}) AS at_end,
                       min(started_at) AS first
                FROM contracts GROUP BY customer_id
            )
            """
        )

    def cohort_retention_classic(self, _: Any) -> Any:
        return self.connection.execute(
            f"""
            WITH visits AS (
                SELECT DISTINCT customer_id, date_trunc('month', ordered_at) AS month FROM orders WHERE {VALID}
            ), cohorts AS (SELECT customer_id, min(month) AS cohort FROM visits GROUP BY customer_id)
            SELECT cohort, month, count(*) FROM visits JOIN cohorts USING (customer_id) GROUP BY ALL ORDER BY ALL
            """
        ).fetchall()

    def cohort_retention_unbounded(self, _: Any) -> Any:
        return self.connection.execute(
            f"""
            WITH leavers AS (
                SELECT date_trunc('month', first) AS cohort, date_trunc('month', last) AS month, count(*) AS n
                FROM {SPANS} GROUP BY ALL
            )
            SELECT cohort, month, sum(n) OVER (PARTITION BY cohort ORDER BY month DESC) FROM leavers ORDER BY ALL
            """
        ).fetchall()

    def plain(self, found: Any) -> Any:
        """A result as plain Python, for comparison."""
        if isinstance(found, tuple):
            return found
        if isinstance(found[0][0], str):
            return groups({"group": group, "numerator": above, "denominator": n} for group, above, n in found)
        return cells_of_dates(found)
