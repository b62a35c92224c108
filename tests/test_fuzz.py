"""Ten thousand sources that nobody would write: each loads with counts that add up, or is refused in our own words.

Never another exception, never another warning; and whatever comes of it can be shown in both languages.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmkit import schema
from crmkit.datasets.headings import _book
from crmkit.datasets.values import Reading, read_column
from crmkit.texts import LANGUAGES, in_language
from tests.corpus import Outcome, loaded

LEAST = 10_000
TRIED: Counter[str] = Counter()
EASY = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all cases: to make one for each takes longer than to load it."""
    return tmp_path_factory.mktemp("fuzz")


def holds(test: str, source: Any, **how: Any) -> Outcome:
    """The property that every source must have."""
    TRIED[test] += 1
    outcome = loaded(source, **how)
    for code in LANGUAGES if TRIED[test] % 4 == 0 else LANGUAGES[TRIED[test] // 4 % 2 :][:1]:
        with in_language(code):
            assert outcome.said()
    for name, item in outcome.crm._loaded.items() if outcome.crm is not None else ():
        assert item.told or item.source.rows_read == len(item.frame) + len(item.aside)  # else: orders made of lines
        assert len(outcome.crm.rejected[name]) == len(item.aside)
        reasons = Counter(item.reasons.tolist())
        for number, problem in enumerate(item.problems, 1):
            assert (problem.action == "set_aside") == (number in reasons)
            assert problem.action != "set_aside" or problem.rows == reasons[number]
        assert bool(len(item.aside)) == bool(outcome.warned)
    return outcome


def put(folder: Path, data: bytes, name: str = "shop.csv") -> Path:
    """A file with these bytes."""
    path = folder / name
    path.write_bytes(data)
    return path


def lines_of(data: bytes) -> int:
    """Lines of a text in UTF-8, as a person counts them; the end of the last one begins no other."""
    text = data.decode("utf-8-sig")
    return len(re.findall(r"\r\n|\r|\n", text)) + (not text.endswith(("\r", "\n")))


def all_lines_said(outcome: Outcome, data: bytes) -> None:
    """Header, titles, blank lines and rows are all the lines there are; with quotes a row may have several."""
    if outcome.crm is None or b'"' in data:
        return
    for item in outcome.crm._loaded.values():
        kept = item.source
        if not item.told and kept.encoding in ("UTF-8", "UTF-8 (BOM)"):
            begins = re.match(rb"(?:\xef\xbb\xbf)?(?:[ \t,;|]*(?:\r\n|\r|\n))*", data)  # blank lines above all
            above = lines_of(begins[0]) if begins and begins[0].strip(b"\xef\xbb\xbf") else 0
            said = 1 + kept.title_lines + kept.blank_lines + kept.rows_read
            assert lines_of(data) - above <= said <= lines_of(data)


# --- bytes

HEADERS = [
    b"customer_id,ordered_at\n",
    "会員番号,注文日,購入金額\n".encode(),
    "会員番号\t注文日\n".encode("cp932"),
    b"",
]
SCRAPS = [
    b",", b"\n", b"\r", b"\r\n", b'"', b'""', b";", b"\t", b"|", b"\0", b"\xef\xbb\xbf", b"\xff\xfe",
    b"\x1b$B", b"\x81",
    b"A", b"1", b"2024-04-01", b"2024/4/1", b"4,400", b" ", b"\xe3\x81\x82", b"\x82\xa0", b"\xa4\xa2",
    b"\xf0\x9f\x98\x80",
    b"A,2024-04-01\n", b"B,2024-04-02,1\n", b"\x1f\x8b", b"PK\x03\x04", b"PAR1", b"=", b"-", b"e308", b"NaN",
]  # fmt: skip


@settings(max_examples=4600, suppress_health_check=EASY)
@given(
    header=st.sampled_from(HEADERS),
    body=st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(SCRAPS), max_size=25).map(b"".join)),
    name=st.sampled_from(["shop.csv", "shop.csv", "shop.tsv", "shop.txt"]),
)
def test_any_bytes_as_text(folder, header, body, name):
    all_lines_said(holds("bytes", {"orders": put(folder, header + body, name)}), header + body)


@settings(max_examples=700, suppress_health_check=EASY)
@given(
    body=st.binary(max_size=80), name=st.sampled_from(["shop.csv.gz", "shop.parquet", "shop.sqlite", "shop.toml.csv"])
)
def test_any_bytes_as_something_else(folder, body, name):
    holds("others", put(folder, body, name))


# --- files of the usual kind, each time written otherwise

