"""Desk: what a lift needs of the place where it is done.

A book to learn, somebody to tell how it goes and to ask whether to go on, and a place for the
adapter. On a reader's own machine that is the library; on a machine that has none, something
smaller (`lift_app.cluster`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from lift_app.library import Job, Library
from lift_app.lifting.estimate import Calibration
from lift_app.reading.book import Book


class Desk(Protocol):
    """Where one lift is done."""

    @property
    def calibration(self) -> Calibration:
        """Where measured speeds are kept."""

    def book(self) -> Book:
        """The book to be learned. Raises NotFound, as when it was deleted."""

    def is_shelved(self) -> bool:
        """Whether the adapter is there already."""

    def record(self, event: dict[str, Any]) -> None:
        """Keep an event of the lift."""

    def wanted(self) -> str:
        """What the reader wants of the lift now: `run`, `pause` or `cancel`."""

    def settle(self) -> str:
        """Let the lift become what is wanted of it; return its state then."""

    def stage(self) -> Path:
        """An empty folder to write the adapter into. Raises LiftError: it cannot be made."""

    def publish(self, staged: Path, summary: dict[str, Any]) -> None:
        """Take the adapter. `staged` is gone afterwards, whatever happens. Raises LiftError."""

    def finish(self) -> None:
        """Note that the lift is done."""


class LibraryDesk:
    """The desk of a lift whose job, book and shelf are in a library."""

    def __init__(self, library: Library, job: Job) -> None:
        self._library = library.for_owner(job.owner)
        self._job = job

    @property
    def calibration(self) -> Calibration:
        """The library's own."""
        return self._library.calibration

    def book(self) -> Book:
        """From the library."""
        return self._library.books.load(self._job.book_id)

    def is_shelved(self) -> bool:
        """Whether the owner has an adapter of that key."""
        return self._library.adapters.find(self._job.key) is not None

    def record(self, event: dict[str, Any]) -> None:
        """To the job's row, where every window finds it."""
        self._library.jobs.event(self._job.id, event)

    def wanted(self) -> str:
        """As the row has it."""
        return self._library.jobs.get(self._job.id).wanted

    def settle(self) -> str:
        """In one transaction."""
        return self._library.jobs.settle(self._job.id).state

    def stage(self) -> Path:
        """A folder beside the shelf."""
        return self._library.adapters.staging_folder(self._job.key)

    def publish(self, staged: Path, summary: dict[str, Any]) -> None:
        """On the shelf."""
        self._library.adapters.publish(
            self._job.key,
            staged,
            book_id=self._job.book_id,
            model=self._job.model,
            recipe=self._job.recipe,
            summary=summary,
        )

    def finish(self) -> None:
        """The job is done."""
        self._library.jobs.set_state(self._job.id, "done")
