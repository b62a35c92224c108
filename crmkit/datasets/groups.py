"""Rows that belong together, by number: what the first of them says, what they add up to, where they disagree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crmkit.datasets.numerals import Mask

NOBODY = -1


def numbered(words: Any) -> np.ndarray:
    """A number for each row, the same for the same text, in order of first appearance; -1 where there is none.

    Examples:
        >>> numbered(pa.chunked_array([["B", "A"], [None, "B"]])).tolist()
        [0, 1, -1, 0]
    """
    if isinstance(words, pa.Array):
        words = pa.chunked_array([words])
    if len(words) < 2:
        return np.where(np.asarray(words.is_null()), NOBODY, 0).astype(np.int32)
    if pa.types.is_dictionary(words.type):
        words = words.cast(words.type.value_type)
    # mostly the rows of one thing stand together: only the first of each run has to be looked up
    goes_on = pc.fill_null(pc.equal(words.slice(1), words.slice(0, len(words) - 1)), False)
    begins = np.concatenate([[True], ~np.asarray(goes_on)])
    firsts = words.filter(pa.array(begins)).combine_chunks()  # chunk by chunk, dictionaries grow with each
    parts = firsts.chunks if isinstance(firsts, pa.ChunkedArray) else [firsts]
    coded = pa.chunked_array([part.dictionary_encode() for part in parts]).unify_dictionaries().chunks
    numbers = np.concatenate([pc.fill_null(chunk.indices, NOBODY).to_numpy() for chunk in coded])
    return np.repeat(numbers, np.diff(np.append(np.flatnonzero(begins), len(begins)))).astype(np.int32, copy=False)


class Groups:
    """Rows by group: `of` has the number of each row's group, all from 0 to the greatest."""

    def __init__(self, of: np.ndarray) -> None:
        self.of = of
        self.count = int(of.max(initial=NOBODY)) + 1

    def first(self, where: Mask) -> np.ndarray:
        """The first row of each group among those asked for; -1 where there is none.

        Examples:
            >>> Groups(np.array([0, 1, 0, 2])).first(np.array([False, True, True, False])).tolist()
            [2, 1, -1]
        """
        rows = np.flatnonzero(where)[::-1]
        found = np.full(self.count, NOBODY, dtype=np.int64)
        found[self.of[rows]] = rows  # the last that is written stays: the first of the table
        return found

    def sizes(self, where: Mask) -> np.ndarray:
        """How many of the rows asked for each group has."""
        return np.bincount(self.of[where], minlength=self.count)

    def sums(self, values: np.ndarray, where: Mask) -> np.ndarray:
        """What the rows asked for add up to; NaN for a group that has none.

        Examples:
            >>> Groups(np.array([0, 0, 1])).sums(np.array([1.0, 2.0, 4.0]), np.array([True, True, False])).tolist()
            [3.0, nan]
        """
        added = np.bincount(self.of[where], weights=values[where], minlength=self.count)
        added[self.sizes(where) == 0] = np.nan
        return added

    def other(self, values: np.ndarray, where: Mask) -> Mask:
        """Among the rows asked for, those that do not say the same as the first of their group.

        Examples:
            >>> Groups(np.array([0, 0, 1])).other(np.array([7, 8, 9]), np.array([True, True, True])).tolist()
            [False, True, False]
        """
        said = values[self.first(where)[self.of]]
        return np.asarray(where & (values != said))

    def ranks(self, where: Mask) -> np.ndarray:
        """The place of each row asked for among those of its group, from 1; 0 for the others.

        Examples:
            >>> Groups(np.array([0, 1, 0])).ranks(np.array([True, True, True])).tolist()
            [1, 1, 2]
        """
        rows = np.flatnonzero(where)
        group = self.of[rows]
        together = bool((group[1:] >= group[:-1]).all())
        order = slice(None) if together else np.argsort(group, kind="stable")
        sizes = np.bincount(group, minlength=self.count)
        begins = np.cumsum(sizes) - sizes
        ranks = np.zeros(len(where), dtype=np.int64)
        ranks[rows[order]] = np.arange(len(rows)) - np.repeat(begins, sizes) + 1
        return ranks
