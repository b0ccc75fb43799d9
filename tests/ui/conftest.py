"""A fake Reader, a room over it, and a server over it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_reader import FakeReader
from serving import HERE, Server, running

from lift_app.ui.room import Room
from lift_app.ui.seat import Seat
from lift_app.ui.view import PARTS


@pytest.fixture(scope="session", autouse=True)
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Uploads to rooms of this process go to the tests' own folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        yield


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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The reading room over the fake Reader, on a free port."""
    home = tmp_path_factory.mktemp("fake-server")
    command = [sys.executable, str(HERE / "fake_server.py"), str(home), "12"]
    with running(command, {"GRADIO_TEMP_DIR": str(home / "uploads")}) as server:
        yield server


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Server]:
    """A shared app, whose answers are sentences of the asker's own book."""
    home = tmp_path_factory.mktemp("shared")
    (home / "secret.txt").write_text("the cupboard is in the cellar")
    command = [sys.executable, str(HERE / "shared_server.py"), str(home), str(tiny_model), "plain"]
    with running(command, {"GRADIO_TEMP_DIR": str(home / "uploads")}) as server:
        yield server


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Messages that a reader would see."""
    seen: list[str] = []
    monkeypatch.setattr("gradio.Warning", lambda text, **_: seen.append(text))
    monkeypatch.setattr("gradio.Info", lambda text, **_: seen.append(text))
    return seen
