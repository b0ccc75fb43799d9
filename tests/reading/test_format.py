"""The type of a file is told by its bytes."""

from __future__ import annotations

import pytest
from reading_documents import epub_entries, make_pdf, make_zip, prose

from lift_app.errors import UnreadableFile
from lift_app.reading.format import recognise


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (make_pdf([b""]), "a.txt", "pdf"),
        (make_zip(epub_entries({"a.xhtml": ""})), "a.zip", "epub"),
        (make_zip({"word/document.xml": ""}), "a.bin", "docx"),
        (b"\xef\xbb\xbf <!-- x --><!DOCTYPE HTML><p>x", "a.txt", "html"),
        (b"<?xml version='1.0'?><html><body/></html>", "a", "html"),
        (b"# One\n\ntext\n\n## Two\n", "a.txt", "markdown"),
        (b"no headings", "a.md", "markdown"),
        (b"<p>part</p>", "a.htm", "html"),
        (prose(1).encode(), "a.pdf", "text"),
        ("wide letters".encode("utf-16"), "a.txt", "text"),
        (b" " * 60_000 + b"x", "a.txt", "text"),
        (b"# only one comment\nx", "a.txt", "text"),
    ],
)
def test_kinds(data: bytes, name: str, kind: str) -> None:
    assert recognise(data, name) == kind


@pytest.mark.parametrize(
    ("data", "code", "word"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "scanned", "OCR"),
        (b"\xff\xd8\xff\xe0" + bytes(20), "scanned", "picture"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "unsupported", "DOCX"),
        (b"{\\rtf1 x}", "unsupported", "rich text"),
        (bytes(60) + b"BOOKMOBI", "unsupported", "Kindle"),
        (b"\x1f\x8b\x08" + bytes(20), "unsupported", "gzip"),
        (b"ID3\x04" + bytes(30), "unsupported", "transcript"),
        (bytes(range(256)) * 8, "unsupported", "not a text"),
        (make_zip({"xl/workbook.xml": ""}), "unsupported", "spreadsheet"),
        (make_zip({"photo.jpg": ""}), "unsupported", "zip archive"),
        (b"PK\x03\x04 torn", "damaged", "damaged"),
    ],
)
def test_what_is_no_book(data: bytes, code: str, word: str) -> None:
    with pytest.raises(UnreadableFile) as error:
        recognise(data, "book.txt")
    assert error.value.code == code
    assert word in str(error.value)
