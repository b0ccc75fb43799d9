"""A Word document (DOCX) becomes a draft.

The zip is checked first; python-docx then gives the document, and this module walks its body:
paragraphs, tables, text added in tracked changes. Knows nothing about pages.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from lift_app.errors import UnreadableFile
from lift_app.reading.archive import Archive
from lift_app.reading.blocks import Block, sections_from_blocks, title_and_author
from lift_app.reading.characters import clean
from lift_app.reading.draft import Draft, Limits, language_code
from lift_app.reading.hidden import TINIEST, Hidden

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}blip"
_GENERIC_TITLES = re.compile(
    r"^(?:microsoft word|untitled|document\d*|word document)\b", re.IGNORECASE
)


def read_docx(data: bytes, limits: Limits) -> Draft:
    """Read a DOCX file.

    Raises:
        UnreadableFile: the archive is unsafe, locked or damaged, or there is too much text.
    """
    from docx import Document  # 0.2 s, and only Word documents need it

    with Archive(data) as archive:
        for name in sorted(archive.names):
            if name.endswith((".xml", ".rels")):
                archive.read(name)  # counts what python-docx is going to unpack
        has_notes = {"word/footnotes.xml", "word/endnotes.xml"} & archive.names
    try:
        document = Document(io.BytesIO(data))
        body = document.element.body
        core = document.core_properties
        own_title, own_author = core.title or "", core.author or ""
        language, subject = core.language, core.subject or ""
        styles = {style.style_id: style.name or "" for style in document.styles}
    except Exception as error:
        # python-docx lets KeyError, ValueError, AttributeError and lxml's errors out.
        raise UnreadableFile(
            "This Word document is damaged. Open it in a word processor, save it again as DOCX, "
            "and add that.",
            code="damaged",
        ) from error
    draft = Draft("docx")
    _note_hidden(body, draft.hidden)
    blocks = [block for block in _blocks(body, styles) if block.text]
    title, author, facts = title_and_author(blocks)
    draft.title = title if _GENERIC_TITLES.match(own_title) else own_title or title
    draft.author = own_author if own_author not in ("", "python-docx") else author
    draft.language = language_code(language)
    draft.metadata = {**facts, "subject": subject}
    pictures = sum(1 for _ in body.iter(_DRAWING))
    if pictures:
        draft.dropped.append(
            "One picture was left out." if pictures == 1 else f"{pictures} pictures were left out."
        )
    if has_notes and any(
        True for _ in body.iter(f"{_W}footnoteReference", f"{_W}endnoteReference")
    ):
        draft.dropped.append("Footnotes and endnotes were left out.")
    if any(True for _ in body.iter(f"{_W}del")):
        draft.dropped.append("Text that tracked changes delete was left out.")
    draft.set_sections(sections_from_blocks(blocks, draft.title), limits)
    return draft


def _note_hidden(body: Any, hidden: Hidden) -> None:
    """Note what a word processor does not show, and letters that are white or tiny."""
    for run in body.iter(f"{_W}r"):
        text = "".join(node.text or "" for node in run.iter(f"{_W}t"))
        hidden.count(text)
        style = run.find(f"{_W}rPr")
        if style is None:
            continue
        if _is_on(style.find(f"{_W}vanish")):
            hidden.leave_out(text)
            continue
        colour, size = style.find(f"{_W}color"), style.find(f"{_W}sz")
        white = colour is not None and (colour.get(f"{_W}val") or "").upper() == "FFFFFF"
        half_points = size.get(f"{_W}val", "") if size is not None else ""
        if white or (half_points[:4].isdecimal() and int(half_points[:4]) < 2 * TINIEST):
            hidden.keep(text)


def _is_on(switch: Any) -> bool:
    """Whether an on/off property of Word is there and on."""
    return switch is not None and switch.get(f"{_W}val", "1") not in ("0", "false", "off")


def _blocks(element: Any, styles: dict[str, str]) -> Iterator[Block]:
    """Blocks of a body, in order; tables row by row."""
    for child in element:
        if child.tag == f"{_W}p":
            yield Block(_text(child), _level(child, styles))
        elif child.tag == f"{_W}tbl":
            # A table in a cell is part of the cell, and not once more by itself.
            for row in _inside(child, "tr", "tbl"):
                cells = [" ".join(_text(cell).split()) for cell in _inside(row, "tc", "tr")]
                yield Block(" | ".join(cell for cell in cells if cell))
        elif child.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}ins", f"{_W}customXml"):
            yield from _blocks(child, styles)


def _inside(element: Any, name: str, other: str) -> Iterator[Any]:
    """Elements of a name below another, as far down as the next one of its own kind."""
    for child in element:
        if child.tag == f"{_W}{name}":
            yield child
        elif child.tag != f"{_W}{other}":
            yield from _inside(child, name, other)


def _text(element: Any) -> str:
    """Text of a paragraph or a cell, also what python-docx hides: insertions, fields, controls."""
    parts: list[str] = []
    skipped = {id(node) for fallback in element.iter(_FALLBACK) for node in fallback.iter()}
    for node in element.iter(f"{_W}t", f"{_W}tab", f"{_W}br", f"{_W}cr", f"{_W}p"):
        if id(node) in skipped:
            continue
        if node.tag == f"{_W}t":
            if _is_on(node.getparent().find(f"{_W}rPr/{_W}vanish")):
                continue
            parts.append(node.text or "")
        elif node.tag == f"{_W}tab":
            # A tab in a list of tab stops is no character.
            parts.append(" " if node.getparent().tag == f"{_W}r" else "")
        elif node is not element:
            parts.append("\n")
    return clean("".join(parts)).strip()


def _level(paragraph: Any, styles: dict[str, str]) -> int:
    style = paragraph.find(f"{_W}pPr/{_W}pStyle")
    name = styles.get(style.get(f"{_W}val"), "") if style is not None else ""
    if name.casefold() == "title":
        return 1
    match = re.match(r"(?:heading|überschrift|titre|título|titolo)\s+([1-6])$", name, re.IGNORECASE)
    if match:
        return int(match[1])
    outline = paragraph.find(f"{_W}pPr/{_W}outlineLvl")
    value = outline.get(f"{_W}val", "") if outline is not None else ""
    return int(value) + 1 if value.isdecimal() and len(value) == 1 and int(value) < 6 else 0
