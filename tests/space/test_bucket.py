"""The bucket: what is kept of a library comes back whole, and what was deleted does not."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from faults import FaultAt

from lift_app.errors import LiftError
from lift_app.library import Library, effects
from lift_app.reader import Reader
from lift_app.settings import Settings
from lift_app.space import keeper as keeping
from lift_app.space.bucket import ABANDONED_SECONDS, Bucket, Snapshot
from lift_app.space.keeper import Keeper, kept
from lift_app.visitors.passes import Passes

SECRET = "Zanzibron"


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket(tmp_path / "bucket")


@pytest.fixture(scope="module")
def template(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two books, a conversation, a checkpoint and a pass."""
    folder = tmp_path_factory.mktemp("template")
    lanterns, secret = folder / "lanterns.txt", folder / "secret.txt"
    lanterns.write_text("Orla Venn kept seven lanterns in the tower. " * 9, encoding="utf-8")
    secret.write_text(f"{SECRET} kept the blue key in the mill. " * 9, encoding="utf-8")
    settings = Settings(home=folder / "home", model=str(tiny_model))
    with Reader(settings) as reader:
        reader.add(lanterns, title="lanterns")
        chat = reader.new_chat(reader.add(secret, title="secret")["id"])
        reader.library.chats.add_message(chat["id"], "user", f"Who is {SECRET}?", None)
    Passes(settings.home)
    checkpoint = settings.checkpoints / "job" / "state.bin"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"state" * 1000)
    return settings.home


@pytest.fixture
def shelf(template: Path, tiny_settings: Settings) -> Settings:
    """Settings of a copy of that home."""
    shutil.copytree(template, tiny_settings.home)
    return tiny_settings


def elsewhere(settings: Settings, tmp_path: Path, name: str = "other") -> Settings:
    return replace(settings, home=tmp_path / name, models=settings.models)


def titles(settings: Settings) -> list[str]:
    with Library.open(settings) as library:
        return sorted(book.title for book in library.books.list())


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_a_library_comes_back_on_another_machine(
    bucket: Bucket, shelf: Settings, tmp_path: Path
) -> None:
    saved = bucket.save(shelf)
    other = elsewhere(shelf, tmp_path)
    assert bucket.restore(other) == saved
    assert titles(other) == titles(shelf)
    with Reader(other) as reader:
        found = [book for book in reader.books() if book["title"] == "secret"]
        assert reader.page(found[0]["id"], 1)["text"].startswith(SECRET)
        [chat] = reader.chats(found[0]["id"])
        assert SECRET in reader.messages(chat["id"])[0]["content"]
        assert list((other.books / found[0]["id"]).glob("source*"))
    # Passes of before still open their shelves, and a paused lift goes on.
    shown = Passes(shelf.home).issue()
    assert Passes(other.home).owner(shown) == Passes(shelf.home).owner(shown) is not None
    assert (other.checkpoints / "job" / "state.bin").read_bytes() == b"state" * 1000
    assert (other.home / "visitors.key").stat().st_mode & 0o777 == 0o600


def test_readers_and_writers_of_a_library_that_came_back_do_not_wait_for_each_other(
    bucket: Bucket, shelf: Settings, tmp_path: Path
) -> None:
    """The copy in the bucket is one file without a log; in use it has its log again."""
    bucket.save(shelf)
    other = elsewhere(shelf, tmp_path)
    bucket.restore(other)
    with Library.open(other) as library:
        library.calibration.set("speed", {"n": 1.0})
        with library.db.read() as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
            library.calibration.set("speed", {"n": 2.0})


def test_a_home_with_an_index_is_left_alone(
    bucket: Bucket, shelf: Settings, tmp_path: Path
) -> None:
    assert bucket.restore(elsewhere(shelf, tmp_path)) is None  # nothing was ever saved
    bucket.save(shelf)
    before = titles(shelf)
    assert bucket.restore(shelf) is None
    assert titles(shelf) == before


def test_what_is_unchanged_is_not_written_again(bucket: Bucket, shelf: Settings) -> None:
    bucket.save(shelf)
    written: list[str] = []
    with effects.announced_to(lambda kind, target: written.append(f"{kind} {target}")):
        bucket.save(shelf)
    opened = [line for line in written if line.startswith("open ") and "bucket" in line]
    assert len(opened) == 1  # the list alone; the index is the same, byte by byte


