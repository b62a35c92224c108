"""How long customers stay, and how soon they come back, where much has not been seen to its end. Metrics 37 and 43.

The engine counts customers by length of time in days; the curve is drawn on these few counts. A result is a table of
the engine's own kind, one row per length of time at which something happened (and one for 0): `time` (days), `at_risk`,
`events`, `censored`, the share with `low` and `high`. `crmkit.models.survival` and `shifted_beta_geometric` take it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.errors import CrmkitWarning, ParameterError
from crmkit.estimate import Definition, Estimate, Window
from crmkit.frames import Columns, Frame
from crmkit.metrics.retention.cohorts import DAYS_BEFORE
from crmkit.metrics.retention.repeat import nth_and_next
from crmkit.models.survival import KaplanMeier, kaplan_meier
from crmkit.reduction import needed, one_of, time_window, whole_number, within
from crmkit.rows import AT, History, day_after_last, open_orders, open_subscriptions

When = str | datetime
Basis = Literal["contract", "next_order"]
COLUMNS = ("time", "at_risk", "events", "censored", "survival", "repurchased", "low", "high")
NEVER = datetime(2000, 1, 1)  # where there is no order, the data end at any time


def survival_curve(
    history: Any,
    *,
    basis: Basis = "contract",
    start: When | None = None,
    end: When | None = None,
    as_of: When | None = None,
    include_involuntary: bool = True,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """The share of contracts still running, or of customers not yet back, after each number of days (Kaplan–Meier).

    What still runs at `as_of` counts for as long as it has been watched: leaving such contracts out, or taking them for
    ended, would both make the life of contracts look shorter than it is.

    Args:
        history: For `basis="contract"` a subscription table: `customer_id`, `started_at`, `ended_at`; for "next_order"
            an order table: `customer_id`, `ordered_at`; the rest as for `repeat_customers`.
        basis: "contract" = days from the start of a contract to its end, one row of the table per contract;
            "next_order" = days from a customer's first purchase to the second.
        start, end: Window `[start, end)` in which the contract began or the first purchase fell; `None` = open.
        as_of: Up to when the data were collected, not included; whole days before it are looked at. Contracts need it;
            for orders it is the day after the last one by default.
        include_involuntary: Whether an end against the customer's will (`is_involuntary`) is an end; if not, such a
            contract counts as last seen on that day.
        by: Column to group by.
        columns: Your own column names by the model's.

    Returns:
        A table as above, with `survival` (0–1) and its log-log interval from Greenwood's variance; `low` and `high` are
        null where nobody has left yet and where nobody is left. With `by`, the group comes first.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: no `as_of` for contracts, an unknown `basis`, or a column that has a result's name.

    Examples:
        >>> import pandas as pd
        >>> contracts = pd.DataFrame({
        ...     "customer_id": ["A", "B", "C"],
        ...     "started_at": pd.to_datetime(["2026-01-01", "2026-01-01", "2026-01-21"]),
        ...     "ended_at": pd.to_datetime(["2026-01-11", None, None]),
        ... })
        >>> table = survival_curve(contracts, as_of="2026-02-01")
        >>> table[["time", "at_risk", "events", "censored"]].to_numpy().tolist()
        [[0, 3, 0, 0], [10, 3, 1, 1], [30, 1, 0, 1]]
        >>> table["survival"].round(3).to_list()
        [1.0, 0.667, 0.667]

    References:
        Kaplan & Meier (1958), Nonparametric estimation from incomplete observations. JASA 53, 457–481.
    """
    found = _lengths(history, basis, 1, time_window(start, end), as_of, include_involuntary, by, columns)
    return found.given("survival")


def repurchase_curve(
    orders: Any,
    *,
    nth: int = 1,
    start: When | None = None,
    end: When | None = None,
    as_of: When | None = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """The share of customers who have made their next purchase after each number of days (1 − Kaplan–Meier).

    Unlike `repurchase_rate` it uses customers of last week too, for as long as they have been watched: where everybody
    has been watched for a horizon, both give the same share there.

    Args:
        orders: One row per order: `customer_id`, `ordered_at`; the rest as for `repeat_customers`.
        nth: Which purchase starts the clock; purchases of one day are one.
        start, end: Window `[start, end)` in which that purchase fell; `None` = open.
        as_of: Up to when the data were collected, not included; whole days before it are looked at. Default: the day
            after the last order.
        by: Column to group by; a customer's group is that of the first order.
        columns: Your own column names by the model's.

    Returns:
        A table as for `survival_curve`, with `repurchased` (0–1) in place of `survival`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `survival_curve`.

    Examples:
        >>> import crmkit
        >>> table = repurchase_curve(crmkit.sample("ten_customers").orders, as_of="2026-04-01")
        >>> table.loc[table["time"].isin([0, 18, 31, 88]), "repurchased"].round(3).to_list()
        [0.0, 0.222, 0.481, 0.827]

    References:
        Kaplan & Meier (1958), Nonparametric estimation from incomplete observations. JASA 53, 457–481.
    """
    nth = whole_number("nth", nth)
    found = _lengths(orders, "next_order", nth, time_window(start, end), as_of, True, by, columns)
    return found.given("repurchased")


def survival_rate(
    history: Any,
    *,
    days: int,
    basis: Basis = "contract",
    start: When | None = None,
    end: When | None = None,
    as_of: When | None = None,
    include_involuntary: bool = True,
    columns: Columns = None,
) -> Estimate:
    """One point of `survival_curve`: the share still there after so many days.

    Args:
        days: How many.
        history, basis, start, end, as_of, include_involuntary, columns: As for `survival_curve`.

    Returns:
        An `Estimate` (0–1) with the log-log interval; NaN if nobody has been watched for so long. There is no plain
        numerator: `numerator` is the share times the denominator, all that were watched.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `survival_curve`.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.sample("ten_customers").orders
        >>> round(float(survival_rate(orders, days=31, basis="next_order", as_of="2026-04-01")), 3)
        0.519
    """
    days, window = whole_number("days", days), time_window(start, end)
    found = _lengths(history, basis, 1, window, as_of, include_involuntary, None, columns)
    curve = found.only()
    value, low, high = (float(one) for one in curve.survival_at(days))
    definition = Definition(f"survival_rate.{basis}", {"days": days, "as_of": f"{found.until:%Y-%m-%d}"})
    beside = {"still_watched": int(curve.at_risk_at(days))}
    return Estimate(value, low, high, curve.n, value * curve.n, curve.n, window, definition, method="log_log",
                    besides=beside, excluded=found.excluded, notes=found.notes)  # fmt: skip


def median_lifetime(
    history: Any,
    *,
    basis: Basis = "contract",
    start: When | None = None,
    end: When | None = None,
    as_of: When | None = None,
    include_involuntary: bool = True,
    columns: Columns = None,
) -> Estimate:
    """After how many days half are gone (contracts) or half are back (customers).

    Args:
        history, basis, start, end, as_of, include_involuntary, columns: As for `survival_curve`.

    Returns:
        An `Estimate` in days with Brookmeyer and Crowley's interval; NaN, or an end of NaN, where the curve has not
        come down so far yet: that is "longer than has been watched", not 0.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `survival_curve`.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.sample("ten_customers").orders
        >>> float(median_lifetime(orders, basis="next_order", as_of="2026-04-01"))
        84.0

    References:
        Brookmeyer & Crowley (1982), A confidence interval for the median survival time. Biometrics 38, 29–41.
    """
    window = time_window(start, end)
    found = _lengths(history, basis, 1, window, as_of, include_involuntary, None, columns)
    curve = found.only()
    definition = Definition(f"median_lifetime.{basis}", {"as_of": f"{found.until:%Y-%m-%d}"})
    beside = {"still_watched": int(curve.censored.sum())}
    return Estimate(*curve.median(), curve.n, float(curve.events.sum()), curve.n, window, definition, unit="days",
                    method="log_log", besides=beside, excluded=found.excluded, notes=found.notes)  # fmt: skip


class _Lengths:
    """How many customers (contracts) had which length, ended or not, per group: small, on the client."""

    def __init__(self, source: History, counted: Frame, until: datetime, by: str | None) -> None:
        got = frames.row(source.left_out())
        self.excluded: Mapping[str, int]
        self.notes: tuple[CrmkitWarning, ...]
        self.excluded, self.notes = source.tell(got)
        self.source, self.until, self.by = source, until, by
        self.small = frames.fetch(counted)

    def curve(self, small: nw.DataFrame[Any]) -> KaplanMeier:
        return kaplan_meier(*(small[name].to_numpy() for name in ("days", "over", "n")))

    def only(self) -> KaplanMeier:
        return self.curve(self.small)

    def given(self, share: str) -> Any:
        """The table, in the engine's own kind."""
        if self.by is None:
            return self._table(_columns(self.only(), share))
        groups = self.small.select("group").unique().sort("group", nulls_last=True)["group"].to_list()
        group = nw.col("group")
        parts = []
        for one in map(frames.plain, groups):
            these = group.is_null() if one is None else (group == one).fill_null(False)
            columns = _columns(self.curve(self.small.filter(these)), share)
            parts.append({self.by: np.full(len(columns["time"]), one, dtype=object), **columns})
        if not parts:  # nothing to group: the group column is there all the same
            nothing = self.small.select(nw.col("group").alias(self.by))
            empty = frames.table(self.source.frame, _columns(self.only(), share))
            made = nw.concat([nothing, empty], how="horizontal")
            return frames.give_back(frames.same_kind(self.source.frame, made))
        return self._table({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})

    def _table(self, columns: dict[str, Any]) -> Any:
        made = frames.table(self.source.frame, columns)
        return frames.give_back(frames.same_kind(self.source.frame, made))


