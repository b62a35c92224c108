"""What a customer is worth: gross profit so far, and the textbook's value of the profit to come. Metrics 11 and 12.

The two share a name in the wild and are different things: one adds up what has happened, the other assumes a margin, a
retention rate and a discount rate, and looks ahead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.errors import CrmkitWarning, ParameterError, RowsLeftOut
from crmkit.estimate import Definition, Estimate, Sums, Window, means
from crmkit.frames import Columns, Frame, Names, columns_of
from crmkit.reduction import needed, one_of, summarise, time_window
from crmkit.rows import AT, KEPT, History, Units, open_orders, open_rows, warn, without_repeats

When = str | datetime
Number = float | Estimate
"""A number, or a figure of crmkit's whose interval is carried along."""
"""Own column names of the first table by the model's, or of several: `{"orders": {…}, "order_items": {…}}`."""
AMOUNTS = {"sold": "net_amount", "paid_back": "refund_amount", "cost": "cost_amount", "profit": "profit_amount"}
"""Sums per customer, and their names in the result."""


def clv_historic(
    orders: Any, order_items: Any, *, as_of: When | None = None, by: str | None = None, columns: Names = None
) -> Any:
    """What a customer has brought in so far: mean gross profit per customer, from the first order up to `as_of`.

    Gross profit = net amount − refunds − unit cost × quantity of the lines. An order whose lines or costs are missing
    has no known profit: it is left out and counted. An order refunded in full, whenever that was, does not count,
    neither its money nor its cost, as in every metric. Sales to date, which shops often call LTV, are in `besides`.

    Args:
        orders: One row per order: `order_id`, `customer_id`, `ordered_at`, `net_amount`; `refund_amount`,
            `refunded_at`, `status` and `is_test` are heeded where present.
        order_items: One row per line: `order_id`, `line_no`, `quantity`, `unit_cost`.
        as_of: Orders and refunds before this instant count; `None` = all.
        by: Column of `orders` to group by; a customer's group is that of the first order.
        columns: Your own column names by the model's: of `orders`, or by table `{"orders": {…}, "order_items": {…}}`.

    Returns:
        An `Estimate` in yen per customer with Student's interval; `numerator` is the profit of all, `denominator` the
        customers. With `by`, a table of the engine's own kind: the group, value, low, high, n, numerator, denominator,
        rows_left_out. `customer_profits` has the customers one by one.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `as_of` is no date.

    Examples:
        >>> import pandas as pd
        >>> orders = pd.DataFrame({
        ...     "order_id": ["1", "2"],
        ...     "customer_id": ["A", "B"],
        ...     "ordered_at": pd.to_datetime(["2026-01-10", "2026-03-05"]),
        ...     "net_amount": [10_000.0, 6_000.0],
        ...     "refund_amount": [0.0, 1_000.0],
        ... })
        >>> lines = pd.DataFrame({
        ...     "order_id": ["1", "2"], "line_no": 1, "quantity": [2.0, 1.0], "unit_cost": [2_000.0, 3_000.0]
        ... })
        >>> float(clv_historic(orders, lines))
        4000.0
    """
    window = time_window(None, as_of)
    units, notes = _profits(orders, order_items, window, by, columns)
    profit, sales = nw.col("profit"), nw.col("sold") - nw.col("paid_back")
    wanted = units.sums(n=nw.lit(1.0), total=profit, squares=profit * profit, sales=sales)
    made = summarise(
        wanted, _mean, window, Definition("clv_historic"), by=by, unit="jpy", besides=("sales",) if by is None else ()
    )
    if by is not None:
        return made
    besides = {"sales_per_customer": made.besides["sales"] / made.n} if made.n else {}
    return replace(made, besides=besides, notes=(*made.notes, *notes))


def customer_profits(orders: Any, order_items: Any, *, as_of: When | None = None, columns: Names = None) -> Any:
    """The customers behind `clv_historic`, one by one: what each has paid, got back and cost.

    Args:
        orders, order_items, as_of, columns: As for `clv_historic`.

    Returns:
        The engine's own kind of table, one row per customer with an order that counts: `customer_id`, `orders`,
        `net_amount`, `refund_amount`, `cost_amount` and `profit_amount` = net − refund − cost, in yen.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `clv_historic`.

    Examples:
        >>> import crmkit
        >>> shop = crmkit.simulate("salon", customers=400, weeks=26, seed=7)
        >>> customer_profits(shop.orders, shop.order_items).columns.to_list()
        ['customer_id', 'orders', 'net_amount', 'refund_amount', 'cost_amount', 'profit_amount']
    """
    units, _ = _profits(orders, order_items, time_window(None, as_of), None, columns)
    units.source.tell(frames.row(units.source.left_out()))
    found = units.frame.select("customer_id", nw.col("orders").cast(nw.Int64), *AMOUNTS).rename(AMOUNTS)
    return frames.give_back(found.sort("customer_id"))


