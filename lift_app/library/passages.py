"""Passages: the pieces of pages that a question is answered from, and how they are found.

The words are looked up in two FTS5 indexes: one by stems, one by three characters for scripts
without spaces. Ranking is BM25 with the statistics of the one book that is asked, taken from the
index's own postings. FTS5's `bm25()` would count the other books (and other owners' books) too,
and then an answer would change when somebody adds a book. Models and prompts are not known here.
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from lift_app.errors import LiftError, NotFound
from lift_app.library import schema
from lift_app.library.database import Database
from lift_app.library.forking import in_use
from lift_app.library.splitting import UNSPACED_LETTERS, split_page
from lift_app.reading.book import Book

if TYPE_CHECKING:
    import sqlite_utils

K1 = 1.2
B = 0.75
"""BM25's usual constants, the ones that FTS5 has."""

# Hangul has spaces, but glues particles to its words, so that only parts of them recur.
_RUN = re.compile(rf"[{UNSPACED_LETTERS}\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]+")
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")
_GRAM = 3
_STOP_WORDS = frozenset(
    """a about above after again all am an and any are as at be because been before being below
    between both but by can could did do does doing down during each few for from further had has
    have having he her here hers herself him himself his how i if in into is it its itself just me
    more most my myself no nor not now of off on once only or other our ours ourselves out over own
    same she should so some such than that the their theirs them themselves then there these they
    this those through to too under until up very was we were what when where which while who whom
    whose why will with would you your yours yourself yourselves""".split()  # noqa: SIM905 (a list literal of these is 120 lines)
)
_COLUMNS = 'number, page, start, "end", text'


@dataclass(frozen=True)
class Passage:
    """A retrievable piece of a page: `page.text[start:end] == text`."""

    book_id: str
    number: int
    """0-based position in the book."""
    page: int
    """1-based."""
    start: int
    """Code points of the page's text, half-open with `end`."""
    end: int
    text: str

    def to_json(self) -> dict[str, Any]:
        """A plain dict of all fields."""
        return asdict(self)


@dataclass(frozen=True)
class Hit:
    """A passage that was found, with its BM25 score: above 0, higher is better."""

    passage: Passage
    score: float


@dataclass(frozen=True)
class _Shelf:
    """Where the passages of one book stand in the index."""

    book_id: str
    number: int
    first: int
    """Index id of passage 0; the others follow without a gap."""
    count: int
    """Number of passages."""


class Passages:
    """The passages of one owner's books."""

    def __init__(self, db: Database, owner: str) -> None:
        self._db = db
        self._owner = owner

    def search(self, book_id: str, query: str, limit: int = 8) -> list[Hit]:
        """The passages that hold most of the words of `query`, the best first.

        Any word may match; endings, case and accents do not matter; words that say nothing are
        dropped unless there are no others. Nothing in `query` is taken as an operator. Raises
        NotFound.
        """
        spaced, runs = _query_words(query)
        with self._db.read() as connection:
            shelf = self._shelf(connection, book_id)
            if not shelf.count:
                return []
            postings = [
                _postings(connection, shelf, "passages_fts_terms", term)
                for term in _distinct(_tokens(spaced, schema.WORD_TOKENIZER))
            ]
            grams = _distinct(_tokens([r for r in runs if len(r) >= _GRAM], "trigram"))
            postings += [
                _postings(connection, shelf, "passages_trigram_terms", gram) for gram in grams
            ]
            short = {run for run in runs if len(run) < _GRAM}
            if runs and sum(map(len, postings)) < limit:
                # Most Chinese words have two characters: three in a row may recur nowhere.
                short |= {run[i : i + 2] for run in runs for i in range(len(run) - 1)}
            postings += _written(connection, shelf, sorted(short))
            scores = _bm25(postings, _lengths(connection, shelf))
            best = sorted(scores, key=lambda number: (-scores[number], number))[:limit]
            found = {p.number: p for p in _fetch(connection, shelf, best)}
        return [Hit(found[number], scores[number]) for number in best]

    def on_page(self, book_id: str, page: int) -> list[Passage]:
        """The passages of a page, in order. Raises NotFound."""
        with self._db.read() as connection:
            shelf = self._shelf(connection, book_id)
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM passages WHERE book = ? AND page = ? ORDER BY number",
                [shelf.number, page],
            )
            return [Passage(book_id, *row) for row in rows]

    def neighbours(self, passage: Passage, before: int = 1, after: int = 1) -> list[Passage]:
        """The passages around one, itself among them, in order. Raises NotFound."""
        with self._db.read() as connection:
            shelf = self._shelf(connection, passage.book_id)
            numbers = range(max(0, passage.number - before), passage.number + after + 1)
            return list(_fetch(connection, shelf, numbers))

    def document_frequency(self, book_id: str, words: Iterable[str]) -> dict[str, int]:
        """In how many passages each word occurs, whatever its ending. Raises NotFound.

        Of a word that the index takes apart ("well-known"), all parts must occur.
        """
        with self._db.read() as connection:
            shelf = self._shelf(connection, book_id)
            frequencies = {}
            for word in words:
                runs = _RUN.findall(word)
                found = [set(posting) for posting in _written(connection, shelf, runs)]
                found += [
                    set(_postings(connection, shelf, "passages_fts_terms", term))
                    for term in _tokens([_RUN.sub(" ", word)], schema.WORD_TOKENIZER)
                ]
                frequencies[word] = len(set.intersection(*found)) if found else 0
            return frequencies

    def count(self, book_id: str) -> int:
        """Number of passages of a book. Raises NotFound."""
        with self._db.read() as connection:
            return self._shelf(connection, book_id).count

    def index_is_sound(self) -> bool:
        """Whether the word indexes hold the words of the passages, of all owners.

        SQLite before 3.44 leaves them out when it checks a whole file.
        """
        try:
            with self._db.write() as database:
                for values in (
                    "passages_fts(passages_fts, rank) VALUES ('integrity-check', 1)",
                    "passages_trigram(passages_trigram) VALUES ('integrity-check')",
                ):
                    database.execute(f"INSERT INTO {values}")
        except LiftError as error:
            if error.code != "damaged":
                raise
            return False
        return True

    def rebuild_index(self) -> None:
        """Make the word indexes anew from the passages, of all owners."""
        with self._db.write() as database:
            for table in ("passages_fts", "passages_trigram"):
                database.execute(f"INSERT INTO {table}({table}) VALUES ('delete-all')")
            database.execute("INSERT INTO passages_fts(rowid, text) SELECT id, text FROM passages")
            database.execute(
                "INSERT INTO passages_trigram(rowid, text)"
                " SELECT id, text FROM passages WHERE unspaced"
            )

    def _shelf(self, connection: sqlite3.Connection, book_id: str) -> _Shelf:
        book = connection.execute(
            "SELECT number FROM books WHERE owner = ? AND id = ?", [self._owner, book_id]
        ).fetchone()
        if book is None:
            raise NotFound(f"No book on the shelf has the id {book_id!r}.")
        first, count = connection.execute(
            "SELECT id, (SELECT MAX(number) + 1 FROM passages WHERE book = ?1) FROM passages"
            " WHERE book = ?1 AND number = 0",
            [book[0]],
        ).fetchone() or (0, 0)
        return _Shelf(book_id, book[0], first, count)


