"""A server of the reading room, as the browser and API tests need it.

In a process of its own where a test restarts it or needs the model; else in a thread of this one,
which is there ten times sooner.
"""

from __future__ import annotations

import os
import queue
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lift_app.settings import Settings
from lift_app.ui.app import serve

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
START_SECONDS = 90


class Server:
    """A running server: its address, and all it has printed."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self.url = ""
        self._ready: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{HERE}", **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if found := re.search(r"(?:READY|open at) (http\S+)", line):
                self._ready.put(found[1])
        self._ready.put("")

    def wait(self, seconds: float = START_SECONDS) -> None:
        try:
            self.url = self._ready.get(timeout=seconds)
        except queue.Empty:
            self.url = ""
        if not self.url:
            self.stop()
            pytest.fail("the server did not start; it printed:\n" + "".join(self.lines))

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def opened(reader: object, folder: Path) -> str:
    """Open the reading room over a Reader in this process; gives its address.

    It stays open until the tests are over: nothing of it is kept but what is in `folder`.
    """
    ready: queue.SimpleQueue[str] = queue.SimpleQueue()
    settings = Settings(home=folder, port=0, max_file_mb=1)

    def work() -> None:
        try:
            serve(reader, settings, on_ready=ready.put)  # type: ignore[arg-type]
        except BaseException as error:
            ready.put(f"failed: {error!r}")

    threading.Thread(target=work, daemon=True).start()
    url = ready.get(timeout=START_SECONDS)
    if not url.startswith("http"):
        pytest.fail(f"the room did not open: {url}")
    return url


@contextmanager
def running(command: list[str], environment: dict[str, str] | None = None) -> Iterator[Server]:
    """A server while it is needed; prints what it said, for pytest to show on a failure."""
    server = Server(command, environment)
    server.wait()
    try:
        yield server
    finally:
        server.stop()
        print("the server printed:\n" + "".join(server.lines))
