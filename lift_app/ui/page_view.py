"""One page of the book as it is, with the cited quote marked, and the way to other pages."""

from __future__ import annotations

import re
from typing import Any

from lift_app.ui import words
from lift_app.ui.seat import Mark
from lift_app.ui.security import escape

_GAP = re.compile(r"\n[ \t]*\n\s*")
SHORT_LINE = 45
"""Mean length in characters under which lines are verse or a list, and are kept as lines."""


def page_html(book: dict[str, Any], page: dict[str, Any], mark: Mark | None) -> str:
    """The page with its heading and navigation.

    Args:
        book: what `Reader.show` gives.
        page: what `Reader.page` gives.
        mark: the quote to mark, if it is on this page.
    """
    number = int(page["number"])
    here = mark if mark is not None and mark.page == number else None
    marked = "" if here is None else f' data-mark="{here.start}-{here.end}"'
    return (
        f'<article class="leaf" data-book="{escape(book["id"])}" data-page="{number}"{marked}>'
        f"{_contents(book, number)}{_turner(page)}"
        f'<div class="text" dir="auto">{text_html(str(page.get("text") or ""), here)}</div>'
        f"{_turner(page)}</article>"
    )


def text_html(text: str, mark: Mark | None) -> str:
    """Escaped paragraphs of a page; the mark goes on where it spans several of them."""
    if not text.strip():
        return f'<p class="quiet">{escape(words.NO_TEXT)}</p>'
    paragraphs, start = [], 0
    for gap in [*_GAP.finditer(text), None]:
        end = len(text) if gap is None else gap.start()
        piece = text[start:end]
        if piece.strip():
            paragraphs.append(f"<p{_lines(piece)}>{_marked(piece, start, mark)}</p>")
        start = end if gap is None else gap.end()
    return "".join(paragraphs)


def _lines(piece: str) -> str:
    lines = piece.strip().split("\n")
    short = len(lines) > 1 and sum(map(len, lines)) / len(lines) < SHORT_LINE
    return ' class="lines"' if short else ""


def _marked(piece: str, offset: int, mark: Mark | None) -> str:
    if mark is None:
        return escape(piece)
    start = min(max(mark.start - offset, 0), len(piece))
    end = min(max(mark.end - offset, 0), len(piece))
    if start >= end:
        return escape(piece)
    quote = f'<mark aria-label="{escape(words.CITED)}">{escape(piece[start:end])}</mark>'
    return escape(piece[:start]) + quote + escape(piece[end:])


def _turner(page: dict[str, Any]) -> str:
    number, pages = int(page["number"]), int(page["pages"])
    label = str(page.get("label") or number)
    place = words.PAGE_OF if label == str(number) else words.PAGE_NUMBERED
    chapter = page.get("chapter")
    head = f'<span class="chapter">{escape(chapter)}</span>' if chapter else ""
    return (
        f'<nav class="turner">{_step(number - 1, pages, "‹", words.PREVIOUS)}'
        f'<span class="place">{head}'
        f"<span>{escape(place.format(label=label, number=number, pages=pages))}</span></span>"
        f"{_step(number + 1, pages, '›', words.NEXT)}</nav>"
    )


def _step(target: int, pages: int, sign: str, label: str) -> str:
    disabled = "" if 1 <= target <= pages else " disabled"
    return (
        f'<button type="button" data-act="turn" data-page="{target}" '
        f'aria-label="{escape(label)}"{disabled}>{sign}</button>'
    )


def _contents(book: dict[str, Any], number: int) -> str:
    chapters = book.get("chapters") or []
    if len(chapters) < 2:
        return ""
    current = max((c["page"] for c in chapters if c["page"] <= number), default=None)
    items = "".join(_chapter(chapter, chapter["page"] == current) for chapter in chapters)
    return (
        f'<details class="contents"><summary>{escape(words.CHAPTERS)}</summary>'
        f"<ol>{items}</ol></details>"
    )


def _chapter(chapter: dict[str, Any], current: bool) -> str:
    here = ' aria-current="true"' if current else ""
    page = int(chapter["page"])
    return (
        f'<li><button type="button" data-act="turn" data-page="{page}"{here}>'
        f"<span>{escape(chapter['title'])}</span><span>{page}</span></button></li>"
    )
