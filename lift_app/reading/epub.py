"""An EPUB becomes a draft: its documents in reading order, with the chapters it names.

Title pages, imprints and the like are left out and reported: they are not what a reader asks
about. Knows nothing about zip checks (archive) or the package's XML (epub_package).
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field

from lift_app.errors import UnreadableFile
from lift_app.reading.archive import Archive
from lift_app.reading.blocks import Block, Section, sections_from_blocks
from lift_app.reading.characters import count_words
from lift_app.reading.draft import Draft, Limits, language_code
from lift_app.reading.encoding import decode
from lift_app.reading.epub_package import Package, SpineItem, TocEntry, read_package
from lift_app.reading.hidden import Hidden
from lift_app.reading.html import HtmlText, blocks_of_html

_TOC_LEVELS = 2
_LEFT_OUT = {
    "cover": "the cover",
    "titlepage": "the title page",
    "halftitlepage": "the half title page",
    "imprint": "the imprint",
    "copyright-page": "the copyright page",
    "colophon": "the colophon",
    "toc": "the table of contents",
    "landmarks": "the landmarks",
    "loi": "the list of illustrations",
    "lot": "the list of tables",
    "index": "the index",
    "uncopyright": "the uncopyright page",
}
"""epub:type -> what the report calls it."""
_SAME_AS = {
    "title page": "titlepage",
    "half title": "halftitlepage",
    "half title page": "halftitlepage",
    "copyright": "copyright-page",
    "copyright page": "copyright-page",
    "copyright notice": "copyright-page",
    "contents": "toc",
    "table of contents": "toc",
    "title-page": "titlepage",
    "bastard title": "halftitlepage",
}


@dataclass
class _Document:
    """One document of the spine with what the table of contents says about it."""

    item: SpineItem
    content: HtmlText
    entries: list[TocEntry] = field(default_factory=list)


def read_epub(data: bytes, limits: Limits) -> Draft:
    """Read an EPUB 2 or 3.

    Raises:
        UnreadableFile: locked (`drm`), `unsafe`, `damaged`, `empty`, or too large.
    """
    draft = Draft("epub")
    with Archive(data) as archive:
        package = read_package(archive)
        documents = _read_documents(archive, package, limits, draft.hidden)
    facts = dict(package.facts)
    draft.title = facts.pop("title", "")
    draft.author = facts.pop("creator", "")
    draft.language = language_code(facts.pop("language", None))
    draft.metadata = facts
    draft.warnings.extend(package.warnings)
    kept, left_out = _without_extras(documents, package)
    if left_out:
        draft.dropped.append(_left_out_sentence(left_out))
    if any(document.content.boilerplate for document in kept):
        draft.dropped.append("The header and licence of Project Gutenberg were left out.")
    pictures = sum(document.content.pictures for document in kept)
    if pictures:
        draft.dropped.append(
            "One picture was left out." if pictures == 1 else f"{pictures} pictures were left out."
        )
    silent = sum(not document.content.blocks for document in kept)
    if kept and silent > 0.8 * len(kept) and pictures:
        raise UnreadableFile(
            "The pages of this EPUB are pictures, so there is no text to read. Run it through OCR, "
            "or find an edition with text.",
            code="scanned",
        )
    draft.set_sections(_sections(kept, draft.title), limits)
    return draft


def _read_documents(
    archive: Archive, package: Package, limits: Limits, hidden: Hidden
) -> list[_Document]:
    by_name: dict[str, list[TocEntry]] = {}
    for entry in package.toc:
        if entry.level <= _TOC_LEVELS:
            by_name.setdefault(entry.name, []).append(entry)
    documents = []
    read: set[str] = set()
    characters = 0
    for item in package.spine:
        if item.name in read:
            continue  # a document named twice is one document
        read.add(item.name)
        content = blocks_of_html(decode(archive.read(item.name), declared=True)[0], hidden)
        characters += sum(len(block.text) for block in content.blocks)
        limits.check_text(characters)
        documents.append(_Document(item, content, by_name.get(item.name, [])))
    return documents


def _without_extras(
    documents: Sequence[_Document], package: Package
) -> tuple[list[_Document], list[str]]:
    """Split into what is read and the names of what is left out."""
    kept, left_out = [], []
    for document in documents:
        kind = _kind(document, package)
        if kind is None:
            kept.append(document)
        elif document.content.blocks:
            left_out.append(_LEFT_OUT[kind])
    if not any(document.content.blocks for document in kept):
        return list(documents), []  # a document of its own kind: better all of it than nothing
    return kept, list(dict.fromkeys(left_out))


def _kind(document: _Document, package: Package) -> str | None:
    """Which of the extras a document is; None for the book itself."""
    words = set(document.content.types)
    if "nav" in document.item.properties:
        words.add("toc")
    stem = posixpath.splitext(posixpath.basename(document.item.name))[0].casefold()
    # Names are trusted only for short documents: "cover.xhtml" may hold a whole book.
    if sum(count_words(block.text) for block in document.content.blocks) < 600:
        words.update((stem, stem.replace("_", " "), package.guide.get(document.item.name, "")))
        words.update(entry.title.casefold() for entry in document.entries)
    words.update(_SAME_AS[word] for word in list(words) if word in _SAME_AS)
    return next((kind for kind in _LEFT_OUT if kind in words), None)


def _left_out_sentence(names: Sequence[str]) -> str:
    text = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{text[0].upper()}{text[1:]} {'was' if len(names) == 1 else 'were'} left out."


def _sections(documents: Sequence[_Document], book_title: str) -> list[Section]:
    """Chapters as the table of contents names them; without one, as the headings do."""
    if not any(document.entries for document in documents):
        blocks = [block for document in documents for block in document.content.blocks]
        return sections_from_blocks(blocks, book_title)
    sections: list[Section] = []
    for document in documents:
        blocks = document.content.blocks
        starts: dict[int, list[str]] = {}
        for entry in document.entries:
            at = document.content.anchors.get(entry.fragment, 0) if entry.fragment else 0
            starts.setdefault(at, []).append(entry.title)
        marks = sorted(starts)
        if not marks or marks[0] > 0:
            _continue(sections, blocks[: marks[0] if marks else len(blocks)])
        for position, start in enumerate(marks):
            end = marks[position + 1] if position + 1 < len(marks) else len(blocks)
            *outer, title = dict.fromkeys(starts[start])
            sections.extend(Section(name, [], only_heading=True) for name in outer)
            part = blocks[start:end]
            only_heading = all(block.level for block in part)
            sections.append(Section(title, [block.text for block in part], only_heading))
    return sections


def _continue(sections: list[Section], blocks: Sequence[Block]) -> None:
    """Add blocks that no line of the table of contents begins to the chapter before them."""
    if not blocks:
        return
    if not sections:
        sections.append(Section())
    sections[-1].paragraphs.extend(block.text for block in blocks)
    sections[-1].only_heading = False
