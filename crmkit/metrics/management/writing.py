"""One writing for the many writings of a name, an address or a number: what `match_customers` compares.

Every function takes one text and gives the one that all its writings share; "" where it says nothing.
"""

from __future__ import annotations

import re
import unicodedata

# The everyday form first, then the forms of family registers, business cards and keyboards. Of those that stand for
# each other in names (斎 and 斉 are two characters by origin, but are taken for each other at every counter).
KANJI = (
    "高髙", "崎﨑嵜碕", "辺邊邉", "斎齋斉齊", "沢澤", "浜濱濵", "広廣", "島嶋嶌", "国國圀", "吉𠮷", "桜櫻", "竜龍",
    "富冨", "真眞", "恵惠", "徳德", "関關", "滝瀧", "渋澁", "栄榮", "条條", "学學", "静靜", "峰峯", "槙槇", "曽曾",
    "館舘", "剣劍", "礼禮", "豊豐", "柳栁", "浅淺", "瀬瀨", "寿壽", "実實", "万萬", "弥彌", "稲稻", "塩鹽", "鉄鐵",
    "芦蘆", "薮藪", "桧檜", "鶴靏", "恒恆", "円圓", "児兒", "来來", "巌巖", "穂穗", "蔵藏", "亀龜", "黒黑", "緒緖",
    "清淸", "青靑", "郎郞", "為爲", "将將", "荘莊", "薫薰", "蒋蔣", "頼賴", "鴎鷗", "桑桒", "横橫", "戸戶", "仏佛",
    "気氣", "県縣", "奥奧", "尭堯", "遥遙", "麹麴", "祢禰", "梅楳", "松枩", "野埜", "杉椙", "秋穐", "床牀", "医醫",
    "検檢", "伝傳", "処處", "会會", "沖冲", "涼凉", "船舩", "淵渕渊", "岳嶽", "諌諫", "与與", "予豫", "双雙", "団團",
    "壱壹",
)  # fmt: skip
"""Groups of kanji that stand for each other in names."""

PREFECTURES = (
    "北海道", "青森県", "岩手県", "宮城県", "秋田県", "山形県", "福島県", "茨城県", "栃木県", "群馬県", "埼玉県",
    "千葉県", "東京都", "神奈川県", "新潟県", "富山県", "石川県", "福井県", "山梨県", "長野県", "岐阜県", "静岡県",
    "愛知県", "三重県", "滋賀県", "京都府", "大阪府", "兵庫県", "奈良県", "和歌山県", "鳥取県", "島根県", "岡山県",
    "広島県", "山口県", "徳島県", "香川県", "愛媛県", "高知県", "福岡県", "佐賀県", "長崎県", "熊本県", "大分県",
    "宮崎県", "鹿児島県", "沖縄県",
)  # fmt: skip
TAGGED = {  # mailers that deliver name+anything@ to name@; of Gmail's the dots do not count either
    "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "icloud.com", "me.com", "fastmail.com",
    "proton.me", "protonmail.com", "outlook.jp",
}  # fmt: skip
ROLES = {
    "info", "contact", "sales", "support", "admin", "office", "shop", "mail", "webmaster", "postmaster", "noreply",
    "no-reply", "none", "test",
}  # fmt: skip

NOBODY = {
    "テスト", "ゲスト", "匿名", "不明", "名無シ", "ナナシ", "test", "guest", "unknown", "anonymous",
}  # fmt: skip

_EVERYDAY = str.maketrans({sign: group[0] for group in KANJI for sign in group[1:]})
_KATAKANA = str.maketrans({chr(code): chr(code + 0x60) for code in range(0x3041, 0x3097)})
_LARGE = str.maketrans("ァィゥェォッャュョヮヵヶヲヰヱヅヂヴ", "アイウエオツヤユヨワカケオイエズジブ")
_ROWS = (
    ("アカガサザタダナハバパマヤラワ", "ア"), ("イキギシジチニヒビピミリ", "イ"), ("ウクグスズツヌフブプムユル", "ウ"),
    ("エケゲセゼテデネヘベペメレ", "エイ"), ("オコゴソゾトドノホボポモヨロ", "オウ"),
)  # fmt: skip
_LONG = {first + vowel: first + "ー" for row, vowels in _ROWS for first in row for vowel in vowels}
_APART = re.compile(r"[\s・,，、/]+")
_MARKS = re.compile(r"[.'’`´\u0300-\u036f\-‐‑–—−]+")
_DASH_AFTER_KANA = re.compile(r"(?<=[ァ-ヺ])[-‐‑–—−]")
_COMPANY = re.compile(
    r"株式会社|有限会社|合同会社|合資会社|合名会社|一般社団法人|一般財団法人|\((?:株|有|合|資|名|同|社|財)\)"
    r"|(?<![a-z])(?:co\.?,?\s*ltd\.?|inc\.?|k\.k\.|llc\.?|corp\.?|ltd\.?|gmbh)(?![a-z])"
)
_TITLES = re.compile(r"(?:(?<=..)(?:様|殿|御中)|\s(?:さん|さま|サン|サマ|先生))$|^(?:mr|mrs|ms|dr)(?:\.\s*|\s+)")
_KANA = re.compile(r"[ァ-ヺー]+")
_HYPHENS = r"[-‐‑–—−ー－]"
_KANJI_NUMBER = re.compile(r"[〇一二三四五六七八九十]+(?=丁目|番|号|条)")
_DIGITS = {sign: at for at, sign in enumerate("〇一二三四五六七八九")}


