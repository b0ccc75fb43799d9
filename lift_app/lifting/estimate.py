"""Estimate: how long a lift will take on this machine. Torch-free.

A short calibration leaves its measured speed in the library, and every finished lift its own.
Before the first of them there is only a guess, and the reader is told so; likewise of what tasks
cost before a lift with tasks is done.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Protocol

from lift_app.lifting.recipe import Recipe
from lift_app.models.device import Choice

CPU_FLOPS_PER_CORE = 6e10
"""Guess for an unmeasured machine: sustained operations a second of one core in fp32."""
GPU_FLOPS = 1e14
"""Guess for an unmeasured GPU in bf16."""
CHECK_SPEED = 3.0
"""Guess: the check after the last step only reads, which is so many times as fast as to learn."""
TASKS_COST = 7.0
"""Guess: what a group of tasks costs beside a step that has none. With a group every second step
that is 4.5 times as long, as in docs/recipe.md: 365 s against 81 s."""


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


def estimate(
    calibration: Calibration,
    *,
    weights_sha256: str,
    parameters: int,
    choice: Choice,
    recipe: Recipe,
    tokens: int,
) -> Estimate:
    """Minutes that `recipe` will take for a book of `tokens` tokens.

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
    measured = calibration.get(_name(weights_sha256, choice, recipe))
    if not measured and recipe.has_tasks:
        cost += TASKS_COST / recipe.tasks_every
        measured = calibration.get(_name(weights_sha256, choice, _without_tasks(recipe)))
    if measured:
        speed = measured["tokens_per_second"]
        checked = measured.get("checked_per_second") or speed * CHECK_SPEED
        where = "in a short test of" if measured.get("short") else "in the last lift on"
        reason = f"{speed:,.0f} tokens/s measured {where} this machine"
    else:
        flops = GPU_FLOPS if choice.device == "cuda" else CPU_FLOPS_PER_CORE * (os.cpu_count() or 1)
        speed = flops / (8 * parameters)
        checked = speed * CHECK_SPEED
        reason = f"a guess of {speed:,.0f} tokens/s; the first lift will measure this machine"
    if cost > 1:
        reason += f"; with its tasks a step is guessed to take {cost:.1f} times as long"
    return Estimate((cost * trained / speed + tokens / checked) / 60, reason)


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
        short: it was a calibration and not a lift.
    """
    speed: dict[str, float] = {
        "tokens_per_second": tokens_per_second,
        "checked_per_second": checked_per_second,
        "short": short,
    }
    calibration.set(_name(weights_sha256, choice, recipe), speed)


def _without_tasks(recipe: Recipe) -> Recipe:
    return replace(
        recipe, task_weight=0.0, distillation_weight=0.0, retention_weight=0.0, asks=False
    )


def _name(weights_sha256: str, choice: Choice, recipe: Recipe) -> str:
    # Tasks take time beside the tokens of the book, by their kind and number.
    tasks = (
        f"/{recipe.tasks_every}"
        f"{'c' * (recipe.task_weight > 0 or recipe.distillation_weight > 0)}"
        f"{'o' * (recipe.retention_weight > 0)}{'q' * recipe.asks}"
        if recipe.has_tasks
        else ""
    )
    shape = (
        f"{recipe.segment_length}x{recipe.batch_segments}r{recipe.rank}"
        f"/{recipe.framing}{recipe.context_tokens or ''}"
        f"{f'+{recipe.carried_tokens}' if recipe.carried_tokens else ''}"
        f"{f'^{recipe.upper_layers:g}' if recipe.upper_layers < 1 else ''}"
    )
    return f"speed/{weights_sha256[:16]}/{choice.device}/{choice.label}/{shape}{tasks}"
