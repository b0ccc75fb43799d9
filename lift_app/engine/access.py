"""Access: a process's way to a model: a server, its own engine, or the process that owns it.

Owns the home lock, the engine, the hand-off and the exchange of this process. A question goes to
the server where one is named. Otherwise, or while that is away, it is answered here if this process
has the model, and handed to the owner if not; lifts need only the job table.
Importing this module is cheap: torch comes in with the engine's thread.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

from lift_app.answering.question import ADAPTER_ARMS, ARMS, Question
from lift_app.answering.turn import AnswerTurn
from lift_app.engine.lock import HomeLock, Owner
from lift_app.errors import Busy, CallerError, ServerAway
from lift_app.library import BookRow, Library
from lift_app.settings import Settings

if TYPE_CHECKING:
    from lift_app.answering.answer import Answer
    from lift_app.engine.engine import Engine, ModelState
    from lift_app.engine.hand_off import HandOff
    from lift_app.engine.sliced_access import Gpu
    from lift_app.serving.exchange import Exchange


LEFT_OUT = (
    "Answered without what was learned of the book: its guard found no strength at which other "
    "things are surely read as well. Set a strength to use it all the same, or learn the book "
    "another way."
)


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
        self._exchange: Exchange | None = None
        self._stops: dict[Stop, str] = {}
        self._handed_over: list[str] = []
        """For each answer that another process gives, the owner of the books."""

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
        """Learn while somebody listens, where a GPU is lent in slices.

        Elsewhere there is nothing to listen to: the engine learns by itself.
        """
        yield from ()

    @property
    def exchange(self) -> Exchange | None:
        """The exchange of this process; None where no server is named."""
        with self._guard:
            if self._exchange is None and self._settings.server:
                from lift_app.serving.exchange import Exchange

                self._exchange = Exchange(self._library, self._settings)
            return self._exchange

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
        """Answer a question: by the server, in this process, or in the one that owns the model.

        Args:
            arguments: `owner`, `book` (id), `question`, `arm`, `evidence`, `strength`, `history`
                ([[question, answer], ...]), `model`.

        Yields:
            `{"text": piece}` while it is written, then `{"answer": {...}}`.

        Raises:
            LiftError: with a sentence for the reader.
        """
        if (exchange := self.exchange) is None or self._is_being_learned(arguments):
            yield from self._ask_locally(arguments)
            return
        try:
            yield from self._ask_server(exchange, arguments)
            return
        except ServerAway as error:  # before the first word of an answer, always
            notice = f"{error} Answered by the model on this machine."
        yield from noticed(self._ask_locally(arguments), notice)

    def _ask_locally(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if self.own(lifting=False) is not None:
            yield from self._ask_here(arguments)
            return
        from lift_app.engine.hand_off import ask_owner

        owner = self._lock.owner()
        if owner is None:
            raise Busy("Another LIFT Reader is just starting or ending. Try again in a moment.")
        self._handed_over.append(arguments["owner"])
        try:
            yield from ask_owner(owner, arguments)
        finally:
            self._handed_over.remove(arguments["owner"])

    def stop_answers(self, owner: str) -> None:
        """Cut the answers to an owner of books short, wherever they are given."""
        self._stop_here(owner)
        if owner in self._handed_over and (other := self._lock.owner()) is not None:
            from lift_app.engine.hand_off import stop_owner

            stop_owner(other, owner)

    def _stop_here(self, owner: str | None) -> None:
        """Cut the answers short that this process gives to an owner, or to all."""
        for stop, whose in list(self._stops.items()):
            if owner in (None, whose):
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
            if self._exchange is not None:
                self._stop_here(None)
                self._exchange.close()
            if self._engine is not None:
                self._engine.close()
            self._lock.release()
            self._engine = self._hand_off = self._exchange = None

    def _start(self) -> None:
        from lift_app.engine.engine import Engine
        from lift_app.engine.hand_off import HandOff

        engine = Engine(self._library, self._settings)
        hand_off = HandOff(self._ask_here, self._stop_here)
        try:
            self._lock.publish(Owner.this_process(hand_off.port, hand_off.token))
            engine.start(preload=self._preload and not self._settings.server)
        except BaseException:
            hand_off.close()
            self._lock.release()
            raise
        self._engine, self._hand_off = engine, hand_off

    def _ask_here(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Answer with the engine of this process; also what the hand-off calls."""
        engine = self._engine
        if engine is None:
            raise Busy("LIFT Reader is closing. Ask again after the next start.")
        keys, arm = self._keys(arguments), arguments["arm"]
        yield from self._stream(
            engine.ask, arguments, *resolve_arm(keys, arm, self._row(arguments))
        )

    def _ask_server(
        self, exchange: Exchange, arguments: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """Answer with the server; whoever has the model of this machine is not asked."""
        from lift_app.serving.exchange import no_adapters

        line, notice = exchange.line(arguments["model"]), ""
        keys, arm = self._keys(arguments), arguments["arm"]
        if line.refusal:
            if arm in ADAPTER_ARMS and keys:
                raise no_adapters(line, exchange.called)
            keys, notice = [], f"Answered by the base model as it comes. {line.refusal}"
        found = resolve_arm(keys, arm, self._row(arguments))
        yield from noticed(self._stream(exchange.ask, arguments, *found), notice)

    def _stream(
        self,
        ask: Callable[[AnswerTurn], Future[Answer]],
        arguments: dict[str, Any],
        arm: str,
        key: str | None,
    ) -> Iterator[dict[str, Any]]:
        library = self._library.for_owner(arguments["owner"])
        question = self._question(arguments, arm, key)
        pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        turn = AnswerTurn(
            owner=library.owner,
            book_id=arguments["book"],
            key=key,
            question=question,
            model=arguments["model"],
            on_text=pieces.put,
        )
        self._stops[turn.stop] = library.owner
        try:
            done = ask(turn)
            done.add_done_callback(lambda _: pieces.put(None))
            while (piece := pieces.get()) is not None:
                yield {"text": piece}
            answered = iter([{"answer": done.result().to_json()}])
            yield from noticed(answered, self._left_out(arguments, question))
        finally:
            turn.stop.set()  # a listener that goes away ends the answer
            self._stops.pop(turn.stop, None)

    def _question(self, arguments: dict[str, Any], arm: str, key: str | None) -> Question:
        library = self._library.for_owner(arguments["owner"])
        return Question(
            text=arguments["question"],
            arm=arm,
            evidence=arguments["evidence"],
            strength=self._strength(library, key, arguments["strength"], arguments["evidence"]),
            history=tuple((asked, said) for asked, said in arguments["history"]),
            max_tokens=self._settings.answer_tokens,
        )

    def _row(self, arguments: dict[str, Any]) -> BookRow:
        return self._library.for_owner(arguments["owner"]).books.get(arguments["book"])

    def _keys(self, arguments: dict[str, Any]) -> list[str]:
        """Keys of a book's adapters, the newest first, and then of the one being made here."""
        library, row = self._library.for_owner(arguments["owner"]), self._row(arguments)
        shelved = [a.key for a in library.adapters.for_book(row.id, arguments["model"])]
        engine = self._engine
        if engine is None:
            return shelved
        unfinished = library.jobs.list(unfinished=True, book_id=row.id)
        return shelved + [job.key for job in unfinished if engine.is_lifting(job.key)]

    def _is_being_learned(self, arguments: dict[str, Any]) -> bool:
        """Whether what is known of a book is on no shelf yet, so that only this process knows."""
        library, keys = self._library.for_owner(arguments["owner"]), self._keys(arguments)
        return bool(keys) and library.adapters.find(keys[0]) is None

    def _strength(
        self, library: Library, key: str | None, wanted: float | None, evidence: bool
    ) -> float:
        """The strength that is wanted; else the setting, held down by a finished lift's guard.

        While a book is being learned its guard has not said its last word, and the setting stands.
        """
        if wanted is not None:
            return wanted
        default = self._settings.default_strength(evidence=evidence)
        row = None if key is None else library.adapters.find(key)
        return default if row is None else row.strength(default)

    def _left_out(self, arguments: dict[str, Any], question: Question) -> str:
        """Why the adapter has no part in an answer, where its guard alone says so; else empty."""
        asked_for = question.strength == arguments["strength"] or question.arm not in ADAPTER_ARMS
        default = self._settings.default_strength(evidence=question.evidence)
        return LEFT_OUT if default and not question.strength and not asked_for else ""


def noticed(events: Iterator[dict[str, Any]], notice: str) -> Iterator[dict[str, Any]]:
    """The events of an answer, with a word about how it came about; those that it has stay."""
    for event in events:
        if notice and "answer" in event:
            answer = event["answer"]
            event = {"answer": answer | {"notice": f"{notice} {answer['notice']}".strip()}}
        yield event


def resolve_arm(keys: list[str], arm: str | None, row: BookRow) -> tuple[str, str | None]:
    """The arm and the key of the adapter it needs: the newest one, or the one being made."""
    if arm is not None and arm not in ARMS:
        raise CallerError(f"There is no arm {arm!r}. Choose one of: {', '.join(ARMS)}.")
    if arm is not None and arm not in ADAPTER_ARMS:
        return arm, None
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
