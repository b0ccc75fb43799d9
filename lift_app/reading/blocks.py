"""Headings and paragraphs of a flowing text, and the sections that they make.

HTML, EPUB, Markdown, DOCX and text files all become a list of `Block`; this module decides which
headings begin a chapter. It knows nothing about pages or files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from lift_app.reading.characters import one_line

_BYLINE = re.compile(r"^(?:written\s+)?by\s+(?:the\s+)?(\S.{1,78})$", re.IGNORECASE)
_LABELLED = re.compile(r"^(title|author|year|date|language)\s*:\s*(\S.*)$", re.IGNORECASE)


@dataclass(frozen=True)
class Block:
    """A paragraph, or a heading of level 1 to 6."""

    text: str
    level: int = 0
    """0 is a paragraph."""


@dataclass
class Section:
    """Consecutive paragraphs under one title, or under none."""

    title: str | None = None
    paragraphs: list[str] = field(default_factory=list)
    """Includes the heading itself, as the book prints it."""
    only_heading: bool = False
    """Nothing follows the heading before the next one."""


def sections_from_blocks(blocks: Sequence[Block], book_title: str = "") -> list[Section]:
    """Cut blocks at the headings that begin a chapter.

    Chapters begin at the highest level that has two or more headings, and at every level above it;
    a lone heading above them that only repeats the book's title is no chapter.
    """
    levels = Counter(block.level for block in blocks if block.level)
    if not levels:
        return [Section(None, [block.text for block in blocks])] if blocks else []
    chapter_level = next((level for level in sorted(levels) if levels[level] > 1), min(levels))
    sections: list[Section] = []
    for block in blocks:
        if 0 < block.level <= chapter_level:
            title = one_line(block.text)
            lone = levels[block.level] == 1 and block.level < chapter_level
            if lone and _same(title, book_title):
                sections.append(Section(None, [block.text]))
            else:
                sections.append(Section(title, [block.text], only_heading=True))
            continue
        if not sections:
            sections.append(Section())
        sections[-1].paragraphs.append(block.text)
        sections[-1].only_heading = False
    return sections


def title_and_author(blocks: Sequence[Block]) -> tuple[str, str, dict[str, str]]:
    """Title, author and labelled facts that the opening of a text names itself.

    Understands "Title: ..." and "Author: ..." headings, a first heading, and a "by ..." line after
    it. What is not found is an empty string.
    """
    title, author, facts = "", "", {}
    for position, block in enumerate(blocks[:8]):
        text = one_line(block.text)
        if labelled := _LABELLED.match(text):
            facts[labelled[1].lower()] = labelled[2]
        elif block.level and not title and not facts.get("title"):
            title = text
        elif position and not author and (byline := byline_of(text)):
            author = byline
    return facts.pop("title", title), facts.pop("author", author), facts


def is_labelled_fact(block: Block) -> bool:
    """Whether the block is a heading like "Author: ...", which is no chapter."""
    return bool(block.level and _LABELLED.match(one_line(block.text)))


def byline_of(text: str) -> str:
    """The name in "by NAME", or an empty string."""
    match = _BYLINE.match(text.strip(" *_.,"))
    if match is None or len(match[1].split()) > 8:
        return ""
    return match[1].strip(" *_.,") + ("." if re.search(r"\b[A-Z]\.$", text.strip(" *_")) else "")


def _same(left: str, right: str) -> bool:
    return re.sub(r"\W+", "", left).casefold() == re.sub(r"\W+", "", right).casefold()
