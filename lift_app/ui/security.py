"""What keeps a book from acting in the reader's browser, and other pages from acting here.

Book text, titles, file names and answers are untrusted. Whatever becomes HTML passes `escape`
first; the Content-Security-Policy header is the second fence, should the first have a hole. Pages
of other sites that are open in the same browser are strangers: they can neither pretend that the
app is theirs (a name that leads to 127.0.0.1) nor send it forms.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from gradio import processing_utils
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lift_app.ui.reachable import NeededPathsOnly

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
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-permitted-cross-domain-policies", b"none"),
    (
        b"permissions-policy",
        b"camera=(), microphone=(), geolocation=(), payment=(), usb=(), display-capture=()",
    ),
)

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
"""Names by which a browser of this machine reaches it."""


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


class OwnPagesOnly:
    """ASGI middleware that refuses what a page of another site lets the browser send or read.

    Browsers say where a request comes from: `Sec-Fetch-Site` on secure addresses, `Origin`
    elsewhere. Programs say nothing and may pass. Opening the app by a link of another site is
    fine, changing something from there is not.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403."""
        if scope["type"] == "http" and _is_foreign(scope["method"], Headers(scope=scope)):
            refusal = PlainTextResponse("This page may not change anything here.", 403)
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _is_foreign(method: str, headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None and method not in ("GET", "HEAD", "OPTIONS"):
        return site not in ("none", "same-origin")
    # A link and a picture come without an origin; with one, a script wants to read the answer.
    origin = headers.get("origin")
    own = (headers.get("host"), headers.get("x-forwarded-host"))
    return origin is not None and urlsplit(origin).netloc not in own


def middleware(host: str) -> list[Middleware]:
    """What `launch(app_kwargs={"middleware": ...})` takes.

    Args:
        host: the address that the app binds to. On a loopback address only requests for this
            machine's own names are answered: any site can let its name lead to 127.0.0.1.
    """
    fences = [Middleware(PolicyHeaders), Middleware(OwnPagesOnly), Middleware(NeededPathsOnly)]
    if host in LOOPBACK:
        fences.append(Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK, www_redirect=False))
    return fences


def fetch_nothing() -> None:
    """Keep Gradio from fetching what a request gives as the address of a file."""
    processing_utils.async_ssrf_protected_get = _refuse


async def _refuse(url: str) -> NoReturn:
    raise ValueError("This app fetches nothing from the web.")


def exposure(host: str, *, shared: bool = False) -> str | None:
    """A word of warning where others than this machine can reach the app, else None."""
    if host in LOOPBACK:
        return None
    if shared:
        return (
            f"The app listens on {host}: everybody who reaches this address gets a shelf of their "
            "own here. Put https in front of it, or whoever can read the network can read along."
        )
    return (
        f"The app listens on {host}: everybody who reaches this address can read, ask and delete "
        "every book here, for there is one shelf and no password. Use 127.0.0.1, or put a "
        "sign-in in front of it, or give each visitor a shelf of their own with --shared."
    )


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
