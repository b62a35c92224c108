"""Whether anybody got in touch: after an order, and with those who asked for it. Metric 48."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.estimate import Definition, Figures, Sums, shares
from crmkit.frames import Frame, Names, columns_of
from crmkit.reduction import one_of, summarise, time_window, whole_number, within
from crmkit.rows import AT, Rows, Units, day_after_last, open_orders, open_rows, without_repeats

When = str | datetime
NEVER = datetime(2000, 1, 1)  # where there is no order, the data end at any time


def follow_up_coverage(
    orders: Any,
    interactions: Any,
    *,
    within_days: int = 14,
    match: Literal["order", "customer"] = "order",
    start: When | None = None,
    end: When | None = None,
    as_of: When | None = None,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Of the orders, how many were followed up: a contact of the kind `follow_up` from the shop's side in time.

    Only orders that have been watched for the whole time are in the base; the others are counted in `besides`.

    Args:
        orders: `order_id`, `customer_id`, `ordered_at`; the rest as for `repeat_customers`.
        interactions: `occurred_at`, `direction`, `kind`, and `order_id` or `customer_id`, as `match` asks.
        within_days: How many days the shop has; the last one counts.
        match: "order" = the contact names the order; "customer" = any follow-up with the customer after the order.
        start, end: Window `[start, end)` of the orders; `None` = open.
        as_of: Up to when the data were collected, not included; default: the day after the last order.
        by: Column of `orders` to group by.
        columns: Your own column names by the model's, for `orders`; for both tables
            `{"orders": {…}, "interactions": {…}}`.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN if no order has been watched long enough; with `by`, a table of
        the engine's own kind: the group, value, low, high, n, numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: an unknown `match`, or less than one day.

    Examples:
        >>> import pandas as pd
        >>> orders = pd.DataFrame({
        ...     "order_id": ["1", "2"], "customer_id": ["A", "B"],
        ...     "ordered_at": pd.to_datetime(["2026-01-10", "2026-01-12"]),
        ... })
        >>> contacts = pd.DataFrame({
        ...     "interaction_id": ["i"], "order_id": ["1"], "direction": ["outbound"], "kind": ["follow_up"],
        ...     "occurred_at": pd.to_datetime(["2026-01-15"]),
        ... })
        >>> float(follow_up_coverage(orders, contacts, as_of="2026-03-01"))
        0.5
    """
    window, within_days = time_window(start, end), whole_number("within_days", within_days)
    one_of("match", match, ("order", "customer"))
    names = ("orders", "interactions")
    history = open_orders(orders, columns=columns_of(columns, "orders", names), by=by, must=("order_id",))
    frame, again = without_repeats(history.frame, "order_id")
    history = replace(history, frame=frame, again=again)
    until = frames.instant(as_of, "as_of") if as_of is not None else day_after_last(history) or NEVER
    key = f"{match}_id"
    contacts = _contacts(interactions, key, columns_of(columns, "interactions", names), kind="follow_up")
    contacts = contacts.filter(nw.col("to") < until)
    bought = history.rows(within(AT, window) & (AT < until))
    pairs = bought.select("order_id", "at", *([key] if key != "order_id" else []))
    pairs = pairs.join(contacts.rename({key: "of"}), left_on=key, right_on="of", how="inner")
    gap = frames.day_number(nw.col("to")) - frames.day_number(AT)
    met = pairs.filter((nw.col("to") >= AT) & (gap <= within_days)).select(of="order_id").unique()
    watched = AT < datetime(until.year, until.month, until.day) - timedelta(days=within_days)
    met = met.with_columns(met=nw.lit(True))
    seen = bought.with_columns(watched=watched).join(met, left_on="order_id", right_on="of", how="left")
    above = ~nw.col("met").is_null() & nw.col("watched")
    wanted = Units(history, seen).sums(above=above, below=nw.col("watched"), not_watched=~nw.col("watched"))
    definition = Definition(f"follow_up_coverage.{match}", {"within_days": within_days, "as_of": f"{until:%Y-%m-%d}"})
    return summarise(wanted, _share, window, definition, by=by, besides=("not_watched",))


