"""A set of tables ready for the metrics, and the account of how it was loaded."""

from __future__ import annotations

import html
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from crmkit.datasets.account import Account
from crmkit.datasets.checks import checked
from crmkit.datasets.crm import Crm
from crmkit.datasets.mapping import ColumnMapping
from crmkit.datasets.problems import Problem, problems_frame
from crmkit.datasets.repairs import Done, possible, repaired
from crmkit.datasets.source import SourceNote
from crmkit.datasets.tables import LoadedTable
from crmkit.errors import ParameterError
from crmkit.texts import text

_DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "pipe"}


class Dataset(Crm):
    """Tables read from a shop's own files, with what was wrong with them and what became of it.

    `crm.orders` is a pandas table under the data model's column names. `crm.mapping` says which column of the source is
    which, `crm.problems` what is wrong with which rows and how to mend it, `crm.rejected["orders"]` holds the rows that
    could not be used, as they stand in the source, and `crm.account` accounts for every row (`crm.report()` in words).
    Words follow the language in use when they are looked at. A table of the shop's own that is called like one of
    these, such as `problems`, is `crm.tables["problems"]`.
    """

    def __init__(
        self, loaded: Mapping[str, LoadedTable], *, zone: str, mapping: ColumnMapping, notes: Sequence[SourceNote] = ()
    ) -> None:
        frames = {name: item.frame for name, item in loaded.items()}
        super().__init__(frames, zone=zone)
        self._made = dict(frames)  # they have the model's types already
        self._loaded = dict(loaded)
        self.mapping = mapping
        self._notes = tuple(notes)
        self._across = list(checked(self._loaded))
        self._done: tuple[Done, ...] = ()
        self._before: Dataset | None = None

    @property
    def problems(self) -> pd.DataFrame:
        """What is wrong: `table`, `column`, `rows`, `problem`, `found` (examples), `action` taken and the `mend`."""
        return problems_frame(list(self.each_problem()))

    @property
    def rejected(self) -> dict[str, pd.DataFrame]:
        """Rows that could not be used, by table: `line` of the file, `reason`, and the file's own columns as text.

        A line with a wrong number of fields is in `whole_line`.
        """
        return {name: _rejected(item) for name, item in self._loaded.items()}

    @property
    def account(self) -> Account:
        """What became of every row: per table the rows read, loaded, set aside and why, and dropped by repairs."""
        return Account.of(self._loaded)

    def save_rejected(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write the rows that were set aside to a folder, a CSV per table, to mend them and load them again.

        Each row has the `file` and `line` that it stands in, the `reason`, and all columns of the file as text, those
        that name people too: it is your file, and what is to be mended must be seen. Text that a spreadsheet would take
        for a formula gets an apostrophe in front. The folder appears when all of it is written.

        Args:
            folder: The folder to make; not inside a folder that you load, or its files would be loaded too.

        Returns:
            The files, in UTF-8 with a mark, so that Excel knows it; none where no row was set aside: then there is no
            folder either.

        Raises:
            ParameterError: the folder is there already, with something in it.
            CannotWrite: no room, or no right to write there.

        Examples:
            >>> import pandas as pd
            >>> from tempfile import mkdtemp
            >>> from warnings import catch_warnings, simplefilter
            >>> from crmkit.datasets import load
            >>> visits = pd.DataFrame({"会員番号": ["A", "B"], "来店日": ["2024-04-01", "?"], "お会計": [100, 200]})
            >>> with catch_warnings():
            ...     simplefilter("ignore")
            ...     crm = load(visits)
            >>> (place,) = crm.save_rejected(Path(mkdtemp()) / "to mend")
            >>> place.read_text(encoding="utf-8-sig").splitlines()[0]
            'file,line,reason,会員番号,来店日,お会計'
        """
        from crmkit.datasets.rejected import save

        return save(self._loaded, self.rejected, Path(os.path.realpath(Path(folder).expanduser())))

    @property
    def repairs(self) -> pd.DataFrame:
        """What crmkit could mend, if you ask: `repair` (its name), `table`, `column`, `rows`, and `what` it does."""
        found = [(one.name, one.table, one.column, one.rows, one.what) for one in possible(self._loaded)]
        frame = pd.DataFrame(found, columns=["repair", "table", "column", "rows", "what"])
        return frame.astype({name: "int64" if name == "rows" else "str" for name in frame})

    @property
    def repaired(self) -> pd.DataFrame:
        """What was mended, in order: `repair`, `rows`, and what it did."""
        frame = pd.DataFrame([(one.name, one.rows, one.what) for one in self._done], columns=["repair", "rows", "what"])
        return frame.astype({name: "int64" if name == "rows" else "str" for name in frame})

    def repair(self, *names: str) -> Dataset:
        """Mend some of what `repairs` lists, one after another.

        Args:
            names: Names of repairs, e.g. "orders.customer_id.same_writing".

        Returns:
            A new `Dataset`; this one stays as it is, and `undo()` of the new one gives it back.

        Raises:
            ParameterError: there is no such repair (any more).

        Examples:
            >>> import pandas as pd
            >>> from crmkit.datasets import load
            >>> orders = pd.DataFrame({"order_id": ["1", "2"], "customer_id": ["7", "008"], "ordered_at": "2026-04-01"})
            >>> crm = load({"orders": orders, "customers": pd.DataFrame({"customer_id": ["007", "008"]})})
            >>> crm.repairs[["repair", "rows"]].values.tolist()
            [['orders.customer_id.same_writing', 1], ['orders.customer_id.drop_orphans', 1]]
            >>> fixed = crm.repair("orders.customer_id.same_writing")
            >>> fixed.orders["customer_id"].tolist(), fixed.undo().orders["customer_id"].tolist()
            (['007', '008'], ['7', '008'])
        """
        now = self
        for name in names:
            loaded, done = repaired(now._loaded, name)
            after = Dataset(loaded, zone=now.zone, mapping=now.mapping, notes=now._notes)
            after._done, after._before = (*now._done, done), now
            now = after
        return now

    def undo(self) -> Dataset:
        """As it was before the last repair.

        Returns:
            The `Dataset` of before.

        Raises:
            ParameterError: nothing was repaired.
        """
        if self._before is None:
            raise ParameterError("nothing_repaired")
        return self._before

    def report(self) -> str:
        """The account of the loading: files, rows read, loaded and set aside, what was changed and made."""
        return "\n".join(line if depth == 0 else "  " * depth + line for depth, line in self._lines())

    def _repr_html_(self) -> str:
        lines = "".join(
            f"<p style='margin:0 0 0 {2 * depth}em'>{html.escape(line)}</p>" for depth, line in self._lines()
        )
        problems = self.problems
        with pd.option_context("display.max_colwidth", None):  # a mend cut short mends nothing
            return lines + (problems.to_html(index=False, escape=True) if len(problems) else "")

    def __repr__(self) -> str:
        return self.report()

    def each_problem(self) -> Iterator[Problem]:
        """Each problem as it was found, with its `kind`; `problems` is the table of them."""
        for item in self._loaded.values():
            yield from item.problems
        yield from self._across

    def _lines(self) -> Iterator[tuple[int, str]]:
        for item in self._loaded.values():
            yield from _account(item)
        for note in self._notes:
            yield 0, str(note)
        others = dict.fromkeys(row.source for row in self.mapping.rows if not row.table)
        if others:
            yield 0, text("load.others", sources=", ".join(others))
        for problem in self._across:
            yield 0, text("load.noted", what=problem.what, rows=f"{problem.rows:,}", action=text("action.kept"))
        for done in self._done:
            yield 0, text("load.repaired", what=done.what, rows=f"{done.rows:,}", name=done.name)


def _account(item: LoadedTable) -> Iterator[tuple[int, str]]:
    """The report of one table, as lines with a depth."""
    source, aside = item.source, len(item.aside)
    yield 0, text("load.table", label=text(f"table.{item.model.name}"), file=source.name)
    if source.encoding is not None and source.delimiter is not None:
        delimiter = text(f"load.{_DELIMITERS[source.delimiter]}")
        yield 1, text("load.written", encoding=source.encoding, delimiter=delimiter)
    yield 1, text("load.rows", read=f"{source.rows_read:,}", loaded=f"{len(item.frame):,}", aside=f"{aside:,}")
    for problem in item.problems:
        said = {"what": problem.what, "rows": f"{problem.rows:,}"}
        if problem.action == "set_aside":
            yield 2, text("load.reason", **said)
        else:
            yield 1, text("load.noted", action=text(f"action.{problem.action}"), **said)
    for note in source.notes:
        yield 1, str(note)
    if source.blank_lines:
        yield 1, text("load.blank", rows=f"{source.blank_lines:,}")
    for made in item.derived:
        yield 1, text(f"load.made.{made}")
    for key, facts in item.told:
        yield 1, text(f"line_items.told.{key}", **facts)
    yield (
        1,
        text(
            "load.used", columns=", ".join(own if own == name else f"{own} → {name}" for name, own in item.used.items())
        ),
    )
    if item.unused:
        yield 1, text("load.unused", columns=", ".join(item.unused))


def _rejected(item: LoadedTable) -> pd.DataFrame:
    frame = item.aside.copy()
    place = "reason"
    while place in frame.columns:  # the file may have a column of that name
        place = "_" + place
    said = [item.problems[number - 1].what for number in item.reasons]
    frame.insert(1, place, pd.Series(said, dtype="str"))
    return frame
