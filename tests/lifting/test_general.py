"""General prompts: what a lift is held to besides the book."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lift_app.lifting.auxiliary import NOTHING_BESIDE, general_beside
from lift_app.lifting.general import TALK_AT_ONCE, TALK_EVERY, _prompts, general_rows
from lift_app.lifting.recipe import Recipe
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
    assert general_rows(base, 0, 4) == general_rows(base, 0, 4)
    assert general_rows(base, 0, 4) != general_rows(base, 0, 5)
    assert general_rows(base, 0, 4) != general_rows(base, 1, 4)


def test_a_passage_comes_with_all_its_questions_and_is_read_once_for_all(base: BaseModel) -> None:
    read = general_rows(base, 0, 0)
    assert len(read) >= 3
    passage = base.tokenizer.decode(read[0].prompt[: shared_length([r.prompt for r in read])])
    assert "From the book:" in passage
    assert "Question:" in passage


def test_every_passage_comes_before_one_comes_again(base: BaseModel) -> None:
    passages = len(_prompts()["reading"])
    steps = [step for step in range(2 * passages) if step % TALK_EVERY != TALK_EVERY - 1]
    seen = [base.tokenizer.decode(general_rows(base, 0, step)[0].prompt) for step in steps]
    told = [text.partition("From the book:")[2].partition("Question:")[0] for text in seen]
    assert len(set(told[:passages])) == passages
    assert all(told)


def test_they_stand_beside_every_nth_step(base: BaseModel) -> None:
    recipe = Recipe(general_weight=1.0, general_every=4)
    beside = [general_beside(base, recipe, step).general for step in range(12)]
    assert [step for step, rows in enumerate(beside) if rows] == [2, 6, 10]
    every = [general_beside(base, replace(recipe, general_every=1), step) for step in range(3)]
    assert [list(beside[step]) for step in (2, 6, 10)] == [list(one.general) for one in every]
    assert general_beside(base, replace(recipe, general_weight=0.0), 2) == NOTHING_BESIDE


def test_small_talk_comes_between(base: BaseModel) -> None:
    talk = general_rows(base, 0, TALK_EVERY - 1)
    assert len(talk) == TALK_AT_ONCE
    assert not any("From the book:" in base.tokenizer.decode(row.prompt) for row in talk)


def test_passages_are_short_and_most_declare_what_they_do_not_say(base: BaseModel) -> None:
    declined = 0
    for passage in _prompts()["reading"]:
        answers = [one["answer"] for one in passage["questions"]]
        declined += "" in answers
        assert all(len(answer.split()) <= 16 for answer in answers)
        assert len(passage["passage"].split()) <= 160
        assert len({one["question"] for one in passage["questions"]}) == len(answers)
    assert declined > len(_prompts()["reading"]) / 2
    said = [
        base.tokenizer.decode(row.answer[:-1])
        for step in range(12)
        for row in general_rows(base, 0, step)
    ]
    assert NOT_SAID in said
