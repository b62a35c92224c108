"""A panel to work in a customer database: search, look, correct, merge, ask, and take back; all of it by keyboard too.

Every change goes through `CustomerDatabase`, so it is journalled and can be undone. What identifies a person is shown
as *** until somebody asks for it, except the name in a search; what comes from the data or from a typed question is
escaped. Errors are sentences beside the form, never a traceback in a dead cell.
"""

from __future__ import annotations

import html
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import ipywidgets
import pandas as pd

from crmkit import schema
from crmkit.datasets.customer_changes import Change
from crmkit.datasets.customer_database import CustomerDatabase
from crmkit.errors import CrmkitError, RowsLeftOut
from crmkit.metrics.management.likeness import THRESHOLD
from crmkit.metrics.management.matching import explain_match, match_customers
from crmkit.texts import has_text, text
from crmkit.widgets.data_table import HIDDEN, as_html, plain
from crmkit.widgets.picture import with_static

MOST_ROWS = 20
MOST_PAIRS = 200
PERSONAL = {column.name for table in schema.TABLES.values() for column in table.columns if column.personal}
IN_SEARCH = ("match", "customer_id", "name", "source_system", "registered_at")
QUESTION = "SELECT count(*) AS customers FROM customers"
TASKS = ("look", "correct", "merge", "ask", "journal")
WIDE = {"width": "34em", "max_width": "100%"}


def database_panel(db: CustomerDatabase, *, question: str = QUESTION, threshold: float = THRESHOLD) -> DatabasePanel:
    """A panel to work in a customer database: end a notebook cell with it.

    Args:
        db: An open database. The panel changes it with `db.correct`, `db.merge` and `db.undo`, as `db.who`.
        question: The SQL that stands in the field for questions at first.
        threshold: From which sum of weights on two records are offered as one person, as in `match_customers`.

    Returns:
        The panel, a widget.

    Raises:
        ParameterError: the database is closed.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> from crmkit.datasets.crm import Crm
        >>> people = pd.DataFrame({"customer_id": ["C1", "C2"], "name": ["佐藤 花子", "鈴木 葵"]})
        >>> path = Crm({"customers": people}, zone="Asia/Tokyo").save(Path(mkdtemp()) / "shop.duckdb")
        >>> with CustomerDatabase(path, who="hana") as db:
        ...     panel = database_panel(db)
        ...     panel.fields["words"].value = "佐藤"
        ...     panel.chosen
        'C1'
    """
    return DatabasePanel(db, question=question, threshold=threshold)


