"""Write crmkit/answers.toml: which tables and columns each metric, model and lesson needs.

Nothing of it is written by hand. Each figure is made on a small simulated shop, then again with less and less data:
what it cannot be made without is needed; what only changes the result makes it better. `python docs/answers.py` writes
the file in some minutes; `--check` tries in one whether the needs are still enough, and all of them needed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import crmkit  # noqa: E402
from crmkit import models, plots, schema  # noqa: E402
from crmkit.answers import FILE  # noqa: E402
from crmkit.estimate import Estimate  # noqa: E402
from crmkit.metrics import ROOM_OF  # noqa: E402
from crmkit.texts import messages  # noqa: E402
from tests.calls import CALLS, END, Tables, world  # noqa: E402

LESSONS = HERE.parent / "notebooks" / "lessons"
THEMES = ("relationship", "management", "retention", "service")
Kept = Mapping[str, Collection[str]]
Call = Callable[[Any], Any]


def _desk(t: Tables) -> tuple[Any, Any]:
    return t["tickets"], t["ticket_events"]


# The least that a figure can be asked for with, where tests/calls.py asks for more.
LEAST: dict[str, Call] = {
    "first_reply_time": lambda t: crmkit.first_reply_time(*_desk(t)),
    "next_reply_time": lambda t: crmkit.next_reply_time(*_desk(t)),
    "segment_summary": lambda t: crmkit.segment_summary(t["orders"], t["customers"], by="member_tier", as_of=END),
    "backlog": lambda t: crmkit.backlog(*_desk(t), as_of="2025-11-04"),
}
# `rate` is about whatever it is told, and the others compute with numbers and days.
ABOUT_NO_TABLE = ("rate", "clv_formula", "cac_payback_months", "japanese_holidays", "business_minutes")
ABOUT_ANY_TABLE = ("validate_tables",)


def _summary(t: Tables) -> Any:
    return models.btyd_summary(t["orders"], until="2025-06-30")


MODELS: dict[str, tuple[str, Call]] = {
    "bg_nbd": ("retention", lambda t: models.bg_nbd(_summary(t))),
    "mbg_nbd": ("retention", lambda t: models.mbg_nbd(_summary(t))),
    "gamma_gamma": ("relationship", lambda t: models.gamma_gamma(_summary(t))),
    "shifted_beta_geometric": ("retention", lambda t: models.shifted_beta_geometric(_survivors(t))),
}


def _survivors(t: Tables) -> list[int]:
    """How many contracts lasted at least 0, 1, 2 … quarters."""
    curve = crmkit.survival_curve(t["subscriptions"], as_of=END)
    shares = [float(curve[curve["time"] <= 90 * quarter]["survival"].iloc[-1]) for quarter in range(5)]
    return [round(1000 * share) for share in shares]


class Recording(Mapping[str, Any]):
    """Tables of which it is known which of them were asked for; one that is left out is `None` to who insists."""

    def __init__(self, tables: Mapping[str, Any]) -> None:
        self._tables = tables
        self.asked: dict[str, None] = {}

    def __getitem__(self, name: str) -> Any:
        self.asked[name] = None
        return self._tables.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __contains__(self, name: object) -> bool:
        return name in self._tables


class Probe:
    """One call, tried with less and less."""

    def __init__(self, call: Call, tables: Mapping[str, Any]) -> None:
        self.call, self.tables = call, tables
        recording = Recording(tables)
        self.label = _label(self._made(recording))
        self.asked = {name: list(tables[name].columns) for name in recording.asked if name in tables}
        whole = _print(self._made(recording))
        assert whole is not None, "nothing comes out even with all the data"
        self.whole = whole

    def _made(self, tables: Mapping[str, Any]) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.call(tables)

    def result(self, kept: Kept, blank: tuple[str, str] | None = None) -> str | None:
        """What comes out of what is kept, or `None`."""
        tables = {name: self.tables[name][[*columns]] for name, columns in kept.items() if columns}
        if blank is not None:
            table, column = blank
            kind = tables[table][column].dtype
            empty = pd.Series([None] * len(tables[table]), index=tables[table].index)
            nullable = {"int64": "Int64", "bool": "boolean"}.get(str(kind), kind)
            tables[table] = tables[table].assign(**{column: empty.astype(nullable)})
        try:
            return _print(self._made(Recording(tables)))
        except Exception:  # whatever the call says about what is not there
            return None

    def without(self, kept: Kept, table: str, column: str | None = None) -> dict[str, list[str]]:
        """What is kept, without a table or one of its columns."""
        left = {name: [one for one in columns if (name, one) != (table, column)] for name, columns in kept.items()}
        if column is None:
            del left[table]
        return left

    def found(self) -> dict[str, Any]:
        """What is needed, what may be empty, and what makes it better."""
        tables = self._tables()
        if any_table := self._one_table(tables):
            return {"some_of": any_table, "how_many": 1, "better": [one for one in self.asked if one not in any_table]}
        kept = {name: self.asked[name] for name in tables}
        needs, better, may_be_empty = [], [], []
        base = self.result(kept)
        for name, columns in kept.items():
            for column in columns:
                result = self.result(self.without(kept, name, column))
                if result is None:
                    needs.append(f"{name}.{column}")
                    if _may_wait(name, column) and self.result(kept, blank=(name, column)) is not None:
                        may_be_empty.append(f"{name}.{column}")
                elif result != base:
                    better.append(f"{name}.{column}")
        least = self._least(kept, needs)
        one_of = self._one_of(kept, least, needs)
        better += [name for name in self.asked if name not in tables]
        known = [name for name in better if "." not in name or name not in {*least, *one_of}]
        several = len(least) - len(needs)
        return {
            "needs": needs, "some_of": one_of, "how_many": several if one_of else 0, "may_be_empty": may_be_empty,
            "better": known,
        }  # fmt: skip

    def _tables(self) -> list[str]:
        """The tables that cannot be done without; orders stay longest, since every shop has them."""
        kept: dict[str, list[str]] = dict(self.asked)
        for name in sorted(self.asked, key=lambda name: name == "orders"):
            fewer = self.without(kept, name)
            if self.result(fewer) is not None:
                kept = fewer
        return list(kept)

    def _least(self, kept: Kept, needs: list[str]) -> list[str]:
        """A set of columns that is enough, and of which none can be spared."""
        needed = {name: [one for one in columns if f"{name}.{one}" in needs] for name, columns in kept.items()}
        if self.result(needed) is not None:
            return needs
        left = {name: list(columns) for name, columns in kept.items()}
        for name, columns in kept.items():
            for column in columns:
                fewer = self.without(left, name, column)
                if f"{name}.{column}" not in needs and self.result(fewer) is not None:
                    left = fewer
        return [f"{name}.{column}" for name, columns in left.items() for column in columns]

    def _one_of(self, kept: Kept, least: list[str], needs: list[str]) -> list[str]:
        """Columns of which some are enough: what `least` has beyond the needs, and what can stand in for one of it."""
        extra = [name for name in least if name not in needs]
        every = [f"{name}.{column}" for name, columns in kept.items() for column in columns]
        found = dict.fromkeys(extra)
        for out in extra:
            for new in (name for name in every if name not in least):
                chosen = {*least, new} - {out}
                columns = {table: [one for one in kept[table] if f"{table}.{one}" in chosen] for table in kept}
                if self.result(columns) is not None:
                    found[new] = None
        return list(found)

    def _one_table(self, tables: list[str]) -> list[str]:
        """Tables of which any one is enough, if it is so."""
        if len(tables) != 1 or len(self.asked) == 1 or self.result(self.without(self.asked, tables[0])) is None:
            return []
        return [name for name, columns in self.asked.items() if self.result({name: columns}) is not None]


def _may_wait(table: str, column: str) -> bool:
    """Whether a column is an instant that may not have come for any row: contracts that all run on are no fault."""
    one = schema.TABLES[table][column]
    return one.kind in ("instant", "date") and not one.required


def _label(result: Any) -> str:
    return f"metric.{result.definition.id}" if isinstance(result, Estimate) else ""


def _print(result: Any) -> str | None:
    """A result as text that can be compared; `None` where there is none."""
    if isinstance(result, Estimate):
        return None if result.value != result.value else repr((result.value, result.low, result.n))
    frame = next((one for one in (result, getattr(result, "table", None)) if isinstance(one, pd.DataFrame)), None)
    if frame is None:
        return repr(result)
    if frame.empty or ("value" in frame and frame["value"].isna().all()):
        return None
    return str(frame.to_csv(index=False, float_format="%.9g"))


def entry(name: str, theme: str, kind: str, call: Call, tables: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be said of one metric or model."""
    probe = Probe(call, tables)
    found: dict[str, Any] = {"kind": kind, "theme": theme, "label": probe.label or _named(name, kind)}
    found |= {key: value for key, value in probe.found().items() if value}
    if f"plot_{name}" in plots.__all__:
        found["plot"] = f"plot_{name}"
    return found


