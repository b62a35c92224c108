"""Make the shipped data sets, their manifest and the data dictionary.

`python datasets/build.py` writes them; `--check` only compares and fails on anything stale. The files are the same bit
for bit on every machine: Philox words are the only chance in them, and only + - * / and comparisons touch these.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from crmkit import schema
from crmkit.texts import LANGUAGES, in_language, text

HERE = Path(__file__).parent
GENERATOR = "1"  # counts up when the same seed would give other rows
Rows = list[tuple[Any, ...]]
T = TypeVar("T")

# --- the ten customers: the numbers of lesson 1 and of the metric tests stand on these days --------------------------

TEN_COLUMNS = ("order_id", "customer_id", "ordered_at", "channel", "status", "net_amount")
TEN_ORDERS = (
    ("A", "2025-12-05 11:00", "web", 5500),
    ("B", "2025-12-20 14:30", "store", 4400),
    ("J", "2026-01-05 10:30", "app", 9900),
    ("C", "2026-01-10 13:00", "app", 8800),
    ("D", "2026-01-15 16:00", "phone", 4400),
    ("D", "2026-02-01 15:30", "phone", 5500),
    ("E", "2026-02-05 12:00", "web", 6600),
    ("C", "2026-02-10 13:30", "app", 8800),
    ("F", "2026-02-20 17:00", "store", 4400),
    ("G", "2026-03-02 10:00", "web", 6600),
    ("A", "2026-03-03 11:30", "store", 5500),
    ("H", "2026-03-05 18:00", "phone", 4400),
    ("E", "2026-03-08 12:30", "web", 7700),
    ("C", "2026-03-10 13:00", "app", 9900),
    ("G", "2026-03-20 10:30", "app", 3300),
    ("I", "2026-03-25 15:00", "store", 12100),
    ("J", "2026-03-30 11:00", "app", 8800),
)


def ten_customers() -> Rows:
    """One row per order, in the order of time."""
    return [
        (f"O{number:02}", customer, at, channel, "completed", net)
        for number, (customer, at, channel, net) in enumerate(TEN_ORDERS, start=1)
    ]


# --- the salon ------------------------------------------------------------------------------------------------------

SALON_SEED = 20240101
SALON_COLUMNS = (
    "order_id", "customer_id", "ordered_at", "channel", "status", "is_test",
    "gross_amount", "discount_amount", "net_amount", "refund_amount",
)  # fmt: skip
FIRST_DAY, LAST_DAY = date(2024, 1, 4), date(2026, 3, 31)
DAYS = (LAST_DAY - FIRST_DAY).days + 1
CUSTOMERS, REGULARS_AT_START = 600, 230
CHANNELS, CHANNEL_SHARES = ("store", "web", "app", "phone"), (0.34, 0.32, 0.20, 0.14)
ONCE_ONLY = {"store": 0.28, "web": 0.36, "app": 0.16, "phone": 0.24}
WEEKDAYS = (0, 2, 2, 2, 3, 6, 5)  # how busy Monday (closed) to Sunday are
HOURS = tuple(range(20, 38))  # half hours: 10:00 to 18:30
BUSY = (2, 2, 3, 3, 2, 2, 3, 3, 4, 4, 4, 3, 3, 3, 2, 2, 2, 1)
MENU, MENU_SHARES = (4500, 6800, 9800, 12500, 15800), (0.38, 0.12, 0.28, 0.14, 0.08)
EXTRAS, EXTRA_SHARES = (0, 1500, 3200), (0.66, 0.20, 0.14)
WORDS_FIXED, WORDS_PER_VISIT, VISITS_MOST = 16, 16, 48


def uniforms(customer: int) -> np.ndarray:
    """The customer's own draws in [0, 1), each in a fixed place: nobody else's fate changes them."""
    words = np.random.Philox(key=[SALON_SEED, 0], counter=[0, 0, 0, customer]).random_raw(
        WORDS_FIXED + WORDS_PER_VISIT * VISITS_MOST
    )
    return (words >> np.uint64(11)) * 2.0**-53


def pick(values: Sequence[T], weights: Sequence[float], u: float) -> T:
    """Inverse of the distribution that the weights give."""
    left = u * sum(weights)
    for value, weight in zip(values, weights, strict=True):
        if left < weight:
            return value
        left -= weight
    return values[-1]


def open_day(day: int, u: float) -> int | None:
    """A day near the wished one on which the salon is open; weekends are liked best. `None` after the last day."""
    near = [other for other in range(day - 3, day + 4) if 0 <= other < DAYS]
    dates = [FIRST_DAY + timedelta(other) for other in near]
    liked = [0 if (at.month, at.day) in {(12, 31), (1, 1), (1, 2), (1, 3)} else WEEKDAYS[at.weekday()] for at in dates]
    return pick(near, liked, u) if near and sum(liked) else None


def visits(customer: int) -> Iterator[tuple[object, ...]]:
    """One customer's orders: (customer, at, channel, status, gross, discount, net, refund)."""
    u = uniforms(customer)
    channel = pick(CHANNELS, CHANNEL_SHARES, u[0])
    stays = u[1] >= ONCE_ONLY[channel]
    regular = u[2] < 0.76
    rhythm = 35 + 21 * u[3] if regular else 70 + 80 * u[3]  # days between visits
    leaving = 0.025 if regular else 0.08  # after each visit
    usual = pick(MENU, MENU_SHARES, u[4])
    wish = 45 * u[5] if customer < REGULARS_AT_START else DAYS * u[5]
    for visit in range(VISITS_MOST):
        v = u[WORDS_FIXED + WORDS_PER_VISIT * visit :]
        day = open_day(int(wish), v[0])
        if day is None:
            return
        at = datetime.combine(FIRST_DAY + timedelta(day), time()) + timedelta(minutes=30 * pick(HOURS, BUSY, v[1]))
        cancelled = v[2] < 0.04
        where = channel if v[3] < 0.85 else pick(CHANNELS, CHANNEL_SHARES, v[4])
        yield customer, at, where, "cancelled" if cancelled else "completed", *money(visit, usual, where, v)
        if not stays or v[5] < leaving:
            return
        wish = day + (7 if cancelled else rhythm * (0.7 + 0.3 * (v[6] + v[7])))


