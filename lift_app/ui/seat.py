"""Seat: where one browser window is in the reading room, and what it already shows.

A seat is per window and lives as long as the window. It owns no data: books, chats and progress
are the Reader's, so that a reload or a second window finds the same.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from lift_app.ui.receipts import Receipts

if TYPE_CHECKING:
    from lift_app.recording import Recording
    from lift_app.ui.compare import Column
    from lift_app.ui.replay import Replay

PRINT, TEXT = "print", "text"
"""How the pages of a PDF are shown: as they are printed, or their text alone."""

_REFERENCE = re.compile(r"\d{1,9}(?:-\d{1,9}-\d{1,9}){1,64}\Z")


@dataclass(frozen=True)
class Mark:
    """What is marked on a page: a cited quote, or the words that were looked for.

    `spans` are half-open ranges of code points of the text of `page`.
    """

    page: int
    spans: tuple[tuple[int, int], ...]

    @property
    def reference(self) -> str:
        """`PAGE-START-END-START-END…`, as it stands in links."""
        return "-".join(map(str, (self.page, *(place for span in self.spans for place in span))))

    @classmethod
    def parse(cls, reference: str) -> Mark | None:
        """The inverse of `reference`; None for anything else."""
        if not _REFERENCE.match(reference):
            return None
        page, *places = map(int, reference.split("-"))
        return cls(page, tuple(zip(places[::2], places[1::2], strict=True)))


class Seat:
    """One window. Handlers change it, then draw what it shows.

    Attributes:
        book, page, mark, chat: what is open.
        desk: what was found in the file, and learning, stand above the page.
        preferences: the settings page stands in place of the book.
        steps: the first steps are shown to a reader who has not asked yet.
        replayed: a replay was seen in this window.
        recording: how the open book was learned, where it came learned with the project.
        replay: the recording that is being shown.
        view: whether a PDF's pages are shown as `PRINT` or as `TEXT`.
        told: number of the message whose context the strip shows; None for the last answer.
        ribbon: what `Reader.ribbon` gave for the open book; None before it was asked.
        note: what the last click could not do, in words.
        wanted, found: what is looked for in the book, and what `Pages.search` gave.
        blank: a new chat was asked for; it exists once its first question is.
        edited: the chat whose last question stands in the box; the next one takes its place.
        arrived: the window has said which book its address names; nothing is drawn before.
        waited: ticks that came before that.
        answering: an answer is being streamed into this window's chat; nothing else redraws it.
        halted: the reader has stopped what is being answered.
        compared: the question of the comparison that is shown, and its columns.
        starters: first questions of the open book; None while they are being found.
        details: `Reader.show` of the open book: what does not change while it is open.
        orders: of the last act of each sort; one that comes after a later one is out of date.
        shown: signature of what was last sent for each part, so that a tick sends only changes.
        receipts: which draws the browser has had.
        begun: what the state of a part that a reader can change was last set for.
        doubted: a leaf was sent again, so the browser may not show the page that it says.
        lock: a tick and a click may run at once; what is recorded must be what was sent last, and
            what is half way must not be sent.
    """

    def __init__(self) -> None:
        self.book: str | None = None
        self.page = 1
        self.mark: Mark | None = None
        self.desk = self.preferences = False
        self.steps, self.replayed = True, False
        self.recording: Recording | None = None
        self.replay: Replay | None = None
        self.view = PRINT
        self.ribbon: dict[str, Any] | None = None
        self.told: int | None = None
        self.note = ""
        self.wanted = ""
        self.found: dict[str, Any] | None = None
        self.chat: str | None = None
        self.blank = False
        self.edited: str | None = None
        self.arrived = False
        self.waited = 0
        self.answering = self.halted = False
        self.compared: tuple[str, list[Column]] | None = None
        self.starters: list[str] | None = None
        self.details: dict[str, Any] = {}
        self.orders: dict[str, int] = {}
        self.shown: dict[str, Any] = {}
        self.begun: dict[str, Any] = {}
        self.receipts = Receipts()
        self.doubted = False
        self.lock = threading.RLock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Seat:
        """Gradio copies the initial value for each window: a fresh seat."""
        return Seat()

    def open(self, book: str | None, details: dict[str, Any], chat: str | None) -> None:
        """Take another book off the shelf, or none."""
        self.book, self.details, self.chat = book, details, chat
        self.page, self.mark, self.blank, self.told = 1, None, False, None
        self.ribbon = self.compared = self.starters = self.recording = self.replay = None
        self.wanted, self.found, self.note, self.edited = "", None, "", None

    def news(self, part: str, signature: Any, update: Any) -> Any:
        """`update` if `signature` differs from what this window shows in `part`, else a skip."""
        if part in self.shown and self.shown[part] == signature:
            return gr.skip()
        self.shown[part] = signature
        self.receipts.note(part)
        return update

    def begins(self, part: str, state: Any) -> bool:
        """Whether a part begins anew: what a reader has set in it stays where it is sent again."""
        if part in self.begun and self.begun[part] == state:
            return False
        self.begun[part] = state
        self.receipts.note_state(part)
        return True

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """A draw under way: what is `news` in it is sent together, or not at all."""
        with self.lock:
            self.receipts.begin()
            try:
                yield
            except BaseException:
                self._forget(*self.receipts.failed())
                raise

    def receipt(self) -> Any:
        """The number of the draw under way, for the browser; a skip where it changes nothing."""
        return str(self.receipts.number) if self.receipts.changed else gr.skip()

    def received(self, receipt: object) -> None:
        """What a browser says it has had, with a tick: what it lacks is sent again."""
        self._forget(*self.receipts.missing(receipt))

    def _forget(self, parts: list[str], states: list[str]) -> None:
        for part in {*parts, *states}:
            self.shown.pop(part, None)
        for part in states:
            self.begun.pop(part, None)
        self.doubted = self.doubted or "leaf" in parts
