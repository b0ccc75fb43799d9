"""The reading room's behaviour: what each act of a reader does.

Every handler changes the window's `Seat` and draws; the tick only draws. The room owns no data
and runs no long work but the stream of an answer.
"""

from __future__ import annotations

import logging
import textwrap
import time
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from lift_app.errors import LiftError, NotFound
from lift_app.ui import chat, words
from lift_app.ui.lift_view import ACTIVE
from lift_app.ui.seat import PRINT, TEXT, Mark, Seat
from lift_app.ui.security import escape, forget_upload
from lift_app.ui.view import PARTS, Updates, View

if TYPE_CHECKING:
    from lift_app.reader import Reader

log = logging.getLogger(__name__)

FRAME = 0.12
"""Seconds between two updates of a streamed answer: smooth, and light on slow lines."""

READING = ("cite", "find", "goto", "saw", "show", "turn", "view")
"""Acts that change nothing but the page and what is marked on it."""

LONGEST_SEARCH = 200
"""Characters of a search that are looked for."""

TITLE = 60
"""Longest title of a chat, in characters."""


def calm(handler: Callable[..., Updates]) -> Callable[..., Updates]:
    """Tell errors as a message instead of a failure; the window then shows what is."""

    @wraps(handler)
    def handle(self: Room, seat: Seat, *args: Any) -> Updates:
        try:
            return handler(self, seat, *args)
        except Exception as error:
            tell(error)
            return self.draw(seat)

    return handle


def tell(error: Exception) -> str:
    """Show an error to the reader in its own words; gives the words."""
    text = say(error)
    gr.Warning(escape(text), title=words.NOTE)
    return text


def say(error: Exception) -> str:
    """An error in words for the reader. Unexpected ones are logged."""
    if isinstance(error, LiftError):
        return str(error)
    log.error("unexpected error in the reading room", exc_info=error)
    return words.UNEXPECTED


