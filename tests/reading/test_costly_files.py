"""Small files made to cost much: each is read in about the time that its length takes.

Every one of them once took minutes, in a pattern that tries all ways to part a gap, or a walk that
looks at everything below each element. The child that reads has its deadline all the same.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import pytest
from docx import Document
from reading_documents import epub_entries, make_pdf, make_zip, prose

from lift_app.errors import CallerError
from lift_app.reading.book import MOST_CHAPTERS, Book
from lift_app.reading.characters import clean
from lift_app.reading.docx import read_docx
from lift_app.reading.draft import MOST_SENTENCES, Draft, Limits
from lift_app.reading.encoding import decode
from lift_app.reading.epub import read_epub
from lift_app.reading.format import recognise
from lift_app.reading.html import read_html
from lift_app.reading.markdown import read_markdown
from lift_app.reading.pdf import read_pdf
from lift_app.reading.text import read_text

pytestmark = pytest.mark.hostile

SECONDS = 10  # of this process; without what is tested here each would take a minute and more
LONG = 200_000
LIMITS = Limits()
ONE = prose(1)
START = "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\n"
UNSEEN = "\u200b" * 20


def book_of(draft: Draft) -> Book:
    return draft.to_book("0" * 64, "a", None, 0.1)


def html(body: str) -> bytes:
    return f"<html><body>{body}</body></html>".encode()


def nested_contents() -> bytes:
    """A table of contents whose lines stand deep in one another."""
    links = "<ol><li><a href='a.xhtml'>x</a>" * 1500
    entries = epub_entries({"a.xhtml": f"<p>{ONE}</p>"}, nav=[("One", "a.xhtml")])
    name = next(name for name in entries if "nav" in name)
    entries[name] = str(entries[name]).replace("<ol>", links, 1)
    return make_zip(entries)


def many_missing() -> bytes:
    """Thousands of parts that are named and missing, in an archive of thousands of others."""
    entries = epub_entries({"a.xhtml": f"<p>{ONE}</p>"})
    package = str(entries["OPS/package.opf"])
    items = "".join(f'<item id="m{n}" href="no{n}.xhtml"/>' for n in range(5000))
    entries["OPS/package.opf"] = package.replace("<manifest>", f"<manifest>{items}")
    return make_zip({**entries, **{f"x{n}": "" for n in range(5000)}})


def nested_facts() -> bytes:
    """Titles in titles."""
    entries = epub_entries({"a.xhtml": f"<p>{ONE}</p>"})
    package = str(entries["OPS/package.opf"])
    titles = "<dc:creator>x" * 4000 + "</dc:creator>" * 4000
    entries["OPS/package.opf"] = package.replace("</metadata>", f"{titles}</metadata>")
    return make_zip(entries)


def long_word() -> bytes:
    """A word without end, and after it lines that end in a hyphen."""
    torn = b"".join(b"1 0 0 1 72 %d Tm (b-) Tj 0 -2 Td (c-) Tj\n" % (690 - n) for n in range(300))
    return make_pdf([b"BT /F1 1 Tf 72 700 Td (%s) Tj\n%sET" % (b"a" * 60_000, torn)])


COSTLY: list[tuple[str, Callable[[], object]]] = [
    ("comments", lambda: recognise(b"<!---->" * 60 + b"x", "a.txt")),
    ("spaces", lambda: read_text(f"a{' ' * LONG}b\n\n{ONE}".encode(), LIMITS)),
    (
        "the last line of Project Gutenberg",
        lambda: read_text(f"{ONE}\n\nEnd of Project Gutenberg{' ' * 5000}x".encode(), LIMITS),
    ),
    (
        "the same, over many lines",
        lambda: read_text(
            "\n".join([ONE, "", "End of Project Gutenberg", *["\u3000"] * 5000, "x"]).encode(),
            LIMITS,
        ),
    ),
    ("credits", lambda: read_text((START + "Produced by x\n\n" * 10_000).encode(), LIMITS)),
    ("white in white", lambda: read_html(html("<p style='color:#fff'>" * 8000 + ONE * 20), LIMITS)),
    (
        "white blocks in white blocks",
        lambda: read_html(html("<div style='color:#fff'>" * 8000 + ONE * 20), LIMITS),
    ),
    (
        "an encoding that no file has",
        lambda: decode(b"<meta charset=punycode>a-" + b"b" * 3_000_000, declared=True),
    ),
    ("nested contents", lambda: read_epub(nested_contents(), LIMITS)),
    ("parts that are missing", lambda: read_epub(many_missing(), LIMITS)),
    ("facts in facts", lambda: read_epub(nested_facts(), LIMITS)),
    ("a long word", lambda: read_pdf(long_word(), LIMITS)),
]


@pytest.mark.parametrize(("name", "act"), COSTLY, ids=[name for name, _ in COSTLY])
@pytest.mark.timeout(120)
def test_a_file_costs_what_its_length_costs(name: str, act: Callable[[], object]) -> None:
    started = time.process_time()
    act()
    assert time.process_time() - started < SECONDS, name


def test_chapters_are_counted() -> None:
    """A window shows all that are listed, with every page."""
    many = MOST_CHAPTERS + 100
    files = [
        read_html(html(f"<h1>a</h1><p>{ONE}</p>" * many), LIMITS),
        read_epub(
            make_zip(
                epub_entries(
                    {"a.xhtml": f"<p>{ONE}</p>"}, nav=[(f"N{n}", "a.xhtml") for n in range(many)]
                )
            ),
            LIMITS,
        ),
    ]
    for draft in files:
        book = book_of(draft)
        assert len(book.chapters) == MOST_CHAPTERS
        assert "more chapters than are listed" in " ".join(book.report.warnings)
        assert all(p.chapter is None or p.chapter < MOST_CHAPTERS for p in book.pages)


def test_a_file_cannot_write_a_report_of_its_own_length() -> None:
    """Nor push out of it what it hides."""
    draft = read_markdown((ONE + UNSEEN).encode(), LIMITS)
    draft.warnings = [f"Page {number} is damaged." for number in range(10_000)]
    warnings = book_of(draft).report.warnings
    assert len(warnings) == MOST_SENTENCES + 1 and "more such notes" in warnings[-1]
    assert any("invisible characters" in warning for warning in warnings)


def test_empty_space_is_no_page() -> None:
    """It has no words, so it would not fill one."""
    for space in (" ", "\u3000", "\n", "\n \n", "\u2003", "\x85"):
        body = f"<pre>a{space * 20_000}b</pre><p>{ONE}</p>"
        assert max(len(page.text) for page in read_html(html(body), LIMITS).pages) < 2000
        assert len(clean(f"a{space * 20_000}b", keep_indent=True)) < 2000
    assert clean("a" + " " * 100 + "b\n\n\nc", keep_indent=True) == "a" + " " * 100 + "b\n\n\nc"


def test_a_table_in_a_table_is_read_once() -> None:
    document = Document()
    cell = document.add_table(1, 1).cell(0, 0)
    for _ in range(8):
        cell = cell.add_table(1, 1).cell(0, 0)
    cell.text = "The lantern."
    stream = io.BytesIO()
    document.save(stream)
    [page] = read_docx(stream.getvalue(), LIMITS).pages
    assert page.text.count("The lantern.") == 1


def test_a_named_encoding_is_one_that_files_have() -> None:
    for name in ("punycode", "idna", "unicode_escape", "raw-unicode-escape", "rot13", "zlib"):
        with pytest.raises(CallerError, match="no text encoding"):
            decode(b"abc", name)
