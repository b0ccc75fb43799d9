"""ServerVoice: a server's model as a Voice. Many may speak at once; the server batches them.

Greedy as our own: the same prompt, the same end, no run of tokens twice. A likelihood is read from
the next token's after each beginning of the text, so that the server's kept prefixes count; asking
for those of a whole prompt computes it anew, and ends a vLLM with adapters on a CPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from lift_app.errors import LiftError, ServerAway
from lift_app.library.adapters import Adapters
from lift_app.models.generation import Generated, StopFlag, repeating, show
from lift_app.models.spelling import Spelling
from lift_app.serving.adapters import ServedAdapters
from lift_app.serving.server import MOST_NAMED, NoSuchModel, Piece, Server

if TYPE_CHECKING:
    from lift_app.lifting.packing import Row

T = TypeVar("T")


class ServerVoice:
    """One question's way to the server.

    Args:
        server: writes.
        model: the name of its base model.
        base: how that model spells.
        served: adapters at the server; None where it takes none, and then there is no start.
        adapters: of the owner who asks.
    """

    def __init__(
        self,
        server: Server,
        model: str,
        base: Spelling,
        served: ServedAdapters | None,
        adapters: Adapters,
    ) -> None:
        self._server = server
        self._model = model
        self.base = base
        self._served = served
        self._adapters = adapters
        self._spoke = False
        """Whether a reader has seen a piece of the answer."""

    def write(
        self,
        tokens: Sequence[int],
        constant: int,
        *,
        slot: str | None,
        strength: float,
        max_tokens: int,
        on_text: Callable[[str], None],
        stop: StopFlag,
        end_of: Callable[[str], int | None],
        rival: Sequence[int] = (),
    ) -> Generated:
        """As `Voice.write`; `slot` is the key of an adapter.

        Raises:
            ServerAway: nothing was shown yet, and the server cannot be reached.
            LiftError: it went away in the middle (code `server_lost`), or refuses the adapter.
        """
        attempt = _Writing(self.base, max_tokens, self._heard(on_text), stop, end_of)

        def write(name: str) -> None:
            attempt.run(
                lambda forbidden: self._server.write(
                    name,
                    [*tokens, *attempt.written],
                    1 if forbidden else max_tokens - len(attempt.written),
                    forbidden,
                )
            )

        def weigh(name: str) -> float:
            return -sum(self._losses(name, [(tuple(tokens), tuple(rival))])[0])

        self._named(slot, strength, write)
        weighed = rival and not attempt.stopped
        return attempt.generated(self._named(slot, strength, weigh) if weighed else None)

    def losses(self, rows: Sequence[Row]) -> list[list[float]]:
        """As `Voice.losses`: by the base on its start."""
        pairs = [(row.prompt, row.answer) for row in rows]
        return self._named(None, 0.0, lambda name: self._losses(name, pairs))

    def _losses(
        self, name: str, rows: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]
    ) -> list[list[float]]:
        named = sorted({token for _, answer in rows for token in answer})
        if len(named) > MOST_NAMED:
            if len(rows) == 1:
                raise LiftError("This answer is too long to be weighed by a server.")
            return [self._losses(name, [row])[0] for row in rows]
        # The prompts first: what is read with them need not be read again with each beginning.
        heads = list(dict.fromkeys(prompt for prompt, _ in rows))
        rest = [prompt + answer[:end] for prompt, answer in rows for end in range(1, len(answer))]
        found: dict[tuple[int, ...], dict[int, float]] = {}
        for prompts in (heads, list(dict.fromkeys(rest))):
            if prompts:
                likely = self._server.likelihoods(name, prompts, named)
                found.update(zip(prompts, likely, strict=True))
        return [
            [-found[prompt + answer[:end]][token] for end, token in enumerate(answer)]
            for prompt, answer in rows
        ]

    def _named(self, key: str | None, strength: float, work: Callable[[str], T]) -> T:
        """Do something with the name of an adapter, or of the base on its start."""
        try:
            try:
                return work(self._name(key, strength))
            except NoSuchModel:
                if self._served is None:
                    raise
                self._served.forget_all()  # it was started anew
                return work(self._name(key, strength))
        except ServerAway as error:
            if not self._spoke:
                raise  # somebody else may still answer
            raise LiftError(
                f"{error} The answer was not finished; ask again.", code="server_lost"
            ) from error

    def _heard(self, on_text: Callable[[str], None]) -> Callable[[str], None]:
        def tell(piece: str) -> None:
            self._spoke = True
            on_text(piece)

        return tell

    def _name(self, key: str | None, strength: float) -> str:
        if self._served is None:
            return self._model
        if key is None or strength == 0:
            return self._served.start() or self._model
        return self._served.name_of(self._adapters, key, strength)


class _Writing:
    """An answer while it is written; as `models.generation.generate` would write it."""

    def __init__(
        self,
        base: Spelling,
        max_tokens: int,
        on_text: Callable[[str], None],
        stop: StopFlag,
        end_of: Callable[[str], int | None],
    ) -> None:
        self._base, self._max_tokens = base, max_tokens
        self._on_text, self._stop, self._end_of = on_text, stop, end_of
        self._ends = base.end_tokens
        self._started = time.perf_counter()
        self._first: float | None = None
        self._last = self._started
        self._raw = self._text = self.shown = ""
        self._pieces = 0
        self._ended = False
        self._likelihood = 0.0
        self.written: list[int] = []

    @property
    def stopped(self) -> bool:
        """The stop flag ended it."""
        return self._stop.is_set() and not self._ended

    def run(self, ask: Callable[[set[int]], Generator[Piece]]) -> None:
        """Ask again where a run of tokens would come twice, without the token that closes it."""
        forbidden: set[int] = set()
        while True:
            before = len(self.written)
            repeats = False
            with closing(ask(forbidden)) as pieces:
                for piece in pieces:
                    if self._stop.is_set():
                        return
                    repeats = not self._take(piece)
                    if repeats or self._ended:
                        break
            going_on = repeats or (bool(forbidden) and len(self.written) > before)
            if self._ended or not going_on or len(self.written) >= self._max_tokens:
                return
            forbidden = repeating(self.written) if repeats else set()

    def _take(self, piece: Piece) -> bool:
        """Take a piece; False where it repeats itself, and then not all of it was taken."""
        self._last = time.perf_counter()
        if not piece.tokens:
            if piece.text:  # a server that gives no token ids
                self._raw += piece.text
                self._pieces += 1
                self._read(self._raw.lstrip())
            return True
        for token, likelihood in zip(piece.tokens, piece.likelihoods, strict=True):
            if token in repeating(self.written):
                return False
            self._likelihood += likelihood
            if token in self._ends:
                self._ended = True
                return True
            self.written.append(token)
            self._read(self._base.text_of(self.written).lstrip())
            if self._ended:
                return True
        return True

    def _read(self, text: str) -> None:
        if text and self._first is None:
            self._first = time.perf_counter() - self._started
        end = self._end_of(text)
        self._ended = end is not None
        self._text = text[:end]
        self.shown = show(self._text, self.shown, self._on_text, final=self._ended)

    def generated(self, rival: float | None) -> Generated:
        """What was written, with the likelihood of the rival."""
        count = len(self.written) or self._pieces
        rest = self._last - self._started - (self._first or 0.0)
        return Generated(
            text=show(self._text, self.shown, self._on_text, final=True),
            tokens=count,
            first_token_seconds=self._first,
            tokens_per_second=(count - 1) / rest if count > 1 and rest > 0 else None,
            stopped=self.stopped,
            likelihood=self._likelihood,
            rival=rival,
        )
