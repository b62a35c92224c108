"""Everything `make test` does once the environment stands: one heading and one time per step, all failures at the end.

    python tools/check.py                     all steps
    python tools/check.py lint format         these only
    python tools/check.py tests -- -k shop    what follows -- goes to pytest

Nothing stops at the first failure: who waits for a check wants the whole list.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import machine

ROOT = Path(__file__).resolve().parent.parent
LIMIT_SECONDS = 45 * 60  # whatever takes longer hangs
MODULE = [sys.executable, "-m"]
# What stays in one process, and what comes first, is told in tests/conftest.py.
TOGETHER = ["-n", "auto", "--maxprocesses", "4", "--dist", "loadfile", "--no-loadscope-reorder"]
STEPS = {
    "lint": [*MODULE, "ruff", "check", "."],
    "format": [*MODULE, "ruff", "format", "--check", "."],
    "types": [*MODULE, "mypy"],
    "imports": [str(Path(sys.executable).with_name("lint-imports"))],
    "worlds": [sys.executable, "docs/build.py", "--check"],
    "reference": [sys.executable, "docs/reference.py", "--check"],
    "sheet": [sys.executable, "docs/sheet.py", "--check"],
    "lessons": [sys.executable, "notebooks/build.py", "--check", "--saved"],  # nbval runs them, among the tests
    "tests": [*MODULE, "pytest", "--durations=10", *TOGETHER],  # nbval over the lessons, Spark and the browser too
}
NEED_MACHINE = {"tests"}
PYTEST_SUMMARY = re.compile(r"^(=+ .*\b)?(\d+ (passed|failed|error|skipped)|no tests ran)\b.* in \d")


def main(arguments: list[str]) -> int:
    """Run the steps named, or all; 0 when every one of them is well."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    names, rest = arguments[:at], arguments[at + 1 :]
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        print(f"no such step: {', '.join(unknown)}; there are {', '.join(STEPS)}")
        return 2
    chosen = names or list(STEPS)
    results: list[tuple[str, bool, float, str]] = []
    environment: dict[str, str] | None = dict(os.environ)
    if NEED_MACHINE & set(chosen):
        environment = _machine(results)
    for name in chosen:
        if environment is None and name in NEED_MACHINE:
            results.append((name, False, 0.0, "not run: the machine lacks something (see above)"))
            continue
        command = STEPS[name] + (rest if "pytest" in STEPS[name] else [])
        results.append(_step(name, command, environment or dict(os.environ)))
    return _report(results)


def _machine(results: list[tuple[str, bool, float, str]]) -> dict[str, str] | None:
    """The environment for pytest with browser and Java named, or `None` when something cannot be had."""
    _heading("machine")
    begin = time.monotonic()
    try:
        found = machine.environment_for_tests()
    except machine.Missing as error:
        print(error, flush=True)
        results.append(("machine", False, time.monotonic() - begin, str(error)))
        return None
    for name, value in found.items():
        print(f"{name}={value}", flush=True)
    results.append(("machine", True, time.monotonic() - begin, ""))
    return {**os.environ, **found}


def _step(name: str, command: list[str], environment: dict[str, str]) -> tuple[str, bool, float, str]:
    """Run one step, show its output as it comes, and keep pytest's summary line."""
    _heading(name)
    begin = time.monotonic()
    summary = ""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # so that a step that hangs is ended together with the kernels and servers it started
    ) as process:
        watch = threading.Timer(LIMIT_SECONDS, _end, [process])
        watch.start()
        try:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                summary = line.strip(" =\n") if PYTEST_SUMMARY.match(line.strip()) else summary
        except BaseException:
            _end(process)
            raise
        finally:
            watch.cancel()
    seconds = time.monotonic() - begin
    if process.returncode and seconds >= LIMIT_SECONDS:
        summary = f"ended after {LIMIT_SECONDS} s without coming to an end"
    return name, process.returncode == 0, seconds, summary


def _end(process: subprocess.Popen[str]) -> None:
    """End a step with everything it started."""
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _heading(name: str) -> None:
    print(f"\n──── {name} {'─' * (70 - len(name))}", flush=True)


def _report(results: list[tuple[str, bool, float, str]]) -> int:
    """All steps with their times, what failed, and pytest's own summary as the last line."""
    _heading("result")
    for name, good, seconds, note in results:
        print(f"{'ok    ' if good else 'FAILED'} {name:<10} {seconds:6.1f} s  {note}")
    failed = [name for name, good, *_ in results if not good]
    verdict = f"FAILED: {', '.join(failed)}" if failed else "all well"
    print(f"{len(results)} steps, {sum(row[2] for row in results):.0f} s, {verdict}")
    print(next((f"pytest: {note}" for name, _, _, note in results if name == "tests" and note), ""), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
