"""The doorkeeper of a shared app: gives passes, looks at them, and keeps visitors apart.

ASGI middleware. A pass travels in a cookie that scripts cannot read and other sites cannot send.
Gradio knows a window by a name that the browser makes up; here it belongs to the visitor who used
it first. How much a visitor may do is for `visitors.house`; this limits only raw requests.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import suppress
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lift_app.settings import Settings
from lift_app.ui import uploads, words
from lift_app.ui.belongings import Files, Windows
from lift_app.ui.door import VISITOR
from lift_app.ui.reachable import MOST_BODY_BYTES, is_of_books, is_public, is_stream, is_upload
from lift_app.visitors import House, Passes, Rates

COOKIE = "lift_pass"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Over https: no other host of the same domain can set a cookie of this name, and so lead a visitor
to a shelf that somebody else has the pass of."""
YEAR = 365 * 86400
PASSES_AN_HOUR = 120
"""New passes for one address; a school may stand behind it."""
_LISTENS = re.compile(r"/gradio_api/(?:heartbeat|call/(?:v2/)?[^/]+)/([^/]+)/?")
UPLOADS_AN_HOUR = 30
"""Of one visitor; more than are read of them, for some are sent twice."""
MOST_FILES = 100
"""Waiting files that one request may name."""
MOST_STREAMS = 48
"""Streams that a visitor listens to at once; an open window has two or three."""
READS, READS_SECONDS = 400, 40.0
"""Pages and pictures of one visitor: as many at once, then ten a second. A page that is turned to
brings a few with it, for its neighbours are fetched ahead."""
KNOCK = (
    '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0">'
    f"<title>{words.APP}</title>"
)
"""Comes where another site's link led here: a strict cookie is sent only by our own page."""


