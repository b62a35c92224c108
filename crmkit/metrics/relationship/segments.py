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
from crmkit.metrics.relationship.sales import NET, REFUND, open_named_sales, with_home
from crmkit.reduction import time_window, within
from crmkit.rows import AT, History, day_after_last, open_rows

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


def rfm(orders: Any, *, as_of: When | None = None, start: When | None = None, columns: Columns = None) -> Any:
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
        [['A', 12, 2, 8000.0, 3, 3, 3], ['B', 25, 1, 2000.0, 1, 1, 1]]

    References:
        Hughes (1994), Strategic Database Marketing. Fader & Hardie (2005) for the names of the lifetime models.
    """
    sales = open_named_sales(orders, columns=columns, unique=False)
    until = _until(sales, as_of)
    window = time_window(start, until)
    sales.tell(frames.row(sales.left_out()))
    customers = _scored(_buyers(sales, within(AT, window), until))
    names = ("customer_id", "recency_days", "frequency", "monetary", "r", "f", "m")
    return frames.give_back(customers.select(*names).sort("customer_id"))


def decile_table(orders: Any, *, start: When | None = None, end: When | None = None, columns: Columns = None) -> Any:
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
    sales = open_named_sales(orders, columns=columns)
    sales.tell(frames.row(sales.left_out()))
    rows = sales.rows(within(AT, window)).with_columns(monetary=NET - REFUND)
    customers = rows.group_by("customer_id").agg(MONETARY.sum())
    return frames.give_back(frames.same_kind(customers, frames.table(customers, _deciles(customers))))


def _decile_ends(n: int) -> list[int]:
    return [min(n, n + 1 - k * n // DECILES) for k in range(1, DECILES + 1)]


def _deciles(customers: Frame) -> dict[str, Any]:
    """The columns of `decile_table`, from counts and sums above nine boundaries."""
    last = np.arange(1, DECILES + 1)  # of each group, in tenths
    n, cuts = _order_statistics(customers, {"monetary": _decile_ends})
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
            (よちよち) fewer than `toddler_days` from the first to the last; of the others "steady" (コツコツ) has spent
            less than `high_amount`, "trend" (流行) that much in fewer than `long_days`, "best" (優良) in more;
            "_lapsed" (離脱) those whose last purchase is `lapsed_days` or more ago.

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
        [['kanto', 0.8, 1.0], ['kinki', 0.2, 0.0]]

    References:
        Customer portfolio management (CPM): Nishino, of the mail-order house Yazuya; thresholds as in LTV-Lab's help.
    """
    thresholds = _thresholds(cpm)
    of_orders = by not in ("age_band", "region", "cpm", "rfm_segment") and customers is None
    own = dict(columns or {})
    of_customers = {name: own[name] for name in own if name in schema.TABLES["customers"]}
    mine = {name: own[name] for name in own if name in schema.TABLES["orders"] or name not in of_customers}
    sales = open_named_sales(orders, columns=mine, by=by if of_orders else None)
    until = _until(sales, as_of)
    sales.tell(frames.row(sales.left_out()))
    buyers = _buyers(sales, AT < until, until, first=by == "cpm")
    if of_orders:
        buyers = with_home(sales, buyers, until).rename({"group": "segment"})
    elif by == "rfm_segment":
        buyers = _scored(buyers).with_columns(segment=_rfm_segment())
    elif by == "cpm":
        buyers = buyers.with_columns(segment=_cpm_segment(**thresholds))
    else:
        buyers = buyers.join(_people(customers, by, until, of_customers), on="customer_id", how="left")
    return _side_by_side(buyers, by)


def _buyers(sales: History, inside: nw.Expr, until: datetime, *, first: bool = False) -> Frame:
    """Recency, frequency and monetary value of each customer; the day of the first order too if wanted."""
    rows = sales.rows(inside).with_columns(day=AT.dt.truncate("1d"), monetary=NET - REFUND)
    day = nw.col("day")
    found = {"last": day.max(), "frequency": day.n_unique(), "monetary": MONETARY.sum()}
    customers = rows.group_by("customer_id").agg(**found, **({"first": day.min()} if first else {}))
    recency = (until - frames.EPOCH).days - frames.days_since_1970(customers, "last")
    return customers.with_columns(recency_days=recency, frequency=FREQUENCY.cast(nw.Int64))


