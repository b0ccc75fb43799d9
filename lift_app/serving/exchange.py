"""Exchange: questions that a server answers, many at once.

Connects when the first question comes, sees that the server has the right base, and gives each
question a thread of its own, so that the server can batch them. A server that is away is left alone
for a while. Training is not its affair, nor is the model of this process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lift_app.errors import CallerError, LiftError, ServerAway, Stopped
from lift_app.library import Library
from lift_app.library.adapters import Adapters
from lift_app.models.catalogue import canonical_name, split_start
from lift_app.models.identity import ModelFolder, identify
from lift_app.models.provision import require_local
from lift_app.serving.adapters import ServedAdapters
from lift_app.serving.server import ServedModel, Server
from lift_app.settings import Settings

if TYPE_CHECKING:
    from lift_app.answering.answer import Answer
    from lift_app.answering.turn import AnswerTurn
    from lift_app.models.spelling import Spelling
    from lift_app.serving.voice import ServerVoice

AT_ONCE = 128
"""Questions under way; more wait. The server orders them among its batches."""
REST_SECONDS = 10.0
"""How long a server that was away is not asked."""
REFUSING = ("adapters_off", "rank_too_high", "adapter_refused")
"""Why a server takes no adapters; it can still answer with the base alone."""

T = TypeVar("T")


@dataclass(frozen=True)
class Line:
    """What was found out about the server for one model."""

    model: str
    """The base model's name at the server."""
    base: Spelling
    served: ServedAdapters | None
    """None where it takes no adapters."""
    refusal: str = ""
    """Why it takes none."""


class Exchange:
    """One process's way to a server. Safe between threads.

    Args:
        library: of any owner.
        settings: address, folder and patience.
    """

    def __init__(self, library: Library, settings: Settings) -> None:
        self._library = library
        self._settings = settings
        self._server = Server(settings.server, settings.server_seconds, named=not settings.shared)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="lift-exchange")
        self._guard = threading.Lock()
        self._lines: dict[str, Line] = {}
        self._away: tuple[float, ServerAway] | None = None
        self._closing = threading.Event()

    @property
    def called(self) -> str:
        """The server, as errors name it."""
        return self._server.called

    def close(self) -> None:
        """Cut running answers short and let go of the server."""
        self._closing.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._server.close()

    def line(self, model: str) -> Line:
        """What the server can do with a model; found out once.

        Args:
            model: reference of a base model and its start.

        Raises:
            ServerAway: it cannot be reached, or could not a moment ago.
            LiftError: it serves another base (code `wrong_base`).
        """
        with self._guard:
            if self._away is not None and time.monotonic() - self._away[0] < REST_SECONDS:
                raise self._away[1]
            if model not in self._lines:
                try:
                    self._lines[model] = self._connect(model)
                except ServerAway as error:
                    self._note_away(error)
                    raise
            return self._lines[model]

    def ask(self, turn: AnswerTurn) -> Future[Answer]:
        """Answer a question. The future gets the Answer or a LiftError."""
        from lift_app.answering.answerer import Answerer

        library = self._library.for_owner(turn.owner)

        def answer(voice: ServerVoice) -> Answer:
            return Answerer(library, voice, self._settings).answer(
                library.books.get(turn.book_id),
                turn.question,
                slot=turn.key,
                adapter_key=turn.key,
                on_text=turn.on_text,
                stop=turn.stop,
            )

        return self.submit(answer, model=turn.model, adapters=library.adapters)

    def submit(
        self, work: Callable[[ServerVoice], T], *, model: str, adapters: Adapters
    ) -> Future[T]:
        """Do something with the server's voice, on a thread of its own.

        Args:
            work: gets the voice.
            model: reference of a base model and its start.
            adapters: of the owner for whom it is done.
        """
        return self._pool.submit(self._work, work, model, adapters)

    def _work(self, work: Callable[[ServerVoice], T], model: str, adapters: Adapters) -> T:
        from lift_app.serving.voice import ServerVoice

        if self._closing.is_set():
            raise Stopped("LIFT Reader was closed before this question was answered.")
        line = self.line(model)
        try:
            return work(ServerVoice(self._server, line.model, line.base, line.served, adapters))
        except ServerAway as error:
            with self._guard:
                self._note_away(error)
                self._lines.clear()  # another one may come up in its place
            raise
        except LiftError:
            raise
        except Exception as error:
            raise LiftError(
                f"This could not be answered because of an unexpected error "
                f"({type(error).__name__}: {error}). Nothing that was saved is lost."
            ) from error

    def _note_away(self, error: ServerAway) -> None:
        self._away = (time.monotonic(), error)

    def _connect(self, model: str) -> Line:
        from lift_app.models.spelling import Spelling

        folder = require_local(model, self._settings)
        base = _served_base(self._server.models(), folder, self._settings, self.called)
        served: ServedAdapters | None = ServedAdapters(
            self._server, self._settings.server_folder, folder, self._library
        )
        refusal = ""
        if folder.start is not None:
            assert served is not None
            try:
                served.start()
            except LiftError as error:
                if error.code not in REFUSING:
                    raise
                # Without its start it is the base as it comes, and is asked in that manner.
                served, refusal, folder = None, str(error), replace(folder, start=None)
        spelling = Spelling.read(folder)
        spelling.window = min(folder.window, base.window or folder.window)
        return Line(base.name, spelling, served, refusal)


def no_adapters(line: Line, called: str) -> CallerError:
    """What is told to who names an arm that needs an adapter, where the server takes none."""
    return CallerError(
        f"{called} answers with the base model alone, so this arm cannot be asked. "
        f"{line.refusal} Or ask with the arm ICL.",
        code="no_adapter",
    )


def _served_base(
    models: list[ServedModel], folder: ModelFolder, settings: Settings, called: str
) -> ServedModel:
    """The base model at the server that has these weights, as far as it can be told."""
    for model in models:
        if _is_same(model, folder, settings):
            return model
    names = ", ".join(model.name for model in models) or "nothing"
    raise LiftError(
        f"{called} serves {names}, and the books here are read with {folder.name} "
        f"(weights {folder.weights_sha256[:12]}). Start it with that model, or choose the served "
        "one with LIFT_MODEL.",
        code="wrong_base",
    )


def _is_same(model: ServedModel, folder: ModelFolder, settings: Settings) -> bool:
    """By the weights where the server's folder can be read here, else by the name."""
    root = Path(model.root).expanduser()
    if model.root and (root / "config.json").is_file():
        try:
            return identify(root, settings).weights_sha256 == folder.weights_sha256
        except LiftError:
            return False
    wanted = {folder.name, canonical_name(folder.name), split_start(folder.name)[0]}
    names = (model.name, model.root)
    return any(name and (name in wanted or canonical_name(name) in wanted) for name in names)
