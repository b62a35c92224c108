"""Lesson 16, your own data: two messy exports of a salon, the widget "which lines can be counted?", two exercises."""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Mapping
from functools import cache, partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd

from crmkit.answers import answerable
from crmkit.datasets import Dataset, load, sample
from crmkit.errors import CrmkitError, RowsLeftOut
from crmkit.lessons.dates import Dates, dates
from crmkit.metrics.relationship.sales import net_sales
from crmkit.plots.base import BLUE, ORANGE
from crmkit.texts import text
from crmkit.widgets.exercise import Exercise, check, offer
from crmkit.widgets.explorer import Answer, Choice, Explorer, Prediction

__all__ = ["chapters", "check", "exports", "first_lines", "start", "which_columns"]

# the lesson looks at each account itself
warnings.filterwarnings("ignore", category=RowsLeftOut)
pd.set_option("display.max_colwidth", 160)  # the account's sentences: pandas would cut them at 50

CUSTOMER, DAY, AMOUNT = "会員番号", "来店日", "お会計"
ASKED = {"customer_id": CUSTOMER, "ordered_at": DAY, "net_amount": AMOUNT}
TITLE = "売上一覧（2024年1月〜2026年3月）"
MOST_LINES = 5


@cache
def exports() -> Path:
    """A folder with two files as a till and a spreadsheet write them: `uriage.csv` and `members.csv`.

    Made of the sample salon, always alike: a title above the header, dates of the era, amounts with 円, cancelled
    visits, a few lines without member number, impossible dates, lines exported twice, a total at the end, and member
    numbers that a spreadsheet has taken the zeros from.
    """
    folder = Path(tempfile.mkdtemp(prefix="crmkit-lesson-16-"))
    lines = _till(sample("salon").orders)
    total = f"合計,,,,{lines[AMOUNT].str.replace('[円,]', '', regex=True).astype(float).sum():.0f},,"
    body = lines.to_csv(index=False, lineterminator="\r\n")
    (folder / "uriage.csv").write_bytes(f"{TITLE}\r\n\r\n{body}{total}\r\n".encode("cp932"))
    members = pd.DataFrame({CUSTOMER: sorted(sample("salon").orders["customer_id"].str[1:].unique())})
    (folder / "members.csv").write_bytes(members.to_csv(index=False).encode())
    return folder


