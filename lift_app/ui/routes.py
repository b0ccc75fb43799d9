"""What the page fetches besides Gradio's own: pages, their pictures, conversations as files.

Only the reading room's own page gets them: another site that shows such an address in an image
could otherwise learn which books are on the shelf.
"""

from __future__ import annotations

import logging
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from lift_app.errors import LiftError
from lift_app.ui.door import Door
from lift_app.ui.leaf import leaf_html
from lift_app.ui.seat import PRINT, TEXT
from lift_app.ui.transcript import file_name, transcript

log = logging.getLogger(__name__)
OWN = ("same-origin", "none")
"""What a browser says of a request that its own page, or the reader at the address bar, made."""
KEEP = {
    # A book's id is the sha256 of its file, so a page's picture never changes.
    "cache-control": "private, max-age=31536000, immutable",
    "cross-origin-resource-policy": "same-origin",
}
FRESH = {"cache-control": "no-store", "cross-origin-resource-policy": "same-origin"}
"""A page's text may change: another encoding, another way to find its chapters."""


def routes(door: Door) -> list[BaseRoute]:
    """What `launch(app_kwargs={"routes": ...})` takes."""

    def picture(request: Request) -> Response:
        if request.headers.get("sec-fetch-site", OWN[0]) not in OWN:
            return PlainTextResponse("", status_code=403)
        try:
            width = int(request.query_params.get("width", "0")[:6] or 0)
            number = int(request.path_params["number"])
            reader = door.reader(request)
            data = reader.pages.picture(request.path_params["book"], number, width)
        except (LiftError, ValueError) as error:
            log.info("no picture of a page: %s", error)
            return PlainTextResponse("", status_code=404)
        return Response(data, media_type="image/jpeg", headers=KEEP)

    def leaf(request: Request) -> Response:
        if request.headers.get("sec-fetch-site", OWN[0]) not in OWN:
            return PlainTextResponse("", status_code=403)
        view = TEXT if request.query_params.get("view") == TEXT else PRINT
        try:
            reader = door.reader(request)
            details = reader.show(request.path_params["book"])
            html = leaf_html(reader, details, request.path_params["number"], None, view)
        except LiftError as error:
            log.info("no page ahead: %s", error)
            return PlainTextResponse("", status_code=404)
        return HTMLResponse(html, headers=FRESH)

    def conversation(request: Request) -> Response:
        if request.headers.get("sec-fetch-site", OWN[0]) not in OWN:
            return PlainTextResponse("", status_code=403)
        try:
            reader = door.reader(request)
            book, chat = reader.chat(request.path_params["chat"])
            messages = reader.messages(chat["id"])
        except LiftError as error:
            return PlainTextResponse(str(error), status_code=404)
        name = quote(file_name(chat))
        return Response(
            transcript(book, chat, messages).encode("utf-8", "replace"),
            media_type="text/markdown; charset=utf-8",
            headers={"content-disposition": f"attachment; filename*=UTF-8''{name}"},
        )

    return [
        Route("/leaves/{book:str}/{number:int}", leaf),
        Route("/pages/{book:str}/{number:int}.jpg", picture),
        Route("/chats/{chat:str}.md", conversation),
    ]
