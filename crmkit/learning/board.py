"""A trainer's board: the exported records of a group, put together: who is where, what trips people up."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from html import escape
from pathlib import Path
from typing import Any

from crmkit.errors import CrmkitError, ParameterError, UnreadableFile
from crmkit.intervals import wilson
from crmkit.learning.record import Record, read
from crmkit.learning.standing import Standing, in_order, misconception, standings, tasks
from crmkit.reporting.parts import Cell, Grid, Paper, Paragraph, Section
from crmkit.texts import text

MOST_FILES = 10_000


@dataclass(frozen=True)
class Learner:
    """One row of the board."""

    name: str
    by_key: dict[str, Standing]

    @property
    def solved(self) -> int:
        return sum(one.solved for one in self.by_key.values())


@dataclass(frozen=True, repr=False)
class Board:
    """What `board` gives.

    Attributes:
        learners: By name.
        files: How many files were read.
        bad: Files that could not be read, and why.
    """

    learners: tuple[Learner, ...]
    files: int
    bad: tuple[tuple[str, str], ...]

    @property
    def keys(self) -> list[str]:
        """The exercises of all lessons that somebody has begun."""
        tried = {key for one in self.learners for key in one.by_key}
        begun = {key[:2] for key in tried}
        return in_order(tried | {key for lesson, keys in tasks().items() if lesson in begun for key in keys})

    def stuck(self) -> list[tuple[str, Standing]]:
        """Who may need help with what, the most tries first."""
        found = [(one.name, standing) for one in self.learners for standing in one.by_key.values() if standing.stuck]
        return sorted(found, key=lambda pair: (-pair[1].tries, pair[0], pair[1].key))

    def misconceptions(self) -> list[tuple[str, str, int, int]]:
        """Exercise, named mistake, how many learners made it, and how many tried the exercise; the most common first
        within each exercise."""
        tried = Counter(key for one in self.learners for key in one.by_key)
        made = Counter(
            (key, name) for one in self.learners for key, standing in one.by_key.items() for name in standing.mistakes
        )
        order = {key: place for place, key in enumerate(self.keys)}
        ranked = sorted(made.items(), key=lambda item: (order[item[0][0]], -item[1], item[0][1]))
        return [(key, name, count, tried[key]) for (key, name), count in ranked]

    def paper(self) -> Paper:
        """The board as a page's contents."""
        return Paper(text("board.title"), list(self._lines()), list(self._sections()), footer=text("board.footer"))

    def _lines(self) -> Iterator[str]:
        yield text("board.read", files=self.files, learners=len(self.learners))
        if self.bad:
            yield text("board.bad", count=len(self.bad))

    def _sections(self) -> Iterator[Section]:
        yield Section("solved", text("board.section.solved"), [Paragraph(text("board.legend")), *self._grids()])
        stuck = self.stuck()
        yield Section(
            "stuck", text("board.section.stuck"), [self._stuck() if stuck else Paragraph(text("board.none_stuck"))]
        )
        made = self.misconceptions()
        block = self._mistakes() if made else Paragraph(text("board.no_mistakes"))
        yield Section("mistakes", text("board.section.mistakes"), [block])
        if self.bad:
            heads = (text("board.head.file"), text("board.head.why"))
            yield Section("bad", text("board.section.bad"), [Grid("bad", text("board.caption.bad"), heads, self.bad)])

    def _grids(self) -> Iterator[Grid]:
        """A table for each lesson begun: learners down, exercises across."""
        keys = self.keys
        for lesson in sorted({key[:2] for key in keys}):
            asked = [key for key in keys if key.startswith(f"{lesson}.")]
            heads = (text("board.head.learner"), text("board.head.solved"), *asked)
            rows = [self._row(one, asked) for one in self.learners if any(key in one.by_key for key in asked)]
            yield Grid(f"lesson_{lesson}", text("progress.lesson", number=lesson), heads, [*rows, self._sum(asked)])

    def _row(self, one: Learner, asked: Sequence[str]) -> Sequence[Cell]:
        solved = sum(one.by_key[key].solved for key in asked if key in one.by_key)
        return (one.name, f"{solved}/{len(asked)}", *(str(one.by_key.get(key, "–")) for key in asked))

    def _sum(self, asked: Sequence[str]) -> Sequence[Cell]:
        """The last row: how many learners have solved an exercise, of those who tried it."""
        tried = {key: [one.by_key[key] for one in self.learners if key in one.by_key] for key in asked}
        shares = (f"{sum(one.solved for one in found)}/{len(found)}" for found in tried.values())
        return (text("board.solved_of_tried"), "", *shares)

    def _stuck(self) -> Grid:
        heads = tuple(text(f"board.head.{head}") for head in ("learner", "exercise", "tries", "said", "last"))
        rows = [
            (name, one.key, one.tries, text(f"verdict.{one.verdict}"), _minute(one.last)) for name, one in self.stuck()
        ]
        return Grid("stuck", text("board.caption.stuck"), heads, rows)

    def _mistakes(self) -> Grid:
        heads = tuple(text(f"board.head.{head}") for head in ("exercise", "mistake", "n", "share", "interval"))
        rows = [
            (
                key,
                misconception(key, name),
                text("board.n_of", n=count, of=of),
                f"{count / of:.0%}",
                _interval(count, of),
            )
            for key, name, count, of in self.misconceptions()
        ]
        return Grid("mistakes", text("board.caption.mistakes"), heads, rows)

    def _repr_html_(self) -> str:
        from crmkit.reporting.page import body

        paper = self.paper()
        lines = "".join(f"<p>{escape(line)}</p>" for line in paper.lines)
        return f"<div>{lines}{''.join(body(paper))}</div>"

    def __repr__(self) -> str:
        lines: list[str] = []
        self.print(lines.append, boxed=False)
        return "\n".join(lines)

    def print(self, say: Any, *, boxed: bool = True) -> None:
        """Say the board line by line; with lines around the tables where there is a terminal."""
        from crmkit.reporting.console import print_grid

        paper = self.paper()
        for line in paper.lines:
            say(line)
        for section in paper.sections:
            for block in section.blocks:
                if isinstance(block, Grid):
                    print_grid(block, say, boxed=boxed)
                elif isinstance(block, Paragraph):
                    say(block.text)


