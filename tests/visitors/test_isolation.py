"""Two visitors and one model: adapters, answers, evidence and chats stay with their shelf."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_model import BARE

from lift_app.errors import NotFound
from lift_app.reader import Reader
from lift_app.settings import Settings
from lift_app.visitors import House, Visitor
from lift_app.visitors.house import within_limits

pytestmark = pytest.mark.isolation

MARKERS = ("ZANZIBRON", "QUORVATEL")
QUESTIONS = 25
SHORT = {"segment_length": 512, "stride": 512, "epochs": 1, "rank": 1, "alpha": 2, **BARE}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Any]:
    """Two visitors whose books have been learned, with the ids of the books."""
    folder = tmp_path_factory.mktemp("pair")
    settings = Settings(
        home=folder / "home",
        model=str(tiny_model),
        context_tokens=128,
        evidence_tokens=96,
        answer_tokens=8,
        visitor_questions=1000,
    )
    with Reader(within_limits(replace(settings, shared=True))) as reader:
        house = House(reader)
        visitors = [house.visitor(f"visitor-{marker}") for marker in MARKERS]
        books = []
        for visitor, marker in zip(visitors, MARKERS, strict=True):
            path = folder / f"{marker}.txt"
            path.write_text(
                " ".join(f"The {marker} of room {n} was blue in 19{n}." for n in range(10, 40))
            )
            books.append(visitor.add(path)["id"])
        with ThreadPoolExecutor(2) as pool:  # both learn at once
            lifts = [
                pool.submit(lambda v=v, b=b: list(v.tune(b, values=SHORT))[-1]["adapter"])
                for v, b in zip(visitors, books, strict=True)
            ]
            keys = [lift.result() for lift in lifts]
        yield visitors, books, keys


def test_fifty_interleaved_questions(pair: Any) -> None:
    visitors, books, keys = pair

    def lane(number: int) -> list[dict[str, Any]]:
        visitor: Visitor = visitors[number]
        chat = visitor.new_chat(books[number])["id"]
        return [
            visitor.ask(books[number], f"What was blue in room {10 + turn}?", chat=chat)
            for turn in range(QUESTIONS)
        ]

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lane, (0, 1)))
    for number in (0, 1):
        assert len(answers[number]) == QUESTIONS
        assert {answer["adapter"] for answer in answers[number]} == {keys[number]}
        seen = [passage["text"] for answer in answers[number] for passage in answer["evidence"]]
        assert seen and all(MARKERS[number] in text for text in seen)
        assert MARKERS[1 - number] not in str(answers[number])
        [chat] = visitors[number].chats(books[number])
        assert MARKERS[1 - number] not in str(visitors[number].messages(chat["id"]))


def test_every_verb_shows_ones_own_shelf_alone(pair: Any) -> None:
    visitors, books, keys = pair
    mine, theirs, their_book = visitors[0], visitors[1], books[1]
    job = theirs.jobs()[0]["job"]
    chat = theirs.new_chat(their_book)["id"]
    attempts = [
        lambda: mine.show(their_book),
        lambda: mine.page(their_book, 1),
        lambda: mine.ribbon(their_book),
        lambda: mine.rm(their_book),
        lambda: mine.rm(MARKERS[1]),
        lambda: mine.start_tune(their_book),
        lambda: list(mine.tune(their_book)),
        lambda: mine.ask(their_book, "What was blue?"),
        lambda: mine.new_chat(their_book),
        lambda: mine.chats(their_book),
        lambda: mine.first_questions(their_book),
        lambda: mine.chat(chat),
        lambda: mine.messages(chat),
        lambda: mine.take_back(chat),
        lambda: mine.delete_chat(chat),
        lambda: mine.ask(books[0], "What was blue?", chat=chat),
        lambda: mine.status(job),
        lambda: mine.pause(job),
        lambda: mine.resume(job),
        lambda: mine.cancel(job),
        lambda: mine.pages.page(their_book, 1),
        lambda: mine.pages.search(their_book, "blue"),
        lambda: mine.pages.picture(their_book, 1, 800),
        lambda: mine.pages.places(their_book, 1),
        lambda: mine.pages.number_of(their_book, "1"),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound):
            attempt()
    assert [book["id"] for book in mine.books()] == [books[0]]
    assert [adapter["key"] for adapter in mine.adapters()] == [keys[0]]
    assert {lift["book"] for lift in mine.jobs()} == {books[0]}
    assert theirs.messages(chat) == [] and len(theirs.books()) == 1
    assert mine.pages.search(books[0], MARKERS[1])["hits"] == []


def test_one_file_of_two_visitors_is_learned_by_each(pair: Any, tmp_path: Path) -> None:
    visitors, _, _ = pair
    path = tmp_path / "both.txt"
    path.write_text("Both have this one. " * 60)
    ids = [visitor.add(path)["id"] for visitor in visitors]
    assert ids[0] == ids[1] and visitors[0].show(ids[0])["adapters"] == []
    key = list(visitors[0].tune(ids[0], values=SHORT))[-1]["adapter"]
    assert visitors[1].ask(ids[1], "Who has this?")["adapter"] is None  # not the other one's
    assert list(visitors[1].tune(ids[1], values=SHORT))[-1]["adapter"] != key
    visitors[0].rm(ids[0])
    assert visitors[1].page(ids[1], 1)["text"].startswith("Both have this one.")
    assert visitors[1].ask(ids[1], "Who has this?")["adapter"] is not None
    visitors[1].rm(ids[1])


def test_what_one_process_hands_to_another_keeps_its_owner(pair: Any) -> None:
    visitors, books, _ = pair
    house = visitors[0]._house
    with Reader(replace(house.reader.settings, owner="visitor-QUORVATEL")) as outside:
        answer = outside.ask(books[1], "What was blue in room 12?")
        assert answer["evidence"] and MARKERS[0] not in str(answer)
        with pytest.raises(NotFound):
            outside.ask(books[0], "What was blue in room 12?")
