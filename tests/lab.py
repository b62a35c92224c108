"""Drives the real thing: `crmkit lab` as a process, and a real Chromium looking at it.

The server gets a copy of the course and settings folders of its own, so that a test never changes this folder or the
settings of whoever runs it. It is ended by the process id it was started with. Everything that waits has a limit.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from crmkit.texts import LANGUAGES, messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
LESSON = "08_repeat_and_retention"
START_SECONDS = 120
STOP_SECONDS = 30
STEP_MS = 60_000  # any single wait in the browser
KERNEL_MS = 180_000  # opening a kernel and running a whole lesson, on a busy machine
BROWSER_OPTIONS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # Chromium must not phone home: the test counts every address that is asked.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PICTURE = ".crmkit-explorer img.crmkit-picture, .crmkit-explorer .crmkit-picture img"
SUMMARY = ".crmkit-explorer .crmkit-summary"
HANDLE = ".crmkit-explorer .crmkit-slider .noUi-handle"

RUN_ALL = """async (limit) => {
    // Cells run before the kernel is connected are dropped without a word.
    const work = async () => {
        const panel = jupyterapp.shell.currentWidget;
        await panel.context.ready;
        await panel.sessionContext.ready;
        await panel.sessionContext.session.kernel.info;
        await jupyterapp.commands.execute('notebook:run-all-cells');
    };
    const late = new Promise((_, fail) => setTimeout(() => fail(new Error('the lesson does not end')), limit));
    await Promise.race([work(), late]);
}"""
CELL_ERRORS = """() => {
    const cells = [...jupyterapp.shell.currentWidget.content.model.cells].map(cell => cell.toJSON());
    const outputs = cells.flatMap(cell => (cell.outputs || []).map(output => ({output, source: cell.source})));
    return outputs.filter(({output}) => output.output_type === 'error')
        .map(({output, source}) => `${output.ename}: ${output.evalue} in: ${source}`);
}"""
WATCH_KEYS = """([picture, moved]) => {
    // From the key press to the new picture, decoded and painted; measured in the page, so the test's own delay is out.
    window.crmkitTimes = [];
    window.addEventListener(moved, () => {
        const begin = performance.now();
        const before = document.querySelector(picture).src;
        const look = async () => {
            const image = document.querySelector(picture);
            if (!image || !image.src || image.src === before) return requestAnimationFrame(look);
            await image.decode().catch(() => null);
            requestAnimationFrame(() => window.crmkitTimes.push(performance.now() - begin));
        };
        look();
    }, true);
}"""


@dataclass
class Lab:
    """A running JupyterLab."""

    language: str
    address: str  # as `crmkit lab` printed it: the index page, with the token
    process: subprocess.Popen[bytes]
    course: Path

    def lesson(self, slug: str = LESSON) -> str:
        """The address that opens a lesson in an empty workspace."""
        base, token = self.address.split("/lab/tree/")[0], self.address.split("?")[1]
        return f"{base}/lab/tree/notebooks/{self.language}/{slug}.ipynb?{token}&reset"


@dataclass
class Visit:
    """A page, and what went wrong or outside while it was open."""

    page: Page
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)


@contextmanager
def running_lab(language: str) -> Iterator[Lab]:
    """`crmkit lab` on a copy of the course, with settings folders of its own."""
    with tempfile.TemporaryDirectory(prefix="crmkit-test-", ignore_cleanup_errors=True) as folder:
        course = Path(folder, "course")
        for part in ("notebooks", "datasets"):
            shutil.copytree(ROOT / part, course / part, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        said = Path(folder, "said.txt")
        command = [str(Path(sys.executable).with_name("crmkit")), "lab", "--no-browser", "--lang", language]
        with said.open("wb") as output:
            process = subprocess.Popen(
                [*command, "--root", str(course)],
                env=_own_settings(Path(folder)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield Lab(language, _address(process, said), process, course)
        finally:
            stop(process)


def _own_settings(folder: Path) -> dict[str, str]:
    """An environment in which Jupyter reads and writes nothing of this machine's user."""
    names = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    for name in names.values():
        (folder / name).mkdir()
    (folder / "config" / "jupyter_lab_config.json").write_text(json.dumps({"LabApp": {"expose_app_in_browser": True}}))
    return {**os.environ, **{variable: str(folder / name) for variable, name in names.items()}}


def _address(process: subprocess.Popen[bytes], said: Path) -> str:
    """The address that `crmkit lab` prints when the server is up."""
    latest = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < latest:
        found = re.search(r"^http://127\.0\.0\.1:\d+/\S+", said.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"crmkit lab did not come up:\n{said.read_text(encoding='utf-8')}")


