"""Placement: a range of a book's page is found on the printed page, or nowhere."""

from __future__ import annotations

from collections.abc import Sequence

import pypdfium2 as pdfium
import pytest
from reading_documents import make_pdf, prose, text_page, wrap

from lift_app.reading.draft import Limits
from lift_app.reading.pdf import read_pdf
from lift_app.reading.placement import Box, PrintedPage

LETTER = 6.6
"""Width of a Courier letter of 11 points."""


def printed(data: bytes, number: int = 1) -> PrintedPage:
    document = pdfium.PdfDocument(data)
    try:
        return PrintedPage(document[number - 1])
    finally:
        document.close()


def place(page: PrintedPage, text: str, quote: str, nth: int = 0) -> list[Box]:
    start = -1
    for _ in range(nth + 1):
        start = text.index(quote, start + 1)
    [boxes] = page.boxes(text, [(start, start + len(quote))])
    return boxes


def words_in(page: PrintedPage, boxes: Sequence[Box]) -> str:
    """The printed characters whose middle lies in a box."""
    found = []
    for line in page.lines:
        for glyph in line:
            left, top, right, bottom = glyph.box
            x, y = (left + right) / 2, (top + bottom) / 2
            if glyph.visible and any(a < x < c and b < y < d for a, b, c, d in boxes):
                found.append(glyph.character)
    return "".join(found)


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_a_quote_over_three_lines_has_three_boxes_with_its_words_in_them() -> None:
    data = make_pdf([text_page(wrap(prose(1)).split("\n"))])
    text = read_pdf(data, Limits()).pages[0].text
    quote = text[80:230]
    boxes = place(printed(data), text, quote)
    assert len(boxes) == 3
    assert words_in(printed(data), boxes) == squeezed(quote)


def test_boxes_are_measured_from_the_top_left() -> None:
    data = make_pdf([[(100, 700, 11, "alpha beta gamma")]])
    [(left, top, right, bottom)] = place(printed(data), "alpha beta gamma", "beta")
    assert left == pytest.approx(100 + 6 * LETTER, abs=1)
    assert right == pytest.approx(100 + 10 * LETTER, abs=1)
    assert top < 792 - 700 < bottom
    page = printed(data).to_json("alpha beta gamma", [(0, 5)])
    assert (page["width"], page["height"]) == (612, 792)
    assert [line[4] for line in page["lines"]] == ["alpha beta gamma"]
    assert len(page["marks"]) == 1


def test_the_visible_part_of_a_cropped_page_is_what_counts() -> None:
    data = make_pdf([[(100, 700, 11, "alpha beta gamma")]], crop=(50, 400, 562, 750))
    page = printed(data)
    assert (page.width, page.height) == (512, 350)
    [(left, top, _, bottom)] = place(page, "alpha beta gamma", "alpha")
    assert left == pytest.approx(50, abs=1)
    assert top < 50 < bottom


def test_full_stops_and_quotation_marks_belong_to_a_quote() -> None:
    line = 'He said: "Nobody (at all) came." Then he left.'
    data = make_pdf([[(72, 700, 11, line)]])
    quote = '"Nobody (at all) came."'
    assert words_in(printed(data), place(printed(data), line, quote)) == squeezed(quote)


def test_a_word_that_a_line_tore_is_found_whole() -> None:
    data = make_pdf([text_page(["the harbour master counted the lan-", "terns of the town again"])])
    text = "the harbour master counted the lanterns of the town again"
    assert words_in(printed(data), place(printed(data), text, "the lanterns of")) in (
        "thelan-ternsof",
        "thelanternsof",
    )


def test_of_two_equal_sentences_the_right_one_is_marked() -> None:
    lines = ["A bell rang. The boat left.", "A dog ran. The boat left.", "The end came."]
    data = make_pdf([text_page(lines)])
    text = " ".join(lines)
    [first] = place(printed(data), text, "The boat left.")
    [second] = place(printed(data), text, "The boat left.", nth=1)
    assert second[1] - first[1] == pytest.approx(14, abs=0.5)


def test_what_cannot_be_told_apart_is_not_marked() -> None:
    data = make_pdf([text_page(["boat", "boat"])])
    assert place(printed(data), "boat", "boat") == []


def test_a_quote_that_is_not_printed_is_not_marked() -> None:
    data = make_pdf([text_page(["The boat left at noon."])])
    assert place(printed(data), "The train was late.", "train was") == []
    assert place(printed(data), "The boat left. At noon?", "?") == []


def test_line_numbers_in_the_margin_do_not_hide_a_quote() -> None:
    lines = [
        "the witness came in late and",
        "said that the door was open and",
        "nobody was in the house then",
    ]
    placed = []
    for row, line in enumerate(lines):
        y = 700 - 14 * row
        placed += [(40.0, y, 11.0, str(row + 1)), (72.0, y, 11.0, line)]
    text = " ".join(lines)
    page = printed(make_pdf([placed]))
    boxes = place(page, text, "late and said that the door was open and nobody")
    assert words_in(page, boxes) == "lateandsaidthatthedoorwasopenandnobody"


def test_accents_and_ligatures_do_not_hide_a_quote() -> None:
    data = make_pdf([[(72, 700, 11, "The café's office was closed.")]])
    text = "The cafe\u0301\u2019s o\ufb03ce was closed."
    assert len(place(printed(data), text, "cafe\u0301\u2019s o\ufb03ce")) == 1


def test_every_sentence_of_a_page_is_found() -> None:
    data = make_pdf([text_page(wrap(prose(3, 20)).split("\n"))])
    text = read_pdf(data, Limits()).pages[0].text
    page = printed(data)
    spans, start = [], 0
    for sentence in text.split(". "):
        spans.append((start, start + len(sentence)))
        start += len(sentence) + 2
    for span, boxes in zip(spans, page.boxes(text, spans), strict=True):
        assert words_in(page, boxes) == squeezed(text[slice(*span)])


def test_a_page_without_text_has_no_places() -> None:
    page = printed(make_pdf([b""]))
    assert page.lines == []
    assert page.to_json("words", [(0, 5)])["marks"] == [[]]