def test_deleted_means_deleted_from_the_bucket_too(
    bucket: Bucket, shelf: Settings, tmp_path: Path
) -> None:
    bucket.save(shelf)
    assert SECRET.encode() in everything_in(tmp_path / "bucket")
    assert not bucket.is_behind(shelf)
    with Reader(shelf) as reader:
        reader.rm("secret")
        assert bucket.is_behind(shelf)
        bucket.save(shelf)
        assert not bucket.is_behind(shelf)
    assert SECRET.encode() not in everything_in(tmp_path / "bucket")
    bucket.restore(elsewhere(shelf, tmp_path))
    assert titles(elsewhere(shelf, tmp_path)) == ["lanterns"]


def test_a_snapshot_that_fails_anywhere_leaves_the_last_one(
    bucket: Bucket, shelf: Settings, tmp_path: Path
) -> None:
    """Every write and removal fails once, as when the storage goes away in the middle."""
    state = shelf.checkpoints / "job" / "state.bin"
    bucket.save(shelf)
    nth, failures = 0, 0
    while True:
        before = state.read_bytes()
        state.write_bytes(f"state {nth}".encode())
        fault = FaultAt(nth)
        try:
            with effects.announced_to(fault):
                bucket.save(shelf)
            states = [state.read_bytes()]
        except LiftError:
            failures += 1
            states = [before, state.read_bytes()]
        other = elsewhere(shelf, tmp_path, f"other-{nth}")
        assert Bucket(tmp_path / "bucket").restore(other) is not None
        assert (other.checkpoints / "job" / "state.bin").read_bytes() in states
        bucket.save(shelf)
        if not fault.failed:
            break
        nth += 1
    assert titles(other) == titles(shelf)
    assert failures >= 6


def test_half_a_list_or_half_a_file_is_no_snapshot(
    bucket: Bucket, shelf: Settings, tmp_path: Path
) -> None:
    first = bucket.save(shelf)
    root = tmp_path / "bucket"
    [listed] = (root / "snapshots").iterdir()
    # Another process died while it wrote the next one.
    (root / "snapshots" / "9999-12-31T000000.000000Z.json").write_bytes(listed.read_bytes()[:200])
    assert bucket.restore(elsewhere(shelf, tmp_path, "a")) == first
    broken = Snapshot("9999-12-31T000001.000000Z", {**first.files, "books/x": ("0" * 64, 5)})
    (root / "snapshots" / f"{broken.taken}.json").write_bytes(broken.encode())
    assert bucket.restore(elsewhere(shelf, tmp_path, "b")) == first
    outside = Snapshot("9999-12-31T000002.000000Z", {"../stolen": next(iter(first.files.values()))})
    (root / "snapshots" / f"{outside.taken}.json").write_bytes(outside.encode())
    assert bucket.restore(elsewhere(shelf, tmp_path, "c")) == first
    assert not (tmp_path / "stolen").exists()