def money(visit: int, usual: int, channel: str, v: np.ndarray) -> tuple[int, int, int, int]:
    """Gross, discount, net and refund of one order in whole yen."""
    gross = (usual if v[8] < 0.7 else pick(MENU, MENU_SHARES, v[9])) + pick(EXTRAS, EXTRA_SHARES, v[10])
    percent = 20 if visit == 0 and channel == "web" else 10 if v[11] < 0.12 else 0
    discount = gross * percent // 100
    net = gross - discount
    refund = 0 if v[12] >= 0.012 else net if v[13] < 0.5 else net // 2
    return gross, discount, net, refund


def salon() -> Rows:
    """One row per order, in the order of time; the till is tried out once a quarter."""
    orders = [order for customer in range(CUSTOMERS) for order in visits(customer)]
    trials = [datetime(year, month, 5, 9, 30) for year in (2024, 2025, 2026) for month in (1, 4, 7, 10)]
    orders += [(-1, at, "store", "completed", 100, 0, 100, 0) for at in trials if at.date() <= LAST_DAY]
    orders.sort(key=lambda order: (order[1], order[0]))
    seen: dict[object, str] = {-1: "C0000"}  # ids in the order of the first visit, as a till would give them
    for customer, *_ in orders:
        seen.setdefault(customer, f"C{len(seen):04}")
    return [
        (
            f"S{number:05}",
            seen[customer],
            f"{at:%Y-%m-%d %H:%M}",
            channel,
            status,
            str(customer == -1).lower(),
            *amounts,
        )
        for number, (customer, at, channel, status, *amounts) in enumerate(orders, start=1)
    ]


# --- files ----------------------------------------------------------------------------------------------------------

