"""Whether ids come twice: told quickly where they do not, which is nearly always."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_ROOM = 16  # numbers spread over no more than so many times as many places are ticked off, else sorted


def all_different(ids: Any) -> bool:
    """Whether no two of these texts are the same; `None` is nobody's id.

    Examples:
        >>> all_different(pa.array(["7", "007"])), all_different(pa.array(["A", "B", "A"]))
        (True, False)
    """
    if ids.null_count:
        return bool(pc.count_distinct(ids).as_py() == len(ids) - ids.null_count)
    try:
        number = np.asarray(ids.cast(pa.int64()).to_numpy())
    except pa.ArrowInvalid:
        number = None
    if number is not None and _all_different(number):  # the same number may still be two texts
        return True
    later, earlier = ids.slice(1), ids.slice(0, max(len(ids) - 1, 0))
    if pc.all(pc.greater(later, earlier), min_count=0).as_py():
        return True
    return bool(pc.count_distinct(ids).as_py() == len(ids))


def all_the_same(ids: Any) -> bool:
    """Whether all of these texts are one; `None` does not count.

    Examples:
        >>> all_the_same(pa.array(["A", None, "A"])), all_the_same(pa.array(["A", "B"]))
        (True, False)
    """
    first = next((one.as_py() for one in ids if one.is_valid), None)
    return all(pc.all(pc.equal(part, first), min_count=0).as_py() for part in (ids.slice(0, 1000), ids))


def _all_different(number: np.ndarray) -> bool:
    if len(number) < 2 or (number[1:] > number[:-1]).all():
        return True
    low, high = int(number.min()), int(number.max())
    if high - low < _ROOM * len(number):
        seen = np.zeros(high - low + 1, dtype=bool)
        seen[number - low] = True
        return int(seen.sum()) == len(number)
    ordered = np.sort(number)
    return bool((ordered[1:] > ordered[:-1]).all())
