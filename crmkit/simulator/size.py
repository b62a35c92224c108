"""How much room a world takes, before it is made: what cannot fit is refused at once and not after an hour."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

from crmkit.errors import CannotWrite, ParameterError

# Bytes for each customer, as the salon takes them with all its tables: for itself, and for each week. Most have left
# after some years. Other businesses take less, down to a third.
_ON_DISK = (190, 3)  # as Parquet
_IN_MEMORY = (1_700, 70)  # as pandas tables
_BUSY_WEEKS = 260
_MOST_WEEKS = 5_200  # a century
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")


class Size(NamedTuple):
    """Bytes that a world takes."""

    disk: int
    memory: int


def size_of(customers: int, weeks: int) -> Size:
    """About how many bytes a world takes: as Parquet files, and as tables in memory.

    Examples:
        >>> size = size_of(1_000_000, 104)
        >>> size.disk < size.memory
        True
    """
    busy = min(weeks, _BUSY_WEEKS)
    disk, memory = (customers * (once + weekly * busy) for once, weekly in (_ON_DISK, _IN_MEMORY))
    return Size(disk, memory)


def refuse_too_much(customers: int, weeks: int, *, in_memory: bool, folder: Path | None = None) -> None:
    """Stop where a world is empty, or cannot fit.

    Args:
        customers: How many customers.
        weeks: How many weeks.
        in_memory: Whether all of it is to be in memory at once; else it is written to disk a block at a time.
        folder: Where it is to be written.

    Raises:
        ParameterError: no whole number, less than 1, too many weeks, or more than fits into memory.
        CannotWrite: more than fits onto the disk.
    """
    check_counts(customers, weeks)
    size = size_of(customers, weeks)
    said = {"customers": f"{customers:,}", "weeks": f"{weeks:,}"}
    said |= {"memory": spell_bytes(size.memory), "disk": spell_bytes(size.disk)}
    if in_memory:
        free = free_memory()
        if free is not None and size.memory > free:
            raise ParameterError("too_much", free=spell_bytes(free), **said)
    else:
        free = free_disk(folder or Path.cwd())
        if size.disk > 2 * free:  # what is tighter is measured on the way
            raise CannotWrite("too_much", free=spell_bytes(free), folder=folder or Path.cwd(), **said)


def check_counts(customers: int, weeks: int) -> None:
    """Stop where a number of customers or weeks makes no sense, whatever the machine.

    Raises:
        ParameterError: no whole number, less than 1, or more weeks than a century has.
    """
    for parameter, value in (("customers", customers), ("weeks", weeks)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise ParameterError("not_whole", parameter=parameter, value=value)
        if value < 1:
            raise ParameterError("too_few", parameter=parameter, value=value)
    if weeks > _MOST_WEEKS:
        raise ParameterError("not_positive", parameter="weeks", value=weeks, most=_MOST_WEEKS)


def free_disk(folder: Path) -> int:
    """Bytes free where a folder is, or will be."""
    here = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(here).free


def free_memory() -> int | None:
    """Bytes of memory that can be had; None where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            told = dict(line.split(":", 1) for line in lines)
        return int(told["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def spell_bytes(number: float) -> str:
    """Bytes as a person reads them.

    Examples:
        >>> spell_bytes(2_350_000), spell_bytes(1.6e15), spell_bytes(12)
        ('2.4 MB', '1.6 PB', '12 B')
    """
    unit = 0
    while number >= 999.95 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:,.1f} {_UNITS[unit]}" if unit else f"{number:.0f} B"
