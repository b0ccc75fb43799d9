"""Lookup, support and citations: decided from the text alone, before and after the model."""

from __future__ import annotations

import time

import pytest

from lift_app.answering.citations import HEARD, cite, declines
from lift_app.answering.lookup import is_follow_up, look_up
from lift_app.answering.support import judge
from lift_app.library import BookRow, Library

ANSWERED = {
    "How many lanterns did Orla Venn keep?": "seven lanterns",
    "How old was Orla Venn?": "forty-one",
    "When did the storm break the bell?": "In 1910",
    "What did Orla Venn use to repair the bell?": "copper",
    "What colour did Mirem Daal paint the gate?": "yellow",
    "Why was the gate painted?": "because the fog",
    "What did the rope cost?": "three coins",
    "Who brought bread on Fridays?": "Mr. Rook",
}
NOT_ANSWERED = (
    "What is the capital of France?",
    "Who painted the Mona Lisa?",
    "How old was Mirem Daal?",
    "What was the name of Orla Venn's sister?",
    "What colour was the baker's hat?",
    "In which year was Mirem Daal born?",
)


@pytest.mark.parametrize(("question", "proof"), ANSWERED.items())
def test_an_answered_question_is_supported_and_cited(
    library: Library, row: BookRow, question: str, proof: str
) -> None:
    lookup = look_up(library.passages, row.id, question)
    assert judge(lookup).supported
    (citation,) = cite(library, row, lookup, "")
    assert proof in citation.quote
    page = library.books.page(row.id, citation.page)
    assert page.text[citation.start : citation.end] == citation.quote
    assert (citation.page_label, citation.chapter) == (f"p{citation.page}", "One")


@pytest.mark.parametrize("question", NOT_ANSWERED)
def test_a_question_without_an_answer_is_not_supported(
    library: Library, row: BookRow, question: str
) -> None:
    verdict = judge(look_up(library.passages, row.id, question))
    assert not verdict.supported
    assert verdict.reason


def test_the_answer_chooses_between_sentences_that_suit_the_question(
    library: Library, row: BookRow
) -> None:
    lookup = look_up(library.passages, row.id, "What did Mirem Daal do with the gate?")
    (about_paint,) = cite(library, row, lookup, "She painted it because of the fog.")
    (about_closing,) = cite(library, row, lookup, "She closed it and said: we shall find our way.")
    assert "yellow" in about_paint.quote
    assert "closed" in about_closing.quote


def test_a_quote_that_is_not_on_its_page_is_not_shown(
    library: Library, row: BookRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookup = look_up(library.passages, row.id, "How many lanterns did Orla Venn keep?")
    page = library.books.page(row.id, 1)
    changed = type(page)(page.number, page.label, "X" + page.text, page.chapter)
    monkeypatch.setattr(library.books, "page", lambda book, number: changed)
    assert cite(library, row, lookup, "seven") == ()


def test_a_witness_hears_the_best_quotes_in_turn(library: Library, row: BookRow) -> None:
    lookup = look_up(library.passages, row.id, "What did Orla Venn keep in the tower?")
    heard: list[str] = []

    def hear(quote: str) -> bool:
        heard.append(quote)
        return False

    assert cite(library, row, lookup, "seven lanterns", bears_out=hear) == ()
    assert 1 < len(heard) <= HEARD
    assert "seven lanterns" in heard[0]
    assert len(set(heard)) == len(heard)  # never twice, nor most of one twice
    (second,) = cite(library, row, lookup, "seven lanterns", bears_out=lambda q: q == heard[1])
    assert second.quote == heard[1]


def test_a_follow_up_is_looked_up_with_the_question_before(library: Library, row: BookRow) -> None:
    history = (("Who mended the bell of Quell, Orla Venn?", "Orla Venn."),)
    lookup = look_up(library.passages, row.id, "And where did she buy the rope?", history)
    assert judge(lookup).supported
    assert "harbour" in cite(library, row, lookup, "")[0].quote
    assert any(unit.name and "orla" in unit.stems for unit in lookup.units)
    alone = look_up(library.passages, row.id, "Who is Mirem Daal?", history)
    assert all("orla" not in unit.stems for unit in alone.units)


@pytest.mark.parametrize(
    ("text", "leans"),
    [
        ("And where did she go?", True),
        ("Why?", True),
        ("What did he say then?", True),
        ("Where did Orla go?", False),
        ("Where is the tower?", False),
        ("", False),
    ],
)
def test_follow_ups_are_recognised(text: str, leans: bool) -> None:
    assert is_follow_up(text) is leans


def test_headings_do_not_answer(library: Library, row: BookRow) -> None:
    lookup = look_up(library.passages, row.id, "Who kept the lanterns in the tower?")
    assert cite(library, row, lookup, "")[0].quote.startswith("Orla Venn kept")


@pytest.mark.parametrize(
    ("answer", "declined"),
    [
        ("The book does not mention his age.", True),
        ("The passage doesn't say.", True),
        ("She did not mention the rope.", False),
        ("Seven.", False),
    ],
)
def test_answers_that_decline(answer: str, declined: bool) -> None:
    assert declines(answer) is declined


def test_a_chinese_question_finds_its_sentence(library: Library, shelve) -> None:  # type: ignore[no-untyped-def]
    row = shelve("王大明住在北京的一座红房子里。他的妹妹在上海教书。", title="红房子")
    lookup = look_up(library.passages, row.id, "王大明住在哪里？")
    assert judge(lookup).supported
    assert "北京" in cite(library, row, lookup, "")[0].quote


def test_an_empty_book_supports_nothing(library: Library, shelve) -> None:  # type: ignore[no-untyped-def]
    row = shelve("", title="Nothing")
    lookup = look_up(library.passages, row.id, "Who is there?")
    assert not judge(lookup).supported
    assert cite(library, row, lookup, "") == ()


def test_a_novel_is_looked_up_in_a_tenth_of_a_second(library: Library, shelve) -> None:  # type: ignore[no-untyped-def]
    pages = [
        " ".join(
            f"Sentence {n} of page {p} tells of lantern {n * p % 97} and of bell {p}."
            for n in range(30)
        )
        for p in range(300)
    ]
    row = shelve(*pages, title="Long")
    look_up(library.passages, row.id, "warm up the cache")
    times = []
    for number in range(5):
        started = time.process_time()
        lookup = look_up(library.passages, row.id, f"Which lantern tells of bell {number}?")
        judge(lookup)
        cite(library, row, lookup, "lantern 12")
        times.append(time.process_time() - started)
    assert min(times) < 0.2  # half of that on a quiet machine; a busy one is slower
