"""Visitor: a Reader for one visitor of a shared app. The same verbs, another shelf, and limits.

The page and the API both stand on it, so that no way in is wider than the other. What a visitor may
not do is refused at once, with the limit and what to do in the text (code `limit`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lift_app.errors import Busy, CallerError
from lift_app.library.usage import bytes_of, bytes_of_all
from lift_app.lifting.estimate import estimate
from lift_app.lifting.recipe import resolve_recipe
from lift_app.models.device import choose_device
from lift_app.models.provision import find_local
from lift_app.reader import Reader
from lift_app.reading import Book

if TYPE_CHECKING:
    from lift_app.engine.engine import Engine
    from lift_app.visitors.house import House

LONGEST_QUESTION = 2000
"""Characters of a question."""
MOST_CHARACTERS = 3_000_000
"""Of a book: longer than most that are printed."""
MOST_LIFTS = 12
"""Unfinished lifts of all visitors together; a visitor has one at a time."""


class Visitor(Reader):
    """One visitor's way to the shared app.

    Args:
        house: where the visitor is.
        owner: of the visitor's shelf.
    """

    def __init__(self, house: House, owner: str) -> None:
        reader = house.reader
        self.settings, self._preload = reader.settings, reader._preload
        self._files, self._access = reader._files, reader._access
        library = reader.library.for_owner(owner)
        self._stand_on(library, reader.pages.seen_by(library))
        self._house = house

    def close(self) -> None:
        """Visitors come and go; the house is closed by who opened it."""

    def add(
        self, path: str | Path, *, title: str | None = None, encoding: str | None = None
    ) -> dict[str, Any]:
        """As `Reader.add`, within the visitor's limits."""
        with self._house.adding(self.library.owner):
            size = Path(path).stat().st_size if Path(path).is_file() else 0
            self._check_room(books=1, size=size)
            return super().add(path, title=title, encoding=encoding)

    def start_tune(
        self,
        book: str,
        *,
        recipe: str | None = None,
        model: str | None = None,
        start: str | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """As `Reader.start_tune`, within the visitor's limits."""
        row = self.library.books.find(book)
        recipe = recipe or self.suggested_recipe(row.id, values=values)
        self._house.count_lift(self.library.owner)
        self._check_length(row.tokens, recipe, values)
        self._check_room()
        with self._house.queueing:
            self._check_queue(row.id, recipe)
            return super().start_tune(
                row.id, recipe=recipe, model=model, start=start, values=values
            )

    def resume(self, ref: str) -> dict[str, Any]:
        """As `Reader.resume`, within the visitor's limits."""
        self._house.count_lift(self.library.owner)
        with self._house.queueing:
            lift = self.status(ref)
            self._check_queue(lift["book"], lift["recipe"])
            return super().resume(ref)

    def ask_stream(self, book: str, question: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        """As `Reader.ask_stream`, within the visitor's limits."""
        if len(question) > LONGEST_QUESTION:
            raise limit(
                f"The question has {len(question):,} characters; {LONGEST_QUESTION:,} are read. "
                "Make it shorter."
            )
        with self._house.asking(self.library.owner):
            yield from super().ask_stream(book, question, **arguments)

    def reference(self, model: str | None = None, start: str | None = None) -> str:
        """The model of the house; visitors choose no other."""
        own = self.settings.model
        if (model or start) and super().reference(model, start) != own:
            raise limit("Visitors use the model of this app. Leave the model out.")
        return own

    def storage(self) -> dict[str, Any]:
        """The room that the visitor's own books take; where and what else is not theirs to know."""
        found = super().storage()
        own = found["total"] - found["models"]
        return {**found, "home": "", "models": 0, "total": own}

    def _accept(self, book: Book) -> None:
        """Comes before anything is made of a text: what is made of it, all visitors wait for."""
        if len(book.text) > MOST_CHARACTERS:
            raise limit(
                f"The text has {len(book.text):,} characters, and a visitor's book may have "
                f"{MOST_CHARACTERS:,} here. Nothing was kept; split it and add a part."
            )

    def engine(self, *, lifting: bool = True) -> Engine:
        """Not for visitors."""
        raise limit("Only who runs this app can do that.")

    def _check_room(self, *, books: int = 0, size: int = 0) -> None:
        settings = self.settings
        held = len(self.library.books.list())
        if held + books > settings.visitor_books:
            raise limit(
                f"Your shelf holds {held} books, and a visitor may keep {settings.visitor_books} "
                "here. Remove one, then add this."
            )
        used = bytes_of(self.library)
        if used + size > settings.visitor_mb * 2**20:
            raise limit(
                f"Your books and what was learned from them take {used / 2**20:,.0f} MB, and a "
                f"visitor may use {settings.visitor_mb:,} MB here. Remove a book first."
            )
        if bytes_of_all(self.library) + size > settings.visitors_gb * 2**30:
            raise Busy(
                "This app is full for now. What you have added is kept; try again another day, or "
                "run LIFT Reader on your own machine."
            )

    def _check_queue(self, book_id: str, recipe: str) -> None:
        """One unfinished lift a visitor. To ask for the same one again is fine."""
        unfinished = self.library.jobs.list(unfinished=True)
        if any((job.book_id, job.recipe["name"]) != (book_id, recipe) for job in unfinished):
            raise limit(
                "A book of yours is being learned. Wait until it is done, or cancel that first: "
                "a visitor has one at a time."
            )
        if not unfinished and self.library.jobs.waiting() >= MOST_LIFTS:
            raise Busy(
                f"{MOST_LIFTS} books are waiting to be learned here. Try again in a few minutes; "
                "you can already ask, with passages looked up."
            )

    def _check_length(self, tokens: int, recipe: str, values: Mapping[str, Any] | None) -> None:
        folder = find_local(self.settings.model, self.settings)
        if folder is None:
            return  # told by `start_tune` itself
        plan = resolve_recipe(recipe, window=folder.window, values=values)
        found = estimate(
            self.library.calibration,
            weights_sha256=folder.weights_sha256,
            parameters=folder.parameters,
            choice=choose_device(self.settings, folder.parameters),
            recipe=plan,
            tokens=tokens,
        )
        if found.minutes > self.settings.visitor_minutes:
            raise limit(
                f"To learn this book takes about {found.minutes:,.0f} minutes here, and a visitor "
                f"may use {self.settings.visitor_minutes}. Choose a quicker recipe or a shorter "
                "book, or just ask: passages are looked up."
            )


def limit(text: str) -> CallerError:
    """What a visitor is told who asks for too much: the limit, and what to do."""
    return CallerError(text, code="limit")
