"""The room's handlers over the fake Reader: what they change and what they send."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from fake_reader import FakeReader
from sitting import Named, add, address, click, talk
from test_receipts import add_second
from test_replay import recorded

from lift_app.lifting.recipe import WITH_TASKS
from lift_app.ui import words
from lift_app.ui.room import FORGOTTEN_TICKS, Room
from lift_app.ui.seat import Mark, Seat
from lift_app.ui.view import PARTS

pytestmark = pytest.mark.usefixtures("notes")


def test_the_first_draw_sends_everything_and_the_second_nothing(
    room: Room, seat: Seat, drawn: Named
) -> None:
    add(room, seat)
    fresh = Seat()
    fresh.arrived = True
    assert set(drawn(room.draw(fresh))) == set(PARTS)
    assert drawn(room.tick(fresh)) == {}


def test_a_window_draws_nothing_before_it_has_arrived(room: Room, drawn: Named) -> None:
    assert drawn(room.tick(Seat())) == {}


def test_a_window_that_was_forgotten_gets_its_seat_back(
    room: Room, seat: Seat, drawn: Named
) -> None:
    """As one that has slept while 128 others came."""
    book, forgotten = add(room, seat), Seat()
    for _ in range(FORGOTTEN_TICKS - 1):
        assert drawn(room.tick(forgotten)) == {}
    assert set(drawn(room.tick(forgotten))) == set(PARTS)
    assert forgotten.book == book
    assert drawn(room.tick(forgotten)) == {}


def test_a_tick_sends_nothing_of_a_window_that_is_arriving(
    room: Room, fake: FakeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer may reach the browser after the other one, and put an empty page over the book."""
    book, seat = fake.add_sample()["id"], Seat()
    ticked: list[list] = []
    ticking = Thread(target=lambda: ticked.append(room.tick(seat)))
    show = fake.show

    def slowly(ref: str) -> dict:
        if ticking.ident is None:
            ticking.start()
            time.sleep(0.2)
        return show(ref)

    monkeypatch.setattr(fake, "show", slowly)
    room.arrive(seat, address())
    ticking.join()
    assert seat.book == book
    assert all(update == {"__type__": "update"} for update in ticked[0])


def test_the_last_of_two_clicks_counts_though_it_comes_first(
    room: Room, fake: FakeReader, seat: Seat, tmp_path: Path
) -> None:
    first, second = add(room, seat), add_second(fake, tmp_path)
    room.act(seat, click(act="book", book=second, order=3))
    room.act(seat, click(act="book", book=first, order=2))
    assert seat.book == second
    room.act(seat, click(act="turn", page=2, order=1))
    assert seat.page == 1  # a page of the book that was left
    room.act(seat, click(act="settings", order=1))
    assert seat.preferences  # it chooses something else


def test_the_suggested_recipe_is_chosen_once_and_tasks_are_added_when_wanted(
    room: Room, fake: FakeReader, seat: Seat, drawn: Named, tmp_path: Path
) -> None:
    fake.suggested = "quick"
    seat.shown.clear()
    [*_, added] = room.add_sample(seat)
    recipe = dict(zip(PARTS, added[: len(PARTS)], strict=True))["recipe"]
    assert recipe["value"] == "quick"
    assert [words.RECIPE_SUGGESTED.format(does="") in text for text, _ in recipe["choices"]] == [
        True,
        False,
        False,
    ]
    seat.shown.pop("recipe")
    assert "value" not in drawn(room.draw(seat))["recipe"]  # the reader may have chosen another
    first, second = seat.book, add_second(fake, tmp_path)
    opened = drawn(room.act(seat, click(act="book", book=second)))
    assert opened["recipe"]["value"] == "quick" and opened["tasks"]["value"] is False
    room.act(seat, click(act="book", book=first))
    room.learn(seat, "quick", True)
    assert fake.values == WITH_TASKS
    room.cancel(seat)
    room.learn(seat, "quick")
    assert fake.values is None


def test_a_tick_during_a_lift_sends_progress_only(
    room: Room, fake: FakeReader, seat: Seat, drawn: Named
) -> None:
    book = add(room, seat)
    room.learn(seat, "quick")
    time.sleep(0.15)
    room.draw(seat)
    fake.jobs_by_book[book]["since"] -= 5
    assert set(drawn(room.tick(seat))) <= {"shelf", "lift", "arm", "strip", "receipt"}


