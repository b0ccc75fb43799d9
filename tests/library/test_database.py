"""Opening, migrating, and writing from several threads and processes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from lift_app.errors import Busy, LiftError
from lift_app.library import Library, database, schema, snapshots
from lift_app.library.database import Database
from lift_app.settings import Settings


def test_a_new_file_gets_every_table_and_the_newest_version(library, home):
    with library.db.read() as connection:
        tables = {row["name"] for row in connection.execute("SELECT name FROM sqlite_master")}
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    assert tables >= {
        *("books", "pages", "passages", "passages_fts", "passages_trigram", "recipes", "jobs"),
        *("job_events", "segment_losses", "adapters", "chats", "messages", "calibration"),
    }
    assert version == schema.VERSION == len(schema.MIGRATIONS)
    assert mode == "wal"


def test_an_empty_file_is_migrated(home):
    home.mkdir()
    (home / "library.db").touch()
    with Library.open(Settings(home=home)) as library:
        assert library.books.list() == []


def test_opening_an_up_to_date_file_writes_nothing_and_is_quick(library, home):
    library.close()
    before = (home / "library.db").read_bytes()
    start = time.process_time()
    Library.open(Settings(home=home))
    assert time.process_time() - start < 0.05
    assert (home / "library.db").read_bytes() == before


def test_a_later_migration_is_applied_once(library, add_book, home, monkeypatch):
    row = add_book()
    library.close()
    calls = []

    def second(db):
        calls.append(1)
        db.execute("ALTER TABLE books ADD COLUMN colour TEXT")

    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("second", second)))
    monkeypatch.setattr(schema, "VERSION", 2)
    Database(home / "library.db").close()
    Database(home / "library.db").close()
    assert calls == [1]
    with library.db.read() as connection:
        assert connection.execute("SELECT id, colour FROM books").fetchone()[:] == (row.id, None)


def test_a_failing_migration_leaves_the_old_schema(library, home, monkeypatch):
    library.close()

    def broken(db):
        db.execute("CREATE TABLE half (a)")
        raise RuntimeError("power cut")

    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("broken", broken)))
    monkeypatch.setattr(schema, "VERSION", 2)
    with pytest.raises(RuntimeError):
        Database(home / "library.db")
    with sqlite3.connect(home / "library.db") as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        names = connection.execute("SELECT name FROM sqlite_master WHERE name = 'half'")
        assert names.fetchone() is None


def test_a_newer_file_is_refused_and_left_alone(library, home):
    library.close()
    with sqlite3.connect(home / "library.db") as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    with pytest.raises(LiftError, match="newer version of LIFT Reader") as raised:
        Library.open(Settings(home=home))
    assert raised.value.code == "too_new"


def test_a_file_that_is_no_database_is_explained(home):
    home.mkdir()
    (home / "library.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(LiftError, match="damaged") as raised:
        Library.open(Settings(home=home))
    assert raised.value.code == "damaged"


def test_a_home_that_cannot_be_a_folder_is_explained(home):
    home.write_text("a file")
    with pytest.raises(LiftError, match="could not be opened"):
        Library.open(Settings(home=home))


def test_an_sqlite_that_is_too_old_is_explained(home, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    with pytest.raises(LiftError, match=r"needs 3\.37 or newer"):
        Library.open(Settings(home=home))


def test_a_failed_write_leaves_nothing_and_a_nested_one_only_its_own_part(library):
    with pytest.raises(RuntimeError), library.db.write() as outer:
        outer.table("calibration").insert({"name": "a", "value": "{}", "updated": ""})
        raise RuntimeError
    assert library.calibration.get("a") is None

    with library.db.write():
        library.calibration.set("kept", {"x": 1})
        with pytest.raises(RuntimeError), library.db.write() as inner:
            inner.table("calibration").insert({"name": "lost", "value": "{}", "updated": ""})
            raise RuntimeError
    assert library.calibration.get("kept") == {"x": 1}
    assert library.calibration.get("lost") is None


def test_reading_does_not_wait_for_a_writer_and_cannot_write(library):
    with library.db.write():
        library.calibration.set("a", {"x": 1})
        assert library.calibration.get("a") is None  # not committed yet
    assert library.calibration.get("a") == {"x": 1}
    with pytest.raises(LiftError, match="cannot be opened"), library.db.read() as connection:
        connection.execute("DELETE FROM calibration")


def test_a_writer_elsewhere_that_never_ends_is_explained(library, home, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    library.close()
    other = sqlite3.connect(home / "library.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy, match="Another LIFT Reader process"):
        library.calibration.set("a", {})
    other.execute("ROLLBACK")
    other.close()
    library.calibration.set("a", {"now": True})
    assert library.calibration.get("a") == {"now": True}


def test_foreign_keys_and_secure_delete_are_on(library):
    with library.db.write() as db:
        assert db.execute("PRAGMA foreign_keys").fetchone() == (1,)
        assert db.execute("PRAGMA secure_delete").fetchone() == (1,)
    with pytest.raises(sqlite3.IntegrityError), library.db.write() as db:
        db.execute("INSERT INTO pages VALUES (99, 1, '1', NULL, 'text')")


def test_two_threads_write_everything(library, add_book):
    chat = library.chats.create(add_book().id, "Talk")

    def talk(name: str) -> None:
        for number in range(30):
            library.chats.add_message(chat.id, "user", f"{name} {number}", None)

    threads = [threading.Thread(target=talk, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = [message.content for message in library.chats.messages(chat.id)]
    assert len(said) == 60
    for name in "ab":
        mine = [content for content in said if content.startswith(name)]
        assert mine == [f"{name} {number}" for number in range(30)]


WRITER = """
import sys
from pathlib import Path
from lift_app.library import Library
from lift_app.settings import Settings
library = Library.open(Settings(home=Path(sys.argv[1])))
for number in range(12):
    with library.db.write():
        names = (library.calibration.get("log") or {"names": []})["names"]
        library.calibration.set("log", {"names": [*names, sys.argv[2]]})
