"""A visitor as a program: a cookie of its own, the verbs, and Gradio's raw addresses."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import httpx
from gradio_client import Client, handle_file


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
        """Number of an event: `load`, `tick`, or the id of the element and what happens to it."""
        config = self.web.get("config").json()
        ids = {c["id"]: c.get("props", {}).get("elem_id") for c in config["components"]}
        for fn in config["dependencies"]:
            for target, what in fn["targets"]:
                if name in (what, f"{ids.get(target)}.{what}"):
                    return int(fn["id"])
        raise LookupError(name)
