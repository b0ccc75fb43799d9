"""Rates: how often somebody may do something. Token buckets in memory, by name.

A bucket holds `burst` permissions and is refilled evenly; a restart fills all of them. Who somebody
is, and what is rated, is not known here.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

MOST_NAMES = 20_000
"""Names that are remembered; those not seen for longest are forgotten first."""


class Rates:
    """Buckets of one kind. Safe between threads.

    Args:
        burst: permissions of a full bucket.
        seconds: in which an empty one is full again.
    """

    def __init__(self, burst: float, seconds: float) -> None:
        self._burst, self._seconds = burst, seconds
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, name: str) -> float:
        """Take a permission; 0.0 if there was one, else the seconds until there is."""
        with self._lock:
            now = time.monotonic()
            left, seen = self._buckets.pop(name, (self._burst, now))
            left = min(self._burst, left + (now - seen) * self._burst / self._seconds)
            granted = left >= 1
            self._buckets[name] = (left - 1 if granted else left, now)
            while len(self._buckets) > MOST_NAMES:
                self._buckets.popitem(last=False)
            return 0.0 if granted else (1 - left) * self._seconds / self._burst
