"""Text files as shops have them: encodings, delimiters, titles above the table, totals below it, packed files."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from crmkit.datasets import load
from crmkit.datasets.encodings import decoded
from crmkit.datasets.files import offer_file, open_file
from crmkit.datasets.source import HEAD
from crmkit.errors import CrmkitError, ParameterError, RowsLeftOut, UnreadableFile
from crmkit.texts import LANGUAGES, in_language

TEXT = "注文番号,会員番号,注文日時,購入金額\n1,山田花子,2024/4/1,4400\n2,佐藤,2024/4/2,6600\n"
SAID = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 (BOM)",
    "utf-16": "UTF-16",
    "cp932": "cp932 (Shift_JIS)",
    "euc_jp": "EUC-JP",
    "iso2022_jp": "ISO-2022-JP (JIS)",
}
OWN = {"order_id": "注文番号", "customer_id": "会員番号", "ordered_at": "注文日時", "net_amount": "購入金額"}


def put(folder: Path, data: bytes | str, name: str = "shop.csv") -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def cells(source) -> list[tuple[str, ...]]:
    return list(zip(*(column.cast(pa.string()).to_pylist() for column in source.columns), strict=True))


def says(error: BaseException, *parts: str) -> None:
    for code in LANGUAGES:
        with in_language(code):
            assert all(part in str(error) for part in parts), str(error)


# --- encodings


@pytest.mark.parametrize("encoding", SAID)
def test_the_encoding_is_found_and_said(tmp_path, encoding):
    path = put(tmp_path, TEXT.encode(encoding))
    offer, source = offer_file(path), open_file(path)
    assert source.encoding == SAID[encoding]
    assert offer.headers == source.headers == tuple(TEXT.split("\n", maxsplit=1)[0].split(","))
    assert [column.to_pylist() for column in offer.head] == [column.to_pylist() for column in source.columns]
    assert cells(source)[0] == ("1", "山田花子", "2024/4/1", "4400")


# Written in one encoding, each of these can be read in the other without an error.
BOTH_WAYS = [
    ("euc_jp", "東京都新宿区西新宿"),
    ("euc_jp", "ヤマダハナコ"),
    ("euc_jp", "さくら美容室、初めてのお客様"),
    ("euc_jp", "山田花子,佐藤健"),
    ("euc_jp", "注文番号,会員番号"),
    ("cp932", "ﾔﾏﾀﾞ ﾊﾅｺ"),
    ("cp932", "ｻﾄｳ ﾀﾛｳ,ｽｽﾞｷ ｲﾁﾛｳ"),
    ("cp932", "山田花子,ﾔﾏﾀﾞﾊﾅｺ"),
    ("cp932", "㈱髙島屋①"),
    ("euc_jis_2004", "㈱山田①"),
]


@pytest.mark.parametrize(("encoding", "text"), BOTH_WAYS)
def test_eucjp_and_cp932_are_told_apart(encoding, text):
    told, said = decoded(Path("shop.csv"), text.encode(encoding), None)
    assert told.decode() == text
    assert said == ("cp932 (Shift_JIS)" if encoding == "cp932" else "EUC-JP")


@pytest.mark.parametrize("name", ["石川", "名古屋", "大阪府", "税込", "完了", "キャンセル", "ご予約", "青森", "福井"])
def test_one_word_is_enough_to_tell(name):
    for encoding in ("cp932", "euc_jp"):
        assert decoded(Path("shop.csv"), f"name\n{name}\n".encode(encoding), None)[0].decode() == f"name\n{name}\n"


def test_the_accents_of_the_west_do_not_become_kanji(tmp_path):
    with pytest.raises(UnreadableFile) as caught:
        open_file(put(tmp_path, "name;city\nAndr\u00e9a;Orl\u00e9ans\nZo\u00e9a;B\u00e9ziers\n".encode("latin-1")))
    says(caught.value, "shop.csv", "2")
    told = open_file(tmp_path / "shop.csv", encoding="latin-1")
    assert cells(told)[0] == ("Andr\u00e9a", "Orl\u00e9ans")


def test_an_encoding_can_be_named(tmp_path):
    path = put(tmp_path, TEXT.encode("euc_jp"))
    assert open_file(path, encoding="EUC-JP").encoding == "EUC-JP"
    with pytest.raises(UnreadableFile) as caught:
        open_file(path, encoding="utf-8")
    says(caught.value, "shop.csv", "utf-8", "1")
    with pytest.raises(ParameterError) as unknown:
        open_file(path, encoding="klingon")
    says(unknown.value, "klingon", "cp932")
    for codec in ("rot13", "base64", "hex"):  # they are no encodings of text
        with pytest.raises(CrmkitError):
            open_file(path, encoding=codec)


def test_utf8_that_begins_with_plain_letters_only_is_read_to_its_end(tmp_path):
    plain = "customer_id,ordered_at,memo\n" + "A,2024-01-01,x\n" * 30_000
    for encoding in ("utf-8", "cp932", "euc_jp"):
        source = open_file(put(tmp_path, (plain + "B,2024-01-02,東京都\n").encode(encoding)))
        assert source.encoding == SAID[encoding]
        assert cells(source)[-1] == ("B", "2024-01-02", "東京都")
        assert source.lines[-1] == 30_002
    with pytest.raises(UnreadableFile) as caught:
        open_file(put(tmp_path, (plain + "日本語,").encode() + b"\xe3\x81,x\n"))
    says(caught.value, "30002", "UTF-8")


@pytest.mark.parametrize("cut", range(4))
def test_a_character_across_the_end_of_what_is_looked_at(tmp_path, cut):
    body = "a,b\n" + "x" * cut + "あ" * 200_000 + ",1\n"
    assert cells(open_file(put(tmp_path, body)))[0][0] == "x" * cut + "あ" * 200_000


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("cut", [0, 1])
def test_a_large_file_of_wide_characters(tmp_path, encoding, cut):
    mark = "\ufeff".encode(encoding)
    text = "a,b\n" + "x" * cut + "\U0001f600" * 100_000 + ",1\n"
    path = put(tmp_path, mark + text.encode(encoding))
    assert offer_file(path).headers == ("a", "b")
    assert cells(open_file(path)) == [("x" * cut + "\U0001f600" * 100_000, "1")]


# --- delimiters, packed files


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_delimiters(tmp_path, delimiter):
    source = open_file(put(tmp_path, TEXT.replace(",", delimiter), "shop.txt"))
    assert source.delimiter == delimiter
    assert len(source.headers) == 4
    assert cells(source)[1] == ("2", "佐藤", "2024/4/2", "6600")


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "utf-16"])
def test_packed_files(tmp_path, encoding):
    path = put(tmp_path, gzip.compress(TEXT.encode(encoding)), "shop.csv.gz")
    offer = offer_file(path)
    assert (offer.name, offer.stem) == ("shop.csv.gz", "shop")
    assert cells(offer.read()) == cells(open_file(put(tmp_path, TEXT)))
    with pytest.raises(UnreadableFile) as caught:
        open_file(put(tmp_path, path.read_bytes()[:-12], "shop.csv.gz"))
    says(caught.value, "shop.csv.gz", "gzip")
    with pytest.raises(UnreadableFile, match=r"\.gz"):
        open_file(put(tmp_path, b"x", "shop.gz"))


# --- titles and totals

TITLES = [
    ("売上一覧\n\n", 1, 3),
    ("売上一覧\n期間,2024/4/1\n\n", 2, 4),
    ("売上一覧,,,\n期間,2024/4/1,,\n,,,\n", 2, 4),
    ("\n\n売上一覧\n", 1, 4),
    ("売上一覧（2024年4月）\n出力日：2024/5/1\n担当：佐藤\n\n", 3, 5),
]


@pytest.mark.parametrize(("above", "titles", "line"), TITLES)
def test_titles_above_the_header_are_passed_over_and_said(tmp_path, above, titles, line):
    path = put(tmp_path, above + TEXT)
    source = open_file(path)
    assert source.headers == offer_file(path).headers == tuple(TEXT.split("\n", maxsplit=1)[0].split(","))
    assert source.title_lines == titles
    assert source.lines.tolist() == [line + 1, line + 2]
    (note,) = source.notes
    says(note, "shop.csv", str(line), str(titles))


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        "\n" + TEXT,
        "a\n1\n2\n",
        "a,,,\n1,2,3,4\n5,6,7,8\n",
        "a\n1,2,3\n4,5,6\n",
        "id,\n1,x\n2,y\n",
    ],
)
def test_a_header_is_not_taken_for_a_title(tmp_path, text):
    first = text.lstrip("\n").split("\n")[0].split(",")
    offer = offer_file(put(tmp_path, text))
    assert offer.headers == tuple(first)


@pytest.mark.parametrize("total", ["合計,,,11000", ",合計,,11000", "総計,,,11000", "Grand Total,,,11000", "小計：,,,1"])
def test_totals_below_the_table_are_set_aside_and_said(tmp_path, total):
    path = put(tmp_path, TEXT + total + "\n")
    with pytest.warns(RowsLeftOut):
        crm = load({"orders": path}, columns=OWN)
    assert crm.orders["net_amount"].sum() == 11_000
    (problem,) = [one for one in crm.each_problem() if one.action == "set_aside"]
    assert (problem.kind, problem.rows) == ("total_line", 1)
    assert crm.rejected["orders"]["line"].to_list() == [4]


def test_a_customer_called_total_is_no_total(tmp_path):
    crm = load({"orders": put(tmp_path, TEXT + "合計,Total,2024/4/3,1\n")}, columns=OWN)
    assert crm.orders["order_id"].to_list() == ["1", "2", "合計"]


# --- what is offered before all is read


def test_the_head_is_known_without_reading_the_rest(tmp_path):
    rows = "".join(f"{n},K{n % 7},2024-01-01\n" for n in range(50_000))
    path = put(tmp_path, "order_id,customer_id,ordered_at\n" + rows)
    offer = offer_file(path)
    assert [len(column) for column in offer.head] == [HEAD] * 3
    path.write_bytes(b"")  # whoever reads later sees what is there then
    with pytest.raises(CrmkitError):
        offer.read()


@pytest.mark.parametrize("rows", [0, 1, HEAD, HEAD + 1])
def test_the_head_of_parquet(tmp_path, rows):
    table = pa.table({"customer_id": [f"K{n}" for n in range(rows)], "n": np.arange(rows)})
    pa.parquet.write_table(table, tmp_path / "shop.parquet")
    offer = offer_file(tmp_path / "shop.parquet")
    assert offer.headers == ("customer_id", "n")
    assert [len(column) for column in offer.head] == [min(rows, HEAD)] * 2
    assert offer.head[0].to_pylist() == table["customer_id"].to_pylist()[:HEAD]


# --- many rows: several threads, columns kept as numbers of their few values


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_numbers_of_a_large_file(tmp_path, quoted, ending):
    line = 'x{0},A,"a{1}b",web' if quoted else "x{0},A,ab,web"
    rows = [line.format(n, ending if n % 3 == 0 else "") for n in range(400_000)]
    rows[-1] += ",one too many"
    rows[200_000] = ",,,"
    source = open_file(put(tmp_path, ending.join(["id,a,b,c", *rows]) + ending * 3))
    before = sum(n % 3 == 0 for n in range(399_999) if n != 200_000) if quoted else 0
    assert source.misfits[0].line == 2 + 399_999 + before
    assert source.blank_lines == 3
    assert source.rows_read == 399_999
    at = 123_457
    assert source.columns[0][at].as_py() == f"x{at}"
    assert source.lines[at] == 2 + at + (sum(n % 3 == 0 for n in range(at)) if quoted else 0)
    assert source.columns[3].cast(pa.string()).unique().to_pylist() == ["web"]


def test_a_column_that_only_begins_with_few_values(tmp_path):
    rows = [f"{n},{'A' if n < 300 else f'K{n}'},2024-01-01,{'web' if n < 300 else f' w{n} '}" for n in range(150_000)]
    path = put(tmp_path, "\n".join(["order_id,customer_id,ordered_at,coupon_code", *rows]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        orders = load({"orders": path}).orders
    assert orders["customer_id"].nunique() == 149_701
    assert orders["coupon_code"].iloc[[0, -1]].to_list() == ["web", " w149999 "]
