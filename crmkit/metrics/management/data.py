"""Whether the tables can be trusted: filled, allowed, agreeing with each other, and used with consent. Metric 28."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames, schema
from crmkit.errors import ColumnError, MissingColumn, ParameterError
from crmkit.estimate import Definition, shares
from crmkit.frames import Columns, Frame
from crmkit.metrics.management.own import there
from crmkit.reduction import summarise, time_window
from crmkit.rows import open_rows
from crmkit.schema import EARLIEST_YEAR, ORDER, Column

When = Any
IDENTITY = ("gross_amount", "discount_amount", "net_amount")
CENT = 0.005  # amounts may be binary fractions


def field_completeness(records: Any, *, table: str = "customers", columns: Columns = None) -> Any:
    """Per column, the share of rows that hold a value which can be meant: not empty, of the allowed words, in range.

    Args:
        records: Any table of the data model; the columns that the model knows are looked at.
        table: Its name in the model.
        columns: Your own column names by the model's.

    Returns:
        A table of the engine's own kind, in the model's order of columns: `column`, value (0–1), low, high (Wilson), n
        (rows), numerator (good), denominator, `empty` (nothing or blanks in it) and `invalid` (filled, but with a word,
        number or day that cannot be meant). A column can be empty with good reason, such as the day of an answer that
        never came.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: there is no such table in the model.

    Examples:
        >>> import pandas as pd
        >>> people = pd.DataFrame({
        ...     "customer_id": ["1", "2"], "gender": ["female", " "], "member_tier": ["gold", "VIP"],
        ... })
        >>> found = field_completeness(people)
        >>> dict(zip(found["column"], found["value"]))
        {'customer_id': 1.0, 'gender': 0.5, 'member_tier': 0.5}
    """
    model = _model(table)
    frame = frames.open_table(records, table, needs=[one.name for one in model.columns], columns=columns)
    names = list(frame.collect_schema())
    sums = {"rows": nw.len()}
    for name in names:
        empty, invalid = _empty(model[name]), _invalid(model[name], frame.collect_schema()[name])
        sums |= {f"{name}__empty": _number(empty).sum(), f"{name}__invalid": _number(invalid & ~empty).sum()}
    got = frames.row(frame.select(**sums))
    counted = {kind: np.array([float(got[f"{name}__{kind}"] or 0) for name in names]) for kind in ("empty", "invalid")}
    n = np.full(len(names), float(got["rows"]))
    made = shares(n - counted["empty"] - counted["invalid"], n)
    whole = {kind: number.astype(np.int64) for kind, number in counted.items()}
    found = frames.table(frame, {"column": np.array(names, object), **made.columns(), **whole})
    return frames.give_back(frames.same_kind(frame, found))


def consent_rate(customers: Any, *, as_of: When = None, by: str | None = None, columns: Columns = None) -> Any:
    """Of the customers who can be reached by e-mail, how many agreed to it and have not taken it back.

    Args:
        customers: One row per customer record: `email`, `email_opt_in` (empty = no); `opted_out_at` and `customer_id`
            are heeded where present.
        as_of: The instant to look at: leaving the list later does not count yet; `None` = the latest state.
        by: Column to group by.
        columns: Your own column names by the model's.

    Returns:
        An `Estimate` (0–1) with Wilson's interval; `besides["not_contactable"]` counts those without a usable address,
        who are in neither number. With `by`, a table of the engine's own kind: the group, value, low, high, n,
        numerator, denominator, rows_left_out.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `as_of` is no date.

    Examples:
        >>> import pandas as pd
        >>> people = pd.DataFrame({
        ...     "customer_id": ["1", "2", "3"], "email": ["a@example.com", "b@example.com", None],
        ...     "email_opt_in": [True, False, True],
        ... })
        >>> float(consent_rate(people))
        0.5
    """
    window = time_window(None, as_of)
    needs = ("customer_id", "email", "email_opt_in", "opted_out_at")
    rules = {"no_customer": nw.col("customer_id").is_null()}
    opened = open_rows(
        customers, "customers", needs=needs, must=("email", "email_opt_in"), rules=rules, key="customer_id", by=by,
        columns=columns,
    )  # fmt: skip
    reached = nw.col("email").cast(nw.String).str.contains(r"[^\s@]+[@＠][^\s@]+").fill_null(False)
    agreed = nw.col("email_opt_in").fill_null(False)
    if "opted_out_at" in opened.frame.collect_schema():
        out = nw.col("opted_out_at")
        agreed = agreed & (out.is_null() if window.end is None else out.is_null() | (out >= window.end))
    wanted = opened.units().sums(agreed=reached & agreed, reached=reached, not_contactable=~reached)
    return summarise(
        wanted, lambda sums: shares(sums["agreed"], sums["reached"]), window, Definition("consent_rate"), by=by,
        besides=("not_contactable",),
    )  # fmt: skip


def validate_tables(tables: Any, *, columns: Mapping[str, Columns] | None = None, every: bool = False) -> Any:
    """Hold tables against the data model and against each other, and count the rows that cannot be right.

    Args:
        tables: Tables of one engine by their name in the model, or an object with such `tables`, as `simulate` and
            `load` give it. Tables that the model does not know are not looked at.
        columns: Your own column names by the model's, by table.
        every: Whether checks that found nothing are told too.

    Returns:
        A table of the same engine, one row per check: `table`, `column`, `check`, `rows` (how many break it) and `of`
        (how many could). The checks: "missing_column" and "wrong_type" (all rows), "key_empty", "key_again" (rows
        beyond the first with a key), "empty" (where the model needs a value), "not_allowed" (a word), "out_of_range" (a
        number, or a day before 1900), "orphan" (names a row that is not there), "amounts_disagree" (gross − discount is
        not net) and "out_of_order" (earlier than what it follows).

    Raises:
        ParameterError: what is given holds no table of the model.

    Examples:
        >>> import pandas as pd
        >>> orders = pd.DataFrame({
        ...     "order_id": ["1", "2", "2"], "customer_id": ["A", "A", "B"],
        ...     "ordered_at": pd.to_datetime(["2026-01-10"] * 3),
        ... })
        >>> people = pd.DataFrame({"customer_id": ["A"]})
        >>> print(validate_tables({"orders": orders, "customers": people}).to_string(index=False))
         table      column     check  rows  of
        orders    order_id key_again     1   3
        orders customer_id    orphan     1   3
    """
    given = getattr(tables, "tables", tables)
    known = [name for name in schema.TABLES if isinstance(given, Mapping) and name in given]
    if not known:
        raise ParameterError("no_model_table", options=", ".join(schema.TABLES))
    own = columns or {}
    findings: list[tuple[str, str, str, int, int]] = []
    opened: dict[str, Frame] = {}
    for name in known:
        frame, broken = _openable(given[name], name, own.get(name))
        opened[name] = frame
        findings += broken
    for name, frame in opened.items():
        findings += _inside(name, frame)
        findings += _orphans(name, frame, opened)
    told = [one for one in findings if every or one[3]]
    kinds = ("table", "column", "check", "rows", "of")
    made = {kind: np.array([one[at] for one in told], object if at < 3 else np.int64) for at, kind in enumerate(kinds)}
    like = opened[known[0]]
    return frames.give_back(frames.same_kind(like, _typed(frames.table(like, made))))


def _typed(found: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """Text and whole numbers, also where there is no row to tell."""
    words = [nw.col(name).cast(nw.String) for name in ("table", "column", "check")]
    return found.select(*words, nw.col("rows", "of").cast(nw.Int64))


def _openable(native: Any, table: str, columns: Columns) -> tuple[Frame, list[tuple[str, str, str, int, int]]]:
    """The columns that can be used, and a finding for each that cannot."""
    model, own = schema.TABLES[table], dict(columns or {})
    good, broken = [], []
    present = there(native, [one.name for one in model.columns], own)
    for one in model.columns:
        if one.name not in (*present, *model.required, *own):
            continue
        mine = {name: source for name, source in own.items() if name == one.name}
        try:
            frames.open_table(native, table, needs=(one.name,), columns=mine)
            good.append(one.name)
        except ColumnError as error:
            broken.append((one.name, "missing_column" if isinstance(error, MissingColumn) else "wrong_type"))
    mine = {name: source for name, source in own.items() if name in good}
    frame = frames.open_table(native, table, needs=good, columns=mine)
    if not broken:
        return frame, []
    rows = _rows(frame)
    return frame, [(table, column, check, rows, rows) for column, check in broken]


def _inside(table: str, frame: Frame) -> Iterator[tuple[str, str, str, int, int]]:
    """What a table can be asked without the others: one query for the rows, one for the key."""
    model, found = schema.TABLES[table], frame.collect_schema()
    checks: dict[tuple[str, str], tuple[nw.Expr, nw.Expr]] = {}
    for name in found:
        column = model[name]
        filled = ~_empty(column)
        if name in model.key:
            checks[name, "key_empty"] = (~filled, nw.lit(True))
        elif column.required and not column.nullable:
            checks[name, "empty"] = (~filled, nw.lit(True))
        if column.allowed or column.low is not None or column.high is not None or column.kind in ("date", "instant"):
            check = "not_allowed" if column.allowed else "out_of_range"
            checks[name, check] = (_invalid(column, found[name]) & filled, filled)
    for earlier, later in ORDER.get(table, ()):
        if earlier in found and later in found:
            before, after = nw.col(earlier), nw.col(later)
            checks[later, "out_of_order"] = (after < before, ~after.is_null() & ~before.is_null())
    if table == "orders" and all(name in found for name in IDENTITY):
        gross, discount, net = (nw.col(name).cast(nw.Float64) for name in IDENTITY)
        checks["net_amount", "amounts_disagree"] = (
            (gross - discount - net).abs() > CENT,
            ~(gross + discount + net).is_null(),
        )
    numbered = {
        f"{at}_{part}": _number(one) for at, pair in enumerate(checks.values()) for part, one in enumerate(pair)
    }
    got = frames.row(frame.with_columns(**numbered).select(nw.col(*numbered).sum())) if numbered else {}
    for at, (column_name, check) in enumerate(checks):
        yield table, column_name, check, int(got[f"{at}_0"] or 0), int(got[f"{at}_1"] or 0)
    yield from _repeated_keys(table, frame)


def _repeated_keys(table: str, frame: Frame) -> Iterator[tuple[str, str, str, int, int]]:
    keys = schema.TABLES[table].key
    if not set(keys) <= set(frame.collect_schema()):
        return
    known = frame.select(*keys).drop_nulls()
    got = frames.row(known.group_by(*keys).agg(n=nw.len()).select(rows=nw.col("n").sum(), keys=nw.len()))
    rows = int(got["rows"] or 0)
    yield table, ", ".join(keys), "key_again", rows - int(got["keys"] or 0), rows


def _orphans(table: str, frame: Frame, tables: Mapping[str, Frame]) -> Iterator[tuple[str, str, str, int, int]]:
    """Rows that name a row of another table which is not there."""
    for name in frame.collect_schema():
        target, _, key = (schema.TABLES[table][name].references or "").partition(".")
        if target not in tables or key not in tables[target].collect_schema():
            continue
        named = frame.select(_named=nw.col(name)).drop_nulls()
        there = tables[target].select(_named=nw.col(key)).drop_nulls().unique(subset=["_named"])
        if named.collect_schema() != there.collect_schema():  # numbers here, text there: the same ids may be meant
            named, there = (one.with_columns(nw.col("_named").cast(nw.String)) for one in (named, there))
        got = frames.row(named.select(of=nw.len()), named.join(there, on="_named", how="anti").select(rows=nw.len()))
        yield table, name, "orphan", int(got["rows"] or 0), int(got["of"] or 0)


def _model(table: str) -> schema.Table:
    if table not in schema.TABLES:
        raise ParameterError("unknown_variant", parameter="table", value=table, options=", ".join(schema.TABLES))
    return schema.TABLES[table]


def _empty(column: Column) -> nw.Expr:
    """Nothing in it, or only blanks."""
    value = nw.col(column.name)
    if column.kind in ("text", "category"):
        return value.is_null() | (value.cast(nw.String).str.strip_chars() == "").fill_null(False)
    return value.is_null()


def _invalid(column: Column, dtype: Any) -> nw.Expr:
    """A word, number or day that cannot be meant; false where there is none."""
    value, bad = nw.col(column.name), nw.lit(False)
    if column.allowed:
        bad = ~value.is_in(column.allowed)
    if column.low is not None:
        bad = bad | (value < column.low)
    if column.high is not None:
        bad = bad | (value > column.high)
    if dtype.is_float():
        bad = bad | ~value.is_finite()
    if column.kind in ("date", "instant"):
        first_day = (value.dt.month() == 1) & (value.dt.day() == 1)  # what a spreadsheet makes of an empty day
        bad = (value.dt.year() < EARLIEST_YEAR) | ((value.dt.year() == EARLIEST_YEAR) & first_day)
    return bad.fill_null(False) & ~value.is_null()


def _number(met: nw.Expr) -> nw.Expr:
    return met.fill_null(False).cast(nw.Int64)


def _rows(frame: Frame) -> int:
    return int(frames.row(frame.select(rows=nw.len()))["rows"])
