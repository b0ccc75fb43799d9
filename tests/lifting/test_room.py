"""When memory runs short a step is learned in smaller parts, and learns the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch

from lift_app.engine.engine import unexpected
from lift_app.errors import LiftError
from lift_app.lifting import room
from lift_app.lifting.recipe import Recipe
from lift_app.lifting.room import CHECKPOINTED, HALVED, is_out_of_memory, out_of_room
from lift_app.lifting.segments import Segment
from lift_app.lifting.trainer import Trainer
from lift_app.models.base_model import BaseModel
from lift_app.models.device import Choice
from lift_app.models.identity import identify
from lift_app.models.lora import AdapterHost
from lift_app.models.starts import Start
from lift_app.settings import Settings

RECIPE = Recipe(segment_length=16, stride=16, batch_segments=4, rank=2, alpha=4, framing="raw")
IDS = list(range(5, 5 + 8 * 16))
SEGMENTS = [Segment(k, 16 * k, 16 * k + 16, 0, 0) for k in range(8)]


@pytest.fixture
def host(tiny_model: Path, tiny_settings: Settings) -> AdapterHost:
    choice = Choice("cpu", "fp32", None, "a test")
    return AdapterHost(BaseModel.load(identify(tiny_model, tiny_settings), choice, tiny_settings))


def lift(host: AdapterHost) -> tuple[list[torch.Tensor], Trainer]:
    trainer = Trainer(host, "lift", IDS, SEGMENTS, RECIPE)
    while not trainer.finished:
        result = trainer.step()
        assert len(result.segments) == 4
    return list(host.state("lift").values()), trainer


@pytest.fixture
def limited(host: AdapterHost, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A model that runs out of memory where more is asked of it than there is."""
    whole = host.model.base_model.forward

    def limit(*, rows: int, kept: bool = True) -> None:
        def forward(input_ids: torch.Tensor, **options: Any) -> Any:
            keeps = host.model not in room._checkpointed
            if torch.is_grad_enabled() and (len(input_ids) > rows or (keeps and not kept)):
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return whole(input_ids=input_ids, **options)

        monkeypatch.setattr(host.model.base_model, "forward", forward)

    return limit


def test_halves_then_checkpoints_then_says_so(
    host: AdapterHost, limited: Callable[..., None]
) -> None:
    expected, plain = lift(host)
    assert plain.room.note is None and plain.room.at_once == 4
    for rows, kept, note in ((2, True, HALVED), (1, True, HALVED), (1, False, CHECKPOINTED)):
        limited(rows=rows, kept=kept)
        learned, trainer = lift(host)
        assert (trainer.room.at_once, trainer.room.note) == (rows, note)
        for left, right in zip(learned, expected, strict=True):
            assert torch.allclose(left, right, atol=1e-5)
    limited(rows=0)
    trainer = Trainer(host, "lift", IDS, SEGMENTS, RECIPE)
    assert host.model not in room._checkpointed  # a lift begins anew
    before = host.state("lift")
    with pytest.raises(LiftError, match="not enough memory") as caught:
        trainer.step()
    assert caught.value.code == "out_of_memory"
    assert trainer.step_done == 0
    assert all(torch.equal(before[name], tensor) for name, tensor in host.state("lift").items())
    limited(rows=4)
    lift(host)  # afterwards everything works as before


def test_kept_prefixes_are_given_back_first(
    host: AdapterHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = host.model.base_model.forward

    def forward(**options: Any) -> Any:
        if torch.is_grad_enabled() and len(host.prefixes):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return whole(**options)

    with host.disabled():
        host.read(IDS[:8], Event())
    assert len(host.prefixes) == 1
    monkeypatch.setattr(host.model.base_model, "forward", forward)
    _, trainer = lift(host)
    assert len(host.prefixes) == 0
    assert (trainer.room.at_once, trainer.room.note) == (4, None)  # nothing else was needed


def test_4_bits_are_advised_where_they_can_be_had(
    host: AdapterHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert room.LESS in out_of_room(host.base)  # no NVIDIA GPU
    monkeypatch.setattr(host.base, "choice", Choice("cuda", "bf16", None, "a test"))
    assert "LIFT_PRECISION=nf4" in out_of_room(host.base)
    started = replace(host.base.identity, start=Start("reader", Path(), "b", "s", {}))
    monkeypatch.setattr(host.base, "identity", started)
    assert "nf4" not in out_of_room(host.base)  # its start is part of the weights
    monkeypatch.setattr(host.base, "choice", Choice("cuda", "bf16", "nf4", "a test"))
    assert "nf4" not in out_of_room(host.base)  # they are


def test_which_errors_mean_it() -> None:
    allocator = (
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"
    )
    for error in (torch.OutOfMemoryError("x"), MemoryError(), RuntimeError(allocator)):
        assert is_out_of_memory(error)
        assert unexpected("This could not be answered", error).code == "out_of_memory"
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))