SETS = {
    "ten_customers": (TEN_COLUMNS, ten_customers, None),
    "salon": (SALON_COLUMNS, salon, SALON_SEED),
}


def files() -> dict[str, bytes]:
    """Every generated file of this folder, by its path."""
    made: dict[str, bytes] = {}
    entries = []
    for name, (columns, rows_of, seed) in SETS.items():
        rows = rows_of()
        data = as_csv(columns, rows)
        made[f"{name}/orders.csv"] = data
        entries.append(
            {
                "file": f"{name}/orders.csv",
                "scenario": name,
                "seed": seed,
                "rows": len(rows),
                "sha256": hashlib.sha256(data).hexdigest(),
                "generator": GENERATOR,
            }
        )
    made["manifest.json"] = (json.dumps(entries, indent=2) + "\n").encode()
    made["README.md"] = dictionary({entry["scenario"]: entry["rows"] for entry in entries}).encode()
    return made


def as_csv(columns: Sequence[str], rows: Rows) -> bytes:
    """The table as CSV with line feeds on every system."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue().encode()


def dictionary(rows: dict[str, int]) -> str:
    """The data dictionary in both languages, from the data model and its labels."""
    parts = ["<!-- made by datasets/build.py: do not edit -->\n"]
    for code in LANGUAGES:
        with in_language(code):
            parts += [f"# {text('dictionary.title')}\n", text("dictionary.intro") + "\n", *shipped(rows)]
            for table in schema.TABLES.values():
                parts += table_page(table)
            parts += [f"## {text('dictionary.truth')}\n", text("dictionary.truth_intro") + "\n"]
            for table in schema.TRUTH.values():
                parts += table_page(table, truth=True)
    return "\n".join(parts)


def shipped(rows: dict[str, int]) -> list[str]:
    """What the small sets are."""
    lines = [
        f"## {text('dictionary.shipped')}\n",
        text("dictionary.shipped_intro") + "\n",
        markdown(*(text(f"dictionary.head.{word}") for word in ("set", "content", "rows"))),
        markdown("---", "---", "---"),
    ]
    return [*lines, *(markdown(f"`{name}`", text(f"dictionary.{name}"), f"{rows[name]:,}") for name in SETS), ""]


def table_page(table: schema.Table, truth: bool = False) -> list[str]:
    """One table of the model; those of the truth stand one level lower and have labels of their own."""
    heads = ("column", "meaning", "kind", "unit", "needed", "allowed")
    label = text(f"truth_table.{table.name}" if truth else f"table.{table.name}")
    lines = [
        f"{'###' if truth else '##'} {table.name} ({label})\n",
        text("dictionary.key", key=", ".join(f"`{name}`" for name in table.key)) + "\n",
        markdown(*(text(f"dictionary.head.{head}") for head in heads)),
        markdown(*("---" for _ in heads)),
    ]
    for column in table.columns:
        place = f"{table.name}.{column.name}"
        lines.append(
            markdown(
                f"`{column.name}`",
                text(f"truth_column.{place}" if truth else f"column.{place}"),
                text(f"dictionary.kind.{column.kind}"),
                text(f"dictionary.unit.{re.sub(r'[^A-Za-z0-9]+', '_', column.unit)}") if column.unit else "",
                "●" if column.required else "",
                ", ".join(f"`{word}`" for word in column.allowed),
            )
        )
    return [*lines, ""]


def markdown(*cells: str) -> str:
    """One row of a Markdown table."""
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def main() -> int:
    """Write or compare; 1 if anything is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, fail on anything stale")
    check = parser.parse_args().check
    stale = [
        name for name, data in files().items() if not (HERE / name).is_file() or (HERE / name).read_bytes() != data
    ]
    if check:
        print("\n".join(f"stale: datasets/{name}" for name in stale), end="\n" if stale else "")
        return int(bool(stale))
    for name, data in files().items():
        (HERE / name).parent.mkdir(exist_ok=True)
        (HERE / name).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
