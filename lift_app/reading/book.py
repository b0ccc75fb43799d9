"""What was read: a Book, its Pages and Chapters, and an honest Report.

Plain frozen data with a JSON form, because a Book is made in a child process. Offsets are code
points of a page's text, half-open.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

PAGE_BREAK = "\n\n"
"""What stands between two pages in `Book.text`."""
MOST_CHAPTERS = 2000
"""More are not listed: a window shows them all, with every page."""
BROKEN = "\u00ad"
"""Ends a printed line whose last word goes on in the next one. Never in a page's text."""


@dataclass(frozen=True)
class Page:
    """A page of a PDF, or a part of a chapter elsewhere: whatever a reader would cite."""

    number: int
    """1-based position in the book."""
    label: str
    """What is printed on the page ("xiv", "41"); the number where nothing is printed."""
    text: str
    chapter: int | None = None
    """Index into `Book.chapters`: the last one that begins on this page or before it."""


@dataclass(frozen=True)
class Chapter:
    """A chapter title and where it begins."""

    title: str
    page: int
    """1-based number of the page on which it begins."""


@dataclass(frozen=True)
class Report:
    """What a reader should know about how the file was read."""

    format: str
    """`pdf`, `epub`, `text`, `markdown`, `html` or `docx`."""
    pages: int
    words: int
    language: str | None = None
    """ISO 639-1 code if the file declares one."""
    encoding: str | None = None
    """Encoding of a text file, as guessed or declared."""
    pages_without_text: tuple[int, ...] = ()
    """1-based numbers of pages on which no text was found."""
    dropped: tuple[str, ...] = ()
    """Sentences: what was left out of the text and why."""
    warnings: tuple[str, ...] = ()
    """Sentences: what may be wrong with the text."""
    seconds: float = 0.0
    """How long reading took."""


@dataclass(frozen=True)
class Book:
    """A book as it was read: title, author, pages in reading order, chapters, report."""

    id: str
    """sha256 of the file's bytes, in hex."""
    title: str
    author: str
    pages: tuple[Page, ...]
    chapters: tuple[Chapter, ...]
    report: Report
    metadata: dict[str, str] = field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """The whole text: all pages, joined by `PAGE_BREAK`."""
        return PAGE_BREAK.join(page.text for page in self.pages)

    @cached_property
    def text_sha256(self) -> str:
        """sha256 of `text` in UTF-8, in hex: what a lift learns from."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()

    @cached_property
    def page_starts(self) -> tuple[int, ...]:
        """Offset in `text` at which each page begins."""
        starts, offset = [], 0
        for page in self.pages:
            starts.append(offset)
            offset += len(page.text) + len(PAGE_BREAK)
        return tuple(starts)

    def locate(self, offset: int) -> tuple[int, int]:
        """Map an offset in `text` to (page number, offset in that page).

        An offset inside a page break belongs to the end of the page before it.

        Raises:
            IndexError: the offset lies outside `text`.
        """
        if not 0 <= offset <= len(self.text):
            raise IndexError(f"offset {offset} is outside a text of {len(self.text)} characters")
        index = bisect_right(self.page_starts, offset) - 1
        return index + 1, min(offset - self.page_starts[index], len(self.pages[index].text))

    def chapter_title(self, page_number: int) -> str | None:
        """Title of the chapter that the page belongs to."""
        chapter = self.pages[page_number - 1].chapter
        return None if chapter is None else self.chapters[chapter].title

    def to_json(self) -> dict[str, Any]:
        """A plain dict, for the pipe between processes."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Book:
        """The inverse of `to_json`."""
        report: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in data["report"].items()
        }
        return cls(
            id=data["id"],
            title=data["title"],
            author=data["author"],
            pages=tuple(Page(**page) for page in data["pages"]),
            chapters=tuple(Chapter(**chapter) for chapter in data["chapters"]),
            report=Report(**report),
            metadata=dict(data["metadata"]),
        )
