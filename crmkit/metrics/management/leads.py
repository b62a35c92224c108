"""From interest to customer: how many leads convert, how fast, and where they are lost. Metric 30.

A lead belongs to the window in which it was created, whatever happens to it later. Dividing the conversions of a month
by the leads of that month mixes two groups of people: it rises when fewer leads come in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames, schema
from crmkit.errors import ParameterError
from crmkit.estimate import Definition, shares
from crmkit.frames import Columns, Frame
from crmkit.intervals import wilson
from crmkit.metrics.management.own import there
from crmkit.reduction import middle, summarise, time_window, whole_number, within
from crmkit.rows import Rows, open_rows

When = Any
CREATED, CONVERTED, CONTACTED = nw.col("created_at"), nw.col("converted_at"), nw.col("first_contacted_at")
LEAD_STAGES = ("created_at", "first_contacted_at", "mql_at", "sql_at", "converted_at")
DAY_MINUTES = 1440


def lead_conversion_rate(
    leads: Any,
    *,
    horizon_days: int = 90,
    start: When = None,
    end: When = None,
    as_of: When = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Of the leads created in the window, how many became customers within the horizon.

    Later conversions do not count, so that old leads have no more time than young ones and windows can be compared.
    Only leads that have been watched for the whole horizon are in the base: day `horizon_days` after they came in lies
    before `as_of`. Those that were not are counted in `besides`.

    Args:
        leads: One row per lead: `created_at`, `converted_at` (empty = not converted); `lead_id` is heeded where
            present.
        horizon_days: How many days a lead has to convert; the last day counts.
        start, end: Window in which the lead was created, `[start, end)`; `None` = open.
        as_of: Up to when the data were collected, not included; default: the day after the last lead came in or was
            converted.
        by: Column to group by, such as `lead_source`.
        columns: Your own column names by the model's.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN if no lead has been watched long enough;
        `besides["conversions_per_lead"]` is what conversions of the window ÷ leads of the window would give, and
        `besides["not_watched"]` counts the leads that are too young. With `by`, a table of the engine's own kind: the
        group, value, low, high, n, numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: a horizon below one day, `start` not before `end`.

    Examples:
        >>> import pandas as pd
        >>> leads = pd.DataFrame({
        ...     "lead_id": ["1", "2", "3", "4"],
        ...     "created_at": pd.to_datetime(["2026-01-05", "2026-01-10", "2026-01-20", "2026-03-01"]),
        ...     "converted_at": pd.to_datetime(["2026-01-15", "2026-03-02", None, "2026-03-02"]),
        ... })
        >>> float(lead_conversion_rate(leads, horizon_days=30, end="2026-02-01", as_of="2026-03-10"))
        0.3333333333333333
    """
    window, horizon_days = time_window(start, end), whole_number("horizon_days", horizon_days)
    opened = _leads(leads, ("converted_at",), by, columns)
    until = frames.instant(as_of, "as_of") if as_of is not None else _day_after_last(opened.frame)
    inside, known = within(CREATED, window), _before(CONVERTED, until)
    watched = inside & (CREATED < datetime(until.year, until.month, until.day) - timedelta(days=horizon_days))
    in_time = known & (CONVERTED.dt.truncate("1d") <= CREATED.dt.truncate("1d").dt.offset_by(f"{horizon_days}d"))
    naive = within(CONVERTED, window) & known
    wanted = opened.units().sums(
        converted=watched & in_time.fill_null(False), watched=watched, not_watched=inside & ~watched, inside=inside,
        naive=naive,
    )  # fmt: skip
    definition = Definition("lead_conversion_rate", {"horizon_days": horizon_days, "as_of": f"{until:%Y-%m-%d}"})
    made = summarise(
        wanted, lambda sums: shares(sums["converted"], sums["watched"]), window, definition, by=by,
        besides=("not_watched", "inside", "naive") if by is None else (),
    )  # fmt: skip
    if by is not None:
        return made
    apart = dict(made.besides)
    seen, conversions = apart.pop("inside"), apart.pop("naive")
    return replace(made, besides={"conversions_per_lead": conversions / seen if seen else float("nan"), **apart})


