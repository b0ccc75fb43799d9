"""Usage: how much is kept, for one owner or for all of them, and when an owner last did something.

Counts what grows with what readers bring: files, adapters and, for all together, the index. What
is too much is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable

from lift_app.library import folders
from lift_app.library.library import Library

_TOUCHED = """
SELECT owner, max(time) FROM (
    SELECT owner, added AS time FROM books
    UNION ALL SELECT owner, updated FROM jobs
    UNION ALL SELECT owner, updated FROM chats
) GROUP BY owner
"""


def bytes_of(library: Library) -> int:
    """Bytes of the owner's files and adapters."""
    adapters = sum(row.bytes for row in library.adapters.list())
    return _files(library, (row.id for row in library.books.list())) + adapters


def bytes_of_all(library: Library) -> int:
    """Bytes of every owner's files and adapters, and of the index."""
    with library.db.read() as connection:
        books = [row[0] for row in connection.execute("SELECT DISTINCT id FROM books")]
        adapters = connection.execute("SELECT coalesce(sum(bytes), 0) FROM adapters").fetchone()[0]
    index = library.settings.database
    return _files(library, books) + int(adapters) + (index.stat().st_size if index.exists() else 0)


def last_touched(library: Library) -> dict[str, str]:
    """Owner -> when something was last added, learned or said on their shelf; ISO 8601, UTC."""
    with library.db.read() as connection:
        return dict(connection.execute(_TOUCHED).fetchall())


def _files(library: Library, books: Iterable[str]) -> int:
    found = (folders.files_in(library.settings.books / book) for book in books)
    return sum(path.stat().st_size for files in found for _, path in files)