def clv_formula(
    margin_amount: Number,
    *,
    retention: Number,
    discount: float | None = None,
    first: Literal["end", "certain", "undiscounted"] = "end",
    cac: Number | None = None,
) -> Estimate:
    """The textbook's lifetime value: margin m a period, retention r and discount d, the same for ever.

    m = 10,000, r = 0.8 and d = 0.1 give 26,667, 36,667 or 50,000: one label, three numbers. A constant r understates
    those who stay long: the retention rate of a cohort rises as the loose ones leave.

    Args:
        margin_amount: Margin of one customer in one period, in yen: a number or an `Estimate`.
        retention: Share of customers who stay from one period to the next: a number, or an `Estimate` such as of
            `retention_rate`.
        discount: What money is worth less after one period, e.g. 0.1; not for `first="undiscounted"`.
        first: When the first margin comes: "end" of the first period, from those who stay, m·r/(1+d−r); "certain", at
            once and from everyone, m·(1+d)/(1+d−r); "undiscounted" = certain, without discount, m/(1−r).
        cac: What winning the customer cost, to be taken off; a number or an `Estimate`. `None` = not taken off.

    Returns:
        An `Estimate` in yen. Its interval carries those of the figures that went in: exact for one figure, since the
        formula goes one way in each; for several, their reaches are added as squares. n is the smallest of theirs, 0
        where plain numbers went in.

    Raises:
        ParameterError: r is below 0 or not below 1+d (the sum has no end), d is below 0 or missing.

    Examples:
        >>> from crmkit.texts import use_language
        >>> use_language("en")
        >>> for first, discount in (("end", 0.1), ("certain", 0.1), ("undiscounted", None)):
        ...     print(f"{float(clv_formula(10_000, retention=0.8, discount=discount, first=first)):,.0f}")
        26,667
        36,667
        50,000

    References:
        Gupta & Lehmann (2003), Customers as assets. Journal of Interactive Marketing 17(1), 9–24. Farris, Bendle,
        Pfeifer & Reibstein (2010), Marketing Metrics, 2nd ed., section 5.3.
    """
    one_of("first", first, ("end", "certain", "undiscounted"))
    if first == "undiscounted" and discount is not None:
        raise ParameterError("undiscounted", discount=discount)
    d = 0.0 if first == "undiscounted" else float(needed("clv_formula", "discount", discount))
    if not 0 <= d < math.inf:
        raise ParameterError("discount_range", discount=discount)
    r = float(retention)
    if r < 0 or r >= 1 + d:
        raise ParameterError("retention_range", retention=f"{r:g}", limit=f"{1 + d:g}")

    def worth(margin: float, stay: float, cost: float) -> float:
        if stay >= 1 + d:  # only an end of its interval can be
            return math.inf * margin if margin else math.nan
        return margin * (stay if first == "end" else 1 + d) / (1 + d - stay) - cost

    definition = Definition(f"clv_formula.{first}", {} if discount is None else {"discount": f"{d:.1%}"})
    return of_figures(worth, (margin_amount, retention, 0.0 if cac is None else cac), definition, unit="jpy")


def of_figures(worth: Callable[..., float], inputs: Sequence[Number], definition: Definition, *, unit: str) -> Estimate:
    """A figure made of other figures by a formula that goes one way in each of them, with their intervals carried.

    The reach on either side is the root of the sum of squares of the reaches that each input gives with the others held
    (as in MOVER, which does so for sums): exact for one input, the delta method's for narrow symmetric intervals.
    """
    given = [one for one in inputs if isinstance(one, Estimate)]
    values = [float(one) for one in inputs]
    value = worth(*values) if not any(map(math.isnan, values)) else math.nan
    below = above = 0.0
    for place, one in enumerate(inputs):
        if isinstance(one, Estimate) and not math.isnan(one.low + one.high):
            ends = [worth(*values[:place], end, *values[place + 1 :]) - value for end in (one.low, one.high)]
            below, above = math.hypot(below, min(*ends, 0)), math.hypot(above, max(*ends, 0))
    known = below + above > 0  # NaN is not
    return Estimate(
        value,
        value - below if known else math.nan,
        value + above if known else math.nan,
        0 if math.isnan(value) else min((one.n for one in given), default=0),
        math.nan,
        math.nan,
        given[-1].window if given else Window(),
        definition,
        unit=unit,
        notes=tuple(note for one in given for note in one.notes),
        method="carried" if known else "none",
    )


