"""Receipts: which of the draws of a window its browser has had, and in what order.

Clicks are answered through Gradio's queue and ticks are not, and a stream's last answer comes once
more at its end. So on a busy machine the answer to a click may reach the browser after a later
tick's, and put back what that one had changed. Each draw that changes something has a number. The
browser (`page.js`) notices a number that is lower than one it has had, and says so with the next
tick; what it lacks is then sent again.
"""

from __future__ import annotations

import time

LONGEST = 40
"""Characters of a receipt; it comes from a browser."""


class Receipts:
    """The draws of one window. Not safe between threads: its seat's lock is held."""

    def __init__(self) -> None:
        # Above those of a seat that was forgotten, in whose place this one may stand.
        self.number = time.time_ns() // 1_000_000
        self._parts: dict[str, int] = {}
        self._states: dict[str, tuple[int, int]] = {}
        self._due = 0

    def begin(self) -> None:
        """A draw begins."""
        self.number += 1

    def note(self, part: str) -> None:
        """A part of the page is changed by the draw under way."""
        self._parts[part] = self.number

    def note_state(self, part: str) -> None:
        """The draw under way sets what a reader can change in a part."""
        before, _ = self._states.get(part, (0, 0))
        self._states[part] = self.number, before

    @property
    def changed(self) -> bool:
        """Whether the draw under way changes anything."""
        return self.number in self._parts.values()

    def expect(self) -> None:
        """The next tick comes after the browser has had the draw under way, a tick's."""
        if self.changed:
            self._due = self.number

    def missing(self, receipt: object) -> tuple[list[str], list[str]]:
        """The parts that a browser lacks, and those whose state it may lack, too.

        Args:
            receipt: the highest number it has had; after a space the lowest that came too late, if
                there is one. Anything else is as if it had not come.
        """
        words = receipt[:LONGEST].split() if isinstance(receipt, str) else []
        if not words or not all(word.isascii() and word.isdecimal() for word in words):
            return [], []
        highest, *late = map(int, words)
        # A tick's answer that has never come was lost on the way; it is made good once.
        lost = 0 < highest < self._due
        if not (late or lost):
            return [], []
        if lost:
            self._due = 0
        first = min([*late, highest])
        # A state was set by a draw that never came, or the late one has set an older one again.
        states = [
            part
            for part, (last, before) in self._states.items()
            if last > highest or (late and before >= first)
        ]
        return self._taken_back(first + 1), states

    def failed(self) -> tuple[list[str], list[str]]:
        """The parts, and the states of parts, that the draw under way would have changed."""
        states = [part for part, (last, _) in self._states.items() if last == self.number]
        return self._taken_back(self.number), states

    def _taken_back(self, first: int) -> list[str]:
        """The parts that a draw from number `first` on has changed: they count as not sent."""
        parts = [part for part, number in self._parts.items() if number >= first]
        for part in parts:
            del self._parts[part]
        return parts
