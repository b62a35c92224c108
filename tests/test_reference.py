"""The reference pages: up to date, complete, without dead links; and gaps in docstrings are found."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import griffe
import pytest

import crmkit
from crmkit import models, plots
from crmkit.metrics import ROOM_OF
from crmkit.texts import LANGUAGES, glossary, messages

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
NAMES = [
    *(f"crmkit.{name}" for name in crmkit.__all__),
    *(f"crmkit.models.{name}" for name in models.__all__),
    *(f"crmkit.plots.{name}" for name in plots.__all__),
]
WHOLE = '''
def whole(orders, *, start, end, by=None, **more) -> dict:
    """Everything is told.

    Args:
        orders: One row per order.
        start, end: The window.
        by: Column to group by.
        more: Further arguments.

    Returns:
        A table of the engine's own kind: `value`,
        and `low` | `high`.

    Raises:
        MissingColumn, WrongType: naming the column.

    Examples:
        Words between the lines:

        >>> whole(1, start=2, end=3)
    """
    return orders
'''


def _from_file(name: str, path: Path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = _from_file("crmkit_docs_reference", ROOT / "docs" / "reference.py")


@pytest.fixture(scope="module")
def written():
    return reference.pages()


@pytest.fixture(scope="module")
def anchors(written):
    """The headings of each page as links name them."""
    made, _ = written
    return {
        path: {reference.anchor(line.lstrip("# ")) for line in said.splitlines() if re.match(r"#+ ", line)}
        for path, said in made.items()
        if path.suffix == ".md"
    }


def read(source: str, name: str = "whole"):
    """What griffe reads of a piece of code."""
    with griffe.temporary_pypackage("piece", {"__init__.py": source}) as piece:
        return griffe.load("piece", docstring_parser="google", search_paths=[piece.tmpdir])[name]


def gaps(source: str, page: str = "service", name: str = "whole") -> list[str]:
    return reference.gaps({page: [(name, read(source, name))]})


# The pages


def test_the_pages_are_as_they_would_be_written_now(written):
    made, _ = written
    assert [str(path.relative_to(ROOT)) for path in reference.stale(made)] == []


def test_no_docstring_has_a_gap(written):
    _, told = written
    assert told == []


def test_what_is_changed_missing_or_left_over_is_stale(monkeypatch, tmp_path):
    monkeypatch.setattr(reference, "HERE", tmp_path)
    (tmp_path / "api").mkdir()
    for name, said in {"same": "x", "other": "old", "left": "z"}.items():
        (tmp_path / "api" / f"{name}.md").write_text(said, encoding="utf-8")
    made = {tmp_path / "api" / f"{name}.md": said for name, said in {"same": "x", "other": "y", "new": "w"}.items()}
    assert {path.stem for path in reference.stale(made)} == {"other", "new", "left"}


def test_every_public_name_has_its_heading_once(written):
    made, _ = written
    heads = [line[3:] for path, said in made.items() if path.parent.name == "api" and path.stem != "README"
             for line in said.splitlines() if line.startswith("## ")]  # fmt: skip
    assert sorted(heads) == sorted(NAMES)


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_metric_has_its_definitions_and_every_concept_its_row(written, code):
    said = written[0][reference.HERE / f"metrics_{code}.md"]
    parts = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##)", said, flags=re.MULTILINE | re.DOTALL))
    assert set(ROOM_OF) < set(parts)
    told = {key.removeprefix("definition.") for key in messages(code) if key.startswith("definition.")}
    assert {key for key in told if f"(`{key}`)" not in said} == set()
    assert [name for name, part in parts.items() if "\n- **" not in part] == []
    rows = [line for line in said.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + len(glossary())
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 3 for row in rows)


def test_links_lead_somewhere(written, anchors):
    made, _ = written
    seen = 0
    for page in anchors:
        for target, part in LINK.findall(re.sub(r"```.*?```", "", made[page], flags=re.DOTALL)):
            to = (page.parent / target).resolve() if target else page
            assert to in anchors, f"{page.name}: {target}"
            assert not part or part in anchors[to], f"{page.name}: {target}#{part}"
            seen += 1
    assert seen > 2 * len(NAMES)


def test_the_list_of_pages_names_everything(written):
    shown = set(re.findall(r"\[`([\w.]+)`\]", written[0][reference.HERE / "api" / "README.md"]))
    assert {f"crmkit.{name}" for name in shown} == set(NAMES)


def test_the_stub_offers_what_the_face_offers():
    offered = set(re.findall(r" as (\w+)$", reference.stub(), flags=re.MULTILINE))
    assert offered == {*crmkit.__all__, "models", "plots"}


def test_blocks_are_closed_and_names_of_constants_are_not_shown(written):
    made, _ = written
    for path in made:
        if path.parent.name == "api":
            assert made[path].count("```") % 2 == 0, path.name
            for call in re.findall(r"```python\n(.*?)```", made[path], flags=re.DOTALL):
                assert not re.search(r"=_?[A-Z][A-Z_]+\b", call), call


# How a function is written down


def test_a_function_on_its_page(monkeypatch):
    monkeypatch.setattr(reference, "import_module", lambda name: object())  # the piece is only there to be read
    page = "\n".join(reference._told("crmkit.whole", read(WHOLE)))
    assert "crmkit.whole(orders, *, start, end, by=None, **more)\n" in page
    assert "- `start`, `end`: The window." in page
    assert "\nA table of the engine's own kind: `value`, and `low` | `high`.\n" in page
    assert "- `MissingColumn`, `WrongType`: naming the column." in page
    assert "\nWords between the lines:\n\n```pycon\n>>> whole" in page


def test_bars_do_not_break_a_table():
    assert reference._row("a | b", "c") == r"| a \| b | c |"


# What is found to be missing


def test_nothing_is_missing_where_everything_is_told():
    assert gaps(WHOLE) == []


@pytest.mark.parametrize(
    ("old", "new", "gap"),
    [
        ("        by: Column to group by.\n", "", "parameter by not explained"),
        ("        start, end: The window.", "        start: The window.", "parameter end not explained"),
        ("        more: Further arguments.\n", "", "parameter more not explained"),
        ("        by: Column", "        group: Column", "there is no parameter group"),
        ("    Returns:\n        A table of the engine's own kind: `value`,\n        and `low` | `high`.\n", "",
         "result not explained"),
        ("    Raises:\n        MissingColumn, WrongType: naming the column.\n", "", "errors not named"),
        ("        >>> whole(1, start=2, end=3)\n", "", "no example"),
    ],
)  # fmt: skip
def test_a_gap_is_found(old, new, gap):
    assert WHOLE.count(old) == 1
    assert f"whole: {gap}" in gaps(WHOLE.replace(old, new))


def test_a_docstring_that_is_not_there_is_found():
    assert gaps("def whole(orders):\n    return orders\n") == ["whole: no docstring"]


def test_only_figures_have_to_name_their_errors():
    plain = WHOLE.replace("    Raises:\n        MissingColumn, WrongType: naming the column.\n", "")
    assert gaps(plain, "plots") == []


THING = '''
from dataclasses import dataclass

@dataclass
class Thing:
    """One thing.

    Attributes:
        value: The figure.
        low, high: Its interval.

    Examples:
        >>> Thing(1, 0, 2)
    """

    value: float
    low: float
    high: float

    def shown(self, unit):
        """In a unit.

        Args:
            unit: The unit.

        Returns:
            A text.
        """
        return f"{self.value} {unit}"

    def inner(self, what):
        """For the package itself: a remark only."""
        return what
'''


def test_a_class_tells_its_attributes_and_its_methods():
    assert gaps(THING, name="Thing") == []
    assert [one.name for one in reference._members(read(THING, "Thing"))] == ["shown"]
    less = THING.replace("        low, high: Its interval.\n", "        low: Its lower end.\n")
    assert gaps(less, name="Thing") == ["Thing: parameter high not explained"]
    less = THING.replace("            unit: The unit.\n", "            units: The unit.\n")
    assert gaps(less, name="Thing") == [
        "Thing: shown: parameter unit not explained", "Thing: shown: there is no parameter units",
    ]  # fmt: skip
