"""The simulator: worlds to disk beside the wall, their memory, worlds in memory, and beside other makers of data.

The wall is pyarrow writing the same tables with the same settings from as many processes, with nothing to compute: no
simulator that writes these files can be faster. Each measurement is a process of its own, from its start to its end,
imports included; what is seen from outside (seconds, memory of the process and those it started) is taken here, the
rest is what it prints. As a program this file is those processes:

    python bench/simulator.py generate CUSTOMERS FOLDER    a salon, all tables to Parquet
    python bench/simulator.py write BLOCK FOLDER           the wall: one block's tables, again and again
    python bench/simulator.py simulate CUSTOMERS           in memory, all tables
    python bench/simulator.py compare CUSTOMERS            both worlds of a widget
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

SCENARIO, WEEKS, SEED, PROCESSES = "salon", 104, 7, 2
LEVER = "first_reply_hours"
ROW_GROUP = 1 << 17
AGAIN = 5  # times that a world is made anew in the same process
FRESH = 3  # processes
LOOKS_PER_SECOND = 10
MOST_OF_THE_WALL = 3.0
MOST_MEMORY_MB = 500
LEAST_ROWS_PER_SECOND = 1_000_000
LEAST_OF_A_PEER = 50
MOST_SECONDS = {"simulate": {2_000: 0.3, 10_000: 1.0}, "compare": {10_000: 0.3}}

Say = Callable[[str], None]
Found = list[dict[str, Any]]


# --- on the disk ------------------------------------------------------------------------------------------------------


def measure_on_disk(sizes: list[int], folder: Path, into: Found, say: Say) -> None:
    """Worlds of these sizes, each in turns with its wall; `missing` says why there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    for customers in sorted(sizes):
        into.append(_turns(customers, folder, say))


def _turns(customers: int, folder: Path, say: Say) -> dict[str, Any]:
    times = 3 if 10_000 <= customers <= 200_000 else 1  # the smallest only show that it runs, the largest are long
    ours: list[dict[str, Any]] = []
    wall: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=folder) as place:
        world, block, copy = (Path(place) / name for name in ("world", "block", "copy"))
        for turn in range(times):
            say(f"simulator: {customers:,} customers to disk, turn {turn + 1} of {times}")
            ours.append(_watched(["generate", str(customers), str(world)]))
            if "missing" in ours[-1]:
                return {"customers": customers, **ours[-1]}
            _lay_out(world, block)
            wall.append(_watched(["write", str(block), str(copy)]))
            if "missing" in wall[-1]:
                return {"customers": customers, **wall[-1]}
            for used in (world, block, copy):
                shutil.rmtree(used)
    result: dict[str, Any] = {"customers": customers, "turns": times}
    for name in ("rows", "bytes", "seconds", "cpu_seconds"):
        result[name] = median(one[name] for one in ours)
        result[f"wall_{name}"] = median(one[name] for one in wall)
    return {
        **result,
        "memory_mb": max((one["memory_mb"] for one in ours if one["memory_mb"] is not None), default=None),
        "others": median(one["others"] for one in ours) if ours[0]["others"] is not None else None,
        "ratio": result["seconds"] / result["wall_seconds"],
        "cpu_ratio": result["cpu_seconds"] / result["wall_cpu_seconds"],
    }


def _watched(command: list[str]) -> dict[str, Any]:
    """Run this file as a program: what it prints, its seconds, and the most memory it took with all it started.

    `others`: so many cores had other work meanwhile, on average; with none to spare, `seconds` say little.
    """
    begun, memory, busy = time.perf_counter(), 0.0, _busy_seconds()
    with tempfile.TemporaryFile("w+") as told, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen([sys.executable, __file__, *command], stdout=told, stderr=errors)
        while True:
            try:
                code = process.wait(1 / LOOKS_PER_SECOND)
                break
            except subprocess.TimeoutExpired:
                memory = max(memory, _memory_mb(process.pid))
        seconds = time.perf_counter() - begun
        busy = None if busy is None else _busy_seconds() - busy
        told.seek(0)
        errors.seek(0)
        if code:
            return {"missing": (errors.read().strip() or f"exit code {code}").splitlines()[-1][:200]}
        found = json.loads(told.read().splitlines()[-1])
    others = None if busy is None else max(0.0, busy - found["cpu_seconds"]) / seconds
    return {**found, "seconds": seconds, "memory_mb": memory or None, "others": others}


