"""Access: a process's way to the model, its own engine or the one of the process that owns it.

Owns the home lock, the engine and the hand-off of this process. A question is answered here if
this process has the model, and handed to the owner otherwise; lifts need only the job table.
Importing this module is cheap: torch comes in with the engine's thread.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

from lift_app.answering.question import ADAPTER_ARMS, ARMS, Question
from lift_app.engine.lock import HomeLock, Owner
from lift_app.errors import Busy, CallerError
from lift_app.library import BookRow, Library
from lift_app.settings import Settings

if TYPE_CHECKING:
    from lift_app.answering.answer import Answer
    from lift_app.engine.engine import Engine, ModelState
    from lift_app.engine.hand_off import HandOff
    from lift_app.engine.sliced_access import Gpu


class Stop(Protocol):
    """Ends an answer."""

    def set(self) -> None:
        """Do so."""


class Access:
    """This process's way to the model of one library.

    Args:
        library: whose jobs and adapters are used.
        settings: names the home.
        preload: load the model as soon as this process owns it.
    """

    def __init__(self, library: Library, settings: Settings, *, preload: bool) -> None:
        self._library = library
        self._settings = settings
        self._preload = preload
        self._guard = threading.RLock()
        self._lock = HomeLock(settings.home)
        self._engine: Engine | None = None
        self._hand_off: HandOff | None = None
        self._stops: dict[Stop, str] = {}

    @property
    def engine(self) -> Engine | None:
        """The engine of this process, if it has started one."""
        return self._engine

    @property
    def in_slices(self) -> bool:
        """Whether lifts go on only while somebody listens (`SlicedAccess`)."""
        return False

    def model_state(self, *, wanted: bool) -> ModelState | None:
        """What the model of this process is doing; None where another process has it.

        Args:
            wanted: take it over where it is nobody's.
        """
        engine = self.own(lifting=True) if wanted else self._engine
        return None if engine is None else engine.model_state

    def learn(self, owner: str, job_id: str) -> Iterator[None]:
        """Only where a GPU is lent in slices: elsewhere the engine learns by itself."""
        raise NotImplementedError

    def own(self, *, lifting: bool) -> Engine | None:
        """The engine of this process, started if no other process owns the model; else None.

        Args:
            lifting: also run lifts; a process that only asks leaves them to one that stays.
        """
        with self._guard:
            if self._engine is None:
                if not self._lock.acquire():
                    return None
                self._start()
            assert self._engine is not None
            if lifting:
                self._engine.take_jobs()
            return self._engine

    def ask(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Answer a question, in this process or in the one that owns the model.

        Args:
            arguments: `owner`, `book` (id), `question`, `arm`, `evidence`, `strength`, `history`
                ([[question, answer], ...]), `model`.

        Yields:
            `{"text": piece}` while it is written, then `{"answer": {...}}`.

        Raises:
            LiftError: with a sentence for the reader.
        """
        if self.own(lifting=False) is not None:
            yield from self._ask_here(arguments)
            return
        from lift_app.engine.hand_off import ask_owner

        owner = self._lock.owner()
        if owner is None:
            raise Busy("Another LIFT Reader is just starting or ending. Try again in a moment.")
        yield from ask_owner(owner, arguments)

    def stop_answers(self, owner: str) -> None:
        """Cut the answers short that this process gives to an owner."""
        for stop, whose in list(self._stops.items()):
            if whose == owner:
                stop.set()

    def wake(self) -> None:
        """Let this process's engine, if there is one, look for work now."""
        if self._engine is not None:
            self._engine.wake()

    def close(self) -> None:
        """Checkpoint a running lift and let go of the model."""
        with self._guard:
            if self._hand_off is not None:
                self._hand_off.close()
            if self._engine is not None:
                self._engine.close()
            self._lock.release()
            self._engine = self._hand_off = None

    def _start(self) -> None:
        from lift_app.engine.engine import Engine
        from lift_app.engine.hand_off import HandOff

        engine = Engine(self._library, self._settings)
        hand_off = HandOff(self._ask_here)
        try:
            self._lock.publish(Owner.this_process(hand_off.port, hand_off.token))
            engine.start(preload=self._preload)
        except BaseException:
            hand_off.close()
            self._lock.release()
            raise
        self._engine, self._hand_off = engine, hand_off

    def _ask_here(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Answer with the engine of this process; also what the hand-off calls."""
        from lift_app.engine.engine import AnswerTurn

        engine = self._engine
        if engine is None:
            raise Busy("LIFT Reader is closing. Ask again after the next start.")
        library, row, key, question = self._asked(arguments, engine.is_lifting)
        pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        turn = AnswerTurn(
            owner=library.owner,
            book_id=row.id,
            key=key,
            question=question,
            model=arguments["model"],
            on_text=pieces.put,
        )
        self._stops[turn.stop] = library.owner
        try:
            done: Future[Answer] = engine.ask(turn)
            done.add_done_callback(lambda _: pieces.put(None))
            while (piece := pieces.get()) is not None:
                yield {"text": piece}
            yield {"answer": done.result().to_json()}
        finally:
            turn.stop.set()  # a listener that goes away ends the answer
            self._stops.pop(turn.stop, None)

    def _asked(
        self, arguments: dict[str, Any], is_lifting: Callable[[str], bool]
    ) -> tuple[Library, BookRow, str | None, Question]:
        """What is asked: the owner's library, the book, the key of its adapter, the question."""
        library = self._library.for_owner(arguments["owner"])
        row = library.books.get(arguments["book"])
        arm, key = _resolve_arm(is_lifting, library, row, arguments["arm"], arguments["model"])
        question = Question(
            text=arguments["question"],
            arm=arm,
            evidence=arguments["evidence"],
            strength=self._strength(library, key, arguments["strength"], arguments["evidence"]),
            history=tuple((asked, said) for asked, said in arguments["history"]),
            max_tokens=self._settings.answer_tokens,
        )
        return library, row, key, question

    def _strength(
        self, library: Library, key: str | None, wanted: float | None, evidence: bool
    ) -> float:
        """The strength that is wanted; else the setting, held down by the adapter's guard."""
        if wanted is not None:
            return wanted
        default = self._settings.default_strength(evidence=evidence)
        row = None if key is None else library.adapters.find(key)
        return default if row is None else row.strength(default)


def _resolve_arm(
    is_lifting: Callable[[str], bool], library: Library, row: BookRow, arm: str | None, model: str
) -> tuple[str, str | None]:
    """The arm and the key of the adapter it needs: the newest one, or the one being made."""
    if arm is not None and arm not in ARMS:
        raise CallerError(f"There is no arm {arm!r}. Choose one of: {', '.join(ARMS)}.")
    if arm is not None and arm not in ADAPTER_ARMS:
        return arm, None
    shelved = library.adapters.for_book(row.id, model)
    unfinished = library.jobs.list(unfinished=True, book_id=row.id)
    lifting = [job.key for job in unfinished if is_lifting(job.key)]
    keys = [adapter.key for adapter in shelved] + lifting
    if keys:
        return arm or "LIFT+ICL", keys[0]
    if arm is None:
        return "ICL", None
    raise CallerError(
        f"{row.title} has not been learned yet, so it cannot be asked with {arm}. "
        "Learn it first (`lift tune`), or ask with the arm ICL.",
        code="no_adapter",
    )


def open_access(
    library: Library, settings: Settings, *, preload: bool, gpu: Gpu | None = None
) -> Access:
    """The way to the model that fits.

    Args:
        library: whose jobs and adapters are used.
        settings: name the home.
        preload: load the model as soon as this process owns it.
        gpu: lends a GPU in slices; the model is then loaded at once.
    """
    if gpu is None:
        return Access(library, settings, preload=preload)
    from lift_app.engine.sliced_access import SlicedAccess

    access = SlicedAccess(library, settings, gpu)
    access.make_ready()
    return access
