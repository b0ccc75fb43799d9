"""The talk's handlers over the fake Reader: questions, answers, comparisons, chats."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from fake_reader import FakeReader
from sitting import Named, add, address, click, talk

from lift_app.errors import LiftError
from lift_app.ui import words
from lift_app.ui.room import Room
from lift_app.ui.seat import Seat
from lift_app.ui.writing import Writings

pytestmark = pytest.mark.usefixtures("notes")


def test_an_answer_streams_and_ends_with_its_citation(
    room: Room, fake: FakeReader, seat: Seat
) -> None:
    add(room, seat)
    updates = talk(room, seat, "Who rang the bell?")
    assert words.THINKING in updates[0][0][-1]["content"]
    assert 'href="#cite-2-' in updates[-1][0][-1]["content"]
    assert updates[-1][2]["visible"] is True
    assert not seat.answering
    assert fake.chats(seat.book or "")[0]["title"] == "Who rang the bell?"


def test_a_second_window_finds_the_chat(room: Room, seat: Seat, drawn: Named) -> None:
    add(room, seat)
    other = Seat()
    room.arrive(other, address())
    talk(room, seat, "Who rang the bell?")
    talk(room, seat, "What did the lamp burn?")
    late = Seat()
    room.arrive(late, address())
    late.shown.clear()
    assert len(drawn(room.draw(late))["chat"]) == 4


def test_an_answer_is_made_again_in_place_of_the_last(
    room: Room, fake: FakeReader, seat: Seat
) -> None:
    add(room, seat)
    talk(room, seat, "Who rang the bell?")
    updates = list(room.talk.again(seat, "left in the box", "ICL", False, 0.5))
    assert len(fake.messages(seat.chat or "")) == 2
    assert fake.messages(seat.chat or "")[0]["content"] == "Who rang the bell?"
    assert fake.messages(seat.chat or "")[1]["answer"]["context"]["evidence"] == 0
    assert len(updates[-1][0]) == 2


def test_an_edited_question_takes_the_place_of_the_last_one(
    room: Room, fake: FakeReader, seat: Seat
) -> None:
    """Only when it is asked: who looks at the question and goes away loses nothing."""
    add(room, seat)
    assert room.talk.edit(seat)[1] == {"__type__": "update"}
    talk(room, seat, "Who rang the bell?")
    messages, box, *_ = room.talk.edit(seat)
    assert (messages, box["value"]) == ({"__type__": "update"}, "Who rang the bell?")
    assert len(fake.messages(seat.chat or "")) == 2
    talk(room, seat, "Who wept?")
    talk(room, seat, "Who slept?")
    asked = [m["content"] for m in fake.messages(seat.chat or "") if m["role"] == "user"]
    assert asked == ["Who wept?", "Who slept?"]


def test_a_question_that_was_not_edited_is_added(room: Room, fake: FakeReader, seat: Seat) -> None:
    add(room, seat)
    talk(room, seat, "Who rang the bell?")
    room.talk.edit(seat)
    list(room.talk.again(seat, "", "ICL", False, 0.5))  # asked again as it was
    talk(room, seat, "Who wept?")
    asked = [m["content"] for m in fake.messages(seat.chat or "") if m["role"] == "user"]
    assert asked == ["Who rang the bell?", "Who wept?"]
    room.talk.edit(seat)
    room.act(seat, click(act="chat", chat=seat.chat))
    talk(room, seat, "Who slept?")
    assert len(fake.messages(seat.chat or "")) == 6


def test_the_strength_that_nobody_moved_is_the_default_of_each_way(
    room: Room, fake: FakeReader, seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(room, seat)
    asked: list[float | None] = []
    stream = fake.ask_stream

    def noted(*args: str, **options: object) -> object:
        asked.append(options["strength"])  # type: ignore[arg-type]
        return stream(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(fake, "ask_stream", noted)
    untouched = fake.settings.default_strength(evidence=True)
    list(room.talk.ask(seat, "Who?", "ICL", False, untouched))
    list(room.talk.ask(seat, "Who?", "ICL", False, 0.9))
    assert asked == [None, 0.9]


def test_arms_are_compared_side_by_side_without_a_trace_in_the_chat(
    room: Room, fake: FakeReader, seat: Seat
) -> None:
    book = add(room, seat)
    room.learn(seat, "quick")
    fake.jobs_by_book[book]["since"] -= 100
    updates = list(room.talk.compare(seat, "Who rang the bell?", "ICL", True, 0.5))
    assert seat.compared is not None
    question, columns = seat.compared
    assert question == "Who rang the bell?"
    assert [(c.arm, c.evidence) for c in columns] == [
        (arm, evidence) for evidence in (False, True) for arm in ("ICL", "LIFT_only", "LIFT+ICL")
    ]
    assert all(c.answer and c.answer["arm"] == c.arm and c.state == "done" for c in columns)
    assert updates[0][2]["visible"] is False and updates[-1][2]["visible"] is True
    html = seat.shown["compare"]
    assert html.count("<article>") == 6 and html.count('href="#cite-2-') == 4
    assert fake.talks == {} and not seat.answering
    room.act(seat, click(act="close"))
    assert seat.shown["compare"] == ""


def test_a_comparison_takes_the_last_question_and_tells_what_fails(
    room: Room, fake: FakeReader, seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(room, seat)
    assert len(list(room.talk.compare(seat, " ", "ICL", True, 0.5))) == 1
    talk(room, seat, "Who rang the bell?")

    def broken(*_: object, **__: object) -> object:
        raise LiftError("No <model>.")

    monkeypatch.setattr(fake, "ask_stream", broken)
    list(room.talk.compare(seat, " ", "ICL", False, 0.5))
    assert seat.compared is not None and seat.compared[0] == "Who rang the bell?"
    assert "No &lt;model&gt;." in seat.shown["compare"]
    assert words.COMPARE_UNLEARNED in seat.shown["compare"]


def test_a_stopped_comparison_asks_no_further_arm(room: Room, fake: FakeReader, seat: Seat) -> None:
    book = add(room, seat)
    room.learn(seat, "quick")
    fake.jobs_by_book[book]["since"] -= 100
    updates = room.talk.compare(seat, "Who rang the bell?", "ICL", True, 0.5)
    next(updates)
    next(updates)
    room.talk.stop(seat)
    list(updates)
    assert seat.compared is not None
    assert sum(column.answer is not None for column in seat.compared[1]) <= 1
    assert words.COMPARE_STOPPED in seat.shown["compare"]


def test_first_questions_stand_until_the_first_is_asked(
    room: Room, seat: Seat, drawn: Named
) -> None:
    add(room, seat)
    deadline = time.monotonic() + 5
    while not seat.starters and time.monotonic() < deadline:
        time.sleep(0.01)
    starters = drawn(room.draw(seat)).get("starters") or seat.shown["starters"]
    assert str(starters).count('data-act="start"') == 2
    talk(room, seat, "Who rang the bell?")
    assert drawn(room.tick(seat))["starters"] == ""


def test_a_refused_question_is_kept_and_explained(room: Room, seat: Seat, notes: list[str]) -> None:
    add(room, seat)
    updates = talk(room, seat, "Who?", arm="LIFT_only")
    assert "has not been learned yet" in updates[-1][0][-1]["content"]
    assert updates[-1][1]["value"] == "Who?"
    assert not seat.answering
    assert len(notes) == 1


def test_an_unexpected_error_is_told_without_its_text(
    room: Room, fake: FakeReader, seat: Seat, notes: list[str]
) -> None:
    add(room, seat)

    def broken(*_: object, **__: object) -> dict:
        raise ZeroDivisionError("secret/path")

    fake.start_tune = broken  # type: ignore[method-assign]
    room.learn(seat, "quick")
    assert notes == [words.UNEXPECTED.replace("'", "&#x27;")]


def test_errors_of_the_program_are_told_in_their_words(
    room: Room, fake: FakeReader, seat: Seat, notes: list[str]
) -> None:
    room.learn(seat, "quick")
    assert notes == [words.NO_BOOK]
    add(room, seat)

    def broken(*_: object, **__: object) -> dict:
        raise LiftError("Full <disk>.")

    fake.start_tune = broken  # type: ignore[method-assign]
    room.learn(seat, "quick")
    assert notes[1:] == ["Full &lt;disk&gt;."]


def test_an_empty_question_asks_nothing(room: Room, fake: FakeReader, seat: Seat) -> None:
    add(room, seat)
    assert len(talk(room, seat, "  ")) == 1
    assert fake.talks == {}


def test_chats_begin_open_and_go(room: Room, fake: FakeReader, seat: Seat) -> None:
    add(room, seat)
    talk(room, seat, "One?")
    first = seat.chat
    room.act(seat, click(act="new"))
    assert seat.chat is None
    talk(room, seat, "Two?")
    room.act(seat, click(act="chat", chat=first))
    assert seat.chat == first
    room.act(seat, click(act="chat", chat="forged"))
    assert seat.chat == first
    room.act(seat, click(act="drop"))
    assert seat.chat not in (None, first)
    assert len(fake.talks) == 1


@pytest.fixture
def slow(fake: FakeReader) -> FakeReader:
    """An answer takes long enough for a window to go and come back."""
    fake.pace = 0.05
    return fake


def test_an_answer_goes_on_when_its_window_goes(
    room: Room, slow: FakeReader, seat: Seat, drawn: Named
) -> None:
    book = add(room, seat)
    asking = room.talk.ask(seat, "Who rang the bell?", "ICL", True, 1.0)
    next(asking)
    asking.close()  # as Gradio does when a page is reloaded
    back = Seat()
    shown = drawn(room.arrive(back, address()))
    assert "Who rang the bell?" in shown["chat"][0]["content"]
    assert (shown["send"]["visible"], shown["stop"]["visible"]) == (False, True)
    assert len(talk(room, back, "And who slept?")) == 1  # one after the other
    [chat] = slow.chats(book)
    deadline = time.monotonic() + 10
    while not slow.messages(chat["id"]) and time.monotonic() < deadline:
        grown = drawn(room.tick(back)).get("chat")
        assert grown is None or len(grown) == 2
        time.sleep(0.02)
    assert slow.messages(chat["id"])[0]["content"] == "Who rang the bell?"
    deadline = time.monotonic() + 10
    while back.shown["stop"] and time.monotonic() < deadline:
        shown |= drawn(room.tick(back))
    assert 'href="#cite-2-' in shown["chat"][-1]["content"] and len(shown["chat"]) == 2
    assert (shown["send"]["visible"], shown["turns"]["visible"]) == (True, True)


def test_a_question_that_failed_stands_there_until_the_next(
    room: Room, fake: FakeReader, seat: Seat, drawn: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(room, seat)

    def broken(*_: object, **__: object) -> Iterator[dict]:
        yield {"text": "It was "}
        raise LiftError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(fake, "ask_stream", broken)
        talk(room, seat, "Who rang the bell?")
    back = Seat()
    question, trouble = drawn(room.arrive(back, address()))["chat"]
    assert "Who rang the bell?" in question["content"]
    assert "The disk is full." in trouble["content"]
    talk(room, back, "Who wept?")
    assert len(drawn(room.tick(back))["chat"]) == 2


def test_what_failed_is_asked_again_and_what_was_answered_stays(
    room: Room, fake: FakeReader, seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(room, seat)
    talk(room, seat, "Who rang the bell?")

    def broken(*_: object, **__: object) -> Iterator[dict]:
        raise LiftError("The disk is full.")
        yield {}

    with monkeypatch.context() as patch:
        patch.setattr(fake, "ask_stream", broken)
        talk(room, seat, "Who wept?")
    assert room.talk.edit(seat)[1]["value"] == "Who wept?"
    list(room.talk.again(seat, "", "ICL", True, 1.0))
    asked = [m["content"] for m in fake.messages(seat.chat or "") if m["role"] == "user"]
    assert asked == ["Who rang the bell?", "Who wept?"]


def test_of_two_windows_that_ask_at_once_one_keeps_its_question(
    room: Room, slow: FakeReader, seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(room, seat)
    talk(room, seat, "Who slept?")
    other = Seat()
    room.arrive(other, address())
    asking = room.talk.ask(seat, "Who rang the bell?", "ICL", True, 1.0)
    next(asking)
    monkeypatch.setattr(room.view, "answering", lambda _: False)  # it looked a moment ago
    [turn] = talk(room, other, "Who wept?")
    assert words.STILL_ANSWERING in turn[0][-1]["content"]
    assert turn[1]["value"] == "Who wept?"
    assert "href" in list(asking)[-1][0][-1]["content"]


def test_answers_end_when_the_app_does() -> None:
    closed: list[str] = []

    def pieces() -> Iterator[dict]:
        try:
            while True:
                time.sleep(0.01)
                yield {"text": "and "}
        finally:
            closed.append("closed")

    writings = Writings()
    writing = writings.begin("a", "What then?", pieces())
    assert writing is not None and writings.begin("a", "And then?", pieces()) is None
    assert next(writing.follow())[0].startswith("and")
    writings.close()
    assert writing.ended and closed == ["closed"]
    assert writings.of("a") is None


def test_few_failures_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lift_app.ui.writing.MOST_FAILED", 2)
    monkeypatch.setattr("lift_app.ui.writing.LONGEST_FAILED", 20)

    def broken() -> Iterator[dict]:
        raise LiftError("The disk is full.")
        yield {}

    writings = Writings()
    for chat in ("a", "b", "c", "long"):
        writing = writings.begin(chat, "Why? " * (5 if chat == "long" else 1), broken())
        assert writing is not None
        with pytest.raises(LiftError, match="disk"):
            list(writing.follow())
        writings.close()  # waits for its end
    assert [bool(writings.of(chat)) for chat in ("a", "b", "c", "long")] == [
        False,
        True,
        True,
        False,
    ]
