"""The command `crmkit`: start the laboratory, write a simulated shop, and whatever else is done outside a notebook."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from crmkit.texts import language, text, use_language
from crmkit.training import verbs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crmkit.simulator.generate import Progress

PACKAGE = Path(__file__).resolve().parent
INDEX = Path("notebooks", "index.md")
START_SECONDS = 90  # a cold disk and a virus scanner take their time
STOP_SECONDS = 15
LOG_LINES = 12

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, help=text("cli.help"))
verbs.add_to(app)


@app.callback(invoke_without_command=True)
def main(
    show_version: Annotated[bool, typer.Option("--version", help=text("cli.help_version"), is_eager=True)] = False,
) -> None:
    """What holds for every verb."""
    if show_version:
        typer.echo(version("crmkit"))
        raise typer.Exit


@app.command(help=text("cli.help_lab"))
def lab(
    lang: Annotated[Literal["ja", "en"] | None, typer.Option(help=text("cli.help_lang"))] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help=text("cli.help_port"))] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help=text("cli.help_browser"))] = True,
    root: Annotated[Path | None, typer.Option(help=text("cli.help_root"))] = None,
) -> None:
    """Open the course in JupyterLab and stay until it is stopped."""
    if lang:
        use_language(lang)
    course = _course(root)
    chosen = _port(port)
    token = secrets.token_hex(24)
    typer.echo(text("cli.course", root=course))
    typer.echo(text("cli.starting", port=chosen))
    with tempfile.TemporaryDirectory(prefix="crmkit-lab-", ignore_cleanup_errors=True) as folder, _stoppable():
        log = Path(folder, "jupyter.log")
        with log.open("wb") as output, _server(course, chosen, token, output) as server:
            if not _comes_up(server, chosen, token):
                _fail("cli.not_started", log=_last_lines(log))
            _show(f"http://127.0.0.1:{chosen}/lab/tree/{INDEX.as_posix()}?token={token}", browser=browser)
            if server.wait():
                _fail("cli.broke_down", log=_last_lines(log))
    typer.echo(text("cli.stopped"))


@app.command(help=text("cli.help_generate"))
def generate(
    scenario: Annotated[str, typer.Argument(help=text("cli.help_scenario"))],
    out: Annotated[Path, typer.Argument(help=text("cli.help_out"))],
    customers: Annotated[int, typer.Option(help=text("cli.help_customers"))] = 2_000,
    weeks: Annotated[int, typer.Option(help=text("cli.help_weeks"))] = 104,
    seed: Annotated[int, typer.Option(help=text("cli.help_seed"))] = 7,
    format: Annotated[Literal["parquet", "csv", "duckdb"], typer.Option(help=text("cli.help_format"))] = "parquet",
    workers: Annotated[int | None, typer.Option(help=text("cli.help_workers"))] = None,
    locale: Annotated[str | None, typer.Option(help=text("cli.help_locale"))] = None,
    levers: Annotated[list[str] | None, typer.Option("--set", metavar="LEVER=VALUE", help=text("cli.help_set"))] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help=text("cli.help_overwrite"))] = False,
    lang: Annotated[Literal["ja", "en"] | None, typer.Option(help=text("cli.help_lang"))] = None,
) -> None:
    """Simulate a shop and write its tables to a folder."""
    if lang:
        use_language(lang)
    from crmkit.errors import CrmkitError
    from crmkit.simulator.generate import generate as write
    from crmkit.simulator.plan import plan

    with _stoppable():
        try:
            moved = _levers(levers)
            made = plan(scenario, customers=customers, weeks=weeks, seed=seed, levers=moved, locale=locale)
            with _progress() as progress:
                place = write(made, out, format=format, workers=workers, overwrite=overwrite, progress=progress)
        except CrmkitError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
        typer.echo(text("cli.generated", out=str(place)))
        return
    typer.echo(text("cli.interrupted"), err=True)  # only reached by Ctrl+C and the like
    raise typer.Exit(130)


PathOf = Annotated[str, typer.Argument(metavar="PATH", help=text("cli.help_path"))]
TablesOf = Annotated[str | None, typer.Option("--tables", help=text("cli.help_tables"))]
ColumnsOf = Annotated[Path | None, typer.Option("--columns", help=text("cli.help_columns"))]
ZoneOf = Annotated[str | None, typer.Option("--zone", help=text("cli.help_zone"))]
DayFirst = Annotated[bool | None, typer.Option("--dayfirst/--monthfirst", help=text("cli.help_dayfirst"))]
Lang = Annotated[Literal["ja", "en"] | None, typer.Option(help=text("cli.help_lang"))]


@app.command(help=text("cli.help_check"))
def check(
    path: PathOf,
    tables: TablesOf = None,
    columns: ColumnsOf = None,
    zone: ZoneOf = None,
    dayfirst: DayFirst = None,
    rejected: Annotated[Path | None, typer.Option("--rejected", help=text("cli.help_rejected"))] = None,
    lang: Lang = None,
) -> None:
    """Say how data are understood, what is wrong with them, and what they can answer."""
    if lang:
        use_language(lang)
    from crmkit.errors import CrmkitError
    from crmkit.reporting.console import account, keep_rejected, waiting

    with _stoppable():
        try:
            with waiting(text("cli.loading", path=_called(path))):
                data = _loaded(path, tables=tables, columns=columns, zone=zone, dayfirst=dayfirst)
            faults = account(data, typer.echo)
            if rejected is not None:
                keep_rejected(data, rejected, typer.echo)
        except CrmkitError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from None
        raise typer.Exit(int(faults > 0))
    typer.echo(text("cli.check_stopped"), err=True)
    raise typer.Exit(130)


@app.command(help=text("cli.help_report"))
def report(
    path: PathOf,
    out: Annotated[Path, typer.Option("--out", help=text("cli.help_report_out"))],
    start: Annotated[str | None, typer.Option(help=text("cli.help_start"))] = None,
    end: Annotated[str | None, typer.Option(help=text("cli.help_end"))] = None,
    tables: TablesOf = None,
    columns: ColumnsOf = None,
    zone: ZoneOf = None,
    dayfirst: DayFirst = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help=text("cli.help_replace"))] = False,
    lang: Lang = None,
) -> None:
    """Write the report of a shop's own data."""
    if lang:
        use_language(lang)
    from crmkit.errors import CrmkitError
    from crmkit.reporting.console import waiting
    from crmkit.reporting.reports import may_write
    from crmkit.reporting.reports import report as write

    with _stoppable():
        try:
            may_write(out, overwrite=overwrite)  # before minutes are spent on reading
            with waiting(text("cli.loading", path=_called(path))):
                data = _loaded(path, tables=tables, columns=columns, zone=zone, dayfirst=dayfirst)
            with _sections() as progress:
                place = write(data, out, start=start, end=end, overwrite=overwrite, progress=progress)
        except CrmkitError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
        typer.echo(text("cli.reported", out=place))
        return
    typer.echo(text("cli.report_stopped"), err=True)
    raise typer.Exit(130)


