"""Grounds: an answer that the passages do not hold is not shown as one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lift_app.answering.grounds import stands
from lift_app.answering.lookup import look_up
from lift_app.answering.numbers import numbers_in
from lift_app.library import BookRow, Library


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("seventy-one", {71}),
        ("He was 71, she twenty-six.", {71, 26}),
        ("two hundred and twelve letters", {212}),
        ("five thousand nine hundred and six", {5906}),
        ("the ninth of November 1868", {9, 1868}),
        ("the twenty-second of January", {22}),
        ("one of them came second", set()),
        ("one hundred", {100}),
        ("six, two and forty", {6, 2, 40}),
        ("1,200 miles and 11.2 feet", {1200, 11.2}),
        ("no number", set()),
    ],
)
def test_numbers_in_words_and_digits(text: str, numbers: set[float]) -> None:
    assert numbers_in(text) == numbers


@pytest.mark.parametrize(
    ("question", "answer", "good"),
    [
        ("How many lanterns did Orla Venn keep?", "Seven.", True),
        ("How many lanterns did Orla Venn keep?", "She kept 7 lanterns.", True),
        ("How many lanterns did Orla Venn keep?", "Twelve lanterns.", False),
        ("How many lanterns did Orla Venn keep?", "Orla Venn kept lanterns.", False),
        ("What did Orla Venn keep in the tower?", "Seven lanterns.", True),
        ("What did Orla Venn keep in the tower?", "Orla Venn kept it in the tower.", False),
        ("What did Orla Venn keep in the tower?", "A herd of elephants from Ceylon.", False),
        ("Did Orla Venn keep lanterns?", "Yes.", True),
        ("What colour was the gate?", "Yellow.", True),
        ("What colour was the gate?", "It was by the harbour.", False),
    ],
)
def test_an_answer_stands_on_the_passages_or_not(
    library: Library, shelve: Callable[..., BookRow], question: str, answer: str, good: bool
) -> None:
    row = shelve(
        "Orla Venn kept seven lanterns in the tower of Quell. The gate was yellow. It stood by "
        "the harbour."
    )
    assert stands(answer, question, look_up(library.passages, row.id, question)) is good
