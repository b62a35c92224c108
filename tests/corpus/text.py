"""Text files: how they are encoded, cut into fields and lines, and what else may be in them."""

from __future__ import annotations

import gzip
from pathlib import Path

from tests.corpus.case import (
    EMAIL,
    NAME,
    Case,
    EmptyTable,
    Loads,
    MissingColumn,
    Refuses,
    UnreadableFile,
    WrongType,
    put,
    sheet,
)

FOUR = Loads({"orders": (4, 0)})
HEAD = "注文番号,会員番号,氏名,注文日時,購入金額\n"
ROW = f"1,A,{NAME},2024-04-01,4400\n"


def as_orders(data: bytes | str, name: str = "shop.csv"):
    """For files whose headers tell nothing: the table is said."""
    made = put(data, name)
    return lambda folder: {"orders": made(folder)}


def bomb(folder: Path) -> Path:
    """A packed file of one megabyte that would unpack to a gigabyte."""
    header = gzip.compress(b"order_id,customer_id,ordered_at,net_amount\n")
    return put(header + 1000 * gzip.compress(b"0,0,0,0\n" * (1 << 17)), "shop.csv.gz")(folder)


ENCODINGS = (
    Case(
        "cp932_signs",
        "saved by Excel on a Japanese Windows, with ①, ㈱ and 髙",
        "日本語版 Windows の Excel で保存され、①・㈱・髙を含む",
        put(sheet(備考=["①", "㈱髙島屋", "№5", "〜"]).replace("〜", "～").encode("cp932")),
        FOUR,
    ),
    Case(
        "eucjp",
        "written in EUC-JP by an old Unix program",
        "古い Unix のプログラムが EUC-JP で書いた",
        put(sheet().encode("euc_jp")),
        FOUR,
    ),
    Case(
        "utf16",
        'Excel\'s "Unicode text": UTF-16 with tabs',
        "Excel の「Unicode テキスト」（タブ区切りの UTF-16）",
        put(sheet(delimiter="\t").encode("utf-16"), "shop.txt"),
        FOUR,
    ),
    Case(
        "utf16_half",
        "UTF-16 that is cut off inside a character",
        "文字の途中で切れた UTF-16",
        put(sheet().encode("utf-16")[:-1]),
        Refuses(UnreadableFile, "not_csv", ("shop.csv",)),
    ),
    Case(
        "jis",
        "ISO-2022-JP, as old mail programs send it",
        "古いメールソフトが送る ISO-2022-JP（JIS）",
        put(sheet().encode("iso2022_jp")),
        FOUR,
    ),
    Case(
        "two_encodings",
        "two exports joined: UTF-8 above, Shift_JIS below",
        "UTF-8 の下に Shift_JIS を継ぎ足した",
        put(sheet(備考=["東京都新宿区西新宿"] * 8).encode() + "9,K1,山田,2024-04-09,1,東京\n".encode("cp932")),
        Refuses(UnreadableFile, "broken_characters", ("shop.csv", "10")),
    ),
    Case(
        "mojibake",
        "UTF-8 that was taken for Latin-1 and saved again",
        "UTF-8 を Latin-1 と取り違えて保存し直した（文字化け）",
        put(sheet().encode().decode("latin-1").encode()),
        Refuses(UnreadableFile, "no_table_told", ("shop.csv",)),
    ),
    Case(
        "bom_inside",
        "two files with a mark (BOM) joined, so that one stands in the middle",
        "BOM 付きのファイルを2つつなげ、BOM が途中にある",
        put(b"\xef\xbb\xbf" + sheet(2).encode() + b"\xef\xbb\xbf" + b"1003,K1,x,2024-04-03,1\n"),
        Loads(
            {"orders": (3, 0)},
            {"unseen": 1},
            see=lambda crm: crm.orders["order_id"].to_list() == ["1001", "1002", "1003"],
        ),
    ),
    Case(
        "latin1",
        "accents of the West in Latin-1",
        "西欧のアクセント文字（Latin-1）",
        put(
            "customer,order date,total\nA,2024-04-01,1\nAndr\u00e9a,2024-04-02,2\nZo\u00e9,2024-04-02,2\n".encode(
                "latin-1"
            )
        ),
        Refuses(UnreadableFile, "encoding", ("shop.csv", "3")),
    ),
    Case(
        "nul_bytes",
        "NUL bytes between the letters",
        "文字の間に NUL バイトがある",
        put(sheet().encode().replace(b"K0", b"K\0")),
        Refuses(UnreadableFile, "not_csv", ("shop.csv",)),
    ),
    Case(
        "packed_bomb",
        "a packed file that unpacks to a thousand times its size",
        "展開すると千倍の大きさになる圧縮ファイル",
        bomb,
        Refuses(UnreadableFile, "unpacks_endlessly", ("shop.csv.gz",)),
    ),
    Case(
        "packed_broken",
        "a packed file whose end is missing",
        "末尾が欠けた圧縮ファイル",
        put(gzip.compress(sheet().encode())[:-9], "shop.csv.gz"),
        Refuses(UnreadableFile, "not_gzip", ("shop.csv.gz",)),
    ),
    Case(
        "packed_twice",
        "packed twice",
        "二重に圧縮されている",
        put(gzip.compress(gzip.compress(sheet().encode())), "shop.csv.gz"),
        Refuses(UnreadableFile, "not_csv", ("shop.csv.gz", "gzip")),
    ),
)

