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
MADE = "<!-- made by docs/reference.py: do not edit -->\n<!-- fmt: off -->"  # examples stay as the docstrings have them
THEMES = ("relationship", "management", "retention", "service")
PAGES = {
    "relationship": "crmkit.metrics.relationship",
    "management": "crmkit.metrics.management",
    "retention": "crmkit.metrics.retention",
    "service": "crmkit.metrics.service",
    "any_figure": "crmkit.compared crmkit.metrics.counting crmkit.scorecard crmkit.estimate",
    "models": "crmkit.models",
    "plots": "crmkit.plots",
    "data": "crmkit.datasets crmkit.texts crmkit.answers crmkit.reporting crmkit.learning crmkit.widgets.columns",
    "simulator": "crmkit.simulator",
}
KINDS = griffe.DocstringSectionKind
Function = tuple[str, Any]
WIDEST = 100  # signatures longer than that get a line for each parameter
# What shows a concept that no figure shows, and the text that says so
WITHOUT_FIGURE = {
    "table": "reference.shown_by.table",
    "widget": "reference.shown_by.widget",
    "checklist": "reference.shown_by.checklist",
}


def public() -> dict[str, list[Function]]:
    """The public names of each page, with what griffe read of them."""
    logging.getLogger("griffe").setLevel(logging.ERROR)  # it stumbles over "start, end:", which is how we group them
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


def _parts(read: Any) -> dict[Any, Any]:
    """The sections of a docstring by their kind."""
    return {} if read.docstring is None else {section.kind: section for section in read.docstring.parsed}


def _parameters(read: Any) -> list[Any]:
    return [one for one in read.parameters if one.name != "self"]


def _attributes(read: Any) -> list[Any]:
    """The attributes that a class and those above it explain."""
    lines = (_parts(one).get(KINDS.attributes) for one in (*reversed(read.mro()), read))
    return [one for section in lines if section for one in section.value]


def _members(read: Any) -> list[Any]:
    """The properties and methods that are for users: those whose docstring is more than a remark."""
    every = [one.final_target if one.is_alias else one for one in read.all_members.values()]
    told = [one for one in every if not one.name.startswith("_") and one.docstring is not None]
    return [one for one in told if "property" in one.labels or (one.is_function and set(_parts(one)) - {KINDS.text})]


# --- what a docstring has to say


def gaps(found: Mapping[str, list[Function]]) -> list[str]:
    """What the docstrings of public names do not say."""
    return [
        f"{name}: {gap}" for page, functions in found.items() for name, read in functions for gap in _gaps(read, page)
    ]


def _gaps(read: Any, page: str) -> Iterator[str]:
    if read.docstring is None:
        yield "no docstring"
        return
    examples = _parts(read).get(KINDS.examples)
    if examples is None or all(kind is KINDS.text for kind, _ in examples.value):
        yield "no example"
    yield from _unexplained(read)
    if read.is_class:
        yield from (f"{one.name}: {gap}" for one in _members(read) for gap in _unexplained(one))
    elif page in THEMES and KINDS.raises not in _parts(read):
        yield "errors not named"


def _unexplained(read: Any) -> Iterator[str]:
    """Parameters and results that nothing is said about; what makes a data class may stand under its attributes."""
    if not (read.is_function or read.is_class):
        return
    parts = _parts(read)
    lines = [*parts[KINDS.parameters].value] if KINDS.parameters in parts else []
    lines += _attributes(read) if read.is_class else []
    said = {name for one in lines for name in _names(one)}
    parameters = [one.name for one in _parameters(read)]
    yield from (f"parameter {name} not explained" for name in parameters if name not in said)
    if read.is_function:
        yield from (f"there is no parameter {name}" for name in sorted(said - set(parameters)))
        if str(read.returns) not in ("None", "Iterator[None]") and KINDS.returns not in parts:
            yield "result not explained"


def _names(one: Any) -> list[str]:
    """What a line of a docstring is about; several names share one line, and griffe may take the second for a type."""
    name, kind = getattr(one, "name", None), one.annotation
    whole = str(kind) if name is None else f"{name} {kind}" if name.endswith(",") else name
    return [part.strip(" *") for part in whole.strip("()").split(",")]


# --- the pages of the API


def api(found: Mapping[str, list[Function]]) -> dict[str, str]:
    """The pages by file name."""
    pages = {f"api/{page}.md": _page(page, functions) for page, functions in found.items()}
    intro = "Everything public, by theme; the examples run in the tests. What each figure means, and by which formula:"
    lines = [MADE, "", "# API", "", f"{intro} [English](../metrics_en.md), [日本語](../metrics_ja.md).", ""]
    for page, functions in found.items():
        names = (_link(name.removeprefix("crmkit."), name, f"{page}.md") for name, _ in functions)
        lines += [f"## [{_title(page)}]({page}.md)", "", ", ".join(names), ""]
    return {"api/README.md": "\n".join(lines), **pages}


