"""Recovery: opening a library whose index may be damaged.

A damaged index is set aside and the last snapshot put in its place, by a process that holds the
lock of the home, so that nobody writes to the index meanwhile.
"""

from __future__ import annotations

import sqlite3

from lift_app.engine.lock import HomeLock
from lift_app.errors import Busy, LiftError
from lift_app.library import Library
from lift_app.library.snapshots import (
    Restoration,
    is_sound,
    mark_of,
    restore,
    snapshot_of,
)
from lift_app.settings import Settings


def open_library(settings: Settings) -> Library:
    """Open the library in `settings.home`; restore it first if its index is damaged.

    What was restored is logged as a warning, and kept beside the damaged index.

    Raises:
        LiftError: it cannot be opened.
        Busy: it is damaged, and another process has it open.
    """
    if _looks_lost(settings):
        repair(settings)
    try:
        return Library.open(settings)
    except LiftError as error:
        if error.code != "damaged":
            raise
    repair(settings)
    return Library.open(settings)


def repair(settings: Settings) -> Restoration | None:
    """Check the whole index and restore the last snapshot if it is damaged.

    The word indexes are made anew, and what killed processes left behind is removed.

    Returns:
        What was done; None if the index is sound.

    Raises:
        Busy: another process has the library open.
        LiftError: it cannot be opened for another reason, as one of a newer version.
    """
    lock = HomeLock(settings.home)
    if not lock.acquire():
        raise Busy(
            "The library's index is damaged, and another LIFT Reader has it open. Close that one; "
            "the last snapshot is then restored."
        )
    try:
        sound = (
            _opens(settings) and is_sound(settings.database) and _words_can_be_made_anew(settings)
        )
        restored = None if sound else restore(settings)
        mark_of(settings.database).unlink(missing_ok=True)
        with Library.open(settings) as library:
            if restored is not None:
                library.passages.rebuild_index()
            library.sweep()
        return restored
    finally:
        lock.release()


def _words_can_be_made_anew(settings: Settings) -> bool:
    """Make the word indexes anew; False where that fails, as with a damaged name in the schema."""
    try:
        with Library.open(settings) as library:
            library.passages.rebuild_index()
    except sqlite3.DatabaseError:
        return False
    except LiftError as error:
        if error.code != "damaged":
            raise
        return False
    return True


def _looks_lost(settings: Settings) -> bool:
    """Whether the index was found damaged before, or is gone although there is a snapshot."""
    return mark_of(settings.database).exists() or _is_gone(settings)


def _is_gone(settings: Settings) -> bool:
    index = settings.database
    empty = not index.exists() or index.stat().st_size == 0
    return empty and snapshot_of(index).exists()


def _opens(settings: Settings) -> bool:
    """Whether the index can be opened. One of a newer version of the program is not damaged."""
    if _is_gone(settings):
        return False
    try:
        Library.open(settings).close()
    except LiftError as error:
        if error.code != "damaged":
            raise
        return False
    return True