def _scored(customers: Frame) -> Frame:
    """The customers with r, f and m from 1 to 5."""
    steps = range(1, SCORES)
    upward: Ranks = lambda n: [-(-k * n // SCORES) for k in steps]  # noqa: E731
    downward: Ranks = lambda n: [n + 1 + -k * n // SCORES for k in steps]  # noqa: E731
    wanted = {"recency_days": downward, "frequency": upward, "monetary": upward}
    _, cuts = _order_statistics(customers, wanted)
    r = sum(((RECENCY < cut).cast(nw.Int64) for cut in cuts["recency_days"].tolist()), nw.lit(1, nw.Int64))
    f, m = (
        sum(((value > cut).cast(nw.Int64) for cut in cuts[name].tolist()), nw.lit(1, nw.Int64))
        for name, value in (("frequency", FREQUENCY), ("monetary", MONETARY))
    )
    return customers.with_columns(r=r, f=f, m=m)


Ranks = Callable[[int], Sequence[int]]


def _order_statistics(frame: Frame, wanted: Mapping[str, Ranks]) -> tuple[int, dict[str, NDArray[np.float64]]]:
    """How many rows there are, and of some columns the values at the ranks (1 = the least) that follow from it."""
    n = int(frames.row(frame.select(n=nw.len()))["n"])
    if not n:
        return 0, {name: np.full(len(of(1)), np.nan) for name, of in wanted.items()}
    ranks = {name: np.array(of(n), np.int64) for name, of in wanted.items()}
    if isinstance(frame, nw.DataFrame):
        return n, {name: _partitioned(frame[name].to_numpy().astype(float), ranks[name]) for name in wanted}
    # a lazy engine numbers the sorted values itself and hands over only those that are asked for
    numbered = frame.select(*wanted, _all=nw.lit(1)).with_columns(
        **{f"_{name}": nw.col(name).cum_count().over("_all", order_by=name).cast(nw.Int64) for name in wanted}
    )
    asked = [nw.col(f"_{name}").is_in(sorted(set(ranks[name].tolist()))) for name in wanted]
    found = frames.rows(numbered.filter(nw.any_horizontal(*asked, ignore_nulls=False)).drop("_all"))
    values = {name: {row[f"_{name}"]: float(row[name]) for row in found} for name in wanted}
    return n, {name: np.array([values[name][rank] for rank in ranks[name].tolist()]) for name in wanted}


def _partitioned(values: NDArray[np.float64], ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    places = ranks - 1
    found: NDArray[np.float64] = np.partition(values, np.unique(places))[places]
    return found


def _people(customers: Any, by: str, until: datetime, columns: Columns) -> Frame:
    """Each customer with their segment by what the customer table says."""
    if customers is None:
        raise ParameterError("segment_needs_customers", by=by)
    source = {"age_band": "birth_date", "region": "prefecture"}.get(by)
    key, rules = nw.col("customer_id"), {"no_customer": nw.col("customer_id").is_null()}
    if source == "birth_date":
        age = _age(until)
        rules["impossible_age"] = (age < 0) | (age > OLDEST)
        segment = _decade(age)
    else:
        segment = _region() if source else nw.col("group")
    needs = ("customer_id", *([source] if source else []))
    opened = open_rows(customers, "customers", needs=needs, must=needs, rules=rules, key="customer_id",
                       by=None if source else by, columns=columns)  # fmt: skip
    opened.tell(frames.row(opened.left_out()))
    return opened.rows(~key.is_null()).select("customer_id", segment=segment)


def _age(at: datetime) -> nw.Expr:
    """Completed years of life; as floats, since pandas has no integers beside an empty cell."""
    born = nw.col("birth_date")
    year, month, day = (part.cast(nw.Float64) for part in (born.dt.year(), born.dt.month(), born.dt.day()))
    to_come = month * 100 + day > at.month * 100 + at.day
    return at.year - year - nw.when(to_come).then(nw.lit(1.0)).otherwise(nw.lit(0.0))


def _decade(age: nw.Expr) -> nw.Expr:
    band: nw.Expr = nw.when(age >= 70).then(nw.lit("70+"))
    for least in (60, 50, 40, 30, 20):
        band = nw.when((age >= least) & (age < least + 10)).then(nw.lit(f"{least}-{least + 9}")).otherwise(band)
    return nw.when(age < 20).then(nw.lit("0-19")).otherwise(band)


def _region() -> nw.Expr:
    place = nw.col("prefecture")
    region: nw.Expr = place
    for name, prefectures in REGIONS.items():
        whole = prefectures.split()
        known = [*whole, *(one[:-1] for one in whole if one[-1] in "都府県")]
        region = nw.when(place.is_in(known)).then(nw.lit(name)).otherwise(region)
    return region


def _rfm_segment() -> nw.Expr:
    r, often = nw.col("r"), nw.col("f") >= 4
    names = (("best", "rising"), ("loyal", "fading"), ("at_risk", "asleep"))
    late, middle, early = (nw.when(often).then(nw.lit(one)).otherwise(nw.lit(other)) for one, other in names)
    return nw.when(r >= 4).then(late).otherwise(nw.when(r == 3).then(middle).otherwise(early))


def _thresholds(given: Mapping[str, float] | None) -> dict[str, float]:
    """The thresholds of CPM, some of them replaced."""
    usual = {"lapsed_days": CPM_DAYS_LAPSED, "toddler_days": CPM_DAYS_TODDLER, "long_days": CPM_DAYS_LONG,
             "high_amount": CPM_AMOUNT_HIGH}  # fmt: skip
    for name in given or {}:
        if name not in usual:
            raise ParameterError("unknown_variant", parameter="cpm", value=name, options=", ".join(map(repr, usual)))
    return {**usual, **(given or {})}


def _cpm_segment(*, lapsed_days: float, toddler_days: float, long_days: float, high_amount: float) -> nw.Expr:
    tenure = frames.day_number(nw.col("last")) - frames.day_number(nw.col("first"))
    active = RECENCY < lapsed_days

    def kind(state: str) -> nw.Expr:
        spent = nw.when(tenure < long_days).then(nw.lit(f"trend_{state}")).otherwise(nw.lit(f"best_{state}"))
        long = nw.when(MONETARY < high_amount).then(nw.lit(f"steady_{state}")).otherwise(spent)
        back = nw.when(tenure < toddler_days).then(nw.lit(f"toddler_{state}")).otherwise(long)
        return nw.when(FREQUENCY == 1).then(nw.lit(f"first_{state}")).otherwise(back)

    return nw.when(active).then(kind("active")).otherwise(kind("lapsed"))


def _side_by_side(buyers: Frame, by: str) -> Any:
    """The table of `segment_summary`."""
    rows = buyers.select("segment", monetary=MONETARY, n=nw.lit(1.0), again=(FREQUENCY > 1).cast(nw.Float64))
    small = frames.fetch(rows.group_by("segment").agg(nw.col("monetary", "n", "again").sum()))
    order = {name: place for place, name in enumerate((*RFM_SEGMENTS, *CPM_SEGMENTS))} if by in ORDERED else {}
    place = [order.get(name, 0) for name in small["segment"].to_list()]
    small = small.with_columns(_place=nw.new_series("_place", place, nw.Int64, backend=small.implementation))
    small = small.sort("_place", "segment", nulls_last=True)
    sales, n, again = (small[name].to_numpy().astype(float) for name in ("monetary", "n", "again"))
    size, repeat = shares(n, np.full(len(n), n.sum())), shares(again, n)
    columns = {
        "customers": n.astype(np.int64), "share": size.value, "low": size.low, "high": size.high,
        "sales": sales, "sales_share": sales / (sales.sum() or np.nan), "sales_per_customer": sales / n,
        "repeat_rate": repeat.value, "repeat_low": repeat.low, "repeat_high": repeat.high,
    }  # fmt: skip
    beside = frames.table(buyers, columns)
    done = small.select("segment").rename({"segment": by}).with_columns(*(beside[name] for name in columns))
    return frames.give_back(frames.same_kind(buyers, done))


ORDERED = ("rfm_segment", "cpm")


def _until(sales: History, as_of: When | None) -> datetime:
    """Up to when orders are looked at; without any order it does not matter."""
    if as_of is not None:
        return frames.instant(as_of, "as_of")
    return day_after_last(sales) or datetime(9999, 1, 1)
