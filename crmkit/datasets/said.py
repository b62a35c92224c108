"""Parts of messages that are put into words when the message is shown, in the language of whoever reads it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from crmkit import schema
from crmkit.texts import text

_SOME = 4  # tables that a message names; all of them are in the data dictionary


@dataclass(frozen=True, slots=True)
class Held:
    """What a file holds that is no table: `kind` names its words."""

    kind: str

    def __str__(self) -> str:
        return text(f"load.held.{self.kind}")


BINARY = Held("binary")


@dataclass(frozen=True, slots=True)
class SomeTables:
    """A few tables of the model, those called most like a word first, and how many more there are.

    Examples:
        >>> from crmkit.texts import in_language
        >>> with in_language("en"):
        ...     print(SomeTables("order"))
        orders, order_items, customers, leads and 17 more
    """

    like: str = ""

    def __str__(self) -> str:
        near = difflib.get_close_matches(self.like.lower(), schema.TABLES, n=_SOME, cutoff=0.5)
        some = [*near, *(table for table in schema.TABLES if table not in near)][:_SOME]
        return text("load.and_more", names=", ".join(some), count=len(schema.TABLES) - len(some))
