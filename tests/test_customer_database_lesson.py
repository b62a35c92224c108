"""Lesson 05: its widget counts as the public functions do, and its exercises know each of their mistakes."""

from __future__ import annotations

import pytest

import crmkit
from crmkit.lessons import customer_database as lesson
from crmkit.widgets.exercise import check


@pytest.mark.parametrize("evidence", ["everything", "contacts"])
def test_the_widget_counts_as_the_public_functions_do(evidence: str) -> None:
    salon = lesson.salon()
    matching = lesson.Matching(salon)
    columns = ["customer_id", *lesson.EVIDENCE[evidence]]
    for threshold in (10, 26, 28, 44):
        persons = crmkit.match_customers(salon.customers[columns], threshold=threshold)
        precision = crmkit.match_precision_recall(persons, salon.truth.customers)["precision"]
        found = lesson.outcome(matching.pairs(evidence), threshold, matching.who)
        assert found.extra == len(persons) - persons["person_id"].nunique()
        assert (found.pairs, found.right) == (precision.denominator, precision.numerator)


def test_the_exercises_know_their_answers_and_each_mistake() -> None:
    when = lesson.start(lesson.salon())
    for task in lesson.exercises(lesson.salon(), when):
        assert check(task.key, task.answer()).verdict == "correct"
        for name, wrong in task.mistakes.items():
            assert check(task.key, wrong()).verdict == "mix_up", (task.key, name)
