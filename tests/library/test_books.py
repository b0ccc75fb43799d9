"""Adding, finding, loading and deleting books, for one owner and for two."""

from __future__ import annotations

import dataclasses
import errno
import os
import time

import pytest
from faults import FaultAt

from lift_app.errors import CallerError, LiftError, NotFound
from lift_app.library import effects
from lift_app.reading.book import Page


def test_a_book_comes_back_as_it_was_read(library, make_book):
    book, source = make_book(title="Café № 9")
    row = library.books.add(book, source, 31, False)
    assert row.new and row.title == "Café № 9" and row.tokens == 31 and not row.tokens_exact
    assert library.books.load(row.id) == book
    assert library.books.load(row.id).text_sha256 == row.text_sha256 == book.text_sha256
    assert library.books.page(row.id, 2) == book.pages[1]
    assert library.books.page_count(row.id) == 2
    assert library.books.chapters(row.id) == book.chapters
    assert row.report["encoding"] == "utf-8"
    assert row.to_json()["title"] == "Café № 9"


def test_the_file_is_kept_by_its_content(library, make_book, home):
    book, source = make_book(suffix=".PDF")
    library.books.add(book, source, 1, True)
    kept = library.books.source(book.id)
    assert kept == home / "books" / book.id / "source.pdf"
    assert kept.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("suffix", ["", ".a b", ".verylongsuffix"])
def test_an_odd_suffix_is_left_out(library, make_book, suffix):
    book, source = make_book(suffix=suffix)
    library.books.add(book, source, 1, True)
    assert library.books.source(book.id).name == "source"


def test_the_same_file_twice_is_the_same_book(library, make_book, home):
    book, source = make_book()
    first = library.books.add(book, source, 30, True)
    second = library.books.add(book, source, 99, False)
    assert not second.new
    assert dataclasses.replace(second, new=True) == first
    assert len(library.books.list()) == 1
    assert len(list((home / "books").iterdir())) == 1
    assert library.books.add(book, source, 30, True, "Another Title").title == "Another Title"
    assert library.books.find("another title").id == book.id


def test_a_lost_file_is_kept_again_when_it_is_added_again(library, make_book):
    book, source = make_book()
    library.books.add(book, source, 30, True)
    library.books.source(book.id).unlink()
    with pytest.raises(NotFound, match="missing"):
        library.books.source(book.id)
    library.books.add(book, source, 30, True)
    assert library.books.source(book.id).exists()


def test_text_is_replaced_only_where_asked(library, make_book):
    book, source = make_book("garbled heron")
    library.books.add(book, source, 30, True)
    better = dataclasses.replace(book, pages=(Page(1, "1", "proper ostrich"),))
    library.books.add(better, source, 40, True)
    assert library.books.load(book.id).text == "garbled heron"
    row = library.books.add(better, source, 40, True, replace_text=True)
    assert not row.new and row.tokens == 40 and row.text_sha256 == better.text_sha256
    assert library.books.load(book.id).text == "proper ostrich"
    assert library.passages.search(book.id, "heron") == []
    assert [hit.passage.text for hit in library.passages.search(book.id, "ostrich")] == [
        "proper ostrich"
    ]


def test_a_file_that_changed_meanwhile_is_not_kept(library, make_book, home):
    book, source = make_book()
    source.write_text("something else")
    with pytest.raises(LiftError, match="changed while it was being read") as raised:
        library.books.add(book, source, 30, True)
    assert raised.value.code == "changed"
    assert library.books.list() == []
    assert list((home / "books").iterdir()) == []


def test_every_failing_side_effect_leaves_nothing(library, make_book, home, monkeypatch):
    book, source = make_book()
    real, failures = os.fsync, 0
    while True:
        calls = iter(range(100))

        def fsync(descriptor, calls=calls, nth=failures):
            if next(calls) == nth:
                raise OSError(errno.ENOSPC, "No space left")
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        try:
            library.books.add(book, source, 30, True)
        except LiftError as error:
            assert error.code == "disk_full" and "No space left" in str(error)
            failures += 1
            assert library.books.list() == []
            assert not [f for f in (home / "books").iterdir() if f.name.startswith(".tmp-")]
            continue
        break
    assert failures >= 3
    assert library.books.load(book.id) == book


