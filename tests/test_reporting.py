"""The report: one whole file, in the shop's own figures, that nothing from the data can break into."""

from __future__ import annotations

import csv
import itertools
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import crmkit
from crmkit.errors import CannotWrite, EmptyTable, ParameterError
from crmkit.reporting import export, report
from crmkit.texts import LANGUAGES, Language

VOID = {"meta", "img", "br", "link", "hr", "input"}
SCRIPT, LINK = "<script>alert(1)</script>", '=HYPERLINK("http://example.com","x")'


class Page(HTMLParser):
    """A page read strictly: what is opened is closed, in order."""

    def __init__(self, words: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""
        self.feed(words)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def made(data: Any, folder: Path, name: str = "report.html", **how: Any) -> str:
    """The text of a report."""
    return report(data, folder / name, **how).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def salon() -> Any:
    return crmkit.simulate("salon", customers=300, weeks=70, seed=3)


@pytest.fixture(scope="module")
def pages(salon: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pages")
    return {code: made(salon, folder, f"{code}.html", lang=code) for code in LANGUAGES}


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_page_is_whole_and_needs_nothing_from_outside(pages: dict[str, str], code: Language) -> None:
    page = Page(pages[code])
    assert not re.search(r"https?://|//cdn|@import|url\(", pages[code])
    assert page.all("html") == [{"lang": code}]
    assert not page.all("script")
    assert not page.all("link")
    images = page.all("img")
    assert 10 <= len(images) <= 17
    assert all(image["src"].startswith("data:image/png;base64,") and image["alt"] for image in images)  # type: ignore[union-attr]
    assert all("scope" in head for head in page.all("th"))
    links = {anchor["href"] for anchor in page.all("a")}
    assert links == {f"#{section['id']}" for section in page.all("section")}
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_both_languages_say_the_same_in_other_words(pages: dict[str, str]) -> None:
    japanese, english = (Page(pages[code]) for code in LANGUAGES)
    assert [tag for tag, _ in japanese.tags] == [tag for tag, _ in english.tags]
    assert not re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", english.said)
    assert "顧客との関係づくり" in japanese.said
    for page in (japanese, english):
        assert not re.search(r"\b(report|answers|metric|unit|check)\.[a-z_]+", page.said)


def test_nobody_is_named_in_it(salon: Any, pages: dict[str, str]) -> None:
    people = salon.customers
    for column in ("name", "name_kana", "email", "phone", "postal_code"):
        for value in people[column].dropna().unique():
            assert value not in pages["ja"], column


def hostile(customers: int = 40) -> dict[str, pd.DataFrame]:
    """Orders and people with names that would like to be code."""
    at = pd.date_range("2024-01-05", periods=customers * 6, freq="2D")
    who = [f"{SCRIPT}{number % customers}" for number in range(len(at))]
    orders = pd.DataFrame(
        {"order_id": [f"{LINK}{n}" for n in range(len(at))], "customer_id": who, "ordered_at": at, "net_amount": 1000.0}
    )
    tickets = pd.DataFrame(
        {"ticket_id": [f"T{n}" for n in range(len(at))], "created_at": at, "customer_id": who, "category": SCRIPT}
    )
    tickets.loc[::3, "category"] = r"$\frac{broken$"
    tickets.loc[::5, "category"] = LINK
    return {"orders": orders, "tickets": tickets}


def test_names_from_the_data_are_never_code(tmp_path: Path) -> None:
    tables = hostile()
    words = made(tables, tmp_path, lang="en")
    page = Page(words)
    assert not page.all("script")
    assert "<script" not in words
    assert "is not drawn" not in page.said


def test_headers_of_a_file_are_never_code_either(tmp_path: Path) -> None:
    header = f"会員番号,注文日時,購入金額,{SCRIPT}"
    rows = [f"A{n % 7},2024/{n % 12 + 1}/1 10:00,{1000 + n},x" for n in range(60)]
    (tmp_path / "shop.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    words = made(crmkit.load(tmp_path / "shop.csv"), tmp_path, lang="ja")
    assert "<script" not in words
    assert "&lt;script&gt;" in words


def test_ten_thousand_categories_are_one_picture_still(tmp_path: Path) -> None:
    at = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(10_000), unit="h")
    tickets = pd.DataFrame({"ticket_id": np.arange(10_000).astype(str), "created_at": at})
    tickets["category"] = "c" + tickets["ticket_id"]
    words = made({"tickets": tickets}, tmp_path, lang="en")
    assert len(words) < 3_000_000
    assert "What tickets are about" in words


def test_one_customer_with_one_order_has_a_report(tmp_path: Path) -> None:
    one = {"orders": crmkit.sample("ten_customers").orders.head(1)}
    assert "Customer report" in made(one, tmp_path, lang="en")


def test_a_window_without_any_order_has_a_report_that_says_so(tmp_path: Path) -> None:
    words = made(crmkit.sample("ten_customers"), tmp_path, lang="en", start="2020-01-01", end="2020-02-01")
    assert "no data" in words


def test_tables_without_a_row_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EmptyTable):
        report({"orders": crmkit.sample("ten_customers").orders.head(0)}, tmp_path / "r.html")
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_replaced_only_when_asked_and_only_by_a_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, out = crmkit.sample("ten_customers"), tmp_path / "r.html"
    out.write_text("old")
    with pytest.raises(ParameterError, match="overwrite"):
        report(shop, out, lang="en")
    stopped = []

    def stop(section: str, done: int, of: int) -> None:
        stopped.append(section)
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        report(shop, out, overwrite=True, progress=stop)
    assert len(stopped) == 4
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    assert "<html" in made(shop, tmp_path, "r.html", overwrite=True)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(CannotWrite, match="file"):
        report(crmkit.sample("ten_customers"), tmp_path / "file" / "r.html")
    with pytest.raises(ParameterError, match=r"\.pdf"):
        report(crmkit.sample("ten_customers"), tmp_path / "r.pdf")
    with pytest.raises(ParameterError):
        report({}, tmp_path / "r.html")


def test_a_picture_that_breaks_is_a_sentence_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("山田太郎")

    monkeypatch.setattr("crmkit.plots.plot_rfm", broken)
    tables = hostile()
    page = Page(made(tables, tmp_path, lang="en"))
    assert "“RFM map” could not be drawn" in page.said
    assert "(ValueError, at test_reporting.py:" in page.said
    assert "Pictures that could not be drawn because of an error: 1 (RFM map)" in page.said
    assert "山田" not in page.said  # a library's words may quote a value
    assert page.all("img")
    book = report(tables, tmp_path / "r.xlsx", lang="ja")
    with zipfile.ZipFile(book) as packed:
        assert "エラーで描けなかった図：1枚" in packed.read("xl/sharedStrings.xml").decode()


def test_the_window_is_the_last_twelve_full_months(tmp_path: Path) -> None:
    words = made(hostile(120), tmp_path, lang="en")  # from 2024-01-05 to 2027-12-13
    assert "2026-12-01 to 2027-12-01" in words


def test_the_workbook_has_the_same_tables_and_no_formula(tmp_path: Path) -> None:
    path = report(hostile(), tmp_path / "report.xlsx", lang="en")
    with zipfile.ZipFile(path) as book:
        sheets = [book.read(name).decode() for name in book.namelist() if "worksheets/sheet" in name]
        strings = book.read("xl/sharedStrings.xml").decode()
        names = book.read("xl/workbook.xml").decode()
        assert not [name for name in book.namelist() if "hyperlink" in name.lower()]
    assert len(sheets) >= 5
    assert "Key figures" in names
    assert all("<f>" not in sheet and "hyperlink" not in sheet.lower() for sheet in sheets)
    assert all('state="frozen"' in sheet for sheet in sheets)
    assert "net sales" in strings


RISKY = pd.DataFrame(
    {
        "=name": [LINK, "+1", "-x", "@a", "\tb", "plain", None],
        "amount": [-5.0, 3.5, float("nan"), 0.0, 1e15, -0.25, 7.0],
        "day": pd.to_datetime(["2024-01-01", None, "2024-02-29", *["2024-03-01"] * 4]),
        "flag": [True, False, True, True, False, False, True],
    }
)


def test_no_cell_of_a_csv_begins_like_a_formula_and_numbers_stay_numbers(tmp_path: Path) -> None:
    path = export(RISKY, tmp_path / "t.csv")
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    assert header[0] == "'=name"
    assert [row[0] for row in rows] == [f"'{LINK}", "'+1", "'-x", "'@a", "'\tb", "plain", ""]
    assert [float(row[1]) for row in rows[:2]] == [-5, 3.5]
    assert not any(cell.startswith(("=", "+", "@", "\t")) for row in rows for cell in row)


def test_a_workbook_keeps_text_as_text_and_numbers_as_numbers(tmp_path: Path) -> None:
    path = export({"a/b": RISKY, "A_b": RISKY}, tmp_path / "t.xlsx")
    back = pd.read_excel(path, sheet_name=None, engine="calamine")
    assert list(back) == ["a_b", "A_b 2"]
    assert back["a_b"]["=name"].tolist()[:4] == [LINK, "+1", "-x", "@a"]
    assert back["a_b"]["amount"].tolist()[0] == -5
    with zipfile.ZipFile(path) as book:
        assert b"<f>" not in book.read("xl/worksheets/sheet1.xml")


def test_an_export_replaces_nothing_unasked_and_holds_one_table_in_a_csv(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("old")
    with pytest.raises(ParameterError, match="overwrite"):
        export(RISKY, tmp_path / "t.csv")
    with pytest.raises(ParameterError, match="x, y"):
        export({"x": RISKY, "y": RISKY}, tmp_path / "u.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv"]
