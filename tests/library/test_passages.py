"""Cutting pages into passages, and finding them again."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lift_app.errors import NotFound
from lift_app.library import split_page
from lift_app.library.splitting import LONGEST, SHORTEST

SENTENCE = "The old keeper climbed the narrow stair and lit the great lamp again. "
SOUP = st.text(
    alphabet=st.one_of(
        st.sampled_from(list("abc .,!?\n\t\"'”、。！？」灯台守คนเฝ้า\u0301\u200d🙂\u3000")),
        st.characters(),
    ),
    max_size=3000,
)


def check(text: str) -> list[str]:
    """The promises that hold for every text."""
    spans = split_page(text)
    end_before = 0
    for start, end in spans:
        assert end_before <= start < end <= len(text)
        assert not text[end_before:start].strip(), "text was lost"
        assert text[start:end].strip() == text[start:end], "spaces were kept"
        end_before = end
    assert not text[end_before:].strip(), "text was lost"
    return [text[start:end] for start, end in spans]


@given(SOUP)
def test_nothing_is_lost_and_every_offset_is_exact(text):
    check(text)


@given(st.lists(st.sampled_from(["word", "end.", "clause,", "x\n\n", "\n", "灯"]), max_size=900))
def test_passages_are_of_about_the_promised_length(words):
    pieces = check(" ".join(words))
    for piece in pieces:
        assert len(piece.split()) <= 2 * LONGEST  # a Chinese letter is half a word
    if len(pieces) > 1:
        assert all(len(piece.split()) >= SHORTEST / 2 for piece in pieces)


def test_long_english_text_is_cut_between_sentences():
    pieces = check(SENTENCE * 100)
    assert all(piece.startswith("The old") and piece.endswith("again.") for piece in pieces)
    words = [len(piece.split()) for piece in pieces]
    assert max(words) <= LONGEST
    assert min(words[:-2]) >= SHORTEST and min(words) >= SHORTEST / 2


def test_a_paragraph_is_a_better_place_than_a_sentence():
    text = SENTENCE * 6 + "\n\n" + SENTENCE * 6
    assert check(text) == [(SENTENCE * 6).strip()] * 2


def test_an_abbreviation_ends_no_sentence():
    text = ("word " * 82 + "Then Mr. Frost and Dr. J. K. Lamb, e.g. the elder, went home. ") * 4
    assert not any(piece.endswith(("Mr.", "Dr.", "J.", "K.", "e.g.")) for piece in check(text))


@pytest.mark.parametrize("text", ["", " \n\t", "\u3000"])
def test_an_empty_page_has_no_passages(text):
    assert split_page(text) == []


def test_a_short_page_is_one_passage():
    assert split_page("  One line.\n") == [(2, 11)]


def test_chinese_is_cut_at_its_full_stops():
    pieces = check("灯塔看守人每天晚上都数着船只，他说：“一切都好。”然后他点亮了灯。" * 40)
    assert len(pieces) > 5
    assert all(piece.endswith(("。", "”")) for piece in pieces)
    assert all(60 <= len(piece) <= 2 * LONGEST for piece in pieces)


def test_a_line_of_50_000_characters_without_a_space():
    for line in ("x" * 50_000, "灯" * 50_000, "ก็" * 25_000):
        pieces = check(line)
        assert 10 <= len(pieces) <= 1000
        assert max(map(len, pieces)) <= 40 * LONGEST
    assert not any(piece.startswith("\u0e47") for piece in pieces), "a vowel sign lost its letter"


def test_a_line_of_50_000_characters_with_spaces_is_quick():
    start = time.process_time()
    check("lorem ipsum, " * 4000)
    assert time.process_time() - start < 1


@pytest.fixture
def marsh(library, add_book):
    """A book whose pages each hold one passage."""
    return add_book(
        "The lighthouse keeper counted the ships. He was counting them every night.",
        "A grey heron stood in the marsh near the mill. The heron was hungry.",
        "At the Café Zürich nobody had ever seen a heron’s nest.",
        "Nothing else happened in the village that year, apart from the rain.",
        title="The Marsh",
    )


def pages_of(hits):
    return [hit.passage.page for hit in hits]


def test_search_finds_words_whatever_their_form(library, marsh):
    search = library.passages.search
    assert pages_of(search(marsh.id, "count")) == [1]
    assert pages_of(search(marsh.id, "HERONS")) == [2, 3]
    assert pages_of(search(marsh.id, "cafe zurich")) == [3]
    assert search(marsh.id, "submarine") == []


def test_any_word_may_match_and_more_are_better(library, marsh):
    hits = library.passages.search(marsh.id, "Where did the heron nest?")
    assert pages_of(hits) == [3, 2]
    assert hits[0].score > hits[1].score > 0
    assert len(library.passages.search(marsh.id, "heron nest", limit=1)) == 1


def test_stop_words_count_only_when_there_is_nothing_else(library, marsh):
    assert 4 not in pages_of(library.passages.search(marsh.id, "was the heron in the mill"))
    assert 4 in pages_of(library.passages.search(marsh.id, "from the"))


HOSTILE = """
" * % ( ) ^ : - + 🙂 灯 灯塔 灯塔看守人 AND
NEAR( | "heron | heron" | heron OR | NOT heron | -heron | text:heron | ^heron | (heron | heron*
NEAR("heron" mill, 2) | {heron | 🙂 heron | heron🙂 | heron AND | '; DROP TABLE passages; --
"""


@pytest.mark.parametrize(
    "query",
    [
        *(query.strip() for line in HOSTILE.splitlines()[2:] for query in line.split("|")),
        *HOSTILE.splitlines()[1].split(),
        *("", "   ", "\x00", "heron\x00mill", "\ud800", "\ud800heron", "a" * 9999),
    ],
)
def test_nothing_in_a_query_is_an_operator(library, marsh, query):
    hits = library.passages.search(marsh.id, query)
    words = ("heron", "near")
    assert (2 in pages_of(hits)) == any(word in query.lower() for word in words)
    assert library.passages.count(marsh.id) == 4


def test_scripts_without_spaces_are_searched_too(library, add_book):
    row = add_book(
        "灯塔看守人每天晚上都数着船只。",
        "沼泽里站着一只灰色的苍鹭。",
        "คนเฝ้าประภาคารนับเรือทุกคืน",
        "등대지기는 매일 밤 배를 세었다.",
        title="灯塔",
    )
    search = library.passages.search
    assert pages_of(search(row.id, "看守人")) == [1]
    assert pages_of(search(row.id, "谁是灯塔看守人？")) == [1]
    assert pages_of(search(row.id, "苍鹭")) == [2], "two letters"
    assert pages_of(search(row.id, "鹭")) == [2], "one letter"
    assert pages_of(search(row.id, "苍鹭在哪里")) == [2], "only two of its letters recur"
    assert pages_of(search(row.id, "ประภาคาร")) == [3]
    assert pages_of(search(row.id, "등대")) == [4]
    assert library.passages.document_frequency(row.id, ["苍鹭", "灯塔", "海"]) == {
        "苍鹭": 1,
        "灯塔": 1,
        "海": 0,
    }


def test_a_score_does_not_depend_on_other_books_or_owners(library, marsh, make_book):
    before = library.passages.search(marsh.id, "heron nest")
    other = library.for_owner("guest")
    for number in range(5):
        book, source = make_book(*["Herons everywhere. " * 20] * 10, title=f"Birds {number}")
        other.books.add(book, source, 1, True)
    assert library.passages.search(marsh.id, "heron nest") == before


def test_only_the_asked_book_is_searched(library, marsh, add_book):
    birds = add_book("One more heron.", title="Birds")
    assert [h.passage.book_id for h in library.passages.search(birds.id, "heron")] == [birds.id]
    assert pages_of(library.passages.search(marsh.id, "heron")) == [2, 3]


def test_document_frequency(library, marsh):
    words = ["heron", "herons", "counting", "submarine", "zürich-café", "Zürich marsh", "", "!"]
    assert library.passages.document_frequency(marsh.id, words) == {
        **{"heron": 2, "herons": 2, "counting": 1, "submarine": 0},
        **{"zürich-café": 1, "Zürich marsh": 0, "": 0, "!": 0},
    }


def test_passages_of_a_page_and_neighbours(library, add_book):
    row = add_book(SENTENCE * 20, "The end.")
    first = library.passages.on_page(row.id, 1)
    assert [passage.number for passage in first] == list(range(len(first))) and len(first) > 2
    page = library.books.page(row.id, 1).text
    assert all(page[passage.start : passage.end] == passage.text for passage in first)
    assert library.passages.neighbours(first[1], 1, 1) == first[:3]
    assert library.passages.neighbours(first[0], 5, 0) == first[:1]
    last = library.passages.on_page(row.id, 2)
    assert library.passages.neighbours(last[0], 1, 9) == [first[-1], *last]
    assert library.passages.on_page(row.id, 3) == []
    assert library.passages.count(row.id) == len(first) + 1


def test_a_book_without_text_can_be_asked(library, add_book):
    row = add_book("", "  ")
    assert library.passages.search(row.id, "heron") == []
    assert library.passages.document_frequency(row.id, ["heron"]) == {"heron": 0}
    assert library.passages.count(row.id) == 0


def test_passages_of_no_book(library):
    for call in (
        lambda: library.passages.search("0" * 64, "x"),
        lambda: library.passages.on_page("0" * 64, 1),
        lambda: library.passages.count("0" * 64),
        lambda: library.passages.document_frequency("0" * 64, ["x"]),
    ):
        with pytest.raises(NotFound):
            call()


def test_a_long_book_is_added_and_searched_quickly(library, add_book):
    random.seed(5)
    vocabulary = [f"w{random.randrange(10**6)}" for _ in range(20_000)]
    weights = [1 / (rank + 3) for rank in range(len(vocabulary))]
    words = random.choices(vocabulary, weights, k=100_000)
    pages = [" ".join(words[i : i + 500]) + "." for i in range(0, len(words), 500)]
    start = time.process_time()
    row = add_book(*pages)
    assert time.process_time() - start < 2
    start = time.process_time()
    hits = library.passages.search(row.id, " ".join(vocabulary[i] for i in (9, 90, 900, 9000)))
    assert time.process_time() - start < 0.2
    assert len(hits) == 8
