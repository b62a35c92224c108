"""What is said to an answer: a verdict that never depends on its colour alone, and a few sentences."""

from __future__ import annotations

import html
from dataclasses import dataclass

from crmkit.texts import text

SIGNS = {"correct": "✓", "close": "≈", "mix_up": "≠", "not_yet": "…", "empty": "…"}
COLOURS = {"correct": "#029e73", "close": "#de8f05", "mix_up": "#d55e00", "not_yet": "#0173b2", "empty": "#6e6e6e"}


@dataclass(frozen=True)
class Verdict:
    """What `check` says: the verdict, what is said to it, and which mistake was recognised.

    Attributes:
        verdict: "correct", "close", "mix_up", "not_yet" or "empty".
        lines: The sentences said.
        mistake: Name of the mistake recognised, or the wrong option chosen; empty where there is none.
    """

    verdict: str
    lines: tuple[str, ...]
    mistake: str = ""

    def __str__(self) -> str:
        return "\n".join((f"{SIGNS[self.verdict]} {text(f'verdict.{self.verdict}')}", *self.lines))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{html.escape(line)}</p>" for line in self.lines)
        heading = html.escape(f"{SIGNS[self.verdict]} {text(f'verdict.{self.verdict}')}")
        look = f"border-left:4px solid {COLOURS[self.verdict]};padding-left:1em"
        return f"<div role='status' style='{look}'><strong>{heading}</strong>{said}</div>"
