"""The finder: search in the open book, and the button that asks about a selected passage."""

from __future__ import annotations

from typing import Any

from lift_app.ui import words
from lift_app.ui.seat import Mark
from lift_app.ui.security import escape

MOST_SHOWN = 80
"""Hits that are listed; the number of all is told."""


def finder_html() -> str:
    """The search field. It stays as it is while pages turn."""
    return (
        f'<form class="finder" role="search" data-form="find">'
        f'<input type="search" name="value" autocomplete="off" '
        f'placeholder="{escape(words.SEARCH)}" aria-label="{escape(words.SEARCH)}"></form>'
        f'<button type="button" id="ask-selection" data-act="quote" hidden '
        f'data-before="{escape(words.ABOUT_BEFORE)}" data-after="{escape(words.ABOUT_AFTER)}">'
        f"{escape(words.ASK_ABOUT)}</button>"
    )


def found_html(wanted: str, found: dict[str, Any] | None, mark: Mark | None) -> str:
    """What was found, in the order of the book; empty while nothing is looked for.

    Args:
        wanted: what was typed.
        found: what `Pages.search` gives; None while nothing is looked for.
        mark: what is marked now, to show which hit is open.
    """
    if found is None:
        return ""
    hits = found["hits"]
    if not hits:
        said = words.FOUND_NOTHING.format(wanted=wanted)
        return f'<section class="found"><p class="quiet" role="status">{escape(said)}</p></section>'
    said = words.count(len(hits), words.FOUND_ONE, words.FOUND_MANY).format(wanted=wanted)
    note = {"all": words.FOUND_ALL, "any": words.FOUND_ANY}.get(str(found["match"]), "")
    more = words.FOUND_MORE.format(shown=MOST_SHOWN) if len(hits) > MOST_SHOWN else ""
    said = " ".join(part for part in (f"{said}.", note, more) if part)
    items = "".join(_hit(hit, mark) for hit in hits[:MOST_SHOWN])
    return (
        f'<section class="found" aria-label="{escape(words.FOUND_LABEL)}">'
        f'<p class="quiet" role="status">{escape(said)} <button type="button" class="link" '
        f'data-act="find" data-value="">{escape(words.FOUND_CLOSE)}</button></p>'
        f"<ol>{items}</ol></section>"
    )


def _hit(hit: dict[str, Any], mark: Mark | None) -> str:
    place = Mark(int(hit["page"]), tuple((int(a), int(b)) for a, b in hit["spans"]))
    current = ' aria-current="true"' if place == mark else ""
    source = words.source(hit.get("label") or hit["page"], hit.get("chapter"))
    return (
        f'<li><button type="button" data-act="show" data-place="{place.reference}"{current}>'
        f'<span class="excerpt" dir="auto">{_excerpt(hit)}</span>'
        f'<span class="source">{escape(source)}</span></button></li>'
    )


def _excerpt(hit: dict[str, Any]) -> str:
    text, html, at = str(hit["excerpt"]), "", 0
    for start, end in hit["marked"]:
        html += f"{escape(text[at:start])}<b>{escape(text[start:end])}</b>"
        at = end
    return html + escape(text[at:])
