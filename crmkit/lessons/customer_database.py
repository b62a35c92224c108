"""Lesson 05, the customer database: a salon's untidy list of customers, the widget "who is really the same person?",
the panel to work in the database, three exercises and a quiz."""

from __future__ import annotations

import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from crmkit.datasets import sample
from crmkit.datasets.crm import Crm
from crmkit.errors import CrmkitError, RowsLeftOut
from crmkit.frames import open_table
from crmkit.lessons.dates import Dates, dates
from crmkit.metrics.management.data import field_completeness
from crmkit.metrics.management.matching import match_customers
from crmkit.metrics.retention.repeat import repeat_rate
from crmkit.plots.base import BLUE, GREEN, GREY, INK, ORANGE, nothing
from crmkit.simulator.defects import Defects, spoil
from crmkit.texts import text
from crmkit.widgets.database_panel import database_panel
from crmkit.widgets.exercise import Exercise, Quiz, check, offer, quiz
from crmkit.widgets.explorer import Answer, Choice, Explorer, Number, Prediction
from crmkit.widgets.picture import show

__all__ = [
    "check",
    "database_panel",
    "folder",
    "moved",
    "quiz",
    "salon",
    "say_filled",
    "show",
    "start",
    "who_is_who",
]

# the list is untidy on purpose, and the lesson itself looks at what is left out
warnings.filterwarnings("ignore", category=RowsLeftOut)

UNTIDY = {"duplicate_share": 0.12, "width_share": 0.03, "name_variant_share": 0.03, "kanji_variant_share": 0.05,
          "phone_format_share": 0.05, "missing_share": 0.20}  # fmt: skip
HOME = ["phone", "email", "postal_code", "prefecture", "city"]
EVIDENCE: Mapping[str, tuple[str, ...]] = {
    "everything": ("name", "name_kana", "email", "phone", "birth_date", "postal_code", "prefecture", "city"),
    "no_birth_date": ("name", "name_kana", "email", "phone", "postal_code", "prefecture", "city"),
    "name_and_birth_date": ("name", "name_kana", "birth_date"),
    "contacts": ("email", "phone"),
}
LOWEST, HIGHEST, STEP, USUAL = 6, 60, 2, 26
THRESHOLDS = range(LOWEST, HIGHEST + 1, STEP)
SUREST, BIN = 86, 2  # where the picture of the weights ends; bars as wide as the threshold's steps, so that none is cut
KINDS = {True: ("one_person", BLUE, ""), False: ("two_people", ORANGE, "///"), None: ("not_known", GREY, "...")}
SURE = 28  # the threshold of the lesson: on this list nobody is merged with a stranger from there on
NEEDED = {"customers": ("customer_id", "email"), "orders": ("customer_id", "ordered_at")}


# --- the data


@cache
def salon() -> Crm:
    """The sample salon with an untidy list of customers, always alike; its truth says who is who.

    Some people share telephone, e-mail and address with somebody of their family, some have a namesake in town, and
    some stand in the list twice, written otherwise, with part of their visits booked on the second record.
    """
    clean = sample("salon")
    tables = {name: clean.arrow(name) for name in clean.tables}
    people = clean.customers.copy()
    for first, relative in _neighbours(people, 5, 24):
        people.loc[relative, HOME] = people.loc[first, HOME]
        for column in ("name", "name_kana"):
            family, given = people.loc[first, column].split(" ")[0], people.loc[relative, column].split(" ")[-1]
            people.loc[relative, column] = f"{family} {given}"
    for first, namesake in _neighbours(people, 12, 24):
        alike = ["name", "name_kana", "gender", "prefecture", "city", *(["postal_code"] if first % 48 == 12 else [])]
        people.loc[namesake, alike] = people.loc[first, alike]
        people.loc[namesake, "birth_date"] = pd.NaT
    whole = Crm({**tables, "customers": people}, zone=clean.zone, truth=clean.truth, facts=clean.facts)
    return spoil(whole, **(asdict(Defects.none()) | UNTIDY))


def _neighbours(people: pd.DataFrame, start: int, every: int) -> Iterable[tuple[int, int]]:
    return ((at, at + 1) for at in range(start, len(people) - 1, every))


