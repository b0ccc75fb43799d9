"""House: a shared app from the inside. Its visitors, and what they may do at once and how often.

Numbers that a reader of the README may want to change are settings; the others stand here. Who
stands at the door is for `ui.door` to find out.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from lift_app.errors import Busy, LiftError
from lift_app.library.usage import last_touched
from lift_app.reader import Reader
from lift_app.settings import Settings
from lift_app.visitors.passes import Passes
from lift_app.visitors.rates import Rates
from lift_app.visitors.visitor import Visitor, limit

ADDS_AN_HOUR, LIFTS_AN_HOUR = 20, 10
"""Of one visitor."""
MOST_ASKING, ASKING_AT_ONCE = 16, 2
"""Questions that wait or are answered: of all visitors, and of one."""
MOST_ADDING = 4
"""Files that wait or are read, of all visitors; one of each."""
READ_SECONDS, READ_MEMORY_MB = 20, 1024
"""Limits of reading one file, at most: the others wait for it."""
SWEEP_SECONDS = 3600.0
GRACE_SECONDS = 6 * 3600.0
"""How long the app has to find a shelf unused before it clears it: a clock that is wrong for an
hour, as after a machine was woken, costs nobody a shelf."""

_MOST_KNOWN = 256
log = logging.getLogger(__name__)


def within_limits(settings: Settings) -> Settings:
    """Settings for a Reader that visitors share."""
    return replace(
        settings,
        max_file_mb=min(settings.max_file_mb, settings.visitor_mb),
        read_seconds=min(settings.read_seconds, READ_SECONDS),
        read_memory_mb=min(settings.read_memory_mb, READ_MEMORY_MB),
        recipe_minutes=min(settings.recipe_minutes, settings.visitor_minutes),
    )


class House:
    """The visitors of one shared app. Safe between threads.

    Args:
        reader: has the model, and the settings of `within_limits`.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.passes = Passes(reader.settings.home)
        self.queueing = threading.Lock()
        """Held from the look at the waiting lifts until a new one is among them."""
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Visitor] = OrderedDict()
        self._asking: Counter[str] = Counter()
        self._adding: Counter[str] = Counter()
        self._unused: dict[str, float] = {}
        """Owner -> when the shelf was first found unused, by a clock that never jumps."""
        self._questions = Rates(reader.settings.visitor_questions, 60.0)
        self._adds, self._lifts = Rates(ADDS_AN_HOUR, 3600.0), Rates(LIFTS_AN_HOUR, 3600.0)

    def visitor(self, owner: str) -> Visitor:
        """The Reader of a visitor."""
        with self._lock:
            visitor = self._known.pop(owner, None) or Visitor(self, owner)
            self._known[owner] = visitor
            while len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return visitor

    @contextmanager
    def kept_tidy(self) -> Iterator[None]:
        """While it lasts, `sweep` is called in the background: at once, and then every hour."""
        over = threading.Event()

        def tidy() -> None:
            while not over.is_set():
                try:
                    self.sweep()
                except Exception:  # the app goes on, and the next hour tries again
                    log.exception("the shelves could not be looked through")
                over.wait(SWEEP_SECONDS)

        thread = threading.Thread(target=tidy, name="sweep", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def sweep(self) -> list[str]:
        """Clear shelves on which nothing was done for `visitor_days`; gives their owners."""
        oldest = datetime.now(UTC) - timedelta(days=self.reader.settings.visitor_days)
        now = time.monotonic()
        self._unused = {
            owner: self._unused.get(owner, now)
            for owner, touched in last_touched(self.reader.library).items()
            if owner.startswith("visitor-") and datetime.fromisoformat(touched) < oldest
        }
        cleared = [o for o, since in self._unused.items() if now - since >= GRACE_SECONDS]
        for owner in cleared:
            self._clear(owner)
        return cleared

    @contextmanager
    def asking(self, owner: str) -> Iterator[None]:
        """A question, from its asking to its answer. Raises CallerError or Busy: too many."""
        _take(self._questions, owner, "questions", self.reader.settings.visitor_questions, "minute")
        with self._lock:
            if self._asking[owner] >= ASKING_AT_ONCE:
                raise limit("Your last questions are still being answered. Wait for one of them.")
            if self._asking.total() >= MOST_ASKING:
                raise Busy(f"{MOST_ASKING} questions of others are waiting. Try again in a moment.")
            self._asking[owner] += 1
        with self._counted(self._asking, owner):
            yield

    @contextmanager
    def adding(self, owner: str) -> Iterator[None]:
        """A file, while it is read. Raises CallerError or Busy: too many."""
        _take(self._adds, owner, "files", ADDS_AN_HOUR, "hour")
        with self._lock:
            if self._adding[owner]:
                raise limit("Another file of yours is being read. Add this one after it.")
            if self._adding.total() >= MOST_ADDING:
                raise Busy(f"{MOST_ADDING} files of others are being read. Try again in a moment.")
            self._adding[owner] += 1
        with self._counted(self._adding, owner):
            yield

    def count_lift(self, owner: str) -> None:
        """A lift is asked for. Raises CallerError: too many."""
        _take(self._lifts, owner, "lifts", LIFTS_AN_HOUR, "hour")

    @contextmanager
    def _counted(self, counter: Counter[str], owner: str) -> Iterator[None]:
        try:
            yield
        finally:
            with self._lock:
                counter[owner] -= 1
                if not counter[owner]:
                    del counter[owner]

    def _clear(self, owner: str) -> None:
        visitor = self.visitor(owner)
        try:
            for book in visitor.books():
                visitor.rm(book["id"])
        except LiftError:
            log.exception("a shelf could not be cleared; it is tried again")
        with self._lock:
            self._known.pop(owner, None)


def _take(rates: Rates, owner: str, what: str, most: int, span: str) -> None:
    wait = rates.wait(owner)
    if wait:
        raise limit(
            f"A visitor may send {most} {what} in one {span} here. "
            f"Try again in {max(1, round(wait)):,} seconds."
        )
