"""The headline figures of a shop, counted from its own tables, beside where they lie in such a business.

The truth is not looked at: everything here could be counted in a real shop.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from crmkit.datasets.crm import Crm
from crmkit.estimate import Estimate
from crmkit.intervals import LEVEL, wilson
from crmkit.metrics.retention.repeat import churn_rate, repurchase_rate
from crmkit.simulator.scenario import FIGURES, Scenario, scenario, scenarios
from crmkit.texts import text

WARM_UP = pd.Timedelta(weeks=8)  # whoever is first seen in these weeks may have been a customer before
YEAR = pd.Timedelta(weeks=52)
HORIZON_DAYS = 90
Z = NormalDist().inv_cdf((1 + LEVEL) / 2)


def headlines(crm: Crm, against: str | Scenario | None = None) -> pd.DataFrame:
    """The figures by which a shop is known, with their intervals and where they lie in such a business.

    Args:
        crm: A shop with all its tables, as `simulate` makes it; the truth is never looked at.
        against: The scenario that says what to expect, or its name or file; without it the one the shop was made from,
            if it comes along.

    Returns:
        One row for each figure: `figure`, `label` (in the language in use), `value`, `low`, `high` (95 %, customers
        taken as drawn at random; NaN where there is none), `n` (what the figure is about: orders, customers, answers…),
        `unit` ("share", "JPY", "hours", "count", "score", "points", "per_100", "per_1000"), `expected_low` and
        `expected_high` (NaN where nothing is expected). Where a shop has no data, the value is NaN and n is 0.

    Raises:
        ParameterError, UnreadableFile: there is no such scenario, or its file makes no sense.

    Examples:
        >>> from crmkit.simulator.world import simulate
        >>> figures = headlines(simulate("salon", customers=500)).set_index("figure")
        >>> bool(0.3 < figures.loc["second_order", "value"] < 0.7)
        True
    """
    name = crm.facts.get("scenario")
    if against is None and name in scenarios():
        against = name
    made = scenario(against) if isinstance(against, str) else against
    books = _Books(crm)
    rows = []
    for figure, unit in FIGURES.items():
        counted = _COUNTED[figure](books)
        low, high = made.expected.get(figure, (math.nan, math.nan)) if made else (math.nan, math.nan)
        rows.append({
            "figure": figure, "label": text(f"headline.{figure}"), **counted._asdict(), "unit": unit,
            "expected_low": low, "expected_high": high,
        })  # fmt: skip
    return pd.DataFrame(rows)


class Counted(NamedTuple):
    """A figure with its interval, and of how many things it was counted."""

    value: float
    low: float
    high: float
    n: int


NO_DATA = Counted(math.nan, math.nan, math.nan, 0)


@dataclass(frozen=True)
class _Books:
    """The tables that are counted, each without the rows that do not count."""

    crm: Crm

    @cached_property
    def begin(self) -> pd.Timestamp:
        """The day on which the data begin."""
        start = self.crm.facts.get("start")
        return pd.Timestamp(start) if start else self.taken["ordered_at"].min().normalize()

    @cached_property
    def end(self) -> pd.Timestamp:
        """Up to when they were collected, not included."""
        if "weeks" in self.crm.facts:
            return self.begin + pd.Timedelta(weeks=int(self.crm.facts["weeks"]))
        return self.taken["ordered_at"].max().normalize() + pd.Timedelta(days=1)

    @cached_property
    def taken(self) -> pd.DataFrame:
        """All orders, also the cancelled ones."""
        return self.crm.orders[~self.crm.orders["is_test"]]

    @cached_property
    def orders(self) -> pd.DataFrame:
        """The completed orders."""
        return self.taken[self.taken["status"] == "completed"]

    @cached_property
    def items(self) -> pd.DataFrame:
        """Their lines, with the customer."""
        return self.crm.order_items.merge(self.orders[["order_id", "customer_id"]], on="order_id")

    @cached_property
    def newcomers(self) -> pd.Series:
        """When the customers first ordered who were not there when the data began; the index is their id."""
        customers = self.crm.customers
        if "registered_at" not in customers:
            customers = customers.assign(registered_at=pd.NaT)
        known = customers.set_index("customer_id")["registered_at"]
        first = self.orders.groupby("customer_id")["ordered_at"].min()
        return first[(first >= self.begin + WARM_UP) & ~(known.reindex(first.index) < self.begin)]

    @cached_property
    def tickets(self) -> pd.DataFrame:
        """Tickets; one that says what another one says has been merged with it and is not counted."""
        return self.crm.tickets[self.crm.tickets["status"] != "merged"]

    @cached_property
    def answers(self) -> pd.DataFrame:
        """Survey invitations that were answered."""
        surveys = self.crm.survey_responses
        return surveys[surveys["responded_at"].notna() & surveys["score"].notna()]

    @cached_property
    def mails(self) -> pd.DataFrame:
        """Mails that arrived."""
        return self.crm.campaign_sends[self.crm.campaign_sends["delivered_at"].notna()]


# --- what is sold


def _second_order(books: _Books) -> Counted:
    if not len(books.orders):
        return NO_DATA
    start, end = books.begin + WARM_UP, books.end
    return _estimated(repurchase_rate(books.orders, horizon_days=HORIZON_DAYS, start=start, as_of=end))


def _orders_a_year(books: _Books) -> Counted:
    if books.end - books.begin < YEAR:
        return NO_DATA
    orders = books.orders[books.orders["ordered_at"] >= books.end - YEAR]["customer_id"]
    return _ratio(orders, np.ones(len(orders)), (~orders.duplicated()).to_numpy())


def _average_order(books: _Books) -> Counted:
    return _mean(books.orders["customer_id"], books.orders["net_amount"])


def _gross_margin(books: _Books) -> Counted:
    items = books.items
    net = items["unit_price"] * items["quantity"] - items["discount_amount"]
    return _share(_ratio(items["customer_id"], net - items["unit_cost"] * items["quantity"], net))


def _cancelled(books: _Books) -> Counted:
    return _share(_mean(books.taken["customer_id"], books.taken["status"] == "cancelled"))


def _defects(books: _Books) -> Counted:
    spoilt = books.items.groupby(["order_id", "customer_id"], as_index=False)["is_defective"].max()
    return _share(_mean(spoilt["customer_id"], spoilt["is_defective"]))


# --- service


def _tickets(books: _Books) -> Counted:
    return _per_order(books, books.tickets, 100)


def _complaints(books: _Books) -> Counted:
    return _per_order(books, books.tickets[books.tickets["kind"] == "complaint"], 1000)


def _per_order(books: _Books, tickets: pd.DataFrame, orders: int) -> Counted:
    """So many tickets to so many completed orders."""
    if not len(books.tickets):
        return NO_DATA  # nobody keeps tickets here: that is not the same as no complaints
    who = pd.concat([tickets["customer_id"], books.orders["customer_id"]], ignore_index=True)
    is_ticket = np.arange(len(who)) < len(tickets)
    return _times(orders, _ratio(who, is_ticket, ~is_ticket))


def _first_reply(books: _Books) -> Counted:
    """Median; a ticket that nobody has answered waits longer than any other."""
    if not len(books.tickets):
        return NO_DATA
    events = books.crm.ticket_events
    replies = events[(events["kind"] == "comment") & (events["actor_type"] == "agent") & events["is_public"]]
    first = books.tickets["ticket_id"].map(replies.groupby("ticket_id")["occurred_at"].min())
    waited = ((first - books.tickets["created_at"]).dt.total_seconds() / 3600).fillna(math.inf)
    ranked, n = np.sort(waited.to_numpy()), len(waited)
    half = Z * math.sqrt(n) / 2  # of ranks: the median of a sample lies so far from the true one
    ends = (int(np.clip(round(n / 2 + side * half), 0, n - 1)) for side in (-1, 1))
    low, high = (float(ranked[end]) for end in ends)
    return Counted(float(np.median(ranked)), low, high, n)


# --- opinions


def _csat(books: _Books) -> Counted:
    answers = books.answers[books.answers["kind"] == "csat"]
    return _share(_mean(answers["customer_id"], answers["score"] >= answers["scale_max"] - 1))


def _nps(books: _Books) -> Counted:
    answers = books.answers[books.answers["kind"] == "nps"]
    score = answers["score"]
    return _times(100, _mean(answers["customer_id"], 1.0 * (score >= 9) - 1.0 * (score <= 6)))


def _responses(books: _Books) -> Counted:
    surveys = books.crm.survey_responses
    return _share(_mean(surveys["customer_id"], surveys["responded_at"].notna()))


def _reviews(books: _Books) -> Counted:
    feedback = books.crm.feedback
    reviews = feedback[(feedback["source"] == "review") & feedback["rating"].notna()]
    return _mean(reviews["customer_id"], reviews["rating"].astype("float64"))


# --- marketing


def _opens(books: _Books) -> Counted:
    # what a program opens by itself says nothing about its owner: it counts neither as read nor as not read
    mails = books.mails[~books.mails["is_machine_open"].fillna(False).astype(bool)]
    return _share(_mean(mails["customer_id"], mails["opened_at"].notna()))


def _unsubscribes(books: _Books) -> Counted:
    return _share(_mean(books.mails["customer_id"], books.mails["unsubscribed_at"].notna()))


def _members(books: _Books) -> Counted:
    customers = books.crm.customers
    buyers = customers[customers["customer_id"].isin(books.orders["customer_id"].unique())]
    if not buyers["member_since"].notna().any():
        return NO_DATA  # there is no programme
    return _share(_mean(buyers["customer_id"], buyers["member_since"].notna()))


def _referred(books: _Books) -> Counted:
    if not len(books.crm.referrals):
        return NO_DATA  # nobody keeps a record of who brought whom
    customers = books.crm.customers
    new = customers[customers["customer_id"].isin(books.newcomers.index)]
    return _share(_mean(new["customer_id"], new["acquisition_channel"] == "referral"))


def _acquisition_cost(books: _Books) -> Counted:
    costs = books.crm.costs
    spent = costs[(costs["purpose"] == "acquisition") & (costs["incurred_date"] >= books.begin + WARM_UP)]["amount"]
    n = len(books.newcomers)
    return Counted(spent.sum() / n, math.nan, math.nan, n) if n and len(spent) else NO_DATA


def _monthly_churn(books: _Books) -> Counted:
    """Of the contracts there at the start of a month, those given up or lost in it; all whole months together."""
    contracts = books.crm.subscriptions
    # the notice counts: that the box is paid for until the end of the month makes nobody stay
    contracts = contracts.assign(ended_at=contracts["cancelled_at"].fillna(contracts["ended_at"]))
    starts = pd.date_range(books.begin + WARM_UP, books.end, freq="MS")
    if not len(contracts) or len(starts) < 2:
        return NO_DATA
    months = [churn_rate(contracts, start=a, end=b) for a, b in pairwise(starts)]
    gone, there = (sum(int(getattr(one, side)) for one in months) for side in ("numerator", "denominator"))
    return _share_of(gone, there) if there else NO_DATA


_COUNTED: dict[str, Callable[[_Books], Counted]] = {
    "second_order": _second_order, "orders_a_year": _orders_a_year, "average_order": _average_order,
    "gross_margin": _gross_margin, "cancelled": _cancelled, "defects": _defects, "complaints": _complaints,
    "tickets": _tickets, "first_reply": _first_reply, "csat": _csat, "nps": _nps, "responses": _responses,
    "reviews": _reviews, "opens": _opens, "unsubscribes": _unsubscribes, "members": _members, "referred": _referred,
    "acquisition_cost": _acquisition_cost, "monthly_churn": _monthly_churn,
}  # fmt: skip


# --- the arithmetic


def _share_of(above: int, below: int) -> Counted:
    low, high = wilson(above, below)
    return Counted(above / below, float(low), float(high), below)


def _mean(who: pd.Series, values: Any) -> Counted:
    """Mean of rows; the rows of a customer are no independent witnesses."""
    return _ratio(who, values, np.ones(len(who)))


def _ratio(who: pd.Series, above: Any, below: Any) -> Counted:
    """One sum over another, with an interval as if the customers were drawn anew; n is the sum below the line.

    Rows of nobody known each stand for somebody.
    """
    places, _ = pd.factorize(who)
    nobody = places < 0
    places[nobody] = places.max(initial=-1) + 1 + np.arange(nobody.sum())
    sums = [np.bincount(places, weights=np.asarray(side, dtype=np.float64)) for side in (above, below)]
    total = sums[1].sum()
    if not len(places) or not total:
        return NO_DATA
    value = sums[0].sum() / total
    k = len(sums[0])
    # how far each customer's own sums lie off the common ratio (the delta method)
    error = math.sqrt(k / (k - 1) * ((sums[0] - value * sums[1]) ** 2).sum()) / total if k > 1 else math.nan
    return Counted(value, value - Z * error, value + Z * error, round(total))


def _share(counted: Counted) -> Counted:
    """The same as a share: Wilson's interval for so many independent rows as would give the same error."""
    value, error, n = counted.value, (counted.high - counted.low) / 2 / Z, float(counted.n)
    if not n or math.isnan(error):
        return counted
    if error > 0:
        n = value * (1 - value) / error**2
    low, high = map(float, wilson(value * n, n))
    return Counted(value, low, high, counted.n)


def _times(factor: float, counted: Counted) -> Counted:
    return Counted(factor * counted.value, factor * counted.low, factor * counted.high, counted.n)


def _estimated(estimate: Estimate) -> Counted:
    return Counted(estimate.value, estimate.low, estimate.high, estimate.n)