class Room:
    """Handlers of one running app, shared by all windows."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.view = View(reader)

    # Drawing

    def draw(self, seat: Seat) -> Updates:
        """An update for each of `PARTS`; a skip where the window is up to date."""
        return self.view.draw(seat)

    def tick(self, seat: Seat) -> Updates:
        """The timer's draw. A tick that fails is not worth a message: the next one comes."""
        if not seat.arrived:
            return [gr.skip() for _ in PARTS]
        try:
            return self.draw(seat)
        except Exception:
            log.exception("a tick failed")
            return [gr.skip() for _ in PARTS]

    # Finding one's place

    @calm
    def arrive(self, seat: Seat, request: gr.Request) -> Updates:
        """A window opens or reloads: the book and page of its address, else what is being read."""
        seat.shown.clear()
        seat.arrived = True
        wanted = dict(request.query_params)
        books = self.reader.books()
        known = {book["id"] for book in books}
        choice = wanted.get("book")
        if choice not in known:
            busy = [b["id"] for b in books if (b.get("job") or {}).get("state") in ACTIVE]
            choice = (busy or [b["id"] for b in books] or [None])[0]
            wanted = {}
        self._open(seat, choice)
        if choice is not None and wanted.get("at", "").isdecimal():
            self._turn(seat, int(wanted["at"]))
        return self.draw(seat)

    def act(self, seat: Seat, event: gr.EventData) -> Updates:
        """A click inside our own HTML: `page.js` sends what was meant.

        Not queued, so what goes wrong cannot be a message of Gradio's: it stands over the page.
        """
        seat.note = ""
        try:
            return self._act(seat, event._data or {})
        except Exception as error:
            seat.note = say(error)
            return self.draw(seat)

    def _act(self, seat: Seat, data: dict[str, Any]) -> Updates:
        kind = data.get("act")
        if kind in READING and seat.book:
            self._read(seat, str(kind), data)
            if kind in ("cite", "show") and seat.desk:
                seat.desk = False
                return self.draw(seat)
            return self.view.turn(seat)
        if kind == "desk":
            seat.desk = not seat.desk
        if kind == "book":
            self._open(seat, str(data.get("book")))
        elif kind == "chat" and seat.book:
            known = {one["id"] for one in self.reader.chats(seat.book)}
            wanted = next((one for one in known if str(one) == str(data.get("chat"))), None)
            seat.chat, seat.blank = wanted or seat.chat, seat.blank and wanted is None
        return self.draw(seat)

    def _read(self, seat: Seat, kind: str, data: dict[str, Any]) -> None:
        """Acts that stay within the open book's pages."""
        assert seat.book is not None
        if kind == "turn":
            self._turn(seat, int(data.get("page") or 1))
        elif kind in ("cite", "show"):
            cited = kind == "cite"
            mark = (
                chat.mark_of(str(data.get("cite"))) if cited else Mark.parse(str(data.get("place")))
            )
            if mark is not None:
                self._turn(seat, mark.page, mark)
        elif kind == "goto":
            label = str(data.get("value") or "")
            number = self.reader.pages.number_of(seat.book, label)
            if number is None:
                raise NotFound(words.NO_SUCH_PAGE.format(label=label[:20]))
            self._turn(seat, number)
        elif kind == "find":
            seat.wanted = str(data.get("value") or "").strip()[:LONGEST_SEARCH]
            seat.found = self.reader.pages.search(seat.book, seat.wanted) if seat.wanted else None
        elif kind == "saw":
            said = str(data.get("saw") or "").removeprefix("#saw-")
            seat.told = int(said) if said.isdecimal() else None
        elif kind == "view":
            seat.view = TEXT if data.get("view") == TEXT else PRINT

    def _open(self, seat: Seat, book: str | None) -> None:
        if book is None:
            seat.open(None, {}, None)
            return
        details = self.reader.show(book)
        chats = self.reader.chats(details["id"])
        seat.open(details["id"], details, chats[0]["id"] if chats else None)
        # A lift is what a reader comes back for; otherwise it is the page.
        seat.desk = (details.get("job") or {}).get("state") in (*ACTIVE, "failed")

    def _turn(self, seat: Seat, page: int, mark: Mark | None = None) -> None:
        pages = max(1, int(seat.details.get("pages") or 1))
        seat.page, seat.mark = min(max(page, 1), pages), mark

    # Books

    def add(self, seat: Seat, files: list[str] | None) -> Iterator[Updates]:
        """Files were dropped: read them one by one. Results: `PARTS`, the notice, the drop zone."""
        for file in files or []:
            yield from self._add(seat, Path(file), upload=True)

    def add_sample(self, seat: Seat) -> Iterator[Updates]:
        """Put the sample book on the shelf. Results as for `add`."""
        yield from self._add(seat, self.reader.sample_book(), upload=False)

    def _add(self, seat: Seat, path: Path, *, upload: bool) -> Iterator[Updates]:
        notice = words.READING_FILE.format(name=path.name)
        yield [*(gr.skip() for _ in PARTS), _notice(notice), gr.skip()]
        try:
            added = self.reader.add(path)
            self._open(seat, added["id"])
            seat.desk = True
            said = words.ADDED if added.get("new", True) else words.ALREADY_THERE
            notice, trouble = said.format(title=added["title"]), False
        except Exception as error:
            notice, trouble = tell(error), True
        finally:
            if upload:
                forget_upload(path)
        yield [*self.draw(seat), _notice(notice, trouble=trouble), None]

    @calm
    def remove(self, seat: Seat) -> Updates:
        """Delete the open book and everything of it."""
        if seat.book is not None:
            title = seat.details.get("title", "")
            self.reader.rm(seat.book)
            books = self.reader.books()
            self._open(seat, books[0]["id"] if books else None)
            gr.Info(escape(words.REMOVED.format(title=title)), title=words.SHELF)
        return self.draw(seat)

    # Learning

    @calm
    def learn(self, seat: Seat, recipe: str | None) -> Updates:
        """Start learning the open book. The engine does it; this returns at once."""
        if seat.book is None:
            raise NotFound(words.NO_BOOK)
        started = self.reader.start_tune(seat.book, recipe=recipe)
        if started.get("cached"):
            gr.Info(escape(words.ON_THE_SHELF), title=words.LEARNED)
        return self.draw(seat)

    @calm
    def pause(self, seat: Seat) -> Updates:
        """Pause the lift of the open book."""
        return self._steer(seat, self.reader.pause)

    @calm
    def resume(self, seat: Seat) -> Updates:
        """Go on with it."""
        return self._steer(seat, self.reader.resume)

    @calm
    def cancel(self, seat: Seat) -> Updates:
        """Cancel it."""
        return self._steer(seat, self.reader.cancel)

    def _steer(self, seat: Seat, verb: Callable[[str], Any]) -> Updates:
        job = self.view.status(seat.book).get("job")
        if job is not None:
            verb(job)
        return self.draw(seat)

    # Talking

    def ask(
        self, seat: Seat, question: str, arm: str, evidence: bool, strength: float
    ) -> Iterator[tuple[Any, Any, Any, Any]]:
        """Stream an answer. Results: chat, question box, ask button, stop button."""
        question = (question or "").strip()
        if not question or seat.book is None or seat.answering:
            yield gr.skip(), gr.skip(), gr.skip(), gr.skip()
            return
        seat.answering = True
        busy = (gr.update(value=""), gr.update(visible=False), gr.update(visible=True))
        idle = (gr.skip(), gr.update(visible=True), gr.update(visible=False))
        talk: list[chat.Message] = []
        try:
            if seat.chat is None:
                title = textwrap.shorten(question, TITLE, placeholder=" …")
                seat.chat, seat.blank = self.reader.new_chat(seat.book, title)["id"], False
            talk = [*chat.messages_html(self.reader.messages(seat.chat)), chat.user(question)]
            ready = self.reader.model_state().get("state") == "ready"
            hint = chat.waiting(words.THINKING if ready else words.THINKING_MODEL)
            yield ([*talk, hint], *busy)
            last: chat.Message = hint
            for last in self._answer(seat, question, arm, evidence, strength):
                yield [*talk, last], gr.skip(), gr.skip(), gr.skip()
            yield ([*talk, last], *idle)
        except Exception as error:
            again = (gr.update(value=question), *idle[1:])
            yield ([*talk, chat.trouble(tell(error))], *again)
        finally:
            # Also when the window is gone: Gradio then closes this generator.
            seat.answering = False

    def _answer(
        self, seat: Seat, question: str, arm: str, evidence: bool, strength: float
    ) -> Iterator[chat.Message]:
        """The growing answer as messages, the last one with its citations."""
        assert seat.book is not None
        text, drawn = "", 0.0
        stream = self.reader.ask_stream(
            seat.book, question, arm=arm, evidence=evidence, strength=strength, chat=seat.chat
        )
        for piece in stream:
            if "answer" in piece:
                yield chat.assistant(piece["answer"]["answer"], piece["answer"])
                return
            text += piece.get("text", "")
            if text.strip() and time.monotonic() - drawn >= FRAME:
                drawn = time.monotonic()
                yield chat.assistant(text, None)

    def stop(self) -> None:
        """Stop the answer that is being written; what is there stays."""
        self.reader.stop_answer()

    @calm
    def new_chat(self, seat: Seat) -> Updates:
        """Begin another chat about the open book. Its first question creates and names it."""
        seat.chat, seat.blank = None, True
        return self.draw(seat)

    @calm
    def delete_chat(self, seat: Seat) -> Updates:
        """Delete the open chat; the one before it opens."""
        if seat.book and seat.chat:
            self.reader.delete_chat(seat.chat)
            chats = self.reader.chats(seat.book)
            seat.chat = chats[0]["id"] if chats else None
        return self.draw(seat)


def _notice(text: str, *, trouble: bool = False) -> str:
    role, css = ("alert", "trouble") if trouble else ("status", "quiet")
    return f'<p class="{css}" role="{role}">{escape(text)}</p>'
