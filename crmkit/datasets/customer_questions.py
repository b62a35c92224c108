"""Questions to a customer database: in SQL that cannot write, and whom one may write to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd

from crmkit.datasets.engines import to_pandas
from crmkit.datasets.shop_rows import ShopTable
from crmkit.errors import ParameterError


def answer(connection: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any] | Mapping[str, Any]) -> pd.DataFrame:
    """What a SELECT gives; see `CustomerDatabase.ask`."""
    try:
        parsed = connection.extract_statements(sql)
        if len(parsed) != 1 or parsed[0].type != duckdb.StatementType.SELECT:
            raise ParameterError("only_select", found=", ".join(one.type.name for one in parsed) or "-")
        with connection.cursor() as cursor:  # a transaction of its own that cannot write, whatever a function does
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            given = values if isinstance(values, Mapping) else list(values)
            return to_pandas(cursor.sql(sql, params=given or None).to_arrow_table())
    except duckdb.Error as error:
        raise ParameterError("ask_failed", detail=next(iter(str(error).splitlines()), "")) from None


def may_be_written_to(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, ShopTable], zone: str
) -> pd.DataFrame:
    """Customers who agreed to e-mail and did not take it back; see `CustomerDatabase.contactable`."""
    table = tables["customers"]
    for name in ("email", "email_opt_in"):
        table.column(name)
    where = ["t.email_opt_in", "contains(t.email, '@')"]
    values: list[Any] = []
    if "opted_out_at" in table.columns:
        where.append("(t.opted_out_at IS NULL OR t.opted_out_at > ?)")
        values.append(datetime.now(ZoneInfo(zone)).replace(tzinfo=None))
    sends = tables.get("campaign_sends")
    if sends is not None and {"customer_id", "unsubscribed_at"} <= set(sends.columns):
        where.append(
            f"t.customer_id NOT IN (SELECT s.customer_id FROM {sends.sql} s"
            " WHERE s.unsubscribed_at IS NOT NULL AND s.customer_id IS NOT NULL)"
        )
    columns = ", ".join(f"t.{name}" for name in ("customer_id", "name", "email") if name in table.columns)
    sql = f"SELECT {columns} FROM {table.sql} t WHERE {' AND '.join(where)} ORDER BY t.customer_id"
    return to_pandas(connection.sql(sql, params=values).to_arrow_table())