def _named(name: str, kind: str) -> str:
    """The key under which a figure's name stands in the texts."""
    if kind == "model":
        return f"answers.model.{name}"
    exact = f"metric.{name}"
    return exact if exact in messages("en") else next(key for key in messages("en") if key.startswith(f"{exact}."))


def _theme(name: str) -> str:
    return next((part for part in ROOM_OF[name].split(".") if part in THEMES), "relationship")


def entries() -> dict[str, dict[str, Any]]:
    """All metrics, models and lessons, by name."""
    made = {}
    for name, usual in CALLS.items():
        if name in ABOUT_ANY_TABLE:
            plain = {"kind": "metric", "theme": _theme(name), "label": _named(name, "metric")}
            made[name] = plain | {"some_of": list(schema.TABLES), "how_many": 1}
        elif name not in ABOUT_NO_TABLE:
            made[name] = entry(name, _theme(name), "metric", LEAST.get(name, usual), world(name))
        elif name != "rate":
            made[name] = {"kind": "metric", "theme": _theme(name), "label": _named(name, "metric")}
    for name, (theme, call) in MODELS.items():
        tables = world("churn_rate" if name == "shifted_beta_geometric" else name)
        made[name] = entry(name, theme, "model", call, tables)
    return made | dict(_lessons(made))


