"""The widget contract, for every explorer of every lesson, found by itself; and the exercises."""

from __future__ import annotations

import importlib
import inspect
import itertools
import pkgutil
import re
import warnings

import ipywidgets
import pytest

import crmkit
import crmkit.lessons
from crmkit.lessons import repeat_and_retention as lesson
from crmkit.texts import in_language, text
from crmkit.widgets import exercise
from crmkit.widgets.explorer import Answer, Explorer, Number, Prediction

LANGUAGES = ("ja", "en")


def explorers():
    """Every function of a lesson module that is said to return an Explorer; it takes orders, or has data of its own."""
    for found in pkgutil.iter_modules(crmkit.lessons.__path__, "crmkit.lessons."):
        module = importlib.import_module(found.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == found.name and inspect.signature(function).return_annotation == "Explorer":
                yield pytest.param(function, id=f"{found.name.rsplit('.', 1)[1]}.{name}")


@pytest.fixture(scope="module")
def ten():
    return crmkit.sample("ten_customers").orders


@pytest.fixture(params=explorers())
def make(request):
    return lambda orders: request.param(*[orders for _ in inspect.signature(request.param).parameters])


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


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_control_survives_its_ends_in_every_combination(make, ten, language):
    with in_language(language):
        explorer = make(ten)
        explorer.buttons["skip"].click()
        assert 1 <= len(explorer.controls) <= 4
        ends = [
            (control.min, control.max) if hasattr(control, "min") else [value for _, value in control.options]
            for control in explorer.controls.values()
        ]
        for values in itertools.product(*ends):
            for control, value in zip(explorer.controls.values(), values, strict=True):
                control.value = value
            assert not failed(explorer), explorer.headline
            assert bytes(explorer.picture.value).startswith(b"\x89PNG")
            assert explorer.picture.tooltip == explorer.headline  # unlocked: the picture says what the page says


def test_the_result_is_locked_until_predicted(make, ten):
    explorer = make(ten)
    before = bytes(explorer.picture.value)
    assert all(control.disabled for control in explorer.controls.values())
    assert text("explorer.locked") in explorer._summary.value
    explorer.prediction.value = 42
    explorer.buttons["predict"].click()
    assert bytes(explorer.picture.value) != before
    assert "42" in explorer.headline
    assert not any(control.disabled for control in explorer.controls.values())


def test_skipping_shows_the_result_without_a_comparison(make, ten):
    explorer = make(ten)
    explorer.buttons["skip"].click()
    assert explorer.unlocked
    assert explorer.predicted is None


def test_reset_brings_back_the_start(make, ten):
    explorer = make(ten)
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


def test_every_slider_has_a_named_twin_and_every_control_a_name(make, ten):
    parts = list(leaves(make(ten)))
    sliders = [part for part in parts if isinstance(part, ipywidgets.FloatSlider)]
    twins = [part for part in parts if isinstance(part, ipywidgets.BoundedFloatText | ipywidgets.Dropdown)]
    assert all(twin.description for twin in twins)
    assert len(twins) >= len(sliders) + 1  # the prediction has a field too
    for slider in sliders:
        (twin,) = [t for t in twins if t.description == slider.tooltip]
        twin.disabled = slider.disabled = False
        slider.value = slider.min
        assert twin.value == slider.min


def test_a_saved_notebook_keeps_picture_and_sentence(make, ten):
    explorer = make(ten)
    locked = explorer._repr_mimebundle_()
    explorer.buttons["skip"].click()
    unlocked = explorer._repr_mimebundle_()
    assert locked["text/plain"] == unlocked["text/plain"] == explorer.headline
    assert locked["image/png"].startswith("iVBOR")
    assert "application/vnd.jupyter.widget-view+json" in locked


def test_nothing_draws_into_an_output(make, ten):
    assert not [part for part in leaves(make(ten)) if isinstance(part, ipywidgets.Output)]


def test_no_figure_stays_open(make, ten):
    from matplotlib import pyplot as plt

    explorer = make(ten)
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


def test_lesson_08_says_what_the_table_says(ten):
    explorer = lesson.many_numbers(ten)
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


# exercises


@pytest.fixture
def world():
    orders = crmkit.sample("salon").orders
    with warnings.catch_warnings():
        return orders, lesson.start(orders)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_exercise_knows_its_answer_and_each_of_its_mistakes(world, language):
    with in_language(language):
        for task in lesson.exercises(*world):
            right = task.answer()
            assert exercise.check(task.key, right).verdict == "correct"
            assert exercise.check(task.key, 100 * right).verdict == "close"  # per cent
            for name, wrong in task.mistakes.items():
                verdict = exercise.check(task.key, wrong())
                assert verdict.verdict == "mix_up", (task.key, name)
                assert verdict.lines == (task.say(f"mistake.{name}"),)


def test_hints_get_more_concrete_and_the_last_one_stays(world):
    lesson.start(world[0])
    lines = [exercise.check("08.1", 0.123).lines[-1] for _ in range(4)]
    assert lines[:3] == [text(f"exercise.08_1.hint_{n}") for n in (1, 2, 3)]
    assert lines[3] == lines[2]


@pytest.mark.parametrize("answer", [..., None])
def test_no_answer_is_no_mistake(world, answer):
    lesson.start(world[0])
    verdict = exercise.check("08.1", answer)
    assert (verdict.verdict, len(verdict.lines)) == ("empty", 1)


@pytest.mark.parametrize(("times", "digits"), [(1, 3), (1, 2), (100, 1), (100, 0)])
def test_a_rounded_answer_is_recognised(world, times, digits):
    lesson.start(world[0])
    right = float(lesson.exercises(*world)[0].answer())
    verdict = exercise.check("08.1", round(times * right, digits))
    assert verdict.verdict == "close"
    assert verdict.lines[0] in (text("verdict.rounded"), text("verdict.per_cent"))


@pytest.mark.parametrize("answer", ["half", [0.5], {}, object(), float("nan"), float("inf"), 10**400])
def test_check_never_raises(world, answer):
    lesson.start(world[0])
    verdict = exercise.check("08.1", answer)
    assert verdict.verdict == "not_yet"
    assert verdict.lines
    assert "<" not in re.sub(r"</?(div|strong|p)\b[^<>]*>", "", verdict._repr_html_())


def test_answers_come_from_the_world_at_hand(world):
    orders, _ = world
    other = orders[orders["customer_id"] < "C000030000"]
    lesson.start(other)
    mine = crmkit.repeat_rate(other, **lesson.dates(other).month, base="active", active_days=180)
    assert exercise.check("08.1", mine).verdict == "correct"
    assert exercise.check("08.1", lesson.exercises(*world)[0].answer()).verdict != "correct"


def test_an_unknown_exercise_is_said():
    assert "99.9" in str(exercise.check("99.9", 1))
