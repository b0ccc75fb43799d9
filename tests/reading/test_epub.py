"""EPUB: order, chapters, what is left out, and archives that are not to be trusted."""

from __future__ import annotations

import io
import stat
import zipfile

import pytest
from reading_documents import epub_entries, make_zip, prose, xhtml

from lift_app.errors import UnreadableFile
from lift_app.reading import archive as archive_module
from lift_app.reading.archive import Archive
from lift_app.reading.draft import Draft, Limits
from lift_app.reading.epub import read_epub

CHAPTERS = {
    "one.xhtml": f"<h2>I</h2><p>{prose(1)}</p>",
    "two.xhtml": f"<h2>II</h2><p>{prose(2)}</p>",
}
NAV = [("I: The Pier", "one.xhtml"), ("II: The Storm", "two.xhtml")]


def whole(draft: Draft) -> str:
    return "\n\n".join(page.text for page in draft.pages)


def read(entries: dict[str, bytes | str]) -> Draft:
    return read_epub(make_zip(entries), Limits())


def refused(data: bytes) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as error:
        read_epub(data, Limits()).to_book("0", "a.epub", None, 0.0)
    return error.value


def test_spine_order_and_chapters_of_the_navigation() -> None:
    draft = read(epub_entries(CHAPTERS, nav=NAV))
    assert (draft.title, draft.author, draft.language) == ("The Copper Bell", "Ida Marsh", "en")
    assert [(chapter.title, chapter.page) for chapter in draft.chapters] == [
        ("I: The Pier", 1),
        ("II: The Storm", 2),
    ]
    assert whole(draft).index(prose(1)) < whole(draft).index(prose(2))


def test_chapters_of_an_ncx() -> None:
    draft = read(epub_entries(CHAPTERS, ncx=NAV))
    assert [chapter.title for chapter in draft.chapters] == ["I: The Pier", "II: The Storm"]


def test_chapters_of_headings_where_there_is_no_contents() -> None:
    draft = read(epub_entries(CHAPTERS))
    assert [chapter.title for chapter in draft.chapters] == ["I", "II"]


def test_several_chapters_in_one_document() -> None:
    body = f'<h2 id="a">A</h2><p>{prose(1)}</p><h2 id="b">B</h2><p>{prose(2)}</p>'
    draft = read(
        epub_entries({"all.xhtml": body}, nav=[("A", "all.xhtml#a"), ("B", "all.xhtml#b")])
    )
    assert [(chapter.title, chapter.page) for chapter in draft.chapters] == [("A", 1), ("B", 2)]
    assert draft.pages[1].text.startswith("B\n\n")


def test_a_document_without_a_line_in_the_contents_continues_the_chapter() -> None:
    documents = {**CHAPTERS, "two-b.xhtml": f"<p>{prose(3)}</p>"}
    draft = read(epub_entries(documents, nav=NAV))
    assert len(draft.chapters) == 2
    assert draft.pages[-1].chapter == 1
    assert prose(3) in draft.pages[-1].text


def test_front_and_back_matter_is_left_out_and_told() -> None:
    documents = {
        "cover.xhtml": "<p>Cover</p>",
        "start.xhtml": '<section epub:type="titlepage"><h1>The Copper Bell</h1></section>',
        **CHAPTERS,
        "end.xhtml": '<section epub:type="colophon"><p>Set in copper.</p></section>',
    }
    draft = read(epub_entries(documents, nav=NAV))
    assert "Set in copper" not in whole(draft) and "Cover" not in whole(draft)
    assert draft.dropped == ["The cover, the title page and the colophon were left out."]


def test_a_book_that_is_all_cover_is_read_all_the_same() -> None:
    draft = read(epub_entries({"cover.xhtml": "<p>Only this.</p>"}))
    assert whole(draft) == "Only this."


def test_page_marks_and_pictures_are_not_text() -> None:
    body = (
        '<p>a<span epub:type="pagebreak" title="12">12</span>b<img src="x.png"/></p>'
        '<p>c <a epub:type="backlink" href="#n">back</a></p>'
    )
    draft = read(epub_entries({"one.xhtml": body}))
    assert whole(draft) == "ab\n\nc"
    assert "One picture was left out." in draft.dropped


def test_a_missing_document_is_a_warning() -> None:
    entries = epub_entries(CHAPTERS, nav=NAV)
    del entries["OPS/two.xhtml"]
    draft = read(entries)
    assert prose(1) in whole(draft)
    assert any("not in the file" in line for line in draft.warnings)


def test_a_broken_package_is_read_in_the_order_of_names() -> None:
    entries = epub_entries(CHAPTERS, nav=NAV)
    entries["OPS/package.opf"] = "<package><broken"
    draft = read(entries)
    assert whole(draft).index(prose(1)) < whole(draft).index(prose(2))
    assert any("broken" in line for line in draft.warnings)


def test_names_with_escapes_and_other_case_are_found() -> None:
    entries = epub_entries({"Part One.xhtml": f"<p>{prose(1)}</p>"})
    opf = str(entries["OPS/package.opf"])
    entries["OPS/package.opf"] = opf.replace("Part One.xhtml", "part%20one.xhtml")
    assert prose(1) in whole(read(entries))


