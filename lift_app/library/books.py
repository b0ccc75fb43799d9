"""The books of one owner: their rows, their pages and the files they came from.

The file is kept as `books/<sha256>/source.<ext>`, once for all owners; everything else is rows of
the owner. Deleting a book also removes what was made from it. Reading files, counting tokens and
training are not known here.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sqlite3
import unicodedata
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lift_app.errors import CallerError, NotFound
from lift_app.library import effects, folders
from lift_app.library.database import Database, now
from lift_app.library.passages import passage_rows, purge_deleted
from lift_app.library.recipes import drop_unused_recipes
from lift_app.library.sources import Sources
from lift_app.reading.book import Book, Chapter, Page, Report
from lift_app.settings import Settings

if TYPE_CHECKING:
    import sqlite_utils

SHORTEST_PREFIX = 4
"""Fewest characters of an id that name a book."""
_ID_LENGTH = 64
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class BookRow:
    """What the shelf shows of a book."""

    id: str
    """sha256 of the file's bytes, in hex."""
    owner: str
    title: str
    author: str
    format: str
    pages: int
    words: int
    tokens: int
    tokens_exact: bool
    """False while `tokens` is an estimate, because no tokenizer was at hand."""
    text_sha256: str
    """What a lift learns from: see `Book.text_sha256`."""
    report: dict[str, Any]
    """`reading.Report` as a dict."""
    added: str
    """When the book was first added: ISO 8601, UTC."""
    new: bool = False
    """True only in the answer of the `Books.add` that made the row."""

    def to_json(self) -> dict[str, Any]:
        """A plain dict of all fields."""
        return asdict(self)


