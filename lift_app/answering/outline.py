"""Outline: what a question about the whole book is given to read instead of passages.

Three passages cannot tell what a book is about. The openings of its chapters, in reading order, say
what comes when; a book without chapters is looked into at even distances. Every piece is a verbatim
slice of its page. Knows pages and a tokenizer, no question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lift_app.answering.answer import EvidencePassage
from lift_app.answering.context import Count
from lift_app.answering.lookup import is_heading
from lift_app.answering.sentences import split_sentences

if TYPE_CHECKING:
    from lift_app.library.books import BookRow, Books

MOST_STOPS = 12
"""Places that are looked into at most; a book of more chapters is sampled evenly."""
LEAST_CHAPTERS = 3
"""With fewer, the places are spread over the pages instead."""


def outline(books: Books, row: BookRow, budget: int, count: Count) -> list[EvidencePassage]:
    """Openings of chapters in reading order, within a budget that they share evenly.

    Args:
        books: where chapters and pages are.
        row: the book.
        budget: tokens for all pieces together.
        count: counts the tokens of a text.

    Raises:
        NotFound: there is no such book.
    """
    stops = _stops(books, row)
    found: list[EvidencePassage] = []
    left = budget
    for place, number in enumerate(stops):
        piece = _opening(books, row, number, left // (len(stops) - place), count)
        if piece is not None:
            found.append(piece)
            left -= count(piece.text)
    return found


def _stops(books: Books, row: BookRow) -> list[int]:
    """Numbers of the pages that are looked into, in reading order."""
    pages = sorted({chapter.page for chapter in books.chapters(row.id)})
    if len(pages) < LEAST_CHAPTERS:
        pages = list(range(1, row.pages + 1))
    most = min(MOST_STOPS, len(pages))
    return [pages[place * len(pages) // most] for place in range(most)]


def _opening(
    books: Books, row: BookRow, number: int, budget: int, count: Count
) -> EvidencePassage | None:
    """The first sentences of a page that keep to a budget; headings are passed over."""
    text = books.page(row.id, number).text
    start = end = None
    for first, last in split_sentences(text):
        if start is None and is_heading(text[first:last]):
            continue
        if count(text[first if start is None else start : last]) > budget:
            break
        start, end = (first if start is None else start), last
    if start is None or end is None:
        return None
    return EvidencePassage(number, start, end, text[start:end])
