"""What customers spend: sales, value and number of orders, new against returning business. Metrics 5–8.

Money is `net_amount` (gross − discount, tax excluded) less refunds. Windows are half-open, `[start, end)`. Orders with
an `order_id` met before are left out and counted. A customer is the unit of every interval: the orders of one person
are alike, so they are not taken for so many independent observations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.errors import AmbiguousFigure
from crmkit.estimate import Definition, Figures, Sums, Window, means, ratios, totals
from crmkit.frames import Columns, Frame
from crmkit.reduction import one_of, summarise, time_window, within
from crmkit.rows import AT, KEPT, History, Rows, Units, open_orders, warn, without_repeats

When = str | datetime
NET, REFUND, DAY = nw.col("net_amount"), nw.col("refund_amount"), nw.col("day")
NAMELESS = nw.col("customer_id").is_null()


def net_sales(
    orders: Any,
    *,
    start: When | None = None,
    end: When | None = None,
    refund_basis: Literal["refund", "order"] = "refund",
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Sales of the window less refunds; when a refund counts has to be chosen.

    The identity behind it: net sales = buyers × (orders ÷ buyers) × sales per order; all of them are in `besides`.
    Orders that name no customer are sales too: each is taken for a buyer of its own.

    Args:
        orders: One row per order: `customer_id`, `ordered_at`, `net_amount`; `refund_amount`, `refunded_at`, `status`,
            `is_test`, `order_id` are heeded where present.
        start: First instant of the window; `None` = from the beginning.
        end: End of the window, not included; `None` = to the end of the data.
        refund_basis: "refund" = a refund is taken off in the period in which it was paid back (the books of a closed
            month stay as they are); "order" = in the period of the order it belongs to. A refund without a date, or
            with one before its order, is taken off on the day of the order, and a warning says how many there are.
        by: Column to group by: each order counts for its own group.
        columns: Your own column names by the model's.

    Returns:
        An `Estimate` in yen, its interval that of a sum over customers who come by chance; n = customers with an order
        or a refund in the window; NaN where there are none. With `by`, a table of the engine's own kind: the group,
        value, low, high, n, numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`, or an unknown `refund_basis`.

    Examples:
        >>> import pandas as pd
        >>> orders = pd.DataFrame({
        ...     "customer_id": ["A", "B"],
        ...     "ordered_at": pd.to_datetime(["2026-03-05", "2026-03-07"]),
        ...     "net_amount": [5000.0, 3000.0],
        ...     "refund_amount": [0.0, 3000.0],
        ...     "refunded_at": pd.to_datetime([None, "2026-04-02"]),
        ... })
        >>> march = {"start": "2026-03-01", "end": "2026-04-01"}
        >>> float(net_sales(orders, **march)), float(net_sales(orders, **march, refund_basis="order"))
        (8000.0, 5000.0)

    References:
        dbt_shopify books refunds on the refund's date since 1.6.0; before, on that of the order.
    """
    window = time_window(start, end)
    one_of("refund_basis", refund_basis, ("refund", "order"))
    definition = Definition(f"net_sales.{refund_basis}")
    units, notes = _booked(open_sales(orders, columns=columns, by=by, booked=True), window, refund_basis)
    part = units.sums(
        n=nw.lit(1.0),
        total=nw.col("total"),
        squares=nw.col("total") * nw.col("total"),
        other=nw.col("other"),
        refunds=nw.col("refunds"),
        orders=nw.col("orders"),
        buyers=nw.col("orders") > 0,
    )
    if by is not None:
        return summarise(part, _totals, window, definition, by=by)
    sums, excluded, told = part.whole()
    made = _totals({name: np.array([value]) for name, value in sums.items()})
    other = "order_basis" if refund_basis == "refund" else "refund_basis"
    per_order = sums["total"] / sums["orders"] if sums["orders"] else float("nan")
    besides: dict[str, float] = {"sales_per_order": per_order, "refunds": sums["refunds"], other: sums["other"]}
    besides |= {name: int(sums[name]) for name in ("buyers", "orders")}
    return made.estimate(window, definition, unit="jpy", excluded=excluded, notes=(*told, *notes), besides=besides)


