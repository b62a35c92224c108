"""Drop-downs that say which column of a file is which: recognized beforehand, corrected by hand, loaded and kept.

What comes from the file is escaped, of what may name people only the form is shown, and whatever goes wrong is a
sentence beside the buttons, never a traceback in a dead cell.
"""

from __future__ import annotations

import html
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets

from crmkit import schema
from crmkit.datasets.dataset import Dataset
from crmkit.datasets.line_items import LINE_ITEMS
from crmkit.datasets.mapping import ColumnMapping
from crmkit.errors import CrmkitError, ParameterError
from crmkit.reporting.drafts import file_draft
from crmkit.texts import text
from crmkit.widgets.columns_choice import (
    Choice,
    Sheet,
    called,
    column_label,
    file_name,
    is_saved_source,
    on_one_line,
    without_values,
)
from crmkit.widgets.columns_said import account, named_column, split, which
from crmkit.widgets.picture import with_static

PAGE = 20  # columns that are shown at once
_WIDE = {"width": "36em", "max_width": "100%"}
_STYLE = {"description_width": "14em"}
# by name: `None` is what a drop-down takes for "nothing chosen", and shows as an empty field
_DAYS = {"tell": None, "day": True, "month": False}
_SIGNS = {"tell": None, "point": ".", "comma": ","}


def choose_columns(
    source: Any, *, zone: str | None = None, dayfirst: bool | None = None, decimal: str | None = None,
    encoding: str | None = None,
) -> ColumnChooser:  # fmt: skip
    """Say with drop-downs which column of your file is which, and load it so: end a notebook cell with it.

    What crmkit recognizes by itself is chosen beforehand. The button "load" loads with the choice and shows the account
    of the rows; "save" keeps the choice as a TOML file for next month's export (`load(…, columns="shop.toml")`).

    Args:
        source: What to load, as for `load`: a file, a workbook, a folder, a database, tables at hand.
        zone, dayfirst, decimal, encoding: As for `load`; days and decimals can be chosen in the widget, too.

    Returns:
        The widget: `.crm` is the data set once it is loaded, `.mapping` which column is which.

    Examples:
        >>> import pandas as pd
        >>> till = pd.DataFrame({"member": ["A", "B"], "来店日": ["2024-04-01", "2024-04-02"], "お会計": [4400, 100]})
        >>> chooser = choose_columns(till)
        >>> chooser.table.value = "orders"
        >>> chooser.columns[0].value = "customer_id"
        >>> chooser.buttons["load"].click()
        >>> chooser.crm.orders["customer_id"].tolist()
        ['A', 'B']
    """
    return ColumnChooser(source, zone=zone, dayfirst=dayfirst, decimal=decimal, encoding=encoding)


