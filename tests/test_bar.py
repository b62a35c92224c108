"""The bar beside long work: shown while it goes on, in a cell or on a terminal, and gone afterwards."""

from __future__ import annotations

from typing import Any

import IPython.display
import pytest

from crmkit.simulator import progress
from crmkit.simulator.progress import SHORT, watched


class Cell:
    """What a cell's output shows, one state after the other."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def display(self, data: dict[str, str], **how: Any) -> Cell:
        assert how == {"raw": True, "display_id": True}
        self.shown.append(data)
        return self

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(data)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    made = Cell()
    monkeypatch.setattr(progress, "_in_a_notebook", lambda: True)
    monkeypatch.setattr(IPython.display, "display", made.display)
    return made


def test_a_cell_shows_how_far_it_is_and_keeps_nothing(cell: Cell) -> None:
    assert list(watched(range(5), "a < b")) == list(range(5))
    first, *bars, last = cell.shown
    assert first == last == {"text/plain": ""}
    assert [f"value='{done}'" in bar["text/html"] for done, bar in enumerate(bars)] == [True] * 5
    assert all("a &lt; b" in bar["text/html"] for bar in bars)


def test_interrupted_work_takes_its_bar_away(cell: Cell) -> None:
    bar = watched(range(9), "worlds")
    assert [next(bar), next(bar)] == [0, 1]
    with pytest.raises(KeyboardInterrupt):
        bar.throw(KeyboardInterrupt)  # type: ignore[attr-defined]
    assert cell.shown[-1] == {"text/plain": ""}


def test_little_work_shows_nothing(cell: Cell) -> None:
    assert len(list(watched(range(SHORT - 1), "worlds"))) == SHORT - 1
    assert cell.shown == []


def test_on_a_terminal_the_bar_stays_off_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(watched(range(6), "worlds")) == list(range(6))
    assert capsys.readouterr().out == ""
