"""The hold-out of a campaign: who was drawn, from when on they are watched, and how the two arms differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from crmkit import frames
from crmkit.errors import AmbiguousFigure, CrmkitWarning, RowsLeftOut
from crmkit.estimate import Figures, Numbers
from crmkit.frames import Columns, Frame
from crmkit.metrics.management.own import named, there
from crmkit.rows import AT, History, Rows, day_after_last, open_rows, warn

START, CUSTOMER, CAMPAIGN = nw.col("begun"), nw.col("customer_id"), nw.col("campaign_id")
SPREAD_DAYS = 7  # a campaign whose mails go out over more days has no one start that its hold-out shares
ARMS = ("treatment", "control")


@dataclass(frozen=True, slots=True)
class Trial:
    """One row per customer and campaign: `campaign_id`, `customer_id`, `treated`, `begun` and perhaps `group`."""

    units: Frame
    opened: Rows
    until: datetime
    excluded: Mapping[str, int]
    notes: tuple[CrmkitWarning, ...]
    not_watched: int


def trial_of(native: Any, history: History, horizon_days: int, as_of: Any, by: str | None, columns: Columns) -> Trial:
    """Open the sends, and say who cannot be compared; the orders' own faults are told here too."""
    until = frames.instant(as_of, "as_of") if as_of is not None else day_after_last(history) or datetime(9999, 1, 1)
    mine = named(columns, "campaign_sends")
    key = there(native, ("send_id",), mine)
    must = ("campaign_id", "customer_id", "arm", "sent_at")
    arm = nw.col("arm")
    rules = {"no_customer": CUSTOMER.is_null(), "no_campaign": CAMPAIGN.is_null()}
    rules["no_arm"] = arm.is_null() | ~arm.is_in(ARMS)
    opened = open_rows(
        native, "campaign_sends", needs=(*must, *key), must=must, rules=rules, key="send_id" if key else None, by=by,
        columns=mine,
    )  # fmt: skip
    drawn = _drawn(opened.rows(), by is not None)
    fits = ~nw.col("both") & ~nw.col("adrift")
    watched = START < datetime(until.year, until.month, until.day) - timedelta(days=horizon_days)
    counts = {"rows": ~CUSTOMER.is_null(), "both": nw.col("both"), "adrift": nw.col("adrift") & ~nw.col("both")}
    counts["young"] = fits & ~watched.fill_null(False)
    got = frames.row(
        drawn.select(**{name: met.cast(nw.Int64).sum() for name, met in counts.items()}), opened.left_out()
    )
    both, adrift, young, rows = (int(got.pop(name) or 0) for name in ("both", "adrift", "young", "rows"))
    excluded, notes = opened.tell(got)
    orders_lost, order_notes = history.tell(frames.row(history.left_out()))
    for reason, n in orders_lost.items():
        excluded[reason] = excluded.get(reason, 0) + n
    told = _told(both, adrift, rows)
    excluded |= {note.reason: n for note, n in told}
    units = drawn.filter(fits & watched.fill_null(False))
    return Trial(units, opened, until, excluded, (*notes, *order_notes, *(note for note, _ in told)), young)


def _told(both: int, adrift: int, rows: int) -> list[tuple[CrmkitWarning, int]]:
    """Warn of customers who cannot be compared."""
    told: list[tuple[CrmkitWarning, int]] = []
    if both:
        told.append((RowsLeftOut("both_arms", rows=f"{both:,}", seen=f"{rows:,}", table="campaign_sends"), both))
    if adrift:
        told.append((AmbiguousFigure("no_common_start", customers=f"{adrift:,}", days=SPREAD_DAYS), adrift))
    for note, _ in told:
        warn(note)
    return told


def _drawn(rows: Frame, grouped: bool) -> Frame:
    """One row per customer and campaign: the arm, the start, whether in `both` arms, whether the start is `adrift`."""
    sent = nw.col("sent_at")
    rows = rows.with_columns(_t=(nw.col("arm") == "treatment").cast(nw.Int64), _undated=sent.is_null().cast(nw.Int64))
    starts = rows.group_by("campaign_id").agg(_first=sent.min(), _last=sent.max(), _without=nw.col("_undated").sum())
    kept = {"_least": nw.col("_t").min(), "_most": nw.col("_t").max(), "_own": sent.min()}
    if grouped:
        kept["group"] = nw.col("group").min()
    drawn = rows.group_by("campaign_id", "customer_id").agg(**kept).join(starts, on="campaign_id", how="inner")
    dated = nw.col("_without") == 0
    spread = (nw.col("_last") > nw.col("_first").dt.offset_by(f"{SPREAD_DAYS}d")).fill_null(False)
    return drawn.select(
        "campaign_id", "customer_id", *(["group"] if grouped else []),
        treated=nw.col("_most"),
        begun=nw.when(dated).then(nw.col("_own")).otherwise(nw.col("_first")),
        both=nw.col("_least") < nw.col("_most"),
        adrift=~dated & (spread | nw.col("_first").is_null()),
    )  # fmt: skip


