"""The widget contract, for every explorer of every lesson, found by itself."""

from __future__ import annotations

import inspect
import itertools
import sys
from types import ModuleType

import ipywidgets
import pytest

from crmkit.lessons import repeat_and_retention as lesson
from crmkit.plots import new_figure, png, style
from crmkit.texts import in_language, text
from crmkit.widgets.explorer import Answer, Explorer, Number, Prediction
from tests.lessons_found import MODULES, data_of, module, sample


def explorers():
    """Every function of a lesson module that is said to return an Explorer."""
    for taught in MODULES:
        for name, function in inspect.getmembers(module(taught), inspect.isfunction):
            own = function.__module__ == f"crmkit.lessons.{taught}"
            if own and inspect.signature(function).return_annotation == "Explorer":
                yield pytest.param(function, id=f"{taught}.{name}")


def given(name: str, lesson: ModuleType):
    """What an explorer is given, by the name of its parameter: few orders, all tables, or one of them."""
    if name == "orders":
        return sample("ten_customers").orders
    crm = data_of(lesson)
    return crm if name == "crm" else getattr(crm, name)


@pytest.fixture(params=explorers())
def make(request):
    lesson = sys.modules[request.param.__module__]
    return lambda: request.param(**{name: given(name, lesson) for name in inspect.signature(request.param).parameters})


def ends(control) -> list:
    """The values at which a control most likely fails: both ends of a range, all of a list."""
    return [control.min, control.max] if hasattr(control, "min") else [value for _, value in control.options]


def leaves(widget):
    for child in getattr(widget, "children", ()):
        yield child
        yield from leaves(child)


def state(explorer: Explorer):
    return bytes(explorer.picture.value), explorer.headline, {name: c.value for name, c in explorer.controls.items()}


def failed(explorer: Explorer) -> bool:
    return text("explorer.failed", error="").split("(")[0].split("(")[0] in explorer.headline


def test_some_lesson_has_an_explorer():
    assert list(explorers())


def shows_a_result(explorer: Explorer) -> None:
    assert not failed(explorer), explorer.headline
    assert bytes(explorer.picture.value).startswith(b"\x89PNG")
    assert explorer.picture.tooltip == explorer.headline  # unlocked: the picture says what the page says


def test_every_control_survives_its_ends_in_every_combination(make):
    """Nothing fails, and nothing of the last picture stays in the next: it is as if drawn on new panels."""
    with in_language("ja"):
        explorer = make()
        explorer.prediction.value = 42
        explorer.buttons["predict"].click()
        assert 1 <= len(explorer.controls) <= 4
        for place, values in enumerate(itertools.product(*map(ends, explorer.controls.values()))):
            for control, value in zip(explorer.controls.values(), values, strict=True):
                control.value = value
            shows_a_result(explorer)
            if place % 4 == 1:
                assert bytes(explorer.picture.value) == on_a_new_sheet(explorer), values


def test_every_control_survives_its_ends_in_english(make):
    explorer = make()
    explorer.buttons["skip"].click()
    for control in explorer.controls.values():
        start = control.value
        for value in (*ends(control), start):
            control.value = value
            shows_a_result(explorer)


def on_a_new_sheet(explorer: Explorer) -> bytes:
    """What the explorer shows, drawn on a figure of its own with the panels at the same places."""
    assert explorer._sheet, "every picture is drawn on new panels: something is drawn beside them"
    places = [axes.get_position() for axes in explorer._sheet[0].axes]
    with style():
        figure, axes = new_figure(**explorer._panels, layout=None)
        for panel, place in zip(figure.axes, places, strict=True):
            panel.set_position(place)
        explorer._draw_result(figure, axes)
        return png(figure)


def test_the_result_is_locked_until_predicted(make):
    explorer = make()
    before = bytes(explorer.picture.value)
    assert all(control.disabled for control in explorer.controls.values())
    assert text("explorer.locked") in explorer._summary.value
    explorer.prediction.value = 42
    explorer.buttons["predict"].click()
    assert bytes(explorer.picture.value) != before
    assert "42" in explorer.headline
    assert not any(control.disabled for control in explorer.controls.values())


def test_skipping_shows_the_result_without_a_comparison(make):
    explorer = make()
    explorer.buttons["skip"].click()
    assert explorer.unlocked
    assert explorer.predicted is None


