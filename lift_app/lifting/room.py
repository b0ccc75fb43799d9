"""Room: what a lift does when memory runs short, one rung after another, and the word about it.

What was kept of prompts is given back first (by the trainer). Then the segments of a step are
learned in halves, down to one at a time, their gradients summed as before. Then activations are
computed twice instead of kept (checkpointing). All of it learns the same. What is left after that,
weights in 4 bits, is another adapter: it is chosen before a lift where 16 bits cannot fit
(`models/device.py`), and advised where a lift still runs out, if this machine and model can do it.
"""

from __future__ import annotations

import gc
import traceback
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import torch

if TYPE_CHECKING:
    from lift_app.models.base_model import BaseModel

HALVED = (
    "Memory was short, so fewer segments are learned at once. The result is the same; it takes a "
    "little longer."
)
CHECKPOINTED = (
    "Memory was short, so every segment is computed twice instead of being kept. The result is the "
    "same; it takes about a third longer."
)
OUT_OF_ROOM = (
    "There is not enough memory to learn this book, even one segment at a time, computed twice. "
    "Nothing that was saved is lost. "
)
IN_4_BITS = (
    "Set LIFT_PRECISION=nf4 and ask again: 4-bit weights need about a third of the memory, and the "
    "book is learned anew on them."
)
LESS = "Close other programs that use memory, or choose a smaller model."


def out_of_room(base: BaseModel) -> str:
    """What a reader is told when no rung is left, and what to do on this machine with this model.

    4-bit weights are for NVIDIA GPUs, and for models whose start is not laid into the weights.
    """
    choice = base.choice
    could = choice.device == "cuda" and not choice.quantisation and not base.identity.start
    return OUT_OF_ROOM + (IN_4_BITS if could else LESS)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: a GPU's, or this machine's."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def release(error: BaseException) -> None:
    """Give back what failed work still holds."""
    traceback.clear_frames(error.__traceback__)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


_checkpointed: WeakSet[Any] = WeakSet()
"""Models whose activations are computed twice."""


class Room:
    """How much of a step is in memory at once.

    Args:
        model: whose activations may be computed twice; a lift begins with them kept.
        segments: in a step.
    """

    def __init__(self, model: Any, segments: int) -> None:
        self.at_once = segments
        """Segments that are learned at once."""
        self.note: str | None = None
        """What was done, in words for the reader."""
        self._model = model
        self._checkpointed = False
        if model in _checkpointed:  # by an earlier lift
            _checkpointing(model, on=False)

    def save(self) -> bool:
        """Go one rung down; False where there is none left."""
        if self.at_once > 1:
            self.at_once //= 2
            self.note = HALVED
        elif not self._checkpointed and self._model.supports_gradient_checkpointing:
            _checkpointing(self._model, on=True)
            self._checkpointed = True
            self.note = CHECKPOINTED
        else:
            return False
        return True


def _checkpointing(model: Any, *, on: bool) -> None:
    """Transformers 6 will know this by the first name alone, 5.5 knows the second."""
    names = ("activation_checkpointing", "gradient_checkpointing")
    name = next(name for name in names if hasattr(model, f"{name}_enable"))
    if on:
        getattr(model, f"{name}_enable")({"use_reentrant": False})
        _checkpointed.add(model)
    else:
        getattr(model, f"{name}_disable")()
        _checkpointed.discard(model)
