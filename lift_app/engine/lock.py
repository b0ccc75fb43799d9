"""HomeLock: at most one process owns the model of a library.

The owner holds an operating-system file lock, which a killed process loses by itself, and
publishes beside it where its hand-off listens. Knows nothing of what is handed over.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout


@dataclass(frozen=True)
class Owner:
    """Where the process that owns the model can be reached."""

    pid: int
    port: int
    """Port of its hand-off on the loopback address."""
    token: str
    """Secret that a caller must show; only this user can read it."""

    @classmethod
    def this_process(cls, port: int, token: str) -> Owner:
        """The card of the calling process."""
        return cls(os.getpid(), port, token)


class HomeLock:
    """The lock of one `LIFT_HOME`."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(home / "engine.lock", thread_local=False)
        self._card = home / "engine.json"

    def acquire(self) -> bool:
        """Try to become the owner; never waits."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        self._card.unlink(missing_ok=True)  # a killed owner leaves its card behind
        return True

    def publish(self, owner: Owner) -> None:
        """Tell other processes of this user where to hand their work."""
        fresh = self._card.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(owner), file)
        fresh.replace(self._card)

    def owner(self) -> Owner | None:
        """The published owner, or None if there is none (yet)."""
        try:
            return Owner(**json.loads(self._card.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def release(self) -> None:
        """Stop being the owner."""
        if self._lock.is_locked:
            self._card.unlink(missing_ok=True)
            self._lock.release()
