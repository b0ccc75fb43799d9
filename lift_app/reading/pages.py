"""Cutting a text without printed pages into pages.

Owns the size of such pages (about 250 to 350 words) and where they may end: after a paragraph, else
after a sentence, never across a chapter. Nothing is lost and nothing is added but white space.
"""

from __future__ import annotations

from collections.abc import Sequence

from lift_app.reading.blocks import Section
from lift_app.reading.book import Chapter, Page
from lift_app.reading.characters import count_words
from lift_app.reading.paragraph import Paragraph

LEAST_WORDS = 250
"""A page closes at the first paragraph end after this many words."""
MOST_WORDS = 350
"""No page holds more, except that a short rest of a chapter stays with the page before it."""
FEW_WORDS = 200
"""A page with fewer words takes the first sentences of a paragraph that does not fit whole."""
REST_WORDS = 70
"""A last page shorter than this is added to the page before it."""
PARAGRAPH_BREAK = "\n\n"


def paginate(sections: Sequence[Section]) -> tuple[tuple[Page, ...], tuple[Chapter, ...]]:
    """Cut sections into pages; each section with a title becomes a chapter.

    A title without text of its own ("Part One"), and a few words before the first chapter (the
    book's title), share the first page of the section after them.
    """
    pages: list[Page] = []
    chapters: list[Chapter] = []
    current: int | None = None
    waiting: list[str] = []
    for section in sections:
        waiting.extend(text for text in section.paragraphs if text)
        if section.title is not None:
            chapters.append(Chapter(section.title, len(pages) + 1))
            current = len(chapters) - 1
        opening = section.title is None and current is None and _is_short(waiting)
        if (section.only_heading or opening) and section is not sections[-1]:
            continue
        for text in cut(waiting):
            number = len(pages) + 1
            pages.append(Page(number, str(number), text, current))
        waiting = []
    if waiting:
        number = len(pages) + 1
        pages.append(Page(number, str(number), PARAGRAPH_BREAK.join(waiting), current))
    return tuple(pages), tuple(chapter for chapter in chapters if chapter.page <= len(pages))


def _is_short(paragraphs: Sequence[str]) -> bool:
    return sum(map(count_words, paragraphs)) < REST_WORDS


def cut(paragraphs: Sequence[str]) -> list[str]:
    """Cut the paragraphs of one chapter into the texts of its pages."""
    pages: list[list[str]] = []
    page: list[str] = []
    size = 0
    for paragraph in map(Paragraph, paragraphs):
        while paragraph.words:
            room = MOST_WORDS - size
            # A long paragraph after a short one: break it rather than leave the page empty.
            fits = paragraph.words <= room or not page or size < FEW_WORDS
            piece = paragraph.take(room, MOST_WORDS) if fits else ""
            if not piece:
                page, size = _close(pages, page)
                continue
            page.append(piece)
            size += count_words(piece)
            if size >= LEAST_WORDS and not _looks_like_heading(piece):
                page, size = _close(pages, page)
    if page:
        last = sum(map(count_words, pages[-1])) if pages else MOST_WORDS
        if size < REST_WORDS and last + size <= MOST_WORDS + REST_WORDS and pages:
            pages[-1].extend(page)
        else:
            pages.append(page)
    return [PARAGRAPH_BREAK.join(texts) for texts in pages]


def _close(pages: list[list[str]], page: list[str]) -> tuple[list[str], int]:
    """Finish a page; a heading that ends it goes on to the next one, which is returned."""
    carried = [page.pop()] if len(page) > 1 and _looks_like_heading(page[-1]) else []
    pages.append(page)
    return carried, sum(map(count_words, carried))


def _looks_like_heading(text: str) -> bool:
    return len(text) < 80 and "\n" not in text and text[-1:].isalnum()