SHAPES = (
    Case(
        "nothing",
        "no byte in it",
        "中身が1バイトもない",
        put(b""),
        Refuses(EmptyTable, "no_bytes", ("shop.csv",)),
    ),
    Case(
        "only_blank",
        "nothing but line breaks and spaces",
        "改行と空白だけ",
        put("\n \n\r\n\t\n"),
        Refuses(EmptyTable, "no_bytes", ("shop.csv",)),
    ),
    Case(
        "only_bom",
        "nothing but the mark of UTF-8 (BOM)",
        "BOM だけ",
        put(b"\xef\xbb\xbf"),
        Refuses(EmptyTable, "no_bytes", ("shop.csv",)),
    ),
    Case(
        "header_only",
        "a header and no row: the period of the export was wrong",
        "見出しだけで行がない（期間の指定誤り）",
        put(HEAD),
        Refuses(EmptyTable, "no_rows", ("shop.csv", "会員番号")),
    ),
    Case(
        "one_column",
        "one column, and not one that tells anything",
        "列が1つだけで、何の列かも分からない",
        put("memo\nx\ny\n"),
        Refuses(UnreadableFile, "no_table_told", ("shop.csv", "memo")),
    ),
    Case(
        "wide",
        "500 columns, of which five are known",
        "500列あり、分かるのは5列だけ",
        put(sheet(**{f"列{n}": ["x"] for n in range(495)})),
        FOUR,
    ),
    Case(
        "headers_twice",
        "two columns of the same name",
        "同じ名前の列が2つある",
        put("会員番号,注文日,金額,金額\nA,2024-04-01,1,2\n"),
        Refuses(UnreadableFile, "header_twice", ("shop.csv", "金額", "2")),
    ),
    Case(
        "notes_twice",
        "two columns of the same name that no table needs",
        "どの表にも要らない、同じ名前の列が2つある",
        put(HEAD.replace("氏名", "メモ,メモ") + "1,A,x,y,2024-04-01,4400\n"),
        Loads({"orders": (1, 0)}, notes=("headers_told_apart",)),
    ),
    Case(
        "headers_missing",
        "some columns have no header",
        "見出しのない列がある",
        put("会員番号,,注文日,,購入金額\nA,x,2024-04-01,,1\nB,y,2024-04-02,,2\n"),
        Loads({"orders": (2, 0)}, notes=("headers_told_apart",)),
    ),
    Case(
        "no_header",
        "no header: the first row is data",
        "見出しがなく、1行目からデータ",
        put(ROW * 2),
        Refuses(UnreadableFile, "no_header", ("shop.csv", "5")),
    ),
    Case(
        "titles_and_total",
        "a title above the table and a total below it",
        "表の上に題名、下に合計がある",
        put("売上一覧（4月）\n\n" + HEAD + ROW + ROW.replace("1,A", "2,B") + "合計,,,,8800\n"),
        Loads({"orders": (2, 1)}, {"total_line": 1}, ("titles",)),
    ),
    Case(
        "ragged",
        "some lines have too few or too many fields",
        "項目の数が足りない行や多すぎる行がある",
        put(sheet() + "9,K1\n10,K1,x,2024-04-01,1,200,円\n\n"),
        Loads({"orders": (4, 2)}, {"misfit": 2}),
    ),
    Case(
        "comma_in_names",
        "most lines have a comma too many",
        "大半の行でカンマが1つ多い",
        put(HEAD + f"1,A,{NAME},様,2024-04-01,4400\n" * 5 + ROW),
        Refuses(UnreadableFile, "misfits", ("shop.csv", "5", "6")),
    ),
    Case(
        "two_tables",
        "a second table with other columns below the first",
        "1つ目の表の下に、列の違う表が続く",
        put(sheet(5) + "\n会員番号,会員ランク\nK1,gold\nK2,silver\n"),
        Loads({"orders": (5, 3)}, {"misfit": 3}),
    ),
    Case(
        "header_again",
        "the header comes again in the middle: two exports joined",
        "途中に見出しがもう一度ある（2つのファイルの連結）",
        put(sheet(2) + HEAD + "1003,K1,x,2024-04-03,1\n1004,K1,x,2024-04-04,1\n"),
        Loads({"orders": (4, 1)}, {"unreadable_date": 1}),
    ),
    Case(
        "open_quote",
        "a quote that is opened and never closed",
        "引用符が閉じられていない",
        put(sheet() + '9,K1,"山田,2024-04-09,1\n10,K2,x,2024-04-10,1\n'),
        Refuses(UnreadableFile, "open_quote", ("shop.csv", "6")),
    ),
    Case(
        "quotes_and_lines",
        "values with quotes, commas and line breaks in them",
        "値の中に引用符・カンマ・改行がある",
        put(sheet(備考=['8"', "a,b", "1行目\n2行目\r\n3行目", '""'])),
        FOUR,
    ),
    Case(
        "stray_quote",
        "a single quote sign inside a value",
        "値の途中に引用符が1つだけある",
        put(sheet().replace("K1", 'K"1')),
        FOUR,
    ),
    Case(
        "semicolons",
        "semicolons and decimal commas, as in Europe",
        "ヨーロッパ式（セミコロン区切りと小数点のカンマ）",
        put("customer;order date;total\nA;2024-04-01;1.234,50\nB;2024-04-02;12,50\n"),
        Loads(
            {"orders": (2, 0)},
            {"decimal_comma": 2},
            see=lambda crm: crm.orders["net_amount"].to_list() == [1234.5, 12.5],
        ),
    ),
    Case(
        "pipes",
        "vertical bars between the fields, some of them empty",
        "縦棒区切りで、空の項目もある",
        put(sheet(delimiter="|", 備考=["", "x,y;z"])),
        FOUR,
    ),
    Case(
        "tabs_in_csv",
        "tabs in a file called .csv",
        "拡張子は .csv だが、タブ区切り",
        put(sheet(delimiter="\t")),
        FOUR,
    ),
    Case(
        "cr_only",
        "lines that end as on a Mac of 1999",
        "行末が CR だけ（昔の Mac）",
        put(sheet(end="\r")),
        FOUR,
    ),
    Case(
        "mixed_ends",
        "three kinds of line ends in one file",
        "3種類の行末が混ざっている",
        put(sheet().replace("\n", "\r\n", 2) + "9,K1,x,2024-04-09,1\r10,K1,x,2024-04-10,1"),
        Loads({"orders": (6, 0)}),
    ),
    Case(
        "huge_cell",
        "a cell of three million letters",
        "1つの値が300万文字",
        put(sheet(備考=["あ" * 3_000_000])),
        FOUR,
    ),
    Case(
        "endless_line",
        "twenty million letters without a line break",
        "改行のない2,000万文字",
        put("customer_id,ordered_at,memo\nA,2024-04-01," + "x" * 20_000_000),
        Refuses(UnreadableFile, "long_record", ("shop.csv",)),
    ),
    Case(
        "page",
        "a login page that was saved instead of the export",
        "エクスポートの代わりに保存されたログイン画面",
        put("<!DOCTYPE html><html><body>login</body></html>"),
        Refuses(UnreadableFile, "not_csv", ("shop.csv", "HTML")),
    ),
    Case(
        "json",
        "JSON in a file called .csv",
        "拡張子は .csv だが、中身は JSON",
        put('[{"customer_id": "A"}]'),
        Refuses(UnreadableFile, "not_csv", ("shop.csv", "JSON")),
    ),
    Case(
        "workbook_as_csv",
        "an Excel workbook that was renamed to .csv",
        "名前だけ .csv に変えた Excel ブック",
        put(b"PK\x03\x04" + bytes(100)),
        Refuses(UnreadableFile, "not_csv", ("shop.csv", "Excel")),
    ),
    Case(
        "no_customer_column",
        "no column that names the customer",
        "顧客が分かる列がない",
        as_orders("注文日,購入金額\n2024-04-01,1\n"),
        Refuses(MissingColumn, "file", ("shop.csv", "customer_id")),
    ),
    Case(
        "columns_shifted",
        "the header has lost a field, so that every value stands under the wrong name",
        "見出しが1つ抜け、すべての値が違う名前の下にある",
        as_orders("会員番号,注文日時,購入金額,店舗\n1,A,2024-04-01,4400\n2,B,2024-04-02,6600\n"),
        Refuses(WrongType, "file_date", ("shop.csv", "注文日時", "2")),
    ),
)

