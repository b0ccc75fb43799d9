"""The SQLite file: who may write, who may read, and how long they wait for each other.

One writer connection a process, guarded by a lock, used through sqlite-utils; any number of
short-lived read-only connections. Several processes may open the same file. This module knows
nothing about books or jobs.

sqlite-utils costs more than half a second to import where pandas is installed, so it is imported
with the first write and never by a command that only reads.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lift_app.errors import Busy, LiftError
from lift_app.library import effects, folders, forking, schema, snapshots

if TYPE_CHECKING:
    import sqlite_utils

BUSY_SECONDS = 10.0
"""How long one process waits for another one's transaction."""
SNAPSHOT_SECONDS = 600.0
"""How old the snapshot of a library that is being changed may become."""

log = logging.getLogger(__name__)


def now() -> str:
    """The time in UTC as ISO 8601 with milliseconds, as all rows keep it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Database:
    """A library's index, brought to the newest schema when it is opened.

    Safe to share between threads. Opening an up-to-date file only reads.

    Args:
        path: the file.
        snapshots: whether to take one of what was changed, at times and at the end; False where
            another process has the library open and does. A deletion makes the last one anew
            in any case.

    Raises:
        LiftError: the file was written by a newer version of the program (code `too_new`), or is
            no database (code `damaged`), or cannot be made.
        Busy: another process held the file for longer than `BUSY_SECONDS`.
    """

    def __init__(self, path: Path, *, snapshots: bool = True) -> None:
        self.path = path
        self._takes_snapshots = snapshots
        self._lock = threading.RLock()
        self._writer: sqlite_utils.Database | None = None
        self._changed = False
        self._snapshot_at = time.monotonic()
        forking.close_before_fork(self._close_writer)
        with folders.explained("The library could not be opened"):
            effects.make_folder(path.parent)
        with self._explained():
            if self._needs_migration():
                self._migrate()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A read-only connection that sees one consistent state; rows are `sqlite3.Row`.

        Never waits for a writer. Does not see what an open `write()` has not committed.
        """
        with forking.in_use(), self._explained():
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode=ro",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
            )
            try:
                connection.row_factory = sqlite3.Row
                connection.execute("BEGIN")
                yield connection
            finally:
                connection.close()

    @contextmanager
    def write(self) -> Iterator[sqlite_utils.Database]:
        """One transaction on the writer connection; all of it happens, or nothing.

        Within a `write()` of the same thread it is a savepoint of the outer transaction.
        """
        with forking.in_use(), self._lock, self._explained():
            database = self._open_writer()
            if database.conn.in_transaction:
                with database.atomic():
                    yield database
                return
            # IMMEDIATE takes the write lock now and waits for it. A deferred transaction that
            # reads first fails at its first write when another process wrote in between.
            database.conn.execute("BEGIN IMMEDIATE")
            try:
                with database.atomic():
                    yield database
                database.commit()
                self._changed = True
            except BaseException:
                try:
                    database.rollback()
                except sqlite3.Error:
                    self._close_writer()  # a closed connection has no transaction left open
                raise
        if self._takes_snapshots and time.monotonic() - self._snapshot_at > SNAPSHOT_SECONDS:
            self._snapshot()

    def forget_deleted(self) -> None:
        """Let what was deleted leave the write-ahead log and the snapshot, too.

        `secure_delete` overwrites what is deleted in the file, but the log keeps whole pages as
        they were. Where another process is reading just now, the log stays until the next time.
        """
        with forking.in_use(), self._lock, self._explained():
            self._open_writer().conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        snapshots.forget_deleted(self.path)

    def close(self) -> None:
        """Close the writer connection, and take a snapshot of what it has changed.

        The object may be used again and opens a new connection then.
        """
        with forking.in_use(), self._lock:
            self._close_writer()
        if self._takes_snapshots and self._changed:
            self._snapshot()

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _snapshot(self) -> None:
        """Take a snapshot; one that cannot be taken must not spoil what was done.

        Without the lock and with no connection in use: nobody waits for the copy but who takes it.
        """
        self._snapshot_at = time.monotonic()
        self._changed = False  # before: what is written meanwhile may not be in the copy
        try:
            snapshots.take_snapshot(self.path)
        except (LiftError, OSError) as error:
            self._changed = True
            log.warning("no snapshot of the library was taken: %s", error)

    def _open_writer(self) -> sqlite_utils.Database:
        if self._writer is None:
            import sqlite_utils

            connection = sqlite3.connect(
                self.path,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                factory=effects.Connection,
            )
            try:
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA secure_delete = ON")
                # Not with the schema alone: an index that comes from a snapshot has no log yet.
                self._switch_to_wal(connection)
            except BaseException:
                connection.close()
                raise
            self._writer = sqlite_utils.Database(connection, execute_plugins=False)
        return self._writer

    def _needs_migration(self) -> bool:
        if not self.path.exists():
            return True
        with self.read() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == schema.VERSION and not schema.is_sealed(connection):
                raise self._damaged("its schema is not as it was made")
        if version > schema.VERSION:
            raise LiftError(
                f"This library was written by a newer version of LIFT Reader (schema {version}, "
                f"this one knows {schema.VERSION}). Nothing was changed. Update LIFT Reader, or "
                "set LIFT_HOME to another folder.",
                code="too_new",
            )
        return version < schema.VERSION

    def _migrate(self) -> None:
        if sqlite3.sqlite_version_info < schema.OLDEST_SQLITE:
            oldest = ".".join(map(str, schema.OLDEST_SQLITE))
            raise LiftError(
                f"This Python comes with SQLite {sqlite3.sqlite_version}, but LIFT Reader needs "
                f"{oldest} or newer. Run it with a newer Python."
            )
        with self.write() as database:
            # Another process may have migrated while this one waited for the write lock.
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version < schema.VERSION:
                schema.migrate(database)
                database.execute(f"PRAGMA user_version = {schema.VERSION}")
                database.execute(f"PRAGMA application_id = {schema.seal(database.conn)}")

    @staticmethod
    def _switch_to_wal(connection: sqlite3.Connection) -> None:
        """Turn on write-ahead logging, where it is off; the file remembers it.

        SQLite does not honour the busy timeout for this one statement, hence the loop. Where the
        file system has no shared memory, SQLite keeps its own default, which works more slowly.
        """
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL").fetchall()
                return
            except sqlite3.OperationalError as error:
                name = getattr(error, "sqlite_errorname", None) or ""
                busy = name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
                if not busy or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's errors into ones that a reader understands."""
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise self._damaged(error) from error
        except sqlite3.DatabaseError as error:
            name = getattr(error, "sqlite_errorname", None) or ""
            if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise Busy(
                    "Another LIFT Reader process is writing to the library. "
                    "Nothing was changed; try again in a moment."
                ) from error
            if name == "SQLITE_FULL":
                raise LiftError(
                    "The disk is full. Nothing was changed; make room and try again.",
                    code="disk_full",
                ) from error
            damage = ("decode", "no such fts5 table")  # these have no name of their own
            if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")) or any(
                word in str(error) for word in damage
            ):
                raise self._damaged(error) from error
            if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR")):
                raise LiftError(
                    f"The library's index {self.path} cannot be opened ({error}). Check that its "
                    "folder exists and that you may write to it, or set LIFT_HOME to another one."
                ) from error
            raise

    def _damaged(self, error: Exception | str) -> LiftError:
        """The error of a damaged index, which is marked so that the next start looks at it."""
        with suppress(OSError):
            snapshots.mark_of(self.path).touch()
        return LiftError(
            f"The library's index {self.path} is damaged ({error}). Close LIFT Reader and run "
            "`lift doctor --repair`, which restores the last snapshot.",
            code="damaged",
        )
