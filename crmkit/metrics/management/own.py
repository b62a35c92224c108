"""What a user's own tables have: columns that may be absent, and own names given for several tables at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw

from crmkit import schema
from crmkit.errors import ParameterError
from crmkit.frames import Columns


def there(native: Any, names: Sequence[str], columns: Columns) -> tuple[str, ...]:
    """Those of the model's columns that the table has, under its own names for them."""
    try:
        found = nw.from_native(native).collect_schema()
    except TypeError:
        raise ParameterError("no_table", found=type(native).__name__) from None
    return tuple(name for name in names if (columns or {}).get(name, name) in found)


def named(columns: Columns, table: str) -> dict[str, str]:
    """The own names that are about this table; a name that the model gives to several tables goes to each of them."""
    return {name: source for name, source in (columns or {}).items() if name in schema.TABLES[table]}


def all_known(columns: Columns, *tables: str) -> None:
    """Refuse own names for columns that none of the tables has.

    Raises:
        ParameterError: naming the first such column.
    """
    for name in columns or {}:
        if not any(name in schema.TABLES[table] for table in tables):
            raise ParameterError("unknown_model_column", table=", ".join(tables), column=name, nearest="")
