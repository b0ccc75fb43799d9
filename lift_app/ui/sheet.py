"""The sheet: a PDF's page as a picture, its words on top to select, the marked passage in yellow.

The words are SVG text without colour, each line as wide as it is printed: so a reader selects,
copies and hears the page though it is a picture.
"""

from __future__ import annotations

from typing import Any

from lift_app.pages import WIDTHS
from lift_app.reading.book import BROKEN
from lift_app.ui import words
from lift_app.ui.seat import Mark
from lift_app.ui.security import escape

SIZES = "(max-width: 820px) 94vw, 46rem"
"""How wide the picture is shown, for the browser's choice among `WIDTHS`."""
_BASELINE = 0.78
"""Where letters stand in a line's box, from its top."""
_MARGIN = 1.0
"""Points by which a mark is wider than its words."""


def sheet_html(
    book_id: str, page: dict[str, Any], mark: Mark | None, places: dict[str, Any]
) -> str:
    """The printed page.

    Args:
        book_id: for the picture's address.
        page: what `Reader.page` gives.
        mark: the passage that is marked, if it is on this page.
        places: what `Pages.places` gives for the spans of `mark`.
    """
    number = int(page["number"])
    width, height = float(places["width"]), float(places["height"])
    address = f"pages/{escape(book_id)}/{number}.jpg"
    sources = ", ".join(f"{address}?width={one} {one}w" for one in WIDTHS)
    boxes = [box for boxes in places["marks"] for box in boxes]
    uncertain = mark is not None and not all(places["marks"])
    note = _uncertain() if uncertain else ""
    said = ""
    if mark is not None and boxes:
        text = str(page.get("text") or "")
        quotes = " … ".join(text[start:end] for start, end in mark.spans)
        said = f'<p class="sr-only">{escape(words.MARKED_HERE)} <q>{escape(quotes)}</q></p>'
    return (
        f'{note}{said}<div class="sheet" style="aspect-ratio: {width:g} / {height:g}">'
        f'<img src="{address}?width={WIDTHS[1]}" srcset="{sources}" sizes="{SIZES}" '
        f'width="{width:g}" height="{height:g}" alt="" decoding="sync">'
        f'<svg class="marks" viewBox="0 0 {width:g} {height:g}" aria-hidden="true">'
        f"{''.join(map(_mark, boxes))}</svg>"
        f'<svg class="words" viewBox="0 0 {width:g} {height:g}" direction="ltr" role="group" '
        f'aria-label="{escape(words.WORDS_OF_PAGE)}">'
        f"{''.join(_line(*line) for line in places['lines'])}</svg></div>"
    )


def _mark(box: list[float]) -> str:
    left, top, right, bottom = box
    return (
        f'<rect class="mark" x="{left - _MARGIN:.1f}" y="{top:.1f}" '
        f'width="{right - left + 2 * _MARGIN:.1f}" height="{bottom - top:.1f}" rx="1.5"/>'
    )


def _line(left: float, top: float, right: float, bottom: float, text: str) -> str:
    size, width = bottom - top, right - left
    if size < 1 or width < 1:
        return ""
    # The space keeps the words of two lines apart when both are selected; a torn word ends in a
    # soft hyphen, which `page.js` takes for what it is.
    if not text.endswith(BROKEN):
        width *= (len(text) + 1) / len(text)
        text += " "
    return (
        f'<text x="{left:.1f}" y="{top + _BASELINE * size:.1f}" font-size="{size:.1f}" '
        f'textLength="{width:.1f}" lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'
    )


def _uncertain() -> str:
    return (
        f'<p class="quiet uncertain" role="status">{escape(words.MARK_UNCERTAIN)} '
        f'<button type="button" class="link" data-act="view" data-view="text">'
        f"{escape(words.MARK_IN_TEXT)}</button></p>"
    )
