"""Which format a file has, judged by its bytes.

The name's extension only decides between plain text and Markdown. What cannot become a book is
named, so that the reader learns what to do with it.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from lift_app.errors import UnreadableFile
from lift_app.reading.archive import Archive
from lift_app.reading.encoding import decode

# Possessive: many comments could else be parted in more ways than there is time for.
_HTML = re.compile(
    r"(?:<\?xml[^>]*>|<!--.*?-->|\s)*+<(!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_HEADING = re.compile(r"^#{1,6}[ \t]+\S", re.MULTILINE)

_UNSUPPORTED = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0, "an old Office file (.doc, .xls or .ppt)", "DOCX"),
    (b"{\\rtf", 0, "a rich text file (RTF)", "DOCX or PDF"),
    (b"BOOKMOBI", 60, "a Kindle book (MOBI or AZW)", "EPUB, for example with Calibre"),
    (b"AT&TFORM", 0, "a DjVu file", "PDF with a text layer"),
    (b"%!PS", 0, "a PostScript file", "PDF, for example with ps2pdf"),
    (b"\x1f\x8b", 0, "a gzip archive", "the file inside it"),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7z archive", "the file inside it"),
    (b"Rar!\x1a\x07", 0, "a RAR archive", "the file inside it"),
    (b"ITSF", 0, "a Windows help file (CHM)", "EPUB or PDF"),
    (b"SQLite format 3\x00", 0, "a database", "a text of its content"),
    (b"\x7fELF", 0, "a program", "a book"),
    (b"MZ\x90", 0, "a program", "a book"),
)
_IMAGES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*", b"BM")
_MEDIA = ((b"ID3", 0), (b"OggS", 0), (b"ftyp", 4), (b"fLaC", 0), (b"RIFF", 0))
_OFFICE = (
    ("xl/", "a spreadsheet (XLSX)"),
    ("ppt/", "a presentation (PPTX)"),
    ("content.xml", "an OpenDocument file (ODT)"),
)


def recognise(data: bytes, name: str) -> str:
    """Return `pdf`, `epub`, `docx`, `html`, `markdown` or `text`.

    Raises:
        UnreadableFile: the file is something else (`unsupported`), a picture (`scanned`), an
            archive that is not safe to open (`unsafe`), or broken (`damaged`).
    """
    if b"%PDF-" in data[:1024]:
        return "pdf"
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _recognise_zip(data)
    if data.startswith(_IMAGES) or data[8:12] == b"WEBP":
        raise UnreadableFile(
            "This is a picture, not a text. Run it through OCR, which makes a PDF with text "
            "(for example with ocrmypdf), and add that PDF.",
            code="scanned",
        )
    for magic, offset, what, target in _UNSUPPORTED:
        if data[offset : offset + len(magic)] == magic:
            raise UnreadableFile(
                f"This is {what}, which is not read here. Save it as {target} and add that.",
                code="unsupported",
            )
    if any(data[offset : offset + len(magic)] == magic for magic, offset in _MEDIA):
        raise UnreadableFile(
            "This is a sound or video file, not a text. Add a transcript of it instead.",
            code="unsupported",
        )
    return _recognise_text(data, name)


def _recognise_text(data: bytes, name: str) -> str:
    sample = data[:65536]
    text, encoding, _ = decode(sample)
    if not encoding.startswith("utf-16") and _is_binary(text):
        raise UnreadableFile(
            "This file is not a text, PDF, EPUB, Markdown, HTML or DOCX file. Save the book in one "
            "of these formats and add that.",
            code="unsupported",
        )
    if _HTML.match(text):
        return "html"
    suffixes = [suffix.casefold() for suffix in PurePath(name).suffixes]
    if ".md" in suffixes or ".markdown" in suffixes or len(_HEADING.findall(text)) > 1:
        return "markdown"
    if suffixes[-1:] in ([".html"], [".htm"], [".xhtml"]) and re.search(r"<(p|div|h\d)\b", text):
        return "html"
    return "text"


def _is_binary(text: str) -> bool:
    controls = len(re.findall(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", text))
    return controls > 0.02 * len(text) + 8


def _recognise_zip(data: bytes) -> str:
    with Archive(data) as archive:
        names = archive.names
        if "word/document.xml" in names:
            return "docx"
        if "META-INF/container.xml" in names or any(name.endswith(".opf") for name in names):
            return "epub"
        for start, what in _OFFICE:
            if any(name.startswith(start) for name in names):
                raise UnreadableFile(
                    f"This is {what}, which is not read here. Save it as DOCX or PDF and add that.",
                    code="unsupported",
                )
    raise UnreadableFile(
        "This is a zip archive and not a book. Unpack it and add the files that you want to read.",
        code="unsupported",
    )
