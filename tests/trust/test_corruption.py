"""Damage is found before it is used: adapters byte by byte, and the index by its last snapshot."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from figures import SOAK, tell
from whole_reading import FEW_STEPS, QUESTION, assert_sound

from lift_app.doctor import examine
from lift_app.engine.lock import HomeLock
from lift_app.engine.recovery import open_library, repair
from lift_app.errors import Busy, LiftError
from lift_app.library import Library, folders
from lift_app.library.adapters import _fault
from lift_app.library.snapshots import restorations, snapshot_of, take_snapshot
from lift_app.reader import Reader
from lift_app.settings import Settings

pytestmark = pytest.mark.faults


@pytest.fixture
def learned(tiny_settings: Settings, short_story: Path, quick: None) -> tuple[Settings, str, str]:
    """Settings, id and adapter key of a book that was learned."""
    with Reader(tiny_settings) as reader:
        book = reader.add(short_story)
        key = list(reader.tune(book["id"], values=FEW_STEPS))[-1]["adapter"]
    return tiny_settings, book["id"], key


def test_every_flipped_byte_and_every_cut_of_an_adapter_is_found(
    learned: tuple[Settings, str, str],
) -> None:
    settings, _, key = learned
    with Library.open(settings) as library:
        row = library.adapters.verify(key)
        folder = library.adapters.folder(key)
    tried = 0
    for name in row.files:
        path = folder / name
        whole = path.read_bytes()
        step = 1 if SOAK else 11
        for position in range(0, len(whole), step):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << (position % 8)
            path.write_bytes(damaged)
            assert _fault(folder, row.files) == f"{name} is not what was saved"
            path.write_bytes(whole[:position])
            assert _fault(folder, row.files) == f"{name} is not what was saved"
            tried += 2
        path.write_bytes(whole)
    assert _fault(folder, row.files) is None
    tell(damaged_adapter_files=tried, found=tried)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"\0" * 64),
        lambda folder: (folder / "adapter_config.json").unlink(),
        lambda folder: (folder / "adapter_model.bin").write_bytes(b"pickle"),
    ],
    ids=["changed", "missing", "extra"],
)
def test_a_damaged_adapter_is_not_loaded_and_the_book_can_be_learned_again(
    learned: tuple[Settings, str, str], damage: Callable[[Path], object]
) -> None:
    settings, book, key = learned
    damage(settings.adapters / key)
    with Reader(settings) as reader:
        with pytest.raises(LiftError, match=r"quarantine.*learn the book again") as caught:
            reader.ask(book, QUESTION)
        assert caught.value.code == "damaged"
        assert not reader.show(book)["learned"]
        assert len(list((settings.home / "quarantine").rglob("adapter_m*"))) >= 1
        assert reader.ask(book, QUESTION)["arm"] == "ICL"
        assert list(reader.tune(book, values=FEW_STEPS))[-1]["adapter"] == key
        assert reader.ask(book, QUESTION)["adapter"] == key


def headless(index: Path) -> None:
    index.write_bytes(b"\0" * 100 + index.read_bytes()[100:])


def cut(index: Path) -> None:
    index.write_bytes(index.read_bytes()[:5000])


def noise(index: Path) -> None:
    data = bytearray(index.read_bytes())
    data[1024:-1024:7] = random.Random(1).randbytes(len(data[1024:-1024:7]))
    index.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [headless, cut, noise, Path.unlink, lambda index: index.write_bytes(b"")],
    ids=["head", "cut", "noise", "gone", "empty"],
)
def test_a_damaged_index_is_set_aside_and_the_snapshot_restored(
    learned: tuple[Settings, str, str],
    story: Path,
    damage: Callable[[Path], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings, book, key = learned
    snapshot = snapshot_of(settings.database).read_bytes()
    with Reader(settings) as reader:
        late = reader.add(story)  # after the snapshot, which is put back to what it was
    snapshot_of(settings.database).write_bytes(snapshot)
    damage(settings.database)

    if damage is noise:  # found only where it is read, and mended at the next start
        with pytest.raises(LiftError, match="lift doctor --repair"):
            Library.open(settings).books.list()
    with Reader(settings) as reader:
        assert [one["id"] for one in reader.books()] == [book]
        assert reader.ask(book, QUESTION)["adapter"] == key
        [restored] = restorations(settings)
        aside = Path(restored.aside)
        assert len(restored.missing) == 1 and restored.snapshot is not None
        assert restored.missing[0] in (late["id"], late["title"])
        assert "add them again" in restored.message()
        assert restored.message() in caplog.text
        assert "restored" in {finding.what for finding in examine(reader)}
        again = reader.add(next((aside / "books" / late["id"]).glob("source*")))
        assert again["id"] == late["id"]
        with reader.library.db.read() as connection:  # snapshots have no log, an index has
            assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert_sound(settings)


def test_without_a_snapshot_the_files_of_the_books_are_kept(
    learned: tuple[Settings, str, str],
) -> None:
    settings, book, key = learned
    snapshot_of(settings.database).unlink()
    headless(settings.database)
    with Reader(settings) as reader:
        assert reader.books() == []
    [restored] = restorations(settings)
    assert restored.snapshot is None and restored.missing == (book,)
    assert (Path(restored.aside) / "books" / book / "source.md").is_file()
    assert (Path(restored.aside) / "adapters" / key / "manifest.json").is_file()


def test_any_flipped_byte_of_the_index_is_harmless_or_told(
    learned: tuple[Settings, str, str],
) -> None:
    settings, _, _ = learned
    whole = settings.database.read_bytes()
    chance = random.Random(3)
    told, flipped = 0, 3000 if SOAK else 150
    for _ in range(flipped):
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        settings.database.write_bytes(damaged)
        try:
            with Library.open(settings) as library:
                for row in library.books.list():
                    library.books.load(row.id)
                    library.passages.search(row.id, "lanterns in the tower")
                library.adapters.list()
                library.jobs.list()
                library.calibration.set("x", {})
        except LiftError:
            told += 1
        for name in ("library.db-wal", "library.db-shm", "library.db-damaged"):
            (settings.home / name).unlink(missing_ok=True)
    assert 0 < told < flipped
    tell(flipped_indexes=flipped, told=told, crashes=0)


def contents(settings: Settings) -> dict[str, object]:
    """What a reader would miss, or be misled by."""
    with Library.open(settings) as library:
        books = library.books.list()
        return {
            "books": [row.id for row in books],
            "texts": [library.books.load(row.id).text_sha256 for row in books],
            "sums": [row.text_sha256 for row in books],
            "titles": [row.title for row in books],
            "found": [library.passages.search(row.id, "lanterns in the tower") for row in books],
            "adapters": [(row.key, row.files) for row in library.adapters.list()],
            "jobs": [(job.id, job.state, job.key) for job in library.jobs.list()],
            "said": [
                [message.content for message in library.chats.messages(chat.id)]
                for row in books
                for chat in library.chats.list(row.id)
            ],
        }


SAID = ("titles", "said", "jobs")
"""What has no sum to be checked by: a flipped bit of it is a letter that differs. Of jobs that is
an id or a key; a lift looks at its key before it learns."""


def test_what_any_damage_to_the_index_does_is_mended_or_told_by_the_doctor(
    learned: tuple[Settings, str, str], tmp_path: Path
) -> None:
    settings, book, _ = learned
    with Reader(settings) as reader:
        chat = reader.new_chat(book)["id"]
        reader.library.chats.add_message(chat, "user", QUESTION)
    whole, snapshot = settings.database.read_bytes(), snapshot_of(settings.database).read_bytes()
    expected = contents(settings)
    shutil.copytree(settings.adapters, tmp_path / "adapters")
    size = 4096
    flips = [("flip", place) for place in range(0, len(whole), 127 if SOAK else len(whole) // 40)]
    cuts = [("cut", place) for place in range(0, len(whole), size if SOAK else 8 * size)]
    came: Counter[str] = Counter()
    for kind, place in [*flips, *cuts]:
        damaged = bytearray(whole[:place] if kind == "cut" else whole)
        if kind == "flip":
            damaged[place] ^= 1 << (place % 8)
        for side in settings.home.glob("library.db-*"):
            side.unlink()
        snapshot_of(settings.database).write_bytes(snapshot)
        settings.database.write_bytes(damaged)
        restored = repair(settings)
        after = contents(settings)
        wrong = [name for name in expected if after[name] != expected[name]]
        if restored is not None:
            came["restored"] += 1
            assert wrong == []  # the snapshot was as new
        elif wrong:
            with Reader(settings) as reader:
                told = [found for found in examine(reader) if not found.ok]
            came["told" if told else "a letter of " + wrong[0]] += 1
            assert told or set(wrong) <= set(SAID), (kind, place, wrong)
            shutil.copytree(tmp_path / "adapters", settings.adapters, dirs_exist_ok=True)
            continue
        else:
            came["mended or harmless"] += 1
        assert_sound(settings)
        shutil.rmtree(settings.home / "damaged", ignore_errors=True)
    tell(index_bytes=len(whole), flips=len(flips), cuts=len(cuts), **came)
    assert came["restored"] > len(cuts) / 2


def test_damage_to_the_word_index_is_found_and_costs_nothing(
    learned: tuple[Settings, str, str],
) -> None:
    settings, book, _ = learned
    with Library.open(settings) as library:
        before = library.passages.search(book, "lanterns")
        for table in ("passages_fts_data", "passages_trigram_data"):
            with library.db.write() as database:
                database.execute(f"UPDATE {table} SET block = zeroblob(9) WHERE id > 100")
    with Reader(settings) as reader:
        found = {finding.what: finding for finding in examine(reader)}
    assert not found["word index"].ok and "lift doctor --repair" in found["word index"].says
    assert repair(settings) is None and restorations(settings) == []
    with Reader(settings) as reader:
        assert all(finding.ok for finding in examine(reader))
        assert reader.library.passages.search(book, "lanterns") == before


def test_a_damaged_name_in_the_schema_is_mended_from_the_snapshot(
    learned: tuple[Settings, str, str],
) -> None:
    settings, book, _ = learned
    whole = settings.database.read_bytes()
    assert whole.count(b"tokenize='trigram'") == 1
    settings.database.write_bytes(whole.replace(b"tokenize='trigram'", b"tokenize='4rigram'"))
    restored = repair(settings)
    assert restored is not None and restored.missing == ()
    assert [row.id for row in Library.open(settings).books.list()] == [book]
    assert_sound(settings)


@pytest.mark.parametrize(
    ("name", "instead"), [(b"chapters TEXT", b"chaptors TEXT"), (b"key", b"kez")]
)
def test_a_damaged_name_of_a_column_is_found_when_the_index_is_opened(
    learned: tuple[Settings, str, str], name: bytes, instead: bytes
) -> None:
    settings, book, _ = learned
    whole = settings.database.read_bytes()
    settings.database.write_bytes(whole.replace(name, instead, 1))
    with pytest.raises(LiftError) as caught:
        Library.open(settings)
    assert caught.value.code == "damaged"
    with Reader(settings) as reader:  # the next start restores the snapshot
        assert [row.id for row in reader.library.books.list()] == [book]
    assert_sound(settings)


def test_a_damaged_name_in_what_is_kept_as_json_is_told(learned: tuple[Settings, str, str]) -> None:
    settings, book, _ = learned
    with Library.open(settings) as library, library.db.write() as database:
        database.execute("""UPDATE books SET chapters = '[{"tatle": "One", "page": 1}]'""")
    with Library.open(settings) as library, pytest.raises(LiftError) as caught:
        library.books.load(book)
    assert caught.value.code == "damaged"


def test_the_doctor_finds_a_passage_that_is_not_on_its_page(
    learned: tuple[Settings, str, str],
) -> None:
    settings, _, _ = learned
    with Library.open(settings) as library, library.db.write() as database:
        database.execute("UPDATE passages SET text = replace(text, 'Orla', 'Olga')")
    with Reader(settings) as reader:
        bad = [finding.says for finding in examine(reader) if not finding.ok]
    assert any("text is not what was kept" in says for says in bad)


def test_an_index_that_another_process_uses_is_not_exchanged(
    learned: tuple[Settings, str, str],
) -> None:
    settings, _, _ = learned
    headless(settings.database)
    lock = HomeLock(settings.home)
    assert lock.acquire()
    try:
        with pytest.raises(Busy, match="another LIFT Reader has it open"):
            open_library(settings)
    finally:
        lock.release()
    assert restorations(settings) == []


def test_repair_mends_the_word_index_and_leaves_a_sound_library_alone(
    learned: tuple[Settings, str, str],
) -> None:
    settings, book, _ = learned
    with Library.open(settings) as library:
        before = library.passages.search(book, "lanterns")
        with library.db.write() as database:
            database.execute("INSERT INTO passages_fts(passages_fts) VALUES ('delete-all')")
        assert library.passages.search(book, "lanterns") != before
    assert repair(settings) is None
    with Library.open(settings) as library:
        assert library.passages.search(book, "lanterns") == before
    assert restorations(settings) == []


def test_repair_sets_nothing_aside_that_is_new_or_newer(tiny_settings: Settings) -> None:
    assert repair(tiny_settings) is None
    with sqlite3.connect(tiny_settings.database) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(LiftError, match="newer version"):
        repair(tiny_settings)
    assert restorations(tiny_settings) == []


def test_doctor_finds_a_changed_text_and_a_changed_file(
    learned: tuple[Settings, str, str],
) -> None:
    settings, book, _ = learned
    with Library.open(settings) as library, library.db.write() as database:
        database.execute("UPDATE pages SET text = replace(text, 'Orla', 'Olga')")
    with Reader(settings) as reader:
        bad = [finding for finding in examine(reader) if not finding.ok]
        assert any("its text is not what was kept" in finding.says for finding in bad)
        reader.library.books.source(book).write_bytes(b"other")
        assert any("book Quell" in finding.what for finding in examine(reader))


def test_what_is_deleted_leaves_the_snapshot_and_the_damaged_copies(
    learned: tuple[Settings, str, str], story: Path
) -> None:
    settings, book, _ = learned
    with Reader(settings) as reader:
        reader.add(story)
    headless(settings.database)
    with Reader(settings) as reader:
        assert len(reader.books()) == 2 and len(restorations(settings)) == 1
        chat = reader.new_chat(book)
        reader.library.chats.add_message(chat["id"], "user", "a xylophagous question")
    assert holding(settings.home, b"xylophagous") != []
    with Reader(settings) as reader:
        reader.delete_chat(chat["id"])
    assert holding(settings.home, b"xylophagous") == []
    assert holding(settings.home, b"Orla Venn kept 3 lanterns") != []
    with Reader(settings) as reader:
        reader.rm(book)
    assert holding(settings.home, b"Orla Venn kept 3 lanterns") == []
    assert holding(settings.home, b"The market of the town") != []  # the other book is kept


def test_a_snapshot_that_cannot_be_renewed_is_removed_with_what_was_deleted(
    learned: tuple[Settings, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, book, _ = learned

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with Library.open(settings) as library:
        with monkeypatch.context() as patch:
            patch.setattr("lift_app.library.effects.sync", full)
            library.books.delete(book)
        assert not snapshot_of(settings.database).exists()


def test_a_damaged_index_never_replaces_a_good_snapshot(
    learned: tuple[Settings, str, str],
) -> None:
    settings, _, _ = learned
    good = snapshot_of(settings.database).read_bytes()
    noise(settings.database)
    with pytest.raises(LiftError):
        take_snapshot(settings.database)
    assert snapshot_of(settings.database).read_bytes() == good
    assert not list(settings.home.glob(f"{folders.TEMPORARY}*"))


def holding(home: Path, words: bytes) -> list[str]:
    """Files of a home in which some words can be found."""
    paths = [path for path in home.rglob("*") if path.is_file()]
    return [path.name for path in paths if words in path.read_bytes()]


def test_secure_delete_is_on(tiny_settings: Settings) -> None:
    with Library.open(tiny_settings) as library, library.db.write() as database:
        assert database.execute("PRAGMA secure_delete").fetchone() == (1,)
        assert isinstance(database.conn, sqlite3.Connection)
