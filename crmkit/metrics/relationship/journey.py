"""The way of customers through the shop: one customer's whole story, and how each touchpoint felt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames, schema
from crmkit.errors import ParameterError
from crmkit.estimate import means
from crmkit.frames import Columns, Frame
from crmkit.reduction import time_window, within
from crmkit.rows import open_rows

When = Any
OCCURRED, IMPRESSION = nw.col("occurred_at"), nw.col("impression")
FELT = ("value", "low", "high", "n", "contacts")

# whom a row is about, if not by `customer_id`
ABOUT = {"referrals": ("referrer_customer_id", "invitee_customer_id")}
# what tells the rows of a table apart at a glance: a word, and a number
WORD = {
    "orders": "status", "subscriptions": "status", "referrals": "status", "customers": "source_system",
    "leads": "lead_source", "campaign_sends": "campaign_id", "feedback": "source",
}  # fmt: skip
NUMBER = {
    "orders": "net_amount", "subscriptions": "unit_amount", "interactions": "impression", "survey_responses": "score",
    "feedback": "rating", "loyalty_events": "points", "leads": "score",
}  # fmt: skip


def customer_timeline(
    tables: Any,
    *,
    customer_id: Any,
    start: When = None,
    end: When = None,
    columns: Mapping[str, Columns] | None = None,
) -> Any:
    """Everything that is on record of one customer, in the order of time.

    Each instant of each row is an entry of its own: a mail that was sent, opened and clicked is three.

    Args:
        tables: Tables by their names in the model, all of one engine; or what has them as `.tables`, such as the result
            of `crmkit.load`. Tables without customers are passed over, except for the events of the customer's tickets.
        customer_id: The customer, as in the tables.
        start, end: Window, `[start, end)`; `None` = open.
        columns: Your own column names by table: `{"orders": {"customer_id": "会員番号"}}`.

    Returns:
        A table of the engine's own kind: at, table, event (the column the instant comes from), row_id, kind (a word
        about the row), channel, value (its amount, points or score; null where it has none). Nobody of that id on
        record gives no rows.

    Raises:
        MissingColumn, WrongType: naming the table, the column, what was found and the mend.
        ParameterError: there is no table with customers at all, or `start` is not before `end`.

    Examples:
        >>> import pandas as pd
        >>> tables = {
        ...     "orders": pd.DataFrame({"order_id": ["1"], "customer_id": ["A"], "status": ["completed"],
        ...                             "ordered_at": pd.to_datetime(["2026-03-05"]), "net_amount": [4400.0]}),
        ...     "campaign_sends": pd.DataFrame({"send_id": ["9"], "campaign_id": ["N1"], "customer_id": ["A"],
        ...                                     "sent_at": pd.to_datetime(["2026-03-01"])}),
        ... }
        >>> customer_timeline(tables, customer_id="A")[["table", "event", "kind"]].values.tolist()
        [['campaign_sends', 'sent_at', 'N1'], ['orders', 'ordered_at', 'completed']]
    """
    window = time_window(start, end)
    given: Mapping[str, Any] = getattr(tables, "tables", tables)
    own = dict(columns or {})
    parts, tickets = [], None
    for name in schema.TABLES:
        if name in given and _people(name):
            rows = _of_customer(given[name], name, customer_id, own.get(name))
            tickets = rows if name == "tickets" else tickets
            parts += _entries(rows, name)
    if not parts:
        raise ParameterError("no_customer_tables", found=", ".join(map(str, given)))
    if tickets is not None and "ticket_events" in given:
        mine = tickets.select("ticket_id").unique(subset=["ticket_id"], keep="any")
        log = _opened(given["ticket_events"], "ticket_events", ("ticket_id",), own.get("ticket_events"))
        parts += _entries(log.join(mine, on="ticket_id", how="inner"), "ticket_events")
    whole = frames.stacked(parts).filter(within(nw.col("at"), window))
    return frames.give_back(whole.sort("at", "table", "event", "row_id"))


def journey_map(interactions: Any, *, start: When = None, end: When = None, columns: Columns = None) -> Any:
    """How each touchpoint felt at each stage of the journey, in the order of the journey.

    Args:
        interactions: One row per contact: `occurred_at`, `stage`, `touchpoint`, `impression` (−2 to 2, empty = not
            noted); `interaction_id` tells rows that came twice.
        start, end: Window, `[start, end)`; `None` = open.
        columns: Your own column names by the model's.

    Returns:
        A table of the engine's own kind: stage, touchpoint, value (mean impression, −2 to 2), low and high (Student's
        interval, which takes the impressions as independent of each other), n (impressions noted) and contacts (noted
        or not). Where nothing was noted, value is null and n is 0.

    Raises:
        MissingColumn, WrongType: naming the column, what was found and the mend.
        ParameterError: `start` is not before `end`.

    Examples:
        >>> import pandas as pd
        >>> met = pd.DataFrame({
        ...     "interaction_id": list("123"), "occurred_at": pd.to_datetime(["2026-03-01"] * 3),
        ...     "stage": ["purchase", "purchase", "pre_purchase"], "touchpoint": ["staff", "staff", "website"],
        ...     "impression": [2, 1, None],
        ... })
        >>> journey_map(met)[["stage", "touchpoint", "value", "n", "contacts"]].values.tolist()
        [['pre_purchase', 'website', nan, 0, 1], ['purchase', 'staff', 1.5, 2, 2]]
    """
    return _felt(interactions, ("stage", "touchpoint"), start, end, columns)


def impression_by_touchpoint(
    interactions: Any, *, start: When = None, end: When = None, columns: Columns = None
) -> Any:
    """How each touchpoint felt, over all stages of the journey.

    Args:
        interactions, start, end, columns: As for `journey_map`, without `stage`.

    Returns:
        A table as that of `journey_map`, without stage.

    Raises:
        MissingColumn, WrongType, ParameterError: as for `journey_map`.

    Examples:
        >>> import pandas as pd
        >>> met = pd.DataFrame({
        ...     "interaction_id": ["1", "2"], "occurred_at": pd.to_datetime(["2026-03-01"] * 2),
        ...     "touchpoint": ["staff", "staff"], "impression": [2, -1],
        ... })
        >>> impression_by_touchpoint(met)[["touchpoint", "value", "n"]].values.tolist()
        [['staff', 0.5, 2]]
    """
    return _felt(interactions, ("touchpoint",), start, end, columns)


def _felt(interactions: Any, keys: tuple[str, ...], start: When, end: When, columns: Columns) -> Any:
    window = time_window(start, end)
    rules = {"no_date": OCCURRED.is_null(), "off_scale": (IMPRESSION < -2) | (IMPRESSION > 2)}
    needs = (*keys, "impression")
    opened = open_rows(
        interactions, "interactions", needs=("interaction_id", "occurred_at", *needs), must=needs, rules=rules,
        key="interaction_id", columns=columns,
    )  # fmt: skip
    opened.tell(frames.row(opened.left_out()))
    score = IMPRESSION.cast(nw.Float64).fill_null(0.0)
    noted = opened.rows(within(OCCURRED, window)).with_columns(
        noted=(~IMPRESSION.is_null()).cast(nw.Int64), total=score, squares=score * score
    )
    found = noted.group_by(*keys).agg(nw.col("noted", "total", "squares").sum(), contacts=nw.len())
    return frames.give_back(frames.same_kind(noted, _along_the_journey(noted, frames.fetch(found), keys)))


def _along_the_journey(like: Frame, small: nw.DataFrame[Any], keys: Sequence[str]) -> nw.DataFrame[Any]:
    """Means of the few groups, in the order in which a customer meets them; words of one's own come after."""
    for key in keys:
        known = list(schema.TABLES["interactions"][key].allowed)
        places = [known.index(word) if word in known else len(known) for word in map(frames.plain, small[key])]
        small = small.with_columns(**{f"_{key}": nw.new_series("p", places, nw.Int64, backend=small.implementation)})
    small = small.sort(*(f"_{key}" for key in keys), *keys, nulls_last=True)
    noted, total, squares = (small[name].to_numpy().astype(float) for name in ("noted", "total", "squares"))
    made = means(noted, total, squares)
    contacts = small["contacts"].to_numpy().astype(np.int64)
    columns = {"value": made.value, "low": made.low, "high": made.high, "n": made.n, "contacts": contacts}
    beside = frames.table(like, columns)
    return small.select(*keys).with_columns(*(beside[name] for name in FELT))


