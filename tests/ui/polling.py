"""How long a window waits for its polls: the time of each tick's answer, as the browser saw it."""

from __future__ import annotations

import math

from browsing import Window


class Polls:
    """Milliseconds of every poll of a window, from the request to the end of its answer."""

    def __init__(self, window: Window) -> None:
        self.times: list[float] = []
        self._page = window.page
        self._page.on("requestfinished", self._note)

    def _note(self, request) -> None:
        if request.method != "POST" or "/run/" not in request.url:
            return
        if '"event_data":{' not in (request.post_data or ""):  # a click is no poll
            self.times.append(request.timing["responseEnd"] - request.timing["requestStart"])

    def wait_for(self, count: int) -> None:
        """Wait until so many polls have been answered."""
        while len(self.times) < count:
            self._page.wait_for_event("requestfinished", timeout=60_000)

    def percentile(self, share: float) -> float:
        """The time under which this share of the polls was answered."""
        ordered = sorted(self.times)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
