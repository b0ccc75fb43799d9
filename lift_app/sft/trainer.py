"""SftTrainer: turns lessons into a start, one optimizer step at a time, alone or in a team."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import torch

from lift_app.errors import CallerError, LiftError
from lift_app.lifting.packing import pack, packed_losses, row_means
from lift_app.lifting.progress import Pace
from lift_app.models.lora import AdapterHost
from lift_app.sft.lessons import Lesson, LessonWriter
from lift_app.sft.team import Team

SLOT = "start"


@dataclass(frozen=True)
class SftRecipe:
    """Numbers of one pre-LIFT SFT."""

    lessons: int = 800
    batch: int = 1
    """Lessons in an optimizer step: several processes need one each, at least."""
    rank: int = 16
    alpha: int = 32
    learning_rate: float = 5e-4
    """Peak learning rate of AdamW."""
    warmup: float = 0.05
    """Share of the steps in which the rate rises linearly; then it falls as a cosine to 0."""
    gradient_clip: float = 1.0
    """Largest norm of the gradient."""
    held_out: int = 12
    """Documents that are only measured on."""
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.lessons, self.batch, self.rank) < 1 or self.learning_rate <= 0:
            raise CallerError("A start needs lessons, batch, rank and learning_rate above 0.")

    @property
    def steps(self) -> int:
        """Optimizer steps; the last one may have fewer lessons."""
        return -(-self.lessons // self.batch)

    def to_json(self) -> dict[str, Any]:
        """All fields as a plain dict."""
        return asdict(self)

    def rate(self, step: int) -> float:
        """Learning rate of step `step` (0-based)."""
        warmup = max(1, round(self.warmup * self.steps))
        if step < warmup:
            return self.learning_rate * (step + 1) / warmup
        progress = (step - warmup) / max(1, self.steps - warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class SftStep:
    """What one optimizer step did."""

    step: int
    """Steps finished, this one included."""
    loss: float
    """Mean loss of the learned tokens, in nats."""
    tokens: int
    """Tokens that were computed, by all processes."""
    seconds: float


class SftTrainer:
    """One start in progress.

    Args:
        host: the base model with its adapter slots.
        writer: the lessons.
        recipe: every number.
        team: who learns the lessons of a step; this process alone by default.

    Raises:
        CallerError: a step has fewer lessons than the team has processes.
        LiftError: later, from `step()`, if the loss stops being a number.
    """

    def __init__(
        self,
        host: AdapterHost,
        writer: LessonWriter,
        recipe: SftRecipe,
        team: Team | None = None,
    ) -> None:
        self._team = team or Team()
        if recipe.batch < self._team.size:
            raise CallerError(
                f"{self._team.size} processes share the lessons of a step, which has "
                f"{recipe.batch}. Say --set batch={self._team.size}, or a multiple of it; the "
                "learning rate is for steps of any size."
            )
        self.recipe = recipe
        self.step_done = 0
        self.pace = Pace()
        self._host = host
        self._writer = writer
        host.reset(SLOT, rank=recipe.rank, alpha=recipe.alpha, seed=recipe.seed)
        self._optimizer = torch.optim.AdamW(
            host.parameters(SLOT), lr=recipe.learning_rate, weight_decay=0.0, fused=True
        )

    @property
    def finished(self) -> bool:
        """True when every step is done."""
        return self.step_done >= self.recipe.steps

    def step(self) -> SftStep:
        """Train on the next lessons, or this process's share of them.

        The loss is a mean over all learned tokens of the step, whoever learns them, so a team makes
        the step that one process makes alone, up to rounding.

        Raises:
            LiftError: the loss is not finite; nothing was changed.
        """
        began = time.perf_counter()
        first = self.step_done * self.recipe.batch
        numbers = range(first, min(first + self.recipe.batch, self.recipe.lessons))
        lessons = [self._writer.write(n) for n in numbers[self._team.place :: self._team.size]]
        [learned] = self._team.total(sum(lesson.tokens for lesson in lessons))
        parameters = self._host.parameters(SLOT)
        with self._host.training(SLOT):
            self._optimizer.zero_grad(set_to_none=True)
            mine, computed = 0.0, 0
            for lesson in lessons:
                packed = pack(lesson.rows, self._host.base.device)
                part = packed_losses(self._host.model, packed).sum() / learned
                part.backward()
                mine += part.item()
                computed += packed.ids.shape[1]
            self._team.add_gradients(parameters)
            loss, tokens = self._team.total(mine, computed)
            if not math.isfinite(loss):
                raise LiftError(
                    "The training loss is no longer a number. Try a smaller learning rate.",
                    code="diverged",
                )
            torch.nn.utils.clip_grad_norm_(parameters, self.recipe.gradient_clip)
            for group in self._optimizer.param_groups:
                group["lr"] = self.recipe.rate(self.step_done)
            self._optimizer.step()
        self.step_done += 1
        seconds = time.perf_counter() - began
        self.pace.add(int(tokens), seconds)
        return SftStep(self.step_done, loss, int(tokens), seconds)

    def state(self) -> dict[str, Any]:
        """Everything that a resumed run needs besides the recipe and the documents."""
        return {
            "step": self.step_done,
            "adapter": self._host.state(SLOT),
            "optimizer": self._optimizer.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue where `state()` was taken."""
        self._host.load_state(SLOT, state["adapter"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step_done = int(state["step"])


def measure(host: AdapterHost, lessons: Sequence[Lesson], *, trained: bool) -> dict[str, float]:
    """Mean negative log-likelihood by kind of lesson, each row counting once, in nats a token.

    Args:
        host: the model, and the start in its slot.
        lessons: of documents that were not trained on.
        trained: with the start on, or the base model alone.
    """
    found = defaultdict(list)
    with host.active(SLOT) if trained else host.disabled():
        for lesson in lessons:
            packed = pack(lesson.rows, host.base.device)
            for kind, mean in zip(
                lesson.kinds, row_means(host.model, packed).tolist(), strict=True
            ):
                found[kind].append(mean)
    return {kind: round(fmean(values), 4) for kind, values in sorted(found.items())}
