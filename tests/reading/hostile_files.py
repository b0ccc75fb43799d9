"""Files made to do harm: each generator gives the bytes of one attack."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Callable

from docx import Document
from reading_documents import epub_entries, make_pdf, make_zip, prose, text_page

SECRET = "the-secret-of-another-file"
"""Text of a file outside of the attack: it must never appear in a book."""

LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a0 "ha">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    + "]>"
)


def pdf_with_stream(stream: bytes, filters: bytes) -> bytes:
    """A page whose content is a stream behind `filters`."""
    old = b"<< /Length 6 >>\nstream\nSTREAM\nendstream"
    new = b"<< /Length %d /Filter %s >>\nstream\n%s\nendstream" % (len(stream), filters, stream)
    return make_pdf([b"STREAM"]).replace(old, new)


def pdf_zeros() -> bytes:
    """512 MB of zeros in a stream of 512 KB."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    packed = b"".join([packer.compress(block) for _ in range(512)]) + packer.flush()
    return pdf_with_stream(packed, b"/FlateDecode")


def pdf_zeros_twice() -> bytes:
    """64 GB of zeros, packed twice into a few hundred bytes."""
    inner = zlib.compress(bytes(1 << 26), 9)
    outer = zlib.compress(inner * 1000, 9)
    return pdf_with_stream(outer, b"[/FlateDecode /FlateDecode]")


def pdf_operators() -> bytes:
    """3 million drawing operators."""
    return pdf_with_stream(
        zlib.compress(b"BT /F1 9 Tf (lantern) Tj ET\n" * 3_000_000), b"/FlateDecode"
    )


def pdf_pages() -> bytes:
    """60,000 pages that are one."""
    kids = b" ".join([b"5 0 R"] * 60_000)
    return _with_tree(make_pdf([text_page([prose(1)[:60]])]), kids, 60_000)


def pdf_pages_that_are_not_there() -> bytes:
    """A count of two thousand million pages and one page."""
    return _with_tree(make_pdf([text_page(["x"])]), b"5 0 R", 2_000_000_000)


def pdf_tree_loop() -> bytes:
    """A page tree whose only kid is itself."""
    return _with_tree(make_pdf([text_page(["x"])]), b"2 0 R 2 0 R", 2)


def pdf_outline_loop() -> bytes:
    """An outline whose first line follows itself."""
    data = make_pdf([text_page([prose(1)[:60]])])
    catalogue = b"<< /Type /Catalog /Pages 2 0 R >>"
    outline = b"<< /Type /Catalog /Pages 2 0 R /Outlines << /First 9 0 R /Last 9 0 R >> >>"
    line = b"9 0 obj\n<< /Title (Again) /Next 9 0 R /First 9 0 R /Dest [5 0 R /Fit] >>\nendobj\n"
    return data.replace(catalogue, outline).replace(b"xref\n", line + b"xref\n", 1)


def pdf_nesting() -> bytes:
    """An array of 200,000 arrays, one in the other."""
    return make_pdf([b"[" * 200_000 + b"]" * 200_000 + b" 0 d BT (x) Tj ET"])


def pdf_xref_loop() -> bytes:
    """A cross-reference table whose predecessor is itself."""
    data = make_pdf([text_page(["x"])])
    start = data.rindex(b"startxref\n") + 10
    offset = data[start : data.index(b"\n", start)]
    return data.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev " + offset)


def pdf_locked() -> bytes:
    """A PDF with a password."""
    return make_pdf([text_page(["x"])], password="secret")


def epub_bomb() -> bytes:
    """A chapter of 200 MB in 200 KB."""
    return make_zip(epub_entries({"a.xhtml": "<p>" + "a" * 200_000_000 + "</p>"}))


def epub_of_many_parts() -> bytes:
    """30,000 entries."""
    stream = io.BytesIO(make_zip(epub_entries({"a.xhtml": "<p>x</p>"})))
    with zipfile.ZipFile(stream, "a") as archive:
        for number in range(30_000):
            archive.writestr(f"OPS/{number}", b"")
    return stream.getvalue()


def epub_that_lies_about_sizes() -> bytes:
    """An entry that says 10 bytes and unpacks to 100 MB."""
    body = "<p>" + "a" * 100_000_000 + "</p>"
    data = bytearray(make_zip(epub_entries({"a.xhtml": body})))
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        size = archive.getinfo("OPS/a.xhtml").file_size
    old, new = size.to_bytes(4, "little"), (10).to_bytes(4, "little")
    return bytes(data.replace(old, new))


