"""Durable jobs: what is asked, what is, and what was said on the way."""

from __future__ import annotations

import math

import pytest

from lift_app.errors import CallerError, LiftError, NotFound

RECIPE = {"name": "quick", "rank": 4}


@pytest.fixture
def job(library, add_book):
    return library.jobs.create(add_book().id, "key", "tiny", RECIPE)


def test_a_new_job_waits(library, job):
    assert (job.state, job.wanted, job.step, job.steps) == ("queued", "run", 0, 0)
    assert job.recipe == RECIPE and job.progress == {} and job.stage is None
    assert library.jobs.get(job.id) == library.jobs.find(job.id[:6]) == job
    assert library.jobs.next_queued() == job
    assert job.to_json()["recipe"] == RECIPE


def test_an_unfinished_job_of_the_same_key_is_the_same_job(library, job):
    for state in ("queued", "running", "paused"):
        library.jobs.set_state(job.id, state)
        assert library.jobs.create(job.book_id, "key", "tiny", RECIPE).id == job.id
    library.jobs.set_state(job.id, "done")
    assert library.jobs.create(job.book_id, "key", "tiny", RECIPE).id != job.id


def test_a_failed_job_goes_on_instead_of_anew(library, job):
    library.jobs.set_state(job.id, "failed", LiftError("The disk is full."))
    again = library.jobs.create(job.book_id, "key", "tiny", RECIPE)
    assert (again.id, again.state, again.wanted) == (job.id, "queued", "run")
    assert again.error_message is None


@pytest.mark.parametrize(
    ("wanted", "becomes"), [("run", "running"), ("pause", "paused"), ("cancel", "cancelled")]
)
def test_a_running_job_settles_to_what_is_wanted(library, job, wanted, becomes):
    library.jobs.set_state(job.id, "running")
    library.jobs.request(job.id, wanted)
    assert library.jobs.settle(job.id).state == becomes


def test_a_job_for_no_book(library):
    with pytest.raises(NotFound):
        library.jobs.create("0" * 64, "key", "tiny", RECIPE)


def test_the_oldest_of_all_owners_comes_first(library, job, make_book):
    guest = library.for_owner("guest")
    book, source = make_book()
    guest.books.add(book, source, 1, True)
    theirs = guest.jobs.create(book.id, "key", "tiny", RECIPE)
    assert theirs.id != job.id
    assert guest.jobs.next_queued() == job
    library.jobs.set_state(job.id, "running")
    assert library.jobs.next_queued() == theirs
    library.jobs.set_state(theirs.id, "done")
    assert library.jobs.next_queued() is None


def test_lists(library, job, add_book):
    other = library.jobs.create(add_book("x", title="Other").id, "key2", "tiny", RECIPE)
    library.jobs.set_state(job.id, "done")
    assert [j.id for j in library.jobs.list()] == [other.id, job.id]
    assert [j.id for j in library.jobs.list(unfinished=True)] == [other.id]
    assert [j.id for j in library.jobs.list(book_id=job.book_id)] == [job.id]


@pytest.mark.parametrize(
    ("state", "wanted", "expected"),
    [
        ("queued", "pause", "paused"),
        ("queued", "cancel", "cancelled"),
        ("queued", "run", "queued"),
        ("running", "pause", "running"),
        ("running", "cancel", "running"),
        ("paused", "run", "queued"),
        ("paused", "cancel", "cancelled"),
        ("failed", "run", "queued"),
        ("failed", "cancel", "cancelled"),
        ("done", "run", "done"),
        ("cancelled", "cancel", "cancelled"),
    ],
)
def test_what_a_request_does(library, job, state, wanted, expected):
    library.jobs.set_state(job.id, state)
    asked = library.jobs.request(job.id, wanted)
    assert asked.state == expected
    if state in ("queued", "running", "paused", "failed"):
        assert asked.wanted == wanted


@pytest.mark.parametrize(
    ("state", "wanted"),
    [("done", "pause"), ("done", "cancel"), ("cancelled", "run"), ("failed", "pause")],
)
def test_what_a_finished_job_cannot_do(library, job, state, wanted):
    library.jobs.set_state(job.id, state)
    with pytest.raises(CallerError, match=f"is {state} already") as raised:
        library.jobs.request(job.id, wanted)
    assert raised.value.code == "finished"
    assert library.jobs.get(job.id).state == state


def test_nonsense_is_refused(library, job):
    with pytest.raises(ValueError):
        library.jobs.request(job.id, "dance")
    with pytest.raises(ValueError):
        library.jobs.set_state(job.id, "dancing")


