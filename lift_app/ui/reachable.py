"""What of the server is reachable: Gradio has more addresses than a reading room needs.

Left out are those that give files of its cache by their path, that fetch addresses of the web for
whoever asks, that keep the state of a window in a file, and that tell what others are doing. A
list of what is let through, so that what a newer Gradio brings is closed until it is looked at.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lift_app.ui import cookies, uploads

MOST_BODY_BYTES = 2**20
"""Of a request that is no upload: a question, a click."""

_PUBLIC = re.compile(
    r"/?|/config|/favicon\.ico|/robots\.txt|/manifest\.json|(/gradio_api)?/theme\.css"
    r"|/(assets|static|svelte)/.+"
    r"|/gradio_api/(info|openapi\.json|startup-events|app_id|login_check|user)"
)
"""The same for everybody."""
_OF_BOOKS = re.compile(r"/(pages|leaves|chats)/.+")
_NAME = r"[A-Za-z0-9_-]+"
"""Of a verb, an event or a window. Gradio writes into the log what it does not know."""
_PERSONAL = re.compile(
    r"/gradio_api/(upload|upload_progress|queue/(join|data)|cancel|reset"
    rf"|(run|api)/{_NAME}|call/(v2/)?{_NAME}(/{_NAME})?|heartbeat/{_NAME})"
    rf"|{_OF_BOOKS.pattern}"
)
"""Stands on somebody's shelf, or changes it."""
_STREAM = re.compile(
    r"/gradio_api/(queue/data|upload_progress|heartbeat/[^/]+|call/(v2/)?[^/]+/[^/]+)"
)

_QUEUE = re.compile(r"/gradio_api/(queue/join|call/(v2/)?[^/]+)")


def is_public(path: str) -> bool:
    """Whether an address gives everybody the same and needs no pass."""
    return _PUBLIC.fullmatch(path.rstrip("/")) is not None


def is_of_books(path: str) -> bool:
    """Whether a page, its picture or a conversation is fetched there."""
    return _OF_BOOKS.fullmatch(path) is not None


def is_stream(path: str) -> bool:
    """Whether a request for an address stays open and is told what happens."""
    return _STREAM.fullmatch(path.rstrip("/")) is not None


def is_queued(path: str) -> bool:
    """Whether what is asked for there is told later, to who listens."""
    return _QUEUE.fullmatch(path.rstrip("/")) is not None


def is_upload(path: str) -> bool:
    """Whether files are sent there."""
    return path.rstrip("/") == "/gradio_api/upload"


class NeededPathsOnly:
    """ASGI middleware that hides other addresses and cookies, and bounds what may be sent."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope = cookies.without_others(scope)
        path = scope["path"].rstrip("/")
        if not (_PUBLIC.fullmatch(path) or _PERSONAL.fullmatch(path)):
            await PlainTextResponse("Not found", 404)(scope, receive, send)
            return
        if is_upload(path):
            if (word := uploads.refusal()) is not None:
                await PlainTextResponse(word, 507)(scope, receive, send)
                return
            parts = uploads.in_few_parts(receive, Headers(scope=scope), uploads.MOST_AT_ONCE)
            receive = uploads.watched(parts)
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
