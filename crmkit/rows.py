"""Tables opened for a metric: which rows count and why the others do not, and the units that are made of them.

One row per customer (or ticket, or answer) is made in the engine, and nothing but sums leaves it. An order counts when
it is completed, no test, not refunded in full and not negative; of these rules the ones whose columns the table has are
applied. What does not count is counted.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import narwhals.stable.v2 as nw

from crmkit import frames, schema
from crmkit.errors import CrmkitWarning, RowsLeftOut
from crmkit.frames import Columns, Frame

AT = nw.col("at")
KEPT = ("customer_id", "at", "group", "ended_at", "is_involuntary")
# reasons that are a fault of the data, not a rule of the metric
DEFECTS = (
    "no_customer", "no_date", "impossible_dates", "unknown_status", "same_key", "infinite", "off_scale", "out_of_order",
    "amount_missing", "impossible_age", "unknown_feedback_status", "unknown_direction",
    "no_cost", "cost_amount_missing", "no_purpose", "no_kind", "score_missing", "no_scope", "no_driver",
    "no_price", "no_points", "no_quantity", "unknown_order",
)  # fmt: skip

Moments = Mapping[str, tuple[nw.Expr, Literal["min", "max"]]]
"""What to keep of each customer: an expression per row, and whether its least or its greatest value is wanted."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Customers counted by condition, the rows left out by reason, and the warnings given about them."""

    counts: Mapping[str, int]
    excluded: Mapping[str, int]
    notes: tuple[CrmkitWarning, ...]

    def __getitem__(self, name: str) -> int:
        return self.counts[name]

    @property
    def about_rows(self) -> dict[str, Any]:
        """`excluded` and `notes`, as an `Estimate` takes them."""
        return {"excluded": self.excluded, "notes": self.notes}


@dataclass(frozen=True, slots=True)
class Rows:
    """An opened table, whether each row `counts`, and what the reasons against it look at; `again`: keys met before."""

    frame: Frame
    reasons: Mapping[str, nw.Expr]
    again: Frame | None = None
    table: str = "orders"

    def rows(self, within: nw.Expr | None = None) -> Frame:
        """The rows that count and lie `within`."""
        kept = self.frame.filter(nw.col("counts") if within is None else nw.col("counts") & within)
        return kept.drop("counts")

    def units(self, within: nw.Expr | None = None) -> Units:
        """`rows(within)`, each a unit of its own."""
        return Units(self, self.rows(within))

    def refused(self) -> nw.Expr:
        """Whether a row does not count."""
        return ~nw.col("counts")

    def left_out(self) -> Frame:
        """One row: how many rows do not count, by reason; a row with two reasons counts under the first."""
        if not self.reasons:
            return self.frame.select(_rows=nw.len())  # one row, of which nobody asks
        flags = self.frame.filter(self.refused()).select(**self.reasons)
        apart, before = {}, nw.lit(False)
        for name in self.reasons:
            apart[name] = (nw.col(name) & ~before).cast(nw.Int64).sum()
            before = before | nw.col(name)
        return flags.select(**apart)

    def tell(self, found: dict[str, Any]) -> tuple[dict[str, int], tuple[CrmkitWarning, ...]]:
        """The counts of `left_out`, taken out of a fetched row, and the warnings given of the faults among them."""
        found.pop("_rows", None)
        excluded = {name: int(found.pop(name) or 0) for name in self.reasons}
        if self.again is not None:
            excluded["same_key"] = int(frames.row(self.again)["again"] or 0)
        excluded = {name: n for name, n in excluded.items() if n}
        faults = [name for name in excluded if name in DEFECTS]
        seen = frames.row(self.frame.select(rows=nw.len()))["rows"] + excluded.get("same_key", 0) if faults else 0
        notes = tuple(RowsLeftOut(why, rows=f"{excluded[why]:,}", seen=f"{seen:,}", table=self.table) for why in faults)
        for note in notes:
            warn(note)
        return excluded, notes


