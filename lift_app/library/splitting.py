"""Where a page is cut into passages. Knows text alone, no index.

Everything is counted in words; a character of a script without spaces counts as half a word.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from itertools import accumulate

SHORTEST = 60
LONGEST = 110
"""About how many words a passage has. `LONGEST` is never passed; a page's last passages, or a page
with few words, may be shorter than `SHORTEST`."""
TARGET = 85

UNSPACED_LETTERS = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Tibetan, Burmese, Khmer
    "\u3005-\u3007\u3040-\u312f\u31a0-\u31ff\uff66-\uff9f"  # kana, bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
"""Body of a character class: letters of scripts that put no spaces between words."""

_WIDE_MARKS = "\u3001-\u3004\u3008-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
_LETTER_WORDS = 0.5
_LONGEST_WORD = 40
_UNIT = re.compile(
    rf"(?P<wide>[{UNSPACED_LETTERS}{_WIDE_MARKS}])"
    rf"|[^\s{UNSPACED_LETTERS}{_WIDE_MARKS}]{{1,{_LONGEST_WORD}}}"
)
_SENTENCE_END = re.compile(r"[.!?\u2026\u061f\u0964\u06d4][\"'\u2019\u201d\u00bb)\]]*$")
_ABBREVIATION = re.compile(
    r"(?:^|[(\[\"'\u201c\u2018])"
    r"(?:[A-Z]|Mr|Mrs|Ms|Dr|St|Prof|Sr|Jr|Gen|Col|Capt|Lt|Sgt|Rev|Hon|Mt|vs|etc|cf|viz|No|Nos|Vol"
    r"|Fig|pp?|ch|e\.g|i\.e|[A-Z]\.[A-Z])\.$"
)
_WIDE_ENDS = "\u3002\uff01\uff1f\uff0e\uff61\u2026"
_WIDE_CLOSERS = "\u300d\u300f\uff09\u3011\u300b\u3009\u201d\u2019\uff63\"')"
_CLAUSE_END = re.compile(r"[,;:\u2014\u2013][\"'\u2019\u201d)\]]*$|[\u3001\uff0c\uff1b\uff1a]$")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n")


def split_page(text: str) -> list[tuple[int, int]]:
    """Cut a page into passages of about `SHORTEST` to `LONGEST` words.

    Cuts fall between paragraphs where they can, then between sentences, clauses, lines, words,
    and inside a word only if it is longer than any word is.

    Args:
        text: the text of one page.

    Returns:
        Half-open (start, end) offsets in code points, in order and apart from each other. They
        begin and end with a character that is no space, and together hold every such character.
    """
    units = list(_UNIT.finditer(text))
    spans = [unit.span() for unit in units]
    # words[i]: how many words stand before unit i.
    words = list(accumulate(map(_weight, units), initial=0.0))
    passages, first = [], 0
    while first < len(spans):
        cut = _next_cut(text, spans, words, first)
        passages.append((spans[first][0], spans[cut - 1][1]))
        first = cut
    return passages


def words_in(text: str) -> float:
    """Words of a text, as passages are measured."""
    return sum(map(_weight, _UNIT.finditer(text)))


def _weight(unit: re.Match[str]) -> float:
    return _LETTER_WORDS if unit.lastgroup else 1.0


def _next_cut(text: str, spans: list[tuple[int, int]], words: list[float], first: int) -> int:
    """Index of the unit that the passage after this one begins with."""
    done = words[first]
    left = words[-1] - done
    if left <= LONGEST:
        return len(spans)
    if left < LONGEST + SHORTEST / 2:
        # Two passages are left and both cannot be long enough: make them about equal.
        low, high, target = left * 0.4, left * 0.6, left / 2
    else:
        low, high, target = SHORTEST, min(LONGEST, left - SHORTEST), TARGET
    candidates = range(bisect_left(words, done + low), bisect_right(words, done + high))
    return max(
        candidates,
        key=lambda cut: (_strength(text, spans, cut), -abs(words[cut] - done - target)),
    )


def _strength(text: str, spans: list[tuple[int, int]], cut: int) -> int:
    """How good a place the gap before unit `cut` is: higher is better."""
    before = text[slice(*spans[cut - 1])]
    after = text[slice(*spans[cut])]
    gap = text[spans[cut - 1][1] : spans[cut][0]]
    if _PARAGRAPH.search(gap):
        return 6
    if before[-1] in _WIDE_ENDS or (before in _WIDE_CLOSERS and _ends_wide(text, spans, cut)):
        if after[0] not in _WIDE_CLOSERS + _WIDE_ENDS:
            return 5
    elif gap and _SENTENCE_END.search(before):
        if not _ABBREVIATION.search(before) and not after[0].islower():
            return 5
    elif _CLAUSE_END.search(before) and (gap or before[-1] in "\u3001\uff0c\uff1b\uff1a"):
        return 4
    if "\n" in gap:
        return 3
    if gap:
        return 2
    if unicodedata.category(after[0]).startswith("M"):
        return 0  # an accent or vowel sign belongs to the letter before it
    return 1


def _ends_wide(text: str, spans: list[tuple[int, int]], cut: int) -> bool:
    """Whether the closing mark before `cut` closes a sentence."""
    return cut >= 2 and text[spans[cut - 2][1] - 1] in _WIDE_ENDS
