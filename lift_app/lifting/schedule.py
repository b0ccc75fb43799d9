"""Schedule: which windows of the book a step trains on, and at which learning rate.

Everything follows from the recipe and the length of the book, so a resumed lift continues exactly
where it was. Pure arithmetic; knows nothing about torch.
"""

from __future__ import annotations

import math
import random

from lift_app.lifting.recipe import Recipe
from lift_app.lifting.segments import fresh_bounds, segment_bounds

Window = tuple[int, int]
"""Tokens [start, end) of the book."""


class Schedule:
    """The order of a lift.

    Args:
        recipe: says how the book is cut, how often, and how fast is learned.
        tokens: of the book.
    """

    def __init__(self, recipe: Recipe, tokens: int) -> None:
        self.recipe = recipe
        self.tokens = tokens
        self._segments = len(segment_bounds(tokens, recipe.segment_length, recipe.stride))
        self._windows: list[Window] = []
        for epoch in range(recipe.epochs):
            # One generator an epoch: the order of epoch n does not depend on the epochs before.
            windows = self._cut(epoch)
            random.Random(f"{recipe.seed}/{epoch}").shuffle(windows)
            self._windows += windows

    def _cut(self, epoch: int) -> list[Window]:
        recipe = self.recipe
        if not recipe.fresh_cuts:
            return segment_bounds(self.tokens, recipe.segment_length, recipe.stride)
        phase = random.Random(f"{recipe.seed}/cuts/{epoch}").randint(1, recipe.stride)
        return fresh_bounds(self.tokens, recipe.segment_length, recipe.stride, phase)

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return -(-len(self._windows) // self.recipe.batch_segments)

    def batch(self, step: int) -> list[Window]:
        """Windows of step `step` (0-based).

        The epochs follow each other without a gap, so only the very last batch may be smaller.
        """
        size = self.recipe.batch_segments
        return self._windows[step * size : (step + 1) * size]

    def segment(self, window: Window) -> int:
        """Index of the segment that a window is, or that it shares most of its tokens with."""
        return min(round(window[0] / self.recipe.stride), self._segments - 1)

    def learning_rate(self, step: int) -> float:
        """Rate of step `step` (0-based): linear warm-up, then cosine decay to `final_rate`."""
        recipe = self.recipe
        warmup = max(1, round(recipe.warmup * self.steps))
        if step < warmup:
            return recipe.learning_rate * (step + 1) / warmup
        progress = (step - warmup) / max(1, self.steps - warmup)
        cosine = 0.5 * (1 + math.cos(math.pi * progress))
        return recipe.learning_rate * (recipe.final_rate + (1 - recipe.final_rate) * cosine)
