"""Probe: what a lift must not harm, and what it is for, measured while it runs.

General prompts, articles and short passages that come with the project show harm; cloze tasks on
the book, which the lift never trains on, show memory. Both as negative log-likelihoods beside those
of the base, so one number each says what the adapter does at some strength. That of harm is the
most that there may be: a few dozen prompts cannot tell a hundredth from nothing, and a strength is
not harmless because they happen to see none.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Generator, Sequence
from importlib import resources
from statistics import fmean
from weakref import WeakKeyDictionary

import torch

from lift_app.lifting.packing import Packed, pack, row_means, spoken
from lift_app.lifting.tasks import Extract, Task, plain_tasks
from lift_app.models.lora import AdapterHost
from lift_app.template import Message, ask, instruct

OTHER_BOOK = "A Handbook"
"""Title in the prompts that are not about the book."""
MOST_EXTRACTS = 8
"""Extracts of the book that are kept for the probe; at most a quarter of them."""

AT_ONCE = 3
"""General prompts that are read in one pass."""
SURE = 1.7
"""Standard errors above what was seen up to which harm may reach: about the upper end of a
one-sided interval of 95 %."""


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
        self._parts = _prompts(host)
        tasks = _tasks(held_out(extracts, seed), seed)
        base = host.base
        asked = [spoken(base, _asked(ask(task.question), title), task.answer) for task in tasks]
        self._book = _Reading(pack(asked, base.device)) if asked else None

    @property
    def remembers(self) -> bool:
        """Whether there is anything about the book to measure memory by."""
        return self._book is not None

    @property
    def passes(self) -> int:
        """Passes in which harm is measured at one strength."""
        return sum(len(part) for part in self._parts)

    @property
    def unread(self) -> int:
        """Passes in which the base is still to be read, beside the adapter."""
        return sum(not reading.is_read for part in self._parts for reading in part)

    def harm(self, slot: str, strength: float = 1.0) -> Generator[None, None, float]:
        """The most that the adapter in `slot` may harm what is not about the book.

        Each `yield` ends a turn, after one pass, or two where the base is read for the first time.

        Args:
            slot: the adapter.
            strength: its strength.

        Returns:
            Upper end of the interval (`SURE`) of the rise of the NLL as a share of the base's, of
            general prompts, articles or short passages, whichever is worst; infinite where an
            answer has no likelihood any more.
        """
        # Of each by itself: what is read is answered surely, so in a common sum it hardly counts.
        worst = -math.inf
        for part in self._parts:
            rises: list[float] = []
            before: list[float] = []
            for reading in part:
                now = sum(reading.nll(self._host, slot, strength))
                before.append(sum(reading.base(self._host)))
                rises.append(now - before[-1])
                yield
            share, error = _share(rises, before)
            most = share + SURE * error
            if not math.isfinite(most):
                return math.inf
            worst = max(worst, most)
        return worst

    def memory(self, slot: str, strength: float = 1.0) -> float:
        """Mean NLL of tasks about the book beside the base, in nats a token; below 0 is better.

        One pass, or two where the base is read for the first time.
        """
        if self._book is None:
            return 0.0
        book, host = self._book, self._host
        return fmean(book.nll(host, slot, strength)) - fmean(book.base(host))


def _share(rises: Sequence[float], before: Sequence[float]) -> tuple[float, float]:
    """Sum of two rises and more as a share of the sum before, and the error of that ratio."""
    share = sum(rises) / sum(before)
    left = [rise - share * base for rise, base in zip(rises, before, strict=True)]
    spread = math.sqrt(sum(value * value for value in left) / (len(left) - 1))
    return share, math.sqrt(len(left)) * spread / sum(before)


class _Reading:
    """Prompts that are read in one pass. Holds no host, so that a host may hold it."""

    def __init__(self, packed: Packed) -> None:
        self._packed = packed
        self._base: list[float] | None = None

    @property
    def is_read(self) -> bool:
        """Whether the base has been read."""
        return self._base is not None

    def base(self, host: AdapterHost) -> list[float]:
        """NLL of each answer without an adapter; read once, always of the same host."""
        if self._base is None:
            with host.disabled() as model:
                self._base = self._read(model)
        return self._base

    def nll(self, host: AdapterHost, slot: str, strength: float) -> list[float]:
        """NLL of each answer with an adapter."""
        with host.active(slot, strength) as model:
            return self._read(model)

    def _read(self, model: torch.nn.Module) -> list[float]:
        with torch.no_grad():
            values: list[float] = row_means(model, self._packed).tolist()
        return values


_of_host: WeakKeyDictionary[AdapterHost, list[list[_Reading]]] = WeakKeyDictionary()


def _prompts(host: AdapterHost) -> list[list[_Reading]]:
    """General prompts, articles and short passages: the same for every book, so that what the base
    says to them is read once a host, and not once a lift."""
    if host in _of_host:
        return _of_host[host]
    base = host.base
    data = json.loads(
        resources.files("lift_app.lifting").joinpath("probe.json").read_text(encoding="utf-8")
    )
    general = [spoken(base, _asked(q["question"]), q["answer"]) for q in data["general"]]
    parts = [[general[i : i + AT_ONCE] for i in range(0, len(general), AT_ONCE)]]
    for kind in ("articles", "reading"):
        passages = [
            [
                spoken(base, _asked(ask(q["question"], [one["passage"]]), OTHER_BOOK), q["answer"])
                for q in one["questions"]
            ]
            for one in data[kind]
        ]
        parts.append(passages)
    _of_host[host] = [[_Reading(pack(rows, base.device)) for rows in part] for part in parts]
    return _of_host[host]


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
