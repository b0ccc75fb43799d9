"""A visitor as a program: a cookie of its own, the verbs, and Gradio's raw addresses."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import httpx
from gradio_client import Client, handle_file


class Refused(Exception):
    """The app said no."""


class Guest:
    """One visitor of a server.

    Attributes:
        web: requests with the visitor's cookie.
        client: the verbs, with the same cookie.
        window: name of a window, as a browser makes it up.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.web = httpx.Client(base_url=url, timeout=60)
        self.web.get("/")
        self.cookies = dict(self.web.cookies)
        self.window = secrets.token_hex(6)
        self._client: Client | None = None
        self._numbers: dict[str, Any] | None = None

    @property
    def client(self) -> Client:
        if self._client is None:
            cookies = {"cookies": dict(self.cookies)}
            self._client = Client(self.url, verbose=False, httpx_kwargs=cookies)
        return self._client

    def add(self, file: Path) -> dict[str, Any]:
        return self.client.predict(handle_file(file), api_name="/add_book")

    def ask(self, book: str, question: str) -> dict[str, Any]:
        return self.client.predict(book, question, api_name="/ask")

    def books(self) -> list[dict[str, Any]]:
        return self.client.predict(api_name="/books")

    def verb(self, name: str, *data: Any) -> Any:
        """One verb, asked as any program can; its result. Raises Refused with the app's words."""
        started = self.web.post(f"gradio_api/call/{name}", json={"data": list(data)})
        if started.status_code != 200:
            raise Refused(started.text)
        kind = ""
        with self.web.stream("GET", f"gradio_api/call/{name}/{started.json()['event_id']}") as s:
            for line in s.iter_lines():
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: ") and kind == "complete":
                    return json.loads(line[6:])[0]
                elif line.startswith("data: ") and kind == "error":
                    raise Refused(line[6:])
        raise Refused("the stream ended")

    def send(self, name: str, data: bytes) -> dict[str, Any]:
        """Add a book by the raw addresses."""
        sent = self.web.post("gradio_api/upload", files={"files": (name, data)})
        if sent.status_code != 200:
            raise Refused(sent.text)
        file = {"path": sent.json()[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}
        return self.verb("add_book", file)

    def event(self, name: str, data: list[Any], window: str | None = None) -> str:
        """Trigger an event of the page (by the name of its handler's place); all that it sends."""
        fn = self.event_number(name)
        window = window or self.window
        body = {"fn_index": fn, "data": data, "session_hash": window, "trigger_id": None}
        joined = self.web.post("gradio_api/queue/join", json=body)
        if joined.status_code != 200:
            return f"{joined.status_code} {joined.text}"
        return self.listen(window)

    def run(self, name: str, data: list[Any], window: str | None = None, **more: Any) -> str:
        """As `event`, for events that are not queued."""
        fn = self.event_number(name)
        body = {"fn_index": fn, "data": data, "session_hash": window or self.window, **more}
        return self.web.post("gradio_api/run/predict", json=body).text

    def listen(self, window: str) -> str:
        """The stream of a window, until its event has ended."""
        heard = ""
        with self.web.stream("GET", "gradio_api/queue/data", params={"session_hash": window}) as s:
            if s.status_code != 200:
                return f"{s.status_code} {s.read().decode()}"
            for line in s.iter_lines():
                heard += line + "\n"
                if line.startswith("data: ") and json.loads(line[6:])["msg"] in (
                    "process_completed",
                    "close_stream",
                    "unexpected_error",
                ):
                    break
        return heard

    def event_number(self, name: str) -> int:
        """Number of an event: `load`, `tick`, or an element's id or label and what happens."""
        if self._numbers is None:
            self._numbers = self.web.get("config").json()
        config = self._numbers
        known = {c["id"]: c.get("props", {}) for c in config["components"]}
        for fn in config["dependencies"]:
            for target, what in fn["targets"]:
                props = known.get(target, {})
                if name in (what, f"{props.get('elem_id')}.{what}", f"{props.get('value')}.{what}"):
                    return int(fn["id"])
        raise LookupError(name)
