"""Parcels: the verbs export and import of one shelf."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lift_app.errors import CallerError
from lift_app.library import Library
from lift_app.models.device import choose_device
from lift_app.models.provision import require_local
from lift_app.parcel.arrival import receive
from lift_app.parcel.export import export
from lift_app.reading import FileReader
from lift_app.settings import Settings


class Parcels:
    """What leaves a shelf and comes onto it.

    Args:
        library: the shelf.
        settings: with the reference of the model.
        files: reads the book that comes in a parcel.
    """

    def __init__(self, library: Library, settings: Settings, files: FileReader) -> None:
        self._library, self._settings, self._files = library, settings, files

    def export(
        self,
        book: str,
        out: Path | None = None,
        *,
        with_book: bool = False,
        model: str | None = None,
    ) -> dict[str, Any]:
        """Write what was learned of a book as a plain PEFT adapter; see `parcel.export`.

        Args:
            book: id, unique prefix or title.
            out: a name that ends in `.zip`, or a folder; by the title in the working folder if
                None.
            with_book: put the book's file into it.
            model: reference of the base model and its start; the setting's by default.
        """
        row = self._library.books.find(book)
        model = model or self._settings.model
        adapters = self._library.adapters.for_book(row.id, model)
        if not adapters:
            raise CallerError(
                f"{row.title} has not been learned with {model}, so there is nothing to export. "
                "Learn it first (`lift tune`).",
                code="no_adapter",
            )
        folder = require_local(model, self._settings)
        return export(
            self._library,
            row,
            adapters[0],
            folder,
            out,
            with_book=with_book,
            quantisation=choose_device(self._settings, folder.parameters).quantisation,
        )

    def receive(self, path: Path) -> dict[str, Any]:
        """Import a parcel; see `parcel.arrival`."""
        return receive(path, self._library, self._settings, self._files)