def folder() -> Path:
    """A new folder for the lesson's database; it goes when the notebook is closed."""
    return Path(tempfile.mkdtemp(dir=_temporary().name))


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="crmkit-lesson-05-", ignore_cleanup_errors=True)


def start(crm: Any) -> Dates:
    """Begin the exercises on these data.

    Raises:
        AttributeError, MissingColumn: naming the table or column that the lesson needs and does not find.
    """
    for name, needed in NEEDED.items():
        open_table(getattr(crm, name), name, needs=needed, must=needed)
    when = dates(crm.orders)
    offer(*exercises(crm, when), Quiz("05.4", right="b"))
    return when


def moved(orders: pd.DataFrame, persons: pd.DataFrame) -> pd.DataFrame:
    """The orders as if all records of a person were one; nothing is changed in the database."""
    whose = persons.set_index("customer_id")["person_id"]
    owner = orders["customer_id"].map(whose)
    return orders.assign(customer_id=owner.where(owner.notna(), orders["customer_id"]))


def say_filled(table: pd.DataFrame) -> str:
    """What the picture of the filled columns shows, in a sentence."""
    worst = table.sort_values("value").iloc[0]
    return text("lesson05.filled", columns=len(table), column=worst["column"], share=f"{worst['value']:.1%}")


# --- who is the same person?


class Pair(NamedTuple):
    """Two records that share something: what speaks for one person, added up, and whether they are (if it is known)."""

    one: str
    other: str
    weight: float
    same: bool | None


@dataclass(frozen=True)
class Outcome:
    """What a threshold gives: records one too many, pairs that are one person by it, and the right ones among these."""

    extra: int
    pairs: int
    right: int


def outcome(pairs: Sequence[Pair], threshold: float, who: Mapping[str, str]) -> Outcome:
    """Link what weighs enough, and records that are linked by others too; count as `match_precision_recall` does."""
    group: dict[str, list[str]] = {}
    for pair in pairs:
        if pair.weight >= threshold:
            ours, theirs = (group.get(one, [one]) for one in (pair.one, pair.other))
            if ours is not theirs:
                group |= dict.fromkeys(joined := [*ours, *theirs], joined)
    groups = list({id(one): one for one in group.values()}.values())
    right = sum(_pairs(Counter(who[one] for one in found if one in who).values()) for found in groups)
    return Outcome(sum(len(one) - 1 for one in groups), _pairs(map(len, groups)), right)


def _pairs(sizes: Iterable[int]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes)


class Matching:
    """The records of a shop, and for each choice of evidence the pairs that were found: weighed once, then only cut."""

    def __init__(self, crm: Any) -> None:
        self.customers: pd.DataFrame = crm.customers
        ids = set(self.customers["customer_id"])
        truth = crm.truth.customers if crm.truth is not None else pd.DataFrame(columns=["customer_id", "person_id"])
        self.who = {
            one: person for one, person in zip(truth["customer_id"], truth["person_id"], strict=True) if one in ids
        }
        self.records = len(self.customers)
        self.doubles = len(self.who) - len(set(self.who.values())) if self.who else None
        self.true_pairs = _pairs(Counter(self.who.values()).values())
        self._found: dict[str, list[Pair]] = {}
        self._curves: dict[str, list[float]] = defaultdict(list)

    def pairs(self, evidence: str) -> list[Pair]:
        """All pairs that weigh something."""
        if evidence not in self._found:
            columns = ["customer_id", *(name for name in EVIDENCE[evidence] if name in self.customers)]
            table = match_customers(self.customers[columns], threshold=LOWEST, result="pairs")
            rows = zip(table["customer_id"], table["other_customer_id"], table["weight"], strict=True)
            self._found[evidence] = [Pair(one, other, weight, self._same(one, other)) for one, other, weight in rows]
        return self._found[evidence]

    def _same(self, one: str, other: str) -> bool | None:
        return self.who[one] == self.who[other] if one in self.who and other in self.who else None

    def share(self, extra: float) -> float:
        """In per cent of the records."""
        return 100 * extra / self.records if self.records else 0.0

    def curve(self, evidence: str) -> list[float]:
        """The records one too many by threshold, in per cent."""
        if evidence not in self._curves:
            found = self.pairs(evidence)
            self._curves[evidence] = [self.share(outcome(found, one, self.who).extra) for one in THRESHOLDS]
        return self._curves[evidence]


