"""From a file to a table of the model: columns matched, values read, rows that cannot be used set aside and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmkit.datasets.headings import By, Match, words_of
from crmkit.datasets.numerals import Mask
from crmkit.datasets.problems import Action, Problem, Reasons
from crmkit.datasets.repeats import all_the_same, repeated
from crmkit.datasets.source import Source
from crmkit.datasets.values import CODE, FAULTS, Reading, Values, as_text, read_column
from crmkit.errors import EmptyTable, WrongType
from crmkit.schema import Column, Table

_T = TypeVar("_T")
_MANY_ROWS = 100_000  # from here on columns are worked on side by side
TOTAL = r"^(?i:合計|総合計|総計|小計|中計|計|累計|総額|(?:grand|sub)?[ -]?totals?|sum)(?:[ :(]|$)"
_MONEY_THAT_COUNTS = ("net_amount", "unit_amount")
# Whether and where a row counts hangs on these: an unknown word must not pass for "completed".
DECIDES = ("status", "is_test", "arm")
_WRONG_TYPE = {
    "instant": "date",
    "date": "date",
    "amount": "number",
    "number": "number",
    "integer": "number",
    "flag": "flag",
    "category": "category",
}


@dataclass(slots=True)
class LoadedTable:
    """One table as loaded, and the account of how it came about."""

    model: Table
    source: Source
    used: dict[str, str]
    by: dict[str, By] = field(default_factory=dict)
    frame: pd.DataFrame = field(default_factory=pd.DataFrame)
    problems: list[Problem] = field(default_factory=list)
    derived: list[str] = field(default_factory=list)
    aside: pd.DataFrame = field(default_factory=pd.DataFrame)
    reasons: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    beside: frozenset[str] = frozenset()  # columns that another table took from the same source
    told: list[tuple[str, dict[str, object]]] = field(default_factory=list)  # keys under `line_items.told`, with values
    again: Callable[[], dict[str, LoadedTable]] | None = None  # reads its source anew, numbers of orders filled down

    @property
    def unused(self) -> tuple[str, ...]:
        """Columns of the file that the data model does not know."""
        taken = self.beside.union(self.used.values())
        return tuple(name for name in self.source.headers if name not in taken)


def load_table(
    source: Source, model: Table, matches: Sequence[Match], how: Reading, *, once: bool = False
) -> LoadedTable:
    """Turn a source into one table of the data model.

    Args:
        source: What was read.
        model: The table that it is.
        matches: Which column of the source is which of the model.
        how: Zone, moment of loading, and how to read what can be read in two ways.
        once: The rows of one key are lines of one thing, and its first line says all: an export of orders by item.

    Raises:
        WrongType: a column cannot be read in more than half of the rows, or its dates can be read in two ways.
        EmptyTable: no row can be used.
    """
    work = Work(source, model, {match.column: match.at for match in matches}, how, once=once)
    work.read()
    work.set_totals_aside()
    work.set_faults_aside()
    work.make_key()
    work.set_duplicates_aside()
    work.derive_net_amount()
    work.note_the_rest()
    loaded = work.finish()
    loaded.source = replace(source, columns=())  # else the whole file stays in memory beside the table
    loaded.by = {match.column: match.by for match in matches}
    return loaded


@dataclass(slots=True)
class Work:
    """A table in the making. `reason` holds, per row, 0 or the number (from 1) of the problem that set it aside."""

    source: Source
    model: Table
    at: dict[str, int]
    how: Reading
    values: dict[str, Values] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    derived: list[str] = field(default_factory=list)
    reason: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    once: bool = False

    def read(self) -> None:
        """Read every column, and refuse one that is not what it is taken for."""
        self.reason = np.zeros(len(self.source.lines), dtype=np.int64)
        misfits = self.source.misfits
        if misfits:
            # how many fields, not the text: a whole line may name a person
            found = tuple(dict.fromkeys(str(item.fields) for item in misfits))[:3]
            facts = {"file": self.source.name, "expected": len(self.source.headers)}
            self.problems.append(Problem("misfit", self.model.name, "", len(misfits), found, "set_aside", facts))
        for name, values in zip(self.at, self._columns(), strict=True):
            self.values[name] = values
            self._refuse_scraps(self.model[name], values.faults)

    def _columns(self) -> Iterator[Values]:
        """The columns understood."""

        def understood(name: str) -> Values:
            how = replace(self.how, words=self.words(name))
            return read_column(self.source.columns[self.at[name]], self.model[name], how)

        return self._side_by_side(understood, self.at)

    def _side_by_side(self, work: Callable[[str], _T], names: Iterable[str]) -> Iterator[_T]:
        """What `work` makes of each column, several at a time where that pays."""
        if len(self.source.lines) < _MANY_ROWS:
            yield from map(work, names)
            return
        with ThreadPoolExecutor(pa.cpu_count()) as pool:
            yield from pool.map(work, names)

    def words(self, column: str) -> Mapping[str, str]:
        """Other systems' words for those of a column."""
        return words_of(self.model.name, column)

    def _refuse_scraps(self, column: Column, faults: np.ndarray) -> None:
        """More than half unreadable is the wrong column, not a few bad rows."""
        if not faults.any():
            return
        empty, nested = (faults == CODE[fault] for fault in ("empty", "nested"))
        unreadable = faults == CODE["not_allowed" if column.kind == "category" else "unreadable"]
        rows = len(faults)
        if nested.any():
            self._wrong_type("file_nested", column, nested, rows)
        if (faults == CODE["ambiguous"]).any():
            reason = "file_ambiguous" if column.kind in ("instant", "date") else "file_ambiguous_number"
            self._wrong_type(reason, column, faults == CODE["ambiguous"], rows)
        if column.required and empty.all() and rows:
            self._wrong_type("file_empty", column, empty, rows)
        if column.kind in _WRONG_TYPE and (column.kind != "category" or column.name in DECIDES):
            bad = unreadable | empty if column.required else unreadable
            of = rows if column.required else rows - int(empty.sum())
            if 2 * bad.sum() > of:
                self._wrong_type(f"file_{_WRONG_TYPE[column.kind]}", column, bad, of)

    def _wrong_type(self, reason: str, column: Column, where: Mask, of: int) -> None:
        sample = ", ".join(repr(text) for text in self.examples(column.name, where)) or "-"
        own = self.source.headers[self.at[column.name]]
        raise WrongType(
            reason, file=self.source.name, table=self.model.name, column=own, name=column.name,
            rows=int(where.sum()), of=of, sample=sample, allowed=", ".join(column.allowed),
        )  # fmt: skip

    def set_totals_aside(self) -> None:
        """Take out lines of totals: a word for it comes first, and something that the table needs is not there."""
        broken = np.zeros(len(self.reason), dtype=bool)
        for name, values in self.values.items():
            if self.model[name].required and values.faults.any():
                broken |= values.faults != 0
        rows = np.flatnonzero(broken)
        if not len(rows):
            return
        first = pa.array([""] * len(rows))
        for column in self.source.columns:
            text = pc.fill_null(pc.utf8_trim_whitespace(as_text(column.take(pa.array(rows)))), "").combine_chunks()
            first = pc.if_else(pc.equal(first, ""), text, first)
        is_total = np.asarray(pc.match_substring_regex(pc.utf8_normalize(first, form="NFKC"), TOTAL))
        if is_total.any():
            found = tuple(dict.fromkeys(first.filter(pa.array(is_total)).to_pylist()))[:3]
            facts = {"file": self.source.name}
            problem = Problem("total_line", self.model.name, "", int(is_total.sum()), found, "set_aside", facts)
            self.problems.append(problem)
            self.reason[rows[is_total]] = len(self.problems)

    def set_faults_aside(self) -> None:
        """Take out rows whose fault would make a count or a sum wrong: keys, needed dates, amounts, what counts."""
        for column, fault, where in self._faults():
            if column.required or (fault != "empty" and (column.kind == "amount" or column.name in DECIDES)):
                self.set_aside(self._kind(column, fault), column.name, where)

    def note_the_rest(self) -> None:
        """Count, among the rows that stay, the values that were emptied or changed."""
        for column, fault, where in self._faults():
            if fault != "empty":
                self.note(self._kind(column, fault), column.name, where, "emptied")
            elif column.name in _MONEY_THAT_COUNTS:
                self.note("no_amount", column.name, where, "kept")
        for name, values in self.values.items():
            for note, where in values.notes.items():
                self.note(note, name, where, "changed", zone=self.how.zone)
        ids = self.values.get("customer_id") if "customer_id" not in self.model.key else None
        known = None if ids is None else self._kept(ids.values)
        if known is not None and len(known) - known.null_count > 1 and all_the_same(known):
            self.note("one_customer", "customer_id", self.reason == 0, "kept")

    def _kept(self, values: Any) -> Any:
        return values.filter(pa.array(self.reason == 0)) if self.reason.any() else values

    def _faults(self) -> Iterator[tuple[Column, str, Mask]]:
        for name, values in self.values.items():
            for code in np.unique(values.faults[values.faults != 0]) if values.faults.any() else ():
                yield self.model[name], FAULTS[code], values.faults == code

    def _kind(self, column: Column, fault: str) -> str:
        """The words for a fault: the unreadable by type, a purchase without a customer, a refund among orders."""
        if fault == "empty" and column.name == "customer_id":
            return "no_customer"
        if fault == "negative" and self.model.name != "orders":
            return "below_zero"
        return f"{fault}_{_WRONG_TYPE[column.kind]}" if fault == "unreadable" else fault

    def note(self, kind: str, column: str, where: Mask, action: Action, **values: object) -> None:
        """Record a problem of rows that are still in."""
        where = where & (self.reason == 0)
        if where.any():
            found = self.examples(column, where) if column in self.at else ()
            self.problems.append(self._problem(kind, column, int(where.sum()), found, action, values))

    def set_aside(self, kind: str, column: str, where: Mask, **values: object) -> None:
        """Take rows out; a row with two faults is counted under the first."""
        where = where & (self.reason == 0)
        if where.any():
            found = self.examples(column, where)
            self.problems.append(self._problem(kind, column, int(where.sum()), found, "set_aside", values))
            self.reason[where] = len(self.problems)

    def _problem(
        self, kind: str, column: str, rows: int, found: tuple[str, ...], action: Action, values: Mapping[str, object]
    ) -> Problem:
        model = self.model[column]
        own = self.source.headers[self.at[column]] if column in self.at else column
        facts: dict[str, object] = {
            "file": self.source.name,
            "own": own,
            "column": column,
            "allowed": ", ".join(model.allowed),
        }
        facts |= {"low": _plain(model.low), "high": _plain(model.high), **values}
        return Problem(kind, self.model.name, column, rows, found, action, facts)

    def examples(self, column: str, where: Mask) -> tuple[str, ...]:
        """Up to three different texts of the file; none for what identifies a person."""
        if self.model[column].personal:
            return ()
        first = self.source.columns[self.at[column]].take(pa.array(np.flatnonzero(where)[:1000]))
        texts = dict.fromkeys(text for text in as_text(first).to_pylist() if text)
        return tuple(_short(text) for text in list(texts)[:3])

    def make_key(self) -> None:
        """Name the rows by their lines where the file has no id for them."""
        (key, *more) = self.model.key
        if more or key in self.at:
            return
        lines = pa.array(self.source.lines).cast(pa.string())
        ids = pc.binary_join_element_wise(pa.scalar("line-"), lines, "")
        self.values = {key: Values(ids, np.zeros(len(lines), dtype=np.uint8)), **self.values}
        self.derived.append("key_from_line")

    def set_duplicates_aside(self) -> None:
        """Keep the first row of each key; tell copies of a whole line from rows that contradict it."""
        key = list(self.model.key)
        if "key_from_line" in self.derived:
            return
        shared = self._of_the_same_key(key)
        if not len(shared):
            return
        texts = {name: as_pandas(self.values[name].values, self.model[name], shared) for name in key}
        again = pd.DataFrame(texts).duplicated().to_numpy()
        whole = self._original(shared).duplicated().to_numpy()
        copies, others = (np.zeros(len(self.reason), dtype=bool) for _ in range(2))
        copies[shared[whole]] = True
        others[shared[again]] = True
        own = " + ".join(self.source.headers[self.at[name]] for name in key)
        self.set_aside("same_again", key[0], copies, own=own)
        self.set_aside("further_line" if self.once else "key_again", key[0], others, own=own)

    def _of_the_same_key(self, key: Sequence[str]) -> np.ndarray:
        """Where the rows are whose key another row has too, of those that are kept."""
        if len(key) == 1:  # to look through all rows is quicker than to cut those out that are kept
            shared = repeated(self.values[key[0]].values)
            return np.asarray(shared[self.reason[shared] == 0])
        kept = np.flatnonzero(self.reason == 0)
        texts = {name: as_pandas(self.values[name].values, self.model[name], kept) for name in key}
        return np.asarray(kept[pd.DataFrame(texts).duplicated(keep=False)])

    def derive_net_amount(self) -> None:
        """`net = gross - discount`: made where it is missing, checked where it is not."""
        if "gross_amount" not in self.at or "discount_amount" not in self.at:
            return
        net = self.values["gross_amount"].values - np.nan_to_num(self.values["discount_amount"].values)
        if "net_amount" in self.at:
            disagree = np.abs(self.values["net_amount"].values - net) > 0.5
            self.note("amounts_disagree", "net_amount", disagree, "kept")
            return
        self.values["net_amount"] = Values(net, np.where(np.isnan(net), CODE["empty"], 0).astype(np.uint8))
        self.derived.append("net_amount")
        self.set_aside("negative_net", "discount_amount", net < 0)

    def finish(self) -> LoadedTable:
        """Build the frame and the account, and check that no row is lost between them."""
        loaded = LoadedTable(self.model, self.source, {name: self.source.headers[at] for name, at in self.at.items()})
        keep = self.reason == 0
        if not keep.any():
            raise EmptyTable(
                "nothing_left", file=self.source.name, table=self.model.name, rows=self.source.rows_read,
                found=Reasons(tuple(self.problems)),
            )  # fmt: skip
        loaded.frame = self._frame(None if keep.all() else keep)
        loaded.aside, loaded.reasons = self._aside()
        loaded.problems, loaded.derived = self.problems, self.derived
        assert self.source.rows_read == len(loaded.frame) + len(loaded.aside), "a row was lost"
        return loaded

    def _frame(self, keep: Mask | None) -> pd.DataFrame:
        order = [column.name for column in self.model.columns if column.name in self.values]
        columns = self._side_by_side(lambda name: self._column(name, keep), order)
        return pd.DataFrame(dict(zip(order, columns, strict=True)), copy=False)

    def _column(self, name: str, keep: Mask | None) -> pd.Series[Any]:
        values = self.values[name]
        faulty = values.faults != 0 if values.faults.any() else None
        if faulty is not None and keep is not None:
            faulty = faulty[keep]
        return as_pandas(values.values, self.model[name], keep, faulty)

    def _aside(self) -> tuple[pd.DataFrame, np.ndarray]:
        """The rows set aside as they stand in the file, in its order, and the problem of each."""
        rows, misfits = np.flatnonzero(self.reason), self.source.misfits
        frame, reasons = self._original(rows), self.reason[rows]
        frame.insert(0, "line", self.source.lines[rows])
        if misfits:  # they are problem 1
            whole = {"line": [item.line for item in misfits], "whole_line": [item.text for item in misfits]}
            frame = pd.concat([frame, pd.DataFrame(whole)], ignore_index=True)
            reasons = np.append(reasons, np.ones(len(misfits), dtype=reasons.dtype))
        order = np.argsort(frame["line"].to_numpy(), kind="stable")
        own = self.source.headers
        # only now the file's own names, which may be empty, come twice or be like ours
        frame.columns = pd.Index([_free(name, own) if isinstance(name, str) else own[name] for name in frame.columns])
        return frame.iloc[order].reset_index(drop=True), reasons[order]

    def _original(self, rows: np.ndarray) -> pd.DataFrame:
        """Rows of the file as text, all columns, by position."""
        at = pa.array(rows)
        # nothing is cut out much quicker than it is taken
        some = [column.take(at) if len(rows) else column.slice(0, 0) for column in self.source.columns]
        columns = [as_text(column).to_pandas() for column in some]
        frame: pd.DataFrame = pd.concat(columns, axis=1, keys=range(len(columns)))
        return frame.set_axis(rows)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _plain(bound: float | None) -> str:
    return "" if bound is None else f"{bound:g}"


def _free(name: str, headers: tuple[str, ...]) -> str:
    """A column name of ours that the file does not use itself."""
    while name in headers:
        name = "_" + name
    return name


def as_pandas(values: Any, column: Column, keep: np.ndarray | None = None, empty: Mask | None = None) -> pd.Series[Any]:
    """Values as a pandas column of the model's type: the rows that `keep` marks, or has the places of, in its order.

    `empty` marks those of them that must not be seen.
    """
    if isinstance(values, np.ndarray):
        values = values if keep is None else values[keep]
        if empty is not None and empty.any():
            values = np.where(
                empty, np.array("NaT" if values.dtype.kind == "M" else np.nan, dtype=values.dtype), values
            )
        if column.kind == "integer":
            return pd.Series(values).astype("int64" if not np.isnan(values).any() else "Int64")
        return pd.Series(values if values.flags.writeable else values.copy(), copy=False)
    if keep is not None:
        values = values.filter(pa.array(keep)) if keep.dtype == bool else values.take(pa.array(keep))
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if empty is not None and empty.any():
        values = pc.if_else(pa.array(empty), None, values)
    if column.kind == "flag":
        return pd.Series(values.to_pandas()).astype("boolean" if values.null_count else "bool")
    return pd.Series(values.to_pandas())
