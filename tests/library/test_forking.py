"""No SQLite connection is open while a process forks, and both sides work on afterwards."""

from __future__ import annotations

import gc
import os
import threading
import time
from pathlib import Path

import pytest

from lift_app.library import Library, effects, forking
from lift_app.settings import Settings

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


@pytest.fixture(autouse=True)
def watched() -> None:
    forking.watch_forks()
    forking.watch_forks()


def open_files(name: str) -> list[str]:
    found = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(link.readlink()))
        except OSError:
            continue
    return [path for path in found if name in path]


def in_fork(work: object) -> int:
    """Exit status of a child that does some work."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(work())  # type: ignore[operator]
        except BaseException:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no list of open files")
def test_the_child_inherits_no_connection(library: Library, home: Path) -> None:
    library.calibration.set("speed", {"tokens": 1.0})
    assert open_files("library.db")
    assert in_fork(lambda: len(open_files("library.db"))) == 0
    library.calibration.set("speed", {"tokens": 2.0})  # the parent opens another one


def test_both_sides_write(library: Library, home: Path) -> None:
    library.calibration.set("parent", {"n": 1.0})

    def write() -> int:
        with Library.open(Settings(home=home)) as own:
            own.calibration.set("child", {"n": 2.0})
        return 7

    assert in_fork(write) == 7
    library.calibration.set("parent", {"n": 3.0})
    assert library.calibration.get("child") == {"n": 2.0}
    assert library.calibration.get("parent") == {"n": 3.0}


def test_a_fork_waits_for_readers_and_they_for_it(library: Library, home: Path) -> None:
    reading, enough = threading.Event(), threading.Event()

    def read() -> None:
        with library.db.read() as connection:
            reading.set()
            enough.wait(10)
            with library.db.read():  # within: it must not wait for the fork that waits for it
                connection.execute("SELECT 1").fetchone()

    thread = threading.Thread(target=read)
    thread.start()
    assert reading.wait(10)
    threading.Timer(0.3, enough.set).start()
    began = time.monotonic()
    assert in_fork(lambda: 5) == 5
    assert time.monotonic() - began >= 0.25
    thread.join(10)
    assert not thread.is_alive()
    assert library.books.list() == []


def test_a_connection_that_is_held_for_ever_only_delays_a_fork(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forking, "PATIENCE_SECONDS", 0.2)
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with library.db.read():
            held.set()
            over.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    assert in_fork(lambda: 3) == 3
    over.set()
    thread.join(10)
    assert library.books.list() == []


def test_a_fork_does_not_wait_while_a_snapshot_is_forced_to_disk(
    library: Library, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.calibration.set("speed", {"tokens": 1.0})
    syncing, over, sync = threading.Event(), threading.Event(), effects.sync

    def slowly(path: Path) -> None:
        syncing.set()
        over.wait(20)
        sync(path)

    monkeypatch.setattr(effects, "sync", slowly)
    thread = threading.Thread(target=library.close)
    thread.start()
    assert syncing.wait(20)
    try:
        assert not forking._users
        assert in_fork(lambda: len(open_files("library.db-wal"))) == 0
        library.calibration.set("speed", {"tokens": 2.0})  # nor does a writer
    finally:
        over.set()
        thread.join(20)
    assert not thread.is_alive()


def test_a_library_that_is_gone_is_forgotten(home: Path) -> None:
    known = list(forking._idle)
    for _ in range(3):
        Library.open(Settings(home=home)).close()
    own = [reference for reference in forking._idle if reference not in known]
    assert len(own) == 3
    gc.collect()
    assert in_fork(lambda: 0) == 0
    assert not any(reference in forking._idle for reference in own)
