"""Customers sorted into groups: RFM scores, deciles of spending, and segments side by side. Metrics 9–10.

Boundaries between groups are order statistics that the engine finds; equal customers always land in the same group, or,
where groups must be of equal size, the table says how many are tied at the boundary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from crmkit import frames, schema
from crmkit.errors import ParameterError
from crmkit.estimate import shares
from crmkit.frames import Columns, Frame
from crmkit.metrics.relationship.customers import day_of
from crmkit.metrics.relationship.sales import NET, REFUND, open_sales
from crmkit.reduction import AT, History, Rows, day_after_last, open_rows, time_window, whole_number, within

When = str | datetime
SCORES, DECILES = 5, 10
RECENCY, FREQUENCY, MONETARY = nw.col("recency_days"), nw.col("frequency"), nw.col("monetary")
OLDEST = 120
RFM_SEGMENTS = ("best", "loyal", "at_risk", "rising", "fading", "asleep")
CPM_SEGMENTS = tuple(f"{kind}_{state}" for state in ("active", "lapsed")
                     for kind in ("first", "toddler", "steady", "trend", "best"))  # fmt: skip
# a mail-order house in health food tells customers apart by these; they are habits, not laws
CPM_DAYS_LAPSED, CPM_DAYS_TODDLER, CPM_DAYS_LONG, CPM_AMOUNT_HIGH = 240, 90, 210, 70_000.0
REGIONS = {
    "hokkaido": "北海道",
    "tohoku": "青森県 岩手県 宮城県 秋田県 山形県 福島県",
    "kanto": "茨城県 栃木県 群馬県 埼玉県 千葉県 東京都 神奈川県",
    "chubu": "新潟県 富山県 石川県 福井県 山梨県 長野県 岐阜県 静岡県 愛知県",
    "kinki": "三重県 滋賀県 京都府 大阪府 兵庫県 奈良県 和歌山県",
    "chugoku": "鳥取県 島根県 岡山県 広島県 山口県",
    "shikoku": "徳島県 香川県 愛媛県 高知県",
    "kyushu": "福岡県 佐賀県 長崎県 熊本県 大分県 宮崎県 鹿児島県 沖縄県",
}


def rfm(
    orders: Any, *, as_of: When | None = None, start: When | None = None, columns: Columns = None
) -> Any:
    """Recency, frequency and monetary value of each customer, and a score from 1 to 5 for each of the three.

    Scores are quintiles: 5 is the fifth of customers who came last, came most often or spent most. Equal customers get
    the same score, the lower one where a boundary runs through them, so a score may be rare or missing: where most
    have bought once, they all have f = 1. Mind the clash of names: in the models of customer lifetime, recency is the
    age at the last purchase and frequency counts *repeat* purchases only.

    Args:
        orders: One row per order: `customer_id`, `ordered_at`, `net_amount`; `status`, `is_test`, `refund_amount` are
            heeded where present. Ids that repeat are not looked for here, which would take as long as the table itself;
            `crmkit.load` sets them aside.
        as_of: Up to when orders are looked at, not included; default: the day after the last order.
        start: From when on; `None` = all of the history. Customers without an order since then are not in the table.
        columns: Your own column names by the model's.

    Returns:
        A table of the engine's own kind, one row per customer, sorted by it: customer_id, recency_days (calendar days
        from the last order to `as_of`), frequency (days with an order), monetary (net sales less refunds, yen), r, f, m
        (1–5).

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `as_of`.

    Examples:
        >>> import pandas as pd
        >>> orders = pd.DataFrame({
        ...     "customer_id": ["A", "A", "B"],
        ...     "ordered_at": pd.to_datetime(["2026-03-01", "2026-03-20", "2026-03-07"]),
        ...     "net_amount": [5000.0, 3000.0, 2000.0],
        ... })
        >>> rfm(orders, as_of="2026-04-01").values.tolist()
        [['A', 12, 2, 8000.0, 5, 5, 5], ['B', 25, 1, 2000.0, 1, 1, 1]]

    References:
        Hughes (1994), Strategic Database Marketing. Fader & Hardie (2005) for the names of the lifetime models.
    """
    sales = open_sales(orders, columns=columns, named=True, unique=False)
    until = _until(sales, as_of)
    window = time_window(start, until)
    sales.tell(frames.row(sales.left_out()))
    customers = _scored(_buyers(sales, within(AT, window), until))
    names = ("customer_id", "recency_days", "frequency", "monetary", "r", "f", "m")
    return frames.give_back(customers.select(*names).sort("customer_id"))


def decile_table(
    orders: Any, *, start: When | None = None, end: When | None = None, columns: Columns = None
) -> Any:
    """Customers in ten groups of equal number by what they spent in the window, and what each group is worth.

    One big purchase puts a customer into the first group as surely as ten small ones: the table sorts by money alone,
    so look at `rfm` before you call the first group loyal. Customers who spent the same may stand on both sides of a
    boundary; which of them do changes no figure, and `tied` says how many there are.

    Args:
        orders: One row per order: `customer_id`, `ordered_at`, `net_amount`; `refund_amount` (taken off the order it
            belongs to), `status`, `is_test`, `order_id` are heeded where present.
        start, end: The window, `[start, end)`; `None` = open.
        columns: Your own column names by the model's.

    Returns:
        A table of the engine's own kind with ten rows, 1 = those who spent most: decile, customers (of fewer than ten
        some groups have none), least (the smallest spend in the group, yen), sales (yen), share, cumulative_share (of
        all sales, 0–1), tied (customers on both sides of the group's lower boundary with the same spend). An empty
        group, and a share of no sales, have no figure. Shares are what the books say, without intervals.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `rfm`.

    Examples:
        >>> import pandas as pd
        >>> orders = pd.DataFrame({
        ...     "customer_id": [f"C{n}" for n in range(10)],
        ...     "ordered_at": pd.to_datetime(["2026-03-01"] * 10),
        ...     "net_amount": [1000.0 * (n + 1) for n in range(10)],
        ... })
        >>> decile_table(orders)["sales"].to_list()[:3]
        [10000.0, 9000.0, 8000.0]
    """
    window = time_window(start, end)
    sales = open_sales(orders, columns=columns, named=True)
    sales.tell(frames.row(sales.left_out()))
    rows = sales.rows(within(AT, window)).with_columns(monetary=NET - REFUND)
    customers = rows.group_by("customer_id").agg(MONETARY.sum())
    return frames.give_back(frames.same_kind(customers, frames.table(customers, _deciles(customers))))


def _deciles(customers: Frame) -> dict[str, Any]:
    """The columns of `decile_table`, from counts and sums above nine boundaries."""
    last = np.arange(1, DECILES + 1)  # of each group, in tenths
    n, cuts = _order_statistics(customers, {"monetary": lambda n: [max(1, n + 1 - k * n // DECILES) for k in last]})
    ends = last * n // DECILES  # so many customers are in this group or a better one
    cut = cuts["monetary"]
    wanted = {"total": MONETARY}
    for place, value in enumerate(cut.tolist()):
        wanted[f"above_{place}"] = (MONETARY > value).cast(nw.Float64)
        wanted[f"from_{place}"] = (MONETARY >= value).cast(nw.Float64)
        wanted[f"sum_{place}"] = nw.when(MONETARY > value).then(MONETARY).otherwise(nw.lit(0.0))
    got = frames.row(customers.select(**{name: one.sum() for name, one in wanted.items()}))
    above, start, summed = (
        np.array([got[f"{name}_{place}"] or 0.0 for place in range(len(cut))]) for name in ("above", "from", "sum")
    )
    size = np.diff(ends, prepend=0)
    if not n:
        nothing = np.full(DECILES, np.nan)
        empty = np.zeros(DECILES, np.int64)
        return {"decile": last, "customers": empty, "least": nothing, "sales": nothing, "share": nothing,
                "cumulative_share": nothing, "tied": empty}  # fmt: skip
    upto = np.where(ends > 0, summed + cut * (ends - above), 0.0)  # those tied at the boundary are worth the same
    total = got["total"] or np.nan
    there = size > 0
    return {
        "decile": last,
        "customers": size,
        "least": np.where(there, cut, np.nan),
        "sales": np.where(there, np.diff(upto, prepend=0.0), np.nan),
        "share": np.where(there, np.diff(upto, prepend=0.0) / total, np.nan),
        "cumulative_share": upto / total,
        "tied": np.where(there & (start > ends), start - above, 0).astype(np.int64),
    }


def segment_summary(
    orders: Any,
    customers: Any = None,
    *,
    by: str,
    as_of: When | None = None,
    columns: Columns = None,
    cpm: Mapping[str, float] | None = None,
) -> Any:
    """Segments of buyers side by side: how many, how much they have spent, and how many came back.

    Args:
        orders: One row per order: `customer_id`, `ordered_at`, `net_amount`; `refund_amount`, `status`, `is_test`,
            `order_id` are heeded where present.
        customers: One row per customer: `customer_id` and what `by` asks for. Buyers who are not in it have no segment
            (an empty one); who never ordered is in no segment.
        by: "age_band" (from `birth_date` at `as_of`, in decades), "region" (the eight regions of Japan from
            `prefecture`; what is no Japanese prefecture stays as it is), "cpm", "rfm_segment", or a column: one of
            `customers` if that is given, else one of `orders`, where the first order decides.
        as_of: Up to when orders are looked at, not included; default: the day after the last order.
        columns: Your own column names by the model's, for both tables.
        cpm: Thresholds for `by="cpm"` that differ from "lapsed_days" 240, "toddler_days" 90, "long_days" 210 and
            "high_amount" 70,000 yen, the habits of one mail-order house. "first" (初回) has one purchase, "toddler"
            (よちよち) at most `toddler_days` from the first to the last, "steady" (コツコツ) a spend below
            `high_amount`, "trend" (流行) that spend within fewer than `long_days`, "best" (優良) after them; "_lapsed"
            (離脱) those whose last purchase is `lapsed_days` or more ago.

    Returns:
        A table of the engine's own kind, one row per segment: `by`, customers, share (of all buyers), low, high
        (Wilson), sales (yen), sales_share, sales_per_customer, repeat_rate (buyers with orders on two or more days),
        repeat_low, repeat_high (Wilson). "rfm_segment" reads scores of `rfm`: f 4–5 with r 4–5 "best", r 3 "loyal",
        r 1–2 "at_risk"; f 1–3 with r 4–5 "rising", r 3 "fading", r 1–2 "asleep".

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `customers` is needed and not given, or `cpm` names an unknown threshold.

    Examples:
        >>> import pandas as pd
        >>> orders = pd.DataFrame({
        ...     "customer_id": ["A", "A", "B"],
        ...     "ordered_at": pd.to_datetime(["2026-03-01", "2026-03-20", "2026-03-07"]),
        ...     "net_amount": [5000.0, 3000.0, 2000.0],
        ... })
        >>> people = pd.DataFrame({"customer_id": ["A", "B"], "prefecture": ["東京都", "大阪府"]})
        >>> segment_summary(orders, people, by="region")[["region", "sales_share", "repeat_rate"]].values.tolist()
        [['kanto', 0.8, 1.0], ['kinki', 0.0, 0.0]]

    References:
        Customer portfolio management (CPM): Nishino, of the mail-order house Yazuya; thresholds as in LTV-Lab's help.
    """
    thresholds = _thresholds(cpm)
    of_orders = by not in ("age_band", "region", "cpm", "rfm_segment") and customers is None
    own = dict(columns or {})
    of_customers = {name: own[name] for name in own if name in schema.TABLES["customers"]}
    mine = {name: own[name] for name in own if name in schema.TABLES["orders"] or name not in of_customers}
    sales = open_sales(orders, columns=mine, by=by if of_orders else None, named=True)
    until = _until(sales, as_of)
    sales.tell(frames.row(sales.left_out()))
    buyers = _buyers(sales, AT < until, until)
    if of_orders:
        homes = History.per_customer(sales, {"first": (AT, "min")}, within=AT < until).frame  # type: ignore[arg-type]
        buyers = buyers.join(homes.select("customer_id", segment="group"), on="customer_id", how="inner")
    elif by == "rfm_segment":
        buyers = _scored(buyers).with_columns(segment=_rfm_segment())
    elif by == "cpm":
        buyers = buyers.with_columns(segment=_cpm_segment(**thresholds))
    else:
        buyers = buyers.join(_people(customers, by, until, of_customers), on="customer_id", how="left")
    return _side_by_side(buyers, by)
