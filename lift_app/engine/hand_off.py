"""Hand-off: another process of this reader asks the owner of the model to answer.

Lifts need no hand-off: a job row in SQLite is enough, and the owner finds it. Only a question has
to cross, and its answer streams back as JSON lines over the loopback address.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from lift_app.engine.lock import Owner
from lift_app.errors import Busy, LiftError

AskStream = Callable[[dict[str, Any]], Iterator[dict[str, Any]]]
"""Takes the arguments of `Reader.ask_stream`, yields its events."""
Stopper = Callable[[str], None]
"""Cuts the answers short that are given to an owner of books."""

MAX_REQUEST_BYTES = 1_000_000
STALLED_SECONDS = 30.0
"""A line on which nothing moves for so long is given up, and its thread with it."""
CLOSE_SECONDS = 0.05
"""So long may closing take; a command that asked one question waits for it at its end."""

log = logging.getLogger(__name__)


class HandOff:
    """Serves questions of other processes on a free loopback port."""

    def __init__(self, ask_stream: AskStream, stop_answers: Stopper) -> None:
        self.token = secrets.token_urlsafe(32)
        handler = _handler(ask_stream, stop_answers, self.token)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            args=(CLOSE_SECONDS,),
            name="lift-hand-off",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def ask_owner(owner: Owner, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Hand a question to the owner of the model.

    Yields:
        The events of `Reader.ask_stream`.

    Raises:
        LiftError: what the owner says went wrong.
        Busy: the owner cannot be reached.
    """
    try:
        with httpx.stream(
            "POST",
            f"http://127.0.0.1:{owner.port}/ask",
            json=arguments,
            timeout=httpx.Timeout(None, connect=5),
            **_towards(owner),
        ) as response:
            response.raise_for_status()
            for line in response.iter_lines():
                event = json.loads(line)
                if "error" in event:
                    raise LiftError.unpacked(event)
                yield event
                if "answer" in event:
                    return
    except (httpx.HTTPError, json.JSONDecodeError) as error:
        raise Busy(
            f"Another LIFT Reader (process {owner.pid}) owns the model and does not answer. "
            "Close it, or try again in a moment."
        ) from error
    raise Busy(
        f"The LIFT Reader that was answering (process {owner.pid}) ended before it was done. "
        "Ask again."
    )


def stop_owner(owner: Owner, reader: str) -> None:
    """Have the owner of the model cut the answers short that it gives to `reader`.

    One that has gone meanwhile, or does not listen, has nothing to be stopped.
    """
    with suppress(httpx.HTTPError):
        httpx.post(
            f"http://127.0.0.1:{owner.port}/stop",
            json={"owner": reader},
            timeout=5,
            **_towards(owner),
        )


def _towards(owner: Owner) -> dict[str, Any]:
    """How the owner is spoken to: a proxy has no business between two processes of one machine."""
    return {"headers": {"Authorization": f"Bearer {owner.token}"}, "trust_env": False}


def _handler(
    ask_stream: AskStream, stop_answers: Stopper, token: str
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = STALLED_SECONDS

        def do_POST(self) -> None:
            given = self.headers.get("Authorization", "").encode("latin-1", "replace")
            if not secrets.compare_digest(given, f"Bearer {token}".encode()):
                self.send_error(403)
                return
            said = self.headers.get("Content-Length", "")
            length = int(said) if said.isdecimal() and len(said) < 9 else 0
            if self.path not in ("/ask", "/stop") or not 0 < length <= MAX_REQUEST_BYTES:
                self.send_error(400)
                return
            arguments = json.loads(self.rfile.read(length))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ndjson")
            self.end_headers()
            if self.path == "/stop":
                stop_answers(str(arguments["owner"]))
            else:
                self._answer(arguments)

        def _answer(self, arguments: dict[str, Any]) -> None:
            events = ask_stream(arguments)
            try:
                for event in events:
                    self._line(event)
            except LiftError as error:
                self._line(error.packed())
            except OSError:
                events.close()  # type: ignore[attr-defined]  # the asker went away
            except Exception as error:
                log.exception("A question of another process failed")
                self._line({"error": {"code": "failure", "message": f"Unexpected error: {error}"}})

        def _line(self, event: dict[str, Any]) -> None:
            self.wfile.write(json.dumps(event, ensure_ascii=False).encode() + b"\n")
            self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:
            """Keep questions out of logs."""

    return Handler
