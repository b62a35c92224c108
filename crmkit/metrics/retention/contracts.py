"""How far contracts get: of those whose nth delivery came due, how many got it. Metric 44."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames, schema
from crmkit.errors import ParameterError
from crmkit.estimate import Definition, Window, shares
from crmkit.frames import Columns, Names, columns_of
from crmkit.metrics.retention.cohorts import DAYS_BEFORE
from crmkit.metrics.retention.repeat import share_of_sums
from crmkit.reduction import one_of, summarise, time_window, whole_number, within
from crmkit.rows import AT, History, Rows, Units, day_after_last, open_rows

When = str | datetime
Per = Literal["contract", "customer"]
TABLES = ("subscriptions", "orders")
MOST_DELIVERIES = 400
NEVER = datetime(2000, 1, 1)  # where there is no order, the data end at any time


def continuation_rate(
    subscriptions: Any,
    orders: Any,
    *,
    nth: int,
    per: Per = "contract",
    start: When | None = None,
    end: When | None = None,
    as_of: When | None = None,
    grace_days: int = 7,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Of the contracts whose nth delivery came due, how many got it.

    The nth delivery comes due (nth − 1) × `interval_days` after the contract began, whether or not it still ran then: a
    contract cancelled after the first box stays in the base of the second. Which box was the nth nobody writes down: n
    boxes have to be shipped by `as_of`, so one that was skipped is made up for by the next.

    Args:
        subscriptions: `subscription_id`, `customer_id`, `started_at`, `interval_days`.
        orders: `subscription_id`, `ordered_at`; `status` and `is_test` are heeded where present. A delivery that was
            sent back and refunded was shipped all the same. Those of one contract on one day are one delivery.
        nth: Which delivery; the first is 1.
        per: "contract", or "customer" = all contracts of a customer taken together, counted from the first one's start
            and by its interval: somebody who cancels and signs up again goes on.
        start, end: Window `[start, end)` in which the contract (the customer's first one) began; `None` = open.
        as_of: Up to when the data were collected, not included; default: the day after the last order.
        grace_days: A delivery counts as due only so many days after its date, since boxes are sent a little late too.
        by: Column of `subscriptions` to group by.
        columns: Your own column names by the model's, for `subscriptions`; for both tables
            `{"subscriptions": {…}, "orders": {…}}`.

    Returns:
        An `Estimate` (0–1) with Wilson's interval; with `by`, a table: the group, value, low, high, n, numerator,
        denominator, rows_left_out. `besides["not_due"]` counts those whose nth delivery is not due yet.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: an unknown `per`, or an `nth` below 1.

    Examples:
        >>> import pandas as pd
        >>> contracts = pd.DataFrame({
        ...     "subscription_id": ["s", "t"], "customer_id": ["A", "B"], "interval_days": [28.0, 28.0],
        ...     "started_at": pd.to_datetime(["2026-01-01", "2026-01-01"]),
        ... })
        >>> orders = pd.DataFrame({
        ...     "subscription_id": ["s", "t", "s"], "customer_id": ["A", "B", "A"],
        ...     "ordered_at": pd.to_datetime(["2026-01-01", "2026-01-01", "2026-01-29"]),
        ... })
        >>> float(continuation_rate(contracts, orders, nth=2, as_of="2026-03-01"))
        0.5
    """
    nth, window = whole_number("nth", nth), time_window(start, end)
    units, shipped, until = _deliveries(subscriptions, orders, per, window, as_of, grace_days, by, columns)
    due = nw.col("due") >= nth
    wanted = units.sums(above=due & (nw.col("shipped") >= nth), below=due, not_due=~due)
    definition = Definition(f"continuation_rate.{per}", {"nth": nth, "as_of": f"{until:%Y-%m-%d}"})
    # of the orders only those that could not be used are wanted
    parts = [wanted] if by is not None else [wanted, shipped.units().sums(sent=nw.lit(0.0))]
    return summarise(parts, share_of_sums, window, definition, by=by, besides=("not_due",))


def continuation_curve(
    subscriptions: Any,
    orders: Any,
    *,
    most: int = 12,
    per: Per = "contract",
    start: When | None = None,
    end: When | None = None,
    as_of: When | None = None,
    grace_days: int = 7,
    columns: Names = None,
) -> Any:
    """`continuation_rate` of every delivery from the first to the `most`th, in one pass.

    Args:
        most: Up to which delivery.
        subscriptions, orders, per, start, end, as_of, grace_days, columns: As for `continuation_rate`.

    Returns:
        A table of the engine's own kind: `nth`, value (0–1), low, high, n, numerator, denominator. Later rows are about
        fewer, older contracts, so the share may rise.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `continuation_rate`.

    Examples:
        >>> import crmkit
        >>> shop = crmkit.simulate("subscription", customers=200, weeks=52, seed=7)
        >>> table = continuation_curve(shop.subscriptions, shop.orders, most=3)
        >>> table["nth"].to_list(), float(table["value"].iloc[0])
        ([1, 2, 3], 1.0)
    """
    if whole_number("most", most) > MOST_DELIVERIES:
        raise ParameterError("not_positive", parameter="most", value=most, most=MOST_DELIVERIES)
    window = time_window(start, end)
    units, orders_sent, _ = _deliveries(subscriptions, orders, per, window, as_of, grace_days, None, columns)
    for source in (units.source, orders_sent):
        source.tell(frames.row(source.left_out()))
    held = [nw.when(nw.col(name) < most).then(nw.col(name)).otherwise(most).alias(name) for name in ("due", "shipped")]
    counted = frames.fetch(units.frame.select(*held).group_by("due", "shipped").agg(n=nw.len()))
    due, shipped, n = (counted[name].to_numpy().astype(np.int64) for name in ("due", "shipped", "n"))
    numbers = np.arange(1, most + 1)[:, None]
    below = ((due >= numbers) * n).sum(axis=1).astype(float)
    made = shares(((np.minimum(due, shipped) >= numbers) * n).sum(axis=1).astype(float), below)
    table = frames.table(units.frame, {"nth": numbers[:, 0], **made.columns()})
    return frames.give_back(frames.same_kind(units.frame, table))


