"""Markdown becomes a draft: headings, paragraphs, lists and tables as a reader sees them.

Parsed by markdown-it; raw HTML inside is read as HTML and never run. Knows nothing about pages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from lift_app.reading.blocks import (
    Block,
    is_labelled_fact,
    sections_from_blocks,
    title_and_author,
)
from lift_app.reading.characters import clean
from lift_app.reading.draft import Draft, Limits, language_code
from lift_app.reading.encoding import decode
from lift_app.reading.html import blocks_of_html
from lift_app.reading.lines import join_lines, usual_width

_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n(?:---|\.\.\.)\n", re.DOTALL)
_FACT = re.compile(
    r"^(title|author|date|lang|language)\s*:\s*(\S.*)$", re.IGNORECASE | re.MULTILINE
)


def read_markdown(data: bytes, limits: Limits, encoding: str | None = None) -> Draft:
    """Read a Markdown file. Arguments and errors as for `read_text`."""
    raw, used, warnings = decode(data, encoding)
    limits.check_text(len(raw))
    draft = Draft("markdown", encoding=used, warnings=warnings)
    draft.hidden.count(raw)
    text = clean(raw, keep_indent=True)
    facts: dict[str, str] = {}
    if front := _FRONT_MATTER.match(text):
        facts = {key.casefold(): value.strip("\"' ") for key, value in _FACT.findall(front[1])}
        text = text[front.end() :]
        draft.dropped.append("The block of metadata before the text was left out.")
    width = usual_width(text.split("\n"))
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    blocks, pictures = _blocks(tokens, width)
    if pictures:
        draft.dropped.append(_pictures_sentence(pictures))
    title, author, found = title_and_author(blocks)
    facts = {**found, **facts}
    draft.title = facts.pop("title", title)
    draft.author = facts.pop("author", author)
    draft.language = language_code(facts.pop("lang", None) or facts.pop("language", None))
    draft.metadata = facts
    body = [block for block in blocks if not is_labelled_fact(block)]
    if len(body) < len(blocks):
        draft.dropped.append("The headings that name title, author and year became metadata.")
    draft.set_sections(sections_from_blocks(body, draft.title), limits)
    return draft


def _pictures_sentence(count: int) -> str:
    return "One picture was left out." if count == 1 else f"{count} pictures were left out."


def _blocks(tokens: Sequence[Token], width: int) -> tuple[list[Block], int]:
    """Blocks of the token stream, and how many pictures were met."""
    blocks: list[Block] = []
    pictures = 0
    level = 0
    row: list[str] | None = None
    markers: list[str] = []
    counters: list[int | None] = []
    for token in tokens:
        if token.type == "heading_open":
            level = int(token.tag[1])
        elif token.type == "heading_close":
            level = 0
        elif token.type == "bullet_list_open":
            counters.append(None)
        elif token.type == "ordered_list_open":
            counters.append(int(token.attrGet("start") or 1))
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            counters.pop()
        elif token.type == "list_item_open":
            number = counters[-1]
            markers = ["- " if number is None else f"{number}. "]
            counters[-1] = None if number is None else number + 1
        elif token.type == "tr_open":
            row = []
        elif token.type == "tr_close":
            blocks.append(Block(" | ".join(row or [])))
            row = None
        elif token.type in ("fence", "code_block"):
            blocks.append(Block(token.content.strip("\n")))
        elif token.type == "html_block":
            blocks.extend(blocks_of_html(token.content).blocks)
        elif token.type == "inline":
            text, images = _inline(token.children or [], width)
            pictures += images
            if row is not None:
                row.append(text.replace("\n", " "))
            elif text:
                blocks.append(Block("".join(markers) + text, level))
                markers = []
    return [block for block in blocks if block.text.strip()], pictures


def _inline(children: Sequence[Token], width: int) -> tuple[str, int]:
    """Text of one paragraph, its line breaks judged, and its number of pictures."""
    lines: list[str] = [""]
    hard: set[int] = set()
    pictures = 0
    for child in children:
        if child.type in ("text", "code_inline"):
            lines[-1] += child.content
        elif child.type in ("softbreak", "hardbreak"):
            if child.type == "hardbreak":
                hard.add(len(lines))
            lines.append("")
        elif child.type == "image":
            pictures += 1
    parts: list[list[str]] = [[]]
    for number, line in enumerate(lines):
        if number in hard:
            parts.append([])
        parts[-1].append(line)
    joined = "\n".join(join_lines(part, width) for part in parts)
    return clean(joined).strip(), pictures
