"""What buy-till-you-die models look at: how often, how lately, how long and how much, per customer. Metric 13."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames
from crmkit.errors import CannotFit, CrmkitWarning, MissingColumn, ParameterError, WrongType
from crmkit.frames import Columns, Frame
from crmkit.models.btyd import Histories
from crmkit.reduction import one_of
from crmkit.rows import AT, History, day_after_last, open_orders
from crmkit.texts import text

UNITS = {"day": 1.0, "week": 7.0, "month": 365.25 / 12}
HISTORY = ("frequency", "recency", "T")


@dataclass(frozen=True, slots=True)
class UnitWord:
    """A unit of time that is written in the language of whoever reads it."""

    unit: str

    def __str__(self) -> str:
        return text(f"fit.unit.{self.unit}")


@dataclass(frozen=True, repr=False)
class Summary:
    """One row per customer, as the models take it, with the unit of its times.

    Attributes:
        table: In the engine's own kind: `customer_id`, `frequency` (days with an order after the first such day),
            `recency` (from the first to the last of them), `T` (from the first to the end), both in `unit`, and
            `monetary` (mean amount per day of the repeat orders; null without any), where amounts are known.
        unit: "day", "week" or "month" (365.25 / 12 days).
        until: The last day that was looked at.
        excluded: Order rows left out, by reason.
        notes: Warnings that were given about them.

    Examples:
        A table of your own, from elsewhere, needs its unit said:

        >>> import pandas as pd
        >>> own = pd.DataFrame({"customer_id": ["A"], "frequency": [2], "recency": [30.43], "T": [38.86]})
        >>> Summary(own, unit="week").unit
        'week'
    """

    table: Any
    unit: str
    until: date | None = None
    excluded: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[CrmkitWarning, ...] = ()

    def __post_init__(self) -> None:
        one_of("unit", self.unit, tuple(UNITS))

    def __repr__(self) -> str:
        until = "–" if self.until is None else self.until.isoformat()
        return text("fit.summary", unit=UnitWord(self.unit), until=until, columns=", ".join(self.opened(())))

    def opened(self, needs: tuple[str, ...] = ("customer_id", *HISTORY)) -> Any:
        """The table with the columns that are asked for, these checked; the names of all columns if none are."""
        frame: Any = nw.from_native(self.table)
        found = frame.collect_schema()
        if not needs:
            return list(found)
        for name in needs:
            if name not in found:
                raise MissingColumn("table", table="summary", column=name, nearest="", found=", ".join(found))
            if name != "customer_id" and not found[name].is_numeric():
                sample = ", ".join(repr(row[name]) for row in frames.rows(frame.select(name).head(3)))
                raise WrongType("number", table="summary", column=name, found=found[name], sample=sample)
        return frame.select(*needs)

    def histories(self) -> tuple[nw.DataFrame[Any], Histories]:
        """The unique histories: as the engine found them, and as arrays with the number of customers of each."""
        grouped = self.opened(HISTORY).with_columns(_one=nw.lit(1)).group_by(*HISTORY).agg(nw.col("_one").sum())
        small = frames.fetch(grouped)
        x, tx, T = (small[name].to_numpy().astype(float) for name in HISTORY)
        count = small["_one"].to_numpy().astype(float)
        sound = (x >= 0) & (x == np.floor(x)) & (tx >= 0) & (tx <= T) & np.isfinite(T) & ((x > 0) | (tx == 0))
        if not sound.all():
            wrong = np.argmin(sound)
            raise CannotFit(
                "impossible_history", customers=f"{count[~sound].sum():,.0f}", frequency=x[wrong], recency=tx[wrong],
                T=T[wrong],
            )  # fmt: skip
        return small.select(*HISTORY), Histories(x, tx, T, count)


def a_summary(summary: Any, unit: str | None = None) -> Summary:
    """A parameter that is a `Summary`, in the unit that a model was fitted in.

    Raises:
        ParameterError: if it is something else, or in another unit.
    """
    if not isinstance(summary, Summary):
        raise ParameterError("no_summary", found=type(summary).__name__)
    if unit is not None and summary.unit != unit:
        raise ParameterError("unit_mismatch", fitted=UnitWord(unit), given=UnitWord(summary.unit))
    return summary


def btyd_summary(
    orders: Any, *, until: str | date | datetime | None = None, unit: str = "week", columns: Columns = None
) -> Summary:
    """Reduce orders to what buy-till-you-die models look at: frequency, recency, age and mean spend of each customer.

    Mind the words: here frequency counts *repeat* orders, and recency is the customer's *age at the last order* (great
    = lately), as in the literature on these models; in an RFM analysis recency is the time *since* the last order.

    Args:
        orders: One row per order: `customer_id`, `ordered_at`; `net_amount` for `monetary`; `status`, `is_test`,
            `refund_amount` are heeded where present. Orders of one day are one purchase. Give the whole history.
        until: The last day to look at, itself included; `None` = that of the last order.
        unit: Unit of the times: "day", "week" or "month" (365.25 / 12 days); fractions are kept.
        columns: Your own column names by the model's.

    Returns:
        A `Summary`; its `table` is of the engine's own kind and sorted by customer.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `until` is no date, or `unit` unknown.

    Examples:
        >>> import crmkit
        >>> summary = btyd_summary(crmkit.sample("ten_customers").orders, until="2026-03-31", unit="day")
        >>> summary.table.head(3)[["customer_id", "frequency", "recency", "T"]]
          customer_id  frequency  recency      T
        0           A          1     88.0  116.0
        1           B          0      0.0  101.0
        2           C          2     59.0   80.0

    References:
        Fader and Hardie (2005), A note on deriving the BG/NBD. brucehardie.com/notes.
    """
    one_of("unit", unit, tuple(UNITS))
    history = open_orders(orders, columns=columns, keep=("net_amount", "refund_amount"), amounts=True)
    end = _end(history, until)
    got = frames.row(history.left_out(), _apart(history, end))
    later, unpriced = (int(got.pop(name) or 0) for name in ("_later", "_unpriced"))
    excluded, notes = history.tell(got)
    excluded |= {name: n for name, n in {"later": later, "no_amount": unpriced}.items() if n}
    customers = _per_customer(history, end, unpriced > 0)
    last_day = (end - timedelta(days=1)).date()
    table = frames.give_back(_in_units(customers, end, UNITS[unit]).sort("customer_id"))
    return Summary(table, unit, last_day, excluded, notes)


def _end(history: History, until: Any) -> datetime:
    """The midnight after the last day."""
    if until is None:
        return day_after_last(history) or datetime(1970, 1, 2)  # no orders at all: any day does
    last = frames.instant(until, "until")
    return datetime(last.year, last.month, last.day) + timedelta(days=1)


def _apart(history: History, end: datetime) -> Frame:
    """One row: how many orders that count came too late, and how many have no amount."""
    amount = nw.col("net_amount") if "net_amount" in history.frame.collect_schema() else nw.lit(0.0)
    # what is refused for its amount has one, so only rows that count can lack it
    rows = history.rows().select(_later=(end <= AT).cast(nw.Int64), _unpriced=amount.is_null().cast(nw.Int64))
    return rows.select(nw.col("_later", "_unpriced").sum())


def _per_customer(history: History, end: datetime, unpriced: bool) -> Frame:
    """First and last day, number of days and mean amount of the days after the first."""
    day, first, again = nw.col("day"), nw.col("first"), nw.col("again")
    rows = history.rows(AT < end)
    found = rows.collect_schema()
    amounts = {"amount": _amount("refund_amount" in found)} if "net_amount" in found else {}
    if amounts and unpriced:
        amounts["priced"] = (~nw.col("net_amount").is_null()).cast(nw.Float64)
    rows = rows.select("customer_id", day=AT.dt.truncate("1d"), **amounts)
    sums = {name: nw.col(name).sum() for name in amounts}
    days, put_back = frames.per_day(rows, "customer_id", "day", **(sums or {"orders": nw.len()}))
    days = frames.beside(days, "customer_id", first=day.min())
    kept = {"first": first.min(), "last": day.max(), "days": nw.len()}
    if amounts:
        repeat = (day > first) & (nw.col("priced") > 0) if unpriced else day > first
        days = days.with_columns(again=nw.when(repeat).then(nw.col("amount")))
        kept["monetary"] = again.mean()
    return put_back(days.group_by("customer_id").agg(**kept))


def _amount(with_refunds: bool) -> nw.Expr:
    """What the shop kept of an order."""
    amount = nw.col("net_amount").cast(nw.Float64)
    return amount - nw.col("refund_amount").cast(nw.Float64).fill_null(0.0) if with_refunds else amount


def _in_units(customers: Frame, end: datetime, days: float) -> Frame:
    stop = (end - frames.EPOCH).days - 1
    first, last = frames.days_since_1970(customers, "first"), frames.days_since_1970(customers, "last")
    columns = {
        "frequency": (nw.col("days") - 1).cast(nw.Int64),
        "recency": (last - first).cast(nw.Float64) / days,
        "T": (stop - first).cast(nw.Float64) / days,
    }
    names = ["customer_id", *(["monetary"] if "monetary" in customers.collect_schema() else [])]
    done = customers.select(*names, **columns)
    return done.select("customer_id", *HISTORY, *names[1:])
