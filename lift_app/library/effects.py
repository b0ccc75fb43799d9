"""Effects: the one door through which the library changes what is on a disk.

Whatever is made, opened for writing, written, forced to disk, renamed, removed or changed by SQL
passes through a function of this module, which announces it first. In use nobody listens. A test
that listens can count every effect of a reading and let the n-th one fail, or kill the process
there, as SQLite tests itself. Knows nothing of what is written.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

Listener = Callable[[str, str], None]
"""Gets the kind of an effect and its target before it happens; what it raises is the fault."""

KINDS = ("make", "open", "write", "sync", "rename", "remove", "sql")

_READING = ("SELECT", "PRAGMA", "EXPLAIN", "SAVEPOINT", "RELEASE", "ROLLBACK")
_listener: Listener | None = None


def announce(kind: str, target: object) -> None:
    """Say that an effect is about to happen; for those that another library carries out."""
    if _listener is not None:
        _listener(kind, str(target))


@contextmanager
def announced_to(listener: Listener) -> Iterator[None]:
    """Let `listener` hear every effect of this process. One at a time."""
    global _listener
    _listener = listener
    try:
        yield
    finally:
        _listener = None


def make_folder(folder: Path) -> None:
    """Make a folder that only this user may enter; its parents, too. Fine if it is there."""
    if not folder.is_dir():
        announce("make", folder)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def write_file(path: Path, blocks: Iterable[bytes], *, mode: int = 0o666) -> None:
    """Write a file that was not there and force it to disk.

    Args:
        path: its folder exists.
        blocks: the bytes, piece by piece.
        mode: rights of the file, less the umask.
    """
    announce("open", path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, mode)
    with os.fdopen(descriptor, "wb") as file:
        for block in blocks:
            announce("write", path)
            file.write(block)
        file.flush()
        announce("sync", path)
        os.fsync(file.fileno())


def replace_file(path: Path, blocks: Iterable[bytes], *, mode: int = 0o666) -> None:
    """Write a file so that whoever opens it finds the old one or the new one, whole."""
    fresh = path.with_name(f".{path.name}.{uuid4().hex}.new")
    try:
        write_file(fresh, blocks, mode=mode)
        rename(fresh, path)
    except BaseException:
        remove(fresh)
        raise


def sync(path: Path) -> None:
    """Force a file, or the names in a folder, to disk."""
    announce("sync", path)
    if path.is_dir():
        if os.name == "nt":  # Windows cannot open a folder, and needs no fsync of one.
            return
        descriptor = os.open(path, os.O_RDONLY)
    else:
        descriptor = os.open(path, os.O_RDWR | _BINARY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Rename a file or folder, and force the new name to disk. A file at `target` is replaced."""
    announce("rename", target)
    source.replace(target)
    sync(target.parent)
    if source.parent != target.parent:
        sync(source.parent)


def remove(path: Path) -> None:
    """Remove a file or a folder with all in it. What cannot be removed is left for a sweep."""
    with suppress(OSError):
        announce("remove", path)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


class Cursor(sqlite3.Cursor):
    """A cursor whose changes are effects."""

    def execute(self, sql: str, *parameters: Any) -> Cursor:
        """As in `sqlite3`."""
        _announce_sql(sql)
        return super().execute(sql, *parameters)

    def executemany(self, sql: str, *parameters: Any) -> Cursor:
        """As in `sqlite3`."""
        _announce_sql(sql)
        return super().executemany(sql, *parameters)


class Connection(sqlite3.Connection):
    """A connection whose changes are effects. Use it as `factory` of `sqlite3.connect`."""

    def cursor(self, factory: Any = Cursor) -> Any:
        """As in `sqlite3`."""
        return super().cursor(factory)

    # The short cuts of `sqlite3` would make plain cursors.

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        """As in `sqlite3`."""
        cursor: Cursor = self.cursor()
        return cursor.execute(sql, *parameters)

    def executemany(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        """As in `sqlite3`."""
        cursor: Cursor = self.cursor()
        return cursor.executemany(sql, *parameters)


def _announce_sql(sql: str) -> None:
    if _listener is not None and not sql.lstrip().upper().startswith(_READING):
        announce("sql", " ".join(sql.split())[:60])


_BINARY = getattr(os, "O_BINARY", 0)
