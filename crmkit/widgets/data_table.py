"""A table of whatever a database gives as HTML: everything in it is text, and columns can be hidden."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

import pandas as pd

from crmkit.texts import text

HIDDEN = "***"


def as_html(table: pd.DataFrame, caption: str, hidden: Iterable[str]) -> str:
    """A table as HTML: everything in it is text, hidden columns are ***, numbers stand to the right.

    Examples:
        >>> as_html(pd.DataFrame({"name": ["<b>"], "n": [1]}), "t", {"n"}).count("<b>")
        0
    """
    heads = "".join(f"<th scope='col'>{html.escape(str(name))}</th>" for name in table.columns)
    rows = "".join(
        "<tr>"
        + "".join(_cell(value, str(name) in set(hidden)) for name, value in zip(table.columns, row, strict=True))
        + "</tr>"
        for row in table.itertuples(index=False, name=None)
    )
    return (
        f"<div style='overflow-x:auto'><table class='crmkit-panel-table'><caption>{html.escape(caption)}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(value: Any, hides: bool) -> str:
    said = plain(value)
    said = HIDDEN if hides and said else said
    align = "right" if isinstance(value, int | float) and not isinstance(value, bool) else "left"
    return f"<td style='text-align:{align}'>{html.escape(said)}</td>"


def plain(value: Any) -> str:
    """A value as text; nothing where there is none."""
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return ""
    if isinstance(value, bool):
        return text("panel.yes" if value else "panel.no")
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}" if value == value.normalize() else f"{value:%Y-%m-%d %H:%M}"
    return f"{value:,.10g}" if isinstance(value, float) else str(value)
