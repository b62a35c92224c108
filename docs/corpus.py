"""Write docs/corpus.md: every file of the test corpus, what is wrong with it, and what crmkit says, in both languages.

`python docs/corpus.py` writes the page; `--check` only compares, and fails if it is stale.
"""

from __future__ import annotations

import argparse
import html
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from crmkit.texts import in_language, text  # noqa: E402
from tests.corpus import CASES, Case, Outcome, tried  # noqa: E402

PAGE = HERE / "corpus.md"
HEAD = """<!-- Made by docs/corpus.py: do not edit. -->

# Files that nobody tidied / 整っていないデータ

{count} sources, each broken, hostile or merely odd, and what `crmkit.load` says about it. The tests
(`tests/test_corpus.py`) make each of them and hold crmkit to it: nothing but its own errors and warnings comes out,
every row is accounted for, the source stays as it was, and nobody's name, address or number is in a message.

壊れているもの、悪意のあるもの、ただ変わっているものなど、
{count}個の元データと、それぞれに対する `crmkit.load` の答えです。
テスト（`tests/test_corpus.py`）がすべてを実際に作り、次のことを確かめています。
crmkit 自身のエラーと警告しか出ないこと、どの行の行方も分かること、
元のデータが変わらないこと、個人の名前や連絡先がメッセージに出ないこと。

| case | what is wrong / どこがおかしいか | crmkit says | crmkit の答え |
| --- | --- | --- | --- |
"""


def answer(outcome: Outcome) -> Iterator[str]:
    """What is said, short: the error, or the rows and the problems."""
    if outcome.crm is None:
        yield str(outcome.error)
        return
    unsaid = [text(f"load.{key}", columns="…").split("…")[0] for key in ("used", "unused")]
    for line in outcome.crm.report().splitlines():
        if not line.strip().startswith(tuple(unsaid)):
            yield line.strip()


def row(case: Case) -> str:
    """A line of the table."""
    said = []
    with TemporaryDirectory() as place:
        folder = Path(place).resolve() / "data"
        folder.mkdir()
        with in_language("en"):  # a folder's name may be given while it is opened
            outcome = tried(case, folder)
        for code in ("en", "ja"):
            with in_language(code):
                words = " / ".join(answer(outcome)).replace(f"{folder}/", "").replace(str(folder), "data")
            said.append(cell(words.replace(place, "…")))
    return f"| `{case.name}` | {cell(case.wrong)}<br>{cell(case.wrong_ja)} | {said[0]} | {said[1]} |\n"


def cell(words: str) -> str:
    """Text that stays text in a table of Markdown, whatever is in it."""
    shown = "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in " ".join(words.split()))
    shown = re.sub(r"\d{12,}", "…", shown)  # checksums, which differ from file to file
    return re.sub(r"([\\|*_`\[\]{}$~])", r"\\\1", html.escape(shown, quote=False))


def written() -> str:
    """The whole page."""
    return HEAD.format(count=len(CASES)) + "".join(map(row, CASES))


def main() -> int:
    """Write or compare; 1 if the page is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, fail if the page is stale")
    check = parser.parse_args().check
    said = written()
    stale = not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != said
    if check:
        print("stale: docs/corpus.md: run make docs\n" if stale else "", end="")
        return int(stale)
    PAGE.write_text(said, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