def _till(orders: pd.DataFrame) -> pd.DataFrame:
    """The orders as the till's export has them."""
    at, number = orders["ordered_at"].dt, range(len(orders))
    era = "令和" + (at.year - 2018).astype(str) + "年" + at.month.astype(str) + "月" + at.day.astype(str) + "日"
    lines = pd.DataFrame(
        {
            "伝票番号": orders["order_id"].str[1:],
            CUSTOMER: orders["customer_id"].str[1:].str.lstrip("0"),
            DAY: era.where([n % 400 != 17 for n in number], "令和7年2月30日"),
            "出力日": "2026/03/31",
            AMOUNT: orders["net_amount"].map("{:,.0f}円".format),
            "ポイント": (orders["net_amount"] // 100).map("{:.0f}".format),
            "状態": orders["status"].map({"completed": "完了", "cancelled": "キャンセル"}),
        }
    )
    lines.loc[[n % 150 == 41 for n in number], CUSTOMER] = ""
    return pd.concat([lines, lines.iloc[500:560]], ignore_index=True)


def first_lines(path: Path, most: int = MOST_LINES) -> str:
    """The first lines of an export and its last one, as a text editor shows them."""
    lines = path.read_text(encoding="cp932").splitlines()
    return "\n".join([*lines[:most], "…", lines[-1]])


@cache
def _loaded(**columns: str) -> Dataset | CrmkitError:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the widget says what was set aside
            found: Dataset = load({"orders": exports() / "uriage.csv"}, columns=columns)
    except CrmkitError as error:
        return error
    return found


def which_columns() -> Explorer:
    """The widget: which column is which, how many lines can be counted then, and what the months look like."""

    def answer(customer: str, day: str, amount: str) -> Answer:
        found = _loaded(customer_id=customer, ordered_at=day, net_amount=amount)
        if isinstance(found, CrmkitError):
            return Answer(0.0, text("lesson16.refused", why=_first_sentence(str(found))), _draw_nothing)
        rows, aside = found.account[0].loaded, found.account.aside
        sales = found.orders.groupby(found.orders["ordered_at"].dt.to_period("M"))["net_amount"].sum()
        facts = {"rows": f"{rows:,}", "of": f"{rows + aside:,}", "sales": f"{sales.sum():,.0f}", "months": len(sales)}
        return Answer(100 * rows / (rows + aside), text("lesson16.result", **facts), partial(_draw, found, sales))

    def before(_: Any, axes: Any) -> str:
        axes[0].set_axis_off()
        axes[1].set_axis_off()
        axes[0].text(0, 1, first_lines(exports() / "uriage.csv", 4), va="top", fontsize=9)
        return text("lesson16.before")

    return Explorer(
        texts="lesson16",
        prediction=Prediction(0, 100, 1, "%"),
        controls=[
            Choice("customer", _options(CUSTOMER, "伝票番号"), CUSTOMER),
            Choice("day", _options(DAY, "出力日", CUSTOMER), DAY),
            Choice("amount", _options(AMOUNT, "ポイント", "状態"), AMOUNT),
        ],
        answer=answer,
        before=before,
        panels={"ncols": 2, "width": 10, "height": 4},
    )


def _options(*headers: str) -> tuple[tuple[str, str], ...]:
    """Headers with a value each, as one recognises a column by."""
    first = _till(sample("salon").orders).iloc[0]
    return tuple((f"{header} ({first[header]})", header) for header in headers)


def _first_sentence(said: str) -> str:
    end = "。" if "。" in said else ". "
    return said.split(end, maxsplit=1)[0] + end.strip()


def _draw_nothing(_: Any, axes: Any, __: float | None) -> None:
    for one in axes:
        one.set_axis_off()
    axes[0].annotate(text("lesson16.nothing"), (0.5, 0.5), xycoords="axes fraction", ha="center", va="center")


def _draw(found: Dataset, sales: pd.Series[float], _: Any, axes: Any, predicted: float | None) -> None:
    (orders,) = found.account
    aside = orders.reasons
    names = [text("lesson16.loaded"), *(reason.what for reason in aside)]
    counts = [orders.loaded, *(reason.rows for reason in aside)]
    places = [-place for place in range(len(names))]
    bars = axes[0].barh(places, counts, color=[BLUE] + [ORANGE] * len(aside))
    axes[0].bar_label(bars, [f"{count:,}" for count in counts], padding=3)
    axes[0].set_yticks(places, names)
    axes[0].set_xlabel(text("lesson16.lines"))
    axes[0].set_xlim(0, max(counts) * 1.2)
    axes[0].grid(axis="y", visible=False)
    if predicted is not None:
        axes[0].axvline(predicted / 100 * sum(counts), color="black", linestyle="--", label=text("lesson16.predicted"))
        axes[0].legend(loc="lower right")
    months = [str(month) for month in sales.index]
    axes[1].bar(range(len(months)), sales.to_numpy() / 1000, color=BLUE)
    # a slanted label ends at its bar
    axes[1].set_xticks(range(0, len(months), 3), months[::3], rotation=45, ha="right", rotation_mode="anchor")
    axes[1].set_ylabel(text("lesson16.sales"))
    axes[1].grid(axis="x", visible=False)


def start(crm: Any) -> Dates:
    """Begin the exercises on these data."""
    when = dates(crm.orders)
    offer(*exercises(crm, when))
    return when


def exercises(crm: Any, when: Dates) -> tuple[Exercise, ...]:
    """The lesson's exercises, with what the usual mistakes would give."""
    orders = crm.orders
    window: Mapping[str, Any] = when.month
    inside = orders[(orders["ordered_at"] >= window["start"]) & (orders["ordered_at"] < window["end"])]
    return (
        Exercise(
            "16.1",
            lambda: float(net_sales(orders, **window)),
            {
                "everything": lambda: float(inside["net_amount"].sum()),
                "all_months": lambda: float(net_sales(orders)),
                "whole_column": lambda: float(orders["net_amount"].sum()),
            },
            tolerance=0.5,
        ),
        Exercise(
            "16.2",
            lambda: float(_retention(crm)[0]),
            {
                "all": lambda: float(_retention(crm)[1]),
                "missing": lambda: float(_retention(crm)[1] - _retention(crm)[0]),
            },
        ),
    )


def _retention(crm: Any) -> tuple[int, int]:
    can, of = answerable(crm).counts()["retention"]
    return can, of


def chapters(page: Path) -> str:
    """What a report holds: what it is about, and its headings, one a line; and how large it is."""
    reader = _Headings()
    reader.feed(page.read_text(encoding="utf-8"))
    size = text("lesson16.size", kilobytes=math.ceil(page.stat().st_size / 1024 / 100) * 100)
    return "\n".join([reader.about, size, *(f"- {one}" for one in reader.found)])


class _Headings(HTMLParser):
    """The first paragraph and the chapters' headings of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.about = "", ""
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.inside = tag

    def handle_data(self, data: str) -> None:
        if self.inside == "h2":
            self.found.append(data)
        elif self.inside == "p" and not self.about:
            self.about = data
        self.inside = ""