class ColumnChooser(ipywidgets.VBox):
    """The widget of `choose_columns`.

    A saved notebook keeps a few sentences of it, without any value of a row. Jupyter can also store the state of
    widgets in the file if its user asks for that ("Save Widget State"): clear the outputs before you share such a one.

    Attributes:
        sheet: The drop-down of files or sheets.
        table: The drop-down that says which table the sheet is.
        columns: The drop-downs of the columns shown, by their place in the sheet.
        buttons: "load" and "save".
        name: The field with the name of the TOML file.
        said: The sentences shown now.
    """

    def __init__(self, source: Any, **options: Any) -> None:
        super().__init__()
        self.add_class("crmkit-columns")
        self._title = called(source)
        self._crm: Dataset | None = None
        self._quiet = False
        self.said = ""
        self.columns: dict[int, ipywidgets.Dropdown] = {}
        self._rows, self._hints, self._overview = ipywidgets.VBox(), ipywidgets.HTML(), ipywidgets.HTML()
        self._status, self._account = ipywidgets.HTML(), ipywidgets.HTML()
        self._status.add_class("crmkit-columns-status")
        heading = ipywidgets.HTML(f"<strong>{html.escape(text('columns.title', source=self._title))}</strong>")
        self.children = (heading, self._status)
        self.choice: Choice | None = None
        self._tried(lambda: self._open(source, options))
        if self.choice is not None:
            self._build(heading, source)

    # --- what it gives

    @property
    def crm(self) -> Dataset:
        """The data set, loaded with the choice shown.

        Raises:
            ParameterError: it is not loaded yet, or something was chosen anew since.
        """
        if self._crm is None:
            raise ParameterError("press_load")
        return self._crm

    @property
    def mapping(self) -> ColumnMapping:
        """Which column is which, as it is chosen now.

        Raises:
            ParameterError: the source could not be opened.
        """
        return self._open_choice().mapping()

    def load(self) -> Dataset:
        """Load with the present choice, as the button does.

        Returns:
            The data set.

        Raises:
            CrmkitError: as for `crmkit.load`, and where something is still to be chosen.
        """
        self._crm = None
        self._crm = self._open_choice().load()
        self._account.value = account(self._crm)
        self._say(text("columns.loaded", read=f"{sum(one.read for one in self._crm.account):,}",
                       loaded=f"{sum(one.loaded for one in self._crm.account):,}",
                       aside=f"{self._crm.account.aside:,}"))  # fmt: skip
        return self._crm

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Keep the choice as TOML; a file that is there is never replaced.

        Args:
            path: The file to write; ".toml" is added where the name does not end so.

        Returns:
            The path.

        Raises:
            ParameterError: no name, a file or folder of that name, or something is still to be chosen.
            CannotWrite: no room, or no right to write there.
        """
        choice = self._open_choice()
        if said := choice.complaints():
            raise ParameterError("not_chosen", why=" ".join(said))
        if not str(path).strip():
            raise ParameterError("no_name")
        place = Path(str(path).strip()).expanduser()
        place = place if place.suffix.lower() == ".toml" else place.with_name(f"{place.name}.toml")
        if os.path.lexists(place):
            raise ParameterError("mapping_exists", out=place)
        with file_draft(place, overwrite=False) as draft:
            draft.write_text(choice.toml(), encoding="utf-8", errors="replace")
        return place

    # --- how it is made

    def _open(self, source: Any, options: dict[str, Any]) -> None:
        if is_saved_source(source):
            raise ParameterError("saved_needs_no_columns", source=self._title)
        self.choice = Choice(source, options)

    def _open_choice(self) -> Choice:
        if self.choice is None:
            raise ParameterError("not_chosen", why=self.said)
        return self.choice

    def _build(self, heading: ipywidgets.Widget, source: Any) -> None:
        choice = self._open_choice()
        tables = [
            (text("columns.no_table"), ""),
            *((f"{text(f'table.{name}')} ({name})", name) for name in schema.TABLES),
        ]
        tables.insert(1, (f"{text('columns.line_items')} ({LINE_ITEMS})", LINE_ITEMS))
        sheets = [(f"{at + 1}. {on_one_line(one.offer.name)}", at) for at, one in enumerate(choice.sheets)]
        first = next((at for at, one in enumerate(choice.sheets) if one.table), 0)
        self.sheet = _dropdown("sheet", sheets, first)
        self.table = _dropdown("table", tables, "")
        self.part = _dropdown("part", [("1", 0)], 0)
        self.filter = ipywidgets.Text(
            description=text("columns.filter"), placeholder=text("columns.filter_hint"), style=_STYLE, layout=_WIDE,
            continuous_update=False,
        )  # fmt: skip
        given = choice.options
        self.days = _dropdown("days", _choices("day", _DAYS), _named(_DAYS, given.get("dayfirst")))
        self.signs = _dropdown("signs", _choices("sign", _SIGNS), _named(_SIGNS, given.get("decimal")))
        stem = Path(self._title).stem if isinstance(source, str | os.PathLike) else ""
        self.name = ipywidgets.Text(
            value=f"{file_name(stem) or 'columns'}.toml", description=text("columns.name"), style=_STYLE, layout=_WIDE
        )
        self.buttons = {"load": self._button("load", self._load), "save": self._button("save", self._save)}
        self.buttons["load"].button_style = "primary"
        self._look_up = (self.part, self.filter)
        keys = ipywidgets.HTML(f"<small>{html.escape(text('columns.keys'))}</small>")
        notes = ipywidgets.HTML("".join(f"<p>{html.escape(on_one_line(str(note)))}</p>" for note in choice.notes))
        self.children = (
            heading, *([self.sheet, self._overview] if len(sheets) > 1 else []), notes, keys, self.table, self._hints,
            *self._look_up, self._rows, self.days, self.signs, self._status, self.buttons["load"], self._account,
            ipywidgets.HBox([self.name, self.buttons["save"]], layout={"flex_flow": "row wrap"}),
        )  # fmt: skip
        self._watch()
        self._show_sheet()

    def _watch(self) -> None:
        for widget, act in (
            (self.sheet, self._show_sheet), (self.table, self._take), (self.part, self._show_columns),
            (self.filter, self._find), (self.days, self._read), (self.signs, self._read),
        ):  # fmt: skip
            widget.observe(lambda _, act=act: None if self._quiet else self._tried(act), "value")

    def _button(self, name: str, act: Callable[[], None]) -> ipywidgets.Button:
        button = ipywidgets.Button(
            description=text(f"columns.{name}"), layout={"width": "auto", "align_self": "flex-start"}
        )
        button.add_class(f"crmkit-columns-{name}")
        button.on_click(lambda _: self._tried(act))
        return button

    # --- what its controls do

    @property
    def _now(self) -> Sheet:
        at: int = self.sheet.value
        return self._open_choice().sheets[at]

    def _show_sheet(self) -> None:
        sheet = self._now
        with _Quietly(self):
            self.table.value = sheet.table
            self.table.disabled = bool(sheet.refused)
            self.filter.value = ""
        self._find()
        self._tell()

    def _take(self) -> None:
        self._now.take(self.table.value, self._open_choice().how)
        self._changed()
        self._find()
        self._tell()

    def _read(self) -> None:
        self._open_choice().options |= {
            "dayfirst": _DAYS[self.days.value],
            "decimal": _SIGNS[self.signs.value],
        }
        self._changed()
        self._tell()

    def _find(self) -> None:
        """Cut the columns that were looked for into parts."""
        many = len(self._now.offer.headers) > PAGE
        found = len(self._found())
        parts = [
            (text("columns.part_of", first=at + 1, last=min(at + PAGE, found), of=found), at)
            for at in range(0, found, PAGE)
        ]
        with _Quietly(self):
            self.part.options = parts or [(text("columns.none_found"), 0)]
            self.part.value = 0
        for widget in self._look_up:
            widget.layout.display = None if many and self._now.table else "none"
        self._show_columns()

    def _found(self) -> list[int]:
        """The columns that are looked for: all, or those with the words in their header or in what they are."""
        sheet, words = self._now, self.filter.value.strip().casefold()
        if not sheet.table:
            return []
        said = (f"{header} {sheet.columns[at]} {self._label(at)}" for at, header in enumerate(sheet.offer.headers))
        return [at for at, one in enumerate(said) if words in one.casefold()]

    def _label(self, at: int) -> str:
        table, column = self._now.meant(at)
        return column_label(table, column) if column else ""

    def _show_columns(self) -> None:
        shown = self._found()[self.part.value : self.part.value + PAGE]
        self.columns = {}
        self._samples: dict[int, ipywidgets.HTML] = {}
        self._rows.children = tuple(self._row(at) for at in shown)

    def _row(self, at: int) -> ipywidgets.Widget:
        sheet = self._now
        needed = text("columns.needed")
        options = [(text("columns.unused"), "")] + [
            (f"{named_column(table, one.name, sheet)}{needed if one.required else ''}", sheet.called(table, one.name))
            for table, one in sheet.options()
        ]
        box = ipywidgets.Dropdown(
            options=options, value=sheet.columns[at], description=sheet.label(at), style=_STYLE, layout=_WIDE
        )
        box.observe(partial(self._put, at), "value")
        self.columns[at], self._samples[at] = box, ipywidgets.HTML(self._sample(at))
        return ipywidgets.HBox([box, self._samples[at]], layout={"flex_flow": "row wrap"})

    def _sample(self, at: int) -> str:
        """A few values of a column, and by what it was recognized."""
        sheet = self._now
        values = " / ".join(sheet.samples(at)) or text("columns.no_sample")
        by = text(f"mapping.by.{sheet.by[at]}") if sheet.columns[at] else ""
        return f"<span>{html.escape(values)}</span>" + (f" <em>{html.escape(f'[{by}]')}</em>" if by else "")

    def _put(self, at: int, change: Any) -> None:
        if not self._quiet:
            self._tried(lambda: self._put_now(at, change["new"]))

    def _put_now(self, at: int, column: str) -> None:
        sheet = self._now
        before = sheet.put(at, column)
        self._changed()
        for place in (at, before):
            if place is not None and place in self.columns:
                with _Quietly(self):
                    self.columns[place].value = sheet.columns[place]
                self._samples[place].value = self._sample(place)
        moved = "" if before is None else text("columns.moved", column=column, place=sheet.label(before))
        self._tell(moved)

    def _load(self) -> None:
        self.buttons["load"].disabled = True
        try:
            self._say(text("columns.loading"))
            self.load()
        finally:
            self.buttons["load"].disabled = False

    def _save(self) -> None:
        place = self.save(self.name.value)
        self._say(text("columns.saved", out=place), code=self._open_choice().code(place))

    # --- what it says

    def _changed(self) -> None:
        """What was loaded with another choice is not what is shown."""
        self._crm, self._account.value = None, ""

    def _tell(self, first: str = "") -> None:
        """What is still to be done, as it stands now."""
        choice, sheet = self._open_choice(), self._now
        hints = [text("columns.near", tables=", ".join(sheet.near))] if sheet.near and not sheet.table else []
        hints += [text("columns.export", title=sheet.export.title)] if sheet.export and sheet.table else []
        hints += [sheet.refused] if sheet.refused else []
        hints += list(split(self._open_choice(), sheet)) if sheet.is_split else []
        self._hints.value = "".join(f"<p>{html.escape(one)}</p>" for one in hints)
        rows = "".join(f"<li>{html.escape(self._taken(one))}</li>" for one in choice.sheets)
        self._overview.value = f"<ul style='max-height:10em;overflow:auto' tabindex='0'>{rows}</ul>"
        open_to = [which(sheet, column, same) for column, same in sheet.unsaid()]
        self._say(*([first] if first else []), *open_to, *(choice.complaints() or [text("columns.ready")]))

    def _taken(self, sheet: Sheet) -> str:
        """What a sheet is taken for."""
        return f"{on_one_line(sheet.offer.name)} → {sheet.table or text('columns.not_loaded')}"

    def _say(self, *lines: str, code: str = "") -> None:
        self.said = " ".join([*lines, *([code] if code else [])])
        said = "".join(f"<p style='line-height:1.5'>{html.escape(line)}</p>" for line in lines)
        said += f"<pre>{html.escape(code)}</pre>" if code else ""
        self._status.value = f"<div role='status'>{said}</div>"

    def _tried(self, act: Callable[[], None]) -> None:
        try:
            act()
        except CrmkitError as error:
            self._say(without_values(error))
        except Exception as error:  # a traceback in a dead cell would help nobody; its words may quote a value
            self._say(text("columns.failed", error=type(error).__name__))

    def _repr_mimebundle_(self, **more: Any) -> dict[str, Any]:
        return with_static(super()._repr_mimebundle_(**more), b"", self._static())

    def _static(self) -> str:
        """What remains where no kernel runs: names of columns and counts, no value of any row."""
        lines = [text("columns.title", source=self._title)]
        for sheet in self.choice.sheets if self.choice is not None else ():
            named = [
                f"{on_one_line(sheet.offer.headers[at])} → {name}" for at, name in enumerate(sheet.columns) if name
            ]
            named += list(split(self._open_choice(), sheet)) if sheet.is_split else []
            lines.append(f"{on_one_line(sheet.offer.name)} → {sheet.table or text('columns.not_loaded')}")
            lines += [f"  {one}" for one in named]
        for one in self._crm.account if self._crm is not None else ():
            counts = {"read": f"{one.read:,}", "loaded": f"{one.loaded:,}", "aside": f"{one.aside:,}"}
            lines.append(f"{one.table}: {text('load.rows', **counts)}")
        return "\n".join(lines)


class _Quietly:
    """While a drop-down is set by the widget itself, nothing hangs on it."""

    def __init__(self, chooser: ColumnChooser) -> None:
        self.chooser = chooser

    def __enter__(self) -> None:
        self.before, self.chooser._quiet = self.chooser._quiet, True

    def __exit__(self, *_: object) -> None:
        self.chooser._quiet = self.before


def _dropdown(name: str, options: list[tuple[str, Any]], value: Any) -> ipywidgets.Dropdown:
    made = ipywidgets.Dropdown(
        options=options, value=value, description=text(f"columns.{name}"), style=_STYLE, layout=_WIDE
    )
    made.add_class(f"crmkit-columns-{name}")
    return made


def _choices(kind: str, meant: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(text(f"columns.{kind}.{name}"), name) for name in meant]


def _named(meant: Mapping[str, Any], value: Any) -> str:
    return next((name for name, one in meant.items() if one == value), "tell")
