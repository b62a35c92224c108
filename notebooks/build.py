"""Writes the lesson notebooks of `lessons/`, the front page and the glossary.

    python notebooks/build.py               all lessons
    python notebooks/build.py --only 08     one lesson
    python notebooks/build.py --check       change nothing, list what is not as it would be built
    python notebooks/build.py --check --saved    the same without running: outputs as saved, which nbval puts to a test
    python notebooks/build.py --stamp 08    note in lesson 08 that its English says what its Japanese says now

The generated notebooks are committed, and never edited: the next build would undo it.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from builder import course
from builder.trouble import Refused

HERE = Path(__file__).resolve().parent


def main(arguments: list[str] | None = None) -> int:
    """The command; 0 when all is well."""
    parser = argparse.ArgumentParser(description="Writes the lesson notebooks.")
    parser.add_argument("--check", action="store_true", help="change nothing, list what is stale")
    parser.add_argument(
        "--saved", action="store_true", help="with --check: run nothing, take outputs as they are saved"
    )
    parser.add_argument("--only", metavar="NN", help="one lesson, by its number")
    parser.add_argument("--stamp", metavar="NN", help="note that a lesson's English says what its Japanese says now")
    parser.add_argument("--folder", type=Path, default=HERE, help="the folder that holds lessons/ (default: this one)")
    chosen = parser.parse_args(arguments)
    if chosen.saved and not chosen.check:
        parser.error("--saved goes with --check: a build runs every lesson")
    say = partial(print, flush=True)
    begin = time.monotonic()
    try:
        if chosen.stamp:
            slug, changed = course.stamp(chosen.folder, chosen.stamp)
            say(f"{slug}: {changed} English cells stamped anew")
            return 0
        if not chosen.check:
            course.build(chosen.folder, only=chosen.only, say=say)
        troubles = course.check(chosen.folder, only=chosen.only, saved=chosen.saved, say=say) if chosen.check else []
    except Refused as refused:
        troubles = refused.troubles
    for trouble in troubles:
        print(trouble, file=sys.stderr)
    verdict = f"{len(troubles)} to mend" if troubles else "all well"
    say(f"{'check' if chosen.check else 'build'}: {verdict}, {time.monotonic() - begin:.1f} s")
    return 1 if troubles else 0


if __name__ == "__main__":
    raise SystemExit(main())
