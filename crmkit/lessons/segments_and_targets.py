"""Lesson 06, segments and targets: the widget "whom do we write to with 500 stamps?", a shop's mailings that drew lots,
three exercises and a quiz."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from crmkit.estimate import Estimate
from crmkit.lessons.dates import day_after_last
from crmkit.lessons.letters import (
    DAYS,
    LEVERS,
    OFTEN,
    ON_PAPER,
    QUIET_DAYS,
    RULES,
    YOUNG,
    Outcome,
    fates,
    letter_day,
    listed,
    outcome,
    shop,
)  # fmt: skip
from crmkit.metrics.management.campaigns import campaign_lift
from crmkit.metrics.relationship.segments import rfm
from crmkit.plots import plot_rfm
from crmkit.plots.base import BLUE, GREY, INK, ORANGE, PALE
from crmkit.texts import text
from crmkit.widgets.exercise import Exercise, Quiz, check, offer, quiz
from crmkit.widgets.explorer import Answer, Choice, Explorer, Number, Prediction
from crmkit.widgets.picture import show

__all__ = [
    "COUPON",
    "GROUPS",
    "OFTEN",
    "ON_PAPER",
    "QUIET_DAYS",
    "YOUNG",
    "Letters",
    "birth_months",
    "check",
    "grouped",
    "ordered",
    "quiz",
    "say_lift",
    "say_rfm",
    "say_top",
    "shop",
    "show",
    "start",
    "whom_to_write",
]

GROUPS = ("regular_active", "regular_quiet", "rare_active", "rare_quiet")  # what `grouped` tells apart
COUPON = LEVERS["campaign_discount"]  # the share that it takes off
STAMP, MARGIN = 85, 2_400  # yen: a postcard, and what is left of an order before coupons, as in this shop


# --- the widget


def whom_to_write() -> Explorer:
    """Whom do we write to with 500 stamps? Choose a rule, how many letters, and what a stamp and an order are worth."""

    def answer(rule: str, letters: float, stamp_yen: float, margin_yen: float) -> Answer:
        found = {one: outcome(one, letters, stamp_yen, margin_yen) for one in RULES}
        mine = found[rule]
        came, random = mine.without + mine.extra, found["random"].extra
        facts = {"rule": _label(rule), "letters": f"{letters:,.0f}", "came": f"{came:,.0f}", "random": f"{random:.0f}",
                 "without": f"{mine.without:,.0f}", "extra": f"{mine.extra:.0f}", "error": f"{mine.extra_error:.0f}",
                 "coupons": f"{mine.coupons:,.0f}", "stamps": f"{letters * stamp_yen:,.0f}",
                 "margin": f"{mine.extra * margin_yen:,.0f}",
                 "profit": _signed(mine.profit), "profit_error": f"{mine.profit_error:,.0f}"}  # fmt: skip

        def draw(_: Any, axes: Any, predicted: float | None) -> None:
            _draw_orders(axes[0], found, rule, predicted)
            _draw_profit(axes[1], found, rule)

        return Answer(round(mine.extra), text("lesson06.result", **facts), draw)

    most = min(1_500, len(fates()) // 100 * 100)
    return Explorer(
        texts="lesson06",
        prediction=Prediction(0, 500, 1, text("lesson06.unit")),
        controls=[
            Choice("rule", tuple((_label(one), one) for one in RULES), "rfm"),
            Number("letters", 100, most, 50, 500),
            Number("stamp_yen", 0, 200, 5, STAMP),
            Number("margin_yen", 500, 6_000, 100, MARGIN),
        ],
        answer=answer,
        before=_before,
        panels={"ncols": 2, "width": 11, "height": 4.4, "width_ratios": [3, 2]},
    )


def _signed(value: float, decimals: int = 0) -> str:
    return f"{value:+,.{decimals}f}".replace("-", "−")


def _label(rule: str) -> str:
    return text(f"lesson06.rule.{rule}", often=OFTEN, days=QUIET_DAYS, age=YOUNG)


def _before(_: Any, axes: Any) -> str:
    plot_rfm(rfm(shop().orders, as_of=letter_day()), ax=axes[0])
    axes[1].set_axis_off()
    axes[1].annotate(text("lesson06.here"), (0.5, 0.5), xycoords="axes fraction", ha="center", color=GREY)
    seen, agreed = listed(), len(fates())
    return text("lesson06.before", seen=f"{seen:,}", agreed=f"{agreed:,}", others=f"{seen - agreed:,}")


def _draw_orders(ax: Any, found: Mapping[str, Outcome], rule: str, predicted: float | None) -> None:
    """Each rule's orders: those that would have come anyway, and behind them those that the letter caused."""
    places, rows = [-at for at in range(len(found))], list(found.values())
    without, extra = ([getattr(one, name) for one in rows] for name in ("without", "extra"))
    came, error = [sum(both) for both in zip(without, extra, strict=True)], [one.extra_error for one in rows]
    ax.barh(places, without, height=0.6, color=PALE, edgecolor=GREY, linewidth=0.6)
    ax.barh(places, extra, left=without, height=0.6, color=BLUE, hatch="///", edgecolor="white",
            xerr=error, error_kw={"ecolor": INK, "elinewidth": 1.8, "capsize": 4})  # fmt: skip
    at, mine = places[list(found).index(rule)], found[rule]
    if predicted is not None:
        x = mine.without + predicted
        ax.plot([x, x], [at - 0.42, at + 0.42], color=INK, linestyle="--", linewidth=2)
        ax.annotate(text("lesson06.predicted"), (x, at - 0.42), ha="center", va="top", fontsize="small", color=INK)
    signs = {rule: "▶ "}  # in the shorter line, where it cannot run out of the picture
    counts = [f"{signs.get(name, '')}{one.without:,.0f} + {one.extra:.0f}" for name, one in found.items()]
    ax.set_yticks(places, [f"{_label(name)}\n{count}" for name, count in zip(found, counts, strict=True)])
    furthest = max(total + half for total, half in zip(came, error, strict=True))
    ax.set_xlim(0, 1.1 * max(furthest, mine.without + (predicted or 0)))
    ax.locator_params(axis="x", nbins=6)
    ax.set_xlabel(text("lesson06.orders"))
    ax.grid(axis="y", visible=False)


