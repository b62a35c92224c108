"""Make docs/scenarios.md and its pictures from worlds that are simulated anew.

`python docs/build.py` writes them; `--check` only compares and fails on anything stale: the page as text, the pictures
by a hash of the numbers and words in them, for the same picture is other bytes with another version of a font library.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pictures

from crmkit.plots import png, style
from crmkit.simulator.headlines import headlines
from crmkit.simulator.scenario import Scenario, scenario, scenarios
from crmkit.simulator.world import simulate
from crmkit.texts import LANGUAGES, Language, in_language, text

HERE = Path(__file__).parent
SOURCE = HERE / "texts.toml"
IMAGES, PAGE, HASHES = "images", "scenarios.md", "images/scenarios.json"
CUSTOMERS, WEEKS, SEED = 10_000, 104, 7
COLOURS = 128  # of a picture: few enough for a small file, and nobody sees it
WORDS: dict[str, dict[str, dict[str, str]]] = tomllib.loads(SOURCE.read_text(encoding="utf-8"))

Shops = Mapping[str, tuple[Scenario, dict[Language, pd.DataFrame], pictures.Data]]


def shops() -> Shops:
    """Each scenario with its headline figures in both languages and what its picture shows."""
    found: dict[str, tuple[Scenario, dict[Language, pd.DataFrame], pictures.Data]] = {}
    for name in scenarios():
        made = scenario(name)
        crm = simulate(name, customers=CUSTOMERS, weeks=WEEKS, seed=SEED)
        figures = headlines(crm)
        told = {code: figures.assign(label=_labels(figures["figure"], code)) for code in LANGUAGES}
        data = pictures.textbook_shop(crm) if name == "textbook" else pictures.business(crm, made, figures)
        found[name] = made, told, data
    return found


def _labels(figures: pd.Series, code: Language) -> list[str]:
    with in_language(code):
        return [text(f"headline.{figure}") for figure in figures]


# --- the page


def page(found: Shops) -> str:
    """The page in both languages."""
    lines = ["<!-- made by docs/build.py: do not edit -->", ""]
    for code in ("en", "ja"):
        words = WORDS[code]["page"]
        intro = words["intro"].format(customers=f"{CUSTOMERS:,}", weeks=WEEKS, seed=SEED)
        lines += [f"# {words['title']}", "", words["other"], "", intro, ""]
        for name, (made, told, _) in found.items():
            lines += _business(name, made, told[code], code)
        lines += [f"## {words['add']}", ""]
        lines += [f"{step}. {words[f'add_{step}']}" for step in range(1, 6)]
        lines.append("")
    return "\n".join(lines)


def _business(name: str, made: Scenario, figures: pd.DataFrame, code: Language) -> Iterator[str]:
    """One scenario: its story, its picture, its figures."""
    words, story = WORDS[code]["page"], made.story
    title, told = (story.title_ja, story.text_ja) if code == "ja" else (story.title_en, story.text_en)
    yield from (f"## {words['heading'].format(title=title, name=name)}", "", told, "")
    yield from (words["held"].format(calibrated=story.calibrated, name=name), "")
    yield from (f"![{words['alt'].format(title=title)}]({IMAGES}/{picture(name, code)})", "")
    heads = [words[f"head_{head}"] for head in ("figure", "value", "interval", "n", "expected")]
    yield from (_row(*heads), _row("---", "---:", "---:", "---:", "---:"))
    for row in figures[figures["n"] > 0].itertuples():
        ends = _span(row.low, row.high, row.unit, code) or words["no_interval"]
        n = f"{row.n:,}" if row.figure != "gross_margin" else ""  # counted in yen
        expected = _span(row.expected_low, row.expected_high, row.unit, code, exact=True)
        yield _row(row.label, _shown(row.value, row.unit, code), ends, n, expected)
    yield ""


def _span(low: float, high: float, unit: str, code: Language, exact: bool = False) -> str:
    if math.isnan(low):
        return ""
    ends = [_shown(end, unit, code, exact) for end in (low, high)]
    return ends[0] if exact and low == high else WORDS[code]["page"]["span"].format(low=ends[0], high=ends[1])


def _shown(value: float, unit: str, code: Language, exact: bool = False) -> str:
    """A figure with its unit; `exact` = a round number somebody has set, else counted."""
    value = 100 * value if unit == "share" else value
    digits = {"JPY": 0, "count": 2, "score": 2, "share": 2 if abs(value) < 1 else 1}.get(unit, 1)
    said = f"{round(value, 6):,g}" if exact else f"{value:,.{digits}f}"
    return WORDS[code]["unit"][unit].format(value=said.replace("-", "−"))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


# --- pictures


def picture(name: str, code: Language) -> str:
    """The file name of a picture."""
    return f"scenario_{name}_{code}.png"


def hashes(found: Shops) -> dict[str, str]:
    """What is in each picture, as a hash of its numbers and words."""
    return {
        picture(name, code): hashlib.sha256(
            json.dumps([data, WORDS[code]["picture"], WORDS[code]["unit"]], sort_keys=True).encode()
        ).hexdigest()
        for name, (_, _, data) in found.items()
        for code in LANGUAGES
    }


def drawn(data: pictures.Data, code: Language) -> bytes:
    """A picture as a small PNG."""
    from PIL import Image

    with in_language(code), style():
        figure = pictures.draw(data, WORDS[code]["picture"], WORDS[code]["unit"])
        whole = Image.open(io.BytesIO(png(figure))).convert("RGB")
    small = io.BytesIO()
    whole.quantize(COLOURS).save(small, format="PNG", optimize=True)
    return small.getvalue()


# --- files


def as_json(found: dict[str, str]) -> str:
    """The hashes as they are kept."""
    return json.dumps(found, indent=2) + "\n"


def stale(found: Shops) -> list[str]:
    """What is not there or is not what would be made."""
    kept: Any = json.loads((HERE / HASHES).read_text(encoding="utf-8")) if (HERE / HASHES).is_file() else {}
    wanted = hashes(found)
    old = [
        name
        for name in {**wanted, **kept}
        if kept.get(name) != wanted.get(name) or not (HERE / IMAGES / name).is_file()
    ]
    old = [f"{IMAGES}/{name}" for name in sorted(old)]
    if not (HERE / PAGE).is_file() or (HERE / PAGE).read_text(encoding="utf-8") != page(found):
        old.append(PAGE)
    return old


def main() -> int:
    """Write or compare; 1 if anything is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, fail on anything stale")
    check = parser.parse_args().check
    found = shops()
    if check:
        old = stale(found)
        print("\n".join(f"stale: docs/{name}" for name in old), end="\n" if old else "")
        return int(bool(old))
    (HERE / IMAGES).mkdir(exist_ok=True)
    for name, (_, _, data) in found.items():
        for code in LANGUAGES:
            (HERE / IMAGES / picture(name, code)).write_bytes(drawn(data, code))
    (HERE / HASHES).write_text(as_json(hashes(found)), encoding="utf-8", newline="\n")
    (HERE / PAGE).write_text(page(found), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
