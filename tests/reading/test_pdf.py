"""PDF: text, paragraphs, running heads, labels, chapters, and what cannot be read."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from pypdfium2 import PdfDocument
from reading_documents import Placed, make_pdf, prose, sentence, text_page, wrap

from lift_app.errors import CallerError, UnreadableFile
from lift_app.reading.draft import Draft, Limits
from lift_app.reading.layout import Line, Vocabulary, paragraphs
from lift_app.reading.page_image import render_page
from lift_app.reading.pdf import open_pdf, read_pdf

PICTURE = b"q 600 0 0 700 0 0 cm BI /W 2 /H 2 /BPC 8 /CS /G /F /AHx ID 00FF00FF> EI Q"


def read(data: bytes, limits: Limits | None = None) -> Draft:
    return read_pdf(data, limits or Limits())


def refused(data: bytes, limits: Limits | None = None) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as error:
        read(data, limits)
    return error.value


def body(seed: int, lines: int = 12) -> list[str]:
    return wrap(prose(seed, 20), 72).split("\n")[:lines]


def with_heads(number: int, printed: int, head: str) -> list[Placed]:
    page = text_page(body(number))
    page.append((72, 760, 9, f"{head}" if number % 2 else f"{printed} THE COPPER BELL"))
    page.append((300, 40, 9, f"{printed}" if number % 2 else "a press of copper"))
    return page


def test_lines_become_paragraphs() -> None:
    first, second = wrap(prose(1, 9), 72).split("\n"), wrap(prose(2, 9), 72).split("\n")
    page = text_page(first) + text_page(second, top=720 - 14 * (len(first) + 1))
    draft = read(make_pdf([page]))
    assert draft.pages[0].text == f"{prose(1, 9)}\n\n{prose(2, 9)}"


def test_an_indented_line_begins_a_paragraph() -> None:
    first, second = wrap(prose(1, 9), 72).split("\n"), wrap("__" + prose(2, 9), 72).split("\n")
    second[0] = second[0].removeprefix("__")
    page = text_page(first)
    for row, line in enumerate(second):
        page.append((85 if row == 0 else 72, 720 - 14 * (len(first) + row), 11, line))
    assert read(make_pdf([page])).pages[0].text == f"{prose(1, 9)}\n\n{prose(2, 9)}"


def test_two_columns_are_read_one_after_the_other() -> None:
    left, right = wrap(prose(1, 12), 34).split("\n"), wrap(prose(2, 12), 34).split("\n")
    page = text_page(left) + text_page(right, left=330)
    text = read(make_pdf([page])).pages[0].text
    assert prose(1, 12) in text and prose(2, 12) in text
    assert text.index(prose(1, 12)) < text.index(prose(2, 12))


def test_metadata_outline_and_offsets() -> None:
    pages = [text_page(body(number)) for number in range(1, 5)]
    data = make_pdf(
        pages, title="The Bell", author="Ida Marsh", outline=[("The Pier", 0), ("The Storm", 2)]
    )
    book = read(data).to_book("0", "x.pdf", None, 0.0)
    assert (book.title, book.author) == ("The Bell", "Ida Marsh")
    assert [(chapter.title, chapter.page) for chapter in book.chapters] == [
        ("The Pier", 1),
        ("The Storm", 3),
    ]
    assert [book.chapter_title(number) for number in range(1, 5)] == [
        "The Pier",
        "The Pier",
        "The Storm",
        "The Storm",
    ]
    start = book.text.index(body(3)[0].split(".")[0])
    assert book.locate(start) == (3, 0)


def test_chapters_without_an_outline_are_found_by_their_headings() -> None:
    pages = []
    for number in range(1, 7):
        lines = body(number)
        pages.append(text_page([f"Chapter {number}", "", *lines] if number % 2 else lines))
    draft = read(make_pdf(pages))
    assert [(chapter.title, chapter.page) for chapter in draft.chapters] == [
        ("Chapter 1", 1),
        ("Chapter 3", 3),
        ("Chapter 5", 5),
    ]


def test_running_heads_and_page_numbers_are_left_out_and_told() -> None:
    pages = [with_heads(number, number + 10, "PART ONE") for number in range(1, 11)]
    draft = read(make_pdf(pages))
    text = "\n".join(page.text for page in draft.pages)
    assert "COPPER BELL" not in text and "PART ONE" not in text and "a press" not in text
    assert [page.label for page in draft.pages] == [str(number) for number in range(11, 21)]
    assert all(page.text.startswith(body(page.number)[0][:20]) for page in draft.pages)
    told = " ".join(draft.dropped)
    assert "Running heads" in told and "Page numbers" in told


def test_roman_page_numbers_become_labels() -> None:
    printed = ["iii", "iv", "v", "vi", "1", "2", "3", "4"]
    pages = [
        [*text_page(body(number)), (300, 40, 9, label)] for number, label in enumerate(printed)
    ]
    assert [page.label for page in read(make_pdf(pages)).pages] == printed


def test_declared_labels_win() -> None:
    pages = [text_page(body(number)) for number in range(4)]
    draft = read(make_pdf(pages, labels={0: "/r", 2: "/D"}))
    assert [page.label for page in draft.pages] == ["i", "ii", "1", "2"]


def test_text_that_repeats_in_the_middle_stays() -> None:
    pages = [
        text_page([*body(number, 6), "Nobody answered.", *body(number + 20, 6)])
        for number in range(8)
    ]
    draft = read(make_pdf(pages))
    assert all("Nobody answered." in page.text for page in draft.pages)
    assert draft.dropped == []


def test_line_numbers_in_the_margin_are_left_out() -> None:
    page = [(50.0, 720 - 24.0 * row, 11.0, str(row + 1)) for row in range(25)]
    page += [(90.0, 720 - 24.0 * row, 11.0, line) for row, line in enumerate(body(1, 25))]
    draft = read(make_pdf([page]))
    assert draft.pages[0].text.startswith(sentence(100)[:20])
    assert any("Line numbers" in line for line in draft.dropped)


def test_marks_outside_the_visible_page_are_not_text() -> None:
    page = [*text_page(body(1)), (10.0, 10.0, 8.0, "bell.qxd 2/10/04 Page 1")]
    draft = read(make_pdf([page], crop=(40, 40, 572, 752)))
    assert "qxd" not in draft.pages[0].text


def test_the_title_is_the_largest_line_where_metadata_is_useless() -> None:
    page = [(72, 740, 22, "On Copper Bells"), *text_page(body(1))]
    assert read(make_pdf([page], title="Microsoft Word - bells.doc")).title == "On Copper Bells"


def line(text: str, row: int, *, broken: bool = False, left: float = 72) -> Line:
    bottom = 700.0 - 14 * row
    return Line(text, left, bottom, left + 5.5 * len(text), bottom + 11, broken)


def test_torn_words_are_mended_by_the_words_of_the_book() -> None:
    lines = [
        line("its harbour was self-contained, and there was copper in the self", 0, broken=True),
        line("contained, and in the har", 1, broken=True),
        line("bour it was anti-", 2),
        line("septic and of the twen", 3, broken=True),
    ]
    text = paragraphs(lines, Vocabulary(lines))
    assert text == [
        "its harbour was self-contained, and there was copper in the self-contained, and in the "
        "harbour it was antiseptic and of the twen-"
    ]


def test_rows_of_a_table_stay_apart() -> None:
    rows = [
        replace(line(text, row), right=400)
        for row, text in enumerate(("Tin 7", "Copper 9", "Iron 12"))
    ]
    assert paragraphs(rows, Vocabulary(rows)) == ["Tin 7", "Copper 9", "Iron 12"]


def test_a_page_without_text_is_a_line_of_the_report() -> None:
    book = read(make_pdf([text_page(body(1)), b"", PICTURE])).to_book("0", "x.pdf", None, 0.0)
    assert book.report.pages_without_text == (2, 3)
    assert book.report.warnings == ("Page 3 is a picture without text.",)
    assert len(book.pages) == 3


def test_a_scan_is_refused_with_what_to_do() -> None:
    error = refused(make_pdf([PICTURE, PICTURE]))
    assert error.code == "scanned" and "OCR" in str(error)


def test_an_empty_pdf_is_no_scan() -> None:
    assert refused(make_pdf([b"", b""])).code == "empty"


def test_a_password_is_refused_and_an_owner_password_is_not() -> None:
    page = text_page(body(1))
    error = refused(make_pdf([page], password="secret"))
    assert error.code == "encrypted" and "password" in str(error)
    assert read(make_pdf([page], owner_password="secret")).pages[0].text


def test_a_torn_pdf_is_damaged_or_recovered() -> None:
    data = make_pdf([text_page(body(1))])
    assert refused(b"%PDF-1.4\nnothing of the kind").code == "damaged"
    lost_table = data.replace(b"startxref\n", b"startxref\n9")
    assert read(lost_table).pages[0].text == read(data).pages[0].text


def test_pypdf_reads_what_pdfium_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lift_app.reading.pdf.open_pdf", lambda data: None)
    draft = read(make_pdf([text_page(body(1)), text_page(body(2))], title="The Bell"))
    assert sentence(100)[:15] in draft.pages[0].text
    assert draft.title == "The Bell"
    assert any("recovered" in warning for warning in draft.warnings)


def test_too_many_pages() -> None:
    error = refused(make_pdf([b""] * 30), Limits(pages=20))
    assert error.code == "too_many_pages" and "LIFT_MAX_PAGES" in str(error)


def test_pages_are_drawn_as_jpeg() -> None:
    document = open_pdf(make_pdf([text_page(body(1))]))
    with Image.open(io.BytesIO(render_page(document, 1, 300))) as picture:
        assert (picture.format, picture.size) == ("JPEG", (300, 389))


def test_there_is_no_page_nine() -> None:
    with pytest.raises(CallerError, match="no page 9"):
        render_page(open_pdf(make_pdf([b""])), 9, 300)


@pytest.mark.hostile
@pytest.mark.parametrize(
    "box", ["0 0 1e30 1e30", "0 0 nan nan", "612 792 0 0", "-1 -1 -1 -1", "0 0 0 0", "0 0 612"]
)
def test_a_page_is_read_as_far_as_it_is_shown_whatever_box_it_declares(box: str) -> None:
    """Corners may come in any order; where a box is none, pdfium shows a letter page."""
    data = make_pdf([b"BT /F1 11 Tf 72 700 Td (The lantern stood here.) Tj ET"])
    data = data.replace(b"[0 0 612 792]", f"[{box}]".encode())
    assert read_pdf(data, Limits()).pages[0].text == "The lantern stood here."


@pytest.mark.hostile
@pytest.mark.parametrize("box", ["0 0 1 14400000", "0 0 14400000 1", "0 0 0.001 0.001"])
def test_a_page_of_a_mile_is_drawn_small(box: str) -> None:
    data = make_pdf([b"0 0 1 1 re f"]).replace(b"[0 0 612 792]", f"[{box}]".encode())
    with Image.open(io.BytesIO(render_page(PdfDocument(data), 1, 4000))) as picture:
        assert max(picture.size) <= 32_001 and picture.width * picture.height < 50_000_000


@pytest.mark.hostile
def test_actions_of_a_pdf_are_not_taken(tmp_path: Path) -> None:
    """Programs, scripts, forms and addresses that it wants started when it is opened."""
    stain = tmp_path / "stain"
    actions = b"".join(
        b" /%s << /S /%s /F (%s) /URI (http://127.0.0.1:9/) /JS (app.alert(1)) >>" % pair
        for pair in (
            (b"OpenAction", b"Launch", str(stain).encode()),
            (b"AA", b"JavaScript", b"x"),
            (b"URI", b"URI", b"x"),
        )
    )
    data = make_pdf([b"BT /F1 11 Tf 72 700 Td (The lantern stood here.) Tj ET"])
    data = data.replace(b"/Type /Catalog", b"/Type /Catalog" + actions)
    draft = read_pdf(data, Limits())
    assert draft.pages[0].text == "The lantern stood here." and not stain.exists()
