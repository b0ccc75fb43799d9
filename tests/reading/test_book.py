"""A Book: offsets, JSON, chapters."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lift_app.reading import PAGE_BREAK, Book, Chapter, Page, Report


def book_of(texts: list[str]) -> Book:
    pages = tuple(Page(n, str(n), text, 0) for n, text in enumerate(texts, start=1))
    report = Report("text", len(pages), 0, pages_without_text=(2,), dropped=("A line.",))
    return Book("0" * 64, "T", "A", pages, (Chapter("One", 1),), report, {"year": "1901"})


TEXTS = st.lists(st.text(max_size=30), min_size=1, max_size=8)


@given(TEXTS)
def test_locate_finds_every_character_on_its_page(texts: list[str]) -> None:
    book = book_of(texts)
    for offset, character in enumerate(book.text):
        page, place = book.locate(offset)
        text = book.pages[page - 1].text
        assert 0 <= place <= len(text)
        if place < len(text):
            assert text[place] == character
        else:
            assert character in PAGE_BREAK


@given(TEXTS)
def test_page_starts_and_locate_agree(texts: list[str]) -> None:
    book = book_of(texts)
    for page, start in zip(book.pages, book.page_starts, strict=True):
        assert book.text[start : start + len(page.text)] == page.text
        if page.text:
            assert book.locate(start) == (page.number, 0)


@given(TEXTS)
def test_json_brings_the_same_book_back(texts: list[str]) -> None:
    book = book_of(texts)
    again = Book.from_json(json.loads(json.dumps(book.to_json())))
    assert again == book
    assert again.text_sha256 == book.text_sha256


def test_offsets_outside_the_text_are_refused() -> None:
    book = book_of(["ab", "c"])
    for offset in (-1, len(book.text) + 1):
        with pytest.raises(IndexError):
            book.locate(offset)


def test_chapter_title() -> None:
    assert book_of(["a"]).chapter_title(1) == "One"
