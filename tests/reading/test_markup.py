"""Markdown, HTML and DOCX."""

from __future__ import annotations

import io
import socket

import pytest
from docx import Document
from docx.oxml import OxmlElement
from reading_documents import make_zip, prose, wrap

from lift_app.errors import UnreadableFile
from lift_app.reading.docx import read_docx
from lift_app.reading.draft import Draft, Limits
from lift_app.reading.html import blocks_of_html, read_html
from lift_app.reading.markdown import read_markdown


def whole(draft: Draft) -> str:
    return "\n\n".join(page.text for page in draft.pages)


def markdown(text: str) -> Draft:
    return read_markdown(text.encode(), Limits())


def html(text: str | bytes) -> Draft:
    return read_html(text.encode() if isinstance(text, str) else text, Limits())


def test_markdown_title_author_and_chapters() -> None:
    draft = markdown(
        f"# The Bell\n\n*by Ida Marsh*\n\n## One\n\n{prose(1)}\n\n## Two\n\n{prose(2)}"
    )
    assert (draft.title, draft.author) == ("The Bell", "Ida Marsh")
    assert [chapter.title for chapter in draft.chapters] == ["One", "Two"]
    assert "*" not in whole(draft) and "#" not in whole(draft)


def test_markdown_labelled_headings_become_metadata() -> None:
    draft = markdown(
        f"# Title: Tin\n\n## Author: I. Marsh\n\n## Year: 1881\n\n## A\n\n{prose(1)}\n\n## B\n\nx."
    )
    assert (draft.title, draft.author, draft.metadata["year"]) == ("Tin", "I. Marsh", "1881")
    assert [chapter.title for chapter in draft.chapters] == ["A", "B"]
    assert any("metadata" in line for line in draft.dropped)


def test_markdown_front_matter() -> None:
    draft = markdown(f'---\ntitle: "Tin"\nauthor: I. Marsh\nlang: de\n---\n\n{prose(1)}')
    assert (draft.title, draft.author, draft.language) == ("Tin", "I. Marsh", "de")
    assert whole(draft) == prose(1)


def test_markdown_wrapped_lines_lists_tables_code_and_pictures() -> None:
    draft = markdown(
        f"{wrap(prose(1, 20))}\n\n- one\n- two\n\n3. three\n4. four\n\n"
        "| a | b |\n|---|---|\n| c | d |"
        "\n\n```\nx = 1\n```\n\n![a bell](http://example.org/bell.png)\n\n[a link](http://x.org)"
    )
    text = whole(draft)
    assert prose(1, 20) in text
    for part in ("- one", "- two", "3. three", "4. four", "a | b", "c | d", "x = 1", "a link"):
        assert part in text
    assert "example.org" not in text
    assert draft.dropped == ["One picture was left out."]


def test_markdown_runs_no_html() -> None:
    draft = markdown(f"{prose(1)}\n\n<script>alert(1)</script>\n\n<div>kept <b>text</b></div>")
    assert "alert" not in whole(draft)
    assert "kept text" in whole(draft)


def test_html_drops_what_is_not_text() -> None:
    draft = html(
        "<!DOCTYPE html><html lang='fr-CA'><head><title>La cloche</title><meta name=author "
        "content='Ida Marsh'><style>p{}</style></head><body><nav>Menu</nav><script>evil()</script>"
        f"<h1>La cloche</h1><h2>Un</h2><p>{prose(1)}</p><h2>Deux</h2><p>a<br>b</p><p hidden>no</p>"
        "<form><input value=x><button>Send</button></form><img src='http://example.org/x.png'>"
        "<table><tr><td>c</td><td><p>d</p></td></tr></table><ol><li>e</li><li>f</li></ol></body>"
    )
    text = whole(draft)
    assert (draft.title, draft.author, draft.language) == ("La cloche", "Ida Marsh", "fr")
    assert [chapter.title for chapter in draft.chapters] == ["Un", "Deux"]
    for gone in ("Menu", "evil", "no\n", "Send", "p{}", "example.org"):
        assert gone not in text
    for part in ("a\nb", "c | d", "1. e", "2. f"):
        assert part in text
    assert "Scripts, forms and menus were left out." in draft.dropped


