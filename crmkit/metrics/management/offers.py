"""Selling more to those who buy: other categories, higher tiers, offers accepted, goods bought together. Metric 33."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from crmkit import frames
from crmkit.errors import ParameterError, RowsLeftOut
from crmkit.estimate import Definition, shares
from crmkit.frames import Columns, Frame
from crmkit.intervals import z
from crmkit.metrics.management.own import all_known, named, there
from crmkit.reduction import needed, summarise, time_window, within
from crmkit.rows import AT, History, Units, open_orders, open_rows, warn

When = Any
Counts = NDArray[np.float64]
ITEM, OTHER = nw.col("item"), nw.col("other_item")


def cross_sell_rate(
    orders: Any,
    *,
    order_items: Any,
    products: Any,
    start: When = None,
    end: When = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Of the customers who bought in the window, how many bought in two or more categories.

    Args:
        orders: The order table, with `order_id`.
        order_items: `order_id` and `product_id`.
        products: `product_id` and `category`.
        start, end: Window of the order, `[start, end)`; `None` = open.
        by: Column of `orders` to group by; a customer's group is that of the first order in the window.
        columns: Your own column names by the model's, for all three tables.

    Returns:
        An `Estimate` (0–1) with Wilson's interval. Buyers whose goods nobody knows count as buyers of no category. With
        `by`, a table of the engine's own kind: the group, value, low, high, n, numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`.

    Examples:
        >>> import pandas as pd
        >>> day = pd.Timestamp("2026-03-02")
        >>> orders = pd.DataFrame({
        ...     "order_id": ["1", "2", "3"], "customer_id": ["A", "A", "B"], "ordered_at": [day] * 3,
        ... })
        >>> items = pd.DataFrame({"order_id": ["1", "2", "3"], "line_no": 1, "product_id": ["cut", "wax", "cut"]})
        >>> products = pd.DataFrame({"product_id": ["cut", "wax"], "category": ["service", "retail"]})
        >>> float(cross_sell_rate(orders, order_items=items, products=products))
        0.5
    """
    window = time_window(start, end)
    history, bought = _bought(orders, order_items, products, "category", by, columns)
    inside = within(AT, window)
    buyers = history.per_customer({"first": (AT, "min")}, within=inside)
    kinds = bought.filter(inside).select("customer_id", "category").unique(subset=["customer_id", "category"])
    kinds = kinds.group_by("customer_id").agg(categories=nw.len())
    units = Units(history, buyers.frame.join(kinds, on="customer_id", how="left"))
    wanted = units.sums(many=(nw.col("categories") >= 2).fill_null(False), buyers=nw.lit(1.0))
    definition = Definition("cross_sell_rate")
    return summarise(wanted, lambda sums: shares(sums["many"], sums["buyers"]), window, definition, by=by)