@app.command(help=text("cli.help_progress"))
def progress(
    export: Annotated[Path | None, typer.Option("--export", help=text("cli.help_progress_export"))] = None,
    name: Annotated[str | None, typer.Option("--name", help=text("cli.help_progress_name"))] = None,
    forget: Annotated[bool, typer.Option("--forget", help=text("cli.help_progress_forget"))] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help=text("cli.help_replace"))] = False,
    lang: Lang = None,
) -> None:
    """Show, export or delete the learner's own record."""
    from crmkit.learning.progress import progress as show

    with verbs.said(lang):
        typer.echo(str(show(export=export, name=name, forget=forget, overwrite=overwrite)))


@app.command(help=text("cli.help_board"))
def board(
    folder: Annotated[Path, typer.Argument(help=text("cli.help_board_folder"))],
    out: Annotated[Path | None, typer.Option("--out", help=text("cli.help_board_out"))] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help=text("cli.help_replace"))] = False,
    lang: Lang = None,
) -> None:
    """Put the exported records of a group together."""
    from crmkit.learning.board import board as merged

    with verbs.said(lang):
        merged(folder, out=out, overwrite=overwrite).print(typer.echo)
        if out is not None:
            typer.echo(text("cli.reported", out=out))


def _called(path: str) -> str:
    """What is read, as it may be said: without the password of a database."""
    from crmkit.datasets.opening import plain_name

    return plain_name(path)


def _loaded(path: str, **how: Any) -> Any:
    """What is to be looked at; rows that were set aside are told in the account, not as warnings."""
    import warnings

    from crmkit.datasets import load
    from crmkit.errors import CrmkitWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CrmkitWarning)
        return load(path, **{name: value for name, value in how.items() if value is not None})


@contextmanager
def _sections() -> Iterator[Callable[[str, int, int], None]]:
    """Something to call with the section in work: a bar on a terminal, else a line for each."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda name, done, of: typer.echo(f"{done + 1}/{of}  {name}", err=True) if name else None
        return
    columns = BarColumn(bar_width=16), TaskProgressColumn(), TextColumn("{task.description}")
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda name, done, of: bar.update(task, total=of, completed=done, description=name)


def _levers(told: list[str] | None) -> dict[str, Any]:
    """Levers by name, from `name=value`; what is no number is left for the levers themselves to refuse."""
    changes: dict[str, Any] = {}
    for one in told or []:
        name, sign, value = one.partition("=")
        if not sign:
            _fail("cli.no_value", found=one)
        try:
            changes[name.strip()] = float(value)
        except ValueError:
            changes[name.strip()] = value
    return changes


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """Something to call with the progress: a bar on a terminal, else a line for every tenth of the way."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    console, pace = Console(stderr=True), _Pace()
    if not console.is_terminal:
        yield lambda progress: pace.in_steps(progress, 10)
        return
    columns = BarColumn(bar_width=16), TaskProgressColumn(), TextColumn("{task.description}")
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda progress: bar.update(
            task, total=progress.pieces, completed=progress.finished, description=pace.said(progress)
        )


