"""Estimates: a guess before anything is measured, then what a short test or a lift has measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lift_app.lifting.calibration import SLOT, STEPS, calibration_turns
from lift_app.lifting.estimate import Estimate, estimate, is_measured, remember_speed
from lift_app.lifting.recipe import RECIPES, Recipe
from lift_app.lifting.trainer import Trainer
from lift_app.models.base_model import BaseModel
from lift_app.models.device import Choice
from lift_app.models.identity import identify
from lift_app.models.lora import AdapterHost
from lift_app.reader import Reader
from lift_app.settings import Settings

CPU = Choice("cpu", "fp32", None, "a test")
RECIPE = Recipe(segment_length=32, stride=16, batch_segments=2, rank=2, alpha=4)
OF: dict[str, Any] = {"weights_sha256": "w" * 64, "choice": CPU, "recipe": RECIPE}


class Kept(dict[str, dict[str, float]]):
    """A calibration table in memory."""

    def set(self, name: str, value: dict[str, float]) -> None:
        self[name] = value


@pytest.fixture
def host(tiny_model: Path, tiny_settings: Settings) -> AdapterHost:
    return AdapterHost(BaseModel.load(identify(tiny_model, tiny_settings), CPU, tiny_settings))


def of_book(kept: Kept, tokens: int = 32_000, **changes: Any) -> Estimate:
    return estimate(kept, **(OF | changes), parameters=10**6, tokens=tokens)


def test_a_guess_says_that_it_is_one() -> None:
    assert "a guess" in of_book(Kept()).reason


def test_training_and_check_are_counted_by_what_was_measured() -> None:
    kept = Kept()
    remember_speed(kept, **OF, tokens_per_second=100.0, checked_per_second=400.0)
    found = of_book(kept)
    seconds = RECIPE.trained_tokens(32_000) / 100 + 32_000 / 400
    assert found.minutes == pytest.approx(seconds / 60)
    assert found.reason.startswith("100 tokens/s measured in the last lift")
    for other in ({"segment_length": 64}, {"batch_segments": 1}, {"rank": 8}, {"framing": "raw"}):
        assert "a guess" in of_book(kept, recipe=replace(RECIPE, **other)).reason


def test_tasks_are_counted_before_a_lift_with_them_is_measured() -> None:
    plain, deep = RECIPES["standard"][0], RECIPES["deep"][0]
    kept = Kept()
    guess, other = of_book(kept, recipe=plain), of_book(kept, recipe=deep)
    assert 3.5 < other.minutes / guess.minutes < 4.5  # the check takes no longer
    assert other.reason.endswith("the tasks make it 4.5 times as long")
    remember_speed(
        kept, **OF | {"recipe": plain}, tokens_per_second=100.0, checked_per_second=400.0
    )
    found = of_book(kept, recipe=deep)
    seconds = 4.5 * deep.trained_tokens(32_000) / 100 + 32_000 / 400
    assert found.minutes == pytest.approx(seconds / 60)
    assert found.reason.startswith("100 tokens/s measured") and "a guess that the" in found.reason
    remember_speed(kept, **OF | {"recipe": deep}, tokens_per_second=50.0, checked_per_second=400.0)
    assert "a guess" not in of_book(kept, recipe=deep).reason


def test_a_short_test_measures_once(host: AdapterHost, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept()
    of = OF | {"weights_sha256": host.base.identity.weights_sha256}
    host.reset("lift", 2, 4)
    before = host.state("lift")
    steps = []
    taken = Trainer.step
    monkeypatch.setattr(Trainer, "step", lambda self: (steps.append(1), taken(self))[1])
    turns = list(calibration_turns(host, kept, RECIPE))
    assert len(turns) == len(steps) == STEPS + 1  # so a question waits for one step at most
    assert is_measured(kept, **of)
    assert "a short test" in estimate(kept, **of, parameters=1, tokens=9).reason
    assert host.slots == ("lift",) and SLOT not in host.slots
    assert all(torch.equal(before[name], tensor) for name, tensor in host.state("lift").items())
    assert list(calibration_turns(host, kept, RECIPE)) == []
    assert list(calibration_turns(host, Kept(), replace(RECIPE, task_weight=1.0))) == []


def test_a_machine_without_room_is_not_measured(
    host: AdapterHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("lift_app.lifting.trainer.token_losses", fail)
    kept = Kept()
    assert list(calibration_turns(host, kept, RECIPE)) == [] and not kept


def test_the_estimate_after_a_lift_is_what_it_took(tiny_settings: Settings, story: Path) -> None:
    values = {"segment_length": 128, "stride": 128, "rank": 2}
    with Reader(tiny_settings) as reader:
        book = reader.add(story)
        last = list(reader.tune(book["id"], values=values))[-1]
        adapter = reader.library.adapters.find(last["adapter"])
        assert adapter is not None
        found = estimate(
            reader.library.calibration,
            weights_sha256=identify(Path(tiny_settings.model), tiny_settings).weights_sha256,
            parameters=1,
            choice=reader_choice(reader),
            recipe=Recipe.from_json(adapter.recipe),
            tokens=book["tokens"],
        )
    assert "the last lift" in found.reason
    trained = adapter.summary["seconds"]
    assert trained - 0.1 <= 60 * found.minutes <= 1.5 * trained + 0.5  # the check comes on top


def reader_choice(reader: Reader) -> Choice:
    state = reader.model_state()
    return Choice(state["device"], state["precision"], None, "")
