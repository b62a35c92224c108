"""Texts and glossary: both languages say the same things, and everything that is said is asked for."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import crmkit
from crmkit.errors import CrmkitError, CrmkitWarning
from crmkit.metrics import ROOM_OF
from crmkit.schema import TABLES, TRUTH
from crmkit.simulator.levers import Levers
from crmkit.texts import LANGUAGES, Language, Term, glossary, in_language, messages, text

ROOT = Path(__file__).resolve().parents[1]
# Code that speaks to people: the package, and what writes the lessons and the data dictionary.
ROOMS_THAT_SPEAK = ("crmkit", "notebooks", "datasets", "docs")
SPEAKING = [path for room in ROOMS_THAT_SPEAK for path in sorted((ROOT / room).rglob("*.py"))]
JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
# Japanese that English texts quote on purpose: what a reader may find or write in a file.
QUOTED_JAPANESE = re.compile(r"(?:令和)?\d+年\d+月\d+日|\bはい\b|\bいいえ\b|会員番号|はい / いいえ")
# Names, signs and formulas stay as they are in both languages.
SAME_IN_BOTH = re.compile(r"[\W\d_]*(?:[A-Za-z_]+(?:\.[a-z]+)?[\W\d_]*)?")
# As the glossary names them.
NAMED_TABLES = {**TABLES, **{f"truth_{name}": table for name, table in TRUTH.items()}}
THEMES = ("relationship", "management", "retention", "service")
METRICS = sorted(set(ROOM_OF) - {"rate"})  # which is about any table and so about no concept
SYLLABUS_CLAIMS = {
    "trust_purchase_claim", "satisfaction_chain", "one_to_five_rule", "retention_cost_advantage", "business_growth",
    "response_delay", "service_recovery",
}  # fmt: skip
KEYS = sorted(messages("en"))


def fields(template: str) -> set[str]:
    """The placeholders of a text."""
    return {
        name.split(".")[0].split("[")[0] for _, name, _, _ in string.Formatter().parse(template) if name is not None
    }


class Anything:
    """Stands in for every value: can be written as text, as a number and by its repr."""

    def __format__(self, spec: str) -> str:
        return format(1234.5, spec) if spec else "x"


# Messages


def test_both_languages_have_the_same_keys() -> None:
    assert set(messages("ja")) == set(messages("en"))


@pytest.mark.parametrize("key", KEYS)
def test_both_languages_have_the_same_placeholders(key: str) -> None:
    assert fields(messages("ja")[key]) == fields(messages("en")[key])


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_text_can_be_filled(code: Language) -> None:
    with in_language(code):
        for key in KEYS:
            filled = text(key, **{name: Anything() for name in fields(messages(code)[key])})
            assert filled.strip(), key
            assert "{{" not in filled, key


def test_japanese_texts_contain_japanese() -> None:
    mute = {
        key: said
        for key, said in messages("ja").items()
        if not JAPANESE.search(said) and not SAME_IN_BOTH.fullmatch(re.sub(r"\{[^}]*\}", "", said))
    }
    assert not mute


def test_english_texts_contain_no_japanese() -> None:
    mixed = {key: said for key, said in messages("en").items() if JAPANESE.search(QUOTED_JAPANESE.sub("", said))}
    assert not mixed


# What code asks for


def asked() -> Iterator[tuple[Path, int, str]]:
    """Every key that code names: as a whole, or as a pattern where a part is only known when it runs.

    `text("a.b")`, `text(f"a.{x}.c")`, and the reason of an error or warning, whose texts live under
    `error.<ClassName>.<reason>`.
    """
    spoken = {kind.__name__ for kind in (*_below(CrmkitError), *_below(CrmkitWarning))}
    for path in SPEAKING:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            prefix = "" if name in ("text", "_fail", "has_text") else f"error.{name}." if name in spoken else None
            if prefix is not None:
                open_end = [r"([\w.]+)"] if prefix else []
                found = list(_patterns(node.args[0])) or open_end
                yield from ((path, node.lineno, re.escape(prefix) + one) for one in found)


def _below(kind: type) -> Iterator[type]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def _patterns(node: ast.expr) -> Iterator[str]:
    """What a key argument can be, as regular expressions; nothing where only running would tell."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.escape(node.value)
    elif isinstance(node, ast.IfExp):
        yield from _patterns(node.body)
        yield from _patterns(node.orelse)
    elif isinstance(node, ast.JoinedStr):
        parts = [re.escape(part.value) if isinstance(part, ast.Constant) else r"([\w.]+)" for part in node.values]
        yield "".join(parts)


def test_every_key_that_code_names_exists() -> None:
    found = list(asked())
    assert len(found) > 50
    missing = [
        f"{path.relative_to(ROOT)}:{line}: {pattern}"
        for path, line, pattern in found
        if re.sub(r"\\(.)", r"\1", pattern) not in KEYS and not any(re.fullmatch(pattern, key) for key in KEYS)
    ]
    assert not missing


