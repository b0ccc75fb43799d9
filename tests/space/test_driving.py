"""Whoever listens to a lift in slices drives it: what is left when they stop, and what is told."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lift_app.engine import sliced_access, slices
from lift_app.engine.sliced_access import SlicedAccess
from lift_app.errors import Busy, LiftError
from lift_app.library import Job, Library, effects
from lift_app.reading.book import Book, Page, Report
from lift_app.settings import Settings

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no fork")


class Lender:
    """Lends nothing: each slice is the next of `plays`, in this process.

    Attributes:
        plays: what happens in the slices to come.
    """

    def __init__(self) -> None:
        self.plays: list[Callable[[], Iterator[Any]]] = []

    def __call__(self, *, duration: float) -> Callable[[Any], Any]:
        return lambda task: lambda *arguments: self.plays.pop(0)()


@pytest.fixture
def library(settings: Settings) -> Iterator[Library]:
    with Library.open(settings) as opened:
        yield opened


@pytest.fixture
def lender() -> Lender:
    return Lender()


@pytest.fixture
def access(library: Library, lender: Lender) -> Iterator[SlicedAccess]:
    opened = SlicedAccess(library, library.settings, lender)
    yield opened
    opened.close()


@pytest.fixture
def job(library: Library, access: SlicedAccess, tmp_path: Path) -> Job:
    source = tmp_path / "lamp.txt"
    source.write_text("The lamp was lit.", encoding="utf-8")
    book = Book(
        id=hashlib.sha256(source.read_bytes()).hexdigest(),
        title="The Lamp",
        author="A. Writer",
        pages=(Page(1, "p1", "The lamp was lit.", 0),),
        chapters=(),
        report=Report("text", 1, 4, encoding="utf-8", warnings=()),
        metadata={},
    )
    library.books.add(book, source, 4, True)
    return library.jobs.create(book.id, "key", "tiny", {"name": "quick"})


@pytest.fixture
def folder(library: Library, job: Job) -> Path:
    """Of the job's checkpoint."""
    return library.settings.checkpoints / job.id


def _learned(library: Library, job: Job) -> Iterator[Any]:
    """A slice that learns the rest."""
    yield {"step": 2}
    library.jobs.set_state(job.id, "done")


