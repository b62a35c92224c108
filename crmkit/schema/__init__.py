"""The data model as data: tables, columns, types, units, keys and allowed values.

Everything that must agree with the model reads it from here: the loader, the column check at the door of the metrics,
the simulator, the data dictionary and the tests. Instants are the business's local wall time without a zone; amounts
are in one currency, tax excluded; a window is half-open, `[start, end)`.
"""

from __future__ import annotations

from collections.abc import Mapping

from crmkit.schema import contacts, opinions, people, purchases, service, truth
from crmkit.schema.columns import (
    ACQUISITION_CHANNELS,
    CHANNELS,
    EARLIEST_YEAR,
    PRIORITIES,
    TICKET_KINDS,
    TIERS,
    Column,
    Kind,
    Table,
)
from crmkit.schema.rules import ORDER

__all__ = [
    "ACQUISITION_CHANNELS",
    "CHANNELS",
    "EARLIEST_YEAR",
    "ORDER",
    "PRIORITIES",
    "TABLES",
    "TICKET_KINDS",
    "TIERS",
    "TRUTH",
    "Column",
    "Kind",
    "Table",
]

TABLES: Mapping[str, Table] = {
    table.name: table for room in (people, purchases, contacts, opinions, service) for table in room.TABLES
}
"""Every table a shop can have, by name."""

TRUTH: Mapping[str, Table] = {table.name: table for table in truth.TABLES}
"""What only a simulated shop can tell, by name: no shop's own file holds it, so `load` does not know these tables."""
