"""Belongings: whose a window is, and whose a file that was sent.

Gradio knows windows by names that browsers make up, and files by their content; here both belong
to the visitor who used or sent them. Forgets those that were not seen for longest. Safe between
threads.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

MOST_WINDOWS = 20_000
MOST_FILES = 20_000


class Windows:
    """Whose the windows are, by the names that browsers gave them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owners: OrderedDict[str, str] = OrderedDict()

    def belongs(self, window: str, owner: str | None) -> bool:
        """True if the window is the owner's, or nobody's until now."""
        with self._lock:
            known = self._owners.get(window)
            if known is None and owner is not None:
                self._owners[window] = known = owner
                while len(self._owners) > MOST_WINDOWS:
                    self._owners.popitem(last=False)
            return known is None or known == owner


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
                while len(self._owners) > MOST_FILES:
                    self._owners.popitem(last=False)

    def belongs(self, path: str, owner: str) -> bool:
        """True if the owner has sent the file."""
        with self._lock:
            return owner in self._owners.get(path, ())
