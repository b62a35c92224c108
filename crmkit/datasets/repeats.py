"""Which ids come twice: told quickly where none does, which is nearly always."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_FEW = 1000  # ids that tell in no time what all of them are not
_ROOM = 16  # numbers spread over no more than so many times as many places are ticked off, else sorted


def repeated(ids: Any) -> np.ndarray:
    """Where those of these texts are that occur more than once, ascending; `None` is nobody's id.

    Examples:
        >>> repeated(pa.array(["7", "007"])), repeated(pa.array(["A", "B", None, "A", None]))
        (array([], dtype=int64), array([0, 3]))
    """
    if ids.null_count:
        known = np.flatnonzero(ids.is_valid())
        return np.asarray(known[repeated(ids.drop_null())])
    if all(_ascend(part) for part in (ids.slice(0, _FEW), ids)):
        return np.zeros(0, dtype=np.int64)
    try:
        number = np.asarray(ids.cast(pa.int64()).to_numpy())
    except pa.ArrowInvalid:
        return _repeated_texts(ids)
    rows = _repeated_numbers(number)
    return np.asarray(rows[_repeated_texts(ids.take(pa.array(rows)))])  # the same number may still be two texts


def _ascend(ids: Any) -> bool:
    later, earlier = ids.slice(1), ids.slice(0, max(len(ids) - 1, 0))
    return bool(pc.all(pc.greater(later, earlier), min_count=0).as_py())


def all_the_same(ids: Any) -> bool:
    """Whether all of these texts are one; `None` does not count.

    Examples:
        >>> all_the_same(pa.array(["A", None, "A"])), all_the_same(pa.array(["A", "B"]))
        (True, False)
    """
    first = next((one.as_py() for one in ids if one.is_valid), None)
    return all(pc.all(pc.equal(part, first), min_count=0).as_py() for part in (ids.slice(0, _FEW), ids))


def _repeated_texts(ids: Any) -> np.ndarray:
    coded = (ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids).dictionary_encode()
    codes = coded.indices.to_numpy()
    if len(coded.dictionary) == len(codes):
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.bincount(codes)[codes] > 1)


def _repeated_numbers(number: np.ndarray) -> np.ndarray:
    if len(number) < 2 or (number[1:] > number[:-1]).all():
        return np.zeros(0, dtype=np.int64)
    low, high = int(number.min()), int(number.max())
    if high - low < _ROOM * len(number):
        once, more = (np.zeros(high - low + 1, dtype=bool) for _ in range(2))
        once[number - low] = True
        if int(once.sum()) == len(number):
            return np.zeros(0, dtype=np.int64)
        more[:] = np.bincount(number - low, minlength=len(more)) > 1
        return np.flatnonzero(more[number - low])
    ordered = np.sort(number)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.flatnonzero(np.isin(number, again)) if len(again) else np.zeros(0, dtype=np.int64)
