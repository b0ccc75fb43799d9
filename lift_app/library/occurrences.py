"""Occurrences: where the words that a reader looks for stand in a book, in the order of the book.

This is the search of a book's index, not the look-up of a question: what was typed is looked for
as a phrase, then as words that stand close together, then as any of the words. Endings, case and
accents do not matter, in scripts without spaces every character does. Models are not known here.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lift_app.library.splitting import UNSPACED_LETTERS

if TYPE_CHECKING:
    from lift_app.library.database import Database

MOST = 200
"""Most occurrences that are listed."""
_WORD = re.compile(r"\w+")
_UNSPACED = re.compile(f"[{UNSPACED_LETTERS}]")
_OPEN, _CLOSE = "\x02", "\x03"
"""Set around a found word by SQLite; no page's text has them."""


@dataclass(frozen=True)
class Occurrence:
    """A passage in which something was found, and where in its page."""

    page: int
    """1-based."""
    start: int
    end: int
    """The passage: half-open code points of the page's text."""
    spans: tuple[tuple[int, int], ...]
    """The found words, likewise; at least one."""
    text: str
    """The passage's text."""

    def to_json(self) -> dict[str, Any]:
        """A plain dict of all fields."""
        return asdict(self)


def find_occurrences(
    db: Database, owner: str, book_id: str, wanted: str, most: int = MOST
) -> tuple[str, list[Occurrence]]:
    """Look for words in one book.

    Args:
        db: the index.
        owner: whose book it is.
        book_id: whole id of the book.
        wanted: what was typed; nothing in it is an operator.
        most: no more than so many occurrences.

    Returns:
        How they match (`phrase`, `all` or `any`, the strictest that finds something), and the
        occurrences in the order of the book. Unknown books hold nothing.
    """
    words = _WORD.findall(wanted)
    if not words:
        return "phrase", []
    with db.read() as connection:
        if _UNSPACED.search(wanted):
            return "phrase", list(_written(connection, owner, book_id, wanted.strip(), most))
        quoted = [f'"{word}"' for word in words]
        phrase = f'"{" ".join(words)}"'
        queries = [("phrase", phrase), ("all", " AND ".join(quoted)), ("any", " OR ".join(quoted))]
        for name, query in queries[: 1 if len(words) == 1 else None]:
            found = list(_matching(connection, owner, book_id, query, most))
            if found:
                return name, found
    return "phrase", []


def _matching(
    connection: sqlite3.Connection, owner: str, book_id: str, query: str, most: int
) -> Iterator[Occurrence]:
    rows = connection.execute(
        'SELECT p.page, p.start, p."end", p.text, highlight(passages_fts, 0, ?, ?)'
        " FROM passages_fts JOIN passages p ON p.id = passages_fts.rowid"
        " JOIN books b ON b.number = p.book"
        " WHERE passages_fts MATCH ? AND b.owner = ? AND b.id = ? ORDER BY p.number LIMIT ?",
        [_OPEN, _CLOSE, query, owner, book_id, most],
    )
    for page, start, end, text, marked in rows:
        spans = tuple(_spans(marked, start))
        if spans:
            yield Occurrence(page, start, end, spans, text)


def _spans(marked: str, start: int) -> Iterator[tuple[int, int]]:
    """Ranges between the marks that SQLite has set, as ranges of the page's text."""
    at, begin = start, start
    for character in marked:
        if character == _OPEN:
            begin = at
        elif character == _CLOSE:
            yield begin, at
        else:
            at += 1


def _written(
    connection: sqlite3.Connection, owner: str, book_id: str, wanted: str, most: int
) -> Iterator[Occurrence]:
    """Literal occurrences: scripts without spaces have no words to look up."""
    rows = connection.execute(
        'SELECT p.page, p.start, p."end", p.text FROM passages p JOIN books b ON b.number = p.book'
        " WHERE b.owner = ? AND b.id = ? AND p.unspaced ORDER BY p.number",
        [owner, book_id],
    )
    needle = unicodedata.normalize("NFC", wanted)
    count = 0
    for page, start, end, text in rows:
        spans = [
            (start + found.start(), start + found.end())
            for found in re.finditer(re.escape(needle), text, re.IGNORECASE)
        ]
        if spans:
            yield Occurrence(page, start, end, tuple(spans), text)
            count += 1
            if count == most:
                return


def excerpt(occurrence: Occurrence, width: int = 90) -> tuple[str, Sequence[tuple[int, int]]]:
    """A piece of the passage around its first found words, and where they stand in it.

    Args:
        occurrence: what was found.
        width: about so many characters on either side.
    """
    first = occurrence.spans[0][0] - occurrence.start
    last = occurrence.spans[0][1] - occurrence.start
    text = occurrence.text
    begin = max(0, first - width)
    if begin:
        begin = text.find(" ", begin, first) + 1 or begin
    end = min(len(text), last + width)
    if end < len(text):
        end = text.rfind(" ", last, end) if text.rfind(" ", last, end) > 0 else end
    spans = [
        (left - occurrence.start - begin, right - occurrence.start - begin)
        for left, right in occurrence.spans
        if left - occurrence.start >= begin and right - occurrence.start <= end
    ]
    return text[begin:end], spans