class DatabasePanel(ipywidgets.VBox):
    """The panel; see `database_panel`.

    A saved notebook keeps one sentence of it, without personal data. Jupyter can also store the state of widgets in
    the file if its user asks for that ("Save Widget State"): clear the outputs before you share such a notebook.

    Attributes:
        fields: Its input fields by name, such as "words", "customer", "task".
        buttons: Its buttons by name, such as "search", "merge", "undo_last".
        said: The sentence shown now.
        chosen: The id of the chosen customer, "" while there is none.
    """

    def __init__(self, db: CustomerDatabase, *, question: str = QUESTION, threshold: float = THRESHOLD) -> None:
        super().__init__()
        self.add_class("crmkit-panel")
        self.db = db
        self._threshold = threshold
        self.said = ""
        self._customers = int(db.ask("SELECT count(*) AS n FROM customers")["n"].iloc[0])
        self.fields = self._make_fields(question)
        self.buttons = {name: self._button(name, act) for name, act in self._acts().items()}
        self._status, self._shown, self._now = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self._status.add_class("crmkit-panel-status")
        self._form = ipywidgets.VBox()
        heading = ipywidgets.HTML(f"<strong>{html.escape(self.title)}</strong>")
        search = self._row("words", "search")
        self.children = (
            heading, search, self.fields["customer"], self.fields["personal"], self.fields["task"], self._form,
            self.buttons["undo_last"], self._status, self._shown,
        )  # fmt: skip
        self._watch()
        self._turn()
        self._say(text("panel.hello"))

    @property
    def chosen(self) -> str:
        return str(self.fields["customer"].value or "")

    @property
    def title(self) -> str:
        return text("panel.title", file=self.db.path.name, customers=self._customers)

    # --- its parts

    def _make_fields(self, question: str) -> dict[str, Any]:
        made: dict[str, Any] = {
            "words": ipywidgets.Text(continuous_update=False, placeholder=text("panel.part_of")),
            "customer": ipywidgets.Dropdown(options=[(text("panel.nobody"), "")], value=""),
            "personal": ipywidgets.Checkbox(value=False, indent=False),
            "task": ipywidgets.Dropdown(options=[(text(f"panel.task.{one}"), one) for one in TASKS], value="look"),
            "field": ipywidgets.Dropdown(options=()),
            "value": ipywidgets.Combobox(ensure_option=False),
            "pair": ipywidgets.Dropdown(options=[(text("panel.no_pair"), "")], value=""),
            "keep": ipywidgets.Dropdown(options=()),
            "why": ipywidgets.Text(),
            "sql": ipywidgets.Textarea(value=question, rows=4),
            "change": ipywidgets.Dropdown(options=[(text("panel.no_change"), "")], value=""),
        }
        for name, field in made.items():
            field.description = text(f"panel.field.{name}")
            field.style = {"description_width": "11em"}
            field.layout = WIDE
            field.add_class(f"crmkit-panel-{name}")
        return made

    def _acts(self) -> dict[str, Callable[[], str]]:
        return {
            "search": self._search, "look": self._look, "correct": self._correct, "pairs": self._look_for_pairs,
            "merge": self._merge, "ask": self._ask, "journal": self._journal, "undo": self._undo,
            "undo_last": self._undo_last,
        }  # fmt: skip

    def _button(self, name: str, act: Callable[[], str]) -> ipywidgets.Button:
        button = ipywidgets.Button(
            description=text(f"panel.button.{name}"), layout={"width": "auto", "align_self": "flex-start"}
        )
        button.add_class(f"crmkit-panel-{name.replace('_', '-')}-button")
        button.on_click(lambda _: self._try(act))
        return button

    def _row(self, *names: str) -> ipywidgets.Widget:
        parts = [self.buttons[name] if name in self.buttons else self.fields[name] for name in names]
        return ipywidgets.HBox(parts, layout={"flex_flow": "row wrap"})

    def _watch(self) -> None:
        watched: dict[str, Callable[[], None]] = {
            "words": lambda: self._try(self._search), "customer": self._tell_fields, "field": self._tell_value,
            "personal": self._tell_personal, "pair": lambda: self._try(self._explain), "task": self._turn,
        }  # fmt: skip
        for name, act in watched.items():
            self.fields[name].observe(lambda _, act=act: act(), "value")

    def _turn(self) -> None:
        """Show the form of the task."""
        forms: dict[str, tuple[ipywidgets.Widget, ...]] = {
            "look": (self.buttons["look"],),
            "correct": (
                self.fields["field"], self._now, self.fields["value"], self.fields["why"], self.buttons["correct"],
            ),
            "merge": (
                self.buttons["pairs"], self.fields["pair"], self.fields["keep"], self.fields["why"],
                self.buttons["merge"],
            ),
            "ask": (self.fields["sql"], self.buttons["ask"]),
            "journal": (self.buttons["journal"], self._row("change", "undo")),
        }  # fmt: skip
        self._form.children = forms[self.fields["task"].value]
        self._shown.value = ""
        if self.fields["task"].value == "journal":
            self._try(self._journal)

    # --- saying

    def _try(self, act: Callable[[], str]) -> None:
        """Do something and say what came of it; an error is a sentence, too."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RowsLeftOut)
                self._say(act())
        except CrmkitError as error:
            self._say(str(error))
        except Exception as error:  # said in the panel: a traceback would leave a dead cell
            self._say(text("panel.failed", error=f"{type(error).__name__}: {error}"))

    def _say(self, sentence: str) -> None:
        self.said = sentence
        self._status.value = f"<p role='status' style='line-height:1.5'>{html.escape(sentence)}</p>"

    def _show(self, table: pd.DataFrame, caption: str, *, open_to_all: Iterable[str] = ()) -> None:
        names = {str(name) for name in table.columns} & PERSONAL - set(open_to_all)
        hidden = set() if self.fields["personal"].value else names
        self._shown.value = as_html(table, caption, hidden)

    # --- looking

    def _search(self) -> str:
        words = self.fields["words"].value
        found = self.db.find(words, limit=MOST_ROWS)
        self._choose([(_who(row), row["customer_id"]) for row in found.to_dict("records")])
        shown = [name for name in IN_SEARCH if name in found]
        self._show(found[shown], text("panel.caption.search"), open_to_all=["name"])
        if not len(found):
            return text("panel.found_none", words=words)
        return text("panel.found_alike" if found["match"].eq("similar").all() else "panel.found", rows=len(found))

    def _choose(self, options: Sequence[tuple[str, str]]) -> None:
        box = self.fields["customer"]
        box.options = options or [(text("panel.nobody"), "")]
        box.value = box.options[0][1]

    def _record(self) -> dict[str, Any]:
        return dict(self.db.customer(self.chosen).record) if self.chosen else {}

    def _look(self) -> str:
        if not self.chosen:
            return text("panel.choose_first")
        view = self.db.customer(self.chosen)
        hides = not self.fields["personal"].value
        record = [
            (_column(name), HIDDEN if hides and name in PERSONAL and value is not None else plain(value))
            for name, value in view.record.items()
        ]
        rows = [(_table(name), text("panel.rows", rows=len(frame))) for name, frame in view.items() if len(frame)]
        told = pd.DataFrame([*record, *rows], columns=[text("panel.head.field"), text("panel.head.value")])
        self._shown.value = as_html(told, text("panel.caption.look", customer=self.chosen), set())
        return text("panel.looked", customer=self.chosen, rows=sum(len(frame) for frame in view.values()))

    def _ask(self) -> str:
        answer = self.db.ask(self.fields["sql"].value)
        self._show(answer.head(MOST_ROWS), text("panel.caption.ask"))
        return text("panel.answered", rows=len(answer), shown=min(len(answer), MOST_ROWS))

    # --- correcting

    def _tell_fields(self) -> None:
        try:
            names = [name for name in self._record() if name != "customer_id"]
        except CrmkitError as error:
            self._say(str(error))
            return
        kept = self.fields["field"].value
        self.fields["field"].options = [(_column(name), name) for name in names]
        self.fields["field"].value = kept if kept in names else next(iter(names), None)
        self._tell_value()

    def _tell_value(self) -> None:
        """What stands in the field now, and what it takes."""
        name, record = self.fields["field"].value, self._record()
        if name not in record:
            self._now.value = ""
            return
        column = _model(name)
        flags = (text("panel.yes"), text("panel.no"))
        self.fields["value"].options = flags if column and column.kind == "flag" else column.allowed if column else ()
        self.fields["value"].value = ""
        hides = name in PERSONAL and not self.fields["personal"].value and record[name] is not None
        now = HIDDEN if hides else plain(record[name]) or text("panel.empty")
        self._now.value = f"<p>{html.escape(text('panel.now', value=now))}</p>"

    def _tell_personal(self) -> None:
        if self.fields["task"].value == "correct":
            self._tell_value()
        elif self.fields["task"].value == "merge":
            self._try(self._explain)
        elif self._shown.value and self.chosen:
            self._try(self._look)

    def _correct(self) -> str:
        if not self.chosen:
            return text("panel.choose_first")
        name = self.fields["field"].value
        value = _read(name, self.fields["value"].value)
        done = self.db.correct("customers", self.chosen, why=self.fields["why"].value or None, **{name: value})
        self._tell_value()
        return self._changed(done)

    def _changed(self, done: Change) -> str:
        self.fields["why"].value = ""
        self._tell_changes()
        return str(done)

    # --- merging

    def _look_for_pairs(self) -> str:
        self._say(text("panel.working"))
        table = match_customers(self.db.crm().customers, threshold=self._threshold, result="pairs")
        table = table.sort_values("weight", ascending=False)
        pairs: list[tuple[str, Any]] = [
            (text("panel.pair", one=one, other=other, weight=f"{weight:g}"), (one, other))
            for one, other, weight in zip(
                table["customer_id"], table["other_customer_id"], table["weight"], strict=True
            )
        ]
        self.fields["pair"].options = pairs[:MOST_PAIRS] or [(text("panel.no_pair"), "")]
        self.fields["pair"].value = self.fields["pair"].options[0][1]
        return text("panel.pairs", pairs=len(table), shown=min(len(table), MOST_PAIRS))

    def _explain(self) -> str:
        """Why two records are one person, with what is compared only if that was asked for."""
        pair = self.fields["pair"].value
        self.fields["keep"].options = pair or ()
        self.fields["keep"].value = pair[0] if pair else None
        if not pair:
            self._shown.value = ""
            return text("panel.no_pair_yet")
        customers, personal = self.db.crm().customers, self.fields["personal"].value
        told = explain_match(customers, *pair, threshold=self._threshold, personal=personal)
        told["evidence"] = [text(f"panel.evidence.{one}") for one in told["evidence"]]
        told["grade"] = [text(f"panel.grade.{one.replace(' ', '_')}") for one in told["grade"]]
        told.columns = pd.Index([*(text(f"panel.head.{one}") for one in ("evidence", "grade", "weight")), *pair])
        self._shown.value = as_html(told, text("panel.caption.merge"), set())
        return text("panel.explained", one=pair[0], other=pair[1], weight=f"{told.iloc[-1, 2]:g}")

    def _merge(self) -> str:
        pair, keep = self.fields["pair"].value, self.fields["keep"].value
        if not pair:
            return text("panel.no_pair_yet")
        away = pair[1] if keep == pair[0] else pair[0]
        done = self.db.merge(keep=keep, away=away, why=self.fields["why"].value or None)
        left = [one for one in self.fields["pair"].options if away not in one[1]]
        self.fields["pair"].options = left or [(text("panel.no_pair"), "")]
        self.fields["pair"].value = self.fields["pair"].options[0][1]
        self._choose([(keep, keep)])
        filled = text("panel.filled", columns=", ".join(map(_column, done.filled))) if done.filled else ""
        return f"{self._changed(done)} {filled}".strip()

    # --- taking back

    def _changes(self) -> pd.DataFrame:
        """The journal, one row per change, without the values before and after."""
        journal = self.db.journal()
        if not len(journal):
            return journal
        place = [journal[name].fillna("") for name in ("table", "column", "key")]
        told = journal.assign(cell=place[0] + "." + place[1], key=place[0] + "." + place[2])
        return told.groupby("change", sort=False, as_index=False).agg(
            changed_at=("changed_at", "first"), who=("who", "first"), what=("what", "first"), key=("key", "nunique"),
            cell=("cell", _listed), why=("why", "first"),
            undone=("undone", "first"), undoes=("undoes", "first"),
        )  # fmt: skip

    def _tell_changes(self) -> pd.DataFrame:
        changes = self._changes()
        standing = changes[~changes["undone"].astype(bool) & changes["what"].ne("forget")] if len(changes) else changes
        standing = standing.reindex(columns=["change", "what", "who"])
        options = [
            (text("panel.change", change=change, what=_what(what), who=who), int(change))
            for change, what, who in standing.to_numpy().tolist()
        ]
        self.fields["change"].options = options or [(text("panel.no_change"), "")]
        self.fields["change"].value = self.fields["change"].options[0][1]
        return changes

    def _journal(self) -> str:
        changes = self._tell_changes()
        if not len(changes):
            self._shown.value = ""
            return text("panel.journal_empty")
        shown = changes.head(MOST_ROWS).assign(
            what=[_what(one) for one in changes["what"].head(MOST_ROWS)],
            undone=[text("panel.yes" if one else "panel.no") for one in changes["undone"].head(MOST_ROWS)],
        )
        shown["changed_at"] = shown["changed_at"].dt.strftime("%Y-%m-%d %H:%M")
        names = ("change", "changed_at", "who", "what", "key", "cell", "why", "undone")
        told = shown[list(names)].set_axis([text(f"panel.head.{one}") for one in names], axis=1)
        self._shown.value = as_html(told, text("panel.caption.journal"), set())
        return text("panel.journalled", changes=len(changes))

    def _undo(self) -> str:
        if not self.fields["change"].value:
            return text("panel.no_change")
        return self._undone(self.db.undo(self.fields["change"].value))

    def _undo_last(self) -> str:
        return self._undone(self.db.undo())

    def _undone(self, done: Change) -> str:
        if self.fields["task"].value == "journal":
            self._journal()
        elif self.fields["task"].value == "correct":
            self._tell_value()
        else:
            self._shown.value = ""
        return self._changed(done)

    # --- where no kernel runs

    def _repr_mimebundle_(self, **more: Any) -> dict[str, Any]:
        return with_static(super()._repr_mimebundle_(**more), b"", f"{self.title} {text('panel.static')}")


def _model(name: str) -> schema.Column | None:
    """What the data model says of a column of `customers`."""
    return next((column for column in schema.TABLES["customers"].columns if column.name == name), None)


def _read(name: str, typed: str) -> Any:
    """What somebody typed, as the column takes it; where it cannot be read the database says what it wants."""
    column, said = _model(name), typed.strip()
    if not said:
        return None
    if column is not None and column.kind == "flag":
        return {text("panel.yes"): True, text("panel.no"): False}.get(said, said)
    if column is not None and column.kind in ("number", "integer"):
        try:
            return float(said.replace(",", "")) if column.kind == "number" else int(said.replace(",", ""))
        except ValueError:
            return said
    return said


def _listed(cells: Iterable[str], most: int = 3) -> str:
    """Where a change was, the first few of many."""
    found = sorted(set(cells))
    return ", ".join(found[:most]) + (" …" if len(found) > most else "")


def _what(act: str) -> str:
    return text("panel.forgotten") if act == "forget" else text(f"database.what.{act}")


def _who(row: dict[Any, Any]) -> str:
    return " ".join(filter(None, (str(row["customer_id"]), plain(row.get("name")))))


def _column(name: str) -> str:
    key = f"column.customers.{name}"
    return text(key) if has_text(key) else name


def _table(name: str) -> str:
    return text(f"table.{name}") if has_text(f"table.{name}") else name
