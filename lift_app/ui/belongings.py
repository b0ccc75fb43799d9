"""Belongings: whose a window is, and whose a file that was sent; how many windows are kept open.

Gradio knows windows by names that browsers make up, and files by their content; here both belong
to the visitor who used or sent them. Forgets those that were not seen for longest. Safe between
threads.
"""

from __future__ import annotations

import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable

MOST_KNOWN = 20_000
"""Names of windows, of files and of events that are remembered, of each."""
MOST_OPEN = 112
"""Windows that are kept open, of all visitors."""
OPEN_EACH = 24
"""Windows of one visitor that are kept open, calls of verbs that were not heard yet among them."""
MOST_UNHEARD = 50
"""Events of a window that nobody has listened to; Gradio keeps what they say until then."""

_NAME = re.compile(r"[A-Za-z0-9_-]{0,64}")
"""Of a window. Gradio puts such names together with others, and keeps them for long."""


class Windows:
    """Whose the windows are, by the names that browsers gave them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owners: OrderedDict[str, str] = OrderedDict()

    def belongs(self, window: str, owner: str | None) -> bool:
        """True if the window is the owner's, or nobody's until now; never for an odd name."""
        if not _NAME.fullmatch(window):
            return False
        with self._lock:
            known = self._owners.get(window)
            if known is None and owner is not None:
                self._owners[window] = known = owner
                while len(self._owners) > MOST_KNOWN:
                    self._owners.popitem(last=False)
            return known is None or known == owner


class OpenWindows:
    """Which windows are kept open. Who has many loses some before who has few."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, OrderedDict[str, None]] = {}

    def used(self, window: str, owner: str) -> list[str]:
        """A window did something; gives those that are to be closed for it.

        They are the longest unused of the owner, who has too many, or of whoever has most.
        """
        closed: list[str] = []
        with self._lock:
            own = self._of.setdefault(owner, OrderedDict())
            own[window] = None
            own.move_to_end(window)
            if len(own) > OPEN_EACH:
                closed.append(own.popitem(last=False)[0])
            while sum(map(len, self._of.values())) > MOST_OPEN:
                # Of equals the one who came first: dictionaries keep that order.
                most = max(self._of, key=lambda one: len(self._of[one]))
                closed.append(self._of[most].popitem(last=False)[0])
                if not self._of[most]:
                    del self._of[most]
        return closed

    def closed(self, window: str, owner: str) -> None:
        """A window is needed no more."""
        with self._lock:
            own = self._of.get(owner, OrderedDict())
            own.pop(window, None)
            if not own:
                self._of.pop(owner, None)


class Unheard:
    """What was asked for, and nobody has listened to yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._windows: OrderedDict[str, str] = OrderedDict()

    def asked(self, event: str, window: str) -> None:
        """A window has asked for something; the event is what it is told by."""
        with self._lock:
            self._counts[window] += 1
            self._windows[event] = window
            while len(self._windows) > MOST_KNOWN:
                self._counts.pop(self._windows.popitem(last=False)[1], None)

    def heard(self, name: str) -> None:
        """Somebody listens to a window, or to an event of it."""
        with self._lock:
            self._counts.pop(self._windows.pop(name, name), None)

    def is_full(self, window: str) -> bool:
        """Whether a window has asked for more than is kept for it."""
        with self._lock:
            return self._counts[window] >= MOST_UNHEARD


class Files:
    """Whose the files are that wait to be read; two visitors may have sent the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owners: OrderedDict[str, set[str]] = OrderedDict()

    def sent(self, paths: Iterable[str], owner: str) -> None:
        """An owner has sent files, which wait there now."""
        with self._lock:
            for path in paths:
                self._owners[path] = self._owners.pop(path, set()) | {owner}
                while len(self._owners) > MOST_KNOWN:
                    self._owners.popitem(last=False)

    def belongs(self, path: str, owner: str) -> bool:
        """True if the owner has sent the file."""
        with self._lock:
            return owner in self._owners.get(path, ())
