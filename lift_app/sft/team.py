"""Team: the processes that train one start together, as `accelerate launch` started them.

Each learns its share of a step's lessons; sums over all of them make the step that one process
would have made alone. Knows tensors and processes, nothing of lessons.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class Team:
    """One process alone; `Processes` are several. Both do the same to numbers."""

    size = 1
    place = 0
    """Which of them this one is; the first one alone writes, measures and tells."""

    @property
    def is_first(self) -> bool:
        """Whether this one speaks for all."""
        return self.place == 0

    def total(self, *numbers: float) -> list[float]:
        """Each number, added up over all processes."""
        return list(numbers)

    def add_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Give every process the sum of all gradients."""

    def first_says(self, value: Any) -> Any:
        """What the first process gives here, everywhere."""
        return value


class Processes(Team):
    """The processes of `accelerate launch`. Make one in each of them, before any is used."""

    def __init__(self) -> None:
        from accelerate import PartialState

        # On a machine without a GPU the processes talk over gloo, else over NCCL.
        self._state = PartialState(cpu=not torch.cuda.is_available())
        self.size = self._state.num_processes
        self.place = self._state.process_index

    def total(self, *numbers: float) -> list[float]:
        """In one exchange; float64 on a CPU, so that counts stay exact."""
        kind = torch.float64 if self._state.device.type == "cpu" else torch.float32
        sums: list[float] = self._sum(torch.tensor(numbers, dtype=kind)).tolist()
        return sums

    def add_gradients(self, parameters: Sequence[Tensor]) -> None:
        """In one exchange of one long row; who learned nothing adds nothing."""
        given = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        row = self._sum(torch.cat([gradient.flatten() for gradient in given]))
        parts = row.split([p.numel() for p in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter).to(parameter.device)

    def first_says(self, value: Any) -> Any:
        """Pickled: the processes are one program."""
        from accelerate.utils import broadcast_object_list

        said = [value if self.is_first else None]
        broadcast_object_list(said)
        return said[0]

    def _sum(self, tensor: Tensor) -> Tensor:
        from accelerate.utils import reduce

        found: Tensor = reduce(tensor.to(self._state.device), "sum")
        return found


def is_launched() -> bool:
    """Whether this process is one of several that a launcher started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def find_team() -> Team:
    """The team of this process: itself, or those that were launched with it."""
    return Processes() if is_launched() else Team()