def lead_conversion_days(
    leads: Any,
    *,
    start: When = None,
    end: When = None,
    statistic: str = "median",
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """How long the leads created in the window took to become customers, in days, of those that did.

    Slow leads of a young window are still missing: compare windows that have been watched equally long.

    Args:
        leads, start, end, by, columns: As for `lead_conversion_rate`.
        statistic: "median", "p90" or "mean".

    Returns:
        Days, as an `Estimate` with the interval of an order statistic (Student's for the mean); the other statistics
        are beside it, and `besides["not_converted"]` counts the leads without a conversion. With `by`, a table.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `lead_conversion_rate`.

    Examples:
        >>> import pandas as pd
        >>> leads = pd.DataFrame({
        ...     "created_at": pd.to_datetime(["2026-01-05 12:00", "2026-01-10 00:00", "2026-01-20 00:00"]),
        ...     "converted_at": pd.to_datetime(["2026-01-06 00:00", "2026-01-12 12:00", None]),
        ... })
        >>> float(lead_conversion_days(leads))
        1.5
    """
    opened = _leads(leads, ("converted_at",), by, columns)
    units = opened.units(within(CREATED, time_window(start, end)))
    days = minutes_between(CREATED, CONVERTED) / DAY_MINUTES
    return middle(
        units, days, time_window(start, end), Definition(f"lead_conversion_days.{statistic}"), statistic=statistic,
        by=by, unit="days", not_converted=CONVERTED.is_null(),
    )  # fmt: skip


def first_contact_time(
    leads: Any,
    *,
    start: When = None,
    end: When = None,
    statistic: str = "median",
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """How long the leads created in the window waited for the first contact, in calendar minutes.

    Args:
        leads: One row per lead: `created_at`, `first_contacted_at` (empty = nobody has contacted it); `lead_id` is
            heeded where present.
        start, end, by, columns: As for `lead_conversion_rate`.
        statistic: "median", "p90" or "mean".

    Returns:
        Minutes round the clock, as an `Estimate` with the interval of an order statistic (Student's for the mean); the
        other statistics are beside it, and `besides["not_contacted"]` counts the leads still waiting. With `by`, a
        table.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `lead_conversion_rate`.

    Examples:
        >>> import pandas as pd
        >>> leads = pd.DataFrame({
        ...     "created_at": pd.to_datetime(["2026-01-05 23:50", "2026-01-10 00:00"]),
        ...     "first_contacted_at": pd.to_datetime(["2026-01-06 00:20", None]),
        ... })
        >>> float(first_contact_time(leads))
        30.0
    """
    opened = _leads(leads, ("first_contacted_at",), by, columns)
    units = opened.units(within(CREATED, time_window(start, end)))
    return middle(
        units, minutes_between(CREATED, CONTACTED), time_window(start, end),
        Definition(f"first_contact_time.{statistic}"), statistic=statistic, by=by, not_contacted=CONTACTED.is_null(),
    )  # fmt: skip


def funnel(
    leads: Any,
    *,
    stages: Sequence[str] = LEAD_STAGES,
    table: str = "leads",
    start: When = None,
    end: When = None,
    columns: Columns = None,
) -> Any:
    """How many rows reached each stage, and which share of the first and of the previous stage that is.

    A row that reached a later stage has passed the earlier ones, also where nobody wrote down when.

    Args:
        leads: One row per lead; or any table of the model whose columns say when each stage was reached, such as
            `campaign_sends` with stages=("sent_at", "delivered_at", "opened_at", "clicked_at").
        stages: Columns of instants in their order; empty = not reached.
        table: Name of the table in the model.
        start, end: Window in which the first stage was reached, `[start, end)`; `None` = open.
        columns: Your own column names by the model's.

    Returns:
        A table of the engine's own kind, one row per stage: `stage`, `n`, `skipped` (rows counted although their own
        cell is empty), `share_of_first`, `first_low`, `first_high`, `share_of_previous`, `previous_low`,
        `previous_high` (0–1, Wilson's intervals; null where there is nothing to divide by, and for the first stage).

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: fewer than two stages, an unknown table, `start` not before `end`.

    Examples:
        >>> import pandas as pd
        >>> leads = pd.DataFrame({
        ...     "created_at": pd.to_datetime(["2026-01-05"] * 4),
        ...     "converted_at": pd.to_datetime(["2026-01-06", None, None, None]),
        ... })
        >>> funnel(leads, stages=("created_at", "converted_at"))[["stage", "n", "share_of_first"]].to_dict("list")
        {'stage': ['created_at', 'converted_at'], 'n': [4, 1], 'share_of_first': [1.0, 0.25]}
    """
    window = time_window(start, end)
    opened = _stages(leads, tuple(stages), table, columns)
    filled = [~nw.col(stage).is_null() for stage in stages]
    reached = [nw.any_horizontal(*filled[at:], ignore_nulls=False) for at in range(len(stages))]
    begun = filled[0] & within(nw.col(stages[0]), window)
    sums = {f"n_{at}": begun & one for at, one in enumerate(reached)}
    sums |= {f"skipped_{at}": begun & one & ~filled[at] for at, one in enumerate(reached)}
    got, _, _ = opened.units().sums(**sums).whole()
    n = np.array([got[f"n_{at}"] for at in range(len(stages))])
    before = np.concatenate([[np.nan], n[:-1]])
    columns_ = {"stage": np.array(stages, object), "n": n.astype(np.int64)}
    columns_["skipped"] = np.array([got[f"skipped_{at}"] for at in range(len(stages))]).astype(np.int64)
    for name, short, base in (
        ("share_of_first", "first", np.full(len(n), n[0])),
        ("share_of_previous", "previous", before),
    ):
        known = np.where(base > 0, base, np.nan)
        low, high = wilson(n, known)
        columns_ |= {name: n / known, f"{short}_low": low, f"{short}_high": high}
    return frames.give_back(frames.same_kind(opened.frame, frames.table(opened.frame, columns_)))


def _stages(native: Any, stages: tuple[str, ...], table: str, columns: Columns) -> Rows:
    if len(stages) < 2:
        raise ParameterError("too_few_stages", stages=", ".join(stages))
    if table not in schema.TABLES:
        raise ParameterError("unknown_variant", parameter="table", value=table, options=", ".join(schema.TABLES))
    model = schema.TABLES[table]
    for stage in stages:
        if stage not in model or model[stage].kind not in ("instant", "date"):
            fit = ", ".join(column.name for column in model.columns if column.kind in ("instant", "date"))
            raise ParameterError("no_stage", stage=stage, table=table, options=fit)
    key = model.key[0] if len(model.key) == 1 else None
    rules = {"no_date": nw.col(stages[0]).is_null()}
    key = None if key is None or not there(native, (key,), columns) else key
    needs = tuple(dict.fromkeys((*stages, key))) if key else stages
    return open_rows(native, table, needs=needs, must=stages, rules=rules, key=key, columns=columns)


def _leads(native: Any, moments: tuple[str, ...], by: str | None, columns: Columns) -> Rows:
    """Leads with a date of their own, and nothing that happened before it."""
    later = nw.any_horizontal(*((nw.col(one) < CREATED).fill_null(False) for one in moments), ignore_nulls=False)
    rules = {"no_date": CREATED.is_null(), "out_of_order": later}
    key = there(native, ("lead_id",), columns)
    needs = (*key, "created_at", *moments)
    return open_rows(
        native, "leads", needs=needs, must=needs, rules=rules, key="lead_id" if key else None, by=by, columns=columns
    )


def minutes_between(before: nw.Expr, after: nw.Expr) -> nw.Expr:
    """Minutes from one instant to another, null where one is missing; works where an engine has no durations."""
    missing = before.is_null() | after.is_null()
    # pandas cannot turn the year of "none" into a whole number
    ends = [one.fill_null(datetime(2000, 1, 1)) for one in (before, after)]
    # days first: the minutes since year 0 would eat up the precision
    days, minutes = ([of(one) for one in ends] for of in (frames.day_number, _of_day))
    return nw.when(~missing).then((days[1] - days[0]).cast(nw.Float64) * DAY_MINUTES + (minutes[1] - minutes[0]))


def _of_day(at: nw.Expr) -> nw.Expr:
    hour, minute, second = (part.cast(nw.Float64) for part in (at.dt.hour(), at.dt.minute(), at.dt.second()))
    return hour * 60.0 + minute + second / 60.0


def _before(at: nw.Expr, until: datetime) -> nw.Expr:
    return ~at.is_null() & (at < until).fill_null(False)


def _day_after_last(frame: Frame) -> datetime:
    """When the data end if nobody says so: the day after the last lead came in or was converted."""
    got = frames.row(frame.filter(nw.col("counts")).select(created=CREATED.max(), converted=CONVERTED.max()))
    known = [frames.instant(one, "as_of") for one in got.values() if one is not None]
    if not known:
        return datetime(9999, 1, 1)
    last = max(known)
    return datetime(last.year, last.month, last.day) + timedelta(days=1)
