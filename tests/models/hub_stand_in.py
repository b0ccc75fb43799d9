"""A stand-in of the Hugging Face hub on this machine: one repository, served over HTTP."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "tiny-org/tiny-model"


class HubStandIn:
    """What the server serves and what it was asked for.

    Attributes:
        files: file name -> content.
        refuse: (status, error code of the hub) for every request, or None.
        break_after: bytes after which the first download of a file over this size breaks off.
        requests: `METHOD path` and the Range header, as they came.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.refuse: tuple[int, str] | None = None
        self.break_after: int | None = None
        self.requests: list[tuple[str, str | None]] = []
        self.url = ""

    @classmethod
    def of_folder(cls, folder: Path) -> HubStandIn:
        return cls({path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()})

    @contextmanager
    def serving(self) -> Iterator[HubStandIn]:
        stand_in = self

        class Handler(_Handler):
            hub = stand_in

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: HubStandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        self.hub.requests.append((f"{self.command} {self.path}", self.headers.get("Range")))
        path = self.path.partition("?")[0]
        if self.hub.refuse:
            status, code = self.hub.refuse
            self._send(status, b"", {"X-Error-Code": code, "X-Error-Message": code}, with_body)
        elif re.fullmatch(rf"/api/models/{REPO}(/revision/[^/]+)?", path):
            self._send(200, json.dumps(self._info()).encode(), {}, with_body)
        elif re.fullmatch(rf"/api/models/{REPO}/tree/[^/]+", path):
            self._send(200, json.dumps(self._tree()).encode(), {}, with_body)
        elif match := re.fullmatch(rf"/{REPO}/resolve/[^/]+/(.+)", path):
            self._file(match[1], with_body)
        else:
            code = "EntryNotFound" if "/resolve/" in path else "RepoNotFound"
            self._send(404, b"", {"X-Error-Code": code}, with_body)

    def _info(self) -> dict[str, object]:
        siblings = [
            {"rfilename": name, "size": len(content), "blobId": "0" * 40}
            for name, content in self.hub.files.items()
        ]
        return {
            "id": REPO,
            "modelId": REPO,
            "sha": COMMIT,
            "private": False,
            "gated": False,
            "disabled": False,
            "tags": [],
            "siblings": siblings,
        }

    def _tree(self) -> list[dict[str, object]]:
        return [
            {
                "type": "file",
                "path": name,
                "size": len(content),
                "oid": hashlib.sha256(content).hexdigest(),
            }
            for name, content in self.hub.files.items()
        ]

    def _file(self, name: str, with_body: bool) -> None:
        content = self.hub.files.get(name)
        if content is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, with_body)
            return
        headers = {
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Repo-Commit": COMMIT,
            "Accept-Ranges": "bytes",
        }
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not match:
            limit = self.hub.break_after
            breaks = with_body and limit is not None and len(content) > limit
            if breaks:
                self.hub.break_after = None
            self._send(200, content, headers, with_body, limit if breaks else None)
            return
        start = int(match[1])
        end = int(match[2]) if match[2] else len(content) - 1
        headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        self._send(206, content[start : end + 1], headers, with_body)

    def _send(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str],
        with_body: bool,
        cut: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True
