"""Values: ids, days and amounts in every writing, impossible ones among them; keys that repeat or lead nowhere."""

from __future__ import annotations

from pathlib import Path

from tests.corpus.case import Case, Loads, Refuses, WrongType, put, sheet

FOUR = Loads({"orders": (4, 0)})


def dates(*cells: str, **more):
    """Orders with these dates; they are all different orders."""
    return put(sheet(注文日時=list(cells), **more))


def amounts(*cells: str, **more):
    """Orders with these amounts."""
    return put(sheet(購入金額=list(cells), **more))


def ordered(*days: str):
    """To see whether the orders lie on these days."""
    return lambda crm: [str(day)[: len(days[0])] for day in crm.orders["ordered_at"]] == list(days)


def paid(*sums: float):
    """To see whether these amounts were read."""
    return lambda crm: crm.orders["net_amount"].to_list() == list(sums)


def orphans(folder: Path):
    """Orders of customers who are not in the list."""
    put("会員番号,登録日\nK0,2024-01-01\nK1,2024-01-01\n", "customers.csv")(folder)
    put(sheet(6), "orders.csv")(folder)
    return folder


IDS = (
    Case(
        "leading_zeros",
        "ids 001 and 1, which are two customers or one",
        "ID が 001 と 1（同じ人か別人か分からない）",
        put(sheet(会員番号=["001", "1", "0001", "1"])),
        Loads({"orders": (4, 0)}, see=lambda crm: crm.orders["customer_id"].to_list() == ["001", "1", "0001", "1"]),
    ),
    Case(
        "scientific_ids",
        "long ids that Excel turned into 1E+05 and 4.9E+12",
        "長い ID を Excel が 1E+05 や 4.9E+12 に変えた",
        put(sheet(会員番号=["1E+05", "4.9E+12", "K1", "4.9E+12"])),
        Loads({"orders": (4, 0)}, see=lambda crm: crm.orders["customer_id"].iloc[1] == "4.9E+12"),
    ),
    Case(
        "ids_as_floats",
        "ids with decimals (1001.0), as pandas writes them beside empty cells",
        "空欄のせいで ID が 1001.0 になった",
        put(sheet(会員番号=["1001.0", "1002.0", "", "1001.0"])),
        Loads({"orders": (3, 1)}, {"no_customer": 1}),
    ),
    Case(
        "spaces_around_ids",
        "spaces around ids, Japanese ones too",
        "ID の前後に半角・全角の空白がある",
        put(sheet(会員番号=[" K1", "K1　", "\tK1", "K1"])),
        Loads({"orders": (4, 0)}, {"one_customer": 4}, see=lambda crm: set(crm.orders["customer_id"]) == {"K1"}),
    ),
    Case(
        "no_customers",
        "purchases of people who are not known",
        "顧客の分からない購入がある",
        put(sheet(会員番号=["", "NULL", "N/A", "K1", "K2", "nan", "K1", "-"])),
        Loads({"orders": (4, 4)}, {"no_customer": 4}),
    ),
    Case(
        "till_number",
        "the number of the till in the customer's column",
        "顧客の列にレジ番号が入っている",
        put(sheet(会員番号=["R01"] * 8)),
        Loads({"orders": (8, 0)}, {"one_customer": 8}),
    ),
    Case(
        "copies",
        "rows that were exported twice",
        "同じ行が2回出力された",
        put(sheet() + sheet().split("\n", 1)[1]),
        Loads({"orders": (4, 4)}, {"same_again": 4}),
    ),
    Case(
        "key_again",
        "one order number for two different orders",
        "違う注文に同じ注文番号が付いている",
        put(sheet(注文番号=["1", "2", "1", "3"])),
        Loads({"orders": (3, 1)}, {"key_again": 1}),
    ),
    Case(
        "orphans",
        "orders of customers who are missing in the customer list",
        "顧客名簿にいない顧客の注文がある",
        orphans,
        Loads({"customers": (2, 0), "orders": (6, 0)}, {"orphan": 2}),
    ),
)

