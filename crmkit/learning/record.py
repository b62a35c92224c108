"""A learner's record: which exercises were tried when, and what was said. No answers, no address, nobody told.

It is one JSON file in the learner's own data folder, so that it survives a new copy of the course and never gets into
the course's folder; `CRMKIT_PROGRESS` names another file, or turns it off.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from crmkit.errors import CannotWrite, CrmkitError, UnreadableFile
from crmkit.texts import LANGUAGES, language, text

VARIABLE = "CRMKIT_PROGRESS"
OFF = ("off", "0", "no", "false")
FORMAT, VERSION = "crmkit-progress", 1
VERDICTS = ("correct", "close", "mix_up", "not_yet")
SHOWING_ANSWERS = ("solutions", "trainer")  # folders whose notebooks answer by themselves
MOST_TRIES = 5_000  # the oldest give way; nobody comes near it
MOST_BYTES = 4_000_000
LONGEST_NAME = 60
PATIENCE = 3.0  # seconds that other notebooks may take to write
KEY = re.compile(r"\d\d\.\d{1,2}")
WORD = re.compile(r"[a-z0-9_]{0,60}")
LEARNER = re.compile(r"[0-9a-f]{8,64}")
_session = {"on": True}


@dataclass(frozen=True, slots=True)
class Try:
    """One answer to one exercise: what was said to it, and when. Not the answer itself."""

    key: str
    verdict: str
    mistake: str
    at: str
    language: str
    crmkit: str


@dataclass(frozen=True, slots=True)
class Record:
    """All tries of a learner; `learner` is a random number, `name` is empty unless the learner gave one."""

    learner: str
    name: str = ""
    tries: tuple[Try, ...] = ()


def place() -> Path | None:
    """The file of the record; `None` where nothing is recorded."""
    wanted = os.environ.get(VARIABLE, "").strip()
    if wanted.casefold() in OFF:
        return None
    return Path(wanted).expanduser() if wanted else _data_folder() / "crmkit" / "progress.json"


def _data_folder() -> Path:
    """Where the system wants programs to keep what belongs to the user."""
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")


def switch(on: bool) -> None:
    """Record from here on, or no longer, in this notebook."""
    _session["on"] = on


def recording() -> bool:
    """Whether tries are recorded now; those in the notebooks with the solutions are nobody's."""
    return _session["on"] and place() is not None and not {*Path.cwd().parts[-2:]} & {*SHOWING_ANSWERS}


def own() -> Record:
    """The learner's own record; an empty one where there is none yet.

    Raises:
        UnreadableFile: it is damaged, or of a newer crmkit.
    """
    path = place()
    return read(Path(os.path.realpath(path))) if path is not None and path.exists() else Record("")


def note(key: str, verdict: str, mistake: str = "") -> str:
    """Record a try. Never raises: what stands in the way is said, and the learner goes on.

    Returns:
        What the learner should know; mostly nothing.
    """
    if verdict not in VERDICTS or not recording():
        return ""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    one = Try(key, verdict, mistake, now, language(), version("crmkit"))
    try:
        return change(lambda record: replace(record, tries=(*record.tries, one)[-MOST_TRIES:]))
    except (CrmkitError, OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        switch(False)  # once is enough
        return text("progress.not_kept", why=error)


def change(how: Callable[[Record], Record]) -> str:
    """Read the record, change it and write it, while no other notebook does; a damaged file is kept beside it.

    Returns:
        Where a damaged file has been put; empty where the file was sound.

    Raises:
        CannotWrite: no room, no right, or somebody else holds the file for seconds.
        UnreadableFile: it was written by a newer crmkit, and must stay as it is.
    """
    from crmkit.reporting.drafts import file_draft

    path = place()
    if path is None:
        return ""
    path, latest = Path(os.path.realpath(path)), time.monotonic() + PATIENCE
    while True:
        try:
            with file_draft(path, overwrite=True) as draft:
                record, aside = _sound(path)
                draft.write_text(written(how(record)), encoding="utf-8")
            return aside
        except CannotWrite as error:
            if error.reason != "running" or time.monotonic() > latest:
                raise
            time.sleep(0.02)


def _sound(path: Path) -> tuple[Record, str]:
    """The record in a file, or a new one and where the damaged file is now."""
    new = Record(secrets.token_hex(8))
    if not path.exists():
        return new, ""
    try:
        return read(path), ""
    except UnreadableFile as error:
        if error.reason == "progress_newer":
            raise
        aside = path.with_name(f"{path.stem}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}{path.suffix}")
        path.rename(aside)
        return new, text("progress.damaged", aside=aside)


def forget() -> bool:
    """Delete the record; says whether there was one."""
    path = place()
    if path is None or not path.exists():
        return False
    path.unlink()
    return True


def written(record: Record) -> str:
    """The record as it stands in its file."""
    known = {"format": FORMAT, "version": VERSION, "crmkit": version("crmkit"), **asdict(record)}
    return json.dumps(known, ensure_ascii=False, indent=1)


def read(path: Path) -> Record:
    """Read one record, trusting nothing in it.

    Raises:
        UnreadableFile: no plain file, too large, no record, or one of a newer crmkit.
    """
    try:
        content = _content(path)
        found = json.loads(content)
    except UnreadableFile:
        raise
    except OSError as error:
        raise UnreadableFile("no_access", file=path.name, detail=error.strerror or error) from None
    except (ValueError, RecursionError):
        raise UnreadableFile("progress_damaged", file=path.name) from None
    if not isinstance(found, Mapping) or found.get("format") != FORMAT:
        raise UnreadableFile("progress_foreign", file=path.name)
    if isinstance(found.get("version"), int) and found["version"] > VERSION:
        raise UnreadableFile("progress_newer", file=path.name)
    record = _record(found)
    if record is None:
        raise UnreadableFile("progress_damaged", file=path.name)
    return record


def _content(path: Path) -> str:
    """All of a plain file that is not too large; a link, a pipe or a device is not opened."""
    about = path.lstat()
    if not stat.S_ISREG(about.st_mode):
        raise UnreadableFile("progress_no_file", file=path.name)
    if about.st_size > MOST_BYTES:
        raise UnreadableFile("progress_large", file=path.name, size=f"{about.st_size / 1e6:,.1f}")
    return path.read_bytes().decode("utf-8-sig")


def _record(found: Mapping[str, Any]) -> Record | None:
    learner, name, tries = found.get("learner"), found.get("name"), found.get("tries")
    if not isinstance(name, str) or not isinstance(tries, list) or len(tries) > MOST_TRIES or not _is(LEARNER, learner):
        return None
    made = [_try(one) for one in tries]
    sound = tuple(one for one in made if one is not None)
    return Record(str(learner), tidy(name), sound) if len(sound) == len(made) else None


def _try(found: Any) -> Try | None:
    if not isinstance(found, Mapping):
        return None
    fields = [found.get(name) for name in Try.__dataclass_fields__]
    if not all(isinstance(value, str) and len(value) <= LONGEST_NAME for value in fields):
        return None
    one = Try(*map(str, fields))
    sound = _is(KEY, one.key) and one.verdict in VERDICTS and _is(WORD, one.mistake) and one.language in LANGUAGES
    return one if sound and _moment(one.at) else None


def _is(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _moment(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def tidy(name: str) -> str:
    """A name on one line and of bearable length."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())[:LONGEST_NAME]