class Books:
    """The books of one owner."""

    def __init__(self, db: Database, settings: Settings, owner: str) -> None:
        self._db = db
        self._settings = settings
        self._owner = owner
        self._sources = Sources(settings.books)

    def add(
        self,
        book: Book,
        source: Path,
        tokens: int,
        tokens_exact: bool,
        title_override: str | None = None,
        *,
        replace_text: bool = False,
    ) -> BookRow:
        """Keep a book that was read from `source`.

        The same file twice is the same book: the row that is there comes back with `new` False,
        and with `title_override` as its title where one is given. `replace_text` exchanges the
        text of a book that is there for the one just read, for a reader who corrected the
        encoding; without it a book keeps the text that its adapters learned.

        Raises:
            LiftError: the file is no longer the one that was read (code `changed`), or it cannot
                be copied (code `disk_full` where that is the reason).
        """
        book = _storable(book)
        if title_override and title_override.strip():
            book = dataclasses.replace(book, title=title_override.strip())
        with folders.explained("The book could not be kept"):
            staged = self._sources.stage(book.id, source)
        try:
            with folders.explained("The book could not be kept"), self._db.write() as database:
                found = self._number(database.conn, book.id)
                if staged is not None:
                    self._sources.place(staged, book.id)
                if found is None:
                    self._insert(database, book, tokens, tokens_exact)
                    return self._row(database.conn, book.id, new=True)
                if title_override and title_override.strip():
                    database.table("books").update(found, {"title": book.title})
                if replace_text:
                    self._replace_text(database, found, book, tokens, tokens_exact)
                return self._row(database.conn, book.id)
        finally:
            if staged is not None:
                effects.remove(staged)

    def find(self, ref: str) -> BookRow:
        """The book that an id, a unique prefix of one, or a title means.

        Tried in this order: id, whole title, prefix of an id (`SHORTEST_PREFIX` characters or
        more), beginning of a title, part of a title. Upper and lower case are alike.

        Raises:
            NotFound: no book is meant.
            CallerError: several are (code `ambiguous`); the message names them.
        """
        wanted = _folded(ref)
        if len(wanted) == _ID_LENGTH:  # the faces ask by whole ids, many times a second
            try:
                return self.get(wanted)
            except NotFound:
                pass
        rows = self.list()
        tests = (
            lambda row: row.id == wanted,
            lambda row: _folded(row.title) == wanted,
            lambda row: len(wanted) >= SHORTEST_PREFIX and row.id.startswith(wanted),
            lambda row: _folded(row.title).startswith(wanted),
            lambda row: wanted in _folded(row.title),
        )
        for test in tests if wanted else ():
            found = [row for row in rows if test(row)]
            if len(found) == 1:
                return found[0]
            if found:
                names = "; ".join(f"{row.title} ({row.id[:8]})" for row in found[:8])
                more = f"; and {len(found) - 8} more" if len(found) > 8 else ""
                raise CallerError(
                    f"{ref!r} may mean {len(found)} books: {names}{more}. "
                    "Give more of the title, or the id in brackets.",
                    code="ambiguous",
                )
        raise NotFound(f"No book on the shelf is called {ref!r}. `lift books` lists what is there.")

    def get(self, book_id: str) -> BookRow:
        """The row of a whole id. Raises NotFound."""
        with self._db.read() as connection:
            return self._row(connection, book_id)

    def load(self, book_id: str) -> Book:
        """The book as it was read, with all its pages. Raises NotFound."""
        with self._db.read() as connection:
            row = self._require(connection, book_id)
            pages = connection.execute(
                "SELECT number, label, text, chapter FROM pages WHERE book = ? ORDER BY number",
                [row["number"]],
            )
            return Book(
                id=row["id"],
                title=row["title"],
                author=row["author"],
                pages=tuple(Page(*page) for page in pages),
                chapters=_chapters(row),
                report=_report(row),
                metadata=json.loads(row["metadata"]),
            )

    def chapters(self, book_id: str) -> tuple[Chapter, ...]:
        """The chapters, without loading the pages. Raises NotFound."""
        with self._db.read() as connection:
            return _chapters(self._require(connection, book_id))

    def page(self, book_id: str, number: int) -> Page:
        """One page by its 1-based number. Raises NotFound."""
        with self._db.read() as connection:
            row = self._require(connection, book_id)
            if not 1 <= number <= row["pages"]:  # also what is no number of SQLite's any more
                raise NotFound(f"{row['title']} has pages 1 to {row['pages']}, but no {number}.")
            page = connection.execute(
                "SELECT number, label, text, chapter FROM pages WHERE book = ? AND number = ?",
                [row["number"], number],
            ).fetchone()
            return Page(*page)

    def page_labelled(self, book_id: str, label: str) -> int | None:
        """Number of the first page with this label, else of the page of that number.

        None where there is neither. Raises NotFound.
        """
        with self._db.read() as connection:
            row = self._require(connection, book_id)
            found = connection.execute(
                "SELECT MIN(number) FROM pages WHERE book = ? AND label = ? COLLATE NOCASE",
                [row["number"], label],
            ).fetchone()[0]
            if found is None and label.isdecimal() and 1 <= int(label[:9]) <= row["pages"]:
                found = int(label)
            return found

    def page_sizes(self, book_id: str) -> list[tuple[str, int]]:
        """Label and number of characters of each page, in order. Raises NotFound."""
        with self._db.read() as connection:
            number = self._require(connection, book_id)["number"]
            rows = connection.execute(
                "SELECT label, LENGTH(text) FROM pages WHERE book = ? ORDER BY number", [number]
            )
            return [(label, length) for label, length in rows]

    def page_count(self, book_id: str) -> int:
        """Number of pages. Raises NotFound."""
        return self.get(book_id).pages

    def source(self, book_id: str) -> Path:
        """The kept copy of the file. Raises NotFound."""
        self.get(book_id)
        path = self._sources.find(book_id)
        if path is None:
            raise NotFound("The file of this book is missing from the library. Add it once more.")
        return path

    def set_tokens(self, book_id: str, tokens: int, exact: bool = True) -> None:
        """Note the number of tokens, once a tokenizer has counted them. Raises NotFound."""
        with self._db.write() as database:
            number = self._require(database.conn, book_id)["number"]
            database.table("books").update(number, {"tokens": tokens, "tokens_exact": int(exact)})

    def delete(self, book_id: str) -> None:
        """Remove a book and everything made from it: rows, file, adapters, checkpoints, chats.

        Another owner's copy stays, and the file with it.

        Raises:
            NotFound: no such book.
            LiftError: it could not be deleted and is still there; or it is gone, and a file of it
                could not be removed (code `leftover`).
        """
        mine = [self._owner, book_id]
        with self._db.write() as database:
            self._require(database.conn, book_id)
            adapters = database.execute(
                "SELECT key FROM adapters WHERE owner = ? AND book_id = ?", mine
            ).fetchall()
            jobs = database.execute("SELECT id FROM jobs WHERE owner = ? AND book_id = ?", mine)
            doomed = [self._settings.adapters / key for (key,) in adapters]
            doomed += [self._settings.server_folder / key for (key,) in adapters]
            doomed += [self._settings.checkpoints / job for (job,) in jobs.fetchall()]
            doomed.append(quarantine_of(self._settings, self._owner, book_id))
            asides = folders.subfolders(self._settings.home / "damaged")
            doomed += [aside / "books" / book_id for aside in asides]
            doomed += [aside / "adapters" / key for aside in asides for (key,) in adapters]
            database.execute("DELETE FROM books WHERE owner = ? AND id = ?", mine)
            drop_unused_recipes(database)
            purge_deleted(database)
        # Only now: a process that dies here leaves folders without rows, never rows without them.
        try:
            with self._db.write() as database:
                others = database.execute("SELECT 1 FROM books WHERE id = ?", [book_id])
                if others.fetchone() is None:
                    doomed.append(self._sources.folder(book_id))
                folders.discard(doomed, "The book")
        finally:
            self._db.forget_deleted()

    def sweep(self) -> list[str]:
        """Remove files that no owner's row names; return the names of their folders."""
        with self._db.write() as database:
            return self._sources.sweep({row[0] for row in database.execute("SELECT id FROM books")})

    def _insert(
        self, database: sqlite_utils.Database, book: Book, tokens: int, tokens_exact: bool
    ) -> None:
        values = {"owner": self._owner, "id": book.id, "added": now()}
        values |= _values(book, tokens, tokens_exact)
        database.table("books").insert(values)
        number = self._number(database.conn, book.id)
        assert number is not None
        _insert_text(database, number, book)

    def _replace_text(
        self,
        database: sqlite_utils.Database,
        number: int,
        book: Book,
        tokens: int,
        tokens_exact: bool,
    ) -> None:
        row = self._require(database.conn, book.id)
        if row["text_sha256"] == book.text_sha256:
            return
        values = _values(book, tokens, tokens_exact)
        del values["title"]
        database.table("books").update(number, values)
        database.execute("DELETE FROM pages WHERE book = ?", [number])
        database.execute("DELETE FROM passages WHERE book = ?", [number])
        purge_deleted(database)
        _insert_text(database, number, book)

    def _number(self, connection: sqlite3.Connection, book_id: str) -> int | None:
        row = connection.execute(
            "SELECT number FROM books WHERE owner = ? AND id = ?", [self._owner, book_id]
        ).fetchone()
        return None if row is None else row[0]

    def _require(self, connection: sqlite3.Connection, book_id: str) -> sqlite3.Row:
        cursor = connection.execute(
            "SELECT * FROM books WHERE owner = ? AND id = ?", [self._owner, book_id]
        )
        cursor.row_factory = sqlite3.Row
        row = cursor.fetchone()
        if row is None:
            raise NotFound(
                f"No book on the shelf has the id {book_id!r}. `lift books` lists what is there."
            )
        return row

    def _row(self, connection: sqlite3.Connection, book_id: str, *, new: bool = False) -> BookRow:
        return _book_row(self._require(connection, book_id), new=new)

    # Last, because `list` in an annotation below it would mean this method.
    def list(self) -> list[BookRow]:
        """All books, the newest first."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT * FROM books WHERE owner = ? ORDER BY number DESC", [self._owner]
            )
            return [_book_row(row) for row in rows]


def quarantine_of(settings: Settings, owner: str, book_id: str) -> Path:
    """Where damaged adapters of an owner's book are put."""
    return settings.home / "quarantine" / folders.safe_name(owner) / book_id