def test_a_tick_is_cheap(
    room: Room, fake: FakeReader, seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks for what can have changed, once; what a poll costs is measured in `test_ticks`."""
    add(room, seat)
    fake.seconds_a_lift = 3600  # no step ends meanwhile, or the ribbon would ask once more
    room.learn(seat, "quick")
    asked: Counter[str] = Counter()

    def counted(name: str) -> Callable[..., object]:
        work = getattr(fake, name)
        return lambda *arguments, **options: (
            asked.update([name]),
            work(*arguments, **options),
        )[1]

    for name in ("books", "show", "page", "ribbon", "status", "chats", "messages", "recipes"):
        monkeypatch.setattr(fake, name, counted(name))
    for _ in range(20):
        room.tick(seat)
    assert asked and max(asked.values()) <= 20
    assert not asked.keys() & {"show", "page", "messages"}


def test_a_failing_tick_is_silent(
    room: Room, fake: FakeReader, seat: Seat, drawn: Named, notes: list[str]
) -> None:
    def broken() -> list:
        raise RuntimeError("disk")

    fake.books = broken  # type: ignore[method-assign]
    assert drawn(room.tick(seat)) == {}
    assert notes == []


def test_arriving_opens_the_book_and_page_of_the_address(room: Room, seat: Seat) -> None:
    book = add(room, seat)
    other = Seat()
    room.arrive(other, address(book=book, at="2"))
    assert (other.book, other.page) == (book, 2)


def test_arriving_without_an_address_opens_what_is_being_learned(
    room: Room, fake: FakeReader, seat: Seat, tmp_path: Path
) -> None:
    (tmp_path / "other.txt").write_text("Another book.")
    first = fake.add(tmp_path / "other.txt")["id"]
    learned = add(room, seat)
    room.learn(seat, "quick")
    for query in ({}, {"book": "unknown"}, {"book": "unknown", "at": "x"}):
        other = Seat()
        room.arrive(other, address(**query))
        assert other.book == learned != first


def test_pages_turn_within_the_book(room: Room, seat: Seat) -> None:
    add(room, seat)
    for asked, got in (("2", 2), ("99", 3), ("0", 1), ("-5", 1)):
        room.act(seat, click(act="turn", page=asked))
        assert seat.page == got


def test_a_citation_turns_the_page_and_marks_the_quote(
    room: Room, seat: Seat, drawn: Named
) -> None:
    add(room, seat)
    leaf = drawn(room.act(seat, click(act="cite", cite="#cite-2-0-5")))["leaf"]
    assert seat.mark == Mark(2, ((0, 5),))
    assert ">In th</mark>" in leaf
    room.act(seat, click(act="turn", page="1"))
    assert seat.mark is None


@pytest.mark.parametrize("data", [{}, {"act": "cite", "cite": "x"}, {"act": "turn", "page": "x"}])
def test_a_forged_click_does_no_harm(room: Room, seat: Seat, data: dict) -> None:
    book = add(room, seat)
    room.act(seat, click(**data))
    assert (seat.book, seat.page, seat.mark) == (book, 1, None)


def test_a_page_that_is_not_there_is_told_over_the_page(
    room: Room, seat: Seat, drawn: Named
) -> None:
    add(room, seat)
    found = drawn(room.act(seat, click(act="goto", value="<99>")))["found"]
    assert 'role="alert"' in found and "&lt;99&gt;" in found
    assert drawn(room.act(seat, click(act="goto", value="3")))["found"] == ""
    assert seat.page == 3


def test_search_is_shown_until_it_is_emptied(room: Room, seat: Seat, drawn: Named) -> None:
    add(room, seat)
    found = drawn(room.act(seat, click(act="find", value=" Tilda Wren ")))["found"]
    assert found.count("<li>") == 3
    place = re.findall(r'data-place="([\d-]+)"', found)[1]
    shown = drawn(room.act(seat, click(act="show", place=place)))
    assert ">Tilda Wren</mark>" in shown["leaf"]
    assert shown["found"].count("aria-current") == 1
    assert drawn(room.act(seat, click(act="find", value="")))["found"] == ""


def test_a_turn_draws_the_page_alone(room: Room, fake: FakeReader, seat: Seat) -> None:
    add(room, seat)
    room.act(seat, click(act="cite", cite="#cite-2-0-5"))  # puts learning away

    def broken() -> list:
        raise RuntimeError("disk")

    fake.books = broken  # type: ignore[method-assign]
    room.act(seat, click(act="turn", page="3"))
    assert (seat.page, seat.note) == (3, "")


def test_a_page_that_the_browser_had_is_not_sent_again(
    room: Room, seat: Seat, drawn: Named
) -> None:
    add(room, seat)
    changed = drawn(room.act(seat, click(act="turn", page="2", shown=True, order=2)))
    assert seat.page == 2
    assert "leaf" not in changed and "strip" in changed
    assert drawn(room.act(seat, click(act="turn", page="3", shown=True, order=1))) == {}
    assert seat.page == 2, "it was overtaken on its way"
    first = drawn(room.act(seat, click(act="turn", page="1", order=3)))["leaf"]
    room.act(seat, click(act="turn", page="2", shown=True, order=4))
    again = drawn(room.act(seat, click(act="turn", page="1", order=5)))["leaf"]
    assert first != again, "Gradio does not draw what it believes to be there"


def test_the_strip_follows_the_lift_the_page_and_the_chosen_answer(
    room: Room, fake: FakeReader, seat: Seat, drawn: Named
) -> None:
    book = add(room, seat)
    assert seat.shown["strip"].count(words.CELL_UNKNOWN) > 40
    room.learn(seat, "quick")
    fake.jobs_by_book[book]["since"] -= 10
    assert "known" in drawn(room.tick(seat))["strip"]
    assert 'aria-current="true"' in drawn(room.act(seat, click(act="turn", page="3")))["strip"]
    talk(room, seat, "Who rang the bell?", arm="LIFT_only")
    talk(room, seat, "What did the lamp burn?")
    assert 'class="head"' in drawn(room.tick(seat))["strip"]
    strip = drawn(room.act(seat, click(act="saw", saw="#saw-1")))["strip"]
    assert 'class="head"' not in strip and 'class="evidence"' in strip
    assert 'class="head"' in drawn(room.act(seat, click(act="saw", saw="forged")))["strip"]


def test_a_ribbon_is_read_again_only_when_more_is_known(
    room: Room, fake: FakeReader, seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(room, seat)
    read: list[str] = []
    monkeypatch.setattr(fake, "ribbon", read.append)
    room.tick(seat)
    room.act(seat, click(act="turn", page="2"))
    assert read == [] and seat.page == 2


def test_learning_makes_room_for_the_page(room: Room, seat: Seat, drawn: Named) -> None:
    add(room, seat)
    assert seat.desk
    changed = drawn(room.act(seat, click(act="cite", cite="#cite-2-0-5")))
    assert changed["learn"]["visible"] is False and changed["remove"]["visible"] is False
    assert 'aria-expanded="false"' in changed["about"]
    assert "lift line" in drawn(room.learn(seat, "quick"))["lift"]
    changed = drawn(room.act(seat, click(act="desk")))
    assert changed["controls"]["visible"] is True
    assert 'role="progressbar"' in changed["lift"]


def test_the_first_steps_lead_to_the_first_question(
    room: Room, fake: FakeReader, seat: Seat, drawn: Named
) -> None:
    book = add(room, seat)
    assert words.STEP_LEARN in seat.shown["steps"] and seat.shown["steps"].count("done") == 2
    room.learn(seat, "quick")
    assert words.STEP_LEARNING in seat.shown["steps"]
    fake.jobs_by_book[book]["since"] -= 100
    assert words.STEP_LEARNED in drawn(room.tick(seat))["steps"]
    talk(room, seat, "Who rang the bell?")
    assert drawn(room.tick(seat))["steps"] == ""
    other = Seat()
    room.arrive(other, address())
    assert other.shown["steps"] == ""


def test_the_first_steps_can_be_put_away(room: Room, seat: Seat, drawn: Named) -> None:
    add(room, seat)
    assert drawn(room.act(seat, click(act="steps")))["steps"] == ""


def test_a_replay_stands_in_for_the_lift_and_ends(
    room: Room, fake: FakeReader, seat: Seat, drawn: Named, tmp_path: Path
) -> None:
    book = add(room, seat)
    room.act(seat, click(act="replay", value="begin"))
    assert seat.replay is None, "there is none of this book"
    fake.recorded = recorded(tmp_path / "demo")
    room.learn(seat, "quick")
    fake.jobs_by_book[book]["since"] -= 100
    room.act(seat, click(act="book", book=book))
    assert words.STEP_RECORDED in seat.shown["steps"]
    changed = drawn(room.act(seat, click(act="replay", value="begin")))
    assert words.REPLAY in changed["lift"]
    assert changed["strip"].count(words.CELL_UNKNOWN) > 30
    assert fake.status(book)["state"] == "done"
    changed = drawn(room.act(seat, click(act="replay", value="end")))
    assert changed["lift"] == "" and words.CELL_UNKNOWN not in changed["strip"]


def test_settings_tell_and_delete(
    room: Room, fake: FakeReader, seat: Seat, drawn: Named, tmp_path: Path
) -> None:
    book = add(room, seat)
    (tmp_path / "other.txt").write_text("Another book.")
    other = fake.add(tmp_path / "other.txt")["id"]
    page = drawn(room.act(seat, click(act="settings")))["preferences"]
    assert "Tiny &lt;1&gt;" in page and "this CPU has no bf16" in page and "135 million" in page
    assert words.FORGET not in page and words.REMOVE_ALL in page
    room.learn(seat, "quick")
    fake.jobs_by_book[book]["since"] -= 100
    assert words.FORGET in drawn(room.tick(seat))["preferences"]
    room.act(seat, click(act="forget", book=book))
    assert words.FORGET not in seat.shown["preferences"] and seat.book == book
    room.act(seat, click(act="remove", book=book))
    assert [one["id"] for one in fake.books()] == [other] and seat.book == other
    room.act(seat, click(act="remove", book="forged"))
    assert seat.note and len(fake.books()) == 1
    room.act(seat, click(act="remove-all", book=""))
    assert fake.books() == [] and seat.book is None
    assert drawn(room.act(seat, click(act="settings")))["preferences"] == ""


def test_an_uploaded_file_is_read_and_forgotten(room: Room, seat: Seat, tmp_path: Path) -> None:
    upload = tmp_path / "cache" / "book.txt"
    upload.parent.mkdir()
    upload.write_text("Words of a book.")
    first, last = room.add(seat, [str(upload)])
    assert "Reading book.txt" in first[len(PARTS)]
    assert "is on the shelf" in last[len(PARTS)]
    assert not upload.parent.exists()
    assert seat.details["title"] == "book"


def test_an_unreadable_file_is_told_calmly_and_forgotten(
    room: Room, seat: Seat, tmp_path: Path, notes: list[str]
) -> None:
    upload = tmp_path / "<b>.txt"
    upload.write_text(" ")
    *_, last = room.add(seat, [str(upload)])
    assert 'role="alert"' in last[len(PARTS)]
    assert notes == ["&lt;b&gt;.txt is empty. Choose a file that has text in it."]
    assert not upload.exists()


def test_arms_open_up_once_learning_has_begun(
    room: Room, fake: FakeReader, seat: Seat, drawn: Named
) -> None:
    book = add(room, seat)
    fresh = Seat()
    room.arrive(fresh, address())
    fresh.shown.clear()
    arm = drawn(room.draw(fresh))["arm"]
    assert arm["choices"] == [(words.ARMS["ICL"], "ICL")]
    assert arm["visible"] is False
    room.learn(fresh, "quick")
    fake.jobs_by_book[book]["since"] -= 2
    arm = drawn(room.draw(fresh))["arm"]
    assert [value for _, value in arm["choices"]] == list(words.ARMS)
    assert arm["value"] == "LIFT+ICL"
    assert arm["info"] == words.ARM_PARTIAL
    fake.jobs_by_book[book]["since"] -= 100
    arm = drawn(room.draw(fresh))["arm"]
    assert "value" not in arm, "the reader's choice must survive the end of the lift"
    assert arm["info"] == ""


def test_a_lift_is_paused_resumed_and_cancelled(
    room: Room, fake: FakeReader, seat: Seat, drawn: Named
) -> None:
    book = add(room, seat)
    room.learn(seat, "quick")
    assert drawn(room.pause(seat))["resume"]["visible"] is True
    assert fake.status(book)["state"] == "paused"
    assert drawn(room.resume(seat))["pause"]["visible"] is True
    assert drawn(room.cancel(seat))["controls"]["visible"] is False
    assert fake.status(book)["state"] == "cancelled"


def test_a_removed_book_leaves_every_window(
    room: Room, fake: FakeReader, seat: Seat, drawn: Named
) -> None:
    add(room, seat)
    other = Seat()
    room.arrive(other, address())
    room.remove(seat)
    assert fake.shelf == {}
    assert (seat.book, seat.page) == (None, 1)
    assert words.WELCOME_TITLE in drawn(room.tick(other))["about"]
    assert other.book is None


def test_the_model_line_is_there_until_the_model_is_ready(
    room: Room, fake: FakeReader, seat: Seat, drawn: Named
) -> None:
    fake.model.update(state="preparing", message="Fetching the model <1>", progress=0.4)
    assert "Fetching the model &lt;1&gt;, 40 %" in drawn(room.draw(seat))["model"]
    fake.model.update(state="ready")
    assert drawn(room.draw(seat))["model"] == ""