def _columns(curve: KaplanMeier, share: str) -> dict[str, Any]:
    """The columns of the result; what has come back is what has not stayed away."""
    whole = {name: getattr(curve, name).astype(np.int64) for name in ("time", "at_risk", "events", "censored")}
    if share == "survival":
        return {**whole, "survival": curve.survival, "low": curve.low, "high": curve.high}
    return {**whole, share: 1 - curve.survival, "low": 1 - curve.high, "high": 1 - curve.low}


def _lengths(
    history: Any, basis: str, nth: int, window: Window, as_of: When | None, include_involuntary: bool, by: str | None,
    columns: Columns,
) -> _Lengths:  # fmt: skip
    """Days watched and whether the end was seen, counted in the engine."""
    one_of("basis", basis, ("contract", "next_order"))
    if by in COLUMNS:
        raise ParameterError("name_taken", by=by, columns=", ".join(COLUMNS))
    if basis == "contract":
        until = _midnight(frames.instant(needed("survival_curve", "as_of", as_of), "as_of"))
        source = open_subscriptions(history, columns=columns, by=by, needs_reason=not include_involuntary)
        rows = _contracts(source, until, window, include_involuntary)
    elif not include_involuntary:
        raise ParameterError("contract_only", parameter="include_involuntary")
    else:
        source = open_orders(history, columns=columns, by=by)
        until = frames.instant(as_of, "as_of") if as_of is not None else day_after_last(source) or NEVER
        until = _midnight(until)
        rows = nth_and_next(source, nth, until, within(nw.col("nth"), window)).frame
        rows = rows.rename({"nth": "at", "next": "to"}).with_columns(is_end=nw.lit(True))
    # the last day that was seen to its end is the one before `until`
    seen, to = ~nw.col("to").is_null(), nw.when(nw.col("to").is_null()).then(AT).otherwise(nw.col("to"))
    day = nw.when(seen).then(frames.day_number(to)).otherwise(nw.lit(until.toordinal() - 1 + DAYS_BEFORE))
    rows = rows.with_columns(days=(day - frames.day_number(AT)).cast(nw.Int64), over=seen & nw.col("is_end"))
    keys = ("days", "over", *(["group"] if by is not None else []))
    return _Lengths(source, rows.group_by(*keys).agg(n=nw.len()), until, by)


def _contracts(source: History, until: datetime, window: Window, include_involuntary: bool) -> Frame:
    """Each contract that had begun by then: when it began, and when and whether it ended."""
    ended = nw.col("ended_at")
    rows = source.rows(within(AT, window) & (AT < until))
    own = nw.lit(True) if include_involuntary else ~nw.col("is_involuntary").fill_null(False)
    return rows.with_columns(to=nw.when(ended < until).then(ended), is_end=own)


def _midnight(at: datetime) -> datetime:
    return datetime(at.year, at.month, at.day)