class _Pace:
    """How fast a run is, going by what it did itself and not by what an earlier one had left there."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.first: Progress | None = None
        self.next = 0

    def said(self, now: Progress) -> str:
        """How far the run is, in words."""
        first = self.first = self.first or now
        if now.table:
            return text("cli.putting_together", table=now.table)
        if now.finished == now.resumed:
            return text("cli.resumed" if now.resumed else "cli.begun", finished=now.finished, pieces=now.pieces)
        seconds = time.monotonic() - self.start
        left = seconds / (now.finished - now.resumed) * (now.pieces - now.finished)
        minutes = f"{left // 60:.0f}:{left % 60:02.0f}"
        numbers = {"lived": now.lived, "customers": now.customers, "rows": now.rows}
        speed = (now.rows - first.rows) / max(seconds, 0.001)
        return text("cli.generating", left=minutes, speed=f"{speed:,.0f}", **{k: f"{v:,}" for k, v in numbers.items()})

    def in_steps(self, now: Progress, per_cent: int) -> None:
        """Say it when so many per cent more are done."""
        said, done = self.said(now), 100 * now.finished // now.pieces
        if done >= self.next and not now.table:
            self.next = done - done % per_cent + per_cent
            typer.echo(f"{done:3d} %  {said}", err=True)


def _course(root: Path | None) -> Path:
    """The folder that holds the course: the one named, else here or above, else the checkout this package is in."""
    here = Path.cwd()
    places = [root.resolve()] if root else [here, *here.parents, PACKAGE.parent]
    found = next((place for place in places if (place / INDEX).is_file()), None)
    return found or _fail("cli.no_course", index=INDEX, places=places[0])


def _port(wanted: int | None) -> int:
    """The port asked for, if it is free; without one, any that is."""
    with socket.socket() as probe:
        if os.name == "posix":  # else a port used a moment ago counts as taken
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted or 0))
        except OSError:
            _fail("cli.port_taken", port=wanted)
        return int(probe.getsockname()[1])


@contextmanager
def _server(course: Path, port: int, token: str, output: Any) -> Iterator[subprocess.Popen[bytes]]:
    """JupyterLab as a process of its own, ended when the block ends, however it ends."""
    environment = {
        **os.environ,
        "CRMKIT_LANG": language(),  # kernels inherit it: messages and pictures follow the menus
        "JUPYTER_TOKEN": token,  # not on the command line, where other users of the machine could read it
        "JUPYTER_PREFER_ENV_PATH": "1",  # this environment's kernel, not one left behind in the home folder
    }
    command = _command(course, port)
    server = subprocess.Popen(
        command, cwd=course, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
    )
    try:
        yield server
    finally:
        _end(server)


def _command(course: Path, port: int) -> list[str]:
    """How JupyterLab is started: on this machine only, asking nobody outside, in the reader's language."""
    return [
        *(sys.executable, "-P", "-m", "jupyterlab"),  # -P: a file in the course folder never shadows a library
        "-y",  # Ctrl+C stops at once
        "--no-browser",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={course}",
        f"--ServerApp.allow_root={hasattr(os, 'geteuid') and os.geteuid() == 0}",
        f"--LabApp.default_url=/lab/tree/{INDEX.as_posix()}",
        f"--LabApp.app_settings_dir={PACKAGE / 'lab_settings' / language()}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]


def _comes_up(server: subprocess.Popen[bytes], port: int, token: str) -> bool:
    """Wait until the server answers; False when it ends first or takes too long."""
    question = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/status", headers={"Authorization": f"token {token}"}
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    latest = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < latest:
        try:
            with direct.open(question, timeout=2) as answer:
                return "started" in json.load(answer)
        except urllib.error.HTTPError:
            return False  # somebody else's server, or a password in the reader's own settings
        except OSError:
            time.sleep(0.1)
    return False


def _show(address: str, *, browser: bool) -> None:
    """Open the course, and say where it is for the case that no browser opens."""
    if browser:
        typer.echo(text("cli.opening"))
    typer.echo(text("cli.ready", address=address))
    if browser:
        webbrowser.open(address)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Ctrl+C, a closed terminal and a plain `kill` all end the block quietly; it cleans up on its way out."""
    names = ("SIGTERM", "SIGHUP", "SIGBREAK")
    before = {name: signal.signal(getattr(signal, name), _interrupt) for name in names if hasattr(signal, name)}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _end(server: subprocess.Popen[bytes]) -> None:
    """Stop the server with its kernels; a second Ctrl+C does not leave them behind."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        server.terminate()
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])


def _fail(key: str, **values: object) -> NoReturn:
    typer.echo(text(key, **values), err=True)
    raise typer.Exit(1)
