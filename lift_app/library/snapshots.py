"""Snapshots: a second copy of the index, for the day on which the first one is damaged.

`library.db-snapshot` is made by SQLite's own backup, checked, and put in place by one rename. What
is deleted leaves it at once. Restoring sets the damaged index aside, together with the files of
which the snapshot knows nothing, and says what is missing. Knows no process: whoever restores
holds the lock of the home.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from lift_app.errors import LiftError
from lift_app.library import effects, folders, forking, schema
from lift_app.settings import Settings

REPORT = "restored.json"
SIDE_FILES = ("-wal", "-shm", "-journal")
"""Endings of what SQLite keeps beside an index, and would take for that of another one there."""

_JSON = {
    "books": ("chapters", "metadata", "report"),
    "recipes": ("json",),
    "adapters": ("files", "summary"),
    "jobs": ("progress",),
    "job_events": ("event",),
    "calibration": ("value",),
}
_BROKEN_JSON = " UNION ALL ".join(
    f"SELECT 1 FROM {table} WHERE NOT json_valid({column})"
    for table, columns in _JSON.items()
    for column in columns
)

DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What SQLite raises on a damaged file; the second where its very message cannot be decoded."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Restoration:
    """What was done about a damaged index."""

    aside: str
    """Folder that holds the damaged index and the files of books that the snapshot lacks."""
    snapshot: str | None
    """When the snapshot was taken (ISO 8601, UTC); None if there was none to restore."""
    missing: tuple[str, ...]
    """Books that the snapshot lacks: their titles where they could still be read, else ids."""

    def message(self) -> str:
        """The word to the reader."""
        if self.snapshot is None:
            text = "The library's index was damaged, and there was no snapshot to restore."
        else:
            text = (
                "The library's index was damaged and has been replaced by the snapshot of "
                f"{self.snapshot}; questions and answers since then are missing."
            )
        if self.missing:
            text += f" These books are missing, too: {'; '.join(self.missing)}."
            text += f" Their files are in {self.aside}: add them again."
        return f"{text} The damaged index is kept in {self.aside}."


def snapshot_of(index: Path) -> Path:
    """Where the snapshot of an index stands."""
    return index.with_name(f"{index.name}-snapshot")


def mark_of(index: Path) -> Path:
    """A file that says: this index was found damaged, look at it before it is used."""
    return index.with_name(f"{index.name}-damaged")


def take_snapshot(index: Path) -> None:
    """Copy an index as it is now, check the copy, and replace the last snapshot by it.

    Waits for one that is being taken, in whatever process, so that the one which began last is the
    one that stays. Do not call it with a connection in use: a fork would wait for that, too.

    Raises:
        LiftError: it cannot be written, or the index is damaged; the last snapshot is kept.
    """
    with _turn(index):
        _take(index)


def _take(index: Path) -> None:
    fresh = folders.temporary(index.parent, "snapshot")
    try:
        with folders.explained("The snapshot of the library could not be written"):
            effects.announce("write", fresh)
            try:
                with _reading(index) as source, closing(sqlite3.connect(fresh)) as target:
                    source.backup(target)
                    target.execute("PRAGMA journal_mode = DELETE").fetchall()
            except DAMAGE as error:
                raise OSError(None, str(error), str(fresh)) from error
            # A fork may happen here and after the check, but not within: a child of it would find
            # SQLite's memory locked by a thread that it does not have.
            if not is_sound(fresh, thorough=False):
                raise LiftError(f"The index {index} is damaged.", code="damaged")
            effects.sync(fresh)
            effects.rename(fresh, snapshot_of(index))
    finally:
        effects.remove(fresh)


@contextmanager
def _turn(index: Path) -> Iterator[None]:
    """One thread of one process at a time; whoever waits has no connection in use."""
    lock = FileLock(index.with_name(f"{index.name}-snapshot.lock"), thread_local=False)
    with folders.explained("The snapshot of the library could not be locked"):
        effects.announce("open", lock.lock_file)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def forget_deleted(index: Path) -> None:
    """Let what was deleted from an index leave its snapshot and damaged copies set aside, too.

    A snapshot that began before the deletion is waited for, and replaced.
    """
    for aside in folders.subfolders(index.parent / "damaged"):
        for copy in aside.glob(f"{index.name}*"):
            effects.remove(copy)
    try:
        with _turn(index):
            if snapshot_of(index).exists():
                _take(index)
    except LiftError:
        log.warning("the snapshot is removed, for it holds what was deleted")
        snapshot_of(index).unlink(missing_ok=True)


def is_sound(index: Path, *, thorough: bool = True) -> bool:
    """Whether an index can be read, and this program knows its schema.

    Args:
        index: the SQLite file.
        thorough: also compare tables with their indexes, and read all that is kept as text.
    """
    check = "integrity_check" if thorough else "quick_check"
    try:
        with _reading(index) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            said = {row[0] for row in connection.execute(f"PRAGMA {check}")}
            return (
                0 < version <= schema.VERSION
                and schema.is_sealed(connection)
                # Word indexes, which SQLite looks into from 3.44 on, are made anew from passages.
                and all(line == "ok" or "FTS5" in line for line in said)
                and not connection.execute("PRAGMA foreign_key_check").fetchall()
                and not (thorough and connection.execute(_BROKEN_JSON).fetchall())
                and (not thorough or _can_be_read(connection))
            )
    except DAMAGE:
        return False


def _can_be_read(connection: sqlite3.Connection) -> bool:
    """Whether every text is UTF-8, which SQLite does not check; raises an error of `DAMAGE` if not.

    What stands in the tables of the word indexes is SQLite's own.
    """
    named = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'passages_*'"
    for (table,) in connection.execute(named).fetchall():
        for _ in connection.execute(f'SELECT * FROM "{table}"'):
            pass
    return True


def restore(settings: Settings) -> Restoration:
    """Set a damaged index aside and put the last snapshot in its place.

    Only for a process that holds the lock of the home. A kill in the middle leaves the damaged
    index where it was, to be restored again.

    Raises:
        LiftError: the disk cannot be written.
    """
    index, snapshot = settings.database, snapshot_of(settings.database)
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%S.%f")
    aside = settings.home / "damaged" / moment
    usable = is_sound(snapshot)
    with folders.explained("The damaged library could not be set aside"):
        effects.make_folder(aside)
        titles = _titles(index)
        kept_books = set(_column(snapshot, "SELECT id FROM books")) if usable else set()
        kept_adapters = set(_column(snapshot, "SELECT key FROM adapters")) if usable else set()
        missing = [titles.get(name, name) for name in _set_aside(settings.books, kept_books, aside)]
        _set_aside(settings.adapters, kept_adapters, aside)
        restored = Restoration(
            aside=str(aside),
            snapshot=_taken(snapshot) if usable else None,
            missing=tuple(missing),
        )
        report = json.dumps(asdict(restored) | {"message": restored.message()}, indent=2)
        effects.replace_file(aside / REPORT, [report.encode("utf-8")])
        _exchange(index, snapshot if usable else None, aside)
        effects.remove(mark_of(index))
    log.warning("%s", restored.message())
    return restored


def restorations(settings: Settings) -> list[Restoration]:
    """Earlier restorations whose folders are still there, the oldest first."""
    found = []
    for aside in folders.subfolders(settings.home / "damaged"):
        with suppress(OSError, ValueError, TypeError, KeyError):
            values = json.loads((aside / REPORT).read_text(encoding="utf-8"))
            missing = tuple(values["missing"])
            found.append(Restoration(str(aside), values["snapshot"], missing))
    return found


def _exchange(index: Path, snapshot: Path | None, aside: Path) -> None:
    """Put a copy of the snapshot in the place of the index, or nothing if there is none."""
    if index.exists():
        folders.copy_file(index, aside / index.name)
    # A log beside the index would be taken for the log of the snapshot.
    for suffix in SIDE_FILES:
        side = index.with_name(index.name + suffix)
        if side.exists():
            effects.rename(side, aside / side.name)
    if snapshot is None:
        effects.remove(index)
        return
    fresh = folders.temporary(index.parent, "restored")
    folders.copy_file(snapshot, fresh)
    effects.rename(fresh, index)


def _set_aside(root: Path, kept: set[str], aside: Path) -> list[str]:
    """Move folders that no row will name out of the sweep's way; return their names."""
    moved = []
    for folder in folders.subfolders(root):
        if folder.name not in kept and not folder.name.startswith(folders.TEMPORARY):
            folders.move(folder, aside / root.name / folder.name)
            moved.append(folder.name)
    return moved


@contextmanager
def _reading(index: Path) -> Iterator[sqlite3.Connection]:
    address = f"{index.absolute().as_uri()}?mode=ro"
    with (
        forking.in_use(),
        closing(sqlite3.connect(address, uri=True, timeout=10)) as connection,
    ):
        yield connection


def _column(index: Path, sql: str) -> list[str]:
    with _reading(index) as connection:
        return [row[0] for row in connection.execute(sql)]


def _titles(index: Path) -> dict[str, str]:
    """Titles of a damaged index, as far as they can still be read."""
    titles: dict[str, str] = {}
    with suppress(*DAMAGE), _reading(index) as connection:
        for identity, title in connection.execute("SELECT id, title FROM books"):
            titles[identity] = title
    return titles


def _taken(snapshot: Path) -> str:
    taken = datetime.fromtimestamp(snapshot.stat().st_mtime, UTC)
    return taken.isoformat(timespec="seconds").replace("+00:00", "Z")
