"""Pages: a kept book as it is looked at. Text, picture, place of the text, search.

A PDF's pages are drawn by a child process of their own, so that a page turns while another file
is being read, and what was drawn is kept in memory for the next time. Knows nothing of models.
"""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from lift_app.errors import CallerError
from lift_app.library import BookRow, Library
from lift_app.library.occurrences import excerpt, find_occurrences
from lift_app.reading import FileReader
from lift_app.settings import Settings

WIDTHS = (800, 1400, 2000)
"""Widths in which pages are drawn, in pixels: a phone, a screen, a fine screen."""
_MOST_BYTES = 48 * 1024 * 1024
_MOST_PLACES = 256
Span = tuple[int, int]


class Pages:
    """The pages of one library's books. Safe between threads."""

    def __init__(self, library: Library, settings: Settings) -> None:
        self._library = library
        self._files = FileReader(settings)
        self._drawn = _Drawn()

    def seen_by(self, library: Library) -> Pages:
        """The pages of another owner's books, drawn by the same process."""
        other = copy.copy(self)
        other._library = library
        return other

    def close(self) -> None:
        """End the process that draws pages."""
        self._files.close()

    def forget(self, book_id: str) -> None:
        """Drop what was drawn of a book that is removed, and let go of its file.

        What is being drawn for another reader is finished first.
        """
        self._drawn.forget(book_id)
        self._files.let_go()

    def cover(self, book: str) -> dict[str, Any]:
        """What is the same for all pages: `id`, `title`, `format`, `chapters` and `report`.

        As in `Reader.show`, but without what a turned page need not wait for.
        """
        row = self._library.books.find(book)
        return {
            "id": row.id,
            "title": row.title,
            "format": row.format,
            "chapters": [
                {"title": chapter.title, "page": chapter.page}
                for chapter in self._library.books.chapters(row.id)
            ],
            "report": row.report,
        }

    def page(self, book: str, number: int) -> dict[str, Any]:
        """The text of a page: `number` (1-based), `label`, `chapter`, `text`, `pages`."""
        row = self._library.books.find(book)
        page = self._library.books.page(row.id, number)
        chapters = self._library.books.chapters(row.id)
        return {
            "number": page.number,
            "label": page.label,
            "chapter": None if page.chapter is None else chapters[page.chapter].title,
            "text": page.text,
            "pages": row.pages,
        }

    def number_of(self, book: str, label: str) -> int | None:
        """The page on which `label` is printed, else the page of that number; None if neither."""
        row = self._library.books.find(book)
        return self._library.books.page_labelled(row.id, label.strip())

    def picture(self, book: str, number: int, width: int) -> bytes:
        """A page of a PDF as JPEG.

        Args:
            book: id, unique prefix or title.
            number: 1-based.
            width: wanted width in pixels; the nearest of `WIDTHS` that is not smaller is drawn.

        Raises:
            NotFound: there is no such book.
            CallerError: there is no such page, or the book is not a PDF.
            UnreadableFile: the page cannot be drawn.
        """
        row = self._pdf(book)
        width = next((one for one in WIDTHS if one >= width), WIDTHS[-1])

        def make() -> bytes:
            return self._files.render(self._library.books.source(row.id), number, width)

        return self._drawn.picture((row.id, number, width), make)

    def places(self, book: str, number: int, spans: Sequence[Span] = ()) -> dict[str, Any]:
        """Where the text of a PDF's page is printed; see `FileReader.place`.

        Args:
            book: id, unique prefix or title.
            number: 1-based.
            spans: half-open ranges of the page's text whose boxes are wanted.

        Raises:
            As `picture`.
        """
        row = self._pdf(book)
        text = self._library.books.page(row.id, number).text

        def make() -> dict[str, Any]:
            return self._files.place(self._library.books.source(row.id), number, text, spans)

        return self._drawn.places((row.id, row.text_sha256, number, tuple(spans)), make)

    def search(self, book: str, wanted: str) -> dict[str, Any]:
        """Look for words in a book.

        Returns:
            `match`: `phrase`, `all` or `any`, how the words were found; `hits` in the order of the
            book, each with `page`, `label`, `chapter`, `excerpt`, `marked` (half-open ranges of the
            excerpt) and `spans` (of the page's text).
        """
        row = self._library.books.find(book)
        match, found = find_occurrences(self._library.db, self._library.owner, row.id, wanted)
        chapters = self._library.books.chapters(row.id)
        pages: dict[int, Any] = {}
        hits = []
        for occurrence in found:
            if occurrence.page not in pages:
                pages[occurrence.page] = self._library.books.page(row.id, occurrence.page)
            page = pages[occurrence.page]
            piece, marked = excerpt(occurrence)
            hits.append(
                {
                    "page": page.number,
                    "label": page.label,
                    "chapter": None if page.chapter is None else chapters[page.chapter].title,
                    "excerpt": piece,
                    "marked": list(marked),
                    "spans": list(occurrence.spans),
                }
            )
        return {"match": match, "hits": hits}

    def _pdf(self, book: str) -> BookRow:
        row = self._library.books.find(book)
        if row.format != "pdf":
            raise CallerError(f"{row.title} is no PDF, so its pages have no picture.")
        return row


class _Drawn:
    """Pictures and places of pages, by file: whoever asks has shown that the book is theirs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pictures: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._bytes = 0
        self._places: OrderedDict[tuple[Any, ...], dict[str, Any]] = OrderedDict()

    def picture(self, key: tuple[str, int, int], make: Callable[[], bytes]) -> bytes:
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
                return self._pictures[key]
        made = make()
        with self._lock:
            if key not in self._pictures:
                self._pictures[key] = made
                self._bytes += len(made)
            while self._bytes > _MOST_BYTES and len(self._pictures) > 1:
                _, dropped = self._pictures.popitem(last=False)
                self._bytes -= len(dropped)
        return made

    def places(self, key: tuple[Any, ...], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        with self._lock:
            if key in self._places:
                self._places.move_to_end(key)
                return self._places[key]
        made = make()
        with self._lock:
            self._places[key] = made
            while len(self._places) > _MOST_PLACES:
                self._places.popitem(last=False)
        return made

    def forget(self, book_id: str) -> None:
        with self._lock:
            for key in [key for key in self._pictures if key[0] == book_id]:
                self._bytes -= len(self._pictures.pop(key))
            for place in [place for place in self._places if place[0] == book_id]:
                del self._places[place]
