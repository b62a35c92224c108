"""What the learner has solved so far: shown in a notebook, exported for the trainer, forgotten when asked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

from crmkit.errors import CrmkitError, ParameterError
from crmkit.learning import record as records
from crmkit.learning.record import Record
from crmkit.learning.standing import Standing, standings, tasks
from crmkit.texts import text

BAR = 10  # squares of a full bar
COLOURS = {"correct": "#029e73", "close": "#de8f05", "mix_up": "#d55e00", "not_yet": "#0173b2"}


@dataclass(frozen=True, repr=False)
class Progress:
    """What `progress` gives; a notebook shows it as a table, and `print` as lines.

    Attributes:
        standings: How the learner stands, by exercise.
        said: What became of what was asked for, and what stands in the way.
        place: The file of the record, `None` where nothing is recorded.
    """

    standings: dict[str, Standing]
    said: tuple[str, ...]
    place: Path | None

    def by_lesson(self) -> dict[str, tuple[int, list[str]]]:
        """How many are solved of which exercises, by lesson."""
        known = tasks()
        for key in self.standings:  # of another version of the course
            if key not in known.setdefault(key[:2], []):
                known[key[:2]].append(key)
        return {lesson: (self._solved(keys), keys) for lesson, keys in sorted(known.items())}

    def __repr__(self) -> str:
        return "\n".join([*self._lines(), *self.said])

    def _lines(self) -> Iterator[str]:
        yield self._headline()
        for lesson, (solved, keys) in self.by_lesson().items():
            marks = "  ".join(f"{key} {self._mark(key)}" for key in keys)
            yield f"{text('progress.lesson', number=lesson)}  {_bar(solved, len(keys))} {solved}/{len(keys)}  {marks}"
        yield text("progress.legend")

    def _headline(self) -> str:
        lessons = self.by_lesson().values()
        return text(
            "progress.headline", solved=sum(solved for solved, _ in lessons), of=sum(len(k) for _, k in lessons)
        )

    def _repr_html_(self) -> str:
        heads = "".join(f"<th scope='col' style='text-align:left'>{escape(head)}</th>" for head in _heads())
        rows = "".join(self._row(lesson, *found) for lesson, found in self.by_lesson().items())
        said = "".join(f"<p>{escape(line)}</p>" for line in (text("progress.legend"), *self.said))
        return (
            f"<div><table><caption style='text-align:left'><strong>{escape(self._headline())}</strong></caption>"
            f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{said}</div>"
        )

    def _row(self, lesson: str, solved: int, keys: Sequence[str]) -> str:
        share = 100 * solved / len(keys)
        bar = (
            "<div aria-hidden='true' style='width:8em;height:0.8em;border:1px solid #6e6e6e'>"
            f"<div style='width:{share:.0f}%;height:100%;background:{COLOURS['correct']}'></div></div>"
        )
        marks = "".join(
            f"<span style='white-space:nowrap;margin-right:1em'>{self._coloured(key)}</span>" for key in keys
        )
        cells = "".join(f"<td style='text-align:left'>{cell}</td>" for cell in (bar, f"{solved}/{len(keys)}", marks))
        name = escape(text("progress.lesson", number=lesson))
        return f"<tr><th scope='row' style='text-align:left'>{name}</th>{cells}</tr>"

    def _coloured(self, key: str) -> str:
        one = self.standings.get(key)
        colour = COLOURS[one.verdict] if one else "inherit"
        return f"{escape(key)} <strong style='color:{colour}'>{escape(self._mark(key))}</strong>"

    def _mark(self, key: str) -> str:
        return str(self.standings.get(key, "–"))

    def _solved(self, keys: Sequence[str]) -> int:
        return sum(self.standings[key].solved for key in keys if key in self.standings)


def progress(
    *,
    export: str | os.PathLike[str] | None = None,
    name: str | None = None,
    record: bool | None = None,
    forget: bool = False,
    overwrite: bool = False,
) -> Progress:
    """Show what you have solved; export it for your trainer if you like.

    Recorded are, on this computer only: which exercise was tried when, what was said to it, and in which language.
    Answers are not, nor is your name. `CRMKIT_PROGRESS=off` in the environment turns it off for good, and another
    path there has it kept elsewhere.

    Args:
        export: A file ending in .json to write your record to; hand it in yourself.
        name: Your name or any other for the board; only the exported file has it.
        record: False stops recording in this notebook, True goes on with it.
        forget: Delete your record.
        overwrite: Replace the exported file if it is there.

    Returns:
        A table by lesson.

    Raises:
        ParameterError: the exported file would not end in .json, or is there already.
        CannotWrite: no room, or no right to write there.

    Examples:
        >>> from crmkit.texts import in_language
        >>> with in_language("en"):
        ...     str(progress())[:14]
        'Solved so far:'
    """
    if record is not None:
        records.switch(record)
    said: list[str] = []
    if forget:
        said.append(text("progress.forgotten" if records.forget() else "progress.nothing_to_forget"))
    try:
        mine = records.own()
    except CrmkitError as error:
        mine = Record("")
        said.append(str(error))
    if export is not None:
        said.append(text("progress.exported", out=_export(mine, export, name or "", overwrite=overwrite)))
    where = records.place()
    if where is None:
        said.append(text("progress.off", variable=records.VARIABLE))
    else:
        said.append(text("progress.kept" if records.recording() else "progress.paused", place=where))
    return Progress(standings(mine.tries), tuple(said), where)


def _export(mine: Record, out: str | os.PathLike[str], name: str, *, overwrite: bool) -> Path:
    """Write the record for somebody else to read."""
    from crmkit.reporting.drafts import checked, file_draft

    if not mine.tries:
        raise ParameterError("progress_empty")
    place = checked(out, (".json",), overwrite=overwrite)
    with file_draft(place, overwrite=overwrite) as draft:
        draft.write_text(records.written(replace(mine, name=records.tidy(name))), encoding="utf-8")
    return place


def resume(keys: Sequence[str]) -> str:
    """What was solved of these exercises before, in a line; empty where there is nothing to say."""
    if not records.recording():
        return ""
    try:
        before = standings(one for one in records.own().tries if one.key in keys)
    except (CrmkitError, OSError, RuntimeError):
        return ""  # said when the next answer is to be recorded
    if not before:
        return ""
    solved = [key for key, one in before.items() if one.solved]
    last = max(one.last for one in before.values())
    facts = {"solved": len(solved), "of": len(keys), "day": last[:10]}
    open_ones = text("progress.comma").join(key for key in keys if key not in solved)
    return text("progress.resume_open" if open_ones else "progress.resume_all", **facts, open=open_ones)


def _bar(solved: int, of: int) -> str:
    full = round(BAR * solved / of)
    return "■" * full + "□" * (BAR - full)


def _heads() -> tuple[str, ...]:
    return tuple(text(f"progress.head.{head}") for head in ("lesson", "share", "solved", "exercises"))
