"""Exercises and quizzes of every lesson, found by themselves: answer, mistakes, hints, options."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import ipywidgets
import pandas as pd
import pytest

import crmkit
from crmkit.lessons import repeat_and_retention as lesson
from crmkit.lessons.dates import dates
from crmkit.texts import LANGUAGES, has_text, in_language, messages, text, use_language
from crmkit.widgets import exercise
from crmkit.widgets.exercise import Exercise, Quiz, check, offer, quiz
from crmkit.widgets.quiz import LETTERS
from tests.lessons_found import MODULES, NUMBER_OF, TAUGHT, data_of, module, sample

HTML = re.compile(r"</?(div|strong|p)\b[^<>]*>")


@pytest.fixture(autouse=True)
def _nothing_offered(monkeypatch):
    for name in ("_known", "_tries", "_latest"):
        monkeypatch.setattr(exercise, name, {})


@cache
def begun(name: str) -> tuple[Exercise | Quiz, ...]:
    """What a lesson offers on its data; each answer and each mistake is computed once."""
    module(name).start(data_of(module(name)))
    return tuple(map(remembering, exercise._known.values()))


def remembering(task: Exercise | Quiz) -> Exercise | Quiz:
    if isinstance(task, Quiz):
        return task
    mistakes = {name: cache(wrong) for name, wrong in task.mistakes.items()}
    return replace(task, answer=cache(task.answer), mistakes=mistakes)


@pytest.fixture(params=TAUGHT)
def offered(request):
    tasks = begun(request.param)
    offer(*tasks)
    return tasks


@pytest.fixture(params=LANGUAGES)
def language(request):
    with in_language(request.param):
        yield request.param


def kind(wanted, offered):
    return [one for one in offered if isinstance(one, wanted)]


# Every lesson


def test_every_lesson_has_a_module_that_starts_it():
    assert "repeat_and_retention" in TAUGHT
    assert {name for name in NUMBER_OF if name not in MODULES} <= {"start_here"}
    assert all(callable(getattr(module(name), "start", None)) for name in TAUGHT)


@pytest.mark.parametrize("name", TAUGHT)
def test_a_lesson_offers_exercises_of_its_own_number(name):
    keys = [task.key for task in begun(name)]
    assert 2 <= len(keys) <= 6
    assert len({key[:2] for key in keys}) == 1
    assert keys[0][:2] == NUMBER_OF.get(name, keys[0][:2])


def test_every_exercise_knows_its_answer_and_each_of_its_mistakes(offered, language):
    tasks = kind(Exercise, offered)
    assert tasks
    for task in tasks:
        right = task.answer()
        assert math.isfinite(right), task.key
        said = check(task.key, right)
        assert (said.verdict, said.lines) == ("correct", (task.say("right"),)), task.key
        if 0 < abs(right) <= exercise.LARGEST_RATE:
            assert check(task.key, 100 * right).verdict == "close", task.key
        for name, wrong in task.mistakes.items():
            said = check(task.key, wrong())
            assert (said.verdict, said.mistake) == ("mix_up", name), (task.key, name, wrong(), right)
            assert said.lines == (task.say(f"mistake.{name}"),)


def test_hints_get_more_concrete_and_the_last_one_stays(offered, language):
    for task in kind(Exercise, offered):
        right = task.answer()
        far = right + 7.7777 * max(1, abs(right))
        hints = [
            task.say(f"hint_{n}") for n in (1, 2, 3) if has_text(f"exercise.{task.key.replace('.', '_')}.hint_{n}")
        ]
        assert len(hints) >= 2, task.key
        assert len(set(hints)) == len(hints)
        said = [check(task.key, far) for _ in range(len(hints) + 1)]
        assert {one.verdict for one in said} == {"not_yet"}
        assert [one.lines for one in said] == [(hint,) for hint in (*hints, hints[-1])]


def test_every_option_of_a_quiz_says_something_and_one_is_right(offered, language):
    for asked in kind(Quiz, offered):
        assert len(asked.options) >= 3, asked.key
        assert list(asked.options) == list(LETTERS[: len(asked.options)])
        assert len(set(asked.options.values())) == len(asked.options)
        verdicts = {letter: check(asked.key, letter) for letter in asked.options}
        assert [letter for letter, said in verdicts.items() if said.verdict == "correct"] == [asked.right]
        says = {letter: text(f"quiz.{asked.key.replace('.', '_')}.says.{letter}") for letter in asked.options}
        assert {letter: said.lines[0] for letter, said in verdicts.items()} == says
        assert len(set(says.values())) == len(says)
        assert all(said.mistake == ("" if letter == asked.right else letter) for letter, said in verdicts.items())


def test_a_quiz_says_nothing_to_an_option_that_is_not_there():
    pattern = re.compile(r"quiz\.(\d\d_\d+)\.(says|option)\.(\w+)")
    found = {kind: set() for kind in ("says", "option")}
    for match in filter(None, map(pattern.fullmatch, messages("ja"))):
        found[match[2]].add((match[1], match[3]))
    assert found["says"] == found["option"]
    assert {letter for _, letter in found["option"]} <= set(LETTERS)


# check


@pytest.fixture
def orders():
    lesson.start(sample("salon"))
    return sample("salon").orders


@pytest.mark.parametrize("answer", [..., None])
@pytest.mark.parametrize("key", ["08.1", "08.4"])
def test_no_answer_is_no_mistake(orders, key, answer):
    said = check(key, answer)
    assert (said.verdict, len(said.lines)) == ("empty", 1)


@pytest.mark.parametrize(("times", "digits"), [(1, 3), (1, 2), (100, 1), (100, 0)])
def test_a_rounded_answer_is_recognised(orders, times, digits):
    right = float(exercise._known["08.1"].answer())
    said = check("08.1", round(times * right, digits))
    assert said.verdict == "close"
    assert said.lines[0] in (text("verdict.rounded"), text("verdict.per_cent"))


def test_a_hundredfold_amount_is_no_per_cent():
    offer(Exercise("08.1", lambda: 1500.0, {}))
    assert text("verdict.per_cent") not in check("08.1", 150_000).lines


@pytest.mark.parametrize("answer", ["half", [0.5], {}, object(), float("nan"), float("inf"), 10**400, "<b>"])
@pytest.mark.parametrize("key", ["08.1", "08.4"])
def test_check_never_raises(orders, key, answer):
    said = check(key, answer)
    assert said.verdict == "not_yet"
    assert said.lines
    assert "<" not in HTML.sub("", said._repr_html_())


@pytest.mark.parametrize("answer", [crmkit.repeat_rate, [].count])
def test_a_function_without_its_brackets_is_recognised(orders, answer):
    assert check("08.1", answer).lines == (text("verdict.no_brackets"),)


def test_a_selection_of_one_row_is_a_number(orders):
    right = float(exercise._known["08.1"].answer())
    assert check("08.1", pd.Series([right])).verdict == "correct"
    assert check("08.1", pd.Series([right, right])).verdict == "not_yet"


class Nasty:
    """Raises whatever is asked of it."""

    def _raise(self, *_):
        raise RuntimeError("<script>")

    __float__ = __str__ = __repr__ = __eq__ = _raise
    __hash__ = None


@pytest.mark.parametrize("key", ["08.1", "08.4"])
def test_an_answer_that_raises_is_said(orders, key):
    said = check(key, Nasty())
    assert said.verdict == "not_yet"
    assert "<script>" not in said._repr_html_()


def test_answers_come_from_the_world_at_hand(orders):
    salon = exercise._known["08.1"].answer()
    other = orders[orders["customer_id"] < "C000030000"]
    lesson.start(SimpleNamespace(orders=other))
    mine = crmkit.repeat_rate(other, **lesson.dates(other).month, base="active", active_days=180)
    assert check("08.1", mine).verdict == "correct"
    assert check("08.1", salon).verdict != "correct"


@pytest.mark.parametrize("key", ["99.9", "", None, 8.1, ["08.1"]])
def test_an_unknown_exercise_is_said(key):
    assert check(key, 1).verdict == "not_yet"
    assert str(key) in str(check(key, 1))
    assert str(key) in str(quiz(key))


# The quiz as a widget


def texts_of(widget):
    for child in getattr(widget, "children", ()):
        if isinstance(child, ipywidgets.HTML):
            yield child.value


def test_a_quiz_is_answered_with_a_click(orders):
    box = quiz("08.4")
    assert box.choice.value is None
    box.button.click()
    assert box.verdict.verdict == "empty"
    box.choice.value = "a"
    box.button.click()
    assert (box.verdict.verdict, box.verdict.mistake) == ("mix_up", "a")
    assert any("role='status'" in said and text("verdict.mix_up") in said for said in texts_of(box))
    box.choice.value = "b"
    box.button.click()
    assert box.verdict.verdict == "correct"


def test_everything_in_a_quiz_has_a_name(orders):
    box = quiz("08.4")
    assert box.choice.description
    assert box.choice.tooltip == exercise._known["08.4"].question
    assert box.button.description
    assert next(label for label, _ in box.choice.options).startswith("a) ")


@pytest.mark.parametrize("answer", [" b", "B", "ｂ", "Ｂ\n"])
def test_letters_are_taken_as_people_write_them(orders, answer):
    assert check("08.4", answer).verdict == "correct"


def test_a_saved_quiz_keeps_question_options_and_verdict(orders):
    asked = exercise._known["08.4"]
    untouched = quiz("08.4")._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in untouched
    lines = untouched["text/plain"].splitlines()
    assert lines == [asked.question, *(f"  {letter}) {said}" for letter, said in asked.options.items())]
    solved = quiz("08.4", solved=True)._repr_mimebundle_()["text/plain"]
    assert f"✓ b) {asked.options['b']}" in solved
    assert text("quiz.08_4.says.b") in solved


def test_a_quiz_speaks_the_language_in_which_it_is_shown(orders):
    box = quiz("08.4", solved=True)
    use_language("ja")
    said = box._repr_mimebundle_()["text/plain"]
    assert messages("ja")["quiz.08_4.question"] in said
    assert messages("ja")["verdict.correct"] in said
    use_language("en")
    box.button.click()  # it still stands there in Japanese
    assert messages("ja")["verdict.correct"] in next(said for said in texts_of(box) if "status" in said)


def test_the_words_of_a_quiz_stay_words(monkeypatch):
    monkeypatch.setitem(messages("en"), "quiz.08_4.question", "<img src=x onerror=alert(1)>")
    monkeypatch.setitem(messages("en"), "quiz.08_4.says.b", "<script>")
    offer(Quiz("08.4", right="b"))
    box = quiz("08.4", solved=True)
    assert not any("<img" in said or "<script" in said for said in texts_of(box))


def test_a_quiz_whose_judge_raises_says_so():
    from crmkit.widgets.quiz import QuizBox

    def broken(_):
        raise RuntimeError("<b>boom</b>")

    box = QuizBox(Quiz("08.4", right="b"), broken)
    box.button.click()
    assert "boom" in str(box.verdict)
    assert "<b>boom" not in "".join(texts_of(box))


def test_an_order_in_the_far_future_moves_no_window():
    orders = crmkit.sample("salon").orders
    slip = orders.tail(1).assign(ordered_at=pd.Timestamp("2099-12-31"), order_id="slip")
    assert dates(pd.concat([orders, slip])).as_of == dates(orders).as_of
    assert dates(slip).as_of == "2100-01-01"  # nothing else to go by