def _save(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state.bin").write_bytes(b"learned")


def test_a_cancel_between_two_slices_drops_the_checkpoint(library, access, lender, job, folder):
    def play():
        yield {"step": 1}
        _save(folder)
        library.jobs.request(job.id, "cancel")  # as it ends: nobody in it sees this any more

    lender.plays = [play]
    list(access.learn(library.owner, job.id))
    assert library.jobs.get(job.id).state == "cancelled"
    assert not folder.exists()


def test_a_cancelled_slice_that_has_not_got_on_is_no_trouble(library, access, lender, job):
    def play():
        yield {"step": 1}
        library.jobs.request(job.id, "cancel")

    lender.plays = [play]
    list(access.learn(library.owner, job.id))
    assert library.jobs.get(job.id).state == "cancelled"


def test_a_cancel_and_a_closed_page_drop_the_checkpoint(library, access, lender, job, folder):
    def play():
        try:
            yield {"step": 1}
        finally:
            _save(folder)

    lender.plays = [play]
    with closing(access.learn(library.owner, job.id)) as learning:
        next(learning)
        library.jobs.request(job.id, "cancel")
    assert library.jobs.get(job.id).state == "cancelled"
    assert not folder.exists()


@pytest.mark.parametrize(("wanted", "saved"), [("run", 1), ("pause", 1), ("cancel", 0)])
def test_a_slice_saves_nothing_of_a_lift_that_is_to_be_cancelled(
    library, job, monkeypatch, wanted, saved
):
    saves = []

    class Lift:
        trainer = None

        def __init__(self, *arguments):
            pass

        def turns(self):
            while True:
                yield

        def save_checkpoint(self):
            saves.append(self)

    monkeypatch.setattr("lift_app.engine.lift_job.LiftJob", Lift)
    monkeypatch.setattr(slices, "_host_of", lambda settings: None)
    library.jobs.set_state(job.id, "running")
    turns = slices.lift_slice(library.settings, library.owner, job.id, 60)
    next(turns)
    library.jobs.request(job.id, wanted)
    turns.close()
    assert len(saves) == saved


def test_a_slice_that_dies_before_anything_is_saved_was_too_short(library, access, lender, job):
    def play():
        yield {"step": None}
        raise RuntimeError("GPU task aborted")

    lender.plays = [play]
    with pytest.raises(LiftError, match="too short for this book") as caught:
        list(access.learn(library.owner, job.id))
    assert caught.value.code == "slice_too_short"
    assert library.jobs.get(job.id).state == "paused"


def test_a_slice_that_dies_after_it_has_saved_is_taken_up_again(
    library, access, lender, job, folder
):
    def play():
        yield {"step": 1}
        _save(folder)
        raise RuntimeError("GPU task aborted")

    lender.plays = [play, lambda: _learned(library, job)]
    list(access.learn(library.owner, job.id))
    assert library.jobs.get(job.id).state == "done"


@pytest.mark.parametrize("error", [RuntimeError("You have exceeded your quota"), None])
def test_a_slice_that_never_began_had_no_gpu(library, access, lender, job, error):
    def play():
        if error is not None:
            raise error
        yield from ()

    lender.plays = [play]
    with pytest.raises(LiftError, match="quota" if error else "ended at once") as caught:
        list(access.learn(library.owner, job.id))
    assert caught.value.code == "no_gpu"
    assert library.jobs.get(job.id).state == "paused"


def _paused(library: Library, job: Job) -> Iterator[Any]:
    """A slice in which the lift is paused."""
    yield {"step": 1}
    library.jobs.request(job.id, "pause")
    library.jobs.settle(job.id)


def _before_it_leaves(access: SlicedAccess, act: Callable[[], Any]) -> None:
    """Act once, when a driver has seen that its job is not to go on."""
    may_run, acts = access._may_run, [act]

    def seen(library: Library, job_id: str) -> bool:
        runs = may_run(library, job_id)
        if not runs and acts:
            acts.pop()()
        return runs

    access._may_run = seen  # type: ignore[method-assign]


def test_what_is_queued_anew_while_its_driver_leaves_stays_queued(library, access, lender, job):
    lender.plays = [lambda: _paused(library, job)]
    _before_it_leaves(access, lambda: library.jobs.request(job.id, "run"))
    list(access.learn(library.owner, job.id))
    assert library.jobs.get(job.id).state == "queued"


def test_who_goes_on_while_the_driver_leaves_learns_it(library, access, lender, job):
    told: list[object] = []

    def go_on() -> None:
        library.jobs.request(job.id, "run")
        other.start()
        other.join(0.3)  # it comes while this one still has the job

    def learn() -> None:
        try:
            told.extend(access.learn(library.owner, job.id))
        except LiftError as error:
            told.append(error)

    other = threading.Thread(target=learn)
    lender.plays = [lambda: _paused(library, job), lambda: _learned(library, job)]
    _before_it_leaves(access, go_on)
    list(access.learn(library.owner, job.id))
    other.join()
    assert told == [None]
    assert library.jobs.get(job.id).state == "done"


def test_who_comes_while_it_is_learned_is_told_so_at_once(library, access, lender, job):
    lender.plays = [lambda: _learned(library, job)]
    with closing(access.learn(library.owner, job.id)) as learning:
        next(learning)
        began = time.monotonic()
        with pytest.raises(Busy, match="another window"):
            next(access.learn(library.owner, job.id))
        assert time.monotonic() - began < sliced_access.LEAVING_SECONDS


def test_who_never_leaves_is_not_waited_for_long(library, access, lender, job, monkeypatch):
    monkeypatch.setattr(sliced_access, "LEAVING_SECONDS", 0.2)
    lender.plays = [lambda: _learned(library, job)]
    with closing(access.learn(library.owner, job.id)) as learning:
        next(learning)
        library.jobs.set_state(job.id, "paused")
        with pytest.raises(Busy, match="another window"):
            next(access.learn(library.owner, job.id))


def test_two_who_stop_an_answer_at_once_both_may(tmp_path):
    stop = slices.StopFile(tmp_path / "stops" / "answer")

    def other(kind: str, target: str) -> None:
        if kind == "open":
            stop.path.touch()

    with effects.announced_to(other):
        stop.set()
    stop.set()
    assert stop.is_set()
    stop.clear()
    assert not stop.is_set()


def test_a_stop_that_came_too_late_is_gone_at_the_next_start(library, access, lender, job):
    def play():
        yield {"text": "The"}
        [stop] = access._stops
        late.append(stop)
        yield {"answer": {"notice": ""}}

    late: list[Any] = []
    lender.plays = [play]
    question = {"question": "When?", "arm": "ICL", "evidence": True, "strength": None}
    asked = {"owner": library.owner, "book": job.book_id, "history": [], "model": None}
    list(access.ask(question | asked))
    late[0].set()
    assert late[0].is_set()
    access.close()
    SlicedAccess(library, library.settings, lender).close()
    assert not late[0].is_set()
