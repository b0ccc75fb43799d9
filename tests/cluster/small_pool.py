"""A pool of two workers that learn nothing: adapters of a few bytes, made in three steps."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator

from lift_app.cluster.assignment import Assignment
from lift_app.cluster.crate import Crate
from lift_app.cluster.worker import Event

STEPS = 3


class SmallPool:
    """As `RayPool`, without Ray."""

    def __init__(self, fates: dict[str, Event] | None = None) -> None:
        self.started: list[str] = []
        """Titles in the order in which they were given out."""
        self.cancelled: list[str] = []
        """Keys."""
        self._fates = fates or {}
        self._out: dict[str, deque[Event]] = {}

    @property
    def is_full(self) -> bool:
        return len(self._out) >= 2

    @property
    def is_idle(self) -> bool:
        return not self._out

    def start(self, assignment: Assignment) -> None:
        title = assignment.book.title
        self.started.append(title)
        said: list[Event] = [
            {"stage": "training", "step": step, "steps": STEPS, "loss": 1.0}
            for step in range(1, STEPS + 1)
        ]
        self._out[assignment.key] = deque([*said, self._fates.get(title, made(title.encode()))])

    def cancel(self, key: str) -> None:
        if self._out.pop(key, None) is not None:
            self.cancelled.append(key)

    def events(self, seconds: float) -> Iterator[tuple[str, Event]]:
        for key in list(self._out):
            event = self._out[key].popleft()
            if not self._out[key]:
                del self._out[key]
            yield key, event


def made(content: bytes, *, arrived: bytes | None = None) -> Event:
    """The last event of a lift whose adapter has this content, or arrives with another."""
    hashes = {"a.bin": hashlib.sha256(content).hexdigest()}
    crate = Crate({"a.bin": content if arrived is None else arrived}, hashes)
    return {"stage": "made", "crate": crate, "summary": {"steps": STEPS}}