def _busy_seconds() -> float | None:
    """Seconds of all cores that had work since the machine started; `None` where no `/proc` tells."""
    try:
        told = Path("/proc/stat").read_text().split()
    except OSError:
        return None
    user, nice, system, _, _, interrupts, soft = map(int, told[1:8])
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")


def _memory_mb(process: int) -> float:
    """What a process and all below it hold; of what several share, each counts its part. 0 where no `/proc` tells."""
    here = Path("/proc") / str(process)
    try:
        told = (here / "smaps_rollup").read_text()
        below = (here / "task" / str(process) / "children").read_text().split()
    except OSError:
        return 0.0  # gone by now
    own = next(int(line.split()[1]) for line in told.splitlines() if line.startswith("Pss:"))
    return own / 1024 + sum(_memory_mb(int(one)) for one in below)


def _generate(customers: int, out: Path) -> dict[str, Any]:
    from crmkit.simulator.generate import generate
    from crmkit.simulator.plan import plan

    made = plan(SCENARIO, customers=customers, weeks=WEEKS, seed=SEED)
    generate(made, out, format="parquet", workers=PROCESSES)
    rows = sum(table["rows"] for _, table in _tables(out))
    return {"rows": rows, "bytes": _bytes(out)}


# --- the wall ---------------------------------------------------------------------------------------------------------