"""


def test_two_processes_make_a_library_and_write_everything(home):
    processes = [subprocess.Popen([sys.executable, "-c", WRITER, str(home), name]) for name in "ab"]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    with Library.open(Settings(home=home)) as library:
        log = library.calibration.get("log")
    assert log is not None
    assert sorted(log["names"]) == ["a"] * 12 + ["b"] * 12


def test_a_command_that_only_reads_does_not_import_sqlite_utils_or_torch(library, add_book, home):
    add_book()
    script = (
        "import sys; from pathlib import Path; from lift_app.library import Library;"
        "from lift_app.settings import Settings;"
        "rows = Library.open(Settings(home=Path(sys.argv[1]))).books.list();"
        "print(len(rows), 'sqlite_utils' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(home)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "False", "False"]


def test_only_a_deletion_takes_a_snapshot_where_another_process_takes_them(library, home):
    library.calibration.set("speed", {"n": 1.0})
    library.close()
    snapshot = home / "library.db-snapshot"
    before = snapshot.stat().st_mtime_ns
    with Library.open(Settings(home=home), snapshots=False) as slice_of_it:
        slice_of_it.calibration.set("speed", {"n": 2.0})
        slice_of_it.close()
        assert snapshot.stat().st_mtime_ns == before
        slice_of_it.db.forget_deleted()
        assert snapshot.stat().st_mtime_ns > before


def test_a_snapshot_that_began_before_a_deletion_does_not_undo_it(library, home, monkeypatch):
    """The older copy is being checked while something is deleted: with, and without one before."""
    library.calibration.set("secret", {"zanzibron": 1.0})
    index, snapshot = home / "library.db", home / "library.db-snapshot"
    for there_is_one in (False, True):
        with library.db.write() as database:
            database.execute("UPDATE calibration SET value = '{\"zanzibron\": 1.0}'")
        if there_is_one:
            snapshots.take_snapshot(index)
        checking, go_on, sound = threading.Event(), threading.Event(), snapshots.is_sound

        def slowly(path, sound=sound, checking=checking, go_on=go_on, **how):
            if not checking.is_set():
                checking.set()
                assert go_on.wait(60)
            return sound(path, **how)

        with monkeypatch.context() as patch:
            patch.setattr(snapshots, "is_sound", slowly)
            older = threading.Thread(target=snapshots.take_snapshot, args=[index])
            older.start()
            assert checking.wait(60)
            with library.db.write() as database:
                database.execute("UPDATE calibration SET value = '{}'")
            forgets = threading.Thread(target=library.db.forget_deleted)
            forgets.start()
            forgets.join(1)  # it waits, or this test would not know
            library.calibration.set("other", {"n": 1.0})  # and keeps nobody from writing
            go_on.set()
            older.join(60)
            forgets.join(60)
        assert b"zanzibron" not in snapshot.read_bytes()
        snapshot.unlink()
