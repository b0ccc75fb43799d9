"""What of the server is reachable: Gradio has more addresses than a reading room needs.

Left out are those that give files of its cache by their path, that fetch addresses of the web for
whoever asks, that keep the state of a window in a file, and that tell what others are doing. A
list of what is let through, so that what a newer Gradio brings is closed until it is looked at.
"""

from __future__ import annotations

import re
import tempfile
from os import environ
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lift_app.models.child import folder_bytes
from lift_app.models.download import free_gb

MOST_BODY_BYTES = 2**20
"""Of a request that is no upload: a question, a click."""
LEAST_FREE_GB = 1.0
"""Disk space that uploads leave."""
MOST_WAITING_GB = 2.0
"""Uploads that nobody has read yet."""

_PUBLIC = re.compile(
    r"/?|/config|/favicon\.ico|/robots\.txt|/manifest\.json|(/gradio_api)?/theme\.css"
    r"|/(assets|static|svelte)/.+|/pwa_icon(/\d+)?"
    r"|/gradio_api/(info|openapi\.json|startup-events|app_id|login_check|user)"
)
"""The same for everybody."""
_OF_BOOKS = re.compile(r"/(pages|leaves|chats)/.+")
_PERSONAL = re.compile(
    r"/gradio_api/(upload|upload_progress|queue/(join|data)|cancel|reset"
    r"|(run|api)/[^/]+|call/(v2/)?[^/]+(/[^/]+)?|heartbeat/[^/]+)"
    rf"|{_OF_BOOKS.pattern}"
)
"""Stands on somebody's shelf, or changes it."""


def is_public(path: str) -> bool:
    """Whether an address gives everybody the same and needs no pass."""
    return _PUBLIC.fullmatch(path.rstrip("/")) is not None


def is_of_books(path: str) -> bool:
    """Whether a page, its picture or a conversation is fetched there."""
    return _OF_BOOKS.fullmatch(path) is not None


def is_upload(path: str) -> bool:
    """Whether files are sent there."""
    return path.rstrip("/") == "/gradio_api/upload"


class NeededPathsOnly:
    """ASGI middleware that hides the other addresses, and bounds what may be sent."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].rstrip("/")
        if not (_PUBLIC.fullmatch(path) or _PERSONAL.fullmatch(path)):
            await PlainTextResponse("Not found", 404)(scope, receive, send)
            return
        if is_upload(path):
            if (word := _no_room()) is not None:
                await PlainTextResponse(word, 507)(scope, receive, send)
                return
        else:
            length = Headers(scope=scope).get("content-length", "0")
            if not length.isdecimal() or int(length) > MOST_BODY_BYTES:
                await PlainTextResponse("Too long", 413)(scope, receive, send)
                return
            receive = _bounded(receive)
        await self.app(scope, receive, send)


def _bounded(receive: Receive) -> Receive:
    """Ends a body that does not say how long it is."""
    got = 0

    async def bounded() -> Message:
        nonlocal got
        message = await receive()
        got += len(message.get("body", b""))
        return {"type": "http.disconnect"} if got > MOST_BODY_BYTES else message

    return bounded


def _no_room() -> str | None:
    """Why no upload can be taken just now, if so."""
    cache = Path(environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio")
    if free_gb(cache) < LEAST_FREE_GB:
        return "The disk is almost full. Nothing was taken."
    if folder_bytes(cache) > MOST_WAITING_GB * 2**30:
        return "Too many files wait to be read. Try again in a few minutes."
    return None
