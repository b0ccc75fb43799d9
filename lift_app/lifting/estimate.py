"""Estimate: how long a lift will take on this machine, and how much memory. Torch-free.

A short calibration leaves its measured speed in the library, and every finished lift its own. What
one recipe took says by the work of a step what another will take. Before the first measurement
there is only a guess, and the reader is told so; likewise of what tasks cost before a lift with
tasks is done.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Protocol

from lift_app.lifting.looks import tokens_read
from lift_app.lifting.recipe import Recipe
from lift_app.lifting.schedule import Schedule
from lift_app.models.device import Choice, memory_needed_gb

CPU_FLOPS_PER_CORE = {"bf16": 1.2e11, "fp32": 8e10}
"""Guess for an unmeasured machine: operations a second of one core, by precision."""
GPU_FLOPS = 1e14
"""Guess for an unmeasured GPU in bf16."""
FRAME_TOKENS = 35
"""About what a framing puts before a segment."""
CHECK_SPEED = 3.0
"""Guess: the check after the last step only reads, which is so many times as fast as to learn."""
TASKS_COST = 7.0
"""Guess: what a group of tasks costs beside a step that has none, where the base asks, too: with a
group every second step a lift once took 4.5 times as long."""
GENERAL_TOKENS = 230
"""About what a group of general prompts takes, in learned tokens of the book."""


class Calibration(Protocol):
    """What this module needs of the library: a small table of measurements."""

    def get(self, name: str) -> dict[str, float] | None:
        """The measurement of that name."""

    def set(self, name: str, value: dict[str, float]) -> None:
        """Keep a measurement."""


@dataclass(frozen=True)
class Estimate:
    """Minutes of a lift with its check, and where the number comes from."""

    minutes: float
    reason: str
    memory_gb: float
    """Most memory in use while it goes on, in GB (1e9 bytes): of the GPU where there is one, else
    of the whole program."""


def estimate(
    calibration: Calibration,
    *,
    weights_sha256: str,
    parameters: int,
    choice: Choice,
    recipe: Recipe,
    tokens: int,
) -> Estimate:
    """Minutes and memory that `recipe` will take for a book of `tokens` tokens.

    Args:
        calibration: measured speeds of this machine.
        weights_sha256: identity of the base model.
        parameters: its number of parameters N; a trained token costs about 4 N for the frozen
            weights (forward, and backward through activations) and as much again on small models.
        choice: device and precision.
        recipe: a resolved recipe.
        tokens: length of the book.
    """
    trained = recipe.trained_tokens(tokens)
    cost = 1.0
    memory = memory_needed_gb(parameters, choice.label)
    measured = calibration.get(_name(weights_sha256, choice, recipe))
    if not measured and recipe.has_tasks:
        cost += TASKS_COST / recipe.tasks_every
        measured = calibration.get(_name(weights_sha256, choice, _without_tasks(recipe)))
    other = calibration.get(_name(weights_sha256, choice))
    if measured:
        memory = measured.get("memory_gb") or memory
        speed = measured["tokens_per_second"]
        checked = measured.get("checked_per_second") or speed * CHECK_SPEED
        where = "in a short test of" if measured.get("short") else "in the last lift on"
        reason = f"{speed:,.0f} tokens/s measured {where} this machine"
    elif other:
        speed = other["work_per_second"] / _work(recipe)
        checked = speed * CHECK_SPEED
        memory = max(memory, other["memory_gb"])
        reason = f"{speed:,.0f} tokens/s, reckoned from what another recipe took on this machine"
    else:
        core = CPU_FLOPS_PER_CORE.get(choice.precision, CPU_FLOPS_PER_CORE["fp32"])
        flops = GPU_FLOPS if choice.device == "cuda" else core * (os.cpu_count() or 1)
        speed = flops / (8 * parameters * _work(recipe) / _work(Recipe()))
        checked = speed * CHECK_SPEED
        reason = f"a guess of {speed:,.0f} tokens/s; the first lift will measure this machine"
    if cost > 1:
        reason += f"; with its tasks a step is guessed to take {cost:.1f} times as long"
    steps = Schedule(recipe, tokens).steps
    watched = tokens_read(steps, recipe.epochs) if recipe.guard else 0
    seconds = cost * trained / speed + (tokens + watched) / checked
    return Estimate(seconds / 60, reason, memory)


def is_measured(
    calibration: Calibration, *, weights_sha256: str, choice: Choice, recipe: Recipe
) -> bool:
    """Whether the speed of such a lift on this machine is known."""
    return calibration.get(_name(weights_sha256, choice, recipe)) is not None


def remember_speed(
    calibration: Calibration,
    *,
    weights_sha256: str,
    choice: Choice,
    recipe: Recipe,
    tokens_per_second: float,
    checked_per_second: float,
    memory_gb: float,
    short: bool = False,
) -> None:
    """Keep a speed for later estimates.

    Args:
        calibration: where it is kept, in place of an older one.
        weights_sha256: identity of the base model.
        choice: device and precision.
        recipe: its shape counts: lengths, batch, rank, layers, tasks.
        tokens_per_second: tokens of the book that were trained on a second.
        checked_per_second: tokens that the check after the last step read a second.
        memory_gb: most memory in use meanwhile, in GB (1e9 bytes).
        short: it was a calibration and not a lift.
    """
    speed: dict[str, float] = {
        "tokens_per_second": tokens_per_second,
        "checked_per_second": checked_per_second,
        "memory_gb": memory_gb,
        "short": short,
    }
    calibration.set(_name(weights_sha256, choice, recipe), speed)
    if not recipe.has_tasks:
        work = tokens_per_second * _work(recipe)
        any_recipe = {"work_per_second": work, "memory_gb": memory_gb}
        calibration.set(_name(weights_sha256, choice), any_recipe)


def _work(recipe: Recipe) -> float:
    """What a learned token costs beside one that is read forwards and backwards and nothing more.

    Backwards is half of the work, and only the upper layers have it; what is carried has none.
    """
    before = 0 if recipe.framing == "raw" else FRAME_TOKENS + recipe.context_tokens
    learned = recipe.segment_length + (0 if recipe.carried_tokens else before)
    read = before + recipe.carried_tokens if recipe.carried_tokens else 0
    text = (learned * (1 + recipe.upper_layers) + read) / (2 * recipe.segment_length)
    beside = GENERAL_TOKENS / recipe.general_every if recipe.general_weight else 0
    return text + beside / (recipe.segment_length * recipe.batch_segments)


def _without_tasks(recipe: Recipe) -> Recipe:
    return replace(
        recipe, task_weight=0.0, distillation_weight=0.0, retention_weight=0.0, asks=False
    )


def _name(weights_sha256: str, choice: Choice, recipe: Recipe | None = None) -> str:
    of_model = f"speed/{weights_sha256[:16]}/{choice.device}/{choice.label}"
    if recipe is None:  # of whichever recipe was measured last
        return of_model
    # Tasks take time beside the tokens of the book, by their kind and number.
    tasks = ""
    if recipe.has_tasks:
        tasks = (
            f"/{recipe.tasks_every}"
            f"{'c' * (recipe.task_weight > 0 or recipe.distillation_weight > 0)}"
            f"{'o' * (recipe.retention_weight > 0)}{'q' * recipe.asks}"
        )
    if recipe.general_weight:
        tasks += f"/g{recipe.general_every if recipe.general_every > 1 else ''}"
    shape = (
        f"{recipe.segment_length}x{recipe.batch_segments}r{recipe.rank}"
        f"/{recipe.framing}{recipe.context_tokens or ''}"
        f"{f'+{recipe.carried_tokens}' if recipe.carried_tokens else ''}"
        f"{f'^{recipe.upper_layers:g}' if recipe.upper_layers < 1 else ''}"
    )
    return f"{of_model}/{shape}{tasks}"