@dataclass(frozen=True, slots=True)
class History(Rows):
    """Orders or contracts: rows with `customer_id` and `at`; `kept` is what is looked at, of that what there is."""

    kept: tuple[str, ...] = KEPT

    def rows(self, within: nw.Expr | None = None) -> Frame:
        """The rows of known customers that count and lie `within`."""
        names = [name for name in self.frame.collect_schema() if name in self.kept]
        counts = ~self.refused() if within is None else ~self.refused() & within
        return self.frame.select(*names, counts=counts).filter(nw.col("counts")).select(*names)

    def refused(self) -> nw.Expr:
        """Whether a row does not count, or is of nobody known."""
        return ~nw.col("counts") | nw.col("customer_id").is_null()

    def per_customer(self, moments: Moments, *, within: nw.Expr | None = None) -> Units:
        """Reduce `rows(within)` to one row per customer; the one of the moment `first` decides the group."""
        rows = self.rows(within)
        masked = {name: value for name, (value, _) in moments.items() if value is not AT}  # AT itself needs no copy
        rows = rows.with_columns(**masked) if masked else rows
        kept = {name: nw.col(name) if name in masked else AT for name in moments}
        customers = rows.group_by("customer_id").agg(
            **{name: kept[name].min() if how == "min" else kept[name].max() for name, (_, how) in moments.items()}
        )
        if "group" not in self.frame.collect_schema():
            return Units(self, customers)
        # A customer belongs to the group of the first row that counts; of several at that instant, to the least.
        homes = frames.least(rows.select("customer_id", "group", "at"), "customer_id", "at")
        homes = homes.group_by("customer_id").agg(nw.col("group").min())
        return Units(self, customers.join(homes, on="customer_id", how="inner"))


@dataclass(frozen=True, slots=True)
class Units:
    """One row per thing that is counted (a customer, a ticket, an answer), made of `source` in one pass."""

    source: Rows
    frame: Frame

    def tally(self, **conditions: nw.Expr) -> Tally:
        """Count the units that meet each condition, and the rows left out: one fetch."""
        got = frames.row(
            self.frame.select(**{name: _number(met).sum() for name, met in conditions.items()}), self.source.left_out()
        )
        excluded, notes = self.source.tell(got)
        return Tally({name: int(n or 0) for name, n in got.items()}, excluded, notes)

    def sums(self, **wanted: nw.Expr) -> Part:
        """What `summarise` adds up of these units; a condition counts as 1 or 0, "none" as 0."""
        return Part(self, wanted)


@dataclass(frozen=True, slots=True)
class Part:
    """Named sums over units of one table."""

    units: Units
    wanted: Mapping[str, nw.Expr]

    def whole(self) -> tuple[dict[str, float], dict[str, int], tuple[CrmkitWarning, ...]]:
        """The sums over all units, the rows left out by reason, and the warnings given."""
        # a column first: a constant cannot be added up
        rows = self.units.frame.with_columns(**{name: _number(value) for name, value in self.wanted.items()})
        got = frames.row(rows.select(nw.col(*self.wanted).sum()), self.units.source.left_out())
        excluded, notes = self.units.source.tell(got)
        return {name: float(n or 0) for name, n in got.items()}, excluded, notes

    def grouped(self, names: Sequence[str]) -> nw.DataFrame[Any]:
        """The sums per `group`, fetched, with `lost` rows; sums of other parts are 0."""
        wanted = {name: _number(self.wanted[name]) if name in self.wanted else nw.lit(0.0) for name in names}
        found = self.units.frame.with_columns(**wanted).group_by("group").agg(nw.col(*names).sum())
        lost = self.units.source.frame.select("group", lost=_number(self.units.source.refused()))
        lost = lost.group_by("group").agg(nw.col("lost").sum())
        zero = {name: nw.lit(0.0) for name in (*names, "lost")}
        parts = (found.with_columns(lost=zero["lost"]), lost.with_columns(**{name: zero[name] for name in names}))
        order = ["group", *names, "lost"]
        stacked = nw.concat([frames.fetch(part).select(*order) for part in parts], how="vertical")
        return stacked.group_by("group").agg(nw.col(*names, "lost").sum())


