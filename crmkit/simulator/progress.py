"""A bar for what takes longer than a moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
SHORT = 4  # blocks; fewer are done before anybody could read a bar


def watched(items: Sequence[T], label: str) -> Iterator[T]:
    """The items one by one, with a progress bar if there are many; it goes away when done or interrupted."""
    if len(items) < SHORT:
        yield from items
        return
    from rich.console import Console  # loads in 0.1 s, which only long work should cost
    from rich.progress import track

    yield from track(items, description=label, transient=True, console=Console(stderr=True))
