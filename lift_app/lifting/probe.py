"""Probe: what a lift must not harm, and what it is for, measured while it runs.

Reading and general prompts that come with the project show harm; cloze tasks on the book, which
the lift never trains on, show memory. Both as negative log-likelihoods beside those of the base,
so one number each says what the adapter does at some strength.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Generator, Sequence
from functools import cached_property
from importlib import resources
from statistics import fmean, stdev

import torch

from lift_app.lifting.packing import Packed, pack, row_means, spoken
from lift_app.lifting.tasks import Extract, Task, plain_tasks
from lift_app.models.lora import AdapterHost
from lift_app.template import Message, ask, instruct

OTHER_BOOK = "A Handbook"
"""Title in the prompts that are not about the book."""
MOST_EXTRACTS = 8
"""Extracts of the book that are kept for the probe; at most a quarter of them."""

ENOUGH = 8
"""Passages after which plain harm ends the reading; they stand in an order of chance."""
PLAIN = 2.0
"""Standard errors by which harm exceeds what is allowed where it is plain. It is asked after each
passage, so at the edge a strength is refused by chance; with three a look takes much longer."""


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
        base = host.base
        data = json.loads(
            resources.files("lift_app.lifting").joinpath("probe.json").read_text(encoding="utf-8")
        )
        general = [spoken(base, _asked(q["question"]), q["answer"]) for q in data["general"]]
        passages = [
            [
                spoken(base, _asked(ask(q["question"], [one["passage"]]), OTHER_BOOK), q["answer"])
                for q in one["questions"]
            ]
            for one in data["reading"]
        ]
        random.Random(0).shuffle(passages)  # a few of them stand for all kinds
        # The few general prompts first: where they are harmed, no passage has to be read.
        self._parts = [
            [_Reading(host, pack(rows, base.device)) for rows in part]
            for part in ([general], passages)
        ]
        tasks = _tasks(held_out(extracts, seed), seed)
        asked = [spoken(base, _asked(ask(task.question), title), task.answer) for task in tasks]
        self._book = _Reading(host, pack(asked, base.device)) if asked else None

    @property
    def remembers(self) -> bool:
        """Whether there is anything about the book to measure memory by."""
        return self._book is not None

    def harm(
        self, slot: str, strength: float = 1.0, allowed: float = math.inf
    ) -> Generator[None, None, float]:
        """What the adapter in `slot` does to the prompts that are not about the book.

        Each `yield` ends a turn, after one pass, or two where the base is read for the first time.

        Args:
            slot: the adapter.
            strength: its strength.
            allowed: where it is plain that there is more, the rest is not looked at.

        Returns:
            Harm to reading or to general prompts, whichever is worse: the rise of the NLL as a
            share of the base's; above 0 is worse.
        """
        # Of each by itself: what is read is answered surely, so in a common sum it hardly counts.
        worst = -math.inf
        for part in self._parts:
            rises, before = [], []
            for reading in part:
                now, base = sum(reading.nll(slot, strength)), sum(reading.base)
                rises.append(now - base)
                before.append(base)
                yield
                if _is_plain(rises, allowed * fmean(before)):
                    break
            share = sum(rises) / sum(before)
            if not share <= allowed:  # also where it is no longer a number
                return share
            worst = max(worst, share)
        return worst

    def memory(self, slot: str, strength: float = 1.0) -> float:
        """Mean NLL of tasks about the book beside the base, in nats a token; below 0 is better.

        One pass, or two where the base is read for the first time.
        """
        if self._book is None:
            return 0.0
        return fmean(self._book.nll(slot, strength)) - fmean(self._book.base)


def _is_plain(rises: Sequence[float], allowed: float) -> bool:
    """Whether more passages would hardly show a mean rise that is allowed."""
    if len(rises) < ENOUGH:
        return False
    return fmean(rises) - PLAIN * stdev(rises) / math.sqrt(len(rises)) > allowed


class _Reading:
    """Prompts that are read in one pass."""

    def __init__(self, host: AdapterHost, packed: Packed) -> None:
        self._host = host
        self._packed = packed

    @cached_property
    def base(self) -> list[float]:
        """NLL of each answer without an adapter."""
        with self._host.disabled() as model:
            return self._read(model)

    def nll(self, slot: str, strength: float) -> list[float]:
        """NLL of each answer with an adapter."""
        with self._host.active(slot, strength) as model:
            return self._read(model)

    def _read(self, model: torch.nn.Module) -> list[float]:
        with torch.no_grad():
            values: list[float] = row_means(model, self._packed).tolist()
        return values


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