def upsell_rate(
    orders: Any,
    *,
    order_items: Any,
    products: Any,
    start: When,
    end: When = None,
    by: str | None = None,
    columns: Columns = None,
) -> Any:
    """Of the customers who had bought in a category before the window, how many bought a higher tier of it inside.

    Args:
        orders: The order table, with `order_id`: the whole history, not only the window.
        order_items: `order_id` and `product_id`.
        products: `product_id`, `category` and `tier` (1 = entry); goods without a category or a tier are left aside.
        start, end: The window, `[start, end)`; `end=None` = to the end of the data.
        by: Column of `orders` to group by; a customer's group is that of the first order.
        columns: Your own column names by the model's, for all three tables.

    Returns:
        An `Estimate` (0–1) with Wilson's interval. Customers who bought the highest tier before stay in the base.
        `besides["bought_again"]` counts those of the base who bought in such a category in the window at all. With
        `by`, a table as for `cross_sell_rate`.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`, or not given.

    Examples:
        >>> import pandas as pd
        >>> orders = pd.DataFrame({
        ...     "order_id": ["1", "2", "3"], "customer_id": ["A", "A", "B"],
        ...     "ordered_at": pd.to_datetime(["2026-01-10", "2026-03-02", "2026-01-20"]),
        ... })
        >>> items = pd.DataFrame({"order_id": ["1", "2", "3"], "line_no": 1, "product_id": ["cut", "cut+", "cut"]})
        >>> products = pd.DataFrame({"product_id": ["cut", "cut+"], "category": ["cut", "cut"], "tier": [1, 2]})
        >>> float(upsell_rate(orders, order_items=items, products=products, start="2026-02-01"))
        0.5
    """
    window = time_window(needed("upsell_rate", "start", start), end)
    history, bought = _bought(orders, order_items, products, "tier", by, columns)
    earlier = AT < window.start
    bought = bought.with_columns(
        before=nw.when(earlier).then(nw.col("tier")), inside=nw.when(within(AT, window)).then(nw.col("tier"))
    )
    tiers = bought.group_by("customer_id", "category").agg(nw.col("before", "inside").max())
    tiers = tiers.filter(~nw.col("before").is_null()).with_columns(
        rose=(nw.col("inside") > nw.col("before")).fill_null(False).cast(nw.Int64),
        again=(~nw.col("inside").is_null()).cast(nw.Int64),
    )
    customers = tiers.group_by("customer_id").agg(nw.col("rose", "again").max())
    if by is not None:
        before_end = None if window.end is None else AT < window.end
        homes = history.per_customer({"first": (AT, "min")}, within=before_end).frame
        customers = customers.join(homes, on="customer_id", how="inner")
    wanted = Units(history, customers).sums(rose=nw.col("rose"), base=nw.lit(1.0), bought_again=nw.col("again"))
    return summarise(
        wanted, lambda sums: shares(sums["rose"], sums["base"]), window, Definition("upsell_rate"), by=by,
        besides=("bought_again",),
    )  # fmt: skip


def offer_acceptance_rate(
    interactions: Any, *, start: When = None, end: When = None, by: str | None = None, columns: Columns = None
) -> Any:
    """Of the offers made in the window, how many were accepted.

    Args:
        interactions: One row per contact: `occurred_at`, `kind` ("offer" is looked at), `outcome` ("accepted",
            "declined", "none" or empty); `interaction_id` is heeded where present.
        start, end: Window of the offer, `[start, end)`; `None` = open.
        by: Column to group by, such as `channel` or `product_id`.
        columns: Your own column names by the model's.

    Returns:
        An `Estimate` (0–1) with Wilson's interval; offers without an answer are in the base, and counted in
        `besides["no_answer"]`. With `by`, a table as for `cross_sell_rate`.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`.

    Examples:
        >>> import pandas as pd
        >>> contacts = pd.DataFrame({
        ...     "occurred_at": pd.to_datetime(["2026-03-01"] * 4), "kind": ["offer"] * 3 + ["visit"],
        ...     "outcome": ["accepted", "declined", None, None],
        ... })
        >>> round(float(offer_acceptance_rate(contacts)), 3)
        0.333
    """
    window = time_window(start, end)
    must = ("occurred_at", "kind", "outcome")
    key = there(interactions, ("interaction_id",), columns)
    rules = {"no_date": nw.col("occurred_at").is_null()}
    opened = open_rows(
        interactions, "interactions", needs=(*must, *key), must=must, rules=rules,
        key="interaction_id" if key else None, by=by, columns=columns,
    )  # fmt: skip
    outcome = nw.col("outcome")
    offers = opened.units(within(nw.col("occurred_at"), window) & (nw.col("kind") == "offer").fill_null(False))
    answered = outcome.is_in(["accepted", "declined"]).fill_null(False)
    accepted = (outcome == "accepted").fill_null(False)
    wanted = offers.sums(accepted=accepted, offers=nw.lit(1.0), no_answer=~answered)
    return summarise(
        wanted, lambda sums: shares(sums["accepted"], sums["offers"]), window, Definition("offer_acceptance_rate"),
        by=by, besides=("no_answer",),
    )  # fmt: skip


