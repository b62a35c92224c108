"""The course as a learner waits for it: each lesson from top to bottom, and from a key to the new picture.

Cells run in a kernel of their own, its start not counted; keys are pressed in a real browser on a real JupyterLab.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import nbformat
import tables

sys.path[:0] = [str(tables.ROOT), str(tables.ROOT / "tests"), str(tables.ROOT / "notebooks")]

NOTEBOOKS = tables.ROOT / "notebooks"
LANGUAGES = ("ja", "en")
MOST_SECONDS, MOST_MS = 10, 200
Found = list[dict[str, Any]]


def measure(into: Found, say: Callable[[str], None]) -> None:
    """Every lesson in both languages."""
    slugs = [path.stem for path in sorted((NOTEBOOKS / "lessons").glob("*.py"))]
    idle = _seconds(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]))
    for slug in slugs:
        say(f"course: {slug}, top to bottom")
        read = [nbformat.read(NOTEBOOKS / code / "solutions" / f"{slug}.ipynb", 4) for code in LANGUAGES]
        seconds = [_seconds(notebook) - idle for notebook in read]
        into.append({"lesson": slug, "cells": len(read[0].cells), "seconds": median(seconds)})
    try:
        _in_the_browser(into, say)
    except Exception as error:  # whatever hinders the browser must not lose the other figures
        into.append({"missing": f"{type(error).__name__}: {error}".splitlines()[0]})


def _seconds(notebook: Any) -> float:
    from builder import run

    begun = time.perf_counter()
    run.run(notebook)
    return time.perf_counter() - begun


def _in_the_browser(lessons: Found, say: Callable[[str], None]) -> None:
    import lab as driver

    for code in LANGUAGES:
        with driver.running_lab(code) as running, driver.running_browser() as browser:
            for one in lessons:
                say(f"course: {one['lesson']} {code}, key to picture")
                one[f"key_ms_{code}"] = median(driver.key_to_picture(running, browser, one["lesson"]))


def report(found: Found) -> list[str]:
    """What was found, as lines of a table."""
    if not found:
        return []
    lines = [
        "",
        "the course (seconds from the first cell to the last; milliseconds from a key to the picture)",
    ]
    lines.append(f"  {'':<30}{'cells':>7}{'seconds':>9}{'ja ms':>8}{'en ms':>8}")
    for one in found:
        if "missing" in one:
            lines.append(f"  browser not measured: {one['missing']}")
            continue
        keys = [one.get(f"key_ms_{code}") for code in LANGUAGES]
        said = f"  {one['lesson']:<30}{one['cells']:>7}{one['seconds']:>9.1f}"
        said += "".join(f"{key:>8.0f}" if key is not None else f"{'-':>8}" for key in keys)
        late = f"  > {MOST_SECONDS} s" if one["seconds"] > MOST_SECONDS else ""
        slow = f"  > {MOST_MS} ms" if any(key is not None and key > MOST_MS for key in keys) else ""
        lines.append(said + late + slow)
    return lines