def test_no_text_is_there_for_nothing() -> None:
    """As far as can be told: code names the key as a whole, or by a pattern whose open parts are words it knows."""
    sections = {key.split(".")[0] for key in KEYS}
    patterns = {pattern for _, _, pattern in asked()}
    columns = [column for table in NAMED_TABLES.values() for column in table.columns]
    words = {*TABLES, *TRUTH, *(column.name for column in columns)}
    words |= {kind.__name__ for kind in (*_below(CrmkitError), *_below(CrmkitWarning))}
    words |= {re.sub(r"\W+", "_", column.unit).strip("_") for column in columns if column.unit}
    words |= set(Levers.__dataclass_fields__)
    quoted: set[str] = set()
    for path in SPEAKING:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.update((node.value, *(re.findall(r"[^\W_]+", node.value) if " " not in node.value else ())))
                quoted.update(re.findall(r'"([\w.]+)"', node.value))  # in an example
            elif isinstance(node, ast.keyword | ast.arg) and node.arg:
                words.add(node.arg)
                if node.arg == "texts" and isinstance(node, ast.keyword):  # an explorer asks for its own words
                    patterns.update(f"{one}\\.(question|control\\.[\\w.]+)" for one in _patterns(node.value))
            elif isinstance(node, ast.JoinedStr):  # a key that is put together before it is asked for
                patterns.update(one for one in _patterns(node) if one.split("\\.")[0] in sections)

    def known(part: str) -> bool:
        whole = {part, part.replace("_", "."), re.sub(r"_?\d+$", "", part)}
        return not part or bool(whole & words) or set(part.split("_")) <= words

    by_section: dict[str, list[str]] = {section: [] for section in sections}
    for pattern in patterns:  # to try every key with every pattern takes most of a minute
        first = pattern.split("\\.")[0]
        for section in [first] if first in sections else sections if "(" in first[1:] else ():
            by_section[section].append(pattern)

    def used(key: str) -> bool:
        matches = (re.fullmatch(pattern, key) for pattern in by_section[key.split(".", maxsplit=1)[0]])
        return any(
            all(known(part) for group in match.groups() for part in group.split(".")) for match in matches if match
        )

    unused = [key for key in KEYS if key not in words | quoted and not used(key)]
    assert not unused, "\n".join(unused)


# The glossary


def test_the_glossary_has_all_118_concepts() -> None:
    assert len(glossary()) == 118
    assert {term.theme for term in glossary().values()} == set(THEMES)
    assert {term.shown_by for term in glossary().values()} == {"metric", "table", "widget", "checklist"}


@pytest.mark.parametrize("key", glossary())
def test_a_term_is_complete(key: str) -> None:
    term = glossary()[key]
    assert re.fullmatch(r"[a-z][a-z0-9_]*", key)
    for code in LANGUAGES:
        with in_language(code):
            for said in (term.label, term.definition, term.formula):
                assert said == said.strip()
                assert len(said) > 1
                assert "  " not in said
                assert "TODO" not in said
    assert JAPANESE.search(term.definition_ja)
    assert JAPANESE.search(term.formula_ja)
    assert not JAPANESE.search(term.en + term.definition_en + "".join(term.aliases_en))
    assert len(set(term.metrics)) == len(term.metrics)
    assert term.metrics or term.shown_by != "metric"


def test_every_concept_has_its_figure_its_table_or_a_reason_why_not() -> None:
    """118 of 118: a function that exists, or the widget or checklist that shows what no column holds."""
    assert not {name for term in glossary().values() for name in term.metrics} - set(crmkit.__all__)
    without = {key: term.shown_by for key, term in glossary().items() if not term.metrics}
    assert len(glossary()) - len(without) == 117
    assert without == {"customer_management_tool": "widget"}  # software itself: no column measures it


@pytest.mark.parametrize("key", glossary())
def test_tables_and_columns_of_a_term_exist(key: str) -> None:
    for name in glossary()[key].tables:
        table, _, column = name.partition(".")
        assert table in NAMED_TABLES, name
        assert not column or column in NAMED_TABLES[table], name


@pytest.mark.parametrize("code", LANGUAGES)
def test_no_word_names_two_concepts(code: Language) -> None:
    def names(term: Term) -> set[str]:
        label, aliases = (term.ja, term.aliases_ja) if code == "ja" else (term.en, term.aliases_en)
        assert len({label, *aliases}) == 1 + len(aliases), term.key
        return {name.casefold() for name in (label, *aliases)}

    owners: dict[str, list[str]] = {}
    for term in glossary().values():
        for name in names(term):
            owners.setdefault(name, []).append(term.key)
    assert not {name: keys for name, keys in owners.items() if len(keys) > 1}


def test_claims_are_marked_as_claims() -> None:
    assert {term.key for term in glossary().values() if term.claim} == SYLLABUS_CLAIMS


# Metrics have words


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_belongs_to_a_term(metric: str) -> None:
    assert [term.key for term in glossary().values() if metric in term.metrics]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("code", LANGUAGES)
def test_a_metric_has_a_label_and_a_definition(metric: str, code: Language) -> None:
    def variants(kind: str) -> set[str]:
        prefix = f"{kind}.{metric}"
        return {key.removeprefix(prefix) for key in messages(code) if key == prefix or key.startswith(f"{prefix}.")}

    assert variants("metric")
    assert variants("definition") == variants("metric")
