"""What a late answer of the server puts back is drawn again: no part of a page stays stale."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Window, chromium, expect
from fake_reader import FakeReader
from serving import opened
from sitting import Named, add

from lift_app.ui.room import Room
from lift_app.ui.seat import Seat
from lift_app.ui.view import Updates

LATE = 2.5
"""Seconds for which the answer to a click hangs after what it shows was drawn."""


def test_what_a_late_answer_has_put_back_is_sent_again(
    room: Room, seat: Seat, drawn: Named
) -> None:
    book = add(room, seat)
    late = seat.draws
    room.reader.start_tune(book)
    changed = drawn(room.tick(seat, late))
    assert "lift" in changed and changed["receipt"] == seat.draws > late

    # The answer to the click reaches the browser only now, and the next ticks say so.
    again = drawn(room.tick(seat, late))
    again |= drawn(room.tick(seat, late))
    assert again["lift"] and changed.keys() <= again.keys()
    assert "about" not in again  # which that answer itself has brought


def test_a_browser_that_has_everything_is_sent_nothing(
    room: Room, seat: Seat, drawn: Named
) -> None:
    add(room, seat)
    receipt = drawn(room.tick(seat, seat.draws)).get("receipt", seat.draws)
    for _ in range(3):
        assert drawn(room.tick(seat, receipt)) == {}


def test_an_answer_that_may_be_on_its_way_is_not_sent_twice(
    room: Room, seat: Seat, drawn: Named
) -> None:
    add(room, seat)
    assert drawn(room.tick(seat, 0)) == {}


def test_a_draw_that_failed_is_made_good_by_the_next(
    room: Room, fake: FakeReader, seat: Seat, drawn: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = fake.add_sample()["id"]
    seat.open(book, fake.show(book), None)
    with monkeypatch.context() as patch:
        patch.setattr(fake, "chats", None)  # late in a draw, when the shelf is drawn already
        assert drawn(room.tick(seat)) == {}
    assert {"shelf", "about"} <= set(drawn(room.tick(seat)))


@pytest.mark.parametrize("receipt", ["7", None, -5, 10**30, float("nan"), [3]])
def test_a_receipt_of_a_stranger_is_borne(
    receipt: object, room: Room, seat: Seat, drawn: Named
) -> None:
    book = add(room, seat)
    room.tick(seat, receipt)
    room.reader.start_tune(book)
    assert "lift" in drawn(room.tick(seat, receipt))


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    yield from chromium()


@pytest.mark.browser
def test_the_page_shows_the_newest_after_a_late_answer(
    browser: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_slowly = Room._add

    def late(*args: object, **options: object) -> Iterator[Updates]:
        yield from add_slowly(*args, **options)  # type: ignore[arg-type]
        time.sleep(LATE)  # Gradio sends what was drawn once more at the end

    monkeypatch.setattr(Room, "_add", late)
    fake = FakeReader(tmp_path / "late")
    window = Window(browser)
    window.page.goto(opened(fake, tmp_path / "home"))
    window.page.click("#sample")
    shelf = window.page.locator("#shelf .spine")
    expect(shelf).to_have_count(1)
    second = tmp_path / "second.md"
    second.write_text("# The Second Lamp\n\nNobody lit it.\n")
    fake.add(second)
    expect(shelf).to_have_count(2)
    window.page.wait_for_timeout(1000 * LATE)
    expect(shelf).to_have_count(2, timeout=5000)
    assert window.errors == []
