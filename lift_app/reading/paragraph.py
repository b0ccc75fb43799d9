"""Paragraph: one that does not fit on a page, taken off piece by piece.

Counts its words once, however many pages it fills, so a book without a single break costs no more
than any other. Knows how large a piece may be, not where pages end.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from lift_app.reading.characters import UNSPACED, count_words

_SENTENCE_END = re.compile(
    r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？])[」』”’]*|\n",  # noqa: RUF100
)
_WORD = re.compile(rf"[^\s{UNSPACED.pattern[1:-1]}]+")
# Longest "words" are cut too: scripts without spaces have no other place to break.
_CHUNK = re.compile(r"\S{1,100}\s*")


class Paragraph:
    """What is left of a paragraph.

    Attributes:
        words: how many words are left, as `count_words` counts them.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._start = 0
        self.words = count_words(text)
        self._ends: array[int] | None = None

    def take(self, room: int, most: int) -> str:
        """Take off all sentences that fit into `room` words; empty if none does.

        Where none fits, and more than `most` words are left, words are taken: no page can hold it.
        """
        if self.words <= room:
            return self._take_to(len(self._text))
        ends = self._sentence_ends()
        first = bisect_right(ends, self._start)
        end = self._last_fitting((ends[number] for number in range(first, len(ends))), room)
        if end == self._start and self.words > most:
            chunks = _CHUNK.finditer(self._text, self._start)
            end = self._last_fitting((match.end() for match in chunks), room)
        return self._take_to(end)

    def _take_to(self, end: int) -> str:
        taken = self._text[self._start : end].strip()
        self._start = end
        self.words = self._count(end, len(self._text)) if end < len(self._text) else 0
        return taken

    def _last_fitting(self, ends: Iterable[int], room: int) -> int:
        """The last of the ends before which there are at most `room` words, or where it starts."""
        best, size = self._start, 0
        for end in ends:
            size += self._count(best, end)
            if size > room or end == len(self._text):
                break
            best = end
        return best

    def _count(self, start: int, end: int) -> int:
        """Words between two places, as `count_words` counts them."""
        unspaced = bisect_left(self._unspaced, end) - bisect_left(self._unspaced, start)
        words = bisect_left(self._word_starts, end) - bisect_right(self._word_ends, start)
        return max(0, words) + (unspaced + 1) // 2

    def _sentence_ends(self) -> array[int]:
        """Ends of its sentences; looked for, with its words, when it is first cut."""
        if self._ends is None:
            text = self._text = self._text.strip()
            self._ends = array("Q", (match.end() for match in _SENTENCE_END.finditer(text)))
            self._unspaced = array("Q", (match.start() for match in UNSPACED.finditer(text)))
            self._word_starts, self._word_ends = array("Q"), array("Q")
            for match in _WORD.finditer(text):
                self._word_starts.append(match.start())
                self._word_ends.append(match.end())
        return self._ends