def test_html_reads_the_declared_encoding() -> None:
    draft = html(b"<html><head><meta charset=iso-8859-1></head><body><p>caf\xe9 \x93bell\x94</p>")
    assert whole(draft) == "café “bell”"
    assert draft.encoding == "cp1252"


def test_html_main_part_is_preferred() -> None:
    draft = html(f"<html><body><div>aside words</div><main><p>{prose(1)}</p></main></body></html>")
    assert whole(draft) == prose(1)


def test_elements_closed_in_place_do_not_swallow_the_text() -> None:
    content = blocks_of_html("<html><head><title/></head><body><p>a<a id='x'/>b</p></body></html>")
    assert [block.text for block in content.blocks] == ["ab"]
    assert content.anchors == {"x": 0}


def test_very_deep_html_does_not_recurse() -> None:
    content = blocks_of_html("<div>" * 4_000 + "deep" + "</div>" * 4_000)
    assert [block.text for block in content.blocks] == ["deep"]


def word_document() -> bytes:
    document = Document()
    document.core_properties.title = "The Bell"
    document.core_properties.author = "Ida Marsh"
    for number in (1, 2):
        document.add_heading(f"Chapter {number}", level=1)
        document.add_paragraph(prose(number))
    table = document.add_table(1, 2)
    table.cell(0, 0).text = "lantern"
    table.cell(0, 1).text = "seven"
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def test_docx_title_chapters_and_tables() -> None:
    draft = read_docx(word_document(), Limits())
    assert (draft.title, draft.author) == ("The Bell", "Ida Marsh")
    assert [chapter.title for chapter in draft.chapters] == ["Chapter 1", "Chapter 2"]
    assert prose(2) in whole(draft)
    assert "lantern | seven" in whole(draft)


def test_docx_tracked_changes_and_line_breaks() -> None:
    document = Document()
    paragraph = document.add_paragraph("kept")
    paragraph.add_run().add_break()
    paragraph.add_run("below")
    from docx.oxml import parse_xml

    w = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    paragraph._p.append(
        parse_xml(f"<w:ins {w}><w:r><w:t xml:space='preserve'> inserted</w:t></w:r></w:ins>")
    )
    paragraph._p.append(parse_xml(f"<w:del {w}><w:r><w:delText>gone</w:delText></w:r></w:del>"))
    stream = io.BytesIO()
    document.save(stream)
    draft = read_docx(stream.getvalue(), Limits())
    assert whole(draft) == "kept\nbelow inserted"
    assert "Text that tracked changes delete was left out." in draft.dropped


def test_a_broken_word_document_is_damaged() -> None:
    with pytest.raises(UnreadableFile, match="Word document is damaged") as error:
        read_docx(make_zip({"word/document.xml": "<broken"}), Limits())
    assert error.value.code == "damaged"


@pytest.mark.hostile
def test_a_word_document_fetches_and_starts_nothing() -> None:
    """Pictures, templates and parts by their address, and a field that would run a program."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        document = Document()
        run = document.add_paragraph("The lantern stood here. ").add_run()
        for kind in ("image", "attachedTemplate", "aFChunk", "oleObject", "hyperlink"):
            base = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
            document.part.relate_to(address, f"{base}/{kind}", is_external=True)
        field = OxmlElement("w:instrText")
        field.text = 'DDEAUTO c:\\\\windows\\\\system32\\\\cmd.exe "/k calc.exe"'
        run._r.append(field)
        stream = io.BytesIO()
        document.save(stream)
        draft = read_docx(stream.getvalue(), Limits())
        assert draft.pages[0].text == "The lantern stood here."
        with pytest.raises(TimeoutError):
            server.accept()
