"""Lines of a printed page and the paragraphs that they make.

Owns what a line is (text and box, in points, origin at the bottom left) and when two lines belong
together: by indentation, distance, and whether the next word would have fitted. Knows nothing
about PDF libraries or running heads.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

_ENDS_SENTENCE = re.compile(r"[.!?…:;][\"'”’»)\]]*\d{0,3}$")
_HYPHEN_END = re.compile(r"(\w+)[-\u2010\u2011]$")
_LONGEST_WORD = 100
_HYPHENS = ("-", "\u2010", "\u2011")
_FIRST_WORD = re.compile(r"\w+")
_LAST_WORD = re.compile(r"\w+$")
_WORD = re.compile(r"\w+(?:[-\u2010\u2011]\w+)*")
# "could fly.The moment": tight setting hides the space. Not "www.Example" or "Node.Js/x".
_LOST_SPACE = re.compile(
    r"(?<![\w@/.])([A-Za-z’'-]{0,40}[a-z]{2}[.!?][”’]?)([A-Z][a-z]+)(?![\w/@])"
)

_MAYBE_LOST = re.compile(r"[a-z][.!?][”’]?[A-Z]")


@dataclass(frozen=True)
class Line:
    """One printed line."""

    text: str
    left: float
    bottom: float
    right: float
    top: float
    broken_word: bool = False
    """The line ended in a hyphen that only the line's end made necessary."""

    @property
    def height(self) -> float:
        """Height of the type, in points."""
        return max(self.top - self.bottom, 0.1)

    @property
    def letter(self) -> float:
        """Mean width of a letter, in points."""
        return max(self.right - self.left, 1.0) / max(len(self.text), 1)

    @property
    def is_row(self) -> bool:
        """Whether wide gaps tell that this is a row of a table."""
        return self.letter > 0.85 * self.height and " " in self.text

    @property
    def middle(self) -> float:
        """Height of the line's middle above the bottom of the page, in points."""
        return (self.top + self.bottom) / 2


class Vocabulary:
    """The words of a document: tells a broken word from one with a hyphen of its own."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._words: Counter[str] = Counter()
        for line in lines:
            self._words.update(_WORD.findall(line.text.casefold()))

    def join(self, left: str, right: str) -> str:
        """Join the two parts of a word that a line's end tore: with a hyphen or without."""
        joined, hyphenated = (left + right).casefold(), f"{left}-{right}".casefold()
        if self._words[hyphenated] > self._words[joined]:
            return f"{left}-{right}"
        if self._words[joined] or (left.isalpha() and right[:1].islower()):
            return left + right
        return f"{left}-{right}"


def paragraphs(lines: Sequence[Line], vocabulary: Vocabulary) -> list[str]:
    """Put the lines of one page, in reading order, together into paragraphs."""
    if not lines:
        return []
    leading = _leading(lines)
    edges = _right_edges(lines)
    groups: list[list[Line]] = [[lines[0]]]
    for index in range(1, len(lines)):
        above, below = lines[index - 1], lines[index]
        if _same_row(above, below):
            groups[-1].append(below)
        elif _begins_paragraph(groups[-1], below, edges[index - 1], leading):
            groups.append([below])
        else:
            groups[-1].append(below)
    texts = [_join(group, vocabulary) for group in groups]
    return [
        _LOST_SPACE.sub(r"\1 \2", text) if _MAYBE_LOST.search(text) else text
        for text in texts
        if text
    ]


def _same_row(above: Line, below: Line) -> bool:
    """Two pieces of one printed row: cells of a table, or words set wide apart."""
    level = below.bottom < above.middle < below.top or above.bottom < below.middle < above.top
    return level and below.left >= above.left and not above.broken_word


def _begins_paragraph(
    group: Sequence[Line], below: Line, right_edge: float, leading: float
) -> bool:
    above = group[-1]
    if above.broken_word:
        return False
    if above.text[-1:] in _HYPHENS and below.text[:1].islower():
        return False
    ended = bool(_ENDS_SENTENCE.search(above.text))
    if below.bottom > above.top or below.left > above.right:
        # A new column: the paragraph goes on if the sentence does.
        return ended or not below.text[:1].islower()
    size = min(above.height, below.height)
    if max(above.height, below.height) > 1.25 * size:
        return True
    if above.bottom - below.bottom > 1.4 * max(leading, size):
        return True
    if above.is_row or below.is_row:
        return True
    letter = min(below.letter, 0.6 * size)
    first_word = len(below.text.split(maxsplit=1)[0]) * letter
    if above.right + 0.7 * letter + first_word < right_edge - 0.4 * size:
        return True
    indent = below.left - above.left
    if indent > 0.6 * size:
        return ended
    if indent < -0.6 * size and len(group) > 1:
        return ended
    return False


def _leading(lines: Sequence[Line]) -> float:
    """Usual distance between the feet of two lines, in points."""
    steps = [
        above.bottom - below.bottom
        for above, below in pairwise(lines)
        if 0.5 * above.height < above.bottom - below.bottom < 4 * above.height
    ]
    return median(steps) if steps else 0.0


def _right_edges(lines: Sequence[Line]) -> list[float]:
    """For each line the right edge of its column: of all lines that begin about where it does."""
    edges: dict[int, float] = {}
    for line in lines:
        place = round(line.left / 6)
        if place in edges:
            continue
        reach = 6 * line.height
        peers = sorted(other.right for other in lines if abs(other.left - 6 * place) < reach)
        # One line that sticks out (a formula, a wide heading) does not make the column wider.
        edges[place] = peers[int(len(peers) * 0.9) - 1] if len(peers) > 9 else peers[-1]
    return [max(line.right, edges[round(line.left / 6)]) for line in lines]


def _join(group: Sequence[Line], vocabulary: Vocabulary) -> str:
    text = group[0].text.strip()
    for above, below in pairwise(group):
        following = below.text.strip()
        row = _same_row(above, below)
        hyphen = _HYPHEN_END.search(text, _near_end(text)) if text[-1:] in _HYPHENS else None
        if above.broken_word or (hyphen and following[:1].islower() and not row):
            text = _mend(text, hyphen[1] if hyphen else "", following, vocabulary)
            continue
        dash = text.endswith(("—", "–")) and not text.endswith((" —", " –"))
        close = row and below.left - above.right < 0.1 * below.height
        text += following if dash or close else f" {following}"
    # A word that the end of the page tears keeps its hyphen, as it is printed.
    return text + "-" if group[-1].broken_word else text


def _near_end(text: str) -> int:
    """Where to look for the last word from; from every word of the text would be quadratic."""
    return max(0, len(text) - _LONGEST_WORD)


def _mend(text: str, left: str, following: str, vocabulary: Vocabulary) -> str:
    """Put a torn word together; `left` is its beginning where a hyphen still stands after it."""
    end = len(text) - len(left) - 1 if left else None
    if not left and (match := _LAST_WORD.search(text, _near_end(text))):
        left, end = match[0], match.start()
    right = _FIRST_WORD.match(following)
    if end is None or right is None:
        return text + following
    return text[:end] + vocabulary.join(left, right[0]) + following[right.end() :]
