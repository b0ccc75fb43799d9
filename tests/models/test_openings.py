"""Several continuations of one prompt are what each would be alone."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lift_app.models.base_model import BaseModel
from lift_app.models.device import Choice
from lift_app.models.generation import generate
from lift_app.models.identity import identify
from lift_app.models.openings import continue_openings
from lift_app.settings import Settings

PROMPT = list(b"The keeper lit seven lanterns.")
OPENINGS = [list(b"Who"), list(b"Why"), list(b"What"), list(b"Where")]


@pytest.fixture
def base(tiny_model: Path, tiny_settings: Settings) -> BaseModel:
    choice = Choice("cpu", "fp32", None, "a test")
    return BaseModel.load(identify(tiny_model, tiny_settings), choice, tiny_settings)


def alone(base: BaseModel, opening: list[int], most: int, ends: frozenset[int]) -> list[int]:
    """One continuation, token after token without a cache."""
    import torch

    ids = list(opening)
    while len(ids) < most:
        with torch.no_grad():
            logits = base.model(input_ids=torch.tensor([[*PROMPT, *ids]])).logits
        token = int(logits[0, -1].argmax())
        if token in ends:
            break
        ids.append(token)
    return ids


def test_each_goes_on_as_it_would_alone(base: BaseModel) -> None:
    found = continue_openings(
        base.model, PROMPT, OPENINGS, end_tokens=base.end_tokens, max_tokens=14
    )
    assert found == [alone(base, opening, 14, base.end_tokens) for opening in OPENINGS]


def test_an_end_ends_one_and_not_the_others(base: BaseModel) -> None:
    free = continue_openings(base.model, PROMPT, OPENINGS, end_tokens=(), max_tokens=14)
    ends = frozenset({free[0][len(OPENINGS[0]) + 2]})  # the third token that the first one writes
    found = continue_openings(base.model, PROMPT, OPENINGS, end_tokens=ends, max_tokens=14)
    assert found == [alone(base, opening, 14, ends) for opening in OPENINGS]
    assert len(found[0]) <= len(OPENINGS[0]) + 2


def test_without_openings_nothing_is_written(base: BaseModel) -> None:
    assert continue_openings(base.model, PROMPT, [], end_tokens=(), max_tokens=5) == []


def test_it_agrees_with_an_answer_begun_alike(base: BaseModel) -> None:
    found = continue_openings(
        base.model, PROMPT, [OPENINGS[0]], end_tokens=base.end_tokens, max_tokens=8
    )[0]
    said = generate(
        base.model,
        [*PROMPT, *OPENINGS[0]],
        tokenizer=base.tokenizer,
        end_tokens=base.end_tokens,
        max_tokens=8 - len(OPENINGS[0]),
        on_text=lambda _: None,
        stop=threading.Event(),
    )
    assert base.tokenizer.decode(found[len(OPENINGS[0]) :]).lstrip() == said.text
