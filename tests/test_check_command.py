"""`crmkit check` and `crmkit report`: what they print, and what they end with."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

import crmkit
from crmkit import cli
from crmkit.errors import CannotWrite, ParameterError, RowsLeftOut
from crmkit.reporting import console
from crmkit.reporting.health import health
from crmkit.reporting.parts import Grid
from crmkit.texts import LANGUAGES, Language, in_language, text

run = CliRunner().invoke
HEADER = "会員番号,氏名,注文日時,購入金額"


def shop(folder: Path, *more: str) -> Path:
    """An export with 30 good rows, and whatever else."""
    rows = [f"A{n % 9},山田太郎,2024/{n % 12 + 1}/{n % 27 + 1} 10:00,{1000 + n}" for n in range(30)]
    path = folder / "shop.csv"
    path.write_text("\n".join([HEADER, *rows, *more]), encoding="utf-8")
    return path


def test_a_good_file_ends_with_0_and_names_nobody(tmp_path: Path) -> None:
    told = run(cli.app, ["check", str(shop(tmp_path)), "--lang", "ja"])
    assert told.exit_code == 0, told.output
    assert "会員番号" in told.output
    assert "山田" not in told.output
    assert "顧客の維持" in told.output


def test_rows_set_aside_end_with_1_and_are_named_by_line(tmp_path: Path) -> None:
    told = run(cli.app, ["check", str(shop(tmp_path, "A1,山田太郎,昨日,1200")), "--lang", "en"])
    assert told.exit_code == 1, told.output
    assert "31\t30\t1" in told.output
    assert "\t32\t" in told.output
    assert "1 rows were set aside" in told.output
    assert "昨日" not in told.output


def test_what_cannot_be_loaded_ends_with_2(tmp_path: Path) -> None:
    told = run(cli.app, ["check", str(tmp_path / "nothing.csv"), "--lang", "en"])
    assert told.exit_code == 2
    assert "nothing.csv" in told.output


def test_a_saved_folder_can_be_checked() -> None:
    told = run(
        cli.app,
        ["check", str(Path(cli.PACKAGE.parent, "datasets", "ten_customers", "orders.csv")), "--tables", "orders"],
    )
    assert told.exit_code == 0, told.output


def test_a_report_is_written_and_not_replaced_unasked(tmp_path: Path) -> None:
    path, out = shop(tmp_path), tmp_path / "report.html"
    first = run(cli.app, ["report", str(path), "--out", str(out), "--lang", "ja"])
    assert first.exit_code == 0, first.output
    assert "山田" not in out.read_text(encoding="utf-8")
    again = run(cli.app, ["report", str(path), "--out", str(out), "--lang", "en"])
    assert again.exit_code == 1
    assert "--overwrite" in again.output


def test_a_report_that_is_stopped_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "report.html"
    out.write_text("old")

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("crmkit.reporting.reports.figures", stop)
    told = run(cli.app, ["report", str(shop(tmp_path)), "--out", str(out), "--overwrite", "--lang", "en"])
    assert told.exit_code == 130
    assert "Nothing was written" in told.output
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "shop.csv"]


LINK = '=HYPERLINK("http://example.com","x")'
BROKEN = ("A1,山田太郎,昨日,1200", f"'@x,{LINK.replace(',', ';')},いつか,1200", "A1,佐藤,2024-01-01,1,2,3")


def test_rows_set_aside_are_kept_with_line_and_reason_and_are_no_formulas(tmp_path: Path) -> None:
    out = tmp_path / "to mend"
    told = run(cli.app, ["check", str(shop(tmp_path, *BROKEN)), "--rejected", str(out), "--lang", "en"])
    assert told.exit_code == 1, told.output
    assert "The rows set aside (3) are in" in told.output
    assert "names of people" in told.output
    assert [path.name for path in out.iterdir()] == ["orders.csv"]
    with (out / "orders.csv").open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["file", "line", "reason", *HEADER.split(","), "whole_line"]
    assert [row[:2] for row in rows] == [["shop.csv", "32"], ["shop.csv", "33"], ["shop.csv", "34"]]
    assert all(row[2] for row in rows)
    assert rows[0][3:] == ["A1", "山田太郎", "昨日", "1200", ""]  # the owner's own file, whole
    assert rows[1][3:5] == ["''@x", "'" + LINK.replace(",", ";")]
    assert rows[2][-1] == BROKEN[2]


def test_mended_rows_can_be_loaded_again(tmp_path: Path) -> None:
    with pytest.warns(RowsLeftOut):
        crm = crmkit.load(shop(tmp_path, *BROKEN[:2]))
    (place,) = crm.save_rejected(tmp_path / "to mend")
    place.write_text(place.read_text(encoding="utf-8").replace("昨日", "2024-04-01").replace("いつか", "2024-04-02"))
    again = crmkit.load(place)
    assert len(again.orders) == 2
    assert again.mapping.by_table()["orders"]["ordered_at"] == "注文日時"


def test_rejected_rows_of_several_files_name_their_file(tmp_path: Path) -> None:
    for month in ("01", "02"):
        (tmp_path / "in").mkdir(exist_ok=True)
        lines = [HEADER, f"A1,x,2024-{month}-01,1", "A2,x,いつか,1"]
        (tmp_path / "in" / f"orders_2024-{month}.csv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.warns(RowsLeftOut):
        crm = crmkit.load(tmp_path / "in")
    (place,) = crm.save_rejected(tmp_path / "out")
    with place.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["line"]) for row in rows] == [("orders_2024-01.csv", "3"), ("orders_2024-02.csv", "3")]


def test_rejected_rows_replace_nothing_and_need_rows(tmp_path: Path) -> None:
    path, out = shop(tmp_path), tmp_path / "to mend"
    told = run(cli.app, ["check", str(path), "--rejected", str(out), "--lang", "en"])
    assert told.exit_code == 0
    assert "was not made" in told.output
    assert not out.exists()
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    told = run(cli.app, ["check", str(shop(tmp_path, *BROKEN)), "--rejected", str(out), "--lang", "ja"])
    assert told.exit_code == 2
    assert "mine.txt" in told.output
    assert [item.name for item in out.iterdir()] == ["mine.txt"]


def test_rejected_rows_are_never_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(RowsLeftOut):
        crm = crmkit.load(shop(tmp_path, *BROKEN))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("crmkit.datasets.rejected.write_csv_rows", full)
    with pytest.raises(CannotWrite):
        crm.save_rejected(tmp_path / "to mend")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.csv"]


def test_the_account_adds_up_and_says_why(tmp_path: Path) -> None:
    with pytest.warns(RowsLeftOut):
        crm = crmkit.load(shop(tmp_path, *BROKEN))
    (orders,) = crm.account
    assert (orders.table, orders.source, orders.read, orders.loaded, orders.aside) == ("orders", "shop.csv", 33, 30, 3)
    assert {reason.what for reason in orders.reasons} == set(crm.rejected["orders"]["reason"])
    assert sum(reason.rows for reason in orders.reasons) == crm.account.aside == 3
    assert sorted(line for reason in orders.reasons for line in reason.lines) == [32, 33, 34]
    assert crm.account.frame()["aside"].tolist() == [3]
    assert "<td>33</td>" in crm.account._repr_html_()
    assert crm.account[:0].aside == 0


def test_rows_dropped_by_a_repair_are_in_the_account(tmp_path: Path) -> None:
    shop(tmp_path)
    (tmp_path / "customers.csv").write_text("会員番号\nA1\n", encoding="utf-8")
    crm = crmkit.load({"orders": tmp_path / "shop.csv", "customers": tmp_path / "customers.csv"})
    less = crm.repair("orders.customer_id.drop_orphans")
    one = less.account[0]
    assert one.dropped > 0
    assert one.read == one.loaded + one.aside + one.dropped == 30
    page = crmkit.report(less, tmp_path / "r.html", lang="en").read_text(encoding="utf-8")
    assert "Dropped by repairs" in page


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_an_unknown_table_names_a_few_and_counts_the_rest(tmp_path: Path, lang: str) -> None:
    told = run(cli.app, ["check", str(shop(tmp_path)), "--tables", "oders", "--lang", lang])
    assert told.exit_code == 2
    assert "oders" in told.output
    assert "orders" in told.output
    assert "17" in told.output
    assert len(told.output) < 200
    with pytest.raises(ParameterError, match="oders"):
        crmkit.load(shop(tmp_path), tables="oders")


def test_bytes_that_are_no_text_are_said_in_japanese(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_bytes(b"a,b\n\0\1\2,3\n")
    told = run(cli.app, ["check", str(tmp_path / "shop.csv"), "--lang", "ja"])
    assert told.exit_code == 2
    assert "binary" not in told.output
    assert "文章や表ではないもの" in told.output


def test_the_password_of_a_database_is_not_said() -> None:
    said = cli._called("postgresql://shop:geheim@127.0.0.1:1/crm")
    assert "geheim" not in said
    assert "crm" in said


def a_customer_too_few(folder: Path) -> Path:
    """A folder whose orders name somebody that the customers do not have."""
    place = folder / "in"
    place.mkdir()
    (place / "customers.csv").write_text("会員番号,登録日\nA,2024-01-01\n", encoding="utf-8")
    (place / "orders.csv").write_text(f"{HEADER}\nA,x,2024-01-02,1\nZ,x,2024-01-03,1\n", encoding="utf-8")
    return place


def test_an_orphan_is_told_and_counted_once(tmp_path: Path) -> None:
    told = run(cli.app, ["check", str(a_customer_too_few(tmp_path)), "--lang", "en"])
    assert told.exit_code == 1, told.output
    assert told.output.count("customer_id\t'会員番号' names a row that the table 'customers' does not have\t1") == 1
    assert "names a row that is not there" not in told.output
    assert "there are 1 problems to look at" in told.output


def test_rules_that_the_loader_does_not_know_are_told_as_well(tmp_path: Path) -> None:
    crm = crmkit.load(a_customer_too_few(tmp_path))
    blocks = {block.name: block for block in health(crm, dict(crm.tables)) if isinstance(block, Grid)}
    assert "checks" not in blocks
    crm.orders.loc[0, "order_id"] = crm.orders.loc[1, "order_id"]
    blocks = {block.name: block for block in health(crm, dict(crm.tables)) if isinstance(block, Grid)}
    assert [row[2] for row in blocks["checks"].rows] == [text("report.check.key_again")]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("width", [40, 80, 300])
def test_on_a_terminal_no_sentence_is_cut(
    tmp_path: Path, lang: Language, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    with in_language(lang):
        crm = crmkit.load(a_customer_too_few(tmp_path))
        console.account(crm, lambda _: None)  # what is no table a terminal wraps itself
        mend = crm.problems["mend"].iloc[0]
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert "┃" in shown  # a terminal it is
    assert max(map(cell_len, shown.splitlines())) <= width
    assert "".join(mend.split()) in "".join(shown.split())


def test_a_table_that_fits_stays_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    console.print_grid(Grid("x", "x", ("a", "b"), [("word", "w" * 60)]), print)
    assert "┃" in capsys.readouterr().out
