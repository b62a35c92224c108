"""Whether a machine is ready for the course: each thing looked at, what was found, and how to mend it."""

from __future__ import annotations

import re
import shutil
import socket
import sys
import tomllib
import warnings
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from crmkit.errors import CrmkitError
from crmkit.texts import text
from crmkit.training.lessons import lessons, notebooks

ROOT = Path(__file__).parents[2]
LOCK = "requirements.lock"
DISK_GB = 1.0
SLOW_SECONDS = 2.0
JAPANESE = "顧客維持率 髙島﨑 令和 ￥"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: What, such as "packages".
        ok: Whether it is as it should be.
        found: What was found, in words.
        mend: What to do about it; "" where nothing need be done.
        optional: Whether the course runs without it.
    """

    check: str
    ok: bool
    found: str
    mend: str = ""
    optional: bool = False

    @property
    def label(self) -> str:
        """What was looked at, in words."""
        return text(f"doctor.{self.check}.label")

    def __str__(self) -> str:
        sign = "✓" if self.ok else "–" if self.optional else "✗"
        state = text("doctor.ok" if self.ok else "doctor.not_needed" if self.optional else "doctor.problem")
        mend = f"\n    → {self.mend}" if self.mend else ""
        return f"{sign} {state}  {self.label}: {self.found}{mend}"


def examine() -> Iterator[Finding]:
    """Look at one thing after the other; each is told when it is known. Never raises."""
    for name, look in CHECKS.items():
        try:
            yield look()
        except Exception as error:  # a doctor who faints helps nobody
            yield Finding(name, False, f"{type(error).__name__}: {error}", text("doctor.broken"))


def _python() -> Finding:
    from packaging.specifiers import SpecifierSet

    wanted = metadata("crmkit")["Requires-Python"] or ">=3.11"
    found = ".".join(map(str, sys.version_info[:3]))
    fine = SpecifierSet(wanted).contains(found)
    return Finding("python", fine, found, "" if fine else text("doctor.python.mend", wanted=wanted))


def _packages() -> Finding:
    """The packages that crmkit asks for; that some are not those of the lock is said, and is no problem."""
    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in _asked_for()]
    wanted = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = []
    for one in wanted:
        try:
            there = version(one.name)
        except PackageNotFoundError:
            there = ""
        if not there or not one.specifier.contains(there, prereleases=True):
            wrong.append(f"{one.name} {there or '–'} ({one.specifier})")
    if wrong:
        return Finding("packages", False, text("doctor.packages.wrong", wrong=", ".join(wrong)), _mend_packages())
    apart = _apart_from_lock()
    key = "doctor.packages.apart" if apart else "doctor.packages.found"
    return Finding("packages", True, text(key, packages=len(wanted), apart=", ".join(apart)))


def _asked_for() -> list[str]:
    """What crmkit needs: as the checkout says today, else as the installed package says."""
    project = ROOT / "pyproject.toml"
    if not project.is_file():
        return requires("crmkit") or []
    return list(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"])


def _mend_packages() -> str:
    return text("doctor.packages.mend" if (ROOT / LOCK).is_file() else "doctor.packages.mend_installed")


def _apart_from_lock() -> list[str]:
    """Installed packages with another version than the lock names; nothing where there is no lock."""
    path = ROOT / LOCK
    if not path.is_file():
        return []
    from packaging.requirements import Requirement

    apart = []
    for line in re.findall(r"^[A-Za-z0-9][^\\\n]*==[^\\\n]*", path.read_text(encoding="utf-8"), re.MULTILINE):
        one = Requirement(line.strip())
        if one.marker is not None and not one.marker.evaluate():
            continue
        try:
            there = version(one.name)
        except PackageNotFoundError:
            continue  # what is needed was looked at already
        if not one.specifier.contains(there, prereleases=True):
            apart.append(f"{one.name} {there} ({one.specifier})")
    return apart


def _lessons() -> Finding:
    missing = [
        one.slug
        for one in lessons()
        for code in ("ja", "en")
        if not (notebooks() / code / f"{one.slug}.ipynb").is_file()
    ]
    if missing:
        lost = ", ".join(dict.fromkeys(missing))
        return Finding("lessons", False, text("doctor.lessons.missing", missing=lost), text("doctor.lessons.mend"))
    return Finding("lessons", True, text("doctor.lessons.found", lessons=len(lessons())))


def _data() -> Finding:
    """Every file of the shipped data sets against its fingerprint."""
    from crmkit.datasets import load
    from crmkit.datasets.loading import _shipped

    folders = sorted(path.parent for path in _shipped().glob("*/manifest.json"))
    for folder in folders:
        try:
            load(folder, verify=True)
        except CrmkitError as error:
            return Finding("data", False, str(error), text("doctor.data.mend"))
    found = text("doctor.data.found", sets=", ".join(folder.name for folder in folders))
    return Finding("data", bool(folders), found, "" if folders else text("doctor.data.mend"))


def _font() -> Finding:
    """Draw Japanese, and see whether matplotlib misses a sign."""
    from crmkit.plots import new_figure, png, style

    with style(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        figure, axes = new_figure()
        axes.set_title(JAPANESE)
        png(figure)
    missing = [str(one.message) for one in said if "missing from" in str(one.message)]
    if missing:
        return Finding("font", False, missing[0], text("doctor.font.mend"))
    return Finding("font", True, text("doctor.font.found"))


def _widget() -> Finding:
    from crmkit.training.round_trip import NoAnswer, round_trip

    try:
        seconds = round_trip()
    except NoAnswer as error:
        return Finding("widget", False, text("doctor.widget.none", error=error), text("doctor.widget.mend"))
    slow = seconds > SLOW_SECONDS
    mend = text("doctor.widget.slow") if slow else ""
    return Finding("widget", True, text("doctor.widget.found", milliseconds=f"{seconds * 1000:.0f}"), mend)


def _port() -> Finding:
    """Whether a program may listen on this machine: some guards forbid even that."""
    try:
        with socket.socket() as server, socket.socket() as caller:
            server.bind(("127.0.0.1", 0))
            server.listen(1)
            caller.settimeout(5)
            caller.connect(server.getsockname())
    except OSError as error:
        return Finding("port", False, str(error), text("doctor.port.mend"))
    return Finding("port", True, text("doctor.port.found"))


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    fine = free >= DISK_GB
    found = text("doctor.disk.found", free=f"{free:,.1f}")
    return Finding("disk", fine, found, "" if fine else text("doctor.disk.mend", wanted=f"{DISK_GB:g}"))


def _browser() -> Finding:
    try:
        name = getattr(webbrowser.get(), "name", "")
    except webbrowser.Error:
        return Finding("browser", False, text("doctor.browser.none"), text("doctor.browser.mend"), optional=True)
    return Finding("browser", True, text("doctor.browser.found", name=Path(name).name or "–"), optional=True)


CHECKS: dict[str, Callable[[], Finding]] = {
    "python": _python,
    "packages": _packages,
    "lessons": _lessons,
    "data": _data,
    "font": _font,
    "port": _port,
    "widget": _widget,
    "disk": _disk,
    "browser": _browser,
}
