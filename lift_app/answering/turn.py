"""Turn: a question on its way to whoever answers it, the engine's thread or a server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from lift_app.answering.question import Question


@dataclass(frozen=True)
class AnswerTurn:
    """A question that waits for its turn."""

    owner: str
    """Whose book it is."""
    book_id: str
    key: str | None
    """Adapter that the arm needs; None for arms without one."""
    question: Question
    model: str
    on_text: Callable[[str], None]
    stop: threading.Event = field(default_factory=threading.Event)
