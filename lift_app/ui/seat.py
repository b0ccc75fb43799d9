"""Seat: where one browser window is in the reading room, and what it already shows.

A seat is per window and lives as long as the window. It owns no data: books, chats and progress
are the Reader's, so that a reload or a second window finds the same.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import gradio as gr


@dataclass(frozen=True)
class Mark:
    """A cited quote: half-open code points `start`..`end` of the text of `page`."""

    page: int
    start: int
    end: int


class Seat:
    """One window. Handlers change it, then draw what it shows.

    Attributes:
        book, page, mark, chat: what is open.
        blank: a new chat was asked for; it exists once its first question is.
        arrived: the window has said which book its address names; nothing is drawn before.
        answering: an answer is being streamed into this window's chat; nothing else redraws it.
        details: `Reader.show` of the open book: what does not change while it is open.
        shown: signature of what was last sent for each part, so that a tick sends only changes.
        lock: a tick and a click may run at once; what is recorded must be what was sent last.
    """

    def __init__(self) -> None:
        self.book: str | None = None
        self.page = 1
        self.mark: Mark | None = None
        self.chat: str | None = None
        self.blank = False
        self.arrived = False
        self.answering = False
        self.details: dict[str, Any] = {}
        self.shown: dict[str, Any] = {}
        self.lock = threading.RLock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Seat:
        """Gradio copies the initial value for each window: a fresh seat."""
        return Seat()

    def open(self, book: str | None, details: dict[str, Any], chat: str | None) -> None:
        """Take another book off the shelf, or none."""
        self.book, self.details, self.chat = book, details, chat
        self.page, self.mark, self.blank = 1, None, False

    def news(self, part: str, signature: Any, update: Any) -> Any:
        """`update` if `signature` differs from what this window shows in `part`, else a skip."""
        if part in self.shown and self.shown[part] == signature:
            return gr.skip()
        self.shown[part] = signature
        return update