ENCODINGS = ["utf-8", "utf-8", "utf-8-sig", "cp932", "euc_jp", "utf-16", "iso2022_jp"]
TABLES = [
    "orders",
    "orders",
    "customers",
    "tickets",
    "subscriptions",
    "order_items",
    "survey_responses",
    "loyalty_events",
]
MOMENTS = [
    "2024-04-01", "2024/4/1 10:05", "2024-04-01T10:05:00Z", "2024-04-01T10:05:00.123456+09:00", "20240401",
    "20240401100500",
    "2024年4月1日", "2024年4月1日(月) 午後3時5分", "令和6年4月1日", "R6.4.1", "平成31年5月1日",
    "昭和64年1月7日", "1 Apr 2024",
    "April 1st, 2024", "03/04/2024", "31/12/2023", "2024-02-30", "9999-12-31 23:59:59", "0001-01-01",
    "1899-12-30", "45383",
    "45383.4201", "43921", "1711933200", "1711933200123", "0", "-1", "24:00", "2024-04-01 25:61", "1900-01-00",
    "未定",
    "２０２４／４／１", "2024-04-01 10:05 PM", "2024-4", "2024", "99999999999999999999", "2024-04-01T10:05:00+99:99",
]  # fmt: skip
NUMBERS = [
    "0", "1", "4400", "4,400", "¥4,400", "￥４，４００", "4400円", "▲1,200", "(1,200)", "-5", "+5", "1.5",
    "1.234", "1,5",
    "1.234,56", "1,234.56", "1'234", "12%", "１２％", "1e3", "1E+308", "1e999", "inf", "-Infinity", "nan",
    "NaN", "$5", "€7",
    "0x10", "1_000", "１", "٣", "½", "1 234", "--5", "5-", ".5", "5.", "99999999999999999999999", "無料", "TRUE", "",
]  # fmt: skip
WORDS = [
    "", " ", "A", "a", "001", "1", "1.0", "1E+05", "K1", " K1 ", "K1\u200b", "山田花子", "null", "N/A", "-",
    "=1+1", "@x", "😀",
    "completed", "完了", "キャンセル", "web", "店舗", "high", "はい", "no", "×", "合計", "Total", "a,b",
    'a"b', "a\nb", "a\r\nb",
    "<b>", "{file}", "%s", "\\", "'", "\x07", "\u202e", "x" * 300, "ﾔﾏﾀﾞ", "①㈱髙", "\ufeff", "\u3000", "{",
    "}", "{0}",
]  # fmt: skip
OF_KIND = {"instant": MOMENTS, "date": MOMENTS, "amount": NUMBERS, "number": NUMBERS, "integer": NUMBERS}
ANY_CELL = st.sampled_from([*MOMENTS, *NUMBERS, *WORDS])


def names_of(table: str, column: str) -> list[str]:
    """What people call a column."""
    told, shared = _book()["tables"].get(table, {}), _book()["shared"]
    return [column, column.replace("_", " ").title(), *told.get(column, [])[:6], *shared.get(column, [])[:6]]


NAMES = {(table, one.name): names_of(table, one.name) for table in set(TABLES) for one in schema.TABLES[table].columns}


@st.composite
def exports(draw: st.DrawFn) -> tuple[str, list[list[str]]]:
    """A table and its records, the header first."""
    table = draw(st.sampled_from(TABLES))
    model = schema.TABLES[table]
    extra = draw(st.lists(st.sampled_from(model.columns), max_size=4))
    columns = [*(one for one in model.columns if one.required and draw(st.integers(0, 30))), *extra]
    header = [draw(st.sampled_from(NAMES[table, one.name])) for one in columns]
    cells = [
        st.one_of(st.sampled_from(OF_KIND.get(one.kind, WORDS)), ANY_CELL)
        if draw(st.booleans())
        else st.sampled_from(OF_KIND.get(one.kind, WORDS)[:3])
        for one in columns
    ]
    if draw(st.integers(0, 3)) == 0:
        header, cells = (
            [*header, draw(st.sampled_from(["備考", "", "x", header[0] if header else ""]))],
            [*cells, ANY_CELL],
        )
    return table, [header, *draw(st.lists(st.tuples(*cells).map(list), min_size=1, max_size=7))]


