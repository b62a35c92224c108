"""The shipped data and the data dictionary are those that `datasets/build.py` makes."""

from __future__ import annotations

import hashlib
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from crmkit import schema
from crmkit.texts import LANGUAGES, messages

DATASETS = Path(__file__).parents[1] / "datasets"
MANIFEST = json.loads((DATASETS / "manifest.json").read_text(encoding="utf-8"))
ROOMS = (("", schema.TABLES), ("truth_", schema.TRUTH))


def every_column():
    """Every column of the shop's tables and of the truth, with its table and what the keys of its labels begin with."""
    return [(truth, table, column) for truth, tables in ROOMS for table in tables.values() for column in table.columns]


@pytest.fixture(scope="module")
def fresh() -> dict[str, bytes]:
    return runpy.run_path(str(DATASETS / "build.py"))["files"]()  # leaves no .pyc, which would go into the wheel


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: entry["file"])
def test_a_set_is_what_the_manifest_says_and_what_is_made_again(entry, fresh):
    shipped = (DATASETS / entry["file"]).read_bytes()
    assert hashlib.sha256(shipped).hexdigest() == entry["sha256"]
    assert hashlib.sha256(fresh[entry["file"]]).hexdigest() == entry["sha256"]
    assert shipped.count(b"\n") == entry["rows"] + 1


@pytest.mark.parametrize("name", ["manifest.json", "README.md"])
def test_what_is_written_is_not_stale(name, fresh):
    assert (DATASETS / name).read_bytes() == fresh[name], "run: python datasets/build.py"


def test_check_finds_what_is_stale(tmp_path):
    for path in DATASETS.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            (tmp_path / path.relative_to(DATASETS)).parent.mkdir(exist_ok=True)
            (tmp_path / path.relative_to(DATASETS)).write_bytes(path.read_bytes())
    check = [sys.executable, str(tmp_path / "build.py"), "--check"]
    assert subprocess.run(check, check=False, capture_output=True).returncode == 0
    with (tmp_path / "README.md").open("a", encoding="utf-8") as readme:
        readme.write("x")
    (tmp_path / "salon" / "orders.csv").unlink()
    told = subprocess.run(check, check=False, capture_output=True, text=True)
    assert told.returncode == 1
    assert "README.md" in told.stdout
    assert "salon/orders.csv" in told.stdout


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_table_and_column_has_a_label(code):
    wanted = {f"{truth}table.{table}" for truth, tables in ROOMS for table in tables}
    wanted |= {f"{truth}column.{table.name}.{column.name}" for truth, table, column in every_column()}
    kinds = ("table.", "column.", "truth_table.", "truth_column.")
    labels = {key: label for key, label in messages(code).items() if key.startswith(kinds)}
    assert set(labels) == wanted
    assert all(label.strip() and "|" not in label for label in labels.values())


def test_the_dictionary_shows_every_column_in_both_languages(fresh):
    page = fresh["README.md"].decode()
    for truth, table, column in every_column():
        for code in LANGUAGES:
            label = messages(code)[f"{truth}column.{table.name}.{column.name}"]
            assert f"| `{column.name}` | {label} |" in page


# The model itself


def test_names_are_used_once_and_keys_are_needed():
    for truth, tables in ROOMS:
        for name, table in tables.items():
            assert table.name == name
            assert (table.theme == "truth") == bool(truth)
            names = [column.name for column in table.columns]
            assert len(set(names)) == len(names)
            assert set(table.key) <= set(table.required)


def test_a_column_is_sound():
    for _, table, column in every_column():
        place = f"{table.name}.{column.name}"
        assert column.required != column.nullable, place
        assert (column.kind == "category") == bool(column.allowed), place
        assert len(set(column.allowed)) == len(column.allowed), place
        assert column.low is None or column.high is None or column.low < column.high, place
        assert column.kind != "amount" or (column.unit, column.low) == ("JPY", 0), place
        assert not column.ahead or (column.required and column.kind in ("date", "instant")), place


def test_a_reference_leads_to_the_key_of_a_shops_table():
    for _, table, column in every_column():
        if column.references:
            target, _, key = column.references.partition(".")
            assert column.kind == "id", column
            assert schema.TABLES[target].key == (key,), column
        shop = {f"{one.key[0]}": name for name, one in schema.TABLES.items() if len(one.key) == 1}
        if column.name in shop and (column.name,) != table.key:
            assert column.references == f"{shop[column.name]}.{column.name}", (table.name, column.name)
