"""TravelDesk: the desk of a lift on a machine that has no library.

The book is in the worker's hand, events wait until they are sent, and the adapter becomes a
crate. Nothing stays on the disk but the checkpoint, and that only until the lift is done.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lift_app.cluster.crate import Crate
from lift_app.library import effects, folders
from lift_app.lifting.estimate import Calibration
from lift_app.reading.book import Book

STAGED = "adapter"


class TravelDesk:
    """What a worker's lift needs, for one book.

    Args:
        book: to be learned.
        folder: of the lift on this machine, where its checkpoint is.
    """

    def __init__(self, book: Book, folder: Path) -> None:
        self.crate: Crate | None = None
        self.summary: dict[str, Any] = {}
        self._book = book
        self._folder = folder
        self._events: list[dict[str, Any]] = []

    def events(self) -> list[dict[str, Any]]:
        """What was recorded since the last call."""
        events, self._events = self._events, []
        return events

    @property
    def calibration(self) -> Calibration:
        """Speeds of this machine are no measurements of the reader's, so none is kept."""
        return _NoCalibration()

    def book(self) -> Book:
        """The one that came with the assignment."""
        return self._book

    def is_shelved(self) -> bool:
        """No: the driver looks at the shelf before it asks."""
        return False

    def record(self, event: dict[str, Any]) -> None:
        """For the driver."""
        self._events.append(event)

    def wanted(self) -> str:
        """To go on: whoever wants it to end, cancels the task."""
        return "run"

    def settle(self) -> str:
        """It runs."""
        return "running"

    def stage(self) -> Path:
        """A folder beside the checkpoint, empty."""
        staged = self._folder / STAGED
        with folders.explained("The adapter could not be written"):
            effects.remove(staged)  # of a try that was killed while it wrote
            effects.make_folder(staged)
        return staged

    def publish(self, staged: Path, summary: dict[str, Any]) -> None:
        """Pack the adapter."""
        try:
            with folders.explained("The adapter could not be read back"):
                self.crate, self.summary = Crate.of(staged), summary
        finally:
            effects.remove(staged)

    def finish(self) -> None:
        """The driver notes it, once the adapter is on the shelf."""


class _NoCalibration:
    def get(self, name: str) -> dict[str, float] | None:
        return None

    def set(self, name: str, value: dict[str, float]) -> None:
        pass
