"""A bar for what takes longer than a moment."""

from __future__ import annotations

import html
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
SHORT = 4  # blocks; fewer are done before anybody could read a bar


def watched(items: Sequence[T], label: str) -> Iterator[T]:
    """The items one by one, with a progress bar if there are many; it goes away when done or interrupted."""
    if len(items) < SHORT:
        yield from items
    elif _in_a_notebook():
        yield from _in_the_cell(items, label)
    else:
        from rich.console import Console  # loads in 0.1 s, which only long work should cost
        from rich.progress import track

        yield from track(items, description=label, transient=True, console=Console(stderr=True))


def _in_a_notebook() -> bool:
    """Whether a kernel runs this; asked without loading IPython where it is not there."""
    shell = sys.modules.get("IPython")
    return shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None


def _in_the_cell(items: Sequence[T], label: str) -> Iterator[T]:
    """A bar of which nothing is left in a saved notebook, where rich would leave `Output()`."""
    from IPython.display import display

    nothing = {"text/plain": ""}
    place: Any = display(nothing, raw=True, display_id=True)  # type: ignore[no-untyped-call]
    try:
        for done, item in enumerate(items):
            bar = f"<label>{html.escape(label)} <progress max='{len(items)}' value='{done}'></progress></label>"
            place.update({"text/html": bar, **nothing}, raw=True)
            yield item
    finally:
        place.update(nothing, raw=True)