def test_reset_brings_back_the_start(make):
    explorer = make()
    start = state(explorer)
    explorer.prediction.value = 42
    explorer.buttons["predict"].click()
    for control in explorer.controls.values():
        control.value = control.min if hasattr(control, "min") else control.options[-1][1]
    explorer.buttons["reset"].click()
    assert start == (
        explorer.picture.value,
        explorer.headline,
        {name: c.value for name, c in explorer.controls.items()},
    )
    assert not explorer.unlocked


def test_every_slider_has_a_named_twin_and_every_control_a_name(make):
    parts = list(leaves(make()))
    sliders = [part for part in parts if isinstance(part, ipywidgets.FloatSlider)]
    twins = [part for part in parts if isinstance(part, ipywidgets.BoundedFloatText | ipywidgets.Dropdown)]
    assert all(twin.description for twin in twins)
    assert len(twins) >= len(sliders) + 1  # the prediction has a field too
    for slider in sliders:
        (twin,) = [t for t in twins if t.description == slider.tooltip]
        twin.disabled = slider.disabled = False
        slider.value = slider.min
        assert twin.value == slider.min


def test_a_saved_notebook_keeps_picture_and_sentence(make):
    explorer = make()
    locked = explorer._repr_mimebundle_()
    explorer.buttons["skip"].click()
    unlocked = explorer._repr_mimebundle_()
    assert locked["text/plain"] == unlocked["text/plain"] == explorer.headline
    assert locked["image/png"].startswith("iVBOR")
    assert "application/vnd.jupyter.widget-view+json" in locked


def test_nothing_draws_into_an_output(make):
    assert not [part for part in leaves(make()) if isinstance(part, ipywidgets.Output)]


def test_no_figure_stays_open(make):
    from matplotlib import pyplot as plt

    explorer = make()
    explorer.buttons["skip"].click()
    assert plt.get_fignums() == []


def odd_explorer(answer) -> Explorer:
    return Explorer(
        texts="lesson08",
        prediction=Prediction(0, 1, 0.1, "%"),
        controls=[Number("month", 0, 1, 0.5, 0)],
        answer=answer,
        before=lambda figure, axes: "nothing yet",
    )


def test_what_is_drawn_beside_the_panels_or_before_a_failure_does_not_stay():
    found = []

    def answer(month):
        def draw(figure, axes, _):
            found.append((month, len(figure.texts), len(figure.axes), len(axes.lines)))
            axes.plot([0, 1], [0, 1])
            if month == 0.5:
                figure.text(0.5, 0.5, "beside")
                figure.add_axes((0.1, 0.1, 0.2, 0.2))
            if month == 1:
                raise RuntimeError("half drawn")

        return Answer(0.0, "drawn", draw)

    explorer = odd_explorer(answer)
    explorer.buttons["skip"].click()
    for month in (0.5, 0, 1, 0, 0.5):
        explorer.controls["month"].value = month
        assert failed(explorer) == (month == 1)
    assert found == [(month, 0, 1, 0) for month in (0, 0.5, 0, 1, 0, 0.5)]


def test_an_exception_becomes_a_sentence():
    def answer(month):
        raise RuntimeError("<b>boom</b>")

    explorer = odd_explorer(answer)
    explorer.buttons["skip"].click()
    assert failed(explorer)
    assert "<b>boom" not in explorer._summary.value  # and its words stay words


def test_more_than_four_controls_are_refused():
    with pytest.raises(ValueError, match="not 5"):
        Explorer(
            texts="lesson08",
            prediction=Prediction(0, 1, 0.1, "%"),
            controls=[Number(f"x{n}", 0, 1, 0.5, 0) for n in range(5)],
            answer=lambda **_: Answer(0, "", lambda *_: None),
            before=lambda figure, axes: "",
        )


def test_lesson_08_says_what_the_table_says():
    explorer = lesson.many_numbers(sample("ten_customers").orders)
    explorer.prediction.value = 60
    explorer.buttons["predict"].click()
    assert "50.0% (5 of 10" in explorer.headline
    assert "10 points lower" in explorer.headline
    explorer.controls["formula"].value = "new"
    assert "5 ÷ 3 = 166.7%" in explorer.headline
    assert "predicted" not in explorer.headline  # that was about another formula
    explorer.controls["formula"].value = "repurchase"
    assert "no data" in explorer.headline  # nobody who first came in March has been watched for 60 days
    explorer.controls["month"].value = 2
    assert "66.7% (2 of 3" in explorer.headline
