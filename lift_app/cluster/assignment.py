"""Assignment: everything that a machine without a library needs to lift one book.

What shapes the adapter comes from the driver; what belongs to a machine (device, threads, where its
models are) from that machine's own settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lift_app.engine.lifts import key_of
from lift_app.library import BookRow, Job, Library
from lift_app.lifting.recipe import Recipe
from lift_app.models.device import choose_device
from lift_app.models.identity import ModelFolder
from lift_app.reading.book import Book
from lift_app.settings import Settings


@dataclass(frozen=True)
class Plan:
    """How books are to be lifted: the same for all of them."""

    model: str
    """Base model with its start, as `Reader.reference` spells it."""
    folder: ModelFolder
    """That model on the driver's machine."""
    recipe: Recipe
    """Resolved for that model."""

    def key(self, row: BookRow, settings: Settings) -> str:
        """What the adapter of a book will be called. `settings` are the driver's."""
        return key_of(row, self.recipe, self.folder, settings)


@dataclass(frozen=True)
class Assignment:
    """One lift for a worker."""

    key: str
    """What the adapter will be called; a worker whose model is another one refuses."""
    owner: str
    book: Book
    model: str
    recipe: dict[str, Any]
    """Resolved."""
    quantisation: str | None
    """Of the frozen weights, part of the key: `nf4` or None."""

    @classmethod
    def of(cls, library: Library, row: BookRow, plan: Plan, settings: Settings) -> Assignment:
        """The lift of a book of the library. Raises NotFound: it is gone."""
        return cls(
            key=plan.key(row, settings),
            owner=row.owner,
            book=library.books.load(row.id),
            model=plan.model,
            recipe=plan.recipe.to_json(),
            quantisation=choose_device(settings, plan.folder.parameters).quantisation,
        )

    def job(self) -> Job:
        """The job as a worker's machine sees it: called by its key, so that a later try finds the
        checkpoint of an earlier one."""
        return Job(
            id=self.key,
            owner=self.owner,
            book_id=self.book.id,
            key=self.key,
            model=self.model,
            recipe=self.recipe,
            state="running",
            wanted="run",
            stage=None,
            step=0,
            steps=0,
            progress={},
            error_code=None,
            error_message=None,
            created="",
            updated="",
        )
