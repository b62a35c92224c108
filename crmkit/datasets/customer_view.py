"""One customer as all tables tell of them: the record, and every row that belongs to it."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import pandas as pd

from crmkit.datasets.engines import to_pandas
from crmkit.datasets.shop_file import quoted
from crmkit.datasets.shop_rows import ShopTable
from crmkit.texts import has_text, text

_SHOWN = 10  # rows of each table


class CustomerView(Mapping[str, pd.DataFrame]):
    """The single view of a customer: a mapping of tables, with the customer's own record.

    It shows names and addresses, as that is what it is for: clear the output before you share a notebook.

    Attributes:
        customer_id: The customer.
        record: The row of `customers`, by column.
    """

    def __init__(self, customer_id: str, record: dict[str, Any], tables: dict[str, pd.DataFrame]) -> None:
        self.customer_id = customer_id
        self.record = record
        self._tables = tables

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __getattr__(self, name: str) -> pd.DataFrame:
        tables = self.__dict__.get("_tables", {})
        if name in tables:
            frame: pd.DataFrame = tables[name]
            return frame
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        rows = [text("database.view_table", label=_label(name), rows=len(frame)) for name, frame in self.items()]
        record = [f"{name}: {value}" for name, value in self.record.items()]
        return "\n".join([text("database.view_title", customer=self.customer_id), *record, *rows])

    def _repr_html_(self) -> str:
        told = {_label_of(name): "" if value is None else str(value) for name, value in self.record.items()}
        cells = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in told.items()
        )
        title = html.escape(text("database.view_title", customer=self.customer_id))
        parts = [f"<h4>{title}</h4><table>{cells}</table>"]
        for name, frame in self.items():
            head = html.escape(text("database.view_table", label=_label(name), rows=len(frame)))
            parts.append(f"<h5>{head}</h5>{frame.head(_SHOWN).to_html(index=False, escape=True, na_rep='')}")
        return "".join(parts)


def _label(table: str) -> str:
    return text(f"table.{table}") if has_text(f"table.{table}") else table


def _label_of(column: str) -> str:
    return text(f"column.customers.{column}") if has_text(f"column.customers.{column}") else column


def rows_of(tables: Mapping[str, ShopTable]) -> Iterator[tuple[ShopTable, str]]:
    """The tables with rows of customers, each with the condition for the rows of one (`?`, in `times` places).

    Rows point to a customer themselves, or they are parts of such rows: lines of an order, the course of a ticket.
    """
    direct = {name: columns for name, table in tables.items() if (columns := table.pointing_to("customers"))}
    for name, columns in direct.items():
        yield tables[name], " OR ".join(f"t.{quoted(column)} = $id" for column in columns)
    for name, table in tables.items():
        if name in direct or name == "customers":
            continue
        for column, of in table.columns.items():
            target = (of.references or "").partition(".")[0]
            if of.required and target in direct:
                mine = " OR ".join(f"p.{quoted(one)} = $id" for one in direct[target])
                key = quoted(tables[target].key[0])
                yield table, f"t.{quoted(column)} IN (SELECT p.{key} FROM {tables[target].sql} p WHERE {mine})"
                break


def view_of(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, ShopTable], customer: str
) -> CustomerView | None:
    """Everything about a customer; `None` where there is no such record."""
    sql = f"SELECT * FROM {tables['customers'].sql} t WHERE t.customer_id = $id"
    record = to_pandas(connection.sql(sql, params={"id": customer}).to_arrow_table())
    if not len(record):
        return None
    plain = {str(name): None if pd.isna(value) else value for name, value in record.iloc[0].items()}
    frames = {}
    for table, where in rows_of(tables):
        instants = [name for name, type_ in table.types.items() if type_ == "TIMESTAMP"]
        order = ", ".join(f"t.{quoted(name)}" for name in (*instants[:1], *table.key)) or "ALL"
        sql = f"SELECT * FROM {table.sql} t WHERE {where} ORDER BY {order}"
        frames[table.name] = to_pandas(connection.sql(sql, params={"id": customer}).to_arrow_table())
    return CustomerView(customer, plain, frames)