def test_text_that_no_file_can_hold_keeps_its_offsets(library, make_book):
    book, source = make_book("ab\ud800cd", content=b"x", title="T\udfff")
    row = library.books.add(book, source, 1, True)
    assert row.title == "T\ufffd"
    loaded = library.books.load(row.id)
    assert loaded.text == "ab\ufffdcd"
    assert loaded.text_sha256 == row.text_sha256


def test_text_with_a_nul_comes_back_whole(library, make_book):
    book, source = make_book("before\x00after the wreck")
    library.books.add(book, source, 1, True)
    assert library.books.load(book.id) == book
    assert library.passages.on_page(book.id, 1)[0].text == "before\x00after the wreck"


def test_find_by_id_prefix_and_title(library, add_book):
    hound = add_book("one", title="The Hound")
    hunter = add_book("two", title="The Hunter’s Lodge")
    for ref in (hound.id, hound.id.upper(), hound.id[:10], "the hound", "THE HO", "hound"):
        assert library.books.find(ref).id == hound.id, ref
    assert library.books.find("lodge").id == hunter.id


def test_a_whole_title_wins_over_a_longer_one(library, add_book):
    emma = add_book("one", title="Emma")
    add_book("two", title="Emma in Town")
    assert library.books.find("emma").id == emma.id


def test_a_name_of_several_books_names_them(library, add_book):
    one = add_book("one", title="The Hound")
    two = add_book("two", title="The Hunter")
    with pytest.raises(CallerError, match="may mean 2 books") as raised:
        library.books.find("the h")
    assert raised.value.code == "ambiguous"
    for row in (one, two):
        assert row.title in str(raised.value) and row.id[:8] in str(raised.value)


@pytest.mark.parametrize("ref", ["", "  ", "nowhere", "%", "_", "'; DROP TABLE books; --"])
def test_a_name_of_no_book(library, add_book, ref):
    row = add_book()
    with pytest.raises(NotFound):
        library.books.find(ref)
    with pytest.raises(NotFound):
        library.books.find(row.id[:3] + "zz")


def test_an_id_of_no_book(library, add_book):
    books = library.books
    add_book()
    for call in (books.get, books.load, books.delete, books.source, books.page_count):
        with pytest.raises(NotFound):
            call("0" * 64)
    with pytest.raises(NotFound):
        books.set_tokens("0" * 64, 3)


def test_a_page_that_is_not_there(library, add_book):
    row = add_book()
    for number in (0, 3, -1, 2**63, -(2**70)):
        with pytest.raises(NotFound, match="pages 1 to 2"):
            library.books.page(row.id, number)


def test_tokens_can_be_counted_later(library, make_book):
    book, source = make_book()
    library.books.add(book, source, 30, False)
    library.books.set_tokens(book.id, 28)
    row = library.books.get(book.id)
    assert (row.tokens, row.tokens_exact) == (28, True)


def test_the_newest_book_comes_first(library, add_book):
    titles = ["One", "Two", "Three"]
    for title in titles:
        add_book(title, title=title)
    assert [row.title for row in library.books.list()] == titles[::-1]


def fill(library, book_id, publish, key):
    """Make one of everything for a book."""
    publish(book_id, key, library)
    job = library.jobs.create(book_id, "unfinished" + key, "tiny", {"name": "deep"})
    library.jobs.event(job.id, {"stage": "training", "step": 1, "segments": {0: 1.0}})
    checkpoint = library.settings.checkpoints / job.id
    checkpoint.mkdir(parents=True)
    (checkpoint / "state").write_text("half")
    chat = library.chats.create(book_id, "Talk")
    library.chats.add_message(chat.id, "user", "Who saw the xylophagous heron?", None)
    return job, chat, checkpoint


def row_counts(library):
    tables = [
        *("books", "pages", "passages", "recipes", "adapters", "jobs", "job_events"),
        *("segment_losses", "chats", "messages"),
    ]
    with library.db.read() as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in tables
        }


def test_deleting_removes_everything_of_a_book(library, make_book, publish, home):
    book, source = make_book("A xylophagous beetle ate the lighthouse door.")
    library.books.add(book, source, 30, True)
    fill(library, book.id, publish, "k1")
    (home / "adapters" / "k1" / "adapter_config.json").write_text("flipped")
    with pytest.raises(LiftError):
        library.adapters.verify("k1")  # its folder is in quarantine now
    publish(book.id, "k2")
    assert b"xylophagous" in (home / "library.db").read_bytes() + wal(home)

    library.books.delete(book.id)

    assert set(row_counts(library).values()) == {0}
    left = [path for path in home.rglob("*") if path.is_file()]
    assert {path.name.split("-")[0] for path in left} == {"library.db"}
    assert b"xylophagous" not in (home / "library.db").read_bytes() + wal(home)
    with library.db.read() as connection:
        assert connection.execute("SELECT count(*) FROM passages_fts_terms").fetchone()[0] == 0
    assert library.books.list() == []