def epub_laughs() -> bytes:
    """Entities that expand to 10^11 words, in the package and in a chapter."""
    entries = epub_entries({"a.xhtml": "<p>x</p>"})
    for name in ("OPS/package.opf", "META-INF/container.xml"):
        entries[name] = LAUGHS + str(entries[name]).partition("?>")[2].replace("Bell", "&a11;")
    entries["OPS/a.xhtml"] = f"{LAUGHS}<html><body><p>&a11; {prose(1)}</p></body></html>"
    return make_zip(entries)


def epub_entity(outside: str) -> bytes:
    """An external entity that names a file of this machine."""
    entity = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{outside}">]>'
    entries = epub_entries({"a.xhtml": "<p>x</p>"})
    package = str(entries["OPS/package.opf"]).partition("?>")[2]
    entries["OPS/package.opf"] = entity + package.replace("The Copper Bell", "&e;")
    entries["OPS/a.xhtml"] = f"{entity}<html><body><p>&e; {prose(1)}</p></body></html>"
    return make_zip(entries)


def epub_that_points_outside(outside: str) -> bytes:
    """A spine and a table of contents that name a file of this machine."""
    entries = epub_entries({"a.xhtml": f"<p>{prose(1)}</p><img src='file://{outside}'/>"})
    package = str(entries["OPS/package.opf"])
    for name in (outside, f"file://{outside}", f"../../../../../..{outside}"):
        package = package.replace('href="a.xhtml"', f'href="{name}"', 1)
        entries["OPS/package.opf"] = package
    return make_zip(entries)


def epub_with_a_name_outside() -> bytes:
    """An entry that would unpack outside of its folder."""
    return make_zip({**epub_entries({"a.xhtml": "<p>x</p>"}), "../../../tmp/evil.txt": "evil"})


def epub_with_a_link(outside: str) -> bytes:
    """An entry that is a symbolic link."""
    stream = io.BytesIO(make_zip(epub_entries({"a.xhtml": "<p>x</p>"})))
    with zipfile.ZipFile(stream, "a") as archive:
        link = zipfile.ZipInfo("OPS/link.xhtml")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, outside)
    return stream.getvalue()


def epub_drm() -> bytes:
    """A book that its seller has locked."""
    lock = (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><EncryptedData '
        'xmlns="http://www.w3.org/2001/04/xmlenc#"><EncryptionMethod '
        'Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/><CipherData><CipherReference '
        'URI="OPS/a.xhtml"/></CipherData></EncryptedData></encryption>'
    )
    return make_zip({**epub_entries({"a.xhtml": "<p>x</p>"}), "META-INF/encryption.xml": lock})


def docx_with(part: str, change: Callable[[str], str]) -> bytes:
    """A Word document with one part changed."""
    stream, result = io.BytesIO(), io.BytesIO()
    document = Document()
    document.add_paragraph(prose(1))
    document.save(stream)
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data.decode()) if name == part else data)
    return result.getvalue()


def docx_entity(outside: str) -> bytes:
    """An external entity in a Word document."""
    entity = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{outside}">]>'
    return docx_with(
        "word/document.xml",
        lambda text: text.replace("?>", f"?>{entity}", 1).replace("<w:t>", "<w:t>&e; ", 1),
    )


def docx_laughs() -> bytes:
    """Entities that expand without end, in a Word document."""
    return docx_with(
        "word/document.xml",
        lambda text: text.replace("?>", f"?>{LAUGHS}", 1).replace("<w:t>", "<w:t>&a11; ", 1),
    )


def html_nesting() -> bytes:
    """300,000 elements, one in the other."""
    return b"<html><body>" + b"<div>" * 300_000 + prose(1).encode() + b"</body></html>"


def html_attributes() -> bytes:
    """An element with 300,000 attributes, and as many unclosed brackets."""
    many = b" ".join(b"a%d=1" % number for number in range(300_000))
    return b"<html><body><p " + many + b">" + prose(1).encode() + b"<" * 300_000 + b"</body></html>"


def markdown_nesting() -> bytes:
    """Quotes, lists and brackets, one in the other."""
    return (
        b"# A\n\n# B\n\n" + b"> " * 5000 + b"x\n\n" + b"[" * 50_000 + b"\n\n" + b"* " * 5000 + b"y"
    )


def text_line() -> bytes:
    """One line of 50 MB."""
    return b"lantern " * 6_250_000


def text_of_100_mb() -> bytes:
    """100 MB of paragraphs."""
    return (prose(1).encode() + b"\n\n") * (100_000_000 // (len(prose(1)) + 2))


def text_with_nul() -> bytes:
    """Zero bytes between and in words."""
    return prose(1).replace(" ", "\0 ").encode() + b"\0\0" + prose(2).encode()


def _with_tree(data: bytes, kids: bytes, count: int) -> bytes:
    """Give a PDF of one page another page tree."""
    return data.replace(b"/Kids [5 0 R] /Count 1", b"/Kids [%s] /Count %d" % (kids, count))