def _people(table: str) -> tuple[str, ...]:
    """The columns of a table that say whom a row is about."""
    return ABOUT.get(table, ("customer_id",) if "customer_id" in schema.TABLES[table] else ())


def _happenings(table: str) -> list[str]:
    """The columns that say when something happened; not when it is due to."""
    columns = schema.TABLES[table].columns
    return [column.name for column in columns if column.kind == "instant" and column.name != "expires_at"]


def _of_customer(native: Any, table: str, customer_id: Any, columns: Columns) -> Frame:
    people = _people(table)
    rows = _opened(native, table, people, columns)
    found = [nw.col(name).cast(nw.String) == str(customer_id) for name in people if name in rows.collect_schema()]
    return rows.filter(nw.any_horizontal(*found, ignore_nulls=True).fill_null(False))


def _opened(native: Any, table: str, people: Sequence[str], columns: Columns) -> Frame:
    model = schema.TABLES[table]
    details = [name for name in ("kind", "channel", WORD.get(table), NUMBER.get(table)) if name and name in model]
    needs = dict.fromkeys((model.key[0], *people, *_happenings(table), *details))
    return frames.open_table(native, table, needs=tuple(needs), must=people[:1], columns=columns)


def _entries(rows: Frame, table: str) -> list[Frame]:
    """One frame per column of instants, all of the same columns."""
    found, model = rows.collect_schema(), schema.TABLES[table]

    def said(name: str | None, dtype: Any, nothing: Any = None) -> nw.Expr:
        return nw.lit(nothing, dtype) if name is None or name not in found else nw.col(name).cast(dtype)

    word = "kind" if "kind" in model else WORD.get(table)
    instants = [name for name in _happenings(table) if name in found]
    return [
        rows.filter(~nw.col(at).is_null()).select(
            at=nw.col(at).cast(nw.Datetime("us")), table=nw.lit(table), event=nw.lit(at),
            row_id=nw.col(model.key[0]).cast(nw.String), kind=said(word, nw.String),
            channel=said("channel", nw.String), value=said(NUMBER.get(table), nw.Float64, nan).fill_nan(None),
        )
        for at in instants
    ]  # fmt: skip
