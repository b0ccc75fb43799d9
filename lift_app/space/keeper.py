"""Keeper: when the library is copied to the bucket, and when it comes back.

Back at the start, to a home without an index; there every few minutes while something changes, at
once where something was deleted, and a last time at the end. Knows no Reader: it looks at files.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lift_app.errors import LiftError
from lift_app.settings import Settings
from lift_app.space.bucket import Bucket

SAVE_SECONDS = 300.0
"""Between two snapshots of a library that is being changed."""
LOOK_SECONDS, RETRY_SECONDS = 2.0, 30.0
"""How soon a deletion reaches the bucket, and the pause after a snapshot that failed."""

log = logging.getLogger(__name__)


@contextmanager
def kept(settings: Settings, tell: Callable[[str], None] = log.info) -> Iterator[None]:
    """While it lasts, the library is copied to `settings.bucket`; nothing happens without one.

    Enter it before the library is opened and leave it after it is closed.

    Args:
        settings: names the home and the bucket.
        tell: gets a sentence about what was brought back.

    Raises:
        LiftError: as `Bucket.restore`.
    """
    if settings.bucket == Path():
        yield
        return
    bucket = Bucket(settings.bucket)
    restored = bucket.restore(settings)
    if restored is not None:
        tell(f"The library came back from the bucket: {restored.taken}.")
    keeper = Keeper(bucket, settings)
    keeper.start()
    try:
        yield
    finally:
        keeper.close()


class Keeper:
    """Saves in the background. Start it once, close it after the library."""

    def __init__(self, bucket: Bucket, settings: Settings) -> None:
        self._bucket, self._settings = bucket, settings
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bucket", daemon=True)
        self._saved_at = time.monotonic()
        self._changes = self._now()

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking, and save what has changed."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._now() != self._changes or self._is_behind():
            self._save()

    def _run(self) -> None:
        pause = LOOK_SECONDS
        while not self._over.wait(pause):
            late = time.monotonic() - self._saved_at > SAVE_SECONDS
            if self._is_behind() or (late and self._now() != self._changes):
                pause = LOOK_SECONDS if self._save() else RETRY_SECONDS

    def _is_behind(self) -> bool:
        return self._settings.database.exists() and self._bucket.is_behind(self._settings)

    def _save(self) -> bool:
        """Whether it worked; why not is logged."""
        changes, began = self._now(), time.monotonic()
        try:
            self._bucket.save(self._settings)
        except LiftError as error:
            log.warning("%s", error)
            return False
        # Not of one that failed: that is tried again soon, however it came to be due.
        self._changes, self._saved_at = changes, began
        return True

    def _now(self) -> tuple[tuple[int, int] | None, ...]:
        """Size and time of change of what changes with the library: the index and its log."""
        index = self._settings.database
        found: list[tuple[int, int] | None] = []
        for path in (index, index.with_name(f"{index.name}-wal")):
            try:
                stat = path.stat()
                found.append((stat.st_size, stat.st_mtime_ns))
            except OSError:
                found.append(None)
        return tuple(found)
