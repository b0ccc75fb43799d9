"""Probe: what a lift must not harm, and what it is for, measured while it runs.

Reading and general prompts that come with the project show harm; cloze tasks on the book, which
the lift never trains on, show memory. Both as negative log-likelihoods beside those of the base,
so one number each says what the adapter does at some strength.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from statistics import fmean

import torch

from lift_app.lifting.packing import Packed, pack, row_means, spoken
from lift_app.lifting.tasks import Extract, Task, plain_tasks
from lift_app.models.lora import AdapterHost
from lift_app.template import Message, ask, instruct

OTHER_BOOK = "A Handbook"
"""Title in the prompts that are not about the book."""
MOST_EXTRACTS = 8
"""Extracts of the book that are kept for the probe; at most a quarter of them."""


@dataclass(frozen=True)
class Measured:
    """What an adapter does, as means of NLL differences to the base, in nats a token."""

    harm: float
    """On reading or on general prompts, whichever it is worse for: the rise as a share of the
    base's NLL; above 0 is worse."""
    memory: float
    """On tasks about the book; below 0 is better than the base."""


class Probe:
    """Prompts held out from a lift, with the base's likelihoods.

    Args:
        host: the base model; its adapters are left as they are.
        title: title of the book.
        extracts: of the book; may be empty, and then only harm is measured.
        seed: of the choice of tasks.
    """

    def __init__(
        self, host: AdapterHost, title: str, extracts: Sequence[Extract], seed: int
    ) -> None:
        self._host = host
        base = host.base
        data = json.loads(
            resources.files("lift_app.lifting").joinpath("probe.json").read_text(encoding="utf-8")
        )
        reading = [
            pack(
                [
                    spoken(
                        base, _asked(ask(q["question"], [one["passage"]]), OTHER_BOOK), q["answer"]
                    )
                    for q in one["questions"]
                ],
                base.device,
            )
            for one in data["reading"]
        ]
        general = [spoken(base, _asked(q["question"]), q["answer"]) for q in data["general"]]
        self._harm = [reading, [pack(general, base.device)]]
        tasks = _tasks(held_out(extracts, seed), seed)
        rows = [spoken(base, _asked(ask(task.question), title), task.answer) for task in tasks]
        self._memory = [pack(rows, base.device)] if rows else []
        with host.disabled() as model:
            self._base_harm, self._base_memory = self._nll(model)

    @property
    def remembers(self) -> bool:
        """Whether there is anything about the book to measure memory by."""
        return bool(self._memory)

    def measure(self, slot: str, strength: float = 1.0) -> Measured:
        """What the adapter in `slot` does at a strength."""
        with self._host.active(slot, strength) as model:
            harm, memory = self._nll(model)
        # Of each by itself: what is read is answered surely, so in a common mean it hardly counts.
        worst = max(now / base - 1 for now, base in zip(harm, self._base_harm, strict=True))
        return Measured(worst, memory - self._base_memory)

    def _nll(self, model: torch.nn.Module) -> tuple[list[float], float]:
        """Of the base or an adapter: reading and general prompts, and tasks about the book."""
        harm = [_mean(model, group) for group in self._harm]
        return harm, _mean(model, self._memory) if self._memory else 0.0


def held_out(extracts: Sequence[Extract], seed: int) -> list[Extract]:
    """Extracts all over the book that a lift writes no tasks about; its text it does learn."""
    count = min(MOST_EXTRACTS, len(extracts) // 4)
    chosen = random.Random(f"{seed}/probe").sample(extracts, count)
    return sorted(chosen, key=lambda extract: extract.number)


def _tasks(extracts: Sequence[Extract], seed: int) -> list[Task]:
    """Gaps to fill; what comes next, where the book has no names and numbers to leave out."""
    tasks = [
        task
        for extract in extracts
        for task in plain_tasks(extract, None, random.Random(f"{seed}/probe/{extract.number}"))
    ]
    gaps = [task for task in tasks if task.kind == "cloze"]
    return gaps or [task for task in tasks if task.kind == "next"]


def _asked(request: str, title: str | None = None) -> list[Message]:
    """A question, about a book where a title is given."""
    message = {"role": "user", "content": request}
    return [message] if title is None else [instruct(title), message]


def _mean(model: torch.nn.Module, group: Sequence[Packed]) -> float:
    """Mean NLL of all answers of a group."""
    with torch.no_grad():
        return fmean(value for packed in group for value in row_means(model, packed).tolist())
