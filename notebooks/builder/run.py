"""Runs a lesson's notebook in a fresh kernel, keeps what people should see of it, and reports what went wrong."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty
from typing import Any

import nbclient
import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellControlSignal, CellTimeoutError, DeadKernelError
from nbclient.util import ensure_async

from builder.prose import Placeholder
from crmkit.texts import LANGUAGES, messages

CELL_SECONDS = 120
STARTUP_SECONDS = 60
RUN_SECONDS = 600  # whatever takes longer hangs
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"  # without a kernel JupyterLab shows "model not found" for it
HARMLESS = ("Matplotlib is building the font cache",)  # once on a new machine, whatever the lesson does
ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}\b|\b0x[0-9a-f]{8,}\b")
# widgets and checks say an exception, or that a question was never offered, instead of raising it
FAILED_INSIDE = ("explorer.failed", "verdict.failed", "verdict.unknown")
FILLING = """\
def _fill(wanted):
    import json
    import warnings

    filled = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for expression, spec in wanted:
            try:
                filled.append([True, format(eval(expression, globals()), spec)])
            except Exception as error:
                filled.append([False, f"{{type(error).__name__}}: {{error}}"])
    print("\\n" + json.dumps(filled))


_fill({wanted!r})
"""


class Failed(Exception):
    """A notebook did not run as it should: pairs of a place and what happened there."""

    def __init__(self, wrong: Sequence[tuple[str, str]]) -> None:
        self.wrong = list(wrong)
        super().__init__("\n".join(f"{place}: {what}" for place, what in wrong))


class _ThisPython(AsyncKernelManager):
    """The kernel of the Python that builds, not one that happens to be installed under the same name."""

    @property
    def kernel_spec(self) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=40"]
        return KernelSpec(argv=command, display_name="Python 3", language="python")


class _Client(nbclient.NotebookClient):
    """nbclient, looking for the reply in short slices.

    A widget that sends on the shell socket while a reader waits for it can swallow the wake-up of that socket
    (nbclient#312); a reader without end of patience then waits for ever.
    """

    slice_seconds = 0.5

    async def _async_poll_for_reply(self, *given: Any) -> Any:
        assert self.kc is not None
        channel = self.kc.shell_channel
        whole = channel.get_msg

        async def in_slices(timeout: float | None = None) -> Any:
            latest = None if timeout is None else time.monotonic() + timeout
            while True:
                left = self.slice_seconds if latest is None else max(0.0, latest - time.monotonic())
                try:
                    return await ensure_async(whole(timeout=min(self.slice_seconds, left)))
                except Empty:
                    if latest is not None and time.monotonic() >= latest:
                        raise

        channel.get_msg = in_slices
        try:
            return await super()._async_poll_for_reply(*given)
        finally:
            channel.get_msg = whole


def run(notebook: Any, *, may_warn: bool = False) -> None:
    """Run all cells in place, in an empty folder; outputs are left as they should be stored.

    `may_warn` lets cells write to stderr: data of one's own deserve their warnings.

    Raises:
        Failed: a cell raised, took too long or wrote to stderr, or a widget shows an error.
    """
    begin = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="crmkit-run-", ignore_cleanup_errors=True) as empty:
            home = Path(empty, "ipython")
            home.mkdir()
            states = asyncio.run(_execute(notebook, Path(empty), home))
    except CellControlSignal as error:
        raise Failed([_raised(notebook, error)]) from None
    except (DeadKernelError, TimeoutError, RuntimeError) as error:
        late = time.monotonic() - begin >= RUN_SECONDS
        what = f"takes longer than {RUN_SECONDS} s" if late else f"{type(error).__name__}: {error}"
        raise Failed([("the run", what)]) from None
    wrong = list(_wrong(notebook, states, may_warn))
    if wrong:
        raise Failed(wrong)
    _tidy(notebook)


async def _execute(notebook: Any, folder: Path, home: Path) -> dict[str, Any]:
    """Run with a limit for every cell and for the whole; gives the widgets' states."""
    client = _Client(
        notebook,
        timeout=CELL_SECONDS,
        startup_timeout=STARTUP_SECONDS,
        kernel_manager_class=_ThisPython,
        resources={"metadata": {"path": str(folder)}},
        coalesce_streams=True,
        record_timing=False,
    )
    # A profile of one's own may run code at the start of every kernel; the course must not depend on it.
    environment = {**os.environ, "IPYTHONDIR": str(home), "CRMKIT_PROGRESS": "off"}
    environment.pop("CRMKIT_LANG", None)
    await asyncio.wait_for(client.async_execute(env=environment), RUN_SECONDS)
    return dict(client.widget_state)


def compute(
    notebook: Any, wanted: Sequence[Placeholder], *, may_warn: bool = False
) -> dict[Placeholder, tuple[bool, str]]:
    """Run the notebook and, in one more cell that is not kept, work out the placeholders: (fine, value or error)."""
    asking = question(wanted)
    notebook.cells.append(asking)
    try:
        run(notebook, may_warn=may_warn)
    finally:
        notebook.cells.pop()
    said = "".join(output.get("text", "") for output in asking.outputs)
    return {one: (fine, value) for one, (fine, value) in zip(wanted, json.loads(said.splitlines()[-1]), strict=True)}


def question(wanted: Sequence[Placeholder]) -> Any:
    """The cell that works out placeholders; it prints an empty line and a list of (fine, value or error) as JSON."""
    return nbformat.v4.new_code_cell(FILLING.format(wanted=[list(one) for one in wanted]), id="placeholders")


def _place(cell: Any) -> str:
    return f"cell {cell.id} ({' '.join(cell.source.split())[:40]})"


def _raised(notebook: Any, error: Exception) -> tuple[str, str]:
    """Which cell ended the run, and how."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                late = isinstance(error, CellTimeoutError)
                what = f"takes longer than {CELL_SECONDS} s" if late else f"raises {output.ename}: {output.evalue}"
                return _place(cell), what
    return "a cell", str(error)


def _wrong(notebook: Any, states: dict[str, Any], may_warn: bool) -> Iterator[tuple[str, str]]:
    """What a run that came to its end may still hide."""
    for cell in notebook.cells:
        place = _place(cell)
        for output in cell.get("outputs", ()):
            said = _said(output)
            if output.output_type == "stream" and output.name == "stderr":
                lines = [line for line in said.splitlines() if line.strip() and not line.startswith(HARMLESS)]
                if lines and not may_warn:
                    yield place, f"writes to stderr: {' / '.join(lines)[:300]}"
                continue
            address = ADDRESS.search(said)
            if address:
                yield place, f"shows an object's address, which changes with every run: {address[0]}"
            for private in {sys.prefix, str(Path.home()), os.getcwd(), tempfile.gettempdir()} - {"/"}:
                if private in said:
                    yield place, f"shows a path of this machine: {private}"
            if cell.id != "placeholders":
                yield from ((place, f"shows a failure: {line}") for line in _failures(said))
    for told in states.values():
        for output in told.get("outputs") or ():
            if output.get("output_type") == "error":
                yield "a widget", f"holds an error: {output.get('ename')}: {output.get('evalue')}"
        if isinstance(told.get("value"), str):
            yield from (("a widget", f"shows a failure: {line}") for line in _failures(told["value"]))


def _said(output: Any) -> str:
    """All text of an output."""
    data = output.get("data", {})
    texts = [value for mime, value in data.items() if mime.startswith("text/") and isinstance(value, str)]
    return "\n".join([output.get("text", ""), *texts])


def _failures(said: str) -> Iterator[str]:
    """Sentences that stand for an exception, in either language."""
    for code in LANGUAGES:
        for key in FAILED_INSIDE:
            pieces = re.split(r"\{\w+\}", messages(code).get(key, ""))
            if any(piece.strip() for piece in pieces) and all(piece.strip() in said for piece in pieces):
                yield " ".join(said.split())[:200]


def _tidy(notebook: Any) -> None:
    """Keep of the outputs what is the same on every machine and shows without a kernel.

    Cells are counted from 1 as in a fresh kernel: nbval takes outputs of a cell without a count for a mistake.
    """
    notebook.metadata.pop("widgets", None)
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(codes, 1):
        cell.execution_count = count
        cell.metadata.pop("execution", None)
        cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
        for output in cell.outputs:
            if "execution_count" in output:
                output["execution_count"] = count
            data = output.get("data", {})
            if len(data) > 1:
                data.pop(WIDGET_VIEW, None)
