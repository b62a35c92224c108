"""Numbers as people write them, in Japan and elsewhere; and which sign of a column marks its decimals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Mask = np.ndarray[Any, np.dtype[np.bool_]]

# Spaces that programs put between thousands; a plain one may as well separate two numbers.
_THIN_SPACES = "[\u00a0\u2007\u2009\u202f]"
_FIRST = r"^[-+]?[1-9]\d{0,2}"  # of the groups of three
_POINTED = rf"(?:{_FIRST}(?:,\d{{3}})+(?:\.\d+)?|{_FIRST}(?:'\d{{3}})+(?:\.\d+)?)$|^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{{1,3}})?$"  # noqa: E501
_COMMAED = rf"(?:{_FIRST}(?:\.\d{{3}})+(?:,\d+)?|{_FIRST}(?:'\d{{3}})+(?:,\d+)?)$|^[-+]?(?:\d+,?\d*|,\d+)$"
_BEFORE = r"^([-+]?)[ ']*(?:[¥\\$€£]|US\$|JPY|USD|EUR|GBP)[ ']*([-+]?)"  # Shift_JIS writes ¥ as a backslash
_AFTER = r"[ ']*(?:円|[¥$€£]|JPY|USD|EUR|GBP)$"
_CURRENCIES = (r"[¥\\円]|JPY", r"\$|USD", "€|EUR", "£|GBP")
_SLIPS = 0.05  # up to this share of the other style are slips, set aside one by one


@dataclass(slots=True)
class Numbers:
    """What distinct texts mean as numbers (NaN = nothing), which were tidied up, and which mean one of two."""

    values: np.ndarray
    ambiguous: Mask
    notes: dict[str, Mask] = field(default_factory=dict)


def parse_numbers(words: Any, rows: np.ndarray, *, decimal: str | None, is_money: bool, is_share: bool) -> Numbers:
    """Numbers such as 1,200 / ¥1,200 / 1200円 / １２００ / ▲1,200 / (1,200) / 1.234,50 €.

    Args:
        words: Distinct texts without spaces around them.
        rows: How many rows have each; the style of a column is that of its rows.
        decimal: "," or "." where the caller knows the sign in front of decimals.
        is_money: Nobody counts money in thousandths, so that 1.234 alone can be read in two ways.
        is_share: The column goes from 0 to 1, so that 12% means 0.12.
    """
    tidy, percent = _bare(words, is_share)
    pointed, commaed = _matches(tidy, _POINTED), _matches(tidy, _COMMAED)
    by_comma, unclear = _style(tidy, rows, pointed, commaed, decimal, is_money)
    good = commaed if by_comma else pointed
    plain = pc.replace_substring(tidy, "'", "")
    if by_comma:
        plain = pc.replace_substring(pc.replace_substring(plain, ".", ""), ",", ".")
    else:
        plain = pc.replace_substring(plain, ",", "")
    number = np.array(pc.if_else(pa.array(good), plain, None).cast(pa.float64()).to_numpy(zero_copy_only=False))
    number[percent] /= 100
    rewritten = good & np.asarray(pc.not_equal(plain, words))
    notes = {"decimal_comma": rewritten & by_comma & _matches(tidy, ",")}
    notes["percent"] = good & percent
    notes["rewritten"] = rewritten & ~notes["decimal_comma"] & ~notes["percent"]
    notes["several_currencies"] = _of_rarer_currencies(words, rows) & good
    return Numbers(number, unclear & (pointed | commaed), notes)


def thousandths(column: pa.ChunkedArray) -> bool:
    """Whether a column of plain numbers has a point, and wherever it has one, exactly three figures after it."""
    first = column.slice(0, 1000)
    for part in (first, column):
        pointed = part.filter(pc.match_substring(part, "."))
        if len(pointed) and not pc.all(pc.match_substring_regex(pointed, _FIRST + r"\.\d{3}$")).as_py():
            return False
    return len(pointed) > 0


def _bare(words: Any, is_share: bool) -> tuple[Any, Mask]:
    """The figures, their sign and their marks alone; and which were a percentage."""
    tidy = pc.utf8_normalize(pc.replace_substring_regex(words, _THIN_SPACES, "'"), form="NFKC")
    tidy = pc.replace_substring(tidy, "\u2019", "'")
    tidy = pc.replace_substring_regex(tidy, r"^\((.*)\)$", r"-\1")
    tidy = pc.replace_substring_regex(tidy, "^[▲△−‐]", "-")
    tidy = pc.replace_substring_regex(tidy, _BEFORE, r"\1\2")
    tidy = pc.replace_substring_regex(tidy, _AFTER, "")
    if not is_share:
        return tidy, np.zeros(len(words), dtype=bool)
    percent = _matches(tidy, r"\d[ ']*%$")
    return pc.replace_substring_regex(tidy, r"[ ']*%$", ""), percent


def _style(
    tidy: Any, rows: np.ndarray, pointed: Mask, commaed: Mask, decimal: str | None, is_money: bool
) -> tuple[bool, Mask]:
    """Whether a comma marks the decimals of this column, and which of its texts leave that open."""
    nothing = np.zeros(len(pointed), dtype=bool)
    if decimal is not None:
        return decimal == ",", nothing
    only_point, only_comma = pointed & ~commaed, commaed & ~pointed
    n_point, n_comma = int(rows[only_point].sum()), int(rows[only_comma].sum())
    filled = int(rows[np.asarray(pc.not_equal(tidy, ""))].sum())
    if min(n_point, n_comma) > _SLIPS * (n_point + n_comma):
        return False, only_point | only_comma
    if n_comma > n_point and 2 * n_comma > filled:
        return True, nothing
    in_thousandths = _matches(tidy, _FIRST + r"\.\d{3}$")
    return False, in_thousandths if is_money and n_point == 0 else nothing


def _of_rarer_currencies(words: Any, rows: np.ndarray) -> Mask:
    """Texts with another currency's mark than most marked ones have."""
    marked = [_matches(words, one) for one in _CURRENCIES]
    most = max(range(len(marked)), key=lambda at: rows[marked[at]].sum())
    rarer = [mask for at, mask in enumerate(marked) if at != most]
    return np.logical_or.reduce(rarer) if marked[most].any() else np.zeros(len(rows), dtype=bool)


def _matches(words: Any, pattern: str) -> Mask:
    return np.asarray(pc.match_substring_regex(words, pattern))