def passage_rows(book_number: int, book: Book) -> Iterator[dict[str, Any]]:
    """The rows of all passages of a book, in order."""
    number = 0
    for page in book.pages:
        for start, end in split_page(page.text):
            text = page.text[start:end]
            yield {
                "book": book_number,
                "number": number,
                "page": page.number,
                "start": start,
                "end": end,
                "unspaced": int(_RUN.search(text) is not None),
                "text": text,
            }
            number += 1


def purge_deleted(database: sqlite_utils.Database) -> None:
    """Make the full-text indexes forget the words of deleted passages.

    They only mark them until their parts are merged, and the book could be read out of the file.
    """
    for table in ("passages_fts", "passages_trigram"):
        database.execute(f"INSERT INTO {table}({table}) VALUES ('optimize')")


def _query_words(query: str) -> tuple[list[str], list[str]]:
    """(words, runs of letters without spaces) of a query, each once, without stop words."""
    runs = _distinct(_RUN.findall(query))
    words = _distinct(_WORD.findall(_RUN.sub(" ", query)))
    telling = [word for word in words if word.casefold() not in _STOP_WORDS]
    return (telling or ([] if runs else words)), runs


def _distinct(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _tokens(texts: Iterable[str], tokenizer: str) -> list[str]:
    """What the tokenizer of an index makes of some texts, in order."""
    texts = list(texts)
    if not texts:
        return []
    with in_use(), closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE VIRTUAL TABLE t USING fts5(text, tokenize='{tokenizer}')")
        connection.execute("CREATE VIRTUAL TABLE terms USING fts5vocab(t, instance)")
        connection.executemany("INSERT INTO t(text) VALUES (?)", [(text,) for text in texts])
        rows = connection.execute('SELECT term FROM terms ORDER BY doc, "offset"')
        return [term for (term,) in rows]


def _postings(connection: sqlite3.Connection, shelf: _Shelf, table: str, term: str) -> Counter[int]:
    """Passage number -> how often a term stands in it."""
    rows = connection.execute(
        f"SELECT doc - ? FROM {table} WHERE term = ? AND doc BETWEEN ? AND ?",
        [shelf.first, term, shelf.first, shelf.first + shelf.count - 1],
    )
    return Counter(chain.from_iterable(rows))


def _written(
    connection: sqlite3.Connection, shelf: _Shelf, words: Sequence[str]
) -> list[Counter[int]]:
    """As `_postings`, for words too short for the index: looked up in the text itself."""
    if not words:
        return []
    found: list[Counter[int]] = [Counter() for _ in words]
    rows = connection.execute(
        "SELECT number, text FROM passages WHERE book = ? AND unspaced", [shelf.number]
    )
    for number, text in rows:
        for word, counter in zip(words, found, strict=True):
            if times := text.count(word):
                counter[number] = times
    return found


def _lengths(connection: sqlite3.Connection, shelf: _Shelf) -> list[int]:
    """Characters of each passage of a book."""
    rows = connection.execute(
        'SELECT "end" - start FROM passages WHERE book = ? ORDER BY number', [shelf.number]
    )
    return [length for (length,) in rows]


def _bm25(postings: Iterable[Counter[int]], lengths: Sequence[int]) -> dict[int, float]:
    average = sum(lengths) / len(lengths)
    scores: dict[int, float] = {}
    for posting in postings:
        rarity = math.log(1 + (len(lengths) - len(posting) + 0.5) / (len(posting) + 0.5))
        for number, times in posting.items():
            norm = K1 * (1 - B + B * lengths[number] / average)
            scores[number] = scores.get(number, 0.0) + rarity * times * (K1 + 1) / (times + norm)
    return scores


def _fetch(
    connection: sqlite3.Connection, shelf: _Shelf, numbers: Iterable[int]
) -> Iterator[Passage]:
    """Passages by number, in order of number; numbers that do not exist are passed over."""
    wanted = [shelf.first + number for number in numbers if number < shelf.count]
    marks = ", ".join("?" * len(wanted))
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM passages WHERE id IN ({marks}) ORDER BY number", wanted
    )
    for row in rows:
        yield Passage(shelf.book_id, *row)
