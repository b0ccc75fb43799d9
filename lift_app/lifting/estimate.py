"""Estimate: how long a lift will take on this machine. Torch-free.

A finished lift leaves its measured speed in the library. Before the first one there is only a
guess, and the reader is told so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Protocol

from lift_app.lifting.recipe import Recipe
from lift_app.models.device import Choice

CPU_FLOPS_PER_CORE = 6e10
"""Guess for an unmeasured machine: sustained operations a second of one core in fp32."""
GPU_FLOPS = 1e14
"""Guess for an unmeasured GPU in bf16."""


class Calibration(Protocol):
    """What this module needs of the library: a small table of measurements."""

    def get(self, name: str) -> dict[str, float] | None:
        """The measurement of that name."""

    def set(self, name: str, value: dict[str, float]) -> None:
        """Keep a measurement."""


@dataclass(frozen=True)
class Estimate:
    """Minutes of a lift, and where the number comes from."""

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
    measured = calibration.get(_name(weights_sha256, choice, recipe))
    if measured:
        speed = measured["tokens_per_second"]
        reason = f"{speed:,.0f} tokens/s measured in the last lift on this machine"
    else:
        flops = GPU_FLOPS if choice.device == "cuda" else CPU_FLOPS_PER_CORE * (os.cpu_count() or 1)
        speed = flops / (8 * parameters)
        reason = f"a guess of {speed:,.0f} tokens/s; the first lift will measure this machine"
    return Estimate(trained / speed / 60, reason)


def remember_speed(
    calibration: Calibration,
    *,
    weights_sha256: str,
    choice: Choice,
    recipe: Recipe,
    tokens_per_second: float,
) -> None:
    """Keep the speed of a finished lift for later estimates, in tokens of the book a second."""
    speed = {"tokens_per_second": tokens_per_second}
    calibration.set(_name(weights_sha256, choice, recipe), speed)


def _name(weights_sha256: str, choice: Choice, recipe: Recipe) -> str:
    # Tasks take time beside the tokens of the book, by their kind and number.
    tasks = (
        f"/{recipe.tasks_every}"
        f"{'c' * (recipe.task_weight > 0 or recipe.distillation_weight > 0)}"
        f"{'o' * (recipe.retention_weight > 0)}"
        if recipe.has_tasks
        else ""
    )
    return f"speed/{weights_sha256[:16]}/{choice.device}/{choice.precision}{tasks}"