def orders_after(units: Frame, orders: Frame, from_day: int, horizon_days: int) -> Frame:
    """The orders of drawn customers within the horizon, once for each campaign they were drawn for."""
    met = units.select("campaign_id", "customer_id", "begun").join(
        orders.drop("campaign_id", strict=False), on="customer_id", how="inner"
    )
    return met.filter((AT >= START.dt.offset_by(f"{from_day}d")) & (AT < START.dt.offset_by(f"{horizon_days}d")))


# --- sums per campaign and arm, and the difference of the arms


@dataclass(frozen=True, slots=True)
class Strata:
    """Sums of an outcome per group and campaign; `n`, `total` and `squares` have the treatment first."""

    groups: list[Any]
    campaigns: list[Any]
    n: NDArray[np.float64]
    total: NDArray[np.float64]
    squares: NDArray[np.float64]


def strata_of(units: Frame, outcome: Frame) -> Strata:
    joined = units.join(outcome, on=["campaign_id", "customer_id"], how="left")
    grouped = "group" in units.collect_schema()
    y, treated = nw.col("y").fill_null(0.0), nw.col("treated").cast(nw.Float64)
    wanted: dict[str, nw.Expr] = {}
    for arm, weight in ((0, treated), (1, 1.0 - treated)):
        wanted |= {f"n{arm}": weight, f"y{arm}": weight * y, f"yy{arm}": weight * y * y}
    per = (*(["group"] if grouped else []), "campaign_id")
    sums = joined.with_columns(**wanted).group_by(*per).agg(nw.col(*wanted).sum())
    small = frames.fetch(sums).sort(*per)

    def both(name: str) -> NDArray[np.float64]:
        return np.stack([small[f"{name}{arm}"].to_numpy().astype(float) for arm in (0, 1)])

    campaigns = small["campaign_id"].to_list()
    groups = [frames.plain(one) for one in small["group"].to_list()] if grouped else [None] * len(campaigns)
    return Strata(groups, campaigns, both("n"), both("y"), both("yy"))


@dataclass(frozen=True, slots=True)
class Lift:
    """The difference of the arms per group, its campaigns put together."""

    figures: Figures
    names: list[Any]
    judged: NDArray[np.bool_]
    treatment: Numbers
    control: Numbers
    held_out: NDArray[np.int64]

    def whole(self) -> tuple[Numbers, Numbers, Numbers, Any]:
        """The difference times the treated customers: value, both ends, and how many customers it is about."""
        one = self.figures.first()
        treated = np.where(one.denominator > 0, one.denominator, np.nan)
        return one.value * treated, one.low * treated, one.high * treated, one.n


def difference(strata: Strata, treatment: Any, control: Any) -> Lift:
    """Weighted by the treated customers of each campaign; `treatment` and `control` are the ends of the arms' means."""
    judged = (strata.n[0] > 0) & (strata.n[1] > 0)
    mean = strata.total / np.where(strata.n > 0, strata.n, np.nan)
    below = ((mean[0] - treatment[0]) ** 2, (control[1] - mean[1]) ** 2)
    above = ((treatment[1] - mean[0]) ** 2, (mean[1] - control[0]) ** 2)
    names: list[Any] = list(dict.fromkeys(strata.groups)) or [None]
    rows = []
    for name in names:
        here = judged & np.array([one == name for one in strata.groups], dtype=bool)
        treated, held_out = strata.n[:, here].sum(axis=1) if here.any() else (0.0, 0.0)
        if not treated:
            rows.append((*[np.nan] * 5, 0, 0, 0))
            continue
        weight = strata.n[0, here] / treated
        arms = [float((weight * mean[arm, here]).sum()) for arm in (0, 1)]
        reach = [float(np.sqrt((weight**2 * (one[here] + other[here])).sum())) for one, other in (below, above)]
        value = arms[0] - arms[1]
        rows.append((value, value - reach[0], value + reach[1], *arms, treated + held_out, treated, held_out))
    found = np.array(rows, float).T
    values, low, high, first, second = found[:5]
    n, treated_all, held = found[5:].astype(np.int64)
    figures = Figures(values, low, high, n, values * treated_all, treated_all, "mover")
    return Lift(figures, names, judged, first, second, held)
