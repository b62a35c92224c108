"""A world that is computed in a moment, in many small blocks: to see how worlds are written, not how they are made.

As a program it writes one, so that it can be killed:

    python -m tests.small_world OUT FORMAT WORKERS SLOWNESS   from outside, at any moment
    python -m tests.small_world every-step OUT FORMAT STRIDE  by itself, before every (other) change on the disk
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from crmkit.datasets.formats import Place, read_pieces
from crmkit.datasets.hashes import fingerprint
from crmkit.datasets.manifest import Format, read_manifest
from crmkit.simulator.exact import customer_keys, pick, three, words
from crmkit.simulator.generate import generate

WORDS = ("", "thanks", '"quoted", with a comma', "two\nlines", "=1+1", "とても満足です", None)


@dataclass(frozen=True)
class SmallBlock:
    """The tables of some customers."""

    tables: dict[str, pa.Table]
    truth: dict[str, pa.Table]
    totals: dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class SmallWorld:
    """A plan of `customers` customers, `size` in a block, each block `slowness` seconds in the making."""

    customers: int = 200
    size: int = 10
    seed: int = 7
    slowness: float = 0.0
    changes: Mapping[str, float] = field(default_factory=dict)

    @property
    def blocks(self) -> int:
        """How many blocks."""
        return -(-self.customers // self.size)

    @property
    def facts(self) -> dict[str, Any]:
        """What is being made."""
        return {
            "scenario": "small", "customers": self.customers, "weeks": 4, "seed": self.seed,
            "levers": dict(self.changes), "locale": "ja_JP", "zone": "Asia/Tokyo",
        }  # fmt: skip

    def block(self, number: int) -> SmallBlock:
        """One block."""
        time.sleep(self.slowness)
        deadly = Path(os.environ.get("SMALL_WORLD_DEADLY", "-"))
        if deadly.exists() and number == 3:  # once
            deadly.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        numbers = np.arange(number * self.size, min(self.customers, (number + 1) * self.size))
        keys = customer_keys(self.seed, numbers)
        u, v, w = three(words(keys, 1))
        ids = np.char.add("C", np.char.zfill(numbers.astype(str), 6))
        born = pa.array((u * 20_000).astype("int32"), pa.int32()).cast(pa.date32())
        tier = pa.DictionaryArray.from_arrays(pick(v, [1, 1, 1]).astype(np.int32), ["none", "silver", "gold"])
        customers = {
            "customer_id": pa.array(ids),
            "birth_date": born,
            "member_tier": tier,
            "registered_at": pa.array((1_700_000_000_000_000 + numbers * 1_000_001).astype("datetime64[us]")),
            "email_opt_in": pa.array([None if one < 0.1 else bool(one < 0.5) for one in w], pa.bool_()),
        }
        buys = np.repeat(np.arange(len(numbers)), 1 + numbers % 4)
        nth = np.concatenate([np.arange(1 + one % 4) for one in numbers])
        amounts = np.round(u[buys] * 10_000) / 3
        orders = {
            "order_id": pa.array([f"O{numbers[who]:06d}-{n}" for who, n in zip(buys, nth, strict=True)]),
            "customer_id": pa.array(ids[buys]),
            "ordered_at": pa.array((1_710_000_000_000_000 + numbers[buys] * 86_400_000_000).astype("datetime64[us]")),
            "net_amount": pa.array(amounts, mask=v[buys] < 0.2),
            "coupon_code": pa.array([WORDS[int(one * len(WORDS))] for one in v[buys]], pa.string()),
        }
        # some tables have rows in few blocks only
        tickets = {
            "ticket_id": pa.array([f"T{one}" for one in numbers if one % 37 == 5], pa.string()),
            "created_at": pa.array([1_720_000_000_000_000 for one in numbers if one % 37 == 5], pa.timestamp("us")),
            "severity": pa.array([None if one % 2 else 3 for one in numbers if one % 37 == 5], pa.int64()),
        }
        truth = {"customer_id": pa.array(ids), "satisfaction": pa.array(u)}
        totals = {"orders": np.bincount(numbers[buys] % 4, minlength=4), "customers": np.array(len(numbers))}
        tables = {"customers": customers, "orders": orders, "tickets": tickets}
        return SmallBlock(
            {name: pa.table(columns) for name, columns in tables.items()}, {"customers": pa.table(truth)}, totals
        )

    def shop(self, totals: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, pa.Table]:
        """The tables of the shop as a whole."""
        count = [*totals["orders"].tolist(), totals["customers"].tolist()]
        products = {"product_id": [f"P{n}" for n in range(len(count))], "list_price": [float(n) for n in count]}
        return {"products": pa.table(products)}

    def truth(self) -> dict[str, pa.Table]:
        """The truth about the shop as a whole."""
        return {"effects": pa.table({"effect_name": ["none"], "true_value": [0.0]})}


def content(out: Path) -> dict[str, str]:
    """The fingerprint of each table, after every file was read: it fails unless all is as the manifest says."""
    manifest = read_manifest(out)
    found = {}
    for is_truth, tables in ((False, manifest.tables), (True, manifest.truth or {})):
        for name, table in tables.items():
            place = Place(name, is_truth)
            files = (read_pieces(manifest.format, out / file.file, place, table.columns) for file in table.files)
            found[place.path] = fingerprint(chain.from_iterable(files))
            assert found[place.path] == table.hash
    assert len(found) == 6
    return found


def neighbours(out: Path) -> list[str]:
    """What there is beside an output: nothing, when a run is over."""
    return sorted(path.name for path in out.parent.iterdir() if path != out)


_CHANGES = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir")


def every_step(out: Path, format: Format, stride: int) -> int:
    """Kill a run before its first change on the disk, another before its second, and so on; finish each of them.

    Every other one replaces an output that is there. Returns how many steps a run has.
    """
    os.fsync = lambda _: None  # a killed process loses nothing; a power cut is not tried here
    world, other = SmallWorld(customers=20), SmallWorld(customers=20, seed=8)
    old, new = (
        content(generate(one, out.with_name(name), workers=1)) for one, name in ((other, "old"), (world, "new"))
    )
    for name in ("old", "new"):
        shutil.rmtree(out.with_name(name))
    for step in count(1, stride):
        overwrite = step // stride % 2 == 0
        if overwrite:
            generate(other, out, workers=1)
        killed = _forked(world, out, format, overwrite, step) != 0
        assert not out.exists() or content(out) in ([old, new] if overwrite else [new])
        if _forked(world, out, format, overwrite, 0) == 0:
            assert neighbours(out) == []
        else:  # refused, since it is there: only sweeping up was left to do
            assert not overwrite
            assert neighbours(out) in ([], [".out.lock"])
        assert content(out) == new
        shutil.rmtree(out)
        if not killed:
            return step - 1
    raise AssertionError


def _forked(world: SmallWorld, out: Path, format: Format, overwrite: bool, step: int) -> int:
    """Write a world in a process of its own that ends itself before a step."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    seen = 0

    def watch(event: str, details: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in _CHANGES and str(out.parent) in str(details[0]):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    code = 1
    try:
        generate(world, out, format=format, workers=1, overwrite=overwrite)
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    if sys.argv[1] == "every-step":
        print(every_step(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))  # type: ignore[arg-type]
    else:
        out, format, workers, slowness = sys.argv[1:]
        generate(
            SmallWorld(slowness=float(slowness)), Path(out), format=format, workers=int(workers),  # type: ignore[arg-type]
            progress=lambda progress: print(progress.finished, progress.table, flush=True),
        )  # fmt: skip
