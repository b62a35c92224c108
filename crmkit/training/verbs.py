"""What the command line does for trainers: `crmkit get`, `crmkit timetable` and `crmkit doctor`."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crmkit.errors import CrmkitError
from crmkit.texts import text, use_language

if TYPE_CHECKING:
    from collections.abc import Iterator

Lang = Annotated[Literal["ja", "en"] | None, typer.Option(help=text("cli.help_lang"))]
Numbers = Annotated[list[str] | None, typer.Argument(metavar="NN …", help=text("training.help_numbers"))]
More = Annotated[list[str] | None, typer.Option("--lessons", metavar="NN …", help=text("training.help_lessons"))]


@contextmanager
def said(lang: Literal["ja", "en"] | None) -> Iterator[None]:
    """In the language asked for; what goes wrong is a sentence and ends with 1."""
    if lang:
        use_language(lang)
    try:
        yield
    except CrmkitError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def get(
    numbers: Annotated[list[str], typer.Argument(metavar="NN …", help=text("training.help_get_numbers"))],
    solution: Annotated[bool, typer.Option("--solution", help=text("training.help_solution"))] = False,
    trainer: Annotated[bool, typer.Option("--trainer", help=text("training.help_trainer"))] = False,
    to: Annotated[Path, typer.Option("--to", help=text("training.help_to"))] = Path(),
    lang: Lang = None,
) -> None:
    """Make fresh copies of lessons."""
    from crmkit.training.copies import Kind, fresh_copy
    from crmkit.training.lessons import chosen

    with said(lang):
        asked: dict[Kind, bool] = {"exercise": not (solution or trainer), "solution": solution, "trainer": trainer}
        for lesson in chosen(numbers):
            for kind in (kind for kind, wanted in asked.items() if wanted):
                typer.echo(text("training.copied", place=fresh_copy(lesson, to, kind=kind)))


def timetable(
    numbers: Numbers = None,
    lessons: More = None,
    minutes: Annotated[int, typer.Option(help=text("training.help_minutes"))] = 90,
    begin: Annotated[str, typer.Option(help=text("training.help_begin"))] = "0:00",
    pause: Annotated[int, typer.Option(help=text("training.help_pause"))] = 10,
    markdown: Annotated[bool, typer.Option("--markdown", help=text("training.help_markdown"))] = False,
    lang: Lang = None,
) -> None:
    """Plan a session."""
    from crmkit.training.lessons import chosen
    from crmkit.training.timetable import timetable as planned

    with said(lang):
        picked = chosen([*(lessons or ()), *(numbers or ())])
        plan = planned(minutes, picked, begin=begin, pause=pause)
        for line in plan.lines(markdown=markdown):
            typer.echo(line)
        if not plan.fits:
            raise typer.Exit(1)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help=text("training.help_json"))] = False,
    lang: Lang = None,
) -> None:
    """Look whether this machine is ready."""
    from crmkit.training.doctor import Finding, examine

    found: list[Finding] = []
    with said(lang):
        for one in examine():
            found.append(one)
            if not as_json:
                typer.echo(str(one))
        bad = [one for one in found if not one.ok and not one.optional]
        if as_json:
            typer.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=1))
        else:
            typer.echo(text("doctor.not_ready" if bad else "doctor.ready", problems=len(bad)))
    if bad:
        raise typer.Exit(1)


def add_to(app: typer.Typer) -> None:
    """Make the verbs known to the command line."""
    app.command(help=text("training.help_get"))(get)
    app.command(help=text("training.help_timetable"))(timetable)
    app.command(help=text("training.help_doctor"))(doctor)
