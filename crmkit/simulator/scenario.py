"""A business as a file: who comes, what is sold, when it is open and what the owner has decided; no code in it."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args, get_type_hints

from crmkit.errors import ParameterError, UnreadableFile
from crmkit.simulator.levers import Levers

Shares = Mapping[str, float]

# what a business can be held against by its own tables, and in which unit; `headlines` counts them
FIGURES = {
    "second_order": "share", "orders_a_year": "count", "average_order": "JPY", "gross_margin": "share",
    "cancelled": "share", "defects": "share", "complaints": "per_1000", "tickets": "per_100", "first_reply": "hours",
    "csat": "share", "nps": "points", "responses": "share", "reviews": "score", "opens": "share",
    "unsubscribes": "share", "members": "share", "referred": "share", "acquisition_cost": "JPY",
    "monthly_churn": "share",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Story:
    """What the business is, in both languages; against what its figures were held; whose sentences it speaks."""

    title_ja: str
    title_en: str
    text_ja: str
    text_en: str
    calibrated: str
    voice: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """When things happen: `weekdays` and `hours` are relative (0 = closed), `months` and `holidays` factors."""

    start: date  # a Monday
    zone: str
    opens: int  # hour of the day
    weekdays: tuple[float, ...]
    hours: tuple[float, ...]  # from the opening hour on
    months: tuple[float, ...]
    holidays: float
    closed_days: tuple[str, ...]  # "12-31"


@dataclass(frozen=True, slots=True)
class People:
    """Who the customers are and how they come."""

    locale: str
    regions: tuple[str, ...]
    female_share: float
    ages: Shares
    regulars_share: float  # were there already when the data begin
    browsers_share: float  # registered, never bought
    acquisition: Shares
    source_system: Shares
    order_channel: Shares
    contact_channel: Shares


@dataclass(frozen=True, slots=True)
class Buying:
    """How they buy and leave. Shapes of distributions are given in halves, so 3 is a shape of 1.5.

    Orders follow a rate per week that differs between customers by a gamma distribution; after each repeat order a
    customer leaves with a probability that differs by a beta distribution: with a neutral satisfaction of 0.5, no
    season and no weekly leaving this is exactly the BG/NBD model.
    """

    orders_per_week: float
    rate_halves: int
    regularity: float  # 0 = at any time, 1 = only when the usual gap is over
    most_per_week: int
    once_only_share: float
    leave_after_order: tuple[int, int]  # beta shapes in halves; (0, 0) = never
    leaving_per_week: float
    variety: float  # share of orders that are not the usual product
    extra_share: float  # a second line
    cancelled_share: float
    spend_within: int  # gamma shape in halves of amounts within a customer; 0 = list prices
    spend_between: int
    subscriber_share: float
    interval_weeks: int


@dataclass(frozen=True, slots=True)
class Feeling:
    """What satisfaction starts from and how strongly things move it and are moved by it."""

    satisfaction: tuple[float, float]
    experience: float
    defect: float
    wait: float  # per opening hour
    solved: float
    unsolved: float


@dataclass(frozen=True, slots=True)
class Contact:
    """What customers and the shop say to each other."""

    questions_per_order: float
    campaign_lift: float
    newsletter_lift: float
    opt_in_share: float
    referrals_per_week: float
    survey_share: float
    reviews_per_order: float
    leads_per_customer: float
    delivery_days: float  # from the order until the customer has it
    staff: int


@dataclass(frozen=True, slots=True)
class Money:
    """What things cost, in yen."""

    acquisition: Mapping[str, float]  # per new customer, by channel
    message: float
    ticket: float
    inspection: float
    follow_up: float
    tools_per_week: float


@dataclass(frozen=True, slots=True)
class Product:
    """One thing on the price list; `share` is how often it is somebody's usual choice."""

    name_ja: str
    name_en: str
    category: str
    tier: int
    price: int
    cost: int
    share: float
    extra: float  # how often it is the second line
    subscribable: bool


@dataclass(frozen=True, slots=True)
class Scenario:
    """A business: everything that is not a lever and not chance."""

    name: str
    story: Story
    calendar: Calendar
    people: People
    buying: Buying
    feeling: Feeling
    contact: Contact
    money: Money
    products: tuple[Product, ...]
    levers: Levers
    expected: Mapping[str, tuple[float, float]]  # where each of FIGURES lies in such a business, lowest and highest


def scenarios() -> list[str]:
    """The names of the businesses that come along."""
    return sorted(Path(item.name).stem for item in _folder().iterdir() if item.name.endswith(".toml"))


