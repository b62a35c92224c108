"""Several files or sheets that are one table cut into pieces: orders_2024-01.csv, orders_2024-02.csv, …"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa

from crmkit.datasets.cells import joined
from crmkit.datasets.source import HEAD, Offer, Part, Source, SourceNote
from crmkit.errors import EmptyTable

_NUMBER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:[-.]c\d+)?|\d+", re.IGNORECASE)
_NUMBERS = re.compile(r"\*(?:[-_. 年月日]*\*)*")
_EDGES = re.compile(r"^[\W_]+|[\W_]*\*[年月日]*.*$|[\W_]+$")


def pattern_of(name: str) -> str:
    """A name with its numbers left open, as all pieces of one table have it.

    Examples:
        >>> pattern_of("orders_2024-01.csv"), pattern_of("注文_2024年1月"), pattern_of("customers.csv")
        ('orders_*.csv', '注文_*月', 'customers.csv')
    """
    return _NUMBERS.sub("*", _NUMBER.sub("*", name))


def stem_of(pattern: str, otherwise: str) -> str:
    """The part of a pattern that may say what the table holds; `otherwise` where there is none ("part-*")."""
    stem = _EDGES.sub("", pattern)
    return otherwise if stem.lower() in ("", "part", "data", "export") else stem


def in_order(name: str) -> list[tuple[int, str]]:
    """To sort names by the numbers in them: 2 comes before 10."""
    return [(int(bit), "") if bit.isdecimal() else (-1, bit) for bit in re.split(r"(\d+)", name)]


def same_columns(offers: Sequence[Offer]) -> bool:
    """Whether all have the same columns, in whatever order."""
    first = offers[0].headers
    if len(set(first)) < len(first):
        return all(offer.headers == first for offer in offers)
    return all(sorted(offer.headers) == sorted(first) for offer in offers)


def as_one(offers: Sequence[Offer], name: str, stem: str) -> Offer:
    """Offers with the same columns as one, whose rows come one after another."""
    headers = offers[0].headers
    head = []
    for at in range(len(headers)):
        chunks = (chunk for offer in offers for chunk in _column(offer.headers, offer.head, headers, at).chunks)
        head.append(joined(chunks).slice(0, HEAD))
    return Offer(name, stem, headers, tuple(head), partial(_read, tuple(offers), name))


def _column(
    own: tuple[str, ...], columns: tuple[pa.ChunkedArray, ...], headers: tuple[str, ...], at: int
) -> pa.ChunkedArray:
    return columns[at] if own == headers else columns[own.index(headers[at])]


def _read(offers: Sequence[Offer], name: str) -> Source:
    notes: list[SourceNote] = []
    sources = list(_sources(offers, name, notes))
    headers = offers[0].headers
    if not sources:
        raise EmptyTable("no_rows", file=name, found=", ".join(headers))
    columns = []
    for at in range(len(headers)):
        parts = [_column(source.headers, source.columns, headers, at) for source in sources]
        columns.append(joined(chunk for part in parts for chunk in part.chunks))
    placed, lines, misfits = [], [], []
    after = 0
    for source in sources:
        placed.append(Part(source.name, after))
        lines.append(source.lines + after)
        misfits += [replace(misfit, line=misfit.line + after) for misfit in source.misfits]
        after = max([after, *lines[-1][-1:].tolist(), *(misfit.line for misfit in misfits[-1:])])
    return Source(
        name, headers, tuple(columns), np.concatenate(lines), _said(source.encoding for source in sources),
        _said(source.delimiter for source in sources), tuple(misfits),
        sum(source.blank_lines for source in sources), sum(source.title_lines for source in sources),
        (*notes, *(note for source in sources for note in source.notes)), tuple(placed),
    )  # fmt: skip


def _sources(offers: Iterable[Offer], name: str, notes: list[SourceNote]) -> Iterator[Source]:
    """Each piece read; one without rows is said."""
    for offer in offers:
        try:
            yield offer.read()
        except EmptyTable as error:
            notes.append(SourceNote("not_read", folder=name, name=offer.name, detail=error))


def _said(words: Iterable[str | None]) -> str | None:
    return ", ".join(dict.fromkeys(word for word in words if word)) or None