def _lessons(made: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each lesson needs its tables, and what the metrics that it uses need."""
    for path in sorted(LESSONS.glob("[0-9]*.py")):
        source = path.read_text(encoding="utf-8")
        head = source.split("# ---")[1]
        told = yaml.safe_load("\n".join(line[2:] for line in head.splitlines()))["jupyter"]["crmkit"]
        own = source[max(source.find("MY_FILE = "), 0) :]  # before the switch a lesson uses the course's data
        used = sorted({name for name in re.findall(r"\bcrmkit\.(\w+)\(", own) if name in made})
        tables = [name for name in told.get("tables", []) if re.search(rf"\b{name}\b", own)]
        needs = {f"{name}.{column}" for name in tables for column in schema.TABLES[name].required}
        needs |= {column for name in used for column in made[name].get("needs", ())}
        better = {column for name in used for column in made[name].get("better", ())} - needs
        yield (
            f"lesson_{path.stem}",
            {
                "kind": "lesson", "theme": told["theme"], "title_ja": told["title"]["ja"],
                "title_en": told["title"]["en"], "needs": sorted(needs), "better": sorted(better),
            },
        )  # fmt: skip


def of_the_file(told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What the file says of metrics and models, with its lessons made anew."""
    made = {name: dict(one) for name, one in told.items() if one["kind"] != "lesson"}
    return made | dict(_lessons(made))


def written(entries: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole file."""
    lines = ["# Made by docs/answers.py: do not edit. What each figure needs, may find empty, and is better with."]
    for name, one in entries.items():
        lines += ["", f"[{name}]"]
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in one.items()]
    return "\n".join([*lines, ""])


def wrong(told: Mapping[str, Any]) -> Iterator[str]:
    """What is not as the file says; what makes a figure better is not tried, since that takes minutes."""
    calls = {name: (LEAST.get(name, usual), world(name)) for name, usual in CALLS.items()}
    calls |= {
        name: (call, world("churn_rate" if name == "shifted_beta_geometric" else name))
        for name, (_, call) in MODELS.items()
    }
    lessons = {f"lesson_{path.stem}" for path in LESSONS.glob("[0-9]*.py")}
    again = of_the_file(told)
    yield from (f"{name}: its lesson uses something else now" for name in lessons if told.get(name) != again[name])
    yield from (f"{name}: not in the file" for name in {*calls, *lessons} - {*told, "rate"})
    yield from (f"{name}: no longer there" for name in set(told) - {*calls, *lessons})
    for name, (call, tables) in calls.items():
        if "needs" not in told.get(name, {}):
            continue
        needs, some = told[name]["needs"], told[name].get("some_of", [])[: told[name].get("how_many", 0)]
        probe = Probe(call, tables)
        if probe.result(_by_table([*needs, *some])) is None:
            yield f"{name}: needs more than {', '.join([*needs, *some])}"
        for one in needs:
            table, _, column = one.partition(".")
            if probe.result(probe.without({each: probe.asked[each] for each in _by_table(needs)}, table, column)):
                yield f"{name}: does not need {one}"


def _by_table(columns: list[str]) -> dict[str, list[str]]:
    kept: dict[str, list[str]] = {}
    for one in columns:
        table, _, column = one.partition(".")
        kept.setdefault(table, []).append(column)
    return kept


def main() -> int:
    """Write or compare; 1 if the file is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="try what the file says is needed, fail where it is not so"
    )
    parser.add_argument("--lessons", action="store_true", help="only the lessons anew, which takes a second")
    chosen = parser.parse_args()
    told = tomllib.loads(FILE.read_text(encoding="utf-8")) if chosen.check or chosen.lessons else {}
    if chosen.check:
        found = list(wrong(told))
        print("".join(f"crmkit/answers.toml: {line}: run docs/answers.py\n" for line in found), end="")
        return int(bool(found))
    made = of_the_file(told) if chosen.lessons else entries()
    FILE.write_text(written(made), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
