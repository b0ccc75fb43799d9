"""Less work for the same learning: what each switch of a recipe computes and leaves out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lift_app.lifting.objective import carried_losses, token_losses
from lift_app.lifting.recipe import Recipe
from lift_app.lifting.room import _checkpointing
from lift_app.lifting.segments import Segment, segment_bounds
from lift_app.lifting.trainer import Trainer
from lift_app.models.base_model import BaseModel
from lift_app.models.device import Choice
from lift_app.models.identity import identify
from lift_app.models.lora import AdapterHost
from lift_app.settings import Settings

TOKENS = 200
IDS = torch.randint(5, 200, (TOKENS,), generator=torch.Generator().manual_seed(0))
PREFIX = torch.tensor([7, 8, 9])
NONE = torch.tensor([], dtype=torch.long)
RECIPE = Recipe(segment_length=32, stride=32, batch_segments=2, rank=2, alpha=4)


@pytest.fixture(params=["fp32", "bf16"])
def host(tiny_model: Path, tiny_settings: Settings, request: pytest.FixtureRequest) -> AdapterHost:
    choice = Choice("cpu", request.param, None, "a test")
    return AdapterHost(BaseModel.load(identify(tiny_model, tiny_settings), choice, tiny_settings))


def trainer(host: AdapterHost, recipe: Recipe, prefix: Tensor = NONE) -> Trainer:
    bounds = segment_bounds(TOKENS, recipe.segment_length, recipe.stride)
    segments = [Segment(k, start, end, 0, 0) for k, (start, end) in enumerate(bounds)]
    return Trainer(host, "lift", IDS, segments, recipe, prefix.tolist())


def differing(host: AdapterHost) -> float:
    return 1e-5 if host.base.dtype == torch.float32 else 0.05


@pytest.mark.parametrize("prefix", [PREFIX, NONE])
def test_carried_context_is_read_as_if_it_stood_there(host: AdapterHost, prefix: Tensor) -> None:
    trainer(host, RECIPE).step()  # an adapter that does something
    rows = torch.stack([IDS[:50], IDS[100:150]])
    with host.training("lift"):
        carried = carried_losses(host.model, rows, prefix, 20)
        whole = token_losses(host.model, rows, prefix)
    assert carried.shape == (2, 30) and carried.requires_grad
    assert torch.allclose(carried, whole[:, -30:], atol=differing(host))


def test_nothing_is_computed_backwards_through_carried_context(host: AdapterHost) -> None:
    trainer(host, RECIPE).step()
    rows = IDS[None, :50]
    before = 20 + len(PREFIX) - 1
    whole = torch.cat([PREFIX, rows[0]])[None]
    with host.training("lift") as model:
        learned = host.parameters("lift")
        found = torch.autograd.grad(carried_losses(model, rows, PREFIX, 20).sum(), learned)
        cache = model(input_ids=whole[:, :before], use_cache=True).past_key_values
        for layer in cache.layers:
            layer.keys, layer.values = layer.keys.detach(), layer.values.detach()
        logits = model(input_ids=whole[:, before:-1], past_key_values=cache).logits
        targets = whole[0, before + 1 :]
        loss = torch.nn.functional.cross_entropy(logits[0].float(), targets, reduction="sum")
        for mine, theirs in zip(found, torch.autograd.grad(loss, learned), strict=True):
            assert torch.allclose(mine, theirs, atol=float(theirs.abs().max()) * differing(host))


def test_carried_context_is_there_where_activations_are_computed_twice(host: AdapterHost) -> None:
    trainer(host, RECIPE).step()
    rows = IDS[None, :50]
    with host.training("lift"):
        kept = carried_losses(host.model, rows, PREFIX, 20)
        _checkpointing(host.model, on=True)
        try:
            twice = carried_losses(host.model, rows, PREFIX, 20)
        finally:
            _checkpointing(host.model, on=False)
    assert torch.allclose(kept, twice, atol=differing(host))


def test_windows_carry_what_there_is_of_the_book_before_them(host: AdapterHost) -> None:
    learned = trainer(host, replace(RECIPE, carried_tokens=40), PREFIX)
    seen: dict[int, float] = {}
    tokens = 0
    while not learned.finished:
        result = learned.step()
        seen.update(result.segments)
        tokens += result.tokens
    assert set(seen) == {segment.index for segment in learned.segments}
    assert tokens == TOKENS  # what is carried is not among what was learned


def test_upper_layers_alone_learn(host: AdapterHost, tmp_path: Path) -> None:
    host.reset("other", rank=2, alpha=4)  # an adapter of all layers stands beside it
    learned = trainer(host, replace(RECIPE, upper_layers=0.5), PREFIX)
    names = list(host.state("lift"))
    assert names and all(".layers.1." in name for name in names)
    learned.step()
    with host.active("lift"):
        expected = host.model(input_ids=IDS[None, :20]).logits
    with host.disabled():
        assert not torch.equal(expected, host.model(input_ids=IDS[None, :20]).logits)
    host.save("lift", tmp_path / "half")
    host.load("again", tmp_path / "half")
    with host.active("again"):
        assert torch.equal(expected, host.model(input_ids=IDS[None, :20]).logits)


def test_lower_layers_are_not_computed_backwards(host: AdapterHost) -> None:
    reached = []
    learned = trainer(host, replace(RECIPE, upper_layers=0.5), PREFIX)
    learned.step()
    for layer in host.model.base_model.layers:
        layer.register_forward_hook(lambda *seen: reached.append(seen[2].requires_grad))
    learned.step()
    assert reached == [False, True]


def test_a_share_of_the_layers_is_one_at_least(host: AdapterHost) -> None:
    assert host.upper_layers(1.0) == "all-linear"
    least = host.upper_layers(0.01)
    assert least and all(".layers.1." in name for name in least)