def who_is_who(crm: Any) -> Explorer:
    """Who is really the same person? Choose what is compared and from which weight on two records are one person."""
    matching = Matching(crm)

    def answer(evidence: str, threshold: float) -> Answer:
        try:
            found = outcome(matching.pairs(evidence), threshold, matching.who)
        except CrmkitError as error:  # the learner's own list may lack the columns
            return Answer(0.0, str(error), _draw_nothing)
        said = _said(matching, found, threshold)
        return Answer(matching.share(found.extra), said, partial(_draw, matching, evidence, threshold))

    def before(_: Any, axes: Any) -> str:
        filled = field_completeness(matching.customers)
        kept = filled[filled["column"].isin(EVIDENCE["everything"])].iloc[::-1]
        axes[0].barh(kept["column"], 100 * kept["value"], color=BLUE)
        axes[0].set_xlabel(text("lesson05.axis.filled"))
        axes[0].grid(axis="y", visible=False)
        axes[1].set_axis_off()
        axes[1].annotate(text("lesson05.here"), (0.5, 0.5), xycoords="axes fraction", ha="center", color=GREY)
        return text("lesson05.before", records=f"{matching.records:,}")

    return Explorer(
        texts="lesson05",
        prediction=Prediction(0, 100, 1, "%"),
        controls=[
            Choice("evidence", tuple((text(f"lesson05.evidence.{one}"), one) for one in EVIDENCE), "everything"),
            Number("threshold", LOWEST, HIGHEST, STEP, USUAL),
        ],
        answer=answer,
        before=before,
        panels={"ncols": 2, "width": 10, "height": 4},
    )


def _said(matching: Matching, found: Outcome, threshold: float) -> str:
    facts = {"extra": f"{found.extra:,}", "records": f"{matching.records:,}", "threshold": f"{threshold:g}"}
    first = text("lesson05.result", share=f"{matching.share(found.extra):.1f}%", **facts)
    if matching.doubles is None:
        return text("lesson05.both", first=first, second=text("lesson05.no_truth"))
    precision = f"{found.right / found.pairs:.0%}" if found.pairs else text("estimate.no_data")
    recall = f"{found.right / matching.true_pairs:.0%}" if matching.true_pairs else text("estimate.no_data")
    counts = {"pairs": found.pairs, "right": found.right, "true": matching.true_pairs}
    second = text("lesson05.quality", precision=precision, recall=recall, **counts)
    return text("lesson05.both", first=first, second=second)


def _draw_nothing(_: Any, axes: Any, __: float | None) -> None:
    for one in axes:
        nothing(one)


