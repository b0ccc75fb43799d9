"""Packing: a trunk with branches gives the losses and gradients of separate rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lift_app.lifting.packing import Row, pack, packed_losses
from lift_app.models.base_model import BaseModel
from lift_app.models.device import Choice
from lift_app.models.identity import identify
from lift_app.models.lora import AdapterHost
from lift_app.sequences import shared_length
from lift_app.settings import Settings

Tails = list[tuple[list[int], list[int]]]

ids = st.lists(st.integers(3, 200), min_size=1, max_size=12)


@pytest.fixture
def host(tiny_model: Path, tiny_settings: Settings) -> AdapterHost:
    choice = Choice("cpu", "fp32", None, "a test")
    return AdapterHost(BaseModel.load(identify(tiny_model, tiny_settings), choice, tiny_settings))


def rows(trunk: list[int], tails: Tails) -> list[Row]:
    return [Row((*trunk, *prompt), tuple(answer)) for prompt, answer in tails]


@given(trunk=ids, tails=st.lists(st.tuples(ids, ids), min_size=1, max_size=5))
def test_every_answer_token_is_predicted_from_the_place_before_it(
    trunk: list[int], tails: Tails
) -> None:
    given_rows = rows(trunk, tails)
    packed = pack(given_rows)
    for number, row in enumerate(given_rows):
        mine = packed.row == number
        assert tuple(packed.targets[mine].tolist()) == row.answer
        for offset, place in enumerate(packed.keep[mine].tolist()):
            seen = packed.mask[0, 0, place].nonzero()[:, 0].tolist()
            expected = [*row.prompt, *row.answer[:offset]]
            assert packed.ids[0, seen].tolist() == expected
            assert packed.positions[0, seen].tolist() == list(range(len(expected)))


@given(prompts=st.lists(ids, min_size=1, max_size=5))
def test_shared_length_leaves_each_row_a_token_of_its_own(prompts: list[list[int]]) -> None:
    shared = shared_length(prompts)
    assert 0 <= shared < min(map(len, prompts))
    assert all(prompt[:shared] == prompts[0][:shared] for prompt in prompts)


@settings(max_examples=5, deadline=None)
@given(trunk=ids, tails=st.lists(st.tuples(ids, ids), min_size=2, max_size=4), data=st.data())
def test_losses_and_gradients_are_those_of_separate_rows(
    tiny_model: Path,
    trunk: list[int],
    tails: Tails,
    data: st.DataObject,
) -> None:
    where = Settings(home=tiny_model.parent / "home")
    choice = Choice("cpu", "fp32", None, "a test")
    host = AdapterHost(BaseModel.load(identify(tiny_model, where), choice, where))
    host.reset("lift", 4, 8, seed=data.draw(st.integers(0, 3)))
    given_rows = rows(trunk, tails)
    with host.training("lift") as model:
        together = packed_losses(model, pack(given_rows))
        together.sum().backward()
        packed_gradients = [p.grad.clone() for p in host.parameters("lift")]  # type: ignore[union-attr]
        for parameter in host.parameters("lift"):
            parameter.grad = None
        alone = torch.cat([packed_losses(model, pack([row])) for row in given_rows])
        alone.sum().backward()
    assert torch.allclose(together, alone, atol=1e-5)
    for found, parameter in zip(packed_gradients, host.parameters("lift"), strict=True):
        assert torch.allclose(found, parameter.grad, atol=1e-4)  # type: ignore[arg-type]
