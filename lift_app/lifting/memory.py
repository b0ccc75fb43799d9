"""Memory: how well an adapter knows each segment of its book. The check after the last step.

Knows the adapter only by its slot, like the trainer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lift_app.lifting.objective import token_losses
from lift_app.lifting.segments import Segment
from lift_app.models.lora import AdapterHost


class Memory:
    """How well an adapter knows each segment: the check after the last step.

    Windows that do not overlap cover the whole book once, so a check costs a fraction of an epoch;
    each token's loss then counts for every segment that holds it.
    """

    def __init__(
        self,
        host: AdapterHost,
        slot: str,
        ids: Sequence[int] | Tensor,
        segments: Sequence[Segment],
        prefix: Sequence[int] = (),
    ) -> None:
        self._host = host
        self._slot = slot
        self._ids = torch.as_tensor(ids, dtype=torch.long, device=host.base.device)
        self._prefix = torch.tensor(prefix, dtype=torch.long, device=host.base.device)
        self._segments = segments
        self._losses = torch.full((len(ids),), float("nan"))
        length = max(len(segment) for segment in segments)
        self._windows = [
            (start, min(start + length, len(ids))) for start in range(0, len(ids), length)
        ]
        self.step_done = 0

    @property
    def steps(self) -> int:
        """Windows in all."""
        return len(self._windows)

    @property
    def finished(self) -> bool:
        """True when the whole book is measured."""
        return self.step_done >= self.steps

    def step(self) -> None:
        """Measure the next window."""
        start, end = self._windows[self.step_done]
        unpredicted = 0 if len(self._prefix) else 1
        if end - start > unpredicted:
            with self._host.active(self._slot):
                losses = token_losses(self._host.model, self._ids[None, start:end], self._prefix)
            self._losses[start + unpredicted : end] = losses[0].cpu()
        self.step_done += 1

    def segment_losses(self) -> dict[int, float]:
        """Mean loss of every segment that was measured, in nats, by its index."""
        found = {
            segment.index: self._losses[segment.start : segment.end].nanmean().item()
            for segment in self._segments
        }
        return {index: loss for index, loss in found.items() if loss == loss}