def open_rows(
    native: Any,
    table: str,
    *,
    needs: Sequence[str],
    must: Sequence[str] = (),
    rules: Mapping[str, nw.Expr] | None = None,
    key: str | None = None,
    by: str | None = None,
    columns: Columns = None,
) -> Rows:
    """Open any table of the model: the needed columns under the model's names, and `group` if `by` is given.

    Args:
        native, needs, must, columns: As for `frames.open_table`.
        table: Its name in the model.
        rules: What makes a row not count, by the reason's name; "none" breaks no rule. DEFECTS are warned about.
        key: The column whose value no two rows share; a row whose key was met before is left out, and counted.
        by: Own column to group by.
    """
    frame = frames.open_table(native, table, needs=needs, must=must, columns=columns, extra=by)
    again = None
    if key is not None and key in frame.collect_schema():
        frame, again = once(frame, key)
    reasons = {name: breaks.fill_null(False) for name, breaks in (rules or {}).items()}
    broken = nw.any_horizontal(*reasons.values(), ignore_nulls=False) if reasons else nw.lit(False)
    return Rows(frame.with_columns(counts=~broken), reasons, again, table)


def once(frame: Frame, *key: str) -> tuple[Frame, Frame]:
    """The rows whose key was not met before, and one row that counts the others; an empty key is like no other."""
    nameless = nw.any_horizontal(*(nw.col(name).is_null() for name in key), ignore_nulls=False)
    known = frame.filter(~nameless)
    if len(key) == 1:
        counted = known.select(again=nw.len() - nw.col(*key).n_unique())
    else:
        counted = known.group_by(*key).agg(_rows=nw.len()).select(again=(nw.col("_rows") - 1).sum())
    return nw.concat([known.unique(subset=list(key), keep="any"), frame.filter(nameless)], how="vertical"), counted


def without_repeats(frame: Frame, *key: str) -> tuple[Frame, Frame | None]:
    """As `once`; where no key is met twice the rows as they are, and `None`: nothing is copied."""
    apart, again = once(frame, *key)
    return (apart, again) if frames.row(again)["again"] else (frame, None)


def open_orders(
    orders: Any,
    *,
    columns: Columns = None,
    by: str | None = None,
    keep: Sequence[str] = (),
    must: Sequence[str] = (),
    amounts: bool = False,
) -> History:
    """Open an order table: `customer_id`, `at`, whether the order `counts`, and `group` if `by` is given.

    `keep` are further columns that the rows shall have, where the table has them; those of `must` it has to have.
    Where `amounts` are added up, an order whose id was met before does not count, nor one with a negative refund.
    """
    key = _key_there(orders, "order_id", columns) if amounts else ()
    needs = ("customer_id", "ordered_at", "status", "is_test", "net_amount", "refund_amount", *key, *keep, *must)
    needs = tuple(dict.fromkeys(needs))
    frame = frames.open_table(orders, "orders", needs=needs, must=must, columns=columns, extra=by)
    frame = frame.rename({"ordered_at": "at"})
    history = _history(
        frame, "orders", _order_rules(frame.collect_schema(), amounts=amounts), keep=(*KEPT, *keep, *must)
    )
    return _without_repeats(history, *key)


def _key_there(native: Any, key: str, columns: Columns) -> tuple[str, ...]:
    """The key if the table has it: the model asks for it, many figures can do without."""
    return (key,) if key in (columns or {}) or key in frames.as_frame(native).collect_schema() else ()


def _without_repeats(history: History, key: str | None = None) -> History:
    """Without the rows whose key was met before; nothing is copied where there are none."""
    if key is None:
        return history
    frame, again = without_repeats(history.frame, key)
    return replace(history, frame=frame, again=again)