DATES = (
    Case(
        "dates_of_all_kinds",
        "eight writings of a date in one column",
        "1つの列に8通りの日付の書き方",
        dates(
            "2024-04-01", "2024/4/2", "20240403", "2024年4月4日", "令和6年4月5日", "R6.4.6", "7 Apr 2024", "Apr 8, 2024"
        ),
        Loads({"orders": (8, 0)}, {"era_date": 2}, see=ordered(*(f"2024-04-0{day}" for day in range(1, 9)))),
    ),
    Case(
        "impossible_days",
        "days that do not exist",
        "存在しない日付",
        dates(
            "2024-02-30",
            "2023-02-29",
            "2024-13-01",
            "2024-04-31",
            "2024-02-29",
            "2024-04-01",
            "2024-04-02",
            "2024-04-03",
        ),
        Loads({"orders": (4, 4)}, {"unreadable_date": 4}),
    ),
    Case(
        "impossible_times",
        "times that no clock shows",
        "存在しない時刻",
        dates("2024-04-01 24:00", "2024-04-01 12:60", "2024-04-01 23:59:59", "2024-04-01 00:00", "2024-04-02 1:2"),
        Loads({"orders": (3, 2)}, {"unreadable_date": 2}),
    ),
    Case(
        "eras_beyond_their_end",
        "years that an era never had",
        "終わった元号の、存在しない年",
        dates(
            "平成40年4月1日",
            "昭和65年1月1日",
            "令和0年5月1日",
            "平成31年4月30日",
            "令和元年5月1日",
            "R6.4.1",
            "R6.4.2",
            "R6.4.3",
        ),
        Loads({"orders": (5, 3)}, {"unreadable_date": 3, "era_date": 5}),
    ),
    Case(
        "days_or_months_first",
        "03/04/2024: the 3rd of April or the 4th of March",
        "03/04/2024（4月3日か3月4日か分からない）",
        dates("03/04/2024", "05/06/2024", "07/08/2024", "12/01/2024"),
        Refuses(WrongType, "file_ambiguous", ("shop.csv", "注文日時", "03/04/2024", "dayfirst")),
    ),
    Case(
        "days_and_months_mixed",
        "days first in some rows, months first in others",
        "日が先の行と月が先の行が混ざっている",
        dates("13/04/2024", "04/13/2024", "25/12/2023", "01/02/2024"),
        Loads({"orders": (3, 1)}, {"unreadable_date": 1}),
        {"dayfirst": True},
    ),
    Case(
        "two_figure_years",
        "years of two figures",
        "西暦の下2桁だけの年",
        dates("24/04/01", "24/04/02", "24/04/03", "24/04/04"),
        Refuses(WrongType, "file_date", ("shop.csv", "24/04/01")),
    ),
    Case(
        "serial_days",
        "the days that Excel counts instead of dates",
        "日付ではなく Excel の通し番号",
        dates("45383", "45384.4375", "45385", "45386"),
        Loads(
            {"orders": (4, 0)}, {"serial_date": 4}, see=ordered("2024-04-01", "2024-04-02", "2024-04-03", "2024-04-04")
        ),
    ),
    Case(
        "serial_days_among_dates",
        "a counted day among dates",
        "日付の中に通し番号が1つ混ざっている",
        dates("2024-04-01", "45384", "2024-04-03", "2024-04-04"),
        Loads({"orders": (3, 1)}, {"unreadable_date": 1}),
    ),
    Case(
        "serials_of_1904",
        "days counted from 1904, as old Macs did",
        "1904年から数えた通し番号（昔の Mac）",
        dates("43921", "43922", "43923", "43924"),
        Loads(
            {"orders": (4, 0)}, {"serial_date": 4}, see=ordered("2020-03-31", "2020-04-01", "2020-04-02", "2020-04-03")
        ),
    ),
    Case(
        "seconds_since_1970",
        "seconds and thousandths since 1970",
        "1970年からの秒数",
        dates("1711933200", "1711936800", "1711940400", "1711944000"),
        Loads(
            {"orders": (4, 0)},
            {"unix_time": 4},
            see=ordered("2024-04-01 10:00", "2024-04-01 11:00", "2024-04-01 12:00", "2024-04-01 13:00"),
        ),
    ),
    Case(
        "zones",
        "Z, +09:00, -05:00 and no zone in one column",
        "Z・+09:00・-05:00・時間帯なしが1つの列に混ざっている",
        dates("2024-04-01T01:00:00Z", "2024-04-01T10:00:00+09:00", "2024-03-31T20:00:00-0500", "2024-04-01 10:00"),
        Loads({"orders": (4, 0)}, {"zoned": 3}, see=ordered(*["2024-04-01 10:00"] * 4)),
    ),
    Case(
        "future",
        "years that are mistyped: 2924, and orders of next century",
        "年の打ち間違い（2924年など、未来の日付）",
        dates("2024-04-01", "2924-04-01", "2124-04-01", "2024-04-02", 会員番号=["A", "B", "C", "D"]),
        Loads({"orders": (2, 2)}, {"future": 2}),
    ),
    Case(
        "no_day",
        "the zero days of spreadsheets and databases",
        "「日付なし」を表す 0000-00-00 や 1900-01-00 など",
        dates("1899-12-30", "1900-01-01", "0000-00-00", "1900-01-00", *(f"2024-04-0{n}" for n in range(1, 6))),
        Loads({"orders": (5, 4)}, {"too_old": 4}),
    ),
    Case(
        "words_for_dates",
        "words where dates are due",
        "日付の欄に言葉がある",
        dates("昨日", "未定", "2024-04-01", "2024-04-02", "2024-04-03"),
        Loads({"orders": (3, 2)}, {"unreadable_date": 2}),
    ),
    Case(
        "before_the_birth",
        "times beyond what a computer can count",
        "計算機で数えられない遠い時刻",
        dates("9999-12-31 23:59:59Z", "0001-01-01", "2024-04-01", "2024-04-02", "2024-04-03"),
        Loads({"orders": (3, 2)}, {"future": 1, "too_old": 1}),
    ),
)

