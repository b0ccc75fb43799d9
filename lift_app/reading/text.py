"""Plain text becomes a draft: decoded, without Project Gutenberg's wrapping, in paragraphs.

Knows nothing about Markdown or HTML.
"""

from __future__ import annotations

import re

from lift_app.reading.blocks import Section, byline_of
from lift_app.reading.chapters import find_headings
from lift_app.reading.characters import clean, one_line
from lift_app.reading.draft import Draft, Limits, language_code
from lift_app.reading.encoding import decode
from lift_app.reading.gutenberg import plain_marks, trim
from lift_app.reading.lines import join_lines, split_paragraphs, usual_width


def read_text(data: bytes, limits: Limits, encoding: str | None = None) -> Draft:
    """Read a plain text file.

    Args:
        data: the file.
        limits: how much text a book may have.
        encoding: the encoding that the caller names; None finds it out.

    Raises:
        UnreadableFile: too much text.
        CallerError: there is no encoding of that name.
    """
    raw, used, warnings = decode(data, encoding)
    limits.check_text(len(raw))
    draft = Draft("text", encoding=used, warnings=warnings)
    draft.hidden.count(raw)
    trimmed = trim(clean(raw, keep_indent=True))
    text = trimmed.text
    draft.dropped.extend(trimmed.dropped)
    if trimmed.found:
        text, dropped = plain_marks(text)
        draft.dropped.extend(dropped)
    groups = split_paragraphs(text)
    width = usual_width([line for group in groups for line in group])
    paragraphs = [clean(join_lines(group, width)).strip() for group in groups]
    paragraphs = [paragraph for paragraph in paragraphs if paragraph]
    draft.title, draft.author = _opening(paragraphs)
    facts = trimmed.facts
    draft.title = facts.pop("title", "") or draft.title
    draft.author = facts.pop("author", "") or draft.author
    draft.language = language_code(facts.pop("language", None))
    draft.metadata = facts
    draft.set_sections(_sections(paragraphs), limits)
    return draft


def _sections(paragraphs: list[str]) -> list[Section]:
    headings = find_headings(paragraphs)
    first = headings[0].start if headings else len(paragraphs)
    sections = [Section(None, paragraphs[:first])] if first else []
    for position, heading in enumerate(headings):
        last = position + 1 == len(headings)
        end = len(paragraphs) if last else headings[position + 1].start
        sections.append(Section(heading.title, paragraphs[heading.start : end], end == heading.end))
    return sections


def _opening(paragraphs: list[str]) -> tuple[str, str]:
    """Title and author from "A TITLE", "by A. Name" at the top; empty where not found."""
    for position, paragraph in enumerate(paragraphs[:6]):
        lines = paragraph.split("\n")
        for index, line in enumerate(lines):
            author = byline_of(line)
            if not author and re.fullmatch(r"by", line.strip(), re.IGNORECASE):
                rest = lines[index + 1 :] or paragraphs[position + 1 : position + 2]
                author = one_line(rest[0].split("\n")[0], 80) if rest else ""
            if author:
                above = lines[:index] or paragraphs[max(0, position - 1) : position]
                title = one_line(" ".join(above))
                return (_calm(title) if len(title) <= 120 else ""), _calm(author)
    first = paragraphs[0] if paragraphs else ""
    looks_like_title = len(paragraphs) > 1 and "\n" not in first and len(first) <= 80
    if looks_like_title and first[-1:] not in '.,;:!?"”' and first != first.casefold():
        return _calm(one_line(first)), ""
    return "", ""


def _calm(text: str) -> str:
    """ALL CAPITALS become Capitals."""
    if not text.isupper() or len(text) < 5:
        return text
    small = {"A", "AN", "AND", "AT", "BY", "FOR", "FROM", "IN", "OF", "ON", "OR", "THE", "TO"}
    words = text.split()
    return " ".join(
        word.lower()
        if position and word in small
        else re.sub(r"[^\W\d_]+(?:['’][^\W\d_]+)?", lambda match: match[0].capitalize(), word)
        for position, word in enumerate(words)
    )