def _history(frame: Frame, table: str, rules: Mapping[str, nw.Expr], keep: tuple[str, ...] = KEPT) -> History:
    """Mark the rows that have a date and break no rule."""
    reasons = {"no_customer": nw.col("customer_id").is_null(), "no_date": AT.is_null(), **rules}
    decisive = [breaks for name, breaks in reasons.items() if name not in ("no_customer", "unknown_status")]
    counts = ~nw.any_horizontal(*decisive, ignore_nulls=False)
    return History(frame.with_columns(counts=counts), reasons, table=table, kept=keep)


def _order_rules(found: Mapping[str, Any], *, amounts: bool) -> dict[str, nw.Expr]:
    """What makes an order not count, for the columns at hand; an empty cell breaks no rule."""
    status, net, refund = nw.col("status"), nw.col("net_amount"), nw.col("refund_amount")
    words = schema.TABLES["orders"]["status"].allowed
    rules = {
        # an unknown status is not "completed" either: it only tells why
        "unknown_status": ({"status"}, ~status.is_in(words) & ~status.is_null()),
        "cancelled": ({"status"}, (status != "completed") & ~status.is_null()),
        "test": ({"is_test"}, nw.col("is_test") & ~nw.col("is_test").is_null()),
        # a free order (net 0, nothing refunded) counts: it is a visit
        "refunded": (
            {"net_amount", "refund_amount"},
            (refund > 0) & (refund >= net) & ~refund.is_null() & ~net.is_null(),
        ),
        "negative": ({"net_amount"}, (net < 0) & ~net.is_null()),
    }
    if amounts and {"net_amount", "refund_amount"} <= set(found):
        rules["negative"] = ({"refund_amount"}, ((net < 0) | (refund < 0)).fill_null(False))
    if "net_amount" in found and found["net_amount"].is_float():
        rules["infinite"] = ({"net_amount"}, ~net.is_finite() & ~net.is_null())
    return {name: breaks for name, (wants, breaks) in rules.items() if wants <= set(found)}


def open_subscriptions(
    subscriptions: Any, *, columns: Columns = None, by: str | None = None, needs_reason: bool = False
) -> History:
    """Open a contract table: `customer_id`, `at` (the start), `ended_at`, `is_involuntary`, whether it `counts`."""
    key = _key_there(subscriptions, "subscription_id", columns)
    needs = ("customer_id", "started_at", "ended_at", "is_involuntary", *key)
    # what the model can do without, but no metric
    needed = ("ended_at", "is_involuntary") if needs_reason else ("ended_at",)
    columns = {**{name: name for name in needed}, **(columns or {})}
    frame = frames.open_table(subscriptions, "subscriptions", needs=needs, columns=columns, extra=by)
    if "is_involuntary" not in frame.collect_schema():
        frame = frame.with_columns(is_involuntary=nw.lit(False))
    frame = frame.rename({"started_at": "at"})
    backwards = nw.col("ended_at") < AT
    rules = {"impossible_dates": backwards & ~nw.col("ended_at").is_null() & ~AT.is_null()}
    return _without_repeats(_history(frame, "subscriptions", rules), *key)


def day_after_last(history: Rows) -> datetime | None:
    """When the data end if nobody says so: the day after the last order that counts; `None` if there is none."""
    last = frames.row(history.frame.filter(nw.col("counts")).select(last=AT.max()))["last"]
    if last is None:
        return None
    last = frames.instant(last, "as_of")
    return datetime(last.year, last.month, last.day) + timedelta(days=1)


def _number(value: nw.Expr) -> nw.Expr:
    """A condition or a number as something to add up."""
    return value.cast(nw.Float64).fill_null(0.0)


def warn(note: CrmkitWarning) -> None:
    """Give a warning that points at the caller's line, not at crmkit's."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("crmkit."):
        level, frame = level + 1, frame.f_back
    warnings.warn(note, stacklevel=level)