AMOUNTS = (
    Case(
        "negative",
        "refunds written as negative orders",
        "返金がマイナスの注文として書かれている",
        amounts("4400", "-4400", "▲1,200", "(1,200)", "△500", "6600", "5500", "3300"),
        Loads({"orders": (4, 4)}, {"negative": 4}, see=paid(4400, 6600, 5500, 3300)),
    ),
    Case(
        "yen",
        "yen signs, thousands commas, full-width figures and 円",
        "¥・カンマ・全角数字・「円」が付いている",
        amounts("¥4,400", "￥６，６００", "3300円", "\\1,100"),
        Loads({"orders": (4, 0)}, {"rewritten": 4}, see=paid(4400, 6600, 3300, 1100)),
    ),
    Case(
        "thousands_or_decimals",
        "1.234: a little more than one or more than a thousand",
        "1.234（千二百三十四か、一点二三四か分からない）",
        amounts("1.234", "5.678", "9.012", "3.456"),
        Refuses(WrongType, "file_ambiguous_number", ("shop.csv", "購入金額", "1.234", "decimal")),
    ),
    Case(
        "commas_both_ways",
        "1,234.56 and 1.234,56 in one column",
        "1,234.56 と 1.234,56 が1つの列に混ざっている",
        amounts("1,234.56", "1.234,56", "2,345.67", "2.345,67"),
        Refuses(WrongType, "file_ambiguous_number", ("shop.csv", "購入金額")),
    ),
    Case(
        "currencies",
        "three currencies in one column",
        "3種類の通貨が1つの列に混ざっている",
        amounts("¥1,200", "¥300", "$5", "€7"),
        Loads({"orders": (4, 0)}, {"several_currencies": 2, "rewritten": 4}),
    ),
    Case(
        "with_tax",
        "amounts that include tax, by their header",
        "見出しに「税込」とある金額",
        put(sheet().replace("購入金額", "購入金額（税込）")),
        FOUR,
    ),
    Case(
        "percent",
        "percentages where amounts are due",
        "金額の欄に百分率がある",
        amounts("4400", "12%", "6600", "5500"),
        Loads({"orders": (3, 1)}, {"unreadable_number": 1}),
    ),
    Case(
        "infinite",
        "infinities, NaN and numbers beyond all bounds",
        "無限大や NaN、桁外れの数",
        amounts("inf", "-Infinity", "NaN", "1e400", "4400", "6600", "5500", "3300"),
        Loads({"orders": (5, 3)}, {"unreadable_number": 3, "no_amount": 1}),
    ),
    Case(
        "words_for_amounts",
        "words and dashes where amounts are due",
        "金額の欄に言葉や横線がある",
        amounts("無料", "-", "4400", "6600", "5500", "3300", "2200", "1100"),
        Loads({"orders": (6, 2)}, {"unreadable_number": 2}),
    ),
    Case(
        "net_is_not_the_rest",
        "a net amount that is not gross less discount, and a discount above the price",
        "正味の金額が「割引前 − 割引」と合わず、価格を超える割引もある",
        put(sheet(購入金額=None, 割引前金額=["1000", "1000", "1000", "1000"], 割引額=["0", "100", "1200", "50"])),
        Loads({"orders": (3, 1)}, {"negative_net": 1}, see=paid(1000, 900, 950)),
    ),
    Case(
        "endless_counts",
        "line numbers beyond what a whole number can hold",
        "整数で表せない大きさの明細番号",
        put(
            "注文番号,明細番号,商品番号,数量\n1,1,A,1\n1,1E+308,A,1\n1,99999999999999999999,B,1\n2,1,B,2\n2,2,C,1\n",
            "order_items.csv",
        ),
        Loads({"order_items": (3, 2)}, {"unreadable_number": 2}),
    ),
    Case(
        "flags",
        "yes and no in nine ways, and once neither",
        "「はい・いいえ」が何通りも、どちらでもないものも1つ",
        put(sheet(テスト注文=["はい", "いいえ", "1", "0", "TRUE", "○", "×", "多分"])),
        Loads({"orders": (7, 1)}, {"unreadable_flag": 1}),
    ),
)

CASES = (*IDS, *DATES, *AMOUNTS)