def _draw_profit(ax: Any, found: Mapping[str, Outcome], rule: str) -> None:
    """What is left of each rule's extra orders after coupons and stamps."""
    ax.axvline(0, color=GREY, linewidth=1.2)
    places = {name: -at for at, name in enumerate(found)}
    for good, colour, sign in ((True, BLUE, "o"), (False, ORANGE, "X")):
        here = [name for name, one in found.items() if (one.profit >= 0) == good]
        y, x = [places[name] for name in here], [found[name].profit / 1000 for name in here]
        half = [found[name].profit_error / 1000 for name in here]
        ax.errorbar(x, y, xerr=half, fmt=sign, color=colour, markersize=8, elinewidth=2.5)
    labels = [_signed(one.profit / 1000) for one in found.values()]
    ax.set_yticks(list(places.values()), [f"▶ {one}" if name == rule else one
                                          for name, one in zip(found, labels, strict=True)])  # fmt: skip
    ax.set_ylim(-len(found) + 0.4, 0.7)
    ax.locator_params(axis="x", nbins=5)
    ax.set_xlabel(text("lesson06.profit"))
    ax.grid(axis="y", visible=False)


# --- a shop's mailings and customers, its own or lent


@dataclass(frozen=True)
class Letters:
    """What the lesson looks at in a shop.

    Attributes:
        orders, customers: The shop's; `email_opt_in` and `opted_out_at` are there even where nobody was asked.
        as_of: The day after the last order.
        tests: One row per customer and mailing that drew lots: `arm`, the `day` it went out, the customer's scores
            on that day, and `birth_month`.
        test_orders: The orders of the shop that sent them.
        feedback: What customers said.
        asked: Whether anything says who agreed to be written to.
        lent: Which of these the data do not have and the lesson's own shop lends.
    """

    orders: pd.DataFrame
    customers: pd.DataFrame
    as_of: str
    tests: pd.DataFrame
    test_orders: pd.DataFrame
    feedback: pd.DataFrame
    asked: bool = True
    lent: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = {"customers": len(self.customers), "orders": len(self.orders), "letters": len(self.tests),
                  "mailings": self.tests["campaign_id"].nunique()}  # fmt: skip
        said = text("lesson06.shop", **{name: f"{n:,}" for name, n in counts.items()}, as_of=self.as_of)
        said += "" if self.asked else " " + text("lesson06.nobody_asked")
        return said + (" " + text("lesson06.lent", tables=", ".join(self.lent)) if self.lent else "")

    __repr__ = __str__


