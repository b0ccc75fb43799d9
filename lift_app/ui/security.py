"""What keeps a book from acting in the reader's browser: escaping, and the page's policy.

Book text, titles, file names and answers are untrusted. Whatever becomes HTML passes `escape`
first; the Content-Security-Policy header is the second fence, should the first have a hole.
"""

from __future__ import annotations

import html
from pathlib import Path

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'self'",
        # Gradio's page starts from inline scripts and compiles its HTML templates at run time.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "worker-src 'self' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "frame-src 'none'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        # Hugging Face shows a Space inside its own page; nobody else may frame the room.
        "frame-ancestors 'self' https://huggingface.co https://*.hf.space",
    )
)
"""The page may talk to its own server and to nobody else."""

HEADERS = (
    (b"content-security-policy", POLICY.encode("ascii")),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


class PolicyHeaders:
    """ASGI middleware that puts `HEADERS` on every answer of the server."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; the answer's first message gets the headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in HEADERS}
                kept = [pair for pair in message["headers"] if pair[0].lower() not in names]
                message["headers"] = [*kept, *HEADERS]
            await send(message)

        await self.app(scope, receive, send_with_headers)


def middleware() -> list[Middleware]:
    """What `launch(app_kwargs={"middleware": ...})` takes."""
    return [Middleware(PolicyHeaders)]


def escape(value: object) -> str:
    """Text for HTML, inside elements and inside quoted attributes.

    Lone surrogates, which damaged files do yield, become `?`: they cannot travel as UTF-8.
    """
    return html.escape(str(value).encode("utf-8", "replace").decode("utf-8"), quote=True)


def forget_upload(path: Path) -> None:
    """Delete an uploaded file from Gradio's cache, where any visitor could fetch it by URL."""
    path.unlink(missing_ok=True)
    try:
        path.parent.rmdir()
    except OSError:
        # The same file, uploaded in two windows at once, shares a folder.
        return
