"""What becomes of a mailing: delivered, opened, clicked, left, and ordered after. Metric 31."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.errors import ParameterError
from crmkit.estimate import Definition, Figures, shares
from crmkit.frames import Columns, Frame
from crmkit.metrics.management.own import there
from crmkit.reduction import RESULT_COLUMNS, time_window, whole_number, within
from crmkit.rows import AT, Part, Rows, Units, day_after_last, open_orders, open_rows

When = Any
SENT, DELIVERED = nw.col("sent_at"), nw.col("delivered_at")
EVENTS = ("delivered_at", "bounced_at", "opened_at", "clicked_at", "unsubscribed_at")
# above and below the line, by figure
RATES = {
    "delivery": ("delivered", "sent"), "bounce": ("bounced", "sent"), "open": ("opened", "delivered"),
    "click": ("clicked", "delivered"), "click_to_open": ("clicked", "opened"),
    "unsubscribe": ("unsubscribed", "delivered"), "conversion": ("converted", "watched"),
}  # fmt: skip


def email_metrics(
    campaign_sends: Any,
    *,
    orders: Any = None,
    within_days: int = 7,
    exclude_machine: bool = True,
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """What became of the mails sent in the window: delivered, bounced, opened, clicked, unsubscribed, ordered after.

    Each mail counts once however often it was opened or clicked. Bounces and deliveries are shares of the mails sent,
    all else of the mails delivered; a mail that bounced was not delivered. A click proves an opening, also where
    pictures were blocked and no opening was seen. The conversion counts mails like the other figures, not customers, so
    that all are about the same mails; whoever got two mails before an order stands in it twice.

    Args:
        campaign_sends: One row per mail: `sent_at`, `delivered_at`, `bounced_at`, `opened_at`, `clicked_at`,
            `unsubscribed_at`; `arm` (controls got no mail and are left aside), `is_machine_open` and `send_id` are
            heeded where present; `customer_id` is needed with `orders`.
        orders: The order table, for the conversion; its columns have the model's names.
        within_days: How many times 24 hours after the delivery an order counts as a conversion.
        exclude_machine: Leave out openings by mail programs that open everything by themselves (`is_machine_open`).
        start, end: Window in which the mail was sent, `[start, end)`; `None` = open.
        by: Column to group by, such as `campaign_id`.
        columns: Your own column names by the model's, of `campaign_sends`.

    Returns:
        A dict of `Estimate` (0–1, Wilson): "delivery", "bounce", "open", "click", "click_to_open", "unsubscribe", and
        with `orders` "conversion" (mails to customers delivered at least `within_days` before the day after the last
        order, and followed by an order; that is no effect: see `campaign_lift`). `besides["machine_opened"]` of "open"
        counts mails that only a machine opened. With `by`, a table of the engine's own kind: the group, `metric`,
        value, low, high, n, numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`, or `within_days` is no whole number from 1 on.

    Examples:
        >>> import pandas as pd
        >>> day = pd.Timestamp("2026-03-02")
        >>> sends = pd.DataFrame({
        ...     "sent_at": [day, day, day], "delivered_at": [day, day, None], "bounced_at": [None, None, day],
        ...     "opened_at": [day, None, None], "clicked_at": [day, None, None],
        ...     "unsubscribed_at": [pd.NaT] * 3,
        ... }).astype("datetime64[us]")
        >>> {name: round(float(rate), 2) for name, rate in email_metrics(sends).items()}
        {'delivery': 0.67, 'bounce': 0.33, 'open': 0.5, 'click': 0.5, 'click_to_open': 1.0, 'unsubscribe': 0.0}
    """
    window, within_days = time_window(start, end), whole_number("within_days", within_days)
    opened = _mails(campaign_sends, orders is not None, by, columns)
    found = opened.frame.collect_schema()
    # a control has no mail at all
    mails = opened.rows(within(SENT, window) & ~_control() if "arm" in found else within(SENT, window))
    delivered = ~DELIVERED.is_null() & nw.col("bounced_at").is_null()
    machine = nw.col("is_machine_open").fill_null(False) if "is_machine_open" in found else nw.lit(False)
    clicked, seen = (delivered & ~nw.col(one).is_null() for one in ("clicked_at", "opened_at"))
    opening = (seen & ~machine) | clicked if exclude_machine else seen | clicked
    sums = {
        "sent": nw.lit(1.0), "delivered": delivered, "bounced": ~nw.col("bounced_at").is_null(), "opened": opening,
        "clicked": clicked, "unsubscribed": delivered & ~nw.col("unsubscribed_at").is_null(),
        "machine_opened": seen & machine & ~clicked,
    }  # fmt: skip
    if orders is not None:
        mails, until = _converted(mails, orders, within_days)
        sums["watched"] = delivered & ~nw.col("customer_id").is_null() & (DELIVERED < until).fill_null(False)
        sums["converted"] = sums["watched"] & nw.col("ordered").fill_null(False)
    part = Units(opened, mails).sums(**sums)
    definitions = _definitions(within_days, exclude_machine, orders is not None)
    if by is not None:
        return _by_group(part, list(definitions), by)
    counted, excluded, notes = part.whole()
    apart = {"open": {"machine_opened": int(counted["machine_opened"])}} if exclude_machine else {}
    return {
        name: _rate(counted, name).estimate(
            window, definition, excluded=excluded, notes=notes, besides=apart.get(name, {})
        )
        for name, definition in definitions.items()
    }


def _definitions(within_days: int, exclude_machine: bool, converted: bool) -> dict[str, Definition]:
    made = {name: Definition(f"email_metrics.{name}") for name in RATES}
    if not exclude_machine:
        made["open"] = Definition("email_metrics.open_with_machines")
        made["click_to_open"] = Definition("email_metrics.click_to_open_with_machines")
    made["conversion"] = Definition("email_metrics.conversion", {"within_days": within_days})
    return made if converted else {name: one for name, one in made.items() if name != "conversion"}


def _rate(counted: Any, name: str) -> Figures:
    above, below = RATES[name]
    return shares(np.atleast_1d(counted[above]), np.atleast_1d(counted[below]))


def _by_group(part: Part, names: list[str], by: str) -> Any:
    """One row per group and figure."""
    if by in (*RESULT_COLUMNS, "metric"):
        raise ParameterError("name_taken", by=by, columns=", ".join((*RESULT_COLUMNS, "metric")))
    small = part.grouped(list(part.wanted)).sort("group")
    sums = {name: small[name].to_numpy().astype(float) for name in part.wanted}
    lost = small["lost"].to_numpy().astype(np.int64)
    tables = []
    for name in names:
        columns = {"metric": np.array([name] * len(lost), object), **_rate(sums, name).columns(), "rows_left_out": lost}
        beside = frames.table(part.units.frame, columns)
        tables.append(small.select("group").rename({"group": by}).with_columns(*(beside[one] for one in columns)))
    return frames.give_back(frames.same_kind(part.units.frame, nw.concat(tables, how="vertical").sort(by, "metric")))


def _mails(native: Any, with_customer: bool, by: str | None, columns: Columns) -> Rows:
    """Mails with a date of their own, and nothing that happened before it."""
    must = ("sent_at", *EVENTS, *(("customer_id",) if with_customer else ()))
    may = there(native, ("send_id", "arm", "is_machine_open"), columns)
    early = [(nw.col(one) < SENT).fill_null(False) for one in EVENTS]
    early += [(nw.col(one) < DELIVERED).fill_null(False) for one in ("opened_at", "clicked_at", "unsubscribed_at")]
    unsent = SENT.is_null() & ~_control() if "arm" in may else SENT.is_null()
    rules = {"no_date": unsent, "out_of_order": nw.any_horizontal(*early, ignore_nulls=False)}
    key = "send_id" if "send_id" in may else None
    needs = (*must, *may)
    return open_rows(native, "campaign_sends", needs=needs, must=must, rules=rules, key=key, by=by, columns=columns)


def _control() -> nw.Expr:
    """Held out: there is no mail."""
    return (nw.col("arm") == "control").fill_null(False)


def _converted(mails: Frame, orders: Any, within_days: int) -> tuple[Frame, datetime]:
    """Each mail with `ordered`, and before when it has to be delivered to have been watched for long enough."""
    history = open_orders(orders)
    history.units().sums(rows=nw.lit(1.0)).whole()  # says which orders are left out
    last = day_after_last(history) or datetime(9999, 1, 1)
    arrivals = mails.select("customer_id", "delivered_at").drop_nulls().unique(subset=["customer_id", "delivered_at"])
    met = arrivals.join(history.rows().select("customer_id", "at"), on="customer_id", how="inner")
    met = met.filter((AT >= DELIVERED) & (AT < DELIVERED.dt.offset_by(f"{within_days}d")))
    met = met.select("customer_id", "delivered_at", ordered=nw.lit(True)).unique(subset=["customer_id", "delivered_at"])
    joined = mails.join(met, on=["customer_id", "delivered_at"], how="left")
    return joined, last - timedelta(days=within_days)
