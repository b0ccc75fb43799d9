"""Small documents that the tests of reading make themselves."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

_NAMES = (
    "lantern harbour copper bridge orchard signal winter market violin ledger garden compass "
    "anchor chimney ribbon mirror stable thunder basket"
)
WORDS = _NAMES.split()


def sentence(seed: int, words: int = 12) -> str:
    """A sentence of its own for each seed."""
    chosen = [WORDS[(seed * 7 + 3 * place + seed * place) % len(WORDS)] for place in range(words)]
    return f"{chosen[0].capitalize()} {seed} {' '.join(chosen[1:])}."


def prose(seed: int, sentences: int = 6) -> str:
    """A paragraph."""
    return " ".join(sentence(seed * 100 + number) for number in range(sentences))


def wrap(text: str, width: int = 70) -> str:
    """Hard-wrap a paragraph as a text file has it."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "\n".join([*lines, line])


Placed = tuple[float, float, float, str]
"""x, y (points from the bottom left), size, text."""


def make_pdf(
    pages: Sequence[Sequence[Placed] | bytes],
    *,
    title: str | None = None,
    author: str | None = None,
    outline: Sequence[tuple[str, int]] = (),
    labels: Mapping[int, str] | None = None,
    password: str | None = None,
    owner_password: str | None = None,
    crop: tuple[float, float, float, float] | None = None,
) -> bytes:
    """A PDF of 612 x 792 points, set in Courier, whose letters all have one width.

    A page given as bytes is a content stream.
    """
    objects: list[bytes] = [b"", b""]
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>"
    objects.append(font)
    kids = []
    for page in pages:
        if isinstance(page, bytes):
            stream = page
        else:
            stream = b"\n".join(
                b"BT /F1 %.2f Tf 1 0 0 1 %.2f %.2f Tm (%s) Tj ET" % (size, x, y, _escape(text))
                for x, y, size, text in page
            )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        box = b" /CropBox [%.1f %.1f %.1f %.1f]" % crop if crop else b""
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792]%s /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % (box, len(objects))
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[0] = b"<< /Type /Catalog /Pages 2 0 R >>"
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    data = _assemble(objects)
    if not (title or author or outline or labels or password or owner_password):
        return data
    return _decorate(data, title, author, outline, labels, password, owner_password)


def _escape(text: str) -> bytes:
    raw = text.encode("cp1252")
    return raw.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _assemble(objects: Sequence[bytes]) -> bytes:
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        start,
    )
    return bytes(out)


def _decorate(
    data: bytes,
    title: str | None,
    author: str | None,
    outline: Sequence[tuple[str, int]],
    labels: Mapping[int, str] | None,
    password: str | None,
    owner_password: str | None,
) -> bytes:
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    facts = {"/Title": title, "/Author": author}
    writer.add_metadata({key: value for key, value in facts.items() if value})
    for name, page in outline:
        writer.add_outline_item(name, page)
    for index, style in (labels or {}).items():
        writer.set_page_label(index, len(writer.pages) - 1 if index else 1, style=style, start=1)
    if password or owner_password:
        writer.encrypt(password or "", owner_password, algorithm="RC4-128")
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def text_page(lines: Sequence[str], *, top: float = 720, left: float = 72) -> list[Placed]:
    """Lines of 11 points, 14 points apart."""
    return [(left, top - 14 * row, 11, line) for row, line in enumerate(lines)]


def make_zip(entries: Mapping[str, bytes | str]) -> bytes:
    """A zip archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return stream.getvalue()


def epub_entries(
    documents: Mapping[str, str],
    *,
    nav: Sequence[tuple[str, str]] | None = None,
    ncx: Sequence[tuple[str, str]] | None = None,
    title: str = "The Copper Bell",
    creator: str = "Ida Marsh",
) -> dict[str, bytes | str]:
    """The entries of an EPUB; `documents` maps file names to the inside of <body>."""
    items, spine = [], []
    entries: dict[str, bytes | str] = {
        "mimetype": "application/epub+zip\r\n",
        "META-INF/container.xml": (
            '<?xml version="1.0"?>'
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"'
            ' version="1.0"><rootfiles><rootfile full-path="OPS/package.opf"'
            ' media-type="application/oebps-package+xml"/></rootfiles></container>'
        ),
    }
    for number, (name, body) in enumerate(documents.items()):
        entries[f"OPS/{name}"] = xhtml(body)
        items.append(f'<item id="d{number}" href="{name}" media-type="application/xhtml+xml"/>')
        spine.append(f'<itemref idref="d{number}"/>')
    if nav is not None:
        links = "".join(f'<li><a href="{href}">{label}</a></li>' for label, href in nav)
        entries["OPS/nav.xhtml"] = xhtml(f'<nav epub:type="toc"><ol>{links}</ol></nav>')
        items.append(
            '<item id="nav" properties="nav" href="nav.xhtml" media-type="application/xhtml+xml"/>'
        )
    if ncx is not None:
        points = "".join(
            f'<navPoint><navLabel><text>{label}</text></navLabel><content src="{href}"/></navPoint>'
            for label, href in ncx
        )
        entries["OPS/toc.ncx"] = (
            '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/" version="2005-1">'
            f"<navMap>{points}</navMap></ncx>"
        )
        items.append('<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>')
    entries["OPS/package.opf"] = (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{title}</dc:title><dc:creator>{creator}</dc:creator>"
        "<dc:language>en-GB</dc:language></metadata>"
        f"<manifest>{''.join(items)}</manifest><spine toc='ncx'>{''.join(spine)}</spine></package>"
    )
    return entries


def xhtml(body: str) -> str:
    """An XHTML document with a title that closes in place, as real ones have."""
    return (
        '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml" '
        'xmlns:epub="http://www.idpf.org/2007/ops"><head><title/></head>'
        f"<body>{body}</body></html>"
    )
