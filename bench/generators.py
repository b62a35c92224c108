"""Other makers of customer data, each timed on rows, in a throw-away environment beside crmkit's.

`ask` runs this same file inside it, where only the peers are there. jafgen and leadforge simulate a shop and a sales
funnel; `faker` is what one writes without them: a loop that asks Faker for every cell.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

ENVIRONMENT = "bench-generators"
TIMES = 3
YEARS = 1
CUSTOMERS = 2_000
ORDERS = 10  # at most, of a customer of the Faker loop


def ask(peer: str, root: Path) -> dict[str, Any]:
    """`rows` that a peer makes and writes, its `seconds` and `cpu_seconds` (medians), or `missing`: why it cannot."""
    import peers

    return peers.inside(ENVIRONMENT, root, __file__, peer)


def _jafgen() -> int:
    """A year of cafés, as `jafgen 1` makes it."""
    from jafgen.simulation import Simulation

    simulation = Simulation(YEARS, "raw")
    simulation.run_simulation()
    simulation.save_results()
    return sum(_lines(file) for file in Path("jaffle-data").glob("*.csv"))


def _leadforge() -> int:
    """A sales funnel, as `leadforge generate` makes it."""
    import pyarrow.parquet as pq
    from leadforge.api.generator import Generator

    made = Generator.from_recipe(
        "b2b_saas_procurement_v1", seed=7, exposure_mode="research_instructor",
        n_accounts=CUSTOMERS // 2, n_contacts=CUSTOMERS, n_leads=CUSTOMERS,
    ).generate()  # fmt: skip
    made.save("bundle")
    return sum(pq.read_metadata(file).num_rows for file in Path("bundle", "tables").glob("*.parquet"))


def _faker() -> int:
    """Customers and their orders, row by row and cell by cell."""
    from faker import Faker

    Faker.seed(7)
    fake = Faker("ja_JP")
    channels, states = ("web", "store", "app", "phone"), ("completed", "cancelled")
    customers = (
        [
            number, fake.name(), fake.kana_name(), fake.email(), fake.phone_number(), fake.zipcode(), fake.address(),
            fake.date_of_birth(minimum_age=16, maximum_age=90), fake.date_time_between("-2y"),
        ]
        for number in range(CUSTOMERS)
    )  # fmt: skip
    orders = (
        [
            fake.uuid4(), number, fake.date_time_between("-2y"), fake.random_element(channels),
            fake.random_element(states), fake.word(), fake.random_int(1_000, 20_000),
        ]
        for number in range(CUSTOMERS)
        for _ in range(fake.random_int(0, ORDERS))
    )  # fmt: skip
    return _written("customers.csv", customers) + _written("orders.csv", orders)


def _written(name: str, rows: Iterable[list[Any]]) -> int:
    count = 0
    with open(name, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for row in rows:
            writer.writerow(row)
            count += 1
    return count


def _lines(file: Path) -> int:
    with file.open(newline="", encoding="utf-8") as lines:
        return sum(1 for _ in csv.reader(lines)) - 1


PEERS: dict[str, Callable[[], int]] = {"jafgen": _jafgen, "leadforge": _leadforge, "faker": _faker}


def _inside(peer: str) -> None:
    """In the peers' environment: time one of them and print what it made."""
    times, cpu_times, rows = [], [], 0
    home = os.getcwd()
    for _ in range(TIMES):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            begun, cpu_begun = time.perf_counter(), time.process_time()
            rows = PEERS[peer]()
            times.append(time.perf_counter() - begun)
            cpu_times.append(time.process_time() - cpu_begun)
            os.chdir(home)
    print(json.dumps({"rows": rows, "seconds": median(times), "cpu_seconds": median(cpu_times)}))


if __name__ == "__main__":
    _inside(*sys.argv[1:])
