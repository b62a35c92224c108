"""`crmkit check` and `crmkit report`: what they print, and what they end with."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from crmkit import cli

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
