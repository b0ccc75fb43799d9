"""Estimates: a guess before anything is measured, then what a short test or a lift has measured."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_model import BARE

from lift_app import cards
from lift_app.lifting.auxiliary import TaskRows
from lift_app.lifting.calibration import SLOT, STEPS, calibration_turns
from lift_app.lifting.estimate import Estimate, estimate, is_measured, remember_speed
from lift_app.lifting.looks import tokens_read
from lift_app.lifting.recipe import RECIPES, WITH_TASKS, Recipe
from lift_app.lifting.schedule import Schedule
from lift_app.lifting.trainer import StepResult, Trainer
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
    remember_speed(kept, **OF, tokens_per_second=100.0, checked_per_second=400.0, memory_gb=1.1)
    found = of_book(kept)
    seconds = RECIPE.trained_tokens(32_000) / 100 + 32_000 / 400
    assert found.minutes == pytest.approx(seconds / 60)
    assert found.reason.startswith("100 tokens/s measured in the last lift")
    assert found.memory_gb == 1.1
    for other in (
        {"segment_length": 64},
        {"batch_segments": 1},
        {"rank": 8},
        {"framing": "raw"},
        {"carried_tokens": 8},
        {"upper_layers": 0.5},
    ):
        assert "another recipe" in of_book(kept, recipe=replace(RECIPE, **other)).reason
    assert "a guess" in of_book(kept, weights_sha256="v" * 64).reason
    assert of_book(Kept()).memory_gb > 1.5


def test_what_one_recipe_took_says_what_another_will() -> None:
    kept = Kept()
    plain = replace(RECIPE, framing="raw", segment_length=100, stride=100)
    remember_speed(
        kept,
        **(OF | {"recipe": plain}),
        tokens_per_second=100.0,
        checked_per_second=400.0,
        memory_gb=1.1,
    )

    def speed(**changes: Any) -> float:
        return float(of_book(kept, recipe=replace(plain, **changes)).reason.split()[0])

    assert speed(rank=8) == 100
    assert speed(upper_layers=0.5) == pytest.approx(133, abs=1)  # half of what goes backwards
    assert speed(carried_tokens=100) == pytest.approx(67, abs=1)  # as much again, forwards alone
    assert speed(framing="excerpt") == pytest.approx(74, abs=1)


def _checked(recipe: Recipe) -> int:
    """Tokens that are only read: by the check, and by the guard."""
    return 32_000 + tokens_read(Schedule(recipe, 32_000).steps, recipe.epochs)


def test_tasks_are_counted_before_they_are_measured() -> None:
    kept, plain = Kept(), replace(RECIPES["standard"][0], rank=2)
    asking = replace(plain, task_weight=0.5, distillation_weight=0.5, asks=True, tasks_every=2)
    assert of_book(kept, recipe=asking).minutes > 3 * of_book(kept, recipe=plain).minutes
    speeds = {"tokens_per_second": 100.0, "checked_per_second": 400.0, "memory_gb": 1.1}
    remember_speed(kept, **(OF | {"recipe": plain}), **speeds, short=True)
    found = of_book(kept, recipe=asking)
    seconds = 4.5 * asking.trained_tokens(32_000) / 100 + _checked(asking) / 400
    assert found.minutes == pytest.approx(seconds / 60)
    assert "short test" in found.reason and "guessed to take 4.5 times" in found.reason
    remember_speed(kept, **(OF | {"recipe": asking}), **speeds)  # its own lift counts as it is
    own = of_book(kept, recipe=asking)
    assert own.minutes == pytest.approx(of_book(kept, recipe=plain).minutes)
    assert "guess" not in own.reason


def test_a_short_test_measures_once(host: AdapterHost, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept()
    of = OF | {"weights_sha256": host.base.identity.weights_sha256}
    host.reset("lift", 2, 4)
    before = host.state("lift")
    steps = []
    taken = Trainer.step
    monkeypatch.setattr(
        Trainer, "step", lambda self, beside: (steps.append(1), taken(self, beside))[1]
    )
    turns = list(calibration_turns(host, kept, RECIPE))
    assert len(turns) == len(steps) == STEPS + 1  # so a question waits for one step at most
    assert is_measured(kept, **of)
    assert "a short test" in estimate(kept, **of, parameters=1, tokens=9).reason
    assert host.slots == ("lift",) and SLOT not in host.slots
    assert all(torch.equal(before[name], tensor) for name, tensor in host.state("lift").items())
    assert list(calibration_turns(host, kept, RECIPE)) == []
    assert list(calibration_turns(host, Kept(), replace(RECIPE, task_weight=1.0))) == []


def test_general_prompts_beside_some_steps_are_counted_by_their_share(
    host: AdapterHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(trainer: Trainer, beside: TaskRows) -> StepResult:
        trainer.step_done += 1
        took = 5.0 if trainer.step_done == 1 else 3.0 if beside.general else 1.0
        return StepResult(trainer.step_done, 2.0, 2 * RECIPE.segment_length, {}, took)

    monkeypatch.setattr(Trainer, "step", step)
    tokens = RECIPE.batch_segments * RECIPE.segment_length
    for changes, seconds in (
        ({}, 1.0),
        ({"general_weight": 1.0}, 3.0),
        ({"general_weight": 1.0, "general_every": 4}, 1.5),
    ):
        kept, recipe = Kept(), replace(RECIPE, **changes)
        list(calibration_turns(host, kept, recipe))
        [speed] = [one["tokens_per_second"] for one in kept.values() if "tokens_per_second" in one]
        assert speed == pytest.approx(tokens / seconds)


@pytest.mark.parametrize("where", ["trainer.token_losses", "memory.Memory.step"])
def test_a_machine_without_room_is_not_measured(
    host: AdapterHost, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(f"lift_app.lifting.{where}", fail)
    kept = Kept()
    list(calibration_turns(host, kept, RECIPE))
    assert not kept and host.slots == ()


def test_what_a_lift_measured_meanwhile_stays(host: AdapterHost) -> None:
    kept = Kept()
    of = OF | {"weights_sha256": host.base.identity.weights_sha256}
    turns = calibration_turns(host, kept, RECIPE)
    next(turns)
    remember_speed(kept, **of, tokens_per_second=100.0, checked_per_second=400.0, memory_gb=1.1)
    assert len(list(turns)) == STEPS  # it was on its way
    assert "100 tokens/s measured in the last lift" in of_book(kept, **of).reason


def test_a_calibration_that_is_given_up_leaves_no_slot(host: AdapterHost) -> None:
    turns = calibration_turns(host, Kept(), RECIPE)
    next(turns)
    assert host.slots == (SLOT,)
    turns.close()  # another model is wanted
    assert host.slots == ()


def test_the_estimate_after_a_lift_is_what_it_took(tiny_settings: Settings, story: Path) -> None:
    values = {"segment_length": 128, "stride": 128, "rank": 2}
    with Reader(tiny_settings) as reader:
        book = reader.add(story)
        began = time.perf_counter()
        last = list(reader.tune(book["id"], values=values))[-1]
        whole = time.perf_counter() - began
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
    assert trained - 0.1 <= 60 * found.minutes <= whole + 0.1  # the check comes on top


def reader_choice(reader: Reader) -> Choice:
    state = reader.model_state()
    return Choice(state["device"], state["precision"], None, "")


@pytest.mark.parametrize(
    ("setting", "minutes", "taken"),
    [
        ("standard", {"deep": 50.0, "standard": 30.0, "quick": 10.0}, "standard"),
        ("standard", {"deep": 300.0, "standard": 200.0, "quick": 50.0}, "quick"),
        ("deep", {"deep": 90.0, "standard": 55.0, "quick": 20.0}, "standard"),
        ("standard", {"deep": 900.0, "standard": 500.0, "quick": 200.0}, "quick"),
        ("quick", {"deep": 900.0, "standard": 500.0, "quick": 200.0}, "quick"),
        ("paper", {"deep": 70.0, "standard": 50.0, "quick": 20.0, "paper": 100.0}, "standard"),
    ],
)
def test_a_long_book_gets_a_quicker_recipe_when_none_is_named(
    settings: Settings, setting: str, minutes: dict[str, float], taken: str
) -> None:
    found = {name: Estimate(of, "a test", 1.0) for name, of in minutes.items()}
    assert cards._suggested(found, replace(settings, recipe=setting)) == taken


def test_what_is_learned_or_under_way_is_not_learned_by_another_recipe(
    tiny_settings: Settings, story: Path
) -> None:
    slow = replace(tiny_settings, recipe_minutes=0)
    with Reader(slow) as reader:
        book = reader.add(story)["id"]
        row = reader.library.books.find(book)
        values = {**BARE, "rank": 2}
        *_, last = reader.tune(book, values=values)
        taken = reader.library.adapters.find(last["adapter"])
        assert taken is not None and taken.recipe["name"] == "quick"
        patient = replace(reader.settings, recipe_minutes=10**6)
        suggest = partial(cards.suggested_recipe, reader.library, row=row, values=values)
        assert suggest(settings=patient) == "quick"
        assert suggest(settings=replace(patient, recipe="deep")) == "deep"  # a reader's own wish
        assert cards.suggested_recipe(reader.library, patient, row) == "standard"


def test_tasks_count_in_what_takes_too_long(tiny_settings: Settings, story: Path) -> None:
    with Reader(tiny_settings) as reader:
        row = reader.library.books.find(reader.add(story)["id"])
        plain, tasks = (
            cards._estimates(reader.library, reader.settings, row, values)["standard"].minutes
            for values in ({"guard": False}, {**WITH_TASKS, "guard": False})
        )
    assert tasks > 1.5 * plain