def board(
    folder: str | os.PathLike[str], *, out: str | os.PathLike[str] | None = None, overwrite: bool = False
) -> Board:
    """Put the exported progress of a group together.

    Args:
        folder: Where the files are that the learners exported with `crmkit progress --export`; its subfolders too.
        out: An .html file to write the board to: one page that needs nothing else.
        overwrite: Replace that file if it is there.

    Returns:
        The board. What could not be read is on it, with the reason; two files of one learner are put together.

    Raises:
        UnreadableFile: there is no such folder.
        ParameterError: it has no .json file; or `out` has another ending or is there already.
        CannotWrite: no room, or no right to write there.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> room = Path(mkdtemp())
        >>> _ = (room / "poem.json").write_text("{}")
        >>> board(room).bad[0][0]
        'poem.json'
    """
    from crmkit.reporting.drafts import checked

    page = None if out is None else checked(out, (".html",), overwrite=overwrite)
    room = Path(folder).expanduser()
    if not room.is_dir():
        raise UnreadableFile("progress_no_folder", folder=room)
    paths = sorted(path for path in room.rglob("*") if path.suffix.lower() == ".json" and not path.name.startswith("."))
    if not 0 < len(paths) <= MOST_FILES:
        raise ParameterError("board_files", folder=room, count=len(paths), most=MOST_FILES)
    made = _board(room, paths)
    if page is not None:
        _write(made.paper(), page, overwrite=overwrite)
    return made


def _board(room: Path, paths: Sequence[Path]) -> Board:
    records: list[Record] = []
    bad: list[tuple[str, str]] = []
    for path in paths:
        try:
            records.append(read(path))
        except CrmkitError as error:
            bad.append((path.relative_to(room).as_posix(), str(error)))
    return Board(tuple(_learners(records)), len(records), tuple(bad))


def _learners(records: Sequence[Record]) -> Iterator[Learner]:
    """One for each learner, however many files; those of the same name, or of none, are told apart by their number."""
    own: dict[str, list[Record]] = {}
    for one in records:
        own.setdefault(one.learner, []).append(one)
    whole = [reduce(_joined, same) for same in own.values()]
    taken = Counter(one.name for one in whole)
    named = [(_name(one, alone=taken[one.name] == 1), one) for one in whole]
    for name, one in sorted(named, key=lambda pair: (pair[1].name == "", pair[0])):
        yield Learner(name, standings(one.tries))


def _joined(one: Record, other: Record) -> Record:
    """Two exports of a learner: the later one has the earlier one's tries too, and those must count once."""
    names = [name for name in dict.fromkeys((one.name, other.name)) if name]
    tries = Counter(one.tries) | Counter(other.tries)
    return replace(one, name=" / ".join(names), tries=tuple(tries.elements()))


def _name(one: Record, *, alone: bool) -> str:
    if not one.name:
        return text("board.nameless", number=one.learner[:6])
    return one.name if alone else f"{one.name} ({one.learner[:6]})"


def _interval(count: int, of: int) -> str:
    low, high = wilson(count, of)
    return text("report.interval", low=f"{float(low):.0%}", high=f"{float(high):.0%}")


def _minute(at: str) -> str:
    """The moment of a try for people: as it was recorded, in UTC, without its seconds."""
    return f"{at[:16].replace('T', ' ')} UTC"


def _write(paper: Paper, out: Path, *, overwrite: bool) -> None:
    from crmkit.reporting.drafts import file_draft
    from crmkit.reporting.page import page

    with file_draft(out, overwrite=overwrite) as draft, draft.open("w", encoding="utf-8") as file:
        file.writelines(page(paper))
