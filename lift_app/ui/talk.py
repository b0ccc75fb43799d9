"""The talk: asking, asking again, comparing the arms. Handlers of the pane at the right.

They stream, so they are generators that Gradio closes when a window goes. An answer to a chat goes
on then (`ui/writing.py`); what is asked and answered is kept by the Reader, not here.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from lift_app.errors import Busy
from lift_app.ui import chat, words
from lift_app.ui.compare import Column, columns_of
from lift_app.ui.seat import Seat
from lift_app.ui.telling import say, tell
from lift_app.ui.view import View
from lift_app.ui.writing import FRAME, Writings

if TYPE_CHECKING:
    from lift_app.reader import Reader

TITLE = 60
"""Longest title of a chat, in characters."""

Turn = tuple[Any, Any, Any, Any, Any, Any]
"""Updates of the chat, the question box, the buttons to ask and to stop, the comparison, and of the
receipt (`Receipts`): only a last frame, which Gradio sends once more, is a draw of its own."""


@dataclass(frozen=True)
class Asked:
    """A question, and how it is to be answered."""

    text: str
    arm: str
    evidence: bool
    strength: float


class Talk:
    """Conversations about books, shared by all windows."""

    def __init__(self, reader: Reader, view: View, writings: Writings) -> None:
        self.reader = reader
        self.view = view
        self.writings = writings

    def ask(
        self, seat: Seat, question: str, arm: str, evidence: bool, strength: float
    ) -> Iterator[Turn]:
        """Stream an answer into the open chat; the first question begins one."""
        question = (question or "").strip()
        if not question or seat.book is None or self.view.answering(seat):
            yield _turn()
            return
        edited, seat.edited = seat.edited, None
        replaces = edited is not None and edited == seat.chat
        yield from self._ask(seat, Asked(question, arm, evidence, strength), replaces=replaces)

    def _ask(self, seat: Seat, asked: Asked, *, replaces: bool) -> Iterator[Turn]:
        """As `ask`; where it replaces the last turn of the chat, that is taken back."""
        seat.answering, seat.halted, seat.told = True, False, None
        talk: list[chat.Message] = []
        try:
            if seat.chat is None:
                title = textwrap.shorten(asked.text, TITLE, placeholder=" …")
                seat.chat, seat.blank = self.reader.new_chat(str(seat.book), title)["id"], False
            said = self.reader.messages(seat.chat)
            said = said[: -2 if replaces else None]
            talk = [*chat.messages_html(said), chat.user(asked.text)]
            last: chat.Message = chat.waiting(self.view.waiting())
            pieces = self._pieces(seat, asked, seat.chat, replaces=replaces)
            # Before anything is shown: then it goes on even if the window is gone at once.
            writing = self.writings.begin(seat.chat, asked.text, pieces)
            if writing is None:  # another window of this chat was faster
                raise Busy(words.STILL_ANSWERING)
            yield _turn([*talk, last], gr.update(value=""), busy=True)
            for text, answer in writing.follow():
                last = chat.assistant(text, answer, len(talk))
                yield _turn([*talk, last])
            yield _last(seat, [*talk, last])
        except Exception as error:
            trouble = [*talk, chat.trouble(tell(error))]
            yield _last(seat, trouble, gr.update(value=asked.text))
        finally:
            # Also when the window is gone: Gradio then closes this generator.
            seat.answering = False

    def again(
        self, seat: Seat, question: str, arm: str, evidence: bool, strength: float
    ) -> Iterator[Turn]:
        """Answer the last question once more, as the settings are now. Arguments as `ask`."""
        if seat.chat is None or self.view.answering(seat):
            yield _turn()
            return
        seat.edited = None
        failed = self._failed(seat)
        question = failed or self._last_question(seat)
        if not question:
            yield _turn()
            return
        yield from self._ask(seat, Asked(question, arm, evidence, strength), replaces=not failed)

    def edit(self, seat: Seat) -> Turn:
        """Put the last question back into the box; it and its answer stay until one is asked."""
        if seat.chat is None or self.view.answering(seat):
            return _turn()
        failed = self._failed(seat)
        seat.edited = None if failed else seat.chat
        return _turn(box=gr.update(value=failed or self._last_question(seat)))

    def compare(
        self, seat: Seat, question: str, arm: str, evidence: bool, strength: float
    ) -> Iterator[Turn]:
        """Answer one question with every arm, side by side; nothing is added to the chat.

        With `evidence` each arm answers a second time, with passages. Arguments else as `ask`.
        """
        question = (question or "").strip() or self._last_question(seat)
        if not question or seat.book is None or self.view.answering(seat):
            yield _turn()
            return
        seat.answering, seat.halted = True, False
        book = seat.book
        try:
            learned = self.view.arms(seat)
            seat.compared = (question, columns_of(learned, evidence=evidence))
            yield _turn(busy=True, compare=self.view.comparison(seat))
            for column in seat.compared[1]:
                column.state = "writing"
                yield _turn(compare=self.view.comparison(seat))
                for _ in self._fill(seat, column, question, strength):
                    yield _turn(compare=self.view.comparison(seat))
                if seat.halted or seat.book != book:
                    break
        finally:
            seat.answering = False
            for column in seat.compared[1] if seat.compared else ():
                column.state = "done"
        yield _last(seat, compare=self.view.comparison(seat))

    def stop(self, seat: Seat) -> None:
        """Stop the answer that is being written; what is there stays."""
        seat.halted = True
        self.reader.stop_answer()

    def _fill(self, seat: Seat, column: Column, question: str, strength: float) -> Iterator[None]:
        try:
            asked = Asked(question, column.arm, column.evidence, strength)
            pieces = self._pieces(seat, asked)
            drawn = 0.0
            for piece in pieces:
                column.text += piece.get("text", "")
                if "answer" in piece:
                    column.text, column.answer = piece["answer"]["answer"], piece["answer"]
                if column.answer is not None or time.monotonic() - drawn >= FRAME:
                    drawn = time.monotonic()
                    yield
        except Exception as error:
            column.error = say(error)
        column.state = "done"

    def _pieces(
        self, seat: Seat, asked: Asked, chat: str | None = None, *, replaces: bool = False
    ) -> Iterator[dict[str, Any]]:
        """The answer as the Reader streams it, for a chat in place of its last turn."""
        if chat is not None and replaces:
            self.reader.take_back(chat)
        untouched = asked.strength == self.reader.settings.default_strength(evidence=True)
        yield from self.reader.ask_stream(
            str(seat.book),
            asked.text,
            arm=asked.arm,
            evidence=asked.evidence,
            # Each way of asking has its own default; a slider that was moved holds for all.
            strength=None if untouched else asked.strength,
            chat=chat,
        )

    def _failed(self, seat: Seat) -> str | None:
        """The question that stands last in the chat without an answer, if there is one."""
        writing = self.writings.of(seat.chat)
        return writing.question if writing is not None and writing.trouble else None

    def _last_question(self, seat: Seat) -> str:
        """What was asked last: a reader compares what was just answered."""
        messages = self.reader.messages(seat.chat) if seat.chat else []
        return next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")


def _turn(
    messages: Any = None, box: Any = None, *, busy: bool | None = None, compare: Any = None
) -> Turn:
    """One update; what is None stays as it is."""
    skip = gr.skip()
    return (
        skip if messages is None else messages,
        skip if box is None else box,
        skip if busy is None else gr.update(visible=not busy),
        skip if busy is None else gr.update(visible=busy),
        skip if compare is None else compare,
        skip,
    )


def _last(seat: Seat, messages: Any = None, box: Any = None, *, compare: Any = None) -> Turn:
    """The update that ends an answer."""
    with seat.drawing():
        for part in ("chat", "send", "stop", "compare"):
            seat.receipts.note(part)
        return *_turn(messages, box, busy=False, compare=compare)[:-1], seat.receipt()
