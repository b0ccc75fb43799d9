"""Voice: whoever writes the tokens of an answer. A model in this process, or a server's.

`Voice` is all that answering asks of a model; `OwnVoice` is the one of the engine's thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from lift_app.models.generation import Generated, StopFlag, generate

if TYPE_CHECKING:
    from lift_app.lifting.packing import Row
    from lift_app.models.lora import AdapterHost
    from lift_app.models.spelling import Spelling


class Voice(Protocol):
    """A model that can write, and say how likely it finds something."""

    @property
    def base(self) -> Spelling:
        """How it spells; whether it stands on a start decides how it is asked (`manner`)."""

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
        """Write an answer, greedily; arguments as of `models.generation.generate`.

        Args:
            tokens: the prompt; not empty.
            constant: so many of them, from the first, are worth keeping for the next question.
            slot: what the voice calls the adapter; None for the base alone.
            strength: of the adapter, 0 to 1.
            max_tokens: most tokens to write.
            on_text: gets each new piece of text.
            stop: ends the answer early.
            end_of: where the answer ends in what is written so far; None to go on.
            rival: token ids of something else that could be said, whose likelihood is wanted.
        """

    def losses(self, rows: Sequence[Row]) -> list[list[float]]:
        """Negative log-likelihood of each learned token of each row, in nats, adapter off."""


class OwnVoice:
    """The model of this process. Belongs to the thread that owns the host."""

    def __init__(self, host: AdapterHost) -> None:
        self._host = host
        self.base = host.base

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
        """As `Voice.write`; what the prompt begins with is read once and kept."""
        started = time.perf_counter()
        host = self._host
        with host.disabled() if slot is None else host.active(slot, strength) as model:
            kept = host.read(tokens[:constant], stop)
            reading = time.perf_counter() - started
            written = generate(
                model,
                tokens[constant if kept is not None else 0 :],
                tokenizer=self.base.tokenizer,
                end_tokens=self.base.end_tokens,
                max_tokens=max_tokens,
                on_text=on_text,
                stop=stop,
                end_of=end_of,
                cache=kept,
                rival=rival,
            )
        first = written.first_token_seconds
        return replace(written, first_token_seconds=None if first is None else reading + first)

    def losses(self, rows: Sequence[Row]) -> list[list[float]]:
        """As `Voice.losses`; what the rows begin with is computed once."""
        import torch

        from lift_app.lifting.packing import pack, packed_losses

        packed = pack(rows, self.base.device)
        with torch.no_grad(), self._host.disabled() as model:
            losses = packed_losses(model, packed)
        return [losses[packed.row == number].tolist() for number in range(len(rows))]
