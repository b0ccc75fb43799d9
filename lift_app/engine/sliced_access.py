"""SlicedAccess: the way to a model whose GPU is lent for some seconds at a time, as on ZeroGPU.

There is no engine: each slice is work of whoever asked for it, on their own thread, because their
quota pays for it. So a lift goes on as long as somebody listens to `learn`, and is paused when
nobody does. Knows no Space: whatever lends a GPU is given to it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any
from uuid import uuid4

from lift_app.engine.access import Access, noticed, resolve_arm
from lift_app.engine.engine import ModelState
from lift_app.engine.slices import StopFile, answer_slice, lift_slice, make_ready
from lift_app.errors import Busy, LiftError, NotFound
from lift_app.library import Library, effects
from lift_app.library.forking import watch_forks
from lift_app.models.progress import ModelProgress
from lift_app.settings import Settings

Gpu = Callable[..., Callable[[Callable[..., Any]], Callable[..., Any]]]
"""A decorator, as `spaces.GPU`: `gpu(duration=seconds)(function)` runs it where a GPU is, in a
process that may be forked for it. Arguments and results are pickled."""

ANSWER_SECONDS = 30
"""Longest answer; a short slice comes sooner out of the queue."""
LEAVING_SECONDS = 10
"""Longest that whoever leaves a job is waited for: a slice that ends gives its GPU back."""
LOOK_SECONDS = 0.1
"""Between two looks whether it has been taken up after all."""

log = logging.getLogger(__name__)


class SlicedAccess(Access):
    """This process's way to the model of one library, where a GPU is lent in slices.

    Args:
        library: whose jobs and adapters are used.
        settings: name the home, and the length of a slice.
        gpu: lends the GPU.

    Raises:
        Busy: another process has the library's model.
    """

    def __init__(self, library: Library, settings: Settings, gpu: Gpu) -> None:
        super().__init__(library, settings, preload=False)
        if not self._lock.acquire():
            raise Busy("Another LIFT Reader on this machine has the model. Close it first.")
        watch_forks()
        self._lift = gpu(duration=settings.slice_seconds)(lift_slice)
        self._answer = gpu(duration=ANSWER_SECONDS)(answer_slice)
        self._left = threading.Condition()
        self._driven: set[str] = set()
        self._state = ModelState("absent", "The model is loaded at the start.")
        self._stop_files = settings.home / "stops"
        library.jobs.rest()
        library.sweep()
        effects.remove(self._stop_files)  # of those who stopped an answer that had just ended

    @property
    def in_slices(self) -> bool:
        """True: see `learn`."""
        return True

    def model_state(self, *, wanted: bool) -> ModelState:
        """What the model is doing."""
        return self._state

    def make_ready(self) -> None:
        """Load the model, for the processes that are forked from this one.

        What keeps it from being loaded is told by `model_state`, and again with each slice.
        """

        def progress(event: ModelProgress) -> None:
            self._state = ModelState("preparing", event.message, event.fraction)

        try:
            choice = make_ready(self._settings, progress)
        except LiftError as error:
            log.warning("%s", error)
            self._state = ModelState("failed", str(error))
            return
        self._state = ModelState(
            "ready",
            "The model is ready.",
            device=choice.device,
            precision=choice.label,
            reason=choice.reason,
        )

    def own(self, *, lifting: bool) -> None:
        """No engine runs here."""

    def learn(self, owner: str, job_id: str) -> Iterator[None]:
        """Learn in slices until the job ends. Whoever stops listening pauses it.

        A slice that dies is taken up again from its checkpoint, as long as that gets on.

        Yields:
            After each of its turns.

        Raises:
            Busy: somebody is listening to it already.
            LiftError: no GPU could be had (code `no_gpu`), or none of the work that a slice began
                was done when it died (`slice_too_short`); the job is then paused.
        """
        library = self._library.for_owner(owner)
        with self._driving(library, job_id):
            library.jobs.request(job_id, "run")
            try:
                while self._may_run(library, job_id):
                    before, began = self._mark(job_id), False
                    trouble: Exception = LiftError("it ended at once")
                    try:
                        with closing(self._slice(owner, job_id)) as turns:
                            for _ in turns:
                                began = True
                                yield
                    except Exception as error:  # of whatever lends the GPU
                        trouble = error
                    job = library.jobs.get(job_id)  # one that is to stop need not get on
                    goes_on = (job.state, job.wanted) == ("running", "run")
                    if goes_on and self._mark(job_id) == before:
                        raise self._stuck(trouble, began=began) from trouble
            finally:
                with suppress(NotFound):  # its book was deleted
                    _rest(library, job_id)

    def _slice(self, owner: str, job_id: str) -> Generator[dict[str, Any]]:
        seconds = self._settings.slice_seconds
        turns: Generator[dict[str, Any]] = self._lift(self._settings, owner, job_id, seconds)
        return turns

    def _may_run(self, library: Library, job_id: str) -> bool:
        """Take the job up for a slice; False where it has ended, or is to."""
        job = library.jobs.settle(job_id)
        if job.state == "queued" and job.wanted == "run":
            job = library.jobs.set_state(job_id, "running")
        return job.state == "running"

    def _mark(self, job_id: str) -> Any:
        from lift_app.lifting.checkpoint import checkpoint_mark

        return checkpoint_mark(self._settings.checkpoints / job_id)

    def _stuck(self, trouble: Exception, *, began: bool) -> LiftError:
        """What to tell of a slice that left nothing new.

        Whatever lends the GPU kills a slice that is too short like one that it takes away; so it
        goes by whether the slice had a GPU.
        """
        if began:
            return LiftError(
                f"A turn on the GPU takes {self._settings.slice_seconds} seconds at most here, "
                "which is too short for this book. It is paused; choose a quicker recipe or a "
                "shorter book.",
                code="slice_too_short",
            )
        return _no_gpu(trouble, "The lift is paused and keeps what it has learned")

    def ask(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """As `Access.ask`, in a slice of its own; with adapters that stand on the shelf."""
        library, row = self._library.for_owner(arguments["owner"]), self._row(arguments)
        arm, key = resolve_arm(self._keys(arguments), arguments["arm"], row)
        question = self._question(arguments, arm, key)
        stop = StopFile(self._stop_files / uuid4().hex)
        self._stops[stop] = library.owner
        try:
            answers = self._answer(self._settings, library.owner, row.id, key, question, stop)
            with closing(answers):
                for event in noticed(answers, self._left_out(arguments, question)):
                    if "error" in event:
                        raise LiftError.unpacked(event)
                    yield event
        except LiftError:
            raise
        except Exception as error:  # of whatever lends the GPU
            raise _no_gpu(error, "Nothing was answered") from error
        finally:
            self._stops.pop(stop, None)
            stop.clear()

    @contextmanager
    def _driving(self, library: Library, job_id: str) -> Iterator[None]:
        """Be the only one who drives a job.

        Whoever has a job that is not running is leaving it, or about to take it up. The former is
        waited for: it would not go on with a job that is queued anew meanwhile.
        """
        until = time.monotonic() + LEAVING_SECONDS
        with self._left:
            while job_id in self._driven:
                if library.jobs.get(job_id).state == "running" or time.monotonic() > until:
                    raise Busy("This book is being learned in another window of yours already.")
                self._left.wait(LOOK_SECONDS)
            self._driven.add(job_id)
        try:
            yield
        finally:
            with self._left:
                self._driven.discard(job_id)
                self._left.notify_all()


def _rest(library: Library, job_id: str) -> None:
    """Let a job that its driver leaves running be what is wanted of it, and paused at least.

    One that is queued was asked for anew meanwhile, and belongs to whoever did that.
    Nobody else would drop the checkpoint of one that is cancelled: whoever asked for it saw the job
    run, and no slice is at work.
    """
    job = library.jobs.get(job_id)
    if (job.state, job.wanted) == ("running", "run"):
        library.jobs.request(job_id, "pause")
    if library.jobs.settle(job_id).state == "cancelled":
        library.jobs.sweep()


def _no_gpu(error: Exception, kept: str) -> LiftError:
    said = getattr(error, "message", None) or error
    return LiftError(
        f"No GPU could be had, or it was taken away: {said}. {kept}; try again later.",
        code="no_gpu",
    )