def start(crm: Any) -> Letters:
    """Begin the exercises on a shop; what it lacks is lent by the lesson's own, and said."""
    found = _letters(crm)
    offer(*exercises(found), Quiz("06.4", right="b"))
    return found


def _letters(crm: Any) -> Letters:
    orders, lent = crm.orders, []
    customers = _table(crm, "customers")
    if customers is None:
        customers = pd.DataFrame({"customer_id": sorted(orders["customer_id"].dropna().unique())})
    asked = "email_opt_in" in customers
    kept: dict[str, Any] = {
        "email_opt_in": customers["email_opt_in"].eq(True).fillna(False).astype(bool) if asked else False,
        "opted_out_at": customers.get("opted_out_at", pd.NaT),
    }
    customers = customers.assign(**kept)
    tests, of = _tests(crm, customers), orders
    if tests is None:
        of, tests = shop().orders, _tests(shop(), shop().customers)
        lent.append("campaign_sends")
    feedback = _table(crm, "feedback")
    if feedback is None or not {"need_code", "received_at"} <= set(feedback):
        feedback = shop().feedback
        lent.append("feedback")
    as_of = str(day_after_last(orders["ordered_at"]).date())
    assert tests is not None  # the lesson's own shop has mailings
    return Letters(orders, customers, as_of, tests, of, feedback, asked, tuple(lent))


def _table(crm: Any, name: str) -> Any:
    found = getattr(crm, name, None)
    return found if found is not None and len(found) else None


def _tests(crm: Any, customers: pd.DataFrame) -> pd.DataFrame | None:
    """The mailings that left somebody out by lot, went out at once and have been watched; `None` if there is none."""
    sends = _table(crm, "campaign_sends")
    if sends is None or not {"campaign_id", "customer_id", "arm", "sent_at"} <= set(sends):
        return None
    if "is_personalized" not in sends:
        sends = sends.assign(is_personalized=False)  # nothing says that a text was fitted to its reader
    end = day_after_last(crm.orders["ordered_at"])
    parts = []
    for _, mailing in sends.groupby("campaign_id", observed=True):
        day, last = mailing["sent_at"].min(), mailing["sent_at"].max()
        watched = pd.notna(day) and last - day < pd.Timedelta(days=1) and day + pd.Timedelta(days=DAYS) <= end
        if watched and mailing["arm"].nunique() == 2:
            scores = rfm(crm.orders, as_of=day.normalize())
            parts.append(mailing.assign(day=day).merge(scores, on="customer_id"))
    if not parts:
        return None
    tests: pd.DataFrame = pd.concat(parts, ignore_index=True)
    if "birth_date" not in customers:
        return tests.assign(birth_month=float("nan"))
    born = customers.drop_duplicates("customer_id").set_index("customer_id")["birth_date"].dt.month
    return tests.assign(birth_month=tests["customer_id"].map(born).astype("Int64"))


def grouped(tests: pd.DataFrame) -> pd.Series[str]:
    """Each row's group on the day of its mailing: regular or rare, active or quiet."""
    often = tests["frequency"].ge(OFTEN).map({True: "regular", False: "rare"})
    return often + "_" + tests["recency_days"].ge(QUIET_DAYS).map({True: "quiet", False: "active"})


