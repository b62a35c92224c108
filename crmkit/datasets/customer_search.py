"""Customers found by what people remember of them, however it is written: a small table in memory, made once."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmkit.datasets.engines import to_pandas
from crmkit.datasets.shop_file import quoted
from crmkit.datasets.shop_rows import ShopTable

LOOKED_AT = ("customer_id", "name", "name_kana", "email", "phone")
_HIRAGANA = "".join(map(chr, range(0x3041, 0x3097)))
_KATAKANA = "".join(map(chr, range(0x30A1, 0x30F7)))
# Forms of one name's characters, of which registers have now this one, now that one.
_VARIANTS = "髙﨑齋齊斉邊邉澤櫻廣濵濱國眞惠嶋瀨槗冨德"
_USUAL = "高崎斎斎斎辺辺沢桜広浜浜国真恵島瀬橋富徳"
_FROM, _TO = _HIRAGANA + _VARIANTS, _KATAKANA + _USUAL
_FOLD = str.maketrans(_FROM, _TO)
_GAPS = r"[\s・.,'’\-‐‑–—−ー()/_]+"  # also the long-vowel mark, which a telephone number typed in Japanese has for "-"
_MANY = 10_000
_ALIKE = 0.86  # Jaro-Winkler: one wrong letter in a name of five


class CustomerSearch:
    """Looks for customers on one connection; the first call reads all of them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, table: ShopTable) -> None:
        self._connection = connection
        self._table = table
        self._columns = [name for name in LOOKED_AT if name in table.columns]
        self._is_made = False

    def find(self, words: str, limit: int) -> pd.DataFrame:
        """The customers that fit, the likeliest first, with the column that fits in `match`."""
        if not self._is_made:
            self._read("true", [])
            self._is_made = True
        asked = [folded for word in unicodedata.normalize("NFKC", words).split() if (folded := fold(word))]
        if not asked:
            return self._frame("SELECT NULL, NULL, NULL WHERE false", [], limit)
        whole, digits = "".join(asked), _digits(words)
        found = self._frame(*self._by_parts(asked, whole, digits), limit)
        return found if len(found) else self._frame(*self._by_likeness(whole), limit)

    def refresh(self, keys: list[str]) -> None:
        """Read customers again, after they were changed; many of them, when it is next asked."""
        if len(keys) > _MANY:
            self.forget()
            return
        if self._is_made and keys:
            self._connection.execute("DELETE FROM customer_search WHERE k IN (SELECT unnest(?::VARCHAR[]))", [keys])
            self._read("t.customer_id IN (SELECT unnest(?::VARCHAR[]))", [keys])

    def forget(self) -> None:
        """Read all of them again when asked next."""
        self._connection.execute("DROP TABLE IF EXISTS customer_search")
        self._is_made = False

    def _read(self, where: str, values: list[Any]) -> None:
        columns = ", ".join(f"CAST(t.{quoted(name)} AS VARCHAR) AS {name}" for name in self._columns)
        sql = f"SELECT t.customer_id AS k, {columns} FROM {self._table.sql} t WHERE {where}"
        rows = self._connection.sql(sql, params=values).to_arrow_table()
        folded = {name: fold_all(rows[name]) for name in self._columns}
        if "phone" in folded:
            folded["phone"] = _phones(folded["phone"])
        parts = [pc.fill_null(folded[name], "") for name in self._columns]
        everything = pc.binary_join_element_wise(*parts, "\n")
        piece = pa.table({"k": rows["k"], **folded, "everything": everything})
        self._connection.register("search_piece", piece)
        try:
            self._connection.execute("CREATE TEMP TABLE IF NOT EXISTS customer_search AS FROM search_piece LIMIT 0")
            self._connection.execute("INSERT INTO customer_search FROM search_piece")
        finally:
            self._connection.unregister("search_piece")

    def _by_parts(self, asked: list[str], whole: str, digits: str) -> tuple[str, list[Any]]:
        """All words are somewhere in a row; whole values come first, then beginnings, then the rest."""
        ranks, values = [], list[Any]()
        for name in self._columns:
            sought = (digits or whole) if name == "phone" else whole
            ranks.append(
                f"CASE WHEN {name} = ? THEN 0 WHEN starts_with({name}, ?) THEN 1 WHEN contains({name}, ?) THEN 2"
                f" ELSE 3 END"
            )
            values += [sought] * 3
        names = ", ".join(f"'{name}'" for name in self._columns)
        holds = " AND ".join(["contains(everything, ?)"] * len(asked))
        wanted = list[Any](asked)
        if len(digits) >= 4 and "phone" in self._columns:
            holds = f"({holds}) OR contains(phone, ?)"
            wanted.append(digits)
        sql = (
            f"SELECT k, list_min(r) AS score, [{names}][list_position(r, list_min(r))] AS match"
            f" FROM (SELECT k, [{', '.join(ranks)}] AS r FROM customer_search WHERE {holds})"
        )
        return sql, values + wanted

    def _by_likeness(self, whole: str) -> tuple[str, list[Any]]:
        shown: tuple[str, ...] = ("name", "name_kana", "email")
        named = [name for name in shown if name in self._columns] or ["customer_id"]
        alike = ", ".join(f"coalesce(jaro_winkler_similarity({name}, ?, {_ALIKE}), 0)" for name in named)
        sql = f"SELECT k, 1 - likeness AS score, 'similar' AS match FROM (SELECT k, greatest({alike}) AS likeness"
        return f"{sql} FROM customer_search) WHERE likeness >= {_ALIKE}", [whole] * len(named)

    def _frame(self, found: str, values: list[Any], limit: int) -> pd.DataFrame:
        sql = (
            f"WITH best AS (SELECT * FROM ({found}) f(k, score, match) ORDER BY score, k LIMIT {limit:d})"
            f" SELECT best.match AS match, t.* FROM best JOIN {self._table.sql} t ON t.customer_id = best.k"
            " ORDER BY best.score, best.k"
        )
        return to_pandas(self._connection.sql(sql, params=values).to_arrow_table())


