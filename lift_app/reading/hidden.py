"""Hidden text: what a file holds and a person who looks at its pages does not see.

Characters without width, white or tiny letters, elements that a browser does not show. Such text
may be harmless (a search layer, a note of the typesetter) or meant for the machine that reads
along, so it is never acted upon: it is counted and told in the report. Knows nothing about files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from lift_app.reading.characters import EXCESS_SELECTORS, UNSEEN

TINIEST = 2.0
"""Letters lower than this many points cannot be read."""
_WHITE = 245
"""A colour channel, 0 to 255, from which on letters vanish on white paper."""
_FEW = 8
"""So many invisible characters are an accident of typesetting, not worth a word."""
_SHOWN = 80
_KEPT = 200
"""Characters of a hidden text that are remembered."""

_STYLE_GONE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?:\.0+)?\s*(?:;|$)"
    r"|font-size\s*:\s*0(?:\.\d+)?\s*(?:px|pt|em|rem|%|;|$)",
    re.IGNORECASE,
)
_STYLE_PALE = re.compile(
    r"(?<![-\w])color\s*:\s*(?:#f{3}(?:f{3})?\b|white\b|transparent\b"
    r"|rgba?\(\s*255\s*,\s*255\s*,\s*255)|font-size\s*:\s*1(?:\.\d+)?\s*(?:px|pt)",
    re.IGNORECASE,
)


@dataclass
class Hidden:
    """What was found in one document."""

    characters: int = 0
    """Invisible characters, which are never part of a book's text."""
    left_out: list[str] = field(default_factory=list)
    """Texts that the page does not show; not part of the book's text."""
    kept: list[tuple[int | None, str]] = field(default_factory=list)
    """(page, text) of what can hardly be seen but is part of the book's text."""

    def count(self, text: str) -> None:
        """Count the invisible characters of a piece of the document, before it is cleaned."""
        if not text.isascii():
            for found in (UNSEEN, EXCESS_SELECTORS):
                self.characters += sum(map(len, found.findall(text)))

    def leave_out(self, text: str) -> None:
        """Note text that is left out, for the page does not show it."""
        if text := " ".join(text.split()):
            self.left_out.append(text[:_KEPT])

    def keep(self, text: str, page: int | None = None) -> None:
        """Note text that is kept although it can hardly be seen."""
        if text := " ".join(text.split()):
            self.kept.append((page, text[:_KEPT]))

    def warnings(self) -> list[str]:
        """Sentences for the report."""
        sentences = []
        if self.characters >= _FEW:
            sentences.append(
                f"{self.characters:,} invisible characters were removed; they can carry text that "
                "only a machine reads."
            )
        if self.left_out:
            sentences.append(
                f"Text that the pages do not show was left out, such as {_quoted(self.left_out)}."
            )
        if self.kept:
            pages = sorted({page for page, _ in self.kept if page is not None})
            where = f" on {_pages(pages)}" if pages else ""
            sentences.append(
                f"White or tiny letters{where}, which a person hardly sees, are part of the text, "
                f"such as {_quoted([text for _, text in self.kept])}."
            )
        return sentences


def is_white(red: int, green: int, blue: int) -> bool:
    """Whether letters of a colour (channels 0 to 255) vanish on white paper."""
    return min(red, green, blue) >= _WHITE


def style_hides(style: str) -> bool:
    """Whether a style attribute keeps an element from being shown at all."""
    return _STYLE_GONE.search(style) is not None


def style_pales(style: str) -> bool:
    """Whether a style attribute makes letters white or tiny."""
    return _STYLE_PALE.search(style) is not None


def _quoted(texts: Sequence[str]) -> str:
    longest = max(texts, key=len)
    short = longest if len(longest) <= _SHOWN else f"{longest[:_SHOWN].rstrip()}…"
    return f"“{short}”"


def _pages(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"page {numbers[0]}"
    shown = ", ".join(map(str, numbers[:8]))
    return f"pages {shown}" + (f" and {len(numbers) - 8} more" if len(numbers) > 8 else "")
