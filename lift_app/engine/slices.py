"""Slices: the model at work for some seconds in a process of its own, as where a GPU is lent.

`lift_slice` and `answer_slice` run there. They get what can be pickled, begin from the files of the
library and leave their work in them: nothing in memory comes back, and the process may be gone at
any moment. The lift is the same job as ever (`LiftJob`), so slices end with the same adapter as one
run. Who gives the seconds, and who asks for the next slice, is for `engine.sliced_access`.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lift_app.answering.question import Question
from lift_app.engine.desk import LibraryDesk
from lift_app.errors import LiftError, ModelUnavailable, NotFound
from lift_app.library import Library, effects
from lift_app.models.device import choose_device
from lift_app.models.progress import ProgressCallback, ignore_progress
from lift_app.models.provision import ensure_model
from lift_app.settings import Settings

if TYPE_CHECKING:
    from lift_app.answering.answer import Answer
    from lift_app.models.base_model import BaseModel
    from lift_app.models.device import Choice
    from lift_app.models.lora import AdapterHost

SHARE = 0.75
"""Of a slice that a lift trains for; the rest is for its last step and the checkpoint."""
SLOT = "answer"
NEEDED = ("peft", "lift_app.engine.lift_job", "lift_app.answering.answerer")
"""What is imported before the processes are forked, so that no GPU waits for it."""

_base: tuple[str, BaseModel] | None = None
"""The model and its name, loaded before the processes are forked, which then share its memory."""
_host: tuple[int, str, AdapterHost] | None = None
"""This process and the name of its model, on the GPU. A process may get a second slice."""


@dataclass(frozen=True)
class StopFile:
    """A flag that two processes see: a file that is there or not."""

    path: Path

    def set(self) -> None:
        """Ask to stop. Fine if somebody else has, or just does."""
        effects.make_folder(self.path.parent)
        with suppress(FileExistsError):
            effects.write_file(self.path, [])

    def is_set(self) -> bool:
        """Whether it was asked."""
        return self.path.exists()

    def clear(self) -> None:
        """Forget it."""
        effects.remove(self.path)


def make_ready(settings: Settings, progress: ProgressCallback = ignore_progress) -> Choice:
    """Fetch the model and load it into this process, for those that are forked from it.

    On the CPU: a GPU is only lent to them. They copy the weights there.

    Returns:
        Where and how they will compute.

    Raises:
        ModelUnavailable: it cannot be had, or is too large for the GPU without 4-bit weights.
    """
    global _base
    from lift_app.models.base_model import BaseModel

    for name in NEEDED:
        import_module(name)
    folder = ensure_model(settings.model, settings, progress)
    choice = choose_device(settings, folder.parameters)
    if choice.quantisation:
        raise ModelUnavailable(
            f"{folder.name} fits on this GPU with 4-bit weights only, which cannot be handed from "
            "process to process. Choose a smaller model."
        )
    if _base is None or _base[0] != settings.model:
        _base = (settings.model, BaseModel.load(folder, replace(choice, device="cpu"), settings))
    return choice


def lift_slice(
    settings: Settings, owner: str, job_id: str, seconds: float
) -> Iterator[dict[str, Any]]:
    """Go on with a job from its checkpoint until three quarters of the time are over.

    It makes one step at least. A check after the last step that does not end in time begins again
    in the next slice, which then has nothing else to do. What is wanted of the job is obeyed as
    ever. If it is not at its end when the time is over, or when nobody listens any more, what was
    learned is in its checkpoint.

    Args:
        settings: name the home.
        owner: whose job it is.
        job_id: a job that is running, and that nobody else works on.
        seconds: that this process has the GPU for.

    Yields:
        `step`, after each turn; last, `checkpoint` (its folder) where there is one to go on from.
        A lift that failed is `failed` in the job table, with the reason.
    """
    until = time.monotonic() + SHARE * seconds
    from lift_app.engine.lift_job import LiftJob

    with Library.open(settings, snapshots=False) as opened:  # no GPU waits for one
        library = opened.for_owner(owner)
        try:
            job = library.jobs.get(job_id)
            desk = LibraryDesk(library, job)
            lift = LiftJob(desk, settings, _host_of(settings), job)
            turns = lift.turns()
            first: int | None = None
            between = False
            try:
                while next(turns, lift) is not lift:
                    between = True
                    step = lift.trainer.step_done if lift.trainer else None
                    first = step if first is None else first
                    yield {"step": step}
                    if step != first and time.monotonic() >= until:
                        break
                    between = False
                else:
                    return
            finally:  # never of a turn that failed: it may have changed half of the weights
                if between and _keeps(library, job_id):
                    lift.save_checkpoint()
            yield {"checkpoint": str(lift.checkpoint_folder)}
        except Exception as error:
            with suppress(NotFound):  # its book was deleted
                library.jobs.set_state(job_id, "failed", _told("Nothing can be learned", error))


def answer_slice(
    settings: Settings,
    owner: str,
    book_id: str,
    key: str | None,
    question: Question,
    stop: StopFile,
) -> Iterator[dict[str, Any]]:
    """Answer a question.

    Args:
        settings: name the home.
        owner: whose book it is.
        book_id: the book.
        key: of its adapter; None for arms without one.
        question: with its arm, and the strength of the adapter.
        stop: ends the answer early.

    Yields:
        `{"text": piece}` while it is written, then `{"answer": {...}}`; or `{"error": {...}}`, for
        only values come back from here.
    """
    pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    done: Future[Answer] = Future()
    gone = threading.Event()

    def answer() -> Answer:
        from lift_app.answering.answerer import Answerer
        from lift_app.answering.voice import OwnVoice

        with Library.open(settings, snapshots=False) as opened:  # no GPU waits for one
            library, host = opened.for_owner(owner), _host_of(settings)
            if key is not None:
                library.adapters.verify(key)
                host.load(SLOT, library.adapters.folder(key))
            return Answerer(library, OwnVoice(host), settings).answer(
                library.books.get(book_id),
                question,
                slot=None if key is None else SLOT,
                adapter_key=key,
                on_text=pieces.put,
                stop=_Either(stop, gone),
            )

    def work() -> None:
        try:
            done.set_result(answer())
        except BaseException as error:
            done.set_exception(error)
        pieces.put(None)

    thread = threading.Thread(target=work, name="answer", daemon=True)
    thread.start()
    try:
        while (piece := pieces.get()) is not None:
            yield {"text": piece}
        yield {"answer": done.result().to_json()}
    except Exception as error:
        yield _told("This could not be answered", error).packed()
    finally:
        gone.set()  # a listener that goes away ends the answer
        thread.join()


def _told(what: str, error: Exception) -> LiftError:
    """An error of the work itself: whoever lends the GPU has no part in it."""
    from lift_app.engine.engine import unexpected

    return error if isinstance(error, LiftError) else unexpected(what, error)


def _keeps(library: Library, job_id: str) -> bool:
    """Whether what was learned of a job is wanted: not once it has ended or is to be cancelled."""
    try:
        job = library.jobs.get(job_id)
    except NotFound:
        return False
    return job.state == "running" and job.wanted != "cancel"


def _host_of(settings: Settings) -> AdapterHost:
    """The model of this process on its device, from what was loaded before the fork."""
    global _host
    if _host is not None and _host[:2] == (os.getpid(), settings.model):
        return _host[2]
    from lift_app.models.lora import AdapterHost

    choice = make_ready(settings)
    assert _base is not None
    host = AdapterHost(_base[1].moved(choice))
    _host = (os.getpid(), settings.model, host)
    return host


class _Either:
    """Set when either of two flags is set."""

    def __init__(self, first: StopFile, second: threading.Event) -> None:
        self._flags = (first, second)

    def is_set(self) -> bool:
        return any(flag.is_set() for flag in self._flags)