def stop(process: subprocess.Popen[bytes]) -> int:
    """End `crmkit lab` as Ctrl+C does; what it may have left behind is ended with its group."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_SECONDS)
        raise


def chromium() -> str:
    """The browser that `tools/machine.py` finds; without one this raises, so no test is skipped in silence."""
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    from tools import machine

    machine.need_japanese_font()
    return str(machine.need_browser())


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A headless Chromium."""
    options = [*BROWSER_OPTIONS, "--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else BROWSER_OPTIONS
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=options, timeout=STEP_MS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser: Browser, address: str, language: str) -> Iterator[Visit]:
    """Open an address in a fresh profile and keep an eye on errors and on requests that leave this machine."""
    locale = "ja-JP" if language == "ja" else "en-US"
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, locale=locale)
    context.set_default_timeout(STEP_MS)
    page = context.new_page()
    seen = Visit(page)
    page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("request", lambda request: _note_outside(seen, request.url))
    page.on("websocket", lambda socket: _note_outside(seen, socket.url))
    try:
        page.goto(address)
        page.wait_for_selector("#jupyterlab-splash", state="detached")
        yield seen
    finally:
        context.close()


def _note_outside(seen: Visit, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"data", "blob"} and parts.hostname != "127.0.0.1":
        seen.outside.append(url)


def open_lesson(page: Page) -> None:
    """Wait until the notebook shows, and run all of it."""
    page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell")
    page.evaluate(RUN_ALL, KERNEL_MS)
    page.wait_for_selector(".crmkit-explorer", state="attached")
    page.locator(".crmkit-explorer").first.scroll_into_view_if_needed()
    wait_for_another_summary(page, "")  # drawn a moment after the cell has ended
    page.locator(PICTURE).first.wait_for(state="visible")


def unlock(page: Page) -> None:
    """Let the result show, without a prediction."""
    locked = summary(page)
    page.locator(".crmkit-explorer .crmkit-skip").first.click()
    wait_for_another_summary(page, locked)


def reset(page: Page) -> None:
    """Hide the result again and put all controls back."""
    page.locator(".crmkit-explorer .crmkit-reset").first.click()
    hidden = [messages(code)["explorer.locked"] for code in LANGUAGES]
    locked = "([where, hidden]) => hidden.some(said => document.querySelector(where).innerText.includes(said))"
    page.wait_for_function(locked, arg=[SUMMARY, hidden])


def summary(page: Page) -> str:
    """The sentence under the first picture."""
    return page.locator(SUMMARY).first.inner_text().strip()


def wait_for_another_summary(page: Page, before: str) -> None:
    """Until the sentence is no longer `before`."""
    changed = "([where, before]) => (document.querySelector(where)?.innerText ?? before).trim() !== before"
    page.wait_for_function(changed, arg=[SUMMARY, before])


def key_to_picture(running: Lab, browser: Browser, slug: str = LESSON, presses: int = 12) -> list[float]:
    """Milliseconds from a key on a lesson's first control to the new picture on the screen, press by press.

    The first two presses warm up and are not counted.
    """
    with visit(browser, running.lesson(slug), running.language) as seen:
        open_lesson(seen.page)
        unlock(seen.page)
        sliders = seen.page.locator(HANDLE).count()
        return slider_times(seen.page, presses) if sliders else choice_times(seen.page, presses)


def at_the_end(handle: Locator) -> bool:
    """Whether a slider stands at its maximum, from where only the way back changes anything."""
    return handle.get_attribute("aria-valuenow") == handle.get_attribute("aria-valuemax")


def slider_times(page: Page, presses: int = 12) -> list[float]:
    """Press keys to and fro on the first slider; milliseconds each, without the first two."""
    handle = page.locator(HANDLE).first
    handle.focus()
    there, back = ("ArrowLeft", "ArrowRight") if at_the_end(handle) else ("ArrowRight", "ArrowLeft")
    page.evaluate(WATCH_KEYS, [PICTURE, "keydown"])
    return _times(page, presses, lambda press: page.keyboard.press(there if press % 2 == 0 else back))


def choice_times(page: Page, presses: int = 12) -> list[float]:
    """The same for the first drop-down, which is set to its second choice and back."""
    box = page.locator(".crmkit-explorer select").first
    page.evaluate(WATCH_KEYS, [PICTURE, "change"])
    return _times(page, presses, lambda press: box.select_option(index=1 - press % 2))


def _times(page: Page, presses: int, move: Callable[[int], object]) -> list[float]:
    for press in range(presses + 2):
        move(press)
        page.wait_for_function("(count) => window.crmkitTimes.length > count", arg=press)
    return list(page.evaluate("window.crmkitTimes"))[2:]