class Doorkeeper:
    """Lets visitors in.

    Args:
        app: what is behind the door.
        passes: of the house.
        framed: whether the page stands in the frame of another site's page, over https.
    """

    def __init__(self, app: ASGIApp, passes: Passes, framed: bool) -> None:
        self.app = app
        self._passes = passes
        self._framed = framed
        self._windows, self._files = Windows(), Files()
        self._new = Rates(PASSES_AN_HOUR, 3600.0)
        self._acts = Rates(120, 12.0)  # a window draws itself every second
        self._uploads = Rates(UPLOADS_AN_HOUR, 3600.0)
        self._reads = Rates(READS, READS_SECONDS)
        self._streams: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with the owner of its shelf, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        owner = self._passes.owner(_cookie(headers, secure=self._is_secure(scope, headers)))
        scope = {**scope, VISITOR: owner}
        if scope["path"] in ("", "/"):
            await self._open(scope, receive, send, headers)
        elif owner is None and not is_public(scope["path"]):
            await _refuse(words.NO_PASS, 403)(scope, receive, send)
        elif owner is None or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            if self._strange(owner, _names_in(scope)):
                await _refuse(words.NOT_YOURS, 403)(scope, receive, send)
            elif owner is not None and is_of_books(scope["path"]) and self._reads.wait(owner):
                await _refuse(words.TOO_FAST, 429)(scope, receive, send)
            elif owner is not None and is_stream(scope["path"]):
                await self._listen(scope, receive, send, owner)
            else:
                await self.app(scope, receive, send)
        else:
            await self._change(scope, receive, send, owner)

    async def _open(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        """The page itself. It comes with a pass; a valid one is kept."""
        shown = _cookie(headers, secure=self._is_secure(scope, headers))
        if scope[VISITOR] is None:
            if not self._framed and _comes_from_elsewhere(headers):
                await HTMLResponse(KNOCK)(scope, receive, send)
                return
            if self._new.wait(_address(scope, headers, self._framed)):
                await _refuse(words.TOO_MANY_PASSES, 429)(scope, receive, send)
                return
            shown = self._passes.issue()
        assert shown is not None
        cookie = self._set_cookie(shown, secure=self._is_secure(scope, headers))

        async def send_with_pass(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer.append("set-cookie", cookie)
                answer["cache-control"] = "no-store"
            await send(message)

        await self.app({**scope, VISITOR: self._passes.owner(shown)}, receive, send_with_pass)

    async def _listen(self, scope: Scope, receive: Receive, send: Send, owner: str) -> None:
        """A request that stays open: what happens in a window."""
        if self._streams[owner] >= MOST_STREAMS:
            await _refuse(words.TOO_MANY_WINDOWS.format(most=MOST_STREAMS), 429)(
                scope, receive, send
            )
            return
        self._streams[owner] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._streams[owner] -= 1
            if not self._streams[owner]:
                del self._streams[owner]

    async def _change(self, scope: Scope, receive: Receive, send: Send, owner: str) -> None:
        """A request that does something."""
        rates = self._uploads if is_upload(scope["path"]) else self._acts
        if rates.wait(owner):
            await _refuse(words.TOO_FAST, 429)(scope, receive, send)
            return
        if is_upload(scope["path"]):
            await self.app(scope, receive, self._noting(send, owner))
            return
        body = await _body(Request(scope, receive))
        if body is None:
            await _refuse(words.TOO_LONG, 413)(scope, receive, send)
        elif self._takes(body, owner) or self._strange(
            owner, [*_names_in(scope), *_names_of(body)]
        ):
            await _refuse(words.NOT_YOURS, 403)(scope, receive, send)
        else:
            await self.app(scope, _replayed(body, receive), send)

    def _noting(self, send: Send, owner: str) -> Send:
        """Note whose the files are that an answer to an upload names."""
        said = bytearray()

        async def send_noting(message: Message) -> None:
            said.extend(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                with suppress(ValueError, TypeError):
                    self._files.sent(map(str, json.loads(said)), owner)
            await send(message)

        return send_noting

    def _takes(self, body: bytes, owner: str) -> bool:
        """Whether a request names a waiting file that the owner has not sent, or too many."""
        files = _files_in(body)
        return len(files) > MOST_FILES or not all(self._files.belongs(f, owner) for f in files)

    def _strange(self, owner: str | None, windows: list[str]) -> bool:
        return any(not self._windows.belongs(window, owner) for window in windows)

    def _set_cookie(self, value: str, *, secure: bool) -> str:
        if self._framed:  # a browser sends no strict cookie from within another site's page
            rules = "SameSite=None; Secure; Partitioned"
        else:
            rules = "SameSite=Strict" + ("; Secure" if secure else "")
        name = SECURE_COOKIE if secure else COOKIE
        return f"{name}={value}; Path=/; Max-Age={YEAR}; HttpOnly; {rules}"

    def _is_secure(self, scope: Scope, headers: Headers) -> bool:
        """Whether the visitor came over https, which the frame of a Space always does."""
        return self._framed or "https" in (scope.get("scheme"), headers.get("x-forwarded-proto"))


def keeper(house: House, settings: Settings) -> Middleware:
    """What `launch(app_kwargs={"middleware": [...]})` takes for a shared app."""
    return Middleware(Doorkeeper, passes=house.passes, framed=settings.framed)


def _cookie(headers: Headers, *, secure: bool) -> str | None:
    found = SimpleCookie()
    try:
        found.load(headers.get("cookie", ""))
    except Exception:  # what the standard library makes of a malformed one
        return None
    name = SECURE_COOKIE if secure else COOKIE
    return found[name].value if name in found else None


def _comes_from_elsewhere(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("cross-site", "same-site")
    referrer = headers.get("referer")
    return bool(referrer) and urlsplit(referrer or "").netloc != headers.get("host")


def _address(scope: Scope, headers: Headers, framed: bool) -> str:
    """The visitor's address. The proxy before a Space names it; elsewhere anybody could."""
    if framed and (forwarded := headers.get("x-forwarded-for")):
        return forwarded.split(",")[0].strip()
    return str((scope.get("client") or ("",))[0])


def _names_in(scope: Scope) -> list[str]:
    """Names of windows in an address: as a parameter, or at the end of what is listened to."""
    names = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("session_hash", [])
    if scope["method"] in ("GET", "HEAD") and (found := _LISTENS.fullmatch(scope["path"])):
        names.append(found[1])
    return names


def _names_of(body: bytes) -> list[str]:
    try:
        found = json.loads(body or b"null")
    except (ValueError, RecursionError):
        return []  # the app refuses it
    name = found.get("session_hash") if isinstance(found, dict) else None
    return [name] if isinstance(name, str) else []


def _files_in(body: bytes) -> list[str]:
    """Waiting files that a request names, wherever in it; not all if there are too many."""
    try:
        waiting = [json.loads(body or b"null")]
    except (ValueError, RecursionError):
        return []
    found: list[str] = []
    while waiting and len(found) <= MOST_FILES:
        value = waiting.pop()
        if isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value
        elif isinstance(value, str) and uploads.holds(value):
            found.append(value)
    return found


async def _body(request: Request) -> bytes | None:
    """The whole body; None where it is too long."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY_BYTES:
            return None
    return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _refuse(text: str, status: int) -> JSONResponse:
    return JSONResponse({"detail": text, "error": text}, status)
