"""How far the fetching of a model has come, as an event for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ModelProgress:
    """One moment of a download or a conversion."""

    stage: str
    """`waiting`, `download`, `unpack`, `convert`, `verify` or `ready`."""
    message: str
    """What is being done, as a sentence for the reader."""
    done: int = 0
    """Bytes so far (steps, while converting)."""
    total: int | None = None
    """Bytes in all (steps, while converting); None while unknown."""

    @property
    def fraction(self) -> float | None:
        """Between 0 and 1, or None while the total is unknown."""
        return min(1.0, self.done / self.total) if self.total else None

    def to_json(self) -> dict[str, Any]:
        """A plain dict, with the fraction."""
        return {**asdict(self), "fraction": self.fraction}


ProgressCallback = Callable[[ModelProgress], None]
"""Called from the fetching thread; an exception it raises cancels the fetch."""


def ignore_progress(event: ModelProgress) -> None:
    """The callback for those who do not watch."""