HOSTILE = (
    Case(
        "formulas",
        "formulas where Excel would run them",
        "Excel が実行してしまう数式が値に入っている",
        put(sheet(会員番号=["=1+1", "@SUM(A1)", "+cmd|'/c calc'!A1", "-2"], クーポン=['=HYPERLINK("http://x","y")'])),
        Loads({"orders": (4, 0)}, see=lambda crm: crm.orders["customer_id"].iloc[0] == "=1+1"),
    ),
    Case(
        "html_values",
        "HTML in values that are shown in the report",
        "報告に表示される値に HTML が入っている",
        put(sheet(状態=["<script>alert(1)</script>", "完了", "completed", "<img src=x onerror=alert(1)>"])),
        Loads({"orders": (2, 2)}, {"not_allowed": 2, "rewritten": 1}),
    ),
    Case(
        "html_headers",
        "HTML and SQL in the headers",
        "見出しに HTML や SQL が入っている",
        put(sheet(**{"<script>alert(1)</script>": ["1"], "'; DROP TABLE orders; --": ["2"]})),
        FOUR,
    ),
    Case(
        "sql_values",
        "SQL in the ids",
        "ID に SQL が入っている",
        put(sheet(会員番号=["'; DROP TABLE orders; --", '" OR ""="', "A", "B"])),
        FOUR,
    ),
    Case(
        "braces",
        "signs of our own message templates in headers and values",
        "見出しや値に、メッセージのひな形と同じ記号がある",
        put(
            sheet(状態=["{file}", "{0}", "%s", "{{x}}", "完了", "完了", "完了", "完了"], **{"{own}": ["x"]}).replace(
                "注文日時", "{注文日時}"
            )
        ),
        Loads({"orders": (4, 4)}, {"not_allowed": 4, "rewritten": 4}),
    ),
    Case(
        "control_signs",
        "control characters, a bell and an escape sequence in ids",
        "ID に制御文字やエスケープ列がある",
        put(sheet(会員番号=["A\x07", "A\x1b[31m", "\x7fB", "B"])),
        FOUR,
    ),
    Case(
        "unseen_signs",
        "zero-width spaces, marks and joiners in ids: one customer looks like four",
        "ID に見えない文字（ゼロ幅空白など）があり、1人が4人に見える",
        put(sheet(会員番号=["K1", "\u200bK1", "K1\ufeff", "K\u200d1"])),
        Loads({"orders": (4, 0)}, {"unseen": 2}, see=lambda crm: set(crm.orders["customer_id"]) == {"K1", "K\u200d1"}),
    ),
    Case(
        "right_to_left",
        "text that turns the reading direction around",
        "読む向きを逆にする文字が入っている",
        put(sheet(会員番号=["\u202eABC", "\u200fABC", "\u05d0\u05d1", "ABC"], 状態=["\u202edetelpmoc"] + ["完了"] * 3)),
        Loads({"orders": (3, 1)}, {"not_allowed": 1, "rewritten": 3, "unseen": 1}),
    ),
    Case(
        "emoji",
        "emoji in ids and headers",
        "ID や見出しに絵文字がある",
        put(sheet(会員番号=["😀", "👨‍👩‍👧", "🇯🇵", "葛\U000e0100"], **{"メモ😀": ["x"]})),
        FOUR,
    ),
    Case(
        "people",
        "a customer list with a repeated member and a broken birthday",
        "会員の重複と、誤った誕生日がある顧客名簿",
        put(
            f"会員番号,氏名,メールアドレス,生年月日,登録日\nA,{NAME},{EMAIL},1990-02-30,2024-01-01\n"
            f"A,{NAME},{EMAIL},1990-02-28,2024-01-01\nB,{NAME},{EMAIL},1991-02-28,2024-01-01\n",
            "customers.csv",
        ),
        Loads({"customers": (2, 1)}, {"key_again": 1, "unreadable_date": 1}),
    ),
)

CASES = (*ENCODINGS, *SHAPES, *HOSTILE)
