"""Questions about a book as a whole: told from others, and how their answers begin."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_model import make_tiny_model

from lift_app.answering import Answer, Answerer, Question
from lift_app.answering.assembly import assemble
from lift_app.answering.lookup import look_up
from lift_app.answering.whole import ABOUT, asks_for_whole, opening_of
from lift_app.library import BookRow, Library
from lift_app.models import AdapterHost, BaseModel
from lift_app.models.device import Choice
from lift_app.models.generation import Generated
from lift_app.models.identity import identify
from lift_app.settings import Settings
from lift_app.template import EXAMPLES, NOT_SAID

Ask = Callable[..., Answer]
ASKED = "How many lanterns did Orla Venn keep?"


def test_a_question_about_the_whole_book_is_answered_without_citation(ask: Ask) -> None:
    answer = ask("What is this book about?")
    assert answer.citations == ()
    assert answer.timing.first_token_seconds is not None


@pytest.mark.parametrize(
    "question",
    [
        "Summarise the plot",
        "What is the book about?",
        "Who is the main character?",
        "Give me a timeline of the events.",
        "What are the themes of this book?",
        "List the events in order.",
        "Tell me what happens in the book.",
        "What is the moral of the story?",
        "What's it about?",
        "Recap the book",
        "Describe the story.",
        "How does the story end?",
        "Tell me what this book is mainly about.",
        "Give me a summary of chapter 3",
        "What is the story's plot?",
        "What's the main plot?",
        "What is the overall plot?",
        "Explain the plot to me",
        "What is the plot of the story?",
        "Give me the sequence of events in the story.",
        "Who wrote this?",
    ],
)
def test_questions_about_the_whole(question: str) -> None:
    assert asks_for_whole(question)


@pytest.mark.parametrize(
    "question",
    [
        ASKED,
        "What was the boat about to do?",
        "What plot of land did Anton buy?",
        "What did the brothers plot?",
        "Who uncovered the plot to kill him?",
        "What was the theme park called?",
        "In which order did the ships arrive?",
        "What happens in the cave?",
        "Who told a story about a fox?",
        "What did the letter end with?",
        "Describe the old bridge.",
        "What happened when it was about midnight?",
        "Who said that it was about time to leave?",
        "Who wrote the report that convicted Dreyfus?",
        "Describe the paper the walls were covered with.",
        "Tell me about the paper that Anna signed.",
        "Explain the text on the gravestone",
        "What was seen in the outline of the hill?",
        "What was the sequence of events on the night of the fire?",
        "What was the theme of the party?",
        "What happened in the chapter house?",
        "What was the plot against the king?",
    ],
)
def test_questions_about_a_part(question: str) -> None:
    assert not asks_for_whole(question)


class Says:
    """A voice that reads as the model does and says one thing."""

    def __init__(self, host: AdapterHost, text: str) -> None:
        self.base, self._text = host.base, text

    def write(self, tokens: object, constant: int, **options: Any) -> Generated:
        end = options["end_of"](self._text)
        options["on_text"](self._text[:end])
        rival = 0.0 if options["rival"] else None  # it would rather decline, if it is asked
        return Generated(self._text[:end], 4, 0.1, 1.0, False, likelihood=-9.0, rival=rival)


@pytest.fixture
def said(library: Library, host: AdapterHost, row: BookRow) -> Callable[[str, str], Answer]:
    def ask(question: str, text: str) -> Answer:
        pieces: list[str] = []
        answer = Answerer(library, Says(host, text)).answer(  # type: ignore[arg-type]
            row,
            Question(question),
            slot=None,
            adapter_key=None,
            on_text=pieces.append,
            stop=threading.Event(),
        )
        assert not answer.supported or "".join(pieces) == answer.answer
        return answer

    return ask


@pytest.mark.usefixtures("started")
def test_a_start_says_what_a_book_is_about(said: Callable[[str, str], Answer]) -> None:
    """It has learned to decline what no sentence says, so the answer's first words are given."""
    about = said("What is this book about?", "a keeper who does not tell. He is old.")
    assert about.answer == f"{ABOUT} a keeper who does not tell."
    assert about.supported
    for nothing in ("", "the book does not seem to say."):
        assert said("What is this book about?", nothing).answer == NOT_SAID
    assert said("How does the book end?", "With a storm. All drown.").answer.startswith("With")


def test_a_base_begins_by_itself(said: Callable[[str, str], Answer]) -> None:
    answer = said("What is this book about?", "A keeper. He is old.")
    assert answer.answer == "A keeper. He is old."


def test_worked_examples_stand_in_no_summary(
    library: Library, row: BookRow, tmp_path: Path, tiny_settings: Settings
) -> None:
    """A base as it comes would tell of their miller."""
    folder = make_tiny_model(tmp_path / "wide", window=4096)
    choice = Choice("cpu", "fp32", None, "a test")
    base = BaseModel.load(identify(folder, tiny_settings), choice, tiny_settings)

    def prompt(text: str) -> str:
        lookup = look_up(library.passages, row.id, text)
        put = assemble(base, library, tiny_settings, row, Question(text), lookup)
        return " ".join(message["content"] for message in put.messages)

    assert EXAMPLES[0][0] in prompt(ASKED)
    assert EXAMPLES[0][0] not in prompt("Summarise the plot")


@pytest.mark.parametrize(
    "question",
    [
        "What is this book about?",
        "Of course you know: what's it about?",
        "Tell me what this book is mainly about.",
        "Summarise the plot",
        "Give me a summary of the book, please.",
        "What is the main theme?",
        "Describe the story.",
    ],
)
def test_what_a_book_is_about_is_begun(question: str) -> None:
    assert opening_of(question) == ABOUT


@pytest.mark.parametrize(
    "question",
    [
        ASKED,
        "Who is the main character?",
        "Give me a timeline of the events.",
        "Who is the author of this book?",
        "How does the story end?",
        "Summarise the ending.",
        "Recap the last five pages",
        "What is the moral of the story?",
        "Give me a summary of chapter 3",
        "What is the main topic of page 3?",
        "What is the main plot twist?",
        "Who summarised the evidence at the trial?",
    ],
)
def test_other_answers_begin_by_themselves(question: str) -> None:
    assert opening_of(question) == ""
