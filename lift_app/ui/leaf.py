"""A leaf: one page of a book as HTML, with its passage marked, from what the Reader knows of it.

The window that turns to a page is sent its leaf; `page.js` asks for the neighbours' ahead of time,
so that a turn need not wait for the server.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from lift_app.errors import LiftError
from lift_app.ui.page_view import page_html
from lift_app.ui.seat import PRINT, Mark

if TYPE_CHECKING:
    from lift_app.reader import Reader

log = logging.getLogger(__name__)


def leaf_html(
    reader: Reader, details: dict[str, Any], number: int, mark: Mark | None, view: str
) -> str:
    """The leaf of a page.

    Args:
        reader: for the page, and where its text is printed.
        details: what `Reader.show` or `Pages.cover` gives of the book.
        number: of the page, 1-based.
        mark: the passage that is marked, here or elsewhere.
        view: `PRINT` or `TEXT`.

    Raises:
        NotFound: there is no such book.
        CallerError: there is no such page.
    """
    page = reader.page(details["id"], number)
    here = mark if mark is not None and mark.page == number else None
    places = _places(reader, details, number, here) if view == PRINT else None
    return page_html(details, page, here, places, view)


def _places(
    reader: Reader, details: dict[str, Any], number: int, mark: Mark | None
) -> dict[str, Any] | None:
    """Where the page's text is printed; None to show the text instead of a picture."""
    if details.get("format") != "pdf":
        return None
    try:
        places: dict[str, Any] = reader.pages.places(
            details["id"], number, mark.spans if mark is not None else ()
        )
        return places
    except LiftError as error:
        # The text was read another way where pdfium cannot open the file.
        log.info("a page is shown as text: %s", error)
        return None
