"""What comes back: the answer, its citations, what it saw and how long it took. Plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Citation:
    """A sentence of the book that supports the answer: `page.text[start:end] == quote`."""

    page: int
    """1-based page number."""
    page_label: str
    """What is printed on the page."""
    chapter: str | None
    """Title of the chapter that the page belongs to."""
    quote: str
    start: int
    """Half-open with `end`, in code points of the page's text."""
    end: int


@dataclass(frozen=True)
class EvidencePassage:
    """A piece of a page that stood in the context: `page.text[start:end] == text`."""

    page: int
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class ContextSize:
    """Tokens of each part of what the model saw."""

    head: int = 0
    tail: int = 0
    evidence: int = 0
    question: int = 0
    """The question itself."""


@dataclass(frozen=True)
class Timing:
    """How long the answer took."""

    first_token_seconds: float | None = None
    """From the beginning of the turn; None if nothing was generated."""
    tokens_per_second: float | None = None
    """After the first token; None with fewer than two tokens."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Answer:
    """An answer to one question."""

    answer: str
    arm: str
    citations: tuple[Citation, ...] = ()
    context: ContextSize = field(default_factory=ContextSize)
    adapter: str | None = None
    """Key of the adapter that was on."""
    timing: Timing = field(default_factory=Timing)
    supported: bool = True
    """False: the book does not seem to answer the question, and the answer says so."""
    evidence: tuple[EvidencePassage, ...] = ()
    stopped: bool = False
    """The reader cut the answer short."""
    notice: str = ""
    """What the reader should know of how it was answered, as that a server is away."""

    def to_json(self) -> dict[str, Any]:
        """A plain dict of all fields."""
        return asdict(self)
