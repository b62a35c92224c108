"""Predict → move → explain: the one widget of the course, which each lesson only declares.

The learner first says what will come out (or skips), then moves at most four controls; picture and sentence follow at
once. Nothing is drawn into an `Output`, no exception leaves a dead cell, a saved notebook keeps picture and sentence.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import ipywidgets

from crmkit.plots import new_figure, png, style, wipe
from crmkit.texts import text
from crmkit.widgets.picture import Picture, with_static

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CONTROLS = 4


class Control(Protocol):
    """Something to move: `build` gives the widget whose `value` is read, and everything to show for it."""

    @property
    def name(self) -> str: ...

    def build(self, label: str) -> tuple[ipywidgets.ValueWidget, ipywidgets.Widget]: ...


@dataclass(frozen=True)
class Number:
    """A number on a slider, with a field beside it: a slider alone has no name that a screen reader could say."""

    name: str
    low: float
    high: float
    step: float
    start: float
    live: bool = True  # redraw while dragging; False where a redraw is slow

    def build(self, label: str) -> tuple[ipywidgets.ValueWidget, ipywidgets.Widget]:
        limits = {"min": self.low, "max": self.high, "step": self.step, "value": self.start}
        twin = ipywidgets.BoundedFloatText(
            description=label, style={"description_width": "initial"}, layout={"width": "26em"}, **limits
        )
        slider = ipywidgets.FloatSlider(
            readout=False, continuous_update=self.live, layout={"width": "16em"}, tooltip=label, **limits
        )
        ipywidgets.link((slider, "value"), (twin, "value"))
        slider.add_class("crmkit-slider")
        twin.add_class("crmkit-twin")
        return slider, ipywidgets.HBox([twin, slider], layout={"flex_flow": "row wrap"})


@dataclass(frozen=True)
class Choice:
    """One of a few, in a drop-down: `options` are (label, value)."""

    name: str
    options: tuple[tuple[str, Any], ...]
    start: Any

    def build(self, label: str) -> tuple[ipywidgets.ValueWidget, ipywidgets.Widget]:
        box = ipywidgets.Dropdown(
            options=self.options,
            value=self.start,
            description=label,
            style={"description_width": "initial"},
            layout={"width": "40em", "max_width": "100%"},
        )
        box.add_class("crmkit-twin")
        return box, box


@dataclass(frozen=True)
class Answer:
    """What the controls' position comes to: the value in the prediction's unit, one sentence, and how to draw it."""

    value: float
    sentence: str
    draw: Callable[[Figure, Any, float | None], None]


@dataclass(frozen=True)
class Prediction:
    """The question's answer as a number field: its limits, unit (as the reader sees it) and where it stands."""

    low: float
    high: float
    step: float
    unit: str
    start: float | None = None  # `low` where nothing else is said


