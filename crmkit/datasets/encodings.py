"""In which encoding a text was written, and the text as UTF-8; told by what the text then looks like."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from crmkit.datasets.said import BINARY
from crmkit.errors import ParameterError, UnreadableFile

BOM = b"\xef\xbb\xbf"
# What Windows calls Shift_JIS is cp932; EUC-JP of Windows and of later tables has ① and ㈱, which the first one lacks.
_JAPANESE = {"cp932 (Shift_JIS)": ("cp932",), "EUC-JP": ("euc_jp", "euc_jis_2004")}
_SAID = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8 (BOM)", "utf-16": "UTF-16", "cp932": "cp932 (Shift_JIS)"} | {
    "shift_jis": "cp932 (Shift_JIS)", "euc_jp": "EUC-JP", "iso2022_jp": "ISO-2022-JP (JIS)",
}  # fmt: skip
# What text is worth on average: this much is surely Japanese, and so little is what an accent of the West becomes, a
# rare character between plain letters.
_CLEAR, _GARBAGE = 0.2, -0.4
_SAMPLE = 200_000  # characters that are looked at
_JUDGED = re.compile(r"[^\x00-\x7f]+")
# What shops' files are full of: headers, names of people and places, units.
_FREQUENT = frozenset(
    "田山川中村木本藤井小大野高橋佐林口上下東西南北京都府県市区町丁目番地島崎原松石岡谷内長吉清水池森加伊斎斉渡辺三和"
    "一二三四五六七八九十百千万円年月日時分数量価格税込抜単合計金額売上注文受発送料商品名前氏会員顧客番号店舗支払方法"
    "購入状態完了取消済未返金電話住所郵便生性別女男登録最終更新備考担当者問合内容種類件初回来予約美容室春子郎美恵太郎真"
    "由健花株式社有限新宿横浜神奈愛知阪福岡海道個人情報利用開始退解約現在請求書定期便"
)  # fmt: skip
_WORTH = (
    (re.compile("[\u3041-\u30fe\u4e00-\u9fff]"), 2),
    # half-width signs: the first half of every kana of EUC-JP looks like one
    (re.compile("[｡-･]"), -1),
    (re.compile("[ｦ-ﾟ]"), 0.3),
    (re.compile("[\u3000-\u303f！-～￥①-⑩㈱㈲№℡]"), 1),
)
_SOUNDED = frozenset("ｳｶｷｸｹｺｻｼｽｾｿﾀﾁﾂﾃﾄﾊﾋﾌﾍﾎ")  # half-width kana that ﾞ may follow


def decoded(file: Path, data: bytes, encoding: str | None) -> tuple[bytes, str]:
    """The text as UTF-8, without a mark in front, and the name of the encoding that it was found in.

    Raises:
        UnreadableFile: it is in none that is known, or not in the one that was named.
        ParameterError: there is no encoding of that name.
    """
    if encoding is not None:
        return _as_told(file, data, encoding)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # what Excel calls "Unicode text"
        return _marked(file, data, "utf-16"), "UTF-16"
    if b"\0" in data:
        raise UnreadableFile("not_csv", file=file, found=BINARY)
    if b"\x1b$" in data and data.isascii():
        return _marked(file, data, "iso2022_jp_ext"), "ISO-2022-JP (JIS)"
    try:
        has_mark = data.startswith(BOM)
        return _utf8(file, data.removeprefix(BOM)), "UTF-8 (BOM)" if has_mark else "UTF-8"
    except UnreadableFile as broken:
        return _japanese(file, data, broken, has_mark=has_mark)


def _marked(file: Path, data: bytes, coding: str) -> bytes:
    """A text that says itself how it is written."""
    try:
        return data.decode(coding).encode()
    except UnicodeError:
        raise UnreadableFile("not_csv", file=file, found=BINARY) from None


def lines_in(text: str) -> int:
    """Line breaks in a text, of whatever kind."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _as_told(file: Path, data: bytes, encoding: str) -> tuple[bytes, str]:
    """The text in the encoding that the caller names."""
    try:
        name = codecs.lookup(encoding).name
        if not isinstance("".encode(name), bytes):
            raise LookupError
    except (LookupError, UnicodeError, ValueError):
        raise ParameterError("unknown_encoding", encoding=encoding) from None
    wide = {"shift_jis": "cp932", "utf-8": "utf-8-sig"}.get(name, name)  # files said to be Shift_JIS are cp932
    try:
        return data.decode(wide).encode(), _SAID.get(name, encoding)
    except UnicodeError as error:
        bad = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = 1 + lines_in(data[:bad].decode("latin-1"))
        found = data[max(bad - 2, 0) : bad + 3]
        raise UnreadableFile("not_in_encoding", file=file, encoding=encoding, line=line, found=found) from None


def _utf8(file: Path, data: bytes) -> bytes:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise UnreadableFile("broken_characters", file=file, **_place(data, error.start)) from None
    return data


def _place(data: bytes, bad: int) -> dict[str, object]:
    return {"line": 1 + lines_in(data[:bad].decode("latin-1")), "found": data[max(bad - 2, 0) : bad + 3]}


def _is_mostly_utf8(data: bytes) -> bool:
    """Whether more than half of the bytes that are not ASCII are whole UTF-8 characters."""
    beyond = len(data) - len(data.translate(None, bytes(range(128, 256))))
    whole = sum(len(part.encode()) for part in _JUDGED.findall(data.decode(errors="ignore")))
    return 2 * whole > beyond


def _japanese(file: Path, data: bytes, broken: UnreadableFile, *, has_mark: bool) -> tuple[bytes, str]:
    """cp932 or EUC-JP: many files can be read as both, but only one reading looks like Japanese."""
    found = []
    furthest = 0
    for said, codings in _JAPANESE.items():
        for coding in codings:
            try:
                text = data.decode(coding)
            except UnicodeDecodeError as error:
                furthest = max(furthest, error.start)
                continue
            found.append((_looks_japanese(text), said, text))
            break
    score, said, text = max(found, key=lambda one: one[0], default=(_GARBAGE, "", ""))
    if has_mark or (score < _CLEAR and _is_mostly_utf8(data)):  # UTF-8 with a few broken bytes would become garbage
        raise broken from None
    if score <= _GARBAGE:
        first = _JUDGED.search(data.decode("latin-1"))
        raise UnreadableFile("encoding", file=file, **_place(data, furthest or (first.start() if first else 0)))
    return text.encode(), said


def _looks_japanese(text: str) -> float:
    """How much a character beyond ASCII looks like a shop's Japanese on average: the frequent for, the rare against."""
    beyond = "".join(_JUDGED.findall(text[: 10 * _SAMPLE]))[:_SAMPLE]
    score = 0.0
    before = ""
    for letter in beyond:
        score += _worth(letter, before)
        before = letter
    return score / max(len(beyond), 1)


def _worth(letter: str, before: str) -> float:
    if letter in "ﾞﾟ" and before not in _SOUNDED:
        return -2
    if "\u4e00" <= letter <= "\u9fff" and letter not in _FREQUENT:
        is_first_level = b"\xb0" <= letter.encode("euc_jp", "replace")[:1] < b"\xd0"
        return 0.1 if is_first_level else -1  # kanji of the second level are rare
    return next((worth for letters, worth in _WORTH if letters.match(letter)), -1)