def association_lift(
    order_items: Any,
    *,
    orders: Any = None,
    products: Any = None,
    min_support: float = 0.01,
    columns: Columns = None,
) -> Any:
    """Which goods are bought together more often than chance would have it, by pairs in one basket (order).

    Args:
        order_items: `order_id` and `product_id`; how many of a product are in a basket makes no difference.
        orders: The order table, to look only at orders that count; `None` = all baskets.
        products: `product_id` and `category`, to pair categories instead of products; goods without one are left out.
        min_support: The least share of baskets that a pair must be in, 0–1.
        columns: Your own column names by the model's, for all tables.

    Returns:
        A table of the engine's own kind, one row per pair, the highest lift first: `item`, `other_item`, `n_item`,
        `n_other`, `n_both`, `n` (baskets), `support` (share of baskets with both), `confidence` (with both ÷ with the
        first), `confidence_other` (÷ with the other), `lift`, low, high (its interval by the delta method on the
        logarithm). Of thousands of pairs some look linked by chance: an interval is about one pair.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `min_support` does not lie above 0 and up to 1.

    Examples:
        >>> import pandas as pd
        >>> items = pd.DataFrame({
        ...     "order_id": ["1", "1", "2", "2", "3", "4"], "line_no": [1, 2, 1, 2, 1, 1],
        ...     "product_id": ["cut", "wax", "cut", "wax", "cut", "spa"],
        ... })
        >>> association_lift(items)[["item", "other_item", "support", "lift"]].round(3).values.tolist()
        [['cut', 'wax', 0.5, 1.333]]

    References:
        Brin, Motwani, Ullman & Tsur (1997), Dynamic itemset counting and implication rules for market basket data.
        SIGMOD '97, 255–264.
    """
    if not isinstance(min_support, int | float) or not 0 < min_support <= 1:
        raise ParameterError("share_between", parameter="min_support", value=min_support)
    baskets = _baskets(order_items, orders, products, columns)
    # the pairs that are wanted hold no item that is rarer than they may be
    found = (
        _pairs_by_matrix(baskets, min_support)
        if isinstance(baskets, nw.DataFrame)
        else _pairs_by_join(baskets, min_support)
    )
    order = np.lexsort((found["other_item"], found["item"], -found["lift"]))
    return frames.give_back(
        frames.same_kind(baskets, _table_of_pairs(baskets, {name: one[order] for name, one in found.items()}))
    )


def _bought(
    orders: Any, order_items: Any, products: Any, need: str, by: str | None, columns: Columns
) -> tuple[History, Frame]:
    """The orders, and what was bought in those that count: `customer_id`, `at`, `category` and what else is needed."""
    all_known(columns, "orders", "order_items", "products")
    history = open_orders(orders, columns=named(columns, "orders"), by=by, must=("order_id",))
    items = _items(order_items, columns)
    must = tuple(dict.fromkeys(("product_id", "category", need)))
    goods = frames.open_table(products, "products", needs=must, must=must, columns=named(columns, "products"))
    goods = goods.drop_nulls().unique(subset=["product_id"], keep="any")
    bought = history.rows().select("customer_id", "at", "order_id").join(items, on="order_id", how="inner")
    return history, bought.join(goods, on="product_id", how="inner")


def _items(order_items: Any, columns: Columns) -> Frame:
    must = ("order_id", "product_id")
    items = frames.open_table(order_items, "order_items", needs=must, must=must, columns=named(columns, "order_items"))
    known = ~nw.col("order_id").is_null() & ~nw.col("product_id").is_null()
    marked = items.with_columns(_lost=(~known).cast(nw.Int64))
    got = frames.row(marked.select(seen=nw.len(), lost=nw.col("_lost").sum()))
    if got["lost"]:
        warn(RowsLeftOut("no_product", rows=f"{int(got['lost']):,}", seen=f"{int(got['seen']):,}", table="order_items"))
    return items.filter(known)


# --- goods bought together


def _baskets(order_items: Any, orders: Any, products: Any, columns: Columns) -> Frame:
    """`order_id` and `item`, each pair of them at least once."""
    all_known(
        columns,
        "order_items",
        *(["orders"] if orders is not None else []),
        *(["products"] if products is not None else []),
    )
    baskets = _items(order_items, columns).rename({"product_id": "item"})
    if products is not None:
        must = ("product_id", "category")
        goods = frames.open_table(products, "products", needs=must, must=must, columns=named(columns, "products"))
        goods = goods.drop_nulls().unique(subset=["product_id"], keep="any").rename({"product_id": "item"})
        baskets = baskets.join(goods, on="item", how="inner").select("order_id", item="category")
    if orders is not None:
        history = open_orders(orders, columns=named(columns, "orders"), must=("order_id",))
        history.units().sums(rows=nw.lit(1.0)).whole()  # says which orders are left out
        baskets = baskets.join(
            history.rows().select("order_id").unique(subset=["order_id"]), on="order_id", how="inner"
        )
    return baskets


