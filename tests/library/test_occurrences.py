"""Search in a book: where the words stand, in the order of the book."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as rules
from hypothesis import strategies as st

from lift_app.library.occurrences import excerpt, find_occurrences

PAGES = (
    "The lighthouse keeper counted ships. He was counting them every night.",
    "A grey heron stood by the keeper of the mill. The lighthouse was dark.",
    "Café Rouge opened late; the KEEPER'S dog slept.",
)


@pytest.fixture
def look(library, add_book):
    row = add_book(*PAGES)

    def find(wanted: str, pages: tuple[str, ...] = PAGES) -> tuple[str, list[tuple[int, list]]]:
        match, found = find_occurrences(library.db, library.owner, row.id, wanted)
        return match, [
            (one.page, [pages[one.page - 1][start:end] for start, end in one.spans])
            for one in found
        ]

    return find


def test_a_phrase_is_found_before_its_words(look) -> None:
    assert look("lighthouse keeper") == ("phrase", [(1, ["lighthouse keeper"])])


def test_words_are_found_apart_where_there_is_no_phrase(look) -> None:
    assert look("heron lighthouse") == ("all", [(2, ["heron", "lighthouse"])])


def test_any_word_is_better_than_none(look) -> None:
    match, found = look("heron submarine")
    assert (match, found) == ("any", [(2, ["heron"])])


def test_case_accents_and_endings_do_not_matter(look) -> None:
    assert look("cafe") == ("phrase", [(3, ["Café"])])
    assert [page for page, _ in look("keepers")[1]] == [1, 2, 3]
    assert look("count")[1] == [(1, ["counted", "counting"])]


@pytest.mark.parametrize("wanted", ["", "  ", "?!", '"', "submarine"])
def test_nothing_is_found_where_nothing_is(look, wanted: str) -> None:
    assert look(wanted) == ("phrase", [])


@rules(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.text(alphabet='ab"*():^-+ NOTAND_{}', max_size=20))
def test_nothing_that_is_typed_is_an_operator(look, wanted: str) -> None:
    kind, found = look(wanted)
    assert kind in ("phrase", "all", "any") and all(words for _, words in found)


def test_scripts_without_spaces_are_searched_letter_by_letter(library, add_book) -> None:
    text = "天上有一颗星，地上有一个人。"
    row = add_book(text, title="Star")
    _, [one] = find_occurrences(library.db, library.owner, row.id, "有一")
    assert [text[start:end] for start, end in one.spans] == ["有一", "有一"]


def test_other_books_and_owners_are_not_searched(library, add_book) -> None:
    add_book("A zebra ran.", title="Other")
    row = add_book("A horse ran.", title="This")
    assert find_occurrences(library.db, library.owner, row.id, "zebra")[1] == []
    assert find_occurrences(library.db, "somebody", row.id, "horse")[1] == []


def test_an_excerpt_shows_the_words_in_their_place(library, add_book) -> None:
    text = f"{'before ' * 40}the needle is here {'after ' * 40}".strip() + "."
    row = add_book(text)
    _, found = find_occurrences(library.db, library.owner, row.id, "needle")
    piece, [(start, end)] = excerpt(found[0])
    assert piece[start:end] == "needle"
    assert 100 < len(piece) < 220
    assert piece in text