def written(records: list[list[str]], delimiter: str, end: str, quoting: int) -> str:
    """Records as delimited text."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(records)
    return out.getvalue()


@settings(max_examples=1000, suppress_health_check=EASY)
@given(
    export=exports(),
    delimiter=st.sampled_from(",,,\t;|"),
    end=st.sampled_from(["\n", "\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=st.sampled_from(ENCODINGS),
    extra=st.sampled_from(["", "", "", "ragged", "short", "blank", "title", "total", "cut", "packed", "named"]),
    dayfirst=st.sampled_from([None, None, True, False]),
    decimal=st.sampled_from([None, None, ",", "."]),
)
def test_exports_of_every_writing(folder, export, delimiter, end, quoting, encoding, extra, dayfirst, decimal):
    table, records = export
    if extra == "ragged":
        records = [*records[:-1], [*records[-1], "one", "more"]]
    elif extra == "short":
        records = [*records, records[-1][:1]]
    elif extra == "blank":
        records = [records[0], [], *records[1:], ["" for _ in records[0]], []]
    elif extra == "title":
        records = [["一覧（4月）"], [], *records]
    elif extra == "total":
        records = [*records, ["合計", *("" for _ in records[0][2:]), "9"]]
    text = written(records, delimiter, end, quoting)
    data = (text[:-3] if extra == "cut" else text).encode(encoding, "replace")
    path = put(folder, gzip.compress(data, 1), "shop.csv.gz") if extra == "packed" else put(folder, data)
    how = {"dayfirst": dayfirst, "decimal": decimal, "encoding": encoding if extra == "named" else None}
    outcome = holds("exports", path if len(records) % 2 else {table: path}, **how)
    if extra != "packed":
        all_lines_said(outcome, data)


# --- good files, damaged

GOOD = [
    text.encode(encoding)
    for encoding in ("utf-8", "cp932", "euc_jp", "utf-16")
    for text in (
        "注文番号,会員番号,注文日時,購入金額,状態\n1,A,2024-04-01 10:05,4400,完了\n"
        "2,B,2024/4/2,6600,キャンセル\n3,A,2024-04-03,1,完了\n",
        '会員番号;氏名;登録日\nA;"山田; 花子";2024-01-01\nB;"佐藤\n太郎";令和6年4月1日\n\n合計;2;\n',
    )
]


@settings(max_examples=1300, suppress_health_check=EASY)
@given(
    data=st.sampled_from(GOOD),
    damages=st.lists(
        st.tuples(st.sampled_from(["flip", "cut", "twice", "out", "in"]), st.integers(0, 200), st.integers(0, 255)),
        min_size=1,
        max_size=4,
    ),
)
def test_good_files_damaged(folder, data, damages):
    for kind, place, what in damages:
        at = place % max(len(data), 1)
        if kind == "flip" and data:
            data = data[:at] + bytes([what]) + data[at + 1 :]
        elif kind == "cut":
            data = data[: max(at, 20)]
        elif kind == "twice":
            data = data[:at] + data[max(at - what % 40, 0) :]
        elif kind == "out":
            data = data[:at] + data[at + 1 + what % 30 :]
        else:
            data = data[:at] + SCRAPS[what % len(SCRAPS)] + data[at:]
    all_lines_said(holds("damaged", put(folder, data)), data)


# --- tables in hand

CELLS = st.one_of(
    ANY_CELL,
    st.none(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.datetimes(),
    st.dates(),
    st.decimals(allow_nan=True),
    st.timedeltas(),
    st.binary(max_size=3),
    st.sampled_from(
        [[1], {"a": 1}, (), object(), pd.NA, pd.NaT, np.float32(1), np.int8(3), np.datetime64("NaT"), "\ud800"]
    ),
)
HEADINGS = st.sampled_from([
    "customer_id", "ordered_at", "net_amount", "status", "is_test", "会員番号", "注文日", "購入金額", "備考", "",
    None, 0, 1.5, ("a", "b"), date(2024, 4, 1),
])  # fmt: skip


@settings(max_examples=600, suppress_health_check=EASY)
@given(
    names=st.lists(HEADINGS, max_size=3),
    first=st.sampled_from(["customer_id", "会員番号"]),
    rows=st.integers(0, 5),
    kind=st.sampled_from(["pandas", "pandas", "indexed", "arrow", "polars", "category"]),
    data=st.data(),
)
def test_any_frame(names, first, rows, kind, data):
    plain = st.sampled_from(MOMENTS[:8])
    columns = [[data.draw(CELLS) for _ in range(rows)], [data.draw(plain) for _ in range(rows)]]
    columns += [[data.draw(CELLS) for _ in range(rows)] for _ in names]
    heads = [first, "ordered_at", *names]
    made: Any = pd.DataFrame(dict(enumerate(columns)), dtype=object)
    if rows % 2:
        with suppress(UnicodeEncodeError):  # pandas holds half letters only as objects
            made = made.infer_objects()
    made.columns = pd.Index(heads, dtype=object, tupleize_cols=False)
    if kind == "indexed":
        made = made.iloc[:, 1:].set_index(pd.Index(columns[0], name=first, dtype=object, tupleize_cols=False))
    elif kind == "category" and rows:
        made = made.map(repr).astype("category")
    elif kind in ("arrow", "polars"):
        words = {
            str(at): [None if cell is None else repr(cell) for cell in column] for at, column in enumerate(columns)
        }
        made = pa.table(words).rename_columns([str(head).encode("utf-8", "replace").decode() for head in heads])
        if kind == "polars" and len(set(made.column_names)) == len(heads):
            made = pl.from_arrow(made)
    holds("frames", made if rows % 2 else {"orders": made})


# --- mappings

KEYS = st.sampled_from(
    ["customer_id", "ordered_at", "net_amount", "status", "x", "orders", "customers", "", "{file}", "会員番号"]
)
LEAVES = st.sampled_from(
    ["会員番号", "注文日", "購入金額", "注文番号", "", "none", "<b>", "{0}", False, True, None, 3, 1.5, [], ["a"]]
)


@settings(max_examples=400, suppress_health_check=EASY)
@given(
    columns=st.one_of(
        st.dictionaries(KEYS, LEAVES, max_size=3),
        st.dictionaries(KEYS, st.dictionaries(KEYS, LEAVES, max_size=3), max_size=2),
    ),
    tables=st.sampled_from([None, None, "orders", "customers", "x", {"orders": "shop"}, {"orders": "gone"}, {}]),
)
def test_any_columns(folder, columns, tables):
    path = put(folder, GOOD[0])
    holds("columns", path, columns=columns, tables=tables)


TOML = st.lists(
    st.sampled_from([
        "[orders]\n", "[customers]\n", "[[orders]]\n", "[orders.customer_id]\n", 'customer_id = "会員番号"\n',
        "ordered_at = false\n",
        'ordered_at = "注文日時"\n', "net_amount = 3\n", "x = []\n", 'x = "y"\n', "# x\n", "=\n", "\0", '"',
        "\n", 'net_amount = "購入金額"\n',
    ]),
    max_size=6,
)  # fmt: skip


@settings(max_examples=600, suppress_health_check=EASY)
@given(parts=TOML, raw=st.binary(max_size=8), use_raw=st.integers(0, 5))
def test_any_mapping_file(folder, parts, raw, use_raw):
    told = put(folder, "".join(parts).encode() + (raw if use_raw == 0 else b""), "mapping.toml")
    holds("mapping", put(folder, GOOD[0]), columns=told)


# --- what was written is what is read

HOW = Reading("Asia/Tokyo", None, None)
ERAS = {
    "令和": (2018, datetime(2019, 5, 1)),
    "平成": (1988, datetime(1989, 1, 8)),
    "昭和": (1925, datetime(1926, 12, 25)),
}
WIDE = str.maketrans("0123456789/:-,.¥", "０１２３４５６７８９／：－，．￥")


def _era(at: datetime) -> tuple[str, int]:
    name = next(name for name, (_, begins) in ERAS.items() if at >= begins)
    return name, at.year - ERAS[name][0]


def _in_era(at: datetime) -> str:
    name, year = _era(at)
    return f"{name}{'元' if year == 1 else year}年{at.month}月{at.day}日 {at:%H:%M}"


def _short_era(at: datetime) -> str:
    name, year = _era(at)
    return f"{dict(zip(ERAS, 'RHS', strict=True))[name]}{year}.{at.month}.{at.day} {at:%H:%M}"


WRITINGS = {
    "iso": lambda at: at.isoformat(" ", "minutes"),
    "T": lambda at: at.isoformat(timespec="minutes"),
    "zoned": lambda at: f"{(at - timedelta(hours=9)).isoformat(timespec='minutes')}Z",
    "offset": lambda at: f"{(at - timedelta(hours=14)).isoformat(timespec='minutes')}-05:00",
    "slash": lambda at: f"{at.year}/{at.month}/{at.day} {at.hour}:{at.minute:02}",
    "dots": lambda at: f"{at:%Y.%m.%d %H:%M}",
    "wide": lambda at: f"{at:%Y/%m/%d %H:%M}".translate(WIDE),
    "kanji": lambda at: f"{at.year}年{at.month}月{at.day}日 {at.hour}時{at.minute:02}分",
    "half_day": lambda at: (
        f"{at.year}年{at.month}月{at.day}日{'午後' if at.hour > 11 else '午前'}{at.hour % 12}時{at.minute}分"
    ),
    "figures": lambda at: f"{at:%Y%m%d%H%M%S}",
    "english": lambda at: f"{at.day} {MONTHS[at.month - 1]} {at.year} {at:%H:%M}",
    "american": lambda at: f"{MONTHS[at.month - 1]} {at.day}, {at.year} {at:%I:%M %p}",
    "era": _in_era,
    "short_era": _short_era,
}
HALVES = ("午前", "午後")
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
DAY = st.datetimes(datetime(1951, 1, 1), datetime(2025, 12, 31)).map(lambda at: at.replace(second=0, microsecond=0))


@settings(max_examples=700)
@given(pairs=st.lists(st.tuples(DAY, st.sampled_from(sorted(WRITINGS))), min_size=1, max_size=8))
def test_moments_are_read_as_what_was_meant(pairs):
    TRIED["moments"] += 1
    cells = pa.chunked_array([pa.array([WRITINGS[how](at) for at, how in pairs])])
    values = read_column(cells, schema.TABLES["orders"]["ordered_at"], HOW)
    before_japans_zone_was_settled = [at < datetime(1952, 1, 1) for at, _ in pairs]  # summer time until 1951
    for (at, how), read, fault, early in zip(
        pairs, values.values, values.faults, before_japans_zone_was_settled, strict=True
    ):
        assert early or (read == np.datetime64(at, "us") and fault == 0), (how, at)


AMOUNTS = {
    "plain": lambda n: f"{n}",
    "commas": lambda n: f"{n:,}",
    "yen": lambda n: f"¥{n:,}",
    "wide": lambda n: f"¥{n:,}円".replace("¥", "", 1).translate(WIDE),
    "en": lambda n: f"{n:,} 円",
    "jpy": lambda n: f"JPY {n}",
    "apostrophes": lambda n: f"{n:,}".replace(",", "'"),
    "cents": lambda n: f"{n:,}.00",
}


@settings(max_examples=900)
@given(
    pairs=st.lists(
        st.tuples(st.integers(0, 10**12), st.sampled_from(sorted(AMOUNTS)), st.booleans()), min_size=1, max_size=8
    )
)
def test_amounts_are_read_as_what_was_meant(pairs):
    TRIED["amounts"] += 1
    words = [f"▲{AMOUNTS[how](n)}" if below else AMOUNTS[how](n) for n, how, below in pairs]
    values = read_column(pa.chunked_array([pa.array(words)]), schema.TABLES["orders"]["net_amount"], HOW)
    meant = [-n if below else n for n, _, below in pairs]
    assert values.values.tolist() == [float(n) for n in meant]
    assert [fault != 0 for fault in values.faults] == [n < 0 for n in meant]


@settings(max_examples=150, suppress_health_check=EASY)
@given(
    orders=st.lists(
        st.tuples(st.integers(0, 10**6), DAY, st.decimals(0, 10**6, places=0)),
        min_size=1,
        max_size=6,
        unique_by=lambda one: one[0],
    ),
    writing=st.sampled_from(sorted(set(WRITINGS) - {"figures"})),
    encoding=st.sampled_from(ENCODINGS),
    delimiter=st.sampled_from(",\t;"),
)
def test_whole_files_are_read_as_what_was_meant(folder, orders, writing, encoding, delimiter):
    head = ["注文番号", "会員番号", "注文日時", "購入金額", "備考"]
    rows = [[f"O{n}", f"K{n % 7}", WRITINGS[writing](at), f"{paid:,}", "東京都 新宿区"] for n, at, paid in orders]
    data = written([head, *rows], delimiter, "\r\n", csv.QUOTE_MINIMAL).encode(encoding)
    crm = holds("files", put(folder, data)).crm
    assert crm is not None
    assert crm.orders["order_id"].to_list() == [f"O{n}" for n, _, _ in orders]
    settled = [at for _, at, _ in orders if at >= datetime(1952, 1, 1)]
    assert [at for at in crm.orders["ordered_at"].dt.to_pydatetime() if at >= datetime(1952, 1, 1)] == settled
    assert crm.orders["net_amount"].to_list() == [float(paid) for _, _, paid in orders]


def _tests() -> Iterator[str]:
    for name, value in globals().items():
        if name.startswith("test_") and hasattr(value, "hypothesis"):
            yield name


def test_there_were_ten_thousand_cases(request):
    """Comes last in the file; where only some of the tests were asked for, there is nothing to count."""
    asked = {item.originalname for item in request.session.items if item.path == request.path}
    if not set(_tests()) <= asked:
        pytest.skip("only some of the tests were asked for")
    assert sum(TRIED.values()) >= LEAST, TRIED