def scenario(name: str) -> Scenario:
    """A business by name, or from a file of your own.

    Args:
        name: One of `scenarios()`, or the path of a TOML file (its name must end in `.toml`).

    Raises:
        ParameterError: there is no business of that name (the nearest is offered), or its file says something that
            makes no sense (table and key are named).
        UnreadableFile: the file is not there or is no TOML.
    """
    if not str(name).endswith(".toml"):
        if name not in scenarios():
            near = next(iter(difflib.get_close_matches(str(name), scenarios(), n=1)), "")
            raise ParameterError("unknown_scenario", scenario=name, nearest=near, options=", ".join(scenarios()))
        return _shipped(str(name))
    path = Path(name)
    try:
        return read(path.stem, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFile("scenario", file=path, detail=error) from None


@cache
def _shipped(name: str) -> Scenario:
    return read(name, (_folder() / f"{name}.toml").read_text(encoding="utf-8"))


def _folder() -> Any:
    return files("crmkit") / "scenarios"


def read(name: str, toml: str) -> Scenario:
    """Understand the text of a scenario file."""
    try:
        found = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise UnreadableFile("scenario", file=f"{name}.toml", detail=error) from None
    hints = get_type_hints(Scenario)
    apart = ("name", "products", "levers", "expected")
    sections = {one.name: hints[one.name] for one in fields(Scenario) if one.name not in apart}
    found = {"expected": {}, **found}  # who does not know yet what to expect says nothing
    _names(name, "", found, {*sections, "products", "levers", "expected"})
    rows = found["products"]
    if not isinstance(rows, list) or not rows:
        raise _wrong(name, "products", "", rows)
    made = Scenario(
        name=name,
        **{key: _section(name, key, kind, found[key]) for key, kind in sections.items()},
        products=tuple(_section(name, f"products {n}", Product, row) for n, row in enumerate(rows, start=1)),
        levers=Levers().changed(found["levers"]),
        expected=_expected(name, found["expected"]),
    )
    _check(made)
    return made


def _section(scenario: str, section: str, kind: type[Any], found: Any) -> Any:
    """One table of the file as its dataclass; every key must be there and nothing else."""
    if not isinstance(found, dict):
        raise _wrong(scenario, section, "", found)
    hints = get_type_hints(kind)
    _names(scenario, section, found, hints)
    return kind(**{key: _value(scenario, section, key, hint, found[key]) for key, hint in hints.items()})


def _expected(scenario: str, found: Any) -> dict[str, tuple[float, float]]:
    """Where the headline figures should lie: any of FIGURES, each with its lowest and highest value."""
    if not isinstance(found, dict):
        raise _wrong(scenario, "expected", "", found)
    _names(scenario, "expected", found, FIGURES, all_of_them=False)
    for key, ends in found.items():
        numbers = isinstance(ends, list) and [type(one) in (int, float) and math.isfinite(one) for one in ends]
        if numbers != [True, True] or ends[0] > ends[1]:
            raise _wrong(scenario, "expected", key, ends)
    return {key: (float(low), float(high)) for key, (low, high) in found.items()}


def _names(
    scenario: str, section: str, found: Iterable[str], wanted: Iterable[str], *, all_of_them: bool = True
) -> None:
    for key in wanted:
        if all_of_them and key not in found:
            raise ParameterError("scenario_missing", file=f"{scenario}.toml", section=section or "-", key=key)
    for key in found:
        if key not in wanted:
            near = next(iter(difflib.get_close_matches(key, list(wanted), n=1)), "-")
            raise ParameterError(
                "scenario_unknown", file=f"{scenario}.toml", section=section or "-", key=key, nearest=near
            )


def _value(scenario: str, section: str, key: str, hint: Any, found: Any) -> Any:
    good = not isinstance(found, bool)
    if hint is bool:
        good = isinstance(found, bool)
    elif hint is float or hint is int:
        good = good and isinstance(found, int | float) and math.isfinite(found) and found >= 0
        good = good and (hint is float or found == int(found))
    elif hint is str or hint is date:
        good = type(found) is hint
    elif isinstance(found, list):
        kinds: Any = str if get_args(hint)[0] is str else int | float
        good = all(isinstance(one, kinds) and not isinstance(one, bool) for one in found)
        found = tuple(found)
    elif isinstance(found, dict):
        good = bool(found) and all(isinstance(one, int | float) and one >= 0 for one in found.values())
    else:
        good = False
    if not good:
        raise _wrong(scenario, section, key, found)
    return hint(found) if hint in (float, int) else found


_SHARES = ("ages", "acquisition", "source_system", "order_channel", "contact_channel")


def _check(made: Scenario) -> None:
    """What a type cannot say."""
    calendar, buying, feeling = made.calendar, made.buying, made.feeling
    tests = {
        ("calendar", "start"): calendar.start.weekday() == 0,
        ("calendar", "weekdays"): len(calendar.weekdays) == 7 and sum(calendar.weekdays) > 0,
        ("calendar", "months"): len(calendar.months) == 12 and min(calendar.months) >= 0,
        ("calendar", "hours"): 0 < len(calendar.hours) <= 24 - calendar.opens and sum(calendar.hours) > 0,
        **{("people", key): sum(getattr(made.people, key).values()) > 0 for key in _SHARES},
        ("buying", "rate_halves"): buying.rate_halves > 0,
        ("buying", "most_per_week"): 0 < buying.most_per_week <= 31,
        ("buying", "interval_weeks"): buying.interval_weeks > 0,
        ("buying", "leave_after_order"): len(buying.leave_after_order) == 2,
        ("feeling", "satisfaction"): 0 <= feeling.satisfaction[0] <= feeling.satisfaction[-1] <= 1,
        ("contact", "staff"): made.contact.staff > 0,
        ("money", "acquisition"): set(made.people.acquisition) <= set(made.money.acquisition),
        ("products", "share"): sum(one.share for one in made.products) > 0,
        ("products", "subscribable"): not buying.subscriber_share
        or sum(one.share * one.subscribable for one in made.products) > 0,
    }
    for (section, key), good in tests.items():
        if not good:
            found = getattr(getattr(made, section), key) if section != "products" else 0
            raise _wrong(made.name, section, key, found)


def _wrong(scenario: str, section: str, key: str, found: object) -> ParameterError:
    return ParameterError("scenario_value", file=f"{scenario}.toml", section=section, key=key or "-", found=repr(found))
