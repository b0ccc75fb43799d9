"""The driver: what it gives out, what it takes in, and what it leaves when it is stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from six_books import NAMES
from small_pool import STEPS, SmallPool, made

from lift_app.cluster.account import Account
from lift_app.cluster.assignment import Plan
from lift_app.cluster.fleet import Fleet
from lift_app.cluster.in_turn import lift_in_turn
from lift_app.errors import Busy, LiftError
from lift_app.library import BookRow
from lift_app.reader import Reader

MakePlan = Callable[..., Plan]


@pytest.fixture
def rows(reader: Reader) -> list[BookRow]:
    return reader.library.books.list()[::-1]


def test_every_book_is_lifted_once(reader: Reader, plan: MakePlan, rows: list[BookRow]) -> None:
    pool, account = SmallPool(), Account(rows)
    shares = [0.0]
    for event in Fleet(reader, pool, plan()).lift(rows):
        assert (event["book"], event["title"]) in [(row.id, row.title) for row in rows]
        account.note(event)
        shares.append(account.share)
    assert pool.started == [row.title for row in rows]
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert account.line == "6 of 6 books"
    account.raise_failures()
    adapters = reader.library.adapters
    assert {row.book_id for row in adapters.list()} == {row.id for row in rows}
    for row in adapters.list():
        assert (adapters.folder(row.key) / "a.bin").read_bytes().decode() in pool.started
        adapters.verify(row.key)
    jobs = reader.jobs()
    assert [(job["state"], job["step"], job["losses"]) for job in jobs] == [
        ("done", STEPS, [[1, 1.0], [2, 1.0], [3, 1.0]])
    ] * 6

    again = list(Fleet(reader, pool, plan()).lift(rows))
    assert [event["cached"] for event in again] == [True] * 6 and len(pool.started) == 6
    other = list(Fleet(reader, pool, plan(seed=1)).lift(rows[:1]))
    assert "cached" not in other[-1] and len(pool.started) == 7


def test_books_that_fail_are_named_and_the_others_go_on(
    reader: Reader, plan: MakePlan, rows: list[BookRow]
) -> None:
    memory = {"code": "out_of_memory", "message": "There is not enough memory for it."}
    fates = {
        rows[1].title: {"stage": "failed", "error": memory},
        rows[2].title: made(b"weights", arrived=b"weightz"),
    }
    account = Account(rows)
    for event in Fleet(reader, SmallPool(fates), plan()).lift(rows):
        account.note(event)
    assert account.line == "4 of 6 books, 2 failed"
    assert account.failed[rows[1].id] == memory
    with pytest.raises(LiftError) as told:
        account.raise_failures()
    assert told.value.code == "some_failed"
    assert f"{rows[1].title}: {memory['message']}" in str(told.value)
    assert f"{rows[2].title}: An adapter arrived damaged" in str(told.value)
    assert not list(reader.settings.adapters.glob(".tmp-*"))
    states = {job["book"]: job["state"] for job in reader.jobs()}
    assert [states[row.id] for row in rows] == ["done", "failed", "failed", "done", "done", "done"]
    again = SmallPool()
    list(Fleet(reader, again, plan()).lift(rows))
    assert again.started == [rows[1].title, rows[2].title]


def test_a_driver_that_is_stopped_pauses_what_is_out(
    reader: Reader, plan: MakePlan, rows: list[BookRow]
) -> None:
    pool = SmallPool()
    events = Fleet(reader, pool, plan()).lift(rows)
    for event in events:
        if event["stage"] == "done":
            break
    events.close()  # type: ignore[attr-defined]
    assert pool.is_idle and len(pool.started) == 2
    assert sorted(job["state"] for job in reader.jobs()) == ["done", "paused"]
    second = SmallPool()
    list(Fleet(reader, second, plan()).lift(rows))
    assert second.started == [row.title for row in rows[1:]]
    assert len(reader.jobs()) == 6  # the paused job went on


def test_another_window_cancels_pauses_and_deletes(
    reader: Reader, plan: MakePlan, rows: list[BookRow]
) -> None:
    account = Account(rows)
    for event in Fleet(reader, SmallPool(), plan()).lift(rows):
        account.note(event)
        if event["stage"] == "training" and event["step"] == 1:
            if event["book"] == rows[0].id:
                reader.cancel(rows[0].id)
            elif event["book"] == rows[1].id:
                reader.pause(rows[1].id)
            elif event["book"] == rows[2].id:
                reader.library.books.delete(rows[2].id)
    codes = {book: error["code"] for book, error in account.failed.items()}
    assert (codes[rows[0].id], codes[rows[1].id]) == ("cancelled", "paused")
    assert set(account.failed) == {row.id for row in rows[:3]} and len(account.learned) == 3


def test_the_same_text_twice_is_learned_once(
    reader: Reader, plan: MakePlan, tmp_path: Path
) -> None:
    text = "Greta and the keys\n\n" + "Greta lost nine keys. " * 9
    for name, end in (("greta", "\n"), ("Greta", "\n\n\n")):
        (tmp_path / f"{name}.txt").write_text(text + end, encoding="utf-8")
        reader.add(tmp_path / f"{name}.txt", title="Greta")
    rows = [row for row in reader.library.books.list() if row.title == "Greta"]
    assert len({row.id for row in rows}) == 2 and len({row.text_sha256 for row in rows}) == 1
    pool = SmallPool()
    *_, last = Fleet(reader, pool, plan()).lift(rows)
    assert last["cached"] is True and pool.started == ["Greta"]


def test_one_driver_at_a_time(reader: Reader, plan: MakePlan, rows: list[BookRow]) -> None:
    Fleet(reader, SmallPool(), plan())
    with Reader(reader.settings) as other, pytest.raises(Busy, match="Another LIFT Reader"):
        Fleet(other, SmallPool(), plan())


def test_in_turn_tells_the_same(
    reader: Reader, rows: list[BookRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    def tune(book: str, **lift: Any) -> list[dict[str, Any]]:
        if book == rows[1].id:
            raise LiftError("No memory.", code="out_of_memory")
        return [{"stage": "training", "step": 1, "steps": 2}, {"stage": "done", "adapter": "key"}]

    monkeypatch.setattr(reader, "tune", tune)
    account = Account(rows)
    for event in lift_in_turn(reader, rows, {}):
        account.note(event)
        if event["book"] == rows[2].id and event["stage"] == "training":
            assert account.line == f"1 of 6 books, 1 failed · {rows[2].title}"
            assert 2 / 6 < account.share < 3 / 6
    assert len(account.learned) == len(NAMES) - 1
    assert account.to_json()["failed"][0]["title"] == rows[1].title
