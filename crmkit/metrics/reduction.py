"""From many rows to one row per customer: the only step of a metric that touches the big table.

An order counts when it is completed, no test, not refunded in full and not negative; of these rules the ones whose
columns the table has are applied. What does not count is counted.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.errors import CrmkitWarning, RowsLeftOut
from crmkit.estimate import share_columns
from crmkit.frames import Columns, Frame

AT = nw.col("at")
Moments = Mapping[str, tuple[nw.Expr, Literal["min", "max"]]]
"""What to keep of each customer: an expression per row, and whether its least or greatest value is wanted."""


@dataclass(frozen=True, slots=True)
class Rows:
    """An opened table: `customer_id`, `at` (null where the row does not count), whatever else the metric needs, and
    the reasons for which a row does not count."""

    frame: Frame
    reasons: Mapping[str, nw.Expr]

    def left_out(self) -> dict[str, int]:
        """How many rows do not count, by reason; a row with two reasons counts under the first."""
        why = dict(self.reasons)
        apart, before = {}, nw.lit(False)
        for name, applies in why.items():
            apart[name] = (applies & ~before).cast(nw.Int64).sum()
            before = before | applies
        return {name: int(n or 0) for name, n in frames.row(self.frame.select(**apart)).items()}


@dataclass(frozen=True, slots=True)
class Customers:
    """One row per customer, made of `rows` in one pass; `tally` and `tally_by` count among them."""

    rows: Rows
    parts: Frame
    frame: Frame

    def tally(self, **conditions: nw.Expr) -> tuple[dict[str, int], dict[str, int], tuple[CrmkitWarning, ...]]:
        """Count the customers that meet each condition, and the rows left out; one fetch, two if any were left out.

        Returns:
            The counts by name, the rows left out by reason, and the warnings given about them.
        """
        known = ~nw.col("customer_id").is_null()
        total = frames.row(
            self.frame.select(
                **{name: (condition & known).fill_null(False).cast(nw.Int64).sum() for name, condition in conditions.items()},
                _rows=nw.col("rows").sum(),
                _counted=nw.when(known).then(nw.col("counted")).sum(),
            )
        )
        seen, counted = int(total.pop("_rows") or 0), int(total.pop("_counted") or 0)
        left_out = self.rows.left_out() if counted < seen else {}
        return {name: int(n or 0) for name, n in total.items()}, left_out, tell(left_out, seen)

    def tally_by(self, name: str, *, numerator: nw.Expr, denominator: nw.Expr) -> Any:
        """The share per group: `name`, value, low, high, n, numerator, denominator, rows_left_out; the engine's own table."""
        known = self.frame.filter(~nw.col("customer_id").is_null())
        counts = known.group_by("group").agg(
            _flag(known, numerator & denominator, "numerator"), _flag(known, denominator, "denominator")
        )
        raise NotImplementedError


def tell(left_out: Mapping[str, int], seen: int) -> tuple[CrmkitWarning, ...]:
    """Warn of rows that a metric could not use though it should have: those without a customer or a date."""
    lost = {why: n for why, n in left_out.items() if n and why in ("no_customer", "no_date", "impossible_dates")}
    notes = tuple(RowsLeftOut(why, rows=f"{n:,}", seen=f"{seen:,}") for why, n in lost.items())
    for note in notes:
        warnings.warn(note, stacklevel=4)
    return notes
