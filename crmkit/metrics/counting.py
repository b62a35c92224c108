"""A share of the rows of any table: for what is worth counting and has no metric of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals.stable.v2 as nw

from crmkit import frames
from crmkit.errors import MissingColumn, ParameterError
from crmkit.estimate import Definition, Window, shares
from crmkit.frames import Frame
from crmkit.reduction import summarise
from crmkit.rows import Rows

Conditions = Mapping[str, Any]


def rate(table: Any, *, numerator: Conditions, denominator: Conditions | None = None, by: str | None = None) -> Any:
    """Of the rows that meet one set of conditions, the share that also meets another.

    Args:
        table: Any table.
        numerator: What is counted: a value by column name. A list stands for any of its values, `...` for "not empty",
            `None` for "empty".
        denominator: Which rows are looked at; `None` = all of them.
        by: Column to group by.

    Returns:
        An `Estimate` (0–1) with Wilson's interval, NaN if no row is looked at; with `by`, a table: the group, value,
        low, high, n, numerator, denominator, rows_left_out.

    Raises:
        MissingColumn: naming the column and the nearest one found.
        ParameterError: no condition, or `table` is no table.

    Examples:
        >>> import pandas as pd
        >>> orders = pd.DataFrame({
        ...     "status": ["completed", "completed", "completed", "cancelled"],
        ...     "coupon_code": ["SPRING", None, None, "SPRING"],
        ... })
        >>> share = rate(orders, numerator={"coupon_code": ...}, denominator={"status": "completed"})
        >>> share.numerator, share.denominator
        (1, 3)
    """
    if not numerator:
        raise ParameterError("needed", metric="rate", parameter="numerator")
    frame = frames.as_frame(table)
    found = list(frame.collect_schema())
    for column in (*numerator, *(denominator or {}), *([by] if by is not None else [])):
        if column not in found:
            nearest = frames.nearest(column, found)
            raise MissingColumn("table", table="table", column=column, nearest=nearest, found=", ".join(found))
    opened = Rows(_flagged(frame, numerator, denominator or {}, by), {}, table="table")
    below = opened.units(nw.col("below"))
    definition = Definition("rate", {"numerator": _words(numerator), "denominator": _words(denominator or {})})
    wanted = below.sums(above=nw.col("above"), rows=nw.lit(1.0))
    return summarise(wanted, lambda sums: shares(sums["above"], sums["rows"]), Window(), definition, by=by)


def _flagged(frame: Frame, numerator: Conditions, denominator: Conditions, by: str | None) -> Frame:
    """Whether each row is looked at and counted, and its group."""
    group = [] if by is None else [nw.col(by).alias("group")]
    return frame.select(*group, above=_met(numerator), below=_met(denominator), counts=nw.lit(True) | _met(numerator))


def _met(conditions: Conditions) -> nw.Expr:
    """Whether a row meets all of the conditions; an empty cell meets only "empty"."""
    met = [_one(nw.col(name), wanted).fill_null(False) for name, wanted in conditions.items()]
    return nw.all_horizontal(*met, ignore_nulls=False) if met else nw.lit(True)


def _one(column: nw.Expr, wanted: Any) -> nw.Expr:
    if wanted is ...:
        return ~column.is_null()
    if wanted is None:
        return column.is_null()
    return column.is_in(list(wanted)) if isinstance(wanted, list | tuple | set) else column == wanted


def _words(conditions: Conditions) -> str:
    """Conditions as people read them: `status = completed`."""
    signs = {
        name: "≠ ∅" if wanted is ... else "= ∅" if wanted is None else f"= {wanted}"
        for name, wanted in conditions.items()
    }
    return ", ".join(f"{name} {sign}" for name, sign in signs.items()) or "∀"
