"""Lifts: jobs as a reader asks for them, follows them and ends them, in whichever process they run.

Works through the job table and the access to the model; knows nothing of how a book is learned.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from lift_app.engine.access import Access
from lift_app.engine.status import job_status
from lift_app.errors import CallerError, LiftError, NotFound, Stopped
from lift_app.library import BookRow, Job, Library
from lift_app.lifting.key import adapter_key
from lift_app.lifting.recipe import Recipe
from lift_app.models.device import choose_device
from lift_app.models.identity import ModelFolder
from lift_app.settings import Settings

POLL_SECONDS = 0.1
ENDED = ("done", "failed", "cancelled", "paused")
"""States in which nobody works on a job."""


def key_of(row: BookRow, recipe: Recipe, folder: ModelFolder, settings: Settings) -> str:
    """The key that a lift of a book has on this machine. Needs no torch."""
    return adapter_key(
        owner=row.owner,
        text_sha256=row.text_sha256,
        title=row.title,
        weights_sha256=folder.weights_sha256,
        quantisation=choose_device(settings, folder.parameters).quantisation,
        recipe=recipe,
        start=folder.start_sha256 or None,
    )


class Lifts:
    """The lifts of one library."""

    def __init__(self, library: Library, settings: Settings, access: Access) -> None:
        self._library = library
        self._settings = settings
        self._access = access

    def start(
        self, row: BookRow, recipe: Recipe, *, model: str, folder: ModelFolder
    ) -> dict[str, Any]:
        """Queue a lift, unless its result stands on the shelf. Needs no torch.

        Returns:
            The status of the job; or `{"stage": "done", "adapter", "cached"}`.
        """
        key = key_of(row, recipe, folder, self._settings)
        if self._library.adapters.find(key) is not None:
            return {"stage": "done", "adapter": key, "cached": True}
        job = self._library.jobs.create(row.id, key, model, recipe.to_json())
        if job.wanted != "run":
            self._library.jobs.request(job.id, "run")
        self._access.own(lifting=True)
        self._access.wake()
        return self.status(job.id)

    def follow(self, job_id: str, *, seen: int) -> Iterator[dict[str, Any]]:
        """The progress of a job after event number `seen`; the last one has stage `done`.

        Takes the model over if the process that was lifting dies.

        Raises:
            LiftError: the lift failed, or the library cannot be written (the lift goes on once it
                can).
            Stopped: it was paused or cancelled.
        """
        last: dict[str, Any] = {}
        while True:
            job = self._library.jobs.get(job_id)
            for number, event in self._library.jobs.events(job_id, after=seen):
                seen, last = number, event
                yield event
            if job.state in ENDED:
                break
            self._wait(lifting=True)
        if job.state == "failed":
            raise LiftError(job.error_message or "The lift failed.", code=job.error_code)
        if job.state != "done":
            raise Stopped(f"The lift was {job.state}.", code=job.state)
        if last.get("stage") != "done":
            yield {"stage": "done", "adapter": job.key}

    def status(self, ref: str) -> dict[str, Any]:
        """Where a lift stands; `ref` is a job, or a book whose newest lift is meant."""
        return job_status(self._library, self._find(ref))

    def all(self) -> list[dict[str, Any]]:
        """Status of every lift, newest first."""
        return [job_status(self._library, job) for job in self._library.jobs.list()]

    def newest(self, book_id: str) -> Job | None:
        """The newest lift of a book."""
        jobs = self._library.jobs.list(book_id=book_id)
        return jobs[0] if jobs else None

    def request(self, ref: str, wanted: str) -> dict[str, Any]:
        """Ask a lift to `run`, `pause` or `cancel`; a running one follows after its step."""
        job = self._library.jobs.request(self._find(ref).id, wanted)
        self._access.wake()
        if job.state == "cancelled":  # nobody was at it, so nobody else drops its checkpoint
            self._library.jobs.sweep()
        return self.status(job.id)

    def end_all(self, book_id: str) -> None:
        """Cancel every unfinished lift of a book and wait until nobody works on it."""
        for job in self._library.jobs.list(unfinished=True, book_id=book_id):
            try:
                self.request(job.id, "cancel")
            except CallerError:
                continue  # it has just finished
            while self._library.jobs.get(job.id).state not in ENDED:
                # Without an owner nobody would follow; a new one settles what was left.
                self._wait(lifting=False)

    def forget(self, book_id: str) -> list[str]:
        """End every lift of a book and delete what was learned of it; gives the adapters' keys."""
        self.end_all(book_id)
        keys = [adapter.key for adapter in self._library.adapters.for_book(book_id)]
        for key in keys:
            self._library.adapters.delete(key)
        return keys

    def _wait(self, *, lifting: bool) -> None:
        """Give the engine a moment. Raises what keeps it from working, if it is here."""
        engine = self._access.own(lifting=lifting)
        if engine is not None and engine.trouble is not None:
            raise engine.trouble
        time.sleep(POLL_SECONDS)

    def _find(self, ref: str) -> Job:
        try:
            return self._library.jobs.find(ref)
        except NotFound:
            row = self._library.books.find(ref)
        job = self.newest(row.id)
        if job is None:
            raise NotFound(f"{row.title} has never been learned: there is no lift of it.")
        return job
