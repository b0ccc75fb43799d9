"""Storage: how much room books, what was learned of them, and models take. Reads sizes only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lift_app.library import Library
from lift_app.settings import Settings


def storage(library: Library, settings: Settings) -> dict[str, Any]:
    """The room that everything takes, in bytes.

    Returns:
        `home`; `books`, each with `id`, `title`, `file` (what was added, and its text), `learned`
        (adapters); `models` of this machine; `total` of the shelf and the models.
    """
    adapters: dict[str, int] = {}
    for adapter in library.adapters.list():
        adapters[adapter.book_id] = adapters.get(adapter.book_id, 0) + adapter.bytes
    books: list[dict[str, Any]] = [
        {
            "id": row.id,
            "title": row.title,
            "file": _size(settings.books / row.id),
            "learned": adapters.get(row.id, 0),
        }
        for row in library.books.list()
    ]
    models = _size(settings.models)
    return {
        "home": str(settings.home),
        "books": books,
        "models": models,
        "total": models + sum(book["file"] + book["learned"] for book in books),
    }


def _size(folder: Path) -> int:
    """Bytes of all files in a folder; 0 where there is none. Follows the link that it may be."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            if path.is_file() and not path.is_symlink():
                total += path.stat().st_size
    return total
