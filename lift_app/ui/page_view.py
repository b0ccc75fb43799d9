"""One page of the book, and the ways to other pages.

A PDF's page is the picture of the printed page (`sheet.py`) or its text; other books have their
text. The passage that was asked for is marked in either.
"""

from __future__ import annotations

import re
from typing import Any

from lift_app.ui import words
from lift_app.ui.seat import PRINT, TEXT, Mark
from lift_app.ui.security import escape
from lift_app.ui.sheet import sheet_html

_GAP = re.compile(r"\n[ \t]*\n\s*")
_WORDS = re.compile(r"\w+")
SHORT_LINE = 45
"""Mean length in characters under which lines are verse or a list, and are kept as lines."""
LONGEST_HEADING = 120
"""Characters of a paragraph that may be a heading."""


def page_html(
    book: dict[str, Any],
    page: dict[str, Any],
    mark: Mark | None,
    places: dict[str, Any] | None = None,
    view: str = TEXT,
) -> str:
    """The page with its heading and navigation.

    Args:
        book: what `Reader.show` or `Pages.cover` gives.
        page: what `Reader.page` gives.
        mark: the passage to mark, if it is on this page.
        places: what `Pages.places` gives for the mark, to show the printed page; None for the text.
        view: what the reader has chosen, for the button that changes it.
    """
    number = int(page["number"])
    here = mark if mark is not None and mark.page == number else None
    marked = "" if here is None else f' data-mark="{escape(here.reference)}"'
    language = (book.get("report") or {}).get("language")
    spoken = f' lang="{escape(language)}"' if language else ""
    if places is not None:
        body = sheet_html(str(book["id"]), page, here, places)
    else:
        text = text_html(str(page.get("text") or ""), here, _titles(book, number))
        body = f'<div class="text" dir="auto"{spoken}>{text}</div>'
    return (
        f'<article class="leaf" data-book="{escape(book["id"])}" data-page="{number}" '
        f'data-pages="{int(page["pages"])}" data-view="{escape(view)}"{marked} '
        f'aria-label="{escape(words.PAGE_LABEL.format(label=page.get("label") or number))}">'
        f'<header class="head">{_contents(book, number)}{_turner(page, form=True)}'
        f"{_views(book, view)}</header>{body}{_turner(page, form=False)}</article>"
    )


def text_html(text: str, mark: Mark | None, titles: tuple[str, ...] = ()) -> str:
    """Escaped paragraphs of a page; the mark goes on where it spans several of them.

    Args:
        text: of the page.
        mark: ranges to mark.
        titles: of the chapters that begin on this page; a paragraph that is one is a heading.
    """
    if not text.strip():
        return f'<p class="quiet">{escape(words.NO_TEXT)}</p>'
    known = {key for title in titles for key in _title_keys(title)}
    paragraphs, start = [], 0
    for gap in [*_GAP.finditer(text), None]:
        end = len(text) if gap is None else gap.start()
        piece = text[start:end]
        if piece.strip():
            heading = len(piece) < LONGEST_HEADING and _key(piece) in known
            tag, kind = ("h3", ' class="heading"') if heading else ("p", _lines(piece))
            paragraphs.append(f"<{tag}{kind}>{_marked(piece, start, mark)}</{tag}>")
        start = end if gap is None else gap.end()
    return "".join(paragraphs)


def _titles(book: dict[str, Any], number: int) -> tuple[str, ...]:
    chapters = book.get("chapters") or []
    found = [str(c["title"]) for c in chapters if int(c["page"]) == number]
    return (*found, str(book.get("title") or "")) if number == 1 else tuple(found)


def _title_keys(title: str) -> set[str]:
    """A title as it may stand on its page: whole, or its number and its name on two lines."""
    parts = re.split(r"[:.–—]\s", title, maxsplit=1)
    return {key for part in (title, *parts) if (key := _key(part))}


def _key(text: str) -> str:
    return " ".join(_WORDS.findall(text.casefold()))


def _lines(piece: str) -> str:
    lines = piece.strip().split("\n")
    short = len(lines) > 1 and sum(map(len, lines)) / len(lines) < SHORT_LINE
    return ' class="lines"' if short else ""


def _marked(piece: str, offset: int, mark: Mark | None) -> str:
    html, at = "", 0
    for first, last in () if mark is None else sorted(mark.spans):
        start = min(max(first - offset, at), len(piece))
        end = min(max(last - offset, at), len(piece))
        if start < end:
            quote = f'<mark aria-label="{escape(words.CITED)}">{escape(piece[start:end])}</mark>'
            html += escape(piece[at:start]) + quote
            at = end
    return html + escape(piece[at:])


def _turner(page: dict[str, Any], *, form: bool) -> str:
    number, pages = int(page["number"]), int(page["pages"])
    label = str(page.get("label") or number)
    chapter = page.get("chapter")
    head = f'<span class="chapter">{escape(chapter)}</span>' if chapter else ""
    if form:
        after = words.OF_PAGES if label == str(number) else words.OF_PAGES_NUMBERED
        place = (
            f'<form class="goto" data-form="goto"><label>{escape(words.PAGE)} '
            f'<input name="value" value="{escape(label)}" size="4" autocomplete="off" '
            f'aria-label="{escape(words.GO_TO_PAGE)}"></label> '
            f"<span>{escape(after.format(number=number, pages=pages))}</span></form>"
        )
    else:
        said = words.PAGE_OF if label == str(number) else words.PAGE_NUMBERED
        place = f"<span>{escape(said.format(label=label, number=number, pages=pages))}</span>"
        head = ""
    return (
        f'<nav class="turner" aria-label="{escape(words.PAGE_TOP if form else words.PAGE_BOTTOM)}">'
        f"{_step(number - 1, pages, '‹', words.PREVIOUS)}"
        f'<span class="place">{head}{place}</span>'
        f"{_step(number + 1, pages, '›', words.NEXT)}</nav>"
    )


def _step(target: int, pages: int, sign: str, label: str) -> str:
    disabled = "" if 1 <= target <= pages else " disabled"
    return (
        f'<button type="button" data-act="turn" data-page="{target}" '
        f'aria-label="{escape(label)}"{disabled}>{sign}</button>'
    )


def _views(book: dict[str, Any], view: str) -> str:
    """The choice between the printed page and its text, where there are both."""
    if book.get("format") != "pdf":
        return "<span></span>"
    buttons = "".join(
        f'<button type="button" data-act="view" data-view="{name}" '
        f'aria-pressed="{"true" if name == view else "false"}">{escape(label)}</button>'
        for name, label in ((PRINT, words.VIEW_PRINT), (TEXT, words.VIEW_TEXT))
    )
    return f'<div class="views" role="group" aria-label="{escape(words.VIEW)}">{buttons}</div>'


def _contents(book: dict[str, Any], number: int) -> str:
    chapters = book.get("chapters") or []
    if len(chapters) < 2:
        return "<span></span>"
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
