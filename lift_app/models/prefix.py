"""Prefixes: keys and values of what prompts begin with, read once and kept.

Head and tail of a book stand in front of every question to it, so a second question pays only for
its evidence and itself. What is kept is kept for exact tokens under one state of the adapter; who
changes an adapter has its prefixes dropped. Knows nothing about books or how a prompt is built.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from lift_app.models.generation import StopFlag, read_tokens

MOST_BYTES = 512 * 1024**2
"""Most memory for what is kept: about 20 books for the embedded model, 3 for one of 8 B weights."""

Key = tuple[str | None, float, tuple[int, ...]]
"""The adapter's slot, its strength, the tokens."""


class Prefixes:
    """Keys and values by what was read; those that were not used for longest go first.

    Args:
        most_bytes: bound on the memory of all that is kept; 0 keeps nothing.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Key, Any] = OrderedDict()

    @property
    def bytes(self) -> int:
        """Memory of all that is kept."""
        return sum(_bytes(cache) for cache in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)

    def read(
        self, model: Any, tokens: Sequence[int], slot: str | None, strength: float, stop: StopFlag
    ) -> Any:
        """Keys and values of tokens, read now or before: the same numbers either way.

        Args:
            model: with the adapter on as `slot` and `strength` say.
            tokens: token ids that a prompt begins with.
            slot: of the adapter; None for the base alone.
            strength: of the adapter.
            stop: ends the reading early.

        Returns:
            A cache of transformers that belongs to the caller, who may append to it; None for no
            tokens, or if it was stopped.
        """
        if not tokens:
            return None
        key = (slot, strength, tuple(tokens))
        cache = self._kept.get(key)
        if cache is None:
            _, cache = read_tokens(model, tokens, stop)
            if cache is None or not self._keep(key, cache):
                return cache
        self._kept.move_to_end(key)
        return copy.deepcopy(cache)

    def drop(self, slot: str) -> None:
        """Forget what was read with the adapter in `slot`: it is about to change."""
        for key in [key for key in self._kept if key[0] == slot]:
            del self._kept[key]

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

    def _keep(self, key: Key, cache: Any) -> bool:
        """Keep a cache if there can be room for it; whether there was."""
        if (size := _bytes(cache)) > self._most_bytes:
            return False
        while self.bytes + size > self._most_bytes:
            self._kept.popitem(last=False)
        self._kept[key] = cache
        return True


def _bytes(cache: Any) -> int:
    return sum(
        value.numel() * value.element_size()
        for layer in cache.layers
        for value in vars(layer).values()
        if hasattr(value, "element_size")
    )