def _values(book: Book, tokens: int, tokens_exact: bool) -> dict[str, Any]:
    """The columns that come from reading the file."""
    return {
        "title": book.title,
        "author": book.author,
        "format": book.report.format,
        "pages": len(book.pages),
        "words": book.report.words,
        "tokens": tokens,
        "tokens_exact": int(tokens_exact),
        "text_sha256": book.text_sha256,
        "chapters": json.dumps([asdict(chapter) for chapter in book.chapters]),
        "metadata": json.dumps(book.metadata),
        "report": json.dumps(asdict(book.report)),
    }


def _insert_text(database: sqlite_utils.Database, number: int, book: Book) -> None:
    pages = ({"book": number, **asdict(page)} for page in book.pages)
    database.table("pages").insert_all(pages)
    # One transaction gives the passages of a book consecutive ids: the search relies on it.
    database.table("passages").insert_all(passage_rows(number, book))


def _book_row(row: sqlite3.Row, *, new: bool = False) -> BookRow:
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 (a Row iterates its values)
    for name in ("number", "chapters", "metadata"):
        del values[name]
    values["tokens_exact"] = bool(values["tokens_exact"])
    values["report"] = json.loads(values["report"])
    return BookRow(new=new, **values)


def _chapters(row: sqlite3.Row) -> tuple[Chapter, ...]:
    try:
        return tuple(Chapter(**chapter) for chapter in json.loads(row["chapters"]))
    except TypeError as error:  # a letter of a name differs
        raise json.JSONDecodeError(str(error), row["chapters"], 0) from error


def _report(row: sqlite3.Row) -> Report:
    values: dict[str, Any] = json.loads(row["report"])
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = tuple(value)
    return Report(**values)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _storable(book: Book) -> Book:
    """Replace lone surrogates, which no UTF-8 file can hold, one for one: offsets stay true."""

    def clean(text: str) -> str:
        return _LONE_SURROGATE.sub("\ufffd", text)

    if not any(_LONE_SURROGATE.search(page.text) for page in book.pages):
        pages = book.pages
    else:
        pages = tuple(dataclasses.replace(page, text=clean(page.text)) for page in book.pages)
    return dataclasses.replace(
        book,
        title=clean(book.title),
        author=clean(book.author),
        pages=tuple(dataclasses.replace(p, label=clean(p.label)) for p in pages),
    )
