"""Fleet: lifts every book of a library on a pool of workers, and keeps the account in the library.

It is the only writer. Each lift has a row among the jobs, so every window shows it and can cancel
it; each adapter is checked and published as one that was made here. It holds the library's lock
meanwhile: no other process lifts its books, and questions are answered by this one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from lift_app.cluster.assignment import Assignment, Plan
from lift_app.cluster.worker import Event
from lift_app.errors import LiftError, NotFound
from lift_app.library import BookRow, Job, effects
from lift_app.reader import Reader

WAIT_SECONDS = 1.0
"""How soon a reader who pauses or cancels a lift in another window is obeyed."""


class Pool(Protocol):
    """Workers that lift books; see `ray_pool.RayPool`."""

    @property
    def is_full(self) -> bool:
        """Whether no more lifts should be given out now."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is out."""

    def start(self, assignment: Assignment) -> None:
        """Give a lift out."""

    def cancel(self, key: str) -> None:
        """End a lift that is out."""

    def events(self, seconds: float) -> Iterator[tuple[str, Event]]:
        """(key, event) of the lifts that are out, after `seconds` at most."""


@dataclass
class _Out:
    """A lift that a worker has."""

    row: BookRow
    job: Job


class Fleet:
    """The lifts of many books.

    Args:
        reader: whose shelf it is.
        pool: who lifts.
        plan: how.

    Raises:
        Busy: another process lifts this library's books.
    """

    def __init__(self, reader: Reader, pool: Pool, plan: Plan) -> None:
        self._library = reader.library
        self._settings = reader.settings
        self._pool = pool
        self._plan = plan
        self._out: dict[str, _Out] = {}
        reader.engine(lifting=False)

    def lift(self, rows: Sequence[BookRow]) -> Iterator[Event]:
        """Lift books. If the caller stops listening, those under way are paused.

        Yields:
            Events as of a lift with `book` and `title`. The last one of a book has stage `done`
            (with `adapter`, and `cached` if it was on the shelf), or `failed` with `error`.
        """
        waiting = deque(rows)
        try:
            while waiting or not self._pool.is_idle:
                for _ in range(len(waiting)):
                    if self._pool.is_full:
                        break
                    row = waiting.popleft()
                    event = self._begin(row)
                    if event is None:  # the same text under the same title is under way
                        waiting.append(row)
                    else:
                        yield _of(row, event)
                for key, event in self._pool.events(WAIT_SECONDS):
                    row = self._out[key].row
                    yield _of(row, self._heard(key, event))
                yield from self._obey()
        finally:
            self._pause()

    def _begin(self, row: BookRow) -> Event | None:
        """Give a book out; None if it has to wait for another one of the same key."""
        try:
            key = self._plan.key(row, self._settings)
            if key in self._out:
                return None
            if self._library.adapters.find(key) is not None:
                return {"stage": "done", "adapter": key, "cached": True}
            assignment = Assignment.of(self._library, row, self._plan, self._settings)
            job = self._library.jobs.create(row.id, key, assignment.model, assignment.recipe)
            if job.wanted != "run":
                job = self._library.jobs.request(job.id, "run")
            job = self._library.jobs.set_state(job.id, "running")
        except LiftError as error:
            return {"stage": "failed", **error.as_json()}
        self._out[key] = _Out(row, job)
        self._pool.start(assignment)
        return {"stage": "queued", "step": 0, "steps": 0}

    def _heard(self, key: str, event: Event) -> Event:
        """Write down what a worker said; return what is said of it here."""
        out = self._out[key]
        try:
            if event["stage"] == "made":
                event = self._publish(out, event)
            elif event["stage"] == "failed":
                raise LiftError(event["error"]["message"], code=event["error"]["code"])
            else:
                self._library.jobs.event(out.job.id, event)
                return event
        except LiftError as error:
            self._pool.cancel(key)  # if the book is gone, nobody waits for it
            with suppress(NotFound):
                self._library.jobs.set_state(out.job.id, "failed", error)
            event = {"stage": "failed", **error.as_json()}
        del self._out[key]
        return event

    def _publish(self, out: _Out, made: Event) -> Event:
        key, job = out.job.key, out.job
        staged = self._library.adapters.staging_folder(key)
        try:
            made["crate"].unpack(staged)
        except BaseException:
            effects.remove(staged)
            raise
        self._library.adapters.publish(
            key,
            staged,
            book_id=job.book_id,
            model=job.model,
            recipe=job.recipe,
            summary=made["summary"],
        )
        steps = made["summary"]["steps"]
        event = {"stage": "done", "step": steps, "steps": steps, "adapter": key}
        self._library.jobs.event(job.id, event)
        self._library.jobs.set_state(job.id, "done")
        return event

    def _obey(self) -> Iterator[Event]:
        """End the lifts that a reader has paused or cancelled meanwhile."""
        for key, out in list(self._out.items()):
            try:
                if self._library.jobs.get(out.job.id).wanted == "run":
                    continue
                state = self._library.jobs.settle(out.job.id).state
            except NotFound:
                state = "cancelled"  # with its book
            self._pool.cancel(key)
            del self._out[key]
            error = LiftError(f"The lift was {state}.", code=state)
            yield _of(out.row, {"stage": "failed", **error.as_json()})

    def _pause(self) -> None:
        """Whoever asks for these lifts again goes on with them; nobody does it unasked."""
        for key, out in self._out.items():
            self._pool.cancel(key)
            with suppress(LiftError):
                self._library.jobs.request(out.job.id, "pause")
                self._library.jobs.settle(out.job.id)
        self._out.clear()


def _of(row: BookRow, event: Event) -> Event:
    return {"book": row.id, "title": row.title, **event}
