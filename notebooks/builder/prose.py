"""The words of a lesson: placeholders that are filled from its own code, and what may not be typed by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from crmkit.texts import Language, glossary, in_language, term, text

Placeholder = tuple[str, str]
"""An expression of the lesson's own names, and how its value is written ("" or ".1%")."""

MOST_WORDS = 120
MOST_CHARACTERS = 250
PLACEHOLDER = re.compile(r"\{\{\s*(?P<expression>.+?)\s*(?::(?P<spec>[^\s{}:\])'\"]+))?\s*\}\}", re.DOTALL)
ABOUT_A_TERM = {"term", "Term", "define"}
CODE = re.compile(r"^(```|~~~).*?^\1|(`+)(?!`).+?(?<!`)\2(?!`)", re.DOTALL | re.MULTILINE)
LINK_TARGET = re.compile(r"(?<=\])\([^)\s]*\)|https?://\S+")
HEADING_NUMBER = re.compile(r"^(#+\s+(?:[^\W\d]+\s+)?)\d+(?:\.\d+)*[.:]?(?=\s|$)", re.MULTILINE)
# The full-width signs are written as escapes: an editor that "tidies" them would make the check blind.
DIGITS = r"[0-9\uff10-\uff19]"
UNITS = (
    r"%|\uff05|\u2030|人(?!目|ひとり|あたり|当たり)|名(?!目)|件(?!目)|回(?!目)|円|割|ポイント|パーセント"
    r"|(?:per ?cent|yen|customers?|people|orders|points?)\b"
)
TYPED = re.compile(
    rf"[\xa5\uffe5]\s?{DIGITS}[\d,.]*|{DIGITS}[\d,\uff0c]*(?:[.\uff0e]{DIGITS}+)?\s?(?:{UNITS})|{DIGITS}+[.\uff0e]{DIGITS}+",
    re.IGNORECASE,
)


def troubles(source: str, language: str, *, typed: str = "") -> Iterator[str]:
    """What a prose cell may not have; `typed` is the writer's reason for a number typed by hand."""
    for found in PLACEHOLDER.finditer(source):
        asked = found["expression"]
        if asked in ABOUT_A_TERM:
            if found["spec"] not in glossary():
                yield f"asks for the term '{found['spec']}', which the glossary does not have"
        elif not _is_expression(asked):
            yield f"has a placeholder that is no Python expression: {found[0]}"
    if not source.strip():
        yield "is empty"
    plain = CODE.sub(" ", PLACEHOLDER.sub(" ", source))
    if "{{" in plain or "}}" in plain:
        yield "has a placeholder that is not closed"
    counted = HEADING_NUMBER.sub(r"\1", LINK_TARGET.sub("", plain))
    numbers = [found[0] for found in TYPED.finditer(counted)]
    if numbers and not typed:
        yield f'has typed results ({", ".join(numbers)}): let the code compute them, or say why: typed="…"'
    length, most = _length(source, language)
    if length > most:
        yield f"is too long: {length} of {most} {'characters' if language == 'ja' else 'words'}"


def _is_expression(source: str) -> bool:
    try:
        compile(source, "placeholder", "eval")
    except SyntaxError:
        return False
    return True


def _length(source: str, language: str) -> tuple[int, int]:
    """How long a cell is to read, and how long it may be; code and filled-in definitions do not count."""
    plain = PLACEHOLDER.sub(lambda found: "" if found["expression"] == "define" else "00", source)
    plain = LINK_TARGET.sub("", re.sub(r"^(```|~~~).*?^\1", "", plain, flags=re.DOTALL | re.MULTILINE))
    words = [word for word in re.sub(r"[#>*|`\-]", " ", plain).split() if word]
    return (sum(map(len, words)), MOST_CHARACTERS) if language == "ja" else (len(words), MOST_WORDS)


def placeholders(source: str) -> list[Placeholder]:
    """What has to be computed for a cell."""
    return [
        (found["expression"], found["spec"] or "")
        for found in PLACEHOLDER.finditer(source)
        if found["expression"] not in ABOUT_A_TERM
    ]


def fill(source: str, language: Language, values: Mapping[Placeholder, str], glossary_page: str) -> str:
    """The cell as people read it."""
    fillers: dict[str, Callable[[str], str]] = {
        "term": lambda key: f"[{term(key).label}]({glossary_page}#{key})",
        "Term": lambda key: f"[{_capital(term(key).label)}]({glossary_page}#{key})",
        "define": lambda key: definition(key, glossary_page),
    }

    def filled(found: re.Match[str]) -> str:
        asked, spec = found["expression"], found["spec"] or ""
        return fillers[asked](spec) if asked in fillers else values[asked, spec]

    with in_language(language):
        return PLACEHOLDER.sub(filled, source)


def definition(key: str, glossary_page: str) -> str:
    """A term in a quoted block: label, definition, formula."""
    one = term(key)
    lines = [
        f"**[{_capital(one.label)}]({glossary_page}#{key})**",
        escaped(one.definition),
        f"*{text('course.formula')}* {escaped(one.formula)}",
    ]
    return "\n>\n".join(f"> {line}" for line in lines)


def escaped(words: str) -> str:
    """Plain words as Markdown: nothing in them is taken for a mark."""
    return re.sub(r"([\\`*_<>|$~\[\]#])", r"\\\1", words)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
