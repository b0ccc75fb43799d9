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

from lift_app.library import effects, folders


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
        with folders.explained("The library's folder cannot be used"):
            effects.make_folder(home)
        self._lock = FileLock(home / "engine.lock", thread_local=False)
        self._card = home / "engine.json"

    def acquire(self) -> bool:
        """Try to become the owner; never waits."""
        with folders.explained("The library cannot be locked"):
            effects.announce("open", self._lock.lock_file)
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                return False
        effects.remove(self._card)  # a killed owner leaves its card behind
        return True

    def publish(self, owner: Owner) -> None:
        """Tell other processes of this user where to hand their work."""
        with folders.explained("The process that owns the model cannot be announced"):
            effects.replace_file(self._card, [json.dumps(asdict(owner)).encode()], mode=0o600)

    def owner(self) -> Owner | None:
        """The published owner, or None if there is none (yet)."""
        try:
            return Owner(**json.loads(self._card.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def release(self) -> None:
        """Stop being the owner."""
        if self._lock.is_locked:
            effects.remove(self._card)
            self._lock.release()
