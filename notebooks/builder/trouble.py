"""What is wrong with the course, said so that its writer finds the place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Trouble:
    """One thing to mend: in which lesson or file, where in it, and what it is."""

    lesson: str
    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.lesson}, {self.place}: {self.what}"


class Refused(Exception):
    """The course cannot be built."""

    def __init__(self, troubles: Iterable[Trouble]) -> None:
        self.troubles = list(troubles)
        super().__init__("\n".join(map(str, self.troubles)))
