"""The excerpt: head and tail of a book within a budget of tokens.

Knows pages and a tokenizer; knows nothing about questions. Loads only as many pages as it needs,
so a long book costs no more than a short one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lift_app.reading.book import PAGE_BREAK

if TYPE_CHECKING:
    from lift_app.library.books import BookRow, Books

Count = Callable[[str], int]
"""Number of tokens of a text."""

_CHARACTERS_PER_TOKEN = 8
"""More than any tokenizer puts into a token on average: a bound on what has to be loaded."""


@dataclass(frozen=True)
class Excerpt:
    """The beginning and the end of a book; they never overlap."""

    head: str = ""
    tail: str = ""
    head_tokens: int = 0
    tail_tokens: int = 0


def head_and_tail(books: Books, row: BookRow, budget: int, count: Count) -> Excerpt:
    """Fill a budget with head and tail of a book, half each (arXiv 2412.13626).

    A book that fits is all head. Cuts fall between words.

    Args:
        books: where the pages are.
        row: the book.
        budget: tokens for both together.
        count: counts the tokens of a text.
    """
    if budget <= 0:
        return Excerpt()
    most = budget * _CHARACTERS_PER_TOKEN
    start, whole = _gather(books, row, range(1, row.pages + 1), most)
    if whole and (tokens := count(start)) <= budget:
        return Excerpt(head=start, head_tokens=tokens)
    if whole:
        end = start
    else:
        end, _ = _gather(books, row, range(row.pages, 0, -1), most)
    head = _fit(start, budget // 2, count)
    if whole:
        end = end[len(head) :]
    tail = _fit(end, budget - budget // 2, count, from_end=True)
    return Excerpt(head, tail, count(head), count(tail))


def _gather(books: Books, row: BookRow, numbers: Iterable[int], most: int) -> tuple[str, bool]:
    """Text of pages in the given order until there is enough; whether it is the whole book."""
    pages: dict[int, str] = {}
    length = 0
    for number in numbers:
        if length > most:
            break
        pages[number] = books.page(row.id, number).text
        length += len(pages[number])
    text = PAGE_BREAK.join(pages[number] for number in sorted(pages))
    return text, len(pages) == row.pages


def _fit(text: str, budget: int, count: Count, *, from_end: bool = False) -> str:
    """The longest beginning (or end) of a text, cut between words, that keeps to a budget."""
    low, high = 0, min(len(text), budget * _CHARACTERS_PER_TOKEN)

    def cut(length: int) -> str:
        if length >= len(text):
            return text.strip()
        if from_end:
            piece = text[len(text) - length :]
            space = next((i for i, c in enumerate(piece[:80]) if c.isspace()), 0)
            return piece[space:].strip()
        piece = text[:length]
        space = next((i for i, c in enumerate(reversed(piece[-80:])) if c.isspace()), 0)
        return piece[: len(piece) - space].strip()

    while low < high:
        middle = (low + high + 1) // 2
        if count(cut(middle)) <= budget:
            low = middle
        else:
            high = middle - 1
    return cut(low) if low else ""
