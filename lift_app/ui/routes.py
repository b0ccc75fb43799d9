"""What the page fetches besides Gradio's own: pages, their pictures, conversations as files.

Only the reading room's own page gets them: another site that shows such an address in an image
could otherwise learn which books are on the shelf.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from lift_app.errors import CallerError, LiftError
from lift_app.ui.door import Door
from lift_app.ui.leaf import leaf_html
from lift_app.ui.seat import PRINT, TEXT
from lift_app.ui.transcript import file_name, transcript

if TYPE_CHECKING:
    from lift_app.reader import Reader

log = logging.getLogger(__name__)
OWN = ("same-origin", "none")
"""What a browser says of a request that its own page, or the reader at the address bar, made."""
LONGEST_NUMBER = 9
"""Digits of a page's number, or of a width."""
KEEP = {
    # A book's id is the sha256 of its file, so a page's picture never changes.
    "cache-control": "private, max-age=31536000, immutable",
    "cross-origin-resource-policy": "same-origin",
}
FRESH = {"cache-control": "no-store", "cross-origin-resource-policy": "same-origin"}
"""A page's text may change: another encoding, another way to find its chapters."""


def routes(door: Door) -> list[BaseRoute]:
    """What `launch(app_kwargs={"routes": ...})` takes."""

    def own(path: str, answer: Callable[[Request, Reader], Response]) -> Route:
        """A route for the own page alone. What is not there is a 404, in the words of the error."""

        def handle(request: Request) -> Response:
            if request.headers.get("sec-fetch-site", OWN[0]) not in OWN:
                return PlainTextResponse("", status_code=403)
            try:
                return answer(request, door.reader(request))
            except LiftError as error:
                log.info("nothing for %s: %s", path, error)
                return PlainTextResponse(str(error).encode("utf-8", "replace"), status_code=404)

        return Route(path, handle)

    return [
        own("/leaves/{book}/{number}", _leaf),
        own("/pages/{book}/{number}.jpg", _picture),
        own("/chats/{chat}.md", _conversation),
    ]


def _leaf(request: Request, reader: Reader) -> Response:
    view = TEXT if request.query_params.get("view") == TEXT else PRINT
    cover = reader.pages.cover(request.path_params["book"])
    number = _number(request.path_params["number"])
    return HTMLResponse(leaf_html(reader, cover, number, None, view), headers=FRESH)


def _picture(request: Request, reader: Reader) -> Response:
    number = _number(request.path_params["number"])
    width = _number(request.query_params.get("width") or "0")
    data = reader.pages.picture(request.path_params["book"], number, width)
    return Response(data, media_type="image/jpeg", headers=KEEP)


def _conversation(request: Request, reader: Reader) -> Response:
    book, chat = reader.chat(request.path_params["chat"])
    text = transcript(book, chat, reader.messages(chat["id"]))
    return Response(
        text.encode("utf-8", "replace"),
        media_type="text/markdown; charset=utf-8",
        headers={"content-disposition": f"attachment; filename*=UTF-8''{quote(file_name(chat))}"},
    )


def _number(text: str) -> int:
    """A number in an address. Raises CallerError: it is none, or longer than any here."""
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER):
        raise CallerError("There is no such page.")
    return int(text)