@pytest.mark.parametrize(
    ("wanted", "state"), [("run", "queued"), ("pause", "paused"), ("cancel", "cancelled")]
)
def test_an_interrupted_job_is_taken_up_as_its_reader_wished(library, job, wanted, state):
    library.jobs.set_state(job.id, "running")
    library.jobs.request(job.id, wanted)
    assert [j.state for j in library.jobs.requeue_interrupted()] == [state]
    assert library.jobs.get(job.id).state == state
    assert library.jobs.requeue_interrupted() == []


def test_an_error_is_kept_and_cleared(library, job):
    failed = library.jobs.set_state(job.id, "failed", LiftError("No room.", code="disk_full"))
    assert (failed.error_code, failed.error_message) == ("disk_full", "No room.")
    again = library.jobs.request(job.id, "run")
    assert (again.error_code, again.error_message) == (None, None)


def test_events_are_kept_in_order_and_update_the_job(library, job):
    first = {"stage": "reading", "step": 0, "steps": 9}
    second = {"stage": "training", "step": 1, "loss": 2.5, "segments": {0: 3.0, 1: 2.0}}
    assert library.jobs.event(job.id, first) == 1
    assert library.jobs.event(job.id, second) == 2
    now = library.jobs.get(job.id)
    assert (now.stage, now.step, now.steps) == ("training", 1, 9)
    assert now.progress["loss"] == 2.5
    assert library.jobs.events(job.id)[0] == (1, first)
    assert [seq for seq, _ in library.jobs.events(job.id, after=1)] == [2]
    assert library.jobs.events(job.id, after=2) == []


def test_the_first_and_last_loss_of_a_segment(library, job):
    for losses in ({0: 3.0, 1: 4.0}, {1: 3.5}, {1: 2.0, "2": 1.0}):
        library.jobs.event(job.id, {"segments": losses})
    assert library.jobs.segment_losses(job.id) == {
        0: {"first": 3.0, "last": 3.0},
        1: {"first": 4.0, "last": 2.0},
        2: {"first": 1.0, "last": 1.0},
    }


def test_a_loss_that_is_no_number_harms_nothing(library, job):
    library.jobs.event(job.id, {"loss": math.nan, "segments": {0: math.nan, 1: math.inf, 2: None}})
    assert library.jobs.segment_losses(job.id) == {}
    assert library.jobs.get(job.id).progress["loss"] is None


def test_jobs_that_are_not_there(library, job):
    with pytest.raises(NotFound):
        library.jobs.get("nope")
    with pytest.raises(NotFound):
        library.jobs.find(job.id[:3])
    with pytest.raises(NotFound):
        library.jobs.find("")
    library.books.delete(job.book_id)
    for call in (
        lambda: library.jobs.event(job.id, {"stage": "training"}),
        lambda: library.jobs.set_state(job.id, "done"),
        lambda: library.jobs.request(job.id, "run"),
    ):
        with pytest.raises(NotFound):
            call()


def test_an_ambiguous_id(library, job):
    other = library.jobs.create(job.book_id, "key2", "tiny", RECIPE)
    with library.db.write() as db:
        db.execute("UPDATE jobs SET id = 'abcd' || substr(id, 5)")
    with pytest.raises(CallerError, match=other.id[4:]) as raised:
        library.jobs.find("ABCD")
    assert raised.value.code == "ambiguous"


def test_sweep_keeps_checkpoints_that_can_go_on(library, job, home):
    states = {"paused": True, "failed": True, "done": False, "cancelled": False}
    folder = home / "checkpoints" / job.id
    for state, kept in states.items():
        folder.mkdir(parents=True, exist_ok=True)
        library.jobs.set_state(job.id, state)
        assert library.jobs.sweep() == ([] if kept else [job.id])
        assert folder.exists() == kept
    (home / "checkpoints" / "unknown").mkdir()
    assert library.sweep() == ["unknown"]


def test_where_nobody_goes_on_unasked_what_was_waiting_or_running_rests(library, add_book):
    book = add_book().id
    states = ("queued", "running", "paused", "done", "failed")
    jobs = {state: library.jobs.create(book, f"key {state}", "tiny", RECIPE) for state in states}
    for state, job in jobs.items():
        library.jobs.set_state(job.id, state)
    leaving = library.jobs.create(book, "key", "tiny", RECIPE)
    library.jobs.set_state(leaving.id, "running")
    library.jobs.request(leaving.id, "cancel")
    library.jobs.rest()
    after = {state: library.jobs.get(job.id).state for state, job in jobs.items()}
    assert after == {**dict.fromkeys(states, "paused"), "done": "done", "failed": "failed"}
    assert library.jobs.get(leaving.id).state == "cancelled"
    assert library.jobs.get(jobs["running"].id).wanted == "pause"