def contact_coverage(
    customers: Any,
    interactions: Any = None,
    campaign_sends: Any = None,
    *,
    as_of: When,
    within_days: int = 90,
    by: str | None = None,
    columns: Names = None,
) -> Any:
    """Of the customers who agreed to be written to, how many the shop has been in touch with lately.

    Args:
        customers: `customer_id`, `email_opt_in`; `opted_out_at` and `registered_at` are heeded where present.
        interactions: `customer_id`, `occurred_at`, `direction`: every outbound contact counts. Needed, or
            `campaign_sends`, or both.
        campaign_sends: `customer_id`, `delivered_at`: what was delivered (nothing is to the control arm) counts.
        as_of: The instant; customers are counted who had registered by then and not opted out.
        within_days: How far back "lately" reaches.
        by: Column of `customers` to group by.
        columns: Your own column names by the model's, for `customers`; for several tables
            `{"customers": {…}, "interactions": {…}, "campaign_sends": {…}}`.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN if nobody agreed; with `by`, a table as for
        `follow_up_coverage`.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: neither contacts nor sends, or less than one day.

    Examples:
        >>> import pandas as pd
        >>> customers = pd.DataFrame({"customer_id": ["A", "B"], "email_opt_in": [True, True]})
        >>> sends = pd.DataFrame({
        ...     "send_id": ["s"], "campaign_id": ["n"], "customer_id": ["A"],
        ...     "delivered_at": pd.to_datetime(["2026-02-15"]),
        ... })
        >>> float(contact_coverage(customers, campaign_sends=sends, as_of="2026-03-01"))
        0.5
    """
    at, within_days = frames.instant(as_of, "as_of"), whole_number("within_days", within_days)
    names = ("customers", "interactions", "campaign_sends")
    opened = _agreed(customers, at, by, columns_of(columns, "customers", names))
    window = time_window(at - timedelta(days=within_days), at)
    parts = []
    if interactions is not None:
        parts.append(_contacts(interactions, "customer_id", columns_of(columns, "interactions", names)))
    if campaign_sends is not None or interactions is None:
        parts.append(_delivered(campaign_sends, columns_of(columns, "campaign_sends", names)))
    people = opened.rows(nw.col("agreed"))
    for place, part in enumerate(parts):
        met = part.filter(within(nw.col("to"), window)).select(of="customer_id").unique()
        met = met.with_columns(nw.lit(True).alias(f"met{place}"))
        people = people.join(met, left_on="customer_id", right_on="of", how="left")
    found = [~nw.col(f"met{place}").is_null() for place in range(len(parts))]
    above = found[0] if len(found) == 1 else found[0] | found[1]
    wanted = Units(opened, people).sums(above=above, below=nw.lit(1.0))
    definition = Definition("contact_coverage.opted_in", {"within_days": within_days, "as_of": f"{at:%Y-%m-%d}"})
    return summarise(wanted, _share, window, definition, by=by)


def _share(sums: Sums) -> Figures:
    return shares(sums["above"], sums["below"])


def _contacts(interactions: Any, key: str, columns: Any, kind: str | None = None) -> Frame:
    """Contacts from the shop's side: whom or what they were about, and `to`, when."""
    needs = (key, "occurred_at", "direction", *(["kind"] if kind else []))
    rules = {"no_date": nw.col("occurred_at").is_null()}
    opened = open_rows(interactions, "interactions", needs=needs, must=needs, rules=rules, columns=columns)
    ours = (nw.col("direction") == "outbound") & ~nw.col(key).is_null()
    ours = ours if kind is None else ours & (nw.col("kind") == kind)
    opened.tell(frames.row(opened.left_out()))
    return opened.rows(ours).select(key, to="occurred_at")


def _delivered(campaign_sends: Any, columns: Any) -> Frame:
    needs = ("customer_id", "delivered_at")
    opened = open_rows(campaign_sends, "campaign_sends", needs=needs, must=needs, columns=columns)
    return opened.rows(~nw.col("customer_id").is_null()).select("customer_id", to="delivered_at")


def _agreed(customers: Any, at: datetime, by: str | None, columns: Any) -> Rows:
    """Customers and whether they agreed to be written to at that time."""
    needs = ("customer_id", "email_opt_in", "opted_out_at", "registered_at")
    opened = open_rows(
        customers, "customers", needs=needs, must=needs[:2], rules={"no_customer": nw.col("customer_id").is_null()},
        key="customer_id", by=by, columns=columns,
    )  # fmt: skip
    found = opened.frame.collect_schema()
    agreed = nw.col("email_opt_in").fill_null(False)
    for name in ("opted_out_at", "registered_at"):
        if name in found:
            before = (nw.col(name) < at).fill_null(False)
            later = (nw.col(name) >= at).fill_null(False)
            agreed = agreed & (~before if name == "opted_out_at" else ~later)
    return Rows(opened.frame.with_columns(agreed=agreed), opened.reasons, opened.again, opened.table)