def _draw(matching: Matching, evidence: str, threshold: float, _: Any, axes: Any, predicted: float | None) -> None:
    found = matching.pairs(evidence)
    edges = range(LOWEST, SUREST, BIN)
    below = [0] * len(edges)
    for kind, (label, colour, hatch) in KINDS.items():
        weights = [min(pair.weight, SUREST - 1) for pair in found if pair.same is kind]
        counts = [sum(edge <= weight < edge + BIN for weight in weights) for edge in edges]
        at = [place for place, count in enumerate(counts) if count]
        if at:  # only bars that are there: people wait for the picture
            axes[0].bar(
                [edges[one] for one in at], [counts[one] for one in at], bottom=[below[one] for one in at], width=BIN,
                align="edge", color=colour, hatch=hatch, edgecolor="white", label=text(f"lesson05.{label}"),
            )  # fmt: skip
        below = [one + more for one, more in zip(below, counts, strict=True)]
    if not found:
        nothing(axes[0])
    axes[0].axvline(threshold, color=INK, linewidth=1.8)
    axes[0].set_xlim(LOWEST, SUREST)
    axes[0].set_xticks(range(20, SUREST, 20))
    axes[0].set_xlabel(text("lesson05.axis.weight"))
    axes[0].set_ylabel(text("lesson05.axis.pairs"))
    axes[1].plot(THRESHOLDS, matching.curve(evidence), color=BLUE, label=text("lesson05.by_threshold"))
    now = matching.share(outcome(found, threshold, matching.who).extra)
    axes[1].plot([threshold], [now], "o", color=INK, markersize=9, label=text("lesson05.now"))
    if matching.doubles is not None:
        axes[1].axhline(matching.share(matching.doubles), color=GREEN, linestyle="-.", label=text("lesson05.really"))
    if predicted is not None:
        axes[1].axhline(predicted, color="black", linestyle=":", label=text("lesson05.predicted"))
    highest = max(1.0, *matching.curve(evidence), matching.share(matching.doubles or 0), predicted or 0)
    axes[1].set_ylim(0, 1.45 * highest)
    axes[1].set_xticks(range(20, HIGHEST + 1, 20))
    axes[1].locator_params(axis="y", nbins=5)
    axes[1].set_xlabel(text("lesson05.axis.threshold"))
    axes[1].set_ylabel(text("lesson05.axis.share"))
    for one in axes:
        if one.get_legend_handles_labels()[0]:
            one.legend(loc="upper right", fontsize="small")


# --- exercises


def exercises(crm: Any, when: Dates) -> tuple[Exercise, ...]:
    """The lesson's exercises on these data, with what the usual mistakes would give."""
    customers, orders = crm.customers, crm.orders

    @cache
    def persons() -> pd.DataFrame:
        found: pd.DataFrame = match_customers(customers, threshold=SURE)
        return found

    def without_doubles() -> pd.DataFrame:
        doubles = persons().query("customer_id != person_id")["customer_id"]
        kept: pd.DataFrame = orders[~orders["customer_id"].isin(doubles)]
        return kept

    return (
        Exercise(
            "05.1",
            lambda: _has_email(_active(customers, orders, when)),
            {
                "everyone": lambda: _has_email(customers),
                "agreed": lambda: _agreed(_active(customers, orders, when)),
                "per_order": lambda: _has_email(_by_order(customers, orders, when)),
            },
        ),
        Exercise(
            "05.2",
            lambda: float(persons()["person_id"].nunique()),
            {
                "before": lambda: float(len(customers)),
                "alone": lambda: float((persons()["records"] == 1).sum()),
                "doubles": lambda: float(len(customers) - persons()["person_id"].nunique()),
                "names": lambda: float(customers.get("name", customers["customer_id"]).nunique()),
            },
            tolerance=0.5,
        ),
        Exercise(
            "05.3",
            lambda: float(repeat_rate(moved(orders, persons()), **when.half_year)),
            {
                "before": lambda: float(repeat_rate(orders, **when.half_year)),
                "thrown_away": lambda: float(repeat_rate(without_doubles(), **when.half_year)),
                "month": lambda: float(repeat_rate(moved(orders, persons()), **when.month)),
                "all_time": lambda: float(repeat_rate(moved(orders, persons()))),
            },
        ),
    )  # fmt: skip


def _recent(orders: pd.DataFrame, when: Dates) -> pd.DataFrame:
    at, window = orders["ordered_at"], when.half_year
    found: pd.DataFrame = orders[(at >= window["start"]) & (at < window["end"])]
    return found


def _active(customers: pd.DataFrame, orders: pd.DataFrame, when: Dates) -> pd.DataFrame:
    return customers[customers["customer_id"].isin(_recent(orders, when)["customer_id"])]


def _by_order(customers: pd.DataFrame, orders: pd.DataFrame, when: Dates) -> pd.DataFrame:
    return _recent(orders, when)[["customer_id"]].merge(customers, on="customer_id")


def _has_email(customers: pd.DataFrame) -> float:
    table = field_completeness(customers)
    return float(table.loc[table["column"] == "email", "value"].squeeze())


def _agreed(customers: pd.DataFrame) -> float:
    if "email_opt_in" not in customers:
        return float("nan")
    return float((customers["email"].notna() & customers["email_opt_in"].fillna(False).astype(bool)).mean())
