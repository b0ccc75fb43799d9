"""Writing: answers on their way into a chat. They go on when the window that asked is gone.

Each is written by a thread of its own, which ends when the answer stands in the chat; a window that
comes back finds it growing there. One that failed stays, with its question, until the next one.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from lift_app.errors import LiftError
from lift_app.ui.telling import say

FRAME = 0.12
"""Seconds between two updates of a streamed answer: smooth, and light on slow lines."""
MOST_FAILED = 100
"""Answers that failed and are remembered, of all chats."""
LONGEST_FAILED = 20_000
"""Characters of a question that is remembered with them."""
PATIENCE = 5.0
"""Seconds in which answers end when the app does."""


class Writing:
    """One answer on its way.

    Attributes:
        question: what was asked.
        text: what there is of the answer.
        answer: the whole of it, once it stands in the chat.
        trouble: why there will be none, in words for the reader.
        ended: whether anything more will come.
        unwanted: nothing more is to come: the app ends.
    """

    def __init__(self, question: str) -> None:
        self.question = question
        self.text = ""
        self.answer: dict[str, Any] | None = None
        self.trouble = ""
        self.ended = False
        self.unwanted = False
        self._moved = threading.Condition()

    def follow(self) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """The growing text, then all of the answer with its last one. Closing this stops nothing.

        Raises:
            LiftError: something went wrong while it was written.
        """
        seen = ""
        while True:
            with self._moved:
                while not self.ended and self.text.strip() == seen:
                    self._moved.wait()
                if self.ended:
                    break
                seen, text = self.text.strip(), self.text
            yield text, None
            time.sleep(FRAME)
        if self.trouble:
            raise LiftError(self.trouble)
        if self.answer is not None:
            yield self.answer["answer"], self.answer

    def write(self, pieces: Iterator[dict[str, Any]]) -> None:
        """Take what `Reader.ask_stream` gives, to its end."""
        try:
            for piece in pieces:
                if self.unwanted:
                    break
                with self._moved:
                    self.text += piece.get("text", "")
                    self.answer = piece.get("answer", self.answer)
                    self._moved.notify_all()
        except Exception as error:  # told by whoever follows, or comes to look
            self.trouble = say(error)
        finally:
            with self._moved:
                self.ended = True
                self._moved.notify_all()


class Writings:
    """The answers on their way, by the chats that they belong to; shared by all windows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: OrderedDict[str, Writing] = OrderedDict()
        self._threads: set[threading.Thread] = set()

    def begin(self, chat: str, question: str, pieces: Iterator[dict[str, Any]]) -> Writing | None:
        """Begin to write an answer into a chat; None if one is being written there."""
        writing = Writing(question)
        # The request that asks belongs to it, for where a GPU is lent to who sent it.
        around = contextvars.copy_context()
        work = threading.Thread(
            target=around.run, args=(self._write, chat, writing, pieces), daemon=True
        )
        with self._lock:
            before = self._of.get(chat)
            if before is not None and not before.ended:
                return None
            work.start()  # what it does at its end waits for the lock
            self._threads.add(work)
            self._of[chat] = writing
            self._of.move_to_end(chat)
        return writing

    def of(self, chat: str | None) -> Writing | None:
        """What is being written into a chat, or could not be."""
        with self._lock:
            return None if chat is None else self._of.get(chat)

    def under_way(self, chat: str | None) -> bool:
        """Whether an answer is being written into a chat."""
        writing = self.of(chat)
        return writing is not None and not writing.ended

    def close(self) -> None:
        """End them before what they write into is closed; one that does not end is left behind."""
        with self._lock:
            threads = list(self._threads)
            for writing in self._of.values():
                writing.unwanted = True
        until = time.monotonic() + PATIENCE
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _write(self, chat: str, writing: Writing, pieces: Iterator[dict[str, Any]]) -> None:
        writing.write(pieces)
        with self._lock:
            self._threads.discard(threading.current_thread())
            kept = writing.trouble and len(writing.question) <= LONGEST_FAILED
            if not kept and self._of.get(chat) is writing:
                del self._of[chat]
            failed = [one for one, written in self._of.items() if written.ended]
            for one in failed[: len(failed) - MOST_FAILED]:
                del self._of[one]