def _title(page: str) -> str:
    return page.replace("_", " ").capitalize()


def _link(shown: str, name: str, page: str = "") -> str:
    return f"[`{shown}`]({page}#{anchor(name)})"


def anchor(heading: str) -> str:
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _page(page: str, functions: list[Function]) -> str:
    lines = [MADE, "", f"# {_title(page)}", "", "[All pages](README.md)", ""]
    rooms: dict[Any, list[str]] = {}
    for name, read in functions:
        rooms.setdefault(read.module, []).append(_link(name.removeprefix("crmkit."), name))
    lines += [f"- {_about(room)}\\\n  {', '.join(names)}" for room, names in rooms.items()]
    seen: dict[str, str] = {}
    for name, read in functions:
        first = seen.setdefault(read.path, name)
        lines += ["", f"## {name}", ""]
        lines += [f"The same as {_link(first, first)}."] if first != name else _told(name, read)
    return re.sub(r"\n{3,}", "\n\n", "\n".join([*lines, ""]))


def _about(room: Any) -> str:
    """The first line of a module, without the numbers by which the code's notes call its metrics."""
    return re.sub(r" Metrics? \d.*", "", room.docstring.value.splitlines()[0])


def _told(name: str, read: Any) -> Iterator[str]:
    if read.is_function or KINDS.parameters in _parts(read):
        yield from ("```python", _signature(name, read), "```", "")
    yield from _sections(read)
    if read.is_class:
        yield from ("**Properties and methods**", "", *(_member(one) for one in _members(read)), "")


def _signature(name: str, read: Any) -> str:
    parts, starred = [], False
    for one in _parameters(read):
        if one.kind is griffe.ParameterKind.keyword_only and not starred:
            parts.append("*")
            starred = True
        star = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}.get(one.kind, "")
        starred = starred or star == "*"
        parts.append(f"{star}{one.name}" if star or one.default is None else f"{one.name}={_default(one, read)}")
    line = f"{name}({', '.join(parts)})"
    return line if len(line) <= WIDEST else f"{name}(\n{''.join(f'    {part},{chr(10)}' for part in parts)})"


def _default(one: Any, read: Any) -> str:
    """A default as it is written; a constant's name says nothing to a reader, so its value."""
    value = getattr(import_module(read.module.path), str(one.default), one.default)
    if value is one.default or str(value) == str(one.default):
        return str(one.default).replace("'", '"')
    return repr(dict(value) if isinstance(value, Mapping) else value).replace("'", '"')


def _sections(read: Any) -> Iterator[str]:
    for section in read.docstring.parsed:
        if section.kind is KINDS.text:
            yield from (section.value, "")
        elif section.kind is KINDS.examples:
            yield from ("**Examples**", "")
            for kind, said in section.value:
                yield from ((said, "") if kind is KINDS.text else ("```pycon", said, "```", ""))
        elif section.kind is KINDS.admonition:
            yield from (f"**{section.title}**", "", section.value.contents, "")
        elif section.kind is KINDS.returns:
            yield from ("**Returns**", "", _result(read), "")
        elif isinstance(section.value, list):
            items = _attributes(read) if section.kind is KINDS.attributes else section.value
            yield from (f"**{_HEADS.get(section.kind, section.kind.value.capitalize())}**", "")
            yield from (_item(one) for one in items)
            yield ""


_HEADS = {KINDS.parameters: "Parameters", KINDS.raises: "Errors"}


def _one_line(one: Any) -> str:
    return re.sub(r"\s*\n\s*", " ", one.description)


def _result(read: Any) -> str:
    """What comes out, as it is written: griffe would take what stands before a colon for a type."""
    written = re.search(r"^Returns:\n((?:    .*\n?|\n)+)", read.docstring.value, flags=re.MULTILINE)
    return " ".join(written[1].split()) if written else ""


def _item(one: Any) -> str:
    return f"- {', '.join(f'`{name}`' for name in _names(one))}: {_one_line(one)}"


def _member(read: Any) -> str:
    """A property or a method in a few lines: how it is called, what it does, and what goes in and comes out."""
    parts = _parts(read)
    head = _signature(read.name, read) if read.is_function else read.name
    lines = [f"- `{head}`: {' '.join(parts[KINDS.text].value.split())}"]
    if KINDS.parameters in parts:
        lines += [f"  {_item(one)}" for one in parts[KINDS.parameters].value]
    if KINDS.returns in parts:
        lines += [f"  - Returns: {_result(read)}"]
    if KINDS.raises in parts:
        lines += [f"  {_item(one)}" for one in parts[KINDS.raises].value]
    return "\n".join(lines)