def wal(home):
    path = home / "library.db-wal"
    return path.read_bytes() if path.exists() else b""


def test_deleting_leaves_other_books_alone(library, add_book, publish):
    kept, gone = add_book("A quiet heron.", title="Kept"), add_book("Herons.", title="Gone")
    job, chat, checkpoint = fill(library, kept.id, publish, "kept")
    before = library.books.load(kept.id)
    library.books.delete(gone.id)
    assert library.books.load(kept.id) == before
    assert len(library.passages.search(kept.id, "heron")) == 1
    assert library.adapters.verify("kept").book_id == kept.id
    assert library.jobs.get(job.id) and library.chats.get(chat.id) and checkpoint.exists()


def test_a_deletion_that_fails_keeps_everything(library, add_book, publish):
    row = add_book()
    _, _, checkpoint = fill(library, row.id, publish, "k1")
    counts = row_counts(library)
    fault = FaultAt(1)
    with effects.announced_to(fault), pytest.raises(LiftError, match="disk"):
        library.books.delete(row.id)
    assert fault.failed[0][0] == "sql"
    assert row_counts(library) == counts
    assert library.adapters.verify("k1")
    assert checkpoint.exists() and library.books.source(row.id).exists()


def test_files_that_cannot_be_removed_are_told_and_swept_later(library, add_book, publish, home):
    row = add_book()
    fill(library, row.id, publish, "k1")

    def refuse(kind, target):
        if kind == "remove" and row.id in target:
            raise OSError("disk gone")

    with effects.announced_to(refuse), pytest.raises(LiftError, match="could not be removed") as e:
        library.books.delete(row.id)
    assert e.value.code == "leftover"
    assert set(row_counts(library).values()) == {0}
    assert (home / "books" / row.id).exists()
    assert library.sweep() == [row.id]
    assert not (home / "books" / row.id).exists()


def test_two_owners_of_one_file_do_not_see_or_hurt_each_other(library, make_book, publish):
    other = library.for_owner("guest")
    book, source = make_book()
    library.books.add(book, source, 30, True)
    assert other.books.list() == []
    with pytest.raises(NotFound):
        other.books.find(book.id)
    row = other.books.add(book, source, 30, True, "Mine")
    assert row.new and row.owner == "guest"
    assert library.books.get(book.id).title == "The Lamp"

    job, chat, checkpoint = fill(library, book.id, publish, "k-local")
    fill(other, book.id, publish, "k-guest")
    for call, argument in (
        (other.jobs.get, job.id),
        (other.jobs.find, job.id),
        (other.chats.get, chat.id),
        (other.chats.messages, chat.id),
        (other.chats.delete, chat.id),
        (other.adapters.verify, "k-local"),
        (other.adapters.delete, "k-local"),
    ):
        with pytest.raises(NotFound):
            call(argument)
    assert other.adapters.find("k-local") is None
    with pytest.raises(NotFound):
        other.jobs.request(job.id, "cancel")
    assert [row.key for row in other.adapters.list()] == ["k-guest"]

    other.books.delete(book.id)
    assert other.books.list() == [] and other.adapters.list() == [] and other.jobs.list() == []
    assert library.books.load(book.id) == book
    assert library.books.source(book.id).exists() and checkpoint.exists()
    assert library.adapters.verify("k-local")
    assert [m.content for m in library.chats.messages(chat.id)]
    library.books.delete(book.id)
    assert not (library.settings.books / book.id).exists()


def test_sweep_removes_what_no_book_names(library, add_book, home):
    row = add_book()
    orphan = home / "books" / ("0" * 64)
    orphan.mkdir()
    live, dead = home / "books" / ".tmp-live", home / "books" / ".tmp-dead"
    live.mkdir()
    dead.mkdir()
    long_ago = time.time() - 2 * 3600
    os.utime(dead, (long_ago, long_ago))
    assert sorted(library.books.sweep()) == [".tmp-dead", "0" * 64]
    assert live.exists() and library.books.source(row.id).exists()
