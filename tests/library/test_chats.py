"""Chats, and the small store of measurements."""

from __future__ import annotations

import sqlite3

import pytest

from lift_app.errors import NotFound


def test_the_last_turn_is_taken_back(library, add_book) -> None:
    row = add_book()
    chat = library.chats.create(row.id, "Talk")
    assert library.chats.take_back(chat.id) is None
    for text in ("One?", "Two?"):
        library.chats.add_message(chat.id, "user", text)
        library.chats.add_message(chat.id, "assistant", "Yes.", {"answer": "Yes."})
    assert library.chats.take_back(chat.id) == "Two?"
    assert [message.content for message in library.chats.messages(chat.id)] == ["One?", "Yes."]
    with pytest.raises(NotFound):
        library.for_owner("somebody").chats.take_back(chat.id)


def test_a_chat_keeps_every_word_and_answer(library, add_book):
    chat = library.chats.create(add_book().id, "First")
    answer = {"arm": "LIFT+ICL", "citations": [{"page": 2, "quote": "“a boot”"}]}
    asked = library.chats.add_message(chat.id, "user", "Who?\n<b>", None)
    answered = library.chats.add_message(chat.id, "assistant", "Sir Henry.", answer)
    assert library.chats.messages(chat.id) == [asked, answered]
    assert answered.answer == answer and answered.to_json()["chat_id"] == chat.id
    assert library.chats.get(chat.id).updated == answered.created


def test_chats_of_a_book(library, add_book):
    book, other = add_book("a", title="A"), add_book("b", title="B")
    first = library.chats.create(book.id, "First")
    second = library.chats.create(book.id, "Second")
    library.chats.create(other.id, "Elsewhere")
    assert [chat.id for chat in library.chats.list(book.id)] == [second.id, first.id]
    assert library.chats.rename(first.id, "Renamed").title == "Renamed"
    library.chats.add_message(first.id, "user", "x", None)
    library.chats.delete(second.id)
    assert [chat.title for chat in library.chats.list(book.id)] == ["Renamed"]


def test_chats_that_are_not_there(library):
    with pytest.raises(NotFound):
        library.chats.create("0" * 64, "x")
    for call in (library.chats.get, library.chats.messages, library.chats.delete):
        with pytest.raises(NotFound):
            call("nope")
    with pytest.raises(NotFound):
        library.chats.add_message("nope", "user", "x", None)
    with pytest.raises(NotFound):
        library.chats.rename("nope", "x")


def test_a_message_of_nobody_is_refused(library, add_book):
    chat = library.chats.create(add_book().id, "First")
    with pytest.raises(sqlite3.IntegrityError):
        library.chats.add_message(chat.id, "ghost", "x", None)
    assert library.chats.messages(chat.id) == []


def test_measurements_are_kept_and_replaced(library):
    assert library.calibration.get("speed") is None
    library.calibration.set("speed", {"tokens_per_second": 200.5})
    library.calibration.set("speed", {"tokens_per_second": 300.0})
    assert library.for_owner("guest").calibration.get("speed") == {"tokens_per_second": 300.0}
