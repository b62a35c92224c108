"""What lines of orders tell of products: one row for each, where no table of products is at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmkit.datasets.groups import NOBODY, Groups, numbered
from crmkit.datasets.headings import Match, Proposal, match_columns, words_of
from crmkit.datasets.numerals import Mask
from crmkit.datasets.problems import Problem
from crmkit.datasets.source import Offer, Source
from crmkit.datasets.tables import LoadedTable, as_pandas
from crmkit.datasets.values import Reading, read_column
from crmkit.schema import TABLES

_PRODUCTS = TABLES["products"]
_PRODUCTS_IN_ORDER = tuple(column.name for column in _PRODUCTS.columns)
# what a product is, whenever it is sold; prices and costs are those of the sale
OF_PRODUCT = ("name_ja", "name_en", "category", "tier", "launched_at", "is_subscribable")


def product_columns(
    offer: Offer, own: Mapping[str, str | None], how: Reading, product: Match, taken: set[int]
) -> tuple[Match, ...]:
    """Which columns of lines say something of the product itself; none where only its id is there.

    Raises:
        ParameterError, MissingColumn: as for any table that `own` names columns of.
    """
    found = match_columns(offer, _PRODUCTS, own, how)
    more = tuple(one for one in found if one.column in OF_PRODUCT and (one.by == "asked" or one.at not in taken))
    return (replace(product), *more) if more else ()


def without_products(proposal: Proposal) -> Proposal:
    """The same where a table of products is at hand."""
    lines = proposal.lines
    return proposal if lines is None else replace(proposal, lines=replace(lines, products=()))


def products_of(source: Source, matches: Sequence[Match], how: Reading, ids: Any, live: Mask) -> LoadedTable | None:
    """A row for each product of the lines that are in, as its first line says; what other lines say is counted."""
    if not matches:
        return None
    groups = Groups(numbered(ids))
    live = live & (groups.of != NOBODY)
    first = groups.first(live)
    kept = np.flatnonzero(first != NOBODY)
    kept = kept[np.argsort(first[kept], kind="stable")]
    made = {"product_id": as_pandas(ids, _PRODUCTS["product_id"], first[kept])}
    problems = []
    for match in matches:
        if match.column != "product_id":
            made[match.column], other = _said_of_each(source, match, how, groups, live, kept)
            if other.any():
                problems.append(_problem(source, match, np.unique(groups.of[other]), ids, first))
    used = {match.column: source.headers[match.at] for match in matches}
    rows_of = Source(source.name, source.headers, (), source.lines[first[kept]], parts=source.parts)
    frame = pd.DataFrame({name: made[name] for name in _PRODUCTS_IN_ORDER if name in made}, copy=False)
    table = LoadedTable(_PRODUCTS, rows_of, used, frame=frame, problems=problems)
    table.aside = pd.DataFrame({"line": np.zeros(0, dtype=np.int64)} | {name: [] for name in used.values()})
    table.told = [("products", {"lines": f"{int(live.sum()):,}", "products": f"{len(kept):,}"})]
    return table


def _said_of_each(
    source: Source, match: Match, how: Reading, groups: Groups, live: Mask, kept: np.ndarray
) -> tuple[pd.Series[Any], Mask]:
    """A column of the products as the first line with a value says it, and the lines that say something else."""
    column = _PRODUCTS[match.column]
    values = read_column(source.columns[match.at], column, replace(how, words=words_of("products", column.name)))
    full = live & (values.faults == 0)
    rows = groups.first(full)[kept]
    nothing = rows == NOBODY
    words = values.values if isinstance(values.values, np.ndarray) else numbered(pc.cast(values.values, "string"))
    said = as_pandas(values.values, column, np.where(nothing, 0, rows), nothing)
    return said, groups.other(words, full)


def _problem(source: Source, match: Match, products: np.ndarray, ids: Any, first: np.ndarray) -> Problem:
    """Products of which the lines say several things; the examples are their ids."""
    shown = pc.cast(ids.take(pa.array(first[products[:3]])), "string").to_pylist()
    facts = {"own": source.headers[match.at], "file": source.name}
    return Problem("other_of_product", "products", match.column, len(products), tuple(shown), "kept", facts)
