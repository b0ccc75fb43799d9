"""Progress: the typed events of a lift, as the engine stores them and the faces show them."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Progress:
    """Where a lift stands: one event is stored a step, and one a second while the guard looks."""

    stage: str
    """`queued`, `loading`, `segments`, `training`, `checking`, `saving` or `done`."""
    step: int = 0
    """Steps finished in this stage's work."""
    steps: int = 0
    loss: float | None = None
    """Mean negative log-likelihood of the step's tokens, in nats."""
    tokens_per_second: float | None = None
    """Trained tokens a second, over the last steps."""
    eta_seconds: float | None = None
    """Seconds left, if the pace stays as it is."""
    segment_count: int | None = None
    """Segments of the book; with the first event of the training."""
    segments: dict[int, float] = field(default_factory=dict)
    """Loss of each segment of this step, by its index."""
    note: str | None = None
    """What a reader should know about how it goes, in words: that memory was short, say."""
    adapter: str | None = None
    """Key of the finished adapter; only with stage `done`."""

    def to_json(self) -> dict[str, Any]:
        """The event without its empty fields; `stage`, `step` and `steps` are always there."""
        data = asdict(self)
        data["segments"] = {str(key): round(value, 4) for key, value in self.segments.items()}
        always = ("stage", "step", "steps")
        return {
            key: round(value, 4) if isinstance(value, float) else value
            for key, value in data.items()
            if key in always or value not in (None, {})
        }


class Pace:
    """Speed over the last steps, in tokens a second.

    Time that the model spent on something else (an answer between two steps) is not counted,
    because each step is handed its own seconds.
    """

    def __init__(self, steps: int = 20) -> None:
        self._recent: deque[tuple[float, float]] = deque(maxlen=steps)

    def add(self, tokens: float, seconds: float) -> None:
        """Record one step."""
        self._recent.append((tokens, seconds))

    @property
    def tokens_per_second(self) -> float | None:
        """Mean speed of the recorded steps, or None before the first."""
        seconds = sum(seconds for _, seconds in self._recent)
        return sum(tokens for tokens, _ in self._recent) / seconds if seconds > 0 else None

    def seconds_for(self, tokens: float) -> float | None:
        """Seconds that `tokens` more tokens will take at this speed."""
        speed = self.tokens_per_second
        return tokens / speed if speed else None
