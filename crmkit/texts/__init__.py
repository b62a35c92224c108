"""Every word a person sees, in Japanese and English: messages, labels and the glossary.

The files beside this one hold the words; code holds only keys. `ja.toml` and `en.toml` and the files of the folders
`ja/` and `en/` have the same keys and the same placeholders, and `glossary.toml` has both languages in each entry;
tests hold them to it.
"""

from __future__ import annotations

import locale
import os
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Language = Literal["ja", "en"]
LANGUAGES: tuple[Language, ...] = ("ja", "en")
_chosen: Language | None = None


def system_language() -> Language:
    """The reader's language by the system's locale: "ja" for Japanese, else "en".

    `CRMKIT_LANG` wins over the locale, so that a trainer can set a whole room.
    """
    wanted = os.environ.get("CRMKIT_LANG") or next(
        (os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)),
        locale.getlocale()[0] or "",
    )
    return "ja" if wanted.lower().startswith(("ja", "japanese")) else "en"


def use_language(code: Language | None) -> None:
    """Choose the language of messages, pictures and widgets; `None` goes back to the system's.

    Args:
        code: "ja", "en" or `None`.

    Raises:
        ValueError: for any other code.

    Examples:
        >>> use_language("en")
        >>> text("word.customers")
        'customers'
        >>> use_language(None)
    """
    global _chosen
    if code is not None and code not in LANGUAGES:
        raise ValueError(f"'ja' / 'en'? ({code!r})")
    _chosen = code


def language() -> Language:
    """The language in use now."""
    return _chosen or system_language()


@contextmanager
def in_language(code: Language) -> Iterator[None]:
    """Use another language inside a `with` block."""
    before = _chosen
    use_language(code)
    try:
        yield
    finally:
        use_language(before)


@cache
def messages(code: Language) -> dict[str, str]:
    """All messages of one language, keys joined with dots."""
    parts = [part for part in files(__name__).joinpath(code).iterdir() if part.name.endswith(".toml")]
    read = [_read(f"{code}.toml"), *(part.read_text(encoding="utf-8") for part in sorted(parts, key=lambda p: p.name))]
    return {key: said for part in read for key, said in _flatten(tomllib.loads(part))}


def text(key: str, /, **values: object) -> str:
    """The message `key` in the language in use, its `{placeholders}` filled from `values`.

    Raises:
        KeyError: if no message has that key, or a placeholder is not given.
    """
    return messages(language())[key].format(**values)


def text_of_names(key: str, /) -> str:
    """The message `key` with each placeholder shown as its name: a formula before it is used."""
    template = messages(language())[key]
    fields = {name.split(".")[0].split("[")[0] for _, name, _, _ in Formatter().parse(template) if name}
    return template.format(**{name: _Name(name) for name in fields})


class _Name(str):
    """Its own text in whatever format it is asked for."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return str(self)


def has_text(key: str) -> bool:
    """Whether a message with this key exists."""
    return key in messages(language())


@dataclass(frozen=True, slots=True)
class Term:
    """One concept of the glossary; the attributes without a suffix follow the language in use."""

    key: str
    theme: str
    ja: str
    en: str
    aliases_ja: tuple[str, ...]
    aliases_en: tuple[str, ...]
    definition_ja: str
    definition_en: str
    formula_ja: str
    formula_en: str
    tables: tuple[str, ...]
    metrics: tuple[str, ...]
    shown_by: str
    in_syllabus: bool
    claim: bool

    @property
    def label(self) -> str:
        """The name of the concept."""
        return self.ja if language() == "ja" else self.en

    @property
    def definition(self) -> str:
        """What the concept means, in one to three sentences."""
        return self.definition_ja if language() == "ja" else self.definition_en

    @property
    def formula(self) -> str:
        """How it is computed, or what is looked at where nothing can be computed."""
        return self.formula_ja if language() == "ja" else self.formula_en


@cache
def glossary() -> dict[str, Term]:
    """All 118 concepts of the course, by key."""
    entries = tomllib.loads(_read("glossary.toml"))
    return {key: _term(key, entry) for key, entry in entries.items()}


def term(key: str) -> Term:
    """One concept of the glossary.

    Args:
        key: Name of the concept, as in `glossary()`.

    Returns:
        A `Term`: label, definition and formula in the language in use, and the tables and metrics that show it.

    Raises:
        KeyError: if the glossary has no such concept.

    Examples:
        >>> with in_language("en"):
        ...     term("repeat_rate").label
        'repeat rate'
    """
    return glossary()[key]


def _term(key: str, entry: dict[str, Any]) -> Term:
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
    return Term(key=key, **fields)


def _read(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