def _lay_out(world: Path, block: Path) -> None:
    """The first part of every table where the wall has it in memory at no cost, and how all parts were written."""
    import pyarrow.feather
    import pyarrow.parquet as pq

    jobs = []
    for name, table in _tables(world):
        file = world / table["files"][0]["file"]
        settings = _settings(pq.read_metadata(file))
        words = [column.name for column in pq.read_schema(file) if str(column.type) == "string"]
        coded = [column for column in settings["use_dictionary"] if column in words]
        target = block / f"{name}.arrow"
        target.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.feather.write_feather(pq.read_table(file, read_dictionary=coded), target, compression="uncompressed")
        jobs.append({"name": name, "settings": settings, "rows": [one["rows"] for one in table["files"]]})
    (block / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")


def _write(block: Path, out: Path) -> dict[str, Any]:
    """Write as many parts with as many rows as the world has, each from the tables of its first block."""
    parts = max(len(job["rows"]) for job in json.loads((block / "jobs.json").read_text(encoding="utf-8")))
    context = multiprocessing.get_context("spawn")
    with context.Pool(PROCESSES) as pool:
        rows = sum(pool.imap_unordered(_write_part, [(block, out, number) for number in range(parts)]))
        pool.close()
        pool.join()
    return {"rows": rows, "bytes": _bytes(out)}


def _write_part(job: tuple[Path, Path, int]) -> int:
    import pyarrow.parquet as pq

    block, out, number = job
    written = 0
    for name, settings, rows, table in _read_block(block):
        if number < len(rows):
            file = out / f"{name}-{number:05}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            piece = table.slice(0, rows[number])
            pq.write_table(piece, file, row_group_size=ROW_GROUP, **settings)
            written += len(piece)
    return written


@cache
def _read_block(block: Path) -> list[tuple[str, dict[str, Any], list[int], Any]]:
    import pyarrow as pa

    return [
        (job["name"], job["settings"], job["rows"], pa.ipc.open_file(pa.memory_map(str(file))).read_all())
        for job in json.loads((block / "jobs.json").read_text(encoding="utf-8"))
        for file in [block / f"{job['name']}.arrow"]
    ]


def _tables(world: Path) -> list[tuple[str, dict[str, Any]]]:
    manifest = json.loads((world / "manifest.json").read_text(encoding="utf-8"))
    return [*manifest["tables"].items(), *((f"truth/{name}", one) for name, one in manifest["truth"].items())]


def _settings(metadata: Any) -> dict[str, Any]:
    """The settings of a Parquet file that write it again."""
    coded: list[str] = []
    delta: dict[str, str] = {}
    compression = "NONE"
    if metadata.num_row_groups:
        group = metadata.row_group(0)
        for at in range(group.num_columns):
            column = group.column(at)
            compression = column.compression
            special = [one for one in column.encodings if one.startswith("DELTA")]
            if special:
                delta[column.path_in_schema] = special[0]
            elif "RLE_DICTIONARY" in column.encodings:
                coded.append(column.path_in_schema)
    return {"use_dictionary": coded, "column_encoding": delta, "compression": compression, "store_schema": False}


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.parquet"))


# --- in memory --------------------------------------------------------------------------------------------------------


def measure_in_memory(sizes: list[int], into: Found, say: Say) -> None:
    """Seconds for worlds in memory and for comparing two: the first time in a process, and again."""
    for verb, customers in [*(("simulate", size) for size in sizes), ("compare", max(sizes))]:
        say(f"simulator: {verb}, {customers:,} customers")
        told = [_watched([verb, str(customers)]) for _ in range(FRESH)]
        missing = next((one["missing"] for one in told if "missing" in one), None)
        if missing is not None:
            into.append({"what": verb, "customers": customers, "missing": missing})
            continue
        for what in told[0]["again"]:
            row: dict[str, Any] = {"what": what, "customers": customers}
            if what in told[0]["first"]:
                row["first"] = median(one["first"][what] for one in told)
            row["again"] = median(second for one in told for second in one["again"][what])
            row["others"] = median(one["others"] for one in told) if told[0]["others"] is not None else None
            into.append({**row, "target": MOST_SECONDS[verb].get(customers)})


def _simulate(customers: int) -> dict[str, Any]:
    begun = time.perf_counter()
    import crmkit

    first = _lived(crmkit, customers, begun)
    again = [_lived(crmkit, customers) for _ in range(AGAIN)]
    return {"first": first, "again": {what: [one[what] for one in again] for what in first}}


def _lived(crmkit: Any, customers: int, begun: float | None = None) -> dict[str, float]:
    """Seconds until all tables are there as Arrow, and until they are there as pandas tables too."""
    gc.collect()
    begun = time.perf_counter() if begun is None else begun
    crm = crmkit.simulate(SCENARIO, customers=customers, weeks=WEEKS, seed=SEED)
    for name in crm.tables:
        crm.arrow(name)
    arrow = time.perf_counter()
    for name in crm.tables:
        crm.tables[name]
    return {"simulate, Arrow": arrow - begun, "simulate, pandas": time.perf_counter() - begun}


def _compare(customers: int) -> dict[str, Any]:
    """Both worlds, and a step of a slider, for which the world as it was is remembered."""
    begun = time.perf_counter()
    import crmkit

    first = _compared(crmkit, customers, 4.0, begun)
    from crmkit.simulator.compare import _remembered

    both, step = [], []
    for nth in range(AGAIN):
        _remembered.clear()
        both.append(_compared(crmkit, customers, 4.0))
        step.append(_compared(crmkit, customers, 4.5 + nth / 2))
    return {"first": {"compare, both worlds": first}, "again": {"compare, both worlds": both, "compare, step": step}}


def _compared(crmkit: Any, customers: int, hours: float, begun: float | None = None) -> float:
    """Seconds for what a widget shows."""
    gc.collect()
    begun = time.perf_counter() if begun is None else begun
    found = crmkit.compare(SCENARIO, {LEVER: hours}, customers=customers, weeks=WEEKS, seed=SEED)
    assert len(found.effects)
    assert len(found.weekly) == WEEKS
    assert found.saved >= found.lost
    return time.perf_counter() - begun


# --- beside others ----------------------------------------------------------------------------------------------------


def measure_peers(on_disk: Found, root: Path, into: Found, say: Say) -> None:
    """Rows per second, and per second of one core, of other makers of data beside those of crmkit's largest world."""
    import generators

    ours = max((one for one in on_disk if "rows" in one), key=lambda one: one["customers"], default=None)
    for peer in generators.PEERS:
        say(f"{peer}: rows")
        theirs = generators.ask(peer, root)
        into.append({"peer": peer, **theirs})
        if "rows" in theirs and ours is not None:
            for ratio, seconds in (("ratio", "seconds"), ("cpu_ratio", "cpu_seconds")):
                into[-1][ratio] = ours["rows"] / ours[seconds] / (theirs["rows"] / theirs[seconds])


# --- said -------------------------------------------------------------------------------------------------------------


def report(found: dict[str, Found]) -> list[str]:
    """What was found, as lines of tables."""
    return [*_said_on_disk(found["on_disk"]), *_said_in_memory(found["in_memory"]), *_said_peers(found["peers"])]


def _said_on_disk(found: Found) -> list[str]:
    if not found:
        return []
    lines = [
        "",
        f"simulator: {SCENARIO}, {WEEKS} weeks, all tables to Parquet, {PROCESSES} processes"
        " (medians; others: cores that had other work)",
        f"  {'customers':>11}{'rows':>13}{'MB':>8}{'seconds':>9}{'CPU s':>8}{'customers/s':>13}{'rows/s':>12}"
        f"{'memory MB':>11}{'others':>8}",
    ]  # fmt: skip
    there = [one for one in found if "missing" not in one]
    lines += [f"  {one['customers']:>11,}  not measured: {one['missing']}" for one in found if "missing" in one]
    for one in there:
        speed = one["rows"] / one["seconds"]
        over = f"  < {LEAST_ROWS_PER_SECOND:,} rows/s" if speed < LEAST_ROWS_PER_SECOND else ""
        over += f"  > {MOST_MEMORY_MB} MB" if (one["memory_mb"] or 0) > MOST_MEMORY_MB else ""
        lines.append(
            f"  {one['customers']:>11,}{one['rows']:>13,.0f}{one['bytes'] / 1e6:>8.0f}{one['seconds']:>9.1f}"
            f"{one['cpu_seconds']:>8.1f}{one['customers'] / one['seconds']:>13,.0f}{speed:>12,.0f}"
            f"{_or_none(one['memory_mb'], '.0f'):>11}{_or_none(one['others']):>8}{over}"
        )
    lines += [
        "  beside the wall: pyarrow writing the same, nothing computed",
        f"  {'customers':>11}{'rows':>13}{'MB':>8}{'seconds':>9}{'CPU s':>8}{'ratio':>8}{'CPU ratio':>11}",
    ]
    for one in there:
        over = f"  > {MOST_OF_THE_WALL:g}" if max(one["ratio"], one["cpu_ratio"]) > MOST_OF_THE_WALL else ""
        lines.append(
            f"  {one['customers']:>11,}{one['wall_rows']:>13,.0f}{one['wall_bytes'] / 1e6:>8.0f}"
            f"{one['wall_seconds']:>9.1f}{one['wall_cpu_seconds']:>8.1f}{one['ratio']:>8.2f}{one['cpu_ratio']:>11.2f}"
            f"{over}"
        )
    return lines


def _said_in_memory(found: Found) -> list[str]:
    if not found:
        return []
    lines = [
        "", "simulator: in memory, seconds (medians; the first time in a process, with its imports, and again)",
        f"  {'':<22}{'customers':>11}{'first':>8}{'again':>8}{'target':>8}{'others':>8}",
    ]  # fmt: skip
    for one in found:
        if "missing" in one:
            lines.append(f"  {one['what']:<22}{one['customers']:>11,}  not measured: {one['missing']}")
            continue
        first = _or_none(one.get("first"), ".2f")
        target, over = ("-", "") if one["target"] is None else (f"{one['target']:g}", f"  > {one['target']:g}")
        lines.append(
            f"  {one['what']:<22}{one['customers']:>11,}{first:>8}{one['again']:>8.2f}{target:>8}"
            f"{_or_none(one['others']):>8}{over if one['again'] > (one['target'] or float('inf')) else ''}"
        )
    return lines


def _said_peers(found: Found) -> list[str]:
    if not found:
        return []
    lines = [
        "", "simulator: beside other makers of data, each in one process (ratio: rows/s of the largest world above)",
        f"  {'':<14}{'rows':>11}{'seconds':>9}{'CPU s':>8}{'rows/s':>11}{'ratio':>8}{'CPU ratio':>11}",
    ]  # fmt: skip
    for one in found:
        if "missing" in one:
            lines.append(f"  {one['peer']:<14}  not measured: {one['missing']}")
            continue
        ratios = [_or_none(one.get(name), ".0f") for name in ("ratio", "cpu_ratio")]
        lines.append(
            f"  {one['peer']:<14}{one['rows']:>11,}{one['seconds']:>9.1f}{one['cpu_seconds']:>8.1f}"
            f"{one['rows'] / one['seconds']:>11,.0f}{ratios[0]:>8}{ratios[1]:>11}"
            f"{f'  < {LEAST_OF_A_PEER}' if one.get('ratio', LEAST_OF_A_PEER) < LEAST_OF_A_PEER else ''}"
        )
    return lines


def _or_none(number: float | None, form: str = ".1f") -> str:
    return "-" if number is None else format(number, form)


def _main(verb: str, *words: str) -> None:
    told = {
        "generate": lambda: _generate(int(words[0]), Path(words[1])),
        "write": lambda: _write(Path(words[0]), Path(words[1])),
        "simulate": lambda: _simulate(int(words[0])),
        "compare": lambda: _compare(int(words[0])),
    }[verb]()
    print(json.dumps({**told, "cpu_seconds": sum(os.times()[:4])}))  # with those it started and waited for


if __name__ == "__main__":
    _main(*sys.argv[1:])
