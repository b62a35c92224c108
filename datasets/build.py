"""Make the shipped data sets, their manifest and the data dictionary.

`python datasets/build.py` writes them; `--check` only compares and fails on anything stale. The files are the same bit
for bit on every machine, as the simulator's worlds are.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crmkit import schema, simulate
from crmkit.simulator.plan import FORMAT
from crmkit.texts import LANGUAGES, in_language, text

HERE = Path(__file__).parent
Rows = list[tuple[Any, ...]]

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


# --- simulated shops ------------------------------------------------------------------------------------------------

SIMULATED = {"salon": {"scenario": "salon", "customers": 500, "weeks": 117, "seed": 7}}


def simulated(name: str) -> dict[str, bytes]:
    """Every file of a simulated set: all tables as CSV, the truth apart, and the manifest that `crmkit.load` reads."""
    with tempfile.TemporaryDirectory() as folder:
        saved = simulate(**SIMULATED[name]).save(Path(folder, name), format="csv")
        found = sorted(path for path in saved.rglob("*") if path.is_file())
        return {path.relative_to(saved).as_posix(): path.read_bytes() for path in found}


# --- files ----------------------------------------------------------------------------------------------------------


def files() -> dict[str, bytes]:
    """Every generated file of this folder, by its path."""
    ten = ten_customers()
    made = {"ten_customers/orders.csv": as_csv(TEN_COLUMNS, ten)}
    entries = [entry("ten_customers", made["ten_customers/orders.csv"], len(ten))]
    rows = {"ten_customers": len(ten)}
    for name, facts in SIMULATED.items():
        parts = simulated(name)
        made |= {f"{name}/{file}": data for file, data in parts.items()}
        manifest = json.loads(parts["manifest.json"])
        rows[name] = manifest["tables"]["orders"]["rows"]
        for said in (*manifest["tables"].values(), *manifest["truth"].values()):
            for file in said["files"]:
                data = parts[file["file"]]
                entries.append(entry(name, data, said["rows"], file=file["file"], **facts, content=said["hash"]))
    made["manifest.json"] = (json.dumps(entries, indent=2) + "\n").encode()
    made["README.md"] = dictionary(rows).encode()
    return made


def entry(name: str, data: bytes, rows: int, file: str = "orders.csv", **facts: object) -> dict[str, object]:
    """What the manifest says of a file."""
    found = {"file": f"{name}/{file}", "scenario": name, "seed": None, **facts, "rows": rows}
    return {**found, "sha256": hashlib.sha256(data).hexdigest(), "version": FORMAT}


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
    return [*lines, *(markdown(f"`{name}`", text(f"dictionary.{name}"), f"{rows[name]:,}") for name in rows), ""]


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
    for name in SIMULATED:
        shutil.rmtree(HERE / name, ignore_errors=True)
    for name, data in files().items():
        (HERE / name).parent.mkdir(parents=True, exist_ok=True)
        (HERE / name).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
