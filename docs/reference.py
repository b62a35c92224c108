"""Write the reference: docs/api (one page per room), docs/metrics_en.md and _ja.md, and the face's stub.

`python docs/reference.py` writes them; `--check` only compares, and fails on anything stale and on public names whose
docstring lacks a parameter, a result or an example.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import griffe

import crmkit
from crmkit import compared, metrics
from crmkit.texts import LANGUAGES, Language, glossary, in_language, text

HERE = Path(__file__).parent
STUB = HERE.parent / "crmkit" / "__init__.pyi"
MADE = "<!-- made by docs/reference.py: do not edit -->"
THEMES = ("relationship", "management", "retention", "service")
PAGES = {
    "relationship": "crmkit.metrics.relationship",
    "management": "crmkit.metrics.management",
    "retention": "crmkit.metrics.retention",
    "service": "crmkit.metrics.service",
    "any_figure": "crmkit.compared crmkit.metrics.counting crmkit.scorecard crmkit.estimate",
    "models": "crmkit.models",
    "plots": "crmkit.plots",
    "data": "crmkit.datasets crmkit.texts",
    "simulator": "crmkit.simulator",
}
KINDS = griffe.DocstringSectionKind
Function = tuple[str, Any]


def public() -> dict[str, list[Function]]:
    """The public names of each page, with what griffe read of them."""
    package = griffe.load("crmkit", docstring_parser="google", search_paths=[str(HERE.parent)])
    rooms = {name: room for room, names in crmkit._ROOMS.items() for name in names}
    for whole in crmkit._WHOLE:
        offered = import_module(f"crmkit.{whole}")
        rooms |= {f"{whole}.{name}": getattr(offered, name).__module__ for name in offered.__all__}
    found: dict[str, list[Function]] = {page: [] for page in PAGES}
    for shown, room in sorted(rooms.items()):
        page = next(page for page, roots in PAGES.items() if any(room.startswith(root) for root in roots.split()))
        found[page].append((f"crmkit.{shown}", _read(package, room, shown.split(".")[-1])))
    return found


def _read(package: Any, room: str, name: str) -> Any:
    read = package[room.removeprefix("crmkit.")][name]
    return read.final_target if read.is_alias else read


# --- what a docstring has to say


def gaps(found: Mapping[str, list[Function]]) -> list[str]:
    """What the docstrings of public names do not say."""
    told = []
    for page, functions in found.items():
        for name, read in functions:
            told += [f"{name}: {gap}" for gap in _gaps(read, page)]
    return told


def _gaps(read: Any, page: str) -> Iterator[str]:
    if read.docstring is None:
        yield "no docstring"
        return
    sections = {section.kind: section for section in read.docstring.parsed}
    if KINDS.examples not in sections:
        yield "no example"
    if not read.is_function:
        return
    parameters = [one.name for one in read.parameters if one.name != "self"]
    said: set[str] = set()
    if KINDS.parameters in sections:
        said = {name for one in sections[KINDS.parameters].value for name in re.split(r",\s*", one.name)}
    for name in parameters:
        if name not in {each.lstrip("*") for each in said}:
            yield f"parameter {name} not explained"
    if str(read.returns) not in ("None", "Iterator[None]") and KINDS.returns not in sections:
        yield "result not explained"
    if page in THEMES and KINDS.raises not in sections:
        yield "errors not named"


# --- the pages of the API


def api(found: Mapping[str, list[Function]]) -> dict[str, str]:
    """The pages by file name."""
    pages = {f"api/{page}.md": _page(page, functions) for page, functions in found.items()}
    lines = [MADE, "", "# API", "", "Everything public, by room; the examples run in the tests.", ""]
    for page, functions in found.items():
        names = ", ".join(f"[{name.removeprefix('crmkit.')}]({page}.md#{_anchor(name)})" for name, _ in functions)
        lines += [f"- **[{page}]({page}.md)**: {names}"]
    return {"api/README.md": "\n".join([*lines, ""]), **pages}


def _anchor(name: str) -> str:
    return re.sub(r"[^\w]", "", name)


def _page(page: str, functions: list[Function]) -> str:
    lines = [MADE, "", f"# {page.replace('_', ' ').capitalize()}", ""]
    for name, read in functions:
        lines += [f"## {name}", "", *_signature(name, read), *_sections(read)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join([*lines, ""]))


def _signature(name: str, read: Any) -> Iterator[str]:
    if not read.is_function:
        return
    parts, starred = [], False
    for one in read.parameters:
        if one.kind is griffe.ParameterKind.keyword_only and not starred:
            parts.append("*")
            starred = True
        default = "" if one.default is None else f"={one.default}"
        star = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}.get(one.kind, "")
        starred = starred or star == "*"
        parts.append(f"{star}{one.name}{'' if star else default}")
    yield from ("```python", f"{name}({', '.join(parts)})", "```", "")


def _sections(read: Any) -> Iterator[str]:
    for section in read.docstring.parsed:
        if section.kind is KINDS.text:
            yield from (section.value, "")
        elif section.kind is KINDS.examples:
            yield from ("**Examples**", "", "```pycon", *(part[1] for part in section.value), "```", "")
        elif section.kind is KINDS.admonition:
            yield from (f"**{section.title}**", "", section.value.contents, "")
        elif isinstance(section.value, list):
            yield from (f"**{_HEADS.get(section.kind, section.kind.value.capitalize())}**", "")
            yield from (_item(one) for one in section.value)
            yield ""


_HEADS = {KINDS.parameters: "Parameters", KINDS.raises: "Errors"}


def _item(one: Any) -> str:
    name = str(getattr(one, "name", "") or ("" if one.annotation is None else one.annotation))
    told = re.sub(r"\s*\n\s*", " ", one.description)
    is_result = type(one).__name__ == "DocstringReturn"
    return f"- {told}" if is_result or not name else f"- `{name.strip('()')}`: {told}"


# --- the definitions


def definitions(code: Language) -> str:
    """All definitions of all metrics, by theme, in one language."""
    with in_language(code):
        lines = [MADE, "", f"# {text('reference.title')}", "", text("reference.intro"), ""]
        for theme in (*THEMES, "any"):
            lines += [f"## {text(f'reference.theme.{theme}')}", ""]
            for name in sorted(name for name in metrics.ROOM_OF if _theme(name) == theme):
                lines += _metric(name)
        lines += _concepts()
    return "\n".join(lines)


def _theme(name: str) -> str:
    part = metrics.ROOM_OF[name].split(".")[2]
    return part if part in THEMES else "any"


def _metric(name: str) -> Iterator[str]:
    yield from (f"### {name}", "")
    for one in compared.definitions(name):
        if one.metric == name:
            yield f"- **{one.label}** `{one.id}`: {_cell(one.sentence)}"
            yield f"  - {text('definitions.formula')}: {_cell(one.formula)}"
            used = f"{text('definitions.used_by')}: {_cell(one.used_by)}"
            yield f"  - {text('definitions.source')}: {_cell(one.source)}; {used}"
    yield ""


def _concepts() -> Iterator[str]:
    """What shows each of the concepts of the course."""
    yield from (f"## {text('reference.concepts')}", "", text("reference.concepts_intro", n=len(glossary())), "")
    heads = [text(f"reference.{head}") for head in ("concept", "shown")]
    yield from (_row(*heads), _row("---", "---"))
    for term in glossary().values():
        shown = ", ".join(f"`{name}`" for name in term.metrics) or text(f"reference.shown_by.{term.shown_by}")
        yield _row(f"{term.label} (`{term.key}`)", shown)
    yield ""


def _cell(said: str) -> str:
    return said.replace("|", "/").replace("\n", " ")


def _row(*cells: str) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


# --- the stub of the face


def stub() -> str:
    """What editors and type checkers read: every name of the face imported from its room under its own name."""
    lines = ['"""Written by docs/reference.py: what the face of the package offers, and from which room."""', ""]
    lines += [f"from crmkit import {name} as {name}" for name in crmkit._WHOLE]
    for room, names in sorted(crmkit._ROOMS.items()):
        lines += [f"from {room} import {name} as {name}" for name in sorted(names)]
    return "\n".join([*lines, "", "__version__: str", "__all__: list[str]", ""])


def main() -> int:
    """Write or compare; 1 if anything is stale or a docstring has a gap."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, fail on anything stale")
    check = parser.parse_args().check
    logging.getLogger("griffe").setLevel(logging.ERROR)  # it stumbles over "start, end:", which is how we group them
    found = public()
    pages = {HERE / name: said for name, said in api(found).items()}
    pages |= {HERE / f"metrics_{code}.md": definitions(code) for code in LANGUAGES}
    pages[STUB] = stub()
    old = [path for path, said in pages.items() if not path.is_file() or path.read_text(encoding="utf-8") != said]
    old += [path for path in (HERE / "api").glob("*.md") if path not in pages]
    told = gaps(found)
    print("".join(f"{line}\n" for line in told), end="")
    if check:
        print("".join(f"stale: {path.relative_to(HERE.parent)}: run make docs\n" for path in old), end="")
        return int(bool(old or told))
    (HERE / "api").mkdir(exist_ok=True)
    for path in old:
        if path in pages:
            path.write_text(pages[path], encoding="utf-8", newline="\n")
        else:
            path.unlink()
    print(f"{len(old)} of {len(pages)} pages written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
