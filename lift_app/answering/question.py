"""What is asked: the question, its arm, and what may stand in the context.

Imports nothing heavy, because the faces need these words before a model is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass

from lift_app.errors import CallerError

ARMS = ("ICL", "LIFT_only", "LIFT+ICL", "RAG")
"""The arms that can be asked (arXiv 2412.13626); RAG is what a reader would use instead."""

ADAPTER_ARMS = frozenset({"LIFT_only", "LIFT+ICL"})
"""Arms that need an adapter."""

EXCERPT_ARMS = frozenset({"ICL", "LIFT+ICL"})
"""Arms with head and tail of the book in the context."""


@dataclass(frozen=True)
class Question:
    """One question to a book."""

    text: str
    arm: str = "ICL"
    """One of `ARMS`."""
    evidence: bool = True
    """Whether passages that were looked up go into the context."""
    strength: float = 1.0
    """Factor on the adapter's update, 0 to 1."""
    history: tuple[tuple[str, str], ...] = ()
    """Earlier turns of the conversation, oldest first: (question, answer)."""
    max_tokens: int = 96
    """Longest answer, in tokens."""
    gold: tuple[str, ...] = ()
    """Passages that are given instead of looked up: a benchmark's gold evidence."""

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise CallerError("The question is empty. Type what you want to know about the book.")
        if self.arm not in ARMS:
            raise CallerError(f"There is no arm {self.arm!r}. Choose one of: {', '.join(ARMS)}.")
        if not 0 <= self.strength <= 1:
            raise CallerError(f"The strength is {self.strength}, but it must lie between 0 and 1.")
        if self.max_tokens < 1:
            raise CallerError(f"An answer of {self.max_tokens} tokens is none: allow at least 1.")
