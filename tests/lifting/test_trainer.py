"""Trainer: it learns, a resumed lift is the same lift, and answers leave no trace in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lift_app.errors import LiftError
from lift_app.lifting.checkpoint import FILE, load_checkpoint, save_checkpoint
from lift_app.lifting.framing import prefix_tokens
from lift_app.lifting.memory import Memory
from lift_app.lifting.objective import equal_lengths, token_losses
from lift_app.lifting.recipe import Recipe
from lift_app.lifting.segments import Segment, cut_segments
from lift_app.lifting.trainer import Trainer
from lift_app.models.base_model import BaseModel
from lift_app.models.device import Choice
from lift_app.models.identity import identify
from lift_app.models.lora import AdapterHost
from lift_app.models.tokens import load_tokenizer
from lift_app.reading.book import Book, Page, Report
from lift_app.settings import Settings

TEXT = "The keeper of Quell counted seven lanterns and wrote each one down. " * 6
BOOK = Book("b" * 64, "The Lanterns", "", (Page(1, "1", TEXT, 0),), (), Report("text", 1, 10))
RECIPE = Recipe(segment_length=64, stride=24, epochs=2, batch_segments=3, rank=4, alpha=8)


@pytest.fixture
def host(tiny_model: Path, tiny_settings: Settings) -> AdapterHost:
    choice = Choice("cpu", "fp32", None, "a test")
    return AdapterHost(BaseModel.load(identify(tiny_model, tiny_settings), choice, tiny_settings))


def book(host: AdapterHost) -> tuple[list[int], tuple[Segment, ...]]:
    encoding = load_tokenizer(host.base.identity.path).encode(TEXT, add_special_tokens=False)
    segments = cut_segments(encoding.offsets, RECIPE.segment_length, RECIPE.stride)
    assert len(segments[-1]) < RECIPE.segment_length  # a short one is always among the batches
    return encoding.ids, segments


def finish(trainer: Trainer) -> list[float]:
    losses = []
    while not trainer.finished:
        losses.append(trainer.step().loss)
    return losses


def test_it_learns_and_reports_every_segment(host: AdapterHost) -> None:
    ids, segments = book(host)
    trainer = Trainer(host, "lift", ids, segments, RECIPE)
    seen: dict[int, float] = {}
    losses = []
    while not trainer.finished:
        result = trainer.step()
        seen.update(result.segments)
        losses.append(result.loss)
    assert set(seen) == {segment.index for segment in segments}
    assert losses[-1] < losses[0]
    assert len(losses) == trainer.schedule.steps
    assert trainer.eta_seconds == 0


def test_the_same_seed_is_the_same_lift_and_another_is_not(host: AdapterHost) -> None:
    ids, segments = book(host)
    first = finish(Trainer(host, "lift", ids, segments, RECIPE))
    second = finish(Trainer(host, "lift", ids, segments, RECIPE))
    other = finish(
        Trainer(host, "lift", ids, segments, Recipe.from_json({**RECIPE.to_json(), "seed": 1}))
    )
    assert first == second != other


SWITCHES = {
    "3/8": RECIPE,
    "fresh cuts": replace(RECIPE, stride=64, fresh_cuts=True),
    "carried": replace(RECIPE, stride=64, carried_tokens=40, framing="raw"),
    "upper layers": replace(RECIPE, upper_layers=0.5),
    "all": replace(RECIPE, stride=64, fresh_cuts=True, carried_tokens=9, upper_layers=0.5),
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_resumed_lift_ends_with_the_same_weights(
    host: AdapterHost, tmp_path: Path, switch: str
) -> None:
    ids, segments = book(host)
    recipe = SWITCHES[switch]
    whole = Trainer(host, "lift", ids, segments, recipe)
    finish(whole)
    expected = host.state("lift")

    interrupted = Trainer(host, "lift", ids, segments, recipe)
    for _ in range(4):
        interrupted.step()
    save_checkpoint(tmp_path / "job", interrupted.state())
    interrupted.step()  # lost by the kill

    resumed = Trainer(host, "lift", ids, segments, recipe)
    state = load_checkpoint(tmp_path / "job")
    assert state is not None
    resumed.load_state(state)
    assert resumed.step_done == 4
    finish(resumed)
    for name, tensor in host.state("lift").items():
        assert torch.equal(tensor, expected[name]), name


def test_answers_between_steps_leave_no_trace(host: AdapterHost) -> None:
    ids, segments = book(host)
    finish(Trainer(host, "lift", ids, segments, RECIPE))
    expected = host.state("lift")
    trainer = Trainer(host, "lift", ids, segments, RECIPE)
    host.reset("answer", rank=2, alpha=4, seed=5)
    while not trainer.finished:
        trainer.step()
        with host.active("lift", 0.5):
            host.model(input_ids=torch.tensor([ids[:8]]))
        with host.active("answer"):
            host.model(input_ids=torch.tensor([ids[:8]]))
        torch.rand(3)  # an answer may draw random numbers
    for name, tensor in host.state("lift").items():
        assert torch.equal(tensor, expected[name]), name


def test_a_loss_that_is_no_number_stops_the_lift(host: AdapterHost) -> None:
    ids, segments = book(host)
    trainer = Trainer(host, "lift", ids, segments, RECIPE)
    with torch.no_grad():
        host.parameters("lift")[0].fill_(float("nan"))
    with pytest.raises(LiftError, match="no longer a number"):
        trainer.step()
    assert trainer.step_done == 0


def test_the_prefix_predicts_but_is_not_learned(host: AdapterHost) -> None:
    recipe = Recipe(framing="excerpt")
    prefix = prefix_tokens(host.base, recipe, BOOK)
    text = host.base.tokenizer.decode(prefix)
    assert "The Lanterns" in text and "PLACE" not in text
    assert prefix_tokens(host.base, Recipe(framing="raw"), BOOK) == []
    ids = torch.tensor([book(host)[0][:10]])
    with host.disabled():
        framed = token_losses(host.model, ids, torch.tensor(prefix))
        bare = token_losses(host.model, ids, torch.tensor([], dtype=torch.long))
    assert framed.shape == (1, 10) and bare.shape == (1, 9)
    whole = torch.tensor([[*prefix, *ids[0].tolist()]])
    with host.disabled():
        expected = token_losses(host.model, whole, torch.tensor([], dtype=torch.long))
    assert torch.allclose(framed, expected[:, -10:], atol=1e-5)


def test_a_book_of_one_token_trains_without_a_loss(host: AdapterHost) -> None:
    segments = cut_segments([(0, 1)], RECIPE.segment_length, RECIPE.stride)
    trainer = Trainer(host, "lift", [65], segments, RECIPE)
    assert finish(trainer) == [0.0] * trainer.schedule.steps


def test_rows_are_never_padded() -> None:
    rows = [torch.arange(5), torch.arange(3), torch.arange(5) + 1]
    groups = {tuple(positions): ids.shape for positions, ids in equal_lengths(rows)}
    assert groups == {(0, 2): (2, 5), (1,): (1, 3)}


def test_memory_measures_every_segment_once(host: AdapterHost) -> None:
    ids, segments = book(host)
    trainer = Trainer(host, "lift", ids, segments, RECIPE)
    before = measure(host, ids, segments)
    finish(trainer)
    after = measure(host, ids, segments)
    assert set(before) == set(after) == {segment.index for segment in segments}
    assert sum(after.values()) < sum(before.values())


def measure(host: AdapterHost, ids: list[int], segments: tuple[Segment, ...]) -> dict[int, float]:
    memory = Memory(host, "lift", ids, segments)
    while not memory.finished:
        memory.step()
    return memory.segment_losses()


def test_a_damaged_or_missing_checkpoint_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    assert load_checkpoint(folder) is None
    save_checkpoint(folder, {"step": 3})
    assert load_checkpoint(folder) == {"step": 3}
    data = bytearray((folder / FILE).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / FILE).write_bytes(data)
    assert load_checkpoint(folder) is None


def test_a_failed_write_keeps_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "job"
    save_checkpoint(folder, {"step": 3})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(LiftError, match="No space left"):
        save_checkpoint(folder, {"step": 4})
    assert load_checkpoint(folder) == {"step": 3}
