"""Medians and other order statistics of a column, by group, without bringing the column to the client.

A lazy engine numbers the sorted values itself and hands over only those at the ranks that are asked for.
"""

from __future__ import annotations

from typing import Any, cast

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from crmkit import frames
from crmkit.frames import Frame
from crmkit.intervals import quantile_ranks

MEDIAN, P90 = 0.5, 0.9
COLUMNS = ("n", "total", "squares", "median", "median_low", "median_high", "p90", "p90_low", "p90_high")


def spread(frame: Frame, value: str, per: str | None = None) -> dict[str, NDArray[Any]]:
    """Number, sum, sum of squares, median and 90th percentile of `value`, these two with distribution-free intervals.

    Args:
        frame: The rows; `value` is nowhere null.
        value: Column to look at.
        per: Column of groups; `None` = all rows are one.

    Returns:
        Arrays with one entry per group: `group` and COLUMNS. A quantile lies between two values as NumPy's does; an
        end that so few values cannot give is NaN.
    """
    keyed = frame.select(_value=nw.col(value).cast(nw.Float64), _per=nw.lit("") if per is None else nw.col(per))
    sums = keyed.with_columns(_square=nw.col("_value") * nw.col("_value")).group_by("_per")
    small = frames.fetch(sums.agg(n=nw.len(), total=nw.col("_value").sum(), squares=nw.col("_square").sum()))
    small = small.sort("_per", nulls_last=True)
    n = small["n"].to_numpy().astype(np.int64)
    found: dict[str, NDArray[Any]] = {"group": np.array([*small["_per"].to_list(), None], object)[:-1], "n": n}
    found |= {name: small[name].to_numpy().astype(float) for name in ("total", "squares")}
    wanted = np.stack([rank for share in (MEDIAN, P90) for rank in _wanted(n, share)], axis=1)
    if not len(n):
        return found | {name: np.array([]) for name in COLUMNS if name not in found}
    values = _at_ranks(keyed, small, wanted)
    for column, (name, share) in zip((0, 4), (("median", MEDIAN), ("p90", P90)), strict=True):
        below, above, low, high = values[:, column : column + 4].T
        part = (n - 1) * share % 1
        found[name] = np.where(part > 0, below + part * (above - below), below)
        found[f"{name}_low"], found[f"{name}_high"] = low, high
    return found


def _wanted(n: NDArray[np.int64], share: float) -> tuple[NDArray[np.int64], ...]:
    """The ranks around a quantile, and those of the ends of its interval (0 = there is none)."""
    below = np.floor((n - 1) * share).astype(np.int64) + 1
    return below, np.minimum(below + 1, n), *quantile_ranks(n, share)


def _at_ranks(keyed: Frame, small: nw.DataFrame[Any], wanted: NDArray[np.int64]) -> NDArray[np.float64]:
    """The values at the wanted ranks (from 1) of each group, in the order of `small`; NaN for rank 0."""
    n = small["n"].to_numpy().astype(np.int64)
    if isinstance(keyed, nw.DataFrame):
        values = keyed.sort("_per", "_value", nulls_last=True)["_value"].to_numpy()
        starts = (np.cumsum(n) - n)[:, None]
        return np.where(wanted > 0, values[np.maximum(starts + wanted - 1, 0)], np.nan)
    if len(n) == 1 and keyed.implementation.is_duckdb():
        return _selected(keyed, int(n[0]), wanted)
    key = nw.col("_per").cast(nw.String).fill_null("\0")  # a join does not meet null with null
    numbered = keyed.with_columns(_key=key).with_columns(
        _rank=nw.col("_value").cum_count().over("_key", order_by="_value").cast(nw.Int64)
    )
    keys = frames.fetch(cast("Frame", small.select(_key=key)))["_key"].to_list()
    places: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for (row, column), rank in np.ndenumerate(wanted):
        if rank > 0:
            places.setdefault((keys[row], int(rank)), []).append((row, column))
    asked = frames.table(keyed, {"_key": [one for one, _ in places], "_rank": [rank for _, rank in places]})
    found = numbered.join(frames.same_kind(keyed, asked), on=["_key", "_rank"], how="inner")
    values = np.full(wanted.shape, np.nan)
    for got in frames.rows(found.select("_key", "_rank", "_value")):
        for place in places[got["_key"], got["_rank"]]:
            values[place] = got["_value"]
    return values


def _selected(keyed: Frame, n: int, wanted: NDArray[np.int64]) -> NDArray[np.float64]:
    """The values at the wanted ranks of all `n` rows; DuckDB finds these few sooner than it sorts all."""
    ranks = np.unique(wanted[wanted > 0])
    # the value at a share between two ranks is that of the upper one
    shares = ", ".join(repr(float(share)) for share in (ranks - 0.5) / n)
    ((found,),) = keyed.to_native().aggregate(f"quantile_disc(_value, [{shares}])").fetchall()
    values = np.full(wanted.shape, np.nan)
    values[wanted > 0] = np.array(found, float)[np.searchsorted(ranks, wanted[wanted > 0])]
    return values
