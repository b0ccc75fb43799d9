"""A fake Reader, a room over it, and a real server in a process of its own."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake_reader import FakeReader

from lift_app.ui.room import Room
from lift_app.ui.seat import Seat
from lift_app.ui.view import PARTS

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
START_SECONDS = 90


@pytest.fixture
def fake(tmp_path: Path) -> FakeReader:
    return FakeReader(tmp_path / "fake", pace=0)


@pytest.fixture
def room(fake: FakeReader) -> Room:
    return Room(fake)


@pytest.fixture
def seat() -> Seat:
    seat = Seat()
    seat.arrived = True
    return seat


@pytest.fixture
def drawn() -> Callable[[list], dict]:
    """Names the updates of a draw, without those that are skips."""

    def named(updates: list) -> dict:
        return {
            part: update
            for part, update in zip(PARTS, updates, strict=False)
            if update != {"__type__": "update"}
        }

    return named


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
            if line.startswith("READY "):
                self._ready.put(line.split()[1])
        self._ready.put("")

    def wait(self) -> None:
        try:
            self.url = self._ready.get(timeout=START_SECONDS)
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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The reading room over the fake Reader, on a free port."""
    home = tmp_path_factory.mktemp("fake-server")
    command = [sys.executable, str(HERE / "fake_server.py"), str(home), "12"]
    with running(command, {"GRADIO_TEMP_DIR": str(home / "uploads")}) as server:
        yield server
