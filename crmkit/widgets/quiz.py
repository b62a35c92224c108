"""A question with a few answers to choose from; whoever chooses a wrong one is told the misconception behind it."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ipywidgets

from crmkit.texts import has_text, in_language, language, text
from crmkit.widgets.picture import with_static
from crmkit.widgets.verdict import SIGNS, Verdict

LETTERS = ("a", "b", "c", "d", "e", "f")


@dataclass(frozen=True)
class Quiz:
    """One quiz of a lesson.

    Attributes:
        key: Lesson and number, "08.4"; texts are `quiz.08_4.question`, `.option.a` … and `.says.a` …
        right: The right option, "a", "b" …
    """

    key: str
    right: str

    @property
    def question(self) -> str:
        """What is asked."""
        return text(f"quiz.{self._name}.question")

    @property
    def options(self) -> dict[str, str]:
        """The answers to choose from, by letter."""
        return {one: text(f"quiz.{self._name}.option.{one}") for one in LETTERS if self._has(one)}

    def judge(self, chosen: Any) -> Verdict:
        """What is said to somebody who chose this option."""
        if chosen is ... or chosen is None:
            return Verdict("empty", (text("quiz.choose"),))
        letter = unicodedata.normalize("NFKC", str(chosen)).strip().casefold()
        if letter not in self.options:
            return Verdict("not_yet", (text("quiz.no_option", options=", ".join(f'"{one}"' for one in self.options)),))
        says = text(f"quiz.{self._name}.says.{letter}")
        return Verdict("correct", (says,)) if letter == self.right else Verdict("mix_up", (says,), mistake=letter)

    def _has(self, letter: str) -> bool:
        return has_text(f"quiz.{self._name}.option.{letter}")

    @property
    def _name(self) -> str:
        return self.key.replace(".", "_")


class QuizBox(ipywidgets.VBox):
    """A quiz to click, or to answer with the keyboard.

    Args:
        quiz: The quiz.
        judge: Called with the letter chosen; what it gives is shown.
        solved: Show the right answer from the start.
    """

    def __init__(self, quiz: Quiz, judge: Callable[[str | None], Verdict], *, solved: bool = False) -> None:
        super().__init__()
        self.add_class("crmkit-quiz")
        self._quiz, self._judge = quiz, judge
        self.verdict: Verdict | None = None
        self._question, self._said = ipywidgets.HTML(), ipywidgets.HTML()
        self.choice = ipywidgets.RadioButtons(options=(), layout={"width": "auto", "max_width": "100%"})
        self.choice.add_class("crmkit-options")
        self.button = ipywidgets.Button(button_style="primary", layout={"width": "auto"})
        self.button.add_class("crmkit-answer")
        self.button.on_click(self._answered)
        self.children = (self._question, self.choice, self.button, self._said)
        self._word()
        if solved:
            self.choice.value = quiz.right
            self._tell(quiz.judge(quiz.right))

    def _word(self) -> None:
        """Put the words in, in the language in use."""
        self._language = language()
        chosen = self.choice.value
        self._question.value = f"<strong>{html.escape(self._quiz.question)}</strong>"
        self.choice.options = [(f"{letter}) {said}", letter) for letter, said in self._quiz.options.items()]
        self.choice.value = chosen
        self.choice.description = text("quiz.label")
        self.choice.tooltip = self._quiz.question  # the group's name
        self.button.description = text("quiz.answer")

    def _answered(self, *_: object) -> None:
        with in_language(self._language):  # that of the question, whatever has been chosen since
            try:
                self._tell(self._judge(self.choice.value))
            except Exception as error:  # a traceback in a callback is seen by nobody
                self._tell(Verdict("not_yet", (text("verdict.failed", error=f"{type(error).__name__}: {error}"),)))

    def _tell(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self._said.value = verdict._repr_html_()

    def _repr_mimebundle_(self, **more: Any) -> dict[str, Any]:
        if self._language != language():
            self._word()
            if self.verdict:
                self._tell(self._quiz.judge(self.choice.value))
        return with_static(super()._repr_mimebundle_(**more), b"", self._static())

    def _static(self) -> str:
        """Question, options and what was said, for a saved notebook."""
        signs = {self.choice.value: SIGNS[self.verdict.verdict]} if self.verdict else {}
        options = [f"{signs.get(letter, ' ')} {letter}) {said}" for letter, said in self._quiz.options.items()]
        return "\n".join([self._quiz.question, *options, *([str(self.verdict)] if self.verdict else [])])
