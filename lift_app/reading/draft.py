"""What a format's reader gives: a Draft, which becomes a Book.

Owns the limits of reading, and the checks every format shares: too much text, no text at all, text
that is no text. Knows nothing about any one format.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from lift_app.errors import UnreadableFile
from lift_app.reading.blocks import Section
from lift_app.reading.book import MOST_CHAPTERS, Book, Chapter, Page, Report
from lift_app.reading.characters import count_words, one_line, undecoded_share
from lift_app.reading.hidden import Hidden
from lift_app.reading.pages import paginate

MOST_SENTENCES = 40
"""Of what was left out, and of what may be wrong, in a report."""
MAX_TEXT = 40_000_000
"""Most characters of text in one book: twelve times War and Peace."""


@dataclass(frozen=True)
class Limits:
    """How much a reader may take in."""

    pages: int = 5000
    text: int = MAX_TEXT

    def check_pages(self, count: int) -> None:
        """Raise UnreadableFile if a document has too many pages."""
        if count > self.pages:
            raise UnreadableFile(
                f"This file has {count:,} pages; at most {self.pages:,} are read as one book. "
                "Split it and add the parts, or raise LIFT_MAX_PAGES.",
                code="too_many_pages",
            )

    def check_text(self, characters: int) -> None:
        """Raise UnreadableFile if there is more text than a book may have."""
        if characters > self.text:
            raise UnreadableFile(
                f"This file holds more than {self.text:,} characters of text, too much for one "
                "book. Split it and add the parts.",
                code="too_large",
            )


@dataclass
class Draft:
    """A document as its format's reader understood it."""

    format: str
    title: str = ""
    author: str = ""
    language: str | None = None
    encoding: str | None = None
    pages: tuple[Page, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    dropped: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    hidden: Hidden = field(default_factory=Hidden)

    def set_sections(self, sections: Sequence[Section], limits: Limits) -> None:
        """Cut the sections into pages and chapters."""
        limits.check_text(sum(len(text) for part in sections for text in part.paragraphs))
        self.pages, self.chapters = paginate(sections)
        limits.check_pages(len(self.pages))

    def to_book(self, sha256: str, name: str, title: str | None, seconds: float) -> Book:
        """Finish the Book.

        Args:
            sha256: of the file's bytes, in hex.
            name: the file's name, which gives the title where the file names none.
            title: the title that the caller wants, if any.
            seconds: how long reading took.

        Raises:
            UnreadableFile: there is no text (`empty`), or it is not made of letters (`garbled`).
        """
        whole = "\n".join(page.text for page in self.pages)
        if not whole.strip():
            raise UnreadableFile(
                "This file holds no text. If it should, open it in the program that made it and "
                "export it again.",
                code="empty",
            )
        share = undecoded_share(whole)
        if share > 0.3:
            raise UnreadableFile(
                "The text of this file cannot be understood as letters: its fonts or its encoding "
                "do not say which letters they show. Run it through OCR (for example with "
                "ocrmypdf --force-ocr) or find another edition.",
                code="garbled",
            )
        if share > 0.01:
            self.warnings.append(
                f"About {share:.0%} of the characters could not be understood; some words may be "
                "wrong."
            )
        self.warnings[:0] = self.hidden.warnings()  # first: what comes late may not be told
        pages, chapters = self.pages, self.chapters
        if len(chapters) > MOST_CHAPTERS:
            chapters = chapters[:MOST_CHAPTERS]
            # What comes later stands in no chapter rather than in a wrong one.
            pages = tuple(
                replace(page, chapter=None) if (page.chapter or 0) >= MOST_CHAPTERS else page
                for page in pages
            )
            self.warnings.append(
                f"This file has more chapters than are listed: the first {MOST_CHAPTERS:,} are."
            )
        missing = tuple(page.number for page in self.pages if not page.text.strip())
        return Book(
            id=sha256,
            title=one_line(title or "") or one_line(self.title) or title_from_name(name),
            author=one_line(self.author),
            pages=pages,
            chapters=chapters,
            report=Report(
                format=self.format,
                pages=len(self.pages),
                words=count_words(whole),
                language=self.language,
                encoding=self.encoding,
                pages_without_text=missing,
                dropped=_told(self.dropped),
                warnings=_told(self.warnings),
                seconds=round(seconds, 3),
            ),
            metadata={key: one_line(value) for key, value in self.metadata.items() if value},
        )


def _told(sentences: Sequence[str]) -> tuple[str, ...]:
    """What the report says; a file that is damaged everywhere is not told page by page."""
    kept = tuple(sentences[:MOST_SENTENCES])
    more = len(sentences) - len(kept)
    return (*kept, f"And {more:,} more such notes.") if more else kept


def title_from_name(name: str) -> str:
    """A title made of a file name: "the-time_machine.txt" gives "The time machine"."""
    stem = PurePath(name).name
    stem = re.sub(r"(\.[A-Za-z][A-Za-z0-9]{0,4})+$", "", stem) or stem
    words = one_line(re.sub(r"[-_+\s]+", " ", stem))
    return (words[:1].upper() + words[1:]) or "Untitled"


def language_code(text: str | None) -> str | None:
    """ISO 639-1 code of "en-GB", "eng" or "English"; None for what is not known."""
    if not text:
        return None
    word = re.split(r"[-_\s;,]", text.strip().casefold())[0]
    if len(word) == 2 and word.isalpha():
        return word
    return _LANGUAGES.get(word)


_LANGUAGES = {
    **dict.fromkeys(("english", "eng"), "en"),
    **dict.fromkeys(("german", "deutsch", "ger", "deu"), "de"),
    **dict.fromkeys(("french", "français", "fre", "fra"), "fr"),
    **dict.fromkeys(("spanish", "español", "spa"), "es"),
    **dict.fromkeys(("italian", "italiano", "ita"), "it"),
    **dict.fromkeys(("portuguese", "português", "por"), "pt"),
    **dict.fromkeys(("dutch", "nederlands", "dut", "nld"), "nl"),
    **dict.fromkeys(("finnish", "suomi", "fin"), "fi"),
    **dict.fromkeys(("swedish", "svenska", "swe"), "sv"),
    **dict.fromkeys(("russian", "rus"), "ru"),
    **dict.fromkeys(("chinese", "zho", "chi"), "zh"),
    **dict.fromkeys(("japanese", "jpn"), "ja"),
    **dict.fromkeys(("latin", "lat"), "la"),
    **dict.fromkeys(("greek", "gre", "ell"), "el"),
    **dict.fromkeys(("polish", "polski", "pol"), "pl"),
}
