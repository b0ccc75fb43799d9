"""Schedule: which segments a step trains on, and at which learning rate.

Everything follows from the recipe and the number of segments, so a resumed lift continues exactly
where it was. Pure arithmetic; knows nothing about torch.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from lift_app.lifting.recipe import Recipe


@dataclass(frozen=True)
class Schedule:
    """The order of a lift over `segments` segments."""

    recipe: Recipe
    segments: int

    def __post_init__(self) -> None:
        order: list[int] = []
        for epoch in range(self.recipe.epochs):
            # One generator an epoch: the order of epoch n does not depend on the epochs before.
            epoch_order = list(range(self.segments))
            random.Random(f"{self.recipe.seed}/{epoch}").shuffle(epoch_order)
            order.extend(epoch_order)
        object.__setattr__(self, "_order", tuple(order))

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return -(-self.recipe.epochs * self.segments // self.recipe.batch_segments)

    def batch(self, step: int) -> tuple[int, ...]:
        """Indices of the segments of step `step` (0-based).

        The epochs follow each other without a gap, so only the very last batch may be smaller.
        """
        order: tuple[int, ...] = self._order  # type: ignore[attr-defined]
        size = self.recipe.batch_segments
        return order[step * size : (step + 1) * size]

    def learning_rate(self, step: int) -> float:
        """Rate of step `step` (0-based): linear warm-up, then cosine decay to `final_rate`."""
        recipe = self.recipe
        warmup = max(1, round(recipe.warmup * self.steps))
        if step < warmup:
            return recipe.learning_rate * (step + 1) / warmup
        progress = (step - warmup) / max(1, self.steps - warmup)
        cosine = 0.5 * (1 + math.cos(math.pi * progress))
        return recipe.learning_rate * (recipe.final_rate + (1 - recipe.final_rate) * cosine)
