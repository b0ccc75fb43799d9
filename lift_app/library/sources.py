"""The kept copies of book files: `books/<sha256>/source.<ext>`, one for all owners.

Knows files and their hashes, no rows: whoever holds the write lock says which are wanted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from pathlib import Path

from lift_app.errors import LiftError
from lift_app.library import effects, folders

_ABANDONED_SECONDS = 3600.0
_PLAIN_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


class Sources:
    """The folder of book files."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, book_id: str) -> Path:
        """Where the file of a book is, if it is kept."""
        return self._root / book_id

    def find(self, book_id: str) -> Path | None:
        """The kept copy, if there is one."""
        return next(iter(sorted(self.folder(book_id).glob("source*"))), None)

    def stage(self, book_id: str, source: Path) -> Path | None:
        """Copy a file beside its place, durably; None if it is kept already.

        Raises:
            LiftError: its sha256 is not `book_id` any more (code `changed`), or it does not fit on
                the disk (code `disk_full`).
            OSError: it cannot be copied; nothing is left of the copy.
        """
        if self.find(book_id) is not None:
            return None
        # The text, the passages and their word index take about as much as the file, or less.
        size = source.stat().st_size
        folders.require_room(self._root, 2 * size, "The book could not be kept")
        staged = folders.temporary(self._root, book_id)
        effects.make_folder(staged)
        suffix = source.suffix.lower()
        name = f"source{suffix}" if _PLAIN_SUFFIX.fullmatch(suffix) else "source"
        try:
            if folders.copy_file(source, staged / name) != book_id:
                raise LiftError(
                    f"{source.name} changed while it was being read. Nothing was kept; "
                    "add it again.",
                    code="changed",
                )
            folders.sync_tree(staged)
        except BaseException:
            effects.remove(staged)
            raise
        return staged

    def place(self, staged: Path, book_id: str) -> None:
        """Give a staged copy its name. Under the write lock, so that no sweep comes between."""
        if self.find(book_id) is None:
            effects.remove(self.folder(book_id))
            folders.move(staged, self.folder(book_id))

    def sweep(self, wanted: Collection[str]) -> list[str]:
        """Remove folders of books that are not wanted, and copies that were cut short.

        Under the write lock. A copy that another process may still be making (younger than an
        hour) is left alone. Returns the names of the folders removed.
        """
        removed = []
        for folder in folders.subfolders(self._root):
            if folder.name.startswith(folders.TEMPORARY):
                gone = time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS
            else:
                gone = folder.name not in wanted
            if gone:
                effects.remove(folder)
                removed.append(folder.name)
        return removed