ENCRYPTION = (
    '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" '
    'xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData>'
    '<enc:EncryptionMethod Algorithm="{algorithm}"/><enc:CipherData>'
    '<enc:CipherReference URI="{name}"/></enc:CipherData></enc:EncryptedData></encryption>'
)


def test_locked_content_is_drm() -> None:
    entries = epub_entries(CHAPTERS, nav=NAV)
    entries["META-INF/encryption.xml"] = ENCRYPTION.format(
        algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc", name="OPS/one.xhtml"
    )
    error = refused(make_zip(entries))
    assert error.code == "drm" and "DRM" in str(error)


def test_hidden_fonts_are_no_drm() -> None:
    entries = epub_entries(CHAPTERS, nav=NAV)
    entries["META-INF/encryption.xml"] = ENCRYPTION.format(
        algorithm="http://www.idpf.org/2008/embedding", name="OPS/font.otf"
    )
    assert prose(1) in whole(read(entries))


def test_xml_entities_are_refused() -> None:
    entries = epub_entries(CHAPTERS, nav=NAV)
    entries["OPS/package.opf"] = (
        '<!DOCTYPE p [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><package>&b;</package>'
    )
    assert refused(make_zip(entries)).code == "unsafe"


@pytest.mark.parametrize("name", ["../evil.xhtml", "/etc/evil", "a/../../b", "C:/evil", "..\\evil"])
def test_names_that_point_outside_are_refused(name: str) -> None:
    assert refused(make_zip({**epub_entries(CHAPTERS), name: "x"})).code == "unsafe"


def test_symlinks_are_refused() -> None:
    stream = io.BytesIO(make_zip(epub_entries(CHAPTERS)))
    with zipfile.ZipFile(stream, "a") as archive:
        link = zipfile.ZipInfo("OPS/link.xhtml")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert refused(stream.getvalue()).code == "unsafe"


def test_a_bomb_is_refused_by_its_ratio() -> None:
    error = refused(make_zip({**epub_entries(CHAPTERS), "OPS/x.xhtml": b" " * 8_000_000}))
    assert error.code == "unsafe" and "far more than it says" in str(error)


def test_bytes_are_counted_while_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "MAX_ENTRY_BYTES", 1000)
    with Archive(make_zip({"a": prose(1, 40)})) as archive, pytest.raises(UnreadableFile) as error:
        archive.read("a")
    assert error.value.code == "unsafe"


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "MAX_ENTRIES", 3)
    assert refused(make_zip(epub_entries(CHAPTERS))).code == "too_large"


def test_a_torn_archive_is_damaged() -> None:
    data = make_zip(epub_entries(CHAPTERS, nav=NAV))
    assert refused(data[: len(data) // 2]).code == "damaged"


def test_a_flipped_byte_is_noticed() -> None:
    data = bytearray(make_zip({**epub_entries({"a.xhtml": f"<p>{prose(1, 60)}</p>"})}))
    place = data.index(b"OPS/a.xhtml") + 40
    data[place] ^= 0xFF
    assert refused(bytes(data)).code == "damaged"


def test_an_epub_of_pictures_is_a_scan() -> None:
    pages = {f"p{number}.xhtml": '<img src="page.jpg"/>' for number in range(6)}
    assert refused(make_zip(epub_entries(pages))).code == "scanned"


def test_an_epub_without_text_is_empty() -> None:
    assert refused(make_zip(epub_entries({"a.xhtml": "<p> </p>"}))).code == "empty"


def test_an_archive_without_a_package_is_damaged() -> None:
    data = make_zip({"META-INF/container.xml": "<container/>", "a.xhtml": xhtml("<p>x</p>")})
    assert refused(data).code == "damaged"


@pytest.mark.hostile
def test_names_that_differ_in_case_alone_are_apart() -> None:
    """And one that no entry has leads nowhere else, to no address and to no other folder."""
    entries = epub_entries({"a.xhtml": "<p>The lantern.</p>", "A.xhtml": "<p>The violin.</p>"})
    assert "The lantern." in read_epub(make_zip(entries), Limits()).pages[0].text
    for href in ("http://127.0.0.1:9/a", "//x/a", "file:///etc/hostname", "../../etc/hostname"):
        package = str(entries["OPS/package.opf"]).replace('href="a.xhtml"', f'href="{href}"')
        text = read_epub(make_zip({**entries, "OPS/package.opf": package}), Limits()).pages[0].text
        assert "The violin." in text and "The lantern." not in text


@pytest.mark.hostile
def test_a_spine_that_names_itself_is_read_once() -> None:
    entries = epub_entries({"a.xhtml": "<p>The lantern.</p>"})
    package = str(entries["OPS/package.opf"])
    again = package[package.index("<itemref") : package.index("</spine>")] * 500
    own = '<itemref idref="own"/><itemref idref="own"/>'
    package = package.replace("</spine>", f"{again}{own}</spine>").replace(
        "</manifest>", '<item id="own" href="package.opf" media-type="text/html"/></manifest>'
    )
    pages = read_epub(make_zip({**entries, "OPS/package.opf": package}), Limits()).pages
    assert sum(page.text.count("The lantern.") for page in pages) == 1