class Explorer(ipywidgets.VBox):
    """A question, a prediction, a few controls, a picture and a sentence.

    Args:
        texts: Where its words are: `<texts>.question`, what the learner is to predict, and `<texts>.control.<name>`,
            the label of each control.
        prediction: The number field for it.
        controls: At most four.
        answer: Called with the controls' values by name; gives the `Answer`.
        before: Draws the situation without its result, shown until a prediction is made.
        panels: Passed on to the figure, e.g. `{"ncols": 2}`.

    Attributes:
        headline: The sentence shown now.
        predicted: The prediction, `None` while there is none or after skipping.
        unlocked: Whether the result may be seen.
    """

    def __init__(
        self,
        *,
        texts: str,
        prediction: Prediction,
        controls: Sequence[Control],
        answer: Callable[..., Answer],
        before: Callable[[Figure, Any], str],
        panels: dict[str, Any] | None = None,
    ) -> None:
        if not 1 <= len(controls) <= MOST_CONTROLS:
            raise ValueError(f"1–{MOST_CONTROLS} controls, not {len(controls)}")
        super().__init__()
        self.add_class("crmkit-explorer")
        self._answer, self._before, self._panels = answer, before, panels or {}
        self._unit = prediction.unit
        self._decimals = max(0, -math.floor(math.log10(prediction.step)))
        self.predicted: float | None = None
        self.unlocked = False
        self.headline = ""
        self._sheet: tuple[Figure, Any] | None = None  # drawn on again: new panels take as long as all else
        self.picture = Picture()
        self._summary = ipywidgets.HTML()
        self._summary.add_class("crmkit-summary")
        built = {control.name: control.build(text(f"{texts}.control.{control.name}")) for control in controls}
        self.controls = {name: value for name, (value, _) in built.items()}
        self._defaults = {name: control.value for name, control in self.controls.items()}
        self._control_rows = [row for _, row in built.values()]
        asked = ipywidgets.HTML(f"<strong>{html.escape(text(f'{texts}.question'))}</strong>")
        self.children = (asked, self._prediction_row(prediction), *self._control_rows, self._summary, self.picture)
        for control in self.controls.values():
            control.observe(self._redraw, "value")
        self.reset()

    def _prediction_row(self, prediction: Prediction) -> ipywidgets.HBox:
        self._start = prediction.low if prediction.start is None else prediction.start
        self.prediction = ipywidgets.BoundedFloatText(
            min=prediction.low,
            max=prediction.high,
            step=prediction.step,
            value=self._start,
            description=text("explorer.prediction", unit=prediction.unit.strip()),
            style={"description_width": "initial"},
            layout={"width": "18em"},
        )
        self.prediction.add_class("crmkit-prediction")
        self.buttons = {
            "predict": self._button("predict", self._predict, "primary"),
            "skip": self._button("skip", self._skip, ""),
            "reset": self._button("reset", self.reset, ""),
        }
        return ipywidgets.HBox([self.prediction, *self.buttons.values()], layout={"flex_flow": "row wrap"})

    def _button(self, name: str, act: Callable[..., None], look: str) -> ipywidgets.Button:
        button = ipywidgets.Button(description=text(f"explorer.{name}"), button_style=look, layout={"width": "auto"})
        button.add_class(f"crmkit-{name}")
        button.on_click(act)
        return button

    def _predict(self, *_: object) -> None:
        self._unlock(self.prediction.value)

    def _skip(self, *_: object) -> None:
        self._unlock(None)

    def _unlock(self, predicted: float | None) -> None:
        self.predicted, self.unlocked = predicted, True
        self._enable(controls=True)
        self._redraw()

    def reset(self, *_: object) -> None:
        """Back to the start: controls at their defaults, no prediction, the result hidden."""
        self.unlocked, self.predicted = False, None
        self.prediction.value = self._start
        for name, control in self.controls.items():
            control.value = self._defaults[name]
        self._enable(controls=False)
        self._redraw()

    def _enable(self, *, controls: bool) -> None:
        for row in self._control_rows:
            for part in row.children if isinstance(row, ipywidgets.Box) else (row,):
                part.disabled = not controls
        self.prediction.disabled = controls
        for name in ("predict", "skip"):
            self.buttons[name].disabled = controls

    def _redraw(self, *_: object) -> None:
        try:
            self._draw()
        except (
            Exception
        ) as error:  # said in the widget: a traceback would leave a dead cell that tells a learner nothing
            self._say(text("explorer.failed", error=f"{type(error).__name__}: {error}"))

    def _draw(self) -> None:
        with style():
            if not self.unlocked:
                figure, axes = new_figure(**self._panels)
                situation = self._before(figure, axes)
                self.picture.show(figure, situation)
                self._say(f"{situation} {text('explorer.locked')}")
                return
            figure, axes = self._sheet or new_figure(**self._panels)
            self._sheet = None  # whatever goes wrong in drawing, the next picture starts on a clean sheet
            wipe(figure)
            bare = len(figure.get_children())
            sentence = self._draw_result(figure, axes)
            if figure.get_layout_engine():  # laid out once: then the picture holds still while a slider moves
                figure.draw_without_rendering()
                figure.set_layout_engine(None)
            self.picture.show(figure, sentence)
            if len(figure.get_children()) == bare:  # what a lesson adds beside the panels would stay
                self._sheet = figure, axes
        self._say(sentence)

    def _draw_result(self, figure: Figure, axes: Any) -> str:
        answer = self._answer(**{name: control.value for name, control in self.controls.items()})
        answer.draw(figure, axes, self.predicted)
        return f"{answer.sentence} {self._compared(answer.value)}".strip()

    def _compared(self, value: float) -> str:
        """How far off the prediction was; only where the controls are as they were when it was made."""
        moved = any(control.value != self._defaults[name] for name, control in self.controls.items())
        if self.predicted is None or moved or math.isnan(value):
            return ""
        apart = value - self.predicted
        if self._unit != "%":  # a distance in points is one of percentages
            shown = f"{value:,.{self._decimals}f}"
            return text("explorer.beside", predicted=f"{self.predicted:,g}", value=shown, unit=self._unit)
        key = "explorer.met" if abs(apart) < 0.5 else "explorer.higher" if apart > 0 else "explorer.lower"
        return text(key, predicted=f"{self.predicted:g}", apart=f"{abs(apart):.0f}", unit=self._unit)

    def _say(self, sentence: str) -> None:
        self.headline = sentence
        self._summary.value = f"<p role='status' style='line-height:1.5'>{html.escape(sentence)}</p>"

    def _repr_mimebundle_(self, **more: Any) -> dict[str, Any]:
        image, says = self._static()
        return with_static(super()._repr_mimebundle_(**more), image, says)

    def _static(self) -> tuple[bytes, str]:
        """Picture and sentence for a saved notebook: the result, since where no kernel runs nobody can unlock it."""
        if self.unlocked:
            return self.picture.value, self.headline
        with style():
            figure, axes = new_figure(**self._panels)
            sentence = self._draw_result(figure, axes)
            return png(figure), sentence
