"""The shelf: books as coloured spines with their state, and the way to add one."""

from __future__ import annotations

import zlib
from typing import Any

from lift_app.ui import words
from lift_app.ui.security import escape

SPINES = 8
"""Colours of spines in `style.css`."""


def state_of(book: dict[str, Any]) -> tuple[str, str, int | None]:
    """A book's state as (css class, words, percent of a running lift)."""
    job = book.get("job") or {}
    state = job.get("state")
    percent = percent_of(job)
    if state == "running":
        return "learning", words.LEARNING.format(percent=percent), percent
    if state == "paused":
        return "paused", words.PAUSED.format(percent=percent), percent
    if state == "queued":
        return "queued", words.QUEUED, None
    if book.get("learned"):
        return "learned", words.LEARNED, None
    if state == "failed":
        return "failed", words.FAILED, None
    return "new", words.NOT_LEARNED, None


def percent_of(job: dict[str, Any]) -> int:
    """How far a lift is, 0 to 100; 100 only when every step is done."""
    steps = job.get("steps") or 0
    return min(100, 100 * int(job.get("step") or 0) // steps) if steps else 0


def shelf_html(books: list[dict[str, Any]], selected: str | None) -> str:
    """The shelf as a list of buttons; the open book is marked `aria-current`."""
    if not books:
        return f'<p class="quiet">{escape(words.SHELF_EMPTY)}</p>'
    return f'<ul class="spines">{"".join(_spine(book, selected) for book in books)}</ul>'


def _spine(book: dict[str, Any], selected: str | None) -> str:
    css, state, percent = state_of(book)
    colour = zlib.crc32(str(book["id"]).encode()) % SPINES
    current = ' aria-current="true"' if book["id"] == selected else ""
    bar = "" if percent is None else f'<span class="thin"><i style="width:{percent}%"></i></span>'
    return (
        f'<li><button type="button" class="spine c{colour} {css}" data-act="book" '
        f'data-book="{escape(book["id"])}"{current}>'
        f'<span class="spine-title">{escape(book["title"])}</span>'
        f'<span class="spine-state">{escape(state)}</span>{bar}</button></li>'
    )
