"""What a late answer of the server puts back is drawn again: no part of a page stays stale."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from browsing import Window, chromium, expect
from fake_reader import FakeReader
from serving import opened
from sitting import Named, add, click, talk

from lift_app.ui.room import Room
from lift_app.ui.seat import Seat
from lift_app.ui.view import PARTS, Updates

pytestmark = pytest.mark.usefixtures("notes")
LATE = 2.5
"""Seconds for which the answer to a click hangs after what it shows was drawn."""
LOADING = {"state": "loading", "message": "The model is being loaded."}


class Page:
    """What a browser shows of the answers that have reached it, in the order in which they did."""

    def __init__(self, room: Room, seat: Seat) -> None:
        self.room, self.seat = room, seat
        self.parts: dict[str, Any] = {}
        self.newest, self.late = 0, 0
        seat.shown.clear()
        self.apply(room.draw(seat))

    def apply(self, updates: Sequence[Any], parts: Sequence[str] = PARTS) -> set[str]:
        """An answer arrives; gives the parts that it changes."""
        changed = set()
        for part, update in zip(parts, updates, strict=True):
            if update == {"__type__": "update"}:
                continue
            changed.add(part)
            if isinstance(update, dict):
                update = {**self.parts.get(part, {}), **update}
            self.parts[part] = update
        if "receipt" in changed:
            number = int(self.parts["receipt"])
            if number < self.newest:
                self.late = min(number, self.late or number)
            self.newest = max(self.newest, number)
        return changed

    def tick(self) -> Updates:
        """A tick is sent; its answer is under way."""
        receipt = f"{self.newest} {self.late}" if self.late else str(self.newest)
        self.late = 0
        return self.room.tick(self.seat, receipt)

    def settle(self) -> set[str]:
        """Three ticks; gives what they change."""
        return set().union(*(self.apply(self.tick()) for _ in range(3)))


def add_second(fake: FakeReader, folder: Path) -> str:
    """Another book, of one page, on the shelf of the sample book; gives its id."""
    file = folder / "second.md"
    file.write_text("# The Second Lamp\n\nNobody lit it.\n")
    return fake.add(file)["id"]


@pytest.fixture
def page(room: Room, seat: Seat) -> Page:
    add(room, seat)
    page = Page(room, seat)
    page.settle()
    return page


def test_a_late_answer_is_made_good(page: Page, fake: FakeReader) -> None:
    fake.model.update(LOADING)
    late = page.room.learn(page.seat, None)
    fake.model.update(state="ready", message="")
    page.apply(page.tick())
    assert page.parts["model"] == ""
    assert "model" in page.apply(late) and "loaded" in page.parts["model"]
    assert "about" not in page.settle()  # which nothing has touched meanwhile
    assert page.parts["model"] == ""


def test_a_late_answer_that_a_later_one_hides_is_made_good(page: Page, fake: FakeReader) -> None:
    """Two clicks are answered in one go, after a tick that came between them."""
    fake.model.update(LOADING)
    first = page.room.learn(page.seat, None)
    fake.model.update(state="ready", message="")
    page.apply(page.tick())
    second = page.room.pause(page.seat)
    page.apply(first)
    page.apply(second)
    page.settle()
    assert page.parts["model"] == "" and page.parts["resume"]["visible"]


def test_a_tick_whose_answer_is_lost_is_made_good(page: Page, fake: FakeReader) -> None:
    fake.model.update(LOADING)
    page.tick()
    page.settle()
    assert "loaded" in page.parts["model"]


def test_a_browser_that_has_everything_is_sent_nothing(page: Page) -> None:
    assert page.settle() == set()


def test_what_is_slow_but_comes_in_order_is_not_sent_twice(room: Room, seat: Seat) -> None:
    page = Page(room, seat)
    page.settle()
    [*_, slow] = room.add_sample(seat)
    assert page.settle() == set()
    assert "leaf" in page.apply(slow[: len(PARTS)])
    assert page.settle() == set()


def test_what_is_sent_again_leaves_the_readers_choices(page: Page, fake: FakeReader) -> None:
    room, seat = page.room, page.seat
    late = room.act(seat, click(act="settings"))
    fake.start_tune(str(seat.book))
    fake.jobs_by_book[str(seat.book)]["since"] -= 100
    page.settle()
    assert page.parts["arm"]["value"] == "LIFT+ICL" and not page.parts["learn"]["open"]
    page.parts["arm"]["value"], page.parts["learn"]["open"] = "ICL", True
    page.apply(late)
    assert {"arm", "learn"} <= page.settle()
    assert page.parts["arm"]["value"] == "ICL" and page.parts["learn"]["open"]


def test_the_state_that_a_late_answer_has_set_is_set_anew(
    page: Page, fake: FakeReader, tmp_path: Path
) -> None:
    """Or a book that is not learned could not be asked: its arm is not among those of the page."""
    room, seat = page.room, page.seat
    fake.start_tune(str(seat.book))
    fake.jobs_by_book[str(seat.book)]["since"] -= 100
    second = add_second(fake, tmp_path)
    page.apply(room.act(seat, click(act="book", book=second)))
    [*_, late] = room.add_sample(seat)
    page.apply(late[: len(PARTS)])
    assert page.parts["arm"]["value"] == "LIFT+ICL"
    page.apply(room.act(seat, click(act="book", book=second)))
    page.apply(late[: len(PARTS)])
    page.settle()
    assert page.parts["arm"]["value"] == "ICL"


def test_the_state_of_a_part_in_a_lost_or_failed_draw_is_set_by_the_next(
    page: Page, fake: FakeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.start_tune(str(page.seat.book))
    fake.jobs_by_book[str(page.seat.book)]["since"] -= 100
    with monkeypatch.context() as patch:
        patch.setattr(fake, "messages", None)
        page.apply(page.tick())
    page.tick()
    page.settle()
    assert page.parts["arm"]["value"] == "LIFT+ICL"


def test_a_page_turned_in_a_book_that_is_being_left_is_not_turned(
    page: Page, fake: FakeReader, tmp_path: Path
) -> None:
    room, seat = page.room, page.seat
    left = seat.book
    page.apply(room.act(seat, click(act="book", book=add_second(fake, tmp_path))))
    room.act(seat, click(act="turn", page=2, order=1, shown=True, of=left))
    assert seat.page == 1 and seat.shown["leaf"][1] == 1


def test_the_last_frame_of_an_answer_that_comes_late_is_made_good(
    page: Page, fake: FakeReader, tmp_path: Path
) -> None:
    room, seat = page.room, page.seat
    frames = talk(room, seat, "Who rang the bell?")
    page.apply(room.act(seat, click(act="book", book=add_second(fake, tmp_path))))
    page.settle()
    assert page.parts["chat"] == []
    page.apply(frames[-1], ("chat", "question", "send", "stop", "compare", "receipt"))
    assert page.parts["chat"] != []
    page.settle()
    assert page.parts["chat"] == []


def test_a_page_that_was_sent_again_is_not_taken_for_one_that_was_turned(page: Page) -> None:
    """The browser had turned on by itself, and then the server's leaf came."""
    room, seat = page.room, page.seat
    late = room.act(seat, click(act="settings"))
    room.act(seat, click(act="turn", page=2, order=1))
    page.apply(page.tick())
    page.apply(late)
    seat.shown["leaf"] = None
    page.apply(room.draw(seat))
    page.apply(late)
    page.settle()
    turned = room.act(seat, click(act="turn", page=3, order=2, shown=True))
    assert "leaf" in page.apply(turned)
    turned = room.act(seat, click(act="turn", page=2, order=3, shown=True))
    assert "leaf" not in page.apply(turned)


