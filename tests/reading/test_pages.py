"""Cutting text into pages: sizes, chapters, and nothing lost."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading_documents import prose

from lift_app.reading import pages as pages_module
from lift_app.reading import paragraph as paragraph_module
from lift_app.reading.blocks import Section
from lift_app.reading.characters import count_words
from lift_app.reading.pages import MOST_WORDS, REST_WORDS, cut, paginate

WORD = st.text('abcdé世界.!?"', min_size=1, max_size=12)
PARAGRAPH = st.lists(WORD, min_size=1, max_size=120).map(" ".join)


def without_space(text: str) -> str:
    return "".join(text.split())


@settings(max_examples=60, deadline=None)
@given(st.lists(PARAGRAPH, max_size=12), st.integers(1, 9))
def test_cutting_loses_nothing_and_adds_only_space(paragraphs: list[str], times: int) -> None:
    longer = [" ".join([text] * times) for text in paragraphs]
    pages = cut(longer)
    assert without_space("".join(pages)) == without_space("".join(longer))
    assert all(page.strip() for page in pages)
    assert all(count_words(page) <= MOST_WORDS + REST_WORDS for page in pages)


def test_pages_hold_250_to_350_words() -> None:
    pages = cut([prose(number) for number in range(60)])
    sizes = [count_words(page) for page in pages]
    assert len(pages) > 10
    assert all(250 <= size <= 350 for size in sizes[:-1])


def test_pages_end_at_paragraph_ends() -> None:
    paragraphs = [prose(number) for number in range(30)]
    for page in cut(paragraphs):
        assert all(part in paragraphs for part in page.split("\n\n"))


def test_a_long_paragraph_is_cut_after_a_sentence() -> None:
    pages = cut([prose(1, 90)])
    assert len(pages) >= 3
    assert all(page.endswith(".") for page in pages)


def test_text_without_spaces_is_cut_too() -> None:
    text = "海上生明月天涯共此时" * 300
    pages = cut([text])
    assert "".join(pages) == text
    assert all(count_words(page) <= MOST_WORDS for page in pages)


class Watched:
    """A pattern that counts how many characters are looked at."""

    def __init__(self, pattern: re.Pattern[str], work: list[int]) -> None:
        self.pattern, self.work = pattern, work

    def finditer(self, text: str, start: int = 0) -> Iterator[re.Match[str]]:
        for match in self.pattern.finditer(text, start):
            self.work[0] += match.end() - start
            start = match.end()
            yield match
        self.work[0] += len(text) - start


@pytest.mark.hostile
@pytest.mark.parametrize(
    "unit",
    ["word ", "海上生明月", "x" * 8_000 + " ", "a海", "One. Two! ", "\n", "。", "word word. " * 40],
    ids=["no end", "no space", "long words", "mixed", "sentences", "lines", "marks", "paragraphs"],
)
def test_a_text_without_breaks_costs_no_more_than_its_length(
    monkeypatch: pytest.MonkeyPatch, unit: str
) -> None:
    work = [0]

    def counted(text: str) -> int:
        work[0] += len(text)
        return count_words(text)

    for module in (pages_module, paragraph_module):
        monkeypatch.setattr(module, "count_words", counted)
    for name in ("_SENTENCE_END", "_WORD", "_CHUNK", "UNSPACED"):
        watched = Watched(getattr(paragraph_module, name), work)
        monkeypatch.setattr(paragraph_module, name, watched)

    def looked_at(length: int) -> int:
        text = "start " + unit * (length // len(unit)) + " end"
        work[0] = 0
        found = cut([text])
        assert without_space("".join(found)) == without_space(text)
        return work[0]

    once, twice = looked_at(120_000), looked_at(240_000)
    assert twice < 2.3 * once and twice < 10 * 240_000


def test_a_heading_goes_with_what_follows() -> None:
    pages = cut([prose(1, 24), "The Second Storm", prose(2, 24)])
    assert pages[0] == prose(1, 24)
    assert pages[1].startswith("The Second Storm\n\n")


def test_pages_do_not_cross_chapters() -> None:
    sections = [Section(f"Chapter {n}", [f"Chapter {n}", prose(n)]) for n in range(1, 4)]
    pages, chapters = paginate(sections)
    assert [page.chapter for page in pages] == [0, 1, 2]
    assert [chapter.page for chapter in chapters] == [1, 2, 3]
    assert [page.label for page in pages] == ["1", "2", "3"]


def test_a_part_without_text_shares_the_page_of_its_first_chapter() -> None:
    part = Section("Part One", ["Part One"], only_heading=True)
    pages, chapters = paginate([part, Section("Chapter 1", ["Chapter 1", prose(1)])])
    assert pages[0].text.startswith("Part One\n\nChapter 1\n\n")
    assert [(chapter.title, chapter.page) for chapter in chapters] == [
        ("Part One", 1),
        ("Chapter 1", 1),
    ]
    assert pages[0].chapter == 1


def test_a_short_opening_is_no_page_of_its_own() -> None:
    pages, _ = paginate([Section(None, ["A Title", "by Somebody"]), Section("I", ["I", prose(1)])])
    assert len(pages) == 1
    assert pages[0].text.startswith("A Title\n\nby Somebody\n\nI\n\n")


def test_headings_alone_are_still_kept() -> None:
    pages, chapters = paginate([Section("One", ["One"], True), Section("Two", ["Two"], True)])
    assert [page.text for page in pages] == ["One\n\nTwo"]
    assert len(chapters) == 2
