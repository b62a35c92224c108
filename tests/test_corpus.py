"""Sources that nobody tidied: what must be said about each, in both languages, and what must never happen."""

from __future__ import annotations

import hashlib
import re
import resource
import signal
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crmkit.datasets import databases, files, load, source
from crmkit.errors import ParameterError, UnreadableFile
from crmkit.texts import LANGUAGES, in_language
from tests.corpus import CASES, Case, Loads, Outcome, Refuses, tried
from tests.corpus.case import PERSONAL, put, sheet
from tests.corpus.databases import ducks, sqlite


def endless_view(folder: Path) -> Path:
    """SQLite with a view that never ends."""
    return sqlite("""
        CREATE VIEW orders AS WITH RECURSIVE n(customer_id) AS (SELECT 1 UNION ALL SELECT customer_id + 1 FROM n)
        SELECT customer_id, '2024-04-01' AS ordered_at FROM n
    """)(folder)


def endless_ducks(folder: Path) -> Path:
    """DuckDB with a view of a trillion rows."""
    sql = "SELECT range AS customer_id, DATE '2024-04-01' AS ordered_at FROM range(1000000000000)"
    return ducks(f"CREATE VIEW orders AS {sql}")(folder)


def long_parquet(folder: Path) -> Path:
    """A small Parquet file of many equal rows."""
    table = pa.table({"customer_id": ["A"] * 10_000, "ordered_at": ["2024-04-01"] * 10_000})
    with pq.ParquetWriter(folder / "shop.parquet", table.schema) as file:
        for _ in range(1000):
            file.write_table(table)
    return folder / "shop.parquet"


MOST_SECONDS = 60
MOST_MEMORY = 1_500 << 20  # bytes that a case may need more than all before it


def content(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Everything in a folder: kind, time of change, and a hash of plain files."""
    found = {}
    for path in sorted(folder.rglob("*")):
        told = path.lstat()
        plain = stat.S_ISREG(told.st_mode)
        mark = hashlib.sha256(path.read_bytes()).hexdigest() if plain else ""
        found[str(path.relative_to(folder))] = (told.st_mode, told.st_mtime_ns if plain else 0, mark)
    return found


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    """Something that hangs fails."""

    def late(*_: object) -> None:
        raise TimeoutError(f"no answer after {MOST_SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(MOST_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def outcome_of(case: Case, folder: Path) -> Outcome:
    """Load a case, and see that its source stays as it was, nothing is left behind, and memory stays bounded."""
    made = case.make(folder)
    before, peak = content(folder), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = tried(Case(case.name, case.wrong, case.wrong_ja, lambda _: made, case.must, case.how), folder)
    assert content(folder) == before, "the source was changed, or something was left beside it"
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 1024 < MOST_MEMORY
    return outcome


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_must_be_said(case: Case, tmp_path: Path) -> None:
    outcome = outcome_of(case, tmp_path)
    told = {}
    for code in LANGUAGES:
        with in_language(code):
            told[code] = outcome.said()
        assert not [word for word in PERSONAL if word in told[code]], "a person is named"
    assert told["ja"] != told["en"]
    assert not re.search("<(script|img)", outcome.shown())
    if isinstance(case.must, Refuses):
        refused(case.must, outcome, told)
    else:
        loads(case.must, outcome)


def refused(must: Refuses, outcome: Outcome, told: dict[str, str]) -> None:
    """The error is the one due, names what it must, and leaves no hole in its sentence."""
    error = outcome.error
    assert error is not None, outcome.crm
    assert (type(error), error.reason) == (must.error, must.reason), error
    for code in LANGUAGES:
        assert all(part in told[code] for part in must.parts), told[code]
        assert re.search(r"[.:。）)]$", told[code].strip()), told[code]
    assert "。" in told["ja"]


def loads(must: Loads, outcome: Outcome) -> None:
    """Every row is accounted for, and the problems are those due, no more and no fewer."""
    crm = outcome.crm
    assert crm is not None, outcome.error
    rows = {}
    for name, item in crm._loaded.items():
        assert item.source.rows_read == len(item.frame) + len(item.aside)
        rows[name] = (len(item.frame), len(crm.rejected[name]))
    assert rows == dict(must.rows)
    found: Counter[str] = Counter()
    for problem in crm.each_problem():
        found[problem.kind] += problem.rows
    assert dict(found) == dict(must.problems)
    aside = sum(problem.rows for problem in crm.each_problem() if problem.action == "set_aside")
    assert aside == sum(count for _, count in rows.values())
    assert bool(aside) == bool(outcome.warned)
    notes = [note.reason for note in crm._notes]
    notes += [note.reason for item in crm._loaded.values() for note in item.source.notes]
    assert sorted(notes) == sorted(must.notes)
    assert must.see(crm)


@pytest.mark.parametrize("case", [case for case in CASES if isinstance(case.must, Loads)], ids=lambda case: case.name)
def test_every_line_of_a_text_file_is_accounted_for(case: Case, tmp_path: Path) -> None:
    path = case.make(tmp_path)
    if not isinstance(path, Path) or path.suffix != ".csv" or b'"' in path.read_bytes():
        return
    (item,) = tried(Case(case.name, "", "", lambda _: path, case.must, case.how), tmp_path).crm._loaded.values()
    kept = item.source
    encoding = {"EUC-JP": "euc_jp", "cp932 (Shift_JIS)": "cp932", "ISO-2022-JP (JIS)": "iso2022_jp"}
    lines = path.read_bytes().decode(encoding.get(kept.encoding, "utf-8-sig")).replace("\r\n", "\n").replace("\r", "\n")
    lines = lines.removesuffix("\n").split("\n")
    assert len(lines) == 1 + kept.title_lines + kept.blank_lines + kept.rows_read


@pytest.mark.parametrize("make", [endless_view, endless_ducks, long_parquet], ids=lambda make: make.__name__)
def test_what_would_fill_the_memory_is_refused_before_it_has(make, tmp_path, monkeypatch):
    for room in (source, files, databases):
        monkeypatch.setattr(room, "memory", lambda: 64 << 20)
    with pytest.raises(UnreadableFile) as caught:
        load(make(tmp_path))
    assert caught.value.reason == "too_large"
    for code in LANGUAGES:
        with in_language(code):
            assert "shop." in str(caught.value)
            assert "{" not in str(caught.value)


@pytest.mark.parametrize(
    "how",
    [{"columns": {"customer_id": True}}, {"columns": {"orders": {"customer_id": 3}}}, {"columns": ["x"]},
     {"columns": {1: "x"}}, {"tables": {"orders": None}}, {"tables": 3}],
)  # fmt: skip
def test_what_names_nothing_is_refused(how, tmp_path):
    with pytest.raises(ParameterError) as caught:
        load(put(sheet())(tmp_path), **how)
    assert caught.value.reason == "no_names"
    for code in LANGUAGES:
        with in_language(code):
            assert f"{next(iter(how))}=" in str(caught.value)


def test_memory_is_what_the_machine_has_or_a_usual_size(monkeypatch):
    assert source.memory() > 1 << 28
    monkeypatch.delattr("os.sysconf")
    assert source.memory() == 8 << 30


def test_the_corpus_is_large_and_has_no_name_twice() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names)) >= 60
    assert all(case.wrong and case.wrong_ja and case.wrong != case.wrong_ja for case in CASES)


def test_the_page_about_the_corpus_is_not_stale() -> None:
    script = Path(__file__).parents[1] / "docs" / "corpus.py"
    checked = subprocess.run([sys.executable, script, "--check"], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