def test_a_comparison_is_drawn_by_its_own_frames_alone(page: Page) -> None:
    """A tick with half an answer could come in after the whole one."""
    frames = page.room.talk.compare(page.seat, "Who rang the bell?", "ICL", True, 1.0)
    next(frames)
    assert page.settle() & {"compare", "chat"} == set()
    list(frames)
    assert page.settle() & {"compare", "chat"} == set()


def test_a_draw_that_failed_is_made_good_by_the_next(
    room: Room, fake: FakeReader, seat: Seat, drawn: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = fake.add_sample()["id"]
    seat.open(book, fake.show(book), None)
    with monkeypatch.context() as patch:
        patch.setattr(fake, "chats", None)  # late in a draw, when the shelf is drawn already
        assert drawn(room.tick(seat)) == {}
    assert {"shelf", "about"} <= set(drawn(room.tick(seat)))


@pytest.mark.parametrize("receipt", ["", None, 7, "-5", "1 2 3", "9" * 5000, "²", "0 0", ["1"]])
def test_a_receipt_of_a_stranger_is_borne(receipt: object, page: Page, drawn: Named) -> None:
    page.room.reader.start_tune(page.seat.book)
    assert "lift" in drawn(page.room.tick(page.seat, receipt))
    assert len(page.room.tick(page.seat, receipt)) == len(PARTS)


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
    add_second(fake, tmp_path)
    expect(shelf).to_have_count(2)
    window.page.wait_for_timeout(1000 * LATE)
    expect(shelf).to_have_count(2, timeout=5000)
    assert window.errors == []


@pytest.mark.browser
def test_the_page_shows_the_newest_after_two_late_answers_at_once(
    browser: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, drawn = threading.Event(), threading.Semaphore(0)

    def held(act: Callable[..., Updates]) -> Callable[..., Updates]:
        def hold(*arguments: object) -> Updates:
            if act.__name__ == "pause":
                fake.model.update(LOADING)
            updates = act(*arguments)
            fake.model.update(state="ready", message="")
            drawn.release()
            assert gate.wait(90)
            return updates

        return hold

    for name in ("pause", "cancel"):
        monkeypatch.setattr(Room, name, held(getattr(Room, name)))
    fake = FakeReader(tmp_path / "two", seconds_a_lift=120)
    fake.start_tune(fake.add_sample()["id"])
    window = Window(browser)
    window.page.goto(opened(fake, tmp_path / "home"))
    window.page.click("#pause")
    assert drawn.acquire(timeout=20)
    window.page.wait_for_timeout(2500)
    window.page.click("#cancel")
    assert drawn.acquire(timeout=20)
    gate.set()
    expect(window.page.locator("#learn-button")).to_be_visible()
    window.page.wait_for_timeout(2500)
    expect(window.page.locator("#model")).not_to_contain_text("loaded")
    assert window.errors == []


@pytest.mark.browser
def test_a_click_while_an_earlier_one_is_under_way_counts(
    browser: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, act = threading.Event(), Room.act

    def slow(room: Room, seat: Seat, event: Any) -> Updates:
        if event._data["act"] == "turn":
            begun.set()
            time.sleep(LATE)
        return act(room, seat, event)

    monkeypatch.setattr(Room, "act", slow)
    fake = FakeReader(tmp_path / "clicks")
    fake.add_sample()
    window = Window(browser)
    window.page.goto(opened(fake, tmp_path / "home"))
    window.page.click("#shelf .spine")
    window.page.locator("#leaf .turner:first-of-type [data-act=turn]").last.click()
    assert begun.wait(20)
    window.page.click("[data-act=settings]")
    expect(window.page.locator("#preferences")).to_be_visible(timeout=20_000)
    window.page.wait_for_timeout(1000 * LATE)
    expect(window.page.locator("#preferences")).to_be_visible()
    window.page.locator("[data-act=settings]").first.dblclick()  # which is one click
    expect(window.page.locator("#preferences")).to_be_hidden()
    window.page.wait_for_timeout(1000)
    expect(window.page.locator("#preferences")).to_be_hidden()
    assert window.errors == []
