"""Causes and what was done about them: found, weighed against each other, and gone for good or not. Metrics 63, 64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames, schema
from crmkit.errors import ParameterError
from crmkit.estimate import Definition, Figures, Sums, Window, rates, shares
from crmkit.frames import Columns, Frame, Names, columns_of
from crmkit.intervals import rate_ratio
from crmkit.metrics.service.exposure import (
    also_told,
    hours_between,
    is_merged,
    last_day,
    valid_orders,
)
from crmkit.reduction import middle, needed, one_of, summarise, time_window, whole_number, within
from crmkit.rows import AT, Rows, Units, open_rows
from crmkit.spread import spread

When = Any
TABLES = ("problems", "tickets", "orders")
PARETO_COLUMNS = ("n", "share", "low", "high", "cumulative_share")
AT_ONCE = 100  # how many sums are asked of the orders in one query
OPENED, FOUND, ACTION = nw.col("opened_at"), nw.col("root_cause_found_at"), nw.col("corrective_action_at")


def root_cause_rate(
    problems: Any, *, start: When = None, end: When = None, by: str | None = None, columns: Columns = None
) -> Any:
    """Of the problems opened in the window, how many have a root cause by now.

    Young problems have had little time: read it beside `days_to_root_cause`, or end the window some weeks ago.

    Args:
        problems: One row per problem: `problem_id`, `opened_at`, `root_cause` (empty or blank = not found);
            `root_cause_found_at` is heeded where present.
        start, end: Window in which the problem was opened, `[start, end)`; `None` = open.
        by: Column to group by.
        columns: Your own column names by the model's.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN without problems; `besides`: the median number of whole days
        until the cause was found. With `by`, a table of the engine's own kind: the group, value, low, high, n,
        numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`.

    Examples:
        >>> import pandas as pd
        >>> problems = pd.DataFrame({
        ...     "problem_id": ["B1", "B2"],
        ...     "opened_at": pd.to_datetime(["2026-03-01", "2026-03-02"]),
        ...     "root_cause": ["old manual", None],
        ... })
        >>> float(root_cause_rate(problems))
        0.5
    """
    window = time_window(start, end)
    found = ~nw.col("root_cause").is_null() & (nw.col("root_cause").str.strip_chars() != "")
    opened = _open(problems, ("root_cause",), ("root_cause_found_at",), by, columns)
    wanted = opened.units(within(OPENED, window))
    sums = wanted.sums(found=found, problems=nw.lit(1.0))
    definition = Definition("root_cause_rate.found")
    made = summarise(sums, lambda total: shares(total["found"], total["problems"]), window, definition, by=by)
    if by is not None or "root_cause_found_at" not in wanted.frame.collect_schema():
        return made
    days = spread(_with_days(wanted), "days")
    return replace(made, besides={"median_days": int(days["median"][0] + 0.5)} if len(days["n"]) else {})


def days_to_root_cause(
    problems: Any,
    *,
    start: When = None,
    end: When = None,
    statistic: str = "median",
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """How many days passed from the opening of a problem until its cause was found.

    Problems whose cause nobody has found yet are not in it, so it is on the short side; how many they are is beside it.

    Args:
        problems: As for `root_cause_rate`, with `root_cause_found_at`.
        start, end, by, columns: As for `root_cause_rate`.
        statistic: "median", "p90" or "mean".

    Returns:
        An `Estimate` in days, the other statistics and the problems without a cause in `besides`; with `by`, a table as
        for `root_cause_rate`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `root_cause_rate`, or an unknown `statistic`.

    Examples:
        >>> import pandas as pd
        >>> problems = pd.DataFrame({
        ...     "problem_id": ["B1", "B2"],
        ...     "opened_at": pd.to_datetime(["2026-03-01", "2026-03-02"]),
        ...     "root_cause_found_at": pd.to_datetime(["2026-03-05 12:00", None]),
        ... })
        >>> float(days_to_root_cause(problems))
        4.5
    """
    window = time_window(start, end)
    one_of("statistic", statistic, ("median", "p90", "mean"))
    wanted = _open(problems, ("root_cause_found_at",), (), by, columns).units(within(OPENED, window))
    definition = Definition(f"days_to_root_cause.{statistic}")
    days = nw.when(~FOUND.is_null()).then(hours_between(OPENED, nw.coalesce(FOUND, OPENED)) / 24)
    return middle(wanted, days, window, definition, statistic=statistic, by=by, unit="days", not_found=FOUND.is_null())


def pareto(
    rows: Any,
    *,
    cause: str,
    table: str = "tickets",
    at: str | None = None,
    start: When = None,
    end: When = None,
    known_only: bool = False,
    columns: Columns = None,
) -> Any:
    """How often each cause was named, the most frequent first, with the share that it and all before it make up.

    A cause that is not known comes last, however frequent: it is nothing to start with.

    Args:
        rows: One row per case, e.g. a ticket table; merged tickets are left out.
        cause: Own column that names the cause, e.g. "category" or "problem_id".
        table: Which table of the model it is.
        at: Column of the model that says when, e.g. "created_at"; needed with `start` or `end`.
        start, end: Window in which the case lies; `None` = open.
        known_only: Whether cases of unknown cause are left out of all shares.
        columns: Your own column names by the model's.

    Returns:
        A table of the engine's own kind: the cause, n (cases), share with its Wilson interval (low, high),
        cumulative_share; shares are 0–1.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: an unknown `table`, a window without `at`, or `start` is not before `end`.

    Examples:
        >>> import pandas as pd
        >>> tickets = pd.DataFrame({
        ...     "ticket_id": ["1", "2", "3", "4"],
        ...     "created_at": pd.to_datetime(["2026-03-01"] * 4),
        ...     "category": ["price", "quality", "quality", "quality"],
        ... })
        >>> pareto(tickets, cause="category")[["category", "n", "cumulative_share"]].values.tolist()
        [['quality', 3, 0.75], ['price', 1, 1.0]]

    References:
        Juran (1951), Quality Control Handbook: the vital few and the trivial many.
    """
    window = time_window(start, end)
    one_of("table", table, tuple(schema.TABLES))
    if window != Window():
        at = needed("pareto", "at", at)
    if cause in PARETO_COLUMNS:
        raise ParameterError("name_taken", by=cause, columns=", ".join(PARETO_COLUMNS))
    counted = _cases(rows, table, at, window, cause, columns)
    small = frames.fetch(counted.frame.group_by("group").agg(n=nw.len()))
    counted.source.tell(frames.row(counted.source.left_out()))
    named = small.filter(~nw.col("group").is_null()).sort("group").sort("n", descending=True)
    if not known_only:
        named = nw.concat([named, small.filter(nw.col("group").is_null())], how="vertical")
    n = named["n"].to_numpy().astype(float)
    made = shares(n, np.full(len(n), n.sum()))
    given = {"n": n.astype(np.int64), "share": made.value, "low": made.low, "high": made.high}
    beside = frames.table(counted.frame, {**given, "cumulative_share": np.cumsum(n) / max(n.sum(), 1)})
    done = named.select("group").rename({"group": cause}).with_columns(*(beside[name] for name in PARETO_COLUMNS))
    return frames.give_back(frames.same_kind(counted.frame, done))


def recurrence_rate(
    problems: Any,
    tickets: Any,
    orders: Any,
    *,
    measure: str = "ratio",
    as_of: When = None,
    before_days: int | None = None,
    skip_days: int = 0,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Whether a problem stayed away after the corrective action: its tickets per order, after the action and before.

    Before is from the opening of the problem to the action, so that the tickets that made somebody open it do not
    flatter the action; after is from the action to `as_of`. Problems without an action are counted beside the figure.

    Args:
        problems: One row per problem: `problem_id`, `opened_at`, `corrective_action_at` (empty = none yet).
        tickets: One row per ticket: `ticket_id`, `created_at`, `problem_id`; merged ones are left out.
        orders: One row per order: `order_id`, `ordered_at`; as for `complaint_rate`.
        measure: "ratio" = tickets after the action ÷ tickets to be expected had they gone on at the rate before
            (1 = no change, 0 = gone); "rate" = tickets after the action per 1,000 orders after it.
        as_of: Up to when the data were collected, not included; default: the day after the last order.
        before_days: How many days before the action to look at, instead of from the opening on.
        skip_days: Days after the action that are left out, for complaints about what was sold before it.
        by: Column of `problems` to group by, e.g. "problem_id".
        columns: Your own column names by the model's, of `problems`, or of each table: `{"tickets": {…}}`.

    Returns:
        An `Estimate`: the ratio with an exact interval (of several problems, by their effective number of tickets
        before) or the rate with the Poisson interval; NaN without an action, without orders on either side, or a ratio
        without a ticket before. With `by`, a table as for `root_cause_rate`.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: an unknown `measure`, or days that are no whole number.

    Examples:
        >>> import pandas as pd
        >>> problems = pd.DataFrame({
        ...     "problem_id": ["B1"],
        ...     "opened_at": pd.to_datetime(["2026-03-01"]),
        ...     "corrective_action_at": pd.to_datetime(["2026-03-03"]),
        ... })
        >>> days = pd.to_datetime(["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04"])
        >>> tickets = pd.DataFrame({"ticket_id": list("abc"), "created_at": days[:3], "problem_id": "B1"})
        >>> orders = pd.DataFrame({"order_id": list("wxyz"), "customer_id": list("wxyz"), "ordered_at": days})
        >>> float(recurrence_rate(problems, tickets, orders))
        0.5

    References:
        Fay & Feuer (1997), Confidence intervals for directly standardized rates. Statistics in Medicine 16, 791–801.
    """
    one_of("measure", measure, ("ratio", "rate"))
    before_days = None if before_days is None else whole_number("before_days", before_days)
    skip_days = skip_days and whole_number("skip_days", skip_days)
    opened = _open(problems, ("corrective_action_at",), (), by, columns_of(columns, "problems", TABLES))
    sold = valid_orders(orders, columns=columns_of(columns, "orders", TABLES))
    until = frames.instant(as_of, "as_of") if as_of is not None else last_day(sold) or datetime.max
    spans = _spans(opened.rows(), before_days, skip_days)
    named = _named_tickets(tickets, spans, columns_of(columns, "tickets", TABLES))
    seen = _compared(spans, named, sold, until)
    units = Units(opened, opened.rows().join(seen, on="problem_id", how="left"))
    parameters = {"as_of": f"{until:%Y-%m-%d}", "skip_days": skip_days}
    definition = Definition(f"recurrence_rate.{measure}", parameters)
    apart = {"no_action": ACTION.is_null(), "not_compared": ~ACTION.is_null() & (nw.col("compared") == 0)}
    names = ("after", "orders_after", "expected", "expected2")
    sums = units.sums(**{name: nw.col(name) for name in names}, tickets_before=nw.col("before"), **apart)
    figures, unit = (_ratio, "times") if measure == "ratio" else (_per_1000, "per_1000")
    made = summarise(sums, figures, Window(None, until if as_of is not None else None), definition, by=by, unit=unit,
                     besides=("tickets_before", *apart))  # fmt: skip
    return also_told(made, named, sold)


def _ratio(sums: Sums) -> Figures:
    """Tickets after ÷ tickets to be expected. One problem: the exact interval given both counts; of several the
    tickets before count as the number of equally weighted ones that says as much."""
    after, expected, expected2 = sums["after"], sums["expected"], sums["expected2"]
    known = expected > 0
    expected, expected2 = np.where(known, expected, np.nan), np.where(known, expected2, np.nan)
    low, high = rate_ratio(after, expected2 / expected, expected**2 / expected2, np.ones(len(after)))
    n = (after + sums["tickets_before"]).astype(np.int64)
    return Figures(after / expected, low, high, n, after, expected, "ratio")


def _per_1000(sums: Sums) -> Figures:
    return rates(sums["after"], sums["orders_after"], per=1000).where(sums["orders_after"] > 0)


def _open(problems: Any, must: Sequence[str], keep: Sequence[str], by: str | None, columns: Columns) -> Rows:
    """Problems with an opening date, their key once, nothing found or done before they were opened."""
    needs = ("problem_id", "opened_at", *must, *keep)
    has = set(needs) & set(frames.open_table(problems, "problems", needs=needs, must=must, columns=columns).columns)
    later = [nw.col(name) for name in ("root_cause_found_at", "corrective_action_at") if name in has]
    rules = {"no_date": OPENED.is_null()}
    if later:
        rules["out_of_order"] = nw.any_horizontal(*((at < OPENED).fill_null(False) for at in later), ignore_nulls=False)
    return open_rows(
        problems, "problems", needs=needs, must=must, rules=rules, key="problem_id", by=by, columns=columns
    )


def _cases(rows: Any, table: str, at: str | None, window: Window, cause: str, columns: Columns) -> Units:
    """The rows of the window, their cause as `group`."""
    of_tickets = ("status", "merged_into_ticket_id") if table == "tickets" else ()
    needs = (*schema.TABLES[table].key, *([] if at is None else [at]), *of_tickets)
    rules = {}
    if at is not None:
        rules["no_date"] = nw.col(at).is_null()
    if of_tickets:
        found = frames.open_table(rows, table, needs=needs, columns=columns).columns
        rules["merged"] = is_merged(found)
    key = schema.TABLES[table].key
    must = () if at is None else (at,)
    opened = open_rows(rows, table, needs=needs, must=must, rules=rules, key=key[0] if len(key) == 1 else None,
                       by=cause, columns=columns)  # fmt: skip
    return opened.units(None if at is None else within(nw.col(at), window))


def _spans(problems: Frame, before_days: int | None, skip_days: int) -> Frame:
    """From when to when each problem with an action is looked at: `begin`, `action`, `again`."""
    acted = problems.filter(~ACTION.is_null())
    begin = OPENED if before_days is None else ACTION.dt.offset_by(f"-{before_days}d")
    again = ACTION.dt.offset_by(f"{skip_days}d") if skip_days else ACTION
    return acted.select("problem_id", begin=begin, action=ACTION, again=again)


def _named_tickets(tickets: Any, spans: Frame, columns: Columns) -> Rows:
    """Tickets with the dates of their problem beside them."""
    needs = ("ticket_id", "created_at", "problem_id", "status", "merged_into_ticket_id")
    opened = open_rows(tickets, "tickets", needs=needs, must=("problem_id",), key="ticket_id", columns=columns)
    reasons = {"no_date": nw.col("created_at").is_null(), "merged": is_merged(opened.frame.collect_schema())}
    joined = opened.frame.drop("counts").join(spans, on="problem_id", how="left")
    broken = nw.any_horizontal(*(breaks.fill_null(False) for breaks in reasons.values()), ignore_nulls=False)
    return Rows(joined.with_columns(counts=~broken), reasons, opened.again, "tickets")


def _compared(spans: Frame, named: Rows, sold: Rows, until: datetime) -> Frame:
    """One row per problem with an action: its tickets and the orders on either side, 0 where they cannot be compared.

    A shop has few problems: their dates come to the client, as groups do.
    """
    at = nw.col("created_at")
    flags = named.rows(~nw.col("action").is_null() & (at < until)).select(
        "problem_id",
        before=((at >= nw.col("begin")) & (at < nw.col("action"))).cast(nw.Int64),
        after=(at >= nw.col("again")).cast(nw.Int64),
    )
    counted = frames.rows(flags.group_by("problem_id").agg(nw.col("before", "after").sum()))
    tickets = {row["problem_id"]: row for row in counted}
    acted = frames.fetch(spans)
    ids = acted["problem_id"].to_list()
    dates = [[frames.instant(at, name) for at in acted[name].to_list()] for name in ("begin", "action", "again")]
    so_far = _orders_before(sold, {until, *(at for one in dates for at in one)})
    begin, action, again = (np.array([so_far[at] for at in one], float) for one in dates)
    seen = {name: np.array([tickets.get(one, {}).get(name, 0) for one in ids], float) for name in ("before", "after")}
    orders_before, seen["orders_after"] = action - begin, so_far[until] - again
    compared = (orders_before > 0) & (seen["orders_after"] > 0)
    scale = seen["orders_after"] / np.where(compared, orders_before, np.inf)
    seen |= {"expected": seen["before"] * scale, "expected2": seen["before"] * scale**2}
    seen = {name: np.where(compared, values, 0.0) for name, values in seen.items()}
    beside = frames.table(spans, {**seen, "compared": compared.astype(np.int64)})
    made = acted.select("problem_id").with_columns(*(beside[name] for name in beside.columns))
    return frames.same_kind(spans, made)


def _orders_before(sold: Rows, instants: set[datetime]) -> dict[datetime, int]:
    """How many orders that count came before each instant."""
    ordered = sorted(instants)
    found: dict[datetime, int] = {}
    for first in range(0, len(ordered), AT_ONCE):
        some = {f"at_{place}": at for place, at in enumerate(ordered[first : first + AT_ONCE])}
        flags = sold.rows().select(**{name: (AT < at).cast(nw.Int64) for name, at in some.items()})
        got = frames.row(flags.select(nw.col(*some).sum()))
        found |= {at: int(got[name] or 0) for name, at in some.items()}
    return found


def _with_days(wanted: Units) -> Frame:
    return wanted.frame.filter(~FOUND.is_null()).select(days=hours_between(OPENED, FOUND) / 24)
