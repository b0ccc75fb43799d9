"""Engine: one thread owns the model and runs small turns, a training step or an answer.

A question waits for at most one turn of a lift and its own generation. Jobs live in the library,
so the engine can be killed at any time: the next one picks up what is queued or was interrupted.
It knows nothing of windows, pages or commands.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from lift_app.errors import Busy, CallerError, LiftError, NotFound, Stopped
from lift_app.library import Library
from lift_app.settings import Settings

if TYPE_CHECKING:
    from lift_app.answering.answer import Answer
    from lift_app.answering.turn import AnswerTurn
    from lift_app.engine.lift_job import LiftJob
    from lift_app.models.lora import AdapterHost

IDLE_SECONDS = 0.3
"""How often an idle engine looks for jobs that other processes queued."""

LOADING_SECONDS = 10.0
"""How long closing waits for an engine that is still loading its model."""

PATIENCE_SECONDS = 5.0
"""How long the library may refuse to be written before those who wait are told."""

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class ModelState:
    """What the model is doing, in words for the reader."""

    state: str
    """`absent`, `preparing`, `loading`, `ready` or `failed`."""
    message: str
    progress: float | None = None
    """Share between 0 and 1 while something is being fetched or converted."""
    device: str | None = None
    precision: str | None = None
    reason: str | None = None
    """Why this device and precision."""


@dataclass(frozen=True)
class _Turn:
    """Work that waits for the model."""

    work: Callable[[AdapterHost], Any]
    model: str
    done: Future[Any]


class Engine:
    """The thread that owns the model. Start it once, close it before the process ends."""

    def __init__(self, library: Library, settings: Settings) -> None:
        self._library = library
        self._settings = settings
        self._waiting: queue.SimpleQueue[_Turn] = queue.SimpleQueue()
        self._awake = threading.Event()
        self._closing = threading.Event()
        self._preload = threading.Event()
        self._takes_jobs = threading.Event()
        self._host: AdapterHost | None = None
        self._host_model: str | None = None
        self._loaded: tuple[str, dict[str, str]] | None = None
        """Key and files of the adapter in the slot: another one may be made under the same key."""
        self._lift: LiftJob | None = None
        self._turns: Iterator[None] | None = None
        self._measuring: Iterator[None] | None = None
        self._failed: dict[str, LiftError] = {}
        self._trouble: tuple[float, LiftError] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lift-engine", daemon=True)
        self.model_state = ModelState("absent", "The model is loaded when it is first needed.")
        if settings.server:
            self.model_state = ModelState("ready", "A server answers; a lift loads the model here.")

    def start(self, *, preload: bool = False) -> None:
        """Start the thread.

        Args:
            preload: load the model now instead of when it is first needed.
        """
        # Whoever owns the model knows that no lift is running anywhere else.
        self._library.jobs.requeue_interrupted()
        if preload:
            self._preload.set()
        self._thread.start()

    def take_jobs(self) -> None:
        """Run lifts as well as answers.

        A process that only asks one question leaves them to one that stays.
        """
        if not self._takes_jobs.is_set():
            self._library.sweep()
            self._takes_jobs.set()
        self._awake.set()

    def close(self) -> None:
        """Write a checkpoint of the running lift and stop; a running answer is cut short."""
        self._closing.set()
        self._awake.set()
        if self._thread.is_alive():
            # Ctrl-C in the middle of an import leaves its lock taken, and the engine, importing
            # torch, would wait for it for ever. Without a model there is nothing to be kept.
            self._thread.join(LOADING_SECONDS if self._host is None else None)

    def wake(self) -> None:
        """Look for work now instead of at the next tick."""
        self._awake.set()

    def ask(self, turn: AnswerTurn) -> Future[Answer]:
        """Queue a question. The future gets the Answer or a LiftError."""
        return self.submit(lambda host: self._answer(host, turn), model=turn.model)

    def submit(self, work: Callable[[AdapterHost], T], *, model: str) -> Future[T]:
        """Queue work that needs the model for itself; it runs as one turn on the engine's thread.

        Raises:
            Busy: the engine is closing.
        """
        if self._closing.is_set():
            raise Busy("LIFT Reader is closing. Ask again after the next start.")
        done: Future[T] = Future()
        self._waiting.put(_Turn(work, model, done))
        if self._ended.is_set():  # the thread has ended meanwhile: nobody would come for it
            self._refuse_waiting()
        self._awake.set()
        return done

    @property
    def trouble(self) -> LiftError | None:
        """Why nothing could be done for `PATIENCE_SECONDS`, as when the disk is full."""
        if self._trouble is None or time.monotonic() - self._trouble[0] < PATIENCE_SECONDS:
            return None
        return self._trouble[1]

    def is_lifting(self, key: str) -> bool:
        """True while a lift of that key has learned at least one step."""
        lift = self._lift
        return lift is not None and lift.job.key == key and lift.can_answer

    # The thread. Everything below runs on it alone.

    def _run(self) -> None:
        try:
            if self._preload.is_set():
                self._try_to_preload()
            while not self._closing.is_set():
                if not self._take_turns():
                    self._awake.wait(IDLE_SECONDS)
                    self._awake.clear()
            if self._lift is not None:
                self._lift.save_checkpoint()
        except Exception:
            log.exception("The engine stopped")
        finally:
            self._ended.set()
            self._refuse_waiting()

    def _take_turns(self) -> bool:
        """One waiting turn and one of the lift; False if there was nothing to do, or no luck."""
        try:
            answered = self._waiting_turn()
            self._settle_failed()
            lifted = self._takes_jobs.is_set() and self._lift_turn()
            measured = not (answered or lifted) and self._measuring_turn()
        except Exception as error:  # the library cannot be written, say: keep the thread, try again
            if self._trouble is None:
                log.exception("A turn could not be taken")
                if not isinstance(error, LiftError):
                    error = unexpected("Nothing can be learned", error)
                self._trouble = (time.monotonic(), error)
            return False
        self._trouble = None
        return answered or lifted or measured

    def _refuse_waiting(self) -> None:
        while True:
            try:
                turn = self._waiting.get_nowait()
            except queue.Empty:
                return
            turn.done.set_exception(
                Stopped("LIFT Reader was closed before this question was answered.")
            )

    def _try_to_preload(self) -> None:
        try:
            self._host_for(self._settings.model)
        except LiftError:
            log.warning("%s", self.model_state.message)

    def _waiting_turn(self) -> bool:
        try:
            turn = self._waiting.get_nowait()
        except queue.Empty:
            return False
        try:
            turn.done.set_result(turn.work(self._host_for(turn.model)))
        except LiftError as error:
            turn.done.set_exception(error)
        except Exception as error:
            log.exception("A turn failed")
            turn.done.set_exception(self._failure("This could not be answered", error))
        return True

    def _answer(self, host: AdapterHost, turn: AnswerTurn) -> Answer:
        from lift_app.answering.answerer import Answerer
        from lift_app.answering.voice import OwnVoice

        library = self._library.for_owner(turn.owner)
        return Answerer(library, OwnVoice(host), self._settings).answer(
            library.books.get(turn.book_id),
            turn.question,
            slot=self.slot_for(host, turn.key, library),
            adapter_key=turn.key,
            on_text=turn.on_text,
            stop=_Either(turn.stop, self._closing),
        )

    def slot_for(
        self, host: AdapterHost, key: str | None, library: Library | None = None
    ) -> str | None:
        """The slot that holds the adapter `key`, loaded if need be. Only within a turn.

        Args:
            host: of the model.
            key: of the adapter.
            library: as the owner of the adapter sees it; the engine's own by default.

        Raises:
            CallerError: there is no such adapter, and no lift of it has learned anything yet.
        """
        from lift_app.engine.lift_job import SLOT

        if key is None:
            return None
        adapters = (library or self._library).adapters
        row = adapters.find(key)
        if row is None:
            if self.is_lifting(key):
                return SLOT
            raise CallerError(
                "This book has not been learned yet. Learn it first, or ask with the arm ICL.",
                code="no_adapter",
            )
        if self._loaded != (key, row.files):
            adapters.verify(key)
            self._loaded = None
            host.load("answer", adapters.folder(key))
            self._loaded = (key, row.files)
        return "answer"

    def _lift_turn(self) -> bool:
        if self._turns is None and not self._begin_lift():
            return False
        assert self._turns is not None and self._lift is not None
        job_id = self._lift.job.id
        try:
            if next(self._turns, self) is not self:
                return True
        except LiftError as error:
            self._failed[job_id] = error
        except Exception as error:
            log.exception("A lift failed")
            self._failed[job_id] = self._failure("The lift stopped", error)
        self._turns = self._lift = None
        return True

    def _measuring_turn(self) -> bool:
        """Measure this machine while nobody wants anything of a model that was loaded ahead."""
        if not self._preload.is_set() or self._host is None:
            return False
        if self._measuring is None:
            from lift_app.lifting.calibration import calibration_turns
            from lift_app.lifting.recipe import resolve_recipe

            recipe = resolve_recipe(self._settings.recipe, window=self._host.base.window)
            self._measuring = calibration_turns(self._host, self._library.calibration, recipe)
        return next(self._measuring, self) is not self

    def _begin_lift(self) -> bool:
        job = self._library.jobs.next_queued()
        if job is None:
            return False
        self._library.jobs.set_state(job.id, "running")
        try:
            self._library.jobs.event(job.id, {"stage": "loading", "step": 0, "steps": 0})
            host = self._host_for(job.model)
            from lift_app.engine.desk import LibraryDesk
            from lift_app.engine.lift_job import LiftJob

            desk = LibraryDesk(self._library, job)
            self._lift = LiftJob(desk, self._settings, host, job)
        except LiftError as error:
            self._failed[job.id] = error
            return False
        except Exception as error:  # or nobody would ever take up a job that says it is running
            log.exception("A lift could not begin")
            self._failed[job.id] = self._failure("The lift could not begin", error)
            return False
        self._turns = self._lift.turns()
        return True

    def _settle_failed(self) -> None:
        """Write down which lifts failed. What cannot be written now is tried again later."""
        for job_id, error in list(self._failed.items()):
            try:
                self._library.jobs.set_state(job_id, "failed", error)
            except NotFound:
                log.info("a lift failed whose book is gone")
            del self._failed[job_id]

    def _failure(self, what: str, error: Exception) -> LiftError:
        """The word about an unexpected error; where memory ran out, prefixes are given back."""
        from lift_app.lifting.room import is_out_of_memory

        if self._host is not None and is_out_of_memory(error):
            self._host.prefixes.clear()
        return unexpected(what, error)

    def _host_for(self, model: str) -> AdapterHost:
        """The base model `model`, prepared and loaded if need be.

        Raises:
            Busy: another model is in the middle of a lift.
            ModelUnavailable: it cannot be had.
        """
        if self._host is not None and self._host_model == model:
            return self._host
        if self._lift is not None:
            raise Busy(
                f"A book is being learned with the model {self._host_model}. "
                f"Wait for it, or pause it, before {model} is used."
            )
        self._host, self._host_model, self._loaded, self._measuring = None, None, None, None
        try:
            self._host = self._load(model)
        except LiftError as error:
            self.model_state = ModelState("failed", str(error))
            raise
        except Exception as error:
            failure = unexpected("The model could not be loaded", error)
            self.model_state = ModelState("failed", str(failure))
            raise failure from error
        self._host_model = model
        return self._host

    def _load(self, model: str) -> AdapterHost:
        from lift_app.models.device import choose_device
        from lift_app.models.progress import ModelProgress
        from lift_app.models.provision import ensure_model

        def progress(event: ModelProgress) -> None:
            if self._closing.is_set():
                raise Stopped("LIFT Reader was closed while the model was being fetched.")
            self.model_state = ModelState("preparing", event.message, event.fraction)

        folder = ensure_model(model, self._settings, progress)
        choice = choose_device(self._settings, folder.parameters)
        self.model_state = ModelState(
            "loading",
            "The model is being loaded.",
            device=choice.device,
            precision=choice.label,
            reason=choice.reason,
        )
        from lift_app.models.base_model import BaseModel
        from lift_app.models.lora import AdapterHost

        host = AdapterHost(BaseModel.load(folder, choice, self._settings))
        if self._closing.is_set():  # whoever closed it may not have waited: nothing is begun now
            raise Stopped("LIFT Reader was closed while the model was being loaded.")
        self.model_state = replace(self.model_state, state="ready", message="The model is ready.")
        return host


class _Either(threading.Event):
    """Set when either of two events is set."""

    def __init__(self, first: threading.Event, second: threading.Event) -> None:
        super().__init__()
        self._events = (first, second)

    def is_set(self) -> bool:
        return any(event.is_set() for event in self._events)


def unexpected(what: str, error: Exception) -> LiftError:
    """The word for a reader about an error that nobody foresaw, or about memory that ran out."""
    from lift_app.lifting.room import is_out_of_memory, release

    if is_out_of_memory(error):
        release(error)
        return LiftError(
            f"{what}: there is not enough memory for it. Nothing that was saved is lost. Close "
            "other programs that use it, or choose a smaller model or a quicker recipe.",
            code="out_of_memory",
        )
    return LiftError(
        f"{what} because of an unexpected error ({type(error).__name__}: {error}). "
        "Nothing that was saved is lost; `lift doctor` checks the library."
    )