def _pairs_by_matrix(baskets: Any, min_support: float) -> dict[str, Any]:
    """Tables in memory: the sparse matrix of baskets by items, times itself."""
    from scipy.sparse import csr_array

    table = baskets.select("order_id", "item").to_arrow()
    (rows, order_ids), (places, named_) = (_codes(table.column(name)) for name in ("order_id", "item"))
    names = np.array([*named_.to_pylist(), None], object)[:-1]
    rank = np.argsort(np.argsort(names)) if len(names) else np.array([], np.int64)
    n, places = len(order_ids), rank[places] if len(names) else places
    matrix = csr_array((np.ones(len(rows), np.int32), (rows, places)), shape=(n, max(len(names), 1)))
    matrix.sum_duplicates()
    matrix.data[:] = 1  # an item is in a basket or not, however often
    both = (matrix.T @ matrix).tocoo()
    single = np.zeros(matrix.shape[1], np.int64)
    single[both.row[both.row == both.col]] = both.data[both.row == both.col]
    wanted = (both.row < both.col) & (both.data >= max(min_support * n, 1))
    first, second = both.row[wanted], both.col[wanted]
    names = np.sort(names)
    return _figures(names[first], names[second], single[first], single[second], both.data[wanted], n)


def _codes(column: Any) -> tuple[NDArray[np.int64], Any]:
    """Whole numbers for the distinct values of a column, and these values."""
    whole = column.combine_chunks()
    coded = (whole.chunk(0) if hasattr(whole, "chunk") else whole).dictionary_encode()
    return coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), coded.dictionary


def _pairs_by_join(baskets: Frame, min_support: float) -> dict[str, Any]:
    """Lazy engines: the baskets joined with themselves; only the pairs that are common enough come to the client."""
    cells = baskets.unique(subset=["order_id", "item"])
    n = int(frames.row(cells.select(n=nw.col("order_id").n_unique()))["n"] or 0)
    single = cells.group_by("item").agg(n_item=nw.len()).filter(nw.col("n_item") >= min_support * n)
    cells = cells.join(single.select("item"), on="item", how="inner")
    pairs = cells.join(cells.rename({"item": "other_item"}), on="order_id", how="inner").filter(ITEM < OTHER)
    pairs = pairs.group_by("item", "other_item").agg(n_both=nw.len()).filter(nw.col("n_both") >= min_support * n)
    pairs = pairs.join(single, on="item", how="inner")
    pairs = pairs.join(single.rename({"item": "other_item", "n_item": "n_other"}), on="other_item", how="inner")
    small = frames.fetch(pairs)
    first, second = (np.array([*small[name].to_list(), None], object)[:-1] for name in ("item", "other_item"))
    one, other, both = (small[name].to_numpy() for name in ("n_item", "n_other", "n_both"))
    return _figures(first, second, one, other, both, n)


def _figures(first: Any, second: Any, n_item: Any, n_other: Any, n_both: Any, n: int) -> dict[str, Any]:
    """Support, confidence and lift of pairs that met at least once."""
    one, other, both = (np.asarray(part, float) for part in (n_item, n_other, n_both))
    lift = both * n / (one * other)
    # the variance of log(p_ab / (p_a p_b)) under multinomial sampling of baskets
    variance = np.maximum(1 / both - 1 / one - 1 / other + (2 * lift - 1) / n, 0) if n else lift
    reach = np.exp(z() * np.sqrt(variance))
    whole = {"n_item": one, "n_other": other, "n_both": both, "n": np.full(len(both), n)}
    return {
        "item": first, "other_item": second, **{name: part.astype(np.int64) for name, part in whole.items()},
        "support": both / max(n, 1), "confidence": both / one, "confidence_other": both / other, "lift": lift,
        "low": lift / reach, "high": lift * reach,
    }  # fmt: skip


def _table_of_pairs(like: Frame, found: dict[str, Any]) -> nw.DataFrame[Any]:
    made = frames.table(like, found)
    if len(found["item"]):
        return made
    kind = like.collect_schema()["item"]  # an empty column does not tell its type
    return made.with_columns(nw.col("item", "other_item").cast(kind))