def test_a_damaged_bucket_is_neither_used_nor_overwritten(
    bucket: Bucket, shelf: Settings, tmp_path: Path
) -> None:
    saved = bucket.save(shelf)
    kept_index = tmp_path / "bucket" / "files" / saved.files["library.db"][0]
    data = bytearray(kept_index.read_bytes())
    data[len(data) // 2] ^= 1  # the length is right
    kept_index.write_bytes(data)
    other = replace(elsewhere(shelf, tmp_path), bucket=tmp_path / "bucket")
    before = everything_in(tmp_path / "bucket")
    with pytest.raises(LiftError, match="is whole") as raised, kept(other):
        pytest.fail("opened over a damaged bucket")
    assert raised.value.code == "damaged"
    assert list(other.home.iterdir()) == []
    assert everything_in(tmp_path / "bucket") == before


def test_a_killed_restoration_begins_anew(bucket: Bucket, shelf: Settings, tmp_path: Path) -> None:
    saved = bucket.save(shelf)
    nth = 0
    while True:
        other = elsewhere(shelf, tmp_path, f"other-{nth}")
        fault = FaultAt(nth)
        try:
            with effects.announced_to(fault):
                bucket.restore(other)
        except LiftError:
            bucket.restore(other)
        assert (other.home / "library.db").stat().st_size == saved.files["library.db"][1]
        if not fault.failed:
            break
        nth += 1
    assert titles(other) == titles(shelf)
    assert nth > 10


@pytest.mark.parametrize("emptied", [False, True], ids=["gone", "empty"])
def test_a_log_that_stayed_from_a_crash_is_not_applied_to_what_came_back(
    bucket: Bucket, shelf: Settings, tmp_path: Path, emptied: bool
) -> None:
    bucket.save(shelf)
    other = elsewhere(shelf, tmp_path)
    bucket.restore(other)
    log = other.database.with_name("library.db-wal")
    with Library.open(other) as library:
        with library.db.write() as database:
            database.execute("UPDATE books SET title = 'of another index'")
        left = log.read_bytes()
    assert left
    log.write_bytes(left)
    other.database.unlink()
    if emptied:
        other.database.touch()
    assert bucket.restore(other) is not None
    assert titles(other) == titles(shelf)


def test_a_log_that_cannot_be_removed_stops_a_restoration(
    bucket: Bucket, shelf: Settings, tmp_path: Path
) -> None:
    bucket.save(shelf)
    other = elsewhere(shelf, tmp_path)
    other.home.mkdir()
    (other.home / "library.db-wal").write_bytes(b"log")

    def stuck(kind: str, target: str) -> None:
        if (kind, Path(target).name) == ("remove", "library.db-wal"):
            raise PermissionError(13, "Permission denied", target)

    with effects.announced_to(stuck), pytest.raises(LiftError, match=r"library\.db-wal"):
        bucket.restore(other)
    assert not other.database.exists()
    assert bucket.restore(other) is not None


def test_files_that_nobody_lists_are_swept_once_they_are_old(
    bucket: Bucket, shelf: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.save(shelf)
    left = tmp_path / "bucket" / "files" / ("f" * 64)
    left.write_text(SECRET)
    bucket.save(shelf)
    assert left.exists()  # another process may be writing it
    monkeypatch.setattr("lift_app.space.bucket.ABANDONED_SECONDS", -1.0)
    assert ABANDONED_SECONDS > 0
    bucket.save(shelf)
    assert not left.exists()


def test_a_book_deleted_during_a_snapshot_is_in_none(
    bucket: Bucket, shelf: Settings, tmp_path: Path
) -> None:
    reader = Reader(shelf)
    began: list[str] = []

    def delete_once(kind: str, target: str) -> None:
        if kind == "open" and "bucket" in target and not began:
            began.append(target)
            thread = threading.Thread(target=reader.rm, args=("secret",))
            thread.start()
            thread.join()

    with reader, effects.announced_to(delete_once):
        bucket.save(shelf)
    assert began
    bucket.save(shelf)
    assert SECRET.encode() not in everything_in(tmp_path / "bucket")


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(1200):
        if condition():
            return
        threading.Event().wait(0.05)
    pytest.fail("waited too long")


def test_the_keeper_saves_at_once_after_a_deletion_and_a_last_time_at_the_end(
    shelf: Settings, story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "LOOK_SECONDS", 0.05)
    settings = replace(shelf, bucket=tmp_path / "bucket")
    with kept(settings), Reader(settings) as reader:
        wait_for(lambda: any((tmp_path / "bucket").glob("snapshots/*.json")))
        reader.rm("secret")
        wait_for(lambda: SECRET.encode() not in everything_in(tmp_path / "bucket"))
        story.write_text("A late story. " * 30, encoding="utf-8")
        reader.add(story, title="story")
    other = replace(settings, home=tmp_path / "other")
    told: list[str] = []
    with kept(other, told.append):
        assert titles(other) == ["lanterns", "story"]
    assert told and told[0].startswith("The library came back")


def test_storage_that_cannot_be_written_costs_no_more_than_the_copy(
    shelf: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "bucket").write_text("no folder")
    keeper = Keeper(Bucket(tmp_path / "bucket"), shelf)
    keeper.start()
    keeper.close()
    assert "could not be copied to the bucket" in caplog.text
    assert len(titles(shelf)) == 2


def test_a_save_by_the_clock_that_failed_is_due_again_at_once(
    shelf: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Keeper(Bucket(tmp_path / "bucket"), shelf)
    due = keeper._saved_at

    def full(_: Settings) -> None:
        raise LiftError("full")

    with monkeypatch.context() as patch:
        patch.setattr(keeper._bucket, "save", full)
        assert not keeper._save()
    assert keeper._saved_at == due
    assert keeper._save()
    assert keeper._saved_at > due


def test_without_a_bucket_nothing_is_kept(shelf: Settings) -> None:
    with kept(shelf):
        pass
    assert titles(shelf)
