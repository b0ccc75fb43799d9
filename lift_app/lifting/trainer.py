"""Trainer: turns the segments of a book into an adapter, one optimizer step at a time.

It never loops by itself: the engine calls `step()`, so that answers can stand between two steps.
It knows the adapter only by its slot, and nothing of jobs, files or the library.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from lift_app.errors import LiftError
from lift_app.lifting.auxiliary import NOTHING_BESIDE, TaskRows, add_gradients
from lift_app.lifting.objective import carried_losses, equal_lengths, token_losses
from lift_app.lifting.progress import Pace
from lift_app.lifting.recipe import Recipe
from lift_app.lifting.room import Room, is_out_of_memory, out_of_room, release
from lift_app.lifting.schedule import Schedule, Window
from lift_app.lifting.segments import Segment
from lift_app.models.lora import AdapterHost


@dataclass(frozen=True)
class StepResult:
    """What one optimizer step did."""

    step: int
    """Steps finished, this one included."""
    loss: float
    """Mean loss of the step's tokens, in nats."""
    tokens: int
    segments: dict[int, float]
    """Mean loss of each segment before this step's update."""
    seconds: float


class Trainer:
    """One lift in progress.

    Args:
        host: the base model with its adapter slots.
        slot: the slot that is trained; it is reset by the recipe's seed.
        ids: token ids of the whole book.
        segments: its windows, from `cut_segments`.
        recipe: every number of the lift.
        prefix: token ids that stand before each segment and are not learned (`framing`).

    Raises:
        LiftError: later, from `step()`, if the loss stops being a number.
    """

    def __init__(
        self,
        host: AdapterHost,
        slot: str,
        ids: Sequence[int] | Tensor,
        segments: Sequence[Segment],
        recipe: Recipe,
        prefix: Sequence[int] = (),
    ) -> None:
        self.recipe = recipe
        self.segments = segments
        self.schedule = Schedule(recipe, len(ids))
        sizes = [
            sum(end - start for start, end in self.schedule.batch(step))
            for step in range(self.schedule.steps)
        ]
        # Tokens from each step on, once: to add them up at every step would grow with its square.
        self._left = [*accumulate(reversed(sizes), initial=0)][::-1]
        self.step_done = 0
        self.pace = Pace()
        self.room = Room(host.model, recipe.batch_segments)
        self._host = host
        self._slot = slot
        self._ids = torch.as_tensor(ids, dtype=torch.long, device=host.base.device)
        self._prefix = torch.tensor(prefix, dtype=torch.long, device=host.base.device)
        host.reset(
            slot,
            rank=recipe.rank,
            alpha=recipe.alpha,
            targets=host.upper_layers(recipe.upper_layers),
            seed=recipe.seed,
        )
        self._optimizer = torch.optim.AdamW(
            host.parameters(slot),
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=True,
        )

    @property
    def finished(self) -> bool:
        """True when every step is done."""
        return self.step_done >= self.schedule.steps

    @property
    def eta_seconds(self) -> float | None:
        """Seconds that the remaining steps will take at the present pace."""
        return self.pace.seconds_for(self._left[self.step_done])

    def step(self, beside: TaskRows = NOTHING_BESIDE) -> StepResult:
        """Train on the next batch, and on what stands beside it.

        The loss is summed over the segments and divided by their tokens, so a short last segment
        weighs as much as its tokens do (L_input is a sum over tokens).

        Args:
            beside: auxiliary tasks and general prompts of this step.

        Raises:
            LiftError: the loss is not finite, or there is not enough memory even for one segment
                (`room`); nothing was changed.
        """
        began = time.perf_counter()
        while True:
            try:
                loss, segment_losses, tokens = self._learn(beside)
                break
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                # Kept prefixes go first: without them a question takes longer, and that is all.
                kept = len(self._host.prefixes)
                self._host.prefixes.clear()
                release(error)
                if not kept and not self.room.save():
                    raise LiftError(out_of_room(self._host.base), code="out_of_memory") from None
        self.step_done += 1
        seconds = time.perf_counter() - began
        self.pace.add(tokens, seconds)
        return StepResult(self.step_done, loss, tokens, segment_losses, seconds)

    def _learn(self, beside: TaskRows) -> tuple[float, dict[int, float], int]:
        """One update of the adapter: the loss, that of each segment, and the tokens."""
        batch = self.schedule.batch(self.step_done)
        # Where nothing stands before a window, nothing predicts its first token.
        bare = sum(not len(self._prefix) and not self._carried(start) for start, _ in batch)
        predicted = max(1, sum(end - start for start, end in batch) - bare)
        segment_losses: dict[int, float] = {}
        total = 0.0
        with self._host.training(self._slot):
            self._optimizer.zero_grad(set_to_none=True)
            for windows, losses in self._losses(batch):
                (losses.sum() / predicted).backward()
                total += losses.detach().sum().item()
                means = losses.detach().mean(dim=1).tolist()
                segment_losses.update(zip(map(self.schedule.segment, windows), means, strict=True))
            loss = total / predicted
            extra = add_gradients(self._host, self._slot, beside, self.recipe)
            if not math.isfinite(loss + extra):
                raise LiftError(
                    "The training loss is no longer a number, so the lift was stopped. "
                    "Try the recipe 'quick' or a smaller learning_rate.",
                    code="diverged",
                )
            torch.nn.utils.clip_grad_norm_(
                self._host.parameters(self._slot), self.recipe.gradient_clip
            )
            for group in self._optimizer.param_groups:
                group["lr"] = self.schedule.learning_rate(self.step_done)
            self._optimizer.step()
        return loss, segment_losses, sum(end - start for start, end in batch)

    def _losses(self, batch: Sequence[Window]) -> Iterator[tuple[list[Window], Tensor]]:
        """Losses of windows of one length together, as many at once as there is room for."""
        alike: dict[int, list[Window]] = {}
        for window in batch:
            alike.setdefault(self._carried(window[0]), []).append(window)
        for before, windows in alike.items():
            rows = [self._ids[start - before : end] for start, end in windows]
            for positions, ids in equal_lengths(rows, self.room.at_once):
                if before:
                    losses = carried_losses(self._host.model, ids, self._prefix, before)
                elif len(self._prefix) or ids.shape[1] > 1:
                    losses = token_losses(self._host.model, ids, self._prefix)
                else:
                    continue  # a book of a single token predicts nothing
                yield [windows[position] for position in positions], losses

    def _carried(self, start: int) -> int:
        """Tokens of the book that are read before a window that begins at `start`."""
        return min(start, self.recipe.carried_tokens)

    def state(self) -> dict[str, Any]:
        """Everything that a resumed lift needs besides the recipe and the book."""
        return {
            "step": self.step_done,
            "adapter": self._host.state(self._slot),
            "optimizer": self._optimizer.state_dict(),
            "random": torch.get_rng_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue where `state()` was taken."""
        self._host.load_state(self._slot, state["adapter"])
        self._optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        self.step_done = int(state["step"])