def _deliveries(
    subscriptions: Any, orders: Any, per: str, window: Window, as_of: When | None, grace_days: int, by: str | None,
    columns: Names,
) -> tuple[Units, History, datetime]:  # fmt: skip
    """One row per contract or customer: how many deliveries are `due` and how many were `shipped`."""
    one_of("per", per, ("contract", "customer"))
    if not 0 <= grace_days <= MOST_DELIVERIES:
        raise ParameterError("not_positive", parameter="grace_days", value=grace_days, most=MOST_DELIVERIES)
    contracts = _opened_contracts(subscriptions, by, columns_of(columns, "subscriptions", TABLES))
    shipped = _shipped(orders, columns_of(columns, "orders", TABLES))
    until = frames.instant(as_of, "as_of") if as_of is not None else day_after_last(shipped) or NEVER
    until = datetime(until.year, until.month, until.day)
    unit = "subscription_id" if per == "contract" else "customer_id"
    ids = contracts.rows(AT < until)
    days = shipped.rows(AT < until).select("subscription_id", day=frames.day_number(AT))
    if per == "customer":
        days = days.join(ids.select("subscription_id", "customer_id"), on="subscription_id", how="inner")
        first = frames.least(ids, "customer_id", "at")
        ids = first.group_by("customer_id").agg(nw.col("at", "interval_days", *(["group"] if by else [])).min())
    counted = days.select(unit, "day").unique().group_by(unit).agg(shipped=nw.len())
    whole = ids.filter(within(AT, window)).join(counted.rename({unit: "of"}), left_on=unit, right_on="of", how="left")
    # the last day that was seen to its end is the one before `until`
    waited = nw.lit(until.toordinal() - 1 + DAYS_BEFORE - grace_days) - frames.day_number(AT)
    due = (waited / nw.col("interval_days")).floor().cast(nw.Int64) + 1
    due = nw.when(waited >= 0).then(due).otherwise(0)
    whole = whole.with_columns(due=due, shipped=nw.col("shipped").fill_null(0).cast(nw.Int64))
    return Units(contracts, whole), shipped, until


def _opened_contracts(subscriptions: Any, by: str | None, columns: Columns) -> Rows:
    needs = ("subscription_id", "customer_id", "started_at", "interval_days")
    interval = nw.col("interval_days")
    rules = {
        "no_customer": nw.col("customer_id").is_null(),
        "no_date": nw.col("started_at").is_null(),
        "no_price": interval.is_null() | (interval <= 0),
    }
    opened = open_rows(
        subscriptions, "subscriptions", needs=needs, must=needs, rules=rules, key="subscription_id", by=by,
        columns=columns,
    )  # fmt: skip
    frame = opened.frame.with_columns(interval.cast(nw.Float64), at=nw.col("started_at"))
    return Rows(frame, opened.reasons, opened.again, opened.table)


def _shipped(orders: Any, columns: Columns) -> History:
    """Orders under a contract that were sent; a refund does not unsend them."""
    opened = open_rows(
        orders, "orders", needs=("subscription_id", "ordered_at", "status", "is_test"), must=("subscription_id",),
        columns=columns,
    )  # fmt: skip
    found, status = opened.frame.collect_schema(), nw.col("status")
    ours = ~nw.col("subscription_id").is_null()
    reasons = {"no_date": nw.col("ordered_at").is_null() & ours}
    if "status" in found:
        words = schema.TABLES["orders"]["status"].allowed
        reasons["unknown_status"] = ~status.is_in(words) & ~status.is_null() & ours
        reasons["cancelled"] = (status != "completed") & ~status.is_null() & ours
    if "is_test" in found:
        reasons["test"] = nw.col("is_test").fill_null(False) & ours
    reasons = {name: breaks.fill_null(False) for name, breaks in reasons.items()}
    good = ~nw.any_horizontal(*reasons.values(), ignore_nulls=False) & ours
    frame = opened.frame.with_columns(at=nw.col("ordered_at"), counts=good, customer_id=nw.lit(""))
    return History(frame, reasons, kept=("subscription_id", "at"))
