"""A toy shop for the tests of the defects, and the way back from spoilt tables to clean ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crmkit import schema

Tables = Mapping[str, pa.Table]
Row = dict[str, Any]
FAMILY = [("高橋", "タカハシ"), ("山田", "ヤマダ"), ("渡辺", "ワタナベ"), ("斎藤", "サイトウ"), ("小川", "オガワ")]
GIVEN = [("遥", "ハルカ"), ("健", "ケン"), ("真一", "シンイチ"), ("香", "カオリ")]


# Rows stand by customer and then by time, as the simulator gives them


def shop(size: int = 2_000) -> dict[str, pa.Table]:
    rng = np.random.default_rng(3)
    customers, orders = _customers(rng, size), _orders(rng, size)
    tables = {"customers": customers, "orders": orders, "subscriptions": _subscriptions(orders)}
    tables["tickets"] = _of_orders(rng, orders, "ticket_id", 0.2, created_at=2)
    tables["survey_responses"] = _surveys(rng, orders)
    tables["interactions"] = _interactions(rng, orders, tables["tickets"])
    return tables


def _customers(rng: np.random.Generator, size: int) -> pa.Table:
    family, given = rng.integers(0, len(FAMILY), size), rng.integers(0, len(GIVEN), size)
    born = np.datetime64("1935-01-01") + rng.integers(0, 27_000, size)
    return pa.table(
        {
            "customer_id": ids_of("C", size),
            "name": [f"{FAMILY[f][0]} {GIVEN[g][0]}" for f, g in zip(family, given, strict=True)],
            "name_kana": [f"{FAMILY[f][1]} {GIVEN[g][1]}" for f, g in zip(family, given, strict=True)],
            "email": [f"someone.{n}@example.jp" for n in range(size)],
            "phone": [f"03-0000-{n % 10_000:04}" for n in range(size)],
            "postal_code": [f"{n % 1_000:03}-{n % 9_999:04}" for n in range(size)],
            "prefecture": pa.array(rng.choice(["東京都", "大阪府", "北海道"], size)).dictionary_encode(),
            "birth_date": pa.array(np.where(rng.random(size) < 0.1, np.datetime64("NaT"), born)),
            "gender": rng.choice(["female", "male"], size),
            "registered_at": pa.array(_start(size).astype("datetime64[us]")),
            "source_system": rng.choice(["ec", "pos", "call_center"], size),
            "member_since": pa.array(_start(size).astype("datetime64[us]")),
            "member_tier": rng.choice(["regular", "gold"], size),
        }
    )


def _start(size: int) -> np.ndarray[Any, Any]:
    return np.datetime64("2024-01-01T10:00:00") + np.arange(size) % 300 * np.timedelta64(1, "D")


def _orders(rng: np.random.Generator, size: int) -> pa.Table:
    count = rng.integers(0, 8, size)
    whose = np.repeat(np.arange(size), count)
    number = np.arange(len(whose)) - np.repeat(np.cumsum(count) - count, count)
    rows = len(whose)
    at = (_start(size)[whose] + number * np.timedelta64(30, "D") + rng.integers(1, 86_400, rows)).astype(
        "datetime64[us]"
    )
    net = rng.integers(1, 90, rows) * 110.0
    refunded = rng.random(rows) < 0.1
    bound = (whose % 5 == 0) & (number >= 1)  # of every fifth customer the second and third are one subscription, …
    contract = [f"S{w:07}-{n // 3}" if b else None for w, n, b in zip(whose, number, bound, strict=True)]
    return pa.table(
        {
            "order_id": ids_of("O", rows),
            "customer_id": pa.array([f"C{n:07}" for n in whose]),
            "ordered_at": pa.array(at),
            "channel": pa.array(rng.choice(["web", "store", "app", "phone"], rows)).dictionary_encode(),
            "gross_amount": net + 100,
            "discount_amount": np.full(rows, 100.0),
            "net_amount": net,
            "refunded_at": pa.array(np.where(refunded, at + np.timedelta64(5, "D"), np.datetime64("NaT"))),
            "subscription_id": pa.array(contract, pa.string()),
        }
    )


def _subscriptions(orders: pa.Table) -> pa.Table:
    bound = orders.filter(orders["subscription_id"].is_valid()).group_by(["subscription_id", "customer_id"])
    first = bound.aggregate([("ordered_at", "min")]).sort_by("subscription_id")
    return first.rename_columns(["subscription_id", "customer_id", "started_at"])


def _of_orders(rng: np.random.Generator, orders: pa.Table, key: str, share: float, **days: int) -> pa.Table:
    """Rows that belong to some of the orders, some days after or before."""
    some = orders.filter(pa.array(rng.random(orders.num_rows) < share))
    ((name, later),) = days.items()
    found = {
        key: ids_of(key[0].upper(), some.num_rows),
        "customer_id": some["customer_id"],
        "order_id": some["order_id"],
        name: pc.add(some["ordered_at"], pa.scalar(timedelta(days=later))),
    }
    if key == "ticket_id":
        found["channel"] = pa.array(rng.choice(["email", "phone", "chat"], some.num_rows))
    return pa.table(found)


def _interactions(rng: np.random.Generator, orders: pa.Table, tickets: pa.Table) -> pa.Table:
    """About orders, and behind them those about tickets."""
    about_orders = _of_orders(rng, orders, "interaction_id", 0.3, occurred_at=-1)
    about_tickets = {
        "interaction_id": ids_of("J", tickets.num_rows),
        "customer_id": tickets["customer_id"],
        "occurred_at": tickets["created_at"],
        "ticket_id": tickets["ticket_id"],
    }
    return pa.concat_tables([about_orders, pa.table(about_tickets)], promote_options="default")


def _surveys(rng: np.random.Generator, orders: pa.Table) -> pa.Table:
    table = _of_orders(rng, orders, "survey_id", 0.3, sent_at=3)
    score = rng.integers(1, 6, table.num_rows).astype(float)
    answered = np.where(rng.random(table.num_rows) < 0.5, np.nan, score)
    extra = {"score": pa.array(answered, from_pandas=True), "scale_min": 1.0, "scale_max": 5.0}
    for name, values in extra.items():
        column = values if isinstance(values, pa.Array) else pa.array(np.full(table.num_rows, values))
        table = table.append_column(name, column)
    return table


def ids_of(letter: str, size: int) -> pa.Array:
    return pa.array([f"{letter}{n:07}" for n in range(size)], pa.string())


def smaller(tables: Tables, size: int) -> dict[str, pa.Table]:
    """The same world with the first customers only."""
    ids = ids_of("C", size)
    return {name: table.filter(pc.is_in(table["customer_id"], ids)) for name, table in tables.items()}


def with_holes(tables: Tables, share: float = 0.2) -> dict[str, pa.Table]:
    """The same tables with empty cells everywhere but in the keys."""
    rng = np.random.default_rng(4)
    holed = dict(tables)
    for name, table in tables.items():
        for at, field in enumerate(table.schema):
            if field.name not in schema.TABLES[name].key:
                keep = pa.array(rng.random(table.num_rows) >= share)
                column = pc.if_else(keep, decoded(table)[field.name], None).cast(field.type)
                holed[name] = holed[name].set_column(at, field, column)
    return holed


def undone(spoilt: Tables, account: pa.Table) -> dict[str, pa.Table]:
    """The clean tables again, from the spoilt ones and the account alone; written apart from what spoils."""
    rows = {name: table.to_pylist() for name, table in spoilt.items()}
    taken = account.to_pylist()
    repeated = [step for step in taken if step["kind"] == "repeated_row"]
    if repeated:
        assert [row["order_id"] for row in rows["orders"][-len(repeated) :]] == [step["row_id"] for step in repeated]
        del rows["orders"][-len(repeated) :]
    _put_back([step for step in taken if step["kind"] == "late"], rows["orders"])
    keys = {name: schema.TABLES[name].key[0] for name in rows}
    found = {(name, row[keys[name]]): row for name, table in rows.items() for row in table}
    for step in reversed(taken):
        if step["kind"] in ("late", "repeated_row"):
            continue
        if step["kind"] == "duplicate" and step["table"] == "customers":
            found[step["table"], step["row_id"]]["is_second"] = True
            continue
        row, kind = found[step["table"], step["row_id"]], spoilt[step["table"]].schema.field(step["column"]).type
        assert row[step["column"]] == _read(step["spoilt"], kind)
        row[step["column"]] = _read(step["original"], kind)
    rows["customers"] = [row for row in rows["customers"] if not row.get("is_second")]
    return {name: pa.Table.from_pylist(rows[name], spoilt[name].schema) for name in rows}


def _put_back(late: list[Row], orders: list[Row]) -> None:
    moved = {int(step["original"]): orders[int(step["spoilt"])] for step in late}
    assert [row["order_id"] for row in moved.values()] == [step["row_id"] for step in late]
    in_time = iter(orders[: len(orders) - len(late)])
    orders[:] = [moved[place] if place in moved else next(in_time) for place in range(len(orders))]


def _read(said: str | None, kind: pa.DataType) -> Any:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.array([said], pa.string()).cast(kind)[0].as_py()


def same(one: Tables, two: Tables) -> bool:
    assert set(one) == set(two)
    return all(decoded(one[name]).equals(decoded(two[name])) for name in one)


def decoded(table: pa.Table) -> pa.Table:
    kinds = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in table.schema]
    return table.cast(pa.schema(zip(table.column_names, kinds, strict=True)))
