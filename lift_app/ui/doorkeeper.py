"""The doorkeeper of a shared app: gives passes, looks at them, and keeps visitors apart.

ASGI middleware. A pass travels in a cookie that scripts cannot read and other sites cannot send.
Gradio knows a window by a name that the browser makes up; here it belongs to the visitor who used
it first. How much a visitor may do is for `visitors.house`; this limits only raw requests.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lift_app.settings import Settings
from lift_app.ui import uploads, words
from lift_app.ui.belongings import Files, OpenWindows, Unheard, Windows
from lift_app.ui.cookies import COOKIE, SECURE_COOKIE, shown
from lift_app.ui.door import VISITOR
from lift_app.ui.forgetting import forget
from lift_app.ui.reachable import (
    MOST_BODY_BYTES,
    is_of_books,
    is_public,
    is_queued,
    is_stream,
    is_upload,
)
from lift_app.visitors import House, Passes, Rates

YEAR = 365 * 86400
PASSES_AN_HOUR = 120
"""New passes for one address; a school may stand behind it."""
_HEARS = re.compile(r"/gradio_api/call/(?:v2/)?[^/]+/([^/]+)/?")
_LISTENS = re.compile(rf"/gradio_api/heartbeat/([^/]+)/?|{_HEARS.pattern}")
UPLOADS_AN_HOUR = 30
"""Of one visitor; more than are read of them, for some are sent twice."""
FILES_AT_ONCE = 20
"""In one upload: each is open until the last one is there."""
SENDING_EACH, MOST_SENDING = 4, 32
"""Uploads that are under way: of one visitor, and of all."""
MOST_FILES = 100
"""Waiting files that one request may name."""
MOST_NAMES = 8
"""Windows that one request may name."""
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
        self._open_windows, self._unheard = OpenWindows(), Unheard()
        self._new = Rates(PASSES_AN_HOUR, 3600.0)
        self._acts = Rates(120, 12.0)  # a window draws itself every second
        self._uploads = Rates(UPLOADS_AN_HOUR, 3600.0)
        self._reads = Rates(READS, READS_SECONDS)
        self._streams: Counter[str] = Counter()
        self._sending: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with the owner of its shelf, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        owner = self._passes.owner(shown(scope, secure=self._is_secure(scope, headers)))
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
        value = shown(scope, secure=self._is_secure(scope, headers))
        if scope[VISITOR] is None:
            if not self._framed and _comes_from_elsewhere(headers):
                await HTMLResponse(KNOCK)(scope, receive, send)
                return
            if self._new.wait(_address(scope, headers, self._framed)):
                await _refuse(words.TOO_MANY_PASSES, 429)(scope, receive, send)
                return
            value = self._passes.issue()
        assert value is not None
        cookie = self._set_cookie(value, secure=self._is_secure(scope, headers))

        async def send_with_pass(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer.append("set-cookie", cookie)
                answer["cache-control"] = "no-store"
            await send(message)

        await self.app({**scope, VISITOR: self._passes.owner(value)}, receive, send_with_pass)

    async def _listen(self, scope: Scope, receive: Receive, send: Send, owner: str) -> None:
        """A request that stays open: what happens in a window."""
        if self._streams[owner] >= MOST_STREAMS:
            await _refuse(words.TOO_MANY_WINDOWS.format(most=MOST_STREAMS), 429)(
                scope, receive, send
            )
            return
        if self._acts.wait(owner):
            await _refuse(words.TOO_FAST, 429)(scope, receive, send)
            return
        names = _names_in(scope)

        async def send_heard(message: Message) -> None:
            await send(message)  # ends when the line has room again
            for name in names:
                self._unheard.heard(name)

        try:
            with _counted(self._streams, owner):
                await self.app(scope, receive, send_heard)
        finally:
            if found := _HEARS.fullmatch(scope["path"]):
                await self._close(scope, found[1], owner)

    async def _change(self, scope: Scope, receive: Receive, send: Send, owner: str) -> None:
        """A request that does something."""
        rates = self._uploads if is_upload(scope["path"]) else self._acts
        if rates.wait(owner):
            await _refuse(words.TOO_FAST, 429)(scope, receive, send)
            return
        if is_upload(scope["path"]):
            await self._take_upload(scope, receive, send, owner)
            return
        body = await _body(Request(scope, receive))
        named = _parsed(body or b"")
        window = _text(named, "session_hash")
        if body is None:
            await _refuse(words.TOO_LONG, 413)(scope, receive, send)
        elif self._takes(named, owner) or self._strange(
            owner, [*_names_in(scope), *window, *_text(named, "event_id")]
        ):
            await _refuse(words.NOT_YOURS, 403)(scope, receive, send)
        elif is_queued(scope["path"]) and any(map(self._unheard.is_full, window)):
            await _refuse(words.UNHEARD, 429)(scope, receive, send)
        else:
            for name in window:
                await self._use(scope, name, owner)
            if is_queued(scope["path"]):
                send = self._noting_event(scope, send, owner, window)
            await self.app(scope, _replayed(body, receive), send)

    async def _take_upload(self, scope: Scope, receive: Receive, send: Send, owner: str) -> None:
        """Files are sent: so many at once, and the doorkeeper notes whose they are."""
        if self._strange(owner, _names_in(scope)):
            await _refuse(words.NOT_YOURS, 403)(scope, receive, send)
            return
        if self._sending[owner] >= SENDING_EACH or self._sending.total() >= MOST_SENDING:
            await _refuse(words.TOO_MANY_UPLOADS, 429)(scope, receive, send)
            return
        few = uploads.in_few_parts(receive, Headers(scope=scope), FILES_AT_ONCE)
        with _counted(self._sending, owner):
            await self.app(scope, few, self._noting(send, owner))

    def _noting(self, send: Send, owner: str) -> Send:
        """Note whose the files are that an answer to an upload names."""

        async def note(said: Any) -> None:
            with suppress(TypeError):
                self._files.sent(map(str, said), owner)

        return _overhearing(send, note)

    def _noting_event(self, scope: Scope, send: Send, owner: str, window: list[str]) -> Send:
        """Note whose an event is; one that is called outside a window has its name as a window."""

        async def note(said: Any) -> None:
            for event in _text(said, "event_id"):
                self._windows.belongs(event, owner)
                self._unheard.asked(event, *(window or [event]))
                if not window:
                    await self._use(scope, event, owner)

        return _overhearing(send, note)

    async def _use(self, scope: Scope, window: str, owner: str) -> None:
        """A window does something; for it, others may have to be closed."""
        for name in self._open_windows.used(window, owner):
            await self._forget(scope, name)

    async def _close(self, scope: Scope, window: str, owner: str) -> None:
        self._open_windows.closed(window, owner)
        await self._forget(scope, window)

    async def _forget(self, scope: Scope, window: str) -> None:
        self._unheard.heard(window)
        await forget(scope.get("app"), window)

    def _takes(self, named: Any, owner: str) -> bool:
        """Whether a request names a waiting file that the owner has not sent, or too many."""
        files = _files_in(named)
        return len(files) > MOST_FILES or not all(self._files.belongs(f, owner) for f in files)

    def _strange(self, owner: str | None, windows: list[str]) -> bool:
        return len(windows) > MOST_NAMES or any(
            not self._windows.belongs(window, owner) for window in windows
        )

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


def _comes_from_elsewhere(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("cross-site", "same-site")
    referrer = headers.get("referer")
    return bool(referrer) and urlsplit(referrer or "").netloc != headers.get("host")


def _address(scope: Scope, headers: Headers, framed: bool) -> str:
    """The visitor's address. The proxy before a Space names it; elsewhere anybody could.

    Of IPv6 the network: whoever has one address of it has all 2**64.
    """
    named = str((scope.get("client") or ("",))[0])
    if framed and (forwarded := headers.get("x-forwarded-for")):
        named = forwarded.split(",")[0].strip()
    try:
        address = ip_address(named.partition("%")[0])
    except ValueError:
        return named[:64]
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or (int(address) >> 64))
    return str(address)


def _names_in(scope: Scope) -> list[str]:
    """Names in an address, of windows or uploads: a parameter, or the end of what is heard."""
    asked = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    names = [*asked.get("session_hash", []), *asked.get("upload_id", [])]
    if scope["method"] in ("GET", "HEAD") and (found := _LISTENS.fullmatch(scope["path"])):
        names.append(found[1] or found[2])
    return names


def _parsed(body: bytes | bytearray) -> Any:
    """What a body says; None where it says nothing, which the app then refuses."""
    try:
        return json.loads(body or b"null")
    except (ValueError, RecursionError):
        return None


def _text(said: Any, key: str) -> list[str]:
    """A text in it, if it is there."""
    value = said.get(key) if isinstance(said, dict) else None
    return [value] if isinstance(value, str) else []


def _files_in(named: Any) -> list[str]:
    """Waiting files that a request names, wherever in it; not all if there are too many."""
    waiting = [named]
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


def _overhearing(send: Send, note: Callable[[Any], Awaitable[None]]) -> Send:
    """Sends an answer, and tells `note` what it says before its end is sent."""
    said = bytearray()

    async def send_overheard(message: Message) -> None:
        said.extend(message.get("body", b""))
        if message["type"] == "http.response.body" and not message.get("more_body"):
            await note(_parsed(said))
        await send(message)

    return send_overheard


@contextmanager
def _counted(counter: Counter[str], owner: str) -> Iterator[None]:
    counter[owner] += 1
    try:
        yield
    finally:
        counter[owner] -= 1
        if not counter[owner]:
            del counter[owner]


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
