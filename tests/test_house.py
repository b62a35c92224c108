"""The house in order: files that must agree do, and nothing committed names a place only one machine knows."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"requirements.lock": "build", "requirements-dev.lock": "dev"}
# the same libraries under another name: without a window toolkit, and without the command line
CONDA_NAMES = {"matplotlib-base": "matplotlib", "python-duckdb": "duckdb"}
MISSION = {"jupyterlab", "ipywidgets", "pandas", "seaborn", "faker", "nbval"}
VERBS = {
    "env", "lab", "test", "bench", "notebooks", "worlds", "docs", "lock", "wheelhouse", "lint", "format", "clean",
    "help",
}  # fmt: skip
# Put together here, so that this file does not name what it looks for.
REGISTRIES = ["pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "npmjs" + ".com", "registry" + ".yarnpkg"]
MACHINE_PATH = re.compile(r"(?<![\w.~$}/-])/(?:root|tmp|work|home/\w+|Users/\w+)/[\w.-]")


def project() -> dict[str, Any]:
    """The `[project]` table of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def requirements(lines: list[str]) -> dict[str, Requirement]:
    """Requirements by normalised name."""
    parsed = map(Requirement, lines)
    return {str(canonicalize_name(each.name)): each for each in parsed}


def conda() -> tuple[dict[str, Requirement], dict[str, Requirement]]:
    """What environment.yml asks of conda and of pip, under the names pyproject.toml uses."""
    entries = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    plain = [entry for entry in entries if isinstance(entry, str)]
    pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    named = {CONDA_NAMES.get(name, name): each for name, each in requirements(plain).items()}
    return named, requirements([line for line in pip if not line.startswith("-")])


def committed() -> list[Path]:
    """The files git holds or would hold, as far as they are text; in a copy without git, all but what is generated."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        asked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
        files = [ROOT / name for name in asked.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()} | {".git"}
        files = [file for file in ROOT.rglob("*") if not ignored & set(file.relative_to(ROOT).parts)]
    return [file for file in files if file.is_file() and b"\0" not in file.read_bytes()[:8000]]


def locked(name: str) -> dict[str, Requirement]:
    """The pinned packages of a lock."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return requirements([line.rstrip("\\ ") for line in lines if re.match(r"[A-Za-z0-9]", line)])


def test_environment_yml_follows_pyproject() -> None:
    from_conda, from_pip = conda()
    wanted = requirements(project()["dependencies"])
    assert from_conda.pop("python").specifier == Requirement(f"python{project()['requires-python']}").specifier
    extra = {"nbval", "pip"}  # nbval to check the lessons in a classroom's own environment
    assert set(from_conda) | set(from_pip) == set(wanted) | extra
    asked = {**from_conda, **from_pip}
    differing = {name: (str(asked[name].specifier), str(each.specifier)) for name, each in wanted.items()}
    assert {name: pair for name, pair in differing.items() if pair[0] != pair[1]} == {}


def test_environment_yml_has_the_packages_of_the_mission_and_crmkit_itself() -> None:
    from_conda, _ = conda()
    assert set(from_conda) >= MISSION
    written = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert written["name"] == "crmkit"
    assert "-e ." in written["dependencies"][-1]["pip"]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_every_direct_dependency_in_a_fitting_version(name: str) -> None:
    extras = project()["optional-dependencies"]
    lines = [*project()["dependencies"], *extras["build"]]
    if LOCKS[name] == "dev":
        lines += [*extras["spark"], *extras["dev"]]
    pins = locked(name)
    for wanted, each in requirements([line for line in lines if not line.startswith("crmkit[")]).items():
        assert wanted in pins, f"{name} lacks {wanted}: run `make lock`"
        pin = next(iter(pins[wanted].specifier)).version
        assert each.specifier.contains(pin, prereleases=True), f"{name} has {wanted} {pin}, wanted {each.specifier}"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_hashes_and_no_address(name: str) -> None:
    written = (ROOT / name).read_text(encoding="utf-8")
    assert written.count("--hash=sha256:") >= len(locked(name))
    assert "://" not in written
    assert "--index" not in written


def test_the_dev_lock_is_the_course_lock_and_more() -> None:
    course, dev = locked("requirements.lock"), locked("requirements-dev.lock")
    assert {name: str(dev.get(name)) for name in course} == {name: str(each) for name, each in course.items()}


def test_no_committed_file_names_a_registry_or_a_machine_path() -> None:
    found = []
    for file in committed():
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            if any(registry in line for registry in REGISTRIES) or MACHINE_PATH.search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert found == []


def test_versions_agree() -> None:
    declared = project()["version"]
    newest = re.search(r"^## \[?v?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert version("crmkit") == declared
    assert newest is not None
    assert newest[1] == declared


def test_make_help_lists_every_verb() -> None:
    alone = {
        name: value for name, value in os.environ.items() if not name.startswith("MAKE")
    }  # not a part of `make test`
    asked = subprocess.run(["make"], cwd=ROOT, env=alone, capture_output=True, text=True, check=True, timeout=60)
    listed = re.findall(r"^\s*make (\w+)\s+\S", asked.stdout, re.MULTILINE)
    assert set(listed) == VERBS
    assert listed == [line.split(":")[0] for line in _makefile() if "## " in line]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_make_command_that_is_named_exists(name: str) -> None:
    named = set(re.findall(r"(?:`|^\s*\$?\s*)make ([a-z]+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= VERBS


def test_the_readme_names_the_two_commands_and_the_way_without_make() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in (
        "make lab",
        "make test",
        "environment.py course",
        "conda env create -f environment.yml",
    ):
        assert command in readme


def test_the_laboratory_settings_differ_in_the_language_only() -> None:
    folder = ROOT / "crmkit" / "lab_settings"
    settings = {code: json.loads((folder / code / "overrides.json").read_text()) for code in ("ja", "en")}
    plugin = "@jupyterlab/translation-extension:plugin"
    assert settings["ja"].pop(plugin) == {"locale": "ja_JP"}
    assert settings["en"].pop(plugin) == {"locale": "en"}
    assert settings["ja"] == settings["en"]


def test_the_set_up_asks_for_the_python_that_pyproject_asks_for() -> None:
    spec = importlib.util.spec_from_file_location("environment", ROOT / "tools" / "environment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert f">={'.'.join(map(str, module.OLDEST))}" == project()["requires-python"]
    assert set(module.WORDS["ja"]) == set(module.WORDS["en"])


def _makefile() -> list[str]:
    return [line for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines() if re.match(r"\w+:", line)]