def joined(left: Frame, right: Frame, on: str) -> Frame:
    """Each row of `left` with what `right` knows of it; ids that are numbers here and text there are met as text."""
    if left.collect_schema()[on] != right.collect_schema()[on]:
        left, right = (one.with_columns(nw.col(on).cast(nw.String)) for one in (left, right))
    return left.join(right, on=on, how="left")


def _profits(
    orders: Any, order_items: Any, window: Window, by: str | None, columns: Names
) -> tuple[Units, tuple[CrmkitWarning, ...]]:
    """One row per customer with an order that counts before the window's end: `orders`, and the sums of AMOUNTS."""
    tables = ("orders", "order_items")
    costs, notes = _cost_per_order(order_items, columns_of(columns, "order_items", tables))
    history = _with_costs(orders, costs, window, by, columns_of(columns, "orders", tables))
    before = None if window.end is None else AT < window.end
    rows = history.rows(before).with_columns(orders=nw.lit(1))
    customers = rows.group_by("customer_id").agg(nw.col("orders", *AMOUNTS).sum())
    if by is not None:
        homes = history.per_customer({"first": (AT, "min")}, within=before).frame.select("customer_id", "group")
        customers = customers.join(homes, on="customer_id", how="inner")
    return Units(history, customers), notes


def _with_costs(orders: Any, costs: Frame, window: Window, by: str | None, columns: Columns) -> History:
    """Orders with AMOUNTS; one whose cost or amount is not known does not count."""
    history = open_orders(orders, columns=columns, by=by, keep=("refunded_at",), must=("order_id", "net_amount"))
    frame, again = without_repeats(history.frame, "order_id")
    found = frame.collect_schema()
    net, cost = nw.col("net_amount").cast(nw.Float64), nw.col("cost")
    refund = nw.col("refund_amount").cast(nw.Float64).fill_null(0.0) if "refund_amount" in found else nw.lit(0.0)
    faults = {"amount_missing": net.is_null(), "negative": refund < 0, "no_cost": cost.is_null()}
    if "negative" in history.reasons:
        faults["negative"] = faults["negative"] | history.reasons["negative"]
    if "refunded_at" in found and window.end is not None:  # what is paid back later has not been paid back yet
        refund = nw.when((nw.col("refunded_at") >= window.end).fill_null(False)).then(nw.lit(0.0)).otherwise(refund)
    frame = joined(frame, costs, "order_id").with_columns(sold=net, paid_back=refund)
    frame = frame.with_columns(profit=nw.col("sold") - nw.col("paid_back") - cost)
    broken = nw.any_horizontal(*(breaks.fill_null(False) for breaks in faults.values()), ignore_nulls=False)
    frame = frame.with_columns(counts=nw.col("counts") & ~broken)
    return History(frame, {**history.reasons, **faults}, again, kept=(*KEPT, *AMOUNTS))


def _cost_per_order(order_items: Any, columns: Columns) -> tuple[Frame, tuple[CrmkitWarning, ...]]:
    """`cost` of each order's lines, null where that of a line is not known; and a warning of lines met before."""
    needs = ("order_id", "line_no", "quantity", "unit_cost")
    frame = open_rows(order_items, "order_items", needs=needs, must=needs, columns=columns).frame
    lines, again = without_repeats(frame, "order_id", "line_no")
    notes: tuple[CrmkitWarning, ...] = ()
    if again is not None:
        taken = frames.row(again)["again"]
        seen = frames.row(frame.select(rows=nw.len()))["rows"]
        notes = (RowsLeftOut("same_key", rows=f"{taken:,}", seen=f"{seen:,}", table="order_items"),)
        warn(notes[0])
    cost = nw.col("cost")
    lines = lines.with_columns(cost=nw.col("quantity").cast(nw.Float64) * nw.col("unit_cost").cast(nw.Float64))
    sound = ((cost >= 0) & cost.is_finite() & (nw.col("quantity") >= 0)).fill_null(False)
    lines = lines.with_columns(cost=nw.when(sound).then(cost).otherwise(nw.lit(0.0)), unknown=(~sound).cast(nw.Int64))
    found = lines.group_by("order_id").agg(nw.col("cost", "unknown").sum())
    return found.select("order_id", cost=nw.when(nw.col("unknown") == 0).then(cost)), notes


def _mean(sums: Sums) -> Any:
    return means(sums["n"], sums["total"], sums["squares"])
