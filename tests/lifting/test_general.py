"""General prompts: what a lift is held to besides the book."""

from __future__ import annotations

from pathlib import Path

import pytest

from lift_app.lifting.general import AT_ONCE, general_rows
from lift_app.models.base_model import BaseModel
from lift_app.models.device import Choice
from lift_app.models.identity import identify
from lift_app.sequences import shared_length
from lift_app.settings import Settings
from lift_app.template import NOT_SAID


@pytest.fixture
def base(tiny_model: Path, tiny_settings: Settings) -> BaseModel:
    choice = Choice("cpu", "fp32", None, "a test")
    return BaseModel.load(identify(tiny_model, tiny_settings), choice, tiny_settings)


def test_a_group_is_always_the_same_prompts(base: BaseModel) -> None:
    assert general_rows(base, 0, 3) == general_rows(base, 0, 3)
    assert general_rows(base, 0, 3) != general_rows(base, 0, 4)
    assert general_rows(base, 0, 3) != general_rows(base, 1, 3)


def test_the_passage_comes_with_all_its_questions_and_one_it_does_not_answer(
    base: BaseModel,
) -> None:
    spoken, read = general_rows(base, 0, 0)
    assert len(spoken) == AT_ONCE
    assert len(read) >= 3
    said = [base.tokenizer.decode(row.answer[:-1]) for row in read]
    assert said.count(NOT_SAID) == 1
    passage = base.tokenizer.decode(read[0].prompt[: shared_length([r.prompt for r in read])])
    assert "From the book:" in passage  # read once for all of them
    assert "Question:" in passage


def test_every_answer_of_a_passage_is_in_few_words(base: BaseModel) -> None:
    for group in range(40):
        for row in general_rows(base, 0, group)[1]:
            assert len(base.tokenizer.decode(row.answer).split()) <= 12
