"""One name, number or word in its many writings, as real records hold them; and the way back to a single one.

Every function here takes one text and, where there is a choice, a number in [0, 1) that makes it. A text that cannot be
written otherwise comes back as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# The everyday form first; the others are met in family registers, on business cards and as what the keyboard offers.
KANJI = (
    "高髙", "崎﨑", "辺邊邉", "斎齋斉齊", "沢澤", "浜濱濵", "広廣", "島嶋嶌", "国國", "吉𠮷", "桜櫻", "竜龍",
    "富冨", "真眞", "恵惠", "徳德", "関關", "滝瀧", "渋澁", "栄榮", "条條", "学學", "静靜", "峰峯",
    "槙槇", "曽曾", "館舘", "剣劍", "礼禮", "豊豐", "柳栁", "浅淺", "瀬瀨", "寿壽", "実實", "万萬",
    "弥彌", "稲稻", "塩鹽", "鉄鐵", "芦蘆", "薮藪", "桧檜", "鶴靏", "恒恆", "円圓", "児兒", "来來",
    "巌巖", "穂穗", "蔵藏", "亀龜",
)  # fmt: skip
"""Groups of kanji that stand for each other in names, the everyday form first."""

_CHANNELS = {  # in any shop, in Japanese ones, in others
    "store": (("Store", "STORE "), "店舗", "Shop"),
    "web": (("Web", "WEB "), "ウェブ", "Online"),
    "app": (("App", "APP "), "アプリ", "Mobile app"),
    "phone": (("Phone", "PHONE "), "電話", "Telephone"),
    "email": (("Email", "E-MAIL "), "メール", "Mail"),
    "chat": (("Chat", "CHAT "), "チャット", "Live chat"),
    "sns": (("SNS", "Sns "), "ＳＮＳ", "Social media"),
    "postal": (("Postal", "POSTAL "), "郵送", "Letter"),
}
_OTHERS = {sign: group.replace(sign, "") for group in KANJI for sign in group}
_EVERYDAY = str.maketrans({sign: group[0] for group in KANJI for sign in group[1:]})
_KATAKANA = str.maketrans({chr(code): chr(code + 0x60) for code in range(0x3041, 0x3097)})
_HIRAGANA = {ord(kata): chr(hira) for hira, kata in _KATAKANA.items()}
_WIDE = str.maketrans({**{chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)}, " ": "\u3000"})


def _half_katakana() -> dict[str, str]:
    """Half-width signs by the katakana they stand for, those with a voicing mark of their own included."""
    found = {}
    for mark in ("", "ﾞ", "ﾟ"):
        for code in range(0xFF65, 0xFF9E):
            whole = unicodedata.normalize("NFKC", chr(code) + mark)
            if len(whole) == 1:
                found[whole] = chr(code) + mark
    return found


_NARROW = str.maketrans(_half_katakana()) | {ord(wide): chr(sign) for sign, wide in _WIDE.items()}


def plain(text: str) -> str:
    """The one writing that all writings of a name share: everyday kanji, katakana, no spaces, small letters.

    Examples:
        >>> plain("髙橋 はるか") == plain("高橋　ハルカ") == plain("高橋ﾊﾙｶ ")
        True
    """
    text = unicodedata.normalize("NFKC", text).translate(_EVERYDAY).translate(_KATAKANA)
    return "".join(text.split()).casefold()


def plain_phone(phone: str) -> str:
    """A telephone number as digits only, Japan's country code taken back to the leading 0.

    Examples:
        >>> plain_phone("+81-3-0000-1234"), plain_phone("０３（００００）１２３４")
        ('0300001234', '0300001234')
    """
    phone = unicodedata.normalize("NFKC", phone)
    return "".join(sign for sign in phone.replace("+81", "0") if sign.isdecimal())


def other_kanji(name: str, u: float) -> str:
    """A name with one kanji in another form.

    Examples:
        >>> other_kanji("高橋 遥", 0.5)
        '髙橋 遥'
    """
    ways = [name[:at] + other + name[at + 1 :] for at, sign in enumerate(name) for other in _OTHERS.get(sign, "")]
    return _pick(ways, u, name)


def other_spelling(name: str, u: float) -> str:
    """A name without its space, with one at its end, or in capital or small letters.

    Examples:
        >>> other_spelling("高橋 遥", 0.0), other_spelling("Mary Hill", 0.5)
        ('高橋遥', 'MARY HILL')
    """
    return _pick(["".join(name.split()), name + " ", name.upper(), name.lower()], u, name)


def other_kana(kana: str, u: float) -> str:
    """A reading in hiragana in place of katakana, or the other way round, or without its space.

    Examples:
        >>> other_kana("タカハシ ハルカ", 0.0)
        'たかはし はるか'
    """
    full = unicodedata.normalize("NFKC", kana)
    turned = full.translate(_HIRAGANA)
    return _pick([turned if turned != full else full.translate(_KATAKANA), "".join(kana.split())], u, kana)


def other_width(text: str, u: float = 0.0) -> str:
    """Katakana in half width; where there is none, letters, digits and spaces in full width, or back from it.

    Examples:
        >>> other_width("タカハシ ハルカ"), other_width("100-0001")
        ('ﾀｶﾊｼ ﾊﾙｶ', '１００－０００１')
    """
    narrow = text.translate(_NARROW)
    return narrow if narrow != text else text.translate(_WIDE)


def other_phone(phone: str, u: float, *, japanese: bool = True) -> str:
    """A telephone number in one piece or with other signs between its parts; in Japan also with +81 or in full width.

    Examples:
        >>> [other_phone("03-0000-1234", u) for u in (0.0, 0.2, 0.5, 0.7, 0.9)]
        ['0300001234', '03 0000 1234', '03.0000.1234', '+81-3-0000-1234', '０３－００００－１２３４']
    """
    ways = [mark.join(re.findall(r"[\w+]+", phone)) for mark in ("", " ", ".", "-")]
    if japanese and phone.startswith("0"):
        ways.append("+81-" + phone[1:])
    if japanese:
        ways.append(phone.translate(_WIDE))
    return _pick(ways, u, phone)


def other_channel(channel: str, u: float, *, japanese: bool = True) -> str:
    """A channel of the model in the words and the letters that stand in exports.

    Examples:
        >>> [other_channel("web", u) for u in (0.0, 0.5, 0.9)]
        ['Web', 'WEB ', 'ウェブ']
    """
    ways, in_japanese, elsewhere = _CHANNELS.get(channel, ((), channel, channel))
    return _pick([*ways, in_japanese if japanese else elsewhere], u, channel)


def _pick(ways: Sequence[str], u: float, text: str) -> str:
    """One of the writings that differ from the text, each as likely; the text itself where none does."""
    different = [way for way in dict.fromkeys(ways) if way != text]
    return different[int(u * len(different))] if different else text
