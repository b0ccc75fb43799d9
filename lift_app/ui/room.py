"""The reading room's behaviour: what each act of a reader does.

Every handler changes the window's `Seat` and draws; the tick only draws. The room owns no data
and runs no long work but the answers of the talk.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from lift_app.errors import NotFound
from lift_app.lifting.recipe import WITH_TASKS
from lift_app.ui import chat, words
from lift_app.ui.lift_view import ACTIVE
from lift_app.ui.replay import Replay
from lift_app.ui.seat import PRINT, TEXT, Mark, Seat
from lift_app.ui.security import escape, forget_upload
from lift_app.ui.talk import Talk
from lift_app.ui.telling import say, tell
from lift_app.ui.view import PARTS, Updates, View
from lift_app.ui.writing import Writings

if TYPE_CHECKING:
    from lift_app.reader import Reader

log = logging.getLogger(__name__)

PLACES = dict.fromkeys(("turn", "cite", "show", "goto"), "page") | {
    "chat": "chat",
    "new": "chat",
    "find": "find",
    "book": "book",
}
"""Acts by what they choose: of those that choose the same, the last click counts."""
READING = ("cite", "find", "goto", "saw", "show", "turn", "view")
"""Acts that change nothing but the page and what is marked on it."""

FORGOTTEN_TICKS = 15
"""A window says where it is before so many; one that did not had said it before."""
LONGEST_SEARCH = 200
"""Characters of a search that are looked for."""


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


class Room:
    """Handlers of one running app, shared by all windows."""

    def __init__(self, reader: Reader, writings: Writings | None = None) -> None:
        writings = writings or Writings()
        self.reader = reader
        self.view = View(reader, writings)
        self.talk = Talk(reader, self.view, writings)

    # Drawing

    def draw(self, seat: Seat) -> Updates:
        """An update for each of `PARTS`; a skip where the window is up to date."""
        return self.view.draw(seat)

    def tick(self, seat: Seat, receipt: object = "") -> Updates:
        """The timer's draw. A tick that fails is not worth a message: the next one comes.

        With what the browser says it has had (`Receipts`), what it lacks is sent again.

        A window that never arrives is one that the server has forgotten; it gets its seat back.
        """
        if not seat.arrived:
            seat.waited += 1
            if seat.waited < FORGOTTEN_TICKS:
                return [gr.skip() for _ in PARTS]
        try:
            with seat.lock:
                if not seat.arrived:
                    self._seat(seat, {})
                seat.received(receipt)
                updates = self.draw(seat)
                seat.receipts.expect()
                return updates
        except Exception:
            log.exception("a tick failed")
            return [gr.skip() for _ in PARTS]

    # Finding one's place

    @calm
    def arrive(self, seat: Seat, request: gr.Request) -> Updates:
        """A window opens or reloads: the book and page of its address, else what is being read."""
        # Together: a tick must not draw what is half way, for it may reach the browser after this.
        with seat.lock:
            self._seat(seat, dict(request.query_params))
            return self.draw(seat)

    def _seat(self, seat: Seat, wanted: dict[str, str]) -> None:
        seat.shown.clear()
        seat.begun.clear()
        seat.arrived = True
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

    def act(self, seat: Seat, event: gr.EventData) -> Updates:
        """A click inside our own HTML: `page.js` sends what was meant.

        Not queued, so what goes wrong cannot be a message of Gradio's: it stands over the page.
        """
        with seat.lock:
            seat.note = ""
            try:
                return self._act(seat, event._data or {})
            except Exception as error:
                seat.note = say(error)
                return self.draw(seat)

    def _act(self, seat: Seat, data: dict[str, Any]) -> Updates:
        kind = data.get("act")
        if _overtaken(seat, str(kind), int(data.get("order") or 0)):
            return [gr.skip() for _ in PARTS]
        if kind in READING and seat.book:
            turned = kind == "turn" and data.get("shown") is True
            if turned and data.get("of") not in (None, seat.book):
                return self.view.turn(seat)  # of a book that is being left, before that is seen
            self._read(seat, str(kind), data)
            if kind in ("cite", "show") and seat.desk:
                seat.desk = False
                return self.draw(seat)
            return self.view.turn(seat, turned=turned)
        if kind == "desk":
            seat.desk = data.get("value") == "open" or not seat.desk
        elif kind == "settings":
            seat.preferences = not seat.preferences
        elif kind == "steps":
            seat.steps = False
        elif kind == "replay":
            self._replay(seat, begin=data.get("value") == "begin")
        elif kind in ("forget", "remove", "remove-all"):
            self._delete(seat, str(kind), str(data.get("book") or ""))
        elif kind == "book":
            seat.preferences = False
            self._open(seat, str(data.get("book")))
        elif kind in ("chat", "new", "drop") and seat.book and not seat.answering:
            self._choose_chat(seat, seat.book, str(kind), str(data.get("chat")))
        elif kind == "close":
            seat.compared = None
        return self.draw(seat)

    def _replay(self, seat: Seat, *, begin: bool) -> None:
        """Show how the open book was learned, or end that."""
        seat.replay = Replay(seat.recording) if begin and seat.recording is not None else None
        seat.replayed = seat.replayed or begin
        seat.desk = begin

    def _delete(self, seat: Seat, kind: str, book: str) -> None:
        """What the settings page can delete: what was learned of a book, a book, every book."""
        if kind == "forget":
            self.reader.forget(book)
        else:
            books = [one["id"] for one in self.reader.books()]
            for one in books if kind == "remove-all" else [book]:
                self.reader.rm(one)
        left = [one["id"] for one in self.reader.books()]
        self._open(seat, seat.book if seat.book in left else (left or [None])[0])

    def _choose_chat(self, seat: Seat, book: str, kind: str, wanted: str) -> None:
        """Open a chat, begin one (its first question creates and names it), or delete one."""
        known = [one["id"] for one in self.reader.chats(book)]
        seat.told = seat.edited = None
        if kind == "new":
            seat.chat, seat.blank = None, True
        elif kind == "drop" and seat.chat is not None and seat.chat in known:
            if self.view.answering(seat):
                return
            self.reader.delete_chat(seat.chat)
            known.remove(seat.chat)
            seat.chat = known[0] if known else None
        elif kind == "chat" and wanted in known:
            seat.chat, seat.blank = wanted, False

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
        seat.recording = self.reader.recording(details["id"])
        # A lift is what a reader comes back for; otherwise it is the page.
        seat.desk = (details.get("job") or {}).get("state") in (*ACTIVE, "failed")

    def _turn(self, seat: Seat, page: int, mark: Mark | None = None) -> None:
        pages = max(1, int(seat.details.get("pages") or 1))
        seat.page, seat.mark = min(max(page, 1), pages), mark

    # Books

    def add(self, seat: Seat, files: list[str] | None) -> Iterator[Updates]:
        """Files were dropped: read them one by one. Results: `PARTS`, the notice, the drop zone."""
        for file in files or []:
            path = Path(file)
            yield from self._add(seat, path.name, partial(self.reader.add, path), upload=path)

    def add_sample(self, seat: Seat) -> Iterator[Updates]:
        """Put the sample book on the shelf. Results as for `add`."""
        yield from self._add(seat, words.SAMPLE_NAME, self.reader.add_sample)

    def _add(
        self,
        seat: Seat,
        name: str,
        add: Callable[[], dict[str, Any]],
        upload: Path | None = None,
    ) -> Iterator[Updates]:
        notice = words.READING_FILE.format(name=name)
        yield [*(gr.skip() for _ in PARTS), _notice(notice), gr.skip()]
        try:
            added = add()
            with seat.lock:
                seat.preferences = False
                self._open(seat, added["id"])
                # What comes learned is there to be read; another book's report comes first.
                seat.desk = seat.recording is None
            said = words.ADDED if added.get("new", True) else words.ALREADY_THERE
            notice, trouble = said.format(title=added["title"]), False
        except Exception as error:
            notice, trouble = tell(error), True
        finally:
            if upload is not None:
                forget_upload(upload)
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
    def learn(self, seat: Seat, recipe: str | None, tasks: bool = False) -> Updates:
        """Start learning the open book. The engine does it; this returns at once.

        Args:
            seat: whose book it is.
            recipe: name of the recipe.
            tasks: whether auxiliary tasks are learned, too.
        """
        if seat.book is None:
            raise NotFound(words.NO_BOOK)
        started = self.reader.start_tune(
            seat.book, recipe=recipe, values=WITH_TASKS if tasks else None
        )
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


def _notice(text: str, *, trouble: bool = False) -> str:
    role, css = ("alert", "trouble") if trouble else ("status", "quiet")
    return f'<p class="{css}" role="{role}">{escape(text)}</p>'


def _overtaken(seat: Seat, kind: str, order: int) -> bool:
    """Whether a later act of the same sort, or another book, has come before this one."""
    sort = PLACES.get(kind)
    if sort is None or not order:
        return False
    last = max(seat.orders.get(sort, 0), seat.orders.get("book", 0))
    seat.orders[sort] = max(order, last)
    return order < last