# --- the definitions


def definitions(code: Language, found: Mapping[str, list[Function]]) -> str:
    """All definitions of all metrics, by theme, in one language."""
    links = {
        name.removeprefix("crmkit."): _link(name, name, f"api/{page}.md") for page in found for name, _ in found[page]
    }
    methods = {  # what fitted models say has definitions too
        one.name: _link(f"{name}.{one.name}", name, "api/models.md")
        for name, read in found["models"]
        for one in (_members(read) if read.is_class else [])
    }
    with in_language(code):
        lines = [MADE, "", f"# {text('reference.title')}", "", text("reference.intro"), ""]
        named = sorted({*metrics.ROOM_OF, *(one.metric for one in compared._variants())})
        for theme in (*THEMES, "models", "any"):
            lines += [f"## {text(f'reference.theme.{theme}')}", ""]
            for name in (name for name in named if _theme(name, methods) == theme):
                lines += _metric(name, methods.get(name) or links[name])
        lines += _concepts(links)
    return "\n".join(lines)


def _theme(name: str, methods: Mapping[str, str]) -> str:
    parts = metrics.ROOM_OF.get(name, "").split(".")
    if name in methods or "models" in parts:
        return "models"
    return next((part for part in parts if part in THEMES), "any")


def _metric(name: str, link: str) -> Iterator[str]:
    yield from (f"### {name}", "", link, "")
    for one in compared.definitions(name):
        if one.metric == name:
            yield f"- **{one.label}** (`{one.id}`)"
            yield f"  - {one.sentence}"
            for head in ("formula", "source", "used_by"):
                yield _line(head, getattr(one, head))
            if one.call:
                call = ", ".join(f"{key}={_quoted(said)}" for key, said in one.call.items())
                yield _line("call", f"`{name}(…, {call})`")
    yield ""


def _line(head: str, said: str) -> str:
    return f"  - {text('reference.line', head=text(f'definitions.{head}'), said=said)}"


def _quoted(value: Any) -> str:
    return repr(value).replace("'", '"')


def _concepts(links: Mapping[str, str]) -> Iterator[str]:
    """What shows each of the concepts of the course."""
    yield from (f"## {text('reference.concepts')}", "", text("reference.concepts_intro", n=len(glossary())), "")
    heads = [text(f"reference.{head}") for head in ("concept", "shown")]
    yield from (_row(*heads), _row("---", "---"))
    for term in glossary().values():
        shown = ", ".join(f"[`{name}`](#{name})" if name in metrics.ROOM_OF else links[name] for name in term.metrics)
        yield _row(f"{term.label} (`{term.key}`)", shown or text(WITHOUT_FIGURE[term.shown_by]))
    yield ""


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


# --- the stub of the face


def stub() -> str:
    """What editors and type checkers read: every name of the face imported from its room under its own name."""
    lines = ['"""Written by docs/reference.py: what the face of the package offers, and from which room."""', ""]
    lines += [f"from crmkit import {name} as {name}" for name in crmkit._WHOLE]
    for room, names in sorted(crmkit._ROOMS.items()):
        lines += [f"from {room} import {name} as {name}" for name in sorted(names)]
    return "\n".join([*lines, "", "__version__: str", "__all__: list[str]", ""])


def pages() -> tuple[dict[Path, str], list[str]]:
    """What is to be written where, and what the docstrings do not say."""
    found = public()
    made = {HERE / name: said for name, said in api(found).items()}
    made |= {HERE / f"metrics_{code}.md": definitions(code, found) for code in LANGUAGES}
    return {**made, STUB: stub()}, gaps(found)


def stale(made: Mapping[Path, str]) -> list[Path]:
    """Files that are not as they would be written now, or that would no longer be."""
    old = [path for path, said in made.items() if not path.is_file() or path.read_text(encoding="utf-8") != said]
    return old + [path for path in (HERE / "api").glob("*.md") if path not in made]


def main() -> int:
    """Write or compare; 1 if anything is stale or a docstring has a gap."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, fail on anything stale")
    check = parser.parse_args().check
    made, told = pages()
    old = stale(made)
    print("".join(f"{line}\n" for line in told), end="")
    if check:
        print("".join(f"stale: {path.relative_to(HERE.parent)}: run make docs\n" for path in old), end="")
        return int(bool(old or told))
    (HERE / "api").mkdir(exist_ok=True)
    for path in old:
        if path in made:
            path.write_text(made[path], encoding="utf-8", newline="\n")
        else:
            path.unlink()
    print(f"{len(old)} of {len(made)} pages written")
    return int(bool(told))


if __name__ == "__main__":
    sys.exit(main())