def average_order_value(
    orders: Any,
    *,
    start: When | None = None,
    end: When | None = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Net sales per order. What a customer spends in all is another figure: it stands in `besides`.

    A free order is an order: it counts below the line. An order refunded in full does not count at all.

    Args:
        orders, start, end, by, columns: As for `net_sales`; refunds are taken off the order they belong to.

    Returns:
        An `Estimate` in yen with a delta-method interval over customers; n = customers, denominator = orders; with
        `by`, a table as for `net_sales`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `net_sales`.

    Examples:
        >>> import pandas as pd
        >>> orders = pd.DataFrame({
        ...     "customer_id": ["A", "A", "B"],
        ...     "ordered_at": pd.to_datetime(["2026-03-01", "2026-03-05", "2026-03-07"]),
        ...     "net_amount": [5000.0, 3000.0, 1000.0],
        ... })
        >>> value = average_order_value(orders)
        >>> float(value), value.besides["sales_per_buyer"]
        (3000.0, 4500.0)
    """
    window = time_window(start, end)
    sales = open_sales(orders, columns=columns, by=by)
    rows = sales.rows(within(AT, window)).with_columns(y=NET - REFUND, x=nw.lit(1.0))
    part = _per_buyer(sales, rows, ("y", "x")).sums(n=nw.lit(1.0), **_products("y", "x"))
    made = summarise(part, _ratios, window, Definition("average_order_value"), by=by, unit="jpy")
    if by is not None:
        return made
    per_buyer = made.numerator / made.n if made.n else float("nan")
    return replace(made, besides={"sales_per_buyer": per_buyer})


def purchase_frequency(
    orders: Any,
    *,
    start: When | None = None,
    end: When | None = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """On how many days a buyer of the window ordered, on average. Two orders of one day are one purchase.

    Args:
        orders: One row per order: `customer_id`, `ordered_at`; `status`, `is_test`, `net_amount`, `refund_amount` are
            heeded where present.
        start, end, columns: As for `net_sales`.
        by: Column to group by; a customer's group is that of the first order.

    Returns:
        An `Estimate` in purchases per buyer with Student's interval, NaN if nobody bought; `besides` has the orders
        per buyer, parcels of one day counted apart. With `by`, a table as for `net_sales`.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `net_sales`.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.sample("ten_customers").orders
        >>> round(float(purchase_frequency(orders, start="2026-03-01", end="2026-04-01")), 3)
        1.143
    """
    window = time_window(start, end)
    history = open_orders(orders, columns=columns, by=by)
    rows = history.rows(within(AT, window)).with_columns(day=AT.dt.truncate("1d"))
    buyers = rows.group_by("customer_id").agg(days=DAY.n_unique(), orders=nw.len())
    days = nw.col("days").cast(nw.Float64)
    part = Units(history, with_home(history, buyers, window.end)).sums(
        n=nw.lit(1.0), total=days, squares=days * days, orders=nw.col("orders")
    )
    definition = Definition("purchase_frequency")
    made = summarise(part, _means, window, definition, by=by, unit="times", besides=("orders",) if by is None else ())
    if by is not None:
        return made
    per_buyer = made.besides["orders"] / made.n if made.n else float("nan")
    return replace(made, besides={"orders_per_buyer": per_buyer})


def new_vs_repeat(orders: Any, *, start: When | None = None, end: When | None = None, columns: Columns = None) -> Any:
    """Orders, customers and sales of the window by whether it was the customer's first purchase ever.

    An order is "new" on the day of the customer's first order ever, "repeat" on later days: two parcels of one day are
    one purchase here as in every metric, so a second order of the first day is new too, where dbt_shopify calls it
    repeat. Who has both in the window is counted once among the customers, as new: so the customers add up to the
    buyers, as orders and sales do.

    Args:
        orders: As for `net_sales`. Give the whole history, not only the window: "first" means first ever.
        start, end, columns: As for `net_sales`; refunds are taken off the order they belong to.

    Returns:
        A table of the engine's own kind with the rows "new" and "repeat": kind, orders, customers, net_sales (yen),
        sales_share (0–1, empty where nothing was sold), low, high (delta method over customers).

    Raises:
        MissingColumn, WrongType, ParameterError: as for `net_sales`.

    Examples:
        >>> import pandas as pd
        >>> orders = pd.DataFrame({
        ...     "customer_id": ["A", "A", "B"],
        ...     "ordered_at": pd.to_datetime(["2026-03-01", "2026-03-05", "2026-03-07"]),
        ...     "net_amount": [5000.0, 3000.0, 2000.0],
        ... })
        >>> new_vs_repeat(orders)[["kind", "orders", "customers", "net_sales"]].values.tolist()
        [['new', 2, 2, 7000.0], ['repeat', 1, 0, 3000.0]]
    """
    window = time_window(start, end)
    sales = open_named_sales(orders, columns=columns)
    rows = sales.rows(None if window.end is None else AT < window.end)
    rows = frames.beside(rows, "customer_id", first=AT.min()).filter(within(AT, window))
    first = AT.dt.truncate("1d") == nw.col("first").dt.truncate("1d")
    spent = NET - REFUND
    rows = rows.with_columns(
        new=first.cast(nw.Float64),
        repeat=(~first).cast(nw.Float64),
        new_sales=nw.when(first).then(spent).otherwise(nw.lit(0.0)),
        repeat_sales=nw.when(~first).then(spent).otherwise(nw.lit(0.0)),
        sales=spent,
    )
    names = ("new", "repeat", "new_sales", "repeat_sales", "sales")
    buyers = rows.group_by("customer_id").agg(nw.col(*names).sum())
    new, old = nw.col("new"), {f"repeat_{name}": value for name, value in _products("repeat_sales", "sales").items()}
    part = Units(sales, buyers).sums(
        n=nw.lit(1.0), new=new, repeat=nw.col("repeat"), newcomers=new > 0, **_products("new_sales", "sales"), **old
    )
    sums, _, _ = part.whole()
    return _split(buyers, {name: np.array([value]) for name, value in sums.items()})


def _split(like: Frame, sums: Sums) -> Any:
    """The two rows of `new_vs_repeat`."""
    old = {name.removeprefix("repeat_"): value for name, value in sums.items() if name.startswith("repeat_")}
    shares = [_ratios(one).held(0, 1) for one in (sums, {**old, "n": sums["n"]})]
    columns = {
        "kind": ["new", "repeat"],
        "orders": [int(sums[kind][0]) for kind in ("new", "repeat")],
        "customers": [int(sums["newcomers"][0]), int(sums["n"][0] - sums["newcomers"][0])],
        "net_sales": [float(one.numerator[0]) for one in shares],
        "sales_share": [float(one.value[0]) for one in shares],
        "low": [float(one.low[0]) for one in shares],
        "high": [float(one.high[0]) for one in shares],
    }
    return frames.give_back(frames.same_kind(like, frames.table(like, columns)))


def open_sales(orders: Any, *, columns: Columns = None, by: str | None = None, booked: bool = False) -> Rows:
    """Open an order table for its money: `net_amount` and `refund_amount` as numbers, no order twice.

    Orders that name no customer count. `booked` keeps those refunded in full, whose sale and refund may lie in
    different windows.
    """
    keep = (*_order_id(orders, columns), *(["refunded_at"] if booked else []))
    opened = _priced(open_orders(orders, columns=columns, by=by, keep=keep, must=("net_amount",)))
    frame, again = _once(opened.frame)
    aside = ("no_customer", "refunded") if booked else ("no_customer",)
    reasons = {why: breaks for why, breaks in opened.reasons.items() if why not in aside}
    if booked:  # an unknown status is marked as not completed anyway
        decisive = [breaks for why, breaks in reasons.items() if why != "unknown_status"]
        frame = frame.with_columns(counts=~nw.any_horizontal(*decisive, ignore_nulls=False))
    return Rows(frame, reasons, again)


def open_named_sales(orders: Any, *, columns: Columns = None, by: str | None = None, unique: bool = True) -> History:
    """As `open_sales`, for what is told per customer: orders that name none are left out.

    Without `unique` no order's id is looked for twice, which saves much of the time.
    """
    keep = _order_id(orders, columns) if unique else ()
    opened = _priced(open_orders(orders, columns=columns, by=by, keep=keep, must=("net_amount",)))
    frame, again = _once(opened.frame) if unique else (opened.frame, None)
    return replace(opened, frame=frame, again=again, kept=(*KEPT, "net_amount", "refund_amount"))


def _order_id(orders: Any, columns: Columns) -> tuple[str, ...]:
    """The order's id, if the table has one: the model asks for it, these figures can do without."""
    own = (columns or {}).get("order_id")
    found = nw.from_native(orders, pass_through=True)
    has = isinstance(found, nw.DataFrame | nw.LazyFrame) and "order_id" in found.collect_schema()
    return ("order_id",) if own or has else ()


def _priced(opened: History) -> History:
    """Amounts as numbers, and what is wrong with them among the reasons."""
    has_refunds = "refund_amount" in opened.frame.collect_schema()
    refund = REFUND.cast(nw.Float64).fill_null(0.0) if has_refunds else nw.lit(0.0)
    frame = opened.frame.with_columns(net_amount=NET.cast(nw.Float64), refund_amount=refund)
    known = ~NET.is_null()
    wrong = {
        "infinite": ~(NET.is_finite() & REFUND.is_finite()) & known,
        "negative": ((NET < 0) | (REFUND < 0)) & known,
        "amount_missing": NET.is_null(),
    }
    refunded = {"refunded": (REFUND > 0) & (REFUND >= NET) & known}
    counts = nw.col("counts") & ~nw.any_horizontal(*wrong.values(), ignore_nulls=False)
    return replace(opened, frame=frame.with_columns(counts=counts), reasons={**opened.reasons, **refunded, **wrong})


def _once(frame: Frame) -> tuple[Frame, Frame | None]:
    """Each order once, where orders have an id."""
    return without_repeats(frame, "order_id") if "order_id" in frame.collect_schema() else (frame, None)


def _booked(sales: Rows, window: Window, basis: str) -> tuple[Units, tuple[AmbiguousFigure, ...]]:
    """What each buyer's orders and refunds of the window add up to, and a warning about refunds without a date."""
    rows, given = sales.frame, nw.lit(False)
    if "refunded_at" in rows.collect_schema():
        given = (nw.col("refunded_at") >= AT).fill_null(False)
        rows = rows.with_columns(paid_at=nw.when(given).then(nw.col("refunded_at")).otherwise(AT))
    else:
        rows = rows.with_columns(paid_at=AT)
    ordered, paid = within(AT, window), within(nw.col("paid_at"), window) & (REFUND > 0)
    rows = replace(sales, frame=rows).rows(ordered | paid)
    rows = rows.with_columns(
        sold=nw.when(ordered).then(NET).otherwise(nw.lit(0.0)),
        paid_back=nw.when(paid).then(REFUND).otherwise(nw.lit(0.0)),
        of_orders=nw.when(ordered).then(REFUND).otherwise(nw.lit(0.0)),
        orders=(ordered & ~((REFUND > 0) & (REFUND >= NET))).cast(nw.Float64),
        undated=(ordered & (REFUND > 0) & ~given).cast(nw.Float64),
    )
    taken, otherwise = ("paid_back", "of_orders") if basis == "refund" else ("of_orders", "paid_back")
    sold = nw.col("sold")
    rows = rows.with_columns(total=sold - nw.col(taken), other=sold - nw.col(otherwise), refunds=nw.col(taken))
    undated = int(frames.row(rows.select(nw.col("undated").sum()))["undated"] or 0)
    notes: tuple[AmbiguousFigure, ...] = ()
    if undated and basis == "refund":
        notes = (AmbiguousFigure("refund_undated", refunds=f"{undated:,}"),)
        warn(notes[0])
    return _per_buyer(sales, rows, ("total", "other", "refunds", "orders")), notes


def _per_buyer(sales: Rows, rows: Frame, names: tuple[str, ...]) -> Units:
    """The sums per customer (and group); an order that names no customer stays alone."""
    group = ["group"] if "group" in rows.collect_schema() else []
    known = rows.filter(~NAMELESS).group_by("customer_id", *group).agg(nw.col(*names).sum())
    nameless = rows.filter(NAMELESS)
    return Units(sales, nw.concat([one.select(*group, *names) for one in (known, nameless)], how="vertical"))


def with_home(history: History, customers: Frame, end: datetime | None) -> Frame:
    """The customers with the group of their first order before `end`, where groups are asked for."""
    if "group" not in history.frame.collect_schema():
        return customers
    homes = history.per_customer({"first": (AT, "min")}, within=None if end is None else AT < end).frame
    return customers.join(homes.select("customer_id", "group"), on="customer_id", how="inner")


def _products(above: str, below: str) -> Mapping[str, nw.Expr]:
    """The sums that the interval of Σabove ÷ Σbelow is made of."""
    y, x = nw.col(above), nw.col(below)
    return {"y": y, "x": x, "yy": y * y, "xy": x * y, "xx": x * x}


def _ratios(sums: Sums) -> Figures:
    return ratios(sums["n"], sums["y"], sums["x"], sums["yy"], sums["xy"], sums["xx"])


def _totals(sums: Sums) -> Figures:
    return totals(sums["n"], sums["total"], sums["squares"])


def _means(sums: Sums) -> Figures:
    return means(sums["n"], sums["total"], sums["squares"])