def name_parts(said: str) -> tuple[str, ...]:
    """The parts of a name in normal width, everyday kanji, katakana, large and small alike; no company form, no title.

    Examples:
        >>> name_parts("髙橋　はるか 様"), name_parts("㈱山﨑商店") == name_parts("山崎商店 株式会社")
        (('高橋', 'ハルカ'), True)
        >>> name_parts("O'Brien, Mary"), name_parts("ﾖｼﾀﾞ ｼｮｳ")
        (('obrien', 'mary'), ('ヨシダ', 'シヨウ'))
    """
    text = unicodedata.normalize("NFKC", said).casefold().strip()
    if not text.isascii():
        text = re.sub(r"[\u00c0-\u024f]", lambda found: unicodedata.normalize("NFKD", found[0])[0], text)
    text = _TITLES.sub("", _COMPANY.sub(" ", text))
    text = _DASH_AFTER_KANA.sub("ー", text.translate(_KATAKANA)).translate(_LARGE).translate(_EVERYDAY)
    parts = tuple(part for part in _APART.split(_MARKS.sub("", text)) if part)
    return () if "".join(parts) in NOBODY else parts


def sound(joined: str) -> str:
    """A name in one piece; in a reading all long vowels are written alike.

    Examples:
        >>> sound("オオタ") == sound("オウタ") == sound("オータ"), sound("ユキ") == sound("ユウキ")
        (True, False)
    """
    if not _KANA.search(joined):
        return joined
    made = joined[:1]
    for sign in joined[1:]:
        long = sign == "ー" or (_before(made) + sign) in _LONG
        made += "" if long and made[-1] == "ー" else "ー" if long else sign
    return made


def _before(made: str) -> str:
    """The last sign that is no long vowel."""
    return made.rstrip("ー")[-1:]


def is_reading(joined: str) -> bool:
    """Whether a name is written in kana alone."""
    return _KANA.fullmatch(joined) is not None


def plain(said: str) -> str:
    """A name in one piece, as all its writings are compared.

    Examples:
        >>> plain("ﾀｶﾊｼ　はるか"), plain("O'Brien, Mary")
        ('タカハシハルカ', 'obrienmary')
    """
    return sound("".join(name_parts(said)))


def plain_email(address: str) -> str:
    """An e-mail address in normal width and small letters, without tags; "" for what is none, or is a whole office's.

    Examples:
        >>> plain_email(" Haruka＠example.com"), plain_email("ha.ruka+shop@googlemail.com"), plain_email("none")
        ('haruka@example.com', 'haruka@gmail.com', '')
    """
    if not address.isascii():
        address = unicodedata.normalize("NFKC", address)
    address = "".join(address.casefold().split()).removeprefix("mailto:")
    local, at, domain = address.rpartition("@")
    if domain in TAGGED:
        local = local.partition("+")[0]
        if domain in ("gmail.com", "googlemail.com"):
            local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}" if at and local and domain and local not in ROLES else ""


def plain_phone(number: str) -> str:
    """The digits of a telephone number, +81 as the leading 0, no extension; "" for too few or all the same.

    Examples:
        >>> plain_phone("+81-90-0000-1234"), plain_phone("０９０（００００）１２３４"), plain_phone("000-0000")
        ('09000001234', '09000001234', '')
        >>> plain_phone("03-1234-5678 内線12"), plain_phone("0081 3 1234 5678"), plain_phone("+1 212 555 0100 ext. 7")
        ('0312345678', '0312345678', '12125550100')
    """
    if not number.isascii():
        number = unicodedata.normalize("NFKC", number)
    number = re.split(r"内線|ext|#|x|;", number.strip().casefold())[0]
    number = re.sub(r"^[^\d+]*(?:\+\s*81|0081|010[- ]?81(?=[- ]))[-\s.]*(?:\(0\))?[-\s.(]*0?", "0", number)
    digits = "".join(re.findall(r"\d", number))
    # an export through a spreadsheet eats the leading 0 of a mobile number
    digits = "0" + digits if re.fullmatch(r"[789]0\d{8}", digits) else digits
    return digits if len(digits) >= 7 and len(set(digits)) > 1 else ""


def plain_place(said: str) -> str:
    """City and house number, without the prefecture; 丁目, 番地, 号 and all kinds of hyphens as "-".

    Examples:
        >>> plain_place("東京都渋谷区神南１丁目２番３号"), plain_place("渋谷区神南一丁目２の３")
        ('渋谷区神南1-2-3', '渋谷区神南1-2-3')
    """
    text = "".join(unicodedata.normalize("NFKC", said).casefold().split()).translate(_EVERYDAY)
    text = re.sub(r"^〒?\d{3}-?\d{4}", "", text)
    text = _KANJI_NUMBER.sub(lambda found: _number(found[0]), text)
    text = re.sub(rf"(?<=\d)(?:丁目|番地の?|番町?|号室?|の|{_HYPHENS})+(?=\d)", "-", text)
    text = re.sub(r"(?<=\d)(?:丁目|番地|番|号室?|号)(?=\D|$)", "", text)
    return next((text.removeprefix(one) for one in PREFECTURES if text.startswith(one) and text != one), text)


def _number(kanji: str) -> str:
    tens, ten, ones = kanji.rpartition("十")
    if not ten:
        return "".join(str(_DIGITS[sign]) for sign in kanji)
    return str(10 * (_DIGITS.get(tens, 1) if tens else 1) + (_DIGITS.get(ones, 0) if ones else 0))
