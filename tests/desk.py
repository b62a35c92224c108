"""A small help desk for the tests of service metrics: tickets and events written one line each."""

from __future__ import annotations

from typing import Any

import pandas as pd

WEEK = pd.DataFrame({"calendar_id": "main", "weekday": range(5), "open_time": "09:00", "close_time": "18:00"})


def tickets(*rows: tuple[Any, ...], **more: Any) -> pd.DataFrame:
    """Tickets of `(ticket_id, created_at)` and further columns, each with one value per ticket or one for all."""
    ids, created = ([row[place] for row in rows] for place in (0, 1))
    found = pd.DataFrame({"ticket_id": pd.Series(ids, dtype="str"), "created_at": instants(created)})
    return found.assign(**{"created_by": "customer", "status": "open", **more})


def events(*rows: tuple[Any, ...]) -> pd.DataFrame:
    """Events of `(ticket_id, occurred_at, actor, what)`; what is "says", "notes", "a>b", "priority a>b" or "to b"."""
    made = [_event(number, *row) for number, row in enumerate(rows)]
    names = ["event_id", "ticket_id", "actor_type", "kind", "is_public", "from_value", "to_value"]
    found = pd.DataFrame([row[:7] for row in made], columns=names)
    found = found.astype({name: "str" for name in names if name != "is_public"}).astype({"is_public": "bool"})
    return found.assign(occurred_at=instants([row[7] for row in made]))


def instants(said: list[Any]) -> pd.Series:
    """Instants of texts, whatever their precision."""
    return pd.Series([pd.Timestamp(at) for at in said], dtype="datetime64[us]")


def _event(number: int, ticket: str, at: str, actor: str, what: str) -> tuple[Any, ...]:
    key = f"E{number:03d}"
    if what in ("says", "notes"):
        return key, ticket, actor, "comment", what == "says", None, None, at
    *kind, change = what.split(" ")
    before, _, after = change.rpartition(">")
    named = {(): "status_change", ("priority",): "priority_change", ("to",): "assignment"}[tuple(kind)]
    return key, ticket, actor, named, False, before or None, after, at