def fold(word: str) -> str:
    """A word without what people write now so, now so: width, case, kind of kana, spaces, variants of kanji."""
    return re.sub(_GAPS, "", unicodedata.normalize("NFKC", word).lower().translate(_FOLD))


def fold_all(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """`fold` for a whole column; each kind of letter only where a value has it."""
    text = pc.utf8_lower(pc.utf8_normalize(column, form="NFKC"))
    text = pc.replace_substring_regex(text, _RE2_GAPS, "")
    rare = pc.fill_null(pc.match_substring_regex(text, f"[{_FROM}]"), False)
    if not pc.any(rare).as_py():
        return text
    mended = [None if word is None else word.translate(_FOLD) for word in text.filter(rare).to_pylist()]
    return pa.chunked_array([pc.replace_with_mask(text.combine_chunks(), _one(rare), pa.array(mended, pa.string()))])


_RE2_GAPS = _GAPS.replace(r"\s", r"\s\x{3000}")


def _one(column: Any) -> pa.Array:
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)


def _phones(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Telephone numbers as their digits, as they are dialled inside the country."""
    digits = pc.replace_substring_regex(column, r"[^0-9+]", "")
    return pc.replace_substring_regex(pc.replace_substring_regex(digits, r"^\+?81\(?0?", "0"), r"\+", "")


def _digits(words: str) -> str:
    """The digits of what is asked for, as a telephone number; "" where it is something else."""
    plain = re.sub(_GAPS, "", unicodedata.normalize("NFKC", words))
    if not re.fullmatch(r"\+?[0-9]{4,}", plain):
        return ""
    return re.sub(r"^\+?81(?=[0-9]{9,10}$)0?", "0", plain).lstrip("+")