def birth_months(letters: Letters) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The lift by month of birth, in the earlier half of the mailings and in the later half.

    Where birthdays are not known, or there was one mailing only, they are those of the lesson's own shop, and that is
    said.
    """
    tests = letters.tests.dropna(subset="birth_month")
    if tests["campaign_id"].nunique() < 2:
        print(text("lesson06.lent", tables="customers.birth_date"))
        return birth_months(_letters(shop()))
    days = tests.groupby("campaign_id", observed=True)["sent_at"].min().sort_values()
    early = tests["campaign_id"].isin(days.index[: (len(days) + 1) // 2])
    first, second = (
        campaign_lift(half, orders=letters.test_orders, horizon_days=DAYS, by="birth_month")
        for half in (tests[early], tests[~early])
    )
    return first, second


def ordered(rows: pd.DataFrame, orders: pd.DataFrame) -> pd.DataFrame:
    """Rows of mailings with `ordered`: whether the customer ordered within `DAYS` days of the mailing."""
    real = orders[orders["status"] != "cancelled"] if "status" in orders else orders
    places = rows.reset_index(drop=True).rename_axis("place").reset_index()
    met = places[["place", "customer_id", "day"]].merge(real[["customer_id", "ordered_at"]], on="customer_id")
    after = met["ordered_at"] - met["day"]
    inside = (after >= pd.Timedelta(0)) & (after < pd.Timedelta(days=DAYS))
    return places.assign(ordered=places["place"].isin(met.loc[inside, "place"])).drop(columns="place")


def say_rfm(scores: pd.DataFrame) -> str:
    """What the RFM map shows, in a sentence."""
    best = int(((scores["r"] == 5) & (scores["f"] == 5)).sum())
    gone = int((scores["r"] == 1).sum())
    return text("lesson06.rfm", customers=f"{len(scores):,}", best=f"{best:,}", gone=f"{gone:,}")


def say_top(lift: Estimate) -> str:
    """What a targeting lift divides by what, in a sentence."""
    if pd.isna(lift.value):
        return text("estimate.no_data")
    counts = {"chosen": lift.besides["in_top"], "found": lift.numerator, "chance": lift.denominator}
    return text("lesson06.top", lift=f"{lift.value:.1f}", **{name: f"{n:,.0f}" for name, n in counts.items()})


def say_lift(table: pd.DataFrame) -> str:
    """What a picture of lifts shows, in a sentence."""
    known = table.dropna(subset="value").sort_values("value")
    if known.empty:
        return text("estimate.no_data")
    names, values = known[table.columns[0]].to_list(), (100 * known["value"]).to_list()
    clear = int(((known["low"] > 0) | (known["high"] < 0)).sum())
    return text(
        "lesson06.lifts", groups=len(known), best=names[-1], most=_signed(values[-1], 1), worst=names[0],
        least=_signed(values[0], 1), clear=clear,
    )  # fmt: skip


# --- the exercises


def exercises(letters: Letters) -> tuple[Exercise, ...]:
    """The lesson's exercises on this shop, with what the usual mistakes would give."""
    scores = rfm(letters.orders, as_of=letters.as_of)
    r, f = scores["r"], scores["f"]
    best = (r >= 4) & (f >= 4)
    people = letters.customers
    may = people.loc[people["email_opt_in"] & people["opted_out_at"].isna(), "customer_id"]
    agreed = best & scores["customer_id"].isin(may)
    lift = _lifts(letters)
    return (
        Exercise(
            "06.1",
            lambda: int(best.sum()),
            {
                "reversed": lambda: int(((r <= 2) & (f >= 4)).sum()),
                "upside_down": lambda: int(((r <= 2) & (f <= 2)).sum()),
                "either": lambda: int(((r >= 4) | (f >= 4)).sum()),
                "above": lambda: int(((r > 4) & (f > 4)).sum()),
                "sum": lambda: int((r + f >= 8).sum()),
                "days": lambda: int(((scores["recency_days"] >= 4) & (scores["frequency"] >= 4)).sum()),
            },
            tolerance=0.5,
        ),
        Exercise(
            "06.2",
            lambda: int(agreed.sum()),
            {
                "everyone": lambda: int(best.sum()),
                "refused": lambda: int((best & ~agreed).sum()),
                "whole_list": lambda: len(may),
            },
            tolerance=0.5,
        ),
        Exercise(
            "06.3",
            lambda: lift("regular_quiet", "value"),
            {
                "response": lambda: lift("regular_quiet", "treatment"),
                "control": lambda: lift("regular_quiet", "control"),
                "ratio": lambda: lift("regular_quiet", "treatment") / lift("regular_quiet", "control") - 1,
                "active": lambda: lift("regular_active", "value"),
                "all": lambda: float(campaign_lift(letters.tests, orders=letters.test_orders, horizon_days=DAYS)),
                "month": lambda: lift("regular_quiet", "value", 30),
            },
        ),
    )


def _lifts(letters: Letters) -> Any:
    @cache
    def table(days: int) -> pd.DataFrame:
        tests = letters.tests.assign(group=grouped(letters.tests))
        found: pd.DataFrame = campaign_lift(tests, orders=letters.test_orders, horizon_days=days, by="group")
        return found.set_index("group")

    def figure(group: str, column: str, days: int = DAYS) -> float:
        rows = table(days)
        return float(rows[column].get(group, float("nan")))

    return figure
